//! Redis and Valkey for a drill: a sorted set a lane, which ends by itself. IO: the connections.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use ::redis::Value;

use super::engine::{Broken, HeldRows, Session};
use super::open::{Protocol, Servers};
use crate::drill::ledger::RowFold;
use crate::drill::model::{
    AttemptStep, ExpectedTable, LaneKind, LaneRows, MemberRole, MemberState, Span,
};
use crate::probe::ask::Ask;
use crate::probe::found::Failure;
use crate::probe::link::PeerLink;
use crate::probe::peer::PeerStream;
use crate::probe::redis as protocol;

/// The other runner's lanes are called like this one's, but for the first letter.
const RUNNERS: [&str; 2] = ["a", "b"];

/// Redis and Valkey.
pub(super) struct Redis;

/// A session.
pub(super) struct DrillSession<'a> {
    servers: &'a Servers<'a>,
    peer: PeerStream,
    address: SocketAddr,
    host: String,
}

impl Protocol for Redis {
    type Session<'a> = DrillSession<'a>;

    async fn log_in<'a>(
        servers: &'a Servers<'a>,
        stream: PeerLink,
        ask: &Ask<'_>,
    ) -> Result<DrillSession<'a>, Failure> {
        Ok(DrillSession {
            servers,
            peer: protocol::session(stream, ask).await?,
            address: ask.address,
            host: ask.host.to_owned(),
        })
    }
}

impl DrillSession<'_> {
    /// Every lane that writes, of both runners.
    fn lanes(&self) -> Vec<String> {
        let own = self.servers.spec.lanes.iter();
        own.filter(|lane| matches!(lane.kind, LaneKind::WriteNew | LaneKind::WriteHeld))
            .filter_map(|lane| lane.name.split_once('/'))
            .flat_map(|(_, name)| RUNNERS.map(|runner| format!("{runner}/{name}")))
            .collect()
    }

    async fn ask(&mut self, words: &[String], step: AttemptStep) -> Result<Value, Broken> {
        let ask = self.servers.dialler.ask(self.address, &self.host);
        protocol::ask_for(&mut self.peer, &ask, words)
            .await
            .map_err(|failure| self.broken(step, &failure))
    }

    async fn info(&mut self, section: &str) -> Result<BTreeMap<String, String>, Broken> {
        let ask = self.servers.dialler.ask(self.address, &self.host);
        protocol::info(&mut self.peer, &ask, section)
            .await
            .map_err(|failure| self.broken(AttemptStep::Statement, &failure))
    }

    fn broken(&self, step: AttemptStep, failure: &Failure) -> Broken {
        self.servers.dialler.broken(step, failure)
    }

    /// Between MULTI and EXEC: all of it or nothing.
    async fn transact(&mut self, lane: &str, seq: u64, halves: &[u8]) -> Result<(), Broken> {
        let spec = self.servers.spec;
        let word = |text: &str| vec![text.to_owned()];
        self.ask(&word("MULTI"), AttemptStep::Statement).await?;
        for command in spec.ledger.commands(lane, seq, halves, &spec.runner) {
            if let Err(broken) = self.ask(&command, AttemptStep::Statement).await {
                // The session may be kept: nothing must stay queued in it.
                let _ = self.ask(&word("DISCARD"), AttemptStep::Statement).await;
                return Err(broken);
            }
        }
        let done = self.ask(&word("EXEC"), AttemptStep::Commit).await?;
        match &done {
            Value::Array(replies) => replies
                .iter()
                .find_map(error)
                .map_or(Ok(()), |(code, words)| {
                    Err(Broken::new(AttemptStep::Commit, code, words))
                }),
            _ => Err(Broken::new(
                AttemptStep::Commit,
                "aborted",
                "the transaction was not run",
            )),
        }
    }
}

impl Session for DrillSession<'_> {
    async fn identify(&mut self) -> Result<String, Broken> {
        let mut info = self.info("server").await.map_err(|broken| Broken {
            step: AttemptStep::Identify,
            ..broken
        })?;
        let id = info.remove("run_id").unwrap_or_default();
        Ok(id.chars().take(8).collect())
    }

    async fn make(&mut self) -> Result<(), Broken> {
        // Sets come to be with their first member.
        Ok(())
    }

    async fn remove(&mut self) -> Result<(), Broken> {
        for lane in self.lanes() {
            let command = vec!["DEL".to_owned(), self.servers.spec.ledger.key(&lane)];
            self.ask(&command, AttemptStep::Statement).await?;
        }
        Ok(())
    }

    async fn write(&mut self, lane: &str, seq: u64) -> Result<(), Broken> {
        self.transact(lane, seq, &[0]).await
    }

    async fn write_both(&mut self, lane: &str, seq: u64) -> Result<(), Broken> {
        self.transact(lane, seq, &[1, 2]).await
    }

    async fn tip(&mut self) -> Result<BTreeMap<String, Span>, Broken> {
        let mut tip = BTreeMap::new();
        for lane in self.lanes() {
            let mut ends = [None, None];
            let commands = self.servers.spec.ledger.tip_commands(&lane);
            for (end, command) in ends.iter_mut().zip(commands) {
                let answer = self.ask(&command, AttemptStep::Statement).await?;
                *end = members(&answer)
                    .first()
                    .and_then(|member| member.split('/').next()?.parse::<u64>().ok());
            }
            if let [Some(first), Some(last)] = ends {
                tip.insert(lane, Span { first, last });
            }
        }
        Ok(tip)
    }

    async fn rows(&mut self) -> Result<BTreeMap<String, LaneRows>, Broken> {
        let mut fold = RowFold::default();
        for lane in self.lanes() {
            let command = self.servers.spec.ledger.rows_command(&lane);
            let answer = self.ask(&command, AttemptStep::Statement).await?;
            for member in members(&answer) {
                fold.member(&lane, &member);
            }
        }
        Ok(fold.finish())
    }

    async fn state(&mut self, state: &mut MemberState) -> Result<(), Broken> {
        let info = self.info("replication").await?;
        let word = |name: &str| info.get(name).map_or("", String::as_str);
        if word("role") == "master" {
            state.role = Some(MemberRole::Primary);
            state.writable = Some(true);
            state.joined = Some(true);
            return Ok(());
        }
        let link = word("master_link_status");
        state.role = Some(MemberRole::Replica);
        state.writable = Some(false);
        state.joined = Some(link == "up");
        state.group = Some(word("master_host").to_owned()).filter(|host| !host.is_empty());
        state.says = format!("link {link}");
        Ok(())
    }

    async fn holds(&mut self, _: &ExpectedTable) -> Result<HeldRows, Broken> {
        Ok(HeldRows::Untold("a Redis has no tables".to_owned()))
    }

    async fn close(self) {
        drop(self);
    }
}

/// The members that a reply lists.
fn members(value: &Value) -> Vec<String> {
    let Value::Array(values) = value else {
        return Vec::new();
    };
    values
        .iter()
        .filter_map(|value| match value {
            Value::BulkString(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
            Value::SimpleString(text) => Some(text.clone()),
            _ => None,
        })
        .collect()
}

/// An error among replies: its code, and its words.
fn error(value: &Value) -> Option<(String, String)> {
    match value {
        Value::ServerError(error) => Some((
            error.code().to_owned(),
            error.details().unwrap_or_default().to_owned(),
        )),
        _ => None,
    }
}
