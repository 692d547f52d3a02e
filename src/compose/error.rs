//! What can be wrong with a compose file, and how a place in it is shown. Pure.

use std::fmt;
use std::io;

use super::model::Location;
use crate::reason::{self, UNQUOTED};

/// Why compose files could not be turned into a model.
#[derive(Debug, thiserror::Error)]
pub enum ComposeError {
    /// The text says something that compose does not allow.
    #[error("{location}: {problem}, expected {expected}")]
    Invalid {
        /// Where.
        location: Location,
        /// What stands there.
        problem: String,
        /// What should stand there.
        expected: String,
    },
    /// A file that is needed could not be read.
    #[error(
        "{needed_by}: cannot read {file}: {}; expected {expected}",
        reason::unreadable(.source)
    )]
    Unreadable {
        /// Who asked for it: a place in a compose file, or an option.
        needed_by: String,
        /// The file.
        file: String,
        /// What it should have been.
        expected: String,
        /// What the file system says.
        #[source]
        source: io::Error,
    },
    /// No compose file was named and none was found.
    #[error(
        "no compose file in {directory} or a folder above it, expected one of {names} (or name one with --compose)"
    )]
    NotFound {
        /// Where the search began.
        directory: String,
        /// The names that were looked for.
        names: String,
    },
}

impl ComposeError {
    /// What is wrong in a file of which nothing may be quoted.
    pub(super) fn unquoted(location: Location) -> Self {
        Self::Invalid {
            location,
            problem: format!("a text that cannot be used ({UNQUOTED})"),
            expected: "a compose file or an env file".to_owned(),
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.file)?;
        if self.line > 0 {
            write!(formatter, ":{}", self.line)?;
            if self.column > 0 {
                write!(formatter, ":{}", self.column)?;
            }
        }
        Ok(())
    }
}
