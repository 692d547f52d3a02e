//! `k8sverify graph` in every format on every labelled compose file: it prints, what it prints is well-formed, and in the picture no
//! box lies on another one or outside of the page.
#![expect(clippy::unwrap_used, reason = "a test may fail by unwrapping")]

use std::path::{Path, PathBuf};
use std::process::Command;

/// The compose files of this repository, and those beside it.
fn files() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    for folder in [
        root.join("tests/fixtures/compose"),
        root.join("../shared/corpus"),
    ] {
        // The second one is not everywhere.
        let Ok(table) = std::fs::read_to_string(folder.join("edges.tsv")) else {
            continue;
        };
        for row in table.lines().skip(1) {
            let mut columns = row.split('\t');
            let (id, path) = (columns.next().unwrap(), columns.next().unwrap());
            found.push(folder.join(id).join(path));
        }
    }
    assert!(found.len() >= 25, "the labelled files are here");
    found
}

fn printed(file: &Path, format: &str) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_k8sverify"))
        .args(["graph", "--format", format, "--compose"])
        .arg(file)
        .current_dir(file.parent().unwrap())
        .env_remove("COMPOSE_PROFILES")
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success() && !text.is_empty(),
        "{} as {format}: {}",
        file.display(),
        String::from_utf8_lossy(&output.stderr)
    );
    text
}

#[derive(Debug)]
struct Rectangle {
    x: f64,
    y: f64,
    width: f64,
    height: f64,
}

fn boxes(svg: &roxmltree::Document<'_>) -> Vec<Rectangle> {
    svg.descendants()
        .filter(|node| node.has_tag_name("rect"))
        .map(|node| {
            let number = |name: &str| node.attribute(name).unwrap().parse::<f64>().unwrap();
            Rectangle {
                x: number("x"),
                y: number("y"),
                width: number("width"),
                height: number("height"),
            }
        })
        .collect()
}

/// What each colour and stroke means stands under the boxes: every kind that is drawn, and no other.
fn legend(svg: &roxmltree::Document<'_>, boxes: &[Rectangle], shown: &str) {
    let words = |key: bool| {
        svg.descendants()
            .filter_map(|node| node.attribute("class"))
            .filter(|class| class.starts_with("arrow ") && class.contains(" key ") == key)
            .flat_map(|class| class.split(' ').skip(1))
            .filter(|word| !["key", "back"].contains(word))
            .collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!(words(false), words(true), "{shown}");
    let lowest = boxes
        .iter()
        .map(|one| one.y + one.height)
        .fold(0.0, f64::max);
    for key in svg.descendants().filter(|node| {
        node.attribute("class")
            .is_some_and(|class| class.contains(" key "))
    }) {
        let text = key
            .children()
            .find(|node| node.has_tag_name("text"))
            .unwrap();
        let y: f64 = text.attribute("y").unwrap().parse().unwrap();
        assert!(y > lowest, "{shown}: the legend lies on the boxes");
    }
}

#[test]
fn every_format_is_printed_and_no_boxes_overlap() {
    for file in files() {
        let shown = file.display();
        let json: serde_json::Value = serde_json::from_str(&printed(&file, "json")).unwrap();
        assert_eq!(json["schema"], "k8sverify/graph/v1", "{shown}");
        let edges = json["edges"].as_array().unwrap().len();
        let dot = printed(&file, "dot");
        assert_eq!(dot.matches(" -> ").count(), edges, "{shown}: {dot}");
        assert!(
            printed(&file, "mermaid").starts_with("flowchart"),
            "{shown}"
        );
        assert!(!printed(&file, "text").contains('\u{1b}'), "{shown}");
        let text = printed(&file, "svg");
        let svg = roxmltree::Document::parse(&text).unwrap();
        let size = |name: &str| {
            svg.root_element()
                .attribute(name)
                .unwrap()
                .parse::<f64>()
                .unwrap()
        };
        let all = boxes(&svg);
        assert!(
            all.len() >= json["tiers"].as_array().map_or(1, Vec::len),
            "{shown}"
        );
        legend(&svg, &all, &shown.to_string());
        for (at, one) in all.iter().enumerate() {
            let inside = one.x >= 0.0
                && one.y >= 0.0
                && one.x + one.width <= size("width")
                && one.y + one.height <= size("height");
            assert!(inside, "{shown}: {one:?} leaves the page");
            for other in &all[at + 1..] {
                let apart = one.x + one.width <= other.x
                    || other.x + other.width <= one.x
                    || one.y + one.height <= other.y
                    || other.y + other.height <= one.y;
                assert!(apart, "{shown}: {one:?} and {other:?}");
            }
        }
    }
}
