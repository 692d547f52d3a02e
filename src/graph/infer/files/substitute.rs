//! Placeholders in configuration: `${VAR}`, `${VAR:-default}`, Spring's `${VAR:default}`, the collector's `${env:VAR}`, Caddy's
//! `{$VAR}`, Go templates' `{{ env "VAR" }}`, Ruby's `<%= ENV["VAR"] %>`. Pure.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use regex::{Captures, Regex};

use crate::address;

use super::super::found::Source;
use super::super::names::NameTable;

/// A text with its placeholders replaced.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in super::super) struct Substituted {
    pub text: String,
    /// Tiers that were taken for a variable without a value, by the variable's name (`CATALOGUE_HOST`).
    pub guessed: BTreeSet<String>,
}

const PLACEHOLDER: &str = concat!(
    r#"\{\{-?\s*(?:env|getenv|\.Env\.?)\s*"?(?P<go>[A-Za-z_]\w*)"?(?:\s+"(?P<godefault>[^"]*)")?\s*-?\}\}"#,
    r"|\$\{(?:env:|env\.)?(?P<brace>[A-Za-z_][\w.]*)(?:(?P<operator>:-|:|-)(?P<default>[^{}]*))?\}",
    r#"|<%=?\s*ENV(?:\.fetch\(|\[)\s*["'](?P<erb>[A-Za-z_]\w*)["']\s*(?:,\s*["']?(?P<erbsecond>[^"'()]*)["']?\s*)?[\])]"#,
    r#"(?:\s*(?:\{|\|\|)\s*["']?(?P<erbdefault>[^"'{}%]*)["']?\s*\}?)?\s*-?%>"#,
    r"|\{\$(?P<caddy>[A-Za-z_]\w*)(?::(?P<caddydefault>[^{}]*))?\}",
    r"|\{env\.(?P<caddyenv>[A-Za-z_]\w*)\}",
    r"|\$(?P<plain>[A-Za-z_]\w*)",
);
// The pattern is a constant and compiles: the tests of this file use it.
static PATTERN: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(PLACEHOLDER).ok());

/// Replaces what the environment knows, and what has a default; a variable without a value whose name is that of a tier and a
/// word for a host stands for that tier; the rest stays.
pub(in super::super) fn substitute(text: &str, source: &Source, names: &NameTable) -> Substituted {
    let Some(pattern) = PATTERN
        .as_ref()
        .filter(|_| text.contains(['$', '{']) || text.contains("<%"))
    else {
        return Substituted {
            text: text.to_owned(),
            guessed: BTreeSet::new(),
        };
    };
    let mut guessed = BTreeSet::new();
    let result = pattern.replace_all(text, |captures: &Captures<'_>| {
        let group = |names: &[&str]| {
            names
                .iter()
                .find_map(|name| captures.name(name))
                .map(|found| found.as_str())
        };
        let whole = captures.get(0).map_or("", |found| found.as_str());
        let Some(name) = group(&["go", "brace", "erb", "caddy", "caddyenv", "plain"]) else {
            return whole.to_owned();
        };
        let value = source
            .environment
            .get(name)
            .filter(|value| !value.is_empty());
        if let Some(value) = value {
            return value.clone();
        }
        if let Some(default) = group(&[
            "default",
            "erbsecond",
            "erbdefault",
            "caddydefault",
            "godefault",
        ]) {
            return default.trim_matches('"').to_owned();
        }
        match named_tier(name, names) {
            Some(host) if !source.secret_variables.contains(name) => {
                guessed.insert(host.clone());
                host
            }
            _ => whole.to_owned(),
        }
    });
    Substituted {
        text: result.into_owned(),
        guessed,
    }
}

/// `CATALOGUE_HOST` → the tier `catalogue`.
fn named_tier(variable: &str, names: &NameTable) -> Option<String> {
    if variable != variable.to_ascii_uppercase() {
        return None;
    }
    let mut words = address::words(variable);
    let last = words.pop()?;
    let host = matches!(
        last.as_str(),
        "host" | "hostname" | "addr" | "address" | "server" | "service" | "upstream"
    );
    if !host || words.is_empty() {
        return None;
    }
    names.by_words(&words).map(|(name, _)| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_placeholder() {
        let mut names = NameTable::default();
        names.insert("catalogue", "catalogue");
        let mut source = Source::default();
        source.environment.insert("DB".into(), "db".into());
        let read = |text: &str| substitute(text, &source, &names).text;
        for text in [
            "${DB}",
            "$DB",
            "${env:DB}",
            "{$DB}",
            "{env.DB}",
            "{{ env \"DB\" }}",
            "${X:-db}",
            "${X:db}",
            "{$X:db}",
            "<%= ENV['DB'] %>",
            "<%= ENV.fetch(\"DB\") %>",
            "<%= ENV.fetch(\"X\") { \"db\" } %>",
            "<%= ENV.fetch('X', 'db') -%>",
            "<%= ENV['X'] || 'db' %>",
        ] {
            assert_eq!(read(text), "db", "{text}");
        }
        assert_eq!(read("$host ${X} $1"), "$host ${X} $1");
        let guess = substitute("http://${CATALOGUE_HOST}:8080/", &source, &names);
        assert_eq!(guess.text, "http://catalogue:8080/");
        assert!(guess.guessed.contains("catalogue"));
    }
}
