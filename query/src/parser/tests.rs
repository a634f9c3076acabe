//! What the parser accepts, refuses, and survives.

mod accept;
mod fuzz;
mod refuse;

use super::{parse, parse_one, statements};
use crate::ast::Statement;
use crate::error::Error;

fn one(sql: &str) -> Statement {
    match parse_one(sql) {
        Ok(statement) => statement,
        Err(error) => panic!("{}", error.render(sql)),
    }
}

fn error(sql: &str) -> Error {
    match parse(sql) {
        Ok(statements) => panic!("{sql} parses to {statements:?}"),
        Err(error) => error,
    }
}
