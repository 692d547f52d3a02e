//! What an edge of compose rests on. Pure.

use std::fmt;

use crate::compose::Location;
use crate::graph::Origin;

/// One place where an edge is said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Claim {
    /// As a reader is shown it.
    pub origin: Origin,
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

impl fmt::Display for Claim {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.origin.fmt(out)
    }
}

impl From<String> for Claim {
    fn from(text: String) -> Self {
        Origin::from(text).into()
    }
}

impl From<Origin> for Claim {
    fn from(origin: Origin) -> Self {
        Self {
            origin,
            key: String::new(),
            written: Written::Own,
        }
    }
}
