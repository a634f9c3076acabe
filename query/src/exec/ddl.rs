//! CREATE TABLE, ALTER TABLE and DROP TABLE: from columns as written to what storage keeps.

use std::sync::Arc;

use crate::ast::{
    AlterAction, AlterTable, ColumnDef, CreateTable, DataType, Drop, Element as AstElement,
    Existing, Expr, Name,
};
use crate::batch::{Cell, coerce, describe};
use crate::error::{Error, Result};
use crate::exec::insert::constant_value;
use crate::exec::names;
use crate::exec::options::Options;
use crate::expr::literal::{self, Given};
use crate::expr::params;
use crate::outcome::Outcome;
use crate::session::Session;
use crate::span::Span;
use crate::storage::{
    Catalog, ColumnSpec, ColumnType, Element, KeyType, LinkSpec, OnUnknown, Read, Role, TableId,
    TableSpec, Value, WriteTxn,
};
use datafusion::sql::sqlparser::ast::Spanned;
use tastedb_engine::Engine;

/// Runs a CREATE TABLE.
pub(crate) fn create_table(
    session: &mut Session,
    create: &CreateTable,
    values: &[Value],
) -> Result<Outcome> {
    let catalog = session.view().catalog()?;
    if let Some(table) = catalog.table(create.name.as_str()) {
        if create.existing == Existing::Keep {
            let notice = format!("table `{}` exists already", table.name);
            return Ok(Outcome::done("CREATE TABLE").notice(notice));
        }
        return Err(Error::exists("table", &table.name).at(create.name.span));
    }
    let given = Given { params: values, now: session.sql().now() };
    let mut options = Options::new(&create.options, given);
    let role = match options.choice("role", &["user", "item", "interaction"])? {
        Some("user") => Role::User,
        Some("item") => Role::Item,
        Some(_) => Role::Interaction,
        // Two references can only be those of an interaction.
        None if references(create).count() == 2 => Role::Interaction,
        None => {
            let what = "which rows does the table hold? Add WITH (role = 'user'), 'item' or \
                        'interaction'";
            return Err(Error::invalid_definition(what).at(create.name.span));
        }
    };
    let on_unknown = match options.choice("on_unknown", &["error", "create"])? {
        Some("create") => OnUnknown::Create,
        _ => OnUnknown::Error,
    };
    options.end()?;
    let spec = match role {
        Role::Interaction => interactions(session, &catalog, create, on_unknown, given)?,
        Role::User | Role::Item => entities(session, create, role, given)?,
    };
    let place = create.name.span;
    session.write(|txn| {
        txn.create_table(spec).map_err(|cause| Error::from(cause).at(place))?;
        Ok(())
    })?;
    Ok(Outcome::done("CREATE TABLE"))
}

fn references(create: &CreateTable) -> impl Iterator<Item = (usize, &ColumnDef, &Name)> {
    let columns = create.columns.iter().enumerate();
    columns.filter_map(|(at, column)| Some((at, column, &column.references.as_ref()?.table)))
}

fn entities(
    session: &Session,
    create: &CreateTable,
    role: Role,
    given: Given<'_>,
) -> Result<TableSpec> {
    let place = create.name.span;
    if let Some((_, column, _)) = references(create).next() {
        let what = "a table of users or items refers to no other table";
        return Err(Error::invalid_definition(what).at(column.name.span));
    }
    let key = match create.primary_key.as_ref().map(|key| (key.columns.as_slice(), key.span)) {
        Some(([key], _)) => key,
        Some((_, span)) => {
            let what = "the key of a user or an item is one column";
            return Err(Error::invalid_definition(what).at(span));
        }
        None => {
            let what = "one column must be the key: id TEXT PRIMARY KEY";
            return Err(Error::invalid_definition(what).at(place));
        }
    };
    let mut columns = Vec::with_capacity(create.columns.len());
    let mut found = None;
    for (at, column) in create.columns.iter().enumerate() {
        if column.name.value == key.value {
            found = Some((at, column));
        } else {
            columns.push(column_spec(session, column, given)?);
        }
    }
    let Some((position, column)) = found else {
        return Err(Error::internal("the key names no column").at(key.span));
    };
    Ok(TableSpec {
        name: create.name.value.clone(),
        role,
        key_column: column.name.value.clone(),
        key_type: key_type(column)?,
        key_position: narrow(position),
        columns,
        link: None,
    })
}

fn interactions(
    session: &Session,
    catalog: &Catalog,
    create: &CreateTable,
    on_unknown: OnUnknown,
    given: Given<'_>,
) -> Result<TableSpec> {
    let mut user: Option<(usize, &ColumnDef, TableId)> = None;
    let mut item: Option<(usize, &ColumnDef, TableId)> = None;
    let mut columns = Vec::with_capacity(create.columns.len());
    for (at, column) in create.columns.iter().enumerate() {
        let Some(references) = &column.references else {
            let mut spec = column_spec(session, column, given)?;
            // A key has no NULL in it.
            spec.not_null |= create
                .primary_key
                .as_ref()
                .is_some_and(|key| key.columns.iter().any(|name| name.value == column.name.value));
            columns.push(spec);
            continue;
        };
        let table = names::table(catalog, &references.table)?;
        if let Some(key) = &references.column
            && !key.value.eq_ignore_ascii_case(&table.key_column)
        {
            let what = format!("a reference is to the key, `{}`", table.key_column);
            return Err(Error::invalid_definition(what).at(key.span));
        }
        let place = column.name.span;
        if key_type(column)? != table.key_type {
            let what = format!(
                "`{}` must have the type of the key of `{}`",
                column.name.value, table.name
            );
            return Err(Error::invalid_definition(what).at(column.ty.span));
        }
        let slot = match table.role {
            Role::User => &mut user,
            Role::Item => &mut item,
            Role::Interaction => {
                let expected = "a table of users or items, which is what interactions refer to";
                return Err(Error::wrong_role(&table.name, expected).at(references.table.span));
            }
        };
        if slot.replace((at, column, table.id)).is_some() {
            let what = "an interaction is of one user with one item: one reference to each";
            return Err(Error::invalid_definition(what).at(place));
        }
    }
    let (Some((user_at, user, user_table)), Some((item_at, item, item_table))) = (user, item)
    else {
        let what = "an interaction table needs a column that REFERENCES a table of users and one \
                    that REFERENCES a table of items";
        return Err(Error::invalid_definition(what).at(create.name.span));
    };
    let unique = match &create.primary_key {
        None => None,
        Some(key) => {
            let is =
                |column: &ColumnDef| key.columns.iter().any(|name| name.value == column.name.value);
            if !is(user) || !is(item) {
                let what = "the key of interactions begins with the user and the item";
                return Err(Error::invalid_definition(what).at(key.span));
            }
            let extra = key.columns.iter().map(|name| name.value.clone());
            Some(
                extra.filter(|name| *name != user.name.value && *name != item.name.value).collect(),
            )
        }
    };
    Ok(TableSpec {
        name: create.name.value.clone(),
        role: Role::Interaction,
        key_column: String::new(),
        key_type: KeyType::Text,
        key_position: 0,
        columns,
        link: Some(LinkSpec {
            user_table,
            item_table,
            user_column: user.name.value.clone(),
            item_column: item.name.value.clone(),
            unique,
            on_unknown,
            user_position: narrow(user_at),
            item_position: narrow(item_at),
        }),
    })
}

fn narrow(position: usize) -> u16 {
    u16::try_from(position).unwrap_or(u16::MAX)
}

fn key_type(column: &ColumnDef) -> Result<KeyType> {
    match column.ty.ty {
        DataType::Text => Ok(KeyType::Text),
        DataType::BigInt | DataType::Int => Ok(KeyType::BigInt),
        _ => {
            let what = "a key is of type TEXT or BIGINT";
            Err(Error::invalid_definition(what).at(column.ty.span))
        }
    }
}

fn column_type(ty: DataType) -> ColumnType {
    match ty {
        DataType::Bool => ColumnType::Bool,
        DataType::Int => ColumnType::Int,
        DataType::BigInt => ColumnType::BigInt,
        DataType::Real => ColumnType::Real,
        DataType::Double => ColumnType::Double,
        DataType::Text => ColumnType::Text,
        DataType::Date => ColumnType::Date,
        DataType::Timestamp => ColumnType::Timestamp,
        DataType::TextList => ColumnType::TextList,
        DataType::Vector { dim, element } => ColumnType::Vector {
            dim,
            element: match element {
                AstElement::F32 => Element::F32,
                AstElement::F16 => Element::F16,
            },
        },
    }
}

/// A column with its default: a constant is kept as a value, anything else as an expression that
/// each INSERT evaluates.
fn column_spec(session: &Session, column: &ColumnDef, given: Given<'_>) -> Result<ColumnSpec> {
    let ty = column_type(column.ty.ty);
    let mut spec = ColumnSpec::new(column.name.value.clone(), ty);
    spec.not_null = column.not_null;
    let Some(expr) = &column.default else { return Ok(spec) };
    let place = Span::from(expr.span());
    let mut expr: Expr = expr.clone();
    params::bind(&mut expr, given.params)?;
    let volatile = params::is_volatile(&expr);
    let cell = match literal::value(&expr, given) {
        Some(cell) => cell,
        None => constant_value(session.sql().planner(), &expr, given.now)
            .map_err(|error| error.at(place))?,
    };
    let found = describe(&cell);
    let fitted = coerce(cell, ty).map_err(|unfit| {
        let subject = format!("default of `{}`: ", column.name.value);
        Error::unfit(&subject, &unfit, &found).at(place)
    })?;
    match fitted {
        Cell::Value(value) if !volatile => {
            spec.default = Some(value).filter(|value| !value.is_null());
        }
        _ => spec.default_expr = Some(expr.to_string()),
    }
    Ok(spec)
}

/// Runs an ALTER TABLE.
pub(crate) fn alter_table(
    session: &mut Session,
    alter: &AlterTable,
    values: &[Value],
) -> Result<Outcome> {
    let catalog = session.view().catalog()?;
    if alter.if_exists && catalog.table(alter.name.as_str()).is_none() {
        let notice = format!("there is no table `{}`", alter.name);
        return Ok(Outcome::done("ALTER TABLE").notice(notice));
    }
    let table = names::table(&catalog, &alter.name)?;
    let shape = session.sql().shapes().get(&catalog, table);
    let id = table.id;
    let engine = session.engine().clone();
    let given = Given { params: values, now: session.sql().now() };
    let done = || Outcome::done("ALTER TABLE");
    let dropped = |name: &Name| -> Result<String> {
        let at = names::column(&shape, name)?;
        match shape.column(at) {
            Some(column) => Ok(column.name.clone()),
            None => {
                let what = format!("`{name}` is the key or a reference of the table");
                Err(Error::invalid_definition(what).at(name.span))
            }
        }
    };
    match &alter.action {
        AlterAction::AddColumn { if_not_exists, column } => {
            if shape.position(column.name.as_str()).is_some() {
                if *if_not_exists {
                    let notice = format!("column `{}` exists already", column.name);
                    return Ok(done().notice(notice));
                }
                return Err(Error::exists("column", column.name.as_str()).at(column.name.span));
            }
            if let Some(references) = &column.references {
                let what = "a reference cannot be added to a table";
                return Err(Error::invalid_definition(what).at(references.table.span));
            }
            let spec = column_spec(session, column, given)?;
            let place = column.name.span;
            session.write(|txn| {
                txn.add_column(id, spec).map_err(|cause| Error::from(cause).at(place))?;
                Ok(())
            })?;
        }
        AlterAction::DropColumn { if_exists, column } => {
            if *if_exists && shape.position(column.as_str()).is_none() {
                return Ok(done().notice(format!("there is no column `{column}`")));
            }
            let name = dropped(column)?;
            let place = column.span;
            session.write(|txn| {
                drop_column(&engine, txn, id, &name, place)?;
                needed(&engine, txn, id, column)
            })?;
        }
        AlterAction::RenameColumn { from, to } => {
            let at = names::column(&shape, from)?;
            let old = shape.names[at].clone();
            session.write(|txn| {
                let renamed = txn.rename_column(id, &old, to.as_str());
                renamed.map_err(|cause| Error::from(cause).at(to.span))?;
                needed(&engine, txn, id, from)
            })?;
        }
        AlterAction::RenameTable { to } => {
            session.write(|txn| {
                let renamed = txn.rename_table(id, to.as_str());
                renamed.map_err(|cause| Error::from(cause).at(to.span))?;
                // An expression may name its table: likes.stars.
                match engine.model_broken_by(txn, id)? {
                    None => Ok(()),
                    Some(model) => {
                        let by = [format!("model `{model}`")];
                        Err(Error::still_referenced(alter.name.as_str(), &by).at(alter.name.span))
                    }
                }
            })?;
        }
    }
    Ok(done())
}

/// Drops a column: one that an embedding computes with that embedding, one that an embedding is
/// computed from not at all.
fn drop_column(
    engine: &Engine,
    txn: &mut WriteTxn,
    table: TableId,
    name: &str,
    place: Span,
) -> Result<()> {
    let catalog = Arc::clone(txn.catalog());
    let id = catalog.table_by_id(table).and_then(|table| table.column(name)).map(|c| c.id);
    for embedding in engine.embeddings(txn, Some(table))? {
        if Some(embedding.column) == id {
            return Ok(engine.drop_embedding(txn, &embedding)?);
        }
        if id.is_some_and(|id| embedding.sources.contains(&id)) {
            let own = catalog.table_by_id(table).and_then(|t| t.column_by_id(embedding.column));
            let own = own.map_or("", |column| column.name.as_str());
            return Err(Error::column_needed(name, ("embedding", own)).at(place));
        }
    }
    txn.drop_column(table, name).map_err(|cause| Error::from(cause).at(place))?;
    Ok(engine.drop_indexes_of_gone(txn)?)
}

/// Checks that no model's WEIGHT or WHERE needs a column that is gone.
fn needed(engine: &Engine, txn: &WriteTxn, table: TableId, column: &Name) -> Result<()> {
    match engine.model_broken_by(txn, table)? {
        None => Ok(()),
        Some(model) => {
            Err(Error::column_needed(column.as_str(), ("model", &model)).at(column.span))
        }
    }
}

/// Runs a DROP TABLE.
pub(crate) fn drop_table(session: &mut Session, drop: &Drop) -> Result<Outcome> {
    let catalog = session.view().catalog()?;
    if drop.if_exists && catalog.table(drop.name.as_str()).is_none() {
        let notice = format!("there is no table `{}`", drop.name);
        return Ok(Outcome::done("DROP TABLE").notice(notice));
    }
    let id = names::table(&catalog, &drop.name)?.id;
    let place = drop.name.span;
    let engine = session.engine().clone();
    session.write(|txn| {
        // Of this transaction, which may have made or dropped models itself.
        let models = engine.models_on(txn, id)?;
        let names: Vec<String> = models.iter().map(|m| format!("model `{}`", m.name)).collect();
        if !names.is_empty() {
            return Err(Error::still_referenced(drop.name.as_str(), &names).at(place));
        }
        engine.drop_table(txn, id).map_err(|cause| Error::from(cause).at(place))?;
        Ok(())
    })?;
    Ok(Outcome::done("DROP TABLE"))
}
