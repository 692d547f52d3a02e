//! What a user can get wrong before anything is verified: every input with its exit code and a piece of the message. No input takes
//! longer than a few seconds, and none of the messages speaks of Rust.
#![expect(clippy::unwrap_used, reason = "a test may fail by unwrapping")]

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

const COMPOSE: &str = "
services:
  WEB: {image: python:3, ports: ['3000:3000'], environment: {AP_URL: 'http://AP:2000', DB_HOST: DB}}
  AP: {image: python:3, ports: ['2000:2000'], environment: {DB_HOST: DB, KVS_URL: 'redis://KVS:6379'}}
  DB: {image: 'mysql:8'}
  KVS: {image: 'redis:7'}
";

/// Nothing listens on that port: a call that is made ends with exit code 3.
const KUBECONFIG: &str = "
apiVersion: v1
kind: Config
current-context: nowhere
clusters: [{name: nowhere, cluster: {server: 'http://127.0.0.1:9'}}]
contexts: [{name: nowhere, context: {cluster: nowhere, user: me}}]
users: [{name: me, user: {}}]
";

/// Words of the implementation that a message must never carry.
const RUST: [&str; 12] = [
    "Option<",
    "invalid u16",
    "invalid u32",
    "invalid i64",
    "ExitStatus",
    "unwrap",
    "panicked",
    "serde",
    "expected u",
    "Nodes {",
    "Some(",
    "os error",
];

/// One run: the arguments, what the folder holds, and what must come of it.
struct Case<'a> {
    arguments: &'a [&'a str],
    files: &'a [(&'a str, &'a str)],
    stdin: &'a str,
    code: i32,
    says: &'a [&'a str],
}

impl<'a> Case<'a> {
    fn new(code: i32, arguments: &'a [&'a str], says: &'a [&'a str]) -> Self {
        Self {
            arguments,
            files: &[],
            stdin: "",
            code,
            says,
        }
    }

    fn with(self, files: &'a [(&'a str, &'a str)]) -> Self {
        Self { files, ..self }
    }

    fn stdin(self, stdin: &'a str) -> Self {
        Self { stdin, ..self }
    }

    /// What is wrong with it; empty: nothing.
    fn judge(&self) -> String {
        let started = Instant::now();
        let folder = folder(self.files);
        let output = run(folder.path(), self.arguments, self.stdin);
        let took = started.elapsed();
        let said = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        let mut wrong = Vec::new();
        if output.status.code() != Some(self.code) {
            wrong.push(format!(
                "exit code {:?}, expected {}",
                output.status.code(),
                self.code
            ));
        }
        let missing = self.says.iter().filter(|words| !said.contains(**words));
        wrong.extend(missing.map(|words| format!("`{words}` is not said")));
        let rust = RUST.iter().filter(|word| said.contains(**word));
        wrong.extend(rust.map(|word| format!("`{word}` is said")));
        #[expect(clippy::print_stdout, reason = "--nocapture shows how long each took")]
        {
            println!("{:5} ms  {:?}", took.as_millis(), self.arguments);
        }
        if took > Duration::from_secs(20) {
            wrong.push(format!("it took {took:?}"));
        }
        if wrong.is_empty() {
            return String::new();
        }
        format!(
            "{:?}: {}\n    {}\n",
            self.arguments,
            wrong.join("; "),
            said.trim().replace('\n', "\n    ")
        )
    }
}

/// A folder with a compose file, a kubeconfig that leads nowhere, and these files.
fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let own = [("compose.yaml", COMPOSE), ("kubeconfig", KUBECONFIG)];
    for (name, text) in own.iter().chain(files) {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    std::fs::write(folder.path().join("latin1"), [b'a', 0xff, 0xfe]).unwrap();
    let pipe = folder.path().join("pipe");
    Command::new("mkfifo").arg(pipe).status().unwrap();
    folder
}

fn run(folder: &Path, arguments: &[&str], stdin: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_k8sverify"))
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .env("KUBECONFIG", folder.join("kubeconfig"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A run that ends without reading closes the pipe.
    let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    child.wait_with_output().unwrap()
}

/// Tries all of them, and shows every one that went wrong.
fn all(cases: &[Case<'_>]) {
    let wrong: String = cases.iter().map(Case::judge).collect();
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn a_name_that_no_namespace_can_have_is_refused_before_any_call() {
    let long = "a".repeat(80);
    let mut cases = Vec::new();
    for command in ["verify", "graph", "rbac"] {
        cases.push((vec![command, "-n", ""], "the name is empty"));
        for name in ["Foo Bar", "UPPER", "-x-", "a/b", &long] {
            let argument = match name {
                "-x-" => vec![command, "--namespace=-x-"],
                _ => vec![command, "-n", name],
            };
            cases.push((argument, "no namespace can have this name"));
        }
    }
    let cases: Vec<Case<'_>> = cases
        .iter()
        .map(|(arguments, says)| Case::new(2, arguments, std::slice::from_ref(says)))
        .collect();
    all(&cases);
}

#[test]
fn a_call_to_a_server_that_is_not_there_is_no_usage_error() {
    all(&[Case::new(3, &["-n", "shop"], &["api-unreachable"])]);
}

#[test]
fn a_kubeconfig_that_is_none_is_named() {
    let broken = |text| [("kubeconfig", text)];
    let (empty, yaml, list) = (broken(""), broken("a: ["), broken("[1, 2]"));
    let case =
        |files| Case::new(2, &["-n", "shop"], &["failed to read the kubeconfig"]).with(files);
    all(&[
        case(&empty),
        case(&yaml),
        case(&list),
        Case::new(2, &["--kubeconfig", "missing"], &["missing"]),
        Case::new(
            2,
            &["--kubeconfig", "."],
            &["failed to read the kubeconfig"],
        ),
        Case::new(2, &["--context", "other"], &["other", "nowhere"]),
    ]);
}

#[test]
fn a_report_that_is_none_is_named() {
    let story = |from: &str, to: &str| {
        assert!(STORY.contains(from));
        STORY.replacen(from, to, 1)
    };
    let large = story("\"exit_code\": 1", "\"exit_code\": 1e30");
    let negative = story("\"exit_code\": 1", "\"exit_code\": -1");
    let deep = "[".repeat(1_000_000);
    let place = "expected a whole number, 0 or more at line";
    all(&[
        Case::new(2, &["fix"], &[place]).stdin(&large),
        Case::new(2, &["fix"], &[place]).stdin(&negative),
        Case::new(2, &["fix"], &["expected a report"]).stdin(&deep),
        Case::new(2, &["compare", "-"], &["expected a report"]).stdin(&deep),
        Case::new(2, &["fix", "missing.json"], &["missing.json"]),
        Case::new(2, &["fix"], &["expected a report"]).stdin("{}"),
        Case::new(2, &["fix", "-"], &["expected a report"]).stdin("no json"),
        Case::new(2, &["fix", "compose.yaml"], &["expected a report"]),
    ]);
}

const DEPLOYED: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec: {selector: {matchLabels: {app: web}}, template: {metadata: {labels: {app: web}}, spec: {containers: [{name: web, image: 'python:3', env: [{name: AP_URL, value: 'http://AP:2000'}]}]}}}
---
apiVersion: v1
kind: Service
metadata: {name: outbox}
spec: {selector: {app: outbox}, ports: [{port: 80}]}
";

#[test]
fn names_of_the_users_own_file_that_stand_for_nothing_end_the_run_before_a_verdict() {
    let added = "edges:\n  add:\n  - {from: WEB, to: SERCH, port: 9200, forbidden: true}\n  - {from: WEB, to: outbox, port: 80}\n";
    let files = |config| [("k8sverify.yaml", config), ("k8s/web.yaml", DEPLOYED)];
    let typo = files("edges: {add: [{from: WEBB, to: DB, port: 3306, forbidden: true}]}");
    let server = files(added);
    let edge = files("edges: {adjust: [{edge: 'WEB->KVS', optional: true}]}");
    let check = ["check", "--manifests", "k8s"];
    all(&[
        // Before any call.
        Case::new(
            2,
            &["-n", "shop"],
            &["k8sverify.yaml:1", "did you mean WEB?"],
        )
        .with(&typo),
        Case::new(2, &check, &["k8sverify.yaml:1", "did you mean WEB?"]).with(&typo),
        Case::new(
            2,
            &check,
            &["k8sverify.yaml:3", "`SERCH`, which is neither"],
        )
        .with(&server),
        Case::new(
            2,
            &check,
            &["WEB->KVS, which is no edge; WEB has WEB->AP:2000"],
        )
        .with(&edge),
    ]);
}

#[test]
fn a_config_file_that_is_wrong_is_refused_with_its_place() {
    let case = |says, files| Case::new(2, &["graph"], says).with(files);
    all(&[
        case(
            &["k8sverify.yaml:1:", "unknown field `tires`"],
            &[("k8sverify.yaml", "tires: {}")],
        ),
        case(
            &["k8sverify.yaml:1:", "from 0 to 65535"],
            &[(
                "k8sverify.yaml",
                "edges: {add: [{from: WEB, to: DB, port: 70000}]}",
            )],
        ),
        case(
            &["k8sverify.yaml:1:", "from 0 to 65535"],
            &[(
                "k8sverify.yaml",
                "edges: {add: [{from: WEB, to: DB, port: x}]}",
            )],
        ),
        case(&["k8sverify.yaml:"], &[("k8sverify.yaml", ": : :")]),
        case(&["k8sverify.yaml:1:"], &[("k8sverify.yaml", "[]")]),
        case(
            &["no finding code"],
            &[("k8sverify.yaml", "severity: {nope: off}")],
        ),
        case(
            &["no severity"],
            &[("k8sverify.yaml", "severity: {service-missing: fatal}")],
        ),
        case(
            &["names no edge"],
            &[("k8sverify.yaml", "edges: {drop: [WEB-DB]}")],
        ),
        Case::new(
            2,
            &["graph", "--config", "missing.yaml"],
            &["missing.yaml", "there is no such file"],
        ),
    ]);
}

/// The graph of that text as the only compose file.
fn compose<'a>(code: i32, files: &'a [(&'a str, &'a str)], says: &'a [&'a str]) -> Case<'a> {
    Case::new(code, &["graph"], says).with(files)
}

#[test]
fn a_compose_file_that_cannot_be_read_is_named_with_the_reason() {
    let case = |file: &'static str, says: &'static str| {
        let arguments: &'static [&'static str] = Vec::leak(vec!["graph", "-f", file]);
        let says: &'static [&'static str] = Vec::leak(vec!["cannot read", says]);
        Case::new(2, arguments, says)
    };
    all(&[
        case("missing.yaml", "there is no such file"),
        case(".", "it is a directory"),
        case("latin1", "it is no UTF-8 text"),
        case("pipe", "it is a pipe or a device"),
        case("/dev/zero", "it is a pipe or a device"),
        case(env!("CARGO_BIN_EXE_k8sverify"), "it is larger than 8 MiB"),
        case("compose.yaml/x", "not a directory"),
        Case::new(
            2,
            &["graph", "--env-file", "missing.env"],
            &["cannot read missing.env: there is no such file"],
        ),
        Case::new(
            2,
            &["graph", "--config", "."],
            &["cannot read it: it is a directory"],
        ),
        Case::new(
            2,
            &["graph", "--config", "pipe"],
            &["cannot read it: it is a pipe"],
        ),
        Case::new(
            2,
            &["-n", "shop", "--probe-patch", "missing.yaml"],
            &["missing.yaml: cannot read it: there is no such file"],
        ),
    ]);
}

#[test]
fn a_file_of_another_kind_is_no_compose_file() {
    let case = |text: &'static str, says: &'static str| {
        let files: &'static [(&'static str, &'static str)] =
            Vec::leak(vec![("compose.yaml", text)]);
        compose(2, files, Vec::leak(vec!["compose.yaml", says]))
    };
    all(&[
        case(DEPLOYED, "a Kubernetes manifest (Deployment)"),
        case(DEPLOYED, "check --manifests"),
        case("web: {image: nginx}\n", "as in compose files of version 1"),
        case("edges: {add: []}\n", "no key of a compose file"),
        case(
            "on: push\njobs: {a: {steps: []}}\n",
            "no key of a compose file",
        ),
        case("", "an empty file"),
        case("- a\n", "expected a mapping with `services`"),
        case("just text\n", "expected a mapping with `services`"),
    ]);
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table, a case to each few lines")]
fn what_docker_compose_refuses_is_refused_with_its_place() {
    let case = |text: &'static str, says: &'static str| {
        let files: &'static [(&'static str, &'static str)] =
            Vec::leak(vec![("compose.yaml", text)]);
        compose(2, files, Vec::leak(vec!["compose.yaml:", says]))
    };
    all(&[
        case(
            "services: {a: {image: x, environment: ['A =1']}}",
            "compose.yaml:1:40: a blank at the end",
        ),
        case(
            "services: {a: {image: x, volumes: ['${NO}:/x']}}",
            "an empty part in the volume",
        ),
        case(
            "services: {a: {image: x, volumes: ['']}}",
            "an empty volume",
        ),
        case("services: [a]", "expected a mapping of services"),
        case(
            "services: {a: [x]}",
            "expected a mapping with `image` or `build`",
        ),
        case("services: {a: null}", "expected a mapping"),
        case("services: {a: {}}", "neither `image` nor `build`"),
        case("services: {'a b': {image: x}}", "the service name `a b`"),
        case("services: {a: {image: [x]}}", "expected a string"),
        case(
            "services: {a: {image: x, ports: [70000]}}",
            "services.a.ports",
        ),
        case(
            "services: {a: {image: x, ports: ['x:y']}}",
            "services.a.ports",
        ),
        case("services: {a: {image: x, ports: 80}}", "services.a.ports"),
        case(
            "services: {a: {image: x, environment: 5}}",
            "services.a.environment",
        ),
        case(
            "services: {a: {image: x, environment: {A: [1]}}}",
            "services.a.environment.A",
        ),
        case(
            "services: {a: {image: x, env_file: {a: b}}}",
            "services.a.env_file",
        ),
        case(
            "services: {a: {image: x, networks: [none]}}",
            "the network `none`",
        ),
        case(
            "services: {a: {image: x, volumes: ['vol:/v']}}",
            "the volume `vol`",
        ),
        case("services: {a: {image: x, secrets: [s]}}", "the secret `s`"),
        case("services: {a: {image: x, depends_on: [b]}}", "needs `b`"),
        case(
            "services: {a: {image: x, depends_on: [b]}, b: {image: x, depends_on: [a]}}",
            "depend",
        ),
        case(
            "services: {a: {image: x, network_mode: host, networks: [default]}}",
            "both `network_mode` and `networks`",
        ),
        case(
            "services: {a: {image: x, network_mode: 'service:a'}}",
            "shares its own network",
        ),
        case(
            "services: {a: {image: x, healthcheck: {interval: soon}}}",
            "services.a.healthcheck.interval",
        ),
        case("services: {a: {image: x, scale: many}}", "services.a.scale"),
        case("services: {a: {image: '${A:?needed}'}}", "needed"),
        case("services: {a: {image: '${A'}}", "compose.yaml:1:"),
        case("services: {a: {image: x, image: y}}", "compose.yaml:1:"),
        case("services: {a: {extends: b}}", "the service `b`"),
        case(
            "services: {a: {extends: {service: a}}}",
            "goes round in a circle",
        ),
        case(
            "services: {a: {extends: {service: a, file: none.yaml}}}",
            "none.yaml: there is no such file",
        ),
        case("include: [compose.yaml]\nservices: {}", "compose.yaml"),
        case("include: [none.yaml]", "none.yaml: there is no such file"),
        case("services: {a: [", "compose.yaml:1:"),
        case("services:\n\ta: {image: x}", "compose.yaml:"),
        case("a: &a [*a]\n", "compose.yaml:1:"),
        case("services: *none\n", "compose.yaml:1:"),
        case(
            "a: &a [x, x, x, x, x, x, x, x, x]\nb: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a]\nc: &c [*b, *b, *b, *b, *b, *b, *b, *b, *b]\nd: &d [*c, *c, *c, *c, *c, *c, *c, *c, *c]\ne: &e [*d, *d, *d, *d, *d, *d, *d, *d, *d]\nf: &f [*e, *e, *e, *e, *e, *e, *e, *e, *e]\ng: [*f, *f, *f]\n",
            "compose.yaml:",
        ),
    ]);
}

#[test]
fn what_is_too_deep_or_misnamed_is_refused_with_its_place() {
    let deep = format!("services: {}1{}", "[".repeat(5000), "]".repeat(5000));
    let link = |index: u32| format!("  s{index}: {{extends: {{service: s{}}}}}\n", index - 1);
    let links: String = (1..100).map(link).collect();
    let chain = format!("services:\n  s0: {{image: x}}\n{links}");
    let laugh = |index: u32| {
        format!(
            "x-{index}: &x{index} [{}]\n",
            format!("*x{},", index - 1).repeat(9)
        )
    };
    let laughs: String = (1..12).map(laugh).collect();
    let bomb = format!("x-0: &x0 [a]\n{laughs}services: {{a: {{image: x, x-y: *x11}}}}\n");
    let range = "services: {a: {image: redis, ports: ['1-65535:1-65535'], expose: ['1-65535']}}\n";
    let exposing = |index: u32| format!("  s{index}: {{image: x, expose: ['1-65535/udp']}}\n");
    let ranges: String = (0..99).map(exposing).collect();
    let ranges = format!("services:\n{ranges}");
    all(&[
        compose(2, &[("compose.yaml", &deep)], &["compose.yaml:1:"]),
        compose(
            2,
            &[(
                "compose.yaml",
                "services: {a: {image: x, enviroment: {DB_HOST: b}}, b: {image: mysql}}",
            )],
            &[
                "compose.yaml:1:26: the key `enviroment`",
                "expected `environment`",
            ],
        ),
        compose(
            2,
            &[("compose.yaml", "services: {a: {image: x}}\nvolums: {}\n")],
            &["compose.yaml:2:1: the key `volums`", "expected `volumes`"],
        ),
        compose(
            2,
            &[("compose.yaml", "services: {a: {image: x, frobnicate: 1}}")],
            &[
                "compose.yaml:1:26: the key `frobnicate`",
                "a key of a service",
            ],
        ),
        compose(
            2,
            &[("compose.yaml", &chain)],
            &["`extends` goes too deep", "at most 32 services"],
        ),
        compose(2, &[("compose.yaml", &bomb)], &["aliases are expanded"]),
        compose(0, &[("compose.yaml", range)], &["1 tier"]),
        compose(
            2,
            &[("compose.yaml", &ranges)],
            &["compose.yaml:", "too many ports once ranges are expanded"],
        ),
        Case::new(
            2,
            &["graph", "--project-name", "No Name"],
            &["project name", "`No Name`"],
        ),
        // As strict as Docker Compose where its own model is asked for.
        Case::new(
            2,
            &["graph", "--resolved"],
            &["cannot read no.env: there is no such file"],
        )
        .with(&[(
            "compose.yaml",
            "services: {a: {image: x, env_file: no.env}}",
        )]),
    ]);
}

#[test]
fn what_is_doubtful_in_a_compose_file_is_said_with_its_place() {
    let case = |text: &'static str, says: &'static [&'static str]| {
        let files: &'static [(&'static str, &'static str)] =
            Vec::leak(vec![("compose.yaml", text)]);
        compose(0, files, says)
    };
    all(&[
        case(
            "services: {a: {image: x, env_file: no.env}}",
            &["Edges may be missing", "no.env is not here"],
        ),
        case(
            "services: {a: {image: x, environment: ['H=${NO_SUCH}']}}",
            &["NO_SUCH has no value"],
        ),
        case(
            "services: {a: {image: x}, b: {profiles: [off], networks: [default]}}",
            &["b  not meant to run here"],
        ),
        Case::new(
            0,
            &["graph", "--profile", "tols"],
            &["--profile: no service has the profile `tols`; did you mean tools?"],
        )
        .with(&[(
            "compose.yaml",
            "services: {a: {image: x}, b: {image: x, profiles: [tools]}}",
        )]),
    ]);
}

#[test]
fn a_wrong_flag_is_a_usage_error_before_any_call() {
    let case = |arguments: &'static [&'static str], says: &'static [&'static str]| {
        Case::new(2, arguments, says)
    };
    all(&[
        case(
            &["-n", "shop", "--probe-label", "a b=c d"],
            &["--probe-label"],
        ),
        case(
            &["-n", "shop", "--probe-toleration", "=x:NoGo"],
            &["--probe-toleration"],
        ),
        case(&["-n", "shop", "--image", "not an image!"], &["--image"]),
        case(&["-n", "shop", "--timeout", "0s"], &["--timeout"]),
        case(
            &["-n", "shop", "--probe-service-account", "A b"],
            &["--probe-service-account", "lower-case"],
        ),
        case(&["-n", "shop", "--allow-login", ""], &["--allow-login"]),
        case(
            &["-n", "shop", "--edges-at-once", "0"],
            &["--edges-at-once", "1 or more"],
        ),
        case(&["-n", "shop", "--wait", "5"], &["--wait"]),
        case(&["-n", "shop", "--deadline", "soon"], &["--deadline"]),
        case(
            &["-n", "shop", "--fail-on", "fatal"],
            &["--fail-on", "warning"],
        ),
        case(&["-n", "shop", "--format", "yaml"], &["--format"]),
        case(&["--namespcae", "shop"], &["--namespace"]),
        case(&["veryfi"], &["verify"]),
        case(&["explain", "service-mising"], &["service-missing"]),
        case(&["check"], &["--manifests"]),
        case(
            &["-n", "shop", "--json", "none/report.json"],
            &["none/report.json"],
        ),
        case(&["-n", "shop", "--json", "."], &["--json"]),
        case(
            &["-n", "shop", "--json", "a", "--junit", "a"],
            &["--junit", "another report goes to this file"],
        ),
        case(&["-n", "shop", "--json", "compose.yaml"], &["compose.yaml"]),
        case(&["graph", "--infer", "-f", "compose.yaml"], &["--infer"]),
        case(&["completions", "csh"], &["csh"]),
        case(&["man", "none"], &["none"]),
    ]);
}

const MAP: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: extra}\n";
const WHOLE: &str = include_str!("fixtures/check.yaml");

#[test]
fn check_reads_pipes_and_several_paths_and_never_says_verified() {
    let check = ["check", "--manifests", "-"];
    let clean = Case::new(
        0,
        &check,
        &["no fault in the manifests; 4 edges not probed"],
    )
    .stdin(WHOLE);
    let two = [("a.yaml", WHOLE), ("b/b.yaml", MAP)];
    let misspelt = format!("{WHOLE}---\napiVersion: apps/v1\nkind: Deploymnet\n");
    let broken = WHOLE.replace("selector: {app: db}", "selector: {app: bd}");
    all(&[
        clean,
        Case::new(
            0,
            &["check", "--manifests", "/dev/stdin"],
            &["4 edges not probed"],
        )
        .stdin(WHOLE),
        Case::new(
            0,
            &["check", "--manifests", "a.yaml", "b", "--manifests", "-"],
            &["no fault"],
        )
        .with(&two)
        .stdin("apiVersion: argoproj.io/v1alpha1\nkind: Rollout\nmetadata: {name: r}\n"),
        Case::new(
            0,
            &check,
            &["Deploymnet of apps/v1 was not checked; did you mean Deployment?"],
        )
        .stdin(&misspelt),
        Case::new(
            1,
            &["check", "--manifests", "-", "-v"],
            &[
                "1 fault in the manifests",
                "service-selector-mismatch",
                "app: db",
            ],
        )
        .stdin(&broken),
    ]);
}

#[test]
fn what_check_cannot_read_is_named() {
    let render = [
        ("k/kustomization.yaml", "resources: []"),
        ("c/Chart.yaml", "name: c"),
        ("c/templates/d.yaml", "{{- if a }}"),
        ("notes.txt", "no: ["),
        ("values.yaml", "image: x"),
    ];
    let case = |arguments: &'static [&'static str], says: &'static [&'static str]| {
        Case::new(2, arguments, says).with(&render)
    };
    all(&[
        case(
            &["check", "--manifests", "k"],
            &["kubectl kustomize k | k8sverify check --manifests -"],
        ),
        case(
            &["check", "--manifests", "c"],
            &["helm template c | k8sverify check --manifests -"],
        ),
        case(
            &["check", "--manifests", "c/templates/d.yaml"],
            &["c/templates/d.yaml:1: ", "helm template"],
        ),
        case(
            &["check", "--manifests", "missing"],
            &["missing", "there is no such file"],
        ),
        case(
            &["check", "--manifests", "latin1"],
            &["it is no UTF-8 text"],
        ),
        case(
            &["check", "--manifests", "/dev/zero"],
            &["it is larger than 64 MiB"],
        ),
        case(
            &["check", "--manifests", "values.yaml"],
            &["values.yaml:1: ", "apiVersion and kind"],
        ),
        case(&["check", "--manifests", "notes.txt"], &["notes.txt:1: "]),
        case(
            &["check", "--manifests", "-"],
            &["standard input: there is no Kubernetes object"],
        ),
        case(
            &["check", "--manifests", "compose.yaml"],
            &["apiVersion and kind"],
        ),
    ]);
}

/// What the user of a machine may read, and the author of a project may not.
const PRIVATE: &[(&str, &str)] = &[
    ("keys", "CANARYa:\n  CANARYb: [\n"),
    ("map", "CANARYc: CANARYd\n"),
    ("shadow", "root:$y$CANARYe/f:1:\nCANARYg h:x\n"),
    ("odd", "A=1\nCANARYi`j=2\n"),
    (
        "login",
        "aws_secret_access_key = CANARYk\ntoken=CANARYl\nHOOK=https://u:CANARYm@h.example/CANARYn5pQ7rS9tU1vW3\n",
    ),
    (
        "conf",
        "password=CANARYo\ndb_host=db-CANARYp4Q6r8S0\n//registry.example/:_authToken=CANARYq\n",
    ),
];

#[test]
fn nothing_of_a_file_outside_of_the_project_is_in_a_message_or_a_graph() {
    let private = tempfile::tempdir().unwrap();
    for (name, text) in PRIVATE {
        std::fs::write(private.path().join(name), text).unwrap();
    }
    let of = |name: &str| private.path().join(name).display().to_string();
    let mut wrong = String::new();
    for (name, _) in PRIVATE {
        let services = "services: {a: {image: nginx}}";
        let app = |keys: &str| format!("services: {{a: {{image: nginx, {keys}}}}}\n");
        let path = of(name);
        // What the author of a project may write, and as which file a link may stand in it.
        for (compose, link) in [
            (services.to_owned(), "k8sverify.yaml"),
            (services.to_owned(), ".env"),
            (services.to_owned(), "compose.override.yaml"),
            (services.to_owned(), "deploy/x.yaml"),
            (services.to_owned(), ".git/config"),
            (format!("include: ['{path}']\n{services}"), ""),
            (
                format!("include: [{{path: b.yaml, env_file: '{path}'}}]\n{services}"),
                "",
            ),
            (app(&format!("env_file: '{path}'")), ""),
            (app("env_file: [l, own.env]"), "l"),
            (app("env_file: .git/config"), ".git/config"),
            (app(&format!("extends: {{file: '{path}', service: a}}")), ""),
            (
                app(&format!("volumes: ['{path}:/app/.env', './l:/etc/l.conf']")),
                "l",
            ),
        ] {
            let folder = folder(&[
                ("compose.yaml", &compose),
                (
                    "b.yaml",
                    "services: {b: {image: nginx, environment: {B_HOST: '$token.example', C: '${aws_secret_access_key}'}}}",
                ),
                (
                    "own.env",
                    "D_HOST=$token.example\nD_URL=http://${aws_secret_access_key}.example:80/\n",
                ),
                (
                    "deploy/own.yaml",
                    "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {ports: [{port: 80}]}\n",
                ),
                (".git/HEAD", "ref: refs/heads/main\n"),
            ]);
            if !link.is_empty() {
                std::os::unix::fs::symlink(&path, folder.path().join(link)).unwrap();
            }
            for arguments in [
                &["graph"][..],
                &["graph", "--format", "json"],
                &["graph", "--format", "svg"],
                &["check", "deploy"],
                &["verify"],
            ] {
                let output = run(folder.path(), arguments, "");
                let said = [output.stdout, output.stderr].concat();
                let said = String::from_utf8_lossy(&said);
                if said.contains("CANARY") {
                    wrong += &format!("{name} as {link} {compose} {arguments:?}:\n{said}\n");
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    // The place is said.
    let folder = folder(&[]);
    std::os::unix::fs::symlink(of("keys"), folder.path().join("k8sverify.yaml")).unwrap();
    let output = run(folder.path(), &["graph"], "");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.contains("k8sverify.yaml:") && said.contains("outside of the project"),
        "{said}"
    );
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn what_the_user_names_elsewhere_is_quoted() {
    let elsewhere = folder(&[("own.yaml", "tierz: {}\n")]);
    let path = elsewhere.path().join("own.yaml").display().to_string();
    all(&[Case::new(
        2,
        &["graph", "--config", &path],
        &["own.yaml:1:", "tierz"],
    )]);
}

/// A kubeconfig with these lines for cluster and user.
fn kubeconfig(cluster: &str, user: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: c\nclusters: [{{name: c, cluster: {{{cluster}}}}}]\ncontexts: [{{name: c, context: {{cluster: c, user: me}}}}]\nusers: [{{name: me, user: {{{user}}}}}]\n"
    )
}

fn plugin(command: &str) -> String {
    let exec = format!(
        "exec: {{apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never, {command}}}"
    );
    kubeconfig("server: 'http://127.0.0.1:9'", &exec)
}

#[test]
fn a_credential_plugin_that_does_not_work_is_named() {
    let missing = plugin("command: no-such-auth-plugin");
    let fails =
        plugin("command: /bin/sh, args: [-c, 'echo Unable to locate credentials >&2; exit 255']");
    let garbage = plugin("command: /bin/echo, args: [hello]");
    // Far longer than the run may take.
    let hangs = plugin("command: /bin/sleep, args: ['300']");
    let run = ["-n", "shop"];
    let short = ["-n", "shop", "--deadline", "3s"];
    all(&[
        Case::new(
            3,
            &run,
            &["no-such-auth-plugin", "no such program is on the PATH"],
        )
        .with(&[("kubeconfig", &missing)]),
        Case::new(
            3,
            &run,
            &[
                "credential plugin sh failed",
                "Unable to locate credentials",
            ],
        )
        .with(&[("kubeconfig", &fails)]),
        Case::new(3, &run, &["credential plugin echo printed no credentials"])
            .with(&[("kubeconfig", &garbage)]),
        Case::new(3, &short, &["the deadline of 3 s (--deadline)"]).with(&[("kubeconfig", &hangs)]),
    ]);
}

const UNREACHABLE: &str = "failed to reach the API server";

/// Takes connections and says this to each, or nothing.
fn peer(says: &'static [u8]) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        // Kept open: a server that is silent does not hang up.
        let mut open = Vec::new();
        for mut stream in listener.incoming().flatten() {
            if !says.is_empty() {
                // A server speaks when it is spoken to.
                let _ = std::io::Read::read(&mut stream, &mut [0; 4096]);
            }
            let _ = stream.write_all(says);
            open.push(stream);
        }
    });
    address.to_string()
}

#[test]
fn a_server_that_is_no_api_server_is_named() {
    let of = |server: &str| kubeconfig(&format!("server: '{server}'"), "");
    let unknown = of("https://no-such-host.invalid:6443");
    let silent = of(&format!("http://{}", peer(b"")));
    let silent_tls = of(&format!("https://{}", peer(b"")));
    let plain = of(&format!(
        "https://{}",
        peer(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    ));
    let page = peer(b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 41\r\n\r\n<!doctype html><title>Sign in</title>....");
    let page = of(&format!("http://{page}"));
    let lost = kubeconfig(
        "server: 'https://127.0.0.1:9', certificate-authority: none/ca.crt",
        "",
    );
    let run = ["-n", "shop"];
    let mut cases = vec![
        Case::new(2, &run, &["none/ca.crt"]),
        Case::new(
            3,
            &run,
            &[UNREACHABLE, "no-such-host.invalid", "does not resolve"],
        ),
        Case::new(3, &run, &[UNREACHABLE, "no answer within"]),
        Case::new(3, &run, &[UNREACHABLE, "no answer within"]),
        Case::new(3, &run, &[UNREACHABLE, "does not speak TLS"]),
        Case::new(
            3,
            &run,
            &[UNREACHABLE, "an HTML page (\"Sign in\")", "log in"],
        ),
    ];
    let files = [&lost, &unknown, &silent, &silent_tls, &plain, &page]
        .map(|text| [("kubeconfig", text.as_str())]);
    for (case, files) in cases.iter_mut().zip(&files) {
        case.files = files;
    }
    all(&cases);
}

/// A TLS server with that certificate.
fn tls_peer(made: &rcgen::CertifiedKey<rcgen::KeyPair>) -> String {
    use rustls::pki_types::PrivateKeyDer;
    let provider = rustls::crypto::ring::default_provider();
    let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    let config = rustls::ServerConfig::builder_with_provider(provider.into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let config = std::sync::Arc::new(config);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut tls = rustls::ServerConnection::new(config.clone()).unwrap();
            // The client hangs up on what it does not trust.
            while tls.is_handshaking() && tls.complete_io(&mut stream).is_ok() {}
        }
    });
    address.to_string()
}

#[test]
fn a_certificate_that_the_kubeconfig_does_not_vouch_for_is_named() {
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let server = tls_peer(&made);
    let url = format!("https://{server}");
    let other = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let authority = |made: &rcgen::CertifiedKey<rcgen::KeyPair>| {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD.encode(made.cert.pem())
    };
    let none = kubeconfig(&format!("server: '{url}'"), "");
    let wrong = kubeconfig(
        &format!(
            "server: '{url}', certificate-authority-data: {}",
            authority(&other)
        ),
        "",
    );
    let run = ["-n", "shop"];
    let says = ["is not trusted", "certificate-authority"];
    all(&[
        Case::new(3, &run, &says).with(&[("kubeconfig", &none)]),
        Case::new(3, &run, &says).with(&[("kubeconfig", &wrong)]),
    ]);
}

const STORY: &str = include_str!("fixtures/reports/story.json");
const HEALTHY: &str = include_str!("fixtures/reports/healthy.json");

/// One line of a shell in such a folder: its exit code, and all that was said.
fn shell(files: &[(&str, &str)], line: &str) -> (Option<i32>, String) {
    let folder = folder(files);
    let output = Command::new("/bin/bash")
        .args(["-c", line])
        .current_dir(folder.path())
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("BIN", env!("CARGO_BIN_EXE_k8sverify"))
        .env("KUBECONFIG", folder.path().join("kubeconfig"))
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    (
        output.status.code(),
        String::from_utf8_lossy(&said).into_owned(),
    )
}

#[test]
fn a_report_that_cannot_be_written_is_no_pass() {
    let lines = [
        ("$BIN check --manifests k --json /dev/full", "/dev/full"),
        ("$BIN check --manifests k --junit /dev/full", "/dev/full"),
        ("$BIN check --manifests k >/dev/full", "standard output"),
        (
            "$BIN check --manifests k --format json >/dev/full",
            "standard output",
        ),
        ("$BIN -n shop --json /dev/full", "/dev/full"),
    ];
    for (line, says) in lines {
        let (code, said) = shell(&[("k/all.yaml", WHOLE)], line);
        assert_eq!(code, Some(3), "{line}: {said}");
        assert!(
            said.contains(says) && said.contains("no space left") || said.contains("No space left"),
            "{line}: {said}"
        );
        assert!(!said.contains("os error"), "{line}: {said}");
        assert!(!said.contains("exit 0"), "{line}: {said}");
    }
    // The other reports end with the same code, and name the file that is missing.
    let (code, said) = shell(
        &[("k/all.yaml", WHOLE)],
        "$BIN check --manifests k --json /dev/full --junit j.xml --markdown m.md; code=$?; cat j.xml m.md; exit $code",
    );
    assert_eq!(code, Some(3), "{said}");
    assert!(
        said.contains("exit 3") && !said.contains("exit 0"),
        "{said}"
    );
    assert!(
        said.matches("cannot write /dev/full").count() >= 3,
        "{said}"
    );
    assert!(said.contains("errors=\"1\""), "{said}");
}

/// A disk that takes the first report, which says that the run has not finished, and has no room for the last one.
#[test]
fn a_disk_that_is_full_keeps_the_report_that_says_so() {
    let line = "mkdir d; unshare -rm bash -c 'mount -t tmpfs -o size=8k none d || exit 99
        $BIN check --manifests k --json d/report.json; code=$?; ls -A d; cat d/report.json; exit $code' || exit";
    let (code, said) = shell(&[("k/all.yaml", WHOLE)], line);
    if code == Some(99) || said.contains("unshare failed") || said.contains("unshare: ") {
        #[expect(clippy::print_stdout, reason = "--nocapture shows that it was skipped")]
        {
            println!("skipped, no file system may be mounted here: {said}");
        }
        return;
    }
    assert_eq!(code, Some(3), "{said}");
    assert!(
        said.contains("exit 3") && !said.contains("exit 0"),
        "{said}"
    );
    assert!(said.contains("cannot write d/report.json: no "), "{said}");
    assert!(said.contains("\"not finished: "), "{said}");
    assert!(!said.contains(".k8sverify-"), "{said}");
}

/// A report comes from anywhere: what it names is no command to a terminal, to a shell or to a server that reads the log.
#[test]
fn what_fix_prints_is_text_whatever_the_report_names() {
    let mut story: serde_json::Value = serde_json::from_str(STORY).unwrap();
    let evil = "x\u{1b}]0;owned\u{7}\u{1b}[2J\u{9b}1m\u{202e}y\n::stop-commands::z\n##[error]q\r\nrm -rf /";
    for (index, finding) in story["findings"]
        .as_array_mut()
        .unwrap()
        .iter_mut()
        .enumerate()
    {
        finding["id"] = evil.into();
        finding["fix"] = serde_json::json!({"text": evil, "command": evil});
        if index == 0 {
            finding["fix"]["manifest"] =
                format!("kind: Service\nmetadata: {{name: \"{evil}\"}}").into();
        }
    }
    let text = story.to_string();
    let (code, said) = shell(&[("evil.json", &text)], "$BIN fix evil.json");
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("kind: Service"), "{said}");
    for letter in said.chars().filter(|letter| *letter != '\n') {
        assert!(!letter.is_control() && letter != '\u{202e}', "{said:?}");
    }
    assert!(!said.contains("##["), "{said}");
    let mut is_manifest = false;
    for line in said.lines() {
        assert!(!line.trim_start().starts_with("::"), "{said}");
        is_manifest = match line {
            "---" => true,
            "# Not fixable by a manifest:" => false,
            _ => is_manifest,
        };
        assert!(is_manifest || line.starts_with('#'), "{line:?} in {said}");
    }
}

/// `kubectl apply` calls it an error if there is nothing to apply; a pipeline on green must not end by it.
#[test]
fn a_fix_with_nothing_to_apply_runs_no_command() {
    let files = [("story.json", STORY), ("healthy.json", HEALTHY)];
    let (code, said) = shell(&files, "$BIN fix healthy.json -- sh -c 'cat; exit 7'");
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("nothing to apply"), "{said}");
    let (code, said) = shell(&files, "$BIN fix story.json -- sh -c 'cat; exit 7'");
    assert_eq!(code, Some(7), "{said}");
    assert!(said.contains("kind: Service"), "{said}");
    let (code, said) = shell(
        &files,
        "set -o pipefail; $BIN fix - -- cat <story.json | grep -c 'kind: Service'",
    );
    assert_eq!((code, said.trim()), (Some(0), "2"));
    let (code, said) = shell(&files, "$BIN fix story.json -- no-such-command -f -");
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("no-such-command: cannot start it"), "{said}");
}
