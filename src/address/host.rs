//! What a host may look like, and which hosts are the container itself. Pure.

use std::borrow::Cow;
use std::net::IpAddr;
use std::num::NonZeroU16;

/// Whether `text` can be a host name or an address (IPv6 without brackets).
pub fn is_host(text: &str) -> bool {
    if text.is_empty() || text.len() > 253 {
        return false;
    }
    if text.parse::<IpAddr>().is_ok() {
        return true;
    }
    text.bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
        && text
            .bytes()
            .next()
            .is_some_and(|byte| byte.is_ascii_alphanumeric())
        && !text.contains("..")
        && text.bytes().any(|byte| byte.is_ascii_alphabetic())
}

/// A host as it stands before a port: an IPv6 address in brackets.
pub fn bracketed(host: &str) -> Cow<'_, str> {
    if host.contains(':') {
        format!("[{host}]").into()
    } else {
        host.into()
    }
}

/// Whether two texts are the same host: names know no case, and a dot at the end only says that the name is whole.
pub fn is_same_host(a: &str, b: &str) -> bool {
    a.trim_end_matches('.')
        .eq_ignore_ascii_case(b.trim_end_matches('.'))
}

/// Whether only Docker knows the name: the machine below the container. In a Pod it is a name like any other.
pub fn is_docker_host(host: &str) -> bool {
    matches!(
        host.trim_end_matches('.').to_ascii_lowercase().as_str(),
        "host-gateway"
            | "host.docker.internal"
            | "gateway.docker.internal"
            | "host.containers.internal"
            | "docker.for.mac.localhost"
            | "docker.for.mac.host.internal"
            | "docker.for.win.localhost"
            | "docker.for.win.host.internal"
    )
}

/// Whether the host is the container itself: never an edge.
pub fn is_local(host: &str) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    if let Ok(address) = host.parse::<IpAddr>() {
        return address.is_loopback() || address.is_unspecified();
    }
    matches!(
        host.as_str(),
        "localhost" | "localhost.localdomain" | "ip6-localhost" | "kubernetes.docker.internal"
    ) || (host.ends_with(".localhost") && !is_docker_host(&host))
}

/// Whether a value names a file in place of a host: a socket (`unix:///run/x.sock`, `/run/x.sock`, `host=/run`) or a database of the
/// client's own (`sqlite:///data/x`).
pub(crate) fn is_file(value: &str) -> bool {
    let value = value.trim();
    let mut before_path = value.split(':').take_while(|part| !part.starts_with('/'));
    let by_scheme = value.contains(":/")
        && before_path.any(|part| {
            part.split('+')
                .any(|name| super::scheme::scheme(name).is_none())
        });
    let is_path = value.starts_with('/') && !value.starts_with("//");
    by_scheme || is_path || value.contains("host=/") || value.contains("socket=/")
}

/// Whether a value says that nothing is to be dialled.
pub(crate) fn is_off(value: &str) -> bool {
    let value = value.trim().to_ascii_lowercase();
    crate::catalog::words().off.contains(&value.as_str())
}

/// A port from its decimal text.
pub fn port(text: &str) -> Option<NonZeroU16> {
    if text.is_empty() || text.len() > 5 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // Zero and what is above 65535 are no ports: such a text is something else.
    text.parse().ok()
}

/// `host`, `host:port`, `[v6]`, `[v6]:port` → host and port; `None` if it is neither.
pub fn host_and_port(text: &str) -> Option<(String, Option<NonZeroU16>)> {
    if let Some(rest) = text.strip_prefix('[') {
        let (address, after) = rest.split_once(']')?;
        address.parse::<std::net::Ipv6Addr>().ok()?;
        return match after.strip_prefix(':') {
            Some(number) => Some((address.to_owned(), Some(port(number)?))),
            None if after.is_empty() => Some((address.to_owned(), None)),
            None => None,
        };
    }
    if text.parse::<std::net::Ipv6Addr>().is_ok() {
        return Some((text.to_owned(), None));
    }
    match text.rsplit_once(':') {
        Some((host, number)) if is_host(host) => Some((host.to_owned(), Some(port(number)?))),
        Some(_) => None,
        None => is_host(text).then(|| (text.to_owned(), None)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_switches_something_off_is_no_host() {
        assert!(is_off("none") && is_off(" Disabled ") && is_off("null"));
        assert!(!is_off("") && !is_off("nonesuch") && !is_off("cache"));
    }

    #[test]
    fn a_file_is_no_host() {
        for text in [
            "unix:///run/redis.sock",
            "unix:/run/redis.sock",
            "redis+socket:///run/redis.sock?db=1",
            "/cloudsql/project:region:instance",
            "host=/var/run/postgresql dbname=x",
            "postgresql:///x?host=/run",
            "mysql://root@/x?unix_socket=/run/mysqld.sock",
            "sqlite:////data/x.db",
            "jdbc:sqlite:/data/x.db",
        ] {
            assert!(is_file(text), "{text}");
        }
        for text in [
            "redis://cache:6379/0",
            "//cache/x",
            "cache",
            "",
            "postgres://unix:file@db:5432/data",
            "host=pg dbname=x",
            "tcp://[::1]:80/",
        ] {
            assert!(!is_file(text), "{text}");
        }
    }

    #[test]
    fn hosts_are_distinguished_from_other_text() {
        for good in [
            "db",
            "DB",
            "my_db",
            "a.b.svc.cluster.local",
            "10.0.0.1",
            "fd00::1",
        ] {
            assert!(is_host(good), "{good}");
        }
        for bad in ["", "-x", "a b", "a/b", "12", "a..b", "${DB}", "*", "a:b"] {
            assert!(!is_host(bad), "{bad}");
        }
    }

    #[test]
    fn ports_are_read_from_the_right() {
        assert_eq!(host_and_port("db:3306"), Some(("db".into(), port("3306"))));
        assert_eq!(
            host_and_port("[fd00::1]:80"),
            Some(("fd00::1".into(), port("80")))
        );
        assert_eq!(host_and_port("db"), Some(("db".into(), None)));
        assert_eq!(host_and_port("db:"), None);
        assert_eq!(host_and_port("db:0"), None);
        assert_eq!(host_and_port("db:x"), None);
        assert_eq!(port("65536"), None);
    }

    #[test]
    fn the_container_itself_is_local() {
        for local in ["localhost", "127.0.0.1", "0.0.0.0", "::1", "api.localhost"] {
            assert!(is_local(local), "{local}");
        }
        for other in ["db", "Host.Docker.Internal", "docker.for.mac.localhost"] {
            assert!(!is_local(other), "{other}");
        }
        assert!(is_docker_host("Host.Docker.Internal."));
    }
}
