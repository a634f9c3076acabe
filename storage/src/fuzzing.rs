//! Entry points of the fuzz targets in `fuzz/`, also run for a bounded time by the tests.
//!
//! Each takes arbitrary bytes as something that storage reads from disk. It may fail in any way
//! that is an error; a panic, an endless loop or an answer that contradicts itself is a finding.

use roaring::RoaringBitmap;
use std::path::PathBuf;

use crate::adjacency::{Chunk, Direction, Entries};
use crate::artifact::Artifact;
use crate::catalog::Table;
use crate::codec::{Decoder, Place};
use crate::directory::Blob;
use crate::key;
use crate::kv::Cf;
use crate::manifest;
use crate::segment::{SegmentReader, blocks};

/// Bytes of a segment or artifact file. If the first byte is odd, the checksums of the others are
/// mended first, so that the checks behind the checksums are reached.
pub fn segment(bytes: &[u8]) {
    let Some((mode, bytes)) = bytes.split_first() else { return };
    let mut bytes = bytes.to_vec();
    if mode % 2 == 1 {
        mend(&mut bytes);
    }
    let blob = Blob::copy_from(&bytes);
    if let Ok(reader) = SegmentReader::from_blob(blob.clone(), PathBuf::from("fuzz.vec")) {
        read_all(&reader);
    }
    if let Ok(artifact) = Artifact::from_blob(blob, PathBuf::from("fuzz.art")) {
        let damaged = artifact.damaged();
        assert_eq!(artifact.blob().is_ok(), damaged.is_empty());
    }
}

/// Everything that a reader answers fits together.
fn read_all(reader: &SegmentReader) {
    let rows = reader.rows();
    assert_eq!(reader.ids().len(), rows as usize);
    assert!(reader.row(rows).is_ok_and(|row| row.is_none()));
    let deleted: RoaringBitmap = (0..rows).step_by(3).collect();
    for (id, row, vector) in reader.live(&deleted).flatten() {
        assert_eq!(vector.len(), reader.header().dim as usize);
        assert_eq!(reader.find(id), Some(row));
        assert!(row % 3 != 0);
    }
    assert_eq!(reader.matrix().is_ok(), reader.verify().is_ok());
}

/// Bytes of keys and of records of every column family.
pub fn keys(bytes: &[u8]) {
    let _ = (key::entity_id(bytes), key::chunk_parts(bytes), key::pending_parts(bytes));
    let _ = (key::segment_parts(bytes), key::artifact_name(bytes), key::table_of(bytes));
    let range = key::prefix(bytes);
    assert!(range.from < range.to && range.from == bytes);
    for cf in [Cf::Entities, Cf::ByUser, Cf::ByItem, Cf::Manifest, Cf::Catalog] {
        let place = Place { cf, key: b"fuzz" };
        let mut decoder = Decoder::new(bytes, place);
        while !decoder.is_at_end() && decoder.value().is_ok() {}
        drop(Table::decode(&mut Decoder::new(bytes, place)));
        drop(manifest::decode_file(bytes, place));
        let Ok(chunk) = Chunk::parse(bytes, place) else { continue };
        for direction in [Direction::ByUser, Direction::ByItem] {
            let entries = Entries::new(&chunk, direction, place).flatten();
            let ids: Vec<u64> = entries.map(|entry| entry.id).collect();
            assert!(ids.is_sorted() && ids.len() <= bytes.len());
        }
    }
}

/// Makes header, block sums and trailer fit the other bytes, as far as there are any.
fn mend(bytes: &mut Vec<u8>) {
    for checked in [56, 120] {
        if bytes.len() >= checked + 8 && (checked == 120) == bytes.starts_with(b"TDBSEGM\n") {
            let sum = xxhash_rust::xxh3::xxh3_64(&bytes[..checked]);
            bytes[checked..checked + 8].copy_from_slice(&sum.to_le_bytes());
        }
    }
    // A file that ends with the trailer's magic keeps its length; any other gets a tail.
    if bytes.ends_with(b"TDBBLOCK") && bytes.len() >= 40 {
        bytes.truncate(bytes.len() - 40);
    }
    let content = std::mem::take(bytes);
    bytes.extend_from_slice(&content);
    bytes.extend_from_slice(&blocks::tail(&content));
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::directory::{Directory, MemDirectory};
    use crate::id::{ColumnId, TableId};
    use crate::segment::{SegmentHeader, SegmentWriter};
    use crate::value::Element;

    fn sample() -> Vec<u8> {
        let dir: Arc<dyn Directory> = Arc::new(MemDirectory::new());
        let (table, column, element) = (TableId(1), ColumnId(0), Element::F16);
        let header = SegmentHeader { table, column, element, dim: 3, rows: 5, number: 1 };
        let mut writer = SegmentWriter::create(&dir, header, &[2, 4, 5, 7, 9]).expect("starts");
        for row in 0..5_u8 {
            writer.push(&[f32::from(row); 3]).expect("fits");
        }
        let file = writer.finish().and_then(|s| s.publish()).expect("published");
        dir.read(&file.name).expect("read").expect("there")
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn arbitrary_segments(bytes in vec(any::<u8>(), 0..400)) {
            segment(&bytes);
        }

        #[test]
        fn segments_with_changed_bytes(
            mode: u8,
            edits in vec((0..128_usize, any::<u8>()), 0..6),
            far in vec((any::<usize>(), any::<u8>()), 0..3),
        ) {
            let mut bytes = sample();
            let len = bytes.len();
            for (at, value) in edits.into_iter().chain(far) {
                bytes[at % len] = value;
            }
            segment(&[&[mode], bytes.as_slice()].concat());
        }

        #[test]
        fn arbitrary_keys_and_records(bytes in vec(any::<u8>(), 0..80)) {
            keys(&bytes);
        }
    }

    #[test]
    fn the_fuzzer_begins_with_a_sound_segment() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/seeds/segment/sound");
        let seed = [&[1], sample().as_slice()].concat();
        if std::env::var_os("TASTEDB_WRITE_SEEDS").is_some() {
            std::fs::write(path, &seed).expect("the folder of seeds is writable");
        }
        let written = std::fs::read(path).expect("the seed is readable");
        assert!(written == seed, "run this test with TASTEDB_WRITE_SEEDS=1");
    }

    #[test]
    fn a_sound_segment_stays_sound_when_mended() {
        let bytes = sample();
        let mut mended = bytes.clone();
        mend(&mut mended);
        assert_eq!(mended, bytes);
    }
}
