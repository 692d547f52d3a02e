//! Files → what is run of them: each statement with its names mapped, or why it is not run; the application's own queries. Pure.

use std::collections::BTreeSet;

use super::lex::{Client, ClientAct, Item, lex};
use super::names::{Mapped, Scratch};
use super::show;

/// Everything that is run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Script {
    /// The files.
    pub files: Vec<File>,
    /// Statements of all files, in order.
    pub statements: Vec<Statement>,
    /// The application's own queries.
    pub queries: Vec<Query>,
    /// Schemas that are made before, as the files call them.
    pub schemas: Vec<String>,
    /// Schemas that the files make themselves.
    pub made: BTreeSet<String>,
    /// Tables that the files create, by schema, as the files call them; one without is in the login's database.
    pub tables: BTreeSet<(String, String)>,
    /// The schema that is used at first, as the files call it.
    pub start: Option<String>,
    /// How schemas are called.
    pub scratch: Scratch,
}

/// A file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct File {
    /// Its name as the user knows it.
    pub name: String,
    /// What the client would say of it, with the line.
    pub remarks: Vec<(usize, String)>,
}

/// A statement of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Statement {
    /// The file.
    pub file: usize,
    /// Its first line.
    pub line: usize,
    /// As the client would send it.
    pub text: Vec<u8>,
    /// As it is sent.
    pub mapped: Mapped,
    /// Whether it changes the schema.
    pub uses: bool,
}

/// A query of the application.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query {
    /// Its name.
    pub name: String,
    /// Its first line.
    pub line: usize,
    /// As the client would send it.
    pub text: Vec<u8>,
    /// As it is sent.
    pub mapped: Mapped,
    /// The application does not work without it.
    pub required: bool,
    /// It writes.
    pub write: bool,
    /// How many rows it must return.
    pub rows: Option<u64>,
    /// How the application runs it.
    pub transaction: Transaction,
}

/// How the application runs a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Transaction {
    /// Inside a transaction.
    In,
    /// Outside.
    Out,
    /// Either way.
    #[default]
    Both,
}

/// The text of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqlText {
    /// Its name.
    pub name: String,
    /// Its content.
    pub text: Vec<u8>,
}

/// Why a file cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {message}")]
pub struct ScriptError {
    /// The file.
    pub file: String,
    /// Its line.
    pub line: usize,
    /// What is wrong, and what was expected.
    pub message: String,
}

/// Reads files and workload. `start` is the database that the client opens.
///
/// # Errors
/// A mark of the workload that cannot be read, or a workload without a query.
pub fn read(
    files: &[SqlText],
    workload: Option<&SqlText>,
    client: Client,
    start: Option<&str>,
    scratch: &Scratch,
) -> Result<Script, ScriptError> {
    let mut script = Script {
        start: start.map(str::to_owned),
        scratch: scratch.clone(),
        ..Script::default()
    };
    let items: Vec<Vec<Item>> = files.iter().map(|file| lex(&file.text, client)).collect();
    let asked: Vec<Item> = workload.map_or_else(Vec::new, |file| lex(&file.text, client));
    let known = known(start, scratch, items.iter().chain([&asked]));
    let mut current = script.start.clone();
    for (file, items) in items.into_iter().enumerate() {
        script.take_file(file, &files[file].name, items, &known, &mut current);
    }
    if let Some(source) = workload {
        script.take_workload(source, asked, &known)?;
    }
    let used: BTreeSet<&String> = script
        .statements
        .iter()
        .map(|statement| &statement.mapped)
        .chain(script.queries.iter().map(|query| &query.mapped))
        .flat_map(|mapped| &mapped.uses)
        .collect();
    // What the files make themselves is made by them, unless the client opens it.
    let made_before: BTreeSet<&String> = used
        .into_iter()
        .filter(|name| !script.made.contains(*name))
        .chain(&script.start)
        .collect();
    script.schemas = made_before.into_iter().cloned().collect();
    Ok(script)
}

/// Schemas that are named where nothing else can be meant.
fn known<'i>(
    start: Option<&str>,
    scratch: &Scratch,
    items: impl Iterator<Item = &'i Vec<Item>>,
) -> BTreeSet<String> {
    let mut known: BTreeSet<String> = start.map(str::to_owned).into_iter().collect();
    let none = BTreeSet::new();
    for item in items.flatten() {
        match &item.act {
            ClientAct::Send(text) => known.extend(scratch.map(text, &none).uses),
            ClientAct::Use(name) => {
                known.insert(String::from_utf8_lossy(name).into_owned());
            }
            _ => {}
        }
    }
    known
}

impl Script {
    fn take_file(
        &mut self,
        file: usize,
        name: &str,
        items: Vec<Item>,
        known: &BTreeSet<String>,
        current: &mut Option<String>,
    ) {
        let mut remarks = Vec::new();
        for item in items {
            let line = item.line;
            let text = match item.act {
                ClientAct::Send(text) => text,
                ClientAct::Use(name) => {
                    *current = Some(String::from_utf8_lossy(&name).into_owned());
                    use_of(&name)
                }
                ClientAct::Command(name) => {
                    let remark = format!("`{name}` is a command of the client: it is not run here");
                    remarks.push((line, remark));
                    continue;
                }
                ClientAct::Complain(text) | ClientAct::Stop(text) => {
                    remarks.push((line, text));
                    continue;
                }
            };
            let mapped = self.scratch.map(&text, known);
            self.note(&mapped, current.as_ref());
            self.statements.push(Statement {
                file,
                line,
                uses: show::shape(&text).starts_with("USE "),
                text,
                mapped,
            });
        }
        self.files.push(File {
            name: name.to_owned(),
            remarks,
        });
    }

    fn note(&mut self, mapped: &Mapped, current: Option<&String>) {
        if mapped.beyond.is_some() {
            return;
        }
        self.made.extend(mapped.creates_schema.clone());
        if let Some((schema, table)) = &mapped.creates_table {
            let schema = schema.as_ref().or(current);
            let schema = schema.cloned().unwrap_or_default();
            self.tables.insert((schema, table.clone()));
        }
    }

    fn take_workload(
        &mut self,
        source: &SqlText,
        items: Vec<Item>,
        known: &BTreeSet<String>,
    ) -> Result<(), ScriptError> {
        let error = |line: usize, message: String| ScriptError {
            file: source.name.clone(),
            line,
            message,
        };
        for item in items {
            let text = match item.act {
                ClientAct::Send(text) => text,
                ClientAct::Use(name) => use_of(&name),
                _ => continue,
            };
            let mut query = Query {
                name: format!("line {}", item.line),
                line: item.line,
                mapped: self.scratch.map(&text, known),
                text,
                ..Query::default()
            };
            for remark in &item.remarks {
                if let Some(marks) = remark.strip_prefix("k8sverify:") {
                    query
                        .mark(marks)
                        .map_err(|message| error(item.line, message))?;
                }
            }
            self.queries.push(query);
        }
        if self.queries.is_empty() {
            return Err(error(
                1,
                "it holds no query: expected SQL, each query ended by `;`".to_owned(),
            ));
        }
        Ok(())
    }
}

impl Query {
    /// `name=… required write rows=1 transaction=in`
    fn mark(&mut self, marks: &str) -> Result<(), String> {
        for mark in marks.split_whitespace() {
            match mark.split_once('=') {
                Some(("name", name)) if !name.is_empty() => name.clone_into(&mut self.name),
                Some(("rows", rows)) => {
                    self.rows = Some(rows.parse().map_err(|_| {
                        format!("`rows={rows}` is no number of rows: expected one such as rows=1")
                    })?);
                }
                Some(("transaction", "in")) => self.transaction = Transaction::In,
                Some(("transaction", "out")) => self.transaction = Transaction::Out,
                Some(("transaction", "both")) => self.transaction = Transaction::Both,
                None if mark == "required" => self.required = true,
                None if mark == "write" => self.write = true,
                _ => {
                    return Err(format!(
                        "`{mark}` is no mark of a query: expected name=NAME, required, write, rows=N or transaction=in|out|both"
                    ));
                }
            }
        }
        Ok(())
    }
}

fn use_of(name: &[u8]) -> Vec<u8> {
    let name = String::from_utf8_lossy(name).replace('`', "``");
    format!("USE `{name}`").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> SqlText {
        SqlText {
            name: "a.sql".into(),
            text: text.into(),
        }
    }

    fn scratch() -> Scratch {
        Scratch {
            prefix: Some("s_".to_owned()),
        }
    }

    #[test]
    fn statements_are_mapped_and_schemas_are_made_before_they_are_used() {
        let file = source(
            "CREATE DATABASE a; USE a;\nCREATE TABLE t (id INT);\nINSERT INTO b.u VALUES (1);\nsource x.sql\nFLUSH PRIVILEGES;",
        );
        let script = read(&[file], None, Client::Mysql, Some("shop"), &scratch()).unwrap();
        assert_eq!(script.schemas, ["b", "shop"]);
        assert_eq!(script.made, ["a".to_owned()].into());
        assert_eq!(script.tables, [("a".to_owned(), "t".to_owned())].into());
        let lines: Vec<(usize, bool)> = script
            .statements
            .iter()
            .map(|statement| (statement.line, statement.mapped.beyond.is_some()))
            .collect();
        assert_eq!(
            lines,
            [(1, false), (1, false), (2, false), (3, false), (5, true)]
        );
        assert_eq!(script.statements[1].mapped.text, b"USE `s_a`");
        assert!(script.statements[1].uses);
        assert_eq!(script.files[0].remarks.len(), 1);
    }

    #[test]
    fn marks_of_the_workload_are_read_and_wrong_ones_are_errors() {
        let text = "-- The queries.\n-- k8sverify: name=list required rows=1\nSELECT 1;\n-- k8sverify: transaction=in write\nDELETE FROM t;";
        let script = read(&[], Some(&source(text)), Client::Mysql, None, &scratch()).unwrap();
        let [list, delete] = script.queries.as_slice() else {
            panic!("{script:?}");
        };
        assert_eq!((list.name.as_str(), list.line), ("list", 3));
        assert!(list.required && list.rows == Some(1));
        assert_eq!(delete.name, "line 5");
        assert!(delete.write && delete.transaction == Transaction::In);
        for (bad, line) in [
            ("-- k8sverify: requierd\nSELECT 1;", 2),
            ("-- k8sverify: rows=x\nSELECT 1;", 2),
            ("-- nothing", 1),
        ] {
            let error = read(&[], Some(&source(bad)), Client::Mysql, None, &scratch()).unwrap_err();
            assert_eq!(error.line, line);
        }
    }
}
