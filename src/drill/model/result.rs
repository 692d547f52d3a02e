//! The numbers of a round. Pure data.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use strum::{IntoStaticStr, VariantArray};

use super::AttemptOutcome;
use crate::drill::seqs::SeqSet;

/// A number of the table in three values. A number that does not apply (no Pod, one member alone) is not in the table at all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "value")]
pub enum Value {
    /// It was measured.
    Known {
        /// Milliseconds, or a count.
        number: u64,
        /// How coarse it is: the true one is at most so much larger or smaller. 0 for counts.
        resolution: u64,
    },
    /// It did not come to an end before patience did: at least so many milliseconds.
    Over {
        /// Milliseconds.
        number: u64,
    },
    /// It could not be measured.
    Unknown {
        /// Why.
        reason: String,
    },
}

impl Value {
    pub(crate) const fn known(number: u64, resolution: u64) -> Self {
        Self::Known { number, resolution }
    }

    pub(crate) const fn over(number: u64) -> Self {
        Self::Over { number }
    }

    pub(crate) fn unknown(reason: impl Into<String>) -> Self {
        Self::Unknown {
            reason: reason.into(),
        }
    }
}

/// What is measured.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    IntoStaticStr,
    VariantArray,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Metric {
    /// Longest gap between acked new writes that ends after the fault. Milliseconds, like all down to `ServiceEmpty`.
    WriteDown,
    /// The same for new reads.
    ReadDown,
    /// The same for held connections to members that were hit.
    HeldDown,
    /// The same for held connections to members that were not hit.
    StallSurvivors,
    /// Longest time a held connection was refused while new ones were acked.
    Pinned,
    /// Fault → the new Pod runs.
    PodRunning,
    /// Fault → the new Pod is Ready.
    PodReady,
    /// Fault → the first accepted read of data from before the fault on that member.
    Serves,
    /// Fault → member by its own report, with what was acked before and after.
    Joined,
    /// `serves - pod_ready`, where positive.
    ReadyLie,
    /// Fault → another member takes writes.
    Promoted,
    /// Fault → the write Service leads to a member that takes writes.
    ServiceSwitched,
    /// How long the write Service led nowhere.
    ServiceEmpty,
    /// Acked and absent through the write address. A count, like all that follow but `SplitBrain`.
    Lost,
    /// Acked and absent on every member that was asked.
    LostEverywhere,
    /// Unknown and present.
    Recovered,
    /// Refused and present: the list of sure refusals is wrong.
    Unexpected,
    /// Members whose ledger differs from the others' when idle.
    Diverged,
    /// Milliseconds in which two members took writes or called themselves primary.
    SplitBrain,
    /// Reads that began after an ack and missed it.
    Stale,
    /// Transactions of which half is there.
    Torn,
}

/// Milliseconds in words: `1.2 s`.
pub fn seconds(ms: i64) -> String {
    let sign = if ms < 0 { "-" } else { "" };
    let tenths = (ms.unsigned_abs() + 50) / 100;
    format!("{sign}{}.{} s", tenths / 10, tenths % 10)
}

/// What a number counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Milliseconds.
    Time,
    /// Things.
    Count,
}

impl Metric {
    /// All of them, in the order of reports.
    pub const ALL: &'static [Self] = Self::VARIANTS;

    /// As in JSON and after `--limit`.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// For people.
    pub const fn title(self) -> &'static str {
        match self {
            Self::WriteDown => "writes away",
            Self::ReadDown => "reads away",
            Self::HeldDown => "held connections away",
            Self::StallSurvivors => "connections to others stalled",
            Self::Pinned => "pool pinned",
            Self::PodRunning => "Pod runs",
            Self::PodReady => "Pod Ready",
            Self::Serves => "serves old data",
            Self::Joined => "joined",
            Self::ReadyLie => "Ready and not serving",
            Self::Promoted => "another one promoted",
            Self::ServiceSwitched => "Service leads to it",
            Self::ServiceEmpty => "Service without endpoints",
            Self::Lost => "acked writes lost",
            Self::LostEverywhere => "lost on every member",
            Self::Recovered => "unknown writes that are there",
            Self::Unexpected => "refused writes that are there",
            Self::Diverged => "members that differ",
            Self::SplitBrain => "two took writes",
            Self::Stale => "stale reads",
            Self::Torn => "half transactions",
        }
    }

    /// What it counts.
    pub const fn unit(self) -> Unit {
        match self {
            Self::Lost
            | Self::LostEverywhere
            | Self::Recovered
            | Self::Unexpected
            | Self::Diverged
            | Self::Stale
            | Self::Torn => Unit::Count,
            _ => Unit::Time,
        }
    }
}

impl std::str::FromStr for Metric {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let name = text.replace('-', "_");
        let found = Self::ALL.iter().find(|metric| metric.name() == name);
        found.copied().ok_or_else(|| {
            let names: Vec<&str> = Self::ALL.iter().map(|metric| metric.name()).collect();
            let names = names.join(", ");
            format!("`{text}` is no number of a drill; expected one of {names}")
        })
    }
}

/// A round as a picture: what each lane saw, and what happened beside it. Times are milliseconds after the fault.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Picture {
    /// Where it begins.
    pub from_ms: i64,
    /// Where it ends.
    pub to_ms: i64,
    /// The lanes.
    pub lanes: Vec<PictureLane>,
    /// What happened, in order.
    pub marks: Vec<PictureMark>,
}

/// A lane of a picture.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PictureLane {
    /// The lane's name.
    pub name: String,
    /// From, to, outcome of attempts in a row that ended alike; a member's answers are `acked`, its silence is `unknown`.
    pub spans: Vec<(i64, i64, AttemptOutcome)>,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PictureMark {
    /// When.
    pub at_ms: i64,
    /// What it belongs to: `fault`, `service`, `note`, or a member's name.
    pub row: String,
    /// What happened.
    pub text: String,
}

/// What a round showed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RoundResult {
    /// The numbers that apply.
    pub numbers: BTreeMap<Metric, Value>,
    /// Whether everything was whole again; none: it could not be determined.
    pub recovers: Option<bool>,
    /// Writes that were acknowledged from the baseline to the end.
    pub acked: u64,
    /// Writes that were surely refused.
    pub refused: u64,
    /// Writes of unknown outcome.
    pub unknown: u64,
    /// Acknowledged writes a second in the baseline, in thousandths.
    pub write_rate_milli: u64,
    /// Place → lane → what was acknowledged and is absent there.
    pub lost: BTreeMap<String, BTreeMap<String, SeqSet>>,
    /// Intervals in which nothing can be determined, in the conductor's milliseconds after the fault.
    pub blind: Vec<(i64, i64)>,
    /// Outages of new writes, in milliseconds after the fault; an open one has no end.
    pub outages: Vec<(i64, Option<i64>)>,
}
