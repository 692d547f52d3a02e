//! The texts and default severities of the finding codes, from `checks/findings.yaml`. Pure.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::finding::{Code, Severity};

const TEXT: &str = include_str!("../../checks/findings.yaml");

/// What a finding code means.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FindingText {
    /// Default severity.
    pub severity: Severity,
    /// One line.
    pub title: String,
    /// What it is and why it matters.
    pub means: String,
    /// What was looked at.
    pub found: String,
    /// What to do.
    pub fix: String,
    /// Where to read on.
    pub links: Vec<String>,
}

/// Every code's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FindingTexts(BTreeMap<String, FindingText>);

impl FindingTexts {
    /// The embedded table.
    ///
    /// # Panics
    /// Never in a build that passed its tests: they read the embedded file and compare it with the enum.
    #[must_use]
    pub fn embedded() -> Self {
        match serde_saphyr::from_str(TEXT) {
            Ok(table) => Self(table),
            Err(error) => panic!("checks/findings.yaml does not read: {error}"),
        }
    }

    /// The text of a code.
    ///
    /// # Panics
    /// Never in a build that passed its tests (see [`FindingTexts::embedded`]).
    #[must_use]
    pub fn get(&self, code: Code) -> &FindingText {
        &self.0[code.name()]
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn table_and_enum_match_one_to_one() {
        let texts = FindingTexts::embedded();
        let written: BTreeSet<&str> = texts.0.keys().map(String::as_str).collect();
        let known: BTreeSet<&str> = Code::ALL.iter().map(|code| code.name()).collect();
        assert_eq!(written, known);
        for code in Code::ALL {
            let text = texts.get(*code);
            assert!(
                !text.title.ends_with('.') && text.means.ends_with('.') && !text.links.is_empty(),
                "{code}"
            );
        }
    }
}
