//! One tier settles late: what is ready is walked meanwhile, and once only, unless something changed there since.

use std::time::{Duration, Instant};

use crate::play::{LONGEST, Run, Stage};

const READY: &str = "WEB->AP:2000/http";
const LATE: &str = "AP->DB:3306/mysql";

/// The run in which DB settles only after what is ready was walked, and these objects were changed then; how many agents had walked the ready edge
/// and the late one by then, and in all.
async fn run(meanwhile: &str) -> (Run, [usize; 2], [usize; 2]) {
    let stage = Stage::new("rolling-out").await;
    let walks = |edge: &str| {
        let of_edge = format!("\"task\":\"{edge}\"");
        let agents = stage.sandbox.written().into_iter();
        agents.filter(|said| said.contains(&of_edge)).count()
    };
    let both = || [walks(READY), walks(LATE)];
    let started = Instant::now();
    let child = stage.start(&["--wait", "60s"]);
    while !(walks(READY) > 0 && stage.sandbox.left_over().is_empty()) {
        assert!(
            started.elapsed() < LONGEST,
            "nothing was walked while DB settled"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let ahead = both();
    stage.sandbox.apply(meanwhile).unwrap();
    let settled = "{apiVersion: apps/v1, kind: Deployment, metadata: {name: db}, status: {observedGeneration: 7}}";
    stage.sandbox.apply(settled).unwrap();
    let run = stage.finish(child, started).await;
    assert_eq!(run.code, Some(0), "{}\n{}", run.stdout, run.stderr);
    assert_eq!(stage.sandbox.left_over(), Vec::<String>::new());
    assert!(run.stdout.contains("3 edges work"), "{}", run.stdout);
    (run, ahead, both())
}

#[tokio::test(flavor = "multi_thread")]
async fn ready_tiers_are_walked_while_others_settle() {
    let (_, ahead, all) = run("{apiVersion: v1, kind: ConfigMap, metadata: {name: other}}").await;
    assert_eq!((ahead, all), ([1, 0], [1, 1]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_started_again_since_is_walked_again() {
    let restarted = "{apiVersion: v1, kind: Pod, metadata: {name: ap-db7b7cb78-btk8x}, status: {containerStatuses: [{name: ap, restartCount: 1, state: {running: {startedAt: '2026-11-27T06:30:50Z'}}}]}}";
    let (_, ahead, all) = run(restarted).await;
    assert_eq!((ahead, all), ([1, 0], [2, 1]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_came_since_is_heeded() {
    let policy = "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: any}, spec: {podSelector: {matchLabels: {a: b}}}}";
    let (_, ahead, all) = run(policy).await;
    assert_eq!((ahead, all), ([1, 0], [2, 1]));
}
