//! Inner products of rows of bytes, compiled for the instruction set found at run time.
//!
//! They are sums of integers that cannot overflow, so every instruction set gives the same number.
//! A compiler left to itself makes them four times slower (it widens to 32 bits before it
//! multiplies), which is why the instructions are named here.

use pulp::Arch;
#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
use pulp::{i8x16, i16x16, i32x8, x86::V3};

/// Rows are multiples of this long.
pub(crate) const GRAIN: usize = 32;

/// The largest code; −128 is never used.
pub(crate) const MOST: f32 = 127.0;

/// The inner products, by instruction set.
pub(crate) trait Dot: Copy + Send + Sync {
    /// Of a query and a row of the same length.
    fn query(self, query: &[i16], row: &[i8]) -> i32;
    /// Of two rows of the same length.
    fn rows(self, a: &[i8], b: &[i8]) -> i32;
}

/// What is to be compiled for each instruction set.
pub(crate) trait Task {
    type Output;
    fn run<D: Dot>(self, dot: D) -> Self::Output;
}

/// Runs a task with the best instructions that the machine has.
pub(crate) fn dispatch<T: Task>(task: T) -> T::Output {
    match Arch::new() {
        #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
        Arch::V3(simd) => simd.vectorize(
            #[inline(always)]
            || task.run(simd),
        ),
        _ => task.run(Plain),
    }
}

/// Plain loops.
#[derive(Clone, Copy)]
struct Plain;

impl Dot for Plain {
    #[inline(always)]
    fn query(self, query: &[i16], row: &[i8]) -> i32 {
        query.iter().zip(row).map(|(a, b)| i32::from(*a) * i32::from(*b)).sum()
    }

    #[inline(always)]
    fn rows(self, a: &[i8], b: &[i8]) -> i32 {
        a.iter().zip(b).map(|(a, b)| i32::from(*a) * i32::from(*b)).sum()
    }
}

/// Sixteen products at a time, added in pairs: AVX2.
#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
impl Dot for V3 {
    #[inline(always)]
    fn query(self, query: &[i16], row: &[i8]) -> i32 {
        let mut sums = i32x8(0, 0, 0, 0, 0, 0, 0, 0);
        for (query, row) in query.as_chunks::<16>().0.iter().zip(row.as_chunks::<16>().0) {
            let query: i16x16 = pulp::cast(*query);
            let row = self.convert_i8x16_to_i16x16(pulp::cast::<_, i8x16>(*row));
            let pairs = self.multiply_wrapping_add_adjacent_i16x16(query, row);
            sums = self.wrapping_add_i32x8(sums, pairs);
        }
        pulp::cast::<_, [i32; 8]>(sums).iter().sum()
    }

    #[inline(always)]
    fn rows(self, a: &[i8], b: &[i8]) -> i32 {
        let mut sums = i32x8(0, 0, 0, 0, 0, 0, 0, 0);
        for (a, b) in a.as_chunks::<16>().0.iter().zip(b.as_chunks::<16>().0) {
            let a = self.convert_i8x16_to_i16x16(pulp::cast::<_, i8x16>(*a));
            let b = self.convert_i8x16_to_i16x16(pulp::cast::<_, i8x16>(*b));
            let pairs = self.multiply_wrapping_add_adjacent_i16x16(a, b);
            sums = self.wrapping_add_i32x8(sums, pairs);
        }
        pulp::cast::<_, [i32; 8]>(sums).iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    struct Both<'a>(&'a [i16], &'a [i8], &'a [i8]);

    impl Task for Both<'_> {
        type Output = (i32, i32);

        fn run<D: Dot>(self, dot: D) -> (i32, i32) {
            (dot.query(self.0, self.1), dot.rows(self.1, self.2))
        }
    }

    proptest! {
        #[test]
        fn every_instruction_set_gives_the_same_integers(grains in 0usize..5, seed in any::<u64>()) {
            let n = grains * GRAIN;
            let code = |at: usize, of: u64| {
                (crate::seeded::number(seed ^ of, at as u64) % 255) as i8
            };
            let a: Vec<i8> = (0..n).map(|at| code(at, 1).max(-127)).collect();
            let b: Vec<i8> = (0..n).map(|at| code(at, 2).max(-127)).collect();
            let query: Vec<i16> = (0..n).map(|at| i16::from(code(at, 3)) * 100).collect();
            let got = dispatch(Both(&query, &a, &b));
            prop_assert_eq!(got, (Plain.query(&query, &a), Plain.rows(&a, &b)));
        }
    }
}
