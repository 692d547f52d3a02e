//! The report of a run that could not look at the cluster: every edge unknown, and why. Pure but for the clock of the run.

use super::Run;
use crate::diagnose::Context;
use crate::finding::{Finding, Fix, Severity};
use crate::observe::{ObserveError, Snapshot};
use crate::report::Report;
use crate::report::words::INTERRUPTED;
use crate::verdict;

impl Run<'_> {
    /// What the API did not let us see is one finding of section 7.
    pub(super) fn blocked(&self, error: &ObserveError) -> Report {
        self.progress.done();
        let finding = error.code().map(|code| {
            let mut finding =
                Finding::new(code, Severity::Error, error.object(), error.to_string());
            finding.evidence = error.evidence();
            finding.fix = error
                .command()
                .map(|command| Fix::text(self.catalog.finding(code).fix.clone()).run(command));
            finding
        });
        self.unseen(finding.into_iter().collect())
    }

    /// A signal came before anything was created.
    pub(super) fn interrupted(&mut self, signal: &str) -> Report {
        self.progress.done();
        self.notes
            .push(format!("{INTERRUPTED}{signal} before anything was probed"));
        self.unseen(Vec::new())
    }

    fn unseen(&self, findings: Vec<Finding>) -> Report {
        let snapshot = Snapshot {
            namespace: self
                .args
                .cluster
                .namespace
                .clone()
                .unwrap_or_else(|| "default".to_owned()),
            ..Snapshot::default()
        };
        let graph = self.graph(&snapshot);
        let context = Context::new(&graph, &snapshot, None);
        let options = self.verdict_options();
        let verdict = verdict::judge(&context, findings, &options);
        let mut report = verdict::report(&context, &verdict, &options, self.meta());
        // Nothing was seen, whatever the rules make of an empty cluster.
        report.verdict = crate::report::VerdictValue::Unknown;
        report.exit_code = report.verdict.exit_code();
        report
    }
}
