//! A case per workload, one for each other object with a finding, and one for the kubelet's probes of each workload. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::case::{Case, CaseOutcome, finding_text};
use super::causes::{Causes, Place};
use crate::finding::Section;
use crate::report::{FindingReport, Report};

/// Those of workloads and other objects, and those of the kubelet's probes.
pub(super) fn cases(report: &Report, causes: &Causes<'_>) -> (Vec<Case>, Vec<Case>) {
    let of = |wanted: &dyn Fn(Section) -> bool| -> BTreeSet<usize> {
        let counts = |finding: &FindingReport| !finding.ignored && wanted(finding.code.section());
        (0..report.findings.len())
            .filter(|index| counts(&report.findings[*index]))
            .collect()
    };
    let mut left = of(&|section| !matches!(section, Section::Probes | Section::NotVerified));
    let mut left_of_probes = of(&|section| section == Section::Probes);
    let mut workloads = Vec::new();
    let mut probes = Vec::new();
    for tier in &report.tiers {
        for workload in &tier.workloads {
            for (what, left, made) in [
                ("workloads", &mut left, &mut workloads),
                ("probes", &mut left_of_probes, &mut probes),
            ] {
                let class = format!("k8sverify.{what}.{}", tier.name);
                let findings = take(report, left, workload);
                made.extend(of_object(report, causes, &class, workload, &findings));
            }
        }
    }
    let mut by_object: BTreeMap<String, Vec<&FindingReport>> = BTreeMap::new();
    for index in left.into_iter().chain(left_of_probes) {
        let finding = &report.findings[index];
        let name = if is_here(report, finding) {
            finding.object.clone()
        } else {
            format!("{}@{}", finding.object, finding.namespace)
        };
        by_object.entry(name).or_default().push(finding);
    }
    for (name, findings) in &by_object {
        workloads.extend(of_object(
            report,
            causes,
            "k8sverify.objects",
            name,
            findings,
        ));
    }
    (workloads, probes)
}

/// Takes what is about a workload, so that nothing is said twice where two tiers share one.
fn take<'a>(
    report: &'a Report,
    left: &mut BTreeSet<usize>,
    workload: &str,
) -> Vec<&'a FindingReport> {
    let mine: Vec<usize> = left
        .iter()
        .copied()
        .filter(|index| is_about(report, &report.findings[*index], workload))
        .collect();
    for index in &mine {
        left.remove(index);
    }
    mine.iter().map(|index| &report.findings[*index]).collect()
}

fn is_here(report: &Report, finding: &FindingReport) -> bool {
    finding.namespace.is_empty() || finding.namespace == report.namespace
}

/// `workload` is `kind/name`, with `@namespace` where that is not the run's.
fn is_about(report: &Report, finding: &FindingReport, workload: &str) -> bool {
    match workload.split_once('@') {
        Some((object, namespace)) => finding.object == object && finding.namespace == namespace,
        None => finding.object == workload && is_here(report, finding),
    }
}

/// One case for everything that was found about one object; where it has several causes, one more for each but the first.
fn of_object(
    report: &Report,
    causes: &Causes<'_>,
    class: &str,
    name: &str,
    findings: &[&FindingReport],
) -> Vec<Case> {
    let text = |findings: &[&FindingReport]| {
        findings
            .iter()
            .map(|finding| finding_text(report, finding))
            .collect::<Vec<_>>()
            .join("\n")
    };
    let mut failing = findings.iter().filter_map(|finding| {
        let cause = causes.of_finding(finding)?;
        (cause.place == Place::Object).then(|| (*finding, cause.fails()))
    });
    let follows = |finding: &&FindingReport| {
        let message = match (causes.of_finding(finding), &finding.caused_by) {
            (Some(cause), _) => return Some(cause.elsewhere()),
            (None, Some(cause)) => format!("because of {cause}: {}", finding.message),
            (None, None) => return None,
        };
        let counts = finding.severity <= report.fail_on;
        counts.then(|| CaseOutcome::skip(finding.code.name(), &message))
    };
    let outcome = match failing.next() {
        Some((_, outcome)) => outcome,
        None => findings
            .iter()
            .find_map(follows)
            .unwrap_or(CaseOutcome::Pass),
    };
    let mut made = vec![Case::new(class, name, outcome, &text(findings))];
    made.extend(failing.map(|(finding, outcome)| {
        let name = format!("{name} {}", finding.code);
        Case::new(class, &name, outcome, &text(&[finding]))
    }));
    made
}
