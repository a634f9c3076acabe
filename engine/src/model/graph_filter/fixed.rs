//! What of a split stays as it is whatever the exponents are: who is popular, and what `ease` and `ials` make of the
//! users with hidden items.

use rayon::prelude::*;

use super::columns::deviation;
use super::{degrees, popularity};
use crate::model::ease::Ease;
use crate::model::holdout::{Case, Holdout};
use crate::model::ials::{ItemFactors, Person};
use crate::spare::Spare;
use crate::{Allow, Result, UNSCORED, Work, top_k};

/// How many of the best by each term are looked at.
pub(super) const EACH: usize = 150;
/// Users between two looks at the cancel token.
const BLOCK: usize = 256;

/// The same for every exponent.
pub(super) struct Fixed {
    pub(super) popular: Popular,
    pub(super) ease: Option<Ease>,
    pub(super) ials: Option<(ItemFactors, Vec<Liked>)>,
}

/// The popularity of the items.
pub(super) struct Popular {
    /// By row.
    pub(super) logarithms: Vec<f32>,
    /// The rows that anybody has, most popular first.
    pub(super) order: Vec<u32>,
    pub(super) spread: f32,
}

/// What `ials` makes of one user.
#[derive(Default)]
pub(super) struct Liked {
    person: Option<Person>,
    /// The best rows that the user does not have.
    pub(super) best: Vec<u32>,
    pub(super) spread: f32,
}

impl Fixed {
    pub(super) fn new(
        split: &Holdout,
        ease: Option<Ease>,
        ials: Option<ItemFactors>,
        work: &Work,
    ) -> Result<Fixed> {
        let ials = match ials {
            Some(factors) => {
                let liked = liked(&factors, &split.cases, split.data.n_items(), work)?;
                Some((factors, liked))
            }
            None => None,
        };
        Ok(Fixed { popular: Popular::new(split), ease, ials })
    }
}

impl Popular {
    fn new(split: &Holdout) -> Popular {
        let logarithms = popularity(&degrees(&split.data));
        let all = 0..logarithms.len() as u32;
        let mut order: Vec<u32> = all.filter(|row| logarithms[*row as usize] > 0.0).collect();
        let of = |row: u32| logarithms[row as usize];
        order.par_sort_by(|a, b| of(*b).total_cmp(&of(*a)).then(a.cmp(b)));
        let spread = deviation(logarithms.iter().copied(), logarithms.len());
        Popular { logarithms, order, spread }
    }
}

impl Liked {
    /// The score of a row, by the factors that it was asked of.
    pub(super) fn score(&self, factors: &ItemFactors, row: u32) -> f32 {
        let person = self.person.as_ref();
        person.and_then(|person| factors.score(person, row)).unwrap_or(0.0)
    }

    fn new(factors: &ItemFactors, case: &Case, scores: &mut [f32]) -> Liked {
        let x: Vec<(u32, f32)> = case.history.iter().map(|item| (*item, 1.0)).collect();
        let Some(person) = factors.fold_in(&x) else { return Liked::default() };
        factors.scores_for(&person, scores);
        let spread = deviation(scores.iter().copied(), scores.len());
        case.history.iter().for_each(|row| scores[*row as usize] = UNSCORED);
        let best = top_k(scores, EACH, Allow::All);
        let best = best.iter().filter(|best| best.score > 0.0).map(|best| best.row).collect();
        Liked { person: Some(person), best, spread }
    }
}

fn liked(factors: &ItemFactors, cases: &[Case], n: usize, work: &Work) -> Result<Vec<Liked>> {
    let spare: Spare<Vec<f32>> = Spare::default();
    let mut all = Vec::with_capacity(cases.len());
    for (block, some) in cases.chunks(BLOCK).enumerate() {
        work.step("factors", (block * BLOCK) as u64, cases.len() as u64)?;
        let some = some.par_iter().map_init(
            || spare.take(|| vec![0f32; n]),
            |scores, case| Liked::new(factors, case, scores),
        );
        all.extend(some.collect::<Vec<_>>());
    }
    work.step("factors", cases.len() as u64, cases.len() as u64)?;
    Ok(all)
}
