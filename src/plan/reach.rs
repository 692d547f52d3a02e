//! Where an edge leads from one of its clients. Pure.

use super::client::Client;
use crate::graph::Edge;
use crate::observe::Snapshot;
use crate::observe::kinds::Pod;
use crate::policy::{self, Route};

/// Where an edge leads from a client.
pub(super) fn route_of(snapshot: &Snapshot, client: &Client<'_>, edge: &Edge) -> Route {
    policy::route(
        snapshot,
        &client.workload.namespace,
        &edge.host,
        edge.port,
        edge.protocol.transport(),
    )
}

/// The Pods behind a route's endpoints.
pub(super) fn pods_of<'a>(snapshot: &'a Snapshot, route: &Route) -> Vec<&'a Pod> {
    route
        .endpoints
        .iter()
        .filter_map(|endpoint| {
            snapshot.pod(&endpoint.view.pod_namespace, endpoint.view.pod.as_deref()?)
        })
        .collect()
}
