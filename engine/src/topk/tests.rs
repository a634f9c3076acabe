//! The best k against a full sort.

use proptest::prelude::*;

use super::*;

fn sorted(scores: &[f32], k: usize, allowed: impl Fn(u32) -> bool) -> Vec<(u32, f32)> {
    let mut all: Vec<(u32, f32)> = scores
        .iter()
        .enumerate()
        .map(|(row, score)| (row as u32, *score))
        .filter(|(row, score)| !score.is_nan() && allowed(*row))
        .collect();
    all.sort_by(|a, b| b.1.partial_cmp(&a.1).expect("no NaN").then(a.0.cmp(&b.0)));
    all.truncate(k);
    all
}

fn pairs(found: Vec<Scored>) -> Vec<(u32, f32)> {
    found.into_iter().map(|found| (found.row, found.score)).collect()
}

fn score() -> impl Strategy<Value = f32> {
    prop_oneof![
        8 => (-4i8..4).prop_map(f32::from),
        2 => -1.0f32..1.0,
        1 => Just(f32::NAN),
        1 => Just(f32::NEG_INFINITY),
        1 => Just(-0.0f32),
    ]
}

proptest! {
    #[test]
    fn agrees_with_a_sort(
        scores in prop::collection::vec(score(), 0..700),
        k in 0usize..90,
        mask in any::<u64>(),
    ) {
        prop_assert_eq!(pairs(top_k(&scores, k, Allow::All)), sorted(&scores, k, |_| true));
        let allowed = |row: u32| mask >> (row % 61) & 1 == 1;
        let mut bits = FixedBitSet::with_capacity(scores.len());
        let mut bitmap = RoaringBitmap::new();
        for row in (0..scores.len() as u32).filter(|row| allowed(*row)) {
            bits.insert(row as usize);
            bitmap.insert(row);
        }
        let expected = sorted(&scores, k, allowed);
        prop_assert_eq!(pairs(top_k(&scores, k, Allow::Bits(&bits))), expected.clone());
        prop_assert_eq!(pairs(top_k(&scores, k, Allow::Bitmap(&bitmap))), expected);
    }
}

#[test]
fn a_mask_shorter_or_longer_than_the_scores_is_fine() {
    let scores = [1.0, 3.0, 2.0];
    let mut long = FixedBitSet::with_capacity(500);
    long.insert_range(..);
    assert_eq!(pairs(top_k(&scores, 9, Allow::Bits(&long))), [(1, 3.0), (2, 2.0), (0, 1.0)]);
    let short = FixedBitSet::with_capacity_and_blocks(2, [0b11]);
    assert_eq!(pairs(top_k(&scores, 9, Allow::Bits(&short))), [(1, 3.0), (0, 1.0)]);
}

#[test]
fn asking_for_more_than_there_can_be_reserves_no_memory() {
    assert_eq!(top_k(&[1.0, 2.0], usize::MAX, Allow::All).len(), 2);
}
