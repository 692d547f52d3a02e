//! Which names a client may dial, and which tier stands behind each. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::compose::{ComposeFile, NetworkMode, Service};
use crate::observe::member_of_set;

/// The Service in the name of a member of a StatefulSet: `db.data` of `db-0.db.data`.
pub(in crate::graph) fn service_of_member(host: &str) -> Option<&str> {
    let (pod, service) = host.split_once('.')?;
    member_of_set(pod).map(|_| service)
}

/// Host names (and fixed addresses) → tier.
#[derive(Debug, Clone, Default)]
pub struct NameTable {
    exact: BTreeMap<String, String>,
    folded: BTreeMap<String, String>,
    /// Names that lead elsewhere although a tier is called like that (`extra_hosts`).
    pinned: BTreeSet<String>,
    /// Names that many clients share, in order; those of this table go before them.
    shared: Vec<Arc<NameTable>>,
    /// Whether every host counts as one that is known.
    open: bool,
}

impl NameTable {
    /// Only this host, and only where it is written as such: never put together from the words of a variable's name.
    pub(in crate::graph) fn of_host(host: &str) -> Self {
        let name = host.trim_end_matches('.');
        Self {
            folded: BTreeMap::from([(name.to_ascii_lowercase(), name.to_owned())]),
            ..Self::default()
        }
    }

    /// Every host, whatever it leads to.
    pub(super) fn of_all() -> Self {
        Self {
            open: true,
            ..Self::default()
        }
    }

    /// Lets `name` lead to `tier`; the first one to take a name keeps it.
    pub fn insert(&mut self, name: &str, tier: &str) {
        self.exact
            .entry(name.to_owned())
            .or_insert_with(|| tier.to_owned());
        self.folded
            .entry(name.to_ascii_lowercase())
            .or_insert_with(|| tier.to_owned());
    }

    /// Adds names that many clients share; those that it has already go before them.
    #[must_use]
    pub fn before(mut self, shared: Arc<Self>) -> Self {
        self.shared.push(shared);
        self
    }

    /// This table and those behind it.
    fn all(&self) -> impl Iterator<Item = &Self> {
        std::iter::once(self).chain(self.shared.iter().map(Arc::as_ref))
    }

    /// Lets `name` lead nowhere that is a tier.
    pub fn pin(&mut self, name: &str) {
        self.pinned.insert(name.to_ascii_lowercase());
    }

    /// The tier behind a host, also behind that of one member (`db-0.db`).
    pub fn resolve(&self, host: &str) -> Option<&str> {
        let of_member = || self.named(service_of_member(host)?);
        let found = self.named(host).or_else(of_member);
        found.or(self.open.then_some("any"))
    }

    /// DNS does not distinguish case, so an exact match only comes first.
    fn named(&self, host: &str) -> Option<&str> {
        let host = host.trim_end_matches('.');
        let folded = host.to_ascii_lowercase();
        if self.pinned.contains(&folded) {
            return None;
        }
        let mut exact = self.all().filter_map(|table| table.exact.get(host));
        exact
            .next()
            .or_else(|| self.all().find_map(|table| table.folded.get(&folded)))
            .map(String::as_str)
    }

    /// Whether the name is pinned to an address of its own.
    pub fn is_pinned(&self, host: &str) -> bool {
        self.pinned.contains(&host.to_ascii_lowercase())
    }

    /// The tier whose name is the given words, whatever stands between them: `[penpot, backend]` → `penpot-backend`.
    pub fn by_words(&self, words: &[String]) -> Option<(&str, &str)> {
        let wanted = words.concat();
        // Of equal names the one of this table is first.
        self.all()
            .flat_map(|table| &table.exact)
            .filter(|(name, _)| crate::address::words(name).concat() == wanted)
            .min_by_key(|(name, _)| *name)
            .map(|(name, tier)| (name.as_str(), tier.as_str()))
    }

    /// The names that a service may dial in a compose project.
    pub fn of_client(file: &ComposeFile, client: &Service) -> Self {
        Tables::new(file).of_client(client)
    }

    /// The names that every client of some networks may dial.
    fn of_networks(file: &ComposeFile, on: &BTreeSet<&str>) -> Self {
        let mut table = Self::default();
        let all = || file.services.values().chain(file.inactive.values());
        // A service's own name wins over another's alias.
        for service in all() {
            table.insert(&service.name, &service.name);
        }
        for service in all() {
            if let Some(name) = &service.container_name {
                table.insert(name, &service.name);
            }
        }
        for service in all() {
            for (network, joined) in &service.networks {
                if on.contains(network.as_str()) {
                    for alias in &joined.aliases {
                        table.insert(alias, &service.name);
                    }
                }
                for address in [&joined.ipv4_address, &joined.ipv6_address]
                    .into_iter()
                    .flatten()
                {
                    table.insert(address, &service.name);
                }
            }
            table.insert(
                &format!("{}-{}-1", file.project, service.name),
                &service.name,
            );
        }
        // Docker's DNS answers a container's host name too; no other name gives way to it.
        for service in all() {
            if let Some(name) = &service.hostname {
                table.insert(name, &service.name);
            }
        }
        table
    }

    /// A client's own names before those that it shares.
    fn before_all(client: &Service, shared: Arc<Self>) -> Self {
        let mut table = Self::default().before(shared);
        for link in &client.links {
            table.exact.insert(link.alias.clone(), link.service.clone());
            table
                .folded
                .insert(link.alias.to_ascii_lowercase(), link.service.clone());
        }
        for (name, addresses) in &client.extra_hosts {
            let tier = addresses
                .iter()
                .find_map(|address| table.resolve(address).map(str::to_owned));
            match tier {
                Some(tier) => {
                    table.exact.insert(name.clone(), tier.clone());
                    table.folded.insert(name.to_ascii_lowercase(), tier);
                }
                None => table.pin(name),
            }
        }
        table
    }
}

/// The names that the services of a project may dial; what all clients of the same networks share is made once.
pub struct Tables<'a> {
    file: &'a ComposeFile,
    made: BTreeMap<Vec<String>, Arc<NameTable>>,
}

impl<'a> Tables<'a> {
    /// None is made yet.
    pub const fn new(file: &'a ComposeFile) -> Self {
        Self {
            file,
            made: BTreeMap::new(),
        }
    }

    /// Those of one service.
    pub fn of_client(&mut self, client: &Service) -> NameTable {
        let file = self.file;
        let on = networks(file, client);
        let key = on.iter().map(|name| (*name).to_owned()).collect();
        let table = self.made.entry(key);
        let table = table.or_insert_with(|| Arc::new(NameTable::of_networks(file, &on)));
        NameTable::before_all(client, Arc::clone(table))
    }
}

/// The networks on which a service really stands: those of the service whose namespace it shares.
pub(super) fn networks<'a>(file: &'a ComposeFile, service: &'a Service) -> BTreeSet<&'a str> {
    let mut current = service;
    // A chain of `network_mode: service:` is short; the bound keeps a cycle from turning without end.
    for _ in 0..8 {
        match &current.network_mode {
            Some(NetworkMode::Service(other)) => match file
                .services
                .get(other)
                .or_else(|| file.inactive.get(other))
            {
                Some(next) => current = next,
                None => break,
            },
            _ => break,
        }
    }
    current.networks.keys().map(String::as_str).collect()
}

/// Whether two services can exchange packets by name in compose.
pub(super) fn connected(file: &ComposeFile, from: &Service, to: &Service) -> bool {
    if matches!(
        from.network_mode,
        Some(NetworkMode::Host | NetworkMode::None | NetworkMode::Container(_))
    ) {
        return false;
    }
    let (ours, theirs) = (networks(file, from), networks(file, to));
    // A hand-made model may leave networks out: then nothing is isolated.
    (ours.is_empty() && theirs.is_empty()) || ours.intersection(&theirs).next().is_some()
}

/// Whether two services share one network namespace: what one says about the other is `localhost`.
pub(crate) fn same_namespace(from: &Service, to: &Service) -> bool {
    let inside = |one: &Service, other: &Service| matches!(&one.network_mode, Some(NetworkMode::Service(name)) if *name == other.name);
    let shared = |one: &Service| match &one.network_mode {
        Some(NetworkMode::Service(name)) => Some(name.clone()),
        _ => None,
    };
    let of_host = |one: &Service| matches!(one.network_mode, Some(NetworkMode::Host));
    inside(from, to)
        || inside(to, from)
        || shared(from).is_some() && shared(from) == shared(to)
        || of_host(from) && of_host(to)
}

/// The names under which peers may call a service.
pub(super) fn of_service(service: &Service) -> Vec<String> {
    let mut names = vec![service.name.clone()];
    names.extend(service.container_name.clone());
    names.extend(service.hostname.clone());
    names.extend(
        service
            .networks
            .values()
            .flat_map(|joined| joined.aliases.iter().cloned()),
    );
    let mut seen = BTreeSet::new();
    names.retain(|name| seen.insert(name.clone()));
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::compose::ServiceNetwork;

    fn service(name: &str, networks: &[&str]) -> Service {
        Service {
            name: name.to_owned(),
            networks: networks
                .iter()
                .map(|key| ((*key).to_owned(), ServiceNetwork::default()))
                .collect(),
            ..Service::default()
        }
    }

    #[test]
    fn a_member_is_of_the_tier_behind_its_service() {
        let mut names = NameTable::default();
        names.insert("mysql", "mysql");
        names.insert("mysql.data.svc.cluster.local", "mysql");
        let resolves = |host: &str| names.resolve(host).is_some();
        assert!(resolves("mysql-0.mysql") && resolves("MYSQL-12.mysql"));
        assert!(resolves("mysql-0.mysql.data.svc.cluster.local"));
        for other in [
            "mysql-0",
            "mysql-a.mysql",
            "-0.mysql",
            "0.mysql",
            "mysql-.mysql",
            "a-1.other",
        ] {
            assert!(!resolves(other), "{other}");
        }
    }

    #[test]
    fn names_are_case_insensitive_and_aliases_keep_to_their_network() {
        let mut file = ComposeFile::default();
        let mut db = service("DB", &["back"]);
        db.container_name = Some("main-db".into());
        db.hostname = Some("mysql-primary".into());
        db.networks
            .get_mut("back")
            .unwrap()
            .aliases
            .push("sql".into());
        file.services.insert("DB".into(), db);
        let api = service("api", &["back"]);
        let table = NameTable::of_client(&file, &api);
        assert_eq!(table.resolve("db"), Some("DB"));
        assert_eq!(table.resolve("main-db"), Some("DB"));
        assert_eq!(table.resolve("mysql-primary"), Some("DB"));
        assert_eq!(table.resolve("SQL"), Some("DB"));
        assert_eq!(table.resolve("redis"), None);
        let mut cluster = NameTable::default();
        cluster.insert("main-db", "other");
        cluster.insert("redis", "redis");
        let table = table.before(Arc::new(cluster));
        assert_eq!(table.resolve("main-db"), Some("DB"), "its own come first");
        assert_eq!(table.resolve("sql"), Some("DB"));
        assert_eq!(table.resolve("redis"), Some("redis"));
        let web = service("web", &["front"]);
        assert_eq!(NameTable::of_client(&file, &web).resolve("sql"), None);
        assert!(!connected(&file, &web, &file.services["DB"]));
        assert!(connected(&file, &api, &file.services["DB"]));
    }

    #[test]
    fn extra_hosts_lead_elsewhere() {
        let mut file = ComposeFile::default();
        file.services
            .insert("db".into(), service("db", &["default"]));
        let mut api = service("api", &["default"]);
        api.extra_hosts.insert("db".into(), vec!["10.1.2.3".into()]);
        assert_eq!(NameTable::of_client(&file, &api).resolve("db"), None);
    }
}
