//! The numbers of rounds that were written by hand, and of random histories, which a naive model is held against.

use std::collections::BTreeMap;

use super::measure;
use crate::drill::model::*;
use crate::drill::recording::{OFFSET, Recording, failover, no_answer, single, state};
use crate::drill::seqs::SeqSet;

mod histories;

fn known(result: &RoundResult, metric: Metric) -> u64 {
    match &result.numbers[&metric] {
        Value::Known { number, .. } => *number,
        other => panic!("{metric:?}: {other:?}"),
    }
}

fn is_unknown(result: &RoundResult, metric: Metric) -> bool {
    matches!(result.numbers[&metric], Value::Unknown { .. })
}

#[test]
fn a_single_server_that_keeps_its_data() {
    let mut it = single();
    let member = ReadPlace::Member("db".to_owned());
    it.audit(&[ReadPlace::Write, member], |_, _, _| false);
    let result = it.measure();
    assert_eq!(known(&result, Metric::WriteDown), 4200);
    assert_eq!(known(&result, Metric::HeldDown), 4300);
    assert_eq!(known(&result, Metric::PodRunning), 1500);
    assert_eq!(known(&result, Metric::PodReady), 3000);
    assert_eq!(known(&result, Metric::Serves), 4000);
    assert_eq!(known(&result, Metric::ReadyLie), 1000);
    assert_eq!(known(&result, Metric::ServiceEmpty), 2400);
    for metric in [
        Metric::Lost,
        Metric::LostEverywhere,
        Metric::Torn,
        Metric::Pinned,
    ] {
        assert_eq!(known(&result, metric), 0, "{metric:?}");
    }
    assert_eq!(result.recovers, Some(true));
    assert_eq!(result.outages, [(405, Some(4605))]);
    // 5 new and 10 held writes a second.
    assert!(
        (14_900..=15_200).contains(&result.write_rate_milli),
        "{}",
        result.write_rate_milli
    );
    // One member alone has no one to differ from, and nothing is promoted.
    for metric in [
        Metric::Diverged,
        Metric::SplitBrain,
        Metric::Promoted,
        Metric::StallSurvivors,
    ] {
        assert!(!result.numbers.contains_key(&metric), "{metric:?}");
    }
}

#[test]
fn a_person_acts_when_the_first_member_goes_and_not_when_the_watch_begins() {
    let mut it = single();
    it.audit(&[ReadPlace::Write], |_, _, _| false);
    let made = it.measure();
    it.round.fault = Fault::Watch;
    it.round.fault_ms = Some(-5000);
    it.round.victims.clear();
    let round = it.round();
    let seen = super::watched(&round);
    assert_eq!(seen.victims[0].member, "db");
    let result = measure(&seen);
    assert_eq!(known(&result, Metric::WriteDown), 4200);
    for metric in [Metric::PodRunning, Metric::PodReady, Metric::Serves] {
        let (by_hand, by_tool) = (known(&result, metric), known(&made, metric));
        assert!(
            by_hand.abs_diff(by_tool) < 500,
            "{metric:?}: {by_hand} {by_tool}"
        );
    }
}

#[test]
fn a_watch_in_which_nothing_happens_has_no_victim_and_meets_no_limit() {
    let mut it = single();
    it.attempts.clear();
    it.round.events.clear();
    for (name, every) in [("a/w-new", 200), ("a/w-held/0", 100)] {
        it.lane(name, every, &[]);
    }
    it.round.fault = Fault::Watch;
    it.round.victims.clear();
    let round = it.round();
    let seen = super::watched(&round);
    assert!(seen.victims.is_empty());
    assert!(matches!(seen.ended, RoundEnd::Spoilt(Spoilt::NoEffect(_))));
    let result = measure(&seen);
    assert!(result.outages.is_empty() && result.recovers.is_none());
}

#[test]
fn reads_with_an_address_of_their_own_are_away_only_there() {
    let mut it = single();
    it.audit(&[ReadPlace::Write], |_, _, _| false);
    let through_write = known(&it.measure(), Metric::ReadDown);
    assert!(through_write > 4000);
    let mut lane = it.round.runners[0].lanes[2].clone();
    lane.name = "a/r-new/read".to_owned();
    lane.address.host = "db-read".to_owned();
    it.round.runners[0].lanes.push(lane);
    it.lane("a/r-new/read", 400, &[]);
    assert_eq!(known(&it.measure(), Metric::ReadDown), 0);
}

#[test]
fn it_has_joined_only_with_what_came_before_and_after() {
    let mut it = single();
    it.audit(&[ReadPlace::Write], |_, _, _| false);
    // The first write after the fault is seq 51 (at 0 s), then 76 (at 4.6 s): what it shows at 4.0 s ends at 51, acked before the server went away.
    assert_eq!(known(&it.measure(), Metric::Joined), 4000);
    for state in &mut it.states {
        if state.server.as_deref() == Some("s1") && state.ended_ms < 4600 + OFFSET {
            state.joined = Some(false);
        }
    }
    assert_eq!(known(&it.measure(), Metric::Joined), 4600);
}

#[test]
fn a_server_that_may_not_be_asked_has_joined_by_what_it_holds() {
    let mut it = single();
    it.audit(&[ReadPlace::Write], |_, _, _| false);
    it.states.iter_mut().for_each(|state| state.joined = None);
    assert_eq!(known(&it.measure(), Metric::Joined), 4000);
    // Of several, one that holds nothing new is not known to follow.
    let mut it = failover();
    it.audit(&[ReadPlace::Write], |_, _, _| false);
    for state in &mut it.states {
        state.joined = None;
    }
    let joined = known(&it.measure(), Metric::Joined);
    for state in &mut it.states {
        if state.server.as_deref() == Some("s0b") && state.ended_ms < 12_000 + OFFSET {
            for span in state.tip.iter_mut().flat_map(|tip| tip.values_mut()) {
                span.last = 50;
            }
        }
    }
    assert!(known(&it.measure(), Metric::Joined) > joined);
}

#[test]
fn an_old_server_that_answers_once_more_after_an_error_has_not_come_back() {
    let mut it = single();
    it.audit(&[ReadPlace::Write], |_, _, _| false);
    // Name and id lie on the volume: the new server is called as the old one.
    for state in &mut it.states {
        if state.server.is_some() {
            state.server = Some("s0".to_owned());
        }
    }
    let mut last = it.states[0].clone();
    last.ended_ms = 600 + OFFSET;
    let after = it
        .states
        .partition_point(|state| state.ended_ms <= 500 + OFFSET);
    it.states.insert(after, last);
    assert_eq!(known(&it.measure(), Metric::Serves), 4000);
}

#[test]
fn the_first_answer_at_a_new_address_is_as_coarse_as_the_time_until_it_was_asked() {
    let resolution = |host: &str| {
        let mut it = single();
        it.audit(&[ReadPlace::Write], |_, _, _| false);
        for state in &mut it.states {
            let is_new = state.server.as_deref() == Some("s1");
            state.host = if is_new { host } else { "10.0.0.1" }.to_owned();
        }
        match it.measure().numbers[&Metric::Joined] {
            Value::Known { resolution, .. } => resolution,
            ref other => panic!("{other:?}"),
        }
    };
    // Ready at 3 s and first asked at 4 s, where it may have served since 1.5 s: no lie is proven.
    let mut late = single();
    late.audit(&[ReadPlace::Write], |_, _, _| false);
    for state in &mut late.states {
        let is_new = state.server.as_deref() == Some("s1");
        state.host = if is_new { "10.0.0.2" } else { "10.0.0.1" }.to_owned();
    }
    assert_eq!(known(&late.measure(), Metric::ReadyLie), 0);
    // It was asked every 250 ms where it answers at last.
    assert_eq!(resolution("10.0.0.1"), 250);
    // Its Pod ran from 1.5 s on at an address that was not asked before 4 s.
    assert_eq!(resolution("10.0.0.2"), 2500);
}

#[test]
fn lanes_that_stopped_for_an_audit_without_an_answer_were_not_away() {
    let mut it = single();
    it.round.end_ms = 80_000;
    it.attempts.clear();
    it.lane("a/w-new", 200, &[(500, 4500), (20_000, 80_000)]);
    it.attempts.retain(|attempt| {
        attempt.ended_ms < 20_000 + OFFSET || attempt.outcome == AttemptOutcome::Acked
    });
    it.lane_from("a/w-new", 80_000, 82_000, 200);
    it.round.end_ms = 20_000;
    let result = it.measure();
    assert_eq!(known(&result, Metric::WriteDown), 4200);
    assert_eq!(result.outages, [(405, Some(4605))]);
}

#[test]
fn an_outage_is_longer_than_the_pauses_of_a_slow_client() {
    let slow = |away: &[(i64, i64)]| {
        let mut it = Recording::new(30_000, &[("db", MemberRole::Primary)]);
        it.lane("a/w-new", 900, away)
            .audit(&[ReadPlace::Write], |_, _, _| false);
        it.measure().numbers[&Metric::WriteDown].clone()
    };
    let Value::Known { number, resolution } = slow(&[(500, 8000)]) else {
        panic!("it is no outage");
    };
    assert!((7500..=9900).contains(&number), "{number}");
    assert!((900..1000).contains(&resolution), "{resolution}");
    // That there was none cannot be determined.
    assert!(matches!(slow(&[]), Value::Unknown { .. }));
    assert!(matches!(slow(&[(500, 2000)]), Value::Unknown { .. }));
}

/// A single server whose new process holds nothing from before the fault.
fn back_empty() -> Recording {
    let mut it = single();
    for state in &mut it.states {
        if state.server.as_deref() == Some("s1") {
            state.tip = Some(BTreeMap::from([(
                "a/w-new".to_owned(),
                Span {
                    first: 76,
                    last: 90,
                },
            )]));
        }
    }
    it
}

#[test]
fn a_server_that_comes_back_empty_has_lost_what_was_acked() {
    let mut it = back_empty();
    it.audit(
        &[ReadPlace::Write, ReadPlace::Member("db".to_owned())],
        |_, lane, seq| seq <= if lane == "a/w-new" { 53 } else { 105 },
    );
    let result = it.measure();
    assert_eq!(known(&result, Metric::Lost), 158);
    assert_eq!(result.lost["write address"]["a/w-new"].to_string(), "1-53");
    assert!(matches!(
        result.numbers[&Metric::Serves],
        Value::Over { number: 20_000 }
    ));
    // No one holds what was before: it is the member that it can be, and it answered once it was Ready.
    assert_eq!(known(&result, Metric::Joined), 4000);
    assert_eq!(known(&result, Metric::ReadyLie), 1000);
}

#[test]
fn without_an_audit_a_member_that_shows_no_old_data_is_neither_apart_nor_late() {
    let mut it = back_empty();
    it.audit(&[ReadPlace::Write], |_, _, _| false);
    let whole = it.round();
    let mut silent = whole.clone();
    silent.audit.as_mut().unwrap().answers[0].error = Some("closed: it ended".to_owned());
    let mut unread = whole.clone();
    unread.audit = None;
    for (round, why) in [(silent, "did not answer"), (unread, "was not read")] {
        let result = measure(&round);
        for metric in [Metric::Joined, Metric::ReadyLie, Metric::Lost] {
            match &result.numbers[&metric] {
                Value::Unknown { reason } => assert!(reason.contains(why), "{reason}"),
                other => panic!("{metric:?}: {other:?}"),
            }
        }
    }
    // Where the audit found the old data, the member that never showed it is apart.
    assert!(matches!(
        measure(&whole).numbers[&Metric::Joined],
        Value::Over { .. }
    ));
}

#[test]
fn a_missing_batch_makes_the_outage_unknown_and_never_short() {
    let mut it = single();
    it.audit(&[ReadPlace::Write], |_, _, _| false);
    let whole = it.round();
    for dropped in [11, 12, 18, 25] {
        let mut round = whole.clone();
        round.runners[0]
            .batches
            .retain(|batch| batch.number != dropped);
        let result = measure(&round);
        assert!(is_unknown(&result, Metric::Lost), "{dropped}");
        match &result.numbers[&Metric::WriteDown] {
            Value::Known { number, .. } => assert_eq!(*number, 4200, "{dropped}"),
            Value::Unknown { reason } => assert!(reason.contains("missing"), "{reason}"),
            Value::Over { .. } => panic!("{dropped}"),
        }
    }
    // The outage's own second.
    let mut round = whole;
    round.runners[0].batches.retain(|batch| batch.number != 12);
    assert!(is_unknown(&measure(&round), Metric::WriteDown));
}

#[test]
fn sums_that_do_not_fit_make_it_unknown() {
    let mut it = single();
    it.audit(&[ReadPlace::Write], |_, _, _| false);
    let mut round = it.round();
    let batches = round.runners[0].batches.len() as u64;
    let sums = |acked| LaneSums {
        acked,
        ..LaneSums::default()
    };
    let all = it.attempts.iter().filter(|a| a.lane == "a/w-new").count() as u64;
    let mut end = End {
        batches,
        lanes: BTreeMap::from([("a/w-new".to_owned(), sums(all))]),
    };
    round.runners[0].end = Some(end.clone());
    assert_eq!(known(&measure(&round), Metric::Lost), 0);
    end.lanes.insert("a/w-new".to_owned(), sums(all + 1));
    round.runners[0].end = Some(end);
    assert!(is_unknown(&measure(&round), Metric::Lost));
    assert!(is_unknown(&measure(&round), Metric::WriteDown));
}

#[test]
fn a_runner_without_the_processor_proves_no_outage() {
    let mut it = Recording::new(20_000, &[("db", MemberRole::Primary)]);
    it.lane("a/w-new", 200, &[]);
    it.attempts
        .retain(|a| !(3000 + OFFSET..6000 + OFFSET).contains(&a.started_ms));
    let next = it
        .attempts
        .iter_mut()
        .find(|a| a.started_ms >= 6000 + OFFSET)
        .unwrap();
    next.late_ms = 2900;
    let result = it.measure();
    assert!(is_unknown(&result, Metric::WriteDown), "{result:?}");
    assert_eq!(result.blind, [(3100, 6000)]);
    // In an outage that is there anyhow, it makes the number coarser.
    let mut it = single();
    let mut late: Vec<&mut Attempt> = it
        .attempts
        .iter_mut()
        .filter(|a| a.lane == "a/w-new" && a.started_ms == 2000 + OFFSET)
        .collect();
    late[0].late_ms = 300;
    match it.measure().numbers[&Metric::WriteDown] {
        Value::Known { number, resolution } => assert_eq!((number, resolution), (4200, 500)),
        ref other => panic!("{other:?}"),
    }
}

#[test]
fn what_never_comes_back_is_over_patience() {
    let mut it = Recording::new(60_000, &[("db", MemberRole::Primary)]);
    it.round.ended = RoundEnd::PatienceOver("db does not answer".to_owned());
    it.lane("a/w-new", 200, &[(500, 99_000)])
        .lane("a/w-held/0", 100, &[(500, 99_000)])
        .says(
            "db",
            -10_000,
            500,
            &state("s0", MemberRole::Primary, true, true, (1, 10)),
        )
        .says("db", 500, 60_000, &no_answer());
    let result = it.measure();
    assert!(matches!(
        result.numbers[&Metric::WriteDown],
        Value::Over { number: 59_595 }
    ));
    for metric in [Metric::PodRunning, Metric::Serves, Metric::Joined] {
        assert!(
            matches!(result.numbers[&metric], Value::Over { number: 60_000 }),
            "{metric:?}"
        );
    }
    assert!(is_unknown(&result, Metric::Lost));
    assert_eq!(result.recovers, Some(false));
}

#[test]
fn a_quiet_round_shows_nothing() {
    let mut it = Recording::new(20_000, &[("db", MemberRole::Primary)]);
    it.round.fault = Fault::None;
    it.round.victims.clear();
    it.lane("a/w-new", 200, &[])
        .lane("a/w-held/0", 100, &[])
        .lane("a/r-new", 400, &[]);
    it.event(-9000, EventKind::Endpoints(vec!["db".to_owned()]));
    it.audit(
        &[ReadPlace::Write, ReadPlace::Member("db".to_owned())],
        |_, _, _| false,
    );
    let result = it.measure();
    for (metric, value) in &result.numbers {
        assert!(
            matches!(value, Value::Known { number: 0, .. }),
            "{metric:?} {value:?}"
        );
    }
    assert!(!result.numbers.contains_key(&Metric::PodRunning));
}

#[test]
fn a_round_that_could_not_begin_has_no_number() {
    let mut it = single();
    it.round.ended = RoundEnd::NotBegun(NotBegun::BaselineUnclean("a/w-new timed out".to_owned()));
    let result = it.measure();
    assert!(result.numbers.values().all(
        |value| matches!(value, Value::Unknown { reason } if reason.contains("a/w-new timed out"))
    ));
    assert_eq!(result.recovers, None);
}

#[test]
fn a_promotion_and_the_service_that_follows() {
    let mut it = failover();
    let places = ["db-0", "db-1", "db-2"].map(|name| ReadPlace::Member(name.to_owned()));
    let all = [&[ReadPlace::Write], &places[..]].concat();
    // The promoted one lacks the last two, and the other replica still holds one of them.
    let db2 = ReadPlace::Member("db-2".to_owned());
    it.audit(&all, |place, _, seq| {
        seq == 50 || (seq == 49 && *place != db2)
    });
    let result = it.measure();
    assert_eq!(known(&result, Metric::Promoted), 3000);
    assert_eq!(known(&result, Metric::ServiceSwitched), 5000);
    assert_eq!(known(&result, Metric::ServiceEmpty), 4900);
    assert_eq!(known(&result, Metric::Lost), 2);
    assert_eq!(known(&result, Metric::LostEverywhere), 1);
    assert_eq!(known(&result, Metric::Diverged), 1);
    assert_eq!(known(&result, Metric::SplitBrain), 0);
    assert_eq!(known(&result, Metric::Joined), 9000);
}

#[test]
fn a_promoted_one_whose_service_leads_nowhere() {
    let mut it = failover();
    it.round.events.pop();
    it.round.ended = RoundEnd::PatienceOver("no endpoint".to_owned());
    let result = it.measure();
    assert_eq!(known(&result, Metric::Promoted), 3000);
    assert!(matches!(
        result.numbers[&Metric::ServiceSwitched],
        Value::Over { number: 30_000 }
    ));
    assert!(matches!(
        result.numbers[&Metric::ServiceEmpty],
        Value::Over { number: 29_900 }
    ));
}

#[test]
fn two_primaries_at_once_are_a_split() {
    let mut it = failover();
    it.states
        .retain(|s| s.member != "db-0" || s.ended_ms < OFFSET);
    it.says(
        "db-0",
        0,
        6000,
        &state("s0", MemberRole::Primary, true, true, (1, 50)),
    )
    .says("db-0", 6000, 30_000, &no_answer());
    let split = known(&it.measure(), Metric::SplitBrain);
    assert!((2500..=3000).contains(&split), "{split}");
}

#[test]
fn writes_that_two_servers_take_in_turn_are_a_split() {
    let mut it = failover();
    for attempt in it
        .attempts
        .iter_mut()
        .filter(|a| a.started_ms >= 5000 + OFFSET)
    {
        let turn = attempt.started_ms / 1000 % 2 == 0;
        attempt.server = Some(if turn { "s1" } else { "s2" }.to_owned());
    }
    assert!(known(&it.measure(), Metric::SplitBrain) > 20_000);
    // Peers of one group may.
    for role in it.round.members.values_mut() {
        *role = Some(MemberRole::Peer);
    }
    for state in &mut it.states {
        state.role = Some(MemberRole::Peer);
        state.group = Some("g".to_owned());
    }
    assert_eq!(known(&it.measure(), Metric::SplitBrain), 0);
    // Of two groups they may not.
    for state in it.states.iter_mut().filter(|s| s.member == "db-2") {
        state.writable = Some(true);
        state.group = Some("another".to_owned());
    }
    assert!(known(&it.measure(), Metric::SplitBrain) > 20_000);
}

#[test]
fn a_pool_that_stays_on_the_old_primary_is_pinned() {
    let mut it = failover();
    let mut at = -10_000;
    while at < 30_000 {
        let refused = (5500..17_500).contains(&at);
        let outcome = if refused {
            AttemptOutcome::Refused
        } else {
            AttemptOutcome::Acked
        };
        let attempt = it.attempt("a/w-held/0", at, 5, outcome);
        // Refused by the server that it is connected to.
        attempt.sent_ms = Some(at + OFFSET);
        attempt.server = Some("s0".to_owned());
        at += 100;
    }
    let result = it.measure();
    assert_eq!(known(&result, Metric::Pinned), 11_905);
    // Its connection led to the member that was hit.
    assert_eq!(known(&result, Metric::HeldDown), 12_100);
    for attempt in it.attempts.iter_mut().filter(|a| a.lane == "a/w-held/0") {
        attempt.server = Some("s2".to_owned());
    }
    assert_eq!(known(&it.measure(), Metric::StallSurvivors), 12_100);
    for attempt in it.attempts.iter_mut().filter(|a| a.lane == "a/w-held/0") {
        attempt.server = Some("no one knows".to_owned());
    }
    assert!(is_unknown(&it.measure(), Metric::StallSurvivors));
}

#[test]
fn a_read_that_misses_an_ack_is_stale_unless_the_write_is_lost() {
    let mut it = single();
    it.audit(&[ReadPlace::Write], |_, _, _| false);
    assert_eq!(known(&it.measure(), Metric::Stale), 0);
    let mut reads = it.attempts.iter_mut().filter(|a| a.lane == "a/r-new");
    let read = reads.nth(20).unwrap();
    assert_eq!(read.started_ms, -2000 + OFFSET);
    // New writes 1 to 40 were acked before it began.
    read.saw.insert("a/w-new".to_owned(), 39);
    assert_eq!(known(&it.measure(), Metric::Stale), 1);
    it.audit(&[ReadPlace::Write], |_, lane, seq| {
        lane == "a/w-new" && seq == 40
    });
    assert_eq!(known(&it.measure(), Metric::Stale), 0);
}

#[test]
fn an_audit_that_was_not_answered_excludes_nothing() {
    let mut it = failover();
    let places = ["db-0", "db-1", "db-2"].map(|name| ReadPlace::Member(name.to_owned()));
    it.audit(&[&[ReadPlace::Write], &places[..]].concat(), |_, _, _| {
        false
    });
    for answer in &mut it.round.audit.as_mut().unwrap().answers {
        if answer.place != places[0] {
            answer.error = Some("timeout".to_owned());
            answer.rows.clear();
        }
    }
    let result = it.measure();
    for metric in [
        Metric::Lost,
        Metric::Diverged,
        Metric::Torn,
        Metric::Recovered,
    ] {
        assert!(is_unknown(&result, metric), "{metric:?}");
    }
    // All of it is on the one that answered.
    assert_eq!(known(&result, Metric::LostEverywhere), 0);
}

#[test]
fn half_a_transaction_is_torn() {
    let mut it = single();
    it.audit(
        &[ReadPlace::Write, ReadPlace::Member("db".to_owned())],
        |_, _, _| false,
    );
    for answer in &mut it.round.audit.as_mut().unwrap().answers {
        let rows = answer.rows.get_mut("a/w-held/0").unwrap();
        let one: SeqSet = [7].into_iter().collect();
        rows.whole = rows.whole.difference(&one);
        rows.half = one;
    }
    let result = it.measure();
    assert_eq!(known(&result, Metric::Torn), 1);
    assert_eq!(known(&result, Metric::Lost), 1);
}

/// What another program measured in the same attempts, at the same time: the bed's judge, which shares no code with this. Both know the attempts of its
/// clients, the watch events and the rows.
#[derive(serde::Deserialize)]
struct Judged {
    judge: serde_json::Value,
    round: Round,
}

/// Recorded on a cluster of two nodes.
const RECORDED: &[(&str, &str)] = &[
    (
        "galera",
        include_str!("../../../tests/fixtures/drill/judge-galera.json"),
    ),
    (
        "mysql-single",
        include_str!("../../../tests/fixtures/drill/judge-mysql-single.json"),
    ),
    (
        "mysql-single-volume",
        include_str!("../../../tests/fixtures/drill/judge-mysql-single-volume.json"),
    ),
];

/// Seconds of the judge in milliseconds; `null`: never.
fn judged(value: &serde_json::Value, path: &str) -> Option<u64> {
    let seconds = value
        .pointer(path)
        .unwrap_or_else(|| panic!("{path}"))
        .as_f64()?;
    // Two digits, at most an hour.
    format!("{:.0}", seconds * 1000.0).parse().ok()
}

#[test]
fn recorded_rounds_measure_as_the_judge_of_the_bed_did() {
    for (name, text) in RECORDED {
        let Judged { judge, round } = serde_json::from_str(text).unwrap();
        let result = measure(&round);
        let close = |metric: Metric, judged: Option<u64>, within: u64| match (
            result.numbers.get(&metric),
            judged,
        ) {
            (Some(Value::Known { number, .. }), Some(judged)) => assert!(
                number.abs_diff(judged) <= within,
                "{name} {metric:?}: {number}, the judge says {judged}"
            ),
            (Some(Value::Over { .. }), None) => {}
            (ours, judged) => panic!("{name} {metric:?}: {ours:?}, the judge says {judged:?}"),
        };
        close(Metric::WriteDown, judged(&judge, "/write/down_s"), 20);
        close(Metric::ReadDown, judged(&judge, "/read/down_s"), 20);
        let held = judge["held"].as_object().unwrap();
        let longest = |key: &str| {
            let of = |lane: &serde_json::Value| judged(lane, key);
            let all: Vec<Option<u64>> = held.values().map(of).collect();
            all.into_iter()
                .collect::<Option<Vec<u64>>>()
                .and_then(|all| all.into_iter().max())
        };
        let ours = [Metric::HeldDown, Metric::StallSurvivors]
            .into_iter()
            .filter(|metric| result.numbers.contains_key(metric))
            .max_by_key(|metric| badness_of(&result.numbers[metric]))
            .unwrap();
        close(ours, longest("/down_s"), 20);
        close(Metric::Pinned, longest("/pinned_s"), 300);
        let pods = judge["pods"].as_array().unwrap();
        assert_eq!(pods.len(), 1, "{name}");
        close(Metric::PodRunning, judged(&pods[0], "/running_s"), 20);
        close(Metric::PodReady, judged(&pods[0], "/ready_s"), 20);
        close(Metric::Serves, judged(&pods[0], "/old_data_s"), 300);
        close(Metric::Joined, judged(&pods[0], "/joined_s"), 300);
        close(
            Metric::ServiceEmpty,
            judged(&judge, "/roles/service_empty_s"),
            20,
        );
        if let Some(promoted) = judged(&judge, "/roles/promoted_s") {
            close(Metric::Promoted, Some(promoted), 300);
        }
        match judge["data"]["lost"].as_u64() {
            Some(lost) => assert_eq!(known(&result, Metric::Lost), lost, "{name}"),
            None => assert!(is_unknown(&result, Metric::Lost), "{name}"),
        }
        if let Some(stale) = judge["data"]["stale_reads"].as_u64() {
            assert_eq!(known(&result, Metric::Stale), stale, "{name}");
        }
        assert_eq!(result.recovers, judge["recovers"].as_bool(), "{name}");
    }
}

fn badness_of(value: &Value) -> (u8, u64) {
    super::worst_last(value)
}
