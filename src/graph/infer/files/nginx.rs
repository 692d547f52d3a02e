//! nginx: `proxy_pass`, `grpc_pass`, `fastcgi_pass` …, through `upstream` blocks and `set` variables. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use crate::address::{self, TlsMode};
use crate::protocol::Protocol;

use super::super::found::Hit;
use super::address_hit;

const PASSES: [(&str, Option<Protocol>); 6] = [
    ("proxy_pass", None),
    ("grpc_pass", Some(Protocol::Grpc)),
    ("fastcgi_pass", Some(Protocol::Fastcgi)),
    ("uwsgi_pass", Some(Protocol::Tcp)),
    ("scgi_pass", Some(Protocol::Tcp)),
    ("memcached_pass", Some(Protocol::Memcached)),
];

/// Whether a directive sends a request on.
pub(in crate::graph) fn sends_on(directive: &str) -> bool {
    PASSES.iter().any(|(name, _)| *name == directive)
}

/// Whether a text is nginx configuration.
pub(super) fn is(path: &str, text: &str) -> bool {
    let lower = path.to_ascii_lowercase();
    lower.contains("nginx")
        || lower.contains("/sites-enabled/")
        || ([".conf", ".template", ".tmpl"]
            .iter()
            .any(|end| lower.ends_with(end))
            && PASSES
                .iter()
                .any(|(name, _)| text.contains(&format!("{name} "))))
}

/// The targets of a file. `beside`: the server's other files, whose `upstream` blocks count here too.
pub(super) fn scan<'a>(text: &str, beside: impl Iterator<Item = &'a str>) -> Vec<Hit> {
    let mut known = BTreeMap::new();
    let mut verified_around = false;
    for other in beside {
        let other = statements(other);
        verified_around |= other.iter().any(is_verification);
        known.extend(blocks(&other).1);
    }
    let statements = statements(text);
    let (variables, own) = blocks(&statements);
    known.extend(own.clone());
    let mut used = BTreeSet::new();
    let mut found = Vec::new();
    let scopes = scopes(&statements);
    for (statement, variables) in statements.iter().zip(&scopes) {
        let Part::Simple(words) = statement else {
            continue;
        };
        let [directive, value, ..] = words.as_slice() else {
            continue;
        };
        if let Some((_, protocol)) = PASSES.iter().find(|(name, _)| name == directive) {
            let value = resolved(value, variables);
            let mut hits = pass(directive, &value, *protocol, &known, &mut used);
            if value.starts_with("https://") || value.starts_with("grpcs://") {
                for hit in &mut hits {
                    hit.target.tls = tls(directive, &hit.target.host, &value, variables)
                        .or((!verified_around).then_some(TlsMode::Required));
                }
            }
            found.extend(hits);
        }
    }
    // An upstream that another file refers to.
    for (name, servers) in &own {
        if !used.contains(name) {
            found.extend(servers.iter().filter_map(|server| {
                let server = resolved(server, &variables);
                address_hit("upstream", &server, None, None)
            }));
        }
    }
    found
}

/// The variables as each statement sees them: those of its own block before those around it, those of the rest of the file last.
pub(in crate::graph) fn scopes(statements: &[Part]) -> Vec<Rc<BTreeMap<String, String>>> {
    let everywhere = blocks(statements).0;
    let mut sets: Vec<BTreeMap<String, String>> = vec![BTreeMap::new()];
    let mut above = vec![0];
    let mut block = 0;
    let mut of = Vec::new();
    for statement in statements {
        match statement {
            Part::Open(_) => {
                sets.push(BTreeMap::new());
                above.push(block);
                block = sets.len() - 1;
            }
            Part::Close => block = above[block],
            Part::Simple(words) => {
                match words.as_slice() {
                    [set, name, value] if set == "set" => {
                        let name = name.trim_start_matches('$').to_owned();
                        sets[block].insert(name, value.clone());
                    }
                    // Inherited like a variable of its block, and no variable is called like a directive.
                    [name, value] if is_tls_setting(name) => {
                        sets[block].insert(name.clone(), value.clone());
                    }
                    _ => {}
                }
            }
        }
        of.push(block);
    }
    let mut seen: Vec<Rc<BTreeMap<String, String>>> = Vec::new();
    for (at, own) in sets.iter().enumerate() {
        let around = if at == 0 {
            &everywhere
        } else {
            &*seen[above[at]]
        };
        let mut all = around.clone();
        all.extend(own.clone());
        seen.push(Rc::new(all));
    }
    of.into_iter()
        .map(|block| Rc::clone(&seen[block]))
        .collect()
}

/// The variables that a file sets, and the servers of its upstreams.
pub(in crate::graph) fn blocks(
    statements: &[Part],
) -> (BTreeMap<String, String>, BTreeMap<String, Vec<String>>) {
    let mut variables: BTreeMap<String, String> = BTreeMap::new();
    let mut upstreams: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut block: Vec<String> = Vec::new();
    for statement in statements {
        match statement {
            Part::Open(words) => block.push(words.join(" ")),
            Part::Close => {
                block.pop();
            }
            Part::Simple(words) => match words.as_slice() {
                [set, name, value] if set == "set" => {
                    variables.insert(name.trim_start_matches('$').to_owned(), value.clone());
                }
                [server, address, ..] if server == "server" => {
                    if let Some(name) = block.last().and_then(|head| head.strip_prefix("upstream "))
                    {
                        upstreams
                            .entry(name.to_owned())
                            .or_default()
                            .push(address.clone());
                    }
                }
                _ => {}
            },
        }
    }
    (variables, upstreams)
}

/// Whether a directive says what a `…_pass` verifies, or by which name.
fn is_tls_setting(directive: &str) -> bool {
    directive.ends_with("_ssl_verify") || directive.ends_with("_ssl_name")
}

fn is_verification(statement: &Part) -> bool {
    matches!(statement, Part::Simple(words) if words.first().is_some_and(|word| word.ends_with("_ssl_verify")))
}

/// What nginx verifies of a server that it passes requests to: nothing, unless it is switched on, and then by the name in the directive.
fn tls(
    directive: &str,
    host: &str,
    value: &str,
    settings: &BTreeMap<String, String>,
) -> Option<TlsMode> {
    let of = directive.trim_end_matches("_pass");
    let is_on = settings.get(&format!("{of}_ssl_verify"))? == "on";
    let (_, authority) = value.split_once("://")?;
    let name = settings.get(&format!("{of}_ssl_name")).map_or_else(
        || {
            authority
                .split(['/', '?', ':', '$'])
                .next()
                .unwrap_or_default()
        },
        String::as_str,
    );
    Some(if !is_on {
        TlsMode::Required
    } else if name.eq_ignore_ascii_case(host) {
        TlsMode::Verify
    } else {
        TlsMode::VerifyCa
    })
}

/// The targets of one `…_pass`.
fn pass(
    directive: &str,
    value: &str,
    protocol: Option<Protocol>,
    upstreams: &BTreeMap<String, Vec<String>>,
    used: &mut BTreeSet<String>,
) -> Vec<Hit> {
    let (scheme, rest) = match value.split_once("://") {
        Some((scheme, rest)) => (Some(scheme), rest),
        None => (None, value),
    };
    let authority = rest.split(['/', '?']).next().unwrap_or(rest);
    let by_scheme = match scheme {
        Some("https") => Some(Protocol::Https),
        Some("grpc" | "grpcs") => Some(Protocol::Grpc),
        Some(_) => protocol.or(Some(Protocol::Http)),
        None => protocol,
    };
    // `http://name` and `name` may be an upstream; its members have no port of their own only for HTTP.
    let default = match by_scheme {
        Some(Protocol::Http | Protocol::Https | Protocol::Grpc) => by_scheme
            .and_then(Protocol::default_port)
            .or(address::port("80")),
        _ => None,
    };
    if let Some(servers) = upstreams.get(authority) {
        used.insert(authority.to_owned());
        return servers
            .iter()
            .filter_map(|server| address_hit(directive, server, by_scheme, default))
            .collect();
    }
    // `http://$backend$request_uri`: what is left of a variable is the path.
    let authority = authority.split('$').next().unwrap_or(authority);
    address_hit(directive, authority, by_scheme, default)
        .into_iter()
        .collect()
}

/// `set` variables replaced, also those that name each other.
pub(in crate::graph) fn resolved(value: &str, variables: &BTreeMap<String, String>) -> String {
    let mut value = value.to_owned();
    for _ in 0..4 {
        let mut changed = false;
        for (name, other) in variables.iter().rev() {
            for form in [format!("${{{name}}}"), format!("${name}")] {
                if value.contains(&form) && !other.contains(&form) {
                    value = value.replace(&form, other);
                    changed = true;
                }
            }
        }
        if !changed || value.len() > 4096 {
            break;
        }
    }
    value
}

/// One statement.
pub(in crate::graph) enum Part {
    Open(Vec<String>),
    Simple(Vec<String>),
    Close,
}

/// Cuts the text at `;`, `{` and `}`; `${name}` is no block.
pub(in crate::graph) fn statements(text: &str) -> Vec<Part> {
    let mut found = Vec::new();
    let mut current = String::new();
    let mut quote: Option<char> = None;
    let mut variable = false;
    let mut comment = false;
    let mut before = ' ';
    for c in text.chars() {
        if comment {
            comment = c != '\n';
        } else if let Some(mark) = quote {
            current.push(c);
            if c == mark {
                quote = None;
            }
        } else {
            match c {
                '#' if before.is_whitespace() || matches!(before, ';' | '{' | '}') => {
                    comment = true;
                }
                '"' | '\'' => {
                    quote = Some(c);
                    current.push(c);
                }
                '{' if before == '$' => {
                    variable = true;
                    current.push(c);
                }
                '}' if variable => {
                    variable = false;
                    current.push(c);
                }
                '{' => found.push(Part::Open(words(&std::mem::take(&mut current)))),
                '}' => {
                    current.clear();
                    found.push(Part::Close);
                }
                ';' => found.push(Part::Simple(words(&std::mem::take(&mut current)))),
                _ => current.push(c),
            }
        }
        before = c;
    }
    found
}

/// The words of a statement, without their quotes.
pub(in crate::graph) fn words(text: &str) -> Vec<String> {
    text.split_whitespace()
        .map(|word| word.trim_matches(['"', '\'']).to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(String, u16, Option<Protocol>)> {
        scan(text, std::iter::empty())
            .into_iter()
            .map(|hit| {
                (
                    hit.target.host,
                    hit.target.port.map_or(0, std::num::NonZeroU16::get),
                    hit.target.protocol,
                )
            })
            .collect()
    }

    #[test]
    fn passes_upstreams_and_variables() {
        let http = Some(Protocol::Http);
        assert_eq!(
            read("location / { proxy_pass http://api:8000/x; }"),
            [("api".into(), 8000, http)]
        );
        assert_eq!(
            read("proxy_pass http://front/;"),
            [("front".into(), 80, http)]
        );
        assert_eq!(
            read(
                "upstream lb { server web1:5000 weight=2; # one\n server web2:5000; } server { listen 80; proxy_pass http://lb; }"
            ),
            [("web1".into(), 5000, http), ("web2".into(), 5000, http)]
        );
        assert_eq!(
            read(
                "upstream php { server app:9000 resolve; } location ~ \\.php { fastcgi_pass php; }"
            ),
            [("app".into(), 9000, Some(Protocol::Fastcgi))]
        );
        assert_eq!(
            read("set $up http://api:81; proxy_pass $up$request_uri;"),
            [("api".into(), 81, http)]
        );
        assert_eq!(
            read("grpc_pass grpc://svc:50051;"),
            [("svc".into(), 50051, Some(Protocol::Grpc))]
        );
    }

    #[test]
    fn a_certificate_is_verified_only_where_it_is_switched_on() {
        let tls = |text: &str, beside: &[&str]| {
            let found = scan(text, beside.iter().copied());
            found.into_iter().map(|hit| hit.target.tls).next().flatten()
        };
        let plain = "location / { proxy_pass https://search/; }";
        assert_eq!(tls(plain, &[]), Some(TlsMode::Required));
        assert_eq!(
            tls("location / { grpc_pass grpcs://cart:9090; }", &[]),
            Some(TlsMode::Required)
        );
        assert_eq!(tls("proxy_pass http://search/;", &[]), None);
        let on = "server { proxy_ssl_verify on; location / { proxy_pass https://search/; } }";
        assert_eq!(tls(on, &[]), Some(TlsMode::Verify));
        let off = "server { proxy_ssl_verify on; location / { proxy_pass https://search/; proxy_ssl_verify off; } }";
        assert_eq!(tls(off, &[]), Some(TlsMode::Required));
        let renamed =
            "proxy_ssl_verify on; proxy_ssl_name find.example; proxy_pass https://search/;";
        assert_eq!(tls(renamed, &[]), Some(TlsMode::VerifyCa));
        let upstream =
            "upstream pool { server search:443; } proxy_ssl_verify on; proxy_pass https://pool;";
        assert_eq!(tls(upstream, &[]), Some(TlsMode::VerifyCa));
        assert_eq!(tls(plain, &["http { proxy_ssl_verify on; }"]), None);
        let grpc = "grpc_ssl_verify off; proxy_ssl_verify on; grpc_pass grpcs://cart:9090;";
        assert_eq!(tls(grpc, &[]), Some(TlsMode::Required));
    }

    #[test]
    fn what_is_commented_out_or_unknown_is_nothing() {
        assert!(read("# proxy_pass http://api:8000;\n server_name db;").is_empty());
        assert!(read("proxy_pass $unknown;").is_empty());
        assert!(read("proxy_pass http://unix:/run/x.sock;").is_empty());
        assert!(read("{{{ } ; proxy_pass").is_empty());
    }
}
