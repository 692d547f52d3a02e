//! What the probes said of an entry: each address from each place that dialled it, beside the Service itself from there. Pure.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{Context, Layer, Standing, nodes_with_endpoints};
use crate::diagnose::walk::{Stage, stage};
use crate::graph::{Entry, EntryAddress, EntryKind};
use crate::plan::{Outcomes, ProbeOutcome, entry_control, entry_task};
use crate::policy::policies_read;
use crate::probe::wire::{Step, StepError, StepName, StepStatus};
use crate::protocol::Protocol;

/// So long after its making the name of a balancer may not resolve yet.
const YOUNG: Duration = Duration::from_mins(10);
/// So long after its making a controller may not know an Ingress yet.
const UNPROGRAMMED: Duration = Duration::from_secs(30);
/// The label of nodes that often stand behind a firewall of their own.
const CONTROL_PLANE: &str = "node-role.kubernetes.io/control-plane";

/// One address, dialled from one Pod.
pub(super) struct Dialled<'a> {
    address: &'a EntryAddress,
    probe: &'a ProbeOutcome,
    pub(super) steps: Vec<&'a Step>,
    /// The step that decides.
    pub(super) last: Option<&'a Step>,
    /// How the Service itself answered the same Pod.
    control: Option<&'a Step>,
    /// All that was seen of it.
    pub(super) control_steps: Vec<&'a Step>,
}

impl Dialled<'_> {
    fn passed(&self) -> bool {
        self.last
            .is_some_and(|step| step.status == StepStatus::Pass)
    }

    /// Why no connection stood.
    pub(super) fn unconnected(&self) -> Option<StepError> {
        let step = self
            .last
            .filter(|step| step.status == StepStatus::Fail && stage(step.name) == Stage::Connect)?;
        step.error
    }

    fn control_passed(&self) -> bool {
        self.control
            .is_some_and(|step| step.status == StepStatus::Pass)
    }

    /// The address, and from where it was dialled.
    pub(super) fn place(&self) -> String {
        match &self.address.node {
            Some(node) => format!("{} ({node}) from {}", self.address, self.probe.node),
            None => format!("{} from {}", self.address, self.probe.node),
        }
    }

    pub(super) fn words(&self) -> String {
        let detail = self
            .last
            .map_or("no answer came", |step| step.detail.as_str());
        let error: Option<&str> = self.last.and_then(|step| step.error).map(Into::into);
        match error {
            Some(error) if detail.is_empty() => format!("{}: {error}", self.place()),
            Some(error) => format!("{}: {error}, {detail}", self.place()),
            None => format!("{}: {detail}", self.place()),
        }
    }
}

/// What the dials amount to.
pub(super) fn judge<'a>(context: &Context<'a>, entry: &'a Entry) -> Standing<'a> {
    judge_by(context, entry, &|dialled| decide(context, entry, dialled))
}

/// The same by another rule, where something was dialled.
pub(super) fn judge_by<'a>(
    context: &Context<'a>,
    entry: &'a Entry,
    rule: &dyn Fn(&[Dialled<'a>]) -> Decision,
) -> Standing<'a> {
    let dialled = dialled(context.outcomes, entry);
    let steps = dialled
        .iter()
        .flat_map(|one| one.steps.iter().map(|step| (*step, one.probe)))
        .collect();
    let (status, layer, reason) = if dialled.is_empty() {
        (StepStatus::Skipped, None, undialled(entry).to_owned())
    } else {
        rule(&dialled)
    };
    Standing {
        entry,
        status,
        layer,
        reason,
        steps,
    }
}

fn undialled(entry: &Entry) -> &'static str {
    if entry.protocol == Protocol::Mysql {
        "MySQL takes a bare connection for an error of its client: not dialled"
    } else {
        "not dialled"
    }
}

fn dialled<'a>(outcomes: Option<&'a Outcomes>, entry: &'a Entry) -> Vec<Dialled<'a>> {
    let mut found = Vec::new();
    let control = entry_control(entry);
    for probe in outcomes.iter().flat_map(|outcomes| &outcomes.probes) {
        for address in &entry.addresses {
            let task = entry_task(entry, address);
            if !probe.tasks.contains(&task) {
                continue;
            }
            let steps = steps_of(probe, &task);
            let control_steps = steps_of(probe, &control);
            found.push(Dialled {
                address,
                probe,
                last: deciding(&steps),
                steps,
                control: deciding(&control_steps),
                control_steps,
            });
        }
    }
    found
}

fn steps_of<'a>(probe: &'a ProbeOutcome, task: &str) -> Vec<&'a Step> {
    probe
        .steps
        .iter()
        .filter(|step| step.task == task)
        .collect()
}

/// The first failure, else the highest step that passed.
fn deciding<'a>(steps: &[&'a Step]) -> Option<&'a Step> {
    let failed = steps.iter().find(|step| step.status == StepStatus::Fail);
    let passed = || {
        steps
            .iter()
            .filter(|step| step.status == StepStatus::Pass && step.name != StepName::Dns)
            .max_by_key(|step| step.name)
    };
    failed.or_else(passed).copied()
}

pub(super) type Decision = (StepStatus, Option<Layer>, String);

pub(super) fn unknown(reason: String) -> Decision {
    (StepStatus::Unknown, None, reason)
}

fn decide(context: &Context<'_>, entry: &Entry, dialled: &[Dialled<'_>]) -> Decision {
    let guarded = is_guarded(context, entry);
    if let Some(decision) = backend(entry, dialled, guarded) {
        return decision;
    }
    match entry.kind {
        EntryKind::NodePort => node_port(context, entry, dialled, guarded),
        EntryKind::LoadBalancer => balancer(context, entry, dialled, guarded),
        EntryKind::Ingress | EntryKind::Url => controller(dialled),
    }
}

/// A Service that refuses every Pod which asks it, while nothing but its backend can refuse.
fn backend(entry: &Entry, dialled: &[Dialled<'_>], guarded: bool) -> Option<Decision> {
    let refused = dialled.iter().all(|one| {
        one.control.is_some_and(|step| {
            step.status == StepStatus::Fail && step.error == Some(StepError::Refused)
        })
    });
    if !refused {
        return None;
    }
    let reason = format!(
        "service/{} itself refuses port {} inside the cluster",
        entry.service.name, entry.port
    );
    Some(if guarded {
        unknown(format!("{reason}; a policy may do that to the probe's Pod"))
    } else {
        (StepStatus::Fail, Some(Layer::Backend), reason)
    })
}

/// Whether a policy may catch the Pod that dials: what it is refused says nothing of others then.
pub(super) fn is_guarded(context: &Context<'_>, entry: &Entry) -> bool {
    let snapshot = context.snapshot;

    let isolated = |namespace: &str| {
        let state = snapshot.namespaces.get(namespace);
        !policies_read(snapshot, namespace)
            || state.is_none_or(|state| !state.network_policies.is_empty())
    };
    snapshot.may_have_other_policies()
        || isolated(&snapshot.namespace)
        || isolated(&entry.service.namespace)
}

pub(super) fn list(words: impl Iterator<Item = String>) -> String {
    let all: BTreeSet<String> = words.collect();
    all.into_iter().collect::<Vec<_>>().join("; ")
}

fn node_port(
    context: &Context<'_>,
    entry: &Entry,
    dialled: &[Dialled<'_>],
    guarded: bool,
) -> Decision {
    let (good, bad): (Vec<&Dialled<'_>>, Vec<_>) = dialled.iter().partition(|one| one.passed());
    let mut proven = format!(
        "a connection stands to {}",
        list(good.iter().map(|one| one.place()))
    );
    if entry.local {
        let nodes: Vec<String> = nodes_with_endpoints(context, entry).into_iter().collect();
        proven += &format!(
            "; from outside only {} takes it (externalTrafficPolicy: Local)",
            nodes.join(", ")
        );
    }
    if bad.is_empty() {
        return (StepStatus::Pass, None, proven);
    }
    let words = list(bad.iter().map(|one| one.words()));
    if guarded {
        return unknown(format!("{words}; a policy may catch the probe's Pod"));
    }
    // A node's own firewall is silent, and often stands before the control plane; only the node itself refuses.
    let is_certain = |one: &&Dialled<'_>| {
        one.control_passed()
            && match one.unconnected() {
                Some(StepError::Refused) => true,
                Some(StepError::Timeout) => !good.is_empty() && !is_control_plane(context, one),
                _ => false,
            }
    };
    if !bad.iter().any(is_certain) {
        return unknown(format!("{words}; a firewall before the node is like that"));
    }
    let also = if good.is_empty() {
        "service itself answers there".to_owned()
    } else {
        proven
    };
    (
        StepStatus::Fail,
        Some(Layer::NodePort),
        format!("{words}; {also}"),
    )
}

/// A controller that is only dialled: no path is known that surely does no harm, so no answer shows whose it is.
fn controller(dialled: &[Dialled<'_>]) -> Decision {
    let words = list(dialled.iter().map(|one| {
        if one.passed() {
            format!("a connection stands to {}", one.place())
        } else {
            one.words()
        }
    }));
    unknown(format!(
        "{words}; no path is known that surely does no harm: name one with `entries: adjust` in k8sverify.yaml"
    ))
}

fn is_control_plane(context: &Context<'_>, dialled: &Dialled<'_>) -> bool {
    context.snapshot.nodes.iter().any(|node| {
        Some(&node.metadata.name) == dialled.address.node.as_ref()
            && node.metadata.labels.contains_key(CONTROL_PLANE)
    })
}

fn balancer(
    context: &Context<'_>,
    entry: &Entry,
    dialled: &[Dialled<'_>],
    guarded: bool,
) -> Decision {
    let (good, bad): (Vec<&Dialled<'_>>, Vec<_>) = dialled.iter().partition(|one| one.passed());
    if bad.is_empty() {
        let by_proxy = dialled
            .iter()
            .all(|one| one.address.host.parse::<std::net::IpAddr>().is_ok());
        let limit = if by_proxy {
            "; inside the cluster that address is answered by kube-proxy: the balancer itself was not asked"
        } else {
            ""
        };
        let reason = format!(
            "a connection stands to {}{limit}",
            list(good.iter().map(|one| one.place()))
        );
        return (StepStatus::Pass, None, reason);
    }
    let words = list(bad.iter().map(|one| one.words()));
    let nameless = bad.iter().any(|one| {
        one.last.is_some_and(|step| {
            step.name == StepName::Dns && step.error == Some(StepError::Nxdomain)
        })
    });
    if nameless && !is_young(context, entry) {
        return (StepStatus::Fail, Some(Layer::LoadBalancer), words);
    }
    let refused = bad
        .iter()
        .any(|one| one.control_passed() && one.unconnected() == Some(StepError::Refused));
    if refused && !guarded && entry.sources.is_empty() {
        return (StepStatus::Fail, Some(Layer::LoadBalancer), words);
    }
    unknown(format!(
        "{words}; a balancer need not answer Pods of its own cluster"
    ))
}

pub(super) fn is_young(context: &Context<'_>, entry: &Entry) -> bool {
    let snapshot = context.snapshot;
    let of_service = snapshot.service(&entry.service).map(|one| &one.metadata);
    let state = snapshot.namespaces.get(&entry.object.namespace);
    let mut ingresses = state.iter().flat_map(|state| &state.ingresses);
    let metadata = match entry.kind {
        EntryKind::Ingress => ingresses
            .find(|ingress| ingress.metadata.name == entry.object.name)
            .map(|ingress| &ingress.metadata),
        _ => of_service,
    };
    let born = metadata.and_then(|metadata| metadata.creation_timestamp);
    let (Some(now), Some(born)) = (context.snapshot.taken_at, born) else {
        return true;
    };
    // A clock that runs behind makes the age negative: then it is new.
    let limit = if entry.kind == EntryKind::Ingress {
        UNPROGRAMMED
    } else {
        YOUNG
    };
    Duration::try_from(now.duration_since(born)).unwrap_or_default() < limit
}
