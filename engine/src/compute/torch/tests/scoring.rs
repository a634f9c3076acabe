//! Neighbours, whose products are rounded otherwise by each place and which are the same nevertheless.

use super::*;
use crate::Work;
use crate::item_graph::nearest;
use crate::trainer::normalise;

/// Rows of length one, of which some are twins and one is nothing.
fn rows(n: usize, dim: usize) -> Table {
    let mut rows = drawn(n, dim, 5);
    for row in (0..n).filter(|row| row % 9 == 4) {
        let twin = rows.row(row / 9 % 3).to_vec();
        rows.row_mut(row).copy_from_slice(&twin);
    }
    normalise(&mut rows, n);
    rows.row_mut(n - 1).fill(0.0);
    rows
}

#[test]
fn neighbours_are_the_same_wherever_products_are_computed() {
    let there = Work { device: crate::Device::Torch, ..Work::quiet() };
    for (n, dim, k) in [(1, 3, 2), (5, 3, 9), (400, 33, 6), (400, 2, 1), (400, 8, 0)] {
        let rows = rows(n, dim);
        let native = nearest(&rows, k, &Work::quiet()).unwrap();
        assert_eq!(nearest(&rows, k, &there).unwrap(), native, "{n} rows, {k} nearest");
        assert_eq!(native.iter().any(|near| !near.is_empty()), n > 1 && k > 0);
    }
}
