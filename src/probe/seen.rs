//! Which protocol a peer's first bytes belong to. Pure.

use std::fmt::Write as _;

/// The protocol that speaks like this, by the name that reports use; `None` if it cannot be determined.
pub(crate) fn protocol(head: &[u8]) -> Option<&'static str> {
    let text = String::from_utf8_lossy(head);
    let starts = |prefix: &str| head.starts_with(prefix.as_bytes());
    match head {
        _ if starts("HTTP/") => Some("http"),
        [0x15 | 0x16, 0x03, ..] => Some("tls"),
        [_, _, _, _, 0x0a | 0xff, ..] if is_mysql(head) => Some("mysql"),
        [0, 0, length, 0x04, _, 0, 0, 0, 0, ..] if length % 6 == 0 => Some("http2"),
        [b'E' | b'R', 0, 0, _, _, ..] | [b'S' | b'N'] => Some("postgres"),
        _ if starts("SSH-") => Some("ssh"),
        _ if starts("AMQP") => Some("amqp"),
        _ if starts("INFO {") => Some("nats"),
        _ if starts("RFB ") => Some("vnc"),
        _ if starts("* OK") => Some("imap"),
        _ if starts("220") && text.to_ascii_uppercase().contains("FTP") => Some("ftp"),
        _ if starts("220") || starts("554 ") || starts("421 ") => Some("smtp"),
        _ if starts("ERROR\r\n") || starts("CLIENT_ERROR") => Some("memcached"),
        _ if is_redis(&text) => Some("redis"),
        _ => None,
    }
}

/// A MySQL packet of sequence 0 that holds a greeting of protocol 10 or an error.
fn is_mysql(head: &[u8]) -> bool {
    let length = usize::from(head[0]) | usize::from(head[1]) << 8 | usize::from(head[2]) << 16;
    let plausible = (5..4096).contains(&length) && head[3] == 0;
    match head[4] {
        0x0a => plausible && head.get(5).is_none_or(u8::is_ascii_digit),
        _ => plausible,
    }
}

/// A reply of the Redis protocol.
fn is_redis(text: &str) -> bool {
    let code = |rest: &str| {
        rest.split([' ', '\r'])
            .next()
            .is_some_and(|word| word.len() > 2 && word.bytes().all(|c| c.is_ascii_uppercase()))
    };
    text.starts_with("+PONG")
        || text.starts_with("+OK\r\n")
        || text.strip_prefix('-').is_some_and(code)
}

/// The first bytes as a person can read them, quoted and short.
pub(crate) fn excerpt(head: &[u8]) -> String {
    let mut text = String::from("\"");
    for byte in head.iter().take(48) {
        match byte {
            b'\r' => text.push_str("\\r"),
            b'\n' => text.push_str("\\n"),
            b'"' | b'\\' => {
                text.push('\\');
                text.push(char::from(*byte));
            }
            0x20..=0x7e => text.push(char::from(*byte)),
            // Writing to a String cannot fail.
            _ => drop(write!(text, "\\x{byte:02x}")),
        }
    }
    if head.len() > 48 {
        text.push('…');
    }
    text.push('"');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_bytes_distinguish_protocols() {
        for (head, expected) in [
            (&b"HTTP/1.1 400 Bad Request"[..], Some("http")),
            (b"\x15\x03\x01\x00\x02\x02\x46", Some("tls")),
            (b"J\0\0\0\x0a8.0.36\0", Some("mysql")),
            (b"\x17\0\0\0\xff\x10\x04Too many", Some("mysql")),
            (b"-ERR wrong number of arguments", Some("redis")),
            (b"-NOAUTH Authentication required.\r\n", Some("redis")),
            (b"SSH-2.0-OpenSSH_9.2\r\n", Some("ssh")),
            (b"220 mail.example ESMTP", Some("smtp")),
            (b"220 (vsFTPd 3.0.3)", Some("ftp")),
            (b"\0\0\x12\x04\0\0\0\0\0\0\x03", Some("http2")),
            (b"AMQP\0\0\x09\x01", Some("amqp")),
            (b"E\0\0\0\x85SFATAL", Some("postgres")),
            (b"\xde\xad\xbe\xef\xde\xad", None),
            (b"", None),
        ] {
            assert_eq!(protocol(head), expected, "{}", excerpt(head));
        }
    }

    #[test]
    fn an_excerpt_holds_no_control_characters() {
        let text = excerpt(b"\x1b[31mred\x00\"\n");
        assert_eq!(text, "\"\\x1b[31mred\\x00\\\"\\n\"");
    }
}
