//! The first look: every tier from where it runs, each edge once per node. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::client::{Client, Clients};
use super::edge::{self, Login};
use super::environment::Environment;
use super::harmless;
use super::model::{Look, PlanOptions, ProbePlan, TierProbe, Vantage};
use super::names;
use super::permission::{Permission, permission};
use super::pool::{Pool, spec};
use crate::address::LoginReference;
use crate::graph::{self, Edge, TierGraph};
use crate::observe::Snapshot;
use crate::probe::wire::{NO_CREDENTIALS, ProbeSpec};
use crate::protocol::Protocol;

/// What a look that goes out of the tiers' own places is to do.
pub(super) struct ExtraLook<'w> {
    pub(super) options: &'w PlanOptions,
    /// Which edges it walks.
    pub(super) edges: &'w dyn Fn(&Edge) -> bool,
    /// Whether it asks for the names.
    pub(super) names: bool,
    /// Why it does not log in on an edge.
    pub(super) no_login: &'w dyn Fn(&Edge) -> Option<String>,
    /// What its vantages' ids begin with.
    pub(super) prefix: &'w str,
    pub(super) look: Look,
}

pub(super) fn plan_look(graph: &TierGraph, snapshot: &Snapshot, wish: &ExtraLook<'_>) -> ProbePlan {
    let mut plan = ProbePlan::default();
    let mut maker = Clients::new(snapshot, wish.options);
    let wanted: Vec<&Edge> = graph
        .edges
        .iter()
        .filter(|edge| (wish.edges)(edge))
        .collect();
    let from: BTreeSet<&str> = wanted.iter().map(|edge| edge.from.as_str()).collect();
    let clients: BTreeMap<&str, Vec<Client<'_>>> = graph
        .tiers
        .values()
        .filter(|tier| from.contains(tier.name.as_str()))
        .map(|tier| (tier.name.as_str(), maker.of_tier(tier, &mut plan.notes)))
        .collect();
    let mut edges: BTreeMap<&str, Vec<&Edge>> = BTreeMap::new();
    for edge in wanted {
        match edge::why_not_probed(edge, &clients, graph) {
            Some(reason) => {
                plan.skipped.insert(edge.id.clone(), reason);
            }
            None => edges.entry(&edge.from).or_default().push(edge),
        }
    }
    let mut pool = Pool::new(wish.options);
    let mut asked = Vec::new();
    for (tier, edges) in &edges {
        let clients = clients.get(tier).map_or(&[][..], Vec::as_slice);
        for (index, client) in clients.iter().enumerate() {
            let edges = own(edges, client, clients, snapshot);
            let probe = tier_probe(snapshot, wish, tier, client, &edges, index, &mut plan.notes);
            pool.add_as(client.identity.clone(), &client.fallback_nodes, probe);
            asked.push(client);
        }
    }
    if wish.names {
        ask_names(graph, snapshot, &asked, &mut pool);
    }
    plan.notes.extend(maker.samples());
    plan.vantages = pool.vantages(wish.prefix, wish.look);
    plan.notes.extend(different_identities(&plan.vantages));
    plan.notes
        .extend(harmless::fit(snapshot, &mut plan.vantages));
    plan.notes.sort();
    plan.notes.dedup();
    plan
}

/// The edges of a tier that one of its workloads has. Where the variable of the host leads another one of them there and this one elsewhere,
/// the edge is the other one's.
fn own<'e>(
    edges: &[&'e Edge],
    client: &Client<'_>,
    clients: &[Client<'_>],
    snapshot: &Snapshot,
) -> Vec<&'e Edge> {
    let several = clients.iter().any(|one| one.workload != client.workload);
    let names = |edge: &Edge, client: &Client<'_>| {
        let host = edge.host.to_ascii_lowercase();
        let is = |text: &str| text.to_ascii_lowercase().contains(&host);
        graph::variable_is(snapshot, &client.workload, edge.variable.as_deref()?, is)
    };
    let is_own = |edge: &Edge| {
        let is_others = || clients.iter().any(|one| names(edge, one) == Some(true));
        names(edge, client) != Some(false) || !is_others()
    };
    let own = edges.iter().filter(|edge| !several || is_own(edge));
    own.copied().collect()
}

fn different_identities(vantages: &[Vantage]) -> Vec<String> {
    vantages
        .iter()
        .filter(|vantage| !vantage.identity.departs.is_empty())
        .map(|vantage| {
            let tiers: Vec<&str> = vantage
                .containers
                .iter()
                .map(|probe| probe.tier.as_str())
                .collect();
            format!(
                "{} is looked at {}",
                tiers.join(", "),
                vantage.identity.departs
            )
        })
        .collect()
}

/// Everything of one tier from one place. Its first place logs in, the others stop at the greeting: a login refused often may
/// lock the user out.
fn tier_probe(
    snapshot: &Snapshot,
    wish: &ExtraLook<'_>,
    tier: &str,
    client: &Client<'_>,
    edges: &[&Edge],
    index: usize,
    notes: &mut Vec<String>,
) -> TierProbe {
    let mut environment = Environment::new(snapshot, &client.workload, client.configured);
    let tasks = edges
        .iter()
        .map(|edge| {
            let login = login(wish, snapshot, client, edge, index, &mut environment);
            edge::task(snapshot, client, edge, login, notes)
        })
        .collect();
    let services = if edges.iter().any(|edge| edge.is_unread()) {
        let own = snapshot.namespaces.get(&client.workload.namespace);
        let services = own.iter().flat_map(|own| &own.services);
        services.map(|one| one.metadata.name.clone()).collect()
    } else {
        Vec::new()
    };
    environment.bring_trust();
    let authorities = environment.authorities();
    let copied = environment.finish();
    TierProbe {
        tier: tier.to_owned(),
        workload: Some(client.workload.clone()),
        container: String::new(),
        env: copied.env,
        env_from: copied.env_from,
        spec: ProbeSpec {
            services,
            authorities,
            from_files: copied.from_files,
            settings: copied.settings,
            ..spec(wish.options, Vec::new(), tasks)
        },
    }
}

/// How the client logs in. A host that cannot be read from outside is dialled as the client's own variables have it, with a login or without.
fn login(
    wish: &ExtraLook<'_>,
    snapshot: &Snapshot,
    client: &Client<'_>,
    edge: &Edge,
    index: usize,
    environment: &mut Environment<'_>,
) -> Login {
    let hidden = edge.login.as_ref().filter(|_| edge.unseen);
    let hidden = hidden.and_then(LoginReference::host_alone);
    let elsewhere = if edge.forbidden || edge.login_said.is_some() {
        None
    } else {
        login_elsewhere(snapshot, client, edge, environment)
    };
    let withheld = if edge.forbidden {
        Some("an edge that must not work: only the connection is tried".to_owned())
    } else if let Some(place) = elsewhere.as_ref().filter(|_| hidden.is_none()) {
        Some(place.clone())
    } else if edge.login.is_none() {
        Some(NO_CREDENTIALS.to_owned())
    } else if !wish.options.login {
        Some("logins are switched off".to_owned())
    } else if let Some(reason) = (wish.no_login)(edge) {
        Some(reason)
    } else {
        (index > 0).then(|| "the tier logs in from another node".to_owned())
    };
    let reason = match (withheld, &edge.login) {
        (None, Some(login)) => match with(snapshot, client, edge, login, environment, wish) {
            Ok((login, permitted)) => {
                // What the password comes from may not hold it: then the client has none.
                let none = edge.lacks.as_ref().map(|_| NO_CREDENTIALS.to_owned());
                let without = none.or(elsewhere).unwrap_or_default();
                return Login::With(login, permitted, without);
            }
            Err(reason) => reason,
        },
        (withheld, _) => withheld.unwrap_or_default(),
    };
    // What a URL says of the client's ways holds from every place.
    let url = edge.login.as_ref().filter(|login| {
        edge.protocol == Protocol::Mongodb && matches!(login, LoginReference::Url { .. })
    });
    let said = hidden.or_else(|| url.cloned());
    let said = said.and_then(|said| environment.add_login(&said).ok());
    Login::Without(reason, said)
}

/// The login as the client's container has it, and where it may go.
///
/// # Errors
/// In words, why there can be none.
fn with(
    snapshot: &Snapshot,
    client: &Client<'_>,
    edge: &Edge,
    login: &LoginReference,
    environment: &mut Environment<'_>,
    wish: &ExtraLook<'_>,
) -> Result<(LoginReference, Permission), String> {
    let (container, known) = environment.known(login)?;
    let permitted = permission(
        snapshot,
        client,
        edge,
        &known,
        container,
        environment,
        wish.options,
    )?;
    Ok((environment.add_login(login)?, permitted))
}

/// Where the client may have a login, or the rest of one, that cannot be read: without such a place it sends what its variables say.
fn login_elsewhere(
    snapshot: &Snapshot,
    client: &Client<'_>,
    edge: &Edge,
    environment: &Environment<'_>,
) -> Option<String> {
    if let Some(place) = &edge.login_place {
        return Some(format!("its login may stand in {place}"));
    }
    let names_no_password = matches!(
        edge.login,
        None | Some(LoginReference::Parts { password: None, .. })
    );
    if names_no_password && environment.is_open() {
        return Some(
            "its password may stand in a Secret that is taken in as a whole, whose keys are not read"
                .to_owned(),
        );
    }
    let place = (edge.host.as_str(), edge.port, edge.protocol);
    let mut containers = client.configured.containers.iter();
    let is_named = edge.variable.is_some()
        || edge.login.is_some()
        || containers.any(|one| graph::names_host(snapshot, &client.workload, &one.name, place));
    (!is_named).then(|| {
        "its Pod's configuration does not name the host: what does may hold the password as well"
            .to_owned()
    })
}

/// Lets the most ordinary client of each namespace ask for the names; where all are strange, a Pod that is nothing else.
fn ask_names(graph: &TierGraph, snapshot: &Snapshot, clients: &[&Client<'_>], pool: &mut Pool<'_>) {
    let mut namespaces: Vec<&str> = clients
        .iter()
        .map(|client| client.workload.namespace.as_str())
        .chain([snapshot.namespace.as_str()])
        .collect();
    namespaces.sort_unstable();
    namespaces.dedup();
    for namespace in namespaces {
        let tasks = names::tasks(graph, snapshot, namespace);
        let Some(first) = tasks.first() else {
            continue;
        };
        let best = clients
            .iter()
            .filter(|client| client.workload.namespace == namespace)
            .map(|client| (names::dns_difference(snapshot, client), client))
            .min_by_key(|(dns_difference, _)| *dns_difference);
        match best {
            Some((dns_difference, client)) if dns_difference < names::TOO_DIFFERENT => {
                pool.ask(&client.identity, tasks);
            }
            _ => {
                let asker = first.id.split(':').nth(1).unwrap_or_default();
                let tier = graph.tiers.get(asker);
                pool.add_plain(snapshot, namespace, tier, tasks);
            }
        }
    }
}
