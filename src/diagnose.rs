//! A table of rules, `fn(&Context) -> Vec<Finding>`, run once; one file per section of the catalogue. Pure.

pub mod answers;
pub(crate) mod connection;
pub mod dialled;
mod dns;
pub mod entries;
mod fixes;
#[cfg(test)]
pub(crate) mod fixtures;
mod galera;
mod ingress;
mod kubelet_probes;
mod network_policy;
mod node_network;
pub mod offline;
mod other_policy;
mod password;
mod protocol;
mod proxy;
mod services;
mod stale;
pub mod subject;
pub mod subjects;
mod target;
pub mod trouble;
pub mod troubles;
mod unverified;
mod variables;
pub mod walk;
mod words;
mod workloads;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use crate::compose::ComposeFile;
use crate::finding::{Code, EdgeId, Finding, Fix, ObjectRef};
use crate::graph::TierGraph;
use crate::observe::Snapshot;
use crate::plan::Outcomes;
use crate::probe::wire::StepStatus;
use subject::WorkloadFacts;
use walk::EdgeEvidence;

/// What every rule sees. Without outcomes the same rules serve the offline `check`.
pub struct Context<'a> {
    /// The tier graph.
    pub graph: &'a TierGraph,
    /// What was observed.
    pub snapshot: &'a Snapshot,
    /// What the probes said; `None` offline.
    pub outcomes: Option<&'a Outcomes>,
    /// The outcomes of every edge, aggregated once; every edge of the graph has an entry, if an empty one.
    pub evidence: BTreeMap<EdgeId, EdgeEvidence<'a>>,
    /// The compose file, if one took part: which variables a tier reads stands there.
    pub compose: Option<&'a ComposeFile>,
    /// The workloads that rules are about, with what is wrong with their Pods.
    pub subjects: Vec<WorkloadFacts<'a>>,
}

impl<'a> Context<'a> {
    /// The context of a run, with the outcomes aggregated by edge.
    pub fn new(
        graph: &'a TierGraph,
        snapshot: &'a Snapshot,
        outcomes: Option<&'a Outcomes>,
    ) -> Self {
        let mut context = Self {
            graph,
            snapshot,
            outcomes,
            evidence: walk::evidence(graph, snapshot, outcomes),
            compose: None,
            subjects: Vec::new(),
        };
        context.subjects = subjects::all(&context);
        context
    }

    /// The same with the compose file that the graph was made from.
    #[must_use]
    pub fn with_compose(mut self, compose: Option<&'a ComposeFile>) -> Self {
        self.compose = compose;
        self
    }

    /// What the probes said about an edge; `None` for an edge that is not of the graph.
    pub fn evidence(&self, edge: &EdgeId) -> Option<&EdgeEvidence<'a>> {
        self.evidence.get(edge)
    }

    /// Whether the edge came out so.
    pub fn came_out(&self, edge: &EdgeId, status: StepStatus) -> bool {
        self.evidence(edge)
            .is_some_and(|evidence| evidence.status() == status)
    }
}

/// One rule, by what it is asked about: once for everything, or for one after the other.
#[derive(Clone, Copy)]
pub enum Rule {
    /// Everything at once.
    Whole(fn(&Context<'_>) -> Vec<Finding>),
    /// An edge that is to work, with what the probes saw of it.
    Edge(fn(&Context<'_>, &EdgeEvidence<'_>) -> Option<Finding>),
    /// The same, where one edge may show several faults.
    EdgeMany(fn(&Context<'_>, &EdgeEvidence<'_>) -> Vec<Finding>),
    /// A workload.
    Workload(fn(&Context<'_>, &WorkloadFacts<'_>) -> Option<Finding>),
    /// The same, where one workload may show several faults.
    WorkloadMany(fn(&Context<'_>, &WorkloadFacts<'_>) -> Vec<Finding>),
}

impl Rule {
    /// All that it finds.
    pub fn raise(self, context: &Context<'_>) -> Vec<Finding> {
        let edges = context.evidence.values();
        let edges = edges.filter(|evidence| !evidence.edge.forbidden);
        let workloads = context.subjects.iter();
        match self {
            Self::Whole(rule) => rule(context),
            Self::Edge(rule) => edges.filter_map(|edge| rule(context, edge)).collect(),
            Self::EdgeMany(rule) => edges.flat_map(|edge| rule(context, edge)).collect(),
            Self::Workload(rule) => workloads.filter_map(|one| rule(context, one)).collect(),
            Self::WorkloadMany(rule) => workloads.flat_map(|one| rule(context, one)).collect(),
        }
    }
}

/// Every rule, by section of the catalogue; each file owns its slice.
const RULES: &[&[Rule]] = &[
    services::RULES,
    ingress::RULES,
    entries::RULES,
    workloads::RULES,
    variables::RULES,
    stale::RULES,
    kubelet_probes::RULES,
    network_policy::RULES,
    other_policy::RULES,
    dns::RULES,
    proxy::RULES,
    connection::RULES,
    node_network::RULES,
    protocol::RULES,
    password::RULES,
    galera::RULES,
    unverified::RULES,
];

/// Runs every rule once. One finding per code and object: where two rules see the same fault, what they saw is put together.
/// Which finding is the cause of what is the verdict's business.
pub fn diagnose(context: &Context<'_>) -> Vec<Finding> {
    if let Some(absent) = &context.graph.absent {
        return vec![unverified::tiers_not_found(context, absent)];
    }
    let raised = RULES
        .iter()
        .flat_map(|section| section.iter())
        .flat_map(|rule| rule.raise(context));
    let mut found = BTreeMap::new();
    for finding in raised {
        add(&mut found, finding);
    }
    found.into_values().collect()
}

/// Adds a finding to those of a run, by code and object; what is known of its own is put together with it.
pub(crate) fn add(found: &mut BTreeMap<(Code, ObjectRef), Finding>, finding: Finding) {
    match found.entry((finding.code, finding.object.clone())) {
        Entry::Vacant(place) => {
            place.insert(finding);
        }
        Entry::Occupied(mut place) => join(place.get_mut(), finding),
    }
}

/// Puts what `other` saw into `finding`, which is of the same code and object; the greater weight speaks.
fn join(finding: &mut Finding, other: Finding) {
    if other.severity < finding.severity {
        finding.severity = other.severity;
        finding.message = other.message;
    }
    other.evidence.iter().for_each(|line| finding.note(line));
    for cause in other.caused_by {
        if !finding.caused_by.contains(&cause) {
            finding.caused_by.push(cause);
        }
    }
    finding.edges.extend(other.edges);
    finding.overrules.extend(other.overrules);
    finding.follows.extend(other.follows);
    match (&mut finding.fix, other.fix) {
        (Some(fix), Some(other)) => add_manifest(fix, other),
        (fix @ None, other) => *fix = other,
        (Some(_), None) => {}
    }
}

/// What another edge needs is one more document, unless it is of the same name: two policies that admit are both needed.
fn add_manifest(fix: &mut Fix, other: Fix) {
    let (Some(manifest), Some(more)) = (&mut fix.manifest, other.manifest) else {
        return;
    };
    let is_name = |line: &&str| line.starts_with("  name: ");
    let named: Vec<&str> = more.lines().filter(is_name).take(1).collect();
    let known = manifest.lines().any(|line| named.contains(&line));
    let is_policy = |text: &str| text.contains("kind: NetworkPolicy");
    if !known && is_policy(manifest) && is_policy(&more) {
        if !manifest.ends_with('\n') {
            manifest.push('\n');
        }
        manifest.push_str("---\n");
        manifest.push_str(&more);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Severity;

    #[test]
    fn a_policy_that_keeps_several_edges_out_is_answered_by_a_policy_for_each() {
        let denied = |name: &str| {
            let object = ObjectRef::new("networkpolicy", "default-deny", "shop");
            let code = Code::NetworkPolicyIngressDenied;
            let mut finding = Finding::new(code, Severity::Error, object, name);
            let manifest = format!("kind: NetworkPolicy\nmetadata:\n  name: {name}\n");
            finding.fix = Some(Fix {
                manifest: Some(manifest),
                ..Fix::default()
            });
            finding
        };
        let mut finding = denied("allow-to-db");
        for name in ["allow-to-kvs", "allow-to-db", "allow-to-kvs"] {
            join(&mut finding, denied(name));
        }
        let manifest = finding.fix.unwrap().manifest.unwrap();
        let names: Vec<&str> = manifest
            .split("---\n")
            .filter_map(|text| text.lines().find_map(|line| line.strip_prefix("  name: ")))
            .collect();
        assert_eq!(names, ["allow-to-db", "allow-to-kvs"]);
    }
}
