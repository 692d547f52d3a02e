//! Any text as a file of SQL: statements in the order of the file, and no name that leads out of the scratch schemas.
#![no_main]

#[path = "../bodies.rs"]
#[allow(dead_code)]
mod bodies;

libfuzzer_sys::fuzz_target!(|text: &str| bodies::sql(text));
