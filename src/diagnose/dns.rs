//! Section 5: cluster DNS that answers no one, clients that are kept from it, records that lead elsewhere. Pure.

mod settings;

use std::collections::BTreeSet;
use std::net::IpAddr;

pub(super) use settings::kept_from_cluster_dns;

use serde_json::json;

use super::target::{self, line};
use super::walk::{EdgeEvidence, Stage, Walk};
use super::words::joined;
use super::{Context, Rule};
use crate::finding::{Code, Finding, Fix, ObjectRef};
use crate::graph::Edge;
use crate::observe::kinds::PodSpec;
use crate::observe::{HostMeaning, WorkloadKey};
use crate::plan::{Look, ProbeOutcome};
use crate::policy::{self, Peer};
use crate::probe::wire::{Step, StepError, StepName, StepStatus};
use crate::shell::Command;

/// The rules of this file.
pub(super) const RULES: &[Rule] = &[
    Rule::Whole(no_one_is_answered),
    Rule::EdgeMany(policy_not_cluster),
    Rule::EdgeMany(record_wrong),
    Rule::Edge(client_resolver_wrong),
];

/// The DNS Service that resolv.conf names, as an object: by its address, else the usual one.
fn dns_service(context: &Context<'_>) -> ObjectRef {
    context
        .outcomes
        .iter()
        .flat_map(|outcomes| &outcomes.probes)
        .flat_map(|probe| &probe.nameservers)
        .find_map(|address| match context.snapshot.meaning(address, "") {
            HostMeaning::ServiceAddress(key) => Some(key.object()),
            _ => None,
        })
        .unwrap_or_else(|| ObjectRef::new("service", "kube-dns", "kube-system"))
}

/// `dns-unavailable` without edges: cluster DNS leaves a question without an answer.
pub(super) fn unavailable(context: &Context<'_>, what: &str) -> Finding {
    let object = dns_service(context);
    Finding::of(
        Code::DnsUnavailable,
        object.clone(),
        format!(
            "cluster DNS ({object} in {}) does not answer for {what}",
            object.namespace
        ),
    )
    .fix(
        Fix::text(format!(
            "bring cluster DNS back: see its Pods with the command, scale or restart them (often deployment/coredns in {})",
            object.namespace
        ))
        .run(Command::kubectl(
            &object.namespace,
            &["get", "pods,endpointslices", "-l", "k8s-app=kube-dns"],
        )),
    )
}

/// Whether a client is meant to ask cluster DNS and no policy keeps it from it.
fn may_ask(context: &Context<'_>, probe: &ProbeOutcome) -> bool {
    let own_settings = match probe.identity.dns_policy.as_str() {
        "" | "ClusterFirst" => probe.identity.host_network,
        "ClusterFirstWithHostNet" => false,
        _ => true,
    };
    let nameservers: Vec<IpAddr> = probe
        .nameservers
        .iter()
        .filter_map(|text| text.parse().ok())
        .collect();
    let denied = |workload: &WorkloadKey| {
        let peers = Peer::all_of(context.snapshot, workload);
        peers.iter().any(|peer| {
            policy::dns(context.snapshot, peer, &nameservers)
                .decision
                .is_denied_somehow()
        })
    };
    let tier = context.graph.tiers.get(&probe.tier);
    !own_settings && !tier.is_some_and(|tier| tier.workloads.iter().any(denied))
}

/// Whether no name server answered at all.
pub(super) fn is_unanswered(step: &Step) -> bool {
    matches!(
        step.error,
        Some(StepError::DnsTimeout | StepError::Servfail)
    )
}

/// No name resolves for anyone who may ask: cluster DNS itself is down, or serves nothing.
fn no_one_is_answered(context: &Context<'_>) -> Vec<Finding> {
    let Some(outcomes) = context.outcomes else {
        return Vec::new();
    };
    let clients: Vec<&ProbeOutcome> = outcomes
        .probes
        .iter()
        .filter(|probe| matches!(probe.look, Look::First | Look::Again))
        .filter(|probe| may_ask(context, probe))
        .collect();
    let asked = || {
        clients
            .iter()
            .flat_map(|probe| probe.steps.iter().map(move |step| (*probe, step)))
            .filter(|(_, step)| step.name == StepName::Dns && step.status != StepStatus::Skipped)
            // A name from /etc/hosts was asked of no one, and a resolver of the client's own is another one.
            .filter(|(_, step)| {
                step.facts
                    .get("source")
                    .is_none_or(|source| source != "/etc/hosts" && !source.starts_with("resolver"))
            })
    };
    if asked().any(|(_, step)| step.status == StepStatus::Pass) {
        return Vec::new();
    }
    // An answer that a name does not exist is an answer, unless the API shows the Services that no one can resolve.
    let silent = asked().next().is_some() && asked().all(|(_, step)| is_unanswered(step));
    let denied_services = services_without_record(context);
    if !silent && denied_services.len() < 2 {
        return Vec::new();
    }
    let mut finding = unavailable(context, "anyone");
    for evidence in context.evidence.values() {
        let edge = evidence.edge;
        let concerned = evidence.failed().any(|walk| {
            may_ask(context, walk.probe)
                && walk.broken_stage() == Some(Stage::Dns)
                && walk.dns.is_some_and(|step| is_unanswered(step) || !silent)
        });
        if concerned && !edge.forbidden {
            finding.edges.insert(edge.id.clone());
        }
    }
    if finding.edges.is_empty() {
        return Vec::new();
    }
    if !silent {
        finding.message = format!(
            "cluster DNS ({}) knows none of the Services that the API shows ({})",
            finding.object,
            joined(denied_services)
        );
    }
    finding.evidence.extend(target::dns_lines(
        asked().map(|(probe, step)| (probe.tier.clone(), step)),
    ));
    vec![finding]
}

/// Services with an address whose names were asked for and not found.
fn services_without_record(context: &Context<'_>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for evidence in context.evidence.values() {
        let not_found = evidence.failed().any(|walk| {
            may_ask(context, walk.probe)
                && walk
                    .dns
                    .is_some_and(|step| step.error == Some(StepError::Nxdomain))
        });
        if !not_found {
            continue;
        }
        let service = target::service(context, evidence.edge)
            .and_then(|key| context.snapshot.service(&key))
            .filter(|service| !service.spec.addresses().is_empty());
        if let Some(service) = service {
            found.insert(service.metadata.name.clone());
        }
    }
    found
}

/// The client's own settings keep it from cluster DNS, and the name that it asks for is that of a Service.
fn policy_not_cluster(context: &Context<'_>, evidence: &EdgeEvidence<'_>) -> Vec<Finding> {
    let edge = evidence.edge;
    let fails = context.outcomes.is_none() || evidence.breaks_at(Stage::Dns);
    if !fails || !is_cluster_name(context, edge) {
        return Vec::new();
    }
    let of_client = |client: &WorkloadKey| {
        let template = context.snapshot.template(client)?;
        let why = kept_from_cluster_dns(context, template.spec, edge)?;
        let object = client.object();
        let finding = Finding::of(
                Code::DnsPolicyNotCluster,
                object.clone(),
                format!(
                    "{object} does not ask cluster DNS: {why}, so `{}` and every other Service name stay unknown to it",
                    edge.host
                ),
            )
            .on([&edge.id])
            .because(seen(evidence))
            .fix(settings_fix(client, template.spec));
        Some(finding)
    };
    target::clients(context, edge)
        .iter()
        .filter_map(of_client)
        .collect()
}

/// The client asks name servers of its own configuration, which do not know the name, or do not answer at all.
fn client_resolver_wrong(context: &Context<'_>, evidence: &EdgeEvidence<'_>) -> Option<Finding> {
    let edge = evidence.edge;
    let own = edge.resolver.as_ref()?;
    let is_short = !edge.host.trim_end_matches('.').contains('.');
    let is_docker = own
        .servers
        .iter()
        .any(|server| server.starts_with("127.0.0.11"));
    let fails = if context.outcomes.is_none() {
        own.servers.is_empty() || is_docker || is_short
    } else {
        evidence.breaks_at(Stage::Dns)
    };
    let client = target::clients(context, edge).first().filter(|_| fails)?;
    let servers = own.servers.join(" ");
    let why = if own.servers.is_empty() {
        "its configuration names no resolver".to_owned()
    } else if is_docker {
        format!("it asks {servers}, Docker's own DNS, which no Pod has")
    } else if is_short {
        format!(
            "it asks {servers} for `{}` as it stands: its resolver knows no search list",
            edge.host
        )
    } else {
        format!("it asks {servers}, which does not know the name")
    };
    let whole = if is_short {
        format!(
            "{}.{}.svc.cluster.local",
            edge.host.to_lowercase(),
            client.namespace
        )
    } else {
        edge.host.clone()
    };
    let finding = Finding::of(
            Code::ClientResolverWrong,
            client.object(),
            format!(
                "{client} resolves `{}` by itself, since a variable stands in its address, and {why}",
                edge.host
            ),
        )
        .on([&edge.id])
        .because(edge.origin.iter().cloned())
        .because(seen(evidence))
        .fix(format!(
            "say `resolver kube-dns.kube-system.svc.cluster.local;` (or the address of the cluster's DNS Service) and the whole name {whole}, or write the address without a variable; then reload or restart {client}"
        ));
    Some(finding)
}

fn is_cluster_name(context: &Context<'_>, edge: &Edge) -> bool {
    let namespace = target::client_namespace(context, edge);
    matches!(
        context.snapshot.meaning(&edge.host, namespace),
        HostMeaning::Service(_) | HostMeaning::HeadlessPod { .. }
    )
}

fn settings_fix(client: &WorkloadKey, spec: &PodSpec) -> Fix {
    let policy = if spec.host_network {
        "ClusterFirstWithHostNet"
    } else {
        "ClusterFirst"
    };
    let command = client.is_rolled_out().then(|| {
        let patch = json!({"spec": {"template": {"spec": {"dnsPolicy": policy}}}});
        Command::patch(&client.namespace, &client.to_string(), "merge", &patch)
    });
    Fix::text(format!(
        "set `dnsPolicy: {policy}` in the Pod template of {client}"
    ))
    .run(command)
}

/// What the failed walks saw of the name.
fn seen(evidence: &EdgeEvidence<'_>) -> Vec<String> {
    target::dns_lines(evidence.failed().filter_map(|walk| {
        let servers = &walk.probe.nameservers;
        let asked = if servers.is_empty() {
            String::new()
        } else {
            format!(" (asked {})", servers.join(", "))
        };
        Some((format!("{}{asked}", walk.probe.tier), walk.dns?))
    }))
}

/// The name resolves, to other addresses than the Service of that name has, and nothing answers there.
fn record_wrong(context: &Context<'_>, evidence: &EdgeEvidence<'_>) -> Vec<Finding> {
    let edge = evidence.edge;
    let after_name = evidence
        .broken_stage()
        .is_some_and(|stage| stage != Stage::Dns);
    // What the client asks for where no one can read it, may be another name than compose's.
    if !after_name || edge.is_unread() || edge.host.parse::<IpAddr>().is_ok() {
        return Vec::new();
    }
    let Some(key) = target::service(context, edge) else {
        return Vec::new();
    };
    let namespace = target::client_namespace(context, edge);
    let way = context.snapshot.way(&edge.host, namespace);
    let last = way.services.last().map_or(&key, |(last, _)| last);
    let own = addresses_of(context, last);
    if own.is_empty() {
        return Vec::new();
    }
    let of_walk = |walk: &Walk<'_>| {
        let step = walk.dns?;
        let answered = answered(step);
        if answered.is_empty() || answered.iter().any(|address| own.contains(address)) {
            return None;
        }
        let object = key.object();
        let alias = aliases(context, edge);
        let why = alias.as_ref().map_or_else(
            || "DNS rewrites it, or the record is stale".to_owned(),
            |client| format!("hostAliases of {client} say so"),
        );
        let finding = Finding::of(
            Code::DnsRecordWrong,
            object.clone(),
            format!(
                "`{}` leads {} to {}, but {} has {}: {why}",
                edge.host,
                edge.from,
                joined(&answered),
                last.object(),
                joined(&own)
            ),
        )
        .on([&edge.id])
        .because([line(&walk.place(), step)])
        .fix(alias.map_or_else(
            || {
                format!(
                    "correct the record or rewrite of `{}` in cluster DNS",
                    edge.host
                )
            },
            |client| format!("remove `{}` from hostAliases of {client}", edge.host),
        ));
        Some(finding)
    };
    evidence.failed().filter_map(of_walk).collect()
}

/// The addresses under which a Service should be found: its own, or those of its endpoints if it is headless.
fn addresses_of(context: &Context<'_>, key: &crate::observe::ServiceKey) -> BTreeSet<IpAddr> {
    let snapshot = context.snapshot;
    let Some(service) = snapshot.service(key) else {
        return BTreeSet::new();
    };
    if service.spec.is_headless() {
        return snapshot
            .slices_of(key)
            .into_iter()
            .flat_map(|slice| &slice.endpoints)
            .flat_map(|endpoint| &endpoint.addresses)
            .filter_map(|address| address.parse().ok())
            .collect();
    }
    service.spec.addresses().into_iter().collect()
}

/// The addresses that a DNS step got.
fn answered(step: &Step) -> BTreeSet<IpAddr> {
    step.facts
        .get("addresses")
        .into_iter()
        .flat_map(|text| text.split([',', ' ']))
        .filter_map(|address| address.trim().parse().ok())
        .collect()
}

/// The client workload whose `hostAliases` name the host.
fn aliases(context: &Context<'_>, edge: &Edge) -> Option<WorkloadKey> {
    target::clients(context, edge)
        .iter()
        .find(|client| {
            let template = context.snapshot.template(client);
            template.is_some_and(|template| template.spec.aliases(&edge.host).next().is_some())
        })
        .cloned()
}

#[cfg(test)]
mod tests;
