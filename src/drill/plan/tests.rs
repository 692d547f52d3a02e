use super::*;
use crate::diagnose::fixtures::snapshot;
use crate::drill::model::Engine;
use crate::graph::TierGraph;

/// A StatefulSet with its Pods, ready; `spec` goes into the Pods.
fn members_of(name: &str, replicas: u32, spec: &str) -> String {
    let mut text = format!(
        "
---
kind: StatefulSet
metadata: {{name: {name}, uid: set}}
spec: {{replicas: {replicas}, selector: {{matchLabels: {{app: {name}}}}}, template: {{metadata: {{labels: {{app: {name}}}}}, spec: {{{spec}}}}}}}
"
    );
    for index in 0..replicas {
        text.push_str(&format!(
            "
---
kind: Pod
metadata: {{name: {name}-{index}, uid: u{index}, labels: {{app: {name}}}, ownerReferences: [{{kind: StatefulSet, name: {name}, controller: true}}]}}
spec: {{nodeName: n1, {spec}}}
status: {{phase: Running, podIP: 10.1.0.{index}, conditions: [{{type: Ready, status: 'True'}}]}}
"
        ));
    }
    text
}

const PLAIN: &str = "containers: [{name: mysql, image: 'mysql:9'}]";
const CLAIMED: &str = "containers: [{name: mysql, image: 'mysql:9', volumeMounts: [{name: data, mountPath: /var/lib/mysql}]}], volumes: [{name: data, persistentVolumeClaim: {claimName: data-0}}]";
const ALLOWED: &str = "
---
kind: Namespace
metadata: {name: default, annotations: {k8sverify.io/drill: allowed}}
";

fn subject_of(snapshot: &Snapshot) -> Subject {
    let candidate = crate::config::parse(
        "candidates:\n  one: {members: statefulset/db, write: 'db:3306', login: {secret: s, user: u, password: p}}\n",
        "k8sverify.yaml",
    )
    .unwrap()
    .candidates
    .remove("one")
    .unwrap();
    subject("one", &candidate, &TierGraph::default(), snapshot).unwrap()
}

fn wish(faults: &[Fault]) -> DrillRequest {
    DrillRequest {
        faults: faults.to_vec(),
        rounds: 1,
        person: Some("--yes".to_owned()),
        ..DrillRequest::default()
    }
}

/// The refusals of a drill with these objects, as text with exit codes.
fn refused(objects: &str, wish: &DrillRequest) -> Vec<String> {
    let snapshot = snapshot(objects);
    let candidate = candidate(&subject_of(&snapshot), wish, &snapshot);
    candidate
        .refusals
        .iter()
        .map(|refusal| format!("{} {}", refusal.exit_code, refusal.message))
        .collect()
}

#[track_caller]
fn refuses(objects: &str, wish: &DrillRequest, expected: &[&str]) {
    let found = refused(objects, wish);
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.contains(expected), "{found}");
    }
}

#[test]
fn with_both_keys_a_group_may_lose_a_member() {
    let objects = [ALLOWED, &members_of("db", 3, PLAIN)].concat();
    refuses(&objects, &wish(&[Fault::Delete, Fault::Evict]), &[]);
    let snapshot = snapshot(&objects);
    let candidate = candidate(&subject_of(&snapshot), &wish(&[Fault::Delete]), &snapshot);
    assert_eq!(candidate.size, 3);
    assert_eq!(candidate.members[1].name, "db-1");
    assert_eq!(candidate.members[1].pod.as_ref().unwrap().uid, "u1");
    assert_eq!(candidate.volumes, ["no volume"]);
    assert_eq!(
        candidate.faults[0].victims,
        ["primary", "replica", "random"]
    );
}

#[test]
fn each_missing_key_is_named() {
    let group = members_of("db", 3, PLAIN);
    let one = wish(&[Fault::Delete]);
    refuses(&group, &one, &["2 namespace default cannot be read"]);
    let unlocked = [
        "\n---\nkind: Namespace\nmetadata: {name: default}\n",
        &group,
    ]
    .concat();
    refuses(&unlocked, &one, &["has no annotation k8sverify.io/drill"]);
    let silent = DrillRequest {
        person: None,
        ..one.clone()
    };
    refuses(
        &[ALLOWED, &group].concat(),
        &silent,
        &["2 no one has said yes"],
    );
    let listed = ALLOWED.replace("allowed", "'delete, evict'");
    let objects = [listed.as_str(), &group].concat();
    refuses(&objects, &one, &[]);
    let hard = wish(&[Fault::Delete, Fault::DeleteHard]);
    refuses(&objects, &hard, &["2 delete-hard is not among the faults"]);
}

#[test]
fn no_text_of_the_cluster_writes_a_line_of_the_question() {
    let says = ALLOWED.replace("allowed", r#""x\e[2J\u202e\n  nothing stands against it""#);
    let objects = [says.as_str(), &members_of("db", 3, PLAIN)].concat();
    let snapshot = snapshot(&objects);
    let candidate = candidate(&subject_of(&snapshot), &wish(&[Fault::Delete]), &snapshot);
    let plan = crate::drill::model::Plan {
        run: "r".to_owned(),
        seed: 0,
        rounds: 1,
        patience_ms: 1,
        candidates: vec![candidate],
    };
    let text = super::text(&plan, "c\r\n  nothing stands against it");
    assert!(text.contains("nothing stands against it"), "{text}");
    assert!(
        text.lines()
            .all(|line| line != "  nothing stands against it"),
        "{text}"
    );
    let hidden = |letter: char| letter != '\n' && crate::shell::is_hidden(letter);
    assert!(!text.contains(hidden), "{text:?}");
}

#[test]
fn the_only_copy_is_kept_unless_its_loss_is_accepted() {
    let alone = [ALLOWED, &members_of("db", 1, PLAIN)].concat();
    let one = wish(&[Fault::Delete]);
    refuses(&alone, &one, &["2 delete would destroy the only copy"]);
    let accepted = DrillRequest {
        accept_data_loss: true,
        ..one.clone()
    };
    refuses(&alone, &accepted, &[]);
    // A volume keeps it, unless it goes with the Pod.
    let claimed = [ALLOWED, &members_of("db", 1, CLAIMED)].concat();
    let all = wish(&[Fault::Delete, Fault::RestartAll, Fault::ScaleZero]);
    refuses(&claimed, &all, &[]);
    let with_pod = claimed.replace("persistentVolumeClaim: {claimName: data-0}", "emptyDir: {}");
    refuses(&with_pod, &one, &["a volume that goes with the Pod"]);
    // A claim for something else keeps nothing.
    let elsewhere = claimed.replace("mountPath: /var/lib/mysql", "mountPath: /backup");
    refuses(&elsewhere, &one, &["no volume"]);
    let moved = claimed.replace(
        "image: 'mysql:9',",
        "image: 'mysql:9', args: ['--datadir=/other'],",
    );
    refuses(&moved, &one, &["no volume"]);
    // All members at once are all copies.
    let group = [ALLOWED, &members_of("db", 3, PLAIN)].concat();
    refuses(
        &group,
        &wish(&[Fault::RestartAll]),
        &["restart-all would destroy"],
    );
}

#[test]
fn a_victim_that_nothing_brings_back_is_left_alone() {
    let bare = [ALLOWED, &members_of("db", 1, CLAIMED)].concat().replace(
        ", ownerReferences: [{kind: StatefulSet, name: db, controller: true}]",
        "",
    );
    let snapshot = snapshot(&bare);
    let mut subject = subject_of(&snapshot);
    subject.workloads = vec![WorkloadKey::new("default", "pod", "db-0")];
    let found = candidate(&subject, &wish(&[Fault::Delete]), &snapshot).refusals;
    assert!(
        found[0]
            .message
            .contains("no controller brings pod/db-0 back")
    );
    let of_job = bare.replace(
        "uid: u0,",
        "uid: u0, ownerReferences: [{kind: Job, name: db, controller: true}],",
    );
    let snapshot = crate::diagnose::fixtures::snapshot(&of_job);
    subject.workloads = vec![WorkloadKey::new("default", "job", "db")];
    let found = candidate(&subject, &wish(&[Fault::Delete]), &snapshot).refusals;
    assert!(found[0].message.contains("belongs to a Job"), "{found:?}");
}

#[test]
fn a_budget_that_allows_none_stops_all_but_an_eviction() {
    let budget = "
---
kind: PodDisruptionBudget
metadata: {name: keep}
spec: {selector: {matchLabels: {app: db}}}
status: {disruptionsAllowed: 0}
";
    let group = [ALLOWED, &members_of("db", 3, PLAIN)].concat();
    let with = |allowed: &str| {
        let mut snapshot = snapshot(&group);
        let text = budget.replace("disruptionsAllowed: 0", allowed);
        let state = snapshot.namespaces.get_mut("default").unwrap();
        state
            .disruption_budgets
            .push(serde_saphyr::from_str(text.trim_start_matches("\n---\n")).unwrap());
        snapshot
    };
    let found = |fault: Fault, allowed: &str| {
        let snapshot = with(allowed);
        candidate(&subject_of(&snapshot), &wish(&[fault]), &snapshot).refusals
    };
    assert!(
        found(Fault::Delete, "disruptionsAllowed: 0")[0]
            .message
            .contains("poddisruptionbudget/keep allows no disruption")
    );
    assert!(found(Fault::Evict, "disruptionsAllowed: 0").is_empty());
    assert!(found(Fault::Delete, "disruptionsAllowed: 1").is_empty());
}

#[test]
fn what_is_not_whole_is_no_question_of_consent() {
    let group = [ALLOWED, &members_of("db", 3, PLAIN)].concat();
    let one = wish(&[Fault::Delete]);
    let not_ready = group.replacen("status: 'True'", "status: 'False'", 1);
    refuses(
        &not_ready,
        &one,
        &["3 one is not whole: pod/db-0 is not ready"],
    );
    let few = group.replace("spec: {replicas: 3", "spec: {replicas: 4");
    refuses(&few, &one, &["3 one is not whole: 3 of 4 members"]);
    let snapshot = snapshot(&not_ready);
    let silent = DrillRequest {
        person: None,
        ..one
    };
    let all = [candidate(&subject_of(&snapshot), &silent, &snapshot)];
    assert_eq!(exit_code(&all), 2);
}

#[test]
fn only_members_may_be_named_and_hooks_need_a_command() {
    let group = [ALLOWED, &members_of("db", 3, PLAIN)].concat();
    let other = DrillRequest {
        victim: VictimRule::from_word("ap-1"),
        ..wish(&[Fault::Delete])
    };
    refuses(
        &group,
        &other,
        &["pod/ap-1 is no member of one; its members are db-0, db-1, db-2"],
    );
    refuses(
        &group,
        &wish(&[Fault::Hook]),
        &["no command makes the fault hook"],
    );
    let hooked = DrillRequest {
        hook: Some("./reboot".to_owned()),
        ..wish(&[Fault::Hook])
    };
    refuses(&group, &hooked, &[]);
    // An operator would undo what is done to its set.
    let owned = group.replace(
        "metadata: {name: db, uid: set}",
        "metadata: {name: db, uid: set, ownerReferences: [{kind: Cluster, name: db, controller: true}]}",
    );
    let snapshot = snapshot(&owned);
    let mut subject = subject_of(&snapshot);
    subject.workloads = vec![WorkloadKey::new("default", "statefulset", "db")];
    let accepted = DrillRequest {
        accept_data_loss: true,
        ..wish(&[Fault::ScaleZero])
    };
    let found = candidate(&subject, &accepted, &snapshot).refusals;
    assert!(
        found
            .iter()
            .any(|one| one.message.contains("belongs to Cluster db")),
        "{found:?}"
    );
}

#[test]
fn claims_that_nothing_owns_stay_behind() {
    let claim = |owner: &str, status: &str| {
        format!(
            "
---
kind: PersistentVolumeClaim
metadata: {{name: data-0{owner}}}
spec: {{volumeName: pv-7}}
status: {{phase: {status}}}
"
        )
    };
    let left = |claim: &str| {
        let snapshot = snapshot(&[&members_of("db", 1, CLAIMED), claim].concat());
        left_behind(&subject_of(&snapshot), &snapshot)
    };
    assert_eq!(left(&claim("", "Bound")), ["PVC data-0 (PV pv-7)"]);
    assert_eq!(
        left(&claim("", "Lost")),
        ["PVC data-0, whose volume is gone"]
    );
    let owned = ", ownerReferences: [{kind: StatefulSet, name: db}]";
    assert!(left(&claim(owned, "Bound")).is_empty());
    let snapshot = snapshot(&members_of("db", 1, PLAIN));
    assert!(left_behind(&subject_of(&snapshot), &snapshot).is_empty());
}

#[test]
fn a_redis_that_no_client_of_the_application_dials_is_written_to_without_a_login() {
    let snapshot = snapshot(&[ALLOWED, &members_of("db", 1, CLAIMED)].concat());
    let mut subject = subject_of(&snapshot);
    (subject.engine, subject.login) = (Engine::Redis, None);
    let options = crate::plan::PlanOptions::default();
    let graph = TierGraph::default();
    let vantage = runners::vantage(&subject, &graph, &snapshot, &options).unwrap();
    let task = &vantage.containers[0].spec.edges[0];
    assert_eq!(task.login, None);
    assert_eq!(
        task.no_login_reason,
        crate::probe::wire::NO_CREDENTIALS,
        "the runner takes it as no login at all, not as one that is missing"
    );
}

#[test]
fn a_redis_is_expected_to_hold_no_table() {
    let snapshot = snapshot(&[ALLOWED, &members_of("db", 3, PLAIN)].concat());
    let mut subject = subject_of(&snapshot);
    subject.engine = Engine::Redis;
    subject.expect.queries = vec!["SELECT 1".to_owned()];
    let candidate = candidate(&subject, &wish(&[Fault::Delete]), &snapshot);
    let refusal = &candidate.refusals[0];
    assert_eq!(refusal.exit_code, 2);
    assert!(refusal.message.contains("is a Redis"), "{refusal:?}");
}

#[test]
fn the_observer_logs_in_beside_the_client_and_reads_its_database() {
    let snapshot = snapshot(&[ALLOWED, &members_of("db", 1, PLAIN)].concat());
    let mut subject = subject_of(&snapshot);
    let text = "candidates:\n  one: {members: statefulset/db, write: 'db:3306', login: {secret: s, user: u, password: p, database: d}, observer: {secret: s, user: {value: root}, password: r}}\n";
    let config = crate::config::parse(text, "k8sverify.yaml").unwrap();
    let one = &config.candidates["one"];
    subject.login.clone_from(&one.login);
    subject.observer.clone_from(&one.observer);
    let options = crate::plan::PlanOptions::default();
    let graph = TierGraph::default();
    let vantage = runners::vantage(&subject, &graph, &snapshot, &options).unwrap();
    let probe = &vantage.containers[0];
    let user = |task: &crate::probe::wire::EdgeTask| match &task.login {
        Some(crate::address::LoginReference::Parts { user, database, .. }) => {
            (user.clone().unwrap(), database.clone().unwrap())
        }
        other => panic!("{other:?}"),
    };
    let logins: Vec<_> = probe.spec.edges.iter().map(user).collect();
    let of = |user: &str| (user.to_owned(), "CANDIDATE_DATABASE".to_owned());
    assert_eq!(logins, [of("CANDIDATE_USER"), of("OBSERVER_USER")]);
    let root = probe
        .env
        .iter()
        .find(|one| one.name.ends_with("OBSERVER_USER"));
    assert_eq!(root.unwrap().value.as_deref(), Some("root"));
    subject.observer = None;
    let vantage = runners::vantage(&subject, &graph, &snapshot, &options).unwrap();
    assert_eq!(vantage.containers[0].spec.edges.len(), 1);
}

#[test]
fn what_an_interrupted_drill_has_left_is_named_and_no_database_outside() {
    let gone = members_of("db", 0, CLAIMED);
    let journal = "
---
kind: ConfigMap
metadata: {name: k8sverify-drill-journal}
";
    let objects = format!("{ALLOWED}{gone}{journal}");
    let left = left_before(&snapshot(&objects)).unwrap();
    assert!(left.message.contains("drill -n default --undo"), "{left:?}");
    assert_eq!(left_before(&snapshot(&gone)), None);
    // It is no refusal of a later round of the same drill, whose own journal that is.
    let said = refused(&objects, &wish(&[Fault::Delete]));
    assert!(!said.iter().any(|why| why.contains("--undo")), "{said:?}");
    assert!(
        said.iter()
            .any(|why| why.contains("statefulset/db has no Pod")),
        "{said:?}"
    );
    assert!(
        !said.iter().any(|why| why.contains("--fault hook")),
        "{said:?}"
    );
}

#[test]
fn an_alias_of_a_name_outside_has_no_endpoints_to_watch() {
    let watched = |service: &str| {
        let objects = format!("{ALLOWED}{}{service}", members_of("db", 1, CLAIMED));
        let snapshot = snapshot(&objects);
        let mut subject = subject_of(&snapshot);
        subject.service = Some(ServiceKey::new("default", "db"));
        candidate(&subject, &wish(&[Fault::Delete]), &snapshot).write_service
    };
    let alias = |to: &str| {
        format!(
            "\n---\nkind: Service\nmetadata: {{name: db}}\nspec: {{type: ExternalName, externalName: {to}}}\n"
        )
    };
    let real = "\n---\nkind: Service\nmetadata: {name: primary}\nspec: {selector: {app: db}, ports: [{port: 3306}]}\n";
    assert_eq!(watched(&alias("shop.rds.example")), None);
    let led = alias("primary.default.svc.cluster.local") + real;
    assert_eq!(watched(&led).as_deref(), Some("primary"));
    assert_eq!(
        watched(&real.replace("primary", "db")).as_deref(),
        Some("db")
    );
}
