//! `recommend('movies', user => 'u42', k => 20)` in FROM: a RECOMMEND as a table.

use datafusion::sql::sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, Ident, Spanned, TableAlias, Value as SqlValue,
};

use crate::ast::{
    Context, Diversify, Events, Explore, LimitBy, Located, Name, Operand, OperandKind, Rate,
    Recommend, Source, WithOption, WithOptions,
};
use crate::error::{Error, Result};
use crate::outcome::Rows;
use crate::session::Session;
use crate::span::Span;

/// The named arguments.
const NAMES: &[&str] = &[
    "user",
    "item",
    "session",
    "likes",
    "dislikes",
    "model",
    "filter",
    "having",
    "diversify",
    "strength",
    "method",
    "explore",
    "clicks",
    "clicks_where",
    "impressions",
    "impressions_where",
    "most",
    "by",
    "k",
    "skip",
    "seed",
    "seen",
    "pool",
    "strict",
    "half_life",
];

/// Arguments that stand for one clause together.
#[derive(Default)]
struct Parts {
    diversify: Option<(Name, Span)>,
    strength: Option<Operand>,
    explore: Option<(Operand, Span)>,
    clicks: Option<Name>,
    clicks_where: Option<Expr>,
    impressions: Option<Name>,
    impressions_where: Option<Expr>,
    most: Option<(Operand, Span)>,
    by: Option<Vec<Name>>,
}

/// The rows of one call. Parameters have been put in.
pub(crate) fn call(session: &Session, arguments: &[FunctionArg], function: &Ident) -> Result<Rows> {
    super::rows(session, &statement(arguments, function)?, &[])
}

/// The columns of one call, as rows that are none. Parameters need not have values.
pub(crate) fn call_columns(
    session: &Session,
    arguments: &[FunctionArg],
    function: &Ident,
) -> Result<Rows> {
    let schema = super::columns(session, &statement(arguments, function)?, &[])?;
    Ok(Rows { schema, batches: Vec::new() })
}

/// The RECOMMEND that a call stands for.
fn statement(arguments: &[FunctionArg], function: &Ident) -> Result<Recommend> {
    let place = Span::from(function.span);
    let wrong = |what: &str| Error::bad_call(what).at(place);
    let mut table: Option<Name> = None;
    let mut recommend = Recommend {
        columns: None,
        table: Name { value: String::new(), quoted: true, span: place },
        contexts: Vec::new(),
        sources: Vec::new(),
        filter: None,
        having: None,
        diversify: None,
        explore: None,
        order_by: Vec::new(),
        limit_by: None,
        limit: None,
        offset: None,
        options: WithOptions::default(),
    };
    let mut given: Vec<String> = Vec::new();
    let mut parts = Parts::default();
    for argument in arguments {
        let (name, argument) = match argument {
            FunctionArg::Unnamed(argument) => (None, argument),
            FunctionArg::Named { name, arg, .. } => (Some(name.clone()), arg),
            FunctionArg::ExprNamed { name: Expr::Identifier(name), arg, .. } => {
                (Some(name.clone()), arg)
            }
            FunctionArg::ExprNamed { .. } => return Err(wrong("an argument has no name")),
        };
        let FunctionArgExpr::Expr(expr) = argument else {
            return Err(wrong("an argument has no value"));
        };
        let Some(name) = name else {
            if table.is_some() {
                return Err(wrong(
                    "only the table is given without a name: recommend('movies', user => 'u1')",
                ));
            }
            table = Some(name_in(expr).ok_or_else(|| wrong("the table is given as a text"))?);
            continue;
        };
        let known = name.value.to_ascii_lowercase();
        if given.contains(&known) {
            return Err(wrong(&format!("`{known}` is given twice")).at(Span::from(name.span)));
        }
        match known.as_str() {
            "user" => recommend.contexts.push(Context::User(operand(expr))),
            "item" => recommend.contexts.push(Context::Item(operand(expr))),
            "session" => recommend.contexts.push(Context::Session(list(&known, expr)?)),
            "likes" => recommend.contexts.push(Context::Likes(list(&known, expr)?)),
            "dislikes" => recommend.contexts.push(Context::Dislikes(list(&known, expr)?)),
            "k" => recommend.limit = Some(operand(expr)),
            "skip" => recommend.offset = Some(operand(expr)),
            "model" => {
                let name = name_in(expr).ok_or_else(|| wrong("the model is given as a text"))?;
                recommend.sources.push(Source { name, weight: None });
            }
            "filter" => recommend.filter = Some(expr.clone()),
            "having" => {
                let span = Span::from(expr.span());
                recommend.having = Some(Located { node: expr.clone(), span });
            }
            "diversify" => parts.diversify = Some((column(&known, expr)?, Span::from(name.span))),
            "strength" => parts.strength = Some(operand(expr)),
            "explore" => parts.explore = Some((operand(expr), Span::from(name.span))),
            "clicks" => parts.clicks = Some(column(&known, expr)?),
            "clicks_where" => parts.clicks_where = Some(expr.clone()),
            "impressions" => parts.impressions = Some(column(&known, expr)?),
            "impressions_where" => parts.impressions_where = Some(expr.clone()),
            "most" => parts.most = Some((operand(expr), Span::from(name.span))),
            "by" => {
                parts.by = Some(match expr {
                    Expr::Array(array) => {
                        array.elem.iter().map(|expr| column(&known, expr)).collect::<Result<_>>()?
                    }
                    one => vec![column(&known, one)?],
                });
            }
            "seed" | "seen" | "pool" | "strict" | "half_life" | "method" => {
                let option = if known == "method" { "diversify" } else { known.as_str() };
                let span = Span::from(name.span);
                let name = Name { value: option.to_owned(), quoted: false, span };
                recommend.options.items.push(WithOption { name, value: operand(expr) });
            }
            other => {
                let error = Error::no_such_option(other, NAMES.to_vec());
                return Err(error.at(Span::from(name.span)));
            }
        }
        given.push(known);
    }
    recommend.table = table.ok_or_else(|| wrong("the table is missing: recommend('movies', …)"))?;
    if recommend.contexts.is_empty() {
        return Err(wrong("for whom? Add user => …, item => … or session => ARRAY[…]"));
    }
    parts.put(&mut recommend).map_err(|error| error.at(place))?;
    Ok(recommend)
}

impl Parts {
    /// Makes the clauses.
    fn put(self, recommend: &mut Recommend) -> Result<()> {
        recommend.diversify = match (self.diversify, self.strength) {
            (Some((column, span)), strength) => Some(Diversify { column, strength, span }),
            (None, None) => None,
            (None, Some(_)) => {
                return Err(Error::bad_call("`strength` goes with diversify => 'column'"));
            }
        };
        let events = |table, filter| Events { table, filter };
        let conditions = self.clicks_where.is_some() || self.impressions_where.is_some();
        let rate = match (self.clicks, self.impressions) {
            (Some(clicks), Some(shown)) => Some(Rate {
                clicks: events(clicks, self.clicks_where),
                shown: events(shown, self.impressions_where),
            }),
            (None, None) if !conditions => None,
            _ => {
                let what = "`clicks` and `impressions` go together, with a table each";
                return Err(Error::bad_call(what));
            }
        };
        recommend.explore = match (self.explore, rate) {
            (Some((share, span)), rate) => Some(Explore { share, rate, span }),
            (None, None) => None,
            (None, Some(_)) => {
                return Err(Error::bad_call("`clicks` goes with explore => 0.1"));
            }
        };
        recommend.limit_by = match (self.most, self.by) {
            (Some((count, span)), Some(columns)) => Some(LimitBy { count, columns, span }),
            (None, None) => None,
            _ => {
                let what = "`most` and `by` go together: most => 2, by => 'brand'";
                return Err(Error::bad_call(what));
            }
        };
        Ok(())
    }
}

fn column(argument: &str, expr: &Expr) -> Result<Name> {
    let what = || Error::bad_call(&format!("`{argument}` is a name, given as a text"));
    name_in(expr).ok_or_else(|| what().at(Span::from(expr.span())))
}

fn operand(expr: &Expr) -> Operand {
    let span = Span::from(expr.span());
    Operand { kind: OperandKind::Expr(Box::new(expr.clone())), span }
}

fn list(name: &str, expr: &Expr) -> Result<Located<Vec<Operand>>> {
    let span = Span::from(expr.span());
    match expr {
        Expr::Array(array) => Ok(Located { node: array.elem.iter().map(operand).collect(), span }),
        _ => {
            let what = format!("`{name}` is given as an array: ARRAY['m1', 'm2']");
            Err(Error::bad_call(&what).at(span))
        }
    }
}

/// The name that a call goes by where the query gives none.
pub(crate) fn alias(function: &Ident) -> TableAlias {
    TableAlias { explicit: true, name: function.clone(), columns: Vec::new(), at: None }
}

/// A name given as a text or as a bare word.
fn name_in(expr: &Expr) -> Option<Name> {
    match expr {
        Expr::Identifier(ident) => Some(Name {
            value: crate::exec::normal(ident),
            quoted: ident.quote_style.is_some(),
            span: Span::from(ident.span),
        }),
        Expr::Value(literal) => match &literal.value {
            SqlValue::SingleQuotedString(text) => {
                let span = Span::from(literal.span);
                Some(Name { value: text.clone(), quoted: true, span })
            }
            _ => None,
        },
        _ => None,
    }
}
