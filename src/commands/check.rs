//! `k8sverify check`: the rules on manifest files, without a cluster. IO.

use super::start::Start;
use super::text::NamedFiles;
use super::verify::outputs::Outputs;
use super::{CommandError, input};
use crate::catalog::Catalog;
use crate::cli::CheckArgs;
use crate::diagnose::{Context, diagnose, offline};
use crate::observe;
use crate::report::Report;
use crate::verdict;

/// Runs `check`.
///
/// # Errors
/// [`CommandError::Usage`] for bad input, [`CommandError::Output`] for a report that cannot be written.
pub fn command(args: &CheckArgs) -> Result<u8, CommandError> {
    let outputs = Outputs::open(&args.output, args.namespace.as_deref().unwrap_or_default())?;
    let report = report(args).inspect_err(|failure| outputs.failed(&failure.to_string()))?;
    outputs.write(&report)?;
    Ok(report.exit_code)
}

fn report(args: &CheckArgs) -> Result<Report, CommandError> {
    let start = Start::now();
    let input = input::read(&args.compose)?;
    let read = observe::from_manifests(
        &NamedFiles::new(&args.manifests),
        &args.manifests,
        args.namespace.as_deref(),
    )
    .map_err(|error| CommandError::Usage(error.to_string()))?;
    let snapshot = &read.snapshot;
    let graph = input.graph(snapshot, &Catalog::embedded());
    input::no_errors(&graph)?;
    let context = Context::new(&graph, snapshot, None).with_compose(input.compose.as_ref());
    let options = input.verdict_options(&args.output);
    let assumed = read.assumed.then_some(snapshot.namespace.as_str());
    let mut findings = diagnose(&context);
    for finding in &mut findings {
        offline::for_files(finding, &read.objects, assumed);
    }
    let verdict = verdict::judge(&context, findings, &options);
    let meta = start.meta(input.names, read.notes);
    Ok(verdict::report(&context, &verdict, &options, meta))
}
