//! Vectors rounded to signed bytes, one unit for all of them: what a graph is built and walked on.
//!
//! A byte per number is a quarter of the memory traffic of f32, and traffic is what a walk over a
//! graph costs. Codes only find candidates: whoever answers scores those again with the vectors
//! themselves.
//!
//! Where distances count, `−|q − x|²` is `2 q·x − |x|²` but for what all rows share: the inner product as
//! ever, less the square of the row, which is known beforehand.

use super::kernel::{Dot, GRAIN, MOST};

/// Rows of codes, as kernels read them.
#[derive(Clone, Copy)]
pub(crate) struct Codes<'a> {
    stride: usize,
    rows: &'a [i8],
    /// The square of each row where distances count, else nothing.
    squares: &'a [i32],
}

impl<'a> Codes<'a> {
    /// `squares`: those of the rows where they are compared by distance, else none.
    pub(crate) fn new(dim: usize, bytes: &'a [u8], squares: &'a [i32]) -> Codes<'a> {
        Codes { stride: stride(dim), rows: bytemuck::cast_slice(bytes), squares }
    }

    /// A row.
    #[inline(always)]
    pub(crate) fn row(self, at: u32) -> &'a [i8] {
        &self.rows[at as usize * self.stride..][..self.stride]
    }
}

impl Codes<'_> {
    /// How near a row is to a query: higher is nearer.
    #[inline(always)]
    pub(crate) fn near<D: Dot>(self, dot: D, query: &Query, at: u32) -> i32 {
        let product = dot.query(&query.entries, self.row(at));
        match self.squares.get(at as usize) {
            None => product,
            Some(square) => query.less(product, *square),
        }
    }

    /// How near two rows are, in the same numbers as [`Codes::near`] for one of them as the query.
    #[inline(always)]
    pub(crate) fn between<D: Dot>(self, dot: D, a: u32, b: u32) -> i32 {
        let product = dot.rows(self.row(a), self.row(b));
        match (self.squares.get(a as usize), self.squares.get(b as usize)) {
            (Some(own), Some(other)) => (2 * product).saturating_sub(*other).saturating_sub(*own),
            _ => product,
        }
    }
}

/// The sum of the squares of each row.
pub(crate) fn squares(dim: usize, bytes: &[u8]) -> Vec<i32> {
    let square = |row: &[i8]| row.iter().map(|code| i32::from(*code) * i32::from(*code)).sum();
    bytemuck::cast_slice::<u8, i8>(bytes).chunks_exact(stride(dim)).map(square).collect()
}

/// The bytes of a row of `dim` numbers.
pub(crate) fn stride(dim: usize) -> usize {
    dim.next_multiple_of(GRAIN)
}

/// The unit that rounds numbers up to `largest` to codes.
pub(crate) fn unit(largest: f32) -> f32 {
    let unit = largest / MOST;
    if unit.is_normal() { unit } else { 1.0 }
}

/// Rounds a vector; `out` is [`stride`] long, and zero beyond the vector.
pub(crate) fn encode(vector: &[f32], unit: f32, out: &mut [u8]) {
    let scale = unit.recip();
    for (value, to) in vector.iter().zip(out) {
        *to = (*value * scale).round().clamp(-MOST, MOST) as i8 as u8;
    }
}

/// A vector to compare codes with. Sixteen bits leave its own rounding without effect.
pub(crate) struct Query {
    entries: Vec<i16>,
    /// Where distances count, what one of the square of a row takes off.
    fall: f64,
    /// The same for all rows: the square of the query, where it is itself a row.
    own: i32,
}

impl Query {
    /// Rounds a vector of finite numbers as finely as sums of products with codes of a `unit` allow.
    /// `most`: the largest square of a row where distances count, else zero.
    pub(crate) fn new(vector: &[f32], unit: f32, most: i32) -> Query {
        let (largest, sum) = vector.iter().fold((0f64, 0f64), |(largest, sum), value| {
            let size = f64::from(value.abs());
            (largest.max(size), sum + size)
        });
        // With x the unit times its codes c, q·x − |x|² / 2 is scale (q·c) − scale · unit / 2 · |c|², but for a
        // factor.
        let half = 0.5 * f64::from(unit);
        let scale = {
            // Each entry fits 16 bits, and a sum of products with codes 32, rounding included.
            let room = f64::from(i32::MAX) / f64::from(MOST) - vector.len() as f64;
            let needed = sum + half * f64::from(most) / f64::from(MOST);
            let scale = (f64::from(i16::MAX) / largest).min(room / needed);
            if scale.is_finite() { scale } else { 0.0 }
        };
        let mut rounded = vec![0i16; stride(vector.len())];
        for (value, to) in vector.iter().zip(&mut rounded) {
            *to = (f64::from(*value) * scale).round() as i16;
        }
        Query { entries: rounded, fall: half * scale, own: 0 }
    }

    /// A row as a query, to compare it with others.
    pub(crate) fn of_row(codes: Codes<'_>, at: u32) -> Query {
        let own = codes.squares.get(at as usize).copied();
        let times = if own.is_some() { 2 } else { 1 };
        let entries = codes.row(at).iter().map(|code| times * i16::from(*code)).collect();
        Query { entries, fall: 1.0, own: own.unwrap_or(0) }
    }

    #[inline(always)]
    fn less(&self, product: i32, square: i32) -> i32 {
        // Exact: both are whole numbers of 32 bits, and so is what the square takes off.
        let fall = (f64::from(square) * self.fall) as i32;
        product.saturating_sub(fall).saturating_sub(self.own)
    }
}

#[cfg(test)]
mod tests {
    use super::super::kernel::{Task, dispatch};
    use super::*;
    use proptest::prelude::*;

    struct Ask<'a>(Codes<'a>, &'a [Query]);

    impl Task for Ask<'_> {
        type Output = Vec<(Vec<i32>, Vec<i32>)>;

        fn run<D: Dot>(self, dot: D) -> Self::Output {
            let rows = 0..(self.0.rows.len() / self.0.stride) as u32;
            let all = |query: &Query| rows.clone().map(|at| self.0.near(dot, query, at)).collect();
            let pair = |(own, query)| {
                (all(query), rows.clone().map(|at| self.0.between(dot, own, at)).collect())
            };
            (0u32..).zip(self.1).map(pair).collect()
        }
    }

    proptest! {
        #[test]
        fn distances_of_codes_are_those_of_what_they_stand_for(
            dim in 1usize..50, n in 1usize..20, size in -20i32..20, seed in any::<u64>(),
        ) {
            let size = (size as f32).exp2();
            let value = |of: u64, at: usize| size * (crate::seeded::fraction(seed ^ of, at as u64) - 0.5);
            let row = |of: u64| -> Vec<f32> { (0..dim).map(|at| value(of, at)).collect() };
            let unit = unit(0.5 * size);
            let mut bytes = vec![0u8; n * stride(dim)];
            for (of, out) in (1..).zip(bytes.chunks_exact_mut(stride(dim))) {
                encode(&row(of), unit, out);
            }
            let squares = squares(dim, &bytes);
            let codes = Codes::new(dim, &bytes, &squares);
            let of_rows: Vec<Query> = (0..n as u32).map(|at| Query::of_row(codes, at)).collect();
            for (near, between) in dispatch(Ask(codes, &of_rows)) {
                prop_assert_eq!(near, between);
            }
            // Of a vector that is no row, scores are in a unit of their own.
            let most = squares.iter().copied().max().unwrap_or(0);
            let query = Query::new(&row(1 << 40), unit, most);
            let wanted = |at: usize| -> f64 {
                let code = |d: usize| f64::from(codes.row(at as u32)[d]) * f64::from(unit);
                let own = row(1 << 40);
                let square: f64 = (0..dim).map(|d| code(d) * code(d)).sum();
                let product: f64 = (0..dim).map(|d| code(d) * f64::from(own[d])).sum();
                product - 0.5 * square
            };
            let scores = dispatch(Ask(codes, std::slice::from_ref(&query))).remove(0).0;
            let scale = f64::from(unit) * f64::from(unit) / (2.0 * query.fall);
            for (at, score) in scores.iter().enumerate() {
                let got = f64::from(*score) * scale;
                let close = 1e-3 * f64::from(size) * f64::from(size) * dim as f64;
                prop_assert!((got - wanted(at)).abs() <= close, "{} {}", got, wanted(at));
            }
        }
    }
}
