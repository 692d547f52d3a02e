//! The cluster that a command is to look at: the runtime in which it is asked, the connection, and what is read. IO.

use super::CommandError;
use crate::cli::ClusterArgs;
use crate::config::Config;
use crate::observe::{self, Api, ConnectOptions, ObserveError, ObserveOptions};

/// Runs to its end what asks a cluster.
pub(super) fn ask<T>(
    work: impl Future<Output = Result<T, CommandError>>,
) -> Result<T, CommandError> {
    let runtime = tokio::runtime::Runtime::new()
        .map_err(|error| CommandError::Unverified(format!("cannot start the runtime: {error}")))?;
    let ended = runtime.block_on(work);
    // A credential plugin that hangs is not waited for.
    runtime.shutdown_background();
    ended
}

/// The API, and the namespace of the run.
pub(super) async fn connect(args: &ClusterArgs) -> Result<(Api, String), ObserveError> {
    let ClusterArgs {
        namespace,
        kubeconfig,
        context,
    } = args.clone();
    let options = ConnectOptions {
        kubeconfig,
        context,
    };
    let api = observe::connect(&options).await?;
    let namespace = namespace.unwrap_or_else(|| api.default_namespace().to_owned());
    Ok((api, namespace))
}

/// What is read for a run on a namespace.
pub(super) fn observing(namespace: String, config: &Config, no_logs: bool) -> ObserveOptions {
    ObserveOptions {
        namespace,
        also: config.namespaces.iter().cloned().collect(),
        no_logs,
    }
}

impl From<ObserveError> for CommandError {
    fn from(error: ObserveError) -> Self {
        match error.code() {
            Some(code) => Self::Unverified(format!("{code}: {error}")),
            None => Self::Usage(error.to_string()),
        }
    }
}
