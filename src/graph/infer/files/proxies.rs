//! Caddy and `HAProxy`. Pure.

use crate::protocol::Protocol;

use super::super::found::Hit;
use super::address_hit;

/// `reverse_proxy /api/* api:8000 api2:8000 {`, `to a:1 b:1`, `php_fastcgi app:9000`, `forward_auth auth:9091 {`.
pub(super) fn caddy(text: &str) -> Vec<Hit> {
    let mut found = Vec::new();
    for line in text.lines() {
        let line = line.split(" #").next().unwrap_or(line).trim();
        if line.starts_with('#') {
            continue;
        }
        let mut words = line.split_whitespace();
        let Some(directive) = words.next() else {
            continue;
        };
        let protocol = match directive {
            "reverse_proxy" | "to" | "forward_auth" => None,
            "php_fastcgi" => Some(Protocol::Fastcgi),
            // The first Caddy's `proxy / api:8000`.
            "proxy" if line.contains(':') => None,
            _ => continue,
        };
        for word in words {
            if word == "{" {
                break;
            }
            if word.starts_with(['/', '@', '*']) {
                continue;
            }
            let (scheme, rest) = word.split_once("://").unwrap_or(("", word));
            let protocol = match scheme {
                "https" => Some(Protocol::Https),
                "h2c" => Some(Protocol::Grpc),
                _ => protocol.or(Some(Protocol::Http)),
            };
            let default = match protocol {
                Some(Protocol::Grpc) => Protocol::Http.default_port(),
                other => other.and_then(Protocol::default_port),
            };
            let authority = rest.split('/').next().unwrap_or(rest);
            found.extend(address_hit(directive, authority, protocol, default));
        }
    }
    found
}

/// `server name host:port check`, `server-template name 3 host:port`.
pub(super) fn haproxy(text: &str) -> Vec<Hit> {
    let mut found = Vec::new();
    let mut defaults = None;
    let mut section = String::new();
    let mut mode = None;
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or(line);
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            [
                name @ ("defaults" | "backend" | "frontend" | "listen" | "global" | "resolvers"
                | "peers"),
                ..,
            ] => {
                (*name).clone_into(&mut section);
                mode = defaults;
            }
            ["mode", value] => {
                mode = (*value == "http").then_some(Protocol::Http);
                if section == "defaults" {
                    defaults = mode;
                }
            }
            ["server", _, address, ..] | ["server-template", _, _, address, ..]
                if section != "peers" && address.contains(':') =>
            {
                found.extend(address_hit("server", address, mode, None));
            }
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(hits: Vec<Hit>) -> Vec<(String, u16)> {
        hits.into_iter()
            .map(|hit| {
                (
                    hit.target.host,
                    hit.target.port.map_or(0, std::num::NonZeroU16::get),
                )
            })
            .collect()
    }

    #[test]
    fn caddy_directives() {
        let text = "site {\n reverse_proxy /api/* api:8000 {\n to backup:81\n }\n php_fastcgi app:9000 # x\n reverse_proxy web\n# reverse_proxy no:1\n}";
        assert_eq!(
            pairs(caddy(text)),
            [
                ("api".into(), 8000),
                ("backup".into(), 81),
                ("app".into(), 9000),
                ("web".into(), 80)
            ]
        );
        assert!(pairs(caddy("reverse_proxy {http.vars.x}")).is_empty());
    }

    #[test]
    fn haproxy_servers() {
        let text = "defaults\n mode http\nbackend a\n server s1 web1:80 check\nbackend b\n mode tcp\n server s db:3306\n server-template t 3 x:1\npeers p\n peer q w:2";
        let found = haproxy(text);
        assert_eq!(found[0].target.protocol, Some(Protocol::Http));
        assert_eq!(found[1].target.protocol, None);
        assert_eq!(
            pairs(found),
            [("web1".into(), 80), ("db".into(), 3306), ("x".into(), 1)]
        );
    }
}
