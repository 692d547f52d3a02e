//! The runner against an engine that a test plays, on a clock that a test owns.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::engine::{Broken, EngineClient, HeldRows, Limit, Session};
use super::work;
use crate::drill::ledger::RowFold;
use crate::drill::model::{
    Address, AttemptOutcome, AttemptStep, Batch, Engine as Kind, ExpectedTable, Lane, LaneKind,
    LaneRows, Ledger, Limits, MemberState, ReadPlace, RunnerRecord, RunnerSpec, Span, VERSION,
};
use crate::drill::orders::{Act, Orders};

/// How the server behaves.
#[derive(Clone, Copy, PartialEq)]
enum Behaviour {
    Up,
    /// Connections are refused; kept ones break.
    Down,
    /// Statements hang.
    Hangs,
    /// Writes are refused.
    ReadOnly,
    /// It came back without the ledger.
    Empty,
    /// The login is refused.
    Denies,
    /// The write address leads nowhere; the members answer.
    NoService,
    /// The same, and they may not write.
    OnlyReplicas,
}

struct World {
    mood: Behaviour,
    rows: BTreeSet<(String, u64, u8)>,
    connects: usize,
    /// Sessions that the server ends by itself.
    kept: usize,
    removed: bool,
}

#[derive(Clone)]
struct FakeServer(Rc<RefCell<World>>);

impl FakeServer {
    fn new() -> Self {
        Self(Rc::new(RefCell::new(World {
            mood: Behaviour::Up,
            rows: BTreeSet::new(),
            connects: 0,
            kept: 0,
            removed: false,
        })))
    }

    fn set(&self, mood: Behaviour) {
        self.0.borrow_mut().mood = mood;
    }

    async fn ask(&self, writes: bool) -> Result<(), Broken> {
        sleep(Duration::from_millis(5)).await;
        let broken = |code: &str| Err(Broken::new(AttemptStep::Statement, code, ""));
        let mood = self.0.borrow().mood;
        match mood {
            Behaviour::Hangs => std::future::pending().await,
            Behaviour::Down => broken("closed"),
            Behaviour::Empty => broken("1146"),
            Behaviour::ReadOnly if writes => broken("1290"),
            _ => Ok(()),
        }
    }
}

impl EngineClient for FakeServer {
    type Session = Self;

    async fn connect(&self, at: SocketAddr, _: &str, _: Limit) -> Result<Self, Broken> {
        sleep(Duration::from_millis(5)).await;
        self.0.borrow_mut().connects += 1;
        match self.0.borrow().mood {
            Behaviour::Down => Err(Broken::new(AttemptStep::Connect, "refused", "")),
            Behaviour::NoService | Behaviour::OnlyReplicas if at.port() == 3306 => {
                Err(Broken::new(AttemptStep::Connect, "refused", ""))
            }
            Behaviour::Denies => Err(Broken::new(AttemptStep::Login, "1045", "")),
            _ => Ok(self.clone()),
        }
    }

    async fn resolve(&self, _: &str) -> Result<Vec<IpAddr>, Broken> {
        Ok(vec![[10, 0, 0, 1].into()])
    }
}

impl Session for FakeServer {
    async fn identify(&mut self) -> Result<String, Broken> {
        Ok("db/1".to_owned())
    }

    async fn make(&mut self) -> Result<(), Broken> {
        let mut world = self.0.borrow_mut();
        if world.mood == Behaviour::Empty {
            world.mood = Behaviour::Up;
        }
        Ok(())
    }

    async fn remove(&mut self) -> Result<(), Broken> {
        if self.0.borrow().mood == Behaviour::OnlyReplicas {
            return Err(Broken::new(AttemptStep::Statement, "1290", ""));
        }
        self.0.borrow_mut().removed = true;
        Ok(())
    }

    async fn write(&mut self, lane: &str, seq: u64) -> Result<(), Broken> {
        self.ask(true).await?;
        let fresh = self.0.borrow_mut().rows.insert((lane.to_owned(), seq, 0));
        assert!(fresh, "a seq was used again: {lane} {seq}");
        Ok(())
    }

    async fn keep(&mut self) -> Result<(), Broken> {
        self.0.borrow_mut().kept += 1;
        Ok(())
    }

    async fn write_both(&mut self, lane: &str, seq: u64) -> Result<(), Broken> {
        self.ask(true).await?;
        for half in [1, 2] {
            let fresh = self
                .0
                .borrow_mut()
                .rows
                .insert((lane.to_owned(), seq, half));
            assert!(fresh, "a seq was used again: {lane} {seq}");
        }
        Ok(())
    }

    async fn tip(&mut self) -> Result<BTreeMap<String, Span>, Broken> {
        self.ask(false).await?;
        let mut tip: BTreeMap<String, Span> = BTreeMap::new();
        for (lane, seq, _) in &self.0.borrow().rows {
            let span = tip.entry(lane.clone()).or_insert(Span {
                first: *seq,
                last: *seq,
            });
            span.last = span.last.max(*seq);
        }
        Ok(tip)
    }

    async fn rows(&mut self) -> Result<BTreeMap<String, LaneRows>, Broken> {
        self.ask(false).await?;
        let mut fold = RowFold::default();
        for (lane, seq, half) in &self.0.borrow().rows {
            let check = crate::drill::ledger::checksum(lane, *seq, *half, "a");
            fold.row(lane, *seq, *half, "a", u64::from(check));
        }
        Ok(fold.finish())
    }

    async fn state(&mut self, state: &mut MemberState) -> Result<(), Broken> {
        self.ask(false).await?;
        state.writable = Some(true);
        Ok(())
    }

    async fn holds(&mut self, _: &ExpectedTable) -> Result<HeldRows, Broken> {
        Ok(HeldRows::Yes)
    }

    async fn close(self) {}
}

fn spec() -> RunnerSpec {
    let address = Address {
        host: "db".to_owned(),
        port: 3306,
    };
    let lane = |name: &str, kind, every_ms, in_flight| Lane {
        name: name.to_owned(),
        kind,
        address: address.clone(),
        every_ms,
        in_flight,
    };
    RunnerSpec {
        version: VERSION,
        runner: "a".to_owned(),
        engine: Kind::Mysql,
        write: address.clone(),
        read: None,
        ledger: Ledger {
            name: "k8sverify_drill_r".to_owned(),
        },
        lanes: vec![
            lane("a/w-new", LaneKind::WriteNew, 200, 16),
            lane("a/w-held/0", LaneKind::WriteHeld, 100, 1),
            lane("a/r-new", LaneKind::ReadNew, 400, 16),
            Lane {
                address: Address {
                    port: 3307,
                    ..address.clone()
                },
                ..lane("a/m/db", LaneKind::Member("db".to_owned()), 250, 1)
            },
        ],
        expect: Vec::new(),
        limits: Limits::default(),
        deadline_ms: 600_000,
    }
}

/// What a runner wrote.
struct RunnerOutput {
    records: Vec<RunnerRecord>,
}

impl RunnerOutput {
    fn batches(&self) -> Vec<&Batch> {
        self.records
            .iter()
            .filter_map(|record| match record {
                RunnerRecord::Batch(batch) => Some(batch),
                _ => None,
            })
            .collect()
    }

    /// Start, outcome and code of each turn of a lane.
    fn turns(&self, lane: &str) -> Vec<(i64, AttemptOutcome, Option<String>)> {
        let mut turns: Vec<_> = self
            .batches()
            .iter()
            .flat_map(|batch| &batch.attempts)
            .filter(|attempt| attempt.lane == lane)
            .map(|attempt| (attempt.started_ms, attempt.outcome, attempt.code.clone()))
            .collect();
        turns.sort_by_key(|turn| turn.0);
        turns
    }
}

/// Runs a runner while a story changes the server, and orders come.
async fn ran(
    play: &FakeServer,
    story: impl Future<Output = ()>,
    orders: &std::path::Path,
) -> RunnerOutput {
    let mut out = Vec::new();
    let spec = spec();
    let life = work(
        &spec,
        play.clone(),
        None,
        orders,
        &mut out,
        std::future::pending(),
    );
    tokio::select! {
        ended = life => ended.unwrap(),
        () = async { story.await; sleep(Duration::from_mins(10)).await } => panic!("it does not end"),
    }
    let records = String::from_utf8(out)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    RunnerOutput { records }
}

fn order(path: &std::path::Path, number: u64, act: Act) {
    let orders = Orders {
        number,
        act,
        members: BTreeMap::new(),
    };
    std::fs::write(path, orders.text()).unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_quiet_run_acknowledges_everything_and_its_audit_finds_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("orders");
    let play = FakeServer::new();
    let story = async {
        sleep(Duration::from_secs(10)).await;
        order(&path, 1, Act::Audit);
        sleep(Duration::from_secs(5)).await;
        order(&path, 2, Act::Remove);
    };
    let ran = ran(&play, story, &path).await;
    assert!(matches!(
        ran.records.first(),
        Some(RunnerRecord::Hello { .. })
    ));
    let turns = ran.turns("a/w-new");
    assert!((49..=52).contains(&turns.len()), "{}", turns.len());
    assert!(turns.iter().all(|turn| turn.1 == AttemptOutcome::Acked));
    assert!((95..=102).contains(&ran.turns("a/w-held/0").len()));
    assert_eq!(play.0.borrow().kept, 1, "only what is kept");
    // Numbered without a hole, and each begins where the one before ended.
    let batches = ran.batches();
    for pair in batches.windows(2) {
        assert_eq!(pair[1].number, pair[0].number + 1);
        assert_eq!(pair[1].from_ms, pair[0].to_ms);
    }
    let audits: Vec<_> = ran
        .records
        .iter()
        .filter_map(|record| match record {
            RunnerRecord::Audit { answers } => Some(answers),
            _ => None,
        })
        .collect();
    let [answers] = audits[..] else { panic!() };
    let places: Vec<&ReadPlace> = answers.iter().map(|answer| &answer.place).collect();
    assert_eq!(
        places,
        [&ReadPlace::Write, &ReadPlace::Member("db".to_owned())]
    );
    let whole = &answers[1].rows["a/w-new"].whole;
    assert_eq!(whole.len(), turns.len() as u64);
    // Members are asked while all else is quiet.
    let last = batches.iter().flat_map(|batch| &batch.members).next_back();
    assert!(last.unwrap().ended_ms > 13_000);
    assert!(play.0.borrow().removed);
    let Some(RunnerRecord::End(end)) = ran.records.last() else {
        panic!()
    };
    assert_eq!(end.lanes["a/w-new"].acked, turns.len() as u64);
}

#[tokio::test(start_paused = true)]
async fn turns_that_hang_hide_no_recovery_and_are_unknown() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("orders");
    let play = FakeServer::new();
    let story = async {
        sleep(Duration::from_secs(5)).await;
        play.set(Behaviour::Hangs);
        sleep(Duration::from_secs(1)).await;
        play.set(Behaviour::Up);
        sleep(Duration::from_secs(5)).await;
        order(&path, 1, Act::Remove);
    };
    let ran = ran(&play, story, &path).await;
    let turns = ran.turns("a/w-new");
    let unknown: Vec<i64> = turns
        .iter()
        .filter(|turn| turn.1 == AttemptOutcome::Unknown)
        .map(|turn| turn.0)
        .collect();
    assert!((4..=6).contains(&unknown.len()), "{unknown:?}");
    // The first write after the second in which everything hung is acknowledged at once, although others still hang.
    let back = turns
        .iter()
        .find(|turn| turn.1 == AttemptOutcome::Acked && turn.0 > unknown[0]);
    assert!((6000..6250).contains(&back.unwrap().0), "{back:?}");
}

#[tokio::test(start_paused = true)]
async fn a_pool_keeps_what_was_only_refused_and_an_empty_server_gets_its_ledger_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("orders");
    let play = FakeServer::new();
    let story = async {
        sleep(Duration::from_secs(3)).await;
        play.set(Behaviour::ReadOnly);
        sleep(Duration::from_secs(1)).await;
        play.set(Behaviour::Down);
        sleep(Duration::from_secs(1)).await;
        play.set(Behaviour::Empty);
        sleep(Duration::from_secs(3)).await;
        order(&path, 1, Act::Remove);
    };
    let ran = ran(&play, story, &path).await;
    let turns = ran.turns("a/w-held/0");
    let codes: BTreeSet<&str> = turns.iter().filter_map(|turn| turn.2.as_deref()).collect();
    assert_eq!(codes, BTreeSet::from(["1146", "1290", "closed", "refused"]));
    // A lost connection leaves one write unknown; what was refused had no effect.
    let unknown = turns
        .iter()
        .filter(|turn| turn.1 == AttemptOutcome::Unknown);
    assert_eq!(unknown.count(), 1);
    assert_eq!(turns.last().unwrap().1, AttemptOutcome::Acked);
}

#[tokio::test(start_paused = true)]
async fn a_refused_login_is_not_tried_again_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("orders");
    let play = FakeServer::new();
    let before = RefCell::new(0);
    let begun = Instant::now();
    let story = async {
        sleep(Duration::from_secs(3)).await;
        // Kept connections break as well, so that every lane wants to log in.
        play.set(Behaviour::Down);
        sleep(Duration::from_millis(500)).await;
        play.set(Behaviour::Denies);
        *before.borrow_mut() = play.0.borrow().connects;
        sleep(Duration::from_mins(2)).await;
        order(&path, 1, Act::End);
    };
    let ran = ran(&play, story, &path).await;
    let tried = play.0.borrow().connects - *before.borrow();
    // Every lane may have one under way when the first is refused.
    assert!(
        (1..=12).contains(&tried),
        "{tried} logins in {:?}",
        begun.elapsed()
    );
    assert!(
        ran.turns("a/w-new")
            .iter()
            .any(|turn| turn.2.as_deref() == Some("login-refused"))
    );
}

#[tokio::test(start_paused = true)]
async fn a_ledger_that_the_write_address_does_not_reach_is_removed_at_the_members() {
    for (mood, is_gone) in [
        (Behaviour::NoService, true),
        (Behaviour::OnlyReplicas, false),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("orders");
        let play = FakeServer::new();
        let story = async {
            sleep(Duration::from_secs(3)).await;
            play.set(mood);
            order(&path, 1, Act::Remove);
        };
        let ran = ran(&play, story, &path).await;
        assert_eq!(play.0.borrow().removed, is_gone);
        let said = ran.records.last().unwrap();
        assert_eq!(matches!(said, RunnerRecord::End(_)), is_gone, "{said:?}");
    }
}
