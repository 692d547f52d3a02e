//! Objects as tests write them → a [`Snapshot`] that holds them. Tests only.

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Snapshot;

/// A snapshot of YAML objects separated by `---`, all in `namespace` unless they say otherwise.
pub(crate) fn snapshot(namespace: &str, objects: &str) -> Snapshot {
    let mut snapshot = Snapshot {
        namespace: namespace.to_owned(),
        ..Snapshot::default()
    };
    snapshot.namespaces.entry(namespace.to_owned()).or_default();
    for text in objects
        .split("\n---")
        .filter(|text| !text.trim().is_empty())
    {
        let mut value: Value = serde_saphyr::from_str(text).unwrap();
        let own = value["metadata"]["namespace"].as_str().unwrap_or(namespace);
        let own = own.to_owned();
        value["metadata"]["namespace"] = own.clone().into();
        let state = snapshot.namespaces.entry(own.clone()).or_default();
        match value["kind"].as_str().unwrap() {
            "Pod" => state.pods.push(read(value)),
            "Service" => state.services.push(read(value)),
            "EndpointSlice" => state.endpoint_slices.push(read(value)),
            "NetworkPolicy" => state.network_policies.push(read(value)),
            "Ingress" => state.ingresses.push(read(value)),
            "Event" => {
                value["involvedObject"]["namespace"] = own.into();
                state.events.push(read(value));
            }
            "PersistentVolumeClaim" => state.volume_claims.push(read(value)),
            "ConfigMap" => state.config_maps.push(read(value)),
            "Namespace" => {
                let name = value["metadata"]["name"].as_str().unwrap().to_owned();
                let state = snapshot.namespaces.entry(name).or_default();
                state.object = Some(read(value));
            }
            "Node" => snapshot.nodes.push(read(value)),
            _ => state.workloads.push(read(value)),
        }
    }
    snapshot
}

fn read<T: DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}
