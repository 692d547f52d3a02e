//! The graph as the clients' own Secrets have it, which only the probes read: what rules say of an edge is about what was dialled. Pure.

use std::collections::BTreeMap;
use std::num::NonZeroU16;

use crate::address::is_host;
use crate::graph::{Edge, Note, NoteKind, TierGraph};
use crate::observe::Snapshot;
use crate::plan::Outcomes;
use crate::probe::wire::{HOST_FROM_SECRET, PORT_FROM_SECRET, Step, StepName, StepStatus};

/// The graph with the hosts and ports that the probes found in Secrets and may say; `None` where they found none. Without compose only
/// the variable's name says to which tier such a host leads: an edge whose host leads elsewhere is left out, with a note.
pub fn as_dialled(
    graph: &TierGraph,
    snapshot: &Snapshot,
    outcomes: &Outcomes,
) -> Option<TierGraph> {
    let mut said: BTreeMap<&str, Vec<&Step>> = BTreeMap::new();
    for step in outcomes.probes.iter().flat_map(|probe| &probe.steps) {
        if step.facts.contains_key(HOST_FROM_SECRET) {
            said.entry(&step.task).or_default().push(step);
        }
    }
    let mut dialled = (!said.is_empty()).then(|| graph.clone())?;
    dialled.edges.retain_mut(|edge| {
        let Some(steps) = said.get(edge.id.0.as_str()) else {
            return true;
        };
        let Some((host, port)) = steps.iter().find_map(|step| found(step)) else {
            return true;
        };
        if !graph.from_compose && is_found(steps) && leads_elsewhere(graph, snapshot, edge, host) {
            dialled.notes.push(elsewhere(edge, host, port));
            return false;
        }
        if is_host(host) {
            host.clone_into(&mut edge.host);
            edge.port = port;
        }
        true
    });
    Some(dialled)
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

/// Whether a host leads to something else than the edge's tier; a Service with nothing behind it leads nowhere.
fn leads_elsewhere(graph: &TierGraph, snapshot: &Snapshot, edge: &Edge, host: &str) -> bool {
    let Some(client) = graph.workloads(&edge.from).first() else {
        return false;
    };
    let way = snapshot.way(host, &client.namespace);
    let behind = way.workloads(snapshot);
    let own = graph.workloads(&edge.to);
    let leads_nowhere = way.last().is_some() && behind.is_empty();
    let leads_there = behind.iter().any(|key| own.contains(key));
    !(leads_nowhere || leads_there)
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
    use crate::probe::wire::StepError;

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
            service("store", "db"),
            service("other", "other"),
            service("empty", "none"),
        ];
        let mut graph = graph(&[EDGE]);
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
        let seen = as_dialled(&graph, &snapshot(&objects.concat()), &outcomes).unwrap();
        match (seen.edges.as_slice(), seen.notes.as_slice()) {
            ([edge], []) => format!("{}:{}", edge.host, edge.port),
            ([], [note]) => note.message.clone(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_host_of_a_secret_takes_the_place_of_the_one_that_was_supposed() {
        let place = "the host in DATABASE_URL";
        for (host, name, from_compose, wanted) in [
            ("store", StepName::Service, false, "store:3307"),
            (
                "store.default",
                StepName::Service,
                false,
                "store.default:3307",
            ),
            ("empty", StepName::Service, false, "empty:3307"),
            ("other", StepName::Service, true, "other:3307"),
            (place, StepName::Service, true, "DB:3306"),
            (place, StepName::Dns, false, "DB:3306"),
        ] {
            let seen = dialled(host, name, from_compose);
            assert_eq!(seen.to_ascii_lowercase(), wanted.to_ascii_lowercase());
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
