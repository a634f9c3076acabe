//! Factor models on preferences that were planted, and how they answer.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use tastedb_storage::{ItemId, UserId};

use super::*;
use crate::evaluate::{self, Metric, evaluate};
use crate::kernels::stride;
use crate::model::{Model, check_options, fit, load};
use crate::{History, ModelOptions, OptionValue, ScoreInput, Served, SideData};

const GROUPS: u64 = 4;

/// People of four tastes, each of whom likes a quarter of eighty items and one in ten of the rest;
/// what is held out is of their taste.
fn planted() -> (Dataset, Vec<evaluate::Case>) {
    let (mut pairs, mut hidden) = (Vec::new(), Vec::new());
    for user in 0..240u64 {
        let mut own = Vec::new();
        for at in 0..14 {
            let drawn = number(user + 7, at);
            let group =
                if drawn.is_multiple_of(10) { number(user, at) % GROUPS } else { user % GROUPS };
            own.push((drawn >> 8) % 20 * GROUPS + group);
        }
        own.sort_unstable();
        own.dedup();
        let taste: Vec<usize> =
            (0..own.len()).filter(|at| own[*at] % GROUPS == user % GROUPS).collect();
        hidden.push(own.remove(taste[number(user, 99) as usize % taste.len()]));
        pairs.extend(own.into_iter().map(|item| (UserId(user), ItemId(item), 1.0, None)));
    }
    let data = Dataset::build((0..80).map(ItemId).collect(), pairs).unwrap();
    let cases = hidden.iter().enumerate().map(|(user, item)| {
        let (items, weights) = data.by_user.row(user);
        let history = items.iter().copied().zip(weights.iter().copied()).collect();
        evaluate::Case { history, held_out: vec![*item as u32], group: None }
    });
    let cases = cases.collect();
    (data, cases)
}

fn small() -> ModelOptions {
    ModelOptions::new()
        .with("factors", OptionValue::Int(8))
        .with("batch", OptionValue::Int(256))
        .with("learning_rate", OptionValue::Real(0.01))
}

fn train(name: &str, data: &Dataset, options: &ModelOptions, seed: u64) -> Box<dyn Model> {
    fit(name, data, &SideData::default(), options, seed, &Work::quiet()).unwrap()
}

fn found(model: &dyn Model, data: &Dataset, cases: &[evaluate::Case]) -> f64 {
    let task = evaluate::Task { items: &data.items, cases, groups: &[], side: None };
    let metrics = [Metric::Recall(20)];
    evaluate(&[model], &task, &metrics, &Work::quiet()).unwrap().value(0, metrics[0]).unwrap()
}

#[test]
fn planted_preferences_are_found() {
    let (data, cases) = planted();
    let popular = train("popular", &data, &ModelOptions::new(), 0);
    assert!(found(popular.as_ref(), &data, &cases) < 0.4);
    for name in ["bpr", "lightgcn"] {
        let model = train(name, &data, &small(), 0);
        // Twenty minus a dozen of one's own taste are left.
        let found = found(model.as_ref(), &data, &cases);
        assert!(found > 0.85, "{name} finds {found}: {:?}", model.notes());
        let notes = model.notes();
        assert!(notes[0].starts_with("best after "), "{notes:?}");
        let curve = model.curve();
        assert!(curve.points.iter().any(|point| point.epoch == curve.best), "{curve:?}");
        assert!(curve.points.iter().all(|point| point.recall <= curve.reached()), "{curve:?}");
        assert!(curve.points.iter().all(|point| point.loss.is_finite()), "{curve:?}");
        assert!(notes[1].starts_with("recall@20 of histories as: sums 0."), "{notes:?}");
    }
}

#[test]
fn a_seed_decides_a_model() {
    let (data, _) = planted();
    let few = small().with("epochs", OptionValue::Int(2));
    for name in ["bpr", "lightgcn"] {
        let bytes = |seed| {
            let mut bytes = Vec::new();
            train(name, &data, &few, seed).save(&mut bytes).unwrap();
            bytes
        };
        assert!(bytes(1) == bytes(1), "{name}");
        assert!(bytes(1) != bytes(2), "{name}");
    }
}

#[test]
fn what_training_did_comes_back_from_the_bytes() {
    let (data, _) = planted();
    let few = small().with("epochs", OptionValue::Int(2));
    let model = train("bpr", &data, &few, 0);
    let mut bytes = Vec::new();
    model.save(&mut bytes).unwrap();
    assert_eq!(load(Arc::new(bytes)).unwrap().notes(), model.notes());
}

#[test]
fn people_with_one_item_each_are_trained_on_all_the_same() {
    let pairs = (0..40u64).map(|user| (UserId(user), ItemId(user % 10), 1.0, None));
    let data = Dataset::build((0..10).map(ItemId).collect(), pairs).unwrap();
    for name in ["bpr", "lightgcn"] {
        let model = train(name, &data, &small(), 0);
        assert_eq!(model.notes(), ["nothing could be hidden; 30 epochs"]);
    }
}

#[test]
fn every_pair_of_everybody_is_not_too_much() {
    let pairs = (0..60u64).map(|at| (UserId(at / 6), ItemId(at % 6), 1.0, None));
    let data = Dataset::build((0..6).map(ItemId).collect(), pairs).unwrap();
    let few = small().with("epochs", OptionValue::Int(5));
    for name in ["bpr", "lightgcn"] {
        let model = train(name, &data, &few, 0);
        let side = SideData::default();
        let history = [(0, 1.0), (1, -1.0), (77, 1.0)];
        let input = ScoreInput {
            history: History::new(&history),
            items: &data.items,
            side: &side,
            vectors: &[],
        };
        let mut out = vec![0.0; 6];
        assert_eq!(model.score(&input, &mut out), Served::Dense);
        assert!(out.iter().all(|score| score.is_finite()), "{name}: {out:?}");
    }
}

#[test]
fn options_have_limits() {
    for (option, value) in [
        ("factors", OptionValue::Int(0)),
        ("factors", OptionValue::Int(4096)),
        ("epochs", OptionValue::Int(0)),
        ("batch", OptionValue::Int(0)),
        ("negatives", OptionValue::Int(0)),
        ("patience", OptionValue::Int(0)),
        ("validate_every", OptionValue::Int(0)),
        ("learning_rate", OptionValue::Real(0.0)),
        ("regularization", OptionValue::Real(-1.0)),
        ("retrain", OptionValue::Text("perhaps".to_owned())),
        ("layers", OptionValue::Int(0)),
        ("seed", OptionValue::Int(1)),
    ] {
        let options = ModelOptions::new().with(option, value);
        for name in ["bpr", "lightgcn"] {
            let result = check_options(name, &options);
            // The seed is TRAIN's, and layers are lightgcn's.
            let named = match &result {
                Err(Error::InvalidOption { option: own, .. }) => own == option,
                Err(Error::NoSuchOption { option: own, .. }) => {
                    own == option && (option == "seed" || (name, option) == ("bpr", "layers"))
                }
                _ => false,
            };
            assert!(named, "{name} {option}: {result:?}");
        }
    }
}

#[test]
fn ridge_is_the_least_squares_of_a_history() {
    let (n, dim) = (9, 5);
    let mut factors = Table::zeros(n, dim);
    factors.draw(0..n, 1.0, 3);
    let shares = [0.1, 3.0];
    let fold = Fold::ridge(factors.data(), dim, shares);
    let x = [(2u32, 1.0f32), (6, -1.0), (7, 1.0)];
    let mut vector = vec![0f32; stride(dim)];
    fold.vector(factors.data(), dim, &x, &mut vector);
    let wide = |row: usize| -> Vec<f64> {
        factors.row(row)[..dim].iter().map(|value| f64::from(*value)).collect()
    };
    let dot = |a: &[f64], b: &[f64]| -> f64 { a.iter().zip(b).map(|(a, b)| a * b).sum() };
    let v: Vec<f64> = vector[..dim].iter().map(|value| f64::from(*value)).collect();
    let trace: f64 = (0..n).map(|row| dot(&wide(row), &wide(row))).sum();
    // The gradient of Σ_x (⟨v, q⟩ − x)² + a d/n Σ ⟨v, q⟩² + b tr/n |v|² is zero.
    for at in 0..dim {
        let own: f64 = x
            .iter()
            .map(|(row, x)| {
                let q = wide(*row as usize);
                (dot(&v, &q) - f64::from(*x)) * q[at]
            })
            .sum();
        let all: f64 = (0..n).map(|row| dot(&v, &wide(row)) * wide(row)[at]).sum();
        let slope =
            own + shares[0] * dim as f64 / n as f64 * all + shares[1] * trace / n as f64 * v[at];
        assert!(slope.abs() < 1e-5, "{at}: {slope}");
    }
}

#[test]
fn factors_of_zero_still_answer() {
    let factors = Table::zeros(4, 3);
    let fold = Fold::ridge(factors.data(), 3, [0.1, 1.0]);
    let mut vector = vec![7f32; stride(3)];
    fold.vector(factors.data(), 3, &[(1, 1.0)], &mut vector);
    assert!(vector.iter().all(|value| *value == 0.0));
}
