//! A JSON document in one value (`SPRING_APPLICATION_JSON`, `VCAP_SERVICES`) → variables of its own. Pure.

use std::collections::BTreeMap;

use serde_json::Value;

/// Larger documents hold data, not configuration.
const MAX_BYTES: usize = 64 * 1024;

/// What a document says by path (`spring.rabbitmq.host`), a list of plain values joined by commas; `None` where the text is neither an
/// object nor a list of objects.
pub(super) fn variables(text: &str) -> Option<BTreeMap<String, String>> {
    let text = text.trim();
    if !text.starts_with(['{', '[']) || text.len() > MAX_BYTES {
        return None;
    }
    let document: Value = serde_json::from_str(text).ok()?;
    let nested = match &document {
        Value::Object(_) => true,
        Value::Array(items) => items.iter().any(Value::is_object),
        _ => false,
    };
    nested.then(|| {
        let mut found = BTreeMap::new();
        walk(String::new(), &document, &mut found);
        found
    })
}

fn walk(path: String, value: &Value, found: &mut BTreeMap<String, String>) {
    let inner = |key: &str| match path.as_str() {
        "" => key.to_owned(),
        path => format!("{path}.{key}"),
    };
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                walk(inner(key), value, found);
            }
        }
        Value::Array(items) if items.iter().any(|item| plain(item).is_none()) => {
            for (at, item) in items.iter().enumerate() {
                walk(inner(&at.to_string()), item, found);
            }
        }
        Value::Array(items) => {
            let all: Vec<String> = items.iter().filter_map(plain).collect();
            found.insert(path, all.join(","));
        }
        value => {
            if let Some(text) = plain(value) {
                found.insert(path, text);
            }
        }
    }
}

fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_becomes_variables_and_other_text_does_not() {
        let read = |text: &str| {
            let found = variables(text)?;
            let pairs = found
                .iter()
                .map(|(key, value)| format!("{key}={value}"))
                .collect::<Vec<_>>();
            Some(pairs.join(" "))
        };
        assert_eq!(
            read(r#"{"a.b": "x", "c": {"port": 1, "on": true, "no": null}, "d": ["x:1", "y:2"]}"#),
            Some("a.b=x c.on=true c.port=1 d=x:1,y:2".to_owned())
        );
        assert_eq!(
            read(r#"[{"host": "x"}, {"host": "y"}]"#),
            Some("0.host=x 1.host=y".to_owned())
        );
        for other in ["", "x", "{", r#"["x:1"]"#, "{{ .Values }}", "[::1]:80"] {
            assert_eq!(read(other), None, "{other}");
        }
    }
}
