//! The keys that compose knows, by place: what is not among them is worth one warning. Pure.

use std::collections::BTreeSet;

use super::model::{Warning, WarningKind};
use super::node::{Node, Value};
use crate::spelling;

pub(super) const TOP: &[&str] = &[
    "configs", "include", "models", "name", "networks", "secrets", "services", "version", "volumes",
];

const SERVICE: &[&str] = &[
    "annotations",
    "attach",
    "blkio_config",
    "build",
    "cap_add",
    "cap_drop",
    "cgroup",
    "cgroup_parent",
    "command",
    "configs",
    "container_name",
    "cpu_count",
    "cpu_percent",
    "cpu_period",
    "cpu_quota",
    "cpu_rt_period",
    "cpu_rt_runtime",
    "cpu_shares",
    "cpus",
    "cpuset",
    "credential_spec",
    "depends_on",
    "deploy",
    "develop",
    "device_cgroup_rules",
    "devices",
    "dns",
    "dns_opt",
    "dns_search",
    "domainname",
    "entrypoint",
    "env_file",
    "environment",
    "expose",
    "extends",
    "external_links",
    "extra_hosts",
    "gpus",
    "group_add",
    "healthcheck",
    "hostname",
    "image",
    "init",
    "ipc",
    "isolation",
    "label_file",
    "labels",
    "links",
    "logging",
    "mac_address",
    "mem_limit",
    "mem_reservation",
    "mem_swappiness",
    "memswap_limit",
    "models",
    "network_mode",
    "networks",
    "oom_kill_disable",
    "oom_score_adj",
    "pid",
    "pids_limit",
    "platform",
    "ports",
    "post_start",
    "pre_start",
    "pre_stop",
    "privileged",
    "profiles",
    "provider",
    "pull_policy",
    "pull_refresh_after",
    "read_only",
    "restart",
    "runtime",
    "scale",
    "secrets",
    "security_opt",
    "shm_size",
    "stdin_open",
    "stop_grace_period",
    "stop_signal",
    "storage_opt",
    "sysctls",
    "tmpfs",
    "tty",
    "ulimits",
    "use_api_socket",
    "user",
    "userns_mode",
    "uts",
    "volumes",
    "volumes_from",
    "working_dir",
];

const BUILD: &[&str] = &[
    "additional_contexts",
    "args",
    "cache_from",
    "cache_to",
    "context",
    "dockerfile",
    "dockerfile_inline",
    "entitlements",
    "extra_hosts",
    "isolation",
    "labels",
    "network",
    "no_cache",
    "no_cache_filter",
    "platforms",
    "privileged",
    "provenance",
    "pull",
    "sbom",
    "secrets",
    "shm_size",
    "ssh",
    "tags",
    "target",
    "ulimits",
];

const DEPLOY: &[&str] = &[
    "endpoint_mode",
    "labels",
    "mode",
    "placement",
    "replicas",
    "resources",
    "restart_policy",
    "rollback_config",
    "update_config",
];

const HEALTHCHECK: &[&str] = &[
    "disable",
    "interval",
    "retries",
    "start_interval",
    "start_period",
    "test",
    "timeout",
];

const DEPENDS_ON: &[&str] = &["condition", "required", "restart"];

const SERVICE_NETWORK: &[&str] = &[
    "aliases",
    "driver_opts",
    "gw_priority",
    "interface_name",
    "ipv4_address",
    "ipv6_address",
    "link_local_ips",
    "mac_address",
    "priority",
];

const PORT: &[&str] = &[
    "app_protocol",
    "host_ip",
    "mode",
    "name",
    "protocol",
    "published",
    "target",
];

const NETWORK: &[&str] = &[
    "attachable",
    "driver",
    "driver_opts",
    "enable_ipv4",
    "enable_ipv6",
    "external",
    "internal",
    "ipam",
    "labels",
    "name",
];

const CONFIG: &[&str] = &[
    "content",
    "environment",
    "external",
    "file",
    "labels",
    "name",
    "template_driver",
];

/// One warning for each kind of key that compose does not know; `x-` keys are meant to be unknown.
pub(super) fn unknown_keys(root: &Node) -> Vec<Warning> {
    let mut search = Search::default();
    search.keys(root, "the top level", TOP);
    search.children(root, "services", |search, service| {
        search.keys(service, "a service", SERVICE);
        search.child(service, "build", BUILD);
        search.child(service, "deploy", DEPLOY);
        search.child(service, "healthcheck", HEALTHCHECK);
        search.children(service, "depends_on", |search, entry| {
            search.keys(entry, "depends_on", DEPENDS_ON);
        });
        search.children(service, "networks", |search, entry| {
            search.keys(entry, "a service's network", SERVICE_NETWORK);
        });
        search.children(service, "ports", |search, entry| {
            search.keys(entry, "a port", PORT);
        });
    });
    search.children(root, "networks", |search, entry| {
        search.keys(entry, "a network", NETWORK);
    });
    search.children(root, "configs", |search, entry| {
        search.keys(entry, "a config", CONFIG);
    });
    search.warnings
}

#[derive(Default)]
struct Search {
    seen: BTreeSet<(String, String)>,
    warnings: Vec<Warning>,
}

impl Search {
    fn keys(&mut self, node: &Node, place: &str, known: &[&str]) {
        let Value::Map(map) = &node.value else {
            return;
        };
        for (key, entry) in map {
            if key.starts_with("x-")
                || known.contains(&key.as_str())
                || !self.seen.insert((place.to_owned(), key.clone()))
            {
                continue;
            }
            let (kind, hint) = match spelling::meant(key, known.iter().copied()) {
                Some(meant) => (
                    WarningKind::MisspeltKey,
                    format!("; did you mean `{meant}`?"),
                ),
                None => (WarningKind::UnknownKey, String::new()),
            };
            self.warnings.push(Warning {
                kind,
                message: format!("compose knows no key `{key}` in {place}: it is ignored{hint}"),
                location: entry.place().location(),
            });
        }
    }

    fn child(&mut self, node: &Node, key: &str, known: &[&str]) {
        if let Some(child) = node.get(key) {
            self.keys(child, key, known);
        }
    }

    fn children(&mut self, node: &Node, key: &str, visit: impl Fn(&mut Self, &Node)) {
        match node.get(key).map(|child| &child.value) {
            Some(Value::Map(map)) => map.values().for_each(|entry| visit(self, entry)),
            Some(Value::List(items)) => items.iter().for_each(|entry| visit(self, entry)),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tree::parse;
    use super::*;

    #[test]
    fn unknown_keys_are_told_once_and_extensions_never() {
        let text = "x-a: 1\nfoo: 1\nservices:\n  a: {image: x, imagee: y, x-b: 2, healthcheck: {tst: 1}}\n  b: {imagee: z}\n";
        let tree = parse("f", text).unwrap().remove(0);
        let warnings = unknown_keys(&tree);
        let lines: Vec<_> = warnings
            .iter()
            .map(|w| (w.location.line, w.message.as_str()))
            .collect();
        assert_eq!(
            lines,
            [
                (
                    2,
                    "compose knows no key `foo` in the top level: it is ignored"
                ),
                (
                    4,
                    "compose knows no key `imagee` in a service: it is ignored; did you mean `image`?"
                ),
                (
                    4,
                    "compose knows no key `tst` in healthcheck: it is ignored; did you mean `test`?"
                ),
            ]
        );
    }
}
