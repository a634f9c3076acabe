//! The factors of items with the loss that they were solved for: all that it takes to answer a
//! history, and nothing else of a model.

use super::settings::Settings;
use super::side::{Basis, Side};
use super::solver::Solver;
use crate::kernels::{LANES, Line, dot, dot_rows, stride};
use crate::model::ItemVectors;
use crate::model::file::{Array, Sections, Writer, corrupt};
use crate::{Result, Served, UNSCORED};

/// Factors at most.
pub(super) const MOST: usize = 2048;

pub(in crate::model) struct ItemFactors {
    pub(super) dim: usize,
    /// In rows of a whole number of lines.
    rows: Rows,
    /// The diagonal of FᵀF, which is diagonal.
    spectrum: Vec<f32>,
    pub(super) settings: Settings,
}

enum Rows {
    Owned(Vec<Line>),
    Loaded(Array<f32>),
}

impl ItemFactors {
    pub(super) fn new(side: Side, settings: Settings) -> ItemFactors {
        let Side { dim, lines, spectrum } = side;
        ItemFactors { dim, rows: Rows::Owned(lines), spectrum, settings }
    }

    /// Reads those of so many items.
    pub(in crate::model) fn read(sections: &Sections, n_items: usize) -> Result<ItemFactors> {
        let [unobserved, regularization, exponent] = *sections.array_of::<f64>("loss", 3)? else {
            return Err(corrupt("its loss has not three numbers"));
        };
        let [dim, binary] = *sections.array_of::<u32>("factor sizes", 2)? else {
            return Err(corrupt("its factors have no size"));
        };
        let dim = dim as usize;
        if dim == 0 || dim > MOST {
            return Err(corrupt("it has no number of factors"));
        }
        let spectrum = sections.array_of::<f32>("spectrum", dim)?.to_vec();
        let numbers = [unobserved, regularization, exponent];
        let known = |value: f64| value.is_finite() && value >= 0.0;
        if !numbers.into_iter().chain(spectrum.iter().map(|own| f64::from(*own))).all(known) {
            return Err(corrupt("a number of it is none"));
        }
        let length = n_items.checked_mul(stride(dim));
        let length = length.ok_or_else(|| corrupt("it has too many items"))?;
        Ok(ItemFactors {
            dim,
            rows: Rows::Loaded(sections.array_of("item factors", length)?),
            spectrum,
            settings: Settings { unobserved, regularization, exponent, binary: binary != 0 },
        })
    }

    pub(in crate::model) fn write<'a>(&'a self, writer: &mut Writer<'a>) {
        let Settings { unobserved, regularization, exponent, binary } = self.settings;
        writer.owned("loss", vec![unobserved, regularization, exponent]);
        writer.owned("factor sizes", vec![self.dim as u32, u32::from(binary)]);
        writer.array("spectrum", &self.spectrum);
        writer.array("item factors", self.all());
    }

    /// The bytes that they take.
    pub(in crate::model) fn memory(&self) -> u64 {
        (size_of_val(self.all()) + size_of_val(self.spectrum.as_slice())) as u64
    }

    /// Row after row.
    pub(super) fn all(&self) -> &[f32] {
        match &self.rows {
            Rows::Owned(lines) => bytemuck::cast_slice(lines),
            Rows::Loaded(values) => values,
        }
    }

    pub(in crate::model) fn vectors(&self) -> ItemVectors<'_> {
        ItemVectors { dim: self.dim, rows: self.all() }
    }

    /// The length of each item's factors.
    pub(in crate::model) fn lengths(&self) -> Vec<f32> {
        self.rows().map(|row| dot(row, row).sqrt()).collect()
    }

    pub(super) fn len(&self) -> usize {
        self.all().len() / stride(self.dim)
    }

    pub(super) fn row(&self, item: u32) -> Option<&[f32]> {
        self.all().chunks_exact(stride(self.dim)).nth(item as usize)
    }

    pub(super) fn rows(&self) -> impl Iterator<Item = &[f32]> {
        self.all().chunks_exact(stride(self.dim))
    }

    fn solver(&self) -> Solver<'_> {
        let basis = Basis { dim: self.dim, rows: self.all(), spectrum: &self.spectrum };
        Solver::new(basis, self.settings)
    }

    /// The factors of a person with a history of item rows, each once; `None` where nothing speaks
    /// for anything.
    pub(in crate::model) fn fold_in(&self, x: &[(u32, f32)]) -> Option<Person> {
        if !x.iter().any(|(_, weight)| *weight > 0.0) {
            return None;
        }
        let mut lines = vec![Line::default(); stride(self.dim) / LANES];
        let out: &mut [f32] = bytemuck::cast_slice_mut(&mut lines);
        self.solver().fold_in(x, out);
        out.iter().all(|value| value.is_finite()).then_some(Person(lines))
    }

    /// The scores of all items for such a history.
    pub(in crate::model) fn scores(&self, x: &[(u32, f32)], out: &mut [f32]) -> Served {
        let Some(person) = self.fold_in(x) else {
            out.fill(UNSCORED);
            return Served::No;
        };
        self.scores_for(&person, out);
        Served::Dense
    }

    /// The scores of all items for a person.
    pub(in crate::model) fn scores_for(&self, person: &Person, out: &mut [f32]) {
        dot_rows(self.all(), stride(self.dim), person.values(), out);
    }

    /// The score of one item for a person.
    pub(in crate::model) fn score(&self, person: &Person, item: u32) -> Option<f32> {
        Some(dot(self.row(item)?, person.values()))
    }

    /// For each row of a history, ascending, what it adds to the score of an item.
    pub(in crate::model) fn parts(&self, x: &[(u32, f32)], item: u32) -> Vec<(u32, f32)> {
        self.row(item).map_or_else(Vec::new, |row| self.solver().parts(x, row))
    }
}

/// The factors of a person, a padded row.
pub(in crate::model) struct Person(Vec<Line>);

impl Person {
    pub(in crate::model) fn values(&self) -> &[f32] {
        bytemuck::cast_slice(&self.0)
    }
}
