//! Text files that a container sees from ConfigMaps. Pure.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;

use super::Maps;
use crate::compose::MountedFile;
use crate::observe::config_map_file;
use crate::observe::kinds::{ConfigMapVolume, Container, KeyToPath, Volume, VolumeMount};

/// The files of a container's ConfigMap mounts, sorted by path.
pub(super) fn files(container: &Container, volumes: &[Volume], maps: Maps<'_>) -> Vec<MountedFile> {
    let mut files: Vec<MountedFile> = container
        .volume_mounts
        .iter()
        .filter_map(|mount| {
            let volume = volumes.iter().find(|volume| volume.name == mount.name)?;
            Some((mount, sources(volume)))
        })
        .flat_map(|(mount, sources)| {
            sources
                .iter()
                .flat_map(|source| of_source(source, mount, maps))
                .collect::<Vec<_>>()
        })
        .collect();
    files.sort_by(|left, right| left.target.cmp(&right.target));
    files
}

/// The ConfigMaps of a volume, also those of a projected one.
fn sources(volume: &Volume) -> Vec<ConfigMapVolume> {
    #[derive(Deserialize)]
    struct Projected {
        #[serde(default)]
        sources: Vec<ProjectedSource>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct ProjectedSource {
        #[serde(default)]
        config_map: Option<NamedConfigMap>,
    }
    #[derive(Deserialize)]
    struct NamedConfigMap {
        name: String,
        #[serde(default)]
        items: Vec<KeyToPath>,
    }
    if let Some(map) = &volume.config_map {
        return vec![map.clone()];
    }
    let projected = volume.projected.as_ref().map(Projected::deserialize);
    // What the API took is well-formed; a manifest that is not mounts nothing here.
    let Some(Ok(projected)) = projected else {
        return Vec::new();
    };
    projected
        .sources
        .into_iter()
        .filter_map(|source| source.config_map)
        .map(|map| ConfigMapVolume {
            name: map.name,
            items: map.items,
            optional: false,
        })
        .collect()
}

fn of_source(source: &ConfigMapVolume, mount: &VolumeMount, maps: Maps<'_>) -> Vec<MountedFile> {
    let Some(map) = maps.get(&source.name) else {
        return Vec::new();
    };
    let data: BTreeMap<&str, Cow<'_, str>> = map.texts().collect();
    let paths: Vec<(&str, &str)> = if source.items.is_empty() {
        data.keys().map(|key| (*key, *key)).collect()
    } else {
        source
            .items
            .iter()
            .map(|item| (item.key.as_str(), item.path.as_str()))
            .collect()
    };
    let sub_path = mount.sub_path.trim_matches('/');
    paths
        .into_iter()
        .filter_map(|(key, path)| {
            let text = data.get(key)?;
            let target = target(&mount.mount_path, sub_path, path)?;
            Some(MountedFile {
                target,
                source: config_map_file(&source.name, key),
                direct: true,
                text: text.to_string(),
            })
        })
        .collect()
}

/// Where a file of the volume stands in the container; `None`: outside of the mounted part.
fn target(mount_path: &str, sub_path: &str, path: &str) -> Option<String> {
    let mount_path = mount_path.trim_end_matches('/');
    if sub_path.is_empty() {
        return Some(format!("{mount_path}/{path}"));
    }
    if path == sub_path {
        return Some(mount_path.to_owned());
    }
    let rest = path.strip_prefix(sub_path)?.strip_prefix('/')?;
    Some(format!("{mount_path}/{rest}"))
}
