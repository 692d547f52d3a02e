//! Which key of a Secret or `ConfigMap` a container sees as a file. Pure; no content is read.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::kinds::{ConfigMap, EnvSource, KeyRef, KeyToPath, Volume, VolumeMount};

impl ConfigMap {
    /// What a volume shows of it as text, by key: `data`, and what is text in `binaryData`. Variables take `data` alone.
    pub(crate) fn texts(&self) -> impl Iterator<Item = (&str, Cow<'_, str>)> {
        let encoded = self
            .binary_data
            .iter()
            .filter_map(|(key, value)| Some((key.as_str(), Cow::Owned(decoded(value)?))));
        let plain = self.data.iter();
        plain
            .map(|(key, value)| (key.as_str(), Cow::Borrowed(value.as_str())))
            .chain(encoded)
    }
}

/// The text of a value of `binaryData`; `None` for what is not text.
pub(super) fn decoded(value: &str) -> Option<String> {
    let bytes = STANDARD.decode(value).ok()?;
    String::from_utf8(bytes)
        .ok()
        .filter(|text| !text.is_empty())
}

/// A Secret or a `ConfigMap` whose keys a volume shows.
struct Shown {
    name: String,
    items: Vec<KeyToPath>,
    secret: bool,
}

/// How a file out of a ConfigMap is spelled where an edge says what it is known from.
pub(crate) fn config_map_file(name: &str, key: &str) -> String {
    format!("configmap/{name} {key}")
}

/// The key behind a path of a container, as a variable would refer to it; `None` where none is, or several may be.
pub(crate) fn mounted_key(
    volumes: &[Volume],
    mounts: &[VolumeMount],
    path: &str,
) -> Option<EnvSource> {
    let inside = |mount: &VolumeMount| {
        let rest = path.strip_prefix(mount.mount_path.trim_end_matches('/'))?;
        let rest = match rest.strip_prefix('/') {
            Some(rest) => rest,
            None if rest.is_empty() => rest,
            None => return None,
        };
        let sub_path = mount.sub_path.trim_matches('/');
        let parts = [sub_path, rest];
        let parts = parts.into_iter().filter(|part| !part.is_empty());
        Some(parts.collect::<Vec<_>>().join("/"))
    };
    let (mount, inside) = mounts
        .iter()
        .filter_map(|mount| Some((mount, inside(mount)?)))
        .max_by_key(|(mount, _)| mount.mount_path.len())?;
    let volume = volumes.iter().find(|volume| volume.name == mount.name)?;
    let mut keys = shown(volume).into_iter().filter_map(|shown| {
        let item = shown.items.iter().find(|item| item.path == inside);
        let key = match item {
            Some(item) => item.key.clone(),
            None if shown.items.is_empty() && !inside.contains('/') && !inside.is_empty() => {
                inside.clone()
            }
            None => return None,
        };
        Some(shown.reference(key))
    });
    let first = keys.next()?;
    keys.next().is_none().then_some(first)
}

impl Shown {
    fn reference(self, key: String) -> EnvSource {
        let reference = Some(KeyRef {
            name: self.name,
            key,
            optional: true,
        });
        if self.secret {
            EnvSource {
                secret_key_ref: reference,
                ..EnvSource::default()
            }
        } else {
            EnvSource {
                config_map_key_ref: reference,
                ..EnvSource::default()
            }
        }
    }
}

/// The first Secret whose keys a volume shows, also a projected one.
pub(crate) fn mounted_secret(volume: &Volume) -> Option<String> {
    let mut secrets = shown(volume).into_iter().filter(|shown| shown.secret);
    secrets.next().map(|shown| shown.name)
}

/// What a volume shows, also a projected one.
fn shown(volume: &Volume) -> Vec<Shown> {
    #[derive(Deserialize)]
    struct Projected {
        #[serde(default)]
        sources: Vec<Source>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Source {
        config_map: Option<Named>,
        secret: Option<Named>,
    }
    #[derive(Deserialize)]
    struct Named {
        #[serde(default)]
        name: String,
        #[serde(default)]
        items: Vec<KeyToPath>,
    }
    if let Some(secret) = &volume.secret {
        return vec![Shown {
            name: secret.secret_name.clone(),
            items: secret.items.clone(),
            secret: true,
        }];
    }
    if let Some(map) = &volume.config_map {
        return vec![Shown {
            name: map.name.clone(),
            items: map.items.clone(),
            secret: false,
        }];
    }
    // What the API took is well-formed; a manifest that is not mounts nothing here.
    let Some(Ok(projected)) = volume.projected.as_ref().map(Projected::deserialize) else {
        return Vec::new();
    };
    projected
        .sources
        .into_iter()
        .filter_map(|source| {
            let secret = source.secret.is_some();
            let named = source.secret.or(source.config_map)?;
            Some(Shown {
                name: named.name,
                items: named.items,
                secret,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(volume: &str, mount: &str, path: &str) -> Option<String> {
        let volumes: Vec<Volume> = serde_saphyr::from_str(volume).unwrap();
        let mounts: Vec<VolumeMount> = serde_saphyr::from_str(mount).unwrap();
        let found = mounted_key(&volumes, &mounts, path)?;
        let (kind, found) = match (found.secret_key_ref, found.config_map_key_ref) {
            (Some(found), _) => ("secret", found),
            (None, found) => ("configmap", found.unwrap()),
        };
        Some(format!("{kind}/{} {}", found.name, found.key))
    }

    #[test]
    fn a_path_leads_to_the_key_that_stands_there() {
        let whole = "[{name: v, secret: {secretName: db}}]";
        let mount = "[{name: v, mountPath: /run/secrets/}]";
        let found = |path| key(whole, mount, path);
        assert_eq!(
            found("/run/secrets/password").unwrap(),
            "secret/db password"
        );
        assert_eq!(found("/run/secrets2/password"), None);
        assert_eq!(found("/run/secrets/a/b"), None);
        let items = "[{name: v, secret: {secretName: db, items: [{key: p, path: a/b}]}}]";
        assert_eq!(
            key(items, mount, "/run/secrets/a/b").unwrap(),
            "secret/db p"
        );
        assert_eq!(key(items, mount, "/run/secrets/p"), None);
        let file = "[{name: v, mountPath: /etc/ca.crt, subPath: ca.crt}]";
        assert_eq!(key(whole, file, "/etc/ca.crt").unwrap(), "secret/db ca.crt");
        let projected = "[{name: v, projected: {sources: [{secret: {name: s, items: [{key: k, path: ca}]}}, {configMap: {name: c, items: [{key: k, path: m}]}}, {serviceAccountToken: {path: token}}]}}]";
        assert_eq!(
            key(projected, mount, "/run/secrets/ca").unwrap(),
            "secret/s k"
        );
        assert_eq!(
            key(projected, mount, "/run/secrets/m").unwrap(),
            "configmap/c k"
        );
        // Two that may hold it: only the kubelet knows which.
        let two = "[{name: v, projected: {sources: [{secret: {name: s}}, {secret: {name: t}}]}}]";
        assert_eq!(key(two, mount, "/run/secrets/ca"), None);
    }
}
