//! The numbers of a round. Pure data.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

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

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
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
    /// Fault → member by its own word, with what was acked before and after.
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

/// What a round showed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RoundResult {
    /// The numbers that apply.
    pub numbers: BTreeMap<Metric, Value>,
    /// Whether everything was whole again; none: it could not be told.
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
    /// Intervals in which nothing can be told, in the conductor's milliseconds after the fault.
    pub blind: Vec<(i64, i64)>,
    /// Outages of new writes, in milliseconds after the fault; an open one has no end.
    pub outages: Vec<(i64, Option<i64>)>,
}
