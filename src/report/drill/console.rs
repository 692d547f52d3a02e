//! A drill's report for people: causes first, the table, each fault's numbers, the verdict last. Pure.

use unicode_width::UnicodeWidthStr;

use super::words;
use super::{Cell, DrillFinding, DrillReport};
use crate::finding::{Section, Severity};
use crate::report::VerdictValue;
use crate::report::console::ascii;
use crate::sanitise::{clean, cut, line};
use crate::terminal::{Mark, Paint, Style, pad, wrap};

/// Further lines stand at most so far to the right.
const DEEPEST: usize = 34;
/// A column of the table is at most so wide.
const WIDEST: usize = 30;

/// The report as text for a terminal or a log, with a final newline.
pub fn console(report: &DrillReport, style: Style) -> String {
    let page = Page {
        report,
        style: Style {
            width: style.width.max(60),
            ..style
        },
    };
    let text = if style.quiet {
        page.verdict()
    } else {
        page.whole()
    };
    ascii::shown(text, style)
}

struct Page<'a> {
    report: &'a DrillReport,
    style: Style,
}

impl Page<'_> {
    fn whole(&self) -> String {
        let report = self.report;
        let mut parts = vec![
            "k8sverify drill".to_owned() + " " + &line(&report.tool_version),
            line(&report.cluster),
            format!("namespace {}", line(&report.namespace)),
            format!("run {}", line(&report.run)),
            format!("seed {}", report.seed),
        ];
        parts.retain(|part| !part.is_empty());
        let mut text = self.hanging("", &parts.join(" · ")) + "\n";
        for finding in words::causes(report) {
            text += &self.finding(finding);
        }
        text += &self.table();
        for candidate in &report.candidates {
            for refusal in &candidate.refusals {
                let said = format!("{} not drilled: {}", line(&candidate.name), line(refusal));
                text += &format!("\n{}", self.hanging("", &said));
            }
            for fault in &candidate.faults {
                let title = format!("{} · {}", line(&candidate.name), words::fault_line(fault));
                text += &format!(
                    "\n{}\n",
                    self.style
                        .paint(Paint::Bold, self.hanging("", &title).trim_end())
                );
                for (metric, spread) in words::known(fault) {
                    text += &self.hanging(
                        &format!("  {:<32}", metric.title()),
                        &words::spread(metric, spread),
                    );
                }
                for limit in &fault.limits {
                    if limit.status != VerdictValue::Pass || self.style.verbose > 0 {
                        text += &self.hanging(
                            &format!("  {} ", self.style.painted(limit.status.into())),
                            &line(&limit.detail),
                        );
                    }
                }
                if let Some(not) = &fault.not_excluded {
                    text += &self.hanging("  ", not);
                }
            }
        }
        for note in &report.notes {
            text += &format!("\n{}", self.hanging("note: ", &line(note)));
        }
        text + "\n" + &self.verdict()
    }

    fn verdict(&self) -> String {
        let mark = self.style.painted(self.report.verdict.into());
        let said = format!(
            "{} · exit {}",
            words::sentence(self.report),
            self.report.exit_code
        );
        self.hanging(&format!("{mark} "), &said)
    }

    fn finding(&self, finding: &DrillFinding) -> String {
        let mark = match finding.severity {
            _ if finding.code.section() == Section::NotMeasured => Mark::Unknown,
            Severity::Error => Mark::Bad,
            Severity::Warning => Mark::Warn,
            Severity::Info => Mark::Info,
        };
        let mut text = format!(
            "{} {}  {}\n",
            self.style.painted(mark),
            self.style.paint(Paint::Bold, finding.code.name()),
            line(&finding.object)
        );
        text += &self.hanging("  ", &line(&finding.message));
        for seen in &finding.evidence {
            text += &self.hanging("  seen   ", &line(seen));
        }
        if let Some(fix) = &finding.fix {
            text += &self.hanging("  fix    ", &line(&fix.text));
        }
        for consequence in words::consequences(self.report, finding) {
            let said = format!("{} {}", consequence.code, line(&consequence.message));
            text += &self.hanging("  → ", &said);
        }
        text + "\n"
    }

    /// As many candidates side by side as fit; further ones stand below.
    fn table(&self) -> String {
        let rows = words::rows(self.report);
        let head = rows.iter().map(|(name, _)| name.width()).max().unwrap_or(0);
        let mut text = String::new();
        let mut from = 0;
        while from < self.report.candidates.len() {
            let (to, widths) = self.columns(&rows, from, head);
            let mut header = " ".repeat(head + 2);
            for (index, width) in (from..to).zip(&widths) {
                let name = cut(&line(&self.report.candidates[index].name), WIDEST);
                header += &format!("  {}", pad(&name, *width));
            }
            text += &format!("{}\n", self.style.paint(Paint::Bold, header.trim_end()));
            for (name, cells) in &rows {
                let mut row = format!("  {}", pad(name, head));
                for (cell, width) in cells[from..to].iter().zip(&widths) {
                    row += &format!("  {}", self.cell(*cell, *width));
                }
                text += &format!("{}\n", row.trim_end());
            }
            from = to;
            if from < self.report.candidates.len() {
                text.push('\n');
            }
        }
        text
    }

    fn columns(
        &self,
        rows: &[(String, Vec<Option<&Cell>>)],
        from: usize,
        head: usize,
    ) -> (usize, Vec<usize>) {
        let mut widths = Vec::new();
        let mut used = head + 2;
        for index in from..self.report.candidates.len() {
            let name = line(&self.report.candidates[index].name).width();
            let cells = rows
                .iter()
                .map(|(_, cells)| words::cell(cells[index]).width());
            let width = cells.chain([name]).max().unwrap_or(0).min(WIDEST);
            if !widths.is_empty() && used + 2 + width > self.style.width {
                break;
            }
            used += 2 + width;
            widths.push(width);
        }
        (from + widths.len(), widths)
    }

    fn cell(&self, cell: Option<&Cell>, width: usize) -> String {
        let text = pad(&cut(&words::cell(cell), width), width);
        let Some(cell) = cell else { return text };
        let paint = match cell.mark {
            super::Grade::Best | super::Grade::Good => Paint::Green,
            super::Grade::Fair | super::Grade::Unknown => Paint::Yellow,
            super::Grade::Bad => Paint::Red,
            super::Grade::None => return text,
        };
        // The sign alone is coloured: what was measured stays readable.
        let sign = cell.mark.sign();
        match text.strip_prefix(sign) {
            Some(rest) => self.style.paint(paint, sign) + rest,
            None => text,
        }
    }

    /// Text behind a head; its further lines stand below its first one. What a reader does not see does not pass.
    fn hanging(&self, head: &str, text: &str) -> String {
        // A colour has no width.
        let indent = " ".repeat(clean(head).width().min(DEEPEST));
        let wrapped = wrap(&line(text), self.style.width, &indent);
        format!("{head}{}\n", &wrapped[indent.len()..])
    }
}
