//! Any text with variables: a text or an error, and nothing else.
#![no_main]

use k8sverify::compose;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let lookup = |name: &str| (name.len() % 2 == 0).then(|| name.to_owned());
    let result = compose::interpolate(text, &lookup, &mut |_| {});
    if !text.contains('$') {
        assert_eq!(
            result.as_deref(),
            Ok(text),
            "without variables a text stays what it is"
        );
    }
    let _ = compose::split_words(text);
});
