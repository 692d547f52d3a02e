//! The options of the probe Pods. Pure.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Args;
use serde_json::Value;

use super::DEFAULT_IMAGE;
use super::names::{host, object};
use super::value::{annotation, image, label, quantity, some, toleration};

/// The probe Pods.
#[derive(Debug, Args, Clone, Default)]
#[command(next_help_heading = "Probe Pods")]
pub struct ProbeArgs {
    /// Image of the probe Pods
    #[arg(long, value_name = "IMAGE", env = "K8SVERIFY_PROBE_IMAGE", default_value = DEFAULT_IMAGE, value_parser = image)]
    pub image: String,
    /// Pull secret of the probe image; repeatable
    #[arg(long, value_name = "NAME", value_parser = object)]
    pub image_pull_secret: Vec<String>,
    /// Pull policy of the probe image
    #[arg(long, value_name = "POLICY", value_parser = ["Always", "IfNotPresent", "Never"])]
    pub image_pull_policy: Option<String>,
    /// Additional node selector of the probe Pods, KEY=VALUE; repeatable
    #[arg(long, value_name = "KEY=VALUE", value_parser = label)]
    pub probe_node_selector: Vec<(String, String)>,
    /// Additional toleration of the probe Pods, KEY[=VALUE][:EFFECT]; repeatable
    #[arg(long, value_name = "KEY[=VALUE][:EFFECT]", value_parser = toleration)]
    pub probe_toleration: Vec<Value>,
    /// Additional label of the probe Pods, KEY=VALUE; repeatable
    #[arg(long, value_name = "KEY=VALUE", value_parser = label)]
    pub probe_label: Vec<(String, String)>,
    /// Additional annotation of the probe Pods, KEY=VALUE; repeatable
    #[arg(long, value_name = "KEY=VALUE", value_parser = annotation)]
    pub probe_annotation: Vec<(String, String)>,
    /// Priority class of the probe Pods
    #[arg(long, value_name = "NAME", value_parser = object)]
    pub probe_priority_class: Option<String>,
    /// Service account of the probe Pods
    #[arg(long, value_name = "NAME", value_parser = object)]
    pub probe_service_account: Option<String>,
    /// Log in to this host with the client's credentials, wherever its name comes from; repeatable
    #[arg(long, value_name = "HOST", value_parser = host)]
    pub allow_login: Vec<String>,
    /// Log in nowhere: every edge stops at the greeting
    #[arg(long, conflicts_with = "allow_login")]
    pub no_login: bool,
    /// Requests and limits of the probe containers, such as cpu=50m,memory=64Mi
    #[arg(long, value_name = "RESOURCE=QUANTITY,…", value_delimiter = ',', value_parser = quantity)]
    pub probe_resources: Vec<(String, String)>,
    /// Runtime class of the probe Pods
    #[arg(long, value_name = "NAME", value_parser = object)]
    pub probe_runtime_class: Option<String>,
    /// YAML or JSON file that is merged into the probe Pods' template (metadata, spec); a container named "*" stands for each
    #[arg(long, value_name = "FILE")]
    pub probe_patch: Option<PathBuf>,
    /// From how many nodes at most a tier with several Pods is probed
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=100))]
    pub max_nodes: u8,
    /// An edge whose server's certificate is not proven to be one that the client trusts is unknown, instead of passing at depth tls
    #[arg(long)]
    pub require_trust: bool,
    /// How many edges a probe container walks at a time: 64 if not set, and never more than 8 to one target
    #[arg(long, value_name = "N", value_parser = some)]
    pub edges_at_once: Option<NonZeroUsize>,
}
