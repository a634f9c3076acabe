//! Arbitrary bytes as keys, records and adjacency chunks: errors, never a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| tastedb_storage::fuzzing::keys(bytes));
