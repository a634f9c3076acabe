//! Factor models on preferences that were planted, and how they answer.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use tastedb_storage::{ItemId, UserId};

use super::*;
use crate::evaluate::{self, Metric, evaluate};
use crate::model::{Model, check_options, fit, load};
use crate::{EmbeddingMatrix, History, ModelOptions, OptionValue, ScoreInput, Served, SideData};

/// Every algorithm that is trained by gradients, and those of them that need embeddings.
const TRAINED: [&str; 10] =
    ["bpr", "lightgcn", "ngcf", "vbpr", "freedom", "lattice", "bm3", "mmhcl", "lirdrec", "cm3"];
const CONTENT: [&str; 7] = ["vbpr", "freedom", "lattice", "bm3", "mmhcl", "lirdrec", "cm3"];

const GROUPS: u64 = 4;

/// People of four tastes, each of whom likes a quarter of eighty items and one in ten of the rest;
/// what is held out is of their taste.
pub(in crate::model) fn planted() -> (Dataset, Vec<evaluate::Case>) {
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

/// Embeddings that tell the taste an item is of, with noise. Item 7 has none.
pub(in crate::model) fn side() -> SideData {
    let mut matrix = EmbeddingMatrix::new("text", 6);
    for item in (0..80u64).filter(|item| *item != 7) {
        let noise = |at| (number(item + 100, at) % 1000) as f32 / 1000.0 - 0.5;
        let taste = |at| f32::from(u8::from(at == item % GROUPS));
        let vector: Vec<f32> = (0..6).map(|at| taste(at) + noise(at)).collect();
        matrix.set(ItemId(item), &vector).unwrap();
    }
    let mut side = SideData::default();
    side.embeddings.insert("text".to_owned(), Arc::new(matrix));
    side
}

pub(in crate::model) fn small() -> ModelOptions {
    ModelOptions::new()
        .with("factors", OptionValue::Int(8))
        .with("batch", OptionValue::Int(256))
        .with("learning_rate", OptionValue::Real(0.01))
}

fn train(name: &str, data: &Dataset, options: &ModelOptions, seed: u64) -> Box<dyn Model> {
    fit(name, data, &side(), options, seed, &Work::quiet()).unwrap()
}

pub(in crate::model) fn found(model: &dyn Model, data: &Dataset, cases: &[evaluate::Case]) -> f64 {
    let task = evaluate::Task { items: &data.items, among: None, cases, groups: &[], side: None };
    let metrics = [Metric::Recall(20)];
    evaluate(&[model], &task, &metrics, &Work::quiet()).unwrap().value(0, metrics[0]).unwrap()
}

#[test]
fn planted_preferences_are_found() {
    let (data, cases) = planted();
    let popular = train("popular", &data, &ModelOptions::new(), 0);
    assert!(found(popular.as_ref(), &data, &cases) < 0.4);
    for name in TRAINED {
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
    for name in TRAINED {
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
    for name in TRAINED {
        let model = train(name, &data, &small(), 0);
        assert_eq!(model.notes(), ["nothing could be hidden; 30 epochs"]);
    }
}

/// How often a person's scores put an item of their taste before another of those given.
fn order(model: &dyn Model, data: &Dataset, side: &SideData, among: &[u64]) -> f64 {
    let (mut right, mut all) = (0.0, 0.0);
    for (user, (items, weights)) in data.by_user.rows().enumerate() {
        let history: Vec<(u32, f32)> = items.iter().copied().zip(weights.iter().copied()).collect();
        let history = History::new(&history);
        let input = ScoreInput { history, items: &data.items, side, vectors: &[] };
        let mut out = vec![0.0; data.n_items()];
        model.score(&input, &mut out);
        let own = |item: &&u64| **item % GROUPS == data.users[user].0 % GROUPS;
        for liked in among.iter().filter(own) {
            for other in among.iter().filter(|item| !own(item)) {
                right += f64::from(u8::from(out[*liked as usize] > out[*other as usize]));
                all += 1.0;
            }
        }
    }
    right / all
}

/// Two items of each taste.
const COLD: [u64; 8] = [4, 5, 6, 11, 40, 41, 42, 43];

/// The same without the pairs of these.
fn without_cold(data: &Dataset) -> Dataset {
    let kept = data.by_user.rows().enumerate().flat_map(|(user, (items, _))| {
        let kept = items.iter().filter(|item| !COLD.contains(&u64::from(**item)));
        kept.map(move |item| (UserId(user as u64), ItemId(u64::from(*item)), 1.0, None))
    });
    Dataset::build((0..80).map(ItemId).collect(), kept.collect::<Vec<_>>()).unwrap()
}

#[test]
fn items_that_nobody_had_are_ranked_by_their_content() {
    let data = without_cold(&planted().0);
    for name in CONTENT {
        let model = train(name, &data, &small(), 0);
        let found = order(model.as_ref(), &data, &side(), &COLD);
        // The embeddings of bm3 are foretold from, not a part of the vectors.
        let least = if name == "bm3" { 0.7 } else { 0.9 };
        assert!(found > least, "{name} puts {found} in order");
    }
}

#[test]
fn without_embeddings_it_says_what_needs_none() {
    let (data, _) = planted();
    let mut others = SideData::default();
    let mut matrix = EmbeddingMatrix::new("text", 2);
    matrix.set(ItemId(1000), &[1.0, 2.0]).unwrap();
    others.embeddings.insert("text".to_owned(), Arc::new(matrix));
    for name in CONTENT {
        for side in [&SideData::default(), &others] {
            let result = fit(name, &data, side, &small(), 0, &Work::quiet()).map(drop);
            let Err(Error::EmptyTraining { algorithm, why }) = result else { panic!("{result:?}") };
            assert_eq!(algorithm, name);
            assert!(why.ends_with("needs none"), "{why}");
        }
        let wrong = |text: &str| small().with("modalities", OptionValue::Text(text.to_owned()));
        let result = fit(name, &data, &side(), &wrong("text:0"), 0, &Work::quiet()).map(drop);
        assert!(matches!(result, Err(Error::InvalidOption { .. })), "{result:?}");
        let result = fit(name, &data, &side(), &wrong("sound"), 0, &Work::quiet()).map(drop);
        assert!(matches!(result, Err(Error::NoSuchModality { .. })), "{result:?}");
    }
}

#[test]
fn alike_and_duplicate_embeddings_are_borne() {
    let (data, cases) = planted();
    let mut flat = EmbeddingMatrix::new("flat", 3);
    (0..80).for_each(|item| flat.set(ItemId(item), &[1.0, 2.0, 3.0]).unwrap());
    let mut side = SideData::default();
    side.embeddings.insert("flat".to_owned(), Arc::new(flat));
    for name in CONTENT {
        let model = fit(name, &data, &side, &small(), 0, &Work::quiet()).unwrap();
        let found = found(model.as_ref(), &data, &cases);
        assert!(found > 0.8, "{name} finds {found}");
    }
}

#[test]
fn comparisons_can_be_denoised_and_debiased() {
    let (data, cases) = planted();
    for name in TRAINED.into_iter().filter(|name| !matches!(*name, "bm3" | "cm3")) {
        let mut seen = Vec::new();
        for (option, word) in [("denoise", "none"), ("denoise", "pld"), ("debias", "ips")] {
            let options = small().with(option, OptionValue::Text(word.to_owned()));
            let model = train(name, &data, &options, 0);
            let found = found(model.as_ref(), &data, &cases);
            assert!(found > 0.8, "{name} with {option} = {word} finds {found}");
            let mut bytes = Vec::new();
            model.save(&mut bytes).unwrap();
            assert!(!seen.contains(&bytes), "{name} is the same with {option} = {word}");
            seen.push(bytes);
        }
    }
}

#[test]
fn every_pair_of_everybody_is_not_too_much() {
    let pairs = (0..60u64).map(|at| (UserId(at / 6), ItemId(at % 6), 1.0, None));
    let data = Dataset::build((0..6).map(ItemId).collect(), pairs).unwrap();
    let few = small().with("epochs", OptionValue::Int(5));
    for name in TRAINED {
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
        for name in TRAINED {
            let result = check_options(name, &options);
            // The seed is TRAIN's, layers are those of smoothing, bm3 and cm3 have no others.
            let named = match &result {
                Err(Error::InvalidOption { option: own, .. }) => own == option,
                Err(Error::NoSuchOption { option: own, .. }) => {
                    let layers = option == "layers" && matches!(name, "bpr" | "vbpr");
                    let others = option == "negatives" && matches!(name, "bm3" | "cm3");
                    own == option && (option == "seed" || layers || others)
                }
                _ => false,
            };
            assert!(named, "{name} {option}: {result:?}");
        }
    }
}

/// A tenth of the pairs is new, of users who are known and of ten who are not, and two items are.
#[test]
fn a_refresh_goes_on_and_ranks_as_a_training_on_all_does() {
    let (data, cases) = planted();
    let part = |keep: &dyn Fn(u64, u64) -> bool, items: u64| {
        let rows = data.users.iter().zip(data.by_user.rows());
        let pairs = rows.flat_map(|(user, (items, _))| {
            let own = items.iter().map(|item| u64::from(*item));
            own.map(|item| (*user, ItemId(item), 1.0, None)).collect::<Vec<_>>()
        });
        let pairs: Vec<crate::Pair> = pairs.filter(|pair| keep(pair.0.0, pair.1.0)).collect();
        Dataset::build((0..items).map(ItemId).collect(), pairs).unwrap()
    };
    let old =
        part(&|user, item| user < 230 && item < 78 && !number(user, item).is_multiple_of(15), 78);
    let new = 1.0 - old.n_pairs() as f64 / data.n_pairs() as f64;
    assert!((0.08..0.2).contains(&new), "{new} is new");
    for name in TRAINED {
        let first = train(name, &old, &small(), 0);
        let mut bytes = Vec::new();
        first.save(&mut bytes).unwrap();
        let first = load(Arc::new(bytes)).unwrap();
        let side = side();
        let news = crate::model::News::new(data.items.clone(), &side, None, || Ok(data.clone()));
        let refreshed = crate::model::refresh(first.as_ref(), &news, 0, &Work::quiet()).unwrap();
        assert!(refreshed.how.ends_with(&told(name, 2)), "{name}: {}", refreshed.how);
        assert_eq!(refreshed.model.options(), first.options());
        assert_eq!(refreshed.model.notes(), first.notes());
        let trained = found(train(name, &data, &small(), 0).as_ref(), &data, &cases);
        let own = found(refreshed.model.as_ref(), &data, &cases);
        // `bm3` learns nothing more, and `cm3` less than it would have to.
        let less = match name {
            "bm3" => 0.05,
            "cm3" => 0.03,
            _ => 0.02,
        };
        assert!(own > trained - less, "{name}: {own} instead of {trained}, {}", refreshed.how);
        // It can be refreshed again.
        let again = crate::model::refresh(refreshed.model.as_ref(), &news, 0, &Work::quiet());
        assert!(again.unwrap().how.ends_with(&told(name, 0)));
    }
}

/// How a refresh ends, in words.
fn told(name: &str, new: usize) -> String {
    let how = if name == "bm3" { "made again from what was learned" } else { " epochs more" };
    format!("{how}, {new} new items")
}

/// Nothing was learned of them, and they have no embeddings.
#[test]
fn items_that_somebody_has_at_last_are_ranked_by_who_that_is() {
    let (data, _) = planted();
    let old = without_cold(&data);
    let mut side = side();
    let mut text = EmbeddingMatrix::clone(&side.embeddings["text"]);
    COLD.iter().for_each(|item| text.remove(ItemId(*item)));
    side.embeddings.insert("text".to_owned(), Arc::new(text));
    for name in TRAINED {
        let first = fit(name, &old, &side, &small(), 0, &Work::quiet()).unwrap();
        let news = crate::model::News::new(data.items.clone(), &side, None, || Ok(data.clone()));
        let refreshed = crate::model::refresh(first.as_ref(), &news, 0, &Work::quiet()).unwrap();
        assert!(refreshed.how.ends_with(&told(name, 0)), "{name}: {}", refreshed.how);
        let found = order(refreshed.model.as_ref(), &data, &side, &COLD);
        let least = if name == "bm3" { 0.8 } else { 0.9 };
        assert!(found > least, "{name} puts {found} in order");
    }
}

/// Maps of vectors are of as many numbers as those have: with others there is nothing to go on from.
#[test]
fn a_refresh_with_vectors_of_another_kind_starts_over() {
    let (data, _) = planted();
    let few = small().with("epochs", OptionValue::Int(2));
    let mut wider = side();
    let mut image = EmbeddingMatrix::new("image", 3);
    for item in 0..80u64 {
        let vector = [0, 1, 2].map(|at| (number(item + 5, at) % 1000) as f32 / 1000.0 - 0.5);
        image.set(ItemId(item), &vector).unwrap();
    }
    wider.embeddings.insert("image".to_owned(), Arc::new(image));
    let first = train("lirdrec", &data, &few, 0);
    let news = crate::model::News::new(data.items.clone(), &wider, None, || Ok(data.clone()));
    let refreshed = crate::model::refresh(first.as_ref(), &news, 0, &Work::quiet()).unwrap();
    assert_eq!(refreshed.how, "fitted again with the same settings");
    assert!(refreshed.anew);
    let trained = fit("lirdrec", &data, &wider, &few, 0, &Work::quiet()).unwrap();
    let bytes = |model: &dyn Model| {
        let mut bytes = Vec::new();
        model.save(&mut bytes).unwrap();
        bytes
    };
    assert!(bytes(refreshed.model.as_ref()) == bytes(trained.as_ref()));
}
