//! Claims whose access mode does not allow what the workloads want: several Pods on one that a single node or Pod may use. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::diagnose::Context;
use crate::diagnose::subject::WorkloadFacts;
use crate::diagnose::words::joined;
use crate::finding::{Code, Finding, ObjectRef, Severity};
use crate::observe::is_ready;
use crate::observe::kinds::VolumeClaim;

/// Who wants a claim.
#[derive(Default)]
struct Users<'a> {
    workloads: Vec<&'a WorkloadFacts<'a>>,
    wanted: i32,
}

/// Claims that more Pods want than may have them, before the scheduler or the kubelet says so.
pub(super) fn shared(context: &Context<'_>) -> Vec<Finding> {
    let mut users: BTreeMap<(&str, &str), Users<'_>> = BTreeMap::new();
    for subject in context.subjects.iter().filter(|subject| subject.in_scope) {
        let wanted = subject.wanted().unwrap_or(1);
        let volumes = subject.template.iter().flat_map(|one| &one.spec.volumes);
        for claim in volumes.filter_map(|volume| volume.persistent_volume_claim.as_ref()) {
            let key = (subject.key.namespace.as_str(), claim.claim_name.as_str());
            let entry = users.entry(key).or_default();
            entry.workloads.push(subject);
            entry.wanted += wanted;
        }
    }
    users
        .into_iter()
        .filter(|(_, users)| users.wanted > 1)
        .filter_map(|((namespace, name), users)| {
            let claim = context.snapshot.volume_claim(namespace, name)?;
            of_claim(context, namespace, claim, &users)
        })
        .collect()
}

fn of_claim(
    context: &Context<'_>,
    namespace: &str,
    claim: &VolumeClaim,
    users: &Users<'_>,
) -> Option<Finding> {
    let modes = &claim.spec.access_modes;
    let only = |mode: &str| !modes.is_empty() && modes.iter().all(|one| one == mode);
    let one_pod = only("ReadWriteOncePod");
    let one_node = only("ReadWriteOnce") && context.snapshot.nodes.len() > 1;
    let object = ObjectRef::new(
        "persistentvolumeclaim",
        claim.metadata.name.clone(),
        namespace,
    );
    let troubles = users.workloads.iter().flat_map(|subject| &subject.troubles);
    let said = troubles
        .filter_map(|trouble| trouble.object.as_ref())
        .any(|other| *other == object);
    let pods = || users.workloads.iter().flat_map(|subject| &subject.pods);
    let nodes: BTreeSet<&str> = pods()
        .filter(|pod| is_ready(pod))
        .map(|pod| pod.spec.node_name.as_str())
        .collect();
    // A path of the node or a network disk may be used from several nodes whatever its claim says.
    let works = nodes.len() > 1 && pods().all(|pod| is_ready(pod));
    if said || works || !(one_pod || one_node) {
        return None;
    }
    let (mode, limit) = if one_pod {
        ("ReadWriteOncePod", "by one Pod only")
    } else {
        ("ReadWriteOnce", "from one node only")
    };

    let finding = Finding::new(
        Code::VolumeMountFailed,
        Severity::Warning,
        object.clone(),
        format!(
            "{object} is {mode}, which can be used {limit}, and {} Pods of {} share it: those elsewhere cannot start",
            users.wanted,
            joined(users.workloads.iter().map(|subject| &subject.key))
        ),
    )
    .because([format!("accessModes of {object}: {mode}")])
    .fix("run one Pod (replicas: 1, strategy Recreate), keep all of them on one node, give each its own disk (a StatefulSet with volumeClaimTemplates), or use a ReadWriteMany claim. A claim's access mode cannot be changed: a new claim is empty, so copy what is stored before the old one is deleted, or it is lost");
    Some(finding)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::fixtures;

    const OBJECTS: &str = "
kind: Deployment
metadata: {name: ap}
spec: {replicas: 2, template: {metadata: {labels: {app: ap}}, spec: {containers: [{name: ap}], volumes: [{name: d, persistentVolumeClaim: {claimName: data}}]}}}
---
kind: PersistentVolumeClaim
metadata: {name: data}
spec: {accessModes: [MODE]}
status: {phase: Bound}
---
kind: Node
metadata: {name: n1}
---
kind: Node
metadata: {name: n2}
";

    fn found(mode: &str, change: impl Fn(String) -> String) -> Vec<String> {
        let snapshot = fixtures::snapshot(&change(OBJECTS.replace("MODE", mode)));
        let graph = fixtures::graph(&["WEB->AP:2000/http"]);
        shared(&Context::new(&graph, &snapshot, None))
            .into_iter()
            .inspect(|finding| assert_eq!(finding.severity, Severity::Warning))
            .map(|finding| finding.message)
            .collect()
    }

    #[test]
    fn more_pods_than_the_mode_allows_are_named_before_they_fail() {
        let named = found("ReadWriteOnce", |text| text);
        assert!(
            named[0].contains("from one node only, and 2 Pods of deployment/ap"),
            "{named:?}"
        );
        assert!(found("ReadWriteOncePod", |text| text)[0].contains("by one Pod only"));
        assert!(found("ReadWriteMany", |text| text).is_empty());
        let one = |text: String| text.replace("replicas: 2", "replicas: 1");
        assert!(found("ReadWriteOnce", one).is_empty());
        let small = |text: String| text.replace("---\nkind: Node\nmetadata: {name: n2}\n", "");
        assert!(found("ReadWriteOnce", small).is_empty());
    }

    #[test]
    fn what_works_on_two_nodes_is_no_warning() {
        let pods = |text: String| {
            let pod = |name: &str, node: &str| {
                format!("---
kind: Pod
metadata: {{name: {name}, labels: {{app: ap}}, ownerReferences: [{{kind: ReplicaSet, name: ap-1, controller: true}}]}}
spec: {{nodeName: {node}, containers: [{{name: ap}}]}}
status: {{phase: Running, conditions: [{{type: Ready, status: 'True'}}]}}
")
            };
            text + "---
kind: ReplicaSet
metadata: {name: ap-1, ownerReferences: [{kind: Deployment, name: ap, controller: true}]}
" + &pod("ap-a", "n1")
                + &pod("ap-b", "n2")
        };
        assert!(found("ReadWriteOnce", pods).is_empty());
    }
}
