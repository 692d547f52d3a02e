//! One listener on a free loopback port per address of the scenario. IO.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinSet;

use super::answer::{Answer, Http};
use super::{amqp, kafka, mysql, postgres, redis, tls};

/// Any free port of loopback.
const FREE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
/// Between two bytes of a server that drips.
const DRIP: Duration = Duration::from_millis(200);
/// A client that says nothing for so long waits for the server: its connect has returned.
const CONNECTED: Duration = Duration::from_secs(1);
/// A connect that is not answered by then was dropped.
const DROPPED: Duration = Duration::from_millis(150);
/// More connections than the smallest backlog takes.
const BACKLOG_TRIES: usize = 16;

/// A listener; it ends when it is dropped.
pub(crate) struct Listener {
    /// Where it really listens.
    pub(crate) address: SocketAddr,
    /// Sockets that only have to stay open.
    _kept: Vec<Kept>,
    _serving: JoinSet<()>,
}

/// What keeps a port taken, or a backlog full.
enum Kept {
    Bound(#[expect(dead_code, reason = "only held")] TcpSocket),
    Listening(#[expect(dead_code, reason = "only held")] TcpListener),
    Connected(#[expect(dead_code, reason = "only held")] TcpStream),
}

impl Listener {
    /// Starts to answer.
    ///
    /// # Errors
    /// No free port, no more file descriptors.
    pub(crate) async fn start(answer: Answer) -> io::Result<Self> {
        match answer {
            Answer::Refuse => refuse(),
            Answer::Drop => drop_all().await,
            answer => serve(answer).await,
        }
    }
}

/// A port that is taken, and no one listens on it: every connect is refused.
fn refuse() -> io::Result<Listener> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(FREE)?;
    Ok(Listener {
        address: socket.local_addr()?,
        _kept: vec![Kept::Bound(socket)],
        _serving: JoinSet::new(),
    })
}

/// A port whose backlog is full: the system answers no further connect.
async fn drop_all() -> io::Result<Listener> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(FREE)?;
    let listener = socket.listen(1)?;
    let address = listener.local_addr()?;
    let mut kept = vec![Kept::Listening(listener)];
    for _ in 0..BACKLOG_TRIES {
        match tokio::time::timeout(DROPPED, TcpStream::connect(address)).await {
            Ok(connected) => kept.push(Kept::Connected(connected?)),
            Err(_) => break,
        }
    }
    Ok(Listener {
        address,
        _kept: kept,
        _serving: JoinSet::new(),
    })
}

async fn serve(answer: Answer) -> io::Result<Listener> {
    let listener = TcpListener::bind(FREE).await?;
    let address = listener.local_addr()?;
    let answer = Arc::new(answer);
    let mut serving = JoinSet::new();
    serving.spawn(async move {
        let mut connections = JoinSet::new();
        // Out of file descriptors: the next accept may work again.
        loop {
            if let Ok((stream, _)) = listener.accept().await {
                let answer = Arc::clone(&answer);
                connections.spawn(async move {
                    // A client that goes away is no concern of the server.
                    let _ = talk(stream, &answer).await;
                });
                while connections.try_join_next().is_some() {}
            } else {
                tokio::time::sleep(DRIP).await;
            }
        }
    });
    Ok(Listener {
        address,
        _kept: Vec::new(),
        _serving: serving,
    })
}

async fn talk(mut stream: TcpStream, answer: &Answer) -> io::Result<()> {
    match answer {
        Answer::Mysql(server) => mysql::serve(stream, server).await,
        Answer::Redis(server) => redis::serve(stream, server).await,
        Answer::Postgres(server) => postgres::serve(stream, server).await,
        Answer::Amqp(user, password) => amqp::serve(stream, user, password).await,
        Answer::Kafka(host, port) => kafka::serve(stream, host, *port).await,
        Answer::Http(server) => match &server.certificate {
            Some(certificate) => http(tls::accept(stream, certificate).await?, server).await,
            None => http(stream, server).await,
        },
        Answer::Reset => reset(stream).await,
        Answer::Close | Answer::Refuse | Answer::Drop => {
            stream.shutdown().await?;
            // What the client says meanwhile is taken: left unread it would turn the end into a reset.
            talk_nothing(stream).await
        }
        Answer::Silent => talk_nothing(stream).await,
        Answer::Garbage => {
            stream
                .write_all(&[0xde, 0xad, 0xbe, 0xef, 0, 0xff, 0x80, 0x0d, 0x0a, 7])
                .await?;
            talk_nothing(stream).await
        }
        Answer::Drip => loop {
            stream.write_all(b"x").await?;
            tokio::time::sleep(DRIP).await;
        },
        Answer::Endless => loop {
            stream.write_all(&[b'x'; 8192]).await?;
        },
    }
}

/// Resets a connection that the client has: once it says something, or waits for a greeting. A reset right after the accept may come
/// while the client still connects, and then the connect itself fails.
async fn reset(mut stream: TcpStream) -> io::Result<()> {
    let mut first = [0; 1024];
    if let Ok(said) = tokio::time::timeout(CONNECTED, stream.read(&mut first)).await {
        said?;
    }
    stream.set_zero_linger()
}

/// Takes what comes until the client leaves.
async fn talk_nothing(mut stream: TcpStream) -> io::Result<()> {
    let mut buffer = [0; 1024];
    while stream.read(&mut buffer).await? > 0 {}
    Ok(())
}

async fn http<S>(stream: S, server: &Http) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(|request: Request<Incoming>| {
        let path = request.uri().path();
        let status = server.paths.get(path).copied().unwrap_or(server.status);
        let mut response = Response::builder().status(status);
        if status == 401 {
            response = response.header("WWW-Authenticate", "Basic realm=\"sandbox\"");
        }
        if let Some(location) = &server.location {
            response = response.header(http::header::LOCATION, location);
        }
        std::future::ready(response.body(Full::new(Bytes::from_static(b"sandbox\n"))))
    });
    hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await
        .map_err(io::Error::other)
}
