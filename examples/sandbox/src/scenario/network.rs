//! `network` of a scenario: what answers, what DNS says, what Secrets hold, what becomes of probe Pods, what the API does wrong.
//! Pure data.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use serde::Deserialize;
use serde_json::Value;

use crate::faults::Fault;

/// `network`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NetworkFile {
    /// `ADDRESS:PORT`, `KIND/NAME:PORT` or `service/NAME:PORT` → what answers there.
    pub answers: BTreeMap<String, String>,
    /// Those of them that a base says: where an edit took the workload away, they go with it.
    #[serde(skip)]
    pub(crate) inherited: BTreeSet<String>,
    /// What becomes of a port of a Service's address that the Service does not have.
    pub unserved: Unserved,
    /// What becomes of what a NetworkPolicy denies; without a word no one enforces them.
    pub policies: Option<Unserved>,
    /// What the cluster's DNS does.
    pub dns: DnsFile,
    /// What is different for some of the clients.
    pub from: Vec<From>,
    /// What Secrets hold: name → key → value. A recording has none.
    pub secrets: BTreeMap<String, BTreeMap<String, String>>,
    /// What the application's containers wrote: `KIND/NAME` → text.
    pub logs: BTreeMap<String, String>,
    /// What becomes of the probe Pods.
    pub probes: ProbePods,
    /// Further resources that are served, as `plural.group`.
    pub serves: Vec<String>,
    /// Faults of the API.
    pub faults: Vec<Fault>,
}

/// What becomes of a connection that leads nowhere.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unserved {
    /// Nothing comes back.
    #[default]
    Drop,
    /// Refused.
    Refuse,
}

/// The cluster's DNS.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DnsFile {
    /// How it answers; without a word: as the objects say.
    pub answers: DnsMode,
    /// Names (in full, without the last dot) → addresses, another name, `nxdomain`, `nodata` or `servfail`, whatever the objects say.
    pub names: BTreeMap<String, String>,
    /// Search domains instead of the namespace's.
    pub search: Option<Vec<String>>,
}

impl DnsFile {
    /// Every address that a name leads to.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        let words = self.names.values().flat_map(|says| says.split_whitespace());
        words.filter_map(|word| word.parse().ok())
    }
}

/// How DNS answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DnsMode {
    /// As the objects say.
    #[default]
    Objects,
    /// Never.
    Silent,
    /// No one listens.
    Refuse,
    /// Always with SERVFAIL.
    Servfail,
}

/// What is different for some of the clients, or at some times: all that is named must hold when the probe Pod starts. Later entries go before earlier ones.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct From {
    /// The Pod is on this node.
    pub node: Option<String>,
    /// The Pod has these labels.
    pub labels: BTreeMap<String, String>,
    /// The Pod has none of these labels, whatever their values.
    pub without: Vec<String>,
    /// The probe walks edges of this tier.
    pub tier: Option<String>,
    /// Services of these names are there: what a server answers may hang on what it reaches itself.
    pub services: Vec<String>,
    /// What answers there.
    pub answers: BTreeMap<String, String>,
    /// What DNS does there.
    pub dns: Option<DnsFile>,
}

/// What becomes of the probe Pods; without a word they run.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProbePods {
    /// The Job's controller cannot create them.
    pub none: bool,
    /// They run nothing, and look like this: merged into the Pod.
    pub pod: Option<Value>,
    /// What happens to them, or to their Job if there is none: events with at least `reason` and `message`.
    pub events: Vec<Value>,
}
