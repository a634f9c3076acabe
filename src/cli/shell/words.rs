//! The words of the language, for completion and colours, and the habits of other shells.

/// How a statement may begin.
pub(super) const STARTERS: &[&str] = &[
    "ALTER TABLE",
    "BEGIN",
    "COMMIT",
    "COPY",
    "CREATE EMBEDDING",
    "CREATE INDEX",
    "CREATE MODEL",
    "CREATE TABLE",
    "DELETE FROM",
    "DESCRIBE",
    "DROP EMBEDDING",
    "DROP MODEL",
    "DROP TABLE",
    "EVALUATE",
    "EXPLAIN",
    "EXPLAIN ANALYZE",
    "EXPLAIN TRAIN MODEL",
    "EXPORT DATABASE",
    "IMPORT DATABASE",
    "INSERT INTO",
    "RECOMMEND",
    "REFRESH EMBEDDING",
    "REFRESH INDEX",
    "REFRESH MODEL",
    "ROLLBACK",
    "SELECT",
    "SHOW EMBEDDINGS",
    "SHOW FORGETS",
    "SHOW GRAPHS",
    "SHOW INDEXES",
    "SHOW MODELS",
    "SHOW TABLES",
    "TRAIN MODEL",
    "UPDATE",
    "VACUUM",
    "VALUES",
    "VERIFY FORGET",
    "WITH",
];

/// Words that mean something in the language, in alphabetical order.
pub(super) const KEYWORDS: &[&str] = &[
    "ADD",
    "ALL",
    "ALTER",
    "ANALYZE",
    "AND",
    "AS",
    "ASC",
    "BEGIN",
    "BETWEEN",
    "BIGINT",
    "BOOLEAN",
    "BY",
    "CASE",
    "CAST",
    "COLUMN",
    "COMMIT",
    "CONFLICT",
    "COPY",
    "CREATE",
    "CROSS",
    "DATABASE",
    "DATE",
    "DEFAULT",
    "DELETE",
    "DESC",
    "DESCRIBE",
    "DISLIKES",
    "DISTINCT",
    "DIVERSIFY",
    "DO",
    "DOUBLE",
    "DROP",
    "ELSE",
    "EMBEDDING",
    "EMBEDDINGS",
    "END",
    "EVALUATE",
    "EXCEPT",
    "EXCLUDED",
    "EXISTS",
    "EXPLAIN",
    "EXPLORE",
    "EXPORT",
    "FALSE",
    "FOR",
    "FORGET",
    "FORGETS",
    "FROM",
    "FULL",
    "GROUP",
    "HAVING",
    "ILIKE",
    "IMPORT",
    "IN",
    "INDEX",
    "INDEXES",
    "INNER",
    "INSERT",
    "INT",
    "INTERSECT",
    "INTERVAL",
    "INTO",
    "IS",
    "ITEM",
    "JOIN",
    "KEY",
    "LEFT",
    "LIKE",
    "LIKES",
    "LIMIT",
    "METRICS",
    "MODEL",
    "MODELS",
    "NOT",
    "NOTHING",
    "NULL",
    "NULLS",
    "OFFSET",
    "ON",
    "OR",
    "ORDER",
    "OUTER",
    "OVER",
    "PARTITION",
    "PER",
    "PRIMARY",
    "PROFILE",
    "REAL",
    "RECOMMEND",
    "REFERENCES",
    "REFRESH",
    "RETURNING",
    "RIGHT",
    "ROLLBACK",
    "SELECT",
    "SESSION",
    "SET",
    "SHOW",
    "SPLIT",
    "STRENGTH",
    "TABLE",
    "TABLES",
    "TEXT",
    "THEN",
    "TIMESTAMP",
    "TO",
    "TRAIN",
    "TRUE",
    "UNION",
    "UPDATE",
    "USER",
    "USERS",
    "USING",
    "VACUUM",
    "VALUES",
    "VECTOR",
    "VERIFY",
    "WEIGHT",
    "WHEN",
    "WHERE",
    "WITH",
];

/// Algorithms that `CREATE MODEL … USING` takes.
pub(super) const ALGORITHMS: &[&str] =
    &["content", "ease", "ials", "item_knn", "latest", "popular", "trending"];

/// Sources that every database has.
pub(super) const SOURCES: &[&str] = &["latest", "popular", "random", "trending"];

/// Whether a word is one of [`KEYWORDS`], whatever its case.
pub(super) fn is_keyword(word: &str) -> bool {
    KEYWORDS.binary_search(&word.to_ascii_uppercase().as_str()).is_ok()
}

/// What somebody means who is used to another shell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Habit {
    /// To leave.
    Leave,
    /// A dot command.
    Run(&'static str),
}

/// Reads `quit`, `help` and the backslash commands of PostgreSQL's shell.
pub(super) fn habit(entry: &str) -> Option<Habit> {
    let entry = entry.trim().trim_end_matches(';').trim_end();
    Some(match entry.to_ascii_lowercase().as_str() {
        "quit" | "exit" | "\\q" | ":q" | "bye" => Habit::Leave,
        "help" | "?" | "\\?" | "\\h" => Habit::Run(".help"),
        "\\d" | "\\dt" | "\\l" => Habit::Run(".tables"),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::{Habit, KEYWORDS, habit, is_keyword};

    #[test]
    fn keywords_are_in_order_and_found() {
        assert!(KEYWORDS.is_sorted());
        assert!(is_keyword("recommend") && is_keyword("WHERE") && !is_keyword("title"));
    }

    #[test]
    fn habits_of_other_shells_are_understood() {
        assert_eq!(habit("exit;"), Some(Habit::Leave));
        assert_eq!(habit("\\dt"), Some(Habit::Run(".tables")));
        assert_eq!(habit("SELECT quit"), None);
    }
}
