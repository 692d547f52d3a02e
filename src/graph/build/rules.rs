//! The user's own edges: added, dropped, adjusted. Pure.

use std::num::NonZeroU16;

use crate::address::HttpQuestion;
use crate::catalog::Catalog;
use crate::config::{AddedEdge, Config, EdgeSettings};
use crate::graph::{Confidence, Edge, Tier, TierGraph};
use crate::observe::Snapshot;
use crate::protocol::Protocol;

use super::resolve;

/// Applies the rules in the order drop, adjust, add; a rule that finds nothing becomes a question.
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
            graph.questions.push(unmatched(
                config,
                rule.line,
                "adjust",
                &rule.edge.to_string(),
            ));
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
    if !graph.tiers.contains_key(from) {
        graph.questions.push(format!(
            "{}:{line}: `edges.add` says that {from} connects, and there is no such tier: correct the name",
            config.file
        ));
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
            && (settings.host.is_none() || edge.host.eq_ignore_ascii_case(&host))
    });
    if let Some(edge) = known {
        set(edge, settings, config, *line);
        return;
    }
    let protocol = settings
        .protocol
        .unwrap_or_else(|| protocol(tier, port, catalog));
    let mut edge = Edge {
        external: tier.is_none(),
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
    }
    edge.port = port.unwrap_or(edge.port);
    edge.protocol = protocol.unwrap_or(edge.protocol);
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
        let known = edge.http.take();
        edge.http = Some(HttpQuestion {
            path: path
                .clone()
                .or_else(|| known.as_ref().and_then(|known| known.path.clone())),
            origin: if path.is_some() {
                origin.clone()
            } else {
                known
                    .as_ref()
                    .map(|known| known.origin.clone())
                    .unwrap_or_default()
            },
            health: path.is_some() || known.as_ref().is_some_and(|known| known.health),
            expect_status: *status,
        });
    }
    if edge.http.is_some() && edge.protocol == Protocol::Tcp {
        // Whoever says what to ask by HTTP says that it is HTTP.
        edge.protocol = Protocol::Http;
    }
    // An edge that the user speaks of is one that they know of.
    edge.confidence = Confidence::Declared;
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
    let is_service = snapshot.own().is_some_and(|own| {
        own.services
            .iter()
            .any(|service| service.metadata.name == converted)
    });
    if tier.name.contains('_') && is_service {
        converted
    } else {
        tier.name.clone()
    }
}
