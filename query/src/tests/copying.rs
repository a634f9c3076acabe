//! COPY, over files made by the tests.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::support::{fails, rows, run, shop, tag};

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

fn file(folder: &Path, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, content).expect("writes");
    path
}

#[test]
fn csv_finds_its_columns_by_name_and_by_meaning() {
    let dir = folder();
    let mut session = shop();
    let path = file(
        dir.path(),
        "more.csv",
        "userId,movieId,rating,timestamp\nu3,m1,4.5,978300760\nu3,m2,,\n",
    );
    assert_eq!(tag(&mut session, &format!("COPY ratings FROM '{}'", path.display())), "COPY 2");
    assert_eq!(
        rows(&mut session, "SELECT item_id, kind, rating, ts FROM ratings WHERE user_id = 'u3'"),
        "m1|rating|4.5|2000-12-31T22:12:40\nm2|rating|NULL|NULL"
    );
    let path = file(
        dir.path(),
        "items.csv",
        "item_id,title,genres,text\nm8,\"A, \"\"B\"\"\",Comedy|Drama,[1 2 3]\n",
    );
    let error = fails(&mut session, &format!("COPY movies FROM '{}'", path.display()));
    assert!(error.contains("line 2, column `text`"), "{error}");
    let path = file(
        dir.path(),
        "items.csv",
        "item_id,title,genres,text\nm8,\"A, \"\"B\"\"\",Comedy|Drama,1 2 3\n",
    );
    run(&mut session, &format!("COPY movies FROM '{}'", path.display()));
    assert_eq!(
        rows(&mut session, "SELECT title, genres, text FROM movies WHERE id = 'm8'"),
        "A, \"B\"|[Comedy, Drama]|[1.0, 2.0, 3.0]"
    );
}

#[test]
fn a_faulty_record_stops_the_copy_and_nothing_is_written() {
    let dir = folder();
    let mut session = shop();
    let text = "id,country,birth_year\np1,NO,1990\np2,NO,old\np3,NO,1991\np4,NO\nu1,NO,1\n";
    let path = file(dir.path(), "people.csv", text);
    let copy = format!("COPY people FROM '{}'", path.display());
    let error = fails(&mut session, &copy);
    assert!(error.starts_with("TD0404"), "{error}");
    assert!(
        error.contains("people.csv, line 3, column `birth_year`: expected INTEGER, found `old`"),
        "{error}"
    );
    assert_eq!(rows(&mut session, "SELECT count(*) FROM people"), "3");
    let outcome = run(&mut session, &format!("{copy} WITH (on_error = 'skip')")).remove(0);
    assert_eq!(outcome.tag, "COPY 2");
    assert_eq!(outcome.notices.len(), 4, "{:?}", outcome.notices);
    assert!(outcome.notices[2].contains("line 5, column `birth_year`"), "{:?}", outcome.notices);
    assert_eq!(rows(&mut session, "SELECT count(*) FROM people"), "5");
    assert_eq!(
        tag(&mut session, &format!("{copy} WITH (on_error = skip, on_conflict = update)")),
        "COPY 3"
    );
}

#[test]
fn a_skipped_record_leaves_nothing_behind() {
    let dir = folder();
    let mut session = shop();
    run(&mut session, "ALTER TABLE movies ADD COLUMN half HALFVEC(2)");
    let lines = [
        r#"{"id":"n1","title":"whole","text":[1,2,3],"half":[1,2]}"#,
        r#"{"id":"n2","title":"NaN","text":"1 NaN 3","half":[1,2]}"#,
        r#"{"id":"n3","title":"too large","text":[1,2,3],"half":[1,70000]}"#,
        r#"{"id":"n4","title":"too short","text":[1,2],"half":[1,2]}"#,
        r#"{"id":"m1","title":"changed","text":[1,2,3],"half":[70000,1]}"#,
    ];
    let path = file(dir.path(), "movies.jsonl", lines.join("\n"));
    let copy = format!(
        "COPY movies FROM '{}' WITH (on_error = skip, on_conflict = update)",
        path.display()
    );
    let outcome = run(&mut session, &copy).remove(0);
    assert_eq!(outcome.tag, "COPY 1");
    assert_eq!(
        outcome.notices[1..],
        [
            "line 2, column `text`: number 2 of the vector is not finite",
            "line 3, column `half`: number 2 of the vector is too large for HALFVEC",
            "line 4, column `text`: expected 3 numbers, found 2",
            "line 5, column `half`: number 1 of the vector is too large for HALFVEC",
        ]
    );
    assert_eq!(
        rows(
            &mut session,
            "SELECT id, title, text FROM movies WHERE id IN ('n1', 'n2', 'n3', 'm1')"
        ),
        "m1|Heat|[1.0, 0.0, 0.0]\nn1|whole|[1.0, 2.0, 3.0]"
    );
}

#[test]
fn a_first_line_that_is_no_object_is_skipped_like_any_other() {
    let dir = folder();
    let mut session = shop();
    let path =
        file(dir.path(), "p.jsonl", "oops\n\n[1]\n{\"id\":\"u8\"}\n{\"id\":\n{\"id\":\"u9\"}\n");
    let copy = format!("COPY people FROM '{}'", path.display());
    let error = fails(&mut session, &copy);
    assert!(error.starts_with("TD0403") && error.contains("p.jsonl, line 1: "), "{error}");
    let skip = format!("{copy} WITH (on_error = skip)");
    let outcome = run(&mut session, &skip).remove(0);
    assert_eq!(outcome.tag, "COPY 2");
    let lines: Vec<&str> = outcome.notices[1..].iter().map(|notice| &notice[..7]).collect();
    assert_eq!(lines, ["line 1:", "line 3:", "line 5:"]);
    assert_eq!(rows(&mut session, "SELECT id FROM people"), "u1\nu2\nu3\nu8\nu9");
    // Without any object, all is skipped; something else altogether is not read to its end.
    file(dir.path(), "p.jsonl", "oops\nno\n");
    assert_eq!(tag(&mut session, &skip), "COPY 0");
    file(dir.path(), "p.jsonl", "oops\n".repeat(1001));
    assert!(fails(&mut session, &skip).starts_with("TD0403"));
}

#[test]
fn the_columns_of_a_written_query_are_called_as_they_were_written() {
    let dir = folder();
    let mut session = shop();
    let query = "SELECT id, year + 1, count(*) AS n FROM movies WHERE id = 'm2' GROUP BY id, year";
    for (name, expected) in [
        ("q.csv", "id,year + 1,n\nm2,1980,1\n"),
        ("q.jsonl", "{\"id\":\"m2\",\"year + 1\":1980,\"n\":1}\n"),
    ] {
        let path = dir.path().join(name);
        assert_eq!(tag(&mut session, &format!("COPY ({query}) TO '{}'", path.display())), "COPY 1");
        assert_eq!(fs::read_to_string(path).expect("reads"), expected);
    }
    let path = dir.path().join("q.parquet");
    assert_eq!(tag(&mut session, &format!("COPY ({query}) TO '{}'", path.display())), "COPY 1");
}

#[test]
fn a_skipped_interaction_makes_neither_user_nor_item() {
    let dir = folder();
    let mut session = shop();
    run(
        &mut session,
        "CREATE TABLE stars (user_id TEXT REFERENCES people, item_id TEXT REFERENCES movies, \
           n INT NOT NULL) WITH (role = 'interaction', on_unknown = create)",
    );
    let text = "user_id,item_id,n\nnew1,new1,\nu1,new2,\nnew3,,1\nnew1,m1,2\nnew4,new4,3\n";
    let path = file(dir.path(), "stars.csv", text);
    let copy = format!("COPY stars FROM '{}' WITH (on_error = skip)", path.display());
    assert_eq!(tag(&mut session, &copy), "COPY 2");
    assert_eq!(
        rows(&mut session, "SELECT id FROM people UNION ALL SELECT id FROM movies ORDER BY id"),
        "m1\nm2\nm3\nm4\nnew1\nnew4\nnew4\nu1\nu2\nu3"
    );
    assert_eq!(rows(&mut session, "SELECT * FROM stars"), "new1|m1|2\nnew4|new4|3");
}

#[test]
fn superfluous_and_missing_columns_are_named() {
    let dir = folder();
    let mut session = shop();
    let path = file(dir.path(), "people.csv", "id,country,shoe\np1,NO,45\n");
    let copy = format!("FROM '{}'", path.display());
    let error = fails(&mut session, &format!("COPY people {copy}"));
    assert!(error.starts_with("TD0406") && error.contains("`shoe`"), "{error}");
    assert_eq!(tag(&mut session, &format!("COPY people (id, country) {copy}")), "COPY 1");
    let again = format!("COPY people {copy} WITH (ignore_extra = true, on_conflict = skip)");
    assert_eq!(tag(&mut session, &again), "COPY 0");
    let error = fails(&mut session, &format!("COPY people (id, birth_year) {copy}"));
    assert!(error.contains("no field for column `birth_year`"), "{error}");
    let path = file(dir.path(), "x.csv", "p7;DK;1970\n");
    let sql =
        format!("COPY people FROM '{}' WITH (header = false, delimiter = ';')", path.display());
    assert_eq!(tag(&mut session, &sql), "COPY 1");
    assert!(fails(&mut session, "COPY people FROM '/no/such/file.csv'").starts_with("TD0401"));
    assert!(fails(&mut session, "COPY people FROM 'file.xyz'").starts_with("TD0402"));
}

#[test]
fn other_formats_are_read() {
    let dir = folder();
    let mut session = shop();
    let copy = |session: &mut crate::Session, table: &str, path: &Path| {
        tag(session, &format!("COPY {table} FROM '{}'", path.display()))
    };
    let path = file(
        dir.path(),
        "movies.jsonl",
        "{\"id\":\"j1\",\"title\":\"J\",\"genres\":[\"a\",\"b\"],\"text\":[1,2,3]}\n{\"id\":\"j2\",\"title\":null}\n",
    );
    assert_eq!(copy(&mut session, "movies", &path), "COPY 2");
    let path = file(dir.path(), "movies.dat", b"j3::Caf\xe9 (1999)::Comedy|Drama\n");
    assert_eq!(copy(&mut session, "movies", &path), "COPY 1");
    let path = file(dir.path(), "ratings.dat", "u1::j3::5::978300760\n");
    assert_eq!(copy(&mut session, "ratings", &path), "COPY 1");
    let path = file(dir.path(), "u.data", "u2\tj3\t3\t881250949\n");
    assert_eq!(copy(&mut session, "ratings", &path), "COPY 1");
    let path = file(
        dir.path(),
        "x.inter",
        "user_id:token\titem_id:token\trating:float\ttimestamp:float\nu3\tj3\t4\t881250949.0\n",
    );
    assert_eq!(copy(&mut session, "ratings", &path), "COPY 1");
    assert_eq!(
        rows(&mut session, "SELECT title, genres FROM movies WHERE id = 'j3'"),
        "Café (1999)|[Comedy, Drama]"
    );
    assert_eq!(
        rows(&mut session, "SELECT user_id, rating, ts FROM ratings WHERE item_id = 'j3'"),
        "u1|5.0|2000-12-31T22:12:40\nu2|3.0|1997-12-04T15:55:49\nu3|4.0|1997-12-04T15:55:49"
    );
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packed.write_all(b"id,country\nz1,FI\n").expect("packs");
    let path = file(dir.path(), "people.csv.gz", packed.finish().expect("packs"));
    assert_eq!(copy(&mut session, "people", &path), "COPY 1");
}

fn npy(dtype: &str, shape: &str, fortran: &str, data: &[u8]) -> Vec<u8> {
    let mut header =
        format!("{{'descr': '{dtype}', 'fortran_order': {fortran}, 'shape': {shape}, }}");
    while (10 + header.len() + 1) % 64 != 0 {
        header.push(' ');
    }
    header.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend_from_slice(&(header.len() as u16).to_le_bytes());
    bytes.extend_from_slice(header.as_bytes());
    bytes.extend_from_slice(data);
    bytes
}

#[test]
fn vectors_come_from_numpy_arrays() {
    let dir = folder();
    let mut session = shop();
    let ids = file(dir.path(), "ids.csv", "title,item_id\nx,m4\ny,m3\n");
    let numbers: Vec<u8> =
        [1f32, 2.0, 3.0, 4.0, 5.0, 6.5].iter().flat_map(|v| v.to_le_bytes()).collect();
    let path = file(dir.path(), "text.npy", npy("<f4", "(2, 3)", "False", &numbers));
    let sql = |path: &Path| {
        format!("COPY movies (text) FROM '{}' WITH (ids = '{}')", path.display(), ids.display())
    };
    assert_eq!(tag(&mut session, &sql(&path)), "COPY 2");
    assert_eq!(
        rows(&mut session, "SELECT id, text FROM movies WHERE id IN ('m3', 'm4')"),
        "m3|[4.0, 5.0, 6.5]\nm4|[1.0, 2.0, 3.0]"
    );
    let half = [0u8, 0x3c, 0, 0x40, 0, 0x42, 0, 0, 0, 0, 0, 0];
    let path = file(dir.path(), "half.npy", npy("<f2", "(2, 3)", "False", &half));
    assert_eq!(tag(&mut session, &sql(&path)), "COPY 2");
    assert_eq!(rows(&mut session, "SELECT text FROM movies WHERE id = 'm4'"), "[1.0, 2.0, 3.0]");
    for (bytes, expected) in [
        (npy("<f4", "(3, 2)", "False", &numbers), "vectors of 3 numbers, the array has 2"),
        (npy("<f4", "(1, 3)", "False", &numbers), "more ids than"),
        (npy("<f4", "(6,)", "False", &numbers), "two dimensions"),
        (npy("<i4", "(2, 3)", "False", &numbers), "float16, float32 or float64"),
        (npy("<f4", "(2, 3)", "True", &numbers), "C order"),
    ] {
        let path = file(dir.path(), "bad.npy", bytes);
        let error = fails(&mut session, &sql(&path));
        assert!(error.starts_with("TD0405") && error.contains(expected), "{error}");
    }
    let path = file(dir.path(), "bad.npy", &numbers);
    let error = fails(&mut session, &sql(&path));
    assert!(error.starts_with("TD0409") && error.contains("not a NumPy file"), "{error}");
    let error = fails(&mut session, &format!("COPY movies (text) FROM '{}'", path.display()));
    assert!(error.contains("ids ="), "{error}");
}

#[test]
fn what_is_written_can_be_read_again() {
    let dir = folder();
    let mut session = shop();
    for ending in ["csv", "csv.gz", "jsonl", "parquet"] {
        let path = dir.path().join(format!("movies.{ending}"));
        assert_eq!(tag(&mut session, &format!("COPY movies TO '{}'", path.display())), "COPY 4");
        let before = rows(&mut session, "SELECT * FROM movies");
        run(
            &mut session,
            &format!(
                "BEGIN; DELETE FROM ratings; DELETE FROM movies; \
                                    COPY movies FROM '{}'",
                path.display()
            ),
        );
        assert_eq!(rows(&mut session, "SELECT * FROM movies"), before, "{ending}");
        run(&mut session, "ROLLBACK");
    }
    let path = dir.path().join("q.csv");
    run(
        &mut session,
        &format!("COPY (SELECT id, year FROM movies WHERE year < 1990) TO '{}'", path.display()),
    );
    assert_eq!(fs::read_to_string(path).expect("reads"), "id,year\nm2,1979\n");
    assert_eq!(fs::read_dir(dir.path()).expect("lists").count(), 5);
}
