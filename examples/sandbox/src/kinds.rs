//! Which resources the sandbox serves, and where. Pure data.

/// A resource of the API.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Resource {
    /// API group; empty for the core group.
    pub(crate) group: &'static str,
    /// API version.
    pub(crate) version: &'static str,
    /// Lower-case plural.
    pub(crate) plural: &'static str,
    /// Kind of its objects.
    pub(crate) kind: &'static str,
    /// Whether its objects live in a namespace.
    pub(crate) namespaced: bool,
}

macro_rules! kinds {
    ($($group:literal $version:literal $plural:literal $kind:literal $namespaced:literal;)+) => {
        /// All of them.
        pub(crate) static KINDS: &[Resource] = &[$(Resource { group: $group, version: $version, plural: $plural, kind: $kind, namespaced: $namespaced }),+];
    };
}

kinds! {
    "" "v1" "configmaps" "ConfigMap" true;
    "" "v1" "events" "Event" true;
    "" "v1" "limitranges" "LimitRange" true;
    "" "v1" "namespaces" "Namespace" false;
    "" "v1" "nodes" "Node" false;
    "" "v1" "persistentvolumeclaims" "PersistentVolumeClaim" true;
    "" "v1" "pods" "Pod" true;
    "" "v1" "services" "Service" true;
    "apps" "v1" "daemonsets" "DaemonSet" true;
    "apps" "v1" "deployments" "Deployment" true;
    "apps" "v1" "replicasets" "ReplicaSet" true;
    "apps" "v1" "statefulsets" "StatefulSet" true;
    "batch" "v1" "cronjobs" "CronJob" true;
    "batch" "v1" "jobs" "Job" true;
    "discovery.k8s.io" "v1" "endpointslices" "EndpointSlice" true;
    "networking.k8s.io" "v1" "ingresses" "Ingress" true;
    "networking.k8s.io" "v1" "networkpolicies" "NetworkPolicy" true;
    "policy" "v1" "poddisruptionbudgets" "PodDisruptionBudget" true;
    "cilium.io" "v2" "ciliumnetworkpolicies" "CiliumNetworkPolicy" true;
    "cilium.io" "v2" "ciliumclusterwidenetworkpolicies" "CiliumClusterwideNetworkPolicy" false;
    "crd.projectcalico.org" "v1" "networkpolicies" "NetworkPolicy" true;
    "crd.projectcalico.org" "v1" "globalnetworkpolicies" "GlobalNetworkPolicy" false;
    "policy.networking.k8s.io" "v1alpha1" "adminnetworkpolicies" "AdminNetworkPolicy" false;
    "policy.networking.k8s.io" "v1alpha1" "baselineadminnetworkpolicies" "BaselineAdminNetworkPolicy" false;
    "security.istio.io" "v1" "authorizationpolicies" "AuthorizationPolicy" true;
}

impl Resource {
    /// Whether every cluster serves it; all others are served by those that have such an object, or whose scenario says so.
    pub(crate) fn everywhere(&self) -> bool {
        !self.group.contains('.') || ["discovery.k8s.io", "networking.k8s.io"].contains(&self.group)
    }

    /// `PLURAL.GROUP`.
    pub(crate) fn qualified(&self) -> String {
        if self.group.is_empty() {
            self.plural.to_owned()
        } else {
            format!("{}.{}", self.plural, self.group)
        }
    }

    /// `apiVersion` of its objects.
    pub(crate) fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.to_owned()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }
}

/// The resource of that group, version and plural.
pub(crate) fn find(group: &str, version: &str, plural: &str) -> Option<&'static Resource> {
    KINDS
        .iter()
        .find(|kind| kind.group == group && kind.version == version && kind.plural == plural)
}

/// The resource of that plural.
///
/// # Panics
/// Only for a plural that is not in the table.
pub(crate) fn of(plural: &'static str) -> &'static Resource {
    match KINDS.iter().find(|kind| kind.plural == plural) {
        Some(kind) => kind,
        None => unreachable!("{plural} stands in the table"),
    }
}

/// The resource of objects of that kind.
pub(crate) fn of_object(api_version: &str, kind: &str) -> Option<&'static Resource> {
    KINDS
        .iter()
        .find(|known| known.kind == kind && known.api_version() == api_version)
}

/// The resource of a kind as people write it: `deployment`, `Deployment`, `deployments`.
pub(crate) fn of_word(word: &str) -> Option<&'static Resource> {
    let word = word.to_ascii_lowercase();
    KINDS
        .iter()
        .find(|known| known.plural == word || known.kind.to_ascii_lowercase() == word)
}
