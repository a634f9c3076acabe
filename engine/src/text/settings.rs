//! The options of a text embedding.

use super::METHOD;
use crate::error::Result;
use crate::options::{Checked, ModelOptions, OptionKind, OptionSpec};

/// What a text embedding understands.
pub(crate) const OPTIONS: &[OptionSpec] = &[
    OptionSpec {
        name: "dim",
        kind: OptionKind::Int { default: 256, min: 1, max: 1024 },
        help: "the dimensions; not given: 256, or as many as rows and terms allow",
    },
    OptionSpec {
        name: "min_df",
        kind: OptionKind::Int { default: 2, min: 1, max: u32::MAX as i64 },
        help: "the fewest rows that a term must stand in to count",
    },
    OptionSpec {
        name: "max_df",
        kind: OptionKind::Real { default: 0.5, min: 1e-9, max: 1.0 },
        help: "the greatest part of the rows that a term may stand in and still count",
    },
    OptionSpec {
        name: "max_terms",
        kind: OptionKind::Int { default: 50_000, min: 1, max: 1 << 24 },
        help: "how many terms count at most: those in the most rows",
    },
    OptionSpec {
        name: "seed",
        kind: OptionKind::Int { default: 0, min: i64::MIN, max: i64::MAX },
        help: "the seed of the decomposition's random start",
    },
    OptionSpec {
        name: "memory_limit",
        kind: OptionKind::Int { default: 8 << 30, min: 1, max: i64::MAX },
        help: "the bytes that the computation may take; beyond, it fails",
    },
];

/// Options that passed the check.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    /// `None`: not given.
    pub(super) dim: Option<usize>,
    pub(super) min_df: u32,
    pub(super) max_df: f64,
    pub(super) max_terms: usize,
    pub(super) seed: u64,
    pub(super) memory_limit: u64,
}

/// The dimensions where none are given, as far as there are as many.
pub(super) const DIM: usize = 256;

impl Settings {
    pub(super) fn new(options: &ModelOptions) -> Result<Settings> {
        let checked = Checked::new(METHOD, OPTIONS, options)?;
        Ok(Settings {
            dim: options.get("dim").map(|_| checked.int("dim") as usize),
            min_df: checked.int("min_df") as u32,
            max_df: checked.real("max_df"),
            max_terms: checked.int("max_terms") as usize,
            seed: checked.int("seed") as u64,
            memory_limit: checked.int("memory_limit") as u64,
        })
    }
}
