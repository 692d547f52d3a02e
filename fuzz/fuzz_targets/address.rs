//! Any key and value: URLs, data source names, lists. No panic, hosts that are hosts, and no password in what may be shown.
#![no_main]

#[path = "../bodies.rs"]
#[allow(dead_code)]
mod bodies;

libfuzzer_sys::fuzz_target!(|input: (&str, &str)| bodies::address(input.0, input.1));
