//! The integrity check of a database that nobody writes to.
//!
//! It opens RocksDB read-only and reads everything: `FORMAT`, every record, every block of every
//! file, every reference both ways. It goes on after a problem and lists all of them. It repairs
//! nothing and writes nothing.
//!
//! | module | checks |
//! |---|---|
//! | `tables` | catalog, rows, keys and ids, counters |
//! | `interactions` | adjacency lists: structure, values, users and items, both directions |
//! | `embeddings` | pending vectors, segments, deletion bitmaps |
//! | `files` | artifacts, and what lies in the directory besides |

mod embeddings;
mod files;
mod interactions;
mod report;
mod tables;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use roaring::RoaringTreemap;

pub use report::{Checked, Problem, ProblemKind, Report};

use crate::backup::KV_DIR;
use crate::catalog::{Catalog, Table};
use crate::directory::{Directory, OsDirectory};
use crate::error::{Error, Result};
use crate::format_file::{Access, FORMAT_FILE, Format};
use crate::id::TableId;
use crate::key::Range;
use crate::kv::{Cf, Kv, KvOptions, KvView, RocksKv};
use crate::lock::Lock;

/// Checks the database at a path. An error means that the check could not start: the directory is
/// not there, is no database, or is open in a process that writes. Everything else that is wrong
/// stands in the report.
pub fn check(path: &Path) -> Result<Report> {
    if !OsDirectory::exists(path) {
        return Err(Error::NotFound { path: path.to_owned() });
    }
    let dir = OsDirectory::open(path)?;
    if dir.len(FORMAT_FILE)?.is_none() {
        return Err(Error::NotADatabase { path: path.to_owned() });
    }
    let _lock = Lock::acquire(path, Access::Read)?;
    let options = KvOptions { access: Access::Read, ..KvOptions::default() };
    let mut report = Report::default();
    check_format(&dir, &mut report);
    match RocksKv::open(&dir.path(KV_DIR), &options) {
        Ok(kv) => Ok(examine(&kv, &dir, report)),
        Err(error) => {
            report.error(dir.path(KV_DIR).display(), &error);
            files::check_unnamed(&dir, &mut report);
            Ok(report)
        }
    }
}

/// Checks what a store holds, wherever it lies.
pub(crate) fn check_store(kv: &dyn Kv, dir: &dyn Directory) -> Report {
    let mut report = Report::default();
    check_format(dir, &mut report);
    examine(kv, dir, report)
}

fn check_format(dir: &dyn Directory, report: &mut Report) {
    let place = dir.path(FORMAT_FILE);
    match Format::read(dir).and_then(|format| match format {
        Some(format) => format.admit(dir, Access::Read),
        None => Err(Error::MissingFile { path: place.clone() }),
    }) {
        Ok(()) => {}
        Err(error) => report.error(place.display(), &error),
    }
}

fn examine(kv: &dyn Kv, dir: &dyn Directory, report: Report) -> Report {
    let mut report = report;
    // Covers what no scan reads, too: the filters and footers of RocksDB's files.
    if let Err(error) = kv.verify() {
        report.error(KV_DIR, &error);
    }
    let mut examiner = Examiner {
        view: kv.view(),
        dir,
        report,
        catalog: Catalog::default(),
        entities: BTreeMap::new(),
        named: BTreeSet::new(),
    };
    let counters = examiner.check_tables();
    let last_interaction = examiner.check_interactions();
    let last_file = examiner.check_embeddings();
    let last_file = last_file.max(examiner.check_artifacts());
    examiner.check_records();
    examiner.check_counters(counters, last_interaction, last_file);
    files::list_leftovers(dir, &examiner.named, &mut examiner.report);
    examiner.report
}

/// A check under way.
struct Examiner<'a> {
    view: Arc<dyn KvView>,
    dir: &'a dyn Directory,
    report: Report,
    catalog: Catalog,
    /// The ids of each user and item table.
    entities: BTreeMap<TableId, RoaringTreemap>,
    /// The files that the manifest names.
    named: BTreeSet<String>,
}

/// What a scan does with each key and value.
type EachRecord<'e, T> = dyn FnMut(&mut T, &[u8], &[u8]) + 'e;

impl Examiner<'_> {
    /// Reads a range to its end or to the first block that cannot be read.
    fn scan(&mut self, cf: Cf, range: &Range, each: &mut EachRecord<'_, Self>) {
        let mut cursor = match self.view.scan(cf, &range.from, &range.to) {
            Ok(cursor) => cursor,
            Err(error) => return self.report.error(cf, &error),
        };
        loop {
            match cursor.next() {
                Ok(None) => return,
                Ok(Some((key, value))) => each(self, key, value),
                Err(error) => return self.report.error(cf, &error),
            }
        }
    }

    fn table(&self, id: TableId) -> Option<Arc<Table>> {
        self.catalog.shared_table(id)
    }

    /// Whether a row exists. A table that is unknown was reported already.
    fn has_row(&self, table: TableId, id: u64) -> bool {
        self.entities.get(&table).is_none_or(|ids| ids.contains(id))
    }

    /// The named records of the layers above are opaque; that they can be read is all.
    fn check_records(&mut self) {
        let everything = Range { from: Vec::new(), to: vec![u8::MAX; 64] };
        self.scan(Cf::Records, &everything, &mut |this, key, _| {
            this.report.checked.records += 1;
            if std::str::from_utf8(key).is_err() {
                let place = record(Cf::Records, key);
                this.report.add(ProblemKind::Invalid, place, "the name is not UTF-8");
            }
        });
    }
}

/// How a record is named in a report.
fn record(cf: Cf, key: &[u8]) -> String {
    use std::fmt::Write;
    let mut text = format!("{cf} ");
    for byte in key {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}
