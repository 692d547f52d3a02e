//! Every object of a snapshot by the keys that later stages ask for. Built once, on the first question; holds positions, no
//! copies of objects. Pure.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::net::IpAddr;
use std::sync::OnceLock;

use super::super::kinds::{Labels, Metadata, Node, OwnerReference, Pod, Service, Workload};
use super::super::state::{NamespaceState, WorkloadKey, is_live};

/// The label that an EndpointSlice names its Service with.
const SERVICE_NAME: &str = "kubernetes.io/service-name";

/// What is derived from a snapshot; it is no part of its value. A clone starts without it, and what changes a snapshot that was
/// asked before must call `changed`.
#[derive(Default)]
pub struct Index(OnceLock<Built>);

impl Index {
    /// What is derived from these objects, which are the ones that were there when it was asked first.
    pub(super) fn built(
        &self,
        namespaces: &BTreeMap<String, NamespaceState>,
        nodes: &[Node],
    ) -> &Built {
        let built = self.0.get_or_init(|| Built::of(namespaces, nodes));
        #[cfg(debug_assertions)]
        debug_assert!(
            built.shape == shape(namespaces, nodes),
            "the snapshot was changed after it was asked: call `changed`"
        );
        built
    }
}

impl Clone for Index {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl fmt::Debug for Index {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Index")
    }
}

/// The label of the cluster's DNS Service, whatever its name.
const DNS_LABEL: (&str, &str) = ("k8s-app", "kube-dns");

/// Positions in one of the lists of a namespace, ascending.
type Positions = Vec<usize>;

/// Objects by a name.
type ByName = HashMap<String, Positions>;

/// Objects by a lower-case kind and a name.
#[derive(Default)]
struct ByKind(HashMap<String, ByName>);

impl ByKind {
    fn add(&mut self, kind: &str, name: &str, position: usize) {
        let kind = self.0.entry(kind.to_ascii_lowercase()).or_default();
        kind.entry(name.to_owned()).or_default().push(position);
    }

    fn get(&self, kind: &str, name: &str) -> &[usize] {
        let of_kind = if kind.bytes().any(|byte| byte.is_ascii_uppercase()) {
            self.0.get(&kind.to_ascii_lowercase())
        } else {
            self.0.get(kind)
        };
        positions(of_kind.and_then(|names| names.get(name)))
    }
}

fn positions(found: Option<&Positions>) -> &[usize] {
    found.map_or(&[], Vec::as_slice)
}

/// Sets of labels by each label in them.
#[derive(Default)]
struct ByLabel(HashMap<String, HashMap<String, Positions>>);

impl ByLabel {
    fn add(&mut self, labels: &Labels, position: usize) {
        for (key, value) in labels {
            let values = self.0.entry(key.clone()).or_default();
            values.entry(value.clone()).or_default().push(position);
        }
    }

    fn get(&self, key: &str, value: &str) -> &[usize] {
        positions(self.0.get(key).and_then(|values| values.get(value)))
    }

    /// Those with the rarest label of a selector: what the selector takes is among them.
    fn candidates(&self, selector: &Labels) -> &[usize] {
        selector
            .iter()
            .map(|(key, value)| self.get(key, value))
            .min_by_key(|found| found.len())
            .unwrap_or_default()
    }
}

/// One namespace.
#[derive(Default)]
pub(super) struct Keys {
    pods: ByName,
    services: ByName,
    config_maps: ByName,
    slices: ByName,
    /// By what they are about.
    events: ByName,
    workloads: ByKind,
    /// By their controller.
    owned_workloads: ByKind,
    /// By their controller.
    owned_pods: ByKind,
    /// The kinds and names of what owns a workload's Pods directly, other than the workload itself.
    makers: HashMap<WorkloadKey, BTreeSet<(String, String)>>,
    /// By their hostname.
    hostnames: ByName,
    pod_labels: ByLabel,
    /// By the label of its selector that the fewest Services ask for.
    selectors: ByLabel,
    /// Topmost owners of Pods, workloads without Pods and bare Pods, sorted.
    pub(super) all: Vec<WorkloadKey>,
    /// Positions in `all`, by the labels of the template; filled on the first question.
    templates: OnceLock<ByLabel>,
}

impl Keys {
    fn of(namespace: &str, state: &NamespaceState) -> Self {
        let mut keys = Self::default();
        for (position, workload) in state.workloads.iter().enumerate() {
            let metadata = &workload.metadata;
            keys.workloads.add(&workload.kind, &metadata.name, position);
            if let Some(owner) = owner(metadata) {
                keys.owned_workloads.add(&owner.kind, &owner.name, position);
            }
        }
        let mut all = BTreeSet::new();
        for workload in &state.workloads {
            let top = topmost(state, &keys, namespace, workload);
            let direct = (workload.kind.to_lowercase(), workload.metadata.name.clone());
            keys.makers.entry(top.clone()).or_default().insert(direct);
            if !keys.is_left_behind(&workload.metadata) {
                all.insert(top);
            }
        }
        for (position, pod) in state.pods.iter().enumerate() {
            keys.add_pod(position, pod);
            if !keys.is_left_behind(&pod.metadata) {
                all.insert(keys.workload_of(namespace, state, &pod.metadata));
            }
        }
        keys.all = all.into_iter().collect();
        keys.add_services(&state.services);
        for (position, slice) in state.endpoint_slices.iter().enumerate() {
            if let Some(service) = slice.metadata.labels.get(SERVICE_NAME) {
                let slices = keys.slices.entry(service.clone()).or_default();
                slices.push(position);
            }
        }
        for (position, map) in state.config_maps.iter().enumerate() {
            let name = map.metadata.name.clone();
            keys.config_maps.entry(name).or_default().push(position);
        }
        for (position, event) in state.events.iter().enumerate() {
            let about = event.involved_object.name.clone();
            keys.events.entry(about).or_default().push(position);
        }
        keys
    }

    /// Whether an object only waits to be removed: it is being deleted, and what made it is gone already.
    fn is_left_behind(&self, metadata: &Metadata) -> bool {
        let is_gone =
            owner(metadata).is_none_or(|owner| self.workload(&owner.kind, &owner.name).is_none());
        metadata.deletion_timestamp.is_some() && is_gone
    }

    fn add_pod(&mut self, position: usize, pod: &Pod) {
        let name = pod.metadata.name.clone();
        self.pods.entry(name).or_default().push(position);
        if let Some(owner) = owner(&pod.metadata) {
            self.owned_pods.add(&owner.kind, &owner.name, position);
        }
        if !pod.spec.hostname.is_empty() {
            let hostname = pod.spec.hostname.clone();
            self.hostnames.entry(hostname).or_default().push(position);
        }
        self.pod_labels.add(&pod.metadata.labels, position);
    }

    fn add_services(&mut self, services: &[Service]) {
        let mut asked: HashMap<(&String, &String), usize> = HashMap::new();
        for service in services {
            for label in &service.spec.selector {
                *asked.entry(label).or_default() += 1;
            }
        }
        for (position, service) in services.iter().enumerate() {
            let name = service.metadata.name.clone();
            self.services.entry(name).or_default().push(position);
            let rarest = service
                .spec
                .selector
                .iter()
                .min_by_key(|label| asked.get(label));
            if let Some((key, value)) = rarest {
                let label = Labels::from([(key.clone(), value.clone())]);
                self.selectors.add(&label, position);
            }
        }
    }

    pub(super) fn pods_named(&self, name: &str) -> &[usize] {
        positions(self.pods.get(name))
    }

    pub(super) fn service(&self, name: &str) -> Option<usize> {
        self.services.get(name)?.first().copied()
    }

    /// Where manifests say it twice, the last one counts.
    pub(super) fn config_map(&self, name: &str) -> Option<usize> {
        self.config_maps.get(name)?.last().copied()
    }

    pub(super) fn slices_of(&self, service: &str) -> &[usize] {
        positions(self.slices.get(service))
    }

    pub(super) fn events_about(&self, name: &str) -> &[usize] {
        positions(self.events.get(name))
    }

    pub(super) fn workload(&self, kind: &str, name: &str) -> Option<usize> {
        self.workloads.get(kind, name).first().copied()
    }

    /// The workloads that an object controls.
    pub(super) fn workloads_owned_by(&self, kind: &str, name: &str) -> &[usize] {
        self.owned_workloads.get(kind, name)
    }

    /// The Pods of a workload that has an object or owns them: its own, and those of its ReplicaSets or Jobs.
    pub(super) fn pods_of(&self, key: &WorkloadKey) -> Positions {
        let direct = (key.kind.clone(), key.name.clone());
        let makers = self.makers.get(key).into_iter().flatten();
        let mut found: Positions = makers
            .filter(|maker| **maker != direct)
            .chain([&direct])
            .flat_map(|(kind, name)| self.owned_pods.get(kind, name))
            .copied()
            .collect();
        found.sort_unstable();
        found
    }

    pub(super) fn pods_with_hostname(&self, hostname: &str) -> &[usize] {
        positions(self.hostnames.get(hostname))
    }

    /// Pods among which are those that a selector takes.
    pub(super) fn pod_candidates(&self, selector: &Labels) -> &[usize] {
        self.pod_labels.candidates(selector)
    }

    /// Services among which are those whose selector takes these labels.
    pub(super) fn service_candidates(&self, labels: &Labels) -> Positions {
        labels
            .iter()
            .flat_map(|(key, value)| self.selectors.get(key, value))
            .copied()
            .collect()
    }

    /// Workloads, as positions in `all`, among which are those whose template a selector takes.
    pub(super) fn template_candidates<'a>(
        &self,
        selector: &Labels,
        labels: impl Fn(&WorkloadKey) -> Option<&'a Labels>,
    ) -> &[usize] {
        let templates = self.templates.get_or_init(|| {
            let mut templates = ByLabel::default();
            for (position, key) in self.all.iter().enumerate() {
                if let Some(labels) = labels(key) {
                    templates.add(labels, position);
                }
            }
            templates
        });
        templates.candidates(selector)
    }

    /// The topmost owner of a Pod.
    pub(super) fn workload_of(
        &self,
        namespace: &str,
        state: &NamespaceState,
        pod: &Metadata,
    ) -> WorkloadKey {
        let Some(owner) = owner(pod) else {
            return WorkloadKey::new(namespace, "pod", &pod.name);
        };
        let parent = self
            .workload(&owner.kind, &owner.name)
            .and_then(|position| state.workloads.get(position));
        match parent {
            Some(workload) => topmost(state, self, namespace, workload),
            None => WorkloadKey::new(namespace, owner.kind.to_lowercase(), &owner.name),
        }
    }
}

/// A snapshot's objects by key.
pub(super) struct Built {
    pub(super) namespaces: BTreeMap<String, Keys>,
    /// Namespace and position.
    pub(super) services: HashMap<IpAddr, (String, usize)>,
    /// Namespace and position of the Service with the usual label of a cluster's DNS.
    pub(super) dns: Option<(String, usize)>,
    /// Namespace and position; live Pods that have an address of their own.
    pub(super) pods: HashMap<IpAddr, (String, usize)>,
    pub(super) nodes: HashMap<String, usize>,
    /// The names of nodes on which Pods are, also where nodes cannot be read.
    pub(super) lived_in: BTreeSet<String>,
    /// What the lists were when this was built.
    #[cfg(debug_assertions)]
    shape: Vec<(usize, usize)>,
}

impl Built {
    fn of(namespaces: &BTreeMap<String, NamespaceState>, of_cluster: &[Node]) -> Self {
        let mut services = HashMap::new();
        let mut pods = HashMap::new();
        let mut dns = None;
        for (namespace, state) in namespaces {
            for (position, service) in state.services.iter().enumerate() {
                let labels = &service.metadata.labels;
                let is_dns = labels
                    .get(DNS_LABEL.0)
                    .is_some_and(|value| value == DNS_LABEL.1);
                for address in service.spec.addresses() {
                    let place = (namespace.clone(), position);
                    if is_dns {
                        dns.get_or_insert_with(|| place.clone());
                    }
                    services.entry(address).or_insert(place);
                }
            }
            // A hostNetwork Pod has its node's address, which it shares with others.
            let own = |pod: &&Pod| !pod.spec.host_network && is_live(pod);
            for (position, pod) in state.pods.iter().enumerate().filter(|(_, pod)| own(pod)) {
                for address in pod.status.addresses() {
                    pods.entry(address)
                        .or_insert_with(|| (namespace.clone(), position));
                }
            }
        }
        let mut nodes = HashMap::new();
        for (position, node) in of_cluster.iter().enumerate() {
            nodes.entry(node.metadata.name.clone()).or_insert(position);
        }
        Self {
            namespaces: namespaces
                .iter()
                .map(|(namespace, state)| (namespace.clone(), Keys::of(namespace, state)))
                .collect(),
            services,
            dns,
            pods,
            nodes,
            lived_in: namespaces
                .values()
                .flat_map(|state| &state.pods)
                .map(|pod| &pod.spec.node_name)
                .filter(|node| !node.is_empty())
                .cloned()
                .collect(),
            #[cfg(debug_assertions)]
            shape: shape(namespaces, of_cluster),
        }
    }
}

/// Where the indexed lists stand and how long they are: differs after nearly every change.
#[cfg(debug_assertions)]
fn shape(namespaces: &BTreeMap<String, NamespaceState>, nodes: &[Node]) -> Vec<(usize, usize)> {
    fn list<T>(items: &[T]) -> (usize, usize) {
        (items.as_ptr().addr(), items.len())
    }
    let of_namespace = |state: &NamespaceState| {
        [
            list(&state.pods),
            list(&state.services),
            list(&state.workloads),
            list(&state.endpoint_slices),
            list(&state.events),
            list(&state.config_maps),
        ]
    };
    namespaces
        .values()
        .flat_map(of_namespace)
        .chain([list(nodes)])
        .collect()
}

/// The controller, but for static Pods, which their node "owns".
pub(super) fn owner(metadata: &Metadata) -> Option<&OwnerReference> {
    metadata.controller().filter(|owner| owner.kind != "Node")
}

/// A ReplicaSet or Job leads to its owner of any kind. What a person writes (a Deployment, say) is the workload even when an
/// operator's object owns it: several of them would else melt into one.
fn topmost(
    state: &NamespaceState,
    keys: &Keys,
    namespace: &str,
    workload: &Workload,
) -> WorkloadKey {
    let written = matches!(
        workload.kind.as_str(),
        "Deployment" | "StatefulSet" | "DaemonSet" | "CronJob"
    );
    let own = || {
        WorkloadKey::new(
            namespace,
            workload.kind.to_lowercase(),
            &workload.metadata.name,
        )
    };
    if written {
        return own();
    }
    let Some(owner) = owner(&workload.metadata) else {
        return own();
    };
    let parent = keys
        .workload(&owner.kind, &owner.name)
        .and_then(|position| state.workloads.get(position));
    match parent {
        // A ReplicaSet or Job is never owned by another of them, so this is the top.
        Some(parent) => {
            WorkloadKey::new(namespace, parent.kind.to_lowercase(), &parent.metadata.name)
        }
        None => WorkloadKey::new(namespace, owner.kind.to_lowercase(), &owner.name),
    }
}
