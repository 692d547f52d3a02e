//! The one way to the API server: raw requests, own structs, a deadline on every call, few and named retries. IO.
//!
//! kube's own retry repeats a 503 fifteen times and its read timeout also ends watches, so neither is used: a call is wrapped
//! in a deadline here, and a stream (watch, log) is read with a deadline per line by who reads it.

mod lines;
mod pages;
mod refusal;
mod transport;

use std::error::Error as _;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::TryStreamExt;
use http::{Method, Request};
use http_body_util::{BodyExt, Limited};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

pub use self::lines::Lines;
pub use self::pages::Listed;
use self::refusal::{page, refusal};
use super::credentials::credential_error;
use super::error::CallError;
use crate::redact::Redactor;

/// The longest answer that is read: a page of 500 Pods has some ten MiB, and one object at most 1.5.
const ANSWER: usize = 64 * 1024 * 1024;
/// A call that has no answer by then has none.
const CALL_TIMEOUT: Duration = Duration::from_secs(15);
/// Waits between tries of one call.
const BACKOFF: [Duration; 3] = [
    Duration::from_millis(150),
    Duration::from_millis(500),
    Duration::from_millis(1500),
];
/// How long a server may put off one call by `Retry-After`.
pub(super) const THROTTLED: Duration = Duration::from_secs(30);
/// A difference of clocks below this is none.
const CLOCK_TOLERANCE_MS: i128 = 3000;
/// A connection to an API server. Cheap to clone.
#[derive(Clone)]
pub struct Api {
    client: kube::Client,
    server: String,
    cluster: String,
    default_namespace: String,
    /// Milliseconds that the server's clock is ahead of ours, as its answers say.
    clock_ahead_ms: Arc<AtomicI64>,
}

/// One line of a watch.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct WatchEvent {
    /// `ADDED`, `MODIFIED`, `DELETED`, `BOOKMARK`, `ERROR`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The object, or a Status.
    pub object: Value,
}

impl Api {
    /// Around a client; `server` and `cluster` are for people.
    pub fn new(
        client: kube::Client,
        server: impl Into<String>,
        cluster: impl Into<String>,
    ) -> Self {
        let default_namespace = client.default_namespace().to_owned();
        Self {
            client,
            server: server.into(),
            cluster: cluster.into(),
            default_namespace,
            clock_ahead_ms: Arc::default(),
        }
    }

    /// The time by the server's clock, so that ages of objects are right on a machine whose own clock is not.
    pub fn now(&self) -> Timestamp {
        let ahead = SignedDuration::from_millis(self.clock_ahead_ms.load(Ordering::Relaxed));
        let now = Timestamp::now();
        now.checked_add(ahead).unwrap_or(now)
    }

    fn note_clock(&self, headers: &http::HeaderMap) {
        let Some(date) = headers
            .get(http::header::DATE)
            .and_then(|value| value.to_str().ok())
            .and_then(|text| jiff::fmt::rfc2822::parse(text).ok())
        else {
            return;
        };
        let ahead = date
            .timestamp()
            .duration_since(Timestamp::now())
            .as_millis();
        // The header has whole seconds, and the answer was on its way: less than that is no difference.
        let ahead = if ahead.abs() < CLOCK_TOLERANCE_MS {
            0
        } else {
            i64::try_from(ahead).unwrap_or(0)
        };
        self.clock_ahead_ms.store(ahead, Ordering::Relaxed);
    }

    /// The server's URL.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// The context's name, or `in-cluster`.
    pub fn cluster(&self) -> &str {
        &self.cluster
    }

    /// The namespace of the context or of the Pod that this runs in.
    pub fn default_namespace(&self) -> &str {
        &self.default_namespace
    }

    /// One call, once.
    ///
    /// # Errors
    /// Whatever came back that is no success.
    pub async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        timeout: Duration,
    ) -> Result<T, CallError> {
        parsed(&self.bytes(method, path, body, timeout).await?)
    }

    /// Reads one object, with retries.
    ///
    /// # Errors
    /// The last try's error.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, CallError> {
        parsed(&self.read(path).await?)
    }

    /// What a call to read answers, with retries.
    async fn read(&self, path: &str) -> Result<Bytes, CallError> {
        retrying(|| self.bytes(Method::GET, path, None, CALL_TIMEOUT)).await
    }

    /// Creates an object, with further tries. `None` where an earlier try had come through after all: names are unique to a run.
    ///
    /// # Errors
    /// The last try's error.
    pub async fn create(&self, path: &str, manifest: &Value) -> Result<Option<Value>, CallError> {
        let mut tries = 0;
        let made = retrying(|| {
            tries += 1;
            self.call::<Value>(Method::POST, path, Some(manifest), CREATE)
        })
        .await;
        match made {
            Err(error) if error.status() == Some(409) && tries > 1 => Ok(None),
            made => made.map(Some),
        }
    }

    /// Opens a stream of lines: a watch, or a log.
    ///
    /// # Errors
    /// The server's answer, or none within `timeout`; the stream itself has no deadline.
    pub async fn stream(&self, path: &str, timeout: Duration) -> Result<Lines, CallError> {
        tracing::debug!("GET {path}: followed");
        let mut request = request(Method::GET, path, None)?;
        request.headers_mut().insert(
            http::header::ACCEPT_ENCODING,
            http::HeaderValue::from_static("identity"),
        );
        let opened = async {
            let response = self
                .client
                .send(request.map(kube::client::Body::from))
                .await
                .map_err(call_error)?;
            let (head, body) = response.into_parts();
            if head.status.is_success() {
                Ok(body)
            } else {
                Err(refusal(&head, &collected(body).await?))
            }
        };
        let body = tokio::time::timeout(timeout, opened)
            .await
            .map_err(|_| CallError::Timeout(timeout))??;
        let bytes = body.into_data_stream().map_err(io::Error::other);
        Ok(Lines::new(bytes.into_async_read()))
    }

    /// The text of a log that is not followed.
    ///
    /// # Errors
    /// The server's answer, or none in time.
    pub async fn text(&self, path: &str) -> Result<String, CallError> {
        let bytes = self.bytes(Method::GET, path, None, CALL_TIMEOUT).await?;
        // A container may write what it likes.
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    async fn bytes(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        timeout: Duration,
    ) -> Result<Bytes, CallError> {
        let request = request(method, path, body)?;
        let what = format!("{} {}", request.method(), request.uri());
        let started = Instant::now();
        let result = tokio::time::timeout(timeout, async {
            let response = self
                .client
                .send(request.map(kube::client::Body::from))
                .await
                .map_err(call_error)?;
            let (head, body) = response.into_parts();
            self.note_clock(&head.headers);
            let body = collected(body).await?;
            if head.status.is_success() {
                Ok(body)
            } else {
                Err(refusal(&head, &body))
            }
        })
        .await
        .unwrap_or(Err(CallError::Timeout(timeout)));
        let took = started.elapsed();
        match &result {
            Ok(bytes) => tracing::debug!("{what}: {} bytes in {took:.0?}", bytes.len()),
            Err(error) => tracing::debug!("{what}: {error}, after {took:.0?}"),
        }
        result
    }
}

fn parsed<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CallError> {
    serde_json::from_slice(bytes).map_err(|error| match page(bytes) {
        Some(page) => CallError::Page(page),
        None => CallError::Malformed(error.to_string()),
    })
}

/// A whole body, if it has an end.
async fn collected(body: kube::client::Body) -> Result<Bytes, CallError> {
    match Limited::new(body, ANSWER).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) => Err(match error.downcast::<kube::Error>() {
            Ok(error) => call_error(*error),
            Err(_) => CallError::TooLong(ANSWER),
        }),
    }
}

/// Runs a call until it succeeds, fails for good, or the tries are used up. A server that says when to come again is asked again then, which is no try.
///
/// # Errors
/// The last try's error.
pub async fn retrying<T, F>(mut call: impl FnMut() -> F) -> Result<T, CallError>
where
    F: Future<Output = Result<T, CallError>>,
{
    let mut tries = BACKOFF.into_iter();
    let mut throttled = Duration::ZERO;
    loop {
        let error = match call().await {
            // A server that hangs is not asked four times over.
            Err(error) if error.is_transient() && !matches!(error, CallError::Timeout(_)) => error,
            result => return result,
        };
        let wait = match error.retry_after() {
            Some(wait) => {
                throttled += wait;
                if throttled > THROTTLED {
                    return Err(error);
                }
                wait
            }
            None => match tries.next() {
                Some(wait) => wait,
                None => return Err(error),
            },
        };
        tracing::debug!(%error, "trying again in {wait:.1?}");
        tokio::time::sleep(wait).await;
    }
}

/// Time for one creation.
const CREATE: Duration = Duration::from_secs(10);

/// Lets the API leave everything but the metadata out.
const METADATA_ONLY: &str = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";

fn request(
    method: Method,
    path: &str,
    body: Option<&Value>,
) -> Result<Request<Vec<u8>>, CallError> {
    let is_patch = method == Method::PATCH;
    let reads = method == Method::GET;
    let mut builder = Request::builder().method(method).uri(path);
    if body.is_some() {
        let kind = if is_patch {
            "application/merge-patch+json"
        } else {
            "application/json"
        };
        builder = builder.header(http::header::CONTENT_TYPE, kind);
    }
    // For every caller: of Secrets the API sends the metadata only.
    let collection = path.split('?').next().unwrap_or(path);
    if reads && collection.ends_with("/secrets") {
        builder = builder.header(http::header::ACCEPT, METADATA_ONLY);
    }
    let bytes = match body {
        Some(body) => {
            serde_json::to_vec(body).map_err(|error| CallError::Malformed(error.to_string()))?
        }
        None => Vec::new(),
    };
    builder
        .body(bytes)
        .map_err(|error| CallError::Malformed(format!("request {path}: {error}")))
}

fn call_error(error: kube::Error) -> CallError {
    match error {
        kube::Error::Api(status) => CallError::Status {
            status: status.code,
            reason: status.reason.clone(),
            message: Redactor::default().text(&status.message),
            retry_after: None,
        },
        other => CallError::Transport(transport::words(&chain(&other))),
    }
}

/// The causes of a transport error, each once, outermost first.
fn chain(error: &kube::Error) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut next: Option<&dyn std::error::Error> = error.source();
    while let Some(cause) = next {
        if let Some(error) = cause.downcast_ref::<kube::client::AuthError>() {
            return credential_error(error, None);
        }
        let text = cause.to_string();
        match parts.last() {
            Some(last) if last.contains(&text) => {}
            _ => parts.push(text),
        }
        next = cause.source();
    }
    if parts.is_empty() {
        error.to_string()
    } else {
        parts.join(": ")
    }
}

#[cfg(test)]
mod tests;
