//! The factors against a plain dense computation, and what must hold of them.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use proptest::prelude::*;
use tastedb_storage::UserId;

use super::solver::Solver;
use super::*;
use crate::History;
use crate::kernels::stride;
use crate::model::{fit as fit_model, load as load_model};

/// Item ids are 10, 20, 30, … so that rows and ids differ.
fn dataset(pairs: &[(u64, u64, f32)], n_items: u64) -> Dataset {
    let items = (0..n_items).map(|row| ItemId(10 * row + 10)).collect();
    let pairs = pairs.iter().map(|(user, row, w)| (UserId(*user), ItemId(10 * row + 10), *w, None));
    Dataset::build(items, pairs).unwrap()
}

fn some_pairs(users: u64, items: u64, n: u64) -> Vec<(u64, u64, f32)> {
    let mixed = |at: u64, salt: u64| crate::seeded::number(salt, at);
    (0..n)
        .map(|at| {
            let item = (mixed(at, 1) % items) * (mixed(at, 2) % items) / items;
            (mixed(at, 3) % users, item, 1.0 + (mixed(at, 4) % 3) as f32)
        })
        .collect()
}

fn options(given: &[(&str, f64)]) -> ModelOptions {
    given.iter().fold(ModelOptions::new(), |options, (name, value)| {
        let whole = matches!(*name, "factors" | "iterations" | "memory_limit");
        let value = if whole { OptionValue::Int(*value as i64) } else { OptionValue::Real(*value) };
        options.with(*name, value)
    })
}

fn trained(data: &Dataset, options: &ModelOptions) -> Box<dyn Model> {
    fit_model(NAME, data, &SideData::default(), options, 7, &Work::quiet()).unwrap()
}

fn scored(model: &dyn Model, history: &[(u32, f32)]) -> (Served, Vec<f32>) {
    let side = SideData::default();
    let input =
        ScoreInput { history: History::new(history), items: &[], side: &side, vectors: &[] };
    let mut out = vec![7.0; model.items().len()];
    let served = model.score(&input, &mut out);
    (served, out)
}

type Matrix = Vec<Vec<f64>>;

/// x of A x = b by elimination.
fn solved(mut a: Matrix, mut b: Vec<f64>) -> Vec<f64> {
    let n = b.len();
    for pivot in 0..n {
        let (own, right) = (a[pivot].clone(), b[pivot]);
        for row in (0..n).filter(|row| *row != pivot) {
            let factor = a[row][pivot] / own[pivot];
            a[row].iter_mut().zip(&own).for_each(|(value, own)| *value -= factor * own);
            b[row] -= factor * right;
        }
    }
    (0..n).map(|at| b[at] / a[at][at]).collect()
}

/// The definition in f64, over dense matrices.
struct Oracle {
    settings: Settings,
    /// Signed confidences, users by items.
    pairs: Matrix,
    users: Matrix,
    items: Matrix,
}

impl Oracle {
    fn new(data: &Dataset, settings: Settings, dim: usize, seed: u64) -> Oracle {
        let mut pairs = vec![vec![0.0; data.n_items()]; data.n_users()];
        for (own, (items, weights)) in pairs.iter_mut().zip(data.by_user.rows()) {
            for (item, weight) in items.iter().zip(weights) {
                let weight = f64::from(*weight);
                let size = if settings.binary { 1.0 } else { weight.abs() };
                own[*item as usize] = if weight == 0.0 { 0.0 } else { size.copysign(weight) };
            }
        }
        let start = Side::start(&data.items, dim, seed);
        let rows = start.rows().chunks_exact(stride(dim));
        let items = rows.map(|row| row[..dim].iter().map(|x| f64::from(*x)).collect()).collect();
        Oracle { settings, pairs, users: vec![vec![0.0; dim]; data.n_users()], items }
    }

    fn ridge(&self, own: &[f64], others: usize) -> f64 {
        let observed: f64 = own.iter().map(|confidence| confidence.abs()).sum();
        let frequency = observed + self.settings.unobserved * others as f64;
        self.settings.regularization * frequency.powf(self.settings.exponent)
    }

    fn best(&self, own: &[f64], others: &Matrix) -> Vec<f64> {
        let dim = others[0].len();
        let ridge = self.ridge(own, others.len());
        let (mut a, mut b) = (vec![vec![0.0; dim]; dim], vec![0.0; dim]);
        for (confidence, other) in own.iter().zip(others) {
            for i in 0..dim {
                for j in 0..dim {
                    let weight = self.settings.unobserved + confidence.abs();
                    a[i][j] += weight * other[i] * other[j];
                }
                b[i] += confidence.max(0.0) * other[i];
            }
        }
        (0..dim).for_each(|at| a[at][at] += ridge);
        solved(a, b)
    }

    fn column(&self, item: usize) -> Vec<f64> {
        self.pairs.iter().map(|row| row[item]).collect()
    }

    fn iterate(&mut self) {
        self.users = self.pairs.iter().map(|own| self.best(own, &self.items)).collect();
        self.items =
            (0..self.items.len()).map(|at| self.best(&self.column(at), &self.users)).collect();
    }

    fn scores(&self, own: &[f64]) -> Vec<f64> {
        let user = self.best(own, &self.items);
        self.items.iter().map(|item| item.iter().zip(&user).map(|(a, b)| a * b).sum()).collect()
    }

    fn loss(&self, users: &Matrix, items: &Matrix) -> f64 {
        let square = |row: &Vec<f64>| row.iter().map(|x| x * x).sum::<f64>();
        let mut loss = 0.0;
        for (own, user) in self.pairs.iter().zip(users) {
            for (confidence, item) in own.iter().zip(items) {
                let score: f64 = item.iter().zip(user).map(|(a, b)| a * b).sum();
                let wanted = f64::from(u8::from(*confidence > 0.0));
                loss += confidence.abs() * (score - wanted).powi(2)
                    + self.settings.unobserved * score * score;
            }
            loss += self.ridge(own, items.len()) * square(user);
        }
        let ridges = (0..items.len()).map(|at| self.ridge(&self.column(at), users.len()));
        loss + ridges.zip(items).map(|(ridge, item)| ridge * square(item)).sum::<f64>()
    }
}

fn dense(side: &Side) -> Matrix {
    let rows = side.rows().chunks_exact(stride(side.dim));
    rows.map(|row| row[..side.dim].iter().map(|x| f64::from(*x)).collect()).collect()
}

fn settings(binary: bool) -> Settings {
    Settings { unobserved: 0.1, regularization: 0.05, exponent: 1.0, binary }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn scores_are_those_of_the_definition(
        seed in any::<u32>(), dim in 1usize..24, binary in any::<bool>(), dislikes in any::<bool>(),
        exponent in 0.0f64..1.5,
    ) {
        let mut pairs = some_pairs(14, 31, 150);
        let turned = |at: usize| dislikes && (at as u32 ^ seed).is_multiple_of(5);
        for (at, pair) in pairs.iter_mut().enumerate() {
            pair.2 = if turned(at) { -pair.2 } else { pair.2 };
        }
        let data = dataset(&pairs, 32);
        let settings = Settings { exponent, ..settings(binary) };
        let work = Work::quiet();
        let side = train(&data, dim, 3, settings, u64::from(seed), "", &work).unwrap();
        let mut oracle = Oracle::new(&data, settings, dim, u64::from(seed));
        (0..3).for_each(|_| oracle.iterate());
        let mut solver = Solver::new(side.basis(), settings);
        for own in oracle.pairs.iter().take(6) {
            let x: Vec<(u32, f32)> =
                (0..).zip(own).filter(|(_, c)| **c != 0.0).map(|(i, c)| (i, *c as f32)).collect();
            let mut user = vec![0f32; stride(dim)];
            solver.fold_in(&x, &mut user);
            for (row, expected) in (0..).zip(oracle.scores(own)) {
                let score = f64::from(dot(side.basis().row(row), &user));
                prop_assert!((score - expected).abs() < 2e-3, "{score} instead of {expected}");
                let parts = solver.parts(&x, side.basis().row(row));
                let sum: f32 = parts.iter().map(|(_, part)| part).sum();
                prop_assert!((f64::from(sum) - score).abs() < 1e-3, "{sum} in parts of {score}");
            }
        }
    }
}

#[test]
fn the_loss_never_rises() {
    let data = dataset(&some_pairs(60, 40, 700), 40);
    for dim in [3, 16, 40] {
        let settings = settings(false);
        let oracle = Oracle::new(&data, settings, dim, 3);
        let mut items = Side::start(&data.items, dim, 3);
        let mut users = Side::zeros(data.n_users(), dim);
        items.turn().unwrap();
        let mut last = f64::INFINITY;
        for _ in 0..12 {
            users.solve(&items, &data.by_user, settings, &Work::quiet()).unwrap();
            let half = oracle.loss(&dense(&users), &dense(&items));
            users.turn().unwrap();
            items.solve(&users, &data.by_item, settings, &Work::quiet()).unwrap();
            let whole = oracle.loss(&dense(&users), &dense(&items));
            items.turn().unwrap();
            assert!(half <= last * (1.0 + 1e-5), "{half} after {last}");
            assert!(whole <= half * (1.0 + 1e-5), "{whole} after {half}");
            last = whole;
        }
    }
}

#[test]
fn a_history_gives_the_factors_of_its_user() {
    let data = dataset(&some_pairs(60, 40, 900), 40);
    let settings = settings(true);
    let items = train(&data, 12, 5, settings, 3, "", &Work::quiet()).unwrap();
    let mut users = Side::zeros(data.n_users(), 12);
    users.solve(&items, &data.by_user, settings, &Work::quiet()).unwrap();
    let given = options(&[
        ("factors", 12.0),
        ("iterations", 5.0),
        ("unobserved_weight", settings.unobserved),
        ("regularization", settings.regularization),
    ]);
    let work = Work::quiet();
    let model = fit_model(NAME, &data, &SideData::default(), &given, 3, &work).unwrap();
    for user in 0..data.n_users() {
        let (rows, weights) = data.by_user.row(user);
        let history: Vec<(u32, f32)> =
            rows.iter().copied().zip(weights.iter().copied()).rev().collect();
        let (served, got) = scored(model.as_ref(), &history);
        assert_eq!(served, Served::Dense);
        for (row, got) in (0..).zip(got) {
            assert_eq!(got, dot(items.basis().row(row), users.basis().row(user as u32)));
        }
    }
}

#[test]
fn similar_is_the_cosine_of_factors() {
    let data = dataset(&some_pairs(60, 40, 700), 45);
    let given = options(&[("factors", 8.0), ("unobserved_weight", 0.1), ("regularization", 0.01)]);
    let model = trained(&data, &given);
    let side = SideData::default();
    let input = ScoreInput { history: History::default(), items: &[], side: &side, vectors: &[] };
    let mut out = vec![0.0; 45];
    assert_eq!(model.similar(&input, 2, &mut out), Served::Touched);
    assert!(out[2].is_nan());
    let rest = out.iter().filter(|value| !value.is_nan());
    assert!(rest.clone().count() > 20 && rest.clone().all(|value| value.abs() <= 1.0 + 1e-5));
    let (from_two, mut other) = (out.clone(), vec![0.0; 45]);
    model.similar(&input, 3, &mut other);
    assert!((other[2] - from_two[3]).abs() < 1e-6);
    // Nobody had the last items.
    assert!(out[44].is_nan());
    assert_eq!(model.similar(&input, 44, &mut out), Served::No);
    assert_eq!(model.similar(&input, 400, &mut out), Served::No);
}

#[test]
fn wrong_options_are_named() {
    let data = dataset(&some_pairs(20, 10, 100), 10);
    for (name, value) in [
        ("factors", 0.0),
        ("factors", 2049.0),
        ("iterations", 0.0),
        ("unobserved_weight", 0.0),
        ("unobserved_weight", f64::NAN),
        ("regularization", -1.0),
        ("frequency_exponent", f64::INFINITY),
        ("memory_limit", 0.0),
    ] {
        let given = options(&[(name, value)]);
        let result = fit_model(NAME, &data, &SideData::default(), &given, 0, &Work::quiet());
        match result.map(drop) {
            Err(Error::InvalidOption { option, .. }) => assert_eq!(option, name),
            other => panic!("{name} = {value}: {other:?}"),
        }
    }
    let result = fit_model(
        NAME,
        &data,
        &SideData::default(),
        &options(&[("memory_limit", 1000.0)]),
        0,
        &Work::quiet(),
    );
    assert!(matches!(result.map(drop), Err(Error::TooLarge { limit: 1000, .. })));
}

#[test]
fn odd_weights_train_and_answer_with_numbers() {
    let mut pairs = some_pairs(30, 20, 200);
    for (at, weight) in [1e30, -1e30, 1e-30, -2.0, 0.0, f32::MIN_POSITIVE].into_iter().enumerate() {
        pairs.push((100 + at as u64, at as u64, weight));
        pairs.push((1, 10 + at as u64, weight));
    }
    let data = dataset(&pairs, 20);
    for weighting in ["binary", "weighted"] {
        for (unobserved, regularization) in [(0.1, 0.01), (1e-6, 1e-9), (1e3, 1e6)] {
            let given = options(&[
                ("factors", 30.0),
                ("unobserved_weight", unobserved),
                ("regularization", regularization),
            ])
            .with("weighting", OptionValue::Text(weighting.to_owned()));
            let model = trained(&data, &given);
            for weight in [1.0, 1e38, 1e-38, 3.0] {
                let history = [(1, weight), (2, -weight), (3, f32::NAN), (4, f32::INFINITY)];
                let (served, scores) = scored(model.as_ref(), &history);
                assert_eq!(served, Served::Dense, "{weighting} {unobserved} {weight}");
                assert!(scores.iter().all(|score| score.is_finite()));
            }
            // Nothing speaks for anything.
            for history in [&[(2, -1.0)][..], &[(3, f32::NAN)], &[(2, 1.0), (2, -1.0)]] {
                let (served, scores) = scored(model.as_ref(), history);
                assert_eq!(served, Served::No);
                assert!(scores.iter().all(|score| score.is_nan()));
            }
        }
    }
    let dislikes = dataset(&[(1, 1, -1.0), (2, 1, 0.0)], 3);
    let given = ModelOptions::new();
    let result = fit_model(NAME, &dislikes, &SideData::default(), &given, 0, &Work::quiet());
    assert!(matches!(result.map(drop), Err(Error::EmptyTraining { .. })));
}

#[test]
fn a_user_with_very_many_interactions_is_one_row() {
    let mut pairs = some_pairs(50, 2000, 1000);
    pairs.extend((0..100_000).map(|item| (999, item, 1.0)));
    let data = dataset(&pairs, 100_000);
    let given = options(&[
        ("factors", 8.0),
        ("iterations", 2.0),
        ("unobserved_weight", 0.1),
        ("regularization", 0.01),
    ]);
    let model = trained(&data, &given);
    let history: Vec<(u32, f32)> = (0..100_000).map(|row| (row, 1.0)).collect();
    let (served, scores) = scored(model.as_ref(), &history);
    assert_eq!(served, Served::Dense);
    assert!(scores.iter().all(|score| score.is_finite()));
}

#[test]
fn what_is_not_given_is_chosen_and_told() {
    let data = dataset(&some_pairs(80, 40, 900), 40);
    let given = options(&[("factors", 8.0), ("iterations", 3.0), ("regularization", 0.02)]);
    let model = trained(&data, &given);
    let chosen = model.options();
    let of = |wanted: &str| chosen.iter().find(|(name, _)| name == wanted).unwrap().1.clone();
    assert_eq!(of("regularization"), OptionValue::Real(0.02));
    let OptionValue::Real(unobserved) = of("unobserved_weight") else { panic!("{chosen:?}") };
    assert!(model.notes().iter().any(|note| note.starts_with("chosen: unobserved_weight")));
    // The choice given by hand is the same model.
    let again =
        trained(&data, &given.clone().with("unobserved_weight", OptionValue::Real(unobserved)));
    assert!(again.notes().is_empty());
    let history = [(1, 1.0), (5, 1.0)];
    assert_eq!(scored(again.as_ref(), &history), scored(model.as_ref(), &history));
    let mut bytes = Vec::new();
    model.save(&mut bytes).unwrap();
    let back = load_model(Arc::new(bytes)).unwrap();
    assert_eq!(back.notes(), model.notes());
    // One pair a user: nothing can be hidden.
    let single = dataset(&[(1, 1, 1.0), (2, 2, 1.0)], 3);
    let model = trained(&single, &options(&[("factors", 2.0)]));
    assert!(model.notes()[0].starts_with("no user has two items"));
}

/// What was learned stays where it is while the data does, which four iterations from nothing would
/// not reach; settings stay, and new items are learned.
#[test]
fn a_refresh_goes_on_from_the_factors() {
    let old = dataset(&some_pairs(60, 30, 500), 30);
    let given = options(&[
        ("factors", 6.0),
        ("iterations", 60.0),
        ("unobserved_weight", 0.1),
        ("regularization", 0.02),
    ]);
    let first = trained(&old, &given);
    let refreshed = |data: &Dataset| {
        let side = SideData::default();
        let news = crate::model::News::new(data.items.clone(), &side, None, || Ok(data.clone()));
        crate::model::refresh(first.as_ref(), &news, 7, &Work::quiet()).unwrap()
    };
    let apart = |model: &dyn Model| -> f32 {
        let history = [(1u32, 1f32), (5, 1.0), (9, 1.0)];
        let (own, other) = (scored(model, &history).1, scored(first.as_ref(), &history).1);
        own.iter().zip(&other).map(|(a, b)| (a - b).powi(2)).sum::<f32>().sqrt()
    };
    let same = refreshed(&old);
    assert_eq!(same.how, "4 iterations more, 0 new items");
    assert_eq!(same.model.options(), first.options());
    let short = trained(&old, &given.clone().with("iterations", OptionValue::Int(2)));
    let (near, far) = (apart(same.model.as_ref()), apart(short.as_ref()));
    assert!(near < 0.2 * far, "{near} {far}");

    // Item 30 is had by who has item 5.
    let mut pairs = some_pairs(60, 30, 500);
    let fans: Vec<u64> = pairs.iter().filter(|pair| pair.1 == 5).map(|pair| pair.0).collect();
    pairs.extend(fans.into_iter().map(|user| (user, 30, 1.0)));
    let more = refreshed(&dataset(&pairs, 31));
    assert_eq!(more.how, "4 iterations more, 1 new items");
    let scores = scored(more.model.as_ref(), &[(5, 1.0)]).1;
    let above = scores.iter().filter(|score| **score > scores[30]).count();
    assert!(above < 5, "{above} items are above the new one");
}
