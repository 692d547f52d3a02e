//! Tiers that run in another namespace than the run's: the story's own layout has AP and DB in two. Pure.
//!
//! Other namespaces are full of workloads called `db`. One is taken for a tier only if the user names its namespace, or objects
//! of the run's namespace lead there, or it is the only one of that name and image that is not part of another installation.

use std::borrow::Cow;
use std::collections::BTreeSet;

use crate::config::Config;
use crate::observe::{HostMeaning, Snapshot, WorkloadKey};

use super::candidate::{self, Candidate, Wanted, image_path};
use super::evidence::Evidence;
use super::{Mapping, found_elsewhere};

/// Finds the workloads of `missing` tiers in the other namespaces of the snapshot.
pub(super) fn claim(
    missing: &[&Wanted],
    wanted: &[Wanted],
    taken: &BTreeSet<WorkloadKey>,
    snapshot: &Snapshot,
    config: &Config,
    mapping: &mut Mapping,
) {
    if missing.is_empty() {
        return;
    }
    let referenced = referenced(snapshot);
    let others: Vec<OtherNamespace> = snapshot
        .namespaces
        .keys()
        .filter(|name| **name != snapshot.namespace && !is_system(name))
        .map(|name| OtherNamespace {
            named: config.namespaces.contains(name) || referenced.contains(name),
            candidates: candidate::of_namespace(snapshot, name)
                .into_iter()
                .filter(|candidate| !taken.contains(&candidate.key))
                .collect(),
            name,
        })
        .collect();
    for tier in missing {
        let of_named: Vec<Vec<WorkloadKey>> = others
            .iter()
            .filter(|other| other.named)
            .map(|other| other.claims(tier, &Evidence::SURE))
            .filter(|claims| !claims.is_empty())
            .collect();
        let found = match of_named.as_slice() {
            [one] => one.clone(),
            [] => unnamed(tier, wanted, &others, &snapshot.namespace, mapping),
            several => {
                let names: Vec<String> = several
                    .iter()
                    .flatten()
                    .map(|key| format!("{key}@{}", key.namespace))
                    .collect();
                mapping.questions.push(format!(
                    "tier `{}` may be {}: say which in k8sverify.yaml under `tiers`",
                    tier.name,
                    names.join(" or ")
                ));
                continue;
            }
        };
        if !found.is_empty() {
            mapping.notes.push(found_elsewhere(tier.name, &found));
            mapping.workloads.insert(tier.name.to_owned(), found);
        }
    }
}

/// Another namespace.
struct OtherNamespace<'a> {
    name: &'a str,
    /// Whether the user or the run's objects name it.
    named: bool,
    candidates: Vec<Candidate>,
}

impl OtherNamespace<'_> {
    /// The workloads that claim a tier by the strongest of these kinds of evidence.
    fn claims(&self, tier: &Wanted, kinds: &[Evidence]) -> Vec<WorkloadKey> {
        for evidence in kinds {
            let group: Vec<&Candidate> = self
                .candidates
                .iter()
                .filter(|candidate| evidence.is_said_by(candidate, tier))
                .collect();
            let chosen = candidate::relevant(&group, tier.one_shot);
            if chosen.len() == 1 || (!chosen.is_empty() && evidence.allows_several(&chosen)) {
                return chosen
                    .iter()
                    .map(|candidate| candidate.key.clone())
                    .collect();
            }
        }
        Vec::new()
    }

    /// Whether it holds tiers that the run's namespace has too: then it is another installation of the application.
    fn is_another_installation(&self, wanted: &[Wanted], mapping: &Mapping) -> bool {
        wanted
            .iter()
            .filter(|tier| mapping.workloads.contains_key(tier.name))
            .any(|tier| !self.claims(tier, &Evidence::SURE).is_empty())
    }
}

/// A namespace that no one names: it must be the only one with a workload of that name and image.
fn unnamed(
    tier: &Wanted,
    wanted: &[Wanted],
    others: &[OtherNamespace],
    own: &str,
    mapping: &Mapping,
) -> Vec<WorkloadKey> {
    let image = tier.image.map(image_path);
    let claims: Vec<(&str, Vec<WorkloadKey>)> = others
        .iter()
        .filter(|other| !other.named && !other.is_another_installation(wanted, mapping))
        .map(|other| (other.name, other.claims(tier, &Evidence::NAMES)))
        .filter(|(name, claims)| {
            let fits = |key: &WorkloadKey| {
                others
                    .iter()
                    .filter(|other| other.name == *name)
                    .flat_map(|other| &other.candidates)
                    .filter(|candidate| candidate.key == *key)
                    .flat_map(|candidate| &candidate.containers)
                    .any(|(_, found)| image.is_none_or(|image| image_path(found) == image))
            };
            !claims.is_empty() && claims.iter().all(fits)
        })
        .collect();
    let related: Vec<&(&str, Vec<WorkloadKey>)> = claims
        .iter()
        .filter(|(name, _)| {
            name.strip_prefix(own)
                .is_some_and(|rest| rest.starts_with('-'))
        })
        .collect();
    match (claims.as_slice(), related.as_slice()) {
        ([(_, one)], _) | (_, [(_, one)]) => one.clone(),
        // Several: no more than a coincidence of names.
        _ => Vec::new(),
    }
}

/// Namespaces that belong to the cluster.
pub(super) fn is_system(namespace: &str) -> bool {
    namespace.starts_with("kube-") || namespace.starts_with("openshift-")
}

/// The other namespaces that objects of the run's namespace lead to: hosts in configuration, `ExternalName`s, endpoints.
fn referenced(snapshot: &Snapshot) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let Some(own) = snapshot.own() else {
        return found;
    };
    for service in &own.services {
        if service.spec.is_external_name()
            && let HostMeaning::Service(key) | HostMeaning::HeadlessPod { service: key, .. } =
                snapshot.meaning(&service.spec.external_name, &snapshot.namespace)
        {
            found.insert(key.namespace);
        }
    }
    for slice in &own.endpoint_slices {
        for address in slice
            .endpoints
            .iter()
            .flat_map(|endpoint| &endpoint.addresses)
        {
            match snapshot.meaning(address, &snapshot.namespace) {
                HostMeaning::PodAddress { namespace, .. } => {
                    found.insert(namespace);
                }
                HostMeaning::ServiceAddress(key) => {
                    found.insert(key.namespace);
                }
                _ => {}
            }
        }
    }
    let templates: Vec<_> = snapshot
        .workloads(&snapshot.namespace)
        .into_iter()
        .filter_map(|key| snapshot.template(&key))
        .collect();
    let containers = templates
        .iter()
        .flat_map(|template| &template.spec.containers);
    let texts = containers.flat_map(|container| {
        let values = container.env.iter().filter_map(|env| env.value.as_deref());
        values.chain(container.words())
    });
    let mapped = own
        .config_maps
        .iter()
        .flat_map(|map| map.texts().map(|(_, text)| text));
    for text in texts.map(Cow::Borrowed).chain(mapped) {
        found.extend(namespaces_in(&text, snapshot));
    }
    found.remove(&snapshot.namespace);
    found
}

/// The namespaces of the snapshot that stand in a text as the second label of a host: `db.data`, `db.data.svc.cluster.local`.
fn namespaces_in(text: &str, snapshot: &Snapshot) -> BTreeSet<String> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '.'))
        .filter(|token| token.contains('.'))
        .filter_map(|token| token.split('.').nth(1))
        .filter(|label| snapshot.namespaces.contains_key(*label))
        .map(str::to_owned)
        .collect()
}
