//! `$VAR`, `${VAR:-default}` and the like → text. One pass over a value, defaults included; keys are never touched. Pure.

use std::collections::BTreeMap;

use super::error::ComposeError;
use super::node::{Map, Node, Place, Value};

/// Nested defaults beyond this depth are refused.
const MAX_NESTING: usize = 32;

/// Why a text cannot be interpolated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InterpolationError {
    /// `${…` that is no variable.
    #[error("`{0}` is no variable")]
    Malformed(String),
    /// `${VAR:?message}` without a value.
    #[error("required variable {name} is missing a value: {message}")]
    Required {
        /// The variable.
        name: String,
        /// What the file's author says about it.
        message: String,
    },
}

/// Replaces the variables of a text. `unset` receives the name of every variable that has neither a value nor a default.
///
/// # Errors
/// Malformed variables and required ones without a value.
pub fn interpolate(
    text: &str,
    lookup: &dyn Fn(&str) -> Option<String>,
    unset: &mut dyn FnMut(&str),
) -> Result<String, InterpolationError> {
    expand(text, lookup, unset, 0)
}

fn expand(
    text: &str,
    lookup: &dyn Fn(&str) -> Option<String>,
    unset: &mut dyn FnMut(&str),
    depth: usize,
) -> Result<String, InterpolationError> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(dollar) = rest.find('$') {
        out.push_str(&rest[..dollar]);
        let after = &rest[dollar + 1..];
        if let Some(tail) = after.strip_prefix('$') {
            out.push('$');
            rest = tail;
        } else if let Some(body) = after.strip_prefix('{') {
            let malformed = || InterpolationError::Malformed(shorten(&rest[dollar..]));
            let name = name_of(body);
            let operation = &body[name.len()..];
            if name.is_empty() || depth > MAX_NESTING {
                return Err(malformed());
            }
            if let Some(tail) = operation.strip_prefix('}') {
                out.push_str(&value_or_warn(name, lookup, unset));
                rest = tail;
                continue;
            }
            let (empty_counts, sign) = match operation.strip_prefix(':') {
                Some(sign) => (false, sign),
                None => (true, operation),
            };
            let Some(argument) = sign.strip_prefix(['-', '+', '?']) else {
                return Err(malformed());
            };
            let end = closing_brace(argument).ok_or_else(malformed)?;
            let word = &argument[..end];
            rest = &argument[end + 1..];
            let value = lookup(name).filter(|value| empty_counts || !value.is_empty());
            match (sign.as_bytes().first(), value) {
                (Some(b'+'), Some(_)) => out.push_str(&expand(word, lookup, unset, depth + 1)?),
                (Some(b'+'), None) => {}
                (_, Some(value)) => out.push_str(&value),
                (Some(b'?'), None) => {
                    return Err(InterpolationError::Required {
                        name: name.to_owned(),
                        message: expand(word, lookup, unset, depth + 1)?,
                    });
                }
                (_, None) => out.push_str(&expand(word, lookup, unset, depth + 1)?),
            }
        } else {
            let name = name_of(after);
            if name.is_empty() {
                out.push('$');
            } else {
                out.push_str(&value_or_warn(name, lookup, unset));
            }
            rest = &after[name.len()..];
        }
    }
    out.push_str(rest);
    Ok(out)
}

fn value_or_warn(
    name: &str,
    lookup: &dyn Fn(&str) -> Option<String>,
    unset: &mut dyn FnMut(&str),
) -> String {
    lookup(name).unwrap_or_else(|| {
        unset(name);
        String::new()
    })
}

/// The variable's name at the start of a text, empty where there is none.
fn name_of(text: &str) -> &str {
    let is_first = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
    let end = text
        .bytes()
        .enumerate()
        .find(|(index, byte)| !(is_first(*byte) || (*index > 0 && byte.is_ascii_digit())))
        .map_or(text.len(), |(index, _)| index);
    &text[..end]
}

/// Where the brace closes that was opened before this text; braces inside count.
fn closing_brace(text: &str) -> Option<usize> {
    let mut open = 1_usize;
    for (index, byte) in text.bytes().enumerate() {
        match byte {
            b'{' => open += 1,
            b'}' => {
                open -= 1;
                if open == 0 {
                    return Some(index);
                }
            }
            _ => {}
        }
    }
    None
}

/// The start of a broken variable, short enough for a message and without what might be a default.
fn shorten(text: &str) -> String {
    let end = text
        .char_indices()
        .find(|(index, character)| *index > 24 || matches!(character, '}' | '\n'))
        .map_or(
            text.len(),
            |(index, character)| {
                if character == '}' { index + 1 } else { index }
            },
        );
    text[..end].to_owned()
}

/// Interpolates every text of a tree, in place. `unset` collects variables without a value, with the first place of each.
///
/// # Errors
/// The first broken or required variable, with its place.
pub(super) fn interpolate_tree(
    node: &mut Node,
    environment: &BTreeMap<String, String>,
    unset: &mut BTreeMap<String, Place>,
) -> Result<(), ComposeError> {
    match &mut node.value {
        Value::Text(text) => {
            if !text.contains('$') {
                return Ok(());
            }
            let at = node.at.clone();
            let mut missing = |name: &str| {
                unset.entry(name.to_owned()).or_insert_with(|| at.clone());
            };
            let lookup = |name: &str| environment.get(name).cloned();
            let expanded = interpolate(text, &lookup, &mut missing).map_err(|error| {
                let expected = match &error {
                    InterpolationError::Malformed(_) => {
                        "`${NAME}`, `${NAME:-default}` or `$$` for a literal `$`".to_owned()
                    }
                    InterpolationError::Required { name, .. } => {
                        format!("a value for {name} in the environment or in .env")
                    }
                };
                at.error(error.to_string(), expected)
            })?;
            *text = expanded;
            Ok(())
        }
        Value::List(items) => items
            .iter_mut()
            .try_for_each(|item| interpolate_tree(item, environment, unset)),
        Value::Map(map) => interpolate_map(map, environment, unset),
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) => Ok(()),
    }
}

fn interpolate_map(
    map: &mut Map,
    environment: &BTreeMap<String, String>,
    unset: &mut BTreeMap<String, Place>,
) -> Result<(), ComposeError> {
    map.values_mut()
        .try_for_each(|node| interpolate_tree(node, environment, unset))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(text: &str) -> Result<String, String> {
        let lookup = |name: &str| match name {
            "SET" => Some("value".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        };
        interpolate(text, &lookup, &mut |_| {}).map_err(|error| error.to_string())
    }

    #[test]
    fn every_form() {
        for (source, expected) in [
            ("$SET-x", "value-x"),
            ("${SET}", "value"),
            ("a$$b", "a$b"),
            ("$5 $( $", "$5 $( $"),
            ("${NONE:-d}|${EMPTY:-d}|${SET:-d}", "d|d|value"),
            ("${NONE-d}|${EMPTY-d}|${SET-d}", "d||value"),
            ("${NONE:+a}|${EMPTY:+a}|${SET:+a}", "||a"),
            ("${NONE+a}|${EMPTY+a}|${SET+a}", "|a|a"),
            ("${SET:?e}|${EMPTY?e}", "value|"),
            ("${A:-${B:-c}d}e", "cde"),
            ("${A:-{\"a\":1}}", "{\"a\":1}"),
            ("${A:-}${A-}", ""),
            ("${A:-$$x $SET}", "$x value"),
            ("$NONE.", "."),
        ] {
            assert_eq!(run(source).as_deref(), Ok(expected), "{source}");
        }
    }

    #[test]
    fn broken_forms_are_errors() {
        for source in [
            "${", "${}", "${1}", "${A B}", "${A.b}", "${A:b}", "${A:=b}", "${A:-x",
        ] {
            assert!(
                run(source).unwrap_err().contains("is no variable"),
                "{source}"
            );
        }
        assert_eq!(
            run("${NONE:?say ${SET}}").unwrap_err(),
            "required variable NONE is missing a value: say value"
        );
    }

    #[test]
    fn unset_variables_are_reported_once_each_with_their_place() {
        let mut tree = super::super::tree::parse("f", "a: $X\nb: [\"${Y}\", $X]\n")
            .unwrap()
            .remove(0);
        let mut unset = BTreeMap::new();
        interpolate_tree(&mut tree, &BTreeMap::new(), &mut unset).unwrap();
        let lines: Vec<_> = unset
            .iter()
            .map(|(name, at)| (name.as_str(), at.line))
            .collect();
        assert_eq!(lines, [("X", 1), ("Y", 2)]);
    }
}
