//! One end of a connection as policies see it. Pure.

use std::net::IpAddr;
use std::num::NonZeroU16;

use crate::observe::kinds::{Labels, Pod, PodSpec};
use crate::observe::{Snapshot, WorkloadKey};

/// What stands at an end of a connection.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum PeerKind {
    /// A Pod whose labels are known.
    #[default]
    Pod,
    /// A Pod, perhaps of a known namespace, whose labels are not known.
    Unseen,
    /// An address that is no Pod's.
    Outside,
}

/// A named port of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedPort {
    /// Its name.
    pub name: String,
    /// `TCP`, `UDP` or `SCTP`.
    pub transport: String,
    /// Its number.
    pub port: NonZeroU16,
}

/// One end of a connection.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Peer {
    /// What it is.
    pub kind: PeerKind,
    /// What people call it: the workload's or the Pod's name.
    pub name: String,
    /// Namespace; empty outside, and where it is not known.
    pub namespace: String,
    /// All labels of the Pod.
    pub labels: Labels,
    /// The labels by which its workload selects its Pods; empty: not known.
    pub selector: Labels,
    /// Its addresses; empty: not known (a Pod that does not run yet).
    pub addresses: Vec<IpAddr>,
    /// Whether it shares its node's network.
    pub host_network: bool,
    /// Its node; empty: not known.
    pub node: String,
    /// Named ports of its containers.
    pub named_ports: Vec<NamedPort>,
}

/// Labels that a controller puts on Pods and that say nothing of what they are: they differ from revision to revision or from
/// Pod to Pod, and the Job controller refuses its own on another Job's template.
pub fn is_revision_label(key: &str) -> bool {
    matches!(
        key,
        "pod-template-hash"
            | "controller-revision-hash"
            | "pod-template-generation"
            | "statefulset.kubernetes.io/pod-name"
            | "apps.kubernetes.io/pod-index"
    ) || is_job_label(key)
}

/// Those labels that distinguish a tier's Pods from others.
pub fn identifying(labels: &Labels) -> Labels {
    let mut labels = labels.clone();
    labels.retain(|key, _| !is_revision_label(key));
    labels
}

/// Labels that the Job controller sets itself.
pub(crate) fn is_job_label(key: &str) -> bool {
    matches!(key, "job-name" | "controller-uid") || key.starts_with("batch.kubernetes.io/")
}

impl Peer {
    /// A running Pod.
    pub fn of_pod(snapshot: &Snapshot, pod: &Pod) -> Self {
        let key = snapshot.workload_of(pod);
        Self {
            addresses: pod.status.addresses(),
            node: pod.spec.node_name.clone(),
            ..Self::of_template(
                snapshot,
                &key,
                &pod.metadata.namespace,
                &pod.metadata.labels,
                &pod.spec,
            )
        }
    }

    /// The workload's running Pods; where there are none, what they will be.
    pub fn all_of(snapshot: &Snapshot, key: &WorkloadKey) -> Vec<Self> {
        match snapshot.pods_of(key) {
            pods if pods.is_empty() => Self::of_workload(snapshot, key).into_iter().collect(),
            pods => pods
                .into_iter()
                .map(|pod| Self::of_pod(snapshot, pod))
                .collect(),
        }
    }

    /// What the workload's Pods will be, without an address. `None` if the API shows neither Pods nor a template.
    pub fn of_workload(snapshot: &Snapshot, key: &WorkloadKey) -> Option<Self> {
        let template = snapshot.template(key)?;
        let mut peer = Self::of_template(
            snapshot,
            key,
            &key.namespace,
            template.labels,
            template.spec,
        );
        // What the controller writes on each Pod stands in no template.
        let first = format!("{}-0", key.name);
        let written: &[(&str, &str)] = match key.kind.as_str() {
            "statefulset" => &[
                ("statefulset.kubernetes.io/pod-name", &first),
                ("apps.kubernetes.io/pod-index", "0"),
            ],
            "job" => &[
                ("job-name", &key.name),
                ("batch.kubernetes.io/job-name", &key.name),
            ],
            _ => &[],
        };
        for (label, value) in written {
            let labels = &mut peer.labels;
            labels
                .entry((*label).to_owned())
                .or_insert_with(|| (*value).to_owned());
        }
        Some(peer)
    }

    fn of_template(
        snapshot: &Snapshot,
        key: &WorkloadKey,
        namespace: &str,
        labels: &Labels,
        spec: &PodSpec,
    ) -> Self {
        let selector = snapshot
            .workload(key)
            .and_then(|workload| workload.spec.selector.as_ref())
            .map(|selector| selector.match_labels.clone())
            .unwrap_or_default();
        Self {
            kind: PeerKind::Pod,
            name: key.name.clone(),
            namespace: namespace.to_owned(),
            labels: labels.clone(),
            selector,
            addresses: Vec::new(),
            host_network: spec.host_network,
            node: String::new(),
            named_ports: named_ports(spec),
        }
    }

    /// An address that is no Pod's.
    pub fn outside(name: impl Into<String>, address: Option<IpAddr>) -> Self {
        Self {
            kind: PeerKind::Outside,
            name: name.into(),
            addresses: address.into_iter().collect(),
            ..Self::default()
        }
    }

    /// A Pod of which no more is known than its namespace (empty: not even that) and address.
    pub fn unseen(
        name: impl Into<String>,
        namespace: impl Into<String>,
        address: Option<IpAddr>,
    ) -> Self {
        Self {
            kind: PeerKind::Unseen,
            namespace: namespace.into(),
            ..Self::outside(name, address)
        }
    }

    /// Whether both are one and the same Pod.
    pub(crate) fn is_same_pod(&self, other: &Self) -> bool {
        !self.host_network
            && !other.host_network
            && self
                .addresses
                .iter()
                .any(|address| other.addresses.contains(address))
    }

    /// The labels that distinguish its workload's Pods from others.
    pub fn identifying_labels(&self) -> Labels {
        if !self.selector.is_empty() {
            return self.selector.clone();
        }
        identifying(&self.labels)
    }

    /// For people: `Pods with app=db`, `10.0.0.7`.
    pub fn words(&self) -> String {
        let labels = self.identifying_labels();
        match (self.kind, self.addresses.first()) {
            (PeerKind::Pod, _) if self.host_network => {
                format!("{} in its node's network", self.name)
            }
            (PeerKind::Pod, _) if !labels.is_empty() => {
                let labels: Vec<String> = labels
                    .iter()
                    .map(|(key, value)| format!("{key}={value}"))
                    .collect();
                format!("Pods with {}", labels.join(","))
            }
            (_, Some(address)) if self.name.is_empty() => address.to_string(),
            (PeerKind::Outside, Some(address)) => format!("{} ({address})", self.name),
            _ => self.name.clone(),
        }
    }
}

fn named_ports(spec: &PodSpec) -> Vec<NamedPort> {
    spec.every()
        .flat_map(|container| &container.ports)
        .filter(|port| !port.name.is_empty())
        .filter_map(|port| {
            let number = u16::try_from(port.container_port).ok()?;
            Some(NamedPort {
                name: port.name.clone(),
                transport: port.transport().to_owned(),
                port: NonZeroU16::new(number)?,
            })
        })
        .collect()
}
