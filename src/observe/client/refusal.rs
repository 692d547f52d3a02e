//! An answer that is no success → why: the API server's own Status, a proxy's page, a redirect to a login. Pure.

use std::time::Duration;

use http::header::{LOCATION, RETRY_AFTER};
use http::response::Parts;
use serde::Deserialize;

use crate::observe::error::CallError;
use crate::redact::Redactor;

/// Characters of a proxy's text that are shown.
const TEXT: usize = 300;
/// Characters of a page's title that are shown.
const TITLE: usize = 80;
/// So much of an answer shows whether it is a page.
const HEAD: usize = 2048;
/// No server is asked again at once, whatever it says.
const SHORTEST: Duration = Duration::from_millis(200);

#[derive(Default, Deserialize)]
#[serde(default)]
struct Status {
    reason: String,
    message: String,
}

/// Why the server refuses.
pub(super) fn refusal(head: &Parts, body: &[u8]) -> CallError {
    // Not every error comes from the API server itself: a proxy's page has no Status, its text is the message.
    let parsed = serde_json::from_slice::<Status>(body).unwrap_or_else(|_| Status {
        reason: String::new(),
        message: redirect(head)
            .or_else(|| page(body))
            .unwrap_or_else(|| String::from_utf8_lossy(body).chars().take(TEXT).collect()),
    });
    let mut message = Redactor::default().text(&parsed.message);
    if message.contains("HTTP request to an HTTPS server") {
        message = format!(
            "it speaks TLS on this port; write https:// in the kubeconfig's `server` ({message})"
        );
    }
    CallError::Status {
        status: head.status.as_u16(),
        reason: parsed.reason,
        message,
        retry_after: retry_after(head),
    }
}

/// What a page for people calls itself; `None` for anything else.
pub(super) fn page(body: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(&body[..body.len().min(HEAD)]);
    let lower = text.to_ascii_lowercase();
    let begin = lower.trim_start();
    if !["<!doctype html", "<html", "<head", "<h1"]
        .iter()
        .any(|tag| begin.starts_with(tag))
    {
        return None;
    }
    let between = |tag: &str| {
        let (open, close) = (format!("<{tag}"), format!("</{tag}>"));
        let start = lower.find(&open)?;
        let start = start + lower[start..].find('>')? + 1;
        let end = start + lower[start..].find(&close)?;
        let words: Vec<&str> = text.get(start..end)?.split_whitespace().collect();
        let title: String = words.join(" ").chars().take(TITLE).collect();
        (!title.is_empty()).then_some(title)
    };
    Some(match between("title").or_else(|| between("h1")) {
        Some(title) => format!(
            "an HTML page (\"{}\") instead of JSON",
            Redactor::default().text(&title)
        ),
        None => "an HTML page instead of JSON".to_owned(),
    })
}

/// Where a redirect leads: the host alone, since the rest may carry a token.
fn redirect(head: &Parts) -> Option<String> {
    if !head.status.is_redirection() {
        return None;
    }
    let to = head.headers.get(LOCATION)?.to_str().ok()?;
    let host = to
        .split_once("://")
        .map(|(_, rest)| rest)
        .and_then(|rest| rest.split(['/', '?', '#']).next())
        .map_or("another path", |host| {
            host.rsplit_once('@').map_or(host, |(_, host)| host)
        });
    Some(format!(
        "a redirect to {host} instead of an answer: a login page or a proxy stands before the API server"
    ))
}

/// In seconds, as the API server writes it.
fn retry_after(head: &Parts) -> Option<Duration> {
    let seconds = head.headers.get(RETRY_AFTER)?.to_str().ok()?;
    let wait = Duration::from_secs(seconds.trim().parse().ok()?);
    Some(wait.max(SHORTEST))
}

#[cfg(test)]
mod tests {
    use http::Response;

    use super::*;

    fn head(status: u16, headers: &[(&str, &str)]) -> Parts {
        let mut builder = Response::builder().status(status);
        for (name, value) in headers {
            builder = builder.header(*name, *value);
        }
        builder.body(()).unwrap().into_parts().0
    }

    #[test]
    fn a_proxys_page_is_recognised_by_its_title_and_other_text_stays() {
        let said = |body: &[u8]| refusal(&head(502, &[]), body).to_string();
        assert_eq!(
            said(b"<h1>Bad Gateway</h1>"),
            "an HTML page (\"Bad Gateway\") instead of JSON (502)"
        );
        assert_eq!(
            said(b" <!DOCTYPE html>\n<html><head><title>\n Sign in </title>"),
            "an HTML page (\"Sign in\") instead of JSON (502)"
        );
        assert_eq!(said(b"<html>"), "an HTML page instead of JSON (502)");
        assert_eq!(said(b"no upstream"), "no upstream (502)");
        assert_eq!(page(b"{\"html\": 1}"), None);
    }

    #[test]
    fn a_status_of_the_api_keeps_its_words() {
        let body = br#"{"kind":"Status","reason":"Forbidden","message":"no"}"#;
        assert_eq!(
            refusal(&head(403, &[]), body),
            CallError::Status {
                status: 403,
                reason: "Forbidden".into(),
                message: "no".into(),
                retry_after: None,
            }
        );
    }

    #[test]
    fn a_redirect_names_the_host_and_nothing_that_may_be_a_token() {
        let to = [("location", "https://sso.example.com/login?state=TOKEN")];
        let said = refusal(&head(302, &to), b"").to_string();
        assert!(
            said.starts_with("a redirect to sso.example.com instead"),
            "{said}"
        );
        assert!(!said.contains("TOKEN"));
    }

    #[test]
    fn when_to_come_again_is_read_in_seconds() {
        let after = |value| retry_after(&head(429, &[("retry-after", value)]));
        assert_eq!(after("7"), Some(Duration::from_secs(7)));
        assert_eq!(after("0"), Some(SHORTEST));
        assert_eq!(after("Tue, 25 Nov 2025 01:53:00 GMT"), None);
    }
}
