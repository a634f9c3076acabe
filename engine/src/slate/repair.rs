//! Mending a slate that misses its quotas: one row for another while that helps, then exact search,
//! and at last better ranked rows for lower ones while the quotas are met as well as before.

use std::collections::HashSet;

use fixedbitset::FixedBitSet;

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

/// Exchanges that are looked at for the sake of the ranking; some tens of milliseconds.
const TRIALS: usize = 200_000;

/// Mends `members`, places in `ranking` that ascend. Caps that hold before hold after. Whenever a
/// slate of this length meets the caps and quotas and the search does not run out, it is found; and
/// unless trials run out, no row can then be exchanged for a better ranked one.
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
    if swaps > 0 {
        improve(ranking, &mut tally, members);
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

/// Exchanges members for better ranked rows, the best ranked first and each for the lowest member that
/// can go, as long as caps hold and the shortfall does not rise.
fn improve(ranking: &[u32], tally: &mut Tally<'_>, members: &mut [usize]) {
    let Some(lowest) = members.last() else { return };
    let kinds = tally.kinds(&ranking[..=*lowest]);
    let limit = tally.shortfall();
    let mut inside = FixedBitSet::with_capacity(kinds.len());
    inside.extend(members.iter().copied());
    let mut trials = 0;
    while let Some((at, place)) =
        improvement(ranking, tally, (&kinds, limit), (&inside, members), &mut trials)
    {
        tally.remove(ranking[members[at]]);
        tally.add(ranking[place]);
        inside.set(members[at], false);
        inside.insert(place);
        members[at] = place;
        members.sort_unstable();
    }
}

/// The best ranked row that can take the place of a member below it, and the lowest such member.
fn improvement(
    ranking: &[u32],
    tally: &mut Tally<'_>,
    (kinds, limit): (&[u32], u32),
    (inside, members): (&FixedBitSet, &[usize]),
    trials: &mut usize,
) -> Option<(usize, usize)> {
    // Of members that are exchangeable the lowest goes first.
    let mut known = HashSet::new();
    let lowest: Vec<usize> =
        (0..members.len()).rev().filter(|at| known.insert(kinds[members[*at]])).collect();
    let mut hopeless = HashSet::new();
    for place in 0..*members.last()? {
        // What a row cannot do, one like it that is ranked lower cannot either.
        if inside.contains(place) || !hopeless.insert(kinds[place]) {
            continue;
        }
        for at in lowest.iter().copied().take_while(|at| members[*at] > place) {
            *trials += 1;
            if *trials > TRIALS {
                return None;
            }
            if tally.allows(ranking[members[at]], ranking[place], limit) {
                return Some((at, place));
            }
        }
    }
    None
}
