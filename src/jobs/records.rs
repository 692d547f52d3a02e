//! Lines of a probe's log → its records. Pure; tolerates what is no record, since a proxy or a runtime may write too.

use std::collections::{BTreeSet, HashSet};

use crate::probe::wire::sql::SqlRecord;
use crate::probe::wire::{ProbeSpec, Record, Step, VERSION};

/// Lines that are no record and are kept as evidence.
const KEPT: usize = 5;

/// What a log has said so far.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Log {
    /// Name servers of the Pod.
    pub(super) nameservers: Vec<String>,
    /// Steps.
    pub(super) steps: Vec<Step>,
    /// Edges that were begun.
    pub(super) started: BTreeSet<String>,
    /// Edges of which every step was read.
    pub(super) finished: BTreeSet<String>,
    /// What was said of a script of SQL.
    pub(super) sql: Vec<SqlRecord>,
    /// Whether the first record was seen.
    pub(super) greeted: bool,
    /// Why the agent cannot work for us.
    pub(super) refused: Option<String>,
    /// Steps that the end record counts.
    pub(super) end: Option<usize>,
    /// The last lines that are no record.
    pub(super) other: Vec<String>,
    /// What reading it met last.
    pub(super) trouble: Option<String>,
}

impl Log {
    /// Reads a whole text.
    pub(super) fn read(text: &str) -> Self {
        let mut log = Self::default();
        for line in text.lines() {
            log.push(line);
        }
        log
    }

    /// Takes one line.
    pub(super) fn push(&mut self, line: &str) {
        match serde_json::from_str::<Record>(line.trim()) {
            Ok(Record::Hello {
                version,
                tool,
                nameservers,
                ..
            }) => {
                self.greeted = true;
                self.nameservers = nameservers;
                if version != VERSION {
                    self.refused = Some(format!(
                        "the image is k8sverify {tool}, which speaks version {version} of the probe's format, and this one speaks {VERSION}"
                    ));
                }
            }
            Ok(Record::Step(step)) => self.steps.push(step),
            Ok(Record::Started { task }) => drop(self.started.insert(task)),
            Ok(Record::Finished { task }) => drop(self.finished.insert(task)),
            Ok(Record::Sql(record)) => self.sql.push(record),
            Ok(Record::End {
                steps,
                cut_short: _,
            }) => self.end = Some(steps),
            Ok(Record::Error { message }) => self.refused = Some(message),
            Err(_) => {
                if !line.trim().is_empty() {
                    if self.other.len() == KEPT {
                        self.other.remove(0);
                    }
                    self.other.push(line.chars().take(300).collect());
                }
            }
        }
    }

    /// What it has said of these tasks; the rest of it is reported for all that share the container.
    pub(super) fn of(&self, spec: &ProbeSpec) -> Self {
        let names = spec.names.iter().map(|task| task.id.as_str());
        let edges = spec.edges.iter().map(|task| task.id.as_str());
        let tasks: HashSet<&str> = names.chain(edges).collect();
        let own = |all: &BTreeSet<String>| -> BTreeSet<String> {
            all.iter()
                .filter(|task| tasks.contains(task.as_str()))
                .cloned()
                .collect()
        };
        let steps = self
            .steps
            .iter()
            .filter(|step| tasks.contains(step.task.as_str()));
        let steps: Vec<Step> = steps.cloned().collect();
        let missing = self.end.map(|end| end.saturating_sub(self.records()));
        Self {
            end: missing.map(|missing| steps.len() + missing),
            started: own(&self.started),
            finished: own(&self.finished),
            steps,
            nameservers: self.nameservers.clone(),
            sql: Vec::new(),
            greeted: self.greeted,
            refused: self.refused.clone(),
            other: self.other.clone(),
            trouble: self.trouble.clone(),
        }
    }

    /// Whether everything that was written was read.
    pub(super) fn is_whole(&self) -> bool {
        self.end.is_some_and(|steps| steps <= self.records())
    }

    /// Steps and records of SQL.
    pub(super) fn records(&self) -> usize {
        self.steps.len() + self.sql.len()
    }

    /// Edges that were begun and not finished.
    pub(super) fn open(&self) -> Vec<&str> {
        self.started
            .difference(&self.finished)
            .map(String::as_str)
            .collect()
    }

    /// Whether it has come as far as another reading of the same log, or further.
    pub(super) fn is_further_than(&self, other: &Self) -> bool {
        self.is_over() || (!other.is_over() && self.records() >= other.records())
    }

    /// Whether nothing more is to be expected.
    pub(super) fn is_over(&self) -> bool {
        self.end.is_some() || self.refused.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::wire::NameTask;

    const HELLO: &str = r#"{"record":"hello","version":3,"tool":"0.1.0","nameservers":["10.96.0.10"],"search":["a.svc.cluster.local"],"ndots":5}"#;
    const STEP: &str = r#"{"record":"step","task":"a","name":"dns","target":"db","status":"pass","duration_ms":1}"#;

    #[test]
    fn a_whole_log_is_distinguished_from_one_that_was_cut() {
        let end = r#"{"record":"end","steps":1,"cut_short":false}"#;
        let whole = Log::read(&format!("{HELLO}\n{STEP}\n{end}\n"));
        assert!(whole.is_whole() && whole.is_over());
        assert_eq!(whole.nameservers, ["10.96.0.10"]);
        assert_eq!(whole.steps.len(), 1);
        let without_step = Log::read(&format!("{HELLO}\n{end}"));
        assert!(!without_step.is_whole() && without_step.is_over());
        let without_end = Log::read(&format!("{HELLO}\n{STEP}"));
        assert!(!without_end.is_whole() && !without_end.is_over());
    }

    #[test]
    fn garbage_is_tolerated_and_another_version_is_not() {
        let log = Log::read(&format!("[proxy] ready\n{HELLO}\n\u{1b}[0m\n{{}}\n{STEP}"));
        assert_eq!(log.other.len(), 3);
        assert_eq!(log.steps.len(), 1);
        assert!(log.greeted && log.refused.is_none());
        let other = Log::read(&HELLO.replace("\"version\":3", "\"version\":9"));
        assert!(other.refused.unwrap().contains("version 9"));
        let error = Log::read(r#"{"record":"error","message":"bad spec"}"#);
        assert_eq!(error.refused.as_deref(), Some("bad spec"));
    }

    #[test]
    fn of_a_container_with_several_tiers_each_gets_its_own() {
        let other = STEP.replace("\"task\":\"a\"", "\"task\":\"b\"");
        let begun = r#"{"record":"started","task":"b"}"#;
        let text = format!("{HELLO}\n{STEP}\n{begun}\n{other}");
        let spec = |name: &str| ProbeSpec {
            names: vec![NameTask {
                id: name.to_owned(),
                name: "db".to_owned(),
                retry_not_found_ms: 0,
            }],
            ..ProbeSpec::default()
        };
        let end = |steps: usize| {
            format!("{text}\n{{\"record\":\"end\",\"steps\":{steps},\"cut_short\":false}}")
        };
        let whole = Log::read(&end(2)).of(&spec("b"));
        assert!(whole.is_whole() && whole.greeted);
        assert_eq!((whole.steps.len(), &whole.steps[0].task[..]), (1, "b"));
        assert!(whole.started.contains("b"));
        let cut = Log::read(&text).of(&spec("a"));
        assert!(!cut.is_over() && cut.started.is_empty());
        // What is missing may be anyone's.
        let missing = Log::read(&end(3)).of(&spec("a"));
        assert!(!missing.is_whole() && missing.is_over());
    }
}
