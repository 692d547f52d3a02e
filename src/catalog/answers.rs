//! What answers of servers mean and how they are fixed: `checks/answers.yaml`. Pure.

use std::sync::LazyLock;

use serde::Deserialize;

const TEXT: &str = include_str!("../../checks/answers.yaml");

/// The texts, with `{NAME}` where a value stands.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnswerTexts {
    messages: Vec<ByError>,
    words: Vec<ByWords>,
    fixes: Vec<ByError>,
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
    says: String,
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

    /// How it is fixed, where the server's own words say more.
    pub fn fix_by_words(&self, said: &str) -> Option<&str> {
        let said = said.to_ascii_lowercase();
        let mut rows = self.words.iter();
        rows.find(|row| said.contains(&row.says.to_ascii_lowercase()))
            .map(|row| row.text.as_str())
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
