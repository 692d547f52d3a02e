//! What was observed of one namespace, and the identities of workloads and Services. Pure.

use std::collections::BTreeMap;
use std::fmt;

use super::kinds::{
    ConfigMap, DisruptionBudget, EndpointSlice, Event, HttpRoute, Ingress, Known, LimitRange,
    Namespace, NetworkPolicy, Pod, Service, VolumeClaim, Workload,
};

/// One namespace.
#[derive(Debug, Clone, Default, PartialEq)]
#[cfg_attr(test, derive(serde::Deserialize), serde(default))]
pub struct NamespaceState {
    /// The namespace's own object, where it may be read.
    pub object: Option<Namespace>,
    /// Pods, without those of k8sverify's own Jobs.
    pub pods: Vec<Pod>,
    /// Deployments, StatefulSets, DaemonSets, ReplicaSets, Jobs, CronJobs; without k8sverify's own Jobs.
    pub workloads: Vec<Workload>,
    /// Services.
    pub services: Vec<Service>,
    /// EndpointSlices.
    pub endpoint_slices: Vec<EndpointSlice>,
    /// NetworkPolicies.
    pub network_policies: Vec<NetworkPolicy>,
    /// Ingresses.
    pub ingresses: Vec<Ingress>,
    /// `HTTPRoute`s; of manifests only.
    pub http_routes: Vec<HttpRoute>,
    /// Events.
    pub events: Vec<Event>,
    /// PersistentVolumeClaims.
    pub volume_claims: Vec<VolumeClaim>,
    /// ConfigMaps.
    pub config_maps: Vec<ConfigMap>,
    /// The metadata of Secrets, where it may be read; never what they hold.
    pub secrets: Vec<Known>,
    /// PodDisruptionBudgets.
    pub disruption_budgets: Vec<DisruptionBudget>,
    /// `LimitRanges`.
    pub limit_ranges: Vec<LimitRange>,
    /// The last log lines of containers that crashed (`POD/CONTAINER` → text, redacted), where they were fetched.
    pub crash_logs: BTreeMap<String, String>,
}

impl NamespaceState {
    /// A `ConfigMap`.
    pub fn config_map(&self, name: &str) -> Option<&ConfigMap> {
        let mut maps = self.config_maps.iter();
        maps.find(|map| map.metadata.name == name)
    }
}

/// The identity of a workload: the topmost owner of Pods, or a bare Pod.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkloadKey {
    /// Namespace.
    pub namespace: String,
    /// Lower-case kind: `deployment`, `statefulset`, `daemonset`, `job`, `cronjob`, `pod`, `replicaset`, or any other.
    pub kind: String,
    /// Name.
    pub name: String,
}

impl WorkloadKey {
    /// The key of that kind and name.
    pub fn new(
        namespace: impl Into<String>,
        kind: impl Into<String>,
        name: impl Into<String>,
    ) -> Self {
        Self {
            namespace: namespace.into(),
            kind: kind.into(),
            name: name.into(),
        }
    }

    /// As a finding's object.
    pub fn object(&self) -> crate::finding::ObjectRef {
        crate::finding::ObjectRef::new(self.kind.clone(), self.name.clone(), self.namespace.clone())
    }

    /// Whether its controller rolls a changed Pod template out by itself.
    pub fn is_rolled_out(&self) -> bool {
        matches!(
            self.kind.as_str(),
            "deployment" | "statefulset" | "daemonset"
        )
    }
}

/// `kind/name`.
impl fmt::Display for WorkloadKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind, self.name)
    }
}

/// A Service's identity.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceKey {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
}

impl ServiceKey {
    /// The Service of that name in that namespace.
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
        }
    }

    /// How a client in a namespace calls it: `db`, or `db.shop` from another one.
    pub fn host_from(&self, namespace: &str) -> String {
        if self.namespace == namespace {
            self.name.clone()
        } else {
            format!("{}.{}", self.name, self.namespace)
        }
    }

    /// As a finding's object.
    pub fn object(&self) -> crate::finding::ObjectRef {
        crate::finding::ObjectRef::new("service", self.name.clone(), self.namespace.clone())
    }
}

/// The StatefulSet and the ordinal in the name of one of its Pods: `db` and 0 of `db-0`.
pub(crate) fn member_of_set(pod: &str) -> Option<(&str, i32)> {
    let (set, ordinal) = pod.rsplit_once('-')?;
    let ordinal = ordinal.parse().ok()?;
    (!set.is_empty()).then_some((set, ordinal))
}

/// Whether a Pod is neither ended nor being deleted.
pub fn is_live(pod: &Pod) -> bool {
    pod.metadata.deletion_timestamp.is_none()
        && !matches!(pod.status.phase.as_str(), "Succeeded" | "Failed")
}
