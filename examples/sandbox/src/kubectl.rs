//! What the commands that findings print do to a cluster, as far as they change one. Works on the store.

use serde_json::{Value, json};

use crate::kinds::{self, Resource};
use crate::store::{Store, list, text};
use crate::{controller, merge, workload};

/// A command in its parts.
#[derive(Debug, Default, PartialEq, Eq)]
struct Command {
    namespace: Option<String>,
    words: Vec<String>,
    flags: Vec<(String, String)>,
}

/// Carries out one command line, or several that are joined by `&&`; whether anything was changed: a command that only looks changes
/// nothing.
pub(crate) fn run(store: &Store, namespace: &str, line: &str) -> Result<bool, String> {
    let words = shlex::split(line).ok_or_else(|| format!("`{line}` is no command of a shell"))?;
    let mut changed = false;
    for words in words.split(|word| word == "&&") {
        let command = parse(words)?;
        changed |=
            carry_out(store, namespace, &command).map_err(|why| format!("`{line}`: {why}"))?;
    }
    Ok(changed)
}

fn parse(words: &[String]) -> Result<Command, String> {
    let mut words = words.iter();
    if words.next().map(String::as_str) != Some("kubectl") {
        return Err("only kubectl is known".to_owned());
    }
    let mut command = Command::default();
    while let Some(word) = words.next() {
        if let Some((name, value)) = word
            .strip_prefix("--")
            .and_then(|flag| flag.split_once('='))
        {
            command.flags.push((name.to_owned(), value.to_owned()));
        } else if word.starts_with('-') {
            let value = words.next().ok_or_else(|| format!("{word} has no value"))?;
            if word == "-n" {
                command.namespace = Some(value.clone());
            } else {
                command
                    .flags
                    .push((word.trim_start_matches('-').to_owned(), value.clone()));
            }
        } else {
            command.words.push(word.clone());
        }
    }
    Ok(command)
}

impl Command {
    fn flag(&self, name: &str) -> Result<&str, String> {
        self.flags
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
            .ok_or_else(|| format!("{name} is missing"))
    }
}

fn carry_out(store: &Store, namespace: &str, command: &Command) -> Result<bool, String> {
    let namespace = command.namespace.as_deref().unwrap_or(namespace);
    let words: Vec<&str> = command.words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["get" | "describe" | "logs", ..] => return Ok(false),
        ["patch", name] => {
            let (kind, mut object) = find(store, namespace, name)?;
            let patch: Value =
                serde_json::from_str(command.flag("p")?).map_err(|error| error.to_string())?;
            match command.flag("type")? {
                "json" => json_patch(&mut object, patch)?,
                "merge" => merge::patch(&mut object, patch),
                other => return Err(format!("patches of type {other} are not known")),
            }
            put(store, kind, object);
        }
        ["scale", name] => {
            let (kind, mut object) = find(store, namespace, name)?;
            let replicas: u64 = command
                .flag("replicas")?
                .parse()
                .map_err(|_| "no number".to_owned())?;
            object["spec"]["replicas"] = json!(replicas);
            put(store, kind, object);
        }
        ["set", "env", name, variables @ ..] => {
            let (kind, mut object) = find(store, namespace, name)?;
            for container in containers(&mut object)? {
                for variable in variables {
                    let (name, value) = variable
                        .split_once('=')
                        .ok_or_else(|| format!("`{variable}` is no NAME=VALUE"))?;
                    merge::edit(
                        &mut container["env"],
                        json!([{"name": name, "value": value}]),
                    );
                }
            }
            put(store, kind, object);
        }
        ["expose", name] => {
            let (_, object) = find(store, namespace, name)?;
            let number = |name: &str| {
                command
                    .flag(name)?
                    .parse::<u16>()
                    .map_err(|_| format!("{name} is no port"))
            };
            controller::create_service(
                store,
                json!({"metadata": {"name": command.flag("name")?, "namespace": namespace},
                    "spec": {"selector": object["spec"]["selector"]["matchLabels"],
                        "ports": [{"port": number("port")?, "targetPort": number("target-port")?}]}}),
            );
        }
        ["rollout", "undo", name] => {
            let (kind, object) = find(store, namespace, name)?;
            workload::undo(store, kind, object)?;
        }
        _ => return Err(format!("`kubectl {}` is not known", words.join(" "))),
    }
    Ok(true)
}

fn find(store: &Store, namespace: &str, name: &str) -> Result<(&'static Resource, Value), String> {
    let (kind, own) = name
        .split_once('/')
        .ok_or_else(|| format!("`{name}` is no KIND/NAME"))?;
    let kind = kinds::of_word(kind).ok_or_else(|| format!("the server has no resource {kind}"))?;
    let object = store
        .get(kind, namespace, own)
        .ok_or_else(|| format!("there is no {name} in namespace {namespace}"))?;
    Ok((kind, object))
}

fn containers(object: &mut Value) -> Result<&mut Vec<Value>, String> {
    object
        .pointer_mut("/spec/template/spec/containers")
        .and_then(Value::as_array_mut)
        .ok_or_else(|| "it has no Pod template".to_owned())
}

fn json_patch(object: &mut Value, patch: Value) -> Result<(), String> {
    let patch: json_patch::Patch =
        serde_json::from_value(patch).map_err(|error| error.to_string())?;
    json_patch::patch(object, &patch).map_err(|error| error.to_string())
}

fn put(store: &Store, kind: &'static Resource, object: Value) {
    let is_workload =
        !list(&object, "/spec/template/spec/containers").is_empty() && kind.group == "apps";
    let object = store.put(kind, object);
    if is_workload {
        workload::renew(store, kind, object);
    } else if kind.plural == "services" {
        controller::service_removed(
            store,
            text(&object, "/metadata/namespace"),
            text(&object, "/metadata/name"),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    fn store() -> Store {
        let store = Store::new(Clock::from(jiff::Timestamp::UNIX_EPOCH));
        store.put(kinds::of("nodes"), json!({"metadata": {"name": "node-1"}}));
        let db = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "db", "namespace": "shop"},
            "spec": {"replicas": 0, "template": {"metadata": {"labels": {"app": "db"}}, "spec": {"containers": [{"name": "db"}]}}}});
        workload::run(&store, kinds::of("deployments"), db).unwrap();
        controller::create_service(
            &store,
            json!({"metadata": {"name": "db", "namespace": "shop"}, "spec": {"selector": {"app": "bd"}, "ports": [{"port": 3306}]}}),
        );
        store
    }

    #[test]
    fn commands_change_what_they_name() {
        let store = store();
        for line in [
            "kubectl -n shop scale deployment/db --replicas=2",
            "kubectl -n shop set env deployment/db A=1 B=2 && kubectl -n shop get pods -l app=db",
            r#"kubectl -n shop patch service/db --type=json -p '[{"op":"replace","path":"/spec/selector","value":{"app":"db"}}]'"#,
            r#"kubectl -n shop patch deployment/db --type=merge -p '{"spec":{"template":{"spec":{"dnsPolicy":"Default"}}}}'"#,
            "kubectl expose deployment/db --name=sql --port=1 --target-port=3306",
        ] {
            assert_eq!(run(&store, "shop", line), Ok(true), "{line}");
        }
        assert_eq!(run(&store, "shop", "kubectl logs deployment/db"), Ok(false));
        controller::look_again(&store, &std::collections::BTreeSet::new());
        let pods = store.list(kinds::of("pods"), Some("shop")).0;
        assert_eq!(pods.len(), 2);
        assert_eq!(pods[0]["spec"]["dnsPolicy"], "Default");
        assert_eq!(pods[0]["spec"]["containers"][0]["env"][1]["value"], "2");
        let slices = store.list(kinds::of("endpointslices"), Some("shop")).0;
        assert_eq!(slices.len(), 2);
        assert!(
            slices
                .iter()
                .all(|slice| list(slice, "/endpoints").len() == 2)
        );
    }

    #[test]
    fn a_command_that_cannot_be_carried_out_says_why() {
        let store = store();
        for (line, says) in [
            ("rm -rf x", "only kubectl"),
            (
                "kubectl scale deployment/no --replicas=1",
                "there is no deployment/no",
            ),
            (
                "kubectl patch service/db --type=json -p '[{\"op\":\"remove\",\"path\":\"/spec/no\"}]'",
                "no",
            ),
            ("kubectl drain node-1 --force=true", "not known"),
        ] {
            let error = run(&store, "shop", line).unwrap_err();
            assert!(error.contains(says), "{error}");
        }
    }
}
