//! How far the terms of a finished model spread over its items, which makes their weights comparable.

use rayon::prelude::*;

use super::columns::{Column, deviation};
use super::layout::Layout;
use super::settings::Spreads;
use super::terms::{Parts, Wanted};
use super::{ease_scores, ials_scores};
use crate::model::ease::Ease;
use crate::model::ials::ItemFactors;
use crate::spare::Spare;

/// Users that spreads are measured on.
pub(super) const USERS: usize = 1_000;

/// What is measured.
pub(super) struct Spreading<'a> {
    pub(super) parts: &'a Parts<'a>,
    pub(super) wanted: Wanted<'a>,
    pub(super) popularity: &'a [f32],
    pub(super) ease: Option<&'a Ease>,
    pub(super) ials: Option<&'a ItemFactors>,
}

impl Spreading<'_> {
    /// The spreads of the terms over some histories.
    pub(super) fn over(&self, histories: &[Vec<(u32, f32)>]) -> Spreads {
        let buffers: Spare<Vec<f32>> = Spare::default();
        let sums = Spare::default();
        let of = |scores: &mut Vec<f32>, history: &Vec<(u32, f32)>| -> Vec<f32> {
            let columns = self.parts.columns(history, self.wanted, &sums);
            let mut all: Vec<f32> = columns.iter().map(Column::spread).collect();
            // Popularity is the same for all.
            all.push(0.0);
            if let Some(ease) = self.ease {
                ease_scores(ease, history, scores);
                all.push(spread(scores));
            }
            if let Some(ials) = self.ials {
                ials_scores(ials, history, scores);
                all.push(spread(scores));
            }
            all
        };
        let init = || buffers.take(|| vec![0f32; self.popularity.len()]);
        let found: Vec<Vec<f32>> =
            histories.par_iter().map_init(init, |scores, x| of(scores, x)).collect();
        let mean = |at: usize| -> f32 {
            let own = found.iter().filter_map(|own| own.get(at));
            let sum: f64 = own.map(|own| f64::from(*own)).sum();
            (sum / found.len().max(1) as f64) as f32
        };
        let modalities = self.wanted.content.len();
        let (ease, ials) = (self.ease.is_some(), self.ials.is_some());
        let layout = Layout { modalities, ease, ials };
        let of_modality = |at| std::array::from_fn(|term| mean(layout.content(at) + term));
        Spreads {
            first: mean(Layout::FIRST),
            second: mean(Layout::SECOND),
            content: (0..modalities).map(of_modality).collect(),
            popularity: spread(self.popularity),
            ease: if ease { mean(layout.ease()) } else { 0.0 },
            ials: if ials { mean(layout.ials()) } else { 0.0 },
        }
    }
}

fn spread(values: &[f32]) -> f32 {
    deviation(values.iter().copied(), values.len())
}
