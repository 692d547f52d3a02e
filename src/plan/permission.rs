//! Where a credential may go. Pure.
//!
//! A compose file or `k8sverify.yaml` may come with a pull request: neither may send the value of a Secret to a host of its author's choice.
//! A login is allowed where the client's own container names the host, or where the host leads to Pods of the client's own namespace that
//! run the credential's product, at the addresses that the API shows for it.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::client::Client;
use super::edge::route_of;
use super::model::PlanOptions;
use crate::address::{self, LoginReference};
use crate::graph::{self, Edge};
use crate::observe::kinds::Pod;
use crate::observe::{HostMeaning, Snapshot};
use crate::protocol::Protocol;

/// To which addresses a login may go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Permission {
    /// To every address that the host resolves to, as the client itself would send it.
    Host,
    /// To these alone.
    Only(BTreeSet<IpAddr>),
}

/// Whether the client's credentials may go to the edge's host. `login` names what the container really has, `container` is the one that has it.
///
/// # Errors
/// In words, why they may not.
pub(super) fn permission(
    snapshot: &Snapshot,
    client: &Client<'_>,
    edge: &Edge,
    login: &LoginReference,
    container: &str,
    options: &PlanOptions,
) -> Result<Permission, String> {
    if options
        .allow_login
        .iter()
        .any(|host| address::is_same_host(host, &edge.host))
    {
        return Ok(Permission::Host);
    }
    if matches!(
        login,
        LoginReference::Parts {
            user: None,
            password: None,
            ..
        }
    ) {
        // There is nothing that could be kept from anyone.
        return Ok(Permission::Host);
    }
    if let Some(origin) = &edge.login_said {
        of_the_edge(edge, login, origin)?;
    }
    let has_own_host = match login {
        // The agent sends them to the host that stands beside them in the container.
        LoginReference::Url { .. } | LoginReference::Parts { host: Some(_), .. } => true,
        LoginReference::Parts { host: None, .. } => {
            graph::names_host(snapshot, &client.workload, container, &edge.host)
        }
    };
    if has_own_host {
        return Ok(Permission::Host);
    }
    by_route(snapshot, client, edge, options)
        .map(Permission::Only)
        .map_err(|why| {
            format!(
                "login skipped: {}, not in the configuration of container {container} of {}, and {why}; --allow-login with that host permits it",
                edge.origin.first().map_or_else(
                    || "the host is not known from the Pod".to_owned(),
                    |origin| format!("the host stands only in {origin}"),
                ),
                client.workload,
            )
        })
}

/// The addresses of a host that leads to Pods of the client's namespace which run the product.
fn by_route(
    snapshot: &Snapshot,
    client: &Client<'_>,
    edge: &Edge,
    options: &PlanOptions,
) -> Result<BTreeSet<IpAddr>, String> {
    let namespace = &client.workload.namespace;
    let route = route_of(snapshot, client, edge);
    let is_here = match &route.meaning {
        HostMeaning::Service(key)
        | HostMeaning::ServiceAddress(key)
        | HostMeaning::HeadlessPod { service: key, .. } => {
            key.namespace == *namespace && route.service.as_ref() == Some(key)
        }
        _ => false,
    };
    if !is_here {
        return Err(format!(
            "it leads to no Service with Pods in namespace {namespace}"
        ));
    }
    if route.endpoints.is_empty() {
        return Err("no Pod stands behind it".to_owned());
    }
    for endpoint in &route.endpoints {
        let pod = endpoint
            .view
            .pod
            .as_ref()
            .and_then(|name| snapshot.pod(namespace, name))
            .ok_or_else(|| format!("{} is the address of no Pod", endpoint.view.address))?;
        if !runs(pod, edge.protocol, options) {
            return Err(format!(
                "no image of pod/{} is known to serve {}",
                pod.metadata.name, edge.protocol
            ));
        }
    }
    let endpoints = route.endpoints.iter().map(|endpoint| endpoint.view.address);
    Ok(route.addresses.iter().copied().chain(endpoints).collect())
}

/// Whether one of the Pod's images is of a product that speaks the protocol.
fn runs(pod: &Pod, protocol: Protocol, options: &PlanOptions) -> bool {
    let plain = |protocol| match protocol {
        Protocol::Https => Protocol::Http,
        other => other,
    };
    pod.spec
        .containers
        .iter()
        .flat_map(|container| options.images.serves(&container.image))
        .any(|port| plain(port.protocol) == plain(protocol))
}

/// Whether a login that the user's file names belongs to the edge: its secret shares a word with the edge, or names its product.
fn of_the_edge(edge: &Edge, login: &LoginReference, origin: &str) -> Result<(), String> {
    let LoginReference::Parts {
        password: Some(password),
        ..
    } = login
    else {
        return Ok(());
    };
    let edge_words: BTreeSet<String> = [Some(&edge.to), Some(&edge.host), edge.variable.as_ref()]
        .into_iter()
        .flatten()
        .flat_map(|name| address::words(name))
        .collect();
    let words = address::words(password);
    let belongs = words.len() <= 1
        || words
            .iter()
            .any(|word| edge_words.contains(word) || address::product(word) == Some(edge.protocol));
    if belongs {
        return Ok(());
    }
    Err(format!(
        "login skipped: {origin} names {password}, which shares no word with {} or its product; --allow-login with the edge's host permits it",
        edge.to
    ))
}
