//! The API → [`Snapshot`]: a fixed number of list calls per namespace, whatever its size. IO.
//!
//! What may not be read is recorded as such and never counts as "none"; what the run cannot do without is an error.

mod dns;

use std::collections::{BTreeMap, BTreeSet};

use futures::future::join_all;
use serde::de::DeserializeOwned;

use dns::cluster_dns;

use super::client::Api;
use super::crash_logs::crash_logs;
use super::error::{CallError, Denied, ObserveError};
use super::kinds::{Container, Event, Known, Metadata, Namespace, Node, Pod, Service, Workload};
use super::other_policies::other_policies;
use super::redacted::redact;
use super::references::referenced;
use super::resources::{
    CONFIG_MAPS, DISRUPTION_BUDGETS, ENDPOINT_SLICES, EVENTS, INGRESSES, LIMIT_RANGES, NAMESPACES,
    NETWORK_POLICIES, NODES, PODS, Resource, SECRETS, SERVICES, VOLUME_CLAIMS, WORKLOADS, encode,
};
use super::trim::{Replicas, Trim, is_own, is_own_event};
use crate::spelling;

use super::{NamespaceState, OWN_PREFIX, Observed, Snapshot};

/// How many further namespaces are read in full.
const MAX_NAMESPACES: usize = 8;
/// The namespace of the cluster's own parts.
const SYSTEM: &str = "kube-system";

/// What to observe.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ObserveOptions {
    /// The run's namespace.
    pub namespace: String,
    /// Further namespaces that are known to matter (the user's word).
    pub also: BTreeSet<String>,
    /// Whether nothing that containers printed is kept.
    pub no_logs: bool,
}

/// What became of each resource that was asked for in a namespace.
pub(super) struct Record<'a> {
    api: &'a Api,
    namespace: &'a str,
    /// Whether what the run cannot do without is recorded as an error.
    required: bool,
    observed: BTreeMap<String, Observed>,
    denied: Vec<Denied>,
    failed: Option<ObserveError>,
}

impl<'a> Record<'a> {
    fn new(api: &'a Api, namespace: &'a str, required: bool) -> Self {
        Self {
            api,
            namespace,
            required,
            observed: BTreeMap::new(),
            denied: Vec::new(),
            failed: None,
        }
    }

    /// Takes a list apart: the items, or a note of why there are none.
    fn take<T>(&mut self, resource: &Resource, result: Result<Vec<T>, CallError>) -> Vec<T> {
        self.take_as(resource.plural, resource, result)
    }

    fn take_as<T>(
        &mut self,
        key: &str,
        resource: &Resource,
        result: Result<Vec<T>, CallError>,
    ) -> Vec<T> {
        let required = self.required && resource.required;
        let (items, observed) = match result {
            Ok(items) => (items, Observed::Ok),
            Err(error) if error.is_forbidden() => {
                if required {
                    self.denied.push(Denied {
                        verb: "list".to_owned(),
                        group: resource.group.to_owned(),
                        resource: resource.plural.to_owned(),
                        namespace: self.namespace.to_owned(),
                        message: error.to_string(),
                    });
                }
                (Vec::new(), Observed::Forbidden)
            }
            Err(error) => {
                if required {
                    let (api, namespace) = (self.api, self.namespace);
                    self.failed
                        .get_or_insert_with(|| failure(api, resource, namespace, error));
                } else if !error.is_not_found() {
                    tracing::warn!("failed to list {key}: {error}");
                }
                (Vec::new(), Observed::Absent)
            }
        };
        // Several resources may share a key (`workloads`): the worst counts.
        let entry = self.observed.entry(key.to_owned()).or_insert(observed);
        if observed != Observed::Ok {
            *entry = observed;
        }
        items
    }

    fn finish(self) -> Result<BTreeMap<String, Observed>, ObserveError> {
        if !self.denied.is_empty() {
            return Err(ObserveError::Forbidden(self.denied));
        }
        match self.failed {
            Some(error) => Err(error),
            None => Ok(self.observed),
        }
    }
}

fn failure(api: &Api, resource: &Resource, namespace: &str, error: CallError) -> ObserveError {
    if let CallError::Status {
        status: 401,
        message,
        ..
    } = error
    {
        return ObserveError::Unauthenticated {
            server: api.server().to_owned(),
            cluster: api.cluster().to_owned(),
            message,
        };
    }
    ObserveError::Call {
        verb: "list".to_owned(),
        resource: format!("{} in namespace {namespace}", resource.plural),
        server: api.server().to_owned(),
        source: Box::new(error),
    }
}

/// Reads everything that the stages after this one look at.
///
/// # Errors
/// Where the namespace is not there, or what the run cannot do without cannot be read.
pub async fn observe(api: &Api, options: &ObserveOptions) -> Result<Snapshot, ObserveError> {
    let ObserveOptions {
        namespace,
        also,
        no_logs,
    } = options;
    let object_path = format!("{}/{}", NAMESPACES.path(None), encode(namespace));
    let (own, object, cluster, other_policies) = tokio::join!(
        Box::pin(namespace_state(api, namespace, true)),
        api.get::<Namespace>(&object_path),
        Box::pin(Cluster::read(api)),
        Box::pin(other_policies(api, namespace)),
    );
    let (state, record) = own;
    if object.as_ref().is_err_and(CallError::is_not_found) {
        return Err(namespace_not_found(
            api,
            namespace,
            true,
            &cluster.namespaces,
        ));
    }
    let mut observed = record.finish()?;
    if object.is_err() && is_nothing(&state) {
        return Err(namespace_not_found(
            api,
            namespace,
            false,
            &cluster.namespaces,
        ));
    }
    let mut snapshot = Snapshot {
        cluster: api.cluster().to_owned(),
        namespace: namespace.clone(),
        taken_at: Some(api.now()),
        nodes: cluster.nodes,
        other_policies,
        ..Snapshot::default()
    };
    observed.extend(cluster.observed);
    snapshot.observed = observed;
    snapshot.namespaces.insert(namespace.clone(), state);
    add_services(&mut snapshot, cluster.services);
    for object in cluster.namespaces.into_iter().chain(object.ok()) {
        let name = object.metadata.name.clone();
        snapshot.namespaces.entry(name).or_default().object = Some(object);
    }
    Box::pin(further_namespaces(api, &mut snapshot, also)).await;
    Box::pin(cluster_dns(api, &mut snapshot)).await;
    secret_times(api, &mut snapshot).await;
    if !no_logs {
        for (namespace, lines) in crash_logs(api, &snapshot).await {
            if let Some(state) = snapshot.namespaces.get_mut(&namespace) {
                state.crash_logs.extend(lines);
            }
        }
    }
    redact(&mut snapshot, !no_logs);
    Ok(snapshot)
}

/// What is not of one namespace, as far as it may be read.
struct Cluster {
    nodes: Vec<Node>,
    namespaces: Vec<Namespace>,
    services: Vec<Service>,
    observed: BTreeMap<String, Observed>,
}

impl Cluster {
    async fn read(api: &Api) -> Self {
        let (nodes, namespaces, services) = tokio::join!(
            list::<Node>(api, &NODES, None, ""),
            list::<Namespace>(api, &NAMESPACES, None, ""),
            list::<Service>(api, &SERVICES, None, ""),
        );
        let mut record = Record::new(api, "", false);
        Self {
            nodes: record.take(&NODES, nodes),
            namespaces: record.take(&NAMESPACES, namespaces),
            services: record.take_as("services@*", &SERVICES, services),
            observed: record.observed,
        }
    }
}

/// When the Secrets of the run's namespace were written, where some Pod has variables from one and the metadata may be listed. What they
/// hold is never asked for.
async fn secret_times(api: &Api, snapshot: &mut Snapshot) {
    let uses = |container: &Container| {
        let by_key = container.env.iter().any(|variable| {
            let from = variable.value_from.as_ref();
            from.is_some_and(|from| from.secret_key_ref.is_some())
        });
        by_key
            || container
                .env_from
                .iter()
                .any(|from| from.secret_ref.is_some())
    };
    let Some(state) = snapshot.namespaces.get_mut(&snapshot.namespace) else {
        return;
    };
    let mut containers = state.pods.iter().flat_map(|pod| &pod.spec.containers);
    if containers.any(uses)
        && let Ok(secrets) = list::<Known>(api, &SECRETS, Some(&snapshot.namespace), "").await
    {
        state.secrets = secrets;
    }
}

/// The Services of other namespaces; those of the run's own were read together with its Pods.
fn add_services(snapshot: &mut Snapshot, services: Vec<Service>) {
    for service in services {
        let namespace = service.metadata.namespace.clone();
        if namespace == snapshot.namespace {
            continue;
        }
        snapshot
            .observed
            .insert(format!("services@{namespace}"), Observed::Ok);
        snapshot
            .namespaces
            .entry(namespace)
            .or_default()
            .services
            .push(service);
    }
    snapshot.changed();
}

/// The namespaces that names in this one lead to, and what they lead to in turn, once.
async fn further_namespaces(api: &Api, snapshot: &mut Snapshot, also: &BTreeSet<String>) {
    let mut wanted: BTreeSet<String> = also.clone();
    wanted.extend(referenced(snapshot));
    wanted.remove(&snapshot.namespace);
    // Of the cluster's own parts only DNS matters, which has its own step.
    wanted.remove(SYSTEM);
    let wanted: Vec<String> = wanted.into_iter().take(MAX_NAMESPACES).collect();
    let states = join_all(
        wanted
            .iter()
            .map(|namespace| namespace_state(api, namespace, false)),
    )
    .await;
    for (mut state, record) in states {
        let namespace = record.namespace;
        note(snapshot, record);
        let entry = snapshot.namespaces.entry(namespace.to_owned()).or_default();
        state.object = entry.object.take();
        if state.services.is_empty() {
            state.services = std::mem::take(&mut entry.services);
        }
        *entry = state;
    }
    snapshot.changed();
}

fn note(snapshot: &mut Snapshot, record: Record<'_>) {
    for (resource, observed) in record.observed {
        let key = format!("{resource}@{}", record.namespace);
        snapshot.observed.insert(key, observed);
    }
}

/// Everything of one namespace; `required`: what the run cannot do without is recorded as an error.
async fn namespace_state<'a>(
    api: &'a Api,
    namespace: &'a str,
    required: bool,
) -> (NamespaceState, Record<'a>) {
    let space = Some(namespace);
    let workloads = join_all(
        WORKLOADS
            .iter()
            .map(|resource| list::<Workload>(api, resource, space, "")),
    );
    let (
        (pods, services, slices, workloads),
        (policies, ingresses, events),
        (claims, config_maps, budgets, limit_ranges),
    ) = tokio::join!(
        async {
            tokio::join!(
                list::<Pod>(api, &PODS, space, ""),
                list(api, &SERVICES, space, ""),
                list(api, &ENDPOINT_SLICES, space, ""),
                workloads
            )
        },
        async {
            tokio::join!(
                list(api, &NETWORK_POLICIES, space, ""),
                list(api, &INGRESSES, space, ""),
                list::<Event>(api, &EVENTS, space, "")
            )
        },
        async {
            tokio::join!(
                list(api, &VOLUME_CLAIMS, space, ""),
                list(api, &CONFIG_MAPS, space, ""),
                list(api, &DISRUPTION_BUDGETS, space, ""),
                list(api, &LIMIT_RANGES, space, "")
            )
        },
    );
    let mut record = Record::new(api, namespace, required);
    let mut state = NamespaceState {
        object: None,
        pods: record.take(&PODS, pods),
        workloads: Vec::new(),
        services: record.take(&SERVICES, services),
        endpoint_slices: record.take(&ENDPOINT_SLICES, slices),
        network_policies: record.take(&NETWORK_POLICIES, policies),
        ingresses: record.take(&INGRESSES, ingresses),
        http_routes: Vec::new(),
        events: record.take(&EVENTS, events),
        volume_claims: record.take(&VOLUME_CLAIMS, claims),
        config_maps: record.take(&CONFIG_MAPS, config_maps),
        secrets: Vec::new(),
        disruption_budgets: record.take(&DISRUPTION_BUDGETS, budgets),
        limit_ranges: record.take(&LIMIT_RANGES, limit_ranges),
        crash_logs: BTreeMap::new(),
    };
    for (resource, listed) in WORKLOADS.iter().zip(workloads) {
        let items = record.take(resource, listed);
        state.workloads.extend(items.into_iter().map(|mut item| {
            // Items of a list do not say their kind.
            resource.kind.clone_into(&mut item.kind);
            item
        }));
    }
    drop_own(&mut state);
    (state, record)
}

/// Takes k8sverify's own Jobs, their Pods and events out: it must never see itself.
pub(super) fn drop_own(state: &mut NamespaceState) {
    let own: BTreeSet<String> = state
        .workloads
        .iter()
        .filter(|workload| is_own(&workload.metadata))
        .map(|workload| workload.metadata.name.clone())
        .collect();
    let of_own = |metadata: &Metadata| {
        is_own(metadata)
            || metadata
                .owner_references
                .iter()
                .any(|owner| owner.kind == "Job" && own.contains(&owner.name))
    };
    state
        .workloads
        .retain(|workload| !of_own(&workload.metadata));
    state.pods.retain(|pod| !of_own(&pod.metadata));
    state.events.retain(|event| !is_own_event(event));
    for slice in &mut state.endpoint_slices {
        slice.endpoints.retain(|endpoint| {
            endpoint
                .target_ref
                .as_ref()
                .is_none_or(|target| target.kind != "Pod" || !target.name.starts_with(OWN_PREFIX))
        });
    }
}

async fn list<T: DeserializeOwned + Trim>(
    api: &Api,
    resource: &Resource,
    namespace: Option<&str>,
    query: &str,
) -> Result<Vec<T>, CallError> {
    let path = resource.path(namespace);
    let mut replicas = Replicas::default();
    let tidy = |item: &mut T| item.tidy(&mut replicas);
    Ok(api.list_each(&path, query, tidy).await?.items)
}

fn namespace_not_found(
    api: &Api,
    namespace: &str,
    certain: bool,
    listed: &[Namespace],
) -> ObserveError {
    let names = listed.iter().map(|listed| listed.metadata.name.as_str());
    ObserveError::NamespaceNotFound {
        namespace: namespace.to_owned(),
        cluster: api.cluster().to_owned(),
        certain,
        nearest: spelling::meant(namespace, names).map(str::to_owned),
    }
}

/// Whether nothing at all is there: every namespace that exists has at least the cluster's root certificate.
fn is_nothing(state: &NamespaceState) -> bool {
    state.pods.is_empty()
        && state.workloads.is_empty()
        && state.services.is_empty()
        && state.endpoint_slices.is_empty()
        && state.config_maps.is_empty()
        && state.events.is_empty()
}
