//! JUnit says exactly what the exit code says, whatever a report holds: generated reports, whose verdict is decided here by the documented rule.

use std::collections::BTreeSet;

use k8sverify::finding::{Code, EdgeId, FindingId, Section, Severity};
use k8sverify::graph::Confidence;
use k8sverify::probe::wire::StepStatus;
use k8sverify::report::{
    EdgeCounts, EdgeReport, FindingReport, NameReport, Report, VerdictValue, junit,
};
use proptest::prelude::*;

use crate::scenarios::story;

const TIERS: [&str; 4] = ["AP", "DB", "KVS", "WEB"];
const STATUSES: [StepStatus; 4] = [
    StepStatus::Pass,
    StepStatus::Fail,
    StepStatus::Unknown,
    StepStatus::Skipped,
];
const SEVERITIES: [Severity; 3] = [Severity::Error, Severity::Warning, Severity::Info];
const CODES: [Code; 7] = [
    Code::ServiceMissing,
    Code::NetworkPolicyIngressDenied,
    Code::ReadinessProbeMissing,
    Code::WorkloadDegraded,
    Code::EntryUnreachable,
    Code::ProbeForbidden,
    Code::GraphIncomplete,
];

type Picks = [usize; 4];

/// Of each finding: code, severity and whether it is ignored, object, what it follows from.
fn findings(picks: &[Picks]) -> Vec<FindingReport> {
    let mut found: Vec<FindingReport> = Vec::new();
    for [code, severity, object, parent] in picks {
        let code = CODES[code % CODES.len()];
        let object = format!("deployment/{}", TIERS[object % 4].to_lowercase());
        let id = FindingId(format!("{code} {object}"));
        if found.iter().any(|known| known.id == id) {
            continue;
        }
        let above = found.get(*parent).map(|finding| finding.id.clone());
        found.push(FindingReport {
            id,
            code,
            severity: SEVERITIES[severity % 3],
            object,
            namespace: String::new(),
            message: format!("what {code} says"),
            evidence: Vec::new(),
            edges: Vec::new(),
            caused_by: above,
            fix: None,
            ignored: severity / 3 == 1,
            place: None,
        });
    }
    found
}

/// Of each edge: from and to, status, how sure it is, its cause.
fn edges(picks: &[Picks], findings: &mut [FindingReport]) -> Vec<EdgeReport> {
    let model = story().edges[0].clone();
    let mut found: Vec<EdgeReport> = Vec::new();
    for [ends, status, sure, cause] in picks {
        let (from, to) = (TIERS[ends % 4], TIERS[ends / 4 % 4]);
        let id = EdgeId(format!("{from}->{to}:1/tcp"));
        if found.iter().any(|known| known.id == id) {
            continue;
        }
        let status = STATUSES[status % 4];
        let known = cause
            .checked_sub(2)
            .and_then(|index| findings.get_mut(index));
        let mut edge = EdgeReport {
            id: id.clone(),
            from: from.to_owned(),
            to: to.to_owned(),
            host: to.to_owned(),
            status,
            confidence: if *sure == 1 {
                Confidence::Weak
            } else {
                Confidence::Declared
            },
            optional: *sure == 2,
            cause: None,
            reason: (*cause == 1 || status != StepStatus::Fail).then(|| "why".to_owned()),
            steps: Vec::new(),
            ..model.clone()
        };
        if let Some(finding) = known {
            match status {
                StepStatus::Fail => {
                    edge.cause = Some(finding.id.clone());
                    edge.reason = None;
                    finding.edges.push(id);
                }
                StepStatus::Unknown if finding.code.section() == Section::NotVerified => {
                    finding.edges.push(id);
                }
                _ => {}
            }
        }
        found.push(edge);
    }
    found
}

fn report(finding_picks: &[Picks], edge_picks: &[Picks], names: usize, strict: usize) -> Report {
    let mut report = story();
    report.findings = findings(finding_picks);
    report.edges = edges(edge_picks, &mut report.findings);
    report.summary.edges = EdgeCounts::of(&report.edges);
    report.fail_on = SEVERITIES[strict % 3];
    report.entries.clear();
    report.notes.clear();
    let model = report.tiers[0].clone();
    report.tiers = TIERS
        .iter()
        .enumerate()
        .map(|(index, tier)| {
            let mut own = model.clone();
            own.name = (*tier).to_owned();
            own.workloads = vec![format!("deployment/{}", tier.to_lowercase())];
            own.names = vec![NameReport {
                name: (*tier).to_owned(),
                status: STATUSES[(names >> (2 * index)) % 4],
                detail: "NXDOMAIN".to_owned(),
            }];
            own
        })
        .collect();
    report.verdict = if !fails(&report).is_empty() {
        VerdictValue::Fail
    } else if is_unverified(&report) {
        VerdictValue::Unknown
    } else {
        VerdictValue::Pass
    };
    report.exit_code = report.verdict.exit_code();
    report
}

fn firm(edge: &EdgeReport) -> bool {
    !edge.optional && edge.confidence != Confidence::Weak
}

/// What fails the run, each cause once: findings that count, and what edges that count fail by.
fn fails(report: &Report) -> BTreeSet<String> {
    let counted = report.findings.iter().filter(|finding| {
        finding.code.section() < Section::NotVerified
            && finding.caused_by.is_none()
            && !finding.ignored
            && finding.severity <= report.fail_on
    });
    let mut causes: BTreeSet<String> = counted.map(|finding| finding.id.0.clone()).collect();
    for edge in &report.edges {
        if edge.status != StepStatus::Fail || !firm(edge) {
            continue;
        }
        let Some(first) = &edge.cause else {
            if edge.reason.is_none() {
                causes.insert(edge.id.0.clone());
            }
            continue;
        };
        let mut chain = vec![first];
        while let Some(above) = report
            .findings
            .iter()
            .find(|finding| finding.id == *chain[chain.len() - 1])
            .and_then(|finding| finding.caused_by.as_ref())
        {
            chain.push(above);
        }
        let is_ignored = |id: &&FindingId| {
            report
                .findings
                .iter()
                .any(|finding| finding.id == **id && finding.ignored)
        };
        if !chain.iter().any(is_ignored) {
            causes.insert(chain[chain.len() - 1].0.clone());
        }
    }
    causes
}

fn is_unverified(report: &Report) -> bool {
    report.findings.iter().any(|finding| {
        finding.code.section() == Section::NotVerified
            && finding.severity == Severity::Error
            && !finding.ignored
    }) || report
        .edges
        .iter()
        .any(|edge| firm(edge) && edge.status == StepStatus::Unknown)
        || !report
            .edges
            .iter()
            .any(|edge| firm(edge) && edge.status != StepStatus::Skipped)
}

/// Failures, errors, and whether no two cases share class and name.
fn red(report: &Report) -> (usize, usize, bool) {
    let text = String::from_utf8(junit::render(report).unwrap()).unwrap();
    let document = roxmltree::Document::parse(&text).unwrap();
    let count = |tag: &str| {
        document
            .descendants()
            .filter(|node| node.has_tag_name(tag))
            .count()
    };
    let mut seen = BTreeSet::new();
    let unique = document
        .descendants()
        .filter(|node| node.has_tag_name("testcase"))
        .all(|case| seen.insert((case.attribute("classname"), case.attribute("name"))));
    (count("failure"), count("error"), unique)
}

fn picks(most: usize, of: [usize; 4]) -> impl Strategy<Value = Vec<Picks>> {
    let [a, b, c, d] = of;
    prop::collection::vec(
        (0..a, 0..b, 0..c, 0..d).prop_map(|(a, b, c, d)| [a, b, c, d]),
        0..most,
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn failures_and_errors_say_what_the_exit_code_says(
        found in picks(7, [7, 6, 4, 9]),
        walked in picks(9, [16, 4, 4, 9]),
        names in 0..256_usize,
        strict in 0..3_usize,
    ) {
        let mut report = report(&found, &walked, names, strict);
        let (failures, errors, unique) = red(&report);
        prop_assert!(unique);
        match report.exit_code {
            0 => prop_assert_eq!((failures, errors), (0, 0)),
            1 => prop_assert_eq!(failures, fails(&report).len(), "one failure a cause"),
            _ => prop_assert!(failures == 0 && errors > 0, "{failures} failures, {errors} errors"),
        }
        // A run that was cut short has decided nothing, whatever its findings say.
        report.notes.push("interrupted by SIGTERM before anything was probed".to_owned());
        report.verdict = VerdictValue::Unknown;
        report.exit_code = 3;
        let (failures, errors, _) = red(&report);
        prop_assert!(failures == 0 && errors > 0, "{failures} failures, {errors} errors");
    }
}
