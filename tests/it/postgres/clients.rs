//! The clients that people have: psql, psycopg 3 and SQLAlchemy. Where one is not installed, that is said.

use std::path::Path;
use std::process::{Command, Output};

use super::Postgres;
use crate::support::{python, skipped};

/// Runs a script by psql; its output, unaligned, and its errors.
fn psql(server: &Postgres, options: &str, script: &str) -> Option<(String, String)> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("script.sql");
    std::fs::write(&file, script).unwrap();
    let output = Command::new("psql")
        .args([options, "-v", "ON_ERROR_STOP=0", "-f"])
        .arg(&file)
        .arg(format!("postgres://ann@127.0.0.1:{}/shop", server.port))
        .env("PGCONNECT_TIMEOUT", "20")
        .env("PGOPTIONS", "-c client_min_messages=warning")
        .output()
        .ok()?;
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Some((text(output.stdout), text(output.stderr)))
}

#[test]
fn psql_asks_and_shows() {
    let server = Postgres::shop();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("people.csv");
    let script = format!(
        "SELECT title, year, genres, look FROM movies WHERE id = 'm1';
\\copy (SELECT id, country FROM people ORDER BY id) TO '{file}' WITH (FORMAT csv)
DELETE FROM people WHERE id = 'u3';
\\copy people FROM '{more}' CSV
SELECT count(*) FROM people;
RECOMMEND id FROM movies FOR USER 'u1' WHERE year > 2000 LIMIT 1;
\\set who u2
RECOMMEND id FROM movies FOR USER :'who' LIMIT 1;
\\dt
\\d likes
\\l
\\dn
\\dv
\\du
\\di
",
        file = file.display(),
        more = folder.path().join("more.csv").display(),
    );
    std::fs::write(folder.path().join("more.csv"), "n1,NO\nn2,\n").unwrap();
    let Some((out, err)) = psql(&server, "-XAt", &script) else {
        return skipped("there is no psql");
    };
    assert_eq!(err, "", "{out}");
    let mut lines = out.lines();
    for expected in ["Heat|1995|{crime}|[1,0,0]", "COPY 3", "DELETE 1", "COPY 2", "4", "m3"] {
        let found = lines.next();
        assert_eq!(found, Some(expected), "{out}");
    }
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "u1,NO\nu2,SE\nu3,NO\n");
    for part in [
        "public|likes|table|tastedb",
        "public|movies|table|tastedb",
        "user_id|text||not null|",
        "at|timestamp without time zone|||",
        "shop|tastedb|UTF8",
        "public|tastedb",
        "public|models|view|tastedb",
        "public|movies_pkey|index|tastedb|movies",
    ] {
        assert!(out.contains(part), "{part}\n{out}");
    }
}

#[test]
fn psql_describes_every_table_without_an_error() {
    let server = Postgres::shop();
    let script = "\\d\n\\d+\n\\d movies\n\\d likes\n\\d+ movies\n\\d people\n\\dt+\n\\l+\n\\dn+\n\\dT\n\\df\n\\dx\n\\db\n\\dp\n\\conninfo\n\\encoding\n\\d models\n";
    let Some((out, err)) = psql(&server, "-XA", script) else { return skipped("there is no psql") };
    assert_eq!(err, "", "{out}");
    for part in [
        "id|text||not null|",
        "look|vector(3)|||",
        "genres|text[]|||",
        "\"movies_pkey\" PRIMARY KEY, btree (id)",
        "TABLE \"likes\" CONSTRAINT \"likes_item_id_fkey\"",
        "\"likes_item_id_fkey\" FOREIGN KEY (item_id) REFERENCES movies(id)",
        "UTF8",
    ] {
        assert!(out.contains(part), "{part}\n{out}");
    }
}

#[test]
fn psql_shows_where_a_mistake_is() {
    let server = Postgres::shop();
    let script = "\\set VERBOSITY verbose\nSELECT titel FROM movies;\n";
    let Some((_, err)) = psql(&server, "-XAt", script) else { return skipped("there is no psql") };
    assert!(err.contains("ERROR:  42703: no column `titel`"), "{err}");
    assert!(err.contains("LINE 1: SELECT titel FROM movies"), "{err}");
    assert!(err.contains("       ^"), "{err}");
    assert!(err.contains("TasteDB error TD0202"), "{err}");
}

fn run_python(server: &Postgres, name: &str) -> Option<Output> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/postgres").join(name);
    let venv = python("postgres-clients", &["psycopg[binary]==3.*", "SQLAlchemy==2.*"])?;
    Command::new(venv.join("bin/python")).arg(script).arg(server.port.to_string()).output().ok()
}

fn passes(name: &str) {
    let server = Postgres::shop();
    let Some(output) = run_python(&server, name) else {
        return skipped("Python's clients cannot be installed here");
    };
    let (out, err) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}\n{err}");
    assert!(out.trim_end().ends_with("passed"), "{out}\n{err}");
}

#[test]
fn psycopg_works() {
    passes("with_psycopg.py");
}

#[test]
fn sqlalchemy_works() {
    passes("with_sqlalchemy.py");
}
