//! What a question has to know of each item that it touches. These lie anywhere in the memory, and each is waited for;
//! so it is four bytes an item, of which much stays in a core's cache: what depends on the number of users alone is
//! kept once for each such number.

use super::terms::Scales;

/// Numbers of users that can be told apart; where there are more, there are two thousand million pairs.
const KINDS: usize = 1 << u16::BITS;

/// The items' own numbers.
pub(super) struct Own {
    items: Vec<Item>,
    kinds: Vec<Kind>,
    /// What a unit of a length stands for.
    unit: f32,
}

#[derive(Clone, Copy)]
#[repr(align(4))]
struct Item {
    kind: u16,
    /// Of its factors in `ials`, rounded up.
    length: u16,
}

/// What items of as many users have in common.
#[derive(Clone, Copy, Default)]
struct Kind {
    item: f32,
    half: f32,
    popularity: f32,
}

impl Own {
    /// The bytes that an item takes.
    pub(super) const BYTES: usize = size_of::<Item>();

    /// The numbers of items of these degrees, of which the scales and the popularity are functions. `lengths` is empty
    /// where they have no factors.
    pub(super) fn new(
        degrees: &[u32],
        scales: &Scales,
        popularity: &[f32],
        lengths: &[f32],
    ) -> Option<Own> {
        let mut distinct = degrees.to_vec();
        distinct.sort_unstable();
        distinct.dedup();
        if distinct.len() > KINDS {
            return None;
        }
        let unit = lengths.iter().copied().fold(0.0, f32::max) / f32::from(u16::MAX);
        let mut kinds = vec![Kind::default(); distinct.len()];
        let items = degrees.iter().enumerate().map(|(row, degree)| {
            let kind = distinct.partition_point(|other| other < degree);
            kinds[kind] = Kind {
                item: scales.item[row],
                half: scales.half[row],
                popularity: popularity[row],
            };
            let length = lengths.get(row).map_or(0.0, |length| (length / unit).ceil());
            // Beyond what a number holds is its largest; what is none, where nothing has a length, is zero.
            Item { kind: kind as u16, length: length as u16 }
        });
        Some(Own { items: items.collect(), kinds, unit })
    }

    #[inline(always)]
    fn kind(&self, row: u32) -> &Kind {
        &self.kinds[usize::from(self.items[row as usize].kind)]
    }

    /// d^−t.
    #[inline(always)]
    pub(super) fn item(&self, row: u32) -> f32 {
        self.kind(row).item
    }

    /// d^−½.
    #[inline(always)]
    pub(super) fn half(&self, row: u32) -> f32 {
        self.kind(row).half
    }

    /// The popularity term, weighted.
    #[inline(always)]
    pub(super) fn popularity(&self, row: u32) -> f32 {
        self.kind(row).popularity
    }

    /// What the factors are no longer than, but for rounding.
    #[inline(always)]
    pub(super) fn length(&self, row: u32) -> f32 {
        self.unit * f32::from(self.items[row as usize].length)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::super::terms::Exponents;
    use super::*;

    #[test]
    fn they_are_those_of_the_items() {
        let degrees = [0u32, 3, 70_000, 3, 1];
        let exponents = Exponents { user: 0.5, history: 0.3, item: 0.1 };
        let scales = Scales::new(&degrees, exponents);
        let popularity = super::super::popularity(&degrees);
        let lengths = [0.0f32, 0.3, 7.5, 1e-9, 0.7];
        let own = Own::new(&degrees, &scales, &popularity, &lengths).unwrap();
        for row in 0..degrees.len() {
            let at = row as u32;
            assert_eq!(own.item(at), scales.item[row]);
            assert_eq!(own.half(at), scales.half[row]);
            assert_eq!(own.popularity(at), popularity[row]);
            let length = own.length(at);
            assert!(length >= lengths[row] * 0.9999 && length <= lengths[row] + 2e-4, "{length}");
        }
        for lengths in [&[][..], &[0.0; 5]] {
            let own = Own::new(&degrees, &scales, &popularity, lengths).unwrap();
            assert_eq!(own.length(2), 0.0);
        }
    }
}
