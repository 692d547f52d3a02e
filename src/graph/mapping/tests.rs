//! Tiers of small compose files against small namespaces.

use crate::catalog::Catalog;
use crate::compose::ComposeFile;
use crate::config;
use crate::graph::fixture::{App, snapshot};
use crate::graph::infer;

use super::*;

fn deployment(name: &str, labels: &str, container: &str, image: &str) -> String {
    workload("Deployment", name, "shop", labels, container, image)
}

fn workload(
    kind: &str,
    name: &str,
    namespace: &str,
    labels: &str,
    container: &str,
    image: &str,
) -> String {
    format!(
        "kind: {kind}\nmetadata: {{name: {name}, namespace: {namespace}}}\nspec: {{template: {{metadata: {{labels: {{{labels}}}}}, spec: {{containers: [{{name: {container}, image: \"{image}\"}}]}}}}}}"
    )
}

fn compose(services: &str) -> ComposeFile {
    App::of(&format!("name: notes\nservices:\n{services}"), "").file()
}

fn mapped_with(services: &str, manifests: &[String], rules: &str) -> Mapping {
    let file = compose(services);
    let catalog = Catalog::embedded();
    let tiers = infer(&file, &catalog).tiers;
    let snapshot = snapshot(&manifests.join("\n---\n"));
    let config = config::parse(rules, "k8sverify.yaml").unwrap();
    map(&tiers, &file, &snapshot, &config, &catalog)
}

fn mapped(services: &str, manifests: &[String]) -> Mapping {
    mapped_with(services, manifests, "")
}

fn keys(mapping: &Mapping, tier: &str) -> Vec<String> {
    mapping
        .workloads
        .get(tier)
        .into_iter()
        .flatten()
        .map(|key| format!("{key}@{}", key.namespace))
        .collect()
}

const DB: &str = "  DB: {image: \"mysql:8\"}\n";

#[test]
fn labels_names_containers_services_affixes_and_images_decide() {
    for (what, manifests) in [
        (
            "kompose",
            vec![deployment("x", "io.kompose.service: db", "x", "i")],
        ),
        (
            "compose bridge",
            vec![deployment("x", "com.docker.compose.service: db", "x", "i")],
        ),
        (
            "component",
            vec![deployment("x", "app.kubernetes.io/component: db", "x", "i")],
        ),
        ("app", vec![deployment("x", "app: db", "x", "i")]),
        ("name", vec![deployment("db", "a: b", "x", "i")]),
        (
            "name under a label that was changed by hand",
            vec![deployment("db", "io.kompose.service: db-v2", "x", "i")],
        ),
        ("container", vec![deployment("x", "a: b", "db", "i")]),
        (
            "service",
            vec![
                deployment("x", "a: b", "x", "i"),
                "kind: Service\nmetadata: {name: db}\nspec: {selector: {a: b}}".to_owned(),
            ],
        ),
        (
            "affix",
            vec![deployment("notes-db", "a: b", "x", "mysql:9")],
        ),
        (
            "suffix",
            vec![deployment("db-deployment", "a: b", "x", "mysql:9")],
        ),
        (
            "image",
            vec![deployment("x", "a: b", "x", "docker.io/library/mysql:8.4")],
        ),
    ] {
        let mapping = mapped(DB, &manifests);
        assert_eq!(keys(&mapping, "DB").len(), 1, "{what}");
        assert!(
            mapping.questions.is_empty(),
            "{what}: {:?}",
            mapping.questions
        );
    }
    let foreign = mapped(
        DB,
        &[deployment("reporting", "app: reporting", "r", "python:3")],
    );
    assert!(foreign.workloads.is_empty());
    assert!(foreign.questions.is_empty());
}

#[test]
fn a_runtime_is_no_evidence_and_a_label_of_the_whole_application_names_no_tier() {
    let runtime = mapped(
        "  AP: {image: \"python:3.12\"}\n",
        &[deployment(
            "reporting",
            "app: reporting",
            "r",
            "python:3.12",
        )],
    );
    assert!(runtime.workloads.is_empty());
    let shared = mapped(
        "  shop: {image: \"acme/shop:1\"}\n  worker: {image: \"acme/shop:1\"}\n  db: {image: \"mysql:8\"}\n",
        &[
            deployment("shop", "app: shop", "shop", "acme/shop:1"),
            deployment("worker", "app: shop", "worker", "acme/shop:1"),
            deployment("db", "app: shop", "mysql", "mysql:8"),
        ],
    );
    assert_eq!(keys(&shared, "shop"), ["deployment/shop@shop"]);
    assert_eq!(keys(&shared, "worker"), ["deployment/worker@shop"]);
    assert_eq!(keys(&shared, "db"), ["deployment/db@shop"]);
}

#[test]
fn stable_and_canary_are_one_tier() {
    for (labels, canary) in [
        ("io.kompose.service: ap", "ap-canary"),
        ("app: ap", "ap-canary"),
        ("app: ap", "ap-v2"),
        ("app.kubernetes.io/name: ap", "rollout-of-tuesday"),
    ] {
        let mapping = mapped(
            "  AP: {image: \"acme/ap:1\"}\n",
            &[
                deployment("ap", labels, "ap", "acme/ap:1"),
                deployment(
                    canary,
                    &format!("{labels}, track: canary"),
                    "ap",
                    "acme/ap:2",
                ),
            ],
        );
        assert_eq!(keys(&mapping, "AP").len(), 2, "{labels} {canary}");
        assert!(mapping.questions.is_empty());
    }
}

#[test]
fn two_answers_of_the_same_strength_are_a_question() {
    let mapping = mapped(
        "  db: {image: \"mysql:8\"}\n",
        &[
            deployment("orders-db", "a: b", "x", "mysql:8"),
            deployment("users-db", "a: c", "x", "mysql:8"),
        ],
    );
    assert!(mapping.workloads.is_empty());
    assert_eq!(mapping.questions.len(), 1);
    assert!(
        mapping.questions[0].contains("deployment/orders-db or deployment/users-db"),
        "{:?}",
        mapping.questions
    );
    let ruled = mapped_with(
        "  db: {image: \"mysql:8\"}\n",
        &[
            deployment("orders-db", "a: b", "x", "mysql:8"),
            deployment("users-db", "a: c", "x", "mysql:8"),
        ],
        "tiers: {db: deployment/users-db}",
    );
    assert_eq!(keys(&ruled, "db"), ["deployment/users-db@shop"]);
    assert!(ruled.questions.is_empty());
}

#[test]
fn leftovers_and_helpers_beside_the_workload_are_not_the_tier() {
    let mapping = mapped(
        "  ap: {image: \"acme/ap:1\"}\n",
        &[
            deployment("ap", "io.kompose.service: ap", "ap", "acme/ap:1"),
            workload("CronJob", "ap-clean", "shop", "io.kompose.service: ap", "ap", "acme/ap:1"),
            "kind: Pod\nmetadata: {name: ap-evicted, labels: {io.kompose.service: ap}}\nspec: {containers: [{name: ap}]}\nstatus: {phase: Failed}".to_owned(),
        ],
    );
    assert_eq!(keys(&mapping, "ap"), ["deployment/ap@shop"]);
}

#[test]
fn a_tier_in_the_pod_of_another_one_is_found() {
    let mapping = mapped(
        "  web: {image: \"acme/web:1\"}\n  cache: {image: \"acme/cache:1\"}\n",
        &["kind: Deployment\nmetadata: {name: web, labels: {io.kompose.service: web}}\nspec: {template: {metadata: {labels: {io.kompose.service: web}}, spec: {containers: [{name: web, image: one}, {name: cache, image: two}]}}}".to_owned()],
    );
    assert_eq!(keys(&mapping, "cache"), ["deployment/web@shop"]);
}

#[test]
fn the_users_rules_come_first_and_are_checked() {
    let rules = "tiers:\n  DB: none\n  AP: [deployment/x, deployment/gone]\n  NOPE: deployment/x\n";
    let mapping = mapped_with(
        "  DB: {image: \"mysql:8\"}\n  AP: {image: \"acme/ap:1\"}\n",
        &[
            deployment("db", "a: b", "db", "mysql:8"),
            deployment("x", "a: c", "x", "acme/ap:1"),
        ],
        rules,
    );
    assert!(mapping.none.contains("DB"));
    assert_eq!(
        keys(&mapping, "AP"),
        ["deployment/x@shop", "deployment/gone@shop"]
    );
    assert!(mapping.questions.is_empty(), "{:?}", mapping.questions);
    assert_eq!(
        mapping.unmapped["AP"],
        "k8sverify.yaml:3: tier AP is mapped to deployment/gone, which does not exist in namespace shop"
    );
    assert_eq!(
        mapping.errors,
        ["k8sverify.yaml:4: `tiers` names `NOPE`, which is no tier"]
    );
}

const TWO: &str = "  ap: {image: \"acme/ap:1\"}\n  db: {image: \"mysql:8\"}\n";

fn elsewhere(namespace: &str) -> String {
    workload("Deployment", "db", namespace, "app: db", "db", "mysql:8")
}

#[test]
fn another_namespace_is_taken_where_it_is_plainly_meant() {
    let ap = deployment("ap", "app: ap", "ap", "acme/ap:1");
    let only = mapped(TWO, &[ap.clone(), elsewhere("data")]);
    assert_eq!(keys(&only, "db"), ["deployment/db@data"]);
    assert_eq!(only.notes.len(), 1);

    let related = mapped(
        TWO,
        &[ap.clone(), elsewhere("shop-data"), elsewhere("other")],
    );
    assert_eq!(keys(&related, "db"), ["deployment/db@shop-data"]);

    let named = mapped_with(
        TWO,
        &[ap.clone(), elsewhere("data"), elsewhere("other")],
        "namespaces: [other]",
    );
    assert_eq!(keys(&named, "db"), ["deployment/db@other"]);

    let referenced = mapped(
        TWO,
        &[
            "kind: Deployment\nmetadata: {name: ap}\nspec: {template: {metadata: {labels: {app: ap}}, spec: {containers: [{name: ap, image: \"acme/ap:1\", env: [{name: DB_HOST, value: db.data.svc}]}]}}}".to_owned(),
            elsewhere("data"),
            elsewhere("other"),
        ],
    );
    assert_eq!(keys(&referenced, "db"), ["deployment/db@data"]);
}

#[test]
fn other_namespaces_are_not_taken_by_chance() {
    let ap = deployment("ap", "app: ap", "ap", "acme/ap:1");
    // Two foreign applications with a database each.
    let two = mapped(TWO, &[ap.clone(), elsewhere("a"), elsewhere("b")]);
    assert!(keys(&two, "db").is_empty());
    assert!(two.questions.is_empty());
    // Another installation of the same application.
    let twin = mapped(
        TWO,
        &[
            ap.clone(),
            elsewhere("staging"),
            workload("Deployment", "ap", "staging", "app: ap", "ap", "acme/ap:1"),
        ],
    );
    assert!(keys(&twin, "db").is_empty());
    // Another image, and the cluster's own namespaces.
    let other_image = mapped(
        TWO,
        &[
            ap.clone(),
            workload("Deployment", "db", "data", "app: db", "db", "postgres:16"),
        ],
    );
    assert!(keys(&other_image, "db").is_empty());
    assert!(keys(&mapped(TWO, &[ap, elsewhere("kube-system")]), "db").is_empty());
}

#[test]
fn a_namespace_without_any_tier_is_absent_and_those_that_have_them_are_named() {
    const TIERS: &str = "  WEB: {image: \"python:3\"}\n  DB: {image: \"mysql:8\"}\n";
    let ledger = deployment("ledger", "app: ledger", "ledger", "example.com/ledger");
    let elsewhere =
        |name: &str, namespace: &str| workload("Deployment", name, namespace, "a: b", "x", "i");
    let foreign = [
        ledger.clone(),
        elsewhere("db", "prod"),
        elsewhere("web", "prod"),
        elsewhere("db", "half"),
        elsewhere("db", "kube-system"),
        elsewhere("other", "third"),
    ];
    let absent = mapped(TIERS, &foreign).absent.unwrap();
    assert_eq!(absent.tiers, 2);
    assert_eq!(
        absent.found,
        [("prod".to_owned(), 2), ("half".to_owned(), 1)]
    );

    let mut one = foreign.to_vec();
    one.push(deployment("web", "app: web", "web", "python:3"));
    assert_eq!(mapped(TIERS, &one).absent, None);
    for rules in [
        "namespaces: [prod]",
        "tiers: {DB: deployment/ledger}",
        "tiers: {DB: none, WEB: none}",
    ] {
        assert_eq!(mapped_with(TIERS, &foreign, rules).absent, None, "{rules}");
    }
}
