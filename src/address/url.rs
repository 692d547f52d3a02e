//! `scheme://user:password@host:port/path?query`, also with several hosts and the forms of JDBC. Pure.

use percent_encoding::percent_decode_str;

use crate::protocol::Protocol;

use super::parsed::Parsed;
use super::scheme::{self, Scheme};
use super::{Shape, TlsMode, host};

/// The JDBC words that stand between the driver's name and `://`.
const JDBC_MODES: [&str; 7] = [
    "replication",
    "loadbalance",
    "failover",
    "sequential",
    "aurora",
    "thin",
    "tracing",
];

/// The ways in which a client of gRPC looks for a server, which it writes where a scheme would stand: `dns:///host:port`.
const RESOLVERS: [&str; 2] = ["dns", "passthrough"];

/// Every address of one URL; empty if it names no host.
pub(super) fn parse(text: &str) -> Vec<Parsed> {
    let Some((before, rest)) = text.split_once("://") else {
        return Vec::new();
    };
    let name = scheme_name(before);
    if RESOLVERS.contains(&name.to_ascii_lowercase().as_str()) {
        let target = rest.split_once('/').map_or("", |(_, target)| target);
        let hosts = target.split(',').filter_map(host::host_and_port);
        return hosts
            .map(|(host, port)| Parsed {
                port,
                protocol: Some(Protocol::Grpc),
                by_scheme: true,
                shape: Shape::Url,
                ..Parsed::host(&host)
            })
            .collect();
    }
    let Some(scheme) = scheme::scheme(name) else {
        return Vec::new();
    };
    let srv = before.to_ascii_lowercase().contains("+srv");
    let (authority, tail) = split_authority(rest, scheme.protocol);
    let (login, hosts) = match authority.rsplit_once('@') {
        Some((login, hosts)) => (Some(login), hosts),
        None => (None, authority),
    };
    let (user, password) = login.map_or((None, None), user_and_password);
    let (path, query) = match tail.split_once('?') {
        Some((path, query)) => (path, query),
        None => (tail, ""),
    };
    // SQL Server's form: `//host:1433;databaseName=x;user=y`.
    let (path, properties) = path.split_once(';').unwrap_or((path, ""));
    let parameters = Parameters::read(query, properties);
    let model = Parsed {
        host: String::new(),
        port: None,
        protocol: scheme.protocol,
        by_scheme: scheme.protocol.is_some(),
        tls: parameters.tls(scheme.tls),
        user: user.or(parameters.user),
        password: password.or(parameters.password),
        database: database(path, scheme.protocol).or(parameters.database),
        shape: Shape::Url,
        usual_port: false,
    };
    let hosts = if hosts.is_empty() {
        parameters.host.as_deref().unwrap_or("")
    } else {
        hosts
    };
    hosts
        .split(',')
        .map(before_variable)
        .filter_map(|one| address(one, scheme, srv, parameters.port.as_deref(), &model))
        .collect()
}

/// A web URL as far as its port. Its path and query may hold a token (of a webhook), and say nothing of the host or the login.
pub(crate) fn without_path(text: &str) -> &str {
    let Some((before, rest)) = text.split_once("://") else {
        return text;
    };
    let scheme = scheme::scheme(scheme_name(before)).and_then(|scheme| scheme.protocol);
    if !matches!(scheme, Some(Protocol::Http | Protocol::Https)) {
        return text;
    }
    let (authority, _) = split_authority(rest, scheme);
    &text[..before.len() + "://".len() + authority.len()]
}

/// `write:3100$request_uri` of a web server's configuration: the port ends where a variable begins.
fn before_variable(host: &str) -> &str {
    let end = host.rsplit_once(':').and_then(|(name, rest)| {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let variable = rest.get(digits..)?.starts_with(['$', '\\']);
        (digits > 0 && variable).then_some(name.len() + 1 + digits)
    });
    end.map_or(host, |end| &host[..end])
}

/// The last word before `://` that names a protocol: `jdbc:mysql`, `jdbc:mysql:replication`, `es => http`.
fn scheme_name(before: &str) -> &str {
    let start = before
        .rfind(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '+' | '.' | '-' | '_' | ':')))
        .map_or(0, |at| {
            at + before[at..].chars().next().map_or(1, char::len_utf8)
        });
    let words = before[start..].split(':').rev();
    words
        .filter(|word| !word.is_empty())
        .find(|word| !JDBC_MODES.contains(&word.to_ascii_lowercase().as_str()))
        .unwrap_or("")
}

/// Where the authority ends. A password may hold `@`, `:`, `/` and `?`: the host follows the last `@` that can be before it.
fn split_authority(rest: &str, protocol: Option<Protocol>) -> (&str, &str) {
    let end = rest.find(['/', '?', '#', ';']).unwrap_or(rest.len());
    let plain = rest.split_at(end);
    let web = matches!(
        protocol,
        Some(Protocol::Http | Protocol::Https | Protocol::Grpc)
    );
    let complete = match plain.0.rsplit_once('@') {
        Some((_, hosts)) => {
            web || hosts
                .split(',')
                .all(|one| host::host_and_port(one).is_some())
        }
        None => {
            plain.0.is_empty()
                || plain
                    .0
                    .split(',')
                    .all(|one| host::host_and_port(strip_tcp(one)).is_some())
        }
    };
    let query = rest.find('?').unwrap_or(rest.len());
    let before_query = rest[..query].rfind('@');
    let at = match (complete, web) {
        (true, true) => return plain,
        // `mysql://u:p@ss/w@db/x`: only a store's URL is taken to have no `@` in its path.
        (true, false) => before_query.filter(|at| *at >= end && plain.0.contains('@')),
        (false, _) => before_query.or_else(|| rest.rfind('@')),
    };
    match at {
        Some(at) if at >= end => {
            let after = &rest[at + 1..];
            let end = at + 1 + after.find(['/', '?', '#', ';']).unwrap_or(after.len());
            rest.split_at(end)
        }
        _ => plain,
    }
}

/// `tcp(db:3306)` → `db:3306`; what stands in a placeholder such as `%(host)s` is no host.
fn strip_tcp(text: &str) -> &str {
    text.split_once('(')
        .filter(|(before, _)| !before.ends_with(['%', '$']))
        .and_then(|(_, inner)| inner.split_once(')'))
        .map_or(text, |(inner, _)| inner)
}

fn user_and_password(login: &str) -> (Option<String>, Option<String>) {
    let (user, password) = match login.split_once(':') {
        Some((user, password)) => (user, Some(decoded(password))),
        None => (login, None),
    };
    (
        (!user.is_empty()).then(|| decoded(user)),
        password.filter(|text| !text.is_empty()),
    )
}

/// Percent-decoded; a text that is no UTF-8 afterwards was not encoded in the first place.
fn decoded(text: &str) -> String {
    percent_decode_str(text)
        .decode_utf8()
        .map_or_else(|_| text.to_owned(), std::borrow::Cow::into_owned)
}

fn address(
    one: &str,
    scheme: Scheme,
    srv: bool,
    port: Option<&str>,
    model: &Parsed,
) -> Option<Parsed> {
    // A list may repeat the scheme: `PLAINTEXT://a:1,PLAINTEXT://b:2`.
    let one = one
        .rsplit_once("://")
        .map_or(one, |(_, after)| after)
        .trim();
    let web = matches!(
        scheme.protocol,
        Some(Protocol::Http | Protocol::Https | Protocol::Grpc)
    );
    let (name, written, unknown) = match host::host_and_port(strip_tcp(one)) {
        Some((name, written)) => (name, written, false),
        // `db:${PORT}`: the host is known all the same. A store has one usual port; on the web any other one is as likely.
        None => (host_before_unknown_port(one)?, None, web),
    };
    let default = if srv || unknown { None } else { scheme.port };
    let written = written.or_else(|| port.and_then(host::port));
    let port = written.or_else(|| default.and_then(std::num::NonZeroU16::new));
    // OTLP's port speaks gRPC, whatever the scheme says.
    let otlp = matches!(scheme.protocol, Some(Protocol::Http))
        && port.is_some_and(|port| port.get() == 4317);
    Some(Parsed {
        host: name,
        port,
        protocol: if otlp {
            Some(Protocol::Grpc)
        } else {
            model.protocol
        },
        usual_port: written.is_none(),
        ..model.clone()
    })
}

fn host_before_unknown_port(text: &str) -> Option<String> {
    let (name, rest) = text.split_once(':')?;
    (host::is_host(name) && rest.contains(['$', '{', '%', '<'])).then(|| name.to_owned())
}

fn database(path: &str, protocol: Option<Protocol>) -> Option<String> {
    if matches!(
        protocol,
        Some(Protocol::Http | Protocol::Https | Protocol::Grpc)
    ) {
        return None;
    }
    let name = path
        .trim_start_matches('/')
        .split(['/', '#'])
        .next()
        .unwrap_or("");
    (!name.is_empty()).then(|| decoded(name))
}

/// What query parameters may add.
#[derive(Default)]
struct Parameters {
    host: Option<String>,
    port: Option<String>,
    user: Option<String>,
    password: Option<String>,
    database: Option<String>,
    tls: Option<TlsMode>,
    verifies: Option<bool>,
}

impl Parameters {
    /// TLS as scheme and parameters say it together.
    fn tls(&self, scheme: Option<TlsMode>) -> Option<TlsMode> {
        match (self.tls.or(scheme), self.verifies) {
            (Some(TlsMode::Secured), Some(true)) => Some(TlsMode::Verify),
            (Some(TlsMode::Secured), Some(false)) => Some(TlsMode::Required),
            (mode, _) => mode,
        }
    }

    fn read(query: &str, properties: &str) -> Self {
        let mut found = Self::default();
        for pair in query.split(['&', ';']).chain(properties.split(';')) {
            let Some((key, value)) = pair.split_once('=') else {
                continue;
            };
            if value.is_empty() {
                continue;
            }
            let key = key.trim().to_ascii_lowercase();
            let value = decoded(value);
            match key.as_str() {
                "host" => found.host = Some(value),
                "port" => found.port = Some(value),
                "user" | "username" => found.user = Some(value),
                "password" => found.password = Some(value),
                "databasename" | "database" | "dbname" => found.database = Some(value),
                // `s3://key:secret@region?endpoint=seaweedfs:8333`.
                "endpoint" if found.host.is_none() => found.host = Some(value),
                _ => {
                    found.tls = found.tls.or_else(|| tls(&key, &value));
                    found.verifies = found
                        .verifies
                        .or_else(|| super::trust::verifies(&key, &value));
                }
            }
        }
        found
    }
}

/// TLS as a variable of an application says it: a mere switch there says that it encrypts, not that its driver verifies.
pub(super) fn switch(key: &str, value: &str) -> Option<TlsMode> {
    tls(key, value).map(|mode| match mode {
        TlsMode::Secured => TlsMode::Required,
        mode => mode,
    })
}

/// TLS as a parameter of a driver says it.
pub(super) fn tls(key: &str, value: &str) -> Option<TlsMode> {
    let key: String = key
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .collect::<String>()
        .to_ascii_lowercase();
    let asks = [
        "sslmode",
        "ssl",
        "tls",
        "usessl",
        "usetls",
        "requiressl",
        "requiretls",
        "sslenabled",
        "tlsenabled",
        "encrypt",
        "tlsmode",
        "enablessl",
        "enabletls",
        "securetransport",
    ];
    if !asks.contains(&key.as_str()) {
        return None;
    }
    let value: String = value
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .collect::<String>()
        .to_ascii_lowercase();
    // Drivers of MySQL and PostgreSQL mean by these words that they encrypt, and no more.
    let unverified = matches!(key.as_str(), "usessl" | "requiressl" | "sslmode");
    Some(match value.as_str() {
        "false" | "0" | "no" | "off" | "disable" | "disabled" | "none" => TlsMode::Disabled,
        "prefer" | "preferred" | "allow" => TlsMode::Preferred,
        "verifyca" => TlsMode::VerifyCa,
        "verifyfull" | "verifyidentity" | "verify" | "strict" => TlsMode::Verify,
        "require" | "required" | "requiressl" | "skipverify" => TlsMode::Required,
        "true" | "1" | "yes" | "on" | "mandatory" | "enabled" if unverified => TlsMode::Required,
        "true" | "1" | "yes" | "on" | "mandatory" | "enabled" => TlsMode::Secured,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> (String, u16, Option<String>, Option<String>, Option<String>) {
        let found = parse(text);
        assert_eq!(found.len(), 1, "{text}");
        let first = found.into_iter().next().unwrap();
        (
            first.host,
            first.port.map_or(0, std::num::NonZeroU16::get),
            first.user,
            first.password,
            first.database,
        )
    }

    #[test]
    fn a_port_ends_where_a_variable_begins() {
        for text in [
            "http://write:3100$request_uri",
            "http://write:3100\\$request_uri",
        ] {
            assert_eq!(one(text).1, 3100, "{text}");
        }
    }

    #[test]
    fn the_host_follows_the_last_at_sign() {
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(
            one("mysql://app:p@ss:w/ord@db:3307/shop"),
            (
                "db".into(),
                3307,
                some("app"),
                some("p@ss:w/ord"),
                some("shop")
            )
        );
        assert_eq!(
            one("postgres://u:p%40ss@pg/x?sslmode=require"),
            ("pg".into(), 5432, some("u"), some("p@ss"), some("x"))
        );
        assert_eq!(
            one("postgres://u:p?w@pg/x"),
            ("pg".into(), 5432, some("u"), some("p?w"), some("x"))
        );
        assert_eq!(
            one("redis://:secret@kvs:6379/2"),
            ("kvs".into(), 6379, None, some("secret"), some("2"))
        );
        assert_eq!(one("http://files/@scope/x").0, "files");
        assert_eq!(one("http://api:8000/?mail=a@b").0, "api");
    }

    #[test]
    fn a_resolver_of_grpc_stands_where_a_scheme_would() {
        for text in [
            "dns:///pricer:50051",
            "dns://10.0.0.1/pricer:50051",
            "passthrough:///pricer:50051",
        ] {
            assert_eq!(
                (one(text).0, one(text).1),
                ("pricer".into(), 50051),
                "{text}"
            );
            assert_eq!(parse(text)[0].protocol, Some(Protocol::Grpc));
        }
    }

    #[test]
    fn several_hosts_and_jdbc_forms() {
        let hosts: Vec<_> = parse("mongodb://u:p@m1,m2:27018/db?replicaSet=r")
            .into_iter()
            .map(|found| (found.host, found.port.map(std::num::NonZeroU16::get)))
            .collect();
        assert_eq!(
            hosts,
            [("m1".into(), Some(27017)), ("m2".into(), Some(27018))]
        );
        assert_eq!(
            one("jdbc:mysql:replication://db/x?user=a&password=b").2,
            Some("a".into())
        );
        assert_eq!(
            one("jdbc:sqlserver://sql:1433;databaseName=x;user=sa;password=p;encrypt=true").4,
            Some("x".into())
        );
        assert_eq!(one("postgres:///x?host=pg&port=6432").1, 6432);
    }

    #[test]
    fn what_names_no_host_gives_nothing() {
        for text in [
            "unix:///run/x.sock",
            "sqlite:///x.db",
            "http://",
            "http:///",
            "http://${HOST}/",
            "tcp://*:7777",
        ] {
            assert!(parse(text).is_empty(), "{text}");
        }
    }

    #[test]
    fn tls_modes() {
        assert_eq!(tls("sslmode", "verify-full"), Some(TlsMode::Verify));
        assert_eq!(tls("sslmode", "verify-ca"), Some(TlsMode::VerifyCa));
        assert_eq!(tls("tls", "true"), Some(TlsMode::Secured));
        assert_eq!(switch("tls", "1"), Some(TlsMode::Required));
        assert_eq!(tls("useSSL", "true"), Some(TlsMode::Required));
        assert_eq!(tls("useSSL", "false"), Some(TlsMode::Disabled));
        assert_eq!(tls("ssl-mode", "PREFERRED"), Some(TlsMode::Preferred));
        assert_eq!(tls("tls", "skip-verify"), Some(TlsMode::Required));
        assert_eq!(tls("charset", "true"), None);
    }

    #[test]
    fn otlp_over_http_urls_is_grpc_on_its_port() {
        assert_eq!(parse("http://otel:4317")[0].protocol, Some(Protocol::Grpc));
        assert_eq!(parse("http://otel:4318")[0].protocol, Some(Protocol::Http));
    }
}
