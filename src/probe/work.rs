//! Every edge of a spec in a task of its own, so that what a peer does to one never costs another; and the journal of what they found, in
//! which nothing that the spec asks for is missing at the end. IO: the output.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::sync::Arc;

use tokio::task::{Id, JoinSet};

use crate::probe::ladder::{Agent, cut, failed, owed};
use crate::probe::record::Recorder;
use crate::probe::target::DialTarget;
use crate::probe::wire::{ProbeSpec, Record, Step, StepError, StepName};

/// What there is to do, and with what.
pub(crate) struct Work {
    /// What all tasks share.
    pub(crate) agent: Agent,
    /// What is asked.
    pub(crate) spec: ProbeSpec,
    /// Where every edge leads, in the order of the spec.
    pub(crate) targets: Vec<DialTarget>,
}

/// The outcomes that a task still owes.
pub(crate) struct DueOutcomes {
    /// What they are about, endpoints aside.
    target: String,
    steps: BTreeSet<(StepName, Option<String>)>,
}

/// How a task ended.
pub(crate) enum Ended {
    /// All was sent; with the id of an edge.
    Done(Option<String>),
    /// It panicked.
    Panicked(String),
}

/// The tasks that are under way; all end when this is dropped.
pub(crate) struct Tasks {
    running: JoinSet<Option<String>>,
    names: HashMap<Id, String>,
}

impl Work {
    /// Starts everything.
    pub(crate) fn start(self: &Arc<Self>) -> Tasks {
        let mut tasks = Tasks {
            running: JoinSet::new(),
            names: HashMap::new(),
        };
        for (index, task) in self.spec.names.iter().enumerate() {
            let work = Arc::clone(self);
            let handle = tasks.running.spawn(async move {
                work.agent.name(&work.spec.names[index]).await;
                None
            });
            tasks.names.insert(handle.id(), task.id.clone());
        }
        for (index, task) in self.spec.edges.iter().enumerate() {
            let work = Arc::clone(self);
            let handle = tasks.running.spawn(async move {
                let task = &work.spec.edges[index];
                work.agent.edge(task, &work.targets[index]).await;
                Some(task.id.clone())
            });
            tasks.names.insert(handle.id(), task.id.clone());
        }
        tasks
    }

    /// Every outcome that the spec asks for at least, by task.
    pub(crate) fn owed(&self) -> BTreeMap<String, DueOutcomes> {
        let names = self.spec.names.iter().map(|task| {
            let owed = DueOutcomes {
                target: task.name.clone(),
                steps: BTreeSet::from([(StepName::Dns, None)]),
            };
            (task.id.clone(), owed)
        });
        let edges = self.spec.edges.iter().zip(&self.targets);
        let edges = edges.map(|(task, target)| {
            let owed = DueOutcomes {
                target: target.shown(),
                steps: owed(task),
            };
            (task.id.clone(), owed)
        });
        names.chain(edges).collect()
    }
}

impl Tasks {
    /// The next one that ends; `None` when all have.
    pub(crate) async fn next(&mut self) -> Option<Ended> {
        match self.running.join_next_with_id().await? {
            Ok((_, edge)) => Some(Ended::Done(edge)),
            Err(error) => Some(Ended::Panicked(
                self.names.get(&error.id()).cloned().unwrap_or_default(),
            )),
        }
    }
}

/// What was written, and what is still owed.
pub(crate) struct Journal<'a> {
    recorder: Recorder<'a>,
    owed: BTreeMap<String, DueOutcomes>,
    cut_short: bool,
}

impl<'a> Journal<'a> {
    /// Nothing is written yet.
    pub(crate) const fn new(recorder: Recorder<'a>, owed: BTreeMap<String, DueOutcomes>) -> Self {
        Self {
            recorder,
            owed,
            cut_short: false,
        }
    }

    /// Writes a record of a task.
    pub(crate) fn take(&mut self, record: Record) -> io::Result<()> {
        let Record::Step(step) = record else {
            return self.recorder.mark(&record);
        };
        if let Some(owed) = self.owed.get_mut(&step.task) {
            let endpoint = &step.endpoint;
            owed.steps
                .retain(|(name, of)| *name != step.name || of != endpoint);
            if owed.steps.is_empty() {
                self.owed.remove(&step.task);
            }
        }
        self.cut_short |= step.error == Some(StepError::Deadline);
        self.recorder.step(step)
    }

    /// A task has sent all that it has to say.
    pub(crate) fn done(&mut self, edge: Option<&str>) -> io::Result<()> {
        match edge {
            Some(task) => self.recorder.mark(&Record::Finished {
                task: task.to_owned(),
            }),
            None => Ok(()),
        }
    }

    /// A task panicked outside of what is caught: what it owes cannot be determined.
    pub(crate) fn fail(&mut self, task: &str) -> io::Result<()> {
        match self.owed.remove(task) {
            Some(owed) => self.settle(task, owed, failed),
            None => Ok(()),
        }
    }

    /// Writes what was not reached, and the end record.
    pub(crate) fn end(mut self) -> io::Result<()> {
        while let Some((task, owed)) = self.owed.pop_first() {
            self.settle(&task, owed, cut)?;
        }
        self.recorder.end(self.cut_short)
    }

    fn settle(
        &mut self,
        task: &str,
        owed: DueOutcomes,
        step: fn(&str, StepName, Option<String>, &str) -> Step,
    ) -> io::Result<()> {
        for (name, endpoint) in owed.steps {
            self.take(Record::Step(step(task, name, endpoint, &owed.target)))?;
        }
        Ok(())
    }
}
