//! Section 1, ways in from outside: what was proven of each entry, and what is wrong with it. In: entries of the graph, endpoints, and what
//! probes said. Out: a [`Standing`] per entry, `entry-unreachable`, `entry-missing`. Pure.
//!
//! A dial from a Pod proves less than one from outside. So a failure counts only where the same Pod reached the Service itself, no policy may
//! have caught the Pod, and no firewall in front of a node or a balancer explains it as well; what is left is unknown, and never fails a run.

mod asked;
mod walked;

use std::collections::{BTreeMap, BTreeSet};

use super::workloads::causes;
use super::{Context, Rule};
use crate::finding::{Code, Finding, ObjectRef, Severity};
use crate::graph::{Entry, EntryKind, Unreached};
use crate::observe::EndpointView;
use crate::plan::ProbeOutcome;
use crate::probe::wire::{Step, StepStatus};
use crate::shell::Command;

/// The rules of this file.
pub(super) const RULES: &[Rule] = &[Rule::Whole(unreachable), Rule::Whole(missing)];

/// What is known of an entry.
#[derive(Debug, Clone)]
pub struct Standing<'a> {
    /// The entry.
    pub entry: &'a Entry,
    /// How it stands; unknown where a dial from inside the cluster shows nothing.
    pub status: StepStatus,
    /// Where it breaks.
    pub layer: Option<Layer>,
    /// What was proven, or what is wrong, or why nothing is known.
    pub reason: String,
    /// What was walked, with the probe that did.
    pub steps: Vec<(&'a Step, &'a ProbeOutcome)>,
}

/// The layers of a way in, from outside to the tier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, strum::Display)]
#[strum(serialize_all = "lowercase")]
pub enum Layer {
    /// The balancer's address or name.
    #[strum(to_string = "load balancer")]
    LoadBalancer,
    /// A node's port.
    #[strum(to_string = "node port")]
    NodePort,
    /// The controller of an Ingress.
    Controller,
    /// The Service or the Pods behind it.
    Backend,
}

/// How every entry stands, in the order of the graph.
pub fn standings<'a>(context: &Context<'a>) -> Vec<Standing<'a>> {
    context
        .graph
        .entries
        .iter()
        .map(|entry| standing(context, entry))
        .collect()
}

fn standing<'a>(context: &Context<'a>, entry: &'a Entry) -> Standing<'a> {
    let standing = |status, layer, reason: String| Standing {
        entry,
        status,
        layer,
        reason,
        steps: Vec::new(),
    };
    let skipped = |reason: &str| standing(StepStatus::Skipped, None, reason.to_owned());
    let unknown = |reason: &str| standing(StepStatus::Unknown, None, reason.to_owned());
    if context.snapshot.offline {
        return skipped("only a cluster can show it");
    }
    if let Some(endpoints) = endpoints(context, entry)
        && !endpoints.iter().any(|endpoint| endpoint.ready)
    {
        if is_at_rest(context, entry) {
            return skipped("the tier is scaled to zero");
        }
        if is_unsettled(context, entry) {
            return unknown("the tier had not settled when waiting ended");
        }
        let reason = format!(
            "service/{} has no ready endpoint for port {}",
            entry.service.name, entry.port
        );
        return standing(StepStatus::Fail, Some(Layer::Backend), reason);
    }
    if entry.transport != "TCP" {
        return skipped("UDP: a packet that is not answered proves nothing");
    }
    if entry.addresses.is_empty() {
        return unknown(match entry.kind {
            EntryKind::NodePort => {
                "no address of a node is known: nodes could not be read, or none is ready"
            }
            EntryKind::LoadBalancer => "the Service has no outside address yet",
            EntryKind::Ingress => "no controller has written an address into the Ingress' status",
            EntryKind::Url => "the user's file names no address",
        });
    }
    match &entry.question {
        Some(question) => walked::judge_by(context, entry, &|dialled| {
            asked::judge(context, entry, question, dialled)
        }),
        None => walked::judge(context, entry),
    }
}

/// The endpoints behind an entry; `None` where they could not be read.
fn endpoints(context: &Context<'_>, entry: &Entry) -> Option<Vec<EndpointView>> {
    let snapshot = context.snapshot;
    let namespace = &entry.service.namespace;
    if !snapshot.knows_in("endpointslices", namespace) {
        return None;
    }
    let service = snapshot.service(&entry.service)?;
    let is_same = |transport: &str| transport.eq_ignore_ascii_case(&entry.transport);
    let port = service.spec.ports.iter().find(|port| {
        port.port == i32::from(entry.port)
            && (is_same(&port.protocol) || port.protocol.is_empty() && is_same("TCP"))
    })?;
    Some(snapshot.endpoints(&entry.service, port))
}

/// Where traffic from outside has to arrive: the nodes of ready endpoints.
fn nodes_with_endpoints(context: &Context<'_>, entry: &Entry) -> BTreeSet<String> {
    endpoints(context, entry)
        .unwrap_or_default()
        .into_iter()
        .filter(|endpoint| endpoint.ready)
        .filter_map(|endpoint| endpoint.node)
        .collect()
}

/// Whether no one wants Pods of the tier.
fn is_at_rest(context: &Context<'_>, entry: &Entry) -> bool {
    let mut wanted = context
        .subjects
        .iter()
        .filter(|subject| subject.runs(&entry.to))
        .map(super::subject::WorkloadFacts::wanted)
        .peekable();
    wanted.peek().is_some() && wanted.all(|wanted| wanted == Some(0))
}

fn is_unsettled(context: &Context<'_>, entry: &Entry) -> bool {
    let settle = &context.snapshot.settle;
    context
        .graph
        .workloads(&entry.to)
        .iter()
        .any(|workload| settle.unsettled.contains_key(workload))
}

/// Whether a compose tier stands behind it, or any where there is no compose file.
fn severity(context: &Context<'_>, entry: &Entry) -> Severity {
    let tier = context.graph.tiers.get(&entry.to);
    Severity::error_if(tier.is_some_and(|tier| context.graph.counts(tier)))
}

/// Entries that surely do not lead to their tier, a finding for each object.
fn unreachable(context: &Context<'_>) -> Vec<Finding> {
    let mut broken: BTreeMap<ObjectRef, Vec<Standing<'_>>> = BTreeMap::new();
    for standing in standings(context) {
        if standing.status == StepStatus::Fail {
            broken
                .entry(standing.entry.object.clone())
                .or_default()
                .push(standing);
        }
    }
    broken
        .into_iter()
        .map(|(object, standings)| {
            let first = &standings[0];
            let layer = first.layer.unwrap_or(Layer::Backend);
            let causes = match layer {
                Layer::Backend => behind(context, first.entry),
                _ => Vec::new(),
            };
            let message = format!(
                "{} does not lead to {} from outside, it breaks at the {layer}: {}",
                first.entry.id, first.entry.to, first.reason
            );
            let severity = severity(context, first.entry);
            Finding::new(Code::EntryUnreachable, severity, object, message)
                .because(
                    standings
                        .iter()
                        .map(|one| format!("{}: {}", one.entry.id, one.reason)),
                )
                .caused_by(causes)
                .fix(remedy(layer, first.entry))
        })
        .collect()
}

/// What a Service without a working backend follows from, best first.
fn behind(context: &Context<'_>, entry: &Entry) -> Vec<(Code, ObjectRef)> {
    let of_service = [
        Code::ServiceSelectorMismatch,
        Code::ServiceSelectorTooBroad,
        Code::ServiceTargetPortUnknown,
        Code::ServiceTargetPortClosed,
        Code::ServiceNoEndpoints,
        Code::ServiceEndpointsStale,
        Code::ServiceEndpointsNotReady,
    ];
    let object = entry.service.object();
    let mut found: Vec<_> = of_service
        .into_iter()
        .map(|code| (code, object.clone()))
        .collect();
    for subject in &context.subjects {
        if subject.runs(&entry.to) {
            found.extend(causes(subject));
        }
    }
    found
}

fn remedy(layer: Layer, entry: &Entry) -> String {
    let service = &entry.service.name;
    match layer {
        Layer::Backend => format!(
            "make the Pods of {} ready, and let selector and targetPort of service/{service} lead to them",
            entry.to
        ),
        Layer::NodePort => "check kube-proxy (or what stands in for it) on the nodes that are named: it opens the node port there; --nodeport-addresses may leave the address out".to_owned(),
        Layer::LoadBalancer => format!(
            "see what the balancer's controller says of service/{service} ({}), and that its name resolves",
            Command::kubectl(&entry.service.namespace, &["describe", &format!("service/{service}")])
        ),
        Layer::Controller => format!(
            "see what the Ingress controller says of {} (its log), that its class is the controller's, and that host and path are those that users ask for",
            entry.object
        ),
    }
}

/// Tiers that compose publishes, and that nothing leads to: good to know, no fault.
fn missing(context: &Context<'_>) -> Vec<Finding> {
    context.graph.unreached.iter().map(not_published).collect()
}

fn not_published(unreached: &Unreached) -> Finding {
    let Unreached { tier, ports } = unreached;
    Finding::of(
        Code::EntryMissing,
        ObjectRef::new("tier", tier, ""),
        format!(
            "compose publishes {} of {tier}, and no NodePort, LoadBalancer, Ingress or host port leads to it (Gateways and Routes were not looked at)",
            ports.join(", ")
        ),
    )
    .fix(format!(
        "if {tier} is meant for users outside, give its Service an Ingress, or type NodePort or LoadBalancer"
    ))
}

#[cfg(test)]
mod tests;
