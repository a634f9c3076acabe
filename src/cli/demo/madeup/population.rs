//! The films, the people and who watched what.

use std::collections::HashSet;

use super::random::Random;
use super::titles::{GENRES, Titles};

/// Components of a film's text embedding.
pub(super) const DIM: usize = 32;

const FILMS: usize = 500;
const PEOPLE: usize = 1000;
const MOODS: usize = 3;
const SEED: u64 = 42;
const COUNTRIES: &[&str] = &["NO", "FR", "JP", "BR", "KE", "CA"];

/// Everything there is.
pub(super) struct Population {
    pub(super) films: Vec<Film>,
    pub(super) people: Vec<Person>,
    /// To learn from; by person.
    pub(super) ratings: Vec<Rating>,
    /// To measure with; by person.
    pub(super) held_out: Vec<Rating>,
}

/// One film.
pub(super) struct Film {
    pub(super) title: String,
    pub(super) year: usize,
    pub(super) genres: Vec<&'static str>,
    pub(super) text: [f32; DIM],
    genre: usize,
    mood: usize,
    appeal: f64,
}

/// One person.
pub(super) struct Person {
    pub(super) country: &'static str,
    /// Genre, mood, and how much of what they watch is of this kind.
    tastes: Vec<(usize, usize, f64)>,
}

/// One person watched one film.
pub(super) struct Rating {
    pub(super) person: usize,
    pub(super) film: usize,
    pub(super) stars: u32,
    /// Minutes since the beginning of 2025.
    pub(super) minute: usize,
}

/// The key of the `n`-th person.
pub(super) fn person_id(n: usize) -> String {
    format!("u{}", n + 1)
}

/// The key of the `n`-th film.
pub(super) fn film_id(n: usize) -> String {
    format!("m{}", n + 1)
}

impl Population {
    pub(super) fn new() -> Population {
        let mut random = Random::new(SEED);
        let films = films(&mut random);
        let people: Vec<Person> = (0..PEOPLE).map(|_| person(&mut random)).collect();
        let (mut ratings, mut held_out) = (Vec::new(), Vec::new());
        for (n, person) in people.iter().enumerate() {
            for (i, rating) in watched(n, person, &films, &mut random).into_iter().enumerate() {
                if i % 5 == 4 { held_out.push(rating) } else { ratings.push(rating) }
            }
        }
        Population { films, people, ratings, held_out }
    }
}

fn films(random: &mut Random) -> Vec<Film> {
    let directions: Vec<[f64; DIM]> =
        (0..GENRES.len() * (MOODS + 1)).map(|_| direction(random)).collect();
    let mut titles = Titles::new();
    (0..FILMS)
        .map(|n| {
            let genre = n % GENRES.len();
            let mood = random.below(MOODS);
            let mut genres = vec![GENRES[genre].name];
            let other = random.below(GENRES.len());
            if other != genre && random.unit() < 0.25 {
                genres.push(GENRES[other].name);
            }
            let kind = &directions[genre * (MOODS + 1)];
            let tone = &directions[genre * (MOODS + 1) + 1 + mood];
            Film {
                title: titles.next(&GENRES[genre], random),
                year: 1950 + random.below(75),
                genres,
                text: embedding(kind, tone, random),
                genre,
                mood,
                // A few films are seen by many, most by few.
                appeal: 1.0 / (1.0 + random.unit() * 30.0),
            }
        })
        .collect()
}

fn direction(random: &mut Random) -> [f64; DIM] {
    std::array::from_fn(|_| random.spread())
}

fn embedding(kind: &[f64; DIM], tone: &[f64; DIM], random: &mut Random) -> [f32; DIM] {
    let raw: [f64; DIM] = std::array::from_fn(|i| kind[i] + 0.7 * tone[i] + 0.6 * random.spread());
    let norm = raw.iter().map(|x| x * x).sum::<f64>().sqrt();
    raw.map(|x| (x / norm) as f32)
}

fn person(random: &mut Random) -> Person {
    let country = random.one(COUNTRIES);
    let first = random.below(GENRES.len());
    let second = (first + 1 + random.below(GENRES.len() - 1)) % GENRES.len();
    let share = 0.55 + 0.25 * random.unit();
    let tastes =
        vec![(first, random.below(MOODS), share), (second, random.below(MOODS), 0.9 - share)];
    Person { country, tastes }
}

fn watched(n: usize, person: &Person, films: &[Film], random: &mut Random) -> Vec<Rating> {
    let count = 15 + random.below(35);
    let mut seen = HashSet::new();
    let mut ratings = Vec::with_capacity(count);
    let mut minute = random.below(200_000);
    while ratings.len() < count {
        let film = choose(person, films, random);
        if !seen.insert(film) {
            continue;
        }
        let liked = person.tastes.iter().any(|(genre, _, _)| *genre == films[film].genre);
        let stars = if liked { 3 + random.below(3) } else { 1 + random.below(4) };
        minute += 30 + random.below(6000);
        ratings.push(Rating { person: n, film, stars: stars as u32, minute: minute % 480_000 });
    }
    ratings
}

/// What the person watches next: something to their taste, or what everybody watches.
fn choose(person: &Person, films: &[Film], random: &mut Random) -> usize {
    let draw = random.unit();
    let mut sum = 0.0;
    let taste = person.tastes.iter().find(|(_, _, share)| {
        sum += share;
        draw < sum
    });
    loop {
        let film = random.below(films.len());
        let fits = match taste {
            Some((genre, _, _)) if films[film].genre != *genre => 0.0,
            Some((_, mood, _)) if films[film].mood != *mood => 0.15,
            _ => 1.0,
        };
        // The square root keeps a niche from running out of films to watch.
        if random.unit() < films[film].appeal.sqrt() * fits {
            return film;
        }
    }
}
