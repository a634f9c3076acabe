//! A cursor over a stored range with a transaction's own changes laid over it.
//!
//! It copies neither side. Invariant: where both sides have a key, the overlay decides.

use crate::error::Result;
use crate::kv::{Cursor, Entry};

/// Overlay changes of one range, in key order: `None` hides the stored entry.
pub(crate) type Changes = Vec<(Vec<u8>, Option<Vec<u8>>)>;

/// See the module.
pub(crate) struct Merged {
    base: Box<dyn Cursor>,
    /// The stored entry read ahead.
    ahead: Option<(Vec<u8>, Vec<u8>)>,
    base_at_end: bool,
    overlay: std::vec::IntoIter<(Vec<u8>, Option<Vec<u8>>)>,
    /// The entry lent to the caller.
    lent: (Vec<u8>, Vec<u8>),
}

impl Merged {
    /// Lays `overlay` over `base`; without changes `base` is returned as it is.
    pub(crate) fn over(base: Box<dyn Cursor>, overlay: Changes) -> Box<dyn Cursor> {
        if overlay.is_empty() {
            return base;
        }
        Box::new(Merged {
            base,
            ahead: None,
            base_at_end: false,
            overlay: overlay.into_iter(),
            lent: (Vec::new(), Vec::new()),
        })
    }
}

impl Cursor for Merged {
    fn next(&mut self) -> Result<Option<Entry<'_>>> {
        loop {
            if self.ahead.is_none() && !self.base_at_end {
                match self.base.next()? {
                    Some((key, value)) => self.ahead = Some((key.to_vec(), value.to_vec())),
                    None => self.base_at_end = true,
                }
            }
            let change_is_next = match (self.overlay.as_slice().first(), &self.ahead) {
                (None, None) => return Ok(None),
                (None, Some(_)) => false,
                (Some(_), None) => true,
                (Some((change, _)), Some((stored, _))) => {
                    if change == stored {
                        self.ahead = None;
                        true
                    } else {
                        change < stored
                    }
                }
            };
            if !change_is_next {
                if let Some(entry) = self.ahead.take() {
                    self.lent = entry;
                    break;
                }
                continue;
            }
            if let Some((key, Some(value))) = self.overlay.next() {
                self.lent = (key, value);
                break;
            }
        }
        Ok(Some((&self.lent.0, &self.lent.1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed(std::vec::IntoIter<(Vec<u8>, Vec<u8>)>, (Vec<u8>, Vec<u8>));

    impl Cursor for Fixed {
        fn next(&mut self) -> Result<Option<Entry<'_>>> {
            match self.0.next() {
                None => Ok(None),
                Some(entry) => {
                    self.1 = entry;
                    Ok(Some((&self.1.0, &self.1.1)))
                }
            }
        }
    }

    #[test]
    fn changes_add_replace_and_hide() {
        let entry = |key: &str, value: &str| (key.as_bytes().to_vec(), value.as_bytes().to_vec());
        let stored = vec![entry("b", "1"), entry("c", "1"), entry("d", "1"), entry("f", "1")];
        let overlay = vec![
            (b"a".to_vec(), Some(b"2".to_vec())),
            (b"c".to_vec(), None),
            (b"d".to_vec(), Some(b"2".to_vec())),
            (b"e".to_vec(), None),
            (b"g".to_vec(), Some(b"2".to_vec())),
        ];
        let base = Box::new(Fixed(stored.into_iter(), Default::default()));
        let mut merged = Merged::over(base, overlay);
        let mut seen = Vec::new();
        while let Some((key, value)) = merged.next().expect("no errors here") {
            seen.push((key.to_vec(), value.to_vec()));
        }
        let expected =
            [("a", "2"), ("b", "1"), ("d", "2"), ("f", "1"), ("g", "2")].map(|(k, v)| entry(k, v));
        assert_eq!(seen, expected);
    }
}
