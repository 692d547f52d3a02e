//! Names that a tenant of the cluster chooses, in every place of a report where text of the cluster stands, through every format.

use std::collections::BTreeSet;

use k8sverify::finding::Fix;
use k8sverify::report::console::Style;
use k8sverify::report::{Report, console, github, html, json, junit, markdown};
use k8sverify::sanitise;
use k8sverify::shell::{Command, is_hidden};

use serde_json::Value;

use super::scenarios::story;

/// Each begins or ends something for some reader.
const NAMES: [&str; 16] = [
    "::error::x",
    "  ::stop-commands::x",
    "x\n::error::y",
    "x BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB ::add-mask::z",
    "a ##[add-mask]b ##vso[task]c",
    "$(touch${IFS}/tmp/k8sverify-pwned);DB_HOST",
    "`id`",
    "a'b\"c\\d",
    "<script>alert(1)</script>",
    "</details></code></pre>",
    "a | b || c",
    "```\n````\n# heading\n/close @all ![x](https://evil.example)",
    "x\u{1b}[2J\u{1b}]0;title\u{7}\u{9b}31m\u{202e}\u{200b}\u{0}\r",
    "]]> --> {{7*7}} ${x} %0A::error::",
    "@everyone #1 !2 ~label %milestone $x$ www.evil.example http://evil.example",
    "--kubeconfig=/tmp/x",
];

/// The story with the name wherever text of the cluster stands.
fn named(name: &str) -> Report {
    let mut report = story();
    let text = || name.to_owned();
    (report.cluster, report.namespace) = (text(), text());
    report.input = vec![text()];
    report.notes = vec![text()];
    report.outside = vec![text()];
    for edge in &mut report.edges {
        (edge.from, edge.to, edge.host) = (text(), text(), text());
        (edge.origin, edge.reason) = (vec![text().into()], Some(text()));
        for step in &mut edge.steps {
            (step.detail, step.target, step.endpoint) = (text(), text(), Some(text()));
        }
    }
    for finding in &mut report.findings {
        (finding.object, finding.namespace, finding.message) = (text(), text(), text());
        finding.evidence = vec![text()];
        finding.fix = Some(Fix {
            text: text(),
            command: Some(Command::kubectl(name, &["get", name])),
            manifest: Some(format!("kind: Service\n{name}\n")),
        });
    }
    report
}

/// Everything at once.
const ALL: &str = "x</script><img src=x onerror=1>\u{1b}]0;o\u{7}\u{1b}[2J\u{9b}1m\u{202e}y\n::error::z\n##[error]q\r\n|a|b|\n# H\n[l](javascript:1) `c` \"' ]]> $(id)\u{0}";

/// The report with that text in every place that takes any text, by the names of its fields.
pub(crate) fn poisoned<T: serde::de::DeserializeOwned>(report: &str) -> T {
    with(report, ALL)
}

/// The same with a text of one's own.
fn with<T: serde::de::DeserializeOwned>(report: &str, own: &str) -> T {
    let mut report: Value = serde_json::from_str(report).unwrap();
    let mut fields = BTreeSet::new();
    visit(&mut report, "", &mut |field, _| {
        fields.insert(field.to_owned());
    });
    let mut changed = 0;
    for field in &fields {
        let mut tried = report.clone();
        visit(&mut tried, "", &mut |name, text| {
            if name == field {
                text.push_str(own);
            }
        });
        if serde_json::from_value::<T>(tried.clone()).is_ok() {
            report = tried;
            changed += 1;
        }
    }
    assert!(2 * changed > fields.len(), "{changed} of {}", fields.len());
    serde_json::from_value(report).unwrap()
}

fn visit(value: &mut Value, field: &str, each: &mut dyn FnMut(&str, &mut String)) {
    match value {
        Value::String(text) => each(field, text),
        Value::Array(items) => items.iter_mut().for_each(|item| visit(item, field, each)),
        Value::Object(fields) => {
            let outer = field.rsplit('/').next().unwrap_or_default().to_owned();
            for (name, inner) in fields {
                visit(inner, &format!("{outer}/{name}"), each);
            }
        }
        _ => {}
    }
}

/// Every format of a report in which each text is [`ALL`], the GitHub commands aside: text for people, then what a machine reads.
pub(crate) fn assert_is_text(format: &str, text: &str) {
    let hidden = |letter: char| is_hidden(letter) && letter != '\n';
    if let Some(at) = text.find(hidden) {
        panic!("{format}: a hidden character after {:?}", before(text, at));
    }
    assert_no_commands(format, &sanitise::without_commands(text));
    let shown = match format {
        "markdown" => prose(text),
        "html" => text.to_owned(),
        _ => return,
    };
    if let Some(at) = shown.find("<img src=x") {
        panic!("{format}: a tag after {:?}", before(&shown, at));
    }
}

fn before(text: &str, at: usize) -> &str {
    let from = text[..at].char_indices().rev().nth(120);
    &text[from.map_or(0, |(from, _)| from)..at]
}

/// Each of the recorded reports with that text in every field.
fn reports(text: &str) -> Vec<Report> {
    [
        include_str!("../fixtures/reports/story.json"),
        include_str!("../fixtures/reports/blocked.json"),
        include_str!("../fixtures/reports/interrupted.json"),
        include_str!("../fixtures/reports/strict.json"),
    ]
    .map(|report| with(report, text))
    .into()
}

#[test]
fn no_field_of_a_report_is_more_than_text_in_any_format() {
    for report in reports(ALL) {
        for verbose in [0, 1] {
            let style = Style {
                verbose,
                ..Style::default()
            };
            assert_is_text("console", &console::render(&report, style));
        }
        assert_is_text("markdown", &markdown::render(&report));
        let page = String::from_utf8(html::render(&report)).unwrap();
        assert_is_text("html", &page);
        let junit = String::from_utf8(junit::render(&report).unwrap()).unwrap();
        assert_is_text("junit", &junit);
        roxmltree::Document::parse(&junit).unwrap();
    }
}

/// The tags of a page with the names of their attributes, and what those that lead somewhere hold.
fn bones(page: &str) -> (Vec<String>, Vec<String>) {
    let (mut tags, mut links) = (Vec::new(), Vec::new());
    // The page's own script is no markup.
    let mut rest = page.split("<script>").next().unwrap();
    while let Some((_, tag)) = rest.split_once('<') {
        let end = tag
            .char_indices()
            .scan(false, |quoted, (at, letter)| {
                *quoted ^= letter == '"';
                Some((at, letter == '>' && !*quoted))
            })
            .find_map(|(at, ends)| ends.then_some(at))
            .unwrap_or_else(|| panic!("a tag without an end: {:?}", &tag[..tag.len().min(200)]));
        let mut bone = String::new();
        for (index, piece) in tag[..end].split('"').enumerate() {
            if index % 2 == 0 {
                bone += piece;
            } else if bone.ends_with("href=") || bone.ends_with("src=") {
                links.push(piece.to_owned());
            }
        }
        // Backticks in a message mark code.
        if !["code", "/code"].contains(&bone.as_str()) {
            tags.push(bone);
        }
        rest = &tag[end..];
    }
    (tags, links)
}

#[test]
fn no_text_of_a_report_adds_a_tag_an_attribute_or_a_link_to_a_page() {
    let page = |report: &Report| String::from_utf8(html::render(report)).unwrap();
    for name in NAMES.iter().chain([
        &ALL,
        &"\" onfocus=alert(1) x=\"",
        &"' a='",
        &"\u{1}\" href=\"//x",
    ]) {
        for (plain, report) in reports("x").iter().zip(reports(name)) {
            let (tags, links) = bones(&page(&report));
            let (wanted, known) = bones(&page(plain));
            let other = tags.iter().zip(&wanted).find(|(tag, wanted)| tag != wanted);
            assert_eq!(other, None, "{name}");
            assert_eq!((tags.len(), links), (wanted.len(), known), "{name}");
        }
    }
}

/// What `GitHub`, Azure and `TeamCity` would do something for.
fn assert_no_commands(format: &str, text: &str) {
    for line in text.lines() {
        let mut rest = line.trim_start();
        while let Some((_, behind)) = rest
            .strip_prefix("\u{1b}[")
            .and_then(|colour| colour.split_once('m'))
        {
            rest = behind.trim_start();
        }
        assert!(!rest.starts_with("::"), "{format}: {line:?}");
        for mark in ["##[", "##vso["] {
            assert!(!line.contains(mark), "{format}: {line:?}");
        }
    }
}

/// Markdown without its fences and code spans, each of which has to end where it should.
fn prose(text: &str) -> String {
    let mut out = String::new();
    let mut open: Option<usize> = None;
    for line in text.lines() {
        let ticks = line.len() - line.trim_start_matches('`').len();
        match open {
            Some(length) if ticks >= length && line.trim_matches('`').is_empty() => open = None,
            Some(_) => {}
            None if ticks >= 3 => open = Some(ticks),
            None => {
                out.extend(line.split('`').step_by(2));
                out.push('\n');
            }
        }
    }
    assert_eq!(open, None, "a fence stays open: {text}");
    out
}

#[test]
fn no_name_of_a_tenant_is_more_than_text_in_any_report() {
    for name in NAMES {
        let report = named(name);
        for (color, verbose, unicode) in [(false, 1, true), (true, 1, false), (false, 0, true)] {
            let style = Style {
                color,
                verbose,
                unicode,
                ..Style::default()
            };
            let text = console::render(&report, style);
            assert_no_commands("console", &text);
            let hidden = |letter: char| is_hidden(letter) && letter != '\n';
            assert!(color || !text.contains(hidden), "{text:?}");
        }
        let text = markdown::render(&report);
        assert_no_commands("markdown", &text);
        let text = prose(&text);
        for markup in [
            "<script",
            "</code></pre>",
            "[x](",
            "http://",
            "www.",
            "@",
            "$x",
        ] {
            assert!(!text.contains(markup), "{markup} in {text}");
        }
        assert!(!text.lines().any(|line| line.starts_with('/')), "{text}");
        for line in github::render(&report).lines() {
            let level = line.split(' ').next().unwrap_or_default();
            assert!(
                ["::error", "::warning", "::notice"].contains(&level),
                "{line}"
            );
        }
        let text = String::from_utf8(junit::render(&report).unwrap()).unwrap();
        assert_no_commands("junit", &text);
        let document = roxmltree::Document::parse(&text).unwrap();
        assert!(
            document
                .descendants()
                .all(|node| !node.has_tag_name("script"))
        );
        let page = String::from_utf8(html::render(&report)).unwrap();
        assert!(!page.contains("<script>alert") && !page.contains("</code></pre>"));
        let read: Report = serde_json::from_slice(&json::render(&report).unwrap()).unwrap();
        assert_eq!(read, report);
    }
}
