//! Policies of a cluster that a probe's Pod may meet: each is satisfied as it is, or by the options that the message names, or named in its own words.

use std::fmt::Write as _;

use super::Space;

/// A policy of one namespace.
struct Policy {
    name: &'static str,
    /// `NS` stands for the namespace.
    manifest: String,
    /// A Pod without anything special is refused by it, which shows when it is in force.
    refuses: bool,
    /// What the run without options says with exit code 3; `None`: it passes.
    says: Option<&'static str>,
    /// With these it passes.
    options: &'static [&'static str],
    /// With this file as `--probe-patch` it passes.
    patch: &'static str,
}

/// A rule on Pods in the language of the API server.
fn rule(
    name: &'static str,
    expression: &str,
    says: &'static str,
    options: &'static [&'static str],
    patch: &'static str,
) -> Policy {
    let manifest = format!(
        "
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {{name: NS-{name}}}
spec:
  failurePolicy: Fail
  matchConstraints: {{resourceRules: [{{apiGroups: [''], apiVersions: [v1], operations: [CREATE], resources: [pods]}}]}}
  validations:
  - expression: \"{expression}\"
    message: 'house rule {name}'
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {{name: NS-{name}}}
spec:
  policyName: NS-{name}
  validationActions: [Deny]
  matchResources: {{namespaceSelector: {{matchLabels: {{kubernetes.io/metadata.name: NS}}}}}}
"
    );
    Policy {
        name,
        manifest,
        refuses: true,
        says: Some(says),
        options,
        patch,
    }
}

/// A LimitRange or a ResourceQuota.
fn limits(name: &'static str, kind: &str, spec: &str, says: Option<&'static str>) -> Policy {
    Policy {
        name,
        manifest: format!(
            "apiVersion: v1\nkind: {kind}\nmetadata: {{name: {name}, namespace: NS}}\nspec: {spec}\n"
        ),
        refuses: false,
        says,
        options: &[],
        patch: "",
    }
}

/// The first three are the short form.
#[expect(clippy::too_many_lines, reason = "it is a table")]
fn policies() -> Vec<Policy> {
    let every = "object.spec.containers.all(c, ";
    let context = "has(c.securityContext) && has(c.securityContext.";
    vec![
        rule(
            "label",
            "has(object.metadata.labels) && 'team' in object.metadata.labels",
            "--probe-label",
            &["--probe-label", "team=shop"],
            "",
        ),
        limits(
            "max-cpu",
            "LimitRange",
            "{limits: [{type: Container, max: {cpu: 60m}}]}",
            None,
        ),
        rule(
            "runtime-class",
            "has(object.spec.runtimeClassName) && object.spec.runtimeClassName == 'NS'",
            "--probe-runtime-class",
            &["--probe-runtime-class", "NS"],
            "",
        ),
        rule(
            "annotation",
            "has(object.metadata.annotations) && 'owner' in object.metadata.annotations",
            "--probe-annotation",
            &["--probe-annotation", "owner=shop"],
            "",
        ),
        rule(
            "requests-are-limits",
            &format!(
                "{every}has(c.resources) && has(c.resources.limits) && 'cpu' in c.resources.limits && has(c.resources.requests) && c.resources.requests == c.resources.limits)"
            ),
            "--probe-resources",
            &["--probe-resources", "cpu=50m,memory=64Mi"],
            "",
        ),
        rule(
            "no-cpu-limit",
            &format!(
                "{every}has(c.resources) && has(c.resources.limits) && 'memory' in c.resources.limits && !('cpu' in c.resources.limits))"
            ),
            "--probe-patch",
            &[],
            "spec: {containers: [{name: '*', resources: {limits: {cpu: null}}}]}",
        ),
        rule(
            "run-as-user",
            &format!("{every}{context}runAsUser) && c.securityContext.runAsUser > 10000)"),
            "--probe-patch",
            &[],
            "spec: {containers: [{name: '*', securityContext: {runAsUser: 65532}}]}",
        ),
        rule(
            "seccomp",
            &format!("{every}{context}seccompProfile))"),
            "--probe-patch",
            &[],
            "spec: {containers: [{name: '*', securityContext: {seccompProfile: {type: RuntimeDefault}}}]}",
        ),
        rule(
            "probes",
            &format!("{every}has(c.livenessProbe))"),
            "--probe-patch",
            &[],
            "spec: {containers: [{name: '*', livenessProbe: {exec: {command: [/k8sverify, --version]}, initialDelaySeconds: 300}}]}",
        ),
        rule(
            "no-affinity",
            "!has(object.spec.affinity) && 'team' in object.metadata.labels",
            "--probe-patch",
            &["--probe-label", "team=shop"],
            "spec: {affinity: null}",
        ),
        rule(
            "tolerates-nothing-special",
            "has(object.spec.tolerations) && object.spec.tolerations.all(t, has(t.key)) && 'team' in object.metadata.labels",
            "--probe-patch",
            &["--probe-label", "team=shop"],
            "spec: {tolerations: []}",
        ),
        rule(
            "no-literal-password",
            &format!(
                "{every}!has(c.env) || c.env.all(e, !(e.name.contains('PASSWORD') && has(e.value)))) && 'team' in object.metadata.labels"
            ),
            "house rule no-literal-password",
            &["--probe-label", "team=shop", "--no-login"],
            "",
        ),
        rule(
            "priority",
            "has(object.spec.priorityClassName) && object.spec.priorityClassName == 'NS'",
            "--probe-patch",
            &["--probe-priority-class", "NS"],
            "",
        ),
        rule(
            "service-account",
            "object.spec.serviceAccountName == 'verifier'",
            "--probe-patch",
            &["--probe-service-account", "verifier"],
            "",
        ),
        // No option satisfies these: the policy's own words are all that helps.
        rule(
            "registry",
            &format!("{every}c.image.startsWith('registry.example/'))"),
            "house rule registry",
            &[],
            "",
        ),
        rule("frozen", "false", "house rule frozen", &[], ""),
        limits(
            "min-memory",
            "LimitRange",
            "{limits: [{type: Container, min: {memory: 96Mi}}]}",
            None,
        ),
        limits(
            "ratio",
            "LimitRange",
            "{limits: [{type: Container, maxLimitRequestRatio: {cpu: '2', memory: '2'}}]}",
            None,
        ),
        limits(
            "pod-max",
            "LimitRange",
            "{limits: [{type: Pod, max: {cpu: 300m, memory: 256Mi}}]}",
            None,
        ),
        limits(
            "quota-on-limits",
            "ResourceQuota",
            "{hard: {limits.cpu: '4', limits.memory: 4Gi, requests.cpu: '4', requests.memory: 4Gi}}",
            None,
        ),
        limits(
            "quota-without-room",
            "ResourceQuota",
            "{hard: {limits.cpu: 1m}}",
            Some("exceeded quota"),
        ),
        Policy {
            name: "pod-security",
            manifest: "apiVersion: v1\nkind: Namespace\nmetadata: {name: NS, labels: {pod-security.kubernetes.io/enforce: restricted}}\n".to_owned(),
            refuses: true,
            says: None,
            options: &[],
            patch: "",
        },
        Policy {
            name: "webhook",
            manifest: "
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: NS-webhook}
webhooks:
- name: house.example.com
  clientConfig: {service: {name: no-one, namespace: NS}}
  rules: [{apiGroups: [''], apiVersions: [v1], operations: [CREATE], resources: [pods]}]
  namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: NS}}
  admissionReviewVersions: [v1]
  sideEffects: None
  timeoutSeconds: 2
"
            .to_owned(),
            refuses: true,
            says: Some("house.example.com"),
            options: &[],
            patch: "",
        },
    ]
}

/// What the policies speak of.
const OBJECTS: &str = "
apiVersion: node.k8s.io/v1
kind: RuntimeClass
metadata: {name: NS}
handler: runc
---
apiVersion: scheduling.k8s.io/v1
kind: PriorityClass
metadata: {name: NS}
value: 0
preemptionPolicy: Never
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: verifier, namespace: NS}
";

/// Objects of the cluster, which do not go with the namespace.
struct OfTheCluster<'a>(&'a Space);

impl Drop for OfTheCluster<'_> {
    fn drop(&mut self) {
        let name = &self.0.name;
        self.0.try_kubectl(&[
            "delete",
            "--ignore-not-found",
            "runtimeclass,priorityclass",
            name,
        ]);
    }
}

fn write(space: &Space, file: &str, text: &str) -> String {
    let path = space.folder.path().join(file);
    std::fs::write(&path, text.replace("NS", &space.name)).unwrap();
    path.to_str().unwrap().to_owned()
}

/// Whether the namespace takes a Pod without anything special.
fn takes_pods(space: &Space) -> bool {
    let pod = write(
        space,
        "pod.yaml",
        "apiVersion: v1\nkind: Pod\nmetadata: {name: plain, namespace: NS, labels: {app: plain}}\nspec: {containers: [{name: c, image: x}]}\n",
    );
    let output = space.try_kubectl(&["create", "--dry-run=server", "-f", &pod]);
    output.status.success()
}

fn check(space: &Space, policy: &Policy) -> Result<(), String> {
    let file = write(space, "policy.yaml", &policy.manifest);
    space.kubectl(&["apply", "-f", &file]);
    if policy.refuses {
        space.until(policy.name, || !takes_pods(space));
    } else {
        // What limits sets is read from a cache.
        std::thread::sleep(std::time::Duration::from_secs(2));
    }
    let mut wrong = String::new();
    let plain = space.verify(&["--timeout", "20s"]);
    let expected = i32::from(policy.says.is_some()) * 3;
    let said = policy
        .says
        .is_none_or(|words| plain.console.contains(words));
    if plain.code != expected || !said {
        let _ = write!(
            wrong,
            "without options: exit {}, expected {expected} and `{}`\n{}",
            plain.code,
            policy.says.unwrap_or_default(),
            plain.console
        );
    }
    let name = &space.name;
    let mut options: Vec<String> = policy
        .options
        .iter()
        .map(|option| option.replace("NS", name))
        .collect();
    if !policy.patch.is_empty() {
        let patch = write(space, "patch.yaml", policy.patch);
        options.extend(["--probe-patch".to_owned(), patch]);
    }
    if !options.is_empty() {
        let options: Vec<&str> = options.iter().map(String::as_str).collect();
        let satisfied = space.verify(&options);
        if satisfied.code != 0 {
            let _ = write!(
                wrong,
                "with {options:?}: exit {}\n{}",
                satisfied.code, satisfied.console
            );
        }
    }
    if policy.name == "pod-security" {
        space.kubectl(&[
            "label",
            "namespace",
            name,
            "pod-security.kubernetes.io/enforce-",
        ]);
    } else {
        space.kubectl(&["delete", "-f", &file]);
    }
    space.until("the policy is gone", || takes_pods(space));
    if wrong.is_empty() {
        return Ok(());
    }
    Err(format!("== {}: {wrong}\n", policy.name))
}

/// All of them with `K8SVERIFY_ALL_POLICIES`, else the first three.
#[test]
#[ignore = "needs a cluster"]
fn every_policy_is_satisfied_or_named_in_its_own_words() {
    let space = Space::story("policies", "fixed");
    let _gone = OfTheCluster(&space);
    let objects = write(&space, "objects.yaml", OBJECTS);
    space.kubectl(&["apply", "-f", &objects]);
    space.until("a service account's own objects are there", || {
        takes_pods(&space)
    });
    let all = policies();
    let most = if std::env::var_os("K8SVERIFY_ALL_POLICIES").is_some() {
        all.len()
    } else {
        3
    };
    let wrong: Vec<String> = all
        .iter()
        .take(most)
        .filter_map(|policy| check(&space, policy).err())
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.concat());
}
