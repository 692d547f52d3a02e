//! The two sides of a mapping as plain data: what a tier of compose is known by, and what a workload shows of itself. Pure.

use std::collections::BTreeSet;

use crate::compose::ComposeFile;
use crate::graph::Tier;
use crate::observe::kinds::Labels;
use crate::observe::{Snapshot, WorkloadKey, is_live};

/// A tier that looks for its workload.
#[derive(Debug)]
pub(super) struct Wanted<'a> {
    /// Compose's name.
    pub(super) name: &'a str,
    /// The name as an object of Kubernetes can have it.
    pub(super) normal: String,
    /// Further names that compose or a converter's label give it, normalised.
    pub(super) aliases: BTreeSet<String>,
    /// The image that compose names.
    pub(super) image: Option<&'a str>,
    /// Whether it ends on its own.
    pub(super) one_shot: bool,
    /// The project's name, normalised.
    pub(super) project: String,
}

impl<'a> Wanted<'a> {
    pub(super) fn new(tier: &'a Tier, compose: &'a ComposeFile) -> Self {
        let service = compose
            .services
            .get(&tier.name)
            .or_else(|| compose.inactive.get(&tier.name));
        let mut aliases = BTreeSet::new();
        if let Some(service) = service {
            aliases.extend(service.container_name.as_deref().map(normal));
            // kompose names the objects by this label.
            let renamed = service.labels.get("kompose.service.name_override");
            aliases.extend(renamed.map(|name| normal(name)));
        }
        let normal = normal(&tier.name);
        aliases.remove(&normal);
        Self {
            name: &tier.name,
            normal,
            aliases,
            image: service.and_then(|service| service.image.as_deref()),
            one_shot: tier.one_shot,
            project: self::normal(&compose.project),
        }
    }

    /// Whether a name is the tier's.
    pub(super) fn is_called(&self, name: &str) -> bool {
        self.normal == normal(name)
    }

    /// Whether a name is one of the tier's further ones.
    pub(super) fn is_also_called(&self, name: &str) -> bool {
        self.aliases.contains(&normal(name))
    }
}

/// A workload that may run a tier.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) key: WorkloadKey,
    /// Labels of its Pods, and where those are silent its own.
    pub(super) labels: Labels,
    /// Labels of its Pods alone, as selectors see them.
    pub(super) pod_labels: Labels,
    /// Names and images of its containers, native sidecars left out.
    pub(super) containers: Vec<(String, String)>,
    /// Whether it is meant to run on and on: no Job, CronJob or Pod that has ended.
    pub(super) runs_on: bool,
}

/// The workloads of a namespace.
pub(super) fn of_namespace(snapshot: &Snapshot, namespace: &str) -> Vec<Candidate> {
    snapshot
        .workloads(namespace)
        .into_iter()
        .filter_map(|key| {
            let template = snapshot.template(&key)?;
            let mut labels = snapshot
                .workload(&key)
                .map(|workload| workload.metadata.labels.clone())
                .unwrap_or_default();
            labels.extend(
                template
                    .labels
                    .iter()
                    .map(|(key, value)| (key.clone(), value.clone())),
            );
            let runs_on = match key.kind.as_str() {
                "job" | "cronjob" => false,
                "pod" => snapshot.pod(namespace, &key.name).is_some_and(is_live),
                _ => true,
            };
            Some(Candidate {
                labels,
                pod_labels: template.labels.clone(),
                containers: template
                    .spec
                    .containers
                    .iter()
                    .map(|container| (container.name.clone(), container.image.clone()))
                    .collect(),
                runs_on,
                key,
            })
        })
        .collect()
}

/// Of several workloads that claim a tier, those that can be it: a Job or an ended Pod beside what runs on is a helper or a
/// leftover, unless the tier itself ends on its own.
pub(super) fn relevant<'a>(group: &[&'a Candidate], one_shot: bool) -> Vec<&'a Candidate> {
    let running: Vec<&Candidate> = group
        .iter()
        .copied()
        .filter(|candidate| candidate.runs_on)
        .collect();
    if one_shot || running.is_empty() {
        group.to_vec()
    } else {
        running
    }
}

/// A name as Kubernetes' objects can have it: lower case, `-` for what is neither letter nor digit.
pub(super) fn normal(name: &str) -> String {
    let text: String = name
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() {
                c.to_ascii_lowercase()
            } else {
                '-'
            }
        })
        .collect();
    text.trim_matches('-').to_owned()
}

/// An image's path without registry, tag and digest: `library/` is Docker Hub's own.
pub(in super::super) fn image_path(image: &str) -> &str {
    let image = image.split('@').next().unwrap_or(image);
    let image = match image.rsplit_once(':') {
        // A colon before a slash is the registry's port.
        Some((path, tag)) if !tag.contains('/') => path,
        _ => image,
    };
    let path = match image.split_once('/') {
        Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => rest,
        _ => image,
    };
    path.strip_prefix("library/").unwrap_or(path)
}

/// The last part of an image's path, which most registries that hold a copy leave as it is.
pub(in super::super) fn image_name(image: &str) -> &str {
    let path = image_path(image);
    path.rsplit('/').next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_made_as_converters_make_them() {
        assert_eq!(normal("my_DB"), "my-db");
        assert_eq!(normal("realtime-dev.supabase"), "realtime-dev-supabase");
        assert_eq!(normal("_x_"), "x");
    }

    #[test]
    fn an_image_path_has_no_registry_and_no_tag() {
        assert_eq!(image_path("mysql:8"), "mysql");
        assert_eq!(image_path("docker.io/library/mysql:8"), "mysql");
        assert_eq!(image_path("localhost:5000/acme/api"), "acme/api");
        assert_eq!(image_path("ghcr.io/acme/api:1.2@sha256:00"), "acme/api");
        assert_eq!(image_path("acme/api"), "acme/api");
    }
}
