//! `ease` brought up to date: by exact updates of the inverse, or by a new one.
//!
//! A user whose items changed is a vector that leaves and one that comes; an item that is gone is a row
//! and a column less. Where these are fewer than a quarter of the items, the inverse is updated; beyond,
//! solving anew is as cheap, and after very many updates it takes away what rounding has added. Both give the matrix of the data as it is, with the λ, the exponent and the
//! mean degree of before.

use super::super::{ALGORITHM, NAME, user_weight};
use super::{Ease, peak_bytes};
use crate::linalg::{PANEL, Panels, Sparse, Turn, leave_out, update_inverse};
use crate::model::news::{Moves, News, Refreshed};
use crate::options::Checked;
use crate::{Csr, Dataset, Error, Result, Work};

/// An update is made where its vectors are no more than one in so many of the items.
const SHARE: usize = 4;
/// Vectors that may have come or left since the matrix was solved for. What rounding adds grows with the root of their
/// number, and after 80,000 was 3e-15 in numbers of about a third: far from what an answer shows, also where the matrix
/// is ill-conditioned; and solving anew once in a million updates costs next to nothing.
const UPDATES: u64 = if cfg!(test) { 200 } else { 1_000_000 };

impl Ease {
    pub(super) fn refreshed(&self, news: &News<'_>, work: &Work) -> Result<Refreshed> {
        let options = self.options.iter().cloned().collect();
        let checked = Checked::new(NAME, ALGORITHM.options, &options)?;
        let limit = checked.int("memory_limit") as u64;
        let needed = peak_bytes(news.items().len() as u64);
        if needed > limit {
            return Err(Error::TooLarge { algorithm: NAME, needed, limit });
        }
        let (lambda, exponent) = (checked.real("lambda"), checked.real("user_exponent"));
        let moves = match exponent == 0.0 {
            true => Moves::of_what_stays(news, &self.items),
            // Users weigh by how much they have, which an item that is gone changes for all who had it.
            false => Moves::of(news, &self.items),
        };
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
            let both = vectors(&moves.before).into_iter().zip(vectors(&moves.after));
            let (old, new): (Vec<Sparse>, Vec<Sparse>) =
                both.filter(|(old, new)| old != new).unzip();
            let some = |vectors: Vec<Sparse>| -> Vec<Sparse> {
                vectors.into_iter().filter(|vector| !vector.is_empty()).collect()
            };
            let (old, new) = (some(old), some(new));
            let items = news.items();
            let (kept, gone): (Vec<usize>, Vec<usize>) = (0..self.items.len())
                .partition(|row| items.binary_search(&self.items[*row]).is_ok());
            let updates = old.len() + new.len() + gone.len();
            let all_updates = self.updates.saturating_add(updates as u64);
            if updates * SHARE <= items.len() && all_updates <= UPDATES {
                let mut matrix = self.carried(&kept, items.len(), lambda);
                if self.leave_out(&mut matrix, &kept, &gone)
                    && update_inverse(&mut matrix, &new, Turn::Add, work)?
                    && update_inverse(&mut matrix, &old, Turn::Remove, work)?
                {
                    let mut how = format!("exact update for {} users", moves.users());
                    if !gone.is_empty() {
                        how.push_str(&format!(" and without {} items", gone.len()));
                    }
                    let ease = Ease::of(items.to_vec(), matrix, self.binary, mean);
                    return Ok((Ease { updates: all_updates, ..ease }, how));
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

    /// What each user adds to the matrix: the root of the weight times the row.
    fn vectors(&self, pairs: &Csr, mean: f64, exponent: f64) -> Vec<Sparse> {
        let vector = |(items, weights): (&[u32], &[f32])| -> Sparse {
            let root = user_weight(items.len().max(1), mean, exponent).sqrt();
            let values = weights.iter().map(|weight| match self.binary {
                true => f64::from(u8::from(*weight > 0.0)),
                false => f64::from(*weight),
            });
            let entries = items.iter().copied().zip(values.map(|value| root * value));
            entries.filter(|(_, value)| *value != 0.0).collect()
        };
        pairs.rows().map(vector).collect()
    }

    /// The inverse in the rows that are kept, with rows for new items, whom nobody has had yet.
    fn carried(&self, kept: &[usize], n: usize, lambda: f64) -> Panels<f64> {
        let mut matrix = Panels::zeros(n);
        for (at, column) in matrix.columns_mut() {
            let Some(from) = kept.get(at) else {
                column[0] = lambda.recip();
                continue;
            };
            let own = self.below(*from);
            if kept.len() == self.items.len() {
                column[..own.len()].copy_from_slice(own);
            } else {
                let rows = kept[at..].iter().map(|row| own[*row - *from]);
                column.iter_mut().zip(rows).for_each(|(to, value)| *to = value);
            }
        }
        matrix
    }

    /// Makes of the carried part of the inverse that of the matrix without the rows that are gone.
    fn leave_out(&self, matrix: &mut Panels<f64>, kept: &[usize], gone: &[usize]) -> bool {
        if gone.is_empty() {
            return true;
        }
        let entry = |row: usize, column: usize| self.below(row.min(column))[row.abs_diff(column)];
        let mut cross = vec![0f64; matrix.n() * gone.len()];
        for (row, out) in kept.iter().zip(cross.chunks_exact_mut(gone.len())) {
            out.iter_mut().zip(gone).for_each(|(to, column)| *to = entry(*row, *column));
        }
        let corner = gone.iter().flat_map(|row| gone.iter().map(|column| entry(*row, *column)));
        leave_out(matrix, cross, corner.collect())
    }

    /// A column of the triangle, from the diagonal down.
    fn below(&self, at: usize) -> &[f64] {
        let n = self.items.len();
        let (panel, own) = (at / PANEL, at % PANEL);
        // Every panel before this one is full.
        let start = PANEL * (panel * n) - PANEL * PANEL * (panel * panel.max(1) - panel) / 2;
        let height = n - panel * PANEL;
        let from = start + own * height + own;
        &self.triangle[from..from + n - at]
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::model::news::Changed;
    use crate::model::{fit, refresh};
    use crate::{ModelOptions, SideData};
    use tastedb_storage::{ItemId, UserId};

    #[test]
    fn after_many_updates_the_inverse_is_solved_for_again() {
        let items: Vec<ItemId> = (0..40).map(ItemId).collect();
        let data = |moved: u64| {
            let item = |user: u64, at: u64| (7 * user + 3 * at + moved * u64::from(user < 2)) % 40;
            let pairs = (0..30u64).flat_map(|user| {
                (0..5).map(move |at| (UserId(user), ItemId(item(user, at)), 1.0, None))
            });
            Dataset::build(items.clone(), pairs).unwrap()
        };
        let both = [data(0), data(1)];
        let (side, work) = (SideData::default(), Work::quiet());
        let mut model = fit("ease", &both[0], &side, &ModelOptions::new(), 0, &work).unwrap();
        // Two users leave and come each time.
        let exactly = UPDATES as usize / 4;
        for round in 1..2 * exactly + 4 {
            let (old, new) = (&both[(round + 1) % 2], &both[round % 2]);
            let changed = Some(Changed::between(old, new));
            let news = News::new(items.clone(), &side, changed, || Ok(new.clone()));
            let refreshed = refresh(model.as_ref(), &news, 0, &work).unwrap();
            let again = round % (exactly + 1) == 0;
            let how = if again { "solved for again" } else { "exact update for 2 users" };
            assert!(refreshed.how.contains(how), "{round}: {}", refreshed.how);
            // The number of updates is kept in the file.
            let mut bytes = Vec::new();
            refreshed.model.save(&mut bytes).unwrap();
            model = crate::model::load(std::sync::Arc::new(bytes)).unwrap();
        }
    }
}
