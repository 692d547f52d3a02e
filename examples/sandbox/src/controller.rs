//! What a cluster's controllers do when something is created: a Service gets its address and its EndpointSlice. Works on the store.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::kinds;
use crate::store::{Store, list, text};
use crate::{merge, workload};

/// Fills in what the API server and the endpoints controller fill in, and stores the Service with its EndpointSlice.
pub(crate) fn create_service(store: &Store, mut service: Value) -> Value {
    let (namespace, name) = (
        text(&service, "/metadata/namespace").to_owned(),
        text(&service, "/metadata/name").to_owned(),
    );
    if let Some(mut there) = store.get(kinds::of("services"), &namespace, &name) {
        merge::patch(&mut there, service);
        service = there;
        service_removed(store, &namespace, &name);
    }
    let external = text(&service, "/spec/type") == "ExternalName";
    if service["spec"]["type"].is_null() {
        service["spec"]["type"] = json!("ClusterIP");
    }
    if let Some(ports) = service
        .pointer_mut("/spec/ports")
        .and_then(Value::as_array_mut)
    {
        for port in ports {
            if port["protocol"].is_null() {
                port["protocol"] = json!("TCP");
            }
            if port["targetPort"].is_null() {
                port["targetPort"] = port["port"].clone();
            }
        }
    }
    if !external {
        if service["spec"]["clusterIP"].is_null() {
            service["spec"]["clusterIP"] = json!(free_address(store));
        }
        if service["spec"]["clusterIPs"].is_null() {
            service["spec"]["clusterIPs"] = json!([service["spec"]["clusterIP"]]);
        }
        if service["spec"]["ipFamilies"].is_null() {
            service["spec"]["ipFamilies"] = json!(["IPv4"]);
        }
        if service["spec"]["ipFamilyPolicy"].is_null() {
            service["spec"]["ipFamilyPolicy"] = json!("SingleStack");
        }
    }
    let service = store.put(kinds::of("services"), service);
    if !external && service["spec"]["selector"].is_object() {
        store.put(kinds::of("endpointslices"), slice(store, &service));
    }
    service
}

/// A Service takes its EndpointSlices with it.
pub(crate) fn service_removed(store: &Store, namespace: &str, name: &str) {
    let kind = kinds::of("endpointslices");
    for slice in store.list(kind, Some(namespace)).0 {
        if slice["metadata"]["labels"]["kubernetes.io/service-name"] == name {
            store.remove(kind, namespace, text(&slice, "/metadata/name"));
        }
    }
}

/// Every controller looks once more, save at what `said` (plural and name) says otherwise: EndpointSlices follow selectors and readiness,
/// counts of workloads follow their Pods.
pub(crate) fn look_again(store: &Store, said: &BTreeSet<(&'static str, String)>) {
    for service in store.list(kinds::of("services"), None).0 {
        let (namespace, name) = (
            text(&service, "/metadata/namespace"),
            text(&service, "/metadata/name"),
        );
        let external = text(&service, "/spec/type") == "ExternalName";
        let selects = service["spec"]["selector"].is_object() && !external;
        if selects && !said.contains(&("endpointslices", name.to_owned())) {
            service_removed(store, namespace, name);
            store.put(kinds::of("endpointslices"), slice(store, &service));
        }
    }
    for plural in ["replicasets", "deployments", "statefulsets", "daemonsets"] {
        let kind = kinds::of(plural);
        for object in store.list(kind, None).0 {
            let name = text(&object, "/metadata/name").to_owned();
            if !said.contains(&(plural, name)) && !is_elsewhere(store, &object) {
                workload::count(store, kind, object);
            }
        }
    }
}

/// Whether the Pods of that namespace were not recorded at all.
fn is_elsewhere(store: &Store, object: &Value) -> bool {
    text(object, "/metadata/namespace") == "kube-system"
        && store
            .list(kinds::of("pods"), Some("kube-system"))
            .0
            .is_empty()
}

/// An address of the service range that no Service has.
fn free_address(store: &Store) -> String {
    let (services, _) = store.list(kinds::of("services"), None);
    let taken: BTreeSet<&str> = services
        .iter()
        .map(|service| text(service, "/spec/clusterIP"))
        .collect();
    (1..=254)
        .map(|last| format!("10.96.200.{last}"))
        .find(|address| !taken.contains(address.as_str()))
        .unwrap_or_else(|| "10.96.201.1".to_owned())
}

fn slice(store: &Store, service: &Value) -> Value {
    let namespace = text(service, "/metadata/namespace");
    let name = text(service, "/metadata/name");
    let (pods, _) = store.list(kinds::of("pods"), Some(namespace));
    let pods: Vec<&Value> = pods
        .iter()
        .filter(|pod| selects(&service["spec"]["selector"], pod))
        .filter(|pod| !text(pod, "/status/podIP").is_empty())
        .filter(|pod| !["Succeeded", "Failed"].contains(&text(pod, "/status/phase")))
        .collect();
    let endpoints: Vec<Value> = pods.iter().map(|pod| endpoint(pod, service)).collect();
    let ports: Vec<Value> = list(service, "/spec/ports")
        .iter()
        .filter_map(|port| {
            let number = target(&port["targetPort"], pods.first().copied())?;
            let name = port["name"].as_str().unwrap_or_default();
            Some(json!({"name": name, "port": number, "protocol": port["protocol"]}))
        })
        .collect();
    json!({
        "metadata": {
            "name": format!("{name}-sandb"),
            "namespace": namespace,
            "labels": {
                "kubernetes.io/service-name": name,
                "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
            },
            "ownerReferences": [{"apiVersion": "v1", "kind": "Service", "name": name, "uid": service["metadata"]["uid"], "controller": true}],
        },
        "addressType": "IPv4",
        "endpoints": endpoints,
        "ports": ports,
    })
}

fn endpoint(pod: &Value, service: &Value) -> Value {
    let ready = workload::is_ready(pod);
    let early = service["spec"]["publishNotReadyAddresses"] == true;
    let leaves = !pod["metadata"]["deletionTimestamp"].is_null();
    let mut endpoint = json!({
        "addresses": [pod["status"]["podIP"]],
        "conditions": {"ready": early || (ready && !leaves), "serving": ready, "terminating": leaves},
        "nodeName": pod["spec"]["nodeName"],
        "targetRef": {"kind": "Pod", "namespace": pod["metadata"]["namespace"], "name": pod["metadata"]["name"], "uid": pod["metadata"]["uid"]},
    });
    if pod["spec"]["subdomain"] == service["metadata"]["name"] {
        endpoint["hostname"] = pod["spec"]["hostname"].clone();
    }
    endpoint
}

fn selects(selector: &Value, pod: &Value) -> bool {
    selector.as_object().is_some_and(|selector| {
        !selector.is_empty()
            && selector
                .iter()
                .all(|(name, value)| pod["metadata"]["labels"].get(name) == Some(value))
    })
}

/// A number, or a name that the Pod's containers declare.
fn target(port: &Value, pod: Option<&Value>) -> Option<u64> {
    if let Some(number) = port.as_u64() {
        return Some(number);
    }
    list(pod?, "/spec/containers")
        .iter()
        .flat_map(|container| list(container, "/ports"))
        .find(|declared| declared["name"] == *port)
        .and_then(|declared| declared["containerPort"].as_u64())
}

/// The topmost owner of a Pod as `deployment/db`.
pub(crate) fn workload_of(store: &Store, pod: &Value) -> String {
    let mut object = pod.clone();
    let mut kind = "pod".to_owned();
    // No chain of owners is longer.
    for _ in 0..4 {
        let Some(owner) = list(&object, "/metadata/ownerReferences")
            .iter()
            .find(|owner| owner["controller"] == true)
            .cloned()
        else {
            break;
        };
        kind = text(&owner, "/kind").to_ascii_lowercase();
        let namespace = text(&object, "/metadata/namespace").to_owned();
        let known = kinds::of_object(text(&owner, "/apiVersion"), text(&owner, "/kind"));
        object = known
            .and_then(|known| store.get(known, &namespace, text(&owner, "/name")))
            .unwrap_or_else(|| json!({"metadata": {"name": owner["name"]}}));
    }
    format!("{kind}/{}", text(&object, "/metadata/name"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    #[test]
    fn a_created_service_gets_an_address_and_the_ready_pods_it_selects() {
        let store = Store::new(Clock::from(jiff::Timestamp::UNIX_EPOCH));
        let pod = |name: &str, app: &str, ready: &str, ip: &str| {
            store.put(kinds::of("pods"), json!({
                "metadata": {"name": name, "namespace": "shop", "labels": {"app": app}},
                "spec": {"containers": [{"name": "c", "ports": [{"name": "sql", "containerPort": 3306}]}]},
                "status": {"podIP": ip, "phase": "Running", "conditions": [{"type": "Ready", "status": ready}]}}));
        };
        pod("db-1", "db", "True", "10.0.0.1");
        pod("db-2", "db", "False", "10.0.0.2");
        pod("web-1", "web", "True", "10.0.0.3");
        let service = create_service(
            &store,
            json!({
            "metadata": {"name": "db", "namespace": "shop"},
            "spec": {"selector": {"app": "db"}, "ports": [{"port": 3306, "targetPort": "sql"}]}}),
        );
        assert_eq!(service["spec"]["clusterIP"], "10.96.200.1");
        let (slices, _) = store.list(kinds::of("endpointslices"), Some("shop"));
        assert_eq!(slices[0]["ports"][0]["port"], 3306);
        let ready: Vec<(&str, bool)> = list(&slices[0], "/endpoints")
            .iter()
            .map(|one| {
                (
                    one["addresses"][0].as_str().unwrap_or_default(),
                    one["conditions"]["ready"] == true,
                )
            })
            .collect();
        assert_eq!(ready, [("10.0.0.1", true), ("10.0.0.2", false)]);
        service_removed(&store, "shop", "db");
        assert!(store.list(kinds::of("endpointslices"), None).0.is_empty());
    }
}
