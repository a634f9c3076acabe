//! The whole of TasteDB without SQL: make tables, put in films and what people watched, train a
//! model, ask it.
//!
//! Run with `cargo run --release --example quickstart`.

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use tastedb::{ColumnType, Database, Fields, NewTable, Result, Value};

const FILMS: &[(&str, &str, i32, [f32; 3])] = &[
    // Key, title, year, and an embedding: how much of crime, of space, of romance.
    ("heat", "Heat", 1995, [0.9, 0.0, 0.1]),
    ("ronin", "Ronin", 1998, [1.0, 0.0, 0.0]),
    ("thief", "Thief", 1981, [0.9, 0.0, 0.2]),
    ("alien", "Alien", 1979, [0.1, 1.0, 0.0]),
    ("solaris", "Solaris", 1972, [0.0, 0.9, 0.4]),
    ("gattaca", "Gattaca", 1997, [0.2, 0.9, 0.3]),
    ("amelie", "Amélie", 2001, [0.0, 0.0, 1.0]),
    ("before", "Before Sunrise", 1995, [0.0, 0.1, 1.0]),
];

const WATCHED: &[(&str, &[&str])] = &[
    ("ada", &["heat", "ronin", "thief"]),
    ("bea", &["heat", "ronin", "gattaca"]),
    ("cem", &["alien", "solaris", "gattaca"]),
    ("dag", &["alien", "gattaca", "amelie"]),
    ("eve", &["amelie", "before"]),
    ("fay", &["heat"]),
];

fn main() -> Result<()> {
    // A folder would keep it: Database::open("films.taste").
    let db = Database::in_memory()?;

    // Nothing of a transaction is seen before `commit`, and all of it is on disk after.
    let mut write = db.begin_write()?;
    write.create_table(NewTable::users("people"))?;
    write.create_table(
        NewTable::items("films")
            .column("title", ColumnType::Text)
            .column("year", ColumnType::Int)
            .vector("mood", 3),
    )?;
    write.create_table(NewTable::interactions("watched", "people", "films").one_per_pair())?;
    for (key, title, year, mood) in FILMS {
        write.put_item("films", key, Fields::new().set("title", *title).set("year", *year))?;
        write.put_embedding("films", key, "mood", mood)?;
    }
    for (person, films) in WATCHED {
        write.put_user("people", person, ())?;
        for film in *films {
            write.record("watched", person, film, ())?;
        }
    }
    write.commit()?;

    // A model is part of the database: its definition, its versions, and what they were made of.
    db.create_model("taste", "ease", "watched").option("lambda", 1.0).create()?;
    let version = db.train("taste").run()?;
    println!("trained version {} on {} pairs", version.version, version.pairs);

    println!("\nfor fay, who watched Heat:");
    show(&db, &db.recommend("films").user("fay").using("taste").k(3).reasons(1).run()?)?;

    println!("\nlike Alien:");
    show(&db, &db.recommend("films").item("alien").using("taste").k(3).run()?)?;

    println!("\nfor somebody unknown who just looked at Amélie and Solaris:");
    let session = ["amelie", "solaris"];
    show(&db, &db.recommend("films").session(session).using("taste").k(3).run()?)?;

    // A history is read at the moment of the question: what was recorded counts at once.
    let mut write = db.begin_write()?;
    write.record("watched", "fay", "amelie", ())?;
    write.commit()?;
    println!("\nfor fay, who now watched Amélie too:");
    show(&db, &db.recommend("films").user("fay").using("taste").k(3).reasons(1).run()?)?;
    Ok(())
}

fn show(db: &Database, answer: &tastedb::Recommendations) -> Result<()> {
    let snapshot = db.snapshot();
    for row in &answer.rows {
        let film = snapshot.get("films", &row.key)?;
        let title = match film.as_ref().map(|film| film.get("title")) {
            Some(Value::Text(title)) => title,
            _ => &row.key,
        };
        let because = row.reasons.first().map_or(String::new(), |r| format!(", like {}", r.key));
        println!("  {}. {title}  {:.3} from {}{because}", row.rank, row.score, row.source);
    }
    for notice in &answer.notices {
        println!("  note: {notice}");
    }
    Ok(())
}
