//! Dense linear algebra: the only door to `faer`.
//!
//! Work is cut into tiles that rayon hands to threads, each computed by one thread; how tiles are
//! cut does not depend on the number of threads, so neither does the result. Between tiles the work
//! can be cancelled.

mod cholesky;
mod eigen;
mod inverse;
mod panels;
mod products;
mod small;
mod tall;
mod update;

pub(crate) use cholesky::{Cholesky, product};
pub(crate) use eigen::eigen;
pub(crate) use inverse::{InverseError, invert};
pub(crate) use panels::{Entry, PANEL, Panels, panels_len};
pub(crate) use products::{BLOCK, add_combinations, add_outer_products, products, products_of};
pub(crate) use small::{add_gram, factor, solve};
pub(crate) use tall::{inner, inner_bytes, multiply};
pub(crate) use update::{Sparse, Turn, leave_out, update_inverse};
