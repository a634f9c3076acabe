//! What a training run will take, told before it starts.
//!
//! The constants were measured on one core of a 2.3 GHz server with AVX-512 and are no promise: a
//! slower machine or a busy one takes longer. Memory is counted from the arrays that are allocated.

use super::ials::MIXED_TRIES;
use super::{algorithm, ease, graph_filter, ials, item_knn, learning};
use crate::options::Checked;
use crate::{Dataset, Error, ModelOptions, OptionKind, OptionSpec, Result, SideData};

/// The option of algorithms that may need much memory.
pub(super) const MEMORY_LIMIT: OptionSpec = OptionSpec {
    name: "memory_limit",
    kind: OptionKind::Int { default: 8 << 30, min: 1, max: i64::MAX },
    help: "the bytes that training may take; beyond, it fails before it starts",
};

/// Fails where a training is expected to take more memory than its `memory_limit`.
pub(super) fn within_limit(
    algorithm: &'static str,
    data: &Dataset,
    side: &SideData,
    options: &ModelOptions,
    checked: &Checked,
) -> Result<()> {
    let needed = estimate(algorithm, &Size::of(data, side), options, 0)?.bytes;
    let limit = checked.int(MEMORY_LIMIT.name) as u64;
    if needed > limit {
        return Err(Error::TooLarge { algorithm, needed, limit });
    }
    Ok(())
}

/// The bytes of a copy of the training data.
pub(super) fn dataset_bytes(n_users: u64, n_items: u64, n_pairs: u64) -> u64 {
    n_pairs.saturating_mul(16).saturating_add((n_users + n_items).saturating_mul(16))
}

/// What training is expected to take.
#[derive(Clone, Debug, PartialEq)]
pub struct Estimate {
    /// The memory in use at the peak beyond the dataset, in bytes.
    pub bytes: u64,
    /// The size of the saved model, in bytes.
    pub model_bytes: u64,
    /// The time on the given number of threads, in seconds.
    pub seconds: f64,
    /// The memory of a device that trains it, at the peak, in bytes, without what the device keeps for
    /// itself; `None` where no device can.
    pub device_bytes: Option<u64>,
}

/// How much there is to learn from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    /// Users with interactions.
    pub users: u64,
    /// Items in the catalogue.
    pub items: u64,
    /// Distinct pairs of user and item.
    pub pairs: u64,
    /// The numbers of all embeddings together.
    pub embeddings: u64,
}

impl Size {
    /// That of training data.
    pub fn of(data: &Dataset, side: &SideData) -> Size {
        let numbers = side.embeddings.values().map(|own| (own.len() * own.dim()) as u64);
        Size {
            users: data.n_users() as u64,
            items: data.n_items() as u64,
            pairs: data.n_pairs() as u64,
            embeddings: numbers.sum(),
        }
    }
}

/// Estimates the training of a model on so much; `threads` as for [`crate::Work`].
pub fn estimate(
    name: &str,
    size: &Size,
    options: &ModelOptions,
    threads: usize,
) -> Result<Estimate> {
    let Size { users: n_users, items: n_items, pairs: n_pairs, .. } = *size;
    let algorithm = algorithm(name)?;
    let checked = Checked::new(algorithm.name, algorithm.options, options)?;
    let (items, pairs) = (n_items as f64, n_pairs as f64);
    // Histories are skewed: the sum of their squares is some four times that of equal ones.
    let co_occurrences = 4.0 * pairs * pairs / (n_users.max(1) as f64);
    let threads = if threads == 0 { rayon::current_num_threads() } else { threads } as f64;
    let estimate = match algorithm.name {
        "ease" => {
            let (bytes, model_bytes, seconds) = ease::estimate(&checked, n_items);
            let seconds = (co_occurrences * 2e-9 + seconds) / threads;
            Estimate { bytes, model_bytes, seconds, device_bytes: None }
        }
        "graph_filter" => {
            let counts = graph_filter::count_bytes(n_items, co_occurrences as u64);
            let ease =
                n_items <= graph_filter::EASE_ITEMS as u64 && checked.auto("ease") != Some(0.0);
            let (ease_bytes, ease_seconds) = match ease {
                true => (ease::peak_bytes(n_items), items.powi(3) / 31e9),
                false => (0, 0.0),
            };
            let (ials_bytes, ials_seconds) = match checked.auto("ials") == Some(0.0) {
                true => (0, 0.0),
                false => {
                    let factors = checked.int("ials_factors") as usize;
                    let choice = ials_choice(n_users, n_items, n_pairs, factors, MIXED_TRIES);
                    let iteration = ials_iteration(n_users, n_items, n_pairs, factors);
                    let bytes = ials::peak_bytes(n_users, n_items, factors);
                    (bytes, choice + 2.0 * ials::ITERATIONS as f64 * iteration)
                }
            };
            // Some five thousand users are asked a few hundred times each.
            let choice = 5e3 * (2e-9 * (pairs + 200.0 * items)) + 2.0 * ease_seconds + ials_seconds;
            Estimate {
                bytes: 2 * counts + ease_bytes + ials_bytes,
                model_bytes: counts + ease_bytes / 2 + ials_bytes / 2,
                seconds: (choice + co_occurrences * 4e-9) / threads,
                device_bytes: None,
            }
        }
        "ials" => {
            let factors = checked.int("factors") as usize;
            let chosen = checked.auto("unobserved_weight").and(checked.auto("regularization"));
            let choice = match chosen {
                Some(_) => 0.0,
                None => ials_choice(n_users, n_items, n_pairs, factors, 14),
            };
            let iteration = ials_iteration(n_users, n_items, n_pairs, factors);
            Estimate {
                bytes: ials::peak_bytes(n_users, n_items, factors)
                    + match chosen {
                        Some(_) => 0,
                        // What is left of the pairs, and whom to ask about what is hidden.
                        None => 2 * dataset_bytes(n_users, n_items, n_pairs),
                    },
                model_bytes: ials::model_bytes(n_items, factors),
                seconds: (choice + checked.int("iterations") as f64 * iteration) / threads,
                device_bytes: None,
            }
        }
        name if learning::NAMES.contains(&name) => {
            let effort = learning::Effort::of(algorithm, &checked);
            learning::estimate(&checked, effort, size, threads)
        }
        "item_knn" => {
            let kept = item_knn::kept(&checked, n_items).min(co_occurrences as u64);
            Estimate {
                bytes: 12 * n_pairs + 24 * n_items + 2 * 8 * kept,
                model_bytes: 8 * kept + 16 * n_items,
                seconds: co_occurrences * 3e-9 / threads,
                device_bytes: None,
            }
        }
        _ => Estimate {
            bytes: 16 * n_items,
            model_bytes: 12 * n_items,
            seconds: pairs * 2e-9,
            device_bytes: None,
        },
    };
    Ok(estimate)
}

/// The seconds of choosing the settings of `ials` among so many.
fn ials_choice(n_users: u64, n_items: u64, n_pairs: u64, factors: usize, tries: usize) -> f64 {
    let tried = ials::tried_factors(n_pairs, factors);
    let asked = 5e7 * tried as f64 / 8e9;
    tries as f64 * (8.0 * ials_iteration(n_users, n_items, n_pairs, tried) + asked)
}

/// The seconds of one iteration of `ials`.
fn ials_iteration(n_users: u64, n_items: u64, n_pairs: u64, factors: usize) -> f64 {
    let (d, pairs) = (factors as f64, n_pairs as f64);
    let of_side = |n: u64| {
        // A row of fewer pairs than factors is a system of its pairs; most pairs are of longer rows.
        let pairs_of_row = 2.0 * pairs / n.max(1) as f64;
        let size = pairs_of_row.min(d);
        let work = pairs * size * d / 2.0 + n as f64 * (size.powi(3) / 6.0 + 1.5 * d * d);
        work / 20e9 + n as f64 * 4e-7 + d.powi(3) * 1e-8
    };
    of_side(n_users) + of_side(n_items)
}
