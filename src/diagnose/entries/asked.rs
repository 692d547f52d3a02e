//! Entries that were asked over HTTP: what answered in the user's name, beside what the Service itself answers to the same question. Pure.

use super::walked::{Decision, Dialled, is_guarded, is_young, list, unknown};
use super::{Context, Layer};
use crate::graph::{Entry, EntryKind, EntryQuestion};
use crate::probe::wire::{HTTP_CONTENT, Step, StepError, StepName, StepStatus};

/// What an answer was.
struct Answer<'a> {
    status: u16,
    /// Type and length of its body.
    content: Option<&'a str>,
    redirect: Option<&'a str>,
}

impl Answer<'_> {
    fn words(&self) -> String {
        match self.redirect {
            Some(location) => format!("http {} to {location}", self.status),
            None => format!("http {}", self.status),
        }
    }

    /// Whether what stands between says that it has no one to ask.
    const fn is_gateway_error(&self) -> bool {
        matches!(self.status, 502..=504)
    }
}

fn answer<'a>(steps: &[&'a Step]) -> Option<Answer<'a>> {
    let facts = steps
        .iter()
        .rev()
        .map(|step| &step.facts)
        .find(|facts| facts.contains_key("http_status"))?;
    Some(Answer {
        status: facts.get("http_status")?.parse().ok()?,
        content: facts.get(HTTP_CONTENT).map(String::as_str),
        redirect: facts.get("redirect").map(String::as_str),
    })
}

/// What the answers amount to: the first that surely fails, else what is not known, else what is proven.
pub(super) fn judge(
    context: &Context<'_>,
    entry: &Entry,
    question: &EntryQuestion,
    dialled: &[Dialled<'_>],
) -> Decision {
    let all: Vec<Decision> = dialled
        .iter()
        .map(|one| of_one(context, entry, question, one))
        .collect();
    for worst in [StepStatus::Fail, StepStatus::Unknown] {
        let of_kind = || all.iter().filter(|decision| decision.0 == worst);
        if let Some((status, layer, _)) = of_kind().next() {
            let reason = list(of_kind().map(|decision| decision.2.clone()));
            return (*status, *layer, reason);
        }
    }
    let reason = list(all.into_iter().map(|decision| decision.2));
    (StepStatus::Pass, None, reason)
}

fn of_one(
    context: &Context<'_>,
    entry: &Entry,
    question: &EntryQuestion,
    one: &Dialled<'_>,
) -> Decision {
    let service = format!("service/{}", entry.service.name);
    let control = answer(&one.control_steps);
    let Some(own) = answer(&one.steps) else {
        return unanswered(context, entry, one, control.is_some());
    };
    let asked = format!(
        "{} answers GET {}{} with {}",
        one.place(),
        question.authority,
        question.path,
        own.words()
    );
    if let Some(expected) = question.status {
        if own.status == expected {
            return (StepStatus::Pass, None, format!("{asked}, as expected"));
        }
        let alike = control.is_some_and(|control| control.status == own.status);
        let layer = if alike || entry.rule.is_none() {
            Layer::Backend
        } else {
            Layer::Controller
        };
        let reason = format!("{asked}, expected {expected}");
        return (StepStatus::Fail, Some(layer), reason);
    }
    if let Some(control) = &control {
        if control.status == own.status
            && control.content.is_some()
            && control.content == own.content
        {
            return (
                StepStatus::Pass,
                None,
                format!("{asked}, as {service} itself does"),
            );
        }
        let denies = own.status == 404 && !has_own_ways(context, entry) || own.is_gateway_error();
        if denies && control.status != own.status && control.status < 500 {
            let reason = format!(
                "{asked}, while {service} itself answers http {}",
                control.status
            );
            return if entry.kind == EntryKind::Ingress && !is_young(context, entry) {
                (StepStatus::Fail, Some(Layer::Controller), reason)
            } else {
                unknown(format!("{reason}: it may not be programmed yet"))
            };
        }
    }
    if (200..300).contains(&own.status) {
        return (StepStatus::Pass, None, asked);
    }
    let why = match control {
        Some(control) if control.status == own.status => {
            format!("{service} itself answers alike, and nothing shows whose answer it was")
        }
        Some(control) => format!("{service} itself answers http {}", control.status),
        None => format!("{service} itself gave this Pod no answer to compare with"),
    };
    unknown(format!(
        "{asked}; {why} (`entries: adjust` in k8sverify.yaml names a path and the status that is right)"
    ))
}

/// No answer came: only what the controller's own machine says for certain counts.
fn unanswered(context: &Context<'_>, entry: &Entry, one: &Dialled<'_>, compared: bool) -> Decision {
    let words = one.words();
    let nameless = one
        .last
        .is_some_and(|step| step.name == StepName::Dns && step.error == Some(StepError::Nxdomain));
    let refused =
        compared && one.unconnected() == Some(StepError::Refused) && !is_guarded(context, entry);
    if entry.kind == EntryKind::Ingress && !is_young(context, entry) && (nameless || refused) {
        return (StepStatus::Fail, Some(Layer::Controller), words);
    }
    unknown(format!(
        "{words}; what stands outside need not answer Pods of its own cluster"
    ))
}

/// Whether annotations of the Ingress change paths or admit some only: a 404 may be meant then.
fn has_own_ways(context: &Context<'_>, entry: &Entry) -> bool {
    const WORDS: [&str; 9] = [
        "rewrite",
        "strip",
        "middleware",
        "snippet",
        "regex",
        "redirect",
        "canary",
        "root",
        "route",
    ];
    let state = context.snapshot.namespaces.get(&entry.object.namespace);
    let ingresses = state.iter().flat_map(|state| &state.ingresses);
    ingresses
        .filter(|ingress| ingress.metadata.name == entry.object.name)
        .flat_map(|ingress| ingress.metadata.annotations.keys())
        .any(|key| WORDS.iter().any(|word| key.contains(word)))
}

#[cfg(test)]
mod tests {
    use super::super::{Standing, standings};
    use super::*;
    use crate::diagnose::fixtures;
    use crate::finding::ObjectRef;
    use crate::graph::{EntryAddress, EntryRule, TierGraph};
    use crate::observe::{ServiceKey, Snapshot};
    use crate::plan::{Look, Outcomes, entry_control, entry_task};
    use crate::protocol::Protocol;

    const OLD: &str = "2026-01-01T00:00:00Z";

    fn entry(status: Option<u16>) -> Entry {
        Entry {
            id: "ingress/shop:shop.example/".into(),
            kind: EntryKind::Ingress,
            object: ObjectRef::new("ingress", "shop", "default"),
            to: "WEB".into(),
            service: ServiceKey::new("default", "web"),
            port: 80,
            transport: "TCP".into(),
            addresses: vec![EntryAddress {
                host: "10.9.9.9".into(),
                port: std::num::NonZeroU16::new(80).unwrap(),
                node: None,
            }],
            rule: Some(EntryRule {
                host: "shop.example".into(),
                path: "/".into(),
                tls: false,
            }),
            question: Some(EntryQuestion {
                authority: "shop.example".into(),
                path: "/live".into(),
                tls: false,
                status,
            }),
            protocol: Protocol::Http,
            local: false,
            sources: Vec::new(),
        }
    }

    fn world(born: &str, annotation: &str) -> Snapshot {
        let mut snapshot = fixtures::snapshot(&format!(
            "
kind: Service
metadata: {{name: web}}
spec: {{selector: {{app: web}}, ports: [{{port: 80}}]}}
---
kind: EndpointSlice
metadata: {{name: web-1, labels: {{kubernetes.io/service-name: web}}}}
addressType: IPv4
endpoints: [{{addresses: [10.1.1.1], nodeName: n1, conditions: {{ready: true}}}}]
ports: [{{name: '', port: 80, protocol: TCP}}]
---
kind: Ingress
metadata: {{name: shop, creationTimestamp: '{born}', annotations: {{{annotation}}}}}
spec: {{}}
"
        ));
        snapshot.taken_at = Some("2026-01-01T01:00:00Z".parse().unwrap());
        snapshot
    }

    /// `STATUS TYPE LENGTH`, or the word of an error.
    fn step(task: &str, answer: &str) -> Step {
        let Some((status, content)) = answer.split_once(' ') else {
            return fixtures::fail(task, StepName::Service, StepError::Refused);
        };
        let mut step = fixtures::pass(task, StepName::Protocol);
        step.facts.insert("http_status".into(), status.into());
        step.facts.insert(HTTP_CONTENT.into(), content.into());
        step
    }

    fn of(entry: Entry, snapshot: &Snapshot, answers: [&str; 2]) -> (StepStatus, Option<Layer>) {
        let mut graph: TierGraph = fixtures::graph(&["LB->WEB:80/http"]);
        let own = entry_task(&entry, &entry.addresses[0]);
        let control = entry_control(&entry);
        let mut probe = fixtures::probe(
            "",
            "n1",
            vec![step(&control, answers[1]), step(&own, answers[0])],
        );
        probe.look = Look::Entry;
        graph.entries.push(entry);
        let outcomes: Outcomes = fixtures::outcomes(vec![probe]);
        let context = Context::new(&graph, snapshot, Some(&outcomes));
        let all = standings(&context);
        let [Standing { status, layer, .. }] = all.as_slice() else {
            panic!("{all:?}")
        };
        (*status, *layer)
    }

    #[test]
    fn only_an_answer_that_is_the_backends_own_proves_the_way_in() {
        let old = world(OLD, "");
        let said = |own: &str, control: &str| of(entry(None), &old, [own, control]);
        let pass = (StepStatus::Pass, None);
        let fail = (StepStatus::Fail, Some(Layer::Controller));
        let unknown = (StepStatus::Unknown, None);
        assert_eq!(said("200 text/html 5", "200 text/html 5"), pass);
        assert_eq!(said("404 text/html 153", "404 text/html 153"), pass);
        assert_eq!(said("404 text/plain 21", "200 text/html 5"), fail);
        assert_eq!(said("503 text/html 190", "404 text/html 153"), fail);
        assert_eq!(said("refused", "200 text/html 5"), fail);
        // Whose 404 it was, who asks for a login, and what a Pod is not answered at all: no one knows.
        assert_eq!(said("404 text/plain 21", "404 text/html 153"), unknown);
        assert_eq!(said("401 text/html 172", "200 text/html 5"), unknown);
        assert_eq!(said("503 text/html 190", "503 text/html 5"), unknown);
        assert_eq!(said("refused", "refused"), unknown);
        let young = world("2026-01-01T00:59:50Z", "");
        let answers = ["404 text/plain 21", "200 text/html 5"];
        assert_eq!(of(entry(None), &young, answers), unknown);
        let rewrites = world(OLD, "nginx.ingress.kubernetes.io/rewrite-target: /");
        assert_eq!(of(entry(None), &rewrites, answers), unknown);
    }

    #[test]
    fn the_users_own_status_decides() {
        let old = world(OLD, "");
        let said = |own: &str, control: &str| of(entry(Some(204)), &old, [own, control]);
        assert_eq!(said("204 - 0", "refused"), (StepStatus::Pass, None));
        let fail = |layer| (StepStatus::Fail, Some(layer));
        assert_eq!(said("200 - 5", "200 - 5"), fail(Layer::Backend));
        assert_eq!(said("404 - 9", "204 - 0"), fail(Layer::Controller));
    }
}
