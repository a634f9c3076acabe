//! Where new items are placed, and that lists which were kept are those that would be made.

#![expect(clippy::unwrap_used, reason = "tests")]

use super::*;

/// Two kinds of items that point to opposite sides, and a little to their own.
fn matrix(ids: impl Iterator<Item = u64>) -> Arc<EmbeddingMatrix> {
    let mut matrix = EmbeddingMatrix::new("text", 3);
    for id in ids {
        let kind = if id % 2 == 0 { 1.0 } else { -1.0 };
        let own = (number(3, id) % 1000) as f32 / 5000.0;
        matrix.set(ItemId(id), &[kind, own, 0.2 - own]).unwrap();
    }
    Arc::new(matrix)
}

fn items(ids: impl Iterator<Item = u64>) -> Vec<ItemId> {
    ids.map(ItemId).collect()
}

#[test]
fn a_new_item_is_scored_as_those_that_it_is_alike() {
    let (known, matrices) = (items(0..60), [matrix(0..64)]);
    let among = Among { items: &known, unknown: &[], matrices: &matrices };
    let new = Newcomers::of(&items(60..66), &among, None);
    let listed: Vec<ItemId> = new.items().collect();
    assert_eq!(listed, items(60..64), "without an embedding there is nothing to go by");
    // Even items are liked, more or less.
    let scores: Vec<f32> =
        (0..60u32).map(|row| if row % 2 == 0 { 1.0 + row as f32 / 60.0 } else { 0.1 }).collect();
    let found = new.scores(|row| scores[row as usize], &[]);
    assert!(found[0] > 1.0 && found[2] > 1.0, "{found:?}");
    assert!(found[1] < 0.5 && found[3] < 0.5, "{found:?}");
    assert!(found[0] < 2.0, "what is new is not placed above all: {found:?}");
    let near = new.near(0, 3);
    assert!(near.iter().all(|(row, modality, _)| row % 2 == 0 && *modality == "text"));
}

#[test]
fn a_history_counts_as_the_best_of_the_others_at_most() {
    let scores = [9.0, 0.5, UNSCORED, 0.25, 7.0];
    let seen = [0, 3];
    let most = best_unseen((0..).zip(scores), &seen);
    assert_eq!(most, 7.0);
    let score = capped(|row| scores[row as usize], &seen, most);
    assert_eq!((score(0), score(3), score(4)), (7.0, 0.25, 7.0));
    assert!(score(2).is_nan());
}

#[test]
fn where_no_neighbour_is_scored_nothing_is() {
    let (known, matrices) = (items(0..60), [matrix(0..62)]);
    let among = Among { items: &known, unknown: &[], matrices: &matrices };
    let new = Newcomers::of(&items(60..62), &among, None);
    let scores: Vec<f32> = (0..60).map(|row| if row % 2 == 0 { 1.0 } else { UNSCORED }).collect();
    let found = new.scores(|row| scores[row as usize], &[]);
    assert!(!found[0].is_nan() && found[1].is_nan(), "{found:?}");
}

#[test]
fn what_is_kept_is_what_would_be_made() {
    let known = items(0..200);
    let unknown = [4, 9];
    let before = [matrix(0..203)];
    let among = Among { items: &known, unknown: &unknown, matrices: &before };
    let old = Newcomers::of(&items([4, 9, 200, 201, 202].into_iter()), &among, None);
    let now = [matrix((0..202).chain(204..210))];
    let among = Among { items: &known, unknown: &unknown, matrices: &now };
    let new = items([4, 9, 200, 201].into_iter().chain(202..210));
    let changed = items([202].into_iter().chain(204..210));
    let kept = Newcomers::of(&new, &among, Some((&old, &changed)));
    let made = Newcomers::of(&new, &among, None);
    assert_eq!(kept.lists, made.lists);
    assert_eq!(kept.sample, made.sample);
    assert_eq!(made.lists.len(), 10);
}
