//! Which labels of a client any policy can see: a probe copies those and no others. Pure.

use std::collections::BTreeSet;

use serde_json::Value;

use super::peer::{is_job_label, is_revision_label};
use super::policies_read;
use crate::observe::Snapshot;
use crate::observe::kinds::{LabelSelector, Labels};

/// What the policies of a cluster look at in the Pods of one namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selectors {
    /// Label keys that a selector mentions.
    pub keys: BTreeSet<String>,
    /// NetworkPolicies could not be read: any label may matter.
    pub any: bool,
    /// Something looks at service accounts.
    pub service_accounts: bool,
}

impl Selectors {
    /// What may look at Pods of `namespace`: its own policies' subjects, every readable policy's peers, other kinds of policies.
    pub fn of(snapshot: &Snapshot, namespace: &str) -> Self {
        let mut selectors = Self {
            any: !policies_read(snapshot, namespace),
            ..Self::default()
        };
        for (name, state) in &snapshot.namespaces {
            for policy in &state.network_policies {
                if name == namespace {
                    selectors.take(&policy.spec.pod_selector);
                }
                let rules = policy.spec.ingress.iter().chain(&policy.spec.egress);
                for peer in rules.flat_map(|rule| rule.from.iter().chain(&rule.to)) {
                    if let Some(selector) = &peer.pod_selector {
                        selectors.take(selector);
                    }
                }
            }
        }
        for object in snapshot
            .other_policies
            .iter()
            .filter_map(|policy| policy.objects.as_ref())
            .flatten()
        {
            selectors.take_other(object);
        }
        selectors
    }

    fn take(&mut self, selector: &LabelSelector) {
        self.keys.extend(selector.match_labels.keys().cloned());
        self.keys.extend(
            selector
                .match_expressions
                .iter()
                .map(|expression| expression.key.clone()),
        );
    }

    /// Other kinds write selectors as the API does, or (Calico) as an expression in a string.
    fn take_other(&mut self, value: &Value) {
        match value {
            Value::Object(fields) => {
                for (name, field) in fields {
                    match (name.as_str(), field) {
                        ("matchLabels", Value::Object(labels)) => {
                            self.keys.extend(labels.keys().map(|key| bare_key(key)));
                        }
                        ("key", Value::String(key)) => {
                            self.keys.insert(bare_key(key));
                        }
                        (name, Value::String(expression))
                            if name.eq_ignore_ascii_case("selector")
                                || name.ends_with("Selector") =>
                        {
                            self.keys.extend(expression_keys(expression));
                        }
                        _ => self.take_other(field),
                    }
                    let name = name.to_ascii_lowercase();
                    if name.starts_with("serviceaccount") || name.ends_with("principals") {
                        self.service_accounts = true;
                    }
                }
            }
            Value::Array(items) => {
                for item in items {
                    self.take_other(item);
                }
            }
            _ => {}
        }
    }

    /// Those of a Pod's labels that any policy can see.
    pub fn relevant(&self, labels: &Labels) -> Labels {
        labels
            .iter()
            .filter(|(key, _)| {
                !is_job_label(key)
                    && (self.keys.contains(*key) || (self.any && !is_revision_label(key)))
            })
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect()
    }
}

/// Cilium writes where a label comes from in front of it: `k8s:app`, `any:app`.
fn bare_key(key: &str) -> String {
    let key = key
        .strip_prefix("k8s:")
        .or_else(|| key.strip_prefix("any:"))
        .unwrap_or(key);
    key.to_owned()
}

/// The label keys of `role == 'db' && has(tier)`: its words outside quotes. A word too many does no harm.
fn expression_keys(expression: &str) -> Vec<String> {
    let mut keys = Vec::new();
    for (index, part) in expression.split(['\'', '"']).enumerate() {
        // Every second part stood in quotes.
        if index % 2 == 1 {
            continue;
        }
        keys.extend(
            part.split(|letter: char| !(letter.is_ascii_alphanumeric() || "-_./".contains(letter)))
                .filter(|word| !word.is_empty())
                .map(str::to_owned),
        );
    }
    keys
}
