//! Tests of `verdict`.

use super::*;
use crate::diagnose::fixtures::{at, fail, graph, look, outcomes, pass, probe, snapshot, step};
use crate::finding::{Code, ObjectRef};
use crate::graph::{Confidence, TierGraph};
use crate::plan::{Look, ProbeOutcome};
use crate::probe::wire::{StepError, StepName};

const AP_DB: &str = "AP->DB:3306/mysql";
const WEB_AP: &str = "WEB->AP:2000/http";

fn id(text: &str) -> EdgeId {
    EdgeId(text.to_owned())
}

fn found(code: Code, object: &str, edges: &[&str]) -> Finding {
    let (kind, name) = object.split_once('/').unwrap();
    let object = ObjectRef::new(kind, name, "default");
    let mut finding = Finding::new(code, Severity::Error, object, "message");
    finding.edges = edges.iter().map(|edge| id(edge)).collect();
    finding
}

fn decide(
    graph: &TierGraph,
    probes: Vec<ProbeOutcome>,
    findings: Vec<Finding>,
    options: &VerdictOptions,
) -> Verdict {
    let snapshot = snapshot("");
    let outcomes = outcomes(probes);
    judge(
        &Context::new(graph, &snapshot, Some(&outcomes)),
        findings,
        options,
    )
}

fn run(graph: &TierGraph, probes: Vec<ProbeOutcome>, findings: Vec<Finding>) -> Verdict {
    decide(graph, probes, findings, &VerdictOptions::default())
}

fn ids(verdict: &Verdict) -> Vec<&str> {
    verdict
        .findings
        .iter()
        .map(|found| found.id.0.as_str())
        .collect()
}

fn good(edge: &str) -> Vec<crate::probe::wire::Step> {
    vec![pass(edge, StepName::Dns), pass(edge, StepName::Service)]
}

fn refused(edge: &str) -> Vec<crate::probe::wire::Step> {
    vec![
        pass(edge, StepName::Dns),
        fail(edge, StepName::Service, StepError::Refused),
    ]
}

#[test]
fn all_edges_work() {
    let graph = graph(&[AP_DB, WEB_AP]);
    let probes = vec![
        probe("AP", "n1", good(AP_DB)),
        probe("WEB", "n1", good(WEB_AP)),
    ];
    let verdict = run(&graph, probes, vec![]);
    assert_eq!(verdict.value, VerdictValue::Pass);
    assert!(verdict.findings.is_empty());
    assert_eq!(verdict.edges[&id(AP_DB)].depth, Depth::Tcp);
}

#[test]
fn a_failed_edge_without_an_explanation_still_has_a_cause() {
    let graph = graph(&[AP_DB]);
    let refused = run(&graph, vec![probe("AP", "n1", refused(AP_DB))], vec![]);
    assert_eq!(refused.value, VerdictValue::Fail);
    assert_eq!(ids(&refused), ["connection-refused deployment/db"]);
    assert_eq!(
        refused.edges[&id(AP_DB)].cause.as_ref().unwrap().0,
        "connection-refused deployment/db"
    );
    let unknown_name = vec![fail(AP_DB, StepName::Dns, StepError::Nxdomain)];
    let missing = run(&graph, vec![probe("AP", "n1", unknown_name)], vec![]);
    assert_eq!(ids(&missing), ["dns-name-not-found name/DB"]);
}

#[test]
fn a_cause_replaces_the_symptom_and_keeps_others_of_the_ladder_out() {
    let graph = graph(&[AP_DB]);
    let findings = vec![
        found(Code::ConnectionRefused, "deployment/db", &[AP_DB]),
        found(Code::MysqlLoginDenied, "deployment/db", &[AP_DB]),
        found(Code::ServiceSelectorMismatch, "service/db", &[AP_DB]),
    ];
    let verdict = run(&graph, vec![probe("AP", "n1", refused(AP_DB))], findings);
    assert_eq!(ids(&verdict), ["service-selector-mismatch service/db"]);
}

#[test]
fn one_broken_database_is_the_cause_of_all_that_follows() {
    let graph = graph(&[AP_DB, WEB_AP]);
    let mut login = good(AP_DB);
    login.push(fail(AP_DB, StepName::Login, StepError::LoginDenied));
    let mut readiness = found(Code::ReadinessProbeFailing, "deployment/ap", &[]);
    readiness.follows.insert(id(AP_DB));
    let findings = vec![
        found(Code::ServiceEndpointsNotReady, "service/ap", &[WEB_AP]),
        readiness,
        found(Code::MysqlLoginDenied, "deployment/db", &[AP_DB]),
    ];
    let probes = vec![
        probe("AP", "n1", login),
        probe("WEB", "n1", refused(WEB_AP)),
    ];
    let verdict = run(&graph, probes, findings);
    assert_eq!(
        ids(&verdict),
        [
            "mysql-login-denied deployment/db",
            "readiness-probe-failing deployment/ap",
            "service-endpoints-not-ready service/ap",
        ]
    );
    let parents: Vec<Option<&str>> = verdict
        .findings
        .iter()
        .map(|found| found.caused_by.as_ref().map(|id| id.0.as_str()))
        .collect();
    assert_eq!(
        parents,
        [
            None,
            Some("mysql-login-denied deployment/db"),
            Some("readiness-probe-failing deployment/ap"),
        ]
    );
    assert_eq!(verdict.edges[&id(AP_DB)].depth, Depth::Tcp);
}

#[test]
fn what_does_not_depend_on_the_target_stays_a_cause_of_its_own() {
    let graph = graph(&[AP_DB, WEB_AP]);
    let findings = vec![found(Code::ImagePullFailed, "deployment/ap", &[])];
    let probes = vec![probe("AP", "n1", refused(AP_DB))];
    let verdict = run(&graph, probes, findings);
    assert!(
        verdict
            .findings
            .iter()
            .all(|found| found.caused_by.is_none())
    );
}

#[test]
fn one_policy_with_two_faults_shows_both_and_the_next_step_of_one_follows_from_it() {
    let graph = graph(&[AP_DB, WEB_AP]);
    let probes = vec![
        probe("AP", "n1", refused(AP_DB)),
        probe("WEB", "n1", refused(WEB_AP)),
    ];
    let policy = "networkpolicy/all";
    let of = |edges: &[&str]| {
        let findings = vec![
            found(Code::NetworkPolicyEgressDenied, policy, &[AP_DB]),
            found(Code::NetworkPolicyIngressDenied, policy, edges),
        ];
        let verdict = run(&graph, probes.clone(), findings);
        let parents = verdict.findings.into_iter();
        parents
            .filter(|found| found.id.0.contains(policy))
            .map(|found| found.caused_by.map(|id| id.0))
            .collect::<Vec<_>>()
    };
    assert_eq!(of(&[WEB_AP]), [None, None]);
    let first = Some("network-policy-egress-denied networkpolicy/all".to_owned());
    assert_eq!(of(&[AP_DB]), [None, first]);
}

#[test]
fn a_circle_is_cut_where_the_network_shows_the_fault() {
    const AP_B: &str = "AP->B:80/http";
    const B_AP: &str = "B->AP:80/http";
    let graph = graph(&[AP_B, B_AP]);
    let mut first = found(Code::HttpServerError, "deployment/ap", &[B_AP]);
    first.follows.insert(id(AP_B));
    let mut second = found(Code::ServiceEndpointsNotReady, "service/b", &[AP_B]);
    second.caused_by = vec![(
        Code::ReadinessProbeFailing,
        ObjectRef::new("deployment", "b", "default"),
    )];
    let mut third = found(Code::ReadinessProbeFailing, "deployment/b", &[]);
    third.follows.insert(id(B_AP));
    let mut answers = good(B_AP);
    answers.push(fail(B_AP, StepName::Protocol, StepError::HttpServerError));
    let probes = vec![probe("AP", "n1", refused(AP_B)), probe("B", "n1", answers)];
    let verdict = run(&graph, probes, vec![first, second, third]);
    assert_eq!(ids(&verdict)[0], "http-server-error deployment/ap");
    let roots = verdict
        .findings
        .iter()
        .filter(|found| found.caused_by.is_none());
    assert_eq!(roots.count(), 1);
}

#[test]
fn a_weak_edge_never_sets_the_verdict() {
    let mut graph = graph(&[AP_DB, WEB_AP]);
    graph.edges[0].confidence = Confidence::Weak;
    let probes = vec![
        probe("AP", "n1", refused(AP_DB)),
        probe("WEB", "n1", good(WEB_AP)),
    ];
    let denied = found(
        Code::NetworkPolicyIngressDenied,
        "networkpolicy/x",
        &[AP_DB],
    );
    let verdict = run(&graph, probes.clone(), vec![denied]);
    assert_eq!(verdict.value, VerdictValue::Pass);
    assert_eq!(verdict.findings[0].finding.severity, Severity::Warning);
    assert_eq!(verdict.edges[&id(AP_DB)].status, StepStatus::Fail);
    // A fault of its target counts as always.
    let target = found(Code::ServiceSelectorMismatch, "service/db", &[AP_DB]);
    let verdict = run(&graph, probes, vec![target]);
    assert_eq!(verdict.value, VerdictValue::Fail);
}

#[test]
fn what_a_common_map_names_and_policies_give_to_another_is_not_counted() {
    const BATCH_DB: &str = "BATCH->DB:3306/mysql";
    let workload = |name: &str, map: &str| {
        format!(
            "kind: Deployment\nmetadata: {{name: {name}}}\nspec: {{template: {{spec: {{containers: [{{name: {name}, envFrom: [{{configMapRef: {{name: {map}}}}}]}}]}}}}}}\n"
        )
    };
    let decide = |map: &str, batch: bool, from_compose: bool| {
        let mut graph = graph(&[AP_DB, BATCH_DB]);
        graph.from_compose = from_compose;
        for edge in &mut graph.edges {
            edge.variable = Some("DB_HOST".to_owned());
        }
        let maps = "kind: ConfigMap\nmetadata: {name: common}\ndata: {DB_HOST: db}\n---\nkind: ConfigMap\nmetadata: {name: own}\ndata: {DB_HOST: db}\n";
        let (ap, other) = (workload("ap", "common"), workload("batch", map));
        let snapshot = snapshot(&format!("{ap}---\n{other}---\n{maps}"));
        let ways = if batch {
            good(BATCH_DB)
        } else {
            refused(BATCH_DB)
        };
        let outcomes = outcomes(vec![
            probe("AP", "n1", refused(AP_DB)),
            probe("BATCH", "n1", ways),
        ]);
        let denied = found(
            Code::NetworkPolicyIngressDenied,
            "networkpolicy/x",
            &[AP_DB],
        );
        let context = Context::new(&graph, &snapshot, Some(&outcomes));
        judge(&context, vec![denied], &VerdictOptions::default()).value
    };
    assert_eq!(decide("common", true, false), VerdictValue::Pass);
    assert_eq!(decide("own", true, false), VerdictValue::Fail);
    assert_eq!(decide("common", false, false), VerdictValue::Fail);
    assert_eq!(decide("common", true, true), VerdictValue::Fail);
}

#[test]
fn a_weak_edge_that_logs_in_with_its_own_variables_counts_as_proven() {
    let mut graph = graph(&[AP_DB, WEB_AP]);
    graph.edges[0].confidence = Confidence::Weak;
    graph.edges[0].login = Some(crate::address::LoginReference::Url {
        variable: "DATABASE_URL".to_owned(),
    });
    let deep = |last: &[StepName]| {
        let more = last.iter().map(|name| pass(AP_DB, *name));
        let steps = good(AP_DB).into_iter().chain(more).collect();
        vec![probe("AP", "n1", steps), probe("WEB", "n1", good(WEB_AP))]
    };
    let shown = |graph: &TierGraph, probes: Vec<ProbeOutcome>| {
        let snapshot = snapshot("");
        let outcomes = outcomes(probes);
        let context = Context::new(graph, &snapshot, Some(&outcomes));
        let options = VerdictOptions::default();
        let verdict = judge(&context, vec![], &options);
        let report = report(&context, &verdict, &options, ReportMeta::default());
        (verdict.edges[&id(AP_DB)].firm, report.edges[0].confidence)
    };
    let by_login = deep(&[StepName::Protocol, StepName::Login]);
    assert_eq!(shown(&graph, by_login.clone()), (true, Confidence::Likely));
    let by_protocol = deep(&[StepName::Protocol]);
    assert_eq!(shown(&graph, by_protocol), (false, Confidence::Weak));
    graph.edges[0].login = None;
    assert_eq!(shown(&graph, by_login), (false, Confidence::Weak));
}

#[test]
fn one_server_of_a_list_is_enough_for_clients_that_learn_the_rest_from_it() {
    const OLD: &str = "AP->old:9092/kafka";
    const NEW: &str = "AP->kafka:9092/kafka";
    let decided = |other: &str, works: bool| {
        let mut graph = graph(&[OLD, NEW, WEB_AP]);
        graph.edges[0].variable = Some("BROKERS".to_owned());
        graph.edges[1].variable = Some(other.to_owned());
        let mut steps = vec![fail(OLD, StepName::Dns, StepError::Nxdomain)];
        steps.extend(if works { good(NEW) } else { refused(NEW) });
        let probes = vec![probe("AP", "n1", steps), probe("WEB", "n1", good(WEB_AP))];
        let gone = found(Code::DnsNameNotFound, "name/old", &[OLD]);
        let verdict = run(&graph, probes, vec![gone]);
        let severity = |found: &JudgedFinding| {
            (found.finding.code == Code::DnsNameNotFound).then_some(found.finding.severity)
        };
        (verdict.value, verdict.findings.iter().find_map(severity))
    };
    assert_eq!(
        decided("BROKERS", true),
        (VerdictValue::Pass, Some(Severity::Warning))
    );
    assert_eq!(
        decided("BROKERS", false),
        (VerdictValue::Fail, Some(Severity::Error))
    );
    assert_eq!(
        decided("OTHER_BROKERS", true),
        (VerdictValue::Fail, Some(Severity::Error))
    );
}

#[test]
fn what_was_not_checked_is_no_pass() {
    let mut graph = graph(&[AP_DB]);
    let nothing = run(&graph, vec![], vec![]);
    assert_eq!(nothing.value, VerdictValue::Unknown);
    assert_eq!(nothing.edges[&id(AP_DB)].status, StepStatus::Unknown);
    graph.edges.clear();
    let empty = run(&graph, vec![], vec![]);
    assert_eq!(empty.value, VerdictValue::Unknown);
    assert_eq!(ids(&empty), ["graph-empty input/edges"]);
    let options = VerdictOptions {
        skipped: BTreeMap::from([(id(AP_DB), "UDP".to_owned())]),
        ..VerdictOptions::default()
    };
    let graph = crate::diagnose::fixtures::graph(&[AP_DB]);
    let skipped = decide(&graph, vec![], vec![], &options);
    assert_eq!(skipped.edges[&id(AP_DB)].status, StepStatus::Skipped);
    assert_eq!(skipped.value, VerdictValue::Unknown);
}

#[test]
fn a_forbidden_edge_passes_by_failing() {
    let mut graph = graph(&[AP_DB, WEB_AP]);
    graph.edges[0].forbidden = true;
    let web = probe("WEB", "n1", good(WEB_AP));
    let closed = run(
        &graph,
        vec![probe("AP", "n1", refused(AP_DB)), web.clone()],
        vec![],
    );
    assert_eq!(closed.value, VerdictValue::Pass);
    assert!(closed.findings.is_empty());
    let open = found(Code::ForbiddenEdgeOpen, "tier/AP->DB", &[AP_DB]);
    let verdict = run(
        &graph,
        vec![probe("AP", "n1", good(AP_DB)), web],
        vec![open],
    );
    assert_eq!(verdict.value, VerdictValue::Fail);
    assert_eq!(
        verdict.edges[&id(AP_DB)].cause.as_ref().unwrap().0,
        "forbidden-edge-open tier/AP->DB"
    );
}

#[test]
fn the_users_word_is_laid_over_late() {
    let graph = graph(&[AP_DB, WEB_AP]);
    let probes = || {
        vec![
            probe("AP", "n1", refused(AP_DB)),
            probe("WEB", "n1", good(WEB_AP)),
        ]
    };
    let cause = || vec![found(Code::ServiceSelectorMismatch, "service/db", &[AP_DB])];
    let ignore = |object: &str| Ignore {
        code: Code::ServiceSelectorMismatch,
        object: Some(object.to_owned()),
        reason: "known".to_owned(),
        line: 4,
    };
    let options = VerdictOptions {
        ignore: vec![ignore("service/db"), ignore("service/other")],
        config_file: "k8sverify.yaml".to_owned(),
        ..VerdictOptions::default()
    };
    let verdict = decide(&graph, probes(), cause(), &options);
    assert_eq!(verdict.value, VerdictValue::Pass);
    assert!(verdict.findings[0].ignored);
    assert_eq!(verdict.unused_ignores.len(), 1);
    let off = VerdictOptions {
        severity: BTreeMap::from([(Code::ServiceSelectorMismatch, SeverityOverride::Off)]),
        ..VerdictOptions::default()
    };
    let verdict = decide(&graph, probes(), cause(), &off);
    assert!(verdict.findings.is_empty());
    assert_eq!(verdict.value, VerdictValue::Pass);
    let mut warning = found(Code::ReadinessProbeMissing, "deployment/db", &[]);
    warning.severity = Severity::Warning;
    let strict = VerdictOptions {
        fail_on: Severity::Warning,
        ..VerdictOptions::default()
    };
    let good = vec![
        probe("AP", "n1", good(AP_DB)),
        probe("WEB", "n1", good(WEB_AP)),
    ];
    let verdict = decide(&graph, good, vec![warning], &strict);
    assert_eq!(verdict.value, VerdictValue::Fail);
}

#[test]
fn what_changes_under_the_walk_is_unknown() {
    let graph = graph(&[AP_DB]);
    let options = VerdictOptions {
        changing: BTreeSet::from([id(AP_DB)]),
        ..VerdictOptions::default()
    };
    let again = look(Look::Again, probe("AP", "n1", refused(AP_DB)));
    let probes = vec![probe("AP", "n1", refused(AP_DB)), again];
    let verdict = decide(&graph, probes, vec![], &options);
    assert_eq!(verdict.value, VerdictValue::Unknown);
    assert!(verdict.edges[&id(AP_DB)].reason.is_some());
}

#[test]
fn a_declared_fault_that_the_network_contradicts_is_a_warning() {
    let graph = graph(&[AP_DB]);
    let findings = vec![found(Code::ServicePortMissing, "service/db", &[AP_DB])];
    let verdict = run(&graph, vec![probe("AP", "n1", good(AP_DB))], findings);
    assert_eq!(verdict.value, VerdictValue::Pass);
    assert_eq!(verdict.findings[0].finding.severity, Severity::Warning);
}

#[test]
fn findings_are_ordered_by_what_they_explain_and_twice_the_same() {
    const B_DB: &str = "B->DB:3306/mysql";
    const AP_KVS: &str = "AP->KVS:6379/redis";
    let graph = graph(&[AP_DB, B_DB, AP_KVS]);
    let probes = || {
        vec![
            probe("AP", "n1", [refused(AP_DB), refused(AP_KVS)].concat()),
            probe("B", "n1", refused(B_DB)),
        ]
    };
    let mut findings = vec![
        found(Code::ServiceNoEndpoints, "service/aaa", &[AP_KVS]),
        found(Code::ServiceSelectorMismatch, "service/db", &[AP_DB, B_DB]),
        found(Code::ContainerCrashLooping, "deployment/x", &[]),
    ];
    let first = run(&graph, probes(), findings.clone());
    findings.reverse();
    let second = run(&graph, probes(), findings);
    assert_eq!(first, second);
    assert_eq!(
        ids(&first),
        [
            "service-selector-mismatch service/db",
            "service-no-endpoints service/aaa",
            "container-crash-looping deployment/x",
        ]
    );
}

#[test]
fn depth_is_that_of_the_worst_endpoint() {
    let graph = graph(&[AP_DB]);
    let on = |endpoint: &str, steps: &[StepName]| -> Vec<crate::probe::wire::Step> {
        steps
            .iter()
            .map(|name| at(endpoint, pass(AP_DB, *name)))
            .collect()
    };
    let steps = [
        good(AP_DB),
        on(
            "10.0.0.1:3306",
            &[StepName::Endpoint, StepName::Protocol, StepName::Login],
        ),
        on("10.0.0.2:3306", &[StepName::Endpoint, StepName::Protocol]),
        vec![at(
            "10.0.0.2:3306",
            step(AP_DB, StepName::Login, StepStatus::Skipped),
        )],
    ]
    .concat();
    let verdict = run(&graph, vec![probe("AP", "n1", steps)], vec![]);
    assert_eq!(verdict.edges[&id(AP_DB)].depth, Depth::Protocol);
}

#[test]
fn the_report_says_what_was_decided() {
    let graph = graph(&[AP_DB]);
    let snapshot = snapshot("");
    let mut steps = refused(AP_DB);
    steps.push(fail("name:DB:db", StepName::Dns, StepError::Nxdomain));
    let outcomes = outcomes(vec![probe("AP", "n1", steps)]);
    let context = Context::new(&graph, &snapshot, Some(&outcomes));
    let options = VerdictOptions::default();
    let verdict = judge(&context, vec![], &options);
    let report = report(&context, &verdict, &options, ReportMeta::default());
    assert_eq!(report.exit_code, 1);
    assert_eq!(report.summary.edges.fail, 1);
    assert_eq!(report.summary.findings.error, 1);
    assert_eq!(report.edges[0].steps.len(), 2);
    assert_eq!(report.edges[0].steps[0].vantage, None);
    let db = report.tiers.iter().find(|tier| tier.name == "DB").unwrap();
    assert_eq!(db.names[0].detail, "NXDOMAIN");
    assert_eq!(report.coverage.tiers_with_edges, 2);
}

#[test]
fn an_edge_whose_variable_the_client_lacks_is_unknown_though_it_was_skipped() {
    use crate::address::Flaw;
    use crate::graph::EdgeFlaw;
    let mut graph = graph(&[AP_DB, WEB_AP]);
    graph.edges[0].flaw = Some(EdgeFlaw {
        variable: "DB_HOST".to_owned(),
        flaw: Flaw::absent("is set in no container of deployment/ap".to_owned()),
        origin: "compose services.AP.environment.DB_HOST".to_owned(),
    });
    let options = VerdictOptions {
        skipped: BTreeMap::from([(id(AP_DB), "not known".to_owned())]),
        ..VerdictOptions::default()
    };
    let verdict = decide(
        &graph,
        vec![probe("WEB", "n1", good(WEB_AP))],
        vec![],
        &options,
    );
    assert_eq!(verdict.edges[&id(AP_DB)].status, StepStatus::Unknown);
    assert_eq!(verdict.value, VerdictValue::Unknown);
}
