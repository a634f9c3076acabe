//! The filter against dense matrices, its counts against counting again, and its choice on a world
//! whose rules are known.

#![expect(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;
use tastedb_storage::UserId;

use super::lazy::{Grid, Powers, Scratch, gains};
use super::*;
use crate::model::holdout::holdouts;
use crate::seeded::fraction;
use crate::{EmbeddingMatrix, History};

fn dataset(pairs: &[(u64, u64)], n_items: u64) -> Dataset {
    let items = (0..n_items).map(|row| ItemId(10 * row + 10)).collect();
    let pairs = pairs.iter().map(|(user, row)| (UserId(*user), ItemId(10 * row + 10), 1.0, None));
    counted(&Dataset::build(items, pairs).unwrap(), 100)
}

fn pairs() -> impl Strategy<Value = Vec<(u64, u64)>> {
    prop::collection::vec((0u64..12, 0u64..9), 1..80).prop_map(|mut pairs| {
        pairs.sort_unstable();
        pairs.dedup();
        pairs
    })
}

fn graph(n: usize) -> ItemGraph {
    let mut matrix = EmbeddingMatrix::new("text", 4);
    for row in 0..n as u64 {
        let vector: Vec<f32> = (0..4).map(|at| fraction(row, at) - 0.5).collect();
        matrix.set(ItemId(10 * row + 10), &vector).unwrap();
    }
    let items: Vec<ItemId> = matrix.ids().to_vec();
    ItemGraph::build(&matrix, &items, 3, &Work::quiet()).unwrap()
}

fn dense(graph: &ItemGraph) -> Vec<Vec<f64>> {
    let n = graph.weights.n_rows();
    let mut rows = vec![vec![0.0; n]; n];
    for (row, (columns, values)) in graph.weights.rows().enumerate() {
        for (column, value) in columns.iter().zip(values) {
            rows[row][*column as usize] = f64::from(*value);
        }
    }
    rows
}

/// C0 in real numbers.
fn co_occurrences(data: &Dataset, exponent: f64) -> Vec<Vec<f64>> {
    let n = data.n_items();
    let mut rows = vec![vec![0.0; n]; n];
    for (items, _) in data.by_user.rows() {
        for i in items {
            for j in items.iter().filter(|j| *j != i) {
                rows[*i as usize][*j as usize] += (items.len() as f64).powf(-2.0 * exponent);
            }
        }
    }
    rows
}

fn times(x: &[f64], matrix: &[Vec<f64>]) -> Vec<f64> {
    (0..matrix.len()).map(|j| x.iter().zip(matrix).map(|(x, row)| x * row[j]).sum()).collect()
}

fn close(got: &[f32], expected: &[f64], what: &str) -> Result<(), TestCaseError> {
    for (at, (got, expected)) in got.iter().zip(expected).enumerate() {
        let far = (f64::from(*got) - expected).abs() > 1e-4 * (1.0 + expected.abs());
        prop_assert!(!far, "{} of item {}: {} instead of {}", what, at, got, expected);
    }
    Ok(())
}

proptest! {
    #[test]
    fn terms_are_products_of_the_dense_matrices(
        pairs in pairs(), a in 0u8..6, s in 0u8..6, t in 0u8..6,
    ) {
        let exponents = Exponents {
            user: f64::from(a) / 5.0, history: f64::from(s) / 5.0, item: f64::from(t) / 5.0,
        };
        let data = dataset(&pairs, 9);
        let degrees = degrees(&data);
        let counts =
            Counts::build(&data.by_user, &data.by_item, exponents.user, &Work::quiet()).unwrap();
        let scales = Scales::new(&degrees, exponents);
        let graphs = [graph(9)];
        let parts = Parts { counts: &counts, graphs: &graphs, scales: &scales, middle: 100 };
        let x = [(1u32, 1f32), (4, 1.0), (7, 1.0)];
        let terms = parts.terms(&x, Wanted { second: true, content: &[true] });

        let c0 = co_occurrences(&data, exponents.user);
        let power = |exponent: f64| -> Vec<f64> {
            let of = |d: &u32| if *d == 0 { 0.0 } else { f64::from(*d).powf(-exponent) };
            degrees.iter().map(of).collect()
        };
        let by = |mut x: Vec<f64>, scale: &[f64]| -> Vec<f64> {
            x.iter_mut().zip(scale).for_each(|(x, scale)| *x *= scale);
            x
        };
        let (history, item, half) =
            (power(exponents.history), power(exponents.item), power(0.5));
        let mut own = vec![0.0; 9];
        x.iter().for_each(|(row, weight)| own[*row as usize] = f64::from(*weight));
        let u = by(own, &history);
        let first = by(times(&u, &c0), &item);
        close(&terms.first, &first, "first")?;
        let second = by(times(&by(first.clone(), &half), &c0), &half);
        close(&terms.second, &second, "second")?;
        let s = dense(&graphs[0]);
        let near = times(&u, &s);
        close(&terms.content[0].near, &near, "near")?;
        close(&terms.content[0].onward, &times(&first, &s), "onward")?;
        close(&terms.content[0].back, &by(times(&near, &c0), &item), "back")?;

        // Columns of what is touched say what those of every item do.
        let spare = Spare::default();
        for second in [false, true] {
            let wanted = Wanted { second, content: &[true] };
            let whole = parts.whole_columns(&x, wanted);
            let touched = parts.touched_columns(&x, wanted, &spare);
            prop_assert_eq!(whole.len(), touched.len());
            for (at, (whole, touched)) in whole.iter().zip(&touched).enumerate() {
                close(&[touched.spread()], &[f64::from(whole.spread())], "spread")?;
                prop_assert_eq!(touched.best(3, &[1, 4]), whole.best(3, &[1, 4]));
                for row in (0..9).filter(|_| second || at != 1) {
                    prop_assert_eq!(touched.value(row), whole.value(row));
                }
            }
        }

        // What the entries of the history add, one by one, is the whole.
        for target in 0..9u32 {
            let (mut one, mut two, mut three) = (0f32, 0f32, [0f32; 3]);
            for (row, weight) in &x {
                let wanted = Wanted { second: true, content: &[true] };
                let own = parts.shares(*row, *weight, target, wanted);
                one += own.first;
                two += own.second;
                three.iter_mut().zip(own.content[0]).for_each(|(sum, own)| *sum += own);
            }
            let alone = parts.terms_of(&x, target, Wanted { second: true, content: &[true] });
            close(&[alone.first, alone.second], &[first[target as usize], second[target as usize]], "alone")?;
            let at = target as usize;
            close(&[one, two], &[first[at], second[at]], "shares")?;
            let whole = &terms.content[0];
            let whole = [whole.near[at], whole.onward[at], whole.back[at]].map(f64::from);
            close(&three, &whole, "shares of content")?;
            close(&alone.content[0], &whole, "content alone")?;
        }
    }

    #[test]
    fn counts_are_symmetric_and_the_same_whatever_the_order(pairs in pairs(), a in 0u8..6) {
        let data = dataset(&pairs, 9);
        let exponent = f64::from(a) / 5.0;
        let counts =
            Counts::build(&data.by_user, &data.by_item, exponent, &Work::quiet()).unwrap();
        let value = |i: usize, j: u32| {
            let (columns, values) = counts.row(i);
            columns.binary_search(&j).map_or(0, |at| values[at])
        };
        let expected = co_occurrences(&data, exponent);
        for (i, expected) in expected.iter().enumerate() {
            prop_assert!(!counts.row(i).0.contains(&(i as u32)));
            for j in 0..9u32 {
                prop_assert_eq!(value(i, j), value(j as usize, i as u32));
                let got = value(i, j) as f32 * counts.worth();
                close(&[got], &[expected[j as usize]], "count")?;
            }
        }
    }

    #[test]
    fn many_exponents_at_once_rank_as_each_alone(pairs in pairs()) {
        let data = dataset(&pairs, 9);
        let Some(split) = holdouts(&data, 3).into_iter().next() else { return Ok(()) };
        let grid = Grid {
            user: [0.0, 0.25, 0.5, 1.0], history: [0.0, 0.2, 0.5, 0.7], item: vec![-0.2, 0.0, 0.6],
        };
        let powers = Powers::new(&split, &grid);
        let mut scratch = Scratch::new(&split);
        for case in &split.cases {
            let found = gains(&split, &powers, case, &mut scratch);
            prop_assert_eq!(found.len(), grid.settings().len());
            for (gain, exponents) in found.iter().zip(grid.settings()) {
                let c0 = co_occurrences(&split.data, exponents.user);
                let degree = |item: u32| split.data.by_item.degree(item as usize) as f64;
                let mut scored: Vec<(f64, u32)> = (0..9u32)
                    .filter(|item| !case.history.contains(item) && degree(*item) > 0.0)
                    .map(|item| {
                        let sum: f64 = case
                            .history
                            .iter()
                            .filter(|own| degree(**own) > 0.0)
                            .map(|own| {
                                degree(*own).powf(-exponents.history)
                                    * c0[*own as usize][item as usize]
                            })
                            .sum();
                        (sum * degree(item).powf(-exponents.item), item)
                    })
                    .filter(|(score, _)| *score > 0.0)
                    .collect();
                // Nine items are fewer than the ranks that count: recall is certain, and the order
                // is where no two scores are nearly the same.
                let hits = scored.iter().filter(|(_, i)| case.hidden.binary_search(i).is_ok());
                let recall = hits.count() as f64 / case.hidden.len() as f64;
                scored.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
                let ranked: Vec<u32> = scored.iter().map(|(_, item)| *item).collect();
                let clear = scored.windows(2).all(|two| two[0].0 - two[1].0 > 1e-4 * two[0].0);
                let expected = crate::model::gain::gain(&ranked, &case.hidden, case.hidden.len());
                if clear {
                    prop_assert!((gain - expected).abs() < 1e-5, "{} {}", gain, expected);
                } else {
                    prop_assert!(f64::from(*gain) >= recall - 1e-5);
                }
            }
        }
    }
}

#[test]
fn hidden_items_are_taken_from_the_matrix_and_from_nowhere_else() {
    let pairs: Vec<(u64, u64)> = (0..400u64)
        .flat_map(|user| (0..6u64).map(move |at| (user, (user + at * at) % 9)))
        .collect();
    let data = dataset(&pairs, 9);
    let splits = holdouts(&data, 5);
    assert_eq!(splits.len(), 3, "400 users are asked three times");
    for split in &splits {
        let hidden: usize = split.cases.iter().map(|case| case.hidden.len()).sum();
        assert_eq!(split.data.n_pairs() + hidden, data.n_pairs());
        for case in &split.cases {
            assert!(!case.hidden.is_empty() && !case.history.is_empty());
            assert!(case.hidden.iter().all(|item| !case.history.contains(item)));
        }
    }
    let hidden = |at: usize| splits[at].cases.iter().map(|c| c.hidden.clone()).collect::<Vec<_>>();
    assert_ne!(hidden(0), hidden(1), "each time others are hidden");
    let again = holdouts(&data, 5);
    assert_eq!(hidden(0), again[0].cases.iter().map(|c| c.hidden.clone()).collect::<Vec<_>>());
}

/// Two tastes, each with half of the items; what looks alike is of one taste.
fn two_tastes(n_users: u64, n_items: u64) -> (Dataset, SideData) {
    let taste = |item: u64| item % 2;
    let mut pairs = Vec::new();
    for user in 0..n_users {
        for at in 0..6 {
            let item = (fraction(user, at) * n_items as f32) as u64 / 2 * 2 + user % 2;
            pairs.push((user, item.min(n_items - 1)));
        }
    }
    pairs.sort_unstable();
    pairs.dedup();
    let mut matrix = EmbeddingMatrix::new("text", 8);
    for item in 0..n_items {
        let sign = taste(item) as f32 * 2.0 - 1.0;
        let vector: Vec<f32> = (0..8).map(|at| sign + fraction(item, at) - 0.5).collect();
        matrix.set(ItemId(10 * item + 10), &vector).unwrap();
    }
    let mut side = SideData::default();
    side.embeddings.insert("text".to_owned(), std::sync::Arc::new(matrix));
    (dataset(&pairs, n_items), side)
}

#[test]
fn a_planted_taste_is_found_and_told() {
    let (data, side) = two_tastes(300, 200);
    let model = fit(&data, &side, &ModelOptions::new(), 1, &Work::quiet()).unwrap();
    let items = data.items.clone();
    let history = [(0u32, 1f32), (2, 1.0), (10, 1.0)];
    let input =
        ScoreInput { history: History::new(&history), items: &items, side: &side, vectors: &[] };
    let mut out = vec![0.0; items.len()];
    assert_eq!(model.score(&input, &mut out), Served::Dense);
    for (row, _) in history {
        out[row as usize] = UNSCORED;
    }
    let best = crate::top_k(&out, 20, crate::Allow::All);
    let even = best.iter().filter(|best| best.row % 2 == 0).count();
    assert!(even >= 19, "{even} of 20 are of the taste");
    let notes = model.notes();
    assert!(notes.iter().any(|note| note.starts_with("chosen: exponents")), "{notes:?}");
    let chosen = model.options();
    assert!(chosen.iter().all(|(_, value)| *value != OptionValue::Text("auto".to_owned())));
}

#[test]
fn what_is_set_by_hand_is_not_chosen() {
    let (data, side) = two_tastes(60, 40);
    let real = OptionValue::Real;
    let options = ModelOptions::new()
        .with("user_exponent", real(0.3))
        .with("history_exponent", real(0.2))
        .with("item_exponent", real(0.1))
        .with("two_hop", real(0.5))
        .with("content", real(0.75))
        .with("modalities", OptionValue::Text("text:2".to_owned()))
        .with("popularity", real(0.05))
        .with("ease", real(0.4))
        .with("ials", real(0.6))
        .with("ials_factors", OptionValue::Int(8));
    let model = fit(&data, &side, &options, 1, &Work::quiet()).unwrap();
    let of = |name: &str| model.options().into_iter().find(|(own, _)| own == name).unwrap().1;
    assert_eq!(of("user_exponent"), real(0.3));
    assert_eq!(of("two_hop"), real(0.5));
    assert_eq!(of("content"), real(1.5));
    assert_eq!(of("modalities"), OptionValue::Text("text:1.5".to_owned()));
    assert_eq!(of("ease"), real(0.4));
    assert_eq!(of("ials"), real(0.6));
    // Every part that is mixed in counts the same in a score, in that of one item, and when the
    // model has been saved and loaded.
    let mut file = Vec::new();
    model.save(&mut file).unwrap();
    let loaded = crate::model::load(std::sync::Arc::new(file)).unwrap();
    let history = [(3u32, 1f32), (8, 1.0), (17, 1.0)];
    let input = ScoreInput {
        history: History::new(&history),
        items: &data.items,
        side: &side,
        vectors: &[],
    };
    let (mut out, mut again) = (vec![0.0; 40], vec![0.0; 40]);
    model.score(&input, &mut out);
    loaded.score(&input, &mut again);
    assert_eq!(out, again);
    for (row, score) in (0u32..).zip(&out).filter(|(row, _)| history.iter().all(|h| h.0 != *row)) {
        let alone = model.score_one(&input, row).unwrap();
        assert!((alone - score).abs() < 1e-4 * (1.0 + score.abs()), "{row}: {alone} for {score}");
    }
    let without = options.with("ials", real(0.0));
    let without = fit(&data, &side, &without, 1, &Work::quiet()).unwrap();
    without.score(&input, &mut again);
    assert_ne!(out, again);
}

#[test]
fn content_can_be_left_out_where_there_is_some() {
    let (data, side) = two_tastes(60, 40);
    for named in ["auto", "text"] {
        let options = ModelOptions::new()
            .with("content", OptionValue::Real(0.0))
            .with("modalities", OptionValue::Text(named.to_owned()));
        let model = fit(&data, &side, &options, 1, &Work::quiet()).unwrap();
        let notes = model.notes();
        assert!(notes.iter().any(|note| note.contains("content none")), "{notes:?}");
    }
}

#[test]
fn an_item_that_nobody_touched_is_found_by_its_content() {
    let (mut data, side) = two_tastes(300, 200);
    // Item row 40 loses its users.
    let keep: Vec<(u64, u64)> = (0..data.n_users())
        .flat_map(|user| {
            let items = data.by_user.row(user).0.to_vec();
            items.into_iter().filter(|item| *item != 40).map(move |item| (user as u64, item.into()))
        })
        .collect();
    data = dataset(&keep, 200);
    assert_eq!(data.by_item.degree(40), 0);
    let options = ModelOptions::new().with("content", OptionValue::Real(1.0));
    let model = fit(&data, &side, &options, 1, &Work::quiet()).unwrap();
    let neighbour =
        ItemGraph::build(side.modality("text").unwrap(), &data.items, 40, &Work::quiet())
            .unwrap()
            .weights
            .row(40)
            .0[0];
    let history = [(neighbour, 1f32)];
    let input = ScoreInput {
        history: History::new(&history),
        items: &data.items,
        side: &side,
        vectors: &[],
    };
    let mut out = vec![0.0; 200];
    model.score(&input, &mut out);
    let above = out.iter().filter(|score| **score > out[40]).count();
    assert!(above < 100, "{above} of 200 items are above the one that looks alike");
    let reasons = model.explain(&input, 40, 3);
    assert_eq!(reasons[0].modality.as_deref(), Some("text"));
}

#[test]
fn of_a_very_long_history_the_same_part_counts_every_time() {
    let pairs: Vec<(u64, u64)> =
        (0..500u64).map(|item| (1, item)).chain([(2, 3), (2, 4)]).collect();
    let data = dataset(&pairs, 500);
    assert_eq!(data.by_user.degree(0), 100);
    let again = dataset(&pairs[1..], 500);
    let (own, other) = (data.by_user.row(0).0, again.by_user.row(0).0);
    let kept = own.iter().filter(|item| other.contains(item)).count();
    assert!(kept >= 99, "one interaction less moved {} others", 100 - kept);
}

#[test]
fn a_term_that_vanishes_keeps_its_own_scale() {
    // Of factors that regularisation held back until their products were below what is normal.
    for spread in [0.0, 1e-42, 1e-38, 1e-21, f32::INFINITY, f32::NAN] {
        assert_eq!(super::settings::over(spread), 1.0, "{spread}");
    }
    assert_eq!(super::settings::over(0.25), 4.0);
}
