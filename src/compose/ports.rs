//! `ports` and `expose` in every form → single ports. Pure.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::net::IpAddr;

use super::error::ComposeError;
use super::model::{Expose, Port};
use super::node::Value;
use super::shape::Field;

const FORM: &str = "[[ADDRESS:]HOST:]CONTAINER[/PROTOCOL], each port a number or a range";

/// More ports than that are refused in one project: a range of a few characters has 65,535.
pub(super) const MOST: usize = 200_000;

/// Takes the ports of one item out of the room that is left.
pub(super) fn take(room: &mut usize, ports: usize, item: &Field<'_>) -> Result<(), ComposeError> {
    *room = room.checked_sub(ports).ok_or_else(|| {
        item.error(
            "too many ports once ranges are expanded",
            &format!("at most {MOST} in all services"),
        )
    })?;
    Ok(())
}

/// The ports of a service, for which there is so much room; of two that say the same one is left.
pub(super) fn ports(field: &Field<'_>, room: &mut usize) -> Result<Vec<Port>, ComposeError> {
    let mut out: Vec<Port> = Vec::new();
    let mut known: BTreeMap<Identity, usize> = BTreeMap::new();
    for item in field.items("a list of ports")? {
        let found = match &item.node.value {
            Value::Map(_) => vec![long(&item)?],
            Value::Text(text) => short(text).map_err(|problem| item.error(&problem, FORM))?,
            Value::Int(number) => {
                short(&number.to_string()).map_err(|problem| item.error(&problem, FORM))?
            }
            _ => return Err(item.wrong(FORM)),
        };
        take(room, found.len(), &item)?;
        for port in found {
            match known.entry(identity(&port)) {
                Entry::Occupied(index) => out[*index.get()] = port,
                Entry::Vacant(place) => {
                    place.insert(out.len());
                    out.push(port);
                }
            }
        }
    }
    Ok(out)
}

/// What makes two ports the same: address, container's port, host's port, protocol.
type Identity = (Option<String>, u16, Option<String>, String);

fn identity(port: &Port) -> Identity {
    (
        port.host_ip.clone(),
        port.target,
        port.published.clone(),
        port.transport.clone(),
    )
}

fn long(item: &Field<'_>) -> Result<Port, ComposeError> {
    let target = item.required("target", "the port of the container")?;
    let number = target.count()?;
    let text = |key: &str| item.read(key, Field::scalar);
    Ok(Port {
        target: u16::try_from(number)
            .ok()
            .filter(|port| *port > 0)
            .ok_or_else(|| target.wrong("a port from 1 to 65535"))?,
        published: text("published")?.filter(|text| !text.is_empty()),
        host_ip: text("host_ip")?,
        transport: text("protocol")?.unwrap_or_else(|| "tcp".to_owned()),
        mode: text("mode")?.unwrap_or_else(|| "ingress".to_owned()),
        app_protocol: text("app_protocol")?,
        name: text("name")?,
    })
}

/// The short form; the error says what is wrong with it.
pub(super) fn short(text: &str) -> Result<Vec<Port>, String> {
    let (address, transport) = match text.split_once('/') {
        Some((address, transport)) => (address, transport.to_ascii_lowercase()),
        None => (text, "tcp".to_owned()),
    };
    if !matches!(transport.as_str(), "tcp" | "udp" | "sctp") || address.is_empty() {
        return Err("a port of an unknown protocol".to_owned());
    }
    // From the right, because an IPv6 address holds colons too.
    let mut parts = address.rsplitn(3, ':');
    let container = parts.next().unwrap_or_default();
    let host = parts.next().filter(|host| !host.is_empty());
    let host_ip = parts.next().filter(|address| !address.is_empty());
    let host_ip = host_ip
        .map(|address| {
            let bare = address
                .strip_prefix('[')
                .and_then(|inner| inner.strip_suffix(']'))
                .unwrap_or(address);
            match bare.parse::<IpAddr>() {
                Ok(_) => Ok(bare.to_owned()),
                Err(_) => Err("a host address that is no IP address".to_owned()),
            }
        })
        .transpose()?;
    let (first, last) = range(container).ok_or("an invalid container port")?;
    let published = host
        .map(|host| range(host).ok_or("an invalid host port"))
        .transpose()?;
    let length = last - first;
    let paired = match published {
        Some((from, to)) if to - from != length => {
            if length != 0 {
                return Err("ranges of different lengths".to_owned());
            }
            false
        }
        _ => true,
    };
    Ok((0..=length)
        .map(|offset| Port {
            target: first + offset,
            published: published.map(|(from, to)| {
                if paired {
                    (from + offset).to_string()
                } else {
                    format!("{from}-{to}")
                }
            }),
            host_ip: host_ip.clone(),
            transport: transport.clone(),
            mode: "ingress".to_owned(),
            app_protocol: None,
            name: None,
        })
        .collect())
}

/// `80` or `80-90`, from 1 on and not backwards.
fn range(text: &str) -> Option<(u16, u16)> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let number = |text: &str| {
        text.bytes()
            .all(|byte| byte.is_ascii_digit())
            .then(|| text.parse::<u16>().ok())
            .flatten()
            .filter(|port| *port > 0)
    };
    let (first, last) = (number(first)?, number(last)?);
    (first <= last).then_some((first, last))
}

/// One item of `expose` (or of a Dockerfile's `EXPOSE`) as ports; none if it is no port.
pub(super) fn exposed(text: &str) -> Option<Vec<Expose>> {
    let (numbers, transport) = text.split_once('/').unwrap_or((text, "tcp"));
    let transport = transport.to_ascii_lowercase();
    if !matches!(transport.as_str(), "tcp" | "udp" | "sctp") {
        return None;
    }
    // `8000:80` is legal here and means the container's port.
    let container = numbers.rsplit(':').next().unwrap_or(numbers);
    let (first, last) = range(container)?;
    Some(
        (first..=last)
            .map(|port| Expose {
                port,
                transport: transport.clone(),
            })
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        match short(text) {
            Ok(ports) => ports
                .iter()
                .map(|port| {
                    format!(
                        "{}|{}|{}/{}",
                        port.host_ip.as_deref().unwrap_or("-"),
                        port.published.as_deref().unwrap_or("-"),
                        port.target,
                        port.transport
                    )
                })
                .collect::<Vec<_>>()
                .join(" "),
            Err(problem) => format!("error: {problem}"),
        }
    }

    #[test]
    fn every_short_form() {
        for (text, expected) in [
            ("80", "-|-|80/tcp"),
            ("3000-3001", "-|-|3000/tcp -|-|3001/tcp"),
            ("8080:80", "-|8080|80/tcp"),
            ("90-91:80-81", "-|90|80/tcp -|91|81/tcp"),
            ("8000-9000:80", "-|8000-9000|80/tcp"),
            ("127.0.0.1:1:2", "127.0.0.1|1|2/tcp"),
            ("127.0.0.1::2", "127.0.0.1|-|2/tcp"),
            ("[::1]:3:3", "::1|3|3/tcp"),
            ("::1:4:4", "::1|4|4/tcp"),
            ("6:6/UDP", "-|6|6/udp"),
            (":80", "-|-|80/tcp"),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
        for text in [
            "",
            "a",
            "0",
            "70000",
            "80-79",
            "80:80/foo",
            "80:80-82",
            "1-2:3-5",
            "x:80",
            "localhost:80:80",
            "-1",
            "80:",
            " 80:80",
            "80/tcp/udp",
            "1:2:3",
            "+1",
        ] {
            assert!(shown(text).starts_with("error"), "{text}: {}", shown(text));
        }
    }

    #[test]
    fn expose_is_a_hint_with_ranges() {
        let ports =
            |text| exposed(text).map(|list| list.iter().map(|e| e.port).collect::<Vec<_>>());
        assert_eq!(ports("80-82/udp"), Some(vec![80, 81, 82]));
        assert_eq!(ports("8000:80"), Some(vec![80]));
        assert_eq!(ports("a"), None);
        assert_eq!(ports("$PORT"), None);
    }
}
