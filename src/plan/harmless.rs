//! What a probe's Pod must not disturb: the budget of the tier whose labels it wears, and the limits of its namespace. Pure.

use std::collections::BTreeMap;

use super::model::{Resources, Vantage};
use crate::observe::kinds::{LimitRange, Workload, selector_matches};
use crate::observe::{NamespaceState, Snapshot};

/// What a container may use at most where nothing else is asked for; the processor leaves room for TLS handshakes.
const LIMITS: [(&str, &str); 2] = [("cpu", "200m"), ("memory", "64Mi")];

/// Fits the vantages to the budgets and limits of their namespaces. Returns what a reader should know of it.
pub(super) fn fit(snapshot: &Snapshot, vantages: &mut [Vantage]) -> Vec<String> {
    let mut notes = Vec::new();
    for vantage in vantages {
        let state = snapshot.namespaces.get(&vantage.identity.namespace);
        let ranges = state.map_or(&[][..], |state| &state.limit_ranges);
        vantage.resources = resources(ranges, vantage.containers.len());
        let Some(state) = state else { continue };
        let asked: Vec<String> = vantage
            .resources
            .requests
            .iter()
            .filter(|(_, amount)| *amount != "0")
            .map(|(name, amount)| format!("{amount} of {name}"))
            .collect();
        if !asked.is_empty() {
            notes.push(format!(
                "probe Pods in namespace {} request {}, as a LimitRange there demands",
                vantage.identity.namespace,
                asked.join(" and ")
            ));
        }
        if let Some(budget) = budget(state, vantage) {
            if may_be_bare(state, vantage) {
                vantage.bare = true;
            } else {
                notes.push(format!(
                    "poddisruptionbudget/{budget} cannot be computed while the probe Job of {} runs: its Pod wears the labels that it selects",
                    tiers(vantage)
                ));
            }
        }
    }
    notes
}

fn tiers(vantage: &Vantage) -> String {
    let names: Vec<&str> = vantage
        .containers
        .iter()
        .map(|probe| probe.tier.as_str())
        .collect();
    names.join(", ")
}

/// The budget that would count the Pod. For one that a Job controls no budget can say how many there should be, and then it allows no disruption;
/// a Pod without a controller is left out.
fn budget<'s>(state: &'s NamespaceState, vantage: &Vantage) -> Option<&'s str> {
    let budget = state.disruption_budgets.iter().find(|budget| {
        let selector = budget.spec.selector.as_ref();
        selector.is_some_and(|selector| selector_matches(selector, &vantage.identity.labels))
    })?;
    Some(&budget.metadata.name)
}

/// Whether no controller takes a Pod with those labels for its own, when no other controls it.
fn may_be_bare(state: &NamespaceState, vantage: &Vantage) -> bool {
    let labels = &vantage.identity.labels;
    // Deployments take ReplicaSets only, StatefulSets go by the name too.
    let adopts = |workload: &Workload| {
        matches!(workload.kind.as_str(), "ReplicaSet" | "DaemonSet")
            && workload
                .spec
                .selector
                .as_ref()
                .is_some_and(|selector| selector_matches(selector, labels))
    };
    // Of other kinds it is not known what they select.
    let is_known = |kind: &str| matches!(kind, "ReplicaSet" | "StatefulSet" | "DaemonSet" | "Job");
    let strange = state.pods.iter().any(|pod| {
        let own = &pod.metadata;
        labels
            .iter()
            .all(|(key, value)| own.labels.get(key) == Some(value))
            && own.controller().is_some_and(|owner| !is_known(&owner.kind))
    });
    !strange && !state.workloads.iter().any(adopts)
}

/// Requests of nothing, so that the scheduler evicts no one for a probe; more only where the namespace's limits demand it.
/// A Pod's maximum is shared by its containers.
fn resources(ranges: &[LimitRange], containers: usize) -> Resources {
    let mut made = Resources::default();
    for (name, usual) in LIMITS {
        let items = || ranges.iter().flat_map(|range| &range.spec.limits);
        let of =
            |kind: &str, amounts: &dyn Fn(&crate::observe::kinds::LimitItem) -> Option<String>| {
                items()
                    .filter(|item| kind.is_empty() || item.kind == kind)
                    .filter(|item| matches!(item.kind.as_str(), "Container" | "Pod"))
                    .filter_map(amounts)
                    .collect::<Vec<String>>()
            };
        let least = of("", &|item| item.min.get(name).cloned())
            .into_iter()
            .max_by(|one, other| quantity(one).total_cmp(&quantity(other)));
        let shares = of("Pod", &|item| item.max.get(name).cloned());
        let most = of("Container", &|item| item.max.get(name).cloned())
            .into_iter()
            .chain(shares.iter().map(|most| share(name, most, containers)))
            .min_by(|one, other| quantity(one).total_cmp(&quantity(other)));
        let ratio = !of("", &|item| item.max_limit_request_ratio.get(name).cloned()).is_empty();
        let mut limit = usual.to_owned();
        if let Some(most) = most.filter(|most| quantity(most) < quantity(&limit)) {
            limit = most;
        }
        if let Some(least) = least
            .as_ref()
            .filter(|least| quantity(least) > quantity(&limit))
        {
            limit.clone_from(least);
        }
        let request = match least {
            _ if ratio => limit.clone(),
            Some(least) => least,
            None => "0".to_owned(),
        };
        made.requests.insert(name.to_owned(), request);
        made.limits.insert(name.to_owned(), limit);
    }
    made
}

/// What each of so many containers may have of a Pod's `cpu` or `memory`.
fn share(name: &str, of: &str, containers: usize) -> String {
    let containers = f64::from(u16::try_from(containers.max(1)).unwrap_or(u16::MAX));
    let share = quantity(of) / containers;
    if name == "cpu" {
        format!("{:.0}m", (share * 1000.0).floor())
    } else {
        format!("{:.0}", share.floor())
    }
}

/// The number that a quantity of the API stands for; 0 for what is none.
pub fn quantity(text: &str) -> f64 {
    let end = text
        .find(|sign: char| !sign.is_ascii_digit() && sign != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let powers = BTreeMap::from([
        ("n", 1e-9),
        ("u", 1e-6),
        ("m", 1e-3),
        ("", 1.0),
        ("k", 1e3),
        ("M", 1e6),
        ("G", 1e9),
        ("T", 1e12),
        ("Ki", 1024.0),
        ("Mi", 1_048_576.0),
        ("Gi", 1_073_741_824.0),
        ("Ti", 1_099_511_627_776.0),
    ]);
    // The API admits nothing else; what it might admit later is taken for nothing, and refused by it with its own words.
    number.parse().unwrap_or(0.0) * powers.get(unit).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::model::{Identity, Look, TierProbe};
    use super::*;
    use crate::observe::kinds::Labels;
    use crate::probe::wire::ProbeSpec;

    fn made(ranges: Value) -> [(String, String); 2] {
        let ranges: Vec<LimitRange> = serde_json::from_value(ranges).unwrap();
        let made = resources(&ranges, 2);
        ["cpu", "memory"].map(|name| (made.requests[name].clone(), made.limits[name].clone()))
    }

    fn pairs(cpu: [&str; 2], memory: [&str; 2]) -> [(String, String); 2] {
        [cpu, memory].map(|[request, limit]| (request.to_owned(), limit.to_owned()))
    }

    #[test]
    fn nothing_is_requested_but_what_a_limit_range_demands() {
        assert_eq!(made(json!([])), pairs(["0", "200m"], ["0", "64Mi"]));
        let range =
            |limits: Value| json!([{"metadata": {"name": "l"}, "spec": {"limits": limits}}]);
        assert_eq!(
            made(range(
                json!([{"type": "Container", "min": {"cpu": "300m", "memory": "32Mi"}}, {"type": "Pod", "min": {"cpu": "0.5"}}])
            )),
            pairs(["0.5", "0.5"], ["32Mi", "64Mi"])
        );
        assert_eq!(
            made(range(
                json!([{"type": "Container", "max": {"cpu": "100m"}, "maxLimitRequestRatio": {"memory": "2"}}])
            )),
            pairs(["0", "100m"], ["64Mi", "64Mi"])
        );
        assert_eq!(
            made(range(
                json!([{"type": "Pod", "max": {"cpu": "300m", "memory": "1Gi"}}])
            )),
            pairs(["0", "150m"], ["0", "64Mi"])
        );
        assert_eq!(
            made(range(
                json!([{"type": "PersistentVolumeClaim", "min": {"memory": "1Gi"}}])
            )),
            pairs(["0", "200m"], ["0", "64Mi"])
        );
    }

    /// What becomes of a vantage that wears `app: ap`, with these objects in its namespace.
    fn fitted(labels: &[(&str, &str)], state: &Value) -> (bool, Vec<String>) {
        let state = serde_json::from_value(state.clone()).unwrap();
        let snapshot = Snapshot {
            namespace: "shop".to_owned(),
            namespaces: [("shop".to_owned(), state)].into(),
            ..Snapshot::default()
        };
        let mut vantages = [Vantage {
            id: "v1".into(),
            identity: Identity {
                namespace: "shop".into(),
                labels: labels
                    .iter()
                    .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                    .collect::<Labels>(),
                ..Identity::default()
            },
            containers: vec![TierProbe {
                tier: "AP".into(),
                workload: None,
                container: "t1".into(),
                env: Vec::new(),
                env_from: Vec::new(),
                spec: ProbeSpec::default(),
            }],
            look: Look::First,
            fallback_nodes: Vec::new(),
            bare: false,
            resources: Resources::default(),
            payload: None,
        }];
        let notes = fit(&snapshot, &mut vantages);
        (vantages[0].bare, notes)
    }

    #[test]
    fn a_pod_that_a_budget_would_count_has_no_controller_unless_another_would_adopt_it() {
        let budget = json!([{"metadata": {"name": "ap"}, "spec": {"selector": {"matchLabels": {"app": "ap"}}}}]);
        let state = |kind: &str, selector: Value| json!({"disruption_budgets": budget, "workloads": [{"kind": kind, "metadata": {"name": "x"}, "spec": {"selector": {"matchLabels": selector}}}]});
        let of_deployment = state("ReplicaSet", json!({"app": "ap", "pod-template-hash": "1"}));
        assert_eq!(fitted(&[("app", "ap")], &of_deployment), (true, vec![]));
        assert_eq!(fitted(&[], &of_deployment), (false, vec![]));
        assert_eq!(fitted(&[("app", "db")], &of_deployment), (false, vec![]));
        assert_eq!(fitted(&[("app", "ap")], &json!({})), (false, vec![]));
        for adopting in [
            state("DaemonSet", json!({"app": "ap"})),
            json!({"disruption_budgets": budget, "pods": [{"metadata": {"name": "p", "labels": {"app": "ap"}, "ownerReferences": [{"kind": "ReplicationController", "name": "r", "controller": true}]}}]}),
        ] {
            let (bare, notes) = fitted(&[("app", "ap")], &adopting);
            assert!(!bare);
            assert!(notes[0].contains("poddisruptionbudget/ap"), "{notes:?}");
        }
    }
}
