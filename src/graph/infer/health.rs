//! A healthcheck → where the tier itself listens, and the path that it asks. Pure.

use std::num::NonZeroU16;

use crate::address;
use crate::catalog::{ImagePort, Products};
use crate::protocol::Protocol;

use super::super::HealthPath;
use super::words;

/// What a healthcheck says about its own tier.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Health {
    /// The port that it asks.
    pub port: Option<NonZeroU16>,
    /// The protocol in which it asks.
    protocol: Option<Protocol>,
    /// HTTP: the path.
    path: Option<String>,
    /// The server that its tool belongs to (`pg_isready`).
    pub product: Option<ImagePort>,
}

impl Health {
    /// The protocol on that port, if the healthcheck asked there.
    pub(super) fn protocol(&self, port: NonZeroU16) -> Option<Protocol> {
        self.protocol.filter(|_| self.port == Some(port))
    }

    /// The health path of the tier.
    pub(super) fn path(&self, tier: &str) -> Option<HealthPath> {
        Some(HealthPath {
            path: self.path.clone()?,
            port: self.port?,
            origin: format!("compose healthcheck of {tier}"),
        })
    }
}

/// The protocol of the server whose own tool a command runs.
pub(in crate::graph) fn asks(command: &[String]) -> Option<Protocol> {
    let tokens = words::tokens(command);
    let product = tool(&tokens, &|_| true)?.product?;
    Some(product.protocol)
}

/// Whether a command asks a server in its own container for anything.
pub(crate) fn asks_a_server(command: &[String]) -> bool {
    let test: Vec<String> = std::iter::once("CMD".to_owned())
        .chain(command.iter().cloned())
        .collect();
    read(&test, "").is_some()
}

/// Reads a healthcheck in compose's normal form; what asks another host says nothing about this tier.
pub(super) fn read(test: &[String], tier: &str) -> Option<Health> {
    let (kind, rest) = test.split_first()?;
    let rest = match kind.as_str() {
        "NONE" => return None,
        "CMD" | "CMD-SHELL" => rest,
        _ => test,
    };
    let tokens = words::tokens(rest);
    let local = |host: &str| {
        address::is_local(host)
            || address::is_docker_host(host)
            || host.eq_ignore_ascii_case(tier)
            || host == "0.0.0.0"
    };
    let joined = rest.join(" ");
    for token in &tokens {
        if let Some(found) = url(token, &local) {
            return Some(found);
        }
    }
    if let Some(found) = tool(&tokens, &local) {
        return Some(found);
    }
    tokens_with_port(&tokens, &joined, &local)
}

/// `http://localhost:8080/health`, also without scheme behind `curl`.
fn url(token: &str, local: &dyn Fn(&str) -> bool) -> Option<Health> {
    let token = token.trim_matches(['"', '\'', '(', ')', ',', ';', '`']);
    let (scheme, rest) = match token.split_once("://") {
        Some((scheme, rest)) => (
            scheme.rsplit(['"', '\'', '(']).next().unwrap_or(scheme),
            rest,
        ),
        None => ("", token),
    };
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let authority = authority.rsplit('@').next().unwrap_or(authority);
    let (host, port) = address::host_and_port(authority)?;
    let protocol = match scheme {
        "http" => Protocol::Http,
        "https" => Protocol::Https,
        // `localhost:9200/_cluster/health`: a path makes it HTTP.
        "" if port.is_some() && path.starts_with('/') => Protocol::Http,
        _ => return None,
    };
    if !local(&host) {
        return None;
    }
    let path = path.split(['"', '\'', ')', '`']).next().unwrap_or("");
    Some(Health {
        port: port.or(protocol.default_port()),
        protocol: Some(protocol),
        path: Some(if path.is_empty() {
            "/".to_owned()
        } else {
            path.to_owned()
        })
        .filter(|path| !path.contains(['$', '{'])),
        product: None,
    })
}

/// A product's own tool, asking the container itself.
fn tool(tokens: &[String], local: &dyn Fn(&str) -> bool) -> Option<Health> {
    let (name, protocol) = tokens.iter().find_map(|token| {
        let name = token
            .rsplit('/')
            .next()
            .unwrap_or(token)
            .trim_matches(['"', '\'', '(', '$', '[']);
        Some((name, Products::shared().tool(name)?))
    })?;
    let options = address::options(tokens);
    let option = |names: &[&str]| names.iter().find_map(|name| options.get(*name));
    let host = option(&["h", "host", "H"]);
    if host.is_some_and(|host| address::is_host(host) && !local(host)) {
        return None;
    }
    // Of `mysqladmin`, `-p` is the password.
    let flags: &[&str] = if matches!(protocol, Protocol::Mysql) || name.starts_with("mongo") {
        &["port", "P"]
    } else {
        &["port", "p"]
    };
    let port = option(flags)
        .and_then(|text| address::port(text))
        .or(protocol.default_port())?;
    Some(Health {
        port: Some(port),
        protocol: Some(protocol),
        path: None,
        product: Some(ImagePort { port, protocol }),
    })
}

/// `nc -z localhost 8080`, `/dev/tcp/localhost/9555`, `grpc_health_probe -addr=:5050`.
fn tokens_with_port(tokens: &[String], text: &str, local: &dyn Fn(&str) -> bool) -> Option<Health> {
    let found = |port, protocol| Health {
        port: Some(port),
        protocol,
        ..Health::default()
    };
    if tokens
        .iter()
        .any(|token| token.contains("grpc_health_probe") || token.contains("grpc-health-probe"))
    {
        let port = tokens.iter().find_map(|token| {
            let (flag, value) = token.split_once('=')?;
            flag.ends_with("addr")
                .then(|| address::port(value.rsplit(':').next()?))
                .flatten()
        });
        return port.map(|port| found(port, Some(Protocol::Grpc)));
    }
    if let Some((_, rest)) = text.split_once("/dev/tcp/") {
        let mut parts = rest.split(['/', '\'', '"', ' ', ';', ')']);
        let (host, port) = (parts.next()?, parts.next().and_then(address::port)?);
        return local(host).then(|| found(port, None));
    }
    let bare = |token: &str| {
        token
            .trim_matches(['"', '\'', '(', ')', ',', ';'])
            .to_owned()
    };
    for (at, token) in tokens.iter().enumerate() {
        let token = bare(token);
        if let Some((host, port)) = address::host_and_port(&token)
            && local(&host)
        {
            let next = tokens
                .get(at + 1)
                .and_then(|next| address::port(&bare(next)));
            if let Some(port) = port.or(next) {
                return Some(found(port, None));
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(text: &str) -> Option<(u16, Option<Protocol>, Option<String>)> {
        let found = read(&["CMD-SHELL".to_owned(), text.to_owned()], "api")?;
        Some((found.port?.get(), found.protocol, found.path))
    }

    #[test]
    fn healthchecks_show_port_protocol_and_path() {
        let http = Some(Protocol::Http);
        assert_eq!(
            shell("curl -f http://localhost:8080/health || exit 1"),
            Some((8080, http, Some("/health".into())))
        );
        assert_eq!(
            shell("curl -f http://localhost"),
            Some((80, http, Some("/".into())))
        );
        assert_eq!(
            shell("curl --silent --fail localhost:9200/_cluster/health || exit 1"),
            Some((9200, http, Some("/_cluster/health".into())))
        );
        assert_eq!(
            shell("pg_isready -U x -p 5433"),
            Some((5433, Some(Protocol::Postgres), None))
        );
        assert_eq!(
            shell("mysqladmin ping -h 127.0.0.1 -psecret"),
            Some((3306, Some(Protocol::Mysql), None))
        );
        assert_eq!(
            shell("bash -c 'echo > /dev/tcp/localhost/9555'"),
            Some((9555, None, None))
        );
        assert_eq!(shell("nc -z localhost 7001"), Some((7001, None, None)));
        assert_eq!(
            shell("/bin/grpc_health_probe -addr=:5050"),
            Some((5050, Some(Protocol::Grpc), None))
        );
        assert_eq!(
            shell("[ $(valkey-cli ping) = PONG ]"),
            Some((6379, Some(Protocol::Redis), None))
        );
    }

    #[test]
    fn other_hosts_and_processes_say_nothing() {
        assert_eq!(shell("pg_isready -h other"), None);
        assert_eq!(shell("curl http://other:80/"), None);
        assert_eq!(shell("pgrep k6"), None);
        assert_eq!(read(&["NONE".to_owned()], "api"), None);
        assert_eq!(read(&[], "api"), None);
    }
}
