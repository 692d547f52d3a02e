//! Any text as compose file, with a second one beside it: a model and its graph or an error, never a panic, a hang or a full memory.
#![no_main]

#[path = "../bodies.rs"]
#[allow(dead_code)]
mod bodies;

libfuzzer_sys::fuzz_target!(|text: &str| bodies::compose(text));
