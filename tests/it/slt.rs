//! The scripts of `sql/slt/`, in the form of sqllogictest: every statement with the rows, the count
//! or the error code that must come of it.
//!
//! Each script has a database of its own, in memory, or in a folder if its first line is
//! `# on disk`. The present is always 2024-01-01. Beyond sqllogictest's own records:
//!
//! ```text
//! $DIR                  an empty folder, for files
//! -- $1 = 'u1'          a line in a statement that gives a parameter its value
//! NOTICES               a query of its own: the notices of the connection's last statement
//! statement error TD0201.*no table   a regular expression over `code: message (line, column)`
//! ```
//!
//! `TASTEDB_SLT=copy` runs only the scripts whose names contain `copy`.

use std::fmt;
use std::fs;
use std::future::ready;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqllogictest::{
    DB, DBOutput, DefaultColumnType, Record, Runner, parser, strict_column_validator,
};
use tastedb::arrow::array::Array;
use tastedb::arrow::datatypes::DataType;
use tastedb::arrow::util::display::{ArrayFormatter, FormatOptions};
use tastedb::{Database, Options, Outcome, Session, Value};

type Records = Vec<Record<DefaultColumnType>>;

/// 2024-01-01 in microseconds.
const NOW: i64 = 1_704_067_200_000_000;

#[test]
fn every_script_does_what_it_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let wanted = std::env::var("TASTEDB_SLT").unwrap_or_default();
    let mut scripts = scripts(&root.join("sql/slt"));
    assert!(scripts.len() > 20, "found only {} scripts", scripts.len());
    scripts.retain(|path| path.to_string_lossy().contains(&wanted));
    let wrong: Vec<String> = scripts.iter().flat_map(|path| run(root, path)).collect();
    assert!(wrong.is_empty(), "{} records are wrong:\n\n{}", wrong.len(), wrong.join("\n\n"));
}

fn scripts(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("the scripts are there") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(scripts(&path));
        } else if path.extension().is_some_and(|ending| ending == "slt") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Runs one script to its end and gives everything in it that is wrong.
fn run(root: &Path, path: &Path) -> Vec<String> {
    let scratch = tempfile::tempdir().expect("a folder");
    let files = scratch.path().join("files");
    fs::create_dir(&files).expect("a folder for files");
    let text = fs::read_to_string(path).expect("a script");
    let options = Options::new().clock(|| NOW).busy_timeout(Duration::from_millis(20));
    let database = match text.starts_with("# on disk") {
        true => Database::open_with(scratch.path().join("db"), options),
        false => Database::in_memory_with(options),
    };
    let database = database.expect("a database opens");
    let records = match records(root, path, &files) {
        Ok(records) => records,
        Err(error) => return vec![error.to_string()],
    };
    let connect = || ready(Ok(Connection { session: database.session(), notices: Vec::new() }));
    let mut runner = Runner::new(connect);
    runner.with_column_validator(strict_column_validator);
    let failures = records.into_iter().filter_map(|record| runner.run(record).err());
    failures.map(|error| error.display(false).to_string()).collect()
}

/// The records of a script and of the files that it includes.
fn records(root: &Path, path: &Path, files: &Path) -> Result<Records, parser::ParseError> {
    let name = path.strip_prefix(root).unwrap_or(path).display().to_string();
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{name}: {error}"));
    let text = text.replace("$DIR", &files.to_string_lossy());
    let mut found = Records::new();
    for record in parser::parse_with_name(&text, name)? {
        match record {
            Record::Include { filename, .. } => {
                found.extend(records(root, &path.with_file_name(filename), files)?);
            }
            record => found.push(record),
        }
    }
    Ok(found)
}

/// One connection of a script.
struct Connection {
    session: Session,
    notices: Vec<String>,
}

/// An error as scripts match it.
#[derive(Debug)]
struct Refused(String);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refused {}

impl From<tastedb::Error> for Refused {
    fn from(error: tastedb::Error) -> Refused {
        let place = match error.place() {
            Some(place) => format!(" (line {}, column {})", place.line, place.column),
            None => String::new(),
        };
        Refused(format!("{}: {error}{place}", error.code()))
    }
}

impl DB for Connection {
    type Error = Refused;
    type ColumnType = DefaultColumnType;

    fn run(&mut self, sql: &str) -> Result<DBOutput<DefaultColumnType>, Refused> {
        if sql.trim() == "NOTICES" {
            let rows = self.notices.iter().map(|notice| vec![notice.clone()]).collect();
            return Ok(DBOutput::Rows { types: vec![DefaultColumnType::Text], rows });
        }
        let mut outcomes = self.session.execute_with(sql, &parameters(sql))?;
        let outcome = outcomes.pop().unwrap_or_default();
        self.notices.clone_from(&outcome.notices);
        Ok(output(&outcome))
    }
}

/// The values of `-- $1 = 'u1'` lines, which are numbered from 1 on.
fn parameters(sql: &str) -> Vec<Value> {
    let given = sql.lines().filter_map(|line| line.trim().strip_prefix("-- $"));
    let texts = given.filter_map(|line| line.split_once(" = ")).map(|(_, text)| text.trim());
    texts.map(value).collect()
}

fn value(text: &str) -> Value {
    let quoted = text.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\''));
    match (quoted, text) {
        (Some(text), _) => Value::Text(text.replace("''", "'")),
        (None, "NULL") => Value::Null,
        (None, "TRUE" | "FALSE") => Value::Bool(text == "TRUE"),
        (None, number) => match number.parse() {
            Ok(whole) => Value::Int(whole),
            Err(_) => Value::Real(number.parse().expect("a parameter's value")),
        },
    }
}

fn output(outcome: &Outcome) -> DBOutput<DefaultColumnType> {
    let Some(found) = &outcome.rows else { return DBOutput::StatementComplete(outcome.affected) };
    let types = found.schema.fields().iter().map(|field| letter(field.data_type())).collect();
    let format = FormatOptions::default()
        .with_timestamp_format(Some("%Y-%m-%d %H:%M:%S%.f"))
        .with_null("NULL");
    let mut rows = Vec::new();
    for batch in &found.batches {
        let columns: Vec<ArrayFormatter<'_>> = batch
            .columns()
            .iter()
            .map(|column| ArrayFormatter::try_new(column, &format).expect("a column that prints"))
            .collect();
        for row in 0..batch.num_rows() {
            let cells = columns.iter().zip(batch.columns()).map(|(text, column)| {
                let text = text.value(row).to_string();
                match text.is_empty() && !column.is_null(row) {
                    true => "(empty)".to_owned(),
                    false => text,
                }
            });
            rows.push(cells.collect());
        }
    }
    DBOutput::Rows { types, rows }
}

/// `T`ext, `I`nteger, `R`eal; any other letter stands for the other types.
fn letter(ty: &DataType) -> DefaultColumnType {
    match ty {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => DefaultColumnType::Text,
        ty if ty.is_integer() => DefaultColumnType::Integer,
        ty if ty.is_floating() => DefaultColumnType::FloatingPoint,
        _ => DefaultColumnType::Any,
    }
}
