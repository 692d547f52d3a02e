//! A connection to a peer that may say anything: every read has an end in time and in size. IO.

use std::io::Cursor;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::Instant;

use crate::probe::clock::Clock;
use crate::probe::found::Failure;
use crate::probe::seen;
use crate::probe::wire::StepError;

/// The longest line that is read.
const LINE: usize = 16 * 1024;
/// The longest message that is read.
pub(crate) const MESSAGE: usize = 1024 * 1024;
/// How much is read at a time.
const CHUNK: usize = 4096;
/// How much is read at first.
const FIRST: usize = 512;
/// How many of the first bytes are kept to see who speaks.
const HEAD: usize = 256;

/// Anything that a protocol can be spoken over.
pub(crate) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// A plain or TLS connection.
pub(crate) type Stream = Box<dyn Io>;

/// A connection that is read in lines or messages.
pub(crate) struct PeerStream {
    io: Stream,
    expected: &'static str,
    clock: Clock,
    buffer: Vec<u8>,
    head: Vec<u8>,
}

impl PeerStream {
    /// A peer of which `expected` is expected ("a MySQL server").
    pub(crate) fn new(io: Stream, expected: &'static str, clock: Clock) -> Self {
        Self {
            io,
            expected,
            clock,
            buffer: Vec::new(),
            head: Vec::new(),
        }
    }

    /// The first bytes that it ever said.
    pub(crate) fn head(&self) -> &[u8] {
        &self.head
    }

    /// What was read and not used yet.
    pub(crate) fn unread(&self) -> &[u8] {
        &self.buffer
    }

    /// The connection, with what was read of it and not used yet.
    pub(crate) fn into_parts(self) -> (Stream, Vec<u8>) {
        (self.io, self.buffer)
    }

    /// Sends all of it.
    ///
    /// # Errors
    /// A connection that broke, or a peer that does not read.
    pub(crate) async fn send(&mut self, bytes: &[u8], end: Instant) -> Result<(), Failure> {
        let sending = async {
            self.io.write_all(bytes).await?;
            self.io.flush().await
        };
        match self.clock.by(end, sending).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(Failure::broken(&error)),
            Err(late) => Err(Failure::late(
                late,
                StepError::Silent,
                "the peer does not read what it is sent",
            )),
        }
    }

    /// Uses up what was read, and starts again.
    pub(crate) fn forget(&mut self) {
        self.buffer.clear();
    }

    /// Reads more; the number of bytes that came.
    ///
    /// # Errors
    /// Closed, silent or broken.
    pub(crate) async fn more(&mut self, end: Instant) -> Result<usize, Failure> {
        let before = self.buffer.len();
        // Many never say a word: until the first one they take little.
        let chunk = if self.head.is_empty() { FIRST } else { CHUNK };
        self.buffer.reserve(chunk);
        match self.clock.by(end, self.io.read_buf(&mut self.buffer)).await {
            Ok(Ok(0)) => Err(self.closed()),
            Ok(Ok(length)) => {
                let room = HEAD.saturating_sub(self.head.len());
                self.head.extend(self.buffer[before..].iter().take(room));
                Ok(length)
            }
            Ok(Err(error)) => Err(Failure::broken(&error)),
            Err(late) if self.head.is_empty() => Err(Failure::late(
                late,
                StepError::Silent,
                "the connection was accepted, and the peer never said a word",
            )),
            Err(late) => Err(match seen::protocol(&self.head) {
                Some(_) if !self.buffer.is_empty() => Failure::mismatch(self.expected, &self.head),
                _ => Failure::late(
                    late,
                    StepError::Silent,
                    format!("{} stopped in mid-answer", self.expected),
                ),
            }),
        }
    }

    fn closed(&self) -> Failure {
        if self.head.is_empty() {
            Failure::new(
                StepError::Closed,
                "the peer closed the connection before it said a word",
            )
        } else if self.buffer.is_empty() {
            Failure::new(StepError::Broken, "the peer closed the connection")
        } else {
            Failure::mismatch(self.expected, &self.head)
        }
    }

    /// Something that is no message of the expected protocol.
    pub(crate) fn mismatch(&self) -> Failure {
        Failure::mismatch(self.expected, &self.head)
    }

    /// A line without its end.
    ///
    /// # Errors
    /// Closed, silent, broken, or an endless line.
    pub(crate) async fn line(&mut self, end: Instant) -> Result<Vec<u8>, Failure> {
        loop {
            if let Some(at) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let mut line: Vec<u8> = self.buffer.drain(..=at).collect();
                line.pop();
                if line.last() == Some(&b'\r') {
                    line.pop();
                }
                return Ok(line);
            }
            if self.buffer.len() > LINE {
                return Err(self.mismatch());
            }
            self.more(end).await?;
        }
    }

    /// Exactly that many bytes.
    ///
    /// # Errors
    /// Closed, silent, broken, or more than anyone should send.
    pub(crate) async fn exact(&mut self, length: usize, end: Instant) -> Result<Vec<u8>, Failure> {
        if length > MESSAGE {
            return Err(self.mismatch());
        }
        while self.buffer.len() < length {
            self.more(end).await?;
        }
        Ok(self.buffer.drain(..length).collect())
    }

    /// Whatever comes first, left to be read.
    ///
    /// # Errors
    /// Closed, silent or broken.
    pub(crate) async fn first(&mut self, end: Instant) -> Result<&[u8], Failure> {
        if self.buffer.is_empty() {
            self.more(end).await?;
        }
        Ok(&self.buffer)
    }
}

/// A connection whose first bytes are given back before those that follow.
pub(crate) fn rewound(bytes: Vec<u8>, io: impl Io + 'static) -> impl Io + 'static {
    let (reader, writer) = tokio::io::split(io);
    tokio::io::join(Cursor::new(bytes).chain(reader), writer)
}
