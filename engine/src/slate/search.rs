//! The exact search for a slate that meets its quotas: branch and bound over classes of rows that
//! caps and quotas do not tell apart. It looks for feasibility, not for the best scores.

use std::collections::HashMap;

use super::groups::NONE;
use super::tally::{Counted, Quota, Tally};

/// Nodes that are visited at most; some tens of milliseconds.
const BUDGET: usize = 50_000;

/// Kinds of rows that are looked at, those ranked best: the search goes as deep as there are.
const MOST_CLASSES: usize = 1000;

struct Class {
    /// Places in the ranking, best first, no more than the slate has.
    places: Vec<usize>,
    row: u32,
}

/// What the classes from one on can still add to a quota.
#[derive(Clone, Default)]
struct Rest {
    /// Rows that count (or, for distinct values, the values themselves).
    gain: u32,
    /// Rows that do not count.
    idle: u32,
    /// The most values of one row.
    widest: u32,
}

struct Search<'a> {
    classes: Vec<Class>,
    quotas: &'a [Quota<'a>],
    rest: Vec<Vec<Rest>>,
    room: Vec<usize>,
    tally: Tally<'a>,
    chosen: Vec<usize>,
    best: Option<(u32, Vec<usize>)>,
    limit: u32,
    nodes: usize,
}

/// Fills a slate up with `left` of the `open` places of a ranking, better than `limit` shortfall;
/// with whether the answer is proven: nothing better exists.
pub(super) fn search<'a>(
    ranking: &[u32],
    open: &[usize],
    left: usize,
    quotas: &'a [Quota<'a>],
    tally: Tally<'a>,
    limit: u32,
) -> (Option<Vec<usize>>, bool) {
    let mut classes: Vec<Class> = Vec::new();
    let mut known: HashMap<Vec<u32>, usize> = HashMap::new();
    for place in open {
        let row = ranking[*place];
        let class = *known.entry(tally.signature(row)).or_insert(classes.len());
        if class == classes.len() {
            classes.push(Class { places: Vec::new(), row });
        }
        if classes[class].places.len() < left {
            classes[class].places.push(*place);
        }
    }
    let all = classes.len() <= MOST_CLASSES;
    classes.truncate(MOST_CLASSES);
    let rest = quotas.iter().map(|quota| rest(quota, &classes)).collect();
    let mut room = vec![0; classes.len() + 1];
    for at in (0..classes.len()).rev() {
        room[at] = room[at + 1] + classes[at].places.len();
    }
    let mut search = Search {
        classes,
        quotas,
        rest,
        room,
        tally,
        chosen: Vec::new(),
        best: None,
        limit,
        nodes: 0,
    };
    search.visit(0, left);
    (search.best.map(|(_, places)| places), all && search.nodes < BUDGET)
}

fn rest(quota: &Quota<'_>, classes: &[Class]) -> Vec<Rest> {
    let mut rest = vec![Rest::default(); classes.len() + 1];
    let mut seen = std::collections::HashSet::new();
    for at in (0..classes.len()).rev() {
        let class = &classes[at];
        let size = class.places.len() as u32;
        rest[at] = rest[at + 1].clone();
        match quota.counted {
            Counted::Rows(rows) if rows.contains(class.row as usize) => rest[at].gain += size,
            Counted::Rows(_) => rest[at].idle += size,
            Counted::Distinct(groups) => {
                let codes = || groups.of(class.row).iter().filter(|code| **code != NONE);
                rest[at].gain += codes().filter(|code| seen.insert(**code)).count() as u32;
                rest[at].widest = rest[at].widest.max(codes().count() as u32);
            }
        }
    }
    rest
}

impl Search<'_> {
    /// A shortfall that no completion can be below.
    fn bound(&self, class: usize, left: usize) -> u32 {
        let left = left as u32;
        let quotas = self.quotas.iter().zip(self.tally.counts()).zip(&self.rest);
        let bounds = quotas.map(|((quota, count), rest)| {
            let rest = &rest[class];
            let (least, most) = match quota.counted {
                Counted::Rows(_) => {
                    (count + left.saturating_sub(rest.idle), count + left.min(rest.gain))
                }
                Counted::Distinct(_) => {
                    (*count, count + rest.gain.min(left.saturating_mul(rest.widest)))
                }
            };
            quota.low.saturating_sub(most) + least.saturating_sub(quota.high)
        });
        bounds.sum()
    }

    fn visit(&mut self, class: usize, left: usize) {
        self.nodes += 1;
        if self.limit == 0 || self.nodes >= BUDGET || self.room[class] < left {
            return;
        }
        if self.bound(class, left) >= self.limit {
            return;
        }
        if left == 0 {
            self.limit = self.tally.shortfall();
            self.best = Some((self.limit, self.chosen.clone()));
            return;
        }
        let row = self.classes[class].row;
        let before = self.chosen.len();
        let mut taken = 0;
        while taken < left.min(self.classes[class].places.len()) && self.tally.fits(row) {
            self.tally.add(row);
            self.chosen.push(self.classes[class].places[taken]);
            taken += 1;
        }
        loop {
            self.visit(class + 1, left - taken);
            if taken == 0 {
                break;
            }
            taken -= 1;
            self.tally.remove(row);
            self.chosen.truncate(before + taken);
        }
    }
}
