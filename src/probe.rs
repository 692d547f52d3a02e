//! The agent that runs in the Pod: walks the ladder DNS → Service address → each endpoint → protocol → login. It never sees the graph.
//! A spec and the tier's environment in, records out; IO: the network, and the output.

mod amqp;
mod ask;
mod cassandra;
mod clock;
mod dns;
pub mod drill;
mod found;
mod grpc;
mod http;
mod identify;
mod kafka;
mod ladder;
mod lines;
mod link;
mod login;
mod mongodb;
mod mqtt;
mod mysql;
mod names;
mod network;
mod peer;
mod postgres;
mod record;
mod redis;
mod relay;
mod seen;
mod sql;
mod talk;
mod target;
#[cfg(test)]
mod tests;
mod tls;
mod trust;
mod turns;
pub mod wire;
mod work;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use thiserror::Error;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

use crate::address::{self, LoginReference};
use crate::probe::clock::Clock;
use crate::probe::dns::Resolver;
use crate::probe::ladder::Agent;
use crate::probe::names::ResolverConfig;
use crate::probe::network::AgentNetwork;
use crate::probe::record::{Recorder, Scrubber};
use crate::probe::target::DialTarget;
use crate::probe::turns::{TurnPlace, Turns};
use crate::probe::wire::{ProbeSpec, Record, VERSION};
use crate::probe::work::{Ended, Journal, Work};

/// What is kept of the deadline for writing what was not reached.
const MARGIN: Duration = Duration::from_millis(500);

/// Why the agent could not work.
#[derive(Debug, Error)]
pub enum ProbeError {
    /// The variables do not hold a spec.
    #[error(
        "the spec in {variable} cannot be read: {message}; expected the JSON that `k8sverify verify` writes into its Jobs"
    )]
    Spec {
        /// Where it should stand.
        variable: String,
        /// What is wrong with it.
        message: String,
    },
    /// The spec is of another version.
    #[error(
        "the spec has version {found}, and this agent speaks version {VERSION}; use the probe image of the same release"
    )]
    Version {
        /// Its version.
        found: u32,
    },
    /// The log cannot be written.
    #[error("records cannot be written to standard output")]
    Output(#[from] io::Error),
}

/// What every version of a spec has.
#[derive(Deserialize)]
struct Versioned {
    #[serde(default)]
    version: serde_json::Value,
}

/// Reads the spec out of the agent's own variables.
///
/// # Errors
/// No spec, no JSON, or another version.
pub fn spec(variables: &BTreeMap<String, String>) -> Result<ProbeSpec, ProbeError> {
    let mut text = String::new();
    let mut chunk = 0;
    while let Some(part) = variables.get(&format!("{}{chunk}", wire::SPEC_VARIABLE)) {
        text.push_str(part);
        chunk += 1;
    }
    let error = |message: String| ProbeError::Spec {
        variable: format!("{}0", wire::SPEC_VARIABLE),
        message,
    };
    if chunk == 0 {
        return Err(error("the variable is not set".to_owned()));
    }
    // The version first: another one may have other fields.
    let versioned: Versioned =
        serde_json::from_str(&text).map_err(|failure| error(failure.to_string()))?;
    match versioned.version.as_u64().map(u32::try_from) {
        Some(Ok(VERSION)) => {}
        Some(Ok(found)) => return Err(ProbeError::Version { found }),
        _ => return Err(error("it has no version".to_owned())),
    }
    let spec: ProbeSpec =
        serde_json::from_str(&text).map_err(|failure| error(failure.to_string()))?;
    if spec.deadline_ms == 0 {
        return Err(error("deadline_ms is 0".to_owned()));
    }
    Ok(spec)
}

/// Writes the one line of an agent that could not work.
///
/// # Errors
/// The output's own.
pub fn report_error(error: &ProbeError, out: &mut dyn Write) -> io::Result<()> {
    let message = error.to_string();
    record::write(out, &Record::Error { message })
}

/// Does everything that the spec asks, within its deadline, and writes what came of it. When `stop` turns true, a script of SQL is ended
/// and what it made is taken back; anything else is ended by dropping this.
///
/// # Errors
/// Only if the output cannot be written: every failure of the network is an outcome.
pub async fn run(
    spec: ProbeSpec,
    mut environment: BTreeMap<String, String>,
    out: &mut (dyn Write + Send),
    stop: watch::Receiver<bool>,
) -> Result<(), ProbeError> {
    read_files(&spec, &mut environment);
    let length = Duration::from_millis(spec.deadline_ms);
    let hard = Instant::now() + length;
    let clock = Clock::starting(length.saturating_sub(MARGIN.min(length / 4)));
    let network = AgentNetwork::new(&spec.network);
    let resolver = Resolver::new(&network, &file("/etc/resolv.conf"), &file("/etc/hosts"));
    let targets = targets(&spec, &environment, resolver.config());
    let scrubber = scrubber(&spec, &targets, &environment, resolver.config());
    let mut recorder = Recorder::new(out, &scrubber);
    recorder.mark(&hello(&resolver))?;
    let turns = Turns::new(spec.edges_at_once, &file("/proc/self/limits"));
    if let (Some(task), Some(target)) = (&spec.sql, targets.first()) {
        let setting = sql::Setting {
            spec: &spec,
            sql: task,
            target,
            network: &network,
            resolver: &resolver,
            turn: turns.take(TurnPlace::host(&target.host, target.port)).await,
            length: length.saturating_sub(MARGIN.min(length / 4)),
        };
        let cut_short = Box::pin(sql::run(&setting, &mut recorder, stop)).await?;
        recorder.end(cut_short)?;
        return Ok(());
    }
    let (records, mut written) = mpsc::unbounded_channel();
    let agent = Agent {
        clock,
        network,
        resolver,
        turns,
        records,
        require_trust: spec.require_trust,
    };
    let work = Work {
        agent,
        spec,
        targets,
    };
    let work = Arc::new(work);
    let mut journal = Journal::new(recorder, work.owed());
    let mut tasks = work.start();
    loop {
        tokio::select! {
            biased;
            Some(record) = written.recv() => journal.take(record)?,
            ended = tasks.next() => match ended {
                Some(Ended::Done(edge)) => {
                    // All that it sent stands in the channel already.
                    while let Ok(record) = written.try_recv() {
                        journal.take(record)?;
                    }
                    journal.done(edge.as_deref())?;
                }
                Some(Ended::Panicked(task)) => journal.fail(&task)?,
                None => break,
            },
            () = sleep_until(hard) => break,
        }
    }
    while let Ok(record) = written.try_recv() {
        journal.take(record)?;
    }
    journal.end()?;
    Ok(())
}

/// Takes in what the client reads from files: CAs of mounted Secrets, and values without the end of their last line.
fn read_files(spec: &ProbeSpec, environment: &mut BTreeMap<String, String>) {
    let files = spec.authorities.iter().chain(&spec.settings);
    for file in files.filter(|one| one.secret.is_some()) {
        let path = format!("{}/{}/{}", wire::FILES, file.variable, wire::FILE);
        // A key that the Secret does not have is no file.
        if let Ok(text) = std::fs::read_to_string(path) {
            environment.insert(file.variable.clone(), text);
        }
    }
    read_settings(spec, environment);
    for name in &spec.from_files {
        if let Some(text) = environment.get_mut(name) {
            text.truncate(text.trim_end_matches(['\r', '\n']).len());
        }
    }
}

/// Takes the parts of logins out of the files of settings in which they stand.
fn read_settings(spec: &ProbeSpec, environment: &mut BTreeMap<String, String>) {
    let logins = spec.edges.iter().filter_map(|task| task.login.as_ref());
    let names: Vec<&str> = logins.flat_map(|login| login.variables()).collect();
    for file in &spec.settings {
        let Some(text) = environment.remove(&file.variable) else {
            continue;
        };
        let settings = address::settings(&text);
        for name in &names {
            let key = address::file_and_key(name).filter(|(path, _)| *path == file.path);
            // What stands for something else is filled in by the client alone.
            let value = key.and_then(|(_, key)| settings.get(key));
            if let Some(value) = value.filter(|value| !address::is_placeholder(value)) {
                environment.insert((*name).to_owned(), value.clone());
            }
        }
    }
}

/// The names that may be said, as DNS is asked for them.
fn known_names(spec: &ProbeSpec, resolver: &ResolverConfig) -> BTreeSet<String> {
    let hosts = spec.edges.iter().map(|task| &task.host);
    let names = hosts.chain(spec.names.iter().map(|task| &task.name));
    let names = names.chain(&spec.services);
    let asked = names.flat_map(|name| resolver.candidates(&name.to_ascii_lowercase()));
    asked.collect()
}

/// Where every edge leads, in the order of the spec.
fn targets(
    spec: &ProbeSpec,
    environment: &BTreeMap<String, String>,
    resolver: &ResolverConfig,
) -> Vec<DialTarget> {
    let known = known_names(spec, resolver);
    // `db.shop` is asked for by a name of the Service `db` of its own namespace, and `db-0.db` is a Pod's behind it.
    let is_known = |host: &str| {
        let mut asked = resolver.candidates(host).into_iter();
        asked.any(|name| known.contains(&name))
    };
    let shown = |host: &str| {
        let service = host.split_once('.').map(|(_, service)| service);
        is_known(host) || service.is_some_and(is_known)
    };
    let trust = trust::ClientTrust::read(environment, &spec.authorities);
    let logins = spec.edges.iter().filter_map(|task| task.login.as_ref());
    let taken: BTreeSet<&str> = logins.flat_map(LoginReference::variables).collect();
    let mut others = environment.keys();
    let another =
        others.any(|name| address::may_hold_password(name) && !taken.contains(name.as_str()));
    let target = |task| {
        let mut target = DialTarget::of(task, environment, &trust, &shown);
        if !another {
            target.miss_password(task, environment);
        }
        target
    };
    spec.edges.iter().map(target).collect()
}

/// Everything that must not be read in the log.
fn scrubber(
    spec: &ProbeSpec,
    targets: &[DialTarget],
    environment: &BTreeMap<String, String>,
    resolver: &ResolverConfig,
) -> Scrubber {
    let mut scrubber = Scrubber::default();
    let hosts = spec.edges.iter().map(|task| &task.host);
    let names: BTreeSet<&String> = hosts
        .chain(spec.names.iter().map(|task| &task.name))
        .collect();
    // As DNS is asked for them, too.
    let asked = names.iter().flat_map(|name| resolver.candidates(name));
    scrubber.show(names.iter().copied().cloned().chain(asked));
    for (task, target) in spec.edges.iter().zip(targets) {
        if let Some(reference) = &task.login {
            login::hide(reference, &target.login, environment, &mut scrubber);
        }
        if let Some((host, instead)) = target.hidden() {
            scrubber.hide_host(host, instead);
        }
    }
    scrubber
}

fn hello(resolver: &Resolver) -> Record {
    let config = resolver.config();
    Record::Hello {
        version: VERSION,
        tool: env!("CARGO_PKG_VERSION").to_owned(),
        nameservers: config
            .nameservers
            .iter()
            .map(|server| server.ip().to_string())
            .collect(),
        search: config.search.clone(),
        ndots: config.ndots,
    }
}

/// A file of the Pod; one that is not there says nothing, which is what a C library makes of it too.
fn file(path: &str) -> String {
    std::fs::read(path)
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .unwrap_or_default()
}
