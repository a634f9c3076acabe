//! Integers of variable length (LEB128), as adjacency chunks hold them.
//!
//! Seven bits to a byte, the lowest first; a set top bit says that more follow.

/// The longest encoding of a `u64`.
pub(crate) const MAX_LEN: usize = 10;

/// Appends `value`.
#[inline]
pub(crate) fn put(out: &mut Vec<u8>, mut value: u64) {
    let mut bytes = [0; MAX_LEN];
    let mut len = 0;
    while value >= 0x80 {
        bytes[len] = (value as u8) | 0x80;
        value >>= 7;
        len += 1;
    }
    bytes[len] = value as u8;
    out.extend_from_slice(&bytes[..=len]);
}

/// Reads a value from the front and moves past it; `None` if the bytes end inside of it or if it
/// does not fit.
#[inline]
pub(crate) fn take(from: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for (at, byte) in from.iter().enumerate().take(MAX_LEN) {
        let bits = u64::from(byte & 0x7f);
        if at == MAX_LEN - 1 && bits > 1 {
            return None;
        }
        value |= bits << (7 * at);
        if byte & 0x80 == 0 {
            *from = &from[at + 1..];
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_number_survives(value: u64) {
            let mut bytes = Vec::new();
            put(&mut bytes, value);
            prop_assert!(bytes.len() <= MAX_LEN);
            let mut rest = bytes.as_slice();
            prop_assert_eq!(take(&mut rest), Some(value));
            prop_assert!(rest.is_empty());
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..16)) {
            let mut rest = bytes.as_slice();
            while take(&mut rest).is_some() {}
        }
    }

    #[test]
    fn the_largest_number_fits_and_one_more_bit_does_not() {
        let mut bytes = Vec::new();
        put(&mut bytes, u64::MAX);
        assert_eq!(take(&mut bytes.as_slice()), Some(u64::MAX));
        *bytes.last_mut().expect("not empty") = 2;
        assert_eq!(take(&mut bytes.as_slice()), None);
    }
}
