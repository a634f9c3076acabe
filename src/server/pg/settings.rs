//! What a session has set, and the statements about it: SET, SHOW, RESET, DISCARD, DEALLOCATE, SAVEPOINT.
//!
//! Clients set a number of PostgreSQL's settings when they begin. Those that say how values are written
//! have one value here, and another one is refused, so that nobody reads a date the wrong way round; the
//! others are remembered and shown, and change nothing, but for the two that this server heeds: the time
//! limit and the isolation of transactions. Nothing here reaches the database.

use std::collections::BTreeMap;
use std::time::Duration;

use super::refusal::Refusal;

/// The version that clients compare with, and ours.
pub(super) fn version() -> String {
    format!("15.0 (TasteDB {})", env!("CARGO_PKG_VERSION"))
}

/// Settings with one value, in the words that clients use for it.
const FIXED: &[(&str, &str, &[&str])] = &[
    ("client_encoding", "UTF8", &["utf8", "utf-8", "unicode", "sql_ascii"]),
    ("server_encoding", "UTF8", &["utf8"]),
    ("datestyle", "ISO, MDY", &["iso", "iso,mdy", "iso,dmy", "iso,ymd"]),
    ("timezone", "UTC", &["utc", "etc/utc", "gmt", "etc/gmt", "utc0", "0", "+00", "+00:00", "z"]),
    ("intervalstyle", "postgres", &["postgres"]),
    ("standard_conforming_strings", "on", &["on", "true", "yes", "1"]),
    ("integer_datetimes", "on", &["on"]),
    ("bytea_output", "hex", &["hex"]),
];

/// Settings that may be anything, with what they are at first.
const FREE: &[(&str, &str)] = &[
    ("application_name", ""),
    ("array_nulls", "on"),
    ("backslash_quote", "safe_encoding"),
    ("check_function_bodies", "on"),
    ("client_min_messages", "notice"),
    ("default_table_access_method", "heap"),
    ("default_tablespace", ""),
    ("default_transaction_deferrable", "off"),
    ("default_transaction_isolation", "read committed"),
    ("default_transaction_read_only", "off"),
    ("escape_string_warning", "on"),
    ("extra_float_digits", "1"),
    ("geqo", "on"),
    ("idle_in_transaction_session_timeout", "0"),
    ("in_hot_standby", "off"),
    ("is_superuser", "off"),
    ("jit", "off"),
    ("lc_collate", "C"),
    ("lc_ctype", "C"),
    ("lc_messages", "C"),
    ("lc_monetary", "C"),
    ("lc_numeric", "C"),
    ("lc_time", "C"),
    ("lock_timeout", "0"),
    ("max_identifier_length", "63"),
    ("max_index_keys", "32"),
    ("password_encryption", "scram-sha-256"),
    ("quote_all_identifiers", "off"),
    ("role", "none"),
    ("row_security", "on"),
    ("search_path", "public"),
    ("server_version_num", "150000"),
    ("session_authorization", ""),
    ("statement_timeout", "0"),
    ("synchronize_seqscans", "on"),
    ("synchronous_commit", "on"),
    ("transaction_deferrable", "off"),
    ("transaction_isolation", "read committed"),
    ("transaction_read_only", "off"),
    ("work_mem", "4MB"),
    ("xmloption", "content"),
];

/// How clients know the settings that a session begins by telling.
const TOLD: &[(&str, &str)] = &[
    ("server_encoding", "server_encoding"),
    ("client_encoding", "client_encoding"),
    ("application_name", "application_name"),
    ("datestyle", "DateStyle"),
    ("default_transaction_read_only", "default_transaction_read_only"),
    ("in_hot_standby", "in_hot_standby"),
    ("integer_datetimes", "integer_datetimes"),
    ("intervalstyle", "IntervalStyle"),
    ("is_superuser", "is_superuser"),
    ("session_authorization", "session_authorization"),
    ("standard_conforming_strings", "standard_conforming_strings"),
    ("timezone", "TimeZone"),
];

/// What a session has set.
#[derive(Clone, Debug, Default)]
pub(super) struct Settings {
    set: BTreeMap<String, String>,
    user: String,
}

/// A statement about the session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Command {
    /// `SET name = value`; `None`: as at first.
    Set { name: String, value: Option<String> },
    /// `SHOW name`
    Show(String),
    /// `SHOW ALL`
    ShowAll,
    /// `RESET ALL`
    ResetAll,
    /// `DISCARD ALL`, or a part of it.
    Discard { all: bool },
    /// `DEALLOCATE name`; `None`: all.
    Deallocate(Option<String>),
    /// `SAVEPOINT name`
    Savepoint(String),
    /// `RELEASE name`
    Release(String),
    /// `ROLLBACK TO name`
    RollbackTo(String),
    /// A statement that does nothing here and may: its tag.
    Nothing(&'static str),
}

impl Command {
    /// What clients read when it has ended.
    pub(super) fn tag(&self) -> &'static str {
        match self {
            Command::Set { value: None, .. } | Command::ResetAll => "RESET",
            Command::Set { .. } => "SET",
            Command::Show(_) | Command::ShowAll => "SHOW",
            Command::Discard { all: true } => "DISCARD ALL",
            Command::Discard { all: false } => "DISCARD",
            Command::Deallocate(None) => "DEALLOCATE ALL",
            Command::Deallocate(Some(_)) => "DEALLOCATE",
            Command::Savepoint(_) => "SAVEPOINT",
            Command::Release(_) => "RELEASE",
            Command::RollbackTo(_) => "ROLLBACK",
            Command::Nothing(tag) => tag,
        }
    }
}

/// The words that begin a command.
const WORDS: [&str; 10] = [
    "set",
    "show",
    "reset",
    "discard",
    "deallocate",
    "unlisten",
    "close",
    "savepoint",
    "release",
    "rollback",
];

/// The command that a statement is, if it is one.
pub(super) fn command(sql: &str) -> Option<Command> {
    let first = sql.split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default();
    let is = |word: &str| first.eq_ignore_ascii_case(word);
    if !WORDS.iter().any(|word| is(word)) {
        return None;
    }
    let words = words(sql);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let name = |name: &&str| (*name).to_owned();
    Some(match words.as_slice() {
        ["discard", "all"] => Command::Discard { all: true },
        ["discard", _] => Command::Discard { all: false },
        ["deallocate", "prepare", "all"] | ["deallocate", "all"] => Command::Deallocate(None),
        ["deallocate", "prepare", it] | ["deallocate", it] => Command::Deallocate(Some(name(it))),
        ["unlisten", _] => Command::Nothing("UNLISTEN"),
        ["close", "all"] => Command::Nothing("CLOSE CURSOR ALL"),
        ["savepoint", it] => Command::Savepoint(name(it)),
        ["release", "savepoint", it] | ["release", it] => Command::Release(name(it)),
        ["rollback", "to", "savepoint", it]
        | ["rollback", "to", it]
        | ["rollback", "work" | "transaction", "to", it]
        | ["rollback", "work" | "transaction", "to", "savepoint", it] => {
            Command::RollbackTo(name(it))
        }
        ["reset", "all"] => Command::ResetAll,
        ["reset", "time", "zone"] => Command::Set { name: "timezone".to_owned(), value: None },
        ["reset", it] => Command::Set { name: name(it), value: None },
        ["show", "all"] => Command::ShowAll,
        ["show", "time", "zone"] => Command::Show("timezone".to_owned()),
        ["show", "transaction", "isolation", "level"] => {
            Command::Show("transaction_isolation".to_owned())
        }
        ["show", it] if is_known(it) => Command::Show(name(it)),
        ["set", rest @ ..] => set(rest)?,
        _ => return None,
    })
}

/// A SET without its first word.
fn set(words: &[&str]) -> Option<Command> {
    let words = match words {
        ["session" | "local", rest @ ..] if rest.first() != Some(&"characteristics") => rest,
        all => all,
    };
    let given = |name: &str, value: &[&str]| {
        let value = match value {
            [word] if word.eq_ignore_ascii_case("default") => None,
            words => Some(words.join(" ")),
        };
        Command::Set { name: name.to_owned(), value }
    };
    Some(match words {
        ["time", "zone", value @ ..] if !value.is_empty() => given("timezone", value),
        ["names", value @ ..] if !value.is_empty() => given("client_encoding", value),
        ["session", "characteristics", "as", "transaction", modes @ ..] => match isolation(modes) {
            Some(level) => given("default_transaction_isolation", &[level]),
            None => Command::Nothing("SET"),
        },
        ["transaction", modes @ ..] => match isolation(modes) {
            Some(level) => given("transaction_isolation", &[level]),
            None => Command::Nothing("SET"),
        },
        ["authorization", "default"] => Command::Nothing("SET"),
        [name, "=" | "to", value @ ..] if !value.is_empty() => given(name, value),
        _ => return None,
    })
}

fn isolation(modes: &[&str]) -> Option<&'static str> {
    let has = |word: &str| modes.contains(&word);
    match () {
        () if has("serializable") => Some("serializable"),
        () if has("repeatable") => Some("repeatable read"),
        () if has("committed") || has("uncommitted") => Some("read committed"),
        () => None,
    }
}

fn is_known(name: &str) -> bool {
    name == "server_version"
        || name == "all"
        || FIXED.iter().any(|(known, ..)| *known == name)
        || FREE.iter().any(|(known, _)| *known == name)
        || name.contains('.')
}

/// The words of a statement: names in lower case, the texts of strings as they are, signs alone.
fn words(sql: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut letters = sql.chars().peekable();
    while let Some(letter) = letters.next() {
        if letter == '\'' || letter == '"' {
            let mut text = String::new();
            while let Some(next) = letters.next() {
                if next != letter {
                    text.push(next);
                } else if letters.peek() == Some(&letter) {
                    text.push(next);
                    letters.next();
                } else {
                    break;
                }
            }
            words.push(text);
        } else if letter == '=' {
            words.push("=".to_owned());
        } else if letter.is_whitespace() || letter == ',' {
            // A list of values is its words.
        } else {
            let mut word = letter.to_ascii_lowercase().to_string();
            while let Some(next) = letters.peek()
                && !next.is_whitespace()
                && !"='\",".contains(*next)
            {
                word.push(next.to_ascii_lowercase());
                letters.next();
            }
            words.push(word);
        }
    }
    words
}

impl Settings {
    /// The settings of a session of `user`.
    pub(super) fn new(user: &str) -> Settings {
        Settings { set: BTreeMap::new(), user: user.to_owned() }
    }

    /// What a setting is.
    pub(super) fn get(&self, name: &str) -> Result<String, Refusal> {
        let name = name.to_ascii_lowercase();
        if name == "server_version" {
            return Ok(version());
        }
        if name == "session_authorization" {
            return Ok(self.user.clone());
        }
        if let Some(value) = self.set.get(&name) {
            return Ok(value.clone());
        }
        let fixed = FIXED.iter().find(|(known, ..)| *known == name).map(|(_, value, _)| *value);
        let free = || FREE.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
        fixed.or_else(free).map(str::to_owned).ok_or_else(|| unknown(&name))
    }

    /// Sets something; what clients are to be told of it.
    pub(super) fn set(
        &mut self,
        name: &str,
        value: Option<&str>,
    ) -> Result<Option<(&'static str, String)>, Refusal> {
        let name = name.to_ascii_lowercase();
        let Some(value) = value else {
            self.set.remove(&name);
            return Ok(self.told(&name));
        };
        if let Some((_, only, words)) = FIXED.iter().find(|(known, ..)| *known == name) {
            let asked = value.to_ascii_lowercase().replace([' ', '\''], "");
            let asked = asked.trim_end_matches(',').replace(",,", ",");
            let joined = asked.replace("isomdy", "iso,mdy").replace("isodmy", "iso,dmy");
            if !words.contains(&joined.replace("isoymd", "iso,ymd").as_str()) {
                let message = format!("`{name}` is `{only}` here and cannot be `{value}`");
                return Err(Refusal::new("22023", message));
            }
            return Ok(self.told(&name));
        }
        let lower = value.to_ascii_lowercase();
        let words: Vec<&str> = lower.split(' ').collect();
        match name.as_str() {
            "statement_timeout" if duration(value).is_none() => {
                return Err(bad_value(&name, value));
            }
            "transaction_isolation" | "default_transaction_isolation"
                if isolation(&words).is_none() =>
            {
                return Err(bad_value(&name, value));
            }
            "transaction_read_only" | "default_transaction_read_only"
                if !["off", "false", "no", "0"].contains(&lower.as_str()) =>
            {
                let message = "transactions that only read are not supported";
                return Err(Refusal::new("0A000", message));
            }
            _ if !is_known(&name) => return Err(unknown(&name)),
            _ => {}
        }
        self.set.insert(name.clone(), value.to_owned());
        Ok(self.told(&name))
    }

    /// Everything as at first, but for what the client called itself.
    pub(super) fn reset(&mut self) {
        self.set.clear();
    }

    /// What a session tells when it begins.
    pub(super) fn greeting(&self) -> Vec<(&'static str, String)> {
        let mut told = vec![("server_version", version())];
        told.extend(TOLD.iter().filter_map(|(name, shown)| Some((*shown, self.get(name).ok()?))));
        told
    }

    /// Every setting that is shown, by name.
    pub(super) fn all(&self) -> Vec<(String, String)> {
        let fixed = FIXED.iter().map(|(name, ..)| (*name).to_owned());
        let free = FREE.iter().map(|(name, _)| (*name).to_owned());
        let mut names: Vec<String> = fixed.chain(free).chain(self.set.keys().cloned()).collect();
        names.push("server_version".to_owned());
        names.sort_unstable();
        names.dedup();
        names.into_iter().filter_map(|name| Some((name.clone(), self.get(&name).ok()?))).collect()
    }

    /// The time limit that the client has set, if it has.
    pub(super) fn timeout(&self) -> Option<Duration> {
        let set = self.set.get("statement_timeout")?;
        duration(set).filter(|limit| !limit.is_zero())
    }

    /// Whether the client wants no remarks.
    pub(super) fn is_quiet(&self) -> bool {
        let least = self.set.get("client_min_messages").map(|least| least.to_ascii_lowercase());
        matches!(least.as_deref(), Some("warning" | "error" | "fatal" | "panic"))
    }

    /// Whether BEGIN takes the writer lock at once.
    pub(super) fn is_serializable(&self) -> bool {
        let level = self.set.get("default_transaction_isolation");
        level.is_some_and(|level| !level.to_ascii_lowercase().contains("committed"))
    }

    fn told(&self, name: &str) -> Option<(&'static str, String)> {
        let (_, shown) = TOLD.iter().find(|(known, _)| *known == name)?;
        Some((shown, self.get(name).ok()?))
    }
}

fn unknown(name: &str) -> Refusal {
    Refusal::new("42704", format!("no setting `{name}`")).hint("SHOW ALL lists the settings")
}

fn bad_value(name: &str, value: &str) -> Refusal {
    Refusal::new("22023", format!("`{value}` is no value of `{name}`"))
}

/// A time in milliseconds, or with a unit.
fn duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text[..split].parse().ok()?;
    let millis = match text[split..].trim() {
        "" | "ms" => number,
        "s" => number.checked_mul(1000)?,
        "min" => number.checked_mul(60_000)?,
        "h" => number.checked_mul(3_600_000)?,
        _ => return None,
    };
    Some(Duration::from_millis(millis))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Command, Settings, command};

    fn set(name: &str, value: &str) -> Option<Command> {
        Some(Command::Set { name: name.to_owned(), value: Some(value.to_owned()) })
    }

    #[test]
    fn commands_are_told_from_statements() {
        assert_eq!(command("SET extra_float_digits = 3"), set("extra_float_digits", "3"));
        assert_eq!(command("set session datestyle to 'ISO, MDY'"), set("datestyle", "ISO, MDY"));
        assert_eq!(command("SET DateStyle=ISO, MDY"), set("datestyle", "iso mdy"));
        assert_eq!(command("SET TIME ZONE 'UTC'"), set("timezone", "UTC"));
        assert_eq!(command("SET NAMES utf8"), set("client_encoding", "utf8"));
        let level = "default_transaction_isolation";
        let sql = "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE";
        assert_eq!(command(sql), set(level, "serializable"));
        assert_eq!(
            command("SHOW server_version"),
            Some(Command::Show("server_version".to_owned()))
        );
        assert_eq!(command("DISCARD ALL"), Some(Command::Discard { all: true }));
        assert_eq!(
            command("DEALLOCATE \"S_1\""),
            Some(Command::Deallocate(Some("S_1".to_owned())))
        );
        assert_eq!(command("UNLISTEN *"), Some(Command::Nothing("UNLISTEN")));
        for statement in
            ["SHOW MODELS", "SHOW TRAINING taste", "SELECT 1", "RECOMMEND settings", "set"]
        {
            assert_eq!(command(statement), None, "{statement}");
        }
    }

    #[test]
    fn how_values_are_written_cannot_be_changed() {
        let mut settings = Settings::new("ann");
        assert!(settings.set("DateStyle", Some("iso mdy")).is_ok());
        assert!(settings.set("DateStyle", Some("German")).is_err());
        assert!(settings.set("client_encoding", Some("LATIN1")).is_err());
        assert!(settings.set("TimeZone", Some("UTC")).is_ok());
        assert!(settings.set("timezone", Some("Europe/Berlin")).is_err());
        assert!(settings.set("nonsense", Some("1")).is_err());
    }

    #[test]
    fn what_was_set_is_shown_until_it_is_reset() {
        let mut settings = Settings::new("ann");
        let told = settings.set("application_name", Some("psql")).expect("free");
        assert_eq!(told, Some(("application_name", "psql".to_owned())));
        settings.set("statement_timeout", Some("5s")).expect("a time");
        assert_eq!(settings.timeout(), Some(Duration::from_secs(5)));
        settings.set("default_transaction_isolation", Some("serializable")).expect("a level");
        assert!(settings.is_serializable());
        settings.reset();
        assert_eq!(settings.timeout(), None);
        assert_eq!(settings.get("application_name").ok(), Some(String::new()));
        assert!(settings.get("server_version").is_ok_and(|version| version.starts_with("15.0 (")));
    }
}
