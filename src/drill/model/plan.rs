//! What a drill would do, to whom, and which keys fit: shared by `--plan` and the run. Pure data.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use strum::{Display, IntoStaticStr, VariantArray};

use super::{Address, Engine};

/// The whole plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The run's id.
    pub run: String,
    /// The seed of what is chosen at random.
    pub seed: u64,
    /// Rounds of each fault.
    pub rounds: u32,
    /// How long a round waits for recovery.
    pub patience_ms: u64,
    /// The candidates, in the order in which they are drilled.
    pub candidates: Vec<Candidate>,
}

/// One database deployment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// Its name in `k8sverify.yaml`, or the tier's.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// How its servers are talked to.
    pub engine: Engine,
    /// Where clients write.
    pub write: Address,
    /// The Service behind the write address; none where it is outside of the namespace.
    pub write_service: Option<String>,
    /// Where clients read, where it is another address.
    pub read: Option<Address>,
    /// Its members.
    pub members: Vec<Member>,
    /// The workloads that bring members back: `statefulset/db`.
    pub workloads: Vec<String>,
    /// How many members it has when whole.
    pub size: u32,
    /// Where the login comes from; the tool does not read it.
    pub login: CandidateLogin,
    /// Whether it holds nothing that anyone misses.
    pub fresh: bool,
    /// Where the data lies: `PVC data-db-0`, `emptyDir`, `none`.
    pub volumes: Vec<String>,
    /// Tables of its operator.
    pub expect: Vec<ExpectedTable>,
    /// What is done to it, in order.
    pub faults: Vec<PlannedFault>,
    /// Which of the two keys fit.
    pub keys: Keys,
    /// Why it is not drilled; empty: it may be.
    pub refusals: Vec<Refusal>,
}

/// One server process of a candidate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// The Pod's name where it keeps it (`StatefulSet`), else the workload's; the host of an outside one.
    pub name: String,
    /// Its own address.
    pub address: Address,
    /// The Pod as it is now; none outside of the cluster.
    pub pod: Option<PodIdentity>,
}

/// A Pod: only this one may be taken away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PodIdentity {
    /// Its name.
    pub name: String,
    /// Its UID, the precondition of each DELETE.
    pub uid: String,
    /// Its node.
    pub node: String,
}

/// Secret and keys of a login; a value that is no secret may stand in the text.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct CandidateLogin {
    /// The user.
    pub user: Option<ValueReference>,
    /// The password; never [`ValueReference::Text`].
    pub password: Option<ValueReference>,
    /// The database.
    pub database: Option<ValueReference>,
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ValueReference {
    /// A key of a Secret in the candidate's namespace.
    Secret {
        /// The Secret.
        name: String,
        /// Its key.
        key: String,
    },
    /// A key of a `ConfigMap`.
    ConfigMap {
        /// The `ConfigMap`.
        name: String,
        /// Its key.
        key: String,
    },
    /// The value itself.
    Text(String),
}

/// A table that the candidate's operator needs: part of "recovered".
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExpectedTable {
    /// `sys_operator.heartbeat`.
    pub name: String,
    /// Whether on every member, else on one.
    pub every_member: bool,
    /// The column with a time that must be recent, and how recent.
    pub fresh: Option<Fresh>,
    /// The question that must bring a row, where it is not a table that is expected; `name` is what is shown of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
}

/// How recent a row must be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fresh {
    /// The column.
    pub column: String,
    /// At most so old.
    pub within_ms: u64,
}

/// A fault, and whom it hits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedFault {
    /// What is done.
    pub fault: Fault,
    /// Whom each round hits, in words: `primary`, `replica`, `random`, a Pod's name.
    pub victims: Vec<String>,
}

/// What is done to a candidate.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    Display,
    IntoStaticStr,
    VariantArray,
)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum Fault {
    /// DELETE of a Pod with its own grace period.
    Delete,
    /// DELETE with one second of grace.
    DeleteHard,
    /// Eviction: obeys a disruption budget.
    Evict,
    /// DELETE of every member's Pod at once.
    RestartAll,
    /// Replicas to zero and back.
    ScaleZero,
    /// The user's command.
    Hook,
    /// Nothing.
    None,
    /// Nothing by the tool: a person acts (`--watch`).
    Watch,
}

impl Fault {
    /// All of them.
    pub const ALL: &'static [Self] = Self::VARIANTS;

    /// Whether the tool itself does nothing.
    pub const fn is_quiet(self) -> bool {
        matches!(self, Self::None | Self::Watch)
    }

    /// As on the command line.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.iter().find(|fault| fault.name() == text);
        found.copied().ok_or_else(|| {
            let names: Vec<&str> = Self::ALL.iter().map(|fault| fault.name()).collect();
            format!("`{text}` is no fault; expected one of {}", names.join(", "))
        })
    }
}

/// The two keys: without both nothing is done.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Keys {
    /// The namespace's: what allows it (`annotation k8sverify.io/drill: allowed`, `--allow-namespace shop`); none: nothing does.
    pub namespace: Option<String>,
    /// The person's: `--yes`, or the name typed; none: not given.
    pub person: Option<String>,
}

/// Why a candidate is not drilled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// What was found, on which object, and what would lift it.
    pub message: String,
    /// 2: usage or consent; 3: could not be measured.
    pub exit_code: u8,
}
