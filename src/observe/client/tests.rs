//! Tests of `client`.

use super::*;

#[tokio::test]
async fn transient_errors_are_retried_a_few_times_and_others_never() {
    let tries = std::cell::Cell::new(0);
    let answer = |status| {
        tries.set(tries.get() + 1);
        std::future::ready(Err::<(), _>(CallError::Status {
            status,
            reason: String::new(),
            message: String::new(),
        }))
    };
    tokio::time::pause();
    assert!(retrying(|| answer(503)).await.is_err());
    assert_eq!(tries.replace(0), 4);
    assert!(retrying(|| answer(403)).await.is_err());
    assert_eq!(tries.replace(0), 1);
    let result = retrying(|| {
        tries.set(tries.get() + 1);
        std::future::ready(if tries.get() < 3 {
            Err(CallError::Transport("reset".into()))
        } else {
            Ok(7)
        })
    })
    .await;
    assert_eq!(result, Ok(7));
}

#[tokio::test]
async fn lines_survive_bad_bytes_and_a_missing_end() {
    let mut lines = Lines {
        reader: Box::pin(futures::io::Cursor::new(b"one\r\n\xfftwo\n\nend".to_vec())),
        buffer: Vec::new(),
    };
    let mut seen = Vec::new();
    while let Some(line) = lines.next().await.unwrap() {
        seen.push(line);
    }
    assert_eq!(seen, ["one", "\u{fffd}two", "", "end"]);
}

#[test]
fn dates_of_answers_are_read() {
    let date = jiff::fmt::rfc2822::parse("Tue, 25 Nov 2025 01:53:00 GMT").unwrap();
    assert_eq!(date.timestamp().to_string(), "2025-11-25T01:53:00Z");
}

#[test]
fn a_proxys_error_page_keeps_its_text() {
    assert_eq!(
        status_error(502, b"<h1>Bad Gateway</h1>").to_string(),
        "<h1>Bad Gateway</h1> (502)"
    );
    assert_eq!(
        status_error(
            403,
            br#"{"kind":"Status","reason":"Forbidden","message":"no"}"#
        ),
        CallError::Status {
            status: 403,
            reason: "Forbidden".into(),
            message: "no".into()
        }
    );
}
