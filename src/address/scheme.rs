//! URL schemes → protocol, port and TLS. Pure.

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

/// Schemes that name no host to dial.
const LOCAL: [&str; 22] = [
    "unix",
    "file",
    "sqlite",
    "sqlite3",
    "data",
    "mailto",
    "urn",
    "classpath",
    "npipe",
    "fd",
    "vault",
    "docker",
    "git+file",
    "chrome-extension",
    "about",
    "blob",
    "javascript",
    "memory",
    "mem",
    "inmemory",
    "local",
    "env",
];

/// What the scheme says, or `None` if it names no host to dial.
pub(super) fn scheme(name: &str) -> Option<Scheme> {
    let name = name.to_ascii_lowercase();
    if LOCAL.contains(&name.as_str()) {
        return None;
    }
    if let Some(found) = known(&name) {
        return Some(found);
    }
    // `postgresql+psycopg2`, `db+postgresql`, `redis+sentinel`: the part that is known tells the protocol.
    let part = name.split('+').find_map(known);
    Some(part.unwrap_or(Scheme {
        protocol: None,
        port: None,
        tls: None,
    }))
}

fn known(name: &str) -> Option<Scheme> {
    use Protocol as P;
    let secured = Some(TlsMode::Secured);
    let (protocol, port, tls) = match name {
        "http" | "ws" | "h2c+http" => (Some(P::Http), Some(80), None),
        "https" | "wss" => (Some(P::Https), Some(443), None),
        "grpc" | "h2c" => (Some(P::Grpc), None, None),
        "grpcs" => (Some(P::Grpc), Some(443), secured),
        "mysql" | "mysql2" | "mysqlx" | "mariadb" | "mysqli" | "pymysql" | "aiomysql" => {
            (Some(P::Mysql), Some(3306), None)
        }
        "postgres" | "postgresql" | "pgsql" | "psql" | "postgis" | "pg" | "pgx" | "pgx5"
        | "psycopg2" | "asyncpg" => (Some(P::Postgres), Some(5432), None),
        "cockroach" | "cockroachdb" => (Some(P::Postgres), Some(26257), None),
        "redis" | "valkey" | "redis-cluster" => (Some(P::Redis), Some(6379), None),
        "rediss" | "valkeys" => (Some(P::Redis), Some(6379), secured),
        "sentinel" | "redis-sentinel" => (Some(P::Redis), Some(26379), None),
        "mongodb" | "mongo" => (Some(P::Mongodb), Some(27017), None),
        "memcached" | "memcache" => (Some(P::Memcached), Some(11211), None),
        "amqp" | "pyamqp" | "rabbitmq" | "rabbit" => (Some(P::Amqp), Some(5672), None),
        "amqps" => (Some(P::Amqp), Some(5671), secured),
        "kafka" | "plaintext" | "sasl_plaintext" => (Some(P::Kafka), Some(9092), None),
        "sasl_ssl" => (Some(P::Kafka), Some(9092), secured),
        "nats" => (Some(P::Nats), Some(4222), None),
        "mqtt" => (Some(P::Mqtt), Some(1883), None),
        "mqtts" => (Some(P::Mqtt), Some(8883), secured),
        "smtp" => (Some(P::Smtp), Some(25), None),
        "smtps" => (Some(P::Smtp), Some(465), secured),
        "ldap" => (Some(P::Ldap), Some(389), None),
        "ldaps" => (Some(P::Ldap), Some(636), secured),
        "mssql" | "sqlserver" | "sqlsrv" | "pymssql" => (Some(P::Mssql), Some(1433), None),
        "cassandra" | "cql" => (Some(P::Cassandra), Some(9042), None),
        "zookeeper" | "zk" => (Some(P::Zookeeper), Some(2181), None),
        "fastcgi" | "fcgi" => (Some(P::Fastcgi), Some(9000), None),
        "elasticsearch" | "es" | "opensearch" => (Some(P::Http), Some(9200), None),
        "clickhouse" | "clickhouses" | "native" => (None, Some(9000), None),
        "couchdb" => (Some(P::Http), Some(5984), None),
        "consul" => (Some(P::Http), Some(8500), None),
        "bolt" | "neo4j" => (Some(P::Tcp), Some(7687), None),
        "spark" => (Some(P::Tcp), Some(7077), None),
        "hdfs" => (Some(P::Tcp), Some(8020), None),
        "thrift" => (Some(P::Tcp), Some(9083), None),
        "pulsar" => (Some(P::Tcp), Some(6650), None),
        "stomp" => (Some(P::Tcp), Some(61613), None),
        "oracle" => (Some(P::Tcp), Some(1521), None),
        "ssh" | "sftp" => (Some(P::Tcp), Some(22), None),
        "ftp" => (Some(P::Tcp), Some(21), None),
        "rtmp" => (Some(P::Tcp), Some(1935), None),
        "rtsp" => (Some(P::Tcp), Some(554), None),
        "xmpp" => (Some(P::Tcp), Some(5222), None),
        "udp" => (Some(P::Udp), None, None),
        "statsd" => (Some(P::Udp), Some(8125), None),
        _ => return None,
    };
    Some(Scheme {
        protocol,
        port,
        tls,
    })
}

/// The protocol that a product's name stands for (`DB_TYPE=postgresql`, the stem of `MYSQL_HOST`).
pub(super) fn product(name: &str) -> Option<Protocol> {
    use Protocol as P;
    let name = name.to_ascii_lowercase();
    Some(match name.as_str() {
        "mysql" | "mariadb" | "mysqli" | "mysql2" | "mysql8" | "pdo_mysql" | "maria" => P::Mysql,
        "postgres" | "postgresql" | "postgresdb" | "pg" | "pgsql" | "psql" | "pdo_pgsql"
        | "postgre" | "timescale" | "pgbouncer" => P::Postgres,
        "redis" | "valkey" | "phpredis" | "predis" | "keydb" => P::Redis,
        "mongo" | "mongodb" => P::Mongodb,
        "memcached" | "memcache" | "memcachier" => P::Memcached,
        "rabbitmq" | "rabbit" | "amqp" | "rmq" => P::Amqp,
        "kafka" | "bootstrap" => P::Kafka,
        "smtp" => P::Smtp,
        "nats" => P::Nats,
        "mqtt" => P::Mqtt,
        "zookeeper" | "zk" => P::Zookeeper,
        "cassandra" | "scylla" => P::Cassandra,
        "mssql" | "sqlserver" | "sqlsrv" => P::Mssql,
        "ldap" => P::Ldap,
        "elasticsearch" | "opensearch" | "elastic" => P::Http,
        _ => return None,
    })
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
        assert_eq!(
            scheme("rediss").and_then(|found| found.tls),
            Some(TlsMode::Secured)
        );
    }
}
