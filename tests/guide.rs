//! The pages that people read: the generated ones are what the tables say, each `k8sverify` command is one that the tool takes, those
//! that need no cluster run, and no link leads nowhere. `K8SVERIFY_UPDATE_GUIDE=1` writes the generated pages.
#![expect(clippy::unwrap_used, reason = "a test may fail by unwrapping")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Parser;
use clap::error::ErrorKind;
use k8sverify::catalog::findings::FindingTexts;
use k8sverify::cli::Cli;
use k8sverify::finding::{Code, Section};

/// Commands of the pages that no test can run here, with the reason; they are parsed all the same.
const NOT_RUN: [(&str, &str); 6] = [
    ("verify", "needs a cluster: tests/cluster.rs runs it"),
    ("rbac", "is applied to a cluster: tests/cluster.rs runs it"),
    ("fix", "reads the report of a run: tests/cluster.rs runs it"),
    ("check", "reads manifests that the reader has"),
    ("graph", "reads a compose file that the reader has"),
    ("drill", "needs a cluster and two keys"),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn pages() -> Vec<PathBuf> {
    let mut pages = vec![
        root().join("README.md"),
        root().join("examples/compose-to-kubernetes/README.md"),
    ];
    for folder in ["examples/guide", "examples/ci", ".github"] {
        for entry in std::fs::read_dir(root().join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() && path.extension().is_none_or(|ending| ending != "png") {
                pages.push(path);
            }
        }
    }
    pages.sort();
    pages
}

fn is_generated(page: &str, text: &str) {
    let path = root().join("examples/guide").join(page);
    if std::env::var_os("K8SVERIFY_UPDATE_GUIDE").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == text,
        "{}: not what the tables say; K8SVERIFY_UPDATE_GUIDE=1 cargo test --test guide writes it",
        path.display()
    );
}

#[test]
fn the_page_of_findings_is_what_explain_says() {
    let texts = FindingTexts::shared();
    let mut page = "# Findings\n\nGenerated from `checks/findings.yaml`; `k8sverify explain CODE` prints the same text.\n".to_owned();
    let mut codes = Code::ALL.iter().peekable();
    for (number, (section, title)) in (1..).zip(Section::ALL) {
        page += &format!("\n## {number}. {title}\n");
        while let Some(code) = codes.next_if(|code| code.section() == section) {
            let text = texts.get(*code);
            let one_line = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
            page += &format!(
                "\n### {}\n\n**{}** ({}). {}\n\n*Found by:* {}\n\n*Fix:* {}\n",
                code.name(),
                text.title,
                text.severity,
                one_line(&text.means),
                one_line(&text.found),
                one_line(&text.fix)
            );
        }
    }
    is_generated("findings.md", &page);
}

#[test]
fn the_page_of_the_configuration_is_the_example_that_is_tested() {
    let example = std::fs::read_to_string(root().join("examples/k8sverify.yaml")).unwrap();
    is_generated(
        "configuration.md",
        &format!(
            "# Configuration: `k8sverify.yaml`\n\nEvery key, from [`examples/k8sverify.yaml`](../k8sverify.yaml). An unknown key, tier or edge is an error with\nits line (exit 2); a rule that matches nothing is reported.\n\n```yaml\n{example}```\n"
        ),
    );
}

/// The `k8sverify` commands of a page, as words; what stands for the reader's own value is kept as it is.
fn commands(text: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for line in text.lines() {
        let trimmed = line.trim();
        let in_block = trimmed.trim_start_matches(['$', '#', '-']).trim_start();
        let candidates = if in_block.starts_with("k8sverify ") || in_block.contains("| k8sverify ")
        {
            vec![in_block]
        } else {
            trimmed.split('`').skip(1).step_by(2).collect()
        };
        for candidate in candidates {
            let Some(start) = candidate.find("k8sverify ") else {
                continue;
            };
            if !(start == 0 || candidate[..start].ends_with("| ")) {
                continue;
            }
            let command = candidate[start..]
                .split(['|', ';', '>', '#', '`'])
                .next()
                .unwrap();
            found.push(
                command
                    .split_whitespace()
                    .map(|word| word.trim_matches(['"', '\'', ',']).to_owned())
                    .collect(),
            );
        }
    }
    found
}

#[test]
fn every_command_of_the_pages_is_one_that_the_tool_takes() {
    let mut seen = 0;
    for page in pages() {
        let text = std::fs::read_to_string(&page).unwrap();
        for mut words in commands(&text) {
            // A sample of output, not a command.
            if words
                .get(1)
                .is_some_and(|word| word.starts_with(|first: char| first.is_ascii_digit()))
            {
                continue;
            }
            for word in &mut words {
                if matches!(word.as_str(), "NAME" | "NAMESPACE" | "$NAMESPACE" | "X") {
                    "shop".clone_into(word);
                }
                if word == "NAMESPACE:NAME" {
                    "ci:bot".clone_into(word);
                }
                if word == "CODE" {
                    "service-missing".clone_into(word);
                }
            }
            seen += 1;
            if let Err(error) = Cli::try_parse_from(&words) {
                // `k8sverify check` in a sentence names the command; --help and --version are no errors.
                let named = words.len() == 2 && error.kind() == ErrorKind::MissingRequiredArgument;
                let shown = named || !error.use_stderr();
                assert!(shown, "{}: `{}`: {error}", page.display(), words.join(" "));
            }
        }
    }
    assert!(seen > 20, "only {seen} commands were found");
}

#[test]
fn what_needs_no_cluster_runs() {
    let folder = tempfile::tempdir().unwrap();
    let story = root().join("examples/compose-to-kubernetes");
    let path = folder.path().display().to_string();
    for arguments in [
        &["demo", "--html", &path] as &[&str],
        &["explain", "--list"],
        &["explain", "service-missing"],
        &["graph", "--format", "svg"],
        &["graph", "--format", "mermaid"],
        &["completions", "bash"],
        &["man"],
        &["rbac", "--namespace", "shop"],
    ] {
        let run = Command::new(env!("CARGO_BIN_EXE_k8sverify"))
            .args(arguments)
            .current_dir(&story)
            .env("KUBECONFIG", folder.path().join("none"))
            .output()
            .unwrap();
        assert!(
            run.status.success() && !run.stdout.is_empty(),
            "{arguments:?}: {}",
            String::from_utf8_lossy(&run.stderr)
        );
    }
    // Every command of the tool is run above or stands in the list with its reason.
    let run: BTreeSet<&str> = ["demo", "explain", "completions", "man"].into();
    for command in <Cli as clap::CommandFactory>::command().get_subcommands() {
        let name = command.get_name();
        assert!(
            command.is_hide_set()
                || run.contains(name)
                || NOT_RUN
                    .iter()
                    .any(|(listed, reason)| *listed == name && !reason.is_empty())
                || ["sql", "compare"].contains(&name),
            "{name}: neither run nor listed"
        );
    }
}

/// The archive has one name, where it is made, fetched and unpacked.
#[test]
fn the_archive_of_a_release_has_the_name_under_which_it_is_fetched() {
    let read = |path: &str| std::fs::read_to_string(root().join(path)).unwrap();
    for (path, wanted) in [
        (".ci/package", "name=k8sverify-$version-$target\n"),
        (".ci/package", "\"$out/$name.tar.gz\""),
        (
            ".github/actions/verify/action.yml",
            "name=k8sverify-$VERSION-$target\n",
        ),
        (
            ".github/actions/verify/action.yml",
            "\"$SERVER/$REPOSITORY/releases/download/v$VERSION/$file\"",
        ),
        (
            "Cargo.toml",
            "pkg-url = \"{ repo }/releases/download/v{ version }/{ name }-{ version }-{ target }.tar.gz\"",
        ),
        (
            "Cargo.toml",
            "bin-dir = \"{ name }-{ version }-{ target }/{ bin }{ binary-ext }\"",
        ),
    ] {
        assert!(read(path).contains(wanted), "{path}: {wanted}");
    }
}

#[test]
fn no_link_leads_nowhere() {
    for page in pages() {
        let text = std::fs::read_to_string(&page).unwrap();
        for rest in text.split("](").skip(1) {
            let target = rest.split([')', '#']).next().unwrap();
            if target.is_empty() || target.contains("://") {
                continue;
            }
            let path = page.parent().unwrap().join(target);
            assert!(path.exists(), "{}: {target} does not exist", page.display());
        }
    }
}
