//! Forgetting, through the files: after a VACUUM no file holds what was forgotten, also where the
//! process was killed on the way; before, who reads an older state is waited for.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use tastedb::{Database, Options, Session, State, Ticket};

use crate::support::{cells, number, rows_as_text};

/// Where the child finds its folder; its presence is what makes a child of the test.
const FOLDER: &str = "TASTEDB_FORGET_FOLDER";
const ROUND: &str = "TASTEDB_FORGET_ROUND";
/// How many times the child is killed. `TASTEDB_FORGET_KILLS` raises it.
const KILLS: u64 = 40;
const ROUNDS_PER_DATABASE: u64 = 10;

fn options() -> Options {
    Options::new().seal_rows(8)
}

fn schema() -> &'static str {
    "CREATE TABLE people (id TEXT PRIMARY KEY, name TEXT) WITH (role = 'user');
     CREATE TABLE movies (id TEXT PRIMARY KEY, title TEXT, image VECTOR(4)) WITH (role = 'item');
     CREATE TABLE likes (user_id TEXT REFERENCES people, item_id TEXT REFERENCES movies, why TEXT)
         WITH (role = 'interaction', on_unknown = 'create');
     CREATE MODEL ease USING ease ON likes WITH (lambda = 2);
     CREATE MODEL knn USING item_knn ON likes;"
}

/// People and movies that stay.
fn fill(session: &mut Session) {
    let mut sql = String::new();
    for movie in 0..12 {
        sql.push_str(&format!(
            "INSERT INTO movies VALUES ('movie-{movie}', 'some film no {movie}', '[{movie}, 1, 0.5, 2]');"
        ));
    }
    for person in 0..30 {
        for step in 0..4 {
            let movie = (person * 5 + step * step) % 12;
            sql.push_str(&format!(
                "INSERT INTO likes VALUES ('person-{person}', 'movie-{movie}', 'because');"
            ));
        }
    }
    session.execute(&format!("BEGIN; {sql} COMMIT")).expect("it is filled");
}

/// The files below a folder that hold some bytes.
fn holders(folder: &Path, needle: &[u8]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(holders(&path, needle));
        } else {
            let bytes = match fs::read(&path) {
                // RocksDB removes what it has merged when it comes to it.
                Err(gone) if gone.kind() == std::io::ErrorKind::NotFound => continue,
                read => read.expect("a file"),
            };
            if bytes.windows(needle.len()).any(|window| window == needle) {
                found.push(path);
            }
        }
    }
    found
}

#[test]
fn no_file_holds_a_person_or_a_movie_that_was_forgotten() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("db");
    let db = Database::open_with(&path, options()).expect("it opens");
    let mut session = db.session();
    session.execute(schema()).expect("the schema is made");
    fill(&mut session);
    let vector = [1.0 / 7.0_f32, -9.0 / 11.0, 31.0 / 13.0, -1.0 / 4321.0];
    let written = vector.map(|value| value.to_string()).join(", ");
    let sql = format!(
        "INSERT INTO people VALUES ('person-who-leaves', 'Xanthippe Quux');
         INSERT INTO movies VALUES ('movie-that-goes', 'a zyxomma of a film', '[{written}]');
         INSERT INTO likes VALUES ('person-who-leaves', 'movie-1', 'she said brillig'),
             ('person-who-leaves', 'movie-2', 'she said slithy'), ('person-1', 'movie-that-goes', 'so');
         CREATE EMBEDDING words ON movies FROM (title) WITH (dim = 3, min_df = 1, max_df = 1);
         CREATE MODEL alike USING content ON likes;
         TRAIN MODEL ease; TRAIN MODEL knn; TRAIN MODEL alike;"
    );
    session.execute(&sql).unwrap_or_else(|error| panic!("{}", error.render(&sql)));
    let bytes: Vec<u8> = vector.iter().flat_map(|value| value.to_le_bytes()).collect();
    let needles: [&[u8]; 7] = [
        b"person-who-leaves",
        b"Xanthippe",
        b"brillig",
        b"slithy",
        b"movie-that-goes",
        b"zyxomma",
        &bytes,
    ];
    let held = needles.iter().filter(|needle| !holders(&path, needle).is_empty()).count();
    assert!(held >= 6, "only {held} of them can be seen in files before");
    session
        .execute(
            "DELETE FROM people WHERE id = 'person-who-leaves' RETURNING forget_id();
             DELETE FROM movies WHERE id = 'movie-that-goes' RETURNING forget_id();
             VACUUM",
        )
        .expect("they are forgotten");
    for needle in needles {
        let found = holders(&path, needle);
        assert!(found.is_empty(), "{:?} is in {found:?}", String::from_utf8_lossy(needle));
    }
    for ticket in ["f_1", "f_2"] {
        let lines = cells(&mut session, &format!("VERIFY FORGET '{ticket}'"));
        assert!(lines.iter().all(|line| line[1] == "true"), "{lines:#?}");
    }
    // Reopening brings nothing back, and what stays is there.
    drop(session);
    drop(db);
    assert!(Database::check(&path).expect("it is checked").is_sound());
    let db = Database::open_with(&path, options()).expect("it opens");
    assert_eq!(number(&mut db.session(), "SELECT count(*) FROM likes"), 120);
    assert!(needles.iter().all(|needle| holders(&path, needle).is_empty()));
    let rows = cells(&mut db.session(), "RECOMMEND movies FOR USER 'person-3' USING ease LIMIT 3");
    assert_eq!(rows.len(), 3);
}

#[test]
fn a_snapshot_from_before_holds_the_files_up_and_no_answer() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("db");
    let db = Database::open_with(&path, options()).expect("it opens");
    let mut session = db.session();
    session.execute(schema()).expect("the schema is made");
    fill(&mut session);
    let before = db.snapshot();
    let mut write = db.begin_write().expect("it begins");
    let ticket = write.forget("people", "person-7").expect("deletes").expect("there is one");
    assert_eq!(write.forget("people", "person-7").expect("looks"), None);
    write.commit().expect("commits");
    let error = db.vacuum().expect_err("the snapshot is held");
    assert_eq!(error.code(), "TD0510");
    assert!(error.is_retryable());
    assert_eq!(before.history("likes", "person-7").expect("reads").len(), 4);
    let sql = "RECOMMEND movies FOR USER 'person-7'";
    assert_eq!(session.execute(sql).expect_err("it is masked").code(), "TD0701");
    drop(before);
    let vacuumed = db.vacuum().expect("nobody holds it");
    assert_eq!(vacuumed.tickets[0].state(), State::Unlearned);
    assert!(db.verify_forget(&ticket.id()).expect("verifies").passed());
    assert_eq!(db.forgets().expect("lists")[0].state(), State::Verified);
    assert_eq!(db.verify_forget("f_2").expect_err("there is none").code(), "TD0216");
}

#[test]
fn by_itself_the_database_forgets_within_the_hour() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicI64, Ordering};
    let clock = Arc::new(AtomicI64::new(0));
    let read = Arc::clone(&clock);
    let options = options().clock(move || read.load(Ordering::Relaxed));
    let db = Database::in_memory_with(options).expect("it opens");
    let mut session = db.session();
    session.execute(schema()).expect("the schema is made");
    fill(&mut session);
    session.execute("TRAIN MODEL ease").expect("it is trained");
    let sql = "DELETE FROM people WHERE id = 'person-7' RETURNING forget_id()";
    session.execute(sql).expect("it is deleted");
    thread::sleep(Duration::from_millis(300));
    assert_eq!(db.forgets().expect("lists")[0].state(), State::Masked, "it is not yet time");
    clock.store(1_800_000_001, Ordering::Relaxed);
    // A commit wakes the worker.
    session.execute("INSERT INTO people VALUES ('somebody', NULL)").expect("it is inserted");
    for _ in 0..600 {
        if db.forgets().expect("lists")[0].state() == State::Unlearned {
            return;
        }
        thread::sleep(Duration::from_millis(50));
    }
    panic!("{:?}", db.forgets());
}

/// Requests of the test below, and who reads meanwhile.
const REQUESTS: usize = 1_000;
const READERS: usize = 4;

#[test]
fn no_reader_ever_sees_who_is_masked_while_a_thousand_are_forgotten() {
    use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
    // Three of four requests are people, the others movies.
    let (people, movies) = (REQUESTS * 3 / 4, REQUESTS / 4);
    let db = Database::in_memory_with(options()).expect("it opens");
    let mut session = db.session();
    session.execute(schema()).expect("the schema is made");
    let mut sql = String::from("BEGIN;");
    for movie in 0..movies + 20 {
        sql.push_str(&format!(
            "INSERT INTO movies VALUES ('m{movie}', 'film', '[{movie}, 1, 2, 3]');"
        ));
    }
    for person in 0..people + 20 {
        sql.push_str(&format!("INSERT INTO people VALUES ('p{person}', NULL);"));
        for step in 0..3 {
            let movie = (person * 7 + step * step * 11) % (movies + 20);
            sql.push_str(&format!("INSERT INTO likes VALUES ('p{person}', 'm{movie}', NULL);"));
        }
    }
    sql.push_str("COMMIT; TRAIN MODEL ease; TRAIN MODEL knn");
    session.execute(&sql).unwrap_or_else(|error| panic!("{}", error.render(&sql)));
    let gone = |number: usize| -> Vec<AtomicBool> {
        (0..number).map(|_| AtomicBool::new(false)).collect()
    };
    let (gone_people, gone_movies) = (gone(people + 20), gone(movies + 20));
    let (over, answers, refused) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
    thread::scope(|scope| {
        for reader in 0..READERS {
            let mut session = db.session();
            let (gone_people, gone_movies) = (&gone_people, &gone_movies);
            let (over, answers, refused) = (&over, &answers, &refused);
            scope.spawn(move || {
                let mut turn = reader * 131;
                while !over.load(Ordering::SeqCst) {
                    turn += 1;
                    let person = turn * 17 % gone_people.len();
                    // What was masked before the question must not be in the answer.
                    let masked = gone_people[person].load(Ordering::SeqCst);
                    let before: Vec<bool> =
                        gone_movies.iter().map(|gone| gone.load(Ordering::SeqCst)).collect();
                    let model = ["ease", "knn"][turn % 2];
                    let sql = format!(
                        "RECOMMEND id FROM movies FOR USER 'p{person}' USING {model} LIMIT 20"
                    );
                    match session.execute(&sql) {
                        Ok(_) if masked => panic!("p{person} is masked and was answered"),
                        Ok(outcomes) => {
                            for row in outcomes.last().map(rows_as_text).unwrap_or_default() {
                                let movie: usize = row[0][1..].parse().expect("a number");
                                assert!(!before[movie], "m{movie} is masked and was recommended");
                            }
                            answers.fetch_add(1, Ordering::Relaxed);
                        }
                        Err(error) => {
                            assert_eq!(error.code(), "TD0701", "{}", error.render(&sql));
                            refused.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                }
            });
        }
        for request in 0..REQUESTS {
            let mut write = db.begin_write().expect("it begins");
            let (table, key, gone) = match request % 4 {
                3 => ("movies", format!("m{}", request / 4), &gone_movies[request / 4]),
                _ => {
                    let person = request / 4 * 3 + request % 4;
                    ("people", format!("p{person}"), &gone_people[person])
                }
            };
            write.forget(table, &key).expect("deletes").expect("there is one");
            write.commit().expect("commits");
            gone.store(true, Ordering::SeqCst);
            if request % 400 == 399 {
                // A reader may hold an older state for longer than a vacuum waits.
                drop(db.vacuum());
            }
        }
        over.store(true, Ordering::SeqCst);
    });
    assert!(answers.load(Ordering::Relaxed) > 0 && refused.load(Ordering::Relaxed) > 0);
    let vacuumed = db.vacuum().expect("nobody reads any more");
    assert!(vacuumed.failed.is_empty(), "{:?}", vacuumed.failed);
    let tickets = db.forgets().expect("lists");
    assert_eq!(tickets.len(), REQUESTS);
    assert!(!tickets.iter().any(Ticket::is_open));
    for ticket in [&tickets[0], &tickets[REQUESTS - 1]] {
        assert!(db.verify_forget(&ticket.id()).expect("verifies").passed());
    }
}

/// The child: forgets somebody over and over until it is killed.
#[test]
fn the_process_that_is_killed() {
    let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else { return };
    let round: u64 = std::env::var(ROUND).expect("a round").parse().expect("a number");
    let mut log = OpenOptions::new()
        .append(true)
        .create(true)
        .open(folder.join("acknowledged"))
        .expect("the log opens");
    let db = Database::open_with(folder.join("db"), options()).expect("the database opens");
    let mut session = db.session();
    for step in 0..1_000_000u64 {
        let who = format!("leaver-{round}-{step}-of-all");
        let sql = format!(
            "INSERT INTO likes VALUES ('{who}', 'movie-1', 'a'), ('{who}', 'movie-2', 'b');
             INSERT INTO movies VALUES ('{who}', '{who}', '[1, 2, 3, 4]');"
        );
        session.execute(&sql).unwrap_or_else(|e| panic!("{}", e.render(&sql)));
        if step % 3 == 0 {
            session.execute("TRAIN MODEL ease; TRAIN MODEL knn").expect("they are trained");
        }
        let sql = format!(
            "BEGIN; DELETE FROM people WHERE id = '{who}' RETURNING forget_id();
             DELETE FROM movies WHERE id = '{who}' RETURNING forget_id(); COMMIT"
        );
        session.execute(&sql).unwrap_or_else(|e| panic!("{}", e.render(&sql)));
        writeln!(log, "{who}").expect("the log is written");
        session.execute("VACUUM").unwrap_or_else(|e| panic!("{}", e.render("VACUUM")));
    }
}

#[test]
fn killed_at_random_points_what_was_to_be_forgotten_is_forgotten_after_all() {
    let kills =
        std::env::var("TASTEDB_FORGET_KILLS").ok().and_then(|k| k.parse().ok()).unwrap_or(KILLS);
    let mut folder = tempfile::tempdir().expect("a folder");
    let (mut open, mut forgotten) = (0, 0);
    for round in 0..kills {
        if round % ROUNDS_PER_DATABASE == 0 {
            folder = tempfile::tempdir().expect("a folder");
            let db = Database::open_with(folder.path().join("db"), options()).expect("it opens");
            let mut session = db.session();
            session.execute(schema()).expect("the schema is made");
            fill(&mut session);
        }
        let work = Duration::from_micros(40_000 + (round * 7_919_173) % 400_000);
        killed(folder.path(), round, work);
        let path = folder.path().join("db");
        let report = Database::check(&path).expect("the check runs");
        assert!(report.problems.is_empty(), "round {round}: {:?}", report.problems);
        let db = Database::open_with(&path, options()).expect("the database opens");
        let tickets = db.forgets().expect("lists");
        open += tickets.iter().filter(|ticket| ticket.is_open()).count();
        let vacuumed = db.vacuum().expect("the rest is done");
        assert!(vacuumed.failed.is_empty(), "round {round}: {vacuumed:?}");
        let tickets = db.forgets().expect("lists");
        assert!(!tickets.iter().any(Ticket::is_open), "round {round}: {tickets:?}");
        let log = fs::read_to_string(folder.path().join("acknowledged")).unwrap_or_default();
        assert!(tickets.len() >= 2 * log.lines().count(), "two for each who left");
        for who in log.lines() {
            let found = holders(&path, who.as_bytes());
            assert!(found.is_empty(), "round {round}: {who} is in {found:?}");
            forgotten += 1;
        }
        if let Some(last) = tickets.last() {
            let receipt = db.verify_forget(&last.id()).expect("verifies");
            assert!(receipt.passed(), "round {round}: {receipt:?}");
        }
    }
    assert!(open > 0 && forgotten > 20, "{open} open after a kill, {forgotten} forgotten");
}

/// Lets the child work for a while and kills it.
fn killed(folder: &Path, round: u64, work: Duration) {
    let mut child = Command::new(std::env::current_exe().expect("our own path"))
        .args(["--exact", "forget::the_process_that_is_killed", "--nocapture"])
        .env(FOLDER, folder)
        .env(ROUND, round.to_string())
        .stdout(Stdio::null())
        .stderr(File::create(folder.join("stderr")).expect("a file"))
        .spawn()
        .expect("the child starts");
    thread::sleep(work);
    child.kill().expect("the child is killed");
    child.wait().expect("the child is gone");
    let stderr = fs::read_to_string(folder.join("stderr")).unwrap_or_default();
    assert!(!stderr.contains("panicked"), "the child failed by itself: {stderr}");
}

#[test]
fn a_restored_backup_brings_nobody_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let (path, backup) = (folder.path().join("db"), folder.path().join("backup"));
    let db = Database::open_with(&path, options()).expect("it opens");
    let mut session = db.session();
    session.execute(schema()).expect("the schema is made");
    fill(&mut session);
    session.execute("TRAIN MODEL ease").expect("it is trained");
    db.backup(&backup).expect("it is backed up");
    session
        .execute(
            "DELETE FROM people WHERE id = 'person-7' RETURNING forget_id();
             DELETE FROM movies WHERE id = 'movie-3' RETURNING forget_id();
             DELETE FROM likes WHERE user_id = 'person-8' AND item_id = 'movie-5' RETURNING forget_id();
             DELETE FROM people WHERE id = 'person-9' RETURNING forget_id();
             INSERT INTO people VALUES ('person-9', 'came back');
             VACUUM",
        )
        .expect("they are forgotten");
    let likes = number(&mut session, "SELECT count(*) FROM likes");
    let copy = folder.path().join("copy");
    Database::restore(&backup, &copy).expect("it is restored");
    let restored = Database::open_with(&copy, options()).expect("it opens");
    assert_eq!(number(&mut restored.session(), "SELECT count(*) FROM likes"), 120);
    let tickets = restored.forget_again(&db).expect("they are forgotten again");
    assert_eq!(tickets.iter().map(|ticket| ticket.rows).sum::<u64>(), 4);
    restored.vacuum().expect("it is carried out");
    let mut session = restored.session();
    assert_eq!(number(&mut session, "SELECT count(*) FROM likes"), likes);
    let gone = "SELECT count(*) FROM people WHERE id IN ('person-7', 'person-9')";
    assert_eq!(number(&mut session, gone), 0, "whoever came back did so after the backup");
    for needle in ["person-7", "movie-3"] {
        assert!(holders(&copy, needle.as_bytes()).is_empty(), "{needle}");
    }
    for ticket in &tickets {
        assert!(restored.verify_forget(&ticket.id()).expect("verifies").passed());
    }
    assert_eq!(restored.forget_again(&db).expect("nothing is left"), []);
    let other = Database::in_memory_with(options()).expect("it opens");
    assert_eq!(other.forget_again(&db).expect_err("another database").code(), "TD0508");
}
