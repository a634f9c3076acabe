//! Segments: round trips, damage of every kind, bytes that were never a segment.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use half::f16;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use roaring::RoaringBitmap;

use super::{SegmentHeader, SegmentReader, SegmentWriter, VERIFY_BELOW, Vector};
use crate::directory::{Blob, Directory, MemDirectory};
use crate::error::Error;
use crate::id::{ColumnId, TableId};
use crate::staged::FileRef;
use crate::value::Element;

fn header(element: Element, dim: u32, rows: usize) -> SegmentHeader {
    let rows = u32::try_from(rows).expect("test segments are small");
    SegmentHeader { table: TableId(3), column: ColumnId(1), element, dim, rows, number: 17 }
}

/// Writes and publishes a segment in memory.
fn publish(
    element: Element,
    dim: u32,
    rows: &BTreeMap<u64, Vec<f32>>,
) -> (Arc<dyn Directory>, FileRef) {
    let dir: Arc<dyn Directory> = Arc::new(MemDirectory::new());
    let ids: Vec<u64> = rows.keys().copied().collect();
    let mut writer = SegmentWriter::create(&dir, header(element, dim, rows.len()), &ids)
        .expect("a segment can be started");
    for vector in rows.values() {
        writer.push(vector).expect("a row can be written");
    }
    let file = writer.finish().and_then(|s| s.publish()).expect("a segment can be published");
    (dir, file)
}

fn bytes(element: Element, dim: u32, rows: &BTreeMap<u64, Vec<f32>>) -> Vec<u8> {
    let (dir, file) = publish(element, dim, rows);
    dir.read(&file.name).expect("readable").expect("published")
}

fn open(bytes: &[u8]) -> Result<SegmentReader, Error> {
    SegmentReader::from_blob(Blob::copy_from(bytes), PathBuf::from("test.vec"))
}

/// Touches everything that a reader offers.
fn use_up(reader: &SegmentReader) {
    let deleted: RoaringBitmap = [0, 2].into_iter().collect();
    for (id, row, vector) in reader.live(&deleted).flatten() {
        assert_eq!(vector.len(), reader.header().dim as usize);
        assert_eq!(reader.find(id), Some(row));
    }
    drop(reader.matrix());
    drop(reader.verify());
    assert_eq!(reader.row(reader.rows()).expect("beyond the end is no error"), None);
}

fn small() -> BTreeMap<u64, Vec<f32>> {
    (0..9).map(|i| (i * 3 + 1, vec![i as f32, -0.5, 1e-3])).collect()
}

fn rows() -> impl Strategy<Value = (u32, BTreeMap<u64, Vec<f32>>)> {
    (1..40_u32).prop_flat_map(|dim| {
        let row = vec(-1e4_f32..1e4, dim as usize);
        (Just(dim), btree_map(any::<u64>(), row, 0..60))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_written_is_read((dim, rows) in rows(), half_size: bool) {
        let element = if half_size { Element::F16 } else { Element::F32 };
        let stored = |x: f32| if half_size { f16::from_f32(x).to_f32() } else { x };
        let (dir, file) = publish(element, dim, &rows);
        let reader = SegmentReader::open(&*dir, &file).expect("opens");
        prop_assert_eq!(reader.header(), &header(element, dim, rows.len()));
        prop_assert!(reader.ids().iter().eq(rows.keys()));
        let matrix = reader.matrix().expect("verifies").to_f32();
        for (row, (id, vector)) in rows.iter().enumerate() {
            let expected: Vec<f32> = vector.iter().map(|x| stored(*x)).collect();
            prop_assert_eq!(reader.find(*id), Some(row as u32));
            let found = reader.get(*id).expect("verifies").expect("is there");
            prop_assert_eq!(&found.to_f32(), &expected);
            let start = row * dim as usize;
            prop_assert_eq!(&matrix[start..start + dim as usize], &expected[..]);
        }
    }

    #[test]
    fn live_rows_are_those_not_deleted(deleted in vec(0..70_u32, 0..40), from in 0..80_u64) {
        let rows: BTreeMap<u64, Vec<f32>> = (0..60).map(|i| (i + 5, vec![i as f32])).collect();
        let (dir, file) = publish(Element::F32, 1, &rows);
        let reader = SegmentReader::open(&*dir, &file).expect("opens");
        let deleted: RoaringBitmap = deleted.into_iter().collect();
        let mut live = reader.live(&deleted);
        live.seek(from);
        let found: Vec<(u64, u32, f32)> = live
            .map(|row| row.expect("verifies"))
            .map(|(id, row, vector)| (id, row, vector.to_f32()[0]))
            .collect();
        let expected: Vec<(u64, u32, f32)> = (0..60_u32)
            .filter(|row| !deleted.contains(*row) && u64::from(*row) + 5 >= from)
            .map(|row| (u64::from(row) + 5, row, row as f32))
            .collect();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn random_bytes_are_refused(junk in vec(any::<u8>(), 0..600)) {
        prop_assert!(open(&junk).is_err());
    }

    #[test]
    fn mutated_bytes_never_panic(edits in vec((any::<usize>(), any::<u8>()), 1..12), cut: u16) {
        let mut bytes = bytes(Element::F16, 3, &small());
        for (at, value) in edits {
            let at = at % bytes.len();
            bytes[at] = value;
        }
        bytes.truncate(bytes.len() - usize::from(cut) % 32);
        if let Ok(reader) = open(&bytes) {
            use_up(&reader);
        }
    }

    /// As above with all checksums made right again, so that the checks behind them are reached.
    #[test]
    fn resealed_bytes_never_panic(edits in vec((0..128_usize, any::<u8>()), 1..8)) {
        let mut bytes = bytes(Element::F32, 3, &small());
        for (at, value) in edits {
            bytes[at] = value;
        }
        reseal(&mut bytes);
        if let Ok(reader) = open(&bytes) {
            use_up(&reader);
        }
    }
}

/// Recomputes the checksums of a one-block segment.
fn reseal(bytes: &mut [u8]) {
    use xxhash_rust::xxh3::xxh3_64;
    let header = xxh3_64(&bytes[..120]);
    bytes[120..128].copy_from_slice(&header.to_le_bytes());
    let trailer = bytes.len() - 32;
    let sum = xxh3_64(&bytes[..trailer - 8]);
    bytes[trailer - 8..trailer].copy_from_slice(&sum.to_le_bytes());
    let checksum = xxh3_64(&bytes[trailer - 8..trailer + 16]);
    bytes[trailer + 16..trailer + 24].copy_from_slice(&checksum.to_le_bytes());
}

#[test]
fn every_flipped_byte_is_found() {
    for element in [Element::F32, Element::F16] {
        let sound = bytes(element, 3, &small());
        open(&sound).expect("the segment is sound").verify().expect("and verifies");
        for at in 0..sound.len() {
            for flip in [0x01, 0x80, 0xFF] {
                let mut damaged = sound.clone();
                damaged[at] ^= flip;
                assert!(open(&damaged).is_err(), "byte {at} flipped by {flip:#x} went unnoticed");
            }
        }
    }
}

#[test]
fn every_truncation_is_found() {
    let sound = bytes(Element::F32, 3, &small());
    for len in 0..sound.len() {
        assert!(open(&sound[..len]).is_err(), "cut at {len}");
    }
    let mut longer = sound.clone();
    longer.push(0);
    assert!(open(&longer).is_err());
}

#[test]
fn resealed_nonsense_is_refused() {
    let sound = bytes(Element::F32, 3, &small());
    // Version, element, dimension, rows, offsets of ids and vectors, end, first id.
    for (at, value) in
        [(8, 9), (18, 7), (20, 0), (20, 4), (24, 8), (27, 1), (32, 0), (40, 1), (48, 1), (128, 200)]
    {
        let mut bytes = sound.clone();
        bytes[at] = value;
        reseal(&mut bytes);
        assert!(open(&bytes).is_err(), "byte {at} = {value}");
    }
    let mut newer = sound;
    newer[8] = 2;
    reseal(&mut newer);
    assert!(matches!(open(&newer), Err(Error::UnsupportedFormat { found: 2, .. })));
}

#[test]
fn a_large_segment_is_verified_block_by_block() {
    let n = VERIFY_BELOW as usize / 1024 + 512;
    let rows: BTreeMap<u64, Vec<f32>> = (0..n as u64).map(|i| (i, vec![i as f32; 256])).collect();
    let mut bytes = bytes(Element::F32, 256, &rows);
    let at = bytes.len() / 2;
    bytes[at] ^= 1;
    let reader = open(&bytes).expect("damage in a row of a large file is not looked for at open");
    let block = at as u64 / 65536 * 65536;
    let row = ((at as u64 - (128 + n as u64 * 8)) / 1024) as u32;
    let told = reader.row(row).expect_err("the damaged row is not handed out");
    assert!(matches!(told, Error::Corrupted { offset: Some(found), .. } if found == block));
    assert!(reader.row(0).is_ok(), "other rows still are");
    assert!(reader.matrix().is_err());
    assert!(reader.verify().is_err());
    assert_eq!(reader.damaged(), [block]);
    assert!(reader.row(row).is_err(), "also when asked again");
}

#[test]
fn half_precision_moves_between_segments_unchanged() {
    let rows = small();
    let (dir, file) = publish(Element::F16, 3, &rows);
    let from = SegmentReader::open(&*dir, &file).expect("opens");
    let to = SegmentHeader { number: 18, ..*from.header() };
    let mut writer = SegmentWriter::create(&dir, to, from.ids()).expect("starts");
    for row in 0..from.rows() {
        let vector = from.row(row).expect("verifies").expect("is there");
        assert!(matches!(vector, Vector::F16(_)));
        writer.push_vector(vector).expect("fits");
    }
    let copy = writer.finish().and_then(|s| s.publish()).expect("publishes");
    let copy = SegmentReader::open(&*dir, &copy).expect("opens");
    assert_eq!(copy.matrix().expect("verifies"), from.matrix().expect("verifies"));
}

#[test]
fn the_writer_refuses_misuse() {
    let dir: Arc<dyn Directory> = Arc::new(MemDirectory::new());
    let start = |ids: &[u64], rows| {
        SegmentWriter::create(&dir, header(Element::F32, 2, rows), ids).map(|_| ())
    };
    assert!(start(&[2, 1], 2).is_err(), "ids must ascend");
    assert!(start(&[1, 1], 2).is_err(), "strictly");
    assert!(start(&[1], 2).is_err(), "one for each row");
    let mut writer = SegmentWriter::create(&dir, header(Element::F32, 2, 1), &[1]).expect("starts");
    assert!(writer.push(&[1.0]).is_err(), "wrong dimension");
    writer.push(&[1.0, 2.0]).expect("fits");
    assert!(writer.push(&[1.0, 2.0]).is_err(), "one row too many");
    let writer = SegmentWriter::create(&dir, header(Element::F32, 2, 1), &[1]).expect("starts");
    assert!(writer.finish().is_err(), "a row is missing");
    assert_eq!(dir.list("tmp").expect("lists"), [], "nothing is left behind");
}

#[test]
fn the_manifest_must_agree_with_the_file() {
    let (dir, file) = publish(Element::F32, 3, &small());
    let other = FileRef { len: file.len + 1, ..file.clone() };
    assert!(matches!(SegmentReader::open(&*dir, &other), Err(Error::Corrupted { .. })));
    let other = FileRef { checksum: file.checksum ^ 1, ..file.clone() };
    assert!(matches!(SegmentReader::open(&*dir, &other), Err(Error::ChecksumMismatch { .. })));
    let other = FileRef { name: "segments/3.1/0000000099.vec".into(), ..file };
    assert!(matches!(SegmentReader::open(&*dir, &other), Err(Error::MissingFile { .. })));
}
