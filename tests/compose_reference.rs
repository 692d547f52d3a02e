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
        // A link whose alias is its own name is the link without one.
        if let Some(links) = out.get_mut("links").and_then(Value::as_array_mut) {
            for link in links {
                let alone = link
                    .as_str()
                    .and_then(|text| text.split_once(':'))
                    .filter(|(service, alias)| service == alias)
                    .map(|(service, _)| service.to_owned());
                if let Some(service) = alone {
                    *link = Value::String(service);
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

/// The file, and the one that is laid over it where there is one.
fn with_override(file: &Path) -> Vec<PathBuf> {
    let over = file.with_extension("2.yml");
    let files = [file.to_path_buf(), over];
    files.into_iter().filter(|path| path.exists()).collect()
}

/// The profiles that a feature file is resolved with.
fn profiles(file: &Path) -> Vec<String> {
    let text = fs::read_to_string(file.with_extension("active")).unwrap_or_default();
    text.split_whitespace().map(str::to_owned).collect()
}

fn ours(file: &Path) -> Result<Value, String> {
    let options = LoadOptions {
        files: with_override(file),
        profiles: profiles(file),
        working_directory: file.parent().unwrap().to_path_buf(),
        environment: environment(),
        ..LoadOptions::default()
    };
    compose::load(&options, &DiskFiles)
        .map(|model| compose::resolved(&model))
        .map_err(|error| error.to_string())
}

fn theirs(shared: &Path, file: &Path) -> Result<Value, String> {
    let mut command = Command::new(shared.join("compose/reference"));
    for path in with_override(file) {
        command.arg("-f").arg(path);
    }
    for profile in profiles(file) {
        command.args(["--profile", &profile]);
    }
    let output = command
        .args(["config", "--format", "json"])
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
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/compose");
    let mut wrong = Vec::new();
    let mut compared = 0;
    for file in compose_files(&[shared.join("corpus"), own]) {
        let path = file.display().to_string();
        let reference = match theirs(&shared, &file) {
            Ok(model) => model,
            Err(error) if error == "skip" => {
                return skipped("the reference cannot be installed here");
            }
            // Files that only complete others, or of what is no compose at all.
            Err(_) => continue,
        };
        compared += 1;
        match ours(&file) {
            Ok(model) => wrong.extend(differences(&path, &view(&model), &view(&reference))),
            Err(error) => wrong.push(format!("{path}: {error}")),
        }
    }
    assert!(compared >= 50, "the corpus is here: {compared} files");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Every file below the folders that may be a compose file, sorted.
fn compose_files(folders: &[PathBuf]) -> Vec<PathBuf> {
    let mut open = folders.to_vec();
    let mut found = Vec::new();
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(
                fs::read_dir(&path)
                    .unwrap()
                    .map(|entry| entry.unwrap().path()),
            );
            continue;
        }
        let yaml = path
            .extension()
            .is_some_and(|end| end == "yml" || end == "yaml");
        // A Kubernetes object is no compose file; one that has `services` at its top level is.
        let services = || {
            fs::read_to_string(&path)
                .is_ok_and(|text| text.lines().any(|line| line.trim_end() == "services:"))
        };
        if yaml && services() {
            found.push(path.canonicalize().unwrap());
        }
    }
    found.sort();
    found
}

/// Files that compose refuses, and how our refusal begins: the place, and what is wrong there.
const BROKEN: &[(&str, &str)] = &[
    ("", "f.yaml: an empty file"),
    (
        "[]",
        "f.yaml:1:1: a list, expected a mapping with `services`",
    ),
    (
        "services: {a: {image: x, environment: {A: 1, A: 2}}}",
        "f.yaml:1:46: the key `A` stands twice",
    ),
    (
        "services: {a: {image: x, environment: {1: x}}}",
        "f.yaml:1:40: a key that is a number",
    ),
    (
        "services:\n  a:\n    image: x\n   b: c\n",
        "f.yaml:4:4: broken YAML",
    ),
    (
        "services: {a: {image: x, environment: {<<: null}}}",
        "f.yaml:1:44: `<<` followed by nothing",
    ),
    (
        "services: {a: {image: \"x${A.b}\"}}",
        "f.yaml:1:23: `${A.b}` is no variable",
    ),
    (
        "services: {a: {image: \"${X:?say so}\"}}",
        "f.yaml:1:23: required variable X is missing a value: say so",
    ),
    (
        "services: {a: {}}",
        "f.yaml:1:12: the service `a` has neither `image` nor `build`",
    ),
    ("services: {a: }", "f.yaml:1:13: nothing in `services.a`"),
    (
        "services: {\"a b\": {image: x}}",
        "f.yaml:1:12: the service name `a b`",
    ),
    (
        "web: {image: x}",
        "f.yaml:1:1: the service `web` at the top level, as in compose files of version 1",
    ),
    (
        "services: {a: {image: x, ports: 80}}",
        "f.yaml:1:33: `80` in `services.a.ports`",
    ),
    (
        "services: {a: {image: x, ports: [\"a\"]}}",
        "f.yaml:1:34: an invalid container port in `services.a.ports[0]`",
    ),
    (
        "services: {a: {image: x, ports: [\"1-2:3-5\"]}}",
        "f.yaml:1:34: ranges of different lengths",
    ),
    (
        "services: {a: {image: x, ports: [{published: 3}]}}",
        "f.yaml:1:34: no `target`",
    ),
    (
        "services: {a: {image: [x]}}",
        "f.yaml:1:23: a list in `services.a.image`, expected a string",
    ),
    (
        "services: {a: {image: x, environment: {A: [1]}}}",
        "f.yaml:1:43: a list in `services.a.environment.A`",
    ),
    (
        "services: {a: {image: x, command: \"a 'b\"}}",
        "f.yaml:1:35: a quote that never closes",
    ),
    (
        "services: {a: {image: x, depends_on: [q]}}",
        "f.yaml:1:12: the service `a` needs `q` (depends_on)",
    ),
    (
        "services: {a: {image: x, links: [q]}}",
        "f.yaml:1:12: the service `a` needs `q` (links)",
    ),
    (
        "services: {a: {image: x, depends_on: {b: {condition: ok}}}, b: {image: x}}",
        "f.yaml:1:54: `ok` in `services.a.depends_on.b.condition`",
    ),
    (
        "services: {a: {image: x, depends_on: [b]}, b: {image: x, depends_on: [a]}}",
        "f.yaml:1:12: services that depend on each other: a → b → a",
    ),
    (
        "services: {a: {image: x, depends_on: [b]}, b: {image: x, profiles: [p]}}",
        "f.yaml:1:12: the service `a` needs `b`",
    ),
    (
        "services: {a: {image: x, networks: [q]}}",
        "f.yaml:1:12: the service `a` joins the network `q`",
    ),
    (
        "services: {a: {image: x, network_mode: host, networks: [q]}}\nnetworks: {q: }",
        "f.yaml:1:15: both `network_mode` and `networks`",
    ),
    (
        "services: {a: {image: x, healthcheck: {test: [foo]}}}",
        "f.yaml:1:46: a list that begins with another word",
    ),
    (
        "services: {a: {image: x, healthcheck: {interval: 10}}}",
        "f.yaml:1:50: `10` in `services.a.healthcheck.interval`",
    ),
    (
        "services: {a: {image: x, scale: 2, deploy: {replicas: 3}}}",
        "f.yaml:1:15: different numbers",
    ),
    (
        "services: {a: {extends: a}}",
        "f.yaml:1:16: `extends` goes round in a circle",
    ),
    (
        "services: {a: {extends: b}}",
        "f.yaml:1:16: `extends` names the service `b`",
    ),
    (
        "services: {a: {extends: {service: x, file: none.yaml}}}",
        "f.yaml:1:16: cannot read none.yaml",
    ),
    (
        "include: [none.yaml]\nservices: {}",
        "f.yaml:1:11: cannot read none.yaml",
    ),
    (
        "include: [f.yaml]\nservices: {}",
        "f.yaml:1:11: a file that includes itself",
    ),
    (
        "services: {a: {image: x, env_file: none.env}}",
        "f.yaml:1:36: cannot read none.env",
    ),
    (
        "services: {a: {image: x, env_file: bad.env}}",
        "bad.env:2: a space in the name of a variable",
    ),
    (
        "services: {a: {image: x, extra_hosts: [q]}}",
        "f.yaml:1:40: no address",
    ),
    (
        "services: {a: {image: x, name: q}}",
        "f.yaml:1:26: the key `name`",
    ),
    (
        "version: '2'\nservices: {a: {image: x, imagee: }}",
        "f.yaml:2:26: the key `imagee`",
    ),
    (
        "x-b: &b {image: x, q: 1}\nservices: {a: *b}",
        "f.yaml:1:20: the key `q`",
    ),
    (
        "services: {a: {image: x, profiles: [p], q: 1}}",
        "f.yaml:1:41: the key `q`",
    ),
    (
        "services: {a: {image: x, healthcheck: {tst: 1}}}",
        "f.yaml:1:40: the key `tst`",
    ),
    (
        "services: {a: {image: x, ports: [{target: 1, q: 1}]}}",
        "f.yaml:1:46: the key `q`",
    ),
    (
        "services: {a: {image: x}}\nq: {}",
        "f.yaml:2:1: the key `q`",
    ),
    (
        "services: {a: {image: x}}\nnetworks: {n: {q: 1}}",
        "f.yaml:2:16: the key `q`",
    ),
];

#[test]
fn what_compose_refuses_is_refused_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("f.yaml");
    fs::write(folder.path().join("bad.env"), "A=1\nB C=2\n").unwrap();
    let reference = shared();
    if reference.is_none() {
        skipped("only our own refusals are checked: the reference is not beside this repository");
    }
    let mut wrong = Vec::new();
    for (text, expected) in BROKEN {
        fs::write(&file, text).unwrap();
        match ours(&file) {
            Err(message) if message.starts_with(expected) && message.contains(" expected ") => {}
            Err(message) => wrong.push(format!("{text:?}: {message}")),
            Ok(_) => wrong.push(format!("{text:?}: accepted")),
        }
        if let Some(shared) = &reference
            && theirs(shared, &file).is_ok()
        {
            wrong.push(format!("{text:?}: compose accepts this"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
