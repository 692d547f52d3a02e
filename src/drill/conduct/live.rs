//! How things stand, out of the runners' records as they come: what runs without a failure, and since when. Pure: times come with the records.
//!
//! It only decides when a round goes on; every number comes from the records themselves, later.

use std::collections::BTreeMap;

use crate::drill::model::{Batch, Lane, LaneKind, MemberState, Outcome, Role};

/// So many acknowledged writes in a row …
const WRITES: u32 = 10;
/// … over at least so long are writes that are back.
const OVER_MS: i64 = 3000;
/// A lane that says nothing for so long is not known to run: a batch comes every second.
const SILENT_MS: i64 = 3500;
/// Turns that begin later than this make an interval in which nothing was seen.
const LATE_MS: u64 = 250;

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
    /// When a runner last saw nothing.
    blind: Option<i64>,
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
            if attempt.late_ms > LATE_MS {
                self.blind = self.blind.max(Some(started));
            }
            let Some(lane) = self.lanes.get_mut(&attempt.lane) else {
                continue;
            };
            lane.last = lane.last.max(Some(ended));
            if attempt.outcome == Outcome::Acked {
                lane.streak += 1;
                lane.since.get_or_insert(started);
            } else {
                lane.streak = 0;
                lane.since = None;
                lane.why = attempt.code.clone().unwrap_or_default();
            }
        }
        for state in &batch.members {
            let member = self.members.entry(state.member.clone()).or_default();
            let ended = state.ended_ms + offset;
            member.last = member.last.max(Some(ended));
            if is_whole(state) {
                member.since.get_or_insert(ended);
            } else {
                member.since = None;
            }
            member.state = state.clone();
        }
    }

    /// The members' last words.
    pub(super) fn roles(&self) -> BTreeMap<String, Option<Role>> {
        self.members
            .iter()
            .map(|(name, member)| (name.clone(), member.state.role))
            .collect()
    }

    /// What each member says of expected tables.
    pub(super) fn states(&self) -> impl Iterator<Item = (&String, &MemberState)> {
        self.members
            .iter()
            .map(|(name, member)| (name, &member.state))
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
            .or_else(|| {
                self.members
                    .iter()
                    .find_map(|(name, member)| member.missing(now, name))
            })
    }

    /// Since when all of it has run without a failure; none while something is missing.
    pub(super) fn whole_since(&self, now: i64) -> Option<i64> {
        if self.missing(now).is_some() {
            return None;
        }
        let lanes = self.lanes.values().map(|lane| lane.since);
        let members = self.members.values().map(|member| member.since);
        lanes.chain(members).chain([self.blind]).flatten().max()
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

/// Whether a member is one, as far as it tells: it answers, does not say that it has not joined, and has the ledger and its operator's tables.
fn is_whole(state: &MemberState) -> bool {
    state.error.is_none()
        && state.joined != Some(false)
        && state.tip.is_some()
        && state.missing.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drill::model::{Address, Attempt, AttemptStep};

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
                Outcome::Acked
            } else {
                Outcome::Unknown
            },
            step: (!acked).then_some(AttemptStep::Statement),
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
    }

    #[test]
    fn a_member_that_has_not_joined_keeps_the_round_open() {
        let lanes = [lane("a/m/db-0", LaneKind::Member("db-0".to_owned()))];
        let mut live = Live::new([lanes.as_slice()].into_iter());
        live.batch(&batch(vec![], vec![member(100, false)]), 1000);
        assert!(live.missing(1200).unwrap().contains("has not joined"));
        live.batch(&batch(vec![], vec![member(300, true)]), 1000);
        assert_eq!(live.whole_since(1400), Some(1300));
    }
}
