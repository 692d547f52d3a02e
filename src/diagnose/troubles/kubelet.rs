//! The kubelet's probes as it reports them: containers that run and are not ready, never start, or are killed. Pure.

use std::num::NonZeroU16;
use std::time::Duration;

use serde_json::Value;

use super::view::View;
use super::waiting::{lost_line, lost_words};
use super::{Trouble, event_line, newest};
use crate::catalog::answers::{AnswerTexts, filled};
use crate::diagnose::words::quote;
use crate::finding::Code;
use crate::observe::kinds::{Container, Event, Probe, StateTerminated};

/// Which of a container's probes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::diagnose) enum ProbeKind {
    /// `readinessProbe`.
    Readiness,
    /// `livenessProbe`.
    Liveness,
    /// `startupProbe`.
    Startup,
}

impl ProbeKind {
    /// In the order in which findings are made.
    pub(in crate::diagnose) const ALL: [Self; 3] = [Self::Liveness, Self::Readiness, Self::Startup];

    /// As events write it.
    pub(in crate::diagnose) const fn word(self) -> &'static str {
        match self {
            Self::Readiness => "Readiness",
            Self::Liveness => "Liveness",
            Self::Startup => "Startup",
        }
    }

    /// The field of the container.
    pub(in crate::diagnose) const fn field(self) -> &'static str {
        match self {
            Self::Readiness => "readinessProbe",
            Self::Liveness => "livenessProbe",
            Self::Startup => "startupProbe",
        }
    }

    const fn failing(self) -> Code {
        match self {
            Self::Readiness => Code::ReadinessProbeFailing,
            Self::Liveness => Code::LivenessProbeFailing,
            Self::Startup => Code::StartupProbeFailing,
        }
    }
}

/// A container's probe of that kind.
pub(in crate::diagnose) fn probe_of(container: &Container, kind: ProbeKind) -> Option<&Probe> {
    match kind {
        ProbeKind::Readiness => container.readiness_probe.as_ref(),
        ProbeKind::Liveness => container.liveness_probe.as_ref(),
        ProbeKind::Startup => container.startup_probe.as_ref(),
    }
}

/// The port that a probe asks, if it asks one.
fn port_value(probe: &Probe) -> Option<&Value> {
    probe
        .http_get
        .as_ref()
        .map(|http| &http.port)
        .or_else(|| probe.tcp_socket.as_ref().map(|socket| &socket.port))
        .or_else(|| probe.grpc.as_ref().map(|grpc| &grpc.port))
}

/// The port that a probe asks as a name.
pub(in crate::diagnose) fn named_port(probe: &Probe) -> Option<&str> {
    let name = port_value(probe)?.as_str()?;
    name.parse::<u16>().is_err().then_some(name)
}

/// The number of the port that a probe asks, names resolved.
pub(in crate::diagnose) fn port_number(container: &Container, probe: &Probe) -> Option<u16> {
    container.number(port_value(probe)?).map(NonZeroU16::get)
}

/// Whether the container declares a port of that name.
pub(in crate::diagnose) fn port_is_declared(container: &Container, name: &str) -> bool {
    container.ports.iter().any(|port| port.name == name)
}

/// Whether an exec probe is one string with blanks, as kompose writes `CMD-SHELL`: the kubelet looks for a program that is
/// called like the whole line.
pub(in crate::diagnose) fn command_is_one_string(probe: &Probe) -> bool {
    probe.exec.as_ref().is_some_and(|exec| {
        matches!(exec.command.as_slice(), [line] if line.trim().contains(char::is_whitespace))
    })
}

/// How long a probe lets a container fail before it acts.
pub(in crate::diagnose) fn budget(probe: &Probe) -> Duration {
    let or = |value: i32, default: u64| {
        u64::try_from(value)
            .ok()
            .filter(|value| *value > 0)
            .unwrap_or(default)
    };
    let rounds = or(probe.failure_threshold, 3) * or(probe.period_seconds, 10);
    Duration::from_secs(or(probe.initial_delay_seconds, 0) + rounds + or(probe.timeout_seconds, 1))
}

/// The event by which the kubelet killed the container that ended so, for a probe of that kind.
pub(in crate::diagnose) fn killed_by<'a>(
    events: &[&'a Event],
    kind: ProbeKind,
    terminated: &StateTerminated,
) -> Option<&'a Event> {
    let words = format!("failed {} probe", kind.word().to_lowercase());
    newest(events, |event| {
        event.reason == "Killing"
            && event.message.contains(&words)
            // The kill comes before the end, by the grace period at most; an older one was of another life.
            && match (event.seen_at(), terminated.finished_at) {
                (Some(kill), Some(end)) => end.duration_since(kill).as_secs() <= 90,
                _ => true,
            }
    })
}

/// The trouble of a container that a probe has killed.
pub(super) fn killed(view: &View<'_, '_>, kind: ProbeKind, kill: &Event) -> Trouble {
    let failure = last_failure(&view.events, kind);
    let words = failure.map_or_else(String::new, |event| quote(&event.message));
    let asks = asked(view, kind);
    // The kubelet keeps few events of a Pod: what another probe says of the same question holds for this one.
    let same = |other: &ProbeKind| *other != kind && asked(view, *other) == asks;
    let mut alike = [ProbeKind::Readiness, ProbeKind::Liveness]
        .into_iter()
        .filter(same);
    let alike = alike.find_map(|other| last_failure(&view.events, other));
    let said = failure.or(alike);
    let closed = said.is_some_and(|event| event.message.contains("connection refused"));
    let lost = waits(view, closed);
    view.trouble(
        kind.failing(),
        &format!(
            "its {} probe ({asks}) kills it again and again, {} restarts",
            kind.word().to_lowercase(),
            view.status.restart_count
        ),
    )
    .evidence([event_line(kill)])
    .evidence(said.map(event_line))
    .evidence(lost.iter().map(lost_line))
    .dependent(is_dependent(&words, kind, view))
    .remedy(if let Some((place, host)) = lost.first() {
        waiting(place, host)
    } else if closed {
        format!(
            "nothing listens on the port that {} asks: make the container listen there, on all addresses, or correct the port in its probes and its Service; if it only starts slowly, add a startupProbe",
            kind.field()
        )
    } else {
        format!(
            "correct port, path or command of {}, or give it more time (a startupProbe, failureThreshold, timeoutSeconds); a liveness probe should ask for nothing beyond the process itself",
            kind.field()
        )
    })
}

/// A container that runs: killed by a probe a moment ago, not started by its startup probe, or not ready.
pub(super) fn running(view: &View<'_, '_>) -> Option<Trouble> {
    let container = view.container?;
    if let Some(terminated) = &view.status.last_state.terminated {
        for kind in [ProbeKind::Startup, ProbeKind::Liveness] {
            // It has recovered once it has lived through twice the time after which the probe kills.
            let recovered = probe_of(container, kind).is_none_or(|probe| {
                view.running_for()
                    .is_some_and(|age| age > budget(probe) * 2)
            });
            if !recovered && let Some(kill) = killed_by(&view.events, kind, terminated) {
                return Some(killed(view, kind, kill));
            }
        }
    }
    if view.status.ready {
        return None;
    }
    let kind = if view.status.started == Some(false) && container.startup_probe.is_some() {
        ProbeKind::Startup
    } else {
        ProbeKind::Readiness
    };
    let probe = probe_of(container, kind)?;
    let failure = last_failure(&view.events, kind);
    let known = view.context.snapshot.knows("events");
    let overdue = view
        .running_for()
        .is_some_and(|age| age > budget(probe) + Duration::from_secs(5));
    if let Some(name) = named_port(probe).filter(|name| !port_is_declared(container, name)) {
        return Some(port_unknown(view, kind, name).evidence(failure.map(event_line)));
    }
    if command_is_one_string(probe) || failure.is_some_and(|event| cannot_run(&event.message)) {
        return Some(command_invalid(view, kind).evidence(failure.map(event_line)));
    }
    (failure.is_some() || overdue || !known).then(|| not_ready(view, kind, failure))
}

fn not_ready(view: &View<'_, '_>, kind: ProbeKind, failure: Option<&Event>) -> Trouble {
    let words = failure.map_or_else(
        || "the kubelet has not called it ready".to_owned(),
        |event| quote(&event.message),
    );
    let what = if kind == ProbeKind::Startup {
        "it runs and has never started by its startup probe"
    } else {
        "it runs and is not ready"
    };
    let lost = waits(view, words.contains("connection refused"));
    view.trouble(
        kind.failing(),
        &format!("{what} ({}): {words}", asked(view, kind)),
    )
    .evidence(failure.map(event_line))
    .evidence(lost.iter().map(lost_line))
    .dependent(is_dependent(&words, kind, view))
    .remedy(match lost.first() {
        Some((place, host)) => waiting(place, host),
        None => remedy(
            &words,
            kind,
            view.container.and_then(|one| probe_of(one, kind)),
        ),
    })
}

/// What a container that listens on nothing yet may wait for although it never comes.
fn waits(view: &View<'_, '_>, closed: bool) -> Vec<(String, String)> {
    if closed { lost_words(view) } else { Vec::new() }
}

fn waiting(place: &str, host: &str) -> String {
    format!(
        "it listens on nothing yet, and may wait for {host}, which does not exist: correct {place}, or create a Service of that name"
    )
}

fn remedy(words: &str, kind: ProbeKind, probe: Option<&Probe>) -> String {
    let field = kind.field();
    let http = probe.and_then(|probe| probe.http_get.as_ref());
    let is_answered = words.contains("statuscode:");
    if let Some(http) = http.filter(|http| !http.host.is_empty() && !is_answered) {
        return format!(
            "remove httpGet.host ({}) of {field}: the kubelet asks from the node, where that is not the Pod; without it the Pod's own address is asked",
            http.host
        );
    }
    let advice = AnswerTexts::shared().probes.on(words);
    filled(advice.unwrap_or_default(), &[("field", field)])
}

/// A probe that names a port which the container does not declare.
fn port_unknown(view: &View<'_, '_>, kind: ProbeKind, name: &str) -> Trouble {
    view.trouble(
        Code::ProbePortUnknown,
        &format!(
            "its {} names port {name:?}, which the container does not declare, so the probe can never be run",
            kind.field()
        ),
    )
    .remedy(format!(
        "use the number in {}, or declare a port named {name} in the container",
        kind.field()
    ))
}

/// An exec probe that cannot be run.
fn command_invalid(view: &View<'_, '_>, kind: ProbeKind) -> Trouble {
    view.trouble(
        Code::ProbeCommandInvalid,
        &format!(
            "the command of its {} cannot be run, so the container is never {}",
            kind.field(),
            if kind == ProbeKind::Startup { "started" } else { "ready" }
        ),
    )
    .remedy(format!(
        "write the command of {} as separate words, or as [\"sh\", \"-c\", \"…\"], with a program that is in the image",
        kind.field()
    ))
}

/// Whether the kubelet says that it could not run the command at all.
pub(in crate::diagnose) fn cannot_run(message: &str) -> bool {
    message.contains("executable file not found")
        || (message.contains("exec") && message.contains("no such file or directory"))
        || (message.contains("exec")
            && message.contains("permission denied")
            && message.contains("runtime"))
}

/// The last word of the kubelet on a probe of that kind.
pub(super) fn last_failure<'a>(events: &[&'a Event], kind: ProbeKind) -> Option<&'a Event> {
    newest(events, |event| {
        matches!(event.reason.as_str(), "Unhealthy" | "ProbeWarning")
            && event.message.starts_with(kind.word())
    })
}

/// Whether a target that cannot be reached would make the probe say this: an answer of 5xx, a timeout, a check of the
/// container's own that fails, or a server that has not begun to listen where the Service sends traffic.
fn is_dependent(words: &str, kind: ProbeKind, view: &View<'_, '_>) -> bool {
    if words.contains("statuscode:") {
        return words.contains("statuscode: 5");
    }
    let late = [
        "deadline exceeded",
        "Timeout exceeded",
        "timed out",
        "i/o timeout",
    ];
    if late.iter().any(|word| words.contains(word)) {
        return true;
    }
    let Some((container, probe)) = view
        .container
        .and_then(|container| Some((container, probe_of(container, kind)?)))
    else {
        return false;
    };
    if words.contains("refused") {
        let port = port_number(container, probe);
        return view
            .subject
            .tiers
            .iter()
            .any(|tier| tier.ports.iter().any(|known| Some(known.get()) == port));
    }
    probe.exec.is_some() && !words.is_empty()
}

/// What a probe asks, for people: `GET :2000/live`, `TCP :6379`, `exec mariadb-admin`.
fn asked(view: &View<'_, '_>, kind: ProbeKind) -> String {
    let Some(probe) = view
        .container
        .and_then(|container| probe_of(container, kind))
    else {
        return "unknown".to_owned();
    };
    let port = port_value(probe).map_or_else(String::new, |port| match port {
        Value::String(name) => name.clone(),
        other => other.to_string(),
    });
    if let Some(http) = &probe.http_get {
        format!("GET :{port}{}", http.path)
    } else if probe.tcp_socket.is_some() {
        format!("TCP :{port}")
    } else if probe.grpc.is_some() {
        format!("gRPC :{port}")
    } else {
        // Only the program: its arguments may hold a password.
        let program = probe
            .exec
            .as_ref()
            .and_then(|exec| exec.command.first())
            .and_then(|line| line.split_whitespace().next())
            .unwrap_or_default();
        format!("exec {program}")
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{event, pod, troubles_of};
    use super::*;

    const NOT_READY: &str = "{phase: Running, containerStatuses: [{name: db, ready: false, started: true, state: {running: {startedAt: '2026-11-23T09:59:00Z'}}}]}";

    fn found(probe: &str, message: &str) -> Trouble {
        let spec = format!(
            "{{containers: [{{name: db, ports: [{{containerPort: 2000}}], readinessProbe: {probe}}}]}}"
        );
        let mut troubles = troubles_of(&(pod(&spec, NOT_READY) + &event("Unhealthy", message)));
        assert_eq!(troubles.len(), 1, "{troubles:?}");
        troubles.remove(0)
    }

    #[test]
    fn a_probe_that_fails_is_reported_with_the_kubelets_words() {
        let trouble = found(
            "{httpGet: {port: 2000, path: /health}}",
            "Readiness probe failed: HTTP probe failed with statuscode: 503",
        );
        assert_eq!(trouble.code, Code::ReadinessProbeFailing);
        assert!(trouble.dependent);
        assert!(
            trouble.message.contains("GET :2000/health"),
            "{}",
            trouble.message
        );
        let trouble = found(
            "{httpGet: {port: 2000, path: /actuator/health}}",
            "Readiness probe failed: HTTP probe failed with statuscode: 404",
        );
        assert!(!trouble.dependent, "404 is no one else's fault");
        let trouble = found(
            "{tcpSocket: {port: 2001}}",
            "Readiness probe failed: dial tcp 10.244.1.5:2001: connect: connection refused",
        );
        assert!(!trouble.dependent, "a port that no one calls");
    }

    #[test]
    fn the_advice_names_the_field() {
        let refused = "Readiness probe failed: Get \"http://127.0.0.1:2000/\": dial tcp 127.0.0.1:2000: connect: connection refused";
        let host = found("{httpGet: {port: 2000, host: 127.0.0.1}}", refused);
        assert!(
            host.remedy.contains("remove httpGet.host (127.0.0.1)"),
            "{}",
            host.remedy
        );
        let none = found("{httpGet: {port: 2000}}", refused);
        assert!(none.remedy.contains("correct the port"), "{}", none.remedy);
        let scheme = found(
            "{httpGet: {port: 2000, scheme: HTTPS}}",
            "Readiness probe failed: Get \"https://10.0.0.1:2000/\": http: server gave HTTP response to HTTPS client",
        );
        assert!(
            scheme.remedy.contains("scheme of readinessProbe to HTTP:"),
            "{}",
            scheme.remedy
        );
        let refused = "Readiness probe failed: HTTP probe failed with statuscode: 400";
        let host = found("{httpGet: {port: 2000}}", refused);
        assert!(host.remedy.contains("httpHeaders"), "{}", host.remedy);
    }

    #[test]
    fn a_probe_that_can_never_run_has_its_own_code() {
        assert_eq!(
            found(
                "{httpGet: {port: http, path: /}}",
                "Readiness probe errored"
            )
            .code,
            Code::ProbePortUnknown
        );
        assert_eq!(
            found(
                "{exec: {command: ['curl -f http://localhost/ || exit 1']}}",
                "Readiness probe errored"
            )
            .code,
            Code::ProbeCommandInvalid
        );
        let words = "Readiness probe errored and resulted in unknown state: rpc error: exec failed: unable to start container process: exec: \"curl\": executable file not found in $PATH";
        assert_eq!(
            found("{exec: {command: [curl, localhost]}}", words).code,
            Code::ProbeCommandInvalid
        );
    }

    #[test]
    fn a_ready_container_and_one_that_was_not_asked_yet_are_silent() {
        let spec = "{containers: [{name: db, readinessProbe: {tcpSocket: {port: 3306}}}]}";
        assert!(
            troubles_of(&pod(
                spec,
                &NOT_READY.replace("ready: false", "ready: true")
            ))
            .is_empty()
        );
        assert!(
            troubles_of(&pod(spec, NOT_READY)).is_empty(),
            "no failure was seen, and no time has passed"
        );
    }
}
