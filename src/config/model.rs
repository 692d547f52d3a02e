//! What a `k8sverify.yaml` says, validated. Pure data.

use std::collections::BTreeMap;
use std::num::NonZeroU16;
use std::str::FromStr;

use serde::Deserialize;
use serde::de::Deserializer;

use super::values::{CodeName, NonEmpty, by, lined};
use super::workload::{WorkloadName, tier};
use crate::address::{LoginReference, TlsMode};
use crate::finding::{Code, Severity};
use crate::protocol::Protocol;

use super::{CandidateRule, EdgePattern, EntryRules};

/// The user's own file.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Config {
    /// The file as the user named it; empty: there is none.
    pub file: String,
    /// Other namespaces in which tiers of the application run.
    pub namespaces: Vec<String>,
    /// Which workloads run a tier.
    pub tiers: BTreeMap<String, TierRule>,
    /// Edges to add.
    pub add: Vec<AddedEdge>,
    /// Edges to drop.
    pub drop: Vec<DroppedEdge>,
    /// Edges to adjust.
    pub adjust: Vec<AdjustedEdge>,
    /// Ways in from outside to add, drop or correct.
    pub entries: EntryRules,
    /// Findings to ignore.
    pub ignore: Vec<Ignore>,
    /// What a code weighs here.
    pub severity: BTreeMap<Code, SeverityOverride>,
    /// From which severity on a finding fails the run.
    pub fail_on: Option<Severity>,
    /// Databases to run SQL on and to drill, by name.
    pub candidates: BTreeMap<String, CandidateRule>,
}

/// Which workloads run a tier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TierRule {
    /// The workloads; empty: `none`, the tier does not run in this cluster.
    pub workloads: Vec<WorkloadName>,
    /// The line of the file.
    pub line: u64,
}

impl<'de> Deserialize<'de> for TierRule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let workloads = tier(deserializer)?;
        Ok(Self { workloads, line: 0 })
    }
}

/// An edge that the user adds.
#[derive(Debug, Clone, PartialEq)]
pub struct AddedEdge {
    /// The client tier.
    pub from: String,
    /// The server tier, or a host outside.
    pub to: String,
    /// What is known of the edge; `port` is set.
    pub settings: EdgeSettings,
    /// The line of the file.
    pub line: u64,
}

/// Edges that the user drops.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DroppedEdge {
    /// Which.
    pub edge: EdgePattern,
    /// The line of the file.
    pub line: u64,
}

/// Edges that the user corrects.
#[derive(Debug, Clone, PartialEq)]
pub struct AdjustedEdge {
    /// Which.
    pub edge: EdgePattern,
    /// What is to be different.
    pub settings: EdgeSettings,
    /// The line of the file.
    pub line: u64,
}

/// What the user says of an edge; `None` leaves what the graph knows.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct EdgeSettings {
    /// The host that the client dials.
    pub host: Option<String>,
    /// The port that it dials.
    pub port: Option<NonZeroU16>,
    /// The protocol that it speaks.
    pub protocol: Option<Protocol>,
    /// HTTP: the path to ask.
    pub path: Option<String>,
    /// HTTP: the status that is right.
    pub status: Option<u16>,
    /// TLS.
    pub tls: Option<TlsMode>,
    /// SQL to run, or the key to look for.
    pub query: Option<String>,
    /// How the client logs in: names of variables of its own container.
    pub login: Option<LoginReference>,
    /// The edge may fail.
    pub optional: Option<bool>,
    /// The edge must not work.
    pub forbidden: Option<bool>,
    /// The peer is a read replica.
    pub replica: Option<bool>,
}

/// A finding that the user has decided to live with.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ignore {
    /// Its code.
    #[serde(deserialize_with = "by::<_, CodeName>")]
    pub code: Code,
    /// Its object, `KIND/NAME[@NAMESPACE]`; `*` stands for any run of characters; `None`: every object.
    #[serde(default, deserialize_with = "by::<_, Option<NonEmpty>>")]
    pub object: Option<String>,
    /// Why.
    #[serde(deserialize_with = "by::<_, NonEmpty>")]
    pub reason: String,
    /// The line of the file, for "matches nothing".
    #[serde(skip)]
    pub line: u64,
}

lined!(Ignore, TierRule);

impl Ignore {
    /// Whether it speaks of the finding `code` on `object` (`KIND/NAME`, or `KIND/NAME@NAMESPACE` where that is not the run's).
    pub fn matches(&self, code: Code, object: &str) -> bool {
        self.code == code
            && self
                .object
                .as_deref()
                .is_none_or(|wanted| super::pattern::wildcard_matches(wanted, object))
    }
}

/// What a code weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SeverityOverride {
    /// This much.
    Is(Severity),
    /// The finding is not shown at all.
    Off,
}

impl FromStr for SeverityOverride {
    type Err = String;

    /// From text, so that a bare `off` is the word and not YAML's false.
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "error" => Ok(Self::Is(Severity::Error)),
            "warning" => Ok(Self::Is(Severity::Warning)),
            "info" => Ok(Self::Is(Severity::Info)),
            "off" => Ok(Self::Off),
            other => Err(format!(
                "`{other}` is no severity: expected error, warning, info or off"
            )),
        }
    }
}
