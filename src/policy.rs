//! NetworkPolicy semantics: may this Pod reach that one? [`crate::observe::Snapshot`] in, [`Decision`] out, with the missing rule in
//! words and as a manifest. Pure; used by `plan` and `diagnose`.
//!
//! Policies of one direction add up; a Pod that none of them selects is open in that direction; a connection needs the
//! egress of its source *and* the ingress of its target. What could not be read makes a decision unknown, never allowed.

mod both;
mod dns;
mod fix;
mod matching;
mod peer;
mod route;
mod selectors;

use std::num::NonZeroU16;

pub use both::{EdgeDecision, Path, both_ways, paths};
pub use dns::{DnsDecision, dns};
pub use fix::fix;
pub use peer::{NamedPort, Peer, PeerKind, identifying, is_revision_label};
pub use route::{Route, RouteEndpoint, route};
pub use selectors::Selectors;

use crate::finding::ObjectRef;
use crate::observe::kinds::{LabelSelector, NetworkPolicy, PolicyRule, selector_matches};
use crate::observe::{Observed, Snapshot};
use matching::{Dial, Match};

/// The direction in which a policy isolates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// Out of the source.
    Egress,
    /// Into the target.
    Ingress,
}

/// What the NetworkPolicies say of one connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Nothing isolates, or a rule admits it.
    Allowed,
    /// Something isolates, and no rule admits it.
    Denied(Vec<Denial>),
    /// It hangs on something that could not be read; in words.
    Unknown(String),
}

/// One end whose policies admit no such connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    /// Which end.
    pub direction: Direction,
    /// The policies that isolate that end; first the one that comes nearest to admitting the connection.
    pub policies: Vec<ObjectRef>,
    /// Why the nearest one does not admit it: "networkpolicy/db admits TCP 3306 from Pods with app=batch only".
    pub reason: String,
    /// The rule that is missing, in words.
    pub missing: String,
}

impl Decision {
    /// Whether it is denied.
    pub fn is_denied(&self) -> bool {
        matches!(self, Self::Denied(_))
    }

    /// Both must allow; a denial outweighs what is unknown.
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Denied(mut left), Self::Denied(right)) => {
                left.extend(right);
                Self::Denied(left)
            }
            (Self::Denied(denials), _) | (_, Self::Denied(denials)) => Self::Denied(denials),
            (Self::Unknown(reason), _) | (_, Self::Unknown(reason)) => Self::Unknown(reason),
            (Self::Allowed, Self::Allowed) => Self::Allowed,
        }
    }
}

/// Whether the NetworkPolicies admit a connection from `source` to `port` of `target`, as both ends see it after the Service's
/// translation: the Pod's own address and port. `transport` is `TCP`, `UDP` or `SCTP`.
pub fn evaluate(
    snapshot: &Snapshot,
    source: &Peer,
    target: &Peer,
    port: NonZeroU16,
    transport: &str,
) -> Decision {
    let dial = Dial::direct(port, transport);
    connection(snapshot, source, target, target, &dial)
}

/// As [`evaluate`], where the source's policies see `seen` (a Service's address, say) instead of `target`.
fn connection(
    snapshot: &Snapshot,
    source: &Peer,
    target: &Peer,
    seen: &Peer,
    dial: &Dial<'_>,
) -> Decision {
    // A Pod cannot be kept from itself.
    if source.is_same_pod(target) {
        return Decision::Allowed;
    }
    let ingress = End {
        direction: Direction::Ingress,
        subject: target,
        other: source,
        target,
    };
    let arrived = Dial::direct(dial.target_port, dial.transport);
    egress(snapshot, source, seen, dial).and(ingress.decide(snapshot, &arrived))
}

/// What the source's own policies say.
fn egress(snapshot: &Snapshot, source: &Peer, seen: &Peer, dial: &Dial<'_>) -> Decision {
    if source.is_same_pod(seen) {
        return Decision::Allowed;
    }
    let end = End {
        direction: Direction::Egress,
        subject: source,
        other: seen,
        target: seen,
    };
    end.decide(snapshot, dial)
}

/// Whether the NetworkPolicies of a namespace were read.
pub fn policies_read(snapshot: &Snapshot, namespace: &str) -> bool {
    if snapshot.offline {
        return true;
    }
    let resource = if namespace == snapshot.namespace {
        "networkpolicies".to_owned()
    } else {
        format!("networkpolicies@{namespace}")
    };
    match snapshot.observed.get(&resource) {
        Some(Observed::Ok) => true,
        // A cluster that serves no NetworkPolicies has none.
        Some(Observed::Absent) => namespace == snapshot.namespace,
        Some(Observed::Forbidden) | None => false,
    }
}

/// The policies of a Pod's namespace that select it, in any direction. A host-network Pod is selected by none.
pub fn selecting<'a>(snapshot: &'a Snapshot, subject: &Peer) -> Vec<&'a NetworkPolicy> {
    if subject.kind != PeerKind::Pod || subject.host_network {
        return Vec::new();
    }
    let mut policies: Vec<&NetworkPolicy> = snapshot
        .namespaces
        .get(&subject.namespace)
        .into_iter()
        .flat_map(|state| &state.network_policies)
        .filter(|policy| selector_matches(&policy.spec.pod_selector, &subject.labels))
        .collect();
    policies.sort_by(|left, right| left.metadata.name.cmp(&right.metadata.name));
    policies
}

/// Whether a policy isolates in that direction: absent `policyTypes` mean Ingress, and Egress if there are egress rules.
pub fn isolates(policy: &NetworkPolicy, direction: Direction) -> bool {
    let types = &policy.spec.policy_types;
    match direction {
        _ if !types.is_empty() => {
            let wanted = match direction {
                Direction::Ingress => "Ingress",
                Direction::Egress => "Egress",
            };
            types.iter().any(|kind| kind == wanted)
        }
        Direction::Ingress => true,
        Direction::Egress => !policy.spec.egress.is_empty(),
    }
}

/// One end of a connection, whose policies are asked.
struct End<'a> {
    direction: Direction,
    /// The Pod whose policies are asked.
    subject: &'a Peer,
    /// The far end, which rules must admit.
    other: &'a Peer,
    /// The end that listens: named ports are those of its containers.
    target: &'a Peer,
}

impl End<'_> {
    fn decide(&self, snapshot: &Snapshot, dial: &Dial<'_>) -> Decision {
        // A host-network Pod is its node: policies do not select it. Outside addresses have no policies.
        if self.subject.kind == PeerKind::Outside || self.subject.host_network {
            return Decision::Allowed;
        }
        // Traffic between a Pod and the node that it runs on always passes.
        if self.other.host_network
            && !self.other.node.is_empty()
            && self.other.node == self.subject.node
        {
            return Decision::Allowed;
        }
        let namespace = &self.subject.namespace;
        if !policies_read(snapshot, namespace) {
            return Decision::Unknown(format!(
                "the NetworkPolicies of namespace {namespace} could not be read"
            ));
        }
        if self.subject.kind == PeerKind::Unseen {
            return self.decide_unseen(snapshot);
        }
        let isolating: Vec<&NetworkPolicy> = selecting(snapshot, self.subject)
            .into_iter()
            .filter(|policy| isolates(policy, self.direction))
            .collect();
        if isolating.is_empty() {
            return Decision::Allowed;
        }
        let mut unknown = None;
        for policy in &isolating {
            for rule in self.rules(policy) {
                match self.rule(snapshot, rule, dial) {
                    Match::Yes => return Decision::Allowed,
                    Match::Maybe(reason) => {
                        unknown.get_or_insert_with(|| {
                            format!("networkpolicy/{}: {reason}", policy.metadata.name)
                        });
                    }
                    Match::No => {}
                }
            }
        }
        match unknown {
            Some(reason) => Decision::Unknown(reason),
            None => Decision::Denied(vec![self.denial(snapshot, isolating, dial)]),
        }
    }

    /// The subject's labels are not known: it is open only if nothing in its namespace isolates anyone in this direction.
    fn decide_unseen(&self, snapshot: &Snapshot) -> Decision {
        let any = snapshot
            .namespaces
            .get(&self.subject.namespace)
            .is_some_and(|state| {
                state
                    .network_policies
                    .iter()
                    .any(|policy| isolates(policy, self.direction))
            });
        if any {
            Decision::Unknown(format!(
                "the labels of the Pod behind {} could not be read",
                self.subject.words()
            ))
        } else {
            Decision::Allowed
        }
    }

    fn rules<'p>(&self, policy: &'p NetworkPolicy) -> &'p [PolicyRule] {
        match self.direction {
            Direction::Ingress => &policy.spec.ingress,
            Direction::Egress => &policy.spec.egress,
        }
    }

    fn rule(&self, snapshot: &Snapshot, rule: &PolicyRule, dial: &Dial<'_>) -> Match {
        self.rule_peers(snapshot, rule)
            .and(matching::ports(&rule.ports, self.target, dial))
    }

    fn rule_peers(&self, snapshot: &Snapshot, rule: &PolicyRule) -> Match {
        let peers = match self.direction {
            Direction::Ingress => &rule.from,
            Direction::Egress => &rule.to,
        };
        if peers.is_empty() {
            return Match::Yes;
        }
        peers
            .iter()
            .map(|peer| matching::peer(snapshot, peer, self.subject, self.other))
            .fold(Match::No, Match::or)
    }

    fn denial(
        &self,
        snapshot: &Snapshot,
        mut isolating: Vec<&NetworkPolicy>,
        dial: &Dial<'_>,
    ) -> Denial {
        // What names this Pod comes before what isolates everybody; what nearly admits the connection before both.
        isolating.sort_by_key(|policy| {
            (
                self.distance(snapshot, policy, dial),
                policy.spec.pod_selector == LabelSelector::default(),
            )
        });
        let reason = isolating
            .first()
            .map(|policy| self.reason(snapshot, policy, dial))
            .unwrap_or_default();
        Denial {
            direction: self.direction,
            policies: isolating
                .into_iter()
                .map(|policy| {
                    ObjectRef::new(
                        "networkpolicy",
                        &policy.metadata.name,
                        &self.subject.namespace,
                    )
                })
                .collect(),
            reason,
            missing: self.missing(dial),
        }
    }

    /// How far a policy is from admitting the connection: 0 the peer is right, 1 the port is right, 2 neither.
    fn distance(&self, snapshot: &Snapshot, policy: &NetworkPolicy, dial: &Dial<'_>) -> u8 {
        self.rules(policy)
            .iter()
            .map(|rule| {
                if self.rule_peers(snapshot, rule) == Match::Yes {
                    0
                } else if !rule.ports.is_empty()
                    && matching::ports(&rule.ports, self.target, dial) == Match::Yes
                {
                    1
                } else {
                    2
                }
            })
            .min()
            .unwrap_or(2)
    }

    fn reason(&self, snapshot: &Snapshot, policy: &NetworkPolicy, dial: &Dial<'_>) -> String {
        let name = format!("networkpolicy/{}", policy.metadata.name);
        let rules = self.rules(policy);
        let (verb, preposition) = match self.direction {
            Direction::Ingress => ("admits", "from"),
            Direction::Egress => ("lets it reach", "at"),
        };
        if rules.is_empty() {
            return match self.direction {
                Direction::Ingress if !policy.spec.egress.is_empty() => format!(
                    "{name} has rules for egress alone, and its policyTypes hold Ingress too, as they do by default: it admits no one"
                ),
                Direction::Ingress => format!("{name} admits no one"),
                Direction::Egress => format!("{name} lets it reach no one"),
            };
        }
        let right_peer: Vec<String> = rules
            .iter()
            .filter(|rule| self.rule_peers(snapshot, rule) == Match::Yes)
            .map(|rule| matching::describe_ports(&rule.ports, self.target))
            .collect();
        if !right_peer.is_empty() {
            return format!(
                "{name} {verb} {} on {} only, not on {}",
                self.other.words(),
                right_peer.join(", "),
                dial.words()
            );
        }
        let peers: Vec<String> = rules
            .iter()
            .map(|rule| match self.direction {
                Direction::Ingress => matching::describe_peers(&rule.from),
                Direction::Egress => matching::describe_peers(&rule.to),
            })
            .collect();
        match self.direction {
            Direction::Ingress => format!(
                "{name} {verb} connections {preposition} {} only",
                peers.join(", ")
            ),
            Direction::Egress => format!("{name} {verb} {} only", peers.join(", ")),
        }
    }

    fn missing(&self, dial: &Dial<'_>) -> String {
        match self.direction {
            Direction::Ingress => format!(
                "an ingress rule that admits {} to {} on {}",
                self.other.words(),
                self.subject.words(),
                dial.words()
            ),
            Direction::Egress => format!(
                "an egress rule that lets {} reach {} on {}",
                self.subject.words(),
                self.other.words(),
                dial.words()
            ),
        }
    }
}

#[cfg(test)]
mod tests;
