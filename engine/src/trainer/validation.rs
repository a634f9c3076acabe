//! How well vectors of people find what was hidden from them.

use rayon::prelude::*;

use crate::linalg::products;
use crate::{Allow, top_k};

/// People who are asked about together: a block of scores stays in the cache.
const BLOCK: usize = 16;
/// How many of the best count.
const K: usize = 20;

/// A person some of whose items are hidden.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    /// What is left.
    pub(crate) history: Vec<u32>,
    /// What is hidden, ascending.
    pub(crate) hidden: Vec<u32>,
}

/// The mean recall@20 of the questions. `vector` writes the vector of a question's person; item rows
/// are as long as it, `stride`.
pub(crate) fn recall(
    questions: &[Question],
    items: &[f32],
    stride: usize,
    vector: impl Fn(&Question, &mut [f32]) + Sync,
) -> f64 {
    let n = items.len() / stride.max(1);
    let blocks = questions.par_chunks(BLOCK).map_init(
        || (vec![0f32; BLOCK * stride], vec![0f32; BLOCK * n]),
        |(vectors, scores), block| {
            let vectors = &mut vectors[..block.len() * stride];
            for (question, row) in block.iter().zip(vectors.chunks_exact_mut(stride)) {
                vector(question, row);
            }
            let scores = &mut scores[..block.len() * n];
            products(items, vectors, stride, scores);
            let found: Vec<f64> = block
                .iter()
                .zip(scores.chunks_exact_mut(n.max(1)))
                .map(|(question, scores)| of(question, scores))
                .collect();
            found
        },
    );
    let found: Vec<Vec<f64>> = blocks.collect();
    found.iter().flatten().sum::<f64>() / questions.len().max(1) as f64
}

fn of(question: &Question, scores: &mut [f32]) -> f64 {
    question.history.iter().for_each(|item| scores[*item as usize] = f32::NAN);
    let best = top_k(scores, K, Allow::All);
    let hits = best.iter().filter(|found| question.hidden.binary_search(&found.row).is_ok());
    hits.count() as f64 / question.hidden.len().max(1) as f64
}
