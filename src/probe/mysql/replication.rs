//! What a replica says of the threads that follow its source: MySQL's columns and MariaDB's, old names and new. Pure.

use std::collections::BTreeMap;

use mysql_async::{Row, Value};

/// A row of `SHOW REPLICA STATUS`, by its newer column names in lower case.
pub(crate) fn columns(row: &Row) -> BTreeMap<String, String> {
    let names = row.columns_ref().iter().enumerate();
    names
        .filter_map(|(index, column)| Some((renamed(&column.name_str()), text(row, index)?)))
        .collect()
}

fn renamed(column: &str) -> String {
    let column = column.to_lowercase();
    column
        .replace("slave", "replica")
        .replace("master", "source")
}

/// A value as text.
pub(crate) fn text(row: &Row, column: usize) -> Option<String> {
    match row.as_ref(column)? {
        Value::Bytes(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
        Value::Int(number) => Some(number.to_string()),
        Value::UInt(number) => Some(number.to_string()),
        _ => None,
    }
}

/// What it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Following {
    /// Its two threads, reading and applying: `Yes/No`.
    pub(crate) threads: String,
    /// Code and words of what stopped it.
    pub(crate) error: Option<(String, String)>,
}

impl Following {
    pub(crate) fn of(words: &BTreeMap<String, String>) -> Self {
        let word = |name: &str| words.get(name).map_or("", String::as_str);
        let error = ["io", "sql"].into_iter().find_map(|thread| {
            let code = word(&format!("last_{thread}_errno"));
            let why = word(&format!("last_{thread}_error"));
            (!matches!(code, "" | "0")).then(|| (code.to_owned(), why.to_owned()))
        });
        let threads = [word("replica_io_running"), word("replica_sql_running")];
        Self {
            threads: threads.join("/"),
            error,
        }
    }

    /// Whether both threads run.
    pub(crate) fn runs(&self) -> bool {
        self.threads == "Yes/Yes"
    }

    /// Why nothing of the source reaches it, in words. One that connects for the first time has neither an error nor stopped.
    pub(crate) fn stopped(&self) -> Option<String> {
        let is_stopped = self.threads.split('/').any(|thread| thread == "No");
        if self.runs() || !(is_stopped || self.error.is_some()) {
            return None;
        }
        let why = self.error.as_ref();
        let why = why.map(|(code, words)| format!(": {words} ({code})"));
        Some(format!(
            "its threads (reading/applying) run {}{}",
            self.threads,
            why.unwrap_or_default()
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn following(pairs: &[(&str, &str)]) -> Following {
        let words = pairs
            .iter()
            .map(|(name, value)| (renamed(name), (*value).to_owned()));
        Following::of(&words.collect())
    }

    #[test]
    fn a_replica_is_stopped_where_a_thread_is_or_cannot_reach_its_source() {
        let running = [("Slave_IO_Running", "Yes"), ("Slave_SQL_Running", "Yes")];
        assert_eq!(following(&running).stopped(), None);
        assert!(following(&running).runs());
        let connects = [
            ("Replica_IO_Running", "Connecting"),
            ("Replica_SQL_Running", "Yes"),
            ("Last_IO_Errno", "0"),
        ];
        assert_eq!(following(&connects).stopped(), None);
        let cannot = [
            ("Replica_IO_Running", "Connecting"),
            ("Replica_SQL_Running", "Yes"),
            ("Last_IO_Errno", "2003"),
            ("Last_IO_Error", "error connecting to source"),
        ];
        let why = following(&cannot).stopped().unwrap();
        assert!(
            why.contains("Connecting/Yes: error connecting to source (2003)"),
            "{why}"
        );
        let broken = [("Slave_IO_Running", "Yes"), ("Slave_SQL_Running", "No")];
        assert!(following(&broken).stopped().unwrap().contains("Yes/No"));
    }
}
