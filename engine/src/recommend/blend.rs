//! Several sources, one score.
//!
//! Scores of different sources have nothing in common, so each source is first brought to 0..1
//! over the candidates (its lowest candidate 0, its highest 1; an item that it does not know 0) and
//! then counted by its weight. One source alone keeps its own scores.

use std::borrow::Cow;

use fixedbitset::FixedBitSet;

use super::source::{Resolved, Scores};
use crate::history::{Served, UNSCORED};

/// The blended scores, and each source's part in them.
pub(super) struct Blend<'a> {
    pub(super) scores: Cow<'a, [f32]>,
    parts: Vec<Vec<f32>>,
}

impl<'a> Blend<'a> {
    /// Blends the sources that had an answer.
    pub(super) fn new(sources: &'a [(&Resolved, Scores)], allowed: &FixedBitSet) -> Blend<'a> {
        if let [(_, only)] = sources {
            return Blend { scores: Cow::Borrowed(&only.values), parts: Vec::new() };
        }
        let rows = sources.first().map_or(0, |(_, scores)| scores.values.len());
        let mut total = vec![UNSCORED; rows];
        let mut parts = Vec::with_capacity(sources.len());
        for (source, scores) in sources {
            let part = normalised(scores, allowed, source.weight);
            for (sum, share) in total.iter_mut().zip(&part) {
                if !share.is_nan() {
                    *sum = if sum.is_nan() { *share } else { *sum + *share };
                }
            }
            parts.push(part);
        }
        Blend { scores: total.into(), parts }
    }

    /// Which source speaks most for a row: its position among those blended.
    pub(super) fn strongest(&self, row: u32) -> usize {
        let mut best = 0;
        let mut most = f32::NEG_INFINITY;
        for (at, part) in self.parts.iter().enumerate() {
            let share = part.get(row as usize).copied().unwrap_or(UNSCORED);
            if share > most {
                most = share;
                best = at;
            }
        }
        best
    }
}

fn normalised(scores: &Scores, allowed: &FixedBitSet, weight: f32) -> Vec<f32> {
    let mut low = f32::INFINITY;
    let mut high = f32::NEG_INFINITY;
    if scores.served != Served::No {
        for row in allowed.ones() {
            let score = scores.values[row];
            if !score.is_nan() {
                low = low.min(score);
                high = high.max(score);
            }
        }
    }
    let spread = high - low;
    let scale = if spread > 0.0 { weight / spread } else { 0.0 };
    scores
        .values
        .iter()
        .map(|score| if score.is_nan() { UNSCORED } else { (score - low) * scale })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::source::Kind;
    use super::*;

    #[test]
    fn sources_of_different_scales_count_by_their_weights() {
        let source = |weight| Resolved { name: "s".into(), weight, kind: Kind::Latest };
        let (a, b) = (source(0.75), source(0.25));
        let scores = |values: &[f32]| Scores { values: values.to_vec(), served: Served::Touched };
        let all = FixedBitSet::with_capacity_and_blocks(3, [0b111]);
        let both = [(&a, scores(&[0.0, 1000.0, 500.0])), (&b, scores(&[0.2, UNSCORED, 0.1]))];
        let blend = Blend::new(&both, &all);
        assert_eq!(blend.scores, vec![0.25, 0.75, 0.375]);
        assert_eq!(blend.strongest(0), 1);
        assert_eq!(blend.strongest(1), 0);
    }
}
