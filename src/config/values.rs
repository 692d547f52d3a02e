//! Values of `k8sverify.yaml` that are checked while they are read. Pure.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::{self, Deserializer};
use serde_saphyr::Spanned;

use crate::finding::Code;

/// A string that says something.
#[derive(Debug)]
pub(super) struct NonEmpty(pub(super) String);

impl<'de> Deserialize<'de> for NonEmpty {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.trim().is_empty() {
            return Err(de::Error::custom("an empty value: expected some text"));
        }
        Ok(Self(text))
    }
}

/// What a value is once it has been checked.
pub(super) trait Checked {
    /// The bare value.
    type Bare;

    fn bare(self) -> Self::Bare;
}

/// Reads a field as the value that checks it, and keeps the bare one.
pub(super) fn by<'de, D, C>(deserializer: D) -> Result<C::Bare, D::Error>
where
    D: Deserializer<'de>,
    C: Checked + Deserialize<'de>,
{
    C::deserialize(deserializer).map(Checked::bare)
}

macro_rules! checked {
    ($($kind:ident => $bare:ty),+ $(,)?) => {
        $(impl $crate::config::values::Checked for $kind {
            type Bare = $bare;

            fn bare(self) -> $bare {
                self.0
            }
        })+
    };
}
pub(super) use checked;

checked!(NonEmpty => String, CodeName => Code, HttpPath => String, HttpStatus => u16);

impl<C: Checked> Checked for Option<C> {
    type Bare = Option<C::Bare>;

    fn bare(self) -> Self::Bare {
        self.map(C::bare)
    }
}

impl<C: Checked> Checked for Vec<C> {
    type Bare = Vec<C::Bare>;

    fn bare(self) -> Self::Bare {
        self.into_iter().map(C::bare).collect()
    }
}

impl<C: Checked> Checked for BTreeMap<String, C> {
    type Bare = BTreeMap<String, C::Bare>;

    fn bare(self) -> Self::Bare {
        let each = |(name, value): (String, C)| (name, value.bare());
        self.into_iter().map(each).collect()
    }
}

/// What becomes a rule of the file by the line that it stands at.
pub(super) trait Lined {
    /// The rule.
    type Rule;

    fn at(self, line: u64) -> Self::Rule;
}

impl<L: Lined> Checked for Spanned<L> {
    type Bare = L::Rule;

    fn bare(self) -> L::Rule {
        let line = self.referenced.line();
        self.value.at(line)
    }
}

/// Rules that are read as they are, but for their line.
macro_rules! lined {
    ($($rule:ident),+ $(,)?) => {
        $(impl $crate::config::values::Lined for $rule {
            type Rule = Self;

            fn at(self, line: u64) -> Self {
                Self { line, ..self }
            }
        })+
    };
}
pub(super) use lined;

/// The path of an HTTP question.
#[derive(Debug)]
pub(super) struct HttpPath(pub(super) String);

impl<'de> Deserialize<'de> for HttpPath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let path = String::deserialize(deserializer)?;
        if !path.starts_with('/') || path.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err(de::Error::custom(format_args!(
                "`{path}` is no HTTP path: expected one that begins with `/`, without blanks"
            )));
        }
        Ok(Self(path))
    }
}

/// A status of HTTP.
#[derive(Debug)]
pub(super) struct HttpStatus(pub(super) u16);

impl<'de> Deserialize<'de> for HttpStatus {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let status = u16::deserialize(deserializer)?;
        if !(100..=599).contains(&status) {
            return Err(de::Error::custom(format_args!(
                "`{status}` is no HTTP status: expected 100 to 599"
            )));
        }
        Ok(Self(status))
    }
}

/// A code of the catalogue.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct CodeName(pub(super) Code);

impl<'de> Deserialize<'de> for CodeName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Code::from_name(&name).map(Self).ok_or_else(|| {
            de::Error::custom(format_args!(
                "`{name}` is no finding code: expected one of those that `k8sverify explain` lists"
            ))
        })
    }
}
