//! Slim, serialisable views of the API objects that the tool reads: the field names of the Kubernetes API, without the
//! fields that no rule needs. They read both the API's JSON and manifest files. Pure data.
//!
//! Source: the Kubernetes API reference, v1.33. An absent field is its type's default; where the API gives absence another
//! meaning (`ready: null` is ready), a method says so.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use super::shared::Shared;
pub use super::writes::FieldWrite;

macro_rules! slim {
    ($(#[$meta:meta])* $name:ident { $($(#[$field_meta:meta])* $field:ident : $type:ty),* $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
        #[serde(rename_all = "camelCase", default)]
        pub struct $name { $($(#[$field_meta])* #[serde(skip_serializing_if = "is_default", deserialize_with = "null_is_default")] pub $field: $type),* }
    };
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

fn null_is_default<'de, D: serde::Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

/// Labels or annotations.
pub type Labels = BTreeMap<String, String>;

slim!(
    /// `metadata`.
    Metadata {
        /// Name.
        name: String,
        /// Namespace.
        namespace: String,
        /// Unique id.
        uid: String,
        /// Labels.
        labels: Labels,
        /// Annotations (only those that rules read; `kubectl.kubernetes.io/last-applied-configuration` is dropped).
        annotations: Labels,
        /// When it was made.
        creation_timestamp: Option<Timestamp>,
        /// When its deletion began.
        deletion_timestamp: Option<Timestamp>,
        /// Its owners.
        owner_references: Vec<OwnerReference>,
        /// Generation of the spec.
        generation: i64,
        /// Name prefix for generated names.
        generate_name: String,
        /// Resource version, to resume a watch from.
        resource_version: String,
        /// Who wrote what and when; kept of ConfigMaps and Secrets alone.
        managed_fields: Vec<FieldWrite>,
    }
);
slim!(
    /// An object of which only the metadata was read.
    Known {
        /// Metadata.
        metadata: Metadata,
    }
);
slim!(
    /// An owner reference.
    OwnerReference {
        /// Kind, as the API writes it (`ReplicaSet`).
        kind: String,
        /// Name.
        name: String,
        /// Unique id.
        uid: String,
        /// Whether it is the managing controller.
        controller: bool,
        /// API group and version.
        api_version: String,
    }
);
slim!(
    /// A Pod.
    Pod {
        /// Metadata.
        metadata: Metadata,
        /// Specification.
        spec: PodSpec,
        /// Status.
        status: PodStatus,
    }
);
slim!(
    /// `spec` of a Pod or of a Pod template.
    PodSpec {
        /// Containers.
        containers: Shared<Container>,
        /// Init containers; one with `restartPolicy: Always` is a native sidecar.
        init_containers: Shared<Container>,
        /// `dnsPolicy`; empty means `ClusterFirst`.
        dns_policy: String,
        /// `dnsConfig`.
        dns_config: Option<DnsConfig>,
        /// `hostAliases`.
        host_aliases: Vec<HostAlias>,
        /// `hostNetwork`.
        host_network: bool,
        /// `hostname`.
        hostname: String,
        /// `subdomain`.
        subdomain: String,
        /// The node it was bound to.
        node_name: String,
        /// `nodeSelector`.
        node_selector: Labels,
        /// `tolerations`, as they stand.
        tolerations: Shared<Value>,
        /// `affinity`, as it stands.
        affinity: Option<Value>,
        /// `serviceAccountName`.
        service_account_name: String,
        /// `enableServiceLinks`; absent means true.
        enable_service_links: Option<bool>,
        /// `restartPolicy`; empty means `Always`.
        restart_policy: String,
        /// `volumes`.
        volumes: Shared<Volume>,
        /// `readinessGates`.
        readiness_gates: Vec<ReadinessGate>,
        /// `imagePullSecrets`.
        image_pull_secrets: Vec<NameRef>,
        /// `runtimeClassName`.
        runtime_class_name: String,
        /// `schedulerName`.
        scheduler_name: String,
        /// `priorityClassName`.
        priority_class_name: String,
    }
);
slim!(
    /// A readiness gate.
    ReadinessGate {
        /// The condition that must be true.
        condition_type: String,
    }
);
slim!(
    /// A reference by name.
    NameRef {
        /// The name.
        name: String,
    }
);
slim!(
    /// `dnsConfig`.
    DnsConfig {
        /// Name servers.
        nameservers: Vec<String>,
        /// Search domains.
        searches: Vec<String>,
        /// Options such as `ndots`.
        options: Vec<NameValue>,
    }
);
slim!(
    /// A name and a value.
    NameValue {
        /// Name.
        name: String,
        /// Value.
        value: Option<String>,
    }
);
slim!(
    /// An entry of `hostAliases`.
    HostAlias {
        /// The address.
        ip: String,
        /// The names.
        hostnames: Vec<String>,
    }
);
slim!(
    /// A container.
    Container {
        /// Name.
        name: String,
        /// Image.
        image: String,
        /// `command`: the image's entrypoint is replaced.
        command: Vec<String>,
        /// `args`.
        args: Vec<String>,
        /// `env`.
        env: Vec<EnvVar>,
        /// `envFrom`.
        env_from: Vec<EnvFrom>,
        /// Declared ports; a declaration has no effect but for names.
        ports: Vec<ContainerPort>,
        /// Readiness probe.
        readiness_probe: Option<Probe>,
        /// Liveness probe.
        liveness_probe: Option<Probe>,
        /// Startup probe.
        startup_probe: Option<Probe>,
        /// Mounts.
        volume_mounts: Vec<VolumeMount>,
        /// `restartPolicy` of an init container (`Always`: native sidecar).
        restart_policy: String,
        /// Requests and limits.
        resources: Resources,
        /// `imagePullPolicy`.
        image_pull_policy: String,
    }
);
slim!(
    /// `resources`.
    Resources {
        /// Requests.
        requests: BTreeMap<String, Value>,
        /// Limits.
        limits: BTreeMap<String, Value>,
    }
);
slim!(
    /// An environment variable. The literal value may be a secret: it is never printed.
    EnvVar {
        /// Name.
        name: String,
        /// Literal value, with `$(VAR)` unexpanded.
        value: Option<String>,
        /// Where the value comes from.
        value_from: Option<EnvSource>,
    }
);
slim!(
    /// `valueFrom`.
    EnvSource {
        /// A key of a ConfigMap.
        config_map_key_ref: Option<KeyRef>,
        /// A key of a Secret.
        secret_key_ref: Option<KeyRef>,
        /// A field of the Pod.
        field_ref: Option<Value>,
        /// A resource of the container.
        resource_field_ref: Option<Value>,
    }
);
slim!(
    /// A key of a ConfigMap or Secret.
    KeyRef {
        /// Object name.
        name: String,
        /// Key.
        key: String,
        /// Whether absence is fine.
        optional: bool,
    }
);
slim!(
    /// An entry of `envFrom`.
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
    OptionalRef {
        /// Name.
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
        /// Name.
        name: String,
        /// Transport; empty means TCP.
        protocol: String,
        /// Host port, 0 for none.
        host_port: i32,
    }
);
slim!(
    /// A probe of the kubelet.
    Probe {
        /// HTTP.
        http_get: Option<HttpGet>,
        /// TCP.
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
        /// Successes in a row; 0 means 1.
        success_threshold: i32,
    }
);
slim!(
    /// `httpGet`.
    HttpGet {
        /// Path.
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
    PortRef {
        /// Number or name.
        port: Value,
        /// Host, empty: the Pod's address.
        host: String,
    }
);
slim!(
    /// `exec`.
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
        /// Name.
        name: String,
        /// A ConfigMap.
        config_map: Option<ConfigMapVolume>,
        /// A Secret.
        secret: Option<SecretVolume>,
        /// A claim.
        persistent_volume_claim: Option<ClaimVolume>,
        /// A projection of several.
        projected: Option<Value>,
        /// A path of the node.
        host_path: Option<Value>,
    }
);
slim!(
    /// A ConfigMap as a volume.
    ConfigMapVolume {
        /// Name.
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
        /// Name.
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
        /// Key.
        key: String,
        /// Path.
        path: String,
    }
);
slim!(
    /// A claim as a volume.
    ClaimVolume {
        /// Name of the claim.
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
        /// A message.
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
        /// Conditions.
        conditions: Vec<Condition>,
        /// Containers.
        container_statuses: Vec<ContainerStatus>,
        /// Init containers.
        init_container_statuses: Vec<ContainerStatus>,
        /// When the kubelet took it.
        start_time: Option<Timestamp>,
    }
);
slim!(
    /// An address of a Pod.
    PodIp {
        /// The address.
        ip: String,
    }
);
slim!(
    /// A condition.
    Condition {
        /// Type.
        #[serde(rename = "type")]
        kind: String,
        /// `True`, `False` or `Unknown`.
        status: String,
        /// Reason.
        reason: String,
        /// Message.
        message: String,
        /// When it changed.
        last_transition_time: Option<Timestamp>,
    }
);
slim!(
    /// The status of a container.
    ContainerStatus {
        /// Name.
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
        /// The image.
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
        /// Reason.
        reason: String,
        /// Message.
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
        /// Exit code.
        exit_code: i32,
        /// Signal.
        signal: i32,
        /// Reason.
        reason: String,
        /// Message.
        message: String,
        /// Since when it ran.
        started_at: Option<Timestamp>,
        /// Until when.
        finished_at: Option<Timestamp>,
    }
);
slim!(
    /// A label selector.
    LabelSelector {
        /// Labels that must be there.
        match_labels: Labels,
        /// Expressions that must hold.
        match_expressions: Vec<LabelExpression>,
    }
);
slim!(
    /// An expression of a label selector.
    LabelExpression {
        /// The label.
        key: String,
        /// `In`, `NotIn`, `Exists`, `DoesNotExist`.
        operator: String,
        /// The values.
        values: Vec<String>,
    }
);
slim!(
    /// A Deployment, StatefulSet, DaemonSet, ReplicaSet, Job or CronJob, or any other controller that owns Pods.
    Workload {
        /// The kind as the API writes it.
        kind: String,
        /// Metadata.
        metadata: Metadata,
        /// Specification.
        spec: WorkloadSpec,
        /// Status.
        status: WorkloadStatus,
    }
);
slim!(
    /// `spec` of a workload.
    WorkloadSpec {
        /// Wanted Pods; absent means 1 where it applies.
        replicas: Option<i32>,
        /// Which Pods are its own.
        selector: Option<LabelSelector>,
        /// The Pod template.
        template: PodTemplate,
        /// Governing Service of a StatefulSet.
        service_name: String,
        /// Whether it is paused.
        paused: bool,
        /// Whether it is suspended (Job, CronJob).
        suspend: bool,
        /// Seconds that a Pod must be ready before it counts as available.
        min_ready_seconds: i32,
        /// Seconds until a rollout counts as stalled; absent means 600.
        progress_deadline_seconds: Option<i32>,
        /// Retries of a Job.
        backoff_limit: Option<i32>,
        /// Completions of a Job.
        completions: Option<i32>,
        /// A CronJob's Job template.
        job_template: Option<JobTemplate>,
        /// A CronJob's schedule.
        schedule: String,
    }
);
slim!(
    /// A CronJob's Job template.
    JobTemplate {
        /// Specification.
        spec: JobTemplateSpec,
    }
);
slim!(
    /// `spec` of a Job template.
    JobTemplateSpec {
        /// The Pod template.
        template: PodTemplate,
    }
);
slim!(
    /// A Pod template.
    PodTemplate {
        /// Metadata.
        metadata: Metadata,
        /// Specification.
        spec: PodSpec,
    }
);
slim!(
    /// `status` of a workload; a field that the kind has not is its default.
    WorkloadStatus {
        /// Generation that the status speaks of.
        observed_generation: i64,
        /// Pods.
        replicas: i32,
        /// Ready Pods.
        ready_replicas: i32,
        /// Pods of the newest revision.
        updated_replicas: i32,
        /// Available Pods.
        available_replicas: i32,
        /// StatefulSet: current revision.
        current_revision: String,
        /// StatefulSet: newest revision.
        update_revision: String,
        /// DaemonSet: wanted Pods.
        desired_number_scheduled: i32,
        /// DaemonSet: ready Pods.
        number_ready: i32,
        /// DaemonSet: Pods of the newest revision.
        updated_number_scheduled: i32,
        /// Job: running Pods.
        active: Value,
        /// Job: Pods that succeeded.
        succeeded: i32,
        /// Job: Pods that failed.
        failed: i32,
        /// Conditions.
        conditions: Vec<Condition>,
    }
);
slim!(
    /// A Service.
    Service {
        /// Metadata.
        metadata: Metadata,
        /// Specification.
        spec: ServiceSpec,
        /// Status.
        status: Value,
    }
);
slim!(
    /// `spec` of a Service.
    ServiceSpec {
        /// Which Pods; empty: endpoints are made by hand.
        selector: Labels,
        /// Ports.
        ports: Vec<ServicePort>,
        /// `ClusterIP`, `NodePort`, `LoadBalancer`, `ExternalName`; empty means ClusterIP.
        #[serde(rename = "type")]
        kind: String,
        /// Its address; `None` for a headless Service.
        #[serde(rename = "clusterIP")]
        cluster_ip: String,
        /// All its addresses.
        #[serde(rename = "clusterIPs")]
        cluster_ips: Vec<String>,
        /// The name that an ExternalName leads to.
        external_name: String,
        /// Whether endpoints that are not ready are published.
        publish_not_ready_addresses: bool,
        /// `Cluster` or `Local`; empty means Cluster.
        internal_traffic_policy: String,
        /// IP families.
        ip_families: Vec<String>,
        /// IP family policy.
        ip_family_policy: String,
        /// Session affinity.
        session_affinity: String,
        /// `Cluster` or `Local`: to whom traffic from outside goes; empty means Cluster.
        external_traffic_policy: String,
        /// Addresses outside that lead to it.
        #[serde(rename = "externalIPs")]
        external_ips: Vec<String>,
        /// Sources that a balancer admits; empty: all.
        load_balancer_source_ranges: Vec<String>,
    }
);
slim!(
    /// A port of a Service.
    ServicePort {
        /// Name.
        name: String,
        /// Number.
        port: i32,
        /// Number or name of the Pods' port; null means `port`.
        target_port: Value,
        /// Transport; empty means TCP.
        protocol: String,
        /// Node port.
        node_port: i32,
        /// Application protocol.
        app_protocol: String,
    }
);
slim!(
    /// An EndpointSlice.
    EndpointSlice {
        /// Metadata; label `kubernetes.io/service-name` names the Service.
        metadata: Metadata,
        /// `IPv4`, `IPv6` or `FQDN`.
        address_type: String,
        /// Endpoints.
        endpoints: Vec<Endpoint>,
        /// Ports.
        ports: Vec<EndpointPort>,
    }
);
slim!(
    /// An endpoint.
    Endpoint {
        /// Addresses, all of the same endpoint.
        addresses: Vec<String>,
        /// Conditions.
        conditions: EndpointConditions,
        /// The object behind it.
        target_ref: Option<TargetRef>,
        /// Its node.
        node_name: String,
        /// Its host name.
        hostname: String,
        /// Topology hints.
        hints: Option<Value>,
    }
);
slim!(
    /// Conditions of an endpoint; absent `ready` and `serving` mean true, absent `terminating` false.
    EndpointConditions {
        /// Ready.
        ready: Option<bool>,
        /// Serving.
        serving: Option<bool>,
        /// Terminating.
        terminating: Option<bool>,
    }
);
slim!(
    /// The object behind an endpoint.
    TargetRef {
        /// Kind.
        kind: String,
        /// Name.
        name: String,
        /// Namespace.
        namespace: String,
        /// Unique id.
        uid: String,
    }
);
slim!(
    /// A port of an EndpointSlice.
    EndpointPort {
        /// Name, that of the Service's port.
        name: Option<String>,
        /// Number; absent: all ports.
        port: Option<i32>,
        /// Transport; empty means TCP.
        protocol: String,
    }
);
slim!(
    /// A NetworkPolicy.
    NetworkPolicy {
        /// Metadata.
        metadata: Metadata,
        /// Specification.
        spec: NetworkPolicySpec,
    }
);
slim!(
    /// `spec` of a NetworkPolicy.
    NetworkPolicySpec {
        /// Which Pods; empty: all of the namespace.
        pod_selector: LabelSelector,
        /// `Ingress`, `Egress`; absent: Ingress, and Egress if there are egress rules.
        policy_types: Vec<String>,
        /// What may come in; a null or empty rule list admits nothing.
        ingress: Vec<PolicyRule>,
        /// What may go out.
        egress: Vec<PolicyRule>,
    }
);
slim!(
    /// A rule of a NetworkPolicy; absent peers or ports admit all.
    PolicyRule {
        /// Sources.
        from: Vec<PolicyPeer>,
        /// Targets.
        to: Vec<PolicyPeer>,
        /// Ports.
        ports: Vec<PolicyPort>,
    }
);
slim!(
    /// A peer of a NetworkPolicy rule.
    PolicyPeer {
        /// Pods.
        pod_selector: Option<LabelSelector>,
        /// Namespaces.
        namespace_selector: Option<LabelSelector>,
        /// Addresses.
        ip_block: Option<IpBlock>,
    }
);
slim!(
    /// An address range.
    IpBlock {
        /// CIDR.
        cidr: String,
        /// Left out of it.
        except: Vec<String>,
    }
);
slim!(
    /// A port of a NetworkPolicy rule.
    PolicyPort {
        /// Transport; empty means TCP.
        protocol: String,
        /// Number or name; absent: all.
        port: Option<Value>,
        /// End of the range.
        end_port: Option<i32>,
    }
);
slim!(
    /// An Ingress.
    Ingress {
        /// Metadata.
        metadata: Metadata,
        /// Specification.
        spec: IngressSpec,
        /// Status.
        status: Value,
    }
);
slim!(
    /// `spec` of an Ingress.
    IngressSpec {
        /// Where what no rule takes goes.
        default_backend: Option<IngressBackend>,
        /// Rules.
        rules: Vec<IngressRule>,
        /// Class.
        ingress_class_name: String,
        /// Hosts that are served over TLS.
        tls: Vec<IngressTls>,
    }
);
slim!(
    /// `tls` of an Ingress.
    IngressTls {
        /// Hosts; empty: all.
        hosts: Vec<String>,
    }
);
slim!(
    /// A rule of an Ingress.
    IngressRule {
        /// Host.
        host: String,
        /// Paths.
        http: Option<IngressHttp>,
    }
);
slim!(
    /// `http` of an Ingress rule.
    IngressHttp {
        /// Paths.
        paths: Vec<IngressPath>,
    }
);
slim!(
    /// A path of an Ingress rule.
    IngressPath {
        /// Path.
        path: String,
        /// `Exact`, `Prefix` or `ImplementationSpecific`.
        path_type: String,
        /// Where it goes.
        backend: IngressBackend,
    }
);
slim!(
    /// A backend of an Ingress.
    IngressBackend {
        /// A Service.
        service: Option<IngressService>,
    }
);
slim!(
    /// A Service as a backend.
    IngressService {
        /// Name.
        name: String,
        /// Port.
        port: IngressPort,
    }
);
slim!(
    /// The port of a backend.
    IngressPort {
        /// Name.
        name: String,
        /// Number.
        number: i32,
    }
);
slim!(
    /// An event (`v1`).
    Event {
        /// Metadata.
        metadata: Metadata,
        /// What it is about.
        involved_object: InvolvedObject,
        /// Reason.
        reason: String,
        /// Message.
        message: String,
        /// `Normal` or `Warning`.
        #[serde(rename = "type")]
        kind: String,
        /// How often.
        count: i32,
        /// First seen.
        first_timestamp: Option<Timestamp>,
        /// Last seen.
        last_timestamp: Option<Timestamp>,
        /// When (newer form).
        event_time: Option<Timestamp>,
    }
);
slim!(
    /// What an event is about.
    InvolvedObject {
        /// Kind.
        kind: String,
        /// Name.
        name: String,
        /// Namespace.
        namespace: String,
        /// Unique id.
        uid: String,
        /// The field, such as `spec.containers{db}`.
        field_path: String,
    }
);
slim!(
    /// A PersistentVolumeClaim.
    VolumeClaim {
        /// Metadata.
        metadata: Metadata,
        /// Specification.
        spec: VolumeClaimSpec,
        /// Status.
        status: VolumeClaimStatus,
    }
);
slim!(
    /// `spec` of a claim.
    VolumeClaimSpec {
        /// Access modes.
        access_modes: Vec<String>,
        /// Class; absent: the default one.
        storage_class_name: Option<String>,
        /// Volume.
        volume_name: String,
    }
);
slim!(
    /// `status` of a claim.
    VolumeClaimStatus {
        /// `Pending`, `Bound`, `Lost`.
        phase: String,
    }
);
slim!(
    /// A ConfigMap. Never a Secret.
    ConfigMap {
        /// Metadata.
        metadata: Metadata,
        /// Text data.
        data: BTreeMap<String, String>,
        /// Keys of binary data; their values are dropped.
        binary_data: BTreeMap<String, String>,
    }
);
slim!(
    /// A Node.
    Node {
        /// Metadata.
        metadata: Metadata,
        /// Specification.
        spec: NodeSpec,
        /// Status.
        status: NodeStatus,
    }
);
slim!(
    /// `spec` of a Node.
    NodeSpec {
        /// Whether it is cordoned.
        unschedulable: bool,
        /// Taints, as they stand.
        taints: Vec<Value>,
    }
);
slim!(
    /// `status` of a Node.
    NodeStatus {
        /// Conditions.
        conditions: Vec<Condition>,
        /// Addresses.
        addresses: Vec<NodeAddress>,
    }
);
slim!(
    /// An address of a Node.
    NodeAddress {
        /// Type.
        #[serde(rename = "type")]
        kind: String,
        /// Address.
        address: String,
    }
);
slim!(
    /// A Namespace.
    Namespace {
        /// Metadata.
        metadata: Metadata,
    }
);
slim!(
    /// A PodDisruptionBudget.
    DisruptionBudget {
        /// Metadata.
        metadata: Metadata,
        /// Specification.
        spec: DisruptionBudgetSpec,
        /// Status.
        status: DisruptionBudgetStatus,
    }
);
slim!(
    /// `status` of a PodDisruptionBudget.
    DisruptionBudgetStatus {
        /// How many of its Pods may go now.
        disruptions_allowed: i32,
    }
);
slim!(
    /// `spec` of a PodDisruptionBudget.
    DisruptionBudgetSpec {
        /// Which Pods.
        selector: Option<LabelSelector>,
    }
);
slim!(
    /// A LimitRange.
    LimitRange {
        /// Metadata.
        metadata: Metadata,
        /// Specification.
        spec: LimitRangeSpec,
    }
);
slim!(
    /// `spec` of a LimitRange.
    LimitRangeSpec {
        /// What holds for each type.
        limits: Vec<LimitItem>,
    }
);
slim!(
    /// What a LimitRange asks of one type of object; amounts are quantities by resource.
    LimitItem {
        /// `Container`, `Pod` or `PersistentVolumeClaim`.
        #[serde(rename = "type")]
        kind: String,
        /// The least request.
        min: Labels,
        /// The greatest limit.
        max: Labels,
        /// The greatest limit for a request of 1.
        max_limit_request_ratio: Labels,
    }
);

/// Whether a label selector matches: an empty one matches everything.
#[must_use]
pub fn selector_matches(selector: &LabelSelector, labels: &Labels) -> bool {
    selector
        .match_labels
        .iter()
        .all(|(key, value)| labels.get(key) == Some(value))
        && selector.match_expressions.iter().all(|expression| {
            let value = labels.get(&expression.key);
            match expression.operator.as_str() {
                "In" => value.is_some_and(|value| expression.values.contains(value)),
                "NotIn" => value.is_none_or(|value| !expression.values.contains(value)),
                "Exists" => value.is_some(),
                "DoesNotExist" => value.is_none(),
                _ => false,
            }
        })
}

/// Whether a Service's selector matches; an empty one selects nothing.
#[must_use]
pub fn service_selects(selector: &Labels, labels: &Labels) -> bool {
    !selector.is_empty()
        && selector
            .iter()
            .all(|(key, value)| labels.get(key) == Some(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_and_absent_fields_are_defaults() {
        let pod: Pod = serde_json::from_str(r#"{"metadata":{"name":"db","labels":null},"spec":{"containers":[{"name":"db","env":null}]},"status":{"podIP":"10.0.0.1","podIPs":[{"ip":"10.0.0.1"}]}}"#)
            .unwrap();
        assert_eq!(pod.metadata.name, "db");
        assert_eq!(pod.status.pod_ip, "10.0.0.1");
        assert!(pod.metadata.labels.is_empty());
    }
}
