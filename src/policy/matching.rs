//! Whether a peer or a port of a rule takes one end of a connection: yes, no, or it hangs on what could not be read. Pure.

use std::net::IpAddr;
use std::num::NonZeroU16;

use ipnet::IpNet;

use super::peer::{Peer, PeerKind};
use crate::observe::Snapshot;
use crate::observe::kinds;
use crate::observe::kinds::{
    IpBlock, LabelSelector, Labels, PolicyPeer, PolicyPort, selector_matches,
};

/// The label that the API puts on every namespace.
const NAMESPACE_NAME: &str = "kubernetes.io/metadata.name";

/// Three-valued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Match {
    Yes,
    No,
    /// It hangs on this.
    Maybe(String),
}

impl Match {
    pub(super) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::No, _) | (_, Self::No) => Self::No,
            (Self::Maybe(reason), _) | (_, Self::Maybe(reason)) => Self::Maybe(reason),
            (Self::Yes, Self::Yes) => Self::Yes,
        }
    }

    pub(super) fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Yes, _) | (_, Self::Yes) => Self::Yes,
            (Self::Maybe(reason), _) | (_, Self::Maybe(reason)) => Self::Maybe(reason),
            (Self::No, Self::No) => Self::No,
        }
    }
}

impl From<bool> for Match {
    fn from(value: bool) -> Self {
        if value { Self::Yes } else { Self::No }
    }
}

/// What is dialled.
#[derive(Debug, Clone, Copy)]
pub(super) struct Dial<'a> {
    /// The port that the policies in question see.
    pub(super) port: NonZeroU16,
    /// The port that the target's container listens on: what a port's name stands for.
    pub(super) target_port: NonZeroU16,
    /// `TCP`, `UDP`, `SCTP`.
    pub(super) transport: &'a str,
}

impl<'a> Dial<'a> {
    pub(super) fn direct(port: NonZeroU16, transport: &'a str) -> Self {
        Self {
            port,
            target_port: port,
            transport,
        }
    }

    pub(super) fn words(&self) -> String {
        format!("{} {}", self.transport, self.port)
    }
}

/// Whether a rule's ports take what is dialled; none listed take everything.
pub(super) fn ports(ports: &[PolicyPort], target: &Peer, dial: &Dial<'_>) -> Match {
    if ports.is_empty() {
        return Match::Yes;
    }
    ports
        .iter()
        .map(|port| one_port(port, target, dial))
        .fold(Match::No, Match::or)
}

fn one_port(port: &PolicyPort, target: &Peer, dial: &Dial<'_>) -> Match {
    if kinds::transport(&port.protocol) != dial.transport {
        return Match::No;
    }
    match &port.port {
        None => Match::Yes,
        Some(value) => match (value.as_u64(), value.as_str()) {
            (Some(first), _) => {
                let last = port
                    .end_port
                    .and_then(|end| u64::try_from(end).ok())
                    .unwrap_or(first);
                Match::from((first..=last).contains(&u64::from(dial.port.get())))
            }
            (None, Some(name)) => named_port(name, target, dial),
            (None, None) => Match::No,
        },
    }
}

fn named_port(name: &str, target: &Peer, dial: &Dial<'_>) -> Match {
    match target.kind {
        PeerKind::Pod => Match::from(target.named_ports.iter().any(|named| {
            named.name == name
                && named.transport == dial.transport
                && named.port == dial.target_port
        })),
        PeerKind::Unseen => Match::Maybe(format!(
            "which port `{name}` is could not be read from the target's Pods"
        )),
        PeerKind::Outside => Match::No,
    }
}

/// Whether a peer of a rule in a policy that selects `subject` takes `other`.
pub(super) fn peer(snapshot: &Snapshot, peer: &PolicyPeer, subject: &Peer, other: &Peer) -> Match {
    let policy_namespace = &subject.namespace;
    if let Some(block) = &peer.ip_block {
        return ip_block(block, subject, other);
    }
    if peer.pod_selector.is_none() && peer.namespace_selector.is_none() {
        return Match::No;
    }
    if other.kind == PeerKind::Outside {
        return Match::No;
    }
    let namespace = match &peer.namespace_selector {
        None => Match::from(other.namespace == *policy_namespace),
        Some(selector) => namespace(snapshot, selector, &other.namespace),
    };
    let pods = match &peer.pod_selector {
        None => Match::Yes,
        Some(selector) if *selector == LabelSelector::default() => Match::Yes,
        Some(_) if other.kind == PeerKind::Unseen => {
            Match::Maybe(format!("the labels of {} could not be read", other.words()))
        }
        Some(selector) => Match::from(selector_matches(selector, &other.labels)),
    };
    let matched = namespace.and(pods);
    if other.host_network && matched == Match::Yes {
        return Match::Maybe(
            "whether a selector takes a Pod in its node's network is left to the network plugin"
                .to_owned(),
        );
    }
    matched
}

/// A namespace's labels are known from its object; its name's label always.
fn namespace(snapshot: &Snapshot, selector: &LabelSelector, name: &str) -> Match {
    if *selector == LabelSelector::default() {
        return Match::Yes;
    }
    if name.is_empty() {
        return Match::Maybe("the peer's namespace is not known".to_owned());
    }
    let object = snapshot
        .namespaces
        .get(name)
        .and_then(|state| state.object.as_ref());
    let mut labels: Labels =
        object.map_or_else(Labels::new, |object| object.metadata.labels.clone());
    labels
        .entry(NAMESPACE_NAME.to_owned())
        .or_insert_with(|| name.to_owned());
    if object.is_some() {
        return Match::from(selector_matches(selector, &labels));
    }
    let (named, other) = split(selector);
    if !selector_matches(&named, &labels) {
        return Match::No;
    }
    if other == LabelSelector::default() {
        return Match::Yes;
    }
    Match::Maybe(format!("the labels of namespace {name} could not be read"))
}

/// The part of a selector that speaks of the namespace's name, and the rest.
fn split(selector: &LabelSelector) -> (LabelSelector, LabelSelector) {
    let mut named = LabelSelector::default();
    let mut other = LabelSelector::default();
    for (key, value) in &selector.match_labels {
        let part = if key == NAMESPACE_NAME {
            &mut named
        } else {
            &mut other
        };
        part.match_labels.insert(key.clone(), value.clone());
    }
    for expression in &selector.match_expressions {
        let part = if expression.key == NAMESPACE_NAME {
            &mut named
        } else {
            &mut other
        };
        part.match_expressions.push(expression.clone());
    }
    (named, other)
}

fn ip_block(block: &IpBlock, subject: &Peer, other: &Peer) -> Match {
    let Some(range) = network(&block.cidr) else {
        return Match::No;
    };
    let contained = |address: &IpAddr| {
        range.contains(address)
            && !block
                .except
                .iter()
                .filter_map(|text| network(text))
                .any(|except| except.contains(address))
    };
    if other.addresses.is_empty() {
        if range.prefix_len() == 0 && block.except.is_empty() {
            return Match::Yes;
        }
        return Match::Maybe(format!(
            "whether {} holds the address of {} is not known before it has one",
            block.cidr,
            other.words()
        ));
    }
    // A connection is of one family: that of the addresses that both ends have.
    let common = |address: &&IpAddr| {
        subject.addresses.is_empty()
            || subject
                .addresses
                .iter()
                .any(|own| own.is_ipv4() == address.is_ipv4())
    };
    Match::from(other.addresses.iter().filter(common).any(contained))
}

/// A CIDR; a bare address is one of a single host. `None` for what is neither: the API refuses it.
fn network(text: &str) -> Option<IpNet> {
    text.parse()
        .ok()
        .or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

/// A rule's ports in words, for a connection to that target: a name that none of its containers gives to a port admits nothing.
pub(super) fn describe_ports(ports: &[PolicyPort], target: &Peer) -> String {
    if ports.is_empty() {
        return "every port".to_owned();
    }
    let ports: Vec<String> = ports
        .iter()
        .map(|port| {
            let transport = kinds::transport(&port.protocol);
            let first = port.port.as_ref().map(|value| {
                value
                    .as_str()
                    .map_or_else(|| value.to_string(), str::to_owned)
            });
            match (first, port.end_port) {
                (None, _) => format!("every {transport} port"),
                (Some(name), None) if is_unknown(&name, target) => {
                    format!(
                        "{transport} {name} (no container of {} calls a port so)",
                        target.name
                    )
                }
                (Some(first), None) => format!("{transport} {first}"),
                (Some(first), Some(last)) => format!("{transport} {first}-{last}"),
            }
        })
        .collect();
    ports.join(" or ")
}

fn is_unknown(name: &str, target: &Peer) -> bool {
    name.parse::<u16>().is_err()
        && target.kind == PeerKind::Pod
        && !target.named_ports.iter().any(|port| port.name == name)
}

/// A rule's peers in words.
pub(super) fn describe_peers(peers: &[PolicyPeer]) -> String {
    if peers.is_empty() {
        return "everybody".to_owned();
    }
    let peers: Vec<String> = peers.iter().map(describe_peer).collect();
    peers.join(" or ")
}

fn describe_peer(peer: &PolicyPeer) -> String {
    if let Some(block) = &peer.ip_block {
        return if block.except.is_empty() {
            block.cidr.clone()
        } else {
            format!("{} except {}", block.cidr, block.except.join(", "))
        };
    }
    let pods = match &peer.pod_selector {
        None => "Pods".to_owned(),
        Some(selector) if *selector == LabelSelector::default() => "Pods".to_owned(),
        Some(selector) => format!("Pods with {}", describe_selector(selector)),
    };
    match &peer.namespace_selector {
        None => format!("{pods} of this namespace"),
        Some(selector) if *selector == LabelSelector::default() => {
            format!("{pods} of every namespace")
        }
        Some(selector) => format!("{pods} of namespaces with {}", describe_selector(selector)),
    }
}

/// A selector as `kubectl` takes it.
fn describe_selector(selector: &LabelSelector) -> String {
    let labels = selector
        .match_labels
        .iter()
        .map(|(key, value)| format!("{key}={value}"));
    let expressions = selector.match_expressions.iter().map(|expression| {
        let values = expression.values.join(",");
        match expression.operator.as_str() {
            "In" => format!("{} in ({values})", expression.key),
            "NotIn" => format!("{} notin ({values})", expression.key),
            "Exists" => expression.key.clone(),
            "DoesNotExist" => format!("!{}", expression.key),
            other => format!("{} {other} ({values})", expression.key),
        }
    });
    labels.chain(expressions).collect::<Vec<_>>().join(",")
}
