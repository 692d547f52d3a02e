//! The kubelet of the sandbox: the Pod of a Job is a child process per container, its output the Pod's log. IO: processes.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};

use futures::future::join_all;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;
use tokio::process::{Child, Command};
use tokio::sync::watch;

use crate::clock::Clock;
use crate::network::{self, Network};
use crate::scenario::NetworkFile;
use crate::store::{Store, list, text};
use crate::{kinds, merge};

/// What containers run instead of their image.
#[derive(Debug, Clone)]
pub struct Program {
    /// The executable.
    pub path: PathBuf,
    /// Its first arguments, before those of the container.
    pub arguments: Vec<String>,
}

/// Under this prefix the agent takes the variables of its tier.
const TIER_PREFIX: &str = "T_";

/// A container's output so far.
#[derive(Debug, Default)]
pub(crate) struct Log {
    /// What was written.
    pub(crate) bytes: Vec<u8>,
    /// Whether nothing more comes.
    pub(crate) ended: bool,
}

/// Namespace, Pod and container.
type Place = (String, String, String);

/// Runs the Pods of Jobs.
pub(crate) struct Kubelet {
    store: Arc<Store>,
    clock: Clock,
    program: Program,
    network: Network,
    file: NetworkFile,
    logs: Mutex<BTreeMap<Place, watch::Receiver<Log>>>,
    /// By namespace and Pod.
    stops: Mutex<BTreeMap<(String, String), watch::Sender<bool>>>,
}

impl Kubelet {
    pub(crate) fn new(
        store: Arc<Store>,
        clock: Clock,
        program: Program,
        network: Network,
        file: NetworkFile,
    ) -> Self {
        Self {
            store,
            clock,
            program,
            network,
            file,
            logs: Mutex::default(),
            stops: Mutex::default(),
        }
    }

    /// The log of a container; `None`: it has not started.
    pub(crate) fn log(
        &self,
        namespace: &str,
        pod: &str,
        container: &str,
    ) -> Option<watch::Receiver<Log>> {
        let place = (namespace.to_owned(), pod.to_owned(), container.to_owned());
        let logs = self.logs.lock().unwrap_or_else(PoisonError::into_inner);
        logs.get(&place).cloned()
    }

    /// Every log, also of Pods that are gone.
    pub(crate) fn written(&self) -> Vec<String> {
        let logs = self.logs.lock().unwrap_or_else(PoisonError::into_inner);
        logs.values()
            .map(|log| String::from_utf8_lossy(&log.borrow().bytes).into_owned())
            .collect()
    }

    /// Makes the Pod of a Job and runs it to its end.
    pub(crate) fn start(self: &Arc<Self>, job: &Value) {
        let probes = &self.file.probes;
        if probes.none {
            return self.happens(job);
        }
        let mut pod = self.pod(job);
        if let Some(looks) = &probes.pod {
            merge::edit(&mut pod, looks.clone());
        }
        let pod = self.store.put(kinds::of("pods"), pod);
        self.happens(&pod);
        let place = (
            text(&pod, "/metadata/namespace").to_owned(),
            text(&pod, "/metadata/name").to_owned(),
        );
        let (stop, stopped) = watch::channel(false);
        self.stops
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(place, stop);
        let kubelet = Arc::clone(self);
        tokio::spawn(async move { kubelet.run(pod, stopped).await });
    }

    /// Ends what a Job started; its Pod goes when its processes are gone.
    pub(crate) fn job_removed(&self, namespace: &str, job: &str) {
        let kind = kinds::of("pods");
        for pod in self.store.list(kind, Some(namespace)).0 {
            if pod["metadata"]["labels"]["job-name"] == job {
                self.pod_removed(namespace, text(&pod, "/metadata/name"));
            }
        }
    }

    /// Ends a Pod.
    pub(crate) fn pod_removed(&self, namespace: &str, pod: &str) {
        let kind = kinds::of("pods");
        let stops = self.stops.lock().unwrap_or_else(PoisonError::into_inner);
        let stop = stops.get(&(namespace.to_owned(), pod.to_owned()));
        match stop {
            Some(stop) if !stop.is_closed() => {
                let now = self.clock.text();
                self.store.change(kind, namespace, pod, |pod| {
                    pod["metadata"]["deletionTimestamp"] = json!(now);
                });
                stop.send_replace(true);
            }
            _ => {
                self.store.remove(kind, namespace, pod);
            }
        }
    }

    /// The events that the scenario wants of a probe Pod, or of its Job.
    fn happens(&self, to: &Value) {
        for (number, event) in self.file.probes.events.iter().enumerate() {
            let mut object = json!({
                "metadata": {"name": format!("{}.{number}", text(to, "/metadata/name")), "namespace": to["metadata"]["namespace"]},
                "involvedObject": {"kind": to["kind"], "apiVersion": to["apiVersion"], "name": to["metadata"]["name"],
                    "namespace": to["metadata"]["namespace"], "uid": to["metadata"]["uid"]},
                "type": "Warning", "count": 1, "firstTimestamp": self.clock.text(), "lastTimestamp": self.clock.text(),
            });
            merge::edit(&mut object, event.clone());
            self.store.put(kinds::of("events"), object);
        }
    }

    fn pod(&self, job: &Value) -> Value {
        let template = &job["spec"]["template"];
        let name = text(job, "/metadata/name");
        let mut spec = template["spec"].clone();
        spec["nodeName"] = json!(self.node(&spec));
        let mut labels = template["metadata"]["labels"].clone();
        if !labels.is_object() {
            labels = json!({});
        }
        labels["job-name"] = json!(name);
        labels["batch.kubernetes.io/job-name"] = json!(name);
        json!({
            "metadata": {
                "name": format!("{name}-sandb"),
                "namespace": job["metadata"]["namespace"],
                "labels": labels,
                "annotations": template["metadata"]["annotations"],
                "ownerReferences": [{"apiVersion": "batch/v1", "kind": "Job", "name": name, "uid": job["metadata"]["uid"], "controller": true, "blockOwnerDeletion": true}],
            },
            "spec": spec,
            "status": {
                "phase": "Pending",
                "conditions": [{"type": "PodScheduled", "status": "True", "lastTransitionTime": self.clock.text()}],
            },
        })
    }

    /// The node that the Pod asks for, or the first one.
    fn node(&self, spec: &Value) -> String {
        let wanted = "/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms/0/matchFields/0/values/0";
        let (nodes, _) = self.store.list(kinds::of("nodes"), None);
        spec.pointer(wanted)
            .and_then(Value::as_str)
            .or_else(|| nodes.first()?["metadata"]["name"].as_str())
            .unwrap_or("node")
            .to_owned()
    }

    async fn run(&self, pod: Value, mut stopped: watch::Receiver<bool>) {
        let namespace = text(&pod, "/metadata/namespace").to_owned();
        let name = text(&pod, "/metadata/name").to_owned();
        // The Pod stays, with its log, until it is deleted.
        let work = async {
            if self.file.probes.pod.is_none() {
                self.containers(&pod).await;
            }
            std::future::pending::<()>().await;
        };
        let end = async {
            // Without a sender the sandbox itself is over.
            let _ = stopped.wait_for(|stopped| *stopped).await;
        };
        tokio::select! {
            () = work => {}
            () = end => {}
        }
        // The processes were killed with the future that held them.
        self.store.remove(kinds::of("pods"), &namespace, &name);
    }

    async fn containers(&self, pod: &Value) {
        let containers = list(pod, "/spec/containers");
        if let Some(container) = containers
            .iter()
            .find(|container| unreachable_image(text(container, "/image")))
        {
            let image = text(container, "/image");
            let message = format!(
                "failed to pull and unpack image \"{image}\": failed to do request: no such host"
            );
            self.status(
                pod,
                "Pending",
                &|_| json!({"waiting": {"reason": "ErrImagePull", "message": message}}),
            );
            return std::future::pending().await;
        }
        let now = self.clock.text();
        self.status(pod, "Running", &|_| json!({"running": {"startedAt": now}}));
        let runs = containers
            .iter()
            .map(|container| self.container(pod, container));
        let codes: BTreeMap<String, i32> = join_all(runs).await.into_iter().collect();
        let phase = if codes.values().all(|code| *code == 0) {
            "Succeeded"
        } else {
            "Failed"
        };
        let now = self.clock.text();
        self.status(pod, phase, &|name| {
            let code = codes.get(name).copied().unwrap_or(1);
            let reason = if code == 0 { "Completed" } else { "Error" };
            json!({"terminated": {"exitCode": code, "reason": reason, "finishedAt": now}})
        });
    }

    fn status(&self, pod: &Value, phase: &str, state: &dyn Fn(&str) -> Value) {
        let namespace = text(pod, "/metadata/namespace");
        let name = text(pod, "/metadata/name");
        let statuses: Vec<Value> = list(pod, "/spec/containers")
            .iter()
            .map(|container| {
                let name = text(container, "/name");
                let runs = phase == "Running";
                json!({"name": name, "image": container["image"], "ready": runs, "started": runs, "restartCount": 0, "state": state(name)})
            })
            .collect();
        self.store
            .change(kinds::of("pods"), namespace, name, |pod| {
                pod["status"]["phase"] = json!(phase);
                pod["status"]["containerStatuses"] = json!(statuses);
            });
    }

    /// Runs one container; its exit code.
    async fn container(&self, pod: &Value, container: &Value) -> (String, i32) {
        let name = text(container, "/name").to_owned();
        let sender = watch::Sender::new(Log::default());
        let place = (
            text(pod, "/metadata/namespace").to_owned(),
            text(pod, "/metadata/name").to_owned(),
            name.clone(),
        );
        self.logs
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(place, sender.subscribe());
        let code = match self.spawn(pod, container) {
            Ok(child) => follow(child, &sender).await,
            Err(error) => {
                let text = format!("{}: {error}\n", self.program.path.display());
                sender.send_modify(|log| log.bytes.extend(text.as_bytes()));
                128
            }
        };
        sender.send_modify(|log| log.ended = true);
        (name, code)
    }

    fn spawn(&self, pod: &Value, container: &Value) -> std::io::Result<Child> {
        let arguments = list(container, "/args").iter().filter_map(Value::as_str);
        Command::new(&self.program.path)
            .args(&self.program.arguments)
            .args(arguments)
            .env_clear()
            .envs(self.environment(pod, container))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
    }

    /// The container's variables as the kubelet makes them: whole objects first, then one by one, `$(NAME)` expanded.
    fn environment(&self, pod: &Value, container: &Value) -> BTreeMap<String, String> {
        let namespace = text(pod, "/metadata/namespace");
        let mut variables = BTreeMap::new();
        for source in list(container, "/envFrom") {
            let prefix = text(source, "/prefix");
            let secret = self.file.secrets.get(text(source, "/secretRef/name"));
            let map = self.config_map(namespace, text(source, "/configMapRef/name"));
            for (key, value) in secret.into_iter().flatten().chain(&map) {
                variables.insert(format!("{prefix}{key}"), value.clone());
            }
        }
        for variable in list(container, "/env") {
            let value = match variable.get("value").and_then(Value::as_str) {
                Some(value) => Some(expand(value, &variables)),
                None => self.referenced(namespace, &variable["valueFrom"]),
            };
            if let Some(value) = value {
                variables.insert(text(variable, "/name").to_owned(), value);
            }
        }
        for (name, text) in self.mounted(pod, container) {
            variables.insert(name, text);
        }
        // What stands between a Pod and its network is the node's, not the Pod's.
        network::fill(&mut variables, &self.network, pod);
        variables
    }

    /// Files of Secrets, as the variables that the agent makes of them: it runs without a file system of its own.
    fn mounted<'a>(
        &'a self,
        pod: &'a Value,
        container: &'a Value,
    ) -> impl Iterator<Item = (String, String)> + 'a {
        list(container, "/volumeMounts").iter().filter_map(|mount| {
            let name = text(mount, "/mountPath").rsplit('/').next()?;
            let volume = list(pod, "/spec/volumes")
                .iter()
                .find(|volume| volume["name"] == mount["name"])?;
            let secret = self.file.secrets.get(text(volume, "/secret/secretName"))?;
            let value = secret.get(text(volume, "/secret/items/0/key"))?;
            Some((format!("{TIER_PREFIX}{name}"), network::secret(value)))
        })
    }

    fn referenced(&self, namespace: &str, source: &Value) -> Option<String> {
        let of = |kind: &str, what: &str| text(source, &format!("/{kind}/{what}")).to_owned();
        let secret = self.file.secrets.get(&of("secretKeyRef", "name"));
        if let Some(value) = secret.and_then(|secret| secret.get(&of("secretKeyRef", "key"))) {
            return Some(value.clone());
        }
        self.config_map(namespace, &of("configMapKeyRef", "name"))
            .remove(&of("configMapKeyRef", "key"))
    }

    fn config_map(&self, namespace: &str, name: &str) -> BTreeMap<String, String> {
        let map = self.store.get(kinds::of("configmaps"), namespace, name);
        let data = map.as_ref().and_then(|map| map["data"].as_object());
        data.into_iter()
            .flatten()
            .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
            .collect()
    }
}

/// A name below `.invalid` never resolves, so no image comes from there.
fn unreachable_image(image: &str) -> bool {
    image.split('/').next().is_some_and(|host| {
        host.split(':')
            .next()
            .is_some_and(|host| host.ends_with(".invalid"))
    })
}

/// Copies the output to its end; the exit code, 137 where a signal ended it.
async fn follow(mut child: Child, log: &watch::Sender<Log>) -> i32 {
    if let Some(mut output) = child.stdout.take() {
        let mut buffer = vec![0; 16 * 1024];
        while let Ok(length @ 1..) = output.read(&mut buffer).await {
            log.send_modify(|log| log.bytes.extend(&buffer[..length]));
        }
    }
    match child.wait().await {
        Ok(status) => status.code().unwrap_or(137),
        Err(_) => 128,
    }
}

/// `$(NAME)` of variables that came before; `$$` is one `$`; what is not known stays.
fn expand(text: &str, variables: &BTreeMap<String, String>) -> String {
    let mut expanded = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        expanded.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(after) = rest.strip_prefix("$$") {
            expanded.push('$');
            rest = after;
        } else if let Some((name, after)) = rest
            .strip_prefix("$(")
            .and_then(|inner| inner.split_once(')'))
        {
            match variables.get(name) {
                Some(value) => expanded.push_str(value),
                None => {
                    expanded.push_str(&rest[..rest.len() - after.len()]);
                }
            }
            rest = after;
        } else {
            expanded.push('$');
            rest = &rest[1..];
        }
    }
    expanded.push_str(rest);
    expanded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_expanded_as_the_kubelet_does() {
        let known = BTreeMap::from([("A".to_owned(), "x".to_owned())]);
        for (text, wanted) in [
            ("$(A)-$$(A)-$(B)", "x-$(A)-$(B)"),
            ("100$ $A $(A", "100$ $A $(A"),
            ("$$$$", "$$"),
        ] {
            assert_eq!(expand(text, &known), wanted);
        }
    }

    #[test]
    fn only_images_of_hosts_that_cannot_exist_are_unreachable() {
        assert!(unreachable_image("registry.invalid/k8sverify:0"));
        assert!(!unreachable_image("ghcr.io/k8sverify/k8sverify:0"));
        assert!(!unreachable_image("busybox"));
    }
}
