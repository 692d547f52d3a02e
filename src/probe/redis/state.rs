//! What a Redis server says of its own state: loading, replica, cluster, disk and memory errors. IO: the connection.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use tokio::time::Instant;

use crate::probe::ask::Ask;
use crate::probe::found::{Failure, Found};
use crate::probe::login::Login;
use crate::probe::peer::PeerStream;
use crate::probe::redis::{Reply, code, command, fields, refused};
use crate::probe::wire::{StepError, StepName};

/// At most so many nodes of a cluster are dialled.
const NODES: usize = 16;

/// Judges the reply to PING, then INFO and, in a cluster, its nodes.
pub(super) async fn query(peer: &mut PeerStream, ask: &Ask<'_>, ping: &Reply) -> Found {
    let begun = Instant::now();
    let step = match ping {
        Reply::Error(text) if code(text) != "NOPERM" => Found::fail(StepName::Query, refused(text)),
        _ => match info(peer, ask).await {
            Ok(info) => judge(&info, ask.task.replica, nodes(peer, ask, &info).await),
            Err(failure) => Found::fail(StepName::Query, failure),
        },
    };
    step.asked("PING").since(begun)
}

/// Asks for the database that the client selects, where it is another than the first. A user who may not ask proves nothing.
pub(super) async fn refused_database(peer: &mut PeerStream, ask: &Ask<'_>) -> Option<Found> {
    let Login::With(account) = ask.login() else {
        return None;
    };
    let wanted = account.credentials.database.as_deref()?;
    let number: u32 = wanted.parse().ok().filter(|number| *number > 0)?;
    let begun = Instant::now();
    let step = match command(peer, ask, &["SELECT", &number.to_string()]).await {
        Ok(Reply::Error(text)) if is_no_database(&text) => Found::failed(
            StepName::Query,
            StepError::DatabaseMissing,
            format!("{text} (database {number})"),
        ),
        Ok(_) => return None,
        Err(failure) => Found::fail(StepName::Query, failure),
    };
    Some(step.asked(format!("SELECT {number}")).since(begun))
}

/// What a server says to SELECT when it has no such database.
fn is_no_database(text: &str) -> bool {
    [
        "out of range",
        "invalid DB index",
        "not allowed in cluster mode",
    ]
    .iter()
    .any(|words| text.contains(words))
}

/// The fields of INFO; none if the user may not ask.
async fn info(peer: &mut PeerStream, ask: &Ask<'_>) -> Result<BTreeMap<String, String>, Failure> {
    match command(peer, ask, &["INFO"]).await? {
        Reply::Text(text) => Ok(fields(&text)),
        _ => Ok(BTreeMap::new()),
    }
}

/// What CLUSTER says, if there is one: an error, or nothing to object to.
async fn nodes(
    peer: &mut PeerStream,
    ask: &Ask<'_>,
    info: &BTreeMap<String, String>,
) -> Option<Failure> {
    if info.get("cluster_enabled").is_none_or(|on| on != "1") {
        return None;
    }
    if let Ok(Reply::Text(text)) = command(peer, ask, &["CLUSTER", "INFO"]).await
        && text.contains("cluster_state:fail")
    {
        return Some(
            Failure::new(
                StepError::Unavailable,
                "CLUSTERDOWN: the server says cluster_state:fail",
            )
            .fact("code", "CLUSTERDOWN"),
        );
    }
    let Ok(Reply::Text(text)) = command(peer, ask, &["CLUSTER", "NODES"]).await else {
        return None;
    };
    for address in advertised(&text).into_iter().take(NODES) {
        if let Err(failure) = ask
            .advertised(&address.ip().to_string(), address.port())
            .await
        {
            return Some(failure);
        }
    }
    None
}

/// The addresses of the masters that CLUSTER NODES names, but for the node that was asked.
fn advertised(text: &str) -> Vec<SocketAddr> {
    text.lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let address = words.nth(1)?;
            let flags = words.next()?;
            if !flags.contains("master") || flags.contains("fail") || flags.contains("noaddr") {
                return None;
            }
            address.split(['@', ',']).next()?.parse().ok()
        })
        .collect()
}

fn judge(
    info: &BTreeMap<String, String>,
    replica_is_fine: bool,
    cluster: Option<Failure>,
) -> Found {
    let says = |key: &str, value: &str| info.get(key).is_some_and(|said| said == value);
    let number = |key: &str| info.get(key).and_then(|value| value.parse::<u64>().ok());
    let replica = says("role", "slave");
    let limit = number("maxmemory").filter(|limit| *limit > 0);
    let full = limit.is_some_and(|limit| number("used_memory").is_some_and(|used| used >= limit))
        && evicts_nothing(info);
    let mut step = if says("loading", "1") {
        Found::failed(
            StepName::Query,
            StepError::Loading,
            "LOADING: the server is still loading its data",
        )
    } else if let Some(failure) = cluster {
        Found::fail(StepName::Query, failure)
    } else if replica && !replica_is_fine && !says("slave_read_only", "0") {
        Found::failed(
            StepName::Query,
            StepError::ReadOnly,
            format!(
                "READONLY: this is a read-only replica of {}:{} (link {}), every write is refused",
                info.get("master_host").map_or("?", String::as_str),
                info.get("master_port").map_or("?", String::as_str),
                info.get("master_link_status").map_or("?", String::as_str),
            ),
        )
    } else if full {
        Found::failed(
            StepName::Query,
            StepError::Unavailable,
            "OOM: used_memory is above maxmemory and nothing is evicted, every write is refused",
        )
        .fact("code", "OOM")
    } else if says("min_slaves_good_slaves", "0") {
        Found::failed(
            StepName::Query,
            StepError::Unavailable,
            "NOREPLICAS: the server wants replicas before it takes writes (min-replicas-to-write), and none is in step",
        )
        .fact("code", "NOREPLICAS")
    } else {
        Found::pass(StepName::Query, "")
    };
    for (key, name) in [
        ("redis_version", "server_version"),
        ("valkey_version", "server_version"),
        ("redis_mode", "mode"),
        ("role", "role"),
        ("loading", "loading"),
        ("master_link_status", "master_link_status"),
        ("rdb_last_bgsave_status", "rdb_last_bgsave_status"),
    ] {
        if let Some(value) = info.get(key) {
            step = step.fact(name, value.clone());
        }
    }
    step
}

/// Whether a full server has nothing to evict: by its policy, or since it holds no key of the kind that its policy evicts.
fn evicts_nothing(info: &BTreeMap<String, String>) -> bool {
    // `db0:keys=3,expires=0,avg_ttl=0`: one field for each database that holds keys.
    let holds = |what: &str| {
        let databases = info.iter().filter(|(name, _)| {
            name.strip_prefix("db")
                .is_some_and(|number| number.parse::<u32>().is_ok())
        });
        let mut counts = databases.flat_map(|(_, counts)| counts.split(','));
        counts.any(|count| {
            count
                .split_once('=')
                .is_some_and(|(name, number)| name == what && number != "0")
        })
    };
    match info.get("maxmemory_policy").map(String::as_str) {
        Some("noeviction") => true,
        Some(policy) if policy.starts_with("volatile-") => !holds("expires"),
        Some(_) => !holds("keys"),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn state_is_judged_by_what_info_says() {
        let error = |pairs: &[(&str, &str)], replica| judge(&info(pairs), replica, None).error;
        assert_eq!(error(&[("role", "master")], false), None);
        assert_eq!(error(&[], false), None);
        assert_eq!(error(&[("loading", "1")], false), Some(StepError::Loading));
        let replica = [("role", "slave"), ("slave_read_only", "1")];
        assert_eq!(error(&replica, false), Some(StepError::ReadOnly));
        assert_eq!(error(&replica, true), None);
        assert_eq!(
            error(&[("role", "slave"), ("slave_read_only", "0")], false),
            None
        );
        let full = [
            ("maxmemory", "100"),
            ("used_memory", "101"),
            ("maxmemory_policy", "noeviction"),
        ];
        assert_eq!(error(&full, false), Some(StepError::Unavailable));
        let evicting = |policy, keys| {
            let pairs = [
                ("maxmemory", "100"),
                ("used_memory", "101"),
                ("maxmemory_policy", policy),
                ("db0", keys),
            ];
            error(&pairs, false)
        };
        let full = Some(StepError::Unavailable);
        assert_eq!(evicting("volatile-lru", "keys=9,expires=0,avg_ttl=0"), full);
        assert_eq!(evicting("volatile-lru", "keys=9,expires=2,avg_ttl=7"), None);
        assert_eq!(evicting("allkeys-lru", "keys=9,expires=0,avg_ttl=0"), None);
        assert_eq!(evicting("allkeys-lru", ""), full);
        assert_eq!(error(&[("min_slaves_good_slaves", "0")], false), full);
        assert_eq!(error(&[("min_slaves_good_slaves", "1")], false), None);
    }

    #[test]
    fn a_cluster_advertises_its_live_masters() {
        let text = "07c3 10.1.0.4:6379@16379,kvs-0 myself,master - 0 1 1 connected 0-5460\n\
                    17c3 10.1.0.5:6379@16379 slave 07c3 0 1 1 connected\n\
                    27c3 :0@0 master,noaddr - 0 1 1 disconnected\n";
        assert_eq!(advertised(text), ["10.1.0.4:6379".parse().unwrap()]);
    }
}
