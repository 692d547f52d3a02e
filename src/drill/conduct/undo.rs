//! Puts back what the journal names: at the end of a run, and after one that was killed. IO.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::books::{HELD, Journal, LEASE, RunRecords, held, release};
use super::{ConductError, faults, runners};
use crate::drill::model::RunnerRecord;
use crate::drill::orders::{Act, Orders};
use crate::drill::plan::runners::Runner;
use crate::jobs::{JobName, create_job, delete_job};
use crate::observe::Api;
use crate::observe::kinds::Pod;
use crate::observe::resources::{LEASES, PODS, labelled};
use crate::shell::Command;

/// How long the Job that removes the ledger may take.
const REMOVAL: Duration = Duration::from_mins(1);
/// How long runners that are asked to end may take.
const ENDING: Duration = Duration::from_secs(8);
/// How long the Pods of deleted Jobs may take to go; the garbage collector goes on alone.
const GOING: Duration = Duration::from_secs(12);
/// The pause between looks.
const LOOK: Duration = Duration::from_millis(200);
/// Orders that come after all others.
const LAST: u64 = u64::MAX / 2;
/// How long a hook's end may take.
const HOOK_END: Duration = Duration::from_mins(2);

/// The end of a run: the runners remove the ledger and end; what they cannot do a Job of its own does. Says what is left.
pub(super) async fn put_back(
    api: &Api,
    books: RunRecords<'_>,
    runners: &[Runner],
    folder: &Path,
) -> Vec<String> {
    let journal = books.read();
    let mut left = scales(api, &books.namespace, &journal).await;
    if let Some(command) = &journal.hook {
        // The run's own command: it was begun, and the round did not come to its end.
        let ended = faults::hook(command, "end", &journal.candidate, folder, HOOK_END).await;
        left.extend(ended.err());
    }
    // A runner that could not work has made no ledger, or says that it is there.
    let removed = end_runners(api, &books.namespace, runners).await;
    left.extend(jobs(api, &books.namespace, &journal, !removed).await);
    if left.is_empty() {
        left.extend(books.close().await);
    } else {
        // The journal stays for the next try.
        release(api, &books.namespace).await;
        left.push(format!(
            "the journal is kept; try again with: k8sverify drill -n {} --undo",
            books.namespace
        ));
    }
    left
}

/// After a run that was killed: waits for the end of its Lease, then puts back all that its journal names. Says what was done, and what is left.
///
/// # Errors
/// A drill is still under way, or the API does not answer.
pub async fn undo(
    api: &Api,
    namespace: &str,
    hook: Option<&str>,
    folder: &Path,
    on_progress: &(dyn Fn(&str) + Sync),
) -> Result<(Vec<String>, Vec<String>), ConductError> {
    wait_for_lease(api, namespace, on_progress).await?;
    let Some(books) = RunRecords::found(api, namespace).await? else {
        release(api, namespace).await;
        return Ok((Vec::new(), Vec::new()));
    };
    let journal = books.read();
    let mut done = vec![format!(
        "run {} of candidate {}, begun {}",
        journal.run, journal.candidate, journal.begun
    )];
    on_progress("putting scales back");
    let mut left = scales(api, namespace, &journal).await;
    if left.is_empty() {
        done.extend(
            journal
                .scales
                .iter()
                .map(|entry| format!("{entry} has its scale of {}", entry.replicas)),
        );
    }
    if let Some(command) = &journal.hook {
        // A command that stands in the cluster is not run here: only what the user passes is.
        let ended = match hook {
            Some(hook) => faults::hook(hook, "end", &journal.candidate, folder, HOOK_END).await,
            None => Err(format!(
                "the hook `{command} begin {}` was begun; end it with --undo --hook CMD, or by hand",
                journal.candidate
            )),
        };
        match ended {
            Ok(()) => done.push("the hook was ended".to_owned()),
            Err(why) => left.push(why),
        }
    }
    on_progress("removing the runners and the ledger");
    let more = jobs(api, namespace, &journal, true).await;
    if more.is_empty() {
        done.push("the runners and the ledger are gone".to_owned());
    }
    left.extend(more);
    if left.is_empty() {
        left.extend(books.close().await);
    }
    Ok((done, left))
}

/// A run that lives renews its Lease: one that does not is over.
async fn wait_for_lease(
    api: &Api,
    namespace: &str,
    on_progress: &(dyn Fn(&str) + Sync),
) -> Result<(), ConductError> {
    let end = Instant::now() + HELD + Duration::from_secs(3);
    let mut renewed: Option<Value> = None;
    loop {
        let lease = match api.get::<Value>(&LEASES.object(namespace, LEASE)).await {
            Ok(lease) => lease,
            Err(error) if error.is_not_found() => return Ok(()),
            Err(error) => return Err(ConductError::call("read the Lease of the drill")(error)),
        };
        let Some((left, holder)) = held(&lease, api.now()) else {
            return Ok(());
        };
        let time = lease.pointer("/spec/renewTime").cloned();
        let lives = renewed.is_some() && renewed != time;
        if lives || Instant::now() >= end {
            return Err(ConductError::Busy(format!(
                "the drill {holder} is still under way in namespace {namespace} and renews its Lease; end it first (Ctrl-C takes everything back)"
            )));
        }
        renewed = time;
        on_progress(&format!(
            "the Lease of run {holder} ends in {} s unless it is renewed",
            left.as_secs()
        ));
        sleep(Duration::from_secs(1)).await;
    }
}

/// Scales that were set to zero.
async fn scales(api: &Api, namespace: &str, journal: &Journal) -> Vec<String> {
    let mut left = Vec::new();
    for entry in &journal.scales {
        if let Err(error) = faults::scale(api, namespace, entry, entry.replicas).await {
            left.push(format!(
                "failed to scale {entry} back to {replicas}: {error}; {again}",
                replicas = entry.replicas,
                again = Command::kubectl(
                    namespace,
                    &[
                        "scale",
                        &entry.kind,
                        &entry.name,
                        &format!("--replicas={}", entry.replicas)
                    ]
                )
            ));
        }
    }
    left
}

/// Orders the runners to end, the first one to remove the ledger; whether it said that it did.
async fn end_runners(api: &Api, namespace: &str, runners: &[Runner]) -> bool {
    let mut removed = false;
    let mut none_began = !runners.is_empty();
    // The others end before: none of them writes into a ledger that is gone.
    for (index, runner) in runners.iter().enumerate().rev() {
        let Some(pod) = pod_of(api, namespace, &runner.job).await else {
            none_began = false;
            continue;
        };
        if never_began(api, namespace, &pod).await {
            continue;
        }
        none_began = false;
        let orders = Orders {
            number: LAST,
            act: if index == 0 { Act::Remove } else { Act::End },
            ..Orders::default()
        };
        if runners::send(api, namespace, &pod, &orders).await.is_err() {
            continue;
        }
        let ended = says_end(api, namespace, &pod, ENDING).await;
        removed = index == 0 && ended.is_ok();
    }
    removed || none_began
}

/// Whether a runner ended before it could make anything: its first word is why.
async fn never_began(api: &Api, namespace: &str, pod: &str) -> bool {
    let path = format!("{}/log?limitBytes=4096", PODS.object(namespace, pod));
    let log = api.text(&path).await.unwrap_or_default();
    is_only_an_error(&log)
}

fn is_only_an_error(log: &str) -> bool {
    let first = log.lines().next().unwrap_or_default();
    matches!(
        serde_json::from_str::<RunnerRecord>(first),
        Ok(RunnerRecord::Error { .. })
    )
}

/// Deletes the Jobs; where it is not sure that the ledger is gone, a Job of its own removes it.
async fn jobs(api: &Api, namespace: &str, journal: &Journal, remove: bool) -> Vec<String> {
    let mut left = delete_jobs(api, namespace, &journal.jobs).await;
    if !remove {
        return left;
    }
    let name = journal
        .remover
        .pointer("/metadata/name")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let job = JobName::new(namespace, name);
    let by_hand = |why: String| {
        format!(
            "the scratch table k8sverify_drill_{} of candidate {} may still be there: {why}; drop it by hand",
            journal.run, journal.candidate
        )
    };
    if let Err(error) = create_job(api, &job, &journal.remover, false).await {
        left.push(by_hand(error.to_string()));
        return left;
    }
    let end = Instant::now() + REMOVAL;
    let ended = loop {
        match pod_of(api, namespace, name).await {
            Some(pod) => break says_end(api, namespace, &pod, end - Instant::now()).await,
            None if Instant::now() >= end => {
                break Err("the Job that removes it made no Pod".to_owned());
            }
            None => sleep(LOOK).await,
        }
    };
    left.extend(ended.err().map(by_hand));
    left.extend(delete_jobs(api, namespace, &[name.to_owned()]).await);
    left
}

/// Deletes Jobs and sees their Pods gone.
async fn delete_jobs(api: &Api, namespace: &str, names: &[String]) -> Vec<String> {
    let mut left = Vec::new();
    for name in names {
        if let Err(error) = delete_job(api, &JobName::new(namespace, name)).await {
            left.push(format!(
                "failed to delete job/{name}: {error}; {}",
                Command::kubectl(namespace, &["delete", "job", name])
            ));
        }
    }
    let end = Instant::now() + GOING;
    for name in names {
        while pod_of(api, namespace, name).await.is_some() && Instant::now() < end {
            sleep(LOOK).await;
        }
    }
    left
}

/// The Pod of a Job.
async fn pod_of(api: &Api, namespace: &str, job: &str) -> Option<String> {
    let path = PODS.path(Some(namespace));
    let query = labelled(&format!("job-name={job}"));
    let listed = api.list::<Pod>(&path, &query).await.ok()?;
    listed.items.into_iter().map(|pod| pod.metadata.name).next()
}

/// Waits for a runner's last record.
async fn says_end(api: &Api, namespace: &str, pod: &str, limit: Duration) -> Result<(), String> {
    let path = format!("{}/log?tailLines=1", PODS.object(namespace, pod));
    let end = Instant::now() + limit;
    let mut why = "its runner did not say that it had ended".to_owned();
    loop {
        match api.text(&path).await {
            Ok(text) => match serde_json::from_str::<RunnerRecord>(text.trim()) {
                Ok(RunnerRecord::End(_)) => return Ok(()),
                Ok(RunnerRecord::Error { message }) => return Err(message),
                _ => {}
            },
            Err(error) => why = error.to_string(),
        }
        if Instant::now() >= end {
            return Err(why);
        }
        sleep(LOOK).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_runner_whose_first_word_is_an_error_has_made_nothing() {
        let line = |record: &RunnerRecord| serde_json::to_string(record).unwrap();
        let error = line(&RunnerRecord::Error {
            message: "there is no login".to_owned(),
        });
        let hello = line(&RunnerRecord::Hello { version: 1 });
        assert!(is_only_an_error(&error));
        // Who has greeted may have made the ledger.
        assert!(!is_only_an_error(&format!("{hello}\n{error}\n")));
        assert!(!is_only_an_error(""));
    }
}
