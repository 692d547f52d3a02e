//! Workloads that an edit adds: what their controllers, the scheduler and the kubelet would have made of them. Works on the store.

use serde_json::{Value, json};

use crate::kinds::{self, Resource};
use crate::store::{Store, list, text};

/// Stores a workload with Pods that run and are ready.
pub(crate) fn run(
    store: &Store,
    kind: &'static Resource,
    mut workload: Value,
) -> Result<(), String> {
    let name = text(&workload, "/metadata/name").to_owned();
    if !["deployments", "statefulsets", "daemonsets"].contains(&kind.plural) {
        return Err(format!(
            "only a Deployment, a StatefulSet or a DaemonSet is run, not a {}",
            kind.kind
        ));
    }
    if list(&workload, "/spec/template/spec/containers").is_empty() {
        return Err(format!("{name} has no spec.template.spec.containers"));
    }
    let nodes: Vec<String> = store
        .list(kinds::of("nodes"), None)
        .0
        .iter()
        .map(|node| text(node, "/metadata/name").to_owned())
        .collect();
    defaults(&mut workload, &name);
    let wanted = match kind.plural {
        "daemonsets" => nodes.len(),
        _ => workload["spec"]["replicas"]
            .as_u64()
            .and_then(|wanted| usize::try_from(wanted).ok())
            .unwrap_or(1),
    };
    if kind.plural != "daemonsets" {
        workload["spec"]["replicas"] = json!(wanted);
    }
    workload["status"] = status(kind, wanted);
    let workload = store.put(kind, workload);
    let owner = if kind.plural == "deployments" {
        replica_set(store, &workload, wanted)
    } else {
        workload.clone()
    };
    for number in 0..wanted {
        let node = nodes
            .get(number % nodes.len().max(1))
            .map_or("node", String::as_str);
        let pod = pod(store, &workload, &owner, number, node);
        store.put(kinds::of("pods"), pod);
    }
    Ok(())
}

/// Whether `object` is made by `owner`.
pub(crate) fn owned(object: &Value, owner: &Value) -> bool {
    list(object, "/metadata/ownerReferences")
        .iter()
        .any(|one| one["uid"] == owner["metadata"]["uid"])
}

/// What the API server fills in.
fn defaults(workload: &mut Value, name: &str) {
    workload["metadata"]["generation"] = json!(1);
    let template = &mut workload["spec"]["template"];
    if template["metadata"]["labels"].is_null() {
        template["metadata"]["labels"] = json!({"app": name});
    }
    let labels = template["metadata"]["labels"].clone();
    let spec = &mut template["spec"];
    for (field, value) in [("restartPolicy", "Always"), ("dnsPolicy", "ClusterFirst")] {
        if spec[field].is_null() {
            spec[field] = json!(value);
        }
    }
    for container in spec["containers"].as_array_mut().into_iter().flatten() {
        for port in container["ports"].as_array_mut().into_iter().flatten() {
            if port["protocol"].is_null() {
                port["protocol"] = json!("TCP");
            }
        }
        // Looking for ports leaves a field behind where there are none.
        if container["ports"].is_null()
            && let Some(fields) = container.as_object_mut()
        {
            fields.remove("ports");
        }
    }
    if workload["spec"]["selector"].is_null() {
        workload["spec"]["selector"] = json!({"matchLabels": labels});
    }
}

fn status(kind: &Resource, wanted: usize) -> Value {
    if kind.plural == "daemonsets" {
        return json!({"observedGeneration": 1, "desiredNumberScheduled": wanted, "currentNumberScheduled": wanted, "updatedNumberScheduled": wanted,
            "numberReady": wanted, "numberAvailable": wanted, "numberMisscheduled": 0});
    }
    let mut status = json!({"observedGeneration": 1, "replicas": wanted, "updatedReplicas": wanted, "readyReplicas": wanted, "availableReplicas": wanted});
    if kind.plural == "deployments" {
        status["conditions"] = json!([
            {"type": "Available", "status": "True", "reason": "MinimumReplicasAvailable"},
            {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"}]);
    } else {
        status["currentReplicas"] = json!(wanted);
    }
    status
}

fn owner_reference(owner: &Value) -> Value {
    json!([{"apiVersion": owner["apiVersion"], "kind": owner["kind"], "name": owner["metadata"]["name"], "uid": owner["metadata"]["uid"],
        "controller": true, "blockOwnerDeletion": true}])
}

fn replica_set(store: &Store, deployment: &Value, wanted: usize) -> Value {
    let mut spec = deployment["spec"].clone();
    spec["replicas"] = json!(wanted);
    store.put(
        kinds::of("replicasets"),
        json!({
            "metadata": {
                "name": format!("{}-5d8fcb7f6", text(deployment, "/metadata/name")),
                "namespace": deployment["metadata"]["namespace"],
                "labels": deployment["spec"]["template"]["metadata"]["labels"],
                "annotations": {"deployment.kubernetes.io/revision": "1"},
                "creationTimestamp": deployment["metadata"]["creationTimestamp"],
                "ownerReferences": owner_reference(deployment),
            },
            "spec": {"replicas": wanted, "selector": spec["selector"], "template": spec["template"]},
            "status": {"replicas": wanted, "readyReplicas": wanted, "availableReplicas": wanted, "observedGeneration": 1},
        }),
    )
}

fn pod(store: &Store, workload: &Value, owner: &Value, number: usize, node: &str) -> Value {
    let template = &workload["spec"]["template"];
    let since = &workload["metadata"]["creationTimestamp"];
    let name = format!("{}-{number}", text(owner, "/metadata/name"));
    let mut spec = template["spec"].clone();
    spec["nodeName"] = json!(node);
    if workload["kind"] == "StatefulSet" {
        spec["hostname"] = json!(name);
        spec["subdomain"] = workload["spec"]["serviceName"].clone();
    }
    let statuses: Vec<Value> = list(&spec, "/containers")
        .iter()
        .map(|container| {
            json!({"name": container["name"], "image": container["image"], "imageID": "", "ready": true, "started": true, "restartCount": 0,
                "state": {"running": {"startedAt": since}}, "lastState": {}})
        })
        .collect();
    let conditions: Vec<Value> = ["PodScheduled", "Initialized", "ContainersReady", "Ready"]
        .into_iter()
        .map(|kind| json!({"type": kind, "status": "True", "lastTransitionTime": since}))
        .collect();
    let address = free_address(store);
    json!({
        "metadata": {
            "name": name,
            "namespace": workload["metadata"]["namespace"],
            "labels": template["metadata"]["labels"],
            "annotations": template["metadata"]["annotations"],
            "creationTimestamp": since,
            "ownerReferences": owner_reference(owner),
        },
        "spec": spec,
        "status": {
            "phase": "Running", "podIP": address, "podIPs": [{"ip": address}], "startTime": since,
            "conditions": conditions, "containerStatuses": statuses,
        },
    })
}

/// An address of the Pod range that no Pod has.
fn free_address(store: &Store) -> String {
    let (pods, _) = store.list(kinds::of("pods"), None);
    (1..=254)
        .map(|last| format!("10.244.200.{last}"))
        .find(|address| !pods.iter().any(|pod| text(pod, "/status/podIP") == address))
        .unwrap_or_else(|| "10.244.201.1".to_owned())
}

/// What becomes of a workload whose template or number of replicas was changed: Pods of the new template in place of the old ones, which
/// run and are ready.
pub(crate) fn renew(store: &Store, kind: &'static Resource, mut workload: Value) {
    let name = text(&workload, "/metadata/name").to_owned();
    defaults(&mut workload, &name);
    let old = pods_of(store, &workload);
    let wanted = match kind.plural {
        "daemonsets" => old.len(),
        _ => workload["spec"]["replicas"]
            .as_u64()
            .and_then(|wanted| usize::try_from(wanted).ok())
            .unwrap_or(1),
    };
    workload["status"] = status(kind, wanted);
    let workload = store.put(kind, workload);
    for set in sets_of(store, &workload) {
        store.remove(
            kinds::of("replicasets"),
            text(&set, "/metadata/namespace"),
            text(&set, "/metadata/name"),
        );
    }
    let owner = if kind.plural == "deployments" {
        replica_set(store, &workload, wanted)
    } else {
        workload.clone()
    };
    for pod in &old {
        forget(store, pod);
    }
    for number in 0..wanted {
        let before = old.get(number);
        let node = before.map_or("", |pod| text(pod, "/spec/nodeName"));
        let node = if node.is_empty() {
            first_node(store)
        } else {
            node.to_owned()
        };
        let mut pod = pod(store, &workload, &owner, number, &node);
        // A real one would get another address; the scenario's network knows the old one.
        if let Some(address) = before
            .map(|pod| text(pod, "/status/podIP"))
            .filter(|ip| !ip.is_empty())
        {
            pod["status"]["podIP"] = json!(address);
            pod["status"]["podIPs"] = json!([{"ip": address}]);
        }
        store.put(kinds::of("pods"), pod);
    }
}

/// Back to the template of the revision before: its `ReplicaSet` goes on, the newest goes with its Pods.
pub(crate) fn undo(
    store: &Store,
    kind: &'static Resource,
    mut workload: Value,
) -> Result<(), String> {
    let revision = |set: &Value| {
        set["metadata"]["annotations"]["deployment.kubernetes.io/revision"]
            .as_str()
            .and_then(|text| text.parse::<u64>().ok())
            .unwrap_or(0)
    };
    let mut sets = sets_of(store, &workload);
    sets.sort_by_key(revision);
    let [.., before, newest] = sets.as_slice() else {
        return Err("there is no revision before".to_owned());
    };
    workload["spec"]["template"] = before["spec"]["template"].clone();
    let wanted = workload["spec"]["replicas"].as_u64().unwrap_or(1);
    workload["status"] = status(kind, usize::try_from(wanted).unwrap_or(1));
    store.put(kind, workload);
    for pod in store.list(kinds::of("pods"), None).0 {
        if owned(&pod, newest) {
            forget(store, &pod);
        }
    }
    store.remove(
        kinds::of("replicasets"),
        text(newest, "/metadata/namespace"),
        text(newest, "/metadata/name"),
    );
    Ok(())
}

/// A Pod goes, with its events.
fn forget(store: &Store, pod: &Value) {
    let namespace = text(pod, "/metadata/namespace");
    let name = text(pod, "/metadata/name");
    store.remove(kinds::of("pods"), namespace, name);
    let events = kinds::of("events");
    for event in store.list(events, Some(namespace)).0 {
        if event["involvedObject"]["name"] == name {
            store.remove(events, namespace, text(&event, "/metadata/name"));
        }
    }
}

fn first_node(store: &Store) -> String {
    let (nodes, _) = store.list(kinds::of("nodes"), None);
    nodes
        .first()
        .map_or("node", |node| text(node, "/metadata/name"))
        .to_owned()
}

fn sets_of(store: &Store, workload: &Value) -> Vec<Value> {
    let namespace = text(workload, "/metadata/namespace");
    let (mut sets, _) = store.list(kinds::of("replicasets"), Some(namespace));
    sets.retain(|set| owned(set, workload));
    sets
}

fn pods_of(store: &Store, workload: &Value) -> Vec<Value> {
    let sets = sets_of(store, workload);
    let namespace = text(workload, "/metadata/namespace");
    let (mut pods, _) = store.list(kinds::of("pods"), Some(namespace));
    pods.retain(|pod| owned(pod, workload) || sets.iter().any(|set| owned(pod, set)));
    pods
}

/// Counts the Pods of a workload into its status.
pub(crate) fn count(store: &Store, kind: &'static Resource, mut workload: Value) {
    let pods = pods_of(store, &workload);
    let ready = pods.iter().filter(|pod| is_ready(pod)).count();
    let status = &mut workload["status"];
    if kind.plural == "daemonsets" {
        let wanted = status["desiredNumberScheduled"].as_u64().unwrap_or(0);
        let missing = wanted.saturating_sub(u64::try_from(ready).unwrap_or(0));
        status["numberReady"] = json!(ready);
        status["numberAvailable"] = json!(ready);
        status["numberUnavailable"] = json!(missing);
    } else {
        let wanted = workload["spec"]["replicas"].as_u64().unwrap_or(1);
        let missing = wanted.saturating_sub(u64::try_from(ready).unwrap_or(0));
        let status = &mut workload["status"];
        status["replicas"] = json!(pods.len());
        status["readyReplicas"] = json!(ready);
        status["availableReplicas"] = json!(ready);
        if kind.plural == "deployments" {
            status["unavailableReplicas"] = json!(missing);
            for condition in status["conditions"].as_array_mut().into_iter().flatten() {
                if condition["type"] == "Available" {
                    condition["status"] = json!(if missing == 0 { "True" } else { "False" });
                }
            }
        }
    }
    store.put(kind, workload);
}

/// Whether a Pod's condition says that it is ready.
pub(crate) fn is_ready(pod: &Value) -> bool {
    list(pod, "/status/conditions")
        .iter()
        .any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
}
