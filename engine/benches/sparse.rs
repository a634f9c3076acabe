//! Answers of models that link items to items, on a made-up catalogue: how long scoring all rows takes, how
//! long scoring what the history touches does, and how long one RECOMMEND of ten rows is. With `ials` mixed in
//! also how long it is once the factors have an index, with several WHERE, and how many of the rows are the same.
//!
//! `cargo bench --profile release --workspace --bench sparse -- [ITEMS [USERS [EACH]]] [knn|chains|mixed|default]…`,
//! 1,000,000 items and 200,000 users with 15 interactions each and all four unless said. Half of a user's interactions
//! are with one of a thousand groups of items, the others with any; within both some items are a hundred times as
//! popular as others. Latencies are of one question at a time.

#![expect(clippy::print_stdout, reason = "a benchmark prints what it measured")]
#![expect(clippy::unwrap_used, reason = "a benchmark has nobody to report to")]

use std::sync::Arc;
use std::time::Instant;

use fixedbitset::FixedBitSet;
use tastedb_engine::model::{Model, fit};
use tastedb_engine::storage::{
    ItemId, KeyType, LinkSpec, OnUnknown, Options, Role, Store, TableId, TableSpec, UserId,
};
use tastedb_engine::{
    Allow, Context, Dataset, Engine, History, ModelOptions, NewModel, OptionValue, Request,
    ScoreInput, SideData, TrainRequest, TrainingTable, UNSCORED, Work, top_k,
};

const ASKED: usize = 1000;

/// splitmix64 of a place.
fn number(at: u64) -> u64 {
    let mut z = at.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(0x1234_5678_9abc_def1);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

struct World {
    items: u64,
    users: u64,
    each: u64,
}

impl World {
    fn item(&self, user: u64, at: u64) -> u64 {
        let draw = number(user * 1000 + at);
        let fraction = (draw >> 11) as f64 / (1u64 << 53) as f64;
        // The density of x² falls as x rises: the first are the popular ones.
        let skewed = |n: u64| ((fraction * fraction * n as f64) as u64).min(n - 1);
        let groups = 1000.min(self.items / 10).max(1);
        let size = self.items / groups;
        match at % 2 {
            0 => (number(user) % groups) + groups * skewed(size),
            _ => skewed(self.items),
        }
    }

    fn dataset(&self) -> Dataset {
        let items = (0..self.items).map(ItemId).collect();
        let pairs = (0..self.users).flat_map(|user| {
            (0..self.each).map(move |at| (UserId(user), ItemId(self.item(user, at)), 1.0, None))
        });
        Dataset::build(items, pairs).unwrap()
    }
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Measured {
    Knn,
    /// `graph_filter` without `ials`.
    Chains,
    /// With it.
    Mixed,
    /// As it chooses itself.
    Default,
}

use Measured::{Chains, Default, Knn, Mixed};

fn options(measured: Measured) -> ModelOptions {
    let real = |value: f64| OptionValue::Real(value);
    match measured {
        // What the model chooses itself for this catalogue.
        Chains | Mixed => ModelOptions::new()
            .with("user_exponent", real(0.25))
            .with("history_exponent", real(0.25))
            .with("item_exponent", real(0.05))
            .with("two_hop", real(0.3))
            .with("content", real(0.0))
            .with("popularity", real(0.001))
            .with("ease", real(0.0))
            .with("ials", real(if measured == Mixed { 5.0 } else { 0.0 })),
        Knn | Default => ModelOptions::new(),
    }
}

impl Measured {
    fn name(self) -> String {
        format!("{self:?}").to_lowercase()
    }

    fn algorithm(self) -> &'static str {
        match self {
            Knn => "item_knn",
            Chains | Mixed | Default => "graph_filter",
        }
    }
}

fn told(what: &str, mut times: Vec<f64>) {
    times.sort_by(f64::total_cmp);
    let at = |share: usize| times[times.len() * share / 100];
    println!("    {what:<12} p50 {:>9.1} µs  p99 {:>9.1} µs", at(50), at(99));
}

fn timed(mut ask: impl FnMut(usize)) -> Vec<f64> {
    (0..ASKED)
        .map(|at| {
            let start = Instant::now();
            ask(at);
            start.elapsed().as_secs_f64() * 1e6
        })
        .collect()
}

fn by_model(model: &dyn Model, data: &Dataset) {
    let histories: Vec<Vec<(u32, f32)>> = (0..ASKED)
        .map(|at| {
            let (rows, weights) = data.by_user.row(at * data.n_users() / ASKED);
            rows.iter().copied().zip(weights.iter().copied()).collect()
        })
        .collect();
    let side = SideData::default();
    let input = |at: usize| ScoreInput {
        history: History::new(&histories[at]),
        items: &data.items,
        side: &side,
        vectors: &[],
    };
    let mut touched = Vec::new();
    let sparse = timed(|at| {
        if let Some(found) = model.touched(&input(at), None) {
            std::hint::black_box(found.best(10, &[], Some));
            touched.push(found.len());
        }
    });
    let dense = timed(|at| {
        let mut scores = vec![UNSCORED; data.n_items()];
        model.score(&input(at), &mut scores);
        std::hint::black_box(top_k(&scores, 10, Allow::All));
    });
    touched.sort_unstable();
    println!("    touched rows p50 {}", touched.get(touched.len() / 2).copied().unwrap_or(0));
    told("all rows", dense);
    told("touched rows", sparse);
}

struct Shop {
    engine: Engine,
    items: TableId,
    people: Vec<UserId>,
}

impl Shop {
    fn new(world: &World) -> Shop {
        let engine = Engine::new(Store::in_memory(Options::default()).unwrap(), None);
        let spec = |name: &str, role, link| TableSpec {
            name: name.to_owned(),
            role,
            key_column: if role == Role::Interaction { "" } else { "id" }.to_owned(),
            key_type: KeyType::BigInt,
            key_position: 0,
            columns: Vec::new(),
            link,
        };
        let mut txn = engine.store().begin().unwrap();
        let people = txn.create_table(spec("people", Role::User, None)).unwrap();
        let items = txn.create_table(spec("items", Role::Item, None)).unwrap();
        let link = LinkSpec {
            user_table: people,
            item_table: items,
            user_column: "user_id".to_owned(),
            item_column: "item_id".to_owned(),
            unique: None,
            on_unknown: OnUnknown::Error,
            user_position: 0,
            item_position: 1,
        };
        let views = txn.create_table(spec("views", Role::Interaction, Some(link))).unwrap();
        txn.commit().unwrap();
        let mut ids = [Vec::new(), Vec::new()];
        let tables = [(items, world.items), (people, world.users)];
        for ((table, n), ids) in tables.into_iter().zip(&mut ids) {
            for from in (0..n).step_by(100_000) {
                let mut txn = engine.store().begin().unwrap();
                for at in from..n.min(from + 100_000) {
                    ids.push(txn.put_row(table, &at.to_string(), &[]).unwrap().0);
                }
                txn.commit().unwrap();
            }
        }
        let [rows, people] = ids;
        let people: Vec<UserId> = people.into_iter().map(UserId).collect();
        for from in (0..world.users).step_by(20_000) {
            let mut txn = engine.store().begin().unwrap();
            for user in from..world.users.min(from + 20_000) {
                for at in 0..world.each {
                    let item = ItemId(rows[world.item(user, at) as usize]);
                    txn.record_interaction(views, people[user as usize], item, &[]).unwrap();
                }
            }
            txn.commit().unwrap();
        }
        Shop { engine, items, people }
    }

    fn measure(&self, measured: Measured) {
        let mut txn = self.engine.store().begin().unwrap();
        let name = measured.name();
        let new = NewModel {
            name: name.clone(),
            algorithm: Some(measured.algorithm().to_owned()),
            tables: vec![TrainingTable::new("views".to_owned())],
            options: options(measured),
            ..NewModel::default()
        };
        self.engine.create_model(&mut txn, new).unwrap();
        txn.commit().unwrap();
        let start = Instant::now();
        let request = TrainRequest { model: name.clone(), ..TrainRequest::default() };
        let version = self.engine.train(&request, &Work::quiet()).unwrap();
        println!("    TRAIN {:.1} s", start.elapsed().as_secs_f64());
        let chosen = version.notes.iter().filter(|note| note.starts_with("chosen: "));
        chosen.for_each(|note| println!("    {note}"));
        const PARTS: [usize; 4] = [1, 10, 100, 1000];
        let before = PARTS.map(|part| self.answers(&name, "RECOMMEND", part));
        let start = Instant::now();
        let stale = self.engine.stale_indexes(&self.engine.snapshot()).unwrap();
        if stale.is_empty() {
            return;
        }
        for stale in &stale {
            self.engine.build_stale_index(stale, &Work::quiet()).unwrap();
        }
        println!("    index built in {:.1} s", start.elapsed().as_secs_f64());
        for (part, all) in PARTS.iter().zip(&before) {
            let indexed = self.answers(&name, "with index", *part);
            let both = all.iter().zip(&indexed);
            let same: usize =
                both.map(|(all, own)| own.iter().filter(|id| all.contains(id)).count()).sum();
            let rows: usize = all.iter().map(Vec::len).sum();
            println!("    {:.4} of the rows are the same", same as f64 / rows as f64);
        }
    }

    /// Asks for some people, and tells how long that takes; every `part`-th item is allowed.
    fn answers(&self, name: &str, what: &str, part: usize) -> Vec<Vec<u64>> {
        let snapshot = self.engine.snapshot();
        let source = tastedb_engine::Source { name: name.to_owned(), weight: 1.0 };
        let n = self.engine.live().entities(self.engine.store(), &snapshot, self.items).unwrap();
        let candidates = (part > 1).then(|| {
            let mut allowed = FixedBitSet::with_capacity(n.len());
            allowed.extend((0..n.len()).step_by(part));
            Arc::new(allowed)
        });
        let ask = |at: usize| {
            let user = self.people[at * self.people.len() / ASKED];
            let request = Request {
                sources: vec![source.clone()],
                candidates: candidates.clone(),
                ..Request::new(self.items, Context::User(user), 10)
            };
            self.engine.recommend(&snapshot, &request).unwrap()
        };
        let mut paths = std::collections::BTreeMap::new();
        let answers = (0..ASKED).map(|at| {
            let answer = ask(at);
            for stage in answer.trace.iter().filter(|stage| stage.name == "retrieve") {
                *paths.entry(stage.detail.clone()).or_insert(0usize) += 1;
            }
            answer.rows.iter().map(|row| row.id).collect()
        });
        let answers = answers.collect();
        let what = if part > 1 { format!("{what} 1/{part}") } else { what.to_owned() };
        told(&what, timed(|at| drop(ask(at))));
        println!("    {paths:?}");
        answers
    }
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let given: Vec<u64> = args.iter().filter_map(|arg| arg.parse().ok()).collect();
    let number = |at: usize, default: u64| given.get(at).copied().unwrap_or(default);
    let world =
        World { items: number(0, 1_000_000), users: number(1, 200_000), each: number(2, 15) };
    let data = world.dataset();
    println!("{} items, {} users, {} pairs", world.items, world.users, data.n_pairs());
    let shop = Shop::new(&world);
    let all = [Knn, Chains, Mixed, Default];
    let named: Vec<Measured> =
        all.into_iter().filter(|measured| args.contains(&measured.name())).collect();
    for measured in if named.is_empty() { all.to_vec() } else { named } {
        println!("  {measured:?}");
        if matches!(measured, Knn | Chains) {
            let (name, options) = (measured.algorithm(), options(measured));
            let model =
                fit(name, &data, &SideData::default(), &options, 0, &Work::quiet()).unwrap();
            by_model(model.as_ref(), &data);
        }
        shop.measure(measured);
    }
}
