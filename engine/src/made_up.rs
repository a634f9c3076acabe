//! The tables of a made-up shop, for tests: who there is, what there is, and who had what.
//!
//! Not here: rows. What a test is about decides who likes what, and in which words it is asked.

use tastedb_storage::{
    ColumnSpec, ColumnType, Element, KeyType, LinkSpec, OnUnknown, Role, Store, TableId, TableSpec,
};

use crate::{
    Engine, ModelOptions, ModelVersion, NewModel, Result, TrainRequest, TrainingTable, Work,
};

/// The three tables.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tables {
    pub(crate) people: TableId,
    pub(crate) items: TableId,
    pub(crate) views: TableId,
}

impl Tables {
    /// `people` and `views`, beside items of that name, with these columns.
    #[expect(clippy::expect_used, reason = "tests")]
    pub(crate) fn create(
        store: &Store,
        name: &str,
        of_items: Vec<ColumnSpec>,
        of_views: Vec<ColumnSpec>,
    ) -> Tables {
        let mut txn = store.begin().expect("a transaction");
        let people = table("people", Role::User, Vec::new());
        let people = txn.create_table(people).expect("people");
        let items = txn.create_table(table(name, Role::Item, of_items)).expect("items");
        let mut views = table("views", Role::Interaction, of_views);
        views.link = Some(link(people, items));
        let views = txn.create_table(views).expect("views");
        txn.commit().expect("a commit");
        Tables { people, items, views }
    }
}

/// A table whose key, where it has one, is the text `id`.
pub(crate) fn table(name: &str, role: Role, columns: Vec<ColumnSpec>) -> TableSpec {
    TableSpec {
        name: name.to_owned(),
        role,
        key_column: if role == Role::Interaction { String::new() } else { "id".to_owned() },
        key_type: KeyType::Text,
        key_position: 0,
        columns,
        link: None,
    }
}

/// What makes a table one of interactions of these users with these items.
pub(crate) fn link(user_table: TableId, item_table: TableId) -> LinkSpec {
    LinkSpec {
        user_table,
        item_table,
        user_column: "user_id".to_owned(),
        item_column: "item_id".to_owned(),
        unique: None,
        on_unknown: OnUnknown::Error,
        user_position: 0,
        item_position: 1,
    }
}

/// A column of vectors.
pub(crate) fn vector(name: &str, dim: u32) -> ColumnSpec {
    ColumnSpec::new(name, ColumnType::Vector { dim, element: Element::F32 })
}

/// A model of `views`.
pub(crate) fn model(name: &str, algorithm: &str, options: ModelOptions) -> NewModel {
    NewModel {
        name: name.to_owned(),
        algorithm: Some(algorithm.to_owned()),
        tables: vec![TrainingTable::new("views".to_owned())],
        options,
        ..NewModel::default()
    }
}

/// Trains a model that was created.
pub(crate) fn train(engine: &Engine, name: &str, work: &Work) -> Result<ModelVersion> {
    let request = TrainRequest { model: name.to_owned(), ..TrainRequest::default() };
    engine.train(&request, work)
}
