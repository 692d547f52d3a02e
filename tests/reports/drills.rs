//! The report of a drill in every format: the story's table, a hostile one, and one that measured nothing.

use std::process::Command;

use k8sverify::report::VerdictValue;
use k8sverify::report::console::Style;
use k8sverify::report::drill::{self, DrillReport};
use unicode_width::UnicodeWidthStr;

use crate::hostile_names::{assert_is_text, poisoned};
use crate::junit_readers::counts;
use crate::scenarios::HOSTILE;

const STORY: &str = include_str!("../fixtures/drill/story.json");

fn story() -> DrillReport {
    serde_json::from_str(STORY).unwrap()
}

/// Everything that comes from a cluster or a user's file wants to break its reader.
fn hostile() -> DrillReport {
    let mut report = story();
    let bad = |text: &mut String| *text = format!("{text}{HOSTILE}");
    bad(&mut report.cluster);
    bad(&mut report.namespace);
    report.notes = vec![HOSTILE.to_owned()];
    for candidate in &mut report.candidates {
        bad(&mut candidate.name);
        candidate.refusals = vec![HOSTILE.to_owned()];
        candidate.volumes = vec![HOSTILE.to_owned()];
        candidate.members.iter_mut().for_each(bad);
        candidate
            .cells
            .iter_mut()
            .for_each(|cell| bad(&mut cell.text));
        for fault in &mut candidate.faults {
            for limit in &mut fault.limits {
                bad(&mut limit.detail);
            }
            for round in &mut fault.rounds {
                bad(&mut round.ended);
                round.victims.iter_mut().for_each(bad);
                let picture = round.picture.as_mut().unwrap();
                picture
                    .lanes
                    .iter_mut()
                    .for_each(|lane| bad(&mut lane.name));
                picture
                    .marks
                    .iter_mut()
                    .for_each(|mark| bad(&mut mark.text));
            }
        }
    }
    for finding in &mut report.findings {
        bad(&mut finding.candidate);
        bad(&mut finding.message);
        finding.evidence.iter_mut().for_each(bad);
    }
    report
}

/// A drill that was stopped before its first round.
fn nothing() -> DrillReport {
    let mut report = story();
    report.verdict = VerdictValue::Unknown;
    report.exit_code = 3;
    report.candidates.clear();
    report.findings.clear();
    report
}

#[test]
fn every_drill_fits_its_schema_and_a_wrong_one_does_not() {
    let schema: serde_json::Value =
        serde_json::from_str(include_str!("../../checks/drill-v1.schema.json")).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for report in [story(), hostile(), nothing()] {
        let bytes = drill::json(&report).unwrap();
        let value: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        let errors: Vec<String> = validator
            .iter_errors(&value)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{errors:?}");
        let back: DrillReport = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(back, report);
    }
    for path in [
        "/verdict",
        "/candidates/0/faults/0/rounds/0/numbers/lost/value",
        "/findings/0/code",
    ] {
        let mut wrong = serde_json::to_value(story()).unwrap();
        *wrong.pointer_mut(path).unwrap() = "fine".into();
        assert!(!validator.is_valid(&wrong), "{path}");
    }
}

#[test]
fn junit_has_a_case_for_each_candidate_fault_and_limit() {
    let folder = tempfile::tempdir().unwrap();
    let schema = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/fixtures/junit/jenkins.xsd"
    );
    for (name, report) in [
        ("story", story()),
        ("hostile", hostile()),
        ("nothing", nothing()),
    ] {
        let bytes = drill::junit(&report).unwrap();
        let (said, seen) = counts(&bytes);
        assert_eq!(said, seen, "{name}");
        assert!(
            seen[1] + seen[2] > 0,
            "{name}: a reader of JUnit sees the verdict"
        );
        let path = folder.path().join(format!("{name}.xml"));
        std::fs::write(&path, &bytes).unwrap();
        let run = Command::new("xmllint")
            .args(["--noout", "--schema", schema])
            .arg(&path)
            .output();
        match run {
            Ok(run) => assert!(
                run.status.success(),
                "{name}: {}",
                String::from_utf8_lossy(&run.stderr)
            ),
            Err(_) => eprintln!("skipped: no xmllint on this machine"),
        }
    }
    let text = String::from_utf8(drill::junit(&story()).unwrap()).unwrap();
    let document = roxmltree::Document::parse(&text).unwrap();
    let case = document
        .descendants()
        .find(|node| {
            node.attribute("classname") == Some("k8sverify.drill.mysql-operator.delete primary")
                && node.attribute("name") == Some("recovers")
        })
        .unwrap();
    let failure = case.first_element_child().unwrap();
    assert!(failure.has_tag_name("failure"));
    assert!(failure.text().unwrap().contains("sys_operator.heartbeat"));
}

#[test]
fn the_page_runs_nothing_and_shows_a_timeline_for_each_round() {
    let page = String::from_utf8(drill::html(&story())).unwrap();
    assert!(page.contains("default-src 'none'") && !page.contains("<script"));
    let rounds: usize = story()
        .candidates
        .iter()
        .flat_map(|candidate| &candidate.faults)
        .map(|fault| fault.rounds.len())
        .sum();
    assert_eq!(page.matches("<figure class=\"timeline\">").count(), rounds);
    for part in [
        "rect class=\"acked\"",
        "rect class=\"refused\"",
        "class=\"fault\"",
        "Pod db is Ready",
    ] {
        assert!(page.contains(part), "{part}");
    }
    let page = String::from_utf8(drill::html(&hostile())).unwrap();
    assert!(!page.contains("<b onmouseover") && !page.contains("</script>"));
    assert!(!page.contains('\u{202e}') && !page.contains('\u{1b}'));
    assert!(!drill::html(&nothing()).is_empty());
}

#[test]
fn the_console_fits_its_width_and_ends_with_the_verdict() {
    for (report, width) in [(story(), 80), (story(), 120), (hostile(), 100)] {
        let style = Style {
            width,
            ..Style::default()
        };
        let text = drill::console(&report, style);
        assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}'));
        for line in text.lines() {
            // A word that is longer than a line stands alone.
            let longest = line
                .split(' ')
                .map(UnicodeWidthStr::width)
                .max()
                .unwrap_or(0);
            assert!(line.width() <= width.max(longest + 34), "{width}: {line}");
        }
    }
    let text = drill::console(&story(), Style::default());
    let at = |part: &str| {
        text.find(part)
            .unwrap_or_else(|| panic!("{part} in {text}"))
    };
    assert!(at("✗ drill-expected-table-missing") < at("overall"));
    assert!(at("overall") < at("limits broken"));
    assert!(text.contains("0 lost in 3 rounds does not exclude a loss in up to 63 %"));
    assert!(text.contains("15.0 writes a second"));
    let quiet = Style {
        quiet: true,
        ..Style::default()
    };
    assert_eq!(drill::console(&story(), quiet).lines().count(), 1);
    let ascii = Style {
        unicode: false,
        ..Style::default()
    };
    assert!(drill::console(&story(), ascii).is_ascii());
}

#[test]
fn markdown_keeps_its_table_whatever_stands_in_it() {
    let text = drill::markdown(&hostile());
    assert!(!text.contains("<b onmouseover"));
    let mut rows = text.lines().skip_while(|line| !line.starts_with("| |"));
    // A bar within a cell is written behind a backslash.
    let columns = |line: &str| line.replace("\\|", "").matches('|').count();
    let head = columns(rows.next().unwrap());
    assert_eq!(head, story().candidates.len() + 2);
    for row in rows.take_while(|line| line.starts_with('|')) {
        assert_eq!(columns(row), head, "{row}");
    }
}

#[test]
fn no_field_of_a_drill_is_more_than_text_in_any_format() {
    let report: DrillReport = poisoned(STORY);
    for report in [
        drill::compare(std::slice::from_ref(&report), None, "0.1.0"),
        report,
    ] {
        let style = Style {
            verbose: 1,
            ..Style::default()
        };
        let utf8 = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        assert_is_text("console", &drill::console(&report, style));
        assert_is_text("markdown", &drill::markdown(&report));
        assert_is_text("html", &utf8(drill::html(&report)));
        assert_is_text("junit", &utf8(drill::junit(&report).unwrap()));
    }
}
