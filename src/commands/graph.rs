//! `k8sverify graph`: prints the tier graph, from compose, manifests or a cluster. IO.

use super::cluster::{ask, connect, observing};
use super::input::{self, Input};
use super::text::NamedFiles;
use super::verify::outputs::style;
use super::{CommandError, output};
use crate::catalog::Catalog;
use crate::cli::{GraphArgs, GraphFormat};
use crate::compose;
use crate::graph::{TierGraph, render};
use crate::observe::{self, Snapshot};

/// Runs `graph`.
///
/// # Errors
/// [`CommandError::Usage`] for bad input, [`CommandError::Unverified`] if the cluster that was named cannot be read.
pub fn command(args: &GraphArgs) -> Result<(), CommandError> {
    if args.resolved {
        let input = input::read_strictly(&args.compose)?;
        let Some(file) = &input.compose else {
            return Err(CommandError::Usage("graph --resolved: no compose file was found from here upwards; name one with --compose".to_owned()));
        };
        let text = serde_json::to_string_pretty(&compose::resolved(file))
            .map_err(|error| CommandError::Output(format!("cannot print the model: {error}")))?;
        return output::print_json(&format!("{text}\n"));
    }
    let input = input::read(&args.compose)?;
    let snapshot = snapshot(args, &input)?;
    let graph = input.graph(&snapshot, &Catalog::embedded());
    input::no_errors(&graph)?;
    let text = text(&graph, args);
    match args.format {
        GraphFormat::Json => output::print_json(&text),
        GraphFormat::Text => output::print_painted(&text),
        GraphFormat::Dot | GraphFormat::Mermaid | GraphFormat::Svg => output::print_text(&text),
    }
}

fn text(graph: &TierGraph, args: &GraphArgs) -> String {
    let mut text = match args.format {
        GraphFormat::Text => render::text(graph, style(args.color)),
        GraphFormat::Json => render::json(graph),
        GraphFormat::Dot => render::dot(graph),
        GraphFormat::Mermaid => render::mermaid(graph),
        GraphFormat::Svg => render::svg(graph),
    };
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

/// Manifests if they were named, a cluster if one was named or there is no compose file; else nothing but compose.
fn snapshot(args: &GraphArgs, input: &Input) -> Result<Snapshot, CommandError> {
    let cluster = &args.cluster;
    if !args.manifests.is_empty() {
        let files = NamedFiles::new(&args.manifests);
        return observe::from_manifests(&files, &args.manifests, cluster.namespace.as_deref())
            .map(|read| read.snapshot)
            .map_err(|error| CommandError::Usage(error.to_string()));
    }
    let named =
        cluster.namespace.is_some() || cluster.context.is_some() || cluster.kubeconfig.is_some();
    if !named && input.compose.is_some() {
        return Ok(Snapshot {
            namespace: "default".to_owned(),
            offline: true,
            ..Snapshot::default()
        });
    }
    ask(async {
        let (api, namespace) = connect(cluster).await?;
        // A graph quotes nothing of logs.
        let options = observing(namespace, &input.config, true);
        Ok(Box::pin(observe::observe(&api, &options)).await?)
    })
}
