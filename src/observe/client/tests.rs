//! Tests of `client`.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

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
            retry_after: None,
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
    let text = b"one\r\n\xfftwo\n\nend".to_vec();
    let mut lines = Lines::new(futures::io::Cursor::new(text));
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

#[tokio::test]
async fn a_server_that_says_when_to_come_again_is_asked_then() {
    let busy = |seconds| CallError::Status {
        status: 429,
        reason: String::new(),
        message: "later".into(),
        retry_after: Some(Duration::from_secs(seconds)),
    };
    tokio::time::pause();
    let started = tokio::time::Instant::now();
    let tries = std::cell::Cell::new(0);
    let result = retrying(|| {
        tries.set(tries.get() + 1);
        std::future::ready(if tries.get() < 7 {
            Err(busy(4))
        } else {
            Ok(())
        })
    })
    .await;
    // Six times four seconds: more often than a server that says nothing is asked, and not one second too early.
    assert_eq!(result, Ok(()));
    assert_eq!(started.elapsed().as_secs(), 24);
    // It does not put a run off for ever.
    assert_eq!(
        retrying(|| std::future::ready(Err::<(), _>(busy(40)))).await,
        Err(busy(40))
    );
    assert_eq!(started.elapsed().as_secs(), 24);
}

#[tokio::test]
async fn a_login_page_in_the_place_of_an_answer_is_named() {
    let api = server(|_| (b"<html><title>Sign in</title></html>".to_vec(), 1)).await;
    let error = api.get::<Value>("/version").await.unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("an HTML page (\"Sign in\") instead of JSON: a login page"),
        "{error}"
    );
}

#[tokio::test]
async fn a_line_without_end_is_no_reason_to_read_on() {
    let mut lines = Lines::new(futures::io::BufReader::new(futures::io::repeat(b'a')));
    let error = lines.next().await.unwrap_err();
    assert!(error.to_string().contains("more than 4 MiB"), "{error}");
}

/// An API server on loopback: each request's path in, the bytes of the answer and how often they are said out.
async fn server(answer: fn(&str) -> (Vec<u8>, usize)) -> Api {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut received = vec![0; 8192];
                let read = stream.read(&mut received).await.unwrap();
                let request = String::from_utf8_lossy(&received[..read]).into_owned();
                let path = request.split(' ').nth(1).unwrap();
                let (bytes, times) = answer(path);
                let status = format!(
                    "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
                    bytes.len() * times
                );
                // The client may have received enough.
                let _ = stream.write_all(status.as_bytes()).await;
                for _ in 0..times {
                    if stream.write_all(&bytes).await.is_err() {
                        break;
                    }
                }
            });
        }
    });
    let config = kube::Config::new(url.parse().unwrap());
    Api::new(kube::Client::try_from(config).unwrap(), url, "test")
}

#[tokio::test]
async fn an_answer_without_end_is_read_no_further() {
    let api = server(|_| (vec![b' '; 1 << 20], 1 << 20)).await;
    let error = api.get::<Value>("/version").await.unwrap_err();
    assert_eq!(error, CallError::TooLong(64 << 20));
    assert!(error.to_string().contains("64 MiB"), "{error}");
}

#[tokio::test]
async fn a_list_of_large_objects_is_read_in_smaller_pages() {
    let api = server(|path| {
        if path.contains("limit=500") || path.contains("limit=50&") {
            (vec![b' '; 1 << 20], 65)
        } else if path.contains("continue=b") {
            (
                br#"{"metadata":{"resourceVersion":"7"},"items":[3]}"#.to_vec(),
                1,
            )
        } else {
            (
                br#"{"metadata":{"continue":"b"},"items":[1,2]}"#.to_vec(),
                1,
            )
        }
    })
    .await;
    let listed: Listed<u8> = api.list("/api/v1/pods", "a=b").await.unwrap();
    assert_eq!(listed.items, [1, 2, 3]);
    assert_eq!(listed.resource_version, "7");
}
