//! Patched counts against counting again, and what a refresh keeps.

#![expect(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;
use tastedb_storage::{ItemId, UserId};

use super::*;
use crate::model::graph_filter::fit;
use crate::model::news::Changed;
use crate::model::{Model, refresh};
use crate::seeded::fraction;
use crate::{EmbeddingMatrix, ModelOptions, SideData};

fn dataset(pairs: &[(u64, u64)], n_items: u64) -> Dataset {
    let items = (0..n_items).map(|row| ItemId(10 * row + 10)).collect();
    let pairs = pairs.iter().map(|(user, row)| (UserId(*user), ItemId(10 * row + 10), 1.0, None));
    Dataset::build(items, pairs).unwrap()
}

fn side(n_items: u64) -> SideData {
    let mut matrix = EmbeddingMatrix::new("text", 4);
    for row in (0..n_items).filter(|row| row % 5 != 4) {
        let vector: Vec<f32> = (0..4).map(|at| fraction(row, at) - 0.5).collect();
        matrix.set(ItemId(10 * row + 10), &vector).unwrap();
    }
    let mut side = SideData::default();
    side.embeddings.insert("text".to_owned(), std::sync::Arc::new(matrix));
    side
}

fn by_hand(ease: f64) -> ModelOptions {
    let options = [
        ("user_exponent", 0.3),
        ("history_exponent", 0.2),
        ("item_exponent", 0.1),
        ("two_hop", 0.5),
        ("content", 0.75),
        ("popularity", 0.05),
        ("ease", ease),
        ("ease_lambda", 3.0),
        ("ials", 0.0),
    ];
    let real = |(name, value): (&str, f64)| (name.to_owned(), OptionValue::Real(value));
    let limit = ("history_limit".to_owned(), OptionValue::Int(6));
    options.into_iter().map(real).chain([limit]).collect()
}

fn saved(model: &dyn Model) -> Vec<u8> {
    let mut bytes = Vec::new();
    model.save(&mut bytes).unwrap();
    bytes
}

/// The refreshed model, once from the users who changed and once from all pairs.
fn both(
    old: &Dataset,
    new: &Dataset,
    side: &SideData,
    ease: f64,
) -> (crate::model::Refreshed, crate::model::Refreshed) {
    let model = fit(old, side, &by_hand(ease), 1, &Work::quiet()).unwrap();
    let changed = Changed::between(old, new);
    let refreshed = |changed| {
        let news = News::new(new.items.clone(), side, changed, || Ok(new.clone()));
        refresh(model.as_ref(), &news, 1, &Work::quiet()).unwrap()
    };
    (refreshed(Some(changed)), refreshed(None))
}

fn pairs() -> impl Strategy<Value = Vec<(u64, u64)>> {
    prop::collection::vec((0u64..14, 0u64..12), 1..90).prop_map(|mut pairs| {
        pairs.sort_unstable();
        pairs.dedup();
        pairs
    })
}

proptest! {
    /// Users come and go, items are new, histories reach beyond the limit.
    #[test]
    fn patched_counts_are_those_of_counting_again(
        old in pairs(), new in pairs(), a in 0u8..6, fresh in 0u64..3,
    ) {
        let exponent = f64::from(a) / 5.0;
        let (known, all) = (12 - fresh, 12);
        let old: Vec<_> = old.into_iter().filter(|(_, item)| *item < known).collect();
        let (old, new) = (dataset(&old, known), dataset(&new, all));
        let news_side = SideData::default();
        let changed = Some(Changed::between(&old, &new));
        let news = News::new(new.items.clone(), &news_side, changed, || Ok(new.clone()));
        let moves = Moves::of(&news, &old.items).unwrap();
        let cut = |pairs| positive(pairs, &new.items, 6);
        let work = Work::quiet();
        let first = positive(&old.by_user, &old.items, 6);
        let counts = Counts::build(&first, &first.transpose(), exponent, &work).unwrap();
        let patched =
            counts.patched(&cut(&moves.before), &cut(&moves.after), exponent, &work).unwrap();
        let last = cut(&new.by_user);
        let again = counts.again(&last, &last.transpose(), exponent, &work).unwrap();
        // With another unit everything is counted again.
        let Some(patched) = patched else {
            prop_assert!(again.worth() != counts.worth());
            return Ok(());
        };
        prop_assert_eq!(patched.worth(), again.worth());
        for item in 0..all as usize {
            prop_assert_eq!(patched.row(item), again.row(item), "item {}", item);
        }
    }
}

#[test]
fn a_patched_model_is_the_refitted_one_bit_for_bit() {
    let pair = |user: u64, at: u64| (user, (fraction(user, at) * 40.0) as u64);
    let mut old: Vec<(u64, u64)> = (0..80).flat_map(|u| (0..5).map(move |a| pair(u, a))).collect();
    old.sort_unstable();
    old.dedup();
    // Two users click, one goes, one comes, and two items are new.
    let mut new: Vec<(u64, u64)> = old.iter().copied().filter(|(user, _)| *user != 7).collect();
    new.extend([(3, 40), (3, 41), (9, 2), (90, 5), (90, 41)]);
    new.sort_unstable();
    new.dedup();
    let (old, new, side) = (dataset(&old, 40), dataset(&new, 42), side(42));
    let (patched, refitted) = both(&old, &new, &side, 0.0);
    assert_eq!(patched.how, "counts patched for 4 users");
    assert_eq!(refitted.how, "all pairs counted again");
    assert_eq!(saved(patched.model.as_ref()), saved(refitted.model.as_ref()));

    // With `ease` the inverse is updated, which rounds.
    let (patched, refitted) = both(&old, &new, &side, 0.6);
    assert!(patched.how.contains("exact update for 4 users"), "{}", patched.how);
    let history = [(3u32, 1f32), (9, 1.0)];
    let input = crate::ScoreInput {
        history: crate::History::new(&history),
        items: &new.items,
        side: &side,
        vectors: &[],
    };
    let scores = |model: &dyn Model| {
        let mut out = vec![0f32; 42];
        model.score(&input, &mut out);
        out
    };
    let (own, other) = (scores(patched.model.as_ref()), scores(refitted.model.as_ref()));
    for (own, other) in own.iter().zip(&other) {
        assert!((own - other).abs() < 1e-5, "{own} {other}");
    }
}

#[test]
fn settings_stay_and_many_changes_are_counted_again() {
    let pair = |user: u64, at: u64| (user, (fraction(user, at) * 30.0) as u64);
    let world = |users: u64, n: u64| {
        let mut pairs: Vec<_> = (0..users).flat_map(|u| (0..n).map(move |a| pair(u, a))).collect();
        pairs.sort_unstable();
        pairs.dedup();
        dataset(&pairs, 30)
    };
    let (old, new, side) = (world(60, 4), world(60, 7), side(30));
    let model = fit(&old, &side, &ModelOptions::new(), 1, &Work::quiet()).unwrap();
    let changed = Changed::between(&old, &new);
    let news = News::new(new.items.clone(), &side, Some(changed), || Ok(new.clone()));
    let refreshed = refresh(model.as_ref(), &news, 9, &Work::quiet()).unwrap();
    assert_eq!(refreshed.model.options(), model.options());
    assert_eq!(refreshed.model.notes(), model.notes());
    assert!(refreshed.how.starts_with("all pairs counted again"), "{}", refreshed.how);
}

#[test]
fn when_all_interactions_are_gone_there_is_no_model() {
    let old = dataset(&[(1, 1), (1, 2), (2, 1)], 5);
    let (new, side) = (dataset(&[], 5), side(5));
    let model = fit(&old, &side, &by_hand(0.0), 1, &Work::quiet()).unwrap();
    for changed in [Some(Changed::between(&old, &new)), None] {
        let news = News::new(new.items.clone(), &side, changed, || Ok(new.clone()));
        let refused = refresh(model.as_ref(), &news, 1, &Work::quiet());
        assert!(matches!(refused, Err(Error::EmptyTraining { .. })));
    }
}

/// One user whose items are all alike tells nothing about scales, but the clicks that follow do count.
#[test]
fn what_was_trained_where_all_items_are_alike_ranks_after_a_refresh() {
    let old = dataset(&[(0, 0), (0, 1)], 2);
    let pairs: Vec<(u64, u64)> = (0..6).flat_map(|user| [(user, user % 2), (user, 2)]).collect();
    let new = dataset(&[&pairs[..], &[(6, 0), (6, 1)]].concat(), 3);
    let side = SideData::default();
    let options = by_hand(0.0).with("content", OptionValue::Real(0.0));
    let model = fit(&old, &side, &options, 1, &Work::quiet()).unwrap();
    let news = News::new(new.items.clone(), &side, None, || Ok(new.clone()));
    let refreshed = refresh(model.as_ref(), &news, 1, &Work::quiet()).unwrap().model;
    let history = [(0u32, 1f32)];
    let input = crate::ScoreInput {
        history: crate::History::new(&history),
        items: &new.items,
        side: &side,
        vectors: &[],
    };
    let mut scores = vec![0f32; 3];
    refreshed.score(&input, &mut scores);
    assert!(scores[2] > scores[1] && scores[1] > 0.0, "{scores:?}");
}
