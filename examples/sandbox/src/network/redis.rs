//! The server side of RESP, as far as PING, AUTH and INFO go. IO: the connection.

use std::io;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use super::answer::Redis;

const LONGEST: usize = 1 << 16;

/// Serves one connection to its end.
pub(super) async fn serve(stream: TcpStream, server: &Redis) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut known = server.password.is_empty();
    while let Some(words) = command(&mut stream).await? {
        let reply = reply(server, &mut known, &words);
        stream.get_mut().write_all(reply.as_bytes()).await?;
        if words.first().is_some_and(|word| word == "QUIT") {
            break;
        }
    }
    Ok(())
}

fn reply(server: &Redis, known: &mut bool, words: &[String]) -> String {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["AUTH", ..] if server.password.is_empty() => "-ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?\r\n".to_owned(),
        ["AUTH", password] | ["AUTH", "default", password] if *password == server.password => {
            *known = true;
            "+OK\r\n".to_owned()
        }
        ["AUTH", ..] => "-WRONGPASS invalid username-password pair or user is disabled.\r\n".to_owned(),
        ["QUIT"] => "+OK\r\n".to_owned(),
        _ if !*known => "-NOAUTH Authentication required.\r\n".to_owned(),
        _ if server.error.is_some() => format!("-{}\r\n", server.error.unwrap_or_default()),
        ["INFO", ..] => {
            let role = if server.replica { "slave" } else { "master" };
            let loading = u8::from(server.loading);
            let text = format!("# Server\r\nredis_version:7.4.5\r\nloading:{loading}\r\nrole:{role}\r\nmaster_link_status:up\r\ncluster_enabled:0\r\n");
            format!("${}\r\n{text}\r\n", text.len())
        }
        _ if server.loading => "-LOADING Redis is loading the dataset in memory\r\n".to_owned(),
        ["PING"] => "+PONG\r\n".to_owned(),
        ["SELECT", number] if number.parse().is_ok_and(|number: u32| number < 16) => "+OK\r\n".to_owned(),
        ["SELECT", _] => "-ERR DB index is out of range\r\n".to_owned(),
        [first, ..] => format!("-ERR unknown command '{first}'\r\n"),
        [] => "-ERR Protocol error\r\n".to_owned(),
    }
}

/// One command, its name in capitals; `None`: the client is gone or speaks something else.
async fn command(stream: &mut BufReader<TcpStream>) -> io::Result<Option<Vec<String>>> {
    let Some(count) = number(stream, b'*').await? else {
        return Ok(None);
    };
    let mut words = Vec::new();
    for _ in 0..count.min(16) {
        let Some(length) = number(stream, b'$')
            .await?
            .filter(|length| *length < LONGEST)
        else {
            return Ok(None);
        };
        let mut word = vec![0; length + 2];
        stream.read_exact(&mut word).await?;
        words.push(String::from_utf8_lossy(&word[..length]).into_owned());
    }
    if let Some(first) = words.first_mut() {
        first.make_ascii_uppercase();
    }
    Ok(Some(words))
}

async fn number(stream: &mut BufReader<TcpStream>, mark: u8) -> io::Result<Option<usize>> {
    let mut line = Vec::new();
    (&mut *stream).take(32).read_until(b'\n', &mut line).await?;
    let text = String::from_utf8_lossy(&line);
    let rest = text.strip_prefix(char::from(mark));
    // Anything else is no RESP: the connection is closed, as Redis does.
    Ok(rest.and_then(|rest| rest.trim_end().parse().ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_asked_for_and_checked() {
        let server = Redis {
            password: "s3cret".into(),
            ..Redis::default()
        };
        let mut known = false;
        let mut say = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            reply(&server, &mut known, &words)
        };
        assert!(say(&["PING"]).starts_with("-NOAUTH"));
        assert!(say(&["AUTH", "other"]).starts_with("-WRONGPASS"));
        assert!(say(&["PING"]).starts_with("-NOAUTH"));
        assert_eq!(say(&["AUTH", "s3cret"]), "+OK\r\n");
        assert_eq!(say(&["PING"]), "+PONG\r\n");
        assert!(say(&["INFO"]).contains("role:master"));
    }
}
