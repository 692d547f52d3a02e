//! A client's configuration, and the addresses that are found in it. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU16;

use crate::address::{LoginReference, Target, TlsMode};
use crate::protocol::Protocol;

use super::super::Confidence;

/// A client's configuration.
#[derive(Debug, Clone, Default)]
pub struct Source {
    /// Variables whose value is known, `$(VAR)` already expanded.
    pub environment: BTreeMap<String, String>,
    /// Variables whose value stands in a Secret: they exist, and that is all that is known.
    pub secret_variables: BTreeSet<String>,
    /// Entrypoint, command and arguments.
    pub words: Vec<String>,
    /// Text files that the container sees: path and text.
    pub files: Vec<(String, String)>,
    /// The image.
    pub image: Option<String>,
}

/// Where an address leads.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum RawTarget {
    /// A tier.
    Tier(String),
    /// A dotted name or an address that is no tier.
    Outside,
    /// A single word that no one defines.
    Unknown,
}

/// Where an address was found.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// A variable.
    Variable(String),
    /// The command.
    Words,
    /// A file, by its path in the container.
    File(String),
    /// What the image dials where nothing else is set.
    Image,
}

/// One address that a client's configuration names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawEdge {
    /// Where it leads.
    pub target: RawTarget,
    /// The host as written.
    pub host: String,
    /// The port, if anything on the client's side shows one.
    pub port: Option<NonZeroU16>,
    /// Ports of variables that may belong to the same host: they count if the target listens there.
    pub further_ports: Vec<NonZeroU16>,
    /// The protocol, as far as scheme or key says.
    pub protocol: Option<Protocol>,
    /// Whether the protocol comes from a scheme.
    pub by_scheme: bool,
    /// Where it was found.
    pub place: Place,
    /// The key under which it stands (variable, option, directive).
    pub key: String,
    /// How sure it is.
    pub confidence: Confidence,
    /// How the client logs in.
    pub login: Option<LoginReference>,
    /// TLS as the client says.
    pub tls: Option<TlsMode>,
}

impl RawEdge {
    /// A tier that is named under a key, and nothing more.
    pub(super) fn of_tier(tier: &str, host: &str, place: Place, key: &str) -> Self {
        Self {
            target: RawTarget::Tier(tier.to_owned()),
            host: host.to_owned(),
            port: None,
            further_ports: Vec::new(),
            protocol: None,
            by_scheme: false,
            place,
            key: key.to_owned(),
            confidence: Confidence::Likely,
            login: None,
            tls: None,
        }
    }
}

/// An address in a command or file, before its host is looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hit {
    pub key: String,
    pub target: Target,
    pub confidence: Confidence,
}

impl Hit {
    pub(super) fn new(key: &str, target: Target, confidence: Confidence) -> Self {
        Self {
            key: key.to_owned(),
            target,
            confidence,
        }
    }
}
