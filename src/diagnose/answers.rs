//! The answers to name tasks: which DNS names resolve, whether or not an edge uses them. Outcomes in. Pure.

use std::collections::BTreeMap;

use crate::plan::Outcomes;
use crate::probe::wire::{Step, StepStatus};

/// A name task's result, over every place that asked.
#[derive(Debug, Clone)]
pub struct NameAnswer<'a> {
    /// The tier that the name belongs to.
    pub tier: &'a str,
    /// The name as peers would write it.
    pub name: &'a str,
    /// How it ended.
    pub status: StepStatus,
    /// The step that says so; `None` if no one could ask.
    pub step: Option<&'a Step>,
}

/// The results of the name tasks (`name:TIER:NAME`), by task. A name resolves if any first look resolved it.
pub fn names(outcomes: &Outcomes) -> BTreeMap<&str, NameAnswer<'_>> {
    let mut found: BTreeMap<&str, NameAnswer<'_>> = BTreeMap::new();
    let rank = |status: StepStatus| match status {
        StepStatus::Pass => 3,
        StepStatus::Fail => 2,
        StepStatus::Unknown => 1,
        StepStatus::Skipped => 0,
    };
    for probe in &outcomes.probes {
        for task in &probe.tasks {
            let Some((tier, name)) = task
                .strip_prefix("name:")
                .and_then(|rest| rest.rsplit_once(':'))
            else {
                continue;
            };
            let answer = found.entry(task).or_insert(NameAnswer {
                tier,
                name,
                status: StepStatus::Unknown,
                step: None,
            });
            for step in probe.steps.iter().filter(|step| step.task == *task) {
                if answer.step.is_none() || rank(step.status) > rank(answer.status) {
                    answer.status = step.status;
                    answer.step = Some(step);
                }
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{fail, outcomes, pass, probe};
    use super::*;
    use crate::probe::wire::{StepError, StepName};

    #[test]
    fn a_name_resolves_if_anybody_resolved_it() {
        let task = "name:DB:db";
        let outcomes = outcomes(vec![
            probe(
                "AP",
                "n1",
                vec![fail(task, StepName::Dns, StepError::Nxdomain)],
            ),
            probe("WEB", "n1", vec![pass(task, StepName::Dns)]),
        ]);
        let found = names(&outcomes);
        assert_eq!(found[task].status, StepStatus::Pass);
        assert_eq!((found[task].tier, found[task].name), ("DB", "db"));
    }
}
