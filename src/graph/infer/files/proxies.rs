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

/// `server name host:port check port 8008`, `server-template name 3 host:port`.
pub(super) fn haproxy(text: &str) -> Vec<Hit> {
    let mut found = Vec::new();
    let mut section = String::new();
    // What the servers speak, and what asks for their health.
    let (mut defaults, mut now) = ((None, None), (None, None));
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
                now = defaults;
            }
            ["mode", value] => now.0 = (*value == "http").then_some(Protocol::Http),
            ["option", "httpchk", ..] => now.1 = Some(Protocol::Http),
            ["server", _, address, options @ ..]
            | ["server-template", _, _, address, options @ ..]
                if section != "peers" && address.contains(':') =>
            {
                found.extend(address_hit("server", address, now.0, None));
                let health = options.windows(2).find(|pair| pair[0] == "port");
                let health = health.filter(|_| options.contains(&"check"));
                if let (Some([_, port]), Some((host, _))) = (health, address.rsplit_once(':')) {
                    let asked = format!("{host}:{port}");
                    found.extend(address_hit("check port", &asked, now.1, None));
                }
            }
            _ => {}
        }
        if section == "defaults" {
            defaults = now;
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

    #[test]
    fn haproxy_asks_for_health_where_the_line_says() {
        for (option, protocol) in [
            ("option httpchk GET /primary", Some(Protocol::Http)),
            ("option tcp-check", None),
        ] {
            let text = format!(
                "backend a\n mode tcp\n {option}\n server s db:5432 check port 8008 inter 2s\n server t db2:5432 port 8008\n"
            );
            let found = haproxy(&text);
            assert_eq!(found[1].target.protocol, protocol, "{option}");
            let wanted = [("db", 5432), ("db", 8008), ("db2", 5432)];
            let wanted = wanted.map(|(host, port)| (host.to_owned(), port));
            assert_eq!(pairs(found), wanted, "{option}");
        }
    }
}
