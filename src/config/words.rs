//! What YAML and JSON readers say of a value, without the types of the implementation. Pure.

use serde_saphyr::budget::BudgetBreach;
use serde_saphyr::{Error, MessageFormatter, UserMessageFormatter};

/// What is wrong with a text, for the person who wrote it; its place is not part of it.
pub(crate) fn yaml(error: &Error) -> String {
    match error.without_snippet() {
        Error::InvalidScalar { ty, .. } => format!("invalid value: expected {}", value(ty)),
        Error::Budget { breach, .. } => too_much(breach),
        Error::NullIntoString { .. } => "an empty value: expected text".to_owned(),
        error => plain(&UserMessageFormatter.format_message(error)),
    }
}

/// A document beyond the bounds of the reader.
fn too_much(breach: &BudgetBreach) -> String {
    match breach {
        BudgetBreach::Nodes { nodes } => format!(
            "too many values: expected at most {} in one document",
            nodes.saturating_sub(1)
        ),
        BudgetBreach::Depth { depth } => format!(
            "values nested too deep: expected at most {} levels",
            depth.saturating_sub(1)
        ),
        _ => "too much in one document: expected fewer anchors, aliases and documents".to_owned(),
    }
}

/// The same message with words in place of names of types.
pub(crate) fn plain(message: &str) -> String {
    let message = [
        ("a nonzero u16", "a number from 1 to 65535"),
        ("mapping start", "a mapping"),
        ("sequence start", "a list"),
        ("unknown variant", "unknown value"),
        ("EOF while parsing", "the text ends within"),
    ]
    .iter()
    .fold(message.to_owned(), |message, (said, meant)| {
        message.replace(said, meant)
    });
    let mut words = Vec::new();
    let mut rest = message.split(' ');
    while let Some(word) = rest.next() {
        if word == "struct" {
            // Its name follows.
            rest.next();
            words.push("a mapping");
            continue;
        }
        let bare = word.trim_end_matches([',', ';', '.']);
        let said = value(bare);
        words.push(if said == bare { word } else { said });
    }
    words.join(" ")
}

/// A type, as a person would say what belongs there.
fn value(ty: &str) -> &str {
    match ty {
        "u8" | "u32" | "u64" | "usize" => "a whole number, 0 or more",
        "u16" => "a number from 0 to 65535",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        "bool" | "boolean" => "true or false",
        "string" | "String" | "str" => "text",
        "map" => "a mapping",
        "sequence" => "a list",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_type_of_the_implementation_is_shown() {
        for (raw, wanted) in [
            (
                "invalid type: string \"x\", expected i32 at line 1",
                "invalid type: text \"x\", expected a whole number at line 1",
            ),
            ("expected mapping start", "expected a mapping"),
            ("expected sequence start", "expected a list"),
            (
                "EOF while parsing a value at line 1 column 0",
                "the text ends within a value at line 1 column 0",
            ),
            (
                "unknown variant `never`, expected error",
                "unknown value `never`, expected error",
            ),
            (
                "invalid type: null, expected struct Metadata",
                "invalid type: null, expected a mapping",
            ),
            (
                "unknown field `a`, expected `b`",
                "unknown field `a`, expected `b`",
            ),
        ] {
            assert_eq!(plain(raw), wanted);
        }
        let options = serde_saphyr::options! { budget: serde_saphyr::budget! { max_nodes: 3 } };
        let error = serde_saphyr::from_str_with_options::<Vec<u8>>("[1, 2, 3, 4]", options);
        assert_eq!(
            yaml(&error.unwrap_err()),
            "too many values: expected at most 3 in one document"
        );
        let error =
            serde_saphyr::from_str::<std::collections::BTreeMap<String, String>>("{a: b, a: c}");
        assert_eq!(
            yaml(&error.unwrap_err()),
            "duplicate mapping key `a` is not allowed here"
        );
        let error = serde_saphyr::from_str::<u16>("x").unwrap_err();
        assert_eq!(
            yaml(&error),
            "invalid value: expected a number from 0 to 65535"
        );
    }
}
