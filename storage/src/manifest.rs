//! The manifest: which segments and artifacts exist, and which rows of segments are deleted.
//!
//! It is the list that decides what is live: a file that it does not name is an orphan, swept at
//! the next open. Each segment and artifact is a record of its own, so that a commit writes only
//! what it changed; a manifest in memory is immutable and shared by snapshots. The files of a
//! manifest are open, so that a snapshot can read them after later commits have retired them.
//!
//! Invariants: an embedding is in one live row of one segment, or pending, never in two places.
//! A file is removed only when a durable commit no longer names it and no snapshot holds it.
//!
//! An artifact that can be made again ([`DERIVED`]) and whose file is missing or damaged is noted as
//! lost: the name stays until it is published or removed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use roaring::RoaringBitmap;

use crate::artifact::{Artifact, DERIVED};
use crate::codec::{Decoder, Encoder, Place};
use crate::directory::Directory;
use crate::error::Result;
use crate::id::{ColumnId, EntityId, TableId};
use crate::key;
use crate::kv::{Batch, Cf, KvView};
use crate::segment::SegmentReader;
use crate::staged::FileRef;

/// See the module.
#[derive(Clone, Default)]
pub(crate) struct Manifest {
    /// The segments of each column by ascending number; no entry is empty.
    columns: BTreeMap<(TableId, ColumnId), Vec<Arc<Segment>>>,
    artifacts: BTreeMap<String, Arc<PublishedArtifact>>,
    /// Artifacts that are named and could not be opened, and that can be made again.
    lost: BTreeSet<String>,
}

/// A segment in one generation.
#[derive(Clone)]
pub(crate) struct Segment {
    pub(crate) number: u64,
    pub(crate) reader: SegmentReader,
    pub(crate) deleted: RoaringBitmap,
    guard: Arc<FileGuard>,
}

/// An artifact in one generation.
pub(crate) struct PublishedArtifact {
    pub(crate) artifact: Artifact,
    guard: Arc<FileGuard>,
}

/// A published file; dropping the last reference to a doomed one removes it.
pub(crate) struct FileGuard {
    file: FileRef,
    dir: Arc<dyn Directory>,
    doomed: AtomicBool,
}

impl FileGuard {
    /// A file that a transaction published: removed unless it is committed.
    pub(crate) fn uncommitted(dir: &Arc<dyn Directory>, file: FileRef) -> Arc<FileGuard> {
        Arc::new(FileGuard { file, dir: Arc::clone(dir), doomed: AtomicBool::new(true) })
    }

    fn committed(dir: &Arc<dyn Directory>, file: FileRef) -> Arc<FileGuard> {
        Arc::new(FileGuard { file, dir: Arc::clone(dir), doomed: AtomicBool::new(false) })
    }

    /// Removes the file once nothing holds it any more.
    pub(crate) fn doom(&self) {
        self.doomed.store(true, Ordering::Release);
    }

    fn keep(&self) {
        self.doomed.store(false, Ordering::Release);
    }
}

impl Drop for FileGuard {
    fn drop(&mut self) {
        if self.doomed.load(Ordering::Acquire) {
            // What cannot be removed now is swept at the next open.
            drop(self.dir.remove(&self.file.name));
        }
    }
}

impl Segment {
    pub(crate) fn open(number: u64, guard: Arc<FileGuard>) -> Result<Segment> {
        let reader = SegmentReader::open(&*guard.dir, &guard.file)?;
        Ok(Segment { number, reader, deleted: RoaringBitmap::new(), guard })
    }

    /// Rows that are not deleted.
    pub(crate) fn live_rows(&self) -> u64 {
        u64::from(self.reader.rows()) - self.deleted.len().min(u64::from(self.reader.rows()))
    }

    /// The live row of an id.
    pub(crate) fn find(&self, id: EntityId) -> Option<u32> {
        self.reader.find(id).filter(|row| !self.deleted.contains(*row))
    }
}

impl PublishedArtifact {
    pub(crate) fn open(guard: Arc<FileGuard>) -> Result<PublishedArtifact> {
        let artifact = Artifact::open(&*guard.dir, &guard.file)?;
        Ok(PublishedArtifact { artifact, guard })
    }
}

impl Manifest {
    /// Reads the manifest and opens every file that it names.
    pub(crate) fn load(view: &dyn KvView, dir: &Arc<dyn Directory>) -> Result<Manifest> {
        let mut manifest = Manifest::default();
        let cf = Cf::Manifest;
        let range = key::segments();
        let mut cursor = view.scan(cf, &range.from, &range.to)?;
        while let Some((key, bytes)) = cursor.next()? {
            let place = Place { cf, key };
            let (table, column, number) = key::segment_parts(key)
                .ok_or_else(|| place.corrupted("a segment's key of the wrong length"))?;
            let file = decode_file(bytes, place)?;
            let mut segment = Segment::open(number, FileGuard::committed(dir, file))?;
            let header = *segment.reader.header();
            if (header.table, header.column, header.number) != (table, column, number) {
                return Err(place.corrupted("a segment's file is another's"));
            }
            let deleted_key = key::deleted(table, column, number);
            if let Some(bytes) = view.get(cf, &deleted_key)? {
                let place = Place { cf, key: &deleted_key };
                segment.deleted = RoaringBitmap::deserialize_from(bytes.as_slice())
                    .map_err(|_| place.corrupted("a deletion bitmap that cannot be decoded"))?;
                if segment.deleted.max().is_some_and(|row| row >= segment.reader.rows()) {
                    return Err(place.corrupted("a deletion bitmap longer than its segment"));
                }
            }
            manifest.columns.entry((table, column)).or_default().push(Arc::new(segment));
        }
        let range = key::artifacts();
        let mut cursor = view.scan(cf, &range.from, &range.to)?;
        while let Some((key, bytes)) = cursor.next()? {
            let place = Place { cf, key };
            let name = key::artifact_name(key)
                .ok_or_else(|| place.corrupted("an artifact's name that is not text"))?;
            let guard = FileGuard::committed(dir, decode_file(bytes, place)?);
            match PublishedArtifact::open(guard) {
                Ok(artifact) => {
                    manifest.artifacts.insert(name.to_owned(), Arc::new(artifact));
                }
                Err(error) if error.is_corruption() && name.starts_with(DERIVED) => {
                    manifest.lost.insert(name.to_owned());
                }
                Err(error) => return Err(error),
            }
        }
        Ok(manifest)
    }

    /// The segments of a column, by ascending number.
    pub(crate) fn segments(&self, table: TableId, column: ColumnId) -> &[Arc<Segment>] {
        self.columns.get(&(table, column)).map_or(&[], Vec::as_slice)
    }

    /// All columns that have segments.
    pub(crate) fn columns(&self) -> impl Iterator<Item = (TableId, ColumnId)> {
        self.columns.keys().copied()
    }

    pub(crate) fn artifact(&self, name: &str) -> Option<&Arc<PublishedArtifact>> {
        self.artifacts.get(name)
    }

    /// All artifacts by name.
    pub(crate) fn artifacts(&self) -> impl Iterator<Item = (&str, &FileRef)> {
        self.artifacts.iter().map(|(name, artifact)| (name.as_str(), &artifact.guard.file))
    }

    /// All artifacts, opened.
    pub(crate) fn opened(&self) -> impl Iterator<Item = &Artifact> {
        self.artifacts.values().map(|artifact| &artifact.artifact)
    }

    /// Every file that the manifest names.
    pub(crate) fn files(&self) -> impl Iterator<Item = &FileRef> {
        let segments = self.columns.values().flatten().map(|segment| &segment.guard.file);
        segments.chain(self.artifacts.values().map(|artifact| &artifact.guard.file))
    }

    /// Replaces the segments of a column.
    pub(crate) fn set_segments(
        &mut self,
        table: TableId,
        column: ColumnId,
        mut segments: Vec<Arc<Segment>>,
    ) {
        segments.sort_by_key(|segment| segment.number);
        if segments.is_empty() {
            self.columns.remove(&(table, column));
        } else {
            self.columns.insert((table, column), segments);
        }
    }

    /// Marks the row of an id deleted; tells whether there was one.
    pub(crate) fn delete(&mut self, table: TableId, column: ColumnId, id: EntityId) -> bool {
        let Some(segments) = self.columns.get_mut(&(table, column)) else { return false };
        for segment in segments {
            if let Some(row) = segment.find(id) {
                Arc::make_mut(segment).deleted.insert(row);
                return true;
            }
        }
        false
    }

    pub(crate) fn set_artifact(&mut self, name: &str, artifact: PublishedArtifact) {
        self.lost.remove(name);
        self.artifacts.insert(name.to_owned(), Arc::new(artifact));
    }

    /// Takes the name of an artifact away; tells whether there was one.
    pub(crate) fn remove_artifact(&mut self, name: &str) -> bool {
        self.lost.remove(name) | self.artifacts.remove(name).is_some()
    }

    /// Whether an artifact of that name is there, or should be.
    pub(crate) fn names(&self, name: &str) -> bool {
        self.artifacts.contains_key(name) || self.lost.contains(name)
    }

    pub(crate) fn remove_table(&mut self, table: TableId) {
        self.columns.retain(|(of, _), _| *of != table);
    }

    pub(crate) fn remove_column(&mut self, table: TableId, column: ColumnId) {
        self.columns.remove(&(table, column));
    }

    /// Adds what changed from `old` to a batch and marks the new files as committed. Returns the
    /// files that are named no longer: they are doomed once the batch is durable.
    pub(crate) fn write(&self, old: &Manifest, batch: &mut Batch) -> Vec<Arc<FileGuard>> {
        let mut retired = Vec::new();
        let columns: BTreeSet<_> = self.columns.keys().chain(old.columns.keys()).copied().collect();
        for (table, column) in columns {
            let by_number = |manifest: &Manifest| -> BTreeMap<u64, Arc<Segment>> {
                let segments = manifest.segments(table, column).iter();
                segments.map(|segment| (segment.number, Arc::clone(segment))).collect()
            };
            let mut before = by_number(old);
            for (number, segment) in by_number(self) {
                let known = before.remove(&number);
                if known.as_ref().is_some_and(|known| Arc::ptr_eq(known, &segment)) {
                    continue;
                }
                if known.is_none() {
                    segment.guard.keep();
                    let key = key::segment(table, column, number);
                    batch.put(Cf::Manifest, key, encode_file(&segment.guard.file));
                }
                if !segment.deleted.is_empty() {
                    let key = key::deleted(table, column, number);
                    batch.put(Cf::Manifest, key, encode_bitmap(&segment.deleted));
                }
            }
            for (number, segment) in before {
                batch.delete(Cf::Manifest, key::segment(table, column, number));
                batch.delete(Cf::Manifest, key::deleted(table, column, number));
                retired.push(Arc::clone(&segment.guard));
            }
        }
        for (name, artifact) in &self.artifacts {
            if !old.artifacts.get(name).is_some_and(|known| Arc::ptr_eq(known, artifact)) {
                artifact.guard.keep();
                batch.put(Cf::Manifest, key::artifact(name), encode_file(&artifact.guard.file));
            }
        }
        for (name, artifact) in &old.artifacts {
            match self.artifacts.get(name) {
                Some(now) if Arc::ptr_eq(now, artifact) => {}
                Some(_) => retired.push(Arc::clone(&artifact.guard)),
                None => {
                    batch.delete(Cf::Manifest, key::artifact(name));
                    retired.push(Arc::clone(&artifact.guard));
                }
            }
        }
        for name in old.lost.iter().filter(|name| !self.names(name)) {
            batch.delete(Cf::Manifest, key::artifact(name));
        }
        retired
    }
}

pub(crate) fn encode_file(file: &FileRef) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut out = Encoder::new(&mut bytes);
    out.str(&file.name);
    out.u64(file.len);
    out.u64(file.checksum);
    bytes
}

pub(crate) fn decode_file(bytes: &[u8], place: Place<'_>) -> Result<FileRef> {
    let mut from = Decoder::new(bytes, place);
    let file = FileRef { name: from.str()?.to_owned(), len: from.u64()?, checksum: from.u64()? };
    from.finish()?;
    Ok(file)
}

fn encode_bitmap(bitmap: &RoaringBitmap) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(bitmap.serialized_size());
    bitmap.serialize_into(&mut bytes).expect("a Vec takes every byte");
    bytes
}
