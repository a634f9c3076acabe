//! From the names and literals of a RECOMMEND to the ids and numbers of a request.

use std::sync::Arc;

use tastedb_engine::{Context as Asked, EmbeddingMatrix, Request, Seen, Similarity, Source};

use super::slate::Slate;
use super::users::Users;
use super::{Bound, DEFAULT_LIMIT, Order, candidates};
use crate::ast::{Context, Expr, Name, NamedValue, Operand, OperandKind, OrderByExpr, Recommend};
use crate::batch::{Cell, Field, Shape, coerce, describe};
use crate::error::{Error, Result};
use crate::exec::insert::constant_value;
use crate::exec::names;
use crate::exec::options::Options;
use crate::exec::writer::canonical;
use crate::expr::literal::{self, Given};
use crate::expr::params;
use crate::session::Session;
use crate::storage::{
    Catalog, Column, ColumnType, Element, ItemId, Read, Role, Snapshot, Table, TableId, UserId,
    Value,
};

/// Resolves everything that the statement names.
pub(super) fn bind<'a>(
    session: &Session,
    snapshot: Snapshot,
    recommend: &'a Recommend,
    params: &'a [Value],
) -> Result<Bound<'a>> {
    refuse_unsupported(recommend)?;
    let catalog = snapshot.catalog().clone();
    let roles = [Role::Item, Role::User];
    let expected = "a table of items or users, which is what RECOMMEND takes";
    let table = names::table_of(&catalog, &recommend.table, &roles, expected)?;
    let shape = session.sql().shapes().get(&catalog, table);
    let given = Given { params, now: session.sql().now() };

    let mut request = Request::new(table.id, Asked::Session(Vec::new()), DEFAULT_LIMIT);
    request.contexts.clear();
    let mut users = None;
    let source = recommend.sources.first().map(|source| source.name.as_str());
    let here = Here { session, snapshot: &snapshot, catalog: &catalog, table, source, given };
    for context in &recommend.contexts {
        match context {
            Context::Users(query) if recommend.contexts.len() > 1 => {
                let what = "USERS (…) stands alone: each of the users is a context of its own";
                return Err(Error::bad_context(what).at(query.span));
            }
            Context::Users(query) => {
                users = Some(Users::bind(&here, query)?);
            }
            other => here.context(other, &shape, &mut request)?,
        }
    }

    if let Some(what) = misfit(table.role, &request.contexts) {
        return Err(Error::bad_context(what).at(recommend.table.span));
    }

    let list = recommend.columns.as_deref().unwrap_or_default();
    request.k = here.count("LIMIT", recommend.limit.as_ref(), DEFAULT_LIMIT)?;
    request.offset = here.count("OFFSET", recommend.offset.as_ref(), 0)?;
    for source in &recommend.sources {
        let weight = match &source.weight {
            None => 1.0,
            Some(weight) => here.weight(weight)?,
        };
        request.sources.push(Source { name: source.name.value.clone(), weight });
    }

    let mut options = Options::new(&recommend.options, given);
    let rows = request.offset.saturating_add(request.k);
    let slate = Slate::bind(&here, &shape, recommend, rows, &mut options)?;
    request.seed = options.number("seed")?.unwrap_or(0);
    let include = options.choice("seen", &["exclude", "include"])? == Some("include");
    if let Some((name, place)) = options.text("interactions")? {
        let name = Name { value: name, quoted: true, span: place };
        let roles = [Role::Interaction];
        request.interactions =
            Some(names::table_of(&catalog, &name, &roles, "an interaction table")?.id);
    }
    let metric = options.choice("metric", &Similarity::NAMES)?;
    request.metric = metric.and_then(Similarity::named);
    request.correct_hubs = options.choice("hubness", &["none", "dual"])? == Some("dual");
    options.end()?;

    let (candidates, rules, stages) =
        candidates::find(session, &snapshot, &shape, recommend.filter.as_ref(), given)?;
    request.candidates = candidates;
    request.seen = match (rules.is_empty(), include) {
        (false, _) => rules,
        (true, true) => Vec::new(),
        (true, false) => vec![Seen::Default],
    };
    let named = recommend.sources.first().map(|source| source.name.span);
    let compared = ["metric", "hubness"].iter().find_map(|name| recommend.options.get(name));
    let place = compared.map(|option| option.value.span).or(named);
    Ok(Bound {
        snapshot,
        shape,
        request,
        users,
        slate,
        order: recommend.order_by.iter().map(order).collect::<Result<_>>()?,
        list,
        given,
        place,
        stages,
    })
}

/// Why contexts do not go together: what is similar to an item is asked of one item, and all that
/// may be added is a user, whose seen items are then left out.
fn misfit(role: Role, contexts: &[Asked]) -> Option<&'static str> {
    let items = contexts.iter().filter(|context| matches!(context, Asked::Item(_))).count();
    let users = contexts.iter().filter(|context| matches!(context, Asked::User(_))).count();
    match (role, items) {
        (Role::User, 1) if contexts.len() == 1 => None,
        (Role::User, _) if contexts.is_empty() => None,
        (Role::User, _) => Some("users are recommended FOR one ITEM: who would like it"),
        (_, 0) => None,
        (_, 1) if contexts.len() == 1 + users => None,
        (_, 1) => Some("FOR ITEM goes with a USER only: SESSION, LIKES and VECTOR say more"),
        _ => Some("FOR ITEM takes one item: SESSION and LIKES take several"),
    }
}

/// Clauses that are parsed but not carried out yet.
fn refuse_unsupported(recommend: &Recommend) -> Result<()> {
    let profile = recommend.contexts.iter().find_map(|context| match context {
        Context::Profile(pairs) => Some(pairs.span),
        _ => None,
    });
    match profile {
        Some(place) => Err(Error::clause_unsupported("FOR PROFILE").at(place)),
        None => Ok(()),
    }
}

/// One expression of ORDER BY, with PostgreSQL's defaults.
fn order(order: &OrderByExpr) -> Result<Order<'_>> {
    let descending = matches!(order.options.asc, Some(false));
    let nulls_first = order.options.nulls_first.unwrap_or(descending);
    Ok(Order { expr: &order.expr, descending, nulls_first })
}

/// What resolving a name needs.
pub(super) struct Here<'a> {
    pub(super) session: &'a Session,
    pub(super) snapshot: &'a Snapshot,
    pub(super) catalog: &'a Catalog,
    pub(super) table: &'a Table,
    /// The first source of USING.
    pub(super) source: Option<&'a str>,
    pub(super) given: Given<'a>,
}

impl Here<'_> {
    fn context(&self, context: &Context, shape: &Shape, request: &mut Request) -> Result<()> {
        let asked = match context {
            Context::User(expr) => {
                let user = self.user_of(self.value(expr)?, request);
                Asked::User(user.map_err(|error| error.at(expr.span))?.1)
            }
            Context::Item(expr) => Asked::Item(self.item(expr, request)?),
            Context::Session(list) => Asked::Session(self.items(&list.node, request)?),
            Context::Likes(list) => Asked::Likes(self.items(&list.node, request)?),
            Context::Dislikes(list) => Asked::Dislikes(self.items(&list.node, request)?),
            Context::Vector(pairs) => {
                for NamedValue { name, value } in &pairs.node {
                    let position = names::column(shape, name)?;
                    let Field::Embedding(id, dim, _) = shape.fields[position] else {
                        let error = Error::not_a_vector(&shape.names[position]);
                        return Err(error.at(name.span));
                    };
                    let cell = self.value(value)?;
                    let found = describe(&cell);
                    let ty = ColumnType::Vector { dim, element: Element::F32 };
                    match coerce(cell, ty) {
                        Ok(Cell::Vector(vector)) => {
                            request.contexts.push(Asked::Vector(id, vector));
                        }
                        Ok(Cell::Value(_)) => {
                            let error = Error::wrong_type(&format!("expected {ty}"), &found);
                            return Err(error.at(value.span));
                        }
                        Err(unfit) => {
                            return Err(Error::unfit("", &unfit, &found).at(value.span));
                        }
                    }
                }
                return Ok(());
            }
            Context::Users(_) | Context::Profile(_) => return Ok(()),
        };
        request.contexts.push(asked);
        Ok(())
    }

    /// The tables of users whose interactions are on the items of this table, or of items whose
    /// interactions are by the users of this table.
    pub(super) fn others(&self) -> Vec<(TableId, String)> {
        let mut tables: Vec<(TableId, String)> = Vec::new();
        for link in self.catalog.tables().filter_map(|table| table.link.as_ref()) {
            let other = match self.table.role {
                Role::Item if link.item_table == self.table.id => {
                    (link.user_table, link.user_column.clone())
                }
                Role::User if link.user_table == self.table.id => {
                    (link.item_table, link.item_column.clone())
                }
                _ => continue,
            };
            if tables.iter().all(|(known, _)| *known != other.0) {
                tables.push(other);
            }
        }
        tables
    }

    pub(super) fn user_of(&self, cell: Cell, request: &mut Request) -> Result<(String, UserId)> {
        if self.table.role == Role::User {
            let what = "users are recommended FOR ITEM: who would like it";
            return Err(Error::bad_context(what));
        }
        let tables = match request.users {
            // All users of a request are of one table.
            Some(table) => vec![table],
            None => self.others().into_iter().map(|(id, _)| id).collect(),
        };
        if tables.is_empty() {
            return Err(Error::no_interactions(&self.table.name));
        }
        let (key, table, id) = self.find(&tables, cell, "user")?;
        request.users = Some(table);
        Ok((key, UserId(id)))
    }

    fn item(&self, operand: &Operand, request: &mut Request) -> Result<ItemId> {
        let found = self.find_item(self.value(operand)?);
        let (_, table, id) = found.map_err(|error| error.at(operand.span))?;
        request.items = Some(table);
        Ok(ItemId(id))
    }

    /// An item, as [`Here::find`] tells it. What is known in the table itself comes first; a model of several
    /// tables knows the items of the others.
    fn find_item(&self, cell: Cell) -> Result<(String, TableId, u64)> {
        let mut tables = Vec::new();
        if self.table.role != Role::User {
            let own = self.find(&[self.table.id], cell.clone(), "item");
            if own.is_ok() {
                return own;
            }
            tables.push(self.table.id);
        }
        tables.extend(self.items_of_model()?.into_iter().filter(|table| *table != self.table.id));
        if tables.is_empty() {
            tables.extend(self.others().into_iter().map(|(id, _)| id));
        }
        self.find(&tables, cell, "item")
    }

    /// The tables of the items that the model knows that is to answer; none where none is.
    fn items_of_model(&self) -> Result<Vec<TableId>> {
        let engine = self.session.engine();
        let model = match (self.source, self.table.role) {
            (Some(name), _) => engine.model(self.snapshot, name).ok(),
            (None, Role::Item) => engine.default_model(self.snapshot, self.table.id)?,
            (None, _) => None,
        };
        Ok(model.map_or_else(Vec::new, |model| model.item_tables(self.catalog)))
    }

    fn items(&self, list: &[Operand], request: &mut Request) -> Result<Vec<ItemId>> {
        list.iter().map(|operand| self.item(operand, request)).collect()
    }

    /// The key as it is stored, the table where it is, and its id there.
    fn find(
        &self,
        tables: &[TableId],
        cell: Cell,
        what: &'static str,
    ) -> Result<(String, TableId, u64)> {
        let found = describe(&cell);
        let mut key = None;
        for id in tables {
            let Some(table) = self.catalog.table_by_id(*id) else { continue };
            let Ok(text) = canonical(cell.clone(), table.key_type, 0) else { continue };
            if let Some(found) = self.snapshot.lookup(*id, &text)? {
                return Ok((text, *id, found));
            }
            key = Some(text);
        }
        let names: Vec<&str> = tables
            .iter()
            .filter_map(|id| self.catalog.table_by_id(*id))
            .map(|table| table.name.as_str())
            .collect();
        match key {
            Some(key) => Err(Error::no_such_entity(what, &key, &names.join("` or `"))),
            None => Err(Error::wrong_type(&format!("expected the key of one {what}"), &found)),
        }
    }

    fn value(&self, operand: &Operand) -> Result<Cell> {
        if let Some(cell) = literal::operand(operand, self.given) {
            return Ok(cell);
        }
        let value = match &operand.kind {
            OperandKind::Expr(expr) => {
                let mut expr = Expr::clone(expr);
                params::bind(&mut expr, self.given.params)?;
                let planner = self.session.sql().planner();
                constant_value(planner, &expr, self.given.now)
            }
            OperandKind::Param(number) => {
                let name = format!("${number}");
                Err(Error::missing_parameter(&name, self.given.params.len()))
            }
            OperandKind::Literal(_) => Ok(Cell::NULL),
        };
        value.map_err(|error| error.at(operand.span))
    }

    /// A whole number from 0 on.
    pub(super) fn count(
        &self,
        clause: &str,
        operand: Option<&Operand>,
        default: usize,
    ) -> Result<usize> {
        let Some(operand) = operand else { return Ok(default) };
        match self.value(operand)? {
            Cell::Value(Value::Int(count)) if count >= 0 => {
                Ok(usize::try_from(count).unwrap_or(usize::MAX))
            }
            other => Err(Error::not_a_count(clause, &describe(&other)).at(operand.span)),
        }
    }

    /// A number from 0 to 1.
    pub(super) fn fraction(&self, clause: &str, operand: &Operand) -> Result<f64> {
        let fraction = match self.value(operand)? {
            Cell::Value(Value::Int(number)) => number as f64,
            Cell::Value(Value::Real(number)) => number,
            _ => f64::NAN,
        };
        if !(0.0..=1.0).contains(&fraction) {
            let what = format!("{clause} takes a number from 0 to 1");
            return Err(Error::bad_slate(&what).at(operand.span));
        }
        Ok(fraction)
    }

    /// The vectors of a column of the table.
    pub(super) fn embeddings(&self, column: &Column) -> Result<Arc<EmbeddingMatrix>> {
        let engine = self.session.engine();
        let live = engine.live();
        Ok(live.embeddings(engine.store(), self.snapshot, self.table.id, column)?)
    }

    fn weight(&self, operand: &Operand) -> Result<f32> {
        let weight = match self.value(operand)? {
            Cell::Value(Value::Int(weight)) => weight as f64,
            Cell::Value(Value::Real(weight)) => weight,
            other => {
                let what = format!("WEIGHT takes a number, found {}", describe(&other));
                return Err(Error::bad_source(&what).at(operand.span));
            }
        };
        if !weight.is_finite() || weight < 0.0 {
            let what = format!("WEIGHT takes a number from 0 on, found {weight}");
            return Err(Error::bad_source(&what).at(operand.span));
        }
        Ok(weight as f32)
    }
}
