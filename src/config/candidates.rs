//! `candidates:` of `k8sverify.yaml`: databases to run SQL on and to drill. Shape and validation. Pure.

use std::fmt;
use std::num::{NonZeroU16, NonZeroU32};
use std::str::FromStr;
use std::time::Duration;

use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};

use super::values::{NonEmpty, by, checked, lined};
use super::workload::{WorkloadName, members};
use crate::address;

/// One database deployment that stands for the application's database.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct CandidateRule {
    /// The tier whose edges say where it is and how to log in; excludes `members`.
    #[serde(default, deserialize_with = "by::<_, Option<NonEmpty>>")]
    pub tier: Option<String>,
    /// The workloads that run its members.
    #[serde(default, deserialize_with = "members")]
    pub members: Vec<WorkloadName>,
    /// Its engine; `None`: asked.
    pub engine: Option<EngineName>,
    /// The address that takes writes; `None`: that of the edges into `tier`.
    pub write: Option<HostPort>,
    /// The address that takes reads.
    pub read: Option<HostPort>,
    /// How many members it is to have; `None`: as many as it has.
    pub size: Option<NonZeroU32>,
    /// How to log in, by reference; `None`: as the client of `tier` does.
    pub login: Option<SecretLogin>,
    /// A login that may ask members for their replication and read what its operator keeps there; it writes nothing. `None`: `login` asks.
    pub observer: Option<SecretLogin>,
    /// What it must hold in addition to the application's data.
    #[serde(default)]
    pub expect: Expectations,
    /// A command that makes the fault, called as `HOOK begin NAME` and `HOOK end NAME`.
    #[serde(default, deserialize_with = "by::<_, Option<NonEmpty>>")]
    pub hook: Option<String>,
    /// Addresses outside of the cluster at which its members answer.
    #[serde(default)]
    pub external: Vec<HostPort>,
    /// It holds nothing that matters: statements may run in place, and its only copy may be destroyed.
    #[serde(default)]
    pub fresh: bool,
    /// The line of the file.
    #[serde(skip)]
    pub line: u64,
}

impl CandidateRule {
    /// A candidate that is nothing but a tier.
    pub fn of_tier(tier: &str) -> Self {
        Self {
            tier: Some(tier.to_owned()),
            ..Self::default()
        }
    }
}

/// A database's engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EngineName {
    /// MySQL.
    Mysql,
    /// `MariaDB`.
    Mariadb,
    /// MySQL or `MariaDB` with Galera.
    Galera,
    /// Vitess: a vtgate that speaks MySQL's protocol.
    Vitess,
    /// PostgreSQL.
    Postgres,
    /// Redis.
    Redis,
}

/// `HOST[:PORT]`, as a client dials it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct HostPort {
    /// The host.
    pub host: String,
    /// The port; `None`: the engine's own.
    pub port: Option<NonZeroU16>,
}

/// A login that stands in a Secret, which is never read: its keys reach the Pod by reference.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretLogin {
    /// The Secret, in the namespace of the run.
    #[serde(deserialize_with = "by::<_, NonEmpty>")]
    pub secret: String,
    /// The user.
    pub user: Word,
    /// The key that holds the password.
    #[serde(deserialize_with = "by::<_, NonEmpty>")]
    pub password: String,
    /// The database to open.
    pub database: Option<Word>,
}

/// A word of a login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Word {
    /// The key of the Secret that holds it.
    Key(String),
    /// The word itself: `{value: root}`.
    Value(String),
}

/// What a candidate must hold in addition to the application's data.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Expectations {
    /// Tables.
    pub tables: Vec<TableRule>,
    /// Queries that must return at least one row.
    #[serde(deserialize_with = "by::<_, Vec<NonEmpty>>")]
    pub queries: Vec<String>,
}

/// A table that must be there.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TableRule {
    /// `SCHEMA.TABLE`.
    #[serde(deserialize_with = "by::<_, NonEmpty>")]
    pub name: String,
    /// Where it is asked for.
    #[serde(default)]
    pub on: On,
    /// How new its newest row must be.
    pub fresh: Option<Freshness>,
}

/// Where an expectation is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum On {
    /// On each member.
    #[default]
    EveryMember,
    /// Through the write address.
    Write,
}

/// How new the newest row of a table must be.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Freshness {
    /// The column that holds the time.
    #[serde(deserialize_with = "by::<_, NonEmpty>")]
    pub column: String,
    /// At most so old.
    #[serde(deserialize_with = "by::<_, Span>")]
    pub within: Duration,
}

impl FromStr for HostPort {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("`{text}` is no address: expected HOST or HOST:PORT, as in `mysql:3306`");
        let (host, port) = address::host_and_port(text).ok_or_else(wrong)?;
        Ok(Self { host, port })
    }
}

lined!(CandidateRule);

impl<'de> Deserialize<'de> for CandidateRule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let rule = Self::deserialize(deserializer)?;
        let no_tier = rule.tier.is_none();
        if !no_tier && !rule.members.is_empty() {
            return Err(de::Error::custom(
                "`tier` and `members` are both there: expected the tier that the candidate runs, or the workloads of its members",
            ));
        }
        if no_tier && rule.write.is_none() {
            return Err(de::Error::custom(
                "nothing says where the candidate is: expected `tier`, or `write` with the address that takes writes",
            ));
        }
        if no_tier && rule.login.is_none() && rule.engine != Some(EngineName::Redis) {
            return Err(de::Error::custom(
                "nothing says how to log in: expected `tier`, whose client's login is used, or `login: {secret, user, password}`",
            ));
        }
        if let Some(query) = rule.expect.queries.iter().find(|query| !only_asks(query)) {
            return Err(de::Error::custom(format_args!(
                "`{query}` under expect.queries may change something: expected one question (SELECT, WITH, TABLE, VALUES or SHOW)"
            )));
        }
        Ok(rule)
    }
}

/// Whether it is one statement that begins as a question does; it is asked within a transaction that may only read.
fn only_asks(query: &str) -> bool {
    let query = query.trim().trim_end_matches(';');
    let first = query
        .split(|letter: char| !letter.is_ascii_alphabetic())
        .next();
    let first = first.unwrap_or_default().to_ascii_lowercase();
    !query.contains(';')
        && matches!(
            first.as_str(),
            "select" | "with" | "table" | "values" | "show"
        )
}

impl<'de> Deserialize<'de> for Word {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Value {
            value: NonEmpty,
        }
        struct KeyOrValue;
        impl<'de> Visitor<'de> for KeyOrValue {
            type Value = Word;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key of the Secret, or {value: WORD}")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Word, E> {
                if text.trim().is_empty() {
                    return Err(E::custom("an empty value: expected a key of the Secret"));
                }
                Ok(Word::Key(text.to_owned()))
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Word, A::Error> {
                let word = Value::deserialize(de::value::MapAccessDeserializer::new(map))?;
                Ok(Word::Value(word.value.0))
            }
        }
        deserializer.deserialize_any(KeyOrValue)
    }
}

/// A duration such as `15s`.
#[derive(Debug)]
struct Span(Duration);

checked!(Span => Duration);

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse::<jiff::SignedDuration>()
            .ok()
            .and_then(|span| Duration::try_from(span).ok())
            .filter(|span| !span.is_zero())
            .map(Self)
            .ok_or_else(|| {
                de::Error::custom(format_args!(
                    "`{text}` is no duration: expected one such as 15s or 2m"
                ))
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, parse};

    fn read(text: &str) -> Config {
        parse(text, "k8sverify.yaml").unwrap()
    }

    #[test]
    fn a_tier_is_enough_and_members_need_an_address_and_a_login() {
        let config = read("candidates:\n  single: {tier: DB}\n");
        let single = &config.candidates["single"];
        assert_eq!(single.tier.as_deref(), Some("DB"));
        assert!(single.members.is_empty() && !single.fresh);
        assert_eq!(single.line, 2);
        let text = "candidates:
  galera:
    members: statefulset/mysql
    engine: galera
    write: mysql:3306
    read: '[fd00::1]:3307'
    size: 3
    login: {secret: db-login, user: {value: root}, password: root-password, database: database}
    expect:
      tables: [{name: sys_operator.heartbeat, on: every-member, fresh: {column: ts, within: 15s}}]
      queries: [SELECT 1]
    hook: ./reboot
    external: [shop.rds.test]
    fresh: true
";
        let config = read(text);
        let galera = &config.candidates["galera"];
        assert_eq!(galera.members[0].name, "mysql");
        assert_eq!(galera.engine, Some(EngineName::Galera));
        let parts = |place: &HostPort| (place.host.clone(), place.port.map(NonZeroU16::get));
        let write = galera.write.as_ref().map(parts).unwrap();
        assert_eq!(write, ("mysql".to_owned(), Some(3306)));
        let read = galera.read.as_ref().map(parts).unwrap();
        assert_eq!(read, ("fd00::1".to_owned(), Some(3307)));
        let login = galera.login.as_ref().unwrap();
        assert_eq!(login.user, Word::Value("root".into()));
        assert_eq!(login.password, "root-password");
        assert_eq!(login.database, Some(Word::Key("database".into())));
        let heartbeat = &galera.expect.tables[0];
        assert_eq!(heartbeat.on, On::EveryMember);
        assert_eq!(
            heartbeat.fresh.as_ref().unwrap().within,
            Duration::from_secs(15)
        );
        assert_eq!(galera.external[0].port, None);
        assert!(galera.fresh && galera.size.is_some() && galera.hook.is_some());
    }

    #[test]
    fn what_cannot_be_used_is_an_error_at_its_place() {
        for (candidate, expected) in [
            ("{}", "nothing says where"),
            ("{write: 'mysql:3306'}", "nothing says how to log in"),
            (
                "{tier: DB, members: statefulset/mysql}",
                "`tier` and `members`",
            ),
            ("{tier: DB, write: 'mysql:0'}", "no address"),
            ("{tier: DB, write: 'http://mysql'}", "no address"),
            ("{tier: DB, members: mysql}", "KIND/NAME"),
            ("{tier: DB, sise: 3}", "sise"),
            (
                "{tier: DB, login: {secret: s, user: u, password: {value: x}}}",
                "2:",
            ),
            (
                "{tier: DB, expect: {tables: [{name: a.b, fresh: {column: c, within: 15}}]}}",
                "no duration",
            ),
        ] {
            let error = parse(&format!("candidates:\n  a: {candidate}\n"), "f")
                .unwrap_err()
                .to_string();
            assert!(error.contains(expected), "{candidate}: {error}");
            assert!(error.starts_with("f:2:"), "{candidate}: {error}");
        }
    }
}
