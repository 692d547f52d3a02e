//! Tests of `judge`.

use super::*;
use crate::finding::Code;
use crate::probe::wire::sql::TableState;
use crate::sql::lex::Client;
use crate::sql::names::Scratch;
use crate::sql::script::{SqlText, read};

fn script(sql: &str, workload: Option<&str>) -> Script {
    let source = |name: &str, text: &str| SqlText {
        name: name.into(),
        text: text.into(),
    };
    let workload = workload.map(|text| source("w.sql", text));
    read(
        &[source("a.sql", sql)],
        workload.as_ref(),
        Client::Mysql,
        Some("shop"),
        &Scratch {
            prefix: Some("k8sverify_r_".into()),
        },
    )
    .unwrap()
}

fn server() -> SqlRecord {
    SqlRecord::Server {
        product: "mysql".into(),
        version: "9".into(),
        galera: false,
        left: Vec::new(),
    }
}

fn refused(code: u16, message: &str) -> Answer {
    Answer {
        outcome: StatementOutcome::Refused,
        code,
        state: "42000".into(),
        message: message.into(),
        ..Answer::default()
    }
}

fn statement(id: usize, answer: Answer) -> SqlRecord {
    SqlRecord::Statement { id, answer }
}

fn judged(script: &Script, records: Vec<SqlRecord>) -> SqlReport {
    let seen = SqlResults {
        records: [vec![server()], records].concat(),
        complete: true,
        failure: None,
    };
    judge(script, &seen, Run::default())
}

#[test]
fn cosmetic_refusals_pass_and_real_ones_fail() {
    let script = script(
        "SET sql_mode = 'x';\nCREATE FUNCTION f() RETURNS INT RETURN 1;\nSELECT f();",
        None,
    );
    let cosmetic = statement(0, refused(1231, "Variable '…' can't be set"));
    let good = vec![
        cosmetic.clone(),
        statement(1, Answer::default()),
        statement(2, Answer::default()),
    ];
    let report = judged(&script, good);
    assert_eq!((report.verdict, report.exit_code), (VerdictValue::Pass, 0));
    assert_eq!(report.summary.cosmetic, 1);
    assert_eq!(report.files[0].stops_at, Some(1));
    let bad = vec![
        cosmetic,
        statement(1, refused(1418, "This function has none of")),
        statement(2, refused(1305, "FUNCTION f does not exist")),
    ];
    let report = judged(&script, bad);
    assert_eq!(report.exit_code, 1);
    assert_eq!(report.summary.refused, 2);
    // The second one is a consequence: one finding.
    let [finding] = report.findings.as_slice() else {
        panic!("{:?}", report.findings);
    };
    assert!(finding.message.contains("routine-needs-super"));
    let dependent = &report.files[0].statements[2].said;
    assert_eq!(dependent.caused_by, Some(2));
    assert_eq!(dependent.class.as_deref(), Some("dependent"));
}

#[test]
fn what_was_not_seen_is_unknown() {
    let script = script("SELECT 1;\nSELECT 2;", None);
    let report = judged(&script, vec![statement(0, Answer::default())]);
    assert_eq!(report.exit_code, 3);
    assert_eq!(report.summary.unknown, 1);
    let failed = SqlRecord::Failed {
        at: "login".into(),
        message: "denied".into(),
    };
    let report = judged(&script, vec![failed]);
    assert_eq!(report.exit_code, 3);
    assert_eq!(report.notes, ["the login failed: denied"]);
    let seen = SqlResults {
        records: vec![
            server(),
            statement(0, Answer::default()),
            statement(1, Answer::default()),
        ],
        complete: false,
        failure: None,
    };
    assert_eq!(judge(&script, &seen, Run::default()).exit_code, 3);
}

#[test]
fn a_scratch_schema_that_stays_is_said() {
    let script = script("SELECT 1;", None);
    let made = SqlRecord::Scratch {
        schema: "k8sverify_r_shop".into(),
        answer: Answer::default(),
    };
    let ran = statement(0, Answer::default());
    let report = judged(&script, vec![made.clone(), ran.clone()]);
    assert_eq!(report.exit_code, 3);
    assert!(report.notes[0].contains("did not say that it dropped"));
    let gone = SqlRecord::Dropped {
        schema: "k8sverify_r_shop".into(),
        answer: Answer::default(),
    };
    assert_eq!(judged(&script, vec![made, ran, gone]).exit_code, 0);
    let not_made = SqlRecord::Scratch {
        schema: "k8sverify_r_shop".into(),
        answer: refused(1044, "Access denied"),
    };
    let report = judged(&script, vec![not_made]);
    assert_eq!(report.exit_code, 3);
    assert!(
        report.notes[0].contains("fresh: true"),
        "{}",
        report.notes[0]
    );
}

#[test]
fn a_locking_read_counts_as_the_application_runs_it() {
    let query = |marks: &str| {
        script(
            "SELECT 1;",
            Some(&format!(
                "-- k8sverify: name=lock required {marks}\nSELECT a FROM t FOR UPDATE;"
            )),
        )
    };
    let records = || {
        vec![
            statement(0, Answer::default()),
            SqlRecord::Query {
                id: 0,
                inside: true,
                answer: Answer {
                    rows: Some(1),
                    ..Answer::default()
                },
            },
            SqlRecord::Query {
                id: 0,
                inside: false,
                answer: refused(
                    1105,
                    "vtgate: x: SELECT_LOCK disallowed outside transaction",
                ),
            },
        ]
    };
    let report = judged(&query(""), records());
    assert_eq!(report.exit_code, 1);
    assert_eq!(report.product, "vitess");
    assert!(
        report.findings[0]
            .message
            .contains("locking-read-outside-transaction")
    );
    assert!(report.findings[0].message.contains("requires"));
    assert_eq!(judged(&query("transaction=in"), records()).exit_code, 0);
    assert_eq!(
        judged(&query("transaction=in rows=2"), records()).exit_code,
        1
    );
}

#[test]
fn members_that_differ_are_found() {
    let script = script("CREATE TABLE t (a INT) ENGINE=MyISAM;", None);
    let member = |name: &str, rows: u64| SqlRecord::Member {
        member: name.into(),
        address: "10.0.0.1:3306".into(),
        error: None,
        tables: vec![TableState {
            schema: "k8sverify_r_shop".into(),
            name: "t".into(),
            engine: "MyISAM".into(),
            rows: Some(rows),
            checksum: Some(rows.to_string()),
        }],
    };
    let run = |rows: u64| {
        let mut records = vec![statement(0, Answer::default())];
        records.extend([member("", 3), member("db-0", 3), member("db-1", rows)]);
        judged(&script, records)
    };
    assert_eq!(run(3).exit_code, 0);
    let report = run(0);
    assert_eq!(report.exit_code, 1);
    assert_eq!(report.findings[0].code, Code::SqlNotReplicated);
    assert!(report.findings[0].evidence[0].contains("db-1"));
    assert_eq!(
        report.members[2].differences,
        ["k8sverify_r_shop.t has 0 rows instead of 3"]
    );
}
