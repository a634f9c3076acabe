//! Pending vectors, segments and deletion bitmaps: every embedding is of a row that exists, and
//! lies in one place.

use std::collections::BTreeMap;

use half::f16;
use roaring::{RoaringBitmap, RoaringTreemap};

use super::{Examiner, ProblemKind, record};
use crate::codec::Place;
use crate::id::{ColumnId, TableId};
use crate::key;
use crate::kv::Cf;
use crate::manifest;
use crate::segment::{SegmentReader, Vector};
use crate::staged::FileRef;
use crate::value::{ColumnType, Element};

/// One vector column.
type Of = (TableId, ColumnId);

impl Examiner<'_> {
    /// Checks all embeddings; returns the largest number of a segment.
    pub(super) fn check_embeddings(&mut self) -> u64 {
        let mut seen: BTreeMap<Of, RoaringTreemap> = BTreeMap::new();
        self.check_pending(&mut seen);
        self.check_segments(&mut seen)
    }

    fn check_pending(&mut self, seen: &mut BTreeMap<Of, RoaringTreemap>) {
        let cf = Cf::Pending;
        self.scan(cf, &key::prefix(&[]), &mut |this, key, value| {
            let Some((table, column, id)) = key::pending_parts(key) else {
                return this.report.add(
                    ProblemKind::Damaged,
                    record(cf, key),
                    "not a vector's key",
                );
            };
            this.report.checked.pending += 1;
            let Some((dim, element)) = this.vector_column(table, column, &record(cf, key)) else {
                return;
            };
            if value.len() != dim as usize * element.bytes() {
                let detail = format!("{} bytes for {dim} numbers", value.len());
                this.report.add(ProblemKind::Damaged, record(cf, key), detail);
            } else if !is_finite(value, element) {
                let detail = "a number is not finite";
                this.report.add(ProblemKind::Invalid, record(cf, key), detail);
            }
            this.embedding_of((table, column), id, &record(cf, key), seen);
        });
    }

    fn check_segments(&mut self, seen: &mut BTreeMap<Of, RoaringTreemap>) -> u64 {
        let cf = Cf::Manifest;
        let mut last = 0;
        self.scan(cf, &key::segments(), &mut |this, key, value| {
            let place = Place { cf, key };
            let Some((table, column, number)) = key::segment_parts(key) else {
                return this.report.add(
                    ProblemKind::Damaged,
                    record(cf, key),
                    "not a segment's key",
                );
            };
            last = last.max(number);
            match manifest::decode_file(value, place) {
                Ok(file) => {
                    this.check_segment((table, column), number, &file, seen);
                    this.named.insert(file.name);
                }
                Err(error) => this.report.error(record(cf, key), &error),
            }
        });
        // A bitmap is read with its segment; what is left here has none.
        self.scan(cf, &key::prefix(&[2]), &mut |this, key, _| {
            let found = key::segment_parts(key)
                .map(|(table, column, number)| key::segment(table, column, number))
                .map(|segment| this.view.get(cf, &segment));
            match found {
                Some(Ok(Some(_))) => {}
                Some(Err(error)) => this.report.error(record(cf, key), &error),
                Some(Ok(None)) | None => {
                    let detail = "a deletion bitmap without a segment";
                    this.report.add(ProblemKind::Dangling, record(cf, key), detail);
                }
            }
        });
        last
    }

    fn check_segment(
        &mut self,
        of: Of,
        number: u64,
        file: &FileRef,
        seen: &mut BTreeMap<Of, RoaringTreemap>,
    ) {
        self.report.checked.segments += 1;
        self.report.checked.file_bytes += file.len;
        let place = self.dir.path(&file.name).display().to_string();
        let reader = match SegmentReader::open(self.dir, file) {
            Ok(reader) => reader,
            Err(error) => return self.report.error(place, &error),
        };
        let damaged = reader.damaged();
        for offset in &damaged {
            self.damaged_block(file, *offset);
        }
        let header = *reader.header();
        if ((header.table, header.column), header.number) != (of, number) {
            let detail = format!(
                "it is segment {} of column {}.{}",
                header.number, header.table, header.column
            );
            self.report.add(ProblemKind::Mismatch, &place, detail);
        }
        if let Some(expected) = self.vector_column(of.0, of.1, &place)
            && expected != (header.dim, header.element)
        {
            let detail = format!("it has {} numbers of {:?}", header.dim, header.element);
            self.report.add(ProblemKind::Mismatch, &place, detail);
        }
        let deleted = self.read_deleted(of, number, &reader);
        for (row, id) in (0..reader.rows()).zip(reader.ids()) {
            if !deleted.contains(row) {
                self.report.checked.embeddings += 1;
                self.embedding_of(of, *id, &place, seen);
            }
        }
        if damaged.is_empty() {
            self.check_numbers(&reader, &deleted, &place);
        }
    }

    fn check_numbers(&mut self, reader: &SegmentReader, deleted: &RoaringBitmap, place: &str) {
        for live in reader.live(deleted) {
            match live {
                Ok((id, _, vector)) => {
                    let is_finite = match vector {
                        Vector::F32(vector) => vector.iter().all(|x| x.is_finite()),
                        Vector::F16(vector) => vector.iter().all(|x| x.is_finite()),
                    };
                    if !is_finite {
                        let detail = format!("the vector of row {id} is not finite");
                        self.report.add(ProblemKind::Invalid, place, detail);
                    }
                }
                Err(error) => return self.report.error(place, &error),
            }
        }
    }

    fn read_deleted(&mut self, of: Of, number: u64, reader: &SegmentReader) -> RoaringBitmap {
        let key = key::deleted(of.0, of.1, number);
        let place = record(Cf::Manifest, &key);
        let bytes = match self.view.get(Cf::Manifest, &key) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return RoaringBitmap::new(),
            Err(error) => {
                self.report.error(place, &error);
                return RoaringBitmap::new();
            }
        };
        match RoaringBitmap::deserialize_from(bytes.as_slice()) {
            Ok(deleted) => {
                if let Some(row) = deleted.max().filter(|row| *row >= reader.rows()) {
                    let detail = format!("row {row} is deleted of {} rows", reader.rows());
                    self.report.add(ProblemKind::Invalid, place, detail);
                }
                deleted
            }
            Err(error) => {
                self.report.add(ProblemKind::Damaged, place, error);
                RoaringBitmap::new()
            }
        }
    }

    /// Dimension and element of a live vector column.
    fn vector_column(
        &mut self,
        table: TableId,
        column: ColumnId,
        place: &str,
    ) -> Option<(u32, Element)> {
        let ty = self.table(table).and_then(|t| t.column_by_id(column).map(|column| column.ty));
        if let Some(ColumnType::Vector { dim, element }) = ty {
            return Some((dim, element));
        }
        let detail = format!("{table}.{column} is not a vector column");
        self.report.add(ProblemKind::Dangling, place, detail);
        None
    }

    /// Notes where an embedding is; its row must exist and it must not be elsewhere too.
    fn embedding_of(
        &mut self,
        of: Of,
        id: u64,
        place: &str,
        seen: &mut BTreeMap<Of, RoaringTreemap>,
    ) {
        if !self.has_row(of.0, id) {
            let detail = format!("an embedding of row {id}, which does not exist");
            self.report.add(ProblemKind::Dangling, place, detail);
        }
        if !seen.entry(of).or_default().insert(id) {
            let detail = format!("a second embedding of row {id}");
            self.report.add(ProblemKind::Mismatch, place, detail);
        }
    }
}

fn is_finite(bytes: &[u8], element: Element) -> bool {
    match element {
        Element::F32 => bytes.as_chunks::<4>().0.iter().all(|x| f32::from_le_bytes(*x).is_finite()),
        Element::F16 => bytes.as_chunks::<2>().0.iter().all(|x| f16::from_le_bytes(*x).is_finite()),
    }
}
