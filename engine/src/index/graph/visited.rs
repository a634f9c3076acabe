//! The nodes that a walk has seen: one bit each, and only the bits that were set are cleared.

/// See the module.
#[derive(Default)]
pub(crate) struct Visited {
    words: Vec<u64>,
    touched: Vec<u32>,
}

impl Visited {
    /// Empties the set and makes room for `n` nodes.
    pub(crate) fn reset(&mut self, n: usize) {
        for word in self.touched.drain(..) {
            self.words[word as usize] = 0;
        }
        if self.words.len() < n.div_ceil(64) {
            self.words.resize(n.div_ceil(64), 0);
        }
    }

    /// Adds a node; whether it was not in yet.
    #[inline(always)]
    pub(crate) fn insert(&mut self, node: u32) -> bool {
        let (word, bit) = (node / 64, 1u64 << (node % 64));
        let Some(slot) = self.words.get_mut(word as usize) else { return false };
        if *slot & bit != 0 {
            return false;
        }
        if *slot == 0 {
            self.touched.push(word);
        }
        *slot |= bit;
        true
    }
}
