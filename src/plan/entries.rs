//! The ways in from outside as tasks: each address is dialled from a Pod on another node than its own, beside the Service itself. Pure.

use std::collections::BTreeMap;
use std::num::NonZeroU16;

use super::client::{fallbacks, is_usable};
use super::edge;
use super::harmless;
use super::mesh;
use super::model::{Identity, Look, PlanOptions, ProbePlan, TierProbe};
use super::pool::{Pool, spec};
use crate::address::{HttpQuestion, TlsMode};
use crate::graph::{Entry, EntryAddress, EntryQuestion, TierGraph};
use crate::observe::Snapshot;
use crate::observe::kinds::Labels;
use crate::policy;
use crate::probe::wire::EdgeTask;
use crate::protocol::Protocol;

/// At most so many entries are dialled, and so many addresses of each.
const ENTRIES: usize = 32;
const ADDRESSES: usize = 3;
/// So long what was just made may take to be programmed on every node.
const SETTLING_MS: u64 = 10_000;

/// The id of the task that dials an address of an entry.
pub fn entry_task(entry: &Entry, address: &EntryAddress) -> String {
    format!("entry:{}@{address}", entry.id)
}

/// The id of the task that dials the Service behind an entry, for comparison.
pub fn entry_control(entry: &Entry) -> String {
    format!("entry:{}", entry.id)
}

/// Adds the Pods that dial the entries; they carry no marks of any tier.
pub(super) fn add(
    graph: &TierGraph,
    snapshot: &Snapshot,
    options: &PlanOptions,
    plan: &mut ProbePlan,
) {
    let mut places = fallbacks(snapshot, &[], None);
    places.truncate(2);
    let mut by_place: BTreeMap<Option<String>, Vec<EdgeTask>> = BTreeMap::new();
    let dialled: Vec<&Entry> = graph
        .entries
        .iter()
        .filter(|entry| is_dialled(entry))
        .collect();
    if dialled.len() > ENTRIES {
        plan.notes.push(format!(
            "{ENTRIES} of {} ways in from outside are dialled",
            dialled.len()
        ));
    }
    for entry in dialled.into_iter().take(ENTRIES) {
        let control = service_task(snapshot, entry);
        for address in wanted(snapshot, entry) {
            let place = places
                .iter()
                .find(|place| Some(*place) != address.node.as_ref())
                .or(places.first());
            let tasks = by_place.entry(place.cloned()).or_default();
            let patience = control.as_ref().map_or(0, |control| control.retry_until_ms);
            if let Some(control) = &control
                && !tasks.iter().any(|task| task.id == control.id)
            {
                tasks.push(control.clone());
            }
            let task = task(
                entry_task(entry, address),
                &address.host,
                address.port,
                patience,
            );
            tasks.push(match &entry.question {
                Some(question) => asking(task, question, question.tls),
                None => task,
            });
        }
    }
    let mut pool = Pool::new(options);
    for (node, tasks) in by_place {
        let identity = Identity {
            namespace: snapshot.namespace.clone(),
            node,
            annotations: mesh::settings(None, &Labels::new(), &Labels::new()),
            ..Identity::default()
        };
        let probe = TierProbe {
            tier: String::new(),
            workload: None,
            container: String::new(),
            env: Vec::new(),
            env_from: Vec::new(),
            spec: spec(options, Vec::new(), tasks),
        };
        pool.add_as(identity, &[], probe);
    }
    let mut vantages = pool.vantages("e", Look::Entry);
    // Where something is to be said of limits, the first look has said it.
    harmless::fit(snapshot, &mut vantages);
    plan.vantages.extend(vantages);
}

/// Whether a bare connection does no harm: MySQL counts one as an error of its client, and blocks those with many.
fn is_dialled(entry: &Entry) -> bool {
    entry.transport == "TCP"
        && (entry.question.is_some() || entry.protocol != Protocol::Mysql)
        && !entry.addresses.is_empty()
}

/// The addresses to dial: where only nodes with endpoints take what comes from outside, those.
fn wanted<'a>(snapshot: &Snapshot, entry: &'a Entry) -> Vec<&'a EntryAddress> {
    let nodes = entry.local.then(|| snapshot.nodes_behind(&entry.service));
    let fits = |address: &EntryAddress| match &address.node {
        Some(node) => {
            is_usable(snapshot, node) && nodes.as_ref().is_none_or(|nodes| nodes.contains(node))
        }
        None => true,
    };
    entry
        .addresses
        .iter()
        .filter(|address| fits(address))
        .take(ADDRESSES)
        .collect()
}

fn service_task(snapshot: &Snapshot, entry: &Entry) -> Option<EdgeTask> {
    let address = &snapshot.service(&entry.service)?.spec.cluster_ip;
    let host = if matches!(address.as_str(), "" | "None") {
        format!("{}.{}.svc", entry.service.name, entry.service.namespace)
    } else {
        address.clone()
    };
    let port = NonZeroU16::new(entry.port)?;
    let route = policy::route(snapshot, &snapshot.namespace, &host, port, "TCP");
    // A server without a readiness probe may not listen yet.
    let patience = edge::young_ms(snapshot, &route).max(SETTLING_MS);
    let task = task(entry_control(entry), &host, port, patience);
    Some(match &entry.question {
        Some(question) => asking(task, question, entry.protocol == Protocol::Https),
        None => task,
    })
}

/// The same task with a question of HTTP. A certificate is not judged: what a Pod trusts is not what users trust.
fn asking(task: EdgeTask, question: &EntryQuestion, secure: bool) -> EdgeTask {
    EdgeTask {
        protocol: if secure {
            Protocol::Https
        } else {
            Protocol::Http
        },
        http: Some(HttpQuestion {
            path: Some(question.path.clone()),
            origin: String::new(),
            health: false,
            expect_status: None,
        }),
        authority: (!question.authority.is_empty()).then(|| question.authority.clone()),
        tls: secure.then_some(TlsMode::Required),
        no_login_reason: "no login is known at a way in".to_owned(),
        ..task
    }
}

fn task(id: String, host: &str, port: NonZeroU16, patience: u64) -> EdgeTask {
    EdgeTask {
        no_login_reason: "only the connection is tried".to_owned(),
        retry_until_ms: patience,
        ..EdgeTask::bare(id, host.to_owned(), port, Protocol::Tcp)
    }
}
