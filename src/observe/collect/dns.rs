//! The Services and endpoints of the cluster's name server. IO: the API.

use super::{Record, SYSTEM, add_services, list, note};
use crate::observe::client::Api;
use crate::observe::kinds::{Pod, Service};
use crate::observe::references::dns_services;
use crate::observe::resources::{
    ENDPOINT_SLICES, NETWORK_POLICIES, PODS, SERVICES, labelled, with_field,
};
use crate::observe::{ServiceKey, Snapshot};

/// The Services that serve DNS, their endpoints, Pods and policies.
pub(super) async fn cluster_dns(api: &Api, snapshot: &mut Snapshot) {
    let mut services = dns_services(snapshot);
    if services.is_empty() && !snapshot.knows("services@*") {
        let query = &with_field("metadata.name=kube-dns");
        let found = list::<Service>(api, &SERVICES, Some(SYSTEM), query).await;
        let mut record = Record::new(api, SYSTEM, false);
        let found = record.take(&SERVICES, found);
        note(snapshot, record);
        add_services(snapshot, found);
        services = dns_services(snapshot);
    }
    for key in services.into_iter().take(2) {
        if key.namespace != snapshot.namespace {
            dns_backends(api, snapshot, &key).await;
        }
    }
}

pub(super) async fn dns_backends(api: &Api, snapshot: &mut Snapshot, key: &ServiceKey) {
    let selector = match snapshot.service(key) {
        Some(service) => service.spec.selector.clone(),
        None => return,
    };
    let pairs: Vec<String> = selector
        .iter()
        .map(|(label, value)| format!("{label}={value}"))
        .collect();
    let of_service = labelled(&format!("kubernetes.io/service-name={}", key.name));
    let of_pods = labelled(&pairs.join(","));
    let space = Some(key.namespace.as_str());
    let (slices, pods, policies) = tokio::join!(
        list(api, &ENDPOINT_SLICES, space, &of_service),
        list::<Pod>(api, &PODS, space, &of_pods),
        list(api, &NETWORK_POLICIES, space, ""),
    );
    let mut record = Record::new(api, &key.namespace, false);
    let slices = record.take(&ENDPOINT_SLICES, slices);
    let pods = if selector.is_empty() {
        Vec::new()
    } else {
        record.take(&PODS, pods)
    };
    let policies = record.take(&NETWORK_POLICIES, policies);
    note(snapshot, record);
    let state = snapshot
        .namespaces
        .entry(key.namespace.clone())
        .or_default();
    state.endpoint_slices.extend(slices);
    state.pods.extend(pods);
    state.network_policies = policies;
    snapshot.changed();
}
