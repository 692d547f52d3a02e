//! One value → the addresses in it, with everything that it says, secrets included: what leaves this stage is reduced. Pure.

use super::parsed::Parsed;
use super::{dsn, expand::references, host, list, url};

/// Every address in a value, whatever its key, in the order of the text; the container itself left out.
pub(super) fn parse(value: &str) -> Vec<Parsed> {
    let mut found = beside_references(value, parse_any);
    found.retain(|one| !host::is_local(&one.host));
    found
}

/// The addresses of the container itself.
pub(super) fn local(value: &str) -> Vec<Parsed> {
    let mut found = beside_references(value, parse_any);
    found.retain(|one| host::is_local(&one.host));
    found
}

/// Stand for `$(` and `)` of a reference, which would be read as a Go address: no host holds them, a password may.
const OPEN: &str = "\u{e000}";
const CLOSE: &str = "\u{e001}";

/// Reads a text in which references `$(NAME)` are left: what is in one is opaque.
fn beside_references(value: &str, read: fn(&str) -> Vec<Parsed>) -> Vec<Parsed> {
    let mut masked = value.to_owned();
    for name in references(value) {
        masked = masked.replace(&format!("$({name})"), &format!("{OPEN}{name}{CLOSE}"));
    }
    if masked == value {
        return read(value);
    }
    let mut found = read(&masked);
    found.retain(|one| !one.host.contains(OPEN));
    for one in &mut found {
        let parts = [&mut one.user, &mut one.password, &mut one.database];
        for text in parts.into_iter().flatten() {
            *text = text.replace(OPEN, "$(").replace(CLOSE, ")");
        }
    }
    found
}

fn parse_any(value: &str) -> Vec<Parsed> {
    let value = value.trim().trim_matches(['"', '\'', '`']);
    // No configuration of an address is that long; certificates and scripts are.
    if value.is_empty() || value.len() > 8192 || host::is_off(value) {
        return Vec::new();
    }
    if let Some(found) = dsn::parse(value) {
        return found;
    }
    if value.contains("://") {
        return list::urls(value)
            .iter()
            .flat_map(|text| url::parse(text))
            .collect();
    }
    list::parse(value)
}

/// The addresses of a value that stands for exactly one login: a URL or a data source name.
pub(super) fn parse_single(value: &str) -> Vec<Parsed> {
    beside_references(value, parse_one)
}

fn parse_one(value: &str) -> Vec<Parsed> {
    let value = value.trim().trim_matches(['"', '\'']);
    if let Some(found) = dsn::parse(value) {
        return found;
    }
    if value.contains("://") {
        return url::parse(value);
    }
    list::parse(value)
}
