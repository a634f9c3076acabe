//! libtorch, through tch: the only place that knows it.
//!
//! Every call of it can fail, where a device runs out of memory for one, and becomes an error; none
//! panics. Rows have the padding of a [`Table`], so they go there and come back as they are. No tensor
//! here wants a gradient of autograd, which is for tests alone.

mod adam;
mod batch;
mod graphs;
mod hypergraph;
mod interaction;
mod linear;
mod links;
mod look_up;
mod losses;
mod map;
mod maps;
mod scoring;
mod shares;
mod smoothing;
mod sparse;
mod tables;

use std::fmt;

use tch::{Cuda, Device, Kind, TchError, Tensor};

use self::batch::Batch;
use self::sparse::Sparse;
use self::tables::{Places, Rows};
use super::{Compute, Place};
use crate::{Error, Result};

/// What comes of calls of libtorch.
type Done<T> = std::result::Result<T, TchError>;

/// A device of libtorch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Torch(Device);

/// The first CUDA device.
pub(super) fn gpu() -> Result<Place> {
    if Cuda::is_available() {
        return Ok(Place::Torch(Torch(Device::Cuda(0))));
    }
    let why = "libtorch finds no CUDA device; device = 'cpu' needs none";
    Err(Error::NoDevice { device: "gpu", why })
}

/// The processor, with one thread: those of libtorch wait for each other after every operation, which
/// takes a hundred times as long where others want the cores. Sums are the same each time, too.
pub(super) fn cpu() -> Result<Place> {
    tch::set_num_threads(1);
    Ok(Place::Torch(Torch::on_cpu()))
}

impl Torch {
    pub(crate) fn on_cpu() -> Torch {
        Torch(Device::Cpu)
    }

    /// What came of a call.
    fn done<T>(self, result: Done<T>) -> Result<T> {
        result.map_err(|error| {
            let told = error.to_string();
            // A C++ exception comes with its stack; the first line says what happened.
            let told = told.strip_prefix("Internal torch error: ").unwrap_or(&told);
            let what = told.lines().next().unwrap_or_default();
            let full = ["out of memory", "not enough memory", "can't allocate memory"];
            let what = match full.iter().any(|words| told.contains(words)) {
                true => format!("out of memory: {what}"),
                false => what.to_owned(),
            };
            Error::DeviceFailed { device: self.to_string(), what }
        })
    }

    /// Numbers that are sent there.
    fn send<T: tch::kind::Element>(self, numbers: &[T]) -> Result<Tensor> {
        self.done(Tensor::f_from_slice(numbers).and_then(|tensor| tensor.f_to(self.0)))
    }

    /// Rows of zeros.
    fn blank(self, rows: i64, width: i64) -> Result<Tensor> {
        self.done(Tensor::f_zeros([rows, width], (Kind::Float, self.0)))
    }
}

impl fmt::Display for Torch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Device::Cpu => f.write_str("the processor"),
            Device::Cuda(number) => write!(f, "cuda:{number}"),
            Device::Mps => f.write_str("mps"),
            Device::Vulkan => f.write_str("vulkan"),
        }
    }
}

impl Compute for Torch {}

#[cfg(test)]
mod tests;
