//! TasteDB is an embedded recommendation database: one folder, one process, no
//! server needed.
//!
//! It stores users, items, their interactions and the items' embeddings; it trains models on them;
//! and it answers who would like what. A user's vector is never a stored truth: it is made at the
//! moment of the question from the user's current history, so a click changes the next answer.
//!
//! # Without SQL
//!
//! ```
//! use tastedb::{ColumnType, Database, NewTable};
//!
//! # fn main() -> tastedb::Result<()> {
//! let db = Database::in_memory()?; // or Database::open("shop.taste")
//!
//! let mut write = db.begin_write()?;
//! write.create_table(NewTable::users("people"))?;
//! write.create_table(NewTable::items("movies").column("title", ColumnType::Text))?;
//! write.create_table(NewTable::interactions("likes", "people", "movies"))?;
//! for (key, title) in [("m1", "Heat"), ("m2", "Ronin"), ("m3", "Amélie"), ("m4", "Thief")] {
//!     write.put_item("movies", key, [("title", title)])?;
//! }
//! for (user, item) in [("u1", "m1"), ("u1", "m2"), ("u2", "m1"), ("u2", "m2"), ("u2", "m4")] {
//!     write.put_user("people", user, ())?;
//!     write.record("likes", user, item, ())?;
//! }
//! write.commit()?;
//!
//! db.create_model("taste", "ease", "likes").option("lambda", 1.0).create()?;
//! db.train("taste").run()?;
//!
//! let answer = db.recommend("movies").user("u1").using("taste").k(1).run()?;
//! assert_eq!(answer.rows[0].key, "m4");
//! # Ok(())
//! # }
//! ```
//!
//! # With SQL
//!
//! The same database through a [`Session`] (feature `sql`, on by default), which takes ordinary SQL
//! and the statements about recommending, and returns Arrow record batches:
//!
#![cfg_attr(feature = "sql", doc = "```")]
#![cfg_attr(not(feature = "sql"), doc = "```ignore")]
//! use tastedb::Database;
//!
//! # fn main() -> tastedb::Result<()> {
//! let db = Database::in_memory()?;
//! let mut session = db.session();
//! session.execute(
//!     "CREATE TABLE people (id TEXT PRIMARY KEY) WITH (role = 'user');
//!      CREATE TABLE movies (id TEXT PRIMARY KEY, title TEXT) WITH (role = 'item');
//!      CREATE TABLE likes (user_id TEXT REFERENCES people, item_id TEXT REFERENCES movies)
//!        WITH (role = 'interaction');
//!      INSERT INTO people VALUES ('u1'), ('u2');
//!      INSERT INTO movies VALUES ('m1', 'Heat'), ('m2', 'Ronin');
//!      INSERT INTO likes VALUES ('u1', 'm1'), ('u2', 'm1'), ('u2', 'm2');",
//! )?;
//! let outcomes =
//!     session.execute("RECOMMEND id, title FROM movies FOR USER 'u1' USING popular LIMIT 1")?;
//! assert_eq!(outcomes[0].tag, "RECOMMEND 1");
//! # Ok(())
//! # }
//! ```
//!
//! # What holds
//!
//! 1. What [`Write::commit`] or a statement has returned from is on disk.
//! 2. Readers never wait: a [`Snapshot`] is one published state, whatever is written meanwhile.
//! 3. There is one writer at a time; a second one waits for [`Options::busy_timeout`].
//! 4. An answer is a pure function of snapshot, model version, request and seed.
//! 5. The library never prints, never exits, and reads the clock only in this crate.
//!
//! # Features
//!
//! `sql` brings the query layer and DataFusion; `cli` the program `tastedb`. Both are on by default.
//! Without them (`default-features = false`) a database still stores, trains and recommends.

#![forbid(unsafe_code)]

mod database;
mod error;
mod evaluate;
mod fields;
mod index;
mod model;
mod options;
mod recommend;
mod refresh;
#[cfg(feature = "sql")]
mod session;
mod slate;
mod snapshot;
mod table;
mod worker;
mod write;

pub use database::Database;
pub use error::{Error, ErrorKind, Place, Result};
pub use evaluate::Evaluate;
pub use fields::{Fields, IntoValue};
pub use index::CreateIndex;
pub use model::{CreateModel, IntoOption, Train};
pub use options::Options;
pub use recommend::{Because, Recommend, Recommendation, Recommendations};
pub use refresh::Refresh;
#[cfg(feature = "sql")]
pub use session::{Description, Prepared, Script, Session, StreamEnd};
pub use snapshot::{EmbeddingMap, Entity, Event, Snapshot};
pub use table::NewTable;
pub use write::Write;

pub use tastedb_engine::evaluate::Metric;
pub use tastedb_engine::index::{Built, IndexDefinition, IndexInfo, IndexOf, IndexOptions};
pub use tastedb_engine::slate::Method as Diversity;
pub use tastedb_engine::{
    CancelToken, CurvePoint, Device, Evaluation, EvaluationRow, GraphInfo, LearningCurve, Lineage,
    ModelDefinition, ModelInfo, ModelVersion, OptionValue, Progress, Receipt, ReceiptLine,
    RefreshPolicy, Refreshment, Scope, Silent, Similarity, State, TextEmbedding, Ticket,
    TrainingTable, Vacuumed,
};
pub use tastedb_storage::check::Report as CheckReport;
pub use tastedb_storage::{
    Catalog, Column, ColumnType, Create, Element, KeyType, Link, OnUnknown, Role, Table, TableId,
    Value,
};

#[cfg(feature = "sql")]
pub use tastedb_query::{Access, Caller, CopyOut, Layout, Outcome, Rows, StreamFormat, arrow};
