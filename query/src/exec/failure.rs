//! Errors of execution: what can be wrong with a statement that parses, each with its code and its
//! words; and the errors of DataFusion, storage and the engine in the same terms.
//!
//! Nobody should learn from a message which library found the mistake.

use std::path::Path;

use datafusion::arrow::datatypes::DataType;
use datafusion::error::DataFusionError;
use datafusion::sql::sqlparser::ast::{Expr, Spanned};

use super::writer::RowFault;
use crate::ast::Located;
use crate::batch::{Field, Shape, Unfit};
use crate::codes::{self, Code};
use crate::copy::{Fault, Spoils};
use crate::error::Error;
use crate::span::Span;
use crate::storage;

impl Error {
    /// A state that should not be: a mistake of ours.
    pub(crate) fn internal(what: impl Into<String>) -> Error {
        Error::new(&codes::INTERNAL, format!("internal error: {}", what.into()))
    }

    pub(crate) fn cancelled() -> Error {
        Error::new(&codes::CANCELLED, "cancelled")
    }

    pub(crate) fn too_many_rows(most: usize) -> Error {
        Error::new(&codes::TOO_MANY_ROWS, format!("more than {most} rows would be returned"))
    }

    pub(crate) fn not_supported(what: impl std::fmt::Display) -> Error {
        Error::new(&codes::FEATURE_UNSUPPORTED, format!("not supported yet: {what}"))
    }

    pub(crate) fn missing_parameter(name: &str, given: usize) -> Error {
        let given = match given {
            0 => "no values are given".to_owned(),
            1 => "1 value is given".to_owned(),
            many => format!("{many} values are given"),
        };
        Error::new(&codes::PARAMETER, format!("parameter {name} has no value: {given}"))
    }

    // ---- names ----------------------------------------------------------------------------

    pub(crate) fn no_such_table(name: &str, known: Vec<&str>) -> Error {
        Error::near(&codes::NO_SUCH_TABLE, format!("no table `{name}`"), name, known)
    }

    pub(crate) fn no_such_column(name: &str, table: &str, known: Vec<&str>) -> Error {
        let what = format!("no column `{name}` in `{table}`");
        Error::near(&codes::NO_SUCH_COLUMN, what, name, known)
    }

    pub(crate) fn no_such_model(name: &str, known: Vec<&str>) -> Error {
        Error::near(&codes::NO_SUCH_MODEL, format!("no model `{name}`"), name, known)
    }

    pub(crate) fn no_such_index(name: &str, known: Vec<&str>) -> Error {
        Error::near(&codes::NO_SUCH_INDEX, format!("no index `{name}`"), name, known)
    }

    pub(crate) fn no_such_embedding(name: &str, table: &str, known: Vec<&str>) -> Error {
        let what = format!("no embedding `{name}` on `{table}`");
        Error::near(&codes::NO_SUCH_EMBEDDING, what, name, known)
    }

    pub(crate) fn no_such_metric(name: &str, known: Vec<&str>) -> Error {
        let what = format!("no metric `{name}`; there are {}", known.join(", "));
        Error::near(&codes::NO_SUCH_METRIC, what, name, known)
    }

    pub(crate) fn no_such_option(name: &str, known: Vec<&'static str>) -> Error {
        let what = format!("no option `{name}`; there are {}", known.join(", "));
        Error::near(&codes::UNKNOWN_OPTION, what, name, known)
    }

    pub(crate) fn column_twice(name: &str) -> Error {
        Error::new(&codes::GIVEN_TWICE, format!("column `{name}` is named twice"))
    }

    pub(crate) fn computed(column: &str, table: &str) -> Error {
        let what = format!("column `{column}` of table `{table}` is computed by the database");
        Error::new(&codes::COMPUTED, what)
    }

    pub(crate) fn key_fixed(what: &str) -> Error {
        Error::new(&codes::KEY_FIXED, format!("{what} cannot be changed"))
    }

    pub(crate) fn wrong_role(table: &str, expected: &str) -> Error {
        Error::new(&codes::WRONG_ROLE, format!("table `{table}` is not {expected}"))
    }

    pub(crate) fn unknown_entity(what: &str, key: &str, table: &str) -> Error {
        Error::new(&codes::UNKNOWN_ENTITY, format!("no {what} `{key}` in `{table}`"))
    }

    /// The same where a RECOMMEND asks for it.
    pub(crate) fn no_such_entity(what: &str, key: &str, table: &str) -> Error {
        let code = if what == "user" { &codes::NO_SUCH_USER } else { &codes::NO_SUCH_ITEM };
        Error::new(code, format!("no {what} `{key}` in `{table}`"))
    }

    pub(crate) fn bad_context(what: &str) -> Error {
        Error::new(&codes::CONTEXT, what)
    }

    pub(crate) fn bad_slate(what: &str) -> Error {
        Error::new(&codes::SLATE, what)
    }

    pub(crate) fn no_such_slate(what: &str) -> Error {
        Error::new(&codes::NO_SUCH_SLATE, what)
    }

    pub(crate) fn not_a_count(clause: &str, found: &str) -> Error {
        let what = format!("{clause} takes a whole number from 0 on, found {found}");
        Error::new(&codes::LIMIT, what)
    }

    pub(crate) fn bad_source(what: &str) -> Error {
        Error::new(&codes::SOURCE, what)
    }

    pub(crate) fn clause_unsupported(clause: &str) -> Error {
        Error::new(&codes::CLAUSE_UNSUPPORTED, format!("{clause} is not supported yet"))
    }

    /// A stream of a session that has no client.
    pub(crate) fn no_client(what: &str) -> Error {
        Error::new(&codes::CLAUSE_UNSUPPORTED, what).hint("write the path of a file in quotes")
    }

    pub(crate) fn statement_unsupported(statement: &str) -> Error {
        Error::new(&codes::STATEMENT_UNSUPPORTED, format!("{statement} is not supported yet"))
    }

    pub(crate) fn invalid_definition(what: impl Into<String>) -> Error {
        Error::new(&codes::INVALID_DEFINITION, what)
    }

    pub(crate) fn still_referenced(table: &str, by: &[String]) -> Error {
        let what = format!("table `{table}` is used by {}", by.join(", "));
        Error::new(&codes::STILL_REFERENCED, what)
    }

    /// `by`: what kind of thing, and its name.
    pub(crate) fn column_needed(column: &str, (kind, by): (&str, &str)) -> Error {
        let what = format!("column `{column}` is used by {kind} `{by}`");
        Error::new(&codes::STILL_REFERENCED, what)
    }

    pub(crate) fn exists(what: &str, name: &str) -> Error {
        Error::new(&codes::EXISTS, format!("{what} `{name}` exists already"))
    }

    // ---- values ---------------------------------------------------------------------------

    pub(crate) fn wrong_type(expected: &str, found: &str) -> Error {
        Error::new(&codes::TYPE_MISMATCH, format!("{expected}, found {found}"))
    }

    /// A value that does not fit; `subject` goes before the message.
    pub(crate) fn unfit(subject: &str, unfit: &Unfit, found: &str) -> Error {
        let code = match unfit {
            Unfit::Type(_) => &codes::TYPE_MISMATCH,
            Unfit::Dimension { .. } => &codes::DIMENSION,
            Unfit::Number { .. } => &codes::NOT_FINITE,
        };
        Error::new(code, format!("{subject}{}", unfit.message(found)))
    }

    pub(crate) fn unstorable(ty: &str) -> Error {
        Error::new(&codes::TYPE_MISMATCH, format!("no column holds values of type {ty}"))
    }

    pub(crate) fn value_count(expected: usize, found: usize) -> Error {
        Error::new(
            &codes::WRONG_COUNT,
            format!("expected {expected} values, one for each column, found {found}"),
        )
    }

    pub(crate) fn option_value(name: &str, expected: &str) -> Error {
        Error::new(&codes::OPTION_VALUE, format!("option `{name}` takes {expected}"))
    }

    pub(crate) fn operator_class(name: &str, known: Vec<&'static str>) -> Error {
        let what = format!("no operator class `{name}`; there are {}", known.join(", "));
        Error::near(&codes::OPTION_VALUE, what, name, known)
    }

    pub(crate) fn two_metrics(class: &str, metric: &str) -> Error {
        let what = format!("operator class `{class}` and metric = '{metric}' say two things");
        Error::new(&codes::OPTION_VALUE, what)
    }

    pub(crate) fn not_a_literal() -> Error {
        Error::new(&codes::NOT_CONSTANT, "an option takes a constant")
    }

    pub(crate) fn not_a_vector(column: &str) -> Error {
        Error::new(&codes::NOT_A_VECTOR, format!("column `{column}` does not hold vectors"))
    }

    // ---- files ----------------------------------------------------------------------------

    pub(crate) fn file_io(path: &Path, op: &str, source: std::io::Error) -> Error {
        Error::new(&codes::NO_SUCH_FILE, format!("cannot {op} {}: {source}", path.display()))
            .caused_by(source)
    }

    pub(crate) fn file_record(path: &Path, fault: &Fault) -> Error {
        let mut place = path.display().to_string();
        if fault.line > 0 {
            place.push_str(&format!(", line {}", fault.line));
        }
        if let Some(column) = &fault.column {
            place.push_str(&format!(", column `{column}`"));
        }
        let code = match fault.spoils {
            Spoils::Field => &codes::BAD_FIELD,
            Spoils::Record => &codes::BAD_ROW,
            Spoils::Rest => &codes::DAMAGED_FILE,
        };
        Error::new(code, format!("{place}: {}", fault.what))
    }

    pub(crate) fn unknown_format(path: &str) -> Error {
        Error::new(
            &codes::UNKNOWN_FORMAT,
            format!("the name `{path}` does not tell the format; add WITH (format = 'csv')"),
        )
    }

    pub(crate) fn no_such_format(name: &str, known: &[&str]) -> Error {
        let what = format!("no format `{name}`; there are {}", known.join(", "));
        Error::near(&codes::UNKNOWN_FORMAT, what, name, known.to_vec())
    }

    pub(crate) fn bad_copy(what: &str) -> Error {
        Error::new(&codes::FILE_COLUMNS, what)
    }

    /// Two files, or a file and a table, that do not belong together.
    pub(crate) fn file_columns(path: &Path, what: &str) -> Error {
        Error::new(&codes::FILE_COLUMNS, format!("{}: {what}", path.display()))
    }

    /// A file that is not what its name says.
    pub(crate) fn damaged_file(path: &Path, what: &str) -> Error {
        Error::new(&codes::DAMAGED_FILE, format!("{}: {what}", path.display()))
    }

    pub(crate) fn array_shape(path: &Path, what: &str) -> Error {
        Error::new(&codes::NPY_SHAPE, format!("{}: {what}", path.display()))
    }

    pub(crate) fn file_exists(path: &Path) -> Error {
        let what = format!("the folder {} is not empty", path.display());
        Error::new(&codes::FILE_EXISTS, what)
    }

    pub(crate) fn not_an_export(path: &Path) -> Error {
        let what = format!("{} holds no schema.sql: it is not an export", path.display());
        Error::new(&codes::NOT_AN_EXPORT, what)
    }

    pub(crate) fn file_write(path: &Path, op: &str, source: std::io::Error) -> Error {
        let what = format!("cannot {op} {}: {source}", path.display());
        Error::new(&codes::CANNOT_WRITE_FILE, what).caused_by(source)
    }

    // ---- transactions ---------------------------------------------------------------------

    pub(crate) fn transaction_open() -> Error {
        Error::new(
            &codes::IN_TRANSACTION,
            "a transaction is open already: COMMIT or ROLLBACK it first",
        )
    }

    pub(crate) fn no_transaction(verb: &str) -> Error {
        Error::new(&codes::NO_TRANSACTION, format!("{verb} without BEGIN: no transaction is open"))
    }

    pub(crate) fn not_in_transaction(verb: &str) -> Error {
        Error::new(
            &codes::IN_TRANSACTION,
            format!("{verb} cannot run inside BEGIN … COMMIT: COMMIT first"),
        )
    }

    // ---- recommending ---------------------------------------------------------------------

    pub(crate) fn no_interactions(table: &str) -> Error {
        Error::new(
            &codes::CONTEXT,
            format!("no interaction table refers to `{table}`: CREATE TABLE one first"),
        )
    }

    pub(crate) fn bad_seen(what: &str) -> Error {
        Error::new(&codes::NOT_ALLOWED_HERE, what)
    }

    pub(crate) fn misplaced_forget_id() -> Error {
        let what = "forget_id() stands alone in the RETURNING of a DELETE";
        Error::new(&codes::NOT_ALLOWED_HERE, what)
            .hint("DELETE FROM people WHERE id = 'u42' RETURNING forget_id()")
    }

    pub(crate) fn unconfirmed(table: &str) -> Error {
        let what = format!("this forgets every row of `{table}`");
        Error::new(&codes::UNCONFIRMED, what)
    }

    pub(crate) fn misplaced_ticket(column: &str) -> Error {
        let what = format!("what is forgotten is set to NULL, and `{column}` is not, or cannot be");
        Error::new(&codes::NOT_ALLOWED_HERE, what)
            .hint("write SET column = NULL for what is to be forgotten, or DELETE the row")
    }

    pub(crate) fn misplaced_seen() -> Error {
        Error::new(
            &codes::NOT_ALLOWED_HERE,
            "seen(…) stands alone or behind NOT, joined to the rest by AND",
        )
    }

    pub(crate) fn bad_call(what: &str) -> Error {
        Error::new(&codes::NO_SUCH_FUNCTION, format!("recommend(…): {what}"))
    }

    fn near(code: &'static Code, what: String, name: &str, known: Vec<&str>) -> Error {
        let error = Error::new(code, what);
        error.suggest(crate::suggest::nearest(name, known))
    }
}

/// A condition that is none.
pub(crate) fn not_a_condition(ty: &DataType) -> Error {
    Error::new(&codes::TYPE_MISMATCH, format!("expected a condition, found {}", type_words(ty)))
}

/// A number that is none.
pub(crate) fn not_a_number(clause: &str, ty: &DataType) -> Error {
    Error::new(
        &codes::TYPE_MISMATCH,
        format!("expected a number for {clause}, found {}", type_words(ty)),
    )
}

/// A row that cannot be written, with the place of the value at fault.
///
/// `place` knows where the value of a column stands, or the row as a whole.
pub(crate) fn of_row(
    fault: RowFault,
    shape: &Shape,
    place: &dyn Fn(Option<usize>) -> Span,
) -> Error {
    let column = fault.column(shape);
    let error = match fault {
        RowFault::Storage(error) => Error::from(error),
        RowFault::Default(error) => error,
        RowFault::Unfit { column, unfit, found } => {
            Error::unfit(&format!("column `{}`: ", shape.names[column]), &unfit, &found)
        }
        RowFault::NoKey { column } => {
            Error::new(&codes::NOT_NULL, format!("`{}` must have a value", shape.names[column]))
        }
        RowFault::Unknown { what, table, key, .. } => Error::unknown_entity(what, &key, &table)
            .hint(format!(
                "insert it first, or create `{}` WITH (on_unknown = 'create')",
                shape.table.name
            )),
        RowFault::Exists { key, .. } => {
            let key_column =
                shape.fields.iter().position(|field| matches!(field, Field::Key(_))).unwrap_or(0);
            Error::new(
                &codes::DUPLICATE_KEY,
                format!("`{}` has a row with the key `{key}` already", shape.table.name),
            )
            .hint(format!(
                "ON CONFLICT ({}) DO UPDATE SET … changes the row",
                shape.names[key_column]
            ))
        }
    };
    error.at(place(column))
}

/// Where the values of a row of VALUES stand; `targets` are the columns that they are for.
pub(crate) fn in_row<'a>(
    row: Option<&'a Located<Vec<Expr>>>,
    targets: &'a [usize],
) -> impl Fn(Option<usize>) -> Span + 'a {
    move |column| {
        let Some(row) = row else { return Span::default() };
        column
            .and_then(|column| targets.iter().position(|target| *target == column))
            .and_then(|at| row.node.get(at))
            .map_or(row.span, |expr| Span::from(expr.span()))
    }
}

/// Where the new value of a column stands among the assignments of SET.
pub(crate) fn in_sets<'a>(sets: &'a [(usize, &'a Expr)]) -> impl Fn(Option<usize>) -> Span + 'a {
    move |column| {
        let set = sets.iter().find(|(target, _)| Some(*target) == column);
        set.map_or(Span::default(), |(_, expr)| Span::from(expr.span()))
    }
}

impl From<storage::Error> for Error {
    fn from(error: storage::Error) -> Error {
        Error::from(tastedb_engine::Error::from(error))
    }
}

/// Whether a storage error is about the value given, not about the database.
pub(crate) fn is_about_a_value(error: &storage::Error) -> bool {
    matches!(
        error,
        storage::Error::DimensionMismatch { .. }
            | storage::Error::NotFinite { .. }
            | storage::Error::NotNull { .. }
            | storage::Error::TypeMismatch { .. }
            | storage::Error::InvalidKey { .. }
            | storage::Error::TooLarge { .. }
            | storage::Error::UnknownUser { .. }
            | storage::Error::UnknownItem { .. }
    )
}

/// An error of DataFusion in our terms.
pub(crate) fn of_datafusion(error: DataFusionError) -> Error {
    let error = Error::from(error);
    let problem = error.problem();
    let message = types(&problem.message);
    let missing = |name: &str| {
        *problem.code == codes::NO_SUCH_FUNCTION && message.contains(&format!("`{name}`"))
    };
    let place = problem.span.unwrap_or_default();
    if missing("forget_id") {
        return Error::misplaced_forget_id().at(place);
    }
    if missing("seen") {
        return Error::misplaced_seen().at(place);
    }
    // Our own columns are nobody's to know.
    let ours = |name: &str| name.starts_with("__");
    if message == problem.message && !problem.suggestion.as_deref().is_some_and(ours) {
        return error;
    }
    let suggestion = problem.suggestion.clone().filter(|name| !ours(name));
    Error::new(problem.code, message).at(place).suggest(suggestion.as_deref())
}

/// Arrow's names of types as SQL's.
fn types(text: &str) -> String {
    let mut text = text.to_owned();
    for (arrow, sql) in [
        ("Timestamp(Microsecond, None)", "TIMESTAMP"),
        ("Timestamp(Nanosecond, None)", "TIMESTAMP"),
        ("Timestamp(ns)", "TIMESTAMP"),
        ("Timestamp(µs)", "TIMESTAMP"),
        ("LargeUtf8", "TEXT"),
        ("Utf8View", "TEXT"),
        ("Utf8", "TEXT"),
        ("Boolean", "BOOLEAN"),
        ("Float32", "REAL"),
        ("Float64", "DOUBLE"),
        ("Int32", "INTEGER"),
        ("Int64", "BIGINT"),
        ("Date32", "DATE"),
    ] {
        text = text.replace(arrow, sql);
    }
    text
}

fn type_words(ty: &DataType) -> String {
    types(&ty.to_string())
}
