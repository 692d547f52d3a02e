//! Data source names without a scheme: Go's `user:pw@tcp(host:port)/db`, PDO's `mysql:host=…;dbname=…`, ADO's `Server=…;Port=…`,
//! libpq's `host=… port=…`, Oracle's `jdbc:oracle:thin:@host:1521:sid`. Pure.

use std::num::NonZeroU16;

use crate::protocol::Protocol;

use super::parsed::Parsed;
use super::{Shape, host, scheme, url};

/// The addresses of a data source name; `None` if the text is none.
pub(super) fn parse(text: &str) -> Option<Vec<Parsed>> {
    go(text).or_else(|| oracle(text)).or_else(|| pairs(text))
}

/// `user:pw@tcp(host:port)/db?params`.
fn go(text: &str) -> Option<Vec<Parsed>> {
    let at = text.find("tcp(").or_else(|| text.find("tcp4("))?;
    let before = &text[..at];
    if !(before.is_empty() || before.ends_with('@')) || before.contains("://") {
        return None;
    }
    let (inside, after) = text[at..].split_once('(')?.1.split_once(')')?;
    let (name, port) = host::host_and_port(inside)?;
    let login = before.trim_end_matches('@');
    let (user, password) = match login.split_once(':') {
        Some((user, password)) => (user, Some(password.to_owned())),
        None => (login, None),
    };
    let (path, query) = after.split_once('?').unwrap_or((after, ""));
    let database = path.trim_start_matches('/');
    let tls = query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .find_map(|(key, value)| url::tls(key, value));
    Some(vec![Parsed {
        host: name,
        port: port.or(Protocol::Mysql.default_port()),
        protocol: Some(Protocol::Mysql),
        by_scheme: true,
        tls,
        user: (!user.is_empty()).then(|| user.to_owned()),
        password: password.filter(|text| !text.is_empty()),
        database: (!database.is_empty()).then(|| database.to_owned()),
        shape: Shape::Url,
        usual_port: port.is_none(),
    }])
}

/// `jdbc:oracle:thin:@host:1521:sid`, `…@//host:1521/service`; with a scheme it is a URL.
fn oracle(text: &str) -> Option<Vec<Parsed>> {
    let rest = text.strip_prefix("jdbc:oracle:")?;
    let (_, rest) = rest.split_once('@')?;
    let addresses = described(rest).unwrap_or_else(|| {
        let mut parts = rest.trim_start_matches('/').split(['/', ':']);
        let name = parts.next().unwrap_or_default().to_owned();
        vec![(name, parts.next().and_then(host::port))]
    });
    let found: Vec<Parsed> = addresses
        .into_iter()
        .filter(|(name, _)| host::is_host(name))
        .map(|(name, port)| Parsed {
            port: port.or(std::num::NonZeroU16::new(1521)),
            protocol: Some(Protocol::Tcp),
            by_scheme: true,
            shape: Shape::Url,
            ..Parsed::host(&name)
        })
        .collect();
    (!found.is_empty()).then_some(found)
}

/// Oracle's connect descriptor: `(DESCRIPTION=(ADDRESS=(PROTOCOL=TCP)(HOST=a)(PORT=1521))…)`; `None` if the text is none.
fn described(text: &str) -> Option<Vec<(String, Option<NonZeroU16>)>> {
    // Upper case of ASCII keeps every place where it is.
    let upper = text.to_ascii_uppercase();
    let value = |key: &str, from: usize| {
        let at = from + upper.get(from..)?.find(key)? + key.len();
        text.get(at..)?.split(')').next()
    };
    let found: Vec<_> = upper
        .match_indices("(HOST=")
        .filter_map(|(at, _)| {
            let name = value("(HOST=", at)?.trim().to_owned();
            Some((name, value("(PORT=", at).and_then(host::port)))
        })
        .collect();
    (text.trim_start().starts_with('(') && !found.is_empty()).then_some(found)
}

/// Keys that name the server.
const SERVER: [&str; 8] = [
    "host",
    "server",
    "data source",
    "addr",
    "address",
    "network address",
    "datasource",
    "hostaddr",
];
/// Keys of which one stands beside it: `host=…` alone is no connection string.
const BESIDE: [&str; 17] = [
    "port",
    "database",
    "dbname",
    "initial catalog",
    "user",
    "user id",
    "uid",
    "userid",
    "username",
    "password",
    "pwd",
    "sslmode",
    "ssl mode",
    "charset",
    "encrypt",
    "trusted_connection",
    "integrated security",
];

/// Keys with values: PDO, ADO and libpq.
fn pairs(text: &str) -> Option<Vec<Parsed>> {
    let (driver, body) = match text.split_once(':') {
        Some((driver, body)) if body.contains('=') && !driver.contains(['=', ';', ' ', '/']) => {
            (Some(driver), body)
        }
        _ => (None, text),
    };
    let pairs = split_pairs(body)?;
    let get = |names: &[&str]| {
        pairs
            .iter()
            .find(|(key, _)| names.contains(&key.as_str()))
            .map(|(_, value)| value.as_str())
    };
    let server = get(&SERVER)?;
    if driver.and_then(scheme::product).is_none() && get(&BESIDE).is_none() {
        return None;
    }
    let server = server.strip_prefix("tcp:").unwrap_or(server);
    // `//server:1521/service` is Oracle's way.
    let server = server.trim_start_matches("//");
    // `server,1433` is SQL Server's way; `server\instance` names no other host.
    let (server, comma) = match server.split_once(',') {
        Some((server, number)) if host::port(number.trim()).is_some() => {
            (server, host::port(number.trim()))
        }
        _ => (server, None),
    };
    let server = server.split(['\\', '/']).next().unwrap_or(server);
    let libpq = !body.contains(';') && get(&["host"]).is_some();
    let protocol = driver.and_then(scheme::product).or_else(|| {
        let microsoft = comma.is_some()
            || get(&[
                "initial catalog",
                "trusted_connection",
                "integrated security",
                "encrypt",
            ])
            .is_some();
        if microsoft {
            Some(Protocol::Mssql)
        } else {
            libpq.then_some(Protocol::Postgres)
        }
    });
    let port = comma.or_else(|| get(&["port"]).and_then(host::port));
    let tls = pairs.iter().find_map(|(key, value)| url::tls(key, value));
    let found: Vec<Parsed> = server
        .split(',')
        .filter_map(|one| host::host_and_port(one.trim()))
        .chain(described(server).into_iter().flatten())
        .map(|(name, own)| Parsed {
            port: own.or(port),
            protocol,
            by_scheme: protocol.is_some(),
            tls,
            user: get(&["user", "user id", "uid", "userid", "username"]).map(str::to_owned),
            password: get(&["password", "pwd"]).map(str::to_owned),
            database: get(&["database", "dbname", "initial catalog"]).map(str::to_owned),
            shape: Shape::Url,
            ..Parsed::host(&name)
        })
        .collect();
    (!found.is_empty()).then_some(found)
}

/// `a=b;c=d` or `a=b c='d e'` with lower-case keys; `None` if the text is no such list.
fn split_pairs(text: &str) -> Option<Vec<(String, String)>> {
    if !text.contains('=') || text.contains('\n') {
        return None;
    }
    let mut found = Vec::new();
    if text.contains(';') {
        for part in text
            .split(';')
            .map(str::trim)
            .filter(|part| !part.is_empty())
        {
            let (key, value) = part.split_once('=')?;
            found.push((key.trim().to_ascii_lowercase(), unquoted(value)));
        }
    } else {
        let mut rest = text.trim();
        while !rest.is_empty() {
            let (key, after) = rest.split_once('=')?;
            let key = key.trim();
            if key.is_empty() || key.contains(' ') {
                return None;
            }
            let quote = after.chars().next().filter(|c| matches!(c, '\'' | '"'));
            let (value, tail) = match quote {
                Some(mark) => after[1..].split_once(mark)?,
                None => after.split_once(' ').unwrap_or((after, "")),
            };
            found.push((key.to_ascii_lowercase(), value.to_owned()));
            rest = tail.trim_start();
        }
    }
    (!found.is_empty()).then_some(found)
}

fn unquoted(text: &str) -> String {
    text.trim().trim_matches(['\'', '"']).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Option<(String, u16, Option<Protocol>, Option<String>)> {
        let first = parse(text)?.into_iter().next()?;
        Some((
            first.host,
            first.port.map_or(0, std::num::NonZeroU16::get),
            first.protocol,
            first.password,
        ))
    }

    #[test]
    fn every_form_of_data_source_name() {
        let mysql = Some(Protocol::Mysql);
        assert_eq!(
            one("root:p@ss@tcp(db:3307)/shop?parseTime=true"),
            Some(("db".into(), 3307, mysql, Some("p@ss".into())))
        );
        assert_eq!(
            one("mysql:host=db;port=3307;dbname=x"),
            Some(("db".into(), 3307, mysql, None))
        );
        assert_eq!(
            one("host=pg port=5433 user=u password='a b' dbname=x"),
            Some((
                "pg".into(),
                5433,
                Some(Protocol::Postgres),
                Some("a b".into())
            ))
        );
        assert_eq!(
            one("Server=sql,1434;Database=x;User Id=sa;Password=p=w;"),
            Some((
                "sql".into(),
                1434,
                Some(Protocol::Mssql),
                Some("p=w".into())
            ))
        );
        assert_eq!(
            one("Server=db;Port=3306;Database=x;Uid=u;Pwd=p"),
            Some(("db".into(), 3306, None, Some("p".into())))
        );
        assert_eq!(
            one("Data Source=//ora:1522/XE;User Id=u;Password=p"),
            Some(("ora".into(), 1522, None, Some("p".into())))
        );
        let descriptor = "(DESCRIPTION=(ADDRESS=(PROTOCOL=TCP)(Host = other)(HOST=ora)(PORT=1522))\
                          (CONNECT_DATA=(SERVICE_NAME=XE)))";
        for text in [
            "jdbc:oracle:thin:@ora:1522:XE",
            "jdbc:oracle:thin:@//ora:1522/XE",
            "jdbc:oracle:thin:u/p@ora:1522/XE",
            &format!("jdbc:oracle:thin:@{descriptor}"),
            &format!("User Id=u;Data Source={descriptor}"),
        ] {
            let found = one(text).map(|found| (found.0, found.1));
            assert_eq!(found, Some(("ora".into(), 1522)), "{text}");
        }
        assert_eq!(
            one("jdbc:oracle:thin:@ora/XE").map(|found| found.1),
            Some(1521)
        );
    }

    #[test]
    fn other_text_is_none() {
        for text in [
            "a=b",
            "key=value;other=x",
            "host=",
            "-Dx=y -Dz=w",
            "INTERNAL:PLAINTEXT",
            "server=",
            "tcp(",
        ] {
            assert!(one(text).is_none(), "{text}");
        }
    }
}
