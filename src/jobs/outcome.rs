//! What one container's log comes to. Pure.

use crate::plan::{Identity, ProbeFailure, ProbeOutcome, TierProbe, Vantage};

use super::records::Log;

/// What one container said: one outcome, or two where its log broke off and some edges were finished before.
pub(super) fn outcomes(
    vantage: &Vantage,
    identity: &Identity,
    node: &str,
    probe: &TierProbe,
    log: Log,
    failure: Option<ProbeFailure>,
) -> Vec<ProbeOutcome> {
    let names = probe.spec.names.iter().map(|task| task.id.clone());
    let edges = probe.spec.edges.iter().map(|task| task.id.clone());
    let complete = log.is_whole() && failure.is_none();
    let outcome = ProbeOutcome {
        vantage: vantage.id.clone(),
        tier: probe.tier.clone(),
        identity: identity.clone(),
        node: node.to_owned(),
        look: vantage.look,
        complete,
        nameservers: log.nameservers,
        steps: log.steps,
        sql: log.sql,
        failure,
        tasks: names.chain(edges).collect(),
    };
    if complete || log.finished.is_empty() {
        return vec![outcome];
    }
    let mut finished = outcome.clone();
    finished.complete = true;
    finished.failure = None;
    finished.tasks.retain(|task| log.finished.contains(task));
    finished
        .steps
        .retain(|step| log.finished.contains(&step.task));
    let mut rest = outcome;
    rest.tasks.retain(|task| !log.finished.contains(task));
    rest.steps.retain(|step| !log.finished.contains(&step.task));
    // With nothing left to say, what broke off was only the end record.
    if rest.tasks.is_empty() {
        vec![finished]
    } else {
        vec![finished, rest]
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::classify;
    use super::super::remove::JobName;
    use super::*;
    use crate::finding::Code;
    use crate::plan::Look;

    #[test]
    fn edges_that_were_finished_before_a_crash_stand() {
        let task = |id: &str| {
            json!({"id": id, "host": "h", "port": 1, "protocol": "redis", "endpoints": [],
                "skip_endpoints": null, "http": null, "tls": null, "login": null, "no_login_reason": "",
                "retry_not_found_ms": 0, "retry_until_ms": 0, "recheck_pass": false, "mesh": false,
                "replica": false, "query": null, "forbidden": false})
        };
        let probe = TierProbe {
            tier: "AP".to_owned(),
            workload: None,
            container: "t1".to_owned(),
            env: Vec::new(),
            env_from: Vec::new(),
            spec: serde_json::from_value(json!({"version": 1, "run": "r", "deadline_ms": 1,
                "names": [], "edges": [task("a"), task("b")]}))
            .unwrap(),
        };
        let vantage = Vantage {
            id: "v1".to_owned(),
            identity: Identity::default(),
            containers: vec![probe.clone()],
            look: Look::First,
            fallback_nodes: Vec::new(),
            bare: false,
            resources: crate::plan::Resources::default(),
            payload: None,
        };
        let step = |task: &str| {
            json!({"record": "step", "task": task, "name": "service", "target": "h",
                "status": "pass", "duration_ms": 1})
        };
        let log = Log::read(
            &[
                json!({"record": "started", "task": "a"}),
                json!({"record": "started", "task": "b"}),
                step("a"),
                step("b"),
                json!({"record": "finished", "task": "a"}),
            ]
            .map(|line| line.to_string())
            .join("\n"),
        );
        let job = JobName::new("shop", "j");
        let failure = classify::failure(&job, Code::ProbeLost, "crashed", Vec::new());
        let identity = Identity::default();
        let all = outcomes(&vantage, &identity, "n1", &probe, log, Some(failure));
        let [whole, rest] = all.as_slice() else {
            panic!("two outcomes: {all:?}");
        };
        assert!(whole.complete && whole.failure.is_none());
        assert_eq!(
            (&whole.tasks[..], whole.steps.len()),
            (&["a".to_owned()][..], 1)
        );
        assert!(!rest.complete && rest.failure.is_some());
        assert_eq!(
            (&rest.tasks[..], rest.steps.len()),
            (&["b".to_owned()][..], 1)
        );
    }
}
