//! A JSON file, comments and all, read as what it is: its paths are keys, and what stands in one object belongs together. Pure.

use crate::address::{self, Family, Shape};

use super::super::super::Confidence;
use super::super::found::Hit;
use super::super::names::NameTable;
use super::pairs;

/// The addresses of tiers in a document; `None` where the text is none.
pub(super) fn scan(text: &str, names: &NameTable) -> Option<Vec<Hit>> {
    let document = address::document(&without_comments(text))?;
    // An object with a list of where its owner may be redirected describes a caller.
    let callers: Vec<&str> = document.keys().filter_map(|key| caller(key)).collect();
    let is_callers = |key: &str| {
        let inner = |caller: &&str| {
            let rest = key.strip_prefix(*caller);
            rest.is_some_and(|rest| rest.starts_with('.'))
        };
        callers.iter().any(inner)
    };
    let families = address::families(&document).into_iter();
    let families = families.filter(|family| !is_callers(&family.host_variable));
    let of_tiers = families.filter(|family| {
        let host = family.target.shape != Shape::Host || pairs::is_host_key(&family.host_variable);
        host && names.resolve(&family.target.host).is_some()
    });
    let hit = |family: Family| Hit::new(&family.host_variable, family.target, Confidence::Declared);
    Some(of_tiers.map(hit).collect())
}

/// The object of a key like `clients.0.redirectUris`.
fn caller(key: &str) -> Option<&str> {
    let (object, name) = key.rsplit_once('.')?;
    let words = address::words(name);
    let is_list = words
        .last()
        .is_some_and(|word| matches!(word.as_str(), "uris" | "urls"));
    (is_list && words.iter().any(|word| word == "redirect")).then_some(object)
}

/// The text without `// …` and `/* … */` outside of strings.
pub(super) fn without_comments(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    let mut quoted = false;
    while let Some(c) = rest.chars().next() {
        let skipped = match rest.as_bytes() {
            _ if quoted => None,
            [b'/', b'/', ..] => Some(rest.find('\n').unwrap_or(rest.len())),
            [b'/', b'*', ..] => Some(rest.find("*/").map_or(rest.len(), |end| end + 2)),
            _ => None,
        };
        let mut taken = skipped.unwrap_or(c.len_utf8());
        if quoted && c == '\\' {
            taken += rest[taken..].chars().next().map_or(0, char::len_utf8);
        }
        quoted ^= c == '"' && skipped.is_none();
        if skipped.is_none() {
            kept.push_str(&rest[..taken]);
        }
        rest = &rest[taken..];
    }
    kept
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU16;

    use super::*;

    fn names() -> NameTable {
        let mut names = NameTable::default();
        for name in ["db", "kvs", "peer"] {
            names.insert(name, name);
        }
        names
    }

    #[test]
    fn objects_hold_together_whatever_the_line() {
        let read = |text: &str| -> Option<Vec<(String, u16)>> {
            let found = scan(text, &names())?.into_iter();
            Some(
                found
                    .map(|hit| (hit.target.host, hit.target.port.map_or(0, NonZeroU16::get)))
                    .collect(),
            )
        };
        let one = |name: &str, port: u16| Some(vec![(name.to_owned(), port)]);
        for text in [
            r#"{"version": 3, "a": {"host": "db", "port": 5433, "name": "kvs"}}"#,
            r#"{"a": [{"Host": "db", "Port": 5433}]}"#,
            r#"{"a": {"HostName": "db", "Port": "5433"}} // "b": "http://kvs:80""#,
            r#"{"x": "a // b \" c", /* "y": "kvs:1" */ "url": "http://db:5433/x"}"#,
        ] {
            assert_eq!(read(text), one("db", 5433), "{text}");
        }
        assert_eq!(
            read(r#"{"Redis": "kvs:6380,abortConnect=false"}"#),
            one("kvs", 6380)
        );
        for text in [
            r#"{"database": "db", "service": "kvs", "title": "peer"}"#,
            r#"{"allowedOrigins": ["http://peer:80"]}"#,
            r#"{"clients": [{"rootUrl": "http://peer:80", "redirectUris": ["http://db:80/*"]}]}"#,
        ] {
            assert_eq!(read(text), Some(Vec::new()), "{text}");
        }
        assert_eq!(read("{ no json }"), None);
    }
}
