//! Sealing pending embeddings into segments, and merging segments.
//!
//! Both write a complete new file, publish it (synced, renamed, its directory synced), and change
//! the transaction's manifest; only the commit makes that count. Which segments are merged:
//!
//! * all that are more than 30 % deleted, when that is worth a file;
//! * when a column has more than eight, those that are small beside the rest, smallest first.
//!
//! So a column of n embeddings has O(log n) segments, and each embedding is rewritten O(log n)
//! times.

use std::sync::Arc;

use super::WriteTxn;
use crate::embedding::{self, Shape};
use crate::error::Result;
use crate::id::{ColumnId, EntityId, TableId};
use crate::key;
use crate::kv::{Cf, Merged};
use crate::manifest::{FileGuard, Segment};
use crate::segment::{SegmentHeader, SegmentWriter};

/// A column with more segments than this gets some merged.
const MANY: usize = 8;

/// Segments with fewer deleted rows than this are not rewritten for their sake.
const FEW_DELETED: u64 = 1024;

/// The most rows that a segment may have.
const MOST_ROWS: u64 = u32::MAX as u64;

impl WriteTxn {
    /// Merges all segments that have deleted rows or are small, and seals what is pending.
    /// Returns the number of segments written.
    pub fn compact_embeddings(&mut self) -> Result<u64> {
        self.whole(|txn| {
            let mut written = 0;
            let columns: Vec<_> =
                txn.schema.manifest.columns().chain(txn.schema.pending.keys().copied()).collect();
            for (table, column) in columns {
                if txn.pending(table, column) > 0 {
                    txn.seal(table, column)?;
                    written += 1;
                }
                let segments = txn.schema.manifest.segments(table, column).to_vec();
                if segments.len() > 1 || segments.iter().any(|one| !one.deleted.is_empty()) {
                    txn.merge(table, column, segments)?;
                    written += 1;
                }
            }
            Ok(written)
        })
    }

    /// Seals while a transaction runs, so that a bulk load is bounded by the disk.
    pub(super) fn seal_if_large(
        &mut self,
        table: TableId,
        column: ColumnId,
        shape: Shape,
    ) -> Result<()> {
        let bytes = self.pending(table, column).saturating_mul(shape.bytes() as u64);
        if bytes < self.store.options.seal_bytes as u64 {
            return Ok(());
        }
        self.whole(|txn| txn.seal(table, column))
    }

    /// Seals and merges what the commit should not leave as it is.
    pub(super) fn tidy_segments(&mut self) -> Result<()> {
        for (table, column) in std::mem::take(&mut self.schema.touched) {
            if self.pending(table, column) >= self.store.options.seal_rows as u64 {
                self.seal(table, column)?;
            }
            let segments = self.schema.manifest.segments(table, column);
            let merge = worth_merging(segments);
            if !merge.is_empty() {
                self.merge(table, column, merge)?;
            }
        }
        Ok(())
    }

    /// Moves all pending embeddings of a column into a new segment.
    fn seal(&mut self, table: TableId, column: ColumnId) -> Result<()> {
        let shape = embedding::shape(self.schema.catalog.need(table)?, column)?;
        let range = key::pending_of(table, column);
        let own = self.overlay.range(Cf::Pending, &range);
        let mut cursor = Merged::over(self.view.scan(Cf::Pending, &range.from, &range.to)?, own);
        let mut ids: Vec<EntityId> = Vec::new();
        let mut vectors: Vec<f32> = Vec::new();
        embedding::each_pending(&mut *cursor, shape, &mut |id, vector| {
            ids.push(id);
            vectors.extend_from_slice(vector);
            Ok(())
        })?;
        if ids.is_empty() {
            return Ok(());
        }
        let mut writer = self.segment_writer(table, column, shape, &ids)?;
        for vector in vectors.chunks_exact(shape.dim as usize) {
            writer.1.push(vector)?;
        }
        let segment = self.publish_segment(writer)?;
        let mut segments = self.schema.manifest.segments(table, column).to_vec();
        segments.push(Arc::new(segment));
        Arc::make_mut(&mut self.schema.manifest).set_segments(table, column, segments);
        for id in &ids {
            self.overlay.delete(Cf::Pending, key::pending(table, column, *id));
        }
        let count = self.pending(table, column);
        self.count_pending(table, column, -i64::try_from(count).unwrap_or(i64::MAX));
        Ok(())
    }

    /// Puts the live rows of some segments of a column into one new segment.
    fn merge(&mut self, table: TableId, column: ColumnId, from: Vec<Arc<Segment>>) -> Result<()> {
        let shape = embedding::shape(self.schema.catalog.need(table)?, column)?;
        let mut rows: Vec<(EntityId, usize, u32)> = Vec::new();
        for (at, segment) in from.iter().enumerate() {
            let live = segment.reader.ids().iter().zip(0u32..);
            rows.extend(
                live.filter(|(_, row)| !segment.deleted.contains(*row))
                    .map(|(id, row)| (*id, at, row)),
            );
        }
        rows.sort_unstable();
        let mut segments = self.schema.manifest.segments(table, column).to_vec();
        segments.retain(|segment| !from.iter().any(|merged| merged.number == segment.number));
        if !rows.is_empty() {
            let ids: Vec<_> = rows.iter().map(|(id, _, _)| *id).collect();
            let mut writer = self.segment_writer(table, column, shape, &ids)?;
            for (_, at, row) in &rows {
                if let Some(vector) = from[*at].reader.row(*row)? {
                    writer.1.push_vector(vector)?;
                }
            }
            segments.push(Arc::new(self.publish_segment(writer)?));
        }
        Arc::make_mut(&mut self.schema.manifest).set_segments(table, column, segments);
        Ok(())
    }

    fn segment_writer(
        &mut self,
        table: TableId,
        column: ColumnId,
        shape: Shape,
        ids: &[EntityId],
    ) -> Result<(u64, SegmentWriter)> {
        let number = self.store.new_file();
        let header = SegmentHeader {
            table,
            column,
            element: shape.element,
            dim: shape.dim,
            rows: u32::try_from(ids.len()).unwrap_or(u32::MAX),
            number,
        };
        Ok((number, SegmentWriter::create(self.dir(), header, ids)?))
    }

    fn publish_segment(&self, (number, writer): (u64, SegmentWriter)) -> Result<Segment> {
        let file = writer.finish()?.publish()?;
        Segment::open(number, FileGuard::uncommitted(self.dir(), file))
    }
}

/// The segments of a column that should become one.
fn worth_merging(segments: &[Arc<Segment>]) -> Vec<Arc<Segment>> {
    let wasteful = |segment: &Segment| {
        let deleted = segment.deleted.len();
        let rows = u64::from(segment.reader.rows());
        deleted == rows || (deleted >= FEW_DELETED && deleted * 10 > rows * 3)
    };
    let mut chosen: Vec<_> = segments.iter().filter(|segment| wasteful(segment)).cloned().collect();
    let left = segments.len() - chosen.len() + usize::from(!chosen.is_empty());
    if left > MANY {
        let mut rest: Vec<_> =
            segments.iter().filter(|segment| !wasteful(segment)).cloned().collect();
        rest.sort_by_key(|segment| (segment.live_rows(), segment.number));
        let mut rows: u64 = chosen.iter().map(|segment| segment.live_rows()).sum();
        for (taken, segment) in rest.into_iter().enumerate() {
            let small = taken < 2 || segment.live_rows() <= 2 * rows;
            if !small || rows + segment.live_rows() > MOST_ROWS {
                break;
            }
            rows += segment.live_rows();
            chosen.push(segment);
        }
    }
    chosen
}
