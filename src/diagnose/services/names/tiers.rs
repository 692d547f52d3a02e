//! Tiers that nothing runs, and servers without a Service. Pure.

use super::make::{no_service_line, pods_text, service_to_make};
use crate::diagnose::Context;
use crate::diagnose::fixes::{self, PortToMake};
use crate::diagnose::services::{
    Unproven, askers, dns_words, ids, selecting, services_known, tier_subjects,
};
use crate::diagnose::subject::WorkloadFacts;
use crate::diagnose::target;
use crate::finding::{Code, Finding, ObjectRef, Severity};
use crate::graph::{Confidence, Tier};
use crate::observe::ServiceKey;
use crate::probe::wire::StepStatus;

/// A tier that no one runs. Where its clients were sent to a host outside, only those are left that merely start after it in compose.
pub(super) fn workload_missing(
    context: &Context<'_>,
    tier: &Tier,
    looks: &[&Unproven<'_, '_>],
) -> Finding {
    let replaced = context
        .graph
        .edges
        .iter()
        .find(|edge| edge.external && edge.to == tier.name && !edge.forbidden)
        .filter(|_| {
            looks
                .iter()
                .all(|look| look.edge.confidence == Confidence::Weak)
        });
    let is_weak = |look: &&Unproven<'_, '_>| look.edge.confidence == Confidence::Weak;
    let runs = |look: &&Unproven<'_, '_>| !context.graph.workloads(&look.edge.from).is_empty();
    let (severity, message) = match replaced {
        None if !looks.iter().any(runs) => (
            Severity::Info,
            format!("nothing runs {}, nor those that would call it", tier.name),
        ),
        None if looks.iter().all(is_weak) => (
            Severity::Info,
            format!(
                "nothing runs {}, and nothing that runs here is configured to call it",
                tier.name
            ),
        ),
        Some(edge) => (
            Severity::Info,
            format!(
                "nothing runs {} here: {} asks for {} in its place",
                tier.name, edge.from, edge.host
            ),
        ),
        None => (
            Severity::Error,
            format!(
                "nothing runs {}, and {}",
                tier.name,
                askers(looks.iter().map(|look| look.edge))
            ),
        ),
    };
    missing_tier(tier, severity, message)
        .because(dns_words(looks))
        .on(ids(looks))
}

/// Tiers that the user's file maps to a workload that is not there.
pub(in crate::diagnose::services) fn mapped_to_nothing(context: &Context<'_>) -> Vec<Finding> {
    let missing = |(tier, sentence): (&String, &String)| {
        let object = ObjectRef::new("tier", tier, "");
        Finding::of(Code::WorkloadMissing, object, sentence.clone())
            .fix("correct the mapping under `tiers`, deploy that workload, or write `none` if the tier does not run here")
    };
    context.graph.unmapped.iter().map(missing).collect()
}

pub(in crate::diagnose::services) fn missing_tier(
    tier: &Tier,
    severity: Severity,
    message: String,
) -> Finding {
    Finding::new(
        Code::WorkloadMissing,
        severity,
        ObjectRef::new("tier", &tier.name, ""),
        message,
    )
    .because([format!(
        "no workload of the namespace stands for the compose service {}{}",
        tier.name,
        tier.image
            .as_ref()
            .map(|image| format!(" (image {image})"))
            .unwrap_or_default()
    )])
    .fix(format!(
        "deploy {0}; if it lives elsewhere now, give the clients its address or a Service `{1}` that leads there; if it is not meant to run here, say `tiers: {{{0}: none}}` in k8sverify.yaml",
        tier.name,
        fixes::nearest_name(&tier.name).unwrap_or_else(|| tier.name.clone())
    ))
}

/// Tiers that plainly are servers and that no Service selects, whether an edge is known or not: compose gave them a name.
pub(in crate::diagnose::services) fn servers_without_service(
    context: &Context<'_>,
) -> Vec<Finding> {
    if !services_known(context) {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for tier in context.graph.tiers.values() {
        let Some(server) = tier
            .server
            .as_ref()
            .filter(|_| tier.in_compose && tier.expected && !tier.one_shot)
        else {
            continue;
        };
        let subjects = tier_subjects(context, tier);
        let Some(main) = subjects
            .iter()
            .find(|subject| !subject.pods.is_empty())
            .or(subjects.first())
            // What was deployed to run to its end serves no one, whatever its image.
            .filter(|subject| !subject.is_one_shot())
        else {
            continue;
        };
        let has_service = subjects.iter().any(|subject| {
            !selecting(context, subject).is_empty() || serves_by_name(context, tier, subject)
        });
        // Its clients have another way, if all of them get through.
        let mut calls = context
            .graph
            .edges
            .iter()
            .filter(|edge| edge.to == tier.name && !edge.forbidden)
            .peekable();
        let reached = calls.peek().is_some()
            && calls.all(|edge| context.came_out(&edge.id, StepStatus::Pass));
        if has_service || reached {
            continue;
        }
        let name = tier
            .names
            .iter()
            .map(|name| name.to_ascii_lowercase())
            .find(|name| fixes::is_service_name(name))
            .or_else(|| fixes::nearest_name(&tier.name))
            .or_else(|| fixes::nearest_name(&main.key.name));

        let port = PortToMake {
            port: server.port.get(),
            target: fixes::target_port(main, server.port.get()),
            transport: "TCP",
        };
        let wanted: Vec<String> = name.into_iter().collect();
        let finding = Finding::new(
            Code::ServiceMissing,
            Severity::error_if(!server.by_container_alone),
            main.key.object(),
            format!(
                "{}, and no Service selects it: compose gives it the name {}, the cluster does not",
                if context.snapshot.offline {
                    main.key.to_string()
                } else {
                    pods_text(main)
                },
                tier.name
            ),
        )
        .because([no_service_line(context, main)])
        .because([format!("{} is a server: {}", tier.name, server.evidence)])
        .fix(service_to_make(context, main, &wanted, &[port], &[]));
        findings.push(finding);
    }
    findings
}

/// Whether a Service that is called like the tier or its workload, or that its clients dial, serves it in another way: an `ExternalName`,
/// endpoints made by hand, or a selector that is merely wrong, which has its own finding.
pub(super) fn serves_by_name(
    context: &Context<'_>,
    tier: &Tier,
    subject: &WorkloadFacts<'_>,
) -> bool {
    let mut names = tier.names.iter().chain([&subject.key.name]);
    let is_there = names.any(|name| {
        let Some(name) = fixes::nearest_name(name) else {
            return false;
        };
        let key = ServiceKey::new(subject.key.namespace.clone(), name);
        context.snapshot.service(&key).is_some()
    });
    let mut edges = context.graph.edges.iter();
    is_there || edges.any(|edge| edge.to == tier.name && target::service(context, edge).is_some())
}

/// Tiers of compose that nothing runs and no one deployed calls: perhaps they live elsewhere now.
pub(in crate::diagnose::services) fn tiers_without_workload(context: &Context<'_>) -> Vec<Finding> {
    if !services_known(context) {
        return Vec::new();
    }
    context
        .graph
        .tiers
        .values()
        .filter(|tier| {
            let called = context.graph.edges.iter().any(|edge| {
                edge.to == tier.name
                    && context
                        .graph
                        .tiers
                        .get(&edge.from)
                        .is_some_and(|client| !client.workloads.is_empty())
            });
            tier.in_compose
                && tier.expected
                && !tier.one_shot
                && tier.workloads.is_empty()
                && tier.services.is_empty()
                && !called
        })
        .map(|tier| {
            missing_tier(
                tier,
                Severity::Info,
                format!(
                    "nothing runs {}, and no one deployed here calls it",
                    tier.name
                ),
            )
        })
        .collect()
}
