//! Galera members behind one Service that are not of one cluster: each is Primary, and none has what the others hold. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::target::{self, line};
use super::walk::EdgeEvidence;
use super::{Context, Rule, words};
use crate::finding::{Code, Finding};
use crate::probe::wire::{Step, StepName};

/// The rules of this file.
pub(super) const RULES: &[Rule] = &[Rule::Edge(apart)];

/// A cluster as one of its members sees it: identity, and how many it has.
type Cluster<'a> = (&'a str, usize);
/// Cluster → endpoint → where and how that was said.
type Clusters<'a> = BTreeMap<Cluster<'a>, BTreeMap<&'a str, (String, &'a Step)>>;

/// Members of several clusters behind one address.
fn apart(context: &Context<'_>, evidence: &EdgeEvidence<'_>) -> Option<Finding> {
    let mut clusters = whole(&clusters(evidence));
    if clusters.len() < 2 {
        return None;
    }
    // Those that stand apart are all but the largest.
    let main = clusters
        .iter()
        .max_by_key(|(_, members)| members.len())
        .map(|(cluster, _)| *cluster)?;
    let main = clusters.remove(&main)?;
    let edge = evidence.edge;
    let alone: BTreeSet<String> = clusters
        .values()
        .flat_map(BTreeMap::keys)
        .map(|endpoint| member(context, endpoint))
        .collect();
    let first = clusters.values().flat_map(BTreeMap::values).next()?.1;
    let object = target::object(context, edge, Some(first));
    let who = words::list(alone.iter().map(String::as_str));
    let rest: BTreeSet<String> = main
        .keys()
        .map(|endpoint| member(context, endpoint))
        .collect();
    let rest = words::list(rest.iter().map(String::as_str));
    let mut finding = Finding::of(
        Code::GaleraSplit,
        object.clone(),
        format!(
            "{}:{} leads to Galera members of different clusters: {who} stands apart from {rest}",
            edge.host, edge.port
        ),
    )
    .fix(format!(
        "take {who} out of the Service, save what only it holds, empty its data directory and let it join the cluster of {rest}"
    ))
    .on([&edge.id]);
    for (place, step) in main
        .values()
        .chain(clusters.values().flat_map(BTreeMap::values))
    {
        let fact = |name: &str| step.facts.get(name).map_or("?", String::as_str);
        finding.evidence.push(format!(
            "{}: cluster {} of {}",
            line(place, step),
            fact("wsrep_cluster_state_uuid"),
            fact("wsrep_cluster_size")
        ));
    }
    Some(finding)
}

/// `pod/db-2`, or the endpoint where no Pod is known there.
fn member(context: &Context<'_>, endpoint: &str) -> String {
    target::pod_at(context, endpoint).map_or_else(
        || endpoint.to_owned(),
        |pod| format!("pod/{}", pod.metadata.name),
    )
}

/// What the members that get traffic said last, by cluster.
fn clusters<'a>(evidence: &EdgeEvidence<'a>) -> Clusters<'a> {
    let mut said: BTreeMap<&str, (Cluster, String, &Step)> = BTreeMap::new();
    for walk in evidence.firm() {
        for step in walk.counted().filter(|step| step.name == StepName::Query) {
            let fact = |name: &str| step.facts.get(name).map(String::as_str);
            let (Some("Primary"), Some(uuid), Some(endpoint)) = (
                fact("wsrep_cluster_status"),
                fact("wsrep_cluster_state_uuid").filter(|uuid| !uuid.is_empty()),
                step.endpoint.as_deref(),
            ) else {
                continue;
            };
            let size = fact("wsrep_cluster_size").and_then(|size| size.parse().ok());
            said.insert(endpoint, ((uuid, size.unwrap_or(0)), walk.place(), step));
        }
    }
    let mut clusters = Clusters::new();
    for (endpoint, (cluster, place, step)) in said {
        clusters
            .entry(cluster)
            .or_default()
            .insert(endpoint, (place, step));
    }
    clusters
}

/// Clusters that surely are several: of different identities, or of one identity where more than one has all of its members here. Members that were
/// asked while one of them joined speak of one cluster in two sizes, of which not both are complete.
fn whole<'a>(clusters: &Clusters<'a>) -> Clusters<'a> {
    let mut merged = Clusters::new();
    let uuids: BTreeSet<&str> = clusters.keys().map(|(uuid, _)| *uuid).collect();
    for uuid in uuids {
        let of_it = || clusters.iter().filter(|((of, _), _)| *of == uuid);
        let complete = of_it().filter(|((_, size), members)| members.len() == *size);
        let are_several = complete.count() > 1;
        for ((_, size), members) in of_it() {
            let key = (uuid, if are_several { *size } else { 0 });
            merged.entry(key).or_default().extend(members.clone());
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{at, graph, outcomes, pass, probe, snapshot};
    use super::*;

    const EDGE: &str = "AP->DB:3306/mysql";

    /// Endpoint, cluster, and its size as the member there says.
    fn found(members: &[(&str, &str, &str)]) -> Vec<Finding> {
        let steps = members.iter().map(|(endpoint, uuid, size)| {
            let mut step = at(endpoint, pass(EDGE, StepName::Query));
            for (name, value) in [
                ("wsrep_cluster_status", "Primary"),
                ("wsrep_cluster_state_uuid", *uuid),
                ("wsrep_cluster_size", *size),
            ] {
                step.facts.insert(name.to_owned(), value.to_owned());
            }
            step
        });
        let outcomes = outcomes(vec![probe("AP", "n1", steps.collect())]);
        let (graph, snapshot) = (graph(&[EDGE]), snapshot(""));
        Rule::Edge(apart).raise(&Context::new(&graph, &snapshot, Some(&outcomes)))
    }

    #[test]
    fn a_member_in_a_cluster_of_its_own_is_an_error() {
        let split = found(&[
            ("10.0.0.1:3306", "aaaa", "2"),
            ("10.0.0.2:3306", "aaaa", "2"),
            ("10.0.0.3:3306", "bbbb", "1"),
        ]);
        assert_eq!(split.len(), 1);
        assert_eq!(split[0].code, Code::GaleraSplit);
        assert!(
            split[0]
                .message
                .contains("10.0.0.3:3306 stands apart from 10.0.0.1:3306 and 10.0.0.2:3306"),
            "{}",
            split[0].message
        );
        assert_eq!(split[0].evidence.len(), 3);
        // Bootstrapped from the same data: the identity is the same.
        let again = found(&[
            ("10.0.0.1:3306", "aaaa", "2"),
            ("10.0.0.2:3306", "aaaa", "2"),
            ("10.0.0.3:3306", "aaaa", "1"),
        ]);
        assert_eq!(again.len(), 1);
    }

    #[test]
    fn members_of_one_cluster_are_none_even_while_one_joins() {
        let three = ["10.0.0.1:3306", "10.0.0.2:3306", "10.0.0.3:3306"];
        assert!(found(&three.map(|member| (member, "aaaa", "3"))).is_empty());
        let joining = found(&[
            (three[0], "aaaa", "2"),
            (three[1], "aaaa", "3"),
            (three[2], "aaaa", "3"),
        ]);
        assert!(joining.is_empty());
        assert!(found(&[(three[0], "aaaa", "1"), (three[1], "aaaa", "2")]).is_empty());
        assert!(found(&[(three[0], "", "1"), (three[1], "aaaa", "1")]).is_empty());
    }
}
