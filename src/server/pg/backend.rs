//! What the server sends: messages of protocol 3.0, appended to a buffer.
//!
//! Nothing here knows a socket. Invariant: a message that was begun is ended by the same call, with its
//! length.

use super::oids::Column;
use super::refusal::{Refusal, Severity};

/// Whether a transaction is open, as `ReadyForQuery` tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    /// None.
    Idle,
    /// One.
    Open,
    /// One of which a statement has failed.
    Failed,
}

/// The most bytes of one text of a message that is not a row.
const LONGEST: usize = 64 << 10;

/// Bytes that are to be sent.
#[derive(Debug, Default)]
pub(super) struct Output {
    pub(super) bytes: Vec<u8>,
}

impl Output {
    /// Appends a message whose body `fill` writes.
    pub(super) fn message(&mut self, kind: u8, fill: impl FnOnce(&mut Vec<u8>)) {
        self.bytes.push(kind);
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 4]);
        fill(&mut self.bytes);
        // A row of 2 GiB would not fit into memory before it gets here.
        let length = i32::try_from(self.bytes.len() - start).unwrap_or(i32::MAX);
        self.bytes[start..start + 4].copy_from_slice(&length.to_be_bytes());
    }

    /// `R`: who are you, and are you?
    pub(super) fn authentication(&mut self, code: i32, data: &[u8]) {
        self.message(b'R', |out| {
            out.extend_from_slice(&code.to_be_bytes());
            out.extend_from_slice(data);
        });
    }

    /// `v`: the newest minor version, and options that are not known.
    pub(super) fn negotiate(&mut self, unknown: &[&str]) {
        self.message(b'v', |out| {
            out.extend_from_slice(&0i32.to_be_bytes());
            let count = i32::try_from(unknown.len()).unwrap_or(0);
            out.extend_from_slice(&count.to_be_bytes());
            unknown.iter().for_each(|name| text(out, name));
        });
    }

    /// `K`: how to cancel.
    pub(super) fn key(&mut self, pid: i32, secret: i32) {
        self.message(b'K', |out| {
            out.extend_from_slice(&pid.to_be_bytes());
            out.extend_from_slice(&secret.to_be_bytes());
        });
    }

    /// `S`: a parameter of the session.
    pub(super) fn parameter(&mut self, name: &str, value: &str) {
        self.message(b'S', |out| {
            text(out, name);
            text(out, value);
        });
    }

    /// `Z`: ready for the next statement.
    pub(super) fn ready(&mut self, status: Status) {
        let letter = match status {
            Status::Idle => b'I',
            Status::Open => b'T',
            Status::Failed => b'E',
        };
        self.message(b'Z', |out| out.push(letter));
    }

    /// `T`: the columns of the rows that follow.
    pub(super) fn columns(&mut self, columns: &[Column], formats: &[i16]) {
        self.message(b'T', |out| {
            count(out, columns.len());
            for (at, column) in columns.iter().enumerate() {
                text(out, &column.name);
                out.extend_from_slice(&0i32.to_be_bytes());
                out.extend_from_slice(&0i16.to_be_bytes());
                out.extend_from_slice(&column.kind.oid().to_be_bytes());
                out.extend_from_slice(&column.kind.length().to_be_bytes());
                out.extend_from_slice(&(-1i32).to_be_bytes());
                out.extend_from_slice(&format(formats, at).to_be_bytes());
            }
        });
    }

    /// `t`: the types of a statement's parameters.
    pub(super) fn parameters(&mut self, types: &[u32]) {
        self.message(b't', |out| {
            count(out, types.len());
            types.iter().for_each(|oid| out.extend_from_slice(&oid.to_be_bytes()));
        });
    }

    /// `n`: no rows will follow.
    pub(super) fn no_data(&mut self) {
        self.message(b'n', |_| {});
    }

    /// `C`: a statement has ended.
    pub(super) fn complete(&mut self, tag: &str) {
        self.message(b'C', |out| text(out, tag));
    }

    /// `I`: there was no statement.
    pub(super) fn empty(&mut self) {
        self.message(b'I', |_| {});
    }

    /// `s`: there are more rows.
    pub(super) fn suspended(&mut self) {
        self.message(b's', |_| {});
    }

    /// `1`, `2`, `3`: parsed, bound, closed.
    pub(super) fn done(&mut self, kind: u8) {
        self.message(kind, |_| {});
    }

    /// `G`: send the rows of a COPY; `H`: here they come. Always as text.
    pub(super) fn copy(&mut self, kind: u8, columns: usize) {
        self.message(kind, |out| {
            out.push(0);
            count(out, columns);
            (0..columns).for_each(|_| out.extend_from_slice(&0i16.to_be_bytes()));
        });
    }

    /// `d`: bytes of a COPY.
    pub(super) fn copy_data(&mut self, bytes: &[u8]) {
        self.message(b'd', |out| out.extend_from_slice(bytes));
    }

    /// `c`: a COPY has ended.
    pub(super) fn copy_done(&mut self) {
        self.message(b'c', |_| {});
    }

    /// `E`: an error.
    pub(super) fn error(&mut self, refusal: &Refusal) {
        self.message(b'E', |out| fields(out, refusal));
    }

    /// `N`: a remark.
    pub(super) fn notice(&mut self, remark: &str) {
        let refusal = Refusal {
            severity: Severity::Notice,
            sqlstate: "00000",
            message: remark.to_owned(),
            code: None,
            hint: None,
            position: None,
            routine: None,
        };
        self.message(b'N', |out| fields(out, &refusal));
    }
}

/// The format of a column or a parameter: none given means text, one is for all.
pub(super) fn format(formats: &[i16], at: usize) -> i16 {
    match formats {
        [] => 0,
        [all] => *all,
        each => each.get(at).copied().unwrap_or(0),
    }
}

fn fields(out: &mut Vec<u8>, refusal: &Refusal) {
    let mut field = |kind: u8, value: &str| {
        out.push(kind);
        text(out, value);
    };
    field(b'S', refusal.severity.name());
    field(b'V', refusal.severity.name());
    field(b'C', refusal.sqlstate);
    field(b'M', &refusal.message);
    if let Some(code) = refusal.code {
        field(b'D', &format!("TasteDB error {code}"));
    }
    if let Some(hint) = &refusal.hint {
        field(b'H', hint);
    }
    if let Some(position) = refusal.position {
        field(b'P', &position.to_string());
    }
    if let Some(routine) = refusal.routine {
        field(b'R', routine);
    }
    out.push(0);
}

fn count(out: &mut Vec<u8>, count: usize) {
    let count = u16::try_from(count).unwrap_or(u16::MAX);
    out.extend_from_slice(&count.to_be_bytes());
}

/// A text with its zero byte; a zero inside would end it early.
fn text(out: &mut Vec<u8>, text: &str) {
    let bytes = text.as_bytes();
    let mut end = bytes.len().min(LONGEST);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    out.extend(bytes[..end].iter().copied().filter(|byte| *byte != 0));
    out.push(0);
}
