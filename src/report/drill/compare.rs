//! Several drill reports as one: `k8sverify compare REPORT…`. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::{CandidateReport, DrillFinding, DrillReport, SCHEMA};
use crate::drill::judge::{limit_reports, verdict};
use crate::drill::limit::LimitSet;
use crate::drill::marks::MarkRules;

/// One report of all candidates, in the order of the reports, each judged by the limits that the user names now, else by those of its own report. A candidate
/// whose name comes twice is distinguished by its run.
pub fn compare(reports: &[DrillReport], limits: Option<&LimitSet>, version: &str) -> DrillReport {
    let mut candidates: Vec<CandidateReport> = Vec::new();
    let mut findings: Vec<DrillFinding> = Vec::new();
    let mut notes: Vec<String> = Vec::new();
    let rules = MarkRules::embedded();
    let twice = repeated(reports);
    for report in reports {
        let name = |name: &str| {
            if twice.contains(name) {
                format!("{name} ({})", report.run)
            } else {
                name.to_owned()
            }
        };
        for candidate in &report.candidates {
            let mut candidate = candidate.clone();
            candidate.name = name(&candidate.name);
            for fault in &mut candidate.faults {
                if let Some(limits) = limits {
                    fault.limits = limit_reports(&fault.rounds, limits);
                }
            }
            // Marks are those of this version, so that all columns go by the same rules.
            candidate.cells = rules.cells(&candidate);
            candidates.push(candidate);
        }
        findings.extend(report.findings.iter().map(|finding| DrillFinding {
            candidate: name(&finding.candidate),
            ..finding.clone()
        }));
        notes.extend(
            report
                .notes
                .iter()
                .map(|note| format!("{}: {note}", report.run)),
        );
    }
    findings.sort_by_key(|finding| (finding.caused_by.is_some(), finding.severity));
    let own: BTreeSet<&BTreeMap<_, _>> = reports.iter().map(|report| &report.limits).collect();
    if limits.is_none() && own.len() > 1 {
        notes.push(
            "the reports were made with different limits; name them with --limit to judge all by the same"
                .to_owned(),
        );
    }
    let shared = match (limits, own.into_iter().next()) {
        (Some(limits), _) => limits.0.clone(),
        (None, Some(first)) => first
            .iter()
            .filter(|(metric, most)| reports.iter().all(|r| r.limits.get(metric) == Some(most)))
            .map(|(metric, most)| (*metric, *most))
            .collect(),
        (None, None) => BTreeMap::new(),
    };
    let verdict = verdict(&candidates, false);
    let joined = |of: fn(&DrillReport) -> &String| {
        let mut all: Vec<&str> = reports.iter().map(|report| of(report).as_str()).collect();
        all.dedup();
        all.join(" + ")
    };
    DrillReport {
        schema: SCHEMA.to_owned(),
        tool_version: version.to_owned(),
        verdict,
        exit_code: verdict.exit_code(),
        run: joined(|report| &report.run),
        namespace: joined(|report| &report.namespace),
        cluster: joined(|report| &report.cluster),
        started_at: reports
            .iter()
            .map(|report| report.started_at.clone())
            .min()
            .unwrap_or_default(),
        duration_ms: reports.iter().map(|report| report.duration_ms).sum(),
        seed: reports.first().map_or(0, |report| report.seed),
        limits: shared,
        candidates,
        findings,
        notes,
    }
}

/// Names that stand in more than one place.
fn repeated(reports: &[DrillReport]) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    reports
        .iter()
        .flat_map(|report| &report.candidates)
        .map(|candidate| candidate.name.clone())
        .filter(|name| !seen.insert(name.clone()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drill::recording::story;
    use crate::report::VerdictValue;

    /// The story's table out of one report for each candidate.
    #[test]
    fn reports_of_one_candidate_each_give_the_same_table_as_one_of_all() {
        let whole = story::report();
        let parts: Vec<DrillReport> = whole
            .candidates
            .iter()
            .map(|candidate| DrillReport {
                candidates: vec![candidate.clone()],
                findings: whole
                    .findings
                    .iter()
                    .filter(|finding| finding.candidate == candidate.name)
                    .cloned()
                    .collect(),
                ..whole.clone()
            })
            .collect();
        let put_together = compare(&parts, None, "0.1.0");
        assert_eq!(put_together.candidates, whole.candidates);
        assert_eq!(put_together.verdict, whole.verdict);
        assert_eq!(put_together.limits, whole.limits);
        assert_eq!(put_together.findings.len(), whole.findings.len());
    }

    #[test]
    fn a_candidate_that_comes_twice_is_distinguished_and_new_limits_are_judged() {
        let mut first = story::report();
        first.candidates.truncate(1);
        first.findings.clear();
        let mut second = first.clone();
        second.run = "an0th".to_owned();
        second.limits.clear();
        let reports = [first, second];
        let put_together = compare(&reports, None, "0.1.0");
        let names: Vec<&str> = put_together
            .candidates
            .iter()
            .map(|c| c.name.as_str())
            .collect();
        assert_eq!(names, ["mysql-alone (5t0ry)", "mysql-alone (an0th)"]);
        assert!(put_together.notes[0].contains("different limits"));
        assert_eq!(put_together.verdict, VerdictValue::Pass);
        let strict = LimitSet::default().with(&["write_down=1s".parse().unwrap()]);
        assert_eq!(compare(&reports, Some(&strict), "0.1.0").exit_code, 1);
    }

    #[test]
    fn nothing_is_no_pass() {
        assert_eq!(compare(&[], None, "0.1.0").exit_code, 3);
    }
}
