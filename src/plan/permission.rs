//! Where a credential may go. Pure.
//!
//! A compose file or `k8sverify.yaml` may come with a pull request: neither may send the value of a Secret to a host of its author's choice.
//! A login is allowed where the client's own container names the host, or where the host leads to Pods of the client's own namespace that
//! run the credential's product, at the addresses that the API shows for it.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::client::Client;
use super::environment::Environment;
use super::model::PlanOptions;
use super::product::Case;
use super::reach::route_of;
use crate::address::{self, LoginReference, Role};
use crate::graph::{self, Edge};
use crate::observe::kinds::{Container, Pod};
use crate::observe::{HostMeaning, Snapshot};
use crate::policy::Route;
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
    container: &Container,
    environment: &Environment<'_>,
    options: &PlanOptions,
) -> Result<Permission, String> {
    if options
        .allow_login
        .iter()
        .any(|host| address::is_same_host(host, &edge.host))
    {
        return Ok(Permission::Host);
    }
    let LoginReference::Parts {
        host,
        user,
        password,
        database,
        ..
    } = login
    else {
        // The agent sends a URL's login to the URL's own host.
        return Ok(Permission::Host);
    };
    let said = edge.login_said.as_ref();
    if said.is_none() && (host.is_some() || user.is_none() && password.is_none()) {
        // The agent sends them to the host that stands beside them in the container; or there is nothing that could be kept from anyone.
        return Ok(Permission::Host);
    }
    let refused = |why: String| {
        let named = said.map_or_else(String::new, |origin| format!("{origin} names it, and "));
        format!("login skipped: {named}{why}; --allow-login with the edge's host permits it")
    };
    if let Some(host) = host {
        return is_of_host(password.as_deref(), host)
            .map(|()| Permission::Host)
            .map_err(refused);
    }
    let route = route_of(snapshot, client, edge);
    let place = (edge.host.as_str(), edge.port, edge.protocol);
    let has_host = graph::names_host(snapshot, &client.workload, &container.name, place);
    let case = Case {
        snapshot,
        client,
        environment,
        container,
        edge,
        route: &route,
        has_host,
    };
    let accounts = [user, database].into_iter().flatten();
    let secrets = accounts.filter(|name| !address::names_account(name));
    for variable in secrets.chain(password) {
        case.belongs(variable).map_err(refused)?;
    }
    if has_host {
        return Ok(Permission::Host);
    }
    by_route(snapshot, client, edge, &route, options)
        .map(Permission::Only)
        .map_err(|why| {
            format!(
                "login skipped: {}, not in the configuration of container {} of {}, and {why}; --allow-login with that host permits it",
                edge.origin.first().map_or_else(
                    || "the host is not known from the Pod".to_owned(),
                    |origin| format!("the host stands only in {origin}"),
                ),
                container.name,
                client.workload,
            )
        })
}

/// Whether a variable holds the host of that password, by the names that the container itself gives them: a file may name any two.
fn is_of_host(password: Option<&str>, host: &str) -> Result<(), String> {
    if matches!(address::role(host), Role::Never | Role::Data) {
        return Err(format!("{host} is by its name no host"));
    }
    match password {
        Some(password) if !address::trust::is_beside(password, host) => Err(format!(
            "by their names {password} does not belong to the host in {host}"
        )),
        _ => Ok(()),
    }
}

/// The addresses of a host that leads to Pods of the client's namespace which run the product.
fn by_route(
    snapshot: &Snapshot,
    client: &Client<'_>,
    edge: &Edge,
    route: &Route,
    options: &PlanOptions,
) -> Result<BTreeSet<IpAddr>, String> {
    let namespace = &client.workload.namespace;
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
    pod.spec
        .containers
        .iter()
        .flat_map(|container| options.products.serves(&container.image))
        .any(|port| port.protocol.in_plain() == protocol.in_plain())
}
