//! How the fields of a stored record become bytes: the only door to bincode.
//!
//! Rows, catalog records and manifest records are written field by field through [`Encoder`] and
//! read back through [`Decoder`], so that a record's layout is its encode function and not the
//! accident of a struct's field order, and so that bincode (which is finished and unmaintained)
//! can be replaced here alone. Keys, adjacency chunks and segment files never come through here.
//!
//! The bytes are bincode 2's standard configuration: little-endian, integers of variable length
//! (signed ones zigzag), floats as they are, texts as length and UTF-8.
//!
//! Invariant: decoding bytes that we never wrote returns an error; it neither panics nor
//! allocates more than the bytes can hold.

use bincode::config::Configuration;
use bincode::enc::write::Writer;
use bincode::error::EncodeError;

use crate::error::{Error, Result};
use crate::kv::Cf;
use crate::value::Value;

const CONFIG: Configuration = bincode::config::standard();

/// Appends fields to a buffer.
pub(crate) struct Encoder<'a> {
    out: &'a mut Vec<u8>,
}

struct Append<'a>(&'a mut Vec<u8>);

impl Writer for Append<'_> {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}

impl<'a> Encoder<'a> {
    pub(crate) fn new(out: &'a mut Vec<u8>) -> Encoder<'a> {
        Encoder { out }
    }

    #[inline]
    fn put<T: bincode::Encode>(&mut self, value: T) {
        bincode::encode_into_writer(value, Append(self.out), CONFIG)
            .expect("a Vec takes every byte and every type here can be encoded");
    }

    #[inline]
    pub(crate) fn u8(&mut self, value: u8) {
        self.out.push(value);
    }

    pub(crate) fn bool(&mut self, value: bool) {
        self.out.push(u8::from(value));
    }

    #[inline]
    pub(crate) fn u16(&mut self, value: u16) {
        self.put(value);
    }

    #[inline]
    pub(crate) fn u32(&mut self, value: u32) {
        self.put(value);
    }

    #[inline]
    pub(crate) fn u64(&mut self, value: u64) {
        self.put(value);
    }

    #[inline]
    pub(crate) fn usize(&mut self, value: usize) {
        self.put(value as u64);
    }

    #[inline]
    pub(crate) fn str(&mut self, value: &str) {
        self.put(value);
    }

    /// A value, tagged with its kind.
    #[inline]
    pub(crate) fn value(&mut self, value: &Value) {
        match value {
            Value::Null => self.u8(0),
            Value::Bool(value) => {
                self.u8(1);
                self.bool(*value);
            }
            Value::Int(value) => {
                self.u8(2);
                self.put(*value);
            }
            Value::Real(value) => {
                self.u8(3);
                self.put(*value);
            }
            Value::Text(value) => {
                self.u8(4);
                self.str(value);
            }
            Value::Date(value) => {
                self.u8(5);
                self.put(*value);
            }
            Value::Timestamp(value) => {
                self.u8(6);
                self.put(*value);
            }
            Value::TextList(values) => {
                self.u8(7);
                self.usize(values.len());
                for value in values {
                    self.str(value);
                }
            }
        }
    }
}

/// A value that borrows its text from the record.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ValueRef<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Real(f64),
    Text(&'a str),
    Date(i32),
    Timestamp(i64),
    TextList(Vec<&'a str>),
}

impl ValueRef<'_> {
    #[inline]
    pub(crate) fn to_owned(&self) -> Value {
        match self {
            ValueRef::Null => Value::Null,
            ValueRef::Bool(value) => Value::Bool(*value),
            ValueRef::Int(value) => Value::Int(*value),
            ValueRef::Real(value) => Value::Real(*value),
            ValueRef::Text(value) => Value::Text((*value).to_owned()),
            ValueRef::Date(value) => Value::Date(*value),
            ValueRef::Timestamp(value) => Value::Timestamp(*value),
            ValueRef::TextList(values) => {
                Value::TextList(values.iter().map(|value| (*value).to_owned()).collect())
            }
        }
    }
}

/// Where bytes come from, for the error that blames them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    pub(crate) cf: Cf,
    pub(crate) key: &'a [u8],
}

impl Place<'_> {
    pub(crate) fn corrupted(&self, what: &'static str) -> Error {
        Error::CorruptedRecord { cf: self.cf, key: self.key.to_vec(), what }
    }
}

/// Reads fields in the order in which they were written.
pub(crate) struct Decoder<'a> {
    rest: &'a [u8],
    place: Place<'a>,
}

impl<'a> Decoder<'a> {
    pub(crate) fn new(bytes: &'a [u8], place: Place<'a>) -> Decoder<'a> {
        Decoder { rest: bytes, place }
    }

    /// The error that blames this record.
    pub(crate) fn corrupted(&self, what: &'static str) -> Error {
        self.place.corrupted(what)
    }

    pub(crate) fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    /// Refuses bytes behind the last field.
    pub(crate) fn finish(self) -> Result<()> {
        if self.is_at_end() { Ok(()) } else { Err(self.corrupted("bytes behind the last field")) }
    }

    #[inline]
    fn take<T: bincode::BorrowDecode<'a, ()>>(&mut self) -> Result<T> {
        match bincode::borrow_decode_from_slice(self.rest, CONFIG) {
            Ok((value, read)) => {
                self.rest = self.rest.get(read..).unwrap_or_default();
                Ok(value)
            }
            Err(_) => Err(self.corrupted("a field cannot be decoded")),
        }
    }

    #[inline]
    pub(crate) fn u8(&mut self) -> Result<u8> {
        let (first, rest) =
            self.rest.split_first().ok_or_else(|| self.corrupted("the record is cut short"))?;
        self.rest = rest;
        Ok(*first)
    }

    pub(crate) fn bool(&mut self) -> Result<bool> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(self.corrupted("a boolean is neither 0 nor 1")),
        }
    }

    #[inline]
    pub(crate) fn u16(&mut self) -> Result<u16> {
        self.take()
    }

    #[inline]
    pub(crate) fn u32(&mut self) -> Result<u32> {
        self.take()
    }

    #[inline]
    pub(crate) fn u64(&mut self) -> Result<u64> {
        self.take()
    }

    /// The number of elements that follow; each takes a byte at least.
    pub(crate) fn count(&mut self) -> Result<usize> {
        let count: u64 = self.take()?;
        usize::try_from(count)
            .ok()
            .filter(|count| *count <= self.rest.len())
            .ok_or_else(|| self.corrupted("a count exceeds the record"))
    }

    #[inline]
    pub(crate) fn str(&mut self) -> Result<&'a str> {
        self.take()
    }

    /// A value, for those who keep it.
    #[inline]
    pub(crate) fn owned_value(&mut self) -> Result<Value> {
        Ok(match self.u8()? {
            0 => Value::Null,
            1 => Value::Bool(self.bool()?),
            2 => Value::Int(self.take()?),
            3 => Value::Real(self.take()?),
            4 => Value::Text(self.take::<&str>()?.to_owned()),
            5 => Value::Date(self.take()?),
            6 => Value::Timestamp(self.take()?),
            7 => {
                let count = self.count()?;
                let texts = (0..count).map(|_| self.take::<&str>().map(str::to_owned));
                Value::TextList(texts.collect::<Result<_>>()?)
            }
            _ => return Err(self.corrupted("an unknown kind of value")),
        })
    }

    /// A value that borrows its texts.
    #[inline]
    pub(crate) fn value(&mut self) -> Result<ValueRef<'a>> {
        Ok(match self.u8()? {
            0 => ValueRef::Null,
            1 => ValueRef::Bool(self.bool()?),
            2 => ValueRef::Int(self.take()?),
            3 => ValueRef::Real(self.take()?),
            4 => ValueRef::Text(self.take()?),
            5 => ValueRef::Date(self.take()?),
            6 => ValueRef::Timestamp(self.take()?),
            7 => {
                let count = self.count()?;
                ValueRef::TextList((0..count).map(|_| self.take()).collect::<Result<_>>()?)
            }
            _ => return Err(self.corrupted("an unknown kind of value")),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PLACE: Place<'static> = Place { cf: Cf::Entities, key: b"k" };

    pub(crate) fn any_value() -> impl Strategy<Value = Value> {
        prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Bool),
            any::<i64>().prop_map(Value::Int),
            any::<f64>().prop_filter("comparable", |x| !x.is_nan()).prop_map(Value::Real),
            ".{0,20}".prop_map(Value::Text),
            any::<i32>().prop_map(Value::Date),
            any::<i64>().prop_map(Value::Timestamp),
            prop::collection::vec(".{0,8}", 0..4).prop_map(Value::TextList),
        ]
    }

    proptest! {
        #[test]
        fn a_value_survives(value in any_value()) {
            let mut bytes = Vec::new();
            Encoder::new(&mut bytes).value(&value);
            let mut decoder = Decoder::new(&bytes, PLACE);
            prop_assert_eq!(decoder.value().expect("decodes").to_owned(), value.clone());
            decoder.finish().expect("all bytes used");
            let owned = Decoder::new(&bytes, PLACE).owned_value();
            prop_assert_eq!(owned.expect("decodes"), value);
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let mut decoder = Decoder::new(&bytes, PLACE);
            while !decoder.is_at_end() {
                if decoder.value().is_err() {
                    break;
                }
            }
        }
    }

    #[test]
    fn a_huge_count_is_refused_before_anything_is_allocated() {
        let mut bytes = vec![7];
        Encoder::new(&mut bytes).u64(u64::MAX);
        let error = Decoder::new(&bytes, PLACE).value().expect_err("too many");
        assert!(matches!(error, Error::CorruptedRecord { what: "a count exceeds the record", .. }));
    }
}
