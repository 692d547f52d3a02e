//! Clients that resolve by themselves: nginx with a variable in `proxy_pass` asks the `resolver` of its own configuration, never
//! /etc/resolv.conf, and knows no search list. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::address;
use crate::graph::OwnResolver;
use crate::graph::infer::sends_on;

/// The name servers that nginx asks for a host, where it asks by itself. `None`: it resolves when it starts, as any other program does.
pub(in crate::graph) fn own_resolver(text: &str, host: &str) -> Option<OwnResolver> {
    let statements = statements(text);
    let mut variables: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut upstreams = BTreeSet::new();
    let mut servers: Option<Vec<String>> = None;
    for statement in &statements {
        let words: Vec<&str> = statement.split_whitespace().collect();
        match words.as_slice() {
            ["set", name, value] => variables.entry(*name).or_default().push(unquoted(value)),
            ["upstream", name] => {
                upstreams.insert(unquoted(name));
            }
            ["resolver", addresses @ ..] if servers.is_none() => {
                let addresses = addresses.iter().filter(|word| !word.contains('='));
                servers = Some(addresses.map(|word| (*word).to_owned()).collect());
            }
            _ => {}
        }
    }
    let mut by_itself = false;
    for statement in &statements {
        let Some((directive, value)) = statement.split_once(char::is_whitespace) else {
            continue;
        };
        let value = unquoted(value.trim());
        if !sends_on(directive) {
            continue;
        }
        let expanded = expand(value, &variables);
        if !expanded.iter().any(|value| names(value, host)) {
            continue;
        }
        if value.contains('$') && !upstreams.contains(host) {
            by_itself = true;
        } else {
            // Another place of the same file resolves it at the start; then it is known there.
            return None;
        }
    }
    by_itself.then(|| OwnResolver {
        servers: servers.unwrap_or_default(),
    })
}

/// Whether a proxy resolves that host once, when it starts or reloads, and keeps the address: nginx with the name itself in `proxy_pass` or
/// in an upstream, `HAProxy` without `resolvers`.
pub(in crate::graph) fn is_resolved_at_start(text: &str, host: &str) -> bool {
    let lines = text.lines().map(str::to_owned);
    let mut statements = statements(text).into_iter().chain(lines);
    statements.any(|statement| {
        let words: Vec<&str> = statement.split_whitespace().collect();
        let Some((directive, rest)) = words.split_first() else {
            return false;
        };
        let again = |word: &&str| word.starts_with("resolve");
        let by_itself = sends_on(directive) || *directive == "server";
        by_itself
            && !rest.iter().any(again)
            && rest
                .iter()
                .take(2)
                .any(|word| names(unquoted(word.trim_end_matches(';')), host))
    })
}

/// The statements of a configuration without comments; `${name}` is `$name`.
fn statements(text: &str) -> Vec<String> {
    let mut found = vec![String::new()];
    for line in text.lines() {
        let line = line.split(" #").next().unwrap_or(line);
        if line.trim_start().starts_with('#') {
            continue;
        }
        let mut letters = line.chars().peekable();
        let mut in_variable = false;
        while let Some(letter) = letters.next() {
            match letter {
                '$' if letters.peek() == Some(&'{') => {
                    letters.next();
                    in_variable = true;
                    push(&mut found, '$');
                }
                '}' if in_variable => in_variable = false,
                ';' | '{' | '}' => found.push(String::new()),
                other => push(&mut found, other),
            }
        }
        push(&mut found, ' ');
    }
    found.iter().map(|one| one.trim().to_owned()).collect()
}

fn push(found: &mut [String], letter: char) {
    if let Some(last) = found.last_mut() {
        last.push(letter);
    }
}

fn unquoted(word: &str) -> &str {
    word.trim_matches(['"', '\''])
}

/// A value with the variables that `set` gives, in every combination of one variable.
fn expand(value: &str, variables: &BTreeMap<&str, Vec<&str>>) -> Vec<String> {
    let mut found = vec![value.to_owned()];
    for (name, values) in variables.iter().rev() {
        if value.contains(name) {
            found.extend(values.iter().map(|one| value.replace(name, one)));
        }
    }
    found
}

/// Whether a value sends to a host.
fn names(value: &str, host: &str) -> bool {
    let rest = value.split_once("://").map_or(value, |(_, rest)| rest);
    let end = rest.find(['/', ':', '$']).unwrap_or(rest.len());
    address::is_same_host(&rest[..end], host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn servers(text: &str, host: &str) -> Option<Vec<String>> {
        own_resolver(text, host).map(|own| own.servers)
    }

    #[test]
    fn a_variable_in_proxy_pass_makes_nginx_ask_its_own_resolver() {
        let by_variable = "server {\n  resolver 127.0.0.11 valid=30s ipv6=off; # Docker's\n  set $api http://api:8080;\n  location / { proxy_pass $api; }\n}";
        assert_eq!(
            servers(by_variable, "api"),
            Some(vec!["127.0.0.11".to_owned()])
        );
        assert_eq!(servers(by_variable, "web"), None);
        let by_uri = "location / { proxy_pass http://api:8080$request_uri; }";
        assert_eq!(servers(by_uri, "api"), Some(Vec::new()));
        let braces = "set ${up} \"api\"; location / { grpc_pass grpc://${up}:9000; } resolver kube-dns.kube-system.svc.cluster.local;";
        assert_eq!(servers(braces, "api").map(|found| found.len()), Some(1));
    }

    #[test]
    fn a_proxy_keeps_the_address_of_its_start() {
        for text in [
            "location / { proxy_pass http://api:8080/x; }",
            "upstream pool {\n  server api:8080 max_fails=3;\n}\nserver { location / { proxy_pass http://pool; } }",
            "backend b\n  server one api:8080 check\n",
            "location ~ { fastcgi_pass api:9000; }",
        ] {
            assert!(is_resolved_at_start(text, "api"), "{text}");
        }
        for text in [
            "set $api http://api:8080; location / { proxy_pass $api; }",
            "upstream pool { zone z 64k; server api:8080 resolve; }",
            "backend b\n  server one api:8080 check resolvers k8s\n",
            "server { server_name api; location / { proxy_pass http://web:80; } }",
        ] {
            assert!(!is_resolved_at_start(text, "api"), "{text}");
        }
    }

    #[test]
    fn a_name_that_is_resolved_at_the_start_or_is_an_upstream_is_asked_of_the_pods_own_resolver() {
        for text in [
            "resolver 127.0.0.11; location / { proxy_pass http://api:8080; }",
            "resolver 127.0.0.11; upstream api { server api:8080; } set $x api; location / { proxy_pass http://$x; }",
            "resolver 127.0.0.11;",
            "# proxy_pass http://api$x;",
        ] {
            assert_eq!(servers(text, "api"), None, "{text}");
        }
    }
}
