//! Pods that were never made: quota, admission, Pod Security, a ServiceAccount that is not there. Only events and the
//! condition `ReplicaFailure` report. Pure.

use super::{Trouble, event_line};
use crate::catalog::answers::AnswerTexts;
use crate::diagnose::Context;
use crate::diagnose::subject::WorkloadFacts;
use crate::diagnose::words::quote;
use crate::finding::Code;
use crate::observe::kinds::{Condition, Pod, Workload};

/// Why Pods of the subject are missing, if the cluster refused to make them.
pub(super) fn of(context: &Context<'_>, subject: &WorkloadFacts<'_>) -> Vec<Trouble> {
    let Some(workload) = subject.workload else {
        return Vec::new();
    };
    let missing = match subject.wanted() {
        Some(wanted) => usize::try_from(wanted)
            .unwrap_or(0)
            .saturating_sub(subject.pods.len())
            .max(missing_of_revision(context, subject)),
        // A Job that has neither ended nor any Pod.
        None if subject.key.kind == "job" => {
            usize::from(subject.pods.is_empty() && subject.ended.is_empty() && !ended(workload))
        }
        None => 0,
    };
    if missing == 0 {
        return Vec::new();
    }
    let evidence = refusals(context, subject, workload);
    let Some(first) = evidence.first().cloned() else {
        return Vec::new();
    };
    vec![Trouble {
        code: Code::PodCreateForbidden,
        object: None,
        pod: String::new(),
        message: format!(
            "{missing} Pod{} of {} may not be created ({first})",
            if missing == 1 { "" } else { "s" },
            subject.name(&context.snapshot.namespace)
        ),
        remedy: AnswerTexts::shared()
            .admission
            .on(&first)
            .unwrap_or_default()
            .to_owned(),
        evidence,
        dependent: false,
        caused_by: Vec::new(),
    }]
}

/// How many Pods a ReplicaSet lacks, while those of an older one stand in for them.
fn missing_of_revision(context: &Context<'_>, subject: &WorkloadFacts<'_>) -> usize {
    let makers = makers(context, subject).filter(|maker| maker.kind == "ReplicaSet");
    makers
        .map(|maker| {
            let name = &maker.metadata.name;
            let owned = |pod: &&&Pod| {
                let owners = &pod.metadata.owner_references;
                owners.iter().any(|owner| owner.name == *name)
            };
            let wanted = usize::try_from(maker.spec.replicas.unwrap_or(0)).unwrap_or(0);
            wanted.saturating_sub(subject.pods.iter().filter(owned).count())
        })
        .max()
        .unwrap_or(0)
}

/// The ReplicaSets or Jobs that want Pods on its behalf.
fn makers<'a>(
    context: &Context<'a>,
    subject: &WorkloadFacts<'_>,
) -> impl Iterator<Item = &'a Workload> {
    let made = context.snapshot.made_by(&subject.key).into_iter();
    made.filter(|child| child.spec.replicas != Some(0))
}

fn ended(workload: &Workload) -> bool {
    workload.status.conditions.iter().any(|condition| {
        matches!(condition.kind.as_str(), "Complete" | "Failed") && condition.status == "True"
    })
}

/// What the workload and the ReplicaSets (or Jobs) that want Pods on its behalf were answered, the newest first.
fn refusals(
    context: &Context<'_>,
    subject: &WorkloadFacts<'_>,
    workload: &Workload,
) -> Vec<String> {
    let snapshot = context.snapshot;
    let mut lines = Vec::new();
    for maker in makers(context, subject).chain([workload]) {
        let mut events =
            snapshot.events_of(&maker.kind, &subject.key.namespace, &maker.metadata.name);
        events.retain(|event| event.reason == "FailedCreate");
        lines.extend(events.last().map(|event| event_line(event)));
        lines.extend(
            Condition::with(&maker.status.conditions, "ReplicaFailure", "True")
                .map(|condition| format!("{}: {}", condition.reason, quote(&condition.message))),
        );
    }
    lines.dedup();
    lines
}

#[cfg(test)]
mod tests {
    use super::super::tests::troubles_of;
    use crate::finding::Code;

    const DEPLOYMENT: &str = "
kind: Deployment
metadata: {name: db}
spec: {replicas: 1, selector: {matchLabels: {app: db}}, template: {metadata: {labels: {app: db}}, spec: {containers: [{name: db}]}}}
---
kind: ReplicaSet
metadata: {name: db-6f9c, ownerReferences: [{kind: Deployment, name: db, controller: true}]}
spec: {replicas: 1}
";
    const EVENT: &str = "---
kind: Event
metadata: {name: e}
involvedObject: {kind: ReplicaSet, name: db-6f9c}
reason: FailedCreate
message: 'Error creating: pods \"db-6f9c-x\" is forbidden: exceeded quota: memory, requested: limits.memory=4Gi, used: limits.memory=0, limited: limits.memory=2Gi'
";
    const POD: &str = "---
kind: Pod
metadata: {name: db-6f9c-x, ownerReferences: [{kind: ReplicaSet, name: db-6f9c, controller: true}]}
spec: {containers: [{name: db}]}
status: {phase: Running, conditions: [{type: Ready, status: 'True'}], containerStatuses: [{name: db, ready: true, state: {running: {}}}]}
";

    #[test]
    fn a_refusal_is_read_from_the_event_of_the_replica_set() {
        let troubles = troubles_of(&(DEPLOYMENT.to_owned() + EVENT));
        assert_eq!(troubles.len(), 1);
        assert_eq!(troubles[0].code, Code::PodCreateForbidden);
        assert!(troubles[0].message.contains("exceeded quota"));
        assert!(troubles[0].remedy.contains("ResourceQuota"));
    }

    #[test]
    fn an_old_refusal_is_no_trouble_once_the_pods_are_there() {
        assert!(troubles_of(&(DEPLOYMENT.to_owned() + EVENT + POD)).is_empty());
    }

    #[test]
    fn a_newer_revision_that_may_not_come_is_refused_although_the_old_one_serves() {
        let old = POD.replace("db-6f9c", "db-5a5a");
        let old_set = "---
kind: ReplicaSet
metadata: {name: db-5a5a, ownerReferences: [{kind: Deployment, name: db, controller: true}]}
spec: {replicas: 1}
";
        let refused = troubles_of(&(DEPLOYMENT.to_owned() + EVENT + old_set + &old));
        assert_eq!(refused.len(), 1);
        assert_eq!(refused[0].code, Code::PodCreateForbidden);
        assert!(troubles_of(&(DEPLOYMENT.to_owned() + old_set + &old)).is_empty());
    }

    #[test]
    fn missing_pods_without_an_event_say_nothing() {
        assert!(troubles_of(DEPLOYMENT).is_empty());
    }
}
