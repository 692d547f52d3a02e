//! Values of `k8sverify.yaml` that are checked while they are read. Pure.

use std::fmt;

use serde::Deserialize;
use serde::de::{self, Deserializer};

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

/// A value that is written as text of its own form.
#[derive(Debug)]
pub(super) struct Parsed<T>(pub(super) T);

impl<'de, T> Deserialize<'de> for Parsed<T>
where
    T: std::str::FromStr<Err: fmt::Display>,
{
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map(Self)
            .map_err(de::Error::custom)
    }
}

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
