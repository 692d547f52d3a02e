//! Files that a container sees → the addresses of tiers in them. Each kind of file has a reader of its own; the rest is read as keys
//! and values. Pure.

mod document;
mod layers;
mod logins;
pub(in crate::graph) mod nginx;
mod pairs;
mod proxies;
mod substitute;

use std::num::NonZeroU16;

use crate::address::{self, Target};
use crate::catalog;
use crate::protocol::Protocol;

use super::super::Confidence;
use super::found::{Hit, Source};
use super::names::NameTable;
use super::words;

use document::without_comments;
pub(super) use logins::logins;
pub(super) use pairs::is_host_key;
pub(super) use substitute::substitute;

/// The addresses of a file, placeholders replaced by the client's environment. Only tiers count in what is no reader's own kind.
pub(super) fn scan(path: &str, text: &str, source: &Source, names: &NameTable) -> Vec<Hit> {
    let known = catalog::words();
    let lower = path.to_ascii_lowercase();
    let name = lower.rsplit('/').next().unwrap_or(&lower);
    let ends = |all: &[&str]| all.iter().any(|end| name.ends_with(end));
    let folder = lower
        .split('/')
        .any(|part| known.foreign_folders.contains(&part));
    let compose = name.contains("compose") && ends(&[".yml", ".yaml"]);
    if folder
        || compose
        || !is_chosen(path, source).unwrap_or_else(|| !is_for_trials(name))
        || ends(&known.skipped_files)
        || known.tool_files.iter().any(|tool| name.starts_with(tool))
    {
        return Vec::new();
    }
    let is_source = ends(&crate::compose::SOURCES);
    let own = dotenv(name, text, source);
    let replaced = if is_source {
        substitute::Substituted {
            text: without_defaults(text, source),
            ..substitute::Substituted::default()
        }
    } else {
        substitute(text, own.as_ref().unwrap_or(source), names)
    };
    let text = &replaced.text;
    let mut found = if is_source {
        pairs::source(text, names)
    } else if ends(&[".sh", ".bash"]) || text.starts_with("#!") {
        script(text, names)
    } else {
        let beside = source.files.iter().filter(|(other, _)| other != path);
        let beside = beside.filter(|(other, text)| nginx::is(other, text));
        let sent = sent_on(path, text, beside.map(|(_, text)| text.as_str()));
        sent.or_else(|| document::scan(text, names))
            .unwrap_or_else(|| pairs::configuration(text, names))
    };
    if !is_source {
        let layers = layers::Layers::over(path, source);
        found.retain(|hit| !layers.set(&hit.key));
    }
    for hit in &mut found {
        if replaced.guessed.contains(&hit.target.host) {
            hit.confidence = hit.confidence.min(Confidence::Likely);
        }
    }
    found
}

/// Whether a file is by its name one of settings, and of its variants the one that is chosen: what stands in it is no program's text.
pub(super) fn is_settings(path: &str, source: &Source) -> bool {
    let lower = path.to_ascii_lowercase();
    let name = lower.rsplit('/').next().unwrap_or(&lower);
    let ends = [
        ".toml",
        ".ini",
        ".properties",
        ".yaml",
        ".yml",
        ".json",
        ".env",
        ".xml",
    ];
    let is = name.starts_with(".env") || ends.iter().any(|end| name.ends_with(end));
    is && (variant(name).is_none() || is_chosen(path, source) == Some(true))
}

/// Where a web server's configuration sends requests; `None` for any other file. `beside`: the other files of that nginx.
fn sent_on<'a>(path: &str, text: &str, beside: impl Iterator<Item = &'a str>) -> Option<Vec<Hit>> {
    let lower = path.to_ascii_lowercase();
    let name = lower.rsplit('/').next().unwrap_or(&lower);
    let ends = |all: &[&str]| all.iter().any(|end| name.ends_with(end));
    if nginx::is(path, text) {
        Some(nginx::scan(text, beside))
    } else if name.starts_with("caddyfile") || ends(&[".caddy", ".caddyfile"]) {
        Some(proxies::caddy(text))
    } else if name.contains("haproxy") || (ends(&[".cfg"]) && text.contains("\nbackend ")) {
        Some(proxies::haproxy(text))
    } else {
        None
    }
}

/// Whether a file is the configuration of a web server and says where requests go.
pub(super) fn hands_on(path: &str, text: &str) -> bool {
    sent_on(path, text, std::iter::empty()).is_some_and(|found| !found.is_empty())
}

/// A program's lines without those that name a variable which is set: what stands beside it is what counts without it.
fn without_defaults(text: &str, source: &Source) -> String {
    let is_set = |line: &str| {
        line.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
            .any(|word| {
                source.environment.contains_key(word) || source.secret_variables.contains(word)
            })
    };
    let kept: Vec<&str> = text
        .lines()
        .map(|line| if is_set(line) { "" } else { line })
        .collect();
    kept.join("\n")
}

/// Whether a file of a family of which a program loads one variant by a profile (`application-X.yml`, `appsettings.X.json`, `.env.X`) is
/// the one that is chosen; `None` where nothing shows, or it is of no such family.
fn is_chosen(path: &str, source: &Source) -> Option<bool> {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    let (variant, base) = variant(name)?;
    let text = |path: &str| {
        let file = source.files.iter().find(|(other, _)| other == path);
        file.map(|(_, text)| text.as_str())
    };
    let beside = text(&format!("{folder}/{base}"));
    let is_profile = |key: &str| {
        let key = address::words(key);
        let tail = key.last().map(String::as_str);
        matches!(tail, Some("env" | "environment" | "profile" | "profiles"))
            || key.ends_with(&["profiles".to_owned(), "active".to_owned()])
    };
    let set = source
        .environment
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()));
    let words = source.words.iter().flat_map(|word| word.split_whitespace());
    let lines = beside.iter().flat_map(|text| text.lines());
    let pairs = words
        .chain(lines)
        .filter_map(|text| text.split_once(['=', ':']))
        .map(|(key, value)| (key.trim().trim_start_matches('-'), value));
    let mut chosen = false;
    for (_, value) in set.chain(pairs).filter(|(key, _)| is_profile(key)) {
        chosen = true;
        let mut values = value.split([',', ' ', '"', '\'']);
        // `prod` and `production` are one.
        let same = |one: &str| {
            let (one, other) = (one.to_ascii_lowercase(), variant.to_ascii_lowercase());
            one == other
                || one.len().min(other.len()) > 2
                    && (one.starts_with(&other) || other.starts_with(&one))
        };
        if values.any(same) {
            return Some(true);
        }
    }
    // .NET is in production where nothing else is said.
    if !chosen && base.starts_with("appsettings.") && variant.eq_ignore_ascii_case("production") {
        return Some(true);
    }
    // A dotenv beside the plain one is another place's.
    (chosen || base == ".env" && beside.is_some()).then_some(false)
}

/// The variant in the name of a file that a program loads by a profile, and the name without it.
fn variant(name: &str) -> Option<(&str, String)> {
    if let Some(variant) = name.strip_prefix(".env.") {
        return (variant != "local").then(|| (variant, ".env".to_owned()));
    }
    for (stem, mark) in [
        ("application", '-'),
        ("bootstrap", '-'),
        ("appsettings", '.'),
    ] {
        let rest = name
            .strip_prefix(stem)
            .and_then(|rest| rest.strip_prefix(mark));
        if let Some((variant, end)) = rest.and_then(|rest| rest.rsplit_once('.')) {
            return Some((variant, format!("{stem}.{end}")));
        }
    }
    None
}

/// Whether a file is called like the settings of tests, or like an example to copy.
fn is_for_trials(name: &str) -> bool {
    address::words(name).iter().any(|word| {
        matches!(
            word.as_str(),
            "test" | "tests" | "testing" | "example" | "sample" | "demo"
        )
    })
}

/// A file of variables expands itself: what it sets counts in it where the environment says nothing.
fn dotenv(name: &str, text: &str, source: &Source) -> Option<Source> {
    let is = name.starts_with(".env") || name.rsplit('.').next() == Some("env");
    if !is || !text.contains('$') {
        return None;
    }
    let mut environment = address::settings(text);
    environment.retain(|_, value| !value.contains('$'));
    environment.extend(source.environment.clone());
    Some(Source {
        environment,
        secret_variables: source.secret_variables.clone(),
        ..Source::default()
    })
}

/// A shell script: its words.
fn script(text: &str, names: &NameTable) -> Vec<Hit> {
    let mut found = words::scan(&[text.to_owned()], names);
    found.retain(|hit| names.resolve(&hit.target.host).is_some());
    for hit in &mut found {
        hit.confidence = Confidence::Likely;
    }
    found
}

/// An address that a directive names: `host:port`, or a host whose port the protocol shows.
fn address_hit(
    key: &str,
    text: &str,
    protocol: Option<Protocol>,
    default: Option<NonZeroU16>,
) -> Option<Hit> {
    let (host, port) = address::host_and_port(text)?;
    if address::is_local(&host) || address::is_docker_host(&host) || host == "unix" {
        return None;
    }
    let target = Target {
        protocol,
        by_scheme: protocol.is_some(),
        ..Target::at(host, port.or(default))
    };
    Some(Hit::new(key, target, Confidence::Declared))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn names() -> NameTable {
        let mut names = NameTable::default();
        names.insert("db", "db");
        names
    }

    fn count(path: &str, text: &str) -> usize {
        scan(path, text, &Source::default(), &names()).len()
    }

    #[test]
    fn each_kind_of_file_has_its_reader() {
        assert_eq!(
            count("/etc/nginx/nginx.conf", "proxy_pass http://db:80;"),
            1
        );
        assert_eq!(count("/etc/caddy/Caddyfile", "reverse_proxy db:80"), 1);
        assert_eq!(
            count(
                "/usr/local/etc/haproxy/haproxy.cfg",
                "backend a\n server s db:80"
            ),
            1
        );
        assert_eq!(
            count("/app/wait.sh", "until nc -z db 5432; do sleep 1; done"),
            1
        );
        assert_eq!(count("/app/main.py", "x = 'postgres://db/x'"), 1);
        assert_eq!(count("/app/config.yml", "url: http://db:80"), 1);
    }

    #[test]
    fn connection_strings_are_read() {
        let read = |path: &str, text: &str| -> Vec<(String, u16)> {
            scan(path, text, &Source::default(), &names())
                .into_iter()
                .map(|hit| (hit.target.host, hit.target.port.map_or(0, NonZeroU16::get)))
                .collect()
        };
        let db = |port: u16| vec![("db".to_owned(), port)];
        let settings = r#"{"ConnectionStrings": {"A": "Host=db;Port=5433;Username=u;Database=x"}}"#;
        assert_eq!(read("/app/appsettings.json", settings), db(5433));
        let xml = r#"<add name="A" connectionString="Server=db,1434;Database=x;User Id=sa;Password=p" />"#;
        assert_eq!(read("/app/web.config", xml), db(1434));
        assert_eq!(
            read(
                "/app/config.yml",
                "dsn: \"host=db port=5434 user=u dbname=x\""
            ),
            db(5434)
        );
        assert!(read("/app/config.yml", "dsn: \"host=other port=1 user=u\"").is_empty());
    }

    #[test]
    fn a_literal_that_says_who_may_ask_is_no_address() {
        for line in [
            "app.use(cors({ origin: 'http://db:3000' }))",
            "registry.addMapping(\"/**\").allowedOrigins(\"http://db:3000\")",
        ] {
            assert_eq!(count("/app/main.js", line), 0, "{line}");
        }
        assert_eq!(count("/app/main.js", "get('http://db:3000')"), 1);
    }

    #[test]
    fn of_the_variants_of_a_file_the_chosen_one_counts() {
        for (path, key, value, wanted) in [
            (
                "/app/application-test.yml",
                "SPRING_PROFILES_ACTIVE",
                "cloud,test",
                1,
            ),
            (
                "/app/application-cloud.yml",
                "SPRING_PROFILES_ACTIVE",
                "test",
                0,
            ),
            ("/app/application-cloud.yml", "OTHER", "test", 1),
            (
                "/app/appsettings.Docker.json",
                "ASPNETCORE_ENVIRONMENT",
                "Docker",
                1,
            ),
            (
                "/app/appsettings.Docker.json",
                "ASPNETCORE_ENVIRONMENT",
                "Production",
                0,
            ),
            ("/app/.env.prod", "NODE_ENV", "production", 1),
            ("/app/.env.staging", "APP_ENV", "prod", 0),
            ("/app/.env.staging", "OTHER", "x", 1),
            ("/app/.env.local", "APP_ENV", "prod", 1),
            ("/app/settings-cloud.yml", "APP_ENV", "prod", 1),
        ] {
            let source = Source {
                environment: BTreeMap::from([(key.to_owned(), value.to_owned())]),
                ..Source::default()
            };
            let found = scan(path, "url: http://db:80", &source, &names());
            assert_eq!(found.len(), wanted, "{path} with {key}={value}");
        }
        let beside = Source {
            files: vec![("/app/.env".to_owned(), "A=b".to_owned())],
            ..Source::default()
        };
        assert!(scan("/app/.env.staging", "url: http://db:80", &beside, &names()).is_empty());
        let active = Source {
            words: vec!["--spring.profiles.active=cloud".to_owned()],
            ..Source::default()
        };
        let path = "/app/application-cloud.yml";
        assert_eq!(scan(path, "url: http://db:80", &active, &names()).len(), 1);
    }

    #[test]
    fn what_is_no_configuration_is_not_read() {
        for path in [
            "/app/README.md",
            "/app/node_modules/x/config.yml",
            "/app/tests/config.yml",
            "/app/.env.test",
            "/app/application-test.yml",
            "/app/config.example.yml",
            "/docker-entrypoint-initdb.d/init.sql",
            "/app/package.json",
            "/app/docker-compose.yml",
        ] {
            assert_eq!(count(path, "url: http://db:80"), 0, "{path}");
        }
    }

    #[test]
    fn torn_files_never_panic() {
        const PIECES: [&str; 20] = [
            "${",
            "}",
            "{",
            "$",
            "db",
            ":",
            "80",
            "\n",
            "  ",
            "- ",
            "proxy_pass ",
            "http://",
            ";",
            "\"",
            "'",
            "ä",
            "#",
            "<host>",
            "</host>",
            "=",
        ];
        let mut state = 3_u32;
        for _ in 0..1_000 {
            let mut text = String::new();
            for _ in 0..16 {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                text.push_str(PIECES[(state >> 16) as usize % PIECES.len()]);
            }
            for path in [
                "/nginx.conf",
                "/Caddyfile",
                "/haproxy.cfg",
                "/x.sh",
                "/x.py",
                "/x.yml",
            ] {
                assert!(count(path, &text) < 100);
            }
        }
    }
}
