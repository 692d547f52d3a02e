//! Whether waiting on makes sense once the probes have looked: a client that suffers because what it needs refuses it will not come
//! up by waiting, and a slow start is no one's fault. Pure.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;

use super::scope;
use crate::diagnose::walk;
use crate::graph::{Confidence, TierGraph};
use crate::observe::{self, Snapshot, WorkloadKey};
use crate::plan::Outcomes;
use crate::probe::wire::StepStatus;

/// How long rollouts are waited for before the first look at what they may be waiting for themselves: most are up by then, and what is
/// not is no longer merely starting.
pub(super) const EARLY: Duration = Duration::from_secs(12);

/// Whether all that has not settled may suffer from what it needs (it crashes or is not ready), so that a look can show it.
pub(super) fn all_suffer(graph: &TierGraph, snapshot: &Snapshot, now: Timestamp) -> bool {
    let unsettled = snapshot.settle.unsettled.keys().cloned().collect();
    !snapshot.settle.unsettled.is_empty() && none_is_left(graph, snapshot, now, unsettled)
}

/// Whether an edge that fails into a settled target explains everything that has not settled.
pub(super) fn is_explained(
    graph: &TierGraph,
    snapshot: &Snapshot,
    now: Timestamp,
    outcomes: &Outcomes,
) -> bool {
    let unsettled = &snapshot.settle.unsettled;
    let refused = walk::evidence(graph, snapshot, Some(outcomes))
        .values()
        .filter(|evidence| {
            let edge = evidence.edge;
            evidence.status() == StepStatus::Fail
                && edge.confidence != Confidence::Weak
                && !edge.forbidden
                && graph
                    .workloads(&edge.to)
                    .iter()
                    .all(|target| !unsettled.contains_key(target))
        })
        .flat_map(|evidence| graph.workloads(&evidence.edge.from).iter().cloned())
        .collect();
    none_is_left(graph, snapshot, now, refused)
}

/// Whether nothing is unsettled any more if those clients are known to be broken.
fn none_is_left(
    graph: &TierGraph,
    snapshot: &Snapshot,
    now: Timestamp,
    broken: BTreeSet<WorkloadKey>,
) -> bool {
    let mut scope = scope::of(graph, snapshot, Duration::ZERO);
    scope.broken.extend(broken);
    observe::judge(snapshot, now, &scope).unsettled.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::fixtures::{self, fail, outcomes, pass, probe};
    use crate::probe::wire::{StepError, StepName};

    const ID: &str = "AP->DB:3306/mysql";
    const OBJECTS: &str = "
kind: Deployment
metadata: {name: db}
spec: {replicas: 1, selector: {matchLabels: {app: db}}, template: {metadata: {labels: {app: db}}, spec: {containers: [{name: db}]}}}
status: {replicas: 1, updatedReplicas: 1, availableReplicas: 1, readyReplicas: 1}
---
kind: ReplicaSet
metadata: {name: db-1, ownerReferences: [{kind: Deployment, name: db, controller: true}]}
---
kind: Pod
metadata: {name: db-x, labels: {app: db}, ownerReferences: [{kind: ReplicaSet, name: db-1, controller: true}]}
spec: {nodeName: node-1, containers: [{name: db, readinessProbe: {tcpSocket: {port: 3306}}}]}
status: {phase: Running, podIP: 10.244.0.1, conditions: [{type: Ready, status: 'True', lastTransitionTime: '2026-01-01T00:00:05Z'}], containerStatuses: [{name: db, ready: true, started: true, state: {running: {startedAt: '2026-01-01T00:00:00Z'}}}]}
---
kind: Deployment
metadata: {name: ap}
spec: {replicas: 1, selector: {matchLabels: {app: ap}}, template: {metadata: {labels: {app: ap}}, spec: {containers: [{name: ap}]}}}
status: {replicas: 1, updatedReplicas: 1, unavailableReplicas: 1}
---
kind: ReplicaSet
metadata: {name: ap-1, ownerReferences: [{kind: Deployment, name: ap, controller: true}]}
---
kind: Pod
metadata: {name: ap-x, labels: {app: ap}, ownerReferences: [{kind: ReplicaSet, name: ap-1, controller: true}]}
spec: {nodeName: node-1, containers: [{name: ap, readinessProbe: {httpGet: {port: 2000}}}]}
status: {phase: PHASE, podIP: 10.244.0.2, conditions: [{type: Ready, status: 'False'}], containerStatuses: [{name: ap, ready: false, started: true, state: STATE}]}
---
kind: Service
metadata: {name: db}
spec: {clusterIP: 10.96.0.9, selector: {app: db}, ports: [{port: 3306}]}
";
    const RUNS: &str = "{running: {startedAt: '2026-01-01T00:00:00Z'}}";

    /// Whether a look is worth it, and what it says, half a minute after AP's container started.
    fn look(phase: &str, state: &str, login: crate::probe::wire::Step) -> (bool, bool) {
        let now: Timestamp = "2026-01-01T00:00:30Z".parse().unwrap();
        let mut snapshot =
            fixtures::snapshot(&OBJECTS.replace("PHASE", phase).replace("STATE", state));
        let graph = fixtures::graph(&[ID]);
        let scope = scope::of(&graph, &snapshot, Duration::from_mins(2));
        snapshot.settle = observe::judge(&snapshot, now, &scope);
        assert_eq!(snapshot.settle.unsettled.len(), 1, "{:?}", snapshot.settle);
        let steps = vec![pass(ID, StepName::Dns), pass(ID, StepName::Service), login];
        let outcomes = outcomes(vec![probe("AP", "node-1", steps)]);
        (
            all_suffer(&graph, &snapshot, now),
            is_explained(&graph, &snapshot, now, &outcomes),
        )
    }

    #[test]
    fn a_client_that_its_database_refuses_is_not_waited_for() {
        let denied = fail(ID, StepName::Login, StepError::LoginDenied);
        assert_eq!(look("Running", RUNS, denied), (true, true));
    }

    #[test]
    fn a_slow_start_and_a_pull_are_waited_for() {
        assert_eq!(
            look("Running", RUNS, pass(ID, StepName::Login)),
            (true, false)
        );
        let denied = fail(ID, StepName::Login, StepError::LoginDenied);
        let pulls = "{waiting: {reason: ContainerCreating}}";
        assert_eq!(look("Pending", pulls, denied), (false, false));
    }
}
