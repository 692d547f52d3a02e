//! Variables that belong together: `DB_HOST`, `DB_PORT`, `DB_USER`, `DB_PASSWORD` … Pure.
//!
//! User and password are paired only with the host of their own family: what belongs to another host must never be sent there.

use std::collections::{BTreeMap, BTreeSet};

use crate::catalog::{self, Products};
use crate::protocol::Protocol;

use super::parsed::Parsed;
use super::{Family, LoginReference, Shape, TlsMode, key, scheme, targets_of, trust, url};

mod ports;

use ports::{PortVariable, Ports, transport};

/// An environment, indexed by what its keys mean.
pub(super) struct Environment<'a> {
    values: &'a BTreeMap<String, String>,
    /// The keys with a value, known or not, cut into words once.
    keys: Vec<(&'a String, Vec<String>)>,
    /// User, password and database of each stem.
    parts: BTreeMap<Vec<String>, [Option<Part>; 3]>,
    /// Stems of keys that hold a host.
    owners: BTreeSet<Vec<String>>,
    ports: Ports,
    /// The protocol that a key of each stem names (`DB_CONNECTION=pgsql`): the first.
    kinds: BTreeMap<Vec<String>, Protocol>,
    /// The keys that switch TLS on or off, by their letters, with their number.
    switches: BTreeMap<String, Vec<usize>>,
}

/// A variable that holds a part of a login, and how usual its last word is: the smallest counts.
type Part = (usize, String);

/// Every family of an environment, sorted by the variable of the host. `hidden` are the variables whose value is not known.
pub(super) fn families(
    values: &BTreeMap<String, String>,
    hidden: &BTreeSet<String>,
) -> Vec<Family> {
    let read: Vec<(&String, Vec<Parsed>)> = values
        .iter()
        .map(|(name, value)| (name, targets_of(name, value)))
        .filter(|(_, found)| !found.is_empty())
        .collect();
    let secret_hosts = hidden
        .iter()
        .filter(|name| key::role(name) == key::Role::Host);
    let keys: Vec<(&String, Vec<String>)> = values
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, _)| name)
        .chain(hidden)
        .map(|name| (name, key::words(name)))
        .collect();
    let empty: Vec<(&String, Vec<String>)> = values
        .iter()
        .filter(|(name, value)| value.is_empty() && !values.contains_key(&format!("{name}_FILE")))
        .map(|(name, _)| (name, key::words(name)))
        .collect();
    let environment = Environment {
        values,
        parts: parts(&keys, &empty),
        kinds: kinds(&keys, values),
        switches: switches(&keys, values),
        keys,
        owners: read
            .iter()
            .map(|(name, _)| *name)
            .chain(secret_hosts)
            .map(|name| key::host_stem(name))
            .collect(),
        ports: Ports::read(values),
    };
    let mut families = Vec::new();
    for (name, found) in &read {
        for parsed in found {
            families.extend(environment.family(name, parsed));
        }
    }
    families
}

fn kinds(
    keys: &[(&String, Vec<String>)],
    values: &BTreeMap<String, String>,
) -> BTreeMap<Vec<String>, Protocol> {
    let mut found = BTreeMap::new();
    for (name, words) in keys {
        let kind = key::split_words(words, &catalog::words().kinds).and_then(|(stem, _)| {
            let mut words = values.get(*name)?.rsplit(['.', '\\']);
            Some((stem, words.find_map(scheme::product)?))
        });
        if let Some((stem, protocol)) = kind {
            found.entry(stem).or_insert(protocol);
        }
    }
    found
}

/// The keys of which some end says TLS: whose switch it is, the beginning says.
fn switches(
    keys: &[(&String, Vec<String>)],
    values: &BTreeMap<String, String>,
) -> BTreeMap<String, Vec<usize>> {
    let is_switch = |(name, words): &(&String, Vec<String>)| {
        let whole = words.concat();
        values.get(*name).is_some_and(|value| {
            let mut ends = whole.char_indices().map(|(at, _)| &whole[at..]);
            ends.any(|end| url::switch(end, value).is_some())
        })
    };
    let mut found: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (number, key) in keys.iter().enumerate().filter(|(_, key)| is_switch(key)) {
        found.entry(key.1.concat()).or_default().push(number);
    }
    found
}

/// The parts of logins by their stem. A password that is set and empty beside a user is a login without one.
fn parts(
    keys: &[(&String, Vec<String>)],
    empty: &[(&String, Vec<String>)],
) -> BTreeMap<Vec<String>, [Option<Part>; 3]> {
    let known = catalog::words();
    let tails = [known.users, known.passwords, known.databases];
    let mut found: BTreeMap<Vec<String>, [Option<Part>; 3]> = BTreeMap::new();
    for (name, words) in keys {
        for (kind, tails) in tails.iter().enumerate() {
            let Some((stem, tail)) = key::split_words(words, tails) else {
                continue;
            };
            let rank = tails
                .iter()
                .position(|one| *one == tail)
                .unwrap_or(tails.len());
            let slot = &mut found.entry(stem).or_default()[kind];
            if slot.as_ref().is_none_or(|(known, _)| rank < *known) {
                *slot = Some((rank, (*name).clone()));
            }
        }
    }
    for (name, words) in empty {
        if let Some((stem, _)) = key::split_words(words, &tails[1])
            && let Some([Some(_), password @ None, _]) = found.get_mut(&stem)
        {
            *password = Some((usize::MAX, (*name).clone()));
        }
    }
    // Beside `database__connection__host`, whose stem is `database`, stands `database__connection__user`.
    for (stem, parts) in found.clone() {
        found.entry(key::without_form(stem)).or_insert(parts);
    }
    found
}

/// Whether a client that says this encrypts in any case.
fn is_encrypted(mode: TlsMode) -> bool {
    !matches!(mode, TlsMode::Disabled | TlsMode::Preferred)
}

impl Environment<'_> {
    /// The families of one address: one for each port, where only variables hold the port.
    fn family(&self, name: &str, parsed: &Parsed) -> Vec<Family> {
        let stem = key::host_stem(name);
        let number = key::number(name);
        let number = number.as_deref();
        let mut target = parsed.target();
        if target.protocol.is_none() {
            target.protocol = self.protocol(&stem);
        }
        target.tls = target.tls.or_else(|| self.tls(&stem));
        let login = self.login(name, parsed, &stem, target.protocol);
        let build = |target, port_variable, further_ports| Family {
            host_variable: name.to_owned(),
            port_variable,
            target,
            further_ports,
            login: login.clone(),
        };
        if parsed.port.is_some() && parsed.shape != Shape::Host {
            // `ENDPOINT=http://files` beside `PORT=9000`: whichever of the two the target serves.
            let beside = self
                .exact_ports(&stem, number)
                .into_iter()
                .map(|one| one.port);
            let further = beside.filter(|_| parsed.usual_port).collect();
            return vec![build(target, None, further)];
        }
        let mut own: Vec<&PortVariable> = self.own_ports(&stem, name);
        // A switch chooses the one of two ports: `MQTT_USE_TLS` beside `MQTT_PORT` and `MQTT_TLS_PORT`.
        if target.tls.is_some_and(is_encrypted) {
            let below = self.ports.below(&stem, number).into_iter();
            own.splice(0..0, below.filter(|one| one.is_for_tls(&stem)).take(1));
        }
        let mut near: Vec<&PortVariable> = self.near_ports(&stem, number);
        if target.tls.is_some() {
            near.retain(|one| !one.is_for_tls(&stem));
        }
        if let Some(first) = own.first() {
            near.extend(self.management_ports(&stem, number));
            target.port = Some(first.port);
            let further = near
                .iter()
                .map(|one| one.port)
                .filter(|port| *port != first.port)
                .collect();
            return vec![build(target, Some(first.name.clone()), further)];
        }
        if near.is_empty() || parsed.port.is_some() {
            return vec![build(target, None, Vec::new())];
        }
        near.iter()
            .map(|one| {
                let mut target = target.clone();
                target.port = Some(one.port);
                target.protocol = target.protocol.or_else(|| transport(&one.after));
                build(target, Some(one.name.clone()), Vec::new())
            })
            .collect()
    }

    /// `FILES_PORT` of `FILES_ENDPOINT`.
    fn exact_ports(&self, stem: &[String], number: Option<&str>) -> Vec<&PortVariable> {
        let mut found = self.ports.at(&[stem], number);
        found.retain(|one| one.after.is_empty() && !stem.is_empty());
        found
    }

    /// `DB_PORT` of `DB_HOST`; also `DB_HOST_PORT`, `PGPORT` of `PGHOST`, and `POSTGRES_PORT` of `PGHOST`.
    fn own_ports(&self, stem: &[String], name: &str) -> Vec<&PortVariable> {
        let whole = key::words(name);
        let number = key::number(name);
        let number = number.as_deref();
        let mut found = self.ports.at(&[stem, &whole], number);
        found.retain(|one| one.after.is_empty());
        if let Some((_, rest)) = stem.split_last().filter(|_| found.is_empty()) {
            found = self.ports.below(rest, number);
            found.retain(|one| one.after.is_empty() && self.same_product(&one.before, stem));
        }
        found
    }

    /// `OTEL_PORT_GRPC`, `OTEL_PORT_HTTP` of `OTEL_HOST`; `FLAGD_OFREP_PORT` of `FLAGD_HOST`, unless `FLAGD_OFREP` is a host itself.
    fn near_ports(&self, stem: &[String], number: Option<&str>) -> Vec<&PortVariable> {
        if stem.is_empty() {
            return Vec::new();
        }
        let elsewhere = [
            "external",
            "exposed",
            "published",
            "public",
            "admin",
            "management",
            "debug",
            "jmx",
            "metrics",
            "host",
        ];
        self.ports
            .around(stem, number)
            .into_iter()
            .filter(|one| {
                let suffix = one.before == stem && !one.after.is_empty();
                let infix = one.after.is_empty()
                    && one.before.len() == stem.len() + 1
                    && one.before.starts_with(stem)
                    && !self.owners.contains(&one.before);
                let odd = one
                    .after
                    .iter()
                    .chain(one.before.last().filter(|_| infix))
                    .any(|word| elsewhere.contains(&word.as_str()));
                (suffix || infix) && !odd
            })
            .collect()
    }

    /// `RABBITMQ_PORT_MANAGEMENT` beside `RABBITMQ_PORT`.
    fn management_ports(&self, stem: &[String], number: Option<&str>) -> Vec<&PortVariable> {
        let word = |one: &PortVariable| match (one.after.as_slice(), one.before.split_last()) {
            ([word], _) if one.before == stem => Some(word.clone()),
            ([], Some((word, rest))) if rest == stem => Some(word.clone()),
            _ => None,
        };
        let kinds = ["management", "admin"];
        self.ports
            .around(stem, number)
            .into_iter()
            .filter(|one| word(one).is_some_and(|word| kinds.contains(&word.as_str())))
            .collect()
    }

    /// Whether two stems are the same but for the product's other name, and the other has no host of its own.
    fn same_product(&self, other: &[String], stem: &[String]) -> bool {
        let (Some((one, rest)), Some((two, other_rest))) = (stem.split_last(), other.split_last())
        else {
            return false;
        };
        one != two
            && rest == other_rest
            && !self.owners.contains(other)
            && Products::shared()
                .same()
                .iter()
                .any(|names| names.contains(&one.as_str()) && names.contains(&two.as_str()))
    }

    fn protocol(&self, stem: &[String]) -> Option<Protocol> {
        key::protocol_of(stem).or_else(|| self.kinds.get(stem).copied())
    }

    fn tls(&self, stem: &[String]) -> Option<TlsMode> {
        let start = stem.concat();
        let below = self.switches.range(start.clone()..);
        let below = below.take_while(|(letters, _)| letters.starts_with(&start));
        let numbers: BTreeSet<usize> = below.flat_map(|(_, numbers)| numbers).copied().collect();
        numbers.iter().find_map(|number| {
            let (name, words) = self.keys.get(*number)?;
            let value = self.values.get(*name)?;
            let rest = match words.strip_prefix(stem).filter(|_| !stem.is_empty()) {
                Some(rest) => rest.concat(),
                // `PGSSLMODE`.
                None => words.concat().strip_prefix(&start)?.to_owned(),
            };
            url::switch(&rest, value)
        })
    }

    fn login(
        &self,
        name: &str,
        parsed: &Parsed,
        stem: &[String],
        protocol: Option<Protocol>,
    ) -> Option<LoginReference> {
        if matches!(protocol, Some(Protocol::Http | Protocol::Https)) {
            // Only the URL itself says what goes to a web server: how a client sends what stands in other variables is its own business.
            return (parsed.user.is_some() && parsed.password.is_some()).then(|| {
                LoginReference::Url {
                    variable: name.to_owned(),
                }
            });
        }
        if matches!(protocol, Some(Protocol::Grpc | Protocol::Udp)) {
            return None;
        }
        if parsed.password.is_some() {
            return Some(LoginReference::Url {
                variable: name.to_owned(),
            });
        }
        let own = stem;
        let stem = self
            .login_stem(stem, protocol)
            .or_else(|| (protocol == Some(Protocol::Redis)).then(|| own.to_vec()));
        let parts = stem.and_then(|stem| self.parts.get(&stem)).map(|parts| {
            let name = |part: &Option<Part>| part.as_ref().map(|(_, name)| name.clone());
            (name(&parts[0]), name(&parts[1]), name(&parts[2]))
        });
        let port = || {
            let own = self.own_ports(&key::host_stem(name), name);
            own.first().map(|one| one.name.clone())
        };
        match parts {
            Some((user, Some(password), database)) => Some(LoginReference::Parts {
                host: Some(name.to_owned()),
                port: (parsed.shape == Shape::Host).then(port).flatten(),
                user: user.filter(|_| parsed.user.is_none()),
                password: Some(password),
                database: database.filter(|_| parsed.database.is_none()),
            }),
            // Without a login, a client of Redis may still select a database.
            Some((_, None, Some(database)))
                if protocol == Some(Protocol::Redis) && parsed.shape == Shape::Host =>
            {
                Some(LoginReference::Parts {
                    host: Some(name.to_owned()),
                    port: port(),
                    user: None,
                    password: None,
                    database: Some(database),
                })
            }
            // A URL with a user and no password: a server may trust it; or one that selects a database of Redis.
            _ => {
                let database = parsed.database.as_deref();
                let selects = protocol == Some(Protocol::Redis)
                    && database
                        .is_some_and(|text| text.parse().is_ok_and(|number: u32| number > 0));
                // What a client of MongoDB does with the addresses that the server names stands there as well.
                let direct = protocol == Some(Protocol::Mongodb)
                    && self
                        .values
                        .get(name)
                        .is_some_and(|value| trust::is_direct(&trust::parameters(value)));
                (parsed.user.is_some() || selects || direct).then(|| LoginReference::Url {
                    variable: name.to_owned(),
                })
            }
        }
    }

    /// The stem under which user and password of a host stand: its own; of a replica that of its primary; the product's other name; or the
    /// nearest shorter stem, or the one of the product, that no other host owns.
    fn login_stem(&self, stem: &[String], protocol: Option<Protocol>) -> Option<Vec<String>> {
        let has = |stem: &[String]| self.parts.get(stem).is_some_and(|parts| parts[1].is_some());
        if has(stem) && !stem.is_empty() {
            return Some(stem.to_vec());
        }
        // `DB_READ_HOST` beside `DB_HOST`: a replica knows the users of its primary, unless a user of its own is named for it.
        if let Some((last, primary)) = stem.split_last()
            && catalog::words().replicas.contains(&last.as_str())
            && !primary.is_empty()
            && has(primary)
            && !self.parts.contains_key(stem)
        {
            return Some(primary.to_vec());
        }
        let mut candidates: Vec<Vec<String>> = Vec::new();
        for names in Products::shared().same() {
            if let Some((last, rest)) = stem.split_last()
                && names.contains(&last.as_str())
            {
                candidates.extend(
                    names
                        .iter()
                        .map(|name| [rest, &[(*name).to_owned()]].concat()),
                );
            }
        }
        for length in (1..stem.len()).rev() {
            candidates.push(stem[..length].to_vec());
        }
        if stem
            .last()
            .is_some_and(|word| catalog::words().generic.contains(&word.as_str()))
        {
            let rest = &stem[..stem.len() - 1];
            for word in catalog::words().generic.words() {
                candidates.push([rest, &[(*word).to_owned()]].concat());
            }
            // `DB_HOST` beside `MYSQL_USER` and `MYSQL_PASSWORD`.
            candidates.extend(self.product_stems(protocol));
        }
        candidates
            .into_iter()
            .find(|other| has(other) && !self.owners.contains(other))
    }

    /// The only product in the environment that has a password.
    fn product_stems(&self, protocol: Option<Protocol>) -> Vec<Vec<String>> {
        let sql = [
            Protocol::Mysql,
            Protocol::Postgres,
            Protocol::Mongodb,
            Protocol::Mssql,
        ];
        let found: BTreeSet<Vec<String>> = self
            .parts
            .iter()
            .filter(|(_, parts)| parts[1].is_some())
            .map(|(stem, _)| stem.clone())
            .filter(|stem| {
                stem.len() == 1
                    && key::protocol_of(stem).is_some_and(|found| {
                        sql.contains(&found) && protocol.is_none_or(|wanted| wanted == found)
                    })
            })
            .collect();
        if found.len() == 1 {
            found.into_iter().collect()
        } else {
            Vec::new()
        }
    }
}

#[cfg(test)]
mod tests;
