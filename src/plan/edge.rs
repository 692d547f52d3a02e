//! One edge as a task for one vantage: the endpoints behind it, how long to go on asking, what the rules say. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::num::NonZeroU16;

use jiff::Timestamp;

use super::client::Client;
use super::mesh;
use super::model::Identity;
use super::permission::Permission;
use super::reach::{pods_of, route_of};
use crate::address::{self, HttpQuestion, LoginReference};
use crate::graph::{Edge, TierGraph};
use crate::observe::kinds::{Condition, Pod, PodSpec};
use crate::observe::{HostMeaning, ServiceKey, Snapshot};
use crate::policy::{self, Path, Peer, Route, RouteEndpoint};
use crate::probe::wire::{EdgeTask, EndpointTask};
use crate::protocol::Protocol;
use crate::redact;

/// At most so many endpoints of an edge are walked.
pub(super) const ENDPOINTS: usize = 32;
/// At most so many other ports of a Pod that refuses are dialled.
const ELSEWHERE: usize = 8;
/// Cluster DNS keeps "no such name" for up to 30 s; a little more for clocks that differ.
const NEGATIVE_CACHE_MS: i64 = 35_000;
/// So long a new Pod's policies and proxies may take.
const SETTLING_MS: u64 = 10_000;

/// So long after its start a server without a readiness probe may not listen yet: a database that makes its files first.
const STARTING_MS: i64 = 30_000;

/// How the client logs in, or why not.
#[derive(Debug, Clone)]
pub(super) enum Login {
    /// With these, to there; and why there is none where they hold none.
    With(LoginReference, Permission, String),
    /// Not, and why; `LoginReference`: where the host stands that cannot be read from outside.
    Without(String, Option<LoginReference>),
}

/// The task; `notes` takes what a reader should know of it.
pub(super) fn task(
    snapshot: &Snapshot,
    client: &Client<'_>,
    edge: &Edge,
    login: Login,
    notes: &mut Vec<String>,
) -> EdgeTask {
    let route = route_of(snapshot, client, edge);
    let paths = policy::paths(
        snapshot,
        &client.workload,
        &route,
        edge.port,
        edge.protocol.transport(),
    );
    let guarded = is_guarded(snapshot, client, &paths);
    let mesh = client.mesh || leads_into_mesh(snapshot, &route);
    let skip_endpoints = if edge.forbidden {
        Some("an edge that must not work: only the connection is tried".to_owned())
    } else if mesh {
        Some("a service mesh stands between: a Pod's own address proves nothing".to_owned())
    } else {
        None
    };
    let endpoints = if skip_endpoints.is_some() {
        Vec::new()
    } else {
        endpoints(snapshot, edge, &route, notes)
    };
    let mut withheld = false;
    let (login, login_addresses, no_login_reason) = match login {
        Login::With(login, permission, without) => {
            let addresses = match permission {
                Permission::Host => None,
                Permission::Only(addresses) => Some(addresses),
            };
            (Some(login), addresses, without)
        }
        Login::Without(reason, host) => {
            withheld = host.is_some();
            (host, None, reason)
        }
    };
    EdgeTask {
        id: edge.id.0.clone(),
        host: edge.host.clone(),
        port: edge.port,
        protocol: edge.protocol,
        nameservers: edge.resolver.as_ref().map(|own| own.servers.clone()),
        endpoints,
        skip_endpoints,
        http: edge.http.as_ref().map(readable),
        authority: None,
        tls: edge.tls,
        unseen: edge.unseen,
        host_variable: edge.variable.clone(),
        login,
        login_addresses,
        withheld,
        no_login_reason,
        retry_not_found_ms: if asks_cluster_dns(&client.identity) {
            not_found_ms(snapshot, &route)
        } else {
            0
        },
        retry_until_ms: young_ms(snapshot, &route).max(if guarded || mesh {
            SETTLING_MS
        } else {
            0
        }),
        recheck_dns: guarded
            && edge.host.parse::<std::net::IpAddr>().is_err()
            && is_denied_dns(snapshot, client),
        recheck_pass: guarded
            && (edge.forbidden || paths.iter().any(|path| path.decision.is_denied_somehow())),
        mesh,
        replica: edge.replica,
        query: edge.query.clone(),
        forbidden: edge.forbidden,
    }
}

/// A question as it may stand in a Job, which more people can read than the Pods: a path with a secret in its query is not asked unless the
/// user expects a status of it, and one that surely does not exist proves HTTP as well.
fn readable(question: &HttpQuestion) -> HttpQuestion {
    let query = question.path.as_ref().and_then(|path| path.split_once('?'));
    let is_secret = query.is_some_and(|(_, query)| {
        query.split('&').any(|pair| {
            pair.split_once('=')
                .is_some_and(|(name, value)| !value.is_empty() && redact::names_value(name))
        })
    });
    if is_secret && question.expect_status.is_none() {
        return HttpQuestion {
            path: None,
            origin: String::new(),
            health: false,
            expect_status: None,
        };
    }
    question.clone()
}

/// How long a server behind the route may still be starting: without a readiness probe a Pod counts as ready as soon as its process runs.
pub(super) fn young_ms(snapshot: &Snapshot, route: &Route) -> u64 {
    let Some(now) = snapshot.taken_at else {
        return 0;
    };
    let left = |pod: &Pod| {
        let started = pod.unprobed_since().max()?;
        u64::try_from(STARTING_MS - (now.as_millisecond() - started.as_millisecond())).ok()
    };
    let pods = pods_of(snapshot, route).into_iter();
    pods.filter_map(left)
        .max()
        .map_or(0, |left| left.min(STARTING_MS.unsigned_abs()))
}

/// An endpoint as it is dialled.
pub fn endpoint_task(endpoint: &RouteEndpoint) -> EndpointTask {
    EndpointTask {
        address: endpoint.view.address,
        port: endpoint.port,
        pod: endpoint.view.pod.clone().unwrap_or_default(),
        ready: endpoint.view.ready && !endpoint.view.terminating,
        elsewhere: Vec::new(),
    }
}

/// The odd ones first: they are what goes wrong.
fn endpoints(
    snapshot: &Snapshot,
    edge: &Edge,
    route: &Route,
    notes: &mut Vec<String>,
) -> Vec<EndpointTask> {
    let mut tasks: Vec<EndpointTask> = route
        .endpoints
        .iter()
        .map(|endpoint| EndpointTask {
            elsewhere: elsewhere(snapshot, edge, endpoint),
            ..endpoint_task(endpoint)
        })
        .collect();
    tasks.sort_by_key(|task| (task.ready, task.address, task.port));
    if tasks.len() > ENDPOINTS {
        let note = format!(
            "{}: {ENDPOINTS} of {} endpoints are walked, those that are not ready first",
            edge.id,
            tasks.len()
        );
        if !notes.contains(&note) {
            notes.push(note);
        }
        tasks.truncate(ENDPOINTS);
    }
    tasks
}

/// Where else the Pod behind an endpoint may listen: what it declares, what its probes ask, what the protocol usually has, what the client
/// dials.
fn elsewhere(snapshot: &Snapshot, edge: &Edge, endpoint: &RouteEndpoint) -> Vec<NonZeroU16> {
    let pod = endpoint
        .view
        .pod
        .as_deref()
        .and_then(|name| snapshot.pod(&endpoint.view.pod_namespace, name));
    let Some(pod) = pod.filter(|_| edge.protocol != Protocol::Udp) else {
        return Vec::new();
    };
    let mut ports = BTreeSet::from([edge.port]);
    ports.extend(edge.protocol.default_port());
    for container in &pod.spec.containers {
        let probed = container.probes().filter_map(|probe| {
            let http = probe.http_get.as_ref().map(|http| &http.port);
            let port = http.or(probe.tcp_socket.as_ref().map(|tcp| &tcp.port))?;
            NonZeroU16::new(u16::try_from(port.as_u64()?).ok()?)
        });
        ports.extend(container.declared("TCP").chain(probed));
    }
    ports.remove(&endpoint.port);
    ports.into_iter().take(ELSEWHERE).collect()
}

/// Whether policies concern either end, or may.
fn is_guarded(snapshot: &Snapshot, client: &Client<'_>, paths: &[Path]) -> bool {
    let concerned = |peer: &Peer| match peer.kind {
        policy::PeerKind::Pod => {
            !policy::policies_read(snapshot, &peer.namespace)
                || !policy::selecting(snapshot, peer).is_empty()
        }
        policy::PeerKind::Unseen => true,
        policy::PeerKind::Outside => false,
    };
    snapshot.may_have_other_policies()
        || !policy::policies_read(snapshot, &client.workload.namespace)
        || Peer::of_workload(snapshot, &client.workload).is_some_and(|peer| concerned(&peer))
        || paths
            .iter()
            .any(|path| concerned(&path.source) || concerned(&path.target))
}

/// Whether the rules keep the client from the cluster's DNS.
fn is_denied_dns(snapshot: &Snapshot, client: &Client<'_>) -> bool {
    Peer::of_workload(snapshot, &client.workload).is_some_and(|peer| {
        policy::dns(snapshot, &peer, &[])
            .decision
            .is_denied_somehow()
    })
}

fn leads_into_mesh(snapshot: &Snapshot, route: &Route) -> bool {
    pods_of(snapshot, route).into_iter().any(mesh::is_meshed)
}

/// How long "no such name" may still be an old answer: until the negative cache of what the API shows now has run out. A headless
/// Service without ready Pods has no record at all: there is nothing to wait for.
pub(super) fn not_found_ms(snapshot: &Snapshot, route: &Route) -> u64 {
    let key = match &route.meaning {
        HostMeaning::Service(key) => key,
        HostMeaning::HeadlessPod { service, .. } => service,
        _ => return 0,
    };
    let mut born = name_born(snapshot, key);
    if route.headless {
        if !route.endpoints.iter().any(|endpoint| endpoint.view.ready) {
            return 0;
        }
        let ready = pods_of(snapshot, route)
            .into_iter()
            .filter_map(ready_since)
            .min();
        born = born.max(ready);
    }
    remaining_ms(snapshot, born)
}

/// Whether a Pod of this identity asks the cluster's DNS: another resolver never learns the Service's name.
fn asks_cluster_dns(identity: &Identity) -> bool {
    match identity.dns_policy.as_str() {
        "" => !identity.host_network,
        "ClusterFirstWithHostNet" => true,
        "Default" => false,
        _ => !identity.dns_config.is_empty(),
    }
}

/// When a Service's name came to be.
fn name_born(snapshot: &Snapshot, key: &ServiceKey) -> Option<Timestamp> {
    snapshot.service(key)?.metadata.creation_timestamp
}

fn ready_since(pod: &Pod) -> Option<Timestamp> {
    Condition::with(&pod.status.conditions, "Ready", "True")?.last_transition_time
}

/// What is left of the negative cache for a name born then.
fn remaining_ms(snapshot: &Snapshot, born: Option<Timestamp>) -> u64 {
    let (Some(born), Some(now)) = (born, snapshot.taken_at) else {
        return 0;
    };
    let age = now.as_millisecond() - born.as_millisecond();
    // A clock that runs behind makes the age negative: then the name is new.
    u64::try_from(NEGATIVE_CACHE_MS - age.max(0)).unwrap_or(0)
}

/// Whether the host is the client's own Pod: a probe would dial itself.
fn leads_home(edge: &Edge, spec: &PodSpec) -> bool {
    address::is_local(&edge.host)
        || spec
            .aliases(&edge.host)
            .any(|alias| alias.ip.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback()))
}

/// Why it is pointless to probe an edge at all.
pub(super) fn why_not_probed(
    edge: &Edge,
    clients: &BTreeMap<&str, Vec<Client<'_>>>,
    graph: &TierGraph,
) -> Option<String> {
    if edge.external && edge.protocol == Protocol::Udp {
        return Some(
            "UDP to a host outside: a packet that is not answered proves nothing".to_owned(),
        );
    }
    if let Some(flaw) = edge.flaw.as_ref().filter(|flaw| flaw.is_absent()) {
        return Some(format!(
            "{} {}: what {} dials for {} is not known",
            flaw.variable, flaw.flaw.words, edge.from, edge.to
        ));
    }
    if let Some(flaw) = edge.flaw.as_ref().filter(|flaw| flaw.flaw.certain) {
        return Some(format!(
            "{} {}: there is nothing to dial",
            flaw.variable, flaw.flaw.words
        ));
    }
    match clients.get(edge.from.as_str()) {
        Some(clients) if !clients.is_empty() => {
            let is_inside = |client: &&Client<'_>| {
                let targets = graph.workloads(&edge.to);
                targets.contains(&client.workload)
            };
            let home = || clients.iter().filter(|one| leads_home(edge, one.spec));
            let own = home()
                .find(|one| !is_inside(one))
                .or_else(|| home().next())?;
            let is_inside = is_inside(&own);
            Some(if is_inside {
                format!("within the Pod of {}: not asked", own.workload)
            } else if address::is_local(&edge.host) {
                format!(
                    "{} is the Pod of {} itself, in which {} does not run",
                    edge.host, own.workload, edge.to
                )
            } else {
                return None;
            })
        }
        _ => Some(format!(
            "{} has neither Pods nor a workload here: there is nothing to look from",
            edge.from
        )),
    }
}
