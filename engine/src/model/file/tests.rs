//! Sections written and read back, and what does not look like them.

#![expect(clippy::unwrap_used, reason = "tests")]

use super::*;

fn written() -> Vec<u8> {
    let mut writer = Writer::new("ease", 3);
    writer.options(&[
        ("a".to_owned(), OptionValue::Real(0.1)),
        ("b".to_owned(), OptionValue::Int(-7)),
        ("c".to_owned(), OptionValue::Text("x y".to_owned())),
        ("d".to_owned(), OptionValue::Bool(true)),
    ]);
    writer.items(&[ItemId(2), ItemId(3), ItemId(9)]);
    writer.array("floats", &[1.5f32, -2.0, 0.25]);
    writer.array::<f64>("none", &[]);
    let mut out = Vec::new();
    writer.write(&mut out).unwrap();
    out
}

/// Bytes at an odd place in memory, so that no array can be used in place.
struct Shifted(Vec<u8>);

impl AsRef<[u8]> for Shifted {
    fn as_ref(&self) -> &[u8] {
        &self.0[1..]
    }
}

#[test]
fn what_was_written_comes_back_aligned_or_not() {
    let bytes = written();
    let mut shifted = vec![0];
    shifted.extend_from_slice(&bytes);
    let all: [Arc<dyn Bytes>; 2] = [Arc::new(bytes), Arc::new(Shifted(shifted))];
    for bytes in all {
        let sections = Sections::read(bytes).unwrap();
        assert_eq!((sections.algorithm(), sections.format()), ("ease", 3));
        assert_eq!(sections.items().unwrap(), [ItemId(2), ItemId(3), ItemId(9)]);
        assert_eq!(*sections.array_of::<f32>("floats", 3).unwrap(), [1.5, -2.0, 0.25]);
        assert!(sections.array::<f64>("none").unwrap().is_empty());
        let options = sections.options().unwrap();
        assert_eq!(options[0].1, OptionValue::Real(0.1));
        assert_eq!(options[1].1, OptionValue::Int(-7));
        assert_eq!(options[2].1, OptionValue::Text("x y".to_owned()));
        assert_eq!(options[3].1, OptionValue::Bool(true));
        let wrong = sections.array_of::<f32>("floats", 4);
        assert!(matches!(wrong, Err(Error::CorruptModel { .. })));
        assert!(matches!(sections.array::<f32>("other"), Err(Error::CorruptModel { .. })));
    }
}

#[test]
fn sections_start_at_multiples_of_64() {
    let bytes = written();
    let floats = bytes.windows(12).position(|part| {
        part == [1.5f32.to_le_bytes(), (-2.0f32).to_le_bytes(), 0.25f32.to_le_bytes()]
            .as_flattened()
    });
    assert!(floats.unwrap().is_multiple_of(64));
}

#[test]
fn a_cut_file_is_refused() {
    let bytes = written();
    for length in 0..bytes.len() {
        let cut: Arc<dyn Bytes> = Arc::new(bytes[..length].to_vec());
        assert!(Sections::read(cut).is_err(), "{length} of {} bytes", bytes.len());
    }
}

#[test]
fn a_newer_layout_is_named() {
    let mut bytes = written();
    bytes[8] = 2;
    let result = Sections::read(Arc::new(bytes)).map(drop);
    assert!(matches!(result, Err(Error::UnsupportedModel { found: 2, supported: 1 })));
}

#[test]
fn no_flipped_byte_of_the_head_makes_it_panic() {
    let bytes = written();
    for at in 0..(HEADER + 4 * ENTRY) {
        for flip in [0x01, 0x80, 0xff] {
            let mut damaged = bytes.clone();
            damaged[at] ^= flip;
            if let Ok(sections) = Sections::read(Arc::new(damaged)) {
                let _ = sections.items();
                let _ = sections.options();
                let _ = sections.array::<f32>("floats");
            }
        }
    }
}
