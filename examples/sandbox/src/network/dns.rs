//! The cluster's DNS, answered from the objects of the store, over UDP and TCP. IO: its sockets.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;

use hickory_proto::op::{Message, MessageType, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA, CNAME};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream, UdpSocket};
use tokio::task::JoinSet;

use crate::scenario::{DnsFile, DnsMode};
use crate::store::Store;
use crate::{kinds, store};

const DOMAIN: &str = "cluster.local";
const TTL: u32 = 5;
/// A UDP port whose number TCP does not have is given back, and another one tried.
const PORT_TRIES: usize = 32;

/// The name server; it ends when it is dropped.
pub(crate) struct Dns {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// What only has to stay taken.
    _kept: Vec<TcpSocket>,
    _serving: JoinSet<()>,
}

/// What a name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Meaning {
    Addresses(Vec<IpAddr>),
    Alias(String),
    Nothing,
    Failure,
}

impl Dns {
    /// Starts to answer.
    ///
    /// # Errors
    /// No free port.
    pub(crate) async fn start(store: Arc<Store>, file: &DnsFile) -> io::Result<Self> {
        let mut serving = JoinSet::new();
        if file.answers == DnsMode::Refuse {
            // The port is taken, and no one listens on it.
            let kept = TcpSocket::new_v4()?;
            kept.bind((Ipv4Addr::LOCALHOST, 0).into())?;
            return Ok(Self {
                address: kept.local_addr()?,
                _kept: vec![kept],
                _serving: serving,
            });
        }
        let (datagrams, streams) = sockets().await?;
        let address = datagrams.local_addr()?;
        let zone = Arc::new(Zone {
            store,
            file: file.clone(),
        });
        let by_stream = Arc::clone(&zone);
        serving.spawn(async move {
            let mut buffer = vec![0; 4096];
            while let Ok((length, client)) = datagrams.recv_from(&mut buffer).await {
                if let Some(answer) = zone.answer(&buffer[..length]) {
                    // A client that is gone misses its answer.
                    let _ = datagrams.send_to(&answer, client).await;
                }
            }
        });
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = streams.accept().await {
                let zone = Arc::clone(&by_stream);
                connections.spawn(async move {
                    let _ = talk(stream, &zone).await;
                });
                while connections.try_join_next().is_some() {}
            }
        });
        Ok(Self {
            address,
            _kept: Vec::new(),
            _serving: serving,
        })
    }
}

/// What a server knows.
struct Zone {
    store: Arc<Store>,
    file: DnsFile,
}

/// The same free port of both transports.
async fn sockets() -> io::Result<(UdpSocket, TcpListener)> {
    let mut last = io::Error::other("no port tried");
    for _ in 0..PORT_TRIES {
        let datagrams = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        match TcpListener::bind(datagrams.local_addr()?).await {
            Ok(streams) => return Ok((datagrams, streams)),
            Err(error) => last = error,
        }
    }
    Err(last)
}

async fn talk(mut stream: TcpStream, zone: &Zone) -> io::Result<()> {
    loop {
        let length = stream.read_u16().await?;
        let mut question = vec![0; usize::from(length)];
        stream.read_exact(&mut question).await?;
        let Some(answer) = zone.answer(&question) else {
            return Ok(());
        };
        let length = u16::try_from(answer.len()).map_err(io::Error::other)?;
        stream.write_u16(length).await?;
        stream.write_all(&answer).await?;
    }
}

impl Zone {
    fn answer(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        let question = Message::from_vec(bytes).ok()?;
        if question.metadata.message_type != MessageType::Query {
            return None;
        }
        if self.file.answers == DnsMode::Silent {
            return None;
        }
        let query = question.queries.first()?.clone();
        let mut answer = Message::response(question.metadata.id, question.metadata.op_code);
        answer.metadata.recursion_desired = question.metadata.recursion_desired;
        answer.metadata.recursion_available = true;
        answer.metadata.authoritative = true;
        answer.add_query(query.clone());
        let mut name = query.name.clone();
        // An alias may lead to another one; a circle ends.
        for _ in 0..8 {
            match self.meaning(&name.to_ascii().to_ascii_lowercase()) {
                Some(Meaning::Failure) => {
                    answer.metadata.response_code = ResponseCode::ServFail;
                    break;
                }
                None => {
                    answer.metadata.response_code = ResponseCode::NXDomain;
                    break;
                }
                Some(Meaning::Nothing) => break,
                Some(Meaning::Alias(target)) => {
                    let Ok(target) = Name::from_str(&format!("{}.", target.trim_end_matches('.')))
                    else {
                        break;
                    };
                    let data = RData::CNAME(CNAME(target.clone()));
                    answer.add_answer(Record::from_rdata(name, TTL, data));
                    name = target;
                }
                Some(Meaning::Addresses(addresses)) => {
                    for address in addresses {
                        let data = match (address, query.query_type) {
                            (IpAddr::V4(address), RecordType::A) => RData::A(A(address)),
                            (IpAddr::V6(address), RecordType::AAAA) => RData::AAAA(AAAA(address)),
                            _ => continue,
                        };
                        answer.add_answer(Record::from_rdata(name.clone(), TTL, data));
                    }
                    break;
                }
            }
        }
        answer.to_vec().ok()
    }

    fn meaning(&self, name: &str) -> Option<Meaning> {
        if self.file.answers == DnsMode::Servfail {
            return Some(Meaning::Failure);
        }
        let Some(says) = self.file.names.get(name.trim_end_matches('.')) else {
            return meaning(&self.store, name);
        };
        let addresses: Result<Vec<IpAddr>, _> = says.split_whitespace().map(str::parse).collect();
        match (says.as_str(), addresses) {
            ("nxdomain", _) => None,
            ("nodata", _) => Some(Meaning::Nothing),
            ("servfail", _) => Some(Meaning::Failure),
            (_, Ok(addresses)) => Some(Meaning::Addresses(addresses)),
            (alias, Err(_)) => Some(Meaning::Alias(alias.to_owned())),
        }
    }
}

/// What a fully qualified name in lower case stands for; `None`: it does not exist.
fn meaning(store: &Store, name: &str) -> Option<Meaning> {
    let name = name.trim_end_matches('.').strip_suffix(DOMAIN)?;
    let labels: Vec<&str> = name.split('.').filter(|label| !label.is_empty()).collect();
    match labels.as_slice() {
        [] | ["svc"] => Some(Meaning::Nothing),
        [namespace, "svc"] => store
            .get(kinds::of("namespaces"), "", namespace)
            .map(|_| Meaning::Nothing),
        [service, namespace, "svc"] => of_service(store, namespace, service),
        [pod, service, namespace, "svc"] => of_pod(store, namespace, service, pod),
        _ => None,
    }
}

fn of_service(store: &Store, namespace: &str, name: &str) -> Option<Meaning> {
    let service = store.get(kinds::of("services"), namespace, name)?;
    if let Some(target) = service
        .pointer("/spec/externalName")
        .and_then(|name| name.as_str())
    {
        return Some(Meaning::Alias(target.to_owned()));
    }
    let addresses: Vec<IpAddr> = store::list(&service, "/spec/clusterIPs")
        .iter()
        .filter_map(|address| address.as_str()?.parse().ok())
        .collect();
    if !addresses.is_empty() {
        return Some(Meaning::Addresses(addresses));
    }
    let early = service.pointer("/spec/publishNotReadyAddresses") == Some(&true.into());
    let addresses: Vec<IpAddr> = endpoints(store, namespace, name)
        .into_iter()
        .filter(|endpoint| early || endpoint.ready)
        .map(|endpoint| endpoint.address)
        .collect();
    // A headless Service without endpoints has no record at all.
    (!addresses.is_empty()).then_some(Meaning::Addresses(addresses))
}

fn of_pod(store: &Store, namespace: &str, service: &str, pod: &str) -> Option<Meaning> {
    let found = endpoints(store, namespace, service)
        .into_iter()
        .find(|endpoint| endpoint.hostname == pod)?;
    Some(Meaning::Addresses(vec![found.address]))
}

struct Endpoint {
    address: IpAddr,
    ready: bool,
    hostname: String,
}

fn endpoints(store: &Store, namespace: &str, service: &str) -> Vec<Endpoint> {
    let (slices, _) = store.list(kinds::of("endpointslices"), Some(namespace));
    slices
        .iter()
        .filter(|slice| slice["metadata"]["labels"]["kubernetes.io/service-name"] == service)
        .flat_map(|slice| store::list(slice, "/endpoints"))
        .filter_map(|endpoint| {
            Some(Endpoint {
                address: endpoint["addresses"].get(0)?.as_str()?.parse().ok()?,
                ready: endpoint["conditions"]["ready"] != false,
                hostname: store::text(endpoint, "/hostname").to_owned(),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::clock::Clock;

    #[test]
    fn names_are_what_the_objects_say() {
        let store = Store::new(Clock::from(jiff::Timestamp::UNIX_EPOCH));
        let put = |kind, name: &str, rest: serde_json::Value| {
            let mut object = rest;
            object["metadata"]["name"] = json!(name);
            object["metadata"]["namespace"] = json!("shop");
            store.put(kinds::of(kind), object);
        };
        put(
            "services",
            "db",
            json!({"spec": {"clusterIPs": ["10.96.0.9"]}}),
        );
        put("services", "kvs", json!({"spec": {"clusterIPs": ["None"]}}));
        put(
            "services",
            "out",
            json!({"spec": {"externalName": "db.example.com"}}),
        );
        let labels = json!({"labels": {"kubernetes.io/service-name": "kvs"}});
        put(
            "endpointslices",
            "kvs-1",
            json!({"metadata": labels, "endpoints": [
            {"addresses": ["10.0.0.1"], "hostname": "kvs-0", "conditions": {"ready": true}},
            {"addresses": ["10.0.0.2"], "hostname": "kvs-1", "conditions": {"ready": false}}]}),
        );
        let says = |name: &str| meaning(&store, name);
        let one = |text: &str| Some(Meaning::Addresses(vec![text.parse().unwrap()]));
        assert_eq!(says("db.shop.svc.cluster.local."), one("10.96.0.9"));
        assert_eq!(says("kvs.shop.svc.cluster.local."), one("10.0.0.1"));
        assert_eq!(says("kvs-1.kvs.shop.svc.cluster.local."), one("10.0.0.2"));
        assert_eq!(
            says("out.shop.svc.cluster.local."),
            Some(Meaning::Alias("db.example.com".into()))
        );
        assert_eq!(says("gone.shop.svc.cluster.local."), None);
        assert_eq!(says("db."), None);
    }
}
