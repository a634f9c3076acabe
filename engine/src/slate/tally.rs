//! What a slate has so far, against what it may have (caps) and should have (quotas).

use std::collections::HashMap;
use std::ops::Bound;

use fixedbitset::FixedBitSet;

use super::groups::{Groups, NONE};

/// At most so many rows of each value: `LIMIT n BY column`. No value is a value of its own, as in
/// GROUP BY; a row of several values counts for each.
#[derive(Clone, Copy, Debug)]
pub struct Cap<'a> {
    /// The values.
    pub groups: &'a Groups,
    /// Rows of one value, at least 1.
    pub most: u32,
}

/// What a quota counts.
#[derive(Clone, Copy, Debug)]
pub enum Counted<'a> {
    /// Rows of a set.
    Rows(&'a FixedBitSet),
    /// Different values among the rows; no value is none, as in `count(DISTINCT …)`.
    Distinct(&'a Groups),
}

/// One condition of `HAVING` on a slate of known length: a count from `low` to `high`.
#[derive(Clone, Copy, Debug)]
pub struct Quota<'a> {
    /// What is counted.
    pub counted: Counted<'a>,
    /// The least count that will do.
    pub low: u32,
    /// The largest count that will do.
    pub high: u32,
}

/// What rounding may have added to a share of a few rows.
const SLACK: f64 = 1e-9;

impl<'a> Quota<'a> {
    /// The whole numbers in a range whose ends are multiplied by `scale`: that of a share is the length
    /// of the slate, that of a count is 1.
    pub fn within(counted: Counted<'a>, range: (Bound<f64>, Bound<f64>), scale: f64) -> Quota<'a> {
        let low = match range.0 {
            Bound::Unbounded => 0.0,
            Bound::Included(x) => (x * scale - SLACK).ceil(),
            Bound::Excluded(x) => (x * scale + SLACK).floor() + 1.0,
        };
        let high = match range.1 {
            Bound::Unbounded => f64::from(u32::MAX),
            Bound::Included(x) => (x * scale + SLACK).floor(),
            Bound::Excluded(x) => (x * scale - SLACK).ceil() - 1.0,
        };
        Quota { counted, low: low.max(0.0) as u32, high: high.max(0.0) as u32 }
    }

    /// How far a count is from what will do.
    pub(super) fn shortfall(&self, count: u32) -> u32 {
        self.low.saturating_sub(count) + count.saturating_sub(self.high)
    }
}

/// The counts of a slate while rows come and go.
#[derive(Clone, Debug)]
pub(super) struct Tally<'a> {
    caps: &'a [Cap<'a>],
    quotas: &'a [Quota<'a>],
    used: Vec<Vec<u32>>,
    counts: Vec<u32>,
    seen: Vec<Vec<u32>>,
}

impl<'a> Tally<'a> {
    pub(super) fn new(caps: &'a [Cap<'a>], quotas: &'a [Quota<'a>]) -> Tally<'a> {
        let seen = quotas.iter().map(|quota| match quota.counted {
            Counted::Rows(_) => Vec::new(),
            Counted::Distinct(groups) => vec![0; groups.values()],
        });
        Tally {
            caps,
            quotas,
            used: caps.iter().map(|cap| vec![0; cap.groups.values()]).collect(),
            counts: vec![0; quotas.len()],
            seen: seen.collect(),
        }
    }

    /// Whether the caps leave room for a row.
    pub(super) fn fits(&self, row: u32) -> bool {
        let caps = self.caps.iter().zip(&self.used);
        caps.into_iter().all(|(cap, used)| {
            cap.groups.of(row).iter().all(|code| used[*code as usize] < cap.most)
        })
    }

    pub(super) fn add(&mut self, row: u32) {
        for (cap, used) in self.caps.iter().zip(&mut self.used) {
            cap.groups.of(row).iter().for_each(|code| used[*code as usize] += 1);
        }
        for (at, quota) in self.quotas.iter().enumerate() {
            match quota.counted {
                Counted::Rows(rows) => self.counts[at] += u32::from(rows.contains(row as usize)),
                Counted::Distinct(groups) => {
                    for code in groups.of(row).iter().filter(|code| **code != NONE) {
                        let seen = &mut self.seen[at][*code as usize];
                        self.counts[at] += u32::from(*seen == 0);
                        *seen += 1;
                    }
                }
            }
        }
    }

    /// Takes a row back that was added.
    pub(super) fn remove(&mut self, row: u32) {
        for (cap, used) in self.caps.iter().zip(&mut self.used) {
            cap.groups.of(row).iter().for_each(|code| used[*code as usize] -= 1);
        }
        for (at, quota) in self.quotas.iter().enumerate() {
            match quota.counted {
                Counted::Rows(rows) => self.counts[at] -= u32::from(rows.contains(row as usize)),
                Counted::Distinct(groups) => {
                    for code in groups.of(row).iter().filter(|code| **code != NONE) {
                        let seen = &mut self.seen[at][*code as usize];
                        *seen -= 1;
                        self.counts[at] -= u32::from(*seen == 0);
                    }
                }
            }
        }
    }

    /// The count of each quota.
    pub(super) fn counts(&self) -> &[u32] {
        &self.counts
    }

    /// How far all quotas together are from being met; 0: they are.
    pub(super) fn shortfall(&self) -> u32 {
        self.quotas.iter().zip(&self.counts).map(|(quota, count)| quota.shortfall(*count)).sum()
    }

    /// Whether caps hold and the shortfall is within a limit once one row has gone for another.
    pub(super) fn allows(&mut self, out: u32, row: u32, limit: u32) -> bool {
        self.remove(out);
        let mut allowed = false;
        if self.fits(row) {
            self.add(row);
            allowed = self.shortfall() <= limit;
            self.remove(row);
        }
        self.add(out);
        allowed
    }

    /// A number for each row, the same where rows are exchangeable.
    pub(super) fn kinds(&self, rows: &[u32]) -> Vec<u32> {
        let mut known: HashMap<Vec<u32>, u32> = HashMap::new();
        let kind = |row: &u32| {
            let next = known.len() as u32;
            *known.entry(self.signature(*row)).or_insert(next)
        };
        rows.iter().map(kind).collect()
    }

    /// Everything by which caps and quotas tell rows apart: rows with the same are exchangeable.
    pub(super) fn signature(&self, row: u32) -> Vec<u32> {
        let mut signature = Vec::new();
        let mut list = |codes: &[u32]| {
            signature.push(codes.len() as u32);
            signature.extend_from_slice(codes);
        };
        self.caps.iter().for_each(|cap| list(cap.groups.of(row)));
        for quota in self.quotas {
            match quota.counted {
                Counted::Rows(rows) => list(&[u32::from(rows.contains(row as usize))]),
                Counted::Distinct(groups) => list(groups.of(row)),
            }
        }
        signature
    }
}
