//! A catalogue of films that nobody made, and people who watched them.
//!
//! Films belong to a genre and, within it, to a mood; people have a taste for one or two genres
//! and for one mood in each. The model is told nothing of that: it has to find it in who watched
//! what. The same on every machine and at every run.

mod population;
mod random;
mod titles;

use std::fmt::Write as _;

use super::plan::{Model, Plan, Test};
use super::scratch::Scratch;
use crate::cli::runner::Stop;
use population::Population;

/// Makes the catalogue, writes its files into `scratch` and says how to load them.
pub(super) fn plan(scratch: &Scratch) -> Result<Plan, Stop> {
    let made = Population::new();
    let people = scratch.write("people.csv", people_csv(&made).as_bytes())?;
    let movies = scratch.write("movies.csv", movies_csv(&made).as_bytes())?;
    let text = scratch.write("text.npy", &text_npy(&made))?;
    let ratings = scratch.write("ratings.csv", ratings_csv(&made.ratings).as_bytes())?;
    let held_out = scratch.write("held_out.csv", ratings_csv(&made.held_out).as_bytes())?;
    let interactions = |name: &str| {
        format!(
            "CREATE TABLE {name} (user_id TEXT REFERENCES people, item_id TEXT REFERENCES movies,\n\
             \x20 rating REAL, ts TIMESTAMP) WITH (role = 'interaction');"
        )
    };
    Ok(Plan {
        about: format!(
            "{} made-up films, {} made-up people and {} ratings; a fifth of each person's ratings \
             is held out to measure the model on.",
            made.films.len(),
            made.people.len(),
            made.ratings.len() + made.held_out.len()
        ),
        tables: vec![
            "CREATE TABLE people (id TEXT PRIMARY KEY, country TEXT) WITH (role = 'user');".into(),
            format!(
                "CREATE TABLE movies (id TEXT PRIMARY KEY, title TEXT, year INT, genres TEXT[],\n\
                 \x20 text VECTOR({})) WITH (role = 'item');",
                population::DIM
            ),
            interactions("ratings"),
            interactions("held_out"),
        ],
        copies: vec![
            format!("COPY people FROM '{}';", people.display()),
            format!("COPY movies FROM '{}';", movies.display()),
            format!(
                "COPY movies (text) FROM '{}'\n  WITH (ids = '{}');",
                text.display(),
                movies.display()
            ),
            format!("COPY ratings FROM '{}';", ratings.display()),
            format!("COPY held_out FROM '{}';", held_out.display()),
        ],
        shown: vec!["title".to_string(), "genres".to_string()],
        test: Test::Table,
        rated: true,
        model: Model::for_items(made.films.len(), 50),
    })
}

fn people_csv(made: &Population) -> String {
    let mut csv = String::from("id,country\n");
    for (n, person) in made.people.iter().enumerate() {
        let _ = writeln!(csv, "{},{}", population::person_id(n), person.country);
    }
    csv
}

fn movies_csv(made: &Population) -> String {
    let mut csv = String::from("id,title,year,genres\n");
    for (n, film) in made.films.iter().enumerate() {
        let id = population::film_id(n);
        let _ = writeln!(csv, "{id},\"{}\",{},{}", film.title, film.year, film.genres.join("|"));
    }
    csv
}

fn ratings_csv(ratings: &[population::Rating]) -> String {
    let mut csv = String::from("user_id,item_id,rating,ts\n");
    for rating in ratings {
        let (day, minute) = (rating.minute / 1440, rating.minute % 1440);
        let (month, day) = (1 + day / 28, 1 + day % 28);
        let _ = writeln!(
            csv,
            "{},{},{},2025-{month:02}-{day:02} {:02}:{:02}:00",
            population::person_id(rating.person),
            population::film_id(rating.film),
            rating.stars,
            minute / 60,
            minute % 60,
        );
    }
    csv
}

/// The films' text embeddings as NumPy writes them: format 1.0, little-endian `f4`, C order.
fn text_npy(made: &Population) -> Vec<u8> {
    let shape = format!("({}, {})", made.films.len(), population::DIM);
    let mut header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}");
    // Magic, version and length take 10 bytes; the whole must be a multiple of 64.
    while (10 + header.len() + 1) % 64 != 0 {
        header.push(' ');
    }
    header.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend(u16::try_from(header.len()).unwrap_or(u16::MAX).to_le_bytes());
    bytes.extend(header.as_bytes());
    for film in &made.films {
        bytes.extend(film.text.iter().flat_map(|x| x.to_le_bytes()));
    }
    bytes
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::population::Population;
    use super::{movies_csv, ratings_csv, text_npy};

    #[test]
    fn the_same_data_every_time() {
        let (one, two) = (Population::new(), Population::new());
        assert_eq!(movies_csv(&one), movies_csv(&two));
        assert_eq!(ratings_csv(&one.ratings), ratings_csv(&two.ratings));
        assert_eq!(text_npy(&one), text_npy(&two));
    }

    #[test]
    fn titles_are_distinct_and_pairs_occur_once() {
        let made = Population::new();
        let titles: HashSet<&str> = made.films.iter().map(|f| f.title.as_str()).collect();
        assert_eq!(titles.len(), made.films.len());
        let all: Vec<(usize, usize)> =
            made.ratings.iter().chain(&made.held_out).map(|r| (r.person, r.film)).collect();
        let distinct: HashSet<&(usize, usize)> = all.iter().collect();
        assert_eq!(distinct.len(), all.len());
        assert!(made.held_out.len() * 3 < made.ratings.len());
    }
}
