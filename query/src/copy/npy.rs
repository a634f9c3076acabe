//! NumPy arrays of two dimensions as vectors: one row of the array, one vector.
//!
//! Read are `.npy` files of versions 1 to 3 in C order, of little-endian 16-, 32- and 64-bit
//! floats. Any other array is refused with what it is and what it should be.

use std::io::Read;
use std::path::Path;

use datafusion::arrow::datatypes::{ArrowPrimitiveType, Float16Type};

use super::{Fault, Input, Meter};
use crate::error::{Error, Result};

type F16 = <Float16Type as ArrowPrimitiveType>::Native;

/// A two-dimensional array of numbers, read row by row.
pub(crate) struct NpyReader {
    input: Input,
    /// Rows of the array.
    pub(crate) rows: u64,
    /// Numbers in a row.
    pub(crate) dim: usize,
    element: Element,
    bytes: Vec<u8>,
    row: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Element {
    F16,
    F32,
    F64,
}

impl Element {
    fn bytes(self) -> usize {
        match self {
            Element::F16 => 2,
            Element::F32 => 4,
            Element::F64 => 8,
        }
    }
}

/// The largest header that is read: real ones have some hundred bytes.
const HEADER_LIMIT: usize = 1 << 16;

impl NpyReader {
    /// Reads the header and checks that it is an array that can be read.
    pub(crate) fn open(path: &Path, meter: &Meter) -> Result<NpyReader> {
        let mut input = Input::open(path, meter)?;
        let header = header(&mut input).map_err(|what| Error::damaged_file(path, &what))?;
        let descr = entry(&header, "descr").map(|text| text.trim_matches(['\'', '"']));
        let element = match descr {
            Some("<f2") => Element::F16,
            Some("<f4") => Element::F32,
            Some("<f8") => Element::F64,
            other => {
                return Err(wrong(
                    path,
                    format!(
                        "expected numbers of dtype float16, float32 or float64 (little-endian), \
                         found `{}`",
                        other.unwrap_or("?")
                    ),
                ));
            }
        };
        if entry(&header, "fortran_order") != Some("False") {
            let what = "expected an array in C order, found Fortran order; save it with \
                        numpy.ascontiguousarray";
            return Err(wrong(path, what.to_owned()));
        }
        let shape = entry(&header, "shape").unwrap_or("?");
        let sizes = shape.trim_matches(['(', ')']).split(',').map(str::trim);
        let sizes: Option<Vec<u64>> =
            sizes.filter(|size| !size.is_empty()).map(|size| size.parse().ok()).collect();
        let Some([rows, dim]) = sizes.as_deref() else {
            let what = format!("expected an array of two dimensions (rows, dims), found {shape}");
            return Err(wrong(path, what));
        };
        let dim = usize::try_from(*dim).ok().filter(|dim| *dim <= 1 << 20).ok_or_else(|| {
            wrong(path, format!("expected at most 1048576 numbers per row, found {dim}"))
        })?;
        let bytes = vec![0; dim * element.bytes()];
        Ok(NpyReader { input, rows: *rows, dim, element, bytes, row: 0 })
    }

    /// Reads the next row into `vector`; false behind the last.
    pub(crate) fn next(&mut self, vector: &mut Vec<f32>) -> Result<bool, Fault> {
        if self.row == self.rows {
            return Ok(false);
        }
        self.row += 1;
        self.input.read_exact(&mut self.bytes).map_err(|cause| {
            Fault::fatal(self.row, format!("expected {} rows, the file ends: {cause}", self.rows))
        })?;
        vector.clear();
        match self.element {
            Element::F16 => vector.extend(
                self.bytes
                    .as_chunks::<2>()
                    .0
                    .iter()
                    .map(|bytes| F16::from_le_bytes(*bytes).to_f32()),
            ),
            Element::F32 => vector.extend(
                self.bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)),
            ),
            Element::F64 => vector.extend(
                self.bytes.as_chunks::<8>().0.iter().map(|bytes| f64::from_le_bytes(*bytes) as f32),
            ),
        }
        Ok(true)
    }
}

fn wrong(path: &Path, what: String) -> Error {
    Error::array_shape(path, &what)
}

fn header(input: &mut Input) -> Result<String, String> {
    let no = |_| "not a NumPy file: it is too short".to_owned();
    let mut start = [0; 8];
    input.read_exact(&mut start).map_err(no)?;
    if &start[..6] != b"\x93NUMPY" {
        return Err("not a NumPy file: it does not begin with the magic string".to_owned());
    }
    let length = match start[6] {
        1 => {
            let mut length = [0; 2];
            input.read_exact(&mut length).map_err(no)?;
            usize::from(u16::from_le_bytes(length))
        }
        2 | 3 => {
            let mut length = [0; 4];
            input.read_exact(&mut length).map_err(no)?;
            u32::from_le_bytes(length) as usize
        }
        version => return Err(format!("NumPy format version {version} is unknown")),
    };
    if length > HEADER_LIMIT {
        return Err(format!("its header claims {length} bytes"));
    }
    let mut bytes = vec![0; length];
    input.read_exact(&mut bytes).map_err(no)?;
    String::from_utf8(bytes).map_err(|_| "its header is not text".to_owned())
}

/// The value of a key in the header's Python dictionary.
fn entry<'a>(header: &'a str, key: &str) -> Option<&'a str> {
    let at = header.find(&format!("'{key}'"))?;
    let rest = header[at..].split_once(':')?.1.trim_start();
    let end = match rest.chars().next()? {
        '(' => rest.find(')')? + 1,
        _ => rest.find([',', '}'])?,
    };
    Some(rest[..end].trim())
}
