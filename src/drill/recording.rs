//! Rounds as a runner and a conductor would record them, for tests.

use std::collections::BTreeMap;

use super::measure::measure;
use super::model::*;

pub(crate) mod story;

/// A round under construction. The fault is at 0, the baseline begins at -10 s; the runner's clock is 5 s behind.
pub(crate) struct Recording {
    pub(crate) round: Round,
    pub(crate) attempts: Vec<Attempt>,
    pub(crate) states: Vec<MemberState>,
}

pub(crate) const OFFSET: i64 = 5000;

fn lane(name: &str, kind: LaneKind, every_ms: u64, in_flight: u32) -> Lane {
    Lane {
        name: name.to_owned(),
        kind,
        address: Address {
            host: "db".to_owned(),
            port: 3306,
        },
        every_ms,
        in_flight,
    }
}

impl Recording {
    pub(crate) fn new(end_ms: i64, members: &[(&str, MemberRole)]) -> Self {
        let mut lanes = vec![
            lane("a/w-new", LaneKind::WriteNew, 200, 16),
            lane("a/w-held/0", LaneKind::WriteHeld, 100, 1),
            lane("a/r-new", LaneKind::ReadNew, 400, 16),
        ];
        for (member, _) in members {
            let kind = LaneKind::Member((*member).to_owned());
            lanes.push(lane(&format!("a/m/{member}"), kind, 250, 1));
        }
        let round = Round {
            candidate: "db".to_owned(),
            fault: Fault::Delete,
            number: 1,
            victims: vec![Victim {
                member: members[0].0.to_owned(),
                role: Some(members[0].1),
                uid: Some("old".to_owned()),
            }],
            members: members
                .iter()
                .map(|(name, role)| ((*name).to_owned(), Some(*role)))
                .collect(),
            size: u32::try_from(members.len()).unwrap(),
            patience_ms: 60_000,
            baseline_ms: Some(-10_000),
            fault_ms: Some(0),
            end_ms,
            ended: RoundEnd::Whole,
            runners: vec![RunnerLog {
                runner: "a".to_owned(),
                clock: ClockMap {
                    offset_ms: -OFFSET,
                    error_ms: 0,
                },
                lanes,
                batches: Vec::new(),
                end: None,
            }],
            events: Vec::new(),
            audit: None,
            write_service: Some("db".to_owned()),
            expected_before: Vec::new(),
            expected_after: Vec::new(),
        };
        Self {
            round,
            attempts: Vec::new(),
            states: Vec::new(),
        }
    }

    /// One attempt, at a time of the conductor.
    pub(crate) fn attempt(
        &mut self,
        lane: &str,
        at: i64,
        took: i64,
        outcome: AttemptOutcome,
    ) -> &mut Attempt {
        let seq = self.attempts.iter().filter(|a| a.lane == lane).count() as u64 + 1;
        self.attempts.push(Attempt {
            lane: lane.to_owned(),
            seq,
            started_ms: at + OFFSET,
            sent_ms: (outcome != AttemptOutcome::Refused).then_some(at + OFFSET),
            ended_ms: at + took + OFFSET,
            outcome,
            code: None,
            server: (outcome == AttemptOutcome::Acked).then(|| "s0".to_owned()),
            late_ms: 0,
            saw: BTreeMap::new(),
        });
        self.attempts.last_mut().unwrap()
    }

    /// A lane that is acked every so often but in these spans, where it is refused.
    pub(crate) fn lane(&mut self, name: &str, every: i64, away: &[(i64, i64)]) -> &mut Self {
        let mut at = -10_000;
        while at < self.round.end_ms {
            let is_away = away.iter().any(|(from, to)| *from <= at && at < *to);
            let outcome = if is_away {
                AttemptOutcome::Refused
            } else {
                AttemptOutcome::Acked
            };
            let attempt = self.attempt(name, at, 5, outcome);
            if name.contains("/r-") && outcome == AttemptOutcome::Acked {
                attempt.saw = ["a/w-new", "a/w-held/0"]
                    .map(|lane| (lane.to_owned(), 1000))
                    .into();
            }
            at += every;
        }
        self
    }

    /// A lane that is acked every so often, in that span.
    pub(crate) fn lane_from(&mut self, name: &str, from: i64, to: i64, every: usize) -> &mut Self {
        for at in (from..to).step_by(every) {
            self.attempt(name, at, 5, AttemptOutcome::Acked);
        }
        self
    }

    /// What a member says from then on, every 250 ms until `to`.
    pub(crate) fn says(
        &mut self,
        member: &str,
        from: i64,
        to: i64,
        state: &MemberState,
    ) -> &mut Self {
        let mut at = from;
        while at < to {
            self.states.push(MemberState {
                member: member.to_owned(),
                ended_ms: at + OFFSET,
                ..state.clone()
            });
            at += 250;
        }
        self
    }

    pub(crate) fn event(&mut self, at_ms: i64, what: EventKind) -> &mut Self {
        self.round.events.push(Event { at_ms, what });
        self
    }

    pub(crate) fn pod(
        &mut self,
        at_ms: i64,
        member: &str,
        uid: &str,
        change: PodChange,
    ) -> &mut Self {
        let pod = PodEvent {
            member: member.to_owned(),
            pod: member.to_owned(),
            uid: uid.to_owned(),
            change,
        };
        self.event(at_ms, EventKind::Pod(pod))
    }

    /// Reads everything that was acked in each of the places, but for what `lost` says of that place.
    pub(crate) fn audit(
        &mut self,
        places: &[ReadPlace],
        lost: impl Fn(&ReadPlace, &str, u64) -> bool,
    ) -> &mut Self {
        let answers = places
            .iter()
            .map(|place| {
                let mut rows: BTreeMap<String, LaneRows> = BTreeMap::new();
                for attempt in &self.attempts {
                    let there = attempt.outcome == AttemptOutcome::Acked
                        && attempt.lane.contains("/w-")
                        && !lost(place, &attempt.lane, attempt.seq);
                    if there {
                        let lane = rows.entry(attempt.lane.clone()).or_default();
                        lane.whole.insert(attempt.seq);
                    }
                }
                AuditAnswer {
                    place: place.clone(),
                    error: None,
                    rows,
                }
            })
            .collect();
        self.round.audit = Some(Audit {
            at_ms: self.round.end_ms + 100,
            answers,
        });
        self
    }

    /// The round, with the attempts cut into batches of a second.
    pub(crate) fn round(&self) -> Round {
        let mut round = self.round.clone();
        let mut batches = Vec::new();
        let mut from = -10_000 + OFFSET;
        let end = self.round.end_ms + OFFSET;
        while from < end {
            let to = from + 1000;
            // What was still under way when the lanes stopped ends in the last one.
            let inside = |ended: i64| from <= ended && (ended < to || to >= end);
            batches.push(Batch {
                number: batches.len() as u64 + 1,
                from_ms: from,
                to_ms: to,
                attempts: self
                    .attempts
                    .iter()
                    .filter(|a| inside(a.ended_ms))
                    .cloned()
                    .collect(),
                members: self
                    .states
                    .iter()
                    .filter(|s| inside(s.ended_ms))
                    .cloned()
                    .collect(),
            });
            from = to;
        }
        round.runners[0].batches = batches;
        round
    }

    pub(crate) fn measure(&self) -> RoundResult {
        measure(&self.round())
    }
}

pub(crate) fn state(
    server: &str,
    role: MemberRole,
    writable: bool,
    joined: bool,
    tip: (u64, u64),
) -> MemberState {
    MemberState {
        server: Some(server.to_owned()),
        role: Some(role),
        writable: Some(writable),
        joined: Some(joined),
        tip: Some(BTreeMap::from([(
            "a/w-new".to_owned(),
            Span {
                first: tip.0,
                last: tip.1,
            },
        )])),
        ..MemberState::default()
    }
}

pub(crate) fn no_answer() -> MemberState {
    MemberState {
        error: Some("refused".to_owned()),
        ..MemberState::default()
    }
}

/// A single server that is away from 0.5 to 4.5 s and comes back with its data.
pub(crate) fn single() -> Recording {
    let mut it = Recording::new(20_000, &[("db", MemberRole::Primary)]);
    it.lane("a/w-new", 200, &[(500, 4500)])
        .lane("a/w-held/0", 100, &[(500, 4700)])
        .lane("a/r-new", 400, &[(500, 4500)])
        .says(
            "db",
            -10_000,
            500,
            &state("s0", MemberRole::Primary, true, true, (1, 10)),
        )
        .says("db", 500, 4000, &no_answer())
        .says(
            "db",
            4000,
            4600,
            &state("s1", MemberRole::Primary, true, true, (1, 51)),
        )
        .says(
            "db",
            4600,
            20_000,
            &state("s1", MemberRole::Primary, true, true, (1, 80)),
        )
        .pod(0, "db", "old", PodChange::Leaving)
        .pod(700, "db", "new", PodChange::Created)
        .pod(1500, "db", "new", PodChange::Running)
        .pod(3000, "db", "new", PodChange::Ready)
        .event(-9000, EventKind::Endpoints(vec!["db".to_owned()]))
        .event(600, EventKind::Endpoints(Vec::new()))
        .event(3000, EventKind::Endpoints(vec!["db".to_owned()]));
    it
}

/// Primary db-0 is taken away at 0, db-1 is promoted at 3 s and the Service leads to it at 5 s.
pub(crate) fn failover() -> Recording {
    let members = [
        ("db-0", MemberRole::Primary),
        ("db-1", MemberRole::Replica),
        ("db-2", MemberRole::Replica),
    ];
    let mut it = Recording::new(30_000, &members);
    it.lane("a/w-new", 200, &[(0, 5000)])
        .lane("a/r-new", 400, &[(0, 5000)]);
    let replica = |server: &str| state(server, MemberRole::Replica, false, true, (1, 60));
    it.says(
        "db-0",
        -10_000,
        0,
        &state("s0", MemberRole::Primary, true, true, (1, 50)),
    )
    .says("db-0", 0, 9000, &no_answer())
    .says(
        "db-0",
        9000,
        30_000,
        &state("s0b", MemberRole::Replica, false, true, (1, 90)),
    )
    .says("db-1", -10_000, 3000, &replica("s1"))
    .says(
        "db-1",
        3000,
        30_000,
        &state("s1", MemberRole::Primary, true, true, (1, 90)),
    )
    .says("db-2", -10_000, 30_000, &replica("s2"))
    .event(-9000, EventKind::Endpoints(vec!["db-0".to_owned()]))
    .event(100, EventKind::Endpoints(Vec::new()))
    .event(5000, EventKind::Endpoints(vec!["db-1".to_owned()]));
    it
}
