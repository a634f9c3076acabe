//! The clauses that look at a slate as a whole: HAVING, DIVERSIFY BY, EXPLORE and LIMIT n BY.
//!
//! Here they are bound, and columns and conditions become the codes and sets that the engine chooses
//! by. The ranking comes first, re-scored or not; positions in it are the rows of the engine's slate.

use std::collections::{Bound, HashMap};
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::row::{RowConverter, SortField};
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, DuplicateTreatment, Expr, Function, FunctionArg, FunctionArgExpr,
    FunctionArguments, ObjectNamePart, Spanned,
};
use fixedbitset::FixedBitSet;
use tastedb_engine::EmbeddingMatrix;
use tastedb_engine::slate::{
    Cap, Counted, Draw, Explore, Groups, Likeness, MOST_MENDED, MOST_SPREAD, Method, Plan, Quota,
    Repair, Spread as Spreading,
};

use super::bind::Here;
use super::explore::Exploration;
use crate::ast::Recommend;
use crate::batch::{Cell, Field, Shape};
use crate::error::{Error, Result};
use crate::exec::names;
use crate::exec::options::Options;
use crate::expr::literal::{self, Given};
use crate::span::Span;
use crate::storage::{ColumnType, ItemId, Value};

/// The slate clauses of one statement.
pub(super) struct Slate<'a> {
    cap: Option<(u32, Vec<usize>)>,
    pub(super) rules: Vec<Rule<'a>>,
    spread: Option<Spread>,
    explore: Option<Exploration>,
    /// The best rows that it is taken from, where the statement says how many.
    pool: Option<usize>,
    strict: bool,
}

/// One condition of HAVING.
pub(super) struct Rule<'a> {
    /// As it was written.
    text: String,
    place: Span,
    pub(super) counted: What<'a>,
    /// Of the rows of the slate, instead of a number.
    share: bool,
    range: (Bound<f64>, Bound<f64>),
}

/// What a condition counts.
#[derive(Clone, Copy)]
pub(super) enum What<'a> {
    /// Rows for which it holds.
    Rows(&'a Expr),
    /// Different values of the column at a position.
    Distinct(usize),
}

struct Spread {
    by: By,
    strength: f32,
    method: Method,
}

enum By {
    Vectors(Arc<EmbeddingMatrix>),
    Values(usize),
}

/// What the rows of a ranking are, column by column.
pub(super) trait Rows {
    /// The column at a position of the table, in the order of the ranking.
    fn column(&self, position: usize) -> Result<ArrayRef>;
    /// The rows for which a condition of HAVING holds, by its number.
    fn holds(&self, rule: usize) -> Result<FixedBitSet>;
}

/// What was chosen.
pub(super) struct Picked {
    /// Positions in the ranking, and the propensity of each, where it was asked for.
    pub(super) places: Vec<(usize, Option<f64>)>,
    /// What could not be met.
    pub(super) notices: Vec<String>,
    /// For EXPLAIN.
    pub(super) detail: String,
    /// Whether a longer ranking might do better.
    pub(super) short: bool,
}

impl<'a> Slate<'a> {
    /// Binds the clauses of a slate of so many rows; `None` where there are none.
    pub(super) fn bind(
        here: &Here<'_>,
        shape: &Shape,
        recommend: &'a Recommend,
        rows: usize,
        options: &mut Options<'_>,
    ) -> Result<Option<Slate<'a>>> {
        let strict = options.truth("strict", false)?;
        let method = options.choice("diversify", &["mmr", "dpp"])?;
        let cap = match &recommend.limit_by {
            None => None,
            Some(limit) => {
                let most = here.count("LIMIT … BY", Some(&limit.count), 0)?;
                if most == 0 {
                    let what = "LIMIT … BY takes a whole number from 1 on, found 0";
                    return Err(Error::bad_slate(what).at(limit.count.span));
                }
                let columns = limit.columns.iter().map(|name| {
                    let at = names::column(shape, name)?;
                    match shape.fields[at] {
                        Field::Embedding(..) => {
                            let what = "LIMIT … BY takes columns of values, not of vectors";
                            Err(Error::bad_slate(what).at(name.span))
                        }
                        _ => Ok(at),
                    }
                });
                let columns = columns.collect::<Result<Vec<_>>>()?;
                Some((u32::try_from(most).unwrap_or(u32::MAX), columns))
            }
        };
        let mut rules = Vec::new();
        if let Some(having) = &recommend.having {
            if rows > MOST_MENDED {
                let what = format!("HAVING takes slates of up to {MOST_MENDED} rows, found {rows}");
                return Err(Error::bad_slate(&what).at(having.span));
            }
            let mut conjuncts = Vec::new();
            super::candidates::split(&having.node, &mut conjuncts);
            for conjunct in conjuncts {
                rules.push(rule(conjunct, shape, here.given, having.span)?);
            }
        }
        let explore = Exploration::bind(here, recommend.explore.as_ref(), options)?;
        if let Some(clause) = &recommend.explore
            && !rules.is_empty()
            && rows > MOST_SPREAD
        {
            let what = format!(
                "EXPLORE with HAVING takes slates of up to {MOST_SPREAD} rows, found {rows}"
            );
            return Err(Error::bad_slate(&what).at(clause.span));
        }
        let pool = match options.value("pool")? {
            None => None,
            Some((Value::Int(rows), _)) if rows > 0 => {
                Some(usize::try_from(rows).unwrap_or(usize::MAX))
            }
            Some((_, place)) => {
                return Err(Error::option_value("pool", "a whole number from 1 on").at(place));
            }
        };
        let spread = match &recommend.diversify {
            None => None,
            Some(diversify) => {
                let strength = match &diversify.strength {
                    None => 0.5,
                    Some(strength) => here.fraction("STRENGTH", strength)?,
                };
                let at = names::column(shape, &diversify.column)?;
                let by = match &shape.fields[at] {
                    Field::Embedding(id, ..) => match shape.table.column_by_id(*id) {
                        Some(column) => By::Vectors(here.embeddings(column)?),
                        None => By::Values(at),
                    },
                    Field::Value(
                        _,
                        ColumnType::Real | ColumnType::Double | ColumnType::Timestamp,
                    ) => {
                        let what = "DIVERSIFY BY takes a vector column, or one whose values are \
                                    equal or not: a text, a list, a whole number";
                        return Err(Error::bad_slate(what).at(diversify.column.span));
                    }
                    _ => By::Values(at),
                };
                let method = if method == Some("dpp") { Method::Dpp } else { Method::Mmr };
                Some(Spread { by, strength: strength as f32, method })
            }
        };
        let slate = Slate { cap, rules, spread, explore, pool, strict };
        let none = slate.cap.is_none()
            && slate.rules.is_empty()
            && slate.spread.is_none()
            && slate.explore.is_none();
        Ok((!none).then_some(slate))
    }

    /// How much of the ranking is looked at first for a slate of so many rows.
    pub(super) fn pool(&self, rows: usize) -> usize {
        Plan { pool: self.pool, ..Plan::default() }.pool(rows)
    }

    /// Whether places are given away, so that rows have propensities worth telling.
    pub(super) fn explores(&self) -> bool {
        self.explore.is_some()
    }

    /// Chooses `k` rows of a ranking, given by their ids and scores.
    pub(super) fn pick(
        &self,
        (ids, scores): (&[ItemId], &[f32]),
        rows: &dyn Rows,
        k: usize,
        seed: u64,
        propensities: bool,
    ) -> Result<Picked> {
        let groups = match &self.cap {
            None => None,
            Some((most, columns)) => {
                let arrays: Result<Vec<ArrayRef>> =
                    columns.iter().map(|at| rows.column(*at)).collect();
                Some((*most, groups(&arrays?)?))
            }
        };
        let caps: Vec<Cap<'_>> =
            groups.iter().map(|(most, groups)| Cap { groups, most: *most }).collect();
        let values = match &self.spread {
            Some(Spread { by: By::Values(at), .. }) => Some(self::groups(&[rows.column(*at)?])?),
            _ => None,
        };
        let likeness = match (&self.spread, &values) {
            (Some(Spread { by: By::Vectors(matrix), .. }), _) => {
                Some(Likeness::Vectors { matrix: matrix.as_ref(), ids })
            }
            (_, values) => values.as_ref().map(Likeness::Values),
        };
        let spread = self.spread.as_ref().zip(likeness).map(|(spread, likeness)| Spreading {
            likeness,
            method: spread.method,
            strength: spread.strength,
        });
        let posteriors = self.explore.as_ref().and_then(|explore| explore.posteriors(ids));
        let explore = self.explore.as_ref().map(|explore| Explore {
            share: explore.share,
            draw: posteriors.as_deref().map_or(Draw::Uniform, Draw::Thompson),
            seed,
            propensities,
        });
        let plan = Plan { caps: &caps, spread, explore, pool: self.pool };
        let counted = self.counted(rows)?;
        let chosen = plan.choose(scores, k, |length| {
            let rules = self.rules.iter().zip(&counted);
            rules.map(|(rule, held)| rule.quota(held, length)).collect()
        });
        let notices = self.missed(&counted, &chosen.repair, chosen.places.len())?;
        let short = chosen.places.len() < k || chosen.repair.shortfall > 0;
        let detail = format!(
            "{} of a pool of {}, {} swapped, {} short of HAVING",
            chosen.places.len(),
            ids.len(),
            chosen.repair.swaps,
            chosen.repair.shortfall
        );
        let places = chosen.places.into_iter().zip(chosen.propensities).collect();
        Ok(Picked { places, notices, detail, short })
    }

    /// The error of `strict`, once the whole ranking was looked at.
    pub(super) fn refuse(&self, picked: &Picked) -> Result<()> {
        match picked.notices.first() {
            Some(notice) if self.strict => {
                let error = Error::no_such_slate(notice);
                Err(match self.rules.first() {
                    Some(rule) => error.at(rule.place),
                    None => error,
                })
            }
            _ => Ok(()),
        }
    }

    fn counted(&self, rows: &dyn Rows) -> Result<Vec<Held>> {
        let held = |(at, rule): (usize, &Rule<'_>)| match rule.counted {
            What::Rows(_) => rows.holds(at).map(Held::Rows),
            What::Distinct(position) => groups(&[rows.column(position)?]).map(Held::Distinct),
        };
        self.rules.iter().enumerate().map(held).collect()
    }

    /// Says of each condition that is not met what there is instead.
    fn missed(&self, counted: &[Held], repair: &Repair, length: usize) -> Result<Vec<String>> {
        let mut notices = Vec::new();
        for ((rule, counted), count) in self.rules.iter().zip(counted).zip(&repair.counts) {
            let quota = rule.quota(counted, length);
            if (quota.low..=quota.high).contains(count) {
                continue;
            }
            let found =
                if rule.share { format!("{count} of {length} rows") } else { count.to_string() };
            let best = if repair.proven { "no slate does better" } else { "none better was found" };
            notices.push(format!("HAVING {} is not met: {found}; {best}", rule.text));
        }
        Ok(notices)
    }
}

/// What a condition counts, in the order of a ranking.
enum Held {
    Rows(FixedBitSet),
    Distinct(Groups),
}

impl Rule<'_> {
    fn quota<'h>(&self, held: &'h Held, length: usize) -> Quota<'h> {
        let counted = match held {
            Held::Rows(rows) => Counted::Rows(rows),
            Held::Distinct(groups) => Counted::Distinct(groups),
        };
        let scale = if self.share { length as f64 } else { 1.0 };
        Quota::within(counted, self.range, scale)
    }
}

/// One conjunct of HAVING.
fn rule<'a>(expr: &'a Expr, shape: &Shape, given: Given<'_>, clause: Span) -> Result<Rule<'a>> {
    let place = match Span::from(expr.span()) {
        empty if empty == Span::default() => clause,
        place => place,
    };
    let unfit = || {
        let what = "HAVING compares share(condition), count(DISTINCT column) or \
                    count(*) FILTER (WHERE condition) with a number";
        Error::bad_slate(what).at(place)
    };
    let Expr::BinaryOp { left, op, right } = expr else { return Err(unfit()) };
    let (call, op, number) = match (left.as_ref(), right.as_ref()) {
        (Expr::Function(call), number) => (call, op.clone(), number),
        (number, Expr::Function(call)) => (call, flipped(op), number),
        _ => return Err(unfit()),
    };
    let x = match literal::value(number, given) {
        Some(Cell::Value(Value::Int(x))) => x as f64,
        Some(Cell::Value(Value::Real(x))) if x.is_finite() => x,
        _ => return Err(unfit()),
    };
    let (counted, share) = counted(call, shape)?.ok_or_else(unfit)?;
    let most = if share { 1.0 } else { f64::from(u32::MAX) };
    if !(0.0..=most).contains(&x) {
        let what = match share {
            true => format!("a share is from 0 to 1, found {x}"),
            false => format!("a count is from 0 on, found {x}"),
        };
        return Err(Error::bad_slate(&what).at(place));
    }
    let range = match op {
        BinaryOperator::GtEq => (Bound::Included(x), Bound::Unbounded),
        BinaryOperator::Gt => (Bound::Excluded(x), Bound::Unbounded),
        BinaryOperator::LtEq => (Bound::Unbounded, Bound::Included(x)),
        BinaryOperator::Lt if x > 0.0 => (Bound::Unbounded, Bound::Excluded(x)),
        BinaryOperator::Lt => {
            return Err(Error::bad_slate("nothing is below 0").at(place));
        }
        BinaryOperator::Eq => (Bound::Included(x), Bound::Included(x)),
        _ => return Err(unfit()),
    };
    Ok(Rule { text: expr.to_string(), place, counted, share, range })
}

fn flipped(op: &BinaryOperator) -> BinaryOperator {
    match op {
        BinaryOperator::GtEq => BinaryOperator::LtEq,
        BinaryOperator::Gt => BinaryOperator::Lt,
        BinaryOperator::LtEq => BinaryOperator::GtEq,
        BinaryOperator::Lt => BinaryOperator::Gt,
        other => other.clone(),
    }
}

/// What a function of HAVING counts, and whether as a share; `None` where it is none of them.
fn counted<'a>(call: &'a Function, shape: &Shape) -> Result<Option<(What<'a>, bool)>> {
    let [ObjectNamePart::Identifier(name)] = call.name.0.as_slice() else { return Ok(None) };
    let FunctionArguments::List(list) = &call.args else { return Ok(None) };
    let [FunctionArg::Unnamed(argument)] = list.args.as_slice() else { return Ok(None) };
    let distinct = list.duplicate_treatment == Some(DuplicateTreatment::Distinct);
    Ok(match (name.value.to_ascii_lowercase().as_str(), argument, &call.filter) {
        ("share", FunctionArgExpr::Expr(condition), None) if !distinct => {
            Some((What::Rows(condition), true))
        }
        ("count", FunctionArgExpr::Wildcard, Some(condition)) if !distinct => {
            Some((What::Rows(condition), false))
        }
        ("count", FunctionArgExpr::Expr(Expr::Identifier(column)), None) if distinct => {
            let name = names::normal(column);
            let Some(at) = shape.position(&name) else {
                let known = shape.names.iter().map(String::as_str).collect();
                let error = Error::no_such_column(&name, &shape.table.name, known);
                return Err(error.at(Span::from(column.span)));
            };
            if let Field::Embedding(..) = shape.fields[at] {
                let what = "count(DISTINCT …) takes a column of values, not of vectors";
                return Err(Error::bad_slate(what).at(Span::from(column.span)));
            }
            Some((What::Distinct(at), false))
        }
        _ => None,
    })
}

/// The codes of rows: the values of one list, or the combination of all columns. NULL has none.
fn groups(columns: &[ArrayRef]) -> Result<Groups> {
    let internal = |cause: datafusion::arrow::error::ArrowError| Error::internal(cause.to_string());
    let mut codes: HashMap<Vec<u8>, u32> = HashMap::new();
    let mut groups = Groups::new();
    let list = match columns {
        [only] => only.as_list_opt::<i32>(),
        _ => None,
    };
    let flat: Vec<ArrayRef> = match list {
        Some(list) => vec![Arc::clone(list.values())],
        None => columns.to_vec(),
    };
    let fields = flat.iter().map(|array| SortField::new(array.data_type().clone())).collect();
    let converter = RowConverter::new(fields).map_err(internal)?;
    let rows = converter.convert_columns(&flat).map_err(internal)?;
    let mut code = |at: usize| {
        if flat.iter().all(|array| array.is_null(at)) {
            return tastedb_engine::slate::NONE;
        }
        let next = codes.len() as u32 + 1;
        *codes.entry(rows.row(at).data().to_vec()).or_insert(next)
    };
    let mut row = Vec::new();
    for at in 0..columns.first().map_or(0, |column| column.len()) {
        row.clear();
        match list {
            Some(list) if list.is_null(at) => {}
            Some(list) => {
                let offsets = list.value_offsets();
                row.extend((offsets[at]..offsets[at + 1]).map(|value| code(value as usize)));
            }
            None => row.push(code(at)),
        }
        groups.push(&row);
    }
    Ok(groups)
}
