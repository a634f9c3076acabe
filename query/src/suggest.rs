//! Near matches for misspelt names: the "did you mean" of error messages.
//!
//! Distance is Damerau's (a swap of two neighbours counts once), compared without case.
//! Invariant: of equally near names, the first given is suggested, so results are stable.

/// The name among `known` nearest to `word`, if it is near enough to be what was meant.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word: Vec<char> = word.chars().flat_map(char::to_lowercase).take(LONGEST + 1).collect();
    if word.is_empty() || word.len() > LONGEST {
        return None;
    }
    let mut best: Option<(usize, &str)> = None;
    for name in known {
        let candidate: Vec<char> =
            name.chars().flat_map(char::to_lowercase).take(LONGEST + 1).collect();
        let longer = word.len().max(candidate.len());
        // Short words tolerate one mistake, long ones a third of their length, at most three.
        let allowed = match longer {
            0..=2 => 0,
            3..=4 => 1,
            5..=8 => 2,
            _ => 3,
        };
        let bound = best.map_or(allowed, |(distance, _)| allowed.min(distance.saturating_sub(1)));
        if word.len().abs_diff(candidate.len()) > bound || longer > LONGEST {
            continue;
        }
        let distance = distance(&word, &candidate);
        if distance <= bound && best.is_none_or(|(nearest, _)| distance < nearest) {
            best = Some((distance, name));
        }
    }
    best.map(|(_, name)| name)
}

/// Longer names get no suggestion; this bounds the time.
const LONGEST: usize = 64;

/// Damerau's distance (optimal string alignment) of two words.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before = vec![0; b.len() + 1];
    let mut above: Vec<usize> = (0..=b.len()).collect();
    let mut row = vec![0; b.len() + 1];
    for i in 1..=a.len() {
        row[0] = i;
        for j in 1..=b.len() {
            let change = above[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = change.min(above[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        std::mem::swap(&mut before, &mut above);
        std::mem::swap(&mut above, &mut row);
    }
    above[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_swap_an_omission_and_a_wrong_letter_are_one_mistake_each() {
        let count = |a: &str, b: &str| {
            distance(&a.chars().collect::<Vec<_>>(), &b.chars().collect::<Vec<_>>())
        };
        assert_eq!(count("moveis", "movies"), 1);
        assert_eq!(count("movis", "movies"), 1);
        assert_eq!(count("mavies", "movies"), 1);
        assert_eq!(count("", "abc"), 3);
        assert_eq!(count("abc", ""), 3);
        assert_eq!(count("same", "same"), 0);
    }

    #[test]
    fn near_names_are_suggested_and_far_ones_are_not() {
        let known = ["movies", "people", "ratings"];
        assert_eq!(nearest("moveis", known), Some("movies"));
        assert_eq!(nearest("MOVIE", known), Some("movies"));
        assert_eq!(nearest("rating", known), Some("ratings"));
        assert_eq!(nearest("orders", known), None);
        assert_eq!(nearest("", known), None);
        assert_eq!(nearest("id", ["ip", "ts"]), None);
    }

    #[test]
    fn the_nearest_wins_and_ties_go_to_the_first() {
        assert_eq!(nearest("tess", ["text", "test"]), Some("test"));
        assert_eq!(nearest("cat", ["car", "can"]), Some("car"));
    }
}
