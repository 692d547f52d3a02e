//! How things stand, out of the runners' records as they come: what runs without a failure, and since when. Pure: times come with the records.
//!
//! It only decides when a round goes on; every number comes from the records themselves, later.

use std::collections::{BTreeMap, BTreeSet};

use crate::drill::model::{
    AttemptOutcome, Batch, Expectation, ExpectedTable, Lane, LaneKind, MemberRole, MemberState,
};

/// So many acknowledged writes in a row …
const WRITES: u32 = 10;
/// … over at least so long are writes that are back.
const OVER_MS: i64 = 3000;
/// A lane that says nothing for so long is not known to run: a batch comes every second.
const SILENT_MS: i64 = 3500;

/// A lane.
#[derive(Debug, Clone)]
struct LaneLive {
    kind: LaneKind,
    /// Attempts in a row that were acknowledged.
    streak: u32,
    /// Since when there was no failure.
    since: Option<i64>,
    /// The last attempt that ended.
    last: Option<i64>,
    /// Why the last failure was one.
    why: String,
}

/// A member.
#[derive(Debug, Clone, Default)]
pub(super) struct MemberLive {
    /// Since when it has answered as a whole member.
    since: Option<i64>,
    last: Option<i64>,
    /// Its last word.
    pub(super) state: MemberState,
}

/// How things stand.
#[derive(Debug, Clone, Default)]
pub(super) struct Live {
    lanes: BTreeMap<String, LaneLive>,
    members: BTreeMap<String, MemberLive>,
    /// The last failure, and when it ended.
    failed: Option<(i64, String)>,
    /// Member and table that need not be there again: they were missing before the fault. None: no table counts yet.
    passed_over: Option<BTreeSet<(String, String)>>,
}

impl Live {
    /// Nothing was heard yet.
    pub(super) fn new<'l>(runners: impl Iterator<Item = &'l [Lane]>) -> Self {
        let mut live = Self::default();
        for lane in runners.flatten() {
            if let LaneKind::Member(member) = &lane.kind {
                live.members.entry(member.clone()).or_default();
                continue;
            }
            live.lanes.insert(
                lane.name.clone(),
                LaneLive {
                    kind: lane.kind.clone(),
                    streak: 0,
                    since: None,
                    last: None,
                    why: "it has not been attempted yet".to_owned(),
                },
            );
        }
        live
    }

    /// Takes a batch of a runner whose clock is `offset` behind.
    pub(super) fn batch(&mut self, batch: &Batch, offset: i64) {
        for attempt in &batch.attempts {
            let (started, ended) = (attempt.started_ms + offset, attempt.ended_ms + offset);
            let Some(lane) = self.lanes.get_mut(&attempt.lane) else {
                continue;
            };
            lane.last = lane.last.max(Some(ended));
            if attempt.outcome == AttemptOutcome::Acked {
                lane.streak += 1;
                lane.since.get_or_insert(started);
            } else {
                lane.streak = 0;
                lane.since = None;
                lane.why = attempt.code.clone().unwrap_or_default();
                if self.failed.as_ref().is_none_or(|(at, _)| *at <= ended) {
                    self.failed = Some((ended, format!("{}: {}", attempt.lane, lane.why)));
                }
            }
        }
        for state in &batch.members {
            let member = self.members.entry(state.member.clone()).or_default();
            let ended = state.ended_ms + offset;
            member.last = member.last.max(Some(ended));
            if is_whole(state, self.passed_over.as_ref()) {
                member.since.get_or_insert(ended);
            } else {
                member.since = None;
            }
            member.state = state.clone();
        }
    }

    /// Before the fault expected tables do not count: that they are missing is reported, and is no reason to measure nothing.
    pub(super) fn before_fault(&mut self) {
        self.passed_over = None;
    }

    /// From the fault on those count that were there before.
    pub(super) fn at_fault(&mut self) {
        let missing = self.members.iter().flat_map(|(name, member)| {
            let tables = member.state.missing.keys();
            tables.map(|table| (name.clone(), table.clone()))
        });
        self.passed_over = Some(missing.collect());
    }

    /// The first expected table that the login may not read, in words.
    pub(super) fn unreadable_table(&self) -> Option<String> {
        self.members.iter().find_map(|(name, member)| {
            let (table, why) = member.state.untold.first_key_value()?;
            Some(format!(
                "it is not known whether {name} holds {table}: {why}; name a login that may read it as observer: of the candidate"
            ))
        })
    }

    /// The members' last words.
    pub(super) fn roles(&self) -> BTreeMap<String, Option<MemberRole>> {
        self.members
            .iter()
            .map(|(name, member)| (name.clone(), member.state.role))
            .collect()
    }

    /// Expected tables on each member that is to hold them, as it last said.
    pub(super) fn expectations(&self, expect: &[ExpectedTable]) -> Vec<Expectation> {
        let of = |name: &String, state: &MemberState, table: &ExpectedTable| {
            let why = state.missing.get(&table.name);
            let unreadable_table = state.untold.get(&table.name);
            let is_known = state.error.is_none() && unreadable_table.is_none();
            Expectation {
                table: table.name.clone(),
                member: name.clone(),
                holds: is_known.then_some(why.is_none()),
                detail: why.or(unreadable_table).cloned().unwrap_or_default(),
            }
        };
        self.members
            .iter()
            .flat_map(|(name, member)| {
                let state = &member.state;
                expect
                    .iter()
                    .filter(|table| table.every_member || state.writable == Some(true))
                    .map(move |table| of(name, state, table))
            })
            .collect()
    }

    /// What is missing for the writes to be back.
    pub(super) fn writes_missing(&self, now: i64) -> Option<String> {
        self.lanes
            .iter()
            .filter(|(_, lane)| lane.kind == LaneKind::WriteNew)
            .find_map(|(name, lane)| lane.missing(now, name, WRITES, OVER_MS))
    }

    /// What is missing for everything to be whole: every lane runs, every member is one.
    pub(super) fn missing(&self, now: i64) -> Option<String> {
        self.writes_missing(now)
            .or_else(|| {
                self.lanes
                    .iter()
                    .find_map(|(name, lane)| lane.missing(now, name, 3, 0))
            })
            .or_else(|| self.members_missing(now))
    }

    /// What is missing of the members, by their own words.
    pub(super) fn members_missing(&self, now: i64) -> Option<String> {
        self.members
            .iter()
            .find_map(|(name, member)| member.missing(now, name))
    }

    /// Since when all of it has run without a failure; none while something is missing. A runner that was not given the processor for a moment is no
    /// failure: what it did not see is left out of the numbers, and one that says nothing for long is missed.
    pub(super) fn whole_since(&self, now: i64) -> Option<i64> {
        if self.missing(now).is_some() {
            return None;
        }
        let lanes = self.lanes.values().map(|lane| lane.since);
        let members = self.members.values().map(|member| member.since);
        lanes.chain(members).flatten().max()
    }

    /// The last failure, and how long ago it was.
    pub(super) fn last_failure(&self, now: i64) -> Option<String> {
        let (at, what) = self.failed.as_ref()?;
        let ago = (now - at).max(0) / 1000;
        Some(format!("the last one {ago} s ago, {what}"))
    }
}

impl LaneLive {
    fn missing(&self, now: i64, name: &str, streak: u32, over_ms: i64) -> Option<String> {
        let silent = self.last.is_none_or(|last| now - last > SILENT_MS);
        if silent {
            return Some(format!("{name} says nothing"));
        }
        let ran = self
            .since
            .zip(self.last)
            .map_or(0, |(since, last)| last - since);
        (self.streak < streak || ran < over_ms).then(|| {
            if self.why.is_empty() {
                format!("{name} has not run for long enough")
            } else {
                format!("{name} fails: {}", self.why)
            }
        })
    }
}

impl MemberLive {
    fn missing(&self, now: i64, name: &str) -> Option<String> {
        if self.last.is_none_or(|last| now - last > SILENT_MS) {
            return Some(format!("{name} was not asked"));
        }
        if self.since.is_some() {
            return None;
        }
        let state = &self.state;
        Some(match (&state.error, state.joined, &state.tip) {
            (Some(code), ..) => format!("{name} does not answer: {code}"),
            (None, Some(false), _) => format!("{name} has not joined: {}", state.says),
            (None, _, None) => format!("{name} does not have the ledger"),
            _ => match state.missing.iter().next() {
                Some((table, why)) => format!("{name}: table {table}: {why}"),
                None => format!("{name} has not answered for long enough"),
            },
        })
    }
}

/// Whether a member is one, as far as it reports that: it answers, does not say that it has not joined, and has the ledger and those of its operator's
/// tables that count.
fn is_whole(state: &MemberState, passed_over: Option<&BTreeSet<(String, String)>>) -> bool {
    let holds = passed_over.is_none_or(|passed_over| {
        let tables = state.missing.keys();
        tables
            .map(|table| (state.member.clone(), table.clone()))
            .all(|missing| passed_over.contains(&missing))
    });
    state.error.is_none() && state.joined != Some(false) && state.tip.is_some() && holds
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drill::model::{Address, Attempt};

    fn lane(name: &str, kind: LaneKind) -> Lane {
        Lane {
            name: name.to_owned(),
            kind,
            address: Address {
                host: "db".to_owned(),
                port: 3306,
            },
            every_ms: 200,
            in_flight: 1,
        }
    }

    fn attempt(at: i64, acked: bool) -> Attempt {
        Attempt {
            lane: "a/w-new".to_owned(),
            seq: 1,
            started_ms: at,
            sent_ms: Some(at),
            ended_ms: at + 10,
            outcome: if acked {
                AttemptOutcome::Acked
            } else {
                AttemptOutcome::Unknown
            },
            code: (!acked).then(|| "timeout".to_owned()),
            server: None,
            late_ms: 0,
            saw: BTreeMap::new(),
        }
    }

    fn batch(attempts: Vec<Attempt>, members: Vec<MemberState>) -> Batch {
        Batch {
            attempts,
            members,
            ..Batch::default()
        }
    }

    fn member(at: i64, joined: bool) -> MemberState {
        MemberState {
            member: "db-0".to_owned(),
            ended_ms: at,
            joined: Some(joined),
            tip: Some(BTreeMap::new()),
            ..MemberState::default()
        }
    }

    #[test]
    fn writes_are_back_after_ten_in_a_row_over_three_seconds() {
        let lanes = [lane("a/w-new", LaneKind::WriteNew)];
        let mut live = Live::new([lanes.as_slice()].into_iter());
        assert!(live.writes_missing(0).unwrap().contains("says nothing"));
        live.batch(
            &batch((0..12).map(|n| attempt(n * 200, true)).collect(), vec![]),
            0,
        );
        // Ten in a row, but not yet three seconds.
        assert!(live.writes_missing(2400).is_some());
        live.batch(
            &batch((12..17).map(|n| attempt(n * 200, true)).collect(), vec![]),
            0,
        );
        assert_eq!(live.writes_missing(3300), None);
        assert_eq!(live.whole_since(3300), Some(0));
        // What has not spoken for long is not known to run.
        assert!(live.writes_missing(9000).is_some());
        live.batch(&batch(vec![attempt(3400, false)], vec![]), 0);
        assert!(live.missing(3500).unwrap().contains("timeout"));
        // That is the clients' failure, and no member's.
        assert_eq!(live.members_missing(3500), None);
    }

    #[test]
    fn a_table_that_was_missing_before_the_fault_need_not_come_back_and_others_must() {
        let lanes = [lane("a/m/db-0", LaneKind::Member("db-0".to_owned()))];
        let mut live = Live::new([lanes.as_slice()].into_iter());
        let lacking = |at, tables: &[&str]| MemberState {
            missing: tables
                .iter()
                .map(|table| ((*table).to_owned(), "it is not there".to_owned()))
                .collect(),
            ..member(at, true)
        };
        live.batch(&batch(vec![], vec![lacking(100, &["op.beat"])]), 0);
        assert_eq!(live.missing(200), None);
        live.at_fault();
        live.batch(&batch(vec![], vec![lacking(300, &["op.beat"])]), 0);
        assert_eq!(live.missing(400), None);
        live.batch(
            &batch(vec![], vec![lacking(500, &["op.beat", "op.more"])]),
            0,
        );
        assert!(live.missing(600).unwrap().contains("op."));
        live.before_fault();
        live.batch(&batch(vec![], vec![lacking(700, &["op.more"])]), 0);
        assert_eq!(live.missing(800), None);
    }

    #[test]
    fn a_member_that_has_not_joined_keeps_the_round_open() {
        let lanes = [lane("a/m/db-0", LaneKind::Member("db-0".to_owned()))];
        let mut live = Live::new([lanes.as_slice()].into_iter());
        live.batch(&batch(vec![], vec![member(100, false)]), 1000);
        assert!(live.missing(1200).unwrap().contains("has not joined"));
        assert_eq!(live.members_missing(1200), live.missing(1200));
        live.batch(&batch(vec![], vec![member(300, true)]), 1000);
        assert_eq!(live.whole_since(1400), Some(1300));
    }
}
