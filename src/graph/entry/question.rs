//! What an entry is asked: a request that does no harm, in the name under which users call. Pure.

use serde_json::Value;

use crate::address::NOWHERE;
use crate::graph::{Entry, EntryQuestion, EntryRule, Tier};
use crate::observe::Snapshot;
use crate::observe::kinds::{Container, ServicePort};
use crate::protocol::Protocol;

/// The question for a rule of an Ingress; `None`: no path is known that surely does no harm.
pub(super) fn of_rule(
    rule: &EntryRule,
    exact: bool,
    protocol: Protocol,
    healthy: Option<String>,
) -> Option<EntryQuestion> {
    if protocol == Protocol::Grpc {
        return None;
    }
    let prefix = rule.path.strip_suffix('*').unwrap_or(&rule.path);
    // A pattern of some controllers' own.
    if prefix.contains(|sign: char| "()[]{}|^$*+?\\".contains(sign)) {
        return None;
    }
    let stem = prefix.trim_end_matches('/');
    let is_below = |path: &String| {
        // A query may hold a secret.
        if path.contains('?') {
            return false;
        }
        let rest = path.strip_prefix(stem);
        if exact {
            *path == rule.path
        } else {
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        }
    };
    let path = match healthy.filter(is_below) {
        Some(path) => path,
        None if exact => return None,
        None => format!("{stem}{NOWHERE}"),
    };
    Some(EntryQuestion {
        // A name below a wildcard is as good as any other.
        authority: match rule.host.strip_prefix("*.") {
            Some(domain) => format!("k8sverify.{domain}"),
            None => rule.host.clone(),
        },
        path,
        tls: rule.tls,
        status: None,
    })
}

/// The question that an entry is asked by its address, where the user wants an answer.
pub(super) fn by_address(entry: &Entry) -> EntryQuestion {
    EntryQuestion {
        authority: entry
            .rule
            .as_ref()
            .map_or_else(String::new, |rule| rule.host.clone()),
        path: NOWHERE.to_owned(),
        tls: match &entry.rule {
            Some(rule) => rule.tls,
            None => entry.protocol == Protocol::Https,
        },
        status: None,
    }
}

/// A path that the tier declares for health on that port: compose's healthcheck, else its readiness or liveness probe.
pub(super) fn health_path(tier: &Tier, snapshot: &Snapshot, port: &ServicePort) -> Option<String> {
    let target = port.target_port.as_i64().unwrap_or(i64::from(port.port));
    let named = Some(&port.target_port).filter(|port| port.is_string());
    let of_compose = tier
        .health_path
        .as_ref()
        .filter(|health| i64::from(health.port.get()) == target)
        .map(|health| health.path.clone());
    let templates = tier
        .workloads
        .iter()
        .filter_map(|key| snapshot.template(key));
    let of_probe = templates
        .flat_map(|template| &template.spec.containers)
        .find_map(|container| of_container(container, target, named));
    of_compose.or(of_probe)
}

fn of_container(container: &Container, target: i64, named: Option<&Value>) -> Option<String> {
    let number = |port: &Value| Some(i64::from(container.number(port)?.get()));
    let target = named.and_then(number).unwrap_or(target);
    let probes = [&container.readiness_probe, &container.liveness_probe];
    let asked = probes
        .into_iter()
        .flatten()
        .filter_map(|probe| probe.http_get.as_ref());
    asked
        .filter(|http| number(&http.port) == Some(target))
        .map(|http| http.path.clone())
        .find(|path| path.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(host: &str, path: &str, exact: bool, healthy: Option<&str>) -> Option<String> {
        let rule = EntryRule {
            host: host.into(),
            path: path.into(),
            tls: false,
        };
        let question = of_rule(&rule, exact, Protocol::Http, healthy.map(str::to_owned))?;
        Some(question.authority + &question.path)
    }

    #[test]
    fn a_rule_is_asked_below_its_own_prefix_and_never_for_what_may_act() {
        let below = asked("shop.example", "/", false, None).unwrap();
        assert_eq!(below, format!("shop.example{NOWHERE}"));
        let healthy = Some("/api/ready");
        assert_eq!(asked("a", "/api", false, healthy).unwrap(), "a/api/ready");
        let secret = Some("/api/ready?token=1");
        assert_eq!(
            asked("a", "/api", false, secret).unwrap(),
            format!("a/api{NOWHERE}")
        );
        assert_eq!(
            asked("a", "/ap", false, healthy).unwrap(),
            format!("a/ap{NOWHERE}")
        );
        assert_eq!(asked("a", "/api/*", false, healthy).unwrap(), "a/api/ready");
        assert_eq!(asked("*.a", "/", false, Some("/")).unwrap(), "k8sverify.a/");
        assert_eq!(asked("a", "/", true, None), None);
        assert_eq!(asked("a", "/up", true, Some("/up")).unwrap(), "a/up");
        assert_eq!(asked("a", "/api(/|$)(.*)", false, healthy), None);
    }
}
