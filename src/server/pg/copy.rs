//! COPY over a connection: the client's bytes as a stream that the statement reads, and rows as the lines
//! that the client reads.
//!
//! The statement runs on a thread of its own meanwhile, and a channel of a few chunks is between them, so
//! that neither holds more than that.

use std::io::{self, Read};
use std::sync::mpsc::{Receiver, SyncSender};

use tastedb::arrow::array::{Array, RecordBatch};
use tastedb::arrow::datatypes::SchemaRef;
use tastedb::{CopyOut, Layout, StreamFormat};

use super::backend::Output;
use super::encode;
use super::oids::{Column, columns};

/// Chunks that may be between the client and the statement.
pub(super) const AHEAD: usize = 16;
/// Bytes of one chunk of rows, about.
const CHUNK: usize = 64 << 10;

/// What the client sends, as a stream.
pub(super) struct Incoming {
    chunks: Receiver<io::Result<Vec<u8>>>,
    chunk: Vec<u8>,
    taken: usize,
}

impl Incoming {
    /// The stream of what comes over a channel; its end is the channel's.
    pub(super) fn new(chunks: Receiver<io::Result<Vec<u8>>>) -> Incoming {
        Incoming { chunks, chunk: Vec::new(), taken: 0 }
    }
}

impl Read for Incoming {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.taken == self.chunk.len() {
            match self.chunks.recv() {
                Ok(chunk) => (self.chunk, self.taken) = (chunk?, 0),
                Err(_) => return Ok(0),
            }
        }
        let count = into.len().min(self.chunk.len() - self.taken);
        into[..count].copy_from_slice(&self.chunk[self.taken..self.taken + count]);
        self.taken += count;
        Ok(count)
    }
}

/// What goes to the client.
pub(super) enum Outgoing {
    /// The rows will have so many columns.
    Begin(usize),
    /// Messages, whole.
    Rows(Vec<u8>),
}

/// Takes the rows of a statement and sends them on as messages.
pub(super) struct Lines {
    to: SyncSender<Outgoing>,
    layout: Option<Layout>,
    columns: Vec<Column>,
}

impl Lines {
    /// Rows go to this channel.
    pub(super) fn new(to: SyncSender<Outgoing>) -> Lines {
        Lines { to, layout: None, columns: Vec::new() }
    }

    fn send(&self, what: Outgoing) -> io::Result<()> {
        self.to.send(what).map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))
    }
}

impl CopyOut for Lines {
    fn begin(&mut self, layout: &Layout, schema: &SchemaRef) -> io::Result<()> {
        self.columns = columns(schema.fields());
        self.send(Outgoing::Begin(self.columns.len()))?;
        if layout.header {
            let mut line = String::new();
            for (at, column) in self.columns.iter().enumerate() {
                field(&mut line, layout, at, Some(&column.name));
            }
            line.push('\n');
            let mut out = Output::default();
            out.copy_data(line.as_bytes());
            self.send(Outgoing::Rows(out.bytes))?;
        }
        self.layout = Some(layout.clone());
        Ok(())
    }

    fn rows(&mut self, batch: &RecordBatch) -> io::Result<()> {
        let Some(layout) = &self.layout else { return Ok(()) };
        let wrong = |refusal: super::refusal::Refusal| io::Error::other(refusal.message);
        let arrays = encode::prepare(&self.columns, batch).map_err(wrong)?;
        let (mut out, mut line, mut value) = (Output::default(), String::new(), String::new());
        for row in 0..batch.num_rows() {
            line.clear();
            for (at, (column, array)) in self.columns.iter().zip(&arrays).enumerate() {
                if array.is_null(row) {
                    field(&mut line, layout, at, None);
                    continue;
                }
                value.clear();
                encode::text(&mut value, column.kind, array.as_ref(), row).map_err(wrong)?;
                field(&mut line, layout, at, Some(&value));
            }
            line.push('\n');
            // One message for each row: some clients count on it.
            out.copy_data(line.as_bytes());
            if out.bytes.len() >= CHUNK {
                self.send(Outgoing::Rows(std::mem::take(&mut out.bytes)))?;
            }
        }
        if out.bytes.is_empty() { Ok(()) } else { self.send(Outgoing::Rows(out.bytes)) }
    }
}

/// Appends a field, with a delimiter before all but the first.
fn field(line: &mut String, layout: &Layout, at: usize, value: Option<&str>) {
    let delimiter = char::from(layout.delimiter);
    if at > 0 {
        line.push(delimiter);
    }
    let Some(value) = value else {
        line.push_str(&layout.null);
        return;
    };
    match layout.format {
        StreamFormat::Text => {
            for letter in value.chars() {
                let escape = match letter {
                    '\\' => '\\',
                    '\n' => 'n',
                    '\r' => 'r',
                    '\t' => 't',
                    '\u{8}' => 'b',
                    '\u{b}' => 'v',
                    '\u{c}' => 'f',
                    letter if letter == delimiter => letter,
                    letter => {
                        line.push(letter);
                        continue;
                    }
                };
                line.push('\\');
                line.push(escape);
            }
        }
        StreamFormat::Csv => {
            let plain = value != layout.null
                && value != "\\."
                && !value.contains(|c: char| c == delimiter || "\"\r\n".contains(c));
            if plain {
                line.push_str(value);
            } else {
                line.push('"');
                line.push_str(&value.replace('"', "\"\""));
                line.push('"');
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::sync::mpsc::sync_channel;

    use tastedb::{Layout, StreamFormat};

    use super::{Incoming, field};

    fn line(format: StreamFormat, values: &[Option<&str>]) -> String {
        let csv = format == StreamFormat::Csv;
        let layout = Layout {
            format,
            header: false,
            delimiter: if csv { b',' } else { b'\t' },
            null: if csv { String::new() } else { "\\N".to_owned() },
        };
        let mut out = String::new();
        for (at, value) in values.iter().enumerate() {
            field(&mut out, &layout, at, *value);
        }
        out
    }

    #[test]
    fn null_and_empty_and_what_needs_escapes_are_told_apart() {
        let values = [Some("a,b"), None, Some(""), Some("x\ty\\"), Some("\"q\"")];
        assert_eq!(line(StreamFormat::Text, &values), "a,b\t\\N\t\tx\\ty\\\\\t\"q\"");
        assert_eq!(line(StreamFormat::Csv, &values), "\"a,b\",,\"\",x\ty\\,\"\"\"q\"\"\"");
    }

    #[test]
    fn chunks_become_one_stream_that_ends_with_the_channel() {
        let (sender, receiver) = sync_channel(4);
        for chunk in ["ab", "", "cde"] {
            sender.send(Ok(chunk.as_bytes().to_vec())).expect("there is room");
        }
        drop(sender);
        let mut text = String::new();
        Incoming::new(receiver).read_to_string(&mut text).expect("no error");
        assert_eq!(text, "abcde");
    }
}
