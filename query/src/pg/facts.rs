//! A database in PostgreSQL's terms: relations with numbers, columns, keys, indexes.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, SchemaRef};

use super::oids;
use crate::batch::{Field, Shape};
use crate::error::Result;
use crate::exec::class_of;
use crate::provider::View;
use crate::session::Session;
use crate::storage::{Catalog, ColumnType, Element, Role, Table, Value};

/// The number of the schema `public`, where all tables are.
pub(super) const PUBLIC: i32 = 2200;
/// The number of the schema `pg_catalog`.
pub(super) const CATALOG: i32 = 11;
/// The number of the schema `information_schema`.
pub(super) const INFORMATION: i32 = 13_000;
/// The number of the one owner.
pub(super) const OWNER: i32 = 10;
/// The number of the one database.
pub(super) const DATABASE: i32 = 16_384;

/// Numbers between two tables: the table's, its primary key's index and constraint, two references.
const STEP: i32 = 8;
const TABLES: i32 = 20_000;
const VIEWS: i32 = 13_500;
const INDEXES: i32 = 1 << 30;

/// Everything that is shown.
pub(super) struct Facts {
    pub(super) relations: Vec<Relation>,
    pub(super) indexes: Vec<Index>,
}

/// A table, or a table of the system, which is shown as a view.
pub(super) struct Relation {
    pub(super) oid: i32,
    pub(super) name: String,
    pub(super) is_view: bool,
    pub(super) columns: Vec<Column>,
    /// The positions of the primary key's columns, from 1.
    pub(super) key: Vec<i32>,
    /// The columns that refer to other tables.
    pub(super) references: Vec<Reference>,
}

/// A column.
pub(super) struct Column {
    pub(super) name: String,
    pub(super) oid: i32,
    /// The dimension of a vector, else -1.
    pub(super) modifier: i32,
    pub(super) not_null: bool,
    pub(super) default: Option<String>,
    /// Whether the database computes it.
    pub(super) computed: bool,
}

/// A column that refers to the key of another table.
pub(super) struct Reference {
    pub(super) oid: i32,
    pub(super) column: i32,
    pub(super) column_name: String,
    pub(super) table: i32,
    pub(super) table_name: String,
    pub(super) key: i32,
    pub(super) key_name: String,
}

/// An index: that of a primary key, or one over vectors.
pub(super) struct Index {
    pub(super) oid: i32,
    pub(super) name: String,
    pub(super) table: i32,
    pub(super) columns: Vec<i32>,
    pub(super) is_primary: bool,
    pub(super) definition: String,
}

impl Facts {
    /// Looks at a view of the database.
    pub(super) fn new(session: &Session, view: &View) -> Result<Facts> {
        let catalog = view.catalog()?;
        let mut relations: Vec<Relation> =
            catalog.tables().map(|table| relation(&catalog, table)).collect();
        let mut indexes: Vec<Index> = relations.iter().filter_map(primary).collect();
        let defined = view.read(|read| Ok(session.engine().indexes(read)?))?;
        for (at, index) in defined.iter().enumerate() {
            let Some(table) = catalog.table_by_id(index.table) else { continue };
            let Some(column) = table.column_by_id(index.column) else { continue };
            let shape = Shape::of(&catalog, table);
            let place = shape.position(&column.name).map_or(0, |at| number(at + 1));
            let (name, on, of) = (quoted(&index.name), quoted(&table.name), quoted(&column.name));
            let class = class_of(index.options.metric).map(|class| format!(" {class}"));
            let class = class.unwrap_or_default();
            indexes.push(Index {
                oid: INDEXES.saturating_add(number(at)),
                name: index.name.clone(),
                table: oid_of(table),
                columns: vec![place],
                is_primary: false,
                definition: format!("CREATE INDEX {name} ON public.{on} USING hnsw ({of}{class})"),
            });
        }
        for (at, (name, schema)) in session.sql().system_schemas(session, view)?.iter().enumerate()
        {
            relations.push(Relation {
                oid: VIEWS + number(at),
                name: (*name).to_owned(),
                is_view: true,
                columns: view_columns(schema),
                key: Vec::new(),
                references: Vec::new(),
            });
        }
        Ok(Facts { relations, indexes })
    }

    /// The relation of this name, which may have `public.` before it and quotes around it.
    pub(super) fn named(&self, name: &str) -> Option<&Relation> {
        let name = name.strip_prefix("public.").unwrap_or(name);
        match name.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
            Some(exact) => self.relations.iter().find(|relation| relation.name == exact),
            None => self.relations.iter().find(|relation| relation.name.eq_ignore_ascii_case(name)),
        }
    }

    /// The name of the relation or index of this number.
    pub(super) fn name_of(&self, oid: i32) -> Option<&str> {
        let relation = self.relations.iter().find(|relation| relation.oid == oid);
        let index = || self.indexes.iter().find(|index| index.oid == oid);
        relation.map(|it| it.name.as_str()).or_else(|| index().map(|it| it.name.as_str()))
    }
}

impl Relation {
    /// The number of the primary key's constraint.
    pub(super) fn key_constraint(&self) -> i32 {
        self.oid + 2
    }

    /// The primary key as SQL.
    pub(super) fn key_definition(&self) -> String {
        let columns = self.key.iter().filter_map(|at| {
            let at = usize::try_from(at - 1).ok()?;
            self.columns.get(at).map(|column| quoted(&column.name))
        });
        format!("PRIMARY KEY ({})", columns.collect::<Vec<_>>().join(", "))
    }
}

impl Reference {
    /// The reference as SQL.
    pub(super) fn definition(&self) -> String {
        let (column, table, key) =
            (quoted(&self.column_name), quoted(&self.table_name), quoted(&self.key_name));
        format!("FOREIGN KEY ({column}) REFERENCES {table}({key})")
    }
}

/// A name as SQL writes it: in quotes where it needs them.
pub(super) fn quoted(name: &str) -> String {
    let mut letters = name.chars();
    let plain = letters.next().is_some_and(|first| first.is_ascii_lowercase() || first == '_')
        && letters.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if plain { name.to_owned() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}

fn number(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

fn oid_of(table: &Table) -> i32 {
    let id = i32::try_from(table.id.0).unwrap_or(i32::MAX);
    id.saturating_mul(STEP).saturating_add(TABLES)
}

fn relation(catalog: &Arc<Catalog>, table: &Table) -> Relation {
    let shape = Shape::of(catalog, table);
    let oid = oid_of(table);
    let mut columns = Vec::with_capacity(shape.fields.len());
    let mut key = Vec::new();
    let mut references = Vec::new();
    for (at, field) in shape.fields.iter().enumerate() {
        let ty = field.column_type();
        let stored = shape.column(at);
        let place = number(at + 1);
        columns.push(Column {
            name: shape.names[at].clone(),
            oid: oids::of(ty),
            modifier: match ty {
                ColumnType::Vector { dim, element: Element::F32 | Element::F16 } => {
                    i32::try_from(dim).unwrap_or(-1)
                }
                _ => -1,
            },
            not_null: !shape.schema.field(at).is_nullable(),
            default: stored.and_then(|column| match (&column.default_expr, &column.default) {
                (Some(text), _) => Some(text.clone()),
                (None, Some(Value::Null) | None) => None,
                (None, Some(value)) => Some(crate::expr::params::literal_text(value)),
            }),
            computed: shape.is_computed(at),
        });
        let link = table.link.as_ref();
        let other = match field {
            Field::Key(_) => {
                key.push(place);
                None
            }
            Field::User(_) => link.map(|link| (link.user_table, 3)),
            Field::Item(_) => link.map(|link| (link.item_table, 4)),
            Field::Value(..) | Field::Embedding(..) | Field::Id | Field::Owner => None,
        };
        if let Some((other, step)) = other
            && let Some(other) = catalog.table_by_id(other)
        {
            references.push(Reference {
                oid: oid + step,
                column: place,
                column_name: shape.names[at].clone(),
                table: oid_of(other),
                table_name: other.name.clone(),
                key: i32::from(other.key_position) + 1,
                key_name: other.key_column.clone(),
            });
        }
    }
    if table.role == Role::Interaction
        && let Some(unique) = table.link.as_ref().and_then(|link| link.unique.as_ref())
    {
        for (at, field) in shape.fields.iter().enumerate() {
            let named = shape.column(at).is_some_and(|column| unique.contains(&column.id));
            if matches!(field, Field::User(_) | Field::Item(_)) || named {
                key.push(number(at + 1));
            }
        }
    }
    Relation { oid, name: table.name.clone(), is_view: false, columns, key, references }
}

/// The index that stands for a primary key.
fn primary(relation: &Relation) -> Option<Index> {
    if relation.key.is_empty() {
        return None;
    }
    let name = format!("{}_pkey", relation.name);
    let columns = relation.key_definition();
    let columns = columns.strip_prefix("PRIMARY KEY ").unwrap_or_default();
    let definition = format!(
        "CREATE UNIQUE INDEX {} ON public.{} USING btree {columns}",
        quoted(&name),
        quoted(&relation.name)
    );
    Some(Index {
        oid: relation.oid + 1,
        name,
        table: relation.oid,
        columns: relation.key.clone(),
        is_primary: true,
        definition,
    })
}

fn view_columns(schema: &SchemaRef) -> Vec<Column> {
    let column = |field: &Arc<datafusion::arrow::datatypes::Field>| Column {
        name: field.name().clone(),
        oid: match field.data_type() {
            DataType::Boolean => 16,
            DataType::Int32 => 23,
            DataType::Int64 => 20,
            DataType::Float32 => 700,
            DataType::Float64 => 701,
            DataType::Date32 => 1082,
            DataType::Timestamp(..) => 1114,
            DataType::List(_) => 1009,
            _ => 25,
        },
        modifier: -1,
        not_null: false,
        default: None,
        computed: false,
    };
    schema.fields().iter().map(column).collect()
}
