//! Which of the near nodes become links: those that are nearer to the node than to any link chosen
//! before them, so that links lead in different directions (Malkov and Yashunin 2018, algorithm 4).

use super::codes::Codes;
use super::kernel::Dot;

/// Chooses at most `most` of `near`, which comes with scores, best first.
#[inline(always)]
pub(crate) fn diverse<D: Dot>(
    dot: D,
    codes: Codes<'_>,
    near: impl Iterator<Item = (u32, i32)>,
    most: usize,
    chosen: &mut Vec<u32>,
) {
    chosen.clear();
    for (node, score) in near {
        if chosen.iter().all(|link| codes.between(dot, node, *link) < score) {
            chosen.push(node);
            if chosen.len() == most {
                return;
            }
        }
    }
}
