//! Pods that no node takes, claims that they wait for, and nodes that are gone. Pure.

use super::{Trouble, event_line};
use crate::catalog::answers::AnswerTexts;
use crate::diagnose::Context;
use crate::diagnose::words::quote;
use crate::finding::{Code, ObjectRef};
use crate::observe::kinds::{Condition, Pod};
use crate::shell::Command;

/// A Pod on a node whose kubelet is gone.
pub(super) fn node_not_ready(context: &Context<'_>, pod: &Pod) -> Option<Trouble> {
    let name = &pod.spec.node_name;
    let ready = context.snapshot.unready_node(name)?;
    let mut trouble = Trouble::new(
        Code::NodeNotReady,
        pod,
        format!(
            "Pod {} is on node {name}, which is not ready",
            pod.metadata.name
        ),
    )
    .evidence([format!(
        "node/{name} Ready={} {}: {}",
        ready.status,
        ready.reason,
        quote(&ready.message)
    )])
    .remedy(format!(
        "bring node {name} back, or move its Pods: {}; {}",
        Command::new(&["kubectl", "describe", "node", name]),
        Command::new(&["kubectl", "drain", name, "--ignore-daemonsets", "--force"])
    ));
    trouble.object = Some(ObjectRef::new("node", name, ""));
    Some(trouble)
}

fn scheduled(pod: &Pod) -> Option<&Condition> {
    Condition::with(&pod.status.conditions, "PodScheduled", "False")
}

/// A Pod that the scheduler could not place.
pub(super) fn unscheduled(context: &Context<'_>, pod: &Pod) -> Option<Trouble> {
    let condition = scheduled(pod)?;
    let events = context
        .snapshot
        .events_of("Pod", &pod.metadata.namespace, &pod.metadata.name);
    let why = if condition.reason == "SchedulingGated" {
        "its scheduling gates are not removed"
    } else {
        "no node takes it"
    };
    let mut trouble = Trouble::new(
        Code::PodUnschedulable,
        pod,
        format!(
            "Pod {} is Pending: {why} ({})",
            pod.metadata.name,
            quote(&condition.message)
        ),
    )
    .evidence([format!(
        "PodScheduled=False {}: {}",
        condition.reason,
        quote(&condition.message)
    )])
    .evidence(
        events
            .iter()
            .filter(|event| {
                matches!(
                    event.reason.as_str(),
                    "FailedScheduling" | "TriggeredScaleUp" | "NotTriggerScaleUp"
                )
            })
            .rev()
            .take(2)
            .map(|event| event_line(event)),
    )
    .remedy(remedy(&condition.message));
    trouble.caused_by = claims(context, pod)
        .into_iter()
        .filter_map(|claim| Some((claim.code, claim.object?)))
        .collect();
    Some(trouble)
}

fn remedy(message: &str) -> &'static str {
    let advice = AnswerTexts::shared().scheduling.on(message);
    advice.unwrap_or_default()
}

/// The claims for which an unscheduled Pod waits: missing, lost, or never bound. One that waits for its first consumer
/// follows from the Pod, not the other way round.
pub(super) fn claims(context: &Context<'_>, pod: &Pod) -> Vec<Trouble> {
    let message = scheduled(pod).map_or("", |condition| condition.message.as_str());
    let namespace = &pod.metadata.namespace;
    let mut found = Vec::new();
    for volume in &pod.spec.volumes {
        let Some(name) = volume
            .persistent_volume_claim
            .as_ref()
            .map(|claim| &claim.claim_name)
        else {
            continue;
        };
        let claim = context.snapshot.volume_claim(namespace, name);
        let events = context
            .snapshot
            .events_of("PersistentVolumeClaim", namespace, name);
        let waits = events
            .last()
            .is_some_and(|event| event.reason == "WaitForFirstConsumer");
        let absent = message.contains(&format!("persistentvolumeclaim \"{name}\" not found"));
        let seen = match claim {
            Some(claim) if claim.status.phase == "Bound" => continue,
            Some(claim) if claim.status.phase == "Lost" => {
                found.push(super::volume::lost(pod, name));
                continue;
            }
            Some(_) if waits && !message.contains("volume") => continue,
            Some(claim) => format!("persistentvolumeclaim/{name} is {}", claim.status.phase),
            None if absent => format!("there is no persistentvolumeclaim/{name}"),
            // Claims could not be read: the scheduler's words must do.
            None if message.contains("unbound") => {
                format!("persistentvolumeclaim/{name} is unbound")
            }
            None => continue,
        };
        let class = claim.and_then(|claim| claim.spec.storage_class_name.clone());
        let remedy = match (absent, class) {
            (true, _) => format!(
                "create persistentvolumeclaim/{name}, or correct claimName in the Pod template"
            ),
            (false, Some(class)) => format!(
                "make StorageClass {class} provide a volume, name another class in persistentvolumeclaim/{name}, or create a PersistentVolume that fits (kubectl get storageclasses,persistentvolumes)"
            ),
            (false, None) => format!(
                "name a StorageClass in persistentvolumeclaim/{name} or make one the default, or create a PersistentVolume that fits (kubectl get storageclasses); data that may be lost can use an emptyDir"
            ),
        };
        let mut trouble = Trouble::new(
            Code::VolumeClaimPending,
            pod,
            format!("{seen}, and Pod {} waits for it", pod.metadata.name),
        )
        .evidence([seen, quote(message)])
        .evidence(events.iter().rev().take(2).map(|event| event_line(event)))
        .remedy(remedy);
        trouble.object = Some(ObjectRef::new("persistentvolumeclaim", name, namespace));
        found.push(trouble);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::tests::{pod, troubles_of};
    use crate::finding::Code;

    const SPEC: &str = "{containers: [{name: db}], volumes: [{name: data, persistentVolumeClaim: {claimName: db-data}}]}";
    const PENDING: &str = "{phase: Pending, conditions: [{type: PodScheduled, status: 'False', reason: Unschedulable, message: '0/2 nodes are available: MESSAGE.'}]}";

    fn codes(message: &str, claim: &str) -> Vec<Code> {
        let claim = format!(
            "---\nkind: PersistentVolumeClaim\nmetadata: {{name: db-data}}\nspec: {{accessModes: [ReadWriteOnce]}}\nstatus: {{phase: {claim}}}\n"
        );
        troubles_of(&(pod(SPEC, &PENDING.replace("MESSAGE", message)) + &claim))
            .iter()
            .map(|trouble| trouble.code)
            .collect()
    }

    #[test]
    fn an_unbound_claim_is_the_cause_and_a_bound_one_is_none() {
        assert_eq!(
            codes(
                "pod has unbound immediate PersistentVolumeClaims",
                "Pending"
            ),
            [Code::VolumeClaimPending, Code::PodUnschedulable]
        );
        assert_eq!(
            codes("2 Insufficient cpu", "Bound"),
            [Code::PodUnschedulable]
        );
    }

    #[test]
    fn a_disk_elsewhere_or_gone_is_no_matter_of_labels_and_the_advice_says_what_it_loses() {
        let taken = super::remedy(
            "2 node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod access mode already in-use by another pod",
        );
        assert!(taken.contains("Recreate"), "{taken}");
        let elsewhere = super::remedy("1 node(s) had volume node affinity conflict");
        assert!(elsewhere.contains("loses what is stored"), "{elsewhere}");
        let gone = super::remedy(
            "0/2 nodes are available: 2 node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)",
        );
        assert!(gone.contains("restore the data"), "{gone}");
        assert!(
            super::remedy("1 node(s) didn't match Pod's node affinity/selector")
                .contains("nodeSelector")
        );
    }

    #[test]
    fn a_gated_pod_lacks_no_node() {
        let status = "{phase: Pending, conditions: [{type: PodScheduled, status: 'False', reason: SchedulingGated, message: Scheduling is blocked due to non-empty scheduling gates}]}";
        let troubles = troubles_of(&pod(SPEC, status));
        assert_eq!(troubles[0].code, Code::PodUnschedulable);
        assert!(!troubles[0].message.contains("no node"));
        assert!(super::remedy("non-empty scheduling gates").contains("schedulingGates"));
    }

    #[test]
    fn a_scheduled_pod_has_no_such_trouble() {
        let objects = pod(
            SPEC,
            "{phase: Running, conditions: [{type: PodScheduled, status: 'True'}], containerStatuses: [{name: db, ready: true, state: {running: {}}}]}",
        );
        assert!(troubles_of(&objects).is_empty());
    }

    #[test]
    fn a_pod_on_a_dead_node_is_judged_by_its_node_alone() {
        let objects = pod(
            "{nodeName: node-2, containers: [{name: db}]}",
            "{phase: Running, containerStatuses: [{name: db, state: {waiting: {reason: CrashLoopBackOff}}}]}",
        ) + "---\nkind: Node\nmetadata: {name: node-2}\nstatus: {conditions: [{type: Ready, status: Unknown, reason: NodeStatusUnknown, message: Kubelet stopped posting node status.}]}\n";
        let troubles = troubles_of(&objects);
        assert_eq!(troubles.len(), 1);
        assert_eq!(troubles[0].code, Code::NodeNotReady);
        assert!(troubles[0].evidence[0].contains("stopped posting"));
    }
}
