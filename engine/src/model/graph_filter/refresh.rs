//! The filter brought up to date: counts, degrees and graphs follow the data, the settings stay.
//!
//! Exponents, weights, modalities and the scale of each term are those that were chosen in training.
//! The counts of the users who changed are patched where these are known and few; otherwise all are
//! counted again, in the same unit. Both give the same numbers, bit for bit.

use std::cell::OnceCell;

use super::counts::Counts;
use super::terms::Scales;
use super::{GraphFilter, NAME, Sparse, count_bytes, degrees, popularity, weighted};
use crate::model::counted::{counted, positive};
use crate::model::ease;
use crate::model::news::{Moves, News};
use crate::{Dataset, Error, OptionValue, Result, Work};

/// All pairs as the filter counts them, read when first asked for.
struct All<'a> {
    news: &'a News<'a>,
    limit: usize,
    data: OnceCell<Dataset>,
}

impl All<'_> {
    fn get(&self) -> Result<&Dataset> {
        if let Some(data) = self.data.get() {
            return Ok(data);
        }
        let data = counted(self.news.data()?, self.limit);
        Ok(self.data.get_or_init(|| data))
    }
}

/// What becomes of the factors that are mixed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mixed {
    /// They go on from what they were.
    Followed,
    /// They are solved for from the beginning.
    Anew,
}

impl GraphFilter {
    pub(super) fn refreshed(
        &self,
        news: &News<'_>,
        mixed: Mixed,
        seed: u64,
        work: &Work,
    ) -> Result<(GraphFilter, String)> {
        let all = All { news, limit: self.history_limit, data: OnceCell::new() };
        let moves = self.moves(news);
        let (counts, degrees, how) = self.recounted(moves.as_ref(), &all, work)?;
        let mut how = vec![how];
        if degrees.iter().all(|degree| *degree == 0) {
            return Err(Error::EmptyTraining { algorithm: NAME, why: "there are no interactions" });
        }
        let mut graphs = Vec::with_capacity(self.graphs.len());
        for graph in &self.graphs {
            let k = self.neighbours();
            graphs.push(news.side().graph(&graph.modality, news.items(), k, work)?);
        }
        let ease = match &self.ease {
            None => None,
            Some(ease) => {
                let settings = [self.lambda(), super::EASE_EXPONENT];
                let (ease, what) =
                    ease.follow(news, moves.as_ref(), || all.get(), settings, work)?;
                how.push(format!("ease: {what}"));
                Some(ease)
            }
        };
        let ials = match &self.ials {
            None => None,
            Some(ials) => {
                let (ials, what) = match mixed {
                    Mixed::Followed => ials.follow(&self.items, all.get()?, seed, work)?,
                    Mixed::Anew => {
                        (ials.anew(all.get()?, seed, work)?, "solved for again".to_owned())
                    }
                };
                how.push(format!("ials: {what}"));
                Some(ials)
            }
        };
        let refreshed = GraphFilter {
            items: news.items().to_vec(),
            popularity: weighted(popularity(&degrees), self.factors.popularity),
            scales: Scales::new(&degrees, self.exponents),
            degrees,
            counts,
            graphs,
            exponents: self.exponents,
            factors: self.factors.clone(),
            ease,
            ials,
            middle: self.middle,
            history_limit: self.history_limit,
            options: self.options.clone(),
            notes: self.notes.clone(),
            sparse: Sparse::default(),
        };
        Ok((refreshed, how.join("; ")))
    }

    /// The users who changed, with what the filter counts of their items.
    fn moves(&self, news: &News<'_>) -> Option<Moves> {
        let Moves { before, after } = Moves::of(news, &self.items)?;
        let cut = |pairs| positive(&pairs, news.items(), self.history_limit);
        Some(Moves { before: cut(before), after: cut(after) })
    }

    fn recounted(
        &self,
        moves: Option<&Moves>,
        all: &All<'_>,
        work: &Work,
    ) -> Result<(Counts, Vec<u32>, String)> {
        let exponent = self.exponents.user;
        let pairs: u64 = self.degrees.iter().map(|degree| u64::from(*degree)).sum();
        // A user who changed is counted twice, before and after.
        let few = |moves: &&Moves| 2 * (moves.before.len() + moves.after.len()) as u64 <= pairs;
        if let Some(moves) = moves.filter(few)
            && let Some(counts) =
                self.counts.patched(&moves.before, &moves.after, exponent, work)?
            && let Some(degrees) = self.moved_degrees(moves)
        {
            let users = moves.users();
            return Ok((counts, degrees, format!("counts patched for {users} users")));
        }
        let data = all.get()?;
        self.admit(data)?;
        let counts = self.counts.again(&data.by_user, &data.by_item, exponent, work)?;
        Ok((counts, degrees(data), "all pairs counted again".to_owned()))
    }

    fn moved_degrees(&self, moves: &Moves) -> Option<Vec<u32>> {
        let mut degrees = self.degrees.clone();
        degrees.resize(moves.after.n_columns(), 0);
        for item in moves.after.indices() {
            degrees[*item as usize] += 1;
        }
        for item in moves.before.indices() {
            degrees[*item as usize] = degrees[*item as usize].checked_sub(1)?;
        }
        Some(degrees)
    }

    /// Refuses what would take more memory than allowed.
    fn admit(&self, data: &Dataset) -> Result<()> {
        let limit = self.int("memory_limit").unwrap_or(u64::MAX);
        let n = data.n_items() as u64;
        let squares = data.by_user.rows().map(|(items, _)| (items.len() as u64).pow(2)).sum();
        let ease = if self.ease.is_some() { ease::peak_bytes(n) } else { 0 };
        let needed = count_bytes(n, squares).saturating_add(ease);
        if needed > limit {
            return Err(Error::TooLarge { algorithm: NAME, needed, limit });
        }
        Ok(())
    }

    fn option(&self, wanted: &str) -> Option<&OptionValue> {
        self.options.iter().find(|(name, _)| name == wanted).map(|(_, value)| value)
    }

    fn int(&self, wanted: &str) -> Option<u64> {
        match self.option(wanted) {
            Some(OptionValue::Int(value)) => u64::try_from(*value).ok(),
            _ => None,
        }
    }

    /// The neighbours of an item in the graphs.
    fn neighbours(&self) -> usize {
        self.int("neighbours").and_then(|k| usize::try_from(k).ok()).unwrap_or(1)
    }

    fn lambda(&self) -> f64 {
        match self.option("ease_lambda") {
            Some(OptionValue::Real(value)) => *value,
            _ => 300.0,
        }
    }
}

#[cfg(test)]
mod tests;
