//! Evaluation against a plain reading of the protocol.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::io::Write;

use proptest::prelude::*;

use super::*;
use crate::{OptionValue, Reason};

/// Scores by a table: what a history's first entry says.
struct Table {
    items: Vec<ItemId>,
    scores: Vec<f32>,
}

impl Model for Table {
    fn algorithm(&self) -> &'static str {
        "table"
    }
    fn items(&self) -> &[ItemId] {
        &self.items
    }
    fn score(&self, input: &ScoreInput<'_>, out: &mut [f32]) -> Served {
        let Some((first, _)) = input.history.entries.first() else { return Served::No };
        for (row, score) in out.iter_mut().enumerate() {
            *score = self.scores[(row + *first as usize * 5) % self.scores.len()];
        }
        Served::Touched
    }
    fn similar(&self, _: &ScoreInput<'_>, _: u32, _: &mut [f32]) -> Served {
        Served::No
    }
    fn explain(&self, _: &ScoreInput<'_>, _: u32, _: usize) -> Vec<Reason> {
        Vec::new()
    }
    fn options(&self) -> Vec<(String, OptionValue)> {
        Vec::new()
    }
    fn memory(&self) -> u64 {
        0
    }
    fn save(&self, _: &mut dyn Write) -> Result<()> {
        Ok(())
    }
}

fn ids(n: u64) -> Vec<ItemId> {
    (0..n).map(|at| ItemId(at * 3 + 1)).collect()
}

fn case() -> impl Strategy<Value = Case> {
    let rows = || prop::collection::btree_set(0u32..20, 0..6);
    (rows(), rows(), prop::option::of(0u32..2)).prop_map(|(history, held_out, group)| Case {
        history: history.iter().map(|row| (*row, 1.0)).collect(),
        held_out: held_out.difference(&history).copied().collect(),
        group,
    })
}

/// The definitions of the module, read again and written as loops.
fn oracle(metric: Metric, ranked: &[u32], held_out: &[u32]) -> f64 {
    let hit = |r: usize| ranked.get(r - 1).is_some_and(|row| held_out.contains(row));
    let k = metric.k();
    let log = |r: usize| ((r + 1) as f64).log2();
    let t = held_out.len();
    let (mut sum, mut hits) = (0.0, 0);
    for r in 1..=k {
        if !hit(r) {
            continue;
        }
        hits += 1;
        sum += match metric {
            Metric::Recall(_) => 1.0 / t as f64,
            Metric::Precision(_) => 1.0 / k as f64,
            Metric::Hit(_) => f64::from(u8::from(hits == 1)),
            Metric::Ndcg(_) => 1.0 / log(r) / (1..=k.min(t)).map(|r| 1.0 / log(r)).sum::<f64>(),
            Metric::Map(_) => f64::from(hits) / r as f64 / k.min(t) as f64,
            Metric::Mrr(_) => f64::from(u8::from(hits == 1)) / r as f64,
            Metric::Coverage(_) | Metric::Hubness(_) => 0.0,
        };
    }
    sum
}

proptest! {
    #[test]
    fn agrees_with_the_definitions(
        cases in prop::collection::vec(case(), 0..12),
        scores in prop::collection::vec(prop_oneof![
            4 => (0u8..6).prop_map(f32::from), 1 => Just(UNSCORED),
        ], 20),
        k in 1usize..25,
    ) {
        let items = ids(20);
        let model = Table { items: items.clone(), scores: scores.clone() };
        let groups = ["a".to_owned(), "b".to_owned()];
        let task = Task { items: &items, among: None, cases: &cases, groups: &groups, side: None };
        let metrics = [
            Metric::Recall(k), Metric::Precision(k), Metric::Hit(k), Metric::Ndcg(k),
            Metric::Map(k), Metric::Mrr(k), Metric::Coverage(k), Metric::Hubness(k),
        ];
        let found = evaluate(&[&model], &task, &metrics, &Work::quiet()).unwrap();
        let counted: Vec<&Case> = cases.iter().filter(|case| !case.held_out.is_empty()).collect();
        let ranked: Vec<Vec<u32>> = counted.iter().map(|case| {
            let Some((first, _)) = case.history.first() else { return Vec::new() };
            let mut all: Vec<(u32, f32)> = (0..20u32)
                .map(|row| (row, scores[(row as usize + *first as usize * 5) % 20]))
                .filter(|(row, s)| !s.is_nan() && case.history.iter().all(|(own, _)| own != row))
                .collect();
            all.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
            all.into_iter().map(|(row, _)| row).collect()
        }).collect();
        for figure in &found.figures {
            let of: Vec<usize> = (0..counted.len())
                .filter(|at| figure.group.is_none() || counted[*at].group == figure.group)
                .collect();
            prop_assert_eq!(figure.users, of.len() as u64);
            let expected = match figure.metric {
                Metric::Coverage(k) => {
                    let shown: std::collections::BTreeSet<u32> =
                        of.iter().flat_map(|at| ranked[*at].iter().take(k)).copied().collect();
                    shown.len() as f64 / 20.0
                }
                Metric::Hubness(k) => {
                    let mut shown = [0f64; 20];
                    for row in of.iter().flat_map(|at| ranked[*at].iter().take(k)) {
                        shown[*row as usize] += 1.0;
                    }
                    let mean = shown.iter().sum::<f64>() / 20.0;
                    let [square, cube] = [2, 3].map(|power| {
                        shown.iter().map(|n| (n - mean).powi(power)).sum::<f64>() / 20.0
                    });
                    if square > 0.0 { cube / square.sqrt().powi(3) } else { 0.0 }
                }
                metric => {
                    let sum: f64 = of.iter()
                        .map(|at| oracle(metric, &ranked[*at], &counted[*at].held_out)).sum();
                    if of.is_empty() { 0.0 } else { sum / of.len() as f64 }
                }
            };
            prop_assert!((figure.value - expected).abs() < 1e-9, "{}", figure.metric);
        }
        let unserved = counted.iter().filter(|case| case.history.is_empty()).count() as u64;
        prop_assert_eq!(found.unserved, vec![unserved]);
        prop_assert_eq!(found.figures.len(), 24);
    }
}

#[test]
fn a_model_of_an_older_catalogue_is_mapped_onto_the_new_one() {
    // The model knows items 1, 4, 9; the catalogue has lost 1 and gained 2 and 12.
    let old = [1, 4, 9].map(ItemId).to_vec();
    let items = [2, 4, 9, 12].map(ItemId).to_vec();
    let model = Table { items: old, scores: vec![9.0, 5.0, 7.0] };
    // In rows of the catalogue: had 4 (row 1, model row 1, which shifts the table by 5), and 2.
    let case = Case { history: vec![(0, 1.0), (1, 1.0)], held_out: vec![2, 3], group: None };
    let cases = [case];
    let task = Task { items: &items, among: None, cases: &cases, groups: &[], side: None };
    let metrics = [Metric::Recall(3), Metric::Ndcg(1), Metric::Coverage(3)];
    let found = evaluate(&[&model], &task, &metrics, &Work::quiet()).unwrap();
    let values: Vec<f64> = found.figures.iter().map(|figure| figure.value).collect();
    assert_eq!(values, [0.5, 1.0, 0.25]);
    assert_eq!(found.value(0, Metric::Ndcg(1)), Some(1.0));
}

#[test]
fn several_models_share_one_pass() {
    let items = ids(4);
    let one = Table { items: items.clone(), scores: vec![4.0, 3.0, 2.0, 1.0] };
    let two = Table { items: items.clone(), scores: vec![1.0, 2.0, 3.0, 4.0] };
    let cases = [Case { history: vec![(0, 1.0)], held_out: vec![1], group: None }];
    let task = Task { items: &items, among: None, cases: &cases, groups: &[], side: None };
    let found = evaluate(&[&one, &two], &task, &[Metric::Mrr(4)], &Work::quiet()).unwrap();
    let values: Vec<f64> = found.figures.iter().map(|figure| figure.value).collect();
    assert_eq!(values, [1.0, 1.0 / 3.0]);
    assert!(found.protocol.contains("full ranking of 4 items"));
}

#[test]
fn cancelled_evaluation_stops() {
    let items = ids(4);
    let model = Table { items: items.clone(), scores: vec![1.0; 4] };
    let cases = [Case { history: vec![(0, 1.0)], held_out: vec![1], group: None }];
    let task = Task { items: &items, among: None, cases: &cases, groups: &[], side: None };
    let work = Work::quiet();
    work.cancel.cancel();
    let result = evaluate(&[&model], &task, &[Metric::Mrr(4)], &work);
    assert!(matches!(result, Err(crate::Error::Cancelled)));
}

#[test]
fn metrics_have_names_and_depths() {
    assert_eq!(parse_metric("NDCG", 20), Ok(Metric::Ndcg(20)));
    assert_eq!(Metric::Ndcg(20).to_string(), "ndcg@20");
    assert!(parse_metric("auc", 20).is_err());
    assert!(parse_metric("recall", 0).is_err());
}
