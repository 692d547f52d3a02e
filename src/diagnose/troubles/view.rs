//! One container of a Pod with all that is known of it. Pure.

use std::time::Duration;

use super::{Trouble, ago};
use crate::diagnose::Context;
use crate::diagnose::subject::WorkloadFacts;
use crate::diagnose::words::log_lines;
use crate::finding::Code;
use crate::observe::kinds::{Container, ContainerStatus, Event, Pod};

/// Lines of a crash log that are worth showing.
const LOG_LINES: usize = 4;

/// What the rules of one container see.
pub(super) struct View<'c, 'a> {
    pub(super) context: &'c Context<'a>,
    pub(super) subject: &'c WorkloadFacts<'a>,
    pub(super) pod: &'a Pod,
    pub(super) status: &'a ContainerStatus,
    pub(super) container: Option<&'a Container>,
    pub(super) events: Vec<&'a Event>,
    /// Whether it must end before the others start.
    pub(super) init: bool,
}

impl View<'_, '_> {
    /// A trouble of this container.
    pub(super) fn trouble(&self, code: Code, what: &str) -> Trouble {
        let kind = if self.init {
            "init container"
        } else {
            "container"
        };
        Trouble::new(
            code,
            self.pod,
            format!(
                "Pod {}, {kind} {}: {what}",
                self.pod.metadata.name, self.status.name
            ),
        )
    }

    /// How long it has been running.
    pub(super) fn running_for(&self) -> Option<Duration> {
        ago(self.context, self.status.state.running.as_ref()?.started_at)
    }

    /// The end of its last run's log.
    pub(super) fn log(&self) -> Vec<String> {
        log_lines(
            self.context.snapshot,
            self.pod,
            &self.status.name,
            LOG_LINES,
        )
        .collect()
    }
}
