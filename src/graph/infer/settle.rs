//! What every source claims → what counts: the rules of precedence between claims, all of them here. Pure.
//!
//! A claim says where it was written. What was written once and is handed to several tiers (an env file, an anchor, a mounted
//! folder) says what the project has, and not which of them calls it: it is sure for those that wait for the target, or that its key
//! names, and weak for the rest.

mod hints;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use crate::address;
use crate::compose::{MountedFile, Service};
use crate::protocol::Protocol;

use super::super::Confidence;
use super::claim::{Claim, Written};
use super::merge::{Draft, Drafts};
use super::project::{self, Project};
use super::{all, files_of, is_source, own, tiers};

/// How far a claim carries, the weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum ClaimStrength {
    /// It was written for another tier.
    Foreign,
    /// It may be this tier's as well as that of another one.
    Shared,
    /// It is this tier's.
    Own,
}

/// Who is handed what.
pub(super) struct Settle<'a> {
    project: &'a Project<'a>,
    sharers: BTreeMap<Written, BTreeSet<&'a str>>,
    /// For what each tier waits.
    waits: BTreeMap<&'a str, BTreeSet<&'a str>>,
    /// What is known of a place and a key, once for all claims that stand there.
    handed: RefCell<BTreeMap<(Written, String), Rc<Handed<'a>>>>,
}

/// The tiers that are handed what stands at one place under one key.
#[derive(Default)]
struct Handed<'a> {
    /// All of them.
    tiers: BTreeSet<&'a str>,
    /// Those that the key names.
    named: BTreeSet<&'a str>,
    /// Those whose program may read it.
    readers: Vec<&'a Service>,
}

impl<'a> Settle<'a> {
    /// Notes who is handed each value and each file.
    pub(super) fn new(project: &'a Project<'a>) -> Self {
        let mut sharers: BTreeMap<Written, BTreeSet<&str>> = BTreeMap::new();
        let mut chosen: BTreeMap<Written, BTreeSet<&str>> = BTreeMap::new();
        for service in all(project.file) {
            let values = service
                .environment
                .values()
                .filter(|value| value.location.line > 0)
                .map(|value| Written::Value(value.location.clone()));
            let files = files_of(service).map(|file| Written::File(file.source.clone()));
            for written in values.chain(files) {
                sharers.entry(written).or_default().insert(&service.name);
            }
            for file in files_of(service).filter(|file| file.direct) {
                let written = Written::File(file.source.clone());
                chosen.entry(written).or_default().insert(&service.name);
            }
        }
        // A file is handed to those that mount it itself, and not to those that have it somewhere in a folder.
        sharers.extend(chosen);
        sharers.retain(|_, tiers| tiers.len() > 1);
        let waits = all(project.file)
            .map(|service| (service.name.as_str(), awaited(project, service)))
            .collect();
        Self {
            project,
            sharers,
            waits,
            handed: RefCell::default(),
        }
    }

    /// Applies the rules to every claim; gives tier, variable and target of those that are handed to several.
    pub(super) fn apply(&self, drafts: &mut Drafts) -> BTreeSet<(String, String, String)> {
        let mut shared = BTreeSet::new();
        drafts.revise(|draft| self.judged(draft, &mut shared));
        // The address of the web server that hands requests on to a tier is, in a variable of that tier, the one at which it is called.
        let servers = all(self.project.file).filter(|one| self.project.is_plain_web_server(one));
        let known = &*drafts;
        let handed_on = servers.flat_map(|front| known.of(&front.name));
        let fronts: BTreeSet<(String, String)> = handed_on
            .filter(|draft| draft.edge.confidence > Confidence::Weak)
            .map(|draft| (draft.edge.to.clone(), draft.edge.from.clone()))
            .collect();
        drafts.revise(|mut draft| {
            if draft.edge.variable.is_some()
                && fronts.contains(&(draft.edge.from.clone(), draft.edge.to.clone()))
            {
                draft.edge.confidence = Confidence::Weak;
            }
            Some(draft)
        });
        shared
    }

    /// The claim as far as it carries; `None` if it was written for others.
    fn judged(
        &self,
        mut draft: Draft,
        shared: &mut BTreeSet<(String, String, String)>,
    ) -> Option<Draft> {
        let service = self.project.service(&draft.edge.from)?;
        if self.is_for_the_jobs(service, &draft) {
            return None;
        }
        let mut best = ClaimStrength::Foreign;
        draft.claims.retain(|claim| {
            let standing = self.standing(service, &draft.edge.to, claim);
            if standing < ClaimStrength::Own && matches!(claim.written, Written::Value(_)) {
                shared.insert((
                    draft.edge.from.clone(),
                    claim.key.clone(),
                    draft.edge.to.clone(),
                ));
            }
            best = best.max(standing);
            standing > ClaimStrength::Foreign
        });
        if best == ClaimStrength::Foreign {
            return None;
        }
        let handed = |claim: &Claim| self.sharers.contains_key(&claim.written);
        // A port that nothing of the target shows is believed of a client that waits for it and says so itself.
        let deaf = !draft.edge.external
            && self
                .project
                .does_not_listen(&draft.edge.to, draft.edge.port)
            && (draft.claims.iter().all(handed) || !self.waits(service, &draft.edge.to));
        if best == ClaimStrength::Shared || deaf {
            draft.edge.confidence = Confidence::Weak;
        }
        Some(draft)
    }

    /// What starts jobs by the clock needs the queue and its own records, not what the jobs need.
    fn is_for_the_jobs(&self, clock: &Service, draft: &Draft) -> bool {
        let twin = |other: &Service| {
            other.name != clock.name && other.image.is_some() && other.image == clock.image
        };
        !draft.edge.protocol.is_store()
            && own::is_clock(&tiers::words(clock))
            && !clock.depends_on.contains_key(&draft.edge.to)
            && self.project.file.services.values().any(twin)
    }

    /// Who is handed what stands at a claim's place; `None` where it is one tier's only.
    fn handed(&self, claim: &Claim) -> Option<Rc<Handed<'a>>> {
        let tiers = self.sharers.get(&claim.written)?;
        let key = (claim.written.clone(), claim.key.clone());
        let mut known = self.handed.borrow_mut();
        let handed = known.entry(key).or_insert_with(|| {
            let services = tiers.iter().filter_map(|name| self.project.service(name));
            let named = services.clone().filter(|one| is_named(one, &claim.key));
            Rc::new(Handed {
                tiers: tiers.clone(),
                named: named.map(|one| one.name.as_str()).collect(),
                readers: services.filter(|one| self.may_read(one, claim)).collect(),
            })
        });
        Some(Rc::clone(handed))
    }

    /// How far what stands at a claim's place carries for a tier that is handed it.
    fn standing(&self, service: &Service, to: &str, claim: &Claim) -> ClaimStrength {
        if is_for_a_scraper(service, claim) || self.is_another_program(service, claim) {
            return ClaimStrength::Foreign;
        }
        let Some(handed) = self.handed(claim) else {
            return ClaimStrength::Own;
        };
        let own = service.name.as_str();
        // A web server that runs as it is reads its own configuration of what others are handed, whatever it waits for.
        if self.project.is_plain_web_server(service)
            && !self.may_read(service, claim)
            && !handed.named.contains(own)
        {
            return ClaimStrength::Foreign;
        }
        if self.waits(service, to) || handed.named.contains(own) || self.reads(service, claim) {
            return ClaimStrength::Own;
        }
        if handed.named.iter().any(|name| *name != own && *name != to) {
            return ClaimStrength::Foreign;
        }
        let ours = self.project.product(own);
        let alike = |name: &str| ours.is_some() && self.project.product(name) == ours;
        let may_read = handed.readers.iter().any(|reader| reader.name == own);
        let clients = || {
            let others = handed.readers.iter().copied();
            others.filter(|reader| reader.name != own && reader.name != to)
        };
        // Members of a cluster, and copies of one program, share what only they read; what no one else reads is no one else's.
        if clients().all(|other| {
            alike(&other.name) || is_built_in(service, claim) && is_same_program(service, other)
        }) && (may_read || handed.tiers.iter().any(|name| *name != own && alike(name)))
        {
            return ClaimStrength::Own;
        }
        if !may_read {
            return ClaimStrength::Foreign;
        }
        // Who says what it waits for, and does not name the target, may still call it; who says nothing where others do calls none.
        let silent = service.depends_on.is_empty() && service.links.is_empty();
        let taken = || {
            let mut others = handed.tiers.iter();
            others.any(|name| *name != own && *name != to && self.awaits(name, to))
        };
        let fellow = || {
            clients().any(|other| {
                project::same_application(service, other) && self.awaits(&other.name, to)
            })
        };
        // A preparation that carries a copy of its peers' variables needs what it waits for.
        let prepares = || {
            tiers::ends(
                self.project.file,
                service,
                self.project.facts.get(&service.name),
                false,
            )
        };
        if !silent && prepares() || silent && taken() && !fellow() {
            return ClaimStrength::Foreign;
        }
        ClaimStrength::Shared
    }

    /// Whether a file is the program that another tier's command names, where this one's names another of the same folder.
    fn is_another_program(&self, service: &Service, claim: &Claim) -> bool {
        let Written::File(source) = &claim.written else {
            return false;
        };
        let Some(file) = files_of(service).find(|file| file.source == *source) else {
            return false;
        };
        let Some((folder, _)) = file.target.rsplit_once('/') else {
            return false;
        };
        let runs = |service: &Service, target: &str| {
            tiers::words(service)
                .iter()
                .flat_map(|word| word.split_whitespace())
                .any(|word| word == target)
        };
        let beside = files_of(service).filter(|other| {
            let place = other.target.rsplit_once('/').map(|(place, _)| place);
            other.target != file.target && place == Some(folder)
        });
        !runs(service, &file.target)
            && beside.into_iter().any(|other| runs(service, &other.target))
            && self.sharers.get(&claim.written).is_some_and(|tiers| {
                let others = tiers.iter().filter_map(|name| self.project.service(name));
                others.into_iter().any(|other| {
                    files_of(other).any(|one| one.source == *source && runs(other, &one.target))
                })
            })
    }

    /// Whether the program of a tier reads a variable, as its own sources show: those that no other tier is built from.
    fn reads(&self, service: &Service, claim: &Claim) -> bool {
        let part = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let names = |text: &str| text.split(|c| !part(c)).any(|word| word == claim.key);
        let files = service.build.iter().flat_map(|build| &build.files);
        matches!(claim.written, Written::Value(_))
            && files
                .filter(|file| is_source(file) && names(&file.text))
                .any(|file| {
                    !self
                        .sharers
                        .contains_key(&Written::File(file.source.clone()))
                })
    }

    fn waits(&self, service: &Service, to: &str) -> bool {
        self.awaits(&service.name, to)
    }

    fn awaits(&self, name: &str, to: &str) -> bool {
        self.waits.get(name).is_some_and(|names| names.contains(to))
    }

    /// Whether the program of a tier may read what stands there: a ready product reads its own variables and files, and no others.
    fn may_read(&self, service: &Service, claim: &Claim) -> bool {
        // A web server reads its configuration; the pages and programs that it hands out are other tiers'.
        if let Written::File(source) = &claim.written {
            return !self.project.is_plain_web_server(service)
                || files_of(service)
                    .any(|file| file.source == *source && file.target.contains("/etc/"));
        }
        if self.project.is_plain_web_server(service) {
            return false;
        }
        let Some(facts) = self.project.facts.get(&service.name) else {
            return true;
        };
        // What stores data reads what its own peers share, and nothing of an application's; a broker names its coordinator.
        let broker = facts
            .server()
            .is_some_and(|server| matches!(server.protocol, Protocol::Kafka | Protocol::Amqp));
        if facts.is_store() && !broker {
            return false;
        }
        let ready = service.build.is_none() && facts.server().is_some();
        let product = facts.product().filter(|_| ready);
        let Some(product) = product.or_else(|| facts.called_like()) else {
            return !facts.is_store();
        };
        let words = address::words(&claim.key);
        address::words(product)
            .iter()
            .any(|word| words.contains(word))
    }
}

/// For what a tier waits, itself or by what stands for it: a role of its own application, or a preparation whose end it waits for.
fn awaited<'a>(project: &Project<'a>, service: &'a Service) -> BTreeSet<&'a str> {
    let mut found = BTreeSet::new();
    let mut seen = BTreeSet::from([service.name.as_str()]);
    let mut open = vec![service];
    while let Some(one) = open.pop() {
        found.extend(one.depends_on.keys().map(String::as_str));
        found.extend(one.links.iter().map(|link| link.service.as_str()));
        let stands_for = one.depends_on.iter().filter_map(|(name, depends)| {
            let other = project.service(name)?;
            let ended = depends.condition == "service_completed_successfully";
            (ended || project::same_application(one, other)).then_some(other)
        });
        open.extend(stands_for.filter(|other| seen.insert(&other.name)));
    }
    found
}

/// Whether a file lies in the image that a tier's build makes.
fn is_built_in(service: &Service, claim: &Claim) -> bool {
    let files = service.build.iter().flat_map(|build| &build.files);
    matches!(&claim.written, Written::File(source) if files.into_iter().any(|file| file.source == *source))
}

/// Whether two services run one image with one command.
fn is_same_program(one: &Service, other: &Service) -> bool {
    project::same_application(one, other) && tiers::words(one) == tiers::words(other)
}

/// Whether a list of what is to be scraped lies in a folder that a tier sees, where its program does not read it: it is not among what
/// the system configures, and the command does not name it.
fn is_for_a_scraper(service: &Service, claim: &Claim) -> bool {
    let Written::File(source) = &claim.written else {
        return false;
    };
    let read = |file: &MountedFile| {
        let name = file.target.rsplit('/').next().unwrap_or(&file.target);
        file.direct
            || file.target.starts_with("/etc/")
            || tiers::words(service).iter().any(|word| word.contains(name))
    };
    // The folder that an image is built from may hold a copy of what is mounted: one place where it is read is enough.
    claim.key.starts_with("scrape_configs.")
        && !files_of(service).any(|file| file.source == *source && read(file))
}

/// Whether a key names a tier: `querier.frontend_worker.frontend_address` is the querier's; so it is of each of `querier-0` and
/// `querier-1`.
fn is_named(service: &Service, key: &str) -> bool {
    let mut words = address::words(&service.name);
    words.pop_if(|word| word.bytes().all(|byte| byte.is_ascii_digit()));
    let parts: Vec<&str> = key.split('.').collect();
    (0..parts.len()).any(|at| {
        let key = address::words(&parts[at..].join("."));
        !words.is_empty() && key.len() > words.len() && key.starts_with(&words)
    })
}
