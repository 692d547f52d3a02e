//! One request for the head of its answer, by a client that dials exactly one address; the body is never read. IO: connections.

use std::error::Error;
use std::time::Duration;

use reqwest::header::HeaderValue;
use reqwest::redirect::Policy;
use reqwest::{Client, Request, Response, Url};

use crate::probe::ask::{ANSWER, Ask};
use crate::probe::clock::Late;
use crate::probe::found::Failure;
use crate::probe::http::{HTTP, authority, without_query};
use crate::probe::link::Flood;
use crate::probe::peer::{PeerStream, Stream};
use crate::probe::relay::{self, Joined, RelayAddress};
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
    /// Type and length of the body, where both are said.
    pub(super) content: Option<String>,
    /// Whether the server asks for a user and a password (Basic); nothing where it does not say what it asks for.
    pub(super) asks_for_basic: Option<bool>,
    reason: String,
}

impl Head {
    fn of(response: &Response) -> Self {
        let status = response.status();
        let header = |name: &str| response.headers().get(name)?.to_str().ok();
        let mut asked = response
            .headers()
            .get_all("www-authenticate")
            .iter()
            .peekable();
        let is_basic = |value: &HeaderValue| {
            let value = value.to_str().unwrap_or_default().to_ascii_lowercase();
            value
                .split(',')
                .any(|one| one.trim_start().starts_with("basic"))
        };
        Self {
            status: status.as_u16(),
            location: header("location").map(str::to_owned),
            content: header("content-length")
                .map(|length| format!("{} {length}", header("content-type").unwrap_or("-"))),
            asks_for_basic: asked.peek().is_some().then(|| asked.any(is_basic)),
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

/// Asks one server at `ask.address` in the name of `ask.host`: every request is a connection of its own.
pub(super) struct Asker<'a> {
    client: Client,
    ask: &'a Ask<'a>,
    pub(super) secure: bool,
    login: Option<(&'a str, &'a str)>,
}

impl<'a> Asker<'a> {
    /// Who asks, and whether over TLS.
    ///
    /// # Errors
    /// A client that cannot be made.
    pub(super) fn new(ask: &'a Ask<'a>, secure: bool) -> Result<Self, Failure> {
        let client = Client::builder()
            // The proxies of the Pod's environment are the client's; here an address is proven.
            .no_proxy()
            .redirect(Policy::none())
            .retry(reqwest::retry::never())
            .http1_only()
            .pool_max_idle_per_host(0)
            .user_agent(concat!("k8sverify/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| {
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
            login: None,
        })
    }

    /// The same with a user and a password.
    pub(super) fn with_login(self, login: (&'a str, &'a str)) -> Self {
        Self {
            login: Some(login),
            ..self
        }
    }

    /// Asks for a path, over the connection that is open already if there is one.
    ///
    /// # Errors
    /// No connection, no answer, or one that is not HTTP.
    pub(super) async fn get(&self, path: &str, open: Option<Stream>) -> Result<Head, Failure> {
        let stream = match open {
            Some(stream) => stream,
            None => self.open().await?,
        };
        let door = RelayAddress::open().await?;
        let request = self.request(path, door.port())?;
        let joined = relay::behind(door, stream);
        let answer = self.ask.clock.within(HTTP, self.client.execute(request));
        match answer.await {
            Ok(Ok(response)) => Ok(Head::of(&response)),
            Ok(Err(error)) => Err(self.failure(Some(&error), &joined, path).await),
            Err(Late::Step) => Err(self.failure(None, &joined, path).await),
            Err(late) => Err(Failure::late(late, StepError::HttpTimeout, NO_ANSWER)),
        }
    }

    async fn open(&self) -> Result<Stream, Failure> {
        let link = self
            .ask
            .network
            .connect(self.ask.address, &self.ask.clock)
            .await?;
        if !self.secure {
            return Ok(Box::new(link));
        }
        match self.ask.secure(Box::new(link), &[b"http/1.1"]).await {
            Ok((secured, _)) => Ok(Box::new(secured.stream)),
            Err(step) => Err(Failure {
                error: step.error.unwrap_or(StepError::TlsFailed),
                detail: step.detail,
                facts: step.facts,
            }),
        }
    }

    fn request(&self, path: &str, port: u16) -> Result<Request, Failure> {
        let mut request = self
            .client
            .get(url(path, port)?)
            .header("host", authority(self.ask, self.secure))
            .header("connection", "close");
        // Only now is it known whether this very connection proves the server, and so whether a login may go.
        if let Some((user, password)) = self.login.filter(|_| basic(self.ask).is_some()) {
            request = request.basic_auth(user, Some(password));
        }
        request
            .build()
            .map_err(|error| unusable(path, &reasons(&error)))
    }

    /// Why there was no answer (`None`: it took too long); the first bytes of the peer are asked for by hand, since the client does not
    /// give them.
    async fn failure(
        &self,
        error: Option<&reqwest::Error>,
        joined: &Joined,
        path: &str,
    ) -> Failure {
        let broken = joined.broken();
        if let Some(flood) = broken.filter(|error| Flood::is_in(*error)) {
            return Failure::broken(flood);
        }
        let limit = if error.is_some() { ANSWER } else { THINK };
        let seen = self.first_bytes(path, limit).await;
        if !seen.is_empty() && !seen.starts_with(b"HTTP/") {
            return Failure::mismatch("HTTP", &seen);
        }
        let Some(error) = error else {
            let detail = if seen.is_empty() {
                NO_ANSWER
            } else {
                "an answer began and did not come to the end of its head within 5 s (timed out)"
            };
            return Failure::new(StepError::HttpTimeout, detail);
        };
        let parse = |error: &hyper::Error| error.is_parse() || error.is_parse_status();
        if causes(error).any(|cause| cause.downcast_ref::<hyper::Error>().is_some_and(parse)) {
            return Failure::mismatch("HTTP", &seen);
        }
        match broken {
            Some(error) => Failure::broken(error),
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

    /// What the peer says first to the same request, without the login; nothing if it says nothing.
    async fn first_bytes(&self, path: &str, limit: Duration) -> Vec<u8> {
        let ask = self.ask;
        let end = ask.clock.phase(limit);
        let (Ok(url), Ok(stream)) = (url(path, 80), self.open().await) else {
            return Vec::new();
        };
        let mut peer = PeerStream::new(stream, "HTTP", ask.clock);
        let request = format!(
            "GET {} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n",
            line(&url),
            authority(ask, self.secure)
        );
        // A peer that does not listen may still have spoken.
        let _ = peer.send(request.as_bytes(), end).await;
        let _ = peer.first(end).await;
        peer.head().to_vec()
    }
}

/// What to ask for, at the door of the probe itself.
fn url(path: &str, port: u16) -> Result<Url, Failure> {
    let root = if path.starts_with('/') { "" } else { "/" };
    Url::parse(&format!("http://127.0.0.1:{port}{root}{path}"))
        .map_err(|error| unusable(path, &error.to_string()))
}

/// The path and query as a request line holds them.
fn line(url: &Url) -> String {
    match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    }
}

fn unusable(path: &str, why: &str) -> Failure {
    Failure::new(
        StepError::Broken,
        format!("`{}` cannot be asked for: {why}", without_query(path)),
    )
}

/// The user and password of the client's own URL.
pub(super) fn basic<'a>(ask: &'a Ask<'_>) -> Option<(&'a str, &'a str)> {
    let credentials = &ask.login().account()?.credentials;
    let password = credentials.password.as_deref().unwrap_or_default();
    Some((credentials.user.as_deref()?, password))
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
    fn a_path_becomes_one_that_a_request_line_can_hold() {
        for (path, expected) in [
            ("/health", "/health"),
            ("health?a=b/../c", "/health?a=b/../c"),
            ("/a/../b/./c", "/b/c"),
            ("/a/..", "/"),
            ("/../../x/.", "/x/"),
            ("", "/"),
            ("//other/x", "//other/x"),
            ("/a b\u{e4}\r\nx: y", "/a%20b%C3%A4x:%20y"),
        ] {
            assert_eq!(line(&url(path, 8080).unwrap()), expected, "{path}");
        }
    }
}
