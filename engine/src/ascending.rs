//! Looking up ids in ascending lists.

/// The place of `id`, which is `from` above the first of the list.
///
/// Ids are handed out one after the other, so without gaps the place is a subtraction; with some, it is
/// a little before that, and the search takes as many steps as the number of gaps has bits.
pub(crate) fn find<T: Ord + Copy>(ids: &[T], id: T, from: u64) -> Option<usize> {
    let last = ids.len().checked_sub(1)?;
    let mut high = usize::try_from(from).unwrap_or(usize::MAX).min(last);
    if ids[high] == id {
        return Some(high);
    }
    // What is sought lies at `high` or before.
    let mut step = 1;
    loop {
        let low = high.saturating_sub(step);
        if ids[low] <= id || low == 0 {
            return ids[low..=high].binary_search(&id).ok().map(|at| low + at);
        }
        (high, step) = (low, step * 2);
    }
}

#[cfg(test)]
mod tests {
    use super::find;

    #[test]
    fn everything_that_is_there_is_found_and_nothing_else() {
        for gaps in [1, 2, 3, 7, 50] {
            let ids: Vec<u64> = (5..400).filter(|id| id % gaps != 1 || *id < 20).collect();
            for id in 0..500u64 {
                let found = find(&ids, id, id.wrapping_sub(ids[0]));
                assert_eq!(found, ids.binary_search(&id).ok(), "{id} of {gaps}");
            }
        }
        assert_eq!(find(&[], 3u64, 0), None);
    }
}
