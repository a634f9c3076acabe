//! How a statement is written, for `.help`: the forms that the language reference shows.

const REFERENCE: &str = include_str!("../../../sql/reference.md");

/// The forms of the statements that begin with these words, or whose only word this is.
pub(crate) fn forms(words: &str) -> Vec<&'static str> {
    let wanted: Vec<String> = words.split_whitespace().map(str::to_uppercase).collect();
    if wanted.is_empty() {
        return Vec::new();
    }
    let begins = |line: &str| {
        let line = without_options(line);
        let mut words = line.split_whitespace();
        !line.starts_with(' ') && wanted.iter().all(|wanted| words.next() == Some(wanted))
    };
    blocks().filter(|block| block.lines().any(begins)).collect()
}

/// The words for which [`forms`] shows how the statement that begins so should look. The form of a
/// query would tell nothing.
pub(crate) fn name_of(statement: &str) -> Option<String> {
    let words: Vec<String> = statement
        .split(|c: char| !c.is_alphabetic())
        .filter(|word| !word.is_empty())
        .take(2)
        .map(str::to_lowercase)
        .collect();
    let two = words.join(" ");
    let one = words.first().cloned().unwrap_or_default();
    [two, one].into_iter().find(|name| forms(name).iter().any(|form| !form.starts_with("SELECT")))
}

/// A line of a form without what stands in brackets.
fn without_options(line: &str) -> String {
    let mut depth = 0_i32;
    let mut kept = String::with_capacity(line.len());
    for c in line.chars() {
        match c {
            '[' => depth += 1,
            ']' => depth -= 1,
            c if depth == 0 => kept.push(c),
            _ => {}
        }
    }
    kept
}

/// The blocks of the reference that show a form: they begin with a word of the language.
fn blocks() -> impl Iterator<Item = &'static str> {
    let fenced = REFERENCE.split("\n```text\n").skip(1);
    fenced
        .filter_map(|rest| rest.split("\n```").next())
        .filter(|block| block.starts_with(|c: char| c.is_ascii_uppercase()))
}

#[cfg(test)]
mod tests {
    use super::{forms, name_of};

    #[test]
    fn statements_are_found_by_their_first_words() {
        assert!(forms("recommend")[0].starts_with("RECOMMEND [select_item"));
        assert!(forms("CREATE model")[0].starts_with("CREATE [OR REPLACE] MODEL"));
        assert_eq!(forms("create").len(), 4);
        assert!(forms("commit")[0].contains("ROLLBACK"));
        assert!(forms("").is_empty() && forms("recomend").is_empty());
    }

    #[test]
    fn a_statement_tells_which_form_it_should_have() {
        assert_eq!(name_of("CREATE TABLE t (").as_deref(), Some("create table"));
        assert_eq!(name_of(" recommend movies for").as_deref(), Some("recommend"));
        assert_eq!(name_of("SELECT a b c"), None);
        assert_eq!(name_of("frobnicate"), None);
    }
}
