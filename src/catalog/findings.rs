//! The texts and default severities of the finding codes, from `checks/findings.yaml`. Pure.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;

use crate::finding::{Code, Finding, ObjectRef, Severity};

const TEXT: &str = include_str!("../../checks/findings.yaml");

/// What a finding code means.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FindingText {
    /// Default severity.
    pub severity: Severity,
    /// Which breaks of an edge it explains, and how specifically.
    #[serde(default)]
    pub explains: Explains,
    /// What kind of statement it is.
    #[serde(default)]
    pub nature: Vec<Nature>,
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

/// The place of a code among the explanations of a broken edge, the lowest first, by where the edge breaks; none: it cannot explain
/// that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Explains {
    /// The name does not resolve.
    pub dns: Option<u8>,
    /// No connection comes about.
    pub connect: Option<u8>,
    /// The protocol or the login fails.
    pub protocol: Option<u8>,
}

/// Kinds of statements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Nature {
    /// It says only what the network was seen to do.
    Symptom,
    /// It concerns the edge, not its target.
    Edge,
    /// The network itself showed it.
    Observed,
}

/// Every code's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FindingTexts(BTreeMap<String, FindingText>);

impl FindingTexts {
    /// The embedded table, read once.
    ///
    /// # Panics
    /// Never in a build that passed its tests: they read the embedded file and compare it with the enum.
    pub fn shared() -> &'static Self {
        static TABLE: LazyLock<FindingTexts> = LazyLock::new(|| match super::table(TEXT) {
            Ok(table) => FindingTexts(table),
            Err(error) => panic!("checks/findings.yaml does not read: {error}"),
        });
        &TABLE
    }

    /// The text of a code.
    ///
    /// # Panics
    /// Never in a build that passed its tests (see [`FindingTexts::shared`]).
    pub fn get(&self, code: Code) -> &FindingText {
        &self.0[code.name()]
    }
}

impl Finding {
    /// A finding of that code on that object, as severe as the table says.
    pub fn of(code: Code, object: ObjectRef, message: impl Into<String>) -> Self {
        let severity = FindingTexts::shared().get(code).severity;
        Self::new(code, severity, object, message)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn table_and_enum_match_one_to_one() {
        let texts = FindingTexts::shared();
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
