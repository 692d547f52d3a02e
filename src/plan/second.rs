//! The second look at edges that failed, where another place can distinguish node, policy and workload; and the same look once
//! more, where what stands behind an edge changed meanwhile. Pure.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::SocketAddr;

use super::client::{Client, Clients, fallbacks, is_usable, unpublished};
use super::edge::{self, Login};
use super::first::{ExtraLook, plan_look};
use super::harmless;
use super::model::{Identity, Look, Outcomes, PlanOptions, ProbeOutcome, ProbePlan, TierProbe};
use super::pool::{Pool, spec};
use super::reach::{pods_of, route_of};
use crate::graph::{Edge, TierGraph};
use crate::observe::kinds::Labels;
use crate::observe::{Snapshot, is_ready};
use crate::policy::{self, Decision, Route};
use crate::probe::wire::{EdgeTask, Step, StepError, StepName, StepStatus};

/// The second look: one more vantage for each failed edge, where it can show something.
pub fn second_look(
    graph: &TierGraph,
    snapshot: &Snapshot,
    plan: &ProbePlan,
    outcomes: &Outcomes,
    options: &PlanOptions,
) -> ProbePlan {
    let mut second = ProbePlan::default();
    let mut unheard = Vec::new();
    let walks = Walks::of(plan, outcomes);
    let mut maker = Clients::new(snapshot, options);
    let mut pools =
        [Look::OtherNode, Look::AllLabels, Look::NoLabels].map(|look| (look, Pool::new(options)));
    for tier in graph.tiers.values() {
        let edges: Vec<&Edge> = graph
            .edges
            .iter()
            .filter(|edge| edge.from == tier.name && !edge.forbidden)
            .filter(|edge| walks.is_puzzling(edge))
            .collect();
        if edges.is_empty() {
            continue;
        }
        let clients = maker.of_tier(tier, &mut unheard);
        for edge in edges {
            let Some(probe) = walks.failed(edge) else {
                continue;
            };
            let client = clients
                .iter()
                .find(|client| client.identity == probe.identity)
                .or_else(|| clients.first());
            let Some(client) = client else {
                continue;
            };
            let case = Case {
                snapshot,
                client,
                edge,
                route: route_of(snapshot, client, edge),
                used: walks.nodes_used(edge),
            };
            if case.is_explained() {
                continue;
            }
            for (look, pool) in &mut pools {
                if let Some((identity, next)) = case.identity(*look) {
                    add(pool, &case, options, identity, &next);
                }
            }
        }
    }
    for ((look, pool), prefix) in pools.into_iter().zip(["o", "l", "n"]) {
        second.vantages.extend(pool.vantages(prefix, look));
    }
    // The first look has said what there is to say of it.
    harmless::fit(snapshot, &mut second.vantages);
    second
}

fn add(
    pool: &mut Pool<'_>,
    case: &Case<'_>,
    options: &PlanOptions,
    identity: Identity,
    next: &[String],
) {
    let login = Login::Without("a second look stops at the greeting".to_owned(), None);
    let mut unheard = Vec::new();
    let task = edge::task(case.snapshot, case.client, case.edge, login, &mut unheard);
    let probe = TierProbe {
        tier: case.edge.from.clone(),
        workload: Some(case.client.workload.clone()),
        container: String::new(),
        env: Vec::new(),
        env_from: Vec::new(),
        spec: spec(options, Vec::new(), vec![task]),
    };
    pool.merge(identity, next, probe);
}

/// One failed edge, seen from one of its clients.
struct Case<'a> {
    snapshot: &'a Snapshot,
    client: &'a Client<'a>,
    edge: &'a Edge,
    route: Route,
    /// Nodes from which it was walked already.
    used: BTreeSet<String>,
}

impl Case<'_> {
    /// Whether it is known why: the client asks no name server at all, nothing ready stands behind the Service, or the rules deny it
    /// whichever way a plugin looks at them.
    fn is_explained(&self) -> bool {
        let own = self.edge.resolver.as_ref();
        // What only the client's own Pod shows cannot be dialled from elsewhere.
        if self.edge.is_unread() || own.is_some_and(|own| own.servers.is_empty()) {
            return true;
        }
        let behind = &self.route.endpoints;
        if self.route.service.is_some() && !behind.iter().any(|endpoint| endpoint.view.ready) {
            return true;
        }
        let paths = self.paths();
        !paths.is_empty() && paths.iter().all(|path| path.decision.is_denied())
    }

    fn paths(&self) -> Vec<policy::Path> {
        policy::paths(
            self.snapshot,
            &self.client.workload,
            &self.route,
            self.edge.port,
            self.edge.protocol.transport(),
        )
    }

    /// What to look as, and the nodes to try next; `None` where that would show nothing.
    fn identity(&self, look: Look) -> Option<(Identity, Vec<String>)> {
        match look {
            Look::OtherNode => self.elsewhere(),
            Look::AllLabels => self.with_all_labels(),
            Look::NoLabels => self.without_labels(),
            Look::First | Look::Again | Look::Entry => None,
        }
    }

    /// From the target's own node, else from any other; not after the edge failed from two nodes already.
    fn elsewhere(&self) -> Option<(Identity, Vec<String>)> {
        let mut targets: Vec<&str> = pods_of(self.snapshot, &self.route)
            .into_iter()
            .map(|pod| pod.spec.node_name.as_str())
            .filter(|node| !node.is_empty() && is_usable(self.snapshot, node))
            .collect();
        targets.sort_unstable();
        targets.dedup();
        let mut nodes = if self.used.len() < 2 {
            fallbacks(self.snapshot, &targets, None)
        } else {
            targets.into_iter().map(str::to_owned).collect()
        };
        nodes.retain(|node| !self.used.contains(node));
        if nodes.is_empty() || self.used.is_empty() {
            return None;
        }
        let node = nodes.remove(0);
        let identity = Identity {
            node: Some(node),
            node_selector: Labels::new(),
            ..self.client.identity.clone()
        };
        Some((identity, nodes))
    }

    /// A served kind of policy that could not be read may look at any label.
    fn with_all_labels(&self) -> Option<(Identity, Vec<String>)> {
        let unread = self
            .snapshot
            .other_policies
            .iter()
            .any(|kind| kind.objects.is_none());
        let identity = &self.client.identity;
        let (labels, departs) = unpublished(
            self.snapshot,
            &identity.namespace,
            self.client.spec,
            policy::identifying(self.client.labels),
        );
        if !unread || labels == identity.labels {
            return None;
        }
        let identity = Identity {
            labels,
            departs,
            service_account: self.client.spec.service_account_name.clone(),
            ..identity.clone()
        };
        Some((identity, self.client.fallback_nodes.clone()))
    }

    /// Where rules could not be judged, another Pod that gets through shows that it is the tier's labels that are kept out.
    fn without_labels(&self) -> Option<(Identity, Vec<String>)> {
        let identity = &self.client.identity;
        let unjudged = !self.snapshot.other_policies.is_empty()
            || self.paths().iter().any(|path| {
                !matches!(
                    path.decision.agreed(),
                    Some(Decision::Allowed | Decision::Denied(_))
                )
            });
        if !unjudged || identity.labels.is_empty() {
            return None;
        }
        let identity = Identity {
            labels: Labels::new(),
            // That it wears none is the point of this look.
            departs: String::new(),
            ..identity.clone()
        };
        Some((identity, self.client.fallback_nodes.clone()))
    }
}

/// What the first look said, by edge.
struct Walks<'o> {
    /// The probes that were asked to walk it, in the order of the outcomes.
    by_edge: HashMap<&'o str, Vec<&'o ProbeOutcome>>,
    /// The task of each vantage, tier and edge.
    tasks: HashMap<(&'o str, &'o str, &'o str), &'o EdgeTask>,
}

impl<'o> Walks<'o> {
    fn of(plan: &'o ProbePlan, outcomes: &'o Outcomes) -> Self {
        let mut by_edge: HashMap<&str, Vec<&ProbeOutcome>> = HashMap::new();
        for probe in &outcomes.probes {
            if probe.look == Look::First {
                for task in &probe.tasks {
                    by_edge.entry(task).or_default().push(probe);
                }
            }
        }
        let mut tasks = HashMap::new();
        for vantage in &plan.vantages {
            for probe in &vantage.containers {
                for task in &probe.spec.edges {
                    let key = (vantage.id.as_str(), probe.tier.as_str(), task.id.as_str());
                    tasks.insert(key, task);
                }
            }
        }
        Self { by_edge, tasks }
    }

    fn walks(&self, edge: &Edge) -> &[&'o ProbeOutcome] {
        self.by_edge
            .get(edge.id.0.as_str())
            .map_or(&[], Vec::as_slice)
    }

    fn nodes_used(&self, edge: &Edge) -> BTreeSet<String> {
        self.walks(edge)
            .iter()
            .map(|probe| probe.node.clone())
            .filter(|node| !node.is_empty())
            .collect()
    }

    /// Failed on the network, and from everywhere: where it passes from one place, the places are distinguished already.
    fn is_puzzling(&self, edge: &Edge) -> bool {
        let walked = self.walks(edge);
        !walked.is_empty()
            && walked
                .iter()
                .all(|probe| self.has_network_failure(probe, edge))
    }

    fn failed(&self, edge: &Edge) -> Option<&'o ProbeOutcome> {
        let mut walked = self.walks(edge).iter().copied();
        walked.find(|probe| self.has_network_failure(probe, edge))
    }

    fn has_network_failure(&self, probe: &ProbeOutcome, edge: &Edge) -> bool {
        probe.steps.iter().any(|step| {
            step.task == edge.id.0
                && step.status == StepStatus::Fail
                && is_network(step)
                && !self.is_of_unready(probe, step)
        })
    }

    /// Whether a step is on an endpoint of the task that the API calls not ready.
    fn is_of_unready(&self, probe: &ProbeOutcome, step: &Step) -> bool {
        let Some(address) = &step.endpoint else {
            return false;
        };
        let key = (
            probe.vantage.as_str(),
            probe.tier.as_str(),
            step.task.as_str(),
        );
        let endpoints = self.tasks.get(&key).map(|task| &task.endpoints);
        endpoints.into_iter().flatten().any(|endpoint| {
            !endpoint.ready
                && SocketAddr::new(endpoint.address, endpoint.port.get()).to_string() == *address
        })
    }
}

/// Whether another place could see something else: a name that does not exist, a wrong password or a 500 is the same everywhere.
fn is_network(step: &Step) -> bool {
    match step.name {
        StepName::Dns => matches!(
            step.error,
            Some(StepError::DnsTimeout | StepError::Servfail | StepError::Flapping)
        ),
        StepName::Service | StepName::Endpoint | StepName::Tls | StepName::Protocol => step
            .error
            .is_some_and(|error| error.is_network() || error == StepError::Flapping),
        StepName::Login | StepName::Query => false,
    }
}

/// The same look once more, for failed edges behind which something changed between the two snapshots. A login that was refused is
/// not tried again.
pub fn again(
    graph: &TierGraph,
    before: &Snapshot,
    after: &Snapshot,
    outcomes: &Outcomes,
    options: &PlanOptions,
) -> ProbePlan {
    let mut failed: HashMap<&str, Vec<&Step>> = HashMap::new();
    for step in outcomes.probes.iter().flat_map(|probe| &probe.steps) {
        if step.status == StepStatus::Fail {
            failed.entry(&step.task).or_default().push(step);
        }
    }
    let steps = |edge: &Edge| {
        failed
            .get(edge.id.0.as_str())
            .map_or(&[][..], Vec::as_slice)
    };
    let wish = ExtraLook {
        options,
        edges: &|edge| {
            !edge.forbidden && !steps(edge).is_empty() && changed(graph, before, after, edge)
        },
        names: false,
        no_login: &|edge| {
            let refused = |step: &&Step| step.error == Some(StepError::LoginDenied);
            (steps(edge).iter().any(refused) && !has_new_pods(graph, before, after, edge))
                .then(|| "a login that was refused is not tried again".to_owned())
        },
        prefix: "a",
        look: Look::Again,
    };
    ProbePlan {
        // What is pointless was said by the first plan.
        skipped: BTreeMap::new(),
        ..plan_look(graph, after, &wish)
    }
}

/// Whether a Pod at either end of an edge is another by now: one of the client may log in as someone else, one of the server may
/// know other users.
fn has_new_pods(graph: &TierGraph, before: &Snapshot, after: &Snapshot, edge: &Edge) -> bool {
    let of = |snapshot: &Snapshot| -> BTreeSet<String> {
        let ends = [&edge.from, &edge.to];
        ends.iter()
            .flat_map(|tier| graph.workloads(tier))
            .flat_map(|key| snapshot.pods_of(key))
            .map(|pod| pod.metadata.uid.clone())
            .collect()
    };
    !of(after).is_subset(&of(before))
}

/// Whether what stands at either end of an edge changed between two snapshots: the Service, its endpoints, the Pods.
pub fn changed(graph: &TierGraph, before: &Snapshot, after: &Snapshot, edge: &Edge) -> bool {
    let seen = |snapshot: &Snapshot| {
        let clients = graph.workloads(&edge.from);
        let namespace = clients
            .first()
            .map_or(snapshot.namespace.as_str(), |key| key.namespace.as_str());
        let route = policy::route(
            snapshot,
            namespace,
            &edge.host,
            edge.port,
            edge.protocol.transport(),
        );
        let targets: Vec<(String, bool)> = graph
            .workloads(&edge.to)
            .iter()
            .flat_map(|key| snapshot.pods_of(key))
            .map(|pod| (pod.metadata.uid.clone(), is_ready(pod)))
            .collect();
        // A client that restarts, or is not ready because of this very edge, has not changed.
        let sources: Vec<(String, String)> = clients
            .iter()
            .flat_map(|key| snapshot.pods_of(key))
            .map(|pod| (pod.metadata.uid.clone(), pod.spec.node_name.clone()))
            .collect();
        (route, targets, sources)
    };
    let (before, after) = (seen(before), seen(after));
    // A name that no one has is the same for every client, whatever the Pods do, and Services of other namespaces come and go.
    let nowhere = before.0.meaning.leads_nowhere() && after.0.meaning.leads_nowhere();
    !nowhere && before != after
}
