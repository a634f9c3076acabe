//! Errors of DataFusion and Arrow as ours: a code for each, and clean words.
//!
//! An error of ours that travelled through DataFusion comes back as it was. Invariant: nothing of
//! DataFusion's wrapping ("Error during planning", backtraces, catalogue names) reaches a user.

use datafusion::arrow::error::ArrowError;
use datafusion::common::{DataFusionError, Diagnostic, SchemaError};
use tastedb_engine as engine;

use super::Error;
use crate::codes::{self, Code};
use crate::span::Span;
use crate::suggest;

impl From<DataFusionError> for Error {
    fn from(error: DataFusionError) -> Self {
        match error {
            DataFusionError::External(inner) => match inner.downcast::<Error>() {
                Ok(ours) => *ours,
                Err(inner) => match inner.downcast::<engine::Error>() {
                    Ok(below) => Error::from(*below),
                    Err(other) => Error::new(&codes::EVALUATION, first_line(&other.to_string())),
                },
            },
            DataFusionError::Context(_, inner) => Error::from(*inner),
            DataFusionError::Diagnostic(diagnostic, inner) => {
                let error = Error::from(*inner);
                match place(&diagnostic) {
                    Some(span) => error.at(span),
                    None => error,
                }
            }
            DataFusionError::Collection(errors) => match errors.into_iter().next() {
                Some(first) => Error::from(first),
                None => Error::new(&codes::INTERNAL, "a query failed without a reason"),
            },
            DataFusionError::Shared(inner) => match std::sync::Arc::try_unwrap(inner) {
                Ok(inner) => Error::from(inner),
                Err(shared) => shared_error(&shared),
            },
            DataFusionError::SchemaError(schema, _) => schema_error(&schema),
            DataFusionError::ArrowError(arrow, _) => arrow_error(*arrow),
            DataFusionError::Plan(text) => plan_error(&text),
            DataFusionError::SQL(parser, _) => Error::new(&codes::SYNTAX, parser.to_string()),
            DataFusionError::NotImplemented(text) => {
                Error::new(&codes::FEATURE_UNSUPPORTED, first_line(&text))
            }
            DataFusionError::Execution(text) => Error::new(&codes::EVALUATION, first_line(&text)),
            DataFusionError::Configuration(text) => {
                Error::new(&codes::OPTION_VALUE, first_line(&text))
            }
            DataFusionError::ResourcesExhausted(_) => exhausted(),
            DataFusionError::IoError(error) => {
                Error::new(&codes::IO, error.to_string()).caused_by(error)
            }
            other => Error::new(&codes::INTERNAL, first_line(&other.to_string())).caused_by(other),
        }
    }
}

impl From<ArrowError> for Error {
    fn from(error: ArrowError) -> Self {
        arrow_error(error)
    }
}

/// An error that others hold too: its words, since it cannot be taken apart.
fn shared_error(error: &DataFusionError) -> Error {
    match error {
        DataFusionError::SchemaError(schema, _) => schema_error(schema),
        DataFusionError::Plan(text) => plan_error(text),
        DataFusionError::ResourcesExhausted(_) => exhausted(),
        DataFusionError::External(inner) => match inner.downcast_ref::<Error>() {
            Some(ours) => {
                let problem = ours.problem();
                let mut copy = Error::new(problem.code, problem.message.clone())
                    .suggest(problem.suggestion.as_deref())
                    .at(problem.span.unwrap_or_default());
                if let Some(hint) = &problem.hint {
                    copy = copy.hint(hint.clone());
                }
                copy
            }
            None => Error::new(&codes::EVALUATION, first_line(&inner.to_string())),
        },
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => {
            shared_error(inner)
        }
        DataFusionError::Shared(inner) => shared_error(inner),
        other => Error::new(&codes::EVALUATION, first_line(&other.strip_backtrace())),
    }
}

fn exhausted() -> Error {
    Error::new(&codes::RESOURCES, "the query needs more memory than it may take")
}

fn schema_error(error: &SchemaError) -> Error {
    match error {
        SchemaError::FieldNotFound { field, valid_fields } => {
            let name = field.name();
            let span = field.spans().first().as_ref().map(Span::from).unwrap_or_default();
            let message = match &field.relation {
                Some(table) => format!("no column `{name}` in `{}`", table.table()),
                None => format!("no column `{name}`"),
            };
            let error = Error::new(&codes::NO_SUCH_COLUMN, message).at(span);
            match suggest::nearest(name, valid_fields.iter().map(|column| column.name())) {
                Some(near) => error.suggest(Some(near)),
                // Texts in double quotes, or in none, are the habit of other languages.
                None => {
                    let text = format!("a text is written in single quotes: '{name}'");
                    error.hint(match valid_fields.is_empty() {
                        true => text,
                        false => format!("DESCRIBE the table to see its columns; {text}"),
                    })
                }
            }
        }
        SchemaError::AmbiguousReference { field } => Error::new(
            &codes::AMBIGUOUS,
            format!("`{}` could be a column of several tables", field.name()),
        )
        .at(field.spans().first().as_ref().map(Span::from).unwrap_or_default()),
        SchemaError::DuplicateQualifiedField { name, .. }
        | SchemaError::DuplicateUnqualifiedField { name } => {
            Error::new(&codes::GIVEN_TWICE, format!("the query has two columns `{name}`"))
                .hint("give one of them another name with AS")
        }
    }
}

fn arrow_error(error: ArrowError) -> Error {
    let code: &'static Code = match &error {
        ArrowError::CastError(_) | ArrowError::ParseError(_) => &codes::INVALID_VALUE,
        ArrowError::MemoryError(_) => &codes::RESOURCES,
        ArrowError::IoError(_, _) => &codes::IO,
        ArrowError::NotYetImplemented(_) => &codes::FEATURE_UNSUPPORTED,
        ArrowError::ExternalError(_) => {
            let ArrowError::ExternalError(inner) = error else {
                return Error::new(&codes::INTERNAL, "an error changed while it was looked at");
            };
            return Error::from(DataFusionError::External(inner));
        }
        _ => &codes::EVALUATION,
    };
    let text = error.to_string();
    let words = match text.split_once(" error: ") {
        Some((kind, rest)) if kind.len() < 20 => rest,
        _ => &text,
    };
    let words = words.strip_suffix(" error").unwrap_or(words);
    Error::new(code, lower_first(first_line(words)))
}

/// DataFusion's planner says most things as text; the common ones get their own code.
fn plan_error(text: &str) -> Error {
    let text = first_line(text);
    if let Some(name) = between(text, "table '", "' not found") {
        let name = name.rsplit('.').next().unwrap_or(name);
        return Error::new(&codes::NO_SUCH_TABLE, format!("no table `{name}`"));
    }
    if let Some(name) = between(text, "Invalid function '", "'") {
        let near = between(text, "Did you mean '", "'").map(str::to_owned);
        // DataFusion always names something; only a near name helps.
        let near = near.filter(|near| suggest::nearest(name, [near.as_str()]).is_some());
        return Error::new(&codes::NO_SUCH_FUNCTION, format!("no function `{name}`"))
            .suggest(near.as_deref());
    }
    if let Some(ty) = text.strip_prefix("Cannot create filter with non-boolean predicate ") {
        let ty = ty.rsplit(" returning ").next().unwrap_or(ty);
        return Error::new(&codes::TYPE_MISMATCH, format!("expected a condition, found {ty}"));
    }
    if let Some((what, _)) = text.split_once(" No function matches the given name and argument") {
        return Error::new(&codes::NO_SUCH_FUNCTION, lower_first(what.trim_end_matches('.')));
    }
    if text.starts_with("Projections require unique expression names")
        && let Some(name) = between(text, "expression \"", "\"")
    {
        let name = name.rsplit('.').next().unwrap_or(name);
        // What has no name is called by its plan here.
        let what = match name.chars().all(|c| c.is_alphanumeric() || c == '_') {
            true => format!("the query has two columns `{name}`"),
            false => "two columns of the query have the same name".to_owned(),
        };
        return Error::new(&codes::GIVEN_TWICE, what).hint("give one of them another name with AS");
    }
    if text.contains("table function") && text.contains("not found") {
        return Error::new(&codes::NO_SUCH_FUNCTION, lower_first(text));
    }
    if text.contains("Cannot coerce") || text.contains("cannot be coerced") {
        return Error::new(&codes::TYPE_MISMATCH, lower_first(text));
    }
    if text.contains("laceholder") {
        return Error::new(&codes::PARAMETER, lower_first(text));
    }
    Error::new(&codes::INVALID_QUERY, lower_first(text))
}

fn place(diagnostic: &Diagnostic) -> Option<Span> {
    diagnostic.span.as_ref().map(Span::from)
}

impl From<&datafusion::common::Span> for Span {
    fn from(span: &datafusion::common::Span) -> Self {
        use crate::span::Position;

        let narrow = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        Span {
            start: Position::new(narrow(span.start.line), narrow(span.start.column)),
            end: Position::new(narrow(span.end.line), narrow(span.end.column)),
        }
    }
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let start = text.find(before)? + before.len();
    let end = text[start..].find(after)?;
    Some(&text[start..start + end])
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or("").trim_end_matches('.')
}

fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    match (chars.next(), chars.clone().next()) {
        // A word in capitals, such as CAST, keeps them.
        (Some(first), Some(second)) if !second.is_uppercase() => {
            first.to_lowercase().chain(chars).collect()
        }
        _ => text.to_owned(),
    }
}
