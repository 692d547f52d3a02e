//! Clients that resolve by themselves: nginx with a variable in `proxy_pass` asks the `resolver` of its own configuration, never
//! /etc/resolv.conf, and knows no search list. Pure.

use crate::address;
use crate::graph::OwnResolver;
use crate::graph::infer::nginx::{self, Part};

/// The name servers that nginx asks for a host, where it asks by itself. `None`: it resolves when it starts, as any other program does.
pub(in crate::graph) fn own_resolver(text: &str, host: &str) -> Option<OwnResolver> {
    let statements = nginx::statements(text);
    let (_, upstreams) = nginx::blocks(&statements);
    let mut servers: Option<Vec<String>> = None;
    let mut by_itself = false;
    for (statement, variables) in statements.iter().zip(nginx::scopes(&statements)) {
        let Part::Simple(words) = statement else {
            continue;
        };
        match words.as_slice() {
            [directive, addresses @ ..] if directive == "resolver" && servers.is_none() => {
                let addresses = addresses.iter().filter(|word| !word.contains('='));
                servers = Some(addresses.cloned().collect());
            }
            [directive, value, ..]
                if nginx::sends_on(directive)
                    && names(&nginx::resolved(value, &variables), host) =>
            {
                if !value.contains('$') || upstreams.contains_key(host) {
                    // Another place of the same file resolves it at the start; then it is known there.
                    return None;
                }
                by_itself = true;
            }
            _ => {}
        }
    }
    by_itself.then(|| OwnResolver {
        servers: servers.unwrap_or_default(),
    })
}

/// Whether a proxy resolves that host once, when it starts or reloads, and keeps the address: nginx with the name itself in `proxy_pass` or
/// in an upstream, `HAProxy` without `resolvers`.
pub(in crate::graph) fn is_resolved_at_start(text: &str, host: &str) -> bool {
    let statements = nginx::statements(text).into_iter();
    let statements = statements.filter_map(|statement| match statement {
        Part::Simple(words) => Some(words),
        _ => None,
    });
    let mut all = statements.chain(text.lines().map(nginx::words));
    all.any(|words| {
        let Some((directive, rest)) = words.split_first() else {
            return false;
        };
        let by_itself = nginx::sends_on(directive) || directive == "server";
        by_itself
            && !rest.iter().any(|word| word.starts_with("resolve"))
            && rest
                .iter()
                .take(2)
                .any(|word| names(word.trim_end_matches(';'), host))
    })
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
