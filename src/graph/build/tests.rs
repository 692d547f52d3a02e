//! Whole applications: compose and manifests in, exact edges out.

use crate::address::LoginReference;
use crate::graph::fixture::{App, converted, edge, login, shown, stores, story, two_namespaces};
use crate::graph::{Confidence, NoteKind, Origin, TierGraph};

const STORY: [&str; 4] = [
    "AP->DB:3306/mysql DB",
    "AP->KVS:6379/redis KVS",
    "WEB->AP:2000/http AP",
    "WEB->DB:3306/mysql DB",
];

fn path(graph: &TierGraph, id: &str) -> Option<String> {
    edge(graph, id).http.as_ref()?.path.clone()
}

fn notes(graph: &TierGraph, kind: NoteKind) -> Vec<&str> {
    graph
        .notes
        .iter()
        .filter(|note| note.kind == kind)
        .map(|note| note.message.as_str())
        .collect()
}

#[test]
fn the_story() {
    let graph = story().graph();
    assert_eq!(shown(&graph), STORY);
    let db = edge(&graph, "AP->DB:3306/mysql");
    assert_eq!(login(db), ["DB_HOST", "DB_USER", "DB_PASS", "DB_NAME"]);
    assert_eq!(db.variable.as_deref(), Some("DB_HOST"));
    assert_eq!(db.confidence, Confidence::Declared);
    assert!(db.origin.contains(&Origin::link("AP")), "{:?}", db.origin);
    assert!(
        db.origin
            .contains(&"env DB_HOST of deployment/ap".to_owned().into()),
        "{:?}",
        db.origin
    );
    // A URL without user and password is no login.
    assert_eq!(
        login(edge(&graph, "AP->KVS:6379/redis")),
        Vec::<&str>::new()
    );
    let weak = edge(&graph, "WEB->DB:3306/mysql");
    assert_eq!((weak.confidence, &weak.login), (Confidence::Weak, &None));
    assert_eq!(path(&graph, "WEB->AP:2000/http").as_deref(), Some("/ready"));
    assert_eq!(notes(&graph, NoteKind::Differs), Vec::<&str>::new());
    assert_eq!(graph.questions, Vec::<String>::new());
    assert_eq!(graph.tiers["DB"].services.len(), 1);
}

#[test]
fn the_edge_follows_the_pod_and_stays_one() {
    for host in [
        "database",
        "db.production.svc.cluster.local",
        "db.rds.example.com",
        "10.1.2.3",
    ] {
        let graph = story()
            .deploy(
                "{name: DB_HOST, value: DB}",
                &format!("{{name: DB_HOST, value: {host}}}"),
            )
            .graph();
        let db = edge(&graph, "AP->DB:3306/mysql");
        assert_eq!(db.host, host);
        assert_eq!(db.compose_said.as_deref(), Some("DB:3306"));
        assert_eq!(
            login(db),
            ["DB_HOST", "DB_USER", "DB_PASS", "DB_NAME"],
            "{host}"
        );
        assert_eq!(graph.edges.len(), 4);
        assert_eq!(notes(&graph, NoteKind::Differs).len(), 1);
        assert_eq!(
            db.external,
            matches!(host, "db.rds.example.com" | "10.1.2.3"),
            "{host}"
        );
    }
}

#[test]
fn another_name_that_both_sides_know_is_no_fault_of_the_edge() {
    let graph = story()
        .deploy("{name: DB_HOST, value: DB}", "{name: DB_HOST, value: database}")
        .add("kind: Service\nmetadata: {name: database}\nspec: {selector: {io.kompose.service: db}, ports: [{port: 3306}]}")
        .graph();
    assert_eq!(edge(&graph, "AP->DB:3306/mysql").host, "database");
    assert_eq!(graph.tiers["DB"].services.len(), 2);
}

#[test]
fn a_port_variable_moves_the_edge() {
    let graph = story()
        .deploy(
            "{name: DB_USER, value: notes}",
            "{name: DB_USER, value: notes}\n        - {name: DB_PORT, value: \"3307\"}",
        )
        .graph();
    let db = edge(&graph, "AP->DB:3307/mysql");
    assert_eq!(db.compose_said.as_deref(), Some("DB:3306"));
    assert_eq!(graph.edges.len(), 4);
}

#[test]
fn a_link_alias_is_the_host() {
    let graph = story()
        .compose("links: [DB]", "links: [\"DB:mysql\"]")
        .compose("DB_HOST: DB", "DB_HOST: mysql")
        .deploy(
            "{name: DB_HOST, value: DB}",
            "{name: DB_HOST, value: mysql}",
        )
        .graph();
    let db = edge(&graph, "AP->DB:3306/mysql");
    assert_eq!((db.host.as_str(), &db.compose_said), ("mysql", &None));
    assert_eq!(graph.edges.len(), 4);
}

#[test]
fn a_variable_that_names_the_wrong_tier_is_still_the_edge_that_is_needed() {
    let graph = story()
        .deploy("{name: DB_HOST, value: DB}", "{name: DB_HOST, value: kvs}")
        .graph();
    assert_eq!(edge(&graph, "AP->DB:3306/mysql").host, "kvs");
    assert_eq!(graph.edges.len(), 4);
}

#[test]
fn a_variable_that_moved_to_another_tier_of_its_kind_moves_the_edge() {
    let graph = story()
        .compose(
            "  KVS:\n    image: redis:7\n",
            "  KVS:\n    image: redis:7\n  DB2: {image: \"mysql:8\"}\n",
        )
        .compose(
            "DB_NAME: notes",
            "DB_NAME: notes\n      SECOND_DB_HOST: DB2",
        )
        .deploy(
            "{name: DB_HOST, value: DB}",
            "{name: DB_HOST, value: DB2}\n        - {name: SECOND_DB_HOST, value: DB2}",
        )
        .graph();
    assert_eq!(
        shown(&graph)[0..2],
        ["AP->DB2:3306/mysql DB2", "AP->KVS:6379/redis KVS"]
    );
    assert_eq!(graph.edges.len(), 4);
}

#[test]
fn a_login_comes_from_the_pods_own_variables() {
    let without_password = story()
        .deploy(
            "- {name: DB_PASS, value: not-a-secret}",
            "- {name: UNUSED, value: \"1\"}",
        )
        .graph();
    assert!(!login(edge(&without_password, "AP->DB:3306/mysql")).contains(&"DB_PASS"));
    let from_secret = story()
        .deploy(
            "{name: DB_PASS, value: not-a-secret}",
            "{name: DB_PASS, valueFrom: {secretKeyRef: {name: ap, key: pass}}}",
        )
        .graph();
    assert!(login(edge(&from_secret, "AP->DB:3306/mysql")).contains(&"DB_PASS"));
    let whole_secret = story()
        .deploy("- {name: DB_PASS, value: not-a-secret}", "")
        .deploy(
            "image: registry.example/notes/ap:1",
            "image: registry.example/notes/ap:1\n        envFrom: [{secretRef: {name: ap}}]",
        )
        .graph();
    assert!(login(edge(&whole_secret, "AP->DB:3306/mysql")).contains(&"DB_PASS"));
}

#[test]
fn a_url_without_login_may_have_one_in_the_pods_secret() {
    let kvs = |graph: &TierGraph| edge(graph, "AP->KVS:6379/redis").login.clone();
    assert_eq!(kvs(&story().graph()), None);
    let from_secret = story()
        .deploy(
            "{name: KVS_URL, value: \"redis://KVS:6379/0\"}",
            "{name: KVS_URL, valueFrom: {secretKeyRef: {name: ap, key: kvs}}}",
        )
        .graph();
    assert_eq!(login(edge(&from_secret, "AP->KVS:6379/redis")), ["KVS_URL"]);
    let variable = "KVS_URL".to_owned();
    assert_eq!(kvs(&from_secret), Some(LoginReference::Url { variable }));
}

#[test]
fn secrets_keep_composes_host_and_the_pods_variable() {
    let graph = stores().graph();
    assert_eq!(
        shown(&graph),
        [
            "api->memcached:11211/memcached memcached",
            "api->postgres:5432/postgres postgres",
            "api->redis:6379/redis redis",
            "proxy->api:8080/http api",
        ]
    );
    assert_eq!(
        login(edge(&graph, "api->postgres:5432/postgres")),
        ["DATABASE_URL"]
    );
    let redis = edge(&graph, "api->redis:6379/redis");
    assert!(
        login(redis).contains(&"REDIS_PASSWORD"),
        "{:?}",
        redis.login
    );
    assert!(
        redis
            .origin
            .iter()
            .any(|origin| origin.to_string().contains("configmap/api-config")),
        "{:?}",
        redis.origin
    );
    // Compose's healthcheck comes before the readiness probe.
    assert_eq!(
        path(&graph, "proxy->api:8080/http").as_deref(),
        Some("/deep")
    );
    assert_eq!(
        edge(&graph, "proxy->api:8080/http").confidence,
        Confidence::Declared,
        "the mounted file declares what compose only orders"
    );
}

#[test]
fn a_mounted_file_with_another_port_is_the_same_edge() {
    let graph = stores()
        .deploy("proxy_pass http://api:8080", "proxy_pass http://api:80")
        .deploy(
            "ports: [{port: 8080, targetPort: main}]",
            "ports: [{port: 80, targetPort: main}]",
        )
        .graph();
    assert!(
        shown(&graph).contains(&"proxy->api:80/http api".to_owned()),
        "{:?}",
        shown(&graph)
    );
    assert_eq!(graph.edges.len(), 4);
    assert_eq!(path(&graph, "proxy->api:80/http").as_deref(), Some("/deep"));
}

#[test]
fn a_readiness_path_is_asked_on_the_port_that_the_service_leads_to() {
    let graph = stores()
        .compose(
            "    healthcheck: {test: [\"CMD\", \"curl\", \"-f\", \"http://127.0.0.1:8080/deep\"]}\n",
            "",
        )
        .deploy("proxy_pass http://api:8080", "proxy_pass http://api:80")
        .deploy("ports: [{port: 8080, targetPort: main}]", "ports: [{port: 80, targetPort: main}]")
        .graph();
    assert_eq!(
        path(&graph, "proxy->api:80/http").as_deref(),
        Some("/ready")
    );
    let other_port = stores()
        .compose(
            "    healthcheck: {test: [\"CMD\", \"curl\", \"-f\", \"http://127.0.0.1:8080/deep\"]}\n",
            "",
        )
        .deploy("{path: /ready, port: main}", "{path: /ready, port: 9000}")
        .graph();
    assert_eq!(path(&other_port, "proxy->api:8080/http"), None);
}

#[test]
fn only_a_declared_path_is_asked() {
    let slash = story()
        .deploy("value: \"http://AP:2000\"", "value: \"http://AP:2000/\"")
        .graph();
    assert_eq!(path(&slash, "WEB->AP:2000/http").as_deref(), Some("/ready"));
    let own = story()
        .deploy(
            "value: \"http://AP:2000\"",
            "value: \"http://AP:2000/api/delete-all?token=t\"",
        )
        .graph();
    assert_eq!(path(&own, "WEB->AP:2000/http").as_deref(), Some("/ready"));
    let nothing = story()
        .deploy(
            "        readinessProbe: {httpGet: {path: /ready, port: 2000}}\n",
            "",
        )
        .deploy(
            "        livenessProbe: {httpGet: {path: /alive, port: 2000}}\n",
            "",
        )
        .graph();
    assert_eq!(path(&nothing, "WEB->AP:2000/http"), None);
}

#[test]
fn names_that_a_converter_changed_are_no_difference() {
    let graph = converted().graph();
    assert_eq!(
        shown(&graph),
        [
            "backend_api->my_db:3306/mysql my-db",
            "backend_api->session_cache:6379/redis session-cache",
            "front_web->backend_api:8080/http backend-api",
        ]
    );
    assert_eq!(notes(&graph, NoteKind::Differs), Vec::<&str>::new());
    let kept = converted()
        .deploy(
            "{name: DB_HOST, value: my-db}",
            "{name: DB_HOST, value: my_db}",
        )
        .graph();
    assert_eq!(edge(&kept, "backend_api->my_db:3306/mysql").host, "my_db");
    // Where the Pods say nothing, the name that exists is the one that is meant.
    let silent = converted().delete("ConfigMap", "front-web-cm0").graph();
    assert_eq!(
        edge(&silent, "front_web->backend_api:8080/http").host,
        "backend-api"
    );
    assert_eq!(
        edge(&silent, "front_web->backend_api:8080/http").confidence,
        Confidence::Weak
    );
}

#[test]
fn stores_in_another_namespace() {
    let graph = two_namespaces().graph();
    assert_eq!(
        shown(&graph),
        ["app->cache:6379/redis cache", "app->db:3306/mysql db"]
    );
    let db: Vec<String> = graph.tiers["db"]
        .workloads
        .iter()
        .map(|key| format!("{key}@{}", key.namespace))
        .collect();
    assert_eq!(db, ["deployment/db@shop-data"]);
    assert!(!edge(&graph, "app->db:3306/mysql").external);
    let qualified = two_namespaces()
        .delete("Service", "db")
        .deploy("@db:3306/forum", "@db.shop-data:3306/forum")
        .graph();
    assert_eq!(edge(&qualified, "app->db:3306/mysql").host, "db.shop-data");
    let short = two_namespaces().delete("Service", "db").graph();
    assert_eq!(edge(&short, "app->db:3306/mysql").host, "db");
}

#[test]
fn a_value_that_leads_to_the_pod_itself_is_followed_there() {
    let graph = story()
        .compose("    links: [DB]\n", "")
        .deploy(
            "{name: DB_HOST, value: DB}",
            "{name: DB_HOST, value: 127.0.0.1}",
        )
        .graph();
    // DB runs in another Pod: the name that compose has is not verified in place of the one that AP has.
    assert_eq!(edge(&graph, "AP->DB:3306/mysql").host, "localhost");
}

#[test]
fn what_only_the_pods_show_is_added() {
    let graph = story()
        .deploy(
            "{name: DB_NAME, value: notes}",
            "{name: DB_NAME, value: notes}\n        - {name: EVENTS_URL, value: \"amqp://events.example.com:5672\"}\n        - {name: MAPS_URL, value: \"https://maps.example.com/v1\"}\n        - {name: RENDERER, value: \"http://web:3000\"}",
        )
        .graph();
    let events = edge(&graph, "AP->events.example.com:5672/amqp");
    assert!(events.external);
    assert!(!edge(&graph, "AP->WEB:3000/http").external);
    let outside: Vec<&str> = graph.outside.iter().map(|one| one.host.as_str()).collect();
    assert_eq!(outside, ["maps.example.com"]);
    assert_eq!(graph.edges.len(), 6);
}

#[test]
fn a_one_shot_that_has_ended_is_a_tier_and_a_foreign_one_is_none() {
    let graph = story()
        .compose(
            "  KVS:\n    image: redis:7\n",
            "  KVS:\n    image: redis:7\n  migrate: {image: \"mysql:8\", command: mysql -hDB -unotes notes, depends_on: [DB], restart: \"no\"}\n",
        )
        .add("kind: Job\nmetadata: {name: migrate, labels: {io.kompose.service: migrate}}\nspec: {template: {metadata: {labels: {io.kompose.service: migrate}}, spec: {containers: [{name: migrate, image: \"mysql:8\", args: [mysql, -hDB, -unotes, notes]}]}}}")
        .add("kind: Deployment\nmetadata: {name: reporting}\nspec: {template: {metadata: {labels: {app: reporting}}, spec: {containers: [{name: reporting, image: \"registry.example/reporting:3\", env: [{name: DB_HOST, value: db}]}]}}}")
        .graph();
    assert!(graph.tiers["migrate"].one_shot);
    assert_eq!(
        graph.tiers["migrate"].workloads[0].to_string(),
        "job/migrate"
    );
    assert_eq!(graph.tiers.len(), 5);
    assert!(
        shown(&graph).contains(&"migrate->DB:3306/mysql DB".to_owned()),
        "{:?}",
        shown(&graph)
    );
    assert_eq!(graph.edges.len(), 5);
}

#[test]
fn what_is_deployed_may_use_every_name_that_compose_gave() {
    let graph = story()
        .compose(
            "  KVS:\n    image: redis:7\n",
            "  KVS:\n    image: redis:7\n    container_name: main-kvs\n  tool: {image: \"registry.example/tool:3\"}\n",
        )
        .add("kind: Deployment\nmetadata: {name: tool, labels: {io.kompose.service: tool}}\nspec: {template: {metadata: {labels: {io.kompose.service: tool}}, spec: {containers: [{name: tool, image: \"registry.example/tool:3\", env: [{name: REDIS_HOST, value: main-kvs}]}]}}}")
        .graph();
    assert!(
        shown(&graph).contains(&"tool->KVS:6379/redis main-kvs".to_owned()),
        "{:?}",
        shown(&graph)
    );
}

#[test]
fn a_tier_without_a_workload_keeps_its_edges() {
    let graph = story()
        .delete("Deployment", "kvs")
        .delete("Service", "kvs")
        .graph();
    assert_eq!(shown(&graph), STORY);
    assert!(graph.tiers["KVS"].workloads.is_empty());
    assert!(graph.tiers["KVS"].expected);
}

#[test]
fn a_service_that_selects_the_wrong_pods_does_not_rename_the_edge() {
    let graph = story()
        .deploy(
            "spec: {clusterIP: 10.96.0.10, selector: {io.kompose.service: db}",
            "spec: {clusterIP: 10.96.0.10, selector: {io.kompose.service: kvs}",
        )
        .graph();
    assert_eq!(shown(&graph), STORY);
}

#[test]
fn the_users_rules_have_the_last_word() {
    let graph = story()
        .config(
            "edges:
  drop: [WEB->DB:3306/mysql]
  adjust:
  - {edge: '*->AP', path: /, status: 204}
  - {edge: AP->KVS, optional: true, host: cache}
  - {edge: AP->NOWHERE, optional: true}
  add:
  - {from: WEB, to: KVS, port: 6379, forbidden: true}
  - {from: AP, to: search.example.com, port: 9200, protocol: http, path: /_health}
  - {from: BATCH, to: DB, port: 3306}
",
        )
        .graph();
    assert_eq!(
        shown(&graph),
        [
            "AP->DB:3306/mysql DB",
            "AP->KVS:6379/redis cache",
            "AP->search.example.com:9200/http search.example.com",
            "WEB->AP:2000/http AP",
            "WEB->KVS:6379/redis KVS",
        ]
    );
    let http = edge(&graph, "WEB->AP:2000/http").http.clone().unwrap();
    assert_eq!(
        (http.path.as_deref(), http.expect_status),
        (Some("/"), Some(204))
    );
    assert!(edge(&graph, "AP->KVS:6379/redis").optional);
    assert!(edge(&graph, "WEB->KVS:6379/redis").forbidden);
    assert!(edge(&graph, "AP->search.example.com:9200/http").external);
    assert!(graph.questions.is_empty(), "{:?}", graph.questions);
    assert_eq!(
        graph.errors,
        [
            "k8sverify.yaml:6: `edges.adjust` names `NOWHERE`, which is no tier",
            "k8sverify.yaml:10: `edges.add` names the client `BATCH`, which is no tier",
        ]
    );
}

#[test]
fn two_hosts_for_one_tier_are_two_edges_with_their_hosts_in_the_id() {
    let graph = story()
        .deploy(
            "{name: DB_NAME, value: notes}",
            "{name: DB_NAME, value: notes}\n        - {name: AUDIT_DB_URL, value: \"mysql://audit:not-a-secret@db.shop:3306/audit\"}",
        )
        .graph();
    let shown = shown(&graph);
    assert!(
        shown.contains(&"AP->DB:3306/mysql@DB DB".to_owned()),
        "{shown:?}"
    );
    assert!(
        shown.contains(&"AP->DB:3306/mysql@db.shop db.shop".to_owned()),
        "{shown:?}"
    );
    assert_eq!(
        login(edge(&graph, "AP->DB:3306/mysql@db.shop")),
        ["AUDIT_DB_URL"]
    );
}

#[test]
fn without_compose_the_cluster_alone_counts() {
    let graph = story().alone();
    assert!(!graph.from_compose);
    assert_eq!(
        shown(&graph),
        [
            "ap->db:3306/mysql DB",
            "ap->kvs:6379/redis KVS",
            "web->ap:2000/http AP",
        ]
    );
    assert_eq!(graph.tiers.len(), 4);
    let graph = stores().alone();
    assert_eq!(
        shown(&graph),
        [
            "api->memcached:11211/memcached memcached",
            "api->postgres:5432/postgres postgres",
            "api->redis:6379/redis redis",
            "proxy->api:8080/http api",
        ]
    );
    assert_eq!(notes(&graph, NoteKind::Incomplete), [""; 0]);
    let graph = two_namespaces().alone();
    assert_eq!(
        shown(&graph),
        ["app->db:3306/mysql db", "app->redis:6379/redis cache"]
    );
    assert!(graph.edges.iter().all(|edge| !edge.external));
}

#[test]
fn a_service_of_a_pod_of_two_tiers_leads_to_the_one_that_has_its_port() {
    let compose = "
services:
  proxy: {build: ./proxy, environment: {BACKEND_URL: 'http://app:8000'}}
  app: {build: ./app, expose: ['8000'], environment: {THUMBS_URL: 'http://thumbs:8888'}}
  thumbs: {build: ./thumbs, expose: ['8888']}
";
    let manifests = "
kind: Deployment
metadata: {name: proxy, labels: {io.kompose.service: proxy}}
spec: {template: {metadata: {labels: {io.kompose.service: proxy}}, spec: {containers: [{name: proxy, image: my/proxy, env: [{name: BACKEND_URL, value: 'http://app-web:8080'}]}]}}}
---
kind: Deployment
metadata: {name: app-web, labels: {io.kompose.service: app}}
spec: {template: {metadata: {labels: {io.kompose.service: app}}, spec: {containers: [{name: app, image: py, ports: [{name: http, containerPort: 8080}], env: [{name: THUMBS_URL, value: 'http://localhost:8888'}]}, {name: thumbs, image: py, ports: [{containerPort: 8888}]}]}}}
---
kind: Service
metadata: {name: app-web}
spec: {selector: {io.kompose.service: app}, ports: [{port: 8080, targetPort: http}]}
---
kind: Service
metadata: {name: thumbs}
spec: {selector: {io.kompose.service: app}, ports: [{port: 8888}]}
";
    let graph = App::of(compose, manifests).graph();
    assert!(
        shown(&graph)
            .iter()
            .any(|edge| edge == "proxy->app:8080/http app-web"),
        "{:?}",
        shown(&graph)
    );
    assert!(
        !shown(&graph)
            .iter()
            .any(|edge| edge.starts_with("proxy->thumbs"))
    );
}

#[test]
fn without_compose_a_store_in_a_pod_of_one_container_that_is_none_is_reported() {
    let said = |image: &str, env: &str, more: &str| {
        let pod = format!(
            "kind: Deployment\nmetadata: {{name: web}}\nspec: {{template: {{metadata: {{labels: {{app: web}}}}, spec: {{containers: [{{name: web, image: '{image}', ports: [{{containerPort: 80}}], env: [{env}]}}{more}]}}}}}}"
        );
        let graph = App::of("", &pod).alone();
        notes(&graph, NoteKind::Incomplete)
            .iter()
            .filter(|note| note.contains("the Pod of deployment/web itself"))
            .count()
    };
    let url = "{name: CACHE_URL, value: 'redis://localhost:6379'}";
    let host = "{name: MYSQL_HOST, value: 127.0.0.1}";
    assert_eq!(said("my/web:1", url, ""), 1);
    assert_eq!(said("my/web:1", host, ""), 1);
    assert_eq!(said("redis:7", url, ""), 0);
    assert_eq!(said("my/web:1", url, ", {name: side, image: my/side}"), 0);
    assert_eq!(
        said("my/web:1", "{name: APP_URL, value: 'http://localhost'}", ""),
        0
    );
    assert_eq!(said("my/web:1", "{name: HOST, value: 127.0.0.1}", ""), 0);
}

#[test]
fn without_compose_a_store_that_only_a_whole_secret_can_name_is_an_open_end() {
    let store = "---\nkind: Deployment\nmetadata: {name: kvs}\nspec: {template: {metadata: {labels: {app: kvs}}, spec: {containers: [{name: kvs, image: 'redis:7'}]}}}\n---\nkind: Service\nmetadata: {name: kvs}\nspec: {selector: {app: kvs}, ports: [{port: 6379}]}\n";
    let said = |env: &str| {
        let client = format!(
            "kind: Deployment\nmetadata: {{name: ap}}\nspec: {{template: {{metadata: {{labels: {{app: ap}}}}, spec: {{containers: [{{name: ap, image: my/ap, ports: [{{containerPort: 80}}], {env}}}]}}}}}}\n{store}"
        );
        let graph = App::of("", &client).alone();
        let notes = notes(&graph, NoteKind::Incomplete);
        notes
            .iter()
            .filter(|note| note.contains("kvs is called by no one"))
            .count()
    };
    let whole = "envFrom: [{secretRef: {name: s}}]";
    assert_eq!(said(whole), 1);
    assert_eq!(said("env: [{name: X, value: z}]"), 0);
    let named = format!("{whole}, env: [{{name: REDIS_URL, value: 'redis://kvs:6379'}}]");
    assert_eq!(said(&named), 0);
}

#[test]
fn without_compose_a_service_binding_is_an_open_end() {
    let pod = "kind: Deployment\nmetadata: {name: clinic}\nspec: {template: {metadata: {labels: {app: clinic}}, spec: {containers: [{name: clinic, image: my/clinic, ports: [{containerPort: 8080}], env: [{name: SERVICE_BINDING_ROOT, value: /bindings}], volumeMounts: [{name: db, mountPath: /bindings/db}]}], volumes: [{name: db, secret: {secretName: db}}]}}}";
    let graph = App::of("", pod).alone();
    let said = notes(&graph, NoteKind::Incomplete);
    assert!(
        said.iter()
            .any(|note| note.contains("the binding in /bindings/db")),
        "{said:?}"
    );
}

#[test]
fn an_empty_cluster_gives_composes_graph() {
    let mut app = story();
    app.manifests = "kind: Service\nmetadata: {name: other}\nspec: {}".to_owned();
    let graph = app.graph();
    assert_eq!(shown(&graph), STORY);
    assert!(graph.tiers.values().all(|tier| tier.workloads.is_empty()));
    assert!(app.alone().edges.is_empty());
}

#[test]
fn an_env_file_that_is_not_here_leaves_edges_open_unless_the_pods_show_what_they_were_given() {
    let app = || {
        story().compose(
            "  KVS:\n    image: redis:7\n",
            "  KVS:\n    image: redis:7\n    env_file: kvs.env\n",
        )
    };
    let noted = |graph: &TierGraph, kind, text: &str| {
        notes(graph, kind).iter().any(|note| note.contains(text))
    };
    let deployed = app().graph();
    assert!(!noted(&deployed, NoteKind::Incomplete, "kvs.env"));
    let absent = app().delete("Deployment", "kvs").graph();
    assert!(noted(&absent, NoteKind::Incomplete, "kvs.env is not here"));
    let hidden = app()
        .deploy(
            "image: registry.example/notes/ap:1",
            "image: registry.example/notes/ap:1\n        envFrom: [{secretRef: {name: ap}}]",
        )
        .graph();
    assert!(noted(&hidden, NoteKind::Incomplete, "kvs.env is not here"));
}

#[test]
fn what_is_handed_to_several_is_no_surer_for_having_been_deployed_to_each() {
    for (name, port) in [("vault", 5_432), ("inner-store", 7_001)] {
        let compose = format!(
            "x-all: &all {{DB_HOST: {name}, DB_PORT: '{port}'}}\nservices:\n  one: {{image: x/one, environment: *all}}\n  two: {{image: x/two, environment: *all}}\n  waits: {{image: x/three, environment: *all, depends_on: [{name}]}}\n  {name}: {{image: x/store, expose: ['{port}']}}\n"
        );
        let workload = |tier: &str, host: &str| {
            format!(
                "---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {tier}}}\nspec:\n  selector: {{matchLabels: {{app: {tier}}}}}\n  template:\n    metadata: {{labels: {{app: {tier}}}}}\n    spec:\n      containers:\n      - name: {tier}\n        image: x/{tier}\n        env: [{{name: DB_HOST, value: {host}}}, {{name: DB_PORT, value: '{port}'}}]\n---\napiVersion: v1\nkind: Service\nmetadata: {{name: {tier}}}\nspec: {{selector: {{app: {tier}}}, ports: [{{port: {port}}}]}}\n"
            )
        };
        let all = ["one", "two", "waits"].map(|tier| workload(tier, name));
        let manifests = all.concat() + &workload(name, "localhost");
        let graph = App::of(&compose, &manifests).graph();
        let sure = |graph: &TierGraph| -> Vec<String> {
            let edges = graph.edges.iter().filter(|edge| edge.to == name);
            edges
                .filter(|edge| edge.confidence > Confidence::Weak)
                .map(|edge| edge.from.clone())
                .collect()
        };
        assert_eq!(graph.edges.len(), 3, "{:?}", shown(&graph));
        assert_eq!(sure(&graph), ["waits"]);
        // What one Pod alone is given is its own.
        let other = manifests.replacen(
            &format!("value: {name}"),
            &format!("value: {name}.default.svc"),
            1,
        );
        let graph = App::of(&compose, &other).graph();
        assert_eq!(sure(&graph), ["one", "waits"], "{:?}", shown(&graph));
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table, a case to each few lines")]
fn a_protocol_that_only_the_number_shows_is_a_guess_whatever_it_is() {
    // What the client has, how the server is known, and whether that leaves a guess.
    for (variable, value, image, ports, probe, guessed) in [
        ("PEER_ADDR", "peer:6379", "x/peer", "port: 6379", "", true),
        ("PEER_ADDR", "peer:5432", "x/peer", "port: 5432", "", true),
        ("PEER_ADDR", "peer:8080", "x/peer", "port: 8080", "", true),
        ("PEER_ADDR", "peer:6379", "redis:7", "port: 6379", "", false),
        ("PEER_ADDR", "peer:6390", "redis:7", "port: 6390", "", false),
        (
            "PEER_URL",
            "redis://peer:6379",
            "x/peer",
            "port: 6379",
            "",
            false,
        ),
        ("REDIS_ADDR", "peer:6379", "x/peer", "port: 6379", "", false),
        (
            "PEER_ADDR",
            "peer:6379",
            "x/peer",
            "name: tcp-redis, port: 6379",
            "",
            false,
        ),
        (
            "PEER_ADDR",
            "peer:6379",
            "x/peer",
            "name: tcp, port: 6379",
            "",
            true,
        ),
        (
            "PEER_ADDR",
            "peer:3306",
            "x/peer",
            "appProtocol: mysql, port: 3306",
            "",
            false,
        ),
        (
            "PEER_ADDR",
            "peer:6379",
            "x/peer",
            "port: 6379",
            "readinessProbe: {exec: {command: [sh, -c, 'redis-cli ping']}}",
            false,
        ),
        (
            "PEER_ADDR",
            "peer:6379",
            "x/peer",
            "port: 6379",
            "readinessProbe: {tcpSocket: {port: 6379}}",
            true,
        ),
    ] {
        let port = value.rsplit(':').next().unwrap();
        let compose = format!(
            "services:\n  app: {{image: x/app, environment: {{{variable}: '{value}'}}}}\n  peer: {{image: '{image}', expose: ['{port}']}}\n"
        );
        let workload = |name: &str, image: &str, more: &str| {
            format!(
                "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}}}\nspec:\n  selector: {{matchLabels: {{app: {name}}}}}\n  template:\n    metadata: {{labels: {{app: {name}}}}}\n    spec:\n      containers:\n      - name: {name}\n        image: {image}\n        {more}\n"
            )
        };
        let variables = format!("env: [{{name: {variable}, value: '{value}'}}]");
        let manifests = [
            workload("app", "x/app", &variables),
            workload(
                "peer",
                image,
                &format!("ports: [{{containerPort: {port}}}]\n        {probe}"),
            ),
            format!(
                "apiVersion: v1\nkind: Service\nmetadata: {{name: peer}}\nspec: {{selector: {{app: peer}}, ports: [{{{ports}}}]}}\n"
            ),
        ];
        let manifests = manifests.join("\n---\n");
        for graph in [
            App::of(&compose, &manifests).graph(),
            App::of(&compose, &manifests).alone(),
        ] {
            let [edge] = graph.edges.as_slice() else {
                panic!("{variable}={value}: {:?}", shown(&graph));
            };
            assert_eq!(
                edge.guessed, guessed,
                "{variable}={value} to {image}, {ports}, {probe}: {}",
                edge.id
            );
        }
    }
    // A store that a login of its own variables reaches is known, whatever answers.
    let compose = "services:\n  app: {image: x/app, environment: {DB_HOST: peer, DB_PORT: '5432', POSTGRES_USER: u, POSTGRES_PASSWORD: p}}\n  peer: {image: x/peer, expose: ['5432']}\n";
    let pod =
        "apiVersion: v1\nkind: Service\nmetadata: {name: peer}\nspec: {ports: [{port: 5432}]}\n";
    let graph = App::of(compose, pod).graph();
    assert!(!graph.edges[0].guessed, "{:?}", graph.edges[0]);
}
