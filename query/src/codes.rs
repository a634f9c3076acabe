//! The table of error codes: one entry per kind of mistake, with its meaning and the next step.
//!
//! `docs/errors.md` is this table as a page; a test keeps the two equal. Codes are never reused:
//! an application may match on them. Invariant: ids ascend and are unique.

use std::fmt;

/// One kind of error.
#[derive(Debug)]
pub struct Code {
    /// The stable id, such as `TD0201`.
    pub id: &'static str,
    /// A short name.
    pub name: &'static str,
    /// What it means.
    pub meaning: &'static str,
    /// What to do about it.
    pub next: &'static str,
}

impl Code {
    /// The hundreds of the number: the family, 1 (language) to 10 (the server).
    pub fn family(&self) -> u8 {
        let digits = &self.id.as_bytes()[2..4];
        (digits[0] - b'0') * 10 + (digits[1] - b'0')
    }
}

impl PartialEq for Code {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for Code {}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id)
    }
}

/// The families, by the hundreds of their numbers.
pub const FAMILIES: [(u8, &str); 10] = [
    (1, "The statement's form"),
    (2, "Names and definitions"),
    (3, "Types and values"),
    (4, "Data files"),
    (5, "Transactions and locks"),
    (6, "Models"),
    (7, "Recommending"),
    (8, "Storage"),
    (9, "Not supported yet"),
    (10, "The server"),
];

macro_rules! codes {
    ($($ident:ident = $id:literal $name:literal: $meaning:literal -> $next:literal;)*) => {
        $(
            #[doc = $meaning]
            pub static $ident: Code =
                Code { id: $id, name: $name, meaning: $meaning, next: $next };
        )*
        /// Every code, ascending.
        pub static ALL: &[&Code] = &[$(&$ident),*];
    };
}

codes! {
    SYNTAX = "TD0101" "syntax error":
        "The text is not a statement of the language."
        -> "Compare the place under the caret with the statement's grammar in the reference.";
    UNTERMINATED = "TD0102" "unterminated text":
        "A string, a quoted name or a comment is not closed, or a character belongs to no token."
        -> "Close it; inside a string, write a quote twice.";
    TOO_COMPLEX = "TD0103" "statement too complex":
        "An expression is nested too deeply or has too many operators in a row."
        -> "Split it, or write a list: `x IN (…)` instead of many `x = … OR x = …`.";
    UNKNOWN_STATEMENT = "TD0104" "unknown statement":
        "The first word begins no statement."
        -> "Use the suggested word, or look the statement up in the reference.";
    MISSING_FOR = "TD0105" "RECOMMEND without FOR":
        "A RECOMMEND does not say for whom or for what."
        -> "Add FOR USER 'id', FOR ITEM 'id', FOR SESSION ('id', …) or another context.";
    PARAMETER = "TD0106" "parameter not given":
        "The statement uses a parameter `$n` for which no value was given, or `$0`."
        -> "Give as many parameters as the highest number used, or write the value itself.";
    GIVEN_TWICE = "TD0107" "given twice":
        "A column, an option, or a clause is written twice."
        -> "Remove one of the two.";
    UNKNOWN_OPTION = "TD0108" "unknown option":
        "WITH names an option that the statement does not have."
        -> "Use one of the options that the message lists.";
    OPTION_VALUE = "TD0109" "wrong option value":
        "The value of an option has the wrong type or is out of its range."
        -> "Use a value that the message names.";
    NOT_ALLOWED_HERE = "TD0110" "not allowed here":
        "An expression is valid SQL, but cannot be evaluated in this clause."
        -> "Move it to a clause that allows it; the message names the reason.";
    INVALID_QUERY = "TD0111" "invalid query":
        "A query is well-formed but cannot be planned."
        -> "The message says which part does not fit.";
    NOT_CONSTANT = "TD0112" "constant needed":
        "A value that must be known before the statement runs depends on rows."
        -> "Write a constant, a parameter, or an expression over them.";
    UNCONFIRMED = "TD0114" "forgetting everything":
        "A DELETE that returns forget_id() takes every row of its table."
        -> "If that is meant, add WITH (confirm = true); otherwise write a WHERE.";

    NO_SUCH_TABLE = "TD0201" "no such table":
        "No table of this name exists."
        -> "SHOW TABLES lists the tables.";
    NO_SUCH_COLUMN = "TD0202" "no such column":
        "The table has no column of this name."
        -> "DESCRIBE the table to see its columns.";
    NO_SUCH_MODEL = "TD0203" "no such model":
        "No model and no built-in source of this name exists."
        -> "SHOW MODELS lists the models; built-ins are popular, trending, latest and random.";
    NO_SUCH_FUNCTION = "TD0204" "no such function":
        "No function of this name exists, or it takes other arguments."
        -> "Check the name and the arguments in the reference.";
    EXISTS = "TD0205" "exists already":
        "A table, column, model or index of this name exists."
        -> "Choose another name, or add IF NOT EXISTS.";
    NO_SUCH_ALGORITHM = "TD0206" "no such algorithm":
        "CREATE MODEL … USING names no algorithm."
        -> "Use one of the algorithms that the message lists.";
    AMBIGUOUS = "TD0207" "ambiguous name":
        "A column name fits several tables of the query."
        -> "Write `table.column`.";
    WRONG_ROLE = "TD0208" "wrong kind of table":
        "The statement needs a table of another role."
        -> "SHOW TABLES says which table has which role.";
    STILL_REFERENCED = "TD0209" "still referenced":
        "Something else depends on what should be dropped."
        -> "Drop what depends on it first.";
    NO_SUCH_METRIC = "TD0210" "no such metric":
        "METRICS names no metric."
        -> "Use one of the metrics that the message lists.";
    NO_SUCH_INDEX = "TD0211" "no such index":
        "No index of this name exists."
        -> "SHOW INDEXES lists the indexes.";
    INVALID_DEFINITION = "TD0212" "contradictory definition":
        "A definition contradicts itself or leaves out what its role needs."
        -> "The message says what is missing or too much.";
    NO_SUCH_MODALITY = "TD0213" "no such modality":
        "The items have no vector column of this name."
        -> "DESCRIBE the item table to see its vector columns.";
    NO_SUCH_EMBEDDING = "TD0214" "no such embedding":
        "The table has no text embedding of this name."
        -> "SHOW EMBEDDINGS lists them.";
    NO_SUCH_FORGET = "TD0216" "no such forget ticket":
        "No ticket of forgetting has this id."
        -> "SHOW FORGETS lists the tickets.";

    TYPE_MISMATCH = "TD0301" "wrong type":
        "A value has another type than what it is for."
        -> "Write a value of the type named, or CAST it.";
    INVALID_VALUE = "TD0302" "value not valid":
        "A value cannot be read as, or does not fit, its type."
        -> "Correct the value.";
    NOT_NULL = "TD0303" "value missing":
        "A column that must have a value got none."
        -> "Give a value, or give the column a DEFAULT.";
    DIMENSION = "TD0304" "wrong vector dimension":
        "A vector has more or fewer components than its column holds."
        -> "Use the model that the column's other vectors come from.";
    NOT_FINITE = "TD0305" "vector not finite":
        "A component of a vector is NaN, infinite, or too large for its element type."
        -> "Correct the vector; a missing one is NULL, not NaN.";
    DUPLICATE_KEY = "TD0306" "key exists already":
        "A row with this key exists."
        -> "UPDATE it, or write INSERT … ON CONFLICT … DO UPDATE or DO NOTHING.";
    UNKNOWN_ENTITY = "TD0307" "interaction with an unknown user or item":
        "An interaction names a user or an item that has no row."
        -> "Insert that row first, or define the table WITH (on_unknown = 'create').";
    INVALID_KEY = "TD0308" "not a key":
        "A key is empty, NULL, too long, or not of the key's type."
        -> "Correct the key.";
    WRONG_COUNT = "TD0309" "wrong number of values":
        "A row has more or fewer values than columns."
        -> "Give one value for each column, or name the columns given.";
    TOO_LARGE = "TD0310" "value too large":
        "A value is larger than can be stored."
        -> "Store it elsewhere and keep its address here.";
    EVALUATION = "TD0311" "expression failed":
        "An expression failed on a row: a division by zero, an overflow, an impossible cast."
        -> "Guard it: NULLIF(x, 0), CASE, TRY_CAST.";
    NOT_A_VECTOR = "TD0312" "not a vector column":
        "The clause needs a vector column."
        -> "DESCRIBE the table to see its vector columns.";
    KEY_FIXED = "TD0313" "key cannot be changed":
        "UPDATE sets a key, or the user or item of an interaction."
        -> "DELETE the row and INSERT it under its new key.";
    COMPUTED = "TD0314" "column is computed":
        "A statement writes to a vector column that the database computes from text."
        -> "Leave the column out; write to the columns of text that it is computed from.";

    NO_SUCH_FILE = "TD0401" "cannot read file":
        "A file cannot be opened or read."
        -> "Check the path and the permissions; paths are relative to the working directory.";
    UNKNOWN_FORMAT = "TD0402" "unknown file format":
        "The file's ending says no known format, or WITH (format = …) names none."
        -> "Name the format: csv, tsv, jsonl, parquet, movielens, recbole, npy.";
    BAD_ROW = "TD0403" "malformed row":
        "A row of a file has missing or surplus fields, or its quotes do not match."
        -> "Correct the row, or COPY … WITH (on_error = 'skip').";
    BAD_FIELD = "TD0404" "malformed field":
        "A field of a file cannot be read as its column's type."
        -> "Correct the field, or COPY … WITH (on_error = 'skip').";
    NPY_SHAPE = "TD0405" "array of the wrong shape":
        "A .npy file is not a matrix with one row per id and one column per component."
        -> "Write it with numpy.save(path, array.astype('float32')) in that shape.";
    FILE_COLUMNS = "TD0406" "columns do not fit":
        "A file lacks a column that is needed, or has one that the table lacks."
        -> "Name the columns: COPY table (a, b, c) FROM …";
    CANNOT_WRITE_FILE = "TD0407" "cannot write file":
        "An output file cannot be created or written."
        -> "Check the folder, its permissions and the free space.";
    FILE_EXISTS = "TD0408" "file exists":
        "An output file or folder exists and is not overwritten."
        -> "Remove it, or choose another name.";
    DAMAGED_FILE = "TD0409" "damaged data file":
        "A compressed, Parquet or .npy file is damaged or is of another format."
        -> "Fetch or write the file again.";
    NOT_AN_EXPORT = "TD0410" "not an export":
        "IMPORT DATABASE got a folder that EXPORT DATABASE did not write."
        -> "Check the path.";

    NO_TRANSACTION = "TD0501" "no transaction is open":
        "COMMIT or ROLLBACK without a BEGIN."
        -> "BEGIN first; a statement outside a transaction commits by itself.";
    IN_TRANSACTION = "TD0502" "transaction is open":
        "BEGIN inside a transaction, or a statement that cannot run inside one."
        -> "COMMIT or ROLLBACK first.";
    BUSY = "TD0503" "another transaction is writing":
        "Another write transaction did not end within the busy timeout."
        -> "Try again; keep transactions short.";
    LOCKED = "TD0504" "open in another process":
        "Another process has the database open."
        -> "Close it there, or open a backup.";
    ABORTED = "TD0505" "transaction failed":
        "An earlier statement of the transaction failed half-way."
        -> "ROLLBACK, then start over.";
    READ_ONLY = "TD0506" "database is read-only":
        "The database was opened for reading."
        -> "Open it for writing.";
    CANCELLED = "TD0507" "cancelled":
        "The statement was cancelled; it changed nothing."
        -> "Run it again when wanted.";
    CONFLICT = "TD0508" "changed meanwhile":
        "What the statement worked on was changed or dropped by another while it ran."
        -> "Run it again.";
    HELD = "TD0510" "older state is read":
        "Something still reads the database as it was before a deletion, so that what was deleted cannot be erased yet."
        -> "Run VACUUM again when that transaction, training or reader has ended.";

    NOT_TRAINED = "TD0601" "model not trained":
        "The model has no trained version."
        -> "TRAIN MODEL first.";
    EMPTY_TRAINING = "TD0602" "nothing to learn from":
        "The model's table, after its WHERE, holds no interaction of weight above zero, or its items have no embeddings and the algorithm needs some."
        -> "Load interactions or embeddings, or loosen the model's WHERE.";
    MODEL_TOO_LARGE = "TD0603" "model too large":
        "Training would need more memory than allowed."
        -> "Choose another algorithm, or raise the limit; EXPLAIN TRAIN MODEL estimates the need.";
    NOT_SOLVABLE = "TD0604" "model not solvable":
        "The equations of the model have no stable solution on this data."
        -> "Raise the regularisation that the message names.";
    MODEL_DAMAGED = "TD0605" "saved model damaged":
        "The stored bytes of a model version make no sense."
        -> "TRAIN MODEL again; `tastedb check` tells what else is damaged.";
    NOTHING_HELD_OUT = "TD0606" "nothing to evaluate":
        "The split holds out no interaction, or leaves none to learn from."
        -> "Move the split, or use a held-out table that shares users with the training table.";
    FROZEN_OPTION = "TD0607" "settings stay in a refresh":
        "REFRESH MODEL was given a setting of the algorithm, and a refresh keeps those that were trained."
        -> "Leave it out, or TRAIN MODEL … WITH it.";
    EMPTY_TEXT = "TD0610" "no text to learn from":
        "The columns of a text embedding hold no text, or no term of it counts."
        -> "Load rows with text, or loosen min_df and max_df.";
    NO_DEVICE = "TD0611" "no such device here":
        "A training was to run on a device that this program was not built for or this machine does not have."
        -> "`make torch` builds a program that uses GPUs; device = 'cpu' is always there, and device = 'auto' takes what there is.";
    DIVERGED = "TD0612" "training diverged":
        "The loss of a training is no number any more. The version before goes on serving."
        -> "Lower learning_rate, or raise regularization.";
    DEVICE_FAILED = "TD0613" "device failed":
        "A GPU ran out of memory in a training, or failed in another way. The version before goes on serving."
        -> "Lower factors or batch, free memory on the device, or train with device = 'cpu'.";

    NO_SUCH_USER = "TD0701" "no such user":
        "RECOMMEND … FOR USER names a user that has no row."
        -> "Insert the user, or recommend FOR SESSION (…).";
    NO_SUCH_ITEM = "TD0702" "no such item":
        "A context names an item that has no row."
        -> "Insert the item, or leave it out.";
    CONTEXT = "TD0703" "contexts do not fit":
        "The contexts cannot be combined, or do not fit the table that is recommended."
        -> "The message names the two that exclude each other.";
    SOURCE = "TD0704" "source does not fit":
        "A source cannot serve this table or context, or its weight is not a number of 0 or more."
        -> "Choose another source or weight.";
    LIMIT = "TD0705" "not a count":
        "LIMIT or OFFSET is not a whole number of 0 or more."
        -> "Write a count, such as LIMIT 10.";
    SLATE = "TD0706" "slate clause does not fit":
        "HAVING, DIVERSIFY BY, EXPLORE or LIMIT … BY asks for something that it does not take."
        -> "The message says what the clause takes.";
    NO_SUCH_SLATE = "TD0707" "no such slate":
        "No slate was found that meets HAVING, and `WITH (strict = true)` asks for one."
        -> "Ask for less, widen WHERE, or leave `strict` out and take the best there is.";

    IO = "TD0801" "input/output failed":
        "The operating system refused an operation on a file of the database."
        -> "Check the path, permissions and free space, then reopen the database.";
    KV = "TD0802" "key-value store failed":
        "RocksDB refused an operation."
        -> "Reopen the database; if it stays, run `tastedb check`.";
    DAMAGED = "TD0803" "database damaged":
        "Bytes of the database are not those that were written."
        -> "Run `tastedb check` for the extent, and restore a backup.";
    NEWER_FORMAT = "TD0804" "format not readable":
        "The database was written by a version that this one cannot read."
        -> "Open it with a newer version.";
    NOT_A_DATABASE = "TD0805" "not a database":
        "The directory holds something else."
        -> "Check the path.";
    NO_DATABASE = "TD0806" "no database there":
        "There is no database at the path, and none was to be created."
        -> "Check the path.";
    DATABASE_EXISTS = "TD0807" "database exists":
        "There is something at the path already, and a new database was to be made there."
        -> "Choose another path.";
    POISONED = "TD0808" "an earlier write failed":
        "An earlier write or sync failed, so what is durable is unknown."
        -> "Close and reopen the database.";
    STORAGE_UNSUPPORTED = "TD0809" "not possible with this database":
        "The operation does not exist for this kind of database, such as a backup in memory."
        -> "Use a database in a directory.";
    RESOURCES = "TD0810" "out of memory for the query":
        "A query needs more memory than allowed."
        -> "Select fewer rows or columns.";
    INTERNAL = "TD0899" "internal error":
        "TasteDB contradicted itself. This is a bug."
        -> "Report it with the statement that caused it.";

    STATEMENT_UNSUPPORTED = "TD0901" "statement not supported yet":
        "The statement is known, but this version does not run it."
        -> "See the reference for what there is instead.";
    CLAUSE_UNSUPPORTED = "TD0902" "clause not supported yet":
        "A clause is known, but this version does not carry it out."
        -> "Leave the clause out.";
    FEATURE_UNSUPPORTED = "TD0903" "SQL feature not supported":
        "A type, expression or form of SQL that this version does not have."
        -> "Write it in another way.";

    UNAUTHENTICATED = "TD1001" "not authenticated":
        "The server asks who is there, and the request does not say so, or not rightly."
        -> "Send `Authorization: Bearer KEY`, or the name and password of an account; `tastedb user` makes them.";
    FORBIDDEN = "TD1002" "not permitted":
        "The account's role does not allow this."
        -> "Use an account with the role that the message names.";
    NO_ROUTE = "TD1003" "no such resource":
        "The server has nothing under this path, or not for this method."
        -> "See `/openapi.json` for what there is.";
    BAD_REQUEST = "TD1004" "request not readable":
        "The body, a header or a parameter of a request is not what the route takes."
        -> "Compare it with the route in `/openapi.json`.";
    SERVER_TOO_LARGE = "TD1005" "request too large":
        "A request is larger than the server takes, or came too slowly."
        -> "Send less at a time; `max_body` and `body_timeout` set the limits.";
    SERVER_BUSY = "TD1006" "server busy":
        "The server runs as many statements, jobs or connections as it may."
        -> "Try again later; `max_statements`, `max_jobs` and `max_connections` set the limits.";
    SERVER_TIMEOUT = "TD1007" "statement took too long":
        "A statement ran longer than the server allows, and was cancelled."
        -> "Ask for less, run it as a job, or raise `statement_timeout`.";
    TOO_MANY_ROWS = "TD1008" "answer too large":
        "A statement would return more rows than may be returned at once; a write has changed nothing."
        -> "Add a LIMIT, return less, or raise the limit: `max_rows` of a server.";
    SERVER_CONFIG = "TD1009" "server cannot start like this":
        "A setting of the server is wrong, unknown, or unsafe."
        -> "Correct the setting that the message names; docs/operations.md lists them.";
    KEY_REUSED = "TD1010" "idempotency key used twice":
        "The same idempotency key came with another request before."
        -> "Use a new key for a new request.";
    ACCOUNT = "TD1011" "account":
        "An account cannot be made, found, or changed like this."
        -> "`tastedb user list` shows the accounts.";
    NO_JOB = "TD1012" "no such job":
        "No job of this number runs or has run lately."
        -> "`GET /v1/jobs` lists them.";
}

/// The code of this id, if there is one.
pub fn find(id: &str) -> Option<&'static Code> {
    ALL.iter().copied().find(|code| code.id.eq_ignore_ascii_case(id))
}

/// Codes whose messages tell the next step themselves.
static SAID: [&Code; 11] = [
    &SYNTAX,
    &UNKNOWN_OPTION,
    &INVALID_DEFINITION,
    &UNKNOWN_FORMAT,
    &FILE_COLUMNS,
    &IN_TRANSACTION,
    &CANCELLED,
    &NOT_TRAINED,
    &CONTEXT,
    &STATEMENT_UNSUPPORTED,
    &FEATURE_UNSUPPORTED,
];

/// The next step of this code as hints are written, unless the errors of this code tell it
/// themselves.
pub fn next_step(id: &str) -> Option<String> {
    let code = find(id)?;
    let next = code.next;
    if SAID.contains(&code) || next.to_lowercase().contains("the message") {
        return None;
    }
    // A word in capitals is one of the language and stays.
    let mut letters = next.chars();
    let first = letters.next()?;
    let lower = letters.clone().next().is_none_or(|second| !second.is_uppercase());
    let rest = letters.as_str().trim_end_matches('.');
    Some(format!("{}{rest}", if lower { first.to_ascii_lowercase() } else { first }))
}

/// The table as the page `docs/errors.md`.
pub fn page() -> String {
    use std::fmt::Write;

    let mut out = String::from(
        "# Error codes\n\n\
         Every error has a code that stays the same from version to version. Where a statement is\n\
         at fault, the error shows its line with a caret; where a name is close to a known one, it\n\
         suggests that. A statement that fails changes nothing.\n\n\
         This page is written from the table in `query/src/codes.rs`; a test keeps it so.\n",
    );
    for (family, title) in FAMILIES {
        // Writing to a String cannot fail.
        let _ = write!(
            out,
            "\n## TD{family:02}xx: {title}\n\n| code | name | meaning | next step |\n| --- | --- | --- | --- |\n"
        );
        for code in ALL.iter().filter(|code| code.family() == family) {
            let (name, meaning, next) = (code.name, code.meaning, code.next);
            let _ = writeln!(out, "| {} | {name} | {meaning} | {next} |", code.id);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_ascend_and_belong_to_a_family() {
        for pair in ALL.windows(2) {
            assert!(pair[0].id < pair[1].id, "{} before {}", pair[0], pair[1]);
        }
        for code in ALL {
            assert_eq!((code.id.len(), &code.id[..2]), (6, "TD"), "{code}");
            assert!(FAMILIES.iter().any(|(family, _)| *family == code.family()), "{code}");
            assert!(code.meaning.ends_with('.') && code.next.ends_with(['.', '…']), "{code}");
        }
    }

    #[test]
    fn codes_are_found_by_id() {
        assert_eq!(find("td0201").map(|code| code.name), Some("no such table"));
        assert_eq!(find("TD0000"), None);
    }

    #[test]
    fn the_page_in_docs_is_this_table() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/errors.md");
        let written = std::fs::read_to_string(path).expect("docs/errors.md is readable");
        if std::env::var_os("TASTEDB_WRITE_DOCS").is_some() {
            std::fs::write(path, page()).expect("docs/errors.md is writable");
            return;
        }
        assert!(
            written == page(),
            "docs/errors.md is out of date: run this test with TASTEDB_WRITE_DOCS=1"
        );
    }
}
