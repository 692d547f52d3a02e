//! Opens sessions: resolve, connect and log in, each within its limit. A refused login is not tried again at once: it may lock the account. IO:
//! the network.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::net::{IpAddr, SocketAddr};
use std::sync::OnceLock;
use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::Runner;
use super::engine::{Broken, EngineClient, Limit, Session};
use crate::drill::model::{Address, AttemptStep, Limits, RunnerSpec};
use crate::probe::ask::Ask;
use crate::probe::clock::Clock;
use crate::probe::dns::Resolver;
use crate::probe::found::Failure;
use crate::probe::link::PeerLink;
use crate::probe::login::Login;
use crate::probe::network::AgentNetwork;
use crate::probe::record::Scrubber;
use crate::probe::target::DialTarget;
use crate::probe::turns::{Turn, TurnPlace, Turns};
use crate::probe::wire::{EdgeTask, ProbeSpec, StepError};
use crate::probe::{file, scrubber, targets};

/// What every connection of the runner needs.
pub(super) struct Dialler<'a> {
    clock: Clock,
    network: AgentNetwork,
    resolver: Resolver,
    task: &'a EdgeTask,
    target: DialTarget,
    /// The one edge is always on its way.
    turn: Turn,
    scrubber: Scrubber,
}

impl<'a> Dialler<'a> {
    /// From one of the spec's edges, whose login is used.
    ///
    /// # Errors
    /// In words: there is no edge, or no login.
    pub(super) async fn new(
        spec: &'a ProbeSpec,
        index: usize,
        drill: &RunnerSpec,
        environment: &BTreeMap<String, String>,
    ) -> Result<Self, String> {
        let task = spec
            .edges
            .get(index)
            .ok_or("the spec names no edge whose login is used")?;
        let network = AgentNetwork::new(&spec.network);
        let resolver = Resolver::new(&network, &file("/etc/resolv.conf"), &file("/etc/hosts"));
        let targets = targets(spec, environment, resolver.config());
        let scrubber = scrubber(spec, &targets, environment, resolver.config());
        let target = targets
            .into_iter()
            .nth(index)
            .ok_or("the edge leads nowhere")?;
        if let Some(why) = &target.unusable {
            return Err(why.clone());
        }
        if let (Login::Without(why), true) = (&target.login, task.login.is_some()) {
            return Err(format!("there is no login: {why}"));
        }
        Ok(Self {
            clock: Clock::starting(Duration::from_millis(drill.deadline_ms) + DAY),
            network,
            resolver,
            task,
            turn: Turns::new(None, "")
                .take(TurnPlace::host(&target.host, target.port))
                .await,
            target,
            scrubber,
        })
    }

    /// The addresses of a host.
    async fn resolve(&self, host: &str) -> Result<Vec<IpAddr>, Broken> {
        if let Ok(address) = host.parse::<IpAddr>() {
            return Ok(vec![address]);
        }
        let lookup = self.resolver.resolve(host, &self.clock).await;
        lookup
            .result
            .map_err(|failure| self.broken(AttemptStep::Resolve, &failure))
    }

    /// Opens a connection.
    async fn dial(&self, address: SocketAddr) -> Result<PeerLink, Broken> {
        self.network
            .connect_kept(address, &self.clock)
            .await
            .map_err(|failure| self.broken(AttemptStep::Connect, &failure))
    }

    /// What the protocols need to know about a connection.
    pub(super) fn ask<'s>(&'s self, address: SocketAddr, host: &'s str) -> Ask<'s> {
        Ask {
            clock: self.clock,
            network: &self.network,
            resolver: &self.resolver,
            turn: &self.turn,
            task: self.task,
            host,
            port: address.port(),
            address,
            login: &self.target.login,
            tls: self.target.tls,
            trust: &self.target.trust,
            require_trust: false,
            withheld: OnceLock::new(),
            certificate_asked: OnceLock::new(),
        }
    }

    /// A failure of the probe's own parts.
    pub(super) fn broken(&self, step: AttemptStep, failure: &Failure) -> Broken {
        let code = match failure.facts.get("code") {
            Some(code) => code.clone(),
            None => word(failure.error).to_owned(),
        };
        Broken::new(step, code, self.clean(&failure.detail))
    }

    /// A peer's words without secrets, short.
    pub(super) fn clean(&self, text: &str) -> String {
        self.scrubber.clean(text, 160)
    }
}

/// The servers of a candidate, as a login reaches them.
pub(super) struct Servers<'a> {
    pub(super) dialler: &'a Dialler<'a>,
    pub(super) spec: &'a RunnerSpec,
}

/// What is spoken with them.
pub(super) trait Protocol {
    /// An open session.
    type Session<'a>: Session;

    /// Logs in on a connection that is open.
    async fn log_in<'a>(
        servers: &'a Servers<'a>,
        stream: PeerLink,
        ask: &Ask<'_>,
    ) -> Result<Self::Session<'a>, Failure>;
}

/// Servers with which a protocol is spoken.
pub(super) struct ProtocolClient<'a, P> {
    servers: &'a Servers<'a>,
    protocol: PhantomData<P>,
}

impl<'a, P> ProtocolClient<'a, P> {
    pub(super) const fn new(servers: &'a Servers<'a>) -> Self {
        Self {
            servers,
            protocol: PhantomData,
        }
    }
}

impl<'a, P: Protocol> EngineClient for ProtocolClient<'a, P> {
    type Session = P::Session<'a>;

    async fn connect(
        &self,
        address: SocketAddr,
        host: &str,
        login: Limit,
    ) -> Result<Self::Session, Broken> {
        let Servers { dialler, spec } = self.servers;
        let connect = Limit(Duration::from_millis(spec.limits.connect_ms));
        let stream = connect
            .of(dialler.dial(address), AttemptStep::Connect)
            .await?;
        let ask = dialler.ask(address, host);
        let opened = async {
            let opened = P::log_in(self.servers, stream, &ask).await;
            opened.map_err(|failure| dialler.broken(AttemptStep::Login, &failure))
        };
        login.of(opened, AttemptStep::Login).await
    }

    async fn resolve(&self, host: &str) -> Result<Vec<IpAddr>, Broken> {
        self.servers.dialler.resolve(host).await
    }
}

/// The agent's own deadline never ends a connection: the runner's does.
const DAY: Duration = Duration::from_hours(24);

/// A failure of ours as a code.
fn word(error: StepError) -> &'static str {
    match error {
        StepError::Silent => "timeout",
        StepError::Broken => "closed",
        other => other.into(),
    }
}

impl<E: EngineClient> Runner<'_, E> {
    /// The limit of a statement.
    pub(super) const fn statement(&self) -> Limit {
        Limit(Duration::from_millis(self.spec.limits.statement_ms))
    }

    /// Opens a session as the client and asks who answers.
    pub(super) async fn meet(
        &self,
        place: &Address,
        turn: u64,
    ) -> Result<(E::Session, String), Broken> {
        self.meet_by(&self.client, place, turn).await
    }

    /// The same with another login.
    pub(super) async fn meet_by(
        &self,
        door: &GuardedLogin<E>,
        place: &Address,
        turn: u64,
    ) -> Result<(E::Session, String), Broken> {
        let mut session = door.open(&self.spec.limits, place, turn).await?;
        let identify = session.identify();
        let server = self.statement().of(identify, AttemptStep::Identify).await?;
        Ok((session, server))
    }
}

/// A login, and how often it was refused.
pub(super) struct GuardedLogin<E> {
    engine: E,
    /// Refused logins in a row, and until when none is tried.
    logins: Cell<(u32, Instant)>,
}

impl<E: EngineClient> GuardedLogin<E> {
    pub(super) fn new(engine: E) -> Self {
        Self {
            engine,
            logins: Cell::new((0, Instant::now())),
        }
    }

    /// Resolves, connects and logs in; `turn` rotates through the addresses.
    pub(super) async fn open(
        &self,
        limits: &Limits,
        place: &Address,
        turn: u64,
    ) -> Result<E::Session, Broken> {
        let (refused, until) = self.logins.get();
        if refused >= limits.login_refused_tries || Instant::now() < until {
            return Err(Broken::new(
                AttemptStep::Login,
                "login-refused",
                "a login was refused a moment ago, and is not tried again at once",
            ));
        }
        let connect = Duration::from_millis(limits.connect_ms);
        let begun = Instant::now();
        let addresses = timeout(connect, self.engine.resolve(&place.host))
            .await
            .unwrap_or_else(|_| {
                Err(Broken::new(
                    AttemptStep::Resolve,
                    "timeout",
                    "no name server answered in time",
                ))
            })?;
        let count = u64::try_from(addresses.len()).unwrap_or(1).max(1);
        let index = usize::try_from(turn % count).unwrap_or(0);
        let address = addresses.get(index).copied().ok_or_else(|| {
            Broken::new(AttemptStep::Resolve, "nodata", "the name has no address")
        })?;
        let left = connect.saturating_sub(begun.elapsed());
        let login = Limit(left + Duration::from_millis(limits.login_ms));
        let opened = self
            .engine
            .connect((address, place.port).into(), &place.host, login)
            .await;
        // A login that was refused stops all others for a while.
        match &opened {
            Ok(_) => self.logins.set((0, Instant::now())),
            Err(broken) if is_denied(broken) => {
                let wait = Duration::from_millis(limits.login_refused_wait_ms);
                self.logins.set((refused + 1, Instant::now() + wait));
            }
            Err(_) => {}
        }
        opened
    }
}

/// Whether a login was refused for what it says, not for the server's state.
fn is_denied(broken: &Broken) -> bool {
    broken.step == AttemptStep::Login
        && matches!(
            broken.code.as_str(),
            "1045" | "1698" | "28P01" | "28000" | "WRONGPASS" | "login-denied"
        )
}
