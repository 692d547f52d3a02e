//! Any text as objects of a cluster: a snapshot that can be judged and searched or an error, never a panic, a hang or a full memory.
#![no_main]

#[path = "../peers.rs"]
#[allow(dead_code)]
mod peers;

libfuzzer_sys::fuzz_target!(|text: &str| peers::api(text));
