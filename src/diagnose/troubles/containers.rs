//! Container states: images, configuration, starts, crashes, memory, init containers. Pure.

use std::time::Duration;

use super::kubelet::{self, ProbeKind};
use super::view::View;
use super::volume;
use super::waiting::{is_lost, lost_line, lost_words};
use super::{Trouble, ago, event_line, events_about, newest};
use crate::address;
use crate::catalog::answers::AnswerTexts;
use crate::diagnose::Context;
use crate::diagnose::subject::WorkloadFacts;
use crate::diagnose::words::quote;
use crate::finding::Code;
use crate::observe::kinds::{Pod, StateTerminated, StateWaiting};
use crate::observe::{WaitReason, held, is_ready};
use crate::probe::wire::StepStatus;

/// What is wrong with the containers of a Pod that has a node, the one that explains the others first.
pub(super) fn of<'a>(
    context: &Context<'a>,
    subject: &WorkloadFacts<'a>,
    pod: &'a Pod,
) -> Option<Trouble> {
    let init = pod.status.init_container_statuses.len();
    let statuses = pod.status.every().enumerate();
    let mut views = statuses.map(|(index, status)| {
        let container = pod.spec.container(&status.name);
        View {
            context,
            subject,
            pod,
            status,
            container,
            events: events_about(context, pod, &status.name),
            // A native sidecar stands among the init containers and runs for ever on purpose.
            init: index < init
                && container.is_none_or(|container| container.restart_policy != "Always"),
        }
    });
    views
        .find_map(|view| judge(&view))
        .or_else(|| never_created(context, pod))
}

fn judge(view: &View<'_, '_>) -> Option<Trouble> {
    if let Some(waiting) = &view.status.state.waiting {
        return waits(view, waiting);
    }
    if let Some(terminated) = &view.status.state.terminated {
        if view.init {
            return (terminated.exit_code != 0).then(|| init_failing(view, terminated));
        }
        // A Pod that does not restart its containers has not failed while another of them runs.
        if view.pod.spec.restart_policy == "Never"
            || (view.pod.spec.restart_policy == "OnFailure" && terminated.exit_code == 0)
        {
            return None;
        }
        return Some(ended(view, terminated));
    }
    if view.init {
        return init_never_ends(view);
    }
    kubelet::running(view).or_else(|| unstable(view))
}

fn waits(view: &View<'_, '_>, waiting: &StateWaiting) -> Option<Trouble> {
    let words = format!("{}: {}", waiting.reason, quote(&waiting.message));
    let image = || {
        view.container
            .map_or(view.status.image.as_str(), |container| {
                container.image.as_str()
            })
    };
    let failed = || {
        newest(&view.events, |event| {
            matches!(
                event.reason.as_str(),
                "Failed" | "InspectFailed" | "ErrImageNeverPull"
            ) && !event.message.starts_with("Error: ImagePullBackOff")
        })
        .map(event_line)
        .unwrap_or_default()
    };
    let why = held(waiting)?;
    let trouble = match why {
        WaitReason::ImageName | WaitReason::ImageAbsent | WaitReason::ImagePull => view
            .trouble(
                Code::ImagePullFailed,
                &format!("image {} cannot be pulled ({})", image(), waiting.reason),
            )
            .evidence([words, failed()])
            .remedy(image_remedy(why, image())),
        WaitReason::AsRoot | WaitReason::Config | WaitReason::Create => config_error(view, &words),
        WaitReason::NoCommand | WaitReason::Start => start_failed(view, &words),
        WaitReason::CrashLoop => {
            let last = view
                .status
                .last_state
                .terminated
                .clone()
                .unwrap_or_default();
            let trouble = if view.init {
                init_failing(view, &last)
            } else {
                ended(view, &last)
            };
            trouble.evidence([words])
        }
    };
    Some(trouble)
}

fn image_remedy(why: WaitReason, image: &str) -> String {
    match why {
        WaitReason::ImageName => format!("correct the image name {image:?} in the Pod template"),
        WaitReason::ImageAbsent => {
            format!("load {image} on the nodes, or drop imagePullPolicy: Never")
        }
        _ => format!(
            "push {image} to a registry that the nodes reach, correct its name or tag, or add imagePullSecrets; an image that was built locally must be loaded on every node"
        ),
    }
}

fn config_error(view: &View<'_, '_>, words: &str) -> Trouble {
    view.trouble(
        Code::ContainerConfigError,
        &format!("it cannot be created: {words}"),
    )
    .evidence([words.to_owned()])
    .remedy(missing_remedy(words))
}

fn missing_remedy(words: &str) -> &'static str {
    let advice = AnswerTexts::shared()
        .creation
        .on(&words.to_ascii_lowercase());
    advice.unwrap_or_default()
}

fn start_failed(view: &View<'_, '_>, words: &str) -> Trouble {
    view.trouble(
        Code::ContainerStartFailed,
        &format!("its command cannot be started ({words})"),
    )
    .evidence([words.to_owned()])
    .evidence(view.log())
    .remedy("correct command and args in the Pod template: the image does not hold what they name, or it may not be executed on this node")
}

/// A container that ended and will be started again: out of memory, killed by a probe, never started, or crashed.
fn ended(view: &View<'_, '_>, terminated: &StateTerminated) -> Trouble {
    let restarts = view.status.restart_count;
    let exit = exit_line(terminated);
    let log = view.log();
    if terminated.reason == "OOMKilled" {
        let limit = view
            .container
            .and_then(|container| container.resources.limits.get("memory"))
            .map_or_else(
                || "no limit of its own".to_owned(),
                |limit| format!("limit {}", limit.as_str().unwrap_or_default()),
            );
        return view
            .trouble(
                Code::ContainerOutOfMemory,
                &format!("killed for want of memory ({limit}), {restarts} restarts"),
            )
            .evidence([exit])
            .remedy("raise resources.limits.memory, or make the program use less");
    }
    let cannot_start = matches!(
        terminated.reason.as_str(),
        "StartError" | "ContainerCannotRun"
    ) || log.iter().any(|line| line.contains("exec format error"));
    if cannot_start {
        return folder_for_file(view, [exit.as_str()].into_iter())
            .unwrap_or_else(|| start_failed(view, &exit))
            .evidence(log);
    }
    for kind in [ProbeKind::Startup, ProbeKind::Liveness] {
        if let Some(kill) = kubelet::killed_by(&view.events, kind, terminated) {
            return kubelet::killed(view, kind, kill).evidence([exit]);
        }
    }
    if let Some(hook) = newest(&view.events, |event| event.reason == "FailedPostStartHook") {
        let line = event_line(hook);
        return view
            .trouble(
                Code::ContainerStartFailed,
                &format!("its postStart hook fails, so it is killed, {restarts} restarts"),
            )
            .evidence([line, exit])
            .remedy(
                "correct lifecycle.postStart in the Pod template, or what its command asks for",
            );
    }
    let words = log.iter().map(String::as_str).chain([exit.as_str()]);
    if let Some(trouble) = folder_for_file(view, words) {
        return trouble.evidence([exit]).evidence(log);
    }
    let reads = matches!(terminated.exit_code, 126 | 127);
    view.trouble(
        Code::ContainerCrashLooping,
        &format!(
            "{} after its start, {restarts} restarts",
            ending(terminated)
        ),
    )
    .evidence([exit])
    .evidence(log)
    // Exit 126 and 127 say that a command is not there, 0 that it had nothing to do, a signal that somebody killed it.
    .dependent(
        terminated.exit_code != 0 && !reads && terminated.exit_code < 128 && terminated.signal == 0,
    )
    .remedy(if reads {
        "correct the command: the shell did not find it or may not run it"
    } else if terminated.exit_code == 0 {
        "make it run in the foreground, or make it a Job if it is meant to end"
    } else {
        "see its log (kubectl logs --previous) and fix what it complains of"
    })
}

/// A file that is mounted by subPath and that its ConfigMap does not have: the kubelet makes an empty folder of that name. Only where what
/// the container says speaks of a folder.
fn folder_for_file<'w>(
    view: &View<'_, '_>,
    mut words: impl Iterator<Item = &'w str>,
) -> Option<Trouble> {
    if !words.any(|line| line.to_ascii_lowercase().contains("directory")) {
        return None;
    }
    let mounts = view.container?.volume_mounts.iter();
    let found = mounts
        .filter(|mount| !mount.sub_path.is_empty())
        .find_map(|mount| {
            let mut volumes = view.pod.spec.volumes.iter();
            let volume = volumes.find(|volume| volume.name == mount.name)?;
            let map = volume.config_map.as_ref()?;
            let namespace = &view.pod.metadata.namespace;
            let found = view.context.snapshot.config_map(namespace, &map.name)?;
            let path = mount.sub_path.trim_matches('/');
            let has =
                |key: &str| found.data.contains_key(key) || found.binary_data.contains_key(key);
            let is_there = if map.items.is_empty() {
                has(path)
            } else {
                map.items.iter().any(|item| item.path == path)
            };
            (!is_there && !path.contains('/')).then_some((&map.name, path, &mount.mount_path))
        });
    let (map, path, at) = found?;
    Some(
        view.trouble(
            Code::ContainerConfigError,
            &format!("configmap/{map} has no file {path}, which is mounted by subPath, so {at} is an empty folder"),
        )
        .evidence([format!("volumeMounts: subPath {path} of configmap/{map} at {at}")])
        .remedy(format!("add the key {path} to configmap/{map}, or correct subPath of the mount at {at} in the Pod template")),
    )
}

fn ending(terminated: &StateTerminated) -> String {
    if terminated.exit_code == 0 {
        "it ends with exit code 0".to_owned()
    } else {
        format!("it exits with code {}", terminated.exit_code)
    }
}

fn exit_line(terminated: &StateTerminated) -> String {
    format!(
        "last state: {} exit code {} {}",
        terminated.reason,
        terminated.exit_code,
        quote(&terminated.message)
    )
    .trim_end()
    .to_owned()
}

fn init_failing(view: &View<'_, '_>, terminated: &StateTerminated) -> Trouble {
    if terminated.reason == "OOMKilled" {
        return ended(view, terminated);
    }
    if matches!(
        terminated.reason.as_str(),
        "StartError" | "ContainerCannotRun"
    ) {
        return start_failed(view, &exit_line(terminated));
    }
    view.trouble(
        Code::InitContainerFailing,
        &format!(
            "it exits with code {}, {} restarts, so the Pod never starts",
            terminated.exit_code, view.status.restart_count
        ),
    )
    .evidence([exit_line(terminated)])
    .evidence(newest(&view.events, |event| event.reason == "BackOff").map(event_line))
    .evidence(view.log())
    .dependent(terminated.exit_code != 0 && terminated.exit_code < 126)
    .remedy(
        "see its log (kubectl logs POD -c INIT-CONTAINER --previous) and fix what it complains of",
    )
}

/// An init container that still runs when waiting is over: most wait for something that never comes.
fn init_never_ends(view: &View<'_, '_>) -> Option<Trouble> {
    view.status.state.running.as_ref()?;
    let settle = &view.context.snapshot.settle;
    let over = settle.unsettled.contains_key(&view.subject.key)
        || settle.failed.contains_key(&view.subject.key);
    let long = view
        .running_for()
        .is_some_and(|age| age > Duration::from_mins(1));
    (over || long).then(|| {
        let age = view
            .running_for()
            .map(|age| format!(" for {} s", age.as_secs()))
            .unwrap_or_default();
        let lost = lost_hosts(view);
        let trouble = view
            .trouble(
                Code::InitContainerFailing,
                &format!("it has been running{age} and does not end, so the Pod never starts"),
            )
            .evidence(lost.iter().map(lost_line))
            .evidence(view.log())
            .dependent(true);
        match lost.first() {
            Some((place, host)) => trouble.remedy(format!("correct {place} of the init container: no Service is called {host}")),
            None => trouble.remedy("see its log (kubectl logs POD -c INIT-CONTAINER): it waits for something that does not come"),
        }
    })
}

/// The variables of the container and the words of its command that name a host which leads nowhere, each with that host.
fn lost_hosts(view: &View<'_, '_>) -> Vec<(String, String)> {
    let variables = view.container.iter().flat_map(|container| &container.env);
    let named = variables.flat_map(|entry| {
        let value = entry.value.as_deref().unwrap_or_default();
        let targets = address::targets(&entry.name, value).into_iter();
        targets.map(|target| (format!("variable {}", entry.name), target.host))
    });
    let mut found: Vec<_> = named.filter(|(_, host)| is_lost(view, host)).collect();
    found.extend(lost_words(view));
    found
}

/// A container that runs at the moment, and has crashed before. One that is ready has recovered, unless those who call it say
/// otherwise: between two crashes a container without readiness probe is ready too.
fn unstable(view: &View<'_, '_>) -> Option<Trouble> {
    let terminated = view.status.last_state.terminated.as_ref()?;
    let restarts = view.status.restart_count;
    let lived = ago(view.context, terminated.started_at)
        .zip(ago(view.context, terminated.finished_at))
        .map(|(from, to)| from.saturating_sub(to));
    let outlived = match (view.running_for(), lived) {
        (Some(now), Some(before)) => now > before * 2 && now > Duration::from_secs(10),
        _ => true,
    };
    if outlived {
        return None;
    }
    let broken = view
        .subject
        .into
        .iter()
        .any(|edge| view.context.came_out(edge, StepStatus::Fail));
    let ready = view.status.ready && is_ready(view.pod);
    let certain = if ready {
        restarts >= 2 && broken
    } else {
        restarts >= 2 || (restarts >= 1 && terminated.reason == "OOMKilled")
    };
    certain.then(|| ended(view, terminated))
}

/// A Pod that has a node and whose containers were never created: mounts, the sandbox.
fn never_created(context: &Context<'_>, pod: &Pod) -> Option<Trouble> {
    let waits = pod.status.phase == "Pending"
        && pod
            .status
            .every()
            .filter_map(|status| status.state.waiting.as_ref())
            .any(|waiting| {
                matches!(
                    waiting.reason.as_str(),
                    "ContainerCreating" | "PodInitializing"
                )
            });
    if !waits {
        return None;
    }
    let events = context
        .snapshot
        .events_of("Pod", &pod.metadata.namespace, &pod.metadata.name);
    let event = newest(&events, |event| {
        matches!(
            event.reason.as_str(),
            "FailedMount" | "FailedAttachVolume" | "FailedMapVolume" | "FailedCreatePodSandBox"
        )
    })?;
    let name = &pod.metadata.name;
    let line = event_line(event);
    let trouble = if event.reason == "FailedCreatePodSandBox" {
        Trouble::new(
            Code::ContainerStartFailed,
            pod,
            format!("Pod {name} gets no sandbox ({line})"),
        )
        .remedy("see to the node's container runtime and network plugin (kubectl describe pod)")
    } else if names_configuration(&event.message) {
        Trouble::new(
            Code::ContainerConfigError,
            pod,
            format!("Pod {name} hangs in ContainerCreating: a volume cannot be mounted ({line})"),
        )
        .remedy(missing_remedy(&line))
    } else {
        volume::mount_failed(context, pod, &line)
    };
    Some(trouble.evidence([line]))
}

/// Whether a volume of a ConfigMap, a Secret or a service account is what is missing.
fn names_configuration(message: &str) -> bool {
    let lower = message.to_ascii_lowercase();
    ["configmap", "secret", "non-existent config key", "token"]
        .iter()
        .any(|word| lower.contains(word))
}

#[cfg(test)]
mod tests;
