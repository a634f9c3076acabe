//! Invented film titles. Each genre has words of its own, so that a title tells what to expect.

use std::collections::HashSet;

use super::random::Random;

/// A genre with the words of its titles.
pub(super) struct Genre {
    pub(super) name: &'static str,
    adjectives: &'static [&'static str],
    nouns: &'static [&'static str],
    places: &'static [&'static str],
}

/// Every genre.
pub(super) const GENRES: &[Genre] = &[
    Genre {
        name: "Heist",
        adjectives: &["Perfect", "Golden", "Double", "Silent", "Borrowed", "Last", "Polished"],
        nouns: &["Vault", "Alibi", "Score", "Getaway", "Safecracker", "Diamond", "Blueprint"],
        places: &["Monte Verde", "Pier Nine", "the Grand Meridian", "Lisbon", "Vault Street"],
    },
    Genre {
        name: "Space",
        adjectives: &["Distant", "Frozen", "Orbital", "Outer", "Drifting", "Ninth", "Silver"],
        nouns: &["Colony", "Signal", "Airlock", "Comet", "Captain", "Horizon", "Beacon"],
        places: &["Kepler Station", "Ganymede", "the Rim", "Sector Twelve", "Europa"],
    },
    Genre {
        name: "Romance",
        adjectives: &["Tender", "Paper", "Borrowed", "Unsent", "Second", "Sunday", "Secret"],
        nouns: &["Letter", "Waltz", "Promise", "Umbrella", "Neighbour", "Summer", "Kiss"],
        places: &["Avignon", "Maple Street", "the Blue Café", "Lake Elva", "Positano"],
    },
    Genre {
        name: "Noir",
        adjectives: &["Crooked", "Midnight", "Rainy", "Bitter", "Velvet", "Dead", "Smoky"],
        nouns: &["Detective", "Ledger", "Widow", "Alley", "Confession", "Cigarette", "Client"],
        places: &["Harbour City", "Third Avenue", "the Blue Dahlia Bar", "Union Docks"],
    },
    Genre {
        name: "Western",
        adjectives: &["Dusty", "Lonesome", "Iron", "Hungry", "Seven", "Broken", "Red"],
        nouns: &["Rider", "Sheriff", "Canyon", "Stagecoach", "Bounty", "Mustang", "Saloon"],
        places: &["Dry Creek", "Perdition", "Mesa Alta", "Copper Gulch", "the Badlands"],
    },
    Genre {
        name: "Ghost story",
        adjectives: &["Hollow", "Whispering", "Pale", "Locked", "Thirteenth", "Cold", "Patient"],
        nouns: &["Nursery", "Lantern", "Séance", "Staircase", "Governess", "Portrait", "Attic"],
        places: &["Harrow House", "Blackmere", "the East Wing", "Widow's Point"],
    },
    Genre {
        name: "Comedy",
        adjectives: &["Clumsy", "Unlikely", "Accidental", "Reluctant", "Half", "Awkward", "Wrong"],
        nouns: &["Wedding", "Dentist", "Cousin", "Landlord", "Holiday", "Parrot", "Mayor"],
        places: &["Little Buffington", "Row Fourteen", "the Wrong Hotel", "Ohio"],
    },
    Genre {
        name: "Martial arts",
        adjectives: &["Drunken", "Jade", "Invisible", "Flying", "Forbidden", "Stone", "Eighth"],
        nouns: &["Fist", "Master", "Crane", "Temple", "Blade", "Disciple", "Tournament"],
        places: &["Mount Song", "the Southern Gate", "Kowloon", "the Bamboo Valley"],
    },
    Genre {
        name: "Documentary",
        adjectives: &["Wild", "Hidden", "Living", "Quiet", "Vanishing", "Small", "Deep"],
        nouns: &["River", "Orchestra", "Reef", "Beekeeper", "Glacier", "Kitchen", "Migration"],
        places: &["Patagonia", "the Mekong", "Svalbard", "the Inner Hebrides"],
    },
    Genre {
        name: "War",
        adjectives: &["Muddy", "Forgotten", "Thin", "Burning", "Forward", "Winter", "Final"],
        nouns: &["Battalion", "Trench", "Dispatch", "Crossing", "Medic", "Armistice", "Platoon"],
        places: &["Hill Ninety", "the Ardennes", "Saint-Varenne", "the Pontoon Bridge"],
    },
];

/// Makes titles, none twice.
pub(super) struct Titles {
    taken: HashSet<String>,
}

impl Titles {
    pub(super) fn new() -> Titles {
        Titles { taken: HashSet::new() }
    }

    /// A title that fits `genre`.
    pub(super) fn next(&mut self, genre: &Genre, random: &mut Random) -> String {
        loop {
            let title = invent(genre, random);
            if self.taken.insert(title.clone()) {
                return title;
            }
            // A success has a sequel now and then; it also ends the search when words run out.
            let sequel = format!("{title} {}", random.one(&["II", "III", "Returns", "Forever"]));
            if random.unit() < 0.2 && self.taken.insert(sequel.clone()) {
                return sequel;
            }
        }
    }
}

fn invent(genre: &Genre, random: &mut Random) -> String {
    let adjective = random.one(genre.adjectives);
    let noun = random.one(genre.nouns);
    let place = random.one(genre.places);
    match random.below(6) {
        0 => format!("The {adjective} {noun}"),
        1 => format!("{adjective} {noun}"),
        2 => format!("The {noun} of {place}"),
        3 => format!("A {noun} in {place}"),
        4 => format!("The {adjective} {noun} of {place}"),
        _ => format!("The {noun} and the {}", random.one(genre.nouns)),
    }
}
