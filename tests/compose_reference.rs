//! Our resolved model against that of Docker Compose itself: recorded for small files of each feature (`tests/compose`), and live
//! for these and the corpus where the reference and the corpus are beside the repository.
//!
//! Record again after a change of the feature files: `RECORD=1 cargo test --test compose_reference`.
#![expect(clippy::unwrap_used, reason = "a test may fail by unwrapping")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use k8sverify::compose::{self, DiskFiles, LoadOptions};
use serde_json::{Map, Value, json};

/// What is compared of every service.
const FIELDS: [&str; 17] = [
    "command",
    "container_name",
    "depends_on",
    "entrypoint",
    "environment",
    "expose",
    "external_links",
    "extra_hosts",
    "healthcheck",
    "hostname",
    "image",
    "labels",
    "links",
    "network_mode",
    "networks",
    "ports",
    "profiles",
];

/// Deviations that are meant, each with its reason: (file, service, field, why).
const MEANT: &[(&str, &str, &str, &str)] = &[];

fn shared() -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared");
    path.join("compose/reference").exists().then_some(path)
}

/// The same view of both models: only compared fields, and what the two write differently without meaning it made equal.
fn view(model: &Value) -> Value {
    let mut services = Map::new();
    for (name, service) in model["services"].as_object().into_iter().flatten() {
        let mut out = Map::new();
        for field in FIELDS {
            let value = &service[field];
            if !value.is_null() {
                out.insert(field.to_owned(), value.clone());
            }
        }
        // Of a network we keep what gives names and addresses.
        if let Some(networks) = out.get_mut("networks").and_then(Value::as_object_mut) {
            for network in networks.values_mut() {
                if let Some(entry) = network.as_object_mut() {
                    entry.retain(|key, _| {
                        matches!(key.as_str(), "aliases" | "ipv4_address" | "ipv6_address")
                    });
                    if entry.is_empty() {
                        *network = Value::Null;
                    }
                }
            }
        }
        // We expand ranges; the order of a list of ports says nothing.
        if let Some(expose) = out.get_mut("expose") {
            *expose = expanded(expose);
        }
        let replicas = match (&service["deploy"]["replicas"], &service["scale"]) {
            (Value::Null, scale) => scale,
            (replicas, _) => replicas,
        };
        if !replicas.is_null() {
            out.insert("replicas".to_owned(), replicas.clone());
        }
        services.insert(name.clone(), Value::Object(out));
    }
    let mut networks = Map::new();
    for (key, network) in model["networks"].as_object().into_iter().flatten() {
        let flag = |name: &str| network[name].as_bool().unwrap_or(false);
        let entry = json!({"name": network["name"], "internal": flag("internal"), "external": flag("external")});
        networks.insert(key.clone(), entry);
    }
    json!({"name": model["name"], "services": services, "networks": networks})
}

fn expanded(expose: &Value) -> Value {
    let mut out: Vec<String> = Vec::new();
    for text in expose
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
    {
        let (ports, transport) = text.split_once('/').unwrap_or((text, "tcp"));
        let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
        let numbers = first.parse::<u16>().unwrap()..=last.parse::<u16>().unwrap();
        out.extend(numbers.map(|port| format!("{port}/{}", transport.to_lowercase())));
    }
    out.sort();
    out.dedup();
    json!(out)
}

/// The lines in which two views differ.
fn differences(file: &str, ours: &Value, theirs: &Value) -> Vec<String> {
    let mut out = Vec::new();
    for part in ["name", "networks"] {
        if ours[part] != theirs[part] {
            out.push(format!(
                "{file}: {part}: ours {} theirs {}",
                ours[part], theirs[part]
            ));
        }
    }
    let empty = Map::new();
    let services = |model: &'_ Value| {
        model["services"]
            .as_object()
            .cloned()
            .unwrap_or_else(|| empty.clone())
    };
    let (ours, theirs) = (services(ours), services(theirs));
    let names: std::collections::BTreeSet<_> = ours.keys().chain(theirs.keys()).collect();
    for name in names {
        let (Some(left), Some(right)) = (ours.get(name), theirs.get(name)) else {
            out.push(format!(
                "{file}: only one of the two has the service {name}"
            ));
            continue;
        };
        for field in FIELDS.iter().chain(&["replicas"]) {
            let meant = MEANT
                .iter()
                .any(|(f, s, k, _)| file.ends_with(f) && s == name && k == field);
            if left[field] != right[field] && !meant {
                out.push(format!(
                    "{file}: {name}.{field}: ours {} theirs {}",
                    left[field], right[field]
                ));
            }
        }
    }
    out
}

/// The environment that both get: nothing of the machine but what the reference needs to run.
fn environment() -> BTreeMap<String, String> {
    BTreeMap::from([
        ("HOME".to_owned(), "/home/user".to_owned()),
        ("FROM_SHELL".to_owned(), "shell".to_owned()),
    ])
}

fn ours(file: &Path) -> Result<Value, String> {
    let options = LoadOptions {
        files: vec![file.to_path_buf()],
        working_directory: file.parent().unwrap().to_path_buf(),
        environment: environment(),
        ..LoadOptions::default()
    };
    compose::load(&options, &DiskFiles)
        .map(|model| compose::resolved(&model))
        .map_err(|error| error.to_string())
}

fn theirs(shared: &Path, file: &Path) -> Result<Value, String> {
    let output = Command::new(shared.join("compose/reference"))
        .args([
            "-f",
            &file.display().to_string(),
            "config",
            "--format",
            "json",
        ])
        .env_remove("COMPOSE_FILE")
        .env_remove("COMPOSE_PROFILES")
        .env_remove("COMPOSE_PROJECT_NAME")
        .envs(environment())
        .output()
        .map_err(|error| error.to_string())?;
    if output.status.code() == Some(69) {
        return Err("skip".to_owned());
    }
    serde_json::from_slice(&output.stdout)
        .map_err(|_| String::from_utf8_lossy(&output.stderr).into_owned())
}

fn feature_files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/compose");
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "yaml")
        })
        .collect();
    files.sort();
    files
}

#[expect(clippy::print_stderr, reason = "a test that is skipped must say so")]
fn skipped(why: &str) {
    eprintln!("SKIPPED: {why}");
}

#[test]
fn feature_files_resolve_as_recorded_from_docker_compose() {
    let files = feature_files();
    assert!(files.len() >= 10, "the feature files are here");
    let record = std::env::var_os("RECORD").is_some();
    let mut wrong = Vec::new();
    for file in files {
        let recorded = file.with_extension("json");
        if record {
            let shared = shared().expect("recording needs the reference");
            let model = view(
                &theirs(&shared, &file)
                    .unwrap_or_else(|error| panic!("{}: {error}", file.display())),
            );
            fs::write(
                &recorded,
                serde_json::to_string_pretty(&model).unwrap() + "\n",
            )
            .unwrap();
        }
        let expected: Value =
            serde_json::from_str(&fs::read_to_string(&recorded).unwrap()).unwrap();
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        match ours(&file) {
            Ok(model) => wrong.extend(differences(&name, &view(&model), &expected)),
            Err(error) => wrong.push(format!("{name}: {error}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_corpus_resolves_as_docker_compose_says() {
    let Some(shared) = shared() else {
        return skipped(
            "../shared with the reference and the corpus is not beside this repository",
        );
    };
    let edges = fs::read_to_string(shared.join("corpus/edges.tsv")).unwrap();
    let mut wrong = Vec::new();
    for line in edges.lines().skip(1) {
        let mut columns = line.split('\t');
        let (Some(id), Some(path)) = (columns.next(), columns.next()) else {
            continue;
        };
        let file = shared
            .join("corpus")
            .join(id)
            .join(path)
            .canonicalize()
            .unwrap();
        let reference = match theirs(&shared, &file) {
            Ok(model) => model,
            Err(error) if error == "skip" => {
                return skipped("the reference cannot be installed here");
            }
            Err(error) => panic!("{path}: the reference refuses a file of the corpus: {error}"),
        };
        match ours(&file) {
            Ok(model) => wrong.extend(differences(path, &view(&model), &view(&reference))),
            Err(error) => wrong.push(format!("{path}: {error}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
