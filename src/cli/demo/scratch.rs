//! A temporary folder that is gone when the demonstration ends, however it ends.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process;

use crate::cli::runner::Stop;

/// A folder that removes itself.
pub(super) struct Scratch {
    path: PathBuf,
}

impl Scratch {
    /// A new, empty folder.
    pub(super) fn new() -> Result<Scratch, Stop> {
        let base = env::temp_dir();
        for n in 0..1000 {
            let path = base.join(format!("tastedb-demo-{}-{n}", process::id()));
            match fs::create_dir(&path) {
                Ok(()) => return Ok(Scratch { path }),
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => {
                    let path = path.display();
                    return Err(Stop::said(format!("error: cannot create {path}: {error}")));
                }
            }
        }
        Err(Stop::said(format!("error: {} is full of old demonstrations", base.display())))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a file into the folder and returns its path.
    pub(super) fn write(&self, name: &str, content: &[u8]) -> Result<PathBuf, Stop> {
        let path = self.path.join(name);
        fs::write(&path, content).map_err(|error| {
            Stop::said(format!("error: cannot write {}: {error}", path.display()))
        })?;
        Ok(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // A folder that cannot be removed is left to the system's own cleaning.
        let _ = fs::remove_dir_all(&self.path);
    }
}
