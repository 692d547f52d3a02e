//! Changes of JSON: the API's merge patch, and the kinder one of scenarios, which knows lists of named things. Pure.

use serde_json::{Map, Value, json};

/// What a scenario's patch says to take an entry out of a list.
const DELETE: &str = "$delete";
/// What a scenario's patch says to put a whole list or object in place of another.
const REPLACE: &str = "$replace";

/// RFC 7386: objects are merged, `null` removes, everything else replaces.
pub(crate) fn patch(into: &mut Value, with: Value) {
    let Value::Object(with) = with else {
        *into = with;
        return;
    };
    each_field(into, with, patch);
}

/// Merges field by field; `null` takes one out.
fn each_field(into: &mut Value, with: Map<String, Value>, merge: fn(&mut Value, Value)) {
    if !into.is_object() {
        *into = json!({});
    }
    for (key, value) in with {
        if let Some(fields) = into.as_object_mut() {
            if value.is_null() {
                fields.remove(&key);
            } else {
                merge(fields.entry(key).or_insert(Value::Null), value);
            }
        }
    }
}

/// As [`patch`], and lists whose entries all have a `name` (or all a `type`, as conditions have) are merged entry by entry:
/// `{name: x, $delete: true}` takes one out, `{$replace: …}` puts its value in place of what is there.
pub(crate) fn edit(into: &mut Value, with: Value) {
    match with {
        Value::Object(mut with) => {
            if let Some(value) = with.remove(REPLACE) {
                *into = value;
                return;
            }
            each_field(into, with, edit);
        }
        Value::Array(with) => match identity(&with) {
            Some(key) => edit_entries(into, with, key),
            None => *into = Value::Array(with),
        },
        with => *into = with,
    }
}

/// The field that distinguishes the entries of a list, if all of them have one.
fn identity(list: &[Value]) -> Option<&'static str> {
    ["name", "type"]
        .into_iter()
        .find(|key| !list.is_empty() && list.iter().all(|entry| entry[*key].is_string()))
}

fn edit_entries(into: &mut Value, with: Vec<Value>, key: &str) {
    if !into.is_array() {
        *into = json!([]);
    }
    let Some(entries) = into.as_array_mut() else {
        return;
    };
    for entry in with {
        if entry[DELETE] == true {
            entries.retain(|old| old[key] != entry[key]);
        } else if let Some(old) = entries.iter_mut().find(|old| old[key] == entry[key]) {
            edit(old, entry);
        } else {
            entries.push(entry);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patches_are_merged() {
        let mut object = json!({"spec": {"a": 1, "b": {"c": 2}}, "x": 1});
        patch(
            &mut object,
            json!({"spec": {"b": {"d": 3}, "a": null}, "y": [1]}),
        );
        assert_eq!(
            object,
            json!({"spec": {"b": {"c": 2, "d": 3}}, "x": 1, "y": [1]})
        );
    }

    #[test]
    fn edits_know_lists_of_named_things() {
        let mut object = json!({"containers": [{"name": "a", "env": [{"name": "X", "value": "1"}, {"name": "Y", "value": "2"}], "command": ["a"]}]});
        edit(
            &mut object,
            json!({"containers": [
                {"name": "a", "env": [{"name": "X", "value": "3"}, {"name": "Y", "$delete": true}], "command": ["b"]},
                {"name": "b"}]}),
        );
        assert_eq!(
            object,
            json!({"containers": [{"name": "a", "env": [{"name": "X", "value": "3"}], "command": ["b"]}, {"name": "b"}]})
        );
        edit(
            &mut object,
            json!({"containers": {"$replace": [{"name": "c"}]}}),
        );
        assert_eq!(object, json!({"containers": [{"name": "c"}]}));
    }
}
