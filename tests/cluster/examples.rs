//! The examples for runs inside of the cluster, as a reader applies them: with the printed Role and the compose file as ConfigMap.

use std::process::Command;

use super::{Space, example, image};

/// The image that the examples name; the test's own stands in its place.
const NAMED: &str = concat!("ghcr.io/k8sverify/k8sverify:", env!("CARGO_PKG_VERSION"));
const INPUT: &str = "--compose=/input/compose.yaml\"";

impl Space {
    /// An example with the test's image, for the run and for its probes.
    fn in_cluster(name: &str) -> String {
        let path = format!("{}/examples/ci/{name}", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(path).unwrap();
        assert!(text.contains(NAMED) && text.contains(INPUT), "{name}");
        text.replace(NAMED, &image())
            .replace(INPUT, &format!("{INPUT}, \"--image={}\"", image()))
    }

    /// Waits for a Job's end: whether it completed, and its log.
    fn ended(&self, job: &str) -> (bool, String) {
        let condition = |kind: &str| {
            let path = format!("jsonpath={{.status.conditions[?(@.type==\"{kind}\")].status}}");
            self.kubectl(&["get", "job", job, "-o", &path]) == "True"
        };
        self.until(job, || condition("Complete") || condition("Failed"));
        let log = self.kubectl(&["logs", &format!("job/{job}")]);
        (condition("Complete"), log)
    }
}

#[test]
#[ignore = "needs a cluster"]
fn the_examples_verify_from_inside_of_the_cluster() {
    let space = Space::story("inside", "fixed");
    let role = Command::new(std::env::var("K8SVERIFY_BIN").unwrap())
        .args(["rbac", "--namespace", &space.name])
        .output()
        .unwrap();
    assert!(role.status.success());
    space.apply(&String::from_utf8(role.stdout).unwrap());
    let compose = example("compose.yaml");
    let from = format!("--from-file={}", compose.display());
    space.kubectl(&["create", "configmap", "k8sverify-input", &from]);

    let helm = Space::in_cluster("helm-test.yaml")
        .replace("{{ .Release.Name }}", "shop")
        .replace(
            "    {{- .Files.Get \"compose.yaml\" | nindent 4 }}\n",
            &std::fs::read_to_string(&compose)
                .unwrap()
                .lines()
                .flat_map(|line| ["    ", line, "\n"])
                .collect::<String>(),
        );
    let mut job = String::new();
    for (manifest, name) in [
        (Space::in_cluster("job.yaml"), "verify"),
        (Space::in_cluster("argocd.yaml"), "verify"),
        (helm, "shop-verify"),
    ] {
        space.apply(&manifest);
        let (complete, log) = space.ended(name);
        assert!(complete && log.contains("verified"), "{name}: {log}");
        space.kubectl(&["delete", "job", name]);
        if job.is_empty() {
            job = manifest;
        }
    }
    space.apply(&Space::in_cluster("cronjob.yaml"));
    space.kubectl(&["create", "job", "now", "--from=cronjob/verify"]);
    let (complete, log) = space.ended("now");
    assert!(complete && log.contains("verified"), "cronjob: {log}");
    space.kubectl(&["delete", "cronjob", "verify", "--cascade=foreground"]);

    space.kubectl(&["delete", "service", "db"]);
    space.apply(&job);
    let (complete, log) = space.ended("verify");
    assert!(
        !complete && log.contains("service-missing"),
        "a fault ends the Job well: {log}"
    );
    space.kubectl(&["delete", "job", "verify"]);
    space.nothing_is_left();
}
