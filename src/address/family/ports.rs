//! Variables that hold a port, by what their words belong to. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU16;

use crate::protocol::Protocol;

use super::super::{host, key, scheme};

const PORTS: [&str; 1] = ["port"];

/// A variable that holds a port: the words before and behind `port`.
pub(super) struct PortVariable {
    pub name: String,
    pub before: Vec<String>,
    pub after: Vec<String>,
    /// The number at its end: `DB_PORT_2` is the port of `DB_HOST_2`.
    pub number: Option<String>,
    pub port: NonZeroU16,
}

/// Variables that hold a port, by the words before it, and by those without their last; each by the number at its end.
#[derive(Default)]
pub(super) struct Ports {
    all: Vec<PortVariable>,
    at: Index,
    below: Index,
}

type Index = BTreeMap<Vec<String>, BTreeMap<Option<String>, Vec<usize>>>;

impl Ports {
    /// The variables of an environment that hold a port.
    pub(super) fn read(values: &BTreeMap<String, String>) -> Self {
        let mut ports = Self::default();
        let all = port_variables(values);
        for (number, one) in all.iter().enumerate() {
            let index = |index: &mut Index, stem: &[String]| {
                let numbers = index.entry(stem.to_vec()).or_default();
                numbers.entry(one.number.clone()).or_default().push(number);
            };
            index(&mut ports.at, &one.before);
            if let Some((_, rest)) = one.before.split_last() {
                index(&mut ports.below, rest);
            }
        }
        ports.all = all;
        ports
    }

    /// Those of some stems, for a host with a number, or without one.
    pub(super) fn at(&self, stems: &[&[String]], number: Option<&str>) -> Vec<&PortVariable> {
        self.of(stems.iter().filter_map(|stem| self.at.get(*stem)), number)
    }

    /// Those with one word behind a stem.
    pub(super) fn below(&self, stem: &[String], number: Option<&str>) -> Vec<&PortVariable> {
        self.of(self.below.get(stem).into_iter(), number)
    }

    /// Those of a stem, with one word behind it or without.
    pub(super) fn around(&self, stem: &[String], number: Option<&str>) -> Vec<&PortVariable> {
        let found = self.at.get(stem).into_iter().chain(self.below.get(stem));
        self.of(found, number)
    }

    /// In the order of the environment. The port of another number is another host's.
    fn of<'a>(
        &'a self,
        found: impl Iterator<Item = &'a BTreeMap<Option<String>, Vec<usize>>>,
        number: Option<&str>,
    ) -> Vec<&'a PortVariable> {
        let mut numbers: BTreeSet<usize> = BTreeSet::new();
        for by_number in found {
            let own = number.and_then(|number| by_number.get(&Some(number.to_owned())));
            match (number, own.or(by_number.get(&None))) {
                (None, _) => numbers.extend(by_number.values().flatten()),
                (Some(_), found) => numbers.extend(found.into_iter().flatten()),
            }
        }
        numbers
            .into_iter()
            .map(|number| &self.all[number])
            .collect()
    }
}

impl PortVariable {
    /// Whether it is the port for encrypted connections beside the one of a stem.
    pub(super) fn is_for_tls(&self, stem: &[String]) -> bool {
        let mark = self.before.strip_prefix(stem).filter(|_| !stem.is_empty());
        self.after.is_empty()
            && mark.is_some_and(|mark| matches!(mark, [word] if word == "tls" || word == "ssl"))
    }
}

fn port_variables(values: &BTreeMap<String, String>) -> Vec<PortVariable> {
    let mut found = Vec::new();
    for (name, value) in values {
        let Some(port) = host::port(value.trim().trim_matches(['"', '\''])) else {
            continue;
        };
        let mut words = key::words(name);
        let at = words
            .iter()
            .position(|word| word == "port" || word == "ports");
        let (before, after) = match at {
            Some(at) => {
                let after = words.split_off(at + 1);
                words.pop();
                (words, after)
            }
            None => match key::split_tail(name, &PORTS) {
                Some((stem, _)) => (stem, Vec::new()),
                None => continue,
            },
        };
        let mut after: Vec<String> = after.into_iter().filter(|word| word != "number").collect();
        let number = after.pop_if(|word| key::is_number(word));
        found.push(PortVariable {
            name: name.clone(),
            before,
            after,
            number,
            port,
        });
    }
    found
}

/// The protocol that a word of a port's variable names: `…_PORT_GRPC`.
pub(super) fn transport(words: &[String]) -> Option<Protocol> {
    words.iter().find_map(|word| match word.as_str() {
        "grpc" => Some(Protocol::Grpc),
        "http" | "web" | "api" => Some(Protocol::Http),
        "https" => Some(Protocol::Https),
        "udp" => Some(Protocol::Udp),
        other => scheme::product(other),
    })
}
