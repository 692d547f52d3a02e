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

/// Whether a walk is worth another one. Repeated logins lock accounts: one that was answered is never sent again, and one that broke off once more
/// at most.
pub(super) fn retry(found: &[Found], broken: &Found, tries: u32, window: bool) -> Retry {
    let Some(error) = broken.error else {
        return Retry::No;
    };
    let logged_in = found.iter().any(|step| {
        let sent = step.facts.get("password").is_none_or(|kind| kind != "none");
        step.name == StepName::Login && step.passed() && sent
    });
    // A server that is starting or full has not looked at the login.
    let turned_away = matches!(error, StepError::Loading | StepError::ConnectionsExhausted);
    match broken.name {
        StepName::Query if logged_in => Retry::No,
        StepName::Login if broken.facts.contains_key("code") && !turned_away => Retry::No,
        StepName::Login => may_pass(error, tries, false),
        _ => may_pass(error, tries, window),
    }
}

/// Whether a failure may pass: `tries` were made, `window` says that it may still be a matter of time (policies, a proxy's start).
fn may_pass(error: StepError, tries: u32, window: bool) -> Retry {
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

/// A server of TLS contradicts no client of which it is not known whether it speaks TLS: the connection is all that is proven.
pub(super) fn unseen(found: &mut [Found]) {
    let wants_tls = |step: &Found| {
        let seen = step.facts.get("seen_protocol").map(String::as_str);
        step.error == Some(StepError::TlsRequired)
            || step.error == Some(StepError::Mismatch) && seen == Some("tls")
    };
    for step in found.iter_mut().filter(|step| wants_tls(step)) {
        step.status = StepStatus::Skipped;
        step.error = None;
        step.detail = format!(
            "the server speaks TLS, and nothing that can be read says whether the client does, so the connection is all that is proven: {}",
            step.detail
        );
    }
}

/// The names of errors one after another, none twice in a row.
pub(super) fn names(errors: &[StepError]) -> String {
    let mut names: Vec<&str> = errors.iter().map(Into::into).collect();
    names.dedup();
    names.join(",")
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
        assert_eq!(may_pass(StepError::LoginDenied, 1, true), Retry::No);
        assert_ne!(may_pass(StepError::Refused, 1, false), Retry::No);
        assert_eq!(may_pass(StepError::Refused, 2, false), Retry::No);
        assert_ne!(may_pass(StepError::Refused, 9, true), Retry::No);
        assert_eq!(may_pass(StepError::Loading, 4, true), Retry::No);
        assert_eq!(names(&[StepError::HttpTimeout]), "http-timeout");
    }

    #[test]
    fn a_login_that_was_answered_is_not_repeated() {
        let failed = |name, error| Found::failed(name, error, "x");
        let again = |walk: &[Found], tries| {
            let broken = walk.last().unwrap();
            retry(walk, broken, tries, true) != Retry::No
        };
        let login = Found::pass(StepName::Login, "");
        let query = failed(StepName::Query, StepError::Broken);
        assert!(!again(&[login.clone(), query.clone()], 1));
        let loading = failed(StepName::Query, StepError::Loading);
        assert!(!again(&[login.clone(), loading], 1));
        assert!(again(&[login.fact("password", "none"), query], 9));
        let cut_off = failed(StepName::Login, StepError::Broken);
        assert!(again(std::slice::from_ref(&cut_off), 1));
        assert!(!again(std::slice::from_ref(&cut_off), 2));
        assert!(!again(&[cut_off.fact("code", "1131")], 1));
        let full = failed(StepName::Login, StepError::ConnectionsExhausted);
        assert!(again(&[full.fact("code", "53300")], 1));
    }

    #[test]
    fn a_server_of_tls_contradicts_only_a_client_that_is_known_to_speak_without() {
        let fail = |error| Found::failed(StepName::Protocol, error, "x");
        let after = |step: Found| {
            let mut found = [Found::pass(StepName::Service, ""), step];
            unseen(&mut found);
            found[1].status
        };
        let mismatch = |seen: &str| fail(StepError::Mismatch).fact("seen_protocol", seen);
        assert_eq!(after(mismatch("tls")), StepStatus::Skipped);
        assert_eq!(after(fail(StepError::TlsRequired)), StepStatus::Skipped);
        assert_eq!(after(mismatch("http")), StepStatus::Fail);
        assert_eq!(after(fail(StepError::LoginDenied)), StepStatus::Fail);
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
