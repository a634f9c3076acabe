//! Aligned columns for people. A table fits the width of the terminal: what is too long is cut with
//! `…`, never wrapped. Numbers stand right, with as many digits as tell something.
//!
//! Text comes from data that may be anybody's, so control characters are shown escaped: a title
//! cannot move the cursor or change the colours of the terminal.

use std::io::{self, Write};

use comfy_table::{Cell, CellAlignment, ContentArrangement, Row, Table, presets};
use tastedb::Rows;

use crate::rows::value::{self, Value};

/// Which room a table has.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Fit {
    /// Columns of the terminal; `None` writes every value whole.
    pub(crate) width: Option<u16>,
    /// Show at most so many rows and say how many are left out.
    pub(crate) rows: usize,
}

impl Fit {
    /// No bounds: for output that goes to a file or another program.
    pub(crate) const WHOLE: Fit = Fit { width: None, rows: usize::MAX };
}

/// A vector or list longer than this is cut, where a table must fit a terminal.
const LIST_SHOWN: usize = 6;
const VECTOR_SHOWN: usize = 3;

pub(super) fn write(out: &mut dyn Write, rows: &Rows, fit: Fit) -> io::Result<()> {
    let total = rows.len();
    if let Some(width) = fit.width.filter(|width| is_too_wide(rows, *width)) {
        return write_records(out, rows, width, fit);
    }
    let columns = columns(rows, total.min(fit.rows))?;
    let mut table = Table::new();
    table
        .load_style(presets::UTF8_FULL_CONDENSED)
        .set_content_arrangement(ContentArrangement::Dynamic)
        // Nothing is cut at spaces: no text contains this character, see `printable`.
        .set_delimiter('\u{1}');
    match fit.width {
        Some(width) => table.set_width(width),
        None => table.set_content_arrangement(ContentArrangement::Disabled),
    };
    let mut header = Row::from(
        rows.schema.fields().iter().map(|f| Cell::new(printable(f.name()))).collect::<Vec<_>>(),
    );
    header.max_height(1);
    table.set_header(header);
    for i in 0..total.min(fit.rows) {
        let mut row = Row::from(
            columns
                .iter()
                .map(|c| Cell::new(c.text(i, fit)).set_alignment(c.alignment()))
                .collect::<Vec<_>>(),
        );
        row.max_height(1);
        table.add_row(row);
    }
    if !columns.is_empty() {
        for line in table.lines() {
            writeln!(out, "{}", line.trim_end())?;
        }
    }
    write_count(out, total, fit.rows)
}

fn write_count(out: &mut dyn Write, total: usize, most: usize) -> io::Result<()> {
    let noun = if total == 1 { "row" } else { "rows" };
    if total > most {
        writeln!(out, "({total} {noun}; the first {most} are shown)")
    } else {
        writeln!(out, "({total} {noun})")
    }
}

/// How much of its name a column must be able to show to be worth a place in a table.
const NAME_SHOWN: usize = 8;
/// The most rows that are written as records.
const RECORDS: usize = 20;

/// Whether there are more columns than a terminal of this width can show.
fn is_too_wide(rows: &Rows, width: u16) -> bool {
    let names = rows.schema.fields().iter().map(|field| field.name().chars().count());
    // A column has a border and two spaces.
    let needed: usize = names.map(|name| name.min(NAME_SHOWN) + 3).sum();
    needed + 1 > usize::from(width)
}

/// One line for each value, under a line for each row.
fn write_records(out: &mut dyn Write, rows: &Rows, width: u16, fit: Fit) -> io::Result<()> {
    let total = rows.len();
    let shown = total.min(fit.rows).min(RECORDS);
    let columns = columns(rows, shown)?;
    for i in 0..shown {
        writeln!(out, "row {}", i + 1)?;
        let mut table = Table::new();
        table
            .load_style(presets::NOTHING)
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_delimiter('\u{1}')
            .set_width(width);
        for (field, column) in rows.schema.fields().iter().zip(&columns) {
            let mut row = Row::from(vec![printable(field.name()), column.text(i, fit)]);
            row.max_height(1);
            table.add_row(row);
        }
        for line in table.lines() {
            writeln!(out, " {}", line.trim_end())?;
        }
    }
    write_count(out, total, fit.rows.min(RECORDS))
}

/// The values of one column, and how its numbers are written.
struct Column {
    values: Vec<Value>,
    decimals: usize,
}

fn columns(rows: &Rows, limit: usize) -> io::Result<Vec<Column>> {
    (0..rows.schema.fields().len())
        .map(|c| {
            let mut values = Vec::with_capacity(limit);
            for batch in &rows.batches {
                let take = batch.num_rows().min(limit - values.len());
                for row in 0..take {
                    values.push(value::value(batch.column(c), row)?);
                }
            }
            let decimals = decimals(values.iter().filter_map(float));
            Ok(Column { values, decimals })
        })
        .collect()
}

impl Column {
    fn text(&self, row: usize, fit: Fit) -> String {
        text(&self.values[row], self.decimals, fit)
    }

    fn alignment(&self) -> CellAlignment {
        let number = |v: &Value| matches!(v, Value::Int(_) | Value::Single(_) | Value::Double(_));
        match self.values.iter().find(|v| **v != Value::Null) {
            Some(v) if number(v) => CellAlignment::Right,
            _ => CellAlignment::Left,
        }
    }
}

fn text(value: &Value, decimals: usize, fit: Fit) -> String {
    match value {
        Value::Null => "NULL".to_string(),
        Value::Bool(b) => b.to_string(),
        Value::Int(n) => n.to_string(),
        Value::Single(x) => float_text((*x).into(), decimals),
        Value::Double(x) => float_text(*x, decimals),
        Value::Text(text) => printable(text),
        Value::List(values) => list_text(values, fit),
        Value::Record(fields) => {
            let fields: Vec<String> = fields
                .iter()
                .map(|(name, v)| format!("{name}: {}", text(v, alone_decimals(v), fit)))
                .collect();
            format!("{{{}}}", fields.join(", "))
        }
    }
}

fn list_text(values: &[Value], fit: Fit) -> String {
    let floats = values.first().and_then(float).is_some();
    let most = match (fit.width, floats) {
        (None, _) => usize::MAX,
        (Some(_), true) => VECTOR_SHOWN,
        (Some(_), false) => LIST_SHOWN,
    };
    let shown = if values.len() > most.saturating_add(1) { most } else { values.len() };
    let mut parts: Vec<String> =
        values[..shown].iter().map(|v| text(v, alone_decimals(v), fit)).collect();
    if shown < values.len() {
        parts.push(format!("… {} in all", values.len()));
    }
    format!("[{}]", parts.join(", "))
}

fn alone_decimals(value: &Value) -> usize {
    decimals(float(value).into_iter())
}

fn float(value: &Value) -> Option<f64> {
    match value {
        // By way of the decimal form, so that 0.1 does not look like 0.10000000149.
        Value::Single(x) => value::single(*x).parse().ok(),
        Value::Double(x) => Some(*x),
        Value::Null
        | Value::Bool(_)
        | Value::Int(_)
        | Value::Text(_)
        | Value::List(_)
        | Value::Record(_) => None,
    }
}

/// How many decimals a column of these numbers needs: as many as make them exact, but no more than
/// tell something at their size.
fn decimals(values: impl Iterator<Item = f64> + Clone) -> usize {
    let largest = values.clone().filter(|x| x.is_finite()).fold(0.0_f64, |m, x| m.max(x.abs()));
    let most = match largest {
        x if x >= 10_000.0 => 1,
        x if x >= 100.0 => 2,
        x if x >= 10.0 => 3,
        _ => 4,
    };
    let needed = values.filter(|x| x.is_finite()).map(exact_decimals).max().unwrap_or(1);
    needed.clamp(1, most)
}

fn exact_decimals(x: f64) -> usize {
    let shortest = format!("{x}");
    shortest.split_once('.').map_or(0, |(_, fraction)| fraction.len())
}

fn float_text(x: f64, decimals: usize) -> String {
    if !x.is_finite() {
        return value::double(x);
    }
    let smallest = 0.5 * 10_f64.powi(-i32::try_from(decimals).unwrap_or(i32::MAX));
    if x != 0.0 && (x.abs() < smallest || x.abs() >= 1e15) {
        return format!("{x:.2e}");
    }
    format!("{x:.decimals$}")
}

/// The text with control characters escaped.
fn printable(text: &str) -> String {
    if !text.contains(hidden) {
        return text.to_string();
    }
    text.chars().fold(String::with_capacity(text.len() + 8), |mut shown, c| {
        if hidden(c) {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
        shown
    })
}

/// Control characters, and those that turn the direction of text around.
fn hidden(c: char) -> bool {
    c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
