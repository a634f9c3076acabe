//! The pipeline over a small store: freshness, masks, fallbacks, blends, determinism.

use std::sync::Arc;

use fixedbitset::FixedBitSet;
use tastedb_storage::{ItemId, Options, Read, Store, TableId, UserId};

use super::{Context, Request, Response, Source};
use crate::made_up::{self, Tables};
use crate::{Engine, ModelOptions, TrainRequest, Work};

mod several_tables;

struct Shop {
    engine: Engine,
    people: TableId,
    movies: TableId,
    ratings: TableId,
}

impl Shop {
    /// Two tastes: even users watch movies 0..10, odd ones 10..20; each has seen six of ten.
    fn new() -> Shop {
        let store = Store::in_memory(Options::default()).expect("a store");
        let engine = Engine::new(store, None);
        let Tables { people, items: movies, views: ratings } =
            Tables::create(engine.store(), "movies", vec![made_up::vector("text", 2)], Vec::new());
        let mut txn = engine.store().begin().expect("a transaction");
        for at in 0..20 {
            txn.put_row(movies, &format!("m{at}"), &[]).expect("a movie");
        }
        for user in 0..12u64 {
            let (id, _) = txn.put_row(people, &format!("u{user}"), &[]).expect("a user");
            for step in 0..6u64 {
                let at = (user % 2) * 10 + (user + step) % 10;
                let item = txn.lookup(movies, &format!("m{at}")).expect("a lookup").expect("there");
                txn.record_interaction(ratings, UserId(id), ItemId(item), &[]).expect("a rating");
            }
        }
        txn.put_row(people, "new", &[]).expect("a user");
        txn.commit().expect("a commit");
        Shop { engine, people, movies, ratings }
    }

    fn train(&self, name: &str, algorithm: &str) {
        let mut txn = self.engine.store().begin().expect("a transaction");
        let new = made_up::model(name, algorithm, ModelOptions::new());
        self.engine.create_model(&mut txn, new).expect("a model");
        txn.commit().expect("a commit");
        made_up::train(&self.engine, name, &Work::quiet()).expect("it trains");
    }

    fn user(&self, key: &str) -> UserId {
        let snapshot = self.engine.snapshot();
        UserId(snapshot.lookup(self.people, key).expect("a lookup").expect("a user"))
    }

    fn item(&self, key: &str) -> ItemId {
        let snapshot = self.engine.snapshot();
        ItemId(snapshot.lookup(self.movies, key).expect("a lookup").expect("an item"))
    }

    fn click(&self, user: &str, item: &str) {
        let (user, item) = (self.user(user), self.item(item));
        let mut txn = self.engine.store().begin().expect("a transaction");
        txn.record_interaction(self.ratings, user, item, &[]).expect("a click");
        txn.commit().expect("a commit");
    }

    fn ask(&self, request: &Request) -> Response {
        self.engine.recommend(&self.engine.snapshot(), request).expect("an answer")
    }

    fn for_user(&self, user: &str, k: usize) -> Request {
        Request::new(self.movies, Context::User(self.user(user)), k)
    }
}

fn keys(response: &Response) -> Vec<String> {
    response.rows.iter().map(|row| response.entities.key(row.row).to_string()).collect()
}

fn number(key: &str) -> u64 {
    key[1..].parse().expect("a number")
}

#[test]
fn a_model_recommends_within_the_taste_and_leaves_out_what_was_seen() {
    for algorithm in ["item_knn", "ease"] {
        let shop = Shop::new();
        shop.train("home", algorithm);
        let answer = shop.ask(&shop.for_user("u0", 4));
        let mut found: Vec<u64> = keys(&answer).iter().map(|key| number(key)).collect();
        found.sort_unstable();
        assert_eq!(found, [6, 7, 8, 9], "{algorithm}: u0 has seen 0..6");
        assert!(answer.rows.iter().all(|row| &*row.source == "home"));
        assert!(answer.rows.windows(2).all(|pair| pair[0].score >= pair[1].score));
    }
}

#[test]
fn a_click_changes_the_next_answer() {
    let shop = Shop::new();
    shop.train("home", "ease");
    let before = keys(&shop.ask(&shop.for_user("u0", 20)));
    shop.click("u0", &before[0].clone());
    let after = keys(&shop.ask(&shop.for_user("u0", 20)));
    assert!(!after.contains(&before[0]), "what was just clicked is seen");
    // A new user is served by the model after the first click.
    let unknown = shop.ask(&shop.for_user("new", 5));
    assert!(unknown.rows.iter().all(|row| &*row.source == "popular (fallback)"));
    assert_eq!(unknown.rows.len(), 5);
    assert!(!unknown.notices.is_empty());
    shop.click("new", "m15");
    let known = shop.ask(&shop.for_user("new", 5));
    assert_eq!(&*known.rows[0].source, "home");
    assert!(keys(&known).iter().take(5).all(|key| number(key) >= 10), "{:?}", keys(&known));
}

#[test]
fn always_k_rows_where_k_exist() {
    let shop = Shop::new();
    shop.train("home", "item_knn");
    // The neighbours of u0 are 0..10, of which four are unseen; the rest comes by popularity.
    let answer = shop.ask(&shop.for_user("u0", 12));
    assert_eq!(answer.rows.len(), 12);
    assert!(answer.rows.windows(2).all(|pair| pair[0].score >= pair[1].score));
    assert_eq!(&*answer.rows[11].source, "popular (fallback)");
    let mut distinct = keys(&answer);
    distinct.sort();
    distinct.dedup();
    assert_eq!(distinct.len(), 12);
    assert_eq!(shop.ask(&shop.for_user("u0", 1_000)).rows.len(), 14, "all that is unseen");
    assert!(shop.ask(&shop.for_user("u0", 0)).rows.is_empty());
}

#[test]
fn what_a_model_links_to_nothing_is_filled_by_content_then_by_popularity() {
    let shop = Shop::new();
    let some: Vec<String> = (6..16).map(|at| format!("m{at}")).collect();
    embed(&shop, &some.iter().map(String::as_str).collect::<Vec<_>>());
    shop.train("home", "item_knn");
    shop.click("u0", "m7");
    // Of 0..10 u0 has seen 0..6 and 7, so three are linked; of the others 10..16 have an embedding.
    let answer = shop.ask(&shop.for_user("u0", 13));
    let sources: Vec<&str> = answer.rows.iter().map(|row| &*row.source).collect();
    assert_eq!(sources[..3], ["home"; 3]);
    assert_eq!(sources[3..9], ["content (fallback)"; 6]);
    assert_eq!(sources[9..], ["popular (fallback)"; 4]);
    assert!(answer.rows.windows(2).all(|pair| pair[0].score >= pair[1].score));
    let filled: Vec<u64> = keys(&answer)[3..9].iter().map(|key| number(key)).collect();
    assert_eq!(
        filled.iter().copied().collect::<std::collections::BTreeSet<_>>(),
        (10..16).collect()
    );
    // The same for what is similar to an item, and whatever is left by a filter.
    let mut alike = Request::new(shop.movies, Context::Item(shop.item("m7")), 12);
    let mut even = FixedBitSet::with_capacity(20);
    (0..20).step_by(2).for_each(|row| even.insert(row));
    alike.candidates = Some(Arc::new(even));
    let answer = shop.ask(&alike);
    assert_eq!(answer.rows.len(), 10);
    let content = answer.rows.iter().filter(|row| &*row.source == "content (fallback)");
    assert_eq!(content.count(), 3, "10, 12 and 14");
    // Who has no history is not near to anything.
    let unknown = shop.ask(&shop.for_user("new", 5));
    assert!(unknown.rows.iter().all(|row| &*row.source == "popular (fallback)"));
}

#[test]
fn candidates_and_offset_are_obeyed() {
    let shop = Shop::new();
    shop.train("home", "ease");
    let all = keys(&shop.ask(&shop.for_user("u0", 14)));
    let mut request = shop.for_user("u0", 5);
    request.offset = 3;
    assert_eq!(keys(&shop.ask(&request)), all[3..8]);
    let mut even = FixedBitSet::with_capacity(20);
    (0..20).step_by(2).for_each(|row| even.insert(row));
    request.offset = 0;
    request.candidates = Some(Arc::new(even));
    let some = keys(&shop.ask(&request));
    assert_eq!(some.len(), 5);
    assert!(some.iter().all(|key| number(key).is_multiple_of(2)));
}

#[test]
fn similar_items_and_anonymous_sessions() {
    let shop = Shop::new();
    shop.train("home", "ease");
    let mut request = Request::new(shop.movies, Context::Item(shop.item("m3")), 5);
    let similar = keys(&shop.ask(&request));
    assert!(!similar.contains(&"m3".to_string()));
    assert!(similar.iter().all(|key| number(key) < 10), "{similar:?}");
    request.contexts = vec![Context::Session(vec![shop.item("m12"), shop.item("m13")])];
    let session = keys(&shop.ask(&request));
    assert!(session.iter().all(|key| (10..20).contains(&number(key))), "{session:?}");
    request.contexts.push(Context::Dislikes(vec![shop.item("m14")]));
    let disliked = shop.ask(&request);
    assert!(!keys(&disliked).contains(&"m14".to_string()));
}

#[test]
fn reasons_name_the_history() {
    let shop = Shop::new();
    shop.train("home", "ease");
    let mut request = shop.for_user("u0", 2);
    request.reasons = 3;
    for row in shop.ask(&request).rows {
        assert!(!row.reasons.is_empty());
        for reason in &row.reasons {
            assert!((0.0..=1.0).contains(&reason.share));
            let row = shop.ask(&shop.for_user("new", 0)).entities.row_of(reason.item);
            assert!(row.is_some_and(|row| row < 6), "u0 has seen 0..6");
        }
    }
}

#[test]
fn sources_blend_and_built_in_ones_need_no_model() {
    let shop = Shop::new();
    shop.train("home", "ease");
    let mut request = shop.for_user("u1", 6);
    let source = |name: &str, weight| Source { name: name.to_string(), weight };
    request.sources = vec![source("home", 0.7), source("latest", 0.3)];
    let blended = shop.ask(&request);
    assert!(blended.rows.iter().all(|row| row.score <= 1.0001));
    for name in ["popular", "trending", "latest", "random"] {
        request.sources = vec![source(name, 1.0)];
        let first = shop.ask(&request);
        assert_eq!(first.rows.len(), 6, "{name}");
        assert_eq!(keys(&first), keys(&shop.ask(&request)), "{name} is a function of the seed");
    }
    request.sources = vec![source("latest", 1.0)];
    assert_eq!(keys(&shop.ask(&request))[0], "m19", "u1 has seen 11..17");
    request.sources = vec![source("nobody", 1.0)];
    let error =
        shop.engine.recommend(&shop.engine.snapshot(), &request).expect_err("no such model");
    assert!(error.to_string().contains("nobody"));
}

#[test]
fn users_for_an_item_are_those_of_its_taste() {
    let shop = Shop::new();
    shop.train("home", "ease");
    // u1 has seen 11..17, so m18 is new to them; it belongs to the odd users.
    let request = Request::new(shop.people, Context::Item(shop.item("m18")), 3);
    let answer = shop.ask(&request);
    assert!(!answer.rows.is_empty());
    assert!(keys(&answer).iter().all(|key| number(key) % 2 == 1), "{:?}", keys(&answer));
}

#[test]
fn deleted_and_inserted_items_follow_at_once() {
    let shop = Shop::new();
    shop.train("home", "ease");
    let first = keys(&shop.ask(&shop.for_user("u0", 20)));
    let mut txn = shop.engine.store().begin().expect("a transaction");
    txn.delete_row(shop.movies, shop.item(&first[0]).0).expect("deleted");
    txn.put_row(shop.movies, "fresh", &[]).expect("inserted");
    txn.commit().expect("a commit");
    let after = keys(&shop.ask(&shop.for_user("u0", 20)));
    assert!(!after.contains(&first[0]));
    assert!(after.contains(&"fresh".to_string()), "a new item is reached by the fallback");
    assert_eq!(after.len(), first.len());
}

#[test]
fn an_old_snapshot_keeps_its_answers() {
    let shop = Shop::new();
    shop.train("home", "ease");
    let snapshot = shop.engine.snapshot();
    let request = shop.for_user("u0", 8);
    let before = keys(&shop.engine.recommend(&snapshot, &request).expect("an answer"));
    shop.click("u0", "m9");
    shop.ask(&request);
    let again = keys(&shop.engine.recommend(&snapshot, &request).expect("an answer"));
    assert_eq!(before, again);
}

#[test]
fn versions_rise_and_a_dropped_model_is_gone() {
    let shop = Shop::new();
    shop.train("home", "item_knn");
    let train = TrainRequest { model: "home".to_string(), ..TrainRequest::default() };
    let version = shop.engine.train(&train, &Work::quiet()).expect("it trains");
    assert_eq!(version.version, 2);
    assert_eq!(version.pairs, 72);
    assert_eq!(shop.ask(&shop.for_user("u0", 1)).rows[0].model_version, Some(2));
    let mut txn = shop.engine.store().begin().expect("a transaction");
    assert!(shop.engine.drop_model(&mut txn, "home").expect("dropped"));
    txn.commit().expect("a commit");
    assert!(shop.engine.models(&shop.engine.snapshot()).expect("a list").is_empty());
    assert_eq!(&*shop.ask(&shop.for_user("u0", 1)).rows[0].source, "popular");
    let cancelled = Work::quiet();
    cancelled.cancel.cancel();
    shop.train("other", "ease");
    let train = TrainRequest { model: "other".to_string(), ..TrainRequest::default() };
    assert!(shop.engine.train(&train, &cancelled).is_err());
    assert_eq!(shop.ask(&shop.for_user("u0", 1)).rows[0].model_version, Some(1));
}

/// Embeddings that point where an item's taste does.
fn embed(shop: &Shop, keys: &[&str]) {
    let mut txn = shop.engine.store().begin().expect("a transaction");
    let column =
        txn.catalog().table_by_id(shop.movies).and_then(|t| t.column("text")).map(|c| c.id);
    for key in keys {
        let id = txn.lookup(shop.movies, key).expect("a lookup").expect("there");
        let (at, own) = (number(key), number(key) as f32 / 200.0);
        let vector = if at % 20 < 10 { [1.0, own] } else { [-1.0, own] };
        txn.put_embedding(shop.movies, column.expect("text"), id, &vector).expect("a vector");
    }
    txn.commit().expect("a commit");
}

fn insert(shop: &Shop, keys: &[&str]) {
    let mut txn = shop.engine.store().begin().expect("a transaction");
    for key in keys {
        txn.put_row(shop.movies, key, &[]).expect("a movie");
    }
    txn.commit().expect("a commit");
}

#[test]
fn a_new_item_is_served_by_its_embedding_from_its_insert_on() {
    for algorithm in ["graph_filter", "ease", "ials", "item_knn", "bpr"] {
        let shop = Shop::new();
        let old: Vec<String> = (0..20).map(|at| format!("m{at}")).collect();
        embed(&shop, &old.iter().map(String::as_str).collect::<Vec<_>>());
        shop.train("home", algorithm);
        // One for each taste, and one that nothing is known of.
        insert(&shop, &["m25", "m35", "m45"]);
        embed(&shop, &["m25", "m35"]);
        let served = |user: &str| {
            let mut request = shop.for_user(user, 23);
            request.reasons = 3;
            shop.ask(&request)
        };
        let (even, odd) = (served("u0"), served("u1"));
        let place = |answer: &Response, key: &str| {
            let at = keys(answer).iter().position(|own| own == key).expect("everything is there");
            (at, answer.rows[at].source.to_string(), answer.rows[at].reasons.clone())
        };
        for (answer, own, other) in [(&even, "m25", "m35"), (&odd, "m35", "m25")] {
            let (liked, source, reasons) = place(answer, own);
            assert_eq!(source, "home", "{algorithm}");
            assert!(liked < place(answer, other).0, "{algorithm}: {:?}", keys(answer));
            assert!(reasons.iter().all(|r| r.modality.as_deref() == Some("text")), "{reasons:?}");
            assert!(!reasons.is_empty(), "{algorithm}");
            assert_eq!(place(answer, "m45").1, "popular (fallback)", "{algorithm}");
        }
        // Who has met nothing else is taken for one who met what it is most like.
        let session = Request::new(shop.movies, Context::Session(vec![shop.item("m25")]), 5);
        let session = shop.ask(&session);
        assert!(session.rows.iter().all(|row| &*row.source == "home"), "{algorithm}");
        assert!(!keys(&session).contains(&"m25".to_string()), "it is seen");
        assert!(number(&keys(&session)[0]) % 20 < 10, "{algorithm}: {:?}", keys(&session));
        // What is like a new item is what is like those that it is alike.
        let mut alike = Request::new(shop.movies, Context::Item(shop.item("m25")), 5);
        alike.seen.clear();
        let alike = keys(&shop.ask(&alike));
        assert!(alike.iter().all(|key| number(key) < 10), "{algorithm}: {alike:?}");
    }
}

#[test]
fn what_is_new_does_not_depend_on_who_asked_before() {
    let shop = Shop::new();
    let old: Vec<String> = (0..20).map(|at| format!("m{at}")).collect();
    embed(&shop, &old.iter().map(String::as_str).collect::<Vec<_>>());
    shop.train("home", "ease");
    let ask = |engine: &Engine| {
        let answer = engine.recommend(&engine.snapshot(), &shop.for_user("u2", 30)).expect("rows");
        answer.rows.iter().map(|row| (row.id, row.score.to_bits())).collect::<Vec<_>>()
    };
    // Asked after each change, layouts are patched; a fresh engine makes them at once.
    insert(&shop, &["m25", "m35"]);
    embed(&shop, &["m25"]);
    ask(&shop.engine);
    embed(&shop, &["m35"]);
    ask(&shop.engine);
    embed(&shop, &["m3"]);
    insert(&shop, &["m27"]);
    ask(&shop.engine);
    embed(&shop, &["m27"]);
    let mut txn = shop.engine.store().begin().expect("a transaction");
    txn.delete_row(shop.movies, shop.item("m7").0).expect("it goes");
    txn.commit().expect("a commit");
    let patched = ask(&shop.engine);
    assert_eq!(patched, ask(&Engine::new(shop.engine.store().clone(), None)));
}

#[test]
fn an_application_may_ask_from_the_threads_that_answers_share() {
    use rayon::prelude::*;
    let shop = Shop::new();
    let old: Vec<String> = (0..20).map(|at| format!("m{at}")).collect();
    embed(&shop, &old.iter().map(String::as_str).collect::<Vec<_>>());
    shop.train("home", "ease");
    let new: Vec<String> = (20..60).map(|at| format!("m{at}")).collect();
    let new: Vec<&str> = new.iter().map(String::as_str).collect();
    insert(&shop, &new);
    embed(&shop, &new);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(8).build().expect("a pool");
    let answers: Vec<Vec<String>> = pool.install(|| {
        let asked = (0..400).into_par_iter().with_max_len(1);
        asked.map(|_| keys(&shop.ask(&shop.for_user("u0", 30)))).collect()
    });
    assert!(answers.iter().all(|answer| *answer == answers[0] && answer.len() == 30));
}
