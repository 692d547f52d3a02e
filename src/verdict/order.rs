//! The order of findings: causes before consequences, then severity, then the number of edges explained, then object. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::JudgedFinding;
use super::causes::{Causes, Key, Parents};
use crate::finding::{EdgeId, Finding, finding_id};

/// Puts every finding in its place, and names what it follows from.
pub(super) fn order(
    findings: Vec<(Finding, bool)>,
    causes: &Causes,
    parents: &Parents,
    namespace: &str,
) -> Vec<JudgedFinding> {
    let explained = explained(causes, parents);
    let mut judged: Vec<(usize, usize, JudgedFinding)> = findings
        .into_iter()
        .map(|(finding, ignored)| {
            let key = (finding.code, finding.object.clone());
            let count = explained.get(&key).map_or(0, BTreeSet::len);
            let found = JudgedFinding {
                id: finding.id(namespace),
                caused_by: parents
                    .get(&key)
                    .map(|(code, object)| finding_id(*code, object, namespace)),
                finding,
                ignored,
            };
            (generation(&key, parents), count, found)
        })
        .collect();
    judged.sort_by(|left, right| {
        let place = |(generation, count, found): &(usize, usize, JudgedFinding)| {
            (
                found.ignored,
                *generation,
                found.finding.severity,
                usize::MAX - count,
            )
        };
        place(left)
            .cmp(&place(right))
            .then_with(|| left.2.finding.object.cmp(&right.2.finding.object))
            .then_with(|| left.2.finding.code.cmp(&right.2.finding.code))
    });
    judged.into_iter().map(|(_, _, found)| found).collect()
}

/// How many causes stand above a finding; links have no circles.
fn generation(key: &Key, parents: &Parents) -> usize {
    std::iter::successors(parents.get(key), |parent| parents.get(*parent))
        .take(parents.len())
        .count()
}

/// The edges that a finding explains, its own and those of everything that follows from it.
fn explained(causes: &Causes, parents: &Parents) -> BTreeMap<Key, BTreeSet<EdgeId>> {
    let mut found: BTreeMap<Key, BTreeSet<EdgeId>> = BTreeMap::new();
    for (edge, cause) in causes {
        let ancestors =
            std::iter::successors(Some(cause), |key| parents.get(*key)).take(parents.len() + 1);
        for key in ancestors {
            found.entry(key.clone()).or_default().insert(edge.clone());
        }
    }
    found
}
