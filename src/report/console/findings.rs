//! The findings of the console report: a block per cause with what follows from it, a line per kind of warning. Pure.

use std::collections::BTreeSet;

use unicode_width::UnicodeWidthStr;

use crate::finding::{FindingId, Section, Severity};
use crate::report::words::{self, some};
use crate::report::{FindingReport, Report};
use crate::sanitise::{clean, line};
use crate::terminal::{Mark, Paint, Style, wrap};

/// Width of the labels of a block, with the blanks before and behind.
const LABEL: usize = 10;
/// Evidence, consequences and objects that are shown without `-v`.
const FEW: usize = 4;

/// Causes, what follows from none of them, warnings, and with `-v` information.
pub(super) fn blocks(report: &Report, style: Style) -> Vec<String> {
    let causes: Vec<&FindingReport> = words::causes(report).collect();
    let mut shown: BTreeSet<&FindingId> = BTreeSet::new();
    let mut blocks = Vec::new();
    for cause in &causes {
        let follow = words::consequences(report, cause);
        shown.extend(follow.iter().map(|finding| &finding.id));
        blocks.push(block(report, cause, &follow, style));
    }
    let shown = |finding: &&FindingReport| {
        !finding.ignored && !words::is_cause(report, finding) && !shown.contains(&finding.id)
    };
    let rest: Vec<&FindingReport> = report.findings.iter().filter(shown).collect();
    for severity in [Severity::Error, Severity::Warning, Severity::Info] {
        if severity == Severity::Info && style.verbose == 0 {
            continue;
        }
        let lines = grouped(report, &rest, severity, style);
        if !lines.is_empty() {
            blocks.push(lines.join("\n"));
        }
    }
    blocks
}

fn block(
    report: &Report,
    finding: &FindingReport,
    follow: &[&FindingReport],
    style: Style,
) -> String {
    let mark = match (finding.code.section(), finding.severity) {
        (Section::NotVerified, _) => Mark::Unknown,
        (_, Severity::Error) => Mark::Bad,
        _ => Mark::Warn,
    };
    let object = words::object(report, finding);
    let breaks = breaks(report, finding, style);
    let code = format!(
        "{} {}",
        style.painted(mark),
        style.paint(Paint::Bold, finding.code.name())
    );
    let used = 4 + finding.code.name().width() + object.width();
    let title = if used <= style.width {
        format!("{code}  {object}")
    } else {
        format!("{code}\n{}", wrap(&object, style.width, "  "))
    };
    let gap = style.width.saturating_sub(used + breaks.width());
    let mut lines = if breaks.is_empty() || gap < 2 {
        vec![title]
    } else {
        vec![format!("{title}{}{breaks}", " ".repeat(gap))]
    };
    lines.push(wrap(&line(&finding.message), style.width, "  "));
    if !breaks.is_empty() && gap < 2 {
        lines.push(labelled("", &breaks, style));
    }
    let most = if style.verbose > 0 { usize::MAX } else { FEW };
    for evidence in finding.evidence.iter().take(most) {
        lines.push(labelled("seen", &line(evidence), style));
    }
    if finding.evidence.len() > most {
        let more = finding.evidence.len() - most;
        lines.push(labelled("", &format!("{more} more: -v"), style));
    }
    lines.extend(fix(finding, style));
    for one in follow.iter().take(most) {
        let text = format!("{} {}", one.code, words::object(report, one));
        let text = if style.verbose > 0 {
            format!("{text}: {}", line(&one.message))
        } else {
            text
        };
        lines.push(labelled("hence", &text, style));
    }
    if follow.len() > most {
        let more = follow.len() - most;
        lines.push(labelled(
            "",
            &format!("and {more} more that follow from it"),
            style,
        ));
    }
    lines.join("\n")
}

fn fix(finding: &FindingReport, style: Style) -> Vec<String> {
    let Some(fix) = &finding.fix else {
        return Vec::new();
    };
    let mut lines = Vec::new();
    let indent = " ".repeat(LABEL);
    if let Some(command) = &fix.command {
        // A command is copied, so it is not broken into lines.
        for (index, text) in clean(command).trim_end().lines().enumerate() {
            let label = if index == 0 { "  fix" } else { "" };
            lines.push(format!(
                "{}{}",
                style.paint(Paint::Dim, &format!("{label:<LABEL$}")),
                style.paint(Paint::Cyan, text)
            ));
        }
        if style.verbose > 0 {
            lines.push(labelled("", &line(&fix.text), style));
        }
    } else {
        lines.push(labelled("fix", &line(&fix.text), style));
    }
    match &fix.manifest {
        Some(manifest) if style.verbose > 0 => lines.extend(
            clean(manifest)
                .trim_end()
                .lines()
                .map(|text| format!("{indent}{}", style.paint(Paint::Cyan, text))),
        ),
        Some(_) if fix.command.is_none() => {
            let text = "the manifest: -v, or `k8sverify fix` on the --json report";
            lines.push(style.paint(Paint::Dim, &wrap(text, style.width, &indent)));
        }
        _ => {}
    }
    lines
}

fn labelled(label: &str, text: &str, style: Style) -> String {
    let indent = " ".repeat(LABEL);
    let wrapped = wrap(text, style.width, &indent);
    format!(
        "{}{}",
        style.paint(Paint::Dim, &format!("{:<LABEL$}", format!("  {label}"))),
        &wrapped[LABEL.min(wrapped.len())..]
    )
}

/// `breaks AP → DB, WEB → DB`: the firm edges that it explains.
fn breaks(report: &Report, finding: &FindingReport, style: Style) -> String {
    let failed: Vec<String> = words::broken_edges(report, finding)
        .iter()
        .map(|edge| format!("{} {} {}", line(&edge.from), style.arrow(), line(&edge.to)))
        .collect();
    if failed.is_empty() {
        String::new()
    } else {
        format!("breaks {}", some(&failed, FEW))
    }
}

/// One line per code and cause: warnings are many and alike.
fn grouped(
    report: &Report,
    rest: &[&FindingReport],
    severity: Severity,
    style: Style,
) -> Vec<String> {
    let mine = || rest.iter().filter(|finding| finding.severity == severity);
    let kinds: BTreeSet<_> = mine()
        .map(|finding| (finding.code, finding.caused_by.as_ref()))
        .collect();
    let most = if style.verbose > 0 { usize::MAX } else { FEW };
    kinds
        .into_iter()
        .map(|(code, cause)| {
            let of_kind: Vec<&&FindingReport> = mine()
                .filter(|finding| finding.code == code && finding.caused_by.as_ref() == cause)
                .collect();
            let objects: Vec<String> = of_kind
                .iter()
                .map(|finding| words::object(report, finding))
                .collect();
            let text = match (cause, of_kind.as_slice()) {
                (Some(cause), _) => format!("because of {}", line(&cause.0)),
                (None, [only]) => line(&only.message),
                (None, _) => format!("k8sverify explain {code}"),
            };
            let mark = match (severity, cause) {
                (_, Some(_)) => Mark::Weak,
                (Severity::Error, None) => Mark::Bad,
                (Severity::Warning, None) => Mark::Warn,
                (Severity::Info, None) => Mark::Info,
            };
            one_liner(mark, code.name(), &some(&objects, most), &text, style)
        })
        .collect()
}

/// Code, objects and text on one line if they fit, else below each other.
fn one_liner(mark: Mark, code: &str, objects: &str, text: &str, style: Style) -> String {
    let used = 4 + code.width() + objects.width();
    let head = format!("{} {code}", style.painted(mark));
    if used + 3 + text.width() <= style.width {
        return format!("{head}  {objects}   {}", style.paint(Paint::Dim, text));
    }
    let head = if used <= style.width {
        format!("{head}  {objects}")
    } else {
        format!("{head}\n{}", wrap(objects, style.width, "    "))
    };
    format!(
        "{head}\n{}",
        style.paint(Paint::Dim, &wrap(text, style.width, "    "))
    )
}
