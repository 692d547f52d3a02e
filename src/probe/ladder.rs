//! One edge: DNS → Service address → each endpoint, each with its protocol and login; failures are repeated before they count. IO:
//! connections.

mod endpoints;
mod step;
mod verdict;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::panic::AssertUnwindSafe;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::FutureExt;
use tokio::sync::Mutex;
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::{Instant, timeout};

use crate::probe::ask::Ask;
use crate::probe::clock::{Clock, Late};
use crate::probe::dns::{Lookup, Resolver};
use crate::probe::found::{Failure, Found, first_broken};
use crate::probe::identify;
pub(crate) use crate::probe::ladder::step::{cut, failed, owed};
use crate::probe::ladder::verdict::{Retry, retry};
use crate::probe::login::Login;
use crate::probe::network::AgentNetwork;
use crate::probe::talk::talk;
use crate::probe::target::DialTarget;
use crate::probe::turns::{Turn, TurnPlace, Turns};
use crate::probe::wire::{EdgeTask, NameTask, Record, Step, StepError, StepName, StepStatus};
use crate::protocol::Protocol;

/// How many endpoints are dialled at a time; logins stay one after another.
const ENDPOINTS_AT_ONCE: usize = 8;
/// How many addresses of one name are dialled.
const ADDRESSES: usize = 16;
/// A server that is there answers a connect within this time.
const SOON: Duration = Duration::from_millis(300);
/// How long a passing edge that the rules deny is left alone before it is dialled again.
const RECHECK: Duration = Duration::from_secs(6);
/// How long a mesh's proxy may take to come up beside the agent.
const PROXY_START: Duration = Duration::from_secs(10);

/// What every edge of this agent shares.
pub(crate) struct Agent {
    /// Time.
    pub(crate) clock: Clock,
    /// Dialling.
    pub(crate) network: AgentNetwork,
    /// Names.
    pub(crate) resolver: Resolver,
    /// Who may walk now.
    pub(crate) turns: Turns,
    /// Where records go.
    pub(crate) records: UnboundedSender<Record>,
    /// Whether trust that is not proven makes an edge unknown.
    pub(crate) require_trust: bool,
}

/// One edge on its way.
struct Walk<'a> {
    agent: &'a Agent,
    turn: Turn,
    task: &'a EdgeTask,
    target: &'a DialTarget,
    logins: Mutex<()>,
    refused: AtomicBool,
}

impl Agent {
    /// Resolves a name whose record matters although no edge may use it.
    pub(crate) async fn name(&self, task: &NameTask) {
        let window = Duration::from_millis(task.retry_not_found_ms);
        let (lookup, found) = self
            .resolve(&self.resolver, &task.name, window, Duration::ZERO)
            .await;
        drop(lookup);
        self.write(&task.id, None, found);
    }

    /// Walks an edge.
    pub(crate) async fn edge(&self, task: &EdgeTask, target: &DialTarget) {
        let turn = self.turns.take(TurnPlace::of(task, target)).await;
        self.send(Record::Started {
            task: task.id.clone(),
        });
        let walk = Walk {
            agent: self,
            turn,
            task,
            target,
            logins: Mutex::new(()),
            refused: AtomicBool::new(false),
        };
        // On the heap: an edge that waits for its turn takes no more than its place in the line.
        Box::pin(walk.run()).await;
    }

    /// Sends one step on its way to the log.
    fn write(&self, task: &str, endpoint: Option<String>, found: Found) {
        let target = if found.target.is_empty() {
            endpoint.clone().unwrap_or_default()
        } else {
            found.target
        };
        let step = Step {
            task: task.to_owned(),
            name: found.name,
            target,
            endpoint,
            status: found.status,
            error: found.error,
            detail: found.detail,
            duration_ms: u64::try_from(found.duration.as_millis()).unwrap_or(u64::MAX),
            tries: found.tries,
            facts: found.facts,
        };
        self.send(Record::Step(step));
    }

    fn send(&self, record: Record) {
        // The receiver lives as long as the agent; at its deadline no one reads any more.
        let _ = self.records.send(record);
    }

    /// Resolves a name, as often as its failure may be a matter of time.
    async fn resolve(
        &self,
        resolver: &Resolver,
        host: &str,
        not_found: Duration,
        window: Duration,
    ) -> (Lookup, Found) {
        let begun = Instant::now();
        // Only a name that a Service has comes to be once an old "no such name" has run out.
        let not_found = if resolver.config().may_be_service(host) {
            not_found
        } else {
            Duration::ZERO
        };
        let mut tries = 0;
        let mut earlier: Vec<StepError> = Vec::new();
        loop {
            let asked = Instant::now();
            let lookup = resolver.resolve(host, &self.clock).await;
            tries += 1;
            let error = lookup.result.as_ref().err().map(|failure| failure.error);
            let again = match error {
                None | Some(StepError::DnsInvalid | StepError::Deadline) => false,
                Some(StepError::Nxdomain | StepError::Nodata) => {
                    tries < 2 || begun.elapsed() < not_found || self.clock.younger_than(window)
                }
                // Every name server was asked twice already.
                Some(StepError::DnsTimeout) => self.clock.younger_than(window),
                Some(_) => tries < 3 || self.clock.younger_than(window),
            };
            let gap = Duration::from_millis(if tries < 2 { 200 } else { 700 });
            if again && self.clock.pause(gap).await {
                earlier.extend(error);
                continue;
            }
            let mut found = match &lookup.result {
                Ok(_) => Found::pass(StepName::Dns, ""),
                Err(failure) => Found::fail(StepName::Dns, failure.clone()),
            };
            found.facts.extend(lookup.facts.clone());
            found.tries = tries;
            earlier.retain(|before| Some(*before) != error);
            if !earlier.is_empty() && !self.clock.younger_than(window) && not_found.is_zero() {
                found = found.fact("flapping", verdict::names(&earlier));
            }
            return (lookup, found.asked(host).since(asked));
        }
    }
}

impl Walk<'_> {
    async fn run(&self) {
        let addresses = Box::pin(self.resolve()).await;
        let resolved = !addresses.is_empty();
        // A headless name leads to the endpoints themselves, which are dialled once; else nothing that is dropped waits for the other.
        let headless = self.task.endpoints.iter().any(|endpoint| {
            endpoint.port.get() == self.target.port && addresses.contains(&endpoint.address)
        });
        if headless {
            let known = self.service(&addresses).await;
            self.endpoints(resolved, &known).await;
        } else {
            let known = BTreeMap::new();
            // Most edges are done with one of the two long before the other: what that took is free again.
            tokio::join!(
                self.service(&addresses),
                Box::pin(self.endpoints(resolved, &known))
            );
        }
    }

    /// The DNS step.
    async fn resolve(&self) -> Vec<IpAddr> {
        let agent = self.agent;
        if let Some((variable, flaw)) = self.target.flaw.as_ref().filter(|(_, flaw)| flaw.certain) {
            let failure = Failure::new(
                StepError::DnsInvalid,
                format!("{variable} {}: that is no name", flaw.words),
            );
            let found = Found::fail(StepName::Dns, failure).asked(variable);
            self.write(None, self.target.mark(found));
            return Vec::new();
        }
        if let Some(reason) = &self.target.unusable {
            let found = Found::unknown(StepName::Dns, reason.clone()).asked(&self.task.host);
            self.write(None, self.target.mark(found));
            return Vec::new();
        }
        if let Ok(address) = self.target.host.parse::<IpAddr>() {
            let found = Found::skipped(StepName::Dns, "an address needs no name server")
                .fact("addresses", address.to_string());
            self.write(None, self.target.mark(found.asked(&self.target.host)));
            return vec![address];
        }
        let not_found = Duration::from_millis(self.task.retry_not_found_ms);
        let own = match &self.task.nameservers {
            Some(servers) => Some(agent.resolver.asking(servers, &agent.clock).await),
            None => None,
        };
        let resolver = own.as_ref().unwrap_or(&agent.resolver);
        let host = &self.target.host;
        let (mut lookup, mut found) = agent
            .resolve(resolver, host, not_found, self.window())
            .await;
        // Policies of a new Pod may take seconds: where the rules deny it DNS, only the later answer counts.
        if self.task.recheck_dns && found.passed() && agent.clock.pause(RECHECK).await {
            (lookup, found) = agent
                .resolve(resolver, host, not_found, self.window())
                .await;
        }
        if let Some(servers) = &self.task.nameservers {
            found = found.fact("source", format!("resolver {}", servers.join(" ")));
        }
        self.write(None, self.target.mark(found));
        lookup.result.unwrap_or_default()
    }

    /// Until when a failure may be a matter of time.
    fn window(&self) -> Duration {
        let window = Duration::from_millis(self.task.retry_until_ms);
        if self.task.mesh {
            window.max(PROXY_START)
        } else {
            window
        }
    }

    /// Every address that the name resolved to, one after another.
    async fn service(&self, addresses: &[IpAddr]) -> BTreeMap<SocketAddr, Vec<Found>> {
        let mut known = BTreeMap::new();
        if addresses.is_empty() {
            let found = Found::skipped(
                StepName::Service,
                "the name did not resolve, so there is nothing to dial",
            );
            self.write(None, found.asked(self.target.shown()));
            return known;
        }
        let port = self.target.port;
        for address in addresses.iter().take(ADDRESSES) {
            let address = SocketAddr::from((*address, port));
            let mut found = self.address(address, StepName::Service, true).await;
            if let Some(first) = found.first_mut()
                && first.status == StepStatus::Fail
                && addresses.len() > 1
                && !self.agent.network.has_route(address)
            {
                first.status = StepStatus::Skipped;
                first.error = None;
                first.detail = format!("this Pod has no way to {address}: {}", first.detail);
            }
            for step in &found {
                let mut step = step.clone();
                if step.target.is_empty() {
                    step.target = address.to_string();
                }
                self.write(None, self.target.mark(step));
            }
            known.insert(address, found);
        }
        known
    }

    /// One address: tried, and tried again where the failure may pass.
    async fn address(&self, address: SocketAddr, step: StepName, may_log_in: bool) -> Vec<Found> {
        if self.task.protocol == Protocol::Udp {
            return vec![Found::skipped(
                step,
                "UDP: no connection could prove anything",
            )];
        }
        let mut earlier = Vec::new();
        let mut recheck = self.task.recheck_pass;
        let mut tries = 0;
        loop {
            let mut found = self.attempt(address, step, may_log_in, recheck).await;
            tries += 1;
            if recheck && found.first().is_some_and(Found::passed) {
                // Policies of a new Pod may take seconds: only the later answer counts.
                recheck = false;
                if self.agent.clock.pause(RECHECK).await {
                    continue;
                }
                return vec![Found::unknown(
                    step,
                    "passed at once, although the rules deny it; there was no time to ask again",
                )];
            }
            if tries == 1 {
                Box::pin(self.identify(&mut found, address)).await;
            }
            if self.target.tls_unseen {
                verdict::unseen(&mut found);
            }
            let window = self.agent.clock.younger_than(self.window());
            if let Some(broken) = first_broken(&found)
                && let Some(error) = broken.error
                && let Retry::After(gap) = retry(&found, broken, tries, window)
                && self.agent.clock.pause(gap).await
            {
                earlier.push(error);
                continue;
            }
            self.finish(&mut found, tries, &mut earlier);
            return found;
        }
    }

    /// Identifies a peer that accepts the connection and does not speak the protocol.
    async fn identify(&self, found: &mut [Found], address: SocketAddr) {
        let secure = found.iter().any(|step| step.name == StepName::Tls);
        let unidentified = found.iter_mut().find(|step| {
            let names: &[StepError] = match step.name {
                StepName::Protocol => &[
                    StepError::Silent,
                    StepError::Closed,
                    StepError::Reset,
                    StepError::Broken,
                ],
                // One that ends the handshake knows TLS, and may even say so in plain HTTP.
                StepName::Tls => &[StepError::Silent],
                _ => &[],
            };
            step.error.is_some_and(|error| names.contains(&error))
        });
        if let Some(step) = unidentified
            && !matches!(self.task.protocol, Protocol::Tcp | Protocol::Fastcgi)
        {
            identify::note(
                step,
                address,
                self.task.protocol,
                secure,
                &self.agent.network,
                &self.agent.clock,
            )
            .await;
        }
    }

    /// Notes what the tries had to say.
    fn finish(&self, found: &mut [Found], tries: u32, earlier: &mut Vec<StepError>) {
        let error = first_broken(found).and_then(|broken| broken.error);
        earlier.retain(|before| Some(*before) != error);
        let late = self.agent.clock.younger_than(self.window());
        let at = found
            .iter()
            .position(|step| matches!(step.status, StepStatus::Fail | StepStatus::Unknown))
            .unwrap_or(0);
        if let Some(step) = found.get_mut(at) {
            step.tries = tries;
            if !earlier.is_empty() && !late {
                step.facts
                    .insert("flapping".to_owned(), verdict::names(earlier));
            }
        }
        if self.task.mesh {
            verdict::mesh(found);
        }
    }

    /// Why the credentials may not go to an address now; `None` if they may.
    fn withheld(&self, address: SocketAddr, may_log_in: bool) -> Option<Login> {
        if !may_log_in {
            return Some(Login::Without(
                "the client's own name for it does not resolve, so its credentials are not sent"
                    .to_owned(),
            ));
        }
        if self.refused.load(Ordering::Relaxed) {
            return Some(Login::Without(
                "a login was refused before; it is not repeated, since that could lock the account"
                    .to_owned(),
            ));
        }
        let known = self.task.login_addresses.as_ref()?;
        (!known.contains(&address.ip().to_canonical())).then(|| {
            Login::Without(format!(
                "login skipped: {} is no address that the API shows for {}, and the client's own configuration does not name that host",
                address.ip(),
                self.target.shown()
            ))
        })
    }

    /// One connection, from the connect to the last query.
    async fn attempt(
        &self,
        address: SocketAddr,
        step: StepName,
        may_log_in: bool,
        connect_only: bool,
    ) -> Vec<Found> {
        let clock = self.agent.clock;
        let begun = Instant::now();
        // One that only waits for its connection keeps no other from its turn: a server's silence costs one wait, not one for each edge.
        let (connected, _rest) = {
            let mut connect = Box::pin(self.agent.network.connect(address, &clock));
            if let Ok(connected) = timeout(SOON, &mut connect).await {
                (connected, None)
            } else {
                let rest = self.turn.rest();
                (connect.await, rest)
            }
        };
        let stream = match connected {
            Ok(stream) => stream,
            Err(failure) => return vec![Found::fail(step, failure).since(begun)],
        };
        let mut found = vec![Found::pass(step, "").since(begun)];
        if connect_only || (self.task.forbidden && !self.task.mesh) {
            return found;
        }
        // Logins go one after another; where there is none, nothing waits.
        let turn = match self.target.login {
            Login::With(_) => Some(self.logins.lock().await),
            Login::Without(_) => None,
        };
        let withheld = self.withheld(address, may_log_in);
        let ask = Ask {
            clock,
            network: &self.agent.network,
            resolver: &self.agent.resolver,
            turn: &self.turn,
            task: self.task,
            host: self.task.name().unwrap_or(&self.target.host),
            port: self.target.port,
            address,
            login: match (&self.target.login, &withheld) {
                (Login::With(_), Some(withheld)) => withheld,
                (login, _) => login,
            },
            tls: self.target.tls,
            trust: &self.target.trust,
            require_trust: self.agent.require_trust,
            withheld: OnceLock::new(),
            certificate_asked: OnceLock::new(),
        };
        // A reader that a hostile peer makes panic costs this connection only.
        let steps = AssertUnwindSafe(talk(stream, &ask))
            .catch_unwind()
            .await
            .unwrap_or_else(|_| {
                let failure = Failure::late(Late::Panic, StepError::Broken, "");
                vec![Found::fail(StepName::Protocol, failure)]
            });
        drop(turn);
        let denied = steps
            .iter()
            .any(|step| step.name == StepName::Login && step.error == Some(StepError::LoginDenied));
        if denied {
            self.refused.store(true, Ordering::Relaxed);
        }
        found.extend(steps);
        found
    }

    fn write(&self, endpoint: Option<SocketAddr>, found: Found) {
        let endpoint = endpoint.map(|address| address.to_string());
        self.agent.write(&self.task.id, endpoint, found);
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU16;

    use tokio::sync::mpsc;

    use super::*;
    use crate::probe::trust::ClientTrust;

    /// A thousand of them wait for a greeting at the same time.
    #[tokio::test]
    async fn an_edge_that_waits_takes_little_memory() {
        let none = BTreeMap::new();
        let port = NonZeroU16::new(80).unwrap();
        let task = EdgeTask::bare("e".to_owned(), "h".to_owned(), port, Protocol::Tcp);
        let environment = ClientTrust::read(&none, &[]);
        let target = DialTarget::of(&task, &none, &environment, &|_| false);
        let network = AgentNetwork::default();
        let agent = Agent {
            clock: Clock::starting(Duration::from_secs(1)),
            resolver: Resolver::new(&network, "", ""),
            network,
            turns: Turns::new(None, ""),
            records: mpsc::unbounded_channel().0,
            require_trust: false,
        };
        let walk = Walk {
            agent: &agent,
            turn: agent.turns.take(TurnPlace::host("h", 80)).await,
            task: &task,
            target: &target,
            logins: Mutex::new(()),
            refused: AtomicBool::new(false),
        };
        let all = size_of_val(&walk.run()) + size_of::<DialTarget>() + size_of::<EdgeTask>();
        assert!(all < 3072, "{all} bytes");
    }
}
