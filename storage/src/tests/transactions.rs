//! Values, keys and vectors that are refused; isolation; lists and segments that grow.

use super::*;
use crate::error::Error;
use crate::read::Read;
use crate::txn::Put;

#[test]
fn what_does_not_fit_is_refused_and_changes_nothing() {
    let (store, tables) = memory();
    let mut txn = store.begin().expect("begins");
    let user = put_user(&mut txn, tables, "u");
    let item = put_item(&mut txn, tables, "i");
    let age = |value| [(AGE, value)];
    let error = txn.put_row(tables.users, "v", &age(text("old"))).expect_err("a type");
    assert_eq!(error.to_string(), "column `age` of table `users` holds INTEGER, not a text");
    let wide = age(Value::Int(1 << 40));
    assert!(matches!(txn.put_row(tables.users, "v", &wide), Err(Error::TypeMismatch { .. })));
    assert!(matches!(txn.put_row(tables.users, "", &[]), Err(Error::InvalidKey { .. })));
    let long = "k".repeat(5000);
    assert!(matches!(txn.put_row(tables.users, &long, &[]), Err(Error::TooLarge { .. })));
    assert!(matches!(
        txn.put_row(tables.users, "v", &[(ColumnId(9), Value::Null)]),
        Err(Error::NoSuchColumn { .. })
    ));
    assert!(matches!(txn.put_row(tables.clicks, "v", &[]), Err(Error::WrongRole { .. })));
    let nobody = UserId(99);
    assert!(matches!(
        txn.record_interaction(tables.clicks, nobody, item, &[]),
        Err(Error::UnknownUser { user, .. }) if user == nobody
    ));
    assert!(matches!(
        txn.record_interaction(tables.clicks, user, ItemId(99), &[]),
        Err(Error::UnknownItem { item: ItemId(99), .. })
    ));
    assert!(matches!(
        txn.record_interaction(tables.users, user, item, &[]),
        Err(Error::WrongRole { .. })
    ));
    assert!(matches!(
        txn.record_interaction(tables.ratings, user, item, &[(CONTEXT, Value::Null)]),
        Err(Error::NotNull { .. })
    ));
    let mut embed = |column, vector: &[f32]| {
        txn.put_embedding(tables.items, column, item.0, vector).expect_err("refused")
    };
    assert!(matches!(
        embed(IMAGE, &[1.0; 4]),
        Error::DimensionMismatch { expected: 3, actual: 4, .. }
    ));
    assert!(matches!(embed(IMAGE, &[1.0, f32::NAN, 1.0]), Error::NotFinite { position: 1, .. }));
    assert!(matches!(embed(IMAGE, &[f32::INFINITY; 3]), Error::NotFinite { position: 0, .. }));
    // 70,000 is finite, but not as f16.
    assert!(matches!(embed(TEXT, &[0.0, 0.0, 7e4, 0.0]), Error::NotFinite { position: 2, .. }));
    assert!(matches!(embed(TITLE, &[1.0]), Error::NotAVector { .. }));
    let error = txn.put_embedding(tables.items, IMAGE, 99, &[1.0; 3]).expect_err("no such row");
    assert!(matches!(error, Error::NoSuchRow { id: 99, .. }));
    txn.commit().expect("nothing was left half-done");
    let snapshot = store.snapshot();
    assert_eq!(snapshot.rows(tables.users, &[], 0).expect("reads").count(), 1);
    assert!(snapshot.history(tables.clicks, user, &[]).expect("reads").is_empty());
    assert_eq!(store.stats().pending_embeddings, 0);
}

#[test]
fn integer_keys_are_canonical() {
    let store = Store::in_memory(small()).expect("opens");
    let mut txn = store.begin().expect("begins");
    let mut spec = entities("users", Role::User, Vec::new());
    spec.key_type = KeyType::BigInt;
    let users = txn.create_table(spec).expect("creates");
    for key in ["0", "-17", "9223372036854775807"] {
        txn.put_row(users, key, &[]).expect("put");
    }
    for key in ["", "007", "+1", "1.0", "9223372036854775808", "x", "-0"] {
        assert!(txn.put_row(users, key, &[]).is_err(), "{key}");
    }
}

#[test]
fn a_transaction_sees_itself_and_nobody_else_does() {
    let (store, tables) = memory();
    let mut txn = store.begin().expect("begins");
    let user = put_user(&mut txn, tables, "u");
    let item = put_item(&mut txn, tables, "i");
    txn.record_interaction(tables.clicks, user, item, &[]).expect("records");
    let iter = txn.interactions(tables.clicks, &[WEIGHT]).expect("reads");
    // What is written later does not show in an iterator made before.
    txn.record_interaction(tables.clicks, user, item, &[]).expect("records");
    assert_eq!(iter.count(), 1);
    assert_eq!(txn.history(tables.clicks, user, &[]).expect("reads").len(), 2);
    assert_eq!(store.snapshot().lookup(tables.users, "u").expect("reads"), None);
    drop(txn);
    assert_eq!(store.snapshot().lookup(tables.users, "u").expect("reads"), None);
}

#[test]
fn a_long_history_spans_chunks_and_keeps_its_order_through_changes() {
    let (store, tables) = memory();
    let (user, items) = in_txn(&store, |txn| {
        let user = put_user(txn, tables, "u");
        let items: Vec<_> = (0..5).map(|n| put_item(txn, tables, &format!("i{n}"))).collect();
        (user, items)
    });
    let mut ids = Vec::new();
    for _ in 0..10 {
        in_txn(&store, |txn| {
            for n in 0..20 {
                let weight = [(WEIGHT, Value::Real(f64::from(n)))];
                let item = items[n as usize % items.len()];
                ids.push(txn.record_interaction(tables.clicks, user, item, &weight).expect("ok").0);
            }
        });
    }
    let read = || store.snapshot().history(tables.clicks, user, &[WEIGHT]).expect("reads");
    assert_eq!(read().iter().map(|click| click.id).collect::<Vec<_>>(), ids);
    // From the front, the middle and the end.
    for at in [0, 100, 197] {
        let id = ids.remove(at);
        let there = in_txn(&store, |txn| txn.delete_interaction(tables.clicks, user, id));
        assert!(there.expect("deletes"));
    }
    let heavy = [(WEIGHT, Value::Real(1e9))];
    in_txn(&store, |txn| {
        assert!(txn.update_interaction(tables.clicks, user, ids[50], &heavy).expect("updates"));
    });
    let history = read();
    assert_eq!(history.iter().map(|click| click.id).collect::<Vec<_>>(), ids);
    assert_eq!(history[50].values, [Value::Real(1e9)]);
    let audience: usize = items
        .iter()
        .map(|item| store.snapshot().audience(tables.clicks, *item).expect("reads").len())
        .sum();
    assert_eq!(audience, ids.len());
    let deleted = in_txn(&store, |txn| txn.delete_row(tables.users, user.0).expect("deletes"));
    assert_eq!(deleted.interactions, 197);
    assert!(read().is_empty());
    assert!(store.check().expect("checks").is_sound());
}

#[test]
fn recording_the_same_key_again_updates_in_place() {
    let (store, tables) = memory();
    let (user, item) =
        in_txn(&store, |txn| (put_user(txn, tables, "u"), put_item(txn, tables, "i")));
    let rate = |stars: f64, context: Option<&str>| {
        in_txn(&store, |txn| {
            let mut values = vec![(STARS, Value::Real(stars))];
            values.extend(context.map(|context| (CONTEXT, text(context))));
            txn.record_interaction(tables.ratings, user, item, &values).expect("records")
        })
    };
    let (first, put) = rate(1.0, None);
    assert_eq!(put, Put::Inserted);
    let (second, put) = rate(2.0, Some("search"));
    assert_eq!(put, Put::Inserted);
    assert_eq!(rate(3.0, Some("home")), (first, Put::Updated));
    assert_ne!(first, second);
    let history = store.snapshot().history(tables.ratings, user, &[STARS, CONTEXT]).expect("reads");
    let values: Vec<_> = history.into_iter().map(|rating| rating.values).collect();
    assert_eq!(
        values,
        [vec![Value::Real(3.0), text("home")], vec![Value::Real(2.0), text("search")]]
    );
}

#[test]
fn embeddings_move_from_pending_to_segments_and_segments_merge() {
    let (store, tables) = memory();
    let items: Vec<_> =
        in_txn(&store, |txn| (0..60).map(|n| put_item(txn, tables, &format!("i{n}")).0).collect());
    let put = |txn: &mut WriteTxn, item: u64, x: f32| {
        txn.put_embedding(tables.items, IMAGE, item, &[x, x, x]).expect("put");
    };
    in_txn(&store, |txn| put(txn, items[0], 0.0));
    assert_eq!((store.stats().segments, store.stats().pending_embeddings), (0, 1));
    in_txn(&store, |txn| items[..4].iter().for_each(|item| put(txn, *item, 1.0)));
    assert_eq!((store.stats().segments, store.stats().pending_embeddings), (0, 4));
    for (n, batch) in items.chunks(5).enumerate() {
        in_txn(&store, |txn| batch.iter().for_each(|item| put(txn, *item, n as f32)));
        let stats = store.stats();
        assert!(stats.segments <= 9, "{stats:?}");
        assert_eq!(stats.pending_embeddings, 0);
    }
    in_txn(&store, |txn| put(txn, items[7], 99.0));
    let stats = store.stats();
    assert_eq!((stats.pending_embeddings, stats.sealed_embeddings), (1, 59));
    store.compact().expect("compacts");
    let stats = store.stats();
    assert_eq!((stats.segments, stats.deleted_embeddings, stats.sealed_embeddings), (1, 0, 60));
    let mut seen = Vec::new();
    store
        .snapshot()
        .embeddings(tables.items, IMAGE, &mut |id, vector| {
            seen.push((id, vector[0]));
            Ok(())
        })
        .expect("reads");
    let expected: Vec<_> = items
        .iter()
        .enumerate()
        .map(|(n, id)| (*id, if n == 7 { 99.0 } else { (n / 5) as f32 }))
        .collect();
    assert_eq!(seen, expected);
}

#[test]
fn a_large_load_is_sealed_while_it_runs() {
    let options = Options { seal_bytes: 120, seal_rows: 1_000_000, ..small() };
    let store = Store::in_memory(options).expect("opens");
    let tables = in_txn(&store, create_tables);
    in_txn(&store, |txn| {
        for n in 0..100u64 {
            let item = put_item(txn, tables, &format!("i{n}")).0;
            txn.put_embedding(tables.items, IMAGE, item, &[n as f32; 3]).expect("put");
        }
        assert_eq!(txn.embedding(tables.items, IMAGE, 3).expect("reads"), Some(vec![2.0; 3]));
    });
    let stats = store.stats();
    assert_eq!((stats.pending_embeddings, stats.sealed_embeddings), (0, 100));
    assert!(stats.segments <= 9, "{stats:?}");
    assert!(store.check().expect("checks").is_sound());
}
