//! MovieLens in the forms in which it is found: split into `train.csv` and `test.csv`, or as
//! GroupLens ships it (100K, 1M and the newer ones as CSV).
//!
//! Only names of files and header lines are looked at here; the files are read by COPY.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use super::plan::{Model, Plan, Test};
use crate::cli::runner::Stop;

/// What to do about a folder that is none of these.
const WANTED: &str = "unpack one of https://grouplens.org/datasets/movielens/ and name its folder; \
                      without --data the demo makes up its own catalogue";

/// Says how to load what lies in `folder`.
pub(super) fn plan(folder: &Path) -> Result<Plan, Stop> {
    if !folder.is_dir() {
        let message = format!("{} is not a folder", folder.display());
        return Err(Stop::mistake("TD0401", message, WANTED));
    }
    let found = |name: &str| {
        [folder.join(name), folder.join(format!("{name}.gz"))].into_iter().find(|p| p.is_file())
    };
    if let (Some(train), Some(items)) = (found("train.csv"), found("items.csv")) {
        let test = found("test.csv");
        return split(folder, &train, &items, found("users.csv"), test);
    }
    if let (Some(ratings), Some(items)) = (found("ratings.dat"), found("movies.dat")) {
        return Ok(shipped(folder, &ratings, &items, found("users.dat")));
    }
    if let (Some(ratings), Some(items)) = (found("u.data"), found("u.item")) {
        return Ok(shipped(folder, &ratings, &items, found("u.user")));
    }
    if let (Some(ratings), Some(items)) = (found("ratings.csv"), found("movies.csv")) {
        return Ok(shipped(folder, &ratings, &items, None));
    }
    let message = format!(
        "{} is not a folder of MovieLens: looked for train.csv and items.csv, ratings.dat and \
         movies.dat, u.data and u.item, ratings.csv and movies.csv",
        folder.display()
    );
    Err(Stop::mistake("TD0401", message, WANTED))
}

/// A folder with one file for each split, all with header lines.
fn split(
    folder: &Path,
    train: &Path,
    items: &Path,
    users: Option<PathBuf>,
    test: Option<PathBuf>,
) -> Result<Plan, Stop> {
    let item_columns = header(items)?;
    let count = lines(items)?;
    let train_columns = header(train)?;
    let text = folder.join("text.npy");
    let dim = if text.is_file() { npy_dim(&text) } else { None };
    let mut movies = columns_of(&item_columns);
    if let Some(dim) = dim {
        movies.push(format!("text VECTOR({dim})"));
    }
    let mut tables = Vec::new();
    let mut copies = Vec::new();
    let people = match &users {
        Some(users) => columns_of(&header(users)?),
        None => vec!["id TEXT PRIMARY KEY".to_string()],
    };
    tables.push(table("people", &people, "role = 'user'"));
    tables.push(table("movies", &movies, "role = 'item'"));
    tables.push(interactions("ratings", &train_columns, users.is_some()));
    if let Some(users) = &users {
        copies.push(copy("people", users));
    }
    copies.push(copy("movies", items));
    if dim.is_some() {
        let ids = format!("\n  WITH (ids = {})", quoted(items));
        copies.push(format!("COPY movies (text) FROM {}{ids};", quoted(&text)));
    }
    copies.push(copy("ratings", train));
    if let Some(test) = &test {
        tables.push(interactions("held_out", &header(test)?, users.is_some()));
        copies.push(copy("held_out", test));
    }
    let about =
        format!("The data of {}, with its own split of the interactions.", folder.display());
    let shown: Vec<String> = ["title", "genres", "keywords", "asin"]
        .into_iter()
        .filter(|name| item_columns.iter().any(|column| column == name))
        .take(2)
        .map(str::to_string)
        .collect();
    Ok(Plan {
        about,
        tables,
        copies,
        shown: if shown.is_empty() { vec!["id".to_string()] } else { shown },
        test: if test.is_some() { Test::Table } else { Test::None },
        rated: train_columns.iter().any(|column| column == "rating"),
        model: Model::for_items(count, 300),
    })
}

/// A folder as GroupLens ships it: no split, so the latest tenth is for measuring.
fn shipped(folder: &Path, ratings: &Path, items: &Path, users: Option<PathBuf>) -> Plan {
    let csv = ratings.to_string_lossy().contains(".csv");
    let old = items.to_string_lossy().contains("u.item");
    let format = if csv { "" } else { "\n  WITH (format = 'movielens')" };
    let of_people: &[&str] = match &users {
        Some(_) => {
            &["id TEXT PRIMARY KEY", "gender TEXT", "age INT", "occupation TEXT", "zip TEXT"]
        }
        None => &["id TEXT PRIMARY KEY"],
    };
    let mut of_movies = vec!["id TEXT PRIMARY KEY", "title TEXT", "genres TEXT[]"];
    if old {
        of_movies.push("release_date DATE");
    }
    let names: Vec<&str> =
        of_movies.iter().filter_map(|column| column.split_whitespace().next()).collect();
    let of_ratings = ["user_id", "item_id", "rating", "timestamp"].map(str::to_string);
    let mut copies = Vec::new();
    if let Some(users) = &users {
        copies.push(format!("COPY people FROM {}{format};", quoted(users)));
    }
    copies.push(format!("COPY movies ({}) FROM {}{format};", names.join(", "), quoted(items)));
    copies.push(format!("COPY ratings FROM {}{format};", quoted(ratings)));
    Plan {
        about: format!(
            "MovieLens as GroupLens ships it, from {}. The latest tenth of the ratings will be \
             used to measure.",
            folder.display()
        ),
        tables: vec![
            table("people", of_people, "role = 'user'"),
            table("movies", &of_movies, "role = 'item'"),
            interactions("ratings", &of_ratings, users.is_some()),
        ],
        copies,
        shown: vec!["title".to_string(), "genres".to_string()],
        test: Test::Latest,
        rated: true,
        model: Model::for_items(lines(items).unwrap_or(usize::MAX), 300),
    }
}

fn table(name: &str, columns: &[impl AsRef<str>], options: &str) -> String {
    let mut text = format!("CREATE TABLE {name} (");
    let mut width = text.len();
    for (i, column) in columns.iter().enumerate() {
        let column = column.as_ref();
        if i > 0 {
            text.push(',');
            if width + column.len() > 80 {
                text.push_str("\n ");
                width = 1;
            }
            text.push(' ');
        }
        text.push_str(column);
        width += column.len() + 2;
    }
    format!("{text})\n  WITH ({options});")
}

/// Declares an interaction table for a file with these columns.
fn interactions(name: &str, columns: &[String], users_are_known: bool) -> String {
    let declared: Vec<String> = columns
        .iter()
        .enumerate()
        .map(|(i, column)| match (i, column.as_str()) {
            (0, _) => "user_id TEXT REFERENCES people".to_string(),
            (1, _) => "item_id TEXT REFERENCES movies".to_string(),
            (_, "rating") => "rating REAL".to_string(),
            (_, "timestamp") => "ts TIMESTAMP".to_string(),
            (_, other) => format!("{other} TEXT"),
        })
        .collect();
    let unknown = if users_are_known { "" } else { ", on_unknown = 'create'" };
    table(name, &declared, &format!("role = 'interaction'{unknown}"))
}

/// Declares the columns of an entity table by their usual names; the first is the key.
fn columns_of(header: &[String]) -> Vec<String> {
    header
        .iter()
        .enumerate()
        .map(|(i, name)| match (i, name.as_str()) {
            (0, _) => "id TEXT PRIMARY KEY".to_string(),
            (_, "year" | "age") => format!("{name} INT"),
            (_, "release_date") => format!("{name} DATE"),
            (_, "genres") => format!("{name} TEXT[]"),
            _ => format!("{name} TEXT"),
        })
        .collect()
}

fn copy(table: &str, file: &Path) -> String {
    format!("COPY {table} FROM {};", quoted(file))
}

fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', "''"))
}

/// The names in a file's first line. A packed file has the header of the usual interactions.
fn header(path: &Path) -> Result<Vec<String>, Stop> {
    if path.extension().is_some_and(|ending| ending == "gz") {
        let unpacked = path.with_extension("");
        let sibling = path.with_file_name("test.csv");
        let like = [unpacked, sibling].into_iter().find(|p| p.is_file());
        return match like {
            Some(like) => header(&like),
            None => Ok(["user_id", "item_id"].map(str::to_string).to_vec()),
        };
    }
    let mut line = String::new();
    open(path)?.read_line(&mut line).map_err(|error| unreadable(path, &error))?;
    let names = line.trim_start_matches('\u{feff}').trim_end().split(',');
    Ok(names.map(|name| name.trim().trim_matches('"').to_string()).collect())
}

/// How many lines a file has; it need not be UTF-8.
fn lines(path: &Path) -> Result<usize, Stop> {
    let mut reader = open(path)?;
    let mut count = 0;
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line).map_err(|error| unreadable(path, &error))? > 0 {
        count += 1;
        line.clear();
    }
    Ok(count)
}

fn open(path: &Path) -> Result<BufReader<File>, Stop> {
    File::open(path).map(BufReader::new).map_err(|error| unreadable(path, &error))
}

fn unreadable(path: &Path, error: &std::io::Error) -> Stop {
    let message = format!("cannot read {}: {error}", path.display());
    Stop::mistake("TD0401", message, "check the path and its permissions")
}

/// The length of the vectors in a NumPy file: the second number of its `shape`.
fn npy_dim(path: &Path) -> Option<u32> {
    let bytes = fs::read(path).ok()?;
    let head = String::from_utf8_lossy(&bytes[..bytes.len().min(256)]).into_owned();
    let shape = head.split_once("'shape':")?.1;
    let inside = shape.split_once('(')?.1.split_once(')')?.0;
    inside.split(',').nth(1)?.trim().parse().ok()
}
