//! What each fuzz target does with its input; used by the targets of cargo-fuzz and, on stable, by `tests/fuzz_targets.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use k8sverify::address::{self, LoginReference};
use k8sverify::catalog::Catalog;
use k8sverify::compose::{self, Files, LoadOptions};
use k8sverify::graph;
use k8sverify::sql::lex::{Client, ClientAct, lex};
use k8sverify::sql::names::Scratch;
use k8sverify::sql::{show, token};

/// The input as three files, parted by a line `%%`.
struct Parts<'a>(Vec<&'a str>);

const NAMES: [&str; 3] = ["/app/compose.yaml", "/app/b.yaml", "/app/.env"];

impl Files for Parts<'_> {
    fn read(&self, path: &Path) -> io::Result<String> {
        let index = NAMES.iter().position(|name| Path::new(name) == path);
        index
            .and_then(|index| self.0.get(index))
            .map(|text| (*text).to_owned())
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn list(&self, _directory: &Path) -> io::Result<Vec<String>> {
        Err(io::ErrorKind::NotADirectory.into())
    }

    fn exists(&self, path: &Path) -> bool {
        self.read(path).is_ok()
    }
}

/// Any text as compose file, with a second one beside it: a model and its graph, or an error that names a file.
pub(crate) fn compose(text: &str) {
    let files = Parts(text.splitn(3, "\n%%\n").collect());
    let mut options = LoadOptions {
        working_directory: PathBuf::from("/app"),
        ..LoadOptions::default()
    };
    if files.0.len() > 1 {
        options.files = NAMES[..2].iter().map(PathBuf::from).collect();
    }
    match compose::load(&options, &files) {
        Ok(model) => {
            let _ = compose::resolved(&model);
            let inferred = graph::infer(&model, &Catalog::embedded());
            for edge in &inferred.edges {
                assert!(inferred.tiers.contains_key(&edge.from), "{}", edge.id.0);
                assert_ne!(edge.from, edge.to, "no tier calls itself");
            }
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// A client whose files are all that is not known of it.
const AROUND: &str = "services:
  app: {build: ./app, volumes: ['./conf:/etc/app:ro'], environment: {DB_HOST_FILE: /etc/app/value, APP_ENV: prod}, depends_on: [db]}
  db: {image: 'postgres:16'}
  peer: {image: 'x/peer', expose: ['8080']}
";

/// Every file that the client sees holds the same text.
struct Same<'a>(&'a str);

const FOLDERS: [(&str, &[&str]); 3] = [
    (
        "/app/app",
        &[
            "Dockerfile",
            "src",
            "application-prod.yml",
            ".env",
            "go.mod",
            "nginx.conf",
        ],
    ),
    ("/app/app/src", &["main.py", "Client.java"]),
    (
        "/app/conf",
        &[
            "Caddyfile",
            "data.json",
            "haproxy.cfg",
            "run.sh",
            "settings.toml",
            "site.conf",
            "value",
        ],
    ),
];

impl Files for Same<'_> {
    fn read(&self, path: &Path) -> io::Result<String> {
        if path == Path::new("/app/compose.yaml") {
            return Ok(AROUND.to_owned());
        }
        let known = FOLDERS.iter().any(|(folder, names)| {
            names
                .iter()
                .any(|name| Path::new(folder).join(name) == path)
        });
        let text = (known && self.list(path).is_err()).then(|| self.0.to_owned());
        text.ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<String>> {
        let folder = FOLDERS
            .iter()
            .find(|(folder, _)| Path::new(folder) == directory);
        let names = folder.map(|(_, names)| names.iter().map(|name| (*name).to_owned()).collect());
        names.ok_or_else(|| io::ErrorKind::NotADirectory.into())
    }

    fn exists(&self, path: &Path) -> bool {
        self.read(path).is_ok() || self.list(path).is_ok()
    }
}

/// Any text as what a client's files hold, its Dockerfile too: edges between tiers that are there, and the same for the same text.
pub(crate) fn sources(text: &str) {
    let options = LoadOptions {
        working_directory: PathBuf::from("/app"),
        ..LoadOptions::default()
    };
    let Ok(model) = compose::load(&options, &Same(text)) else {
        return;
    };
    let inferred = graph::infer(&model, &Catalog::embedded());
    for edge in &inferred.edges {
        assert!(inferred.tiers.contains_key(&edge.from), "{}", edge.id.0);
        assert!(
            edge.external || inferred.tiers.contains_key(&edge.to),
            "{}",
            edge.id.0
        );
        assert_ne!(edge.from, edge.to, "no tier calls itself");
    }
    assert_eq!(inferred, graph::infer(&model, &Catalog::embedded()));
}

fn variable(name: &str) -> Option<String> {
    name.len().is_multiple_of(2).then(|| name.to_owned())
}

/// Any text with variables: a text or an error, and nothing else.
pub(crate) fn interpolate(text: &str) {
    let result = compose::interpolate(text, &variable, &mut |_| {});
    if !text.contains('$') {
        assert_eq!(
            result.as_deref(),
            Ok(text),
            "without variables a text stays what it is"
        );
    }
    let _ = compose::split_words(text);
}

/// Any text as env file: variables or an error with the file's name, and nothing else.
pub(crate) fn env_file(text: &str) {
    match compose::parse_env_file("f.env", text, &variable, &mut |_| {}) {
        Ok(lines) => assert!(lines.iter().all(|line| !line.name.is_empty())),
        Err(error) => assert!(error.to_string().starts_with("f.env:")),
    }
}

/// The password of the environment that `address` makes.
const SECRET: &str = "secret-of-the-test";

/// Any key and value: URLs, data source names, lists. Hosts that are hosts, and no password in what may be shown.
pub(crate) fn address(key: &str, value: &str) {
    for target in address::targets(key, value) {
        assert!(address::is_host(&target.host), "{} is no host", target.host);
        assert!(!address::is_local(&target.host));
    }
    let environment = BTreeMap::from([
        (key.to_owned(), value.to_owned()),
        ("DB_HOST".to_owned(), value.to_owned()),
        ("DB_PASSWORD".to_owned(), SECRET.to_owned()),
    ]);
    for family in address::families(&environment) {
        let Some(login) = family.login else { continue };
        if let Ok(credentials) = address::credentials(&login, &environment) {
            // A fuzzer that reads comparisons writes the very word into a user's name.
            let given = key.contains(SECRET) || value.contains(SECRET);
            assert!(given || !format!("{credentials:?}").contains(SECRET));
        }
    }
    let url = LoginReference::Url {
        variable: key.to_owned(),
    };
    let _ = address::credentials(&url, &environment);
    let _ = address::expand(value, &|name| environment.get(name).cloned());
}

/// Any text as a file of SQL: statements that are not empty and lie in the order of the file, tokens that lie within their statement; once names are
/// mapped, none leads to a schema that is no scratch one.
pub(crate) fn sql(text: &str) {
    let scratch = Scratch {
        prefix: Some("scratch_".to_owned()),
    };
    let known: BTreeSet<String> = ["shop".to_owned(), "a".to_owned()].into();
    for client in [Client::Mysql, Client::Mariadb] {
        let mut last = 0;
        for item in lex(text.as_bytes(), client) {
            assert!(item.line >= last, "lines go forward");
            last = item.line;
            let ClientAct::Send(statement) = item.act else {
                continue;
            };
            assert!(
                statement
                    .last()
                    .is_some_and(|byte| !byte.is_ascii_whitespace())
            );
            let mut end = 0;
            for token in token::tokens(&statement) {
                assert!(end <= token.start && token.start < token.end);
                assert!(token.end <= statement.len());
                end = token.end;
            }
            assert!(show::statement(&statement).chars().count() <= 80);
            let mapped = scratch.map(&statement, &known);
            if mapped.beyond.is_none() {
                let again = scratch.map(&mapped.text, &known);
                assert!(
                    again.uses.iter().all(|name| name.starts_with("scratch_")),
                    "{:?} of {:?}",
                    again.uses,
                    String::from_utf8_lossy(&mapped.text)
                );
            }
        }
    }
}
