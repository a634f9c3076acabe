//! The program as a user meets it: arguments, scripts, formats, exit status, and what goes where.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

const SETUP: &str = "
CREATE TABLE people (id TEXT PRIMARY KEY, country TEXT) WITH (role = 'user');
CREATE TABLE movies (id TEXT PRIMARY KEY, title TEXT, year INT, genres TEXT[], price REAL)
  WITH (role = 'item');
CREATE TABLE ratings (user_id TEXT REFERENCES people, item_id TEXT REFERENCES movies, rating REAL)
  WITH (role = 'interaction');
INSERT INTO people VALUES ('u1', 'NO'), ('u2', NULL);
INSERT INTO movies (id, title, year, price) VALUES
  ('m1', 'Heat', 1995, 9.5), ('m2', 'Say \"hi\", twice', 2001, NULL), ('m3', '', NULL, 0.1);
INSERT INTO ratings VALUES ('u1', 'm1', 5), ('u1', 'm2', 4), ('u2', 'm1', 3);
";

fn tastedb() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tastedb"));
    command.stdin(Stdio::null());
    command
}

fn output(command: &mut Command) -> Output {
    command.output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// A database with a few rows.
fn prepared() -> (TempDir, std::path::PathBuf) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("shop.taste");
    let made = output(tastedb().arg(&path).args(["-c", SETUP]));
    assert!(made.status.success(), "{}", stderr(&made));
    assert_eq!(stdout(&made), "", "statements without rows write nothing to standard output");
    (folder, path)
}

fn run(path: &Path, arguments: &[&str]) -> Output {
    output(tastedb().arg(path).args(arguments))
}

#[test]
fn csv_has_a_header_and_tells_null_from_empty() {
    let (_folder, path) = prepared();
    let sql = "SELECT id, title, year, price FROM movies ORDER BY id";
    let output = run(&path, &["--format", "csv", "-c", sql]);
    assert!(output.status.success(), "{}", stderr(&output));
    let expected = "id,title,year,price\n\
                    m1,Heat,1995,9.5\n\
                    m2,\"Say \"\"hi\"\", twice\",2001,\n\
                    m3,\"\",,0.1\n";
    assert_eq!(stdout(&output), expected);
}

#[test]
fn json_lines_are_objects_and_json_is_an_array() {
    let (_folder, path) = prepared();
    let sql = "SELECT id, price FROM movies ORDER BY id";
    let lines = run(&path, &["--format", "jsonl", "-c", sql]);
    let expected = "{\"id\":\"m1\",\"price\":9.5}\n\
                    {\"id\":\"m2\",\"price\":null}\n\
                    {\"id\":\"m3\",\"price\":0.1}\n";
    assert_eq!(stdout(&lines), expected);
    let array = run(&path, &["--format", "json", "-c", sql]);
    let parsed: serde_json::Value = serde_json::from_str(&stdout(&array)).unwrap();
    assert_eq!(parsed.as_array().unwrap().len(), 3);
    assert_eq!(parsed[0]["id"], "m1");
}

#[test]
fn tables_are_aligned_and_counted() {
    let (_folder, path) = prepared();
    let output = run(&path, &["-c", "SELECT id, year FROM movies WHERE year > 1990 ORDER BY id"]);
    let expected = "\
┌────┬──────┐
│ id ┆ year │
╞════╪══════╡
│ m1 ┆ 1995 │
│ m2 ┆ 2001 │
└────┴──────┘
(2 rows)
";
    assert_eq!(stdout(&output), expected);
}

#[test]
fn a_script_stops_at_its_first_error_and_keeps_what_was_done() {
    let (folder, path) = prepared();
    let script = folder.path().join("script.sql");
    let text = "INSERT INTO people (id) VALUES ('u3');\n\
                -- the next line is wrong\n\
                SELECT *\n\
                  FROM moveis;\n\
                INSERT INTO people (id) VALUES ('u4');\n";
    std::fs::write(&script, text).unwrap();
    let failed = run(&path, &["-f", script.to_str().unwrap()]);
    assert_eq!(failed.status.code(), Some(1));
    assert_eq!(stdout(&failed), "");
    let message = stderr(&failed);
    assert!(message.contains("error TD02"), "{message}");
    assert!(message.contains("did you mean `movies`?"), "{message}");
    assert!(message.contains("script.sql:4:6"), "{message}");
    assert!(message.contains("^^^^^^"), "{message}");
    let people = run(&path, &["--format", "csv", "-c", "SELECT count(*) AS n FROM people"]);
    assert_eq!(stdout(&people), "n\n3\n");
}

#[test]
fn syntax_errors_show_the_line_and_a_caret() {
    let (_folder, path) = prepared();
    let failed = run(&path, &["-c", "SELECT 1;\nRECOMMEND movies LIMIT 3"]);
    assert_eq!(failed.status.code(), Some(1));
    let message = stderr(&failed);
    assert!(message.contains("error TD01"), "{message}");
    assert!(message.contains("2 | RECOMMEND movies LIMIT 3"), "{message}");
    assert!(message.contains('^'), "{message}");
}

#[test]
fn statements_come_from_standard_input_and_answers_are_flushed_one_by_one() {
    let (_folder, path) = prepared();
    let mut child = tastedb()
        .arg(&path)
        .args(["--format", "jsonl"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut answers = BufReader::new(child.stdout.take().unwrap()).lines();
    // Each answer must come before the next question is asked: a coprocess.
    for (question, answer) in [
        ("SELECT 1 AS n;\n", "{\"n\":1}"),
        ("INSERT INTO people (id) VALUES ('u9') RETURNING id;\n", "{\"id\":\"u9\"}"),
        ("SELECT id\n  FROM people\n  WHERE id = 'u9';\n", "{\"id\":\"u9\"}"),
    ] {
        stdin.write_all(question.as_bytes()).unwrap();
        assert_eq!(answers.next().unwrap().unwrap(), answer);
    }
    drop(stdin);
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_reader_that_leaves_early_is_no_error() {
    let (_folder, path) = prepared();
    // Three to the power of eleven rows.
    let tables: Vec<String> = ('a'..='k').map(|name| format!("movies {name}")).collect();
    let many = &format!("SELECT a.id FROM {}", tables.join(", "));
    let mut child = tastedb()
        .arg(&path)
        .args(["--format", "csv", "-c", many, "-c", many])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
    // The reader is dropped here, with most of the rows unread.
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(stderr(&output), "");
}

#[test]
fn dot_commands_work_in_scripts() {
    let (folder, path) = prepared();
    let inner = folder.path().join("inner.sql");
    std::fs::write(&inner, "SELECT count(*) AS n FROM movies;").unwrap();
    let outer = folder.path().join("outer.sql");
    let text =
        format!(".mode csv\n.read '{}'\nSELECT 2 AS two;\n.quit\nSELECT 3;", inner.display());
    std::fs::write(&outer, text).unwrap();
    let output = run(&path, &["-f", outer.to_str().unwrap()]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(stdout(&output), "n\n3\ntwo\n2\n");

    std::fs::write(&outer, ".tabels\n").unwrap();
    let failed = run(&path, &["-f", outer.to_str().unwrap()]);
    assert_eq!(failed.status.code(), Some(1));
    assert!(stderr(&failed).contains("did you mean `.tables`?"), "{}", stderr(&failed));
}

#[test]
fn schema_prints_statements_that_make_the_same_tables() {
    let (folder, path) = prepared();
    let schema = run(&path, &["-c", ".schema"]);
    assert!(schema.status.success(), "{}", stderr(&schema));
    let text = stdout(&schema);
    let copy = folder.path().join("copy.taste");
    let made = run(&copy, &["-c", &text]);
    assert!(made.status.success(), "{}\nfrom\n{text}", stderr(&made));
    assert_eq!(stdout(&run(&copy, &["-c", ".schema"])), text);
    assert!(text.contains("REFERENCES movies") && text.contains("genres TEXT[]"), "{text}");
}

#[test]
fn a_transaction_that_is_left_open_is_rolled_back_and_said() {
    let (_folder, path) = prepared();
    let output = run(&path, &["-c", "BEGIN; DELETE FROM ratings;"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stderr(&output).contains("rolled back"), "{}", stderr(&output));
    let ratings = run(&path, &["--format", "csv", "-c", "SELECT count(*) AS n FROM ratings"]);
    assert_eq!(stdout(&ratings), "n\n3\n");
}

#[test]
fn a_database_can_be_checked_backed_up_and_restored() {
    let (folder, path) = prepared();
    let backup = folder.path().join("backup");
    let copy = folder.path().join("copy.taste");
    for arguments in [
        vec!["check".into(), path.clone()],
        vec!["backup".into(), path.clone(), backup.clone()],
        vec!["restore".into(), backup.clone(), copy.clone()],
        vec!["check".into(), copy.clone()],
    ] {
        let done = output(tastedb().args(&arguments));
        assert!(done.status.success(), "{arguments:?}: {}", stderr(&done));
        assert_eq!(stdout(&done), "");
    }
    let sql = ["--format", "csv", "-c", "SELECT * FROM ratings ORDER BY user_id, item_id"];
    assert_eq!(stdout(&run(&path, &sql)), stdout(&run(&copy, &sql)));
    let again = output(tastedb().arg("backup").arg(&path).arg(&backup));
    assert_eq!(again.status.code(), Some(1), "a backup never overwrites");
}

#[test]
fn what_is_not_a_database_is_refused() {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("notes.txt"), "mine").unwrap();
    let opened = run(folder.path(), &["-c", "SELECT 1"]);
    assert_eq!(opened.status.code(), Some(1));
    assert!(stderr(&opened).contains("not a TasteDB database"), "{}", stderr(&opened));
    let missing = folder.path().join("missing");
    for arguments in
        [vec!["check".into(), missing.clone()], vec![missing.clone(), "--read-only".into()]]
    {
        let checked = output(tastedb().args(&arguments));
        assert_eq!(checked.status.code(), Some(1), "{arguments:?}");
        assert!(!missing.exists(), "looking must not create");
    }
}

#[test]
fn a_second_process_is_told_that_the_database_is_open() {
    let (_folder, path) = prepared();
    let held = tastedb::Database::open(&path).unwrap();
    let second = run(&path, &["-c", "SELECT 1"]);
    assert_eq!(second.status.code(), Some(1));
    assert!(stderr(&second).contains("open in another process"), "{}", stderr(&second));
    drop(held);
    assert!(run(&path, &["-c", "SELECT 1"]).status.success());
}

#[test]
fn the_demonstration_runs_to_its_end() {
    let folder = TempDir::new().unwrap();
    let kept = folder.path().join("kept.taste");
    let output = output(tastedb().arg("demo").arg("--db").arg(&kept));
    assert!(output.status.success(), "{}\n{}", stdout(&output), stderr(&output));
    let story = stdout(&output);
    for step in ["Create", "Import", "Train", "Evaluate", "Recommend", "Similar", "click", "Forget"]
    {
        assert!(story.contains(step), "no {step} in\n{story}");
    }
    assert!(story.contains("are new:"), "the click changed nothing:\n{story}");
    let models = run(&kept, &["--format", "csv", "-c", "SHOW MODELS"]);
    assert!(stdout(&models).contains("taste"), "{}", stdout(&models));
    assert!(self::output(tastedb().arg("check").arg(&kept)).status.success());
}
