//! A script as a sequence of pieces: one statement each, or one dot command, with the place where
//! it stands. Text may come line by line, so that a program at the other end of a pipe gets each
//! answer before it sends the next question.

use super::statement::Scanner;

/// One thing to run.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Piece {
    /// A statement with the space and comments before it, and its `;`.
    Sql { text: String, at: Place },
    /// A line that begins with a dot, without its line end.
    Dot { text: String, at: Place },
}

/// Where a piece begins, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

/// Cuts the text of a script into pieces.
#[derive(Debug)]
pub(crate) struct Pieces {
    scanner: Scanner,
    buffer: String,
    /// How much of the buffer the scanner has read.
    scanned: usize,
    at: Place,
}

impl Pieces {
    /// At the beginning of a script.
    pub(crate) fn new() -> Pieces {
        Pieces {
            scanner: Scanner::new(),
            buffer: String::new(),
            scanned: 0,
            at: Place { line: 1, column: 1 },
        }
    }

    /// Adds text: whole lines, except for the last.
    pub(crate) fn push(&mut self, text: &str) {
        self.buffer.push_str(text);
    }

    /// The next piece that is complete.
    pub(crate) fn next(&mut self) -> Option<Piece> {
        if let Some(dot) = self.dot_command() {
            return Some(dot);
        }
        // Line by line, since a dot command may follow on comments and empty lines.
        while self.scanned < self.buffer.len() {
            let rest = &self.buffer[self.scanned..];
            let line = rest.find('\n').map_or(rest.len(), |end| end + 1);
            if let Some(end) = self.scanner.next_end(&rest[..line]) {
                let end = self.scanned + end;
                return Some(self.take(end));
            }
            self.scanned += line;
            if self.scanner.is_blank() {
                let blank = self.scanned;
                self.drop_front(blank);
                if let Some(dot) = self.dot_command() {
                    return Some(dot);
                }
            }
        }
        None
    }

    /// What is left at the end of a script: a statement without its `;`.
    pub(crate) fn finish(&mut self) -> Option<Piece> {
        let piece = self.next();
        if piece.is_some() || self.buffer.trim().is_empty() || self.scanner.is_blank() {
            return piece;
        }
        Some(self.take(self.buffer.len()))
    }

    fn dot_command(&mut self) -> Option<Piece> {
        if self.scanned > 0 || !self.scanner.is_blank() {
            return None;
        }
        let start = self.buffer.len() - self.buffer.trim_start().len();
        if !self.buffer[start..].starts_with('.') {
            return None;
        }
        self.drop_front(start);
        let end = self.buffer.find('\n').map_or(self.buffer.len(), |end| end + 1);
        let at = self.at;
        let text = self.buffer[..end].trim_end().to_string();
        self.drop_front(end);
        Some(Piece::Dot { text, at })
    }

    fn take(&mut self, end: usize) -> Piece {
        let at = self.at;
        let text = self.buffer[..end].to_string();
        self.drop_front(end);
        Piece::Sql { text, at }
    }

    /// Forgets the first `end` bytes and starts a new statement there.
    fn drop_front(&mut self, end: usize) {
        let gone = &self.buffer[..end];
        if let Some(last) = gone.rfind('\n') {
            self.at.line += gone.matches('\n').count();
            self.at.column = 1 + gone[last + 1..].chars().count();
        } else {
            self.at.column += gone.chars().count();
        }
        self.buffer.drain(..end);
        self.scanned = 0;
        self.scanner = Scanner::new();
    }
}

#[cfg(test)]
mod tests {
    use super::{Piece, Pieces};

    fn pieces(text: &str) -> Vec<(String, usize, usize)> {
        let mut pieces = Pieces::new();
        let mut found = Vec::new();
        let mut add = |piece: Piece| match piece {
            Piece::Sql { text, at } => found.push((text, at.line, at.column)),
            Piece::Dot { text, at } => found.push((format!("dot {text}"), at.line, at.column)),
        };
        for line in text.split_inclusive('\n') {
            pieces.push(line);
            while let Some(piece) = pieces.next() {
                add(piece);
            }
        }
        while let Some(piece) = pieces.finish() {
            add(piece);
        }
        found
    }

    #[test]
    fn statements_come_out_one_by_one_with_their_places() {
        let found = pieces("SELECT 1; SELECT\n 2;\n\n-- note;\nSELECT 3");
        let expected = [
            ("SELECT 1;".to_string(), 1, 1),
            (" SELECT\n 2;".to_string(), 1, 10),
            ("SELECT 3".to_string(), 5, 1),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn dot_commands_stand_between_statements_only() {
        let found = pieces("-- a\n.mode csv\nSELECT '\n.x' ;\n  .timer on\n.quit");
        let expected = [
            ("dot .mode csv".to_string(), 2, 1),
            ("SELECT '\n.x' ;".to_string(), 3, 1),
            ("dot .timer on".to_string(), 5, 3),
            ("dot .quit".to_string(), 6, 1),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_script_of_nothing_has_no_pieces() {
        assert!(pieces("").is_empty());
        assert!(pieces("  \n-- only this\n/* and this */").is_empty());
    }

    #[test]
    fn an_unfinished_text_is_still_a_statement() {
        assert_eq!(pieces("SELECT 'a;\n").len(), 1);
    }
}
