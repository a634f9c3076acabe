//! A sparse answer is the answer of all scores, whatever the catalogue is now.

#![expect(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;
use tastedb_storage::UserId;

use super::*;
use crate::index::{IndexOptions, VectorIndex, Vectors};
use crate::model::fit;
use crate::seeded::{fraction, number};
use crate::topk::top_k;
use crate::{Dataset, ModelOptions, OptionValue, SideData, Work};

const ITEMS: u64 = 60;

fn vector(item: u64) -> Vec<f32> {
    (0..4).map(|d| fraction(item, d) - 0.5).collect()
}

/// Interactions that leave some items to nobody.
fn dataset(seed: u64) -> Dataset {
    let items = (0..ITEMS).map(|item| ItemId(item * 2)).collect();
    let pairs = (0..240).map(|at| {
        let (user, item) = (number(seed, at) % 30, number(!seed, at) % (ITEMS - 8));
        // Half of them go for one part of the catalogue only.
        let item = if user % 2 == 0 { item % 20 } else { item };
        (UserId(user), ItemId(item * 2), 1.0, None)
    });
    Dataset::build(items, pairs).unwrap()
}

fn side(items: &[ItemId]) -> SideData {
    let mut matrix = EmbeddingMatrix::new("text", 4);
    for item in items.iter().filter(|item| item.0 % 7 != 3) {
        matrix.set(*item, &vector(item.0)).unwrap();
    }
    let mut side = SideData::default();
    side.embeddings.insert("text".to_owned(), Arc::new(matrix));
    side
}

/// The factors of what a model has learned of.
struct Factors(Arc<dyn Model>, Vec<ItemId>);

impl Factors {
    fn of(model: &Arc<dyn Model>) -> Option<Arc<Factors>> {
        model.factors()?;
        let untouched = model.untouched().unwrap();
        let learned = (0u32..).zip(model.items()).filter(|(row, _)| !untouched.contains(row));
        Some(Arc::new(Factors(Arc::clone(model), learned.map(|(_, item)| *item).collect())))
    }
}

impl Vectors for Factors {
    fn name(&self) -> &str {
        "factors"
    }

    fn ids(&self) -> &[ItemId] {
        &self.1
    }

    fn dim(&self) -> usize {
        self.0.factors().unwrap().dim
    }

    fn padded(&self, at: usize) -> &[f32] {
        let row = self.0.items().binary_search(&self.1[at]).unwrap();
        self.0.factors().unwrap().padded(row)
    }
}

fn sparse_models(data: &Dataset, side: &SideData, popularity: f64) -> Vec<Arc<dyn Model>> {
    let real = |value: f64| OptionValue::Real(value);
    let knn = ModelOptions::new().with("k", OptionValue::Int(6));
    let chains = ModelOptions::new()
        .with("user_exponent", real(0.5))
        .with("history_exponent", real(0.3))
        .with("item_exponent", real(0.4))
        .with("two_hop", real(0.4))
        .with("content", real(0.6))
        .with("popularity", real(popularity))
        .with("ease", real(0.0))
        .with("ials", real(0.0))
        .with("middle", OptionValue::Int(3))
        .with("neighbours", OptionValue::Int(2));
    let mixed = chains.clone().with("ials", real(0.7)).with("ials_factors", OptionValue::Int(4));
    [("item_knn", knn), ("graph_filter", chains), ("graph_filter", mixed)]
        .map(|(name, options)| fit(name, data, side, &options, 0, &Work::quiet()).unwrap().into())
        .into()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn sparse_answers_are_those_of_all_scores(
        seed in any::<u64>(),
        gone in prop::collection::vec(0u64..ITEMS, 0..6),
        new in 0u64..6,
        history in prop::collection::vec((0u32..50, prop::sample::select(&[1.0f32, 2.0, -1.0][..])), 0..8),
        similar in prop::option::of(0u32..50),
        share in 0.1f32..1.1,
        k in 1usize..70,
        popularity in prop::sample::select(&[0.0, 0.3][..]),
    ) {
        let data = dataset(seed);
        let models = sparse_models(&data, &side(&data.items), popularity);
        let mut items = data.items.clone();
        items.retain(|item| !gone.contains(&(item.0 / 2)));
        items.extend((0..new).map(|at| ItemId(ITEMS * 2 + at)));
        let side = side(&items);
        let matrices: Vec<_> = side.embeddings.values().cloned().collect();
        let mut allowed = FixedBitSet::with_capacity(items.len());
        allowed.extend((0..items.len()).filter(|row| fraction(seed, *row as u64) < share));
        for model in &models {
            let index = Factors::of(model).map(|factors| {
                let options =
                    IndexOptions { metric: Similarity::InnerProduct, ..IndexOptions::default() };
                let index = VectorIndex::build(factors.as_ref(), &options, &Work::quiet()).unwrap();
                Arc::new(CurrentIndex::new(Arc::new(index), factors, &items))
            });
            let model = model.as_ref();
            let lie = Lie::new(model, model.untouched().as_deref(), &items);
            let layout = lie.layout(model, &items, &matrices, None);
            let live = OnCatalogue::new(Held::Borrowed(model), Arc::new(layout), index);
            let input = ScoreInput {
                history: History::new(&history),
                items: &items,
                side: &side,
                vectors: &[],
            };
            let mut scores = vec![UNSCORED; items.len()];
            let served = match similar {
                Some(row) => live.similar(&input, row, &mut scores),
                None => live.score(&input, &mut scores),
            };
            let n_allowed = allowed.count_ones(..);
            let wanted = Wanted { similar, k, allowed: &allowed, n_allowed };
            match live.retrieve_touched(&input, &wanted) {
                None => prop_assert_eq!(served, Served::No, "{}", model.algorithm()),
                Some(found) => {
                    let expected = top_k(&scores, k, Allow::Bits(&allowed));
                    prop_assert_eq!(found.rows, expected, "{}", model.algorithm());
                }
            }
        }
    }
}
