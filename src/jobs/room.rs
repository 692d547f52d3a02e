//! Whether what a cluster has no room for now may fit a moment later. Pure.

use std::collections::BTreeMap;

use crate::plan::quantity;

/// Whether a ResourceQuota is merely full: what is asked for would fit into it if it were empty.
pub(super) fn quota_may_pass(message: &str) -> bool {
    let parts = message.split_once("exceeded quota").and_then(|(_, rest)| {
        let (_, rest) = rest.split_once("requested: ")?;
        let (requested, rest) = rest.split_once(", used: ")?;
        let (_, limited) = rest.split_once(", limited: ")?;
        Some((amounts(requested), amounts(limited)))
    });
    let Some((requested, limited)) = parts else {
        return false;
    };
    !requested.is_empty()
        && requested.iter().all(|(name, wanted)| {
            limited
                .get(name)
                .is_some_and(|limit| quantity(wanted) <= quantity(limit))
        })
}

/// `pods=1,limits.cpu=200m`.
fn amounts(text: &str) -> BTreeMap<&str, &str> {
    text.split_whitespace()
        .next()
        .unwrap_or_default()
        .split(',')
        .filter_map(|one| one.split_once('='))
        .collect()
}

/// Whether nodes are merely full, in the scheduler's or the kubelet's words.
pub(super) fn nodes_may_pass(words: &str) -> bool {
    ["Insufficient ", "Too many pods", "OutOf"]
        .iter()
        .any(|full| words.contains(full))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_quota_is_distinguished_from_one_that_is_too_small() {
        let quota = |requested: &str, used: &str, limited: &str| {
            quota_may_pass(&format!(
                "pods \"x\" is forbidden: exceeded quota: q, requested: {requested}, used: {used}, limited: {limited} (403 Forbidden)"
            ))
        };
        assert!(quota("pods=1", "pods=4", "pods=4"));
        assert!(quota(
            "limits.cpu=200m,limits.memory=64Mi",
            "limits.cpu=1,limits.memory=1Gi",
            "limits.cpu=1,limits.memory=1Gi"
        ));
        assert!(!quota("limits.cpu=200m", "limits.cpu=0", "limits.cpu=100m"));
        assert!(!quota(
            "count/jobs.batch=1",
            "count/jobs.batch=0",
            "count/jobs.batch=0"
        ));
        for other in ["exceeded quota: compute", "must specify limits.cpu", ""] {
            assert!(!quota_may_pass(other), "{other}");
        }
    }

    #[test]
    fn a_full_node_is_distinguished_from_one_that_never_takes_the_pod() {
        assert!(nodes_may_pass(
            "0/2 nodes are available: 2 Insufficient cpu."
        ));
        assert!(nodes_may_pass(
            "OutOfpods: Node didn't have enough resource: pods"
        ));
        assert!(!nodes_may_pass(
            "0/2 nodes are available: 2 node(s) had untolerated taint {a: b}"
        ));
    }
}
