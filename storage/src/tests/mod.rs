//! Tests of the store as a whole. Small options make small data exercise many chunks, segments
//! and merges.

mod commits;
mod erasing;
mod faults;
mod opening;
mod oracle;
mod schema;
mod transactions;

use std::time::Duration;

use crate::catalog::{ColumnSpec, KeyType, LinkSpec, OnUnknown, Role, TableSpec};
use crate::id::{ColumnId, ItemId, TableId, UserId};
use crate::store::{Options, Store};
use crate::txn::WriteTxn;
use crate::value::{ColumnType, Element, Value};

/// A store with users, items, an event log and a table with a primary key.
#[derive(Clone, Copy, Debug)]
struct Tables {
    users: TableId,
    items: TableId,
    clicks: TableId,
    ratings: TableId,
}

const AGE: ColumnId = ColumnId(0);
const TITLE: ColumnId = ColumnId(0);
const TAGS: ColumnId = ColumnId(1);
const IMAGE: ColumnId = ColumnId(2);
const TEXT: ColumnId = ColumnId(3);
const WEIGHT: ColumnId = ColumnId(0);
const AT: ColumnId = ColumnId(1);
const STARS: ColumnId = ColumnId(0);
const CONTEXT: ColumnId = ColumnId(1);

fn small() -> Options {
    Options {
        busy_timeout: Duration::from_secs(20),
        seal_rows: 5,
        chunk_bytes: 64,
        cache_bytes: 1 << 20,
        ..Options::default()
    }
}

fn entities(name: &str, role: Role, columns: Vec<ColumnSpec>) -> TableSpec {
    TableSpec {
        name: name.to_owned(),
        role,
        key_column: "id".to_owned(),
        key_type: KeyType::Text,
        key_position: 0,
        columns,
        link: None,
    }
}

fn interactions(
    name: &str,
    (users, items): (TableId, TableId),
    columns: Vec<ColumnSpec>,
    unique: Option<Vec<String>>,
) -> TableSpec {
    TableSpec {
        name: name.to_owned(),
        role: Role::Interaction,
        key_column: String::new(),
        key_type: KeyType::Text,
        key_position: 0,
        columns,
        link: Some(LinkSpec {
            user_table: users,
            item_table: items,
            user_column: "user_id".to_owned(),
            item_column: "item_id".to_owned(),
            unique,
            on_unknown: OnUnknown::Error,
            user_position: 0,
            item_position: 1,
        }),
    }
}

fn create_tables(txn: &mut WriteTxn) -> Tables {
    let column = ColumnSpec::new;
    let vector = |dim, element| ColumnType::Vector { dim, element };
    let users = entities("users", Role::User, vec![column("age", ColumnType::Int)]);
    let users = txn.create_table(users).expect("created");
    let items = vec![
        column("title", ColumnType::Text),
        column("tags", ColumnType::TextList),
        column("image", vector(3, Element::F32)),
        column("text", vector(4, Element::F16)),
    ];
    let items = txn.create_table(entities("items", Role::Item, items)).expect("created");
    let columns = vec![column("weight", ColumnType::Double), column("at", ColumnType::Timestamp)];
    let clicks = interactions("clicks", (users, items), columns, None);
    let clicks = txn.create_table(clicks).expect("created");
    let mut context = column("context", ColumnType::Text);
    context.not_null = true;
    context.default = Some(Value::Text("home".to_owned()));
    let columns = vec![column("stars", ColumnType::Real), context];
    let unique = Some(vec!["context".to_owned()]);
    let ratings = interactions("ratings", (users, items), columns, unique);
    let ratings = txn.create_table(ratings).expect("created");
    Tables { users, items, clicks, ratings }
}

fn memory() -> (Store, Tables) {
    let store = Store::in_memory(small()).expect("opens");
    let tables = in_txn(&store, create_tables);
    (store, tables)
}

/// Runs and commits a transaction.
fn in_txn<T>(store: &Store, run: impl FnOnce(&mut WriteTxn) -> T) -> T {
    let mut txn = store.begin().expect("begins");
    let result = run(&mut txn);
    txn.commit().expect("commits");
    result
}

fn put_user(txn: &mut WriteTxn, tables: Tables, key: &str) -> UserId {
    UserId(txn.put_row(tables.users, key, &[]).expect("put").0)
}

fn put_item(txn: &mut WriteTxn, tables: Tables, key: &str) -> ItemId {
    ItemId(txn.put_row(tables.items, key, &[]).expect("put").0)
}

fn text(value: &str) -> Value {
    Value::Text(value.to_owned())
}
