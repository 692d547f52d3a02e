//! How long parsing a compose file and deriving its graph takes: the median of several runs, for each file of a labelled folder.
//!
//! `cargo run --release --example bench-graph [FOLDER [MILLISECONDS]]`, by default `../shared/corpus` beside the checkout and 50 ms for the
//! largest file; it ends with 1 where that is broken.
#![expect(
    clippy::print_stdout,
    reason = "it is a program whose result is what it prints"
)]

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use k8sverify::catalog::Catalog;
use k8sverify::compose::{self, DiskFiles, LoadOptions};
use k8sverify::graph::infer;

const RUNS: usize = 21;
const LIMIT: u64 = 50;

fn main() -> ExitCode {
    let folder = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "../shared/corpus".to_owned());
    let folder = Path::new(&folder);
    let limit = std::env::args().nth(2).and_then(|limit| limit.parse().ok());
    let limit = Duration::from_millis(limit.unwrap_or(LIMIT));
    let table = match std::fs::read_to_string(folder.join("edges.tsv")) {
        Ok(table) => table,
        Err(error) => {
            println!(
                "cannot read {}: {error}; name a folder with labelled compose files",
                folder.join("edges.tsv").display()
            );
            return ExitCode::from(2);
        }
    };
    let catalog = Catalog::embedded();
    let mut largest = (0, Duration::ZERO, String::new());
    for row in table.lines().skip(1) {
        let mut columns = row.split('\t');
        let (Some(id), Some(path)) = (columns.next(), columns.next()) else {
            continue;
        };
        let path = folder.join(id).join(path);
        let size = std::fs::metadata(&path).map_or(0, |found| found.len());
        let mut times: Vec<Duration> = Vec::new();
        for _ in 0..RUNS {
            match once(&path, &catalog) {
                Ok(time) => times.push(time),
                Err(error) => {
                    println!("{id}: {error}");
                    return ExitCode::from(2);
                }
            }
        }
        times.sort();
        let (least, median) = (times[0], times[RUNS / 2]);
        println!("{id:<32} {size:>7} bytes  median {median:>8.1?}  least {least:>8.1?}");
        if size > largest.0 {
            largest = (size, median, id.to_owned());
        }
    }
    let (size, time, id) = largest;
    println!("\nlargest: {id}, {size} bytes: {time:.1?}, limit {limit:?}");
    if time < limit {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn once(path: &Path, catalog: &Catalog) -> Result<Duration, String> {
    let path: PathBuf = path.canonicalize().map_err(|error| error.to_string())?;
    let start = Instant::now();
    let options = LoadOptions {
        working_directory: path.parent().unwrap_or(Path::new(".")).to_path_buf(),
        files: vec![path],
        ..LoadOptions::default()
    };
    let file = compose::load(&options, &DiskFiles).map_err(|error| error.to_string())?;
    black_box(infer(&file, catalog));
    Ok(start.elapsed())
}
