//! Questions that every later stage asks of a [`Snapshot`]: which workload owns a Pod, what a Service leads to, what a host
//! name means. Pure; every answer is computed from the plain data, and sorted where order is not given by it.

mod keys;
mod meaning;
mod way;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::num::NonZeroU16;

use super::kinds::{
    self, Condition, ConfigMap, Endpoint, EndpointPort, EndpointSlice, Event, Labels, Metadata,
    Node, Pod, PodSpec, Service, ServicePort, Workload, service_selects,
};
use super::{NamespaceState, ServiceKey, Snapshot, WorkloadKey, is_live};

pub use keys::Index;
use keys::{Built, Keys, owner};
pub use meaning::HostMeaning;
pub use way::HostRoute;

/// What a workload's Pods are made from: its template, or the bare Pod itself.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Template<'a> {
    /// Labels.
    pub labels: &'a Labels,
    /// Annotations.
    pub annotations: &'a Labels,
    /// Specification.
    pub spec: &'a PodSpec,
}

impl<'a> Template<'a> {
    fn new(metadata: &'a Metadata, spec: &'a PodSpec) -> Self {
        Self {
            labels: &metadata.labels,
            annotations: &metadata.annotations,
            spec,
        }
    }
}

/// One endpoint of a Service port, with the API's nil rules applied.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct EndpointView {
    /// Its address.
    pub address: IpAddr,
    /// Its target port; `None` where the slice does not restrict ports.
    pub port: Option<NonZeroU16>,
    /// Ready: absent means true.
    pub ready: bool,
    /// Terminating: absent means false.
    pub terminating: bool,
    /// The Pod behind it.
    pub pod: Option<String>,
    /// The Pod's namespace (the Service's own where the slice is silent).
    pub pod_namespace: String,
    /// Its node.
    pub node: Option<String>,
}

impl Snapshot {
    /// Must be called after a change of a snapshot that was asked anything before: its objects are found by key.
    pub fn changed(&mut self) {
        self.index = Index::default();
    }

    fn built(&self) -> &Built {
        self.index.built(&self.namespaces, &self.nodes)
    }

    /// A namespace and its objects by key.
    fn keys(&self, namespace: &str) -> Option<(&NamespaceState, &Keys)> {
        let keys = self.built().namespaces.get(namespace)?;
        Some((self.namespaces.get(namespace)?, keys))
    }

    /// The namespace and Service that has an address.
    fn service_at(&self, address: IpAddr) -> Option<(&str, &Service)> {
        let (namespace, position) = self.built().services.get(&address)?;
        let service = self.namespaces.get(namespace)?.services.get(*position)?;
        Some((namespace, service))
    }

    /// The Service that carries the usual label of a cluster's DNS and has an address.
    pub(crate) fn usual_dns(&self) -> Option<ServiceKey> {
        let (namespace, position) = self.built().dns.as_ref()?;
        let service = self.namespaces.get(namespace)?.services.get(*position)?;
        Some(ServiceKey::new(
            namespace.clone(),
            service.metadata.name.clone(),
        ))
    }

    /// The namespace and live Pod that has an address of its own.
    pub(crate) fn pod_at(&self, address: IpAddr) -> Option<(&str, &Pod)> {
        let (namespace, position) = self.built().pods.get(&address)?;
        let pod = self.namespaces.get(namespace)?.pods.get(*position)?;
        Some((namespace, pod))
    }

    /// The names of nodes on which Pods are, sorted; also where nodes cannot be read.
    pub fn nodes_with_pods(&self) -> impl Iterator<Item = &str> {
        self.built().lived_in.iter().map(String::as_str)
    }

    /// A node.
    pub fn node(&self, name: &str) -> Option<&Node> {
        self.nodes.get(*self.built().nodes.get(name)?)
    }
}

impl Snapshot {
    /// The `Ready` condition of a node that is not ready; none of one that is, or that could not be read.
    pub fn unready_node(&self, name: &str) -> Option<&Condition> {
        Condition::of(&self.node(name)?.status.conditions, "Ready")
            .filter(|condition| condition.status != "True")
    }

    /// The workloads of a namespace: topmost owners of Pods, workloads without Pods, and bare Pods; sorted.
    pub fn workloads(&self, namespace: &str) -> Vec<WorkloadKey> {
        self.keys(namespace)
            .map_or_else(Vec::new, |(_, keys)| keys.all.clone())
    }

    /// The workload that a Pod belongs to.
    pub fn workload_of(&self, pod: &Pod) -> WorkloadKey {
        let namespace = pod.metadata.namespace.as_str();
        match self.keys(namespace) {
            Some((state, keys)) => keys.workload_of(namespace, state, &pod.metadata),
            // A Pod of another snapshot, in a namespace that this one does not know.
            None => {
                Keys::default().workload_of(namespace, &NamespaceState::default(), &pod.metadata)
            }
        }
    }

    /// The workload's own object; none for bare Pods and for kinds that are not listed (Rollout, …).
    pub fn workload(&self, key: &WorkloadKey) -> Option<&Workload> {
        let (state, keys) = self.keys(&key.namespace)?;
        state.workloads.get(keys.workload(&key.kind, &key.name)?)
    }

    /// What the workload's Pods are made from: the newest ReplicaSet or a Pod stands in for a kind that is not listed.
    pub fn template(&self, key: &WorkloadKey) -> Option<Template<'_>> {
        let (state, keys) = self.keys(&key.namespace)?;
        if key.kind == "pod" {
            let pod = self.pod(&key.namespace, &key.name)?;
            return Some(Template::new(&pod.metadata, &pod.spec));
        }
        if let Some(workload) = self.workload(key) {
            return Some(workload_template(workload));
        }
        let newest = at(
            &state.workloads,
            keys.workloads_owned_by(&key.kind, &key.name),
        )
        .max_by(|left, right| {
            let age = |workload: &Workload| {
                (
                    workload.spec.replicas.unwrap_or(1) > 0,
                    workload.metadata.creation_timestamp,
                )
            };
            age(left).cmp(&age(right))
        });
        if let Some(workload) = newest {
            return Some(workload_template(workload));
        }
        self.all_pods_of(key)
            .into_iter()
            .next_back()
            .map(|pod| Template::new(&pod.metadata, &pod.spec))
    }

    /// What the workload's controller made to make Pods: ReplicaSets, Jobs.
    pub fn made_by(&self, key: &WorkloadKey) -> Vec<&Workload> {
        let known = self.keys(&key.namespace).into_iter();
        let made = known.flat_map(|(state, keys)| {
            at(
                &state.workloads,
                keys.workloads_owned_by(&key.kind, &key.name),
            )
        });
        made.collect()
    }

    /// The workload's live Pods: neither ended nor being deleted; sorted by name.
    pub fn pods_of(&self, key: &WorkloadKey) -> Vec<&Pod> {
        let mut pods = self.all_pods_of(key);
        pods.retain(|pod| is_live(pod));
        pods
    }

    /// All of the workload's Pods, also those that ended; sorted by name.
    pub fn all_pods_of(&self, key: &WorkloadKey) -> Vec<&Pod> {
        let Some((state, keys)) = self.keys(&key.namespace) else {
            return Vec::new();
        };
        let mut pods: Vec<&Pod> = if key.kind == "pod" {
            at(&state.pods, keys.pods_named(&key.name))
                .filter(|pod| owner(&pod.metadata).is_none())
                .collect()
        } else {
            at(&state.pods, &keys.pods_of(key)).collect()
        };
        pods.sort_by(|left, right| left.metadata.name.cmp(&right.metadata.name));
        pods
    }

    /// A Service.
    pub fn service(&self, key: &ServiceKey) -> Option<&Service> {
        let (state, keys) = self.keys(&key.namespace)?;
        state.services.get(keys.service(&key.name)?)
    }

    /// The Services of the namespace whose selector takes Pods of these labels, by name. An ExternalName selects nothing.
    pub fn services_selecting(&self, namespace: &str, labels: &Labels) -> Vec<&Service> {
        let Some((state, keys)) = self.keys(namespace) else {
            return Vec::new();
        };
        let mut services: Vec<&Service> = at(&state.services, &keys.service_candidates(labels))
            .filter(|service| {
                !service.spec.is_external_name() && service_selects(&service.spec.selector, labels)
            })
            .collect();
        services.sort_by(|left, right| left.metadata.name.cmp(&right.metadata.name));
        services
    }

    /// A ConfigMap.
    pub fn config_map(&self, namespace: &str, name: &str) -> Option<&ConfigMap> {
        let (state, keys) = self.keys(namespace)?;
        state.config_maps.get(keys.config_map(name)?)
    }

    /// Whether a key is one of [`Snapshot::workloads`]: what owns Pods topmost, not a ReplicaSet or Pod below it.
    pub fn is_workload(&self, key: &WorkloadKey) -> bool {
        self.keys(&key.namespace)
            .is_some_and(|(_, keys)| keys.all.binary_search(key).is_ok())
    }

    /// The EndpointSlices of a Service.
    pub fn slices_of(&self, key: &ServiceKey) -> Vec<&EndpointSlice> {
        self.keys(&key.namespace)
            .into_iter()
            .flat_map(|(state, keys)| at(&state.endpoint_slices, keys.slices_of(&key.name)))
            .collect()
    }

    /// The Pods of a namespace that a selector of labels takes, in the order of the list; an empty one takes none.
    pub fn pods_selected(&self, namespace: &str, selector: &Labels) -> Vec<&Pod> {
        self.keys(namespace)
            .into_iter()
            .flat_map(|(state, keys)| at(&state.pods, keys.pod_candidates(selector)))
            .filter(|pod| service_selects(selector, &pod.metadata.labels))
            .collect()
    }

    /// The workloads of a namespace whose template a selector of labels takes, sorted; an empty one takes none.
    pub fn workloads_selected(&self, namespace: &str, selector: &Labels) -> Vec<&WorkloadKey> {
        let labels = |key: &WorkloadKey| self.template(key).map(|template| template.labels);
        self.keys(namespace)
            .into_iter()
            .flat_map(|(_, keys)| at(&keys.all, keys.template_candidates(selector, labels)))
            .filter(|key| labels(key).is_some_and(|labels| service_selects(selector, labels)))
            .collect()
    }

    /// The nodes of a Service's ready endpoints.
    pub fn nodes_behind(&self, key: &ServiceKey) -> BTreeSet<String> {
        self.slices_of(key)
            .into_iter()
            .flat_map(|slice| &slice.endpoints)
            .filter(|endpoint| endpoint.conditions.ready.unwrap_or(true))
            .map(|endpoint| endpoint.node_name.clone())
            .filter(|node| !node.is_empty())
            .collect()
    }

    /// The endpoints behind one port of a Service, IPv4 and IPv6, ready or not; sorted, none twice.
    pub fn endpoints(&self, key: &ServiceKey, port: &ServicePort) -> Vec<EndpointView> {
        let mut views: BTreeMap<(IpAddr, Option<NonZeroU16>), EndpointView> = BTreeMap::new();
        // Pods without the port that `targetPort` names: DNS of a headless Service shows them, and no proxy sends anything there.
        let by_port = self
            .service(key)
            .is_some_and(|service| !service.spec.is_headless() && !service.spec.ports.is_empty());
        for slice in self.slices_of(key) {
            if slice.address_type == "FQDN" || by_port && slice.ports.is_empty() {
                continue;
            }
            let target = match SlicePort::of(&slice.ports, port) {
                SlicePort::Other => continue,
                SlicePort::Any => None,
                SlicePort::Number(number) => Some(number),
            };
            for endpoint in &slice.endpoints {
                let Some(view) = view(endpoint, target, &key.namespace) else {
                    continue;
                };
                if is_own_pod_name(view.pod.as_deref()) {
                    continue;
                }
                // While an endpoint moves from one slice to another it stands in both: the better news is the newer.
                match views.get_mut(&(view.address, view.port)) {
                    Some(seen) if seen.ready >= view.ready => {}
                    Some(seen) => *seen = view,
                    None => {
                        views.insert((view.address, view.port), view);
                    }
                }
            }
        }
        views.into_values().collect()
    }

    /// A Pod.
    pub fn pod(&self, namespace: &str, name: &str) -> Option<&Pod> {
        let (state, keys) = self.keys(namespace)?;
        state.pods.get(*keys.pods_named(name).first()?)
    }

    /// The events about an object, oldest first; the kind in any case.
    pub fn events_of(&self, kind: &str, namespace: &str, name: &str) -> Vec<&Event> {
        let mut events: Vec<&Event> = self
            .keys(namespace)
            .into_iter()
            .flat_map(|(state, keys)| at(&state.events, keys.events_about(name)))
            .filter(|event| event.involved_object.kind.eq_ignore_ascii_case(kind))
            .collect();
        events.sort_by_key(|event| event.seen_at());
        events
    }
}

impl Event {
    /// When it was last seen.
    pub fn seen_at(&self) -> Option<jiff::Timestamp> {
        self.last_timestamp
            .or(self.event_time)
            .or(self.first_timestamp)
            .or(self.metadata.creation_timestamp)
    }
}

/// Whether a Pod's condition `Ready` is true.
pub fn is_ready(pod: &Pod) -> bool {
    Condition::with(&pod.status.conditions, "Ready", "True").is_some()
}

/// Names of k8sverify's own Jobs, and so of their Pods, start with this.
pub const OWN_PREFIX: &str = "k8sverify-";

fn is_own_pod_name(pod: Option<&str>) -> bool {
    pod.is_some_and(|name| name.starts_with(OWN_PREFIX))
}

fn key(namespace: &str, name: &str) -> ServiceKey {
    ServiceKey::new(namespace, name)
}

/// The items at these positions.
fn at<'a, T>(items: &'a [T], positions: &[usize]) -> impl Iterator<Item = &'a T> {
    positions.iter().filter_map(|position| items.get(*position))
}

fn workload_template(workload: &Workload) -> Template<'_> {
    let template = match &workload.spec.job_template {
        Some(job) => &job.spec.template,
        None => &workload.spec.template,
    };
    Template::new(&template.metadata, &template.spec)
}

/// What a slice says of a Service's port.
enum SlicePort {
    /// The port is not of this slice.
    Other,
    /// Ports are not restricted.
    Any,
    /// This target port.
    Number(NonZeroU16),
}

impl SlicePort {
    fn of(ports: &[EndpointPort], wanted: &ServicePort) -> Self {
        if ports.is_empty() {
            return Self::Any;
        }
        let port = ports.iter().find(|port| {
            port.name.as_deref().unwrap_or_default() == wanted.name
                && kinds::transport(&port.protocol).eq_ignore_ascii_case(wanted.transport())
        });
        match port.map(|port| port.port) {
            None => Self::Other,
            Some(None) => Self::Any,
            Some(Some(number)) => u16::try_from(number)
                .ok()
                .and_then(NonZeroU16::new)
                .map_or(Self::Other, Self::Number),
        }
    }
}

/// Only the first address of an endpoint is used by proxies.
fn view(
    endpoint: &Endpoint,
    port: Option<NonZeroU16>,
    service_namespace: &str,
) -> Option<EndpointView> {
    let address = endpoint.addresses.first()?.parse().ok()?;
    let target = endpoint
        .target_ref
        .as_ref()
        .filter(|target| target.kind == "Pod");
    Some(EndpointView {
        address,
        port,
        ready: endpoint.conditions.ready.unwrap_or(true),
        terminating: endpoint.conditions.terminating.unwrap_or(false),
        pod: target.map(|target| target.name.clone()),
        pod_namespace: target
            .map(|target| target.namespace.clone())
            .filter(|namespace| !namespace.is_empty())
            .unwrap_or_else(|| service_namespace.to_owned()),
        node: Some(endpoint.node_name.clone()).filter(|node| !node.is_empty()),
    })
}

#[cfg(test)]
mod tests;
