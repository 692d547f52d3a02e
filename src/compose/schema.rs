//! The keys that compose knows, by place; Docker Compose refuses any other, and so do we. Pure.

use super::error::ComposeError;
use super::node::{Node, Value};
use crate::spelling;

/// The keys of the top level.
pub(super) const TOP: &str =
    "configs include models name networks secrets services version volumes";

const SERVICE: &str = "annotations attach blkio_config build cap_add cap_drop cgroup cgroup_parent command configs \
    container_name cpu_count cpu_percent cpu_period cpu_quota cpu_rt_period cpu_rt_runtime cpu_shares cpus cpuset \
    credential_spec depends_on deploy develop device_cgroup_rules devices dns dns_opt dns_search domainname entrypoint \
    env_file environment expose extends external_links extra_hosts gpus group_add healthcheck hostname image init ipc \
    isolation label_file labels links logging mac_address mem_limit mem_reservation mem_swappiness memswap_limit models \
    network_mode networks oom_kill_disable oom_score_adj pid pids_limit platform ports post_start pre_start pre_stop \
    privileged profiles provider pull_policy pull_refresh_after read_only restart runtime scale secrets security_opt \
    shm_size stdin_open stop_grace_period stop_signal storage_opt sysctls tmpfs tty ulimits use_api_socket user \
    userns_mode uts volumes volumes_from working_dir";

const BUILD: &str = "additional_contexts args cache_from cache_to context dockerfile dockerfile_inline entitlements \
    extra_hosts isolation labels network no_cache no_cache_filter platforms privileged provenance pull sbom secrets \
    shm_size ssh tags target ulimits";

/// The way to a place (`*`: each entry), what it is called, and its keys.
const PLACES: &[(&str, &str, &str)] = &[
    ("", "the top level", TOP),
    ("services.*", "a service", SERVICE),
    ("services.*.build", "`build`", BUILD),
    (
        "services.*.deploy",
        "`deploy`",
        "endpoint_mode labels mode placement replicas resources restart_policy rollback_config update_config",
    ),
    (
        "services.*.deploy.resources",
        "`resources`",
        "limits reservations",
    ),
    (
        "services.*.healthcheck",
        "`healthcheck`",
        "disable interval retries start_interval start_period test timeout",
    ),
    ("services.*.logging", "`logging`", "driver options"),
    (
        "services.*.depends_on.*",
        "an entry of `depends_on`",
        "condition required restart",
    ),
    (
        "services.*.env_file.*",
        "an entry of `env_file`",
        "format path required",
    ),
    (
        "services.*.networks.*",
        "a network of a service",
        "aliases driver_opts gw_priority interface_name ipv4_address ipv6_address link_local_ips mac_address priority",
    ),
    (
        "services.*.ports.*",
        "a port",
        "app_protocol host_ip mode name protocol published target",
    ),
    (
        "services.*.volumes.*",
        "a volume of a service",
        "bind consistency image read_only source target tmpfs type volume",
    ),
    (
        "services.*.configs.*",
        "a config of a service",
        "gid mode source target uid",
    ),
    (
        "services.*.secrets.*",
        "a secret of a service",
        "gid mode source target uid",
    ),
    (
        "networks.*",
        "a network",
        "attachable driver driver_opts enable_ipv4 enable_ipv6 external internal ipam labels name",
    ),
    (
        "volumes.*",
        "a volume",
        "driver driver_opts external labels name",
    ),
    (
        "configs.*",
        "a config",
        "content environment external file labels name template_driver",
    ),
    (
        "secrets.*",
        "a secret",
        "driver driver_opts environment external file labels name template_driver",
    ),
];

/// The first key that compose does not know, as an error; keys that begin with `x-` are meant to be unknown.
pub(super) fn only_known_keys(root: &Node) -> Result<(), ComposeError> {
    PLACES.iter().try_for_each(|(way, place, keys)| {
        let way: Vec<&str> = way.split('.').filter(|step| !step.is_empty()).collect();
        known_below(root, &way, &|node| known(node, place, keys))
    })
}

fn known_below(
    node: &Node,
    way: &[&str],
    check: &dyn Fn(&Node) -> Result<(), ComposeError>,
) -> Result<(), ComposeError> {
    match (way, &node.value) {
        ([], _) => check(node),
        (["*", rest @ ..], Value::Map(map)) => map
            .values()
            .try_for_each(|entry| known_below(entry, rest, check)),
        (["*", rest @ ..], Value::List(items)) => items
            .iter()
            .try_for_each(|entry| known_below(entry, rest, check)),
        ([key, rest @ ..], _) => node
            .get(key)
            .map_or(Ok(()), |entry| known_below(entry, rest, check)),
    }
}

fn known(node: &Node, place: &str, keys: &str) -> Result<(), ComposeError> {
    let Value::Map(map) = &node.value else {
        return Ok(());
    };
    let unknown = map.iter().find(|(key, _)| {
        !key.starts_with("x-") && keys.split_whitespace().all(|known| known != *key)
    });
    let Some((key, entry)) = unknown else {
        return Ok(());
    };
    let own = "a key that begins with `x-` where it is a note of your own";
    Err(entry.place().error(
        format!("the key `{key}`, which compose does not know in {place}"),
        match spelling::meant(key, keys.split_whitespace()) {
            Some(meant) => format!("`{meant}`, or {own}"),
            None => format!("a key of {place}, or {own}"),
        },
    ))
}

#[cfg(test)]
mod tests {
    use super::super::tree::parse;
    use super::*;

    fn refused(text: &str) -> Option<String> {
        let tree = parse("f", text).unwrap().remove(0);
        only_known_keys(&tree).err().map(|error| error.to_string())
    }

    #[test]
    fn a_key_that_compose_does_not_know_is_refused_wherever_it_stands() {
        for (text, said) in [
            (
                "foo: 1\nservices: {a: {image: x}}\n",
                "f:1:1: the key `foo`, which compose does not know in the top level, expected a key of the top level, or",
            ),
            (
                "services:\n  a: {image: x, imagee: y}\n",
                "f:2:17: the key `imagee`, which compose does not know in a service, expected `image`, or a key that begins with `x-`",
            ),
            ("services: {a: {image: x, name: }}", "`name`"),
            ("services: {a: {healthcheck: {tst: 1}}}", "expected `test`"),
            ("services: {a: {build: {context: ., q: 1}}}", "`q`"),
            ("services: {a: {deploy: {resources: {q: 1}}}}", "`q`"),
            ("services: {a: {depends_on: {b: {q: 1}}}}", "`q`"),
            ("services: {a: {networks: {n: {q: 1}}}}", "`q`"),
            ("services: {a: {ports: [80, {target: 1, q: 1}]}}", "`q`"),
            ("services: {a: {volumes: [{target: /x, q: 1}]}}", "`q`"),
            ("networks: {n: {q: 1}}", "`q`"),
            ("volumes: {n: {q: 1}}", "`q`"),
            ("secrets: {n: {q: 1}}", "`q`"),
        ] {
            let message = refused(text).unwrap_or_default();
            assert!(message.contains(said), "{text}: {message}");
        }
        for text in [
            "x-a: {q: 1}\nservices: {a: {image: x, x-b: 2, build: {x-c: 1}}}",
            "services: {a: {labels: {q: 1}, environment: {q: 1}, networks: [q], depends_on: [q]}}",
            "services: {a: , b: {build: ./q, networks: {n: }}}\nvolumes: {q: }",
        ] {
            assert_eq!(refused(text), None, "{text}");
        }
    }
}
