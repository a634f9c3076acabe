//! The slate as a whole, without SQL: what it may have at most and should have, how it is spread out
//! and explored. Columns become codes and sets here; the choice is the engine's.

use std::collections::{Bound, HashMap};
use std::ops::RangeBounds;
use std::sync::Arc;
use std::time::Duration;

use fixedbitset::FixedBitSet;
use tastedb_engine::slate::{
    Cap, Chosen, Counted, Draw, Explore, Groups, Likeness, MOST_MENDED, MOST_SPREAD, Method, Plan,
    Posterior, Quota, Spread,
};
use tastedb_engine::{
    ClickRates, Counting, EmbeddingMatrix, PlainProjection, Response, time_column,
};
use tastedb_storage::{ColumnId, ColumnType, ItemId, Read, Role, Table, Value};

use crate::error::{Error, Result};
use crate::fields::IntoValue;
use crate::recommend::Recommend;
use crate::snapshot::Snapshot;
use crate::write::column_of;

/// What a slate must be like, by names.
#[derive(Debug, Default)]
pub(crate) struct Clauses {
    cap: Option<(u32, Vec<String>)>,
    wishes: Vec<Wish>,
    spread: Option<(String, f32)>,
    method: Option<Method>,
    explore: Option<(f64, Option<(String, String)>)>,
    half_life: Option<Duration>,
    pool: Option<usize>,
}

/// A count from one bound to another.
#[derive(Debug)]
struct Wish {
    column: String,
    /// The rows of this value are counted; `None`: the different values.
    value: Option<Value>,
    range: (Bound<f64>, Bound<f64>),
}

/// The clauses that look at the slate as a whole. They work on the best 1,000 rows, or ten for each row
/// of the slate, and on all candidates where these do not suffice.
impl Recommend {
    /// At most so many rows of each value of a column, or of each combination of the values of
    /// several. No value is a value like others here; a list counts for each of its texts.
    pub fn at_most<C: Into<String>>(
        mut self,
        rows: u32,
        columns: impl IntoIterator<Item = C>,
    ) -> Recommend {
        self.slate.cap = Some((rows, columns.into_iter().map(C::into).collect()));
        self
    }

    /// The rows that have this value (or, in a list, this text) should be such a share of the rows
    /// returned, from 0 to 1. May be said several times. What cannot be met is a notice.
    pub fn share(
        mut self,
        column: impl Into<String>,
        value: impl IntoValue,
        share: impl RangeBounds<f64>,
    ) -> Recommend {
        let range = (share.start_bound().cloned(), share.end_bound().cloned());
        let value = Some(value.into_value());
        self.slate.wishes.push(Wish { column: column.into(), value, range });
        self
    }

    /// The rows returned should have so many different values of a column. May be said several times.
    /// What cannot be met is a notice.
    pub fn different(
        mut self,
        column: impl Into<String>,
        values: impl RangeBounds<u32>,
    ) -> Recommend {
        let number = |bound: Bound<&u32>| bound.map(|count| f64::from(*count));
        let range = (number(values.start_bound()), number(values.end_bound()));
        self.slate.wishes.push(Wish { column: column.into(), value: None, range });
        self
    }

    /// Each row is taken for its score and for being unlike those before it, by the cosine of a vector
    /// column or the equality of another. A strength of 0 is the ranking, 1 asks for difference alone.
    pub fn diversify(mut self, column: impl Into<String>, strength: f32) -> Recommend {
        self.slate.spread = Some((column.into(), strength));
        self
    }

    /// How [`diversify`](Recommend::diversify) weighs likeness; [`Diversity::Mmr`] unless said.
    ///
    /// [`Diversity::Mmr`]: crate::Diversity::Mmr
    pub fn diversity(mut self, method: Method) -> Recommend {
        self.slate.method = Some(method);
        self
    }

    /// Gives each place away with a probability from 0 to 1, to a row drawn evenly from the best that
    /// are left. Each row tells its propensity. Give each request a [`seed`](Recommend::seed) of its
    /// own.
    pub fn explore(mut self, share: f64) -> Recommend {
        self.slate.explore = Some((share, None));
        self
    }

    /// The same by Thompson sampling: to the row whose click rate, drawn from what two tables of
    /// interactions say about it, is the highest.
    pub fn explore_by(
        mut self,
        share: f64,
        clicks: impl Into<String>,
        impressions: impl Into<String>,
    ) -> Recommend {
        self.slate.explore = Some((share, Some((clicks.into(), impressions.into()))));
        self
    }

    /// After this time a click or an impression counts half. They count for ever unless said.
    pub fn half_life(mut self, half_life: Duration) -> Recommend {
        self.slate.half_life = Some(half_life);
        self
    }

    /// How many of the best rows the slate is taken from.
    pub fn pool(mut self, rows: usize) -> Recommend {
        self.slate.pool = Some(rows);
        self
    }
}

/// The clauses with their names resolved.
pub(crate) struct Slate<'a> {
    clauses: &'a Clauses,
    snapshot: &'a Snapshot,
    table: &'a Table,
    cap: Option<(u32, Vec<ColumnId>)>,
    wishes: Vec<ColumnId>,
    spread: Option<(By, f32)>,
    rates: Option<ClickRates>,
}

enum By {
    Vectors(Arc<EmbeddingMatrix>),
    Values(ColumnId),
}

/// What was chosen of a ranking.
pub(crate) struct Picked {
    /// Places in the ranking and their propensities, in the order of the slate.
    pub(crate) places: Vec<(usize, f64)>,
    /// What could not be met.
    pub(crate) notices: Vec<String>,
    /// Whether a longer ranking might do better.
    pub(crate) short: bool,
}

impl Clauses {
    /// Resolves the names; `None` where nothing was asked of the slate.
    pub(crate) fn bind<'a>(
        &'a self,
        snapshot: &'a Snapshot,
        table: &'a Table,
        rows: usize,
    ) -> Result<Option<Slate<'a>>> {
        if self.cap.is_none()
            && self.wishes.is_empty()
            && self.spread.is_none()
            && self.explore.is_none()
        {
            return Ok(None);
        }
        let cap = match &self.cap {
            None => None,
            Some((0, _)) => return Err(Error::bad_slate("at_most takes a number from 1 on")),
            Some((most, columns)) => {
                let columns = columns.iter().map(|name| values_of(table, name));
                Some((*most, columns.collect::<Result<_>>()?))
            }
        };
        let most = match (self.wishes.is_empty(), &self.explore) {
            (true, _) => usize::MAX,
            (false, None) => MOST_MENDED,
            (false, Some(_)) => MOST_SPREAD,
        };
        if rows > most {
            let what =
                format!("share and different take slates of up to {most} rows, found {rows}");
            return Err(Error::bad_slate(what));
        }
        let wishes = self.wishes.iter().map(|wish| {
            wish.check()?;
            values_of(table, &wish.column)
        });
        let spread = match &self.spread {
            None => None,
            Some((_, strength)) if !(0.0..=1.0).contains(strength) => {
                let what = format!("diversify takes a strength from 0 to 1, found {strength}");
                return Err(Error::bad_slate(what));
            }
            Some((column, strength)) => Some((by(snapshot, table, column)?, *strength)),
        };
        let rates = match &self.explore {
            Some((share, _)) if !(0.0..=1.0).contains(share) => {
                let what = format!("explore takes a probability from 0 to 1, found {share}");
                return Err(Error::bad_slate(what));
            }
            Some((_, Some((clicks, impressions)))) => {
                let clicks = self.counting(snapshot, table, clicks)?;
                let shown = self.counting(snapshot, table, impressions)?;
                let engine = &snapshot.engine;
                let live = engine.live();
                Some(live.click_rates(engine.store(), &snapshot.state, &clicks, &shown)?)
            }
            _ => None,
        };
        let wishes = wishes.collect::<Result<_>>()?;
        Ok(Some(Slate { clauses: self, snapshot, table, cap, wishes, spread, rates }))
    }

    fn counting(&self, snapshot: &Snapshot, items: &Table, name: &str) -> Result<Counting> {
        let table = snapshot.table(name)?;
        let Some(link) = &table.link else {
            return Err(Error::wrong_role(&table.name, table.role, Role::Interaction));
        };
        if link.item_table != items.id {
            return Err(Error::bad_slate(format!(
                "explore_by takes interactions with rows of `{}`, and those of `{name}` are with others",
                items.name
            )));
        }
        if self.half_life.is_some() && time_column(table).is_none() {
            let what = format!("half_life needs a timestamp column, and `{name}` has none");
            return Err(Error::bad_slate(what));
        }
        let half_life =
            self.half_life.map(|time| u64::try_from(time.as_micros()).unwrap_or(u64::MAX).max(1));
        let projection = Arc::new(PlainProjection::new(table, None)?);
        Ok(Counting { table: table.id, projection, condition: None, half_life })
    }
}

impl Wish {
    fn check(&self) -> Result<()> {
        let most = if self.value.is_some() { 1.0 } else { f64::INFINITY };
        let ends = [self.range.0, self.range.1];
        let wrong = ends.into_iter().find_map(|end| match end {
            Bound::Included(x) | Bound::Excluded(x) if !(0.0..=most).contains(&x) => Some(x),
            _ => None,
        });
        match wrong {
            Some(x) => Err(Error::bad_slate(format!("a share is from 0 to 1, found {x}"))),
            None => Ok(()),
        }
    }

    fn text(&self) -> String {
        match &self.value {
            Some(value) => format!("share({} = {value:?})", self.column),
            None => format!("different({})", self.column),
        }
    }
}

impl Slate<'_> {
    /// How much of the ranking is looked at first for a slate of so many rows.
    pub(crate) fn pool(&self, rows: usize) -> usize {
        Plan { pool: self.clauses.pool, ..Plan::default() }.pool(rows)
    }

    /// Chooses `k` rows of an answer.
    pub(crate) fn pick(&self, response: &Response, k: usize, seed: u64) -> Result<Picked> {
        let ids: Vec<ItemId> = response.rows.iter().map(|row| ItemId(row.id)).collect();
        let scores: Vec<f32> = response.rows.iter().map(|row| row.score).collect();
        let groups = match &self.cap {
            None => None,
            Some((most, columns)) => Some((*most, self.groups(&ids, columns)?)),
        };
        let caps: Vec<Cap<'_>> =
            groups.iter().map(|(most, groups)| Cap { groups, most: *most }).collect();
        let values = match &self.spread {
            Some((By::Values(column), _)) => Some(self.groups(&ids, &[*column])?),
            _ => None,
        };
        let likeness = match (&self.spread, &values) {
            (Some((By::Vectors(matrix), _)), _) => Some(Likeness::Vectors { matrix, ids: &ids }),
            (_, values) => values.as_ref().map(Likeness::Values),
        };
        let method = self.clauses.method.unwrap_or(Method::Mmr);
        let spread = self.spread.as_ref().zip(likeness);
        let spread = spread.map(|((_, strength), likeness)| Spread {
            likeness,
            method,
            strength: *strength,
        });
        let posteriors: Option<Vec<Posterior>> =
            self.rates.as_ref().map(|rates| ids.iter().map(|id| rates.of(*id)).collect());
        let draw = posteriors.as_deref().map_or(Draw::Uniform, Draw::Thompson);
        let explore = self.clauses.explore.as_ref();
        let explore =
            explore.map(|(share, _)| Explore { share: *share, draw, seed, propensities: true });
        let plan = Plan { caps: &caps, spread, explore, pool: self.clauses.pool };

        let counted: Vec<Held> =
            (0..self.wishes.len()).map(|at| self.held(&ids, at)).collect::<Result<_>>()?;
        let quotas = |length: usize| -> Vec<Quota<'_>> {
            let wishes = self.clauses.wishes.iter().zip(&counted);
            wishes.map(|(wish, held)| held.quota(wish, length)).collect()
        };
        let chosen = plan.choose(&scores, k, quotas);
        let notices = self.missed(&chosen, &quotas(chosen.places.len()));
        let short = chosen.places.len() < k || chosen.repair.shortfall > 0;
        let propensities = chosen.propensities.iter().map(|propensity| propensity.unwrap_or(1.0));
        let places = chosen.places.iter().copied().zip(propensities).collect();
        Ok(Picked { places, notices, short })
    }

    fn missed(&self, chosen: &Chosen, quotas: &[Quota<'_>]) -> Vec<String> {
        let counts = quotas.iter().zip(&chosen.repair.counts);
        let wishes = self.clauses.wishes.iter().zip(counts);
        let missed = wishes.filter(|(_, (quota, count))| !(quota.low..=quota.high).contains(count));
        let best = match chosen.repair.proven {
            true => "no slate does better",
            false => "none better was found",
        };
        let notice = |(wish, (_, count)): (&Wish, (&Quota<'_>, &u32))| {
            let rows = chosen.places.len();
            let of = if wish.value.is_some() { format!(" of {rows} rows") } else { String::new() };
            format!("{} is not met: {count}{of}; {best}", wish.text())
        };
        missed.map(notice).collect()
    }

    fn held(&self, ids: &[ItemId], wish: usize) -> Result<Held> {
        let column = self.wishes[wish];
        let Some(wanted) = &self.clauses.wishes[wish].value else {
            return Ok(Held::Different(self.groups(ids, &[column])?));
        };
        let mut rows = FixedBitSet::with_capacity(ids.len());
        for (at, values) in self.values(ids, &[column])?.into_iter().enumerate() {
            let holds = values.iter().any(|value| match (value, wanted) {
                (Value::TextList(list), Value::Text(text)) => list.contains(text),
                (Value::Int(a), Value::Real(b)) | (Value::Real(b), Value::Int(a)) => {
                    *a as f64 == *b
                }
                (value, wanted) => value == wanted,
            });
            rows.set(at, holds);
        }
        Ok(Held::Rows(rows))
    }

    fn values(&self, ids: &[ItemId], columns: &[ColumnId]) -> Result<Vec<Vec<Value>>> {
        let row = |id: &ItemId| {
            let row = self.snapshot.state.row(self.table.id, id.0, columns)?;
            Ok(row.map(|row| row.values).unwrap_or_default())
        };
        ids.iter().map(row).collect()
    }

    /// The codes of rows: the texts of one list, or the combination of all columns; NULL has none.
    fn groups(&self, ids: &[ItemId], columns: &[ColumnId]) -> Result<Groups> {
        let mut known: HashMap<String, u32> = HashMap::new();
        let mut code = |text: String| {
            let next = known.len() as u32 + 1;
            *known.entry(text).or_insert(next)
        };
        let mut groups = Groups::new();
        for values in self.values(ids, columns)? {
            let codes = match values.as_slice() {
                [Value::TextList(list)] => list.iter().cloned().map(&mut code).collect(),
                values if values.iter().all(|value| *value == Value::Null) => Vec::new(),
                values => vec![code(format!("{values:?}"))],
            };
            groups.push(&codes);
        }
        Ok(groups)
    }
}

/// What a wish counts, in the order of a ranking.
enum Held {
    Rows(FixedBitSet),
    Different(Groups),
}

impl Held {
    fn quota(&self, wish: &Wish, length: usize) -> Quota<'_> {
        match self {
            Held::Rows(rows) => Quota::within(Counted::Rows(rows), wish.range, length as f64),
            Held::Different(groups) => Quota::within(Counted::Distinct(groups), wish.range, 1.0),
        }
    }
}

/// A column that has values.
fn values_of(table: &Table, name: &str) -> Result<ColumnId> {
    let column = table.column(name).ok_or_else(|| Error::no_column(table, name))?;
    match column.ty.is_vector() {
        true => Err(Error::bad_slate(format!("`{name}` is a column of vectors, not of values"))),
        false => Ok(column.id),
    }
}

fn by(snapshot: &Snapshot, table: &Table, name: &str) -> Result<By> {
    let column = table.column(name).ok_or_else(|| Error::no_column(table, name))?;
    if column.ty.is_vector() {
        let engine = &snapshot.engine;
        let live = engine.live();
        let matrix = live.embeddings(engine.store(), &snapshot.state, table.id, column)?;
        return Ok(By::Vectors(matrix));
    }
    match column.ty {
        ColumnType::Real | ColumnType::Double | ColumnType::Timestamp => {
            Err(Error::bad_slate(format!(
                "diversify takes a vector column, or one whose values are equal or not: a text, a \
                 list, a whole number; `{name}` is none"
            )))
        }
        _ => column_of(table, name).map(By::Values),
    }
}
