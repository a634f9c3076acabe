//! The tables of `information_schema` that clients read, in the words of the SQL standard.

use super::Caller;
use super::facts::Facts;
use super::oids;
use super::relation::{Cell, Kind, Relation};

use Kind::{Int, Text};

/// The tables that are told here; what else there is, the planner tells.
const KNOWN: &[&str] = &[
    "tables",
    "views",
    "columns",
    "schemata",
    "table_constraints",
    "key_column_usage",
    "referential_constraints",
    "constraint_column_usage",
];

/// Whether a table of this name is told here.
pub(super) fn is_known(name: &str) -> bool {
    KNOWN.contains(&name)
}

/// The rows of a table.
pub(super) fn table(facts: &Facts, caller: &Caller, name: &str) -> Option<Relation> {
    let database = caller.database.as_str();
    Some(match name {
        "tables" => tables(facts, database),
        "views" => views(facts, database),
        "columns" => columns(facts, database),
        "schemata" => schemata(database),
        "table_constraints" => constraints(facts, database),
        "key_column_usage" => usage(facts, database),
        "referential_constraints" => references(facts, database),
        "constraint_column_usage" => constrained(facts, database),
        _ => return None,
    })
}

/// A row, by the names of its columns.
macro_rules! row {
    ($relation:expr, $($name:literal: $value:expr),* $(,)?) => {
        $relation.push(vec![$(($name, Cell::from($value))),*])
    };
}

fn tables(facts: &Facts, database: &str) -> Relation {
    let mut out = Relation::new(&[
        ("table_catalog", Text),
        ("table_schema", Text),
        ("table_name", Text),
        ("table_type", Text),
        ("is_insertable_into", Text),
        ("is_typed", Text),
        ("commit_action", Text),
    ]);
    for relation in &facts.relations {
        let (kind, writable) =
            if relation.is_view { ("VIEW", "NO") } else { ("BASE TABLE", "YES") };
        row!(out,
            "table_catalog": database, "table_schema": "public", "table_name": relation.name.as_str(),
            "table_type": kind, "is_insertable_into": writable, "is_typed": "NO",
        );
    }
    out
}

fn views(facts: &Facts, database: &str) -> Relation {
    let mut out = Relation::new(&[
        ("table_catalog", Text),
        ("table_schema", Text),
        ("table_name", Text),
        ("view_definition", Text),
        ("check_option", Text),
        ("is_updatable", Text),
    ]);
    for relation in facts.relations.iter().filter(|relation| relation.is_view) {
        row!(out,
            "table_catalog": database, "table_schema": "public",
            "table_name": relation.name.as_str(), "check_option": "NONE", "is_updatable": "NO",
        );
    }
    out
}

fn columns(facts: &Facts, database: &str) -> Relation {
    let mut out = Relation::new(&[
        ("table_catalog", Text),
        ("table_schema", Text),
        ("table_name", Text),
        ("column_name", Text),
        ("ordinal_position", Int),
        ("column_default", Text),
        ("is_nullable", Text),
        ("data_type", Text),
        ("character_maximum_length", Int),
        ("numeric_precision", Int),
        ("numeric_scale", Int),
        ("datetime_precision", Int),
        ("udt_catalog", Text),
        ("udt_schema", Text),
        ("udt_name", Text),
        ("is_identity", Text),
        ("is_generated", Text),
        ("generation_expression", Text),
        ("is_updatable", Text),
    ]);
    let all = oids::all();
    for relation in &facts.relations {
        for (at, column) in relation.columns.iter().enumerate() {
            let ty = all.iter().find(|(ty, _)| ty.oid == column.oid);
            let name = ty.map_or("text", |(_, name)| name.as_str());
            let kind = match ty {
                Some((ty, _)) if ty.item != 0 => "ARRAY",
                Some((ty, _)) if ty.oid >= 16_384 => "USER-DEFINED",
                Some((ty, _)) => ty.sql,
                None => "text",
            };
            let precision = match column.oid {
                23 => Cell::Int(32),
                20 => Cell::Int(64),
                700 => Cell::Int(24),
                701 => Cell::Int(53),
                _ => Cell::Null,
            };
            row!(out,
                "table_catalog": database, "table_schema": "public",
                "table_name": relation.name.as_str(), "column_name": column.name.as_str(),
                "ordinal_position": i32::try_from(at + 1).unwrap_or(0),
                "column_default": column.default.clone(),
                "is_nullable": if column.not_null { "NO" } else { "YES" }, "data_type": kind,
                "numeric_precision": precision, "udt_catalog": database,
                "udt_schema": if column.oid >= 16_384 { "public" } else { "pg_catalog" },
                "udt_name": name, "is_identity": "NO",
                "is_generated": if column.computed { "ALWAYS" } else { "NEVER" },
                "is_updatable": if relation.is_view || column.computed { "NO" } else { "YES" },
            );
        }
    }
    out
}

fn schemata(database: &str) -> Relation {
    let mut out = Relation::new(&[
        ("catalog_name", Text),
        ("schema_name", Text),
        ("schema_owner", Text),
        ("default_character_set_name", Text),
    ]);
    for name in ["public", "pg_catalog", "information_schema"] {
        row!(out, "catalog_name": database, "schema_name": name, "schema_owner": "tastedb");
    }
    out
}

fn constraints(facts: &Facts, database: &str) -> Relation {
    let mut out = Relation::new(&[
        ("constraint_catalog", Text),
        ("constraint_schema", Text),
        ("constraint_name", Text),
        ("table_catalog", Text),
        ("table_schema", Text),
        ("table_name", Text),
        ("constraint_type", Text),
        ("is_deferrable", Text),
        ("initially_deferred", Text),
    ]);
    for relation in &facts.relations {
        let table = relation.name.as_str();
        let mut add = |name: String, kind: &str| {
            row!(out,
                "constraint_catalog": database, "constraint_schema": "public",
                "constraint_name": name, "table_catalog": database, "table_schema": "public",
                "table_name": table, "constraint_type": kind, "is_deferrable": "NO",
                "initially_deferred": "NO",
            );
        };
        if !relation.key.is_empty() {
            add(format!("{table}_pkey"), "PRIMARY KEY");
        }
        for reference in &relation.references {
            add(format!("{table}_{}_fkey", reference.column_name), "FOREIGN KEY");
        }
    }
    out
}

fn usage(facts: &Facts, database: &str) -> Relation {
    let mut out = Relation::new(&[
        ("constraint_catalog", Text),
        ("constraint_schema", Text),
        ("constraint_name", Text),
        ("table_catalog", Text),
        ("table_schema", Text),
        ("table_name", Text),
        ("column_name", Text),
        ("ordinal_position", Int),
        ("position_in_unique_constraint", Int),
    ]);
    for relation in &facts.relations {
        let table = relation.name.as_str();
        let mut add = |name: String, column: i32, at: usize, unique: Cell| {
            let column = usize::try_from(column - 1).ok().and_then(|at| relation.columns.get(at));
            row!(out,
                "constraint_catalog": database, "constraint_schema": "public",
                "constraint_name": name, "table_catalog": database, "table_schema": "public",
                "table_name": table, "column_name": column.map(|column| column.name.clone()),
                "ordinal_position": i32::try_from(at + 1).unwrap_or(0),
                "position_in_unique_constraint": unique,
            );
        };
        for (at, column) in relation.key.iter().enumerate() {
            add(format!("{table}_pkey"), *column, at, Cell::Null);
        }
        for reference in &relation.references {
            let name = format!("{table}_{}_fkey", reference.column_name);
            add(name, reference.column, 0, Cell::Int(1));
        }
    }
    out
}

fn references(facts: &Facts, database: &str) -> Relation {
    let mut out = Relation::new(&[
        ("constraint_catalog", Text),
        ("constraint_schema", Text),
        ("constraint_name", Text),
        ("unique_constraint_catalog", Text),
        ("unique_constraint_schema", Text),
        ("unique_constraint_name", Text),
        ("match_option", Text),
        ("update_rule", Text),
        ("delete_rule", Text),
    ]);
    for relation in &facts.relations {
        for reference in &relation.references {
            row!(out,
                "constraint_catalog": database, "constraint_schema": "public",
                "constraint_name": format!("{}_{}_fkey", relation.name, reference.column_name),
                "unique_constraint_catalog": database, "unique_constraint_schema": "public",
                "unique_constraint_name": format!("{}_pkey", reference.table_name),
                "match_option": "NONE", "update_rule": "NO ACTION", "delete_rule": "CASCADE",
            );
        }
    }
    out
}

fn constrained(facts: &Facts, database: &str) -> Relation {
    let mut out = Relation::new(&[
        ("table_catalog", Text),
        ("table_schema", Text),
        ("table_name", Text),
        ("column_name", Text),
        ("constraint_catalog", Text),
        ("constraint_schema", Text),
        ("constraint_name", Text),
    ]);
    for relation in &facts.relations {
        let mut add = |table: &str, column: &str, name: String| {
            row!(out,
                "table_catalog": database, "table_schema": "public", "table_name": table,
                "column_name": column, "constraint_catalog": database,
                "constraint_schema": "public", "constraint_name": name,
            );
        };
        for column in &relation.key {
            let column = usize::try_from(column - 1).ok().and_then(|at| relation.columns.get(at));
            if let Some(column) = column {
                add(&relation.name, &column.name, format!("{}_pkey", relation.name));
            }
        }
        for reference in &relation.references {
            let name = format!("{}_{}_fkey", relation.name, reference.column_name);
            add(&reference.table_name, &reference.key_name, name);
        }
    }
    out
}
