//! Mending a slate that misses its quotas: one row for another while that helps, then exact search.

use std::collections::HashSet;

use super::search;
use super::tally::{Cap, Quota, Tally};

/// What mending came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repair {
    /// Rows that were exchanged for others.
    pub swaps: usize,
    /// The count of each quota, in the slate as it is now.
    pub counts: Vec<u32>,
    /// How far the quotas together are from being met; 0: they are.
    pub shortfall: u32,
    /// Whether no slate of this length does better.
    pub proven: bool,
}

/// Mends `members`, places in `ranking` that ascend. Caps that hold before hold after. Whenever a
/// slate of this length meets the caps and quotas and the search does not run out, it is found.
pub(super) fn repair<'a>(
    ranking: &[u32],
    caps: &'a [Cap<'a>],
    quotas: &'a [Quota<'a>],
    members: &mut Vec<usize>,
) -> Repair {
    let mut tally = Tally::new(caps, quotas);
    members.iter().for_each(|place| tally.add(ranking[*place]));
    let mut swaps = 0;
    while tally.shortfall() > 0 && swap(ranking, &mut tally, members) {
        swaps += 1;
    }
    let mut proven = true;
    if tally.shortfall() > 0 {
        let open: Vec<usize> = (0..ranking.len()).collect();
        let empty = Tally::new(caps, quotas);
        let limit = tally.shortfall();
        let (found, all) = search::search(ranking, &open, members.len(), quotas, empty, limit);
        proven = all;
        if let Some(mut found) = found {
            found.sort_unstable();
            swaps += found.iter().filter(|place| members.binary_search(place).is_err()).count();
            *members = found;
            tally = Tally::new(caps, quotas);
            members.iter().for_each(|place| tally.add(ranking[*place]));
            proven |= tally.shortfall() == 0;
        }
    }
    let shortfall = tally.shortfall();
    Repair { swaps, counts: tally.counts().to_vec(), shortfall, proven }
}

/// Exchanges a member for the best ranked row that brings the quotas nearer; the member that helps
/// most by going, and of those the one ranked lowest.
fn swap(ranking: &[u32], tally: &mut Tally<'_>, members: &mut [usize]) -> bool {
    let before = tally.shortfall();
    let mut hopeless: HashSet<Vec<u32>> = HashSet::new();
    for (place, row) in ranking.iter().enumerate() {
        if members.binary_search(&place).is_ok() || !hopeless.insert(tally.signature(*row)) {
            continue;
        }
        let mut best: Option<(u32, usize)> = None;
        for at in (0..members.len()).rev() {
            let out = ranking[members[at]];
            tally.remove(out);
            if tally.fits(*row) {
                tally.add(*row);
                let after = tally.shortfall();
                if after < best.map_or(before, |(least, _)| least) {
                    best = Some((after, at));
                }
                tally.remove(*row);
            }
            tally.add(out);
        }
        if let Some((_, at)) = best {
            tally.remove(ranking[members[at]]);
            tally.add(*row);
            members[at] = place;
            members.sort_unstable();
            return true;
        }
    }
    false
}
