//! The language of TasteDB: statements are parsed here, bound, planned and executed.
//!
//! ```text
//! parser      text → ast                  exec        a statement → an outcome
//! ast         what was written            provider    tables as DataFusion sees them
//! error       codes, places, next steps   expr        literals, parameters, compiled expressions
//! session     one user of a database      candidates  RECOMMEND's WHERE as sets of rows
//! copy        files in and out            batch       stored values ↔ Arrow
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
mod provider;
mod runtime;
mod script;
mod session;
pub mod span;
pub mod suggest;
#[cfg(test)]
mod tests;

pub use access::Access;
pub use datafusion::arrow;
pub use error::{Error, Problem, Result};
pub use outcome::{Outcome, Rows};
pub use parser::{Statements, parse, parse_one, statements};
pub use script::is_complete;
pub use session::{Options, Session, Sql};

use tastedb_engine::storage;
