//! What answers at an address, as `network.yaml` says it in a few words. Pure.

use std::collections::BTreeMap;

/// What a listener does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// No one listens.
    Refuse,
    /// The connect is never answered.
    Drop,
    /// Accepts, and resets.
    Reset,
    /// Accepts, and closes.
    Close,
    /// Accepts, and never says a word.
    Silent,
    /// Says bytes that no protocol has.
    Garbage,
    /// Says one byte now and then, for ever.
    Drip,
    /// Says bytes without end, as fast as they are taken.
    Endless,
    /// HTTP.
    Http(Http),
    /// MySQL.
    Mysql(Mysql),
    /// Redis.
    Redis(Redis),
    /// `PostgreSQL`.
    Postgres(Postgres),
    /// AMQP 0-9-1, with one account.
    Amqp(String, String),
    /// Kafka, which sends its clients to this host and port.
    Kafka(String, u16),
}

/// A certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Certificate {
    /// The names that it is for.
    pub(crate) names: Vec<String>,
    /// Whether its time is over.
    pub(crate) expired: bool,
    /// Whether it is its own issuer.
    pub(crate) self_signed: bool,
}

/// A `PostgreSQL` server with one account.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Postgres {
    /// The account.
    pub(crate) user: String,
    /// Its password.
    pub(crate) password: String,
    /// The only database; empty: any.
    pub(crate) database: String,
    /// A standby in recovery.
    pub(crate) standby: bool,
    /// No connection is left.
    pub(crate) full: bool,
}

/// An HTTP server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Http {
    /// What any other path answers.
    pub(crate) status: u16,
    /// What these paths answer.
    pub(crate) paths: BTreeMap<String, u16>,
    /// Where 3xx lead.
    pub(crate) location: Option<String>,
    /// It speaks TLS with this certificate.
    pub(crate) certificate: Option<Certificate>,
}

/// A MySQL server with one account.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Mysql {
    /// The account.
    pub(crate) user: String,
    /// Its password.
    pub(crate) password: String,
    /// The only database; empty: any.
    pub(crate) database: String,
    /// An error instead of the greeting.
    pub(crate) greets_with: Option<u16>,
    /// `read_only`.
    pub(crate) read_only: bool,
    /// A Galera member: `wsrep_cluster_status`, and behind slashes the identity and the size of its cluster.
    pub(crate) galera: Option<String>,
    /// Whether the threads of a replica run: `Yes/No`.
    pub(crate) replication: Option<String>,
}

/// A Redis server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Redis {
    /// Its password; empty: none is asked for.
    pub(crate) password: String,
    /// Still loading.
    pub(crate) loading: bool,
    /// A replica.
    pub(crate) replica: bool,
    /// An error that it answers to every command, by its first word.
    pub(crate) error: Option<&'static str>,
}

/// Reads `mysql app/s3cret/app read-only`, `redis password=x`, `http 503 /live=200`, `refuse` …
pub(crate) fn parse(text: &str) -> Result<Answer, String> {
    let mut words = text.split_whitespace();
    let answer = match words.next().unwrap_or_default() {
        "refuse" => Answer::Refuse,
        "drop" => Answer::Drop,
        "reset" => Answer::Reset,
        "close" => Answer::Close,
        "silent" => Answer::Silent,
        "garbage" => Answer::Garbage,
        "drip" => Answer::Drip,
        "endless" => Answer::Endless,
        "http" => return http(words),
        "mysql" => return mysql(words),
        "redis" => return redis(words),
        "https" => return https(words),
        "postgres" => return postgres(words),
        "amqp" => return amqp(words.next()),
        "kafka" => return kafka(words.next()),
        other => {
            return Err(format!(
                "`{other}` is no answer; expected refuse, drop, reset, close, silent, garbage, drip, endless, http, https, mysql, redis, postgres, amqp or kafka"
            ));
        }
    };
    match words.next() {
        None => Ok(answer),
        Some(word) => Err(format!("`{word}` is one word too many in `{text}`")),
    }
}

fn http<'a>(words: impl Iterator<Item = &'a str>) -> Result<Answer, String> {
    let mut http = Http {
        status: 200,
        paths: BTreeMap::new(),
        location: None,
        certificate: None,
    };
    let status = |word: &str| match word.parse::<u16>() {
        Ok(status @ 200..=599) => Ok(status),
        _ => Err(format!("`{word}` is no HTTP status")),
    };
    for word in words {
        if let Some(location) = word.strip_prefix("location=") {
            http.location = Some(location.to_owned());
        } else if let Some((path, code)) = word.split_once('=') {
            http.paths.insert(path.to_owned(), status(code)?);
        } else {
            http.status = status(word)?;
        }
    }
    Ok(Answer::Http(http))
}

fn mysql<'a>(words: impl Iterator<Item = &'a str>) -> Result<Answer, String> {
    let mut mysql = Mysql::default();
    for word in words {
        if word == "read-only" {
            mysql.read_only = true;
        } else if let Some(code) = word.strip_prefix("error=") {
            let code = code
                .parse()
                .map_err(|_| format!("`{code}` is no MySQL error"))?;
            mysql.greets_with = Some(code);
        } else if let Some(status) = word.strip_prefix("galera=") {
            mysql.galera = Some(status.to_owned());
        } else if let Some(threads) = word.strip_prefix("replication=") {
            mysql.replication = Some(threads.to_owned());
        } else if let Some((user, password, database)) = account(word) {
            user.clone_into(&mut mysql.user);
            password.clone_into(&mut mysql.password);
            database.clone_into(&mut mysql.database);
        } else {
            return Err(format!(
                "`{word}`: expected USER/PASSWORD[/DATABASE], read-only, galera=STATUS[/UUID/SIZE], replication=YES/NO or error=CODE"
            ));
        }
    }
    Ok(Answer::Mysql(mysql))
}

/// `USER/PASSWORD[/DATABASE]`.
fn account(word: &str) -> Option<(&str, &str, &str)> {
    let (user, rest) = word.split_once('/')?;
    let (password, database) = rest.split_once('/').unwrap_or((rest, ""));
    Some((user, password, database))
}

/// `https [names=A,B] [expired] [self-signed]`, then what `http` takes.
fn https<'a>(words: impl Iterator<Item = &'a str>) -> Result<Answer, String> {
    let mut certificate = Certificate {
        names: Vec::new(),
        expired: false,
        self_signed: false,
    };
    let mut rest = Vec::new();
    for word in words {
        match (word, word.strip_prefix("names=")) {
            (_, Some(names)) => certificate.names = names.split(',').map(str::to_owned).collect(),
            ("expired", _) => certificate.expired = true,
            ("self-signed", _) => certificate.self_signed = true,
            _ => rest.push(word),
        }
    }
    let mut answer = http(rest.into_iter())?;
    if let Answer::Http(http) = &mut answer {
        http.certificate = Some(certificate);
    }
    Ok(answer)
}

fn postgres<'a>(words: impl Iterator<Item = &'a str>) -> Result<Answer, String> {
    let mut postgres = Postgres::default();
    for word in words {
        match (word, account(word)) {
            ("standby", _) => postgres.standby = true,
            ("full", _) => postgres.full = true,
            (_, Some((user, password, database))) => {
                user.clone_into(&mut postgres.user);
                password.clone_into(&mut postgres.password);
                database.clone_into(&mut postgres.database);
            }
            _ => {
                return Err(format!(
                    "`{word}`: expected USER/PASSWORD[/DATABASE], standby or full"
                ));
            }
        }
    }
    Ok(Answer::Postgres(postgres))
}

fn amqp(word: Option<&str>) -> Result<Answer, String> {
    match word.and_then(account) {
        Some((user, password, "")) => Ok(Answer::Amqp(user.to_owned(), password.to_owned())),
        _ => Err(format!(
            "`{}`: expected USER/PASSWORD",
            word.unwrap_or_default()
        )),
    }
}

fn kafka(word: Option<&str>) -> Result<Answer, String> {
    let word = word.unwrap_or_default();
    word.rsplit_once(':')
        .and_then(|(host, port)| Some(Answer::Kafka(host.to_owned(), port.parse().ok()?)))
        .ok_or_else(|| format!("`{word}`: expected the HOST:PORT that it advertises"))
}

fn redis<'a>(words: impl Iterator<Item = &'a str>) -> Result<Answer, String> {
    let mut redis = Redis::default();
    for word in words {
        match (word, word.strip_prefix("password=")) {
            (_, Some(password)) => password.clone_into(&mut redis.password),
            ("loading", _) => redis.loading = true,
            ("replica", _) => redis.replica = true,
            ("masterdown", _) => {
                redis.error = Some(
                    "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
                );
            }
            ("misconf", _) => {
                redis.error = Some(
                    "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk.",
                );
            }
            ("full", _) => redis.error = Some("ERR max number of clients reached"),
            _ => {
                return Err(format!(
                    "`{word}`: expected password=PASSWORD, loading, replica, masterdown, misconf or full"
                ));
            }
        }
    }
    Ok(Answer::Redis(redis))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_a_few_words() {
        assert_eq!(parse("drop"), Ok(Answer::Drop));
        let Ok(Answer::Mysql(mysql)) = parse("mysql app/s3cret/shop read-only") else {
            unreachable!("it is MySQL");
        };
        assert_eq!(
            (
                mysql.user.as_str(),
                mysql.password.as_str(),
                mysql.database.as_str(),
                mysql.read_only
            ),
            ("app", "s3cret", "shop", true)
        );
        let Ok(Answer::Http(http)) = parse("http 503 /live=200") else {
            unreachable!("it is HTTP");
        };
        assert_eq!((http.status, http.paths["/live"]), (503, 200));
        for wrong in [
            "",
            "ftp",
            "drop it",
            "http 99",
            "mysql app",
            "redis secret",
            "mysql error=x",
            "postgres standby primary",
            "amqp guest",
            "kafka broker",
            "https names=ap 99",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
