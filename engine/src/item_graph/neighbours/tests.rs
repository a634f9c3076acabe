//! Patched lists against building again.

#![expect(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;

use super::*;
use crate::seeded::fraction;

const DIM: u64 = 19;

fn vector(salt: u64) -> Vec<f32> {
    (0..DIM).map(|at| fraction(salt, at) - 0.4).collect()
}

fn matrix(rows: impl IntoIterator<Item = (u64, u64)>) -> EmbeddingMatrix {
    let mut matrix = EmbeddingMatrix::new("text", DIM as usize);
    for (id, salt) in rows {
        matrix.set(ItemId(id), &vector(salt)).unwrap();
    }
    matrix
}

/// Changes of one embedding: of which item, and to what; to none for 0.
fn changes() -> impl Strategy<Value = Vec<(u64, u64)>> {
    prop::collection::vec((0u64..330, prop_oneof![Just(0u64), 1000u64..2000, Just(7)]), 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Embeddings come, change, become twins, and go; lists of 1 to 6 among 300.
    #[test]
    fn a_patched_graph_is_that_of_building_it_again(
        rounds in prop::collection::vec(changes(), 1..4), k in 1usize..7,
    ) {
        let work = Work::quiet();
        let mut now = matrix((0..300).map(|id| (id, id + 1)));
        let mut graph = Neighbours::build(&now, k, 5, &work).unwrap();
        let mean = graph.mean.clone();
        for round in rounds {
            for (id, salt) in round {
                match salt {
                    0 => now.remove(ItemId(id)),
                    salt => now.set(ItemId(id), &vector(salt)).unwrap(),
                }
            }
            graph = graph.patched(&now, &work).unwrap();
            let again = Neighbours::with_mean(&now, k, 5, mean.clone(), &work).unwrap();
            prop_assert_eq!(&graph, &again);
        }
    }
}

#[test]
fn what_was_saved_is_loaded_and_told_apart_from_what_changed() {
    let now = matrix((0..50).map(|id| (id * 3, id + 1)));
    let graph = Neighbours::build(&now, 4, 17, &Work::quiet()).unwrap();
    let mut bytes = Vec::new();
    graph.save(&mut bytes).unwrap();
    let loaded = Stored(Arc::new(bytes.clone())).load().unwrap();
    assert_eq!((loaded.built(), loaded.len()), (17, 50));
    assert_eq!(loaded, graph);
    assert_eq!(loaded.patched(&now, &Work::quiet()).unwrap().identity(), graph.identity());
    let other = loaded.patched(&matrix([(1, 1), (2, 2)]), &Work::quiet()).unwrap();
    assert_ne!(other.identity(), graph.identity());
    for cut in (0..bytes.len()).step_by(7) {
        assert!(Stored(Arc::new(bytes[..cut].to_vec())).load().is_err(), "cut at {cut}");
    }
}

#[test]
fn the_graph_over_items_is_the_one_built_for_them() {
    let now = matrix((0..60).map(|id| (id * 2, id + 1)));
    let items: Vec<ItemId> = (0..125).map(ItemId).collect();
    let graph = Neighbours::build(&now, 5, 1, &Work::quiet()).unwrap();
    let built = ItemGraph::build(&now, &items, 5, &Work::quiet()).unwrap();
    assert_eq!(graph.over(&items).unwrap(), built);
    assert_eq!(graph.over(&items[..100]), None);
}

#[test]
fn the_mean_drifts_when_what_comes_is_unlike_what_was_there() {
    let mut now = matrix((0..40).map(|id| (id, id + 1)));
    let graph = Neighbours::build(&now, 4, 1, &Work::quiet()).unwrap();
    assert!(!graph.has_drifted(&now));
    for id in 40..80 {
        let away: Vec<f32> = vector(id).iter().map(|value| value - 0.5).collect();
        now.set(ItemId(id), &away).unwrap();
    }
    assert!(graph.has_drifted(&now));
}
