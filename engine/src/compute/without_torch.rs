//! A program that is built without libtorch: no device but the processor.

use super::Place;
use crate::{Error, Result};

const WHY: &str = "this program is built without libtorch; `make torch` builds one with it, and \
                   device = 'cpu' needs none";

pub(super) fn gpu() -> Result<Place> {
    Err(Error::NoDevice { device: "gpu", why: WHY })
}

pub(super) fn cpu() -> Result<Place> {
    Err(Error::NoDevice { device: "torch", why: WHY })
}
