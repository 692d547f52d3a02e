//! The ledger as a table of a server that speaks SQL, and the questions for expected tables: the same for every such server. IO is the
//! servers'.

use std::collections::BTreeMap;

use super::engine::{Broken, HeldRows, Session};
use crate::drill::ledger::{RowFold, Statements, span};
use crate::drill::model::{
    AttemptStep, Engine, ExpectedTable, LaneRows, MemberState, RunnerSpec, Span,
};

/// A row of an answer as text.
pub(super) type Row = Vec<Option<String>>;

/// An open session to a server that speaks SQL, with what differs from server to server.
pub(super) trait Sql {
    /// Which engine it is.
    const ENGINE: Engine;
    /// What stands around a name.
    const MARK: char;
    /// Lets the server end a session, or its open transaction, where its client is silent.
    const KEPT: &'static str;
    /// Begins a transaction that may change nothing.
    const READ_ONLY: &'static str;
    /// Codes of a table that is not there.
    const MISSING: &'static [&'static str];
    /// Codes of a login that may not read it.
    const DENIED: &'static [&'static str];

    /// What the runner is to do.
    fn spec(&self) -> &RunnerSpec;
    /// Asks, and reads every row.
    async fn ask(&mut self, query: &str, step: AttemptStep) -> Result<Vec<Row>, Broken>;
    /// How old the newest row is: the expression for its seconds.
    fn age(column: &str) -> String;
    /// Whether it is an answer of the server's, and no word of ours.
    fn is_answer(code: &str) -> bool;
    /// Whether the session goes on after a failure.
    fn goes_on(&self, broken: &Broken) -> bool;
    /// Who answers.
    async fn who(&mut self) -> Result<String, Broken>;
    /// Role, writability, membership.
    async fn describe(&mut self, state: &mut MemberState) -> Result<(), Broken>;
    /// Says goodbye.
    async fn leave(self);

    /// The first value of an answer.
    async fn first(&mut self, query: &str) -> Result<Option<String>, Broken> {
        let rows = self.ask(query, AttemptStep::Statement).await?;
        Ok(rows.into_iter().flatten().next().flatten())
    }

    /// The texts of the ledger.
    fn statements(&self) -> Statements {
        self.spec().ledger.statements(Self::ENGINE)
    }

    /// A statement without an answer that matters.
    async fn run(&mut self, query: &str, step: AttemptStep) -> Result<(), Broken> {
        self.ask(query, step).await.map(drop)
    }

    /// Writes one row.
    async fn insert(&mut self, lane: &str, seq: u64, half: u8) -> Result<(), Broken> {
        let spec = self.spec();
        let row = spec
            .ledger
            .insert(Self::ENGINE, lane, seq, half, &spec.runner);
        self.run(&row, AttemptStep::Statement).await
    }

    /// Whether a table is there and fresh, or a question of the person's brings a row.
    async fn look_up(&mut self, table: &ExpectedTable) -> Result<HeldRows, Broken> {
        if let Some(question) = &table.query {
            self.run(Self::READ_ONLY, AttemptStep::Statement).await?;
            let rows = self.ask(question, AttemptStep::Statement).await;
            self.run("ROLLBACK", AttemptStep::Statement).await?;
            return Ok(HeldRows::brought(!rows?.is_empty()));
        }
        let mark = Self::MARK;
        let quote = |name: &str| {
            let doubled = name.replace(mark, &format!("{mark}{mark}"));
            format!("{mark}{doubled}{mark}")
        };
        let name: Vec<String> = table.name.split('.').map(quote).collect();
        let name = name.join(".");
        let Some(fresh) = &table.fresh else {
            self.first(&format!("SELECT 1 FROM {name} LIMIT 1")).await?;
            return Ok(HeldRows::Yes);
        };
        let age = Self::age(&quote(&fresh.column));
        let age = self.first(&format!("SELECT {age} FROM {name}")).await?;
        Ok(HeldRows::aged(age.as_deref(), fresh.within_ms))
    }
}

impl<S: Sql> Session for S {
    async fn identify(&mut self) -> Result<String, Broken> {
        self.who().await
    }

    async fn make(&mut self) -> Result<(), Broken> {
        let query = self.statements().create;
        self.run(&query, AttemptStep::Statement).await
    }

    async fn remove(&mut self) -> Result<(), Broken> {
        let query = self.statements().drop;
        self.run(&query, AttemptStep::Statement).await
    }

    async fn write(&mut self, lane: &str, seq: u64) -> Result<(), Broken> {
        self.insert(lane, seq, 0).await
    }

    async fn keep(&mut self) -> Result<(), Broken> {
        self.run(Self::KEPT, AttemptStep::Statement).await
    }

    async fn write_both(&mut self, lane: &str, seq: u64) -> Result<(), Broken> {
        let write = async {
            self.run("BEGIN", AttemptStep::Statement).await?;
            for half in [1, 2] {
                self.insert(lane, seq, half).await?;
            }
            self.run("COMMIT", AttemptStep::Commit).await
        };
        let written = write.await;
        if written.as_ref().is_err_and(|broken| self.goes_on(broken)) {
            // The half that is there must not stay open in a session that is kept.
            let _ = self.run("ROLLBACK", AttemptStep::Statement).await;
        }
        written
    }

    async fn tip(&mut self) -> Result<BTreeMap<String, Span>, Broken> {
        let query = self.statements().tip;
        let rows = self.ask(&query, AttemptStep::Statement).await?;
        let spans = rows
            .iter()
            .filter_map(|row| span(|column| value(row, column)));
        Ok(spans.collect())
    }

    async fn rows(&mut self) -> Result<BTreeMap<String, LaneRows>, Broken> {
        let query = self.statements().rows;
        let mut fold = RowFold::default();
        for row in self.ask(&query, AttemptStep::Statement).await? {
            fold.columns(|column| value(&row, column));
        }
        Ok(fold.finish())
    }

    async fn state(&mut self, state: &mut MemberState) -> Result<(), Broken> {
        self.describe(state).await
    }

    async fn holds(&mut self, table: &ExpectedTable) -> Result<HeldRows, Broken> {
        let broken = match self.look_up(table).await {
            Err(broken) => broken,
            answer => return answer,
        };
        let code = broken.code.as_str();
        if Self::MISSING.contains(&code) {
            Ok(HeldRows::No(format!("it is not there ({code})")))
        } else if Self::DENIED.contains(&code) {
            Ok(HeldRows::Untold(format!(
                "the login may not read it ({code})"
            )))
        } else if table.query.is_some() && Self::is_answer(code) {
            // The question itself is refused: the server answers, and the row does not come.
            Ok(HeldRows::No(format!("{} ({code})", broken.words)))
        } else {
            Err(broken)
        }
    }

    async fn close(self) {
        self.leave().await;
    }
}

/// A value of a row.
pub(super) fn value(row: &Row, column: usize) -> Option<String> {
    row.get(column).cloned().flatten()
}
