//! Every format on the same reports: what a CI server, a browser and a terminal get, also from a hostile cluster and with thousands of edges.
#![expect(clippy::unwrap_used, reason = "a test may fail by unwrapping")]
#![expect(
    clippy::assigning_clones,
    clippy::print_stderr,
    reason = "readable fixtures, and a test says when it skips"
)]

#[path = "reports/browser.rs"]
mod browser;
#[path = "reports/drills.rs"]
mod drills;
#[path = "reports/goldens.rs"]
mod goldens;
#[path = "reports/hostile.rs"]
mod hostile_names;
#[path = "reports/junit_readers.rs"]
mod junit_readers;
#[path = "reports/junit_verdicts.rs"]
mod junit_verdicts;
#[path = "reports/places.rs"]
mod places;
#[path = "reports/scenarios.rs"]
mod scenarios;

use k8sverify::report::console::Style;
use k8sverify::report::{Report, console, github, html, json, markdown};
use unicode_width::UnicodeWidthStr;

use scenarios::{hostile, large, read, story, two_nodes};

fn console(report: &Report, width: usize) -> String {
    let style = Style {
        width,
        ..Style::default()
    };
    console::render(report, style)
}

#[test]
fn hostile_text_breaks_no_format() {
    let report = hostile();
    let page = String::from_utf8(html::render(&report)).unwrap();
    assert!(
        !page.contains("<b onmouseover") && page.matches("</script>").count() == 1,
        "only the page's own script ends"
    );

    let terminal = console(&report, 100);
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
fn every_report_fits_the_published_schema() {
    let schema: serde_json::Value =
        serde_json::from_str(include_str!("../checks/report-v1.schema.json")).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let all = scenarios::ALL.map(read).into_iter();
    for report in all.chain([hostile(), large(100), two_nodes()]) {
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
    let text = console(&story(), 100);
    let (cause, table, verdict) = (
        text.find("✗ service-missing").unwrap(),
        text.find("AP → DB:3306").unwrap(),
        text.find("unhealthy: ").unwrap(),
    );
    assert!(cause < table && table < verdict, "{text}");
    let quiet = Style {
        quiet: true,
        ..Style::default()
    };
    assert_eq!(console::render(&story(), quiet).lines().count(), 1);
}

#[test]
fn no_line_is_wider_than_the_terminal_but_commands_which_are_copied() {
    for report in scenarios::ALL.map(read).into_iter().chain([large(100)]) {
        for width in [80, 100, 140] {
            for verbose in [0, 1] {
                let style = Style {
                    width,
                    verbose,
                    ..Style::default()
                };
                for line in console::render(&report, style).lines() {
                    assert!(
                        line.width() <= width || line.contains("kubectl "),
                        "{width}: {line}"
                    );
                }
            }
        }
    }
}

#[test]
fn a_terminal_without_unicode_or_colour_gets_neither() {
    let ascii = Style {
        unicode: false,
        ..Style::default()
    };
    for report in scenarios::ALL.map(read).into_iter().chain([hostile()]) {
        assert!(console::render(&report, ascii).is_ascii());
    }
    let colour = Style {
        color: true,
        ..Style::default()
    };
    assert!(console::render(&story(), colour).contains("\u{1b}[1;31m"));
    assert!(!console(&story(), 100).contains('\u{1b}'));
}

#[test]
fn a_hundred_edges_stay_readable_and_five_thousand_do_not_flood() {
    let hundred = console(&large(100), 80);
    assert!(
        hundred.contains("edges that work are not listed"),
        "{hundred}"
    );
    assert!(hundred.lines().count() < 60, "{hundred}");
    let working = large(5000)
        .edges
        .iter()
        .filter(|edge| edge.status == k8sverify::probe::wire::StepStatus::Pass)
        .count();
    let text = console(&large(5000), 120);
    assert!(text.contains(&format!("{working} edges that work are not listed")));
}

#[test]
fn a_run_that_asked_no_one_lists_no_edge_and_counts_none() {
    let mut report = story();
    for edge in &mut report.edges {
        edge.status = k8sverify::probe::wire::StepStatus::Skipped;
        edge.cause = None;
        edge.reason = Some("nothing was dialled".to_owned());
        edge.steps.clear();
    }
    let text = console(&report, 100);
    assert!(!text.contains("nothing was dialled"), "{text}");
    assert!(text.contains("unhealthy: 3 causes · "), "{text}");
}

#[test]
fn a_second_node_neither_doubles_the_pods_nor_the_time() {
    let one = console(
        &{
            let mut report = two_nodes();
            report.edges[0].steps.truncate(6);
            report.edges[0].status = k8sverify::probe::wire::StepStatus::Fail;
            report
        },
        100,
    );
    let row = |text: &str| {
        text.lines()
            .find(|line| line.contains("AP → DB"))
            .unwrap()
            .to_owned()
    };
    assert!(row(&one).contains("1/1"), "{one}");
    let mut both = two_nodes();
    both.edges[0].status = k8sverify::probe::wire::StepStatus::Fail;
    let both = console(&both, 100);
    assert!(row(&both).contains("1/2"), "{both}");
}

#[test]
fn every_report_says_what_the_user_changed_and_that_a_run_was_stopped() {
    let texts = |report: &Report| {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        [
            ("console", console(report, 400)),
            ("html", text(html::render(report))),
            (
                "junit",
                text(k8sverify::report::junit::render(report).unwrap()),
            ),
            ("markdown", markdown::render(report)),
            ("github", github::render(report)),
            ("json", text(json::render(report).unwrap())),
        ]
    };
    for (format, text) in texts(&story()) {
        assert!(
            text.contains("service-headless-port"),
            "{format}: a changed severity"
        );
        assert!(
            text.contains("readiness-probe-missing deployment/web"),
            "{format}: an ignored finding"
        );
    }
    for (format, text) in texts(&read("strict")) {
        let said = text.contains("from severity warning on")
            || format == "json" && text.contains("\"fail_on\": \"warning\"");
        assert!(said, "{format}: --fail-on");
    }
    for (format, text) in texts(&read("interrupted")) {
        assert!(text.contains("interrupted by SIGTERM"), "{format}");
    }
}

/// Weak and optional edges stand apart in all of them, and what has no result is not said to fail.
#[test]
fn every_format_counts_the_same_edges() {
    use k8sverify::probe::wire::StepStatus;
    use k8sverify::report::{EdgeCounts, VerdictValue, junit};
    let mut blind = story();
    for edge in &mut blind.edges {
        edge.status = StepStatus::Unknown;
        edge.cause = None;
        edge.reason = Some("the probe was lost".to_owned());
    }
    blind.summary.edges = EdgeCounts::of(&blind.edges);
    let all = scenarios::ALL.map(read).into_iter().chain([blind.clone()]);
    for report in all {
        let counts = EdgeCounts::of(&report.edges);
        assert_eq!(report.summary.edges, counts, "JSON");
        let mut apart = String::new();
        for (number, what) in [(counts.weak, "weak"), (counts.optional, "optional")] {
            if number > 0 {
                apart += &format!(", {number} {what}");
            }
        }
        let firm = counts.pass + counts.fail + counts.unknown + counts.skipped;
        let plural = if firm == 1 { "" } else { "s" };
        let head = format!("{firm} edge{plural}{apart}");
        let by_status = format!(
            "{} pass, {} fail, {} unknown, {} skipped{apart}",
            counts.pass, counts.fail, counts.unknown, counts.skipped
        );
        assert!(console(&report, 400).contains(&head), "console: {head}");
        assert!(markdown::render(&report).contains(&by_status), "Markdown");
        assert!(github::render(&report).contains(&by_status), "GitHub");
        let junit = String::from_utf8(junit::render(&report).unwrap()).unwrap();
        assert!(junit.contains(&format!("value=\"{by_status}\"")), "JUnit");
        let page = String::from_utf8(html::render(&report)).unwrap();
        for (number, what) in [
            (counts.pass, "pass"),
            (counts.fail, "fail"),
            (counts.unknown, "unknown"),
            (counts.skipped, "skipped"),
        ] {
            assert!(
                page.contains(&format!("<b>{number}</b> {what}")),
                "HTML: {what}"
            );
        }
    }
    let text = console(&blind, 400);
    assert!(!text.contains("0 of 4"), "{text}");
    assert!(
        text.contains("3 causes; 4 of 4 edges without a result"),
        "{text}"
    );
    assert_eq!(blind.verdict, VerdictValue::Fail);
}
