//! Statements about the session: SET, SHOW, RESET, DISCARD, DEALLOCATE.

use super::backend::Output;
use super::connection::{Connection, Failure};
use super::oids::{Column, Kind};
use super::refusal::Refusal;
use super::settings::Command;

impl Connection<'_> {
    fn in_transaction(&self, verb: &str) -> Result<(), Refusal> {
        match self.session.in_transaction() {
            true => Ok(()),
            false => Err(Refusal::new("25P01", format!("{verb} belongs into a transaction"))),
        }
    }

    /// The place of the latest savepoint of this name.
    fn savepoint(&self, name: &str, verb: &str) -> Result<usize, Refusal> {
        self.in_transaction(verb)?;
        let at = self.savepoints.iter().rposition(|(known, _)| known == name);
        at.ok_or_else(|| Refusal::new("3B001", format!("there is no savepoint `{name}`")))
    }

    /// Goes back to a savepoint, where nothing was written since: a statement that fails undoes itself, so
    /// that there is nothing to undo. This is what drivers do around statements that may fail.
    fn roll_back_to(&mut self, name: &str) -> Result<(), Refusal> {
        let at = self.savepoint(name, "ROLLBACK TO")?;
        if self.savepoints[at].1 != self.writes {
            let message = format!("something was written since the savepoint `{name}`");
            return Err(Refusal {
                code: Some("TD0902"),
                ..Refusal::new("0A000", message).hint("ROLLBACK the whole transaction")
            });
        }
        self.savepoints.truncate(at + 1);
        self.failed = false;
        Ok(())
    }

    /// Carries out a statement about the session.
    pub(super) fn command(&mut self, command: &Command, describe: bool) -> Result<(), Failure> {
        if self.failed && !matches!(command, Command::RollbackTo(_)) {
            return Err(Refusal::in_failed_transaction().into());
        }
        let rows: Option<Vec<Vec<String>>> = match command {
            Command::Set { name, value } => {
                if let Some((name, value)) = self.settings.set(name, value.as_deref())? {
                    self.wire.out.parameter(name, &value);
                }
                None
            }
            Command::Show(name) => Some(vec![vec![self.settings.get(name)?]]),
            Command::ShowAll => {
                let all = self.settings.all().into_iter();
                Some(all.map(|(name, value)| vec![name, value, String::new()]).collect())
            }
            Command::ResetAll => {
                self.settings.reset();
                None
            }
            Command::Discard { all } => {
                if *all {
                    if self.session.in_transaction() {
                        let message = "DISCARD ALL cannot run inside a transaction";
                        return Err(Refusal::new("25001", message).into());
                    }
                    self.settings.reset();
                    self.statements.clear();
                    self.portals.clear();
                    self.recent.clear();
                }
                None
            }
            Command::Deallocate(None) => {
                self.statements.clear();
                None
            }
            Command::Deallocate(Some(name)) => {
                if self.statements.remove(name).is_none() {
                    let message = format!("there is no prepared statement `{name}`");
                    return Err(Refusal::new("26000", message).into());
                }
                None
            }
            Command::Savepoint(name) => {
                self.in_transaction("SAVEPOINT")?;
                self.savepoints.push((name.clone(), self.writes));
                None
            }
            Command::Release(name) => {
                let at = self.savepoint(name, "RELEASE")?;
                self.savepoints.truncate(at);
                None
            }
            Command::RollbackTo(name) => {
                self.roll_back_to(name)?;
                None
            }
            Command::Nothing(_) => None,
        };
        if let (Some(rows), Some(columns)) = (rows, shown(command)) {
            if describe {
                self.wire.out.columns(&columns, &[]);
            }
            rows.iter().for_each(|row| texts(&mut self.wire.out, row));
        }
        self.wire.out.complete(command.tag());
        Ok(())
    }
}

/// The columns of a SHOW.
pub(super) fn shown(command: &Command) -> Option<Vec<Column>> {
    let column = |name: &str| Column { name: name.to_owned(), kind: Kind::Text };
    match command {
        Command::Show(name) => Some(vec![column(name)]),
        Command::ShowAll => Some(["name", "setting", "description"].map(column).to_vec()),
        _ => None,
    }
}

/// Appends a row of texts.
fn texts(out: &mut Output, row: &[String]) {
    out.message(b'D', |bytes| {
        let count = u16::try_from(row.len()).unwrap_or(0);
        bytes.extend_from_slice(&count.to_be_bytes());
        for text in row {
            let length = i32::try_from(text.len()).unwrap_or(i32::MAX);
            bytes.extend_from_slice(&length.to_be_bytes());
            bytes.extend_from_slice(text.as_bytes());
        }
    });
}
