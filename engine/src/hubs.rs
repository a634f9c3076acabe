//! Hubs among embeddings, and what is taken off their cosines: DBNorm with a dual bank (Wang et al. 2023).
//!
//! Where vectors lie to one side of the origin, those near their mean are near to everything, and are
//! answered to questions that they have nothing to do with (Radovanović et al. 2010). A question's
//! cosine with an item is held against those that the item has with a bank of questions:
//!
//! ```text
//! p_β(g | q) = exp(β s(q,g)) / Σ_b exp(β s(b,g))       the inverted softmax of item g
//! ln (p_β1 p_β2) / (β1 + β2) = s(q,g) − bias(g)         but for what all items share
//! bias(g) = Σ_β ln mean_b exp(β s(b,g)) / (β1 + β2)
//! ```
//!
//! The two factors are those of a bank of questions and of one of items. Questions are not kept, so items
//! stand for them, and both banks are one: a sample of the items, chosen by their ids, without the item
//! itself. So the bias of an item is a function of the embeddings of a snapshot, whatever was asked before
//! and whether there is an index.

use std::sync::Arc;

use tastedb_storage::ItemId;

use crate::EmbeddingMatrix;
use crate::kernels::dot;
use crate::seeded::number;

/// How many items stand for the questions.
const BANK: usize = 128;
/// The inverse temperatures of the two factors, those of the paper.
const BETAS: [f32; 2] = [1.0 / 1.99, 3.0];
/// Which items are in the bank.
const SEED: u64 = 0x4855_4253;

/// What is taken off the cosines of the rows of a matrix.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Hubs {
    /// Ascending.
    bank: Vec<ItemId>,
    ids: Arc<Vec<ItemId>>,
    bias: Vec<f32>,
    least: f32,
}

impl Hubs {
    /// Of rows of length one.
    pub fn of(matrix: &EmbeddingMatrix) -> Hubs {
        let bank = bank(matrix.ids());
        let biased = |row: usize| bias(matrix, &bank, row);
        let bias = (0..matrix.len()).map(biased).collect();
        Hubs::new(matrix, bank, bias)
    }

    /// The same after the embeddings of the `touched` items, ascending, may have changed.
    pub(crate) fn patched(&self, matrix: &EmbeddingMatrix, touched: &[ItemId]) -> Hubs {
        let bank = bank(matrix.ids());
        let changed = |item: &ItemId| touched.binary_search(item).is_ok();
        if bank != self.bank || bank.iter().any(changed) {
            return Hubs::of(matrix);
        }
        let mut known = self.ids.iter().zip(&self.bias).peekable();
        let of = |(row, item): (usize, &ItemId)| {
            while known.next_if(|(other, _)| *other < item).is_some() {}
            match known.next_if(|(other, _)| *other == item) {
                Some((_, own)) if !changed(item) => *own,
                _ => bias(matrix, &bank, row),
            }
        };
        let bias = matrix.ids().iter().enumerate().map(of).collect();
        Hubs::new(matrix, bank, bias)
    }

    fn new(matrix: &EmbeddingMatrix, bank: Vec<ItemId>, bias: Vec<f32>) -> Hubs {
        let least = bias.iter().copied().fold(f32::INFINITY, f32::min);
        Hubs { bank, ids: matrix.shared_ids(), bias, least }
    }

    /// What is taken off, by row.
    pub(crate) fn bias(&self) -> &[f32] {
        &self.bias
    }

    /// What is taken off at least.
    pub(crate) fn least(&self) -> f32 {
        self.least
    }
}

/// The items that stand for the questions.
fn bank(ids: &[ItemId]) -> Vec<ItemId> {
    let mut drawn: Vec<(u64, ItemId)> = ids.iter().map(|id| (number(SEED, id.0), *id)).collect();
    if drawn.len() > BANK {
        drawn.select_nth_unstable(BANK - 1);
        drawn.truncate(BANK);
    }
    let mut bank: Vec<ItemId> = drawn.into_iter().map(|(_, id)| id).collect();
    bank.sort_unstable();
    bank
}

/// The bias of a row.
fn bias(matrix: &EmbeddingMatrix, bank: &[ItemId], row: usize) -> f32 {
    let (own, item) = (matrix.padded(row), matrix.ids()[row]);
    let (mut sums, mut n) = ([0f64; 2], 0u32);
    let others = bank.iter().filter(|other| **other != item);
    for at in others.filter_map(|other| matrix.row_of(*other)) {
        let near = dot(own, matrix.padded(at));
        for (sum, beta) in sums.iter_mut().zip(BETAS) {
            *sum += f64::from((beta * near).exp());
        }
        n += 1;
    }
    if n == 0 {
        return 0.0;
    }
    let logs: f64 = sums.iter().map(|sum| (sum / f64::from(n)).ln()).sum();
    (logs / BETAS.iter().map(|beta| f64::from(*beta)).sum::<f64>()) as f32
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::seeded::fraction;
    use crate::topk::{Allow, top_k};
    use proptest::prelude::*;

    /// Pairs of neighbours with a common side to them all, and items near the mean: hubs.
    fn pairs(n: u64, hubs: u64) -> EmbeddingMatrix {
        let mut matrix = EmbeddingMatrix::new("text", 24);
        let noise = |of: u64, d: u64| fraction(of, d) - 0.5;
        for item in 0..n + hubs {
            let vector: Vec<f32> = (0..24)
                .map(|d| {
                    let mean = if d == 0 { 1.0 } else { 0.0 };
                    match item < n {
                        true => mean + 0.4 * noise(item / 2, d) + 0.35 * noise(1000 + item, d),
                        false => mean + 0.05 * noise(5000 + item, d),
                    }
                })
                .collect();
            matrix.set(ItemId(item), &vector).unwrap();
        }
        matrix
    }

    /// How often each row is among the k best of the others, and the part of rows whose neighbour is.
    fn occurrence(matrix: &EmbeddingMatrix, bias: &[f32], n: usize, k: usize) -> (Vec<u32>, f64) {
        let (mut counts, mut hits) = (vec![0; matrix.len()], 0);
        for row in 0..n {
            let mut scores = vec![0.0; matrix.len()];
            matrix.dot_rows(matrix.padded(row), &mut scores);
            scores.iter_mut().zip(bias).for_each(|(score, bias)| *score -= bias);
            scores[row] = f32::NAN;
            let best = top_k(&scores, k, Allow::All);
            hits += usize::from(best.iter().any(|best| best.row as usize == row ^ 1));
            best.iter().for_each(|best| counts[best.row as usize] += 1);
        }
        (counts, hits as f64 / n as f64)
    }

    #[test]
    fn hubs_are_answered_less_and_what_belongs_together_is_found_more() {
        let (n, hubs) = (400, 20);
        let matrix = pairs(n, hubs);
        let of_hubs = |counts: &[u32]| counts[n as usize..].iter().sum::<u32>();
        let plain = vec![0.0; matrix.len()];
        let (before, found) = occurrence(&matrix, &plain, n as usize, 5);
        let (after, found_now) = occurrence(&matrix, Hubs::of(&matrix).bias(), n as usize, 5);
        assert!(of_hubs(&before) > 400, "{}", of_hubs(&before));
        assert!(of_hubs(&after) < of_hubs(&before) / 10, "{}", of_hubs(&after));
        assert!(found_now > found + 0.05, "{found} {found_now}");
    }

    #[test]
    fn of_nothing_and_of_one_there_is_nothing_to_take_off() {
        assert_eq!(Hubs::of(&EmbeddingMatrix::new("text", 3)).bias(), [] as [f32; 0]);
        let mut one = EmbeddingMatrix::new("text", 3);
        one.set(ItemId(7), &[1.0, 2.0, 3.0]).unwrap();
        assert_eq!(Hubs::of(&one).bias(), [0.0]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]

        #[test]
        fn patched_is_anew(
            n in 0u64..400,
            changes in prop::collection::vec((0u64..500, any::<bool>()), 0..12),
        ) {
            let mut matrix = pairs(n, 2);
            let before = Hubs::of(&matrix);
            let mut touched: Vec<ItemId> = Vec::new();
            for (item, stays) in changes {
                touched.push(ItemId(item));
                match stays {
                    true => matrix.set(ItemId(item), &[fraction(9, item); 24]).unwrap(),
                    false => matrix.remove(ItemId(item)),
                }
            }
            touched.sort_unstable();
            touched.dedup();
            prop_assert_eq!(before.patched(&matrix, &touched), Hubs::of(&matrix));
        }
    }
}
