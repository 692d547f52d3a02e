//! The runner of a drill: lanes that attempt the same thing again and again by the clock, each against the candidate's addresses, with their
//! outcomes as records; orders come in by a file. IO: the network, the file, the output.

mod audit;
mod book;
mod engine;
mod lanes;
mod members;
mod mysql;
mod open;
mod postgres;
mod redis;
mod table;
#[cfg(test)]
mod tests;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use futures::future::join_all;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, sleep_until};

use crate::drill::model::{
    Address, AttemptStep, Engine as Kind, LaneKind, RunnerRecord, RunnerSpec, VERSION,
};
use crate::drill::orders::{Act, FILE, FOLDER, Orders};
use crate::drill::refused::RefusedErrors;
use crate::probe::ProbeError;
use crate::probe::wire::ProbeSpec;
use book::Book;
use engine::{Broken, EngineClient, Session};
use mysql::MySql;
use open::{Dialler, GuardedLogin, Protocol, ProtocolClient, Servers};
use postgres::Postgres;
use redis::Redis;

/// How often the orders are looked at.
const LOOK: Duration = Duration::from_millis(100);
/// How often a batch is written.
const BATCH: Duration = Duration::from_secs(1);
/// How long the ledger may take to be made or removed.
const LEDGER: Duration = Duration::from_secs(20);
/// The pause between tries of it.
const PAUSE: Duration = Duration::from_millis(500);
/// A server that came back empty gets its ledger again at most so often.
const MAKE_AGAIN: Duration = Duration::from_secs(1);

/// Everything that the lanes of a runner share; one thread works on it.
pub(super) struct Runner<'a, E> {
    spec: &'a RunnerSpec,
    /// Logs in as the client does.
    client: GuardedLogin<E>,
    /// Logs in to ask members; none: the client asks.
    observer: Option<GuardedLogin<E>>,
    refused: RefusedErrors,
    book: Book,
    orders: watch::Receiver<Orders>,
    /// Where members answer.
    members: RefCell<BTreeMap<String, Address>>,
    /// Servers that a held lane of this runner is connected to.
    held: RefCell<BTreeSet<String>>,
    /// Turns of writing and reading lanes that are under way.
    under_way: Cell<usize>,
    /// A server came back without the ledger.
    wants_ledger: Notify,
    /// When the ledger was made last.
    made: Cell<Instant>,
}

/// Runs until its orders, its deadline or `stop` end it.
///
/// # Errors
/// Only if the output cannot be written.
pub async fn run(
    spec: ProbeSpec,
    mut environment: BTreeMap<String, String>,
    out: &mut (dyn Write + Send),
    stop: impl Future<Output = ()>,
) -> Result<(), ProbeError> {
    let Some(drill) = spec.drill.clone() else {
        return Ok(());
    };
    if drill.version != VERSION {
        return Err(ProbeError::Version {
            found: drill.version,
        });
    }
    super::read_files(&spec, &mut environment);
    let diallers = async {
        let client = Dialler::new(&spec, 0, &drill, &environment).await?;
        let observer = match spec.edges.len() {
            0 | 1 => None,
            _ => Some(Dialler::new(&spec, 1, &drill, &environment).await?),
        };
        Ok::<_, String>((client, observer))
    };
    let (client, observer) = match diallers.await {
        Ok(diallers) => diallers,
        Err(message) => return Ok(write(out, &RunnerRecord::Error { message })?),
    };
    let diallers = (&client, observer.as_ref());
    let ended = match drill.engine {
        Kind::Mysql => speak::<MySql>(&drill, diallers, out, stop).await,
        Kind::Postgres => speak::<Postgres>(&drill, diallers, out, stop).await,
        Kind::Redis => speak::<Redis>(&drill, diallers, out, stop).await,
    };
    Ok(ended?)
}

/// The whole life of a runner that speaks a protocol, as the client and as the one that asks members.
async fn speak<P: Protocol>(
    drill: &RunnerSpec,
    (client, observer): (&Dialler<'_>, Option<&Dialler<'_>>),
    out: &mut (dyn Write + Send),
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    let servers = |dialler| Servers {
        dialler,
        spec: drill,
    };
    let (client, observer) = (servers(client), observer.map(servers));
    let eyes = observer.as_ref().map(ProtocolClient::<P>::new);
    let file = Path::new(FOLDER).join(FILE);
    work(
        drill,
        ProtocolClient::<P>::new(&client),
        eyes,
        &file,
        out,
        stop,
    )
    .await
}

impl<E: EngineClient> Runner<'_, E> {
    /// That nothing can be measured, or something was left: the ledger could not be `made` or `removed`.
    fn without_ledger(&self, what: &str, broken: &Broken) -> RunnerRecord {
        RunnerRecord::Error {
            message: format!(
                "the ledger {} cannot be {what} through {}: {} ({})",
                self.spec.ledger.name,
                self.write_address(),
                broken.words,
                broken.code
            ),
        }
    }
}

/// The whole life of a runner with that engine.
async fn work<E: EngineClient>(
    spec: &RunnerSpec,
    engine: E,
    eyes: Option<E>,
    file: &Path,
    out: &mut (dyn Write + Send),
    stop: impl Future<Output = ()>,
) -> io::Result<()> {
    let deadline = Instant::now() + Duration::from_millis(spec.deadline_ms);
    let (orders_out, orders) = watch::channel(Orders::default());
    let runner = Runner {
        spec,
        client: GuardedLogin::new(engine),
        observer: eyes.map(GuardedLogin::new),
        refused: RefusedErrors::embedded(),
        book: Book::new(),
        orders,
        members: RefCell::default(),
        held: RefCell::default(),
        under_way: Cell::new(0),
        wants_ledger: Notify::new(),
        made: Cell::new(Instant::now()),
    };
    write(out, &RunnerRecord::Hello { version: VERSION })?;
    if !spec.lanes.is_empty()
        && let Err(broken) = runner.ledger(Ledger::Make).await
    {
        return write(out, &runner.without_ledger("made", &broken));
    }
    let mut stop = std::pin::pin!(stop);
    let lanes = runner.lanes();
    let mut lanes = std::pin::pin!(lanes);
    let mut batch = Instant::now() + BATCH;
    let mut look = Instant::now();
    let mut audited = 0;
    let mut remove = spec.lanes.is_empty();
    loop {
        let orders = runner.orders.borrow().clone();
        if orders.act == Act::Audit && orders.number > audited && runner.under_way.get() == 0 {
            audited = orders.number;
            // Members are asked further meanwhile: nothing of what they say is lost.
            let answers = tokio::select! {
                answers = runner.read_all() => answers,
                () = &mut lanes => Vec::new(),
            };
            runner.write_batch(out)?;
            write(out, &RunnerRecord::Audit { answers })?;
            continue;
        }
        let idle = runner.under_way.get() == 0;
        if remove || (idle && matches!(orders.act, Act::End | Act::Remove)) {
            remove |= orders.act == Act::Remove;
            break;
        }
        tokio::select! {
            () = &mut lanes => {}
            () = sleep_until(batch) => {
                runner.write_batch(out)?;
                batch += BATCH;
            }
            () = sleep_until(look) => {
                look = Instant::now() + LOOK;
                runner.receive(&orders_out, &std::fs::read_to_string(file).unwrap_or_default());
            }
            () = &mut stop => remove = true,
            () = sleep_until(deadline) => remove = true,
        }
    }
    runner.write_batch(out)?;
    if remove && let Err(broken) = runner.ledger(Ledger::Remove).await {
        return write(out, &runner.without_ledger("removed", &broken));
    }
    write(out, &runner.book.end())
}

/// What is done with the ledger.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ledger {
    Make,
    Remove,
}

impl<E: EngineClient> Runner<'_, E> {
    /// The address that takes writes.
    fn write_address(&self) -> String {
        self.spec.write.to_string()
    }

    /// Takes orders that are newer than the last ones.
    fn receive(&self, orders_out: &watch::Sender<Orders>, text: &str) {
        let Some(orders) = Orders::read(text) else {
            return;
        };
        if orders.number <= orders_out.borrow().number {
            return;
        }
        self.members.borrow_mut().extend(orders.members.clone());
        orders_out.send_replace(orders);
    }

    /// Makes or removes the ledger, and tries again for a while.
    async fn ledger(&self, what: Ledger) -> Result<(), Broken> {
        let end = Instant::now() + LEDGER;
        loop {
            match self.ledger_at(what, &self.spec.write).await {
                Err(_) if what == Ledger::Remove && self.is_removed_at_members().await => {
                    return Ok(());
                }
                Err(_) if Instant::now() < end => sleep(PAUSE).await,
                ended => return ended,
            }
        }
    }

    async fn ledger_at(&self, what: Ledger, place: &Address) -> Result<(), Broken> {
        let mut session = self.client.open(&self.spec.limits, place, 0).await?;
        let limit = self.statement();
        match what {
            Ledger::Make => limit.of(session.make(), AttemptStep::Statement).await?,
            Ledger::Remove => limit.of(session.remove(), AttemptStep::Statement).await?,
        }
        session.close().await;
        Ok(())
    }

    /// Where the write address leads nowhere: removes the ledger at the members themselves. It is gone if one that takes writes did it, and every
    /// other one did or may not write: those follow.
    async fn is_removed_at_members(&self) -> bool {
        let mut removed = false;
        for lane in &self.spec.lanes {
            let LaneKind::Member(member) = &lane.kind else {
                continue;
            };
            match self
                .ledger_at(Ledger::Remove, &self.place(member, lane))
                .await
            {
                Ok(()) => removed = true,
                Err(broken) if self.refused.is_read_only(self.spec.engine, &broken.code) => {}
                Err(_) => return false,
            }
        }
        removed
    }

    /// Every lane; never ends.
    async fn lanes(&self) {
        let lanes = join_all(self.spec.lanes.iter().map(|lane| async move {
            match &lane.kind {
                LaneKind::WriteNew | LaneKind::ReadNew => self.new_lane(lane).await,
                LaneKind::WriteHeld => self.held_lane(lane).await,
                LaneKind::Member(member) => self.member_lane(lane, member).await,
            }
        }));
        tokio::join!(lanes, self.keep_ledger());
    }

    fn write_batch(&self, out: &mut (dyn Write + Send)) -> io::Result<()> {
        match self.book.batch() {
            Some(record) => write(out, &record),
            None => Ok(()),
        }
    }
}

/// Writes one record as one line, at once.
fn write(out: &mut (dyn Write + Send), record: &RunnerRecord) -> io::Result<()> {
    let mut line = serde_json::to_vec(record)?;
    line.push(b'\n');
    out.write_all(&line)?;
    out.flush()
}
