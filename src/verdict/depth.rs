//! How far an edge was really proven, so that a connection is never read as a login. Pure.

use std::collections::BTreeMap;

use crate::diagnose::walk::{EdgeEvidence, Stage, Walk, stage};
use crate::probe::wire::{Step, StepError, StepName, StepStatus};
use crate::protocol::Protocol;
use crate::report::Depth;

/// How far the edge was really proven: of places that failed the worst, of places that pass the worst endpoint. Only one
/// place per tier logs in, so the deepest of several places that pass says how far an endpoint was proven.
pub(super) fn depth(evidence: &EdgeEvidence<'_>) -> Depth {
    if evidence.edge.protocol == Protocol::Udp {
        let resolved =
            |walk: &Walk<'_>| walk.dns.is_some_and(|step| step.status == StepStatus::Pass);
        let all = evidence.firm().all(resolved);
        return if all { Depth::Dns } else { Depth::None };
    }
    let failed = evidence
        .failed()
        .map(|walk| depths(walk).into_values().min().unwrap_or_default())
        .min();
    if let Some(depth) = failed {
        return depth;
    }
    let mut by_path: BTreeMap<&str, Depth> = BTreeMap::new();
    for walk in evidence.firm() {
        for (path, depth) in depths(walk) {
            let known = by_path.entry(path).or_default();
            *known = depth.max(*known);
        }
    }
    by_path.into_values().min().unwrap_or_default()
}

/// The depth of each path, by endpoint; the Service address's is its target. A path on which only the connection was tried
/// is left out where others were asked more.
fn depths<'a>(walk: &Walk<'a>) -> BTreeMap<&'a str, Depth> {
    let base = match walk.dns {
        Some(step) if step.status == StepStatus::Pass => Depth::Dns,
        // An address needs no name: the connection is the first thing to prove.
        _ => Depth::None,
    };
    let mut paths: Vec<(&str, &[&Step])> = by_address(&walk.service);
    paths.extend(
        walk.endpoints
            .iter()
            .filter(|(_, endpoint)| endpoint.ready)
            .map(|(address, endpoint)| (*address, endpoint.steps.as_slice())),
    );
    let any_more = paths.iter().any(|(_, steps)| was_asked_more(steps));
    paths
        .into_iter()
        .filter(|(_, steps)| {
            if any_more {
                was_asked_more(steps)
            } else {
                steps.iter().any(|step| step.status != StepStatus::Skipped)
            }
        })
        .map(|(path, steps)| {
            let depth = steps
                .iter()
                .map(|step| reached(step))
                .fold(base, Depth::max);
            // A peer behind a certificate that nothing proves may be someone else.
            let unproven = steps
                .iter()
                .any(|step| step.error == Some(StepError::TrustNotProven));
            (
                path,
                if unproven {
                    depth.min(Depth::Tls)
                } else {
                    depth
                },
            )
        })
        .collect()
}

/// The steps of each address that the name resolved to: each begins with its connect.
fn by_address<'a, 's>(steps: &'s [&'a Step]) -> Vec<(&'a str, &'s [&'a Step])> {
    let mut found = Vec::new();
    let mut rest = steps;
    while let Some((first, after)) = rest.split_first() {
        let more = after
            .iter()
            .position(|step| step.name == StepName::Service)
            .unwrap_or(after.len());
        let (own, others) = rest.split_at(more + 1);
        found.push((first.target.as_str(), own));
        rest = others;
    }
    found
}

fn was_asked_more(steps: &[&Step]) -> bool {
    steps.iter().any(|step| {
        step.status == StepStatus::Fail
            || (stage(step.name) == Stage::Protocol && step.status != StepStatus::Skipped)
    })
}

/// What a step proves.
fn reached(step: &Step) -> Depth {
    match (step.status, step.error) {
        // The server spoke HTTP: the step says what its answer lacks, not that it was not reached.
        (
            StepStatus::Fail,
            Some(StepError::HttpNotFound | StepError::HttpServerError | StepError::HttpStatus),
        ) => Depth::Protocol,
        (StepStatus::Pass, _) => match step.name {
            StepName::Dns => Depth::Dns,
            StepName::Service | StepName::Endpoint => Depth::Tcp,
            StepName::Tls => Depth::Tls,
            StepName::Protocol => Depth::Protocol,
            StepName::Login => Depth::Login,
            StepName::Query => Depth::Query,
        },
        _ => Depth::None,
    }
}
