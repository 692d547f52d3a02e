//! The lanes that ask one member, at its own address and on a kept connection: state and the ledger's tip, reads only. IO: the sessions.

use std::collections::BTreeMap;

use super::Runner;
use super::engine::{Broken, EngineClient, HeldRows, Session};
use super::lanes::Beat;
use crate::drill::model::{Address, AttemptStep, Lane, MemberState};

/// Expected tables are asked for at every so many turns.
const TABLES: u64 = 4;

/// What a member last said of expected tables.
#[derive(Default)]
struct Expected {
    missing: BTreeMap<String, String>,
    untold: BTreeMap<String, String>,
}

/// A kept session to a member, and where it leads.
struct Wire<S> {
    session: S,
    server: String,
    address: Address,
}

impl<E: EngineClient> Runner<'_, E> {
    /// Where a member answers now.
    pub(super) fn place(&self, member: &str, lane: &Lane) -> Address {
        self.members
            .borrow()
            .get(member)
            .cloned()
            .unwrap_or_else(|| lane.address.clone())
    }

    /// Asks a member again and again; never ends.
    pub(super) async fn member_lane(&self, lane: &Lane, member: &str) {
        let mut clock = Beat::new(lane.every_ms);
        let mut wire: Option<Wire<E::Session>> = None;
        let mut turn = 0;
        let mut expected = Expected::default();
        loop {
            clock.next().await;
            let address = self.place(member, lane);
            if address.host.is_empty() {
                continue;
            }
            wire = wire.filter(|wire| wire.address == address);
            turn += 1;
            let mut state = MemberState {
                member: member.to_owned(),
                host: address.host.clone(),
                ..MemberState::default()
            };
            let asked = self.ask_member(&address, wire.take(), &mut state).await;
            match asked {
                Ok(mut answered) => {
                    if turn % TABLES == 1 {
                        self.expected(&mut answered.session, &state, &mut expected)
                            .await;
                    }
                    state.missing.clone_from(&expected.missing);
                    state.untold.clone_from(&expected.untold);
                    wire = Some(answered);
                }
                Err(broken) => {
                    state = MemberState {
                        member: state.member,
                        host: state.host,
                        error: Some(broken.code),
                        ..MemberState::default()
                    };
                    turn = 0;
                }
            }
            state.ended_ms = self.book.now();
            self.book.member(&lane.name, state);
            clock.skip();
        }
    }

    /// Asks for everything that a member is to hold; what brings no answer is as it was.
    async fn expected(&self, session: &mut E::Session, state: &MemberState, known: &mut Expected) {
        for table in &self.spec.expect {
            let Expected { missing, untold } = known;
            if !table.every_member && state.writable != Some(true) {
                missing.remove(&table.name);
                untold.remove(&table.name);
                continue;
            }
            let limit = self.statement();
            let found = limit.of(session.holds(table), AttemptStep::Statement).await;
            let Ok(found) = found else { return };
            missing.remove(&table.name);
            untold.remove(&table.name);
            match found {
                HeldRows::Yes => {}
                HeldRows::No(why) => drop(missing.insert(table.name.clone(), why)),
                HeldRows::Untold(why) => drop(untold.insert(table.name.clone(), why)),
            }
        }
    }

    /// One turn; a connection that failed is opened again at the next.
    async fn ask_member(
        &self,
        address: &Address,
        wire: Option<Wire<E::Session>>,
        state: &mut MemberState,
    ) -> Result<Wire<E::Session>, Broken> {
        let mut wire = if let Some(wire) = wire {
            wire
        } else {
            let (session, server) = self
                .meet_by(self.observer.as_ref().unwrap_or(&self.client), address, 0)
                .await?;
            Wire {
                session,
                server,
                address: address.clone(),
            }
        };
        state.server = Some(wire.server.clone());
        let limit = self.statement();
        limit
            .of(wire.session.state(state), AttemptStep::Statement)
            .await?;
        match limit.of(wire.session.tip(), AttemptStep::Statement).await {
            Ok(tip) => state.tip = Some(tip),
            // A member without the ledger, or one that serves no reads, has no tip; a lost connection is lost.
            Err(broken)
                if self
                    .refused
                    .keeps_connection(self.spec.engine, &broken.code) => {}
            Err(broken) => return Err(broken),
        }
        Ok(wire)
    }
}
