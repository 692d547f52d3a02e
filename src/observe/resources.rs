//! Which resources are read, and where the API serves them. Pure data.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// A resource of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resource {
    /// API group; empty for the core group.
    pub group: &'static str,
    /// API version.
    pub version: &'static str,
    /// Lower-case plural.
    pub plural: &'static str,
    /// Kind.
    pub kind: &'static str,
    /// Whether the run cannot do without.
    pub required: bool,
}

macro_rules! resources {
    ($($name:ident = $group:literal $version:literal $plural:literal $kind:literal $required:literal;)+) => {
        $(
            #[doc = concat!("`", $plural, "`.")]
            pub const $name: Resource = Resource { group: $group, version: $version, plural: $plural, kind: $kind, required: $required };
        )+
    };
}

resources! {
    PODS = "" "v1" "pods" "Pod" true;
    SERVICES = "" "v1" "services" "Service" true;
    ENDPOINT_SLICES = "discovery.k8s.io" "v1" "endpointslices" "EndpointSlice" true;
    DEPLOYMENTS = "apps" "v1" "deployments" "Deployment" true;
    STATEFUL_SETS = "apps" "v1" "statefulsets" "StatefulSet" true;
    DAEMON_SETS = "apps" "v1" "daemonsets" "DaemonSet" true;
    REPLICA_SETS = "apps" "v1" "replicasets" "ReplicaSet" true;
    JOBS = "batch" "v1" "jobs" "Job" true;
    CRON_JOBS = "batch" "v1" "cronjobs" "CronJob" false;
    NETWORK_POLICIES = "networking.k8s.io" "v1" "networkpolicies" "NetworkPolicy" false;
    INGRESSES = "networking.k8s.io" "v1" "ingresses" "Ingress" false;
    EVENTS = "" "v1" "events" "Event" false;
    VOLUME_CLAIMS = "" "v1" "persistentvolumeclaims" "PersistentVolumeClaim" false;
    CONFIG_MAPS = "" "v1" "configmaps" "ConfigMap" false;
    SECRETS = "" "v1" "secrets" "Secret" false;
    DISRUPTION_BUDGETS = "policy" "v1" "poddisruptionbudgets" "PodDisruptionBudget" false;
    LIMIT_RANGES = "" "v1" "limitranges" "LimitRange" false;
    NODES = "" "v1" "nodes" "Node" false;
    NAMESPACES = "" "v1" "namespaces" "Namespace" false;
    LEASES = "coordination.k8s.io" "v1" "leases" "Lease" false;
}

/// The controllers of Pods.
pub const WORKLOADS: [Resource; 6] = [
    DEPLOYMENTS,
    STATEFUL_SETS,
    DAEMON_SETS,
    REPLICA_SETS,
    JOBS,
    CRON_JOBS,
];

impl Resource {
    /// The path of its list, in a namespace or for the whole cluster.
    pub fn path(&self, namespace: Option<&str>) -> String {
        collection(self.group, self.version, self.plural, namespace)
    }

    /// The path of one object of a namespace.
    pub fn object(&self, namespace: &str, name: &str) -> String {
        format!("{}/{}", self.path(Some(namespace)), encode(name))
    }
}

/// The path of a collection.
pub fn collection(group: &str, version: &str, plural: &str, namespace: Option<&str>) -> String {
    let root = if group.is_empty() {
        format!("/api/{version}")
    } else {
        format!("/apis/{group}/{version}")
    };
    match namespace {
        Some(namespace) => format!("{root}/namespaces/{}/{plural}", encode(namespace)),
        None => format!("{root}/{plural}"),
    }
}

/// What stands for itself in a URL.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Percent-encodes a part of a path or a value of a query.
pub fn encode(value: &str) -> String {
    utf8_percent_encode(value, RESERVED).to_string()
}

/// The query for objects with such labels.
pub fn labelled(selector: &str) -> String {
    format!("labelSelector={}", encode(selector))
}

/// The query for objects with such fields.
pub fn with_field(selector: &str) -> String {
    format!("fieldSelector={}", encode(selector))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_those_of_the_api() {
        assert_eq!(PODS.path(Some("a")), "/api/v1/namespaces/a/pods");
        assert_eq!(NODES.path(None), "/api/v1/nodes");
        assert_eq!(
            NETWORK_POLICIES.path(Some("a")),
            "/apis/networking.k8s.io/v1/namespaces/a/networkpolicies"
        );
    }
}
