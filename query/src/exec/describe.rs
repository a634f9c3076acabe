//! What a statement takes and returns, told without running it: for clients that prepare first.
//!
//! Types of parameters are those of the columns that they stand beside or are put into; in a query they
//! are found by the planner. What nothing is known of stays open, and is best sent as text. Columns are
//! those that the statement would return: the same code names and types them.

use std::ops::ControlFlow;
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field as ArrowField, Schema, SchemaRef};
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, CastKind, DataType as SqlType, Expr, FunctionArg, FunctionArgExpr, LimitClause,
    Query, Statement as SqlQuery, TableFactor, Value as SqlValue, ValueWithSpan, Visit, VisitMut,
    Visitor, VisitorMut,
};

use super::returning::Returning;
use super::{forget, forgetting, names, recommend, select, show, titles};
use crate::ast::{
    Assignment, ConflictAction, Context, CopySource, Evaluate, Insert, InsertSource, Name, Operand,
    OperandKind, Recommend, SelectItem, Show, Statement, StatementKind, WithOptions,
};
use crate::batch::{Field, Shape, arrow_type};
use crate::error::Result;
use crate::expr::params;
use crate::session::Session;
use crate::storage::{Catalog, ColumnType, KeyType, Role, Value};

/// What a statement takes and what it returns.
#[derive(Clone, Debug)]
pub struct Description {
    /// The type of `$1`, `$2`, …; `None` where it cannot be told.
    pub params: Vec<Option<DataType>>,
    /// The columns of its rows; `None` where it returns none by nature.
    pub columns: Option<SchemaRef>,
}

/// Describes a statement.
pub(crate) fn describe(
    session: &mut Session,
    statement: &Statement,
    known: &[Option<DataType>],
) -> Result<Description> {
    let mut params = vec![None; (statement.params as usize).max(known.len())];
    for (param, known) in params.iter_mut().zip(known) {
        *param = known.clone();
    }
    let catalog = session.view().catalog()?;
    let mut types = Types { params, catalog: &catalog, session };
    let columns = types.statement(&statement.kind)?;
    Ok(Description { params: types.params, columns })
}

/// What is known of the parameters of one statement.
struct Types<'a> {
    params: Vec<Option<DataType>>,
    catalog: &'a Arc<Catalog>,
    session: &'a mut Session,
}

fn columns(list: &[(&str, ColumnType)]) -> SchemaRef {
    let fields = list.iter().map(|(name, ty)| ArrowField::new(*name, arrow_type(*ty), true));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

const PROPERTIES: [(&str, ColumnType); 2] =
    [("property", ColumnType::Text), ("value", ColumnType::Text)];

impl Types<'_> {
    fn statement(&mut self, kind: &StatementKind) -> Result<Option<SchemaRef>> {
        use ColumnType::{BigInt, Bool, Text};
        Ok(match kind {
            StatementKind::Query(query) => Some(self.query(query)?),
            StatementKind::Recommend(recommend) => Some(self.recommend(recommend)?),
            StatementKind::Insert(insert) => self.insert(insert)?,
            StatementKind::Update(update) => {
                let shape = self.shape(&update.table)?;
                self.assignments(&shape, &update.assignments);
                self.conditions(&shape, update.filter.as_ref());
                self.returning(&shape, update.returning.as_deref())?
            }
            StatementKind::Delete(delete) => {
                let shape = self.shape(&delete.table)?;
                self.conditions(&shape, delete.filter.as_ref());
                self.returning(&shape, delete.returning.as_deref())?
            }
            StatementKind::CopyTo(copy) => {
                match &copy.source {
                    CopySource::Query(query) => drop(self.query(query)?),
                    CopySource::Recommend(recommend) => drop(self.recommend(recommend)?),
                    CopySource::Table { .. } => {}
                }
                None
            }
            StatementKind::CopyFrom(copy) => {
                let shape = self.shape(&copy.table)?;
                names::written(&shape, copy.columns.as_deref())?;
                None
            }
            StatementKind::Explain { analyze, statement } => match &statement.kind {
                StatementKind::Recommend(recommend) => {
                    self.recommend(recommend)?;
                    let told = [("stage", Text), ("detail", Text), ("microseconds", BigInt)];
                    Some(columns(if *analyze { &told } else { &told[..2] }))
                }
                StatementKind::Query(query) => {
                    self.query(query)?;
                    Some(columns(&[("plan", Text)]))
                }
                _ => None,
            },
            StatementKind::ExplainTrain(_) => Some(columns(&PROPERTIES)),
            StatementKind::Evaluate(evaluate) => Some(evaluated(evaluate)),
            StatementKind::EvaluateForgetting(_) => Some(columns(forgetting::COLUMNS)),
            StatementKind::VerifyForget(operand) => {
                self.operand(operand, Text);
                Some(columns(&[("check", Text), ("passed", Bool), ("detail", Text)]))
            }
            // Counting the rows of every table is not for a description.
            StatementKind::Show(Show::Tables) => Some(columns(show::TABLES)),
            StatementKind::Show(Show::Training(_)) => Some(columns(&PROPERTIES)),
            StatementKind::Show(which) => show::system_name(which)
                .map(|name| show::system_table(self.session, name, &self.session.view()))
                .transpose()?
                .flatten()
                .map(|rows| rows.schema),
            StatementKind::Describe(_) => Some(columns(show::DESCRIBE)),
            StatementKind::CreateTable(_)
            | StatementKind::CreateIndex(_)
            | StatementKind::CreateModel(_)
            | StatementKind::CreateEmbedding(_)
            | StatementKind::RefreshEmbedding(_)
            | StatementKind::RefreshIndex(_)
            | StatementKind::AlterTable(_)
            | StatementKind::Drop(_)
            | StatementKind::Export(_)
            | StatementKind::Import(_)
            | StatementKind::Backup(_)
            | StatementKind::Begin(_)
            | StatementKind::Commit
            | StatementKind::Rollback
            | StatementKind::TrainModel(_)
            | StatementKind::RefreshModel(_)
            | StatementKind::Vacuum => None,
        })
    }

    fn shape(&self, table: &Name) -> Result<Arc<Shape>> {
        let table = names::table(self.catalog, table)?;
        Ok(self.session.sql().shapes().get(self.catalog, table))
    }

    /// Notes the type of a parameter, unless it is known.
    fn note(&mut self, number: usize, ty: DataType) {
        if let Some(param @ None) = number.checked_sub(1).and_then(|at| self.params.get_mut(at)) {
            *param = Some(ty);
        }
    }

    /// Notes what an expression is for, if it is a parameter.
    fn value(&mut self, expr: &Expr, ty: ColumnType) {
        if let Some(number) = placeholder(expr) {
            self.note(number, arrow_type(ty));
        }
    }

    fn operand(&mut self, operand: &Operand, ty: ColumnType) {
        match &operand.kind {
            OperandKind::Param(number) => self.note(*number as usize, arrow_type(ty)),
            OperandKind::Expr(expr) => self.value(expr, ty),
            OperandKind::Literal(_) => {}
        }
    }

    /// Notes the parameters of an expression over the columns of a table.
    fn conditions(&mut self, shape: &Shape, expr: Option<&Expr>) {
        let Some(expr) = expr else { return };
        let mut found = Vec::new();
        let _ = Visit::visit(expr, &mut Beside { shape: Some(shape), found: &mut found });
        found.into_iter().for_each(|(number, ty)| self.note(number, arrow_type(ty)));
    }

    fn assignments(&mut self, shape: &Shape, assignments: &[Assignment]) {
        for Assignment { column, value } in assignments {
            if let Some(at) = shape.position(column.as_str()) {
                self.value(value, shape.fields[at].column_type());
            }
            self.conditions(shape, Some(value));
        }
    }

    fn insert(&mut self, insert: &Insert) -> Result<Option<SchemaRef>> {
        let shape = self.shape(&insert.table)?;
        let targets = names::written(&shape, insert.columns.as_deref())?;
        match &insert.source {
            InsertSource::Values(rows) => {
                for row in rows {
                    for (expr, at) in row.node.iter().zip(&targets) {
                        self.value(expr, shape.fields[*at].column_type());
                        self.conditions(&shape, Some(expr));
                    }
                }
            }
            InsertSource::Query(query) => drop(self.query(query)?),
            InsertSource::Defaults => {}
        }
        if let Some(conflict) = &insert.on_conflict
            && let ConflictAction::Update { assignments, filter } = &conflict.action
        {
            self.assignments(&shape, assignments);
            self.conditions(&shape, filter.as_ref());
        }
        self.returning(&shape, insert.returning.as_deref())
    }

    fn returning(
        &mut self,
        shape: &Arc<Shape>,
        list: Option<&[SelectItem]>,
    ) -> Result<Option<SchemaRef>> {
        let Some(list) = list else { return Ok(None) };
        let planner = self.session.sql().planner();
        let nulls = vec![Value::Null; self.params.len()];
        let mut fields = Vec::new();
        for item in list {
            if let Some(name) = forget::asked(item) {
                fields.push(Arc::new(ArrowField::new(name, DataType::Utf8, false)));
                continue;
            }
            let item = std::slice::from_ref(item);
            let now = self.session.sql().now();
            let compiled = Returning::new(planner, shape, item, &nulls, now, None)?;
            fields.extend(compiled.schema().fields().iter().cloned());
        }
        Ok(Some(Arc::new(Schema::new(fields))))
    }

    /// The columns of a RECOMMEND depend on its list alone, so that nobody needs to be looked up.
    fn recommend(&mut self, recommend: &Recommend) -> Result<SchemaRef> {
        let shape = self.shape(&recommend.table)?;
        let key = |field: &Field| matches!(field, Field::Key(_));
        let item = shape.fields.iter().find(|field| key(field)).map(|field| field.column_type());
        let item = item.unwrap_or(ColumnType::Text);
        let other = self.other_key(&shape);
        for context in &recommend.contexts {
            match context {
                Context::User(operand) => self.operand(operand, other),
                Context::Item(operand) if shape.table.role == Role::User => {
                    self.operand(operand, other);
                }
                Context::Item(operand) => self.operand(operand, item),
                Context::Session(list) | Context::Likes(list) | Context::Dislikes(list) => {
                    list.node.iter().for_each(|operand| self.operand(operand, item));
                }
                Context::Vector(pairs) => {
                    for pair in &pairs.node {
                        if let Some(at) = shape.position(pair.name.as_str()) {
                            self.operand(&pair.value, shape.fields[at].column_type());
                        }
                    }
                }
                Context::Users(query) => drop(self.query(&query.node)?),
                Context::Profile(_) => {}
            }
        }
        let mut operand = |operand: Option<&Operand>, ty| {
            if let Some(operand) = operand {
                self.operand(operand, ty);
            }
        };
        operand(recommend.limit.as_ref(), ColumnType::BigInt);
        operand(recommend.offset.as_ref(), ColumnType::BigInt);
        operand(recommend.limit_by.as_ref().map(|by| &by.count), ColumnType::BigInt);
        operand(recommend.explore.as_ref().map(|explore| &explore.share), ColumnType::Double);
        let strength = recommend.diversify.as_ref().and_then(|by| by.strength.as_ref());
        operand(strength, ColumnType::Double);
        for source in &recommend.sources {
            operand(source.weight.as_ref(), ColumnType::Double);
        }
        for option in &recommend.options.items {
            let number = option.name.value == "seed";
            operand(
                Some(&option.value),
                if number { ColumnType::BigInt } else { ColumnType::Text },
            );
        }
        self.conditions(&shape, recommend.filter.as_ref());
        self.conditions(&shape, recommend.having.as_ref().map(|having| &having.node));
        recommend.order_by.iter().for_each(|order| self.conditions(&shape, Some(&order.expr)));
        let nulls = vec![Value::Null; self.params.len()];
        recommend::columns(self.session, recommend, &nulls)
    }

    /// The type of the keys of those whom rows of a table are recommended to.
    fn other_key(&self, shape: &Shape) -> ColumnType {
        let mut links = self.catalog.tables().filter_map(|table| table.link.as_ref());
        let other = links.find_map(|link| match shape.table.role {
            Role::Item => (link.item_table == shape.table.id).then_some(link.user_table),
            Role::User => (link.user_table == shape.table.id).then_some(link.item_table),
            Role::Interaction => None,
        });
        let table = other.and_then(|id| self.catalog.table_by_id(id));
        match table.map(|table| table.key_type) {
            Some(KeyType::BigInt) => ColumnType::BigInt,
            _ => ColumnType::Text,
        }
    }

    fn query(&mut self, query: &Query) -> Result<SchemaRef> {
        let query = SqlQuery::Query(Box::new(query.clone()));
        let view = self.session.view();
        let planner = self.session.sql().planner();
        let now = self.session.sql().now();
        if self.params.iter().any(Option::is_none) {
            // What the planner cannot tell of open parameters is no error: see below.
            let mut open = query.clone();
            if let Ok(tables) = select::described(self.session, &mut open, view.clone())
                && let Ok(found) = planner.parameters(tables, now, open, self.session.cancel())
            {
                for (name, ty) in found {
                    if let Some(number) = params::number(&name)
                        && sql_type(&ty).is_some()
                    {
                        self.note(number, ty);
                    }
                }
            }
            let mut found = Vec::new();
            let _ = Visit::visit(&query, &mut Beside { shape: None, found: &mut found });
            found.into_iter().for_each(|(number, ty)| self.note(number, arrow_type(ty)));
        }
        let mut closed = query.clone();
        let _ = VisitMut::visit(&mut closed, &mut Typed { params: &self.params });
        let tables = select::described(self.session, &mut closed, view)?;
        let planner = self.session.sql().planner();
        let schema = planner.schema_of(tables, now, closed, self.session.cancel())?;
        Ok(titles::schema(&query, &schema))
    }
}

/// The columns of an EVALUATE.
fn evaluated(evaluate: &Evaluate) -> SchemaRef {
    let mut list = vec![("model".to_owned(), ColumnType::Text)];
    if !evaluate.group_by.is_empty() {
        list.push(("group".to_owned(), ColumnType::Text));
    }
    list.push(("users".to_owned(), ColumnType::BigInt));
    for metric in &evaluate.metrics {
        let name = metric.name.as_str().to_ascii_lowercase();
        list.push((format!("{name}({})", metric.k), ColumnType::Double));
    }
    let list: Vec<_> = list.iter().map(|(name, ty)| (name.as_str(), *ty)).collect();
    columns(&list)
}

/// A RECOMMEND that answers with the same columns and asks nothing.
pub(super) fn without_question(recommend: &Recommend) -> Recommend {
    let mut bare = recommend.clone();
    bare.contexts.retain(|context| matches!(context, Context::Users(_)));
    bare.sources.clear();
    bare.filter = None;
    bare.having = None;
    bare.diversify = None;
    if let Some(explore) = &mut bare.explore {
        explore.rate = None;
        explore.share.kind = OperandKind::Literal(crate::ast::Literal::Real(0.0));
    }
    bare.order_by.clear();
    bare.limit_by = None;
    bare.limit = None;
    bare.offset = None;
    bare.options = WithOptions::default();
    bare
}

/// The number of a parameter, also in parentheses.
fn placeholder(expr: &Expr) -> Option<usize> {
    match expr {
        Expr::Value(ValueWithSpan { value: SqlValue::Placeholder(name), .. }) => {
            params::number(name)
        }
        Expr::Nested(inner) => placeholder(inner),
        _ => None,
    }
}

/// The column type of a type in a CAST.
fn cast_type(ty: &SqlType) -> Option<ColumnType> {
    Some(match ty {
        SqlType::Bool | SqlType::Boolean => ColumnType::Bool,
        SqlType::SmallInt(_)
        | SqlType::Int2(_)
        | SqlType::Int(_)
        | SqlType::Int4(_)
        | SqlType::Integer(_) => ColumnType::Int,
        SqlType::BigInt(_) | SqlType::Int8(_) => ColumnType::BigInt,
        SqlType::Real | SqlType::Float4 => ColumnType::Real,
        SqlType::Double(_) | SqlType::DoublePrecision | SqlType::Float8 | SqlType::Float(_) => {
            ColumnType::Double
        }
        SqlType::Text | SqlType::Varchar(_) | SqlType::CharacterVarying(_) => ColumnType::Text,
        SqlType::Date => ColumnType::Date,
        SqlType::Timestamp(..) => ColumnType::Timestamp,
        _ => return None,
    })
}

/// The SQL type of a parameter; `None` where a parameter cannot be of it.
fn sql_type(ty: &DataType) -> Option<SqlType> {
    use datafusion::sql::sqlparser::ast::{ArrayElemTypeDef, ExactNumberInfo, TimezoneInfo};
    Some(match ty {
        DataType::Boolean => SqlType::Boolean,
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::UInt8 | DataType::UInt16 => {
            SqlType::Integer(None)
        }
        DataType::Int64 | DataType::UInt64 => SqlType::BigInt(None),
        // The catalogue's numbers.
        DataType::UInt32 => SqlType::IntegerUnsigned(None),
        DataType::Float16 | DataType::Float32 => SqlType::Real,
        DataType::Float64 | DataType::Decimal128(..) => SqlType::Double(ExactNumberInfo::None),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => SqlType::Text,
        DataType::Date32 => SqlType::Date,
        DataType::Timestamp(..) => SqlType::Timestamp(None, TimezoneInfo::None),
        DataType::List(item) if item.data_type() == &DataType::Utf8 => {
            SqlType::Array(ArrayElemTypeDef::SquareBracket(Box::new(SqlType::Text), None))
        }
        // A vector stands in an expression as text.
        DataType::List(item) if item.data_type() == &DataType::Float32 => SqlType::Text,
        _ => return None,
    })
}

/// Finds parameters beside columns of a table, in casts and where only one type makes sense.
struct Beside<'a> {
    shape: Option<&'a Shape>,
    found: &'a mut Vec<(usize, ColumnType)>,
}

impl Beside<'_> {
    fn of(&self, expr: &Expr) -> Option<ColumnType> {
        let ident = match expr {
            Expr::Identifier(ident) => ident,
            Expr::CompoundIdentifier(parts) => parts.last()?,
            Expr::Nested(inner) => return self.of(inner),
            _ => return None,
        };
        let shape = self.shape?;
        Some(shape.fields[shape.position(&names::normal(ident))?].column_type())
    }

    fn pair(&mut self, one: &Expr, other: &Expr) {
        if let (Some(number), Some(ty)) = (placeholder(one), self.of(other)) {
            self.found.push((number, ty));
        }
    }

    fn text(&mut self, expr: &Expr) {
        self.found.extend(placeholder(expr).map(|number| (number, ColumnType::Text)));
    }
}

impl Visitor for Beside<'_> {
    type Break = ();

    /// How many rows are wanted.
    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        let mut count = |expr: Option<&Expr>| {
            let number = expr.and_then(placeholder);
            self.found.extend(number.map(|number| (number, ColumnType::BigInt)));
        };
        match &query.limit_clause {
            Some(LimitClause::LimitOffset { limit, offset, .. }) => {
                count(limit.as_ref());
                count(offset.as_ref().map(|offset| &offset.value));
            }
            Some(LimitClause::OffsetCommaLimit { offset, limit }) => {
                count(Some(offset));
                count(Some(limit));
            }
            None => {}
        }
        count(query.fetch.as_ref().and_then(|fetch| fetch.quantity.as_ref()));
        ControlFlow::Continue(())
    }

    /// The arguments of `recommend(…)`.
    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        let TableFactor::Table { args: Some(args), .. } = factor else {
            return ControlFlow::Continue(());
        };
        for arg in &args.args {
            let (name, value) = match arg {
                FunctionArg::Named { name, arg: FunctionArgExpr::Expr(value), .. }
                | FunctionArg::ExprNamed {
                    name: Expr::Identifier(name),
                    arg: FunctionArgExpr::Expr(value),
                    ..
                } => (name, value),
                _ => continue,
            };
            let ty = match name.value.to_ascii_lowercase().as_str() {
                "k" | "skip" | "most" | "seed" | "pool" => ColumnType::BigInt,
                "strength" | "explore" | "half_life" => ColumnType::Double,
                _ => ColumnType::Text,
            };
            self.found.extend(placeholder(value).map(|number| (number, ty)));
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        match expr {
            Expr::BinaryOp { left, op, right } => {
                self.pair(left, right);
                self.pair(right, left);
                if *op == BinaryOperator::StringConcat {
                    self.text(left);
                    self.text(right);
                }
            }
            Expr::InList { expr, list, .. } => {
                list.iter().for_each(|item| self.pair(item, expr));
            }
            Expr::Between { expr, low, high, .. } => {
                self.pair(low, expr);
                self.pair(high, expr);
            }
            Expr::Like { expr, pattern, .. } | Expr::ILike { expr, pattern, .. } => {
                self.text(expr);
                self.text(pattern);
            }
            Expr::Cast { expr, data_type, .. } => {
                if let (Some(number), Some(ty)) = (placeholder(expr), cast_type(data_type)) {
                    self.found.push((number, ty));
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

/// Puts a NULL of its type in the place of every parameter, and a number where rows are counted.
struct Typed<'a> {
    params: &'a [Option<DataType>],
}

impl VisitorMut for Typed<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        let one = |expr: &mut Expr| {
            if placeholder(expr).is_some() {
                *expr = params::literal(&Value::Int(1));
            }
        };
        match &mut query.limit_clause {
            Some(LimitClause::LimitOffset { limit, offset, .. }) => {
                limit.iter_mut().for_each(one);
                offset.iter_mut().for_each(|offset| one(&mut offset.value));
            }
            Some(LimitClause::OffsetCommaLimit { offset, limit }) => {
                one(offset);
                one(limit);
            }
            None => {}
        }
        if let Some(fetch) = &mut query.fetch {
            fetch.quantity.iter_mut().for_each(one);
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::Value(ValueWithSpan { value: SqlValue::Placeholder(name), .. }) = expr {
            let known = params::number(name).and_then(|at| self.params.get(at - 1)?.as_ref());
            *expr = Expr::Cast {
                kind: CastKind::Cast,
                expr: Box::new(params::literal(&Value::Null)),
                data_type: known.and_then(sql_type).unwrap_or(SqlType::Text),
                array: false,
                format: None,
            };
        }
        ControlFlow::Continue(())
    }
}
