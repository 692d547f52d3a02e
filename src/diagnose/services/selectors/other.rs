//! Services that select other workloads than those that are meant. Pure.

use super::{select, selector_line};
use crate::diagnose::Context;
use crate::diagnose::fixes;
use crate::diagnose::services::{Usage, ids, service_name};
use crate::diagnose::subject::WorkloadFacts;
use crate::diagnose::words::joined;
use crate::finding::{Code, Finding, Severity};

/// The Service still selects a workload that was scaled to nothing, and another one runs the tier.
pub(super) fn left_behind(
    context: &Context<'_>,
    usage: &Usage<'_, '_>,
    behind: &[&WorkloadFacts<'_>],
    running: &[&WorkloadFacts<'_>],
) -> Finding {
    let counts = usage.in_scope && !usage.looks.is_empty();
    let asleep = names(behind);
    let what = format!("{asleep} alone, which is scaled to 0,");
    let mut finding = mismatch(context, usage, Severity::error_if(counts), &what, running);
    if let Some(fix) = &mut finding.fix {
        fix.text = format!("{}, or scale {asleep} up again", fix.text);
    }
    finding
}

/// The Service selects workloads of other tiers only.
pub(super) fn wrong_pods(
    context: &Context<'_>,
    usage: &Usage<'_, '_>,
    behind: &[&WorkloadFacts<'_>],
    wanted: &[&WorkloadFacts<'_>],
) -> Finding {
    let severity = Severity::error_if(usage.in_scope);
    let what = format!("the Pods of {}", names(behind));
    mismatch(context, usage, severity, &what, wanted)
}

/// The Service selects `what`, and none of `wanted`; the fix selects the first of these.
fn mismatch(
    context: &Context<'_>,
    usage: &Usage<'_, '_>,
    severity: Severity,
    what: &str,
    wanted: &[&WorkloadFacts<'_>],
) -> Finding {
    let mut finding = Finding::new(
        Code::ServiceSelectorMismatch,
        severity,
        usage.key.object(),
        format!(
            "the selector {} of {} matches {what} and none of {}",
            fixes::labels_text(&usage.service.spec.selector),
            service_name(context, &usage.key),
            names(wanted)
        ),
    )
    .because([selector_line(usage)])
    .on(ids(&usage.looks));
    finding.fix = wanted.first().map(|own| select(context, usage, own));
    finding
}

fn names(subjects: &[&WorkloadFacts<'_>]) -> String {
    joined(subjects.iter().map(|one| &one.key))
}
