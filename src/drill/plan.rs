//! Candidate + graph + snapshot → what a drill would do, to whom, which keys fit and what is refused. The same data is printed by `--plan` and
//! obeyed by the run. Pure.

mod persistence;
mod refuse;
pub mod runners;
mod subject;
#[cfg(test)]
mod tests;
mod text;

use std::num::NonZeroU16;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::consent::NamespaceKey;
use super::model::{
    Address, Candidate, CandidateLogin, ExpectedTable, Fault, Fresh, Keys, Member, PlannedFault,
    PodIdentity, Refusal, ValueReference,
};
use crate::config::{On, Word};
use crate::observe::kinds::Pod;
use crate::observe::{self, HostMeaning, ServiceKey, Snapshot, WorkloadKey};
use crate::sql::show;
pub use persistence::Persistence;
pub use subject::{Subject, protocol, subject};
pub use text::text;

/// The ConfigMap that a drill keeps while anything is to be taken back.
pub const JOURNAL: &str = "k8sverify-drill-journal";

/// Which member is taken.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum VictimRule {
    /// The primary, then a replica, then at random.
    #[default]
    Roles,
    /// At random, by the seed.
    Random,
    /// The primary, by its own report.
    Primary,
    /// A replica, by its own report.
    Replica,
    /// That Pod.
    Pod(String),
}

impl VictimRule {
    /// The rule of that word; any other word is a Pod's name.
    pub fn from_word(word: &str) -> Self {
        match word {
            "roles" => Self::Roles,
            "random" => Self::Random,
            "primary" => Self::Primary,
            "replica" => Self::Replica,
            pod => Self::Pod(pod.trim_start_matches("pod/").to_owned()),
        }
    }
}

/// What the person asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DrillRequest {
    /// The faults, in this order.
    pub faults: Vec<Fault>,
    /// Which member.
    pub victim: VictimRule,
    /// Rounds of each fault.
    pub rounds: u32,
    /// What is chosen at random is chosen by it.
    pub seed: u64,
    /// How long a round waits for recovery.
    pub patience: Duration,
    /// Whether the only copy of data may be destroyed.
    pub accept_data_loss: bool,
    /// Namespaces that were spelt out.
    pub spelt_out: Vec<String>,
    /// The person's key: what was said.
    pub person: Option<String>,
    /// The user's command for `hook`.
    pub hook: Option<String>,
}

impl DrillRequest {
    /// The command that makes the fault `hook` on a candidate.
    pub fn hook_of<'a>(&'a self, subject: &'a Subject) -> Option<&'a str> {
        self.hook.as_deref().or(subject.hook.as_deref())
    }
}

/// Whether a fault takes every member at once.
pub const fn takes_all(fault: Fault) -> bool {
    matches!(fault, Fault::RestartAll | Fault::ScaleZero)
}

/// Whether the tool itself takes Pods away.
pub const fn takes_pods(fault: Fault) -> bool {
    !(fault.is_quiet() || matches!(fault, Fault::Hook))
}

/// The Service whose endpoints take the writes: the one that the address names, or to which its alias leads. An alias of a name
/// outside has no endpoints to watch.
fn write_service(subject: &Subject, snapshot: &Snapshot) -> Option<String> {
    let key = subject.service.as_ref()?;
    let end = if snapshot.service(key).is_some() {
        let way = snapshot.way_of(HostMeaning::Service(key.clone()));
        way.last()?.0.clone()
    } else {
        key.clone()
    };
    (end.namespace == snapshot.namespace).then_some(end.name)
}

/// What would be done to a candidate as it is now.
pub fn candidate(subject: &Subject, wish: &DrillRequest, snapshot: &Snapshot) -> Candidate {
    let pods = pods(subject, snapshot);
    let members = members(subject, &pods);
    let size = subject
        .size
        .map_or_else(|| wanted(subject, snapshot), std::num::NonZeroU32::get)
        .max(u32::try_from(subject.external.len()).unwrap_or(u32::MAX));
    let key = NamespaceKey::of(snapshot, &wish.spelt_out);
    let mut volumes: Vec<String> = pods
        .iter()
        .map(|(_, pod)| persistence::of(subject.engine, pod).describe())
        .collect();
    volumes.dedup();
    let mut candidate = Candidate {
        name: subject.name.clone(),
        namespace: snapshot.namespace.clone(),
        engine: subject.engine,
        write: subject.write.clone(),
        write_service: write_service(subject, snapshot),
        read: subject.read.clone(),
        members,
        workloads: subject.workloads.iter().map(ToString::to_string).collect(),
        size,
        login: login(subject),
        fresh: subject.fresh,
        volumes,
        expect: expectations(&subject.expect),
        faults: wish
            .faults
            .iter()
            .map(|fault| PlannedFault {
                fault: *fault,
                victims: victims(*fault, subject, wish, &pods, snapshot),
            })
            .collect(),
        keys: Keys {
            namespace: key.key(&snapshot.namespace),
            person: wish.person.clone(),
        },
        refusals: Vec::new(),
    };
    candidate.refusals = refuse::all(&candidate, subject, wish, &key, snapshot);
    candidate
}

/// The journal of a drill that has not taken everything back: what is missing may be its doing.
pub fn left_before(snapshot: &Snapshot) -> Option<Refusal> {
    let namespace = &snapshot.namespace;
    snapshot.own()?.config_map(JOURNAL).map(|_| Refusal {
        message: format!(
            "a drill is under way in namespace {namespace}, or one that was interrupted has left its journal configmap/{JOURNAL}; take that back first: k8sverify drill -n {namespace} --undo"
        ),
        exit_code: 2,
    })
}

/// The exit code of a run that is not begun: usage and consent come before what is not whole.
pub fn exit_code(candidates: &[Candidate]) -> u8 {
    candidates
        .iter()
        .flat_map(|candidate| &candidate.refusals)
        .map(|refusal| refusal.exit_code)
        .min()
        .unwrap_or(0)
}

/// What stays in the cluster when the candidate is removed.
pub fn left_behind(subject: &Subject, snapshot: &Snapshot) -> Vec<String> {
    let pods: Vec<&Pod> = pods(subject, snapshot)
        .into_iter()
        .map(|(_, pod)| pod)
        .collect();
    let claims = snapshot.own().map(|own| own.volume_claims.as_slice());
    persistence::left_behind(&pods, claims.unwrap_or_default())
}

/// The Pods of the candidate's workloads that have not ended, each with its workload.
fn pods<'s>(subject: &'s Subject, snapshot: &'s Snapshot) -> Vec<(&'s WorkloadKey, &'s Pod)> {
    let mut pods: Vec<(&WorkloadKey, &Pod)> = subject
        .workloads
        .iter()
        .flat_map(|workload| {
            snapshot
                .all_pods_of(workload)
                .into_iter()
                .map(move |pod| (workload, pod))
        })
        .filter(|(_, pod)| !matches!(pod.status.phase.as_str(), "Succeeded" | "Failed"))
        .collect();
    pods.sort_by(|left, right| left.1.metadata.name.cmp(&right.1.metadata.name));
    pods
}

fn members(subject: &Subject, pods: &[(&WorkloadKey, &Pod)]) -> Vec<Member> {
    let mut members: Vec<Member> = Vec::new();
    for (workload, pod) in pods {
        let name = member_name(workload, pod, &|name| {
            members.iter().any(|member| member.name == name)
        });
        members.push(Member {
            name,
            address: Address {
                host: pod.status.pod_ip.clone(),
                port: subject.member_port.get(),
            },
            pod: Some(PodIdentity {
                name: pod.metadata.name.clone(),
                uid: pod.metadata.uid.clone(),
                node: pod.spec.node_name.clone(),
            }),
        });
    }
    members.extend(subject.external.iter().map(|address| Member {
        name: address.to_string(),
        address: address.clone(),
        pod: None,
    }));
    members
}

/// A member is called like its Pod where that keeps its name, else like its workload, with a number from the second one on.
pub fn member_name(workload: &WorkloadKey, pod: &Pod, is_taken: &dyn Fn(&str) -> bool) -> String {
    if matches!(workload.kind.as_str(), "statefulset" | "pod") || keeps_its_name(pod) {
        return pod.metadata.name.clone();
    }
    let mut name = workload.name.clone();
    let mut number = 1;
    while is_taken(&name) {
        number += 1;
        name = format!("{}#{number}", workload.name);
    }
    name
}

/// Pods that an operator makes itself have names of its choice, which it uses again.
fn keeps_its_name(pod: &Pod) -> bool {
    pod.metadata.controller().is_some_and(|owner| {
        !matches!(
            owner.kind.as_str(),
            "ReplicaSet" | "DaemonSet" | "Job" | "ReplicationController"
        )
    })
}

/// How many Pods the candidate's workloads are to have.
fn wanted(subject: &Subject, snapshot: &Snapshot) -> u32 {
    let wanted = |key: &WorkloadKey| match snapshot.workload(key) {
        Some(workload) => {
            let number = observe::wanted(key, Some(workload)).unwrap_or(1);
            u32::try_from(number).unwrap_or(0)
        }
        None => u32::try_from(snapshot.pods_of(key).len()).unwrap_or(0),
    };
    subject.workloads.iter().map(wanted).sum()
}

/// Whom a fault hits, in words.
fn victims(
    fault: Fault,
    subject: &Subject,
    wish: &DrillRequest,
    pods: &[(&WorkloadKey, &Pod)],
    snapshot: &Snapshot,
) -> Vec<String> {
    match fault {
        Fault::None | Fault::Watch => Vec::new(),
        Fault::Hook => {
            let command = wish.hook_of(subject).unwrap_or("(no command)");
            vec![format!("whom `{command} begin {}` hits", subject.name)]
        }
        Fault::RestartAll => pods
            .iter()
            .map(|(_, pod)| format!("pod/{}", pod.metadata.name))
            .collect(),
        Fault::ScaleZero => subject
            .workloads
            .iter()
            .filter_map(|key| scale(key, snapshot))
            .map(|scale| format!("{scale} (from {} and back)", scale.replicas))
            .collect(),
        Fault::Delete | Fault::DeleteHard | Fault::Evict => match (&wish.victim, pods) {
            (VictimRule::Pod(name), _) => vec![format!("pod/{name}")],
            (_, []) => Vec::new(),
            (_, [(_, pod)]) => vec![format!("pod/{}", pod.metadata.name)],
            (VictimRule::Roles, _) => {
                vec![
                    "primary".to_owned(),
                    "replica".to_owned(),
                    "random".to_owned(),
                ]
            }
            (VictimRule::Random, _) => vec!["random".to_owned()],
            (VictimRule::Primary, _) => vec!["primary".to_owned()],
            (VictimRule::Replica, _) => vec!["replica".to_owned()],
        },
    }
}

/// A workload's scale, as it is put back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scale {
    /// `deployment` or `statefulset`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Its unique id.
    pub uid: String,
    /// Replicas now.
    pub replicas: i32,
}

/// The scale of a workload that has one.
impl std::fmt::Display for Scale {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.kind, self.name)
    }
}

/// The scale of a workload that has one.
pub fn scale(key: &WorkloadKey, snapshot: &Snapshot) -> Option<Scale> {
    if !matches!(key.kind.as_str(), "deployment" | "statefulset") {
        return None;
    }
    let workload = snapshot.workload(key)?;
    Some(Scale {
        kind: key.kind.clone(),
        name: key.name.clone(),
        uid: workload.metadata.uid.clone(),
        replicas: workload.spec.replicas.unwrap_or(1),
    })
}

/// Where the login comes from; that of a tier's client stands in its own container, and no one else needs to know where.
fn login(subject: &Subject) -> CandidateLogin {
    let Some(login) = &subject.login else {
        return CandidateLogin::default();
    };
    let key = |key: &str| ValueReference::Secret {
        name: login.secret.clone(),
        key: key.to_owned(),
    };
    let word = |word: &Word| match word {
        Word::Key(name) => key(name),
        Word::Value(value) => ValueReference::Text(value.clone()),
    };
    CandidateLogin {
        user: Some(word(&login.user)),
        password: Some(key(&login.password)),
        database: login.database.as_ref().map(word),
    }
}

/// Tables, and questions that must bring a row: both are asked on members.
fn expectations(expect: &crate::config::Expectations) -> Vec<ExpectedTable> {
    let queries = expect.queries.iter().map(|query| ExpectedTable {
        name: show::statement(query.as_bytes()),
        every_member: false,
        fresh: None,
        query: Some(query.clone()),
    });
    expect.tables.iter().map(expected).chain(queries).collect()
}

fn expected(table: &crate::config::TableRule) -> ExpectedTable {
    ExpectedTable {
        query: None,
        name: table.name.clone(),
        every_member: table.on == On::EveryMember,
        fresh: table.fresh.as_ref().map(|fresh| Fresh {
            column: fresh.column.clone(),
            within_ms: u64::try_from(fresh.within.as_millis()).unwrap_or(u64::MAX),
        }),
    }
}

/// The Service behind a host, if the host means one, and the Pods behind it with the port that they are dialled on.
fn service_of(
    snapshot: &Snapshot,
    host: &str,
    port: NonZeroU16,
) -> (Option<ServiceKey>, Vec<(String, NonZeroU16)>) {
    let route = crate::policy::route(snapshot, &snapshot.namespace, host, port, "TCP");
    let pods = route
        .endpoints
        .iter()
        .filter_map(|endpoint| Some((endpoint.view.pod.clone()?, endpoint.port)))
        .collect();
    (route.service, pods)
}
