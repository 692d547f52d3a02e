//! What the name of a variable, or of a configuration key, says about its value. Pure.

use std::num::NonZeroU16;

use crate::catalog::{self, Products};
use crate::protocol::Protocol;

use super::scheme;

/// What a value may be, by its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A host, or several.
    Host,
    /// Nothing is known by the key: only what looks like an address is one.
    Plain,
    /// A name that only looks like a host (`POSTGRES_DB=db`): no bare word is one.
    Data,
    /// Never an address to dial: images, versions, passwords, what the server itself binds or advertises to its clients, what is for
    /// browsers, what is exempt from a proxy.
    Never,
}

/// A key in lower-case words: `DB_HOST`, `database__connection__host`, `discovery.seed_hosts`, `MongoAddress`, `spring.data-source`.
pub(crate) fn words(key: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut current = String::new();
    let mut before: Option<char> = None;
    for c in key.chars() {
        if c.is_alphanumeric() {
            if c.is_uppercase() && before.is_some_and(char::is_lowercase) {
                words.push(std::mem::take(&mut current));
            }
            current.extend(c.to_lowercase());
        } else if !current.is_empty() {
            words.push(std::mem::take(&mut current));
        }
        before = Some(c);
    }
    if !current.is_empty() {
        words.push(current);
    }
    words.retain(|word| !word.is_empty());
    // `HostName` and `HOST_NAME` are one word, and no name.
    while let Some(at) = words.windows(2).position(|two| two == ["host", "name"]) {
        words[at].push_str("name");
        words.remove(at + 1);
    }
    words
}

/// The key in the form of the tables: `DISCOVERY_SEED_HOSTS`.
fn canonical(key: &str) -> String {
    words(key).join("_").to_ascii_uppercase()
}

/// What an application's own key says: protocol, and port where none is written.
pub(crate) fn application(key: &str) -> Option<(Option<Protocol>, Option<NonZeroU16>)> {
    let key = canonical(key);
    let says = Products::shared().key(&key)?;
    Some((says.protocol, says.port))
}

/// Whether a bundler writes the variable into code for browsers.
pub(crate) fn is_for_browsers(key: &str) -> bool {
    // A variable's name has no dots: `public.orders.url` is a path in a document.
    let canonical = canonical(key);
    !key.contains('.')
        && catalog::words()
            .browser_prefixes
            .iter()
            .any(|prefix| canonical.starts_with(prefix))
}

/// Whether a variable, whole, names the application's own address.
pub(crate) fn is_own(key: &str) -> bool {
    Products::shared().is_own_key(&canonical(key))
}

/// What a value may be, by its key.
pub fn role(key: &str) -> Role {
    let known = catalog::words();
    let canonical = canonical(key);
    let words = words(key);
    if application(key).is_some() {
        return Role::Host;
    }
    let no_proxy = canonical.ends_with("NO_PROXY")
        || canonical.ends_with("NON_PROXY_HOSTS")
        || canonical.contains("NONPROXYHOSTS");
    let browser = is_for_browsers(key);
    // What a member of a cluster advertises to the others: where it is to be connected to.
    let advertised = words.ends_with(&["connect".to_owned(), "address".to_owned()]);
    // `PUBLIC` inside a longer key speaks of the outside; the words of a path such as `com.example` do not.
    if no_proxy
        || browser
        || advertised
        || is_own(key)
        || words_near(key)
            .iter()
            .any(|word| known.never.contains(&word.as_str()))
    {
        return Role::Never;
    }
    let Some(last) = words.iter().rev().find(|word| word.parse::<u32>().is_err()) else {
        return Role::Plain;
    };
    let last = last.as_str();
    if known.opaque_tails.contains(&last) {
        return Role::Never;
    }
    if is_connection_string(&words) {
        return Role::Host;
    }
    if known.data_tails.contains(&last) {
        return Role::Data;
    }
    if known.host_tails.contains(&last) || fused(last, &known.fused_tails).is_some() {
        return Role::Host;
    }
    Role::Plain
}

/// .NET's `ConnectionStrings__EventBus=rabbitmq`: nothing but where to connect stands there.
pub(crate) fn is_connection_string(words: &[String]) -> bool {
    words.len() > 2 && words[0] == "connection" && words[1] == "strings"
}

/// The words of a key and of the one above it: what stands higher in a path (`public.shop.orders.url`) speaks of other things too.
fn words_near(key: &str) -> Vec<String> {
    let parts = key.rsplit('.').filter(|part| part.parse::<u32>().is_err());
    let mut near: Vec<&str> = parts.take(2).collect();
    near.reverse();
    words(&near.join("."))
}

/// `dbhost` → (`db`, `host`), for one of the given ends.
pub(super) fn fused<'a>(word: &'a str, tails: &[&'a str]) -> Option<(&'a str, &'a str)> {
    if catalog::words().not_fused.contains(&word) {
        return None;
    }
    tails.iter().find_map(|tail| {
        let stem = word.strip_suffix(tail)?;
        (stem.len() >= 2).then(|| (stem, &word[stem.len()..]))
    })
}

/// The words before the tail, and the tail: `REDIS_CACHE_HOST` → (`[redis, cache]`, `host`); also for fused words.
pub(super) fn split_tail(key: &str, tails: &[&str]) -> Option<(Vec<String>, String)> {
    split_words(&words(key), tails)
}

/// The same for a key that is cut into words already.
pub(super) fn split_words(words: &[String], tails: &[&str]) -> Option<(Vec<String>, String)> {
    let (at, last) = words
        .iter()
        .enumerate()
        .rev()
        .find(|(at, word)| *at == 0 || !is_number(word))?;
    if tails.contains(&last.as_str()) {
        return Some((words[..at].to_vec(), last.clone()));
    }
    let (stem, tail) = fused(last, tails)?;
    let mut found = words[..at].to_vec();
    found.push(stem.to_owned());
    Some((found, tail.to_owned()))
}

/// Whether a word of a key is a number.
pub(super) fn is_number(word: &str) -> bool {
    word.bytes().all(|byte| byte.is_ascii_digit())
}

/// The number at the end of a key: `2` of `DB_HOST_2`.
pub(super) fn number(key: &str) -> Option<String> {
    let mut words = words(key);
    let last = words.pop().filter(|word| is_number(word))?;
    (!words.is_empty()).then_some(last)
}

/// The stem of a key that holds a host; the whole key if it has no tail (`PAPERLESS_REDIS`).
pub(super) fn host_stem(key: &str) -> Vec<String> {
    if let Some((stem, _)) = split_tail(key, &catalog::words().host_tails) {
        return without_form(stem);
    }
    let mut words = words(key);
    let tail = ["string", "connection", "conn"];
    while words.len() > 1
        && words
            .last()
            .is_some_and(|word| tail.contains(&word.as_str()))
    {
        words.pop();
    }
    words
}

/// A stem without the words that only say what form its parts have: `DB_SERVER_HOST`, `DB_HOST_ADDRESS`, `SPRING_DATASOURCE_JDBC_URL`,
/// `database__connection__user`.
pub(super) fn without_form(mut stem: Vec<String>) -> Vec<String> {
    let is_form =
        |word: &String| matches!(word.as_str(), "server" | "host" | "jdbc" | "connection");
    while stem.len() > 1 && stem.last().is_some_and(is_form) {
        stem.pop();
    }
    stem
}

/// The protocol for which the last word of a stem stands.
pub(super) fn protocol_of(stem: &[String]) -> Option<Protocol> {
    stem.last().and_then(|word| scheme::product(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_cut_into_words() {
        assert_eq!(
            words("database__connection__host"),
            ["database", "connection", "host"]
        );
        assert_eq!(
            words("discovery.seed_hosts"),
            ["discovery", "seed", "hosts"]
        );
        assert_eq!(words("MongoAddress"), ["mongo", "address"]);
        assert_eq!(words("DB_HOST"), ["db", "host"]);
    }

    #[test]
    fn roles() {
        for host in [
            "DB_HOST",
            "PGHOST",
            "PAPERLESS_DBHOST",
            "DB_HOSTNAME",
            "AUTHENTIK_REDIS__HOST",
            "ES_SEEDS",
            "REDMINE_DB_MYSQL",
            "discovery.seed_hosts",
            "HTTP_PROXY",
            "REDIS_HOST_1",
            "CDK_CLUSTERS_0_BOOTSTRAPSERVERS",
            "KAFKA_ZOOKEEPER_CONNECT",
            "ConnectionStrings__EventBus",
        ] {
            assert_eq!(role(host), Role::Host, "{host}");
        }
        for data in [
            "POSTGRES_DB",
            "POSTGRES_USER",
            "DB_TYPE",
            "DB_CONNECTION",
            "APP_NAME",
            "NODE_ENV",
            "OTEL_SERVICE_NAME",
        ] {
            assert_eq!(role(data), Role::Data, "{data}");
        }
        for never in [
            "NO_PROXY",
            "no_proxy",
            "NEXT_PUBLIC_API_URL",
            "VITE_API",
            "KAFKA_ADVERTISED_LISTENERS",
            "ALLOWED_HOSTS",
            "VIRTUAL_HOST",
            "REDIS_IMAGE",
            "DB_PASSWORD",
            "GRAYLOG_HTTP_EXTERNAL_URI",
            "BASE_URL",
            "CORS_ALLOWED_ORIGINS",
            "KAFKA_CREATE_TOPICS",
            "PATRONI_POSTGRESQL_CONNECT_ADDRESS",
        ] {
            assert_eq!(role(never), Role::Never, "{never}");
        }
        for plain in ["MEMCACHED", "PAPERLESS_REDIS", "GHOST", "SNUBA"] {
            assert_eq!(role(plain), Role::Plain, "{plain}");
        }
        assert_eq!(role("API_BASE_URL"), Role::Host);
    }

    #[test]
    fn stems() {
        assert_eq!(host_stem("PAPERLESS_DBHOST"), ["paperless", "db"]);
        assert_eq!(host_stem("DB_HOST_ADDRESS"), ["db"]);
        assert_eq!(host_stem("PGHOST"), ["pg"]);
        assert_eq!(host_stem("DATABASE_URL"), ["database"]);
        assert_eq!(host_stem("PAPERLESS_REDIS"), ["paperless", "redis"]);
    }
}
