//! The CAs that a tier's containers have mounted from `ConfigMaps`, handed to the probe by reference to their keys. Pure.

use crate::observe::NamespaceState;
use crate::observe::kinds::{Container, EnvSource, EnvVar, KeyRef, PodSpec, Volume, VolumeMount};
use crate::probe::wire::{ENVIRONMENT_PREFIX, MountedFile};

/// Linux takes no variable of 128 KiB.
const LARGEST: usize = 100 * 1024;

/// Each file, and the variable that brings its text.
pub(super) fn authorities(
    state: Option<&NamespaceState>,
    spec: &PodSpec,
) -> Vec<(MountedFile, EnvVar)> {
    let Some(state) = state else {
        return Vec::new();
    };
    let mounts = spec
        .containers
        .iter()
        .flat_map(|container: &Container| &container.volume_mounts);
    let mut found: Vec<(MountedFile, EnvVar)> = Vec::new();
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
            found.push((MountedFile { path, variable }, reference));
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
    let map = state
        .config_maps
        .iter()
        .find(|map| map.metadata.name == source.name);
    let Some(map) = map else { return Vec::new() };
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
