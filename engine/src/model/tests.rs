//! Models against plain dense computations of their definitions, and what all of them must keep.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::atomic::{AtomicU64, Ordering};

use proptest::prelude::*;
use tastedb_storage::UserId;

use super::*;
use crate::{CancelToken, EmbeddingMatrix, History, Progress, top_k};

const DAY: i64 = 86_400_000_000;

/// A small world: item ids are 10, 20, 30, … so that rows and ids differ.
fn dataset(pairs: &[(u64, u64, f32)], n_items: u64) -> Dataset {
    let items = (0..n_items).map(|row| ItemId(10 * row + 10)).collect();
    let pairs = pairs.iter().enumerate().map(|(at, (user, row, weight))| {
        (UserId(*user), ItemId(10 * row + 10), *weight, Some(at as i64 * DAY))
    });
    Dataset::build(items, pairs).unwrap()
}

fn random_pairs() -> impl Strategy<Value = Vec<(u64, u64, f32)>> {
    prop::collection::vec((0u64..9, 0u64..11, 1u8..5), 1..90)
        .prop_map(|pairs| pairs.into_iter().map(|(u, i, w)| (u, i, f32::from(w))).collect())
}

fn some_pairs() -> Vec<(u64, u64, f32)> {
    (0..60u64).map(|at| (at * 7 % 13, (at * at + at / 3) % 11, 1.0 + (at % 3) as f32)).collect()
}

fn side() -> SideData {
    let mut side = SideData::default();
    for (name, dim) in [("image", 3), ("text", 5)] {
        let mut matrix = EmbeddingMatrix::new(name, dim);
        // Item 40 has no image, item 50 has nothing.
        for row in (0..11u64).filter(|row| *row != 4 && !(name == "image" && *row == 3)) {
            let vector: Vec<f32> =
                (0..dim as u64).map(|at| ((row * 31 + at * 17) % 13) as f32 - 5.5).collect();
            matrix.set(ItemId(10 * row + 10), &vector).unwrap();
        }
        side.embeddings.insert(name.to_owned(), Arc::new(matrix));
    }
    side
}

fn size(users: u64, items: u64, pairs: u64) -> Size {
    Size { users, items, pairs, embeddings: 11 * 3 }
}

fn text(word: &str) -> OptionValue {
    OptionValue::Text(word.to_owned())
}

fn train(name: &str, data: &Dataset, options: &ModelOptions) -> Box<dyn Model> {
    fit(name, data, &side(), options, 0, &Work::quiet()).unwrap()
}

fn scores(model: &dyn Model, items: &[ItemId], history: &[(u32, f32)]) -> (Served, Vec<f32>) {
    let side = side();
    let input = ScoreInput { history: History::new(history), items, side: &side, vectors: &[] };
    let mut out = vec![7.0; items.len()];
    let served = model.score(&input, &mut out);
    (served, out)
}

fn close(got: &[f32], expected: &[f64], tolerance: f64) -> Result<(), String> {
    for (at, (got, expected)) in got.iter().zip(expected).enumerate() {
        let same = (f64::from(*got) - expected).abs() <= tolerance * (1.0 + expected.abs());
        let both_unscored = got.is_nan() && expected.is_nan();
        if !(same || both_unscored) {
            return Err(format!("row {at}: {got} instead of {expected}"));
        }
    }
    Ok(())
}

/// The matrix of interactions, users by items.
fn dense(data: &Dataset) -> Vec<Vec<f64>> {
    let mut rows = vec![vec![0.0; data.n_items()]; data.n_users()];
    for (row, (items, weights)) in rows.iter_mut().zip(data.by_user.rows()) {
        for (item, weight) in items.iter().zip(weights) {
            row[*item as usize] = f64::from(*weight);
        }
    }
    rows
}

/// The inverse of a small matrix by elimination.
fn inverse(mut a: Vec<Vec<f64>>) -> Vec<Vec<f64>> {
    let n = a.len();
    for (at, row) in a.iter_mut().enumerate() {
        row.extend((0..n).map(|other| f64::from(u8::from(at == other))));
    }
    for pivot in 0..n {
        let factor = a[pivot][pivot].recip();
        a[pivot].iter_mut().for_each(|value| *value *= factor);
        let row = a[pivot].clone();
        for (at, other) in a.iter_mut().enumerate() {
            let factor = other[pivot];
            if at != pivot {
                other.iter_mut().zip(&row).for_each(|(value, own)| *value -= factor * own);
            }
        }
    }
    a.into_iter().map(|row| row[n..].to_vec()).collect()
}

fn ease_oracle(
    data: &Dataset,
    lambda: f64,
    a: f64,
    binary: bool,
    history: &[(u32, f32)],
) -> Vec<f64> {
    let n = data.n_items();
    let x: Vec<Vec<f64>> = dense(data)
        .into_iter()
        .map(|row| {
            row.into_iter().map(|x| if binary { f64::from(u8::from(x > 0.0)) } else { x }).collect()
        })
        .collect();
    let mean = data.n_pairs() as f64 / data.n_users() as f64;
    let mut gram = vec![vec![0.0; n]; n];
    for (user, row) in x.iter().enumerate() {
        let weight = (data.by_user.degree(user) as f64 / mean).powf(-2.0 * a);
        for i in 0..n {
            for j in 0..n {
                gram[i][j] += weight * row[i] * row[j];
            }
        }
    }
    (0..n).for_each(|i| gram[i][i] += lambda);
    let p = inverse(gram);
    let mut own = vec![0.0; n];
    history.iter().for_each(|(row, weight)| own[*row as usize] += f64::from(*weight));
    if binary {
        own.iter_mut().for_each(|x| *x = if *x == 0.0 { 0.0 } else { x.signum() });
    }
    let column =
        |j: usize| (0..n).map(|i| if i == j { 0.0 } else { -own[i] * p[i][j] / p[j][j] }).sum();
    (0..n).map(column).collect()
}

fn knn_oracle(data: &Dataset, weighting: &str, k: usize, history: &[(u32, f32)]) -> Vec<f64> {
    let (n, x) = (data.n_items(), dense(data));
    let idf = |user: usize| (n as f64 / (1.0 + data.by_user.degree(user) as f64)).ln();
    let sums: Vec<f64> = (0..n).map(|i| x.iter().map(|row| row[i]).sum()).collect();
    let mean = sums.iter().sum::<f64>() / n as f64;
    let mut w: Vec<Vec<f64>> = (0..n)
        .map(|i| {
            let weigh = |(user, row): (usize, &Vec<f64>)| match weighting {
                _ if row[i] == 0.0 => 0.0,
                "bm25" => row[i] * 2.2 / (1.2 * (0.6 + 0.4 * sums[i] / mean) + row[i]) * idf(user),
                "tfidf" => row[i].sqrt() * idf(user),
                _ => row[i],
            };
            x.iter().enumerate().map(weigh).collect()
        })
        .collect();
    if weighting != "bm25" {
        for column in &mut w {
            let norm = column.iter().map(|value| value * value).sum::<f64>().sqrt();
            column.iter_mut().for_each(|value| *value /= if norm > 0.0 { norm } else { 1.0 });
        }
    }
    let mut out = vec![0.0; n];
    for (row, weight) in history {
        let own = &w[*row as usize];
        let mut near: Vec<(usize, f64)> =
            (0..n).map(|j| (j, own.iter().zip(&w[j]).map(|(a, b)| a * b).sum())).collect();
        near.retain(|(_, similarity)| *similarity != 0.0);
        near.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        near.truncate(k);
        near.into_iter().for_each(|(j, similarity)| out[j] += f64::from(*weight) * similarity);
    }
    out.into_iter().map(|score| if score == 0.0 { f64::NAN } else { score }).collect()
}

/// The k links of an item that are largest; `None` where it takes more than ours to tell which.
fn cut(mut links: Vec<f64>, k: usize) -> Option<Vec<f64>> {
    let mut sizes: Vec<f64> = links.iter().map(|link| link.abs()).collect();
    sizes.sort_by(|a, b| b.total_cmp(a));
    let (least, next) = (sizes[k - 1], sizes.get(k).copied().unwrap_or(0.0));
    links.iter_mut().filter(|link| link.abs() < least).for_each(|link| *link = 0.0);
    (least < 1e-9 || least - next > 1e-5).then_some(links)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn sparse_ease_keeps_the_strongest_links_of_each_item(
        pairs in random_pairs(), a in 0.0f64..1.0, k in 1usize..12,
    ) {
        let data = dataset(&pairs, 11);
        let options = sparse(k as i64).with("user_exponent", OptionValue::Real(a));
        let model = train("ease", &data, &options);
        prop_assert_eq!(model.algorithm(), "ease");
        let links = [2, 5, 7]
            .map(|row| cut(ease_oracle(&data, 3.0, a, true, &[(row, 1.0)]), k));
        prop_assume!(links.iter().all(Option::is_some));
        let links = links.map(Option::unwrap);
        let history = [(2, 1.0), (5, 2.0), (2, 3.0), (7, -1.0)];
        let (_, got) = scores(model.as_ref(), &data.items, &history);
        for (row, got) in got.iter().enumerate() {
            let expected = links[0][row] + links[1][row] - links[2][row];
            let got = if got.is_nan() { 0.0 } else { f64::from(*got) };
            prop_assert!((got - expected).abs() < 1e-5, "{row}: {got} instead of {expected}");
        }
    }

    #[test]
    fn ease_is_its_closed_form(
        pairs in random_pairs(), a in 0.0f64..1.0, binary in any::<bool>(), dislike in any::<bool>(),
    ) {
        let data = dataset(&pairs, 11);
        let options = ModelOptions::new()
            .with("lambda", OptionValue::Real(3.0))
            .with("user_exponent", OptionValue::Real(a))
            .with("weighting", text(if binary { "binary" } else { "weighted" }));
        let model = train("ease", &data, &options);
        let history = [(2, 1.0), (5, 2.0), (2, 3.0), (7, if dislike { -1.0 } else { 1.0 })];
        let (served, got) = scores(model.as_ref(), &data.items, &history);
        prop_assert_eq!(served, Served::Dense);
        let expected = ease_oracle(&data, 3.0, a, binary, &history);
        prop_assert_eq!(close(&got, &expected, 1e-5), Ok(()));
    }

    #[test]
    fn item_knn_is_a_sum_of_similarities(pairs in random_pairs(), which in 0usize..3) {
        let data = dataset(&pairs, 11);
        let weighting = ["bm25", "tfidf", "cosine"][which];
        let options = ModelOptions::new()
            .with("weighting", text(weighting))
            .with("b", OptionValue::Real(0.4));
        let model = train("item_knn", &data, &options);
        let history = [(2, 1.0), (5, 2.0)];
        let (_, got) = scores(model.as_ref(), &data.items, &history);
        let expected = knn_oracle(&data, weighting, 400, &history);
        for (got, expected) in got.iter().zip(expected) {
            let nothing = expected.is_nan() || expected.abs() < 1e-9;
            let same = (f64::from(*got) - expected).abs() < 1e-4 * (1.0 + expected.abs());
            prop_assert!(same || (nothing && (got.is_nan() || got.abs() < 1e-6)));
        }
    }
}

#[test]
fn item_knn_keeps_the_k_nearest_and_itself() {
    let data = dataset(&some_pairs(), 11);
    let options =
        ModelOptions::new().with("weighting", text("cosine")).with("k", OptionValue::Int(4));
    let model = train("item_knn", &data, &options);
    for row in 0..11 {
        let (_, got) = scores(model.as_ref(), &data.items, &[(row, 1.0)]);
        close(&got, &knn_oracle(&data, "cosine", 4, &[(row, 1.0)]), 1e-5).unwrap();
        assert!(got.iter().filter(|score| !score.is_nan()).count() <= 4);
        if data.by_item.degree(row as usize) > 0 {
            assert!((got[row as usize] - 1.0).abs() < 1e-6);
        }
    }
}

#[test]
fn popular_counts_users_or_adds_weights() {
    let data = dataset(&[(1, 0, 1.0), (2, 0, 1.0), (1, 2, 5.0), (1, 2, 2.0)], 4);
    let (served, got) =
        scores(train("popular", &data, &ModelOptions::new()).as_ref(), &data.items, &[]);
    assert_eq!((served, got), (Served::Dense, vec![2.0, 0.0, 1.0, 0.0]));
    let weights = ModelOptions::new().with("count", text("weights"));
    let (_, got) = scores(train("popular", &data, &weights).as_ref(), &data.items, &[]);
    assert_eq!(got, [2.0, 0.0, 7.0, 0.0]);
}

#[test]
fn trending_halves_with_age() {
    // Interactions are a day apart, the last is the reference.
    let data = dataset(&[(1, 0, 1.0), (2, 1, 1.0), (3, 1, 4.0), (4, 2, 1.0)], 3);
    let options = ModelOptions::new().with("half_life", OptionValue::Int(1));
    let (_, got) = scores(train("trending", &data, &options).as_ref(), &data.items, &[]);
    assert_eq!(got, [0.125, 0.75, 1.0]);
    let timeless = Dataset::build(vec![ItemId(1)], [(UserId(1), ItemId(1), 1.0, None)]).unwrap();
    let result = fit("trending", &timeless, &side(), &options, 0, &Work::quiet()).map(drop);
    assert!(matches!(result, Err(Error::EmptyTraining { algorithm: "trending", .. })));
}

#[test]
fn latest_follows_the_catalogue_and_the_given_order() {
    let data = dataset(&[], 3);
    let live: Vec<ItemId> = [5, 10, 20, 30, 31].map(ItemId).to_vec();
    let order = |model: &dyn Model| {
        let (_, got) = scores(model, &live, &[]);
        top_k(&got, 9, crate::Allow::All).iter().map(|s| live[s.row as usize].0).collect::<Vec<_>>()
    };
    let by_id = train("latest", &data, &ModelOptions::new());
    assert_eq!(order(by_id.as_ref()), [31, 30, 20, 10, 5]);
    let created = vec![(ItemId(10), 500), (ItemId(20), 300), (ItemId(30), 400)];
    let given = SideData { created, ..side() };
    let by_time = fit("latest", &data, &given, &ModelOptions::new(), 0, &Work::quiet()).unwrap();
    assert_eq!(order(by_time.as_ref()), [31, 5, 10, 30, 20]);
}

#[test]
fn content_is_cosine_with_the_mean_of_the_history() {
    let data = dataset(&some_pairs(), 11);
    let side = side();
    let options = ModelOptions::new().with("modalities", text("image:0.5, text"));
    let history = [(0u32, 1.0f32), (3, 2.0), (4, 1.0), (8, -1.0)];
    for kind in ["mean", "max"] {
        let model = train("content", &data, &options.clone().with("history", text(kind)));
        let (served, got) = scores(model.as_ref(), &data.items, &history);
        assert_eq!(served, Served::Touched);
        let mut expected = vec![f64::NAN; 11];
        for (name, factor) in [("image", 0.5), ("text", 1.0)] {
            let matrix = &side.embeddings[name];
            let vectors: Vec<(Vec<f64>, f64)> = history
                .iter()
                .filter_map(|(row, weight)| {
                    let vector = matrix.get(data.items[*row as usize])?;
                    Some((vector.iter().map(|x| f64::from(*x)).collect(), f64::from(*weight)))
                })
                .collect();
            let dot = |a: &[f64], b: &[f32]| -> f64 {
                a.iter().zip(b).map(|(a, b)| a * f64::from(*b)).sum()
            };
            let mut mean = vec![0.0; matrix.dim()];
            for (vector, weight) in &vectors {
                mean.iter_mut().zip(vector).for_each(|(sum, x)| *sum += x * weight);
            }
            let norm = mean.iter().map(|x| x * x).sum::<f64>().sqrt();
            for (row, item) in data.items.iter().enumerate() {
                let Some(own) = matrix.get(*item) else { continue };
                let near = match kind {
                    "mean" => dot(&mean, own) / norm,
                    _ => vectors
                        .iter()
                        .filter(|(_, weight)| *weight > 0.0)
                        .map(|(vector, _)| dot(vector, own))
                        .fold(f64::NEG_INFINITY, f64::max),
                };
                let sum = if expected[row].is_nan() { 0.0 } else { expected[row] };
                expected[row] = sum + factor * near;
            }
        }
        close(&got, &expected, 1e-5).unwrap();
        assert!(got[4].is_nan(), "an item without an embedding is not scored");
    }
}

#[test]
fn content_by_distance_or_product_looks_at_embeddings_as_they_are() {
    let data = dataset(&some_pairs(), 11);
    let history = [(0u32, 1.0f32), (3, 2.0), (8, -1.0)];
    for metric in [Similarity::L2, Similarity::InnerProduct] {
        let mut side = SideData::default();
        let mut matrix = EmbeddingMatrix::to_compare("text", 5, metric);
        for row in (0..11u64).filter(|row| *row != 4) {
            let vector: Vec<f32> =
                (0..5u64).map(|at| ((row * 31 + at * 17) % 13) as f32 - 5.5).collect();
            matrix.set(ItemId(10 * row + 10), &vector).unwrap();
        }
        side.embeddings.insert("text".to_owned(), Arc::new(matrix.clone()));
        for kind in ["mean", "max"] {
            let options = ModelOptions::new()
                .with("modalities", text("text"))
                .with("history", text(kind))
                .with("metric", text(metric.name()));
            let model = fit("content", &data, &side, &options, 0, &Work::quiet()).unwrap();
            assert_eq!(model.similarity(), metric);
            let mut bytes = Vec::new();
            model.save(&mut bytes).unwrap();
            assert_eq!(load(Arc::new(bytes)).unwrap().similarity(), metric);
            let own: Vec<(&[f32], f32)> = history
                .iter()
                .map(|(row, weight)| (matrix.get(data.items[*row as usize]).unwrap(), *weight))
                .collect();
            let near = |a: &[f64], b: &[f32]| -> f64 {
                let both = a.iter().zip(b).map(|(a, b)| (*a, f64::from(*b)));
                match metric {
                    Similarity::L2 => -both.map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt(),
                    _ => both.map(|(a, b)| a * b).sum(),
                }
            };
            let wide = |of: &[f32]| of.iter().map(|x| f64::from(*x)).collect::<Vec<f64>>();
            let mean: Vec<f64> = (0..5)
                .map(|d| own.iter().map(|(of, w)| f64::from(of[d] * w)).sum::<f64>() / 4.0)
                .collect();
            let expected = data.items.iter().map(|item| match (matrix.get(*item), kind) {
                (None, _) => f64::NAN,
                (Some(row), "mean") => near(&mean, row),
                (Some(row), _) => {
                    let liked = own.iter().filter(|(_, weight)| *weight > 0.0);
                    liked.map(|(of, _)| near(&wide(of), row)).fold(f64::NEG_INFINITY, f64::max)
                }
            });
            let expected: Vec<f64> = expected.collect();
            let input = ScoreInput {
                history: History::new(&history),
                items: &data.items,
                side: &side,
                vectors: &[],
            };
            let mut out = vec![0.0; 11];
            assert_eq!(model.score(&input, &mut out), Served::Touched);
            close(&out, &expected, 1e-5).unwrap();
            let best = model.explain(&input, 3, 3);
            assert_eq!(best[0].entry, 1, "what is the item itself speaks most for it: {best:?}");
            // Found without scoring all, the best are the same.
            let mut allowed = FixedBitSet::with_capacity(11);
            allowed.extend([1, 4, 5, 9]);
            let wanted = Wanted { similar: None, k: 2, allowed: &allowed, n_allowed: 1 };
            let found = model.retrieve(&input, &wanted).unwrap();
            assert_eq!(found.rows, top_k(&out, 2, crate::Allow::Bits(&allowed)), "{metric} {kind}");
        }
    }
    let several = ModelOptions::new().with("metric", text("l2"));
    let refused = fit("content", &data, &side(), &several, 0, &Work::quiet()).map(drop);
    assert!(matches!(refused, Err(Error::InvalidOption { option, .. }) if option == "metric"));
}

#[test]
fn content_serves_an_item_and_a_vector_that_training_never_saw() {
    let data = dataset(&some_pairs(), 11);
    let model = train("content", &data, &ModelOptions::new().with("modalities", text("text")));
    let mut side = side();
    let mut matrix = (*side.embeddings["text"]).clone();
    matrix.set(ItemId(999), &[1.0, 2.0, 3.0, 4.0, 5.0]).unwrap();
    side.embeddings.insert("text".to_owned(), Arc::new(matrix));
    let mut items = data.items.clone();
    items.push(ItemId(999));
    let vector = [1.0, 2.0, 3.0, 4.0, 5.0];
    let vectors: [(&str, &[f32]); 1] = [("text", &vector)];
    let input =
        ScoreInput { history: History::default(), items: &items, side: &side, vectors: &vectors };
    let mut out = vec![0.0; 12];
    assert_eq!(model.score(&input, &mut out), Served::Touched);
    assert!((out[11] - 1.0).abs() < 1e-6);
    assert_eq!(top_k(&out, 1, crate::Allow::All)[0].row, 11);
    let unknown = ModelOptions::new().with("modalities", text("sound"));
    let result = fit("content", &data, &side, &unknown, 0, &Work::quiet()).map(drop);
    assert!(matches!(result, Err(Error::NoSuchModality { name, .. }) if name == "sound"));
}

/// `ease` with so many links of each item.
fn sparse(k: i64) -> ModelOptions {
    ModelOptions::new()
        .with("lambda", OptionValue::Real(3.0))
        .with("form", text("sparse"))
        .with("k", OptionValue::Int(k))
}

/// One model of each algorithm, and of each form of one.
fn one_of_each() -> Vec<Box<dyn Model>> {
    let data = dataset(&some_pairs(), 11);
    let own = algorithms().iter().map(|own| train(own.name, &data, &ModelOptions::new()));
    own.chain([train("ease", &data, &sparse(5))]).collect()
}

#[test]
fn every_model_comes_back_from_its_bytes() {
    let data = dataset(&some_pairs(), 11);
    let history = [(1, 1.0), (6, 2.0), (9, 1.0)];
    for model in one_of_each() {
        let mut bytes = Vec::new();
        model.save(&mut bytes).unwrap();
        let back = load(Arc::new(bytes)).unwrap();
        assert_eq!(back.algorithm(), model.algorithm());
        assert_eq!(back.items(), model.items());
        assert_eq!(back.options(), model.options());
        assert_eq!(back.is_live(), model.is_live());
        let bits = |(served, scores): (Served, Vec<f32>)| {
            (served, scores.into_iter().map(f32::to_bits).collect::<Vec<_>>())
        };
        assert_eq!(
            bits(scores(back.as_ref(), &data.items, &history)),
            bits(scores(model.as_ref(), &data.items, &history)),
            "{}",
            model.algorithm()
        );
    }
}

#[test]
fn no_damaged_bytes_make_a_model_panic() {
    let data = dataset(&some_pairs(), 11);
    for model in one_of_each() {
        let mut bytes = Vec::new();
        model.save(&mut bytes).unwrap();
        let try_it = |bytes: Vec<u8>| {
            if let Ok(model) = load(Arc::new(bytes)) {
                let n = if model.is_live() { 11 } else { model.items().len() };
                scores(model.as_ref(), &data.items[..n.min(11)], &[(1, 1.0), (40, 1.0)]);
            }
        };
        let step = (bytes.len() / 300).max(1);
        for at in (0..bytes.len().min(1000)).chain((0..bytes.len()).step_by(step)) {
            try_it(bytes[..at].to_vec());
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x41;
            try_it(damaged);
        }
    }
}

#[test]
fn shares_say_which_entries_carried_the_score() {
    let data = dataset(&some_pairs(), 11);
    let side = side();
    let history = [1, 6, 9, 2, 7, 0, 3, 8, 400].map(|row| (row, 1.0));
    for name in [
        "ease", "ials", "item_knn", "content", "bpr", "lightgcn", "ngcf", "vbpr", "freedom",
        "lattice", "bm3", "mmhcl", "lirdrec", "cm3",
    ] {
        let lambda = ModelOptions::new().with("lambda", OptionValue::Real(1.0));
        let options = if name == "ease" { lambda } else { ModelOptions::new() };
        let model = train(name, &data, &options);
        let input = ScoreInput {
            history: History::new(&history),
            items: &data.items,
            side: &side,
            vectors: &[],
        };
        let reasons: Vec<Vec<Reason>> = (0..11).map(|row| model.explain(&input, row, 9)).collect();
        assert!(reasons.iter().any(|reasons| reasons.len() > 1), "{name} never has two reasons");
        for (row, reasons) in reasons.iter().enumerate() {
            let sum: f32 = reasons.iter().map(|reason| reason.share).sum();
            assert!(reasons.is_empty() || (sum - 1.0).abs() < 1e-5);
            assert!(reasons.windows(2).all(|pair| pair[0].share >= pair[1].share));
            assert!(reasons.iter().all(|reason| reason.entry < 8));
            let best = model.explain(&input, row as u32, 1);
            assert_eq!(best.first(), reasons.first());
            assert_eq!(
                reasons.iter().any(|r| r.modality.is_some()),
                name == "content" && !reasons.is_empty()
            );
        }
    }
}

#[test]
fn similar_items_leave_the_item_itself_out() {
    let data = dataset(&some_pairs(), 11);
    let side = side();
    let input =
        ScoreInput { history: History::default(), items: &data.items, side: &side, vectors: &[] };
    for name in [
        "ease",
        "graph_filter",
        "item_knn",
        "content",
        "bpr",
        "cm3",
        "lightgcn",
        "lirdrec",
        "mmhcl",
        "ngcf",
        "vbpr",
        "freedom",
        "lattice",
        "bm3",
    ] {
        let model = train(name, &data, &ModelOptions::new());
        let mut out = vec![0.0; 11];
        assert_eq!(model.similar(&input, 2, &mut out), Served::Touched);
        assert!(out[2].is_nan() && out.iter().any(|score| !score.is_nan()), "{name}");
        let (_, alone) = scores(model.as_ref(), &data.items, &[(2, 1.0)]);
        for row in [0, 1, 5, 10] {
            let same = out[row] == alone[row] || (out[row].is_nan() && alone[row].is_nan());
            assert!(same || (out[row] - alone[row]).abs() < 1e-6, "{name} row {row}");
        }
        assert_eq!(model.similar(&input, 400, &mut out), Served::No);
    }
}

#[test]
fn one_score_is_that_of_all() {
    let data = dataset(&some_pairs(), 11);
    let side = side();
    for history in [&[(1, 1.0), (6, 2.0), (9, -1.0), (400, 1.0)][..], &[]] {
        let input = ScoreInput {
            history: History::new(history),
            items: &data.items,
            side: &side,
            vectors: &[],
        };
        for model in one_of_each() {
            let mut all = vec![0.0; 11];
            let served = model.score(&input, &mut all);
            for (row, expected) in all.iter().enumerate() {
                let one = model.score_one(&input, row as u32);
                if served == Served::No || expected.is_nan() {
                    assert_eq!(one, None, "{}", model.algorithm());
                } else {
                    assert!((one.unwrap() - expected).abs() < 1e-5, "{}", model.algorithm());
                }
            }
            assert_eq!(model.score_one(&input, 5000), None);
        }
    }
}

#[test]
fn an_empty_history_is_not_served_by_models_that_need_one() {
    let data = dataset(&some_pairs(), 11);
    for model in one_of_each() {
        let needs = !matches!(model.algorithm(), "latest" | "popular" | "trending");
        let (served, _) = scores(model.as_ref(), &data.items, &[]);
        assert_eq!(served == Served::No, needs, "{}", model.algorithm());
        let (served, _) = scores(model.as_ref(), &data.items, &[(4000, 1.0)]);
        assert_eq!(served == Served::No, needs, "{}", model.algorithm());
    }
}

#[test]
fn threads_do_not_change_a_model() {
    let pairs: Vec<(u64, u64, f32)> =
        (0..9000u64).map(|at| (at * 31 % 601, at * at % 523, 1.0)).collect();
    let data = dataset(&pairs, 523);
    let few = ModelOptions::new().with("epochs", OptionValue::Int(3));
    for (name, options) in [
        ("ease", ModelOptions::new()),
        ("ease", sparse(40)),
        ("ials", ModelOptions::new()),
        ("item_knn", ModelOptions::new()),
        ("bpr", few.clone()),
        ("lightgcn", few.clone()),
        ("mmhcl", few.clone()),
        ("lirdrec", few.clone()),
        ("cm3", few.clone()),
        ("ngcf", few.clone()),
        ("vbpr", few.clone()),
        ("freedom", few.clone()),
        ("lattice", few.clone()),
        ("bm3", few),
    ] {
        let saved = |threads| {
            let work = Work { threads, ..Work::quiet() };
            let model = fit(name, &data, &side(), &options, 0, &work).unwrap();
            let mut bytes = Vec::new();
            model.save(&mut bytes).unwrap();
            bytes
        };
        assert!(saved(1) == saved(4), "{name}");
    }
}

/// Cancels at the n-th report.
struct CancelAt(AtomicU64, CancelToken);

impl Progress for CancelAt {
    fn report(&self, _: &str, _: u64, _: u64, _: &str) {
        if self.0.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.1.cancel();
        }
    }
}

#[test]
fn training_stops_when_cancelled() {
    let pairs: Vec<(u64, u64, f32)> =
        (0..9000u64).map(|at| (at * 31 % 601, at * at % 523, 1.0)).collect();
    let data = dataset(&pairs, 523);
    for name in [
        "ease", "ials", "item_knn", "bpr", "lightgcn", "ngcf", "vbpr", "freedom", "lattice", "bm3",
        "mmhcl",
    ] {
        for at in 1..3 {
            let cancel = CancelToken::new();
            let progress = Arc::new(CancelAt(AtomicU64::new(at), cancel.clone()));
            let work = Work { progress, cancel, ..Work::quiet() };
            let result = fit(name, &data, &side(), &ModelOptions::new(), 0, &work).map(drop);
            assert!(matches!(result, Err(Error::Cancelled)), "{name} at report {at}");
        }
    }
}

#[test]
fn options_are_checked_and_named() {
    let error = |name: &str, options: ModelOptions| match check_options(name, &options) {
        Err(error) => error.to_string(),
        Ok(()) => panic!("{name} took {options:?}"),
    };
    let wrong = ModelOptions::new().with("lamda", OptionValue::Real(1.0));
    assert_eq!(
        error("ease", wrong),
        "`ease` has no option `lamda`; there are lambda, user_exponent, weighting, form, k, \
         memory_limit"
    );
    let wrong = ModelOptions::new().with("lambda", OptionValue::Real(0.0));
    assert!(error("ease", wrong).starts_with("option `lambda` of `ease` cannot be 0;"));
    let wrong = ModelOptions::new().with("lambda", OptionValue::Real(f64::NAN));
    assert!(error("ease", wrong).contains("cannot be NaN"));
    let wrong = ModelOptions::new().with("weighting", text("bm52"));
    assert!(error("item_knn", wrong).ends_with("known: 'bm25', 'cosine', 'tfidf'"));
    let wrong = ModelOptions::new().with("k", OptionValue::Real(2.5));
    assert!(error("item_knn", wrong).contains("must be a whole number, not 2.5"));
    assert!(error("elsa", ModelOptions::new()).starts_with("no algorithm is called `elsa`"));
    let wrong = ModelOptions::new().with("modalities", text("text:heavy"));
    let result =
        fit("content", &dataset(&some_pairs(), 11), &side(), &wrong, 0, &Work::quiet()).map(drop);
    assert!(matches!(result, Err(Error::InvalidOption { option, .. }) if option == "modalities"));
}

#[test]
fn what_cannot_be_trained_says_why() {
    let empty = dataset(&[], 3);
    let names = [
        "ease",
        "graph_filter",
        "ials",
        "item_knn",
        "bpr",
        "cm3",
        "lightgcn",
        "lirdrec",
        "mmhcl",
        "ngcf",
        "vbpr",
        "freedom",
        "lattice",
        "bm3",
    ];
    for name in names {
        let result = fit(name, &empty, &side(), &ModelOptions::new(), 0, &Work::quiet()).map(drop);
        assert!(matches!(result, Err(Error::EmptyTraining { .. })), "{name}");
    }
    let data = dataset(&some_pairs(), 11);
    let little = ModelOptions::new().with("memory_limit", OptionValue::Int(1000));
    let result = fit("graph_filter", &data, &side(), &little, 0, &Work::quiet()).map(drop);
    assert!(matches!(result, Err(Error::TooLarge { limit: 1000, .. })));
    let result = fit("ease", &data, &side(), &little, 0, &Work::quiet()).map(drop);
    let needed = estimate("ease", &size(13, 11, 60), &little, 1).unwrap().bytes;
    match result {
        Err(Error::TooLarge { needed: said, limit: 1000, .. }) => assert_eq!(said, needed),
        other => panic!("{other:?}"),
    }
}

#[test]
fn ease_is_exact_while_that_fits_and_sparse_beyond() {
    let data = dataset(&some_pairs(), 11);
    let form = |options: &ModelOptions| {
        let model = train("ease", &data, options);
        let options = model.options();
        options.into_iter().find_map(|(name, value)| (name == "form").then_some(value)).unwrap()
    };
    let bytes =
        |options: &ModelOptions| estimate("ease", &size(13, 11, 60), options, 1).unwrap().bytes;
    assert_eq!(form(&ModelOptions::new()), text("exact"));
    // Little memory, in which the sparse form still fits.
    let few = bytes(&sparse(1));
    let exact = bytes(&ModelOptions::new());
    assert!(few < exact, "{few} and {exact}");
    let little = ModelOptions::new()
        .with("k", OptionValue::Int(1))
        .with("memory_limit", OptionValue::Int(few as i64));
    assert_eq!(form(&little), text("sparse"));
    let forced = little.with("form", text("exact"));
    let result = fit("ease", &data, &side(), &forced, 0, &Work::quiet()).map(drop);
    assert!(matches!(result, Err(Error::TooLarge { needed, .. }) if needed == exact));
    // The catalogue decides, too.
    let of = |items| estimate("ease", &size(1000, items, 20_000), &ModelOptions::new(), 2).unwrap();
    assert!(of(20_001).model_bytes < of(20_000).model_bytes);
}

#[test]
fn estimates_grow_with_the_catalogue() {
    for algorithm in algorithms() {
        let of = |items| {
            estimate(algorithm.name, &size(1000, items, 20_000), &ModelOptions::new(), 2).unwrap()
        };
        let (small, large) = (of(1000), of(8000));
        assert!(small.bytes > 0 && small.seconds > 0.0);
        assert!(small.bytes < large.bytes && small.seconds <= large.seconds);
    }
}
