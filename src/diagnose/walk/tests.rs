//! Tests of `walk`.

use super::super::fixtures::{at, fail, graph, look, outcomes, pass, probe, snapshot, step};
use super::*;

const EDGE: &str = "AP->DB:3306/mysql";

fn only<T>(probes: Vec<ProbeOutcome>, check: impl FnOnce(&EdgeEvidence<'_>) -> T) -> T {
    only_in(&graph(&[EDGE]), probes, check)
}

fn only_in<T>(
    graph: &TierGraph,
    probes: Vec<ProbeOutcome>,
    check: impl FnOnce(&EdgeEvidence<'_>) -> T,
) -> T {
    let snapshot = snapshot(
        "
kind: EndpointSlice
metadata: {name: db-1, labels: {kubernetes.io/service-name: db}}
addressType: IPv4
ports: [{port: 3306}]
endpoints:
- {addresses: [10.0.0.1]}
- {addresses: [10.0.0.2], conditions: {ready: false}}
",
    );
    let outcomes = outcomes(probes);
    let found = evidence(graph, &snapshot, Some(&outcomes));
    check(&found[&EdgeId(EDGE.to_owned())])
}

fn status_of(probes: Vec<ProbeOutcome>) -> StepStatus {
    status_in(&graph(&[EDGE]), probes)
}

fn status_in(graph: &TierGraph, probes: Vec<ProbeOutcome>) -> StepStatus {
    let mut status = StepStatus::Skipped;
    only_in(graph, probes, |evidence| status = evidence.status());
    status
}

#[test]
fn a_connection_passes_and_a_name_alone_does_not() {
    let dns = pass(EDGE, StepName::Dns);
    let connected = vec![dns.clone(), pass(EDGE, StepName::Service)];
    let name_only = probe("AP", "n1", vec![dns]);
    assert_eq!(
        status_of(vec![probe("AP", "n1", connected.clone())]),
        StepStatus::Pass
    );
    assert_eq!(status_of(vec![name_only]), StepStatus::Unknown);
    assert_eq!(status_of(vec![]), StepStatus::Unknown);
    let mut cut = probe("AP", "n1", connected);
    cut.complete = false;
    assert_eq!(status_of(vec![cut]), StepStatus::Unknown);
}

#[test]
fn what_a_secret_leads_to_within_the_pod_is_not_asked_from_another() {
    let refused = || {
        let mut step = fail(EDGE, StepName::Service, StepError::Refused);
        step.facts
            .insert(WITHIN_POD.to_owned(), "its own Pod".to_owned());
        vec![probe("AP", "n1", vec![pass(EDGE, StepName::Dns), step])]
    };
    let mut one_pod = graph(&[EDGE]);
    assert_eq!(status_in(&one_pod, refused()), StepStatus::Fail);
    let own = one_pod.tiers["AP"].workloads.clone();
    one_pod.tiers.get_mut("DB").unwrap().workloads = own;
    assert_eq!(status_in(&one_pod, refused()), StepStatus::Skipped);
}

#[test]
fn the_first_broken_step_is_the_lowest_of_the_ladder() {
    let steps = vec![
        pass(EDGE, StepName::Dns),
        pass(EDGE, StepName::Service),
        fail(EDGE, StepName::Login, StepError::LoginDenied),
        at(
            "10.0.0.1:3306",
            fail(EDGE, StepName::Endpoint, StepError::Refused),
        ),
    ];
    only(vec![probe("AP", "n1", steps)], |evidence| {
        let (_, broken) = evidence.first_broken().unwrap();
        assert_eq!(broken.name, StepName::Endpoint);
        assert_eq!(evidence.broken_stage(), Some(Stage::Connect));
        assert!(evidence.every_endpoint_unconnected());
    });
}

#[test]
fn an_endpoint_without_traffic_breaks_nothing() {
    let steps = vec![
        pass(EDGE, StepName::Dns),
        pass(EDGE, StepName::Service),
        at("10.0.0.1:3306", pass(EDGE, StepName::Endpoint)),
        at(
            "10.0.0.2:3306",
            fail(EDGE, StepName::Endpoint, StepError::Refused),
        ),
    ];
    only(vec![probe("AP", "n1", steps)], |evidence| {
        assert_eq!(evidence.status(), StepStatus::Pass);
        assert!(!evidence.every_endpoint_unconnected());
        assert_eq!(evidence.endpoint_connects().len(), 1);
    });
}

#[test]
fn one_place_that_fails_fails_the_edge_and_a_second_look_fixes_nothing() {
    let good = vec![pass(EDGE, StepName::Service)];
    let bad = vec![fail(EDGE, StepName::Service, StepError::Timeout)];
    let second = look(Look::OtherNode, probe("AP", "n1", good.clone()));
    let again = look(Look::Again, probe("AP", "n2", good.clone()));
    let first = probe("AP", "n2", bad);
    only(vec![first.clone(), second], |evidence| {
        assert_eq!(evidence.status(), StepStatus::Fail);
        assert_eq!(evidence.passed().count(), 1);
    });
    only(vec![probe("AP", "n1", good), first.clone()], |evidence| {
        assert_eq!(evidence.status(), StepStatus::Fail);
    });
    only(vec![first, again.clone()], |evidence| {
        assert_eq!(evidence.status(), StepStatus::Pass);
    });
    // A login that was refused stands until it is tried again.
    let refused = vec![
        pass(EDGE, StepName::Service),
        fail(EDGE, StepName::Login, StepError::LoginDenied),
    ];
    let refused = probe("AP", "n2", refused);
    only(vec![refused.clone(), again], |evidence| {
        assert_eq!(evidence.status(), StepStatus::Fail);
    });
    let tried = probe("AP", "n2", vec![pass(EDGE, StepName::Login)]);
    only(vec![refused, look(Look::Again, tried)], |evidence| {
        assert_eq!(evidence.status(), StepStatus::Pass);
    });
}

#[test]
fn flapping_is_unknown_and_a_missing_path_is_no_failure() {
    let flapping = vec![fail(EDGE, StepName::Service, StepError::Flapping)];
    let missing = vec![
        pass(EDGE, StepName::Service),
        fail(EDGE, StepName::Protocol, StepError::HttpNotFound),
    ];
    let skipped = vec![step(EDGE, StepName::Service, StepStatus::Skipped)];
    for (steps, status) in [
        (flapping, StepStatus::Unknown),
        (missing, StepStatus::Pass),
        (skipped, StepStatus::Skipped),
    ] {
        let found = status_of(vec![probe("AP", "n1", steps)]);
        assert_eq!(found, status);
    }
}

#[test]
fn a_probe_that_departs_from_its_tier_proves_no_failure_of_the_connection() {
    let steps = vec![
        pass(EDGE, StepName::Dns),
        fail(EDGE, StepName::Service, StepError::Timeout),
    ];
    let mut departing = probe("AP", "n1", steps);
    departing.identity.departs = "without app=db".to_owned();
    assert_eq!(status_of(vec![departing]), StepStatus::Unknown);
    let unknown_name = vec![fail(EDGE, StepName::Dns, StepError::Nxdomain)];
    let mut departing = probe("AP", "n1", unknown_name);
    departing.identity.departs = "without app=db".to_owned();
    assert_eq!(status_of(vec![departing]), StepStatus::Fail);
}
