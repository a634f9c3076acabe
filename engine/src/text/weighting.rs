//! Which terms count, and how much: TF-IDF.
//!
//! ```text
//! weight = (1 + ln count) · idf      idf = ln((1 + rows) / (1 + rows with the term)) + 1
//! ```
//!
//! and a row's weights have length one. Counts grow sublinearly, so that a long text does not win
//! by repeating itself. (Salton and Buckley 1988; the smoothed idf is that of scikit-learn.)

use super::corpus::Corpus;
use super::settings::Settings;
use crate::matrix::Csr;

/// The terms that count.
#[derive(Debug, PartialEq)]
pub(super) struct Weighting {
    /// By falling number of rows, then by the term.
    pub(super) terms: Vec<Box<str>>,
    pub(super) idf: Vec<f32>,
}

/// The weight of a term in a row, before the row's length is made one.
pub(super) fn weight(count: u32, idf: f32) -> f32 {
    (1.0 + (count as f32).ln()) * idf
}

/// Makes the length one, if it is more than `least`; tells whether it is.
pub(super) fn normalise(vector: &mut [f32], least: f64) -> bool {
    let length = vector.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
    if !(length > least && length.is_finite()) {
        return false;
    }
    vector.iter_mut().for_each(|x| *x = (f64::from(*x) / length) as f32);
    true
}

impl Weighting {
    /// Chooses the terms of a corpus, and makes the matrix of its rows over them; rows without any
    /// of these terms are left out.
    pub(super) fn of(corpus: &Corpus, settings: &Settings) -> (Weighting, Csr) {
        let n_rows = corpus.n_rows();
        let most = settings.max_df * n_rows as f64;
        let counts = |number: &u32| corpus.rows_with[*number as usize];
        let mut kept: Vec<u32> = (0..corpus.terms.len() as u32)
            .filter(|number| counts(number) >= settings.min_df && f64::from(counts(number)) <= most)
            .collect();
        let term = |number: u32| &corpus.terms[number as usize];
        kept.sort_by(|a, b| counts(b).cmp(&counts(a)).then_with(|| term(*a).cmp(term(*b))));
        kept.truncate(settings.max_terms);
        let smooth = |number: &u32| {
            ((1.0 + n_rows as f64) / (1.0 + f64::from(counts(number)))).ln() as f32 + 1.0
        };
        let idf: Vec<f32> = kept.iter().map(smooth).collect();
        let mut columns = vec![u32::MAX; corpus.terms.len()];
        for (column, number) in kept.iter().enumerate() {
            columns[*number as usize] = column as u32;
        }
        let mut indptr = vec![0];
        let (mut indices, mut values) = (Vec::new(), Vec::new());
        let mut row: Vec<(u32, f32)> = Vec::new();
        let mut weights: Vec<f32> = Vec::new();
        for entries in corpus.rows() {
            row.clear();
            row.extend(entries.iter().filter_map(|(number, count)| {
                let column = columns[*number as usize];
                Some((column, weight(*count, *idf.get(column as usize)?)))
            }));
            row.sort_unstable_by_key(|(column, _)| *column);
            weights.clear();
            weights.extend(row.iter().map(|(_, weight)| *weight));
            if normalise(&mut weights, 0.0) {
                indices.extend(row.iter().map(|(column, _)| *column));
                values.extend_from_slice(&weights);
                indptr.push(indices.len());
            }
        }
        let matrix = Csr::from_parts(kept.len(), indptr, indices, values)
            .expect("columns of a row are sorted and distinct");
        let terms = kept.iter().map(|number| term(*number).clone()).collect();
        (Weighting { terms, idf }, matrix)
    }
}
