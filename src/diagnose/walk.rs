//! The outcomes of the probes, aggregated by edge: every walk up the ladder (who looked, from where), its first broken step,
//! what each endpoint said, and what passes from elsewhere. Outcomes in, [`EdgeEvidence`] out; it explains nothing. Pure.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::address::bracketed;
use crate::finding::EdgeId;
use crate::graph::{Edge, TierGraph};
use crate::observe::Snapshot;
use crate::plan::{Look, Outcomes, ProbeOutcome};
use crate::probe::wire::{HOST_FROM_SECRET, Step, StepError, StepName, StepStatus, WITHIN_POD};
use crate::protocol::Protocol;

/// Everything that the probes said about one edge.
#[derive(Debug, Clone)]
pub struct EdgeEvidence<'a> {
    /// The edge.
    pub edge: &'a Edge,
    /// Every walk, in the order of the outcomes.
    pub walks: Vec<Walk<'a>>,
}

/// One walk of an edge: one container of one probe Pod.
#[derive(Debug, Clone)]
pub struct Walk<'a> {
    /// Who looked, from which node, with which identity, and whether its log is whole.
    pub probe: &'a ProbeOutcome,
    /// The DNS step that counts: the one that passed, else the last one.
    pub dns: Option<&'a Step>,
    /// The steps on the address that the name resolved to, as they were written.
    pub service: Vec<&'a Step>,
    /// The steps on each endpoint (`10.244.4.7:3306`), as they were written.
    pub endpoints: BTreeMap<&'a str, EndpointWalk<'a>>,
    /// How the walk ended.
    pub status: StepStatus,
    /// The first broken step, for a walk that failed.
    pub broken: Option<&'a Step>,
    /// Whether this walk was superseded by the same walk done once more.
    pub superseded: bool,
    /// In what the probe had to depart from its tier, where that leaves a failure in doubt.
    pub departs: Option<&'a str>,
}

/// The steps on one endpoint.
#[derive(Debug, Clone)]
pub struct EndpointWalk<'a> {
    /// The steps, as they were written.
    pub steps: Vec<&'a Step>,
    /// Whether the API sends traffic to it: what an endpoint that is not ready says never breaks the edge.
    pub ready: bool,
}

/// The part of the ladder in which a step lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// The name.
    Dns,
    /// The connection, to the Service address or to an endpoint.
    Connect,
    /// All that needs bytes of the peer: TLS, protocol, login, query.
    Protocol,
}

/// The part of the ladder of a step.
pub const fn stage(name: StepName) -> Stage {
    match name {
        StepName::Dns => Stage::Dns,
        StepName::Service | StepName::Endpoint => Stage::Connect,
        StepName::Tls | StepName::Protocol | StepName::Login | StepName::Query => Stage::Protocol,
    }
}

/// Aggregates the outcomes by edge; every edge of the graph gets an entry.
pub fn evidence<'a>(
    graph: &'a TierGraph,
    snapshot: &'a Snapshot,
    outcomes: Option<&'a Outcomes>,
) -> BTreeMap<EdgeId, EdgeEvidence<'a>> {
    let unready = unready_endpoints(snapshot);
    let probes = outcomes.map_or(&[][..], |outcomes| &outcomes.probes);
    let said = by_task(probes);
    graph
        .edges
        .iter()
        .map(|edge| {
            let (own, others) = (graph.workloads(&edge.from), graph.workloads(&edge.to));
            let beside = own.iter().any(|workload| others.contains(workload));
            let mut walks: Vec<Walk<'a>> = said
                .get(edge.id.0.as_str())
                .into_iter()
                .flatten()
                .map(|(position, steps)| walk(&probes[*position], steps, edge, beside, &unready))
                .collect();
            supersede(&mut walks);
            (edge.id.clone(), EdgeEvidence { edge, walks })
        })
        .collect()
}

/// For each task the probes that were asked to do it or say something about it, by position, each with the steps that it says.
fn by_task(probes: &[ProbeOutcome]) -> HashMap<&str, BTreeMap<usize, Vec<&Step>>> {
    let mut said: HashMap<&str, BTreeMap<usize, Vec<&Step>>> = HashMap::new();
    for (position, probe) in probes.iter().enumerate() {
        for task in &probe.tasks {
            said.entry(task).or_default().entry(position).or_default();
        }
        for step in &probe.steps {
            let of_task = said.entry(&step.task).or_default();
            of_task.entry(position).or_default().push(step);
        }
    }
    said
}

/// `ADDRESS:PORT` of every endpoint to which the API sends no traffic.
fn unready_endpoints(snapshot: &Snapshot) -> BTreeSet<String> {
    let mut ready = BTreeSet::new();
    let mut unready = BTreeSet::new();
    for slice in snapshot
        .namespaces
        .values()
        .flat_map(|namespace| &namespace.endpoint_slices)
    {
        for endpoint in &slice.endpoints {
            let serves = endpoint.conditions.ready.unwrap_or(true);
            for address in &endpoint.addresses {
                for port in slice.ports.iter().filter_map(|port| port.port) {
                    let written = format!("{}:{port}", bracketed(address));
                    if serves {
                        ready.insert(written);
                    } else {
                        unready.insert(written);
                    }
                }
            }
        }
    }
    unready.difference(&ready).cloned().collect()
}

fn walk<'a>(
    probe: &'a ProbeOutcome,
    steps: &[&'a Step],
    edge: &Edge,
    beside: bool,
    unready: &BTreeSet<String>,
) -> Walk<'a> {
    let mut dns: Option<&Step> = None;
    let mut service = Vec::new();
    let mut endpoints: BTreeMap<&str, EndpointWalk<'_>> = BTreeMap::new();
    for &step in steps {
        match (&step.endpoint, step.name) {
            (_, StepName::Dns) => {
                if dns.is_none_or(|known| known.status != StepStatus::Pass) {
                    dns = Some(step);
                }
            }
            (Some(endpoint), _) => endpoints
                .entry(endpoint)
                .or_insert_with(|| EndpointWalk {
                    steps: Vec::new(),
                    ready: !unready.contains(endpoint),
                })
                .steps
                .push(step),
            (None, _) => service.push(step),
        }
    }
    let mut walk = Walk {
        probe,
        dns,
        service,
        endpoints,
        status: StepStatus::Unknown,
        broken: None,
        superseded: false,
        departs: None,
    };
    walk.broken = walk
        .counted()
        .filter(|step| breaks(step, edge))
        .min_by_key(|step| step.name);
    if walk.broken.is_some_and(|step| is_in_doubt(step, probe)) {
        walk.broken = None;
        walk.departs = Some(probe.identity.departs.as_str());
    }
    if beside && walk.says(WITHIN_POD) {
        walk.broken = None;
        walk.status = StepStatus::Skipped;
    } else {
        walk.status = status(&walk, edge);
    }
    walk
}

/// Whether a failure may be the probe's own, which left out labels of its tier: a peer that answers, answers every client.
fn is_in_doubt(step: &Step, probe: &ProbeOutcome) -> bool {
    let answered = matches!(
        step.error,
        Some(StepError::Nxdomain | StepError::Nodata | StepError::DnsInvalid)
    );
    !probe.identity.departs.is_empty() && !answered && stage(step.name) != Stage::Protocol
}

/// Whether a step breaks its edge: not a 404 on a health path, a read-only replica, or answers that change from try to try.
pub fn breaks(step: &Step, edge: &Edge) -> bool {
    let counts = !is_beyond(step, edge) || step.error.is_some_and(StepError::is_answer);
    step.status == StepStatus::Fail
        && counts
        && match step.error {
            Some(StepError::HttpNotFound | StepError::Flapping | StepError::Deadline) => false,
            Some(StepError::ReadOnly) => !edge.replica,
            _ => true,
        }
}

/// Whether a step asks more than a guess at the protocol carries: after the connect, nothing that is said proves anything.
fn is_beyond(step: &Step, edge: &Edge) -> bool {
    edge.guessed && stage(step.name) == Stage::Protocol
}

fn status(walk: &Walk<'_>, edge: &Edge) -> StepStatus {
    if walk.broken.is_some() {
        return StepStatus::Fail;
    }
    let undecided = |step: &&Step| {
        (step.status == StepStatus::Unknown && !is_beyond(step, edge))
            || matches!(step.error, Some(StepError::Flapping | StepError::Deadline))
    };
    if walk.departs.is_some() || !walk.probe.complete || walk.counted().any(|step| undecided(&step))
    {
        return StepStatus::Unknown;
    }
    // A name that resolves proves no connection, so a walk passes by a connection or by more.
    let connected = walk.counted().any(|step| {
        stage(step.name) != Stage::Dns
            && (step.status == StepStatus::Pass
                || (step.status == StepStatus::Fail && !breaks(step, edge)))
    });
    // Nothing answers a datagram for certain: the name, and endpoints that are ready, are all that can be proven.
    let by_datagram = edge.protocol == Protocol::Udp
        && walk
            .dns
            .is_some_and(|step| matches!(step.status, StepStatus::Pass | StepStatus::Skipped))
        && walk.endpoints.values().any(|endpoint| endpoint.ready);
    if connected || by_datagram {
        StepStatus::Pass
    } else if walk
        .counted()
        .any(|step| stage(step.name) != Stage::Dns && step.status == StepStatus::Skipped)
    {
        StepStatus::Skipped
    } else {
        StepStatus::Unknown
    }
}

/// A walk done once more because the cluster changed under it replaces the first one of the same tier; a login that was refused
/// stands until it is tried again.
fn supersede(walks: &mut [Walk<'_>]) {
    let again: Vec<(String, Option<String>, bool)> = walks
        .iter()
        .filter(|walk| walk.probe.look == Look::Again && walk.probe.failure.is_none())
        .map(|walk| {
            let node = Some(walk.probe.node.clone()).filter(|node| !node.is_empty());
            (walk.probe.tier.clone(), node, walk.has_logged_in())
        })
        .collect();
    for walk in walks
        .iter_mut()
        .filter(|walk| walk.probe.look == Look::First)
    {
        let same_node = |node: &Option<String>| {
            node.as_ref()
                .is_none_or(|node| walk.probe.node.is_empty() || *node == walk.probe.node)
        };
        let refused = walk
            .broken
            .is_some_and(|step| step.error == Some(StepError::LoginDenied));
        walk.superseded = again.iter().any(|(tier, node, logged_in)| {
            *tier == walk.probe.tier && same_node(node) && (*logged_in || !refused)
        });
    }
}

impl<'a> Walk<'a> {
    /// Whether it looked as the tier itself does, and still counts: only such walks decide the edge's status.
    pub fn is_firm(&self) -> bool {
        !self.superseded && matches!(self.probe.look, Look::First | Look::Again)
    }

    /// Whether a step has that fact.
    pub fn says(&self, fact: &str) -> bool {
        self.counted().any(|step| step.facts.contains_key(fact))
    }

    /// Whether a login was tried.
    fn has_logged_in(&self) -> bool {
        self.counted()
            .any(|step| step.name == StepName::Login && step.status != StepStatus::Skipped)
    }

    /// How the walk calls the host that the client has out of a Secret: by its name where that may be said.
    pub fn host_from_secret(&self) -> Option<&'a str> {
        let mut steps = self.counted();
        steps.find_map(|step| step.facts.get(HOST_FROM_SECRET).map(String::as_str))
    }

    /// Every step that counts for the edge: all but those on endpoints that get no traffic.
    pub fn counted(&self) -> impl Iterator<Item = &'a Step> + '_ {
        self.dns
            .into_iter()
            .chain(self.service.iter().copied())
            .chain(
                self.endpoints
                    .values()
                    .filter(|endpoint| endpoint.ready)
                    .flat_map(|endpoint| endpoint.steps.iter().copied()),
            )
    }

    /// The first broken step's part of the ladder.
    pub fn broken_stage(&self) -> Option<Stage> {
        self.broken.map(|step| stage(step.name))
    }

    /// The step that connects to the address that the name resolved to.
    pub fn connect(&self) -> Option<&'a Step> {
        self.service
            .iter()
            .copied()
            .find(|step| step.name == StepName::Service)
    }

    /// The steps of the given name, on the Service address first.
    pub fn steps_of(&self, name: StepName) -> impl Iterator<Item = &'a Step> + '_ {
        self.counted().filter(move |step| step.name == name)
    }

    /// Endpoints that get traffic and can be connected to (or that answered more than that).
    pub fn endpoints_connected(&self) -> Vec<&'a str> {
        self.endpoints_where(EndpointWalk::is_connected)
    }

    /// Endpoints that get traffic and cannot be connected to, each with its step.
    pub fn endpoints_unconnected(&self) -> Vec<(&'a str, &'a Step)> {
        self.endpoints
            .iter()
            .filter(|(_, endpoint)| endpoint.ready)
            .filter_map(|(address, endpoint)| Some((*address, endpoint.connect_failure()?)))
            .collect()
    }

    fn endpoints_where(&self, wanted: impl Fn(&EndpointWalk<'a>) -> bool) -> Vec<&'a str> {
        self.endpoints
            .iter()
            .filter(|(_, endpoint)| endpoint.ready && wanted(endpoint))
            .map(|(address, _)| *address)
            .collect()
    }

    /// From where it looked, for people: `AP on node-1`, `AP with no labels on node-2`.
    pub fn place(&self) -> String {
        let look = match self.probe.look {
            Look::First | Look::Again | Look::OtherNode | Look::Entry => "",
            Look::AllLabels => " with all labels",
            Look::NoLabels => " without its labels",
        };
        let node = self.node();
        let on = if node.is_empty() {
            String::new()
        } else {
            format!(" on {node}")
        };
        format!("{}{look}{on}", self.probe.tier)
    }

    /// The node on which it ran, or was asked to run; empty if neither is known.
    pub fn node(&self) -> &'a str {
        if self.probe.node.is_empty() {
            self.probe.identity.node.as_deref().unwrap_or_default()
        } else {
            &self.probe.node
        }
    }
}

impl<'a> EndpointWalk<'a> {
    /// Whether a connection stood.
    pub fn is_connected(&self) -> bool {
        self.connect_failure().is_none()
            && self.steps.iter().any(|step| {
                step.status == StepStatus::Pass
                    || (step.status == StepStatus::Fail && step.name != StepName::Endpoint)
            })
    }

    /// The step that could not connect.
    pub fn connect_failure(&self) -> Option<&'a Step> {
        self.steps
            .iter()
            .copied()
            .find(|step| step.name == StepName::Endpoint && step.status == StepStatus::Fail)
    }

    /// Its first step that broke, of any kind.
    pub fn failure(&self, edge: &Edge) -> Option<&'a Step> {
        self.steps
            .iter()
            .copied()
            .filter(|step| breaks(step, edge))
            .min_by_key(|step| step.name)
    }
}

impl<'a> EdgeEvidence<'a> {
    /// Walks as the tier itself, from where its Pods are.
    pub fn firm(&self) -> impl Iterator<Item = &Walk<'a>> + '_ {
        self.walks.iter().filter(|walk| walk.is_firm())
    }

    /// Firm walks that failed.
    pub fn failed(&self) -> impl Iterator<Item = &Walk<'a>> + '_ {
        self.firm().filter(|walk| walk.status == StepStatus::Fail)
    }

    /// Walks that passed from elsewhere: of other nodes, identities, or the second look.
    pub fn passed(&self) -> impl Iterator<Item = &Walk<'a>> + '_ {
        self.walks
            .iter()
            .filter(|walk| !walk.superseded && walk.status == StepStatus::Pass)
    }

    /// How the edge ended, before the user's wishes (`optional`, `forbidden`) are laid over it: any failure of a firm walk is
    /// a failure, any firm walk that could not be determined leaves it unknown, and a second look changes neither.
    pub fn status(&self) -> StepStatus {
        let mut worst = None;
        for walk in self.firm() {
            worst = match (worst, walk.status) {
                (Some(StepStatus::Fail), _) | (_, StepStatus::Fail) => Some(StepStatus::Fail),
                (Some(StepStatus::Unknown), _) | (_, StepStatus::Unknown) => {
                    Some(StepStatus::Unknown)
                }
                (Some(StepStatus::Pass), _) | (_, StepStatus::Pass) => Some(StepStatus::Pass),
                _ => Some(StepStatus::Skipped),
            };
        }
        worst.unwrap_or(StepStatus::Unknown)
    }

    /// The first broken step over all firm walks: the lowest on the ladder, the first seen among equals.
    pub fn first_broken(&self) -> Option<(&Walk<'a>, &'a Step)> {
        self.failed()
            .filter_map(|walk| Some((walk, walk.broken?)))
            .min_by_key(|(_, step)| step.name)
    }

    /// The part of the ladder in which the edge breaks.
    pub fn broken_stage(&self) -> Option<Stage> {
        self.first_broken().map(|(_, step)| stage(step.name))
    }

    /// Whether the edge breaks at that part of the ladder. An edge that failed at a later part passed this one.
    pub fn breaks_at(&self, stage: Stage) -> bool {
        self.broken_stage() == Some(stage)
    }

    /// Every endpoint that gets traffic, with the walks' connect results from the tier's own places: `true` connected.
    pub fn endpoint_connects(&self) -> BTreeMap<&'a str, Vec<bool>> {
        let mut found: BTreeMap<&str, Vec<bool>> = BTreeMap::new();
        for walk in self.firm() {
            for (address, endpoint) in walk.endpoints.iter().filter(|(_, walk)| walk.ready) {
                if endpoint.is_connected() {
                    found.entry(address).or_default().push(true);
                } else if endpoint.connect_failure().is_some() {
                    found.entry(address).or_default().push(false);
                }
            }
        }
        found
    }

    /// The endpoints behind the Service that were walked, and whether every one of them that gets traffic refuses or never
    /// answers the connection from each of the tier's own places. `false` where none was walked.
    pub fn every_endpoint_unconnected(&self) -> bool {
        let endpoints = self.endpoint_connects();
        !endpoints.is_empty() && endpoints.values().flatten().all(|connected| !connected)
    }
}

#[cfg(test)]
mod tests;
