//! The pages that people read: the generated ones are what the tables say, each `k8sverify` command is one that the tool takes, those
//! that need no cluster run, and no link leads nowhere. `K8SVERIFY_UPDATE_GUIDE=1` writes the generated pages.
#![expect(clippy::unwrap_used, reason = "a test may fail by unwrapping")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Parser;
use clap::error::ErrorKind;
use k8sverify::catalog::findings::FindingTexts;
use k8sverify::cli::{Cli, DEFAULT_IMAGE};
use k8sverify::config;
use k8sverify::finding::{Code, Section};
use serde_json::Value;

/// Commands of the pages that no test can run here, with the reason; they are parsed all the same.
const NOT_RUN: [(&str, &str); 8] = [
    ("verify", "needs a cluster: tests/cluster.rs runs it"),
    ("rbac", "is applied to a cluster: tests/cluster.rs runs it"),
    ("fix", "reads the report of a run: tests/cluster.rs runs it"),
    ("check", "reads manifests that the reader has"),
    ("graph", "reads a compose file that the reader has"),
    (
        "drill",
        "needs a cluster and two keys: tests/cluster.rs runs it",
    ),
    ("sql", "needs a database: tests/cluster.rs runs it"),
    (
        "compare",
        "reads the reports of drills: tests/reports/drills.rs runs it",
    ),
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

fn config_schema() -> Value {
    serde_json::from_str(include_str!("../checks/config-v1.schema.json")).unwrap()
}

/// A part of the schema, with what it refers to in place of the reference; its own description comes first.
fn resolved(schema: &Value, part: &Value) -> Value {
    let Some(name) = part["$ref"].as_str() else {
        return part.clone();
    };
    let mut meant = schema
        .pointer(name.trim_start_matches('#'))
        .unwrap()
        .clone();
    if let Some(description) = part.get("description") {
        meant["description"] = description.clone();
    }
    meant
}

/// A mapping of the file: the text that leads to it, how deep its keys stand, and its part of the schema.
struct Mapping {
    name: String,
    opening: String,
    part: Value,
}

/// Every mapping that a part of the schema allows, itself first.
fn mappings(schema: &Value, part: &Value, name: &str, opening: &str, found: &mut Vec<Mapping>) {
    let part = resolved(schema, part);
    if let Some(properties) = part["properties"].as_object() {
        found.push(Mapping {
            name: name.to_owned(),
            opening: opening.to_owned(),
            part: part.clone(),
        });
        for (key, inner) in properties {
            let name = format!("{name}.{key}");
            mappings(
                schema,
                inner,
                name.trim_start_matches('.'),
                &format!("{opening}{{{key}: "),
                found,
            );
        }
    }
    if let Some(items) = part.get("items") {
        mappings(
            schema,
            items,
            &format!("{name}[]"),
            &format!("{opening}["),
            found,
        );
    }
    if let Some(inner) = part
        .get("additionalProperties")
        .filter(|inner| inner.is_object())
    {
        mappings(
            schema,
            inner,
            &format!("{name}.NAME"),
            &format!("{opening}{{some: "),
            found,
        );
    }
    for choice in part["anyOf"].as_array().into_iter().flatten() {
        mappings(schema, choice, name, opening, found);
    }
}

fn config_mappings() -> Vec<Mapping> {
    let mut found = Vec::new();
    let schema = config_schema();
    mappings(&schema, &schema, "", "", &mut found);
    found
}

/// The words that are expected in place of an unknown one, by what is said of it.
fn expected_words(message: &str) -> BTreeSet<&str> {
    let (_, expected) = message.split_once("expected ").unwrap();
    let expected = expected.strip_prefix("one of ").unwrap_or(expected);
    expected
        .split(|sign: char| sign.is_whitespace() || ",`".contains(sign))
        .filter(|word| !word.is_empty() && *word != "or")
        .collect()
}

/// The whole text: what was opened is closed.
fn closed(opening: &str) -> String {
    let closing: String = opening
        .chars()
        .rev()
        .filter_map(|sign| match sign {
            '{' => Some('}'),
            '[' => Some(']'),
            _ => None,
        })
        .collect();
    format!("{opening}{closing}\n")
}

#[test]
fn the_schema_of_the_configuration_has_the_keys_and_words_that_the_tool_takes() {
    let schema = config_schema();
    let found = config_mappings();
    assert!(found.len() > 15, "only {} mappings", found.len());
    let mut words = 0;
    for Mapping {
        name,
        opening,
        part,
    } in &found
    {
        let error = config::parse(&closed(&format!("{opening}{{no_key: 1")), "f").unwrap_err();
        let keys: BTreeSet<&str> = part["properties"]
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        assert_eq!(expected_words(&error.message), keys, "{name}: {error}");
        assert_eq!(part["additionalProperties"], false, "{name}");
        for (key, value) in part["properties"].as_object().unwrap() {
            let value = resolved(&schema, value);
            assert!(
                value["description"].is_string(),
                "{name}.{key} is not described"
            );
            let Some(choices) = value["enum"].as_array() else {
                continue;
            };
            let error =
                config::parse(&closed(&format!("{opening}{{{key}: no_word")), "f").unwrap_err();
            let choices: BTreeSet<&str> = choices.iter().filter_map(Value::as_str).collect();
            assert_eq!(
                expected_words(&error.message),
                choices,
                "{name}.{key}: {error}"
            );
            words += 1;
        }
    }
    assert!(words > 5, "only {words} keys with a choice of words");
}

#[test]
fn the_example_uses_every_key_and_is_what_the_schema_says() {
    let text = std::fs::read_to_string(root().join("examples/k8sverify.yaml")).unwrap();
    let example: Value = serde_saphyr::from_str(&text).unwrap();
    let validator = jsonschema::validator_for(&config_schema()).unwrap();
    let wrong: Vec<String> = validator
        .iter_errors(&example)
        .map(|error| error.to_string())
        .collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    assert!(!validator.is_valid(&serde_json::json!({"edges": {"add": [{"from": "AP"}]}})));
    let mut unused: Vec<String> = Vec::new();
    for Mapping { name, part, .. } in config_mappings() {
        for key in part["properties"].as_object().unwrap().keys() {
            if !text.contains(&format!("{key}:")) {
                unused.push(format!("{name}.{key}"));
            }
        }
    }
    assert!(unused.is_empty(), "not in the example: {unused:?}");
}

/// A key's values, for the table of the page.
fn values(schema: &Value, part: &Value) -> String {
    let part = resolved(schema, part);
    if let Some(choices) = part["enum"].as_array() {
        return choices
            .iter()
            .filter_map(Value::as_str)
            .collect::<Vec<_>>()
            .join(", ");
    }
    if let (Some(least), Some(most)) = (part["minimum"].as_u64(), part["maximum"].as_u64()) {
        return format!("{least} to {most}");
    }
    match part["type"].as_str() {
        Some("array") => {
            let item = values(schema, &part["items"]);
            if item == "mapping" {
                "list of mappings".to_owned()
            } else {
                format!("list of {item}")
            }
        }
        Some("object") => "mapping".to_owned(),
        Some("boolean") => "true, false".to_owned(),
        Some("integer") => "number".to_owned(),
        Some("string") => "text".to_owned(),
        _ => part["anyOf"]
            .as_array()
            .map_or_else(String::new, |choices| {
                let mut kinds: Vec<String> = choices
                    .iter()
                    .map(|choice| values(schema, choice))
                    .filter(|kind| !kind.is_empty())
                    .collect();
                kinds.dedup();
                kinds.join(" or ")
            }),
    }
}

#[test]
fn the_page_of_the_configuration_is_the_schema_and_the_example_that_are_tested() {
    let schema = config_schema();
    let example = std::fs::read_to_string(root().join("examples/k8sverify.yaml")).unwrap();
    let mut page = "# Configuration: `k8sverify.yaml`\n\nEvery key is optional but where the table says \"needed\". An unknown key, tier or edge is an error with its line\n(exit 2); a rule that matches nothing is reported. Generated from\n[`checks/config-v1.schema.json`](../../checks/config-v1.schema.json), which an editor can use to complete and check the file,\nand from [`examples/k8sverify.yaml`](../k8sverify.yaml).\n".to_owned();
    for Mapping { name, part, .. } in config_mappings() {
        let title = if name.is_empty() {
            "Top level".to_owned()
        } else {
            format!("`{name}`")
        };
        page += &format!("\n## {title}\n\n| key | what it says | values |\n|---|---|---|\n");
        for (key, value) in part["properties"].as_object().unwrap() {
            let needed = part["required"]
                .as_array()
                .is_some_and(|needed| needed.contains(&Value::from(key.as_str())));
            let kind = values(&schema, value);
            let value = resolved(&schema, value);
            let default = match &value["default"] {
                Value::String(word) => format!("; default: {word}"),
                Value::Bool(flag) => format!("; default: {flag}"),
                _ => String::new(),
            };
            page += &format!(
                "| `{key}`{} | {} | {kind}{default} |\n",
                if needed { " (needed)" } else { "" },
                value["description"].as_str().unwrap().replace('|', "\\|"),
            );
        }
    }
    page += &format!("\n## Example\n\n```yaml\n{example}```\n");
    is_generated("configuration.md", &page);
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
                    .any(|(listed, reason)| *listed == name && !reason.is_empty()),
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

/// The image's address stands in the tool; pages and examples name it and no other, and a release publishes it there.
#[test]
fn every_example_names_the_image_of_this_version() {
    let repository = env!("CARGO_PKG_REPOSITORY").trim_start_matches("https://github.com/");
    let image = format!("ghcr.io/{repository}:{}", env!("CARGO_PKG_VERSION"));
    assert!(option_env!("K8SVERIFY_IMAGE").is_some() || DEFAULT_IMAGE == image);
    let mut seen = 0;
    for page in pages() {
        let text = std::fs::read_to_string(&page).unwrap();
        for rest in text.split("ghcr.io/k8sverify").skip(1) {
            let named = format!(
                "ghcr.io/k8sverify{}",
                rest.split(|sign: char| sign.is_whitespace() || "'\"`@,)".contains(sign))
                    .next()
                    .unwrap()
            );
            assert!(
                named == image || named == format!("{image}-ci"),
                "{}: {named}, the image is {image}",
                page.display()
            );
            seen += 1;
        }
    }
    assert!(seen > 4, "only {seen} were found");
}
