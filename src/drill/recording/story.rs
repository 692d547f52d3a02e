//! The story's own table as a drill: `MySQL` alone, an operator whose new primary no one reaches, Galera, the stand-in for Vitess, and a managed one.

use std::collections::BTreeMap;

use super::{Recording, failover, no_answer, single, state};
use crate::drill::judge::{Recorded, RunFacts, judge};
use crate::drill::limit::LimitSet;
use crate::drill::model::*;
use crate::report::drill::{CandidateSql, DrillReport};

fn candidate(name: &str, members: &[&str], volumes: &[&str], fault: Fault) -> Candidate {
    let address = |host: &str| Address {
        host: host.to_owned(),
        port: 3306,
    };
    Candidate {
        name: name.to_owned(),
        namespace: format!("bed-{name}"),
        engine: Engine::Mysql,
        write: address("db"),
        write_service: Some("db".to_owned()),
        read: None,
        members: members
            .iter()
            .map(|member| Member {
                name: (*member).to_owned(),
                address: address(member),
                pod: None,
            })
            .collect(),
        workloads: vec!["statefulset/db".to_owned()],
        size: u32::try_from(members.len()).unwrap(),
        login: CandidateLogin::default(),
        fresh: false,
        volumes: volumes.iter().map(|volume| (*volume).to_owned()).collect(),
        expect: Vec::new(),
        faults: vec![PlannedFault {
            fault,
            victims: Vec::new(),
        }],
        keys: Keys::default(),
        refusals: Vec::new(),
    }
}

fn named(candidate: &str, number: u32, mut round: Round) -> Round {
    round.candidate = candidate.to_owned();
    round.number = number;
    round
}

fn places(members: &[&str]) -> Vec<ReadPlace> {
    let members = members
        .iter()
        .map(|name| ReadPlace::Member((*name).to_owned()));
    [ReadPlace::Write].into_iter().chain(members).collect()
}

/// Away for 4 s, with its data.
pub(crate) fn alone() -> Vec<Round> {
    (1..=3)
        .map(|number| {
            let mut it = single();
            it.event(0, EventKind::FaultStarted);
            it.audit(&places(&["db"]), |_, _, _| false);
            named("mysql-alone", number, it.round())
        })
        .collect()
}

/// Promoted, and the Service never leads to it: the heartbeat table is missing.
pub(crate) fn operator() -> Vec<Round> {
    let mut it = failover();
    it.round.events.pop();
    it.event(0, EventKind::FaultStarted);
    it.attempts.clear();
    it.lane("a/w-new", 200, &[(0, 99_000)])
        .lane("a/w-held/0", 100, &[(0, 99_000)])
        .lane("a/r-new", 400, &[(0, 99_000)]);
    it.audit(&places(&["db-0", "db-1", "db-2"]), |_, _, _| false);
    let through_service = &mut it.round.audit.as_mut().unwrap().answers[0];
    through_service.error = Some("timeout".to_owned());
    through_service.rows.clear();
    it.round.ended = RoundEnd::PatienceOver("no write is served".to_owned());
    let heartbeat = |holds, detail: &str| Expectation {
        table: "sys_operator.heartbeat".to_owned(),
        member: "db-1".to_owned(),
        holds: Some(holds),
        detail: detail.to_owned(),
    };
    it.round.expected_after = vec![heartbeat(false, "1146: the table does not exist")];
    vec![named("mysql-operator", 1, it.round())]
}

/// A member of three that joins after its copy, while the others go on.
pub(crate) fn galera() -> Vec<Round> {
    let names = ["db-0", "db-1", "db-2"];
    let members = names.map(|name| (name, MemberRole::Peer));
    (1..=3)
        .map(|number| {
            let mut it = Recording::new(30_000, &members);
            it.event(0, EventKind::FaultStarted);
            it.lane("a/w-new", 200, &[(400, 1900)]);
            it.lane("a/w-held/0", 100, &[]);
            it.lane("a/r-new", 400, &[(400, 1900)]);
            for attempt in &mut it.attempts {
                attempt.server = Some("s1".to_owned());
            }
            let peer = |server: &str, last| {
                let mut said = state(server, MemberRole::Peer, true, true, (1, last));
                said.group = Some("7f3a".to_owned());
                said.size = Some(3);
                said.says = "Primary Synced".to_owned();
                said
            };
            let mut joiner = peer("s0b", 60);
            joiner.joined = Some(false);
            joiner.writable = Some(false);
            joiner.says = "Primary Joiner".to_owned();
            it.says("db-0", -10_000, 300, &peer("s0", 50))
                .says("db-0", 300, 4000, &no_answer())
                .says("db-0", 4000, 8000, &joiner)
                .says("db-0", 8000, 30_000, &peer("s0b", 100))
                .says("db-1", -10_000, 30_000, &peer("s1", 100))
                .says("db-2", -10_000, 30_000, &peer("s2", 100))
                .pod(0, "db-0", "old", PodChange::Leaving)
                .pod(1500, "db-0", "new", PodChange::Created)
                .pod(2500, "db-0", "new", PodChange::Running)
                .pod(8200, "db-0", "new", PodChange::Ready)
                .event(
                    -9000,
                    EventKind::Endpoints(names.map(str::to_owned).to_vec()),
                )
                .event(
                    400,
                    EventKind::Endpoints(names[1..].iter().map(|n| (*n).to_owned()).collect()),
                )
                .event(
                    8300,
                    EventKind::Endpoints(names.map(str::to_owned).to_vec()),
                );
            it.audit(&places(&names), |_, _, _| false);
            named("galera", number, it.round())
        })
        .collect()
}

/// Outside of the cluster: the user's hook reboots it.
pub(crate) fn managed() -> Vec<Round> {
    let mut it = Recording::new(45_000, &[("shop.rds.example", MemberRole::Primary)]);
    it.round.fault = Fault::Hook;
    it.round.victims.clear();
    it.round.write_service = None;
    let up = |server: &str| state(server, MemberRole::Primary, true, true, (1, 60));
    it.lane("a/w-new", 200, &[(800, 29_000)])
        .lane("a/w-held/0", 100, &[(800, 29_100)])
        .lane("a/r-new", 400, &[(800, 29_000)])
        .says("shop.rds.example", -10_000, 800, &up("s0"))
        .says("shop.rds.example", 800, 28_800, &no_answer())
        .says("shop.rds.example", 28_800, 45_000, &up("s1"))
        .event(0, EventKind::FaultStarted)
        .event(27_000, EventKind::FaultEnded);
    it.audit(&places(&["shop.rds.example"]), |_, _, _| false);
    vec![named("rds", 1, it.round())]
}

/// A relay that refuses half of the SQL, before a server that comes back.
pub(crate) fn relay() -> Vec<Round> {
    let mut it = single();
    it.event(0, EventKind::FaultStarted);
    it.audit(&places(&["db"]), |_, _, _| false);
    vec![named("vitess", 1, it.round())]
}

fn sql(statements: u64, required: u64, real: u64, cosmetic: u64) -> CandidateSql {
    CandidateSql {
        statements,
        required,
        real,
        cosmetic,
        not_run: 0,
        unknown: 0,
        detail: Vec::new(),
    }
}

/// Plan and records of all five.
pub(crate) fn recorded() -> (Plan, Recorded) {
    let members = ["db-0", "db-1", "db-2"];
    let plan = Plan {
        run: "5t0ry".to_owned(),
        seed: 1,
        rounds: 3,
        patience_ms: 60_000,
        candidates: vec![
            candidate("mysql-alone", &["db"], &["PVC data-db"], Fault::Delete),
            candidate(
                "mysql-operator",
                &members,
                &["PVC data-db-0", "PVC data-db-1", "PVC data-db-2"],
                Fault::Delete,
            ),
            candidate("galera", &members, &["emptyDir"], Fault::Delete),
            candidate("vitess", &["db"], &["PVC data-db"], Fault::Delete),
            candidate("rds", &["shop.rds.example"], &[], Fault::Hook),
        ],
    };
    let name = |name: &str, of: CandidateSql| (name.to_owned(), of);
    let mut vitess = sql(50, 4, 19, 2);
    vitess.detail = vec!["31: 1105 locking read outside a transaction (required)".to_owned()];
    let recorded = Recorded {
        rounds: [alone(), operator(), galera(), relay(), managed()].concat(),
        left_behind: BTreeMap::from([(
            "mysql-alone".to_owned(),
            vec!["PersistentVolumeClaim data-db".to_owned()],
        )]),
        init_sql: BTreeMap::from([
            name("mysql-alone", sql(50, 0, 0, 1)),
            name("mysql-operator", sql(50, 0, 0, 2)),
            name("galera", sql(50, 0, 0, 0)),
            name("vitess", vitess),
            name("rds", sql(50, 0, 0, 2)),
        ]),
        ..Recorded::default()
    };
    (plan, recorded)
}

/// The report of it.
pub(crate) fn report() -> DrillReport {
    let (plan, recorded) = recorded();
    let about = RunFacts {
        tool_version: "0.1.0".to_owned(),
        namespace: "shop".to_owned(),
        cluster: "bed".to_owned(),
        started_at: "2026-11-29T09:00:00Z".to_owned(),
        duration_ms: 412_000,
    };
    judge(&plan, &recorded, &about, &LimitSet::default())
}
