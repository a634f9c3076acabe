//! Parameters (`$1`, `$2`, …) put into a parsed statement as the literals they stand for, and
//! questions about what an expression contains.

use std::ops::ControlFlow;

use datafusion::arrow::temporal_conversions::{date32_to_datetime, timestamp_us_to_datetime};
use datafusion::sql::sqlparser::ast::{
    Array, DataType, Expr, Ident, Spanned, TimezoneInfo, TypedString, UnaryOperator,
    Value as SqlValue, ValueWithSpan, Visit, VisitMut, Visitor, VisitorMut,
};

use crate::error::{Error, Result};
use crate::span::Span;
use crate::storage::Value;

/// The number in `$3`; `None` where it is none.
pub(crate) fn number(name: &str) -> Option<usize> {
    name.strip_prefix('$')?.parse().ok().filter(|number| *number > 0)
}

/// Puts `params` into a part of a statement.
pub(crate) fn bind<T: VisitMut>(part: &mut T, params: &[Value]) -> Result<()> {
    struct Binder<'a>(&'a [Value]);
    impl VisitorMut for Binder<'_> {
        type Break = Error;

        fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Error> {
            if let Expr::Value(ValueWithSpan { value: SqlValue::Placeholder(name), span }) = expr {
                let place = Span::from(*span);
                match number(name).and_then(|at| self.0.get(at - 1)) {
                    Some(value) => *expr = literal(value),
                    None => {
                        let error = Error::missing_parameter(name, self.0.len());
                        return ControlFlow::Break(error.at(place));
                    }
                }
            }
            ControlFlow::Continue(())
        }
    }
    match part.visit(&mut Binder(params)) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

/// Puts the name of a table before every bare column.
pub(crate) fn qualify(expr: &mut Expr, table: &str) {
    struct Qualifier<'a>(&'a str);
    impl VisitorMut for Qualifier<'_> {
        type Break = ();

        fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
            if let Expr::Identifier(ident) = expr {
                let mut table = Ident::with_quote('"', self.0);
                table.span = ident.span;
                *expr = Expr::CompoundIdentifier(vec![table, ident.clone()]);
            }
            ControlFlow::Continue(())
        }
    }
    let _ = expr.visit(&mut Qualifier(table));
}

/// Puts the name of a table before those bare columns that have one of some names.
pub(crate) fn qualify_those(expr: &mut Expr, table: &str, those: &[&str]) {
    struct Qualifier<'a>(&'a str, &'a [&'a str]);
    impl VisitorMut for Qualifier<'_> {
        type Break = ();

        fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
            if let Expr::Identifier(ident) = expr
                && self.1.contains(&crate::exec::normal(ident).as_str())
            {
                let mut table = Ident::with_quote('"', self.0);
                table.span = ident.span;
                *expr = Expr::CompoundIdentifier(vec![table, ident.clone()]);
            }
            ControlFlow::Continue(())
        }
    }
    let _ = expr.visit(&mut Qualifier(table, those));
}

/// Whether an expression names a bare column.
pub(crate) fn names(expr: &Expr, column: &str) -> bool {
    struct Finder<'a>(&'a str);
    impl Visitor for Finder<'_> {
        type Break = ();

        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            match expr {
                Expr::Identifier(ident) if ident.value.eq_ignore_ascii_case(self.0) => {
                    ControlFlow::Break(())
                }
                _ => ControlFlow::Continue(()),
            }
        }
    }
    expr.visit(&mut Finder(column)).is_break()
}

/// Whether an expression gives another value each time: it asks for the time or for chance.
pub(crate) fn is_volatile(expr: &Expr) -> bool {
    const VOLATILE: [&str; 9] = [
        "now",
        "current_timestamp",
        "current_date",
        "current_time",
        "localtimestamp",
        "localtime",
        "today",
        "random",
        "uuid",
    ];
    struct Finder;
    impl Visitor for Finder {
        type Break = ();

        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            let name = match expr {
                Expr::Function(call) => call.name.to_string().to_ascii_lowercase(),
                Expr::Identifier(ident) => ident.value.to_ascii_lowercase(),
                _ => return ControlFlow::Continue(()),
            };
            match VOLATILE.contains(&name.as_str()) {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        }
    }
    expr.visit(&mut Finder).is_break()
}

/// Where an expression holds a query, if it does.
pub(crate) fn subquery(expr: &Expr) -> Option<Span> {
    struct Finder;
    impl Visitor for Finder {
        type Break = Span;

        fn pre_visit_query(
            &mut self,
            query: &datafusion::sql::sqlparser::ast::Query,
        ) -> ControlFlow<Span> {
            ControlFlow::Break(Span::from(query.span()))
        }
    }
    match expr.visit(&mut Finder) {
        ControlFlow::Break(place) => Some(place),
        ControlFlow::Continue(()) => None,
    }
}

/// A value as an expression.
pub(crate) fn literal(value: &Value) -> Expr {
    match value {
        Value::Null => plain(SqlValue::Null),
        Value::Bool(v) => plain(SqlValue::Boolean(*v)),
        Value::Int(v) if *v < 0 => negative(v.unsigned_abs().to_string()),
        Value::Int(v) => plain(SqlValue::Number(v.to_string(), false)),
        Value::Real(v) if !v.is_finite() => typed(
            DataType::Double(datafusion::sql::sqlparser::ast::ExactNumberInfo::None),
            v.to_string(),
        ),
        Value::Real(v) if v.is_sign_negative() => negative(format!("{:?}", -v)),
        Value::Real(v) => plain(SqlValue::Number(format!("{v:?}"), false)),
        Value::Text(v) => plain(SqlValue::SingleQuotedString(v.clone())),
        Value::Date(v) => {
            let text = date32_to_datetime(*v).map(|day| day.date().to_string());
            typed(DataType::Date, text.unwrap_or_default())
        }
        Value::Timestamp(v) => {
            let text = timestamp_us_to_datetime(*v).map(|moment| moment.to_string());
            typed(DataType::Timestamp(None, TimezoneInfo::None), text.unwrap_or_default())
        }
        Value::TextList(v) => Expr::Array(Array {
            elem: v.iter().map(|text| plain(SqlValue::SingleQuotedString(text.clone()))).collect(),
            named: true,
        }),
    }
}

/// A value as SQL text that reads back as the same value. (sqlparser's own display takes two quotes
/// in a text for one that is escaped already.)
pub(crate) fn literal_text(value: &Value) -> String {
    let quoted = |text: &String| format!("'{}'", text.replace('\'', "''"));
    match value {
        Value::Text(text) => quoted(text),
        Value::TextList(texts) => {
            format!("ARRAY[{}]", texts.iter().map(quoted).collect::<Vec<_>>().join(", "))
        }
        value => literal(value).to_string(),
    }
}

/// A bare column as an expression.
pub(crate) fn column(name: &str) -> Expr {
    Expr::Identifier(Ident::with_quote('"', name))
}

fn plain(value: SqlValue) -> Expr {
    Expr::Value(value.into())
}

fn negative(digits: String) -> Expr {
    let number = Box::new(plain(SqlValue::Number(digits, false)));
    Expr::Nested(Box::new(Expr::UnaryOp { op: UnaryOperator::Minus, expr: number }))
}

fn typed(data_type: DataType, text: String) -> Expr {
    Expr::TypedString(TypedString {
        data_type,
        value: SqlValue::SingleQuotedString(text).into(),
        uses_odbc_syntax: false,
    })
}
