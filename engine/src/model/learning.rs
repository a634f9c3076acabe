//! What models that are trained by gradients share: their options, the pairs that are hidden to stop
//! by, and the second training on all pairs.

use std::borrow::Cow;

use super::continuing::{Beginning, Continued};
use super::counted::counted;
use super::estimate::dataset_bytes;
use super::factors::{Factors, Fold, MOST_FACTORS};
use super::file::Array;
use super::holdout::{Case, holdouts};
use super::people::People;
use super::ridge::Ridge;
use super::undoing::{self, Reach, Shape};
use super::{Algorithm, Embeddings, Size};
use crate::Estimate;
use crate::compute::{Compute, Native, Place, place};
use crate::item_graph::products_bytes;
use crate::kernels::LANES;
use crate::options::Checked;
use crate::seeded::number;
use crate::trainer::{Learner, Question, Schedule, Table, epoch, recall, train};
use crate::{
    Dataset, Error, LearningCurve, OptionKind, OptionSpec, OptionValue, Result, SideData, Work,
};

/// Where nothing can be hidden, training goes on for so many epochs at most.
const BLIND_EPOCHS: usize = 30;
/// The epochs that a training goes on for, more or less: those of both trainings, halved.
const USUAL_EPOCHS: f64 = 60.0;
/// People who are asked about to choose how histories become vectors, at most.
const ASKED: usize = 3_000;

/// The options in force.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) factors: usize,
    pub(super) rate: f32,
    pub(super) batch: usize,
    pub(super) regularization: f32,
    pub(super) seed: u64,
    retrain: bool,
    schedule: Schedule,
    /// What it goes on from, and the rows to begin with.
    earlier: Option<(Continued, Table)>,
    /// The epochs that it goes on for, where they are not those of [`Earlier::more`](super::continuing::Earlier::more).
    more: Option<usize>,
    /// For a model that undoes: its shape, and what stands for the embeddings it looks at.
    undoes: Option<(Shape, u64)>,
}

pub(super) const FACTORS: OptionSpec = OptionSpec {
    name: "factors",
    kind: OptionKind::Int { default: 64, min: 1, max: MOST_FACTORS as i64 },
    help: "the numbers that describe an item",
};
pub(super) const BATCH: OptionSpec = OptionSpec {
    name: "batch",
    kind: OptionKind::Int { default: 2048, min: 1, max: 1 << 24 },
    help: "the pairs between two steps",
};
pub(super) const EPOCHS: OptionSpec = OptionSpec {
    name: "epochs",
    kind: OptionKind::Int { default: 1000, min: 1, max: 1_000_000 },
    help: "how often training goes through all pairs at most",
};
pub(super) const NEGATIVES: OptionSpec = OptionSpec {
    name: "negatives",
    kind: OptionKind::Int { default: 1, min: 1, max: 1000 },
    help: "the items that each pair is compared with in an epoch",
};
pub(super) const RETRAIN: OptionSpec = OptionSpec {
    name: "retrain",
    kind: OptionKind::Choice(&["yes", "no"]),
    help: "whether to train again on all pairs, those hidden to stop by included",
};

pub(super) const APPROXIMATE: &str = "approximate";
pub(super) const UNLEARN: OptionSpec = OptionSpec {
    name: "unlearn",
    kind: OptionKind::Choice(&["exact", APPROXIMATE]),
    help: "whether what is to be forgotten is trained without, or undone by a step against it",
};

/// Whether options say that a model undoes what is to be forgotten.
pub(super) fn undoes(options: &[(String, OptionValue)]) -> bool {
    let wanted = OptionValue::Text(APPROXIMATE.to_owned());
    options.iter().any(|(name, value)| name == UNLEARN.name && *value == wanted)
}

pub(super) const LAYERS: &str = "layers";

pub(super) const fn layers(default: i64) -> OptionSpec {
    OptionSpec {
        name: LAYERS,
        kind: OptionKind::Int { default, min: 1, max: 8 },
        help: "how often vectors are smoothed over the graph",
    }
}

pub(super) const fn learning_rate(default: f64) -> OptionSpec {
    OptionSpec {
        name: "learning_rate",
        kind: OptionKind::Real { default, min: 1e-8, max: 10.0 },
        help: "the length of a step of Adam",
    }
}

pub(super) const fn regularization(default: f64) -> OptionSpec {
    OptionSpec {
        name: "regularization",
        kind: OptionKind::Real { default, min: 0.0, max: 1e6 },
        help: "how much long vectors cost: times half the squares of those of each pair",
    }
}

pub(super) const fn patience(default: i64) -> OptionSpec {
    OptionSpec {
        name: "patience",
        kind: OptionKind::Int { default, min: 1, max: 1_000_000 },
        help: "validations without gain before it stops",
    }
}

pub(super) const fn validate_every(default: i64) -> OptionSpec {
    OptionSpec {
        name: "validate_every",
        kind: OptionKind::Int { default, min: 1, max: 1_000_000 },
        help: "epochs between two validations",
    }
}

/// What a model does with a pair.
#[derive(Clone, Copy, Debug)]
pub(super) struct Effort {
    /// How often vectors are smoothed, if they are.
    layers: Option<u64>,
    /// The epochs that it goes on for, more or less.
    epochs: f64,
    /// The items that a pair is compared with.
    negatives: i64,
    /// The numbers of a vector over the option `factors`.
    width: u64,
    /// The seconds that each node takes in a step beside its smoothing, and those of contrasts in a step.
    each: f64,
    contrast: f64,
    /// The seconds that each pair of items takes in an epoch, where neighbours are looked for in it.
    compared: f64,
    looks_at_embeddings: bool,
}

/// The algorithms that are trained in this way.
pub(super) const NAMES: [&str; 10] =
    ["bpr", "vbpr", "lightgcn", "ngcf", "freedom", "lattice", "bm3", "mmhcl", "lirdrec", "cm3"];

impl Effort {
    /// That of one of them.
    pub(super) fn of(algorithm: &Algorithm, checked: &Checked) -> Effort {
        let given = |name: &str| algorithm.options.iter().any(|option| option.name == name);
        let layers = given(LAYERS).then(|| checked.int(LAYERS) as u64);
        let negatives = if given(NEGATIVES.name) { checked.int(NEGATIVES.name) } else { 1 };
        let (width, each) = match algorithm.name {
            "vbpr" => (2, 0.0),
            "ngcf" => (1 + layers.unwrap_or(0), 4e-7),
            // The views of two modalities and of both.
            "lirdrec" | "cm3" => (3, 8e-7),
            "mmhcl" => (1, 1e-6),
            _ => (1, 0.0),
        };
        let contrast = match algorithm.name {
            "mmhcl" => 0.01,
            "cm3" => 0.04,
            _ => 0.0,
        };
        let epochs = match algorithm.name {
            // Nothing smooths: each row has to find its own way.
            "bpr" => 200.0,
            "vbpr" => 100.0,
            "bm3" => 20.0,
            _ => USUAL_EPOCHS,
        };
        // Of two modalities.
        let compared = if algorithm.name == "lattice" { 6e-9 } else { 0.0 };
        let looks_at_embeddings = algorithm.embeddings != Embeddings::Unused;
        Effort { layers, epochs, negatives, width, each, contrast, compared, looks_at_embeddings }
    }
}

/// What a training takes, once on a part of the pairs and once on all. How many epochs it goes on for
/// is not known before; the usual number is taken.
pub(super) fn estimate(checked: &Checked, effort: Effort, size: &Size, threads: f64) -> Estimate {
    let Effort { layers, negatives, width, each, contrast, compared, .. } = effort;
    let looks_at_embeddings = effort.looks_at_embeddings;
    let Size { users: n_users, items: n_items, pairs: n_pairs, embeddings } = *size;
    let dim = width * checked.int("factors") as u64;
    let row = 4 * dim.next_multiple_of(LANES as u64);
    let nodes = n_users + n_items;
    let rows = nodes.saturating_mul(row);
    // The values, two moments, and for smoothing the levels and three more tables.
    let tables = 3 + layers.map_or(0, |layers| layers + 2);
    let pairs = n_pairs as f64 * negatives as f64;
    let batches = (n_pairs as f64 / checked.int("batch") as f64).ceil();
    let dims = dim as f64 / 64.0;
    let smoothing = layers.map_or(0.0, |layers| {
        let edges = 2.0 * n_pairs as f64 * (2.0 * layers as f64 - 1.3);
        batches * dims * (edges * 10e-9 + nodes as f64 * 80e-9) / threads
    });
    let beside = batches * (nodes as f64 * each * dims + contrast) / threads
        + (n_items as f64).powi(2) * compared * dims / threads;
    // Embeddings go through maps, pair by pair, and are compared once for their neighbours.
    let (mapped, neighbours) = match looks_at_embeddings {
        true => {
            let each = embeddings as f64 / n_items.max(1) as f64;
            (pairs * each * dims * 7e-9, n_items as f64 * embeddings as f64 / 20e9)
        }
        false => (0.0, 0.0),
    };
    let epoch = pairs * 0.7e-6 * dims + smoothing + beside + mapped / threads;
    let epochs = (checked.int("epochs") as f64).min(effort.epochs);
    // Those who are asked about, at each validation and for each way to read a history.
    let users = n_users as f64;
    let undoes = Shape::of(|name| checked.get(name)).map_or(0, |_| undoing::TRIES);
    let validations = undoes as f64
        + epochs / checked.int("validate_every") as f64
        + 0.6 * WAYS.len() as f64
        + 2.0;
    let ranked = validations * users.min(5e3) * n_items as f64 * dim as f64 / 23e9;
    let solved = users.min(ASKED as f64) * (dim as f64).powi(2) * 3e-9;
    // The pairs that count and what is left of them; the scores of those who are asked about.
    let pairs_twice = 2 * dataset_bytes(n_users, n_items, n_pairs);
    let scores = 4 * 16 * n_items * threads as u64;
    // Embeddings without their mean, twice for a moment, and what is computed of a batch of them; the
    // products that neighbours are looked for by.
    let content = match looks_at_embeddings {
        true => embeddings.saturating_mul(24).saturating_add(512 * n_items * threads as u64),
        false => 0,
    };
    // On a device the same tables and what steps of Adam compute of one; the graph, twice where it is
    // thinned; the embeddings, and the products that neighbours are looked for by; what is computed of a
    // batch.
    let graph = layers.map_or(0, |_| n_pairs.saturating_mul(32));
    let alike = match looks_at_embeddings {
        true => embeddings.saturating_mul(8).saturating_add(products_bytes(n_items)),
        false => 0,
    };
    let batch = 30 * 3 * (checked.int("batch") * negatives) as u64 * row;
    let device_bytes = (tables + 2)
        .saturating_mul(rows)
        .saturating_add(graph)
        .saturating_add(alike)
        .saturating_add(batch.min(rows.saturating_mul(30)));
    Estimate {
        device_bytes: Some(device_bytes),
        bytes: tables.saturating_mul(rows)
            + 44 * n_pairs
            + 3 * n_items * row
            + pairs_twice
            + scores
            + content.min(u64::MAX / 2),
        model_bytes: n_items * (8 + 3 * row),
        seconds: 2.0 * epochs * epoch + (ranked + solved + neighbours) / threads,
    }
}

/// What a learner gives away: the item side.
pub(super) struct Learned {
    pub(super) factors: Table,
    /// What a history is summed up from, where that is not the factors.
    pub(super) sums: Option<Table>,
}

/// How the histories of a model become vectors.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Way {
    Sums,
    Ridge([f64; 2]),
}

/// The ways that are tried; the first is the one that training is validated with.
const WAYS: [Way; 5] = [
    Way::Sums,
    Way::Ridge([0.1, 0.3]),
    Way::Ridge([0.1, 1.0]),
    Way::Ridge([0.1, 3.0]),
    Way::Ridge([0.1, 10.0]),
];

/// A model whose learner is written once for every place that computes.
pub(super) trait Everywhere {
    /// The learner of such data.
    fn learner<'a, C: Compute>(
        &'a self,
        compute: C,
        data: &Dataset,
    ) -> Result<impl Learner<State = Learned> + use<'a, Self, C>>;
}

/// The values of weights, wherever they are.
pub(super) fn read<'a, C: Compute>(
    compute: C,
    weights: Vec<&'a mut C::Table>,
) -> Result<Vec<Cow<'a, Table>>> {
    weights.into_iter().map(|own| compute.read(own)).collect()
}

/// Gives weights the numbers that they once had.
pub(super) fn restore<C: Compute>(
    compute: C,
    weights: Vec<&mut C::Table>,
    earlier: &[Table],
) -> Result<()> {
    for (own, earlier) in weights.into_iter().zip(earlier) {
        *own = compute.table(earlier.clone())?;
    }
    Ok(())
}

impl Settings {
    pub(super) fn new(checked: &Checked, seed: u64) -> Settings {
        let int = |name| checked.int(name) as usize;
        Settings {
            factors: int("factors"),
            rate: checked.real("learning_rate") as f32,
            batch: int("batch"),
            regularization: checked.real("regularization") as f32,
            seed,
            retrain: checked.text("retrain") == "yes",
            schedule: Schedule {
                epochs: int("epochs"),
                every: int("validate_every"),
                patience: int("patience"),
            },
            earlier: None,
            more: None,
            undoes: Shape::of(|name| checked.get(name)).map(|shape| (shape, 0)),
        }
    }

    /// The same, going on from an earlier training if there is one of as many factors.
    pub(super) fn continuing(self, side: &SideData, data: &Dataset) -> Settings {
        self.continuing_with(side, data, 1, &[])
    }

    /// The same for rows of several blocks of factors, with weights of these shapes.
    pub(super) fn continuing_with(
        self,
        side: &SideData,
        data: &Dataset,
        blocks: usize,
        weights: &[[usize; 2]],
    ) -> Settings {
        let undoes = self.undoes.map(|(shape, _)| (shape, shape.content(side, &data.items)));
        let fits = |it: &&Continued| it.fits([blocks, self.factors], weights);
        let Some(earlier) = side.earlier.as_ref().filter(fits) else {
            return Settings { undoes, ..self };
        };
        let table = earlier.table(data);
        Settings { earlier: Some((Continued::clone(earlier), table)), undoes, ..self }
    }

    /// The same, going on for so many epochs. After none, rows are as they are made, so those of people are
    /// made as near as they can be to what they were.
    pub(super) fn going_on_for(self, epochs: usize) -> Settings {
        Settings { more: Some(epochs), ..self }
    }

    /// The rows of users, then of items, that an earlier training left for so many.
    pub(super) fn begun(&self, rows: usize) -> Option<&Table> {
        self.earlier.as_ref().map(|(_, table)| table).filter(|table| table.rows() == rows)
    }

    /// Factors of users, then of items: those of an earlier training, or drawn as Glorot and Bengio do for matrices of these sizes.
    pub(super) fn drawn(&self, users: usize, items: usize) -> Table {
        if let Some(table) = self.begun(users + items) {
            return table.clone();
        }
        let bound = |rows: usize| (6.0 / (rows + self.factors) as f32).sqrt();
        let seed = number(self.seed, 1);
        let mut table = Table::zeros(users + items, self.factors);
        table.draw(0..users, bound(users), seed);
        table.draw(users..users + items, bound(items), seed);
        table
    }

    fn content(&self) -> u64 {
        self.undoes.map_or(0, |(_, content)| content)
    }

    /// The same as [`Settings::learn`], on the device that the work is for.
    pub(super) fn learn_there(
        &self,
        algorithm: &'static str,
        data: &Dataset,
        model: &impl Everywhere,
        work: &Work,
    ) -> Result<Factors> {
        match place(work.device)? {
            Place::Native => self.learn(algorithm, data, |data| model.learner(Native, data), work),
            #[cfg(feature = "torch")]
            Place::Torch(torch) => {
                let learner = |data: &Dataset| model.learner(torch, data);
                let mut learned = self.learn(algorithm, data, learner, work)?;
                learned.notes.push(format!("computed by libtorch on {torch}"));
                Ok(learned)
            }
        }
    }

    /// Trains on a part of the pairs until the rest is not found better any more, then, if wanted,
    /// on all pairs for as long.
    pub(super) fn learn<L: Learner<State = Learned>>(
        &self,
        algorithm: &'static str,
        data: &Dataset,
        learner: impl Fn(&Dataset) -> Result<L>,
        work: &Work,
    ) -> Result<Factors> {
        let (all, data) = (data, counted(data, usize::MAX));
        if data.n_pairs() == 0 {
            return Err(Error::EmptyTraining { algorithm, why: "there are no interactions" });
        }
        if let Some((earlier, _)) = &self.earlier {
            let way = earlier.ridge.map_or(Way::Sums, Way::Ridge);
            let notes = earlier.notes.clone();
            let more = self.more.unwrap_or_else(|| earlier.more());
            earlier.go_on(more);
            let epochs = [more, earlier.epochs];
            let now = |reach: Reach| Reach { content: self.content(), ..reach };
            let ending = Ending { epochs, way, notes, reach: earlier.reach.map(now) };
            return self.last(algorithm, [all, &data], &learner, ending, work);
        }
        let mut hidden = None;
        let mut schedule = self.schedule;
        let (mut way, mut notes, mut curve) = (WAYS[0], Vec::new(), LearningCurve::default());
        if let Some(split) = holdouts(&data, self.seed).into_iter().next() {
            let questions = questions(&split.cases);
            let mut first = learner(&split.data)?;
            let (best, went) =
                train(&mut first, schedule, |state| state.validate(&questions), work)?;
            drop(first);
            curve = went;
            let (epochs, last) = (curve.best, curve.points.last().map_or(0, |last| last.epoch));
            let reached = curve.reached();
            notes.push(format!("best after {epochs} of {last} epochs: recall@20 {reached:.4}"));
            way = best.choose(&questions, &mut notes, work)?;
            if !self.retrain || curve.best == 0 {
                return Ok(Factors { curve, ..best.model(algorithm, all, way, notes) });
            }
            schedule.epochs = curve.best as usize;
            if let Some(undoes) = self.undoes {
                let asked = questions[..questions.len().min(ASKED)].to_vec();
                let level = best.recall(&best.fold(way), &asked);
                hidden = Some((undoes, split, asked, level));
            }
        } else {
            schedule.epochs = schedule.epochs.min(BLIND_EPOCHS);
            notes.push(format!("nothing could be hidden; {} epochs", schedule.epochs));
        }
        let epochs = [schedule.epochs, schedule.epochs];
        let ending = Ending { epochs, way, notes, reach: None };
        let mut model = self.last(algorithm, [all, &data], &learner, ending, work)?;
        if let Some((undoes, split, asked, level)) = hidden {
            let reach = undoing::reach(&model, undoes, split, &asked, level, work)?;
            model.beginning.iter_mut().for_each(|beginning| beginning.reach = reach);
        }
        Ok(Factors { curve, ..model })
    }

    /// Trains on all pairs, those that count of them.
    fn last<L: Learner<State = Learned>>(
        &self,
        algorithm: &'static str,
        [all, data]: [&Dataset; 2],
        learner: &impl Fn(&Dataset) -> Result<L>,
        ending: Ending,
        work: &Work,
    ) -> Result<Factors> {
        let Ending { epochs: [epochs, remembered], way, notes, reach } = ending;
        let mut last = learner(data)?;
        if let Some((earlier, _)) = &self.earlier {
            last.restore(earlier.weights())?;
        }
        for at in 1..=epochs {
            work.step("epochs on all pairs", at as u64 - 1, epochs as u64)?;
            epoch(&mut last, at, work)?;
        }
        work.step("epochs on all pairs", epochs as u64, epochs as u64)?;
        let model = last.state()?.model(algorithm, all, way, notes);
        let ridge = match way {
            Way::Sums => None,
            Way::Ridge(shares) => Some(shares),
        };
        let weights = last.weights()?.into_iter().map(Cow::into_owned).collect();
        let rows = last.rows()?;
        let beginning = rows.map(|rows| {
            let people = match self.more {
                Some(0) => People::mapped(&rows, data),
                _ => People::scaled(&rows, data, self.factors),
            };
            let mut beginning = Beginning::of(&rows, data, people, weights);
            (beginning.epochs, beginning.ridge, beginning.reach) = (remembered, ridge, reach);
            beginning
        });
        Ok(Factors { beginning, ..model })
    }
}

/// How a training ends.
struct Ending {
    /// The epochs on all pairs, and those that a refresh goes by.
    epochs: [usize; 2],
    way: Way,
    notes: Vec<String>,
    /// See [`Beginning::reach`].
    reach: Option<Reach>,
}

pub(super) fn questions(cases: &[Case]) -> Vec<Question> {
    let of = |case: &Case| Question { history: case.history.clone(), hidden: case.hidden.clone() };
    cases.iter().map(of).collect()
}

impl Learned {
    /// The item side of a model.
    pub(super) fn of(model: &Factors) -> Learned {
        let table = |rows: &[f32]| {
            let mut table = Table::zeros(model.items.len(), model.dim);
            table.data_mut().copy_from_slice(rows);
            table
        };
        let sums = match &model.fold {
            Fold::Sums(rows) => Some(table(rows)),
            Fold::Own | Fold::Ridge(_) => None,
        };
        Learned { factors: table(&model.factors), sums }
    }

    /// The recall@20 of a fold.
    pub(super) fn recall(&self, fold: &Fold, questions: &[Question]) -> f64 {
        let (factors, dim) = (&self.factors, self.factors.dim());
        recall(questions, factors.data(), factors.stride(), |question, out| {
            let x: Vec<(u32, f32)> = question.history.iter().map(|item| (*item, 1.0)).collect();
            fold.vector(factors.data(), dim, &x, out);
        })
    }

    /// The recall@20 that training goes by.
    pub(super) fn validate(&self, questions: &[Question]) -> f64 {
        self.recall(&self.fold(WAYS[0]), questions)
    }

    pub(super) fn fold(&self, way: Way) -> Fold {
        let own = |table: &Table| Fold::Sums(Array::Owned(table.data().to_vec()));
        match way {
            Way::Sums => self.sums.as_ref().map_or(Fold::Own, own),
            Way::Ridge(shares) => {
                Fold::Ridge(Ridge::of(self.factors.data(), self.factors.dim(), shares))
            }
        }
    }

    /// The way that finds most of what is hidden.
    fn choose(&self, questions: &[Question], notes: &mut Vec<String>, work: &Work) -> Result<Way> {
        let asked = &questions[..questions.len().min(ASKED)];
        let (mut best, mut most) = (WAYS[0], f64::NEG_INFINITY);
        let mut told = Vec::with_capacity(WAYS.len());
        for (at, way) in WAYS.into_iter().enumerate() {
            work.step("histories", at as u64, WAYS.len() as u64)?;
            let found = self.recall(&self.fold(way), asked);
            told.push(match way {
                Way::Sums => format!("sums {found:.4}"),
                Way::Ridge([all, diagonal]) => format!("ridge {all}/{diagonal} {found:.4}"),
            });
            if found > most {
                (best, most) = (way, found);
            }
        }
        notes.push(format!("recall@20 of histories as: {}", told.join("; ")));
        Ok(best)
    }

    pub(super) fn model(
        mut self,
        algorithm: &'static str,
        data: &Dataset,
        way: Way,
        notes: Vec<String>,
    ) -> Factors {
        // Without embeddings, what nobody had is where it was drawn.
        if super::algorithm(algorithm).is_ok_and(|it| it.embeddings == Embeddings::Unused) {
            let had = |item: &usize| data.by_item.row(*item).1.iter().any(|weight| *weight > 0.0);
            for item in (0..data.n_items()).filter(|item| !had(item)) {
                self.factors.row_mut(item).fill(0.0);
            }
        }
        let fold = self.fold(way);
        Factors {
            algorithm,
            items: data.items.clone(),
            dim: self.factors.dim(),
            factors: Array::Owned(self.factors.data().to_vec()),
            fold,
            options: Vec::new(),
            notes,
            beginning: None,
            curve: LearningCurve::default(),
        }
    }
}

#[cfg(all(test, feature = "torch"))]
mod parity;
#[cfg(test)]
pub(super) mod tests;
