//! Tests of `dns`.

use super::super::fixtures::{fail, graph, outcomes, pass, probe, snapshot};
use super::*;
use crate::observe::Snapshot;

const AP_DB: &str = "AP->DB:3306/mysql";
const WEB_AP: &str = "WEB->AP:2000/http";

fn cluster(client: &str) -> Snapshot {
    snapshot(&format!(
            "
kind: Service
metadata: {{name: db}}
spec: {{clusterIP: 10.96.0.9, selector: {{app: db}}, ports: [{{port: 3306}}]}}
---
kind: Service
metadata: {{name: ap}}
spec: {{clusterIP: 10.96.0.8, selector: {{app: ap}}, ports: [{{port: 2000}}]}}
---
kind: Service
metadata: {{name: dns-default, namespace: openshift-dns, labels: {{k8s-app: kube-dns}}}}
spec: {{clusterIP: 10.96.0.10, ports: [{{port: 53, protocol: UDP}}]}}
---
kind: Deployment
metadata: {{name: ap}}
spec: {{selector: {{matchLabels: {{app: ap}}}}, template: {{metadata: {{labels: {{app: ap}}}}, spec: {{{client}}}}}}}
"
        ))
}

fn raised(rule: Rule, client: &str, ap: Step, web: Step) -> Vec<Finding> {
    let graph = graph(&[AP_DB, WEB_AP]);
    let snapshot = cluster(client);
    let outcomes = outcomes(vec![
        probe("AP", "n1", vec![ap]),
        probe("WEB", "n1", vec![web]),
    ]);
    rule.raise(&Context::new(&graph, &snapshot, Some(&outcomes)))
}

fn dns(edge: &str, error: Option<StepError>) -> Step {
    error.map_or_else(
        || pass(edge, StepName::Dns),
        |error| fail(edge, StepName::Dns, error),
    )
}

#[test]
fn dns_that_answers_no_one_is_one_cause_for_all() {
    let silent = Some(StepError::DnsTimeout);
    let rule = Rule::Whole(no_one_is_answered);
    let found = raised(rule, "", dns(AP_DB, silent), dns(WEB_AP, silent));
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].object.to_string(), "service/dns-default");
    assert_eq!(found[0].edges.len(), 2);
    // Existing Services that no one can resolve mean the same, one name that does not exist means nothing.
    let unknown = Some(StepError::Nxdomain);
    assert_eq!(
        raised(rule, "", dns(AP_DB, unknown), dns(WEB_AP, unknown)).len(),
        1
    );
    assert!(raised(rule, "", dns(AP_DB, silent), dns(WEB_AP, None)).is_empty());
    assert!(raised(rule, "", dns(AP_DB, None), dns(WEB_AP, None)).is_empty());
}

#[test]
fn a_client_whose_settings_keep_it_from_cluster_dns() {
    let unknown = || dns(AP_DB, Some(StepError::Nxdomain));
    let rule = Rule::EdgeMany(policy_not_cluster);
    let broken = [
        "dnsPolicy: Default",
        "hostNetwork: true",
        "dnsPolicy: None, dnsConfig: {nameservers: [10.96.0.10], searches: [example.com]}",
        "dnsPolicy: None, dnsConfig: {nameservers: [10.96.0.10], searches: [production.svc.cluster.local, svc.cluster.local]}",
        "dnsPolicy: None, dnsConfig: {nameservers: [10.77.0.2], searches: [default.svc.cluster.local]}",
    ];
    for client in broken {
        let found = raised(rule, client, unknown(), dns(WEB_AP, None));
        assert_eq!(found.len(), 1, "{client}");
        assert_eq!(found[0].object.to_string(), "deployment/ap");
    }
    let fine = [
        "",
        "hostNetwork: true, dnsPolicy: ClusterFirstWithHostNet",
        "dnsPolicy: None, dnsConfig: {nameservers: [10.96.0.10], searches: [default.svc.cluster.local]}",
    ];
    for client in fine {
        assert!(raised(rule, client, unknown(), dns(WEB_AP, None)).is_empty());
    }
    let works = raised(
        rule,
        "dnsPolicy: Default",
        dns(AP_DB, None),
        dns(WEB_AP, None),
    );
    assert!(works.is_empty());
}

#[test]
fn a_record_that_leads_elsewhere() {
    let record_of = |address: &str, connects: bool, unseen: bool| {
        let mut graph = graph(&[AP_DB]);
        graph.edges[0].unseen = unseen;
        graph.edges[0].variable = Some("DB_HOST".into());
        let snapshot = cluster("hostAliases: [{ip: 10.9.9.9, hostnames: [DB]}]");
        let mut name = pass(AP_DB, StepName::Dns);
        name.facts
            .insert("addresses".to_owned(), address.to_owned());
        let connect = if connects {
            pass(AP_DB, StepName::Service)
        } else {
            fail(AP_DB, StepName::Service, StepError::Timeout)
        };
        let outcomes = outcomes(vec![probe("AP", "n1", vec![name, connect])]);
        Rule::EdgeMany(record_wrong).raise(&Context::new(&graph, &snapshot, Some(&outcomes)))
    };
    let record = |address: &str, connects: bool| record_of(address, connects, false);
    assert!(
        record_of("10.9.9.9", false, true).is_empty(),
        "a Secret may hold another name than DB"
    );
    let found = record("10.9.9.9", false);
    assert_eq!(found[0].object.to_string(), "service/db");
    assert!(found[0].message.contains("hostAliases of deployment/ap"));
    let mut graph = graph(&[AP_DB]);
    graph.edges[0].host = "other".into();
    let mut snapshot = cluster("hostAliases: [{ip: 10.9.9.9, hostnames: [other]}]");
    let state = snapshot.namespaces.get_mut("default").unwrap();
    state.services.push(
        serde_saphyr::from_str("{metadata: {name: other, namespace: default}, spec: {type: ExternalName, externalName: db.default.svc.cluster.local}}").unwrap(),
    );
    let mut name = pass(AP_DB, StepName::Dns);
    name.facts
        .insert("addresses".to_owned(), "10.9.9.9".to_owned());
    let steps = vec![name, fail(AP_DB, StepName::Service, StepError::Timeout)];
    let outcomes = outcomes(vec![probe("AP", "n1", steps)]);
    let rule = Rule::EdgeMany(record_wrong);
    let found = rule.raise(&Context::new(&graph, &snapshot, Some(&outcomes)));
    assert_eq!(found[0].object.to_string(), "service/other");
    assert!(found[0].message.contains("service/db has 10.96.0.9"));
    assert!(record("10.96.0.9", false).is_empty());
    assert!(record("10.9.9.9", true).is_empty());
    assert!(record("", false).is_empty());
}

#[test]
fn manifests_do_not_show_which_server_is_cluster_dns() {
    let raised = |servers: &str, searches: &str| {
        let graph = graph(&[AP_DB]);
        let mut snapshot = cluster(&format!(
            "dnsPolicy: None, dnsConfig: {{nameservers: [{servers}], searches: [{searches}]}}"
        ));
        snapshot.offline = true;
        let context = Context::new(&graph, &snapshot, None);
        Rule::EdgeMany(policy_not_cluster).raise(&context).len()
    };
    let own = "default.svc.cluster.local";
    assert_eq!(raised("172.20.0.10", own), 0);
    assert_eq!(raised("169.254.20.10", own), 0);
    assert_eq!(raised("8.8.8.8", own), 1);
    assert_eq!(raised("172.20.0.10", "other.svc.cluster.local"), 1);
}
