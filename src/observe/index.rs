//! Questions that every later stage asks of a [`Snapshot`]: which workload owns a Pod, what a Service leads to, what a host
//! name means. Pure; every answer is computed from the plain data, and sorted where order is not given by it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::num::NonZeroU16;

use super::kinds::{
    Condition, Endpoint, EndpointPort, EndpointSlice, Event, Labels, Metadata, OwnerReference, Pod,
    PodSpec, Service, ServicePort, Workload, service_selects,
};
use super::{NamespaceState, Observed, ServiceKey, Snapshot, WorkloadKey};

/// The label that an EndpointSlice names its Service with.
const SERVICE_NAME: &str = "kubernetes.io/service-name";

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
    /// Serving: absent means true.
    pub serving: bool,
    /// Terminating: absent means false.
    pub terminating: bool,
    /// The Pod behind it.
    pub pod: Option<String>,
    /// The Pod's namespace (the Service's own where the slice is silent).
    pub pod_namespace: String,
    /// Its node.
    pub node: Option<String>,
}

/// What a host means to a client of some namespace, as far as the API shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostMeaning {
    /// A Service, of this or another namespace.
    Service(ServiceKey),
    /// The record of one Pod of a headless Service.
    HeadlessPod {
        /// The headless Service.
        service: ServiceKey,
        /// The Pod's name.
        pod: String,
    },
    /// A short name that only Services of other namespaces have.
    ServiceElsewhere(Vec<ServiceKey>),
    /// The address of a Service, as a literal.
    ServiceAddress(ServiceKey),
    /// The address of a Pod, as a literal.
    PodAddress {
        /// The Pod's namespace.
        namespace: String,
        /// The Pod's name.
        pod: String,
    },
    /// Any other address.
    Address(IpAddr),
    /// A name in a namespace whose Services could not be read: it may exist.
    Unread(ServiceKey),
    /// A cluster name that the API does not show.
    Missing,
    /// A dotted name that is not of the cluster.
    Outside,
}

impl HostMeaning {
    /// Whether no name of the client's own namespace leads anywhere.
    #[must_use]
    pub const fn leads_nowhere(&self) -> bool {
        matches!(self, Self::Missing | Self::ServiceElsewhere(_))
    }
}

impl Snapshot {
    /// The `Ready` condition of a node that is not ready; none of one that is, or that could not be read.
    #[must_use]
    pub fn unready_node(&self, name: &str) -> Option<&Condition> {
        let node = self.nodes.iter().find(|node| node.metadata.name == name)?;
        node.status
            .conditions
            .iter()
            .find(|condition| condition.kind == "Ready")
            .filter(|condition| condition.status != "True")
    }

    /// The workloads of a namespace: topmost owners of Pods, workloads without Pods, and bare Pods; sorted.
    #[must_use]
    pub fn workloads(&self, namespace: &str) -> Vec<WorkloadKey> {
        let Some(state) = self.namespaces.get(namespace) else {
            return Vec::new();
        };
        let mut keys: BTreeSet<WorkloadKey> = state
            .workloads
            .iter()
            .map(|workload| topmost(state, namespace, workload))
            .collect();
        let parents = Parents::of(state, namespace);
        keys.extend(
            state
                .pods
                .iter()
                .map(|pod| parents.workload_of(namespace, pod)),
        );
        keys.into_iter().collect()
    }

    /// The workload that a Pod belongs to.
    #[must_use]
    pub fn workload_of(&self, pod: &Pod) -> WorkloadKey {
        let namespace = pod.metadata.namespace.as_str();
        let Some(owner) = owner(&pod.metadata) else {
            return WorkloadKey::new(namespace, "pod", &pod.metadata.name);
        };
        let parent = self
            .namespaces
            .get(namespace)
            .and_then(|state| find(state, &owner.kind, &owner.name).map(|found| (state, found)));
        match parent {
            Some((state, workload)) => topmost(state, namespace, workload),
            None => WorkloadKey::new(namespace, owner.kind.to_lowercase(), &owner.name),
        }
    }

    /// The workload's own object; none for bare Pods and for kinds that are not listed (Rollout, …).
    #[must_use]
    pub fn workload(&self, key: &WorkloadKey) -> Option<&Workload> {
        find(
            self.namespaces.get(&key.namespace)?,
            &key.kind,
            key.name.as_str(),
        )
    }

    /// What the workload's Pods are made from: the newest ReplicaSet or a Pod stands in for a kind that is not listed.
    #[must_use]
    pub fn template(&self, key: &WorkloadKey) -> Option<Template<'_>> {
        let state = self.namespaces.get(&key.namespace)?;
        if key.kind == "pod" {
            let pod = self.pod(&key.namespace, &key.name)?;
            return Some(Template::new(&pod.metadata, &pod.spec));
        }
        if let Some(workload) = self.workload(key) {
            return Some(workload_template(workload));
        }
        let newest = state
            .workloads
            .iter()
            .filter(|workload| {
                owner(&workload.metadata).is_some_and(|owner| {
                    owner.kind.eq_ignore_ascii_case(&key.kind) && owner.name == key.name
                })
            })
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

    /// The workload's live Pods: neither ended nor being deleted; sorted by name.
    #[must_use]
    pub fn pods_of(&self, key: &WorkloadKey) -> Vec<&Pod> {
        let mut pods = self.all_pods_of(key);
        pods.retain(|pod| is_live(pod));
        pods
    }

    /// All of the workload's Pods, also those that ended; sorted by name.
    #[must_use]
    pub fn all_pods_of(&self, key: &WorkloadKey) -> Vec<&Pod> {
        let Some(state) = self.namespaces.get(&key.namespace) else {
            return Vec::new();
        };
        let mut pods: Vec<&Pod> = if key.kind == "pod" {
            state
                .pods
                .iter()
                .filter(|pod| pod.metadata.name == key.name && owner(&pod.metadata).is_none())
                .collect()
        } else {
            let direct = direct_owners(state, key);
            state
                .pods
                .iter()
                .filter(|pod| {
                    owner(&pod.metadata).is_some_and(|owner| {
                        direct.contains(&(owner.kind.to_lowercase(), owner.name.as_str()))
                    })
                })
                .collect()
        };
        pods.sort_by(|left, right| left.metadata.name.cmp(&right.metadata.name));
        pods
    }

    /// A Service.
    #[must_use]
    pub fn service(&self, key: &ServiceKey) -> Option<&Service> {
        self.namespaces
            .get(&key.namespace)?
            .services
            .iter()
            .find(|service| service.metadata.name == key.name)
    }

    /// The Services of the namespace whose selector takes Pods of these labels, by name. An ExternalName selects nothing.
    #[must_use]
    pub fn services_selecting(&self, namespace: &str, labels: &Labels) -> Vec<&Service> {
        let mut services: Vec<&Service> = self
            .namespaces
            .get(namespace)
            .into_iter()
            .flat_map(|state| &state.services)
            .filter(|service| {
                service.spec.kind != "ExternalName"
                    && service_selects(&service.spec.selector, labels)
            })
            .collect();
        services.sort_by(|left, right| left.metadata.name.cmp(&right.metadata.name));
        services
    }

    /// The EndpointSlices of a Service.
    #[must_use]
    pub fn slices_of(&self, key: &ServiceKey) -> Vec<&EndpointSlice> {
        self.namespaces
            .get(&key.namespace)
            .into_iter()
            .flat_map(|state| &state.endpoint_slices)
            .filter(|slice| slice.metadata.labels.get(SERVICE_NAME) == Some(&key.name))
            .collect()
    }

    /// The endpoints behind one port of a Service, IPv4 and IPv6, ready or not; sorted, none twice.
    #[must_use]
    pub fn endpoints(&self, key: &ServiceKey, port: &ServicePort) -> Vec<EndpointView> {
        let mut views: BTreeMap<(IpAddr, Option<NonZeroU16>), EndpointView> = BTreeMap::new();
        for slice in self.slices_of(key) {
            if slice.address_type == "FQDN" {
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
    #[must_use]
    pub fn pod(&self, namespace: &str, name: &str) -> Option<&Pod> {
        self.namespaces
            .get(namespace)?
            .pods
            .iter()
            .find(|pod| pod.metadata.name == name)
    }

    /// The events about an object, oldest first; the kind in any case.
    #[must_use]
    pub fn events_of(&self, kind: &str, namespace: &str, name: &str) -> Vec<&Event> {
        let mut events: Vec<&Event> = self
            .namespaces
            .get(namespace)
            .into_iter()
            .flat_map(|state| &state.events)
            .filter(|event| {
                event.involved_object.name == name
                    && event.involved_object.kind.eq_ignore_ascii_case(kind)
            })
            .collect();
        events.sort_by_key(|event| event.seen_at());
        events
    }

    /// What `host` means to a client of `client_namespace`, by the search list that Kubernetes gives its Pods.
    #[must_use]
    pub fn meaning(&self, host: &str, client_namespace: &str) -> HostMeaning {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        let literal = host.trim_start_matches('[').trim_end_matches(']');
        if let Ok(address) = literal.parse::<IpAddr>() {
            return self.address_meaning(address);
        }
        let labels: Vec<&str> = host.split('.').collect();
        match labels.as_slice() {
            ["localhost"] => HostMeaning::Address(IpAddr::from([127, 0, 0, 1])),
            [service] => self.short_name(service, client_namespace),
            [service, namespace, "svc", ..] => self.qualified(service, namespace),
            [pod, service, namespace, "svc", ..] => self.headless(pod, service, namespace),
            [address, namespace, "pod", ..] => self.pod_record(address, namespace),
            [first, second] => self.two_labels(first, second, client_namespace),
            [pod, service, namespace] if self.is_headless(service, namespace) => {
                self.headless(pod, service, namespace)
            }
            _ => HostMeaning::Outside,
        }
    }

    fn address_meaning(&self, address: IpAddr) -> HostMeaning {
        for (namespace, state) in &self.namespaces {
            for service in &state.services {
                let spec = &service.spec;
                if spec
                    .cluster_ips
                    .iter()
                    .chain([&spec.cluster_ip])
                    .any(|text| text.parse() == Ok(address))
                {
                    return HostMeaning::ServiceAddress(key(namespace, &service.metadata.name));
                }
            }
        }
        for (namespace, state) in &self.namespaces {
            for pod in &state.pods {
                let addresses = pod.status.pod_ips.iter().map(|entry| &entry.ip);
                // A hostNetwork Pod has its node's address, which it shares with others.
                if !pod.spec.host_network
                    && is_live(pod)
                    && addresses
                        .chain([&pod.status.pod_ip])
                        .any(|text| text.parse() == Ok(address))
                {
                    return HostMeaning::PodAddress {
                        namespace: namespace.clone(),
                        pod: pod.metadata.name.clone(),
                    };
                }
            }
        }
        HostMeaning::Address(address)
    }

    fn short_name(&self, service: &str, client_namespace: &str) -> HostMeaning {
        let own = key(client_namespace, service);
        if self.service(&own).is_some() {
            return HostMeaning::Service(own);
        }
        if self.services_unread(client_namespace) {
            return HostMeaning::Unread(own);
        }
        let elsewhere: Vec<ServiceKey> = self
            .namespaces
            .keys()
            .filter(|namespace| namespace.as_str() != client_namespace)
            .map(|namespace| key(namespace, service))
            .filter(|key| self.service(key).is_some())
            .collect();
        if elsewhere.is_empty() {
            HostMeaning::Missing
        } else {
            HostMeaning::ServiceElsewhere(elsewhere)
        }
    }

    fn two_labels(&self, first: &str, second: &str, client_namespace: &str) -> HostMeaning {
        // The search list asks `first.second.CLIENT-NAMESPACE.svc…` before `first.second.svc…`.
        if self.is_headless(second, client_namespace) {
            let meaning = self.headless(first, second, client_namespace);
            if meaning != HostMeaning::Missing || !self.namespaces.contains_key(second) {
                return meaning;
            }
        }
        let other = key(second, first);
        if self.service(&other).is_some() {
            HostMeaning::Service(other)
        } else if self.services_unread(second) {
            HostMeaning::Unread(other)
        } else if self.namespaces.contains_key(second) {
            HostMeaning::Missing
        } else {
            HostMeaning::Outside
        }
    }

    fn qualified(&self, service: &str, namespace: &str) -> HostMeaning {
        let key = key(namespace, service);
        if self.service(&key).is_some() {
            HostMeaning::Service(key)
        } else if self.services_unread(namespace) {
            HostMeaning::Unread(key)
        } else {
            HostMeaning::Missing
        }
    }

    fn headless(&self, hostname: &str, service: &str, namespace: &str) -> HostMeaning {
        let key = key(namespace, service);
        if self.service(&key).is_none() {
            return if self.services_unread(namespace) {
                HostMeaning::Unread(key)
            } else {
                HostMeaning::Missing
            };
        }
        let by_slice = self
            .slices_of(&key)
            .into_iter()
            .flat_map(|slice| &slice.endpoints)
            .filter(|endpoint| endpoint.hostname == hostname)
            .find_map(|endpoint| endpoint.target_ref.as_ref())
            .map(|target| target.name.clone());
        let pod = by_slice.or_else(|| {
            let state = self.namespaces.get(namespace)?;
            state
                .pods
                .iter()
                .find(|pod| pod.spec.hostname == hostname && pod.spec.subdomain == service)
                .map(|pod| pod.metadata.name.clone())
        });
        match pod {
            Some(pod) if self.is_headless(service, namespace) => {
                HostMeaning::HeadlessPod { service: key, pod }
            }
            _ => HostMeaning::Missing,
        }
    }

    /// `10-244-1-7.NAMESPACE.pod…`
    fn pod_record(&self, dashed: &str, namespace: &str) -> HostMeaning {
        let address = dashed
            .replace('-', ".")
            .parse::<IpAddr>()
            .or_else(|_| dashed.replace('-', ":").parse::<IpAddr>());
        match address {
            Ok(address) if !namespace.is_empty() => self.address_meaning(address),
            _ => HostMeaning::Missing,
        }
    }

    fn is_headless(&self, service: &str, namespace: &str) -> bool {
        self.service(&key(namespace, service))
            .is_some_and(|service| service.spec.cluster_ip == "None")
    }

    /// Whether the namespace is known to exist or named by someone, but its Services were refused.
    fn services_unread(&self, namespace: &str) -> bool {
        let resource = if namespace == self.namespace {
            "services".to_owned()
        } else {
            format!("services@{namespace}")
        };
        self.observed.get(&resource) == Some(&Observed::Forbidden)
    }
}

impl Event {
    /// When it was last seen.
    #[must_use]
    pub fn seen_at(&self) -> Option<jiff::Timestamp> {
        self.last_timestamp
            .or(self.event_time)
            .or(self.first_timestamp)
            .or(self.metadata.creation_timestamp)
    }
}

/// Whether a Pod is neither ended nor being deleted.
#[must_use]
pub fn is_live(pod: &Pod) -> bool {
    pod.metadata.deletion_timestamp.is_none()
        && !matches!(pod.status.phase.as_str(), "Succeeded" | "Failed")
}

/// Whether a Pod's condition `Ready` is true.
#[must_use]
pub fn is_ready(pod: &Pod) -> bool {
    pod.status
        .conditions
        .iter()
        .any(|condition| condition.kind == "Ready" && condition.status == "True")
}

/// Names of k8sverify's own Jobs, and so of their Pods, start with this.
pub const OWN_PREFIX: &str = "k8sverify-";

fn is_own_pod_name(pod: Option<&str>) -> bool {
    pod.is_some_and(|name| name.starts_with(OWN_PREFIX))
}

fn key(namespace: &str, name: &str) -> ServiceKey {
    ServiceKey {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    }
}

/// The controller, but for static Pods, which their node "owns".
fn owner(metadata: &Metadata) -> Option<&OwnerReference> {
    metadata
        .owner_references
        .iter()
        .find(|owner| owner.controller && owner.kind != "Node")
}

fn find<'a>(state: &'a NamespaceState, kind: &str, name: &str) -> Option<&'a Workload> {
    state
        .workloads
        .iter()
        .find(|workload| workload.metadata.name == name && workload.kind.eq_ignore_ascii_case(kind))
}

/// A ReplicaSet or Job leads to its owner of any kind. What a person writes (a Deployment, say) is the workload even when an
/// operator's object owns it: several of them would else melt into one.
fn topmost(state: &NamespaceState, namespace: &str, workload: &Workload) -> WorkloadKey {
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
    match find(state, &owner.kind, &owner.name) {
        // A ReplicaSet or Job is never owned by another of them, so this is the top.
        Some(parent) => {
            WorkloadKey::new(namespace, parent.kind.to_lowercase(), &parent.metadata.name)
        }
        None => WorkloadKey::new(namespace, owner.kind.to_lowercase(), &owner.name),
    }
}

/// Every listed workload's topmost owner, so that thousands of Pods need one pass.
struct Parents(BTreeMap<(String, String), WorkloadKey>);

impl Parents {
    fn of(state: &NamespaceState, namespace: &str) -> Self {
        Self(
            state
                .workloads
                .iter()
                .map(|workload| {
                    let key = (workload.kind.to_lowercase(), workload.metadata.name.clone());
                    (key, topmost(state, namespace, workload))
                })
                .collect(),
        )
    }

    fn workload_of(&self, namespace: &str, pod: &Pod) -> WorkloadKey {
        let Some(owner) = owner(&pod.metadata) else {
            return WorkloadKey::new(namespace, "pod", &pod.metadata.name);
        };
        let direct = (owner.kind.to_lowercase(), owner.name.clone());
        match self.0.get(&direct) {
            Some(key) => key.clone(),
            None => WorkloadKey::new(namespace, direct.0, direct.1),
        }
    }
}

/// The objects that own the workload's Pods directly: itself, its ReplicaSets, its Jobs.
fn direct_owners<'a>(
    state: &'a NamespaceState,
    key: &'a WorkloadKey,
) -> BTreeSet<(String, &'a str)> {
    state
        .workloads
        .iter()
        .filter(|workload| topmost(state, &key.namespace, workload) == *key)
        .map(|workload| {
            (
                workload.kind.to_lowercase(),
                workload.metadata.name.as_str(),
            )
        })
        .chain([(key.kind.clone(), key.name.as_str())])
        .collect()
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
        let transport = |text: &str| {
            if text.is_empty() {
                "TCP".to_owned()
            } else {
                text.to_uppercase()
            }
        };
        if ports.is_empty() {
            return Self::Any;
        }
        let port = ports.iter().find(|port| {
            port.name.as_deref().unwrap_or_default() == wanted.name
                && transport(&port.protocol) == transport(&wanted.protocol)
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
        serving: endpoint.conditions.serving.unwrap_or(true),
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
