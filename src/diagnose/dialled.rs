//! The graph as the clients' own Secrets have it, which only the probes read: what rules say of an edge is about what was dialled. Pure.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU16;

use crate::address::is_host;
use crate::finding::EdgeId;
use crate::graph::{Confidence, Edge, Note, NoteKind, Tier, TierGraph};
use crate::observe::Snapshot;
use crate::plan::Outcomes;
use crate::probe::wire::{
    FLAW_KIND, HOST_FROM_SECRET, NO_SERVER, PORT_FROM_SECRET, Step, StepName, StepStatus,
};

/// What the probes read in Secrets, put into the graph.
#[derive(Debug)]
pub struct DialledGraph {
    /// The graph, with the hosts and ports that may be said.
    pub graph: TierGraph,
    /// The edges that lead to another tier than was supposed, by what they were called, with their new identity.
    renamed: BTreeMap<EdgeId, EdgeId>,
}

/// The graph with the hosts and ports that the probes found in Secrets and may say; `None` where there is nothing to put in. Without
/// compose only the variable's name says to which tier such a host leads: an edge goes to the tier to which the host leads, and one
/// whose host leads to nothing that is known is left out, with a note.
pub fn as_dialled(
    graph: &TierGraph,
    snapshot: &Snapshot,
    outcomes: &Outcomes,
) -> Option<DialledGraph> {
    let is_open = |edge: &Edge| !graph.from_compose && edge.unseen;
    let steps = outcomes.probes.iter().flat_map(|probe| &probe.steps);
    let says = |step: &Step| found(step).is_some() || has_no_server(step, false);
    if !graph.edges.iter().any(is_open) && !steps.clone().any(says) {
        return None;
    }
    let mut said: BTreeMap<&str, Vec<&Step>> = BTreeMap::new();
    for step in steps {
        said.entry(&step.task).or_default().push(step);
    }
    let mut dialled = graph.clone();
    let mut renamed = BTreeMap::new();
    let mut known: BTreeSet<EdgeId> = graph.edges.iter().map(|edge| edge.id.clone()).collect();
    dialled.edges.retain_mut(|edge| {
        let Some(steps) = said.get(edge.id.0.as_str()) else {
            return true;
        };
        let host = steps.iter().find_map(|step| found(step));
        let was = edge.to.clone();
        if let Some(step) = steps.iter().find(|step| has_no_server(step, is_open(edge))) {
            dialled.notes.push(no_server(edge, step));
            return false;
        }
        if is_open(edge) {
            // The value was read: that the client dials what it says is no guess any more.
            let was_guessed = edge.confidence == Confidence::Weak;
            edge.confidence = edge.confidence.max(Confidence::Likely);
            if let Some((host, port)) = host {
                let is_found = is_found(steps);
                match leads(graph, snapshot, edge, host, is_found) {
                    Leads::AsSupposed if was_guessed && !is_found => {
                        edge.to = all_like(graph, edge);
                        edge.external = true;
                        host.clone_into(&mut edge.host);
                    }
                    Leads::AsSupposed => {}
                    Leads::To(to) => to.clone_into(&mut edge.to),
                    Leads::Elsewhere => {
                        dialled.notes.push(elsewhere(edge, host, port));
                        return false;
                    }
                }
            }
        }
        if let Some((host, port)) = host.filter(|(host, _)| is_host(host)) {
            host.clone_into(&mut edge.host);
            edge.port = port;
        }
        let new = edge.id_with_host();
        // Of two that lead to one place the second keeps its name.
        if edge.to != was && known.insert(new.clone()) {
            renamed.insert(std::mem::replace(&mut edge.id, new.clone()), new);
        }
        true
    });
    Some(DialledGraph {
        graph: dialled,
        renamed,
    })
}

impl DialledGraph {
    /// What an edge is called now.
    pub fn name(&self, edge: &EdgeId) -> EdgeId {
        self.renamed.get(edge).unwrap_or(edge).clone()
    }

    /// The outcomes by the names that the edges have now.
    pub fn outcomes<'a>(&self, outcomes: &'a Outcomes) -> Cow<'a, Outcomes> {
        if self.renamed.is_empty() {
            return Cow::Borrowed(outcomes);
        }
        let mut outcomes = outcomes.clone();
        for probe in &mut outcomes.probes {
            let steps = probe.steps.iter_mut().map(|step| &mut step.task);
            for task in probe.tasks.iter_mut().chain(steps) {
                *task = self.name(&EdgeId(std::mem::take(task))).0;
            }
        }
        Cow::Owned(outcomes)
    }
}

/// To what the host of an edge leads that was supposed to lead to a tier.
enum Leads<'a> {
    /// To that tier; or to nothing at all, which is a fault whatever was meant.
    AsSupposed,
    /// To another tier that speaks the same.
    To(&'a str),
    /// To what is spoken no one knows.
    Elsewhere,
}

/// The servers of which one was meant, in words.
fn all_like(graph: &TierGraph, edge: &Edge) -> String {
    let tiers = graph.tiers.values();
    let tiers =
        tiers.filter(|tier| tier.name != edge.from && tier.protocol() == Some(edge.protocol));
    let names: Vec<&str> = tiers.map(|tier| tier.name.as_str()).collect();
    names.join(" or ")
}

fn leads<'a>(
    graph: &'a TierGraph,
    snapshot: &Snapshot,
    edge: &Edge,
    host: &str,
    is_found: bool,
) -> Leads<'a> {
    let client = graph.workloads(&edge.from).first();
    let way = client.map(|key| snapshot.way(host, &key.namespace));
    let Some(way) = way.filter(|_| is_found) else {
        return Leads::AsSupposed;
    };
    let behind = way.workloads(snapshot);
    let is_behind = |tier: &Tier| tier.workloads.iter().any(|key| behind.contains(key));
    let is_nowhere = way.last().is_some() && behind.is_empty();
    if is_nowhere || graph.tiers.get(&edge.to).is_some_and(is_behind) {
        return Leads::AsSupposed;
    }
    let mut others = graph.tiers.values();
    others
        .find(|tier| is_behind(tier) && tier.protocol() == Some(edge.protocol))
        .map_or(Leads::Elsewhere, |tier| Leads::To(&tier.name))
}

/// How a step calls the host that it found in a Secret, and the port.
fn found(step: &Step) -> Option<(&str, NonZeroU16)> {
    let host = step.facts.get(HOST_FROM_SECRET)?;
    let port = step.facts.get(PORT_FROM_SECRET)?.parse().ok()?;
    Some((host, port))
}

/// Whether the name is there: one that no one has is a fault whatever was meant.
fn is_found(steps: &[&Step]) -> bool {
    let mut asked = steps.iter().filter(|step| step.name == StepName::Dns);
    asked.all(|step| step.status != StepStatus::Fail)
}

/// Whether a step shows that the client has no server there. `is_open`: also where a key that can be done without is not there, which
/// compose would name.
fn has_no_server(step: &Step, is_open: bool) -> bool {
    let flaw = step.facts.get(FLAW_KIND);
    let is_absent = || flaw.is_some_and(|kind| kind == "absent");
    step.facts.contains_key(NO_SERVER) || is_open && step.name == StepName::Dns && is_absent()
}

fn no_server(edge: &Edge, step: &Step) -> Note {
    Note {
        kind: NoteKind::Information,
        message: format!("{} is not led to {}: {}", edge.from, edge.to, step.detail),
    }
}

fn elsewhere(edge: &Edge, host: &str, port: NonZeroU16) -> Note {
    Note {
        kind: NoteKind::Incomplete,
        message: format!(
            "{}: {} stands in a Secret and leads to {host}, port {port}, not to {}: what is spoken there is not known without compose, so add the edge to k8sverify.yaml",
            edge.from,
            edge.variable.as_deref().unwrap_or_default(),
            edge.to
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::fixtures::{fail, graph, outcomes, pass, probe, snapshot};
    use crate::graph::ServerHint;
    use crate::probe::wire::StepError;
    use crate::protocol::Protocol;

    const EDGE: &str = "AP->DB:3306/mysql";

    /// The edge as it was dialled, or the note that stands in its place.
    fn dialled(host: &str, name: StepName, from_compose: bool) -> String {
        let workload = |name: &str| {
            format!(
                "kind: Deployment\nmetadata: {{name: {name}}}\nspec: {{template: {{metadata: {{labels: {{app: {name}}}}}, spec: {{containers: [{{name: x}}]}}}}}}\n---\n"
            )
        };
        let service = |name: &str, app: &str| {
            format!(
                "kind: Service\nmetadata: {{name: {name}}}\nspec: {{selector: {{app: {app}}}}}\n---\n"
            )
        };
        let objects = [
            workload("ap"),
            workload("db"),
            workload("other"),
            workload("replica"),
            service("replica", "replica"),
            service("store", "db"),
            service("other", "other"),
            service("empty", "none"),
        ];
        let mut graph = graph(&[EDGE, "AP->REPLICA:3306/mysql", "AP->OTHER:80/http"]);
        graph.edges.truncate(1);
        graph.edges[0].unseen = true;
        graph.edges[0].confidence = Confidence::Weak;
        for (name, tier) in &mut graph.tiers {
            let port = NonZeroU16::new(80).unwrap();
            let protocol = if name == "OTHER" {
                Protocol::Http
            } else {
                Protocol::Mysql
            };
            tier.server = Some(ServerHint {
                port,
                protocol,
                evidence: String::new(),
                by_container_alone: false,
            });
        }
        graph.from_compose = from_compose;
        let mut steps = match name {
            StepName::Dns => vec![fail(EDGE, name, StepError::Nxdomain)],
            _ => vec![
                pass(EDGE, StepName::Dns),
                fail(EDGE, name, StepError::Refused),
            ],
        };
        for step in &mut steps {
            let facts = [(HOST_FROM_SECRET, host), (PORT_FROM_SECRET, "3307")];
            let facts = facts.map(|(key, value)| (key.to_owned(), value.to_owned()));
            step.facts.extend(facts);
        }
        let outcomes = outcomes(vec![probe("AP", "n1", steps)]);
        let seen = as_dialled(&graph, &snapshot(&objects.concat()), &outcomes)
            .unwrap()
            .graph;
        match (seen.edges.as_slice(), seen.notes.as_slice()) {
            ([edge], []) => {
                assert_eq!(edge.is_firm(), !from_compose);
                format!("{}: {}:{}", edge.to, edge.host, edge.port)
            }
            ([], [note]) => note.message.clone(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_host_of_a_secret_takes_the_place_of_the_one_that_was_supposed() {
        let place = "the host in DATABASE_URL";
        for (host, name, from_compose, wanted) in [
            ("store", StepName::Service, false, "DB: store:3307"),
            (
                "store.default",
                StepName::Service,
                false,
                "DB: store.default:3307",
            ),
            ("empty", StepName::Service, false, "DB: empty:3307"),
            ("replica", StepName::Service, false, "REPLICA: replica:3307"),
            ("other", StepName::Service, true, "DB: other:3307"),
            (place, StepName::Service, true, "DB: DB:3306"),
            // Which of the two was meant no one knows.
            (
                place,
                StepName::Dns,
                false,
                "DB or REPLICA: the host in DATABASE_URL:3306",
            ),
        ] {
            assert_eq!(dialled(host, name, from_compose), wanted);
        }
    }

    #[test]
    fn without_compose_one_that_leads_elsewhere_is_no_edge() {
        for host in ["other", "the host in DATABASE_URL"] {
            let seen = dialled(host, StepName::Service, false);
            assert!(
                seen.contains(&format!("leads to {host}, port 3307, not to DB")),
                "{seen}"
            );
        }
    }
}
