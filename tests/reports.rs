//! Every format on the same reports: what a CI server, a browser and a terminal get, also from a hostile cluster and with thousands of edges.
#![expect(clippy::unwrap_used, reason = "a test may fail by unwrapping")]
#![expect(
    clippy::assigning_clones,
    clippy::print_stderr,
    reason = "readable fixtures, and a test says when it skips"
)]

use std::collections::BTreeMap;
use std::process::Command;

use k8sverify::finding::{Code, EdgeId, FindingId, Fix, Severity};
use k8sverify::graph::Confidence;
use k8sverify::probe::wire::{StepError, StepName, StepStatus};
use k8sverify::protocol::Protocol;
use k8sverify::report::console::Style;
use k8sverify::report::{
    Coverage, Depth, EdgeCounts, EdgeReport, FindingCounts, FindingReport, NameReport, PodCounts,
    Report, SCHEMA, StepReport, Summary, TierReport, VantageReport, VerdictValue, console, github,
    html, json, junit, markdown,
};

const HOSTILE: &str = "\u{1b}[31m]]>\u{0}</script><b onmouseover=x>&amp;\u{202e}|`x`\r\n::error::y";

fn edge(from: &str, to: &str, port: u16, protocol: Protocol, cause: Option<&str>) -> EdgeReport {
    let failed = cause.is_some();
    let step = |name, status, error, detail: &str| StepReport {
        name,
        target: to.to_owned(),
        status,
        error,
        duration_ms: 3,
        detail: detail.to_owned(),
        endpoint: None,
        vantage: Some(VantageReport {
            node: "node-1".to_owned(),
            pod_network: true,
            look: None,
        }),
    };
    let steps = if failed {
        vec![step(
            StepName::Dns,
            StepStatus::Fail,
            Some(StepError::Nxdomain),
            "NXDOMAIN",
        )]
    } else {
        vec![
            step(StepName::Dns, StepStatus::Pass, None, "10.96.0.9"),
            step(StepName::Service, StepStatus::Pass, None, "connected"),
            step(StepName::Protocol, StepStatus::Pass, None, "HTTP 200"),
        ]
    };
    EdgeReport {
        id: EdgeId(format!("{from}->{to}:{port}/{protocol}")),
        from: from.to_owned(),
        to: to.to_owned(),
        host: to.to_owned(),
        port,
        protocol,
        origin: vec![format!("compose services.{from}.links")],
        confidence: Confidence::Declared,
        optional: false,
        forbidden: false,
        status: if failed {
            StepStatus::Fail
        } else {
            StepStatus::Pass
        },
        cause: cause.map(|cause| FindingId(cause.to_owned())),
        reason: None,
        depth: if failed { Depth::None } else { Depth::Protocol },
        steps,
    }
}

fn finding(code: Code, severity: Severity, object: &str, caused_by: Option<&str>) -> FindingReport {
    FindingReport {
        id: FindingId(format!("{code} {object}")),
        code,
        severity,
        object: object.to_owned(),
        namespace: "default".to_owned(),
        message: format!("the message of {code}"),
        evidence: vec!["DB.default.svc.cluster.local → NXDOMAIN, asked as AP on node-1".to_owned()],
        edges: vec![EdgeId("AP->DB:3306/mysql".to_owned())],
        caused_by: caused_by.map(|cause| FindingId(cause.to_owned())),
        fix: Some(Fix {
            text: "make it".to_owned(),
            command: Some("kubectl expose deployment/db --name=db --port=3306".to_owned()),
            manifest: Some("apiVersion: v1\nkind: Service\n".to_owned()),
        }),
        ignored: false,
    }
}

fn tier(name: &str, workload: &str) -> TierReport {
    TierReport {
        name: name.to_owned(),
        workloads: vec![workload.to_owned()],
        services: Vec::new(),
        pods: PodCounts {
            wanted: 1,
            running: 1,
            ready: 1,
        },
        names: vec![NameReport {
            name: name.to_owned(),
            status: StepStatus::Fail,
            detail: "NXDOMAIN".to_owned(),
        }],
    }
}

fn story() -> Report {
    let edges = vec![
        edge(
            "AP",
            "DB",
            3306,
            Protocol::Mysql,
            Some("service-missing deployment/db"),
        ),
        edge("WEB", "AP", 2000, Protocol::Http, None),
    ];
    Report {
        schema: SCHEMA.to_owned(),
        tool_version: "0.1.0".to_owned(),
        verdict: VerdictValue::Fail,
        exit_code: 1,
        namespace: "default".to_owned(),
        cluster: "kind-ci".to_owned(),
        input: vec!["compose.yaml".to_owned()],
        started_at: "2026-11-23T10:00:00Z".to_owned(),
        duration_ms: 2431,
        fail_on: Severity::Error,
        severity_overrides: BTreeMap::new(),
        summary: Summary {
            edges: EdgeCounts {
                pass: 1,
                fail: 1,
                ..EdgeCounts::default()
            },
            findings: FindingCounts {
                error: 2,
                warning: 1,
                info: 0,
            },
        },
        observed: BTreeMap::new(),
        coverage: Coverage {
            tiers: 3,
            tiers_with_edges: 3,
        },
        tiers: vec![
            tier("AP", "deployment/ap"),
            tier("DB", "deployment/db"),
            tier("WEB", "deployment/web"),
        ],
        edges,
        findings: vec![
            finding(Code::ServiceMissing, Severity::Error, "deployment/db", None),
            finding(
                Code::ReadinessProbeFailing,
                Severity::Error,
                "deployment/ap",
                Some("service-missing deployment/db"),
            ),
            finding(
                Code::LivenessProbeMissing,
                Severity::Warning,
                "deployment/db",
                None,
            ),
        ],
        notes: Vec::new(),
        outside: Vec::new(),
    }
}

/// The story as a cluster would tell it that wants to break its reader.
fn hostile() -> Report {
    let mut report = story();
    report.cluster = HOSTILE.to_owned();
    for edge in &mut report.edges {
        edge.host = HOSTILE.to_owned();
        edge.steps
            .iter_mut()
            .for_each(|step| step.detail = HOSTILE.to_owned());
    }
    for finding in &mut report.findings {
        finding.message = HOSTILE.to_owned();
        finding.evidence = vec![HOSTILE.to_owned()];
        finding.fix = Some(Fix {
            text: HOSTILE.to_owned(),
            command: Some(HOSTILE.to_owned()),
            manifest: Some(HOSTILE.to_owned()),
        });
    }
    report.notes = vec![HOSTILE.to_owned()];
    report
}

fn large(edges: usize) -> Report {
    let mut report = story();
    report.edges = (0..edges)
        .map(|number| {
            edge(
                &format!("T{}", number % 97),
                &format!("S{}", number / 97),
                80,
                Protocol::Http,
                (number % 50 == 0).then_some("service-missing deployment/db"),
            )
        })
        .collect();
    report
}

/// What a CI server reads of a JUnit file: `(tests, failures, errors, skipped)` as the root says, and as the cases are.
fn counts(bytes: &[u8]) -> ([usize; 4], [usize; 4]) {
    let document = roxmltree::Document::parse(std::str::from_utf8(bytes).unwrap()).unwrap();
    let root = document.root_element();
    let said = ["tests", "failures", "errors", "skipped"]
        .map(|name| root.attribute(name).unwrap().parse().unwrap());
    let with = |tag: &str| {
        document
            .descendants()
            .filter(|node| node.has_tag_name(tag))
            .count()
    };
    (said, ["testcase", "failure", "error", "skipped"].map(with))
}

#[test]
fn junit_says_what_happened_and_its_totals_are_right() {
    let bytes = junit::render(&story()).unwrap();
    let (said, seen) = counts(&bytes);
    assert_eq!(said, seen);
    // The edge and the Pod without a Service fail; the consequence and the names are skipped.
    assert_eq!((seen[1], seen[2], seen[3]), (2, 0, 4));
    let text = String::from_utf8(bytes).unwrap();
    let document = roxmltree::Document::parse(&text).unwrap();
    let case = document
        .descendants()
        .find(|node| node.attribute("name") == Some("AP->DB:3306/mysql"))
        .unwrap();
    assert_eq!(
        case.attribute("classname"),
        Some("k8sverify.connectivity.AP")
    );
    let body = case.first_element_child().unwrap();
    assert!(
        body.has_tag_name("failure")
            && body.text().unwrap().contains("NXDOMAIN")
            && body.text().unwrap().contains("kubectl expose")
    );
    assert!(
        document
            .descendants()
            .any(|node| node.attribute("name") == Some("k8sverify.cluster")
                && node.attribute("value") == Some("kind-ci"))
    );
    assert!(
        !text.contains("package="),
        "Jenkins would put it before every name"
    );
}

#[test]
fn a_warning_fails_a_junit_run_only_if_it_fails_the_run() {
    let strict = Report {
        fail_on: Severity::Warning,
        ..story()
    };
    assert_eq!(
        counts(&junit::render(&strict).unwrap()).1[1],
        counts(&junit::render(&story()).unwrap()).1[1] + 1
    );
}

#[test]
fn a_run_that_is_no_pass_is_red_for_a_reader_of_junit() {
    let empty = Report {
        verdict: VerdictValue::Unknown,
        exit_code: 3,
        edges: Vec::new(),
        findings: Vec::new(),
        tiers: Vec::new(),
        ..story()
    };
    assert_eq!(counts(&junit::render(&empty).unwrap()).1[2], 1);
}

#[test]
fn hostile_text_breaks_no_format() {
    let report = hostile();
    let xml = junit::render(&report).unwrap();
    let (said, seen) = counts(&xml);
    assert_eq!(said, seen);
    // A second, independent reader.
    let mut reader = quick_xml::Reader::from_reader(xml.as_slice());
    while !matches!(reader.read_event().unwrap(), quick_xml::events::Event::Eof) {}
    assert!(!xml.contains(&0x1b) && !xml.contains(&0));

    let page = String::from_utf8(html::render(&report)).unwrap();
    assert!(
        !page.contains("<b onmouseover") && page.matches("</script>").count() == 1,
        "only the page's own script ends"
    );

    let terminal = console::render(&report, Style::default());
    assert!(!terminal.contains('\u{1b}') && !terminal.contains('\u{202e}'));
    assert!(
        github::render(&report)
            .lines()
            .all(|line| line.starts_with("::error title=")
                || line.starts_with("::warning title=")
                || line.starts_with("::notice title="))
    );
    // Inside a fence it is text by definition; outside it must be escaped.
    let mut fenced = false;
    for line in markdown::render(&report).lines() {
        if line.starts_with("```") {
            fenced = !fenced;
        }
        assert!(fenced || !line.contains("<b onmouseover"), "{line}");
    }
    let read: Report = serde_json::from_slice(&json::render(&report).unwrap()).unwrap();
    assert_eq!(read, report);
}

#[test]
fn five_thousand_edges_stay_readable_by_machines() {
    let report = large(5000);
    let bytes = junit::render(&report).unwrap();
    let (said, seen) = counts(&bytes);
    assert_eq!(said, seen);
    assert!(bytes.len() < 30_000_000, "GitLab takes no more");
    let console = console::render(&report, Style::default());
    assert!(
        console.lines().count() < 260,
        "edges that work are counted, not listed"
    );
}

#[test]
fn every_report_fits_the_published_schema() {
    let schema: serde_json::Value =
        serde_json::from_str(include_str!("../checks/report-v1.schema.json")).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for report in [story(), hostile(), large(100)] {
        let value = serde_json::to_value(&report).unwrap();
        let errors: Vec<String> = validator
            .iter_errors(&value)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{errors:?}");
    }
    let mut wrong = serde_json::to_value(story()).unwrap();
    wrong["edges"][0]["status"] = "fine".into();
    assert!(!validator.is_valid(&wrong));
}

#[test]
fn the_console_names_causes_first_and_the_verdict_last() {
    let text = console::render(&story(), Style::default());
    let (cause, table, verdict) = (
        text.find("✗ service-missing").unwrap(),
        text.find("AP → DB:3306").unwrap(),
        text.find("unhealthy: ").unwrap(),
    );
    assert!(cause < table && table < verdict, "{text}");
    assert!(
        text.lines().all(|line| line.chars().count() <= 100),
        "{text}"
    );
    let ascii = console::render(
        &story(),
        Style {
            unicode: false,
            ..Style::default()
        },
    );
    assert!(ascii.contains("x service-missing") && !ascii.contains('✗'));
    let quiet = console::render(
        &story(),
        Style {
            quiet: true,
            ..Style::default()
        },
    );
    assert_eq!(quiet.lines().count(), 1);
}

/// A real reader of JUnit files, where it is installed.
#[test]
fn a_junit_library_reads_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("junit.xml");
    std::fs::write(&path, junit::render(&hostile()).unwrap()).unwrap();
    let program = "import sys\ntry:\n    from junitparser import JUnitXml\nexcept ImportError:\n    sys.exit(77)\nx = JUnitXml.fromfile(sys.argv[1])\nprint(sum(1 for s in x for c in s), x.tests)";
    match Command::new("python3")
        .args(["-c", program, path.to_str().unwrap()])
        .output()
    {
        Ok(output) if output.status.success() => {
            let text = String::from_utf8(output.stdout).unwrap();
            let (cases, tests) = text.trim().split_once(' ').unwrap();
            assert_eq!(cases, tests);
        }
        Ok(output) if output.status.code() != Some(77) => {
            panic!("{}", String::from_utf8_lossy(&output.stderr))
        }
        _ => eprintln!("skipped: no junitparser on this machine"),
    }
}
