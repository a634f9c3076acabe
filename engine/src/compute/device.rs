//! The devices that a training can be asked to run on, and which of them it gets.

use super::torch;
use crate::{Error, Result, Work};

/// The algorithms that are written over [`Compute`](super::Compute).
const EVERYWHERE: [&str; 10] =
    ["bm3", "bpr", "cm3", "freedom", "lattice", "lightgcn", "lirdrec", "mmhcl", "ngcf", "vbpr"];

/// What a training runs on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Device {
    /// The processor. A seed gives the same model, bit for bit, on every machine.
    #[default]
    Cpu,
    /// A GPU where there is one and the algorithm can use it, else the processor.
    Auto,
    /// The first CUDA device. It needs the feature `torch`.
    Gpu,
    /// libtorch on the processor: what [`Device::Gpu`] computes, without a GPU, to compare with. It
    /// needs the feature `torch`.
    Torch,
}

impl Device {
    /// Its name in statements.
    pub fn name(self) -> &'static str {
        match self {
            Device::Cpu => "cpu",
            Device::Auto => "auto",
            Device::Gpu => "gpu",
            Device::Torch => "torch",
        }
    }

    /// The device of a name; `None` where there is none.
    pub fn named(name: &str) -> Option<Device> {
        let all = [Device::Cpu, Device::Auto, Device::Gpu, Device::Torch];
        all.into_iter().find(|device| device.name().eq_ignore_ascii_case(name))
    }
}

/// What computes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place {
    Native,
    #[cfg(feature = "torch")]
    Torch(torch::Torch),
}

/// The device that a training of an algorithm gets, which is the one asked for or an error. Where
/// [`Device::Auto`] comes to the processor, it is told why.
pub(crate) fn settle(device: Device, algorithm: &str, work: &Work) -> Result<Device> {
    let device = match device {
        Device::Cpu => return Ok(Device::Cpu),
        Device::Auto => Device::Gpu,
        Device::Gpu | Device::Torch => return find(device, algorithm).map(|_| device),
    };
    match find(device, algorithm) {
        Ok(_) => Ok(device),
        Err(cause) => {
            work.progress.report("device", 0, 0, &format!("the processor is used: {cause}"));
            Ok(Device::Cpu)
        }
    }
}

/// What computes for a device that a training got.
pub(crate) fn place(device: Device) -> Result<Place> {
    match device {
        Device::Cpu => Ok(Place::Native),
        Device::Auto => Ok(torch::gpu().unwrap_or(Place::Native)),
        Device::Gpu => torch::gpu(),
        Device::Torch => torch::cpu(),
    }
}

fn find(device: Device, algorithm: &str) -> Result<Place> {
    let place = place(device)?;
    if EVERYWHERE.iter().any(|name| name.eq_ignore_ascii_case(algorithm)) {
        return Ok(place);
    }
    let (algorithm, device) = (algorithm.to_owned(), device.name());
    Err(Error::NotOnDevice { algorithm, device, known: EVERYWHERE.to_vec() })
}

#[cfg(test)]
#[path = "device_tests.rs"]
mod tests;
