//! What the rules see in one round. Pure.

use super::RuleHit;
use crate::drill::judge::{amount, ended, value_text};
use crate::drill::limit::{LimitSet, meets};
use crate::drill::model::{
    Candidate, Fault, Metric, NotBegun, Round, RoundEnd, RoundResult, Spoilt, Value,
};
use crate::finding::{Code, ObjectRef, Severity};
use crate::report::VerdictValue;

/// A pool that is refused for longer than this is pinned; a Pod that is Ready for longer without serving lies; a Service of several members that
/// leads nowhere for longer is empty.
const NOTICED_MS: u64 = 3000;

/// One round, and what it is held against.
pub(super) struct Case<'a> {
    pub(super) candidate: &'a Candidate,
    pub(super) round: &'a Round,
    pub(super) result: &'a RoundResult,
    pub(super) limits: &'a LimitSet,
}

impl Case<'_> {
    pub(super) fn all(&self) -> Vec<RuleHit> {
        let mut seen: Vec<RuleHit> = Vec::new();
        seen.extend(self.not_measured());
        if self.result.recovers.is_none() {
            return seen;
        }
        seen.extend(self.expected());
        seen.extend(self.service_not_switched());
        seen.extend(self.service_empty());
        seen.extend(self.not_joined());
        seen.extend(self.not_recovered());
        seen.extend(self.downtime());
        seen.extend(self.data());
        seen.extend(self.pinned());
        seen.extend(self.ready_lie());
        seen
    }

    fn seen(&self, code: Code, message: String, evidence: String) -> RuleHit {
        RuleHit {
            code,
            severity: None,
            object: ObjectRef::new("candidate", &self.candidate.name, &self.candidate.namespace),
            message,
            evidence,
        }
    }

    fn on_service(&self, seen: RuleHit) -> RuleHit {
        match &self.candidate.write_service {
            Some(service) => RuleHit {
                object: ObjectRef::new("service", service, &self.candidate.namespace),
                ..seen
            },
            None => seen,
        }
    }

    fn name(&self) -> &str {
        &self.candidate.name
    }

    /// What was done, as a noun.
    fn fault(&self) -> String {
        match self.round.fault {
            Fault::Watch if self.round.victims.is_empty() => "what happened".to_owned(),
            Fault::Watch => "the loss".to_owned(),
            fault => fault.to_string(),
        }
    }

    fn victims(&self) -> String {
        let names: Vec<&str> = self
            .round
            .victims
            .iter()
            .map(|victim| victim.member.as_str())
            .collect();
        if names.is_empty() {
            self.fault()
        } else {
            format!("{} of {}", self.fault(), names.join(", "))
        }
    }

    fn value(&self, metric: Metric) -> Option<&Value> {
        self.result.numbers.get(&metric)
    }

    /// A count that is proven and not 0.
    fn count(&self, metric: Metric) -> Option<u64> {
        match self.value(metric) {
            Some(Value::Known { number, .. }) if *number > 0 => Some(*number),
            _ => None,
        }
    }

    fn not_measured(&self) -> Option<RuleHit> {
        let name = self.name();
        let (code, message) = match &self.round.ended {
            RoundEnd::Whole
            | RoundEnd::PatienceOver(_)
            | RoundEnd::Spoilt(Spoilt::Interrupted(_)) => return None,
            RoundEnd::NotBegun(NotBegun::NotHealthy(_)) => (
                Code::DrillNotHealthyBefore,
                format!("{name} was not whole before a round, so no fault was made"),
            ),
            RoundEnd::NotBegun(NotBegun::BaselineUnclean(_)) => (
                Code::DrillBaselineUnclean,
                format!("clients of {name} failed before any fault was made, so none was"),
            ),
            RoundEnd::Spoilt(Spoilt::RunnerLost(_)) => (
                Code::DrillRunnerLost,
                format!("the clients that measured {name} were lost in a round"),
            ),
            RoundEnd::Spoilt(Spoilt::NoEffect(_)) => (
                Code::DrillNoEffect,
                format!("the fault on {name} had no effect"),
            ),
            RoundEnd::Spoilt(Spoilt::ChangedByOthers(_)) => (
                Code::DrillChangedByOthers,
                format!("something else than the drill changed {name} in a round"),
            ),
        };
        Some(self.seen(code, message, ended(&self.round.ended)))
    }

    /// Whether what a member lacks after the fault only says that it has not joined again: it came back without data.
    fn is_no_member_yet(&self, name: &str) -> bool {
        matches!(self.value(Metric::Joined), Some(Value::Over { .. })) && self.round.hits(name)
    }

    fn expected(&self) -> Vec<RuleHit> {
        let before = self.round.expected_before.iter().map(|e| ("before", e));
        let after = self
            .round
            .expected_after
            .iter()
            .filter(|expectation| !self.is_no_member_yet(&expectation.member))
            .map(|e| ("after", e));
        before
            .chain(after)
            .filter(|(_, expectation)| expectation.holds == Some(false))
            .map(|(when, expectation)| {
                self.seen(
                    Code::DrillExpectedTableMissing,
                    format!(
                        "{} needs the table {}, and it is missing or stale",
                        self.name(),
                        expectation.table
                    ),
                    format!(
                        "{} on {} {when} the fault: {}",
                        expectation.table, expectation.member, expectation.detail
                    ),
                )
            })
            .collect()
    }

    fn service_not_switched(&self) -> Option<RuleHit> {
        let (Some(Value::Known { number, .. }), Some(over @ Value::Over { .. })) = (
            self.value(Metric::Promoted),
            self.value(Metric::ServiceSwitched),
        ) else {
            return None;
        };
        let seen = self.seen(
            Code::DrillServiceNotSwitched,
            format!(
                "another member of {} takes writes, and the write Service does not lead to it",
                self.name()
            ),
            format!(
                "promoted {} after {}, Service not switched: {}",
                amount(Metric::Promoted, *number),
                self.victims(),
                value_text(Metric::ServiceSwitched, over)
            ),
        );
        Some(self.on_service(seen))
    }

    fn service_empty(&self) -> Option<RuleHit> {
        let several = self.round.members.len() > self.round.victims.len();
        let value = self.value(Metric::ServiceEmpty)?;
        let is_back = matches!(self.value(Metric::PodReady), Some(Value::Known { .. }));
        let severity = match value {
            // While the only member is away, its Service has nothing to lead to.
            Value::Over { .. } if several || is_back => Severity::Error,
            Value::Known { number, .. } if several && *number > NOTICED_MS => Severity::Warning,
            _ => return None,
        };
        let seen = self.seen(
            Code::DrillServiceEmpty,
            format!("the write Service of {} had no ready endpoint", self.name()),
            format!(
                "after {}: {}",
                self.victims(),
                value_text(Metric::ServiceEmpty, value)
            ),
        );
        Some(self.on_service(seen).with_severity(severity))
    }

    fn not_joined(&self) -> Option<RuleHit> {
        let value = self.value(Metric::Joined)?;
        matches!(value, Value::Over { .. }).then(|| {
            self.seen(
                Code::DrillMemberNotJoined,
                format!(
                    "a member of {} came back and is no whole member",
                    self.name()
                ),
                format!(
                    "after {}: not joined in {}; {}",
                    self.victims(),
                    value_text(Metric::Joined, value),
                    self.last_words()
                ),
            )
        })
    }

    /// What the victims said last.
    fn last_words(&self) -> String {
        let mut said: Vec<String> = Vec::new();
        for victim in &self.round.victims {
            let last = self
                .round
                .runners
                .iter()
                .flat_map(|log| &log.batches)
                .flat_map(|batch| &batch.members)
                .filter(|state| state.member == victim.member)
                .max_by_key(|state| state.ended_ms);
            said.push(match last {
                Some(state) => match &state.error {
                    Some(error) => format!("{} does not answer: {error}", victim.member),
                    None if state.says.is_empty() => format!("{} answers", victim.member),
                    None => format!("{} says {}", victim.member, state.says),
                },
                None => format!("{} was not asked", victim.member),
            });
        }
        said.join("; ")
    }

    fn not_recovered(&self) -> Option<RuleHit> {
        let RoundEnd::PatienceOver(missing) = &self.round.ended else {
            return None;
        };
        Some(self.seen(
            Code::DrillNotRecovered,
            format!(
                "{} does not recover from {}: {missing}",
                self.name(),
                self.fault()
            ),
            format!(
                "after {}, {} later: {missing}",
                self.victims(),
                amount(Metric::WriteDown, self.round.patience_ms)
            ),
        ))
    }

    fn downtime(&self) -> Vec<RuleHit> {
        self.limits
            .0
            .iter()
            .filter(|(metric, _)| {
                !matches!(
                    metric,
                    Metric::Lost
                        | Metric::Diverged
                        | Metric::SplitBrain
                        | Metric::Torn
                        | Metric::Pinned
                        | Metric::ReadyLie
                )
            })
            .filter_map(|(metric, most)| {
                let value = self.value(*metric)?;
                (meets(value, *most) == VerdictValue::Fail).then(|| {
                    self.seen(
                        Code::DrillDowntimeExceeded,
                        format!(
                            "{}: {} is over the limit of {}",
                            self.name(),
                            metric.title(),
                            amount(*metric, *most)
                        ),
                        format!(
                            "{} after {}: {}",
                            metric.title(),
                            self.victims(),
                            value_text(*metric, value)
                        ),
                    )
                })
            })
            .collect()
    }

    fn data(&self) -> Vec<RuleHit> {
        let mut seen = Vec::new();
        let name = self.name();
        if let Some(lost) = self.count(Metric::Lost) {
            seen.push(self.seen(
                Code::DrillDataLost,
                format!("{name} lost writes that it had acknowledged"),
                format!(
                    "{lost} of {} acknowledged writes are absent after {}: {}",
                    self.result.acked,
                    self.victims(),
                    self.where_lost()
                ),
            ));
        }
        let all_hit =
            !self.round.victims.is_empty() && self.round.victims.len() >= self.round.members.len();
        if let Some(lost) = self.count(Metric::LostEverywhere).filter(|_| all_hit) {
            let volumes = if self.candidate.volumes.is_empty() {
                "none known".to_owned()
            } else {
                self.candidate.volumes.join(", ")
            };
            seen.push(self.seen(
                Code::DrillNotPersistent,
                format!("{name} keeps no data when all of its members are replaced"),
                format!("{lost} acknowledged writes are on no member; data lies in: {volumes}"),
            ));
        }
        if let Some(different) = self.count(Metric::Diverged) {
            seen.push(self.seen(
                Code::DrillMembersDiverged,
                format!("the members of {name} hold different data"),
                format!("{different} differ when idle: {}", self.where_lost()),
            ));
        }
        if let Some(split) = self.count(Metric::SplitBrain) {
            seen.push(self.seen(
                Code::DrillSplitBrain,
                format!("two members of {name} took writes at once"),
                format!("for {}", amount(Metric::SplitBrain, split)),
            ));
        }
        if let Some(torn) = self.count(Metric::Torn) {
            seen.push(self.seen(
                Code::DrillDataLost,
                format!("{name} holds halves of transactions"),
                format!("{torn} transactions are there by half"),
            ));
        }
        seen
    }

    /// `write address: a/w-new 51-53; db-1: …`.
    fn where_lost(&self) -> String {
        let places: Vec<String> = self
            .result
            .lost
            .iter()
            .map(|(place, lanes)| {
                let lanes: Vec<String> = lanes
                    .iter()
                    .map(|(lane, seqs)| format!("{lane} {seqs}"))
                    .collect();
                format!("{place}: {}", lanes.join(", "))
            })
            .collect();
        if places.is_empty() {
            "no acknowledged write is absent".to_owned()
        } else {
            places.join("; ")
        }
    }

    /// Whether a number is beyond what is noticed, or a limit of the user's is broken.
    fn noticed(&self, metric: Metric) -> Option<(Severity, String)> {
        let value = self.value(metric)?;
        let broken = self
            .limits
            .0
            .get(&metric)
            .is_some_and(|most| meets(value, *most) == VerdictValue::Fail);
        let severity = match value {
            Value::Over { .. } => Severity::Error,
            _ if broken => Severity::Error,
            Value::Known { number, resolution }
                if number.saturating_sub(*resolution) > NOTICED_MS =>
            {
                Severity::Warning
            }
            _ => return None,
        };
        Some((severity, value_text(metric, value)))
    }

    fn pinned(&self) -> Option<RuleHit> {
        let (severity, text) = self.noticed(Metric::Pinned)?;
        let seen = self.seen(
            Code::DrillPoolPinned,
            format!(
                "kept connections to {} stay where writes are refused",
                self.name()
            ),
            format!("refused while new connections were served: {text}"),
        );
        Some(seen.with_severity(severity))
    }

    fn ready_lie(&self) -> Option<RuleHit> {
        let (severity, text) = self.noticed(Metric::ReadyLie)?;
        let seen = self.seen(
            Code::DrillReadyNotServing,
            format!("a Pod of {} is Ready before it serves", self.name()),
            format!("Ready and not serving after {}: {text}", self.victims()),
        );
        Some(seen.with_severity(severity))
    }
}
