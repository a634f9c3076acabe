//! The language of TasteDB: statements are parsed here, bound, planned and executed.
//!
//! ```text
//! parser      text → ast                  exec        a statement → an outcome
//! ast         what was written            provider    tables as DataFusion sees them
//! error       codes, places, next steps   expr        literals, parameters, compiled expressions
//! session     one user of a database      candidates  RECOMMEND's WHERE as sets of rows
//! copy        files in and out            batch       stored values ↔ Arrow
//! pg          PostgreSQL's catalogue       stream      the client's end of a COPY
//! ```
//!
//! Invariants:
//! 1. It reads and writes only through the engine and its store. Nothing here prints.
//! 2. A statement returns all of its rows or an error, and a failed one changes nothing.
//! 3. DataFusion is named in `expr`, `provider`, `batch` and the statements that run queries; no
//!    message of it reaches a user as it is.
//! 4. No clock is read but the one given in [`Options`]: the same snapshot gives the same rows.

mod access;
pub mod ast;
mod batch;
mod candidates;
pub mod codes;
mod copy;
mod error;
mod exec;
mod expr;
mod outcome;
mod parser;
mod pg;
mod provider;
mod runtime;
mod script;
mod session;
pub mod span;
mod stream;
pub mod suggest;
#[cfg(test)]
mod tests;

pub use access::Access;
pub use datafusion::arrow;
pub use error::{Error, Problem, Result};
pub use exec::Description;
pub use outcome::{Outcome, Rows};
pub use parser::{Statements, parse, parse_one, statements};
pub use pg::{Caller, TYPE_KEY, VECTOR_OID};
pub use script::{is_complete, statement_ranges};
pub use session::{Options, Session, Sql};
pub use stream::{CopyOut, Layout, StreamFormat};

/// What a text spells as a value of a column's type; `None` where it spells none. A vector stays text.
pub fn read_value(text: &str, ty: storage::ColumnType) -> Option<storage::Value> {
    match ty {
        storage::ColumnType::TextList => batch::parse_text_list(text).map(storage::Value::TextList),
        storage::ColumnType::Vector { .. } => Some(storage::Value::Text(text.to_owned())),
        ty => batch::parse_text(text, ty),
    }
}

use tastedb_engine::storage;
