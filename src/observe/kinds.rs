//! Slim views of the API objects that the tool reads: the field names of the Kubernetes API, without the
//! fields that no rule needs. They read both the API's JSON and manifest files. Pure data.
//!
//! Source: the Kubernetes API reference, v1.33. An absent field is its type's default; where the API gives absence another
//! meaning (`ready: null` is ready), a method says so.

use std::collections::BTreeMap;
use std::net::IpAddr;

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use super::shared::Shared;
pub use super::writes::FieldWrite;

macro_rules! slim {
    ($(#[$meta:meta])* $name:ident { $($(#[$field_meta:meta])* $field:ident : $type:ty),* $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Default, PartialEq, Deserialize)]
        #[serde(rename_all = "camelCase", default)]
        pub struct $name { $(#[doc = concat!("`", stringify!($field), "`.")] $(#[$field_meta])* #[serde(skip_serializing_if = "is_default", deserialize_with = "null_is_default")] pub $field: $type),* }
    };
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

fn null_is_default<'de, D: serde::Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

mod cluster;
mod network;
mod pod;
mod workload;

pub use cluster::*;
pub use network::*;
pub use pod::*;
pub use workload::*;

/// An object of which all fields were read. Each reader of JSON has its own code for each field of each kind, so they all go through the one
/// that reads the API's answers.
pub(super) fn typed<T: DeserializeOwned>(value: &Value) -> Result<T, serde_json::Error> {
    serde_json::from_slice(&serde_json::to_vec(value)?)
}

/// A transport as the API writes it; absent means TCP.
pub fn transport(text: &str) -> &str {
    if text.is_empty() { "TCP" } else { text }
}

/// The addresses among these texts, each once: `None`, and the empty text of what has none yet, are no addresses.
fn addresses<'a>(texts: impl Iterator<Item = &'a String>) -> Vec<IpAddr> {
    let mut found = Vec::new();
    for address in texts.filter_map(|text| text.parse().ok()) {
        if !found.contains(&address) {
            found.push(address);
        }
    }
    found
}

/// Labels or annotations.
pub type Labels = BTreeMap<String, String>;

slim!(
    /// `metadata`.
    Metadata {
        name: String,
        namespace: String,
        /// Unique id.
        uid: String,
        labels: Labels,
        /// Annotations (only those that rules read; `kubectl.kubernetes.io/last-applied-configuration` is dropped).
        annotations: Labels,
        /// When it was made.
        creation_timestamp: Option<Timestamp>,
        /// When its deletion began.
        deletion_timestamp: Option<Timestamp>,
        owner_references: Vec<OwnerReference>,
        /// Generation of the spec.
        generation: i64,
        /// Resource version, to resume a watch from.
        resource_version: String,
        /// Who wrote what and when; kept of ConfigMaps and Secrets alone.
        managed_fields: Vec<FieldWrite>,
    }
);
impl Metadata {
    /// The object that manages it.
    pub fn controller(&self) -> Option<&OwnerReference> {
        let mut owners = self.owner_references.iter();
        owners.find(|owner| owner.controller)
    }
}

slim!(
    /// An object of which only the metadata was read.
    Known {
        metadata: Metadata,
    }
);
slim!(
    /// An owner reference.
    OwnerReference {
        /// Kind, as the API writes it (`ReplicaSet`).
        kind: String,
        name: String,
        /// Unique id.
        uid: String,
        /// Whether it is the managing controller.
        controller: bool,
        /// API group and version.
        api_version: String,
    }
);
slim!(
    /// A condition.
    Condition {
        /// Type.
        #[serde(rename = "type")]
        kind: String,
        /// `True`, `False` or `Unknown`.
        status: String,
        reason: String,
        message: String,
        /// When it changed.
        last_transition_time: Option<Timestamp>,
    }
);
impl Condition {
    /// The condition of a type.
    pub fn of<'a>(conditions: &'a [Self], kind: &str) -> Option<&'a Self> {
        conditions.iter().find(|condition| condition.kind == kind)
    }

    /// The same where it has that status.
    pub fn with<'a>(conditions: &'a [Self], kind: &str, status: &str) -> Option<&'a Self> {
        Self::of(conditions, kind).filter(|condition| condition.status == status)
    }
}
slim!(
    /// `dnsConfig`.
    #[derive(Serialize)]
    DnsConfig {
        /// Name servers.
        nameservers: Vec<String>,
        /// Search domains.
        searches: Vec<String>,
        /// Options such as `ndots`.
        options: Vec<NameValue>,
    }
);
slim!(
    /// A name and a value.
    #[derive(Serialize)]
    NameValue {
        name: String,
        value: Option<String>,
    }
);
slim!(
    /// An entry of `hostAliases`.
    #[derive(Serialize)]
    HostAlias {
        /// The address.
        ip: String,
        /// The names.
        hostnames: Vec<String>,
    }
);
slim!(
    /// A label selector.
    LabelSelector {
        /// Labels that must be there.
        match_labels: Labels,
        /// Expressions that must hold.
        match_expressions: Vec<LabelExpression>,
    }
);
slim!(
    /// An expression of a label selector.
    LabelExpression {
        /// The label.
        key: String,
        /// `In`, `NotIn`, `Exists`, `DoesNotExist`.
        operator: String,
        values: Vec<String>,
    }
);

/// Whether a label selector matches: an empty one matches everything.
pub fn selector_matches(selector: &LabelSelector, labels: &Labels) -> bool {
    selector
        .match_labels
        .iter()
        .all(|(key, value)| labels.get(key) == Some(value))
        && selector.match_expressions.iter().all(|expression| {
            let value = labels.get(&expression.key);
            match expression.operator.as_str() {
                "In" => value.is_some_and(|value| expression.values.contains(value)),
                "NotIn" => value.is_none_or(|value| !expression.values.contains(value)),
                "Exists" => value.is_some(),
                "DoesNotExist" => value.is_none(),
                _ => false,
            }
        })
}

/// Whether a Service's selector matches; an empty one selects nothing.
pub fn service_selects(selector: &Labels, labels: &Labels) -> bool {
    !selector.is_empty()
        && selector
            .iter()
            .all(|(key, value)| labels.get(key) == Some(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_and_absent_fields_are_defaults() {
        let pod: Pod = serde_json::from_str(r#"{"metadata":{"name":"db","labels":null},"spec":{"containers":[{"name":"db","env":null}]},"status":{"podIP":"10.0.0.1","podIPs":[{"ip":"10.0.0.1"}]}}"#)
            .unwrap();
        assert_eq!(pod.metadata.name, "db");
        assert_eq!(pod.status.pod_ip, "10.0.0.1");
        assert!(pod.metadata.labels.is_empty());
    }
}
