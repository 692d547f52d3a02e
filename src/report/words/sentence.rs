//! The counts of the edges and the verdict in words: one set of numbers for every format. Pure.

use super::{UNFINISHED, causes, count, interruption, is_firm, verdict_word};
use crate::finding::Section;
use crate::probe::wire::StepStatus;
use crate::report::{Depth, EdgeCounts, Report, VerdictValue};

/// The edges that the verdict counts, those that it does not apart: `4 edges, 1 weak`.
pub fn edges(counts: &EdgeCounts) -> String {
    let aside = [(counts.weak, "weak"), (counts.optional, "optional")]
        .into_iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, what)| format!(", {number} {what}"));
    std::iter::once(count(counts.firm(), "edge"))
        .chain(aside)
        .collect()
}

/// The same by status: `1 pass, 3 fail, 0 unknown, 0 skipped, 1 weak`.
pub fn by_status(counts: &EdgeCounts) -> String {
    let EdgeCounts {
        pass,
        fail,
        unknown,
        skipped,
        weak,
        optional,
    } = *counts;
    let mut text = format!("{pass} pass, {fail} fail, {unknown} unknown, {skipped} skipped");
    for (number, what) in [(weak, "weak"), (optional, "optional")] {
        if number > 0 {
            text += &format!(", {number} {what}");
        }
    }
    text
}

/// The verdict in one sentence: `unhealthy: 2 causes break 2 of 3 edges`.
pub fn sentence(report: &Report) -> String {
    let counts = EdgeCounts::of(&report.edges);
    let causes = causes(report)
        .filter(|finding| finding.code.section() != Section::NotVerified)
        .count();
    let stopped = match interruption(report) {
        Some(note) if note.starts_with(UNFINISHED) => "not finished, ",
        Some(_) => "interrupted, ",
        None => "",
    };
    if report.offline && report.verdict != VerdictValue::Unknown {
        let faults = match causes {
            0 => "no fault".to_owned(),
            _ => count(causes, "fault"),
        };
        let edges = count(counts.firm(), "edge");
        return format!("{stopped}{faults} in the manifests; {edges} not probed");
    }
    let what = match report.verdict {
        VerdictValue::Pass => proven(report),
        VerdictValue::Fail => unhealthy(&counts, causes),
        VerdictValue::Unknown if counts.firm() == 0 => "no edge was checked".to_owned(),
        VerdictValue::Unknown if counts.open() == 0 => proven(report),
        VerdictValue::Unknown => format!(
            "{} of {} without a result",
            counts.open(),
            count(counts.firm(), "edge")
        ),
    };
    format!("{}: {stopped}{what}", verdict_word(report))
}

/// What is broken, and how the rest stands. An edge without a result neither works nor fails.
fn unhealthy(counts: &EdgeCounts, causes: usize) -> String {
    let edges = count(counts.firm(), "edge");
    let what = match (counts.fail, causes) {
        (0, _) => count(causes, "cause"),
        (fail, 0) => format!("{fail} of {edges} fail"),
        (fail, 1) => format!("1 cause breaks {fail} of {edges}"),
        (fail, _) => format!("{causes} causes break {fail} of {edges}"),
    };
    match (counts.fail, counts.pass, counts.open()) {
        (0, 0, _) if counts.skipped == counts.firm() => what,
        (0, 0, open) => format!("{what}; {open} of {edges} without a result"),
        (0, 1, 0) => format!("{what}; 1 of {edges} works"),
        (0, pass, 0) => format!("{what}; {pass} of {edges} work"),
        (0, pass, open) => format!("{what}; {pass} of {edges} work, {open} without a result"),
        (_, _, 0) => what,
        (_, _, open) => format!("{what}, {open} without a result"),
    }
}

/// `4 edges work, 3 by login and query, 1 by protocol`.
pub fn proven(report: &Report) -> String {
    let passed: Vec<Depth> = report
        .edges
        .iter()
        .filter(|edge| edge.status == StepStatus::Pass && is_firm(edge))
        .map(|edge| edge.depth)
        .collect();
    let parts: Vec<String> = [
        (Depth::Query, "by login and query"),
        (Depth::Login, "by login"),
        (Depth::Protocol, "by protocol"),
        (Depth::Tls, "by TLS only (trust not proven)"),
        (Depth::Tcp, "by connection only"),
        (Depth::Dns, "by name only"),
        (Depth::None, "as expected"),
    ]
    .into_iter()
    .filter_map(|(depth, how)| {
        let number = passed.iter().filter(|one| **one == depth).count();
        (number > 0).then(|| format!("{number} {how}"))
    })
    .collect();
    let work = if passed.len() == 1 { "works" } else { "work" };
    match parts.as_slice() {
        [] => format!("{} {work}", count(0, "edge")),
        // `1 edge works by login`, not `1 edge works: 1 by login`.
        [only] => format!(
            "{} {work} {}",
            count(passed.len(), "edge"),
            only.split_once(' ').map_or("", |(_, how)| how)
        ),
        _ => format!(
            "{} {work}, {}",
            count(passed.len(), "edge"),
            parts.join(", ")
        ),
    }
}
