//! Which errors surely had no effect, and after which a pool keeps its connection: `checks/drill.yaml`. Pure.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::model::{AttemptOutcome, AttemptStep, Engine};

const TEXT: &str = include_str!("../../checks/drill.yaml");

/// One error of a server.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefusedError {
    /// `1290`, `25006`, `READONLY`.
    pub code: String,
    /// The product's name for it.
    pub name: String,
    /// Whether it is as sure when COMMIT returns it.
    #[serde(default)]
    pub commit: bool,
    /// Whether a pool closes its connection after it.
    #[serde(default)]
    pub closes: bool,
    /// Whether it says that the server takes no writes: a replica.
    #[serde(default)]
    pub read_only: bool,
    /// What it says.
    pub why: String,
    /// Where that stands.
    pub source: String,
}

/// The table of sure refusals.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct RefusedErrors {
    refused: BTreeMap<Engine, Vec<RefusedError>>,
}

impl RefusedErrors {
    /// The embedded table.
    ///
    /// # Panics
    /// Never in a build that passed its tests: they read it.
    pub fn embedded() -> Self {
        match crate::catalog::table(TEXT) {
            Ok(table) => table,
            Err(error) => panic!("checks/drill.yaml does not read: {error}"),
        }
    }

    /// The error of that code.
    pub fn get(&self, engine: Engine, code: &str) -> Option<&RefusedError> {
        self.refused
            .get(&engine)?
            .iter()
            .find(|error| error.code == code)
    }

    /// The outcome of an attempt that failed at `step` with `code`: a server's own, or one of ours (`timeout`, `closed`).
    pub fn outcome(&self, engine: Engine, step: AttemptStep, code: &str) -> AttemptOutcome {
        let sure = match step {
            AttemptStep::Resolve
            | AttemptStep::Connect
            | AttemptStep::Login
            | AttemptStep::Identify => true,
            AttemptStep::Statement => self.get(engine, code).is_some(),
            AttemptStep::Commit => self.get(engine, code).is_some_and(|error| error.commit),
        };
        if sure {
            AttemptOutcome::Refused
        } else {
            AttemptOutcome::Unknown
        }
    }

    /// Whether it says that the server takes no writes.
    pub fn is_read_only(&self, engine: Engine, code: &str) -> bool {
        self.get(engine, code).is_some_and(|error| error.read_only)
    }

    /// Whether a pool keeps its connection after `code`: after a server's own errors but those that end the session; never after ours, which are lower-case
    /// words and mean that the connection is lost.
    pub fn keeps_connection(&self, engine: Engine, code: &str) -> bool {
        if code.chars().any(|letter| letter.is_ascii_lowercase()) {
            return false;
        }
        // PostgreSQL: class 08 and 57P0x end the session. MySQL: shutdown and killed connections do.
        let ends = match engine {
            Engine::Mysql => matches!(code, "1053" | "1152" | "1158" | "1160" | "1927" | "4031"),
            Engine::Postgres => code.starts_with("08") || code.starts_with("57P"),
            Engine::Redis => false,
        };
        !ends && !self.get(engine, code).is_some_and(|error| error.closes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_listed_errors_are_sure_once_something_was_sent() {
        let table = RefusedErrors::embedded();
        let outcome = |step, code| table.outcome(Engine::Mysql, step, code);
        assert_eq!(
            outcome(AttemptStep::Connect, "timeout"),
            AttemptOutcome::Refused
        );
        assert_eq!(
            outcome(AttemptStep::Statement, "1290"),
            AttemptOutcome::Refused
        );
        assert_eq!(
            outcome(AttemptStep::Statement, "timeout"),
            AttemptOutcome::Unknown
        );
        assert_eq!(
            outcome(AttemptStep::Statement, "1180"),
            AttemptOutcome::Unknown
        );
        assert_eq!(
            outcome(AttemptStep::Commit, "1213"),
            AttemptOutcome::Refused
        );
        assert_eq!(
            outcome(AttemptStep::Commit, "1047"),
            AttemptOutcome::Unknown
        );
        // A code of one product says nothing about another.
        assert_eq!(
            table.outcome(Engine::Postgres, AttemptStep::Statement, "1290"),
            AttemptOutcome::Unknown
        );
    }

    #[test]
    fn a_pool_keeps_a_connection_that_was_only_refused() {
        let table = RefusedErrors::embedded();
        for (engine, code, keeps) in [
            (Engine::Mysql, "1290", true),
            (Engine::Mysql, "1047", true),
            (Engine::Mysql, "1045", false),
            (Engine::Mysql, "1053", false),
            (Engine::Mysql, "timeout", false),
            (Engine::Postgres, "25006", true),
            (Engine::Postgres, "57P01", false),
            (Engine::Redis, "READONLY", true),
            (Engine::Redis, "NOAUTH", false),
        ] {
            assert_eq!(table.keeps_connection(engine, code), keeps, "{code}");
        }
    }

    #[test]
    fn each_error_has_a_source_and_stands_once() {
        let table = RefusedErrors::embedded();
        for errors in table.refused.values() {
            assert!(
                errors
                    .windows(2)
                    .all(|pair| pair[0].code < pair[1].code && pair[0].source.contains("https://"))
            );
        }
    }
}
