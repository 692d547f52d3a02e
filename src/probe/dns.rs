//! Resolves a name exactly as the client's Pod would: /etc/hosts, then the search list walked in ndots order, A and AAAA in parallel,
//! each candidate with its own answer, nothing cached. IO.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hickory_resolver::proto::op::{Message, Query, ResponseCode};
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::probe::clock::{Clock, Late};
use crate::probe::found::Failure;
use crate::probe::names::{Hosts, ResolverConfig};
use crate::probe::network::AgentNetwork;
use crate::probe::wire::StepError;

/// How long one name server may take for one question.
const ASK: Duration = Duration::from_millis(1500);
/// How often every name server is asked.
const ROUNDS: usize = 2;

/// How many questions wait for their answer at a time: what hundreds of edges ask at once keeps a cluster's name server from its answers.
const QUESTIONS: usize = 32;
/// A question without an answer for this long makes room for the next: the silence of one server is not waited for by all.
const ROOM: Duration = Duration::from_millis(300);

/// Looks names up.
#[derive(Debug, Clone)]
pub(crate) struct Resolver {
    config: ResolverConfig,
    hosts: Hosts,
    network: AgentNetwork,
    line: Arc<Semaphore>,
}

/// What a name resolved to.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Lookup {
    /// The addresses, IPv4 first.
    pub(crate) result: Result<Vec<IpAddr>, Failure>,
    /// `addresses`, `candidate`, `candidates`, `cname`, `source`.
    pub(crate) facts: BTreeMap<String, String>,
}

/// What the name servers say of one fully qualified name.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Answer {
    Addresses {
        addresses: Vec<IpAddr>,
        alias: Option<String>,
    },
    Nxdomain,
    Nodata {
        alias: Option<String>,
    },
    Error(ResponseCode),
    Unanswered(String),
    Invalid(String),
    Cut,
}

impl Resolver {
    /// What the Pod's resolv.conf and /etc/hosts say, or a sandbox's table instead.
    pub(crate) fn new(network: &AgentNetwork, resolv_conf: &str, hosts: &str) -> Self {
        let mut config = ResolverConfig::parse(resolv_conf);
        let table = network.table();
        let mut hosts = Hosts::parse(hosts);
        if let Some(address) = table.nameserver.as_ref().and_then(|text| text.parse().ok()) {
            config.nameservers = vec![address];
            config.ndots = 5;
            hosts = Hosts::default();
        }
        if let Some(search) = &table.search {
            config.search.clone_from(search);
        }
        Self {
            config,
            hosts,
            network: network.clone(),
            line: Arc::new(Semaphore::new(QUESTIONS)),
        }
    }

    /// What resolv.conf says.
    pub(crate) const fn config(&self) -> &ResolverConfig {
        &self.config
    }

    /// A resolver that asks other name servers, as they are written, and nothing else: no search list, no hosts file.
    pub(crate) async fn asking(&self, servers: &[String], clock: &Clock) -> Self {
        let mut nameservers = Vec::new();
        for server in servers {
            let named = server
                .rsplit_once(':')
                .filter(|(host, _)| !host.contains(':'));
            let (host, port) = named
                .and_then(|(host, port)| Some((host, port.parse().ok()?)))
                .unwrap_or((server.as_str(), 53_u16));
            let host = host.trim_matches(['[', ']']);
            if host.starts_with('$') {
                // A template's variable stands for what resolv.conf says.
                nameservers.extend(&self.config.nameservers);
            } else if let Ok(address) = host.parse::<IpAddr>() {
                nameservers.push(self.stand_in(SocketAddr::from((address, port))));
            } else if let Ok(addresses) = self.resolve(host, clock).await.result {
                let found = addresses.into_iter().map(|ip| SocketAddr::from((ip, port)));
                nameservers.extend(found.map(|address| self.stand_in(address)));
            }
        }
        Self {
            config: ResolverConfig {
                nameservers,
                search: Vec::new(),
                ndots: 0,
            },
            hosts: Hosts::default(),
            network: self.network.clone(),
            line: Arc::new(Semaphore::new(QUESTIONS)),
        }
    }

    /// A sandbox has one name server, whatever its address; what is the Pod itself stays that.
    fn stand_in(&self, address: SocketAddr) -> SocketAddr {
        let table = self.network.table().nameserver.as_ref();
        match table.and_then(|text| text.parse().ok()) {
            Some(only) if !address.ip().is_loopback() => only,
            _ => address,
        }
    }

    /// Resolves a name once.
    pub(crate) async fn resolve(&self, name: &str, clock: &Clock) -> Lookup {
        if let Some(addresses) = self.hosts.addresses(name) {
            let mut facts = address_facts(addresses);
            facts.insert("source".to_owned(), "/etc/hosts".to_owned());
            facts.insert("candidate".to_owned(), name.to_owned());
            return Lookup {
                result: Ok(addresses.to_vec()),
                facts,
            };
        }
        let mut asked = Vec::new();
        for candidate in self.config.candidates(name) {
            let answer = self.ask(&candidate, clock).await;
            let stop = matches!(
                answer,
                Answer::Addresses { .. } | Answer::Unanswered(_) | Answer::Cut
            );
            asked.push((candidate, answer));
            if stop {
                break;
            }
        }
        summarise(name, &asked)
    }

    /// Asks for the addresses of one fully qualified name.
    async fn ask(&self, candidate: &str, clock: &Clock) -> Answer {
        let name = match Name::from_ascii(candidate) {
            Ok(name) => name,
            Err(error) => return Answer::Invalid(error.to_string()),
        };
        let (four, six) = tokio::join!(
            self.query(&name, RecordType::A, clock),
            self.query(&name, RecordType::AAAA, clock)
        );
        join(four, six)
    }

    /// Asks every name server in turn, twice, and returns the first answer that settles it.
    async fn query(&self, name: &Name, kind: RecordType, clock: &Clock) -> Answer {
        let mut last = Answer::Unanswered("no name server".to_owned());
        for _ in 0..ROUNDS {
            for server in &self.config.nameservers {
                let real = match self.network.real(*server) {
                    Ok(real) => real,
                    Err(failure) => return Answer::Invalid(failure.detail),
                };
                // No one closes it; without a place a question would only be asked earlier.
                let place = self.line.acquire().await.ok();
                let asked = async {
                    let mut exchange = pin!(exchange(real, name, kind));
                    let soon = timeout(ROOM, &mut exchange).await;
                    drop(place);
                    match soon {
                        Ok(said) => said,
                        Err(_) => exchange.await,
                    }
                };
                last = match clock.by(clock.phase(ASK), asked).await {
                    Ok(Ok(message)) => read(&message, kind),
                    Ok(Err(reason)) => {
                        // Refused at once: give a name server that is just coming up a moment.
                        clock.pause(Duration::from_millis(100)).await;
                        Answer::Unanswered(format!("{}: {reason}", server.ip()))
                    }
                    Err(Late::Step) => {
                        Answer::Unanswered(format!("{} did not answer", server.ip()))
                    }
                    Err(Late::Panic) => {
                        Answer::Unanswered(format!("{}: no answer that can be read", server.ip()))
                    }
                    Err(Late::Agent) => return Answer::Cut,
                };
                if !matches!(last, Answer::Unanswered(_) | Answer::Error(_)) {
                    return last;
                }
            }
        }
        last
    }
}

/// One question to one name server: by datagram, and by stream if the answer does not fit.
async fn exchange(server: SocketAddr, name: &Name, kind: RecordType) -> Result<Message, String> {
    let mut question = Message::query();
    question.metadata.recursion_desired = true;
    question.add_query(Query::query(name.clone(), kind));
    let bytes = question.to_vec().map_err(|error| error.to_string())?;
    let any: SocketAddr = if server.is_ipv4() {
        (Ipv4Addr::UNSPECIFIED, 0).into()
    } else {
        (Ipv6Addr::UNSPECIFIED, 0).into()
    };
    let socket = UdpSocket::bind(any)
        .await
        .map_err(|error| error.to_string())?;
    socket
        .connect(server)
        .await
        .map_err(|error| error.to_string())?;
    socket
        .send(&bytes)
        .await
        .map_err(|error| error.to_string())?;
    let mut buffer = vec![0; 4096];
    loop {
        let length = socket
            .recv(&mut buffer)
            .await
            .map_err(|error| error.to_string())?;
        // What does not belong to the question is noise, not an answer.
        let Ok(message) = Message::from_vec(&buffer[..length]) else {
            continue;
        };
        if message.metadata.id != question.metadata.id || message.queries != question.queries {
            continue;
        }
        if message.metadata.truncation {
            return by_stream(server, &bytes, &question).await;
        }
        return Ok(message);
    }
}

/// The same question by TCP.
async fn by_stream(
    server: SocketAddr,
    bytes: &[u8],
    question: &Message,
) -> Result<Message, String> {
    let text = |error: std::io::Error| format!("over TCP: {error}");
    let mut stream = TcpStream::connect(server).await.map_err(text)?;
    let length = u16::try_from(bytes.len()).map_err(|error| error.to_string())?;
    stream.write_u16(length).await.map_err(text)?;
    stream.write_all(bytes).await.map_err(text)?;
    let length = stream.read_u16().await.map_err(text)?;
    let mut answer = vec![0; usize::from(length)];
    stream.read_exact(&mut answer).await.map_err(text)?;
    let message = Message::from_vec(&answer).map_err(|error| error.to_string())?;
    if message.metadata.id == question.metadata.id {
        Ok(message)
    } else {
        Err("over TCP: an answer to another question".to_owned())
    }
}

/// What one message says.
fn read(message: &Message, kind: RecordType) -> Answer {
    let mut addresses = Vec::new();
    let mut alias = None;
    for record in &message.answers {
        match &record.data {
            RData::A(address) if kind == RecordType::A => addresses.push(IpAddr::V4(address.0)),
            RData::AAAA(address) if kind == RecordType::AAAA => {
                addresses.push(IpAddr::V6(address.0));
            }
            RData::CNAME(target) => alias = Some(target.0.to_ascii()),
            _ => {}
        }
    }
    match message.metadata.response_code {
        ResponseCode::NoError if addresses.is_empty() => Answer::Nodata { alias },
        ResponseCode::NoError => Answer::Addresses { addresses, alias },
        ResponseCode::NXDomain if alias.is_some() => Answer::Nodata { alias },
        ResponseCode::NXDomain => Answer::Nxdomain,
        code => Answer::Error(code),
    }
}

/// Both families as one answer: addresses of either count, and silence counts only where nothing else was said.
fn join(four: Answer, six: Answer) -> Answer {
    match (four, six) {
        (
            Answer::Addresses {
                mut addresses,
                alias,
            },
            Answer::Addresses {
                addresses: more, ..
            },
        ) => {
            addresses.extend(more);
            Answer::Addresses { addresses, alias }
        }
        (found @ Answer::Addresses { .. }, _) | (_, found @ Answer::Addresses { .. }) => found,
        // NXDOMAIN speaks of the name, whatever the type.
        (Answer::Nxdomain, _) | (_, Answer::Nxdomain) => Answer::Nxdomain,
        // Without IPv6 the IPv4 answer is the one that a client needs.
        (four, _) => four,
    }
}

fn address_facts(addresses: &[IpAddr]) -> BTreeMap<String, String> {
    let text: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    BTreeMap::from([("addresses".to_owned(), text.join(","))])
}

/// All candidates as one outcome, the way a C library sums them up.
fn summarise(name: &str, asked: &[(String, Answer)]) -> Lookup {
    let mut facts = BTreeMap::new();
    let all: Vec<String> = asked
        .iter()
        .map(|(candidate, answer)| format!("{candidate}={}", words(answer)))
        .collect();
    let all = all.join("; ");
    facts.insert("candidates".to_owned(), all.clone());
    let alias = asked.iter().find_map(|(_, answer)| match answer {
        Answer::Addresses { alias, .. } | Answer::Nodata { alias } => alias.clone(),
        _ => None,
    });
    if let Some(alias) = alias {
        facts.insert("cname".to_owned(), alias);
    }
    for (candidate, answer) in asked {
        if let Answer::Addresses { addresses, .. } = answer {
            facts.extend(address_facts(addresses));
            facts.insert("candidate".to_owned(), candidate.clone());
            return Lookup {
                result: Ok(addresses.clone()),
                facts,
            };
        }
    }
    let failure = |error, what: &str| Failure::new(error, format!("`{name}` {what}: {all}"));
    let any = |test: fn(&Answer) -> bool| asked.iter().any(|(_, answer)| test(answer));
    let failure = if any(|answer| matches!(answer, Answer::Cut)) {
        failure(StepError::Deadline, "was not resolved before the deadline")
    } else if any(|answer| matches!(answer, Answer::Unanswered(_))) {
        failure(StepError::DnsTimeout, "got no answer from any name server")
    } else if any(|answer| matches!(answer, Answer::Error(_))) {
        failure(
            StepError::Servfail,
            "could not be resolved by the name server",
        )
    } else if let Some((candidate, _)) = asked
        .iter()
        .find(|(_, answer)| matches!(answer, Answer::Nodata { .. }))
    {
        facts.insert("candidate".to_owned(), candidate.clone());
        failure(StepError::Nodata, "exists, but has no address")
    } else if any(|answer| matches!(answer, Answer::Nxdomain)) {
        failure(StepError::Nxdomain, "does not exist")
    } else {
        failure(StepError::DnsInvalid, "is not a name that DNS can hold")
    };
    Lookup {
        result: Err(failure),
        facts,
    }
}

fn words(answer: &Answer) -> String {
    match answer {
        Answer::Addresses { addresses, .. } => address_facts(addresses)
            .remove("addresses")
            .unwrap_or_default(),
        Answer::Nxdomain => "NXDOMAIN".to_owned(),
        Answer::Nodata { alias: None } => "no address".to_owned(),
        Answer::Nodata { alias: Some(alias) } => format!("no address (alias of {alias})"),
        Answer::Error(ResponseCode::ServFail) => "SERVFAIL".to_owned(),
        Answer::Error(ResponseCode::Refused) => "REFUSED".to_owned(),
        Answer::Error(code) => format!("{code}"),
        Answer::Unanswered(reason) | Answer::Invalid(reason) => reason.clone(),
        Answer::Cut => "not asked to the end".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use futures::future::join_all;
    use tokio::time::sleep;

    use super::*;
    use crate::probe::wire::NetworkTable;

    #[tokio::test]
    async fn a_name_server_is_not_asked_everything_at_once_and_its_silence_holds_no_question_back()
    {
        let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let network = AgentNetwork::new(&NetworkTable {
            nameserver: Some(server.local_addr().unwrap().to_string()),
            ..NetworkTable::default()
        });
        let resolver = Resolver::new(&network, "", "");
        let clock = Clock::starting(Duration::from_mins(1));
        let names: Vec<String> = (0..100).map(|name| format!("n{name}.example.")).collect();
        let all = join_all(names.iter().map(|name| resolver.resolve(name, &clock)));
        let count = async {
            let mut buffer = [0; 512];
            let mut asked = 0;
            let mut over = pin!(sleep(ROOM / 2));
            loop {
                tokio::select! {
                    biased;
                    () = &mut over => break,
                    received = server.recv(&mut buffer) => asked += usize::from(received.is_ok()),
                }
            }
            assert_eq!(asked, QUESTIONS);
            while asked < 4 * QUESTIONS {
                server.recv(&mut buffer).await.unwrap();
                asked += 1;
            }
        };
        tokio::select! {
            _ = all => panic!("no one answers"),
            () = count => {}
        }
        assert!(clock.younger_than(Duration::from_secs(30)));
    }
}
