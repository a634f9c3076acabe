//! The client's end of a COPY: where the rows of COPY … TO STDOUT go, and how they are laid out.
//!
//! The query layer hands over batches; what they look like as bytes is the protocol's business. What
//! COPY … FROM STDIN reads is an ordinary [`Read`](std::io::Read).

use std::io;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::SchemaRef;

/// How the rows of a stream are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// The format.
    pub format: StreamFormat,
    /// Whether the first line names the columns.
    pub header: bool,
    /// What stands between fields.
    pub delimiter: u8,
    /// What stands for NULL.
    pub null: String,
}

/// A format of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamFormat {
    /// PostgreSQL's text: tabs, and escapes with a backslash.
    Text,
    /// Comma-separated values.
    Csv,
}

/// What takes the rows of a COPY … TO STDOUT. An error ends the statement.
pub trait CopyOut: Send {
    /// Says what the rows will be like, before the first of them.
    fn begin(&mut self, layout: &Layout, columns: &SchemaRef) -> io::Result<()>;

    /// Takes rows, in order.
    fn rows(&mut self, batch: &RecordBatch) -> io::Result<()>;
}
