//! Where the shell remembers what was typed.

use std::env;
use std::fs;
use std::path::PathBuf;

/// The history file, its folder made: `$TASTEDB_HISTORY`, or `tastedb/history` under the user's
/// state folder. An empty `$TASTEDB_HISTORY` keeps none.
pub(super) fn file() -> Option<PathBuf> {
    let path = match env::var_os("TASTEDB_HISTORY") {
        Some(path) if path.is_empty() => return None,
        Some(path) => PathBuf::from(path),
        None => {
            let state = match env::var_os("XDG_STATE_HOME") {
                Some(state) if !state.is_empty() => PathBuf::from(state),
                _ => env::home_dir()?.join(".local").join("state"),
            };
            state.join("tastedb").join("history")
        }
    };
    fs::create_dir_all(path.parent()?).ok()?;
    Some(path)
}
