//! What no input may do: panic, overflow the stack, or take long.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;
use crate::script::is_complete;

/// Far above what any of these inputs takes, far below what an exponential one would.
const PATIENCE: Duration = Duration::from_secs(5);

/// Parses on a thread with a small stack, copies, shows and drops the result.
fn survive(sql: String) -> Result<(), String> {
    let start = Instant::now();
    let worker = std::thread::Builder::new().stack_size(2 << 20).spawn(move || match parse(&sql) {
        Ok(statements) => {
            let copies = statements.clone();
            for statement in &copies {
                let text = statement.to_string();
                assert!(!text.is_empty());
            }
            Ok(())
        }
        Err(error) => {
            assert!(error.render(&sql).contains(error.code()));
            Err(error.code().to_owned())
        }
    });
    let result = worker.expect("a thread starts").join().expect("parsing does not panic");
    assert!(start.elapsed() < PATIENCE, "took {:?}", start.elapsed());
    result
}

#[test]
fn ten_thousand_parentheses_are_an_error() {
    for (open, close) in [("(", ")"), ("[", "]"), ("f(", ")"), ("(SELECT ", ")"), ("ARRAY[", "]")] {
        for count in [10, 30, 100, 10_000] {
            let sql = format!("SELECT {}1{}", open.repeat(count), close.repeat(count));
            let result = survive(sql);
            assert!(count < 100 || result == Err("TD0103".into()), "{open} x {count}: {result:?}");
        }
    }
}

#[test]
fn nesting_takes_no_exponential_time() {
    for (open, middle, close) in [
        ("SELECT * FROM (", "t", ")"),
        ("SELECT * FROM ", "t", ""),
        ("(", "a", ")"),
        ("f(", "a", ")"),
        ("f(x => ", "1", ")"),
        ("CASE WHEN ", "a", " THEN 1 END"),
        ("CAST(", "a", " AS TEXT)"),
        ("NOT ", "a", ""),
        ("- ", "a", ""),
        ("(a, ", "b", ")"),
        ("a IN (", "1", ")"),
        ("EXISTS (SELECT ", "1", ")"),
        ("INTERVAL ", "'1'", ""),
        ("a BETWEEN ", "1", " AND 2"),
        ("x -> (", "1", ")"),
        ("EXTRACT(YEAR FROM ", "a", ")"),
        ("TRIM(", "a", ")"),
        ("[", "1", "]"),
        ("a[", "1", "]"),
        ("{'a': ", "1", "}"),
        ("SUBSTRING(", "a", " FROM 1)"),
        ("POSITION('a' IN ", "a", ")"),
        ("DATE ", "'2000-01-01'", ""),
        ("(SELECT * FROM (", "t", "))"),
    ] {
        for count in [1, 5, 10, 20, 30, 39] {
            let nested = format!("{}{middle}{}", open.repeat(count), close.repeat(count));
            for sql in [
                format!("SELECT {nested}"),
                format!("SELECT * FROM {nested}"),
                format!("RECOMMEND t FOR USER {nested}"),
                format!("SELECT * FROM t WHERE {nested} ??"),
                format!("SELECT * FROM {nested} ??"),
                format!("SELECT {}", open.repeat(count)),
                format!("SELECT * FROM {}", open.repeat(count)),
            ] {
                let _ = survive(sql);
            }
        }
    }
}

#[test]
fn long_chains_are_an_error_and_lists_are_not() {
    for link in [
        " + 1",
        " OR a = 'b'",
        "::text",
        "[1]",
        " IS NULL",
        ".a",
        " UNION SELECT 1",
        " !",
        " COLLATE x",
    ] {
        for count in [100, 500, 100_000] {
            let result = survive(format!("SELECT a{}", link.repeat(count)));
            assert!(count < 100_000 || result.is_err(), "{link} x {count}");
        }
    }
    for count in [2_900, 3_100] {
        let _ = survive(format!("SELECT a{}", " !".repeat(count)));
        let _ = survive(format!("SELECT a{}", "::text".repeat(count / 2)));
        let _ = survive(format!("SELECT a{}", "+1".repeat(count / 2)));
    }
    let list = format!("SELECT * FROM t WHERE a IN (1{})", ", 1".repeat(50_000));
    assert_eq!(survive(list), Ok(()));
    let rows = format!("INSERT INTO t VALUES (1, 'a'){}", ", (2, 'b')".repeat(20_000));
    assert_eq!(survive(rows), Ok(()));
    let joins = format!("SELECT * FROM a{}", " JOIN b ON a.x = b.x".repeat(100));
    assert_eq!(survive(joins), Ok(()));
}

/// Pieces of statements.
const PIECES: &[&str] = &[
    "RECOMMEND",
    "movies",
    "FOR",
    "USER",
    "'u42'",
    "ITEM",
    "SESSION",
    "(",
    ")",
    ",",
    ";",
    "LIKES",
    "DISLIKES",
    "VECTOR",
    "PROFILE",
    "USERS",
    "=>",
    "$1",
    "$0",
    "USING",
    "WEIGHT",
    "0.5",
    "WHERE",
    "stock",
    ">",
    "=",
    "AND",
    "OR",
    "NOT",
    "seen",
    "HAVING",
    "DIVERSIFY",
    "BY",
    "STRENGTH",
    "EXPLORE",
    "ORDER",
    "DESC",
    "LIMIT",
    "10",
    "-",
    "OFFSET",
    "WITH",
    "seed",
    "CREATE",
    "TABLE",
    "MODEL",
    "EMBEDDING",
    "INDEX",
    "IF",
    "EXISTS",
    "REPLACE",
    "ON",
    "TEXT",
    "INT",
    "VECTOR(3)",
    "PRIMARY",
    "KEY",
    "REFERENCES",
    "DEFAULT",
    "NULL",
    "ALTER",
    "ADD",
    "COLUMN",
    "DROP",
    "RENAME",
    "TO",
    "SHOW",
    "TABLES",
    "DESCRIBE",
    "COPY",
    "FROM",
    "'file.csv'",
    "EXPORT",
    "IMPORT",
    "DATABASE",
    "BACKUP",
    "INSERT",
    "INTO",
    "VALUES",
    "CONFLICT",
    "DO",
    "NOTHING",
    "UPDATE",
    "SET",
    "RETURNING",
    "*",
    "DELETE",
    "BEGIN",
    "COMMIT",
    "ROLLBACK",
    "TRAIN",
    "REFRESH",
    "EXPLAIN",
    "ANALYZE",
    "EVALUATE",
    "SPLIT",
    "METRICS",
    "recall(20)",
    "GROUP",
    "SELECT",
    "UNION",
    "CASE",
    "WHEN",
    "THEN",
    "END",
    "CAST",
    "AS",
    "INTERVAL",
    "'",
    "\"",
    "--",
    "/*",
    "*/",
    "$$",
    "[",
    "]",
    "{",
    "}",
    "::",
    ".",
    "E'\\",
    "é",
    "\0",
    "\n",
    "1e999",
    "0x1F",
    "BETWEEN",
    "IN",
    "LIKE",
    "IS",
    "VACUUM",
    "VERIFY",
    "FORGET",
    "JOIN",
    "LATERAL",
    "OVER",
    "FILTER",
    "EXTRACT",
    "TIMESTAMP",
    "DATE",
    "ARRAY",
    "ROW",
    "FETCH",
    "WINDOW",
    "VALUES (",
    "((",
    "f(x =>",
];

/// Statements to be mutilated.
const STATEMENTS: &[&str] = &[
    "RECOMMEND id, score FROM movies FOR USER 'u42', LIKES ('a', 'b') USING taste WEIGHT 0.8, trending \
     WHERE stock > 0 AND NOT seen('purchase', INTERVAL '90 days') HAVING count(DISTINCT genre) >= 4 \
     DIVERSIFY BY text STRENGTH 0.3 EXPLORE 0.05 ORDER BY score DESC LIMIT 2 BY brand 20 WITH (seed = 7);",
    "CREATE TABLE ratings (user_id TEXT REFERENCES people, kind TEXT DEFAULT 'rating' NOT NULL, \
     v VECTOR(384), PRIMARY KEY (user_id, kind)) WITH (role = 'interaction');",
    "EVALUATE taste, popular ON ratings SPLIT BY ts > TIMESTAMP '2003-01-01' METRICS recall(10) GROUP BY country;",
    "INSERT INTO movies (id, title) VALUES ('m7', 'Heat') ON CONFLICT (id) DO UPDATE SET title = excluded.title;",
    "COPY movies (text) FROM 'text.npy' WITH (ids = 'items.csv'); COPY (SELECT 1) TO 'x';",
    "SELECT r.rank, i.title FROM recommend('movies', user => 'u42', k => 20) r JOIN movies i USING (id);",
    "CREATE EMBEDDING text ON movies FROM (title, plot) USING tfidf_svd WITH (dim = 8);",
    "REFRESH EMBEDDING text ON movies; DROP EMBEDDING text ON movies;",
    "CREATE MODEL m ON buys WEIGHT 3, clicks WEIGHT 1 WHERE kind = 'view', ratings;",
    "CREATE MODEL taste USING freedom ON ratings WEIGHT rating WHERE rating >= 4 WITH (factors = 64);",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn token_soup_is_survived(pieces in prop::collection::vec(prop::sample::select(PIECES), 0..60)) {
        let _ = survive(pieces.join(" "));
    }

    #[test]
    fn any_text_is_survived(text in "\\PC{0,80}") {
        let _ = survive(text.clone());
        let _ = is_complete(&text);
    }

    #[test]
    fn mutilated_statements_are_survived(
        base in prop::sample::select(STATEMENTS),
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0..4_u8, prop::sample::select(PIECES)), 1..6),
    ) {
        let mut words: Vec<&str> = base.split(' ').filter(|word| !word.is_empty()).collect();
        for (index, edit, piece) in edits {
            let at = index.index(words.len().max(1));
            match edit {
                0 if !words.is_empty() => { words.remove(at); }
                1 => words.insert(at.min(words.len()), piece),
                2 if !words.is_empty() => words[at] = piece,
                _ if words.len() > 1 => { let other = (at + 1) % words.len(); words.swap(at, other); }
                _ => {}
            }
        }
        let _ = survive(words.join(" "));
    }

    #[test]
    fn a_text_is_complete_exactly_when_its_last_statement_is_closed(
        base in prop::sample::select(STATEMENTS),
        cut in any::<prop::sample::Index>(),
    ) {
        let cut = cut.index(base.len() + 1);
        prop_assume!(base.is_char_boundary(cut));
        let text = &base[..cut];
        // These texts have no semicolon but at the ends of statements.
        prop_assert_eq!(is_complete(text), text.is_empty() || text.trim_end().ends_with(';'));
    }
}
