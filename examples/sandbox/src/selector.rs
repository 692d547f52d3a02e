//! Label and field selectors of list and watch calls. Pure.

use serde_json::Value;

/// What a list is narrowed to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Selector {
    labels: Vec<Term>,
    fields: Vec<Term>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Term {
    Is(String, String),
    Not(String, String),
    Exists(String),
    Missing(String),
}

impl Selector {
    /// From the texts of `labelSelector` and `fieldSelector`: `a=b`, `a==b`, `a!=b`, `a`, `!a`, joined by commas.
    pub(crate) fn parse(labels: &str, fields: &str) -> Self {
        Self {
            labels: terms(labels),
            fields: terms(fields),
        }
    }

    /// Whether an object is meant.
    pub(crate) fn takes(&self, object: &Value) -> bool {
        let label = |name: &str| object["metadata"]["labels"].get(name);
        let field = |name: &str| object.pointer(&format!("/{}", name.replace('.', "/")));
        self.labels.iter().all(|term| term.holds(label))
            && self.fields.iter().all(|term| term.holds(field))
    }
}

impl Term {
    fn holds<'a>(&self, value: impl Fn(&str) -> Option<&'a Value>) -> bool {
        let text = |name: &str| value(name).and_then(Value::as_str).unwrap_or_default();
        match self {
            Self::Is(name, wanted) => text(name) == wanted,
            Self::Not(name, other) => text(name) != other,
            Self::Exists(name) => value(name).is_some(),
            Self::Missing(name) => value(name).is_none(),
        }
    }
}

fn terms(text: &str) -> Vec<Term> {
    text.split(',')
        .map(str::trim)
        .filter(|term| !term.is_empty())
        .map(|term| {
            if let Some((name, value)) = term.split_once("!=") {
                Term::Not(name.trim().to_owned(), value.trim().to_owned())
            } else if let Some((name, value)) = term.split_once('=') {
                let value = value.trim_start_matches('=').trim();
                Term::Is(name.trim().to_owned(), value.to_owned())
            } else if let Some(name) = term.strip_prefix('!') {
                Term::Missing(name.to_owned())
            } else {
                Term::Exists(term.to_owned())
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn selectors_narrow_by_labels_and_fields() {
        let object = json!({"metadata": {"name": "p", "labels": {"app": "db", "tier": "x"}}, "involvedObject": {"name": "q"}});
        let takes = |labels, fields| Selector::parse(labels, fields).takes(&object);
        assert!(takes("", ""));
        assert!(takes("app=db,tier", "metadata.name=p"));
        assert!(takes("app==db,!gone,app!=web", "involvedObject.name=q"));
        assert!(!takes("app=web", ""));
        assert!(!takes("gone", ""));
        assert!(!takes("!app", ""));
        assert!(!takes("app=db", "metadata.name=other"));
    }
}
