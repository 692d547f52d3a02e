//! What a cluster's controllers do when something is created: a Service gets its address and its EndpointSlice. Works on the store.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::kinds;
use crate::store::{Store, list, text};

/// Fills in what the API server and the endpoints controller fill in, and stores the Service with its EndpointSlice.
pub(crate) fn create_service(store: &Store, mut service: Value) -> Value {
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
        service["spec"]["clusterIPs"] = json!([service["spec"]["clusterIP"]]);
        service["spec"]["ipFamilies"] = json!(["IPv4"]);
        service["spec"]["ipFamilyPolicy"] = json!("SingleStack");
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
    let endpoints: Vec<Value> = pods.iter().map(|pod| endpoint(pod)).collect();
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

fn endpoint(pod: &Value) -> Value {
    let ready = list(pod, "/status/conditions")
        .iter()
        .any(|condition| condition["type"] == "Ready" && condition["status"] == "True");
    let leaves = !pod["metadata"]["deletionTimestamp"].is_null();
    json!({
        "addresses": [pod["status"]["podIP"]],
        "conditions": {"ready": ready && !leaves, "serving": ready, "terminating": leaves},
        "nodeName": pod["spec"]["nodeName"],
        "targetRef": {"kind": "Pod", "namespace": pod["metadata"]["namespace"], "name": pod["metadata"]["name"], "uid": pod["metadata"]["uid"]},
    })
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
