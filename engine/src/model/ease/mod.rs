//! `ease`: the linear model of items by items with a closed form.
//!
//! ```text
//! P = (Xᵀ W X + λI)⁻¹    W = diag((d_u / mean d)^−2a)    B = I − P · diag(1 / diag P)
//! score(x) = xB = x − (xP) / diag P
//! ```
//!
//! (Steck 2019.) It has two forms. The exact one keeps P whole. The sparse one, for large catalogues,
//! solves the same system in single precision, in an eighth of the memory beyond that, and keeps of
//! each item's row of B the links of largest magnitude.

mod exact;
mod sparse;

use rayon::prelude::*;

use super::estimate::{MEMORY_LIMIT, within_limit};
use super::file::Sections;
use super::{Algorithm, Embeddings, Model};
use crate::linalg::{Entry, InverseError, Panels, invert};
use crate::options::Checked;
use crate::{
    Dataset, Error, ModelOptions, OptionKind, OptionSpec, OptionValue, Result, SideData, Work,
};

pub(super) use exact::Ease;
use sparse::Sparse;

const NAME: &str = "ease";
const EXACT_FORMAT: u32 = 1;
const SPARSE_FORMAT: u32 = 2;
/// Items up to which the exact form is taken: beyond, scoring streams too much of the memory.
const EXACT_ITEMS: u64 = 20_000;

pub(super) const ALGORITHM: Algorithm = Algorithm {
    name: NAME,
    summary: "a linear model between items in closed form, exact or with the strongest links of each item",
    options: &[
        OptionSpec {
            name: "lambda",
            kind: OptionKind::Real { default: 300.0, min: 1e-6, max: 1e12 },
            help: "the regularisation; more for dense data",
        },
        OptionSpec {
            name: "user_exponent",
            kind: OptionKind::Real { default: 0.0, min: 0.0, max: 2.0 },
            help: "a: how much users with long histories are held back",
        },
        OptionSpec {
            name: "weighting",
            kind: OptionKind::Choice(&["binary", "weighted"]),
            help: "whether an interaction counts one if its weight is positive, or its weight",
        },
        OptionSpec {
            name: "form",
            kind: OptionKind::Choice(&["auto", "exact", "sparse"]),
            help: "all links, or the strongest of each item; auto: exact up to 20,000 items, memory allowing",
        },
        OptionSpec {
            name: "k",
            kind: OptionKind::Int { default: 1000, min: 1, max: 1_000_000 },
            help: "sparse: the links kept of each item",
        },
        MEMORY_LIMIT,
    ],
    embeddings: Embeddings::Unused,
    fit,
    load,
    format: SPARSE_FORMAT,
};

/// How much of B is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Exact,
    /// So many links of each item.
    Sparse(u64),
}

impl Form {
    /// The form asked for, or the one that suits the catalogue and the memory.
    fn of(options: &Checked, n_items: u64) -> Form {
        let limit = options.int("memory_limit") as u64;
        let sparse = Form::Sparse(options.int("k") as u64);
        match options.text("form") {
            "exact" => Form::Exact,
            "sparse" => sparse,
            _ if n_items <= EXACT_ITEMS && Form::Exact.peak_bytes(n_items) <= limit => Form::Exact,
            _ => sparse,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Form::Exact => "exact",
            Form::Sparse(_) => "sparse",
        }
    }

    /// The memory that training takes at most.
    fn peak_bytes(self, n_items: u64) -> u64 {
        match self {
            Form::Exact => exact::peak_bytes(n_items),
            Form::Sparse(k) => sparse::peak_bytes(n_items, k),
        }
    }

    fn model_bytes(self, n_items: u64) -> u64 {
        match self {
            Form::Exact => exact::model_bytes(n_items),
            Form::Sparse(k) => sparse::model_bytes(n_items, k),
        }
    }
}

/// What training takes: the memory at the peak, the size of the model, and the seconds on one thread
/// without the counting.
pub(super) fn estimate(options: &Checked, n_items: u64) -> (u64, u64, f64) {
    let form = Form::of(options, n_items);
    let cube = (n_items as f64).powi(3);
    let seconds = match form {
        Form::Exact => cube / 31e9 + (n_items as f64).powi(2) * 4e-9,
        Form::Sparse(_) => cube / 60e9 + (n_items as f64).powi(2) * 8e-9,
    };
    (form.peak_bytes(n_items), form.model_bytes(n_items), seconds)
}

/// The memory that training the exact form takes at most.
pub(super) fn peak_bytes(n_items: u64) -> u64 {
    Form::Exact.peak_bytes(n_items)
}

fn fit(
    data: &Dataset,
    side: &SideData,
    options: &ModelOptions,
    _: u64,
    work: &Work,
) -> Result<Box<dyn Model>> {
    let checked = Checked::new(NAME, ALGORITHM.options, options)?;
    let binary = checked.text("weighting") == "binary";
    if data.n_pairs() == 0 {
        return Err(Error::EmptyTraining { algorithm: NAME, why: "there are no interactions" });
    }
    within_limit(NAME, data, side, options, &checked)?;
    let form = Form::of(&checked, data.n_items() as u64);
    let (lambda, exponent) = (checked.real("lambda"), checked.real("user_exponent"));
    let mut options = checked.into_list();
    for (name, value) in &mut options {
        if name == "form" {
            *value = OptionValue::Text(form.name().to_owned());
        }
    }
    match form {
        Form::Exact => {
            let mut ease = Ease::solve(data, lambda, exponent, binary, work)?;
            ease.options = options;
            Ok(Box::new(ease))
        }
        Form::Sparse(k) => {
            let matrix = solved::<f32>(data, lambda, exponent, binary, mean_degree(data), work)?;
            let k = usize::try_from(k).unwrap_or(usize::MAX);
            Ok(Box::new(Sparse::keep(matrix, data.items.clone(), k, binary, options, work)?))
        }
    }
}

/// The mean of the users' degrees, which their weights are relative to.
fn mean_degree(data: &Dataset) -> f64 {
    data.n_pairs() as f64 / data.n_users() as f64
}

/// The weight of a user of a degree.
fn user_weight(degree: usize, mean_degree: f64, exponent: f64) -> f64 {
    (degree as f64 / mean_degree).powf(-2.0 * exponent)
}

/// P.
fn solved<T: Entry>(
    data: &Dataset,
    lambda: f64,
    exponent: f64,
    binary: bool,
    mean_degree: f64,
    work: &Work,
) -> Result<Panels<T>> {
    let mut matrix = gram(data, lambda, exponent, binary, mean_degree, work)?;
    invert(&mut matrix, "inverse", work).map_err(|error| match error {
        InverseError::Cancelled => Error::Cancelled,
        InverseError::NotPositiveDefinite => {
            Error::NotPositiveDefinite { algorithm: NAME, option: "lambda" }
        }
    })?;
    Ok(matrix)
}

/// Xᵀ W X + λI. Every entry is summed over the users in their order by one thread.
fn gram<T: Entry>(
    data: &Dataset,
    lambda: f64,
    exponent: f64,
    binary: bool,
    mean_degree: f64,
    work: &Work,
) -> Result<Panels<T>> {
    let value = |x: f32| match binary {
        true => f64::from(u8::from(x > 0.0)),
        false => f64::from(x),
    };
    let by_user: Vec<f64> = data.by_user.values().iter().map(|x| value(*x)).collect();
    let user_weight: Vec<f64> = (0..data.n_users())
        .map(|user| user_weight(data.by_user.degree(user), mean_degree, exponent))
        .collect();
    let mut matrix = Panels::zeros(data.n_items());
    work.step("co-occurrences", 0, 1)?;
    matrix.columns_mut().into_par_iter().with_max_len(16).for_each(|(item, column)| {
        if work.cancel.is_cancelled() {
            return;
        }
        column[0] = T::of(lambda);
        let (users, weights) = data.by_item.row(item);
        for (user, x) in users.iter().zip(weights) {
            let factor = value(*x) * user_weight[*user as usize];
            if factor == 0.0 {
                continue;
            }
            let range = data.by_user.range(*user as usize);
            let others = &data.by_user.indices()[range.clone()];
            let first = others.partition_point(|other| (*other as usize) < item);
            for (other, x) in others[first..].iter().zip(&by_user[range][first..]) {
                column[*other as usize - item] += T::of(factor * x);
            }
        }
    });
    work.step("co-occurrences", 1, 1)?;
    Ok(matrix)
}

fn load(sections: &Sections) -> Result<Box<dyn Model>> {
    let options = sections.options()?;
    let weighting = options.iter().find(|(name, _)| name == "weighting");
    let binary = weighting.is_none_or(|(_, value)| *value == OptionValue::Text("binary".into()));
    let sparse = options.iter().any(|(name, value)| {
        name == "form" && *value == OptionValue::Text(Form::Sparse(0).name().to_owned())
    });
    if sparse {
        return Ok(Box::new(Sparse::read(sections, binary, options)?));
    }
    let mut ease = Ease::read(sections, binary)?;
    ease.options = options;
    Ok(Box::new(ease))
}
