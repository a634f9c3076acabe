//! What goes wrong in the data and the settings of models, through SQL: for every algorithm there is a
//! coded error or an answer, and what the reference says of it is so. The tests go through the list of
//! algorithms, so that a new one is held to the same.

use std::fmt::Write as _;
use std::fs;

use tastedb::{Database, Outcome, Session};
use tastedb_engine::model::{Algorithm, Embeddings, algorithms};
use tastedb_engine::{OptionKind, OptionSpec};

use crate::support::{cells, number, rows_as_text};

/// Settings that make a test short, where an algorithm has them.
const QUICK: [(&str, i64); 3] = [("epochs", 3), ("factors", 8), ("iterations", 3)];

const SCHEMA: &str = "
    CREATE TABLE people (id TEXT PRIMARY KEY) WITH (role = 'user');
    CREATE TABLE things (id TEXT PRIMARY KEY, text VECTOR(3), image VECTOR(2)) WITH (role = 'item');
    CREATE TABLE ratings (
        user_id TEXT REFERENCES people, item_id TEXT REFERENCES things, stars REAL, at TIMESTAMP
    ) WITH (role = 'interaction', on_unknown = 'create')";

/// The vectors of an item, as literals.
type Vectors = fn(usize) -> [String; 2];

fn usual_vectors(item: usize) -> [String; 2] {
    let value = |by: usize| (item * by % 7) as f32 - 3.5;
    [format!("'[{}, {}, {}]'", value(1), value(3), value(5)), format!("'[{}, 1]'", value(2))]
}

/// Thirty items, twenty users who like one half of them or the other.
fn world(vectors: Vectors, stars: fn(usize) -> &'static str) -> Session {
    let db = Database::in_memory().expect("it opens");
    let mut session = db.session();
    run(&mut session, SCHEMA);
    let mut sql = String::from("INSERT INTO things VALUES ");
    for item in 0..30 {
        let [text, image] = vectors(item);
        let _ = write!(sql, "{}('i{item}', {text}, {image})", if item > 0 { ", " } else { "" });
    }
    run(&mut session, &sql);
    let mut sql = String::from("INSERT INTO ratings VALUES ");
    for at in 0..120usize {
        let (user, item) = (at % 20, (at * at + 7 * at / 20) % 15 * 2 + at % 2);
        let comma = if at > 0 { ", " } else { "" };
        let (stars, day) = (stars(at), 1 + at % 28);
        let _ = write!(sql, "{comma}('u{user}', 'i{item}', {stars}, '2026-01-{day:02}')");
    }
    run(&mut session, &sql);
    session
}

fn usual() -> Session {
    world(usual_vectors, |at| ["1", "2", "3.5"][at % 3])
}

fn run(session: &mut Session, sql: &str) -> Vec<Outcome> {
    session.execute(sql).unwrap_or_else(|error| panic!("{}", error.render(sql)))
}

fn has(algorithm: &Algorithm, option: &str) -> bool {
    algorithm.options.iter().any(|spec| spec.name == option)
}

/// Creates the model `m` of an algorithm, with more after ON ratings, and quick settings.
fn create(session: &mut Session, algorithm: &Algorithm, clauses: &str) {
    let quick = QUICK.iter().filter(|(name, _)| has(algorithm, name));
    let quick: Vec<String> = quick.map(|(name, value)| format!("{name} = {value}")).collect();
    let with =
        if quick.is_empty() { String::new() } else { format!("WITH ({})", quick.join(", ")) };
    let name = algorithm.name;
    let sql = format!("CREATE OR REPLACE MODEL m USING {name} ON ratings {clauses} {with}");
    run(session, &sql);
}

/// The code of the error of a statement, or nothing where it works.
fn code(session: &mut Session, sql: &str) -> Option<&'static str> {
    session.execute(sql).err().map(|error| error.code())
}

/// Trains `m` and asks for somebody: five items, each once, with scores that are numbers.
fn trains_and_answers(session: &mut Session, algorithm: &Algorithm) {
    run(session, "TRAIN MODEL m");
    let sql = "RECOMMEND id, score FROM things FOR USER 'u1' USING m LIMIT 5";
    let rows = run(session, sql).last().map(rows_as_text).expect("an outcome");
    assert_eq!(rows.len(), 5, "{}: {rows:?}", algorithm.name);
    let mut ids: Vec<&String> = rows.iter().map(|row| &row[0]).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 5, "{}: {rows:?}", algorithm.name);
    for row in &rows {
        let score: f64 = row[1].parse().expect("a number");
        assert!(score.is_finite(), "{}: {rows:?}", algorithm.name);
    }
}

#[test]
fn without_interactions_there_is_a_code_or_an_answer() {
    for algorithm in algorithms() {
        let mut session = usual();
        run(&mut session, "DELETE FROM ratings");
        create(&mut session, algorithm, "");
        match code(&mut session, "TRAIN MODEL m") {
            Some(code) => {
                assert_eq!(code, "TD0602", "{}", algorithm.name);
                // What cannot be trained says so when it is asked, too.
                let asked = "RECOMMEND things FOR USER 'u1' USING m";
                assert_eq!(self::code(&mut session, asked), Some("TD0601"), "{}", algorithm.name);
            }
            None => trains_and_answers(&mut session, algorithm),
        }
    }
}

#[test]
fn items_without_a_vector_take_part_with_their_ids() {
    let some = |item: usize| {
        let [text, image] = usual_vectors(item);
        let missing = |is: bool, vector: String| if is { "NULL".to_owned() } else { vector };
        [
            missing(item.is_multiple_of(3), text),
            missing(item.is_multiple_of(2) || item.is_multiple_of(3), image),
        ]
    };
    for algorithm in algorithms() {
        let mut session = world(some, |_| "1");
        create(&mut session, algorithm, "");
        trains_and_answers(&mut session, algorithm);
        // i0 has neither vector; what people of u2's taste did is enough, but for the vectors alone.
        let sql = "RECOMMEND id, source FROM things FOR USER 'u2' USING m LIMIT 30 WITH (seen = 'include')";
        let rows = cells(&mut session, sql);
        let own = rows.iter().find(|row| row[0] == "i0").expect("the whole catalogue is asked for");
        let by_model = own[1] == "m";
        assert_eq!(by_model, algorithm.name != "content", "{}: {rows:?}", algorithm.name);
    }
}

#[test]
fn constant_duplicate_and_zero_vectors_do_no_harm() {
    let constant: Vectors = |_| ["'[1, 2, 3]'".to_owned(), "'[0.5, 0.5]'".to_owned()];
    let duplicate: Vectors = |item| usual_vectors(item / 10 * 10);
    let zero: Vectors = |_| ["'[0, 0, 0]'".to_owned(), "'[0, 0]'".to_owned()];
    let huge: Vectors = |_| ["'[1e38, 1e38, -1e38]'".to_owned(), "'[1e-38, 1e-38]'".to_owned()];
    for vectors in [constant, duplicate, zero, huge] {
        for algorithm in algorithms() {
            let mut session = world(vectors, |_| "1");
            create(&mut session, algorithm, "");
            trains_and_answers(&mut session, algorithm);
        }
    }
}

#[test]
fn weights_below_zero_and_weights_that_are_no_numbers() {
    let mixed = |at| ["-2", "'NaN'", "'inf'", "3", "NULL", "0", "1"][at % 7];
    for algorithm in algorithms() {
        let mut session = world(usual_vectors, mixed);
        create(&mut session, algorithm, "WEIGHT stars");
        trains_and_answers(&mut session, algorithm);
        // What is NULL, zero or no number is left out, whoever learns.
        let pairs = number(
            &mut session,
            "SELECT count(DISTINCT (user_id || ' ' || item_id)) FROM ratings
             WHERE stars IN (-2, 3, 1)",
        );
        let trained = run(&mut session, "TRAIN MODEL m");
        assert_eq!(trained[0].affected, pairs, "{}", algorithm.name);
        // Nothing but dislikes: an answer or a code.
        create(&mut session, algorithm, "WEIGHT -abs(stars) WHERE stars IN (-2, 3, 1)");
        match code(&mut session, "TRAIN MODEL m") {
            Some(code) => assert_eq!(code, "TD0602", "{}", algorithm.name),
            None => trains_and_answers(&mut session, algorithm),
        }
    }
}

/// A value that an option does not take, as SQL.
fn out_of_range(spec: &OptionSpec) -> Vec<String> {
    match spec.kind {
        OptionKind::Int { min, max, .. } => {
            let above = max.checked_add(1).map(|value| value.to_string());
            above.into_iter().chain([(min - 1).to_string(), "1.5".to_owned()]).collect()
        }
        OptionKind::Real { min, max, .. } | OptionKind::Auto { min, max } => {
            vec![format!("{:e}", min - 1.0), format!("{:e}", max * 2.0 + 1.0), "'much'".to_owned()]
        }
        OptionKind::Choice(_) => vec!["'no such word'".to_owned(), "7".to_owned()],
        OptionKind::Text { .. } => vec!["7".to_owned()],
    }
}

#[test]
fn settings_that_no_algorithm_takes() {
    let mut session = usual();
    for algorithm in algorithms() {
        for spec in algorithm.options {
            for value in out_of_range(spec) {
                let (name, option) = (algorithm.name, spec.name);
                let sql =
                    format!("CREATE MODEL x USING {name} ON ratings WITH ({option} = {value})");
                assert_eq!(code(&mut session, &sql), Some("TD0109"), "{sql}");
                assert_eq!(at_fault(&mut session, &sql), value, "{sql}");
            }
        }
        // No factors are none that could tell anything.
        if has(algorithm, "factors") {
            create(&mut session, algorithm, "");
            for verb in ["TRAIN", "EXPLAIN TRAIN"] {
                let sql = format!("{verb} MODEL m\nWITH (seed = 1, factors = 0)");
                assert_eq!(code(&mut session, &sql), Some("TD0109"), "{}", algorithm.name);
                assert_eq!(at_fault(&mut session, &sql), "0", "{}", algorithm.name);
            }
        }
    }
}

/// The part of a statement that its error points at.
fn at_fault(session: &mut Session, sql: &str) -> String {
    let error = session.execute(sql).expect_err("it fails");
    let place = error.place().unwrap_or_else(|| panic!("no place: {}", error.render(sql)));
    let line = sql.lines().nth(place.line - 1).expect("the line is there");
    line.chars().take(place.end_column - 1).skip(place.column - 1).collect()
}

/// Not at the algorithm, nor at the model: an error about an option is where the option is, and one that
/// is about none where it belongs.
#[test]
fn an_error_about_an_option_points_at_it() {
    let mut session = usual();
    run(&mut session, "CREATE MODEL m USING vbpr ON ratings WITH (memory_limit = 1)");
    for (sql, part) in [
        ("CREATE MODEL x USING ease ON ratings WITH (lambda = 1, k = 'a', form = 'sparse')", "'a'"),
        ("CREATE MODEL x USING ease ON ratings WITH (lambda = 1, \"lamda\" = 2)", "\"lamda\""),
        ("CREATE MODEL x ON ratings WITH (refresh = 'often')", "'often'"),
        ("CREATE MODEL x ON ratings WITH (refresh_events = 10)", "10"),
        ("CREATE MODEL x USING eas ON ratings WITH (lambda = 1)", "eas"),
        ("CREATE MODEL m USING ease ON ratings WITH (lambda = 1)", "m"),
        ("TRAIN MODEL m WITH (memory_limit = 10)", "10"),
        ("TRAIN MODEL m WITH (memory_limit = 8000000000, modalities = 'texts')", "'texts'"),
        ("TRAIN MODEL m WITH (memory_limit = 8000000000, modalities = 'text:a')", "'text:a'"),
        ("TRAIN MODEL m WITH (memory_limt = 10)", "memory_limt"),
        ("TRAIN MODEL m", "m"),
        ("EXPLAIN TRAIN MODEL m WITH (seed = 1, factors = 1.5)", "1.5"),
    ] {
        assert_eq!(at_fault(&mut session, sql), part, "{sql}");
    }
    let sql = "CREATE MODEL x USING ease ON ratings WITH (lamda = 1)";
    let error = session.execute(sql).expect_err("it fails");
    assert!(error.render(sql).contains("did you mean `lambda`"), "{}", error.render(sql));
}

#[test]
fn more_threads_than_cores_change_nothing() {
    for algorithm in algorithms() {
        let mut session = usual();
        create(&mut session, algorithm, "");
        let mut answers = Vec::new();
        for threads in [1, 3, 1000] {
            session.set_threads(threads);
            run(&mut session, "TRAIN MODEL m");
            let sql = "RECOMMEND id, score FROM things FOR USER 'u1' USING m LIMIT 20";
            answers.push(cells(&mut session, sql));
        }
        assert_eq!(answers[0], answers[1], "{}", algorithm.name);
        assert_eq!(answers[0], answers[2], "{}", algorithm.name);
    }
}

#[test]
fn an_estimate_over_the_limit_ends_it_before_it_starts() {
    let mut session = usual();
    let mut limited = 0;
    for algorithm in algorithms() {
        create(&mut session, algorithm, "");
        if has(algorithm, "memory_limit") {
            let sql = "TRAIN MODEL m WITH (memory_limit = 1)";
            assert_eq!(code(&mut session, sql), Some("TD0603"), "{}", algorithm.name);
            limited += 1;
        } else {
            // What has no limit needs a few numbers an item.
            let plan = cells(&mut session, "EXPLAIN TRAIN MODEL m");
            let memory = plan.iter().find(|row| row[0] == "estimated memory").expect("a line");
            assert!(memory[1].ends_with(" B"), "{}: {memory:?}", algorithm.name);
        }
    }
    assert!(limited >= 6, "{limited}");
}

/// Histories grow without bounds where a robot is among the users. Training takes what its options
/// say, or the code of a limit, and the robot is answered.
#[test]
fn a_user_with_a_hundred_thousand_interactions() {
    const ITEMS: usize = 100_000;
    let folder = tempfile::tempdir().expect("a folder");
    let (items, ratings) = (folder.path().join("items.csv"), folder.path().join("ratings.csv"));
    let mut text = String::from("id\n");
    (0..ITEMS).for_each(|item| {
        let _ = writeln!(text, "i{item}");
    });
    fs::write(&items, text).expect("the file is written");
    let mut text = String::from("user_id,item_id,at\n");
    (0..ITEMS).for_each(|item| {
        let _ = writeln!(text, "u1,i{item},2026-01-01");
    });
    for at in 0..200usize {
        let _ = writeln!(text, "p{},i{},2026-01-02", at % 40, at * at % 50);
    }
    fs::write(&ratings, text).expect("the file is written");
    let db = Database::in_memory().expect("it opens");
    let mut session = db.session();
    run(&mut session, SCHEMA);
    run(&mut session, &format!("COPY things (id) FROM '{}'", items.display()));
    let from = ratings.display();
    run(&mut session, &format!("COPY ratings (user_id, item_id, at) FROM '{from}'"));
    for algorithm in algorithms() {
        create(&mut session, algorithm, "");
        match code(&mut session, "TRAIN MODEL m") {
            None => {
                let sql = "RECOMMEND id, score FROM things FOR USER 'u1' USING m LIMIT 5 \
                           WITH (seen = 'include')";
                assert_eq!(cells(&mut session, sql).len(), 5, "{}", algorithm.name);
                let sql = "RECOMMEND id, score FROM things FOR USER 'p1' USING m LIMIT 5";
                assert_eq!(cells(&mut session, sql).len(), 5, "{}", algorithm.name);
            }
            // `ease` takes memory with the square of the catalogue; those that learn from vectors
            // alone, or with them, have none here.
            Some(code) => {
                let without = algorithm.embeddings != Embeddings::Unused;
                let expected = if without { "TD0602" } else { "TD0603" };
                assert_eq!(code, expected, "{}", algorithm.name);
            }
        }
    }
}
