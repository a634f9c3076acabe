//! Mistakes, with the code, the place and the words of their errors.

use super::*;

/// The code, the text under the caret and the message of the error.
fn mistake(sql: &str) -> (&'static str, String, String) {
    let error = error(sql);
    let span = error.span().unwrap_or_else(|| panic!("no place: {error} in {sql}"));
    (error.code(), span.text(sql).to_owned(), error.to_string())
}

#[track_caller]
fn check(sql: &str, code: &str, caret: &str, message: &str) {
    let (found, at, text) = mistake(sql);
    assert_eq!((found, at.as_str(), text.as_str()), (code, caret, message), "{sql}");
}

#[test]
fn mistyped_words_get_a_suggestion() {
    check(
        "RECOMEND movies",
        "TD0104",
        "RECOMEND",
        "`RECOMEND` begins no statement; did you mean `RECOMMEND`?",
    );
    check("selct 1", "TD0104", "selct", "`SELCT` begins no statement; did you mean `SELECT`?");
    check(
        "CREATE MODLE m ON t",
        "TD0101",
        "MODLE",
        "expected TABLE, MODEL, INDEX or EMBEDDING, found `MODLE`; did you mean `MODEL`?",
    );
    check(
        "SHOW TABELS",
        "TD0101",
        "TABELS",
        "expected TABLES, MODELS, INDEXES, GRAPHS, EMBEDDINGS, FORGETS or TRAINING, found `TABELS`; did you mean `tables`?",
    );
    check(
        "RECOMMEND movies FRO USER 'u'",
        "TD0101",
        "FRO",
        "expected FOR, found `FRO`; did you mean `FOR`?",
    );
    check(
        "RECOMMEND movies FOR USR 'u'",
        "TD0101",
        "USR",
        "expected USER, ITEM, SESSION, LIKES, DISLIKES, VECTOR, PROFILE or USERS, found `USR`; did you mean `USER`?",
    );
    check(
        "RECOMMEND movies FOR USER 'u' LIMTI 10",
        "TD0101",
        "LIMTI",
        "expected the end of the statement, found `LIMTI`; did you mean `LIMIT`?",
    );
    check(
        "SELECT * FROM movies WHER year > 1990",
        "TD0101",
        "WHER",
        "`WHER` does not fit here; did you mean `WHERE`?",
    );
    check(
        "INSERT INTO t VALEUS (1)",
        "TD0101",
        "VALEUS",
        "expected VALUES or SELECT, found `VALEUS`; did you mean `VALUES`?",
    );
    check("UPDATE t STE a = 1", "TD0101", "STE", "expected SET, found `STE`; did you mean `set`?");
    check("CREATE TABLE t (a TXET)", "TD0903", "TXET", "no type TXET; did you mean `text`?");
    check("CREATE TABLE t (a FLOAT)", "TD0903", "FLOAT", "no type FLOAT; did you mean `DOUBLE`?");
}

#[test]
fn a_recommend_without_for_is_told_what_to_write() {
    check("RECOMMEND movies", "TD0105", "", "RECOMMEND does not say for whom");
    check("RECOMMEND movies LIMIT 10", "TD0105", "LIMIT", "RECOMMEND does not say for whom");
    check("RECOMMEND id FROM movies WHERE a", "TD0105", "WHERE", "RECOMMEND does not say for whom");
    let shown = error("RECOMMEND movies LIMIT 10").render("RECOMMEND movies LIMIT 10");
    assert!(shown.contains("write RECOMMEND movies FOR USER 'id'"), "{shown}");
}

#[test]
fn clauses_out_of_order_or_twice_are_named() {
    check(
        "RECOMMEND m FOR USER 'u' LIMIT 1 WHERE a",
        "TD0101",
        "WHERE",
        "WHERE comes before LIMIT",
    );
    check("RECOMMEND m FOR USER 'u' WHERE a WHERE b", "TD0107", "WHERE", "WHERE is given twice");
    check("RECOMMEND m FOR USER 'u' LIMIT 1 LIMIT 2", "TD0107", "LIMIT", "LIMIT is given twice");
    check("TRAIN MODEL m WITH (a = 1, A = 2)", "TD0107", "A", "option `a` is given twice");
    check("UPDATE t SET a = 1, a = 2", "TD0107", "a", "column `a` is given twice");
    check("INSERT INTO t (a, b, a) VALUES (1)", "TD0107", "a", "column `a` is given twice");
    check("CREATE TABLE t (a INT, A TEXT)", "TD0107", "A", "column `a` is given twice");
    check(
        "CREATE TABLE t (a INT PRIMARY KEY, b INT PRIMARY KEY)",
        "TD0107",
        "PRIMARY KEY",
        "PRIMARY KEY is given twice",
    );
    check("EVALUATE a, a ON t METRICS recall(1)", "TD0107", "a", "model `a` is given twice");
}

#[test]
fn unfinished_text_is_pointed_at() {
    check("SELECT 'open", "TD0102", "'", "the string is not closed");
    check("SELECT \"open", "TD0102", "\"", "the quoted name is not closed");
    check("SELECT 1 /* open", "TD0102", "", "the comment is not closed");
    check(
        "RECOMMEND",
        "TD0101",
        "",
        "expected the table to recommend from, found the end of the text",
    );
    check("DROP TABLE ;", "TD0101", ";", "expected a table name, found the end of the statement");
    check("SELECT (1 + ", "TD0101", "", "expected an expression, found the end of the text");
    check("SELECT a FROM", "TD0101", "", "expected identifier, found the end of the text");
}

#[test]
fn the_place_is_in_the_right_line() {
    let sql = "BEGIN;\nSELECT 1;\n  DROP TABEL movies;";
    assert_eq!(
        error(sql).render(sql),
        "error TD0101: expected TABLE, MODEL, INDEX or EMBEDDING, found `TABEL`; did you mean `TABLE`?\n \
         --> line 3, column 8\n  |\n3 |   DROP TABEL movies;\n  |        ^^^^^"
    );
}

#[test]
fn errors_inside_expressions_keep_their_place() {
    check(
        "RECOMMEND m FOR USER 'u' WHERE a > > 1",
        "TD0101",
        ">",
        "expected an expression, found `>`",
    );
    check("SELECT a,, b", "TD0101", ",", "expected an expression, found `,`");
    check(
        "CREATE MODEL m ON t,",
        "TD0101",
        "",
        "expected an interaction table, found the end of the text",
    );
    check("CREATE EMBEDDING e ON t", "TD0101", "", "expected FROM, found the end of the text");
    check("CREATE EMBEDDING e ON t FROM ()", "TD0101", ")", "expected a column name, found `)`");
    check("CREATE EMBEDDING e ON t FROM (a, a)", "TD0107", "a", "column `a` is given twice");
    check("DROP EMBEDDING e", "TD0101", "", "expected ON, found the end of the text");
    check(
        "REFRESH EMBEDING e",
        "TD0101",
        "EMBEDING",
        "expected MODEL, EMBEDDING or INDEX, found `EMBEDING`; did you mean `embedding`?",
    );
    check("CREATE MODEL m ON t WEIGHT *", "TD0101", "*", "expected an expression, found `*`");
}

#[test]
fn what_is_not_supported_is_named() {
    for (sql, message) in [
        ("TRUNCATE t", "TRUNCATE is not supported"),
        ("MERGE INTO t USING s ON a = b", "MERGE is not supported"),
        ("SET x = 1", "SET is not supported"),
        ("GRANT ALL ON t TO u", "GRANT is not supported"),
        ("CREATE VIEW v AS SELECT 1", "CREATE VIEW is not supported"),
        ("DROP VIEW v", "DROP VIEW is not supported"),
        ("SHOW COLUMNS FROM t", "SHOW COLUMNS is not supported"),
        ("ALTER MODEL m RENAME TO n", "ALTER MODEL is not supported"),
        ("ALTER EMBEDDING e RENAME TO n", "ALTER EMBEDDING is not supported"),
        ("SAVEPOINT s", "SAVEPOINT is not supported"),
        ("EXPLAIN DELETE FROM t", "EXPLAIN takes a RECOMMEND, a query or a TRAIN MODEL"),
    ] {
        let (code, _, text) = mistake(sql);
        assert_eq!((code, text.as_str()), ("TD0901", message), "{sql}");
    }
    for sql in [
        "CREATE OR REPLACE TABLE t (a INT)",
        "CREATE TABLE t AS SELECT 1",
        "CREATE TABLE t (a INT UNIQUE)",
        "CREATE TABLE t (a INT, CHECK (a > 1))",
        "CREATE TABLE t (a INT REFERENCES b ON DELETE SET NULL)",
        "ALTER TABLE t ALTER COLUMN a TYPE INT",
        "ALTER TABLE t ADD a INT, DROP b",
        "ALTER TABLE t ADD a INT PRIMARY KEY",
        "DROP TABLE a, b",
        "DROP TABLE a CASCADE",
        "UPDATE t SET a = 1 FROM s",
        "DELETE FROM t USING s",
        "COPY t FROM STDOUT",
        "COPY t TO PROGRAM 'gzip'",
        "COMMIT AND CHAIN",
        "BEGIN READ ONLY",
        "ROLLBACK TO SAVEPOINT s",
    ] {
        assert_eq!(mistake(sql).0, "TD0902", "{sql}");
    }
    for sql in [
        "CREATE TABLE t (a VARCHAR(10))",
        "CREATE TABLE t (a INT[])",
        "CREATE TABLE t (a DECIMAL(10, 2))",
        "DROP TABLE a.b",
        "INSERT INTO a.b VALUES (1)",
    ] {
        assert_eq!(mistake(sql).0, "TD0903", "{sql}");
    }
}

#[test]
fn definitions_are_checked_as_far_as_they_can_be() {
    check("CREATE TABLE t (a INT, PRIMARY KEY (b))", "TD0202", "b", "no column `b`");
    check(
        "CREATE TABLE t (title INT, PRIMARY KEY (titel))",
        "TD0202",
        "titel",
        "no column `titel`; did you mean `title`?",
    );
    check(
        "CREATE TABLE t (a VECTOR)",
        "TD0101",
        ")",
        "expected `(` and the number of components, found `)`",
    );
    check("CREATE TABLE t (a VECTOR(0))", "TD0212", "0", "a vector has 1 to 65535 components");
    check(
        "CREATE TABLE t (a VECTOR(99999999999))",
        "TD0212",
        "99999999999",
        "a vector has 1 to 65535 components",
    );
    check(
        "CREATE TABLE t (a INT NULL NOT NULL)",
        "TD0212",
        "NOT",
        "column `a` is both NULL and NOT NULL",
    );
    check(
        "CREATE TABLE select (a INT)",
        "TD0101",
        "select",
        "expected a table name, found `select`",
    );
    check("CREATE TABLE t ()", "TD0101", ")", "expected a column name, found `)`");
    check(
        "CREATE TABLE t (a INT b TEXT)",
        "TD0101",
        "b",
        "expected `,`, `)`, NOT NULL, DEFAULT, PRIMARY KEY or REFERENCES, found `b`",
    );
}

#[test]
fn values_are_checked_as_far_as_they_can_be() {
    check(
        "EVALUATE a ON t METRICS recall(0)",
        "TD0101",
        "0",
        "the length of the list is a whole number of 1 or more",
    );
    check(
        "EVALUATE a ON t METRICS recall",
        "TD0101",
        "",
        "expected `(` and the length of the list, found the end of the text",
    );
    check("RECOMMEND m FOR USER $0", "TD0106", "$0", "`$0` is not a parameter");
    check("SELECT $99999999", "TD0106", "$99999999", "`$99999999` is not a parameter");
    check("RECOMMEND m FOR USER $x", "TD0106", "$x", "`$x` is not a parameter");
    check("TRAIN MODEL m WITH (x = 1e999)", "TD0302", "1e999", "`1e999` is not a number that fits");
    check("RECOMMEND m FOR SESSION ()", "TD0101", ")", "expected an expression, found `)`");
    check("RECOMMEND m FOR VECTOR (text = 1)", "TD0101", "=", "expected `=>`, found `=`");
}

#[test]
fn one_statement_is_one() {
    assert_eq!(parse_one("").map_err(|error| error.code()), Err("TD0101"));
    assert_eq!(parse_one("BEGIN; COMMIT").map_err(|error| error.code()), Err("TD0101"));
    assert!(parse_one(" ; BEGIN ; ").is_ok());
    check("BEGIN COMMIT", "TD0101", "COMMIT", "expected the end of the statement, found `COMMIT`");
}
