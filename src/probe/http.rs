//! HTTP and HTTPS at the address that was dialled: the question of the spec, redirects on the same host, and whether what answers is HTTP at
//! all. IO: connections.

mod exchange;

use std::time::Duration;

use tokio::time::Instant;

use crate::address::{HttpQuestion, NOWHERE, bracketed};
use crate::probe::ask::Ask;
use crate::probe::found::{Failure, Found};
use crate::probe::http::exchange::{Asker, Head, basic};
use crate::probe::link::PeerLink;
use crate::probe::login::Login;
use crate::probe::peer::Stream;
use crate::probe::wire::{HTTP_CONTENT, StepError, StepName};
use crate::protocol::Protocol;

/// How many redirects are followed.
const REDIRECTS: usize = 5;
/// How long an answer may take.
pub(super) const HTTP: Duration = Duration::from_secs(5);

/// Asks the question of the spec.
pub(crate) async fn talk(stream: PeerLink, ask: &Ask<'_>) -> Vec<Found> {
    let secure = ask.task.protocol == Protocol::Https || ask.wants_tls();
    let question = ask.task.http.as_ref();
    let path = question
        .and_then(|question| question.path.clone())
        .unwrap_or_else(|| NOWHERE.to_owned());
    let mut steps = Vec::new();
    let stream: Stream = if secure {
        match ask.secure(Box::new(stream), &[b"http/1.1"]).await {
            Ok((secured, step)) => {
                steps.push(step);
                Box::new(secured.stream)
            }
            Err(step) => return vec![*step],
        }
    } else {
        Box::new(stream)
    };
    let begun = Instant::now();
    let (step, login) = match converse(ask, stream, secure, &path).await {
        Ok((answer, login)) => (judge(ask, question, &answer).await, login),
        Err(failure) => (Found::fail(StepName::Protocol, failure), None),
    };
    steps.push(
        step.asked(format!("GET {}", without_query(&path)))
            .since(begun),
    );
    steps.extend(login);
    steps
}

/// The last answer, and what became of the login. A request without it goes first: only a server that refuses that one shows by its
/// second answer whether it takes the login.
async fn converse(
    ask: &Ask<'_>,
    stream: Stream,
    secure: bool,
    path: &str,
) -> Result<(Answer, Option<Found>), Failure> {
    let asker = Asker::new(ask, secure)?;
    let answer = walk(ask, &asker, Some(stream), path).await?;
    let refuses = matches!(answer.head.status, 401 | 403);
    let (Login::With(account), Some(login)) = (ask.login(), basic(ask)) else {
        return Ok((answer, ask.no_login().filter(|_| refuses)));
    };
    let unasked = if !refuses {
        Some("the server answers without a login, so none is sent")
    } else if answer.head.asks_for_basic == Some(false) {
        Some("the server asks for another login than a user and a password, so none is sent")
    } else {
        None
    };
    let (answer, step) = if let Some(why) = unasked {
        (answer, Found::skipped(StepName::Login, why))
    } else {
        let answer = walk(ask, &asker.with_login(login), None, path).await?;
        let step = login_step(&answer.head);
        (answer, step)
    };
    Ok((answer, Some(step.asked(format!("as {}", account.source)))))
}

/// The last answer, and the redirect that was not followed.
struct Answer {
    head: Head,
    elsewhere: Option<String>,
}

/// Asks, and follows redirects on the same host.
async fn walk(
    ask: &Ask<'_>,
    asker: &Asker<'_>,
    mut open: Option<Stream>,
    path: &str,
) -> Result<Answer, Failure> {
    let declared = path != NOWHERE;
    let mut path = path.to_owned();
    for _ in 0..=REDIRECTS {
        let head = asker.get(&path, open.take()).await?;
        let Some(location) = head.location.as_deref().filter(|_| head.is_redirect()) else {
            return Ok(Answer {
                head,
                elsewhere: None,
            });
        };
        let next = same_host(location, ask, asker.secure, &path);
        match next {
            // The root may write: only a path that somebody declared leads there.
            Some(next) if declared || next != "/" => path = next,
            _ => {
                let elsewhere = Some(location.to_owned());
                return Ok(Answer { head, elsewhere });
            }
        }
    }
    Err(Failure::new(
        StepError::HttpRedirectLoop,
        format!(
            "{REDIRECTS} redirects, and still no answer; the last one leads to {}",
            without_query(&path)
        ),
    ))
}

/// The path of a redirect, if it stays on this host, port and scheme.
fn same_host(location: &str, ask: &Ask<'_>, secure: bool, current: &str) -> Option<String> {
    let location = location.split('#').next().unwrap_or(location);
    if let Some(rest) = location.strip_prefix("//").or_else(|| {
        let scheme = if secure { "https://" } else { "http://" };
        let head = location.get(..scheme.len())?;
        head.eq_ignore_ascii_case(scheme)
            .then(|| &location[scheme.len()..])
    }) {
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (host, path) = rest.split_at(end);
        let default = if secure { 443 } else { 80 };
        let ours = host.eq_ignore_ascii_case(&format!("{}:{}", ask.host, ask.port))
            || (ask.port == default && host.eq_ignore_ascii_case(ask.host));
        let path = if path.starts_with('/') {
            path.to_owned()
        } else {
            format!("/{path}")
        };
        return ours.then_some(path);
    }
    if location.contains("://") || location.is_empty() {
        return None;
    }
    if location.starts_with('/') {
        return Some(location.to_owned());
    }
    if location.starts_with('?') {
        return Some(format!("{}{location}", without_query(current)));
    }
    let directory = without_query(current)
        .rsplit_once('/')
        .map_or("", |(directory, _)| directory);
    Some(format!("{directory}/{location}"))
}

fn without_query(path: &str) -> &str {
    path.split('?').next().unwrap_or(path)
}

fn authority(ask: &Ask<'_>, secure: bool) -> String {
    if let Some(name) = &ask.task.authority {
        return name.clone();
    }
    let host = bracketed(ask.host.trim_end_matches('.'));
    if ask.port == if secure { 443 } else { 80 } {
        host.into_owned()
    } else {
        format!("{host}:{}", ask.port)
    }
}

/// What the answer to a request with the login says of it, after one without it was refused.
fn login_step(head: &Head) -> Found {
    match (head.status, head.asks_for_basic) {
        (401, Some(true)) => Found::failed(
            StepName::Login,
            StepError::LoginDenied,
            "401: the server rejects this user and password",
        ),
        // A server that takes another kind of login says the same, and one that refuses the path.
        (status @ (401 | 403), _) => Found::skipped(
            StepName::Login,
            format!(
                "{status} with the login too: whether it is refused, or something else is asked for, is not known"
            ),
        ),
        _ => Found::pass(StepName::Login, ""),
    }
}

/// What the answer is worth.
async fn judge(ask: &Ask<'_>, question: Option<&HttpQuestion>, answer: &Answer) -> Found {
    let status = answer.head.status;
    let declared = question.is_some_and(|question| question.path.is_some());
    let health = question.is_some_and(|question| question.health);
    let words = answer.head.words();
    let step = if let Some(expected) = question.and_then(|question| question.expect_status) {
        if status == expected {
            Found::pass(StepName::Protocol, words)
        } else {
            Found::failed(
                StepName::Protocol,
                StepError::HttpStatus,
                format!("{words}, expected {expected}"),
            )
        }
    } else if status == 400 {
        Found::fail(StepName::Protocol, bad_request(ask, &words).await)
    } else if status >= 500 && (declared || !matches!(status, 501 | 505)) {
        Found::failed(StepName::Protocol, StepError::HttpServerError, words)
    } else {
        let mut step = Found::pass(StepName::Protocol, words);
        if status == 404 && health {
            step.error = Some(StepError::HttpNotFound);
        }
        step
    };
    let step = match &answer.elsewhere {
        Some(location) => step.fact("redirect", without_query(location)),
        None => step,
    };
    let step = match &answer.head.content {
        Some(content) if ask.task.authority.is_some() => step.fact(HTTP_CONTENT, content.clone()),
        _ => step,
    };
    step.fact("http_status", status.to_string())
}

/// 400 to a plain request is what many TLS servers say; else somebody who speaks HTTP and something more.
async fn bad_request(ask: &Ask<'_>, words: &str) -> Failure {
    if ask.task.protocol != Protocol::Https
        && let Ok(stream) = ask.network.connect(ask.address, &ask.clock).await
        && ask.secure(Box::new(stream), &[b"http/1.1"]).await.is_ok()
    {
        return Failure::new(
            StepError::Mismatch,
            format!("TLS answers where plain HTTP was expected: to plain HTTP it said {words}"),
        )
        .fact("seen_protocol", "https");
    }
    Failure::new(
        StepError::Mismatch,
        format!("the server refuses the client's own kind of request: {words}"),
    )
    .fact("seen_protocol", "http")
}
