//! A plan as text for people. Pure.

use crate::drill::model::{Candidate, Member, Plan};
use crate::sanitise::clean;

/// Every candidate: members, keys, what would be done, and why it is not.
pub fn text(plan: &Plan, cluster: &str) -> String {
    let mut text = String::new();
    for candidate in &plan.candidates {
        for line in lines(candidate, plan, cluster) {
            // Whatever a name or an annotation holds, a line stays one, and a person sees all of it.
            text += &clean(&line).replace('\n', "\\n");
            text.push('\n');
        }
    }
    text
}

fn lines(candidate: &Candidate, plan: &Plan, cluster: &str) -> Vec<String> {
    let Candidate {
        name,
        namespace,
        write,
        ..
    } = candidate;
    let mut ways = format!("  writes through {write}");
    if let Some(service) = &candidate.write_service {
        ways += &format!(" (service/{service})");
    }
    if let Some(read) = &candidate.read {
        ways += &format!(", reads through {read}");
    }
    let mut lines = vec![
        format!("drill of {name} in namespace {namespace} of {cluster}"),
        ways,
        format!(
            "  {} of {} members, brought back by {}; data on {}",
            candidate.members.len(),
            candidate.size,
            or_nothing(&candidate.workloads.join(", ")),
            or_nothing(&candidate.volumes.join(", ")),
        ),
    ];
    let members = candidate.members.iter();
    lines.extend(members.map(|member| format!("    {}", of_member(member))));
    lines.push(format!("  would be done, {} rounds each:", plan.rounds));
    lines.extend(candidate.faults.iter().map(|planned| {
        let victims = planned.victims.join(", ");
        format!("    {}: {}", planned.fault, or_nothing(&victims))
    }));
    let key = |key: &Option<String>| key.clone().unwrap_or_else(|| "missing".to_owned());
    lines.push(format!(
        "  keys: the namespace's: {}; the person's: {}",
        key(&candidate.keys.namespace),
        key(&candidate.keys.person)
    ));
    if candidate.refusals.is_empty() {
        lines.push("  nothing stands against it".to_owned());
        return lines;
    }
    lines.push("  not done, since".to_owned());
    let refusals = candidate.refusals.iter();
    lines.extend(refusals.map(|refusal| format!("    - {}", refusal.message)));
    lines
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
