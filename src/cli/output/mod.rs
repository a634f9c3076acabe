//! Result rows on standard output, in one of four formats. Nothing else is ever written there.
//!
//! A statement's rows are flushed when it ends, so that a program at the other end of a pipe can
//! act on them. What a reader closed early is not an error: see [`is_broken_pipe`].

mod csv;
mod plot;
mod table;

use std::io::{self, Write};

use tastedb::Rows;

use super::args::Format;
use crate::rows::json;

pub(crate) use plot::write_curve;
pub(crate) use table::Fit;

/// Writes `rows` and flushes.
pub(crate) fn write(out: &mut dyn Write, rows: &Rows, format: Format, fit: Fit) -> io::Result<()> {
    match format {
        Format::Table => table::write(out, rows, fit)?,
        Format::Json => json::write_array(out, rows)?,
        Format::Jsonl => json::write_lines(out, rows)?,
        Format::Csv => csv::write(out, rows)?,
    }
    out.flush()
}

/// Whether an error says that the reader of the output has gone, which ends a run quietly.
pub(crate) fn is_broken_pipe(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::BrokenPipe
}

/// The terminal's width on standard output; `None` where it is not a terminal.
pub(crate) fn terminal_width() -> Option<u16> {
    comfy_table::Table::new().width()
}
