//! The bytes of a file, unpacked where its name ends in `.gz`, with a count of what was read.
//!
//! This is the one place where COPY opens a file for reading.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::bufread::MultiGzDecoder;

use crate::error::{Error, Result};

/// Bytes read at a time.
const BUFFER: usize = 1 << 16;

/// How far the reading of a file has come. Shared between who reads and who reports.
#[derive(Clone, Debug, Default)]
pub(crate) struct Meter {
    read: Arc<AtomicU64>,
    size: Arc<AtomicU64>,
}

impl Meter {
    /// Bytes of the file that were read.
    pub(crate) fn read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// Bytes of the file.
    pub(crate) fn size(&self) -> u64 {
        self.size.load(Ordering::Relaxed)
    }

    /// Says how large the file is.
    pub(crate) fn set_size(&self, bytes: u64) {
        self.size.store(bytes, Ordering::Relaxed);
    }

    /// Says that more was read.
    pub(crate) fn add(&self, bytes: u64) {
        self.read.fetch_add(bytes, Ordering::Relaxed);
    }
}

/// A buffered, unpacked, counted file.
pub(crate) struct Input(Box<dyn BufRead + Send>);

impl Input {
    /// Opens a file.
    pub(crate) fn open(path: &Path, meter: &Meter) -> Result<Input> {
        let file = open_file(path)?;
        meter.set_size(file.metadata().map(|m| m.len()).unwrap_or(0));
        let counted = BufReader::with_capacity(BUFFER, Counted { file, meter: meter.clone() });
        let packed = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("gz"));
        Ok(Input(if packed {
            Box::new(BufReader::with_capacity(BUFFER, MultiGzDecoder::new(counted)))
        } else {
            Box::new(counted)
        }))
    }

    /// Bytes that come by themselves.
    pub(crate) fn stream(stream: Box<dyn Read + Send>) -> Input {
        Input(Box::new(BufReader::with_capacity(BUFFER, stream)))
    }

    /// The same without the byte-order mark that some programs begin a text file with.
    pub(crate) fn without_mark(mut self, path: &Path) -> Result<Input> {
        let head = self.0.fill_buf().map_err(|source| unreadable(path, source))?;
        if head.starts_with(b"\xef\xbb\xbf") {
            self.0.consume(3);
        }
        Ok(self)
    }

    /// The first bytes, without taking them.
    pub(crate) fn peek(&mut self, path: &Path) -> Result<&[u8]> {
        self.0.fill_buf().map_err(|source| unreadable(path, source))
    }
}

/// Unpacking says by the kind of its error that the bytes are at fault, not the file system.
fn unreadable(path: &Path, source: io::Error) -> Error {
    match source.kind() {
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => {
            Error::damaged_file(path, &source.to_string())
        }
        _ => Error::file_io(path, "read", source),
    }
}

/// Opens a file for reading; a folder is an error with its path.
pub(crate) fn open_file(path: &Path) -> Result<File> {
    let file = File::open(path).map_err(|source| Error::file_io(path, "open", source))?;
    if file.metadata().is_ok_and(|m| m.is_dir()) {
        let source = io::Error::new(io::ErrorKind::IsADirectory, "it is a folder");
        return Err(Error::file_io(path, "read", source));
    }
    Ok(file)
}

impl Read for Input {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.0.read(into)
    }
}

impl BufRead for Input {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.0.fill_buf()
    }

    fn consume(&mut self, bytes: usize) {
        self.0.consume(bytes);
    }
}

struct Counted {
    file: File,
    meter: Meter,
}

impl Read for Counted {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let bytes = self.file.read(into)?;
        self.meter.add(bytes as u64);
        Ok(bytes)
    }
}
