//! The application protocols that the tool can distinguish. Pure; shared by every stage.

use std::num::NonZeroU16;

use serde::{Deserialize, Serialize};
use strum::{Display, EnumString, IntoStaticStr, VariantArray};

/// The protocol that a client speaks to a server over a connection.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    Display,
    EnumString,
    IntoStaticStr,
    VariantArray,
)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum Protocol {
    /// A TCP connection about whose content nothing is known.
    Tcp,
    /// A UDP service: nothing that a connection could prove.
    Udp,
    /// HTTP/1.1 in plain.
    Http,
    /// HTTP over TLS.
    Https,
    /// gRPC (HTTP/2 in plain).
    Grpc,
    /// MySQL and MariaDB.
    Mysql,
    /// `PostgreSQL`.
    Postgres,
    /// Redis, Valkey and the like.
    Redis,
    /// `MongoDB`.
    Mongodb,
    /// memcached's text protocol.
    Memcached,
    /// AMQP 0-9-1 (`RabbitMQ`).
    Amqp,
    /// Kafka.
    Kafka,
    /// SMTP.
    Smtp,
    /// `FastCGI` (php-fpm): a connection only.
    Fastcgi,
    /// NATS.
    Nats,
    /// MQTT.
    Mqtt,
    /// `ZooKeeper`.
    Zookeeper,
    /// Cassandra's native protocol.
    Cassandra,
    /// Microsoft SQL Server (TDS).
    Mssql,
    /// LDAP.
    Ldap,
}

impl Protocol {
    /// The transport below it, as the API writes it.
    pub const fn transport(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            _ => "TCP",
        }
    }

    /// Whether its servers ask DNS for the name of each client before their first word, as MySQL does without `skip-name-resolve`.
    pub const fn resolves_its_clients(self) -> bool {
        matches!(self, Self::Mysql)
    }

    /// Whether a client is given several servers of which one will do, since that one names the rest.
    pub const fn has_seeds(self) -> bool {
        matches!(
            self,
            Self::Kafka
                | Self::Mongodb
                | Self::Amqp
                | Self::Nats
                | Self::Zookeeper
                | Self::Cassandra
        )
    }

    /// Every protocol, in the order of the enum.
    pub const ALL: &'static [Self] = Self::VARIANTS;

    /// The lower-case name, as it stands in reports and edge ids.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// The protocol of that name, as written by [`Protocol::name`].
    pub fn from_name(name: &str) -> Option<Self> {
        name.parse().ok()
    }

    /// The protocol inside of TLS: HTTPS is HTTP.
    #[must_use]
    pub const fn in_plain(self) -> Self {
        match self {
            Self::Https => Self::Http,
            other => other,
        }
    }

    /// The IANA or customary port, where there is one.
    pub const fn default_port(self) -> Option<NonZeroU16> {
        let port = match self {
            Self::Http => 80,
            Self::Https => 443,
            Self::Mysql => 3306,
            Self::Postgres => 5432,
            Self::Redis => 6379,
            Self::Mongodb => 27017,
            Self::Memcached => 11211,
            Self::Amqp => 5672,
            Self::Kafka => 9092,
            Self::Smtp => 25,
            Self::Fastcgi => 9000,
            Self::Nats => 4222,
            Self::Mqtt => 1883,
            Self::Zookeeper => 2181,
            Self::Cassandra => 9042,
            Self::Mssql => 1433,
            Self::Ldap => 389,
            Self::Tcp | Self::Udp | Self::Grpc => return None,
        };
        NonZeroU16::new(port)
    }

    /// Whether a server of it takes no password without a user.
    pub const fn needs_user(self) -> bool {
        matches!(self, Self::Mysql | Self::Postgres)
    }

    /// Whether the peer is a database, a cache or a broker: a host outside the cluster that speaks such a
    /// protocol is an edge like any other.
    pub const fn is_store(self) -> bool {
        matches!(
            self,
            Self::Mysql
                | Self::Postgres
                | Self::Redis
                | Self::Mongodb
                | Self::Memcached
                | Self::Amqp
                | Self::Kafka
                | Self::Nats
                | Self::Mqtt
                | Self::Zookeeper
                | Self::Cassandra
                | Self::Mssql
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_reads_back() {
        for &protocol in Protocol::ALL {
            assert_eq!(Protocol::from_name(protocol.name()), Some(protocol));
        }
        assert_eq!(Protocol::from_name("gopher"), None);
    }
}
