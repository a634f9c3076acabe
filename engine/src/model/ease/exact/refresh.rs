//! `ease` brought up to date: by exact updates of the inverse, or by a new one.
//!
//! A user whose items changed is a vector that leaves and one that comes. Where such vectors are
//! fewer than a quarter of the items, the inverse is updated; beyond, solving anew is as cheap. Both
//! give the matrix of the data as it is, with the λ, the exponent and the mean degree of before.

use super::super::{ALGORITHM, NAME, user_weight};
use super::{Ease, peak_bytes};
use crate::linalg::{PANEL, Panels, Sparse, Turn, update_inverse};
use crate::model::news::{Moves, News, Refreshed};
use crate::options::Checked;
use crate::{Csr, Dataset, Error, Result, Work};

/// An update is made where its vectors are no more than one in so many of the items.
const SHARE: usize = 4;

impl Ease {
    pub(super) fn refreshed(&self, news: &News<'_>, work: &Work) -> Result<Refreshed> {
        let options = self.options.iter().cloned().collect();
        let checked = Checked::new(NAME, ALGORITHM.options, &options)?;
        let limit = checked.int("memory_limit") as u64;
        let needed = peak_bytes(news.items().len() as u64);
        if needed > limit {
            return Err(Error::TooLarge { algorithm: NAME, needed, limit });
        }
        let moves = Moves::of(news, &self.items);
        let (lambda, exponent) = (checked.real("lambda"), checked.real("user_exponent"));
        let (mut ease, how) =
            self.follow(news, moves.as_ref(), || news.data(), [lambda, exponent], work)?;
        ease.options = self.options.clone();
        Ok(Refreshed { model: Box::new(ease), how, anew: true })
    }

    /// The matrix of the data now. `moves` and `data` are what this matrix counts of the news.
    pub(in crate::model) fn follow<'d>(
        &self,
        news: &News<'_>,
        moves: Option<&Moves>,
        data: impl FnOnce() -> Result<&'d Dataset>,
        [lambda, exponent]: [f64; 2],
        work: &Work,
    ) -> Result<(Ease, String)> {
        // Without an exponent the mean does not matter.
        let mean = self.mean_degree.or((exponent == 0.0).then_some(1.0));
        if let Some((moves, mean)) = moves.zip(mean) {
            let vectors = |pairs| self.vectors(pairs, mean, exponent);
            let (old, new) = (vectors(&moves.before), vectors(&moves.after));
            if (old.len() + new.len()) * SHARE <= news.items().len() {
                let mut matrix = self.grown(news.items().len(), lambda);
                if update_inverse(&mut matrix, &new, Turn::Add, work)?
                    && update_inverse(&mut matrix, &old, Turn::Remove, work)?
                {
                    let ease = Ease::of(news.items().to_vec(), matrix, self.binary, mean);
                    return Ok((ease, format!("exact update for {} users", moves.users())));
                }
            }
        }
        let data = data()?;
        if data.n_pairs() == 0 {
            return Err(Error::EmptyTraining { algorithm: NAME, why: "there are no interactions" });
        }
        let ease = Ease::solve_relative(data, lambda, exponent, self.binary, mean, work)?;
        Ok((ease, "inverse solved for again".to_owned()))
    }

    /// What each user with pairs adds to the matrix: the root of the weight times the row.
    fn vectors(&self, pairs: &Csr, mean: f64, exponent: f64) -> Vec<Sparse> {
        let users = pairs.rows().filter(|(items, _)| !items.is_empty());
        let vector = |(items, weights): (&[u32], &[f32])| -> Sparse {
            let root = user_weight(items.len(), mean, exponent).sqrt();
            let values = weights.iter().map(|weight| match self.binary {
                true => f64::from(u8::from(*weight > 0.0)),
                false => f64::from(*weight),
            });
            let entries = items.iter().copied().zip(values.map(|value| root * value));
            entries.filter(|(_, value)| *value != 0.0).collect()
        };
        users.map(vector).filter(|vector| !vector.is_empty()).collect()
    }

    /// The inverse with rows for new items, whom nobody has had yet.
    fn grown(&self, n: usize, lambda: f64) -> Panels<f64> {
        let known = self.items.len();
        let mut matrix = Panels::zeros(n);
        for (at, column) in matrix.columns_mut() {
            if at >= known {
                column[0] = lambda.recip();
                continue;
            }
            let (panel, own) = (at / PANEL, at % PANEL);
            // Every panel before this one is full.
            let start =
                PANEL * (panel * known) - PANEL * PANEL * (panel * panel.max(1) - panel) / 2;
            let height = known - panel * PANEL;
            let from = start + own * height + own;
            column[..known - at].copy_from_slice(&self.triangle[from..from + known - at]);
        }
        matrix
    }
}
