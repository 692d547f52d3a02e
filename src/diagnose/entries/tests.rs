use super::*;
use crate::diagnose::fixtures;
use crate::graph::{EntryAddress, TierGraph};
use crate::observe::{ServiceKey, Snapshot};
use crate::plan::{Look, Outcomes, entry_control, entry_task};
use crate::probe::wire::{StepError, StepName};
use crate::protocol::Protocol;

const WORLD: &str = "
kind: Node
metadata: {name: n1, labels: {}}
---
kind: Node
metadata: {name: n2, labels: {}}
---
kind: Service
metadata: {name: web}
spec: {type: NodePort, selector: {app: web}, ports: [{port: 80, nodePort: 30080}]}
---
kind: EndpointSlice
metadata: {name: web-1, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
endpoints: [{addresses: [10.1.1.1], nodeName: n1, conditions: {ready: READY}}]
ports: [{name: '', port: 80, protocol: TCP}]
";
const POLICY: &str = "---
kind: NetworkPolicy
metadata: {name: web}
spec: {podSelector: {}}
";

fn graph(kind: EntryKind, hosts: &[(&str, Option<&str>)]) -> TierGraph {
    let mut graph = fixtures::graph(&["LB->WEB:80/http"]);
    let service = ServiceKey::new("default", "web");
    graph.entries.push(Entry {
        id: format!("{kind}/web:30080"),
        kind,
        object: service.object(),
        to: "WEB".into(),
        service,
        port: 80,
        transport: "TCP".into(),
        addresses: hosts
            .iter()
            .map(|(host, node)| EntryAddress {
                host: (*host).to_owned(),
                port: std::num::NonZeroU16::new(30080).unwrap(),
                node: node.map(str::to_owned),
            })
            .collect(),
        rule: None,
        question: None,
        protocol: Protocol::Http,
        local: false,
        sources: Vec::new(),
    });
    graph
}

fn world(ready: bool, more: &str) -> Snapshot {
    fixtures::snapshot(&(WORLD.replace("READY", &ready.to_string()) + more))
}

/// The Service and each address as they answered, `None`: a connection stood.
fn said(graph: &TierGraph, control: Option<StepError>, answers: &[Option<StepError>]) -> Outcomes {
    let entry = &graph.entries[0];
    let step = |task: String, error: Option<StepError>| match error {
        Some(error) => fixtures::fail(&task, StepName::Service, error),
        None => fixtures::pass(&task, StepName::Service),
    };
    let probes = entry
        .addresses
        .iter()
        .zip(answers)
        .map(|(address, answer)| {
            let node = if address.node.as_deref() == Some("n1") {
                "n2"
            } else {
                "n1"
            };
            let steps = vec![
                step(entry_control(entry), control),
                step(entry_task(entry, address), *answer),
            ];
            let mut probe = fixtures::probe("", node, steps);
            probe.look = Look::Entry;
            probe
        });
    fixtures::outcomes(probes.collect())
}

const NODES: &[(&str, Option<&str>)] = &[("10.0.0.1", Some("n1")), ("10.0.0.2", Some("n2"))];

fn judged(
    kind: EntryKind,
    hosts: &[(&str, Option<&str>)],
    more: &str,
    control: Option<StepError>,
    answers: &[Option<StepError>],
) -> (StepStatus, Option<Layer>, String) {
    let graph = graph(kind, hosts);
    let snapshot = world(true, more);
    let outcomes = said(&graph, control, answers);
    let context = Context::new(&graph, &snapshot, Some(&outcomes));
    let standing = standings(&context).remove(0);
    let raised = unreachable(&context);
    assert_eq!(
        raised.len(),
        usize::from(standing.status == StepStatus::Fail)
    );
    (standing.status, standing.layer, standing.reason)
}

#[test]
fn a_node_port_that_answers_on_both_nodes_is_proven() {
    let (status, _, reason) = judged(EntryKind::NodePort, NODES, "", None, &[None, None]);
    assert_eq!(status, StepStatus::Pass);
    assert!(reason.contains("10.0.0.1:30080 (n1) from n2"), "{reason}");
}

#[test]
fn a_node_that_refuses_while_the_service_answers_is_at_fault() {
    for answers in [
        [Some(StepError::Refused), None],
        [Some(StepError::Refused), Some(StepError::Refused)],
        [Some(StepError::Timeout), None],
    ] {
        let (status, layer, reason) = judged(EntryKind::NodePort, NODES, "", None, &answers);
        assert_eq!((status, layer), (StepStatus::Fail, Some(Layer::NodePort)));
        assert!(reason.contains("(n1)"), "{reason}");
    }
}

#[test]
fn what_a_firewall_or_a_policy_may_explain_is_unknown() {
    let silent = [Some(StepError::Timeout), Some(StepError::Timeout)];
    assert_eq!(
        judged(EntryKind::NodePort, NODES, "", None, &silent).0,
        StepStatus::Unknown
    );
    let refused = [Some(StepError::Refused), None];
    assert_eq!(
        judged(EntryKind::NodePort, NODES, POLICY, None, &refused).0,
        StepStatus::Unknown
    );
    let both = Some(StepError::Refused);
    assert_eq!(
        judged(EntryKind::NodePort, NODES, POLICY, both, &[both, both]).0,
        StepStatus::Unknown
    );
}

#[test]
fn a_service_that_refuses_inside_the_cluster_is_a_fault_of_the_backend() {
    let both = Some(StepError::Refused);
    let (status, layer, _) = judged(EntryKind::NodePort, NODES, "", both, &[both, both]);
    assert_eq!((status, layer), (StepStatus::Fail, Some(Layer::Backend)));
}

#[test]
fn a_balancers_address_is_answered_by_kube_proxy_and_its_silence_proves_nothing() {
    let address = &[("203.0.113.7", None)];
    let (status, _, reason) = judged(EntryKind::LoadBalancer, address, "", None, &[None]);
    assert_eq!(status, StepStatus::Pass);
    assert!(
        reason.contains("the balancer itself was not asked"),
        "{reason}"
    );
    let silent = [Some(StepError::Timeout)];
    assert_eq!(
        judged(EntryKind::LoadBalancer, address, "", None, &silent).0,
        StepStatus::Unknown
    );
}

#[test]
fn without_a_ready_endpoint_it_breaks_at_the_backend_whatever_was_dialled() {
    let graph = graph(EntryKind::NodePort, NODES);
    let snapshot = world(false, "");
    let context = Context::new(&graph, &snapshot, None);
    let found = unreachable(&context);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].id("default").0, "entry-unreachable service/web");
    assert!(
        found[0].message.contains("breaks at the backend"),
        "{}",
        found[0].message
    );
    assert!(
        found[0]
            .caused_by
            .iter()
            .any(|(code, _)| *code == Code::ServiceEndpointsNotReady)
    );
}
