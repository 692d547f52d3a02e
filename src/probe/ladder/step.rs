//! What a task owes, and the step that is written of what was found. Pure.

use crate::probe::found::{Failure, Found};
use crate::probe::wire::{EdgeTask, EndpointTask, Step, StepError, StepName};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

/// What was found on a Service address, reported for the endpoint that it is.
pub(super) fn as_endpoint(found: &[Found]) -> Vec<Found> {
    let mut found = found.to_vec();
    if let Some(first) = found.first_mut() {
        first.name = StepName::Endpoint;
    }
    found
}

/// A step with what stands behind the endpoint.
pub(super) fn about(step: Found, endpoint: &EndpointTask) -> Found {
    if endpoint.pod.is_empty() {
        step
    } else {
        step.fact("pod", endpoint.pod.clone())
    }
}

/// The outcomes that a task still owes when the agent's time is over.
pub(crate) fn owed(task: &EdgeTask) -> BTreeSet<(StepName, Option<String>)> {
    let mut owed = BTreeSet::from([(StepName::Dns, None), (StepName::Service, None)]);
    owed.extend(task.endpoints.iter().map(|endpoint| {
        let address = SocketAddr::from((endpoint.address, endpoint.port.get()));
        (StepName::Endpoint, Some(address.to_string()))
    }));
    owed
}

/// A step that was not reached in time.
pub(crate) fn cut(task: &str, name: StepName, endpoint: Option<String>, target: &str) -> Step {
    let failure = Failure::new(
        StepError::Deadline,
        "the probe's own deadline came before this step",
    );
    step_of(task, endpoint, Found::fail(name, failure).asked(target), 0)
}

/// A step that was not reached because the probe itself failed on the edge.
pub(crate) fn failed(task: &str, name: StepName, endpoint: Option<String>, target: &str) -> Step {
    let found = Found::unknown(
        name,
        "the probe itself failed on this edge, which is a bug of k8sverify; nothing can be said of this step",
    );
    step_of(task, endpoint, found.asked(target), 0)
}

pub(super) fn step_of(task: &str, endpoint: Option<String>, found: Found, tries: u32) -> Step {
    Step {
        task: task.to_owned(),
        name: found.name,
        target: endpoint.clone().unwrap_or(found.target),
        endpoint,
        status: found.status,
        error: found.error,
        detail: found.detail,
        duration_ms: 0,
        tries,
        facts: BTreeMap::new(),
    }
}
