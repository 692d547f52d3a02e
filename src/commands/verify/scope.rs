//! What waiting for rollouts needs to know of the tier graph: which workloads matter, who needs whom, whose names lead nowhere.
//! Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU16;
use std::time::Duration;

use crate::graph::{Confidence, TierGraph};
use crate::observe::{HostMeaning, Scope, Snapshot, WorkloadKey};

/// The workloads of the graph's tiers; without any tier, all of the namespace.
pub(super) fn of(graph: &TierGraph, snapshot: &Snapshot, wait: Duration) -> Scope {
    let workloads = |tier: &str| graph.workloads(tier).iter().cloned();
    let matter: BTreeSet<WorkloadKey> = graph
        .tiers
        .keys()
        .flat_map(|tier| workloads(tier))
        .collect();
    let mut depends: BTreeMap<WorkloadKey, BTreeSet<WorkloadKey>> = BTreeMap::new();
    let mut broken = BTreeSet::new();
    for edge in &graph.edges {
        for client in workloads(&edge.from) {
            let meaning = snapshot.meaning(&edge.host, &client.namespace);
            let no_port = lacks_port(snapshot, &meaning, edge.port);
            let flawed = edge.flaw.as_ref().is_some_and(|flaw| flaw.flaw.certain);
            if (meaning.leads_nowhere() || no_port || flawed) && edge.confidence != Confidence::Weak
            {
                broken.insert(client.clone());
            }
            depends
                .entry(client)
                .or_default()
                .extend(workloads(&edge.to));
        }
    }
    Scope {
        matter: (!matter.is_empty()).then_some(matter),
        depends: (!graph.edges.is_empty()).then_some(depends),
        broken,
        patience: (!wait.is_zero()).then_some(wait),
    }
}

/// Whether a name leads to a Service with an address of its own that does not offer the port: no Pod behind it can change that.
fn lacks_port(snapshot: &Snapshot, meaning: &HostMeaning, port: NonZeroU16) -> bool {
    let (HostMeaning::Service(key) | HostMeaning::ServiceAddress(key)) = meaning else {
        return false;
    };
    snapshot.service(key).is_some_and(|service| {
        let spec = &service.spec;
        let own_address = spec.kind != "ExternalName" && spec.cluster_ip != "None";
        let offered = spec.ports.iter().any(|one| one.is(port));
        own_address && !spec.ports.is_empty() && !offered
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::fixtures;

    #[test]
    fn a_client_of_a_port_that_the_service_lacks_is_not_waited_for() {
        const OBJECTS: &str = "
kind: Deployment
metadata: {name: ap}
spec: {template: {spec: {containers: [{name: ap}]}}}
---
kind: Service
metadata: {name: db}
spec: {clusterIP: 10.96.0.9, selector: {app: db}, ports: [{port: 3306}]}
";
        let broken = |objects: &str, port: u16| {
            let mut graph = fixtures::graph(&["AP->DB:3306/mysql"]);
            graph.edges[0].port = port.try_into().unwrap();
            let snapshot = fixtures::snapshot(objects);
            let scope = of(&graph, &snapshot, Duration::from_mins(2));
            scope.broken.len()
        };
        assert_eq!((broken(OBJECTS, 3306), broken(OBJECTS, 3307)), (0, 1));
        let headless = OBJECTS.replace("10.96.0.9", "None");
        assert_eq!(broken(&headless, 3307), 0);
    }

    #[test]
    fn without_tiers_all_matter_and_any_may_need_any() {
        let scope = of(
            &TierGraph::default(),
            &Snapshot::default(),
            Duration::from_mins(2),
        );
        assert_eq!((scope.matter, scope.depends), (None, None));
        assert_eq!(scope.patience, Some(Duration::from_mins(2)));
    }
}
