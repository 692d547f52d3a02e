//! JUnit files as their consumers read them: Jenkins' schema by xmllint, and two readers of Python, where these are installed; roxmltree and quick-xml
//! always.

use std::path::{Path, PathBuf};
use std::process::Command;

use k8sverify::finding::Severity;
use k8sverify::report::{Report, VerdictValue, junit};

use crate::scenarios::{self, hostile, large, story};

/// What a CI server reads of a JUnit file: tests, failures, errors, skipped, as the suites say and as the cases are.
pub(crate) fn counts(bytes: &[u8]) -> ([usize; 4], [usize; 4]) {
    let document = roxmltree::Document::parse(std::str::from_utf8(bytes).unwrap()).unwrap();
    let mut said = [0; 4];
    for suite in document
        .descendants()
        .filter(|node| node.has_tag_name("testsuite"))
    {
        for (sum, name) in said
            .iter_mut()
            .zip(["tests", "failures", "errors", "skipped"])
        {
            *sum += suite.attribute(name).unwrap().parse::<usize>().unwrap();
        }
    }
    let root = document.root_element();
    for (sum, name) in said.iter().zip(["tests", "failures", "errors"]) {
        assert_eq!(
            root.attribute(name).unwrap(),
            sum.to_string(),
            "{name} of the root"
        );
    }
    let with = |tag: &str| {
        document
            .descendants()
            .filter(|node| node.has_tag_name(tag))
            .count()
    };
    (said, ["testcase", "failure", "error", "skipped"].map(with))
}

/// The same, counted by the events of a second parser.
fn counts_by_events(bytes: &[u8]) -> [usize; 4] {
    use quick_xml::events::Event;
    let mut reader = quick_xml::Reader::from_reader(bytes);
    let mut counts = [0; 4];
    loop {
        match reader.read_event().unwrap() {
            Event::Eof => return counts,
            Event::Start(start) | Event::Empty(start) => {
                let tags: [&[u8]; 4] = [b"testcase", b"failure", b"error", b"skipped"];
                for (count, tag) in counts.iter_mut().zip(tags) {
                    *count += usize::from(start.name().as_ref() == tag);
                }
            }
            _ => {}
        }
    }
}

/// Every report that a consumer is given in these tests.
fn all() -> Vec<(String, Report)> {
    scenarios::ALL
        .iter()
        .map(|name| ((*name).to_owned(), scenarios::read(name)))
        .chain([
            ("hostile".to_owned(), hostile()),
            ("large".to_owned(), large(5000)),
        ])
        .collect()
}

fn written(folder: &Path, name: &str, report: &Report) -> (PathBuf, Vec<u8>) {
    let bytes = junit::render(report).unwrap();
    let path = folder.join(format!("{name}.xml"));
    std::fs::write(&path, &bytes).unwrap();
    (path, bytes)
}

#[test]
fn totals_are_those_of_the_cases_for_two_parsers() {
    for (name, report) in all() {
        let bytes = junit::render(&report).unwrap();
        let (said, seen) = counts(&bytes);
        assert_eq!(said, seen, "{name}");
        assert_eq!(counts_by_events(&bytes), seen, "{name}");
        assert!(!bytes.contains(&0x1b) && !bytes.contains(&0), "{name}");
        assert!(bytes.len() < 30_000_000, "GitLab takes no more");
        let red = seen[1] + seen[2] > 0;
        assert_eq!(
            red,
            report.verdict != VerdictValue::Pass,
            "{name}: a reader of JUnit sees the verdict"
        );
    }
}

#[test]
fn a_failure_holds_cause_evidence_and_fix_and_a_consequence_names_its_cause() {
    let bytes = junit::render(&story()).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    let document = roxmltree::Document::parse(&text).unwrap();
    let case = |name: &str| {
        document
            .descendants()
            .find(|node| node.attribute("name") == Some(name))
            .unwrap()
    };
    let name = document
        .descendants()
        .find(|node| node.attribute("classname") == Some("k8sverify.names.DB"))
        .unwrap();
    let body = name.first_element_child().unwrap();
    assert!(body.has_tag_name("failure"));
    assert_eq!(body.attribute("type"), Some("service-missing"));
    assert!(
        body.attribute("message")
            .unwrap()
            .contains("no Service selects it: the name DB does not exist"),
        "the sentence stands where a reader looks"
    );
    let edge = case("AP->DB:3306/mysql");
    assert_eq!(
        edge.attribute("classname"),
        Some("k8sverify.connectivity.AP")
    );
    let follows = edge.first_element_child().unwrap();
    assert!(follows.has_tag_name("skipped"));
    assert_eq!(
        follows.attribute("message"),
        Some("because of service-missing deployment/db, which fails at k8sverify.names.DB DB")
    );
    for part in [
        "is Running, and no Service selects it",
        "seen: ",
        "NXDOMAIN",
        "kubectl --namespace=default expose",
        "kind: Service",
    ] {
        assert!(body.text().unwrap().contains(part), "{part}");
    }
    let probes =
        |node: &roxmltree::Node<'_, '_>| node.attribute("classname") == Some("k8sverify.probes.AP");
    let follows = document.descendants().find(probes).unwrap();
    let follows = follows.first_element_child().unwrap();
    assert!(follows.has_tag_name("skipped"));
    assert!(
        follows
            .attribute("message")
            .unwrap()
            .contains("because of service-missing deployment/db")
    );
    assert!(
        case("WEB->DB:3306/mysql")
            .first_element_child()
            .unwrap()
            .has_tag_name("skipped")
    );
    let property = |name| case(name).attribute("value");
    assert_eq!(property("k8sverify.cluster"), Some("kind-ci"));
    assert_eq!(property("k8sverify.namespace"), Some("default"));
    assert_eq!(
        property("k8sverify.severity_overrides"),
        Some("liveness-probe-missing=info service-headless-port=off")
    );
    assert!(
        !text.contains("package="),
        "Jenkins would put it before every name"
    );
}

#[test]
fn names_are_the_same_in_every_run_so_that_history_works() {
    let names = |report: &Report| -> Vec<(String, String)> {
        let text = String::from_utf8(junit::render(report).unwrap()).unwrap();
        let document = roxmltree::Document::parse(&text).unwrap();
        document
            .descendants()
            .filter(|node| node.has_tag_name("testcase"))
            .map(|node| {
                let get = |name| node.attribute(name).unwrap().to_owned();
                (get("classname"), get("name"))
            })
            .collect()
    };
    let before = names(&story());
    let mut fixed = story();
    for edge in &mut fixed.edges {
        edge.status = k8sverify::probe::wire::StepStatus::Pass;
        edge.cause = None;
        edge.steps.clear();
    }
    // Their objects are workloads, which have a case with and without a finding.
    fixed
        .findings
        .retain(|finding| finding.object.starts_with("networkpolicy/"));
    assert_eq!(before, names(&fixed));
}

#[test]
fn a_warning_fails_only_if_it_fails_the_run_and_else_is_a_passed_case_with_output() {
    let strict = Report {
        fail_on: Severity::Warning,
        ..story()
    };
    let failures = |report: &Report| counts(&junit::render(report).unwrap()).1[1];
    assert!(failures(&strict) > failures(&story()));
    let text = String::from_utf8(junit::render(&story()).unwrap()).unwrap();
    let document = roxmltree::Document::parse(&text).unwrap();
    let case = document
        .descendants()
        .find(|node| node.attribute("classname") == Some("k8sverify.probes.KVS"))
        .unwrap();
    let output = case.first_element_child().unwrap();
    assert!(
        output.has_tag_name("system-out")
            && output.text().unwrap().contains("readiness-probe-missing")
    );
}

#[test]
fn one_cause_is_one_failure() {
    let report = story();
    let causes = report
        .findings
        .iter()
        .filter(|finding| finding.severity == Severity::Error && finding.caused_by.is_none());
    assert_eq!(
        counts(&junit::render(&report).unwrap()).1[1],
        causes.count()
    );
}

#[test]
fn a_run_without_any_edge_is_red() {
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

/// The schema of Jenkins' xUnit plugin, and that no two cases share class and name.
#[test]
fn the_schema_that_jenkins_uses_accepts_every_file() {
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/junit/jenkins.xsd");
    let folder = tempfile::tempdir().unwrap();
    let validate = |path: &Path| {
        Command::new("xmllint")
            .args(["--huge", "--noout", "--schema"])
            .args([schema.as_path(), path])
            .output()
    };
    for (name, report) in all() {
        let (path, bytes) = written(folder.path(), &name, &report);
        let Ok(output) = validate(&path) else {
            eprintln!("skipped: no xmllint on this machine");
            return;
        };
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{name}: {said}");
        let wrong = String::from_utf8(bytes)
            .unwrap()
            .replacen(" failures=", " skippedd=", 1);
        std::fs::write(&path, wrong).unwrap();
        assert!(
            !validate(&path).unwrap().status.success(),
            "the schema refuses what it does not know"
        );
    }
}

/// Two more readers, of which one is a library that CI tools use.
#[test]
fn readers_of_another_language_count_the_same() {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/junit/read.py");
    let folder = tempfile::tempdir().unwrap();
    for (name, report) in all() {
        let (path, bytes) = written(folder.path(), &name, &report);
        let seen = counts(&bytes).1.map(|number| number.to_string()).join(" ");
        match Command::new("python3").args([&program, &path]).output() {
            Ok(output) if output.status.success() => {
                let text = String::from_utf8(output.stdout).unwrap();
                let expected = format!("etree {seen}\njunitparser {seen}\n");
                assert_eq!(text, expected, "{name}");
            }
            Ok(output) if output.status.code() != Some(77) => {
                panic!("{name}: {}", String::from_utf8_lossy(&output.stderr))
            }
            _ => {
                eprintln!("skipped: no Python with junitparser on this machine");
                return;
            }
        }
    }
}
