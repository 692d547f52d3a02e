use std::fmt::Write as _;

use super::*;
use crate::address::LoginReference;
use crate::diagnose::fixtures::{fail, graph, pass, probe, snapshot};
use crate::finding::EdgeId;
use crate::graph::TierGraph;
use crate::observe::kinds::Labels;
use crate::observe::{OtherPolicy, ServiceKey, Snapshot, WorkloadKey};
use crate::probe::wire::{EdgeTask, StepError, StepName};

/// A Deployment of one container with `env` (a YAML list), and its Pods on `nodes`.
fn tier(name: &str, pod_spec: &str, nodes: &[&str]) -> String {
    let mut text = format!(
        "
---
kind: Deployment
metadata: {{name: {name}}}
spec: {{selector: {{matchLabels: {{app: {name}}}}}, template: {{metadata: {{labels: {{app: {name}}}}}, spec: {{{pod_spec}}}}}}}
---
kind: ReplicaSet
metadata: {{name: {name}-1, ownerReferences: [{{kind: Deployment, name: {name}, controller: true}}]}}
"
    );
    for (index, node) in nodes.iter().enumerate() {
        write!(
            text,
            "
---
kind: Pod
metadata: {{name: {name}-1-{index}, uid: {name}{index}, labels: {{app: {name}, pod-template-hash: '1'}}, ownerReferences: [{{kind: ReplicaSet, name: {name}-1, controller: true}}]}}
spec: {{nodeName: {node}, {pod_spec}}}
status: {{phase: Running, podIP: 10.1.{index}.{}, conditions: [{{type: Ready, status: 'True', lastTransitionTime: '2026-01-01T00:00:00Z'}}]}}
",
            name.bytes().map(u32::from).sum::<u32>() % 200
        )
        .unwrap();
    }
    text
}

const APP: &str = "containers: [{name: app, image: app}]";

/// Service `db` with an endpoint on 3306.
const DB_SERVICE: &str = "
---
kind: Service
metadata: {name: db, creationTimestamp: '2026-01-01T00:00:00Z'}
spec: {clusterIP: 10.96.0.9, selector: {app: db}, ports: [{port: 3306, targetPort: 3307}]}
---
kind: EndpointSlice
metadata: {name: db-1, labels: {kubernetes.io/service-name: db}}
addressType: IPv4
ports: [{port: 3307}]
endpoints: [{addresses: [10.1.0.198], targetRef: {kind: Pod, name: db-1-0}}]
";

fn node(name: &str, ready: &str) -> String {
    format!(
        "
---
kind: Node
metadata: {{name: {name}, labels: {{kubernetes.io/hostname: {name}}}}}
status: {{conditions: [{{type: Ready, status: '{ready}'}}]}}
"
    )
}

fn usual() -> String {
    [
        tier("ap", APP, &["n1"]),
        tier("db", APP, &["n2"]),
        DB_SERVICE.to_owned(),
        node("n1", "True"),
        node("n2", "True"),
    ]
    .concat()
}

fn app() -> TierGraph {
    graph(&["AP->DB:3306/mysql"])
}

fn options() -> PlanOptions {
    PlanOptions {
        run: "r1".into(),
        ..PlanOptions::default()
    }
}

fn planned(graph: &TierGraph, objects: &str) -> ProbePlan {
    plan(graph, &snapshot(objects), &options())
}

/// The only task of the plan's first vantage.
fn task(plan: &ProbePlan) -> &EdgeTask {
    &plan.vantages[0].containers[0].spec.edges[0]
}

#[test]
fn tiers_that_the_network_cannot_distinguish_share_a_job_and_wear_nothing() {
    let graph = graph(&["AP->DB:3306/mysql", "WEB->DB:3306/mysql"]);
    let objects = [usual(), tier("web", APP, &["n1"])].concat();
    let plan = planned(&graph, &objects);
    assert_eq!(plan.vantages.len(), 1, "{plan:?}");
    let vantage = &plan.vantages[0];
    assert_eq!(vantage.id, "v1");
    assert_eq!(vantage.identity.node.as_deref(), Some("n1"));
    assert!(vantage.identity.labels.is_empty());
    assert_eq!(vantage.fallback_nodes, ["n2"]);
    let names: Vec<&str> = vantage
        .containers
        .iter()
        .map(|probe| probe.container.as_str())
        .collect();
    assert_eq!(names, ["t1", "t2"]);
    let task = task(&plan);
    assert_eq!(task.endpoints[0].port.get(), 3307);
    assert_eq!(task.endpoints[0].pod, "db-1-0");
    assert_eq!((task.retry_until_ms, task.recheck_pass), (0, false));
    let asked: Vec<&str> = vantage.containers[0]
        .spec
        .names
        .iter()
        .map(|name| name.id.as_str())
        .collect();
    assert_eq!(asked, ["name:AP:ap", "name:DB:db", "name:WEB:web"]);
}

#[test]
fn labels_that_a_policy_mentions_are_worn_and_distinguish_tiers() {
    let graph = graph(&["AP->DB:3306/mysql", "WEB->DB:3306/mysql"]);
    let policy = "
---
kind: NetworkPolicy
metadata: {name: db}
spec: {podSelector: {matchLabels: {app: db}}, ingress: [{from: [{podSelector: {matchLabels: {app: ap}}}]}]}
";
    let objects = [usual(), tier("web", APP, &["n1"]), policy.to_owned()].concat();
    let plan = planned(&graph, &objects);
    assert_eq!(plan.vantages.len(), 2);
    let of = |tier: &str| {
        plan.vantages
            .iter()
            .find(|vantage| vantage.containers[0].tier == tier)
            .unwrap()
    };
    assert_eq!(
        of("AP").identity.labels,
        Labels::from([("app".into(), "ap".into())])
    );
    let (ap, web) = (
        &of("AP").containers[0].spec.edges[0],
        &of("WEB").containers[0].spec.edges[0],
    );
    assert_eq!((ap.retry_until_ms, ap.recheck_pass), (10_000, false));
    assert_eq!((web.retry_until_ms, web.recheck_pass), (10_000, true));
}

#[test]
fn labels_that_a_service_would_publish_are_left_out_and_said() {
    let objects = [
        usual().as_str(),
        "
---
kind: NetworkPolicy
metadata: {name: all}
spec: {podSelector: {matchLabels: {app: db}}, ingress: [{}]}
---
kind: Service
metadata: {name: ap}
spec: {clusterIP: None, publishNotReadyAddresses: true, selector: {app: ap}, ports: [{port: 80}]}
",
    ]
    .concat();
    let plan = planned(&app(), &objects);
    let identity = &plan.vantages[0].identity;
    assert!(identity.labels.is_empty());
    assert!(
        identity.departs.contains("service/ap"),
        "{}",
        identity.departs
    );
    assert!(plan.notes.iter().any(|note| note.contains("service/ap")));
}

#[test]
fn in_the_network_of_a_node_no_label_is_worn() {
    let objects = [
        tier(
            "ap",
            "hostNetwork: true, dnsPolicy: ClusterFirstWithHostNet, containers: [{name: app}]",
            &["n1"],
        ),
        DB_SERVICE.to_owned(),
        "
---
kind: NetworkPolicy
metadata: {name: db}
spec: {podSelector: {matchLabels: {app: db}}, ingress: [{from: [{podSelector: {matchLabels: {app: ap}}}]}]}
---
kind: Service
metadata: {name: ap}
spec: {selector: {app: ap}, ports: [{port: 80}]}
"
        .to_owned(),
    ]
    .concat();
    let plan = planned(&app(), &objects);
    let identity = &plan.vantages[0].identity;
    assert!(identity.host_network && identity.labels.is_empty());
    assert_eq!(identity.departs, "");
}

#[test]
fn several_pods_are_looked_at_from_three_nodes_and_log_in_once() {
    let mut graph = app();
    graph.edges[0].login = Some(LoginReference::Url {
        variable: "URL".into(),
    });
    let spec = "containers: [{name: app, env: [{name: URL, value: mysql://u@db/x}]}]";
    let objects = [
        tier("ap", spec, &["n4", "n3", "n3", "n2", "n1"]),
        DB_SERVICE.to_owned(),
    ]
    .concat();
    let plan = planned(&graph, &objects);
    let nodes: Vec<Option<&str>> = plan
        .vantages
        .iter()
        .map(|vantage| vantage.identity.node.as_deref())
        .collect();
    assert_eq!(nodes, [Some("n1"), Some("n2"), Some("n3")]);
    let logins: Vec<bool> = plan
        .vantages
        .iter()
        .map(|vantage| vantage.containers[0].spec.edges[0].login.is_some())
        .collect();
    assert_eq!(
        logins,
        [false, false, true],
        "the node with most Pods logs in"
    );
    assert!(plan.notes.iter().any(|note| note.contains("4 nodes")));
}

#[test]
fn a_node_that_is_not_ready_is_no_place_to_look_from() {
    let objects = [
        tier("ap", APP, &["n1", "n2"]),
        DB_SERVICE.to_owned(),
        node("n1", "Unknown"),
        node("n2", "True"),
    ]
    .concat();
    let plan = planned(&app(), &objects);
    assert_eq!(plan.vantages.len(), 1);
    assert_eq!(plan.vantages[0].identity.node.as_deref(), Some("n2"));
    assert!(plan.notes[0].contains("n1"), "{:?}", plan.notes);
    let objects = [
        tier("ap", APP, &["n1"]),
        node("n1", "False"),
        node("n2", "True"),
    ]
    .concat();
    let plan = planned(&app(), &objects);
    assert_eq!(plan.vantages[0].identity.node, None);
    assert_eq!(plan.vantages[0].fallback_nodes, ["n2"]);
}

#[test]
fn a_client_without_pods_is_looked_at_from_its_template_where_a_node_offers_it() {
    let template = |node: &str| {
        let spec = format!(
            "nodeSelector: {{kubernetes.io/hostname: {node}}}, tolerations: [{{key: a, operator: Exists}}]"
        );
        [tier("ap", &spec, &[]), DB_SERVICE.to_owned(), node_pair()].concat()
    };
    let plan = planned(&app(), &template("n2"));
    let identity = &plan.vantages[0].identity;
    assert_eq!(identity.node, None);
    assert_eq!(identity.node_selector["kubernetes.io/hostname"], "n2");
    assert!(identity.tolerations.contains("\"a\""));
    let plan = planned(&app(), &template("n9"));
    assert!(plan.vantages[0].identity.node_selector.is_empty());
}

fn node_pair() -> String {
    [node("n1", "True"), node("n2", "True")].concat()
}

#[test]
fn what_is_pointless_is_skipped_with_its_reason() {
    let mut graph = graph(&["AP->DB:3306/mysql", "AP->syslog:514/udp"]);
    graph.edges[1].external = true;
    let plan = planned(&graph, &usual());
    assert!(plan.skipped[&EdgeId("AP->syslog:514/udp".into())].contains("UDP"));
    let plan = planned(&graph, DB_SERVICE);
    assert_eq!(plan.skipped.len(), 2);
    assert!(plan.skipped[&EdgeId("AP->DB:3306/mysql".into())].contains("nothing to look from"));
    // The names are asked all the same.
    assert_eq!(plan.vantages.len(), 1);
    assert!(plan.vantages[0].containers[0].spec.edges.is_empty());
}

#[test]
fn odd_endpoints_come_first_and_no_more_than_32() {
    let mut endpoints = String::new();
    for index in 0..40 {
        write!(
            endpoints,
            "{{addresses: [10.2.0.{index}], conditions: {{ready: {}}}}},",
            index != 39
        )
        .unwrap();
    }
    let slice = format!(
        "
---
kind: EndpointSlice
metadata: {{name: db-2, labels: {{kubernetes.io/service-name: db}}}}
addressType: IPv4
ports: [{{port: 3307}}]
endpoints: [{endpoints}]
"
    );
    let plan = planned(&app(), &[usual(), slice].concat());
    let task = task(&plan);
    assert_eq!(task.endpoints.len(), 32);
    assert!(!task.endpoints[0].ready && task.endpoints[1].ready);
    assert!(
        plan.notes.iter().any(|note| note.contains("32 of 41")),
        "{:?}",
        plan.notes
    );
}

#[test]
fn a_headless_service_is_dialled_on_the_clients_port_and_an_alias_is_followed() {
    let headless = usual().replace("10.96.0.9", "None");
    let plan = planned(&app(), &headless);
    assert_eq!(task(&plan).endpoints[0].port.get(), 3306);
    let alias = "
---
kind: Service
metadata: {name: database}
spec: {type: ExternalName, externalName: db.default.svc.cluster.local}
";
    let mut graph = app();
    graph.edges[0].host = "database".into();
    let plan = planned(&graph, &[usual().as_str(), alias].concat());
    assert_eq!(task(&plan).endpoints[0].port.get(), 3307);
    graph.edges[0].host = "no-one".into();
    assert!(task(&planned(&graph, &usual())).endpoints.is_empty());
}

#[test]
fn a_young_name_is_asked_for_until_the_negative_cache_has_run_out() {
    let wait = |objects: &str, now: &str| {
        let mut snapshot = snapshot(objects);
        snapshot.taken_at = Some(now.parse().unwrap());
        let plan = plan(&app(), &snapshot, &options());
        let names = &plan.vantages[0].containers[0].spec.names;
        let db = names.iter().find(|name| name.id == "name:DB:db");
        (
            task(&plan).retry_not_found_ms,
            db.map(|name| name.retry_not_found_ms),
        )
    };
    assert_eq!(
        wait(&usual(), "2026-01-01T00:00:10Z"),
        (25_000, Some(25_000))
    );
    assert_eq!(wait(&usual(), "2026-01-01T00:01:00Z"), (0, Some(0)));
    assert_eq!(
        wait(&usual(), "2025-12-31T23:59:00Z"),
        (35_000, Some(35_000))
    );
    // A headless name is as old as its first ready Pod, and has no record without one.
    let headless = usual().replace("10.96.0.9", "None");
    let later = headless.replace(
        "lastTransitionTime: '2026-01-01T00:00:00Z'",
        "lastTransitionTime: '2026-01-01T01:00:00Z'",
    );
    assert_eq!(wait(&later, "2026-01-01T01:00:10Z").0, 25_000);
    let unready = later.replace(
        "{addresses: [10.1.0.198],",
        "{conditions: {ready: false}, addresses: [10.1.0.198],",
    );
    assert_eq!(wait(&unready, "2026-01-01T01:00:10Z"), (0, Some(0)));
    // Another resolver never learns it.
    let spec = "dnsPolicy: Default, containers: [{name: app}]";
    let foreign = [tier("ap", spec, &["n1"]), DB_SERVICE.to_owned()].concat();
    let mut snapshot = snapshot(&foreign);
    snapshot.taken_at = Some("2026-01-01T00:00:10Z".parse().unwrap());
    let plan = plan(&app(), &snapshot, &options());
    assert_eq!(plan.vantages.len(), 2, "an ordinary Pod asks for the names");
    assert!(
        plan.vantages
            .iter()
            .flat_map(|vantage| &vantage.containers)
            .flat_map(|probe| &probe.spec.edges)
            .all(|task| task.retry_not_found_ms == 0)
    );
}

#[test]
fn a_host_that_only_the_pod_shows_is_dialled_from_everywhere_and_logged_in_to_once() {
    let spec = "containers: [{name: app, env: [{name: URL, valueFrom: {secretKeyRef: {name: s, key: u}}}], envFrom: [{secretRef: {name: t}}]}]";
    let objects = [tier("ap", spec, &["n2", "n1"]), DB_SERVICE.to_owned()].concat();
    let seen = |change: &dyn Fn(&mut crate::graph::Edge), login: bool| {
        let mut graph = app();
        let edge = &mut graph.edges[0];
        edge.login = Some(LoginReference::Parts {
            host: Some("URL".to_owned()),
            port: None,
            user: None,
            password: None,
            database: None,
        });
        edge.variable = Some("URL".to_owned());
        edge.unseen = true;
        change(edge);
        let options = PlanOptions { login, ..options() };
        let plan = plan(&graph, &snapshot(&objects), &options);
        let tasks = plan.vantages.iter();
        let tasks = tasks.map(|vantage| &vantage.containers[0].spec.edges[0]);
        let seen = tasks.map(|task| (task.login.is_some(), task.withheld));
        seen.collect::<Vec<_>>()
    };
    let once = [(true, false), (true, true)];
    assert_eq!(seen(&|_| {}, true), once);
    let place = |edge: &mut crate::graph::Edge| edge.login_place = Some("secret/x".to_owned());
    assert_eq!(seen(&place, true), once);
    assert_eq!(seen(&|_| {}, false), [(true, true); 2]);
    assert_eq!(seen(&|edge| edge.forbidden = true, true), [(true, true); 2]);
    assert_eq!(seen(&|edge| edge.unseen = false, true), [(false, false); 2]);
}

#[test]
fn what_a_url_says_of_the_clients_ways_holds_from_every_node() {
    let spec = "containers: [{name: app, env: [{name: URL, value: 'mongodb://db/x?directConnection=true'}]}]";
    let objects = [tier("ap", spec, &["n1", "n2"]), DB_SERVICE.to_owned()].concat();
    let mut graph = graph(&["AP->DB:27017/mongodb"]);
    graph.edges[0].login = Some(LoginReference::Url {
        variable: "URL".into(),
    });
    let plan = planned(&graph, &objects);
    let tasks = plan.vantages.iter();
    let tasks = tasks.map(|vantage| &vantage.containers[0].spec.edges[0]);
    let seen: Vec<_> = tasks
        .map(|task| (task.login.is_some(), task.withheld))
        .collect();
    assert_eq!(seen, [(true, false), (true, true)]);
}

#[test]
fn a_workload_whose_variable_leads_elsewhere_has_no_edge_of_another_one() {
    let spec =
        |url: &str| format!("containers: [{{name: app, env: [{{name: URL, value: '{url}'}}]}}]");
    let mut graph = app();
    let ap = graph.tiers.get_mut("AP").unwrap();
    ap.workloads = vec![
        WorkloadKey::new("default", "deployment", "ap"),
        WorkloadKey::new("default", "deployment", "ap-b"),
    ];
    graph.edges[0].variable = Some("URL".to_owned());
    let asked = |first: &str, second: &str| {
        let objects = [
            tier("ap", &spec(first), &["n1"]),
            tier("ap-b", &spec(second), &["n2"]),
            DB_SERVICE.to_owned(),
        ]
        .concat();
        let plan = planned(&graph, &objects);
        let probes = plan.vantages.iter().flat_map(|one| &one.containers);
        let probes = probes.filter(|probe| !probe.spec.edges.is_empty());
        let of = |probe: &TierProbe| probe.workload.as_ref().map(|key| key.name.clone());
        probes.filter_map(of).collect::<Vec<_>>()
    };
    assert_eq!(asked("http://db:3306", "http://db:3306"), ["ap", "ap-b"]);
    assert_eq!(asked("http://db:3306", "http://localhost:3306"), ["ap"]);
    assert_eq!(asked("http://localhost:3306", "http://DB:3306"), ["ap-b"]);
    // Where none of them names it, nothing is left out.
    assert_eq!(asked("", "").len(), 2);
}

#[test]
fn an_edge_that_must_not_work_is_only_connected_to() {
    let mut graph = app();
    graph.edges[0].forbidden = true;
    graph.edges[0].login = Some(LoginReference::Url {
        variable: "URL".into(),
    });
    let plan = planned(&graph, &usual());
    let task = task(&plan);
    assert!(task.forbidden && task.login.is_none() && task.endpoints.is_empty());
    assert!(task.no_login_reason.contains("must not work"));
}

#[test]
fn unread_policies_make_every_label_matter_and_take_their_time() {
    let mut snapshot = snapshot(&usual());
    snapshot.observed.insert(
        "networkpolicies".into(),
        crate::observe::Observed::Forbidden,
    );
    let plan = plan(&app(), &snapshot, &options());
    assert_eq!(
        plan.vantages[0].identity.labels,
        Labels::from([("app".into(), "ap".into())])
    );
    assert_eq!(task(&plan).retry_until_ms, 10_000);
}

#[test]
fn a_meshed_tier_is_looked_at_through_the_same_proxy() {
    let spec = "serviceAccountName: ap, containers: [{name: app}, {name: istio-proxy}]";
    let objects = [
        tier("ap", spec, &["n1"]),
        tier("db", APP, &["n2"]),
        DB_SERVICE.to_owned(),
    ]
    .concat();
    let plan = planned(&app(), &objects);
    let identity = &plan.vantages[0].identity;
    assert_eq!(identity.annotations["sidecar.istio.io/inject"], "true");
    assert_eq!(identity.service_account, "ap");
    let meshed = task(&plan);
    assert!(meshed.mesh && meshed.endpoints.is_empty() && meshed.skip_endpoints.is_some());
    assert_eq!(meshed.retry_until_ms, 10_000);
    let unmeshed = planned(&app(), &usual());
    assert_eq!(
        unmeshed.vantages[0].identity.annotations["sidecar.istio.io/inject"],
        "false"
    );
    assert!(!task(&unmeshed).mesh);
}

/// What the probe's container of AP gets for a login.
fn environment(env: &str, login: LoginReference, rest: &str) -> TierProbe {
    let mut graph = app();
    graph.edges[0].login = Some(login);
    let spec = format!("containers: [{{name: app, {env}}}]");
    let objects = [tier("ap", &spec, &["n1"]), DB_SERVICE.to_owned()].concat();
    let mut snapshot = snapshot(&objects);
    snapshot
        .observed
        .insert("configmaps".into(), crate::observe::Observed::Ok);
    let state = snapshot.namespaces.get_mut("default").unwrap();
    state.config_maps = serde_saphyr::from_str(rest).unwrap();
    plan(&graph, &snapshot, &options()).vantages[0].containers[0].clone()
}

fn url(variable: &str) -> LoginReference {
    LoginReference::Url {
        variable: variable.to_owned(),
    }
}

#[test]
fn a_literal_refers_to_what_stands_above_it_and_nothing_else() {
    let probe = environment(
        "env: [{name: PASS, valueFrom: {secretKeyRef: {name: s, key: p}}}, {name: URL, value: 'mysql://u:$(PASS)@$(DB_SERVICE_HOST)/$$(PASS)$(BELOW)$(NONE)$'}, {name: BELOW, value: x}, {name: API_TOKEN, value: secret}]",
        url("URL"),
        "[]",
    );
    let json = serde_json::json!(probe.env);
    assert_eq!(
        json,
        serde_json::json!([
            {"name": "T_PASS", "valueFrom": {"secretKeyRef": {"name": "s", "key": "p", "optional": true}}},
            {"name": "T_DB_SERVICE_HOST", "value": "10.96.0.9"},
            {"name": "T_URL", "value": "mysql://u:$(T_PASS)@$(T_DB_SERVICE_HOST)/$$(PASS)$$(BELOW)$$(NONE)$"},
        ])
    );
    assert!(probe.env_from.is_empty());
}

#[test]
fn a_web_url_is_copied_without_path_and_query() {
    let probe = environment(
        "env: [{name: PASS, valueFrom: {secretKeyRef: {name: s, key: p}}}, {name: URL, value: 'https://u:$(PASS)@db:9200/hook/token?key=abc'}]",
        url("URL"),
        "[]",
    );
    assert_eq!(
        serde_json::json!(probe.env[1]),
        serde_json::json!({"name": "T_URL", "value": "https://u:$(T_PASS)@db:9200"})
    );
}

#[test]
fn a_reference_with_one_value_above_and_one_below_gives_no_login() {
    let probe = environment(
        "env: [{name: PASS, value: a}, {name: URL, value: 'mysql://u:$(PASS)@db'}, {name: PASS, value: b}]",
        url("URL"),
        "[]",
    );
    let task = &probe.spec.edges[0];
    assert!(task.login.is_none());
    assert!(
        task.no_login_reason
            .contains("sets PASS above and below URL")
    );
}

#[test]
fn whole_sources_come_by_key_where_the_key_is_known() {
    let maps = "[{metadata: {name: c}, data: {HOST: db}}]";
    let login = LoginReference::Parts {
        host: Some("DB_HOST".into()),
        port: Some("DB_PORT".into()),
        user: None,
        password: Some("PASSWORD".into()),
        database: None,
    };
    let probe = environment(
        "envFrom: [{prefix: DB_, configMapRef: {name: c}}, {secretRef: {name: s}}]",
        login.clone(),
        "[{metadata: {name: c}, data: {OTHER: x}}]",
    );
    // The ConfigMap has neither; the Secret may have all.
    assert_eq!(probe.env.len(), 3);
    assert!(probe.env.iter().all(|variable| {
        let source = variable.value_from.as_ref().unwrap();
        source.secret_key_ref.as_ref().unwrap().optional
    }));
    let probe = environment(
        "envFrom: [{secretRef: {name: s}}, {prefix: DB_, configMapRef: {name: c}}]",
        login,
        maps,
    );
    let host = probe
        .env
        .iter()
        .find(|variable| variable.name == "T_DB_HOST")
        .unwrap();
    assert_eq!(
        host.value_from
            .as_ref()
            .unwrap()
            .config_map_key_ref
            .as_ref()
            .unwrap()
            .key,
        "HOST"
    );
    let probe = environment(
        "envFrom: [{secretRef: {name: a}}, {secretRef: {name: b}}]",
        url("URL"),
        "[]",
    );
    assert!(probe.env.is_empty());
    let prefixes: Vec<&str> = probe
        .env_from
        .iter()
        .map(|source| source.prefix.as_str())
        .collect();
    assert_eq!(prefixes, ["T_", "T_"]);
    assert_eq!(probe.env_from[1].secret_ref.as_ref().unwrap().name, "b");
}

#[test]
fn a_login_whose_secret_is_not_set_is_not_tried() {
    let probe = environment("env: [{name: OTHER, value: x}]", url("URL"), "[]");
    let task = &probe.spec.edges[0];
    assert!(task.login.is_none());
    assert_eq!(
        task.no_login_reason,
        "container app of deployment/ap has no URL"
    );
    let probe = environment(
        "env: []",
        LoginReference::Parts {
            host: None,
            port: None,
            user: None,
            password: None,
            database: None,
        },
        "[]",
    );
    assert!(
        probe.spec.edges[0].login.is_some(),
        "a login without a password is one"
    );
}

#[test]
fn what_a_whole_secret_may_hold_is_not_known_to_be_missing() {
    let without = LoginReference::Parts {
        host: Some("DB_HOST".into()),
        port: None,
        user: None,
        password: None,
        database: Some("DB_NAME".into()),
    };
    let whole = "env: [{name: DB_HOST, value: db}], envFrom: [{secretRef: {name: s}}]";
    let probe = environment(whole, without.clone(), "[]");
    let task = &probe.spec.edges[0];
    assert!(task.login.is_none());
    assert!(
        task.no_login_reason.contains("taken in as a whole"),
        "{}",
        task.no_login_reason
    );
    let known = "env: [{name: DB_HOST, value: db}], envFrom: [{configMapRef: {name: c}}]";
    let probe = environment(known, without, "[]");
    assert!(probe.spec.edges[0].login.is_some());
}

fn looked(step: crate::probe::wire::Step, node: &str) -> Outcomes {
    let mut probe = probe("AP", node, vec![step]);
    probe.vantage = "v1".into();
    Outcomes {
        probes: vec![probe],
    }
}

const EDGE: &str = "AP->DB:3306/mysql";

fn second(objects: &str, outcomes: &Outcomes) -> ProbePlan {
    second_of(&snapshot(objects), outcomes)
}

fn second_of(snapshot: &Snapshot, outcomes: &Outcomes) -> ProbePlan {
    let graph = app();
    let first = plan(&graph, snapshot, &options());
    second_look(&graph, snapshot, &first, outcomes, &options())
}

#[test]
fn a_failed_connection_is_looked_at_from_the_targets_node() {
    let outcomes = looked(fail(EDGE, StepName::Service, StepError::Timeout), "n1");
    let plan = second(&usual(), &outcomes);
    assert_eq!(plan.vantages.len(), 1);
    assert_eq!(plan.vantages[0].look, Look::OtherNode);
    assert_eq!(plan.vantages[0].identity.node.as_deref(), Some("n2"));
    let task = &plan.vantages[0].containers[0].spec.edges[0];
    assert!(task.login.is_none() && !task.endpoints.is_empty());
}

#[test]
fn nothing_is_looked_at_where_that_would_show_nothing() {
    let timeout = || fail(EDGE, StepName::Service, StepError::Timeout);
    let one_node = [
        tier("ap", APP, &["n1"]),
        tier("db", APP, &["n1"]),
        DB_SERVICE.to_owned(),
        node("n1", "True"),
    ]
    .concat();
    assert!(
        second(&one_node, &looked(timeout(), "n1"))
            .vantages
            .is_empty()
    );
    for step in [
        pass(EDGE, StepName::Service),
        fail(EDGE, StepName::Dns, StepError::Nxdomain),
        fail(EDGE, StepName::Login, StepError::LoginDenied),
    ] {
        assert!(second(&usual(), &looked(step, "n1")).vantages.is_empty());
    }
    let denied = "
---
kind: NetworkPolicy
metadata: {name: no-one}
spec: {podSelector: {}}
";
    let objects = [usual().as_str(), denied].concat();
    assert!(
        second(&objects, &looked(timeout(), "n1"))
            .vantages
            .is_empty()
    );
    let unready = usual().replace("endpoints: [{", "endpoints: [{conditions: {ready: false}, ");
    assert!(
        second(&unready, &looked(timeout(), "n1"))
            .vantages
            .is_empty()
    );
    // A client that asks no name server asks none from elsewhere either.
    let mut graph = app();
    let servers = |servers: &[&str]| crate::graph::OwnResolver {
        servers: servers.iter().map(|one| (*one).to_owned()).collect(),
    };
    let lost = looked(fail(EDGE, StepName::Dns, StepError::DnsTimeout), "n1");
    for (own, looks) in [(servers(&[]), 0), (servers(&["10.96.0.10"]), 1)] {
        graph.edges[0].resolver = Some(own);
        let first = plan(&graph, &snapshot(&usual()), &options());
        let second = second_look(&graph, &snapshot(&usual()), &first, &lost, &options());
        assert_eq!(second.vantages.len(), looks);
    }
    // One place passes: the places are distinguished already.
    let mut both = looked(timeout(), "n1");
    both.probes
        .push(probe("AP", "n2", vec![pass(EDGE, StepName::Service)]));
    assert!(second(&usual(), &both).vantages.is_empty());
}

#[test]
fn policies_that_could_not_be_judged_are_looked_at_with_all_labels_and_without() {
    let mut snapshot = snapshot(&usual());
    snapshot.other_policies.push(OtherPolicy {
        resource: "ciliumnetworkpolicies.cilium.io".into(),
        kind: "CiliumNetworkPolicy".into(),
        objects: None,
    });
    let outcomes = looked(fail(EDGE, StepName::Service, StepError::Timeout), "n1");
    let looks = |snapshot: &Snapshot| -> Vec<Look> {
        second_of(snapshot, &outcomes)
            .vantages
            .iter()
            .map(|vantage| vantage.look)
            .collect()
    };
    assert_eq!(looks(&snapshot), [Look::OtherNode, Look::AllLabels]);
    snapshot.other_policies[0].objects = Some(vec![
        serde_json::json!({"spec": {"endpointSelector": {"matchLabels": {"app": "db"}}}}),
    ]);
    assert_eq!(looks(&snapshot), [Look::OtherNode, Look::NoLabels]);
}

#[test]
fn what_changed_behind_a_failed_edge_is_looked_at_once_more() {
    let graph = app();
    let before = snapshot(&usual());
    let after = snapshot(&usual().replace("10.1.0.198]", "10.1.0.99]"));
    let denied = looked(fail(EDGE, StepName::Login, StepError::LoginDenied), "n1");
    assert!(
        again(&graph, &before, &before, &denied, &options())
            .vantages
            .is_empty()
    );
    let once_more = again(&graph, &before, &after, &denied, &options());
    assert_eq!(once_more.vantages[0].id, "a1");
    assert_eq!(once_more.vantages[0].look, Look::Again);
    assert_eq!(
        task(&once_more).endpoints[0].address.to_string(),
        "10.1.0.99"
    );
    assert!(task(&once_more).login.is_none());
    let mut replaced = snapshot(&usual());
    for state in replaced.namespaces.values_mut() {
        for pod in &mut state.pods {
            pod.metadata.uid.push_str("-new");
        }
    }
    let reason = |after: &Snapshot| {
        let mut graph = app();
        graph.edges[0].login = Some(url("URL"));
        let once_more = again(&graph, &before, after, &denied, &options());
        task(&once_more).no_login_reason.clone()
    };
    assert!(
        reason(&after).contains("not tried again"),
        "{}",
        reason(&after)
    );
    let tried = reason(&replaced);
    assert!(
        !tried.is_empty() && !tried.contains("not tried again"),
        "{tried}"
    );
    let passed = looked(pass(EDGE, StepName::Query), "n1");
    assert!(
        again(&graph, &before, &after, &passed, &options())
            .vantages
            .is_empty()
    );
}

#[test]
fn a_name_that_no_one_has_stays_one_whatever_comes_and_goes() {
    let mut graph = app();
    graph.edges[0].host = "gone".into();
    let elsewhere = "
---
kind: Service
metadata: {name: gone, namespace: data}
spec: {clusterIP: 10.96.7.7, ports: [{port: 3306}]}
";
    let before = snapshot(&usual());
    let restarted = usual().replace("10.1.0.198]", "10.1.0.99]");
    let missing = looked(fail(EDGE, StepName::Dns, StepError::Nxdomain), "n1");
    let once_more = |after: &Snapshot| again(&graph, &before, after, &missing, &options());
    let after = snapshot(&[restarted.as_str(), elsewhere].concat());
    assert!(once_more(&after).vantages.is_empty());
    // It came while it was asked for.
    let came = elsewhere.replace(", namespace: data", "");
    let after = snapshot(&[usual().as_str(), &came].concat());
    assert_eq!(once_more(&after).vantages.len(), 1);
}

#[test]
fn a_tier_of_another_namespace_is_looked_at_there() {
    let mut graph = app();
    graph.tiers.get_mut("AP").unwrap().workloads = vec![WorkloadKey::new("front", "pod", "ap")];
    graph.tiers.get_mut("AP").unwrap().services = Vec::new();
    graph.edges[0].host = "db.default".into();
    let pod = "
---
kind: Pod
metadata: {name: ap, namespace: front}
spec: {nodeName: n1, containers: [{name: app}]}
status: {phase: Running, podIP: 10.1.7.7}
";
    let plan = planned(&graph, &[usual().as_str(), pod].concat());
    let vantage = plan
        .vantages
        .iter()
        .find(|vantage| vantage.identity.namespace == "front")
        .unwrap();
    assert_eq!(vantage.containers[0].spec.edges[0].endpoints.len(), 1);
    assert_eq!(
        graph.tiers["DB"].services,
        [ServiceKey::new("default", "db")]
    );
    // The other namespace's policies were not read: they may concern the edge.
    assert_eq!(vantage.containers[0].spec.edges[0].retry_until_ms, 10_000);
}

#[test]
fn a_ca_comes_from_a_mounted_config_map_by_reference_and_its_name_with_it() {
    let mut graph = app();
    graph.edges[0].login = Some(url("URL"));
    let spec = "containers: [{name: app, env: [{name: URL, value: 'mysql://u:p@db'}, {name: DB_SSL_CA, value: /ca/root.crt}, {name: OTHER, value: x}], volumeMounts: [{name: ca, mountPath: /ca/}]}], volumes: [{name: ca, configMap: {name: trust, items: [{key: pem, path: root.crt}]}}]";
    let objects = [tier("ap", spec, &["n1"]), DB_SERVICE.to_owned()].concat();
    let mut snapshot = snapshot(&objects);
    let state = snapshot.namespaces.get_mut("default").unwrap();
    state.config_maps = serde_saphyr::from_str(
        "[{metadata: {name: trust}, data: {pem: '-----BEGIN CERTIFICATE-----', other: x}}]",
    )
    .unwrap();
    let probe = plan(&graph, &snapshot, &options()).vantages[0].containers[0].clone();
    let json = serde_json::json!([probe.env, probe.spec.authorities]);
    assert_eq!(
        json,
        serde_json::json!([[
            {"name": "T_URL", "value": "mysql://u:p@db"},
            {"name": "T_DB_SSL_CA", "value": "/ca/root.crt"},
            {"name": "T_K8SVERIFY_FILE_0", "valueFrom": {"configMapKeyRef": {"name": "trust", "key": "pem", "optional": true}}},
        ], [{"path": "/ca/root.crt", "variable": "K8SVERIFY_FILE_0"}]])
    );
}

#[test]
fn a_ca_of_a_secret_is_mounted_by_its_key_and_read_by_no_one_else() {
    let spec = "containers: [{name: app, env: [{name: URL, value: 'postgres://u:p@db/x?sslmode=verify-full&sslrootcert=/tls/own'}, {name: DB_SSL_CA, value: /all/root}], volumeMounts: [{name: one, mountPath: /tls}, {name: all, mountPath: /all}]}], volumes: [{name: one, secret: {secretName: s}}, {name: all, projected: {sources: [{secret: {name: t, items: [{key: k, path: root}, {key: tls.key, path: key}]}}, {configMap: {name: c, items: [{key: m, path: m}]}}]}}]";
    let objects = [tier("ap", spec, &["n1"]), DB_SERVICE.to_owned()].concat();
    let plan = planned(&app(), &objects);
    let vantage = &plan.vantages[0];
    let files = &vantage.containers[0].spec.authorities;
    let found = |path: &str| {
        let file = files.iter().find(|file| file.path == path)?;
        let key = file.secret.as_ref()?;
        Some(format!("{} {}", key.name, key.key))
    };
    assert_eq!(found("/tls/own").as_deref(), Some("s own"));
    assert_eq!(found("/all/root").as_deref(), Some("t k"));
    // What is usual is tried where the keys of a Secret are not listed.
    assert_eq!(found("/tls/ca.crt").as_deref(), Some("s ca.crt"));
    assert!(files.iter().all(|file| !file.path.contains("key")));
    let job = job::manifest(vantage, &JobOptions::default());
    let pod = &job["spec"]["template"]["spec"];
    let (volumes, mounts) = (&pod["volumes"], &pod["containers"][0]["volumeMounts"]);
    assert_eq!(volumes.as_array().unwrap().len(), files.len());
    for (index, file) in files.iter().enumerate() {
        let key = file.secret.as_ref().unwrap();
        let secret = &volumes[index]["secret"];
        assert_eq!(secret["secretName"], key.name.as_str());
        assert_eq!(
            secret["items"],
            serde_json::json!([{"key": key.key, "path": "text"}])
        );
        assert_eq!(secret["optional"], true);
        assert_eq!(volumes[index]["name"], mounts[index]["name"]);
        let place = format!("{}/{}", crate::probe::wire::FILES, file.variable);
        assert_eq!(mounts[index]["mountPath"], place.as_str());
    }
}

/// The only task of AP, whose container has `env`, towards a database Pod with that image.
fn permitted(
    env: &str,
    image: &str,
    change: &dyn Fn(&mut TierGraph, &mut PlanOptions),
) -> EdgeTask {
    let mut graph = app();
    graph.edges[0].origin = vec!["compose.yaml:7".to_owned().into()];
    graph.edges[0].login = Some(LoginReference::Parts {
        host: Some("DB_HOST".to_owned()),
        port: None,
        user: None,
        password: Some("DB_PASSWORD".to_owned()),
        database: None,
    });
    let mut options = options();
    change(&mut graph, &mut options);
    let objects = [
        tier("ap", &format!("containers: [{{name: app, image: app, env: [{{name: DB_PASSWORD, valueFrom: {{secretKeyRef: {{name: s, key: p}}}}}}, {{name: STRIPE_API_KEY, valueFrom: {{secretKeyRef: {{name: s, key: k}}}}}}{env}]}}]"), &["n1"]),
        tier("db", &format!("containers: [{{name: db, image: '{image}'}}]"), &["n2"]),
        DB_SERVICE.to_owned(),
        "
---
kind: Service
metadata: {name: moved}
spec: {type: ExternalName, externalName: db.attacker.svc.cluster.local}
"
        .to_owned(),
    ]
    .concat();
    task(&plan(&graph, &snapshot(&objects), &options)).clone()
}

fn host(name: &'static str) -> impl Fn(&mut TierGraph, &mut PlanOptions) {
    move |graph, _| graph.edges[0].host = name.to_owned()
}

#[test]
fn a_host_that_only_compose_names_gets_the_login_at_pods_of_its_product_alone() {
    let found = permitted("", "mysql:8", &|_, _| {});
    assert!(found.login.is_some(), "{}", found.no_login_reason);
    let addresses: Vec<String> = found
        .login_addresses
        .unwrap()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(addresses, ["10.1.0.198", "10.96.0.9"]);
    for image in ["registry.example/own:1", "redis:7"] {
        let found = permitted("", image, &|_, _| {});
        assert!(found.login.is_none(), "{image}");
        assert!(
            found
                .no_login_reason
                .starts_with("login skipped: the host stands only in compose.yaml:7"),
            "{}",
            found.no_login_reason
        );
    }
}

#[test]
fn a_host_elsewhere_gets_no_login_unless_the_container_or_the_user_names_it() {
    for name in [
        "evil.attacker.svc.cluster.local",
        "moved",
        "192.0.2.1",
        "db.attacker",
    ] {
        let found = permitted("", "mysql:8", &host(name));
        assert!(found.login.is_none(), "{name}");
        let found = permitted("", "mysql:8", &|graph, options| {
            host(name)(graph, options);
            options.allow_login.insert(name.to_uppercase());
        });
        assert!(
            found.login.is_some() && found.login_addresses.is_none(),
            "{name}"
        );
        let own = format!(", {{name: SETTINGS, value: 'x=1;server={name}:3306'}}");
        let found = permitted(&own, "own:1", &host(name));
        assert!(
            found.login.is_some() && found.login_addresses.is_none(),
            "{name}"
        );
        let other = format!(", {{name: SETTINGS, value: 'not-{name}'}}");
        assert!(
            permitted(&other, "own:1", &host(name)).login.is_none(),
            "{name}"
        );
    }
    let own = ", {name: DB_HOST, value: db.data.example}";
    assert!(
        permitted(own, "own:1", &host("db.data.example"))
            .login
            .is_some()
    );
}

/// A login that the user's file names by these variables.
fn said(
    names: &'static [(&'static str, &'static str)],
) -> impl Fn(&mut TierGraph, &mut PlanOptions) {
    move |graph, _| {
        let name = |part: &str| {
            let found = names.iter().find(|(kind, _)| *kind == part);
            found.map(|(_, name)| (*name).to_owned())
        };
        graph.edges[0].login_said = Some("k8sverify.yaml:4".to_owned());
        graph.edges[0].login = Some(LoginReference::Parts {
            host: name("host"),
            port: None,
            user: name("user"),
            password: name("password"),
            database: name("database"),
        });
    }
}

const SECRETS: &str = ", {name: REDIS_PASSWORD, valueFrom: {secretKeyRef: {name: s, key: r}}}, {name: DB_PASS, valueFrom: {secretKeyRef: {name: s, key: d}}}, {name: PASSWORD, valueFrom: {secretKeyRef: {name: stripe, key: password}}}, {name: WEBHOOK_URL, value: 'https://hooks.example'}, {name: DB_HOST, value: db}";

#[test]
fn a_login_of_the_users_file_is_of_the_edges_product_and_can_be_switched_off() {
    for names in [
        &[("password", "DB_PASSWORD")][..],
        &[
            ("user", "DB_USER"),
            ("password", "DB_PASS"),
            ("database", "APP_DB"),
        ],
        &[("host", "DB_HOST"), ("password", "DB_PASSWORD")],
    ] {
        let found = permitted(SECRETS, "mysql:8", &said(names));
        assert!(found.login.is_some(), "{names:?} {}", found.no_login_reason);
    }
    for names in [
        &[("password", "STRIPE_API_KEY")][..],
        &[("password", "REDIS_PASSWORD")],
        // One word says nothing: here the Secret's name does.
        &[("password", "PASSWORD")],
        &[("user", "STRIPE_API_KEY")],
        &[
            ("user", "DB_USER"),
            ("password", "DB_PASS"),
            ("database", "STRIPE_API_KEY"),
        ],
        // What is no host is not even asked of DNS.
        &[("host", "STRIPE_API_KEY")],
        &[("host", "WEBHOOK_URL"), ("password", "DB_PASSWORD")],
    ] {
        let found = permitted(SECRETS, "mysql:8", &said(names));
        assert!(found.login.is_none(), "{names:?}");
        assert!(
            found.no_login_reason.contains("k8sverify.yaml:4 names it"),
            "{}",
            found.no_login_reason
        );
        // Names of the file itself are no evidence, wherever they stand.
        let found = permitted(SECRETS, "mysql:8", &|graph, options| {
            said(names)(graph, options);
            graph.edges[0].to = "stripe-api-key-redis-password".to_owned();
            graph.edges[0].host = "stripe-api-key".to_owned();
            graph.edges[0].variable = Some("STRIPE_API_KEY_HOST".to_owned());
        });
        assert!(found.login.is_none(), "{names:?}");
        let found = permitted(SECRETS, "mysql:8", &|graph, options| {
            said(names)(graph, options);
            options.allow_login.insert("db".to_owned());
        });
        assert!(
            !found.no_login_reason.contains("login skipped"),
            "{}",
            found.no_login_reason
        );
    }
    let off = permitted("", "mysql:8", &|_, options| options.login = false);
    assert!(off.login.is_none());
}

#[test]
fn a_host_is_named_only_where_the_container_dials_one() {
    for (text, named) in [
        ("{name: LOG_LEVEL, value: db.data}", false),
        ("{name: ALLOWED_HOSTS, value: 'db.data:3306'}", false),
        ("{name: DB_NAME, value: db.data}", false),
        ("{name: JAR, value: '-jar db.data'}", false),
        ("{name: SITE, value: 'https://db.data/x'}", false),
        ("{name: SITE, value: 'redis://db.data:3306'}", false),
        ("{name: SITE, value: 'db.data:3307'}", false),
        ("{name: SITE, value: 'db.data:3306'}", true),
        ("{name: MY_DB_SERVER, value: db.data}", true),
        ("{name: X_URL, value: 'mysql://db.data/x'}", true),
        ("{name: JAVA_OPTS, value: '-Ddb.host=db.data'}", true),
        (
            "{name: DB_HOST, value: other}, {name: DB_HOST_FALLBACK_HOST, value: db.data}",
            true,
        ),
    ] {
        let found = permitted(&format!(", {text}"), "own:1", &|graph, options| {
            host("db.data")(graph, options);
            if let Some(LoginReference::Parts { host, .. }) = &mut graph.edges[0].login {
                *host = None;
            }
        });
        assert_eq!(
            found.login.is_some(),
            named,
            "{text}: {}",
            found.no_login_reason
        );
    }
}

#[test]
fn a_password_that_a_file_of_a_secret_holds_comes_by_reference() {
    let mut graph = app();
    graph.edges[0].login = Some(LoginReference::Parts {
        host: Some("DB_HOST".to_owned()),
        port: None,
        user: Some("DB_USER".to_owned()),
        password: Some("DB_PASSWORD".to_owned()),
        database: None,
    });
    let by_value = "containers: [{name: app, env: [{name: DB_HOST, value: db}, {name: DB_USER, value: u}, {name: DB_PASSWORD_FILE, value: /run/secrets/pw}], volumeMounts: [{name: s, mountPath: /run/secrets}]}], volumes: [{name: s, secret: {secretName: db-login, items: [{key: password, path: pw}]}}]";
    // The path may stand in a ConfigMap as well.
    let by_map = by_value.replace(
        ", {name: DB_PASSWORD_FILE, value: /run/secrets/pw}]",
        "], envFrom: [{configMapRef: {name: conf}}]",
    );
    let map =
        "kind: ConfigMap\nmetadata: {name: conf}\ndata: {DB_PASSWORD_FILE: /run/secrets/pw}\n";
    for spec in [by_value, by_map.as_str()] {
        let objects = [map, &tier("ap", spec, &["n1"]), DB_SERVICE].concat();
        let plan = planned(&graph, &objects);
        let probe = &plan.vantages[0].containers[0];
        assert!(probe.spec.edges[0].login.is_some());
        assert_eq!(probe.spec.from_files, ["DB_PASSWORD"]);
        let password = probe
            .env
            .iter()
            .find(|one| one.name == "T_DB_PASSWORD")
            .unwrap();
        let key = password
            .value_from
            .as_ref()
            .unwrap()
            .secret_key_ref
            .as_ref()
            .unwrap();
        assert_eq!(
            (key.name.as_str(), key.key.as_str(), key.optional),
            ("db-login", "password", true)
        );
    }
}

#[test]
fn where_only_older_pods_run_the_variables_are_those_of_the_template() {
    let template = "containers: [{name: app, env: [{name: URL, value: 'mysql://u:p@new'}]}]";
    let older = "containers: [{name: app, env: [{name: URL, value: 'mysql://u:p@old'}]}]";
    let objects = |revision: &str| {
        let mut text = tier("ap", older, &["n1"]).replacen(older, template, 1);
        text = text.replace(
            "metadata: {name: ap-1, ",
            &format!("metadata: {{name: ap-1, annotations: {{deployment.kubernetes.io/revision: '{revision}'}}, "),
        );
        text + "
---
kind: ReplicaSet
metadata: {name: ap-2, annotations: {deployment.kubernetes.io/revision: '2'}, ownerReferences: [{kind: Deployment, name: ap, controller: true}]}
"
    };
    let mut graph = graph(&["AP->DB:3306/mysql"]);
    graph.edges[0].login = Some(url("URL"));
    let host = |revision: &str| {
        let objects = [objects(revision), DB_SERVICE.to_owned(), node("n1", "True")].concat();
        let plan = planned(&graph, &objects);
        serde_json::json!(plan.vantages[0].containers[0].env).to_string()
    };
    assert!(host("1").contains("@new"), "{}", host("1"));
    assert!(host("3").contains("@old"), "{}", host("3"));
}

#[test]
fn nothing_is_walked_ahead_while_a_rollout_has_pods_to_make() {
    let graph = graph(&["AP->DB:3306/mysql", "WEB->DB:3306/mysql"]);
    let ahead = |replicas: &str| {
        let late = tier("web", APP, &["n1"]).replace(
            "spec: {selector: {matchLabels: {app: web}}",
            &format!("spec: {{replicas: {replicas}, selector: {{matchLabels: {{app: web}}}}"),
        );
        let mut state = snapshot(&[usual(), late].concat());
        let web = WorkloadKey::new(&state.namespace, "deployment", "web");
        state.settle.unsettled.insert(web, "late".to_owned());
        let plan = ahead(&graph, &state, &options());
        let tasks = plan.vantages.iter().flat_map(|one| &one.containers);
        tasks.map(|one| one.spec.edges.len()).sum::<usize>()
    };
    assert_eq!(ahead("1"), 1);
    assert_eq!(ahead("2"), 0);
}

#[test]
fn a_login_that_stands_in_a_file_comes_by_reference_where_nothing_else_may_say_another() {
    let name = |key: &str| Some(crate::address::key_of_file("/etc/app/app.yaml", key));
    let mut graph = app();
    graph.edges[0].login = Some(LoginReference::Parts {
        host: name("db.host"),
        port: None,
        user: name("db.user"),
        password: name("db.password"),
        database: None,
    });
    let pod = |source: &str, rest: &str| {
        let spec = format!(
            "containers: [{{name: app, volumeMounts: [{{name: conf, mountPath: /etc/app}}, {{name: more, mountPath: /more}}]{rest}}}], volumes: [{{name: conf, {source}}}, {{name: more, MORE}}]"
        );
        let spec = spec.replace(
            "MORE",
            if rest == "+" {
                "secret: {secretName: s}"
            } else {
                "configMap: {name: m}"
            },
        );
        let spec = spec.replace("]+}", "]}");
        let objects = [tier("ap", &spec, &["n1"]), DB_SERVICE.to_owned()].concat();
        planned(&graph, &objects).vantages[0].containers[0].clone()
    };
    let of_map = pod("configMap: {name: conf}", "");
    assert!(of_map.spec.edges[0].login.is_some());
    assert_eq!(
        serde_json::json!([of_map.env, of_map.spec.settings]),
        serde_json::json!([
            [{"name": "T_K8SVERIFY_SETTINGS_0", "valueFrom": {"configMapKeyRef": {"name": "conf", "key": "app.yaml", "optional": true}}}],
            [{"path": "/etc/app/app.yaml", "variable": "K8SVERIFY_SETTINGS_0"}]
        ])
    );
    let of_secret = pod("secret: {secretName: conf}", "");
    assert!(of_secret.spec.edges[0].login.is_some());
    assert_eq!(
        serde_json::json!(of_secret.spec.settings),
        serde_json::json!([{"path": "/etc/app/app.yaml", "variable": "K8SVERIFY_SETTINGS_0", "secret": {"name": "conf", "key": "app.yaml"}}])
    );
    for rest in ["+", ", envFrom: [{secretRef: {name: s}}]"] {
        let other = pod("configMap: {name: conf}", rest);
        assert_eq!(other.spec.edges[0].login, None, "{rest}");
        assert!(
            other.spec.edges[0]
                .no_login_reason
                .contains("may hold another")
        );
    }
    let absent = pod("configMap: {name: conf, items: [{key: a, path: b}]}", "");
    assert_eq!(absent.spec.edges[0].login, None);
}

#[test]
fn a_client_surely_sends_no_password_only_where_its_pod_names_the_host() {
    let reason = |env: &str, place: Option<&str>| {
        let spec = format!("containers: [{{name: app, env: [{env}]}}]");
        let objects = [tier("ap", &spec, &["n1"]), DB_SERVICE.to_owned()].concat();
        let mut graph = app();
        let edge = &mut graph.edges[0];
        edge.variable = env.contains("HOST").then(|| "DB_HOST".to_owned());
        edge.login_place = place.map(str::to_owned);
        task(&planned(&graph, &objects)).no_login_reason.clone()
    };
    let none = crate::probe::wire::NO_CREDENTIALS;
    assert_eq!(reason("{name: DB_HOST, value: db}", None), none);
    assert_eq!(
        reason("{name: URL, value: 'mysql://db:3306/x'}", None),
        none
    );
    assert!(reason("", None).contains("does not name the host"));
    let place = reason("{name: DB_HOST, value: db}", Some("secret/conf"));
    assert!(place.ends_with("secret/conf"), "{place}");
}
