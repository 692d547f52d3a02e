//! The command line: clap derive types, converted once into plain options by the commands. IO: none but clap's own.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

mod codes;
mod drill;
mod examples;
mod fix;
mod names;
mod output;
mod probe;
mod value;

pub use drill::{DrillArgs, RunArgs};
pub use fix::FixArgs;
pub use output::{Color, FailOn, Format, OutputArgs};
pub use probe::ProbeArgs;

use examples::{
    CHECK_EXAMPLES, COMPARE_EXAMPLES, COMPLETIONS_EXAMPLES, DEMO_EXAMPLES, DRILL_EXAMPLES,
    EXAMPLES, EXPLAIN_EXAMPLES, FIX_EXAMPLES, GRAPH_EXAMPLES, MAN_EXAMPLES, RBAC_EXAMPLES,
    SQL_EXAMPLES,
};
use value::{duration, positive};

use crate::drill::limit::LimitOption;

/// The image that probe Jobs run where `--image` does not say otherwise; set at build time.
pub const DEFAULT_IMAGE: &str = match option_env!("K8SVERIFY_IMAGE") {
    Some(image) => image,
    None => concat!("ghcr.io/k8sverify/k8sverify:", env!("CARGO_PKG_VERSION")),
};

/// Proves after `kubectl apply` that every tier of an application reaches the tiers it needs, and names the one thing to fix
/// when it cannot.
#[derive(Debug, Parser)]
#[command(name = "k8sverify", version, about, after_help = EXAMPLES, args_conflicts_with_subcommands = true, max_term_width = 120)]
pub struct Cli {
    /// What to do; `verify` if none is named.
    #[command(subcommand)]
    pub command: Option<CliCommand>,
    /// The options of `verify`.
    #[command(flatten)]
    pub verify: VerifyArgs,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum CliCommand {
    /// Verify what is deployed (the default command)
    #[command(after_help = EXAMPLES)]
    Verify(Box<VerifyArgs>),
    /// Print the tier graph: who must reach whom, and how that is known
    #[command(after_help = GRAPH_EXAMPLES)]
    Graph(Box<GraphArgs>),
    /// Apply the rules to manifest files, without a cluster
    #[command(after_help = CHECK_EXAMPLES)]
    Check(Box<CheckArgs>),
    /// Run the application's SQL on a database, in scratch schemas: what is refused, and what is missing on its members
    #[command(after_help = SQL_EXAMPLES)]
    Sql(Box<SqlArgs>),
    /// Take members of a database away and measure what becomes of it: destructive, and needs two keys
    #[command(after_help = DRILL_EXAMPLES)]
    Drill(Box<DrillArgs>),
    /// Print the manifests that the findings of a JSON report propose
    #[command(after_help = FIX_EXAMPLES)]
    Fix(FixArgs),
    /// Make one table of several drill reports; no cluster is needed
    #[command(after_help = COMPARE_EXAMPLES)]
    Compare(CompareArgs),
    /// Print the Role that k8sverify needs
    #[command(after_help = RBAC_EXAMPLES)]
    Rbac(RbacArgs),
    /// Explain a finding code
    #[command(after_help = EXPLAIN_EXAMPLES)]
    Explain(ExplainArgs),
    /// Play a recorded run, before and after the fix; no cluster is needed
    #[command(after_help = DEMO_EXAMPLES)]
    Demo(DemoArgs),
    /// Print shell completions
    #[command(after_help = COMPLETIONS_EXAMPLES)]
    Completions(CompletionsArgs),
    /// Print the man page
    #[command(after_help = MAN_EXAMPLES)]
    Man(ManArgs),
    /// The agent that runs in the probe Pods; not for people
    #[command(hide = true)]
    Probe,
}

/// Where the compose model comes from.
#[derive(Debug, Args, Clone, Default)]
#[command(next_help_heading = "Compose")]
pub struct ComposeArgs {
    /// Compose file; repeat it to merge several. Without one: compose's own search order from this folder upwards
    #[arg(long = "compose", short = 'f', value_name = "FILE")]
    pub compose: Vec<PathBuf>,
    /// Derive the graph from the cluster alone, even if a compose file is here
    #[arg(long, conflicts_with = "compose")]
    pub infer: bool,
    /// Activate a compose profile
    #[arg(long, value_name = "NAME")]
    pub profile: Vec<String>,
    /// Read this file instead of `.env` for interpolation
    #[arg(long, value_name = "FILE")]
    pub env_file: Vec<PathBuf>,
    /// Compose project name
    #[arg(long, value_name = "NAME")]
    pub project_name: Option<String>,
    /// Configuration file: overrides for edges, tiers and findings; without it `k8sverify.yaml` of this folder, if present
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// Which cluster.
#[derive(Debug, Args, Clone, Default)]
#[command(next_help_heading = "Cluster")]
pub struct ClusterArgs {
    /// The namespace to verify; without it that of the kubeconfig's context, else `default`
    #[arg(long, short = 'n', value_name = "NAME", value_parser = names::namespace)]
    pub namespace: Option<String>,
    /// Kubeconfig file; without it `KUBECONFIG`, `~/.kube/config`, or the Pod's own service account
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig
    #[arg(long, value_name = "NAME")]
    pub context: Option<String>,
}

/// The options of `verify`.
#[derive(Debug, Args, Clone)]
pub struct VerifyArgs {
    /// Which cluster.
    #[command(flatten)]
    pub cluster: ClusterArgs,
    /// Which compose model.
    #[command(flatten)]
    pub compose: ComposeArgs,
    /// The probe Pods.
    #[command(flatten)]
    pub probe: ProbeArgs,
    /// How long to wait for rollouts to settle
    #[arg(long, value_name = "DURATION", default_value = "2m", value_parser = duration, help_heading = "Time")]
    pub wait: Duration,
    /// How long a probe Job may take
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = positive, help_heading = "Time")]
    pub timeout: Duration,
    /// How long the whole run may take; then it ends as by a signal [default: 5m, or what --wait and --timeout need]
    #[arg(long, value_name = "DURATION", value_parser = positive, help_heading = "Time")]
    pub deadline: Option<Duration>,
    /// What is written where.
    #[command(flatten)]
    pub output: OutputArgs,
    /// Report tiers that reach each other although they share no compose network
    #[arg(long)]
    pub check_isolation: bool,
    /// Whether the ways in from outside (node ports, balancers, Ingresses) are looked at
    #[arg(long, value_enum, value_name = "WHETHER", default_value_t = Switch::On)]
    pub entries: Switch,
    /// Read and quote no log of a container
    #[arg(long)]
    pub no_logs: bool,
}

/// On or off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Switch {
    /// It is done.
    #[default]
    On,
    /// It is left out.
    Off,
}

/// The options of `graph`.
#[derive(Debug, Args, Clone)]
pub struct GraphArgs {
    /// Which cluster.
    #[command(flatten)]
    pub cluster: ClusterArgs,
    /// Which compose model.
    #[command(flatten)]
    pub compose: ComposeArgs,
    /// Folder or file of manifests instead of a cluster; `-` reads standard input; repeat it for several
    #[arg(long, value_name = "PATH", num_args = 1.., conflicts_with_all = ["context", "kubeconfig"])]
    pub manifests: Vec<PathBuf>,
    /// How to print it
    #[arg(long, value_enum, default_value_t = GraphFormat::Text)]
    pub format: GraphFormat,
    /// Print the resolved compose model as JSON instead, as `docker compose config` would
    #[arg(long)]
    pub resolved: bool,
    /// Colours on the console
    #[arg(long, value_enum, default_value_t = Color::Auto)]
    pub color: Color,
}

/// How a graph is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum GraphFormat {
    /// A tree for a terminal
    Text,
    /// `k8sverify/graph/v1`
    Json,
    /// Graphviz
    Dot,
    /// Mermaid
    Mermaid,
    /// A picture
    Svg,
}

/// The options of `check`.
#[derive(Debug, Args, Clone)]
pub struct CheckArgs {
    /// Folder or file of manifests; `-` reads standard input; repeat it for several
    #[arg(long, value_name = "PATH", num_args = 1.., required = true)]
    pub manifests: Vec<PathBuf>,
    /// The namespace that objects without one are in
    #[arg(long, short = 'n', value_name = "NAME", value_parser = names::namespace)]
    pub namespace: Option<String>,
    /// Which compose model.
    #[command(flatten)]
    pub compose: ComposeArgs,
    /// What is written where.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// The options of `sql`.
#[derive(Debug, Args, Clone)]
pub struct SqlArgs {
    /// Files to run, in this order; .sql or .sql.gz. Without one: those that compose mounts at /docker-entrypoint-initdb.d
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// The application's own queries, each run outside and inside a transaction
    #[arg(long, value_name = "FILE")]
    pub workload: Option<PathBuf>,
    /// Run it on this candidate of k8sverify.yaml
    #[arg(long, value_name = "NAME", conflicts_with = "tier")]
    pub candidate: Option<String>,
    /// Run it on this tier, as the tier's client
    #[arg(long, value_name = "NAME")]
    pub tier: Option<String>,
    /// How long a statement may take
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = positive, help_heading = "Time")]
    pub statement_timeout: Duration,
    /// How long the run may take
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = positive, help_heading = "Time")]
    pub timeout: Duration,
    /// Where, as whom, and what is written.
    #[command(flatten)]
    pub run: RunArgs,
}

/// The options of `compare`.
#[derive(Debug, Args, Clone)]
pub struct CompareArgs {
    /// JSON reports of drills, in the order of the table's columns; `-` reads standard input
    #[arg(value_name = "REPORT", required = true)]
    pub reports: Vec<PathBuf>,
    /// What is too much: NAME=VALUE such as `write_down=10s`, `lost=0` or `lost=any`; repeatable. Without one: the limits of each report
    #[arg(long, value_name = "NAME=VALUE")]
    pub limit: Vec<LimitOption>,
    /// What is written where.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// The options of `rbac`.
#[derive(Debug, Args, Clone)]
pub struct RbacArgs {
    /// The namespace that is verified
    #[arg(long, short = 'n', value_name = "NAME", default_value = "default", value_parser = names::namespace)]
    pub namespace: String,
    /// The service account that runs k8sverify; `NAMESPACE:NAME` if it lives in another namespace
    #[arg(long, value_name = "NAME", default_value = "k8sverify", value_parser = names::account)]
    pub service_account: String,
    /// A user of the cluster instead of a service account
    #[arg(long, value_name = "NAME", conflicts_with = "service_account")]
    pub user: Option<String>,
    /// Also what lies outside the namespace: nodes, namespaces, and Pods, Services and policies of every namespace
    #[arg(long, conflicts_with = "minimal")]
    pub cluster: bool,
    /// Only what a run cannot do without
    #[arg(long)]
    pub minimal: bool,
    /// Also what `sql` needs: the Secret that brings the SQL to its Pod
    #[arg(long)]
    pub sql: bool,
    /// What `drill` needs as well: it takes Pods away
    #[arg(long)]
    pub drill: bool,
    /// Also the right to list Secrets, so that values older than their Secret are found; only metadata is asked for
    #[arg(long)]
    pub secret_metadata: bool,
}

/// The options of `explain`.
#[derive(Debug, Args, Clone)]
pub struct ExplainArgs {
    /// A finding code such as `service-missing`
    #[arg(value_name = "CODE", required_unless_present = "list", value_parser = codes::AnyText, hide_possible_values = true)]
    pub code: Option<String>,
    /// List every code
    #[arg(long)]
    pub list: bool,
    /// Colours on the console
    #[arg(long, value_enum, default_value_t = Color::Auto)]
    pub color: Color,
}

/// The options of `demo`.
#[derive(Debug, Args, Clone)]
pub struct DemoArgs {
    /// Also write both reports as pages into this folder
    #[arg(long, value_name = "FOLDER")]
    pub html: Option<PathBuf>,
    /// Colours on the console
    #[arg(long, value_enum, default_value_t = Color::Auto)]
    pub color: Color,
}

/// The options of `completions`.
#[derive(Debug, Args, Clone)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}

/// The options of `man`.
#[derive(Debug, Args, Clone)]
pub struct ManArgs {
    /// The page of this command instead of the tool's
    #[arg(value_name = "COMMAND")]
    pub command: Option<String>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent_and_verify_is_the_default() {
        Cli::command().debug_assert();
        let cli = Cli::try_parse_from(["k8sverify", "--namespace", "default"]).unwrap();
        assert!(cli.command.is_none());
        assert_eq!(cli.verify.cluster.namespace.as_deref(), Some("default"));
        assert_eq!(cli.verify.wait, Duration::from_mins(2));
        assert_eq!(cli.verify.probe.image, DEFAULT_IMAGE);
    }

    #[test]
    fn bad_probe_options_are_refused_before_any_call() {
        for bad in [
            ["--probe-label", "a b=c d"],
            ["--probe-label", "a=c d"],
            ["--probe-annotation", "/x=1"],
            ["--probe-node-selector", "a=-"],
            ["--probe-toleration", "=x:NoGo"],
            ["--probe-toleration", "a=x:NoGo"],
            ["--probe-resources", "cpu=lots"],
            ["--probe-resources", "cpu=1Kb"],
            ["--image", "not an image!"],
            ["--timeout", "0s"],
            ["--deadline", "0s"],
        ] {
            let error = Cli::try_parse_from(["k8sverify", bad[0], bad[1]]).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{bad:?}");
        }
        let cli = Cli::try_parse_from([
            "k8sverify",
            "--probe-label=example.com/team=a.b_c",
            "--probe-annotation=a=c d",
            "--probe-toleration=dedicated=shop:NoSchedule",
            "--probe-resources=cpu=0.5,memory=64Mi",
            "--image=registry.example:5000/a/b:1@sha256:0f",
        ])
        .unwrap();
        assert_eq!(cli.verify.probe.probe_resources.len(), 2);
    }

    /// What a message asks the user to pass must exist.
    #[test]
    fn messages_name_existing_options_only() {
        let mut known = std::collections::BTreeSet::new();
        let mut commands = vec![Cli::command()];
        while let Some(mut command) = commands.pop() {
            command.build();
            known.extend(
                command
                    .get_arguments()
                    .filter_map(|one| one.get_long().map(str::to_owned)),
            );
            commands.extend(command.get_subcommands().cloned());
        }
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut files = vec![root.join("checks/findings.yaml")];
        let mut folders = ["src/jobs", "src/observe", "src/commands", "src/verdict"]
            .map(|folder| root.join(folder))
            .to_vec();
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    files.push(path);
                }
            }
        }
        let option = regex::Regex::new("(?:^|[^-a-z])--([a-z][a-z-]+)").unwrap();
        let others = [
            "kubectl",
            "--serviceaccount=",
            "--user=",
            "kompose",
            "docker",
            "redis-",
            "mysql",
            "create role",
        ];
        let mut seen = 0;
        for path in files {
            let text = std::fs::read_to_string(&path).unwrap();
            let text = text.split("#[cfg(test)]").next().unwrap();
            for line in text
                .lines()
                .filter(|line| !others.iter().any(|other| line.contains(other)))
            {
                for found in option.captures_iter(line) {
                    seen += 1;
                    assert!(known.contains(&found[1]), "{}: {line}", path.display());
                }
            }
        }
        assert!(seen > 10);
    }

    #[test]
    fn durations_are_read_and_refused() {
        assert_eq!(duration("1m30s"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("0"), Ok(Duration::ZERO));
        assert!(duration("5").is_err());
        assert!(duration("-5s").is_err());
        assert!(duration("soon").is_err());
    }
}
