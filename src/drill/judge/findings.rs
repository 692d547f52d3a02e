//! The findings of a candidate's rounds: each code once, with what was seen round by round, and causes before what they bring about. Pure.

use std::collections::BTreeMap;

use crate::catalog::findings::FindingTexts;
use crate::drill::limit::LimitSet;
use crate::drill::model::{Candidate, Round, RoundResult};
use crate::finding::{Code, Fix, ObjectRef, Severity, finding_id};
use crate::report::drill::DrillFinding;

mod case;

use case::Case;

type Rounds<'a> = [&'a (&'a Round, RoundResult)];

/// What a rule saw in one round.
struct RuleHit {
    code: Code,
    severity: Option<Severity>,
    object: ObjectRef,
    message: String,
    evidence: String,
}

impl RuleHit {
    fn with_severity(self, severity: Severity) -> Self {
        Self {
            severity: Some(severity),
            ..self
        }
    }
}

pub(super) fn of(
    candidate: &Candidate,
    rounds: &Rounds,
    limits: &LimitSet,
    run_namespace: &str,
) -> Vec<DrillFinding> {
    let mut found: BTreeMap<(Code, ObjectRef), DrillFinding> = BTreeMap::new();
    let texts = FindingTexts::shared();
    for (round, result) in rounds {
        let case = Case {
            candidate,
            round,
            result,
            limits,
        };
        for seen in case.all() {
            let text = texts.get(seen.code);
            let key = (seen.code, seen.object.clone());
            let finding = found.entry(key).or_insert_with(|| DrillFinding {
                id: finding_id(seen.code, &seen.object, run_namespace),
                code: seen.code,
                severity: seen.severity.unwrap_or(text.severity),
                candidate: candidate.name.clone(),
                object: seen.object.to_string(),
                namespace: seen.object.namespace.clone(),
                message: seen.message.clone(),
                evidence: Vec::new(),
                caused_by: None,
                fix: Some(Fix::text(text.fix.clone())),
            });
            finding.severity = finding.severity.min(seen.severity.unwrap_or(text.severity));
            finding.evidence.push(format!(
                "{} round {}: {}",
                round.fault, round.number, seen.evidence
            ));
        }
    }
    let mut findings: Vec<DrillFinding> = found.into_values().collect();
    connect(&mut findings);
    findings
}

/// Consequence ← its causes, the likeliest first.
const CAUSES: &[(Code, &[Code])] = &[
    (
        Code::DrillNotRecovered,
        &[
            Code::DrillExpectedTableMissing,
            Code::DrillServiceNotSwitched,
            Code::DrillServiceEmpty,
            Code::DrillMemberNotJoined,
            Code::DrillPoolPinned,
        ],
    ),
    (
        Code::DrillServiceNotSwitched,
        &[Code::DrillExpectedTableMissing],
    ),
    (
        Code::DrillServiceEmpty,
        &[
            Code::DrillExpectedTableMissing,
            Code::DrillServiceNotSwitched,
        ],
    ),
    (Code::DrillDataLost, &[Code::DrillNotPersistent]),
    (Code::DrillMembersDiverged, &[Code::DrillSplitBrain]),
    (
        Code::DrillDowntimeExceeded,
        &[
            Code::DrillExpectedTableMissing,
            Code::DrillServiceNotSwitched,
            Code::DrillNotRecovered,
        ],
    ),
];

fn connect(findings: &mut [DrillFinding]) {
    let ids: BTreeMap<Code, _> = findings
        .iter()
        .map(|finding| (finding.code, (finding.severity, finding.id.clone())))
        .collect();
    for finding in findings {
        let causes = CAUSES
            .iter()
            .find(|(code, _)| *code == finding.code)
            .map_or(&[][..], |(_, causes)| causes);
        // What was only noticed does not bring about what is broken.
        finding.caused_by = causes
            .iter()
            .filter_map(|cause| ids.get(cause))
            .find(|(severity, _)| *severity <= finding.severity)
            .map(|(_, id)| id.clone());
    }
}
