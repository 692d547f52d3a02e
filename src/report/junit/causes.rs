//! Which case speaks for which cause: the DNS name that does not resolve, else the first edge that breaks, else the way in, else the object itself. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::case::CaseOutcome;
use crate::finding::{EdgeId, FindingId, Section};
use crate::probe::wire::StepStatus;
use crate::report::{EdgeReport, FindingReport, Report, words};

/// The case that fails for a cause.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Place<'a> {
    /// The name of a tier.
    Name(&'a str, &'a str),
    /// An edge.
    Edge(&'a EdgeReport),
    /// A way in from outside: its id, and the tier that it leads to.
    Entry(&'a str, &'a str),
    /// The object that the finding is about.
    Object,
}

/// What fails the run.
#[derive(Debug)]
pub(super) struct Cause<'a> {
    /// Nothing where an edge fails without a finding that counts.
    pub(super) finding: Option<&'a FindingReport>,
    pub(super) place: Place<'a>,
    edges: Vec<&'a EdgeReport>,
}

/// All that fails the run.
#[derive(Debug)]
pub(super) struct Causes<'a> {
    all: Vec<Cause<'a>>,
    by_edge: BTreeMap<&'a EdgeId, usize>,
    by_finding: BTreeMap<&'a FindingId, usize>,
    /// Edges without a result, by the finding that says why for all of them.
    unverified: BTreeMap<&'a EdgeId, &'a FindingReport>,
}

impl<'a> Causes<'a> {
    pub(super) fn of(report: &'a Report) -> Self {
        let mut all: Vec<Cause<'_>> = Vec::new();
        let mut by_finding = BTreeMap::new();
        for finding in &report.findings {
            let fails = finding.code.section() < Section::NotVerified
                && !finding.ignored
                && finding.caused_by.is_none()
                && finding.severity <= report.fail_on;
            if fails {
                by_finding.insert(&finding.id, all.len());
                all.push(Cause::new(Some(finding)));
            }
        }
        let mut by_edge = BTreeMap::new();
        let fails = |edge: &&EdgeReport| edge.status == StepStatus::Fail && words::is_firm(edge);
        for edge in report.edges.iter().filter(fails) {
            if words::is_excused(report, edge) {
                continue;
            }
            let index = if let Some(root) = words::root(report, edge) {
                *by_finding.entry(&root.id).or_insert_with(|| {
                    all.push(Cause::new(Some(root)));
                    all.len() - 1
                })
            } else {
                all.push(Cause::new(None));
                all.len() - 1
            };
            by_edge.insert(&edge.id, index);
            all[index].edges.push(edge);
        }
        let mut taken = BTreeSet::new();
        for cause in &mut all {
            cause.place = place(report, cause, &mut taken);
        }
        Self {
            all,
            by_edge,
            by_finding,
            unverified: unverified(report),
        }
    }

    /// The cause for which a DNS name of a tier fails.
    pub(super) fn at_name(&self, tier: &str, name: &str) -> Option<&Cause<'a>> {
        let here = Place::Name(tier, name);
        self.all.iter().find(|cause| cause.place == here)
    }

    /// The cause for which a way in fails.
    pub(super) fn at_entry(&self, id: &str) -> Option<&Cause<'a>> {
        let here = |cause: &&Cause<'_>| matches!(cause.place, Place::Entry(own, _) if own == id);
        self.all.iter().find(here)
    }

    /// The cause of a firm edge that fails.
    pub(super) fn of_edge(&self, edge: &EdgeReport) -> Option<&Cause<'a>> {
        Some(&self.all[*self.by_edge.get(&edge.id)?])
    }

    /// The cause that a finding is.
    pub(super) fn of_finding(&self, finding: &FindingReport) -> Option<&Cause<'a>> {
        Some(&self.all[*self.by_finding.get(&finding.id)?])
    }

    /// What says for an edge, and others, why it has no result.
    pub(super) fn unverified(&self, edge: &EdgeReport) -> Option<&'a FindingReport> {
        self.unverified.get(&edge.id).copied()
    }
}

impl<'a> Cause<'a> {
    const fn new(finding: Option<&'a FindingReport>) -> Self {
        Self {
            finding,
            place: Place::Object,
            edges: Vec::new(),
        }
    }

    /// The failure of the case that speaks for it.
    pub(super) fn fails(&self) -> CaseOutcome {
        match (self.finding, self.edges.first()) {
            (Some(finding), _) => CaseOutcome::fail(finding.code.name(), &finding.message),
            (None, Some(edge)) => {
                let because = words::because(edge);
                let message = if because.is_empty() {
                    format!("{} → {} fails", edge.from, edge.to)
                } else {
                    because
                };
                CaseOutcome::fail("failed", &message)
            }
            (None, None) => CaseOutcome::fail("failed", "failed"),
        }
    }

    /// What another case says of it.
    pub(super) fn elsewhere(&self) -> CaseOutcome {
        let at = match self.place {
            Place::Name(tier, name) => format!("{} {name}", name_class(tier)),
            Place::Edge(edge) => format!("{} {}", edge_class(edge), edge.id),
            Place::Entry(id, to) => format!("{} {id}", entry_class(to)),
            Place::Object => "its object".to_owned(),
        };
        match self.finding {
            Some(finding) => CaseOutcome::skip(
                finding.code.name(),
                &format!("because of {}, which fails at {at}", finding.id),
            ),
            None => CaseOutcome::skip("failed", &format!("fails at {at}")),
        }
    }
}

/// The class of a tier's DNS names.
pub(super) fn name_class(tier: &str) -> String {
    format!("k8sverify.names.{tier}")
}

/// The class of an edge.
pub(super) fn edge_class(edge: &EdgeReport) -> String {
    format!("k8sverify.connectivity.{}", edge.from)
}

/// The class of a tier's ways in.
pub(super) fn entry_class(to: &str) -> String {
    format!("k8sverify.entries.{to}")
}

/// A name speaks for one cause; another one that breaks it too has its edge.
fn place<'a>(
    report: &'a Report,
    cause: &Cause<'a>,
    taken: &mut BTreeSet<(&'a str, &'a str)>,
) -> Place<'a> {
    let name = cause
        .edges
        .iter()
        .find_map(|edge| unresolved(report, edge))
        .filter(|name| taken.insert(*name));
    if let Some((tier, name)) = name {
        return Place::Name(tier, name);
    }
    if let Some(edge) = cause.edges.first() {
        return Place::Edge(edge);
    }
    let entry = report.entries.iter().find(|entry| {
        entry.status == StepStatus::Fail
            && cause.finding.is_some()
            && entry.cause.as_ref() == cause.finding.map(|finding| &finding.id)
    });
    entry.map_or(Place::Object, |entry| Place::Entry(&entry.id, &entry.to))
}

/// The name that an edge uses, if it does not resolve.
fn unresolved<'a>(report: &'a Report, edge: &EdgeReport) -> Option<(&'a str, &'a str)> {
    let tier = report.tiers.iter().find(|tier| tier.name == edge.to)?;
    let host = edge.host.trim_end_matches('.');
    let name = tier
        .names
        .iter()
        .find(|name| name.status == StepStatus::Fail && name.name.eq_ignore_ascii_case(host))?;
    Some((&tier.name, &name.name))
}

/// Edges without a result, by the finding that says why for all of them.
fn unverified(report: &Report) -> BTreeMap<&EdgeId, &FindingReport> {
    let open: BTreeSet<&EdgeId> = report
        .edges
        .iter()
        .filter(|edge| edge.status == StepStatus::Unknown)
        .map(|edge| &edge.id)
        .collect();
    report
        .findings
        .iter()
        .filter(|finding| words::is_unverified(finding))
        .flat_map(|finding| finding.edges.iter().map(move |edge| (edge, finding)))
        .filter(|(edge, _)| open.contains(edge))
        .collect()
}
