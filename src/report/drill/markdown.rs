//! A drill's report as Markdown for job summaries and merge requests. Pure.

use super::words;
use super::{DrillReport, Grade};
use crate::report::markdown::{escape, sign};
use crate::sanitise::line;

/// The report as GitHub and GitLab show it.
pub fn markdown(report: &DrillReport) -> String {
    let mut text = format!(
        "## {} k8sverify: drill: {}\n\n",
        sign(report.verdict),
        words::sentence(report)
    );
    text += &table(report);
    for finding in words::causes(report) {
        text += &format!(
            "\n### `{}` {}\n\n{}\n",
            finding.code,
            plain(&finding.object),
            plain(&finding.message)
        );
        for seen in &finding.evidence {
            text += &format!("\n- seen: {}", plain(seen));
        }
        if let Some(fix) = &finding.fix {
            text += &format!("\n- fix: {}", plain(&fix.text));
        }
        for consequence in words::consequences(report, finding) {
            text += &format!(
                "\n- brings about `{}`: {}",
                consequence.code,
                plain(&consequence.message)
            );
        }
        text.push('\n');
    }
    for candidate in &report.candidates {
        text += &format!("\n### {}\n", plain(&candidate.name));
        for refusal in &candidate.refusals {
            text += &format!("\nNot drilled: {}\n", plain(refusal));
        }
        for fault in &candidate.faults {
            text += &format!("\n**{}**\n\n", plain(&words::fault_line(fault)));
            if words::known(fault).next().is_some() {
                text += "| number | minimum / median / maximum |\n|---|---|\n";
            }
            for (metric, spread) in words::known(fault) {
                text += &format!(
                    "| {} | {} |\n",
                    metric.title(),
                    plain(&words::spread(metric, spread))
                );
            }
            if !fault.limits.is_empty() {
                text.push('\n');
            }
            for limit in &fault.limits {
                text += &format!("- {} {}\n", sign(limit.status), plain(&limit.detail));
            }
            if let Some(not) = &fault.not_excluded {
                text += &format!("- {}\n", plain(not));
            }
        }
    }
    if !report.notes.is_empty() {
        text.push('\n');
    }
    for note in &report.notes {
        text += &format!("- {}\n", plain(note));
    }
    text
}

fn table(report: &DrillReport) -> String {
    let mut text = String::from("| |");
    for candidate in &report.candidates {
        text += &format!(" {} |", plain(&candidate.name));
    }
    text += "\n|---|";
    text += &"---|".repeat(report.candidates.len());
    text.push('\n');
    for (name, cells) in words::rows(report) {
        text += &format!("| {} |", plain(&name));
        for cell in cells {
            let shown = plain(&words::cell(cell));
            match cell.map(|cell| cell.mark) {
                Some(Grade::Bad) => text += &format!(" **{shown}** |"),
                _ => text += &format!(" {shown} |"),
            }
        }
        text.push('\n');
    }
    text
}

/// On one line, with nothing that Markdown or HTML would read as its own.
fn plain(text: &str) -> String {
    escape(&line(text))
}
