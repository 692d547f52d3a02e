//! Fixes for manifests in files: the changed manifest in place of a command, which would go to whatever cluster is the current one. Pure.

use std::collections::BTreeMap;

use serde_json::Value;

use super::fixes;
use crate::finding::{Finding, Fix};

/// Objects as they are written, by namespace and `kind/name`.
pub type Objects = BTreeMap<(String, String), Value>;

/// Turns the finding's fix into one for files. `assumed`: a namespace that no one gave, which no manifest may name.
pub fn for_files(finding: &mut Finding, objects: &Objects, assumed: Option<&str>) {
    let Some(fix) = finding.fix.take() else {
        return;
    };
    let patched = fix
        .command
        .as_deref()
        .and_then(fixes::read_patch)
        .and_then(|patch| {
            let object = objects.get(&(patch.namespace, patch.object))?;
            let mut object = object.clone();
            patch
                .operations
                .iter()
                .try_for_each(|operation| apply(&mut object, operation))?;
            serde_saphyr::to_string(&object).ok()
        });
    let manifest = fix.manifest.or(patched);
    finding.fix = Some(Fix {
        text: fix.text,
        command: None,
        manifest: manifest.map(|text| without_namespace(text, assumed)),
    });
}

/// One operation of a JSON patch, as the fixes use them.
fn apply(object: &mut Value, operation: &Value) -> Option<()> {
    let path = operation["path"].as_str()?;
    let (parent, last) = path.rsplit_once('/')?;
    let last = last.replace("~1", "/").replace("~0", "~");
    let value = || operation["value"].clone();
    match (operation["op"].as_str()?, object.pointer_mut(parent)?) {
        ("add" | "replace", Value::Object(map)) => {
            map.insert(last, value());
        }
        ("remove", Value::Object(map)) => {
            map.remove(&last)?;
        }
        ("add", Value::Array(items)) if last == "-" => items.push(value()),
        ("add", Value::Array(items)) => {
            let index = last
                .parse::<usize>()
                .ok()
                .filter(|index| *index <= items.len())?;
            items.insert(index, value());
        }
        ("replace", Value::Array(items)) => {
            *items.get_mut(last.parse::<usize>().ok()?)? = value();
        }
        ("remove", Value::Array(items)) => {
            let index = last
                .parse::<usize>()
                .ok()
                .filter(|index| *index < items.len())?;
            items.remove(index);
        }
        _ => return None,
    }
    Some(())
}

/// Documents without the namespace that no one gave.
fn without_namespace(text: String, assumed: Option<&str>) -> String {
    let Some(assumed) = assumed else {
        return text;
    };
    let documents: Option<Vec<String>> = text
        .split("---\n")
        .filter(|document| !document.trim().is_empty())
        .map(|document| {
            let mut value: Value = serde_saphyr::from_str(document).ok()?;
            if value["metadata"]["namespace"] == assumed
                && let Some(metadata) = value["metadata"].as_object_mut()
            {
                metadata.remove("namespace");
            }
            serde_saphyr::to_string(&value).ok()
        })
        .collect();
    documents.map_or(text, |documents| documents.join("---\n"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::finding::{Code, ObjectRef, Severity};
    use crate::shell::Command;

    fn fixed(fix: Fix, assumed: Option<&str>) -> Fix {
        let service = json!({"kind": "Service", "metadata": {"name": "db", "annotations": {"a": "b"}}, "spec": {"selector": {"app": "x"}, "ports": [{"port": 1}]}});
        let key = ("default".to_owned(), "service/db".to_owned());
        let object = ObjectRef::new("service", "db", "default");
        let mut finding = Finding::new(
            Code::ServiceSelectorMismatch,
            Severity::Error,
            object,
            String::new(),
        );
        finding.fix = Some(fix);
        for_files(&mut finding, &Objects::from([(key, service)]), assumed);
        finding.fix.unwrap()
    }

    #[test]
    fn a_patch_becomes_the_changed_manifest_and_no_command_stays() {
        let operations = [
            json!({"op": "replace", "path": "/spec/selector", "value": {"app": "it's"}}),
            json!({"op": "add", "path": "/spec/ports/0/targetPort", "value": 3306}),
            json!({"op": "add", "path": "/spec/ports/-", "value": {"port": 2}}),
        ];
        let command = |kind: &str| Fix {
            command: Some(fixes::patch(
                &ObjectRef::new(kind, "db", "default"),
                &operations,
            )),
            ..Fix::default()
        };
        let fix = fixed(command("service"), Some("default"));
        let value: Value = serde_saphyr::from_str(&fix.manifest.unwrap()).unwrap();
        assert_eq!(value["spec"]["selector"]["app"], "it's");
        assert_eq!(
            value["spec"]["ports"],
            json!([{"port": 1, "targetPort": 3306}, {"port": 2}])
        );
        assert_eq!(value["metadata"]["annotations"]["a"], "b");
        assert_eq!(fix.command, None);
        // An object that was not kept is changed by hand.
        assert_eq!(fixed(command("deployment"), None), Fix::default());
    }

    #[test]
    fn no_manifest_names_a_namespace_that_no_one_gave() {
        let manifest = || {
            Fix {
            manifest: Some("kind: Service\nmetadata: {name: a, namespace: default}\n---\nkind: Service\nmetadata: {name: b, namespace: data}\n".to_owned()),
            command: Some(Command::kubectl("default", &["expose", "deployment/a"])),
            ..Fix::default()
        }
        };
        let assumed = fixed(manifest(), Some("default")).manifest.unwrap();
        assert!(
            !assumed.contains("default") && assumed.contains("namespace: data"),
            "{assumed}"
        );
        assert!(
            fixed(manifest(), None)
                .manifest
                .unwrap()
                .contains("namespace: default")
        );
    }
}
