//! `LOCK`: one process writes.
//!
//! An advisory lock of the operating system on an empty file that is never removed. A writer
//! holds it exclusively, read-only openings share it; the system releases it when the process
//! ends, however it ends. It does not protect against programs that ignore it.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use crate::directory::io_error;
use crate::error::{Error, Result};
use crate::format_file::Access;

/// The name of the file.
pub(crate) const LOCK_FILE: &str = "LOCK";

/// How long a lock that somebody holds is waited for: a process that is being started from this one
/// holds a copy of the file, and the lock of a database that was just closed, until it has become
/// another program.
const PATIENCE: Duration = Duration::from_millis(200);
const PAUSE: Duration = Duration::from_millis(2);

/// A held lock, released on drop.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock of a database directory or fails, a moment later, with [`Error::Locked`].
    ///
    /// For [`Access::Read`] a directory without a `LOCK` file (a copy on read-only media, say)
    /// has nobody to keep out, and needs none.
    pub(crate) fn acquire(root: &Path, access: Access) -> Result<Option<Lock>> {
        let path = root.join(LOCK_FILE);
        let opened = match access {
            Access::Write => {
                OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path)
            }
            Access::Read => File::open(&path),
        };
        let file = match opened {
            Ok(file) => file,
            Err(e) if access == Access::Read && e.kind() == std::io::ErrorKind::NotFound => {
                return Ok(None);
            }
            Err(e) => return Err(io_error(path, "open", e)),
        };
        let until = Instant::now() + PATIENCE;
        loop {
            let locked = match access {
                Access::Write => file.try_lock(),
                Access::Read => file.try_lock_shared(),
            };
            match locked {
                Ok(()) => return Ok(Some(Lock { _file: file })),
                Err(TryLockError::WouldBlock) if Instant::now() < until => thread::sleep(PAUSE),
                Err(TryLockError::WouldBlock) => {
                    return Err(Error::Locked { path: root.to_owned() });
                }
                Err(TryLockError::Error(e)) => return Err(io_error(path, "lock", e)),
            }
        }
    }
}
