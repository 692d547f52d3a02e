//! Section 6, the connection: what the network was seen to do where nothing more specific explains it, and servers that listen
//! on loopback only. Graph, snapshot and outcomes in, findings out. Pure.

use std::net::IpAddr;

use super::target::{self, line};
use super::walk::{EdgeEvidence, Stage};
use super::{Context, Rule, protocol};
use crate::finding::{Code, Finding, ObjectRef, Severity};
use crate::graph::{self, Edge, Origin};
use crate::observe::kinds::{Container, PodSpec};
use crate::observe::{HostMeaning, WorkloadKey, is_ready};
use crate::probe::wire::{HOST_FROM_SECRET, LISTENS_FACT, Step, StepError, StepStatus};

/// The rules of this file.
pub(super) const RULES: &[Rule] = &[
    Rule::EdgeMany(listens_on_loopback),
    Rule::Edge(address_stale),
];

/// What the first broken step itself says, as the finding of an edge that nothing more specific explains. `None` only for an edge
/// that did not fail.
pub(crate) fn symptom(context: &Context<'_>, evidence: &EdgeEvidence<'_>) -> Option<Finding> {
    let (walk, step) = evidence.first_broken()?;
    let edge = evidence.edge;
    let mut finding = match super::walk::stage(step.name) {
        Stage::Dns => name_symptom(context, edge, step),
        Stage::Connect => connect_symptom(context, edge, step),
        Stage::Protocol => protocol::finding(context, edge, step),
    };
    finding.edges.insert(edge.id.clone());
    finding.evidence.push(line(&walk.place(), step));
    finding
        .evidence
        .extend(elsewhere(evidence, step).into_iter().take(3));
    Some(finding)
}

/// What other walks say of the same step.
fn elsewhere(evidence: &EdgeEvidence<'_>, step: &Step) -> Vec<String> {
    evidence
        .passed()
        .filter(|walk| {
            walk.steps_of(step.name)
                .any(|step| step.status == StepStatus::Pass)
        })
        .map(|walk| format!("as {}: works", walk.place()))
        .collect()
}

fn name_symptom(context: &Context<'_>, edge: &Edge, step: &Step) -> Finding {
    if super::dns::is_unanswered(step) {
        return super::dns::unavailable(context, &format!("`{}`", edge.host));
    }
    if let Some(place) = step.facts.get(HOST_FROM_SECRET) {
        return secret_name_symptom(context, edge, place);
    }
    let namespace = target::client_namespace(context, edge);
    let hint = match context.snapshot.meaning(&edge.host, namespace) {
        HostMeaning::Outside => "no name server that the cluster asks knows it",
        HostMeaning::Service(_) => "although the API shows a Service of that name",
        _ => "and the API shows no Service of that name",
    };
    let place = edge
        .variable
        .as_deref()
        .map_or_else(|| Origin::list(&edge.origin), str::to_owned);
    Finding::of(
        Code::DnsNameNotFound,
        ObjectRef::new("name", edge.host.clone(), ""),
        format!(
            "`{}`, which {} uses for {}, does not resolve: {hint}",
            edge.host, edge.from, edge.to
        ),
    )
    .fix(format!(
        "correct the host in {place}, or create a Service of that name in the namespace where it is looked for"
    ))
}

/// A host from a Secret that does not resolve, while the target tier has a Service of another name.
fn secret_name_symptom(context: &Context<'_>, edge: &Edge, place: &str) -> Finding {
    let namespace = target::client_namespace(context, edge);
    let service = context.graph.tiers.get(&edge.to).and_then(|tier| {
        tier.services
            .iter()
            .find(|service| service.namespace == namespace)
    });
    let said = if place.contains(' ') {
        place.to_owned()
    } else {
        format!("`{place}`")
    };
    let (code, object, hint) = match service {
        Some(service) => (
            Code::ServiceNameMismatch,
            service.object(),
            format!("the Service of {} is called `{}`", edge.to, service.name),
        ),
        None => (
            Code::DnsNameNotFound,
            ObjectRef::new("name", place, ""),
            "the API shows no Service of that name".to_owned(),
        ),
    };
    Finding::new(
        code,
        Severity::Error,
        object,
        format!(
            "{said}, which {} uses for {}, does not resolve: {hint}",
            edge.from, edge.to
        ),
    )
    .fix(match service {
        Some(service) => format!("write `{}` for {said}", service.name),
        None => format!("correct {said}"),
    })
}

fn connect_symptom(context: &Context<'_>, edge: &Edge, step: &Step) -> Finding {
    let (code, says) = match step.error {
        Some(StepError::Refused) => (Code::ConnectionRefused, "refuses the connection"),
        Some(StepError::Reset | StepError::Closed | StepError::Broken) => {
            (Code::ConnectionReset, "resets the connection")
        }
        _ => (Code::ConnectionTimeout, "never answers"),
    };
    let object = target::object(context, edge, Some(step));
    let what = step.endpoint.as_deref().unwrap_or(&step.target);
    Finding::new(
        code,
        Severity::Error,
        object.clone(),
        format!(
            "{} cannot reach {} at {}:{}: {what} {says}, and nothing that the API shows explains it",
            edge.from, edge.to, edge.host, edge.port
        ),
    )
    .fix(match code {
        Code::ConnectionRefused => format!(
            "let {object} listen on port {} of all addresses (0.0.0.0), or correct the port that {} dials",
            edge.port, edge.from
        ),
        _ => format!(
            "look for what drops the packets between {} and {object}: firewalls, routes, policies of the network plugin",
            edge.from
        ),
    })
}

/// Every ready Pod refuses on its own address, and yet its own exec probe says that it serves, or its command says that it binds to
/// loopback.
fn listens_on_loopback(context: &Context<'_>, evidence: &EdgeEvidence<'_>) -> Vec<Finding> {
    let edge = evidence.edge;
    if !evidence.breaks_at(Stage::Connect)
        || !evidence.every_endpoint_unconnected()
        || super::network_policy::may_deny(context, edge)
    {
        return Vec::new();
    }
    let refusals: Vec<(String, &str, &Step)> = evidence
        .failed()
        .flat_map(|walk| {
            walk.endpoints_unconnected()
                .into_iter()
                .map(|(endpoint, step)| (walk.place(), endpoint, step))
        })
        .collect();
    if refusals.iter().any(|(_, _, step)| {
        // Where another port of the Pod answers, the port is wrong, not the address.
        step.error != Some(StepError::Refused) || step.facts.contains_key(LISTENS_FACT)
    }) {
        return Vec::new();
    }
    let found = refusals.into_iter().filter_map(|(place, endpoint, step)| {
        let finding = on_loopback(context, edge, endpoint)?;
        Some(finding.on([&edge.id]).because([line(&place, step)]))
    });
    found.collect()
}

/// Literal addresses of the cluster that nothing has any more.
fn address_stale(context: &Context<'_>, evidence: &EdgeEvidence<'_>) -> Option<Finding> {
    let edge = evidence.edge;
    let namespace = target::client_namespace(context, edge);
    let client = target::clients(context, edge).first()?;
    let template = context.snapshot.template(client);
    let mut aliases = template.iter().flat_map(|one| one.spec.aliases(&edge.host));
    let alias = aliases.next().map(|alias| alias.ip.as_str());
    let host = alias.unwrap_or(&edge.host);
    let HostMeaning::Address(address) = context.snapshot.meaning(host, namespace) else {
        return None;
    };
    let kind = range_of(context, address).filter(|_| evidence.breaks_at(Stage::Connect))?;
    let place = match alias {
        Some(_) => "hostAliases",
        None => edge.variable.as_deref().unwrap_or("its configuration"),
    };
    let services = context.graph.tiers.get(&edge.to).map(|tier| &tier.services);
    let name = services.and_then(|services| services.first()).map_or_else(
        || "a Service".to_owned(),
        |key| format!("service/{}", key.name),
    );
    let finding = Finding::of(
            Code::AddressStale,
            client.object(),
            format!("{place} of {client} holds {address}, an address of the cluster's {kind} that none of them has (any more)"),
        )
        .on([&edge.id])
        .because(evidence.first_broken().map(|(walk, step)| line(&walk.place(), step)))
        .fix(format!(
            "write the name of {name} in place of {address} into {place} of {client}"
        ));
    Some(finding)
}

/// Whose range an address that no one has lies in: that of the Services or of the Pods that the API shows. The API does not report them, so
/// only near neighbours count.
fn range_of(context: &Context<'_>, address: IpAddr) -> Option<&'static str> {
    let IpAddr::V4(address) = address else {
        return None;
    };
    let near = |text: &str, bits: u32| {
        text.parse::<std::net::Ipv4Addr>()
            .is_ok_and(|other| (other.to_bits() ^ address.to_bits()) >> (32 - bits) == 0)
    };
    let states = || context.snapshot.namespaces.values();
    let is_node = context.snapshot.nodes.iter().any(|node| {
        let addresses = node.status.addresses.iter();
        addresses
            .map(|one| one.address.as_str())
            .any(|one| near(one, 24))
    });
    if is_node {
        return None;
    }
    let mut services = states().flat_map(|state| &state.services);
    let mut pods = states().flat_map(|state| &state.pods);
    if services.any(|service| near(&service.spec.cluster_ip, 16)) {
        Some("Services")
    } else if pods.any(|pod| !pod.spec.host_network && near(&pod.status.pod_ip, 16)) {
        Some("Pods")
    } else {
        None
    }
}

fn on_loopback(context: &Context<'_>, edge: &Edge, endpoint: &str) -> Option<Finding> {
    let pod = target::pod_at(context, endpoint)?;
    let (_, port) = target::address(endpoint)?;
    let workload = context.snapshot.workload_of(pod);
    let (sure, why) = if let Some(words) = declares_loopback(&pod.spec) {
        (true, format!("its command binds to loopback (`{words}`)"))
    } else {
        if !is_ready(pod) || !serves_that_port(context, edge, &workload, &pod.spec, port.get()) {
            return None;
        }
        let command = exec_probe(&pod.spec)?;
        (
            false,
            format!("its own probe `{command}`, which runs inside the container, passes"),
        )
    };
    let object = workload.object();
    let likely = if sure { "" } else { " likely" };
    let finding = Finding::of(
        Code::ListensOnLoopback,
        object.clone(),
        format!("{object}{likely} listens on 127.0.0.1 only: port {port} of its Pod address refuses, while {why}"),
    )
    .because([format!(
        "pod/{} is {}; {why}",
        pod.metadata.name,
        if is_ready(pod) { "ready" } else { "not ready" }
    )])
    .fix(format!(
        "let the server in {object} bind to all addresses: {}",
        bind_hint(edge)
    ));
    Some(finding)
}

fn bind_hint(edge: &Edge) -> &'static str {
    use crate::protocol::Protocol;
    match edge.protocol {
        Protocol::Mysql => "`bind-address=0.0.0.0` and no `skip-networking`",
        Protocol::Postgres => "`listen_addresses='*'`",
        Protocol::Redis => "`bind * -::*` and a password or `protected-mode no`",
        Protocol::Mongodb => "`--bind_ip_all`",
        _ => "0.0.0.0 instead of 127.0.0.1 or localhost",
    }
}

/// The word of a command that binds the server to loopback.
fn declares_loopback(spec: &PodSpec) -> Option<String> {
    const LOOPBACK: [&str; 3] = ["127.0.0.1", "localhost", "::1"];
    const BINDS: [&str; 6] = ["bind", "listen", "--host", "--address", "--addr", "-h"];
    let is_loopback = |value: &str| {
        let value = value.trim_matches(|letter: char| "'\"[]".contains(letter));
        let host = value
            .rsplit_once(':')
            .filter(|(_, port)| port.chars().all(|letter| letter.is_ascii_digit()))
            .map_or(value, |(host, _)| host);
        LOOPBACK.contains(&value) || LOOPBACK.contains(&host)
    };
    for container in &spec.containers {
        let words: Vec<&str> = container
            .words()
            // A script as one word is not searched: it may also hold a client's command.
            .filter(|word| !word.contains(char::is_whitespace))
            .collect();
        for (index, word) in words.iter().enumerate() {
            let lower = word.to_ascii_lowercase();
            let binds = |text: &str| BINDS.iter().any(|bind| text.contains(bind));
            if let Some((key, value)) = lower.split_once('=')
                && binds(key)
                && is_loopback(value)
            {
                return Some((*word).to_owned());
            }
            let next = words.get(index + 1);
            // `-l 127.0.0.1`: a switch of one letter beside an address says where a server listens.
            let is_letter = lower.len() == 2;
            if lower.starts_with('-')
                && (is_letter || binds(&lower))
                && let Some(next) = next
                && is_loopback(&next.to_ascii_lowercase())
            {
                return Some(format!("{word} {next}"));
            }
        }
    }
    None
}

/// Whether the container is known to serve that port at all: a wrong port is no wrong address.
fn serves_that_port(
    context: &Context<'_>,
    edge: &Edge,
    workload: &WorkloadKey,
    spec: &PodSpec,
    port: u16,
) -> bool {
    let declared = |container: &Container| {
        container
            .ports
            .iter()
            .any(|declared| declared.container_port == i32::from(port))
    };
    let of_tier = context.graph.tiers.values().any(|tier| {
        tier.workloads.contains(workload)
            && (tier.ports.iter().any(|known| known.get() == port)
                || tier
                    .server
                    .as_ref()
                    .is_some_and(|server| server.port.get() == port))
    });
    let usual = edge
        .protocol
        .default_port()
        .is_some_and(|usual| usual.get() == port);
    (of_tier || usual || spec.containers.iter().any(declared))
        && !spec
            .containers
            .iter()
            .any(|container| names_other_port(container, port))
}

/// Whether the command moves the server to another port, or the exec probe asks another one.
fn names_other_port(container: &Container, port: u16) -> bool {
    let probes = container
        .probes()
        .filter_map(|probe| probe.exec.as_ref())
        .flat_map(|exec| exec.command.iter().map(String::as_str));
    let words: Vec<&str> = container
        .words()
        .chain(probes)
        .flat_map(|word| word.split([' ', '=', ',', ';']))
        .collect();
    words.windows(2).any(|pair| {
        let key = pair[0].to_ascii_lowercase();
        let is_port_key =
            key == "-p" || key == "-P" || key.trim_start_matches('-').ends_with("port");
        is_port_key
            && pair[1]
                .parse::<u16>()
                .is_ok_and(|other| other != port && other != 0)
    })
}

/// The exec probe that shows that the server works; none where the kubelet itself connects to the Pod's address.
fn exec_probe(spec: &PodSpec) -> Option<String> {
    spec.containers
        .iter()
        .filter(|container| {
            container
                .readiness_probe
                .as_ref()
                .is_none_or(|probe| probe.exec.is_some())
        })
        .find_map(|container| {
            container
                .probes()
                .filter_map(|probe| probe.exec.as_ref())
                // `true` and `test -f` pass whatever listens where.
                .find(|exec| graph::asks_a_server(&exec.command))
                .map(|exec| exec.command.join(" "))
        })
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{at, fail, graph, outcomes, pass, probe, snapshot};
    use super::*;
    use crate::probe::wire::StepName;

    const EDGE: &str = "AP->KVS:6379/redis";
    const ENDPOINT: &str = "10.0.0.7:6379";

    fn raised(container: &str, error: StepError) -> Vec<Finding> {
        let graph = graph(&[EDGE]);
        let snapshot = snapshot(&format!(
            "
kind: Pod
metadata: {{name: kvs-1, labels: {{app: kvs}}, ownerReferences: [{{kind: Deployment, name: kvs, controller: true}}]}}
spec: {{containers: [{{name: kvs{container}}}]}}
status: {{phase: Running, podIP: 10.0.0.7, conditions: [{{type: Ready, status: 'True'}}]}}
---
kind: Deployment
metadata: {{name: kvs}}
"
        ));
        let steps = vec![
            pass(EDGE, StepName::Dns),
            fail(EDGE, StepName::Service, error),
            at(ENDPOINT, fail(EDGE, StepName::Endpoint, error)),
        ];
        let outcomes = outcomes(vec![probe("AP", "n1", steps)]);
        Rule::EdgeMany(listens_on_loopback).raise(&Context::new(&graph, &snapshot, Some(&outcomes)))
    }

    #[test]
    fn a_server_that_binds_to_loopback_says_so_or_shows_it_by_its_exec_probe() {
        let declared = [
            ", command: [redis-server, --bind, 127.0.0.1]",
            ", args: [mysqld, --bind-address=127.0.0.1]",
            ", args: [memcached, -u, nobody, -l, 127.0.0.1]",
            ", args: [postgres, -c, listen_addresses=localhost]",
        ];
        for container in declared {
            let found = raised(container, StepError::Refused);
            assert_eq!(found.len(), 1, "{container}");
            assert_eq!(found[0].object.to_string(), "deployment/kvs");
            assert!(!found[0].message.contains("likely"));
        }
        let inferred = ", readinessProbe: {exec: {command: [redis-cli, ping]}}";
        let found = raised(inferred, StepError::Refused);
        assert!(found[0].message.contains("likely"));
    }

    #[test]
    fn another_port_no_probe_or_a_dropped_packet_is_no_loopback() {
        let none = [
            "",
            ", readinessProbe: {tcpSocket: {port: 6379}}",
            ", args: [redis-server, --port, '6380'], readinessProbe: {exec: {command: [redis-cli, ping]}}",
            ", readinessProbe: {exec: {command: [redis-cli, -p, '6380', ping]}}",
            ", readinessProbe: {exec: {command: ['true']}}",
            ", readinessProbe: {exec: {command: [test, -f, /tmp/ready]}}",
        ];
        for container in none {
            assert!(
                raised(container, StepError::Refused).is_empty(),
                "{container}"
            );
        }
        let declared = ", command: [redis-server, --bind, 127.0.0.1]";
        assert!(raised(declared, StepError::Timeout).is_empty());
    }

    #[test]
    fn a_host_from_a_secret_is_named_by_its_place_or_by_the_service_that_was_meant() {
        let mut graph = graph(&[EDGE]);
        let snapshot = snapshot("");
        let mut step = fail(EDGE, StepName::Dns, StepError::Nxdomain);
        let place = "the host in secret/ap REDIS_URL";
        step.facts
            .insert(HOST_FROM_SECRET.to_owned(), place.to_owned());
        let outcomes = outcomes(vec![probe("AP", "n1", vec![step])]);
        let found = |graph: &crate::graph::TierGraph| {
            let context = Context::new(graph, &snapshot, Some(&outcomes));
            let evidence = context.evidence(&graph.edges[0].id).unwrap();
            symptom(&context, evidence).unwrap()
        };
        let mismatch = found(&graph);
        assert_eq!(mismatch.code, Code::ServiceNameMismatch);
        assert_eq!(mismatch.object.to_string(), "service/kvs");
        assert!(mismatch.message.contains(place));
        graph.tiers.get_mut("KVS").unwrap().services.clear();
        assert_eq!(found(&graph).code, Code::DnsNameNotFound);
    }
}
