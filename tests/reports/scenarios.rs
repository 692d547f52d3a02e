//! The reports that every format is tried on: read from JSON, made hostile, or made large.

use std::path::{Path, PathBuf};

use k8sverify::finding::{EdgeId, FindingId, Fix};
use k8sverify::probe::wire::{StepError, StepStatus};
use k8sverify::report::{Depth, EdgeReport, FindingReport, Report, TierReport};
use k8sverify::shell::Command;

/// The scenarios in `tests/fixtures/reports`.
pub(crate) const ALL: [&str; 5] = ["story", "healthy", "strict", "interrupted", "blocked"];

/// Text of a cluster that wants to break its reader.
pub(crate) const HOSTILE: &str =
    "\u{1b}[31m]]>\u{0}</script><b onmouseover=x>&amp;\u{202e}|`x`\r\n::error::y";

pub(crate) fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/reports")
        .join(format!("{name}.json"))
}

pub(crate) fn read(name: &str) -> Report {
    serde_json::from_slice(&std::fs::read(path(name)).unwrap()).unwrap()
}

/// The failing run of an application of five tiers.
pub(crate) fn story() -> Report {
    read("story")
}

/// The story as a cluster would report it that wants to break its reader.
pub(crate) fn hostile() -> Report {
    let mut report = story();
    report.cluster = HOSTILE.to_owned();
    report.tiers[0].workloads.push(HOSTILE.to_owned());
    for edge in &mut report.edges {
        edge.host = HOSTILE.to_owned();
        edge.origin = vec![HOSTILE.to_owned().into()];
        for step in &mut edge.steps {
            step.detail = HOSTILE.to_owned();
        }
    }
    for finding in &mut report.findings {
        finding.message = HOSTILE.to_owned();
        finding.evidence = vec![HOSTILE.to_owned()];
        finding.fix = Some(Fix {
            text: HOSTILE.to_owned(),
            command: Some(Command::new(&["kubectl", HOSTILE])),
            manifest: Some(HOSTILE.to_owned()),
        });
    }
    report.notes = vec![HOSTILE.to_owned()];
    report
}

/// So many edges among a fifth as many tiers in four layers, as gateways, services, services behind them and stores; every seventeenth tier has no
/// Service.
pub(crate) fn large(edges: usize) -> Report {
    let mut report = story();
    let (good, bad) = (report.edges[3].clone(), report.edges[0].clone());
    let cause = report.findings[1].clone();
    let tiers = (edges / 5).max(20);
    // Where each layer begins, in tenths of all tiers.
    let layers = [0, 1, 5, 8, 10].map(|tenths| tenths * tiers / 10);
    let is_broken = |tier: usize| tier % 17 == 16;
    let name = |tier: usize| format!("svc-{tier:03}");
    let callers = layers[3];
    report.edges = (0..edges)
        .map(|number| {
            let (from, turn) = (number % callers, number / callers);
            let below = (1..4).find(|layer| from < layers[*layer]).unwrap_or(3);
            let room = layers[below + 1] - layers[below];
            let to = layers[below] + (from * 3 + turn) % room;
            let model = if is_broken(to) { &bad } else { &good };
            // Where a layer has less room than turns, the next port distinguishes them.
            edge(&name(from), &name(to), model, turn / room)
        })
        .collect();
    report.edges.sort_by(|one, other| one.id.cmp(&other.id));
    report.tiers = (0..tiers)
        .map(|tier| tier_of(&report, &name(tier)))
        .collect();
    report.findings = (0..tiers)
        .filter(|tier| *tier >= layers[1] && is_broken(*tier))
        .map(|tier| FindingReport {
            id: FindingId(format!("service-missing deployment/{}", name(tier))),
            object: format!("deployment/{}", name(tier)),
            ..cause.clone()
        })
        .collect();
    let number = |status| {
        report
            .edges
            .iter()
            .filter(|edge| edge.status == status)
            .count()
    };
    let (fail, pass) = (number(StepStatus::Fail), number(StepStatus::Pass));
    report.summary.edges.fail = fail;
    report.summary.edges.pass = pass;
    report.summary.findings.error = report.findings.len();
    report.summary.findings.warning = 0;
    report.coverage.tiers = tiers;
    report.coverage.tiers_with_edges = tiers;
    report
}

fn tier_of(report: &Report, name: &str) -> TierReport {
    TierReport {
        name: name.to_owned(),
        workloads: vec![format!("deployment/{name}")],
        ..report.tiers[1].clone()
    }
}

fn edge(from: &str, to: &str, model: &EdgeReport, more: usize) -> EdgeReport {
    let port = model.port + u16::try_from(more).unwrap();
    EdgeReport {
        id: EdgeId(format!("{from}->{to}:{port}/{}", model.protocol)),
        port,
        from: from.to_owned(),
        to: to.to_owned(),
        host: to.to_owned(),
        cause: model
            .cause
            .as_ref()
            .map(|_| FindingId(format!("service-missing deployment/{to}"))),
        ..model.clone()
    }
}

/// The story with a walk of its broken edge from a second node, where one endpoint of two refuses.
pub(crate) fn two_nodes() -> Report {
    let mut report = read("healthy");
    let edge = &mut report.edges[0];
    let walks: Vec<_> = ["node-1", "node-2"]
        .iter()
        .flat_map(|node| {
            edge.steps.iter().cloned().map(|mut step| {
                step.vantage = Some(k8sverify::report::VantageReport {
                    node: (*node).to_owned(),
                    pod_network: true,
                    look: None,
                });
                step
            })
        })
        .collect();
    edge.steps = walks;
    let mut refused = edge.steps[2].clone();
    refused.endpoint = Some("10.244.9.9:3306".to_owned());
    refused.status = StepStatus::Fail;
    refused.error = Some(StepError::Refused);
    edge.steps.push(refused);
    edge.depth = Depth::Tcp;
    report
}
