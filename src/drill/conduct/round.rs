//! One round: baseline, fault, recovery, settling, audit. IO.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::books::RunRecords;
use super::stage::{SeenPod, Stage, TICK};
use super::{ConductError, Conductor, faults};
use crate::drill::model::{
    Audit, Candidate, EventKind, Expectation, Fault, MemberRole, NotBegun, PodIdentity,
    Round as Recorded, RoundEnd, Spoilt, Victim,
};
use crate::drill::orders::Act;
use crate::drill::plan::{Scale, Subject, VictimRule, scale, takes_pods};
use crate::observe::Snapshot;

/// So long everything must run without a failure before the fault.
const BASELINE: Duration = Duration::from_secs(10);
/// How long a clean baseline is waited for.
const BASELINE_PATIENCE: Duration = Duration::from_mins(2);
/// So long everything must run without a failure after it.
const SETTLE: Duration = Duration::from_secs(15);
/// How long the reading of all rows may take.
const AUDIT: Duration = Duration::from_mins(1);
/// The pause after a round.
const PAUSE: Duration = Duration::from_secs(2);
/// How long a hook's end may take.
const HOOK_END: Duration = Duration::from_mins(2);

/// What a round is made of.
pub(super) struct Round<'a> {
    pub(super) conductor: &'a Conductor<'a>,
    pub(super) books: &'a RunRecords<'a>,
    pub(super) stage: &'a Stage<'a>,
    pub(super) subject: &'a Subject,
    /// The plan as it is now: consent and state are looked at again before each fault.
    pub(super) now: &'a Candidate,
    pub(super) snapshot: &'a Snapshot,
    pub(super) fault: Fault,
    pub(super) number: u32,
}

/// Whether no round can follow this one.
pub(super) fn ends_all(round: &Recorded) -> bool {
    match &round.ended {
        RoundEnd::Whole => false,
        RoundEnd::PatienceOver(_) | RoundEnd::NotBegun(_) => true,
        RoundEnd::Spoilt(why) => !matches!(why, Spoilt::NoEffect(_)),
    }
}

/// A round on its way.
struct RoundProgress {
    from: i64,
    baseline: Option<i64>,
    fault: Option<i64>,
    victims: Vec<Victim>,
    roles: BTreeMap<String, Option<MemberRole>>,
    before: Vec<Expectation>,
    /// When the fault's own acts were done; [`NOT_MADE`] before.
    made: AtomicI64,
}

/// The fault is still being made.
const NOT_MADE: i64 = i64::MAX;

impl Round<'_> {
    pub(super) async fn run(&self) -> Result<Recorded, ConductError> {
        let mut way = RoundProgress {
            from: self.stage.begin(),
            baseline: None,
            fault: None,
            victims: Vec::new(),
            roles: BTreeMap::new(),
            before: Vec::new(),
            made: AtomicI64::new(NOT_MADE),
        };
        self.stage.change(super::live::Live::before_fault);
        self.stage.order(Act::Run);
        let ended = self.act(&mut way).await?;
        let end_ms = self.stage.now();
        let audit = match &ended {
            RoundEnd::Whole | RoundEnd::PatienceOver(_) => {
                self.progress("reading every row on every member");
                self.stage.audit(AUDIT, &self.conductor.cancel).await
            }
            RoundEnd::NotBegun(_) | RoundEnd::Spoilt(_) => None,
        };
        self.stage.order(Act::Run);
        let ended = match (ended, self.stage.any_lost()) {
            (RoundEnd::Whole | RoundEnd::PatienceOver(_), Some(why)) => {
                RoundEnd::Spoilt(Spoilt::RunnerLost(why))
            }
            (ended, _) => ended,
        };
        // Batches of the last second are on their way.
        self.stage.wait(PAUSE, &self.conductor.cancel).await;
        let (events, runners) = self.stage.since(way.from);
        let since = |at: i64| at - way.from;
        Ok(Recorded {
            candidate: self.now.name.clone(),
            fault: self.fault,
            number: self.number,
            victims: way.victims,
            members: way.roles,
            size: self.now.size,
            patience_ms: u64::try_from(self.conductor.wish.patience.as_millis())
                .unwrap_or(u64::MAX),
            baseline_ms: way.baseline.map(since),
            fault_ms: way.fault.map(since),
            end_ms: since(end_ms),
            ended,
            runners,
            events,
            audit: audit.map(|(at, answers)| Audit {
                at_ms: since(at),
                answers,
            }),
            write_service: self.now.write_service.clone(),
            expected_before: way.before,
            expected_after: self.stage.live(|live| live.expectations(&self.now.expect)),
        })
    }

    fn progress(&self, what: &str) {
        (self.conductor.on_progress)(&format!(
            "{} {} {}/{}: {what}",
            self.now.name, self.fault, self.number, self.conductor.wish.rounds
        ));
    }

    async fn act(&self, way: &mut RoundProgress) -> Result<RoundEnd, ConductError> {
        // Consent may have been taken back, and something may have gone since the plan was printed.
        if let Some(refusal) = self.now.refusals.first() {
            let why = refusal.message.clone();
            return Ok(RoundEnd::NotBegun(NotBegun::NotHealthy(why)));
        }
        self.progress("waiting for 10 s without a failure");
        if let Some(ended) = self.baseline(way).await {
            return Ok(ended);
        }
        if let Some(why) = self.stage.live(super::live::Live::unreadable_table) {
            return Ok(RoundEnd::NotBegun(NotBegun::NotHealthy(why)));
        }
        way.before = self.stage.live(|live| live.expectations(&self.now.expect));
        way.roles = self.stage.live(super::live::Live::roles);
        let begun = self.stage.now();
        let victims = match self.victims() {
            Ok(victims) => victims,
            Err(why) => return Ok(RoundEnd::NotBegun(NotBegun::NotHealthy(why))),
        };
        way.victims = victims
            .iter()
            .map(|pod| Victim {
                member: pod.member.clone(),
                role: way.roles.get(&pod.member).copied().flatten(),
                uid: Some(pod.identity.uid.clone()),
            })
            .collect();
        if let Some(ended) = self.interrupted() {
            return Ok(ended);
        }
        let look = || faults::generations(self.conductor.api, self.fault, &self.subject.workloads);
        let before = look().await;
        way.fault = Some(self.stage.now().max(begun));
        self.stage.change(super::live::Live::at_fault);
        self.stage.event(EventKind::FaultStarted);
        self.progress("the fault");
        let watch = self.recovery(way);
        let made = self.make(&victims);
        let (mut watch, mut made) = (std::pin::pin!(watch), std::pin::pin!(made));
        let mut under_way = true;
        let ended = loop {
            tokio::select! {
                result = &mut made, if under_way => {
                    under_way = false;
                    if let Some(ended) = result? {
                        break ended;
                    }
                    self.stage.event(EventKind::FaultEnded);
                    way.made.store(self.stage.now(), Ordering::Relaxed);
                }
                ended = &mut watch => break ended,
            }
        };
        let changed = faults::changed(&before, &look().await);
        self.take_back().await?;
        Ok(match (ended, changed) {
            (RoundEnd::Whole | RoundEnd::PatienceOver(_), Some(seen)) => {
                RoundEnd::Spoilt(Spoilt::ChangedByOthers(seen))
            }
            (ended, _) => ended,
        })
    }

    /// Ten seconds without a failure, all members there.
    async fn baseline(&self, way: &mut RoundProgress) -> Option<RoundEnd> {
        let length = i64::try_from(BASELINE.as_millis()).unwrap_or(i64::MAX);
        let end = Instant::now() + BASELINE_PATIENCE;
        loop {
            if let Some(ended) = self.interrupted() {
                return Some(ended);
            }
            let now = self.stage.now();
            let since = self.stage.live(|live| live.whole_since(now));
            if let (Some(since), None) = (since, self.pods_missing(&[]))
                && now - since.max(way.from) >= length
            {
                way.baseline = Some(since.max(way.from));
                return None;
            }
            if Instant::now() >= end {
                return Some(RoundEnd::NotBegun(self.not_begun(now)));
            }
            self.stage.wait(TICK, &self.conductor.cancel).await;
        }
    }

    /// Why no baseline came: a member that is not whole, else its clients, which failed all the same.
    fn not_begun(&self, now: i64) -> NotBegun {
        let members = || self.stage.live(|live| live.members_missing(now));
        if let Some(why) = self.pods_missing(&[]).or_else(members) {
            return NotBegun::NotHealthy(why);
        }
        let lanes = self.stage.live(|live| live.missing(now));
        NotBegun::BaselineUnclean(lanes.unwrap_or_else(|| {
            let last = self.stage.live(|live| live.last_failure(now));
            let last = last.map(|last| format!(": {last}")).unwrap_or_default();
            format!("no ten seconds passed without a failure{last}")
        }))
    }

    fn interrupted(&self) -> Option<RoundEnd> {
        if *self.conductor.cancel.borrow() {
            let why = "the run was asked to end".to_owned();
            return Some(RoundEnd::Spoilt(Spoilt::Interrupted(why)));
        }
        self.stage
            .any_lost()
            .map(|why| RoundEnd::Spoilt(Spoilt::RunnerLost(why)))
    }

    /// What is missing of the members' Pods: each ready, as many as there are to be, and none of those that were taken.
    fn pods_missing(&self, taken: &[Victim]) -> Option<String> {
        let pods = self.stage.member_pods();
        let is_taken = |pod: &SeenPod| {
            taken
                .iter()
                .any(|victim| victim.uid.as_ref() == Some(&pod.identity.uid))
        };
        if let Some(pod) = pods.iter().find(|pod| is_taken(pod)) {
            return Some(format!("pod/{} is still there", pod.identity.name));
        }
        if let Some(pod) = pods.iter().find(|pod| pod.leaving || !pod.ready) {
            return Some(format!("pod/{} is not ready", pod.identity.name));
        }
        let inside = self
            .stage
            .size()
            .saturating_sub(self.subject.external.len());
        (pods.len() < inside).then(|| format!("{} of {inside} members are there", pods.len()))
    }

    /// The Pods that this round takes; only those that the plan names, by their unique ids.
    fn victims(&self) -> Result<Vec<SeenPod>, String> {
        if !takes_pods(self.fault) {
            return Ok(Vec::new());
        }
        let planned: Vec<&PodIdentity> = self
            .now
            .members
            .iter()
            .filter_map(|member| member.pod.as_ref())
            .collect();
        let pods: Vec<SeenPod> = self
            .stage
            .member_pods()
            .into_iter()
            .filter(|pod| {
                planned
                    .iter()
                    .any(|planned| planned.uid == pod.identity.uid)
            })
            .collect();
        if pods.len() != planned.len() {
            return Err("the members' Pods have changed since the plan".to_owned());
        }
        if crate::drill::plan::takes_all(self.fault) {
            return Ok(pods);
        }
        let roles = self.stage.live(super::live::Live::roles);
        let role = |pod: &SeenPod| roles.get(&pod.member).copied().flatten();
        let of = |wanted: &[MemberRole]| -> Vec<&SeenPod> {
            pods.iter()
                .filter(|pod| role(pod).is_some_and(|role| wanted.contains(&role)))
                .collect()
        };
        let all: Vec<&SeenPod> = pods.iter().collect();
        let (primaries, replicas) = (of(&[MemberRole::Primary]), of(&[MemberRole::Replica]));
        let among = match &self.conductor.wish.victim {
            VictimRule::Pod(name) => all
                .iter()
                .copied()
                .filter(|pod| pod.identity.name == *name)
                .collect(),
            VictimRule::Primary => primaries,
            VictimRule::Replica => replicas,
            VictimRule::Random => all,
            VictimRule::Roles => match self.number {
                1 if !primaries.is_empty() => primaries,
                2 if !replicas.is_empty() => replicas,
                _ => all,
            },
        };
        let seed = self.conductor.wish.seed;
        faults::pick(&among, seed, self.number)
            .map(|pod| vec![(*pod).clone()])
            .ok_or_else(|| {
                let roles: Vec<String> = pods
                    .iter()
                    .map(|pod| format!("{} is {:?}", pod.member, role(pod)))
                    .collect();
                format!(
                    "no one is the victim that was asked for: {}",
                    roles.join(", ")
                )
            })
    }

    /// Makes the fault. What comes back ends the round: it had no effect.
    async fn make(&self, victims: &[SeenPod]) -> Result<Option<RoundEnd>, ConductError> {
        let Conductor { api, wish, .. } = self.conductor;
        let no_effect = |why: String| Ok(Some(RoundEnd::Spoilt(Spoilt::NoEffect(why))));
        match self.fault {
            Fault::None | Fault::Watch => Ok(None),
            Fault::Hook => {
                let command = wish.hook_of(self.subject).unwrap_or_default().to_owned();
                self.books
                    .note(|journal| journal.hook = Some(command.clone()))
                    .await?;
                let folder = &self.conductor.folder;
                let name = &self.now.name;
                match faults::hook(&command, "begin", name, folder, wish.patience).await {
                    Ok(()) => Ok(None),
                    Err(why) => no_effect(why),
                }
            }
            Fault::ScaleZero => self.scale_zero(victims).await,
            Fault::Delete | Fault::DeleteHard | Fault::Evict | Fault::RestartAll => {
                let namespace = &self.now.namespace;
                let taken = futures::future::join_all(
                    victims
                        .iter()
                        .map(|pod| faults::take(api, namespace, &pod.identity, self.fault)),
                )
                .await;
                for (pod, taken) in victims.iter().zip(taken) {
                    if let Err(error) = taken {
                        let name = &pod.identity.name;
                        return no_effect(format!("{} of pod/{name}: {error}", self.fault));
                    }
                }
                Ok(None)
            }
        }
    }

    /// To zero, until all Pods are gone, and back; the journal knows the scale before.
    async fn scale_zero(&self, victims: &[SeenPod]) -> Result<Option<RoundEnd>, ConductError> {
        let Conductor { api, wish, .. } = self.conductor;
        let entries: Vec<Scale> = self
            .subject
            .workloads
            .iter()
            .filter_map(|key| scale(key, self.snapshot))
            .collect();
        self.books
            .note(|journal| journal.scales.clone_from(&entries))
            .await?;
        for entry in &entries {
            if let Err(error) = faults::scale(api, &self.now.namespace, entry, 0).await {
                let why = format!("{entry} to 0: {error}");
                return Ok(Some(RoundEnd::Spoilt(Spoilt::NoEffect(why))));
            }
        }
        let end = Instant::now() + wish.patience;
        let is_there = || {
            let pods = self.stage.member_pods();
            victims.iter().any(|victim| {
                pods.iter()
                    .any(|pod| pod.identity.uid == victim.identity.uid)
            })
        };
        while is_there() && Instant::now() < end && !*self.conductor.cancel.borrow() {
            self.stage.wait(TICK, &self.conductor.cancel).await;
        }
        self.take_back().await?;
        Ok(None)
    }

    /// Puts scales back and ends the hook; what the journal does not name is as it was.
    async fn take_back(&self) -> Result<(), ConductError> {
        let journal = self.books.read();
        let namespace = &self.now.namespace;
        for entry in &journal.scales {
            let what = format!("scale {entry} back to {}", entry.replicas);
            faults::scale(self.conductor.api, namespace, entry, entry.replicas)
                .await
                .map_err(ConductError::call(what))?;
        }
        if let Some(command) = &journal.hook {
            let folder = &self.conductor.folder;
            let ended = faults::hook(command, "end", &self.now.name, folder, HOOK_END).await;
            if let Err(why) = ended {
                self.stage.event(EventKind::Note(why));
            }
        }
        if !journal.scales.is_empty() || journal.hook.is_some() {
            self.books
                .note(|journal| {
                    journal.scales.clear();
                    journal.hook = None;
                })
                .await?;
        }
        Ok(())
    }

    /// Until everything is whole and stays so, or patience is over.
    async fn recovery(&self, way: &RoundProgress) -> RoundEnd {
        let begun = Instant::now();
        let watched = self.conductor.watch;
        let patience = watched.unwrap_or(self.conductor.wish.patience);
        let settle = i64::try_from(SETTLE.as_millis()).unwrap_or(i64::MAX);
        let mut pods_since: Option<i64> = None;
        let mut are_back = false;
        loop {
            if let Some(ended) = self.interrupted() {
                return ended;
            }
            let now = self.stage.now();
            let pods = self.pods_missing(&way.victims);
            pods_since = match pods {
                Some(_) => None,
                None => Some(pods_since.unwrap_or(now)),
            };
            let missing = pods.or_else(|| self.stage.live(|live| live.missing(now)));
            // Before the fault is made, nothing is back.
            let is_made = way.made.load(Ordering::Relaxed) <= now;
            match &missing {
                None if is_made && !are_back => {
                    are_back = true;
                    self.stage.event(EventKind::Phase("whole again".to_owned()));
                    self.progress("whole again; 15 s of quiet");
                }
                Some(why) if are_back => {
                    are_back = false;
                    self.progress(&format!("not whole any more: {why}"));
                }
                _ => {}
            }
            let since = self.stage.live(|live| live.whole_since(now));
            if let (Some(since), Some(pods)) = (since, pods_since)
                // Nothing is whole as long as the fault is still being made.
                && now.saturating_sub(since.max(pods).max(way.made.load(Ordering::Relaxed))) >= settle
                && watched.is_none_or(|watch| begun.elapsed() >= watch)
            {
                self.stage.event(EventKind::Phase("settled".to_owned()));
                return RoundEnd::Whole;
            }
            if begun.elapsed()
                >= patience
                    + if watched.is_some() {
                        SETTLE
                    } else {
                        Duration::ZERO
                    }
            {
                let why = missing
                    .unwrap_or_else(|| "it was whole, and did not stay so for 15 s".to_owned());
                return RoundEnd::PatienceOver(why);
            }
            self.stage.wait(TICK, &self.conductor.cancel).await;
        }
    }
}
