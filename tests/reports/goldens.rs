//! What each format looks like on each scenario, compared with files in `tests/goldens`. `UPDATE_GOLDENS=1` writes them again; the difference is then read
//! in the version control. Times are those of the fixtures.

use std::path::Path;

use k8sverify::report::console::Style;
use k8sverify::report::{Report, console, github, html, json, junit, markdown};

use crate::scenarios;

#[test]
fn every_format_looks_as_it_did() {
    let update = std::env::var_os("UPDATE_GOLDENS").is_some();
    let mut different = Vec::new();
    for name in scenarios::ALL {
        let report = scenarios::read(name);
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/goldens")
            .join(name);
        if update {
            std::fs::create_dir_all(&folder).unwrap();
        }
        for (file, text) in rendered(&report) {
            let path = folder.join(file);
            if update {
                std::fs::write(&path, &text).unwrap();
            } else if std::fs::read_to_string(&path).unwrap_or_default() != text {
                different.push(format!("{name}/{file}"));
            }
        }
    }
    assert!(
        different.is_empty(),
        "changed: {different:?}; look at them with UPDATE_GOLDENS=1 and the version control"
    );
}

#[test]
fn json_is_the_report_as_it_was_read() {
    for name in scenarios::ALL {
        let bytes = json::render(&scenarios::read(name)).unwrap();
        if std::env::var_os("UPDATE_GOLDENS").is_some() {
            std::fs::write(scenarios::path(name), &bytes).unwrap();
        }
        let file = std::fs::read_to_string(scenarios::path(name)).unwrap();
        assert_eq!(String::from_utf8(bytes).unwrap(), file, "{name}");
    }
}

fn rendered(report: &Report) -> Vec<(&'static str, String)> {
    let console = |width, verbose, unicode| {
        let style = Style {
            width,
            verbose,
            unicode,
            ..Style::default()
        };
        console::render(report, style)
    };
    let colour = Style {
        color: true,
        ..Style::default()
    };
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    vec![
        ("console-80.txt", console(80, 0, true)),
        ("console-140.txt", console(140, 0, true)),
        ("console-verbose.txt", console(100, 1, true)),
        ("console-ascii.txt", console(80, 0, false)),
        // Escapes are readable in a diff as `\u{1b}`.
        (
            "console-colour.txt",
            console::render(report, colour).replace('\u{1b}', "\\e"),
        ),
        ("junit.xml", text(junit::render(report).unwrap())),
        ("report.html", page(&text(html::render(report)))),
        ("report.md", markdown::render(report)),
        ("github.txt", github::render(report)),
    ]
}

/// The page without its style, script and their digests, and with a line for each block, so that a difference can be read.
fn page(text: &str) -> String {
    let mut text = text.to_owned();
    for (start, end) in [
        ("<style>", "</style>"),
        ("<script>", "</script>"),
        ("<meta http-equiv", ">"),
    ] {
        let from = text.find(start).unwrap();
        let to = from + text[from..].find(end).unwrap();
        text.replace_range(from + start.len()..to, "");
    }
    for tag in [
        "<section",
        "<details",
        "<li",
        "<tr",
        "<p",
        "<h2",
        "<h3",
        "<g ",
        "<div",
        "</section",
        "<dt",
        "<main",
        "<svg",
    ] {
        text = text.replace(tag, &format!("\n{tag}"));
    }
    text + "\n"
}
