//! The inverse against its definition, on sizes around the width of a panel.

#![expect(clippy::unwrap_used, reason = "tests")]

use super::*;
/// A positive definite matrix with entries that look random: MᵀM + shift·I for a sparse M.
fn spd(n: usize, shift: f64) -> Panels<f64> {
    let entry = |row: usize, at: usize| {
        let mixed = (row * 7919 + at * 104_729 + 12_345).wrapping_mul(2_654_435_761);
        ((mixed >> 8) % n.max(1), f64::from((mixed >> 40) as u8) / 64.0 - 2.0)
    };
    let mut dense = vec![0.0; n * n];
    for row in 0..2 * n {
        let sparse: Vec<(usize, f64)> = (0..5).map(|at| entry(row, at)).collect();
        for (i, x) in &sparse {
            for (j, y) in &sparse {
                dense[i * n + j] += x * y;
            }
        }
    }
    let mut matrix = Panels::zeros(n);
    for (column, values) in matrix.columns_mut() {
        for (offset, value) in values.iter_mut().enumerate() {
            *value = dense[column * n + column + offset];
        }
        values[0] += shift;
    }
    matrix
}

fn full(matrix: &Panels<f64>) -> Mat<f64> {
    let at = |i: usize, j: usize| matrix.column(i.min(j))[i.max(j) - i.min(j)];
    Mat::from_fn(matrix.n(), matrix.n(), at)
}

fn error_of(matrix: &Panels<f64>, inverse: &Panels<f64>) -> f64 {
    let product = full(matrix) * full(inverse);
    let mut worst = 0f64;
    for i in 0..matrix.n() {
        for j in 0..matrix.n() {
            worst = worst.max((product[(i, j)] - f64::from(u8::from(i == j))).abs());
        }
    }
    worst
}

#[test]
fn times_the_matrix_it_is_the_identity() {
    for n in [0, 1, 2, 5, 255, 256, 257, 600] {
        let matrix = spd(n, 1.0);
        let mut inverse = spd(n, 1.0);
        invert(&mut inverse, "test", &Work::quiet()).unwrap();
        let error = error_of(&matrix, &inverse);
        assert!(error < 1e-11, "size {n}: {error}");
    }
}

#[test]
fn an_ill_conditioned_matrix_loses_no_more_than_its_condition() {
    // The largest eigenvalue is some 1e2, the smallest not below 1e-6.
    let matrix = spd(300, 1e-6);
    let mut inverse = spd(300, 1e-6);
    invert(&mut inverse, "test", &Work::quiet()).unwrap();
    assert!(error_of(&matrix, &inverse) < 1e-6);
}

#[test]
fn the_number_of_threads_does_not_change_a_bit() {
    let run = |threads| {
        let mut matrix = spd(700, 1.0);
        let work = Work { threads, ..Work::quiet() };
        work.install(|| invert(&mut matrix, "test", &work)).unwrap();
        matrix.into_inner()
    };
    let bits = |values: Vec<f64>| values.into_iter().map(f64::to_bits).collect::<Vec<_>>();
    assert_eq!(bits(run(1)), bits(run(3)));
}

#[test]
fn an_indefinite_matrix_has_none() {
    let mut matrix = spd(300, 1.0);
    matrix.columns_mut()[270].1[0] = -1e9;
    let result = invert(&mut matrix, "test", &Work::quiet());
    assert!(matches!(result, Err(InverseError::NotPositiveDefinite)));
}

#[test]
fn cancelled_work_stops() {
    let work = Work::quiet();
    work.cancel.cancel();
    let result = invert(&mut spd(300, 1.0), "test", &work);
    assert!(matches!(result, Err(InverseError::Cancelled)));
}

#[test]
fn full_rows_are_symmetric_and_keep_the_padding() {
    let n = 530;
    let mut matrix = Panels::<f64>::zeros(n);
    for (column, values) in matrix.columns_mut() {
        for (offset, value) in values.iter_mut().enumerate() {
            *value = (column * 1000 + column + offset) as f64;
        }
    }
    let stride = 544;
    let mut rows = vec![-1f32; n * stride];
    matrix.write_rows(&mut rows, stride);
    for i in 0..n {
        for j in 0..n {
            assert_eq!(rows[i * stride + j], (i.min(j) * 1000 + i.max(j)) as f32, "{i} {j}");
        }
        assert!(rows[i * stride + n..(i + 1) * stride].iter().all(|value| *value == -1.0));
    }
}
