//! The command line: clap derive types, converted once into plain options by the commands. IO: none but clap's own.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

mod codes;
mod drill;
mod fix;
mod names;

pub use fix::FixArgs;

use crate::drill::limit::LimitOption;
use crate::finding::Severity;
pub use drill::{DrillArgs, RunArgs};

/// The image that probe Jobs run where `--image` does not say otherwise; set at build time.
pub const DEFAULT_IMAGE: &str = match option_env!("K8SVERIFY_IMAGE") {
    Some(image) => image,
    None => concat!("ghcr.io/k8sverify/k8sverify:", env!("CARGO_PKG_VERSION")),
};

const EXAMPLES: &str = "\
Examples:
  k8sverify --namespace default                        verify what is deployed, with the compose file of this folder
  k8sverify -n shop -f compose.yaml -f compose.prod.yaml --junit junit.xml --html report.html
  k8sverify -n shop --infer                            no compose file: the graph comes from the cluster alone
  k8sverify graph --format mermaid                     what would be verified
  k8sverify check --manifests k8s/                     the same rules on manifest files, without a cluster
  k8sverify explain service-missing                    what a finding means and how to fix it

Exit codes: 0 verified · 1 unhealthy · 2 bad usage or input · 3 could not verify";

const GRAPH_EXAMPLES: &str = "\
Examples:
  k8sverify graph                                      the graph of this folder's compose file and of the cluster
  k8sverify graph --manifests k8s/ --format svg > graph.svg
  k8sverify graph --resolved                           the compose model after merging, as docker compose config";

const CHECK_EXAMPLES: &str = "\
Examples:
  k8sverify check --manifests k8s/                     with the compose file of this folder
  helm template shop | k8sverify check --manifests -
  kompose convert --stdout > all.yaml; k8sverify check --manifests all.yaml --junit junit.xml

Exit codes: 0 no fault found · 1 unhealthy · 2 bad usage or input · 3 could not verify";

const SQL_EXAMPLES: &str = "\
Examples:
  k8sverify sql -n shop                                the files that compose mounts at /docker-entrypoint-initdb.d
  k8sverify sql -n shop init.sql --workload queries.sql --candidate galera
  k8sverify sql -n shop init.sql --tier DB --junit junit.xml

A workload file holds the application's own queries; a comment above each may say more:
  -- k8sverify: name=reserve required rows=1 transaction=in
  SELECT stock FROM items WHERE id = 1 FOR UPDATE;

Exit codes: 0 all accepted, or cosmetic · 1 refused, or not the same on every member · 2 bad usage or input · 3 could not be run";

const DRILL_EXAMPLES: &str = "\
Examples:
  k8sverify drill --tier DB --plan                     what would be done, to whom, which keys fit; changes nothing
  kubectl annotate namespace shop k8sverify.io/drill=allowed
  k8sverify drill -n shop --tier DB --yes              takes a member away, three times, and measures
  k8sverify drill -n shop galera --fault delete,restart-all --accept-data-loss --yes

Exit codes: 0 all limits met · 1 a limit broken · 2 bad usage, or a key is missing · 3 could not be measured";

const FIX_EXAMPLES: &str = "\
Examples:
  k8sverify --json report.json; k8sverify fix report.json
  k8sverify fix report.json -- kubectl apply --filename=-
  k8sverify fix report.json > fix.yaml; test ! -s fix.yaml || kubectl apply --filename=fix.yaml";

const COMPARE_EXAMPLES: &str = "\
Examples:
  k8sverify compare galera.json mysql.json rds.json
  k8sverify compare --limit write_down=10s --html table.html *.json

Exit codes: 0 all limits met · 1 a limit proven broken · 2 bad usage or input · 3 could not be measured";

const RBAC_EXAMPLES: &str = "\
Examples:
  k8sverify rbac -n shop | kubectl apply --filename=-
  k8sverify rbac -n shop --service-account ci:bot | kubectl apply --filename=-
  k8sverify rbac -n shop --cluster                     also nodes, cluster DNS and other namespaces
  k8sverify rbac -n shop --service-account drill --drill";

const EXPLAIN_EXAMPLES: &str = "\
Examples:
  k8sverify explain service-missing
  k8sverify explain --list";

const DEMO_EXAMPLES: &str = "\
Examples:
  k8sverify demo
  k8sverify demo --html /tmp";

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  k8sverify completions bash > /etc/bash_completion.d/k8sverify
  source <(k8sverify completions zsh)
  k8sverify completions fish > ~/.config/fish/completions/k8sverify.fish";

const MAN_EXAMPLES: &str = "\
Examples:
  k8sverify man > k8sverify.1; man ./k8sverify.1
  k8sverify man check > k8sverify-check.1";

/// Proves after `kubectl apply` that every tier of an application reaches the tiers it needs, and names the one thing to fix
/// when it cannot.
#[derive(Debug, Parser)]
#[command(name = "k8sverify", version, about, after_help = EXAMPLES, args_conflicts_with_subcommands = true, max_term_width = 120)]
pub struct Cli {
    /// What to do; `verify` if none is named.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The options of `verify`.
    #[command(flatten)]
    pub verify: VerifyArgs,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
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
    /// Your own word on edges, tiers and findings; without it `k8sverify.yaml` of this folder, if there
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

impl Default for VerifyArgs {
    fn default() -> Self {
        Self {
            cluster: ClusterArgs::default(),
            compose: ComposeArgs::default(),
            probe: ProbeArgs::default(),
            wait: Duration::from_mins(2),
            timeout: Duration::from_mins(1),
            deadline: None,
            output: OutputArgs::default(),
            check_isolation: false,
            entries: Switch::On,
            no_logs: false,
        }
    }
}

/// The probe Pods.
#[derive(Debug, Args, Clone, Default)]
#[command(next_help_heading = "Probe Pods")]
pub struct ProbeArgs {
    /// Image of the probe Pods
    #[arg(long, value_name = "IMAGE", env = "K8SVERIFY_PROBE_IMAGE", default_value = DEFAULT_IMAGE, value_parser = image)]
    pub image: String,
    /// Pull secret of the probe image; repeatable
    #[arg(long, value_name = "NAME")]
    pub image_pull_secret: Vec<String>,
    /// Pull policy of the probe image
    #[arg(long, value_name = "POLICY", value_parser = ["Always", "IfNotPresent", "Never"])]
    pub image_pull_policy: Option<String>,
    /// Additional node selector of the probe Pods, KEY=VALUE; repeatable
    #[arg(long, value_name = "KEY=VALUE", value_parser = label)]
    pub probe_node_selector: Vec<(String, String)>,
    /// Additional toleration of the probe Pods, KEY[=VALUE][:EFFECT]; repeatable
    #[arg(long, value_name = "KEY[=VALUE][:EFFECT]", value_parser = toleration)]
    pub probe_toleration: Vec<String>,
    /// Additional label of the probe Pods, KEY=VALUE; repeatable
    #[arg(long, value_name = "KEY=VALUE", value_parser = label)]
    pub probe_label: Vec<(String, String)>,
    /// Additional annotation of the probe Pods, KEY=VALUE; repeatable
    #[arg(long, value_name = "KEY=VALUE", value_parser = annotation)]
    pub probe_annotation: Vec<(String, String)>,
    /// Priority class of the probe Pods
    #[arg(long, value_name = "NAME")]
    pub probe_priority_class: Option<String>,
    /// Service account of the probe Pods
    #[arg(long, value_name = "NAME")]
    pub probe_service_account: Option<String>,
    /// Log in to this host with the client's credentials, wherever its name comes from; repeatable
    #[arg(long, value_name = "HOST")]
    pub allow_login: Vec<String>,
    /// Log in nowhere: every edge stops at the greeting
    #[arg(long, conflicts_with = "allow_login")]
    pub no_login: bool,
    /// Requests and limits of the probe containers, such as cpu=50m,memory=64Mi
    #[arg(long, value_name = "RESOURCE=QUANTITY,…", value_delimiter = ',', value_parser = quantity)]
    pub probe_resources: Vec<(String, String)>,
    /// Runtime class of the probe Pods
    #[arg(long, value_name = "NAME")]
    pub probe_runtime_class: Option<String>,
    /// YAML or JSON file that is merged into the probe Pods' template (metadata, spec); a container named "*" stands for each
    #[arg(long, value_name = "FILE")]
    pub probe_patch: Option<PathBuf>,
    /// On how many nodes a tier with several Pods is looked from
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=100))]
    pub max_nodes: u8,
    /// An edge whose server's certificate is not proven to be one that the client trusts is unknown, instead of passing at depth tls
    #[arg(long)]
    pub require_trust: bool,
    /// How many edges a probe container walks at a time: 64 if not set, and never more than 8 to one target
    #[arg(long, value_name = "N")]
    pub edges_at_once: Option<NonZeroUsize>,
}

/// What is written where.
#[derive(Debug, Args, Clone)]
#[command(next_help_heading = "Output")]
pub struct OutputArgs {
    /// What standard output carries
    #[arg(long, value_enum, default_value_t = Format::Console)]
    pub format: Format,
    /// Write the JSON report to this file
    #[arg(long, value_name = "PATH")]
    pub json: Option<PathBuf>,
    /// Write the JUnit report to this file
    #[arg(long, value_name = "PATH")]
    pub junit: Option<PathBuf>,
    /// Write the HTML report to this file
    #[arg(long, value_name = "PATH")]
    pub html: Option<PathBuf>,
    /// Write the Markdown report to this file
    #[arg(long, value_name = "PATH")]
    pub markdown: Option<PathBuf>,
    /// The severity from which a finding fails the run; without it that of the user's file, else error
    #[arg(long, value_enum)]
    pub fail_on: Option<FailOn>,
    /// Colours on the console
    #[arg(long, value_enum, default_value_t = Color::Auto)]
    pub color: Color,
    /// Show every step; twice: log what is done to standard error
    #[arg(long, short, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// The verdict alone
    #[arg(long, short, conflicts_with = "verbose")]
    pub quiet: bool,
}

impl Default for OutputArgs {
    fn default() -> Self {
        Self {
            format: Format::Console,
            json: None,
            junit: None,
            html: None,
            markdown: None,
            fail_on: None,
            color: Color::Auto,
            verbose: 0,
            quiet: false,
        }
    }
}

/// What standard output carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A report for people
    Console,
    /// The canonical report
    Json,
    /// For Jenkins and GitLab
    Junit,
    /// GitHub annotations
    Github,
    /// For job summaries and merge requests
    Markdown,
    /// One self-contained page
    Html,
}

/// The severity from which a finding fails the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FailOn {
    /// Errors
    Error,
    /// Errors and warnings
    Warning,
    /// Everything
    Info,
}

impl From<FailOn> for Severity {
    fn from(value: FailOn) -> Self {
        match value {
            FailOn::Error => Self::Error,
            FailOn::Warning => Self::Warning,
            FailOn::Info => Self::Info,
        }
    }
}

/// When the console is coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless `NO_COLOR` is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
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
    #[arg(long, value_name = "PATH", num_args = 1.., conflicts_with_all = ["namespace", "context", "kubeconfig"])]
    pub manifests: Vec<PathBuf>,
    /// How to print it
    #[arg(long, value_enum, default_value_t = GraphFormat::Text)]
    pub format: GraphFormat,
    /// Print the resolved compose model as JSON instead, as `docker compose config` would
    #[arg(long)]
    pub resolved: bool,
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
    #[arg(value_name = "CODE", required_unless_present = "list", value_parser = codes::Pasted, hide_possible_values = true)]
    pub code: Option<String>,
    /// List every code
    #[arg(long)]
    pub list: bool,
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

/// Reads `90s`, `2m`, `1m30s`; 0 needs no unit.
fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is no duration; write it as 90s, 2m or 1m30s, from 1s to 24h");
    let value = match text.parse::<u64>() {
        Ok(0) => Duration::ZERO,
        Ok(_) => return Err(wrong()),
        Err(_) => Duration::try_from(text.parse::<jiff::SignedDuration>().map_err(|_| wrong())?)
            .map_err(|_| wrong())?,
    };
    if (Duration::from_secs(1)..=Duration::from_hours(24)).contains(&value) || value.is_zero() {
        Ok(value)
    } else {
        Err(wrong())
    }
}

/// The same, but not zero.
fn positive(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => Err("it must be at least 1s".to_owned()),
        value => Ok(value),
    }
}

/// Reads `KEY=VALUE`.
fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(format!("`{text}` is not KEY=VALUE")),
    }
}

/// Whether it is a key of labels, annotations and taints: `[PREFIX/]NAME`.
fn is_key(key: &str) -> bool {
    let (prefix, name) = key
        .split_once('/')
        .map_or((None, key), |(prefix, name)| (Some(prefix), name));
    let is_prefix = |prefix: &str| {
        prefix.len() <= 253
            && prefix.split('.').all(|part| {
                is_word(part, 63) && !part.contains(|it: char| it == '_' || it.is_uppercase())
            })
    };
    is_word(name, 63) && prefix.is_none_or(is_prefix)
}

/// Letters, digits, `-`, `_` and `.`, with a letter or digit at both ends.
fn is_word(text: &str, most: usize) -> bool {
    let end = |it: Option<char>| it.is_some_and(|it| it.is_ascii_alphanumeric());
    text.len() <= most
        && end(text.chars().next())
        && end(text.chars().last())
        && text
            .chars()
            .all(|it| it.is_ascii_alphanumeric() || "-_.".contains(it))
}

/// Reads a label.
fn label(text: &str) -> Result<(String, String), String> {
    let (key, value) = annotation(text)?;
    if value.is_empty() || is_word(&value, 63) {
        Ok((key, value))
    } else {
        Err(format!(
            "`{value}` is no value of a label: at most 63 letters, digits, - _ . with a letter or digit at both ends"
        ))
    }
}

/// Reads an annotation, whose value may be anything.
fn annotation(text: &str) -> Result<(String, String), String> {
    let (key, value) = key_value(text)?;
    if is_key(&key) {
        Ok((key, value))
    } else {
        Err(format!(
            "`{key}` is no key of Kubernetes: [PREFIX/]NAME, NAME of at most 63 letters, digits, - _ . with a letter or digit at both ends"
        ))
    }
}

/// Reads `KEY[=VALUE][:EFFECT]`, and gives it back.
fn toleration(text: &str) -> Result<String, String> {
    let (pair, effect) = text
        .rsplit_once(':')
        .map_or((text, None), |(pair, effect)| (pair, Some(effect)));
    let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
    let effects = ["NoSchedule", "PreferNoSchedule", "NoExecute"];
    if !is_key(key) || !(value.is_empty() || is_word(value, 63)) {
        return Err(format!("`{pair}` is no taint's KEY or KEY=VALUE"));
    }
    match effect {
        Some(effect) if !effects.contains(&effect) => Err(format!(
            "`{effect}` is no effect; there are {}",
            effects.join(", ")
        )),
        _ => Ok(text.to_owned()),
    }
}

/// Reads `RESOURCE=QUANTITY`.
fn quantity(text: &str) -> Result<(String, String), String> {
    let (key, value) = key_value(text)?;
    let number = value.trim_end_matches(|it: char| it.is_ascii_alphabetic());
    let units = [
        "", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei",
    ];
    let fits = number
        .parse::<f64>()
        .is_ok_and(|number| number >= 0.0 && number.is_finite())
        && units.contains(&&value[number.len()..]);
    if fits && is_key(&key) {
        Ok((key, value))
    } else {
        Err(format!(
            "`{text}` is not RESOURCE=QUANTITY such as cpu=50m or memory=64Mi"
        ))
    }
}

/// Reads an image's name: `[REGISTRY/]PATH[:TAG][@DIGEST]`.
fn image(text: &str) -> Result<String, String> {
    let fits = !text.is_empty()
        && text.len() <= 512
        && text
            .chars()
            .all(|it| it.is_ascii_alphanumeric() || "-_./:@[]".contains(it))
        && text.starts_with(|it: char| it.is_ascii_alphanumeric() || it == '[')
        && text.ends_with(|it: char| it.is_ascii_alphanumeric());
    if fits {
        Ok(text.to_owned())
    } else {
        Err(format!(
            "`{text}` is no image: [REGISTRY/]PATH[:TAG][@DIGEST]"
        ))
    }
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

    /// What a message tells the user to pass must exist.
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
