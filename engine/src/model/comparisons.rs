//! What pairwise models compare, and how much each comparison counts.
//!
//! - `denoise = 'pld'`: from the fifth epoch on, one of five items of the user's is compared in place of
//!   each pair's, drawn by the softmax of −loss / 0.1: what was clicked by accident has a large loss
//!   and is seldom taken. (Personalised denoising by resampling, Zhang et al. 2025; theirs are five
//!   drawn items, here the pair's own and four.)
//! - `debias = 'ips'`: a comparison counts one over the propensity of the item that was had,
//!   `(n_i / max n)^½`, at least `clip`; then so that the mean is one. (Saito et al. 2020, for pairs.)

use super::learning::Settings;
use crate::compute::Compute;
use crate::options::Checked;
use crate::seeded::number;
use crate::trainer::{Triple, Triples};
use crate::{Dataset, OptionKind, OptionSpec, Result};

/// The epochs before resampling begins, and what it draws from.
const WARM_UP: usize = 4;
const CANDIDATES: usize = 5;
const TEMPERATURE: f32 = 0.1;

pub(super) const DENOISE: OptionSpec = OptionSpec {
    name: "denoise",
    kind: OptionKind::Choice(&["none", "pld"]),
    help: "'pld': prefer those of a user's items that the model finds likely",
};
pub(super) const DEBIAS: OptionSpec = OptionSpec {
    name: "debias",
    kind: OptionKind::Choice(&["none", "ips"]),
    help: "'ips': what few people had counts more",
};
pub(super) const CLIP: OptionSpec = OptionSpec {
    name: "clip",
    kind: OptionKind::Real { default: 0.1, min: 1e-3, max: 1.0 },
    help: "the smallest propensity of 'ips'",
};

/// How comparisons are drawn and weighed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Comparing {
    negatives: usize,
    denoise: bool,
    clip: Option<f32>,
}

impl Comparing {
    pub(super) fn new(checked: &Checked) -> Comparing {
        let clip = (checked.text("debias") == "ips").then(|| checked.real("clip") as f32);
        let negatives = checked.int("negatives") as usize;
        Comparing { negatives, denoise: checked.text("denoise") == "pld", clip }
    }
}

/// The comparisons of a training.
pub(super) struct Comparisons {
    triples: Triples,
    /// How much the comparisons of an item that was had count.
    weights: Option<Vec<f32>>,
    users: usize,
    denoise: bool,
    /// The comparisons between two steps.
    size: usize,
    /// The comparisons of an epoch, one at least: their losses are divided by it.
    pub(super) number: usize,
    candidates: usize,
    seed: u64,
}

impl Comparisons {
    pub(super) fn new(data: &Dataset, settings: &Settings, how: Comparing) -> Comparisons {
        let seed = number(settings.seed, 2);
        Comparisons {
            triples: Triples::new(data, how.negatives, seed),
            weights: how.clip.map(|clip| weights(data, clip)),
            users: data.n_users(),
            denoise: how.denoise,
            size: settings.batch.saturating_mul(how.negatives),
            number: (data.n_pairs() * how.negatives).max(1),
            candidates: 1,
            seed,
        }
    }

    /// The comparisons of an epoch, one part for each step.
    pub(super) fn epoch(&mut self, epoch: usize) -> Vec<Vec<Triple>> {
        self.candidates = if self.denoise && epoch > WARM_UP { CANDIDATES } else { 1 };
        let all = self.triples.epoch(epoch, self.candidates);
        all.chunks(self.size.saturating_mul(self.candidates)).map(<[Triple]>::to_vec).collect()
    }

    /// Adds the losses of a batch whose values are there to the sum; its gradient is added to the
    /// batch's.
    pub(super) fn compare<C: Compute>(
        &mut self,
        compute: C,
        batch: &mut C::Batch,
        loss: &mut C::Loss,
    ) -> Result<()> {
        if self.candidates > 1 {
            self.seed = number(self.seed, 1);
            compute.choose(batch, self.candidates, TEMPERATURE, self.seed)?;
        }
        if let Some(weights) = &self.weights {
            compute.weigh(batch, weights, self.users)?;
        }
        compute.compare(batch, 1.0, loss)
    }
}

/// One over the clipped propensity of each item, over the mean of that over all pairs.
fn weights(data: &Dataset, clip: f32) -> Vec<f32> {
    let degrees = || (0..data.n_items()).map(|item| data.by_item.degree(item) as f32);
    let most = degrees().fold(1.0, f32::max);
    let mut weights: Vec<f32> =
        degrees().map(|degree| (degree / most).sqrt().max(clip).recip()).collect();
    let sum: f64 = degrees().zip(&weights).map(|(n, weight)| f64::from(n * weight)).sum();
    let mean = (sum / data.n_pairs().max(1) as f64) as f32;
    weights.iter_mut().for_each(|weight| *weight /= mean);
    weights
}
