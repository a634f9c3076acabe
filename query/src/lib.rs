//! The language of TasteDB: statements are parsed here, bound, planned and executed.
//!
//! It reads and writes only through the engine. Nothing here prints.

pub mod ast;
pub mod codes;
mod error;
mod parser;
mod script;
pub mod span;
pub mod suggest;

pub use error::{Error, Problem, Result};
pub use parser::{Statements, parse, parse_one, statements};
pub use script::is_complete;
