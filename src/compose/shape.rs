//! Typed access to the untyped tree: each reader says in its error what stands there and what was expected. Pure.

use super::error::ComposeError;
use super::node::{Map, Node, Value};
use super::scalar;

/// A node with its path in words (`services.web.ports`), for messages.
#[derive(Debug, Clone)]
pub(super) struct Field<'n> {
    /// The node.
    pub(super) node: &'n Node,
    /// Its path.
    pub(super) path: String,
}

impl<'n> Field<'n> {
    /// The root of something.
    pub(super) fn new(node: &'n Node, path: impl Into<String>) -> Self {
        Self {
            node,
            path: path.into(),
        }
    }

    /// An entry of a mapping, none where it is missing or null.
    pub(super) fn get(&self, key: &str) -> Option<Field<'n>> {
        let node = self.node.get(key).filter(|node| !node.is_null())?;
        Some(Field::new(node, format!("{}.{key}", self.path)))
    }

    /// What an entry of a mapping says, none where it is missing or null.
    pub(super) fn read<T>(
        &self,
        key: &str,
        how: impl FnOnce(&Field<'n>) -> Result<T, ComposeError>,
    ) -> Result<Option<T>, ComposeError> {
        self.get(key).map(|field| how(&field)).transpose()
    }

    /// An entry that must be there.
    pub(super) fn required(&self, key: &str, expected: &str) -> Result<Field<'n>, ComposeError> {
        let missing = || self.error(&format!("no `{key}`"), expected);
        self.get(key).ok_or_else(missing)
    }

    /// The error that something else was expected here.
    pub(super) fn wrong(&self, expected: &str) -> ComposeError {
        let shown = match &self.node.value {
            // Numbers and booleans can be shown, texts may be secret.
            Value::Int(_) | Value::Float(_) | Value::Bool(_) => {
                format!("`{}`", self.node.text().unwrap_or_default())
            }
            _ => self.node.kind().to_owned(),
        };
        self.node
            .at
            .error(format!("{shown} in `{}`", self.path), expected)
    }

    /// An error about the value itself.
    pub(super) fn error(&self, problem: &str, expected: &str) -> ComposeError {
        self.node
            .at
            .error(format!("{problem} in `{}`", self.path), expected)
    }

    /// As a mapping.
    pub(super) fn map(&self, expected: &str) -> Result<&'n Map, ComposeError> {
        match &self.node.value {
            Value::Map(map) => Ok(map),
            _ => Err(self.wrong(expected)),
        }
    }

    /// The entries of a mapping as fields.
    pub(super) fn entries(
        &self,
        expected: &str,
    ) -> Result<impl Iterator<Item = (&'n String, Field<'n>)>, ComposeError> {
        let path = self.path.clone();
        Ok(self.map(expected)?.iter().map(move |(key, node)| {
            let field = Field::new(node, format!("{path}.{key}"));
            (key, field)
        }))
    }

    /// The items of a list as fields.
    pub(super) fn items(&self, expected: &str) -> Result<Vec<Field<'n>>, ComposeError> {
        match &self.node.value {
            Value::List(items) => Ok(items
                .iter()
                .enumerate()
                .map(|(index, item)| Field::new(item, format!("{}[{index}]", self.path)))
                .collect()),
            _ => Err(self.wrong(expected)),
        }
    }

    /// As text; nothing else will do.
    pub(super) fn text(&self) -> Result<String, ComposeError> {
        match &self.node.value {
            Value::Text(text) => Ok(text.clone()),
            _ => Err(self.wrong("a string")),
        }
    }

    /// As text, also from a number or a boolean.
    pub(super) fn scalar(&self) -> Result<String, ComposeError> {
        self.node
            .text()
            .ok_or_else(|| self.wrong("a string, a number or a boolean"))
    }

    /// As a boolean, also from text that a variable was replaced in.
    pub(super) fn boolean(&self) -> Result<bool, ComposeError> {
        match &self.node.value {
            Value::Bool(value) => Ok(*value),
            Value::Text(text) => scalar::boolean(text).ok_or_else(|| self.wrong("true or false")),
            _ => Err(self.wrong("true or false")),
        }
    }

    /// As a whole number that is not negative, also from text.
    pub(super) fn count(&self) -> Result<u64, ComposeError> {
        let number = match &self.node.value {
            Value::Int(value) => u64::try_from(*value).ok(),
            Value::Text(text) => text.trim().parse().ok(),
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "the range is checked"
            )]
            Value::Float(value) if (0.0..1e15).contains(value) => Some(*value as u64),
            _ => None,
        };
        number.ok_or_else(|| self.wrong("a whole number"))
    }

    /// One text, or a list of texts.
    pub(super) fn texts(&self) -> Result<Vec<String>, ComposeError> {
        match &self.node.value {
            Value::List(_) => self.items("a list")?.iter().map(Field::scalar).collect(),
            _ => Ok(vec![self.scalar()?]),
        }
    }

    /// A list of texts, each once, in the order of their first appearance.
    pub(super) fn distinct(&self) -> Result<Vec<String>, ComposeError> {
        let mut out: Vec<String> = Vec::new();
        for item in self.items("a list")? {
            let text = item.scalar()?;
            if !out.contains(&text) {
                out.push(text);
            }
        }
        Ok(out)
    }
}
