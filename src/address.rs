//! A value or a family of variables (`DB_HOST`, `DB_PORT`, `DB_USER` …) → host, port, protocol, *names* of the credentials; Kubernetes'
//! `$(VAR)` expansion. Pure; used by `graph` and, in the Pod, by `probe`.

use std::collections::{BTreeMap, BTreeSet};

mod document;
mod dsn;
mod expand;
mod family;
mod flaw;
mod host;
mod key;
mod list;
mod login;
mod model;
mod parse;
mod parsed;
mod scheme;
mod settings;
pub(crate) mod trust;
mod url;

pub use expand::expand;
pub(crate) use expand::{escaped_references, references, rewrite_references};
pub use flaw::{Flaw, FlawKind, flaw_of_address, flaw_of_port, flaw_of_references};
pub use host::{bracketed, host_and_port, is_docker_host, is_host, is_local, is_same_host, port};
pub(crate) use host::{is_file, is_off};
pub use key::{Role, role};
pub use login::credentials;
pub(crate) use login::{
    is_reference, may_hold_password, names_account, names_password, names_url, subject,
};
pub use model::*;
pub(crate) use url::without_path;

use parsed::Parsed;

/// Every address that a variable's value names, the container itself left out.
pub fn targets(key: &str, value: &str) -> Vec<Target> {
    targets_of(key, value).iter().map(Parsed::target).collect()
}

/// Whether an address can be read from a text, whatever its key.
pub(crate) fn has_address(value: &str) -> bool {
    !parse::parse(value).is_empty()
}

/// The addresses of the container itself that a variable names.
pub(crate) fn local_targets(key: &str, value: &str) -> Vec<Target> {
    if !matches!(key::role(key), Role::Host | Role::Plain) {
        return Vec::new();
    }
    parse::local(value).iter().map(Parsed::target).collect()
}

/// The first address in a text, whatever its key.
pub(crate) fn any_target(value: &str) -> Option<Target> {
    parse::parse(value).first().map(Parsed::target)
}

/// Whether one of the hosts in a text begins like that.
pub(crate) fn has_marked_host(value: &str, mark: &str) -> bool {
    parse::parse(value)
        .iter()
        .any(|one| one.host.starts_with(mark))
}

/// Every address of an environment with what belongs to it, sorted by variable.
pub fn families(environment: &BTreeMap<String, String>) -> Vec<Family> {
    family::families(environment, &BTreeSet::new())
}

/// The same where some variables' values are not known (they stand in a Secret): their names still pair.
pub fn families_beside(
    environment: &BTreeMap<String, String>,
    hidden: &BTreeSet<String>,
) -> Vec<Family> {
    family::families(environment, hidden)
}

/// The variables that a JSON document in one value stands for, by path; `None` where a text is no such document.
pub(crate) fn document(value: &str) -> Option<BTreeMap<String, String>> {
    document::variables(value)
}

/// The variables that a text of settings stands for, by path: JSON, properties, ini, TOML, YAML, `.env`.
pub(crate) fn settings(text: &str) -> BTreeMap<String, String> {
    document::variables(text).unwrap_or_else(|| settings::of_text(text))
}

/// How a part of a login is named that stands under a key of a file: no variable is called like that.
pub(crate) fn key_of_file(path: &str, key: &str) -> String {
    format!("{path}:{key}")
}

/// Whether the value of a key stands for another one, which the program that reads the file puts in its place, or is none.
pub(crate) fn is_placeholder(value: &str) -> bool {
    let is_mark = |c: char| matches!(c, '$' | '{' | '}' | '<' | '>' | '%' | '\\');
    value.contains(is_mark) || value.starts_with(['_', '@', '!', '&', '*']) || value.is_empty()
}

/// The file and the key of such a name; `None` for a variable's.
pub(crate) fn file_and_key(name: &str) -> Option<(&str, &str)> {
    name.split_once(':').filter(|_| name.starts_with('/'))
}

/// The addresses of a protocol in settings; not the container itself.
pub(crate) fn of_protocol(
    settings: &BTreeMap<String, String>,
    protocol: crate::protocol::Protocol,
) -> Vec<Target> {
    let targets = families(settings).into_iter().map(|family| family.target);
    targets
        .filter(|target| target.protocol == Some(protocol) && !is_local(&target.host))
        .collect()
}

/// The variables that the options of a command stand for.
pub(crate) fn options(words: &[String]) -> BTreeMap<String, String> {
    settings::of_words(words)
}

/// The product's protocol for which a word stands: `mariadb` → MySQL.
pub fn product(name: &str) -> Option<crate::protocol::Protocol> {
    scheme::product(name)
}

/// The protocols of which one is meant by a word for a kind of server: `db`, `cache`, `broker`.
pub(crate) fn kind(word: &str) -> Option<&'static [crate::protocol::Protocol]> {
    scheme::kind(word)
}

/// The protocols of the stores of which one is meant by the name of a variable that holds an address; none where it names no store.
pub(crate) fn stores(name: &str) -> BTreeSet<crate::protocol::Protocol> {
    let words = key::words(name);
    let products: BTreeSet<_> = words.iter().filter_map(|word| product(word)).collect();
    let kinds = || {
        words
            .iter()
            .filter_map(|word| kind(word))
            .flatten()
            .copied()
    };
    let mut found = if products.is_empty() {
        kinds().collect()
    } else {
        products
    };
    if found.is_empty() && key::is_connection_string(&words) {
        found.extend(kind("db").into_iter().flatten());
    }
    found.retain(|protocol| protocol.is_store());
    found
}

/// Of what a variable is the host, in words: `[shop, db]` for `SHOP_DB_HOST`.
pub(crate) fn subject_of_host(name: &str) -> Vec<String> {
    key::host_stem(name)
}

/// Whether a bundler writes the variable into code for browsers: `VITE_API_URL`.
pub(crate) fn is_for_browsers(key: &str) -> bool {
    key::is_for_browsers(key)
}

/// Whether a variable, whole, names the application's own address: `BASE_URL`.
pub(crate) fn is_own(key: &str) -> bool {
    key::is_own(key)
}

/// The port that an application's own key means where none is written: `jobmanager.rpc.address` 6123.
pub(crate) fn port_of_key(key: &str) -> Option<std::num::NonZeroU16> {
    key::application(key)?.1
}

/// The words of a key in lower case: `DB_HOST`, `dbHost` and `db.host` are `db`, `host`.
pub fn words(key: &str) -> Vec<String> {
    key::words(key)
}

fn targets_of(key: &str, value: &str) -> Vec<Parsed> {
    if value.contains('\n') {
        return lines(key, value);
    }
    let role = key::role(key);
    if role == Role::Never {
        return Vec::new();
    }
    let mut found = parse::parse(value);
    if role != Role::Host {
        found.retain(|one| one.shape != Shape::Host);
    }
    // `BACKEND=redis`, `RESULT_BACKEND=postgres` name a kind; `API_BACKEND=api` a host. The kind never has a port.
    let last = key::words(key);
    if last
        .last()
        .is_some_and(|word| word == "backend" || word == "backends")
    {
        found.retain(|one| one.shape != Shape::Host || scheme::product(&one.host).is_none());
    }
    if let Some((protocol, port)) = key::application(key) {
        for one in &mut found {
            one.protocol = one.protocol.or(protocol);
            one.port = one.port.or(port);
        }
    }
    found
}

/// A value of several lines is a small file of keys and values (Flink's `FLINK_PROPERTIES`).
fn lines(key: &str, value: &str) -> Vec<Parsed> {
    value
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .take(256)
        .flat_map(|line| {
            let pair = line
                .split_once(": ")
                .or_else(|| line.split_once('='))
                .filter(|(name, _)| !name.contains("://") && !name.contains(' '));
            match pair {
                Some((name, value)) => targets_of(name.trim(), value.trim()),
                None => targets_of(key, line),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(key: &str, value: &str) -> Vec<(String, u16)> {
        targets(key, value)
            .into_iter()
            .map(|one| (one.host, one.port.map_or(0, std::num::NonZeroU16::get)))
            .collect()
    }

    #[test]
    fn a_reference_that_no_one_expanded_is_no_host_and_hides_none_beside_it() {
        for value in [
            "redis://$(NODE_IP):6379/0",
            "$(DB_SERVICE_HOST):3306",
            "$(KVS_HOST)",
            "app:$(PASS)@tcp($(HOST):3306)/x",
        ] {
            assert_eq!(read("DB_HOST", value), [], "{value}");
        }
        assert_eq!(
            read("DB_URL", "mysql://app:$(DB_PASS)@db:3306/app"),
            [("db".to_owned(), 3306)]
        );
        assert_eq!(
            read("DSN", "app:$(DB_PASS)@tcp(db:3306)/app"),
            [("db".to_owned(), 3306)]
        );
        let url = BTreeMap::from([("URL".to_owned(), "mysql://app:a$(b)c@db/app".to_owned())]);
        let login = credentials(
            &LoginReference::Url {
                variable: "URL".to_owned(),
            },
            &url,
        );
        assert_eq!(login.unwrap().password.as_deref(), Some("a$(b)c"));
    }

    #[test]
    fn keys_decide_about_bare_words() {
        assert_eq!(read("DB_HOST", "db"), [("db".to_owned(), 0)]);
        assert!(read("POSTGRES_DB", "db").is_empty());
        assert!(read("DB_CONNECTION", "mysql").is_empty());
        assert!(read("CACHE_BACKEND", "redis").is_empty());
        assert!(read("NO_PROXY", "db,api").is_empty());
        assert!(read("NEXT_PUBLIC_API_URL", "http://api:80").is_empty());
        assert_eq!(
            read("MEMCACHED", "memcached:11211"),
            [("memcached".to_owned(), 11211)]
        );
        assert!(read("REDIS_IMAGE", "redis:7").is_empty());
        assert_eq!(read("discovery.seed_hosts", "es02,es03").len(), 2);
        assert_eq!(read("discovery.seed_hosts", "es02")[0].1, 9300);
    }

    #[test]
    fn localhost_is_no_target() {
        assert!(read("API_URL", "http://localhost:80").is_empty());
        assert!(read("DB_HOST", "127.0.0.1").is_empty());
    }

    #[test]
    fn a_value_of_several_lines_is_read_by_line() {
        assert_eq!(
            read(
                "FLINK_PROPERTIES",
                "\njobmanager.rpc.address: jobmanager\nstate.storage: rocksdb\n"
            ),
            [("jobmanager".to_owned(), 6123)]
        );
    }

    #[test]
    fn no_secret_is_in_a_target() {
        let shown = format!(
            "{:?}",
            targets("DATABASE_URL", "mysql://user:hush@db/x?password=hush2")
        );
        assert!(
            !shown.contains("hush") && !shown.contains("user"),
            "{shown}"
        );
    }

    /// Pieces of addresses put together in every wrong way: hosts or nothing, and no panic.
    #[test]
    fn torn_values_never_panic() {
        const PIECES: [&str; 26] = [
            "://",
            "@",
            ":",
            "/",
            "?",
            "#",
            "[",
            "]",
            ",",
            ";",
            "=",
            "tcp(",
            ")",
            "jdbc:",
            "db",
            "host=",
            "65536",
            "80",
            "ä",
            "'",
            "\"",
            " ",
            "server.1=",
            "%zz",
            "$(X)",
            "\n",
        ];
        // A small generator with a fixed seed: the same values in every run.
        let mut state = 7_u32;
        for _ in 0..20_000 {
            let mut value = String::new();
            for _ in 0..8 {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                value.push_str(PIECES[(state >> 16) as usize % PIECES.len()]);
            }
            let environment = BTreeMap::from([
                ("DB_URL".to_owned(), value.clone()),
                (value.clone(), value.clone()),
            ]);
            for family in families(&environment) {
                assert!(is_host(&family.target.host), "{value}");
                if let Some(login) = family.login {
                    // Right or wrong does not matter here.
                    let _ = credentials(&login, &environment);
                }
            }
            assert_eq!(expand(&value, &|_| None).is_empty(), value.is_empty());
        }
    }
}
