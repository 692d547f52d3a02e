//! Follows a plan: Lease, journal, runners, rounds, and at the end everything as it was. IO.
//!
//! Nothing is done that the journal does not name before, and `undo` takes back what it names.

mod books;
mod faults;
mod live;
mod round;
mod runners;
mod stage;
mod undo;

use std::path::PathBuf;
use std::time::Duration;

use super::model::{Candidate, Round};
use super::plan::runners::{Runners, runners};
use super::plan::{DrillRequest, Subject, candidate};
use crate::graph::TierGraph;
use crate::observe::{Api, CallError, Cancel, ObserveError, ObserveOptions, Snapshot, observe};
use crate::plan::{JobOptions, PlanOptions};
use books::RunRecords;
pub use books::{HELD, LEASE};
pub use undo::undo;

/// Why a drill did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum ConductError {
    /// Another drill, or what one has left.
    #[error("{0}")]
    Busy(String),
    /// The API refused or did not answer.
    #[error("failed to {what}: {error}")]
    Call {
        /// What was tried.
        what: String,
        /// What came back.
        error: CallError,
    },
    /// The cluster cannot be read any more.
    #[error(transparent)]
    Observe(#[from] ObserveError),
    /// The runners cannot work.
    #[error("{0}")]
    Runners(String),
}

impl ConductError {
    fn call(what: impl Into<String>) -> impl FnOnce(CallError) -> Self {
        let what = what.into();
        move |error| Self::Call { what, error }
    }
}

/// What a drill is conducted with.
pub struct Conductor<'a> {
    /// The way to the API.
    pub api: &'a Api,
    /// The tier graph.
    pub graph: &'a TierGraph,
    /// What the person asks for.
    pub wish: &'a DrillRequest,
    /// How the cluster is observed.
    pub observe: &'a ObserveOptions,
    /// Options of the runners' place.
    pub options: &'a PlanOptions,
    /// Options of their Jobs.
    pub jobs: &'a JobOptions,
    /// How long a person has where nothing is done.
    pub watch: Option<Duration>,
    /// The folder that a hook is run in.
    pub folder: PathBuf,
    /// Ends the run early.
    pub cancel: Cancel,
    /// Says what is being done.
    pub on_progress: &'a (dyn Fn(&str) + Sync),
    /// Takes each round once it is over.
    pub keep: &'a (dyn Fn(Round) + Sync),
}

/// What came of a candidate.
#[derive(Debug, Default)]
pub struct Conducted {
    /// Why it ended before all of them.
    pub stopped: Option<String>,
    /// What could not be put back or removed, with how to do it by hand.
    pub left: Vec<String>,
}

impl Conductor<'_> {
    /// Drills one candidate: takes the Lease, writes the journal, starts the runners, goes through the rounds, and puts everything back.
    ///
    /// # Errors
    /// Nothing was done: the Lease is held, or an interrupted run has left a journal.
    pub async fn drill(
        &self,
        subject: &Subject,
        planned: &Candidate,
        snapshot: &Snapshot,
    ) -> Result<Conducted, ConductError> {
        let plan = runners(
            planned,
            subject,
            self.graph,
            snapshot,
            self.options,
            self.jobs,
        )
        .map_err(ConductError::Runners)?;
        (self.on_progress)("taking the Lease and writing the journal");
        let books = RunRecords::open(self.api, snapshot, &self.options.run, planned, &plan).await?;
        let mut conducted = Conducted::default();
        let worked = tokio::select! {
            worked = Box::pin(self.rounds(&books, subject, planned, snapshot, &plan)) => worked,
            why = books.keep() => Err(ConductError::Busy(why)),
        };
        if let Err(error) = worked {
            conducted.stopped = Some(error.to_string());
        }
        (self.on_progress)("putting everything back");
        conducted.left = undo::put_back(self.api, books, &plan.lanes, &self.folder).await;
        Ok(conducted)
    }

    async fn rounds(
        &self,
        books: &RunRecords<'_>,
        subject: &Subject,
        planned: &Candidate,
        snapshot: &Snapshot,
        plan: &Runners,
    ) -> Result<(), ConductError> {
        let stage = stage::Stage::new(self.api, subject, planned, snapshot, plan);
        let follow = stage.follow();
        let work = async {
            (self.on_progress)("starting the runners");
            stage.start(plan, self.cancel.clone()).await?;
            let mut snapshot = snapshot.clone();
            for planned_fault in &planned.faults {
                for number in 1..=self.wish.rounds {
                    let now = candidate(subject, self.wish, &snapshot);
                    let round = round::Round {
                        conductor: self,
                        books,
                        stage: &stage,
                        subject,
                        now: &now,
                        snapshot: &snapshot,
                        fault: planned_fault.fault,
                        number,
                    };
                    let done = round.run().await?;
                    let ends = round::ends_all(&done);
                    (self.keep)(done);
                    if ends || *self.cancel.borrow() {
                        return Ok(());
                    }
                    if planned_fault.fault.is_quiet() {
                        break;
                    }
                    snapshot = Box::pin(observe(self.api, self.observe)).await?;
                }
            }
            Ok(())
        };
        tokio::select! {
            worked = Box::pin(work) => worked,
            why = follow => Err(ConductError::Runners(why)),
        }
    }
}
