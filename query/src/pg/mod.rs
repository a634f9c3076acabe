//! PostgreSQL's catalogue over the tables of a database: what its clients ask before they show a table.
//!
//! ```text
//! relation    rows made by hand, and their columns      facts       a database in PostgreSQL's terms
//! tables      pg_class, pg_attribute, …                 schema      information_schema
//! functions   format_type, pg_get_expr, …               rewrite     what a planner of ours cannot read
//! oids        pg_type                               expand      lists as rows
//! ```
//!
//! A query that names nothing of the catalogue passes by untouched. There is what clients ask for, not
//! what PostgreSQL has: no permissions, no statistics, no system tables among the tables. Invariant: it
//! only reads, and every number is a function of the catalogue, so that one query can be joined with the
//! next.

mod expand;
mod facts;
mod functions;
mod oids;
mod relation;
mod rewrite;
mod schema;
mod tables;

use std::sync::Arc;

use datafusion::logical_expr::ScalarUDF;
use datafusion::sql::sqlparser::ast::Statement;

pub use oids::VECTOR_OID;
pub use relation::TYPE_KEY;

use self::facts::Facts;
use crate::error::Result;
use crate::outcome::Rows;
use crate::provider::View;
use crate::session::Session;

/// Who asks: what `current_user`, `current_database()` and `pg_backend_pid()` tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The name of the account.
    pub user: String,
    /// The name by which the database was asked for.
    pub database: String,
    /// The number of the connection.
    pub process: i32,
}

impl Default for Caller {
    fn default() -> Caller {
        Caller { user: "local".to_owned(), database: "tastedb".to_owned(), process: 0 }
    }
}

/// What a query over the catalogue needs besides the tables of the database.
#[derive(Default)]
pub(crate) struct Catalogue {
    /// Tables, by the names that the query now has for them.
    pub(crate) tables: Vec<(String, Rows)>,
    /// Functions.
    pub(crate) functions: Vec<Arc<ScalarUDF>>,
}

/// Makes a query over the catalogue one that can be planned; `None` where it is none.
pub(crate) fn prepare(
    session: &Session,
    view: &View,
    query: &mut Statement,
) -> Result<Option<Catalogue>> {
    let stored = view.catalog()?;
    if !rewrite::is_asked(query, &|name| stored.table(name).is_some()) {
        return Ok(None);
    }
    let facts = Facts::new(session, view)?;
    let named = rewrite::rewrite(query, &facts)?;
    let mut catalogue =
        Catalogue { tables: Vec::new(), functions: functions::all(&facts, session.caller()) };
    for (name, schema, table) in named {
        let made = match schema {
            rewrite::Schema::Catalog => tables::table(&facts, session.caller(), &table),
            rewrite::Schema::Information => schema::table(&facts, session.caller(), &table),
        };
        if let Some(relation) = made {
            catalogue.tables.push((name, relation.finish()?));
        }
    }
    Ok(Some(catalogue))
}

#[cfg(test)]
mod tests;
