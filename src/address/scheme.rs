//! URL schemes → protocol, port and TLS. Pure.

use crate::catalog::{self, Products};
use crate::protocol::Protocol;

use super::TlsMode;

/// What a scheme says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Scheme {
    /// The protocol; `None`: a connection, about whose protocol the scheme says nothing.
    pub protocol: Option<Protocol>,
    /// The port where none is written.
    pub port: Option<u16>,
    /// TLS.
    pub tls: Option<TlsMode>,
}

/// What the scheme says, or `None` if it names no host to dial.
pub(super) fn scheme(name: &str) -> Option<Scheme> {
    let name = name.to_ascii_lowercase();
    if catalog::words().local_schemes.contains(&name.as_str()) {
        return None;
    }
    if let Some(found) = known(&name) {
        return Some(found);
    }
    // `postgresql+psycopg2`, `db+postgresql`, `redis+sentinel`: the part that is known gives the protocol.
    let part = name.split('+').find_map(known);
    Some(part.unwrap_or(Scheme {
        protocol: None,
        port: None,
        tls: None,
    }))
}

fn known(name: &str) -> Option<Scheme> {
    let says = Products::shared().scheme(name)?;
    Some(Scheme {
        protocol: says.protocol,
        port: says.port,
        tls: says.secured.then_some(TlsMode::Secured),
    })
}

/// The protocol that a product's name stands for (`DB_TYPE=postgresql`, the stem of `MYSQL_HOST`).
pub(super) fn product(name: &str) -> Option<Protocol> {
    Products::shared().called(&name.to_ascii_lowercase())
}

/// The protocols of which one is meant by a word for a kind of server: `db`, `cache`, `broker`.
pub(super) fn kind(word: &str) -> Option<&'static [Protocol]> {
    use Protocol as P;
    Some(match word {
        "db" | "database" | "sql" | "datasource" | "rdbms" | "dbms" => {
            &[P::Mysql, P::Postgres, P::Mongodb, P::Mssql, P::Cassandra]
        }
        "cache" | "session" | "sessions" => &[P::Redis, P::Memcached],
        "broker" | "queue" | "mq" | "messaging" | "bus" | "celery" => {
            &[P::Amqp, P::Kafka, P::Nats, P::Mqtt, P::Redis]
        }
        "mail" | "email" | "mailer" => &[P::Smtp],
        "search" => &[P::Http],
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drivers_in_the_scheme_are_seen_through() {
        let protocol = |name: &str| scheme(name).and_then(|found| found.protocol);
        assert_eq!(protocol("postgresql+psycopg2"), Some(Protocol::Postgres));
        assert_eq!(protocol("db+postgresql"), Some(Protocol::Postgres));
        assert_eq!(protocol("REDISS"), Some(Protocol::Redis));
        assert_eq!(protocol("ecto"), None);
        assert!(scheme("unix").is_none());
        assert_eq!(protocol("ws"), Some(Protocol::Tcp));
        assert_eq!(
            scheme("rediss").and_then(|found| found.tls),
            Some(TlsMode::Secured)
        );
    }
}
