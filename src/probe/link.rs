//! A connection whose peer may send anything: what it sends between two messages of the probe is bounded, here and so for every driver,
//! TLS and HTTP on top of it. IO: the connection.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// The most that a peer may send in one greeting or answer.
pub(crate) const ANSWER: usize = 1024 * 1024;
/// The most that a peer may send over one connection.
const CONNECTION: usize = 4 * ANSWER;
/// What every answer may hold without asking the pool.
const SMALL: usize = 64 * 1024;
/// What all long answers of the agent may hold together, so that many hostile peers do not take its memory.
const POOL: usize = 6 * ANSWER;

/// The memory that all long answers share.
#[derive(Debug, Clone)]
pub(crate) struct Pool(Arc<AtomicUsize>);

impl Default for Pool {
    fn default() -> Self {
        Self(Arc::new(AtomicUsize::new(POOL)))
    }
}

impl Pool {
    fn take(&self, length: usize) -> bool {
        self.0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                left.checked_sub(length)
            })
            .is_ok()
    }

    fn give(&self, length: usize) {
        self.0.fetch_add(length, Ordering::Relaxed);
    }
}

/// The peer sent more than any answer of its kind holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the peer sent more than 1 MiB in one answer, and the answer had no end")]
pub(crate) struct Flood;

impl Flood {
    /// Whether this is why reading ended, however deep it stands in the error.
    pub(crate) fn is_in(error: &(dyn std::error::Error + 'static)) -> bool {
        let mut next = Some(error);
        while let Some(error) = next {
            if error.is::<Self>() {
                return true;
            }
            // An I/O error answers with its inner error's source, and so hides the inner error itself.
            if let Some(inner) = error
                .downcast_ref::<io::Error>()
                .and_then(io::Error::get_ref)
                && Self::is_in(inner)
            {
                return true;
            }
            next = error.source();
        }
        false
    }
}

/// What a peer has sent since it was last spoken to, and in all.
#[derive(Debug)]
struct Tally {
    answer: usize,
    connection: usize,
    borrowed: usize,
    pool: Pool,
}

impl Tally {
    const fn new(pool: Pool) -> Self {
        Self {
            answer: 0,
            connection: 0,
            borrowed: 0,
            pool,
        }
    }

    /// How much may be read now.
    fn room(&mut self) -> Result<usize, Flood> {
        let room = (ANSWER - self.answer).min(CONNECTION - self.connection);
        if self.answer >= SMALL + self.borrowed && room > 0 && self.pool.take(SMALL) {
            self.borrowed += SMALL;
        }
        match room.min((SMALL + self.borrowed).saturating_sub(self.answer)) {
            0 => Err(Flood),
            room => Ok(room),
        }
    }

    const fn read(&mut self, length: usize) {
        self.answer += length;
        self.connection += length;
    }

    /// A new question begins a new answer.
    fn asked(&mut self) {
        self.answer = 0;
        self.pool.give(std::mem::take(&mut self.borrowed));
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        self.asked();
    }
}

/// An open connection.
#[derive(Debug)]
pub(crate) struct PeerLink {
    io: TcpStream,
    /// None: the peer is trusted with as much as it likes.
    tally: Option<Tally>,
}

impl PeerLink {
    /// A connection that was just opened.
    pub(crate) const fn new(io: TcpStream, pool: Pool) -> Self {
        Self {
            io,
            tally: Some(Tally::new(pool)),
        }
    }

    /// The same to a peer that is asked on and on, and whose answers may be long: a database that both keys were given for.
    pub(crate) const fn kept(io: TcpStream) -> Self {
        Self { io, tally: None }
    }
}

impl AsyncRead for PeerLink {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let link = &mut *self;
        let Some(tally) = &mut link.tally else {
            return Pin::new(&mut link.io).poll_read(context, buffer);
        };
        let room = match tally.room() {
            Ok(room) => room,
            Err(flood) => return Poll::Ready(Err(io::Error::other(flood))),
        };
        let room = room.min(buffer.remaining());
        let mut part = ReadBuf::new(buffer.initialize_unfilled_to(room));
        ready!(Pin::new(&mut link.io).poll_read(context, &mut part))?;
        let length = part.filled().len();
        buffer.advance(length);
        tally.read(length);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for PeerLink {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let length = ready!(Pin::new(&mut self.io).poll_write(context, bytes))?;
        if length > 0
            && let Some(tally) = &mut self.tally
        {
            tally.asked();
        }
        Poll::Ready(Ok(length))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}
