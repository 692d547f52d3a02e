use std::net::IpAddr;

use super::*;
use crate::observe::kinds::{Namespace, Pod, Service};
use crate::observe::{NamespaceState, ServiceKey, WorkloadKey};

/// A namespace `shop` with the Pods web, ap and db, and a namespace `data` (label team=data) with the Pod store.
fn world(policies: &str) -> Snapshot {
    let pods = "
- {metadata: {name: web, namespace: shop, labels: {app: web}}, spec: {nodeName: n1}, status: {podIP: 10.1.0.1}}
- {metadata: {name: ap, namespace: shop, labels: {app: ap, tier: back}}, spec: {nodeName: n1}, status: {podIP: 10.1.0.2, podIPs: [{ip: 10.1.0.2}, {ip: 'fd00::2'}]}}
- {metadata: {name: db, namespace: shop, labels: {app: db}}, spec: {nodeName: n2, containers: [{name: db, ports: [{name: sql, containerPort: 3306}, {name: dns, containerPort: 53, protocol: UDP}]}]}, status: {podIP: 10.1.1.3}}
- {metadata: {name: agent, namespace: shop, labels: {app: agent}}, spec: {nodeName: n2, hostNetwork: true}, status: {podIP: 10.77.0.2}}
";
    let store = "
- {metadata: {name: store, namespace: data, labels: {app: db}}, spec: {nodeName: n2}, status: {podIP: 10.1.1.9}}
";
    let namespace = |labels: &str| -> Option<Namespace> {
        Some(serde_saphyr::from_str(&format!("metadata: {{labels: {labels}}}")).unwrap())
    };
    let mut snapshot = Snapshot {
        namespace: "shop".to_owned(),
        ..Snapshot::default()
    };
    let mut shop = NamespaceState {
        object: namespace("{env: prod}"),
        pods: serde_saphyr::from_str::<Vec<Pod>>(pods).unwrap(),
        ..NamespaceState::default()
    };
    for document in policies
        .split("---\n")
        .filter(|text| !text.trim().is_empty())
    {
        shop.network_policies
            .push(serde_saphyr::from_str(document).unwrap());
    }
    let data = NamespaceState {
        object: namespace("{team: data}"),
        pods: serde_saphyr::from_str::<Vec<Pod>>(store).unwrap(),
        ..NamespaceState::default()
    };
    snapshot.namespaces.insert("shop".to_owned(), shop);
    snapshot.namespaces.insert("data".to_owned(), data);
    for resource in ["networkpolicies", "networkpolicies@data"] {
        snapshot.observed.insert(resource.to_owned(), Observed::Ok);
    }
    snapshot
}

fn peer(snapshot: &Snapshot, name: &str) -> Peer {
    let namespace = if name == "store" { "data" } else { "shop" };
    Peer::of_pod(snapshot, snapshot.pod(namespace, name).unwrap())
}

fn port(number: u16) -> NonZeroU16 {
    NonZeroU16::new(number).unwrap()
}

fn asked(snapshot: &Snapshot, from: &str, to: &str, number: u16) -> Decision {
    let (from, to) = (peer(snapshot, from), peer(snapshot, to));
    evaluate(snapshot, &from, &to, port(number), "TCP")
}

fn verdict(policies: &str, from: &str, to: &str, number: u16) -> &'static str {
    match asked(&world(policies), from, to, number) {
        Decision::Allowed => "allowed",
        Decision::Denied(_) => "denied",
        Decision::Unknown(_) => "unknown",
    }
}

/// Asserts `(from, to, port, verdict)` against policies.
#[track_caller]
fn all(policies: &str, expected: &[(&str, &str, u16, &str)]) {
    for (from, to, number, wanted) in expected {
        let seen = verdict(policies, from, to, *number);
        assert_eq!(seen, *wanted, "{from} -> {to}:{number} under {policies}");
    }
}

#[test]
fn without_policies_everything_passes() {
    all(
        "",
        &[
            ("ap", "db", 3306, "allowed"),
            ("store", "ap", 80, "allowed"),
        ],
    );
}

#[test]
fn absent_policy_types_mean_ingress_and_egress_only_with_rules() {
    all(
        "{metadata: {name: p}, spec: {podSelector: {matchLabels: {app: db}}}}",
        &[
            ("ap", "db", 3306, "denied"),
            ("db", "ap", 80, "allowed"),
            ("ap", "web", 80, "allowed"),
        ],
    );
    all(
        "{metadata: {name: p}, spec: {podSelector: {matchLabels: {app: ap}}, egress: [{to: [{podSelector: {matchLabels: {app: web}}}]}]}}",
        &[
            ("ap", "db", 3306, "denied"),
            ("ap", "web", 80, "allowed"),
            ("web", "ap", 80, "denied"),
        ],
    );
    all(
        "{metadata: {name: p}, spec: {podSelector: {matchLabels: {app: ap}}, policyTypes: [Egress]}}",
        &[("ap", "db", 3306, "denied"), ("web", "ap", 80, "allowed")],
    );
    // Egress rules without the type Egress have no effect.
    all(
        "{metadata: {name: p}, spec: {podSelector: {matchLabels: {app: ap}}, policyTypes: [Ingress], egress: [{to: []}], ingress: [{}]}}",
        &[("ap", "db", 3306, "allowed"), ("web", "ap", 80, "allowed")],
    );
}

#[test]
fn an_empty_selector_takes_all_pods_of_its_namespace_and_of_no_other() {
    all(
        "{metadata: {name: p}, spec: {podSelector: {}, ingress: [{from: [{podSelector: {}}]}]}}",
        &[
            ("ap", "db", 3306, "allowed"),
            ("store", "db", 3306, "denied"),
            ("ap", "store", 3306, "allowed"),
        ],
    );
    // An empty rule admits all, an empty list of rules no one.
    all(
        "{metadata: {name: p}, spec: {podSelector: {}, ingress: [{}]}}",
        &[("store", "db", 3306, "allowed")],
    );
    all(
        "{metadata: {name: p}, spec: {podSelector: {}, ingress: []}}",
        &[("ap", "db", 3306, "denied")],
    );
}

#[test]
fn namespace_and_pod_selector_in_one_peer_must_both_match() {
    let both = "{metadata: {name: p}, spec: {podSelector: {matchLabels: {app: ap}}, ingress: [{from: [{namespaceSelector: {matchLabels: {team: data}}, podSelector: {matchLabels: {app: db}}}]}]}}";
    all(
        both,
        &[("store", "ap", 80, "allowed"), ("db", "ap", 80, "denied")],
    );
    let either = "{metadata: {name: p}, spec: {podSelector: {matchLabels: {app: ap}}, ingress: [{from: [{namespaceSelector: {matchLabels: {team: data}}}, {podSelector: {matchLabels: {app: db}}}]}]}}";
    all(
        either,
        &[
            ("store", "ap", 80, "allowed"),
            ("db", "ap", 80, "allowed"),
            ("web", "ap", 80, "denied"),
        ],
    );
    let every = "{metadata: {name: p}, spec: {podSelector: {matchLabels: {app: ap}}, ingress: [{from: [{namespaceSelector: {}}]}]}}";
    all(
        every,
        &[("store", "ap", 80, "allowed"), ("web", "ap", 80, "allowed")],
    );
    let named = "{metadata: {name: p}, spec: {podSelector: {matchLabels: {app: ap}}, ingress: [{from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: data}}}]}]}}";
    all(
        named,
        &[("store", "ap", 80, "allowed"), ("web", "ap", 80, "denied")],
    );
}

#[test]
fn match_expressions_count() {
    let policy = "{metadata: {name: p}, spec: {podSelector: {matchExpressions: [{key: app, operator: In, values: [db, kvs]}]}, ingress: [{from: [{podSelector: {matchExpressions: [{key: tier, operator: Exists}, {key: app, operator: NotIn, values: [web]}]}}]}]}}";
    all(
        policy,
        &[
            ("ap", "db", 3306, "allowed"),
            ("web", "db", 3306, "denied"),
            ("web", "ap", 80, "allowed"),
        ],
    );
}

#[test]
fn address_ranges_have_holes_and_two_families() {
    let range = |subject: &str, block: &str| {
        format!(
            "{{metadata: {{name: p}}, spec: {{podSelector: {{matchLabels: {{app: {subject}}}}}, ingress: [{{from: [{{ipBlock: {block}}}]}}]}}}}"
        )
    };
    all(
        &range("db", "{cidr: 10.1.0.0/24}"),
        &[
            ("ap", "db", 3306, "allowed"),
            ("store", "db", 3306, "denied"),
        ],
    );
    all(
        &range("db", "{cidr: 10.1.0.0/24, except: [10.1.0.2/32]}"),
        &[("ap", "db", 3306, "denied"), ("web", "db", 3306, "allowed")],
    );
    all(
        &range("db", "{cidr: 192.168.0.0/16}"),
        &[("ap", "db", 3306, "denied")],
    );
    // A connection is of one family.
    all(
        &range("db", "{cidr: 'fd00::/64'}"),
        &[("ap", "db", 3306, "denied")],
    );
    let snapshot = world(&range("ap", "{cidr: 'fd00::/64', except: ['fd00::8/128']}"));
    let from = |address: &str| {
        let source = Peer::outside("client", Some(address.parse().unwrap()));
        evaluate(&snapshot, &source, &peer(&snapshot, "ap"), port(80), "TCP")
    };
    assert_eq!(from("fd00::7"), Decision::Allowed);
    assert!(from("fd00::8").is_denied());
    assert!(from("10.1.0.1").is_denied());
}

#[test]
fn an_address_that_is_not_known_yet_decides_nothing() {
    let snapshot = world(
        "{metadata: {name: p}, spec: {podSelector: {matchLabels: {app: db}}, ingress: [{from: [{ipBlock: {cidr: 10.1.0.0/24}}]}]}}",
    );
    let source = Peer {
        addresses: Vec::new(),
        ..peer(&snapshot, "ap")
    };
    let decision = evaluate(
        &snapshot,
        &source,
        &peer(&snapshot, "db"),
        port(3306),
        "TCP",
    );
    assert!(matches!(decision, Decision::Unknown(_)), "{decision:?}");
}

#[test]
fn ports_are_distinguished_by_number_range_name_and_transport() {
    let ports = |ports: &str| {
        format!(
            "{{metadata: {{name: p}}, spec: {{podSelector: {{matchLabels: {{app: db}}}}, ingress: [{{ports: {ports}}}]}}}}"
        )
    };
    all(
        &ports("[{port: 3306}]"),
        &[("ap", "db", 3306, "allowed"), ("ap", "db", 3307, "denied")],
    );
    all(
        &ports("[{port: 3000, endPort: 4000}]"),
        &[
            ("ap", "db", 3306, "allowed"),
            ("ap", "db", 4000, "allowed"),
            ("ap", "db", 4001, "denied"),
        ],
    );
    all(
        &ports("[{port: sql}]"),
        &[("ap", "db", 3306, "allowed"), ("ap", "db", 53, "denied")],
    );
    all(&ports("[{port: dns}]"), &[("ap", "db", 53, "denied")]);
    all(
        &ports("[{port: 3306, protocol: UDP}]"),
        &[("ap", "db", 3306, "denied")],
    );
    all(&ports("[{protocol: TCP}]"), &[("ap", "db", 9, "allowed")]);
    all(&ports("[]"), &[("ap", "db", 9, "allowed")]);
}

#[test]
fn policies_add_up_and_both_ends_must_agree() {
    let no_one = "{metadata: {name: no-one}, spec: {podSelector: {}, policyTypes: [Ingress, Egress]}}\n---\n";
    let out = "{metadata: {name: out}, spec: {podSelector: {matchLabels: {app: ap}}, policyTypes: [Egress], egress: [{to: [{podSelector: {matchLabels: {app: db}}}]}]}}\n---\n";
    let into = "{metadata: {name: into}, spec: {podSelector: {matchLabels: {app: db}}, ingress: [{from: [{podSelector: {matchLabels: {app: ap}}}], ports: [{port: 3306}]}]}}\n---\n";
    all(
        &[no_one, out, into].concat(),
        &[
            ("ap", "db", 3306, "allowed"),
            ("ap", "db", 80, "denied"),
            ("web", "db", 3306, "denied"),
        ],
    );
    let decision = asked(&world(&[no_one, out].concat()), "ap", "db", 3306);
    let Decision::Denied(denials) = decision else {
        panic!("{decision:?}")
    };
    assert_eq!(denials.len(), 1);
    assert_eq!(denials[0].direction, Direction::Ingress);
    assert_eq!(denials[0].policies[0].name, "no-one");
    let Decision::Denied(denials) = asked(&world(no_one), "ap", "db", 3306) else {
        panic!("must be denied")
    };
    assert_eq!(denials.len(), 2);
}

#[test]
fn a_pod_reaches_itself_and_its_node_reaches_it() {
    let no_one =
        "{metadata: {name: no-one}, spec: {podSelector: {}, policyTypes: [Ingress, Egress]}}";
    all(
        no_one,
        &[
            ("db", "db", 3306, "allowed"),
            ("agent", "db", 3306, "allowed"),
            ("db", "agent", 80, "allowed"),
            ("agent", "ap", 80, "denied"),
        ],
    );
    // Whether a selector takes a host-network Pod of another node is the plugin's choice.
    let agent = "{metadata: {name: p}, spec: {podSelector: {matchLabels: {app: ap}}, ingress: [{from: [{podSelector: {matchLabels: {app: agent}}}]}]}}";
    all(
        agent,
        &[
            ("agent", "ap", 80, "unknown"),
            ("ap", "agent", 80, "allowed"),
        ],
    );
    let node = "{metadata: {name: p}, spec: {podSelector: {matchLabels: {app: ap}}, ingress: [{from: [{ipBlock: {cidr: 10.77.0.0/16}}]}]}}";
    all(node, &[("agent", "ap", 80, "allowed")]);
}

#[test]
fn what_could_not_be_read_is_unknown() {
    let other = "{metadata: {name: p}, spec: {podSelector: {matchLabels: {app: ap}}, ingress: [{from: [{namespaceSelector: {matchLabels: {team: data}}}]}]}}";
    let mut snapshot = world(other);
    snapshot.namespaces.get_mut("data").unwrap().object = None;
    assert!(matches!(
        asked(&snapshot, "store", "ap", 80),
        Decision::Unknown(_)
    ));
    // Its own namespace's labels are known: this is a denial all the same.
    assert!(asked(&snapshot, "web", "ap", 80).is_denied());
    snapshot
        .observed
        .insert("networkpolicies@data".to_owned(), Observed::Forbidden);
    assert!(matches!(
        asked(&snapshot, "web", "store", 80),
        Decision::Unknown(_)
    ));
    snapshot
        .observed
        .insert("networkpolicies".to_owned(), Observed::Forbidden);
    assert!(matches!(
        asked(&snapshot, "web", "db", 80),
        Decision::Unknown(_)
    ));
}

#[test]
fn a_denial_names_the_nearest_policy_first_and_the_rule_that_is_missing() {
    let no_one = "{metadata: {name: a-no-one}, spec: {podSelector: {}}}\n---\n";
    let clients = "{metadata: {name: db-clients}, spec: {podSelector: {matchLabels: {app: db}}, ingress: [{from: [{podSelector: {matchLabels: {app: batch}}}]}]}}\n---\n";
    let Decision::Denied(denials) = asked(&world(&[no_one, clients].concat()), "ap", "db", 3306)
    else {
        panic!("must be denied")
    };
    let names: Vec<&str> = denials[0]
        .policies
        .iter()
        .map(|policy| policy.name.as_str())
        .collect();
    assert_eq!(names, ["db-clients", "a-no-one"]);
    assert_eq!(
        denials[0].reason,
        "networkpolicy/db-clients admits connections from Pods with app=batch of this namespace only"
    );
    assert_eq!(
        denials[0].missing,
        "an ingress rule that admits Pods with app=ap,tier=back to Pods with app=db on TCP 3306"
    );

    let other_port = "{metadata: {name: p}, spec: {podSelector: {matchLabels: {app: db}}, ingress: [{from: [{podSelector: {matchLabels: {app: ap}}}], ports: [{port: 3307}]}]}}";
    let Decision::Denied(denials) = asked(&world(other_port), "ap", "db", 3306) else {
        panic!("must be denied")
    };
    assert_eq!(
        denials[0].reason,
        "networkpolicy/p admits Pods with app=ap,tier=back on TCP 3307 only, not on TCP 3306"
    );

    let unknown = other_port.replace("3307", "mysql");
    let Decision::Denied(denials) = asked(&world(&unknown), "ap", "db", 3306) else {
        panic!("must be denied")
    };
    assert!(
        denials[0]
            .reason
            .contains("TCP mysql (no container of db calls a port so)"),
        "{}",
        denials[0].reason
    );
    let egress =
        "{metadata: {name: p}, spec: {podSelector: {matchLabels: {app: db}}, egress: [{}]}}";
    let Decision::Denied(denials) = asked(&world(egress), "ap", "db", 3306) else {
        panic!("must be denied")
    };
    assert!(
        denials[0].reason.contains("rules for egress alone"),
        "{}",
        denials[0].reason
    );
}

#[test]
fn the_fix_admits_exactly_the_edge_in_either_direction() {
    let no_one = "{metadata: {name: no-one}, spec: {podSelector: {}, policyTypes: [Ingress, Egress]}}\n---\n";
    let snapshot = world(no_one);
    let (source, target) = (peer(&snapshot, "ap"), peer(&snapshot, "db"));
    let Decision::Denied(denials) = asked(&snapshot, "ap", "db", 3306) else {
        panic!("must be denied")
    };
    let mut policies = no_one.to_owned();
    for denial in &denials {
        let fix = fix(denial, &source, &target, port(3306), &["TCP"]);
        policies.push_str(&fix.manifest.unwrap());
        policies.push_str("\n---\n");
    }
    all(
        &policies,
        &[
            ("ap", "db", 3306, "allowed"),
            ("ap", "db", 80, "denied"),
            ("web", "db", 3306, "denied"),
            ("ap", "web", 3306, "denied"),
        ],
    );
}

#[test]
fn the_service_way_sees_its_address_and_port() {
    let pod_port = "{metadata: {name: p}, spec: {podSelector: {matchLabels: {app: ap}}, policyTypes: [Egress], egress: [{to: [{podSelector: {matchLabels: {app: db}}}], ports: [{port: 3306}]}]}}";
    let snapshot = world(pod_port);
    let (source, target) = (peer(&snapshot, "ap"), peer(&snapshot, "db"));
    let address: IpAddr = "10.96.0.9".parse().unwrap();
    let both = |number: u16| {
        both_ways(
            &snapshot,
            &source,
            &target,
            port(3306),
            "TCP",
            Some((&[address], port(number))),
        )
    };
    assert_eq!(both(3306).agreed(), Some(&Decision::Allowed));
    assert_eq!(both(80).agreed(), None);
    assert!(both(80).is_denied_somehow() && !both(80).is_denied());
    let ranges = "{metadata: {name: p}, spec: {podSelector: {matchLabels: {app: ap}}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 10.96.0.0/16}}]}]}}";
    let snapshot = world(ranges);
    let decision = both_ways(
        &snapshot,
        &source,
        &target,
        port(3306),
        "TCP",
        Some((&[address], port(3306))),
    );
    assert!(decision.pod.is_denied());
    assert_eq!(decision.service, Some(Decision::Allowed));
}

fn with_dns(policies: &str) -> Snapshot {
    let mut snapshot = world(policies);
    let service: Service = serde_saphyr::from_str("{metadata: {name: kube-dns, namespace: kube-system, labels: {k8s-app: kube-dns}}, spec: {clusterIP: 10.96.0.10, selector: {k8s-app: kube-dns}, ports: [{name: dns, port: 53, targetPort: 5353, protocol: UDP}]}}").unwrap();
    let pod: Pod = serde_saphyr::from_str("{metadata: {name: coredns, namespace: kube-system, labels: {k8s-app: kube-dns}}, status: {podIP: 10.1.9.9}}").unwrap();
    let slice = serde_saphyr::from_str("{metadata: {name: kube-dns-1, labels: {kubernetes.io/service-name: kube-dns}}, addressType: IPv4, ports: [{name: dns, port: 5353, protocol: UDP}], endpoints: [{addresses: [10.1.9.9], targetRef: {kind: Pod, name: coredns, namespace: kube-system}}]}").unwrap();
    let state = NamespaceState {
        services: vec![service],
        pods: vec![pod],
        endpoint_slices: vec![slice],
        ..NamespaceState::default()
    };
    snapshot.namespaces.insert("kube-system".to_owned(), state);
    snapshot
}

#[test]
fn dns_is_judged_by_the_endpoints_and_target_port_of_its_service() {
    let egress = |rule: &str| {
        format!(
            "{{metadata: {{name: p}}, spec: {{podSelector: {{matchLabels: {{app: ap}}}}, policyTypes: [Egress], egress: [{rule}]}}}}"
        )
    };
    let server: IpAddr = "10.96.0.10".parse().unwrap();
    let judge = |rule: &str, servers: &[IpAddr]| {
        let snapshot = with_dns(&egress(rule));
        dns(&snapshot, &peer(&snapshot, "ap"), servers).decision
    };
    for servers in [&[server][..], &[]] {
        assert!(judge("{to: [{podSelector: {}}]}", servers).is_denied());
        assert_eq!(
            judge(
                "{ports: [{port: 5353, protocol: UDP}, {port: 53, protocol: UDP}]}",
                servers
            )
            .agreed(),
            Some(&Decision::Allowed)
        );
        // The port after translation only: the ways differ.
        assert_eq!(
            judge("{ports: [{port: 5353, protocol: UDP}]}", servers).agreed(),
            None
        );
        assert!(judge("{ports: [{port: 53, protocol: TCP}]}", servers).is_denied());
    }
    let node_local: IpAddr = "169.254.20.10".parse().unwrap();
    assert!(matches!(
        judge("{to: [{podSelector: {}}]}", &[node_local]).pod,
        Decision::Unknown(_)
    ));
}

#[test]
fn dns_that_could_not_be_read_is_denied_only_if_no_rule_could_mean_it() {
    let egress = |rule: &str| {
        format!(
            "{{metadata: {{name: p}}, spec: {{podSelector: {{matchLabels: {{app: ap}}}}, policyTypes: [Egress], egress: [{rule}]}}}}"
        )
    };
    let server: IpAddr = "10.96.0.10".parse().unwrap();
    let judge = |rule: &str| {
        let snapshot = world(&egress(rule));
        dns(&snapshot, &peer(&snapshot, "ap"), &[server])
            .decision
            .pod
    };
    assert!(judge("{to: [{podSelector: {matchLabels: {app: db}}}]}").is_denied());
    assert!(judge("{to: [{namespaceSelector: {}}], ports: [{port: 443}]}").is_denied());
    assert_eq!(
        judge("{ports: [{port: 53, protocol: UDP}]}"),
        Decision::Allowed
    );
    assert!(matches!(
        judge("{to: [{namespaceSelector: {matchLabels: {a: b}}}]}"),
        Decision::Unknown(_)
    ));
    let snapshot = world("");
    assert_eq!(
        dns(&snapshot, &peer(&snapshot, "ap"), &[server])
            .decision
            .pod,
        Decision::Allowed
    );
}

#[test]
fn a_route_follows_the_service_to_pods_and_their_ports() {
    let mut snapshot = with_dns("");
    let alias: Service = serde_saphyr::from_str("{metadata: {name: resolver, namespace: shop}, spec: {type: ExternalName, externalName: kube-dns.kube-system.svc.cluster.local}}").unwrap();
    snapshot
        .namespaces
        .get_mut("shop")
        .unwrap()
        .services
        .push(alias);
    let found = route(&snapshot, "shop", "resolver", port(53), "UDP");
    assert_eq!(
        found.service,
        Some(ServiceKey::new("kube-system", "kube-dns"))
    );
    assert_eq!(found.endpoints[0].port, port(5353));
    assert_eq!(
        found.targets(&snapshot, port(53), "UDP")[0].0.name,
        "coredns"
    );
    assert!(
        route(&snapshot, "shop", "resolver", port(53), "TCP")
            .endpoints
            .is_empty()
    );
    let key = WorkloadKey::new("shop", "pod", "ap");
    let ways = paths(&snapshot, &key, &found, port(53), "UDP");
    assert_eq!(ways.len(), 1);
    assert!(
        matches!(ways[0].decision.pod, Decision::Unknown(_)),
        "the policies of kube-system were not read"
    );
}

#[test]
fn an_alias_that_loops_ends() {
    let mut snapshot = world("");
    for (name, other) in [("a", "b"), ("b", "a")] {
        let alias: Service = serde_saphyr::from_str(&format!("{{metadata: {{name: {name}, namespace: shop}}, spec: {{type: ExternalName, externalName: {other}.shop.svc.cluster.local}}}}")).unwrap();
        snapshot
            .namespaces
            .get_mut("shop")
            .unwrap()
            .services
            .push(alias);
    }
    assert!(
        route(&snapshot, "shop", "a", port(80), "TCP")
            .endpoints
            .is_empty()
    );
}

#[test]
fn only_labels_that_a_policy_can_see_are_relevant() {
    let policy = "{metadata: {name: p}, spec: {podSelector: {matchLabels: {app: db}}, ingress: [{from: [{podSelector: {matchExpressions: [{key: tier, operator: Exists}]}}]}]}}";
    let mut snapshot = world(policy);
    let labels: crate::observe::kinds::Labels = serde_saphyr::from_str(
        "{app: ap, tier: back, release: r1, role: x, pod-template-hash: abc, job-name: j}",
    )
    .unwrap();
    let keys = |snapshot: &Snapshot, namespace: &str| -> Vec<String> {
        Selectors::of(snapshot, namespace)
            .relevant(&labels)
            .into_keys()
            .collect()
    };
    assert_eq!(keys(&snapshot, "shop"), ["app", "tier"]);
    // A policy's own subjects are of its namespace only; its peers may be of any.
    assert_eq!(keys(&snapshot, "data"), ["tier"]);
    snapshot.other_policies.push(crate::observe::OtherPolicy {
        objects: Some(vec![
            serde_json::json!({"spec": {"selector": "role == 'db' && has(release)"}}),
        ]),
        ..Default::default()
    });
    assert_eq!(keys(&snapshot, "shop"), ["app", "release", "role", "tier"]);
    assert!(!Selectors::of(&snapshot, "shop").service_accounts);
    snapshot
        .observed
        .insert("networkpolicies".to_owned(), Observed::Forbidden);
    assert_eq!(keys(&snapshot, "shop"), ["app", "release", "role", "tier"]);
    snapshot.other_policies.clear();
    assert_eq!(
        keys(&snapshot, "shop"),
        ["app", "release", "role", "tier"],
        "any label may matter"
    );
}

#[test]
fn what_a_controller_writes_on_pods_counts_before_there_are_any() {
    let mut snapshot = Snapshot {
        namespace: "shop".to_owned(),
        ..Snapshot::default()
    };
    let state = "
workloads:
- {kind: StatefulSet, metadata: {name: kvs, namespace: shop}, spec: {template: {metadata: {labels: {app: kvs}}}}}
- {kind: Job, metadata: {name: load, namespace: shop}, spec: {template: {metadata: {labels: {app: load}}}}}
";
    let state: NamespaceState = serde_saphyr::from_str(state).unwrap();
    snapshot.namespaces.insert("shop".to_owned(), state);
    let labels = |kind: &str, name: &str| {
        let key = WorkloadKey::new("shop", kind, name);
        Peer::of_workload(&snapshot, &key).unwrap().labels
    };
    let kvs = labels("statefulset", "kvs");
    assert_eq!(kvs["statefulset.kubernetes.io/pod-name"], "kvs-0");
    assert_eq!(
        (
            kvs["apps.kubernetes.io/pod-index"].as_str(),
            kvs["app"].as_str()
        ),
        ("0", "kvs")
    );
    assert_eq!(labels("job", "load")["job-name"], "load");
}
