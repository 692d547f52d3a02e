//! One-shot tiers that ended in failure: Jobs, and the bare Pods that kompose makes of `restart: "no"`. Pure.

use super::kubectl;
use crate::diagnose::Context;
use crate::diagnose::subject::WorkloadFacts;
use crate::diagnose::words::{log_lines, quote};
use crate::finding::{Code, Finding, ObjectRef, Severity};
use crate::observe::kinds::{Condition, Pod, Workload};

/// Jobs that failed for good, and long-running tiers whose only Pod has ended and is not started again.
pub(super) fn failed(context: &Context<'_>, subject: &WorkloadFacts<'_>) -> Option<Finding> {
    match subject.key.kind.as_str() {
        "job" => of_job(context, subject, subject.workload?),
        "cronjob" => of_cron_job(context, subject),
        "pod" => of_pod(context, subject),
        _ => None,
    }
}

fn failure(job: &Workload) -> Option<&Condition> {
    Condition::with(&job.status.conditions, "Failed", "True")
}

fn of_job(context: &Context<'_>, subject: &WorkloadFacts<'_>, job: &Workload) -> Option<Finding> {
    if is_made_up_for(context, subject, job) {
        return None;
    }
    let name = subject.name(&context.snapshot.namespace);
    let failed = job.status.failed;
    let (severity, message, line) = match failure(job) {
        Some(condition) => (
            subject.scoped(Severity::Error),
            format!("{name} ended in failure ({})", quote(&condition.message)),
            format!(
                "Failed=True {}: {}",
                condition.reason,
                quote(&condition.message)
            ),
        ),
        // It still tries again: not certain.
        None if failed > 0 && job.status.succeeded == 0 => (
            Severity::Warning,
            format!("{name} has failed {failed} times and goes on trying"),
            format!("status.failed of {}: {failed}", subject.key),
        ),
        None => return None,
    };
    let finding = Finding::new(Code::JobFailed, severity, subject.key.object(), message)
        .because([line])
        .because(last_words(context, &subject.ended))
        .following(subject.from.iter().filter(|_| dependent(&subject.ended)))
        .on(&subject.into)
        .fix(format!(
            "see its log ({}), fix it, delete it and apply it again: a Job that failed is not started a second time",
            kubectl(subject, &["logs", &subject.key.to_string()])
        ));
    Some(finding)
}

/// Whether a later Job of the same tier has ended well: the one that failed is that of an earlier release.
fn is_made_up_for(context: &Context<'_>, subject: &WorkloadFacts<'_>, job: &Workload) -> bool {
    let is_own = |name: &str| subject.tiers.iter().any(|tier| tier.name == name);
    context.subjects.iter().any(|other| {
        let later = other.workload.filter(|later| {
            later.status.succeeded > 0
                && later.metadata.creation_timestamp > job.metadata.creation_timestamp
        });
        other.key.kind == "job"
            && other.key.namespace == subject.key.namespace
            && later.is_some()
            && other.tiers.iter().any(|tier| is_own(&tier.name))
    })
}

/// The newest Job of a `CronJob`: a warning, the next run may do better.
fn of_cron_job(context: &Context<'_>, subject: &WorkloadFacts<'_>) -> Option<Finding> {
    let jobs = context.snapshot.made_by(&subject.key).into_iter();
    let newest = jobs.max_by_key(|job| job.metadata.creation_timestamp)?;
    let condition = failure(newest)?;
    let name = &newest.metadata.name;
    let finding = Finding::new(
        Code::JobFailed,
        Severity::Warning,
        ObjectRef::new("job", name, &subject.key.namespace),
        format!(
            "the last run of {}, job/{name}, ended in failure ({})",
            subject.key,
            quote(&condition.message)
        ),
    )
    .following(&subject.from)
    .fix(format!(
        "see its log: {}",
        kubectl(subject, &["logs", &format!("job/{name}")])
    ));
    Some(finding)
}

/// A bare Pod that failed and is all that its tier has. A leftover beside a workload that runs is history.
fn of_pod(context: &Context<'_>, subject: &WorkloadFacts<'_>) -> Option<Finding> {
    let pod = subject
        .ended
        .iter()
        .find(|pod| pod.status.phase == "Failed")?;
    let alone = subject.tiers.iter().any(|tier| {
        tier.workloads
            .iter()
            .all(|key| *key == subject.key || key.kind == "pod" && !runs(context, key))
    });
    if !alone || !subject.pods.is_empty() {
        return None;
    }
    let (code, kind) = if subject.is_one_shot() {
        (Code::JobFailed, "Job")
    } else {
        (Code::ContainerCrashLooping, "Deployment")
    };
    let reason = if pod.status.reason.is_empty() {
        "its program failed".to_owned()
    } else {
        format!("{}: {}", pod.status.reason, quote(&pod.status.message))
    };
    let name = subject.name(&context.snapshot.namespace);
    let finding = Finding::new(
        code,
        subject.scoped(Severity::Error),
        subject.key.object(),
        format!("{name} has ended in failure ({reason}) and nothing starts it again"),
    )
    .because(last_words(context, &subject.ended))
    .following(subject.from.iter().filter(|_| dependent(&subject.ended)))
    .on(&subject.into)
    .fix(format!(
        "see its log ({}), fix it, and apply it as a {kind} so that it is started again",
        kubectl(subject, &["logs", &subject.key.to_string()])
    ));
    Some(finding)
}

fn runs(context: &Context<'_>, key: &crate::observe::WorkloadKey) -> bool {
    context
        .subjects
        .iter()
        .any(|subject| subject.key == *key && !subject.pods.is_empty())
}

/// How the containers of the last Pod ended, and what they said.
fn last_words(context: &Context<'_>, ended: &[&Pod]) -> Vec<String> {
    let Some(pod) = ended
        .iter()
        .filter(|pod| pod.status.phase == "Failed")
        .max_by_key(|pod| pod.metadata.creation_timestamp)
    else {
        return Vec::new();
    };
    let mut lines = Vec::new();
    for status in &pod.status.container_statuses {
        if let Some(end) = &status.state.terminated {
            lines.push(format!(
                "Pod {} container {}: {} exit code {}",
                pod.metadata.name, status.name, end.reason, end.exit_code
            ));
        }
        lines.extend(log_lines(context.snapshot, pod, &status.name, 3));
    }
    lines
}

/// Whether a program failed by itself, not for want of a command or of memory.
fn dependent(ended: &[&Pod]) -> bool {
    ended
        .iter()
        .flat_map(|pod| &pod.status.container_statuses)
        .filter_map(|status| status.state.terminated.as_ref())
        .any(|end| (1..126).contains(&end.exit_code) && end.reason != "OOMKilled")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::{Rule, fixtures};

    fn found(objects: &str, workload: &str, one_shot: bool) -> Vec<Finding> {
        let snapshot = fixtures::snapshot(objects);
        let mut graph = fixtures::graph(&["MIGRATE->DB:3306/mysql"]);
        let tier = graph.tiers.get_mut("MIGRATE").unwrap();
        let (kind, name) = workload.split_once('/').unwrap();
        tier.workloads = vec![crate::observe::WorkloadKey::new("default", kind, name)];
        tier.one_shot = one_shot;
        Rule::Workload(failed).raise(&Context::new(&graph, &snapshot, None))
    }

    const JOB: &str = "
kind: Job
metadata: {name: migrate}
spec: {backoffLimit: 0, template: {spec: {containers: [{name: migrate}]}}}
status: STATUS
";

    #[test]
    fn a_job_that_failed_is_distinguished_from_one_that_tries_and_one_that_is_done() {
        let job = |status: &str| found(&JOB.replace("STATUS", status), "job/migrate", true);
        let failed = job(
            "{failed: 1, conditions: [{type: Failed, status: 'True', reason: BackoffLimitExceeded, message: Job has reached the specified backoff limit}]}",
        );
        assert_eq!(failed[0].id("default").0, "job-failed job/migrate");
        assert_eq!(failed[0].severity, Severity::Error);
        assert_eq!(job("{failed: 2}")[0].severity, Severity::Warning);
        assert!(
            job("{succeeded: 1, failed: 2, conditions: [{type: Complete, status: 'True'}]}")
                .is_empty()
        );
    }

    #[test]
    fn a_job_of_an_earlier_release_is_no_fault_once_a_later_one_has_ended_well() {
        let of = |name: &str, at: &str, status: &str| {
            JOB.replace(
                "{name: migrate}\n",
                &format!("{{name: {name}, creationTimestamp: '2026-11-23T{at}:00Z'}}\n"),
            )
            .replace("STATUS", status)
        };
        let failed_job = "{failed: 1, conditions: [{type: Failed, status: 'True'}]}";
        let raised = |first: &str, second: &str| {
            let objects =
                of("migrate-1", "09:00", first) + "---" + &of("migrate-2", "10:00", second);
            let snapshot = fixtures::snapshot(&objects);
            let mut graph = fixtures::graph(&["MIGRATE->DB:3306/mysql"]);
            let tier = graph.tiers.get_mut("MIGRATE").unwrap();
            let key = |name| crate::observe::WorkloadKey::new("default", "job", name);
            tier.workloads = vec![key("migrate-1"), key("migrate-2")];
            tier.one_shot = true;
            Rule::Workload(failed)
                .raise(&Context::new(&graph, &snapshot, None))
                .len()
        };
        assert_eq!(raised(failed_job, "{succeeded: 1}"), 0);
        assert_eq!(raised("{succeeded: 1}", failed_job), 1);
        assert_eq!(raised(failed_job, failed_job), 2);
    }

    const POD: &str = "
kind: Pod
metadata: {name: migrate}
spec: {restartPolicy: Never, containers: [{name: migrate}]}
status: {phase: Failed, containerStatuses: [{name: migrate, state: {terminated: {exitCode: 1, reason: Error}}}]}
";

    #[test]
    fn a_bare_pod_that_failed_counts_unless_something_else_runs_the_tier() {
        let found_alone = found(POD, "pod/migrate", true);
        assert_eq!(found_alone[0].code, Code::JobFailed);
        assert_eq!(found_alone[0].follows.len(), 1);
        assert_eq!(
            found(POD, "pod/migrate", false)[0].code,
            Code::ContainerCrashLooping
        );
        assert!(found(POD, "deployment/migrate", false).is_empty());
    }
}
