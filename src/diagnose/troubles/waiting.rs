//! What a container waits for that never comes: hosts of its command that lead nowhere. Pure.

use super::view::View;
use crate::address;

/// One host that leads nowhere, as evidence.
pub(super) fn lost_line((place, host): &(String, String)) -> String {
    format!("{place} of the container names {host}, and no Service is called so")
}

/// Whether a host leads nowhere from the Pod's namespace.
pub(super) fn is_lost(view: &View<'_, '_>, host: &str) -> bool {
    let namespace = &view.pod.metadata.namespace;
    let meaning = || view.context.snapshot.meaning(host, namespace);
    !host.contains('$') && !address::is_local(host) && meaning().leads_nowhere()
}

/// The hosts that the container's command waits for and that lead nowhere.
pub(super) fn lost_words(view: &View<'_, '_>) -> Vec<(String, String)> {
    let words = view
        .container
        .iter()
        .flat_map(|container| container.words());
    let words: Vec<&str> = words.flat_map(shell_words).collect();
    let mut hosts = waited_for(&words);
    hosts.retain(|host| is_lost(view, host));
    hosts.dedup();
    let place = |host| ("the command".to_owned(), host);
    hosts.into_iter().map(place).collect()
}

fn shell_words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|sign: char| sign.is_whitespace() || ";|&()\"'`=".contains(sign))
        .filter(|word| !word.is_empty())
}

/// The hosts that a command waits for: before a port (`redis:6379`), or as `nc` takes them (`nc -z redis 6379`).
fn waited_for(words: &[&str]) -> Vec<String> {
    let is_port = |word: &str| address::port(word).is_some();
    let is_name = |word: &str| {
        word.starts_with(|sign: char| sign.is_ascii_alphabetic()) && address::is_host(word)
    };
    let joined = words.iter().filter_map(|word| {
        let (_, word) = word.split_once("://").unwrap_or(("", word));
        let (host, port) = word.trim_end_matches('/').split_once(':')?;
        (is_name(host) && is_port(port)).then(|| host.to_owned())
    });
    let apart = words.iter().enumerate().filter_map(|(at, word)| {
        matches!(word.rsplit('/').next(), Some("nc" | "ncat" | "netcat")).then_some(())?;
        let rest = words[at + 1..].windows(2).take(8);
        let mut pairs = rest.filter(|pair| is_name(pair[0]) && is_port(pair[1]));
        pairs.next().map(|pair| pair[0].to_owned())
    });
    joined.chain(apart).collect()
}
