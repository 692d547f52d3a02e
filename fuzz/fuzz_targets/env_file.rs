//! Any text as env file: variables or an error with the file's name, and nothing else.
#![no_main]

#[path = "../bodies.rs"]
#[allow(dead_code)]
mod bodies;

libfuzzer_sys::fuzz_target!(|text: &str| bodies::env_file(text));
