//! Section 3, what is declared: probes that are missing, cannot be run, ask elsewhere, or kill too early. What fails is read
//! from the Pods by `troubles` and raised by `workloads`. Pure.

mod named_ports;

pub(super) use named_ports::{declare_port, services_without_name};

use std::collections::BTreeSet;
use std::num::NonZeroU16;

use serde_json::{Value, json};

use super::subject::WorkloadFacts;
use super::troubles::{
    ProbeKind, cannot_run as command_cannot_run, command_is_one_string, named_port,
    port_is_declared, port_number, probe_of,
};
use super::words::joined;
use super::{Context, Rule, fixes};
use crate::finding::{Code, Finding, Fix, Severity};
use crate::observe::kinds::{Condition, Container, Pod, Probe};
use crate::redact::Redactor;
use crate::shell::Command;

/// The rules of this file.
pub(super) const RULES: &[Rule] = &[
    Rule::WorkloadMany(missing),
    Rule::WorkloadMany(cannot_run),
    Rule::Workload(target_differs),
    Rule::Workload(too_impatient),
];

/// The subjects whose probes matter: long-running workloads of tiers.
fn is_concerned(subject: &WorkloadFacts<'_>) -> bool {
    subject.in_scope
        && !subject.tiers.is_empty()
        && !subject.is_one_shot()
        && subject.wanted() != Some(0)
}

/// The ports to which Services send traffic for that workload.
fn traffic_ports(context: &Context<'_>, subject: &WorkloadFacts<'_>) -> BTreeSet<u16> {
    let Some(template) = subject.template else {
        return BTreeSet::new();
    };
    context
        .snapshot
        .services_selecting(&subject.key.namespace, template.labels)
        .into_iter()
        .flat_map(|service| &service.spec.ports)
        .filter_map(|port| port.target(template.spec).map(NonZeroU16::get))
        .collect()
}

/// The container that serves: the only one, else the one that declares a port that traffic goes to, else the first. Its place
/// comes along, for patches.
fn serving<'a>(
    subject: &WorkloadFacts<'a>,
    traffic: &BTreeSet<u16>,
) -> Option<(usize, &'a Container)> {
    let containers = &subject.template?.spec.containers;
    let declares = |container: &Container| {
        container.ports.iter().any(|port| {
            u16::try_from(port.container_port)
                .is_ok_and(|number| traffic.contains(&number) || subject.is_known_to_listen(number))
        })
    };
    containers
        .iter()
        .enumerate()
        .find(|(_, container)| declares(container))
        .or_else(|| containers.iter().enumerate().next())
}

/// Tiers without readiness probe that others call, and long-running tiers without liveness probe.
fn missing(context: &Context<'_>, subject: &WorkloadFacts<'_>) -> Vec<Finding> {
    let traffic = traffic_ports(context, subject);
    let served = serving(subject, &traffic).filter(|_| is_concerned(subject));
    let Some((index, container)) = served else {
        return Vec::new();
    };
    let mut findings = Vec::new();
    let name = subject.name(&context.snapshot.namespace);
    let port = port_to_ask(subject, container, &traffic);
    if container.readiness_probe.is_none() && (subject.called || !traffic.is_empty()) {
        let finding = Finding::of(
                Code::ReadinessProbeMissing,
                subject.key.object(),
                format!("{name} has no readiness probe: clients are sent to it before it can answer, and while it cannot"),
            )
            .because([format!(
                "container {} declares no readinessProbe",
                container.name
            )])
            .fix(add_probe(subject, index, port, ProbeKind::Readiness));
        findings.push(finding);
    }
    let restarts = subject
        .template
        .is_none_or(|template| template.spec.restart_policy != "Never");
    if container.liveness_probe.is_none() && restarts {
        let finding = Finding::of(
            Code::LivenessProbeMissing,
            subject.key.object(),
            format!("{name} has no liveness probe: if it hangs, no one restarts it"),
        )
        .because([format!(
            "container {} declares no livenessProbe",
            container.name
        )])
        .fix(add_probe(subject, index, port, ProbeKind::Liveness));
        findings.push(finding);
    }
    findings
}

/// The port that a new probe would ask: where traffic goes, else what the container or its tier declares.
fn port_to_ask(
    subject: &WorkloadFacts<'_>,
    container: &Container,
    traffic: &BTreeSet<u16>,
) -> Option<u16> {
    traffic
        .iter()
        .copied()
        .find(|port| subject.is_known_to_listen(*port))
        .or_else(|| traffic.first().copied())
        .or_else(|| {
            container
                .ports
                .first()
                .and_then(|port| u16::try_from(port.container_port).ok())
        })
        .or_else(|| {
            subject
                .tiers
                .iter()
                .find_map(|tier| tier.ports.first())
                .map(|port| port.get())
        })
}

/// Where the Pod template's containers stand in the workload's object; none for kinds whose layout is not known or that
/// cannot be changed in place.
fn containers_path(subject: &WorkloadFacts<'_>) -> Option<&'static str> {
    let is_rolled_out = subject.key.is_rolled_out();
    is_rolled_out.then_some("/spec/template/spec/containers")
}

fn add_probe(subject: &WorkloadFacts<'_>, index: usize, port: Option<u16>, kind: ProbeKind) -> Fix {
    let field = kind.field();
    let Some(port) = port else {
        return Fix::text(format!(
            "add a {field} to its container that asks what the program serves"
        ));
    };
    // A path of the program's own would be better; that the port answers is what can be known from here.
    let (probe, more) = match kind {
        ProbeKind::Readiness => (
            json!({"tcpSocket": {"port": port}, "periodSeconds": 5}),
            "better still an httpGet of its health path",
        ),
        _ => (
            json!({"tcpSocket": {"port": port}, "initialDelaySeconds": 30, "periodSeconds": 10}),
            "it should ask for nothing beyond the process itself",
        ),
    };
    let command = containers_path(subject).map(|path| {
        fixes::set(
            &subject.key.object(),
            "add",
            &format!("{path}/{index}/{field}"),
            probe,
        )
    });
    Fix::text(format!("add a {field} that asks port {port}; {more}")).run(command)
}

/// Probes that can never be run: an unknown port name, or a command that is one string. As liveness the kubelet drops the
/// error and never restarts anything; as readiness the Pod is never ready, which its status shows online.
fn cannot_run(context: &Context<'_>, subject: &WorkloadFacts<'_>) -> Vec<Finding> {
    let Some(template) = subject.template.filter(|_| !subject.tiers.is_empty()) else {
        return Vec::new();
    };
    let kinds: &[ProbeKind] = if context.snapshot.offline {
        &ProbeKind::ALL
    } else {
        &[ProbeKind::Liveness]
    };
    let containers = template.spec.containers.iter().enumerate();
    containers
        .flat_map(|(index, container)| {
            kinds
                .iter()
                .filter_map(move |kind| of_probe(context, subject, index, container, *kind))
        })
        .collect()
}

fn of_probe(
    context: &Context<'_>,
    subject: &WorkloadFacts<'_>,
    index: usize,
    container: &Container,
    kind: ProbeKind,
) -> Option<Finding> {
    let probe = probe_of(container, kind)?;
    let severity = match kind {
        ProbeKind::Liveness => Severity::Warning,
        _ => subject.scoped(Severity::Error),
    };
    let name = subject.name(&context.snapshot.namespace);
    let field = kind.field();
    let effect = match kind {
        ProbeKind::Liveness => "the kubelet drops the error and never restarts it",
        ProbeKind::Readiness => "the Pod never gets ready",
        ProbeKind::Startup => "the container is killed over and over",
    };
    let words_of_kubelet = kubelet_cannot_run(context, subject, kind);
    let mut finding = if let Some(port) =
        named_port(probe).filter(|port| !port_is_declared(container, port))
    {
        Finding::new(
                Code::ProbePortUnknown,
                severity,
                subject.key.object(),
                format!(
                    "{field} of {name} names port {port:?}, which container {} does not declare: {effect}",
                    container.name
                ),
            )
            .fix(format!(
                "use the number of the port in {field}, or name the container's port {port:?}"
            ))
    } else if command_is_one_string(probe) || words_of_kubelet.is_some() {
        Finding::new(
            Code::ProbeCommandInvalid,
            severity,
            subject.key.object(),
            format!(
                "the command of {field} of {name} cannot be run{}: {effect}",
                if command_is_one_string(probe) {
                    ", it is one word with blanks in it"
                } else {
                    ""
                }
            ),
        )
        .because(words_of_kubelet)
        .fix(shell_fix(subject, index, container, kind))
    } else {
        return None;
    };
    finding
        .evidence
        .push(format!("{field} of container {}", container.name));
    if kind != ProbeKind::Liveness {
        finding.edges.clone_from(&subject.into);
    }
    Some(finding.caused_by(services_without_name(context, subject)))
}

/// The kubelet's word that it cannot run the command of a probe.
fn kubelet_cannot_run(
    context: &Context<'_>,
    subject: &WorkloadFacts<'_>,
    kind: ProbeKind,
) -> Option<String> {
    subject
        .pods
        .iter()
        .flat_map(|pod| {
            context
                .snapshot
                .events_of("Pod", &pod.metadata.namespace, &pod.metadata.name)
        })
        .find(|event| {
            event.message.starts_with(&format!("{} probe", kind.word()))
                && command_cannot_run(&event.message)
        })
        .map(|event| format!("{}: {}", event.reason, super::words::quote(&event.message)))
}

/// The command that fixes a readiness or startup probe which can never be run, where one fits: what the Pods' own troubles show.
pub(super) fn command_for(subject: &WorkloadFacts<'_>, code: Code) -> Option<Command> {
    let containers = &subject.template?.spec.containers;
    [ProbeKind::Readiness, ProbeKind::Startup]
        .into_iter()
        .flat_map(|kind| {
            containers
                .iter()
                .enumerate()
                .map(move |(index, container)| (kind, index, container))
        })
        .find_map(|(kind, index, container)| match code {
            Code::ProbeCommandInvalid => shell_fix(subject, index, container, kind).command,
            Code::ProbePortUnknown => port_by_number(subject, index, container, kind),
            _ => None,
        })
}

/// The only port that the container declares in the place of a name that it does not.
fn port_by_number(
    subject: &WorkloadFacts<'_>,
    index: usize,
    container: &Container,
    kind: ProbeKind,
) -> Option<Command> {
    let probe = probe_of(container, kind)?;
    let name = named_port(probe)?;
    let [only] = container.ports.as_slice() else {
        return None;
    };
    let asks = if probe.http_get.is_some() {
        "httpGet"
    } else {
        "tcpSocket"
    };
    let path = containers_path(subject)?;
    (!port_is_declared(container, name) && probe.grpc.is_none()).then(|| {
        let field = kind.field();
        fixes::set(
            &subject.key.object(),
            "replace",
            &format!("{path}/{index}/{field}/{asks}/port"),
            only.container_port,
        )
    })
}

/// The same command, run by a shell. Its words may hold a password, so that the command is printed only where they do not
/// look like it.
fn shell_fix(
    subject: &WorkloadFacts<'_>,
    index: usize,
    container: &Container,
    kind: ProbeKind,
) -> Fix {
    let field = kind.field();
    let line = probe_of(container, kind)
        .filter(|probe| command_is_one_string(probe))
        .and_then(|probe| probe.exec.as_ref())
        .and_then(|exec| exec.command.first())
        .filter(|line| Redactor::default().passes(line));
    let command = line.zip(containers_path(subject)).map(|(line, path)| {
        let words: Vec<Value> = ["sh", "-c", line].iter().map(|word| json!(word)).collect();
        fixes::set(
            &subject.key.object(),
            "replace",
            &format!("{path}/{index}/{field}/exec/command"),
            words,
        )
    });
    Fix::text(format!(
        "write the command of {field} as separate words, or as [\"sh\", \"-c\", \"…\"], with a program that is in the image"
    ))
    .run(command)
}

/// Readiness that asks another port than those to which Services send traffic.
fn target_differs(context: &Context<'_>, subject: &WorkloadFacts<'_>) -> Option<Finding> {
    let mut traffic = traffic_ports(context, subject);
    // kompose's headless dummy is no one's port.
    traffic.remove(&55555);
    let (_, container) = serving(subject, &traffic)?;
    let probe = probe_of(container, ProbeKind::Readiness)?;
    let asked = port_number(container, probe)?;
    if !is_concerned(subject)
        || traffic.is_empty()
        || traffic.contains(&asked)
        || asks_for_readiness(probe)
    {
        return None;
    }
    let finding = Finding::of(
            Code::ProbeTargetDiffers,
            subject.key.object(),
            format!(
                "readiness of {} asks port {asked}, its Service sends traffic to {}: that it is ready says nothing about the port that clients use",
                subject.name(&context.snapshot.namespace),
                joined(&traffic)
            ),
        )
        .because([format!(
            "readinessProbe of container {}: port {asked}",
            container.name
        )])
        // A patch would put less in the place of the program's own path.
        .fix(format!(
            "let the readiness probe of container {} ask the port that the Service sends traffic to",
            container.name
        ));
    Some(finding)
}

/// Whether the path asks the program itself if it is ready: on a port for management its answer is about the one that clients use.
fn asks_for_readiness(probe: &Probe) -> bool {
    let paths = probe.http_get.iter().map(|http| &http.path);
    paths
        .flat_map(|path| path.split(['/', '-', '_', '.']))
        .any(|word| matches!(word, "ready" | "readyz" | "readiness"))
}

/// Whether a Pod has never been ready since it was started.
fn never_ready(pod: &Pod) -> bool {
    let start = pod.status.start_time.or(pod.metadata.creation_timestamp);
    Condition::of(&pod.status.conditions, "Ready").is_some_and(|condition| {
        condition.status != "True"
            && condition
                .last_transition_time
                .zip(start)
                .is_some_and(|(changed, start)| changed.duration_since(start).as_secs() <= 5)
    })
}

/// Liveness that kills a container before it has ever been ready.
fn too_impatient(context: &Context<'_>, subject: &WorkloadFacts<'_>) -> Option<Finding> {
    let trouble = subject.troubles.iter().find(|trouble| {
        trouble.code == Code::LivenessProbeFailing
            && subject.pods.iter().any(|pod| {
                pod.metadata.name == trouble.pod
                    && never_ready(pod)
                    && pod.spec.containers.iter().any(|container| {
                        container.readiness_probe.is_some()
                            && container.liveness_probe.is_some()
                            && container.startup_probe.is_none()
                    })
            })
    })?;
    let finding = Finding::of(
            Code::ProbeTooImpatient,
            subject.key.object(),
            format!(
                "the liveness probe of {} kills it before it has ever been ready: a slow start needs a startup probe",
                subject.name(&context.snapshot.namespace)
            ),
        )
        .because([format!("Pod {} was never ready", trouble.pod)])
        .because(trouble.evidence.iter().cloned())
        .fix(startup_fix(subject));
    Some(finding)
}

/// A startup probe that asks what liveness asks, for five minutes.
fn startup_fix(subject: &WorkloadFacts<'_>) -> Fix {
    let text = "add a startupProbe that asks what liveness asks and allows for the whole start (failureThreshold × periodSeconds)";
    let command = subject.template.and_then(|template| {
        let path = containers_path(subject)?;
        let (index, container) = template
            .spec
            .containers
            .iter()
            .enumerate()
            .find(|(_, container)| container.liveness_probe.is_some())?;
        let probe = container.liveness_probe.as_ref()?;
        // An exec command may hold a password: only what asks a port is printed.
        port_number(container, probe)?;
        let mut value = serde_json::to_value(probe).ok()?;
        value["periodSeconds"] = json!(5);
        value["failureThreshold"] = json!(60);
        Some(fixes::set(
            &subject.key.object(),
            "add",
            &format!("{path}/{index}/startupProbe"),
            value,
        ))
    });
    Fix::text(text.to_owned()).run(command)
}

#[cfg(test)]
mod tests;
