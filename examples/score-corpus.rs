//! Measures the tier graph against hand-labelled compose files: precision, recall, and every miss with its reason.
//!
//! `cargo run --example score-corpus [FOLDER]`, by default `../shared/corpus` beside the checkout. `edges.tsv` there holds: id, path of the
//! compose file, `from>to:port/protocol` joined by `;` (a trailing `?`: counts neither way). Ports count, protocols do not.
//!
//! How weak edges (`depends_on` alone) count: the labels do not distinguish them, so both figures are printed. `all` counts every edge
//! between tiers; `firm` leaves the weak ones out, as a verdict that must not rest on them would. Edges to hosts outside and to tiers
//! that a profile switches off are no part of either. `evidence` is the recall where the given files hold what shows the edge: an edge
//! whose target the client's files name nowhere, or only in `depends_on` without anything that shows a port, cannot be derived. Where
//! the folder has an `evident.tsv`, that says which edges these are.
#![expect(
    clippy::print_stdout,
    reason = "it is a program whose result is what it prints"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use k8sverify::catalog::Catalog;
use k8sverify::compose::{self, ComposeFile, DiskFiles, LoadOptions, Service};
use k8sverify::graph::{Confidence, Inferred, Origin, infer};

/// `from>to:port`.
type Connection = (String, String, u16);

/// Why a labelled edge was not found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Reason {
    /// The client's files name the target nowhere: it stands in code, in an image or in a file that is not given.
    NotInTheFiles,
    /// `depends_on` names the target, and nothing shows where it listens.
    NoPort,
    /// The edge is there with another port.
    OtherPort,
    /// The client's files name the target, and it was not read.
    NotRead,
}

/// Counts of edges.
#[derive(Default)]
pub(crate) struct Score {
    /// Found and labelled.
    pub right: usize,
    /// Found and not labelled.
    pub wrong: usize,
    /// Labelled and not found.
    pub missed: usize,
}

impl Score {
    #[expect(clippy::cast_precision_loss, reason = "counts of edges are small")]
    fn share(part: usize, rest: usize) -> f64 {
        if part + rest == 0 {
            1.0
        } else {
            part as f64 / (part + rest) as f64
        }
    }

    /// The share of what was found that is right.
    pub(crate) fn precision(&self) -> f64 {
        Self::share(self.right, self.wrong)
    }

    /// The share of what is labelled that was found.
    pub(crate) fn recall(&self) -> f64 {
        Self::share(self.right, self.missed)
    }

    fn print(&self, name: &str) {
        println!(
            "{name:<9} precision {:.3}  recall {:.3}  ({} right, {} wrong, {} missed)",
            self.precision(),
            self.recall(),
            self.right,
            self.wrong,
            self.missed
        );
    }
}

/// What a folder of labelled files gives.
#[derive(Default)]
pub(crate) struct Measure {
    /// Every edge between tiers.
    pub all: Score,
    /// Without the weak ones.
    pub firm: Score,
    /// Where the given files hold what shows the edge.
    pub evidence: Score,
    /// Every wrong and missed edge, in words.
    pub lines: Vec<String>,
    /// Every edge that is right and weak.
    pub weak: Vec<String>,
    /// Files that cannot be read or parsed.
    pub broken: Vec<String>,
    reasons: BTreeMap<Reason, usize>,
    slowest: (Duration, String),
}

fn main() -> ExitCode {
    let folder = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "../shared/corpus".to_owned());
    let measure = measure(Path::new(&folder));
    for line in measure
        .lines
        .iter()
        .chain(&measure.weak)
        .chain(&measure.broken)
    {
        println!("{line}");
    }
    println!();
    measure.all.print("all");
    measure.firm.print("firm");
    measure.evidence.print("evidence");
    println!("misses: {:?}", measure.reasons);
    println!(
        "slowest: {} ms ({})",
        measure.slowest.0.as_millis(),
        measure.slowest.1
    );
    if measure.broken.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Derives the graph of every labelled file of a folder and compares.
pub(crate) fn measure(folder: &Path) -> Measure {
    let mut out = Measure::default();
    let table = match std::fs::read_to_string(folder.join("edges.tsv")) {
        Ok(table) => table,
        Err(error) => {
            out.broken.push(format!(
                "cannot read {}: {error}",
                folder.join("edges.tsv").display()
            ));
            return out;
        }
    };
    let catalog = Catalog::embedded();
    let evident = evident(folder);
    for row in table.lines().skip(1) {
        let [id, path, labels] = row.split('\t').collect::<Vec<_>>()[..] else {
            continue;
        };
        let start = Instant::now();
        let file = match load(&folder.join(id).join(path)) {
            Ok(file) => file,
            Err(error) => {
                out.broken.push(format!("{id}: {error}"));
                continue;
            }
        };
        let parsed = start.elapsed();
        let inferred = infer(&file, &catalog);
        let time = start.elapsed();
        if time > out.slowest.0 {
            out.slowest = (
                time,
                format!("{id}, {} ms of it parsing", parsed.as_millis()),
            );
        }
        out.compare((id, labels), evident.as_ref(), &file, &inferred);
    }
    (out.evidence.right, out.evidence.wrong) = (out.all.right, out.all.wrong);
    if let Some(evident) = &evident {
        let all: usize = evident.values().map(BTreeSet::len).sum();
        out.evidence.right = all.saturating_sub(out.evidence.missed);
    }
    out
}

/// The edges that the given files show, by the same hand as the labels, where the folder has them: `evident.tsv`.
fn evident(folder: &Path) -> Option<BTreeMap<String, BTreeSet<Connection>>> {
    let table = std::fs::read_to_string(folder.join("evident.tsv")).ok()?;
    let rows = table.lines().skip(1).filter_map(|row| row.split_once('\t'));
    Some(
        rows.map(|(id, labels)| (id.to_owned(), labelled(labels).0))
            .collect(),
    )
}

impl Measure {
    fn compare(
        &mut self,
        (id, labels): (&str, &str),
        evident: Option<&BTreeMap<String, BTreeSet<Connection>>>,
        file: &ComposeFile,
        inferred: &Inferred,
    ) {
        let (wanted, uncertain) = labelled(labels);
        let everything = found(inferred, Confidence::Weak);
        let strong = found(inferred, Confidence::Likely);
        count(&mut self.all, &everything, &wanted, &uncertain);
        count(&mut self.firm, &strong, &wanted, &uncertain);
        for edge in everything
            .difference(&wanted)
            .filter(|edge| !uncertain.contains(*edge))
        {
            self.lines
                .push(format!("wrong   {id}: {}", described(edge, inferred)));
        }
        for edge in wanted
            .intersection(&everything)
            .filter(|edge| !strong.contains(*edge))
        {
            self.weak
                .push(format!("weak    {id}: {}", described(edge, inferred)));
        }
        for edge in wanted.difference(&everything) {
            let reason = reason(edge, file, &everything);
            *self.reasons.entry(reason).or_default() += 1;
            self.lines.push(format!(
                "missed  {id}: {}>{}:{} {reason:?}",
                edge.0, edge.1, edge.2
            ));
            let given = match evident {
                Some(evident) => evident.get(id).is_some_and(|edges| edges.contains(edge)),
                None => matches!(reason, Reason::OtherPort | Reason::NotRead),
            };
            self.evidence.missed += usize::from(given);
            if evident.is_some() && given {
                self.lines.push(format!(
                    "evident {id}: {}>{}:{} missed",
                    edge.0, edge.1, edge.2
                ));
            }
        }
    }
}

fn load(path: &Path) -> Result<ComposeFile, String> {
    let path = path
        .canonicalize()
        .map_err(|error| format!("cannot find {}: {error}", path.display()))?;
    let options = LoadOptions {
        working_directory: path.parent().unwrap_or(Path::new(".")).to_path_buf(),
        files: vec![path],
        ..LoadOptions::default()
    };
    compose::load(&options, &DiskFiles).map_err(|error| error.to_string())
}

/// Certain and uncertain labels.
fn labelled(text: &str) -> (BTreeSet<Connection>, BTreeSet<Connection>) {
    let (mut wanted, mut uncertain) = (BTreeSet::new(), BTreeSet::new());
    for label in text.split(';') {
        let Some((from, rest)) = label.split_once('>') else {
            continue;
        };
        let Some((to, rest)) = rest.rsplit_once(':') else {
            continue;
        };
        let Ok(port) = rest.split('/').next().unwrap_or_default().parse() else {
            continue;
        };
        let edge = (from.to_owned(), to.to_owned(), port);
        if label.ends_with('?') {
            uncertain.insert(edge);
        } else {
            wanted.insert(edge);
        }
    }
    (wanted, uncertain)
}

fn found(inferred: &Inferred, least: Confidence) -> BTreeSet<Connection> {
    inferred
        .edges
        .iter()
        .filter(|edge| !edge.external && edge.confidence >= least)
        .map(|edge| (edge.from.clone(), edge.to.clone(), edge.port.get()))
        .collect()
}

fn count(
    score: &mut Score,
    found: &BTreeSet<Connection>,
    wanted: &BTreeSet<Connection>,
    uncertain: &BTreeSet<Connection>,
) {
    score.right += found.intersection(wanted).count();
    score.wrong += found
        .difference(wanted)
        .filter(|edge| !uncertain.contains(*edge))
        .count();
    score.missed += wanted.difference(found).count();
}

fn described(edge: &Connection, inferred: &Inferred) -> String {
    let from = inferred
        .edges
        .iter()
        .find(|one| one.from == edge.0 && one.to == edge.1 && one.port.get() == edge.2)
        .map(|one| format!("{:?}: {}", one.confidence, Origin::list(&one.origin)));
    format!(
        "{}>{}:{} {}",
        edge.0,
        edge.1,
        edge.2,
        from.unwrap_or_default()
    )
}

/// Why an edge was missed.
fn reason(edge: &Connection, file: &ComposeFile, found: &BTreeSet<Connection>) -> Reason {
    if found.iter().any(|one| one.0 == edge.0 && one.1 == edge.1) {
        return Reason::OtherPort;
    }
    let service = |name: &str| file.services.get(name).or_else(|| file.inactive.get(name));
    let Some((from, to)) = service(&edge.0).zip(service(&edge.1)) else {
        return Reason::NotInTheFiles;
    };
    if names(from, to) {
        Reason::NotRead
    } else if from.depends_on.contains_key(&to.name) {
        Reason::NoPort
    } else {
        Reason::NotInTheFiles
    }
}

/// Whether anything that is given of `from` holds a name of `to` as a word: variables, command, healthcheck, mounted files, and of a
/// build its Dockerfile's variables and the files beside it.
fn names(from: &Service, to: &Service) -> bool {
    let values = from.environment.values().map(|value| &value.value);
    let words = from
        .command
        .iter()
        .flatten()
        .chain(from.entrypoint.iter().flatten())
        .chain(from.healthcheck.iter().flat_map(|check| &check.test));
    let built = from.build.iter().flat_map(|build| {
        let files = build.files.iter().map(|file| &file.text);
        files
            .chain(build.environment.values())
            .chain(&build.entrypoint)
            .chain(&build.command)
    });
    let texts: Vec<&String> = values
        .chain(words)
        .chain(from.mounts.iter().map(|mount| &mount.text))
        .chain(built)
        .collect();
    let aliases = to.networks.values().flat_map(|network| &network.aliases);
    let mut wanted = std::iter::once(&to.name)
        .chain(&to.container_name)
        .chain(aliases);
    wanted.any(|name| {
        texts.iter().any(|text| {
            text.split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')))
                .any(|word| word == name)
        })
    })
}
