//! What answers at an address, as `network.yaml` says it in a few words. Pure.

use std::collections::BTreeMap;

/// What a listener does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Nobody listens.
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
        other => {
            return Err(format!(
                "`{other}` is no answer; expected refuse, drop, reset, close, silent, garbage, drip, endless, http, mysql or redis"
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
        } else if let Some((user, rest)) = word.split_once('/') {
            let (password, database) = rest.split_once('/').unwrap_or((rest, ""));
            user.clone_into(&mut mysql.user);
            password.clone_into(&mut mysql.password);
            database.clone_into(&mut mysql.database);
        } else {
            return Err(format!(
                "`{word}`: expected USER/PASSWORD[/DATABASE], read-only or error=CODE"
            ));
        }
    }
    Ok(Answer::Mysql(mysql))
}

fn redis<'a>(words: impl Iterator<Item = &'a str>) -> Result<Answer, String> {
    let mut redis = Redis::default();
    for word in words {
        match (word, word.strip_prefix("password=")) {
            (_, Some(password)) => password.clone_into(&mut redis.password),
            ("loading", _) => redis.loading = true,
            ("replica", _) => redis.replica = true,
            _ => {
                return Err(format!(
                    "`{word}`: expected password=PASSWORD, loading or replica"
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
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
