//! What a tier's own command and environment say about where it listens. Pure.

use std::collections::BTreeMap;
use std::num::NonZeroU16;

use crate::address;
use crate::catalog::{self, ImagePort, Products};
use crate::protocol::Protocol;

use super::evidence::Evidence;
use super::words;

/// The program that a command runs, by its base name, behind shells and wrappers: a server behind a client that waits for something,
/// else the first one.
pub(super) fn program(command: &[String]) -> Option<String> {
    let (words, products) = (catalog::words(), Products::shared());
    let tokens = words::tokens(command);
    let mut names = tokens
        .iter()
        .filter(|token| !token.starts_with('-'))
        .map(|token| token.rsplit('/').next().unwrap_or(token));
    let first = names.clone().find(|name| {
        !(name.is_empty()
            || name.contains('=')
            || words.wrappers.contains(name)
            || name.ends_with("entrypoint.sh"))
    })?;
    // A client's words may be a host called like a server; a server's own program name hardly is one.
    let server = products
        .is_client(first)
        .then(|| names.find(|name| products.is_plainly_a_server(name)));
    Some(server.flatten().unwrap_or(first).to_owned())
}

pub(super) fn is_client(program: &str) -> bool {
    // A script that prepares a server runs in the server's image and is none.
    let is_script = std::path::Path::new(program)
        .extension()
        .is_some_and(|end| end == "sh");
    let prepares = || address::words(program).iter().any(|word| prepares(word));
    Products::shared().is_client(program) || is_script && prepares()
}

/// Whether a word says that something is prepared: what is called like that serves nothing, and ends.
pub(super) fn prepares(word: &str) -> bool {
    catalog::words().preparing.contains(&word)
}

/// Whether a command is a shell that waits for a person, or sleeps without end.
pub(super) fn is_idle(command: &[String]) -> bool {
    let tokens = words::tokens(command);
    let known = catalog::words();
    let shell = |token: &String| {
        let name = token.rsplit('/').next().unwrap_or(token);
        known.wrappers.contains(&name) || matches!(name, "zsh" | "cat")
    };
    let text = tokens.join(" ");
    !tokens.is_empty()
        && (tokens.iter().all(shell)
            || text.ends_with("tail -f /dev/null") && tokens.len() <= 5
            || text == "sleep infinity")
}

/// Whether a command says that it works in the background: it takes jobs, and no one calls it.
pub(super) fn is_background(command: &[String]) -> bool {
    words::tokens(command).iter().any(|token| {
        let name = token.rsplit('/').next().unwrap_or(token);
        catalog::words().background.contains(&name)
    })
}

/// Whether a command only starts jobs by the clock: it needs the queue, and nothing of what the jobs need.
pub(super) fn is_clock(command: &[String]) -> bool {
    words::tokens(command).iter().any(|token| {
        !token.starts_with('-')
            && !token.contains("://")
            && address::words(token).iter().any(|word| word == "beat")
    })
}

/// A server by the variables that only a server's image reads; not where the same environment names a host, as a client's does.
pub(super) fn by_environment(
    tier: &str,
    environment: &BTreeMap<String, String>,
) -> Option<(ImagePort, String)> {
    // Of PostgreSQL's own variables a client may have a copy: the tier is called like a store then.
    let postgres = ["POSTGRES_PASSWORD", "POSTGRES_PASSWORD_FILE"]
        .into_iter()
        .find(|name| environment.contains_key(*name) && is_called_like_a_store(tier));
    let mut variables = Products::shared().server_variables().iter();
    let (name, protocol) = variables
        .find(|one| environment.contains_key(&one.name))
        .map(|one| (one.name.as_str(), one.protocol))
        .or(postgres.map(|name| (name, Protocol::Postgres)))?;
    if !address::families(environment).is_empty() {
        return None;
    }
    Some((
        ImagePort {
            port: protocol.default_port()?,
            protocol,
        },
        name.to_owned(),
    ))
}

fn is_called_like_a_store(tier: &str) -> bool {
    address::words(tier).iter().any(|word| {
        address::kind(word).is_some_and(|kinds| kinds.contains(&Protocol::Postgres))
            || address::product(word).is_some_and(Protocol::is_store)
    })
}

/// Ports on which its own command and environment make it listen.
pub(super) fn ports(evidence: &Evidence<'_>, serves: Option<ImagePort>) -> Vec<NonZeroU16> {
    let mut found = by_command(
        evidence.words,
        serves.is_some_and(|one| one.protocol.is_store()),
    );
    if serves.is_some_and(|one| one.protocol == Protocol::Kafka) {
        found.extend(advertised(evidence));
    }
    let store = serves.is_some_and(|one| one.protocol.is_store());
    for (name, value) in &evidence.environment {
        let Some(port) = address::port(value.trim()) else {
            continue;
        };
        let upper = name.to_ascii_uppercase();
        let of_store = upper.ends_with("_PORT_NUMBER") && !is_aside(name)
            || matches!(upper.as_str(), "PGPORT" | "MYSQL_TCP_PORT");
        let general = matches!(
            upper.as_str(),
            "PORT"
                | "SERVER_PORT"
                | "HTTP_PORT"
                | "APP_PORT"
                | "LISTEN_PORT"
                | "GF_SERVER_HTTP_PORT"
                | "NODE_PORT"
                | "ASPNETCORE_HTTP_PORTS"
        );
        if (store && of_store) || (!store && general) {
            found.push(port);
        }
    }
    // What an image is known to serve is not moved by a second address (a console, metrics), but by that of its framework.
    for (name, value) in &evidence.environment {
        let framework = name.eq_ignore_ascii_case("ASPNETCORE_URLS");
        if framework || (serves.is_none() && is_listening(name)) {
            found.extend(wildcard(value));
        }
    }
    let mut seen = std::collections::BTreeSet::new();
    found.retain(|port| seen.insert(*port));
    found
}

/// Kafka's `INNER://kafka:29092,HOST://localhost:9092` → name and address of each.
pub(super) fn listeners(list: &str) -> impl Iterator<Item = (&str, &str)> {
    list.split(',')
        .filter_map(|one| one.trim().split_once("://"))
}

/// The listener that a broker of Kafka advertises under its own name: the one for peers, where another is for the host.
fn advertised(evidence: &Evidence<'_>) -> Option<NonZeroU16> {
    [
        "KAFKA_ADVERTISED_LISTENERS",
        "KAFKA_CFG_ADVERTISED_LISTENERS",
    ]
    .iter()
    .find_map(|name| evidence.environment.get(*name))
    .into_iter()
    .flat_map(|list| listeners(list))
    .filter_map(|(_, address)| address::host_and_port(address))
    .find(|(host, _)| host.eq_ignore_ascii_case(evidence.tier))?
    .1
}

/// Whether a variable speaks of a port that no peer dials for what the tier is there for.
fn is_aside(name: &str) -> bool {
    address::words(name)
        .iter()
        .any(|word| catalog::words().aside.contains(&word.as_str()))
}

/// Whether a variable is called like the address on which a server listens for its peers.
fn is_listening(name: &str) -> bool {
    let words = address::words(name);
    let has = |all: &[&str]| words.iter().any(|word| all.contains(&word.as_str()));
    let plain = matches!(
        name.to_ascii_uppercase().as_str(),
        "ADDR"
            | "ADDRESS"
            | "HTTP_ADDR"
            | "HTTP_ADDRESS"
            | "SERVER_ADDR"
            | "SERVER_ADDRESS"
            | "GRPC_ADDR"
    );
    !is_aside(name) && (plain || has(&["listen", "bind", "listener"]))
}

/// The port of an address that only a listener has: `http://+:8000`, `0.0.0.0:9000`, `:8080`; of several the one without TLS.
fn wildcard(value: &str) -> Option<NonZeroU16> {
    let mut found: Vec<(bool, NonZeroU16)> = value
        .split([';', ','])
        .filter_map(|one| {
            let one = one.trim().trim_end_matches('/');
            let (scheme, rest) = one.split_once("://").unwrap_or(("", one));
            let (host, port) = rest.rsplit_once(':')?;
            matches!(host, "" | "+" | "*" | "0.0.0.0" | "[::]")
                .then(|| address::port(port))
                .flatten()
                .map(|port| (scheme == "https", port))
        })
        .collect();
    found.sort_by_key(|(tls, _)| *tls);
    found.first().map(|(_, port)| *port)
}

/// `--port 3307`, `--bind 0.0.0.0:8000`, `--server.port=81`, `runserver :8000`; `-p` only of servers where it means that.
fn by_command(command: &[String], store: bool) -> Vec<NonZeroU16> {
    let tokens = words::tokens(command);
    let last = |value: &str| address::port(value.rsplit(':').next()?);
    let mut found = Vec::new();
    for (option, value) in address::options(&tokens) {
        let port = match option.to_ascii_lowercase().as_str() {
            "port" | "http-port" | "server.port" | "http.port" | "server-port" | "http_port" => {
                address::port(&value)
            }
            "p" if option == "p" && store => address::port(&value),
            "bind" | "b" | "listen" | "listen-address" | "web.listen-address" | "address"
            | "addr" | "http-addr" | "http-address"
                if !value.contains('/') && value.contains(':') =>
            {
                last(&value)
            }
            _ => None,
        };
        found.extend(port);
    }
    let mut run = tokens.iter().skip_while(|token| *token != "runserver");
    found.extend(run.nth(1).and_then(|address| last(address)));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn the_program_is_found_behind_shells() {
        assert_eq!(
            program(&command(&["sh", "-c", "valkey-server --appendonly yes"])),
            Some("valkey-server".into())
        );
        assert_eq!(
            program(&command(&["/usr/bin/redis-server", "/x.conf"])),
            Some("redis-server".into())
        );
        assert_eq!(program(&command(&["--transaction-isolation=READ"])), None);
    }

    #[test]
    fn an_address_that_only_a_listener_has_shows_its_port() {
        let read = |value: &str| wildcard(value).map(NonZeroU16::get);
        assert_eq!(read("https://+:443;http://+:8000"), Some(8000));
        assert_eq!(read("0.0.0.0:9000"), Some(9000));
        assert_eq!(read(":8080"), Some(8080));
        assert_eq!(read("http://[::]:5000/"), Some(5000));
        for other in ["http://db:8000", "8080", "a:b", "", "localhost:80"] {
            assert_eq!(read(other), None, "{other}");
        }
        assert!(is_listening("LISTEN_ADDR") && is_listening("APP_HTTP_BIND"));
        assert!(!is_listening("METRICS_LISTEN") && !is_listening("SITE_ADDRESS"));
    }

    #[test]
    fn roles_are_known_by_their_commands() {
        assert!(is_background(&command(&["celery -A app worker -l INFO"])));
        assert!(is_background(&command(&["./boot.sh", "worker"])));
        assert!(!is_background(&command(&["gunicorn", "worker.wsgi"])));
        assert!(is_clock(&command(&["./bin/entrypoint-beat.sh"])));
        assert!(!is_clock(&command(&["metricbeat", "-e"])));
    }

    #[test]
    fn ports_of_the_command() {
        let read = |words: &[&str]| -> Vec<u16> {
            by_command(&command(words), false)
                .into_iter()
                .map(NonZeroU16::get)
                .collect()
        };
        assert_eq!(read(&["gunicorn", "--bind", "0.0.0.0:8000", "app"]), [8000]);
        assert_eq!(read(&["python manage.py runserver 0.0.0.0:8001"]), [8001]);
        assert_eq!(read(&["mysqld", "--port=3307"]), [3307]);
        assert!(read(&["psql", "-p", "5433"]).is_empty());
    }
}
