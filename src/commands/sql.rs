//! `k8sverify sql`: the application's SQL on a candidate, statement by statement, in scratch schemas. IO.

mod files;
mod subject;

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::cluster::{ask, connect, observing};
use super::input::{self, Input};
use super::signals::Signals;
use super::start::Start;
use super::verify::options;
use super::verify::outputs::Outputs;
use super::{CommandError, log};
use crate::catalog::Catalog;
use crate::cli::SqlArgs;
use crate::config::CandidateRule;
use crate::graph::TierGraph;
use crate::jobs;
use crate::observe::{self, Api, Snapshot};
use crate::plan::{JobOptions, PAYLOAD_FOLDER, Payload, PlanOptions, ProbePlan};
use crate::probe::wire::sql::{SqlScript, SqlSpec, SqlStatement};
use crate::protocol::Protocol;
use crate::report::sql::SqlReport;
use crate::report::words::INTERRUPTED;
use crate::sql::judge::{Run, SqlResults, judge};
use crate::sql::lex::Client;
use crate::sql::names::{Mapped, Scratch};
use crate::sql::script::{self, Script};
pub(super) use files::SqlFiles;
use subject::Subject;

/// The name of the file in the Pod.
const PAYLOAD: &str = "script.json.gz";
/// A Secret holds 1 MiB.
const MOST: usize = 1_000_000;
/// Time for the clean-up.
const CLEAN_UP: Duration = Duration::from_secs(20);
/// The same for a run that is asked to end.
const CLEAN_UP_TOLD: Duration = Duration::from_secs(4);

/// Runs `sql`.
///
/// # Errors
/// [`CommandError::Usage`] for bad input, [`CommandError::Unverified`] if the cluster cannot be asked, [`CommandError::Output`] for a report that cannot be written.
pub fn command(args: &SqlArgs, signals: &Signals) -> Result<u8, CommandError> {
    log::start(args.run.output.verbose);
    let namespace = args.run.cluster.namespace.as_deref().unwrap_or_default();
    let outputs = Arc::new(Outputs::<SqlReport>::open(&args.run.output, namespace)?);
    let last_words = Arc::clone(&outputs);
    signals.end_gracefully(move |cause| last_words.give_up(cause));
    let limit = args.timeout + Duration::from_mins(1);
    signals.end_after(
        limit,
        format!("the deadline of {} s (--timeout)", limit.as_secs()),
    );
    let report =
        whole(args, signals).inspect_err(|failure| outputs.failed(&failure.to_string()))?;
    outputs.write(&report)?;
    Ok(report.exit_code)
}

fn whole(args: &SqlArgs, signals: &Signals) -> Result<SqlReport, CommandError> {
    let probe = &args.run.probe;
    let patch = options::patch(probe)?;
    let input = input::read(&args.run.compose)?;
    let files = files::read(args, input.compose.as_ref())?;
    let plan = options::of_plan(probe, args.timeout);
    let job = options::jobs(probe, args.timeout, &plan.run, &patch);
    let run = Command {
        args,
        input: &input,
        files,
        plan,
        job,
        signals,
        start: Start::now(),
    };
    ask(async {
        tokio::select! {
            report = Box::pin(run.report()) => report,
            cause = interruption(signals) => Err(CommandError::Interrupted(format!("{cause}, before anything was run"))),
        }
    })
}

/// Ends when the run is to end, after what its clean-up may take.
async fn interruption(signals: &Signals) -> String {
    let cause = signals.wait().await;
    tokio::time::sleep(CLEAN_UP_TOLD + Duration::from_secs(1)).await;
    cause
}

struct Command<'a> {
    args: &'a SqlArgs,
    input: &'a Input,
    files: SqlFiles,
    plan: PlanOptions,
    job: JobOptions,
    signals: &'a Signals,
    start: Start,
}

impl Command<'_> {
    async fn report(&self) -> Result<SqlReport, CommandError> {
        let (api, snapshot) = self.observe().await?;
        let graph = self.input.graph(&snapshot, &Catalog::embedded());
        let (name, candidate) = self.candidate(&graph)?;
        let bench = SqlRun {
            api: &api,
            snapshot: &snapshot,
            graph: &graph,
            files: &self.files,
            plan: &self.plan,
            job: &self.job,
            statement_timeout: self.args.statement_timeout,
            signals: self.signals,
            start: self.start,
        };
        bench.run(&name, &candidate).await
    }

    async fn observe(&self) -> Result<(Api, Snapshot), CommandError> {
        let (api, namespace) = connect(&self.args.run.cluster).await?;
        // Nothing of the application's logs is of interest.
        let options = observing(namespace, &self.input.config, true);
        let (snapshot, ()) = tokio::join!(
            Box::pin(observe::observe(&api, &options)),
            jobs::sweep(&api, &options.namespace)
        );
        Ok((api, snapshot?))
    }

    /// What is asked for; else the one candidate of the file, the tier whose files these are, or the one MySQL database.
    fn candidate(&self, graph: &TierGraph) -> Result<(String, CandidateRule), CommandError> {
        let candidates = &self.input.config.candidates;
        if let Some(name) = &self.args.candidate {
            let known: Vec<&str> = candidates.keys().map(String::as_str).collect();
            return candidates
                .get(name)
                .map(|candidate| (name.clone(), candidate.clone()))
                .ok_or_else(|| {
                    CommandError::Usage(format!(
                        "--candidate {name}: k8sverify.yaml has no such candidate; it has {}",
                        if known.is_empty() {
                            "none".to_owned()
                        } else {
                            known.join(", ")
                        }
                    ))
                });
        }
        let tier = |name: &str| (name.to_owned(), CandidateRule::of_tier(name));
        if let Some(name) = &self.args.tier {
            return Ok(tier(name));
        }
        if let (1, Some((name, candidate))) = (candidates.len(), candidates.first_key_value()) {
            return Ok((name.clone(), candidate.clone()));
        }
        let mut databases: Vec<&str> = graph
            .edges
            .iter()
            .filter(|edge| edge.protocol == Protocol::Mysql && !edge.forbidden)
            .map(|edge| edge.to.as_str())
            .collect();
        databases.sort_unstable();
        databases.dedup();
        if let Some(name) = self
            .files
            .tier
            .as_deref()
            .filter(|name| databases.contains(name))
        {
            return Ok(tier(name));
        }
        match databases.as_slice() {
            [only] => Ok(tier(only)),
            [] => Err(CommandError::Usage(
                "no client of the application reaches a MySQL database: name one under candidates: of k8sverify.yaml".to_owned(),
            )),
            several => Err(CommandError::Usage(format!(
                "there is more than one database: name one with --tier ({}), or with --candidate",
                several.join(", ")
            ))),
        }
    }
}

/// Everything that SQL is run with on a candidate, but the candidate.
pub(super) struct SqlRun<'a> {
    pub(super) api: &'a Api,
    pub(super) snapshot: &'a Snapshot,
    pub(super) graph: &'a TierGraph,
    pub(super) files: &'a SqlFiles,
    pub(super) plan: &'a PlanOptions,
    pub(super) job: &'a JobOptions,
    /// How long a statement may take.
    pub(super) statement_timeout: Duration,
    pub(super) signals: &'a Signals,
    pub(super) start: Start,
}

impl SqlRun<'_> {
    /// Runs it on one.
    ///
    /// # Errors
    /// [`CommandError::Usage`] where nothing leads to the candidate, or the SQL cannot be read.
    pub(super) async fn run(
        &self,
        name: &str,
        candidate: &CandidateRule,
    ) -> Result<SqlReport, CommandError> {
        let subject = subject::find(name, candidate, self.graph, self.snapshot, self.plan)
            .map_err(CommandError::Usage)?;
        let script = self.script(&subject, candidate)?;
        let plan = ProbePlan {
            vantages: vec![self.vantage(&subject, &script)?],
            ..ProbePlan::default()
        };
        let session = jobs::JobSession::new(self.api, self.job, self.signals.cancel());
        self.signals
            .open(std::iter::once(self.snapshot.namespace.clone()));
        let outcomes = session.run(&plan, &|_| {}).await;
        let limit = match self.signals.fired() {
            Some(_) => CLEAN_UP_TOLD,
            None => CLEAN_UP,
        };
        let mut notes = self.files.notes.clone();
        if let Some(cause) = self.signals.fired() {
            notes.push(format!(
                "{INTERRUPTED}{cause}: what had not ended by then is unknown"
            ));
        }
        let left = session.finish(limit).await;
        self.signals.closed(&left);
        notes.extend(left);
        let seen = outcomes
            .probes
            .into_iter()
            .next()
            .map_or_else(SqlResults::default, |outcome| SqlResults {
                records: outcome.sql,
                complete: outcome.complete,
                failure: outcome.failure,
            });
        let run = Run {
            tool_version: env!("CARGO_PKG_VERSION").to_owned(),
            namespace: self.snapshot.namespace.clone(),
            cluster: self.snapshot.cluster.clone(),
            candidate: name.to_owned(),
            address: subject.address(),
            started_at: self.start.text(),
            duration_ms: self.start.elapsed_ms(),
            notes,
        };
        Ok(judge(&script, &seen, run))
    }

    fn script(&self, subject: &Subject, candidate: &CandidateRule) -> Result<Script, CommandError> {
        let image = candidate
            .tier
            .as_ref()
            .and_then(|tier| self.graph.tiers.get(tier)?.image.clone())
            .unwrap_or_default();
        let client = if self.plan.products.has_mariadb_client(&image) {
            Client::Mariadb
        } else {
            Client::Mysql
        };
        let scratch = Scratch {
            prefix: (!subject.fresh).then(|| format!("k8sverify_{}_", self.plan.run)),
        };
        script::read(
            &self.files.sources,
            self.files.workload.as_ref(),
            client,
            subject.database.as_deref(),
            &scratch,
        )
        .map_err(|error| CommandError::Usage(error.to_string()))
    }

    /// The subject's Pod, with the script.
    fn vantage(
        &self,
        subject: &Subject,
        script: &Script,
    ) -> Result<crate::plan::Vantage, CommandError> {
        let mut vantage = subject.vantage.clone();
        for probe in &mut vantage.containers {
            probe.spec.run.clone_from(&self.plan.run);
            probe.spec.deadline_ms = self.plan.deadline_ms;
            probe.spec.sql = Some(SqlSpec {
                script: format!("{PAYLOAD_FOLDER}/{PAYLOAD}"),
                statement_ms: u64::try_from(self.statement_timeout.as_millis()).unwrap_or(u64::MAX),
                members: subject.members.clone(),
            });
        }
        let bytes = packed(script)
            .map_err(|error| CommandError::Unverified(format!("cannot pack the SQL: {error}")))?;
        if bytes.len() > MOST {
            return Err(CommandError::Usage(format!(
                "the SQL takes {} KiB when packed, and a Secret holds {} KiB: leave out the rows (mysqldump --no-data), or name fewer files",
                bytes.len() / 1024,
                MOST / 1024
            )));
        }
        vantage.payload = Some(Payload {
            name: PAYLOAD.to_owned(),
            bytes,
        });
        Ok(vantage)
    }
}

/// The script as the Pod reads it.
fn packed(script: &Script) -> std::io::Result<Vec<u8>> {
    let scratch = script.scratch.prefix.is_some();
    let one = |mapped: &Mapped, uses: bool| SqlStatement {
        text: mapped.text.clone().into(),
        may_reach: mapped.may_reach.iter().cloned().collect(),
        skip: mapped.beyond.is_some(),
        uses,
    };
    let schema = |name: &String| script.scratch.schema(name);
    let wire = SqlScript {
        prefix: script.scratch.prefix.clone(),
        schemas: if scratch {
            script.schemas.iter().map(schema).collect()
        } else {
            Vec::new()
        },
        start: script.start.as_ref().map(schema),
        statements: script
            .statements
            .iter()
            .map(|statement| one(&statement.mapped, statement.uses))
            .collect(),
        queries: script
            .queries
            .iter()
            .map(|query| one(&query.mapped, false))
            .collect(),
        tables: script.tables.iter().cloned().collect(),
    };
    let mut packer = GzEncoder::new(Vec::new(), Compression::default());
    packer.write_all(&serde_json::to_vec(&wire)?)?;
    packer.finish()
}
