//! Evaluation: how well models rank what was held out.
//!
//! The protocol, which every figure stands on: for each user with at least one held-out item, *all*
//! items of the catalogue are ranked (no sampled negatives), only what the user had in training is
//! masked, the best k are taken (equal scores: the earlier item first), and the metrics are
//! averaged over these users with the same weight. Items that a model does not score are not
//! ranked, and a user whom it cannot serve counts with zeros.

mod metrics;

use fixedbitset::FixedBitSet;
use rayon::prelude::*;
use tastedb_storage::ItemId;

pub use metrics::{Metric, parse_metric};

use crate::model::Model;
use crate::{Allow, History, Result, ScoreInput, Served, SideData, UNSCORED, Work, top_k};

/// Users between two looks at the cancel token.
const BLOCK: usize = 512;

/// One user to evaluate on. Rows are rows of [`Task::items`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Case {
    /// What the user had in training, with weights. It is masked.
    pub history: Vec<(u32, f32)>,
    /// What was held out: ascending, each once, at least one.
    pub held_out: Vec<u32>,
    /// The group the user belongs to, an index into [`Task::groups`].
    pub group: Option<u32>,
}

/// What to evaluate on.
#[derive(Clone, Debug, Default)]
pub struct Task<'a> {
    /// The catalogue, ascending.
    pub items: &'a [ItemId],
    /// The rows of it that are ranked; `None`: all.
    pub among: Option<&'a FixedBitSet>,
    /// The users. Cases without held-out items are left out.
    pub cases: &'a [Case],
    /// The names of the groups.
    pub groups: &'a [String],
    /// What is known about the items beside the interactions.
    pub side: Option<&'a SideData>,
}

/// One figure.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// The model, an index into the models given.
    pub model: usize,
    /// The group, an index into [`Task::groups`]; `None` for all users.
    pub group: Option<u32>,
    /// What was measured.
    pub metric: Metric,
    /// The mean over the users.
    pub value: f64,
    /// The standard error of the mean; `None` for coverage and hubness, which are no means.
    pub standard_error: Option<f64>,
    /// The number of users it is about.
    pub users: u64,
}

/// The outcome of an evaluation.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation {
    /// The figures: by model, then group (all users first), then metric as asked.
    pub figures: Vec<Figure>,
    /// For each model, the users it had nothing to say about.
    pub unserved: Vec<u64>,
    /// The protocol in one line, with the numbers of users and items.
    pub protocol: String,
}

impl Evaluation {
    /// The figure of a model over all users.
    pub fn value(&self, model: usize, metric: Metric) -> Option<f64> {
        let wanted = |figure: &&Figure| {
            figure.model == model && figure.metric == metric && figure.group.is_none()
        };
        self.figures.iter().find(wanted).map(|figure| figure.value)
    }
}

/// Evaluates models side by side in one pass over the users.
pub fn evaluate(
    models: &[&dyn Model],
    task: &Task<'_>,
    metrics: &[Metric],
    work: &Work,
) -> Result<Evaluation> {
    work.install(|| Run::new(models, task, metrics).all(work))
}

/// How the rows of one model lie in the catalogue.
struct Rows {
    /// The catalogue row of each model row; `None` if they are the same. [`GONE`] if the item is
    /// not in the catalogue any more.
    to_catalogue: Option<Vec<u32>>,
    /// The model row of each catalogue row, [`GONE`] if the model does not know the item.
    to_model: Option<Vec<u32>>,
    n: usize,
}

const GONE: u32 = u32::MAX;

impl Rows {
    fn of(model: &dyn Model, items: &[ItemId]) -> Rows {
        if model.is_live() || model.items() == items {
            return Rows { to_catalogue: None, to_model: None, n: items.len() };
        }
        let find = |from: &[ItemId], among: &[ItemId]| -> Vec<u32> {
            let place = |item: &ItemId| among.binary_search(item).map_or(GONE, |row| row as u32);
            from.iter().map(place).collect()
        };
        Rows {
            to_catalogue: Some(find(model.items(), items)),
            to_model: Some(find(items, model.items())),
            n: model.items().len(),
        }
    }

    fn history(&self, history: &[(u32, f32)]) -> Vec<(u32, f32)> {
        match &self.to_model {
            None => history.to_vec(),
            Some(map) => history
                .iter()
                .map(|(row, weight)| (map.get(*row as usize).copied().unwrap_or(GONE), *weight))
                .filter(|(row, _)| *row != GONE)
                .collect(),
        }
    }
}

struct Run<'a> {
    models: &'a [&'a dyn Model],
    rows: Vec<Rows>,
    task: &'a Task<'a>,
    cases: Vec<&'a Case>,
    metrics: &'a [Metric],
    depth: usize,
    no_side: SideData,
}

/// What one user gave: values by model and metric, whether each model served, and the rows shown.
struct Seen {
    values: Vec<f64>,
    served: Vec<bool>,
    shown: Vec<Vec<u32>>,
}

impl<'a> Run<'a> {
    fn new(models: &'a [&'a dyn Model], task: &'a Task<'a>, metrics: &'a [Metric]) -> Run<'a> {
        Run {
            models,
            rows: models.iter().map(|model| Rows::of(*model, task.items)).collect(),
            task,
            cases: task.cases.iter().filter(|case| !case.held_out.is_empty()).collect(),
            metrics,
            depth: metrics.iter().map(Metric::k).max().unwrap_or(0).min(task.items.len()),
            no_side: SideData::default(),
        }
    }

    /// Those of the numbers of all rows that are of ranked ones.
    fn of_ranked(&self, counts: &[u32]) -> Vec<u32> {
        match self.task.among {
            None => counts.to_vec(),
            Some(rows) => rows.ones().filter_map(|row| counts.get(row)).copied().collect(),
        }
    }

    fn all(&self, work: &Work) -> Result<Evaluation> {
        let total = self.cases.len() as u64;
        let mut tally = Tally::new(self);
        for (block, cases) in self.cases.chunks(BLOCK).enumerate() {
            work.step("evaluation", (block * BLOCK) as u64, total)?;
            let seen: Vec<Seen> = cases
                .par_iter()
                .with_max_len(16)
                .map_init(Buffers::default, |buffers, case| self.one(case, buffers))
                .collect();
            for (case, seen) in cases.iter().zip(&seen) {
                tally.add(self, case, seen);
            }
        }
        work.step("evaluation", total, total)?;
        Ok(tally.finish(self))
    }

    fn one(&self, case: &Case, buffers: &mut Buffers) -> Seen {
        let width = self.metrics.len();
        let mut seen = Seen {
            values: vec![0.0; self.models.len() * width],
            served: vec![true; self.models.len()],
            shown: vec![Vec::new(); self.models.len()],
        };
        for (at, model) in self.models.iter().enumerate() {
            let best = self.rank(*model, &self.rows[at], case, buffers);
            let Some(best) = best else {
                seen.served[at] = false;
                continue;
            };
            let hits: Vec<bool> =
                best.iter().map(|row| case.held_out.binary_search(row).is_ok()).collect();
            for (metric, value) in
                self.metrics.iter().zip(&mut seen.values[at * width..(at + 1) * width])
            {
                *value = metric.of_user(&hits, case.held_out.len());
            }
            seen.shown[at] = best;
        }
        seen
    }

    /// The best catalogue rows for a user, the history masked; `None` if the model cannot serve.
    fn rank(
        &self,
        model: &dyn Model,
        rows: &Rows,
        case: &Case,
        buffers: &mut Buffers,
    ) -> Option<Vec<u32>> {
        let history = rows.history(&case.history);
        let input = ScoreInput {
            history: History::new(&history),
            items: self.task.items,
            side: self.task.side.unwrap_or(&self.no_side),
            vectors: &[],
        };
        let Buffers { own, all } = buffers;
        own.resize(rows.n, 0.0);
        if model.score(&input, own) == Served::No {
            return None;
        }
        let scores = match &rows.to_catalogue {
            None => own,
            Some(map) => {
                all.clear();
                all.resize(self.task.items.len(), UNSCORED);
                for (score, row) in own.iter().zip(map) {
                    if let Some(to) = all.get_mut(*row as usize) {
                        *to = *score;
                    }
                }
                all
            }
        };
        for (row, _) in &case.history {
            if let Some(score) = scores.get_mut(*row as usize) {
                *score = UNSCORED;
            }
        }
        let best = top_k(scores, self.depth, self.task.among.map_or(Allow::All, Allow::Bits));
        Some(best.into_iter().map(|found| found.row).collect())
    }
}

#[derive(Default)]
struct Buffers {
    own: Vec<f32>,
    all: Vec<f32>,
}

/// Sums over users, added up in the order of the cases so that they do not depend on threads.
struct Tally {
    /// By model, group (the last is everybody) and metric: sum and sum of squares.
    sums: Vec<(f64, f64)>,
    /// By group: users.
    users: Vec<u64>,
    unserved: Vec<u64>,
    /// By model, group and metric: what those need to know that are of all users together.
    shown: Vec<Shown>,
}

/// The items shown to the users of a group.
enum Shown {
    /// Nobody asks.
    Unasked,
    /// Which.
    Which(FixedBitSet),
    /// How often each.
    HowOften(Vec<u32>),
}

impl Shown {
    fn of(metric: Metric, items: usize) -> Shown {
        match metric {
            Metric::Coverage(_) => Shown::Which(FixedBitSet::with_capacity(items)),
            Metric::Hubness(_) => Shown::HowOften(vec![0; items]),
            _ => Shown::Unasked,
        }
    }

    fn add(&mut self, rows: &[u32]) {
        match self {
            Shown::Unasked => {}
            Shown::Which(shown) => rows.iter().for_each(|row| shown.insert(*row as usize)),
            Shown::HowOften(counts) => rows.iter().for_each(|row| counts[*row as usize] += 1),
        }
    }
}

/// The skewness of numbers; zero where all are equal.
fn skewness(counts: &[u32]) -> f64 {
    let n = counts.len().max(1) as f64;
    let mean = counts.iter().map(|count| f64::from(*count)).sum::<f64>() / n;
    let moment = |power: i32| {
        counts.iter().map(|count| (f64::from(*count) - mean).powi(power)).sum::<f64>() / n
    };
    let variance = moment(2);
    if variance > 0.0 { moment(3) / variance.powf(1.5) } else { 0.0 }
}

impl Tally {
    fn new(run: &Run<'_>) -> Tally {
        let groups = run.task.groups.len() + 1;
        let cells = run.models.len() * groups * run.metrics.len();
        let shown =
            |at: usize| Shown::of(run.metrics[at % run.metrics.len()], run.task.items.len());
        Tally {
            sums: vec![(0.0, 0.0); cells],
            users: vec![0; groups],
            unserved: vec![0; run.models.len()],
            shown: (0..cells).map(shown).collect(),
        }
    }

    fn add(&mut self, run: &Run<'_>, case: &Case, seen: &Seen) {
        let everybody = run.task.groups.len();
        let own = case.group.map(|group| group as usize).filter(|group| *group < everybody);
        let width = run.metrics.len();
        for group in own.into_iter().chain([everybody]) {
            self.users[group] += 1;
            for model in 0..run.models.len() {
                let start = (model * (everybody + 1) + group) * width;
                let values = &seen.values[model * width..(model + 1) * width];
                for (at, value) in values.iter().enumerate() {
                    let (sum, squares) = &mut self.sums[start + at];
                    *sum += value;
                    *squares += value * value;
                    let rows = &seen.shown[model];
                    self.shown[start + at].add(&rows[..rows.len().min(run.metrics[at].k())]);
                }
            }
        }
        for (count, served) in self.unserved.iter_mut().zip(&seen.served) {
            *count += u64::from(!served);
        }
    }

    fn finish(self, run: &Run<'_>) -> Evaluation {
        let everybody = run.task.groups.len();
        let ranked = run.task.among.map_or(run.task.items.len(), |rows| rows.count_ones(..));
        let mut figures = Vec::new();
        for model in 0..run.models.len() {
            for group in std::iter::once(everybody).chain(0..everybody) {
                let start = (model * (everybody + 1) + group) * run.metrics.len();
                for (at, metric) in run.metrics.iter().enumerate() {
                    let users = self.users[group];
                    let (value, standard_error) = match &self.shown[start + at] {
                        Shown::Which(shown) => {
                            let shown = shown.count_ones(..) as f64;
                            (shown / ranked.max(1) as f64, None)
                        }
                        Shown::HowOften(counts) => (skewness(&run.of_ranked(counts)), None),
                        Shown::Unasked => mean(self.sums[start + at], users),
                    };
                    figures.push(Figure {
                        model,
                        group: (group < everybody).then_some(group as u32),
                        metric: *metric,
                        value,
                        standard_error,
                        users,
                    });
                }
            }
        }
        let protocol = format!(
            "full ranking of {ranked} items, training items masked, mean over {} users, \
             equal scores in item order",
            run.cases.len(),
        );
        Evaluation { figures, unserved: self.unserved, protocol }
    }
}

/// The mean of values and its standard error, from their sum and that of their squares.
fn mean((sum, squares): (f64, f64), users: u64) -> (f64, Option<f64>) {
    if users == 0 {
        return (0.0, None);
    }
    let n = users as f64;
    let value = sum / n;
    let variance = if users > 1 { ((squares - sum * value) / (n - 1.0)).max(0.0) } else { 0.0 };
    (value, Some((variance / n).sqrt()))
}

#[cfg(test)]
mod tests;
