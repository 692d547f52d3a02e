//! The ways in from outside the cluster as data. Pure.

use std::fmt;
use std::num::NonZeroU16;

use serde::{Deserialize, Serialize};

use crate::address::bracketed;
use crate::finding::ObjectRef;
use crate::observe::ServiceKey;
use crate::protocol::Protocol;

/// One way in from outside: a Service's port on nodes or on a balancer, a rule of an Ingress.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Entry {
    /// Identity: `node-port/web:30080`, `load-balancer/web:80`, `ingress/web:shop.example/`; `@NAMESPACE` where that is not the run's.
    pub id: String,
    /// Which kind of way.
    pub kind: EntryKind,
    /// The Service or Ingress.
    #[serde(skip)]
    pub object: ObjectRef,
    /// The tier that it leads to.
    pub to: String,
    /// The Service in front of the tier.
    #[serde(skip)]
    pub service: ServiceKey,
    /// The Service's port.
    pub port: u16,
    /// `TCP` or `UDP`.
    pub transport: String,
    /// Where it is asked for; empty: no address is known.
    pub addresses: Vec<EntryAddress>,
    /// An Ingress: what it is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<EntryRule>,
    /// HTTP: what is asked there; `None`: only a connection is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub question: Option<EntryQuestion>,
    /// What the tier speaks there, as far as is known.
    pub protocol: Protocol,
    /// `externalTrafficPolicy: Local`: from outside only nodes with endpoints take it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub local: bool,
    /// Sources that the balancer admits; empty: all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<String>,
}

/// The kinds of ways in.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, strum::Display,
)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum EntryKind {
    /// A port on every node.
    NodePort,
    /// A balancer in front of the Service.
    LoadBalancer,
    /// A rule of an Ingress.
    Ingress,
    /// What the user's own file adds.
    Url,
}

/// An address at which an entry is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EntryAddress {
    /// A name or an address.
    pub host: String,
    /// The port.
    pub port: NonZeroU16,
    /// The node that it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
}

impl fmt::Display for EntryAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", bracketed(&self.host), self.port)
    }
}

/// What a rule of an Ingress takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EntryRule {
    /// The host; empty: every one.
    pub host: String,
    /// The path.
    pub path: String,
    /// Whether the host is served over TLS.
    pub tls: bool,
}

/// What an entry is asked for over HTTP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EntryQuestion {
    /// The name in the request and in TLS; empty: the address itself.
    pub authority: String,
    /// The path.
    pub path: String,
    /// Whether TLS is spoken.
    pub tls: bool,
    /// The status that the user expects.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
}

/// A tier that compose publishes on its host, while nothing in the cluster leads to it from outside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unreached {
    /// The tier.
    pub tier: String,
    /// The ports as compose has them: `3000:3000`.
    pub ports: Vec<String>,
}
