//! Tests of `index`.

use serde_json::{Value, json};

use super::super::Observed;
use super::*;

fn state(value: Value) -> NamespaceState {
    serde_json::from_value(value).unwrap()
}

fn owned(kind: &str, name: &str) -> Value {
    json!([{"kind": kind, "name": name, "controller": true, "uid": "u"}])
}

fn snapshot() -> Snapshot {
    let own = state(json!({
        "workloads": [
            {"kind": "Deployment", "metadata": {"name": "db"}, "spec": {"template": {"metadata": {"labels": {"app": "db"}}}}},
            {"kind": "ReplicaSet", "metadata": {"name": "db-1", "ownerReferences": owned("Deployment", "db")}},
            {"kind": "ReplicaSet", "metadata": {"name": "ro-1", "ownerReferences": owned("Rollout", "ro"), "creationTimestamp": "2026-01-02T00:00:00Z"},
             "spec": {"template": {"metadata": {"labels": {"v": "new"}}}}},
            {"kind": "ReplicaSet", "metadata": {"name": "ro-0", "ownerReferences": owned("Rollout", "ro"), "creationTimestamp": "2026-01-01T00:00:00Z"},
             "spec": {"replicas": 0, "template": {"metadata": {"labels": {"v": "old"}}}}},
            {"kind": "CronJob", "metadata": {"name": "tick"}, "spec": {"jobTemplate": {"spec": {"template": {"metadata": {"labels": {"c": "1"}}}}}}},
            {"kind": "Job", "metadata": {"name": "tick-7", "ownerReferences": owned("CronJob", "tick")}},
            {"kind": "StatefulSet", "metadata": {"name": "kafka", "ownerReferences": owned("Kafka", "k")}},
            {"kind": "Deployment", "metadata": {"name": "kafka-ui", "ownerReferences": owned("Kafka", "k")}},
        ],
        "pods": [
            {"metadata": {"name": "db-1-x", "namespace": "shop", "labels": {"app": "db"}, "ownerReferences": owned("ReplicaSet", "db-1")},
             "status": {"podIP": "10.0.0.5", "phase": "Running"}},
            {"metadata": {"name": "db-1-gone", "namespace": "shop", "ownerReferences": owned("ReplicaSet", "db-1"), "deletionTimestamp": "2026-01-01T00:00:00Z"}},
            {"metadata": {"name": "db-1-failed", "namespace": "shop", "ownerReferences": owned("ReplicaSet", "db-1")}, "status": {"phase": "Failed"}},
            {"metadata": {"name": "ro-1-x", "namespace": "shop", "ownerReferences": owned("ReplicaSet", "ro-1")}},
            {"metadata": {"name": "pg-1", "namespace": "shop", "labels": {"pg": "1"}, "ownerReferences": owned("Cluster", "pg")}},
            {"metadata": {"name": "bare", "namespace": "shop"}},
            {"metadata": {"name": "deleted-1-x", "namespace": "shop", "ownerReferences": owned("ReplicaSet", "deleted-1"), "deletionTimestamp": "2026-01-01T00:00:00Z"}},
            {"metadata": {"name": "static-node-1", "namespace": "shop", "ownerReferences": owned("Node", "node-1")}},
            {"metadata": {"name": "kafka-0", "namespace": "shop", "ownerReferences": owned("StatefulSet", "kafka")}, "spec": {"hostname": "kafka-0", "subdomain": "kafka"}},
        ],
        "services": [
            {"metadata": {"name": "db", "namespace": "shop"}, "spec": {"selector": {"app": "db"}, "clusterIP": "10.96.0.9", "clusterIPs": ["10.96.0.9", "fd00::9"], "ports": [{"name": "sql", "port": 3306}]}},
            {"metadata": {"name": "kafka", "namespace": "shop"}, "spec": {"clusterIP": "None"}},
            {"metadata": {"name": "all", "namespace": "shop"}, "spec": {}},
            {"metadata": {"name": "out", "namespace": "shop"}, "spec": {"type": "ExternalName", "selector": {"app": "db"}}},
        ],
        "endpoint_slices": [
            {"metadata": {"name": "db-a", "labels": {"kubernetes.io/service-name": "db"}}, "addressType": "IPv4", "ports": [{"name": "sql", "port": 3306}],
             "endpoints": [{"addresses": ["10.0.0.5"], "targetRef": {"kind": "Pod", "name": "db-1-x"}, "nodeName": "n1"},
                           {"addresses": ["10.0.0.6"], "conditions": {"ready": false}},
                           {"addresses": ["10.0.0.7"], "targetRef": {"kind": "Pod", "name": "k8sverify-r1-v1-abcde"}}]},
            {"metadata": {"name": "db-b", "labels": {"kubernetes.io/service-name": "db"}}, "addressType": "IPv4", "ports": [{"name": "sql", "port": 3306}],
             "endpoints": [{"addresses": ["10.0.0.5"], "conditions": {"ready": false}, "targetRef": {"kind": "Pod", "name": "db-1-x"}}]},
            {"metadata": {"name": "db-c", "labels": {"kubernetes.io/service-name": "db"}}, "addressType": "IPv4", "ports": [{"name": "http", "port": 80}],
             "endpoints": [{"addresses": ["10.0.0.8"]}]},
            {"metadata": {"name": "db-d", "labels": {"kubernetes.io/service-name": "db"}}, "addressType": "IPv4", "ports": null,
             "endpoints": [{"addresses": ["10.0.0.9"]}]},
            {"metadata": {"name": "kafka-a", "labels": {"kubernetes.io/service-name": "kafka"}}, "addressType": "IPv4",
             "endpoints": [{"addresses": ["10.0.0.10"]}]},
            {"metadata": {"name": "db-v6", "labels": {"kubernetes.io/service-name": "db"}}, "addressType": "IPv6", "ports": [{"name": "sql", "port": null}],
             "endpoints": [{"addresses": ["fd00::5"], "conditions": {"terminating": true}}]},
        ],
        "events": [
            {"involvedObject": {"kind": "Pod", "name": "bare"}, "reason": "B", "lastTimestamp": "2026-01-02T00:00:00Z"},
            {"involvedObject": {"kind": "Pod", "name": "bare"}, "reason": "A", "eventTime": "2026-01-01T00:00:00.000001Z"},
            {"involvedObject": {"kind": "Pod", "name": "other"}, "reason": "C"},
        ],
    }));
    let data = state(json!({"services": [
        {"metadata": {"name": "cache", "namespace": "data"}, "spec": {"clusterIP": "10.96.0.10"}},
    ]}));
    Snapshot {
        namespace: "shop".into(),
        namespaces: BTreeMap::from([("shop".into(), own), ("data".into(), data)]),
        observed: BTreeMap::from([("services@vault".into(), Observed::Forbidden)]),
        ..Snapshot::default()
    }
}

fn shop(kind: &str, name: &str) -> WorkloadKey {
    WorkloadKey::new("shop", kind, name)
}

#[test]
fn workloads_are_topmost_owners_of_any_kind_and_bare_pods() {
    let names: Vec<String> = snapshot()
        .workloads("shop")
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        names,
        [
            "cluster/pg",
            "cronjob/tick",
            "deployment/db",
            "deployment/kafka-ui",
            "pod/bare",
            "pod/static-node-1",
            "rollout/ro",
            "statefulset/kafka",
        ]
    );
    assert!(snapshot().workloads("nowhere").is_empty());
}

#[test]
fn a_pod_leads_to_its_workload_and_back_to_live_pods_only() {
    let snapshot = snapshot();
    for (pod, workload) in [
        ("db-1-x", shop("deployment", "db")),
        ("ro-1-x", shop("rollout", "ro")),
        ("pg-1", shop("cluster", "pg")),
        ("bare", shop("pod", "bare")),
        ("kafka-0", shop("statefulset", "kafka")),
    ] {
        let pod = snapshot.pod("shop", pod).unwrap();
        assert_eq!(snapshot.workload_of(pod), workload);
        let back: Vec<&str> = snapshot
            .pods_of(&workload)
            .iter()
            .map(|pod| pod.metadata.name.as_str())
            .collect();
        assert_eq!(back, [pod.metadata.name.as_str()]);
    }
    assert_eq!(snapshot.all_pods_of(&shop("deployment", "db")).len(), 3);
    assert!(snapshot.pods_of(&shop("deployment", "none")).is_empty());
}

#[test]
fn templates_come_from_the_workload_the_newest_replica_set_or_the_pod() {
    let snapshot = snapshot();
    let label = |key: &WorkloadKey| {
        snapshot
            .template(key)
            .map(|template| template.labels.clone().into_iter().collect::<Vec<_>>())
    };
    let one = |key: &str, value: &str| Some(vec![(key.to_owned(), value.to_owned())]);
    assert_eq!(label(&shop("deployment", "db")), one("app", "db"));
    assert_eq!(label(&shop("rollout", "ro")), one("v", "new"));
    assert_eq!(label(&shop("cronjob", "tick")), one("c", "1"));
    assert_eq!(label(&shop("cluster", "pg")), one("pg", "1"));
    assert_eq!(label(&shop("pod", "bare")), Some(vec![]));
    assert_eq!(label(&shop("deployment", "none")), None);
}

#[test]
fn endpoints_follow_the_nil_rules_and_leave_our_own_pods_out() {
    let snapshot = snapshot();
    let service = key("shop", "db");
    let port = &snapshot.service(&service).unwrap().spec.ports[0];
    let seen: Vec<(String, Option<u16>, bool, bool)> = snapshot
        .endpoints(&service, port)
        .iter()
        .map(|view| {
            (
                view.address.to_string(),
                view.port.map(NonZeroU16::get),
                view.ready,
                view.terminating,
            )
        })
        .collect();
    assert_eq!(
        seen,
        [
            ("10.0.0.5".into(), Some(3306), true, false),
            ("10.0.0.6".into(), Some(3306), false, false),
            ("fd00::5".into(), None, true, true),
        ]
    );
    let udp = ServicePort {
        protocol: "UDP".into(),
        ..port.clone()
    };
    assert!(snapshot.endpoints(&service, &udp).is_empty());
    assert_eq!(snapshot.endpoints(&key("shop", "kafka"), port).len(), 1);
}

#[test]
fn only_selectors_that_match_select() {
    let snapshot = snapshot();
    let labels = Labels::from([("app".into(), "db".into()), ("x".into(), "y".into())]);
    let names = |labels: &Labels| -> Vec<String> {
        snapshot
            .services_selecting("shop", labels)
            .iter()
            .map(|service| service.metadata.name.clone())
            .collect()
    };
    assert_eq!(names(&labels), ["db"]);
    assert!(names(&Labels::new()).is_empty());
}

#[test]
fn events_of_an_object_stand_in_order_of_time() {
    let snapshot = snapshot();
    let reasons: Vec<&str> = snapshot
        .events_of("pod", "shop", "bare")
        .iter()
        .map(|event| event.reason.as_str())
        .collect();
    assert_eq!(reasons, ["A", "B"]);
    assert!(snapshot.events_of("Service", "shop", "bare").is_empty());
}

#[test]
fn hosts_mean_what_the_search_list_makes_of_them() {
    use HostMeaning::{Missing, Outside, ServiceAddress, ServiceElsewhere, Unread};
    let snapshot = snapshot();
    let service = |namespace: &str, name: &str| HostMeaning::Service(key(namespace, name));
    let kafka = HostMeaning::HeadlessPod {
        service: key("shop", "kafka"),
        pod: "kafka-0".into(),
    };
    for (host, meaning) in [
        ("DB", service("shop", "db")),
        ("db.", service("shop", "db")),
        ("Db.Shop", service("shop", "db")),
        ("cache.data.svc", service("data", "cache")),
        ("cache.data.svc.cluster.local.", service("data", "cache")),
        ("cache", ServiceElsewhere(vec![key("data", "cache")])),
        ("kafka-0.kafka", kafka.clone()),
        ("kafka-0.kafka.shop", kafka.clone()),
        ("kafka-0.kafka.shop.svc.cluster.local", kafka),
        ("kafka-9.kafka", Missing),
        ("nothing", Missing),
        ("nothing.data", Missing),
        ("nothing.data.svc", Missing),
        ("x.vault", Unread(key("vault", "x"))),
        ("x.vault.svc.cluster.local", Unread(key("vault", "x"))),
        ("example.com", Outside),
        ("db.eu.rds.amazonaws.com", Outside),
        ("10.96.0.10", ServiceAddress(key("data", "cache"))),
        ("[fd00::9]", ServiceAddress(key("shop", "db"))),
        (
            "10.0.0.5",
            HostMeaning::PodAddress {
                namespace: "shop".into(),
                pod: "db-1-x".into(),
            },
        ),
        (
            "10-0-0-5.shop.pod.cluster.local",
            HostMeaning::PodAddress {
                namespace: "shop".into(),
                pod: "db-1-x".into(),
            },
        ),
        ("192.0.2.1", HostMeaning::Address([192, 0, 2, 1].into())),
        ("localhost", HostMeaning::Address([127, 0, 0, 1].into())),
    ] {
        assert_eq!(snapshot.meaning(host, "shop"), meaning, "{host}");
    }
    assert_eq!(
        snapshot.meaning("db", "data"),
        ServiceElsewhere(vec![key("shop", "db")])
    );
}

#[test]
fn an_external_name_is_followed_to_its_end_and_a_loop_ends() {
    let mut snapshot = Snapshot {
        namespace: "shop".to_owned(),
        ..Snapshot::default()
    };
    let alias = |name: &str, to: &str| -> Service {
        serde_json::from_value(json!({"metadata": {"name": name}, "spec": {"type": "ExternalName", "externalName": to}})).unwrap()
    };
    let real: Service = serde_json::from_value(
        json!({"metadata": {"name": "db", "namespace": "data"}, "spec": {"clusterIP": "10.96.0.9"}}),
    )
    .unwrap();
    let mut own = vec![
        alias("loop", "loop.shop.svc.cluster.local"),
        alias("out", "db.example.com"),
    ];
    own.extend((0..5).map(|step| {
        alias(
            &format!("a{step}"),
            &format!("a{}.shop.svc.cluster.local", step + 1),
        )
    }));
    own.push(alias("a5", "db.data.svc.cluster.local"));
    snapshot
        .namespaces
        .entry("shop".to_owned())
        .or_default()
        .services = own;
    snapshot
        .namespaces
        .entry("data".to_owned())
        .or_default()
        .services = vec![real];
    snapshot.changed();

    let way = snapshot.way("A0", "shop");
    assert_eq!(way.services.len(), 7);
    assert_eq!(way.last().unwrap().0.namespace, "data");
    let way = snapshot.way("loop", "shop");
    assert_eq!((way.services.len(), way.last()), (1, None));
    let way = snapshot.way("out", "shop");
    assert_eq!((way.last(), &way.end), (None, &HostMeaning::Outside));
    assert!(snapshot.way("absent", "shop").services.is_empty());
}

#[test]
fn manifests_alone_show_which_names_pods_will_have() {
    let own = state(json!({
        "workloads": [{"kind": "Deployment", "metadata": {"name": "one"}, "spec": {"template": {"spec": {"hostname": "first", "subdomain": "kvs"}}}}, {"kind": "StatefulSet", "metadata": {"name": "kvs"}, "spec": {"serviceName": "kvs", "replicas": 2}}],
        "services": [{"metadata": {"name": "kvs", "namespace": "shop"}, "spec": {"clusterIP": "None"}}],
    }));
    let mut snapshot = Snapshot {
        namespace: "shop".to_owned(),
        namespaces: [("shop".to_owned(), own)].into(),
        offline: true,
        ..Snapshot::default()
    };
    let pod = |pod: &str| HostMeaning::HeadlessPod {
        service: ServiceKey::new("shop", "kvs"),
        pod: pod.to_owned(),
    };
    assert_eq!(snapshot.meaning("kvs-1.kvs", "shop"), pod("kvs-1"));
    let workloads = snapshot.way("kvs-0.kvs", "shop").workloads(&snapshot);
    assert!(workloads.is_empty(), "the Service has no selector");
    assert_eq!(snapshot.meaning("kvs-2.kvs", "shop"), HostMeaning::Missing);
    assert_eq!(snapshot.meaning("kvs-x.kvs", "shop"), HostMeaning::Missing);
    assert_eq!(snapshot.meaning("first.kvs", "shop"), pod("first"));
    assert_eq!(snapshot.meaning("one.kvs", "shop"), HostMeaning::Missing);
    snapshot.offline = false;
    assert_eq!(snapshot.meaning("kvs-1.kvs", "shop"), HostMeaning::Missing);
}
