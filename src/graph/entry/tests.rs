use super::*;
use crate::compose::Port;
use crate::diagnose::fixtures;

const NODES: &str = "
kind: Node
metadata: {name: n1}
status: {addresses: [{type: InternalIP, address: 10.0.0.1}, {type: Hostname, address: n1}], conditions: [{type: Ready, status: 'True'}]}
---
kind: Node
metadata: {name: n2}
status: {addresses: [{type: InternalIP, address: 10.0.0.2}], conditions: [{type: Ready, status: 'False'}]}
---
";

fn built(objects: &str) -> TierGraph {
    let snapshot = fixtures::snapshot(objects);
    let mut graph = fixtures::graph(&["LB->WEB:80/http"]);
    fill(&mut graph, None, &snapshot, &Config::default());
    graph
}

#[test]
fn a_node_port_is_asked_for_on_nodes_that_are_ready() {
    let graph = built(&format!(
        "{NODES}kind: Service\nmetadata: {{name: web}}\nspec: {{type: NodePort, externalTrafficPolicy: Local, ports: [{{port: 80, nodePort: 30080}}]}}"
    ));
    let [entry] = graph.entries.as_slice() else {
        panic!("{:?}", graph.entries)
    };
    assert_eq!(entry.id, "node-port/web:30080");
    assert_eq!((entry.to.as_str(), entry.local), ("WEB", true));
    assert_eq!(entry.protocol, Protocol::Http);
    let addresses: Vec<String> = entry.addresses.iter().map(ToString::to_string).collect();
    assert_eq!(addresses, ["10.0.0.1:30080"]);
}

#[test]
fn a_cluster_ip_is_no_way_in_and_a_balancer_has_the_addresses_of_its_status() {
    assert!(
        built("kind: Service\nmetadata: {name: web}\nspec: {ports: [{port: 80}]}")
            .entries
            .is_empty()
    );
    let graph = built(
        "kind: Service\nmetadata: {name: web}\nspec: {type: LoadBalancer, ports: [{port: 80, nodePort: 30080}]}\nstatus: {loadBalancer: {ingress: [{ip: 203.0.113.7}, {hostname: lb.example}]}}",
    );
    let addresses: Vec<String> = graph.entries[0]
        .addresses
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(addresses, ["203.0.113.7:80", "lb.example:80"]);
}

#[test]
fn a_rule_of_an_ingress_leads_to_the_tier_behind_its_service() {
    let graph = built("
kind: Service
metadata: {name: web}
spec: {ports: [{port: 80, name: http}]}
---
kind: Ingress
metadata: {name: shop}
spec:
  tls: [{hosts: ['*.example']}]
  rules:
  - host: shop.example
    http: {paths: [{path: /, backend: {service: {name: web, port: {name: http}}}}, {path: /x, backend: {service: {name: gone, port: {number: 1}}}}]}
status: {loadBalancer: {ingress: [{ip: 10.9.9.9}]}}");
    let [entry] = graph.entries.as_slice() else {
        panic!("{:?}", graph.entries)
    };
    assert_eq!(entry.id, "ingress/shop:shop.example/");
    let rule = entry.rule.as_ref().unwrap();
    assert!(rule.tls);
    assert_eq!(entry.addresses[0].to_string(), "10.9.9.9:443");
}

#[test]
fn what_compose_publishes_and_nothing_leads_to_is_named_but_for_stores_and_loopback() {
    let published = |target, host_ip: Option<&str>| Port {
        target,
        published: Some("8080".into()),
        host_ip: host_ip.map(str::to_owned),
        transport: "tcp".into(),
        mode: "ingress".into(),
        app_protocol: None,
        name: None,
    };
    let unreached = |service: &str, port: Port| {
        let snapshot = fixtures::snapshot(&format!(
            "kind: Service\nmetadata: {{name: web}}\nspec: {service}\n---\nkind: Deployment\nmetadata: {{name: web}}\nspec: {{template: {{spec: {{containers: [{{name: web}}]}}}}}}"
        ));
        let mut graph = fixtures::graph(&["LB->WEB:80/http"]);
        let mut compose = ComposeFile::default();
        compose.services.insert(
            "WEB".into(),
            crate::compose::Service {
                ports: vec![port],
                ..Default::default()
            },
        );
        fill(&mut graph, Some(&compose), &snapshot, &Config::default());
        graph.unreached
    };
    let closed = "{ports: [{port: 80}]}";
    assert_eq!(unreached(closed, published(80, None))[0].ports, ["8080:80"]);
    assert!(unreached(closed, published(80, Some("127.0.0.1"))).is_empty());
    let open = "{type: NodePort, ports: [{port: 80, nodePort: 30080}]}";
    assert!(unreached(open, published(80, None)).is_empty());
    let external = "{externalIPs: [192.0.2.1], ports: [{port: 80}]}";
    assert!(unreached(external, published(80, None)).is_empty());
}
