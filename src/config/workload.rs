//! A workload as the user names it. Pure.

use std::fmt;

use serde::de::{self, Deserializer, SeqAccess, Visitor};

/// `KIND/NAME[@NAMESPACE]`, the spelling of the reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkloadName {
    /// Lower-case kind.
    pub kind: String,
    /// Name.
    pub name: String,
    /// Namespace; `None`: the run's.
    pub namespace: Option<String>,
}

impl std::str::FromStr for WorkloadName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (object, namespace) = match text.split_once('@') {
            Some((object, namespace)) => (object, Some(namespace)),
            None => (text, None),
        };
        match object.split_once('/') {
            Some((kind, name)) if !kind.is_empty() && !name.is_empty() && namespace != Some("") => {
                let kind = kind.to_ascii_lowercase();
                let kind = match kind.as_str() {
                    "deploy" | "deployments" => "deployment",
                    "sts" | "statefulsets" => "statefulset",
                    "ds" | "daemonsets" => "daemonset",
                    "rs" | "replicasets" => "replicaset",
                    "po" | "pods" => "pod",
                    "cj" | "cronjobs" => "cronjob",
                    "jobs" => "job",
                    other => other,
                };
                Ok(Self {
                    kind: kind.to_owned(),
                    name: name.to_owned(),
                    namespace: namespace.map(str::to_owned),
                })
            }
            _ => Err(format!(
                "`{text}` names no workload: expected KIND/NAME[@NAMESPACE], as in `deployment/db` or `statefulset/db@data`"
            )),
        }
    }
}

/// One workload or a list of them; `none` stands for an empty list where the field is `absent` for one.
struct OneOrMany {
    absent: bool,
}

impl<'de> Visitor<'de> for OneOrMany {
    type Value = Vec<WorkloadName>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let none = if self.absent { "`none`, " } else { "" };
        write!(f, "{none}KIND/NAME, or a list of KIND/NAME")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        if self.absent && text == "none" {
            return Ok(Vec::new());
        }
        Ok(vec![text.parse().map_err(E::custom)?])
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut workloads = Vec::new();
        while let Some(workload) = items.next_element()? {
            workloads.push(workload);
        }
        if self.absent && workloads.is_empty() {
            return Err(de::Error::custom(
                "an empty list: expected `none` for a tier that does not run here",
            ));
        }
        Ok(workloads)
    }
}

/// Reads the workloads of a candidate's members.
pub(super) fn members<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<WorkloadName>, D::Error> {
    deserializer.deserialize_any(OneOrMany { absent: false })
}

/// Reads the workloads of a tier; none where it does not run here.
pub(super) fn tier<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<WorkloadName>, D::Error> {
    deserializer.deserialize_any(OneOrMany { absent: true })
}
