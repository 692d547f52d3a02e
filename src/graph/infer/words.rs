//! The words of a command → addresses: options, pairs `host port`, scripts behind `sh -c`. Pure.

use std::num::NonZeroU16;

use crate::address::{self, Role, Shape, Target};
use crate::catalog;

use super::super::Confidence;
use super::found::Hit;
use super::names::NameTable;

/// The words of a command as a shell would see them, scripts taken apart.
pub(super) fn tokens(command: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    for word in command {
        if !word.contains(|c: char| c.is_whitespace() || matches!(c, ';' | '|' | '&')) {
            found.push(word.clone());
            continue;
        }
        for line in word.lines() {
            let line = line.trim();
            if line.starts_with('#') {
                continue;
            }
            let parts = line.split(|c: char| c.is_whitespace() || matches!(c, ';' | '|'));
            found.extend(
                parts
                    .filter(|part| !part.is_empty() && *part != "&&")
                    .map(str::to_owned),
            );
        }
    }
    found
}

/// Addresses of tiers in a command.
pub(super) fn scan(command: &[String], names: &NameTable) -> Vec<Hit> {
    let tokens = tokens(command);
    let mut found: Vec<Hit> = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let token = bare(token);
        let next = tokens.get(at + 1).map(|next| bare(next));
        if let Some((key, value)) = assignment(token) {
            found.extend(option(key, value, names));
        } else if let Some(key) = flag(token) {
            let value = next.filter(|next| !next.starts_with('-'));
            if let Some(value) = value
                .filter(|value| !value.contains("://") && address::host_and_port(value).is_some())
            {
                found.extend(option(key, value, names));
            }
        } else {
            let before = at
                .checked_sub(1)
                .and_then(|at| tokens.get(at))
                .map(|before| bare(before));
            // What an option that names no host takes is data: `--name db:1`.
            let data = before
                .and_then(flag)
                .is_some_and(|key| matches!(address::role(key), Role::Never));
            if !data {
                found.extend(plain(token, next, names));
            }
        }
    }
    // What an option takes is seen again as a word of its own.
    let mut seen = std::collections::BTreeSet::new();
    found.retain(|hit| seen.insert((hit.target.host.clone(), hit.target.port)));
    found
}

fn bare(token: &str) -> &str {
    token.trim_matches(['"', '\'', '`', '(', ')', ','])
}

/// `--key=value`, `-Dkey=value`, `KEY=value`.
fn assignment(token: &str) -> Option<(&str, &str)> {
    let (key, value) = token.split_once('=')?;
    let key = key.trim_start_matches('-');
    let key = match token.strip_prefix("-D") {
        Some(_) => key.strip_prefix('D').unwrap_or(key),
        None => key,
    };
    let clean = !key.is_empty()
        && key
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'));
    clean.then_some((key, bare(value)))
}

fn flag(token: &str) -> Option<&str> {
    let key = token.trim_start_matches('-');
    (key.len() < token.len() && !key.is_empty()).then_some(key)
}

/// The value of an option.
fn option(key: &str, value: &str, names: &NameTable) -> Vec<Hit> {
    let takes_host = catalog::words().host_options.contains(&key);
    let mut targets = address::targets(key, value);
    // `-var=servers=["broker:9092"]`, `--set url=http://peer`: an option that sets another key.
    if let Some((key, value)) = assignment(value).filter(|_| targets.is_empty()) {
        targets = address::targets(key, value);
    }
    if targets.is_empty() && takes_host {
        targets = address::targets("host", value);
    }
    // `--server.1=…` aside, an option of one letter says nothing but by a name that is known.
    targets
        .into_iter()
        .filter(|target| names.resolve(&target.host).is_some() || target.shape == Shape::Url)
        .map(|target| hit(key, target))
        .collect()
}

/// `minio{1...4}` and `minio{1..4}` → each of them; more than a cluster has members is none.
fn expanded(token: &str) -> Vec<String> {
    let range = token.split_once('{').and_then(|(before, rest)| {
        let (range, after) = rest.split_once('}')?;
        let (first, last) = range.split_once("..")?;
        let first: u8 = first.parse().ok()?;
        let last: u8 = last.trim_start_matches('.').parse().ok()?;
        (first <= last && last - first < 32).then_some((before, first..=last, after))
    });
    match range {
        Some((before, numbers, after)) => numbers
            .map(|number| format!("{before}{number}{after}"))
            .collect(),
        None => vec![token.to_owned()],
    }
}

/// A word of its own: a URL, `host:port`, or a host before its port.
fn plain(token: &str, next: Option<&str>, names: &NameTable) -> Vec<Hit> {
    if token.contains('{') && token.contains("..") {
        let all = expanded(token);
        if all.len() > 1 {
            return all.iter().flat_map(|one| plain(one, next, names)).collect();
        }
    }
    if token.contains("://") || token.contains("tcp(") {
        return address::targets("", token)
            .into_iter()
            .map(|target| hit("", target))
            .collect();
    }
    let known = |host: &str| names.resolve(host).is_some();
    let Some((host, port)) = address::host_and_port(token.split('/').next().unwrap_or(token))
    else {
        return address::targets("", token)
            .into_iter()
            .filter(|target| target.shape == Shape::HostPort && known(&target.host))
            .map(|target| hit("", target))
            .collect();
    };
    let following: Option<NonZeroU16> = next.and_then(address::port);
    match port.or(following) {
        Some(port) if known(&host) => {
            let target = Target::at(host, Some(port));
            vec![Hit::new("", target, Confidence::Likely)]
        }
        _ => Vec::new(),
    }
}

fn hit(key: &str, target: Target) -> Hit {
    let confidence = match target.shape {
        Shape::Host => Confidence::Likely,
        _ => Confidence::Declared,
    };
    Hit::new(key, target, confidence)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &[&str]) -> Vec<(String, u16)> {
        let mut names = NameTable::default();
        for name in [
            "db",
            "redis-leader",
            "broker",
            "schema-registry",
            "edge-router",
            "worker",
        ] {
            names.insert(name, name);
        }
        let command: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        scan(&command, &names)
            .into_iter()
            .map(|hit| (hit.target.host, hit.target.port.map_or(0, NonZeroU16::get)))
            .collect()
    }

    fn pair(name: &str, port: u16) -> (String, u16) {
        (name.to_owned(), port)
    }

    #[test]
    fn options_pairs_and_scripts() {
        assert_eq!(
            read(&["redis-server", "--replicaof", "redis-leader", "6379"]).last(),
            Some(&pair("redis-leader", 6379))
        );
        assert_eq!(
            read(&["wait-for-it.sh", "db:5432", "--", "app"]),
            [pair("db", 5432)]
        );
        assert_eq!(
            read(&["-d 60 -r 200 -h edge-router"]),
            [pair("edge-router", 0)]
        );
        assert_eq!(
            read(&["until sqlcmd -S db -U sa -Q 'select 1'; do sleep 1; done"]),
            [pair("db", 0)]
        );
        assert_eq!(
            read(&[
                "bash -c 'cub kafka-ready -b broker:29092 1 40 && cub sr-ready schema-registry 8081 40'"
            ]),
            [pair("broker", 29092), pair("schema-registry", 8081)]
        );
        assert_eq!(
            read(&[
                "java",
                "-Dspring.datasource.url=jdbc:mysql://db:3307/x",
                "-Dredis.host=redis-leader"
            ])
            .len(),
            2
        );
        assert_eq!(
            read(&["celery", "--broker=amqp://u:p@broker//"]),
            [pair("broker", 5672)]
        );
    }

    #[test]
    fn a_range_of_hosts_is_each_of_them() {
        let mut names = NameTable::default();
        names.insert("m1", "m1");
        names.insert("m2", "m2");
        let found = scan(&["http://m{1...2}/data{1...4}".to_owned()], &names);
        let hosts: Vec<&str> = found.iter().map(|hit| hit.target.host.as_str()).collect();
        assert_eq!(hosts, ["m1", "m2"]);
        assert_eq!(expanded("x{3..1}"), ["x{3..1}"]);
        assert_eq!(expanded("{0...255}").len(), 1);
    }

    #[test]
    fn names_that_are_no_addresses() {
        assert!(read(&["celery", "worker", "--name", "db"]).is_empty());
        assert!(read(&["run", "--advertise-addr=db:80", "worker"]).is_empty());
        assert!(read(&["nc", "-z", "localhost", "80"]).is_empty());
    }
}
