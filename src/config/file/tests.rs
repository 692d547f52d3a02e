//! Tests of `file`.

use super::*;
use crate::finding::Code;

fn fails(text: &str) -> String {
    parse(text, "k8sverify.yaml").unwrap_err().to_string()
}

#[test]
fn the_documented_sample_is_valid_and_uses_every_key() {
    let config = parse(
        include_str!("../../../examples/k8sverify.yaml"),
        "k8sverify.yaml",
    )
    .unwrap();
    assert!(!config.namespaces.is_empty());
    assert!(config.tiers.values().any(|rule| rule.workloads.is_empty()));
    assert!(config.tiers.values().any(|rule| rule.workloads.len() > 1));
    let said: Vec<&EdgeSettings> = config
        .add
        .iter()
        .map(|rule| &rule.settings)
        .chain(config.adjust.iter().map(|rule| &rule.settings))
        .collect();
    assert!(said.iter().any(|edge| edge.host.is_some()));
    assert!(said.iter().any(|edge| edge.protocol.is_some()));
    assert!(said.iter().any(|edge| edge.path.is_some()));
    assert!(said.iter().any(|edge| edge.status.is_some()));
    assert!(said.iter().any(|edge| edge.tls.is_some()));
    assert!(said.iter().any(|edge| edge.query.is_some()));
    assert!(said.iter().any(|edge| edge.login.is_some()));
    assert!(said.iter().any(|edge| edge.optional == Some(true)));
    assert!(said.iter().any(|edge| edge.forbidden == Some(true)));
    assert!(said.iter().any(|edge| edge.replica == Some(true)));
    assert!(!config.drop.is_empty() && !config.entries.drop.is_empty());
    let entries = &config.entries;
    assert!(
        entries
            .add
            .iter()
            .any(|one| one.address.is_some() && one.status.is_some())
    );
    assert!(
        entries
            .adjust
            .iter()
            .any(|one| one.path.is_some() && one.status.is_some())
    );
    assert!(config.ignore.iter().any(|entry| entry.object.is_some()));
    assert!(
        config
            .severity
            .values()
            .any(|severity| *severity == SeverityOverride::Off)
    );
    assert_eq!(config.fail_on, Some(Severity::Error));
    let candidates: Vec<_> = config.candidates.values().collect();
    assert!(candidates.iter().any(|one| one.tier.is_some()));
    assert!(candidates.iter().any(|one| !one.members.is_empty()));
    assert!(candidates.iter().any(|one| one.engine.is_some()));
    assert!(candidates.iter().any(|one| one.read.is_some()));
    assert!(candidates.iter().any(|one| one.size.is_some()));
    assert!(candidates.iter().any(|one| one.hook.is_some()));
    assert!(candidates.iter().any(|one| !one.external.is_empty()));
    assert!(candidates.iter().any(|one| !one.expect.tables.is_empty()));
    assert!(candidates.iter().any(|one| !one.expect.queries.is_empty()));
    assert!(candidates.iter().any(|one| one.observer.is_some()));
    assert!(candidates.iter().any(|one| one.fresh));
}

#[test]
fn what_a_candidate_is_expected_to_hold_is_asked_and_changes_nothing() {
    let of = |query: &str| {
        format!("candidates:\n  one: {{tier: DB, expect: {{queries: ['{query}']}}}}\n")
    };
    for query in [
        "SELECT 1",
        "show tables;",
        "WITH a AS (SELECT 1) SELECT * FROM a",
    ] {
        assert!(parse(&of(query), "f").is_ok(), "{query}");
    }
    for query in [
        "DELETE FROM t",
        "SELECT 1; DROP TABLE t",
        "/* */ UPDATE t SET a = 1",
        "do",
    ] {
        let message = fails(&of(query));
        assert!(message.starts_with("k8sverify.yaml:2:"), "{message}");
        assert!(message.contains("expected one question"), "{message}");
    }
}

#[test]
fn an_empty_file_says_nothing() {
    for text in ["", "# later\n", "---\n"] {
        let config = parse(text, "f").unwrap();
        assert_eq!(config.file, "f");
        assert!(config.add.is_empty() && config.tiers.is_empty());
    }
}

#[test]
fn an_unknown_key_is_an_error_at_its_place() {
    let message = fails("edges:\n  add:\n  - from: AP\n    to: DB\n    prot: 3306\n");
    assert!(message.starts_with("k8sverify.yaml:5:5: "), "{message}");
    assert!(message.contains("prot"), "{message}");
    assert!(message.contains("port"), "what was expected: {message}");
    let message = fails("edgse: {}\n");
    assert!(message.starts_with("k8sverify.yaml:1:1: "), "{message}");
}

#[test]
fn a_bad_value_is_an_error_at_its_place_that_says_what_was_expected() {
    for (text, place, expected) in [
        (
            "ignore:\n- code: no-such-code\n  reason: x\n",
            "2:9",
            "k8sverify explain",
        ),
        (
            "severity:\n  service-missing: fatal\n",
            "2:20",
            "error, warning, info or off",
        ),
        ("edges:\n  drop:\n  - AP:3306\n", "3:5", "FROM->TO"),
        (
            "edges:\n  adjust:\n  - edge: AP->DB\n    path: health\n",
            "4:11",
            "begins with `/`",
        ),
        (
            "edges:\n  add:\n  - {from: AP, to: DB, port: 0}\n",
            "3:24",
            "expected a number from 1 to 65535",
        ),
        (
            "edges:\n  add:\n  - {from: AP, to: DB, port: 1, protocol: sql}\n",
            "3:43",
            "mysql",
        ),
        ("edges:\n  add:\n  - {from: AP, to: DB}\n", "3:16", "port"),
        ("tiers:\n  DB: postgres\n", "2:7", "KIND/NAME"),
        ("tiers:\n  DB: []\n", "2:7", "none"),
        ("ignore:\n- code: service-missing\n", "2:3", "reason"),
    ] {
        let message = fails(text);
        assert!(
            message.starts_with(&format!("k8sverify.yaml:{place}: ")),
            "{text}: {message}"
        );
        assert!(message.contains(expected), "{text}: {message}");
    }
}

#[test]
fn what_is_no_yaml_and_a_key_twice_are_errors() {
    assert!(fails("edges: [\n").contains("k8sverify.yaml:"));
    assert!(fails("tiers: {}\ntiers: {}\n").starts_with("k8sverify.yaml:2:1: "));
}

#[test]
fn a_tier_may_have_several_workloads_in_several_namespaces_or_none() {
    let config = parse(
            "tiers:\n  DB: statefulset/mysql@data\n  AP: [deploy/ap, deployment/ap-canary]\n  KVS: none\n",
            "f",
        )
        .unwrap();
    assert_eq!(
        config.tiers["DB"].workloads[0].namespace.as_deref(),
        Some("data")
    );
    assert_eq!(config.tiers["AP"].workloads[0].kind, "deployment");
    assert_eq!(config.tiers["AP"].workloads.len(), 2);
    assert!(config.tiers["KVS"].workloads.is_empty());
    assert_eq!(config.tiers["KVS"].line, 4);
}

#[test]
fn an_ignore_entry_matches_by_code_and_object() {
    let config = parse(
            "ignore:\n- {code: liveness-probe-missing, object: 'deployment/*', reason: later}\n- {code: workload-degraded, reason: spot nodes}\n",
            "f",
        )
        .unwrap();
    let [first, second] = config.ignore.as_slice() else {
        panic!("two entries: {:?}", config.ignore);
    };
    assert!(first.matches(Code::LivenessProbeMissing, "deployment/db@data"));
    assert!(!first.matches(Code::LivenessProbeMissing, "statefulset/db"));
    assert!(!first.matches(Code::ReadinessProbeMissing, "deployment/db"));
    assert!(second.matches(Code::WorkloadDegraded, "statefulset/db"));
    assert_eq!((first.line, second.line), (2, 3));
}
