//! One HTTP/1.1 request and the head of its answer, over a connection that is open; the body is never read. IO: that connection.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::Empty;
use hyper::Request;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::probe::found::Failure;
use crate::probe::http::HTTP;
use crate::probe::peer::Stream;
use crate::probe::talk::Ask;
use crate::probe::wire::StepError;

/// How many of the first bytes are kept to tell who speaks.
const HEAD: usize = 64;

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

/// Asks for a path.
pub(super) async fn exchange(
    stream: Stream,
    ask: &Ask<'_>,
    authority: &str,
    path: &str,
    authorization: Option<String>,
) -> Result<Head, Failure> {
    let mut request = Request::builder()
        .uri(path)
        .header("host", authority)
        .header(
            "user-agent",
            concat!("k8sverify/", env!("CARGO_PKG_VERSION")),
        )
        .header("accept", "*/*")
        .header("connection", "close");
    if let Some(value) = authorization {
        request = request.header("authorization", value);
    }
    let request = request.body(Empty::<Bytes>::new()).map_err(|error| {
        Failure::new(
            StepError::Broken,
            format!("`{path}` cannot be asked for: {error}"),
        )
    })?;
    let head = Arc::new(Mutex::new(Vec::new()));
    let tapped = Tapped {
        io: stream,
        head: Arc::clone(&head),
    };
    let talk = async {
        let (mut sender, connection) = http1::handshake(TokioIo::new(tapped)).await?;
        let driver = tokio::spawn(connection);
        let response = sender.send_request(request).await;
        driver.abort();
        response
    };
    let outcome = ask.clock.within(HTTP, talk).await;
    let seen = head.lock().unwrap_or_else(PoisonError::into_inner).clone();
    match outcome {
        Ok(Ok(response)) => Ok(Head {
            status: response.status().as_u16(),
            location: response
                .headers()
                .get("location")
                .and_then(|value| value.to_str().ok())
                .map(str::to_owned),
            reason: response
                .status()
                .canonical_reason()
                .unwrap_or_default()
                .to_owned(),
        }),
        Ok(Err(error)) => Err(failure(&error, &seen)),
        Err(late) if seen.is_empty() => Err(Failure::late(
            late,
            StepError::HttpTimeout,
            "the request was taken, and no answer came within 5 s (timed out)",
        )),
        Err(_) if !seen.starts_with(b"HTTP/") => Err(Failure::mismatch("HTTP", &seen)),
        Err(late) => Err(Failure::late(
            late,
            StepError::HttpTimeout,
            "an answer began and did not come to the end of its head within 5 s (timed out)",
        )),
    }
}

fn failure(error: &hyper::Error, seen: &[u8]) -> Failure {
    if !seen.is_empty() && !seen.starts_with(b"HTTP/") {
        return Failure::mismatch("HTTP", seen);
    }
    if error.is_parse() || error.is_parse_status() {
        return Failure::mismatch("HTTP", seen);
    }
    let source =
        std::error::Error::source(error).and_then(|source| source.downcast_ref::<std::io::Error>());
    match source {
        Some(source) => match Failure::broken(source) {
            failure if failure.error == StepError::Reset => failure,
            failure => Failure::new(failure.error, format!("{}: {source}", failure.detail)),
        },
        None if seen.is_empty() => Failure::new(
            StepError::Closed,
            "the peer took the request and closed the connection without an answer",
        ),
        None => Failure::new(StepError::Broken, format!("the answer broke off: {error}")),
    }
}

/// Keeps the first bytes that come.
struct Tapped {
    io: Stream,
    head: Arc<Mutex<Vec<u8>>>,
}

impl AsyncRead for Tapped {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.io).poll_read(context, buffer);
        if matches!(polled, Poll::Ready(Ok(()))) {
            let mut head = self.head.lock().unwrap_or_else(PoisonError::into_inner);
            let room = HEAD.saturating_sub(head.len());
            head.extend(buffer.filled()[before..].iter().take(room));
        }
        polled
    }
}

impl AsyncWrite for Tapped {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(context, bytes)
    }

    fn poll_flush(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}
