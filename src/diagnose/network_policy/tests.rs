//! Tests of `network_policy`.

use super::super::fixtures::{at, fail, graph, outcomes, pass, probe, snapshot};
use super::*;
use crate::observe::Snapshot;

const EDGE: &str = "AP->DB:3306/mysql";
const ENDPOINT: &str = "10.0.0.7:3306";
const APP: &str = "
kind: Service
metadata: {name: db}
spec: {clusterIP: 10.96.0.9, selector: {app: db}, ports: [{port: 3306}]}
---
kind: EndpointSlice
metadata: {name: db-1, labels: {kubernetes.io/service-name: db}}
addressType: IPv4
ports: [{port: 3306}]
endpoints: [{addresses: [10.0.0.7], targetRef: {kind: Pod, name: db-1, namespace: default}}]
---
kind: Pod
metadata: {name: db-1, labels: {app: db}, ownerReferences: [{kind: Deployment, name: db, controller: true}]}
status: {phase: Running, podIP: 10.0.0.7}
---
kind: Deployment
metadata: {name: db}
spec: {selector: {matchLabels: {app: db}}, template: {metadata: {labels: {app: db}}}}
---
kind: Deployment
metadata: {name: ap}
spec: {selector: {matchLabels: {app: ap}}, template: {metadata: {labels: {app: ap}}}}
---
kind: Service
metadata: {name: kube-dns, namespace: kube-system, labels: {k8s-app: kube-dns}}
spec: {clusterIP: 10.96.0.10, selector: {k8s-app: kube-dns}, ports: [{port: 53, protocol: UDP}]}
";

fn cluster(policy: &str) -> Snapshot {
    snapshot(&format!("{APP}\n---\n{policy}"))
}

const OTHERS_ONLY: &str = "
kind: NetworkPolicy
metadata: {name: db-clients}
spec: {podSelector: {matchLabels: {app: db}}, ingress: [{from: [{podSelector: {matchLabels: {app: batch}}}]}]}
";
const NO_EGRESS: &str = "
kind: NetworkPolicy
metadata: {name: ap-egress}
spec: {podSelector: {matchLabels: {app: ap}}, policyTypes: [Egress], egress: [{to: [{podSelector: {matchLabels: {app: db}}}]}]}
";

fn blocked_steps() -> Vec<Step> {
    vec![
        pass(EDGE, StepName::Dns),
        fail(EDGE, StepName::Service, StepError::Timeout),
        at(ENDPOINT, fail(EDGE, StepName::Endpoint, StepError::Timeout)),
    ]
}

fn open_steps() -> Vec<Step> {
    vec![
        pass(EDGE, StepName::Dns),
        pass(EDGE, StepName::Service),
        at(ENDPOINT, pass(EDGE, StepName::Endpoint)),
    ]
}

fn raised(rule: Rule, policy: &str, steps: Vec<Step>) -> Vec<Finding> {
    let graph = graph(&[EDGE]);
    let snapshot = cluster(policy);
    let outcomes = outcomes(vec![probe("AP", "n1", steps)]);
    rule.raise(&Context::new(&graph, &snapshot, Some(&outcomes)))
}

fn names(findings: &[Finding]) -> Vec<String> {
    findings
        .iter()
        .map(|finding| format!("{} {}", finding.code, finding.object))
        .collect()
}

#[test]
fn a_policy_that_admits_others_only_is_named_and_fixed() {
    let found = raised(Rule::EdgeMany(denied), OTHERS_ONLY, blocked_steps());
    assert_eq!(
        names(&found),
        ["network-policy-ingress-denied networkpolicy/db-clients"]
    );
    let manifest = found[0].fix.as_ref().unwrap().manifest.as_ref().unwrap();
    assert!(manifest.contains("NetworkPolicy"), "{manifest}");
}

#[test]
fn a_denial_counts_only_where_the_probe_was_blocked() {
    assert!(raised(Rule::EdgeMany(denied), OTHERS_ONLY, open_steps()).is_empty());
    // The Service is broken, the way to the Pod is open: the policy is not why.
    let mut steps = open_steps();
    steps[1] = fail(EDGE, StepName::Service, StepError::Timeout);
    assert!(raised(Rule::EdgeMany(denied), OTHERS_ONLY, steps).is_empty());
    let admits = OTHERS_ONLY.replace("batch", "ap");
    assert!(raised(Rule::EdgeMany(denied), &admits, blocked_steps()).is_empty());
}

#[test]
fn rules_that_deny_what_passes_are_not_enforced() {
    let found = raised(Rule::Whole(not_enforced), OTHERS_ONLY, open_steps());
    assert_eq!(
        names(&found),
        ["network-policy-not-enforced networkpolicy/db-clients"]
    );
    assert_eq!(found[0].severity, Severity::Warning);
    assert!(raised(Rule::Whole(not_enforced), OTHERS_ONLY, blocked_steps()).is_empty());
}

#[test]
fn a_datagram_that_is_denied_is_lost_unless_denied_connections_pass() {
    const STATISTICS: &str = "AP->DB:8125/udp";
    let of = |steps: Vec<Step>| {
        let graph = graph(&[STATISTICS, EDGE]);
        let port = "ports: [{port: 3306}, {name: u, port: 8125, protocol: UDP}]";
        let snapshot = snapshot(&format!(
            "{}\n---\n{OTHERS_ONLY}",
            APP.replace("ports: [{port: 3306}]", port)
        ));
        let sent = [
            pass(STATISTICS, StepName::Dns),
            pass(STATISTICS, StepName::Service),
        ];
        let steps = sent.into_iter().chain(steps).collect();
        let outcomes = outcomes(vec![probe("AP", "n1", steps)]);
        let found = Rule::EdgeMany(denied).raise(&Context::new(&graph, &snapshot, Some(&outcomes)));
        let of_datagrams =
            |finding: &&Finding| finding.edges.iter().any(|edge| edge.0 == STATISTICS);
        found.iter().filter(of_datagrams).count()
    };
    assert_eq!(of(blocked_steps()), 1);
    assert_eq!(of(open_steps()), 0);
}

#[test]
fn a_client_that_may_not_ask_cluster_dns() {
    let silent = || vec![fail(EDGE, StepName::Dns, StepError::DnsTimeout)];
    assert_eq!(
        names(&raised(Rule::EdgeMany(dns_denied), NO_EGRESS, silent())),
        ["network-policy-dns-denied networkpolicy/ap-egress"]
    );
    // A name server that answers was asked.
    let answered = vec![fail(EDGE, StepName::Dns, StepError::Nxdomain)];
    assert!(raised(Rule::EdgeMany(dns_denied), NO_EGRESS, answered).is_empty());
    assert!(raised(Rule::EdgeMany(dns_denied), OTHERS_ONLY, silent()).is_empty());
}

#[test]
fn a_client_in_its_nodes_network_is_not_taken_by_its_labels() {
    const BY_LABEL: &str = "
kind: NetworkPolicy
metadata: {name: db}
spec: {podSelector: {matchLabels: {app: db}}, ingress: [{from: [{podSelector: {matchLabels: {app: ap}}}]}]}
";
    let of = |steps: Vec<Step>| {
        let objects = format!("{APP}\n---\n{BY_LABEL}").replace(
            "{labels: {app: ap}}}}",
            "{labels: {app: ap}}, spec: {hostNetwork: true}}}",
        );
        let snapshot = snapshot(&objects);
        let graph = graph(&[EDGE]);
        let outcomes = outcomes(vec![probe("AP", "n1", steps)]);
        Rule::EdgeMany(denied).raise(&Context::new(&graph, &snapshot, Some(&outcomes)))
    };
    assert_eq!(
        names(&of(blocked_steps())),
        ["network-policy-ingress-denied networkpolicy/db"]
    );
    assert!(of(open_steps()).is_empty());
}

#[test]
fn a_server_that_may_not_ask_for_its_clients_names_is_silent() {
    const SERVER: &str = "
kind: NetworkPolicy
metadata: {name: db}
spec: {podSelector: {matchLabels: {app: db}}, policyTypes: [Ingress, Egress], ingress: [{}], egress: []}
";
    let ask = |error| {
        vec![
            pass(EDGE, StepName::Dns),
            pass(EDGE, StepName::Service),
            at(ENDPOINT, pass(EDGE, StepName::Endpoint)),
            at(ENDPOINT, fail(EDGE, StepName::Protocol, error)),
        ]
    };
    let found = raised(
        Rule::EdgeMany(server_asks_in_vain),
        SERVER,
        ask(StepError::Silent),
    );
    assert_eq!(
        names(&found),
        ["network-policy-dns-denied networkpolicy/db"]
    );
    assert!(
        found[0].message.contains("isolates DB"),
        "{}",
        found[0].message
    );
    assert!(
        raised(
            Rule::EdgeMany(server_asks_in_vain),
            SERVER,
            ask(StepError::Closed)
        )
        .is_empty()
    );
    assert!(
        raised(
            Rule::EdgeMany(server_asks_in_vain),
            NO_EGRESS,
            ask(StepError::Silent)
        )
        .is_empty()
    );
}

#[test]
fn a_forbidden_edge_that_works_is_an_error_and_broken_isolation_a_warning() {
    let snapshot = cluster("");
    let outcomes = outcomes(vec![probe("AP", "n1", open_steps())]);
    let mut graph = graph(&[EDGE]);
    let found = |graph: &crate::graph::TierGraph| {
        forbidden_open(&Context::new(graph, &snapshot, Some(&outcomes)))
    };
    assert!(found(&graph).is_empty());
    graph.edges[0].forbidden = true;
    assert_eq!(found(&graph)[0].code, Code::ForbiddenEdgeOpen);
    graph.edges[0].optional = true;
    assert_eq!(found(&graph)[0].severity, Severity::Warning);
}

#[test]
fn offline_the_rules_alone_speak() {
    let graph = graph(&[EDGE]);
    let snapshot = cluster(OTHERS_ONLY);
    let found = Rule::EdgeMany(denied).raise(&Context::new(&graph, &snapshot, None));
    assert_eq!(
        names(&found),
        ["network-policy-ingress-denied networkpolicy/db-clients"]
    );
}
