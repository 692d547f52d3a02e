//! Files that several tiers see: which of the addresses in them concern whom. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::compose::{ComposeFile, Service};

use super::order;
use super::scan::{RawEdge, RawTarget};
use super::{all, files_of};

/// Who sees a file.
#[derive(Default)]
pub(super) struct Sharers<'a> {
    /// Their names.
    pub tiers: BTreeSet<&'a str>,
    /// Whether one of them mounts it by itself: then it is that one's, and the rest only see the folder around it.
    pub direct: bool,
}

/// The tiers that see each file, where more than one does: such a file says what the project has, not what one tier calls.
pub(super) fn shared_files(file: &ComposeFile) -> BTreeMap<&str, Sharers<'_>> {
    let mut seen: BTreeMap<&str, Sharers<'_>> = BTreeMap::new();
    for service in all(file) {
        for mount in files_of(service) {
            let sharers = seen.entry(&mount.source).or_default();
            sharers.tiers.insert(&service.name);
            sharers.direct |= mount.direct;
        }
    }
    seen.retain(|_, sharers| sharers.tiers.len() > 1);
    seen
}

/// Whether an address in a file that several tiers see concerns this tier: it waits for the target, or the key names it. What
/// neither a key nor any order of start gives to one of them counts for all.
pub(super) fn concerns(
    file: &ComposeFile,
    service: &Service,
    raw: &RawEdge,
    sharers: &BTreeSet<&str>,
) -> bool {
    let RawTarget::Tier(to) = &raw.target else {
        return false;
    };
    let waits = |service: &Service| {
        service.depends_on.contains_key(to) || service.links.iter().any(|link| link.service == *to)
    };
    // `querier.frontend_worker.frontend_address` is the querier's; so it is of each of `querier-0` and `querier-1`.
    let parts: Vec<&str> = raw.key.split('.').collect();
    let named = |name: &str| {
        let mut words = crate::address::words(name);
        words.pop_if(|word| word.bytes().all(|byte| byte.is_ascii_digit()));
        (0..parts.len()).any(|at| {
            let key = crate::address::words(&parts[at..].join("."));
            !words.is_empty() && key.len() > words.len() && key.starts_with(&words)
        })
    };
    if waits(service) || named(&service.name) {
        return true;
    }
    let others = || sharers.iter().filter(|name| **name != to);
    if others().any(|name| named(name)) {
        return false;
    }
    let mut waiting = others()
        .filter_map(|name| file.services.get(*name))
        .filter(|other| waits(other))
        .peekable();
    // A role of the same application reads the file as its fellow does, which only starts before it.
    waiting.peek().is_none() || waiting.any(|other| order::same_application(service, other))
}
