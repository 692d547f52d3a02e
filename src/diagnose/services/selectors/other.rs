//! Services that select other workloads than those that are meant. Pure.

use super::{select, selector_line};
use crate::diagnose::Context;
use crate::diagnose::fixes;
use crate::diagnose::services::{Use, ids, service_name};
use crate::diagnose::subject::WorkloadFacts;
use crate::diagnose::words::joined;
use crate::finding::{Code, Finding, Severity};

/// The Service still selects a workload that was scaled to nothing, and another one runs the tier.
pub(super) fn left_behind(
    context: &Context<'_>,
    usage: &Use<'_, '_>,
    behind: &[&WorkloadFacts<'_>],
    running: &[&WorkloadFacts<'_>],
) -> Finding {
    let names = |subjects: &[&WorkloadFacts<'_>]| joined(subjects.iter().map(|one| &one.key));
    let mut finding = Finding::new(
        Code::ServiceSelectorMismatch,
        Severity::error_if(usage.in_scope && !usage.looks.is_empty()),
        usage.key.object(),
        format!(
            "the selector {} of {} matches {} alone, which is scaled to 0, and none of {}",
            fixes::labels_text(&usage.service.spec.selector),
            service_name(context, &usage.key),
            names(behind),
            names(running)
        ),
    )
    .because([selector_line(usage)])
    .on(ids(&usage.looks));
    if let [other, ..] = running {
        let mut fix = select(context, usage, other);
        fix.text = format!("{}, or scale {} up again", fix.text, names(behind));
        finding.fix = Some(fix);
    }
    finding
}

/// The Service selects workloads of other tiers only.
pub(super) fn wrong_pods(
    context: &Context<'_>,
    usage: &Use<'_, '_>,
    behind: &[&WorkloadFacts<'_>],
    wanted: &[&WorkloadFacts<'_>],
) -> Finding {
    let names = |subjects: &[&WorkloadFacts<'_>]| joined(subjects.iter().map(|one| &one.key));
    let mut finding = Finding::new(
        Code::ServiceSelectorMismatch,
        Severity::error_if(usage.in_scope),
        usage.key.object(),
        format!(
            "the selector {} of {} matches the Pods of {} and none of {}",
            fixes::labels_text(&usage.service.spec.selector),
            service_name(context, &usage.key),
            names(behind),
            names(wanted)
        ),
    )
    .because([selector_line(usage)])
    .on(ids(&usage.looks));
    if let [own, ..] = wanted {
        finding.fix = Some(select(context, usage, own));
    }
    finding
}
