//! Tests of the formats.

use super::*;
use crate::finding::{Code, Severity};
use crate::report::unfinished::Begun;
use crate::report::unfinished::is_report;
use crate::sql::classify::Weight;
use crate::terminal::Style;

/// What a hostile server and file could put into every text.
const NASTY: &str = "a]]>b<script>|\u{1b}[31m\n::error::x`c`";

fn said(status: SqlStatus) -> ServerAnswer {
    if status == SqlStatus::Accepted {
        return ServerAnswer::default();
    }
    ServerAnswer {
        duration_ms: 3,
        code: Some(1418),
        state: Some("HY000".into()),
        message: NASTY.into(),
        class: Some("routine-needs-super".into()),
        weight: Some(Weight::Real),
        advice: Some("Set log_bin_trust_function_creators=1.".into()),
        ..ServerAnswer::default()
    }
}

fn report() -> SqlReport {
    let statement = |line: usize, status: SqlStatus| StatementReport {
        line,
        shown: format!("CREATE FUNCTION {NASTY}"),
        status,
        said: said(status),
    };
    let way = |status: SqlStatus| WayReport {
        status,
        rows: Some(1),
        said: said(status),
    };
    SqlReport {
        verdict: VerdictValue::Fail,
        exit_code: 1,
        candidate: "galera".into(),
        product: "mariadb".into(),
        version: "10.11".into(),
        summary: SqlSummary {
            accepted: 1,
            cosmetic: 1,
            refused: 2,
            not_run: 1,
            unknown: 1,
        },
        files: vec![FileReport {
            name: "init.sql".into(),
            stops_at: Some(57),
            remarks: vec!["line 3: `source` is a command of the client".into()],
            statements: vec![
                statement(1, SqlStatus::Accepted),
                statement(57, SqlStatus::Refused),
                statement(58, SqlStatus::Cosmetic),
                statement(59, SqlStatus::NotRun),
                statement(60, SqlStatus::Unknown),
            ],
        }],
        workload: vec![QueryReport {
            name: "reserve".into(),
            line: 5,
            shown: "SELECT 1 FOR UPDATE".into(),
            required: true,
            status: SqlStatus::Refused,
            outside: way(SqlStatus::Refused),
            inside: way(SqlStatus::Accepted),
        }],
        members: vec![
            MemberReport {
                name: String::new(),
                address: "10.0.0.1:3306".into(),
                error: None,
                tables: 2,
                differences: Vec::new(),
            },
            MemberReport {
                name: "db-1".into(),
                address: "10.0.0.2:3306".into(),
                error: None,
                tables: 1,
                differences: vec!["shop.t is missing".into()],
            },
        ],
        findings: vec![SqlFinding {
            code: Code::SqlRefused,
            severity: Severity::Error,
            object: "candidate/galera".into(),
            message: "1 statement is refused".into(),
            evidence: vec![NASTY.into()],
            fix: "Set it.".into(),
        }],
        ..unfinished(&Begun::default(), "a note")
    }
}

#[test]
fn the_json_meets_its_schema_and_reads_back() {
    let schema: serde_json::Value =
        serde_json::from_str(include_str!("../../../checks/sql-v1.schema.json")).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for report in [report(), unfinished(&Begun::default(), "not finished: x")] {
        let bytes = json(&report).unwrap();
        let value: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        let errors: Vec<String> = validator
            .iter_errors(&value)
            .map(|error| error.to_string())
            .collect();
        assert!(errors.is_empty(), "{errors:?}");
        assert_eq!(serde_json::from_slice::<SqlReport>(&bytes).unwrap(), report);
    }
}

#[test]
fn no_format_lets_a_servers_words_break_out() {
    let report = report();
    let xml = String::from_utf8(junit(&report).unwrap()).unwrap();
    let document = roxmltree::Document::parse(&xml).unwrap();
    let count = |name: &str| {
        document
            .descendants()
            .filter(|node| node.has_tag_name(name))
            .count()
    };
    assert_eq!(
        (count("failure"), count("error"), count("skipped")),
        (3, 1, 2)
    );
    let page = String::from_utf8(html(&report)).unwrap();
    assert!(!page.contains("b<script>") && page.contains("b&lt;script&gt;"));
    // What scrolls takes the focus, or the keyboard cannot reach what it hides.
    let scrolls = page.matches("class=\"card scroll\"").count();
    assert_eq!(
        (
            scrolls,
            page.matches("class=\"card scroll\" tabindex=\"0\"").count()
        ),
        (3, 3)
    );
    let text = console(&report, Style::default());
    assert!(!text.contains('\u{1b}'), "{text}");
    assert!(
        text.contains("line 57") && text.contains("exit 1"),
        "{text}"
    );
    let annotations = github(&report);
    assert!(annotations.contains("::error file=init.sql,line=57,title=routine-needs-super::"));
    assert!(
        annotations.lines().all(|line| line.starts_with("::")),
        "{annotations}"
    );
    let summary = markdown(&report);
    let rows = summary
        .lines()
        .filter(|line| line.starts_with("| 5") || line.starts_with("| 60"))
        .count();
    assert_eq!(rows, 4, "{summary}");
    assert!(
        console(
            &report,
            Style {
                unicode: false,
                ..Style::default()
            }
        )
        .is_ascii()
    );
}

#[test]
fn every_format_is_known_again_as_a_report_of_ours() {
    let report = unfinished(&Begun::default(), "not finished: x");
    for text in [
        String::from_utf8(json(&report).unwrap()).unwrap(),
        String::from_utf8(junit(&report).unwrap()).unwrap(),
        String::from_utf8(html(&report)).unwrap(),
        markdown(&report),
    ] {
        let head: String = text.chars().take(4000).collect();
        assert!(is_report(&head), "{head}");
    }
    assert!(
        String::from_utf8(junit(&report).unwrap())
            .unwrap()
            .contains("<error")
    );
}
