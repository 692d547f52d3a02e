//! Everything that was recorded of a drill → its report: numbers over the rounds, limits, findings, the table. The only place of a drill that decides. Pure.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::limit::{LimitSet, meets};
use super::marks::MarkRules;
use super::measure::{measure, picture, watched};
use super::model::{
    Candidate, Fault, MemberRole, Metric, NotBegun, Plan, Round, RoundEnd, RoundResult, Spoilt,
    Value,
};
use crate::finding::FindingId;
use crate::report::VerdictValue;
use crate::report::drill::{
    CandidateReport, CandidateSql, DrillFinding, DrillReport, FaultReport, LimitReport,
    RoundReport, SCHEMA,
};

mod findings;
mod spread;

pub use spread::{amount, chance_not_excluded, spread, value_text};

/// Everything that was recorded.
#[derive(Debug, Clone, Default)]
pub struct Recorded {
    /// The rounds, in the order in which they were made.
    pub rounds: Vec<Round>,
    /// Candidate → what stays behind of it.
    pub left_behind: BTreeMap<String, Vec<String>>,
    /// Candidate → its init SQL.
    pub init_sql: BTreeMap<String, CandidateSql>,
    /// Candidate → its workload.
    pub workload: BTreeMap<String, CandidateSql>,
    /// What else a reader should know.
    pub notes: Vec<String>,
    /// Whether the run was stopped before its end.
    pub interrupted: bool,
}

/// What is known of a run besides.
#[derive(Debug, Clone, Default)]
pub struct RunFacts {
    /// The tool's version.
    pub tool_version: String,
    /// The run's namespace.
    pub namespace: String,
    /// A name of the cluster for people.
    pub cluster: String,
    /// When it began, RFC 3339.
    pub started_at: String,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
}

/// The report of a drill.
pub fn judge(plan: &Plan, recorded: &Recorded, about: &RunFacts, limits: &LimitSet) -> DrillReport {
    let rounds: Vec<Cow<Round>> = recorded.rounds.iter().map(watched).collect();
    let measured: Vec<(&Round, RoundResult)> = rounds
        .iter()
        .map(|round| (round.as_ref(), measure(round)))
        .collect();
    let mut candidates: Vec<CandidateReport> = plan
        .candidates
        .iter()
        .map(|candidate| column(candidate, recorded, &measured, limits))
        .collect();
    let rules = MarkRules::embedded();
    for candidate in &mut candidates {
        candidate.cells = rules.cells(candidate);
    }
    let mut findings = Vec::new();
    for candidate in &plan.candidates {
        let rounds: Vec<&(&Round, RoundResult)> = measured
            .iter()
            .filter(|(round, _)| round.candidate == candidate.name)
            .collect();
        findings.extend(findings::of(candidate, &rounds, limits, &about.namespace));
    }
    sort(&mut findings);
    let verdict = verdict(&candidates, recorded.interrupted);
    let mut notes = recorded.notes.clone();
    notes.extend(wrong_lists(&measured));
    DrillReport {
        schema: SCHEMA.to_owned(),
        tool_version: about.tool_version.clone(),
        verdict,
        exit_code: verdict.exit_code(),
        run: plan.run.clone(),
        namespace: about.namespace.clone(),
        cluster: about.cluster.clone(),
        started_at: about.started_at.clone(),
        duration_ms: about.duration_ms,
        seed: plan.seed,
        limits: limits.0.clone(),
        candidates,
        findings,
        notes,
    }
}

/// Causes before consequences, the grave first, then those that bring about most.
fn sort(findings: &mut [DrillFinding]) {
    let mut brings: BTreeMap<FindingId, usize> = BTreeMap::new();
    for cause in findings
        .iter()
        .filter_map(|finding| finding.caused_by.clone())
    {
        *brings.entry(cause).or_default() += 1;
    }
    findings.sort_by_cached_key(|finding| {
        let most = brings.get(&finding.id).copied().unwrap_or(0);
        (
            finding.caused_by.is_some(),
            finding.severity,
            std::cmp::Reverse(most),
            finding.candidate.clone(),
            finding.code,
        )
    });
}

/// Fail where a limit is proven broken; unknown where one is not known, a candidate was not drilled, or nothing was.
pub fn verdict(candidates: &[CandidateReport], interrupted: bool) -> VerdictValue {
    let all = || {
        candidates
            .iter()
            .flat_map(|candidate| &candidate.faults)
            .flat_map(|fault| &fault.limits)
    };
    let idle = |candidate: &CandidateReport| {
        !candidate.refusals.is_empty()
            || candidate.faults.is_empty()
            || candidate.faults.iter().any(|fault| fault.rounds.is_empty())
    };
    let sql = || {
        candidates
            .iter()
            .flat_map(|candidate| [&candidate.init_sql, &candidate.workload])
            .flatten()
    };
    if sql().any(|sql| sql.required > 0) || all().any(|limit| limit.status == VerdictValue::Fail) {
        VerdictValue::Fail
    } else if interrupted
        || candidates.is_empty()
        || candidates.iter().any(idle)
        || sql().any(|sql| sql.unknown > 0)
        || all().any(|limit| limit.status == VerdictValue::Unknown)
    {
        VerdictValue::Unknown
    } else {
        VerdictValue::Pass
    }
}

/// Rounds of one kind are held together: a fault, and the role that it hit.
type Kind = (Fault, Option<MemberRole>);

fn column(
    candidate: &Candidate,
    recorded: &Recorded,
    measured: &[(&Round, RoundResult)],
    limits: &LimitSet,
) -> CandidateReport {
    let mut groups: Vec<(Kind, Vec<RoundReport>)> = Vec::new();
    for (round, result) in measured
        .iter()
        .filter(|(round, _)| round.candidate == candidate.name)
    {
        let key = (round.fault, role(round));
        let report = RoundReport {
            number: round.number,
            victims: round.victims.iter().map(|v| v.member.clone()).collect(),
            ended: ended(&round.ended),
            result: result.clone(),
            picture: picture(round),
        };
        match groups.iter_mut().find(|(known, _)| *known == key) {
            Some((_, rounds)) => rounds.push(report),
            None => groups.push((key, vec![report])),
        }
    }
    let mut faults: Vec<FaultReport> = groups
        .into_iter()
        .map(|((fault, role), rounds)| fault_report(fault, role, rounds, limits))
        .collect();
    // What was planned and never begun stands there too: it is not passed.
    for planned in &candidate.faults {
        if !faults.iter().any(|fault| fault.fault == planned.fault) {
            faults.push(fault_report(planned.fault, None, Vec::new(), limits));
        }
    }
    CandidateReport {
        name: candidate.name.clone(),
        namespace: candidate.namespace.clone(),
        engine: candidate.engine,
        write: candidate.write.to_string(),
        members: candidate.members.iter().map(|m| m.name.clone()).collect(),
        volumes: candidate.volumes.clone(),
        faults,
        init_sql: recorded.init_sql.get(&candidate.name).cloned(),
        workload: recorded.workload.get(&candidate.name).cloned(),
        left_behind: recorded
            .left_behind
            .get(&candidate.name)
            .cloned()
            .unwrap_or_default(),
        refusals: candidate
            .refusals
            .iter()
            .map(|refusal| refusal.message.clone())
            .collect(),
        cells: Vec::new(),
    }
}

/// The role of the one member that was hit, where it distinguishes rounds.
fn role(round: &Round) -> Option<MemberRole> {
    match round.victims.as_slice() {
        [victim] if round.members.len() > 1 => victim
            .role
            .filter(|role| matches!(role, MemberRole::Primary | MemberRole::Replica)),
        _ => None,
    }
}

fn fault_report(
    fault: Fault,
    role: Option<MemberRole>,
    rounds: Vec<RoundReport>,
    limits: &LimitSet,
) -> FaultReport {
    let numbers = spread::over_rounds(&rounds);
    let not_excluded = spread::not_excluded(&rounds);
    let limits = limit_reports(&rounds, limits);
    FaultReport {
        fault,
        role,
        rounds,
        numbers,
        limits,
        not_excluded,
    }
}

/// `recovers` is always asked; a limit of a number that applies in no round says nothing.
pub(crate) fn limit_reports(rounds: &[RoundReport], limits: &LimitSet) -> Vec<LimitReport> {
    let mut reports = vec![recovers(rounds)];
    for (metric, most) in &limits.0 {
        let values: Vec<(u32, &Value)> = rounds
            .iter()
            .filter_map(|round| Some((round.number, round.result.numbers.get(metric)?)))
            .collect();
        if values.is_empty() {
            continue;
        }
        let judged: Vec<(u32, &Value, VerdictValue)> = values
            .iter()
            .map(|(number, value)| (*number, *value, meets(value, *most)))
            .collect();
        let status = worst(judged.iter().map(|(_, _, status)| *status));
        let shown: Vec<String> = judged
            .iter()
            .filter(|(_, _, each)| *each == status)
            .map(|(number, value, _)| format!("round {number}: {}", value_text(*metric, value)))
            .collect();
        let word = match status {
            VerdictValue::Pass => "met",
            VerdictValue::Fail => "broken",
            VerdictValue::Unknown => "not known",
        };
        reports.push(LimitReport {
            name: metric.name().to_owned(),
            most: Some(*most),
            status,
            detail: format!(
                "{} at most {}: {word} ({})",
                metric.title(),
                amount(*metric, *most),
                shown.join("; ")
            ),
        });
    }
    reports
}

fn recovers(rounds: &[RoundReport]) -> LimitReport {
    let status = |round: &RoundReport| match round.result.recovers {
        Some(true) => VerdictValue::Pass,
        Some(false) => VerdictValue::Fail,
        None => VerdictValue::Unknown,
    };
    let worst = if rounds.is_empty() {
        VerdictValue::Unknown
    } else {
        worst(rounds.iter().map(status))
    };
    let good = rounds
        .iter()
        .filter(|round| status(round) == VerdictValue::Pass)
        .count();
    let bad: Vec<String> = rounds
        .iter()
        .filter(|round| status(round) != VerdictValue::Pass)
        .map(|round| format!("round {}: {}", round.number, round.ended))
        .collect();
    let detail = match (rounds.len(), bad.as_slice()) {
        (0, _) => "no round was made".to_owned(),
        (all, []) => format!("recovers in {good} of {all} rounds"),
        (all, bad) => format!("recovers in {good} of {all} rounds ({})", bad.join("; ")),
    };
    LimitReport {
        name: "recovers".to_owned(),
        most: None,
        status: worst,
        detail,
    }
}

/// Fail outweighs unknown, unknown outweighs pass.
fn worst(all: impl Iterator<Item = VerdictValue>) -> VerdictValue {
    all.fold(VerdictValue::Pass, |one, two| match (one, two) {
        (VerdictValue::Fail, _) | (_, VerdictValue::Fail) => VerdictValue::Fail,
        (VerdictValue::Unknown, _) | (_, VerdictValue::Unknown) => VerdictValue::Unknown,
        _ => VerdictValue::Pass,
    })
}

/// How a round ended, in words.
fn ended(end: &RoundEnd) -> String {
    match end {
        RoundEnd::Whole => "whole again".to_owned(),
        RoundEnd::PatienceOver(missing) => format!("not whole when patience was over: {missing}"),
        RoundEnd::NotBegun(NotBegun::NotHealthy(seen)) => {
            format!("not begun, it was not whole: {seen}")
        }
        RoundEnd::NotBegun(NotBegun::BaselineUnclean(seen)) => {
            format!("not begun, no clean baseline: {seen}")
        }
        RoundEnd::Spoilt(Spoilt::RunnerLost(seen)) => format!("spoilt, a runner was lost: {seen}"),
        RoundEnd::Spoilt(Spoilt::NoEffect(seen)) => {
            format!("spoilt, the fault had no effect: {seen}")
        }
        RoundEnd::Spoilt(Spoilt::ChangedByOthers(seen)) => {
            format!("spoilt, something else changed it: {seen}")
        }
        RoundEnd::Spoilt(Spoilt::Interrupted(seen)) => format!("stopped: {seen}"),
    }
}

/// A refused write that is there proves the list of sure refusals wrong: that is our fault, not the candidate's.
fn wrong_lists(measured: &[(&Round, RoundResult)]) -> Vec<String> {
    measured
        .iter()
        .filter_map(|(round, result)| match result.numbers.get(&Metric::Unexpected) {
            Some(Value::Known { number, .. }) if *number > 0 => Some(format!(
                "{} {} round {}: {number} writes that counted as refused are there; the list of sure refusals (checks/drill.yaml) is wrong, please report it",
                round.candidate, round.fault, round.number
            )),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests;
