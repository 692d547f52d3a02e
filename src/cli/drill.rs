//! The options of `drill`. Pure.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::{ClusterArgs, ComposeArgs, OutputArgs, ProbeArgs, names, positive};
use crate::drill::limit::LimitOption;
use crate::drill::model::Fault;

/// The options of `drill`.
#[derive(Debug, Args, Clone)]
pub struct DrillArgs {
    /// Candidates of `k8sverify.yaml`; all of them if none is named
    #[arg(value_name = "CANDIDATE", conflicts_with = "tier")]
    pub candidates: Vec<String>,
    /// Drill the database that this tier of the application is
    #[arg(long, value_name = "NAME")]
    pub tier: Option<String>,
    /// Say what would be done, to whom, and which keys fit; change nothing
    #[arg(long, conflicts_with = "yes")]
    pub plan: bool,
    /// Put back what a drill that was killed has left in the namespace: scales, runners, the scratch table
    #[arg(long, conflicts_with_all = ["plan", "yes", "candidates", "tier"])]
    pub undo: bool,
    /// What is done, one after the other: delete, delete-hard, evict, restart-all, scale-zero, hook, none
    #[arg(
        long,
        value_name = "LIST",
        value_delimiter = ',',
        value_parser = fault,
        default_value = "delete",
        help_heading = "Faults"
    )]
    pub fault: Vec<Fault>,
    /// Whom: roles (the primary, then a replica, then at random), random, primary, replica, or a Pod
    #[arg(
        long,
        value_name = "WHOM",
        default_value = "roles",
        help_heading = "Faults"
    )]
    pub victim: String,
    /// Rounds of each fault
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100), help_heading = "Faults")]
    pub rounds: u32,
    /// What is chosen at random is chosen by this number
    #[arg(long, value_name = "N", default_value_t = 1, help_heading = "Faults")]
    pub seed: u64,
    /// How long a round waits for recovery
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = positive, help_heading = "Faults")]
    pub patience: Duration,
    /// What is too much: NAME=VALUE such as `write_down=10s`, `lost=0` or `lost=any`; repeatable
    #[arg(long, value_name = "NAME=VALUE", help_heading = "Faults")]
    pub limit: Vec<LimitOption>,
    /// The command that makes the fault `hook`; called as CMD begin NAME and CMD end NAME
    #[arg(long, value_name = "CMD", help_heading = "Faults")]
    pub hook: Option<String>,
    /// Run this SQL on each candidate before, in scratch schemas; one that refuses what the application needs is not drilled; repeatable
    #[arg(long, value_name = "FILE", help_heading = "SQL")]
    pub sql: Vec<PathBuf>,
    /// Run the application's own queries on each candidate before, outside and inside a transaction
    #[arg(long, value_name = "FILE", help_heading = "SQL")]
    pub workload: Option<PathBuf>,
    /// Drill a candidate whose SQL is refused, too
    #[arg(long, help_heading = "SQL")]
    pub keep_going: bool,
    /// Do nothing, and record for so long what happens meanwhile: a person acts
    #[arg(long, value_name = "DURATION", value_parser = positive, help_heading = "Faults", conflicts_with = "fault")]
    pub watch: Option<Duration>,
    /// The person's key: what the plan says may be done
    #[arg(long, help_heading = "Consent")]
    pub yes: bool,
    /// The namespace's key where its annotation cannot be read, spelt out; repeatable
    #[arg(long, value_name = "NAME", value_parser = names::namespace, help_heading = "Consent")]
    pub allow_namespace: Vec<String>,
    /// The only copy of the data may be destroyed
    #[arg(long, help_heading = "Consent")]
    pub accept_data_loss: bool,
    /// Add each round as it was recorded, a line of JSON, to this file: for a report of a bug
    #[arg(long, value_name = "PATH", hide = true)]
    pub record: Option<PathBuf>,
    /// Where, as whom, and what is written.
    #[command(flatten)]
    pub run: RunArgs,
}

/// What every command takes that runs Pods for a candidate.
#[derive(Debug, Args, Clone)]
pub struct RunArgs {
    /// Which cluster.
    #[command(flatten)]
    pub cluster: ClusterArgs,
    /// Which compose model.
    #[command(flatten)]
    pub compose: ComposeArgs,
    /// The Pods.
    #[command(flatten)]
    pub probe: ProbeArgs,
    /// What is written where.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// A fault to make.
fn fault(text: &str) -> Result<Fault, String> {
    match text.parse()? {
        Fault::Watch => Err("nothing is made while a person acts: --watch DURATION".to_owned()),
        fault => Ok(fault),
    }
}
