//! The untyped tree of a YAML text: values, each with its place. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::error::ComposeError;
use super::model::Location;

/// Where a node stands; cheap to copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// The file, as the user named it.
    pub(super) file: Arc<str>,
    /// Line, from 1; 0 if unknown.
    pub(super) line: usize,
    /// Column, from 1; 0 if unknown.
    pub(super) column: usize,
}

impl Place {
    /// The whole of a file.
    pub(super) fn file(name: &str) -> Self {
        Self {
            file: Arc::from(name),
            line: 0,
            column: 0,
        }
    }

    /// The same place in the model's words.
    pub(super) fn location(&self) -> Location {
        Location {
            file: self.file.to_string(),
            line: self.line,
            column: self.column,
        }
    }

    /// An error at this place.
    pub(super) fn error(
        &self,
        problem: impl Into<String>,
        expected: impl Into<String>,
    ) -> ComposeError {
        ComposeError::Invalid {
            location: self.location(),
            problem: problem.into(),
            expected: expected.into(),
        }
    }
}

/// The tags that steer the merge of several files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Merge {
    /// No tag: merge by the rules.
    Normal,
    /// `!reset`: the value of earlier files is dropped.
    Reset,
    /// `!override`: the value replaces that of earlier files.
    Override,
}

/// A mapping; sorted, so that everything that follows is.
pub(super) type Map = BTreeMap<String, Node>;

/// A value with its place.
#[derive(Debug, Clone)]
pub(super) struct Node {
    /// What it is.
    pub(super) value: Value,
    /// Where the value stands.
    pub(super) at: Place,
    /// Where its key stands, if it has one.
    pub(super) key: Option<Place>,
    /// How it merges onto earlier files.
    pub(super) merge: Merge,
}

/// The kinds of YAML values.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    /// Nothing.
    Null,
    /// A boolean.
    Bool(bool),
    /// An integer; wide enough for what compose accepts.
    Int(i128),
    /// A floating point number.
    Float(f64),
    /// Text.
    Text(String),
    /// A sequence.
    List(Vec<Node>),
    /// A mapping.
    Map(Map),
}

impl PartialEq for Node {
    /// Two nodes are the same if they say the same; where they stand does not matter.
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value && self.merge == other.merge
    }
}

impl Node {
    /// A node of that value at that place.
    pub(super) fn new(value: Value, at: Place) -> Self {
        Self {
            value,
            at,
            key: None,
            merge: Merge::Normal,
        }
    }

    /// The best place to name when the whole entry is meant: its key, else itself.
    pub(super) fn place(&self) -> &Place {
        self.key.as_ref().unwrap_or(&self.at)
    }

    /// The text of a scalar as compose prints it, none for null and collections.
    pub(super) fn text(&self) -> Option<String> {
        match &self.value {
            Value::Text(text) => Some(text.clone()),
            Value::Bool(value) => Some(value.to_string()),
            Value::Int(value) => Some(value.to_string()),
            Value::Float(value) => Some(float_text(*value)),
            Value::Null | Value::List(_) | Value::Map(_) => None,
        }
    }

    /// What kind of value it is, for messages.
    pub(super) fn kind(&self) -> &'static str {
        match &self.value {
            Value::Null => "nothing",
            Value::Bool(_) => "a boolean",
            Value::Int(_) | Value::Float(_) => "a number",
            Value::Text(_) => "a string",
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
        }
    }

    /// The entry of a mapping.
    pub(super) fn get(&self, key: &str) -> Option<&Node> {
        match &self.value {
            Value::Map(map) => map.get(key),
            _ => None,
        }
    }

    /// Whether it is null.
    pub(super) fn is_null(&self) -> bool {
        matches!(self.value, Value::Null)
    }
}

/// A float as compose prints it in a string: the shortest digits, with an exponent below 1e-4 and from 1e6 on.
pub(super) fn float_text(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let scientific = format!("{value:e}");
    let Some((mantissa, exponent)) = scientific.split_once('e') else {
        return scientific;
    };
    let Ok(power) = exponent.parse::<i32>() else {
        return scientific;
    };
    if value != 0.0 && !(-4..6).contains(&power) {
        let sign = if power < 0 { '-' } else { '+' };
        return format!("{mantissa}e{sign}{:02}", power.abs());
    }
    value.to_string()
}
