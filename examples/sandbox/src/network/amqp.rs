//! The server side of AMQP 0-9-1, as far as a PLAIN login goes. IO: the connection.
//!
//! Source: the specification of AMQP 0-9-1, class connection; the refusal is RabbitMQ's.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const LONGEST: usize = 1 << 16;

/// Serves one connection to its end.
pub(super) async fn serve(mut stream: TcpStream, user: &str, password: &str) -> io::Result<()> {
    let mut header = [0; 8];
    stream.read_exact(&mut header).await?;
    if !header.starts_with(b"AMQP") {
        // A client that speaks something else gets the version.
        return stream.write_all(b"AMQP\x00\x00\x09\x01").await;
    }
    // Start: version 0-9, no properties, mechanisms, locales.
    let start = [&[0, 9][..], &[0; 4], &long(b"PLAIN"), &long(b"en_US")].concat();
    send(&mut stream, 10, &start).await?;
    let login = receive(&mut stream).await?;
    let wanted = format!("\0{user}\0{password}");
    if !login
        .windows(wanted.len())
        .any(|part| part == wanted.as_bytes())
    {
        let text = b"ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN.";
        let length = u8::try_from(text.len()).unwrap_or(0);
        // 403, text, by method Start-Ok.
        let close = [&403_u16.to_be_bytes()[..], &[length], text, &[0, 10, 0, 11]].concat();
        return send(&mut stream, 50, &close).await;
    }
    // Tune: channels, frame size, heartbeat.
    send(&mut stream, 30, &[0, 0, 0, 2, 0, 0, 0, 0]).await?;
    receive(&mut stream).await?;
    receive(&mut stream).await?;
    // Open-Ok, then the client's Close.
    send(&mut stream, 41, &[0]).await?;
    receive(&mut stream).await?;
    send(&mut stream, 51, &[]).await
}

/// Bytes with a length of four.
fn long(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).unwrap_or(0);
    [&length.to_be_bytes()[..], bytes].concat()
}

/// A method of class connection (10).
async fn send(stream: &mut TcpStream, method: u16, arguments: &[u8]) -> io::Result<()> {
    let payload = [&10_u16.to_be_bytes()[..], &method.to_be_bytes(), arguments].concat();
    let frame = [&[1, 0, 0][..], &long(&payload), &[0xce]].concat();
    stream.write_all(&frame).await
}

async fn receive(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut header = [0; 7];
    stream.read_exact(&mut header).await?;
    let length = u32::from_be_bytes([header[3], header[4], header[5], header[6]]);
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    if length > LONGEST {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut payload = vec![0; length + 1];
    stream.read_exact(&mut payload).await?;
    Ok(payload)
}
