//! What a drill's report decides, on recorded rounds.

use std::collections::BTreeSet;

use super::*;
use crate::drill::model::*;
use crate::drill::recording::{Recording, failover, single, state, story};
use crate::finding::{Code, Section};
use crate::report::drill::{DrillFinding, Grade};

fn mark(report: &DrillReport, candidate: &str, row: &str) -> Grade {
    let candidate = report
        .candidates
        .iter()
        .find(|c| c.name == candidate)
        .unwrap();
    candidate
        .cells
        .iter()
        .find(|cell| cell.row == row)
        .unwrap()
        .mark
}

fn codes(report: &DrillReport, candidate: &str) -> Vec<&'static str> {
    report
        .findings
        .iter()
        .filter(|finding| finding.candidate == candidate)
        .map(|finding| finding.code.name())
        .collect()
}

fn find(report: &DrillReport, code: Code) -> &DrillFinding {
    report.findings.iter().find(|f| f.code == code).unwrap()
}

/// The report of these rounds of one candidate, with the story's first one as the plan.
fn of(rounds: Vec<Round>, limits: &[&str]) -> DrillReport {
    let (mut plan, _) = story::recorded();
    plan.candidates.truncate(1);
    let candidate = &mut plan.candidates[0];
    candidate.name.clone_from(&rounds[0].candidate);
    candidate.faults = vec![PlannedFault {
        fault: rounds[0].fault,
        victims: Vec::new(),
    }];
    let recorded = Recorded {
        rounds,
        ..Recorded::default()
    };
    let said: Vec<_> = limits.iter().map(|text| text.parse().unwrap()).collect();
    judge(
        &plan,
        &recorded,
        &RunFacts::default(),
        &LimitSet::default().with(&said),
    )
}

#[test]
fn the_storys_table() {
    let report = story::report();
    let overall = |name| mark(&report, name, "overall");
    assert_eq!(overall("mysql-alone"), Grade::Good);
    assert_eq!(overall("mysql-operator"), Grade::Bad);
    assert_eq!(overall("galera"), Grade::Good);
    assert_eq!(overall("vitess"), Grade::Bad);
    assert_eq!(overall("rds"), Grade::Good);
    // The operator's finding names the missing table as the cause, and what follows hangs on it.
    let table = find(&report, Code::DrillExpectedTableMissing);
    assert!(table.message.contains("sys_operator.heartbeat") && table.caused_by.is_none());
    for code in [
        Code::DrillServiceNotSwitched,
        Code::DrillNotRecovered,
        Code::DrillServiceEmpty,
    ] {
        assert_eq!(
            find(&report, code).caused_by.as_ref(),
            Some(&table.id),
            "{code}"
        );
    }
    assert_eq!(
        report.findings[0].code,
        Code::DrillExpectedTableMissing,
        "the cause stands first"
    );
    // That it has not joined is not claimed where there was nothing new to hold.
    assert!(!codes(&report, "mysql-operator").contains(&"drill-member-not-joined"));
    for good in ["mysql-alone", "galera", "rds"] {
        assert_eq!(codes(&report, good), Vec::<&str>::new(), "{good}");
    }
    assert_eq!((report.verdict, report.exit_code), (VerdictValue::Fail, 1));
}

#[test]
fn what_a_member_lacks_that_never_joined_again_is_no_missing_table() {
    let lacks = |member: &str| {
        let mut rounds = story::galera();
        rounds.truncate(1);
        let round = &mut rounds[0];
        // The new Pod runs, and is no whole member until the round ends.
        let batches = round
            .runners
            .iter_mut()
            .flat_map(|runner| &mut runner.batches);
        for said in batches.flat_map(|batch| &mut batch.members) {
            if said.member == "db-0" && said.server.as_deref() == Some("s0b") {
                said.joined = Some(false);
            }
        }
        round.ended = RoundEnd::PatienceOver("db-0 has not joined".to_owned());
        round.expected_after = vec![Expectation {
            table: "ops.heartbeat".to_owned(),
            member: member.to_owned(),
            holds: Some(false),
            detail: "1146: the table does not exist".to_owned(),
        }];
        let name = round.candidate.clone();
        codes(&of(rounds, &[]), &name)
    };
    let codes = lacks("db-0");
    assert!(
        codes.contains(&"drill-member-not-joined")
            && !codes.contains(&"drill-expected-table-missing"),
        "{codes:?}"
    );
    assert!(lacks("db-1").contains(&"drill-expected-table-missing"));
}

#[test]
fn all_limits_met_is_a_pass_and_says_what_it_does_not_exclude() {
    let report = of(story::alone(), &["write_down=5s"]);
    assert_eq!((report.verdict, report.exit_code), (VerdictValue::Pass, 0));
    let fault = &report.candidates[0].faults[0];
    assert_eq!(
        fault.not_excluded.as_deref(),
        Some("0 lost in 3 rounds does not exclude a loss in up to 63 % of such faults")
    );
    let spread = &fault.numbers[&Metric::WriteDown];
    assert_eq!(
        (spread.min, spread.median, spread.max),
        (Some(4200), Some(4200), Some(4200))
    );
}

#[test]
fn a_broken_limit_fails_and_one_within_the_resolution_is_not_known() {
    let report = of(story::alone(), &["write_down=3s"]);
    assert_eq!(report.exit_code, 1);
    assert_eq!(codes(&report, "mysql-alone"), ["drill-downtime-exceeded"]);
    let report = of(story::alone(), &["write_down=4.1s"]);
    assert_eq!(report.exit_code, 3);
    let limit = report.candidates[0].faults[0]
        .limits
        .iter()
        .find(|l| l.name == "write_down");
    assert!(
        limit
            .unwrap()
            .detail
            .contains("not known (round 1: 4.2 s ±0.2")
    );
}

#[test]
fn a_round_that_could_not_begin_is_not_passed() {
    for (ended, code) in [
        (
            RoundEnd::NotBegun(NotBegun::NotHealthy("db is away".into())),
            Code::DrillNotHealthyBefore,
        ),
        (
            RoundEnd::NotBegun(NotBegun::BaselineUnclean("timeout".into())),
            Code::DrillBaselineUnclean,
        ),
        (
            RoundEnd::Spoilt(Spoilt::RunnerLost("evicted".into())),
            Code::DrillRunnerLost,
        ),
        (
            RoundEnd::Spoilt(Spoilt::NoEffect("429".into())),
            Code::DrillNoEffect,
        ),
        (
            RoundEnd::Spoilt(Spoilt::ChangedByOthers("rollout".into())),
            Code::DrillChangedByOthers,
        ),
    ] {
        let mut rounds = story::alone();
        rounds[1].ended = ended;
        let report = of(rounds, &[]);
        assert_eq!(report.exit_code, 3, "{code}");
        assert_eq!(codes(&report, "mysql-alone"), [code.name()]);
        assert_eq!(mark(&report, "mysql-alone", "overall"), Grade::Unknown);
    }
    // Interrupted, or never begun: the same, without a finding.
    let mut rounds = story::alone();
    rounds[1].ended = RoundEnd::Spoilt(Spoilt::Interrupted("SIGINT".into()));
    assert_eq!(of(rounds, &[]).exit_code, 3);
    let (plan, recorded) = story::recorded();
    let none = Recorded {
        rounds: Vec::new(),
        ..recorded
    };
    assert_eq!(
        judge(&plan, &none, &RunFacts::default(), &LimitSet::default())
            .candidates
            .len(),
        5
    );
    let empty = Plan {
        candidates: Vec::new(),
        ..plan
    };
    let report = judge(
        &empty,
        &Recorded::default(),
        &RunFacts::default(),
        &LimitSet::default(),
    );
    assert_eq!(report.exit_code, 3);
}

fn lost_all() -> Round {
    let mut it = single();
    for state in &mut it.states {
        if state.server.as_deref() == Some("s1") {
            state.tip = None;
        }
    }
    it.audit(
        &[ReadPlace::Write, ReadPlace::Member("db".into())],
        |_, _, seq| seq < 60,
    );
    let mut round = it.round();
    round.candidate = "mysql-alone".into();
    round
}

#[test]
fn lost_writes_come_from_data_that_goes_with_the_pod() {
    let report = of(vec![lost_all()], &[]);
    assert_eq!(report.exit_code, 1);
    let lost = find(&report, Code::DrillDataLost);
    let cause = find(&report, Code::DrillNotPersistent);
    assert_eq!(lost.caused_by.as_ref(), Some(&cause.id));
    assert!(
        lost.evidence[0].contains("write address: a/w-held/0 1-59, a/w-new 1-53"),
        "{lost:?}"
    );
    assert_eq!(mark(&report, "mysql-alone", "persistent"), Grade::Bad);
    assert_eq!(mark(&report, "mysql-alone", "acked lost"), Grade::Bad);
    assert_eq!(report.candidates[0].faults[0].not_excluded, None);
    assert_eq!(of(vec![lost_all()], &["lost=any"]).exit_code, 0);
}

/// Every code of sections 9 and 10 is raised by some record; what each means stands in `checks/findings.yaml`.
#[test]
fn every_code_of_a_drill_is_raised() {
    let mut raised: BTreeSet<Code> = BTreeSet::new();
    let mut add = |report: &DrillReport| raised.extend(report.findings.iter().map(|f| f.code));
    add(&story::report());
    add(&of(vec![lost_all()], &["write_down=1s"]));
    add(&of(vec![troubled()], &[]));
    let mut rounds = story::alone();
    let ends = [
        RoundEnd::NotBegun(NotBegun::NotHealthy(String::new())),
        RoundEnd::NotBegun(NotBegun::BaselineUnclean(String::new())),
        RoundEnd::Spoilt(Spoilt::RunnerLost(String::new())),
        RoundEnd::Spoilt(Spoilt::NoEffect(String::new())),
        RoundEnd::Spoilt(Spoilt::ChangedByOthers(String::new())),
    ];
    rounds = ends
        .into_iter()
        .map(|ended| Round {
            ended,
            ..rounds[0].clone()
        })
        .collect();
    add(&of(rounds, &[]));
    let missing: Vec<&Code> = Code::ALL
        .iter()
        .filter(|code| {
            code.section() >= Section::Drills
                && code.name().starts_with("drill-")
                && !raised.contains(code)
        })
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// Everything at once: two primaries, a pinned pool, members that differ, one that does not join.
fn troubled() -> Round {
    let mut it: Recording = failover();
    let mut at = -10_000;
    while at < 30_000 {
        let pinned = (5500..17_500).contains(&at);
        let outcome = if pinned {
            AttemptOutcome::Refused
        } else {
            AttemptOutcome::Acked
        };
        let attempt = it.attempt("a/w-held/0", at, 5, outcome);
        attempt.sent_ms = Some(attempt.started_ms);
        attempt.server = Some("s0".into());
        at += 100;
    }
    it.states.retain(|s| s.member != "db-0");
    let old = state("s0", MemberRole::Primary, true, true, (1, 50));
    let mut back = state("s0b", MemberRole::Replica, false, false, (1, 50));
    back.says = "Yes/No 1236".into();
    it.says("db-0", -10_000, 6000, &old)
        .says("db-0", 12_000, 30_000, &back);
    it.pod(100, "db-0", "old", PodChange::Leaving)
        .pod(4000, "db-0", "new", PodChange::Running)
        .pod(5000, "db-0", "new", PodChange::Ready);
    it.round.ended = RoundEnd::PatienceOver("db-0 has not joined".into());
    let places = ["db-0", "db-1", "db-2"].map(|name| ReadPlace::Member(name.into()));
    let db0 = places[0].clone();
    it.audit(
        &[&[ReadPlace::Write], &places[..]].concat(),
        |place, _, seq| *place == db0 && seq > 50,
    );
    let mut round = it.round();
    round.candidate = "mysql-alone".into();
    round
}

#[test]
fn a_member_that_does_not_join_is_named_with_its_own_words() {
    let report = of(vec![troubled()], &[]);
    let joined = find(&report, Code::DrillMemberNotJoined);
    assert!(
        joined.evidence[0].contains("db-0 says Yes/No 1236"),
        "{joined:?}"
    );
    assert_eq!(
        find(&report, Code::DrillNotRecovered).caused_by.as_ref(),
        Some(&joined.id)
    );
    assert_eq!(
        find(&report, Code::DrillMembersDiverged).caused_by.as_ref(),
        Some(&find(&report, Code::DrillSplitBrain).id)
    );
    assert!(find(&report, Code::DrillReadyNotServing).evidence[0].contains("7.0 s"));
}

#[test]
fn the_service_of_an_only_member_is_to_blame_only_once_that_is_ready() {
    let codes = |ready: bool| {
        let mut it = single();
        it.round.events.retain(|event| match &event.what {
            EventKind::Endpoints(members) => event.at_ms < 0 || members.is_empty(),
            EventKind::Pod(pod) => ready || pod.change != PodChange::Ready,
            _ => true,
        });
        it.round.ended = RoundEnd::PatienceOver("no endpoint".to_owned());
        let mut round = it.round();
        round.candidate = "mysql-alone".into();
        let report = of(vec![round], &[]);
        let recovered = find(&report, Code::DrillNotRecovered).caused_by.clone();
        let empty = report
            .findings
            .iter()
            .find(|finding| finding.code == Code::DrillServiceEmpty);
        assert_eq!(recovered.as_ref(), empty.map(|finding| &finding.id));
        empty.is_some()
    };
    assert!(codes(true), "Ready, and the Service does not lead to it");
    assert!(!codes(false), "never Ready: that is what is to be fixed");
}

#[test]
fn a_refused_write_that_is_there_is_our_mistake() {
    let mut rounds = story::alone();
    let written = rounds[0].audit.as_mut().unwrap();
    // Refused while it was away: seqs 54 to 73.
    let rows = written.answers[0].rows.get_mut("a/w-new").unwrap();
    rows.whole.insert(60);
    let report = of(rounds, &[]);
    assert!(
        report.notes[0].contains("list of sure refusals"),
        "{:?}",
        report.notes
    );
    assert_eq!(report.exit_code, 0);
}

/// The fixture of the reports' tests is this report.
#[test]
fn the_fixture_of_the_reports_is_the_storys_table() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/fixtures/drill/story.json"
    );
    let bytes = crate::report::drill::json(&story::report()).unwrap();
    if std::env::var_os("UPDATE_GOLDENS").is_some() {
        std::fs::write(path, &bytes).unwrap();
    }
    let text = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        text.as_bytes() == bytes,
        "tests/fixtures/drill/story.json differs; write it with UPDATE_GOLDENS=1"
    );
    let back: DrillReport = serde_json::from_str(&text).unwrap();
    assert_eq!(back, story::report());
}

#[test]
fn chances_are_those_of_the_rule_of_three() {
    for (rounds, percent) in [(1, 95), (3, 63), (10, 26), (30, 10), (300, 1)] {
        assert_eq!(chance_not_excluded(rounds), percent);
    }
}
