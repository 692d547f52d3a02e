//! What is dropped of each object as it comes in: bulky fields that no rule reads, and k8sverify's own objects. Pure.

use std::collections::HashMap;

use serde_json::Value;

use super::OWN_PREFIX;
use super::kinds::{
    ConfigMap, Container, DisruptionBudget, EndpointSlice, Event, HttpRoute, Ingress, Known,
    LimitRange, Metadata, Namespace, NetworkPolicy, Node, Pod, PodSpec, Service, Volume,
    VolumeClaim, Workload,
};
use super::mounted::decoded;
use super::shared::Shared;

/// The label that says who made an object.
pub const MANAGED_BY_LABEL: &str = "app.kubernetes.io/managed-by";
/// Its value on what k8sverify makes.
pub const MANAGED_BY: &str = "k8sverify";
/// The label of a run on what k8sverify makes.
pub const RUN_LABEL: &str = "k8sverify.io/run";

/// What `kubectl apply` leaves: the whole object once more, values of variables included.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// How the names of token volumes begin that the API server adds.
const TOKEN: &str = "kube-api-access-";
/// Longer annotations are some tool's bookkeeping.
const MAX_ANNOTATION: usize = 2048;
/// Longer values of a ConfigMap are data, no configuration of a connection.
const MAX_VALUE: usize = 128 * 1024;

/// Drops what no rule reads.
pub(super) trait Trim {
    /// In place.
    fn trim(&mut self);

    /// The same; what it has alike with an earlier one is held only once.
    fn tidy(&mut self, _: &mut Replicas) {
        self.trim();
    }
}

macro_rules! trim_metadata {
    ($($kind:ty),+) => { $(impl Trim for $kind { fn trim(&mut self) { self.metadata.trim(); } })+ };
}
trim_metadata!(
    DisruptionBudget,
    LimitRange,
    EndpointSlice,
    Event,
    HttpRoute,
    Ingress,
    Namespace,
    NetworkPolicy,
    Node,
    Service,
    VolumeClaim
);

impl Trim for Metadata {
    fn trim(&mut self) {
        self.annotations
            .retain(|key, value| key != LAST_APPLIED && value.len() <= MAX_ANNOTATION);
        self.managed_fields.clear();
    }
}

impl Trim for Pod {
    fn trim(&mut self) {
        self.metadata.trim();
        // A list that was read has room for four or eight, and there are thousands of Pods.
        self.metadata.owner_references.shrink_to_fit();
        self.status.pod_ips.shrink_to_fit();
        self.status.conditions.shrink_to_fit();
        self.status.container_statuses.shrink_to_fit();
        self.status.init_container_statuses.shrink_to_fit();
    }

    fn tidy(&mut self, replicas: &mut Replicas) {
        self.trim();
        replicas.share(self);
    }
}

impl Trim for Workload {
    fn trim(&mut self) {
        self.metadata.trim();
        self.spec.template.metadata.trim();
    }
}

/// When its keys were written stays.
impl Trim for Known {
    fn trim(&mut self) {
        trim_but_writes(&mut self.metadata);
        self.metadata.annotations.clear();
    }
}

fn trim_but_writes(metadata: &mut Metadata) {
    let writes = std::mem::take(&mut metadata.managed_fields);
    metadata.trim();
    metadata.managed_fields = writes;
}

/// Keys stay, so that a reference to one can be checked.
impl Trim for ConfigMap {
    fn trim(&mut self) {
        trim_but_writes(&mut self.metadata);
        for value in self.data.values_mut() {
            if value.len() > MAX_VALUE {
                value.clear();
            }
        }
        for value in self.binary_data.values_mut() {
            if value.len() > MAX_VALUE || decoded(value).is_none() {
                value.clear();
            }
        }
    }
}

/// Whether k8sverify made it.
pub fn is_own(metadata: &Metadata) -> bool {
    metadata
        .labels
        .get(MANAGED_BY_LABEL)
        .is_some_and(|value| value == MANAGED_BY)
        || metadata.labels.contains_key(RUN_LABEL)
}

/// Whether an event is about one of k8sverify's Jobs or their Pods; it outlives them.
pub fn is_own_event(event: &Event) -> bool {
    matches!(event.involved_object.kind.as_str(), "Job" | "Pod")
        && event.involved_object.name.starts_with(OWN_PREFIX)
}

/// What the Pods of one owner mostly have alike.
#[derive(Debug, Clone)]
struct Lists {
    containers: Shared<Container>,
    init_containers: Shared<Container>,
    volumes: Shared<Volume>,
    tolerations: Shared<Value>,
}

/// The lists of the first Pod of each owner, which the others may hold.
#[derive(Debug, Default)]
pub(super) struct Replicas(HashMap<String, Lists>);

impl Replicas {
    /// Lets a Pod hold the lists of the first one with the same owner, where they are equal.
    pub(super) fn share(&mut self, pod: &mut Pod) {
        let Some(owner) = pod.metadata.owner_references.first() else {
            return;
        };
        let spec = &mut pod.spec;
        name_tokens_alike(spec);
        let Some(known) = self.0.get(&owner.uid) else {
            let first = Lists {
                containers: spec.containers.clone(),
                init_containers: spec.init_containers.clone(),
                volumes: spec.volumes.clone(),
                tolerations: spec.tolerations.clone(),
            };
            self.0.insert(owner.uid.clone(), first);
            return;
        };
        spec.containers.join(&known.containers);
        spec.init_containers.join(&known.init_containers);
        spec.volumes.join(&known.volumes);
        spec.tolerations.join(&known.tolerations);
    }
}

/// The volume of its service account's token has a name of its own in each Pod, which would make all lists differ.
fn name_tokens_alike(spec: &mut PodSpec) {
    let shorten = |name: &mut String| {
        if name.starts_with(TOKEN) {
            name.truncate(TOKEN.len());
        }
    };
    for container in spec
        .containers
        .edit()
        .iter_mut()
        .chain(spec.init_containers.edit())
    {
        container
            .volume_mounts
            .iter_mut()
            .for_each(|mount| shorten(&mut mount.name));
    }
    for volume in spec.volumes.edit() {
        shorten(&mut volume.name);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn secrets_of_last_applied_and_bulky_values_go_and_keys_stay() {
        let mut map: ConfigMap = serde_json::from_value(json!({
            "metadata": {"name": "c", "annotations": {LAST_APPLIED: "{…}", "a": "b", "long": "x".repeat(3000)}},
            "data": {"small": "1", "large": "x".repeat(MAX_VALUE + 1)},
            "binaryData": {"logo.png": "iVBORw0KGgo=", "site.conf": "eA=="},
        }))
        .unwrap();
        map.trim();
        assert_eq!(map.metadata.annotations.len(), 1);
        assert_eq!(map.data["small"], "1");
        assert_eq!(map.data["large"], "");
        assert_eq!(map.binary_data["logo.png"], "");
        assert_eq!(map.binary_data["site.conf"], "eA==", "a text is kept");
    }

    #[test]
    fn own_objects_are_known_by_label_and_own_events_by_name() {
        let of = |labels| {
            serde_json::from_value::<Metadata>(json!({"name": "x", "labels": labels})).unwrap()
        };
        assert!(is_own(&of(json!({MANAGED_BY_LABEL: "k8sverify"}))));
        assert!(is_own(&of(json!({RUN_LABEL: "r1"}))));
        assert!(!is_own(&of(json!({MANAGED_BY_LABEL: "Helm"}))));
        let event = |kind: &str, name: &str| {
            serde_json::from_value::<Event>(json!({"involvedObject": {"kind": kind, "name": name}}))
                .unwrap()
        };
        assert!(is_own_event(&event("Pod", "k8sverify-r1-v1-abcde")));
        assert!(!is_own_event(&event("Pod", "db-0")));
        assert!(!is_own_event(&event("Deployment", "k8sverify-ui")));
    }

    #[test]
    fn of_what_managers_own_only_the_keys_are_read() {
        let fields = json!({"f:data": {".": {}, "f:URL": {}}, "f:stringData": {"f:B": {"f:x": []}}, "f:metadata": {"f:labels": {}}});
        let mut map: ConfigMap = serde_json::from_value(json!({
            "metadata": {"name": "c", "managedFields": [{"manager": "kubectl", "time": null, "fieldsV1": fields}, {"fieldsV1": null}]},
        }))
        .unwrap();
        map.trim();
        let [write, other] = map.metadata.managed_fields.as_slice() else {
            panic!("two managers: {map:?}");
        };
        assert!(write.holds("URL") && write.holds("B"));
        assert!(!write.holds("labels") && !other.holds("URL"));
    }

    #[test]
    fn replicas_hold_equal_lists_once_and_differing_ones_apart() {
        let pod = |name: &str, owner: &str, image: &str| -> Pod {
            let token = format!("kube-api-access-{name}");
            serde_json::from_value(json!({
                "metadata": {"name": name, "ownerReferences": [{"uid": owner}]},
                "spec": {
                    "containers": [{"name": "app", "image": image, "volumeMounts": [{"name": token, "mountPath": "/var/run"}]}],
                    "volumes": [{"name": token, "projected": {}}, {"name": "data"}],
                },
            }))
            .unwrap()
        };
        let mut pods = [
            pod("a", "one", "x:1"),
            pod("b", "one", "x:1"),
            pod("c", "one", "x:2"),
            pod("d", "two", "x:1"),
        ];
        let mut replicas = Replicas::default();
        for pod in &mut pods {
            replicas.share(pod);
        }
        let [first, same, updated, other] = &pods;
        let held = |one: &Pod, two: &Pod| {
            std::ptr::eq(
                &raw const *one.spec.containers,
                &raw const *two.spec.containers,
            )
        };
        assert!(held(first, same) && !held(first, updated) && !held(first, other));
        assert!(std::ptr::eq(
            &raw const *first.spec.volumes,
            &raw const *updated.spec.volumes
        ));
        assert_eq!(updated.spec.containers[0].image, "x:2");
        assert_eq!(
            same.spec.volumes[0].name,
            same.spec.containers[0].volume_mounts[0].name
        );
        assert_eq!(same.spec.volumes[1].name, "data");
    }
}
