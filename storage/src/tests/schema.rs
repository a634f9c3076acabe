//! Tables and columns: defaults, versions, links, and what is refused.

use super::*;
use crate::error::Error;
use crate::read::Read;

#[test]
fn a_column_added_later_reads_its_default_until_the_row_is_written() {
    let (store, tables) = memory();
    let old = in_txn(&store, |txn| put_user(txn, tables, "old"));
    let click = in_txn(&store, |txn| {
        let item = put_item(txn, tables, "i");
        txn.record_interaction(tables.clicks, old, item, &[]).expect("records").0
    });
    let before = store.snapshot();
    let mut spec = ColumnSpec::new("country", ColumnType::Text);
    spec.default = Some(text("nl"));
    spec.not_null = true;
    let mut kind = ColumnSpec::new("kind", ColumnType::Int);
    kind.default = Some(Value::Int(7));
    let (country, kind) = in_txn(&store, |txn| {
        let country = txn.add_column(tables.users, spec).expect("adds");
        (country, txn.add_column(tables.clicks, kind).expect("adds"))
    });
    let row = |id: UserId| {
        let row = store.snapshot().row(tables.users, id.0, &[country, AGE]).expect("reads");
        row.expect("is there").values
    };
    assert_eq!(row(old), [text("nl"), Value::Null]);
    assert!(before.row(tables.users, old.0, &[country]).is_err());
    // A later default does not reach back, because writing the row has fixed the earlier one.
    in_txn(&store, |txn| txn.put_row(tables.users, "old", &[(AGE, Value::Int(3))]).expect("put"));
    assert_eq!(row(old), [text("nl"), Value::Int(3)]);
    let history = store.snapshot().history(tables.clicks, old, &[kind, WEIGHT]).expect("reads");
    assert_eq!(history[0].values, [Value::Int(7), Value::Null]);
    in_txn(&store, |txn| {
        let null = [(kind, Value::Null)];
        assert!(txn.update_interaction(tables.clicks, old, click, &null).expect("updates"));
    });
    let history = store.snapshot().history(tables.clicks, old, &[kind]).expect("reads");
    assert_eq!(history[0].values, [Value::Null]);
}

#[test]
fn a_dropped_column_is_gone_and_its_name_free_while_old_snapshots_keep_it() {
    let (store, tables) = memory();
    let user = in_txn(&store, |txn| {
        UserId(txn.put_row(tables.users, "u", &[(AGE, Value::Int(30))]).expect("put").0)
    });
    let before = store.snapshot();
    let again = in_txn(&store, |txn| {
        txn.drop_column(tables.users, "AGE").expect("drops");
        txn.add_column(tables.users, ColumnSpec::new("age", ColumnType::Text)).expect("adds")
    });
    assert_ne!(again, AGE);
    let now = store.snapshot();
    assert!(matches!(now.row(tables.users, user.0, &[AGE]), Err(Error::NoSuchColumn { .. })));
    let row = now.row(tables.users, user.0, &[again]).expect("reads").expect("is there");
    assert_eq!(row.values, [Value::Null]);
    let row = before.row(tables.users, user.0, &[AGE]).expect("reads").expect("is there");
    assert_eq!(row.values, [Value::Int(30)]);
}

#[test]
fn dropping_a_vector_column_or_a_table_removes_its_embeddings() {
    let (store, tables) = memory();
    in_txn(&store, |txn| {
        for n in 0..7 {
            let item = put_item(txn, tables, &format!("i{n}")).0;
            txn.put_embedding(tables.items, IMAGE, item, &[1.0; 3]).expect("put");
            if n < 3 {
                txn.put_embedding(tables.items, TEXT, item, &[1.0; 4]).expect("put");
            }
        }
    });
    assert_eq!((store.stats().segments, store.stats().pending_embeddings), (1, 3));
    in_txn(&store, |txn| {
        txn.put_embedding(tables.items, TEXT, 7, &[1.0; 4]).expect("put");
        txn.drop_column(tables.items, "text").expect("drops");
    });
    assert_eq!((store.stats().segments, store.stats().pending_embeddings), (1, 0));
    assert!(store.check().expect("checks").is_sound());
    in_txn(&store, |txn| {
        txn.drop_table(tables.clicks).expect("drops");
        txn.drop_table(tables.ratings).expect("drops");
        put_item(txn, tables, "last");
        txn.drop_table(tables.items).expect("drops");
    });
    assert_eq!(store.stats().segments, 0);
    let snapshot = store.snapshot();
    assert!(matches!(snapshot.rows(tables.items, &[], 0), Err(Error::NoSuchTable { .. })));
    assert!(store.check().expect("checks").is_sound());
}

#[test]
fn a_table_that_others_refer_to_is_not_dropped() {
    let (store, tables) = memory();
    let mut txn = store.begin().expect("begins");
    let error = txn.drop_table(tables.items).expect_err("it is referenced");
    assert_eq!(error.to_string(), "table `items` is referenced by clicks, ratings");
}

#[test]
fn names_are_unique_whatever_their_case() {
    let (store, tables) = memory();
    let mut txn = store.begin().expect("begins");
    let again = entities("Users", Role::User, Vec::new());
    assert!(matches!(txn.create_table(again), Err(Error::AlreadyExists { what: "table", .. })));
    let taken = |result: crate::Result<ColumnId>| {
        matches!(result, Err(Error::AlreadyExists { what: "column", .. }))
    };
    let column = |name| ColumnSpec::new(name, ColumnType::Int);
    assert!(taken(txn.add_column(tables.users, column("AGE"))));
    assert!(taken(txn.add_column(tables.users, column("ID"))));
    assert!(taken(txn.add_column(tables.clicks, column("item_id"))));
    txn.rename_column(tables.users, "id", "key").expect("renames");
    txn.rename_column(tables.clicks, "user_id", "who").expect("renames");
    txn.rename_column(tables.users, "age", "Age").expect("renames");
    assert!(matches!(
        txn.rename_column(tables.users, "nothing", "x"),
        Err(Error::NoSuchColumn { .. })
    ));
    txn.rename_table(tables.users, "people").expect("renames");
    assert!(txn.rename_table(tables.users, "Items").is_err());
    txn.commit().expect("commits");
    let snapshot = store.snapshot();
    let people = snapshot.catalog().table("PEOPLE").expect("renamed");
    assert_eq!((people.id, people.key_column.as_str()), (tables.users, "key"));
    assert_eq!(people.column("age").map(|column| column.name.as_str()), Some("Age"));
}

#[test]
fn definitions_that_contradict_themselves_are_refused() {
    let (store, tables) = memory();
    let mut txn = store.begin().expect("begins");
    let ends = (tables.users, tables.items);
    let vector = |dim| ColumnSpec::new("v", ColumnType::Vector { dim, element: Element::F32 });
    let mut lonely = interactions("a", ends, Vec::new(), None);
    lonely.link = None;
    let mut wrong_default = ColumnSpec::new("x", ColumnType::Int);
    wrong_default.default = Some(text("seven"));
    let refused = [
        interactions("a", (tables.items, tables.users), Vec::new(), None),
        interactions("a", ends, vec![vector(3)], None),
        interactions("a", ends, Vec::new(), Some(vec!["nothing".to_owned()])),
        interactions("a", (TableId(99), tables.items), Vec::new(), None),
        lonely,
        entities("", Role::User, Vec::new()),
        entities("a", Role::User, vec![vector(0)]),
        entities("a", Role::User, vec![vector(70_000)]),
        entities("a", Role::User, vec![wrong_default]),
        entities("a", Role::User, vec![vector(2), vector(2)]),
    ];
    for spec in refused {
        let shown = format!("{spec:?}");
        assert!(txn.create_table(spec).is_err(), "{shown}");
    }
    let mut strict = ColumnSpec::new("strict", ColumnType::Int);
    strict.not_null = true;
    txn.add_column(tables.users, strict.clone()).expect("there are no rows yet");
    put_item(&mut txn, tables, "i");
    assert!(matches!(txn.add_column(tables.items, strict), Err(Error::NotNull { .. })));
    assert!(matches!(txn.drop_column(tables.ratings, "context"), Err(Error::InvalidSchema { .. })));
}
