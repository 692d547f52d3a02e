//! What answers of servers and messages of the cluster mean, and how they are fixed: `checks/answers.yaml`. Pure.

use std::sync::LazyLock;

use serde::Deserialize;

const TEXT: &str = include_str!("../../checks/answers.yaml");

/// The texts, with `{NAME}` where a value stands.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnswerTexts {
    messages: Vec<ByError>,
    fixes: Vec<ByError>,
    /// What to do about a server's own words, in lower case.
    pub words: Advice,
    /// What to do about a Pod that is not scheduled.
    pub scheduling: Advice,
    /// What to do about a Pod that is not admitted.
    pub admission: Advice,
    /// What to do about a container that cannot be created; the message in lower case.
    pub creation: Advice,
    /// What to do about a probe of the kubelet that fails.
    pub probes: Advice,
}

/// Texts by a part of what was said.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub struct Advice(Vec<ByWords>);

impl Advice {
    /// The text of the first row that fits, or of all others.
    pub fn on(&self, said: &str) -> Option<&str> {
        let fits =
            |row: &&ByWords| row.says.is_empty() || row.says.iter().any(|part| said.contains(part));
        self.0.iter().find(fits).map(|row| row.text.as_str())
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ByError {
    errors: Vec<String>,
    text: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ByWords {
    says: Vec<String>,
    text: String,
}

impl AnswerTexts {
    /// The embedded table, read once.
    ///
    /// # Panics
    /// Never in a build that passed its tests: they read the embedded file.
    pub fn shared() -> &'static Self {
        static TABLE: LazyLock<AnswerTexts> =
            LazyLock::new(|| match super::table::<AnswerTexts>(TEXT) {
                Ok(table) => table,
                Err(error) => panic!("checks/answers.yaml does not read: {error}"),
            });
        &TABLE
    }

    /// What an answer of that error means.
    pub fn message(&self, error: &str) -> &str {
        by_error(&self.messages, error)
    }

    /// How it is fixed, as far as the error says.
    pub fn fix(&self, error: &str) -> &str {
        by_error(&self.fixes, error)
    }

    /// The errors that it names.
    #[cfg(test)]
    pub(crate) fn errors(&self) -> impl Iterator<Item = &str> {
        let rows = self.messages.iter().chain(&self.fixes);
        rows.flat_map(|row| row.errors.iter().map(String::as_str))
    }
}

/// The row of an error, or the one of any other.
fn by_error<'t>(rows: &'t [ByError], error: &str) -> &'t str {
    let is_its =
        |row: &&ByError| row.errors.is_empty() || row.errors.iter().any(|name| name == error);
    rows.iter().find(is_its).map_or("", |row| &row.text)
}

/// A text with its values in the place of `{NAME}`.
pub fn filled(text: &str, values: &[(&str, &str)]) -> String {
    let mut out = String::new();
    for (index, part) in text.split('{').enumerate() {
        let value = part.split_once('}').and_then(|(name, rest)| {
            let (_, value) = values.iter().find(|(known, _)| *known == name)?;
            Some((value, rest))
        });
        match value {
            Some((value, rest)) if index > 0 => out.extend([*value, rest]),
            _ if index > 0 => out.extend(["{", part]),
            _ => out.push_str(part),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_put_in_once_and_what_is_unknown_stays() {
        let values = [("a", "{b}"), ("b", "x")];
        assert_eq!(filled("{a} {b} {c} {", &values), "{b} x {c} {");
    }
}
