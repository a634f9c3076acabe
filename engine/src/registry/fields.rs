//! The encoding of small named records: a list of text fields, in order.
//!
//! It is not a general serializer: a record holds a handful of names, numbers and statements, is
//! read by people in a dump, and must stay readable by later versions, so unknown fields are kept
//! out of the way instead of being errors.
//!
//! ```text
//! u8  version (1)
//! u32 number of fields
//! per field: u32 length, name (UTF-8); u32 length, value (UTF-8)
//! ```

use crate::error::{Error, Result};

const VERSION: u8 = 1;

/// An ordered list of named text values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fields(Vec<(String, String)>);

impl Fields {
    pub(crate) fn new() -> Fields {
        Fields::default()
    }

    pub(crate) fn set(&mut self, name: &str, value: impl ToString) -> &mut Fields {
        self.0.push((name.to_string(), value.to_string()));
        self
    }

    pub(crate) fn set_opt(&mut self, name: &str, value: Option<impl ToString>) -> &mut Fields {
        if let Some(value) = value {
            self.set(name, value);
        }
        self
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// Every field whose name begins with `prefix`, without the prefix.
    pub(crate) fn with_prefix<'a>(
        &'a self,
        prefix: &'a str,
    ) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.0.iter().filter_map(move |(n, v)| n.strip_prefix(prefix).map(|n| (n, v.as_str())))
    }

    /// A required text field.
    pub(crate) fn text(&self, record: &str, name: &str) -> Result<&str> {
        self.get(name).ok_or_else(|| Error::CorruptRecord {
            record: record.to_string(),
            what: format!("field `{name}` is missing"),
        })
    }

    /// A required number.
    pub(crate) fn number<T: std::str::FromStr>(&self, record: &str, name: &str) -> Result<T> {
        self.text(record, name)?.parse().map_err(|_| Error::CorruptRecord {
            record: record.to_string(),
            what: format!("field `{name}` is not a number"),
        })
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        out.extend_from_slice(&(self.0.len() as u32).to_le_bytes());
        for (name, value) in &self.0 {
            for text in [name, value] {
                out.extend_from_slice(&(text.len() as u32).to_le_bytes());
                out.extend_from_slice(text.as_bytes());
            }
        }
        out
    }

    pub(crate) fn decode(record: &str, bytes: &[u8]) -> Result<Fields> {
        let corrupt = |what: &str| Error::CorruptRecord {
            record: record.to_string(),
            what: what.to_string(),
        };
        let (&version, mut rest) = bytes.split_first().ok_or_else(|| corrupt("it is empty"))?;
        if version != VERSION {
            return Err(corrupt("its version is unknown"));
        }
        let count = take_u32(&mut rest).ok_or_else(|| corrupt("it is cut short"))?;
        let mut fields = Fields::new();
        for _ in 0..count {
            let name = take_text(&mut rest).ok_or_else(|| corrupt("a field is cut short"))?;
            let value = take_text(&mut rest).ok_or_else(|| corrupt("a field is cut short"))?;
            fields.0.push((name, value));
        }
        Ok(fields)
    }
}

fn take_u32(rest: &mut &[u8]) -> Option<u32> {
    let (head, tail) = rest.split_first_chunk::<4>()?;
    *rest = tail;
    Some(u32::from_le_bytes(*head))
}

fn take_text(rest: &mut &[u8]) -> Option<String> {
    let length = take_u32(rest)? as usize;
    let (head, tail) = rest.split_at_checked(length)?;
    *rest = tail;
    String::from_utf8(head.to_vec()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_survives_the_round_trip_and_every_cut_is_an_error() {
        let mut fields = Fields::new();
        fields.set("name", "home").set("seed", 7).set_opt("filter", None::<&str>);
        let bytes = fields.encode();
        let back = Fields::decode("model/home", &bytes).expect("decodes");
        assert_eq!(back, fields);
        assert_eq!(back.number::<u64>("model/home", "seed").expect("a number"), 7);
        for cut in 0..bytes.len() {
            assert!(Fields::decode("model/home", &bytes[..cut]).is_err(), "cut at {cut}");
        }
    }
}
