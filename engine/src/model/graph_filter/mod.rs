//! `graph_filter`: a linear filter over the graph of interactions and the neighbour graphs of the
//! modalities, in closed form. The default model.
//!
//! A score is a weighted sum of chains of sparse products that begin with the history (see `terms`):
//! what the same users had, what goes with that, what looks alike, and both after one another; with
//! a touch of popularity and, where they help, `ease` and `ials`. Only the last iterates: training counts,
//! builds one neighbour graph per modality, and chooses the weights (see `choose`).
//!
//! Filters of this kind are GF-CF (Shen et al. 2021) and its descendants; what is particular here is
//! the three exponents instead of one normalisation, and content within the chains. The counts are
//! integers, and degrees are applied when a question is asked.

mod ascent;
mod choose;
mod columns;
mod counts;
mod fixed;
mod layout;
mod lazy;
mod own;
mod pool;
mod refresh;
mod settings;
mod spreads;
mod terms;

use std::io::Write;
use std::sync::OnceLock;

use tastedb_storage::ItemId;

pub(super) use self::choose::EASE_ITEMS;
use self::choose::{Choice, EASE_EXPONENT, choose};
use self::counts::Counts;
use self::own::Own;
use self::refresh::Mixed;
use self::settings::{Factors, Given, Settings, spoken};
use self::spreads::Spreading;
use self::terms::{Exponents, Parts, Scales, Term, Terms, Wanted};
use super::counted::counted;
use super::ease::{self, Ease};
use super::entries::{merged, sign};
use super::file::{Sections, Writer, corrupt};
use super::ials::{self, ItemFactors};
use super::news::{News, Refreshed};
use super::sums::Sums;
use super::touched::{Product, Rest};
use super::{Algorithm, Embeddings, ItemVectors, Model, Touched, shares};
use crate::item_graph::ItemGraph;
use crate::options::Checked;
use crate::spare::Spare;
use crate::{
    Dataset, Error, ModelOptions, OptionKind, OptionSpec, OptionValue, Reason, Result, ScoreInput,
    Served, SideData, UNSCORED, Work,
};

const NAME: &str = "graph_filter";
const FORMAT: u32 = 1;
/// Catalogues of fewer items are scored whole: chains of a few hundred rows touch much of them. Of 100,000 made-up
/// items that takes 0.25 ms instead of 0.29, of 200,000 both take 0.34, of 400,000 it takes 0.53 instead of 0.38, but
/// 0.7 instead of 1.2 for one question in a hundred; of 1,000,000 it takes 1.5 instead of 0.38 and 1.9 instead of 1.0.
const LARGE: usize = 400_000;
/// The same where `ials` is mixed in: inner products of all items besides.
const LARGE_MIXED: usize = 100_000;

pub(super) const ALGORITHM: Algorithm = Algorithm {
    name: NAME,
    summary: "a closed-form filter over interactions and content that chooses its own settings",
    options: &[
        OptionSpec {
            name: "user_exponent",
            kind: OptionKind::Auto { min: 0.0, max: 2.0 },
            help: "a: how much users with long histories are held back",
        },
        OptionSpec {
            name: "history_exponent",
            kind: OptionKind::Auto { min: -1.0, max: 2.0 },
            help: "s: how much popular items of a history are held back",
        },
        OptionSpec {
            name: "item_exponent",
            kind: OptionKind::Auto { min: -1.0, max: 2.0 },
            help: "t: how much popular items are held back when they are recommended",
        },
        OptionSpec {
            name: "two_hop",
            kind: OptionKind::Auto { min: 0.0, max: 100.0 },
            help: "the weight of what goes with what goes with the history",
        },
        OptionSpec {
            name: "content",
            kind: OptionKind::Auto { min: 0.0, max: 100.0 },
            help: "the weight of the modalities",
        },
        OptionSpec {
            name: "modalities",
            kind: OptionKind::Text { default: "auto" },
            help: "which, as 'text, image:0.5' with weights; empty: none; 'auto': those that help",
        },
        OptionSpec {
            name: "popularity",
            kind: OptionKind::Auto { min: 0.0, max: 100.0 },
            help: "the weight of the logarithm of an item's users",
        },
        OptionSpec {
            name: "ease",
            kind: OptionKind::Auto { min: 0.0, max: 100.0 },
            help: "the weight of `ease`",
        },
        OptionSpec {
            name: "ease_lambda",
            kind: OptionKind::Real { default: 300.0, min: 1e-6, max: 1e12 },
            help: "the regularisation of `ease`",
        },
        OptionSpec {
            name: "ials",
            kind: OptionKind::Auto { min: 0.0, max: 100.0 },
            help: "the weight of `ials`",
        },
        OptionSpec {
            name: "ials_factors",
            kind: OptionKind::Int { default: 64, min: 1, max: 2048 },
            help: "the factors of `ials`",
        },
        OptionSpec {
            name: "neighbours",
            kind: OptionKind::Int { default: 40, min: 1, max: 10_000 },
            help: "the neighbours of an item in the graph of a modality",
        },
        OptionSpec {
            name: "middle",
            kind: OptionKind::Int { default: 200, min: 1, max: 1_000_000 },
            help: "how many of the strongest items a chain goes on from",
        },
        OptionSpec {
            name: "history_limit",
            kind: OptionKind::Int { default: 5_000, min: 2, max: 1_000_000 },
            help: "the items of one user that count",
        },
        OptionSpec {
            name: "memory_limit",
            kind: OptionKind::Int { default: 8 << 30, min: 1, max: i64::MAX },
            help: "the bytes that training may take; beyond, it fails before it starts",
        },
    ],
    embeddings: Embeddings::InTraining,
    fit,
    load,
    format: FORMAT,
};

struct GraphFilter {
    items: Vec<ItemId>,
    degrees: Vec<u32>,
    counts: Counts,
    /// Of the modalities that count.
    graphs: Vec<ItemGraph>,
    scales: Scales,
    exponents: Exponents,
    factors: Factors,
    /// The popularity term, weighted.
    popularity: Vec<f32>,
    ease: Option<Ease>,
    ials: Option<ItemFactors>,
    middle: usize,
    history_limit: usize,
    options: Vec<(String, OptionValue)>,
    notes: Vec<String>,
    sparse: Sparse,
}

/// What questions need that touch few of many items.
#[derive(Default)]
struct Sparse {
    sums: Spare<Sums>,
    /// The items by falling popularity, made when first asked for.
    order: OnceLock<Vec<u32>>,
    /// Of each item, made when first asked for.
    own: OnceLock<Option<Own>>,
}

/// The users of each item.
fn degrees(data: &Dataset) -> Vec<u32> {
    (0..data.n_items()).map(|item| data.by_item.degree(item) as u32).collect()
}

/// The logarithm of one more than the users of each item.
fn popularity(degrees: &[u32]) -> Vec<f32> {
    degrees.iter().map(|degree| (*degree as f32).ln_1p()).collect()
}

/// The memory of the counts at most, in bytes.
pub(super) fn count_bytes(n_items: u64, co_occurrences: u64) -> u64 {
    8 * co_occurrences.min(n_items.saturating_mul(n_items))
}

fn fit(
    data: &Dataset,
    side: &SideData,
    options: &ModelOptions,
    seed: u64,
    work: &Work,
) -> Result<Box<dyn Model>> {
    let checked = Checked::new(NAME, ALGORITHM.options, options)?;
    let given = Given::new(NAME, &checked, side)?;
    let limit = checked.int("history_limit") as usize;
    let data = counted(data, limit);
    if data.n_pairs() == 0 {
        return Err(Error::EmptyTraining { algorithm: NAME, why: "there are no interactions" });
    }
    let squares = data.by_user.rows().map(|(items, _)| (items.len() as u64).pow(2)).sum();
    // Once for the choice and once for the model.
    let mut needed = 2 * count_bytes(data.n_items() as u64, squares);
    if given.ease.is_some_and(|share| share > 0.0) {
        needed = needed.saturating_add(ease::peak_bytes(data.n_items() as u64));
    }
    if given.ials != Some(0.0) {
        let (users, items) = (data.n_users() as u64, data.n_items() as u64);
        needed = needed.saturating_add(ials::peak_bytes(users, items, given.factors));
    }
    if needed > given.memory_limit {
        return Err(Error::TooLarge { algorithm: NAME, needed, limit: given.memory_limit });
    }
    let mut graphs = Vec::with_capacity(given.modalities.len());
    if given.content != Some(0.0) {
        for (name, _) in &given.modalities {
            graphs.push(side.graph(name, &data.items, given.neighbours, work)?);
        }
    }
    let Choice { mut settings, mixture, why } = choose(&data, &graphs, &given, seed, work)?;
    let options = in_force(checked, &given, &settings);
    let mut used = settings.uses().into_iter();
    graphs.retain(|_| used.next().unwrap_or(false));
    settings.content.retain(|weight| *weight > 0.0);
    let ials = match mixture {
        Some(mixture) => Some(mixture.train(&data, work)?),
        None => None,
    };
    let model = GraphFilter::finish(&data, graphs, ials, &given, &settings, limit, work)?;
    Ok(Box::new(GraphFilter { options, notes: why, ..model }))
}

/// The options with what was chosen in the place of `auto`.
fn in_force(checked: Checked, given: &Given, settings: &Settings) -> Vec<(String, OptionValue)> {
    let mut options = checked.into_list();
    for (name, value) in &mut options {
        let number = |number: f32| OptionValue::Real(shortest(number));
        *value = match name.as_str() {
            "user_exponent" => OptionValue::Real(settings.exponents.user),
            "history_exponent" => OptionValue::Real(settings.exponents.history),
            "item_exponent" => OptionValue::Real(settings.exponents.item),
            "two_hop" => number(settings.two_hop),
            // An empty sum is -0.
            "content" => number(settings.content.iter().sum::<f32>() + 0.0),
            "modalities" => OptionValue::Text(spoken(&given.modalities, &settings.content)),
            "popularity" => number(settings.popularity),
            "ease" => number(settings.ease),
            "ials" => number(settings.ials),
            _ => continue,
        };
    }
    options
}

/// A number as it is written, not as its 24 bits continue in 53.
fn shortest(number: f32) -> f64 {
    number.to_string().parse().unwrap_or_else(|_| f64::from(number))
}

impl GraphFilter {
    /// The model of settings, on all pairs.
    fn finish(
        data: &Dataset,
        graphs: Vec<ItemGraph>,
        ials: Option<ItemFactors>,
        given: &Given,
        settings: &Settings,
        history_limit: usize,
        work: &Work,
    ) -> Result<GraphFilter> {
        let counts = Counts::build(&data.by_user, &data.by_item, settings.exponents.user, work)?;
        let degrees = degrees(data);
        let scales = Scales::new(&degrees, settings.exponents);
        let histories: Vec<Vec<(u32, f32)>> = (0..data.n_users())
            .filter(|user| data.by_user.degree(*user) > 0)
            .step_by(data.n_users().div_ceil(spreads::USERS).max(1))
            .map(|user| data.by_user.row(user).0.iter().map(|item| (*item, 1.0)).collect())
            .collect();
        let ease = match settings.ease > 0.0 {
            true => Some(Ease::solve(data, given.lambda, EASE_EXPONENT, true, work)?),
            false => None,
        };
        let parts =
            Parts { counts: &counts, graphs: &graphs, scales: &scales, middle: given.middle };
        let content = vec![true; graphs.len()];
        let wanted = Wanted { second: settings.two_hop > 0.0, content: &content };
        let spreading = Spreading {
            parts: &parts,
            wanted,
            popularity: &popularity(&degrees),
            ease: ease.as_ref(),
            ials: ials.as_ref(),
        };
        let factors = settings.factors(&spreading.over(&histories));
        Ok(GraphFilter {
            items: data.items.clone(),
            popularity: weighted(popularity(&degrees), factors.popularity),
            degrees,
            counts,
            graphs,
            scales,
            exponents: settings.exponents,
            factors,
            ease,
            ials,
            middle: given.middle,
            history_limit,
            options: Vec::new(),
            notes: Vec::new(),
            sparse: Sparse::default(),
        })
    }

    fn wanted<'a>(&self, content: &'a [bool]) -> Wanted<'a> {
        Wanted { second: self.factors.second > 0.0, content }
    }

    fn parts(&self) -> Parts<'_> {
        Parts {
            counts: &self.counts,
            graphs: &self.graphs,
            scales: &self.scales,
            middle: self.middle,
        }
    }

    /// The history as training saw one: each item once, the latest so many.
    fn history(&self, entries: &[(u32, f32)]) -> Vec<(u32, f32)> {
        let latest = &entries[entries.len().saturating_sub(self.history_limit)..];
        merged(latest, self.items.len(), true)
    }

    /// The sum of the terms.
    fn filter(&self, x: &[(u32, f32)], out: &mut [f32]) {
        let content = vec![true; self.graphs.len()];
        let Terms { first, second, content } = self.parts().terms(x, self.wanted(&content));
        for ((out, first), popular) in out.iter_mut().zip(&first).zip(&self.popularity) {
            *out = self.factors.first * first + popular;
        }
        let mut add = |term: &[f32], factor: f32| {
            out.iter_mut().zip(term).for_each(|(out, value)| *out += factor * value);
        };
        add(&second, self.factors.second);
        for (terms, factors) in content.iter().zip(&self.factors.content) {
            add(&terms.near, factors[0]);
            add(&terms.onward, factors[1]);
            add(&terms.back, factors[2]);
        }
    }

    /// The same with the product of `ials` to be added, where few items are in the chains.
    fn touched_by(&self, x: &[(u32, f32)]) -> Option<Touched<'_>> {
        if x.is_empty() || self.ease.is_some() {
            return None;
        }
        let n = self.items.len();
        let content = vec![true; self.graphs.len()];
        let Factors { first, second, content: factors, .. } = &self.factors;
        let own = self.sparse.own.get_or_init(|| self.own()).as_ref()?;
        let scales = (|row| own.item(row), |row| own.half(row));
        let mut lengths = Vec::new();
        let [mut sums, mut out] = [(); 2].map(|()| self.sparse.sums.take(Sums::default));
        // In the order in which the terms of all items are added.
        self.parts().each(x, self.wanted(&content), &mut sums, scales, |term, rows| {
            let factor = match term {
                Term::First => *first,
                Term::Second => *second,
                Term::Content(at, which) => factors[at][which],
            };
            out.add(rows.iter().map(|row| (row.row, factor * row.score)));
        });
        let rows = out.drain(
            |row| own.popularity(row),
            |row, sum| {
                lengths.push(own.length(row));
                sum
            },
        );
        let order = self.sparse.order.get_or_init(|| {
            let mut order: Vec<u32> = (0..n as u32).collect();
            let popularity = |row: u32| self.popularity[row as usize];
            order.sort_by(|a, b| popularity(*b).total_cmp(&popularity(*a)).then(a.cmp(b)));
            order
        });
        let rest = Rest { scores: &self.popularity, order };
        Some(Touched { rows: rows.to_vec(), rest: Some(rest), lengths, ..Touched::default() })
    }

    /// What a question begins with: its history, or one item that others are to be like.
    fn asked(&self, input: &ScoreInput<'_>, similar: Option<u32>) -> Vec<(u32, f32)> {
        match similar {
            None => self.history(input.history.entries),
            Some(row) => merged(&[(row, 1.0)], self.items.len(), true),
        }
    }

    fn own(&self) -> Option<Own> {
        let lengths = self.ials.as_ref().map_or_else(Vec::new, ItemFactors::lengths);
        Own::new(&self.degrees, &self.scales, &self.popularity, &lengths)
    }

    fn scores(&self, x: &[(u32, f32)], out: &mut [f32]) -> Served {
        if x.is_empty() {
            out.fill(UNSCORED);
            return Served::No;
        }
        self.filter(x, out);
        if let Some(ease) = &self.ease {
            let mut linear = vec![0f32; out.len()];
            ease_scores(ease, x, &mut linear);
            out.iter_mut().zip(&linear).for_each(|(out, own)| *out += self.factors.ease * own);
        }
        if let Some(ials) = &self.ials {
            let mut own = vec![0f32; out.len()];
            ials_scores(ials, x, &mut own);
            out.iter_mut().zip(&own).for_each(|(out, own)| *out += self.factors.ials * own);
        }
        Served::Dense
    }
}

/// The scores of `ease`; zeros where it has nothing to go on.
fn ease_scores(ease: &Ease, x: &[(u32, f32)], out: &mut [f32]) {
    if ease.score_rows(x, out) == Served::No {
        out.fill(0.0);
    }
}

/// The scores of `ials`; zeros where it has nothing to go on.
fn ials_scores(ials: &ItemFactors, x: &[(u32, f32)], out: &mut [f32]) {
    if ials.scores(x, out) == Served::No {
        out.fill(0.0);
    }
}

fn weighted(mut values: Vec<f32>, by: f32) -> Vec<f32> {
    values.iter_mut().for_each(|value| *value *= by);
    values
}

fn load(sections: &Sections) -> Result<Box<dyn Model>> {
    let items = sections.items()?;
    let n = items.len();
    let degrees = sections.array_of::<u32>("degrees", n)?.to_vec();
    let text = |name: &str| -> Result<Vec<String>> {
        let bytes = sections.array::<u8>(name)?;
        let text = std::str::from_utf8(&bytes).map_err(|_| corrupt("a text in it is none"))?;
        Ok(text.lines().map(str::to_owned).collect())
    };
    let modalities = text("modalities")?;
    let reals = sections.array::<f64>("exponents")?;
    let numbers = sections.array_of::<f32>("factors", 5 + 3 * modalities.len())?;
    let sizes = sections.array_of::<u64>("limits", 2)?;
    let [user, history, item] = *reals else {
        return Err(corrupt("it has not three exponents"));
    };
    if numbers.iter().any(|value| !value.is_finite())
        || reals.iter().any(|value| !value.is_finite())
    {
        return Err(corrupt("a number of it is none"));
    }
    let exponents = Exponents { user, history, item };
    let mut graphs = Vec::with_capacity(modalities.len());
    for (at, modality) in modalities.into_iter().enumerate() {
        let [starts, columns, weights] = graph_sections(at);
        let weights = sections.csr([&starts, &columns, &weights], n, n)?;
        graphs.push(ItemGraph { modality, weights });
    }
    let factors = Factors {
        first: numbers[0],
        second: numbers[1],
        popularity: numbers[2],
        ease: numbers[3],
        ials: numbers[4],
        content: numbers[5..].chunks_exact(3).map(|own| [own[0], own[1], own[2]]).collect(),
    };
    let ease = match factors.ease == 0.0 {
        true => None,
        false => Some(Ease::read(sections, true)?),
    };
    let ials = match factors.ials == 0.0 {
        true => None,
        false => Some(ItemFactors::read(sections, n)?),
    };
    Ok(Box::new(GraphFilter {
        counts: Counts::load(sections, n)?,
        scales: Scales::new(&degrees, exponents),
        popularity: weighted(popularity(&degrees), factors.popularity),
        items,
        degrees,
        graphs,
        exponents,
        factors,
        ease,
        ials,
        middle: usize::try_from(sizes[0]).unwrap_or(usize::MAX),
        history_limit: usize::try_from(sizes[1]).unwrap_or(usize::MAX),
        options: sections.options()?,
        notes: text("notes")?,
        sparse: Sparse::default(),
    }))
}

/// The names of the sections of a graph.
fn graph_sections(at: usize) -> [String; 3] {
    ["starts", "columns", "weights"].map(|part| format!("g{at} {part}"))
}

impl Model for GraphFilter {
    fn algorithm(&self) -> &'static str {
        NAME
    }

    fn items(&self) -> &[ItemId] {
        &self.items
    }

    fn score(&self, input: &ScoreInput<'_>, out: &mut [f32]) -> Served {
        self.scores(&self.history(input.history.entries), out)
    }

    fn score_one(&self, input: &ScoreInput<'_>, item_row: u32) -> Option<f32> {
        let x = self.history(input.history.entries);
        if x.is_empty() || item_row as usize >= self.items.len() {
            return None;
        }
        let content = vec![true; self.graphs.len()];
        let amounts = self.parts().terms_of(&x, item_row, self.wanted(&content));
        let mut score = self.factors.first * amounts.first
            + self.popularity[item_row as usize]
            + self.factors.second * amounts.second;
        score += self.factors.modalities(&amounts).sum::<f32>();
        if let Some(ease) = &self.ease {
            let others = x.iter().filter(|(row, _)| *row != item_row);
            let linear: f32 = others.map(|(row, weight)| weight * ease.link(*row, item_row)).sum();
            score += self.factors.ease * linear;
        }
        if let Some(ials) = &self.ials {
            let own = ials.fold_in(&x).and_then(|person| ials.score(&person, item_row));
            score += self.factors.ials * own.unwrap_or(0.0);
        }
        Some(score)
    }

    fn similar(&self, _: &ScoreInput<'_>, item_row: u32, out: &mut [f32]) -> Served {
        match self.scores(&merged(&[(item_row, 1.0)], self.items.len(), true), out) {
            Served::No => Served::No,
            _ => {
                out[item_row as usize] = UNSCORED;
                Served::Touched
            }
        }
    }

    fn touched(&self, input: &ScoreInput<'_>, similar: Option<u32>) -> Option<Touched<'_>> {
        let touched = self.touched_by(&self.asked(input, similar))?;
        Some(Touched { without: similar, ..touched })
    }

    fn product(&self, input: &ScoreInput<'_>, similar: Option<u32>) -> Option<Product<'_>> {
        let ials = self.ials.as_ref()?;
        let person = ials.fold_in(&self.asked(input, similar))?;
        let (factors, weight) = (ials.vectors(), self.factors.ials);
        Some(Product { factors, vector: person.values().to_vec(), weight })
    }

    fn touches_few(&self) -> bool {
        let large = if self.ials.is_some() { LARGE_MIXED } else { LARGE };
        self.items.len() >= large && self.ease.is_none()
    }

    fn factors(&self) -> Option<ItemVectors<'_>> {
        self.ials.as_ref().filter(|_| self.ease.is_none()).map(ItemFactors::vectors)
    }

    fn explain(&self, input: &ScoreInput<'_>, item_row: u32, k: usize) -> Vec<Reason> {
        if item_row as usize >= self.items.len() {
            return Vec::new();
        }
        let content = vec![true; self.graphs.len()];
        let wanted = self.wanted(&content);
        let parts = match &self.ials {
            Some(ials) => ials.parts(&self.history(input.history.entries), item_row),
            None => Vec::new(),
        };
        let entries = input.history.entries.iter().enumerate();
        let known =
            entries.filter(|(_, (row, _))| (*row as usize) < self.items.len() && *row != item_row);
        let spoken = known.map(|(entry, (row, weight))| {
            let amounts = self.parts().shares(*row, sign(*weight), item_row, wanted);
            let mut amount =
                self.factors.first * amounts.first + self.factors.second * amounts.second;
            let mut strongest = (amount, None);
            for (own, graph) in self.factors.modalities(&amounts).zip(&self.graphs) {
                if own > strongest.0 {
                    strongest = (own, Some(graph.modality.clone()));
                }
                amount += own;
            }
            if let Some(ease) = &self.ease {
                amount += self.factors.ease * sign(*weight) * ease.link(*row, item_row);
            }
            if let Ok(at) = parts.binary_search_by_key(row, |(row, _)| *row) {
                amount += self.factors.ials * parts[at].1;
            }
            (entry, amount, strongest.1)
        });
        shares(spoken, k)
    }

    fn untouched(&self) -> Option<Vec<u32>> {
        let rows = (0u32..).zip(&self.degrees);
        Some(rows.filter(|(_, degree)| **degree == 0).map(|(row, _)| row).collect())
    }

    fn options(&self) -> Vec<(String, OptionValue)> {
        self.options.clone()
    }

    fn notes(&self) -> Vec<String> {
        self.notes.clone()
    }

    fn refresh(&self, news: &News<'_>, seed: u64, work: &Work) -> Result<Refreshed> {
        let (model, how) = self.refreshed(news, Mixed::Followed, seed, work)?;
        // Counts and inverses are functions of the data; mixed-in factors go on from where they were.
        let anew = self.ials.is_none();
        Ok(Refreshed { model: Box::new(model), how, anew })
    }

    fn unlearn(&self, news: &News<'_>, seed: u64, work: &Work) -> Result<Refreshed> {
        let (model, how) = self.refreshed(news, Mixed::Anew, seed, work)?;
        Ok(Refreshed { model: Box::new(model), how, anew: true })
    }

    fn memory(&self) -> u64 {
        let graphs: usize = self
            .graphs
            .iter()
            .map(|graph| 8 * graph.weights.len() + size_of_val(graph.weights.indptr()))
            .sum();
        let ease = self.ease.as_ref().map_or(0, Ease::memory);
        let ials = self.ials.as_ref().map_or(0, ItemFactors::memory);
        // What is made at the first question is counted as if it were there.
        let sparse = match self.touches_few() {
            true => Own::BYTES + size_of::<u32>(),
            false => 0,
        };
        self.counts.memory() + ease + ials + (graphs + (28 + sparse) * self.items.len()) as u64
    }

    fn save(&self, out: &mut dyn Write) -> Result<()> {
        let mut writer = Writer::new(NAME, FORMAT);
        writer.options(&self.options);
        writer.items(&self.items);
        writer.array("degrees", &self.degrees);
        self.counts.save(&mut writer);
        let Exponents { user, history, item } = self.exponents;
        writer.owned("exponents", vec![user, history, item]);
        let factors = &self.factors;
        let Factors { first, second, popularity, ease, ials, .. } = *factors;
        let mut numbers = vec![first, second, popularity, ease, ials];
        numbers.extend(factors.content.iter().flatten());
        writer.owned("factors", numbers);
        writer.owned("limits", vec![self.middle as u64, self.history_limit as u64]);
        let names: Vec<&str> = self.graphs.iter().map(|graph| graph.modality.as_str()).collect();
        writer.owned("modalities", names.join("\n").into_bytes());
        writer.owned("notes", self.notes.join("\n").into_bytes());
        for (at, graph) in self.graphs.iter().enumerate() {
            let [starts, columns, weights] = graph_sections(at);
            let indptr = graph.weights.indptr();
            writer.owned(starts, indptr.iter().map(|at| *at as u64).collect());
            writer.array(columns, graph.weights.indices());
            writer.array(weights, graph.weights.values());
        }
        if let Some(ease) = &self.ease {
            ease.write(&mut writer);
        }
        if let Some(ials) = &self.ials {
            ials.write(&mut writer);
        }
        writer.write(out)
    }
}

#[cfg(test)]
mod tests;
