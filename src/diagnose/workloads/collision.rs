//! Variables that Kubernetes sets by itself: for a Service `redis` every Pod gets `REDIS_PORT=tcp://10.96.0.9:6379`, and a
//! program that takes `REDIS_PORT` for a number exits because of it. Pure.

use std::collections::BTreeSet;

use serde_json::json;

use crate::diagnose::Context;
use crate::diagnose::subject::WorkloadFacts;
use crate::diagnose::words::quote;
use crate::finding::{Code, EdgeId, Finding, Fix, Severity};
use crate::graph::{Edge, Tier};
use crate::observe::kinds::{Container, PodSpec, Service};
use crate::shell::Command;

/// A collision, and what shows it.
struct Collision<'a> {
    variable: String,
    service: &'a Service,
    reader: String,
    /// A log line in which the injected value shows.
    log: Option<String>,
    /// Whether the command puts it where a port belongs: then no address comes of it.
    as_port: bool,
}

/// Whether a collision is why the subject's containers crash.
pub(super) fn explains_crash(context: &Context<'_>, subject: &WorkloadFacts<'_>) -> bool {
    find(context, subject).is_some_and(|collision| is_fatal(subject, &collision))
}

/// The program exits by itself, and its log shows the value or nothing shows another reason.
fn is_fatal(subject: &WorkloadFacts<'_>, collision: &Collision<'_>) -> bool {
    let crashes = subject
        .troubles
        .iter()
        .find(|trouble| trouble.code == Code::ContainerCrashLooping && trouble.dependent);
    crashes.is_some_and(|trouble| {
        let has_log = trouble
            .evidence
            .iter()
            .any(|line| line.starts_with("log: "));
        collision.log.is_some() || (!has_log && subject.from.is_empty())
    })
}

/// Variables that a tier reads, that its Pods do not set, and that `enableServiceLinks` sets to a URL.
pub(super) fn service_env_collision(
    context: &Context<'_>,
    subject: &WorkloadFacts<'_>,
) -> Option<Finding> {
    if subject.tiers.is_empty() {
        return None;
    }
    let collision = find(context, subject)?;
    let Collision {
        variable,
        service,
        reader,
        log,
        as_port,
    } = &collision;
    let service = &service.metadata.name;
    let name = subject.name(&context.snapshot.namespace);
    let fatal = is_fatal(subject, &collision) || collision.as_port;
    let template = match subject.key.kind.as_str() {
        "pod" | "cronjob" => None,
        _ => Some(Command::patch(
            &subject.key.namespace,
            &subject.key.to_string(),
            "merge",
            &json!({"spec": {"template": {"spec": {"enableServiceLinks": false}}}}),
        )),
    };
    let overruled = as_port.then(|| dialled(context, subject, service));
    let overruled = overruled.unwrap_or_default();
    let finding = Finding::new(
        Code::ServiceEnvCollision,
        subject.scoped(Severity::error_if(fatal)),
        subject.key.object(),
        format!("{name} reads {variable} and does not set it; Kubernetes sets it to tcp://… for service/{service} (enableServiceLinks)"),
    )
    .because([reader.clone()])
    .because(log.iter().map(|line| format!("log: {line}")))
    .overruling(&overruled)
    .on(&overruled)
    .on(subject.into.iter().filter(|_| fatal && !as_port))
    .fix(
        Fix::text(format!(
            "set enableServiceLinks: false in the Pod template of {name}, or set {variable} there"
        ))
        .run(template),
    );
    Some(finding)
}

fn find<'a>(context: &Context<'a>, subject: &WorkloadFacts<'a>) -> Option<Collision<'a>> {
    let template = subject.template?;
    if template.spec.enable_service_links == Some(false) {
        return None;
    }
    let state = context.snapshot.namespaces.get(&subject.key.namespace)?;
    let youngest = subject
        .pods
        .iter()
        .filter_map(|pod| pod.metadata.creation_timestamp)
        .max();
    let logs = logs(context, subject);
    if logs.is_empty() && !names_a_port(context, subject, template.spec) {
        return None;
    }
    for service in &state.services {
        let spec = &service.spec;
        // Only a Service with an address that was there before the Pod is injected.
        let injected = !spec.is_headless()
            && !spec.is_external_name()
            && !spec.ports.is_empty()
            && youngest
                .zip(service.metadata.creation_timestamp)
                .is_none_or(|(pod, service)| service <= pod);
        if !injected {
            continue;
        }
        let variable = format!(
            "{}_PORT",
            service.metadata.name.to_uppercase().replace('-', "_")
        );
        for container in &template.spec.containers {
            if sets(context, subject, container, &variable) {
                continue;
            }
            let address = format!("tcp://{}", spec.cluster_ip);
            let log = logs
                .iter()
                .flat_map(|log| said(log))
                .find(|line| {
                    line.contains(&variable)
                        || (!spec.cluster_ip.is_empty() && line.contains(&address))
                })
                .map(quote);
            if let Some(reader) = reads(context, subject, container, &variable) {
                return Some(Collision {
                    as_port: stands_as_port(container, &variable),
                    variable,
                    service,
                    reader,
                    log,
                });
            }
            let log = log.or_else(|| refusing_line(subject, service, &logs));
            if let Some(line) = log.filter(|line| line.contains("tcp://") || is_complaint(line)) {
                return Some(Collision {
                    reader: format!("the log of {} speaks of it", subject.key),
                    as_port: false,
                    variable,
                    service,
                    log: Some(line),
                });
            }
        }
    }
    None
}

/// The last words of the subject's containers that crashed.
pub(super) fn logs<'a>(context: &Context<'a>, subject: &WorkloadFacts<'_>) -> Vec<&'a String> {
    let state = context.snapshot.namespaces.get(&subject.key.namespace);
    let is_own = |key: &str| {
        let mut pods = subject.pods.iter();
        pods.any(|pod| key.split('/').next() == Some(pod.metadata.name.as_str()))
    };
    state
        .into_iter()
        .flat_map(|state| &state.crash_logs)
        .filter(|(key, _)| is_own(key))
        .map(|(_, log)| log)
        .collect()
}

/// The lines of a log without those that only quote the source: below `File "…", line 5`, and above a line of marks.
pub(super) fn said(log: &str) -> impl Iterator<Item = &str> {
    let is_marks = |line: &str| {
        !line.trim().is_empty() && line.trim().chars().all(|letter| "^~".contains(letter))
    };
    let indent = |line: &str| line.len() - line.trim_start().len();
    let before = std::iter::once("").chain(log.lines());
    let after = log.lines().skip(1).chain([""]);
    before
        .zip(log.lines())
        .zip(after)
        .filter(move |((before, line), after)| {
            // A text that was no file (`python -c`) is not quoted: the error itself follows.
            let quoted = before.trim_start().starts_with("File \"")
                && before.contains("\", line ")
                && indent(line) > indent(before);
            !quoted && !is_marks(line) && !is_marks(after)
        })
        .map(|((_, line), _)| line)
}

/// The edges of a tier that lead to what stands behind a Service.
fn dialled(context: &Context<'_>, subject: &WorkloadFacts<'_>, service: &str) -> BTreeSet<EdgeId> {
    let is_own = |edge: &&Edge| subject.runs(&edge.from);
    let leads_there = |edge: &&Edge| {
        let target = context.graph.tiers.get(&edge.to);
        target.is_some_and(|tier| {
            let mut services = tier.services.iter();
            services.any(|key| key.name == service && key.namespace == subject.key.namespace)
        })
    };
    let edges = context.graph.edges.iter().filter(|edge| edge.is_firm());
    let edges = edges.filter(is_own).filter(leads_there);
    edges.map(|edge| edge.id.clone()).collect()
}

/// Whether a command writes the variable behind a host: `http://$AP_HOST:$AP_PORT`.
fn stands_as_port(container: &Container, variable: &str) -> bool {
    let mut texts = container.words();
    texts.any(|text| {
        text.contains(&format!(":${{{variable}}}"))
            || text
                .split(&format!(":${variable}"))
                .skip(1)
                .any(|rest| !rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_'))
    })
}

/// Whether anything in which a variable is read holds the end of such a name: without it, no Service of the namespace needs to be asked.
fn names_a_port(context: &Context<'_>, subject: &WorkloadFacts<'_>, spec: &PodSpec) -> bool {
    const END: &str = "_PORT";
    let in_container = |container: &Container| {
        let values = container
            .env
            .iter()
            .filter_map(|entry| entry.value.as_deref());
        let mut texts = container.words().chain(values);
        texts.any(|text| text.contains(END))
    };
    let in_compose = |tier: &&Tier| {
        let service = context
            .compose
            .and_then(|file| file.services.get(&tier.name));
        service.is_some_and(|service| {
            let words = service.command.iter().chain(&service.entrypoint).flatten();
            words
                .chain(service.environment.keys())
                .any(|text| text.contains(END))
        })
    };
    spec.containers.iter().any(in_container) || subject.tiers.iter().any(in_compose)
}

/// The line in which a server refuses the variable that its own Service makes: it names the variable's prefix, or only the port.
fn refusing_line(
    subject: &WorkloadFacts<'_>,
    service: &Service,
    logs: &[&String],
) -> Option<String> {
    let labels = subject.template?.labels;
    let is_own = crate::observe::kinds::service_selects(&service.spec.selector, labels);
    logs.iter()
        .flat_map(|log| log.lines())
        .find(|line| is_own && is_complaint(line))
        .map(quote)
}

/// Whether a line says that a port cannot be what it is.
fn is_complaint(line: &str) -> bool {
    const WORDS: [&str; 6] = [
        "deprecated",
        "invalid",
        "not a number",
        "not a valid",
        "not an integer",
        "unable to parse",
    ];
    let line = line.to_lowercase();
    line.contains("port") && WORDS.iter().any(|word| line.contains(word))
}

/// Whether the Pod sets the variable; a whole Secret may do so unseen.
pub(super) fn sets(
    context: &Context<'_>,
    subject: &WorkloadFacts<'_>,
    container: &Container,
    variable: &str,
) -> bool {
    let namespace = &subject.key.namespace;
    container.env.iter().any(|entry| entry.name == variable)
        || container.env_from.iter().any(|source| {
            let Some(key) = variable.strip_prefix(source.prefix.as_str()) else {
                return false;
            };
            match &source.config_map_ref {
                None => source.secret_ref.is_some(),
                Some(reference) => {
                    let map = context.snapshot.config_map(namespace, &reference.name);
                    map.is_none_or(|map| map.data.contains_key(key))
                }
            }
        })
}

/// Where the variable is read, as far as the manifests and compose show.
fn reads(
    context: &Context<'_>,
    subject: &WorkloadFacts<'_>,
    container: &Container,
    variable: &str,
) -> Option<String> {
    if container.words().any(|text| mentions(text, variable)) {
        return Some(format!(
            "command of container {} reads {variable}",
            container.name
        ));
    }
    // `$(REDIS_PORT)` in another variable.
    if let Some(entry) = container.env.iter().find(|entry| {
        entry
            .value
            .as_deref()
            .is_some_and(|value| value.contains(&format!("$({variable})")))
    }) {
        return Some(format!(
            "env {} of container {} refers to {variable}",
            entry.name, container.name
        ));
    }
    let compose = context.compose?;
    for tier in &subject.tiers {
        let Some(service) = compose.services.get(&tier.name) else {
            continue;
        };
        let words: BTreeSet<&String> = service
            .command
            .iter()
            .chain(&service.entrypoint)
            .flatten()
            .collect();
        if words.iter().any(|text| mentions(text, variable)) {
            return Some(format!("compose command of {} reads {variable}", tier.name));
        }
        if service.environment.contains_key(variable) {
            return Some(format!(
                "compose sets {variable} for {}, the Pod template does not",
                tier.name
            ));
        }
    }
    None
}

/// Whether a text names the variable as a whole word.
pub(super) fn mentions(text: &str, variable: &str) -> bool {
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    text.match_indices(variable).any(|(start, _)| {
        !text[..start].ends_with(is_part) && !text[start + variable.len()..].starts_with(is_part)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::fixtures::{self, CRASHES};

    const SERVICE: &str = "
kind: Service
metadata: {name: kvs}
spec: {clusterIP: 10.96.0.7, selector: {app: kvs}, ports: [{port: 6379}]}
";
    const READS: &str = "containers: [{name: ap, args: [python3, -c, \"int(os.environ.get('KVS_PORT', '6379'))\"]}]";
    const RUNS: &str = "ready: true, state: {running: {}}";

    fn found(spec: &str, state: &str, log: &str) -> Option<Finding> {
        let snapshot = fixtures::deployed(SERVICE, spec, state, log);
        let graph = fixtures::graph(&["WEB->AP:2000/http"]);
        crate::diagnose::Rule::Workload(service_env_collision)
            .raise(&Context::new(&graph, &snapshot, None))
            .pop()
    }

    #[test]
    fn a_variable_that_the_program_reads_is_a_warning_and_the_cause_if_it_crashes() {
        assert_eq!(found(READS, RUNS, "").unwrap().severity, Severity::Warning);
        let log = "ValueError: invalid literal for int() with base 10: 'tcp://10.96.0.7:6379'";
        let crash = found(READS, CRASHES, log).unwrap();
        assert_eq!(crash.severity, Severity::Error);
        assert_eq!(crash.edges.len(), 1);
        let other = found(READS, CRASHES, "Access denied for user app").unwrap();
        assert_eq!(other.severity, Severity::Warning);
    }

    #[test]
    fn a_command_that_writes_it_behind_a_host_cannot_work() {
        let joins =
            "containers: [{name: ap, args: [sh, -c, 'URL=http://$KVS_HOST:$KVS_PORT exec app']}]";
        let finding = found(joins, RUNS, "").unwrap();
        assert_eq!(finding.severity, Severity::Error);
        let other = joins.replace(":$KVS_PORT ", ":$KVS_PORTS ");
        assert!(found(&other, RUNS, "").is_none());
        let braces = joins.replace("$KVS_PORT ", "${KVS_PORT} ");
        assert_eq!(found(&braces, RUNS, "").unwrap().severity, Severity::Error);
    }

    #[test]
    fn a_variable_that_is_set_or_not_read_or_not_injected_is_silent() {
        let set = READS.replace(
            "{name: ap,",
            "{name: ap, env: [{name: KVS_PORT, value: '6379'}],",
        );
        assert!(found(&set, RUNS, "").is_none());
        assert!(found(&format!("enableServiceLinks: false, {READS}"), RUNS, "").is_none());
        assert!(found("containers: [{name: ap, args: [MY_KVS_PORT]}]", RUNS, "").is_none());
    }
}
