//! Any text as env file: variables or an error with the file's name, and nothing else.
#![no_main]

use k8sverify::compose;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let lookup = |name: &str| (name.len() % 2 == 0).then(|| name.to_owned());
    match compose::parse_env_file("f.env", text, &lookup, &mut |_| {}) {
        Ok(lines) => assert!(lines.iter().all(|line| !line.name.is_empty())),
        Err(error) => assert!(error.to_string().starts_with("f.env:")),
    }
});
