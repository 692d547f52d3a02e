//! One Pod template with every way of configuring a container.

use crate::graph::fixture::snapshot;

use super::*;

const MANIFESTS: &str = r#"
kind: ConfigMap
metadata: {name: settings}
data: {HOST: db, PORT: "3306", HOST_COPY: "$(HOST)"}
---
kind: ConfigMap
metadata: {name: files}
data: {nginx.conf: "proxy_pass http://api:8080;", other.conf: "x"}
---
kind: ConfigMap
metadata: {name: encoded}
data: {a.conf: x}
binaryData: {b.conf: cHJveHlfcGFzcyBodHRwOi8vYXBpOjgwODA7, logo.png: iVBORw0KGgo=}
---
kind: Deployment
metadata: {name: ap}
spec:
  template:
    spec:
      containers:
      - name: ap
        image: ap:1
        command: [run, "--db=$(APP_HOST):$(PORT)", "$(LATER)", "$$(HOST)"]
        envFrom:
        - {prefix: APP_, configMapRef: {name: settings}}
        - {prefix: S_, secretRef: {name: whole}}
        - {configMapRef: {name: optional-one, optional: true}}
        - {prefix: E_, configMapRef: {name: encoded}}
        env:
        - {name: PORT, valueFrom: {configMapKeyRef: {name: settings, key: PORT}}}
        - {name: URL, value: "mysql://u:$(PASSWORD)@$(APP_HOST):$(PORT)/x"}
        - {name: PASSWORD, valueFrom: {secretKeyRef: {name: one, key: p}}}
        - {name: NODE, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}
        - {name: ABSENT, valueFrom: {configMapKeyRef: {name: settings, key: none, optional: true}}}
        - {name: APP_PORT, value: "1"}
        volumeMounts:
        - {name: files, mountPath: /etc/nginx/conf.d}
        - {name: files, mountPath: /one.conf, subPath: other.conf}
        - {name: picked, mountPath: /picked}
        - {name: encoded, mountPath: /encoded}
        - {name: projected, mountPath: /projected}
      - {name: istio-proxy, image: proxy}
      initContainers: [{name: wait, image: busybox, args: [sleep, "1"]}, {name: side, image: s, restartPolicy: Always}]
      volumes:
      - {name: files, configMap: {name: files}}
      - {name: picked, configMap: {name: files, items: [{key: nginx.conf, path: sub/site.conf}]}}
      - {name: encoded, configMap: {name: encoded}}
      - {name: projected, projected: {sources: [{secret: {name: x}}, {configMap: {name: files, items: [{key: other.conf, path: o}]}}]}}
"#;

fn all() -> Vec<DeployedContainer> {
    containers(
        &snapshot(MANIFESTS.trim()),
        &WorkloadKey::new("shop", "deployment", "ap"),
    )
}

#[test]
fn containers_come_with_init_containers_and_without_proxies() {
    let found: Vec<(String, bool)> = all()
        .into_iter()
        .map(|container| (container.name, container.init))
        .collect();
    assert_eq!(
        found,
        [
            ("ap".to_owned(), false),
            ("wait".to_owned(), true),
            ("side".to_owned(), false)
        ]
    );
}

#[test]
fn variables_are_what_the_kubelet_makes_of_them() {
    let environment = all().swap_remove(0).environment;
    let known = environment.known();
    assert_eq!(known["APP_HOST"], "db");
    assert_eq!(known["APP_HOST_COPY"], "$(HOST)", "envFrom is not expanded");
    assert_eq!(known["APP_PORT"], "1", "env wins over envFrom");
    assert_eq!(known["PORT"], "3306");
    assert!(
        known.contains_key("E_a.conf") && !known.contains_key("E_b.conf"),
        "a variable takes `data` alone"
    );
    assert_eq!(known["URL"], "mysql://u:$(PASSWORD)@db:3306/x");
    assert!(!known.contains_key("PASSWORD") && !known.contains_key("NODE"));
    assert!(!environment.may_have("ABSENT"));
    assert!(environment.may_hold_secretly("PASSWORD"));
    assert!(
        environment.may_hold_secretly("S_ANYTHING"),
        "of a whole Secret"
    );
    assert!(!environment.may_hold_secretly("ANYTHING"));
    assert!(!environment.may_hold_secretly("PORT"));
}

#[test]
fn words_are_expanded() {
    assert_eq!(
        all().swap_remove(0).words,
        ["run", "--db=db:3306", "$(LATER)", "$(HOST)"]
    );
}

#[test]
fn files_stand_where_they_are_mounted() {
    let files: Vec<(String, String)> = all()
        .swap_remove(0)
        .files
        .into_iter()
        .map(|file| (file.target, file.text))
        .collect();
    let conf = "proxy_pass http://api:8080;".to_owned();
    assert_eq!(
        files,
        [
            ("/encoded/a.conf".to_owned(), "x".to_owned()),
            ("/encoded/b.conf".to_owned(), conf.clone()),
            ("/etc/nginx/conf.d/nginx.conf".to_owned(), conf.clone()),
            ("/etc/nginx/conf.d/other.conf".to_owned(), "x".to_owned()),
            ("/one.conf".to_owned(), "x".to_owned()),
            ("/picked/sub/site.conf".to_owned(), conf),
            ("/projected/o".to_owned(), "x".to_owned()),
        ]
    );
}

#[test]
fn an_unread_config_map_may_hold_anything_and_a_missing_workload_nothing() {
    let text = "kind: Deployment\nmetadata: {name: ap}\nspec: {template: {spec: {containers: [{name: ap, envFrom: [{configMapRef: {name: unread}}]}]}}}";
    let found = containers(
        &snapshot(text),
        &WorkloadKey::new("shop", "deployment", "ap"),
    );
    assert!(found[0].environment.may_have("DB_HOST"));
    assert!(
        containers(
            &snapshot(text),
            &WorkloadKey::new("shop", "deployment", "no")
        )
        .is_empty()
    );
}
