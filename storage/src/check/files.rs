//! Artifacts, and what lies in the directory besides the named files.

use std::collections::BTreeSet;

use super::{Examiner, ProblemKind, Report, record};
use crate::artifact::{Artifact, DERIVED, MODELS_DIR};
use crate::codec::Place;
use crate::directory::{Blob, Directory, TMP_DIR, walk};
use crate::key;
use crate::kv::Cf;
use crate::manifest;
use crate::segment::{SEGMENTS_DIR, SegmentReader};
use crate::staged::FileRef;

impl Examiner<'_> {
    /// Checks the published artifacts; returns the largest number of a file.
    pub(super) fn check_artifacts(&mut self) -> u64 {
        let cf = Cf::Manifest;
        let mut last = 0;
        self.scan(cf, &key::artifacts(), &mut |this, key, value| {
            if key::artifact_name(key).is_none() {
                this.report.add(ProblemKind::Damaged, record(cf, key), "not an artifact's key");
            }
            let file = match manifest::decode_file(value, Place { cf, key }) {
                Ok(file) => file,
                Err(error) => return this.report.error(record(cf, key), &error),
            };
            this.report.checked.artifacts += 1;
            this.report.checked.file_bytes += file.len;
            let place = this.dir.path(&file.name);
            let derived = key::artifact_name(key).is_some_and(|name| name.starts_with(DERIVED));
            match Artifact::open(this.dir, &file) {
                Ok(artifact) => {
                    last = last.max(artifact.number());
                    let damaged = artifact.damaged();
                    if derived && !damaged.is_empty() {
                        this.report.lost.push(file.name.clone());
                    } else {
                        damaged.iter().for_each(|offset| this.damaged_block(&file, *offset));
                    }
                }
                Err(error) if derived && error.is_corruption() => {
                    this.report.lost.push(file.name.clone());
                }
                Err(error) => this.report.error(place.display(), &error),
            }
            this.named.insert(file.name);
        });
        last
    }

    pub(super) fn damaged_block(&mut self, file: &FileRef, offset: u64) {
        let detail = format!("the 64 KiB block at byte {offset} does not match its checksum");
        let place = self.dir.path(&file.name);
        self.report.add(ProblemKind::Damaged, place.display(), detail);
    }
}

/// Lists the files that nothing names. What lies beside our own directories is not looked at: it
/// is not ours.
pub(super) fn list_leftovers(dir: &dyn Directory, named: &BTreeSet<String>, report: &mut Report) {
    for at in [SEGMENTS_DIR, MODELS_DIR, TMP_DIR] {
        match walk(dir, at) {
            Ok(files) => {
                let names = files.into_iter().map(|(name, _)| name);
                report.leftovers.extend(names.filter(|name| !named.contains(name)));
            }
            Err(error) => report.error(dir.path(at).display(), &error),
        }
    }
}

/// Checks the files that there are when the manifest cannot be read.
pub(super) fn check_unnamed(dir: &dyn Directory, report: &mut Report) {
    for at in [SEGMENTS_DIR, MODELS_DIR] {
        let files = match walk(dir, at) {
            Ok(files) => files,
            Err(error) => {
                report.error(dir.path(at).display(), &error);
                continue;
            }
        };
        for (name, len) in files {
            report.checked.file_bytes += len;
            let place = dir.path(&name);
            let checked = dir.open(&name).and_then(|blob: Blob| {
                if at == SEGMENTS_DIR {
                    report.checked.segments += 1;
                    SegmentReader::from_blob(blob, place.clone())?.verify()
                } else {
                    report.checked.artifacts += 1;
                    Artifact::from_blob(blob, place.clone())?.blob().map(|_| ())
                }
            });
            if let Err(error) = checked {
                report.error(place.display(), &error);
            }
        }
    }
}
