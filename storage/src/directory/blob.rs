//! The bytes of one published file, shared and immutable.
//!
//! A [`Blob`] is a memory map or a heap buffer; who reads it cannot tell. It is not a cache and
//! knows nothing of checksums. Invariant: byte 0 of a whole file lies at an address that is a
//! multiple of 64, so that offsets inside the file decide the alignment of what they point to.

use std::fmt;
use std::ops::{Deref, Range};
use std::sync::Arc;

use bytemuck::{Pod, Zeroable};

use crate::segment::map::Map;

/// Immutable bytes of a published file: cheap to clone, kept alive by its clones.
#[derive(Clone)]
pub struct Blob {
    owner: Arc<Owner>,
    range: Range<usize>,
}

enum Owner {
    Map(Map),
    Heap { lines: Vec<Line>, len: usize },
}

/// One cache line; a vector of these is a byte buffer that starts 64-byte aligned.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C, align(64))]
struct Line([u8; 64]);

impl Blob {
    /// Copies bytes into an aligned heap buffer.
    pub fn copy_from(bytes: &[u8]) -> Blob {
        let mut lines = vec![Line::zeroed(); bytes.len().div_ceil(64)];
        let room: &mut [u8] = bytemuck::cast_slice_mut(&mut lines);
        room[..bytes.len()].copy_from_slice(bytes);
        Blob { range: 0..bytes.len(), owner: Arc::new(Owner::Heap { lines, len: bytes.len() }) }
    }

    pub(crate) fn from_map(map: Map) -> Blob {
        Blob { range: 0..map.len(), owner: Arc::new(Owner::Map(map)) }
    }

    /// A part of this blob that shares its memory; `None` if the range is outside.
    pub fn slice(&self, range: Range<usize>) -> Option<Blob> {
        if range.start > range.end || range.end > self.range.len() {
            return None;
        }
        let start = self.range.start + range.start;
        Some(Blob { owner: Arc::clone(&self.owner), range: start..start + range.len() })
    }
}

impl Owner {
    fn bytes(&self) -> &[u8] {
        match self {
            Owner::Map(map) => map,
            Owner::Heap { lines, len } => &bytemuck::cast_slice(lines)[..*len],
        }
    }
}

impl Deref for Blob {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.owner.bytes()[self.range.clone()]
    }
}

impl AsRef<[u8]> for Blob {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl fmt::Debug for Blob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Blob").field("len", &self.range.len()).finish_non_exhaustive()
    }
}
