//! How a model lies in a file: a header, a table of named sections, and the sections.
//!
//! All numbers are little-endian and every section starts at a multiple of 64 bytes, so that a
//! mapped file serves as the arrays themselves. There is no checksum here: storage has one over the
//! whole artifact. A reader still checks every length before using it.
//!
//! | offset | length | content |
//! |---|---|---|
//! | 0 | 8 | magic `TASTEMDL` |
//! | 8 | 4 | version of this layout, 1 |
//! | 12 | 4 | version of the algorithm's sections |
//! | 16 | 32 | name of the algorithm, padded with zeros |
//! | 48 | 4 | number of sections |
//! | 52 | 12 | zero |
//! | 64 | 32 each | sections: name (16, padded with zeros), offset (8), length in bytes (8) |

use std::borrow::Cow;
use std::io::Write;
use std::ops::{Deref, Range};
use std::sync::Arc;

use bytemuck::{AnyBitPattern, NoUninit};
use tastedb_storage::ItemId;

use crate::matrix::indptr_fits;
use crate::{Csr, Error, OptionValue, Result};

const MAGIC: &[u8; 8] = b"TASTEMDL";
const VERSION: u32 = 1;
const HEADER: usize = 64;
const ENTRY: usize = 32;
const ALIGN: usize = 64;
const ALGORITHM_NAME: usize = 32;
const SECTION_NAME: usize = 16;

/// Bytes that can be shared between threads, such as a mapped file or a `Vec<u8>`.
pub trait Bytes: AsRef<[u8]> + Send + Sync {}

impl<T: AsRef<[u8]> + Send + Sync + ?Sized> Bytes for T {}

/// A number that a section is an array of.
pub(crate) trait Number: AnyBitPattern + NoUninit + Send + Sync {
    /// The number from the bytes of the machine read as if it were little-endian, and back.
    fn swap_if_big_endian(self) -> Self;
}

macro_rules! number {
    ($($ty:ty: $bits:ty),*) => {$(
        impl Number for $ty {
            #[inline(always)]
            fn swap_if_big_endian(self) -> $ty {
                bytemuck::cast::<$bits, $ty>(bytemuck::cast::<$ty, $bits>(self).to_le())
            }
        }
    )*};
}

number!(u8: u8, u32: u32, u64: u64, f32: u32, f64: u64);

/// An array that is either in memory or a part of shared bytes.
pub(crate) enum Array<T> {
    Owned(Vec<T>),
    Shared { bytes: Arc<dyn Bytes>, range: Range<usize> },
}

impl<T: Number> Deref for Array<T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        match self {
            Array::Owned(values) => values,
            Array::Shared { bytes, range } => {
                // `Sections::array` checked the range and the alignment, and shared bytes neither
                // move nor shrink; were they to, an empty array is what is left.
                let part = (**bytes).as_ref().get(range.clone()).unwrap_or_default();
                bytemuck::try_cast_slice(part).unwrap_or_default()
            }
        }
    }
}

impl<T> From<Vec<T>> for Array<T> {
    fn from(values: Vec<T>) -> Array<T> {
        Array::Owned(values)
    }
}

/// The sections of a model about to be written.
pub(crate) struct Writer<'a> {
    algorithm: &'static str,
    format: u32,
    sections: Vec<(Cow<'static, str>, Cow<'a, [u8]>)>,
}

impl<'a> Writer<'a> {
    pub(crate) fn new(algorithm: &'static str, format: u32) -> Writer<'a> {
        Writer { algorithm, format, sections: Vec::new() }
    }

    /// Adds an array.
    pub(crate) fn array<T: Number>(&mut self, name: impl Into<Cow<'static, str>>, values: &'a [T]) {
        let bytes = if cfg!(target_endian = "little") {
            Cow::Borrowed(bytemuck::cast_slice(values))
        } else {
            Cow::Owned(own_bytes(values.iter().map(|value| value.swap_if_big_endian())))
        };
        self.sections.push((name.into(), bytes));
    }

    /// Adds an array that was made for the file.
    pub(crate) fn owned<T: Number>(&mut self, name: impl Into<Cow<'static, str>>, values: Vec<T>) {
        let bytes = own_bytes(values.into_iter().map(Number::swap_if_big_endian));
        self.sections.push((name.into(), Cow::Owned(bytes)));
    }

    /// Adds the items of the model.
    pub(crate) fn items(&mut self, items: &[ItemId]) {
        self.owned("items", items.iter().map(|item| item.0).collect::<Vec<u64>>());
    }

    /// Adds the options the model was trained with.
    pub(crate) fn options(&mut self, options: &[(String, OptionValue)]) {
        let mut text = String::new();
        for (name, value) in options {
            let (kind, value) = match value {
                OptionValue::Bool(value) => ('b', value.to_string()),
                OptionValue::Int(value) => ('i', value.to_string()),
                // The bits, so that the very same number comes back.
                OptionValue::Real(value) => ('r', value.to_bits().to_string()),
                OptionValue::Text(value) => ('t', value.replace(['\n', '\t'], " ")),
            };
            text.push_str(&format!("{name}\t{kind}\t{value}\n"));
        }
        self.sections.push(("options".into(), Cow::Owned(text.into_bytes())));
    }

    /// Writes header, table and sections.
    pub(crate) fn write(self, out: &mut dyn Write) -> Result<()> {
        let mut head = Vec::with_capacity(HEADER + ENTRY * self.sections.len());
        head.extend_from_slice(MAGIC);
        head.extend_from_slice(&VERSION.to_le_bytes());
        head.extend_from_slice(&self.format.to_le_bytes());
        head.extend_from_slice(&padded::<ALGORITHM_NAME>(self.algorithm));
        head.extend_from_slice(&(self.sections.len() as u32).to_le_bytes());
        head.resize(HEADER, 0);
        let mut end = HEADER + ENTRY * self.sections.len();
        for (name, bytes) in &self.sections {
            let offset = end.next_multiple_of(ALIGN);
            head.extend_from_slice(&padded::<SECTION_NAME>(name));
            head.extend_from_slice(&(offset as u64).to_le_bytes());
            head.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
            end = offset + bytes.len();
        }
        let mut written = head.len();
        out.write_all(&head).map_err(Error::Write)?;
        for (_, bytes) in &self.sections {
            let gap = written.next_multiple_of(ALIGN) - written;
            out.write_all(&[0; ALIGN][..gap]).map_err(Error::Write)?;
            out.write_all(bytes).map_err(Error::Write)?;
            written += gap + bytes.len();
        }
        Ok(())
    }
}

fn own_bytes<T: NoUninit>(values: impl Iterator<Item = T>) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(values.size_hint().0 * size_of::<T>());
    for value in values {
        bytes.extend_from_slice(bytemuck::bytes_of(&value));
    }
    bytes
}

fn padded<const N: usize>(name: &str) -> [u8; N] {
    let mut bytes = [0; N];
    let length = name.len().min(N);
    bytes[..length].copy_from_slice(&name.as_bytes()[..length]);
    bytes
}

/// The sections of a saved model.
pub(crate) struct Sections {
    bytes: Arc<dyn Bytes>,
    algorithm: String,
    format: u32,
    table: Vec<(String, Range<usize>)>,
}

impl Sections {
    /// Reads header and table, and checks that every section lies within the bytes.
    pub(crate) fn read(bytes: Arc<dyn Bytes>) -> Result<Sections> {
        let all = (*bytes).as_ref();
        if all.get(..MAGIC.len()) != Some(MAGIC.as_slice()) || all.len() < HEADER {
            return Err(corrupt("it does not start like one"));
        }
        let version = u32_at(all, 8)?;
        if version != VERSION {
            return Err(Error::UnsupportedModel { found: version, supported: VERSION });
        }
        let format = u32_at(all, 12)?;
        let algorithm = name(&all[16..16 + ALGORITHM_NAME])?;
        let count = u32_at(all, 48)? as usize;
        let table = count
            .checked_mul(ENTRY)
            .and_then(|length| all.get(HEADER..HEADER.checked_add(length)?))
            .ok_or_else(|| corrupt("its table of sections is cut off"))?;
        let mut sections = Vec::with_capacity(count);
        for entry in table.chunks_exact(ENTRY) {
            let offset = usize::try_from(u64_at(entry, 16)?).ok();
            let length = usize::try_from(u64_at(entry, 24)?).ok();
            let range = offset
                .zip(length)
                .and_then(|(offset, length)| Some(offset..offset.checked_add(length)?))
                .filter(|range| range.end <= all.len() && range.start.is_multiple_of(ALIGN))
                .ok_or_else(|| corrupt("a section lies outside of it"))?;
            sections.push((name(&entry[..SECTION_NAME])?, range));
        }
        Ok(Sections { bytes, algorithm, format, table: sections })
    }

    pub(crate) fn algorithm(&self) -> &str {
        &self.algorithm
    }

    pub(crate) fn format(&self) -> u32 {
        self.format
    }

    /// A section as an array, in place if the bytes are aligned for it.
    pub(crate) fn array<T: Number>(&self, wanted: &str) -> Result<Array<T>> {
        let range = self.range(wanted)?;
        let part = (*self.bytes).as_ref().get(range.clone()).unwrap_or_default();
        if cfg!(target_endian = "little") && bytemuck::try_cast_slice::<u8, T>(part).is_ok() {
            return Ok(Array::Shared { bytes: Arc::clone(&self.bytes), range });
        }
        if !part.len().is_multiple_of(size_of::<T>()) {
            return Err(corrupt(format!("section `{wanted}` ends within a number")));
        }
        let values = part
            .chunks_exact(size_of::<T>())
            .map(|chunk| bytemuck::pod_read_unaligned::<T>(chunk).swap_if_big_endian());
        Ok(Array::Owned(values.collect()))
    }

    /// A section as an array of a known length.
    pub(crate) fn array_of<T: Number>(&self, wanted: &str, length: usize) -> Result<Array<T>> {
        let array = self.array(wanted)?;
        if array.len() == length {
            return Ok(array);
        }
        let found = array.len();
        Err(corrupt(format!("section `{wanted}` has {found} numbers instead of {length}")))
    }

    /// The items of the model.
    pub(crate) fn items(&self) -> Result<Vec<ItemId>> {
        let ids = self.array::<u64>("items")?;
        if u32::try_from(ids.len()).is_err() || ids.windows(2).any(|pair| pair[0] >= pair[1]) {
            return Err(corrupt("its items do not ascend"));
        }
        Ok(ids.iter().map(|id| ItemId(*id)).collect())
    }

    /// The options the model was trained with.
    pub(crate) fn options(&self) -> Result<Vec<(String, OptionValue)>> {
        let bytes = self.array::<u8>("options")?;
        let text = std::str::from_utf8(&bytes).map_err(|_| corrupt("its options are not text"))?;
        text.lines()
            .map(|line| option(line).ok_or_else(|| corrupt("its options are not options")))
            .collect()
    }

    /// A sparse matrix written as three sections.
    pub(crate) fn csr(
        &self,
        [starts, columns, weights]: [&str; 3],
        n_rows: usize,
        n_columns: usize,
    ) -> Result<Csr> {
        let starts = self.array_of::<u64>(starts, n_rows + 1)?;
        let indptr: Vec<usize> =
            starts.iter().map(|at| usize::try_from(*at).unwrap_or(usize::MAX)).collect();
        let indices = self.array::<u32>(columns)?.to_vec();
        let values = self.array::<f32>(weights)?.to_vec();
        if !indptr_fits(&indptr, indices.len()) || values.iter().any(|value| !value.is_finite()) {
            return Err(corrupt("its sparse matrix is none"));
        }
        Csr::from_parts(n_columns, indptr, indices, values)
            .ok_or_else(|| corrupt("its sparse matrix is none"))
    }

    fn range(&self, wanted: &str) -> Result<Range<usize>> {
        let found = self.table.iter().find(|(name, _)| name == wanted);
        let (_, range) = found.ok_or_else(|| corrupt(format!("section `{wanted}` is missing")))?;
        Ok(range.clone())
    }
}

fn option(line: &str) -> Option<(String, OptionValue)> {
    let mut fields = line.splitn(3, '\t');
    let (name, kind, value) = (fields.next()?, fields.next()?, fields.next()?);
    let value = match kind {
        "b" => OptionValue::Bool(value.parse().ok()?),
        "i" => OptionValue::Int(value.parse().ok()?),
        "r" => OptionValue::Real(f64::from_bits(value.parse().ok()?)),
        "t" => OptionValue::Text(value.to_owned()),
        _ => return None,
    };
    Some((name.to_owned(), value))
}

fn name(bytes: &[u8]) -> Result<String> {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8(bytes[..end].to_vec()).map_err(|_| corrupt("a name in it is not text"))
}

fn u32_at(bytes: &[u8], at: usize) -> Result<u32> {
    let part = bytes.get(at..at + 4).and_then(|part| part.try_into().ok());
    part.map(u32::from_le_bytes).ok_or_else(|| corrupt("it is cut off"))
}

fn u64_at(bytes: &[u8], at: usize) -> Result<u64> {
    let part = bytes.get(at..at + 8).and_then(|part| part.try_into().ok());
    part.map(u64::from_le_bytes).ok_or_else(|| corrupt("it is cut off"))
}

/// The error for bytes that make no sense.
pub(crate) fn corrupt(what: impl Into<String>) -> Error {
    Error::CorruptModel { what: what.into() }
}

#[cfg(test)]
mod tests;
