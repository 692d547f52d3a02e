//! What every format of a drill's report says in the same words. Pure.

use crate::drill::judge::{amount, value_text};
use crate::drill::model::{Metric, Unit, Value};
use crate::report::VerdictValue;
use crate::report::drill::{
    CandidateReport, Cell, DrillFinding, DrillReport, FaultReport, LimitReport, Spread,
};
use crate::report::words::count;
use crate::sanitise::line;

/// The word of a verdict.
pub(super) const fn verdict_word(verdict: VerdictValue) -> &'static str {
    match verdict {
        VerdictValue::Pass => "limits met",
        VerdictValue::Fail => "limits broken",
        VerdictValue::Unknown => "not measured",
    }
}

/// The verdict in one sentence.
pub(super) fn sentence(report: &DrillReport) -> String {
    let rounds: usize = report
        .candidates
        .iter()
        .flat_map(|candidate| &candidate.faults)
        .map(|fault| fault.rounds.len())
        .sum();
    let of = format!(
        "{}, {}",
        count(report.candidates.len(), "candidate"),
        count(rounds, "round")
    );
    let with = |status: VerdictValue| {
        limits(report)
            .filter(|(_, _, limit)| limit.status == status)
            .count()
    };
    let word = verdict_word(report.verdict);
    match report.verdict {
        VerdictValue::Pass => format!("{word}: all of them in {of}"),
        VerdictValue::Fail => {
            let broken = with(VerdictValue::Fail);
            if broken == 0 {
                format!("{word}: the application's SQL is refused ({of})")
            } else {
                format!("{word}: {} in {of}", count(broken, "limit"))
            }
        }
        VerdictValue::Unknown => {
            let open = with(VerdictValue::Unknown);
            format!("{word}: {} not known in {of}", count(open, "limit"))
        }
    }
}

/// Candidate, fault and limit, in order.
pub(super) fn limits(
    report: &DrillReport,
) -> impl Iterator<Item = (&CandidateReport, &FaultReport, &LimitReport)> {
    report.candidates.iter().flat_map(|candidate| {
        candidate.faults.iter().flat_map(move |fault| {
            fault
                .limits
                .iter()
                .map(move |limit| (candidate, fault, limit))
        })
    })
}

/// Rows of the table: a name, and a cell a candidate. Rows in which no one has anything to say are left out.
pub(super) fn rows(report: &DrillReport) -> Vec<(String, Vec<Option<&Cell>>)> {
    let mut names: Vec<&str> = Vec::new();
    for cell in report
        .candidates
        .iter()
        .flat_map(|candidate| &candidate.cells)
    {
        if !names.contains(&cell.row.as_str()) {
            names.push(&cell.row);
        }
    }
    names
        .into_iter()
        .map(|name| {
            let cells: Vec<Option<&Cell>> = report
                .candidates
                .iter()
                .map(|candidate| candidate.cells.iter().find(|cell| cell.row == name))
                .collect();
            (line(name), cells)
        })
        .filter(|(_, cells)| {
            cells
                .iter()
                .flatten()
                .any(|cell| cell.mark != super::Grade::None || !cell.text.is_empty())
        })
        .collect()
}

/// `○ 4.2 s`.
pub(super) fn cell(cell: Option<&Cell>) -> String {
    match cell {
        None => super::Grade::None.sign().to_owned(),
        Some(cell) if cell.text.is_empty() => cell.mark.sign().to_owned(),
        Some(cell) if cell.mark == super::Grade::None => line(&cell.text),
        Some(cell) => format!("{} {}", cell.mark.sign(), line(&cell.text)),
    }
}

/// `4.2 / 5.0 / 7.1 s ±0.2`: minimum, median, maximum; one number where all rounds agree.
pub(super) fn spread(metric: Metric, spread: &Spread) -> String {
    let all = spread.known + spread.over + spread.unknown;
    if spread.known == 0 {
        return match spread.at_least {
            Some(least) if all == 1 => format!("over {}", amount(metric, least)),
            Some(least) if spread.unknown == 0 => format!("over {} in all", amount(metric, least)),
            Some(least) => format!("over {}, {} unknown", amount(metric, least), spread.unknown),
            None => format!("unknown: {}", line(&spread.reasons.join("; "))),
        };
    }
    let number = |value: Option<u64>, else_: &str| {
        value.map_or_else(|| else_.to_owned(), |value| bare(metric, value))
    };
    let most = spread
        .at_least
        .map_or_else(String::new, |least| format!("over {}", bare(metric, least)));
    let text = if spread.over == 0 && spread.min == spread.max {
        let only = Value::known(spread.min.unwrap_or(0), spread.resolution);
        value_text(metric, &only)
    } else {
        let unit = match metric.unit() {
            Unit::Time => " s",
            Unit::Count => "",
        };
        let coarse = match (metric.unit(), spread.resolution) {
            (Unit::Time, resolution) if resolution > 0 => {
                format!(" ±{}", bare(metric, resolution))
            }
            _ => String::new(),
        };
        let median_else = if spread.unknown > 0 { "?" } else { &most };
        format!(
            "{} / {} / {}{unit}{coarse}",
            number(spread.min, "?"),
            number(spread.median, median_else),
            number(spread.max, &most)
        )
    };
    if spread.unknown > 0 {
        format!(
            "{text}, unknown in {} of {all}: {}",
            spread.unknown,
            line(&spread.reasons.join("; "))
        )
    } else {
        text
    }
}

fn bare(metric: Metric, value: u64) -> String {
    amount(metric, value).trim_end_matches(" s").to_owned()
}

/// `delete primary · 3 rounds · whole again in 3 · 15.1 writes a second acknowledged before`.
pub(super) fn fault_line(fault: &FaultReport) -> String {
    let whole = fault
        .rounds
        .iter()
        .filter(|round| round.result.recovers == Some(true))
        .count();
    let mut parts = vec![fault.title(), count(fault.rounds.len(), "round")];
    if !fault.rounds.is_empty() {
        parts.push(format!("whole again in {whole}"));
    }
    if let Some(rate) = write_rate(fault) {
        parts.push(rate);
    }
    parts.join(" · ")
}

/// The rate of acknowledged writes before the faults: what is lost in a second depends on it.
fn write_rate(fault: &FaultReport) -> Option<String> {
    let rates: Vec<u64> = fault
        .rounds
        .iter()
        .map(|round| round.result.write_rate_milli)
        .filter(|rate| *rate > 0)
        .collect();
    let tenths = |milli: u64| {
        let tenths = (milli + 50) / 100;
        format!("{}.{}", tenths / 10, tenths % 10)
    };
    let (least, most) = (rates.iter().min()?, rates.iter().max()?);
    let range = if tenths(*least) == tenths(*most) {
        tenths(*least)
    } else {
        format!("{}–{}", tenths(*least), tenths(*most))
    };
    Some(format!("{range} writes a second acknowledged before"))
}

/// Numbers of a fault that say something: counts of 0 are named only where a limit stands on them.
pub(super) fn known(fault: &FaultReport) -> impl Iterator<Item = (Metric, &Spread)> {
    fault
        .numbers
        .iter()
        .map(|(metric, spread)| (*metric, spread))
        .filter(|(metric, spread)| {
            let nothing = spread.max == Some(0) && spread.unknown == 0;
            let limited = fault.limits.iter().any(|limit| limit.name == metric.name());
            !nothing || limited || *metric == Metric::WriteDown
        })
}

/// Findings that follow from no other one.
pub(super) fn causes(report: &DrillReport) -> impl Iterator<Item = &DrillFinding> {
    report
        .findings
        .iter()
        .filter(|finding| finding.caused_by.is_none())
}

/// What follows from a finding, nearest first, also by another consequence.
pub(super) fn consequences<'a>(
    report: &'a DrillReport,
    cause: &DrillFinding,
) -> Vec<&'a DrillFinding> {
    report
        .findings
        .iter()
        .filter(|finding| {
            finding.candidate == cause.candidate && finding.caused_by.as_ref() == Some(&cause.id)
        })
        .flat_map(|finding| {
            // Causes never stand in a circle: each is of another code, and the table of causes has none.
            [vec![finding], consequences(report, finding)].concat()
        })
        .collect()
}
