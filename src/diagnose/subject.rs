//! One workload with all that rules need to know of it. Pure.

use std::collections::BTreeSet;

use super::trouble::Trouble;
use crate::finding::{EdgeId, Severity};
use crate::graph::Tier;
use crate::observe::kinds::{Pod, Workload};
use crate::observe::{Template, WorkloadKey, is_ready, wanted};

/// One workload and all that rules need to know of it.
pub struct WorkloadFacts<'a> {
    /// Its identity.
    pub key: WorkloadKey,
    /// The tiers that it runs.
    pub tiers: Vec<&'a Tier>,
    /// Edges that lead to it, and are not proven to work.
    pub into: BTreeSet<EdgeId>,
    /// Edges that start at it, and are not proven to work.
    pub from: BTreeSet<EdgeId>,
    /// Whether any edge, proven or not, leads to it.
    pub called: bool,
    /// Whether a compose tier, an edge or an Ingress stands behind it: only then may a finding be an error.
    pub in_scope: bool,
    /// Its object; none for bare Pods and kinds that are not listed.
    pub workload: Option<&'a Workload>,
    /// What its Pods are made from.
    pub template: Option<Template<'a>>,
    /// Its live Pods.
    pub pods: Vec<&'a Pod>,
    /// Its Pods that ended.
    pub ended: Vec<&'a Pod>,
    /// What ails its Pods, or keeps them from being made.
    pub troubles: Vec<Trouble>,
}

impl WorkloadFacts<'_> {
    /// Whether it ends on its own: a Job, a `CronJob`, or the tier of a compose service that does.
    #[must_use]
    pub fn is_one_shot(&self) -> bool {
        matches!(self.key.kind.as_str(), "job" | "cronjob")
            || (!self.tiers.is_empty() && self.tiers.iter().all(|tier| tier.one_shot))
    }

    /// How many Pods are wanted, where that can be determined.
    #[must_use]
    pub fn wanted(&self) -> Option<i32> {
        wanted(&self.key, self.workload)
    }

    /// Live Pods that are ready and that nothing ails.
    #[must_use]
    pub fn serving(&self) -> usize {
        self.pods
            .iter()
            .filter(|pod| {
                is_ready(pod)
                    && !self
                        .troubles
                        .iter()
                        .any(|trouble| trouble.pod == pod.metadata.name)
            })
            .count()
    }

    /// The weight of a fault of this workload that would be `severity` in scope.
    #[must_use]
    pub fn scoped(&self, severity: Severity) -> Severity {
        if self.in_scope || severity == Severity::Info {
            severity
        } else {
            Severity::Warning
        }
    }

    /// Its name in messages: `deployment/db`, with the namespace if that is not the run's.
    #[must_use]
    pub fn name(&self, run_namespace: &str) -> String {
        if self.key.namespace == run_namespace {
            self.key.to_string()
        } else {
            format!("{} in namespace {}", self.key, self.key.namespace)
        }
    }
}
