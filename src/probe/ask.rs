//! What a protocol needs to know about one address of one edge, and the steps that all share. IO: that connection.

use std::net::{IpAddr, SocketAddr};
use std::sync::OnceLock;
use std::time::Duration;

use crate::address::TlsMode;
use crate::probe::clock::Clock;
use crate::probe::dns::Resolver;
use crate::probe::found::{ADVERTISED, Failure, Found};
use crate::probe::link::PeerLink;
use crate::probe::login::Login;
use crate::probe::network::AgentNetwork;
use crate::probe::peer::{PeerStream, Stream};
use crate::probe::tls;
use crate::probe::trust::{Trust, TrustVerdict};
use crate::probe::turns::Turn;
use crate::probe::wire::{EdgeTask, StepError, StepName};

/// How long a greeting or an answer may take: healthy servers answer within milliseconds, slow ones within two or three seconds.
pub(crate) const ANSWER: Duration = Duration::from_secs(4);
/// How long a login may take.
pub(crate) const LOGIN: Duration = Duration::from_secs(6);

/// Everything that a protocol needs to know about one address of one edge.
pub(crate) struct Ask<'a> {
    /// The agent's time.
    pub(crate) clock: Clock,
    /// For the protocols that need another connection.
    pub(crate) network: &'a AgentNetwork,
    /// For the protocols that send clients to other hosts.
    pub(crate) resolver: &'a Resolver,
    /// The edge's turn.
    pub(crate) turn: &'a Turn,
    /// The edge.
    pub(crate) task: &'a EdgeTask,
    /// The host as the client names it.
    pub(crate) host: &'a str,
    /// The port that the client dials.
    pub(crate) port: u16,
    /// What is dialled.
    pub(crate) address: SocketAddr,
    /// The login; ask [`Ask::login`].
    pub(crate) login: &'a Login,
    /// TLS as the client wants it.
    pub(crate) tls: Option<TlsMode>,
    /// Whose certificates the client takes.
    pub(crate) trust: &'a Trust,
    /// Whether trust that is not proven makes the edge unknown.
    pub(crate) require_trust: bool,
    /// Set once a server's certificate is not proven to be trusted: no login is sent from then on.
    pub(crate) withheld: OnceLock<Login>,
    /// Set once the server asks for a certificate of the client, which no one but the client has.
    pub(crate) certificate_asked: OnceLock<()>,
}

impl Ask<'_> {
    /// Whether the client opens the connection with TLS.
    pub(crate) fn wants_tls(&self) -> bool {
        self.tls.is_some_and(TlsMode::insists)
    }

    /// The login that may be sent.
    pub(crate) fn login(&self) -> &Login {
        self.withheld.get().unwrap_or(self.login)
    }

    /// The TLS step on an open connection.
    ///
    /// # Errors
    /// The step that failed.
    pub(crate) async fn secure(
        &self,
        stream: Stream,
        protocols: &[&[u8]],
    ) -> Result<(tls::Secured, Found), Box<Found>> {
        let begun = tokio::time::Instant::now();
        match tls::secure(
            stream,
            self.host,
            self.trust,
            protocols,
            &self.clock,
            &self.certificate_asked,
        )
        .await
        {
            Ok(secured) => {
                let step = self.certificate_step(&secured).since(begun);
                if step.passed() {
                    Ok((secured, step))
                } else {
                    Err(Box::new(step))
                }
            }
            Err(failure) => Err(Box::new(Found::fail(StepName::Tls, failure).since(begun))),
        }
    }

    /// What the certificate is worth to this client; where nothing proves it, the login stays here.
    fn certificate_step(&self, secured: &tls::Secured) -> Found {
        let step = match &secured.verdict {
            TrustVerdict::Unasked => Found::pass(StepName::Tls, "").fact("trust", "unasked"),
            TrustVerdict::Proven => Found::pass(StepName::Tls, "").fact("trust", "proven"),
            TrustVerdict::Refused(failure) => Found::fail(StepName::Tls, failure.clone()),
            TrustVerdict::NotProven(why) => {
                let _ = self.withheld.set(Login::Without(
                    "the server's certificate is not proven to be trusted, so no login is sent"
                        .to_owned(),
                ));
                let detail = format!("trust not proven: {why}");
                let mut step = if self.require_trust {
                    Found::unknown(StepName::Tls, detail)
                } else {
                    Found::pass(StepName::Tls, detail)
                };
                step.error = Some(StepError::TrustNotProven);
                step.fact("trust", "not proven")
            }
        };
        match &secured.certificate {
            Some(certificate) => step
                .fact("certificate_issuer", certificate.issuer.clone())
                .fact("certificate_names", certificate.names.join(",")),
            None => step,
        }
    }

    /// A peer to speak to, in TLS if the client does so from the first byte.
    ///
    /// # Errors
    /// The steps up to the one that failed.
    pub(crate) async fn peer(
        &self,
        stream: PeerLink,
        expected: &'static str,
        steps: &mut Vec<Found>,
    ) -> Result<PeerStream, Box<Found>> {
        let mut stream: Stream = Box::new(stream);
        if self.wants_tls() {
            // A handshake takes more memory than all the rest of a connection, most of which have none.
            let (secured, step) = Box::pin(self.secure(stream, &[])).await?;
            steps.push(step);
            stream = Box::new(secured.stream);
        }
        Ok(PeerStream::new(stream, expected, self.clock))
    }

    /// Whether a host and port that the server sends its clients to can be reached from here.
    ///
    /// # Errors
    /// [`StepError::AdvertisedUnreachable`], with what was tried.
    pub(crate) async fn advertised(&self, host: &str, port: u16) -> Result<(), Failure> {
        let shown = format!("{host}:{port}");
        let failed = |why: &str| {
            Failure::new(
                StepError::AdvertisedUnreachable,
                format!("it answers, and sends clients to {shown}, which they cannot reach: {why}"),
            )
            .fact(ADVERTISED, shown.clone())
        };
        let addresses = match host.parse::<IpAddr>() {
            Ok(address) => vec![address],
            Err(_) => match Box::pin(self.resolver.resolve(host, &self.clock))
                .await
                .result
            {
                Ok(addresses) => addresses,
                Err(failure) if failure.error == StepError::Deadline => return Err(failure),
                Err(failure) => return Err(failed(&failure.detail)),
            },
        };
        let mut last = String::new();
        for address in addresses {
            let address = SocketAddr::from((address, port));
            match self.network.connect(address, &self.clock).await {
                Ok(_) => return Ok(()),
                Err(failure) if failure.error == StepError::Deadline => return Err(failure),
                Err(failure) => last = failure.detail,
            }
        }
        Err(failed(&last))
    }

    /// The login step where there is none.
    pub(crate) fn no_login(&self) -> Option<Found> {
        match self.login() {
            Login::Without(reason) => Some(Found::skipped(StepName::Login, reason.clone())),
            Login::With(_) => None,
        }
    }
}
