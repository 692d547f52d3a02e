//! One request for the head of its answer, by a client that dials exactly one address; the body is never read. IO: connections.

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Client, Request, Response, Url};

use crate::probe::found::Failure;
use crate::probe::http::{HTTP, authority, without_query};
use crate::probe::network::{self, CONNECT};
use crate::probe::peer::Peer;
use crate::probe::talk::{ANSWER, Ask};
use crate::probe::tls;
use crate::probe::wire::StepError;

/// How long a peer that gave the client no answer may take to say its first bytes to a request by hand.
const THINK: Duration = Duration::from_millis(1500);
/// A peer that takes the request and stays silent.
const NO_ANSWER: &str = "the request was taken, and no answer came within 5 s (timed out)";

/// Status and location of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Head {
    /// The status.
    pub(super) status: u16,
    /// Where a redirect leads.
    pub(super) location: Option<String>,
    reason: String,
}

impl Head {
    fn of(response: &Response) -> Self {
        let status = response.status();
        let location = response.headers().get("location");
        Self {
            status: status.as_u16(),
            location: location
                .and_then(|value| value.to_str().ok())
                .map(str::to_owned),
            reason: status.canonical_reason().unwrap_or_default().to_owned(),
        }
    }

    /// `http 503 Service Unavailable`.
    pub(super) fn words(&self) -> String {
        format!("http {} {}", self.status, self.reason)
            .trim_end()
            .to_owned()
    }

    /// Whether it sends the client elsewhere.
    pub(super) const fn is_redirect(&self) -> bool {
        matches!(self.status, 301 | 302 | 303 | 307 | 308)
    }
}

/// A client of one server: every request is a connection of its own to the address of the question.
pub(super) struct Asker<'a> {
    client: Client,
    ask: &'a Ask<'a>,
    secure: bool,
    origin: String,
}

impl<'a> Asker<'a> {
    /// A client that asks `ask.address` in the name of `ask.host`.
    ///
    /// # Errors
    /// An address that the network does not have, or a TLS library without a version to offer.
    pub(super) fn new(ask: &'a Ask<'a>, secure: bool) -> Result<Self, Failure> {
        let real = ask.network.real(ask.address)?;
        let (origin, name) = origin(ask.host, real, secure);
        let mut builder = Client::builder()
            // The proxies of the Pod's environment are the client's; here an address is proven.
            .no_proxy()
            .redirect(Policy::none())
            .retry(reqwest::retry::never())
            .http1_only()
            .pool_max_idle_per_host(0)
            .connect_timeout(CONNECT)
            .timeout(HTTP)
            .user_agent(concat!("k8sverify/", env!("CARGO_PKG_VERSION")))
            // A login goes only to a server whose certificate this very connection proves, where the client verifies; else the TLS
            // step has told what it is worth. Without this even plain HTTP would need the system's CA files.
            .tls_backend_preconfigured(tls::config(
                &[b"http/1.1"],
                basic(ask).map(|_| (ask.trust.clone(), ask.host.to_owned())),
            )?);
        if let Some(name) = name {
            builder = builder.resolve(&name, real);
        }
        let client = builder.build().map_err(|error| {
            Failure::new(
                StepError::Broken,
                format!(
                    "the probe could not make an HTTP client: {}",
                    reasons(&error)
                ),
            )
        })?;
        Ok(Self {
            client,
            ask,
            secure,
            origin,
        })
    }

    /// Asks for a path.
    ///
    /// # Errors
    /// No connection, no answer, or one that is not HTTP.
    pub(super) async fn get(&self, path: &str) -> Result<Head, Failure> {
        let request = self.request(path)?;
        // The client has limits of its own; this one is the agent's deadline.
        let answer = self
            .ask
            .clock
            .within(CONNECT + HTTP, self.client.execute(request))
            .await;
        match answer {
            Ok(Ok(response)) => Ok(Head::of(&response)),
            Ok(Err(error)) => Err(self.failure(&error, path).await),
            Err(late) => Err(Failure::late(late, StepError::HttpTimeout, NO_ANSWER)),
        }
    }

    fn request(&self, path: &str) -> Result<Request, Failure> {
        let unusable = |why: String| {
            Failure::new(
                StepError::Broken,
                format!("`{}` cannot be asked for: {why}", without_query(path)),
            )
        };
        let url = Url::parse(&format!("{}{}", self.origin, rooted(path)))
            .map_err(|error| unusable(error.to_string()))?;
        let mut request = self
            .client
            .get(url)
            // The port of the URL is the dialled one, which a Service may have translated.
            .header("host", authority(self.ask, self.secure))
            .header("connection", "close");
        if let Some((user, password)) = basic(self.ask) {
            request = request.basic_auth(user, Some(password));
        }
        request.build().map_err(|error| unusable(reasons(&error)))
    }

    /// Why there was no answer; the first bytes of the peer are asked for by hand, since the client does not give them.
    async fn failure(&self, error: &reqwest::Error, path: &str) -> Failure {
        if error.is_connect() {
            return self.unconnected(error);
        }
        let late = error.is_timeout();
        let seen = self
            .first_bytes(path, if late { THINK } else { ANSWER })
            .await;
        if !seen.is_empty() && !seen.starts_with(b"HTTP/") {
            return Failure::mismatch("HTTP", &seen);
        }
        if late {
            let detail = if seen.is_empty() {
                NO_ANSWER
            } else {
                "an answer began and did not come to the end of its head within 5 s (timed out)"
            };
            return Failure::new(StepError::HttpTimeout, detail);
        }
        let parse = |error: &hyper::Error| error.is_parse() || error.is_parse_status();
        if cause::<hyper::Error>(error).is_some_and(parse) {
            return Failure::mismatch("HTTP", &seen);
        }
        match cause::<io::Error>(error) {
            Some(source) => match Failure::broken(source) {
                failure if failure.error == StepError::Reset => failure,
                failure => Failure::new(failure.error, format!("{}: {source}", failure.detail)),
            },
            None if seen.is_empty() => Failure::new(
                StepError::Closed,
                "the peer took the request and closed the connection without an answer",
            ),
            None => Failure::new(
                StepError::Broken,
                format!("the answer broke off: {}", reasons(error)),
            ),
        }
    }

    /// The connection did not come about, or its TLS did not.
    fn unconnected(&self, error: &reqwest::Error) -> Failure {
        let address = self.ask.address;
        match cause::<io::Error>(error) {
            Some(source)
                if source
                    .get_ref()
                    .and_then(|inner| inner.downcast_ref::<rustls::Error>())
                    .is_some() =>
            {
                tls::failed(source)
            }
            _ if error.is_timeout() => Failure::new(
                StepError::Timeout,
                format!("{address} did not answer the connect within 3 s"),
            ),
            Some(source) => network::refused(address, source),
            None => Failure::new(
                StepError::Unreachable,
                format!("{address} cannot be reached: {}", reasons(error)),
            ),
        }
    }

    /// What the peer says first to the same request, without the login; nothing if it says nothing.
    async fn first_bytes(&self, path: &str, limit: Duration) -> Vec<u8> {
        let ask = self.ask;
        let end = ask.clock.phase(limit);
        let Ok(stream) = ask.network.connect(ask.address, &ask.clock).await else {
            return Vec::new();
        };
        let mut peer = if self.secure {
            match ask.secure(Box::new(stream), &[b"http/1.1"]).await {
                Ok((secured, _)) => Peer::new(Box::new(secured.stream), "HTTP", ask.clock),
                Err(_) => return Vec::new(),
            }
        } else {
            Peer::new(Box::new(stream), "HTTP", ask.clock)
        };
        let request = format!(
            "GET {} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n",
            rooted(path).replace(|c: char| !c.is_ascii_graphic(), "%20"),
            authority(ask, self.secure)
        );
        // A peer that does not listen may still have spoken.
        let _ = peer.send(request.as_bytes(), end).await;
        let _ = peer.first(end).await;
        peer.head().to_vec()
    }
}

/// Scheme, host and port of the URL to ask, and the host's name if the client has to be told its address.
fn origin(host: &str, real: SocketAddr, secure: bool) -> (String, Option<String>) {
    let scheme = if secure { "https" } else { "http" };
    let named = Url::parse(&format!(
        "{scheme}://{}:{}",
        host.trim_end_matches('.'),
        real.port()
    ))
    .ok()
    .and_then(|url| url.domain().map(str::to_owned))
    .filter(|name| name.eq_ignore_ascii_case(host.trim_end_matches('.')));
    match named {
        Some(name) => (format!("{scheme}://{name}:{}", real.port()), Some(name)),
        // An address is never looked up, and a name that no URL can hold is left to the Host header.
        None => (format!("{scheme}://{real}"), None),
    }
}

/// The user and password of the client's own URL.
pub(super) fn basic<'a>(ask: &'a Ask<'_>) -> Option<(&'a str, &'a str)> {
    let credentials = &ask.login().account()?.credentials;
    let password = credentials.password.as_deref().unwrap_or_default();
    Some((credentials.user.as_deref()?, password))
}

fn rooted(path: &str) -> String {
    if path.starts_with('/') {
        path.to_owned()
    } else {
        format!("/{path}")
    }
}

/// The innermost cause of that type.
fn cause<E: Error + 'static>(error: &reqwest::Error) -> Option<&E> {
    causes(error)
        .filter_map(|cause| cause.downcast_ref::<E>())
        .last()
}

/// The causes of an error, without the error itself: its text holds the URL, and that may hold a token.
fn causes<'a>(error: &'a reqwest::Error) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(error.source(), |cause: &&'a (dyn Error + 'static)| {
        (*cause).source()
    })
}

fn reasons(error: &reqwest::Error) -> String {
    let mut reasons: Vec<String> = causes(error).map(ToString::to_string).collect();
    reasons.dedup();
    reasons.join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_kept_and_only_its_address_is_given() {
        let real: SocketAddr = "127.0.0.1:8081".parse().unwrap();
        let of = |host: &str| origin(host, real, false);
        let named = |name: &str| (format!("http://{name}:8081"), Some(name.to_owned()));
        assert_eq!(of("api.shop.svc."), named("api.shop.svc"));
        assert_eq!(of("my_api"), named("my_api"));
        let plain = ("http://127.0.0.1:8081".to_owned(), None);
        for host in ["10.96.0.9", "fd00::9", "user@api", "api/x", "", "a b"] {
            assert_eq!(of(host), plain, "{host}");
        }
    }
}
