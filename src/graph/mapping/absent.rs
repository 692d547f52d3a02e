//! Whether the namespace is the application's at all. Where none of its tiers runs there, the namespace (or the compose file) is the
//! wrong one, and whatever else would be said of single Services misleads. Pure.

use std::collections::BTreeMap;

use crate::compose::ComposeFile;
use crate::config::Config;
use crate::graph::{Absent, Tier};
use crate::observe::Snapshot;

use super::Mapping;
use super::candidate::{self, Wanted};
use super::elsewhere::is_system;
use super::evidence::Evidence;

/// How many namespaces are worth naming.
const NAMED: usize = 3;

/// Set if none of the tiers runs in the run's namespace. A user who says where the tiers run is believed.
pub(super) fn absent(
    tiers: &BTreeMap<String, Tier>,
    wanted: &[Wanted],
    compose: &ComposeFile,
    snapshot: &Snapshot,
    config: &Config,
    mapping: &Mapping,
) -> Option<Absent> {
    let expected: Vec<&Wanted> = wanted
        .iter()
        .filter(|tier| tiers.get(tier.name).is_some_and(|tier| tier.expected))
        .collect();
    let said = config.tiers.values().any(|rule| !rule.workloads.is_empty());
    let here = mapping.workloads.values().flatten().any(|key| {
        key.namespace == snapshot.namespace || config.namespaces.contains(&key.namespace)
    });
    // Two candidates for a tier are a question about the application that is here; without the namespace itself nothing is known.
    let asked = !mapping.questions.is_empty();
    if expected.is_empty() || said || here || asked || snapshot.own().is_none() {
        return None;
    }
    let mut found: Vec<(String, usize)> = snapshot
        .namespaces
        .keys()
        .filter(|name| **name != snapshot.namespace && !is_system(name))
        .map(|name| (name.clone(), known(&expected, name, snapshot)))
        .filter(|(_, count)| count * 2 >= expected.len() && *count > 0)
        .collect();
    found.sort_by(|left, right| right.1.cmp(&left.1).then_with(|| left.0.cmp(&right.0)));
    found.truncate(NAMED);
    Some(Absent {
        file: compose.sources.first().cloned().unwrap_or_default(),
        tiers: expected.len(),
        found,
    })
}

/// How many of the tiers a namespace shows, by a workload or a Service of that name.
fn known(wanted: &[&Wanted], namespace: &str, snapshot: &Snapshot) -> usize {
    let candidates = candidate::of_namespace(snapshot, namespace);
    let services = snapshot
        .namespaces
        .get(namespace)
        .map_or(&[][..], |state| state.services.as_slice());
    wanted
        .iter()
        .filter(|tier| {
            let served = services.iter().any(|service| {
                let name = &service.metadata.name;
                tier.is_called(name) || tier.is_also_called(name)
            });
            served
                || Evidence::SURE.iter().any(|evidence| {
                    candidates
                        .iter()
                        .any(|candidate| evidence.is_said_by(candidate, tier))
                })
        })
        .count()
}
