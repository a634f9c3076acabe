//! A map of an embedding: the two directions in which its vectors differ most, for looking at it.
//!
//! Principal components by subspace iteration (Halko, Martinsson and Tropp 2011) on a sample of the rows,
//! which are then projected. It is for the eye: nothing is retrieved or scored with it. Deterministic.

use tastedb_storage::ItemId;

use crate::EmbeddingMatrix;
use crate::linalg::eigen;

/// Rows that the components are found on.
const SAMPLE: usize = 2_000;
/// Directions that are iterated: more than two, so that the two converge quickly.
const DIRECTIONS: usize = 6;
/// Passes over the sample.
const PASSES: usize = 16;

/// Items on a plane.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ItemMap {
    /// Where each item is, ascending by item.
    pub points: Vec<(ItemId, [f32; 2])>,
    /// The share of the sample's variance that lies in each of the two directions.
    pub explained: [f64; 2],
}

impl EmbeddingMatrix {
    /// At most `limit` items, evenly from all, on the plane of the first two principal components.
    pub fn map(&self, limit: usize) -> ItemMap {
        let mean = self.mean(&spread(self.len(), SAMPLE));
        let sample: Vec<Vec<f64>> =
            spread(self.len(), SAMPLE).map(|row| self.centred(row, &mean)).collect();
        let Some((directions, explained)) = components(&sample, self.dim()) else {
            return ItemMap::default();
        };
        let points = spread(self.len(), limit).map(|row| {
            let row_of = self.centred(row, &mean);
            let at = |which: usize| dot(&row_of, &directions[which]) as f32;
            (self.ids()[row], [at(0), at(1)])
        });
        ItemMap { points: points.collect(), explained }
    }

    fn mean(&self, rows: &(impl Iterator<Item = usize> + Clone)) -> Vec<f64> {
        let mut mean = vec![0.0; self.dim()];
        let mut count = 0.0;
        for row in rows.clone() {
            count += 1.0;
            mean.iter_mut().zip(self.row(row)).for_each(|(sum, x)| *sum += f64::from(*x));
        }
        mean.iter_mut().for_each(|sum| *sum /= f64::max(count, 1.0));
        mean
    }

    fn centred(&self, row: usize, mean: &[f64]) -> Vec<f64> {
        self.row(row).iter().zip(mean).map(|(x, mean)| f64::from(*x) - mean).collect()
    }
}

/// `count` of the numbers below `of`, evenly, or all of them.
fn spread(of: usize, count: usize) -> impl Iterator<Item = usize> + Clone {
    let count = count.min(of);
    (0..count).map(move |n| n * of / count)
}

/// The two directions of most variance, and their shares of it; `None` where nothing varies.
fn components(sample: &[Vec<f64>], dim: usize) -> Option<([Vec<f64>; 2], [f64; 2])> {
    let total: f64 = sample.iter().map(|row| dot(row, row)).sum();
    if dim < 2 || total <= 0.0 || !total.is_finite() {
        return None;
    }
    // Directions that have nothing in common with the axes begin it.
    let mut basis: Vec<Vec<f64>> = (0..DIRECTIONS.min(dim))
        .map(|which| (0..dim).map(|at| ((at * (2 * which + 3) + which) as f64).sin()).collect())
        .collect();
    orthonormal(&mut basis);
    for _ in 0..PASSES {
        let mut next = vec![vec![0.0; dim]; basis.len()];
        for row in sample {
            for (sum, direction) in next.iter_mut().zip(&basis) {
                let length = dot(row, direction);
                sum.iter_mut().zip(row).for_each(|(sum, x)| *sum += length * x);
            }
        }
        basis = next;
        orthonormal(&mut basis);
    }
    // Within the subspace the directions are exact.
    let n = basis.len();
    let mut inner = vec![0.0; n * n];
    for row in sample {
        let lengths: Vec<f64> = basis.iter().map(|direction| dot(row, direction)).collect();
        for i in 0..n {
            for j in 0..n {
                inner[i * n + j] += lengths[i] * lengths[j];
            }
        }
    }
    let (values, vectors) = eigen(&inner, n)?;
    let direction = |from_top: usize| {
        let which = n - 1 - from_top;
        let mut direction = vec![0.0; dim];
        for (weight, own) in vectors[which * n..][..n].iter().zip(&basis) {
            direction.iter_mut().zip(own).for_each(|(sum, x)| *sum += weight * x);
        }
        // Of the two signs, the one in which the largest number is positive.
        let largest =
            direction.iter().copied().fold(0.0, |a: f64, b| if b.abs() > a.abs() { b } else { a });
        if largest < 0.0 {
            direction.iter_mut().for_each(|x| *x = -*x);
        }
        direction
    };
    let share = |from_top: usize| (values[n - 1 - from_top] / total).clamp(0.0, 1.0);
    Some(([direction(0), direction(1)], [share(0), share(1)]))
}

/// Gram and Schmidt; a direction that lies in those before it becomes zero.
fn orthonormal(basis: &mut [Vec<f64>]) {
    for which in 0..basis.len() {
        let (before, rest) = basis.split_at_mut(which);
        let own = &mut rest[0];
        // Twice is enough (Giraud and others 2005).
        for _ in 0..2 {
            for other in &*before {
                let along = dot(own, other);
                own.iter_mut().zip(other).for_each(|(x, y)| *x -= along * y);
            }
        }
        let length = dot(own, own).sqrt();
        let scale = if length > 1e-12 { 1.0 / length } else { 0.0 };
        own.iter_mut().for_each(|x| *x *= scale);
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn groups_lie_apart_on_the_map() {
        let mut matrix = EmbeddingMatrix::new("text", 8);
        for item in 0..300_u64 {
            let group = (item % 3) as usize;
            let mut vector = [0.02; 8];
            vector[group] = 1.0;
            vector[3 + (item % 5) as usize] += 0.1;
            matrix.set(ItemId(item), &vector).unwrap();
        }
        let map = matrix.map(90);
        assert_eq!(map.points.len(), 90);
        assert!(map.explained[0] >= map.explained[1] && map.explained.iter().sum::<f64>() > 0.9);
        let distance = |a: usize, b: usize| {
            let (a, b) = (map.points[a].1, map.points[b].1);
            (a[0] - b[0]).hypot(a[1] - b[1])
        };
        let group = |at: usize| map.points[at].0.0 % 3;
        for at in 1..90 {
            let near = distance(0, at) < 0.5;
            assert_eq!(near, group(at) == group(0), "point {at}");
        }
        assert_eq!(map, matrix.map(90), "the same each time");
    }

    #[test]
    fn where_nothing_varies_there_is_no_map() {
        assert_eq!(EmbeddingMatrix::new("text", 4).map(10), ItemMap::default());
        let mut matrix = EmbeddingMatrix::new("text", 4);
        matrix.set(ItemId(1), &[1.0, 0.0, 0.0, 0.0]).unwrap();
        assert_eq!(matrix.map(10), ItemMap::default());
    }
}
