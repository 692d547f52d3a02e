//! What is wrong with the text of an address, host or port as its client has it, byte for byte. Pure.
//!
//! A compose file's values are cleaned by compose; those of a Pod are cleaned by no one.

use serde::{Deserialize, Serialize};

use super::expand::references;

/// What keeps a text from being the address that was meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flaw {
    /// Which kind.
    pub kind: FlawKind,
    /// Whether no client can use the text; else some runtimes clean it and others do not.
    pub certain: bool,
    /// What it is, to follow the variable's name: "stands in quotes".
    pub words: String,
}

/// The kinds of [`Flaw`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FlawKind {
    /// `$(NAME)` stays as it stands.
    Unresolved,
    /// Quotes, blanks, line ends, or nothing at all.
    Malformed,
    /// The client's own container does not have the variable, or has it in a way that no one else can read.
    Absent,
    /// It may stand in a mounted file that is not read.
    Unread,
}

impl Flaw {
    /// A variable that the client's own container does not have: what it dials instead is its own business.
    pub const fn absent(words: String) -> Self {
        Self {
            kind: FlawKind::Absent,
            certain: false,
            words,
        }
    }

    /// An address that may stand in a mounted file that is not read.
    pub const fn unread(words: String) -> Self {
        Self {
            kind: FlawKind::Unread,
            certain: false,
            words,
        }
    }

    fn malformed(certain: bool, words: &str) -> Self {
        Self {
            kind: FlawKind::Malformed,
            certain,
            words: words.to_owned(),
        }
    }
}

/// What is wrong with a variable that holds one host or URL; `None` for a good one, and for lists and files of several lines.
pub fn flaw_of_address(value: &str) -> Option<Flaw> {
    let core = value.trim();
    if core.is_empty() {
        let words = if value.is_empty() {
            "is empty"
        } else {
            "holds blanks only"
        };
        return Some(Flaw::malformed(true, words));
    }
    if core.contains('\n') {
        return None;
    }
    if stands_in_quotes(core) {
        return Some(Flaw::malformed(true, "stands in quotes"));
    }
    let words = blank_around(value)?;
    let starts = value.starts_with(char::is_whitespace);
    let is_plain = !core.contains(|c: char| c.is_whitespace() || matches!(c, ',' | ';' | '='))
        && !core.contains("://");
    // `int("6379\n")` is 6379 in some languages; a name with a blank is a name in none.
    Some(Flaw::malformed(
        is_plain && (starts || !core.contains(':')),
        words,
    ))
}

/// What is wrong with a variable that holds a port.
pub fn flaw_of_port(value: &str) -> Option<Flaw> {
    let core = value.trim();
    if stands_in_quotes(core) {
        return Some(Flaw::malformed(true, "stands in quotes"));
    }
    blank_around(value)
        .filter(|_| !core.is_empty())
        .map(|words| Flaw::malformed(false, words))
}

/// What is wrong with a text in which references are left that no one expands.
pub fn flaw_of_references(value: &str, unresolved: &[String], is_store: bool) -> Option<Flaw> {
    let name = unresolved.first()?;
    let authority = value
        .split_once("://")
        .map_or(value, |(_, rest)| rest.split('/').next().unwrap_or(rest));
    Some(Flaw {
        kind: FlawKind::Unresolved,
        certain: is_store || !references(authority).is_empty(),
        words: format!("refers to $({name}), which stays as it stands"),
    })
}

fn stands_in_quotes(core: &str) -> bool {
    ['"', '\'', '`'].into_iter().any(|quote| {
        let at_start = core.starts_with(quote);
        let at_end = core.ends_with(quote);
        match core.matches(quote).count() {
            1 => at_start || at_end,
            2 => at_start && at_end,
            _ => false,
        }
    })
}

fn blank_around(value: &str) -> Option<&'static str> {
    if value.ends_with(['\n', '\r']) {
        Some("ends with a line end")
    } else if value.ends_with(char::is_whitespace) {
        Some("ends with a blank")
    } else if value.starts_with(char::is_whitespace) {
        Some("begins with a blank")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_client_can_use_is_distinguished_from_what_some_clean() {
        for (value, certain) in [
            ("\"redis\"", Some(true)),
            ("'redis:6379'", Some(true)),
            ("redis\"", Some(true)),
            ("redis\n", Some(true)),
            ("redis ", Some(true)),
            (" redis:6379", Some(true)),
            ("redis:6379\r\n", Some(false)),
            ("\"redis://redis:6379/0\"", Some(true)),
            ("redis://redis:6379/0\n", Some(false)),
            ("a:1, b:2 ", Some(false)),
            ("", Some(true)),
            ("redis", None),
            ("\"es1\",\"es2\"", None),
            ("host='db' password='x y'", None),
            ("[\"http://es:9200\"]", None),
            ("a: b\nc: d\n", None),
        ] {
            let flaw = flaw_of_address(value);
            assert_eq!(flaw.map(|flaw| flaw.certain), certain, "{value:?}");
        }
        assert!(flaw_of_port("\"6379\"").is_some_and(|flaw| flaw.certain));
        assert!(flaw_of_port("6379\n").is_some_and(|flaw| !flaw.certain));
        assert_eq!(flaw_of_port("6379"), None);
    }

    #[test]
    fn a_reference_in_the_path_of_a_web_address_breaks_no_connection() {
        let names = ["X".to_owned()];
        let certain = |value, store| flaw_of_references(value, &names, store).unwrap().certain;
        assert!(certain("http://$(X):80/", false));
        assert!(!certain("http://api:80/$(X)", false));
        assert!(certain("mysql://u@db/$(X)", true));
        assert_eq!(flaw_of_references("db", &[], true), None);
    }
}
