//! What is wrong with a workload's Pods, or keeps them from being made: statuses and events read into codes, one per container, the
//! the most specific one. In: a subject. Out: [`Trouble`]s, which the rules of sections 2 and 3 turn into findings. Pure.

mod containers;
mod creation;
mod kubelet;
mod scheduling;
mod view;
mod volume;
mod waiting;

pub(super) use kubelet::{
    ProbeKind, cannot_run, command_is_one_string, named_port, port_is_declared, port_number,
    probe_of,
};

use std::time::Duration;

use jiff::Timestamp;

use super::Context;
use super::subject::WorkloadFacts;
use super::trouble::Trouble;
use super::words::quote;
use crate::observe::kinds::{Event, Pod};

/// Everything that is wrong with a subject. Nothing is known of a workload's Pods offline.
pub(super) fn of(context: &Context<'_>, subject: &WorkloadFacts<'_>) -> Vec<Trouble> {
    if context.snapshot.offline {
        return Vec::new();
    }
    let mut troubles = creation::of(context, subject);
    for pod in &subject.pods {
        // The kubelet of a dead node says nothing any more: what the Pod's status holds is old.
        if let Some(trouble) = scheduling::node_not_ready(context, pod) {
            troubles.push(trouble);
            continue;
        }
        if let Some(trouble) = scheduling::unscheduled(context, pod) {
            troubles.extend(scheduling::claims(context, pod));
            troubles.push(trouble);
            continue;
        }
        troubles.extend(containers::of(context, subject, pod));
    }
    troubles
}

/// The events of a Pod that are about one of its containers, or about no container in particular.
fn events_about<'a>(context: &Context<'a>, pod: &Pod, container: &str) -> Vec<&'a Event> {
    let mut events = context
        .snapshot
        .events_of("Pod", &pod.metadata.namespace, &pod.metadata.name);
    events.retain(|event| {
        let path = &event.involved_object.field_path;
        path.is_empty() || path.ends_with(&format!("{{{container}}}"))
    });
    events
}

/// An event in words: `Failed: Failed to pull image …`.
fn event_line(event: &Event) -> String {
    format!("{}: {}", event.reason, quote(&event.message))
}

/// The newest event of those that `wanted` takes.
fn newest<'a>(events: &[&'a Event], wanted: impl Fn(&Event) -> bool) -> Option<&'a Event> {
    events.iter().rev().copied().find(|event| wanted(event))
}

/// How long ago that was when the snapshot was taken.
fn ago(context: &Context<'_>, then: Option<Timestamp>) -> Option<Duration> {
    let now = context.snapshot.taken_at?;
    Duration::try_from(now.duration_since(then?)).ok()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::diagnose::fixtures;
    use crate::graph::TierGraph;
    use crate::observe::Snapshot;

    /// The troubles of `deployment/db` (in `AP->DB:3306/mysql`) with those objects.
    pub(crate) fn troubles_of(objects: &str) -> Vec<Trouble> {
        let snapshot = fixtures::snapshot(objects);
        let graph = fixtures::graph(&["AP->DB:3306/mysql"]);
        troubles_in(&graph, &snapshot)
    }

    /// The troubles of every workload of that snapshot.
    pub(crate) fn troubles_in(graph: &TierGraph, snapshot: &Snapshot) -> Vec<Trouble> {
        let context = Context::new(graph, snapshot, None);
        context
            .subjects
            .iter()
            .flat_map(|subject| subject.troubles.clone())
            .collect()
    }

    /// A Pod of `deployment/db` with that spec and status, each as YAML in flow style.
    pub(crate) fn pod(spec: &str, status: &str) -> String {
        format!(
            "
kind: Deployment
metadata: {{name: db}}
spec: {{replicas: 1, selector: {{matchLabels: {{app: db}}}}, template: {{metadata: {{labels: {{app: db}}}}, spec: {spec}}}}}
---
kind: ReplicaSet
metadata: {{name: db-6f9c, ownerReferences: [{{kind: Deployment, name: db, controller: true}}]}}
spec: {{replicas: 1, selector: {{matchLabels: {{app: db}}}}}}
---
kind: Pod
metadata: {{name: db-6f9c-x, labels: {{app: db}}, ownerReferences: [{{kind: ReplicaSet, name: db-6f9c, controller: true}}]}}
spec: {spec}
status: {status}
"
        )
    }

    /// An event about that Pod's container `db`.
    pub(crate) fn event(reason: &str, message: &str) -> String {
        format!(
            "---
kind: Event
metadata: {{name: e-{reason}}}
involvedObject: {{kind: Pod, name: db-6f9c-x, namespace: default, fieldPath: 'spec.containers{{db}}'}}
reason: {reason}
message: '{message}'
lastTimestamp: '2026-11-23T10:00:00Z'
"
        )
    }
}
