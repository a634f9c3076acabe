//! Integration tests of the whole: the library and the program. One binary, since each one links
//! RocksDB and DataFusion.

#![expect(clippy::unwrap_used, reason = "tests")]

mod bad_input;
mod cli;
mod codes;
mod crash;
mod data;
mod drift;
mod embeddings;
mod forget;
mod indexes;
#[cfg(feature = "server")]
mod postgres;
mod reference;
mod refresh;
#[cfg(feature = "server")]
mod server;
mod slates;
mod slt;
mod support;
