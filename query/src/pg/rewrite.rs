//! What clients write about the catalogue, made into what our planner reads.
//!
//! The catalogue's tables get names of their own and keep the old ones as aliases; casts to `regclass` and
//! its like become numbers or names; operators, functions and collations lose their schema. What is asked
//! of a table that has no rows here is answered without planning, so that forms that the planner does not
//! know do not matter where they would find nothing. A subquery that stands for one value is given an
//! aggregate, which the planner wants.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    ArrayElemTypeDef, BinaryOperator, CastKind, DataType, Expr, Function, FunctionArg,
    FunctionArgExpr, FunctionArgumentList, FunctionArguments, GroupByExpr, Ident, Join,
    JoinOperator, ObjectName, ObjectNamePart, Query, Select, SelectItem, SetExpr, Statement,
    TableAlias, TableFactor, TableWithJoins, Value as SqlValue, ValueWithSpan, Visit, VisitMut,
    Visitor, VisitorMut,
};

use super::facts::{CATALOG, Facts, INFORMATION, PUBLIC};
use super::{expand, functions, oids, schema, tables};
use crate::error::{Error, Result};
use crate::expr::params;
use crate::storage::Value;

/// A schema that is not the database's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Schema {
    /// `pg_catalog`
    Catalog,
    /// `information_schema`
    Information,
}

/// Whether a query names something of the catalogue.
pub(super) fn is_asked(query: &Statement, stored: &dyn Fn(&str) -> bool) -> bool {
    struct Finder<'a>(&'a dyn Fn(&str) -> bool);
    impl Visitor for Finder<'_> {
        type Break = ();

        fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<()> {
            let found = match parts(relation).as_slice() {
                [one] => one.starts_with("pg_") && tables::is_known(one) && !(self.0)(one),
                [first, _] => first == "pg_catalog" || first == "information_schema",
                [_, first, _] => first == "pg_catalog" || first == "information_schema",
                _ => false,
            };
            if found { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        }

        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            let found = match expr {
                Expr::Function(call) => match parts(&call.name).as_slice() {
                    [name] => functions::is_known(name),
                    [first, _] => first == "pg_catalog",
                    _ => false,
                },
                Expr::Identifier(ident) => is_current_schema(ident),
                Expr::Cast { data_type, .. } => {
                    let name = type_name(data_type);
                    name.starts_with("reg") || data_type.to_string().starts_with("pg_catalog.")
                }
                _ => false,
            };
            if found { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        }
    }
    query.visit(&mut Finder(stored)).is_break()
}

/// Rewrites a query; the names it has for tables of the catalogue now.
pub(super) fn rewrite(
    query: &mut Statement,
    facts: &Facts,
) -> Result<Vec<(String, Schema, String)>> {
    let _ = VisitMut::visit(query, &mut Empties);
    name_columns(query);
    let mut rewriter = Rewriter { facts, named: Vec::new() };
    match VisitMut::visit(query, &mut rewriter) {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(rewriter.named),
    }
}

/// The parts of a name, folded.
pub(super) fn parts(name: &ObjectName) -> Vec<String> {
    let ident = |part: &ObjectNamePart| part.as_ident().map(crate::exec::normal);
    name.0.iter().filter_map(ident).collect()
}

/// The table of the catalogue that a name means.
fn table_of(name: &ObjectName) -> Option<(Schema, String)> {
    let parts = parts(name);
    let (schema, table) = match parts.as_slice() {
        [table] if tables::is_known(table) => (Schema::Catalog, table),
        [schema, table] | [_, schema, table] => match schema.as_str() {
            "pg_catalog" if tables::is_known(table) => (Schema::Catalog, table),
            "information_schema" if schema::is_known(table) => (Schema::Information, table),
            _ => return None,
        },
        _ => return None,
    };
    Some((schema, table.clone()))
}

// ---- what finds nothing -------------------------------------------------------------------

/// Puts a query that finds nothing in the place of one over a table without rows.
struct Empties;

impl VisitorMut for Empties {
    type Break = ();

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<()> {
        if empty_set(&mut query.body) {
            query.order_by = None;
            query.limit_clause = None;
        }
        ControlFlow::Continue(())
    }
}

/// Empties the parts of a set expression that find nothing; whether all of it does.
fn empty_set(body: &mut SetExpr) -> bool {
    match body {
        SetExpr::Select(select) => {
            let finds_nothing = finds_nothing(select);
            if finds_nothing {
                empty(select);
            }
            finds_nothing
        }
        SetExpr::SetOperation { left, right, .. } => {
            // Both sides, whatever the first says.
            let sides = [empty_set(left), empty_set(right)];
            sides == [true, true]
        }
        _ => false,
    }
}

fn finds_nothing(select: &Select) -> bool {
    let is_empty = |factor: &TableFactor| match factor {
        TableFactor::Table { name, args: None, .. } => {
            table_of(name).is_some_and(|(_, table)| tables::is_empty(&table))
        }
        _ => false,
    };
    let inner = |join: &Join| {
        matches!(
            join.join_operator,
            JoinOperator::Join(_) | JoinOperator::Inner(_) | JoinOperator::CrossJoin(_)
        )
    };
    let nothing = select.from.iter().any(|TableWithJoins { relation, joins }| {
        // A join that keeps all rows of its right side brings some back.
        let kept = joins.iter().all(|join| {
            inner(join)
                || matches!(join.join_operator, JoinOperator::Left(_) | JoinOperator::LeftOuter(_))
        });
        kept && (is_empty(relation)
            || joins.iter().any(|join| inner(join) && is_empty(&join.relation)))
    });
    let plain = select.projection.iter().all(|item| match item {
        SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => !aggregates(expr),
        _ => false,
    });
    nothing && plain
}

/// Whether an expression holds an aggregate, which has a value also where there are no rows.
fn aggregates(expr: &Expr) -> bool {
    const NAMES: [&str; 9] =
        ["count", "min", "max", "sum", "avg", "array_agg", "string_agg", "bool_and", "bool_or"];
    /// How many queries deep it is: an aggregate of a subquery is the subquery's.
    struct Finder(usize);
    impl Visitor for Finder {
        type Break = ();

        fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
            self.0 += 1;
            ControlFlow::Continue(())
        }

        fn post_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
            self.0 -= 1;
            ControlFlow::Continue(())
        }

        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            match expr {
                Expr::Function(call)
                    if self.0 == 0
                        && parts(&call.name)
                            .last()
                            .is_some_and(|name| NAMES.contains(&name.as_str())) =>
                {
                    ControlFlow::Break(())
                }
                _ => ControlFlow::Continue(()),
            }
        }
    }
    Visit::visit(expr, &mut Finder(0)).is_break()
}

fn empty(select: &mut Select) {
    let mut seen: Vec<String> = Vec::new();
    for item in &mut select.projection {
        let name = match item {
            SelectItem::ExprWithAlias { alias, .. } => crate::exec::normal(alias),
            SelectItem::UnnamedExpr(expr) => name_of(expr),
            _ => continue,
        };
        let mut unique = name.clone();
        while seen.contains(&unique) {
            unique.push('_');
        }
        seen.push(unique.clone());
        *item = SelectItem::ExprWithAlias {
            expr: cast(null(), DataType::Text),
            alias: Ident::with_quote('"', unique),
        };
    }
    select.from.clear();
    select.selection = Some(truth(false));
    select.group_by = GroupByExpr::Expressions(Vec::new(), Vec::new());
    select.having = None;
    select.distinct = None;
}

/// Whether a query is one that was emptied.
fn is_emptied(query: &Query) -> bool {
    let SetExpr::Select(select) = query.body.as_ref() else { return false };
    select.from.is_empty() && select.selection.as_ref() == Some(&truth(false))
}

// ---- names --------------------------------------------------------------------------------

/// What PostgreSQL calls a column without a name.
fn name_of(expr: &Expr) -> String {
    match expr {
        Expr::Identifier(ident) => crate::exec::normal(ident),
        Expr::CompoundIdentifier(parts) => {
            parts.last().map(crate::exec::normal).unwrap_or_default()
        }
        Expr::Function(call) => parts(&call.name).pop().unwrap_or_default(),
        Expr::Cast { expr, .. } | Expr::Nested(expr) | Expr::Collate { expr, .. } => name_of(expr),
        Expr::Case { .. } => "case".to_owned(),
        Expr::Exists { .. } => "exists".to_owned(),
        Expr::Subquery(query) => match query.body.as_ref() {
            SetExpr::Select(select) => match select.projection.first() {
                Some(SelectItem::UnnamedExpr(expr)) => name_of(expr),
                Some(SelectItem::ExprWithAlias { alias, .. }) => crate::exec::normal(alias),
                _ => "?column?".to_owned(),
            },
            _ => "?column?".to_owned(),
        },
        _ => "?column?".to_owned(),
    }
}

/// Names the columns of the result that would show how they were rewritten.
fn name_columns(query: &mut Statement) {
    let Statement::Query(query) = query else { return };
    let SetExpr::Select(select) = query.body.as_mut() else { return };
    let mut seen: Vec<String> = Vec::new();
    for item in &mut select.projection {
        if let SelectItem::UnnamedExpr(expr) = item
            && !matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_))
        {
            let mut name = name_of(expr);
            while seen.contains(&name) {
                name.push(' ');
            }
            seen.push(name.clone());
            *item = SelectItem::ExprWithAlias {
                expr: expr.clone(),
                alias: Ident::with_quote('"', name),
            };
        }
    }
}

// ---- expressions --------------------------------------------------------------------------

struct Rewriter<'a> {
    facts: &'a Facts,
    named: Vec<(String, Schema, String)>,
}

impl VisitorMut for Rewriter<'_> {
    type Break = Error;

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Error> {
        let TableFactor::Table { name, alias, args, .. } = factor else {
            return ControlFlow::Continue(());
        };
        if let Some(args) = args {
            if let Some(numbers) = expand::series(name, args, alias.as_ref()) {
                *factor = numbers;
            } else if let Some(last) = name.0.pop() {
                // A function: there is one of each name.
                name.0 = vec![last];
            }
            return ControlFlow::Continue(());
        }
        let Some((schema, table)) = table_of(name) else { return ControlFlow::Continue(()) };
        let made = match schema {
            Schema::Catalog => format!("__pg_catalog_{table}"),
            Schema::Information => format!("__information_schema_{table}"),
        };
        if alias.is_none() {
            let name = Ident::with_quote('"', table.clone());
            *alias = Some(TableAlias { explicit: true, name, columns: Vec::new(), at: None });
        }
        *name = ObjectName::from(vec![Ident::with_quote('"', made.clone())]);
        if self.named.iter().all(|(known, ..)| *known != made) {
            self.named.push((made, schema, table));
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Error> {
        // From the outside in: a subquery loses its shape before what is in it does.
        if let Some(list) = expand::expanded(expr) {
            *expr = list;
        }
        match expr {
            Expr::Exists { subquery, negated } if is_emptied(subquery) => *expr = truth(*negated),
            Expr::Subquery(query) if is_emptied(query) => *expr = cast(null(), DataType::Text),
            Expr::Subquery(query) => match outer_condition(query) {
                // Visited again, as the result of the CASE.
                Some(condition) => *expr = only_if(condition, Expr::Subquery(query.clone())),
                None => single(query),
            },
            Expr::Function(call) => {
                if let FunctionArguments::Subquery(query) = &call.args
                    && parts(&call.name).last().is_some_and(|name| name == "array")
                {
                    if reads_a_list(query) {
                        // Lists of options, of which there are none.
                        let text = Box::new(DataType::Text);
                        let list = ArrayElemTypeDef::SquareBracket(text, None);
                        *expr = cast(null(), DataType::Array(list));
                    } else {
                        let mut query = query.clone();
                        gathered(&mut query);
                        *expr = Expr::Subquery(query);
                    }
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Error> {
        match self.rewritten(expr) {
            Ok(Some(new)) => *expr = new,
            Ok(None) => {}
            Err(error) => return ControlFlow::Break(error),
        }
        ControlFlow::Continue(())
    }
}

impl Rewriter<'_> {
    fn rewritten(&self, expr: &mut Expr) -> Result<Option<Expr>> {
        Ok(match expr {
            Expr::Collate { expr, .. } => Some(expr.as_ref().clone()),
            Expr::Like { pattern, escape_char, .. } | Expr::ILike { pattern, escape_char, .. } => {
                if let Some(escape) = escape_char.take() {
                    let escape = escape.to_string().trim_matches('\'').to_owned();
                    let texts =
                        [escape, "\\".to_owned()].map(|text| params::literal(&Value::Text(text)));
                    let [from, to] = texts;
                    **pattern = call("replace", vec![pattern.as_ref().clone(), from, to]);
                }
                None
            }
            Expr::BinaryOp { op, .. } => {
                if let BinaryOperator::PGCustomBinaryOperator(names) = op {
                    let plain = match names.last().map(String::as_str) {
                        Some("~") => BinaryOperator::PGRegexMatch,
                        Some("~*") => BinaryOperator::PGRegexIMatch,
                        Some("!~") => BinaryOperator::PGRegexNotMatch,
                        Some("!~*") => BinaryOperator::PGRegexNotIMatch,
                        Some("=") => BinaryOperator::Eq,
                        Some("<>") => BinaryOperator::NotEq,
                        _ => return Ok(None),
                    };
                    *op = plain;
                }
                None
            }
            Expr::Identifier(ident) if is_current_schema(ident) => {
                Some(call("current_schema", Vec::new()))
            }
            Expr::CompoundIdentifier(parts)
                if parts.len() > 2
                    && ["pg_catalog", "information_schema", "public"]
                        .contains(&parts[0].value.as_str()) =>
            {
                parts.remove(0);
                None
            }
            Expr::Function(function) => {
                if let Some(last) = function.name.0.pop() {
                    function.name.0 = vec![last];
                }
                expand::of_places(function)
            }
            Expr::Cast { expr: inner, data_type, .. } => {
                let (inner, data_type) = (inner.as_ref().clone(), data_type.clone());
                self.cast(inner, &data_type)?
            }
            _ => None,
        })
    }

    /// A cast to one of PostgreSQL's own types.
    fn cast(&self, inner: Expr, data_type: &DataType) -> Result<Option<Expr>> {
        let name = type_name(data_type);
        let given = literal(&inner);
        let number = given.as_deref().and_then(|text| text.trim().parse::<i64>().ok());
        Ok(Some(match name.as_str() {
            "regclass" | "regtype" | "regnamespace" if number.is_some() => {
                params::literal(&Value::Int(number.unwrap_or(0)))
            }
            "regclass" => match &given {
                Some(text) => int(self.relation(text)?),
                None => call(functions::REGCLASS, vec![inner]),
            },
            "regtype" => match &given {
                Some(text) => int(oids::named(text).ok_or_else(|| unknown("type", text))?),
                None => call(functions::REGTYPE, vec![inner]),
            },
            "regnamespace" => match given.as_deref() {
                Some("public") => int(PUBLIC),
                Some("pg_catalog") => int(CATALOG),
                Some("information_schema") => int(INFORMATION),
                Some(other) => return Err(unknown("schema", other)),
                None => call(functions::REGNAMESPACE, vec![inner]),
            },
            "regproc" | "regprocedure" if given.is_some() => {
                let text = given.as_deref().unwrap_or_default();
                let name = text.strip_prefix("pg_catalog.").unwrap_or(text);
                params::literal(&Value::Text(name.to_owned()))
            }
            "regproc" | "regprocedure" | "name" | "cstring" | "char" | "\"char\"" | "text"
            | "bpchar" | "varchar" | "json" | "jsonb" | "regrole" => cast(inner, DataType::Text),
            "oid" | "xid" | "cid" => cast(inner, DataType::IntegerUnsigned(None)),
            "int4" | "int2" => cast(inner, DataType::Integer(None)),
            "int8" => cast(inner, DataType::BigInt(None)),
            "bool" => cast(inner, DataType::Boolean),
            "float4" => cast(inner, DataType::Real),
            "int2vector" | "oidvector" => inner,
            "int2[]" | "int4[]" | "oid[]" => match &given {
                Some(text) => listed(text, |item| {
                    item.parse::<i64>().ok().map(|number| params::literal(&Value::Int(number)))
                })
                .ok_or_else(|| unknown("list", text))?,
                None => inner,
            },
            "text[]" | "name[]" | "char[]" | "\"char\"[]" | "varchar[]" => match &given {
                Some(text) => listed(text, |item| {
                    Some(params::literal(&Value::Text(item.trim_matches('"').to_owned())))
                })
                .ok_or_else(|| unknown("list", text))?,
                None => inner,
            },
            _ => return Ok(None),
        }))
    }

    /// The number of the relation of this name, which may be one of the catalogue's own.
    fn relation(&self, text: &str) -> Result<i32> {
        let own = text.strip_prefix("pg_catalog.").unwrap_or(text);
        Ok(match own {
            "pg_class" => 1259,
            "pg_type" => 1247,
            "pg_proc" => 1255,
            "pg_namespace" => 2615,
            "pg_constraint" => 2606,
            "pg_database" => 1262,
            "pg_attrdef" => 2604,
            other if tables::is_known(other) => 0,
            _ => {
                let known = self.facts.relations.iter().map(|relation| relation.name.as_str());
                let missing = || Error::no_such_table(text, known.collect());
                self.facts.named(text).map(|relation| relation.oid).ok_or_else(missing)?
            }
        })
    }
}

fn unknown(what: &str, text: &str) -> Error {
    Error::not_supported(format!("the {what} `{text}`"))
}

/// Takes from a subquery the conditions that are about the rows outside of it only, which the planner
/// does not take inside.
fn outer_condition(query: &mut Query) -> Option<Expr> {
    let SetExpr::Select(select) = query.body.as_mut() else { return None };
    let mut inside: Vec<String> = Vec::new();
    for from in &select.from {
        for factor in
            std::iter::once(&from.relation).chain(from.joins.iter().map(|join| &join.relation))
        {
            match factor {
                TableFactor::Table { alias: Some(alias), .. }
                | TableFactor::Derived { alias: Some(alias), .. } => {
                    inside.push(crate::exec::normal(&alias.name));
                }
                TableFactor::Table { name, .. } => inside.extend(parts(name).pop()),
                _ => return None,
            }
        }
    }
    let mut outer = Vec::new();
    let mut inner = Vec::new();
    for condition in conjuncts(select.selection.take()?) {
        if is_outer(&condition, &inside) { outer.push(condition) } else { inner.push(condition) }
    }
    let all = |conditions: Vec<Expr>| {
        conditions.into_iter().reduce(|left, right| Expr::BinaryOp {
            left: Box::new(left),
            op: BinaryOperator::And,
            right: Box::new(right),
        })
    };
    select.selection = all(inner);
    all(outer)
}

/// The conditions that must all hold.
fn conjuncts(expr: Expr) -> Vec<Expr> {
    match expr {
        Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
            let mut all = conjuncts(*left);
            all.extend(conjuncts(*right));
            all
        }
        Expr::Nested(inner) => conjuncts(*inner),
        other => vec![other],
    }
}

/// Whether a condition names columns, and none of the tables `inside`.
fn is_outer(condition: &Expr, inside: &[String]) -> bool {
    struct Finder<'a> {
        inside: &'a [String],
        named: bool,
    }
    impl Visitor for Finder<'_> {
        type Break = ();

        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            match expr {
                // A bare name may be of a table inside.
                Expr::Identifier(_) | Expr::Subquery(_) | Expr::Exists { .. } => {
                    ControlFlow::Break(())
                }
                Expr::CompoundIdentifier(parts) => {
                    self.named = true;
                    let table =
                        parts.len().checked_sub(2).map(|at| crate::exec::normal(&parts[at]));
                    match table.is_some_and(|table| self.inside.contains(&table)) {
                        true => ControlFlow::Break(()),
                        false => ControlFlow::Continue(()),
                    }
                }
                _ => ControlFlow::Continue(()),
            }
        }
    }
    let mut finder = Finder { inside, named: false };
    Visit::visit(condition, &mut finder).is_continue() && finder.named
}

/// An expression that is NULL unless a condition holds.
fn only_if(condition: Expr, result: Expr) -> Expr {
    match crate::expr::parse("CASE WHEN true THEN NULL END") {
        Ok(Expr::Case { case_token, end_token, operand, mut conditions, else_result }) => {
            for when in &mut conditions {
                when.condition = condition.clone();
                when.result = result.clone();
            }
            Expr::Case { case_token, end_token, operand, conditions, else_result }
        }
        // The text is our own and parses.
        _ => result,
    }
}

/// Gives a subquery that stands for one value an aggregate, unless it has one.
fn single(query: &mut Query) {
    if query.limit_clause.is_some() || query.with.is_some() {
        return;
    }
    let SetExpr::Select(select) = query.body.as_mut() else { return };
    let grouped = !matches!(
        &select.group_by, GroupByExpr::Expressions(list, _) if list.is_empty()
    );
    if grouped || select.from.is_empty() {
        return;
    }
    let [item] = select.projection.as_mut_slice() else { return };
    let (SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }) = item else {
        return;
    };
    if !aggregates(expr) {
        *item = SelectItem::UnnamedExpr(call("max", vec![expr.clone()]));
        query.order_by = None;
    }
}

/// Whether a query reads the items of a list as its rows.
fn reads_a_list(query: &Query) -> bool {
    let SetExpr::Select(select) = query.body.as_ref() else { return false };
    select.from.iter().any(|from| match &from.relation {
        TableFactor::Table { args, .. } => args.is_some(),
        TableFactor::UNNEST { .. }
        | TableFactor::TableFunction { .. }
        | TableFactor::Function { .. } => true,
        _ => false,
    })
}

/// Makes a query of one column one of a single list.
fn gathered(query: &mut Query) {
    let SetExpr::Select(select) = query.body.as_mut() else { return };
    let [item] = select.projection.as_mut_slice() else { return };
    let (SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }) = item else {
        return;
    };
    *item = SelectItem::UnnamedExpr(call("array_agg", vec![expr.clone()]));
    query.order_by = None;
}

fn is_current_schema(ident: &Ident) -> bool {
    ident.quote_style.is_none() && ident.value.eq_ignore_ascii_case("current_schema")
}

/// The name of a type without its schema, in lower case.
fn type_name(data_type: &DataType) -> String {
    if let DataType::Array(
        ArrayElemTypeDef::SquareBracket(item, _) | ArrayElemTypeDef::AngleBracket(item),
    ) = data_type
    {
        return format!("{}[]", type_name(item));
    }
    let name = data_type.to_string().to_ascii_lowercase();
    name.strip_prefix("pg_catalog.").unwrap_or(&name).to_owned()
}

/// The text of a constant.
fn literal(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Value(ValueWithSpan { value: SqlValue::SingleQuotedString(text), .. }) => {
            Some(text.clone())
        }
        Expr::Value(ValueWithSpan { value: SqlValue::Number(digits, _), .. }) => {
            Some(digits.clone())
        }
        Expr::Nested(inner) => literal(inner),
        _ => None,
    }
}

/// `{a,b}` as an array.
fn listed(text: &str, item: impl Fn(&str) -> Option<Expr>) -> Option<Expr> {
    let inner = text.trim().strip_prefix('{')?.strip_suffix('}')?;
    let items = inner.split(',').map(str::trim).filter(|item| !item.is_empty());
    let elem = items.map(item).collect::<Option<Vec<_>>>()?;
    Some(Expr::Array(datafusion::sql::sqlparser::ast::Array { elem, named: true }))
}

fn null() -> Expr {
    params::literal(&Value::Null)
}

fn truth(value: bool) -> Expr {
    params::literal(&Value::Bool(value))
}

fn int(number: i32) -> Expr {
    params::literal(&Value::Int(number.into()))
}

/// A cast.
pub(super) fn cast(expr: Expr, data_type: DataType) -> Expr {
    Expr::Cast { kind: CastKind::Cast, expr: Box::new(expr), data_type, array: false, format: None }
}

/// A call of a function.
pub(super) fn call(name: &str, args: Vec<Expr>) -> Expr {
    let args = args.into_iter().map(|arg| FunctionArg::Unnamed(FunctionArgExpr::Expr(arg)));
    Expr::Function(Function {
        name: ObjectName::from(vec![Ident::new(name)]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args: args.collect(),
            clauses: Vec::new(),
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}
