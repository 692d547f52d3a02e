//! A workload as the user names it. Pure.

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
