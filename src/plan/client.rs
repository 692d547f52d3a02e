//! The places from which a tier is looked out of: its identities on the nodes where it runs, or its template's. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use super::mesh;
use super::model::{Identity, PlanOptions};
use crate::graph::Tier;
use crate::observe::kinds::{Condition, Labels, Node, Pod, PodSpec};
use crate::observe::{Snapshot, WorkloadKey, is_ready, pods_of_newest};
use crate::policy::Selectors;

/// Other nodes to try when the first one takes no Pod.
const FALLBACKS: usize = 3;

/// So many workloads are named of which only some nodes are looked at from.
const NAMED: usize = 8;

/// One place to look from.
#[derive(Debug, Clone)]
pub(super) struct Client<'a> {
    pub(super) workload: WorkloadKey,
    pub(super) identity: Identity,
    pub(super) fallback_nodes: Vec<String>,
    /// What runs there, or will.
    pub(super) spec: &'a PodSpec,
    /// What its containers are configured with: as the template says it now, where only older Pods run there.
    pub(super) configured: &'a PodSpec,
    /// All labels of the Pods.
    pub(super) labels: &'a Labels,
    /// Whether a proxy stands between it and its peers.
    pub(super) mesh: bool,
}

/// Makes clients of tiers; keeps what every one of them needs.
pub(super) struct Clients<'a> {
    snapshot: &'a Snapshot,
    options: &'a PlanOptions,
    selectors: BTreeMap<String, Selectors>,
    /// On how many nodes those run that are not looked at from all of them.
    sampled: BTreeMap<WorkloadKey, usize>,
}

impl<'a> Clients<'a> {
    pub(super) fn new(snapshot: &'a Snapshot, options: &'a PlanOptions) -> Self {
        Self {
            snapshot,
            options,
            selectors: BTreeMap::new(),
            sampled: BTreeMap::new(),
        }
    }

    /// Which workloads are looked at from some of their nodes only; by number where they are many.
    pub(super) fn samples(&self) -> Vec<String> {
        let wanted = self.options.nodes.max(1);
        if self.sampled.len() > NAMED {
            return vec![format!(
                "{} workloads run on more than {wanted} nodes: each is looked at from {wanted} of its own",
                self.sampled.len()
            )];
        }
        self.sampled
            .iter()
            .map(|(workload, nodes)| {
                format!("{workload} runs on {nodes} nodes: it is looked at from {wanted} of them")
            })
            .collect()
    }

    /// The places to look from for a tier, the one with most of its Pods first; none if the API shows neither Pods nor a
    /// template. Workloads without Pods stand back behind those with some.
    pub(super) fn of_tier(&mut self, tier: &Tier, notes: &mut Vec<String>) -> Vec<Client<'a>> {
        let mut running = Vec::new();
        let mut templates = Vec::new();
        for workload in &tier.workloads {
            let pods: Vec<&'a Pod> = self
                .snapshot
                .pods_of(workload)
                .into_iter()
                .filter(|pod| !pod.spec.node_name.is_empty())
                .collect();
            if pods.is_empty() {
                templates.extend(self.of_template(workload));
            } else {
                running.extend(self.of_pods(workload, &pods, notes));
            }
        }
        if running.is_empty() {
            templates
        } else {
            running
        }
    }

    /// A client for each node on which the workload runs, most Pods first.
    fn of_pods(
        &mut self,
        workload: &WorkloadKey,
        pods: &[&'a Pod],
        notes: &mut Vec<String>,
    ) -> Vec<Client<'a>> {
        let mut by_node: BTreeMap<&str, Vec<&'a Pod>> = BTreeMap::new();
        for pod in pods {
            by_node.entry(&pod.spec.node_name).or_default().push(pod);
        }
        let (mut usable, lost): (Vec<_>, Vec<_>) = by_node
            .into_iter()
            .partition(|(node, _)| is_usable(self.snapshot, node));
        for (node, _) in &lost {
            notes.push(format!(
                "{workload} has Pods on node {node}, which is not ready: it is looked at from elsewhere"
            ));
        }
        usable.sort_by_key(|(node, pods)| (std::cmp::Reverse(pods.len()), *node));
        let own: Vec<&str> = usable.iter().map(|(node, _)| *node).collect();
        let newest: BTreeSet<&str> = pods_of_newest(self.snapshot, workload)
            .into_iter()
            .map(|pod| pod.metadata.name.as_str())
            .collect();
        if usable.is_empty() {
            let (pod, is_newest) = representative(pods, &newest);
            let mut client = self.client(workload, (pod, is_newest), None);
            client.identity.tolerations = json_text(&pod.spec.tolerations[..]);
            client.fallback_nodes = fallbacks(self.snapshot, &[], None);
            return vec![client];
        }
        let wanted = self.options.nodes.max(1);
        if usable.len() > wanted {
            self.sampled.insert(workload.clone(), usable.len());
        }
        usable
            .iter()
            .take(wanted)
            .map(|(node, pods)| {
                let pod = representative(pods, &newest);
                let mut client = self.client(workload, pod, Some(node));
                client.fallback_nodes = fallbacks(self.snapshot, &own, Some(node));
                client
            })
            .collect()
    }

    fn client(
        &mut self,
        workload: &WorkloadKey,
        (pod, is_newest): (&'a Pod, bool),
        node: Option<&str>,
    ) -> Client<'a> {
        let now = self.snapshot.template(workload);
        let configured = now
            .as_ref()
            .filter(|_| !is_newest)
            .map_or(&pod.spec, |template| template.spec);
        let template: Labels = now
            .map(|template| template.annotations.clone())
            .unwrap_or_default();
        let mut identity = self.identity(
            &workload.namespace,
            &pod.spec,
            &pod.metadata.labels,
            mesh::settings(Some(pod), &template, &pod.metadata.labels),
            mesh::is_meshed(pod),
        );
        identity.node = node.map(str::to_owned);
        identity.tolerations = json_text(&lasting_tolerations(&pod.spec.tolerations));
        Client {
            workload: workload.clone(),
            identity,
            fallback_nodes: Vec::new(),
            spec: &pod.spec,
            configured,
            labels: &pod.metadata.labels,
            mesh: mesh::is_meshed(pod),
        }
    }

    /// A workload without Pods, as its template says. What no node offers is left out: it would keep the probe away as well.
    fn of_template(&mut self, workload: &WorkloadKey) -> Option<Client<'a>> {
        let template = self.snapshot.template(workload)?;
        let mut identity = self.identity(
            &workload.namespace,
            template.spec,
            template.labels,
            mesh::settings(None, template.annotations, template.labels),
            false,
        );
        identity.tolerations = json_text(&template.spec.tolerations[..]);
        if some_node_has(self.snapshot, &template.spec.node_selector) {
            identity.node_selector = template.spec.node_selector.clone();
        }
        Some(Client {
            workload: workload.clone(),
            identity,
            fallback_nodes: fallbacks(self.snapshot, &[], None),
            spec: template.spec,
            configured: template.spec,
            labels: template.labels,
            mesh: false,
        })
    }

    fn identity(
        &mut self,
        namespace: &str,
        spec: &PodSpec,
        labels: &Labels,
        annotations: Labels,
        meshed: bool,
    ) -> Identity {
        let snapshot = self.snapshot;
        let selectors = self
            .selectors
            .entry(namespace.to_owned())
            .or_insert_with(|| Selectors::of(snapshot, namespace));
        let service_account = if selectors.service_accounts || meshed {
            spec.service_account_name.clone()
        } else {
            String::new()
        };
        let (labels, departs) = unpublished(snapshot, namespace, spec, selectors.relevant(labels));
        Identity {
            namespace: namespace.to_owned(),
            node: None,
            labels,
            dns_policy: if spec.dns_policy == "ClusterFirst" {
                String::new()
            } else {
                spec.dns_policy.clone()
            },
            dns_config: spec.dns_config.as_ref().map(json_text).unwrap_or_default(),
            host_aliases: if spec.host_aliases.is_empty() {
                String::new()
            } else {
                json_text(&spec.host_aliases[..])
            },
            host_network: spec.host_network,
            service_account,
            annotations,
            tolerations: String::new(),
            node_selector: Labels::new(),
            departs,
        }
    }
}

/// A Service that publishes Pods that are not ready would send its clients to the probe: labels that it selects by are left out.
/// In the network of a node no policy sees labels, and the probe would stand there as a second endpoint with the address of the tier's
/// own Pod: kube-proxy joins the two, and takes the address away where the last one is not ready.
pub(super) fn unpublished(
    snapshot: &Snapshot,
    namespace: &str,
    spec: &PodSpec,
    mut labels: Labels,
) -> (Labels, String) {
    if spec.host_network {
        return (Labels::new(), String::new());
    }
    let mut reasons = Vec::new();
    for service in snapshot.services_selecting(namespace, &labels.clone()) {
        if !service.spec.publish_not_ready_addresses {
            continue;
        }
        for key in service.spec.selector.keys() {
            labels.remove(key);
        }
        let keys: Vec<&str> = service.spec.selector.keys().map(String::as_str).collect();
        reasons.push(format!(
            "without the labels {} that policies may look at, since service/{} publishes Pods that are not ready",
            keys.join(", "),
            service.metadata.name
        ));
    }
    (labels, reasons.join("; "))
}

/// As JSON text, so that an identity can be compared; these types always have a JSON form.
fn json_text<T: Serialize + ?Sized>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// A pinned probe tolerates every `NoSchedule` taint of its node; of the Pod's own tolerations only those count that keep it from being
/// evicted, but for the two that the API puts on every Pod. So tiers that differ in others still share a Job.
fn lasting_tolerations(tolerations: &[Value]) -> Vec<Value> {
    tolerations
        .iter()
        .filter(|toleration| {
            let text = |field: &str| toleration[field].as_str().unwrap_or_default();
            let lasting = matches!(text("effect"), "" | "NoExecute");
            let usual = matches!(
                text("key"),
                "node.kubernetes.io/not-ready" | "node.kubernetes.io/unreachable"
            ) && toleration["tolerationSeconds"] == 300;
            lasting && !usual
        })
        .cloned()
        .collect()
}

/// The Pod that stands for several: a ready one, of these the newest.
fn representative<'a>(pods: &[&'a Pod], newest: &BTreeSet<&str>) -> (&'a Pod, bool) {
    let is_newest = |pod: &Pod| newest.contains(pod.metadata.name.as_str());
    let mut best = pods[0];
    for pod in pods {
        let rank = |pod: &Pod| {
            let born = pod.metadata.creation_timestamp;
            (is_newest(pod), is_ready(pod), born)
        };
        if rank(pod) > rank(best) {
            best = pod;
        }
    }
    (best, is_newest(best))
}

fn is_node_ready(node: &Node) -> bool {
    Condition::with(&node.status.conditions, "Ready", "True").is_some()
}

/// Whether a Pod could start there. Where nodes could not be read, every one that has Pods counts.
pub(super) fn is_usable(snapshot: &Snapshot, name: &str) -> bool {
    snapshot.nodes.is_empty()
        || snapshot
            .nodes
            .iter()
            .any(|node| node.metadata.name == name && is_node_ready(node))
}

fn some_node_has(snapshot: &Snapshot, selector: &Labels) -> bool {
    snapshot.nodes.is_empty()
        || snapshot.nodes.iter().any(|node| {
            is_node_ready(node)
                && selector
                    .iter()
                    .all(|(key, value)| node.metadata.labels.get(key) == Some(value))
        })
}

/// Nodes that can take a probe, best first: `preferred` ones, those where Pods of the run's namespace live, then all others without
/// taints. Those that could not be read are known by their Pods.
pub(super) fn fallbacks(snapshot: &Snapshot, preferred: &[&str], but: Option<&str>) -> Vec<String> {
    let open = snapshot
        .nodes
        .iter()
        .filter(|node| !node.spec.unschedulable && node.spec.taints.is_empty())
        .map(|node| node.metadata.name.as_str());
    let lived_in = snapshot.nodes_with_pods();
    let mut nodes: Vec<String> = Vec::new();
    for node in preferred.iter().copied().chain(lived_in).chain(open) {
        if Some(node) != but && is_usable(snapshot, node) && !nodes.iter().any(|seen| seen == node)
        {
            nodes.push(node.to_owned());
        }
    }
    nodes.truncate(FALLBACKS);
    nodes
}
