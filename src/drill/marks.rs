//! The table's cells: marks by the rules of `checks/drill.yaml`, and what was measured in words. Pure.

use std::fmt::Write;

use serde::Deserialize;

use super::judge::{amount, chance_not_excluded, spread};
use super::model::{Fault, Metric, Unit, Value};
use crate::report::drill::{
    CandidateReport, CandidateSql, Cell, FaultReport, Grade, RoundReport, Spread,
};

const TEXT: &str = include_str!("../../checks/drill.yaml");

/// The rules.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct MarkRules {
    marks: Vec<MarkRule>,
}

/// A row of the table.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct MarkRule {
    row: String,
    of: String,
    best: Option<u64>,
    good: Option<u64>,
    fair: Option<u64>,
    #[serde(default)]
    decides: bool,
}

impl MarkRules {
    /// The embedded rules.
    ///
    /// # Panics
    /// Never in a build that passed its tests: they read them.
    pub fn embedded() -> Self {
        match crate::catalog::table(TEXT) {
            Ok(rules) => rules,
            Err(error) => panic!("checks/drill.yaml does not read: {error}"),
        }
    }

    /// A candidate's column.
    pub fn cells(&self, candidate: &CandidateReport) -> Vec<Cell> {
        let mut cells = Vec::new();
        let mut deciding = Vec::new();
        for rule in &self.marks {
            let (mark, text, words) = if rule.of == "overall" {
                (overall(&deciding), String::new(), overall_rule(&self.marks))
            } else {
                rule.cell(candidate)
            };
            if rule.decides {
                deciding.push(mark);
            }
            cells.push(Cell {
                row: rule.row.clone(),
                mark,
                text,
                rule: words,
            });
        }
        cells
    }
}

/// The worst mark that decides: × before ?, since what is proven bad stays bad.
fn overall(deciding: &[Grade]) -> Grade {
    let asked = deciding.iter().filter(|mark| **mark != Grade::None);
    let weight = |mark: &Grade| match mark {
        Grade::None => 0,
        Grade::Best => 1,
        Grade::Good => 2,
        Grade::Fair => 3,
        Grade::Unknown => 4,
        Grade::Bad => 5,
    };
    asked
        .max_by_key(|mark| weight(mark))
        .copied()
        .unwrap_or(Grade::Unknown)
}

fn overall_rule(rules: &[MarkRule]) -> String {
    let rows: Vec<&str> = rules
        .iter()
        .filter(|rule| rule.decides)
        .map(|rule| rule.row.as_str())
        .collect();
    format!("the worst of {}", rows.join(", "))
}

type Judged = (Grade, String, String);

impl MarkRule {
    fn cell(&self, candidate: &CandidateReport) -> Judged {
        match self.of.as_str() {
            "deployable" => deployable(candidate),
            "init-sql" => sql(candidate.init_sql.as_ref()),
            "workload" => sql(candidate.workload.as_ref()),
            "recovers" => recovers(candidate),
            "persistent" => persistent(candidate),
            "left-behind" => left_behind(candidate),
            number => match number.parse() {
                Ok(metric) => self.number(metric, candidate),
                Err(error) => panic!("checks/drill.yaml: {error}"),
            },
        }
    }

    /// The worst round of any fault decides.
    fn number(&self, metric: Metric, candidate: &CandidateReport) -> Judged {
        let values: Vec<&Value> = rounds_with_a_fault(candidate)
            .filter_map(|(_, round)| round.result.numbers.get(&metric))
            .collect();
        let words = self.words(metric);
        if values.is_empty() {
            return (Grade::None, String::new(), words);
        }
        let found = spread(&values);
        let marks = values.iter().map(|value| self.mark(value));
        let mark = overall(&marks.collect::<Vec<_>>());
        let mut text = range(metric, &found);
        if metric == Metric::Lost && found.max == Some(0) && found.unknown == 0 {
            let (rounds, chance) = (found.known, chance_not_excluded(found.known));
            text = format!("0 in {rounds} (≤ {chance} % possible)");
        }
        (mark, text, words)
    }

    fn mark(&self, value: &Value) -> Grade {
        let within = |most: Option<u64>, number: u64| most.is_some_and(|most| number <= most);
        match value {
            Value::Unknown { .. } => Grade::Unknown,
            Value::Known { number, .. } if within(self.best, *number) => Grade::Best,
            Value::Known { number, .. } if within(self.good, *number) => Grade::Good,
            Value::Known { number, .. } if within(self.fair, *number) => Grade::Fair,
            Value::Over { .. } | Value::Known { .. } => Grade::Bad,
        }
    }

    /// `◎ none seen · ○ at most 30.0 s · △ at most 120.0 s · × above, in the worst round`.
    fn words(&self, metric: Metric) -> String {
        let part = |mark: Grade, most: Option<u64>| {
            most.map(|most| match (most, metric.unit()) {
                (0, Unit::Time) => format!("{} none seen", mark.sign()),
                (0, Unit::Count) => format!("{} none", mark.sign()),
                _ => format!("{} at most {}", mark.sign(), amount(metric, most)),
            })
        };
        let parts: Vec<String> = [
            part(Grade::Best, self.best),
            part(Grade::Good, self.good),
            part(Grade::Fair, self.fair),
        ]
        .into_iter()
        .flatten()
        .collect();
        format!("{} · × above, in the worst round", parts.join(" · "))
    }
}

/// The rounds in which something happened; quiet ones say nothing of a fault.
fn rounds_with_a_fault(
    candidate: &CandidateReport,
) -> impl Iterator<Item = (&FaultReport, &RoundReport)> {
    candidate
        .faults
        .iter()
        .flat_map(|fault| fault.rounds.iter().map(move |round| (fault, round)))
        .filter(|(fault, round)| match fault.fault {
            Fault::None => false,
            Fault::Watch => !round.victims.is_empty() || !round.result.outages.is_empty(),
            _ => true,
        })
}

/// `6.2–7.2 s`, `0–over 90.0 s`, `6.2 s, 1 unknown`.
pub(crate) fn range(metric: Metric, spread: &Spread) -> String {
    let most = match (spread.max, spread.at_least) {
        (_, Some(least)) => Some(format!("over {}", amount(metric, least))),
        (Some(max), None) => Some(amount(metric, max)),
        (None, None) => None,
    };
    let least = spread.min.map(|min| amount(metric, min));
    let text = match (least, most) {
        (Some(least), Some(most)) if least == most => least,
        (Some(least), Some(most)) => format!("{}–{most}", least.trim_end_matches(" s")),
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => "unknown".to_owned(),
    };
    let text = match metric.unit() {
        Unit::Time if text == "0.0 s" => "none seen".to_owned(),
        _ => text,
    };
    if spread.unknown > 0 && text != "unknown" {
        format!("{text}, {} unknown", spread.unknown)
    } else {
        text
    }
}

fn deployable(candidate: &CandidateReport) -> Judged {
    let rule = "○ deployed and whole before the first round · × not whole · ? not drilled";
    let (mark, text) = match candidate.refusals.first() {
        Some(refusal) => (Grade::Unknown, refusal.clone()),
        None if candidate
            .faults
            .iter()
            .flat_map(|fault| &fault.rounds)
            .any(|round| round.result.recovers.is_some()) =>
        {
            (Grade::Good, String::new())
        }
        None => (Grade::Unknown, "no round could begin".to_owned()),
    };
    (mark, text, rule.to_owned())
}

fn sql(summary: Option<&CandidateSql>) -> Judged {
    let rule = "◎ all accepted · ○ refused: only what no one misses · △ refused: something that is missing then · × refused: something that the application needs · ? without an answer";
    let Some(sql) = summary else {
        return (Grade::None, String::new(), rule.to_owned());
    };
    let refused = sql.required + sql.real + sql.cosmetic;
    let mark = match sql {
        CandidateSql { statements: 0, .. } => Grade::None,
        CandidateSql { required, .. } if *required > 0 => Grade::Bad,
        CandidateSql { unknown, .. } if *unknown > 0 => Grade::Unknown,
        CandidateSql { real, .. } if *real > 0 => Grade::Fair,
        CandidateSql { cosmetic, .. } if *cosmetic > 0 => Grade::Good,
        _ => Grade::Best,
    };
    let mut text = format!("{refused} of {} refused", sql.statements);
    if sql.unknown > 0 {
        let _ = write!(text, ", {} without an answer", sql.unknown);
    }
    (mark, text, rule.to_owned())
}

fn recovers(candidate: &CandidateReport) -> Judged {
    let rule = "◎ whole again in every round · × not whole within the patience in one · ? a round that could not be measured";
    let rounds: Vec<Option<bool>> = rounds_with_a_fault(candidate)
        .map(|(_, round)| round.result.recovers)
        .collect();
    let good = rounds.iter().filter(|round| **round == Some(true)).count();
    let mark = if rounds.is_empty() {
        Grade::None
    } else if rounds.contains(&Some(false)) {
        Grade::Bad
    } else if rounds.contains(&None) {
        Grade::Unknown
    } else {
        Grade::Best
    };
    let text = if rounds.is_empty() {
        String::new()
    } else {
        format!("{good} of {}", rounds.len())
    };
    (mark, text, rule.to_owned())
}

/// Measured where all members were replaced at once; the volumes alone prove nothing.
fn persistent(candidate: &CandidateReport) -> Judged {
    let rule = "○ nothing lost where all members were replaced · × lost · – all members were never replaced";
    let all_hit = |round: &&RoundReport| {
        !candidate.members.is_empty() && round.victims.len() >= candidate.members.len()
    };
    let values: Vec<&Value> = rounds_with_a_fault(candidate)
        .map(|(_, round)| round)
        .filter(all_hit)
        .filter_map(|round| round.result.numbers.get(&Metric::LostEverywhere))
        .collect();
    let lost = values
        .iter()
        .any(|value| matches!(value, Value::Known { number, .. } if *number > 0));
    let clean = values
        .iter()
        .any(|value| matches!(value, Value::Known { number: 0, .. }));
    let mark = match (values.is_empty(), lost, clean) {
        (true, ..) => Grade::None,
        (_, true, _) => Grade::Bad,
        (_, _, true) => Grade::Good,
        _ => Grade::Unknown,
    };
    (mark, candidate.volumes.join(", "), rule.to_owned())
}

fn left_behind(candidate: &CandidateReport) -> Judged {
    let rule = "what stays in the cluster when the candidate is removed: no mark";
    (
        Grade::None,
        candidate.left_behind.join(", "),
        rule.to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_has_a_rule_that_can_be_read() {
        let rules = MarkRules::embedded();
        let rows: Vec<&str> = rules.marks.iter().map(|rule| rule.row.as_str()).collect();
        assert_eq!(rows.first(), Some(&"deployable"));
        assert_eq!(rows.last(), Some(&"overall"));
        let special = [
            "deployable",
            "init-sql",
            "workload",
            "recovers",
            "persistent",
            "left-behind",
            "overall",
        ];
        for rule in &rules.marks {
            let is_number = rule.of.parse::<Metric>().is_ok();
            assert!(is_number || special.contains(&rule.of.as_str()), "{rule:?}");
            assert_eq!(is_number, rule.good.is_some(), "{rule:?}");
            assert!(rule.best <= rule.good && (rule.fair.is_none() || rule.good < rule.fair));
        }
    }

    #[test]
    fn a_mark_is_that_of_the_worst_round() {
        let rule = MarkRule {
            row: "writes away".into(),
            of: "write_down".into(),
            best: Some(0),
            good: Some(30_000),
            fair: None,
            decides: true,
        };
        let known = |number| Value::Known {
            number,
            resolution: 200,
        };
        assert_eq!(rule.mark(&known(0)), Grade::Best);
        assert_eq!(rule.mark(&known(30_000)), Grade::Good);
        assert_eq!(rule.mark(&known(30_001)), Grade::Bad);
        assert_eq!(
            overall(&[Grade::Best, Grade::Good, Grade::None]),
            Grade::Good
        );
        assert_eq!(overall(&[Grade::Best, Grade::Unknown]), Grade::Unknown);
        assert_eq!(overall(&[Grade::Bad, Grade::Unknown]), Grade::Bad);
        assert_eq!(overall(&[Grade::None]), Grade::Unknown);
        assert_eq!(
            rule.words(Metric::WriteDown),
            "◎ none seen · ○ at most 30.0 s · × above, in the worst round"
        );
    }

    #[test]
    fn a_range_says_what_is_over_and_what_is_unknown() {
        let known = |number| Value::Known {
            number,
            resolution: 200,
        };
        let text = |values: &[Value]| {
            range(
                Metric::WriteDown,
                &spread(&values.iter().collect::<Vec<_>>()),
            )
        };
        assert_eq!(text(&[known(6200), known(7200)]), "6.2–7.2 s");
        assert_eq!(text(&[known(0), known(0)]), "none seen");
        assert_eq!(
            text(&[known(0), Value::Over { number: 90_000 }]),
            "0.0–over 90.0 s"
        );
        let unknown = Value::Unknown { reason: "x".into() };
        assert_eq!(text(&[known(6200), unknown.clone()]), "6.2 s, 1 unknown");
        assert_eq!(text(&[unknown]), "unknown");
    }
}
