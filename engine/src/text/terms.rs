//! Text into terms: words by the rules of Unicode (UAX #29), in lower case.
//!
//! Nothing is stemmed and no list of stop words is kept: that would be one language's. What stands
//! in too many rows says little, and its weight says so.

use tastedb_storage::Value;
use unicode_segmentation::UnicodeSegmentation;

/// The longest term, in bytes: what is longer is no word but an address or a key.
const LONGEST: usize = 64;

/// Hands out the terms of a row's texts, in order. Arrays are read element by element; what is no
/// text has no terms.
pub(super) fn each_term(values: &[Value], each: &mut dyn FnMut(&str)) {
    for value in values {
        match value {
            Value::Text(text) => of_text(text, each),
            Value::TextList(texts) => texts.iter().for_each(|text| of_text(text, each)),
            Value::Null
            | Value::Bool(_)
            | Value::Int(_)
            | Value::Real(_)
            | Value::Date(_)
            | Value::Timestamp(_) => {}
        }
    }
}

fn of_text(text: &str, each: &mut dyn FnMut(&str)) {
    let lower = text.to_lowercase();
    lower.unicode_words().filter(|word| word.len() <= LONGEST).for_each(each);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(values: &[Value]) -> Vec<String> {
        let mut found = Vec::new();
        each_term(values, &mut |term| found.push(term.to_owned()));
        found
    }

    #[test]
    fn words_are_found_in_any_script_and_any_type_of_text() {
        let text = |text: &str| Value::Text(text.to_owned());
        assert_eq!(terms(&[text("Don't panic: 3.5 stars!")]), ["don't", "panic", "3.5", "stars"]);
        assert_eq!(terms(&[text("ÆON Straße Ärger")]), ["æon", "straße", "ärger"]);
        let list = Value::TextList(vec!["Sci-Fi".to_owned(), "Drama".to_owned()]);
        assert_eq!(terms(&[list, Value::Null, text("")]), ["sci", "fi", "drama"]);
        assert_eq!(terms(&[text(&"x".repeat(65))]), Vec::<String>::new());
    }
}
