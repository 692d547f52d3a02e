//! The rules of the house, held against the sources: which stage may use which, what a pure stage must not touch, no file in a circle
//! with another, and no file that is too long. What is listed here as an exception may only become less.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use regex::Regex;

/// The floors, each of which uses only those before it: modules of the crate, or a part of one that is a floor of its own.
const FLOORS: &[&str] = &[
    "protocol",
    "shell",
    "finding",
    "catalog",
    "address",
    "drill/seqs",
    "drill/model",
    "redact",
    "reason",
    "spelling",
    "sanitise",
    "terminal",
    "compose",
    "config",
    "observe",
    "graph",
    "sql/token",
    "sql/show",
    "sql/names",
    "drill/ledger",
    "drill/orders",
    "drill/refused",
    "probe",
    "report/model",
    "drill/limit",
    "cli",
    "sql/lex",
    "policy",
    "plan",
    "sql/classify",
    "report/sql/model",
    "sql",
    "diagnose",
    "report/drill/model",
    "drill",
    "verdict",
    "jobs",
    "drill/conduct",
    "report",
    "commands",
    "lib",
    "main",
];

/// What computes only: it sees no client, clock, file or environment, and waits for nothing.
const PURE: &[&str] = &[
    "address",
    "catalog",
    "compose",
    "config",
    "diagnose",
    "finding",
    "graph",
    "plan",
    "policy",
    "redact",
    "report",
    "sanitise",
    "shell",
    "terminal",
    "verdict",
    "drill/judge",
    "drill/ledger",
    "drill/measure",
    "drill/model",
    "drill/plan",
    "sql/judge",
    "sql/lex",
    "sql/names",
    "sql/token",
];
/// The files of the pure stages that reach outside on purpose: they read the compose project's files.
const IMPURE: &[&str] = &["compose/disk"];

/// Lines of a file, without its tests, beyond which it is two files.
const LONGEST: usize = 500;

/// Files that may name a product; what one is called, serves, reads and is known by stands in `checks/products.yaml`. Who asks a server in
/// its own protocol names that, and what the cluster runs has names too; the list may only become less.
const NAMING: &[&str] = &[
    "address/dsn",
    "commands/drill/conducting",
    "commands/sql",
    "commands/sql/subject",
    "config/candidates",
    "config/pattern",
    "diagnose/entries/walked",
    "diagnose/protocol",
    "drill/ledger",
    "drill/plan/persistence",
    "drill/plan/refuse",
    "drill/recording/story",
    "finding",
    "graph/infer/discovery",
    "graph/infer/files",
    "graph/infer/files/nginx",
    "graph/infer/files/proxies",
    "graph/infer/health",
    "graph/infer/own",
    "graph/render/svg",
    "probe/cassandra",
    "probe/drill/mysql",
    "probe/drill/redis",
    "probe/kafka",
    "probe/lines",
    "probe/mongodb",
    "probe/mysql",
    "probe/postgres",
    "probe/redis",
    "probe/redis/session",
    "probe/seen",
    "probe/sql",
    "sql/names",
];
/// Products that no other file names.
const PRODUCTS: &str = r"(?i)\b(?:redis|valkey|postgres|postgresql|mysql|mariadb|mongo|mongodb|kafka|rabbitmq|cassandra|memcached|nginx|traefik|haproxy|caddy|envoy|prometheus|grafana|zookeeper|elasticsearch|kibana|minio|keycloak|etcd|consul|jaeger|zipkin|flink)\b";

/// A module by its path below `src`, without the ending.
type Module = String;

/// The sources without tests, comments and literals.
struct House {
    code: BTreeMap<Module, String>,
    /// Lines of each file without its tests.
    lines: BTreeMap<Module, usize>,
    /// What each module defines.
    defined: BTreeMap<Module, BTreeSet<String>>,
}

impl House {
    fn read() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut house = Self {
            code: BTreeMap::new(),
            lines: BTreeMap::new(),
            defined: BTreeMap::new(),
        };
        let tests = regex(r"(?m)^#\[cfg\(test\)\]\n(#\[.*\]\n)*(pub(\(\w+\))? )?mod \w+ \{");
        let noise = regex(r#"(?m)//.*$|"(\\.|[^"\\])*"|'(\\.|[^'\\])'"#);
        let definition = regex(r"\b(?:struct|enum|fn|type|trait|const|static|union) (\w+)");
        for path in files(&root) {
            let name = path
                .strip_prefix(&root)
                .expect("below src")
                .with_extension("");
            let module = name.to_string_lossy().replace('\\', "/");
            if is_test(&module) {
                continue;
            }
            let text = fs::read_to_string(&path).expect("a source");
            let own = tests
                .find(&text)
                .map_or(text.as_str(), |found| &text[..found.start()]);
            let code = noise.replace_all(own, "").into_owned();
            let names = definition
                .captures_iter(&code)
                .map(|found| found[1].to_owned())
                .collect();
            house.lines.insert(module.clone(), own.lines().count());
            house.defined.insert(module.clone(), names);
            house.code.insert(module, code);
        }
        house
    }

    /// What each module uses: the file in which the thing stands, also where it is imported by way of a module that exports it.
    fn uses(&self) -> BTreeMap<&Module, BTreeSet<Module>> {
        let import = regex(r"\buse\s+([^;]+);");
        let mention = regex(r"\b(?:crate|super|self)(?:::\w+)+");
        self.code
            .iter()
            .map(|(module, code)| {
                let mut paths: Vec<String> = Vec::new();
                for found in import.captures_iter(code) {
                    paths.extend(expanded(&found[1]));
                }
                let body = import.replace_all(code, "");
                paths.extend(
                    mention
                        .find_iter(&body)
                        .map(|found| found.as_str().to_owned()),
                );
                let used = paths
                    .iter()
                    .filter_map(|path| self.file_of(module, path))
                    .filter(|used| used != module)
                    .collect();
                (module, used)
            })
            .collect()
    }

    /// The file that a path of `module` leads to; none where it leads out of the crate or to a test.
    fn file_of(&self, module: &str, path: &str) -> Option<Module> {
        let mut words: Vec<&str> = path.split("::").map(str::trim).collect();
        let mut at: Vec<&str> = module.split('/').collect();
        match *words.first()? {
            "crate" => at.clear(),
            "self" => {}
            "super" => {
                at.pop();
            }
            first if self.code.contains_key(&format!("{module}/{first}")) => {
                words.insert(0, "self");
            }
            _ => return None,
        }
        for word in words.into_iter().skip(1) {
            let here = at.join("/");
            let below = if here.is_empty() {
                word.to_owned()
            } else {
                format!("{here}/{word}")
            };
            if word == "super" {
                at.pop();
            } else if self.code.contains_key(&below) {
                at.push(word);
            } else if is_test(&below) {
                return None;
            } else {
                let name = word.split(" as ").next().unwrap_or(word);
                let exported = || {
                    self.below(&here)
                        .find(|child| self.defined[*child].contains(name))
                };
                let own = self
                    .defined
                    .get(&here)
                    .is_some_and(|names| names.contains(name));
                return if own {
                    Some(here)
                } else {
                    exported().cloned().or(Some(here))
                };
            }
        }
        (!at.is_empty()).then(|| at.join("/"))
    }

    fn below<'h>(&'h self, module: &str) -> impl Iterator<Item = &'h Module> + use<'h> {
        let prefix = format!("{module}/");
        self.code
            .keys()
            .filter(move |child| child.starts_with(&prefix))
    }
}

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a pattern")
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
    found
}

fn is_test(module: &str) -> bool {
    let part =
        |part: &str| matches!(part, "tests" | "fixture" | "fixtures") || part.ends_with("_tests");
    module.split('/').any(part)
}

/// The paths of a `use` with braces.
fn expanded(tree: &str) -> Vec<String> {
    let Some((prefix, rest)) = tree.split_once('{') else {
        return vec![tree.trim().to_owned()];
    };
    let inner = rest.rsplit_once('}').map_or(rest, |(inner, _)| inner);
    let mut depth = 0_usize;
    let parts = inner.split(|letter| {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        letter == ',' && depth == 0
    });
    parts
        .filter(|part| !part.trim().is_empty())
        .flat_map(expanded)
        .map(|path| format!("{}{path}", prefix.trim()))
        .collect()
}

/// The floor of a module: the longest that it belongs to.
fn floor(module: &str) -> Option<usize> {
    let within = |floor: &str| module == floor || module.starts_with(&format!("{floor}/"));
    (0..FLOORS.len())
        .filter(|at| within(FLOORS[*at]))
        .max_by_key(|at| FLOORS[*at].len())
}

#[test]
fn each_stage_uses_only_those_before_it() {
    let house = House::read();
    let mut wrong = Vec::new();
    for (module, used) in house.uses() {
        let Some(own) = floor(module) else {
            wrong.push(format!("{module} belongs to no floor"));
            continue;
        };
        let above = |other: &&Module| floor(other).is_some_and(|floor| floor > own);
        wrong.extend(
            used.iter()
                .filter(above)
                .map(|other| format!("{module} uses {other}, which stands above it")),
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_file_is_in_a_circle_with_another() {
    let house = House::read();
    // A module's own file names its parts and exports what is theirs: that is no use.
    let uses: BTreeMap<&Module, BTreeSet<Module>> = house
        .uses()
        .into_iter()
        .map(|(module, mut used)| {
            used.retain(|other| !other.starts_with(&format!("{module}/")));
            (module, used)
        })
        .collect();
    let reach = |from: &Module| {
        let mut seen: BTreeSet<&Module> = BTreeSet::new();
        let mut next: Vec<&Module> = uses[from].iter().collect();
        while let Some(module) = next.pop() {
            if seen.insert(module) {
                next.extend(uses.get(module).into_iter().flatten());
            }
        }
        seen.contains(from)
    };
    let circles: Vec<&str> = uses
        .keys()
        .filter(|module| reach(module))
        .map(|module| module.as_str())
        .collect();
    assert!(circles.is_empty(), "in a circle: {}", circles.join(" "));
}

/// A name that is seen beyond its own module's family means one thing: who reads `Outcome` need not ask whose.
#[test]
fn no_two_types_that_are_seen_from_elsewhere_share_a_name() {
    let house = House::read();
    let definition = regex(
        r"(?m)^pub(?:\((?:crate|in [a-z_:]+)\))? (?:struct|enum|union|trait|type) ([A-Z]\w*)",
    );
    let mut places: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (module, code) in &house.code {
        for found in definition.captures_iter(code) {
            let name = found.get(1).map_or("", |name| name.as_str());
            places.entry(name).or_default().push(module);
        }
    }
    assert!(places.len() > 300, "types are found: {}", places.len());
    let shared: Vec<String> = places
        .iter()
        .filter(|(_, modules)| modules.len() > 1)
        .map(|(name, modules)| format!("{name}: {}", modules.join(", ")))
        .collect();
    assert!(shared.is_empty(), "{}", shared.join("\n"));
}

#[test]
fn pure_stages_only_compute() {
    let house = House::read();
    let outside = regex(
        r"\basync (?:fn|move)|\.await\b|\bkube::|\btokio::|\bstd::fs\b|\bstd::env\b|\bstd::net::Tcp|\bInstant::now|\bSystemTime::now|\bTimestamp::now|\bZoned::now",
    );
    let within =
        |module: &str, stage: &str| module == stage || module.starts_with(&format!("{stage}/"));
    let wrong: Vec<String> = house
        .code
        .iter()
        .filter(|(module, _)| {
            PURE.iter().any(|stage| within(module, stage)) && !IMPURE.contains(&module.as_str())
        })
        .filter_map(|(module, code)| Some(format!("{module}: {}", outside.find(code)?.as_str())))
        .collect();
    assert!(
        wrong.is_empty(),
        "pure stages that reach outside:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn no_file_is_longer_than_it_may_be() {
    let house = House::read();
    let wrong: Vec<String> = house
        .lines
        .iter()
        .filter(|(_, lines)| **lines > LONGEST)
        .map(|(module, lines)| {
            format!("src/{module}.rs has {lines} lines, {LONGEST} at most: split it by topic")
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn products_stand_in_the_catalogue() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let tests = regex(r"(?m)^#\[cfg\(test\)\]\n(#\[.*\]\n)*(pub(\(\w+\))? )?mod \w+ \{");
    let (comment, literal) = (regex(r"(?m)//.*$"), regex(r#""((?:\\.|[^"\\])*)""#));
    let product = regex(PRODUCTS);
    let mut naming: BTreeSet<String> = BTreeSet::new();
    for path in files(&root) {
        let inner = path.strip_prefix(&root).expect("below src");
        let name = inner.with_extension("").to_string_lossy().into_owned();
        if name.split('/').any(|part| part == "tests") {
            continue;
        }
        let text = fs::read_to_string(&path).expect("a source");
        let end = tests.find(&text).map_or(text.len(), |found| found.start());
        let code = comment.replace_all(&text[..end], "");
        if literal
            .captures_iter(&code)
            .any(|found| product.is_match(&found[1]))
        {
            naming.insert(name);
        }
    }
    let known: BTreeSet<String> = NAMING.iter().map(|name| (*name).to_owned()).collect();
    let more: Vec<&String> = naming.difference(&known).collect();
    assert!(
        more.is_empty(),
        "a row of checks/products.yaml says it: {more:?}"
    );
    let less: Vec<&String> = known.difference(&naming).collect();
    assert!(
        less.is_empty(),
        "they name none any more, take them off the list: {less:?}"
    );
}

/// The crates that the tool is built on by its charter; a build without one of them would still pass every other test.
const BOUND: [&str; 8] = [
    "kube",
    "tokio",
    "hickory-resolver",
    "mysql_async",
    "redis",
    "reqwest",
    "serde",
    "junit-report",
];

#[test]
fn the_crates_that_the_tool_is_bound_to_are_in_use() {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let manifest = fs::read_to_string(manifest).expect("Cargo.toml");
    let house = House::read();
    for name in BOUND {
        assert!(
            manifest.contains(&format!("\n{name} = ")),
            "Cargo.toml: {name} is no dependency"
        );
        let path = format!("{}::", name.replace('-', "_"));
        let used = house.code.values().any(|code| code.contains(&path));
        assert!(used, "{path} is nowhere in src");
    }
}
