//! Hands a connection that is already open to a client library that only knows how to dial: a listener on loopback for exactly one
//! connection, and from then on both sides joined. So the server sees one connection, its TLS was judged before the library spoke, and
//! what it sends is bounded. IO: loopback, and the connection.

use std::io;
use std::net::Ipv4Addr;
use std::pin::pin;
use std::sync::{Arc, OnceLock};

use futures::future::{Either, select};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::probe::found::Failure;
use crate::probe::peer::Io;
use crate::probe::wire::StepError;

/// How much is carried at a time.
const CHUNK: usize = 8 * 1024;

/// Where the library dials.
pub(crate) struct RelayAddress {
    listener: TcpListener,
    port: u16,
}

impl RelayAddress {
    /// Waits on loopback.
    ///
    /// # Errors
    /// A system without a free port or file.
    pub(crate) async fn open() -> Result<Self, Failure> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .map_err(|error| local(&error))?;
        let port = listener.local_addr().map_err(|error| local(&error))?.port();
        Ok(Self { listener, port })
    }

    /// The port on loopback.
    pub(crate) const fn port(&self) -> u16 {
        self.port
    }

    /// The library's connection; no second one is taken.
    ///
    /// # Errors
    /// The system's own.
    pub(crate) async fn enter(self) -> Result<TcpStream, Failure> {
        let (library, _) = self
            .listener
            .accept()
            .await
            .map_err(|error| local(&error))?;
        // Small packets in both directions: waiting for more of them only costs time.
        let _ = library.set_nodelay(true);
        Ok(library)
    }
}

/// Two connections that are one; it ends when this is dropped.
pub(crate) struct Joined {
    task: JoinHandle<()>,
    why: Arc<OnceLock<io::Error>>,
}

impl Joined {
    /// How the server broke the connection, if it did: the library only sees the end of its own.
    pub(crate) fn broken(&self) -> Option<&io::Error> {
        self.why.get()
    }

    /// Waits until both sides have ended: the server has then received what the library said last.
    pub(crate) async fn ended(mut self) {
        let _ = (&mut self.task).await;
    }
}

impl Drop for Joined {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Joins the library that is going to dial with the server.
pub(crate) fn behind(door: RelayAddress, server: impl Io + 'static) -> Joined {
    spawn(async { Ok((door.enter().await?, server)) })
}

/// Joins the library that has dialled with the server.
pub(crate) fn join(library: impl Io + 'static, server: impl Io + 'static) -> Joined {
    spawn(std::future::ready(Ok((library, server))))
}

fn spawn<L: Io + 'static, S: Io + 'static>(
    both: impl Future<Output = Result<(L, S), Failure>> + Send + 'static,
) -> Joined {
    let why = Arc::new(OnceLock::new());
    let said = Arc::clone(&why);
    let task = tokio::spawn(async move {
        match both.await {
            Ok((library, server)) => carry_both(library, server, &said).await,
            Err(failure) => drop(said.set(io::Error::other(failure.detail))),
        }
    });
    Joined { task, why }
}

/// Carries until the server has ended: although it reads no more, it may have something to say.
async fn carry_both<L: Io, S: Io>(library: L, server: S, why: &OnceLock<io::Error>) {
    let (from_library, to_library) = tokio::io::split(library);
    let (from_server, to_server) = tokio::io::split(server);
    let down = pin!(carry(from_server, to_library));
    let up = pin!(carry(from_library, to_server));
    let ended = match select(down, up).await {
        Either::Left((ended, _)) => ended,
        Either::Right((ended, down)) => {
            if let Err(Broken::Writing(error)) = ended {
                let _ = why.set(error);
            }
            down.await
        }
    };
    // Before the connection of the library is dropped, and the library sees its end.
    if let Err(Broken::Reading(error)) = ended {
        let _ = why.set(error);
    }
}

/// Which side of a direction broke.
enum Broken {
    Reading(io::Error),
    Writing(io::Error),
}

async fn carry(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
) -> Result<(), Broken> {
    let mut buffer = vec![0; CHUNK];
    loop {
        match from.read(&mut buffer).await.map_err(Broken::Reading)? {
            0 => return to.shutdown().await.map_err(Broken::Writing),
            length => {
                to.write_all(&buffer[..length])
                    .await
                    .map_err(Broken::Writing)?;
                to.flush().await.map_err(Broken::Writing)?;
            }
        }
    }
}

fn local(error: &io::Error) -> Failure {
    Failure::new(
        StepError::Broken,
        format!("the probe could not listen on its own loopback: {error}"),
    )
}
