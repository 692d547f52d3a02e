//! Section 4: NetworkPolicies that deny an edge, and edges that should not work. The rules of the policies explain, the probe
//! decides: a denial counts only where the probe failed at a step that a policy can break. Pure.

use std::cell::LazyCell;
use std::net::IpAddr;

use super::dns::is_unanswered;
use super::target::{self, line};
use super::walk::{EdgeEvidence, Stage, Walk};
use super::{Context, Rule};
use crate::finding::{Code, Finding, ObjectRef, Severity};
use crate::graph::Edge;
use crate::policy::{self, Decision, Denial, Direction, Path, Peer, PeerKind};
use crate::probe::wire::{Step, StepError, StepName, StepStatus};
use crate::protocol::Protocol;

/// The rules of this file.
pub(super) const RULES: &[Rule] = &[
    Rule::EdgeMany(denied),
    Rule::EdgeMany(dns_denied),
    Rule::EdgeMany(server_asks_in_vain),
    Rule::Whole(not_enforced),
    Rule::Whole(forbidden_open),
];

/// Every way of an edge from its client's Pods to its target's, as the policies judge it.
pub(super) fn paths(context: &Context<'_>, edge: &Edge) -> Vec<Path> {
    let snapshot = context.snapshot;
    let transport = edge.protocol.transport();
    target::clients(context, edge)
        .iter()
        .flat_map(|client| {
            let route = policy::route(
                snapshot,
                &client.namespace,
                &edge.host,
                edge.port,
                transport,
            );
            policy::paths(snapshot, client, &route, edge.port, transport)
        })
        .collect()
}

/// Whether a policy could be why this edge fails: one denies it, or what there is could not be read.
pub(super) fn may_deny(context: &Context<'_>, edge: &Edge) -> bool {
    let unread_kind = context
        .snapshot
        .other_policies
        .iter()
        .any(|policy| policy.objects.is_none());
    unread_kind
        || paths(context, edge).iter().any(|path| {
            let mut ways = path.decision.ways();
            ways.any(|decision| *decision != Decision::Allowed)
        })
}

/// A policy that admits no such connection, where the probe could not connect either.
fn denied(context: &Context<'_>, evidence: &EdgeEvidence<'_>) -> Vec<Finding> {
    let edge = evidence.edge;
    let mut found = Vec::new();
    let enforced = LazyCell::new(|| not_enforced(context).is_empty());
    for mut path in paths(context, edge) {
        if context.outcomes.is_some() {
            judge_by_node(context, edge, &mut path);
        }
        // No one answers a datagram for certain: there the rules are all there is, too, unless others are seen to pass in spite of them.
        let by_datagram = edge.protocol == Protocol::Udp && path.decision.is_denied() && *enforced;
        let confirmation = match context.outcomes {
            Some(_) if by_datagram => Vec::new(),
            // Offline the rules are all there is, so both ways of reading them must agree.
            None if path.decision.is_denied() => Vec::new(),
            None => continue,
            Some(_) => match blocked(evidence, &path) {
                Some(lines) => lines,
                None => continue,
            },
        };
        let denials = path.decision.denials().iter();
        found.extend(denials.map(|one| denial_finding(context, edge, &path, one, &confirmation)));
    }
    found
}

/// A client in its node's network comes with the node's address. Whether a selector takes it all the same is left to the network plugin;
/// where the probe could not connect, it does not.
fn judge_by_node(context: &Context<'_>, edge: &Edge, path: &mut Path) {
    if path.source.host_network && matches!(path.decision.pod, Decision::Unknown(_)) {
        let node = Peer {
            kind: PeerKind::Outside,
            ..path.source.clone()
        };
        let transport = edge.protocol.transport();
        path.decision.pod =
            policy::evaluate(context.snapshot, &node, &path.target, path.port, transport);
        path.decision.service = None;
    }
}

/// What the probes say of a path that the policies deny: `None` if it was not seen to be blocked.
fn blocked(evidence: &EdgeEvidence<'_>, path: &Path) -> Option<Vec<String>> {
    if !path.decision.is_denied_somehow() {
        return None;
    }
    let mut lines = Vec::new();
    for walk in evidence.failed() {
        match at_target(walk, &path.target) {
            // The endpoint itself says whether the way to this Pod is open.
            Some(step) if is_blocked(step) => lines.push(line(&walk.place(), step)),
            // Both readings of the rules deny it and it is open: they do not explain the failure.
            Some(_) if path.decision.is_denied() => {}
            _ => {
                if let Some(step) = blocked_connect(walk) {
                    lines.push(line(&walk.place(), step));
                }
            }
        }
    }
    (!lines.is_empty()).then_some(lines)
}

/// The step that connects to the target itself.
fn at_target<'a>(walk: &Walk<'a>, peer: &Peer) -> Option<&'a Step> {
    walk.endpoints
        .iter()
        .filter(|(endpoint, _)| {
            target::address(endpoint).is_some_and(|(address, _)| peer.addresses.contains(&address))
        })
        .flat_map(|(_, endpoint)| endpoint.steps.iter().copied())
        .filter(|step| step.status != StepStatus::Skipped)
        .find(|step| step.name == StepName::Endpoint || is_blocked(step))
}

fn blocked_connect<'a>(walk: &Walk<'a>) -> Option<&'a Step> {
    walk.broken
        .filter(|step| step.name != StepName::Dns && step.endpoint.is_none() && is_blocked(step))
}

fn is_blocked(step: &Step) -> bool {
    step.status == StepStatus::Fail && step.error.is_some_and(StepError::is_network)
}

fn denial_finding(
    context: &Context<'_>,
    edge: &Edge,
    path: &Path,
    denial: &Denial,
    confirmation: &[String],
) -> Finding {
    let object = policy_object(context, denial, path, edge);
    let (code, end, way, what) = match denial.direction {
        Direction::Egress => (
            Code::NetworkPolicyEgressDenied,
            &edge.from,
            "lets it reach no",
            path.target.words(),
        ),
        Direction::Ingress => (
            Code::NetworkPolicyIngressDenied,
            &edge.to,
            "lets in no",
            path.source.words(),
        ),
    };
    let undecided = path.decision.agreed().is_none().then(|| format!(
            "whether it sees {}:{} or the address of a Pod and port {} depends on the network plugin: the probe decided",
            edge.host, edge.port, path.port
        ));
    Finding::new(
        code,
        Severity::Error,
        object.clone(),
        format!(
            "{object} isolates {end} and {way} {what} on port {}: {} → {} is denied",
            path.port, edge.from, edge.to
        ),
    )
    .because([denial.reason.clone()])
    .because(undecided)
    .because(confirmation)
    .on([&edge.id])
    .overruling((edge.protocol == Protocol::Udp).then_some(&edge.id))
    .fix(policy::fix(
        denial,
        &path.source,
        &path.target,
        path.port,
        &[edge.protocol.transport()],
    ))
}

/// The policy that comes nearest to admitting the connection: of several, the one that converters made of a compose network which both tiers share.
fn policy_object(context: &Context<'_>, denial: &Denial, path: &Path, edge: &Edge) -> ObjectRef {
    let networks = |tier: &str| {
        context
            .graph
            .tiers
            .get(tier)
            .map_or(&[][..], |tier| tier.networks.as_slice())
    };
    let shared = |policy: &&ObjectRef| {
        networks(&edge.from).iter().any(|network| {
            networks(&edge.to).contains(network)
                && (policy.name == *network || policy.name.ends_with(&format!("-{network}")))
        })
    };
    let nearest = denial
        .policies
        .iter()
        .find(shared)
        .or(denial.policies.first());
    nearest.cloned().unwrap_or_else(|| {
        let (peer, name) = match denial.direction {
            Direction::Egress => (&path.source, &edge.from),
            Direction::Ingress => (&path.target, &edge.to),
        };
        ObjectRef::new("networkpolicy", name.clone(), peer.namespace.clone())
    })
}

/// A client whose policies let it reach no cluster DNS, and whose questions stay without an answer.
fn dns_denied(context: &Context<'_>, evidence: &EdgeEvidence<'_>) -> Vec<Finding> {
    let edge = evidence.edge;
    let may_be = match context.outcomes {
        Some(_) => evidence.breaks_at(Stage::Dns),
        None => edge.host.parse::<IpAddr>().is_err(),
    };
    let mut lines = Vec::new();
    let mut nameservers: Vec<IpAddr> = Vec::new();
    for walk in evidence.failed() {
        if let Some(step) = walk.dns.filter(|step| is_unanswered(step)) {
            lines.push(line(&walk.place(), step));
            nameservers.extend(addresses(&walk.probe.nameservers));
        }
    }
    if !may_be || context.outcomes.is_some() && lines.is_empty() {
        return Vec::new();
    }
    let consequence = format!("no name resolves for it, {} is one of them", edge.host);
    let sources = target::clients(context, edge)
        .iter()
        .flat_map(|key| Peer::all_of(context.snapshot, key));
    let found = sources.filter_map(|source| {
        let who = (edge.from.as_str(), &source);
        dns_finding(context, edge, who, &nameservers, &consequence)
    });
    found.map(|finding| finding.because(&lines)).collect()
}

/// The name servers of a resolv.conf; what is no address there is asked by no one.
fn addresses(nameservers: &[String]) -> impl Iterator<Item = IpAddr> + '_ {
    nameservers.iter().filter_map(|text| text.parse().ok())
}

/// A server that asks for the name of each client before its first word, and whose policies let it reach no cluster DNS: it takes the
/// connection and is silent.
fn server_asks_in_vain(context: &Context<'_>, evidence: &EdgeEvidence<'_>) -> Vec<Finding> {
    let edge = evidence.edge;
    if !edge.protocol.resolves_its_clients() {
        return Vec::new();
    }
    let mut lines = Vec::new();
    let mut nameservers: Vec<IpAddr> = Vec::new();
    for walk in evidence.failed() {
        let silent = walk.counted();
        let silent = silent.filter(|step| step.error == Some(StepError::Silent));
        lines.extend(silent.map(|step| line(&walk.place(), step)));
        nameservers.extend(addresses(&walk.probe.nameservers));
    }
    if lines.is_empty() {
        return Vec::new();
    }
    let servers = context.graph.workloads(&edge.to);
    let servers = servers
        .iter()
        .flat_map(|key| Peer::all_of(context.snapshot, key));
    let consequence = format!(
        "it asks for the name of each client before its first word, so that {} waits without an answer",
        edge.from
    );
    let found = servers.filter_map(|server| {
        let who = (edge.to.as_str(), &server);
        dns_finding(context, edge, who, &nameservers, &consequence)
    });
    found
        .map(|finding| finding.overruling([&edge.id]).because(&lines))
        .collect()
}

/// The policy that keeps a peer, named first, from the cluster's DNS.
fn dns_finding(
    context: &Context<'_>,
    edge: &Edge,
    (who, source): (&str, &Peer),
    nameservers: &[IpAddr],
    consequence: &str,
) -> Option<Finding> {
    let judged = policy::dns(context.snapshot, source, nameservers);
    let denied = match context.outcomes {
        None => judged.decision.is_denied(),
        Some(_) => judged.decision.is_denied_somehow(),
    };
    if !denied {
        return None;
    }
    let denial = judged.decision.denials().first()?;
    let object = denial.policies.first()?.clone();
    let (name, namespace) = judged.service.map_or_else(
        || ("the cluster's DNS".to_owned(), "kube-system".to_owned()),
        |key| (format!("service/{}", key.name), key.namespace),
    );
    let server = Peer::unseen(&name, namespace, nameservers.first().copied());
    let port = std::num::NonZeroU16::new(53)?;
    let finding = Finding::of(
        Code::NetworkPolicyDnsDenied,
        object.clone(),
        format!(
            "{object} isolates {who} and does not let it ask {name} (UDP and TCP 53): {consequence}"
        ),
    )
    .on([&edge.id])
    .because([denial.reason.clone()])
    .fix(policy::fix(denial, source, &server, port, &["UDP", "TCP"]));
    Some(finding)
}

/// The rules deny, and the traffic passes all the same.
fn not_enforced(context: &Context<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    let all = context.evidence.values();
    for evidence in all.filter(|evidence| evidence.status() == StepStatus::Pass) {
        let edge = evidence.edge;
        if edge.protocol == Protocol::Udp {
            continue; // What was sent is no sign that it arrived.
        }
        for path in paths(context, edge) {
            if !path.decision.is_denied() || !was_reached(evidence, &path.target) {
                continue;
            }
            let Some(denial) = path.decision.denials().first() else {
                continue;
            };
            let object = policy_object(context, denial, &path, edge);
            let finding = Finding::of(
                Code::NetworkPolicyNotEnforced,
                object.clone(),
                format!(
                    "{object} denies {} → {} on port {}, and the connection works all the same: the network plugin does not enforce it, or exempts these Pods",
                    edge.from, edge.to, path.port
                ),
            )
            .because([denial.reason.clone()])
            .on([&edge.id])
            .fix(format!(
                "if {} must reach {}, admit it in {object}; if not, use a network plugin that enforces NetworkPolicies",
                edge.from, edge.to
            ));
            found.push(finding);
        }
    }
    found
}

/// Whether a connection to that very target stood, where endpoints were walked at all.
fn was_reached(evidence: &EdgeEvidence<'_>, peer: &Peer) -> bool {
    evidence.firm().any(|walk| {
        walk.endpoints.is_empty()
            || at_target(walk, peer).is_some_and(|step| step.status == StepStatus::Pass)
    })
}

/// What must not work, works: an edge that the user forbids, or (asked for with `--check-isolation`, and marked optional) tiers
/// that share no compose network.
fn forbidden_open(context: &Context<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    let all = context.evidence.values();
    for evidence in all.filter(|evidence| evidence.edge.forbidden) {
        let edge = evidence.edge;
        let open: Vec<String> = evidence
            .firm()
            .filter(|walk| walk.status == StepStatus::Pass)
            .map(|walk| format!("as {}: {}:{} answers", walk.place(), edge.host, edge.port))
            .collect();
        if open.is_empty() {
            continue;
        }
        let (code, severity, why) = if edge.optional {
            (
                Code::IsolationBroken,
                Severity::Warning,
                "they share no network in compose",
            )
        } else {
            (
                Code::ForbiddenEdgeOpen,
                Severity::Error,
                "the user's file forbids it",
            )
        };
        let finding = Finding::new(
            code,
            severity,
            ObjectRef::new("tier", format!("{}->{}", edge.from, edge.to), ""),
            format!(
                "{} reaches {} at {}:{}, although {why}",
                edge.from, edge.to, edge.host, edge.port
            ),
        )
        .because(open)
        .on([&edge.id])
        .fix(format!(
            "isolate {} by a NetworkPolicy that admits only the tiers that need it",
            edge.to
        ));
        found.push(finding);
    }
    found
}

#[cfg(test)]
mod tests;
