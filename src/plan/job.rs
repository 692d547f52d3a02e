//! A [`Vantage`] → its `batch/v1` Job as JSON. Pure.
//!
//! The Pod meets Pod Security `restricted`, wears only the labels that policies look at, and never becomes ready where it
//! wears any: so no Service that selects those labels sends it traffic.

use std::borrow::Cow;

use base64::Engine as _;
use serde_json::{Map, Value, json};

use super::model::{Identity, JobOptions, PAYLOAD_FOLDER, Payload, Resources, TierProbe, Vantage};
use crate::observe::kinds::Labels;
use crate::observe::{MANAGED_BY, MANAGED_BY_LABEL, OWN_PREFIX, RUN_LABEL};
use crate::probe::wire::{FILE, FILES, SPEC_VARIABLE, SecretKey};

/// A readiness gate that no one opens.
const NEVER: &str = "k8sverify.io/never";
/// The label by which a Job's Pods are found.
const JOB_LABEL: &str = "job-name";
/// One environment variable of Linux holds 128 KiB, and escaping may double a chunk.
const CHUNK_BYTES: usize = 60 * 1024;
/// Mesh keys that are read as labels.
const MESH_LABELS: [&str; 3] = [
    "sidecar.istio.io/inject",
    "istio.io/rev",
    "istio.io/dataplane-mode",
];

/// The name of a vantage's Job.
pub fn name(run: &str, vantage: &str) -> String {
    format!("{OWN_PREFIX}{run}-{vantage}")
}

/// The Job of a vantage.
pub fn manifest(vantage: &Vantage, options: &JobOptions) -> Value {
    let mut labels = options.labels.clone();
    labels.extend(run_labels(&options.run));
    let mut template = json!({
        "metadata": pod_metadata(&vantage.identity, options),
        "spec": pod_spec(vantage, options),
    });
    super::patch::merge(&mut template, &options.patch);
    json!({
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": name(&options.run, &vantage.id),
            "namespace": vantage.identity.namespace,
            "labels": labels,
            "annotations": options.annotations,
        },
        "spec": {
            "backoffLimit": 0,
            "completions": 1,
            "parallelism": 1,
            "activeDeadlineSeconds": options.deadline_seconds,
            "ttlSecondsAfterFinished": options.ttl_seconds,
            "template": template,
        },
    })
}

/// The same Job without a Pod: it ends by its deadline and goes after its time to live, and with it whatever it owns.
pub fn holder(manifest: &Value) -> Value {
    let mut holder = manifest.clone();
    holder["spec"]["parallelism"] = json!(0);
    holder
}

/// The Pod that the Job would make, owned by its holder but not controlled by it. It is found by the same label.
pub fn pod(manifest: &Value, uid: &str) -> Value {
    let Value::Object(mut pod) = manifest["spec"]["template"].clone() else {
        return Value::Null;
    };
    pod.insert("apiVersion".to_owned(), json!("v1"));
    pod.insert("kind".to_owned(), json!("Pod"));
    let mut pod = Value::Object(pod);
    let name = &manifest["metadata"]["name"];
    pod["metadata"]["name"] = name.clone();
    pod["metadata"]["namespace"] = manifest["metadata"]["namespace"].clone();
    pod["metadata"]["labels"][JOB_LABEL] = name.clone();
    pod["metadata"]["ownerReferences"] =
        json!([{"apiVersion": "batch/v1", "kind": "Job", "name": name, "uid": uid}]);
    pod["spec"]["activeDeadlineSeconds"] = manifest["spec"]["activeDeadlineSeconds"].clone();
    pod
}

/// Only what makes the Pod look like the tier, and what the user wants on every Pod.
fn pod_metadata(identity: &Identity, options: &JobOptions) -> Value {
    let mut labels = options.labels.clone();
    labels.extend(identity.labels.clone());
    let mut annotations = options.annotations.clone();
    for (key, value) in &identity.annotations {
        if MESH_LABELS.contains(&key.as_str()) {
            labels.insert(key.clone(), value.clone());
        }
        annotations.insert(key.clone(), value.clone());
    }
    json!({"labels": labels, "annotations": annotations})
}

fn pod_spec(vantage: &Vantage, options: &JobOptions) -> Value {
    let identity = &vantage.identity;
    let containers: Vec<Value> = vantage
        .by_container()
        .filter_map(whole)
        .map(|probe| container(&probe, &vantage.resources, options))
        .collect();
    // Who has made something in a server needs time to take it back.
    let grace = if vantage.payload.is_some() { 15 } else { 2 };
    let mut spec = json!({
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": grace,
        "automountServiceAccountToken": false,
        "enableServiceLinks": false,
        "securityContext": {
            "runAsNonRoot": true,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": containers,
    });
    let volumes: Vec<Value> = vantage.containers.iter().flat_map(volumes).collect();
    if !volumes.is_empty() {
        spec["volumes"] = json!(volumes);
    }
    if let Some(fields) = spec.as_object_mut() {
        identity_fields(fields, identity);
        placement_fields(fields, identity, options);
        option_fields(fields, options);
        if vantage.payload.is_some() {
            mount(fields, &name(&options.run, &vantage.id));
        }
    }
    spec
}

/// All probes of one container in one.
fn whole(probes: &[TierProbe]) -> Option<Cow<'_, TierProbe>> {
    let (first, others) = probes.split_first()?;
    let mut whole = Cow::Borrowed(first);
    for other in others {
        let spec = &mut whole.to_mut().spec;
        spec.names.extend_from_slice(&other.spec.names);
        spec.edges.extend_from_slice(&other.spec.edges);
    }
    Some(whole)
}

/// The Secret with the payload, which bears the Job's name, before every container.
fn mount(fields: &mut Map<String, Value>, secret: &str) {
    let volume = json!({"name": "payload", "secret": {"secretName": secret, "defaultMode": 0o444}});
    let mount = json!({"name": "payload", "mountPath": PAYLOAD_FOLDER, "readOnly": true});
    add(fields.entry("volumes").or_insert_with(|| json!([])), volume);
    let containers = fields.get_mut("containers").and_then(Value::as_array_mut);
    for container in containers.into_iter().flatten() {
        if container["volumeMounts"].is_null() {
            container["volumeMounts"] = json!([]);
        }
        add(&mut container["volumeMounts"], mount.clone());
    }
}

fn add(list: &mut Value, item: Value) {
    if let Some(list) = list.as_array_mut() {
        list.push(item);
    }
}

/// The Secret with a vantage's payload. It belongs to the Job, so that it goes with it whatever becomes of the run.
pub fn secret(vantage: &Vantage, payload: &Payload, run: &str, job_uid: &str) -> Value {
    let name = name(run, &vantage.id);
    let content = base64::engine::general_purpose::STANDARD.encode(&payload.bytes);
    json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": name,
            "namespace": vantage.identity.namespace,
            "labels": run_labels(run),
            "ownerReferences": [{"apiVersion": "batch/v1", "kind": "Job", "name": name, "uid": job_uid}],
        },
        "immutable": true,
        "data": {payload.name.clone(): content},
    })
}

fn identity_fields(fields: &mut Map<String, Value>, identity: &Identity) {
    let mut put = |key: &str, value: Value| {
        fields.insert(key.to_owned(), value);
    };
    if !identity.labels.is_empty() {
        put("readinessGates", json!([{"conditionType": NEVER}]));
    }
    if identity.host_network {
        put("hostNetwork", json!(true));
    }
    if !identity.dns_policy.is_empty() {
        put("dnsPolicy", json!(identity.dns_policy));
    }
    if let Some(config) = json_text(&identity.dns_config) {
        put("dnsConfig", config);
    }
    if let Some(aliases) = json_text(&identity.host_aliases) {
        put("hostAliases", aliases);
    }
    if !identity.service_account.is_empty() {
        put("serviceAccountName", json!(identity.service_account));
    }
}

/// Where the Pod runs: a node by its name, with everything on it tolerated, or where the tier's template could.
fn placement_fields(fields: &mut Map<String, Value>, identity: &Identity, options: &JobOptions) {
    let mut selector = options.node_selector.clone();
    let mut tolerations: Vec<Value> = match json_text(&identity.tolerations) {
        Some(Value::Array(own)) => own,
        _ => Vec::new(),
    };
    if let Some(node) = &identity.node {
        // The tier's Pods run there, whatever was put on the node since: cordon (unschedulable), taints.
        tolerations.push(json!({"operator": "Exists", "effect": "NoSchedule"}));
        let term = json!({"matchFields": [
            {"key": "metadata.name", "operator": "In", "values": [node]}
        ]});
        fields.insert(
            "affinity".to_owned(),
            json!({"nodeAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}
            }}),
        );
    } else {
        selector.extend(identity.node_selector.clone());
    }
    tolerations.extend(options.tolerations.clone());
    fields.insert("tolerations".to_owned(), json!(tolerations));
    if !selector.is_empty() {
        fields.insert("nodeSelector".to_owned(), json!(selector));
    }
}

fn option_fields(fields: &mut Map<String, Value>, options: &JobOptions) {
    let JobOptions {
        run: _,
        image: _,
        image_pull_policy: _,
        deadline_seconds: _,
        ttl_seconds: _,
        image_pull_secrets,
        tolerations: _,
        node_selector: _,
        labels: _,
        annotations: _,
        priority_class,
        service_account,
        resources: _,
        runtime_class,
        patch: _,
    } = options;
    if !image_pull_secrets.is_empty() {
        fields.insert("imagePullSecrets".to_owned(), json!(image_pull_secrets));
    }
    if !priority_class.is_empty() {
        fields.insert("priorityClassName".to_owned(), json!(priority_class));
    }
    if !service_account.is_empty() {
        fields.insert("serviceAccountName".to_owned(), json!(service_account));
    }
    if !runtime_class.is_empty() {
        fields.insert("runtimeClassName".to_owned(), json!(runtime_class));
    }
}

/// What stood as JSON text in an [`Identity`]; empty text is nothing. The plan wrote it, so it parses.
fn json_text(text: &str) -> Option<Value> {
    serde_json::from_str(text).ok()
}

fn container(probe: &TierProbe, resources: &Resources, options: &JobOptions) -> Value {
    let mut env: Vec<Value> = probe.env.iter().map(|variable| json!(variable)).collect();
    // A spec is made of maps, lists, numbers and strings: it always has a JSON form.
    let spec = serde_json::to_string(&probe.spec).unwrap_or_default();
    for (index, chunk) in chunks(&spec).into_iter().enumerate() {
        env.push(json!({"name": format!("{SPEC_VARIABLE}{index}"), "value": escape(chunk)}));
    }
    let mut value = json!({
        "name": probe.container,
        "image": options.image,
        "imagePullPolicy": pull_policy(options),
        "args": ["probe"],
        "env": env,
        "resources": resources,
        "securityContext": {
            "allowPrivilegeEscalation": false,
            "readOnlyRootFilesystem": true,
            "capabilities": {"drop": ["ALL"]},
        },
        "terminationMessagePolicy": "FallbackToLogsOnError",
    });
    if !options.resources.is_empty() {
        value["resources"] = json!({"requests": options.resources, "limits": options.resources});
    }
    let mounts: Vec<Value> = secret_files(probe)
        .map(|(name, variable, _)| {
            json!({"name": name, "mountPath": format!("{FILES}/{variable}"), "readOnly": true})
        })
        .collect();
    if !mounts.is_empty() {
        value["volumeMounts"] = json!(mounts);
    }
    if !probe.env_from.is_empty() {
        value["envFrom"] = json!(probe.env_from);
    }
    value
}

/// The files of Secrets that a container gets: the volume's name, the variable that the text becomes, and the key.
fn secret_files(probe: &TierProbe) -> impl Iterator<Item = (String, &str, &SecretKey)> {
    let files = probe.spec.authorities.iter().chain(&probe.spec.settings);
    files.filter_map(|file| {
        let name = file.variable.to_ascii_lowercase().replace('_', "-");
        let name = format!("{}-{name}", probe.container);
        Some((name, file.variable.as_str(), file.secret.as_ref()?))
    })
}

fn volumes(probe: &TierProbe) -> Vec<Value> {
    secret_files(probe)
        .map(|(name, _, key)| {
            json!({"name": name, "secret": {
                "secretName": key.name,
                "items": [{"key": key.key, "path": FILE}],
                // The agent is no member of any group that the API knows of.
                "defaultMode": 0o444,
                "optional": true,
            }})
        })
        .collect()
}

/// A moving tag is pulled again, any other only where the node lacks it.
fn pull_policy(options: &JobOptions) -> &str {
    if !options.image_pull_policy.is_empty() {
        return &options.image_pull_policy;
    }
    let image = options.image.as_str();
    // A colon before the last slash is a registry's port.
    let last = image.rsplit('/').next().unwrap_or(image);
    let moving = !image.contains('@') && (last.ends_with(":latest") || !last.contains(':'));
    if moving { "Always" } else { "IfNotPresent" }
}

/// Cuts between characters.
fn chunks(text: &str) -> Vec<&str> {
    let mut chunks = Vec::new();
    let mut rest = text;
    while rest.len() > CHUNK_BYTES {
        let (head, tail) = rest.split_at(rest.floor_char_boundary(CHUNK_BYTES));
        chunks.push(head);
        rest = tail;
    }
    chunks.push(rest);
    chunks
}

/// The kubelet expands `$(NAME)` and takes `$$` for `$`: doubled, every `$` arrives as it was.
fn escape(text: &str) -> String {
    text.replace('$', "$$")
}

/// The labels by which a run's Jobs are found.
pub fn run_labels(run: &str) -> Labels {
    Labels::from([
        (MANAGED_BY_LABEL.to_owned(), MANAGED_BY.to_owned()),
        (RUN_LABEL.to_owned(), run.to_owned()),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::kinds::{EnvVar, NameRef};
    use crate::probe::wire::{NameTask, ProbeSpec};

    fn vantage(identity: Identity, spec: ProbeSpec) -> Vantage {
        Vantage {
            id: "v1".into(),
            identity,
            containers: vec![TierProbe {
                tier: "AP".into(),
                workload: None,
                container: "t1".into(),
                env: vec![EnvVar {
                    name: "T_DB_HOST".into(),
                    value: Some("db".into()),
                    value_from: None,
                }],
                env_from: Vec::new(),
                spec,
            }],
            look: super::super::Look::First,
            fallback_nodes: Vec::new(),
            bare: false,
            resources: Resources {
                requests: Labels::from([("cpu".into(), "0".into())]),
                limits: Labels::from([("cpu".into(), "200m".into())]),
            },
            payload: None,
        }
    }

    fn options() -> JobOptions {
        JobOptions {
            run: "r1".into(),
            image: "k8sverify:1".into(),
            deadline_seconds: 90,
            ttl_seconds: 120,
            ..JobOptions::default()
        }
    }

    fn pod(job: &Value) -> &Value {
        &job["spec"]["template"]["spec"]
    }

    #[test]
    fn a_plain_vantage_wears_no_label_and_meets_restricted() {
        let identity = Identity {
            namespace: "shop".into(),
            ..Identity::default()
        };
        let job = manifest(&vantage(identity, ProbeSpec::default()), &options());
        assert_eq!(job["metadata"]["name"], "k8sverify-r1-v1");
        assert_eq!(job["metadata"]["labels"][RUN_LABEL], "r1");
        assert_eq!(job["spec"]["template"]["metadata"]["labels"], json!({}));
        assert_eq!(pod(&job)["securityContext"]["runAsNonRoot"], true);
        assert!(pod(&job)["securityContext"].get("runAsUser").is_none());
        assert!(pod(&job).get("readinessGates").is_none());
        assert!(pod(&job).get("affinity").is_none());
        assert_eq!(pod(&job)["automountServiceAccountToken"], false);
        let container = &pod(&job)["containers"][0];
        assert_eq!(container["args"], json!(["probe"]));
        assert_eq!(container["imagePullPolicy"], "IfNotPresent");
        assert_eq!(
            container["securityContext"]["capabilities"]["drop"],
            json!(["ALL"])
        );
    }

    #[test]
    fn an_identity_is_worn_and_kept_out_of_services() {
        let identity = Identity {
            namespace: "shop".into(),
            node: Some("node-2".into()),
            labels: Labels::from([("app".into(), "ap".into())]),
            dns_policy: "Default".into(),
            dns_config: r#"{"searches":["x"]}"#.into(),
            host_aliases: r#"[{"ip":"10.0.0.1","hostnames":["db"]}]"#.into(),
            host_network: true,
            service_account: "ap".into(),
            annotations: Labels::from([("sidecar.istio.io/inject".into(), "true".into())]),
            tolerations: r#"[{"key":"a","operator":"Exists","effect":"NoExecute"}]"#.into(),
            ..Identity::default()
        };
        let job = manifest(&vantage(identity, ProbeSpec::default()), &options());
        let metadata = &job["spec"]["template"]["metadata"];
        assert_eq!(
            metadata["labels"],
            json!({"app": "ap", "sidecar.istio.io/inject": "true"})
        );
        assert_eq!(metadata["annotations"]["sidecar.istio.io/inject"], "true");
        let pod = pod(&job);
        assert_eq!(pod["readinessGates"][0]["conditionType"], NEVER);
        assert_eq!(pod["dnsPolicy"], "Default");
        assert_eq!(pod["dnsConfig"]["searches"][0], "x");
        assert_eq!(pod["hostAliases"][0]["ip"], "10.0.0.1");
        assert_eq!(pod["hostNetwork"], true);
        assert_eq!(pod["serviceAccountName"], "ap");
        assert_eq!(pod["tolerations"].as_array().unwrap().len(), 2);
        let term = &pod["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
            ["nodeSelectorTerms"][0];
        assert_eq!(term["matchFields"][0]["values"], json!(["node-2"]));
    }

    #[test]
    fn a_pod_without_a_controller_goes_with_its_holder() {
        let identity = Identity {
            namespace: "shop".into(),
            labels: Labels::from([("app".into(), "ap".into())]),
            ..Identity::default()
        };
        let job = manifest(&vantage(identity, ProbeSpec::default()), &options());
        let pod = super::pod(&job, "u1");
        assert_eq!(
            pod["metadata"]["labels"],
            json!({"app": "ap", "job-name": "k8sverify-r1-v1"})
        );
        let owner = &pod["metadata"]["ownerReferences"][0];
        assert_eq!(
            (&owner["kind"], &owner["uid"]),
            (&json!("Job"), &json!("u1"))
        );
        assert!(owner.get("controller").is_none());
        assert_eq!(pod["spec"]["activeDeadlineSeconds"], 90);
        assert_eq!(pod["spec"]["containers"], self::pod(&job)["containers"]);
        assert_eq!(
            pod["spec"]["containers"][0]["resources"]["requests"]["cpu"],
            "0"
        );
        let holder = holder(&job);
        assert_eq!(holder["spec"]["parallelism"], 0);
        assert_eq!(holder["metadata"], job["metadata"]);
    }

    #[test]
    fn the_users_options_reach_the_pod() {
        let options = JobOptions {
            image: "registry.example:5000/k8sverify".into(),
            image_pull_secrets: vec![NameRef {
                name: "pull".into(),
            }],
            tolerations: vec![json!({"operator": "Exists"})],
            node_selector: Labels::from([("pool".into(), "ci".into())]),
            labels: Labels::from([("team".into(), "qa".into())]),
            annotations: Labels::from([("why".into(), "verify".into())]),
            priority_class: "low".into(),
            service_account: "prober".into(),
            ..options()
        };
        let identity = Identity {
            namespace: "shop".into(),
            node_selector: Labels::from([("disk".into(), "ssd".into())]),
            ..Identity::default()
        };
        let job = manifest(&vantage(identity, ProbeSpec::default()), &options);
        let pod = pod(&job);
        assert_eq!(pod["imagePullSecrets"][0]["name"], "pull");
        assert_eq!(pod["tolerations"], json!([{"operator": "Exists"}]));
        assert_eq!(pod["nodeSelector"], json!({"pool": "ci", "disk": "ssd"}));
        assert_eq!(pod["priorityClassName"], "low");
        assert_eq!(pod["serviceAccountName"], "prober");
        assert_eq!(pod["containers"][0]["imagePullPolicy"], "Always");
        assert_eq!(job["metadata"]["labels"]["team"], "qa");
        assert_eq!(job["spec"]["template"]["metadata"]["labels"]["team"], "qa");
        assert_eq!(
            job["spec"]["template"]["metadata"]["annotations"]["why"],
            "verify"
        );
    }

    #[test]
    fn a_long_spec_arrives_whole_with_its_dollars() {
        let spec = ProbeSpec {
            names: (0..3000)
                .map(|index| NameTask {
                    id: format!("name:é{index}"),
                    name: "$(HOST)$$x".into(),
                    retry_not_found_ms: 0,
                })
                .collect(),
            ..ProbeSpec::default()
        };
        let job = manifest(&vantage(Identity::default(), spec.clone()), &options());
        let env = pod(&job)["containers"][0]["env"].as_array().unwrap();
        let joined: String = env
            .iter()
            .filter(|variable| {
                variable["name"]
                    .as_str()
                    .unwrap()
                    .starts_with(SPEC_VARIABLE)
            })
            // As the kubelet does with a text in which every dollar is doubled.
            .map(|variable| variable["value"].as_str().unwrap().replace("$$", "$"))
            .collect();
        assert!(env.len() > 3);
        assert!(
            env.iter()
                .all(|variable| variable["value"].as_str().unwrap().len() < 128 * 1024)
        );
        assert_eq!(serde_json::from_str::<ProbeSpec>(&joined).unwrap(), spec);
    }

    #[test]
    fn a_payload_is_mounted_and_goes_with_the_job() {
        let identity = Identity {
            namespace: "shop".into(),
            ..Identity::default()
        };
        let mut with = vantage(identity, ProbeSpec::default());
        let payload = Payload {
            name: "script".into(),
            bytes: b"SELECT 'secret'".to_vec(),
        };
        with.payload = Some(payload.clone());
        let job = manifest(&with, &options());
        assert_eq!(
            pod(&job)["volumes"][0]["secret"]["secretName"],
            "k8sverify-r1-v1"
        );
        let mount = &pod(&job)["containers"][0]["volumeMounts"][0];
        assert_eq!(mount["mountPath"], PAYLOAD_FOLDER);
        assert_eq!(pod(&job)["terminationGracePeriodSeconds"], 15);
        assert!(!job.to_string().contains("SELECT"));
        assert!(!format!("{with:?}").contains("SELECT"));
        let secret = secret(&with, &payload, "r1", "uid-1");
        assert_eq!(secret["metadata"]["name"], "k8sverify-r1-v1");
        assert_eq!(secret["metadata"]["ownerReferences"][0]["uid"], "uid-1");
        assert_eq!(secret["data"]["script"], "U0VMRUNUICdzZWNyZXQn");
    }
}
