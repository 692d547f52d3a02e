//! Pods, their containers, volumes and states. Pure data.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::num::NonZeroU16;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Condition, DnsConfig, HostAlias, Labels, Metadata, Shared, addresses, is_default,
    null_is_default, transport,
};
use crate::address::is_same_host;

slim!(
    /// A Pod.
    Pod {
        metadata: Metadata,
        /// Specification.
        spec: PodSpec,
        status: PodStatus,
    }
);
slim!(
    /// `spec` of a Pod or of a Pod template.
    PodSpec {
        containers: Shared<Container>,
        /// Init containers; one with `restartPolicy: Always` is a native sidecar.
        init_containers: Shared<Container>,
        /// `dnsPolicy`; empty means `ClusterFirst`.
        dns_policy: String,
        dns_config: Option<DnsConfig>,
        host_aliases: Vec<HostAlias>,
        host_network: bool,
        hostname: String,
        subdomain: String,
        /// The node it was bound to.
        node_name: String,
        node_selector: Labels,
        /// `tolerations`, as they stand.
        tolerations: Shared<Value>,
        service_account_name: String,
        /// `enableServiceLinks`; absent means true.
        enable_service_links: Option<bool>,
        /// `restartPolicy`; empty means `Always`.
        restart_policy: String,
        volumes: Shared<Volume>,
        readiness_gates: Vec<ReadinessGate>,
        scheduler_name: String,
    }
);
impl PodSpec {
    /// Every container, with those that run before the others.
    pub fn every(&self) -> impl Iterator<Item = &Container> {
        self.containers.iter().chain(&self.init_containers)
    }

    /// The containers that run as long as the Pod does: native sidecars too.
    pub fn long_running(&self) -> impl Iterator<Item = &Container> {
        self.containers.iter().chain(
            self.init_containers
                .iter()
                .filter(|container| container.restart_policy == "Always"),
        )
    }

    /// Its container of that name; init containers have names of their own.
    pub fn container(&self, name: &str) -> Option<&Container> {
        self.every().find(|container| container.name == name)
    }

    /// Its `hostAliases` of a host, which answer there instead of DNS.
    pub fn aliases(&self, host: &str) -> impl Iterator<Item = &HostAlias> {
        self.host_aliases.iter().filter(move |alias| {
            let mut names = alias.hostnames.iter();
            names.any(|name| is_same_host(name, host))
        })
    }
}

slim!(
    /// A readiness gate.
    ReadinessGate {
        /// The condition that must be true.
        condition_type: String,
    }
);
slim!(
    /// A reference by name.
    #[derive(Serialize)]
    NameRef {
        name: String,
    }
);
slim!(
    /// A container.
    Container {
        name: String,
        image: String,
        /// `command`: the image's entrypoint is replaced.
        command: Vec<String>,
        args: Vec<String>,
        env: Vec<EnvVar>,
        env_from: Vec<EnvFrom>,
        /// Declared ports; a declaration has no effect but for names.
        ports: Vec<ContainerPort>,
        readiness_probe: Option<Probe>,
        liveness_probe: Option<Probe>,
        startup_probe: Option<Probe>,
        volume_mounts: Vec<VolumeMount>,
        /// `restartPolicy` of an init container (`Always`: native sidecar).
        restart_policy: String,
        /// Requests and limits.
        resources: Resources,
        image_pull_policy: String,
    }
);
impl Container {
    /// A variable that it is given by name; of several of one name the last one counts.
    pub fn variable(&self, name: &str) -> Option<&EnvVar> {
        self.env.iter().rfind(|variable| variable.name == name)
    }

    /// The `ConfigMaps` that it takes in as a whole, by name.
    pub fn whole_maps(&self) -> impl Iterator<Item = &str> {
        let maps = self.env_from.iter();
        maps.filter_map(|source| Some(source.config_map_ref.as_ref()?.name.as_str()))
    }

    /// The words of the command and of its arguments.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        self.command.iter().chain(&self.args).map(String::as_str)
    }

    /// The ports of a transport that it declares.
    pub fn declared(&self, transport: &str) -> impl Iterator<Item = NonZeroU16> {
        self.ports
            .iter()
            .filter(move |port| port.transport() == transport)
            .filter_map(|port| NonZeroU16::new(u16::try_from(port.container_port).ok()?))
    }

    /// The number of a port that is written as a number or as the name of a declared one.
    pub fn number(&self, port: &Value) -> Option<NonZeroU16> {
        let declared = |name: &str| {
            let port = self.ports.iter().find(|port| port.name == name)?;
            u64::try_from(port.container_port).ok()
        };
        let number = match port {
            Value::Number(number) => number.as_u64(),
            Value::String(text) => text.parse().ok().or_else(|| declared(text)),
            _ => None,
        };
        NonZeroU16::new(u16::try_from(number?).ok()?)
    }

    /// What the kubelet asks it: readiness, liveness, startup.
    pub fn probes(&self) -> impl Iterator<Item = &Probe> {
        let kinds = [
            &self.readiness_probe,
            &self.liveness_probe,
            &self.startup_probe,
        ];
        kinds.into_iter().flatten()
    }
}

slim!(
    /// `resources`.
    Resources {
        requests: BTreeMap<String, Value>,
        limits: BTreeMap<String, Value>,
    }
);
slim!(
    /// An environment variable. The literal value may be a secret: it is never printed.
    #[derive(Serialize)]
    EnvVar {
        name: String,
        /// Literal value, with `$(VAR)` unexpanded.
        value: Option<String>,
        /// Where the value comes from.
        value_from: Option<EnvSource>,
    }
);
slim!(
    /// `valueFrom`.
    #[derive(Serialize)]
    EnvSource {
        config_map_key_ref: Option<KeyRef>,
        secret_key_ref: Option<KeyRef>,
        /// A field of the Pod.
        field_ref: Option<Value>,
        /// A resource of the container.
        resource_field_ref: Option<Value>,
    }
);
slim!(
    /// A key of a ConfigMap or Secret.
    #[derive(Serialize)]
    KeyRef {
        /// Object name.
        name: String,
        key: String,
        /// Whether absence is fine.
        optional: bool,
    }
);
slim!(
    /// An entry of `envFrom`.
    #[derive(Serialize)]
    EnvFrom {
        /// Put before every key.
        prefix: String,
        /// A whole ConfigMap.
        config_map_ref: Option<OptionalRef>,
        /// A whole Secret.
        secret_ref: Option<OptionalRef>,
    }
);
slim!(
    /// A named object that may be optional.
    #[derive(Serialize)]
    OptionalRef {
        name: String,
        /// Whether absence is fine.
        optional: bool,
    }
);
slim!(
    /// A declared container port.
    ContainerPort {
        /// Number.
        container_port: i32,
        name: String,
        /// Transport; empty means TCP.
        protocol: String,
        /// Host port, 0 for none.
        host_port: i32,
    }
);
impl ContainerPort {
    /// `TCP`, `UDP` or `SCTP`.
    pub fn transport(&self) -> &str {
        transport(&self.protocol)
    }
}

slim!(
    /// A probe of the kubelet.
    #[derive(Serialize)]
    Probe {
        http_get: Option<HttpGet>,
        tcp_socket: Option<PortRef>,
        /// A command in the container.
        exec: Option<ExecAction>,
        /// gRPC health.
        grpc: Option<PortRef>,
        /// Seconds before the first one.
        initial_delay_seconds: i32,
        /// Seconds between two; 0 means 10.
        period_seconds: i32,
        /// Seconds until it counts as failed; 0 means 1.
        timeout_seconds: i32,
        /// Failures in a row; 0 means 3.
        failure_threshold: i32,
    }
);
slim!(
    /// `httpGet`.
    #[derive(Serialize)]
    HttpGet {
        path: String,
        /// Number or name.
        port: Value,
        /// `HTTP` or `HTTPS`; empty means HTTP.
        scheme: String,
        /// Host, empty: the Pod's address.
        host: String,
    }
);
slim!(
    /// `tcpSocket` or `grpc`.
    #[derive(Serialize)]
    PortRef {
        /// Number or name.
        port: Value,
        /// Host, empty: the Pod's address.
        host: String,
    }
);
slim!(
    /// `exec`.
    #[derive(Serialize)]
    ExecAction {
        /// The command's words.
        command: Vec<String>,
    }
);
slim!(
    /// A mount.
    VolumeMount {
        /// The volume.
        name: String,
        /// Where.
        mount_path: String,
        /// A path inside the volume.
        sub_path: String,
    }
);
slim!(
    /// A volume.
    Volume {
        name: String,
        config_map: Option<ConfigMapVolume>,
        secret: Option<SecretVolume>,
        persistent_volume_claim: Option<ClaimVolume>,
        /// A projection of several.
        projected: Option<Value>,
        /// A path of the node.
        host_path: Option<Value>,
        /// A folder that is empty at first.
        empty_dir: Option<Value>,
    }
);
slim!(
    /// A ConfigMap as a volume.
    ConfigMapVolume {
        name: String,
        /// Keys and paths.
        items: Vec<KeyToPath>,
        /// Whether absence is fine.
        optional: bool,
    }
);
slim!(
    /// A Secret as a volume.
    SecretVolume {
        secret_name: String,
        /// Keys and paths.
        items: Vec<KeyToPath>,
        /// Whether absence is fine.
        optional: bool,
    }
);
slim!(
    /// A key and its path.
    KeyToPath {
        key: String,
        path: String,
    }
);
slim!(
    /// A claim as a volume.
    ClaimVolume {
        claim_name: String,
    }
);
slim!(
    /// `status` of a Pod.
    PodStatus {
        /// `Pending`, `Running`, `Succeeded`, `Failed`, `Unknown`.
        phase: String,
        /// A reason such as `Evicted`.
        reason: String,
        message: String,
        /// The Pod's address.
        #[serde(rename = "podIP")]
        pod_ip: String,
        /// All its addresses.
        #[serde(rename = "podIPs")]
        pod_ips: Vec<PodIp>,
        /// The node's address.
        #[serde(rename = "hostIP")]
        host_ip: String,
        conditions: Vec<Condition>,
        container_statuses: Vec<ContainerStatus>,
        init_container_statuses: Vec<ContainerStatus>,
        /// When the kubelet took it.
        start_time: Option<Timestamp>,
    }
);
impl Pod {
    /// Since when each running container runs that has no readiness probe: it counts as ready at once.
    pub fn unprobed_since(&self) -> impl Iterator<Item = Timestamp> {
        let containers = self.spec.containers.iter();
        let unprobed = containers.filter(|container| container.readiness_probe.is_none());
        unprobed.filter_map(|container| {
            let status = self.status.container(&container.name)?;
            status.state.running.as_ref()?.started_at
        })
    }
}

impl PodStatus {
    /// The statuses of all its containers, the init containers first.
    pub fn every(&self) -> impl Iterator<Item = &ContainerStatus> {
        self.init_container_statuses
            .iter()
            .chain(&self.container_statuses)
    }

    /// The status of the container of that name.
    pub fn container(&self, name: &str) -> Option<&ContainerStatus> {
        self.every().find(|status| status.name == name)
    }
    /// Its addresses, the first one first.
    pub fn addresses(&self) -> Vec<IpAddr> {
        let all = self.pod_ips.iter().map(|entry| &entry.ip);
        addresses([&self.pod_ip].into_iter().chain(all))
    }
}

slim!(
    /// An address of a Pod.
    PodIp {
        /// The address.
        ip: String,
    }
);
slim!(
    /// The status of a container.
    ContainerStatus {
        name: String,
        /// Whether it is ready.
        ready: bool,
        /// Whether its startup probe has passed.
        started: Option<bool>,
        /// How often it was restarted.
        restart_count: i32,
        /// What it is doing.
        state: ContainerState,
        /// What it was doing before.
        last_state: ContainerState,
        image: String,
    }
);
slim!(
    /// The state of a container.
    ContainerState {
        /// Waits.
        waiting: Option<StateWaiting>,
        /// Runs.
        running: Option<StateRunning>,
        /// Has ended.
        terminated: Option<StateTerminated>,
    }
);
slim!(
    /// A waiting container.
    StateWaiting {
        reason: String,
        message: String,
    }
);
slim!(
    /// A running container.
    StateRunning {
        /// Since when.
        started_at: Option<Timestamp>,
    }
);
slim!(
    /// A container that ended.
    StateTerminated {
        exit_code: i32,
        signal: i32,
        reason: String,
        message: String,
        /// Since when it ran.
        started_at: Option<Timestamp>,
        /// Until when.
        finished_at: Option<Timestamp>,
    }
);
