//! A workload's containers → the addresses that they are configured with. Pure.

use std::collections::BTreeSet;
use std::num::NonZeroU16;

use crate::address::{self, Family, Flaw, FlawKind, LoginReference, Shape, TlsMode};
use crate::catalog::Catalog;
use crate::graph::deployed::{self, DeployedContainer, Environment, VariableSource, unmarked};
use crate::graph::infer::{self, NameTable, Place, RawEdge};
use crate::graph::{Confidence, EdgeFlaw, Origin, OwnResolver};
use crate::observe::{Snapshot, WorkloadKey};
use crate::protocol::Protocol;

/// One address in the configuration of a container.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Mention {
    /// The host, exactly as the app will dial it.
    pub(super) host: String,
    /// The host that is meant: the same without quotes and blanks.
    pub(super) meant: String,
    /// What is wrong with the text.
    pub(super) flaw: Option<EdgeFlaw>,
    /// The name servers that the client asks by itself.
    pub(super) resolver: Option<OwnResolver>,
    /// Whether the client resolves the host once, when it starts.
    pub(super) at_start: bool,
    /// The port, if it is said.
    pub(super) port: Option<NonZeroU16>,
    /// The protocol, as far as it is said.
    pub(super) protocol: Option<Protocol>,
    /// Whether a scheme says it.
    pub(super) by_scheme: bool,
    /// Whether it can only be an address: a URL, or a host with a port.
    pub(super) explicit: bool,
    /// Ports of variables that may belong to the same host: they count if the target listens there.
    pub(super) further_ports: Vec<NonZeroU16>,
    /// Whether the port is one of those.
    pub(super) further: bool,
    /// TLS as the client wants it.
    pub(super) tls: Option<TlsMode>,
    /// The variable in which the host stands.
    pub(super) variable: Option<String>,
    /// How the client logs in.
    pub(super) login: Option<LoginReference>,
    /// Where it stands: `env DB_HOST of deployment/ap`.
    pub(super) origin: Origin,
    /// How sure it is.
    pub(super) confidence: Confidence,
}

impl Mention {
    /// Whether its text is no address.
    pub(super) fn is_flawed(&self) -> bool {
        self.flaw.as_ref().is_some_and(|flaw| flaw.flaw.certain)
    }

    /// Whether its text can be nothing but a host: it has a port, or its variable is called after a kind of server.
    pub(super) fn is_surely_a_host(&self) -> bool {
        let words = self.variable.as_deref().map(address::words);
        let mut words = words.iter().flatten();
        self.explicit || self.port.is_some() || words.any(|word| address::kind(word).is_some())
    }

    /// Whether a proxy's configuration sends requests on to it, by a name of one label.
    pub(super) fn is_passed_on(&self) -> bool {
        (self.at_start || self.resolver.is_some()) && !self.host.contains('.')
    }
}

/// What the workloads of a tier are configured with.
pub(super) struct Deployed {
    /// Every address, none twice.
    pub(super) mentions: Vec<Mention>,
    /// What files name that no name leads to, if that was asked for.
    pub(super) strangers: Vec<Mention>,
    /// The containers.
    pub(super) containers: Vec<DeployedContainer>,
}

/// Reads the workloads of one tier; `owns` distinguishes its containers from those of other tiers in the same Pod. `compose_variables` are the names of
/// the tier's variables in compose: where a whole Secret is taken in, they may be in it. `seek_strangers`: whether the files are also read
/// for what no name leads to.
pub(super) fn of_tier(
    workloads: &[WorkloadKey],
    owns: &dyn Fn(&WorkloadKey, &DeployedContainer) -> bool,
    compose_variables: &BTreeSet<String>,
    names: &NameTable,
    seek_strangers: bool,
    snapshot: &Snapshot,
    catalog: &Catalog,
) -> Deployed {
    let mut mentions: Vec<Mention> = Vec::new();
    let mut strangers: Vec<Mention> = Vec::new();
    let mut all = Vec::new();
    for key in workloads {
        for container in deployed::containers(snapshot, key) {
            if !owns(key, &container) {
                continue;
            }
            for mention in of_container(&container, key, compose_variables, names, catalog) {
                add(&mut mentions, mention);
            }
            if seek_strangers {
                let source = container.source(compose_variables);
                for raw in infer::strangers(&source, names) {
                    add(&mut strangers, of_scan(raw, &container, key));
                }
            }
            all.push(container);
        }
    }
    Deployed {
        mentions,
        strangers,
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
    // What another variable was to take in is a part of that one.
    let parts: BTreeSet<&str> = environment
        .variables
        .values()
        .flat_map(|variable| variable.unresolved.iter().map(String::as_str))
        .collect();
    // Variables are read here, not by the scan: a bare host that no tier has may still be the one of a known variable.
    for family in address::families_beside(&source.environment, &source.secret_variables) {
        // A document holds several addresses, each under its own key: the scan reads them, as it does in compose.
        let value = source.environment.get(&family.host_variable);
        let is_document = value.is_some_and(|value| address::document(value).is_some());
        if is_document || parts.contains(family.host_variable.as_str()) {
            continue;
        }
        mentions.push(of_family(&family, environment, key));
    }
    let variables: BTreeSet<&str> = mentions
        .iter()
        .filter_map(|mention| mention.variable.as_deref())
        .collect();
    let scanned: Vec<Mention> = infer::scan(&source, names, catalog)
        .into_iter()
        .filter(
            |raw| !matches!(&raw.place, Place::Variable(name) if variables.contains(name.as_str()) || parts.contains(name.as_str())),
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
        further_ports,
        login,
    } = family;
    let meant = unmarked(&target.host);
    let flaw = flaw(family, environment, key);
    let is_plain = target.shape == Shape::Host;
    let whole = flaw
        .as_ref()
        .filter(|flaw| is_plain && flaw.flaw.kind == FlawKind::Malformed)
        .filter(|flaw| flaw.variable == *host_variable)
        .and_then(|_| environment.variables.get(host_variable)?.value.as_deref());
    Mention {
        host: whole.map_or_else(|| meant.clone(), |text| text.escape_debug().to_string()),
        meant,
        flaw,
        resolver: None,
        at_start: false,
        port: target.port,
        protocol: target.protocol,
        by_scheme: target.by_scheme,
        explicit: target.shape != Shape::Host,
        further_ports: further_ports.clone(),
        further: false,
        tls: target.tls,
        variable: Some(host_variable.clone()),
        login: login
            .as_ref()
            .and_then(|login| without_command(login, environment)),
        origin: origin(host_variable, environment, key).into(),
        confidence: if port_variable.is_some() {
            Confidence::Likely
        } else {
            Confidence::Declared
        },
    }
}

/// A login without what the start command sets: the probe has the variables as the specification says.
fn without_command(login: &LoginReference, environment: &Environment) -> Option<LoginReference> {
    login.within(|name| {
        let variable = environment.variables.get(name);
        variable.is_none_or(|variable| variable.source != VariableSource::Command)
    })
}

/// Where a variable stands: `env DB_HOST of deployment/ap, configmap/settings`.
fn origin(name: &str, environment: &Environment, key: &WorkloadKey) -> String {
    let source = environment.variables.get(name);
    let place = match source.map(|variable| &variable.source) {
        Some(VariableSource::Command) => return format!("{name} in the command of {key}"),
        Some(VariableSource::ConfigMap { name, .. }) => format!(", configmap/{name}"),
        _ => String::new(),
    };
    format!("env {name} of {key}{place}")
}

/// What is wrong with the variables of an address, the worst first.
fn flaw(family: &Family, environment: &Environment, key: &WorkloadKey) -> Option<EdgeFlaw> {
    let Family {
        host_variable,
        port_variable,
        target,
        further_ports: _,
        login,
    } = family;
    let is_store = target.protocol.is_some_and(Protocol::is_store);
    let of = |name: &str, is_store: bool, also: &dyn Fn(&str) -> Option<Flaw>| {
        let variable = environment.variables.get(name)?;
        let value = variable.value.as_deref()?;
        let flaw = address::flaw_of_references(value, &variable.unresolved, is_store)
            .or_else(|| also(value))?;
        Some(EdgeFlaw {
            variable: name.to_owned(),
            flaw,
            origin: origin(name, environment, key),
        })
    };
    let host = of(host_variable, is_store, &address::flaw_of_address);
    let port = port_variable
        .as_deref()
        .and_then(|name| of(name, true, &address::flaw_of_port));
    let parts = login.iter().flat_map(|login| login.variables());
    let login = parts.filter_map(|name| of(name, is_store, &|_| None));
    let mut found: Vec<EdgeFlaw> = host.into_iter().chain(port).chain(login).collect();
    found.sort_by_key(|flaw| !flaw.flaw.certain);
    found.into_iter().next()
}

fn of_scan(raw: RawEdge, container: &DeployedContainer, key: &WorkloadKey) -> Mention {
    let file = match &raw.place {
        Place::File(path) => container.files.iter().find(|file| file.target == *path),
        _ => None,
    };
    let resolver = file.and_then(|file| deployed::own_resolver(&file.text, &raw.host));
    let at_start = resolver.is_none()
        && file.is_some_and(|file| deployed::is_resolved_at_start(&file.text, &raw.host));
    let (origin, variable) = match raw.place {
        Place::Variable(name) => (format!("env {name} of {key}").into(), Some(name)),
        Place::Words => (format!("command of {key}").into(), None),
        Place::File(path) => {
            let source = file.map_or("", |file| file.source.as_str());
            (Origin::mounted(&path, source, key), None)
        }
        Place::Image => {
            let text = format!("default of image {} of {key}", container.image);
            (text.into(), None)
        }
    };
    let host = unmarked(&raw.host);
    Mention {
        meant: host.clone(),
        host,
        flaw: None,
        resolver,
        at_start,
        port: raw.port,
        protocol: raw.protocol,
        by_scheme: raw.by_scheme,
        explicit: raw.by_scheme || raw.port.is_some(),
        further_ports: raw.further_ports,
        further: false,
        tls: raw.tls,
        variable,
        login: raw.login,
        origin,
        confidence: raw.confidence,
    }
}
