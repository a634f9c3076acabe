//! Errors as clients read them: an SQLSTATE, the message, the code of TasteDB as detail, the next step
//! as hint, and the place.
//!
//! Every code of TasteDB has one SQLSTATE, in one table; programs that know PostgreSQL's classes do the
//! right thing (retry on 40001, say "duplicate key" on 23505), and people see the code they can look up.

use tastedb::{Error, Place};

use super::super::problem::Problem;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Severity {
    /// The statement has failed.
    Error,
    /// The connection ends.
    Fatal,
    /// A remark.
    Notice,
}

impl Severity {
    /// The word for it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Severity::Error => "ERROR",
            Severity::Fatal => "FATAL",
            Severity::Notice => "NOTICE",
        }
    }
}

/// An error on its way to a client.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    /// How bad it is.
    pub(super) severity: Severity,
    /// PostgreSQL's code.
    pub(super) sqlstate: &'static str,
    /// What is wrong, in one line.
    pub(super) message: String,
    /// The code of TasteDB.
    pub(super) code: Option<&'static str>,
    /// What to do about it.
    pub(super) hint: Option<String>,
    /// The character of the text at fault, from 1.
    pub(super) position: Option<usize>,
    /// The function of PostgreSQL that says the same, where drivers act on it.
    pub(super) routine: Option<&'static str>,
}

impl Refusal {
    /// An error of the protocol's own.
    pub(super) fn new(sqlstate: &'static str, message: impl Into<String>) -> Refusal {
        Refusal {
            severity: Severity::Error,
            sqlstate,
            message: message.into(),
            code: None,
            hint: None,
            position: None,
            routine: None,
        }
    }

    /// The same, and the connection ends.
    pub(super) fn fatal(sqlstate: &'static str, message: impl Into<String>) -> Refusal {
        Refusal { severity: Severity::Fatal, ..Refusal::new(sqlstate, message) }
    }

    /// The same with a next step.
    pub(super) fn hint(mut self, hint: impl Into<String>) -> Refusal {
        self.hint = Some(hint.into());
        self
    }

    /// A message that is not what the protocol says.
    pub(super) fn malformed(what: &str) -> Refusal {
        Refusal::fatal("08P01", format!("malformed message: {what}"))
    }

    /// An error of a statement in `sql`.
    pub(super) fn of(error: &Error, sql: &str) -> Refusal {
        Refusal {
            code: Some(error.code()),
            hint: error.next_step().map(str::to_owned),
            position: error.place().map(|place| position(sql, place)),
            ..Refusal::new(sqlstate(error.code()), error.to_string())
        }
    }

    /// The statements that an open transaction takes after one of them has failed.
    pub(super) fn in_failed_transaction() -> Refusal {
        let message = "a statement of this transaction has failed, and the rest is refused";
        Refusal {
            code: Some("TD0505"),
            ..Refusal::new("25P02", message).hint("ROLLBACK, then start over")
        }
    }

    /// A prepared statement whose columns are no longer those that were told: drivers prepare it again.
    pub(super) fn outdated() -> Refusal {
        let message = "the columns are no longer those that were described";
        Refusal {
            routine: Some("RevalidateCachedQuery"),
            ..Refusal::new("0A000", message).hint("prepare the statement again")
        }
    }

    /// The server is about to end.
    pub(super) fn stopping() -> Refusal {
        Refusal::fatal("57P01", "the server is stopping")
    }
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Refusal {
        Refusal {
            code: Some(problem.code),
            hint: problem.next.clone(),
            ..Refusal::new(sqlstate(problem.code), problem.message.clone())
        }
    }
}

/// The character of a place, counted from 1 over the whole text.
fn position(sql: &str, place: Place) -> usize {
    let before: usize = sql
        .split_inclusive('\n')
        .take(place.line.saturating_sub(1))
        .map(|l| l.chars().count())
        .sum();
    before + place.column
}

/// The SQLSTATE of a code of TasteDB.
pub(super) fn sqlstate(code: &str) -> &'static str {
    match code {
        // The statement's form.
        "TD0102" | "TD0101" | "TD0104" | "TD0105" => "42601",
        "TD0103" => "54001",
        "TD0106" => "42P02",
        "TD0107" => "42701",
        "TD0108" | "TD0109" => "22023",
        "TD0110" | "TD0111" | "TD0112" => "42601",
        "TD0114" => "55000",
        // Names and definitions.
        "TD0201" => "42P01",
        "TD0202" => "42703",
        "TD0203" | "TD0206" | "TD0210" | "TD0211" | "TD0213" | "TD0214" | "TD0216" => "42704",
        "TD0204" => "42883",
        "TD0205" => "42710",
        "TD0207" => "42702",
        "TD0208" => "42809",
        "TD0209" => "2BP01",
        "TD0212" => "42P16",
        // Types and values.
        "TD0301" => "42804",
        "TD0302" | "TD0305" | "TD0308" => "22P02",
        "TD0303" => "23502",
        "TD0304" => "22000",
        "TD0306" => "23505",
        "TD0307" => "23503",
        "TD0309" => "42601",
        "TD0310" => "54000",
        "TD0311" => "22000",
        "TD0312" => "42809",
        "TD0313" => "0A000",
        "TD0314" => "428C9",
        // Data files.
        "TD0401" => "58P01",
        "TD0402" => "22023",
        "TD0403" | "TD0404" | "TD0405" | "TD0406" | "TD0409" | "TD0410" => "22P04",
        "TD0407" => "58030",
        "TD0408" => "58P02",
        // Transactions and locks.
        "TD0501" => "25P01",
        "TD0502" => "25001",
        "TD0503" | "TD0504" | "TD0510" => "55P03",
        "TD0505" => "25P02",
        "TD0506" => "25006",
        "TD0507" => "57014",
        "TD0508" => "40001",
        // Models.
        "TD0601" | "TD0602" | "TD0604" | "TD0606" | "TD0610" => "55000",
        "TD0603" => "53200",
        "TD0605" => "XX001",
        "TD0607" => "22023",
        "TD0611" => "0A000",
        "TD0612" => "22003",
        "TD0613" => "58000",
        // Recommending.
        "TD0701" | "TD0702" => "02000",
        "TD0703" | "TD0704" | "TD0705" | "TD0706" => "22023",
        "TD0707" => "02000",
        // Storage.
        "TD0801" | "TD0802" => "58030",
        "TD0803" => "XX001",
        "TD0804" | "TD0805" | "TD0806" | "TD0807" | "TD0808" => "58000",
        "TD0809" => "0A000",
        "TD0810" => "53200",
        // Not supported yet.
        "TD0901" | "TD0902" | "TD0903" => "0A000",
        // The server.
        "TD1001" => "28P01",
        "TD1002" => "42501",
        "TD1005" => "54000",
        "TD1006" => "53300",
        "TD1007" => "57014",
        "TD1008" => "54000",
        "TD1003" | "TD1004" | "TD1009" | "TD1010" | "TD1011" | "TD1012" => "22023",
        _ => "XX000",
    }
}

#[cfg(test)]
mod tests {
    use tastedb::Place;

    use super::{position, sqlstate};

    #[test]
    fn every_code_but_the_internal_one_has_its_sqlstate() {
        for code in tastedb_query::codes::ALL {
            let state = sqlstate(code.id);
            assert_eq!(state == "XX000", code.id == "TD0899", "{}", code.id);
            assert!(state.len() == 5 && state.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        }
    }

    #[test]
    fn places_count_characters_over_lines() {
        let place = |line, column| Place { line, column, end_line: line, end_column: column };
        assert_eq!(position("αβ\nγδ x", place(2, 4)), 7);
        assert_eq!(position("SELECT", place(1, 3)), 3);
    }
}
