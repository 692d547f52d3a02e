//! What the containers of a workload are really configured with: environment, words, mounted files. Pure.
//!
//! Secrets are known by name only. Variables that `enableServiceLinks` injects are not configuration and are not here.

mod environment;
mod login;
mod mounts;
mod resolver;
mod script;

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU16;

use super::infer::{self, NameTable, RawEdge};
use crate::address::{self, Family};
use crate::catalog::words;
use crate::compose::MountedFile;
use crate::observe::kinds::{ConfigMap, Container};
use crate::observe::{Snapshot, WorkloadKey, is_live};
use crate::protocol::Protocol;

use environment::Ambient;
pub(super) use environment::{Environment, VariableSource, unmarked};
pub(super) use resolver::{is_resolved_at_start, own_resolver};

/// One container's configuration.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct DeployedContainer {
    /// The container's name.
    pub(super) name: String,
    /// Its image.
    pub(super) image: String,
    /// Its environment.
    pub(super) environment: Environment,
    /// `command` and `args`, `$(VAR)` expanded where the value is known.
    pub(super) words: Vec<String>,
    /// Text files from ConfigMaps.
    pub(super) files: Vec<MountedFile>,
    /// What it mounts that may hold settings and is not read: `secret/NAME`.
    pub(super) unread: Vec<String>,
    /// Whether it runs before the others and ends.
    pub(super) init: bool,
}

impl DeployedContainer {
    /// The container as a client's configuration. `others` are names of variables that may stand in a Secret that it takes in whole.
    pub(super) fn source(&self, others: &BTreeSet<String>) -> infer::Source {
        infer::Source {
            environment: self.environment.readable(),
            secret_variables: self
                .environment
                .variables
                .keys()
                .chain(others)
                .filter(|name| self.environment.may_hold_secretly(name))
                .cloned()
                .collect(),
            words: self.words.clone(),
            files: self
                .files
                .iter()
                .map(|file| (file.target.clone(), file.text.clone()))
                .collect(),
            image: Some(self.image.clone()),
        }
    }
}

/// The ConfigMaps of a workload's namespace.
#[derive(Clone, Copy)]
struct Maps<'a> {
    snapshot: &'a Snapshot,
    namespace: &'a str,
}

impl<'a> Maps<'a> {
    /// A ConfigMap, where it is there and could be read.
    fn get(self, name: &str) -> Option<&'a ConfigMap> {
        self.snapshot.config_map(self.namespace, name)
    }
}

/// The containers of a workload: those that run on, then init containers.
pub(super) fn containers(snapshot: &Snapshot, key: &WorkloadKey) -> Vec<DeployedContainer> {
    let Some(template) = snapshot.template(key) else {
        return Vec::new();
    };
    let state = snapshot.namespaces.get(&key.namespace);
    let spec = template.spec;
    let linked = spec.enable_service_links != Some(false);
    let ambient = Ambient {
        maps: Maps {
            snapshot,
            namespace: &key.namespace,
        },
        services: state
            .filter(|_| linked)
            .map_or(&[], |state| state.services.as_slice()),
        pod: snapshot.pods_of(key).into_iter().find(|pod| is_live(pod)),
    };
    let main = spec.containers.iter().map(|container| (container, false));
    let init = spec
        .init_containers
        .iter()
        .map(|container| (container, container.restart_policy != "Always"));
    main.chain(init)
        .filter(|(container, _)| !words().sidecars.contains(&container.name.as_str()))
        .map(|(container, init)| deployed(container, init, &spec.volumes, ambient))
        .collect()
}

/// Whether a text of a workload's variable fulfils `is`; `None` where no running container has a text of it that may be read.
pub(crate) fn variable_is(
    snapshot: &Snapshot,
    key: &WorkloadKey,
    variable: &str,
    is: impl Fn(&str) -> bool,
) -> Option<bool> {
    let containers = known_containers(snapshot, key);
    let texts = containers
        .iter()
        .filter_map(|(environment, _)| environment.get(variable));
    texts.map(|text| is(text)).reduce(|one, other| one || other)
}

/// The variables of each of a workload's running containers, as far as they may be read, and the text that it runs: command and mounted files.
pub(crate) fn known_containers(
    snapshot: &Snapshot,
    key: &WorkloadKey,
) -> Vec<(BTreeMap<String, String>, String)> {
    containers(snapshot, key)
        .into_iter()
        .filter(|container| !container.init)
        .map(|container| {
            let files = container.files.iter().map(|file| file.text.as_str());
            let words = container.words.iter().map(String::as_str);
            let text: Vec<&str> = words.chain(files).collect();
            (container.environment.known(), text.join("\n"))
        })
        .collect()
}

/// Whether a container's own configuration names a host as one that it dials on that port, in a variable, an argument or a file from a
/// `ConfigMap`: as a URL's host, before a port, or as the value of what takes a host. What stands in a Secret is not known.
pub(crate) fn names_host(
    snapshot: &Snapshot,
    key: &WorkloadKey,
    container: &str,
    (host, port, protocol): (&str, NonZeroU16, Protocol),
) -> bool {
    let names = NameTable::of_host(host);
    let is_this = |edge: &RawEdge, source: &infer::Source| {
        let port_said = match edge.port {
            Some(said) => said == port || edge.further_ports.contains(&port),
            // Where no one writes a port beside the host it is the protocol's, or stands elsewhere.
            None => {
                protocol.default_port() == Some(port)
                    || source
                        .environment
                        .values()
                        .any(|value| address::port(value.trim()) == Some(port))
            }
        };
        let other_product = edge.by_scheme
            && edge
                .protocol
                .is_some_and(|said| said.in_plain() != protocol.in_plain());
        address::is_same_host(&edge.host, host) && port_said && !other_product
    };
    containers(snapshot, key)
        .into_iter()
        .filter(|one| one.name == container)
        .any(|one| {
            let source = one.source(&BTreeSet::new());
            infer::written(&source, &names)
                .iter()
                .any(|edge| is_this(edge, &source))
        })
}

/// The addresses that a container's own variables give, with what belongs to each.
pub(crate) fn own_families(snapshot: &Snapshot, key: &WorkloadKey, container: &str) -> Vec<Family> {
    containers(snapshot, key)
        .into_iter()
        .filter(|one| one.name == container)
        .flat_map(|one| {
            let source = one.source(&BTreeSet::new());
            address::families_beside(&source.environment, &source.secret_variables)
        })
        .collect()
}

fn deployed(
    container: &Container,
    init: bool,
    volumes: &[crate::observe::kinds::Volume],
    ambient: Ambient<'_>,
) -> DeployedContainer {
    let files = mounts::files(container, volumes, ambient.maps);
    let mut environment = Environment::of(container, ambient);
    environment.read_files(container, volumes, &files);
    let words: Vec<String> = container
        .words()
        .map(|word| environment.expand(word, ambient))
        .collect();
    script::apply(&words, &mut environment);
    DeployedContainer {
        name: container.name.clone(),
        image: container.image.clone(),
        words,
        files,
        unread: login::unread(container, volumes, ambient.maps),
        environment,
        init,
    }
}

#[cfg(test)]
mod tests;
