//! EXPLORE: how places are given away, and what tables of clicks and impressions say about the click
//! rate of each row. The counts are the engine's and follow the tables; here they are named.

use tastedb_engine::slate::Posterior;
use tastedb_engine::{ClickRates, Counting};

use super::bind::Here;
use crate::ast::{Events, Explore};
use crate::error::{Error, Result};
use crate::exec::names;
use crate::exec::options::Options;
use crate::expr::{SqlProjection, params};
use crate::span::Span;
use crate::storage::{ItemId, Role, Value};

/// How places are given away.
pub(super) struct Exploration {
    /// The probability of a place to be explored.
    pub(super) share: f64,
    rates: Option<ClickRates>,
}

/// Microseconds of a day.
const DAY: f64 = 86_400.0 * 1e6;

impl Exploration {
    /// Binds the clause, and takes the option `half_life` that belongs to it.
    pub(super) fn bind(
        here: &Here<'_>,
        explore: Option<&Explore>,
        options: &mut Options<'_>,
    ) -> Result<Option<Exploration>> {
        let half_life = options.value("half_life")?;
        let rate = explore.and_then(|explore| explore.rate.as_ref());
        let half_life = match (half_life, rate) {
            (None, _) => None,
            (Some((_, place)), None) => {
                let what = "half_life says how fast clicks fade: it goes with EXPLORE x BY clicks \
                            PER impressions";
                return Err(Error::bad_slate(what).at(place));
            }
            (Some((value, place)), Some(_)) => Some((days(&value, place)?, place)),
        };
        let Some(explore) = explore else { return Ok(None) };
        let share = here.fraction("EXPLORE", &explore.share)?;
        let rates = match rate {
            None => None,
            Some(rate) => {
                let clicks = counting(here, &rate.clicks, half_life)?;
                let shown = counting(here, &rate.shown, half_life)?;
                let engine = here.session.engine();
                let live = engine.live();
                let rates = live.click_rates(engine.store(), here.snapshot, &clicks, &shown);
                Some(rates.map_err(|cause| Error::from(cause).at(explore.span))?)
            }
        };
        Ok(Some(Exploration { share, rates }))
    }

    /// What is known of each row of a ranking; nothing where rows are drawn evenly.
    pub(super) fn posteriors(&self, ids: &[ItemId]) -> Option<Vec<Posterior>> {
        let rates = self.rates.as_ref()?;
        Some(ids.iter().map(|id| rates.of(*id)).collect())
    }
}

/// A half-life in microseconds, from days.
fn days(value: &Value, place: Span) -> Result<u64> {
    let days = match value {
        Value::Int(days) => *days as f64,
        Value::Real(days) => *days,
        _ => f64::NAN,
    };
    if !(days.is_finite() && days > 0.0) {
        return Err(Error::option_value("half_life", "a number of days above 0").at(place));
    }
    Ok(((days * DAY) as u64).max(1))
}

/// What one side of the rate counts.
fn counting(here: &Here<'_>, events: &Events, half_life: Option<(u64, Span)>) -> Result<Counting> {
    let name = &events.table;
    let table = names::table_of(here.catalog, name, &[Role::Interaction], "an interaction table")?;
    if table.link.as_ref().is_none_or(|link| link.item_table != here.table.id) {
        let what = format!(
            "EXPLORE … BY takes interactions with rows of `{}`, and those of `{}` are with others",
            here.table.name, table.name
        );
        return Err(Error::bad_slate(&what).at(name.span));
    }
    if let Some((_, place)) = half_life
        && tastedb_engine::time_column(table).is_none()
    {
        let what = format!("half_life needs a TIMESTAMP column, and `{}` has none", table.name);
        return Err(Error::bad_slate(&what).at(place));
    }
    let mut condition = None;
    let mut filter = None;
    if let Some(expr) = &events.filter {
        let place = Span::from(datafusion::sql::sqlparser::ast::Spanned::span(expr));
        if params::is_volatile(expr) {
            let what = "what is counted must not depend on the time of asking: let old \
                        interactions fade with half_life";
            return Err(Error::bad_slate(what).at(place));
        }
        let mut bound = expr.clone();
        params::bind(&mut bound, here.given.params)?;
        condition = Some(format!("{}.{} {bound}", table.id.0, table.version));
        filter = Some((bound, place));
    }
    let compile = || {
        let place = filter.as_ref().map(|(_, place)| *place);
        let filter = filter.map(|(expr, _)| expr);
        let planner = here.session.sql().planner();
        let compiled = SqlProjection::compiled(planner, here.catalog, table, None, filter);
        compiled.map_err(|error| match place {
            Some(place) => error.at(place),
            None => error,
        })
    };
    let key = condition.clone().unwrap_or_else(|| format!("{}.{}", table.id.0, table.version));
    let projection = here.session.sql().projections().get(&key, compile)?;
    Ok(Counting { table: table.id, projection, condition, half_life: half_life.map(|(h, _)| h) })
}
