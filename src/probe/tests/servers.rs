//! Servers on loopback for the agent's tests.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hickory_resolver::proto::op::{Message, MessageType, OpCode, ResponseCode};
use hickory_resolver::proto::rr::rdata::A;
use hickory_resolver::proto::rr::{RData, Record, RecordType};
use rustls::pki_types::PrivatePkcs8KeyDer;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio_rustls::TlsAcceptor;

/// How a server behaves.
#[derive(Clone)]
pub(super) enum Server {
    /// Takes the connection and never says a word.
    Silent,
    /// Closes at once.
    Close,
    /// Resets at once.
    Reset,
    /// Says this at once, whatever the client says.
    Say(Vec<u8>),
    /// One byte now and then.
    Drip,
    /// Bytes without end.
    Endless,
    /// Reads a request, and says this.
    Http(String),
    /// Says the first to a request without a login, the second to one with that of `user:right-password`, the third to any other.
    Locked([&'static str; 3]),
    /// Closes the first connections, and is a Redis then.
    CloseFirst(usize),
    /// A Redis.
    Redis { password: Option<&'static str> },
    /// HTTPS with a certificate signed by itself.
    Tls,
    /// The same, and a client that does not speak TLS gets no answer.
    TlsOnly,
}

/// Starts a server; its port.
pub(super) async fn serve(server: Server) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let count = Arc::new(AtomicUsize::new(0));
    let acceptor = matches!(server, Server::Tls | Server::TlsOnly).then(acceptor);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let number = count.fetch_add(1, Ordering::Relaxed);
            tokio::spawn(answer(stream, server.clone(), number, acceptor.clone()));
        }
    });
    port
}

async fn answer(
    mut stream: TcpStream,
    server: Server,
    number: usize,
    acceptor: Option<TlsAcceptor>,
) {
    // Errors of writing only mean that the client has seen enough.
    match server {
        Server::Silent => tokio::time::sleep(Duration::from_mins(10)).await,
        Server::Close => {}
        Server::Reset => stream.set_zero_linger().unwrap(),
        Server::Say(bytes) => {
            let _ = stream.write_all(&bytes).await;
            // Read, so that closing does not become a reset.
            let mut rest = Vec::new();
            let _ = stream.read_to_end(&mut rest).await;
        }
        Server::Drip => {
            while stream.write_all(b"\x7f").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(700)).await;
            }
        }
        Server::Endless => while stream.write_all(&[b'x'; 8192]).await.is_ok() {},
        Server::Http(text) => {
            let _ = request(&mut stream).await;
            let _ = stream.write_all(text.as_bytes()).await;
        }
        Server::Locked([open, right, wrong]) => {
            let text = request(&mut stream).await.unwrap_or_default();
            let said = match text.split_once("authorization: Basic ") {
                None => open,
                // base64 of `user:right-password`
                Some((_, rest)) if rest.starts_with("dXNlcjpyaWdodC1wYXNzd29yZA==") => right,
                Some(_) => wrong,
            };
            let answer = format!("HTTP/1.1 {said}\r\nContent-Length: 0\r\n\r\n");
            let _ = stream.write_all(answer.as_bytes()).await;
        }
        Server::CloseFirst(first) if number < first => {}
        Server::CloseFirst(_) => redis(stream, None).await,
        Server::Redis { password } => redis(stream, password).await,
        Server::TlsOnly if !speaks_tls(&stream).await => {}
        Server::Tls | Server::TlsOnly => {
            if let Some(acceptor) = acceptor
                && let Ok(mut stream) = acceptor.accept(stream).await
            {
                let _ = request(&mut stream).await;
                let _ = stream
                    .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
                    .await;
            }
        }
    }
}

async fn speaks_tls(stream: &TcpStream) -> bool {
    let mut first = [0];
    stream.peek(&mut first).await.is_ok() && first[0] == 0x16
}

async fn request<S: tokio::io::AsyncRead + Unpin>(stream: &mut S) -> std::io::Result<String> {
    let mut seen = Vec::new();
    while !seen.windows(4).any(|four| four == b"\r\n\r\n") {
        let mut chunk = [0; 512];
        let length = stream.read(&mut chunk).await?;
        if length == 0 {
            break;
        }
        seen.extend_from_slice(&chunk[..length]);
    }
    Ok(String::from_utf8_lossy(&seen).into_owned())
}

fn acceptor() -> TlsAcceptor {
    let made = rcgen::generate_simple_self_signed(vec!["db".to_owned()]).unwrap();
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key.into())
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

/// As much of Redis as the agent asks for; it repeats the password in its refusal, as no server should.
async fn redis(stream: TcpStream, password: Option<&str>) {
    let (reader, mut writer) = stream.into_split();
    let mut lines = BufReader::new(reader).lines();
    let mut known = password.is_none();
    while let Ok(Some(head)) = lines.next_line().await {
        let count: usize = head.trim_start_matches('*').parse().unwrap_or(0);
        let mut words = Vec::new();
        for _ in 0..count {
            let _ = lines.next_line().await;
            words.extend(lines.next_line().await.ok().flatten());
        }
        let info = "role:master\r\nloading:0\r\n";
        let reply = match words.first().map(String::as_str) {
            Some("AUTH") if words.last().map(String::as_str) == password => {
                known = true;
                "+OK\r\n".to_owned()
            }
            Some("AUTH") => format!("-WRONGPASS {} is wrong\r\n", words[words.len() - 1]),
            _ if !known => "-NOAUTH Authentication required.\r\n".to_owned(),
            Some("PING") => "+PONG\r\n".to_owned(),
            Some("INFO") => format!("${}\r\n{info}\r\n", info.len()),
            _ => "-ERR unknown command\r\n".to_owned(),
        };
        if writer.write_all(reply.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// A greeting of protocol 10 without TLS.
pub(super) fn mysql_greeting(version: &str) -> Vec<u8> {
    let mut payload = vec![0x0a];
    payload.extend(version.bytes());
    payload.extend([0, 1, 0, 0, 0]);
    payload.extend([b'a'; 8]);
    payload.extend([0, 0xff, 0xf7, 8, 2, 0, 0x0f, 0x80, 21]);
    payload.extend([0; 10]);
    payload.extend([b'b'; 12]);
    payload.push(0);
    payload.extend(b"mysql_native_password\0");
    packet(&payload)
}

/// An error packet in the greeting's place.
pub(super) fn mysql_error(code: u16, text: &str) -> Vec<u8> {
    let mut payload = vec![0xff];
    payload.extend(code.to_le_bytes());
    payload.extend(text.bytes());
    packet(&payload)
}

fn packet(payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_le_bytes();
    [&length[..3], &[0], payload].concat()
}

/// A name server for the domain `shop.svc.cluster.local`.
pub(super) async fn dns() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut buffer = vec![0; 1500];
        let mut young = 0;
        while let Ok((length, client)) = socket.recv_from(&mut buffer).await {
            let question = Message::from_vec(&buffer[..length]).unwrap();
            let query = question.queries[0].clone();
            let name = query.name.to_ascii().to_ascii_lowercase();
            let mut message =
                Message::new(question.metadata.id, MessageType::Response, OpCode::Query);
            message.add_query(query.clone());
            let mut add = || {
                if query.query_type == RecordType::A {
                    let data = RData::A(A::new(10, 96, 0, 9));
                    message.add_answer(Record::from_rdata(query.name.clone(), 5, data));
                }
            };
            match name.strip_suffix(".shop.svc.cluster.local.") {
                Some("headless") => {}
                Some("quiet") => continue,
                Some("young") if young < 6 => {
                    young += 1;
                    message.metadata.response_code = ResponseCode::NXDomain;
                }
                Some("db" | "young") => add(),
                _ if name.starts_with("servfail.") => {
                    message.metadata.response_code = ResponseCode::ServFail;
                }
                _ => message.metadata.response_code = ResponseCode::NXDomain,
            }
            let bytes = message.to_vec().unwrap();
            socket.send_to(&bytes, client).await.unwrap();
        }
    });
    address
}
