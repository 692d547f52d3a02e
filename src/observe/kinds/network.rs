//! Services, EndpointSlices, NetworkPolicies and Ingresses. Pure data.

use std::net::IpAddr;
use std::num::NonZeroU16;

use serde::Deserialize;
use serde_json::Value;

use super::{LabelSelector, Labels, Metadata, PodSpec, addresses, null_is_default, transport};

slim!(
    /// A Service.
    Service {
        metadata: Metadata,
        /// Specification.
        spec: ServiceSpec,
        status: Value,
    }
);
slim!(
    /// `spec` of a Service.
    ServiceSpec {
        /// Which Pods; empty: endpoints are made by hand.
        selector: Labels,
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
        ip_families: Vec<String>,
        /// `Cluster` or `Local`: to whom traffic from outside goes; empty means Cluster.
        external_traffic_policy: String,
        /// Addresses outside that lead to it.
        #[serde(rename = "externalIPs")]
        external_ips: Vec<String>,
        /// Sources that a balancer admits; empty: all.
        load_balancer_source_ranges: Vec<String>,
    }
);
impl ServiceSpec {
    /// Whether it is an alias of another name.
    pub fn is_external_name(&self) -> bool {
        self.kind == "ExternalName"
    }

    /// Whether it has no address of its own: clients get those of its Pods, and dial their ports.
    pub fn is_headless(&self) -> bool {
        self.cluster_ip == "None"
    }

    /// Its own addresses; none if it is headless or an alias.
    pub fn addresses(&self) -> Vec<IpAddr> {
        addresses(self.cluster_ips.iter().chain([&self.cluster_ip]))
    }

    /// Its port of that number and transport.
    pub fn port(&self, number: NonZeroU16, transport: &str) -> Option<&ServicePort> {
        self.ports
            .iter()
            .find(|port| port.is(number) && port.transport() == transport)
    }
}

slim!(
    /// A port of a Service.
    ServicePort {
        name: String,
        /// Number.
        port: i32,
        /// Number or name of the Pods' port; null means `port`.
        target_port: Value,
        /// Transport; empty means TCP.
        protocol: String,
        node_port: i32,
        /// Application protocol.
        app_protocol: String,
    }
);
impl ServicePort {
    /// Whether that is its number.
    pub fn is(&self, number: NonZeroU16) -> bool {
        self.port == i32::from(number.get())
    }

    /// `TCP`, `UDP` or `SCTP`.
    pub fn transport(&self) -> &str {
        transport(&self.protocol)
    }

    /// The name of its target, if that is a name.
    pub fn target_name(&self) -> Option<&str> {
        self.target_port
            .as_str()
            .filter(|text| text.parse::<u16>().is_err())
    }

    /// The number of its target in Pods of that kind: a name is looked up in containers and native sidecars; `None` where none
    /// declares it.
    pub fn target(&self, spec: &PodSpec) -> Option<NonZeroU16> {
        let number = match self.target_name() {
            Some(name) => spec
                .long_running()
                .flat_map(|container| &container.ports)
                .find(|declared| declared.name == name && declared.transport() == self.transport())
                .map(|declared| i64::from(declared.container_port))?,
            // Absent and 0 both mean the Service's own port.
            None => match &self.target_port {
                Value::Number(number) => number.as_i64(),
                Value::String(text) => text.parse().ok(),
                _ => None,
            }
            .filter(|number| *number != 0)
            .unwrap_or_else(|| i64::from(self.port)),
        };
        u16::try_from(number).ok().and_then(NonZeroU16::new)
    }
}

slim!(
    /// An EndpointSlice.
    EndpointSlice {
        /// Metadata; label `kubernetes.io/service-name` names the Service.
        metadata: Metadata,
        /// `IPv4`, `IPv6` or `FQDN`.
        address_type: String,
        endpoints: Vec<Endpoint>,
        ports: Vec<EndpointPort>,
    }
);
slim!(
    /// An endpoint.
    Endpoint {
        /// Addresses, all of the same endpoint.
        addresses: Vec<String>,
        conditions: EndpointConditions,
        /// The object behind it.
        target_ref: Option<TargetRef>,
        node_name: String,
        /// Its host name.
        hostname: String,
        /// Topology hints.
        hints: Option<Value>,
    }
);
slim!(
    /// Conditions of an endpoint; absent `ready` means true, absent `terminating` false.
    EndpointConditions {
        ready: Option<bool>,
        terminating: Option<bool>,
    }
);
slim!(
    /// The object behind an endpoint.
    TargetRef {
        kind: String,
        name: String,
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
        ports: Vec<PolicyPort>,
    }
);
slim!(
    /// A peer of a NetworkPolicy rule.
    PolicyPeer {
        pod_selector: Option<LabelSelector>,
        namespace_selector: Option<LabelSelector>,
        /// Addresses.
        ip_block: Option<IpBlock>,
    }
);
slim!(
    /// An address range.
    IpBlock {
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
        metadata: Metadata,
        /// Specification.
        spec: IngressSpec,
        status: Value,
    }
);
slim!(
    /// An `HTTPRoute` of the Gateway API.
    HttpRoute {
        metadata: Metadata,
        /// Specification.
        spec: HttpRouteSpec,
    }
);
slim!(
    /// `spec` of an `HTTPRoute`.
    HttpRouteSpec {
        /// Hosts; none: every host.
        hostnames: Vec<String>,
        rules: Vec<HttpRouteRule>,
    }
);
slim!(
    /// A rule of an `HTTPRoute`.
    HttpRouteRule {
        /// What it takes; none: every path.
        matches: Vec<HttpRouteMatch>,
        /// Where it goes.
        backend_refs: Vec<BackendReference>,
    }
);
slim!(
    /// What a rule of an `HTTPRoute` takes.
    HttpRouteMatch {
        path: HttpRoutePath,
    }
);
slim!(
    /// A path of an `HTTPRoute`.
    HttpRoutePath {
        value: String,
        /// `Exact`, `PathPrefix` or `RegularExpression`.
        #[serde(rename = "type")]
        kind: String,
    }
);
slim!(
    /// A backend of an `HTTPRoute`.
    BackendReference {
        /// API group; empty for a Service.
        group: String,
        /// Kind; empty for a Service.
        kind: String,
        /// Namespace; empty for the route's own.
        namespace: String,
        name: String,
        port: i32,
    }
);
slim!(
    /// `spec` of an Ingress.
    IngressSpec {
        /// Where what no rule takes goes.
        default_backend: Option<IngressBackend>,
        rules: Vec<IngressRule>,
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
        host: String,
        /// Paths.
        http: Option<IngressHttp>,
    }
);
slim!(
    /// `http` of an Ingress rule.
    IngressHttp {
        paths: Vec<IngressPath>,
    }
);
slim!(
    /// A path of an Ingress rule.
    IngressPath {
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
        service: Option<IngressService>,
    }
);
slim!(
    /// A Service as a backend.
    IngressService {
        name: String,
        port: IngressPort,
    }
);
slim!(
    /// The port of a backend.
    IngressPort {
        name: String,
        number: i32,
    }
);
