//! A plan as text for people. Pure.

use std::fmt::Write;

use crate::drill::model::{Candidate, Member, Plan};

/// Every candidate: members, keys, what would be done, and why it is not.
#[must_use]
pub fn text(plan: &Plan, cluster: &str) -> String {
    let mut text = String::new();
    for candidate in &plan.candidates {
        // Writing to a String cannot fail.
        let _ = one(&mut text, candidate, plan, cluster);
    }
    text
}

fn one(text: &mut String, candidate: &Candidate, plan: &Plan, cluster: &str) -> std::fmt::Result {
    let Candidate {
        name,
        namespace,
        write,
        ..
    } = candidate;
    writeln!(
        text,
        "drill of {name} in namespace {namespace} of {cluster}"
    )?;
    write!(text, "  writes through {write}")?;
    if let Some(service) = &candidate.write_service {
        write!(text, " (service/{service})")?;
    }
    if let Some(read) = &candidate.read {
        write!(text, ", reads through {read}")?;
    }
    writeln!(text)?;
    writeln!(
        text,
        "  {} of {} members, brought back by {}; data on {}",
        candidate.members.len(),
        candidate.size,
        or_nothing(&candidate.workloads.join(", ")),
        or_nothing(&candidate.volumes.join(", ")),
    )?;
    for member in &candidate.members {
        writeln!(text, "    {}", of_member(member))?;
    }
    writeln!(text, "  would be done, {} rounds each:", plan.rounds)?;
    for planned in &candidate.faults {
        writeln!(
            text,
            "    {}: {}",
            planned.fault,
            or_nothing(&planned.victims.join(", "))
        )?;
    }
    let key = |key: &Option<String>| key.clone().unwrap_or_else(|| "missing".to_owned());
    writeln!(
        text,
        "  keys: the namespace's: {}; the person's: {}",
        key(&candidate.keys.namespace),
        key(&candidate.keys.person)
    )?;
    if candidate.refusals.is_empty() {
        return writeln!(text, "  nothing stands against it");
    }
    writeln!(text, "  not done, since")?;
    for refusal in &candidate.refusals {
        writeln!(text, "    - {}", refusal.message)?;
    }
    Ok(())
}

fn of_member(member: &Member) -> String {
    match &member.pod {
        Some(pod) => format!(
            "{}: pod/{} (uid {}) at {} on {}",
            member.name, pod.name, pod.uid, member.address, pod.node
        ),
        None => format!("{}: outside of the cluster", member.name),
    }
}

fn or_nothing(text: &str) -> &str {
    if text.is_empty() { "nothing" } else { text }
}
