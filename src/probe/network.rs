//! The one place that dials: an address of the cluster in, a connection out. IO.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::net::TcpStream;

use crate::probe::clock::Clock;
use crate::probe::found::Failure;
use crate::probe::link::{PeerLink, Pool};
use crate::probe::wire::{NetworkTable, StepError};

/// How long a connect may take.
pub(crate) const CONNECT: Duration = Duration::from_secs(3);

/// The network as the agent sees it: the Pod's own, or a sandbox's.
#[derive(Debug, Clone, Default)]
pub(crate) struct AgentNetwork {
    table: NetworkTable,
    pool: Pool,
}

impl AgentNetwork {
    /// A network that dials and resolves as `table` says; all as it is if the table is empty.
    pub(crate) fn new(table: &NetworkTable) -> Self {
        Self {
            table: table.clone(),
            pool: Pool::default(),
        }
    }

    /// What the sandbox says of names.
    pub(crate) const fn table(&self) -> &NetworkTable {
        &self.table
    }

    /// The address that is really dialled for one of the cluster.
    ///
    /// # Errors
    /// A sandbox's entry that is no address.
    pub(crate) fn real(&self, address: SocketAddr) -> Result<SocketAddr, Failure> {
        match self.table.addresses.get(&address.to_string()) {
            None => Ok(address),
            Some(entry) => entry.parse().map_err(|_| {
                Failure::new(
                    StepError::Unreachable,
                    format!(
                        "the network table maps {address} to `{entry}`, which is not ADDRESS:PORT"
                    ),
                )
            }),
        }
    }

    /// Whether an address that no task names may be dialled: a sandbox has those of its table alone.
    pub(crate) fn may_dial(&self, address: SocketAddr) -> bool {
        let known = &self.table.addresses;
        known.is_empty() || known.contains_key(&address.to_string())
    }

    /// Opens a connection.
    ///
    /// # Errors
    /// Refused, timed out or unreachable.
    pub(crate) async fn connect(
        &self,
        address: SocketAddr,
        clock: &Clock,
    ) -> Result<PeerLink, Failure> {
        let stream = self.dial(address, clock).await?;
        Ok(PeerLink::new(stream, self.pool.clone()))
    }

    /// Opens a connection that is kept for as long as it holds.
    ///
    /// # Errors
    /// Refused, timed out or unreachable.
    pub(crate) async fn connect_kept(
        &self,
        address: SocketAddr,
        clock: &Clock,
    ) -> Result<PeerLink, Failure> {
        self.dial(address, clock).await.map(PeerLink::kept)
    }

    async fn dial(&self, address: SocketAddr, clock: &Clock) -> Result<TcpStream, Failure> {
        let real = self.real(address)?;
        match clock.within(CONNECT, TcpStream::connect(real)).await {
            Ok(Ok(stream)) => {
                // Without it small requests may wait for an acknowledgement; a failure changes nothing else.
                let _ = stream.set_nodelay(true);
                Ok(stream)
            }
            Ok(Err(error)) => Err(refused(address, &error)),
            Err(late) => Err(Failure::late(
                late,
                StepError::Timeout,
                format!("{address} did not answer the connect within 3 s"),
            )),
        }
    }

    /// Whether this Pod has a way to that address at all; a Pod without IPv6 shows nothing about an IPv6 address.
    pub(crate) fn has_route(&self, address: SocketAddr) -> bool {
        let Ok(real) = self.real(address) else {
            return true;
        };
        let any: IpAddr = if real.is_ipv4() {
            IpAddr::from([0; 4])
        } else {
            IpAddr::from([0; 16])
        };
        // Connecting a datagram socket sends nothing: it only asks the routing table.
        std::net::UdpSocket::bind((any, 0))
            .and_then(|socket| socket.connect(real))
            .is_ok()
    }
}

/// A connect that the system refused, by what it says.
pub(crate) fn refused(address: SocketAddr, error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Failure::new(
            StepError::Refused,
            format!("{address} refused the connection"),
        ),
        io::ErrorKind::TimedOut => Failure::new(
            StepError::Timeout,
            format!("{address} did not answer the connect"),
        ),
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted => Failure::new(
            StepError::Reset,
            format!("{address} reset the connection while it was opened"),
        ),
        _ => Failure::new(
            StepError::Unreachable,
            format!("{address} cannot be reached: {error}"),
        ),
    }
}
