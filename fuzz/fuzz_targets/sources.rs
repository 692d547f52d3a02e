//! Any text as what the files of a client hold: its edges, never a panic, a hang or a full memory.
#![no_main]

#[path = "../bodies.rs"]
#[allow(dead_code)]
mod bodies;

libfuzzer_sys::fuzz_target!(|text: &str| bodies::sources(text));
