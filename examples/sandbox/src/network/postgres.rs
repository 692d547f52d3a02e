//! The server side of PostgreSQL's protocol 3, as far as a client's login in clear text and harmless questions go. IO: the connection.
//!
//! Source: chapter "Frontend/Backend Protocol" of PostgreSQL's documentation.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::answer::Postgres;

const TLS_REQUEST: u32 = 80_877_103;
const LONGEST: usize = 1 << 16;

/// Serves one connection to its end.
pub(super) async fn serve(mut stream: TcpStream, server: &Postgres) -> io::Result<()> {
    let startup = loop {
        let body = body(&mut stream).await?;
        if body.starts_with(&TLS_REQUEST.to_be_bytes()) {
            stream.write_all(b"N").await?;
        } else {
            break body;
        }
    };
    if server.full {
        return refuse(&mut stream, "53300", "sorry, too many clients already").await;
    }
    let user = parameter(&startup, "user").unwrap_or_default();
    let database = parameter(&startup, "database").unwrap_or_else(|| user.clone());
    // AuthenticationCleartextPassword.
    send(&mut stream, b'R', &3_u32.to_be_bytes()).await?;
    let (kind, password) = message(&mut stream).await?;
    let password = password.strip_suffix(b"\0").unwrap_or(&password);
    if kind != b'p' || user != server.user || password != server.password.as_bytes() {
        let text = format!("password authentication failed for user \"{user}\"");
        return refuse(&mut stream, "28P01", &text).await;
    }
    if !server.database.is_empty() && database != server.database {
        let text = format!("database \"{database}\" does not exist");
        return refuse(&mut stream, "3D000", &text).await;
    }
    send(&mut stream, b'R', &0_u32.to_be_bytes()).await?;
    send(&mut stream, b'S', b"server_version\x0017.2\0").await?;
    send(&mut stream, b'S', b"client_encoding\0UTF8\0").await?;
    send(&mut stream, b'K', &[0; 8]).await?;
    loop {
        send(&mut stream, b'Z', b"I").await?;
        match message(&mut stream).await? {
            (b'Q', text) => answer(&mut stream, server, &text).await?,
            _ => return Ok(()),
        }
    }
}

async fn answer(stream: &mut TcpStream, server: &Postgres, text: &[u8]) -> io::Result<()> {
    let text = String::from_utf8_lossy(text);
    let standby = |yes, no| if server.standby { yes } else { no };
    let value = match text.trim_end_matches('\0') {
        "SELECT 1" => "1",
        "SHOW transaction_read_only" => standby("on", "off"),
        "SELECT pg_is_in_recovery()" => standby("t", "f"),
        "SHOW server_version" => "17.2",
        _ => {
            return error(
                stream,
                "ERROR",
                "42601",
                "the sandbox does not know this statement",
            )
            .await;
        }
    };
    // One column of type text.
    let column = [
        &[0, 1][..],
        b"value\0",
        &[0; 6],
        &25_u32.to_be_bytes(),
        &[0xff; 6],
        &[0; 2],
    ]
    .concat();
    send(stream, b'T', &column).await?;
    let length = u32::try_from(value.len()).unwrap_or(0).to_be_bytes();
    send(
        stream,
        b'D',
        &[&[0, 1][..], &length, value.as_bytes()].concat(),
    )
    .await?;
    send(stream, b'C', b"SELECT 1\0").await
}

/// The value of a parameter of the startup message.
fn parameter(startup: &[u8], name: &str) -> Option<String> {
    let mut words = startup.get(4..)?.split(|byte| *byte == 0);
    while let (Some(key), Some(value)) = (words.next(), words.next()) {
        if key == name.as_bytes() {
            return Some(String::from_utf8_lossy(value).into_owned());
        }
    }
    None
}

async fn refuse(stream: &mut TcpStream, code: &str, text: &str) -> io::Result<()> {
    error(stream, "FATAL", code, text).await
}

async fn error(stream: &mut TcpStream, severity: &str, code: &str, text: &str) -> io::Result<()> {
    let fields = format!("S{severity}\0V{severity}\0C{code}\0M{text}\0\0");
    send(stream, b'E', fields.as_bytes()).await
}

async fn send(stream: &mut TcpStream, kind: u8, body: &[u8]) -> io::Result<()> {
    let length = u32::try_from(body.len() + 4).unwrap_or(4).to_be_bytes();
    stream
        .write_all(&[&[kind][..], &length, body].concat())
        .await
}

async fn message(stream: &mut TcpStream) -> io::Result<(u8, Vec<u8>)> {
    let kind = stream.read_u8().await?;
    Ok((kind, body(stream).await?))
}

/// What follows a length that counts itself.
async fn body(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let length = usize::try_from(stream.read_u32().await?).unwrap_or(usize::MAX);
    if !(4..LONGEST).contains(&length) {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut body = vec![0; length - 4];
    stream.read_exact(&mut body).await?;
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_read_from_the_startup_message() {
        let startup = b"\0\x03\0\0user\0api\0database\0shop\0\0";
        assert_eq!(parameter(startup, "user").as_deref(), Some("api"));
        assert_eq!(parameter(startup, "database").as_deref(), Some("shop"));
        assert_eq!(parameter(startup, "options"), None);
    }
}
