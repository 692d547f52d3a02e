//! The cluster's own words, redacted where they came in, as evidence: one line, of bearable length. Pure.

use std::fmt::Display;

use crate::observe::Snapshot;
use crate::observe::kinds::Pod;

/// Longer texts are cut: the first words of an event say what happened.
const LIMIT: usize = 320;

/// A text of the cluster as one line of evidence: control characters and runs of blanks become one blank.
pub(super) fn quote(text: &str) -> String {
    let mut line = String::new();
    for word in text
        .split(|letter: char| letter.is_whitespace() || letter.is_control())
        .filter(|word| !word.is_empty())
    {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
        if line.len() > LIMIT {
            let cut = line.floor_char_boundary(LIMIT);
            line.truncate(cut);
            line.push('…');
            break;
        }
    }
    line
}

/// `AP`, `AP and WEB`, `AP, KVS and WEB`; of many the first, and how many more.
pub(super) fn list<'a>(items: impl IntoIterator<Item = &'a str>) -> String {
    const MOST: usize = 6;
    let items: Vec<&str> = items.into_iter().collect();
    match items.as_slice() {
        [] => String::new(),
        [only] => (*only).to_owned(),
        [first @ .., last] if items.len() <= MOST => format!("{} and {last}", first.join(", ")),
        _ => format!(
            "{} and {} more",
            items[..MOST - 1].join(", "),
            items.len() - MOST + 1
        ),
    }
}

/// `3306, 3307`.
pub(super) fn joined<T: Display>(items: impl IntoIterator<Item = T>) -> String {
    let words: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    words.join(", ")
}

/// The last `count` lines that a container wrote before it crashed, each named as such.
pub(super) fn log_lines(
    snapshot: &Snapshot,
    pod: &Pod,
    container: &str,
    count: usize,
) -> impl Iterator<Item = String> {
    let state = snapshot.namespaces.get(&pod.metadata.namespace);
    let key = format!("{}/{container}", pod.metadata.name);
    let log = state.and_then(|state| state.crash_logs.get(&key));
    let lines = log.map(|log| last_lines(log, count));
    let lines = lines.into_iter().flatten();
    lines.map(|line| format!("log: {line}"))
}

/// The last `count` lines of a log, each quoted.
fn last_lines(log: &str, count: usize) -> Vec<String> {
    let mut lines: Vec<String> = log
        .lines()
        .rev()
        .map(quote)
        .filter(|line| !line.is_empty())
        .take(count)
        .collect();
    lines.reverse();
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_the_cluster_stay_as_they_are() {
        assert_eq!(
            quote("0/2 nodes are available: 2 Insufficient cpu.\n\tpreemption: none"),
            "0/2 nodes are available: 2 Insufficient cpu. preemption: none"
        );
        assert_eq!(
            quote("secret \"db\" not found, token: "),
            "secret \"db\" not found, token:"
        );
        assert_eq!(
            quote(
                "Get \"http://10.244.1.5:2001/live\": dial tcp 10.244.1.5:2001: connect: connection refused"
            ),
            "Get \"http://10.244.1.5:2001/live\": dial tcp 10.244.1.5:2001: connect: connection refused"
        );
    }

    #[test]
    fn lists_are_read_aloud() {
        assert_eq!(list(["AP"]), "AP");
        assert_eq!(list(["AP", "KVS", "WEB"]), "AP, KVS and WEB");
        assert_eq!(
            list(["a", "b", "c", "d", "e", "f", "g"]),
            "a, b, c, d, e and 2 more"
        );
    }

    #[test]
    fn long_and_odd_texts_are_bearable() {
        assert!(quote(&"ä".repeat(1000)).len() <= LIMIT + 4);
        assert_eq!(quote("\u{1b}[31mred\u{7}"), "[31mred");
        assert_eq!(last_lines("a\n\nb\nc\n", 2), ["b", "c"]);
    }
}
