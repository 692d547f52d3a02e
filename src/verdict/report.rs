//! Context + verdict → [`Report`], the value that every format renders. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::{Verdict, VerdictOptions};
use crate::config::SeverityOverride;
use crate::diagnose::Context;
use crate::diagnose::answers::{NameAnswer, names};
use crate::diagnose::entries::standings;
use crate::diagnose::walk::{EdgeEvidence, Walk};
use crate::finding::{Code, Finding, ObjectRef, Severity};
use crate::graph::{Confidence, Edge, Tier};
use crate::observe::{self, Snapshot, WorkloadKey, is_ready};
use crate::plan::{Look, ProbeOutcome};
use crate::probe::wire::{Step, StepError, StepName, StepStatus};
use crate::report::{
    Coverage, Depth, EdgeCounts, EdgeReport, EntryReport, FindingCounts, FindingReport, NameReport,
    PlaceReport, PodCounts, Report, SCHEMA, StepReport, Summary, TierReport, VantageReport,
};

/// What only the command knows: when and by what the run was made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReportMeta {
    /// The tool's version.
    pub tool_version: String,
    /// When it began, RFC 3339, UTC, whole seconds.
    pub started_at: String,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// What the graph came from: compose files, or "the cluster".
    pub input: Vec<String>,
    /// More for the reader, in addition to what graph and verdict note.
    pub notes: Vec<String>,
}

/// The report of a run.
pub fn report(
    context: &Context<'_>,
    verdict: &Verdict,
    options: &VerdictOptions,
    meta: ReportMeta,
) -> Report {
    let ReportMeta {
        tool_version,
        started_at,
        duration_ms,
        input,
        notes,
    } = meta;
    let edges = edges(context, verdict);
    let findings = findings(context, verdict);
    Report {
        schema: SCHEMA.to_owned(),
        tool_version,
        verdict: verdict.value,
        exit_code: verdict.value.exit_code(),
        namespace: context.snapshot.namespace.clone(),
        cluster: context.snapshot.cluster.clone(),
        offline: context.snapshot.offline,
        input,
        started_at,
        duration_ms,
        fail_on: options.fail_on,
        severity_overrides: overrides(options),
        summary: summary(&edges, &findings),
        observed: context.snapshot.observed.clone(),
        coverage: coverage(context),
        tiers: tiers(context),
        edges,
        entries: entries(context, verdict),
        findings,
        notes: all_notes(context, verdict, notes),
        outside: outside(context),
    }
}

fn overrides(options: &VerdictOptions) -> BTreeMap<String, String> {
    options
        .severity
        .iter()
        .map(|(code, severity)| {
            let weight = match severity {
                SeverityOverride::Is(severity) => severity.to_string(),
                SeverityOverride::Off => "off".to_owned(),
            };
            (code.to_string(), weight)
        })
        .collect()
}

fn summary(edges: &[EdgeReport], findings: &[FindingReport]) -> Summary {
    let severity = |wanted| {
        findings
            .iter()
            .filter(|finding| !finding.ignored && finding.severity == wanted)
            .count()
    };
    Summary {
        edges: EdgeCounts::of(edges),
        findings: FindingCounts {
            error: severity(Severity::Error),
            warning: severity(Severity::Warning),
            info: severity(Severity::Info),
        },
    }
}

fn coverage(context: &Context<'_>) -> Coverage {
    let graph = context.graph;
    let with_edges = graph
        .edges
        .iter()
        .flat_map(|edge| [&edge.from, &edge.to])
        .filter(|tier| graph.tiers.contains_key(*tier))
        .collect::<BTreeSet<_>>();
    Coverage {
        tiers: graph.tiers.len(),
        tiers_with_edges: with_edges.len(),
    }
}

fn tiers(context: &Context<'_>) -> Vec<TierReport> {
    let answers = context.outcomes.map(names).unwrap_or_default();
    context
        .graph
        .tiers
        .values()
        .map(|tier| TierReport {
            name: tier.name.clone(),
            workloads: tier
                .workloads
                .iter()
                .map(|workload| {
                    in_run(context.snapshot, &workload.to_string(), &workload.namespace)
                })
                .collect(),
            services: tier
                .services
                .iter()
                .map(|service| in_run(context.snapshot, &service.name, &service.namespace))
                .collect(),
            pods: pods(context.snapshot, tier),
            names: answers
                .values()
                .filter(|answer| answer.tier == tier.name)
                .map(name)
                .collect(),
        })
        .collect()
}

fn in_run(snapshot: &Snapshot, name: &str, namespace: &str) -> String {
    if namespace.is_empty() || namespace == snapshot.namespace {
        name.to_owned()
    } else {
        format!("{name}@{namespace}")
    }
}

fn pods(snapshot: &Snapshot, tier: &Tier) -> PodCounts {
    let mut counts = PodCounts::default();
    for workload in &tier.workloads {
        let pods = snapshot.pods_of(workload);
        counts.wanted += wanted(snapshot, workload, pods.len());
        counts.running += pods
            .iter()
            .filter(|pod| pod.status.phase == "Running")
            .count();
        counts.ready += pods.iter().filter(|pod| is_ready(pod)).count();
    }
    counts
}

/// How many Pods a workload wants. Of a kind without that number those that it has are taken as wanted.
fn wanted(snapshot: &Snapshot, key: &WorkloadKey, live: usize) -> usize {
    let workload = snapshot.workload(key);
    workload
        .and_then(|workload| observe::wanted(key, Some(workload)))
        .map_or(live, |number| usize::try_from(number).unwrap_or_default())
}

fn name(answer: &NameAnswer<'_>) -> NameReport {
    NameReport {
        name: answer.name.to_owned(),
        status: answer.status,
        detail: match answer.step {
            None => "not asked".to_owned(),
            Some(step) => match (step.error, step.facts.get("addresses")) {
                (Some(StepError::Nxdomain), _) => "NXDOMAIN".to_owned(),
                (None, Some(addresses)) => addresses.clone(),
                _ => step.detail.clone(),
            },
        },
    }
}

fn edges(context: &Context<'_>, verdict: &Verdict) -> Vec<EdgeReport> {
    context
        .graph
        .edges
        .iter()
        .filter_map(|edge| {
            let decided = verdict.edges.get(&edge.id)?;
            Some(EdgeReport {
                id: edge.id.clone(),
                from: edge.from.clone(),
                to: edge.to.clone(),
                host: edge.host.clone(),
                port: edge.port.get(),
                protocol: edge.protocol,
                protocol_guessed_from: edge.guessed.then(|| format!("port {}", edge.port)),
                origin: edge.origin.clone(),
                // What was proven is no longer weak.
                confidence: if decided.firm {
                    edge.confidence.max(Confidence::Likely)
                } else {
                    edge.confidence
                },
                // A spare server of a list is as optional as what the user calls so.
                optional: edge.optional || edge.is_firm() && !decided.firm,
                forbidden: edge.forbidden,
                status: decided.status,
                cause: decided.cause.clone(),
                reason: decided.reason.clone(),
                depth: decided.depth,
                steps: context.evidence(&edge.id).map(steps).unwrap_or_default(),
            })
        })
        .collect()
}

fn entries(context: &Context<'_>, verdict: &Verdict) -> Vec<EntryReport> {
    standings(context)
        .into_iter()
        .map(|standing| {
            let entry = standing.entry;
            let is_cause = |judged: &&super::JudgedFinding| {
                judged.finding.code == Code::EntryUnreachable
                    && judged.finding.object == entry.object
            };
            EntryReport {
                id: entry.id.clone(),
                kind: entry.kind,
                to: entry.to.clone(),
                object: entry.object.to_string(),
                namespace: entry.object.namespace.clone(),
                addresses: entry.addresses.iter().map(ToString::to_string).collect(),
                status: standing.status,
                layer: standing.layer.map(|layer| layer.to_string()),
                reason: standing.reason,
                cause: (standing.status == StepStatus::Fail)
                    .then(|| verdict.findings.iter().find(is_cause))
                    .flatten()
                    .map(|judged| judged.id.clone()),
                steps: standing
                    .steps
                    .into_iter()
                    .map(|(step, probe)| step_report(step, Some(place(probe))))
                    .collect(),
            }
        })
        .collect()
}

fn steps(evidence: &EdgeEvidence<'_>) -> Vec<StepReport> {
    let several = evidence.walks.len() > 1;
    evidence
        .walks
        .iter()
        .flat_map(|walk| {
            let mut steps: Vec<&Step> = walk
                .probe
                .steps
                .iter()
                .filter(|step| step.task == evidence.edge.id.0)
                .collect();
            // Service and endpoints are walked side by side; a ladder is read from its foot.
            steps.sort_by_key(|step| {
                let place = match (step.name, &step.endpoint) {
                    (StepName::Dns, _) => 0,
                    (_, None) => 1,
                    (_, Some(_)) => 2,
                };
                (place, &step.endpoint)
            });
            steps
                .into_iter()
                .map(move |step| step_report(step, several.then(|| vantage(walk))))
        })
        .collect()
}

fn step_report(step: &Step, vantage: Option<VantageReport>) -> StepReport {
    StepReport {
        name: step.name,
        target: step.target.clone(),
        status: step.status,
        error: step.error,
        duration_ms: step.duration_ms,
        detail: step.detail.clone(),
        endpoint: step.endpoint.clone(),
        vantage,
    }
}

fn vantage(walk: &Walk<'_>) -> VantageReport {
    VantageReport {
        node: walk.node().to_owned(),
        ..place(walk.probe)
    }
}

fn place(probe: &ProbeOutcome) -> VantageReport {
    let look = match probe.look {
        Look::First | Look::Entry => None,
        Look::OtherNode => Some("second look, from another node"),
        Look::AllLabels => Some("second look, with all labels of the tier"),
        Look::NoLabels => Some("second look, without labels of the tier"),
        Look::Again => Some("once more, since Pods or endpoints had changed"),
    };
    VantageReport {
        node: probe.node.clone(),
        pod_network: !probe.identity.host_network,
        look: look.map(str::to_owned),
    }
}

fn findings(context: &Context<'_>, verdict: &Verdict) -> Vec<FindingReport> {
    verdict
        .findings
        .iter()
        .map(|judged| FindingReport {
            id: judged.id.clone(),
            code: judged.finding.code,
            severity: judged.finding.severity,
            object: judged.finding.object.to_string(),
            namespace: judged.finding.object.namespace.clone(),
            message: judged.finding.message.clone(),
            evidence: judged.finding.evidence.clone(),
            edges: judged.finding.edges.iter().cloned().collect(),
            caused_by: judged.caused_by.clone(),
            fix: judged.finding.fix.clone(),
            ignored: judged.ignored,
            place: written(context, &judged.finding),
        })
        .collect()
}

/// Where a person would change what a finding is about: its manifest, else the service of compose that it runs, else the service of
/// compose that needs it.
fn written(context: &Context<'_>, finding: &Finding) -> Option<PlaceReport> {
    let ObjectRef {
        kind,
        name,
        namespace,
    } = &finding.object;
    let key = (namespace.clone(), finding.object.to_string());
    if let Some(place) = context.snapshot.places.get(&key) {
        return Some(PlaceReport {
            file: place.file.clone(),
            line: place.line,
        });
    }
    let tiers = &context.graph.tiers;
    let runs = |tier: &&Tier| {
        let workload = |key: &WorkloadKey| {
            key.kind == *kind && key.name == *name && key.namespace == *namespace
        };
        (kind == "tier" && tier.name == *name) || tier.workloads.iter().any(workload)
    };
    let client = || {
        let broken = |edge: &&Edge| finding.edges.contains(&edge.id);
        let edge = context.graph.edges.iter().find(broken)?;
        tiers.get(&edge.from)
    };
    let tier = tiers.values().find(runs).or_else(client)?;
    let location = &context.compose?.services.get(&tier.name)?.location;
    (location.line > 0).then(|| PlaceReport {
        file: location.file.clone(),
        line: location.line,
    })
}

fn all_notes(context: &Context<'_>, verdict: &Verdict, more: Vec<String>) -> Vec<String> {
    let settle = &context.snapshot.settle;
    let unsettled = settle.unsettled.iter().map(|(workload, reason)| {
        format!("{workload} had not settled when waiting ended: {reason}")
    });
    let unproven = verdict.edges.iter().filter_map(|(id, judged)| {
        if judged.status != StepStatus::Pass || judged.depth > Depth::Tls {
            return None;
        }
        let walks = &context.evidence.get(id)?.walks;
        let step = walks
            .iter()
            .flat_map(Walk::counted)
            .find(|step| step.error == Some(StepError::TrustNotProven))?;
        Some(format!(
            "{id}: {}; no login is sent, and --require-trust makes such an edge unknown",
            step.detail
        ))
    });
    context
        .graph
        .notes
        .iter()
        .map(|note| note.message.clone())
        .chain(unsettled)
        .chain(verdict.unused_ignores.iter().cloned())
        .chain(unproven)
        .chain(more)
        .collect()
}

fn outside(context: &Context<'_>) -> Vec<String> {
    context
        .graph
        .outside
        .iter()
        .map(|outside| match outside.port {
            Some(port) => format!("{} → {}:{port}", outside.from, outside.host),
            None => format!("{} → {}", outside.from, outside.host),
        })
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect()
}
