//! The command line's options → those of the stages. IO: the clock and process id make the run's label unique.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use crate::cli::{ProbeArgs, VerifyArgs};
use crate::commands::CommandError;
use crate::compose::{DiskFiles, Files};
use crate::observe::kinds::NameRef;
use crate::plan::{self, JobOptions, PlanOptions};
use crate::reason;

/// Options of the plan, with a fresh run label.
pub(crate) fn of_plan(probe: &ProbeArgs, timeout: Duration) -> PlanOptions {
    PlanOptions {
        run: run_label(),
        // The agent ends before its Job's deadline, so that its last records are read.
        deadline_ms: u64::try_from(timeout.as_millis())
            .unwrap_or(u64::MAX)
            .saturating_sub(2000)
            .max(1000),
        nodes: usize::from(probe.max_nodes),
        require_trust: probe.require_trust,
        login: !probe.no_login,
        allow_login: probe.allow_login.iter().cloned().collect(),
        edges_at_once: probe.edges_at_once,
        ..PlanOptions::default()
    }
}

/// How long the whole run may take.
pub(super) fn deadline(args: &VerifyArgs) -> Duration {
    args.deadline.unwrap_or_else(|| {
        let needed = args.wait + 2 * args.timeout + Duration::from_mins(1);
        needed.max(Duration::from_mins(5))
    })
}

/// How long rollouts are waited for: a deadline of the user's leaves half of its time for the probes.
pub(super) fn wait(args: &VerifyArgs) -> Duration {
    match args.deadline {
        Some(deadline) => args.wait.min(deadline / 2),
        None => args.wait,
    }
}

/// Seven letters and digits that no other run of this minute has.
pub(in crate::commands) fn run_label() -> String {
    const ALPHABET: &[u8] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    let nanoseconds = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_nanos());
    let mut seed = nanoseconds ^ (u128::from(std::process::id()) << 40);
    // A step of SplitMix64 spreads the few bits that differ.
    seed = (seed ^ (seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    seed = (seed ^ (seed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (0..7)
        .map(|_| {
            let digit = usize::try_from(seed % 36).unwrap_or(0);
            seed /= 36;
            char::from(ALPHABET[digit])
        })
        .collect()
}

/// Options of every Job.
pub(crate) fn jobs(probe: &ProbeArgs, timeout: Duration, run: &str, patch: &Value) -> JobOptions {
    JobOptions {
        run: run.to_owned(),
        image: probe.image.clone(),
        image_pull_policy: probe.image_pull_policy.clone().unwrap_or_default(),
        deadline_seconds: timeout.as_secs().max(1),
        ttl_seconds: 60,
        image_pull_secrets: probe
            .image_pull_secret
            .iter()
            .map(|name| NameRef { name: name.clone() })
            .collect(),
        tolerations: probe.probe_toleration.clone(),
        node_selector: probe.probe_node_selector.iter().cloned().collect(),
        labels: probe.probe_label.iter().cloned().collect(),
        annotations: probe.probe_annotation.iter().cloned().collect(),
        priority_class: probe.probe_priority_class.clone().unwrap_or_default(),
        service_account: probe.probe_service_account.clone().unwrap_or_default(),
        resources: probe.probe_resources.iter().cloned().collect(),
        runtime_class: probe.probe_runtime_class.clone().unwrap_or_default(),
        patch: patch.clone(),
    }
}

/// The user's patch of the probe Pods, read and checked; nothing where there is none.
///
/// # Errors
/// [`CommandError::Usage`] with the file, and the line where it is no YAML.
pub(crate) fn patch(probe: &ProbeArgs) -> Result<Value, CommandError> {
    let Some(file) = &probe.probe_patch else {
        return Ok(Value::Null);
    };
    let wrong =
        |what: String| CommandError::Usage(format!("--probe-patch {}{what}", file.display()));
    let text = DiskFiles.read(file).map_err(|error| {
        let why = reason::unreadable(&error);
        wrong(format!(": cannot read it: {why}; name a readable file"))
    })?;
    let yaml = serde_saphyr::options! { with_snippet: false };
    let patch: Value = serde_saphyr::from_str_with_options(&text, yaml).map_err(|error| {
        let place = error.location();
        let place = place.map(|place| format!(":{}:{}", place.line(), place.column()));
        wrong(format!(
            "{}: invalid YAML or JSON",
            place.unwrap_or_default()
        ))
    })?;
    plan::patch::check(&patch).map_err(|what| wrong(format!(":1: {what}")))?;
    Ok(patch)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_label_fits_a_name() {
        let label = run_label();
        assert!(
            label.len() == 7
                && label
                    .chars()
                    .all(|character| character.is_ascii_lowercase() || character.is_ascii_digit()),
            "{label}"
        );
    }
}
