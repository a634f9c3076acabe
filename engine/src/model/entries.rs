//! A history as training saw one.

/// Each row once and below `n`, ascending, weights added up; where interactions only count, each
/// weight becomes its sign. What adds up to nothing is left out.
pub(super) fn merged(entries: &[(u32, f32)], n: usize, binary: bool) -> Vec<(u32, f32)> {
    let mut x: Vec<(u32, f32)> =
        entries.iter().copied().filter(|(row, _)| (*row as usize) < n).collect();
    x.sort_by_key(|(row, _)| *row);
    x.dedup_by(|later, kept| {
        let same = later.0 == kept.0;
        kept.1 += if same { later.1 } else { 0.0 };
        same
    });
    if binary {
        x.iter_mut().for_each(|(_, weight)| *weight = sign(*weight));
    }
    x.retain(|(_, weight)| *weight != 0.0 && weight.is_finite());
    x
}

/// 1, −1 or 0.
pub(super) fn sign(weight: f32) -> f32 {
    f32::from(i8::from(weight > 0.0) - i8::from(weight < 0.0))
}
