//! Services of type `ExternalName`: what DNS makes of the name that they lead to. Pure.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde_json::json;

use super::names::ports_to_make;
use super::{Unproven, dns_words, ids, looks, selecting, service_name, tier_subjects};
use crate::diagnose::dns::kept_from_cluster_dns;
use crate::diagnose::{Context, fixes, target};
use crate::finding::{Code, Finding, Fix, Severity};
use crate::observe::kinds::Service;
use crate::observe::{HostMeaning, ServiceKey};
use crate::probe::wire::{StepError, StepStatus};

/// `ExternalName` Services whose name is none, or leads nowhere.
pub(super) fn external_name(context: &Context<'_>) -> Vec<Finding> {
    let looks = looks(context);
    let mut used: BTreeMap<ServiceKey, (&Service, Vec<&Unproven<'_, '_>>)> = BTreeMap::new();
    for look in looks.iter().filter(|look| !look.resolved()) {
        // The last ExternalName on the way is the one that leads nowhere.
        let last = look
            .destination
            .way
            .services
            .iter()
            .rev()
            .find(|(_, service)| service.spec.is_external_name());
        if let Some((key, service)) = last {
            used.entry(key.clone())
                .or_insert_with(|| (service, Vec::new()))
                .1
                .push(look);
        }
    }
    // One that a tier stands for and no one calls is judged by its name alone.
    for tier in context.graph.tiers.values() {
        for key in &tier.services {
            if let Some(service) = context
                .snapshot
                .service(key)
                .filter(|service| service.spec.is_external_name())
                && !context.graph.edges.iter().any(|edge| edge.to == tier.name)
            {
                used.entry(key.clone()).or_insert((service, Vec::new()));
            }
        }
    }
    used.into_iter()
        .filter_map(|(key, (service, looks))| judge(context, &key, service, &looks))
        .collect()
}

/// Why a name is none, if it is none.
fn invalid(key: &ServiceKey, name: &str) -> Option<String> {
    let plain = name.trim_end_matches('.').to_ascii_lowercase();
    let own = [
        format!("{}.{}", key.name, key.namespace),
        format!("{}.{}.svc", key.name, key.namespace),
        format!("{}.{}.svc.cluster.local", key.name, key.namespace),
    ];
    if plain.is_empty() {
        Some("it names nothing".to_owned())
    } else if plain.parse::<IpAddr>().is_ok() {
        Some("it is an IP address, which DNS takes for a name".to_owned())
    } else if plain.contains("://") {
        Some("it has a scheme; DNS knows names only".to_owned())
    } else if plain.contains(':') {
        Some("it has a port; DNS knows names only".to_owned())
    } else if plain.contains('/') {
        Some("it has a path; DNS knows names only".to_owned())
    } else if own.contains(&plain) || plain == key.name {
        Some("it points at itself".to_owned())
    } else {
        None
    }
}

/// Why a name cannot be found, as far as the API shows: an alias is not completed by the search list.
fn unresolvable(context: &Context<'_>, key: &ServiceKey, name: &str) -> Option<String> {
    let plain = name.trim_end_matches('.');
    let dots = plain.matches('.').count();
    let meaning = context.snapshot.meaning(plain, &key.namespace);
    if dots == 0 {
        return Some("a name of one word is not completed by the search list".to_owned());
    }
    match meaning {
        HostMeaning::Service(target) if dots < 3 => Some(format!(
            "an alias is not completed by the search list: write {}.{}.svc.cluster.local",
            target.name, target.namespace
        )),
        HostMeaning::Missing => Some(format!("there is no Service {plain}")),
        _ => None,
    }
}

fn judge(
    context: &Context<'_>,
    key: &ServiceKey,
    service: &Service,
    looks: &[&Unproven<'_, '_>],
) -> Option<Finding> {
    let name = &service.spec.external_name;
    // A client that does not ask the cluster's DNS says nothing of the name.
    let asks = |look: &&&Unproven<'_, '_>| {
        let edge = look.evidence.edge;
        let clients = target::clients(context, edge).iter();
        let mut templates = clients.filter_map(|client| context.snapshot.template(client));
        !templates.any(|template| kept_from_cluster_dns(context, template.spec, edge).is_some())
    };
    let failed = looks.iter().filter(asks).any(|look| {
        look.evidence
            .firm()
            .filter_map(|walk| walk.dns)
            // No answer at all says nothing of the name.
            .any(|step| {
                step.status == StepStatus::Fail && step.error != Some(StepError::DnsTimeout)
            })
    });
    let (code, reason) = if let Some(reason) = invalid(key, name) {
        (Code::ServiceExternalNameInvalid, reason)
    } else {
        let known = unresolvable(context, key, name);
        if known.is_none() && !failed {
            return None;
        }
        (
            Code::ServiceExternalNameUnresolvable,
            known.unwrap_or_else(|| "the cluster's DNS does not find it".to_owned()),
        )
    };
    let address = name.trim_end_matches('.').parse::<IpAddr>().ok();
    let finding = Finding::new(
        code,
        Severity::error_if(!looks.is_empty()),
        key.object(),
        format!(
            "{} is an ExternalName for {name:?}: {reason}",
            service_name(context, key)
        ),
    )
    .because([format!("spec.externalName of service/{}: {name}", key.name)])
    .because(dns_words(looks))
    .on(ids(looks))
    .fix(runs_here(context, key, looks).unwrap_or_else(|| Fix {
        text: match address {
            Some(address) => format!("use a Service without selector and an EndpointSlice for {address} in place of the ExternalName"),
            None => format!(
                "make externalName of service/{} the full name of what it is to lead to (for a Service: NAME.NAMESPACE.svc.cluster.local)",
                key.name
            ),
        },
        command: None,
        manifest: address.and_then(|address| by_address(context, key, service, address, looks)),
    }));
    Some(finding)
}

/// The fix where the tier that is called runs beside the Service and no other Service selects its Pods: this one is to select them.
fn runs_here(context: &Context<'_>, key: &ServiceKey, looks: &[&Unproven<'_, '_>]) -> Option<Fix> {
    let tier = context.graph.tiers.get(&looks.first()?.edge.to)?;
    let subject = tier_subjects(context, tier).into_iter().next()?;
    if subject.key.namespace != key.namespace || !selecting(context, subject).is_empty() {
        return None;
    }
    let ports = fixes::service_ports(&ports_to_make(subject, looks), true);
    let operations = [
        json!({"op": "replace", "path": "/spec/type", "value": "ClusterIP"}),
        json!({"op": "remove", "path": "/spec/externalName"}),
        json!({"op": "add", "path": "/spec/selector", "value": fixes::selector(context, subject)?}),
        json!({"op": "add", "path": "/spec/ports", "value": ports}),
    ];
    let text = format!(
        "{} runs here: let service/{} select the Pods of {} in place of the ExternalName",
        tier.name, key.name, subject.key
    );
    Some(Fix::text(text).run(fixes::patch(&key.object(), &operations)))
}

/// The Service and the EndpointSlice that lead to an address.
fn by_address(
    context: &Context<'_>,
    key: &ServiceKey,
    service: &Service,
    address: IpAddr,
    looks: &[&Unproven<'_, '_>],
) -> Option<String> {
    // An address that is a ClusterIP is no endpoint: nothing answers behind a Service that leads to another's address.
    if let HostMeaning::ServiceAddress(_) = context
        .snapshot
        .meaning(&address.to_string(), &key.namespace)
    {
        return None;
    }
    let dialled: std::collections::BTreeSet<u16> =
        looks.iter().map(|look| look.edge.port.get()).collect();
    let named = |port: u16| format!("tcp-{port}");
    let ports: Vec<_> = dialled
        .iter()
        .map(|port| json!({"name": named(*port), "port": port, "protocol": "TCP"}))
        .collect();
    if ports.is_empty() {
        return None;
    }
    let documents = [
        json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": {"name": key.name, "namespace": key.namespace},
            "spec": {"type": "ClusterIP", "externalName": null, "ports": ports},
        }),
        json!({
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
            "metadata": {"name": format!("{}-1", service.metadata.name), "namespace": key.namespace,
                "labels": {"kubernetes.io/service-name": key.name}},
            "addressType": if address.is_ipv4() { "IPv4" } else { "IPv6" },
            "endpoints": [{"addresses": [address.to_string()]}],
            "ports": ports,
        }),
    ];
    let texts: Result<Vec<String>, _> = documents.iter().map(serde_saphyr::to_string).collect();
    // Maps, lists and strings always have a YAML form.
    texts.ok().map(|texts| texts.join("---\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::fixtures::{self, fail, outcomes, pass, probe};
    use crate::plan::Outcomes;
    use crate::probe::wire::{StepError, StepName};

    const ID: &str = "AP->DB:3306/mysql";

    fn found(name: &str, outcomes: Option<&Outcomes>) -> Option<Finding> {
        let objects = format!(
            "kind: Service\nmetadata: {{name: db}}\nspec: {{type: ExternalName, externalName: '{name}'}}\n---\nkind: Service\nmetadata: {{name: db, namespace: data}}\nspec: {{clusterIP: 10.96.0.9, ports: [{{port: 3306}}]}}\n"
        );
        let snapshot = fixtures::snapshot(&objects);
        let mut graph = fixtures::graph(&[ID]);
        graph.tiers.get_mut("DB").unwrap().workloads.clear();
        external_name(&Context::new(&graph, &snapshot, outcomes)).pop()
    }

    #[test]
    fn a_name_that_leads_somewhere_is_silent() {
        assert!(found("db.data.svc.cluster.local", None).is_none());
        assert!(found("mysql.example.com", None).is_none());
        let resolved = outcomes(vec![probe("AP", "n", vec![pass(ID, StepName::Dns)])]);
        assert!(
            found("10.1.2.3", Some(&resolved)).is_none(),
            "the cluster says otherwise"
        );
    }

    #[test]
    fn what_is_no_name_is_invalid() {
        for name in [
            "10.1.2.3",
            "tcp://db",
            "db.data:3306",
            "db.default.svc.cluster.local",
        ] {
            assert_eq!(
                found(name, None).unwrap().code,
                Code::ServiceExternalNameInvalid,
                "{name}"
            );
        }
        let fix = found("10.1.2.3", None).unwrap().fix.unwrap();
        assert!(fix.manifest.unwrap().contains("EndpointSlice"));
    }

    #[test]
    fn where_the_tier_runs_beside_it_the_service_is_to_select_it() {
        let objects = "kind: Service\nmetadata: {name: db}\nspec: {type: ExternalName, externalName: nope.default.svc.cluster.local}\n---\nkind: Deployment\nmetadata: {name: db}\nspec: {selector: {matchLabels: {app: db}}, template: {metadata: {labels: {app: db}}, spec: {containers: [{name: db}]}}}\n";
        let snapshot = fixtures::snapshot(objects);
        let graph = fixtures::graph(&[ID]);
        let found = external_name(&Context::new(&graph, &snapshot, None)).pop();
        let command = found.unwrap().fix.unwrap().command.unwrap();
        for part in [
            r#"{"op":"remove","path":"/spec/externalName"}"#,
            r#""value":{"app":"db"}"#,
            r#""targetPort":3306"#,
        ] {
            assert!(command.contains(part), "{command}");
        }
    }

    #[test]
    fn a_client_past_the_clusters_dns_says_nothing_of_the_name() {
        let of = |policy: &str, error: StepError| {
            let objects = format!(
                "kind: Service\nmetadata: {{name: db}}\nspec: {{type: ExternalName, externalName: mysql.example.com}}\n---\nkind: Deployment\nmetadata: {{name: ap}}\nspec: {{selector: {{matchLabels: {{app: ap}}}}, template: {{metadata: {{labels: {{app: ap}}}}, spec: {{dnsPolicy: {policy}, containers: [{{name: ap}}]}}}}}}\n"
            );
            let snapshot = fixtures::snapshot(&objects);
            let mut graph = fixtures::graph(&[ID]);
            graph.tiers.get_mut("DB").unwrap().workloads.clear();
            let missing = fail(ID, StepName::Dns, error);
            let outcomes = outcomes(vec![probe("AP", "n", vec![missing])]);
            external_name(&Context::new(&graph, &snapshot, Some(&outcomes))).len()
        };
        let missing = StepError::Nxdomain;
        assert_eq!(of("ClusterFirst", missing), 1);
        assert_eq!(of("Default", missing), 0);
        assert_eq!(of("ClusterFirst", StepError::DnsTimeout), 0);
    }

    #[test]
    fn what_leads_nowhere_is_unresolvable() {
        let code = Code::ServiceExternalNameUnresolvable;
        assert_eq!(
            found("mysql.data.svc.cluster.local", None).unwrap().code,
            code
        );
        assert_eq!(found("db.data", None).unwrap().code, code);
        let fails = outcomes(vec![probe(
            "AP",
            "n",
            vec![fail(ID, StepName::Dns, StepError::Nodata)],
        )]);
        let found = found("mysql.example.com", Some(&fails)).unwrap();
        assert_eq!(found.code, code);
        assert_eq!(found.edges.len(), 1);
    }
}
