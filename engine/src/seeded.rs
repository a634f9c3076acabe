//! Numbers that look random and depend on nothing but a seed and what they are about.
//!
//! There is no generator with a state: a number belongs to a thing (an item, a pair), so it does not
//! change with the order of work or with what else there is.

/// A number for `about` under a seed: splitmix64's finalizer (Steele, Lea and Flood 2014).
pub(crate) fn number(seed: u64, about: u64) -> u64 {
    let mut z = seed ^ about.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The same as a fraction in 0..1.
pub(crate) fn fraction(seed: u64, about: u64) -> f32 {
    (number(seed, about) >> 40) as f32 / (1u32 << 24) as f32
}
