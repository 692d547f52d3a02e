//! What stands at the far end of an edge, as an object that a finding can name. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU16;

use super::{Context, words};
use crate::finding::ObjectRef;
use crate::graph::Edge;
use crate::observe::kinds::{Pod, Service};
use crate::observe::{HostMeaning, HostRoute, ServiceKey, WorkloadKey, is_live};
use crate::probe::wire::Step;

/// The namespace from which an edge's client resolves names: that of its workload, else the run's.
pub(super) fn client_namespace<'a>(context: &Context<'a>, edge: &Edge) -> &'a str {
    clients(context, edge)
        .first()
        .map_or(context.snapshot.namespace.as_str(), |workload| {
            workload.namespace.as_str()
        })
}

/// The workloads that run the client tier.
pub(super) fn clients<'a>(context: &Context<'a>, edge: &Edge) -> &'a [WorkloadKey] {
    context.graph.workloads(&edge.from)
}

/// Where an edge's host leads.
#[derive(Debug, Clone)]
pub(super) struct Destination<'a> {
    /// The way that its host leads.
    pub(super) way: HostRoute<'a>,
    /// Whether the client's own `hostAliases` answer instead of the cluster's DNS.
    pub(super) aliased: bool,
}

/// Where an edge's host leads.
pub(super) fn destination<'a>(context: &Context<'a>, edge: &Edge) -> Destination<'a> {
    let template = clients(context, edge)
        .first()
        .and_then(|workload| context.snapshot.template(workload));
    let alias = template.and_then(|template| template.spec.aliases(&edge.host).next());
    let host = alias.map_or(&edge.host, |alias| &alias.ip);
    let namespace = client_namespace(context, edge);
    Destination {
        way: context.snapshot.way(host, namespace),
        aliased: alias.is_some(),
    }
}

/// The Service that the client's host names, if the API shows it.
pub(super) fn service(context: &Context<'_>, edge: &Edge) -> Option<ServiceKey> {
    let namespace = client_namespace(context, edge);
    match context.snapshot.meaning(&edge.host, namespace) {
        HostMeaning::Service(key)
        | HostMeaning::ServiceAddress(key)
        | HostMeaning::HeadlessPod { service: key, .. } => Some(key),
        _ => None,
    }
}

/// The object of a fault that a step shows at the target: the workload of the endpoint that was asked, else the target tier's
/// own, else the Service that the host names, else the name itself.
pub(super) fn object(context: &Context<'_>, edge: &Edge, step: Option<&Step>) -> ObjectRef {
    let at_endpoint = step
        .and_then(|step| step.endpoint.as_deref())
        .and_then(|endpoint| workload_at(context, endpoint));
    if let Some(workload) = at_endpoint {
        return workload.object();
    }
    let service = service(context, edge);
    let tier = context.graph.tiers.get(&edge.to);
    let workload = tier.and_then(|tier| {
        // Several workloads run the tier: the one that the client's Service leads to.
        let behind = service
            .as_ref()
            .and_then(|key| context.snapshot.service(key))
            .and_then(|service| {
                tier.workloads
                    .iter()
                    .find(|workload| selects(context, service, workload))
            });
        behind.or_else(|| tier.workloads.first())
    });
    match (workload, service) {
        (Some(workload), _) => workload.object(),
        (None, Some(service)) => service.object(),
        (None, None) => ObjectRef::new("name", edge.host.clone(), ""),
    }
}

fn selects(context: &Context<'_>, service: &Service, workload: &WorkloadKey) -> bool {
    service.metadata.namespace == workload.namespace
        && context.snapshot.template(workload).is_some_and(|template| {
            crate::observe::kinds::service_selects(&service.spec.selector, template.labels)
        })
}

/// The Pod behind `10.244.4.7:3306`.
pub(super) fn pod_at<'a>(context: &'a Context<'_>, endpoint: &str) -> Option<&'a Pod> {
    let (address, _) = address(endpoint)?;
    if let Some((_, pod)) = context.snapshot.pod_at(address) {
        return Some(pod);
    }
    let mut pods = context
        .snapshot
        .namespaces
        .values()
        .flat_map(|state| &state.pods);
    // One that has ended meanwhile. Pods in their node's network share its address: it says nothing about which of them was asked.
    pods.find(|pod| {
        !pod.spec.host_network && !is_live(pod) && pod.status.addresses().contains(&address)
    })
}

/// The workload behind `10.244.4.7:3306`.
pub(super) fn workload_at(context: &Context<'_>, endpoint: &str) -> Option<WorkloadKey> {
    pod_at(context, endpoint).map(|pod| context.snapshot.workload_of(pod))
}

/// The node on which the endpoint's Pod runs.
pub(super) fn node_at<'a>(context: &'a Context<'_>, endpoint: &str) -> Option<&'a str> {
    pod_at(context, endpoint)
        .map(|pod| pod.spec.node_name.as_str())
        .filter(|node| !node.is_empty())
}

/// Address and port of `10.244.4.7:3306` or `[fd00::7]:3306`.
pub(super) fn address(endpoint: &str) -> Option<(IpAddr, NonZeroU16)> {
    // What is no address and port is no endpoint of the cluster, so nothing of the snapshot can stand behind it.
    let parsed: SocketAddr = endpoint.parse().ok()?;
    Some((parsed.ip(), NonZeroU16::new(parsed.port())?))
}

/// Lines of DNS answers that one finding shows.
const DNS_LINES: usize = 4;

/// What name servers said to those clients, a line for each name and answer: `DB.story.svc.cluster.local → NXDOMAIN, as AP and WEB`. Of a search list
/// that found nothing the first name stands for all; the steps of the edge have the rest.
pub(super) fn dns_lines<'a>(asked: impl IntoIterator<Item = (String, &'a Step)>) -> Vec<String> {
    let mut lines: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (client, step) in asked {
        lines.entry(answer(step)).or_default().insert(client);
    }
    lines
        .into_iter()
        .take(DNS_LINES)
        .map(|(answer, clients)| {
            let clients = words::list(clients.iter().map(String::as_str));
            format!("{answer}, as {clients}")
        })
        .collect()
}

/// The name that shows how a search ended, and what was said of it.
fn answer(step: &Step) -> String {
    const NXDOMAIN: &str = "NXDOMAIN";
    let candidates: Vec<(&str, &str)> = step
        .facts
        .get("candidates")
        .into_iter()
        .flat_map(|all| all.split("; "))
        .filter_map(|one| one.split_once('='))
        .collect();
    let deciding = candidates
        .iter()
        .find(|(_, said)| *said != NXDOMAIN)
        .or_else(|| candidates.first());
    let (name, said) = match deciding {
        Some((name, said)) => (*name, (*said).to_owned()),
        None => (step.target.as_str(), error_name(step).to_uppercase()),
    };
    let name = match name.trim_end_matches('.') {
        "" => step.target.as_str(),
        name => name,
    };
    words::quote(&format!("{name} → {said}"))
}

/// What a step's failure is called in JSON; `pass` where there is none.
fn error_name(step: &Step) -> &'static str {
    step.error.map_or("pass", Into::into)
}

/// A step in one line, for evidence: `as AP on node-1: service 10.96.0.9:3306 → timeout (no answer in 3 s)`.
pub(super) fn line(place: &str, step: &Step) -> String {
    use crate::probe::wire::StepName;
    let what = step.endpoint.as_deref().unwrap_or(&step.target);
    let name = match step.name {
        StepName::Dns => "resolve",
        StepName::Service | StepName::Endpoint => "connect to",
        StepName::Tls => "TLS with",
        StepName::Protocol => "ask",
        // At the Service it is said as whom: `as DB_USER`.
        StepName::Login if step.endpoint.is_none() => "log in",
        StepName::Login => "log in to",
        StepName::Query => "query",
    };
    let error = error_name(step);
    if step.detail.is_empty() {
        format!("as {place}: {name} {what} → {error}")
    } else {
        format!("as {place}: {name} {what} → {error}: {}", step.detail)
    }
}
