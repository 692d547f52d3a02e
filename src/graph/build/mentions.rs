//! A workload's containers → the addresses that they are configured with. Pure.

use std::collections::BTreeSet;
use std::num::NonZeroU16;

use crate::address::{self, Family, LoginReference, Shape, TlsMode};
use crate::catalog::Catalog;
use crate::graph::Confidence;
use crate::graph::deployed::{self, DeployedContainer, Environment, Source};
use crate::graph::infer::{self, NameTable, Place, RawEdge};
use crate::observe::{Snapshot, WorkloadKey};
use crate::protocol::Protocol;

/// One address in the configuration of a container.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Mention {
    /// The host, exactly as the app will dial it.
    pub(super) host: String,
    /// The port, if it is said.
    pub(super) port: Option<NonZeroU16>,
    /// The protocol, as far as it is said.
    pub(super) protocol: Option<Protocol>,
    /// Whether a scheme says it.
    pub(super) by_scheme: bool,
    /// Whether it can only be an address: a URL, or a host with a port.
    pub(super) explicit: bool,
    /// Whether it is a port that only may belong to the host: it counts if the target listens there.
    pub(super) further: bool,
    /// TLS as the client wants it.
    pub(super) tls: Option<TlsMode>,
    /// The variable in which the host stands.
    pub(super) variable: Option<String>,
    /// How the client logs in.
    pub(super) login: Option<LoginReference>,
    /// Where it stands: `env DB_HOST of deployment/ap`.
    pub(super) origin: String,
    /// How sure it is.
    pub(super) confidence: Confidence,
}

/// What the workloads of a tier are configured with.
pub(super) struct Deployed {
    /// Every address, none twice.
    pub(super) mentions: Vec<Mention>,
    /// The containers.
    pub(super) containers: Vec<DeployedContainer>,
}

/// Reads the workloads of one tier. `compose_variables` are the names of the tier's variables in compose: where a whole Secret is
/// taken in, they may be in it.
pub(super) fn of_tier(
    workloads: &[WorkloadKey],
    compose_variables: &BTreeSet<String>,
    names: &NameTable,
    snapshot: &Snapshot,
    catalog: &Catalog,
) -> Deployed {
    let mut mentions: Vec<Mention> = Vec::new();
    let mut all = Vec::new();
    for key in workloads {
        for container in deployed::containers(snapshot, key) {
            for mention in of_container(&container, key, compose_variables, names, catalog) {
                add(&mut mentions, mention);
            }
            all.push(container);
        }
    }
    Deployed {
        mentions,
        containers: all,
    }
}

/// The same address said twice is one; the better informed way of saying it counts.
fn add(mentions: &mut Vec<Mention>, new: Mention) {
    let known = mentions.iter_mut().find(|known| {
        known.host.eq_ignore_ascii_case(&new.host)
            && known.port == new.port
            && known.variable == new.variable
    });
    match known {
        Some(known) => {
            if known.login.is_none() {
                known.login = new.login;
            }
            known.protocol = known.protocol.or(new.protocol);
        }
        None => mentions.push(new),
    }
}

fn of_container(
    container: &DeployedContainer,
    key: &WorkloadKey,
    compose_variables: &BTreeSet<String>,
    names: &NameTable,
    catalog: &Catalog,
) -> Vec<Mention> {
    let environment = &container.environment;
    let source = container.source(compose_variables);
    let mut mentions = Vec::new();
    // Variables are read here, not by the scan: a bare host that no tier has may still be the one of a known variable.
    for family in address::families_beside(&source.environment, &source.secret_variables) {
        let first = of_family(&family, environment, key);
        let further = family.further_ports.iter().map(|port| Mention {
            port: Some(*port),
            confidence: Confidence::Likely,
            login: None,
            protocol: None,
            by_scheme: false,
            further: true,
            ..first.clone()
        });
        let further: Vec<Mention> = further.collect();
        mentions.push(first);
        mentions.extend(further);
    }
    let variables: BTreeSet<&str> = mentions
        .iter()
        .filter_map(|mention| mention.variable.as_deref())
        .collect();
    let scanned: Vec<Mention> = infer::scan(&source, names, catalog)
        .into_iter()
        .filter(
            |raw| !matches!(&raw.place, Place::Variable(name) if variables.contains(name.as_str())),
        )
        .map(|raw| of_scan(raw, container, key))
        .collect();
    mentions.extend(scanned);
    mentions
}

fn of_family(family: &Family, environment: &Environment, key: &WorkloadKey) -> Mention {
    let Family {
        host_variable,
        port_variable,
        target,
        further_ports: _,
        login,
    } = family;
    let source = environment
        .variables
        .get(host_variable)
        .map(|variable| &variable.source);
    let place = match source {
        Some(Source::ConfigMap { name, .. }) => format!(", configmap/{name}"),
        _ => String::new(),
    };
    Mention {
        host: target.host.clone(),
        port: target.port,
        protocol: target.protocol,
        by_scheme: target.by_scheme,
        explicit: target.shape != Shape::Host,
        further: false,
        tls: target.tls,
        variable: Some(host_variable.clone()),
        login: login.clone(),
        origin: format!("env {host_variable} of {key}{place}"),
        confidence: if port_variable.is_some() {
            Confidence::Likely
        } else {
            Confidence::Declared
        },
    }
}

fn of_scan(raw: RawEdge, container: &DeployedContainer, key: &WorkloadKey) -> Mention {
    let (origin, variable) = match raw.place {
        Place::Variable(name) => (format!("env {name} of {key}"), Some(name)),
        Place::Words => (format!("command of {key}"), None),
        Place::File(path) => {
            let source = container
                .files
                .iter()
                .find(|file| file.target == path)
                .map_or("", |file| file.source.as_str());
            (format!("{path} of {key}, {source}"), None)
        }
        Place::Image => (
            format!("default of image {} of {key}", container.image),
            None,
        ),
    };
    Mention {
        host: raw.host,
        port: raw.port,
        protocol: raw.protocol,
        by_scheme: raw.by_scheme,
        explicit: raw.by_scheme || raw.port.is_some(),
        further: false,
        tls: raw.tls,
        variable,
        login: raw.login,
        origin,
        confidence: raw.confidence,
    }
}
