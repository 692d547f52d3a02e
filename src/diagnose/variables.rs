//! Section 2: variables whose text is not what was meant, byte for byte as the client's own container has it. Pure.

use super::subject::WorkloadFacts;
use super::target;
use super::walk::{EdgeEvidence, Walk};
use super::{Context, Rule};
use crate::address::{self, FlawKind, LoginReference};
use crate::finding::{Code, Finding, Fix, ObjectRef, Severity};
use crate::graph::{self, Edge, EdgeFlaw};
use crate::observe::WorkloadKey;
use crate::observe::kinds::Container;
use crate::probe::wire::{FLAW_KIND, FLAW_PLACE, Step, StepName, StepStatus, WITHIN_POD};

/// The rules of this file.
pub(super) const RULES: &[Rule] = &[
    Rule::Whole(of_edges),
    Rule::Edge(of_secrets),
    Rule::Whole(without_password),
    Rule::WorkloadMany(defined_below),
    Rule::Edge(not_at_home),
];

/// Addresses that stand in a Pod's specification or in a ConfigMap.
fn of_edges(context: &Context<'_>) -> Vec<Finding> {
    let edges = context.graph.edges.iter().filter(|edge| !edge.forbidden);
    edges
        .filter_map(|edge| Some((edge, edge.flaw.as_ref()?)))
        .map(|(edge, flaw)| of_edge(context, edge, flaw))
        .collect()
}

fn of_edge(context: &Context<'_>, edge: &Edge, flaw: &EdgeFlaw) -> Finding {
    let is_absent = flaw.is_absent();
    let EdgeFlaw {
        variable,
        flaw,
        origin,
    } = flaw;
    let object = client(context, edge);
    let consequence = if flaw.certain {
        format!("so its connection to {} cannot work", edge.to)
    } else if is_absent {
        absent(&edge.to)
    } else {
        "which some runtimes clean by themselves and others do not".to_owned()
    };
    Finding::new(
        code(flaw.kind),
        Severity::error_if(flaw.certain),
        object.clone(),
        format!("{variable} of {object} {}, {consequence}", flaw.words),
    )
    .on([&edge.id])
    .overruling(flaw.certain.then_some(&edge.id))
    .because([if is_absent {
        format!("{origin} leads to {}:{}", edge.host, edge.port)
    } else {
        format!("{origin} {}", flaw.words)
    }])
    .fix(fix(flaw.kind, variable, &named(edge)))
}

/// Clients without the password that compose gives them.
fn without_password(context: &Context<'_>) -> Vec<Finding> {
    let edges = context.graph.edges.iter().filter(|edge| !edge.forbidden);
    let lacking = edges.filter_map(|edge| Some((edge, edge.lacks.as_ref()?)));
    // Of a login's own password only the probe sees whether it is there.
    let lacking = lacking.filter(|(edge, variable)| {
        let mut logins = edge.login.iter().flat_map(LoginReference::variables);
        !logins.any(|name| name == *variable)
    });
    let found = lacking.map(|(edge, variable)| {
        let object = client(context, edge);
        let text = format!(
            "{variable} is set in no container of {object}, and compose logs in to {} with it: no login is tried",
            edge.to
        );
        Finding::new(Code::VariableUnresolved, Severity::Warning, object, text)
            .on([&edge.id])
            .because([format!("compose sets {variable} for {}", edge.from)])
            .fix(set(variable))
    });
    found.collect()
}

/// How to give a client its password.
fn set(variable: &str) -> Fix {
    Fix::text(format!(
        "set {variable} in the Pod template, or the key that it comes from, then restart the Pods"
    ))
}

/// What follows where the client lacks the variable.
fn absent(to: &str) -> String {
    format!("so what it dials for {to} is not known, and the name in compose proves nothing")
}

const fn code(kind: FlawKind) -> Code {
    match kind {
        FlawKind::Unresolved | FlawKind::Absent | FlawKind::Unread => Code::VariableUnresolved,
        FlawKind::Malformed => Code::VariableMalformed,
    }
}

/// An edge as the user's file names it.
fn named(edge: &Edge) -> String {
    format!("{}->{}:{}", edge.from, edge.to, edge.port)
}

fn fix(kind: FlawKind, variable: &str, edge: &str) -> Fix {
    let text = match kind {
        FlawKind::Unresolved => format!(
            "define what {variable} refers to above it in `env` of the same container (Kubernetes expands $(NAME) in `env[].value` only, and only from what stands above), or write the whole value"
        ),
        FlawKind::Absent => format!(
            "set {variable} in the Pod template, or the key that it comes from, then restart the Pods. If the application has the address from elsewhere (its image, a file), write the host that it dials in place of HOST in k8sverify.yaml: edges: {{adjust: [{{edge: \"{edge}\", host: HOST}}]}}"
        ),
        FlawKind::Unread => format!(
            "write the host that the application dials in place of HOST in k8sverify.yaml: edges: {{adjust: [{{edge: \"{edge}\", host: HOST}}]}}"
        ),
        FlawKind::Malformed => format!(
            "write the value of {variable} without quotes, blanks and line ends (`kubectl create configmap --from-env-file` keeps quotes, `echo` adds a line end: use `printf`), then restart the Pods"
        ),
    };
    Fix::text(text)
}

/// The workload that has the variable.
fn client(context: &Context<'_>, edge: &Edge) -> ObjectRef {
    target::clients(context, edge).first().map_or_else(
        || ObjectRef::new("tier", edge.from.clone(), ""),
        crate::observe::WorkloadKey::object,
    )
}

/// What the agent saw in the Pod, where no one else may look.
fn of_secrets(context: &Context<'_>, evidence: &EdgeEvidence<'_>) -> Option<Finding> {
    let edge = evidence.edge;
    let said = |step: &&Step| step.facts.contains_key(FLAW_KIND);
    let steps = evidence.firm().flat_map(Walk::counted);
    let step = steps
        .filter(said)
        .max_by_key(|step| step.status == StepStatus::Fail)?;
    let kind = match step.facts.get(FLAW_KIND).map(String::as_str) {
        Some("unresolved") => FlawKind::Unresolved,
        Some("absent") => FlawKind::Absent,
        _ => FlawKind::Malformed,
    };
    let place = step.facts.get(FLAW_PLACE).map_or("", String::as_str);
    let variable = place.split(' ').next().unwrap_or_default();
    let object = client(context, edge);
    let fails = step.status == StepStatus::Fail;
    let is_password = step.name == StepName::Login && kind == FlawKind::Absent;
    let (severity, consequence) = if fails {
        let consequence = format!("so its connection to {} fails", edge.to);
        (Severity::Error, consequence)
    } else if is_password {
        let consequence = format!("so no login to {} is tried", edge.to);
        (Severity::Warning, consequence)
    } else if kind == FlawKind::Absent {
        (Severity::Warning, absent(&edge.to))
    } else {
        let consequence = "which some runtimes clean by themselves and others do not";
        (Severity::Warning, consequence.to_owned())
    };
    let finding = Finding::new(
        code(kind),
        severity,
        object.clone(),
        format!("in {object}, {place}, {consequence}"),
    )
    .on([&edge.id])
    .because([format!("seen in the probe's Pod: {place}")])
    .fix(if is_password {
        set(variable)
    } else {
        fix(kind, variable, &named(edge))
    });
    Some(finding)
}

/// Clients that ask their own Pod for what runs in another.
fn not_at_home(context: &Context<'_>, evidence: &EdgeEvidence<'_>) -> Option<Finding> {
    let edge = evidence.edge;
    let (clients, targets) = (
        target::clients(context, edge),
        context.graph.workloads(&edge.to),
    );
    // Of several workloads of the client each is one of its own.
    let asks_itself = |client: &WorkloadKey| {
        let variable = edge.variable.as_deref()?;
        let is = |text: &str| !address::local_targets(variable, text).is_empty();
        graph::variable_is(context.snapshot, client, variable, is)
    };
    let is_apart =
        |client: &&WorkloadKey| !targets.contains(client) && asks_itself(client) == Some(true);
    let is_inside = clients.iter().any(|client| targets.contains(client));
    let apart = clients.iter().find(is_apart).filter(|_| is_inside);
    let (client, other) = (apart.or(clients.first())?, targets.first()?);
    let is_inside = is_inside && apart.is_none();
    let template = context.snapshot.template(client);
    let uses_node = template.is_none_or(|template| template.spec.host_network);
    let said = address::is_local(&edge.host);
    let host = if said {
        edge.host.as_str()
    } else {
        "localhost"
    };
    let is_local = said || evidence.firm().any(|walk| walk.says(WITHIN_POD));
    if !is_local || is_inside || uses_node {
        return None;
    }
    let shared = shares_network(context, edge);
    let place = edge.variable.as_deref().unwrap_or("its configuration");
    let finding = Finding::new(
            if shared {
                Code::SharedNetworkSplit
            } else {
                Code::ConnectionRefused
            },
            Severity::Error,
            client.object(),
            if shared {
                format!(
                    "{} and {} share one network in compose and run in two Pods: {place} of {client} leads to {host}, where {} is not",
                    edge.from, edge.to, edge.to
                )
            } else {
                format!(
                    "{place} of {client} leads to {host}:{}, its own Pod, and {} runs in {other}",
                    edge.port, edge.to
                )
            },
        )
        .on([&edge.id])
        .overruling([&edge.id])
        .because(edge.origin.iter().cloned())
        .because([format!("{} runs in {other}", edge.to)])
        .fix(format!(
            "make {place} of {client} name a Service of {other} in place of {host}, or put both containers into one Pod"
        ));
    Some(finding)
}

/// Whether compose puts the two into one network.
fn shares_network(context: &Context<'_>, edge: &Edge) -> bool {
    let Some(file) = context.compose else {
        return false;
    };
    match (file.services.get(&edge.from), file.services.get(&edge.to)) {
        (Some(from), Some(to)) => crate::graph::infer::same_namespace(from, to),
        _ => false,
    }
}

/// Whether a workload fails in a way that a target out of reach brings about, while the probe reaches all of its targets.
pub(super) fn suffers(context: &Context<'_>, subject: &WorkloadFacts<'_>) -> bool {
    let fails = subject.troubles.iter().any(|trouble| trouble.dependent);
    let mut own = context
        .evidence
        .values()
        .filter(|evidence| subject.runs(&evidence.edge.from))
        .peekable();
    fails && own.peek().is_some() && own.all(|evidence| evidence.status() == StepStatus::Pass)
}

/// A reference to what stands below it in the same container: plainly meant otherwise, whatever depends on it.
fn defined_below(_: &Context<'_>, subject: &WorkloadFacts<'_>) -> Vec<Finding> {
    let object = &subject.key.object();
    let templates = subject.template.iter().filter(|_| subject.in_scope);
    let containers = templates.flat_map(|template| &template.spec.containers);
    let found = containers.flat_map(|container| {
            too_early(container).into_iter().map(move |(user, name)| {
                Finding::new(
                    Code::VariableUnresolved,
                    Severity::Warning,
                    object.clone(),
                    format!("{user} of {object} refers to $({name}), which is defined below it: the text stays as it stands"),
                )
                .because([format!(
                    "container {}: {name} stands below {user} in `env`",
                    container.name
                )])
                .fix(fix(FlawKind::Unresolved, user, ""))
            })
    });
    found.collect()
}

/// The variables of a container that refer to one that stands below them and nowhere else.
fn too_early(container: &Container) -> Vec<(&str, &str)> {
    let env = &container.env;
    if !container.env_from.is_empty() {
        // A whole ConfigMap or Secret may hold the name as well.
        return Vec::new();
    }
    let mut found = Vec::new();
    for (index, variable) in env.iter().enumerate() {
        for name in address::references(variable.value.as_deref().unwrap_or_default()) {
            let is_above = env[..index].iter().any(|other| other.name == name);
            let is_below = env[index + 1..].iter().any(|other| other.name == name);
            if is_below && !is_above {
                found.push((variable.name.as_str(), name));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{graph, snapshot};
    use super::*;
    use crate::address::Flaw;

    const EDGE: &str = "AP->KVS:6379/redis";

    fn flawed(certain: bool) -> Finding {
        let mut graph = graph(&[EDGE]);
        graph.edges[0].flaw = Some(EdgeFlaw {
            variable: "KVS_HOST".to_owned(),
            flaw: Flaw {
                kind: FlawKind::Malformed,
                certain,
                words: "stands in quotes".to_owned(),
            },
            origin: "env KVS_HOST of deployment/ap".to_owned(),
        });
        let snapshot = snapshot("");
        of_edges(&Context::new(&graph, &snapshot, None)).remove(0)
    }

    #[test]
    fn a_certain_flaw_overrules_its_edge_and_an_uncertain_one_only_warns() {
        let certain = flawed(true);
        assert_eq!(certain.severity, Severity::Error);
        assert_eq!(certain.overrules, certain.edges);
        assert_eq!(certain.object.to_string(), "deployment/ap");
        let uncertain = flawed(false);
        assert_eq!(uncertain.severity, Severity::Warning);
        assert!(uncertain.overrules.is_empty());
    }

    #[test]
    fn only_what_stands_below_alone_is_too_early() {
        let container: Container =
            serde_json::from_value(serde_json::json!({"name": "ap", "env": [
                {"name": "A", "value": "x"},
                {"name": "URL", "value": "redis://$(HOST):$(A)/$$(B)$(NOWHERE)"},
                {"name": "HOST", "value": "kvs"},
                {"name": "B", "value": "$(HOST)"},
            ]}))
            .unwrap();
        assert_eq!(too_early(&container), [("URL", "HOST")]);
    }
}
