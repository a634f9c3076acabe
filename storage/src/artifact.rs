//! Artifacts: published write-once files whose meaning only the layer above knows.
//!
//! A trained model's numbers are an artifact. Storage gives it a checksummed file, a name that the
//! commit publishes, and mapped bytes to read; it does not know what a model is.
//!
//! ```text
//!    0   8  magic "TDBARTF\n"
//!    8   4  format version (1)
//!   12   4  zero
//!   16   8  artifact number
//!   24  32  zero
//!   56   8  xxh3-64 of bytes 0..56
//!   64      payload, up to the content length of the container
//! ```
//!
//! Invariant: [`Artifact::blob`] hands out only bytes that match their checksums; they are
//! verified once per opened artifact. The payload starts 64-byte aligned.

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64;

use crate::directory::{Blob, Directory};
use crate::error::{Error, Result};
use crate::segment::blocks::{BlockFile, le_u32, le_u64};
use crate::staged::{FileRef, StagedFile, StagedWriter};

/// The directory of all artifacts.
pub const MODELS_DIR: &str = "models";

/// What the names of artifacts begin with that can be made again from what else is there. A database
/// opens without them.
pub const DERIVED: &str = "derived/";

const HEADER: usize = 64;
const CHECKED: usize = 56;
const VERSION: u32 = 1;
const MAGIC: [u8; 8] = *b"TDBARTF\n";

/// An artifact being written under `tmp/`; dropping it removes it.
pub struct StagedArtifact {
    name: String,
    out: StagedWriter,
}

/// A complete, synced artifact that a transaction can publish under its name.
#[derive(Debug)]
pub struct Staged {
    name: String,
    staged: StagedFile,
}

/// A published artifact, open for reading. Clones share the mapping and what was verified.
#[derive(Debug, Clone)]
pub struct Artifact {
    file: BlockFile,
    number: u64,
}

impl StagedArtifact {
    /// Starts an artifact. The number is never reused, so that a file that a crash left behind
    /// can not be taken for a later one of the same name.
    pub fn create(dir: &Arc<dyn Directory>, name: &str, number: u64) -> Result<StagedArtifact> {
        let mut header = [0; HEADER];
        header[..8].copy_from_slice(&MAGIC);
        header[8..12].copy_from_slice(&VERSION.to_le_bytes());
        header[16..24].copy_from_slice(&number.to_le_bytes());
        let checksum = xxh3_64(&header[..CHECKED]);
        header[CHECKED..].copy_from_slice(&checksum.to_le_bytes());
        let scratch = format!("artifact-{number:010}");
        let mut out = StagedWriter::create(dir, &scratch, artifact_file(name, number))?;
        out.write_all(&header).map_err(|e| out.write_error(e))?;
        Ok(StagedArtifact { name: name.to_owned(), out })
    }

    /// Payload bytes so far.
    pub fn payload_len(&self) -> u64 {
        self.out.content_len() - HEADER as u64
    }

    /// Writes the checksums and syncs the file.
    pub fn finish(self) -> Result<Staged> {
        Ok(Staged { name: self.name, staged: self.out.finish()? })
    }
}

impl Write for StagedArtifact {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl Staged {
    /// The name that the transaction will publish it under.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Moves the file into place; see [`StagedFile::publish`].
    pub fn publish(self) -> Result<FileRef> {
        self.staged.publish()
    }
}

impl Artifact {
    /// Opens the file that a manifest names; its length and checksum must be as recorded there.
    pub fn open(dir: &dyn Directory, file: &FileRef) -> Result<Artifact> {
        let artifact = Artifact::from_blob(file.open(dir)?, dir.path(&file.name))?;
        file.confirm(dir, artifact.file.checksum())?;
        Ok(artifact)
    }

    /// Opens the bytes of an artifact file; `path` is for error messages.
    pub fn from_blob(blob: Blob, path: PathBuf) -> Result<Artifact> {
        let file = BlockFile::open(blob, path)?;
        let Some(header) = file.content().first_chunk::<HEADER>() else {
            return Err(file.corrupted(0, "the file is too short for its header"));
        };
        if header[..8] != MAGIC {
            return Err(file.corrupted(0, "not an artifact file"));
        }
        if xxh3_64(&header[..CHECKED]) != le_u64(header, CHECKED) {
            return Err(file.corrupted(0, "the header does not match its checksum"));
        }
        let found = le_u32(header, 8);
        if found != VERSION {
            let path = file.path().to_path_buf();
            return Err(Error::UnsupportedFormat { path, found, supported: VERSION..=VERSION });
        }
        let number = le_u64(header, 16);
        Ok(Artifact { file, number })
    }

    /// The number in the file's name.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The file's checksum, as the manifest records it.
    pub fn checksum(&self) -> u64 {
        self.file.checksum()
    }

    /// The payload, verified.
    pub fn blob(&self) -> Result<Blob> {
        self.file.verify_all()?;
        self.file
            .slice(HEADER..self.file.content().len())
            .ok_or_else(|| self.file.corrupted(0, "the payload is outside the file"))
    }

    /// The offsets of all damaged blocks.
    pub fn damaged(&self) -> Vec<u64> {
        self.file.damaged()
    }
}

/// The file of an artifact: `models/<name>/<number>.art`, where a name may have several parts
/// and every byte that some file system could take amiss is written as `%XX`. The number alone
/// makes it unique; the name is for people, and a very long one is cut.
pub fn artifact_file(name: &str, number: u64) -> String {
    const LONGEST: usize = 120;
    let mut file = MODELS_DIR.to_owned();
    for part in name.split('/') {
        file.push('/');
        let end = file.len() + LONGEST;
        for byte in part.bytes() {
            if file.len() >= end {
                break;
            }
            match byte {
                b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' => file.push(char::from(byte)),
                _ => file.push_str(&format!("%{byte:02X}")),
            }
        }
        if part.is_empty() {
            file.push('%');
        }
    }
    file.push_str(&format!("/{number:010}.art"));
    file
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::MemDirectory;

    fn sample() -> (Arc<dyn Directory>, FileRef) {
        let dir: Arc<dyn Directory> = Arc::new(MemDirectory::new());
        let mut artifact = StagedArtifact::create(&dir, "Home Page/../ease", 4).expect("starts");
        artifact.write_all(b"weights").expect("written");
        assert_eq!(artifact.payload_len(), 7);
        let staged = artifact.finish().expect("finished");
        assert_eq!(staged.name(), "Home Page/../ease");
        let file = staged.publish().expect("published");
        (dir, file)
    }

    #[test]
    fn what_is_published_is_read() {
        let (dir, file) = sample();
        assert_eq!(file.name, "models/%48ome%20%50age/%2E%2E/ease/0000000004.art");
        let artifact = Artifact::open(&*dir, &file).expect("opens");
        assert_eq!((artifact.number(), artifact.checksum()), (4, file.checksum));
        assert_eq!(&artifact.blob().expect("verifies")[..], b"weights");
    }

    #[test]
    fn every_flipped_byte_and_truncation_is_found() {
        let (dir, file) = sample();
        let sound = dir.read(&file.name).expect("read").expect("there");
        let read = |bytes: &[u8]| {
            Artifact::from_blob(Blob::copy_from(bytes), PathBuf::from("a.art"))
                .and_then(|artifact| artifact.blob())
        };
        assert!(read(&sound).is_ok());
        for at in 0..sound.len() {
            let mut damaged = sound.clone();
            damaged[at] ^= 0x10;
            assert!(read(&damaged).is_err(), "byte {at}");
            assert!(read(&sound[..at]).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn what_is_dropped_is_removed() {
        let dir: Arc<dyn Directory> = Arc::new(MemDirectory::new());
        drop(StagedArtifact::create(&dir, "a", 1).expect("starts"));
        drop(StagedArtifact::create(&dir, "a", 1).and_then(|a| a.finish()).expect("finished"));
        assert_eq!(dir.list("tmp").expect("lists"), []);
    }

    #[test]
    fn names_stay_inside_and_apart() {
        let names = ["", "/", "a", "A", "a/", "/a", "a//b", "a/b", "..", "a%2E", "a.", "é", "con:"];
        let mut files: Vec<String> = names.iter().map(|name| artifact_file(name, 1)).collect();
        for file in &files {
            assert!(crate::directory::validate(file).is_ok(), "{file}");
            assert!(file.is_ascii() && file.starts_with("models/"), "{file}");
        }
        let long = artifact_file(&"x".repeat(5000), 1);
        assert!(long.split('/').all(|part| part.len() < 200), "{long}");
        files.sort();
        files.dedup();
        assert_eq!(files.len(), names.len(), "different names have different files: {files:?}");
    }
}
