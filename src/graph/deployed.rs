//! What the containers of a workload are really configured with: environment, words, mounted files. Pure.
//!
//! Secrets are known by name only. Variables that `enableServiceLinks` injects are not configuration and are not here.

mod environment;
mod mounts;

use std::collections::BTreeMap;

use crate::address;
use crate::compose::MountedFile;
use crate::observe::kinds::Container;
use crate::observe::{Snapshot, WorkloadKey, is_live};

use environment::Ambient;
pub(super) use environment::{Environment, Source};

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
    /// Whether it runs before the others and ends.
    pub(super) init: bool,
}

/// Proxies that a mesh or a platform puts into Pods: their settings are not the tier's.
const SIDECARS: [&str; 8] = [
    "istio-proxy",
    "istio-init",
    "linkerd-proxy",
    "linkerd-init",
    "linkerd-network-validator",
    "vault-agent",
    "vault-agent-init",
    "daprd",
];

/// The ConfigMaps of a workload's namespace.
#[derive(Clone, Copy)]
struct Maps<'a> {
    snapshot: &'a Snapshot,
    namespace: &'a str,
}

impl<'a> Maps<'a> {
    /// What a ConfigMap holds, where it is there and could be read.
    fn get(self, name: &str) -> Option<&'a BTreeMap<String, String>> {
        let map = self.snapshot.config_map(self.namespace, name)?;
        Some(&map.data)
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
        .filter(|(container, _)| !SIDECARS.contains(&container.name.as_str()))
        .map(|(container, init)| deployed(container, init, spec.volumes.as_slice(), ambient))
        .collect()
}

/// Whether a container's own configuration names a host: a variable, a word of its command, or a file from a `ConfigMap`. What stands in a
/// Secret is not known.
pub(crate) fn names_host(
    snapshot: &Snapshot,
    key: &WorkloadKey,
    container: &str,
    host: &str,
) -> bool {
    containers(snapshot, key)
        .iter()
        .filter(|one| one.name == container)
        .any(|one| {
            let known = one.environment.known();
            let files = one.files.iter().map(|file| &file.text);
            known
                .values()
                .chain(&one.words)
                .chain(files)
                .any(|text| holds_host(text, host))
        })
}

/// Whether a text holds a host as a whole word.
fn holds_host(text: &str, host: &str) -> bool {
    !host.trim_end_matches('.').is_empty()
        && text
            .split(|c: char| !(c.is_alphanumeric() || matches!(c, '.' | '-' | '_')))
            .any(|word| address::is_same_host(word, host))
}

fn deployed(
    container: &Container,
    init: bool,
    volumes: &[crate::observe::kinds::Volume],
    ambient: Ambient<'_>,
) -> DeployedContainer {
    let environment = Environment::of(container, ambient);
    let words = container
        .command
        .iter()
        .chain(&container.args)
        .map(|word| environment.expand(word, ambient))
        .collect();
    DeployedContainer {
        name: container.name.clone(),
        image: container.image.clone(),
        words,
        files: mounts::files(container, volumes, ambient.maps),
        environment,
        init,
    }
}

#[cfg(test)]
mod tests;
