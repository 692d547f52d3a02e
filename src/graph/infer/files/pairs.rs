//! Keys and values of any form (YAML, JSON, TOML, ini, properties, HJSON, XML, Envoy, Prometheus, collectors), and literals in
//! program sources. Pure.
//!
//! Read by line and indentation, so that templates which are no valid YAML are read too. Nothing counts but what names a tier.

use std::sync::LazyLock;

use regex::Regex;

use crate::address::{self, Role, Shape, Target};
use crate::catalog::words;
use crate::protocol::Protocol;

use super::super::super::Confidence;
use super::super::found::Hit;
use super::super::names::NameTable;

// The patterns are constants and compile: the tests of this file use them.
static PAIR: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r#"(?x)
        ["']?(?P<key>[A-Za-z_@][\w.\-/@]*)["']?
        (?: \s*=>\s* | \s*=\s* | \s*:\s+ | ["']\s*:\s* | :["'] | \s*:\s*$ )
        (?P<value> "[^"]*" | '[^']*' | \[[^\]{}]*\] | [^\s,{}()\[\]]+ )?
        "#,
    )
    .ok()
});
static TAG: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"<(?P<key>[A-Za-z_][\w.\-]*)(?:\s[^<>]*)?>(?P<value>[^<>]+)</").ok()
});
static DEFINE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r#"define\(\s*["'](?P<key>\w+)["']\s*,\s*(?P<value>"[^"]*"|'[^']*'|\d+)"#).ok()
});
static QUOTED: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r#""([^"\n]{2,400})"|'([^'\n]{2,400})'|`([^`\n]{2,400})`"#).ok());

/// One pair of a line.
struct Pair<'a> {
    key: &'a str,
    value: &'a str,
}

struct Line<'a> {
    indent: usize,
    text: &'a str,
    pairs: Vec<Pair<'a>>,
}

impl Line<'_> {
    /// Whether its last key is one above others: what follows it is a block, and no value.
    fn opens(&self) -> bool {
        let value = self.pairs.last().map(|pair| pair.value);
        let block = self
            .text
            .trim_end()
            .ends_with(['{', '[', '(', ':', '>', '|']);
        value.is_some_and(|value| block || value.is_empty() || value.starts_with(['&', '!']))
    }
}

/// Addresses of tiers in keys and values.
pub(super) fn configuration(text: &str, names: &NameTable) -> Vec<Hit> {
    let lines: Vec<Line<'_>> = text.lines().filter_map(line).collect();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let key = line
            .pairs
            .first()
            .map_or_else(|| parent(&lines, at), |pair| pair.key);
        if denied(&lines, at, key) {
            continue;
        }
        let mut literal = literals(key, line, names);
        // `url: https://api` over `port: 55000`.
        if let ([hit], [pair]) = (literal.as_mut_slice(), line.pairs.as_slice())
            && hit.target.shape == Shape::Url
            && !has_port(pair.value, &hit.target.host)
        {
            hit.target.port = port_beside(&lines, at, 0, &[]).or(hit.target.port);
        }
        if literal.is_empty() {
            literal = bare(&lines, at, names);
        }
        if literal.is_empty() {
            literal = directive(line, names);
        }
        if !literal.is_empty() {
            let above = above(&lines, at);
            // Prometheus scrapes by HTTP, unless a job says otherwise.
            let scraped = above.starts_with("scrape_configs.") && !text.contains("scheme: https");
            for hit in &mut literal {
                hit.key = format!("{above}{}", hit.key);
                if scraped {
                    hit.target.protocol = hit.target.protocol.or(Some(Protocol::Http));
                }
            }
        }
        found.extend(literal);
    }
    found
}

/// The keys that have a value, each with those above it.
pub(super) fn keys(text: &str) -> Vec<String> {
    let lines: Vec<Line<'_>> = text.lines().filter_map(line).collect();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate().filter(|(_, line)| !line.opens()) {
        let above = above(&lines, at);
        found.extend(line.pairs.iter().map(|pair| format!("{above}{}", pair.key)));
    }
    found
}

/// The keys above a line from the top of the file, each with a dot behind it.
fn above(lines: &[Line<'_>], at: usize) -> String {
    let mut keys = vec![""];
    let mut indent = lines[at].indent;
    for line in lines[..at].iter().rev() {
        if line.indent < indent
            && line.opens()
            && let Some(pair) = line.pairs.last()
        {
            keys.push(pair.key);
            indent = line.indent;
        }
    }
    keys.reverse();
    keys.join(".")
}

/// Literals of a program that name a tier: URLs, `host:port`, and `host='redis', port=6379`.
pub(super) fn source(text: &str, names: &NameTable) -> Vec<Hit> {
    let Some(quoted) = QUOTED.as_ref() else {
        return Vec::new();
    };
    let mut found = Vec::new();
    let lines: Vec<Line<'_>> = text.lines().filter_map(line).collect();
    for (at, line) in lines.iter().enumerate() {
        let before = found.len();
        for literal in quoted.captures_iter(line.text) {
            // `cors({origin: 'http://web:3000'})` says who may ask, not what is dialled.
            let start = literal.get(0).map_or(0, |whole| whole.start());
            if word_before(line.text, start).is_some_and(|word| address::role(word) == Role::Never)
            {
                continue;
            }
            let Some(literal) = literal.iter().skip(1).flatten().next() else {
                continue;
            };
            let (end, literal) = (literal.end() + 1, literal.as_str());
            let beside = names.resolve(literal).and(number_after(line.text, end));
            let targets = match beside {
                Some(port) => address::targets("", &format!("{literal}:{port}")),
                None => address::targets("", literal),
            };
            found.extend(
                targets
                    .into_iter()
                    .filter(|target| {
                        target.shape != Shape::Host && names.resolve(&target.host).is_some()
                    })
                    .map(|target| Hit::new("", target, Confidence::Likely)),
            );
        }
        if found.len() == before {
            let mut pairs = bare(&lines, at, names);
            pairs.retain(|hit| {
                line.text.contains(&format!("'{}'", hit.target.host))
                    || line.text.contains(&format!("\"{}\"", hit.target.host))
            });
            for hit in &mut pairs {
                hit.confidence = Confidence::Likely;
            }
            found.extend(pairs);
        }
    }
    found
}

/// The port that stands right behind a place in a line: `("redis", 6379)`.
fn number_after(line: &str, at: usize) -> Option<std::num::NonZeroU16> {
    let rest = line.get(at..)?.strip_prefix(',')?.trim_start();
    address::port(rest.split(|c: char| !c.is_ascii_digit()).next()?)
}

/// The word that stands right before a place in a line: the key of a value, or the function to which it is given.
fn word_before(line: &str, at: usize) -> Option<&str> {
    let part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words = line.get(..at)?.rsplit(|c: char| !part(c));
    words.into_iter().find(|word| !word.is_empty())
}

/// A line without its comment, with its indentation and pairs; `None` if nothing is left.
fn line(text: &str) -> Option<Line<'_>> {
    let trimmed = text.trim_start();
    let comment = ["#", "//", ";", "--", "<!--", "*", "/*", "REM "]
        .iter()
        .any(|start| trimmed.starts_with(start) && !trimmed.starts_with("* ="));
    // `- ` opens a list item of YAML, `--` does not.
    if trimmed.is_empty() || comment {
        return None;
    }
    let kept = [" #", "\t#", " // "]
        .iter()
        .filter_map(|mark| text.find(mark))
        .min()
        .unwrap_or(text.len());
    let text = text.get(..kept)?;
    let body = text.trim_start();
    let item = body.strip_prefix("- ").unwrap_or(body);
    let indent = text.len() - item.len();
    let mut pairs = Vec::new();
    for pattern in [PAIR.as_ref(), TAG.as_ref(), DEFINE.as_ref()]
        .into_iter()
        .flatten()
    {
        pairs.extend(pattern.captures_iter(item).filter_map(|captures| {
            let key = captures.name("key")?.as_str();
            let value = captures.name("value").map_or("", |found| found.as_str());
            Some(Pair { key, value })
        }));
    }
    // `Host  name`: a directive and its value; `<VirtualHost *:80>` opens a section.
    if let ([], [key, value]) = (
        pairs.as_slice(),
        item.split_whitespace().collect::<Vec<_>>().as_slice(),
    ) && key.starts_with(char::is_alphabetic)
    {
        pairs.push(Pair { key, value });
    }
    Some(Line {
        indent,
        text: item,
        pairs,
    })
}

/// The key above a line: the nearest with a smaller indentation.
fn parent<'a>(lines: &[Line<'a>], at: usize) -> &'a str {
    let indent = lines[at].indent;
    lines[..at]
        .iter()
        .rev()
        .take(200)
        .find(|line| line.indent < indent && line.opens())
        .and_then(|line| line.pairs.last())
        .map_or("", |pair| pair.key)
}

/// Whether a key, or one of those right above it, says that its value is nothing to dial.
fn denied(lines: &[Line<'_>], at: usize, key: &str) -> bool {
    let never = |key: &str| {
        let last = key.rsplit(['.', '/']).next().unwrap_or(key);
        address::role(last) == Role::Never
            || last.eq_ignore_ascii_case("server_name")
            || last.eq_ignore_ascii_case("labels")
    };
    never(key) || never(parent(lines, at))
}

/// URLs and `host:port` of tiers in a line.
fn literals(first: &str, line: &Line<'_>, names: &NameTable) -> Vec<Hit> {
    // `"Default": "Host=db;Port=5432;Username=u"`.
    let mut found: Vec<Hit> = line
        .pairs
        .iter()
        .map(|pair| (pair.key, pair.value))
        // `shop = host=db port=5432 dbname=shop`.
        .chain(
            line.text
                .split_once('=')
                .map(|(key, rest)| (key.trim(), rest.trim())),
        )
        .map(|(key, value)| (key, value.trim_matches(['"', '\''])))
        .filter(|(_, value)| value.contains('=') && value.contains([';', ' ']))
        .flat_map(|(key, value)| {
            let targets = address::targets("", value).into_iter();
            targets.map(move |target| Hit::new(key, target, Confidence::Declared))
        })
        .filter(|hit| hit.target.shape == Shape::Url && names.resolve(&hit.target.host).is_some())
        .collect();
    if !found.is_empty() {
        return found;
    }
    for token in line.text.split(|c: char| {
        c.is_whitespace()
            || matches!(
                c,
                '"' | '\'' | '`' | '[' | ']' | '<' | '>' | '(' | ')' | '{' | '}'
            )
    }) {
        let token = token.trim_end_matches([',', ';', '.']);
        if token.len() < 3 || !token.contains(':') {
            continue;
        }
        let own = line.pairs.iter().find(|pair| pair.value.contains(token));
        let key = own.map_or(first, |pair| pair.key);
        // A key before it, as in `url:http://x` and `hosts=a:1`.
        let value = match token.split_once('=') {
            Some((_, value)) if !token.contains("://") || value.contains("://") => Some(value),
            _ => None,
        };
        let tiers = |value: &str| -> Vec<Target> {
            let targets = address::targets("", value).into_iter();
            targets
                .filter(|one| one.shape != Shape::Host && names.resolve(&one.host).is_some())
                .collect()
        };
        // Else the whole: `cache:6379,ssl=false`.
        let read = value.map(tiers).filter(|read| !read.is_empty());
        let read = read.unwrap_or_else(|| tiers(token));
        found.extend(
            read.into_iter()
                .map(|target| Hit::new(key, target, Confidence::Declared)),
        );
    }
    found
}

/// `host: redis` with `port: 6379` in the same block; one line of a list below `hosts:`.
fn bare(lines: &[Line<'_>], at: usize, names: &NameTable) -> Vec<Hit> {
    let mut found = Vec::new();
    let item = Pair {
        key: parent(lines, at),
        value: lines[at].text.trim(),
    };
    let pairs = match lines[at].pairs.as_slice() {
        [] => std::slice::from_ref(&item),
        pairs => pairs,
    };
    for (index, pair) in pairs.iter().enumerate() {
        let words = host_words(pair.key);
        if words.is_empty() {
            continue;
        }
        // Prometheus asks the DNS for the members of a tier.
        let members = words == ["names"]
            && (parent(lines, at) == "dns_sd_configs"
                || lines[at].text.contains("dns_sd_configs:"));
        if !members && !is_host_key(pair.key) || address::role(pair.key) == Role::Never {
            continue;
        }
        let value = pair.value.trim_matches(['[', ']', ' ']);
        for value in value.split(',') {
            let value = value.trim().trim_matches(['"', '\'', ';', ')']);
            // A host in a file has the form of one, and is exactly a tier.
            if !address::is_host(value) || names.resolve(value).is_none() {
                continue;
            }
            let stem = &words[..words.len() - 1];
            for mut target in address::targets("host", value) {
                target.port =
                    port_beside(lines, at, index, stem).or(address::port_of_key(pair.key));
                target.protocol = stem
                    .last()
                    .or(block_name(lines, at).last())
                    .and_then(|word| address::product(word));
                found.push(Hit::new(pair.key, target, Confidence::Declared));
            }
        }
    }
    found
}

/// The words of a key's last part.
fn host_words(key: &str) -> Vec<String> {
    address::words(key.rsplit('/').next().unwrap_or(key))
}

/// Whether a key in a file takes a host: more than these would catch ordinary words.
pub(in crate::graph::infer) fn is_host_key(key: &str) -> bool {
    host_words(key).last().is_some_and(|tail| {
        words().host_keys.contains(&tail.as_str())
            || tail.ends_with("host") && address::role(key) == Role::Host
    })
}

/// A directive with a host before its port: `replicaof cache 6379`, `sentinel monitor main cache 6379 2`.
fn directive(line: &Line<'_>, names: &NameTable) -> Vec<Hit> {
    let words: Vec<&str> = line.text.split_whitespace().collect();
    let [key, rest @ ..] = words.as_slice() else {
        return Vec::new();
    };
    if !line.pairs.is_empty() || words.len() > 8 || address::role(key) == Role::Never {
        return Vec::new();
    }
    let found = rest.windows(2).filter_map(|pair| {
        let port = address::port(pair[1])?;
        let known = address::is_host(pair[0]) && names.resolve(pair[0]).is_some();
        known.then(|| address::targets("", &format!("{}:{port}", pair[0])))
    });
    found
        .flatten()
        .map(|target| Hit::new(key, target, Confidence::Declared))
        .collect()
}

/// Whether a URL has a port of its own behind its host.
fn has_port(url: &str, host: &str) -> bool {
    url.split_once(&format!("{host}:"))
        .is_some_and(|(_, rest)| rest.starts_with(|c: char| c.is_ascii_digit() || c == '$'))
}

/// The words of the key above: `redis:` over `host: kvs`.
fn block_name(lines: &[Line<'_>], at: usize) -> Vec<String> {
    address::words(parent(lines, at))
}

/// The port of the same block: `port`, `port_value`, or with the stem of the host (`redis.port`).
fn port_beside(
    lines: &[Line<'_>],
    at: usize,
    index: usize,
    stem: &[String],
) -> Option<std::num::NonZeroU16> {
    let indent = lines[at].indent;
    let fits = |pair: &Pair<'_>| -> Option<std::num::NonZeroU16> {
        let mut words = address::words(pair.key.rsplit('/').next().unwrap_or(pair.key));
        if words
            .last()
            .is_some_and(|word| word == "value" || word == "number")
        {
            words.pop();
        }
        let tail = words.pop()?;
        let same = words == stem || stem.is_empty() && words.is_empty();
        (tail == "port" && same)
            .then(|| address::port(pair.value.trim_matches(['"', '\'', ';', ')'])))
            .flatten()
    };
    let same_line = lines[at]
        .pairs
        .iter()
        .enumerate()
        .filter(|(other, _)| *other != index)
        .find_map(|(_, pair)| fits(pair));
    let block = |line: &&Line<'_>| line.indent >= indent;
    let after = lines[at + 1..]
        .iter()
        .take_while(block)
        .filter(|line| line.indent == indent);
    let before = lines[..at]
        .iter()
        .rev()
        .take_while(block)
        .filter(|line| line.indent == indent);
    same_line.or_else(|| {
        after
            .take(12)
            .chain(before.take(12))
            .flat_map(|line| &line.pairs)
            .find_map(fits)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prometheus_scrapes_by_http() {
        let protocol = |text: &str| {
            let found = configuration(text, &names());
            assert_eq!(found.len(), 1, "{text}");
            found[0].target.protocol
        };
        let job = "scrape_configs:\n- job_name: x\n  static_configs:\n  - targets: ['es:9100']\n";
        assert_eq!(protocol(job), Some(Protocol::Http));
        assert_eq!(protocol(&format!("{job}  scheme: https\n")), None);
        assert_eq!(protocol("other:\n- targets: ['es:9100']\n"), None);
    }

    #[test]
    fn a_line_of_a_section_keeps_its_address() {
        let proxy = "<VirtualHost *:80>\n  ServerName shop.example\n  ProxyPass /api http://backend:8080/api\n  ProxyPassReverse /api http://backend:8080/api\n</VirtualHost>\n";
        let found = read(proxy);
        assert!(found.contains(&("backend".to_owned(), 8080)), "{found:?}");
    }

    fn names() -> NameTable {
        let mut names = NameTable::default();
        for name in [
            "es",
            "redis",
            "postgres",
            "ad",
            "backend",
            "prometheus",
            "kafka",
            "web",
            "zookeeper",
        ] {
            names.insert(name, name);
        }
        names
    }

    fn read(text: &str) -> Vec<(String, u16)> {
        configuration(text, &names())
            .into_iter()
            .map(|hit| {
                (
                    hit.target.host,
                    hit.target.port.map_or(0, std::num::NonZeroU16::get),
                )
            })
            .collect()
    }

    fn pair(name: &str, port: u16) -> (String, u16) {
        (name.to_owned(), port)
    }

    #[test]
    fn urls_and_lists_of_many_formats() {
        assert_eq!(
            read("output {\n elasticsearch {\n  hosts => [\"http://es:9200\"]\n }\n}"),
            [pair("es", 9200)]
        );
        assert_eq!(
            read("static_configs:\n  - targets: [\"ad:9465\", 'localhost:9090']"),
            [pair("ad", 9465)]
        );
        assert_eq!(
            read("targets:\n  - ad:9465\n  - web:80"),
            [pair("ad", 9465), pair("web", 80)]
        );
        for found_by_dns in [
            "dns_sd_configs: [{ names: [\"ad\"], type: A, port: 9465 }]",
            "dns_sd_configs:\n  - names: ['ad']\n    type: A\n    port: 9465",
        ] {
            assert_eq!(read(found_by_dns), [pair("ad", 9465)], "{found_by_dns}");
        }
        assert_eq!(
            read("datasources:\n- name: p\n  url: http://prometheus:9090"),
            [pair("prometheus", 9090)]
        );
        assert_eq!(
            read("spring.datasource.url=jdbc:postgresql://postgres:5433/x"),
            [pair("postgres", 5433)]
        );
        assert_eq!(
            read("  url = \"http://backend:8080/api\""),
            [pair("backend", 8080)]
        );
        assert_eq!(read("{\"kafka\":\"kafka:9092\"}"), [pair("kafka", 9092)]);
        // What stands above is a block, not the last key of a line that is whole.
        assert_eq!(
            read(
                "input {\n  x { urls => [\"http://es:1\"] topics => [\"a\"] }\n  y {\n    url => \"http://web:80\"\n  }\n}"
            ),
            [pair("es", 1), pair("web", 80)]
        );
        assert!(read("topics:\n  - url: http://web:80\n").is_empty());
        assert_eq!(
            read("[databases]\nshop = host=postgres port=5433 dbname=shop\n"),
            [pair("postgres", 5433)]
        );
        assert_eq!(
            read("Redis: redis:6380,abortConnect=false"),
            [pair("redis", 6380)]
        );
    }

    #[test]
    fn hosts_with_their_ports() {
        assert_eq!(
            read("redis:\n  host: redis\n  port: 6380\n"),
            [pair("redis", 6380)]
        );
        assert_eq!(
            read("{ \"host\": \"postgres\", \"port\": 5433 }"),
            [pair("postgres", 5433)]
        );
        assert_eq!(
            read("socket_address:\n  address: backend\n  port_value: 8080"),
            [pair("backend", 8080)]
        );
        assert_eq!(
            read("spring.redis.host=redis\nspring.redis.port=6381"),
            [pair("redis", 6381)]
        );
        assert_eq!(
            read("<node>\n <host>zookeeper</host>\n <port>2181</port>\n</node>"),
            [pair("zookeeper", 2181)]
        );
        assert_eq!(read("database:\n  host: postgres\n"), [pair("postgres", 0)]);
        assert_eq!(
            read("[OUTPUT]\n    Name  es\n    Host  es\n    Port  9201\n"),
            [pair("es", 9201)]
        );
        assert_eq!(
            read("a:\n  hostName: postgres\n  port: 5433\n"),
            [pair("postgres", 5433)]
        );
        for directive in ["replicaof redis 6380", "sentinel monitor main redis 6380 2"] {
            assert_eq!(read(directive), [pair("redis", 6380)], "{directive}");
        }
        assert!(read("listen web 80\nredis 6380").is_empty());
        for list in [
            "seed_hosts:\n  - redis\n",
            "\"hosts\": [\n  \"redis\",\n  \"x\"\n]",
        ] {
            assert_eq!(read(list), [pair("redis", 0)], "{list}");
        }
        assert!(read("names:\n  - redis\ntags: [\n  web\n]").is_empty());
        assert_eq!(
            read("- api:\n    url: https://backend\n    port: 55000\n"),
            [pair("backend", 55000)]
        );
        assert_eq!(
            read("a:\n  url: http://backend:81\n  port: 9\n"),
            [pair("backend", 81)]
        );
    }

    #[test]
    fn words_that_are_data_or_comments() {
        assert!(
            read("# url: http://backend:80\nname: redis\nimage: redis:7\ndatabase: postgres")
                .is_empty()
        );
        assert!(read("listen: web:80\nallowed_origins:\n  - http://web:80").is_empty());
        assert!(read("job_name: ad\nservice: web").is_empty());
    }

    #[test]
    fn literals_of_programs() {
        let found = source(
            "r = redis.Redis(host='redis', port=6380)\nu = \"http://backend:8080/x\"\n# v = 'http://web:80'\nname = 'redis'\ndefine('DB_HOST', 'postgres');\ndefine('DB_NAME', 'web');\nhosts = [('web', 81)]\nget('http://x:1/y', 82)",
            &names(),
        );
        let found: Vec<(String, u16)> = found
            .into_iter()
            .map(|hit| {
                (
                    hit.target.host,
                    hit.target.port.map_or(0, std::num::NonZeroU16::get),
                )
            })
            .collect();
        let wanted = [
            pair("redis", 6380),
            pair("backend", 8080),
            pair("postgres", 0),
            pair("web", 81),
        ];
        assert_eq!(found, wanted);
    }
}
