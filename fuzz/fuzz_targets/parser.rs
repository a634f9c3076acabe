//! Arbitrary text as a script: a syntax error or statements, never a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let _ = tastedb_query::parse(text);
});
