//! What a driver cannot bear of a MySQL server's packets, found before the driver reads them. The bytes are passed on as they are. IO: the
//! connection.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, ReadBuf};

use crate::probe::link::ANSWER;
use crate::probe::peer::Io;

/// Why a packet is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum PacketError {
    /// Longer than any answer to what is asked here.
    #[error("the server announces a packet of {0} bytes, more than any answer to what is asked")]
    Long(usize),
    /// Without a byte in it.
    #[error("the server sends a packet with nothing in it")]
    Empty,
    /// An answer of more columns than a table can have; a driver reserves memory for all of them.
    #[error("the server announces more columns than a table can have")]
    Columns,
}

/// Where in the stream of packets the last byte stood.
#[derive(Debug, Default)]
struct Packets {
    header: [u8; 4],
    at: usize,
    left: usize,
    fresh: bool,
}

impl Packets {
    /// Goes on by these bytes.
    fn read(&mut self, mut bytes: &[u8]) -> Result<(), PacketError> {
        while let Some((first, rest)) = bytes.split_first() {
            if self.left > 0 {
                if std::mem::take(&mut self.fresh) && self.counts_columns(*first) {
                    return Err(PacketError::Columns);
                }
                let length = self.left.min(bytes.len());
                self.left -= length;
                bytes = &bytes[length..];
                continue;
            }
            self.header[self.at] = *first;
            self.at += 1;
            bytes = rest;
            if self.at == 4 {
                self.at = 0;
                let [low, middle, high, _] = self.header;
                self.left = usize::from(low) | usize::from(middle) << 8 | usize::from(high) << 16;
                self.fresh = true;
                match self.left {
                    0 => return Err(PacketError::Empty),
                    ANSWER.. => return Err(PacketError::Long(self.left)),
                    _ => {}
                }
            }
        }
        Ok(())
    }

    /// Whether a packet that begins so may say a number of columns from 2^16 on, which is written in three or eight bytes. It is the first packet
    /// of an answer, and so is every 256th of a long one, as numbers of packets are bytes: there the end of the rows and a row with a long
    /// first column begin alike, and are shorter and longer.
    const fn counts_columns(&self, first: u8) -> bool {
        self.header[3] == 1
            && match first {
                0xfd => self.left <= 1 << 16,
                0xfe => self.left > 8,
                _ => false,
            }
    }
}

/// Watches what a server sends, from the beginning of a packet on.
pub(super) fn watched(server: impl Io + 'static) -> impl Io + 'static {
    let (io, writer) = tokio::io::split(server);
    let packets = Packets::default();
    tokio::io::join(Watched { io, packets }, writer)
}

/// What is read of a server that is watched.
struct Watched<R> {
    io: R,
    packets: Packets,
}

impl<R: AsyncRead + Unpin> AsyncRead for Watched<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.io).poll_read(context, buffer))?;
        let read = self.packets.read(&buffer.filled()[before..]);
        Poll::Ready(read.map_err(io::Error::other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8], chunk: usize) -> Result<(), PacketError> {
        let mut packets = Packets::default();
        bytes.chunks(chunk).try_for_each(|part| packets.read(part))
    }

    fn packet(number: usize, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).unwrap().to_le_bytes();
        [
            &length[..3],
            &[u8::try_from(number % 256).unwrap()],
            payload,
        ]
        .concat()
    }

    #[test]
    fn no_number_of_rows_is_taken_for_a_number_of_columns() {
        let long = [&[0xfd, 0, 0, 1][..], &vec![b'x'; 1 << 16]].concat();
        for rows in 0..600 {
            let mut stream = packet(1, b"\x01");
            for number in 0..rows {
                stream.extend(packet(number + 2, b"\x02ab"));
            }
            let mut ends_long = stream.clone();
            stream.extend(packet(rows + 2, b"\xfe\0\0\x02\0"));
            assert_eq!(read(&stream, 1000), Ok(()), "{rows} rows");
            ends_long.extend(packet(rows + 2, &long));
            assert_eq!(read(&ends_long, 1000), Ok(()), "{rows} rows and a long one");
        }
    }

    #[test]
    fn what_a_driver_cannot_bear_is_seen_in_any_cut_of_the_stream() {
        let fine = b"\x01\0\0\x01\x01\x02\0\0\x02ab\x05\0\0\x03\xfe\0\0\x02\0";
        let columns = b"\x01\0\0\x02\0\x09\0\0\x01\xfe\xff\xff\xff\xff\xff\xff\xff\x7f";
        for chunk in 1..12 {
            assert_eq!(read(fine, chunk), Ok(()));
            assert_eq!(read(columns, chunk), Err(PacketError::Columns));
            assert_eq!(read(b"\0\0\0\x04", chunk), Err(PacketError::Empty));
            assert_eq!(
                read(b"\xff\xff\xff\x01", chunk),
                Err(PacketError::Long(0x00ff_ffff))
            );
        }
    }
}
