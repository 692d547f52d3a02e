//! The server side of MySQL's protocol, as far as a client's login and harmless questions go: greeting, `mysql_native_password`,
//! text results. IO: the connection.
//!
//! Source: the client/server protocol of the MySQL documentation (connection phase 4.1, text protocol).

use std::io;

use sha1::{Digest, Sha1};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::answer::Mysql;

const VERSION: &str = "11.8.3-MariaDB";
const PLUGIN: &str = "mysql_native_password";
/// Twenty bytes without zero; a sandbox needs no chance in them.
const CHALLENGE: &[u8; 20] = b"k8sverify-sandbox-20";
/// Long password, database in the login, protocol 4.1, transactions, secure connection, plugin.
const CAPABILITIES: u32 = 0x1 | 0x8 | 0x200 | 0x2000 | 0x8000 | 0x8_0000;
const WITH_DATABASE: u32 = 0x8;
const LENGTH_ENCODED: u32 = 0x20_0000;
const AUTOCOMMIT: [u8; 2] = [2, 0];
const LONGEST: usize = 1 << 20;

/// Serves one connection to its end.
pub(super) async fn serve(mut stream: TcpStream, server: &Mysql) -> io::Result<()> {
    if let Some(code) = server.greets_with {
        let mut packet = vec![0xff];
        packet.extend(code.to_le_bytes());
        packet.extend(b"refused before the greeting");
        return send(&mut stream, 0, &packet).await;
    }
    send(&mut stream, 0, &greeting()).await?;
    let (sequence, login) = receive(&mut stream).await?;
    let answer = match log_in(server, &login) {
        Ok(()) => OK.to_vec(),
        Err(error) => error,
    };
    send(&mut stream, sequence + 1, &answer).await?;
    if answer[0] != 0 {
        return Ok(());
    }
    loop {
        let (_, command) = receive(&mut stream).await?;
        match command.split_first() {
            // COM_QUIT.
            Some((0x01, _)) | None => return Ok(()),
            // COM_QUERY.
            Some((0x03, query)) => {
                let query = String::from_utf8_lossy(query);
                answer_query(&mut stream, server, query.trim()).await?;
            }
            // COM_INIT_DB, COM_PING, COM_RESET_CONNECTION.
            Some((0x02 | 0x0e | 0x1f, _)) => send(&mut stream, 1, &OK).await?,
            Some(_) => send(&mut stream, 1, &error(1047, "08S01", "Unknown command")).await?,
        }
    }
}

const OK: [u8; 7] = [0, 0, 0, AUTOCOMMIT[0], AUTOCOMMIT[1], 0, 0];

fn greeting() -> Vec<u8> {
    let [low, high] = [CAPABILITIES & 0xffff, CAPABILITIES >> 16].map(u32::to_le_bytes);
    let mut packet = vec![10];
    packet.extend(VERSION.as_bytes());
    packet.push(0);
    packet.extend(7_u32.to_le_bytes());
    packet.extend(&CHALLENGE[..8]);
    packet.push(0);
    packet.extend(&low[..2]);
    packet.push(45);
    packet.extend(AUTOCOMMIT);
    packet.extend(&high[..2]);
    packet.push(21);
    packet.extend([0; 10]);
    packet.extend(&CHALLENGE[8..]);
    packet.push(0);
    packet.extend(PLUGIN.as_bytes());
    packet.push(0);
    packet
}

/// Checks the login packet; `Err` is the packet that refuses it.
fn log_in(server: &Mysql, packet: &[u8]) -> Result<(), Vec<u8>> {
    let login = Login::read(packet).ok_or_else(|| error(1043, "08S01", "Bad handshake"))?;
    if login.user != server.user || login.token != token(&server.password) {
        let using = if login.token.is_empty() { "NO" } else { "YES" };
        let text = format!(
            "Access denied for user '{}'@'127.0.0.1' (using password: {using})",
            login.user
        );
        return Err(error(1045, "28000", &text));
    }
    if !server.database.is_empty()
        && !login.database.is_empty()
        && login.database != server.database
    {
        let text = format!("Unknown database '{}'", login.database);
        return Err(error(1049, "42000", &text));
    }
    Ok(())
}

struct Login {
    user: String,
    token: Vec<u8>,
    database: String,
}

impl Login {
    fn read(packet: &[u8]) -> Option<Self> {
        let capabilities = u32::from_le_bytes(packet.get(..4)?.try_into().ok()?);
        let (user, rest) = zero_ended(packet.get(32..)?)?;
        // Both forms begin with one byte of length: a token has twenty bytes.
        let (length, rest) = rest.split_first()?;
        if capabilities & LENGTH_ENCODED != 0 && *length > 250 {
            return None;
        }
        let token = rest.get(..usize::from(*length))?.to_vec();
        let rest = &rest[usize::from(*length)..];
        let database = if capabilities & WITH_DATABASE == 0 {
            String::new()
        } else {
            zero_ended(rest)?.0
        };
        Some(Self {
            user,
            token,
            database,
        })
    }
}

fn zero_ended(bytes: &[u8]) -> Option<(String, &[u8])> {
    let end = bytes.iter().position(|byte| *byte == 0)?;
    let text = String::from_utf8_lossy(&bytes[..end]).into_owned();
    Some((text, &bytes[end + 1..]))
}

/// What a client that knows the password sends: `SHA1(password) xor SHA1(challenge + SHA1(SHA1(password)))`.
fn token(password: &str) -> Vec<u8> {
    if password.is_empty() {
        return Vec::new();
    }
    let once = Sha1::digest(password);
    let twice = Sha1::digest(once);
    let mut salted = Sha1::new();
    salted.update(CHALLENGE);
    salted.update(twice);
    once.iter()
        .zip(salted.finalize())
        .map(|(left, right)| left ^ right)
        .collect()
}

async fn answer_query(stream: &mut TcpStream, server: &Mysql, query: &str) -> io::Result<()> {
    let lower = query.to_ascii_lowercase();
    if lower == "select 1" {
        return rows(stream, &["1"], &[vec!["1".to_owned()]]).await;
    }
    if lower.starts_with("show status like 'wsrep") {
        let ready = |status: &str| if status == "Primary" { "ON" } else { "OFF" };
        let state: Vec<Vec<String>> = server
            .galera
            .iter()
            .flat_map(|said| {
                let mut said = said.split('/');
                let mut next = || said.next().unwrap_or_default();
                let status = next();
                [
                    ("wsrep_ready", ready(status)),
                    ("wsrep_cluster_status", status),
                    ("wsrep_cluster_state_uuid", next()),
                    ("wsrep_cluster_size", next()),
                    ("wsrep_provider_name", "Galera"),
                ]
            })
            .map(|(name, value)| vec![name.to_owned(), value.to_owned()])
            .collect();
        return rows(stream, &["Variable_name", "Value"], &state).await;
    }
    if lower == "show replica status" || lower == "show slave status" {
        let threads = server.replication.iter();
        let state: Vec<Vec<String>> = threads
            .map(|threads| threads.split('/').map(str::to_owned).collect())
            .collect();
        let columns = ["Replica_IO_Running", "Replica_SQL_Running"];
        return rows(stream, &columns, &state).await;
    }
    if lower == "show grants" {
        let grant = format!("GRANT USAGE ON *.* TO `{}`@`%`", server.user);
        return rows(stream, &["Grants"], &[vec![grant]]).await;
    }
    if let Some(names) = lower.strip_prefix("select ") {
        let names: Vec<&str> = names
            .split(',')
            .map(|name| name.trim().trim_end_matches(';'))
            .collect();
        let values: Option<Vec<String>> = names.iter().map(|name| variable(server, name)).collect();
        return match values {
            Some(values) => rows(stream, &names, &[values]).await,
            None => send(stream, 1, &error(1193, "HY000", "Unknown system variable")).await,
        };
    }
    if lower.starts_with("set ") {
        return send(stream, 1, &OK).await;
    }
    send(
        stream,
        1,
        &error(1064, "42000", "the sandbox does not know this statement"),
    )
    .await
}

fn variable(server: &Mysql, name: &str) -> Option<String> {
    let value = match name.strip_prefix("@@")? {
        "read_only" if server.read_only => "1",
        "read_only" | "innodb_read_only" | "transaction_read_only" => "0",
        "max_allowed_packet" => "16777216",
        "wait_timeout" => "28800",
        "version" => VERSION,
        _ => return None,
    };
    Some(value.to_owned())
}

/// A result of text columns.
async fn rows(stream: &mut TcpStream, names: &[&str], rows: &[Vec<String>]) -> io::Result<()> {
    let mut packets = vec![vec![u8::try_from(names.len()).unwrap_or(1)]];
    for name in names {
        let mut column = Vec::new();
        for word in ["def", "", "", "", name, ""] {
            column.extend(counted(word));
        }
        column.push(0x0c);
        column.extend(45_u16.to_le_bytes());
        column.extend(1024_u32.to_le_bytes());
        // VAR_STRING, no flags, no decimals.
        column.extend([0xfd, 0, 0, 0, 0, 0]);
        packets.push(column);
    }
    let end = vec![0xfe, 0, 0, AUTOCOMMIT[0], AUTOCOMMIT[1]];
    packets.push(end.clone());
    for row in rows {
        packets.push(row.iter().flat_map(|value| counted(value)).collect());
    }
    packets.push(end);
    for (sequence, packet) in (1_u8..).zip(&packets) {
        send(stream, sequence, packet).await?;
    }
    Ok(())
}

/// A text after its length; all of the sandbox's are short.
fn counted(text: &str) -> Vec<u8> {
    let text = &text.as_bytes()[..text.len().min(250)];
    let mut bytes = vec![u8::try_from(text.len()).unwrap_or(0)];
    bytes.extend(text);
    bytes
}

fn error(code: u16, state: &str, text: &str) -> Vec<u8> {
    let mut packet = vec![0xff];
    packet.extend(code.to_le_bytes());
    packet.push(b'#');
    packet.extend(state.as_bytes());
    packet.extend(text.as_bytes());
    packet
}

async fn send(stream: &mut TcpStream, sequence: u8, payload: &[u8]) -> io::Result<()> {
    let length = u32::try_from(payload.len()).unwrap_or(0).to_le_bytes();
    let mut packet = vec![length[0], length[1], length[2], sequence];
    packet.extend(payload);
    stream.write_all(&packet).await
}

async fn receive(stream: &mut TcpStream) -> io::Result<(u8, Vec<u8>)> {
    let mut header = [0; 4];
    stream.read_exact(&mut header).await?;
    let length =
        usize::from(header[0]) | usize::from(header[1]) << 8 | usize::from(header[2]) << 16;
    if length > LONGEST {
        return Err(io::Error::other("a packet that no client sends"));
    }
    let mut payload = vec![0; length];
    stream.read_exact(&mut payload).await?;
    Ok((header[3], payload))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(user: &str, token: &[u8], database: &str) -> Vec<u8> {
        let mut packet = (CAPABILITIES | WITH_DATABASE).to_le_bytes().to_vec();
        packet.extend([0; 28]);
        packet.extend(user.as_bytes());
        packet.push(0);
        packet.push(u8::try_from(token.len()).unwrap_or(0));
        packet.extend(token);
        packet.extend(database.as_bytes());
        packet.push(0);
        packet
    }

    #[test]
    fn only_the_right_password_and_database_get_in() {
        let server = Mysql {
            user: "app".into(),
            password: "s3cret".into(),
            database: "shop".into(),
            ..Mysql::default()
        };
        let code = |packet: &[u8]| {
            log_in(&server, packet).map_err(|error| u16::from_le_bytes([error[1], error[2]]))
        };
        assert_eq!(code(&packet("app", &token("s3cret"), "shop")), Ok(()));
        assert_eq!(code(&packet("app", &token("other"), "shop")), Err(1045));
        assert_eq!(code(&packet("root", &token("s3cret"), "shop")), Err(1045));
        assert_eq!(code(&packet("app", &[], "shop")), Err(1045));
        assert_eq!(code(&packet("app", &token("s3cret"), "none")), Err(1049));
        assert_eq!(code(b"GET / HTTP/1.1"), Err(1043));
    }
}
