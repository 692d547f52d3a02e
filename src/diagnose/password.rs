//! Section 6: a password that a Redis without one is sent. The server calls the plain AUTH an error, and whether the client goes on
//! depends on its library. Pure.

use super::subject::WorkloadFacts;
use super::target::{self, line};
use super::walk::EdgeEvidence;
use super::{Context, Rule, variables};
use crate::catalog::Products;
use crate::finding::{Code, Finding, Severity};
use crate::graph;
use crate::probe::wire::{StepName, StepStatus};

/// The rules of this file.
pub(super) const RULES: &[Rule] = &[Rule::Edge(unneeded)];

/// A server without a password that is sent one.
fn unneeded(context: &Context<'_>, evidence: &EdgeEvidence<'_>) -> Option<Finding> {
    let edge = evidence.edge;
    if evidence.status() != StepStatus::Pass {
        return None;
    }
    let is_unneeded = |step: &&crate::probe::wire::Step| {
        step.name == StepName::Login
            && step
                .facts
                .get("password")
                .is_some_and(|fact| fact == "unneeded")
    };
    let (place, step) = evidence.firm().find_map(|walk| {
        let step = walk.counted().find(is_unneeded)?;
        Some((walk.place(), step))
    })?;
    let clients = target::clients(context, edge);
    let library = clients
        .iter()
        .flat_map(|key| graph::known_containers(context.snapshot, key))
        .find_map(|(_, text)| Products::shared().strict_library(&text));
    let suffers = |subject: &WorkloadFacts<'_>| {
        clients.contains(&subject.key) && variables::suffers(context, subject)
    };
    let fails = library.is_some() || context.subjects.iter().any(suffers);
    let object = target::object(context, edge, Some(step));
    let who = &edge.from;
    let finding = Finding::new(
        Code::RedisLoginDenied,
        Severity::error_if(fails),
        object.clone(),
        format!("{object} has no password set, and {who} sends one: it answers with an error"),
    )
    .on([&edge.id])
    .fix(format!(
        "give {object} the password that {who} has (`--requirepass`: were its arguments lost on the way?), or take it from {who}"
    ))
    .overruling(fails.then_some(&edge.id))
    .because([line(&place, step), match library {
        Some(library) => format!("{who} uses {library}, which takes that for a refused login"),
        None => "most client libraries take that for a refused login; those that log in by HELLO are let in".to_owned(),
    }]);
    Some(finding)
}
