//! The CAs that a tier's containers have mounted, handed to the probe by reference to their keys: those of `ConfigMaps` as variables, those of
//! Secrets as files, since no one but the kubelet reads them. Pure.

use std::collections::BTreeSet;

use crate::address::trust;
use crate::observe::kinds::{Container, EnvSource, EnvVar, KeyRef, PodSpec, Volume, VolumeMount};
use crate::observe::{NamespaceState, mounted_key};
use crate::probe::wire::{ClientFile, ENVIRONMENT_PREFIX, SecretKey};

/// Linux takes no variable of 128 KiB.
const LARGEST: usize = 100 * 1024;

/// Names under which a CA usually stands in a Secret, whose keys are not read.
const USUAL: [&str; 5] = [
    "ca.crt",
    "ca.pem",
    "ca-cert.pem",
    "root.crt",
    "server-ca.pem",
];

/// Each file of a `ConfigMap`, and the variable that brings its text; then each of a Secret, which is mounted.
pub(super) fn authorities(
    state: Option<&NamespaceState>,
    spec: &PodSpec,
) -> (Vec<ClientFile>, Vec<EnvVar>) {
    let (mut mounted, variables): (Vec<_>, Vec<_>) = state
        .map_or_else(Vec::new, |state| of_maps(state, spec))
        .into_iter()
        .unzip();
    for container in &spec.containers {
        for path in candidates(state, spec, container) {
            let key = mounted_key(&spec.volumes, &container.volume_mounts, &path);
            let Some(key) = key.and_then(|key| key.secret_key_ref) else {
                continue;
            };
            if mounted.iter().all(|file| file.path != path) {
                mounted.push(ClientFile {
                    path,
                    variable: format!("K8SVERIFY_FILE_{}", mounted.len()),
                    secret: Some(SecretKey {
                        name: key.name,
                        key: key.key,
                    }),
                });
            }
        }
    }
    (mounted, variables)
}

/// The paths at which a container may see a CA: those that its configuration names as one, and the usual ones of its mounts.
fn candidates(
    state: Option<&NamespaceState>,
    spec: &PodSpec,
    container: &Container,
) -> BTreeSet<String> {
    let mut named = BTreeSet::new();
    let map = |name: &str| state?.config_map(name);
    let whole = container.whole_maps().filter_map(map);
    let from_maps = whole.flat_map(|map| &map.data);
    let own = container.env.iter().filter_map(|variable| {
        let reference = variable.value_from.as_ref();
        let key = reference.and_then(|from| from.config_map_key_ref.as_ref());
        let value = match key {
            Some(key) => map(&key.name)?.data.get(&key.key)?,
            None => variable.value.as_ref()?,
        };
        Some((&variable.name, value))
    });
    let pairs = container.words().flat_map(trust::parameters);
    for (name, value) in from_maps.chain(own) {
        if trust::names_authority(name) {
            named.insert(value.clone());
        }
        named.extend(named_in(trust::parameters(value)));
    }
    named.extend(named_in(pairs));
    let mut usual = Vec::new();
    for mount in &container.volume_mounts {
        let volume = spec.volumes.iter().find(|one| one.name == mount.name);
        if !volume.is_some_and(|one| one.secret.is_some() || one.projected.is_some()) {
            continue;
        }
        let top = mount.mount_path.trim_end_matches('/');
        usual.extend(USUAL.iter().map(|name| format!("{top}/{name}")));
    }
    named.extend(usual);
    named
}

/// The paths that parameters name as a CA.
fn named_in(
    parameters: impl IntoIterator<Item = (String, String)>,
) -> impl Iterator<Item = String> {
    parameters
        .into_iter()
        .filter(|(name, _)| trust::names_authority(name.trim_start_matches('-')))
        .map(|(_, value)| value)
}

fn of_maps(state: &NamespaceState, spec: &PodSpec) -> Vec<(ClientFile, EnvVar)> {
    let mounts = spec
        .containers
        .iter()
        .flat_map(|container: &Container| &container.volume_mounts);
    let mut found: Vec<(ClientFile, EnvVar)> = Vec::new();
    for mount in mounts {
        let volume = spec.volumes.iter().find(|one| one.name == mount.name);
        let Some(volume) = volume else { continue };
        for (path, name, key) in files(state, volume, mount) {
            if found.iter().any(|(file, _)| file.path == path) {
                continue;
            }
            let variable = format!("K8SVERIFY_FILE_{}", found.len());
            let reference = EnvVar {
                name: format!("{ENVIRONMENT_PREFIX}{variable}"),
                value: None,
                value_from: Some(EnvSource {
                    config_map_key_ref: Some(KeyRef {
                        name,
                        key,
                        optional: true,
                    }),
                    ..EnvSource::default()
                }),
            };
            let file = ClientFile {
                path,
                variable,
                secret: None,
            };
            found.push((file, reference));
        }
    }
    found
}

/// Path, `ConfigMap` and key of each certificate that a mount shows.
fn files(
    state: &NamespaceState,
    volume: &Volume,
    mount: &VolumeMount,
) -> Vec<(String, String, String)> {
    let Some(source) = &volume.config_map else {
        return Vec::new();
    };
    let Some(map) = state.config_map(&source.name) else {
        return Vec::new();
    };
    map.data
        .iter()
        .filter(|(_, text)| text.contains("-----BEGIN CERTIFICATE-----") && text.len() < LARGEST)
        .filter_map(|(key, _)| {
            let item = source.items.iter().find(|item| item.key == *key);
            let inside = match item {
                Some(item) => item.path.as_str(),
                None if source.items.is_empty() => key.as_str(),
                None => return None,
            };
            let top = mount.mount_path.trim_end_matches('/');
            let path = match mount.sub_path.as_str() {
                "" => format!("{top}/{inside}"),
                file if file == inside => top.to_owned(),
                _ => return None,
            };
            Some((path, source.name.clone(), key.clone()))
        })
        .collect()
}
