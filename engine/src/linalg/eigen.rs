//! The eigenvectors of a symmetric matrix.

use faer::diag::Diag;
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::evd::{ComputeEigenvectors, self_adjoint_evd, self_adjoint_evd_scratch};
use faer::{Mat, MatRef, Par};

/// The eigenvalues of the symmetric matrix whose columns `matrix` holds, ascending, and an eigenvector
/// for each, one after the other; `None` if they are not to be found. Only the lower triangle counts.
pub(crate) fn eigen(matrix: &[f64], n: usize) -> Option<(Vec<f64>, Vec<f64>)> {
    let matrix = MatRef::from_column_major_slice(matrix, n, n);
    let (mut values, mut vectors) = (Diag::<f64>::zeros(n), Mat::<f64>::zeros(n, n));
    let scratch =
        self_adjoint_evd_scratch::<f64>(n, ComputeEigenvectors::Yes, Par::Seq, Default::default());
    self_adjoint_evd(
        matrix,
        values.as_mut(),
        Some(vectors.as_mut()),
        Par::Seq,
        MemStack::new(&mut MemBuffer::new(scratch)),
        Default::default(),
    )
    .ok()?;
    let values: Vec<f64> = values.column_vector().iter().copied().collect();
    let vectors: Vec<f64> = vectors.col_iter().flat_map(|own| own.iter().copied()).collect();
    let finite = values.iter().chain(&vectors).all(|value| value.is_finite());
    finite.then_some((values, vectors))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn eigenvectors_are_stretched_by_their_values() {
        let n = 21;
        let entry = |i: usize, j: usize| ((i * j * 7 + i + j) % 11) as f64 - 3.0;
        let matrix: Vec<f64> = (0..n * n).map(|at| entry(at / n, at % n)).collect();
        let (values, vectors) = eigen(&matrix, n).unwrap();
        assert!(values.windows(2).all(|pair| pair[0] <= pair[1]));
        for (value, vector) in values.iter().zip(vectors.chunks_exact(n)) {
            for i in 0..n {
                let own: f64 = (0..n).map(|j| entry(i, j) * vector[j]).sum();
                assert!((own - value * vector[i]).abs() < 1e-9);
            }
            assert!((vector.iter().map(|x| x * x).sum::<f64>() - 1.0).abs() < 1e-12);
        }
    }

    #[test]
    fn what_is_no_number_has_no_eigenvectors() {
        assert!(eigen(&[f64::NAN; 9], 3).is_none());
    }
}
