//! Arbitrary bytes as a segment file: every answer is an error or sound, none is a panic.
//!
//! The first byte decides whether checksums are mended before the bytes are read, so that the
//! checks behind the checksums are reached too.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| tastedb_storage::fuzzing::segment(bytes));
