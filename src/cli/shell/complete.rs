//! What may come next: keywords, tables, columns, models, commands, files.
//!
//! The word before the cursor's word decides, as far as it can; the grammar is not consulted.

use std::fs;

use rustyline::completion::Pair;
use tastedb::Database;

use super::dot;
use super::schema;
use super::words::{ALGORITHMS, KEYWORDS, SOURCES, STARTERS};

/// The names that exist in a database at one moment.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    /// Tables with their columns.
    tables: Vec<(String, Vec<String>)>,
    models: Vec<String>,
}

impl Names {
    /// The names of the last commit. What cannot be read cannot be completed, and that is all.
    pub(super) fn of(database: &Database) -> Names {
        let catalog = database.catalog();
        let tables = catalog
            .tables()
            .map(|table| {
                let mut columns: Vec<String> = Vec::new();
                match &table.link {
                    Some(link) => {
                        columns.push(link.user_column.clone());
                        columns.push(link.item_column.clone());
                    }
                    None => columns.push(table.key_column.clone()),
                }
                columns.extend(table.columns().map(|column| column.name.clone()));
                (table.name.clone(), columns)
            })
            .collect();
        let models = database
            .models()
            .map(|models| models.into_iter().map(|m| m.definition.name).collect())
            .unwrap_or_default();
        Names { tables, models }
    }

    /// Completes the end of `before`, the text up to the cursor: where the replaced word begins,
    /// and what may stand there.
    pub(super) fn complete(&self, before: &str) -> (usize, Vec<Pair>) {
        if before.trim_start().starts_with('.') {
            return self.complete_command(before);
        }
        if let Some(start) = open_quote(before) {
            return (start, files(&before[start..]));
        }
        let start = word_start(before);
        let word = &before[start..];
        let lead = before[..start].trim_end();
        let previous = last_word(lead).to_ascii_uppercase();
        let found = if let Some(owner) = before[..start].strip_suffix('.') {
            matching(word, self.columns_of(last_word(owner)))
        } else if lead.is_empty() || lead.ends_with(';') {
            keywords(word, STARTERS)
        } else {
            self.after(&previous, word)
        };
        let open = before[..start].ends_with('"');
        let found = found.into_iter().map(|found| self.written(found, open));
        let mut found: Vec<Pair> = found.map(pair).collect();
        // A word that is whole is followed by a space, except a column, where a comma is as likely.
        if let [only] = found.as_mut_slice()
            && !self.all_columns().any(|column| schema::name(column) == only.replacement)
        {
            only.replacement.push(' ');
        }
        (start, found)
    }

    /// A name in the quotes that it needs, unless one is open before it; other words stay.
    fn written(&self, found: String, open: bool) -> String {
        let is_name = self.table_names().chain(self.all_columns()).any(|name| name == found);
        match (is_name, open) {
            (true, true) => format!("{}\"", found.replace('"', "\"\"")),
            (true, false) => schema::name(&found),
            (false, _) => found,
        }
    }

    fn after(&self, previous: &str, word: &str) -> Vec<String> {
        match previous {
            "FROM" | "INTO" | "TABLE" | "JOIN" | "UPDATE" | "DESCRIBE" | "RECOMMEND" | "COPY"
            | "REFERENCES" => matching(word, self.table_names()),
            "MODEL" | "EVALUATE" => matching(word, self.model_names()),
            "USING" => {
                let mut found = matching(word, self.model_names());
                found.extend(matching(word, SOURCES.iter().copied()));
                found.extend(matching(word, ALGORITHMS.iter().copied()));
                found.sort();
                found.dedup();
                found
            }
            "ON" => {
                let mut found = matching(word, self.table_names());
                found.extend(matching(word, self.all_columns()));
                found
            }
            "FOR" => keywords(word, &["DISLIKES", "ITEM", "LIKES", "SESSION", "USER", "VECTOR"]),
            "SHOW" => {
                keywords(word, &["EMBEDDINGS", "FORGETS", "GRAPHS", "INDEXES", "MODELS", "TABLES"])
            }
            _ if word.is_empty() => Vec::new(),
            _ => {
                let mut found = matching(word, self.all_columns());
                found.extend(matching(word, self.table_names()));
                found.extend(matching(word, self.model_names()));
                found.extend(keywords(word, KEYWORDS));
                found.sort();
                found.dedup();
                found
            }
        }
    }

    fn complete_command(&self, before: &str) -> (usize, Vec<Pair>) {
        let start = before.rfind(char::is_whitespace).map_or(0, |i| i + 1);
        let word = &before[start..];
        let mut arguments = before[..start].split_whitespace();
        let found = match (arguments.next(), arguments.next()) {
            (None, _) => matching(word, dot::names()),
            (Some(".mode"), None) => matching(word, ["csv", "json", "jsonl", "table"]),
            (Some(".timer"), None) => matching(word, ["off", "on"]),
            (Some(".schema"), None) | (Some(".import"), Some(_)) => {
                matching(word, self.table_names())
            }
            (Some(".help"), None) => {
                let mut found = matching(word, dot::names());
                if !word.is_empty() {
                    found.extend(keywords(word, STARTERS));
                }
                found
            }
            (Some(".read" | ".import"), None) => return (start, files(word)),
            _ => Vec::new(),
        };
        (start, found.into_iter().map(pair).collect())
    }

    fn table_names(&self) -> impl Iterator<Item = &str> {
        self.tables.iter().map(|(name, _)| name.as_str())
    }

    fn model_names(&self) -> impl Iterator<Item = &str> {
        self.models.iter().map(String::as_str)
    }

    fn all_columns(&self) -> impl Iterator<Item = &str> {
        self.tables.iter().flat_map(|(_, columns)| columns).map(String::as_str)
    }

    /// The columns of a table, or of all where the name is an alias.
    fn columns_of(&self, table: &str) -> Vec<&str> {
        let known = self.tables.iter().find(|(name, _)| name.eq_ignore_ascii_case(table));
        match known {
            Some((_, columns)) => columns.iter().map(String::as_str).collect(),
            None => self.all_columns().collect(),
        }
    }
}

fn pair(text: String) -> Pair {
    Pair { display: text.clone(), replacement: text }
}

/// The names that begin with `word`, sorted, each once.
fn matching<'a>(word: &str, names: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let begins =
        |name: &&str| name.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
    let mut found: Vec<String> = names.into_iter().filter(begins).map(str::to_string).collect();
    found.sort();
    found.dedup();
    found
}

/// Keywords in the case in which the word was begun.
fn keywords(word: &str, keywords: &[&str]) -> Vec<String> {
    let lower = word.chars().any(char::is_lowercase);
    let found = matching(word, keywords.iter().copied());
    if lower { found.iter().map(|keyword| keyword.to_lowercase()).collect() } else { found }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn word_start(text: &str) -> usize {
    text.trim_end_matches(is_word).len()
}

fn last_word(text: &str) -> &str {
    &text[word_start(text)..]
}

/// The position after the quote that is open at the end of `text`.
fn open_quote(text: &str) -> Option<usize> {
    let mut open = None;
    for (i, c) in text.char_indices() {
        if c == '\'' {
            open = match open {
                Some(_) => None,
                None => Some(i + 1),
            };
        }
    }
    open
}

/// The files whose path begins with `typed`; folders end with `/`, so that they can be entered.
fn files(typed: &str) -> Vec<Pair> {
    let (folder, begun) =
        typed.rsplit_once('/').map_or(("", typed), |(f, b)| (&typed[..=f.len()], b));
    let Ok(entries) = fs::read_dir(if folder.is_empty() { "." } else { folder }) else {
        return Vec::new();
    };
    let mut found: Vec<Pair> = entries
        .flatten()
        .filter_map(|entry| {
            let mut name = entry.file_name().into_string().ok()?;
            if !name.starts_with(begun) || (name.starts_with('.') && begun.is_empty()) {
                return None;
            }
            if entry.path().is_dir() {
                name.push('/');
            }
            Some(Pair { replacement: format!("{folder}{name}"), display: name })
        })
        .collect();
    found.sort_by(|a, b| a.display.cmp(&b.display));
    found
}

#[cfg(test)]
mod tests {
    use super::Names;

    fn names() -> Names {
        Names {
            tables: vec![
                ("movies".into(), vec!["id".into(), "title".into(), "year".into()]),
                ("people".into(), vec!["id".into(), "country".into()]),
            ],
            models: vec!["taste".into()],
        }
    }

    fn after(before: &str) -> Vec<String> {
        let (start, found) = names().complete(before);
        found.into_iter().map(|p| format!("{}{}", &before[..start], p.replacement)).collect()
    }

    #[test]
    fn statements_begin_with_a_verb() {
        assert_eq!(after("RECO"), ["RECOMMEND "]);
        assert_eq!(after("SELECT 1; tra"), ["SELECT 1; train model "]);
    }

    #[test]
    fn the_word_before_decides() {
        assert_eq!(after("RECOMMEND m"), ["RECOMMEND movies "]);
        assert_eq!(after("TRAIN MODEL "), ["TRAIN MODEL taste "]);
        assert_eq!(after("RECOMMEND movies FOR U"), ["RECOMMEND movies FOR USER "]);
        assert_eq!(after("SELECT movies.t"), ["SELECT movies.title"]);
        assert_eq!(after("SELECT tit"), ["SELECT title"]);
        assert_eq!(after("SELECT * FROM p"), ["SELECT * FROM people "]);
        assert_eq!(after("CREATE MODEL x USING e"), ["CREATE MODEL x USING ease "]);
        assert_eq!(
            after("select id from movies wh"),
            ["select id from movies when", "select id from movies where"]
        );
    }

    #[test]
    fn names_get_the_quotes_that_they_need() {
        let tables = vec![("Two Words".into(), vec!["Key".into()])];
        let names = Names { tables, models: Vec::new() };
        let after = |before: &str| names.complete(before).1.remove(0).replacement;
        assert_eq!(after("SELECT * FROM tw"), "\"Two Words\" ");
        assert_eq!(after("SELECT * FROM \"Tw"), "Two Words\" ");
        assert_eq!(after("SELECT ke"), "\"Key\"");
    }

    #[test]
    fn commands_and_their_arguments() {
        assert_eq!(after(".ta"), [".tables"]);
        assert_eq!(after(".mode js"), [".mode json", ".mode jsonl"]);
        assert_eq!(after(".schema p"), [".schema people"]);
    }

    #[test]
    fn files_complete_inside_quotes() {
        let here = after("COPY movies FROM 'Cargo.to");
        assert_eq!(here, ["COPY movies FROM 'Cargo.toml"]);
        assert!(after("COPY movies FROM 's").contains(&"COPY movies FROM 'src/".to_string()));
    }
}
