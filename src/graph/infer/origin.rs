//! Where a claim was written. Pure.

use std::fmt;

use crate::compose::Location;

/// Where a claim was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Origin {
    /// As a reader is shown it.
    pub text: String,
    /// The key under which it stands.
    pub key: String,
    /// What else may be handed the same.
    pub written: Written,
}

/// The kind of place in which a claim was written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Written {
    /// Only this tier's: its command, its links, its order of start, what its image does.
    Own,
    /// A value of a variable, by where that value stands.
    Value(Location),
    /// A file, as the user names it.
    File(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.text)
    }
}

impl From<String> for Origin {
    fn from(text: String) -> Self {
        Self {
            text,
            key: String::new(),
            written: Written::Own,
        }
    }
}
