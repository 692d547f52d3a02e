//! Which failures are worth another try, and what a connection through a proxy is worth. Pure.

use std::time::Duration;

use crate::probe::found::{Failure, Found};
use crate::probe::wire::{StepError, StepName, StepStatus};

/// Whether to try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Retry {
    /// After that pause.
    After(Duration),
    /// The answer stands.
    No,
}

/// Whether a failure may pass: `tries` were made, `window` says that it may still be a matter of time (policies, a proxy's start).
pub(super) fn retry(error: StepError, tries: u32, window: bool) -> Retry {
    let connection = matches!(
        error,
        StepError::Refused
            | StepError::Timeout
            | StepError::Unreachable
            | StepError::Reset
            | StepError::Closed
            | StepError::Silent
            | StepError::Broken
            | StepError::HttpTimeout
            | StepError::TlsFailed
    );
    let passing = matches!(
        error,
        StepError::HttpServerError
            | StepError::HttpStatus
            | StepError::ConnectionsExhausted
            | StepError::Unavailable
    );
    if error == StepError::Loading {
        return if tries < 4 {
            Retry::After(Duration::from_secs(1))
        } else {
            Retry::No
        };
    }
    if (connection || passing) && tries < 2 {
        return Retry::After(Duration::from_millis(300));
    }
    // What a proxy of a mesh says while it starts is a 503.
    if (connection || error == StepError::HttpServerError) && window {
        return Retry::After(Duration::from_millis(500));
    }
    Retry::No
}

/// The name of an error as it stands in the records.
pub(super) fn name(error: StepError) -> String {
    serde_json::to_value(error)
        .ok()
        .and_then(|value| value.as_str().map(str::to_owned))
        .unwrap_or_default()
}

/// Behind a proxy the connect proves nothing: it passes only where bytes of the peer arrived.
pub(super) fn mesh(found: &mut [Found]) {
    let Some((connect, rest)) = found.split_first_mut() else {
        return;
    };
    if connect.status != StepStatus::Pass {
        return;
    }
    let spoke = rest.iter().any(|step| {
        step.name == StepName::Protocol
            && (step.passed() || step.facts.contains_key("seen_protocol"))
    });
    if spoke {
        return;
    }
    let broken = rest.iter().find(|step| step.status == StepStatus::Fail);
    let replaced = match broken {
        Some(step)
            if matches!(
                step.error,
                Some(StepError::Closed | StepError::Reset | StepError::Silent | StepError::Broken)
            ) =>
        {
            let failure = Failure::new(
                step.error.unwrap_or(StepError::Closed),
                format!(
                    "the mesh's proxy took the connection, and the peer behind it never spoke: {}",
                    step.detail
                ),
            );
            Found::fail(connect.name, failure)
        }
        // Who spoke is known well enough.
        Some(_) => return,
        None => Found::unknown(
            connect.name,
            "the mesh's proxy takes every connection, and nothing that the peer says proves it",
        ),
    };
    let duration = connect.duration;
    *connect = replaced;
    connect.duration = duration;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_login_is_never_repeated_and_a_connection_once_or_until_the_window_ends() {
        assert_eq!(retry(StepError::LoginDenied, 1, true), Retry::No);
        assert_ne!(retry(StepError::Refused, 1, false), Retry::No);
        assert_eq!(retry(StepError::Refused, 2, false), Retry::No);
        assert_ne!(retry(StepError::Refused, 9, true), Retry::No);
        assert_eq!(retry(StepError::Loading, 4, true), Retry::No);
        assert_eq!(name(StepError::HttpTimeout), "http-timeout");
    }

    #[test]
    fn a_mesh_passes_only_where_the_peer_spoke() {
        let connect = || Found::pass(StepName::Service, "");
        let closed = Failure::new(StepError::Closed, "closed");
        let mut found = vec![connect(), Found::fail(StepName::Protocol, closed)];
        mesh(&mut found);
        assert_eq!(found[0].error, Some(StepError::Closed));
        let mut found = vec![connect(), Found::pass(StepName::Protocol, "")];
        mesh(&mut found);
        assert!(found[0].passed());
        let mut found = vec![connect()];
        mesh(&mut found);
        assert_eq!(found[0].status, StepStatus::Unknown);
    }
}
