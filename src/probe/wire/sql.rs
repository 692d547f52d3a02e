//! The part of the format that is about SQL: what an agent runs, and what the servers said. Pure data. Statements come in a file that a Secret brings;
//! what goes out shows names and codes, and no content of a string.

use serde::{Deserialize, Serialize};

use super::EndpointTask;

/// What an agent does instead of walking edges: it logs in as the client of its first edge, and runs a script.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SqlSpec {
    /// The file with the [`SqlScript`], as JSON in gzip.
    pub script: String,
    /// Milliseconds that a statement may take.
    pub statement_ms: u64,
    /// The members of the candidate, each asked what it has in the end.
    pub members: Vec<EndpointTask>,
}

/// What is run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SqlScript {
    /// What the scratch schemas' names begin with; `None`: in place.
    pub prefix: Option<String>,
    /// Scratch schemas to make.
    pub schemas: Vec<String>,
    /// The schema to begin with; `None`: that of the login, under its scratch name.
    pub start: Option<String>,
    /// Statements, in order.
    pub statements: Vec<SqlStatement>,
    /// The application's queries.
    pub queries: Vec<SqlStatement>,
    /// In place: the tables to compare, by schema; an empty schema is the first one.
    pub tables: Vec<(String, String)>,
}

/// A statement or a query.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SqlStatement {
    /// What is sent.
    pub text: Text,
    /// First parts of names in it: if the server has a schema of that name, it is not sent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub may_reach: Vec<String>,
    /// Not sent, whatever else.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub skip: bool,
    /// It changes the schema.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub uses: bool,
}

/// Bytes, readable where they are UTF-8.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Text {
    /// UTF-8.
    Readable(String),
    /// Anything else.
    Bytes(Vec<u8>),
}

impl Default for Text {
    fn default() -> Self {
        Self::Readable(String::new())
    }
}

impl From<Vec<u8>> for Text {
    fn from(bytes: Vec<u8>) -> Self {
        String::from_utf8(bytes)
            .map_or_else(|error| Self::Bytes(error.into_bytes()), Self::Readable)
    }
}

impl Text {
    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Readable(text) => text.as_bytes(),
            Self::Bytes(bytes) => bytes,
        }
    }
}

/// What was seen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "what")]
pub enum SqlRecord {
    /// A login went through.
    Server {
        /// `mysql`, `mariadb` or `vitess`.
        product: String,
        /// Its version, and what it says of itself.
        version: String,
        /// Whether it is a member of a Galera cluster.
        galera: bool,
        /// Scratch schemas that an earlier run left.
        left: Vec<String>,
    },
    /// Nothing could be run.
    Failed {
        /// At what: `login`, `script`, `connection`.
        at: String,
        /// In words.
        message: String,
    },
    /// A scratch schema.
    Scratch {
        /// Its name.
        schema: String,
        /// What the server said.
        answer: Answer,
    },
    /// A statement of a file.
    Statement {
        /// Which.
        id: usize,
        /// What the server said.
        answer: Answer,
    },
    /// A query of the application.
    Query {
        /// Which.
        id: usize,
        /// Whether inside a transaction.
        inside: bool,
        /// What the server said.
        answer: Answer,
    },
    /// What a member has in the end.
    Member {
        /// The Pod, or empty for the address of the run.
        member: String,
        /// Where it was asked.
        address: String,
        /// Why it could not be asked.
        error: Option<String>,
        /// Its tables.
        tables: Vec<TableState>,
    },
    /// Something that was accepted and cannot be used.
    Unusable {
        /// `view a.b`.
        object: String,
        /// What the server said.
        answer: Answer,
    },
    /// A scratch schema is gone, or not.
    Dropped {
        /// Its name.
        schema: String,
        /// What the server said.
        answer: Answer,
    },
}

/// What a server said to a statement.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// How it ended.
    pub outcome: StatementOutcome,
    /// The code of a refusal.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub code: u16,
    /// Its SQLSTATE.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub state: String,
    /// Its message, or why there was no answer; without what strings held.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// Warnings, as the OK packet counts them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub warnings: u16,
    /// Rows that came back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
    /// Milliseconds.
    pub ms: u64,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands a reference to it"
)]
const fn is_zero(number: &u16) -> bool {
    *number == 0
}

/// How a statement ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StatementOutcome {
    /// Accepted.
    #[default]
    Accepted,
    /// The server said no.
    Refused,
    /// Not sent.
    NotRun,
    /// No answer: a connection that broke, or time that ran out.
    Unknown,
}

/// A table as a member has it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableState {
    /// Its schema on the server.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// Its engine.
    pub engine: String,
    /// Its rows, counted.
    pub rows: Option<u64>,
    /// CHECKSUM TABLE.
    pub checksum: Option<String>,
}
