//! Two trees of the same application → one, by compose's rules for several files; also what `extends` does. Pure.

use super::error::ComposeError;
use super::node::{Map, Merge, Node, Place, Value};

/// What becomes of the tags `!reset` and `!override`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tags {
    /// They have done their work.
    Drop,
    /// They still have to work on earlier files.
    Keep,
}

/// How the value at one path merges.
enum Rule {
    /// Mappings by key, lists one after the other, scalars replaced.
    Deep,
    /// The later value replaces the earlier one.
    Replace,
    /// A list `KEY=value` or a mapping: by key.
    KeyValues,
    /// A list of names or a mapping: by name.
    Names,
    /// The same, with the condition that the short form means.
    DependsOn,
    /// One text or a list of texts: one after the other.
    Texts,
    /// A list `host=address` or a mapping: every address once.
    Hosts,
    /// A context as text, or a mapping.
    Build,
}

fn rule(path: &[&str]) -> Rule {
    match path {
        ["services", _, key] => match *key {
            "command" | "entrypoint" => Rule::Replace,
            "environment" | "labels" | "annotations" | "sysctls" => Rule::KeyValues,
            "networks" | "models" => Rule::Names,
            "depends_on" => Rule::DependsOn,
            "dns" | "dns_search" | "dns_opt" | "tmpfs" | "env_file" | "label_file" => Rule::Texts,
            "extra_hosts" => Rule::Hosts,
            "build" => Rule::Build,
            _ => Rule::Deep,
        },
        ["services", _, "healthcheck", "test"] | ["services", _, "ulimits", _] => Rule::Replace,
        [
            "services",
            _,
            "build",
            "args" | "labels" | "additional_contexts",
        ]
        | ["services", _, "deploy", "labels"]
        | ["networks" | "volumes", _, "labels"] => Rule::KeyValues,
        ["services", _, "build", "extra_hosts"] => Rule::Hosts,
        _ => Rule::Deep,
    }
}

/// Merges a whole file onto what earlier files said.
///
/// # Errors
/// A list where earlier files have a mapping, and the like.
pub(super) fn merge_files(base: Node, over: Node) -> Result<Node, ComposeError> {
    merge(base, over, &[], Tags::Drop)
}

/// Merges a service onto the one that it extends.
///
/// # Errors
/// As [`merge_files`].
pub(super) fn merge_service(base: Node, over: Node) -> Result<Node, ComposeError> {
    merge(base, over, &["services", "*"], Tags::Keep)
}

/// Takes out what `!reset` marks in a tree that has nothing below it.
pub(super) fn settle_tags(node: &mut Node) {
    node.merge = Merge::Normal;
    match &mut node.value {
        Value::Map(map) => {
            map.retain(|_, entry| entry.merge != Merge::Reset);
            map.values_mut().for_each(settle_tags);
        }
        Value::List(items) => {
            items.retain(|item| item.merge != Merge::Reset);
            items.iter_mut().for_each(settle_tags);
        }
        _ => {}
    }
}

fn merge(base: Node, mut over: Node, path: &[&str], tags: Tags) -> Result<Node, ComposeError> {
    if over.merge == Merge::Override {
        if tags == Tags::Drop {
            settle_tags(&mut over);
        }
        return Ok(over);
    }
    if over.is_null() {
        return Ok(base);
    }
    // What was reset on the way here stays reset for the files before.
    let reset = base.merge == Merge::Reset;
    if base.is_null() || reset {
        if tags == Tags::Drop {
            settle_tags(&mut over);
        } else if reset {
            over.merge = Merge::Override;
        }
        return Ok(over);
    }
    match rule(path) {
        Rule::Deep => deep(base, over, path, tags),
        Rule::Replace => {
            over.merge = Merge::Normal;
            Ok(over)
        }
        Rule::KeyValues => deep(key_values(base)?, key_values(over)?, path, tags),
        Rule::Names => deep(names(base, None), names(over, None), path, tags),
        Rule::DependsOn => {
            let condition = Some("service_started");
            deep(names(base, condition), names(over, condition), path, tags)
        }
        Rule::Texts => deep(texts(base), texts(over), path, tags),
        Rule::Hosts => deep(hosts(base), hosts(over), path, tags),
        Rule::Build => deep(build(base), build(over), path, tags),
    }
}

fn deep(mut base: Node, over: Node, path: &[&str], tags: Tags) -> Result<Node, ComposeError> {
    match (base.value, over.value) {
        (Value::Map(lower), Value::Map(upper)) => {
            base.value = Value::Map(deep_maps(lower, upper, path, tags)?);
            Ok(base)
        }
        (Value::List(mut lower), Value::List(upper)) => {
            lower.extend(upper.into_iter().filter_map(|mut item| {
                if tags == Tags::Drop {
                    if item.merge == Merge::Reset {
                        return None;
                    }
                    settle_tags(&mut item);
                }
                Some(item)
            }));
            base.value = Value::List(lower);
            Ok(base)
        }
        (lower @ (Value::Map(_) | Value::List(_)), upper) => {
            let first = Node::new(lower, base.at);
            let second = Node::new(upper, over.at);
            Err(second.at.error(
                format!("{} in `{}`", second.kind(), path.join(".")),
                format!(
                    "{} as in {} (or the tag !override)",
                    first.kind(),
                    first.at.location()
                ),
            ))
        }
        (_, value) => Ok(Node {
            value,
            at: over.at,
            key: over.key,
            merge: Merge::Normal,
        }),
    }
}

fn deep_maps(mut lower: Map, upper: Map, path: &[&str], tags: Tags) -> Result<Map, ComposeError> {
    for (key, mut node) in upper {
        if node.merge == Merge::Reset {
            lower.remove(&key);
            if tags == Tags::Keep {
                lower.insert(key, node);
            }
            continue;
        }
        let Some(existing) = lower.remove(&key) else {
            if tags == Tags::Drop {
                settle_tags(&mut node);
            }
            lower.insert(key, node);
            continue;
        };
        let below: Vec<&str> = path.iter().copied().chain([key.as_str()]).collect();
        let merged = merge(existing, node, &below, tags)?;
        lower.insert(key, merged);
    }
    Ok(lower)
}

/// `[K=v, K]` → `{K: v, K: null}`.
///
/// # Errors
/// Items that are no text.
pub(super) fn key_values(node: Node) -> Result<Node, ComposeError> {
    let Value::List(items) = node.value else {
        return Ok(node);
    };
    let mut map = Map::new();
    for item in items {
        let Value::Text(text) = &item.value else {
            return Err(item
                .at
                .error(item.kind().to_owned(), "a string `KEY=value` or `KEY`"));
        };
        let (key, value) = match text.split_once('=') {
            Some((key, value)) => (key.to_owned(), Value::Text(value.to_owned())),
            None => (text.clone(), Value::Null),
        };
        map.insert(
            key,
            Node {
                value,
                key: Some(item.at.clone()),
                ..item
            },
        );
    }
    Ok(Node {
        value: Value::Map(map),
        ..node
    })
}

/// `[a, b]` → `{a: null, b: null}`, or with `{condition: …}` as value.
pub(super) fn names(node: Node, condition: Option<&str>) -> Node {
    let Value::List(items) = node.value else {
        return node;
    };
    let mut map = Map::new();
    for item in items {
        let Some(name) = item.text() else {
            continue;
        };
        let value = condition.map_or(Value::Null, |condition| {
            let condition = Node::new(Value::Text(condition.to_owned()), item.at.clone());
            Value::Map(Map::from([("condition".to_owned(), condition)]))
        });
        map.insert(
            name,
            Node {
                value,
                key: Some(item.at.clone()),
                ..item
            },
        );
    }
    Node {
        value: Value::Map(map),
        ..node
    }
}

fn texts(node: Node) -> Node {
    if matches!(node.value, Value::List(_)) {
        return node;
    }
    let at = node.at.clone();
    Node {
        value: Value::List(vec![Node { key: None, ..node }]),
        ..Node::new(Value::Null, at)
    }
}

/// `{host: address}` and `{host: [address, …]}` → `[host=address, …]`.
pub(super) fn hosts(node: Node) -> Node {
    let Value::Map(map) = node.value else {
        return node;
    };
    let line = |host: &str, address: &Node, at: &Place| {
        let address = address.text().unwrap_or_default();
        Node::new(Value::Text(format!("{host}={address}")), at.clone())
    };
    let items = map
        .iter()
        .flat_map(|(host, addresses)| match &addresses.value {
            Value::List(items) => items
                .iter()
                .map(|address| line(host, address, &address.at))
                .collect(),
            _ => vec![line(host, addresses, &addresses.at)],
        })
        .collect();
    Node {
        value: Value::List(items),
        ..node
    }
}

fn build(node: Node) -> Node {
    if !matches!(node.value, Value::Text(_)) {
        return node;
    }
    let at = node.at.clone();
    let key = node.key.clone();
    Node {
        value: Value::Map(Map::from([(
            "context".to_owned(),
            Node { key: None, ..node },
        )])),
        key,
        ..Node::new(Value::Null, at)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tree::parse;
    use super::*;

    fn merged(base: &str, over: &str) -> Result<Node, String> {
        let one = |text| parse("f", text).unwrap().remove(0);
        merge_files(one(base), one(over)).map_err(|error| error.to_string())
    }

    fn same(base: &str, over: &str, expected: &str) {
        let expected = parse("f", expected).unwrap().remove(0);
        assert_eq!(merged(base, over).unwrap(), expected, "{base} + {over}");
    }

    #[test]
    fn every_rule() {
        let a = |inner: &str| format!("services: {{a: {inner}}}");
        for (base, over, expected) in [
            (
                "{image: x, tty: true}",
                "{image: y}",
                "{image: y, tty: true}",
            ),
            (
                "{image: x, environment: {A: 1}}",
                "{image: , environment: }",
                "{image: x, environment: {A: 1}}",
            ),
            (
                "{environment: {A: 1, B: 2}}",
                "{environment: [A=3, C]}",
                "{environment: {A: '3', B: 2, C: }}",
            ),
            ("{command: [a, b]}", "{command: c}", "{command: c}"),
            (
                "{ports: ['80']}",
                "{ports: ['81']}",
                "{ports: ['80', '81']}",
            ),
            (
                "{dns: 1.1.1.1}",
                "{dns: [2.2.2.2]}",
                "{dns: [1.1.1.1, 2.2.2.2]}",
            ),
            (
                "{networks: [n]}",
                "{networks: {n: {aliases: [q]}}}",
                "{networks: {n: {aliases: [q]}}}",
            ),
            (
                "{depends_on: {b: {condition: service_healthy, restart: true}}}",
                "{depends_on: [b]}",
                "{depends_on: {b: {condition: service_started, restart: true}}}",
            ),
            (
                "{healthcheck: {test: [CMD, a], retries: 1}}",
                "{healthcheck: {test: b}}",
                "{healthcheck: {test: b, retries: 1}}",
            ),
            (
                "{extra_hosts: ['a=1']}",
                "{extra_hosts: {b: [2, 3]}}",
                "{extra_hosts: ['a=1', 'b=2', 'b=3']}",
            ),
            (
                "{build: .}",
                "{build: {target: t}}",
                "{build: {context: ., target: t}}",
            ),
            (
                "{ports: ['80'], image: x}",
                "{ports: !reset []}",
                "{image: x}",
            ),
            (
                "{ports: ['80']}",
                "{ports: !override ['81']}",
                "{ports: ['81']}",
            ),
        ] {
            same(&a(base), &a(over), &a(expected));
        }
        same(
            "services: {a: {image: x}, b: {image: y}}",
            "services: {a: !reset null}",
            "services: {b: {image: y}}",
        );
    }

    #[test]
    fn kinds_that_do_not_fit_are_errors() {
        let error = merged(
            "services: {a: {ports: ['80']}}",
            "services: {a: {ports: {x: y}}}",
        )
        .unwrap_err();
        assert!(
            error.contains("a mapping in `services.a.ports`, expected a list"),
            "{error}"
        );
    }
}
