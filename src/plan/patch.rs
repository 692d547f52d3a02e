//! The user's patch of the probe Pods' template, merged as the API merges strategic patches. Pure.

use serde_json::Value;

/// The name that stands for every container.
const EACH: &str = "*";

/// Lists whose entries are distinguished by a field; any other list is replaced.
const KEYS: [(&str, &str); 8] = [
    ("containers", "name"),
    ("initContainers", "name"),
    ("env", "name"),
    ("volumes", "name"),
    ("volumeMounts", "mountPath"),
    ("imagePullSecrets", "name"),
    ("hostAliases", "ip"),
    ("topologySpreadConstraints", "topologyKey"),
];

/// Merges `patch` into `value`: `null` removes a field.
pub(super) fn merge(value: &mut Value, patch: &Value) {
    let (Value::Object(fields), Value::Object(changes)) = (value, patch) else {
        return;
    };
    for (name, change) in changes {
        if change.is_null() {
            fields.remove(name);
            continue;
        }
        let key = KEYS
            .iter()
            .find(|(list, _)| list == name)
            .map(|(_, key)| *key);
        let field = fields.entry(name.clone()).or_insert(Value::Null);
        match (field, change, key) {
            (Value::Array(items), Value::Array(more), Some(key)) => entries(items, more, key),
            (field @ Value::Object(_), Value::Object(_), _) => merge(field, change),
            (field, _, _) => *field = change.clone(),
        }
    }
}

fn entries(items: &mut Vec<Value>, more: &[Value], key: &str) {
    for change in more {
        if change[key] == EACH {
            let mut change = change.clone();
            if let Some(fields) = change.as_object_mut() {
                fields.remove(key);
            }
            for item in items.iter_mut() {
                merge(item, &change);
            }
        } else if let Some(item) = items.iter_mut().find(|item| item[key] == change[key]) {
            merge(item, change);
        } else {
            items.push(change.clone());
        }
    }
}

/// What is wrong with a patch, if anything is.
///
/// # Errors
/// In words, with what was expected.
pub fn check(patch: &Value) -> Result<(), String> {
    let Value::Object(fields) = patch else {
        return Err("expected a mapping with metadata and spec, as in a Pod template".to_owned());
    };
    for (name, field) in fields {
        if name != "metadata" && name != "spec" {
            return Err(format!(
                "unknown field {name}, expected metadata and spec, as in a Pod template"
            ));
        }
        if !field.is_object() {
            return Err(format!("{name}: expected a mapping"));
        }
    }
    for (list, key) in &KEYS[..2] {
        let Some(items) = patch["spec"].get(list) else {
            continue;
        };
        let named = |item: &Value| item[key].as_str().is_some_and(|name| !name.is_empty());
        let fits = items.is_null() || items.as_array().is_some_and(|all| all.iter().all(named));
        if !fits {
            return Err(format!(
                "spec.{list}: expected a list whose entries have a name; \"*\" stands for every container"
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_patch_is_merged_by_keys_and_null_removes() {
        let mut template = json!({
            "metadata": {"labels": {"a": "1"}},
            "spec": {
                "affinity": {"x": 1}, "tolerations": [{"operator": "Exists"}],
                "securityContext": {"runAsNonRoot": true},
                "containers": [{"name": "t1", "resources": {"limits": {"cpu": "1", "memory": "1"}}}, {"name": "t2"}],
            },
        });
        let patch = json!({
            "metadata": {"labels": {"b": "2"}},
            "spec": {
                "affinity": null, "tolerations": [], "securityContext": {"runAsUser": 7},
                "containers": [{"name": "*", "resources": {"limits": {"cpu": null}}}, {"name": "t2", "tty": true}, {"name": "s"}],
            },
        });
        check(&patch).unwrap();
        merge(&mut template, &patch);
        assert_eq!(
            template,
            json!({
                "metadata": {"labels": {"a": "1", "b": "2"}},
                "spec": {
                    "tolerations": [], "securityContext": {"runAsNonRoot": true, "runAsUser": 7},
                    "containers": [
                        {"name": "t1", "resources": {"limits": {"memory": "1"}}},
                        {"name": "t2", "resources": {"limits": {"cpu": null}}, "tty": true},
                        {"name": "s"},
                    ],
                },
            })
        );
    }

    #[test]
    fn a_bad_patch_is_named() {
        for (patch, words) in [
            (json!([]), "a mapping"),
            (json!({"kind": "Pod"}), "unknown field kind"),
            (json!({"spec": 1}), "spec: expected"),
            (json!({"spec": {"containers": [{}]}}), "spec.containers"),
        ] {
            assert!(check(&patch).unwrap_err().contains(words), "{patch}");
        }
    }
}
