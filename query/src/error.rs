//! What can go wrong with a statement, as one error with a stable code, a place and a next step.
//!
//! The variants are the families of the code table ([`codes`](crate::codes)); each holds a
//! [`Problem`] with the same fields, so that a caller may match on the family or on the code and
//! always show the same shape. Invariant: the message is one sentence without a full stop, and
//! names are in backquotes.

mod external;
mod layers;
mod render;

use std::fmt;

use crate::ast::Name;
use crate::codes::{self, Code};
use crate::span::Span;
use crate::suggest;

/// A result whose error is a statement's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a statement failed, by family.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The statement's form (TD01xx).
    Syntax(Box<Problem>),
    /// Names and definitions (TD02xx).
    Name(Box<Problem>),
    /// Types and values (TD03xx).
    Value(Box<Problem>),
    /// Data files (TD04xx).
    File(Box<Problem>),
    /// Transactions and locks (TD05xx).
    Transaction(Box<Problem>),
    /// Models (TD06xx).
    Model(Box<Problem>),
    /// Recommending (TD07xx).
    Recommend(Box<Problem>),
    /// Storage, and contradictions of our own (TD08xx).
    Storage(Box<Problem>),
    /// What is not supported yet (TD09xx).
    Unsupported(Box<Problem>),
}

/// The particulars of an error.
#[derive(Debug)]
pub struct Problem {
    /// Its kind.
    pub code: &'static Code,
    /// What is wrong, in one sentence without a full stop.
    pub message: String,
    /// The place in the statement's text, where one is at fault.
    pub span: Option<Span>,
    /// A known name near to the one that is not.
    pub suggestion: Option<String>,
    /// What to do, where the code's own next step can be said more exactly.
    pub hint: Option<String>,
    /// What caused it, below.
    pub cause: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error of this kind; the code decides the variant.
    pub fn new(code: &'static Code, message: impl Into<String>) -> Self {
        let problem = Box::new(Problem {
            code,
            message: message.into(),
            span: None,
            suggestion: None,
            hint: None,
            cause: None,
        });
        match code.family() {
            1 => Error::Syntax(problem),
            2 => Error::Name(problem),
            3 => Error::Value(problem),
            4 => Error::File(problem),
            5 => Error::Transaction(problem),
            6 => Error::Model(problem),
            7 => Error::Recommend(problem),
            8 => Error::Storage(problem),
            _ => Error::Unsupported(problem),
        }
    }

    /// "no `what` `name`", at the name, with the nearest of the `known` names suggested.
    pub fn unknown<'a>(
        code: &'static Code,
        what: &str,
        name: &Name,
        known: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        Error::new(code, format!("no {what} `{name}`"))
            .at(name.span)
            .suggest(suggest::nearest(&name.value, known))
    }

    /// The same error at this place, unless it has one already or the place is unknown.
    #[must_use]
    pub fn at(mut self, span: Span) -> Self {
        let problem = self.problem_mut();
        if problem.span.is_none() && span.is_known() {
            problem.span = Some(span);
        }
        self
    }

    /// The same error with a name that may have been meant.
    #[must_use]
    pub fn suggest(mut self, name: Option<&str>) -> Self {
        self.problem_mut().suggestion = name.map(str::to_owned);
        self
    }

    /// The same error with a next step.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.problem_mut().hint = Some(hint.into());
        self
    }

    /// The same error with what caused it.
    #[must_use]
    pub fn caused_by(mut self, cause: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.problem_mut().cause = Some(Box::new(cause));
        self
    }

    /// The stable code, such as `TD0201`.
    pub fn code(&self) -> &'static str {
        self.problem().code.id
    }

    /// The kind of error: an entry of the code table.
    pub fn kind(&self) -> &'static Code {
        self.problem().code
    }

    /// Where in the statement's text it is, if anywhere.
    pub fn span(&self) -> Option<Span> {
        self.problem().span
    }

    /// The particulars.
    pub fn problem(&self) -> &Problem {
        match self {
            Error::Syntax(problem)
            | Error::Name(problem)
            | Error::Value(problem)
            | Error::File(problem)
            | Error::Transaction(problem)
            | Error::Model(problem)
            | Error::Recommend(problem)
            | Error::Storage(problem)
            | Error::Unsupported(problem) => problem,
        }
    }

    fn problem_mut(&mut self) -> &mut Problem {
        match self {
            Error::Syntax(problem)
            | Error::Name(problem)
            | Error::Value(problem)
            | Error::File(problem)
            | Error::Transaction(problem)
            | Error::Model(problem)
            | Error::Recommend(problem)
            | Error::Storage(problem)
            | Error::Unsupported(problem) => problem,
        }
    }

    /// The error as a user reads it: code and message, the line of `source` (the text that was
    /// executed) with a caret, and the next step. Several lines, no colours, no final newline.
    pub fn render(&self, source: &str) -> String {
        render::render(self.problem(), source)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.problem().fmt(f)
    }
}

impl Problem {
    /// What to do about it: the hint; without one, unless a name is suggested, what the code says.
    pub fn next_step(&self) -> Option<String> {
        match (&self.hint, &self.suggestion) {
            (None, None) => codes::next_step(self.code.id),
            (hint, _) => hint.clone(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.suggestion {
            Some(name) => write!(f, "; did you mean `{name}`?"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.problem().cause.as_deref().map(|cause| cause as &(dyn std::error::Error + 'static))
    }
}

#[cfg(test)]
mod tests;
