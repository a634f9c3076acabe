//! Describing a table to create.

use tastedb_storage::{
    Catalog, ColumnSpec, ColumnType, Element, KeyType, LinkSpec, OnUnknown, Role, TableSpec,
};

use crate::error::{Error, Result};
use crate::fields::IntoValue;

/// A table to create, for [`Write::create_table`](crate::Write::create_table).
///
/// Names are taken as they are: lower-case ones need no quotes in SQL.
///
/// ```
/// use tastedb::{ColumnType, NewTable};
///
/// let people = NewTable::users("people").column("country", ColumnType::Text);
/// let movies = NewTable::items("movies").column("title", ColumnType::Text).vector("text", 384);
/// let ratings = NewTable::interactions("ratings", "people", "movies")
///     .column("rating", ColumnType::Real)
///     .column("ts", ColumnType::Timestamp)
///     .one_per_pair();
/// ```
#[derive(Clone, Debug)]
pub struct NewTable {
    name: String,
    role: Role,
    key: String,
    key_type: KeyType,
    columns: Vec<ColumnSpec>,
    /// Users and items, for interactions.
    between: Option<(String, String)>,
    unique: bool,
    on_unknown: OnUnknown,
}

impl NewTable {
    /// A table of users whose key column is called `id`.
    pub fn users(name: impl Into<String>) -> NewTable {
        NewTable::new(name.into(), Role::User)
    }

    /// A table of items whose key column is called `id`.
    pub fn items(name: impl Into<String>) -> NewTable {
        NewTable::new(name.into(), Role::Item)
    }

    /// A table of interactions between the users of one table and the items of another. The
    /// references are called `user_id` and `item_id`.
    pub fn interactions(
        name: impl Into<String>,
        users: impl Into<String>,
        items: impl Into<String>,
    ) -> NewTable {
        let between = Some((users.into(), items.into()));
        NewTable { between, ..NewTable::new(name.into(), Role::Interaction) }
    }

    fn new(name: String, role: Role) -> NewTable {
        NewTable {
            name,
            role,
            key: "id".to_string(),
            key_type: KeyType::Text,
            columns: Vec::new(),
            between: None,
            unique: false,
            on_unknown: OnUnknown::Error,
        }
    }

    /// Another name for the key column of a table of users or items.
    #[must_use]
    pub fn key(mut self, name: impl Into<String>) -> NewTable {
        self.key = name.into();
        self
    }

    /// Keys are whole numbers.
    #[must_use]
    pub fn integer_keys(mut self) -> NewTable {
        self.key_type = KeyType::BigInt;
        self
    }

    /// One more column. Rows that are not given a value have none.
    #[must_use]
    pub fn column(mut self, name: impl Into<String>, ty: ColumnType) -> NewTable {
        self.columns.push(ColumnSpec::new(name, ty));
        self
    }

    /// One more column; rows that are not given a value have this one.
    #[must_use]
    pub fn column_with_default(
        mut self,
        name: impl Into<String>,
        ty: ColumnType,
        default: impl IntoValue,
    ) -> NewTable {
        let mut column = ColumnSpec::new(name, ty);
        column.default = Some(default.into_value());
        self.columns.push(column);
        self
    }

    /// An embedding column: vectors of `dim` single-precision numbers.
    #[must_use]
    pub fn vector(self, name: impl Into<String>, dim: u32) -> NewTable {
        self.column(name, ColumnType::Vector { dim, element: Element::F32 })
    }

    /// For interactions: there is one for each user and item, and recording it again updates it.
    /// Without this, every record is a new event.
    #[must_use]
    pub fn one_per_pair(mut self) -> NewTable {
        self.unique = true;
        self
    }

    /// For interactions: users and items that are not there yet are created with their key alone.
    /// Without this, they are an error.
    #[must_use]
    pub fn create_unknown(mut self) -> NewTable {
        self.on_unknown = OnUnknown::Create;
        self
    }

    pub(crate) fn spec(self, catalog: &Catalog) -> Result<TableSpec> {
        let link = match &self.between {
            None => None,
            Some((users, items)) => {
                let find = |name: &str| {
                    catalog.table(name).map(|t| t.id).ok_or_else(|| Error::no_table(catalog, name))
                };
                Some(LinkSpec {
                    user_table: find(users)?,
                    item_table: find(items)?,
                    user_column: "user_id".to_string(),
                    item_column: "item_id".to_string(),
                    unique: self.unique.then(Vec::new),
                    on_unknown: self.on_unknown,
                    user_position: 0,
                    item_position: 1,
                })
            }
        };
        let key_column = if link.is_some() { String::new() } else { self.key };
        Ok(TableSpec {
            name: self.name,
            role: self.role,
            key_column,
            key_type: self.key_type,
            key_position: 0,
            columns: self.columns,
            link,
        })
    }
}
