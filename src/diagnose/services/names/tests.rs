//! Tests of `names`.

use super::*;
use crate::diagnose::fixtures;
use crate::finding::Severity;
use crate::graph::{Confidence, ServerHint, TierGraph};
use crate::plan::Outcomes;
use crate::probe::wire::StepName;
use crate::protocol::Protocol;
use std::num::NonZeroU16;

const DB: &str = "
kind: Deployment
metadata: {name: db}
spec: {replicas: 1, selector: {matchLabels: {app: db}}, template: {metadata: {labels: {app: db}}, spec: {containers: [{name: db, ports: [{containerPort: 3306}]}]}}}
---
kind: Pod
metadata: {name: db-x, labels: {app: db}, ownerReferences: [{kind: ReplicaSet, name: db-1, controller: true}]}
spec: {containers: [{name: db}]}
status: {phase: Running}
---
kind: ReplicaSet
metadata: {name: db-1, ownerReferences: [{kind: Deployment, name: db, controller: true}]}
---
kind: Deployment
metadata: {name: ap}
spec: {replicas: 1, selector: {matchLabels: {app: ap}}, template: {metadata: {labels: {app: ap}}, spec: {containers: [{name: ap, env: [{name: DB_HOST, value: ASKED}]}]}}}
---
";
const SERVICE: &str = "
kind: Service
metadata: {name: NAME, namespace: SPACE}
spec: {clusterIP: 10.96.0.9, selector: {app: db}, ports: [{port: 3306}]}
";
const ID: &str = "AP->DB:3306/mysql";

fn graph(host: &str) -> TierGraph {
    let mut graph = fixtures::graph(&[ID]);
    graph.edges[0].host = host.to_owned();
    graph.edges[0].variable = Some("DB_HOST".to_owned());
    graph
}

fn found(host: &str, objects: &str, outcomes: Option<&Outcomes>) -> Vec<Finding> {
    let snapshot = fixtures::snapshot(&objects.replace("ASKED", host));
    let graph = graph(host);
    let context = Context::new(&graph, &snapshot, outcomes);
    unresolved(&context)
}

fn service(name: &str, namespace: &str) -> String {
    SERVICE.replace("NAME", name).replace("SPACE", namespace)
}

#[test]
fn a_running_pod_without_service_gets_the_service_that_its_clients_ask_for() {
    let found = found("DB", DB, None);
    assert_eq!(found[0].id("default").0, "service-missing deployment/db");
    assert!(found[0].message.contains("db-x is Running"));
    assert_eq!(found[0].edges.len(), 1);
    let fix = found[0].fix.as_ref().unwrap();
    let value: serde_json::Value = serde_saphyr::from_str(fix.manifest.as_ref().unwrap()).unwrap();
    assert_eq!(value["metadata"]["name"], "db");
    assert_eq!(value["spec"]["selector"]["app"], "db");
    assert_eq!(value["spec"]["ports"][0]["targetPort"], 3306);
    assert_eq!(
        fix.command.as_deref(),
        Some("kubectl -n default expose deployment/db --name=db --port=3306 --target-port=3306")
    );
}

#[test]
fn a_service_of_that_name_and_a_name_that_resolves_are_silent() {
    assert!(found("DB", &(DB.to_owned() + &service("db", "default")), None).is_empty());
    let outcomes = fixtures::outcomes(vec![fixtures::probe(
        "AP",
        "node-1",
        vec![
            fixtures::pass(ID, StepName::Dns),
            fixtures::fail(ID, StepName::Service, StepError::Refused),
        ],
    )]);
    assert!(found("DB", DB, Some(&outcomes)).is_empty());
}

#[test]
fn another_name_is_reported_with_the_command_that_renames_the_client() {
    let objects = DB.to_owned() + &service("my-db", "default");
    let found = found("my_db", &objects, None);
    assert_eq!(
        found[0].id("default").0,
        "service-name-mismatch service/my-db"
    );
    let fix = found[0].fix.as_ref().unwrap();
    assert_eq!(fix.manifest, None, "no Service can be called my_db");
    assert_eq!(
        fix.command.as_deref(),
        Some("kubectl -n default set env deployment/ap DB_HOST=my-db")
    );
}

#[test]
fn a_service_of_another_namespace_is_named_with_that() {
    let clients = DB.rsplit_once("---\nkind: Deployment").unwrap().1;
    let objects = format!("kind: Deployment{clients}{}", service("db", "data"));
    let snapshot = fixtures::snapshot(&objects);
    let mut graph = graph("db");
    graph.tiers.get_mut("DB").unwrap().workloads.clear();
    let found = unresolved(&Context::new(&graph, &snapshot, None));
    assert_eq!(
        found[0].id("default").0,
        "service-in-other-namespace service/db@data"
    );
    // Where a Service of the client's own namespace is found too, the application is installed once more.
    let again = format!(
        "{objects}---{}---{}",
        service("web", "data"),
        service("web", "default")
    );
    let snapshot = fixtures::snapshot(&again);
    let found = unresolved(&Context::new(&graph, &snapshot, None));
    assert_eq!(found[0].id("default").0, "workload-missing tier/DB");
}

#[test]
fn a_tier_that_no_one_runs_is_missing_if_it_is_called() {
    let snapshot = fixtures::snapshot("");
    let mut graph = graph("DB");
    let tier = graph.tiers.get_mut("DB").unwrap();
    tier.workloads.clear();
    tier.services.clear();
    let found = unresolved(&Context::new(&graph, &snapshot, None));
    assert_eq!(found[0].id("default").0, "workload-missing tier/DB");
    assert_eq!(found[0].severity, Severity::Error);
    // Its client asks elsewhere now: who merely starts after it in compose is no proof of need.
    let mut outside = graph.edges[0].clone();
    outside.external = true;
    "shop.rds.example.com".clone_into(&mut outside.host);
    graph.edges[0].confidence = Confidence::Weak;
    graph.edges.push(outside);
    let context = Context::new(&graph, &snapshot, None);
    let found = unresolved(&context);
    let missing: Vec<&Finding> = found
        .iter()
        .filter(|finding| finding.code == Code::WorkloadMissing)
        .collect();
    assert_eq!(missing.len(), 1);
    assert_eq!(missing[0].severity, Severity::Info);
    assert!(missing[0].message.contains("shop.rds.example.com"));
    graph.edges.clear();
    let context = Context::new(&graph, &snapshot, None);
    assert!(unresolved(&context).is_empty());
    assert_eq!(tiers_without_workload(&context)[0].severity, Severity::Info);
}

#[test]
fn a_service_of_another_name_that_selects_no_pod_has_its_own_finding() {
    let mut graph = graph("shop-db");
    graph.tiers.get_mut("DB").unwrap().server = Some(ServerHint {
        port: NonZeroU16::new(3306).unwrap(),
        protocol: Protocol::Mysql,
        evidence: "image mysql:8".to_owned(),
        by_container_alone: false,
    });
    let typo = "---\nkind: Service\nmetadata: {name: shop-db}\nspec: {selector: {app: bd}, ports: [{port: 3306}]}\n";
    let snapshot = fixtures::snapshot(&(DB.to_owned() + typo));
    assert!(servers_without_service(&Context::new(&graph, &snapshot, None)).is_empty());
    let snapshot = fixtures::snapshot(DB);
    assert_eq!(
        servers_without_service(&Context::new(&graph, &snapshot, None)).len(),
        1
    );
}

#[test]
fn a_server_without_service_is_found_without_an_edge_and_a_worker_is_not() {
    let snapshot = fixtures::snapshot(DB);
    let mut graph = graph("DB");
    graph.edges.clear();
    assert!(servers_without_service(&Context::new(&graph, &snapshot, None)).is_empty());
    graph.tiers.get_mut("DB").unwrap().server = Some(ServerHint {
        port: NonZeroU16::new(3306).unwrap(),
        protocol: Protocol::Mysql,
        evidence: "image mysql:8".to_owned(),
        by_container_alone: false,
    });
    let found = servers_without_service(&Context::new(&graph, &snapshot, None));
    assert_eq!(found[0].id("default").0, "service-missing deployment/db");
    assert_eq!(found[0].severity, Severity::Error);
    // A port that only the container declares may be one for metrics.
    let hint = graph.tiers.get_mut("DB").unwrap().server.as_mut().unwrap();
    hint.by_container_alone = true;
    let found = servers_without_service(&Context::new(&graph, &snapshot, None));
    assert_eq!(found[0].severity, Severity::Warning);
    let snapshot = fixtures::snapshot(&(DB.to_owned() + &service("other", "default")));
    assert!(servers_without_service(&Context::new(&graph, &snapshot, None)).is_empty());
    // One of the tier's name in the spelling of Kubernetes has its own finding.
    let alias = "kind: Service\nmetadata: {name: my-db}\nspec: {type: ExternalName, externalName: nope.invalid}";
    let snapshot = fixtures::snapshot(&format!("{DB}{alias}"));
    let tier = graph.tiers.get_mut("DB").unwrap();
    tier.names = ["my_db".to_owned()].into();
    assert!(servers_without_service(&Context::new(&graph, &snapshot, None)).is_empty());
}

#[test]
fn services_that_could_not_be_read_are_not_called_missing() {
    let mut snapshot = fixtures::snapshot(DB);
    snapshot
        .observed
        .insert("services".to_owned(), crate::observe::Observed::Forbidden);
    let graph = graph("DB");
    assert!(unresolved(&Context::new(&graph, &snapshot, None)).is_empty());
}

#[test]
fn a_variable_that_a_shell_or_kubectl_would_act_on_gets_no_command() {
    for name in [
        "$(touch${IFS}/tmp/pwned);DB_HOST",
        "--server",
        "a b",
        "`id`",
        "DB_HOST",
    ] {
        let objects = DB.replace("name: DB_HOST", &format!("name: '{name}'"));
        let objects = objects.replace("ASKED", "my_db") + &service("my-db", "default");
        let snapshot = fixtures::snapshot(&objects);
        let mut graph = graph("my_db");
        graph.edges[0].variable = Some(name.to_owned());
        let found = unresolved(&Context::new(&graph, &snapshot, None));
        let command = found[0].fix.as_ref().unwrap().command.as_deref();
        let expected = "kubectl -n default set env deployment/ap DB_HOST=my-db";
        assert_eq!(command, (name == "DB_HOST").then_some(expected), "{name}");
    }
}

#[test]
fn a_host_that_stands_in_a_secret_is_not_judged_by_the_name_of_compose() {
    let snapshot = fixtures::snapshot(&(DB.to_owned() + &service("my-db", "default")));
    let mut graph = graph("db");
    let raised =
        |graph: &TierGraph, outcomes| unresolved(&Context::new(graph, &snapshot, outcomes)).len();
    assert_eq!(raised(&graph, None), 1);
    graph.edges[0].unseen = true;
    assert_eq!(raised(&graph, None), 0);
    let step = fixtures::fail(ID, StepName::Dns, StepError::Nxdomain);
    let outcomes = fixtures::outcomes(vec![fixtures::probe("AP", "node-1", vec![step])]);
    assert_eq!(raised(&graph, Some(&outcomes)), 1);
}

#[test]
fn the_name_of_a_pod_that_a_stateful_set_does_not_give_is_explained() {
    let step = fixtures::fail(ID, StepName::Dns, StepError::Nxdomain);
    let outcomes = fixtures::outcomes(vec![fixtures::probe("AP", "node-1", vec![step])]);
    let reported = |host: &str, governing: &str| {
        let objects = format!(
            "
kind: StatefulSet
metadata: {{name: db}}
spec: {{serviceName: {governing}, replicas: 1, selector: {{matchLabels: {{app: db}}}}, template: {{metadata: {{labels: {{app: db}}}}}}}}
---
kind: Service
metadata: {{name: db}}
spec: {{clusterIP: None, selector: {{app: db}}, ports: [{{port: 3306}}]}}
"
        );
        let snapshot = fixtures::snapshot(&objects);
        let mut graph = graph(host);
        let tier = graph.tiers.get_mut("DB").unwrap();
        tier.workloads = vec![crate::observe::WorkloadKey::new(
            "default",
            "statefulset",
            "db",
        )];
        let found = unresolved(&Context::new(&graph, &snapshot, Some(&outcomes)));
        assert_eq!(found[0].id("default").0, "service-name-mismatch service/db");
        let fix = found[0].fix.clone().unwrap();
        assert_eq!(fix.command, None);
        (found[0].message.clone(), fix.text)
    };
    let (message, fix) = reported("db-2.db", "db");
    assert!(
        message.contains("statefulset/db has 1 replica"),
        "{message}"
    );
    assert!(fix.contains("scale statefulset/db to 3"), "{fix}");
    let (message, fix) = reported("db-0.db.default.svc.cluster.local", "other");
    assert!(message.contains("serviceName, which is other"), "{message}");
    assert!(fix.contains("serviceName: db"), "{fix}");
    let (message, _) = reported("mysql", "db");
    assert!(message.contains("is called db"), "{message}");
}

#[test]
fn a_store_that_an_operator_is_asked_for_is_not_missing() {
    let raised = |host: &str, kind: &str, protocol: Protocol| {
        let client = DB.split("---\n").nth(3).unwrap().replace("ASKED", host);
        let mut snapshot = fixtures::snapshot(&client);
        snapshot.offline = true;
        snapshot.unread = vec![crate::observe::Unread {
            kind: kind.to_owned(),
            namespace: "default".to_owned(),
            name: "shop-db".to_owned(),
        }];
        let mut graph = graph(host);
        let tier = graph.tiers.get_mut("DB").unwrap();
        tier.workloads.clear();
        tier.server = Some(ServerHint {
            port: NonZeroU16::new(3306).unwrap(),
            protocol,
            evidence: "image".to_owned(),
            by_container_alone: false,
        });
        unresolved(&Context::new(&graph, &snapshot, None)).len()
    };
    let cluster = "postgresql.cnpg.io/v1 Cluster";
    assert_eq!(raised("shop-db-rw", cluster, Protocol::Postgres), 0);
    assert_eq!(
        raised("shop-db-rw.default.svc", cluster, Protocol::Postgres),
        0
    );
    let store = "databases.spotahome.com/v1 RedisFailover";
    assert_eq!(raised("rfr-shop-db", store, Protocol::Redis), 0);
    assert_eq!(
        raised("shop-db-rw", cluster, Protocol::Mysql),
        1,
        "another product"
    );
    assert_eq!(
        raised("db-rw", cluster, Protocol::Postgres),
        1,
        "another name"
    );
    assert_eq!(
        raised(
            "shop-db",
            "monitoring.coreos.com/v1 ServiceMonitor",
            Protocol::Postgres
        ),
        1
    );
}
