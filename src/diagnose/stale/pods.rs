//! Pods that were made before their template changed, and that no controller replaces: paused, or with `OnDelete`. Pure.

use crate::address;
use crate::diagnose::Context;
use crate::diagnose::subject::WorkloadFacts;
use crate::finding::{Code, Finding, Severity};
use crate::graph::Edge;
use crate::observe::kinds::Container;

/// The edge's variable, where all of the client's Pods have another text for it than their template: the edge is walked with that of the
/// template.
pub(super) fn older_than_template(
    context: &Context<'_>,
    subject: &WorkloadFacts<'_>,
    edge: &Edge,
) -> Option<Finding> {
    let workload = subject.workload?;
    let paused = workload.spec.paused;
    if !paused && workload.spec.update_strategy.kind != "OnDelete" {
        return None;
    }
    let variable = edge.variable.as_deref()?;
    let mut containers = subject.template?.spec.containers.iter();
    let (container, wanted) =
        containers.find_map(|one| Some((&one.name, literal(one, variable)?)))?;
    let pods = subject.pods.iter();
    let had: Vec<&str> = pods
        .filter_map(|pod| literal(pod.spec.container(container)?, variable))
        .collect();
    let old = *had.first()?;
    if had.len() < subject.pods.len() || had.contains(&wanted) {
        return None;
    }
    // A text that is no address is not shown.
    let host = match address::any_target(old) {
        Some(target) => target.host,
        None => address::is_host(old).then(|| old.to_owned())?,
    };
    let nowhere = context
        .snapshot
        .meaning(&host, &subject.key.namespace)
        .leads_nowhere();
    let name = subject.name(&context.snapshot.namespace);
    let consequence = if nowhere {
        "and the host in it does not exist"
    } else {
        "and not what is proven here"
    };
    let mut finding = Finding::new(
        Code::ConfigurationStale,
        if nowhere {
            subject.scoped(Severity::Error)
        } else {
            Severity::Warning
        },
        subject.key.object(),
        format!(
            "the Pods of {name} have {variable} as it was before the Pod template changed, {consequence}: {}",
            if paused {
                "the rollout is paused"
            } else {
                "its updateStrategy OnDelete replaces no Pod by itself"
            }
        ),
    )
    .because([format!("{variable} of the Pods leads to {host}")])
    .on([&edge.id]);
    if nowhere {
        finding.overrules.insert(edge.id.clone());
    }
    Some(finding.fix(if paused {
        format!("resume the rollout of {name} (`kubectl rollout resume`)")
    } else {
        format!(
            "delete the Pods of {name} one after another, so that they are made from the template of now; with updateStrategy RollingUpdate the controller does that"
        )
    }))
}

/// The text of a variable that stands in the specification itself.
fn literal<'a>(container: &'a Container, name: &str) -> Option<&'a str> {
    container.variable(name)?.value.as_deref()
}
