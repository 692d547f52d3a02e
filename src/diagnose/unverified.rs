//! Section 7: what could not be verified. Probes that never ran or were lost, and graphs that may lack edges. Never a pass. Pure.

use std::collections::BTreeMap;

use super::{Context, Rule};
use crate::finding::{Code, EdgeId, Finding, ObjectRef, Severity};
use crate::graph::{Absent, Confidence, NoteKind};
use crate::plan::Look;

/// The rules of this file.
pub(super) const RULES: &[Rule] = &[Rule::Whole(probes_lost), Rule::Whole(graph_incomplete)];

/// One finding per way in which probes failed, whatever the number of Jobs. A second look that could not be had changes no edge.
fn probes_lost(context: &Context<'_>) -> Vec<Finding> {
    let Some(outcomes) = context.outcomes else {
        return Vec::new();
    };
    let mut found: BTreeMap<Code, Finding> = BTreeMap::new();
    for probe in &outcomes.probes {
        let Some(failure) = &probe.failure else {
            continue;
        };
        if !matches!(probe.look, Look::First | Look::Again) {
            continue;
        }
        let finding = found.entry(failure.code).or_insert_with(|| {
            Finding::new(
                failure.code,
                Severity::Warning,
                failure.object.clone(),
                failure.message.clone(),
            )
        });
        failure.evidence.iter().for_each(|line| finding.note(line));
        for task in &probe.tasks {
            let id = EdgeId(task.clone());
            if let Some(evidence) = context.evidence(&id) {
                let edge = evidence.edge;
                if edge.confidence != Confidence::Weak && !edge.optional {
                    finding.severity = Severity::Error;
                }
                finding.edges.insert(id);
            }
        }
    }
    found.into_values().collect()
}

/// Nothing of the application runs in the namespace: the only thing that is worth saying.
pub(super) fn tiers_not_found(context: &Context<'_>, absent: &Absent) -> Finding {
    let namespace = &context.snapshot.namespace;
    let (place, verb, not) = if context.snapshot.offline {
        (context.snapshot.cluster.clone(), "is in", "is not in")
    } else {
        (
            format!("namespace {namespace}"),
            "runs in",
            "does not run in",
        )
    };
    let none = match absent.tiers {
        1 => format!("the only tier of {} {not} {place}", absent.file),
        tiers => format!(
            "none of the {tiers} tiers of {} {verb} {place}",
            absent.file
        ),
    };
    let found: Vec<String> = absent
        .found
        .iter()
        .map(|(name, count)| format!("{name} ({count} of {})", absent.tiers))
        .collect();
    let (found_in, fix) = match absent.found.as_slice() {
        [] => (
            String::new(),
            "name the namespace with -n and the compose file with -f, deploy the application first, or say under `tiers` in k8sverify.yaml which workloads run it".to_owned(),
        ),
        [(first, most), rest @ ..] if rest.iter().all(|(_, count)| count < most) => (
            format!("; found in {}: -n {first}", found.join(", ")),
            format!("verify the namespace in which they run: -n {first}"),
        ),
        _ => (
            format!("; found in {}: say which with -n", found.join(", ")),
            "verify the namespace in which they run, named with -n".to_owned(),
        ),
    };
    Finding::of(
        Code::TiersNotFound,
        ObjectRef::new("namespace", namespace, ""),
        format!("{none}{found_in}"),
    )
    .fix(fix)
}

/// Edges may be missing: variables without a value, files that are not here, mappings that only the user can settle.
fn graph_incomplete(context: &Context<'_>) -> Vec<Finding> {
    let notes = context
        .graph
        .notes
        .iter()
        .filter(|note| note.kind == NoteKind::Incomplete)
        .map(|note| note.message.clone());
    let lines: Vec<String> = notes
        .chain(context.graph.questions.iter().cloned())
        .collect();
    let Some(first) = lines.first() else {
        return Vec::new();
    };
    let input = if context.graph.from_compose {
        "compose"
    } else {
        "cluster"
    };
    let message = match lines.len() {
        1 => format!("edges may be missing: {first}"),
        more => format!("edges may be missing: {first}, and {} more", more - 1),
    };
    let finding = Finding::of(
        Code::GraphIncomplete,
        ObjectRef::new("input", input, ""),
        message,
    )
    .because(lines)
    .fix("give the missing values (environment, --env-file), or say in k8sverify.yaml which edges and workloads are meant");
    vec![finding]
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{graph, look, outcomes, probe, snapshot, step};
    use super::*;
    use crate::graph::Note;
    use crate::plan::{ProbeFailure, ProbeOutcome};
    use crate::probe::wire::{StepName, StepStatus};

    const EDGE: &str = "AP->DB:3306/mysql";

    fn lost(job: &str) -> ProbeOutcome {
        let asked = vec![step(EDGE, StepName::Dns, StepStatus::Unknown)];
        let mut lost = probe("AP", "n1", asked);
        lost.steps.clear();
        lost.complete = false;
        lost.failure = Some(ProbeFailure {
            code: Code::ProbeForbidden,
            object: ObjectRef::new("job", job, "default"),
            message: "the quota admits no Job".to_owned(),
            evidence: vec![format!("{job}: exceeded quota")],
            passing: false,
        });
        lost
    }

    #[test]
    fn many_lost_probes_of_one_kind_are_one_finding() {
        let graph = graph(&[EDGE]);
        let snapshot = snapshot("");
        let outcomes = outcomes(vec![lost("a"), lost("b")]);
        let found = probes_lost(&Context::new(&graph, &snapshot, Some(&outcomes)));
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].severity, Severity::Error);
        assert_eq!(found[0].evidence.len(), 2);
        assert_eq!(found[0].edges.len(), 1);
    }

    #[test]
    fn a_lost_second_look_and_a_probe_that_ran_are_no_finding() {
        let graph = graph(&[EDGE]);
        let snapshot = snapshot("");
        let second = look(Look::OtherNode, lost("a"));
        let outcomes = outcomes(vec![second, probe("AP", "n1", vec![])]);
        let context = Context::new(&graph, &snapshot, Some(&outcomes));
        assert!(probes_lost(&context).is_empty());
        assert!(probes_lost(&Context::new(&graph, &snapshot, None)).is_empty());
    }

    #[test]
    fn what_may_be_missing_is_one_warning() {
        let mut graph = graph(&[EDGE]);
        let snapshot = snapshot("");
        assert!(graph_incomplete(&Context::new(&graph, &snapshot, None)).is_empty());
        graph.notes.push(Note {
            kind: NoteKind::Incomplete,
            message: "DB_HOST has no value".to_owned(),
        });
        graph
            .questions
            .push("which workload runs `api`?".to_owned());
        let found = graph_incomplete(&Context::new(&graph, &snapshot, None));
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].evidence.len(), 2);
        assert_eq!(found[0].severity, Severity::Warning);
    }

    #[test]
    fn a_namespace_without_the_application_is_the_only_thing_said() {
        let snapshot = snapshot("");
        let said = |tiers, found: &[(&str, usize)]| {
            let mut graph = graph(&[EDGE]);
            graph.absent = Some(Absent {
                file: "compose.yaml".to_owned(),
                tiers,
                found: found
                    .iter()
                    .map(|(name, count)| ((*name).to_owned(), *count))
                    .collect(),
            });
            let found = super::super::diagnose(&Context::new(&graph, &snapshot, None));
            assert_eq!(found.len(), 1);
            assert_eq!(found[0].code, Code::TiersNotFound);
            found[0].message.clone()
        };
        assert_eq!(
            said(4, &[("story", 4), ("broken", 2)]),
            "none of the 4 tiers of compose.yaml runs in namespace default; found in story (4 of 4), broken (2 of 4): -n story"
        );
        assert!(
            said(4, &[("a", 4), ("b", 4)]).ends_with("a (4 of 4), b (4 of 4): say which with -n")
        );
        assert_eq!(
            said(1, &[]),
            "the only tier of compose.yaml does not run in namespace default"
        );
    }
}
