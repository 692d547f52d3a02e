//! The user's own edges: added, dropped, adjusted. Pure.

use std::num::NonZeroU16;

use crate::address::HttpQuestion;
use crate::catalog::Catalog;
use crate::config::{AddedEdge, AdjustedEdge, Config, EdgeSettings};
use crate::graph::{Confidence, Edge, EdgeFlaw, Origin, Tier, TierGraph};
use crate::observe::{ServiceKey, Snapshot};
use crate::protocol::Protocol;
use crate::spelling;

use super::resolve;

/// Applies the rules in the order drop, adjust, add. A drop that finds nothing becomes a question; a name that stands for nothing, an error.
pub(super) fn apply(
    graph: &mut TierGraph,
    config: &Config,
    snapshot: &Snapshot,
    catalog: &Catalog,
) {
    for rule in &config.drop {
        let before = graph.edges.len();
        graph.edges.retain(|edge| {
            !rule
                .edge
                .matches(&edge.from, &edge.to, edge.port, edge.protocol, &edge.host)
        });
        if graph.edges.len() == before {
            graph
                .questions
                .push(unmatched(config, rule.line, "drop", &rule.edge.to_string()));
        }
    }
    for rule in &config.adjust {
        let mut found = false;
        for edge in &mut graph.edges {
            if rule
                .edge
                .matches(&edge.from, &edge.to, edge.port, edge.protocol, &edge.host)
            {
                found = true;
                set(edge, &rule.settings, config, rule.line);
            }
        }
        if !found {
            unmatched_adjust(graph, rule, config);
        }
    }
    for rule in &config.add {
        add(graph, rule, config, snapshot, catalog);
    }
}

fn unmatched(config: &Config, line: u64, what: &str, edge: &str) -> String {
    format!(
        "{}:{line}: `edges.{what}` names {edge}, and no edge is like that: correct or remove the entry",
        config.file
    )
}

/// An adjustment without an edge is an error if one of its ends stands for nothing, or if the client was seen and has no such edge;
/// else the edge may come with what is not deployed yet.
fn unmatched_adjust(graph: &mut TierGraph, rule: &AdjustedEdge, config: &Config) {
    let pattern = &rule.edge;
    let is_tier = |name: &str| name.contains('*') || graph.tiers.contains_key(name);
    let known = || graph.tiers.keys().map(String::as_str);
    let unknown = [&pattern.from, &pattern.to]
        .into_iter()
        .find(|name| !is_tier(name) && !name.contains('.'));
    let place = format!("{}:{}: `edges.adjust` names", config.file, rule.line);
    if let Some(name) = unknown {
        let near = spelling::hint(name, known());
        graph
            .errors
            .push(format!("{place} `{name}`, which is no tier{near}"));
    } else if !graph.workloads(&pattern.from).is_empty() {
        let edges: Vec<String> = graph
            .edges
            .iter()
            .filter(|edge| edge.from == pattern.from)
            .map(|edge| format!("{}->{}:{}", edge.from, edge.to, edge.port))
            .collect();
        let has = if edges.is_empty() {
            "no edge".to_owned()
        } else {
            edges.join(", ")
        };
        graph.errors.push(format!(
            "{place} {pattern}, which is no edge; {} has {has}",
            pattern.from
        ));
    } else {
        let line = unmatched(config, rule.line, "adjust", &pattern.to_string());
        graph.questions.push(line);
    }
}

/// The ends of an added edge that stand for nothing. A server may also be a host: one that is named, has a dot, or is a Service here.
fn unknown_ends(
    graph: &TierGraph,
    from: &str,
    to: &str,
    has_host: bool,
    snapshot: &Snapshot,
) -> Vec<String> {
    let known = || graph.tiers.keys().map(String::as_str);
    let mut unknown = Vec::new();
    if !graph.tiers.contains_key(from) {
        let near = spelling::hint(from, known());
        unknown.push(format!("the client `{from}`, which is no tier{near}"));
    }
    // What is a Service of the namespace is known once a cluster was read.
    let key = ServiceKey::new(&snapshot.namespace, to.to_ascii_lowercase());
    let is_service = snapshot.own().is_none() || snapshot.service(&key).is_some();
    let is_host = has_host || to.contains(['.', ':']) || is_service;
    if !graph.tiers.contains_key(to) && !is_host {
        let near = spelling::hint(to, known());
        unknown.push(format!(
            "the server `{to}`, which is neither a tier nor a Service of the namespace nor a host with a dot{near}"
        ));
    }
    unknown
}

fn add(
    graph: &mut TierGraph,
    rule: &AddedEdge,
    config: &Config,
    snapshot: &Snapshot,
    catalog: &Catalog,
) {
    let AddedEdge {
        from,
        to,
        settings,
        line,
    } = rule;
    let Some(port) = settings.port else {
        return;
    };
    let unknown = unknown_ends(graph, from, to, settings.host.is_some(), snapshot);
    if !unknown.is_empty() {
        let place = format!("{}:{line}: `edges.add`", config.file);
        let named = unknown.iter().map(|what| format!("{place} names {what}"));
        graph.errors.extend(named);
        return;
    }
    let tier = graph.tiers.get(to);
    let host = settings
        .host
        .clone()
        .unwrap_or_else(|| tier.map_or_else(|| to.clone(), |tier| usable_name(tier, snapshot)));
    let known = graph.edges.iter_mut().find(|edge| {
        edge.from == *from
            && edge.to == *to
            && edge.port == port
            && (settings.host.is_none()
                || edge.host.eq_ignore_ascii_case(&host)
                || edge.flaw.as_ref().is_some_and(EdgeFlaw::is_absent))
    });
    if let Some(edge) = known {
        set(edge, settings, config, *line);
        edge.flaw = edge.flaw.take().filter(|flaw| !flaw.is_absent());
        return;
    }
    let protocol = settings
        .protocol
        .unwrap_or_else(|| protocol(tier, port, catalog));
    let mut edge = Edge {
        external: tier.is_none(),
        guessed: settings.protocol.is_none(),
        ..Edge::new(from, to, host, port, protocol)
    };
    set(&mut edge, settings, config, *line);
    graph.edges.push(edge);
}

/// What the user says of an edge.
fn set(edge: &mut Edge, settings: &EdgeSettings, config: &Config, line: u64) {
    let EdgeSettings {
        host,
        port,
        protocol,
        path,
        status,
        tls,
        query,
        login,
        optional,
        forbidden,
        replica,
    } = settings;
    let origin = format!("{}:{line}", config.file);
    if let Some(host) = host {
        edge.host.clone_from(host);
        // The user knows what no variable of the Pods shows.
        edge.flaw = edge.flaw.take().filter(|flaw| !flaw.is_absent());
    }
    edge.port = port.unwrap_or(edge.port);
    edge.protocol = protocol.unwrap_or(edge.protocol);
    edge.by_scheme |= protocol.is_some();
    edge.guessed &= protocol.is_none() && path.is_none() && status.is_none();
    edge.tls = tls.or(edge.tls);
    edge.optional = optional.unwrap_or(edge.optional);
    edge.forbidden = forbidden.unwrap_or(edge.forbidden);
    edge.replica = replica.unwrap_or(edge.replica);
    if query.is_some() {
        edge.query.clone_from(query);
    }
    if login.is_some() {
        edge.login.clone_from(login);
        edge.login_said = Some(origin.clone());
    }
    if path.is_some() || status.is_some() {
        let known = edge.http.take().unwrap_or_default();
        edge.http = Some(match path {
            Some(_) => HttpQuestion {
                path: path.clone(),
                origin: origin.clone(),
                health: true,
                expect_status: *status,
            },
            None => HttpQuestion {
                expect_status: *status,
                ..known
            },
        });
    }
    if edge.http.is_some() && edge.protocol == Protocol::Tcp {
        // A declared HTTP question says that it is HTTP.
        edge.protocol = Protocol::Http;
    }
    // An edge that the user names is one that they know of.
    edge.confidence = Confidence::Declared;
    let origin = Origin::from(origin);
    if !edge.origin.contains(&origin) {
        edge.origin.push(origin);
    }
}

fn protocol(tier: Option<&Tier>, port: NonZeroU16, catalog: &Catalog) -> Protocol {
    tier.and_then(|tier| tier.server.as_ref())
        .filter(|server| server.port == port)
        .map(|server| server.protocol)
        .or_else(|| catalog.port_protocol(port.get()))
        .unwrap_or(Protocol::Tcp)
}

/// The name under which a client is most likely to call a tier: compose's, or what a converter made of it where compose's cannot
/// be a name in Kubernetes and the other one is there.
pub(super) fn usable_name(tier: &Tier, snapshot: &Snapshot) -> String {
    let converted = resolve::normal(&tier.name);
    let key = ServiceKey::new(&snapshot.namespace, &converted);
    if tier.name.contains('_') && snapshot.service(&key).is_some() {
        converted
    } else {
        tier.name.clone()
    }
}
