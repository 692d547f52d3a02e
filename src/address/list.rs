//! Lists: commas, semicolons, blanks, JSON arrays; `host:port`, `1@broker:29093`, `server.1=zoo1:2888:3888;2181`, `172.20.0.2#53`. Pure.

use std::num::NonZeroU16;

use crate::protocol::Protocol;

use super::parsed::Parsed;
use super::{Shape, host};

/// The URLs of a text, each with what belongs to it; commas between hosts of one URL stay in it.
pub(super) fn urls(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for word in text.split(|c: char| {
        c.is_whitespace() || matches!(c, '"' | '\'' | '`' | '[' | ']' | '<' | '>' | '|')
    }) {
        // ActiveMQ's `failover:(nio://a:61616,tcp://b:61616)?timeout=3000`.
        let word = match word.split_once(":(") {
            Some((lead, inner)) if !lead.contains([':', '/', '@']) && inner.contains("://") => {
                inner.split(')').next().unwrap_or(inner)
            }
            _ => word,
        };
        // IPv6 literals keep their brackets only if the text is one URL; lists of those do not occur in practice.
        for part in split_list(word) {
            if part.contains("://") {
                found.push(part);
            }
        }
    }
    if found.len() <= 1 && text.contains("://[") && !text.contains(char::is_whitespace) {
        return vec![text.to_owned()];
    }
    found
}

/// Splits at commas and semicolons before a new scheme or name: `a://x,b://y`, `e1=http://x,e2=http://y`.
fn split_list(word: &str) -> Vec<String> {
    let mut parts: Vec<String> = Vec::new();
    for piece in word.split_inclusive([',', ';']) {
        let starts = piece.contains("://");
        match parts.last_mut() {
            Some(last) if !starts => last.push_str(piece),
            _ => parts.push(piece.to_owned()),
        }
    }
    for part in &mut parts {
        let kept = part.trim_end_matches([',', ';', ')', '}', '.']).len();
        part.truncate(kept);
    }
    parts
}

/// Hosts and ports of a text without scheme. Bare words are hosts only if all of the list are: the caller knows by the key
/// whether that means anything.
pub(super) fn parse(text: &str) -> Vec<Parsed> {
    let text = text.trim().trim_matches(['[', ']', '"', '\'']);
    if text.contains("server.") && text.contains('=') {
        let found: Vec<Parsed> = text.split_whitespace().flat_map(zookeeper_member).collect();
        if !found.is_empty() {
            return found;
        }
    }
    let tokens: Vec<&str> = text
        .split(|c: char| c.is_whitespace() || matches!(c, ',' | ';' | '|'))
        .map(|token| token.trim_matches(['"', '\'', '[', ']']))
        .filter(|token| !token.is_empty())
        .collect();
    let mut found = Vec::new();
    let mut all_hosts = tokens.len() <= 32;
    for token in &tokens {
        let read = one(token);
        all_hosts &= !read.is_empty();
        found.extend(read);
    }
    if !all_hosts {
        found.retain(|parsed| parsed.shape != Shape::Host);
    }
    // `redis:6379,password=x,ssl=true`, the form of a .NET client.
    if let Some(first) = found.first_mut() {
        for token in &tokens {
            if let Some((key, value)) = token.split_once('=') {
                match key.to_ascii_lowercase().as_str() {
                    "password" => first.password = Some(value.to_owned()),
                    "user" => first.user = Some(value.to_owned()),
                    "ssl" => first.tls = super::url::tls("ssl", value),
                    _ => {}
                }
            }
        }
    }
    found
}

/// `server.1=zoo1:2888:3888:participant;2181` → both peer ports.
fn zookeeper_member(token: &str) -> Vec<Parsed> {
    let Some((key, value)) = token.split_once('=') else {
        return Vec::new();
    };
    if !key.starts_with("server.") {
        return Vec::new();
    }
    let address = value.split(';').next().unwrap_or(value);
    let mut parts = address.split(':');
    let Some(name) = parts.next().filter(|name| host::is_host(name)) else {
        return Vec::new();
    };
    parts
        .map_while(host::port)
        .map(|port| with_port(name, port, Some(Protocol::Tcp)))
        .collect()
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn with_port(name: &str, port: NonZeroU16, protocol: Option<Protocol>) -> Parsed {
    Parsed {
        port: Some(port),
        protocol,
        by_scheme: protocol.is_some(),
        shape: Shape::HostPort,
        ..Parsed::host(name)
    }
}

/// One token of a list.
fn one(token: &str) -> Vec<Parsed> {
    // `1@broker:29093`, `user:pw@host:port`: the host follows the last @.
    let (login, token) = match token.rsplit_once('@') {
        Some((login, token)) => (Some(login), token),
        None => (None, token),
    };
    // `etcd0=host:2380`; `abortConnect=False` names no host.
    let (named, token) = match token.split_once('=') {
        Some((_, after)) => (true, after),
        None => (false, token),
    };
    // A chroot or path after it.
    let token = token.split('/').next().unwrap_or(token);
    if let Some((name, number)) = token.split_once('#') {
        return match (host::is_host(name), host::port(number)) {
            (true, Some(port)) => vec![with_port(name, port, Some(Protocol::Udp))],
            _ => Vec::new(),
        };
    }
    let mut parts: Vec<&str> = token.split(':').collect();
    // `0:node0:5432:1:/data:FLAG`, `1:node1::::`, `n1:node1:7001:8001`: a number or a name before the address of a member, and what
    // else belongs to it.
    let mut token = token;
    if let [label, name, port, rest @ ..] = parts.as_slice()
        && (is_number(label) || !rest.is_empty() && host::is_host(label))
        && host::is_host(name)
        && (port.is_empty() || host::port(port).is_some())
    {
        let end = label.len() + 1 + name.len() + 1 + port.len();
        token = token[label.len() + 1..end].trim_end_matches(':');
        parts = token.split(':').collect();
    }
    let three = match parts.as_slice() {
        [name, first, second] if host::is_host(name) => {
            match (host::port(first), host::port(second)) {
                // `orders:12:1` counts: a server's two ports are not both among the lowest.
                (Some(first), Some(second)) if first.get() < 1024 && second.get() < 1024 => {
                    return Vec::new();
                }
                // `zoo1:2888:3888`.
                (Some(first), Some(second)) => {
                    vec![with_port(name, first, None), with_port(name, second, None)]
                }
                // `label:host:port`.
                (None, Some(second)) if host::is_host(first) => {
                    vec![with_port(first, second, None)]
                }
                // `host:port:number`, `host:port:word`.
                (Some(first), None) => vec![with_port(name, first, None)],
                _ => Vec::new(),
            }
        }
        _ => Vec::new(),
    };
    if !three.is_empty() {
        return three;
    }
    match host::host_and_port(token) {
        Some((name, Some(port))) => {
            let mut found = with_port(&name, port, None);
            // `1@broker`: an id is no user.
            if let Some((user, password)) = login.and_then(|login| login.split_once(':')) {
                found.user = Some(user.to_owned());
                found.password = Some(password.to_owned());
            }
            vec![found]
        }
        Some((name, None)) if login.is_none() && !named => vec![Parsed::host(&name)],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(String, u16)> {
        parse(text)
            .into_iter()
            .map(|found| (found.host, found.port.map_or(0, NonZeroU16::get)))
            .collect()
    }

    fn pair(name: &str, port: u16) -> (String, u16) {
        (name.to_owned(), port)
    }

    #[test]
    fn members_that_are_numbered_have_their_address_behind_the_number() {
        let pool = "0:shard-a:5433:1:/var/lib/x:ALLOW,1:shard-b::::,7:shard-c:6000";
        let expected = [
            pair("shard-a", 5433),
            pair("shard-b", 0),
            pair("shard-c", 6000),
        ];
        assert_eq!(read(pool), expected);
        assert_eq!(
            read("m1:shard-a:7001:8001,m2:shard-b:7002:8002:x"),
            [pair("shard-a", 7001), pair("shard-b", 7002)]
        );
        for other in ["10:30:15", "1:2:3", "orders:12:1", "0:shard-a:word"] {
            assert!(
                read(other).iter().all(|(host, _)| host != "shard-a"),
                "{other}"
            );
        }
    }

    #[test]
    fn lists_of_every_kind() {
        assert_eq!(
            read("k1:9092,k2:9093"),
            [pair("k1", 9092), pair("k2", 9093)]
        );
        assert_eq!(
            read("zk1:2181,zk2:2182/kafka"),
            [pair("zk1", 2181), pair("zk2", 2182)]
        );
        assert_eq!(read("1@broker:29093"), [pair("broker", 29093)]);
        assert_eq!(
            read("server.1=zoo1:2888:3888;2181 server.2=zoo2:2888:3888;2181"),
            [
                pair("zoo1", 2888),
                pair("zoo1", 3888),
                pair("zoo2", 2888),
                pair("zoo2", 3888)
            ]
        );
        assert_eq!(read("zoo1:22888:23888;zoo2:22888:23888").len(), 4);
        assert_eq!(
            read("172.20.0.2#5054;1.1.1.1"),
            [pair("172.20.0.2", 5054), pair("1.1.1.1", 0)]
        );
        assert_eq!(read("es02,es03"), [pair("es02", 0), pair("es03", 0)]);
        assert_eq!(read("local:redis:6379"), [pair("redis", 6379)]);
        assert_eq!(
            read("redis:6379,password=x,ssl=False"),
            [pair("redis", 6379)]
        );
        assert_eq!(parse("redis:6379,password=x")[0].password, Some("x".into()));
    }

    #[test]
    fn words_that_are_no_addresses() {
        assert!(read("kafka.controller=INFO,state.change.logger=INFO").is_empty());
        assert!(read("INTERNAL:PLAINTEXT,EXTERNAL:PLAINTEXT").is_empty());
        assert!(read("a b/c ${X}").is_empty());
        assert!(read("orders:12:1").is_empty());
    }

    #[test]
    fn urls_are_cut_out_of_lists() {
        assert_eq!(
            urls("PLAINTEXT://a:1,PLAINTEXT://b:2"),
            ["PLAINTEXT://a:1", "PLAINTEXT://b:2"]
        );
        assert_eq!(urls("mongodb://a,b:2/x"), ["mongodb://a,b:2/x"]);
        assert_eq!(
            urls("[\"http://a:1\",\"http://b:2\"]"),
            ["http://a:1", "http://b:2"]
        );
        assert_eq!(
            urls("e1=http://a:1,e2=http://b:2"),
            ["e1=http://a:1", "e2=http://b:2"]
        );
    }
}
