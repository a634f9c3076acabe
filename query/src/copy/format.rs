//! Which format a file has, and how it is to be read: the `WITH (…)` of COPY.

use std::path::Path;

/// A format of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// Comma-separated values.
    Csv,
    /// One JSON object per line.
    JsonLines,
    /// Apache Parquet.
    Parquet,
    /// GroupLens's text files.
    MovieLens,
    /// RecBole's atomic files.
    RecBole,
    /// PostgreSQL's text: one row a line, escapes with a backslash.
    Text,
}

/// The names that `WITH (format = …)` takes.
pub(crate) const FORMATS: &[&str] =
    &["csv", "jsonl", "parquet", "movielens", "recbole", "npy", "text"];

impl Format {
    /// The format of this name.
    pub(crate) fn named(name: &str) -> Option<Format> {
        Some(match name.to_ascii_lowercase().as_str() {
            "csv" | "tsv" => Format::Csv,
            "json" | "jsonl" | "ndjson" => Format::JsonLines,
            "parquet" => Format::Parquet,
            "movielens" => Format::MovieLens,
            "recbole" => Format::RecBole,
            "text" => Format::Text,
            _ => return None,
        })
    }

    /// The format that a file's name tells, also before `.gz`.
    pub(crate) fn of_path(path: &Path) -> Option<Format> {
        Some(match ending(path)?.as_str() {
            "csv" | "tsv" | "txt" => Format::Csv,
            "json" | "jsonl" | "ndjson" => Format::JsonLines,
            "parquet" => Format::Parquet,
            "dat" | "data" => Format::MovieLens,
            "inter" | "item" | "user" => match path.file_name()?.to_str()? {
                // The two of MovieLens 100K that share an ending with RecBole's.
                "u.item" | "u.user" => Format::MovieLens,
                _ => Format::RecBole,
            },
            _ => return None,
        })
    }
}

/// The ending of a file's name, lower-case, without `.gz`.
pub(crate) fn ending(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?.to_ascii_lowercase();
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    name.rsplit_once('.').map(|(_, ending)| ending.to_owned())
}

/// How a text file is laid out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ReadOptions {
    /// Whether the first line names the columns.
    pub(crate) header: bool,
    /// What stands between fields.
    pub(crate) delimiter: u8,
    /// A text that means NULL, besides the empty field.
    pub(crate) null: Option<String>,
    /// What stands between the items of a list.
    pub(crate) list_delimiter: String,
}

impl ReadOptions {
    /// The layout that a file's name suggests.
    pub(crate) fn for_path(path: &Path) -> ReadOptions {
        let tabs = ending(path).as_deref() == Some("tsv");
        ReadOptions {
            header: true,
            delimiter: if tabs { b'\t' } else { b',' },
            null: None,
            list_delimiter: "|".to_owned(),
        }
    }
}
