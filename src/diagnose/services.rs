//! Section 1: names and Services. In: graph, snapshot and evidence. Out: why a name means nothing, or a Service leads nowhere.
//! Pure.
//!
//! Everything starts from two views: an edge with where its host leads ([`Unproven`]), and a Service with the edges and tiers that
//! stand behind it ([`Usage`]).

mod endpoints;
mod external;
mod kinds;
mod names;
pub(super) mod ports;
mod selectors;

use std::collections::{BTreeMap, BTreeSet};

use super::subject::WorkloadFacts;
use super::target::{self, Destination};
use super::walk::{EdgeEvidence, Walk};
use super::{Context, Rule};
use crate::address;
use crate::finding::{EdgeId, Finding};
use crate::graph::{Edge, Tier};
use crate::observe::kinds::Service;
use crate::observe::{ServiceKey, WorkloadKey};
use crate::probe::wire::StepStatus;

/// The rules of this file and of those below it.
pub(super) const RULES: &[Rule] = &[
    Rule::Whole(names::mapped_to_nothing),
    Rule::Whole(names::unresolved),
    Rule::Whole(names::servers_without_service),
    Rule::Whole(names::tiers_without_workload),
    Rule::Whole(ports::not_offered),
    Rule::Whole(of_services),
    Rule::Whole(selectors::mixed),
    Rule::Whole(external::external_name),
];

/// A rule about one Service that something stands behind.
type OfService = fn(&Context<'_>, &Usage<'_, '_>) -> Option<Finding>;

const OF_SERVICE: &[OfService] = &[
    ports::target_port_unknown,
    selectors::mismatch,
    endpoints::not_ready,
    endpoints::target_port_closed,
    endpoints::by_hand,
    endpoints::local_traffic_policy,
    kinds::headless_port,
    kinds::load_balancer_pending,
    kinds::ip_family,
];

fn of_services(context: &Context<'_>) -> Vec<Finding> {
    of_each(context, OF_SERVICE)
}

/// What rules say of each Service.
fn of_each(context: &Context<'_>, rules: &[OfService]) -> Vec<Finding> {
    let looks = looks(context);
    let uses = uses(context, &looks);
    rules
        .iter()
        .flat_map(|rule| uses.iter().filter_map(|usage| rule(context, usage)))
        .collect()
}

/// An edge that is not proven to work, and where its host leads.
struct Unproven<'c, 'a> {
    edge: &'a Edge,
    evidence: &'c EdgeEvidence<'a>,
    destination: Destination<'a>,
    client_namespace: &'a str,
}

impl Unproven<'_, '_> {
    /// Whether the client's name resolved.
    fn resolved(&self) -> bool {
        self.evidence
            .firm()
            .filter_map(|walk| walk.dns)
            .any(|step| step.status == StepStatus::Pass)
    }
}

/// Every edge that must work and is not proven to.
fn looks<'c, 'a>(context: &'c Context<'a>) -> Vec<Unproven<'c, 'a>> {
    if !services_known(context) {
        return Vec::new();
    }
    context
        .graph
        .edges
        .iter()
        .filter(|edge| !edge.forbidden)
        // What the client has is no name, or its own Pod: no Service is at fault.
        .filter(|edge| !edge.flaw.as_ref().is_some_and(|flaw| flaw.flaw.certain))
        .filter(|edge| !address::is_local(&edge.host))
        .filter_map(|edge| {
            let evidence = context.evidence(&edge.id)?;
            // Nothing is held against a host of compose that no one is known to ask for, or in whose place the client's Secret names another.
            let mut firm = evidence.firm();
            let mut hosts = evidence.firm().filter_map(Walk::host_from_secret);
            let by_secret = hosts.any(|host| host != edge.host);
            let is_asked = !by_secret && (!edge.is_unread() || firm.next().is_some());
            (is_asked && evidence.status() != StepStatus::Pass).then(|| Unproven {
                edge,
                evidence,
                destination: target::destination(context, edge),
                client_namespace: target::client_namespace(context, edge),
            })
        })
        .collect()
}

/// A Service, with the edges and tiers that stand behind it.
struct Usage<'l, 'a> {
    key: ServiceKey,
    service: &'a Service,
    /// Edges that lead to it and are not proven to work.
    looks: Vec<&'l Unproven<'l, 'a>>,
    /// Whether some edge that leads to it is proven to work.
    proven: bool,
    /// The tiers that its edges lead to.
    asked: Vec<&'a Tier>,
    /// Those, and the tiers that it stands for by name or selector.
    tiers: Vec<&'a Tier>,
    /// Whether an edge or a tier that counts stands behind it.
    in_scope: bool,
}

impl<'l, 'a> Usage<'l, 'a> {
    /// Those of its looks of which that is so.
    fn looks_where(&self, is_so: impl Fn(&Unproven<'l, 'a>) -> bool) -> Vec<&'l Unproven<'l, 'a>> {
        let looks = self.looks.iter().copied();
        looks.filter(|look| is_so(look)).collect()
    }
}

/// The Services that edges lead to or that stand for a tier, sorted.
fn uses<'l, 'a>(context: &Context<'a>, looks: &'l [Unproven<'l, 'a>]) -> Vec<Usage<'l, 'a>> {
    if !services_known(context) {
        return Vec::new();
    }
    let graph = context.graph;
    let mut found: BTreeMap<ServiceKey, Usage<'l, 'a>> = BTreeMap::new();
    let entry = |key: &ServiceKey, service: &'a Service| Usage {
        key: key.clone(),
        service,
        looks: Vec::new(),
        proven: false,
        asked: Vec::new(),
        tiers: Vec::new(),
        in_scope: false,
    };
    for look in looks {
        if let Some((key, service)) = look.destination.way.last() {
            let usage = found
                .entry(key.clone())
                .or_insert_with(|| entry(key, service));
            usage.looks.push(look);
        }
    }
    for edge in graph.edges.iter().filter(|edge| !edge.forbidden) {
        let destination = target::destination(context, edge);
        let Some((key, service)) = destination.way.last() else {
            continue;
        };
        let usage = found
            .entry(key.clone())
            .or_insert_with(|| entry(key, service));
        usage.in_scope = true;
        usage.proven |= context.came_out(&edge.id, StepStatus::Pass);
        usage.asked.extend(graph.tiers.get(&edge.to));
    }
    for tier in graph.tiers.values() {
        for key in &tier.services {
            let Some(service) = context.snapshot.service(key) else {
                continue;
            };
            let usage = found
                .entry(key.clone())
                .or_insert_with(|| entry(key, service));
            usage.tiers.push(tier);
            usage.in_scope |= graph.counts(tier);
        }
    }
    // Of another namespace perhaps nothing but the Services was read: what is not seen there is not missing.
    let snapshot = context.snapshot;
    found.retain(|key, _| {
        key.namespace == snapshot.namespace || snapshot.knows_in("pods", &key.namespace)
    });
    let mut uses: Vec<_> = found.into_values().collect();
    for usage in &mut uses {
        usage.tiers.extend(&usage.asked);
        usage
            .tiers
            .sort_by(|left, right| left.name.cmp(&right.name));
        usage.tiers.dedup_by(|left, right| left.name == right.name);
    }
    uses
}

/// Whether Services could be read: without them nothing is said about any.
fn services_known(context: &Context<'_>) -> bool {
    context.snapshot.knows("services")
}

/// The subject of a workload.
fn subject<'c, 'a>(context: &'c Context<'a>, key: &WorkloadKey) -> Option<&'c WorkloadFacts<'a>> {
    // Subjects are in the order of their keys.
    let position = context
        .subjects
        .binary_search_by(|subject| subject.key.cmp(key));
    context.subjects.get(position.ok()?)
}

/// The workloads of a tier that the API shows.
fn tier_subjects<'c, 'a>(context: &'c Context<'a>, tier: &Tier) -> Vec<&'c WorkloadFacts<'a>> {
    tier.workloads
        .iter()
        .filter_map(|key| subject(context, key))
        .filter(|subject| subject.template.is_some())
        .collect()
}

/// The Services that select a subject's Pods.
pub(super) fn selecting<'a>(
    context: &Context<'a>,
    subject: &WorkloadFacts<'a>,
) -> Vec<(ServiceKey, &'a Service)> {
    let Some(template) = subject.template else {
        return Vec::new();
    };
    let namespace = &subject.key.namespace;
    context
        .snapshot
        .services_selecting(namespace, template.labels)
        .into_iter()
        .map(|service| {
            let key = ServiceKey::new(namespace.clone(), service.metadata.name.clone());
            (key, service)
        })
        .collect()
}

/// A Service's name in messages, with its namespace if that is not the run's.
fn service_name(context: &Context<'_>, key: &ServiceKey) -> String {
    if key.namespace == context.snapshot.namespace {
        format!("service/{}", key.name)
    } else {
        format!("service/{} in namespace {}", key.name, key.namespace)
    }
}

/// Clients and the host that they use: `AP and WEB use the host name DB`.
fn askers<'e>(edges: impl IntoIterator<Item = &'e Edge>) -> String {
    let mut by_host: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for edge in edges {
        by_host.entry(&edge.host).or_default().insert(&edge.from);
    }
    by_host
        .into_iter()
        .map(|(host, from)| {
            let verb = if from.len() == 1 { "uses" } else { "use" };
            format!("{} {verb} the host name {host}", super::words::list(from))
        })
        .collect::<Vec<_>>()
        .join("; ")
}

/// What the clients' DNS said of the edges: a line for each name and answer.
fn dns_words(looks: &[&Unproven<'_, '_>]) -> Vec<String> {
    target::dns_lines(looks.iter().flat_map(|look| {
        look.evidence.firm().filter_map(|walk| {
            let step = walk.dns.filter(|step| step.status == StepStatus::Fail)?;
            Some((walk.probe.tier.clone(), step))
        })
    }))
}

/// The edges of those looks.
fn ids(looks: &[&Unproven<'_, '_>]) -> BTreeSet<EdgeId> {
    looks.iter().map(|look| look.edge.id.clone()).collect()
}
