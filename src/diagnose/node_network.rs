//! Section 6, nodes: the same connection works from one node and not from another, and neither policy, Service nor workload distinguishes
//! the two apart. Graph, snapshot and outcomes in, findings out. Pure.

use std::collections::BTreeMap;

use super::dns::is_unanswered;
use super::target::{self, line};
use super::walk::{EdgeEvidence, Stage, Walk};
use super::{Context, Rule, network_policy};
use crate::finding::{Code, EdgeId, Finding, Fix, ObjectRef};
use crate::plan::Look;
use crate::probe::wire::{Step, StepError, StepName, StepStatus};
use crate::shell::Command;

/// The rules of this file.
pub(super) const RULES: &[Rule] = &[Rule::Whole(broken)];

/// What was dialled: the name server, a Service address, or one endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Dialled<'a> {
    NameServer,
    Service,
    Endpoint(&'a str),
}

/// One dial from one node.
struct Dial<'e> {
    edge: &'e EdgeId,
    tier: &'e str,
    what: Dialled<'e>,
    from: &'e str,
    /// The node of the endpoint, where that is what was dialled.
    to: Option<&'e str>,
    passed: bool,
    line: String,
}

impl Dial<'_> {
    /// Whether packets had to leave the node.
    fn crosses(&self) -> bool {
        self.to.is_none_or(|to| to != self.from)
    }

    fn touches(&self, node: &str) -> bool {
        self.from == node || self.to == Some(node)
    }
}

fn broken(context: &Context<'_>) -> Vec<Finding> {
    let dials: Vec<Dial<'_>> = context
        .evidence
        .values()
        .filter(|evidence| !evidence.edge.forbidden)
        .flat_map(|evidence| {
            evidence
                .walks
                .iter()
                .filter(|walk| !walk.superseded && !walk.node().is_empty())
                // A walk with other labels may differ by them, not by its node.
                .filter(|walk| {
                    matches!(walk.probe.look, Look::First | Look::Again | Look::OtherNode)
                })
                .flat_map(|walk| dials(context, evidence, walk))
        })
        .collect();
    let mut found: BTreeMap<&str, Finding> = BTreeMap::new();
    for evidence in context.evidence.values() {
        if evidence.edge.forbidden
            || matches!(evidence.broken_stage(), None | Some(Stage::Protocol))
            || network_policy::may_deny(context, evidence.edge)
        {
            continue;
        }
        for dial in distinguishing(context, evidence, &dials) {
            let node = faulty_node(dial, &dials);
            let finding = found.entry(node).or_insert_with(|| finding(node, dial));
            finding.edges.insert(evidence.edge.id.clone());
            finding.note(&dial.line);
            let counterpart = dials
                .iter()
                .find(|other| other.passed && is_same_from_elsewhere(other, dial));
            if let Some(other) = counterpart {
                finding.note(&other.line);
            }
        }
    }
    found.into_values().collect()
}

/// The dials of one walk.
fn dials<'e>(
    context: &'e Context<'_>,
    evidence: &'e EdgeEvidence<'_>,
    walk: &'e Walk<'_>,
) -> Vec<Dial<'e>> {
    let place = walk.place();
    let make = |what, to, step: &Step| {
        let passed = match step.status {
            StepStatus::Pass => true,
            StepStatus::Fail if is_of_the_network(step) => false,
            _ => return None,
        };
        Some(Dial {
            edge: &evidence.edge.id,
            tier: evidence.edge.from.as_str(),
            what,
            from: walk.node(),
            to,
            passed,
            line: line(&place, step),
        })
    };
    let name = walk
        .dns
        // A name from /etc/hosts was asked of no one.
        .filter(|step| !step.facts.contains_key("source"))
        .and_then(|step| make(Dialled::NameServer, None, step));
    let service = walk
        .connect()
        .and_then(|step| make(Dialled::Service, None, step));
    let endpoints = walk
        .endpoints
        .iter()
        .filter(|(_, endpoint)| endpoint.ready)
        .filter_map(|(address, endpoint)| {
            let step = endpoint
                .steps
                .iter()
                .find(|step| step.name == StepName::Endpoint)?;
            make(
                Dialled::Endpoint(address),
                target::node_at(context, address),
                step,
            )
        });
    name.into_iter().chain(service).chain(endpoints).collect()
}

/// Whether a step failed as one does that the network swallows or turns away.
fn is_of_the_network(step: &Step) -> bool {
    match step.name {
        StepName::Dns => is_unanswered(step),
        _ => matches!(
            step.error,
            Some(StepError::Timeout | StepError::Unreachable | StepError::Refused)
        ),
    }
}

/// Whether another dial is the same one, made as the same tier from another node.
fn is_same_from_elsewhere(other: &Dial<'_>, dial: &Dial<'_>) -> bool {
    other.edge == dial.edge
        && other.tier == dial.tier
        && other.what == dial.what
        && other.from != dial.from
}

/// The failed dials of an edge that distinguish nodes: they work from another node, and from their own node they never do.
fn distinguishing<'d, 'e>(
    context: &Context<'_>,
    evidence: &EdgeEvidence<'_>,
    dials: &'d [Dial<'e>],
) -> Vec<&'d Dial<'e>> {
    let of_edge: Vec<&'d Dial<'e>> = dials
        .iter()
        .filter(|dial| *dial.edge == evidence.edge.id)
        .collect();
    let own = || of_edge.iter().copied();
    let failed: Vec<&'d Dial<'e>> = own().filter(|dial| !dial.passed).collect();
    let unstable = target_is_in_trouble(context, evidence);
    let fails_by_its_endpoints = |from: &str| {
        failed
            .iter()
            .any(|dial| dial.from == from && matches!(dial.what, Dialled::Endpoint(_)))
    };
    failed
        .iter()
        .copied()
        .filter(|dial| {
            let works_here = own()
                .any(|other| other.passed && other.what == dial.what && other.from == dial.from);
            let works_elsewhere =
                own().any(|other| other.passed && is_same_from_elsewhere(other, dial));
            let explained = match dial.what {
                // What works now and not then distinguishes times, not nodes.
                Dialled::Service | Dialled::Endpoint(_) if unstable => true,
                Dialled::Service => {
                    // What its endpoints say is nearer to the fault.
                    fails_by_its_endpoints(dial.from) || stays_on_the_node(context, evidence)
                }
                Dialled::NameServer | Dialled::Endpoint(_) => false,
            };
            !works_here && !explained && (works_elsewhere || is_one_sided(dial, &of_edge))
        })
        .collect()
}

/// Whether what is dialled comes and goes: a workload of the target restarts or is not ready.
fn target_is_in_trouble(context: &Context<'_>, evidence: &EdgeEvidence<'_>) -> bool {
    let workloads = context.graph.workloads(&evidence.edge.to);
    context
        .subjects
        .iter()
        .any(|subject| workloads.contains(&subject.key) && !subject.troubles.is_empty())
}

/// The Service address does not work from the only node that looked, while each of its endpoints does from there.
fn is_one_sided(dial: &Dial<'_>, of_edge: &[&Dial<'_>]) -> bool {
    if dial.what != Dialled::Service {
        return false;
    }
    let mut endpoints = of_edge
        .iter()
        .filter(|other| other.from == dial.from && matches!(other.what, Dialled::Endpoint(_)))
        .peekable();
    let endpoints_pass = endpoints.peek().is_some() && endpoints.all(|other| other.passed);
    endpoints_pass && of_edge.iter().all(|other| other.from == dial.from)
}

/// Whether a Service setting distinguishes nodes: `Local` keeps traffic on the client's node, and a port that the Service does not
/// offer is no fault of a node.
fn stays_on_the_node(context: &Context<'_>, evidence: &EdgeEvidence<'_>) -> bool {
    let Some(service) =
        target::service(context, evidence.edge).and_then(|key| context.snapshot.service(&key))
    else {
        // No Service of the cluster: nothing of the node's stands between.
        return true;
    };
    let mut ports = service.spec.ports.iter();
    let offered = ports.any(|port| port.is(evidence.edge.port));
    service.spec.internal_traffic_policy == "Local"
        || service.spec.is_external_name()
        || service.spec.is_headless()
        || !offered
}

/// Which of the two nodes of a failed dial is at fault: the one across whose border less works otherwise.
fn faulty_node<'e>(dial: &Dial<'e>, dials: &[Dial<'e>]) -> &'e str {
    let Some(to) = dial.to.filter(|to| *to != dial.from) else {
        return dial.from;
    };
    let count = |node: &str, passed: bool| {
        dials
            .iter()
            .filter(|other| other.passed == passed && other.crosses() && other.touches(node))
            .count()
    };
    let place = |node: &str| (count(node, true), usize::MAX - count(node, false));
    if place(dial.from) < place(to) {
        dial.from
    } else {
        to
    }
}

fn finding(node: &str, dial: &Dial<'_>) -> Finding {
    let object = ObjectRef::new("node", node, "");
    let (what, hint) = match dial.what {
        Dialled::NameServer => (
            "cluster DNS does not answer",
            "is UDP 53 to the DNS Pods open across nodes, does kube-proxy run there?",
        ),
        Dialled::Service => (
            "Service addresses do not work, although Pods' own addresses or other nodes do",
            "does kube-proxy (or what stands in for it) run and sync there?",
        ),
        Dialled::Endpoint(_) => (
            "Pods on the other side of it are not reached",
            "do its overlay, routes and firewall let Pod traffic pass?",
        ),
    };
    Finding::of(
        Code::NodeNetworkBroken,
        object.clone(),
        format!("the network of {object} is broken: {what}, while the same works from elsewhere"),
    )
    .caused_by([(Code::NodeNotReady, object.clone())])
    .fix(
        Fix::text(format!(
            "fix the network of {object}: {hint} Until then `{}` keeps new Pods off it",
            Command::new(&["kubectl", "cordon", node])
        ))
        .run(Command::kubectl(
            "kube-system",
            &[
                "get",
                "pods",
                "-o",
                "wide",
                "--field-selector",
                &format!("spec.nodeName={node}"),
            ],
        )),
    )
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{at, fail, graph, look, outcomes, pass, probe, snapshot};
    use super::*;
    use crate::graph::TierGraph;
    use crate::observe::Snapshot;
    use crate::plan::ProbeOutcome;

    const EDGE: &str = "AP->DB:3306/mysql";
    const ENDPOINT: &str = "10.0.1.7:3306";

    fn cluster(service: &str) -> Snapshot {
        snapshot(&format!(
            "
kind: Service
metadata: {{name: db}}
spec: {{clusterIP: 10.96.0.9, selector: {{app: db}}, ports: [{{port: 3306}}]{service}}}
---
kind: Pod
metadata: {{name: db-1, labels: {{app: db}}}}
spec: {{nodeName: node-1}}
status: {{phase: Running, podIP: 10.0.1.7}}
"
        ))
    }

    fn raised(graph: &TierGraph, snapshot: &Snapshot, probes: Vec<ProbeOutcome>) -> Vec<String> {
        let outcomes = outcomes(probes);
        broken(&Context::new(graph, snapshot, Some(&outcomes)))
            .iter()
            .map(|finding| finding.object.to_string())
            .collect()
    }

    fn service_dead() -> Vec<Step> {
        vec![
            pass(EDGE, StepName::Dns),
            fail(EDGE, StepName::Service, StepError::Timeout),
            at(ENDPOINT, pass(EDGE, StepName::Endpoint)),
        ]
    }

    fn all_well() -> Vec<Step> {
        vec![
            pass(EDGE, StepName::Dns),
            pass(EDGE, StepName::Service),
            at(ENDPOINT, pass(EDGE, StepName::Endpoint)),
        ]
    }

    #[test]
    fn the_node_from_which_service_addresses_do_not_work() {
        let graph = graph(&[EDGE]);
        let probes = vec![
            probe("AP", "node-1", all_well()),
            probe("AP", "node-2", service_dead()),
        ];
        assert_eq!(raised(&graph, &cluster(""), probes), ["node/node-2"]);
    }

    #[test]
    fn nothing_where_every_node_says_the_same_or_the_service_distinguishes_nodes() {
        let graph = graph(&[EDGE]);
        let everywhere = vec![
            probe("AP", "node-1", service_dead()),
            probe("AP", "node-2", service_dead()),
        ];
        assert!(raised(&graph, &cluster(""), everywhere).is_empty());
        let local = cluster(", internalTrafficPolicy: Local");
        let probes = vec![
            probe("AP", "node-1", all_well()),
            probe("AP", "node-2", service_dead()),
        ];
        assert!(raised(&graph, &local, probes).is_empty());
        assert!(raised(&graph, &cluster(""), vec![]).is_empty());
    }

    #[test]
    fn a_target_that_comes_and_goes_distinguishes_no_nodes() {
        let objects = "
kind: Deployment
metadata: {name: db}
spec: {replicas: 1, selector: {matchLabels: {app: db}}, template: {metadata: {labels: {app: db}}, spec: {containers: [{name: db}]}}}
---
kind: ReplicaSet
metadata: {name: db-1, ownerReferences: [{kind: Deployment, name: db, controller: true}]}
---
kind: Service
metadata: {name: db}
spec: {clusterIP: 10.96.0.9, selector: {app: db}, ports: [{port: 3306}]}
---
kind: Pod
metadata: {name: db-1, labels: {app: db}, ownerReferences: [{kind: ReplicaSet, name: db-1, controller: true}]}
spec: {nodeName: node-1, containers: [{name: db}]}
status: {phase: Running, podIP: 10.0.1.7, containerStatuses: [{name: db, restartCount: COUNT, state: STATE, lastState: {terminated: {exitCode: 137, reason: Error}}}]}
";
        let graph = graph(&[EDGE]);
        let refused = vec![
            pass(EDGE, StepName::Dns),
            fail(EDGE, StepName::Service, StepError::Refused),
            at(ENDPOINT, fail(EDGE, StepName::Endpoint, StepError::Refused)),
        ];
        let probes = || {
            vec![
                probe("AP", "node-1", refused.clone()),
                look(Look::OtherNode, probe("AP", "node-2", all_well())),
            ]
        };
        let stable = objects
            .replace("COUNT", "0")
            .replace("STATE", "{running: {}}");
        assert_eq!(raised(&graph, &snapshot(&stable), probes()).len(), 1);
        let crashes = objects
            .replace("COUNT", "9")
            .replace("STATE", "{waiting: {reason: CrashLoopBackOff}}");
        assert!(raised(&graph, &snapshot(&crashes), probes()).is_empty());
    }

    #[test]
    fn of_two_nodes_the_one_that_gets_nothing_across_is_blamed() {
        let graph = graph(&[EDGE]);
        let cut_off = vec![
            fail(EDGE, StepName::Dns, StepError::DnsTimeout),
            at(ENDPOINT, fail(EDGE, StepName::Endpoint, StepError::Timeout)),
        ];
        let second = look(Look::OtherNode, probe("AP", "node-1", all_well()));
        let probes = vec![probe("AP", "node-2", cut_off), second];
        assert_eq!(raised(&graph, &cluster(""), probes), ["node/node-2"]);
        // The other way round: the target's node is cut off from the rest.
        let far = vec![
            pass(EDGE, StepName::Dns),
            fail(EDGE, StepName::Service, StepError::Timeout),
            at(ENDPOINT, fail(EDGE, StepName::Endpoint, StepError::Timeout)),
        ];
        let near = vec![
            fail(EDGE, StepName::Dns, StepError::DnsTimeout),
            at(ENDPOINT, pass(EDGE, StepName::Endpoint)),
        ];
        let probes = vec![
            probe("AP", "node-2", far),
            look(Look::OtherNode, probe("AP", "node-1", near)),
        ];
        assert_eq!(raised(&graph, &cluster(""), probes), ["node/node-1"]);
    }
}
