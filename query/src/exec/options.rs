//! `WITH (name = value, …)`: options taken one by one; what is left over is an error.

use tastedb_engine::Error as EngineError;

use crate::ast::{OperandKind, WithOption, WithOptions};
use crate::batch::Cell;
use crate::error::{Error, Result};
use crate::expr::literal::{self, Given};
use crate::span::Span;
use crate::storage::Value;

/// The options of one statement.
pub(crate) struct Options<'a> {
    left: Vec<&'a WithOption>,
    given: Given<'a>,
    known: Vec<&'static str>,
}

impl<'a> Options<'a> {
    /// The options as they were written.
    pub(crate) fn new(options: &'a WithOptions, given: Given<'a>) -> Options<'a> {
        Options { left: options.items.iter().collect(), given, known: Vec::new() }
    }

    /// Takes an option, with its place.
    pub(crate) fn value(&mut self, name: &'static str) -> Result<Option<(Value, Span)>> {
        self.known.push(name);
        let is = |option: &&WithOption| option.name.as_str().eq_ignore_ascii_case(name);
        let Some(at) = self.left.iter().position(is) else { return Ok(None) };
        let option = self.left.remove(at);
        Ok(Some((read(option, self.given)?, option.value.span)))
    }

    /// Takes a text.
    pub(crate) fn text(&mut self, name: &'static str) -> Result<Option<(String, Span)>> {
        match self.value(name)? {
            None => Ok(None),
            Some((Value::Text(text), place)) => Ok(Some((text, place))),
            Some((_, place)) => Err(Error::option_value(name, "a text").at(place)),
        }
    }

    /// Takes a truth value.
    pub(crate) fn truth(&mut self, name: &'static str, default: bool) -> Result<bool> {
        match self.value(name)? {
            None => Ok(default),
            Some((value, place)) => truth(name, &value, place),
        }
    }

    /// Takes a whole number that is not negative.
    pub(crate) fn number(&mut self, name: &'static str) -> Result<Option<u64>> {
        match self.value(name)? {
            None => Ok(None),
            Some((Value::Int(number), place)) => u64::try_from(number)
                .map(Some)
                .map_err(|_| Error::option_value(name, "a whole number from 0 on").at(place)),
            Some((_, place)) => {
                Err(Error::option_value(name, "a whole number from 0 on").at(place))
            }
        }
    }

    /// Takes a number.
    pub(crate) fn real(&mut self, name: &'static str) -> Result<Option<(f64, Span)>> {
        match self.value(name)? {
            None => Ok(None),
            Some((Value::Real(number), place)) => Ok(Some((number, place))),
            Some((Value::Int(number), place)) => Ok(Some((number as f64, place))),
            Some((_, place)) => Err(Error::option_value(name, "a number").at(place)),
        }
    }

    /// Takes one of some words.
    pub(crate) fn choice(
        &mut self,
        name: &'static str,
        words: &[&'static str],
    ) -> Result<Option<&'static str>> {
        let Some((text, place)) = self.text(name)? else { return Ok(None) };
        match words.iter().find(|word| word.eq_ignore_ascii_case(&text)) {
            Some(word) => Ok(Some(word)),
            None => {
                let expected = words.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>();
                Err(Error::option_value(name, &expected.join(" or ")).at(place))
            }
        }
    }

    /// Takes all that are left.
    pub(crate) fn rest(self) -> Result<Vec<(String, Value, Span)>> {
        let mut rest: Vec<(String, Value, Span)> = Vec::with_capacity(self.left.len());
        for option in self.left {
            let name = option.name.as_str().to_ascii_lowercase();
            rest.push((name, read(option, self.given)?, option.value.span));
        }
        Ok(rest)
    }

    /// Checks that none is left.
    pub(crate) fn end(self) -> Result<()> {
        match self.left.first() {
            None => Ok(()),
            Some(option) => Err(Error::no_such_option(option.name.as_str(), self.known.clone())
                .at(option.name.span)),
        }
    }
}

/// Where the option stands that an error of the engine is about; `None` where it is about none of these.
pub(crate) fn place_of(options: &WithOptions, cause: &EngineError) -> Option<Span> {
    let of = |name: &str| {
        let is = |option: &&WithOption| option.name.as_str().eq_ignore_ascii_case(name);
        options.items.iter().find(is)
    };
    match cause {
        EngineError::NoSuchOption { option, .. } => of(option).map(|option| option.name.span),
        EngineError::InvalidOption { option, .. } | EngineError::FrozenOption { option, .. } => {
            of(option).map(|option| option.value.span)
        }
        EngineError::TooLarge { .. } => of("memory_limit").map(|option| option.value.span),
        EngineError::NoDevice { .. } | EngineError::NotOnDevice { .. } => {
            of("device").map(|option| option.value.span)
        }
        EngineError::NoSuchModality { .. } => of("modalities").map(|option| option.value.span),
        _ => None,
    }
}

/// An option as a truth value.
pub(crate) fn truth(name: &str, value: &Value, place: Span) -> Result<bool> {
    let wrong = || Err(Error::option_value(name, "true or false").at(place));
    match value {
        Value::Bool(truth) => Ok(*truth),
        Value::Int(1) => Ok(true),
        Value::Int(0) => Ok(false),
        Value::Text(text) => match text.to_ascii_lowercase().as_str() {
            "true" | "on" | "yes" => Ok(true),
            "false" | "off" | "no" => Ok(false),
            _ => wrong(),
        },
        _ => wrong(),
    }
}

/// The value of an option: a literal, a parameter, or a bare word.
fn read(option: &WithOption, given: Given<'_>) -> Result<Value> {
    match literal::operand(&option.value, given) {
        Some(Cell::Value(value)) => Ok(value),
        _ => Err(match &option.value.kind {
            OperandKind::Param(number) => {
                Error::missing_parameter(&format!("${number}"), given.params.len())
            }
            _ => Error::not_a_literal(),
        }
        .at(option.value.span)),
    }
}
