//! Values that may be secrets of whoever runs the command, rather than of the project: those of the process' environment, and of files
//! that lie outside of the project. What looks like a secret in them is replaced before anything is made of it. Pure.
//!
//! The text of a compose file may come from an untrusted author (a pull request): without this, `DB_HOST: ${CI_TOKEN}.example.com` would put the
//! token into a report and into a DNS query.

use super::model::EnvironmentValue;
use crate::address::{self, Role};
use crate::redact::{MASK, names_value};

/// Last words of names that say where something is, whatever word stands before them.
const PLACES: [&str; 20] = [
    "addr", "address", "dir", "domain", "enabled", "endpoint", "file", "folder", "host",
    "hostname", "name", "path", "port", "server", "service", "timeout", "ttl", "uri", "url",
    "user",
];
/// Shorter pieces are words, versions and ids rather than keys.
const SHORTEST_KEY: usize = 16;
/// Folders of the shell, which end like a word for a password.
const FOLDERS: [&str; 2] = ["PWD", "OLDPWD"];

/// The value of a variable as a compose file may use it: what may be a secret is masked.
pub fn veiled(name: &str, value: &str) -> String {
    let words = address::words(name);
    let is_place = words
        .last()
        .is_some_and(|last| PLACES.contains(&last.as_str()));
    if FOLDERS.contains(&name) || value.is_empty() || name.starts_with("COMPOSE_") {
        return value.to_owned();
    }
    if names_value(name) && !is_place {
        return MASK.to_owned();
    }
    if value.starts_with('/') {
        return value.to_owned();
    }
    without_keys(&without_logins(value))
}

/// `scheme://user:password@host` without what stands before the `@`.
fn without_logins(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    let mut rest = value;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        out.push_str(before);
        let end = after
            .find(|c: char| c.is_whitespace() || matches!(c, '/' | '?' | '#' | '"' | '\''))
            .unwrap_or(after.len());
        rest = after;
        if let Some(login) = after[..end].rfind('@') {
            out.push_str(MASK);
            rest = &after[login..];
        }
    }
    out + rest
}

/// The value without long pieces of letters and digits; what is hexadecimal is a revision or a digest.
fn without_keys(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for piece in value.split_inclusive(|c: char| !c.is_ascii_alphanumeric()) {
        let bare = piece.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
        let any = |wanted: fn(&u8) -> bool| bare.bytes().any(|byte| wanted(&byte));
        if bare.len() >= SHORTEST_KEY
            && any(u8::is_ascii_digit)
            && any(u8::is_ascii_alphabetic)
            && any(|byte| !byte.is_ascii_digit() && !(b'a'..=b'f').contains(byte))
        {
            out.push_str(MASK);
            out.push_str(&piece[bare.len()..]);
        } else {
            out.push_str(piece);
        }
    }
    out
}

/// Whether an address would have been made of what was masked: no edge can be read from it.
pub(super) fn hides_host(name: &str, value: &EnvironmentValue) -> bool {
    let value = value.value.as_str();
    match value.split_once("://") {
        Some((_, rest)) => {
            let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
            let host = authority
                .rsplit_once('@')
                .map_or(authority, |(_, host)| host);
            host.contains(MASK)
        }
        None => address::role(name) == Role::Host && value.contains(MASK),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_a_secret_is_masked_and_the_rest_stays() {
        for (name, value) in [
            ("GITHUB_TOKEN", "plainword"),
            ("MYSQL_PASSWORD", "12345"),
            ("DEPLOY_KEY", "a"),
            ("GH_PAT", "ghp_x7K2mN9pQ4rT6vW8yZ1aB3cD5eF7gH9jK2mN"),
            ("NOTE", "AKIAIOSFODNN7EXAMPLE"),
        ] {
            let seen = veiled(name, value);
            assert!(!seen.contains(&value[value.len() - 1..]), "{name}: {seen}");
        }
        for (name, value, wanted) in [
            (
                "CI_REPOSITORY_URL",
                "https://ci:s3cr3t@git.example/a.git",
                "https://***@git.example/a.git",
            ),
            (
                "TOKEN_URL",
                "postgres://a:b@c@db:5432/x",
                "postgres://***@db:5432/x",
            ),
            (
                "HOOK_URL",
                "https://h.example/T0/x7K2mN9pQ4rT6vW8y",
                "https://h.example/T0/***",
            ),
            ("URLS", "a://u:p@x b://u:q@y", "a://***@x b://***@y"),
        ] {
            assert_eq!(veiled(name, value), wanted);
        }
        for (name, value) in [
            ("PWD", "/builds/x7K2mN9pQ4rT6vW8y/shop"),
            ("TOKEN_SERVICE_HOST", "tokens"),
            ("SESSION_STORE_PORT", "6379"),
            ("REDIS_PASSWORD_FILE", "/run/secrets/redis"),
            ("TAG", "3f2a9c1d5e7b8a6f4c2d1e0b9a8f7e6d5c4b3a21"),
            ("IMAGE", "ghcr.io/shop/api:1.27.3-alpine"),
            ("DB_HOST", "shop.c9akciq32k.eu-west-1.rds.amazonaws.com"),
            ("COMPOSE_PROFILES", "all"),
            ("EMPTY_TOKEN", ""),
        ] {
            assert_eq!(veiled(name, value), value, "{name}");
        }
    }
}
