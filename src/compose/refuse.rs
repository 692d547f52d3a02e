//! What Docker Compose refuses in a file that reads as one, and files of another kind. Pure.

use super::error::ComposeError;
use super::node::{Map, Node, Value};
use super::schema;

/// A mapping that is no compose file: one of the first version, a Kubernetes manifest, or something else altogether.
pub(super) fn other_file(map: &Map) -> Result<(), ComposeError> {
    let known =
        |key: &str| schema::TOP.split(' ').any(|known| known == key) || key.starts_with("x-");
    if ["services", "include"]
        .iter()
        .any(|key| map.contains_key(*key))
    {
        return Ok(());
    }
    if let (Some(version), Some(kind)) = (map.get("apiVersion"), map.get("kind")) {
        let kind = kind.text().unwrap_or_default();
        return Err(version.place().error(
            format!("a Kubernetes manifest ({kind})"),
            "a compose file with `services`; manifests are read by `k8sverify check --manifests FILE`",
        ));
    }
    let service = map.iter().find(|(key, node)| {
        !known(key) && (node.get("image").is_some() || node.get("build").is_some())
    });
    if let Some((name, node)) = service {
        return Err(node.place().error(
            format!("the service `{name}` at the top level, as in compose files of version 1"),
            format!("`services:` with `{name}` below it"),
        ));
    }
    match map.iter().next() {
        Some((key, node)) if !map.keys().any(|key| known(key)) => Err(node.place().error(
            format!("no key of a compose file, but `{key}`"),
            "a mapping with `services`",
        )),
        _ => Ok(()),
    }
}

/// Names that end in a blank and volumes with an empty part, in the services of an interpolated file.
pub(super) fn refuse_invalid_names(root: &Node) -> Result<(), ComposeError> {
    let Some(Value::Map(services)) = root.get("services").map(|node| &node.value) else {
        return Ok(());
    };
    for service in services.values() {
        texts(service.get("environment")).try_for_each(name)?;
        let arguments = service.get("build").and_then(|build| build.get("args"));
        texts(arguments).try_for_each(name)?;
        texts(service.get("volumes")).try_for_each(volume)?;
    }
    Ok(())
}

/// The texts of a list, each with its place.
fn texts(node: Option<&Node>) -> impl Iterator<Item = (&Node, &str)> {
    let items = match node.map(|node| &node.value) {
        Some(Value::List(items)) => items.as_slice(),
        _ => &[],
    };
    items.iter().filter_map(|item| match &item.value {
        Value::Text(text) => Some((item, text.as_str())),
        _ => None,
    })
}

fn name((item, text): (&Node, &str)) -> Result<(), ComposeError> {
    let name = text.split_once('=').map_or(text, |(name, _)| name);
    if name.ends_with(char::is_whitespace) {
        return Err(item.at.error(
            format!("a blank at the end of the variable's name `{name}`"),
            "`NAME=value` without a blank before `=`",
        ));
    }
    Ok(())
}

fn volume((item, text): (&Node, &str)) -> Result<(), ComposeError> {
    let problem = if text.is_empty() {
        "an empty volume".to_owned()
    } else if text.split(':').any(str::is_empty) {
        format!("an empty part in the volume `{text}`")
    } else {
        return Ok(());
    };
    Err(item.at.error(
        problem,
        "SOURCE:TARGET or SOURCE:TARGET:MODE; a variable without a value leaves a part empty",
    ))
}

#[cfg(test)]
mod tests {
    use super::super::tree::parse;
    use super::*;

    fn tree(text: &str) -> Node {
        parse("f", text).unwrap().remove(0)
    }

    #[test]
    fn what_is_no_compose_file_is_named() {
        let error = |text: &str| {
            let Value::Map(map) = tree(text).value else {
                unreachable!()
            };
            other_file(&map).err().map(|error| error.to_string())
        };
        for (text, said) in [
            (
                "web: {image: x}\n",
                "f:1:1: the service `web` at the top level",
            ),
            (
                "db: {build: .}\nversion: '2'\n",
                "the service `db` at the top level",
            ),
            (
                "apiVersion: v1\nkind: Service\n",
                "f:1:1: a Kubernetes manifest (Service)",
            ),
            ("edges: {}\n", "no key of a compose file, but `edges`"),
        ] {
            let message = error(text).unwrap_or_default();
            assert!(message.contains(said), "{text}: {message}");
        }
        for text in [
            "services: {}",
            "version: '2'",
            "x-a: {image: x}",
            "name: a",
            "volumes: {image: }",
        ] {
            assert_eq!(error(text), None, "{text}");
        }
    }

    #[test]
    fn names_and_volumes_that_compose_refuses_are_refused() {
        let error = |keys: &str| {
            let tree = tree(&format!("services:\n  a: {{image: x, {keys}}}\n"));
            refuse_invalid_names(&tree)
                .err()
                .map(|error| error.to_string())
        };
        for (keys, said) in [
            (
                "environment: ['A =1']",
                "f:2:31: a blank at the end of the variable's name `A `",
            ),
            ("environment: ['A ']", "`A `"),
            ("build: {args: ['q = 1']}", "`q `"),
            ("volumes: [':/x']", "an empty part in the volume `:/x`"),
            ("volumes: ['/a:']", "`/a:`"),
            ("volumes: ['/a::ro']", "`/a::ro`"),
            ("volumes: ['']", "an empty volume"),
        ] {
            let message = error(keys).unwrap_or_default();
            assert!(message.contains(said), "{keys}: {message}");
        }
        for keys in [
            "environment: {'A ': 1}",
            "environment: [' A=1', 'A B=1', '=1']",
            "labels: ['a = 1']",
            "volumes: ['/a:/b:ro', /x, 'C:\\x:/y', {type: volume, source: '', target: /x}]",
        ] {
            assert_eq!(error(keys), None, "{keys}");
        }
    }
}
