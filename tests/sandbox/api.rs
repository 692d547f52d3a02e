//! The API server's errors, by kind and by moment: the right exit code with the object named, or tried again and well; in bounded time,
//! and nothing left behind that could be deleted.

use std::time::{Duration, Instant};

use k8sverify_sandbox::{Fault, How};
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::play::{Case, Stage, at_once};

/// What is expected of one fault.
struct Expect {
    verb: &'static str,
    resource: &'static str,
    how: How,
    /// How many calls meet it; `None`: all.
    times: Option<usize>,
    exit: i32,
    /// Stands in the report.
    says: &'static str,
    /// No later than this.
    within: u64,
    arguments: &'static [&'static str],
    /// Jobs stay, since they cannot be deleted.
    leaves: bool,
}

/// Every such call.
fn always(
    verb: &'static str,
    resource: &'static str,
    how: How,
    exit: i32,
    says: &'static str,
) -> Expect {
    Expect {
        verb,
        resource,
        how,
        times: None,
        exit,
        says,
        within: 30,
        arguments: &[],
        leaves: false,
    }
}

/// The first calls alone: then all is well.
fn passing(times: usize, verb: &'static str, resource: &'static str, how: How) -> Expect {
    Expect {
        times: Some(times),
        ..always(verb, resource, how, 0, "")
    }
}

impl Expect {
    fn within(self, within: u64) -> Self {
        Self { within, ..self }
    }

    fn with(self, arguments: &'static [&'static str]) -> Self {
        Self { arguments, ..self }
    }

    fn leaves(self) -> Self {
        Self {
            leaves: true,
            ..self
        }
    }

    fn case(self) -> Case {
        let times = self
            .times
            .map_or(String::new(), |times| format!(" {times}×"));
        let name = format!("{} {} {:?}{times}", self.verb, self.resource, self.how);
        Case::new(name, async move { self.check().await })
    }

    async fn check(self) -> Result<(), String> {
        let stage = Stage::new("fixed").await;
        stage.sandbox.fault(Fault {
            times: self.times,
            ..Fault::always(self.verb, self.resource, self.how.clone())
        });
        let run = stage.verify(self.arguments).await;
        let mut wrong = Vec::new();
        if run.code != Some(self.exit) {
            wrong.push(format!("exit code {:?}, expected {}", run.code, self.exit));
        }
        if run.took > Duration::from_secs(self.within) {
            wrong.push(format!("took {:?}", run.took));
        }
        if !run.report.to_string().contains(self.says) {
            wrong.push(format!("does not say `{}`", self.says));
        }
        let left = stage.sandbox.left_over();
        if left.is_empty() == self.leaves {
            wrong.push(format!("left behind: {left:?}"));
        }
        if wrong.is_empty() {
            return Ok(());
        }
        Err(format!(
            "{}\n{}{}",
            wrong.join("; "),
            run.stdout,
            run.stderr
        ))
    }
}

/// All of them at once, since most of a run is waiting; those that wait longest go first.
#[tokio::test(flavor = "multi_thread")]
async fn every_error_ends_a_run_as_it_should() {
    let moments = [
        first_contact(),
        lists_that_a_run_needs(),
        lists_that_a_run_can_do_without(),
        watches(),
        jobs_that_cannot_be_created(),
        logs_that_cannot_be_followed(),
        jobs_that_cannot_be_deleted(),
    ];
    let mut all: Vec<Expect> = moments.into_iter().flatten().collect();
    all.sort_by_key(|expect| expect.how != How::Hang);
    at_once(all.into_iter().map(Expect::case)).await;
}

fn first_contact() -> Vec<Expect> {
    let refused = "refuses the credentials";
    let unreached = "failed to reach the API server";
    vec![
        always("discover", "version", How::Status(401), 3, refused),
        always("discover", "version", How::Status(403), 0, ""),
        always("discover", "version", How::Status(500), 3, unreached),
        always("discover", "version", How::Hang, 3, unreached),
        always("discover", "version", How::BreakOff(10), 3, unreached),
        passing(1, "discover", "version", How::Status(503)),
        passing(1, "discover", "version", How::Slow(1500)),
        always(
            "discover",
            "version",
            How::Page,
            3,
            "an HTML page (\\\"Sign in\\\")",
        ),
        passing(3, "discover", "version", How::Busy(1)),
        always("*", "*", How::Hang, 3, unreached),
        always("*", "*", How::Status(401), 3, refused),
        always("*", "*", How::Status(500), 3, unreached),
    ]
}

fn lists_that_a_run_needs() -> Vec<Expect> {
    let pods = "failed to list pods in namespace story";
    vec![
        always(
            "list",
            "pods",
            How::Status(401),
            3,
            "refuses the credentials",
        ),
        always(
            "list",
            "pods",
            How::Status(403),
            3,
            "not allowed to list pods in namespace story",
        ),
        always(
            "list",
            "services",
            How::Status(403),
            3,
            "not allowed to list services in namespace story",
        ),
        always("list", "pods", How::Status(404), 3, pods),
        always("list", "pods", How::Status(409), 3, pods),
        always("list", "pods", How::Status(410), 3, pods),
        always("list", "pods", How::Status(422), 3, pods),
        always("list", "pods", How::Status(429), 3, pods),
        always("list", "pods", How::Status(500), 3, pods),
        always(
            "list",
            "deployments",
            How::Status(503),
            3,
            "failed to list deployments in namespace story",
        ),
        always("list", "pods", How::BreakOff(200), 3, pods),
        always("list", "pods", How::Hang, 3, pods),
        always(
            "list",
            "pods",
            How::Page,
            3,
            "a login page or a proxy answers",
        ),
        // More often than a server that says nothing is asked.
        passing(6, "list", "pods", How::Busy(1)),
        passing(2, "list", "pods", How::Status(410)),
        passing(2, "list", "pods", How::Status(429)),
        passing(2, "list", "services", How::Status(503)),
        passing(1, "list", "endpointslices", How::BreakOff(200)),
        passing(6, "list", "*", How::Slow(800)),
    ]
}

/// What may be missing is said to be so, and the run goes on.
fn lists_that_a_run_can_do_without() -> Vec<Expect> {
    let absent = r#""events":"absent""#;
    vec![
        always(
            "list",
            "events",
            How::Status(403),
            0,
            r#""events":"forbidden""#,
        ),
        always("list", "events", How::Status(404), 0, absent),
        always("list", "events", How::Status(500), 0, absent),
        always("list", "events", How::BreakOff(50), 0, absent),
        always("list", "events", How::Hang, 0, absent).within(40),
        always(
            "list",
            "nodes",
            How::Status(403),
            0,
            r#""nodes":"forbidden""#,
        ),
        always(
            "list",
            "networkpolicies",
            How::Status(403),
            0,
            r#""networkpolicies":"forbidden""#,
        ),
        always("discover", "apis", How::Status(403), 0, ""),
        always("discover", "apis", How::Status(503), 0, ""),
        always("get", "namespaces", How::Status(403), 0, ""),
        always(
            "get",
            "namespaces",
            How::Status(404),
            3,
            "namespace story does not exist",
        ),
    ]
}

/// Without a watch there are lists.
fn watches() -> Vec<Expect> {
    vec![
        always("watch", "pods", How::Status(401), 0, ""),
        always("watch", "pods", How::Status(403), 0, ""),
        always("watch", "pods", How::Status(404), 0, ""),
        always("watch", "pods", How::Status(410), 0, ""),
        always("watch", "pods", How::Status(429), 0, ""),
        always("watch", "pods", How::Status(500), 0, ""),
        always("watch", "pods", How::Expired, 0, ""),
        always("watch", "pods", How::BreakOff(100), 0, ""),
        always("watch", "pods", How::Slow(1000), 0, ""),
        always("watch", "pods", How::Hang, 0, ""),
        always("watch", "pods", How::Busy(1), 0, ""),
        always("watch", "pods", How::Page, 0, ""),
        passing(1, "watch", "pods", How::Expired),
    ]
}

fn jobs_that_cannot_be_created() -> Vec<Expect> {
    let refused = "the cluster refused the probe Job";
    let failed = "failed to create the probe Job";
    let denied = How::Refuse {
        code: 403,
        message: "jobs.batch is forbidden: User \"ci\" cannot create resource \"jobs\" in API group \"batch\" in the namespace \"story\"".to_owned(),
    };
    let quota = How::Refuse {
        code: 403,
        message: "jobs.batch \"x\" is forbidden: exceeded quota: compute".to_owned(),
    };
    vec![
        always(
            "create",
            "jobs",
            denied,
            3,
            "not allowed to create Jobs in namespace story",
        ),
        always("create", "jobs", quota, 3, "raise the quota"),
        // Full for a moment, and too small for ever.
        passing(
            3,
            "create",
            "jobs",
            full("used: count/jobs.batch=4, limited: count/jobs.batch=4"),
        ),
        always(
            "create",
            "jobs",
            full("used: count/jobs.batch=4, limited: count/jobs.batch=4"),
            3,
            "a ResourceQuota leaves no room",
        )
        .with(&["--timeout", "4s"]),
        always(
            "create",
            "jobs",
            full("used: count/jobs.batch=0, limited: count/jobs.batch=0"),
            3,
            "a ResourceQuota leaves no room",
        )
        .within(25),
        passing(5, "create", "jobs", How::Busy(1)),
        always("create", "jobs", How::Status(401), 3, refused),
        always(
            "create",
            "jobs",
            How::Status(404),
            3,
            "namespace story is gone",
        ),
        always("create", "jobs", How::Status(409), 3, refused),
        always("create", "jobs", How::Status(410), 3, refused),
        always("create", "jobs", How::Status(422), 3, refused),
        always("create", "jobs", How::Status(429), 3, ""),
        always("create", "jobs", How::Status(500), 3, failed),
        always("create", "jobs", How::Hang, 3, failed),
        passing(2, "create", "jobs", How::Status(429)),
        passing(2, "create", "jobs", How::Status(503)),
        passing(2, "create", "jobs", How::Slow(1000)),
        // The Job is made, and the answer is lost.
        passing(3, "create", "jobs", How::BreakOff(0)),
        passing(3, "create", "jobs", How::BreakOff(30)),
    ]
}

/// A quota that is full, in the API server's words.
fn full(state: &str) -> How {
    How::Refuse {
        code: 403,
        message: format!(
            "jobs.batch \"x\" is forbidden: exceeded quota: jobs, requested: count/jobs.batch=1, {state}"
        ),
    }
}

fn logs_that_cannot_be_followed() -> Vec<Expect> {
    let short: &[&str] = &["--timeout", "5s"];
    vec![
        always(
            "log",
            "*",
            How::Status(403),
            3,
            "not allowed to get pods/log in namespace story",
        ),
        always(
            "log",
            "*",
            How::Status(401),
            3,
            "not allowed to get pods/log",
        )
        .with(short),
        always("log", "*", How::Status(404), 3, "its log could not be read").with(short),
        always("log", "*", How::Status(429), 3, "its log could not be read").with(short),
        always("log", "*", How::Status(500), 3, "its log could not be read").with(short),
        always("log", "*", How::Page, 3, "probe-").with(short),
        always("log", "*", How::Hang, 3, "probe-").with(short),
        passing(2, "log", "*", How::Busy(1)),
        always("log", "*", How::BreakOff(0), 3, "probe-lost").with(short),
        always("log", "*", How::BreakOff(120), 3, "probe-lost").with(short),
        passing(2, "log", "*", How::Status(500)),
        passing(2, "log", "*", How::Status(404)),
        passing(2, "log", "*", How::Status(429)),
        passing(2, "log", "*", How::BreakOff(120)),
        passing(3, "log", "*", How::Slow(1000)),
    ]
}

fn jobs_that_cannot_be_deleted() -> Vec<Expect> {
    let how_to = "delete it with: kubectl -n story delete job";
    vec![
        always("delete", "jobs", How::Status(401), 0, how_to).leaves(),
        always("delete", "jobs", How::Status(403), 0, how_to).leaves(),
        always("delete", "jobs", How::Status(409), 0, how_to).leaves(),
        always("delete", "jobs", How::Status(422), 0, how_to).leaves(),
        always("delete", "jobs", How::Status(500), 0, how_to)
            .leaves()
            .within(45),
        always("delete", "jobs", How::Hang, 0, how_to)
            .leaves()
            .within(45),
        // Without that permission the garbage collector goes on alone.
        always("delete", "pods", How::Status(403), 0, ""),
        always("delete", "pods", How::Hang, 0, ""),
        passing(3, "delete", "jobs", How::Status(429)),
        passing(3, "delete", "jobs", How::Status(500)),
        passing(3, "delete", "jobs", How::Slow(700)),
        // It is deleted, and the answer is lost.
        passing(3, "delete", "jobs", How::BreakOff(0)),
    ]
}

/// The verdict is what is waited for; that the Pods are gone is seen after it.
#[tokio::test(flavor = "multi_thread")]
async fn no_clean_up_holds_the_verdict_back() {
    let stage = Stage::new("fixed").await;
    stage
        .sandbox
        .fault(Fault::always("delete", "pods", How::Slow(500)));
    let started = Instant::now();
    let mut child = stage.start(&[]);
    stage.sandbox.request("DELETE ").await;
    // From here on no one says whether the Pods are gone.
    stage
        .sandbox
        .fault(Fault::always("list", "pods", How::Hang));
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let verdict = loop {
        let line = lines.next_line().await.unwrap();
        let line = line.unwrap_or_else(|| panic!("standard output ended without a verdict"));
        if line.contains("exit 0") {
            break started.elapsed();
        }
    };
    let run = stage.finish(child, started).await;
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert!(
        run.took > verdict + Duration::from_secs(2),
        "the verdict came after {verdict:?}, the end after {:?}",
        run.took
    );
    assert_eq!(lines.next_line().await.unwrap(), None, "it is printed once");
    assert_eq!(stage.sandbox.left_over(), Vec::<String>::new());
}
