//! The database as DataFusion sees it: a catalogue of tables over one view of the store.
//!
//! A provider lives as long as one statement and reads one view: a snapshot, or the state of the
//! session's open transaction. It only reads; writing is done by the statements themselves.

mod lookup;
mod scan;
mod schema;
mod table;
mod view;

pub(crate) use schema::{CATALOG, SCHEMA, Tables};
pub(crate) use table::StoredTable;
pub(crate) use view::{OpenTransaction, View};

/// Rows in one batch of a scan.
pub(crate) const BATCH_ROWS: usize = 8192;
