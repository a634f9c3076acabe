//! What a check found.

use std::collections::BTreeMap;
use std::fmt;

use crate::error::Error;

/// Problems listed of one kind; more are only counted.
const LISTED: u64 = 1000;

/// The result of an integrity check.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// How much was checked.
    pub checked: Checked,
    /// What is wrong, in the order of finding, at most a thousand of each kind.
    pub problems: Vec<Problem>,
    /// Problems beyond those listed.
    pub unlisted: u64,
    /// Files that no manifest names: left by a crash, harmless, removed by the next open.
    pub leftovers: Vec<String>,
    /// Files of artifacts that are missing or damaged and can be made again from what else is there.
    pub lost: Vec<String>,
    found: BTreeMap<ProblemKind, u64>,
}

/// How much a check has looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Checked {
    /// Tables.
    pub tables: u64,
    /// Rows of user and item tables.
    pub rows: u64,
    /// Interactions.
    pub interactions: u64,
    /// Embeddings that no segment holds yet.
    pub pending: u64,
    /// Live embeddings in segments.
    pub embeddings: u64,
    /// Named records.
    pub records: u64,
    /// Segment files.
    pub segments: u64,
    /// Artifact files.
    pub artifacts: u64,
    /// Bytes of segment and artifact files.
    pub file_bytes: u64,
}

/// The kinds of problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ProblemKind {
    /// Bytes that cannot be read.
    Unreadable,
    /// Bytes that are not what was written.
    Damaged,
    /// A file or record that something names is not there.
    Missing,
    /// A reference to what does not exist.
    Dangling,
    /// Two places that must agree do not.
    Mismatch,
    /// A value that must not occur.
    Invalid,
}

impl fmt::Display for ProblemKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ProblemKind::Unreadable => "unreadable",
            ProblemKind::Damaged => "damaged",
            ProblemKind::Missing => "missing",
            ProblemKind::Dangling => "dangling",
            ProblemKind::Mismatch => "mismatch",
            ProblemKind::Invalid => "invalid",
        })
    }
}

/// One problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What sort of problem it is.
    pub kind: ProblemKind,
    /// The file or record.
    pub place: String,
    /// What is wrong there.
    pub detail: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.kind, self.place, self.detail)
    }
}

impl Report {
    /// Whether nothing is wrong.
    pub fn is_sound(&self) -> bool {
        self.problems.is_empty() && self.unlisted == 0
    }

    pub(super) fn add(
        &mut self,
        kind: ProblemKind,
        place: impl fmt::Display,
        detail: impl fmt::Display,
    ) {
        let found = self.found.entry(kind).or_default();
        *found += 1;
        if *found > LISTED {
            self.unlisted += 1;
            return;
        }
        let (place, detail) = (place.to_string(), detail.to_string());
        self.problems.push(Problem { kind, place, detail });
    }

    /// Adds an error that a read met.
    pub(super) fn error(&mut self, place: impl fmt::Display, error: &Error) {
        let kind = match error {
            Error::Io { .. } | Error::Kv { .. } | Error::Locked { .. } => ProblemKind::Unreadable,
            Error::MissingFile { .. } => ProblemKind::Missing,
            _ => ProblemKind::Damaged,
        };
        self.add(kind, place, error);
    }
}
