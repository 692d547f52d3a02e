//! `k8sverify demo`: a recorded run of the story, before and after its fix, rendered by this version. IO: writes the pages on demand.

use std::path::Path;

use super::output::{self, OutputFile};
use super::verify::outputs;
use super::{CommandError, fix};
use crate::cli::{DemoArgs, Format, OutputArgs};
use crate::report::Report;
use crate::shell;

const BROKEN: &str = include_str!("../../examples/compose-to-kubernetes/recorded/broken.json");
const FIXED: &str = include_str!("../../examples/compose-to-kubernetes/recorded/fixed.json");

/// Prints both reports with the fix between them, and writes the pages where `--html` names a folder.
///
/// # Errors
/// [`CommandError::Usage`] if the folder cannot be written to; [`CommandError::Output`] if writing or rendering fails.
pub fn command(args: &DemoArgs) -> Result<(), CommandError> {
    let (broken, fixed) = (report(BROKEN)?, report(FIXED)?);
    let pages = match &args.html {
        Some(folder) => {
            std::fs::create_dir_all(folder).map_err(|error| {
                CommandError::Usage(format!(
                    "--html {}: cannot make this folder: {error}",
                    folder.display()
                ))
            })?;
            vec![
                page(folder, "broken.html", &broken)?,
                page(folder, "fixed.html", &fixed)?,
            ]
        }
        None => Vec::new(),
    };
    let look = OutputArgs {
        color: args.color,
        ..OutputArgs::default()
    };
    let render = |report: &Report| outputs::bytes(report, Format::Console, &look);

    say(&format!(
        "This is a recorded run ({}): nothing is contacted. compose.yaml says that WEB calls AP, and that AP calls DB and KVS.\n\
         The application was converted with kompose; all four Pods are Running, and the page answers 500.\n\n$ k8sverify --namespace {}\n",
        broken.started_at, broken.namespace
    ))?;
    output::print(&render(&broken)?)?;
    let fix = ["k8sverify", "fix", "report.json", "--"];
    let with = ["kubectl", "-n", &broken.namespace, "apply", "--filename=-"];
    let apply = shell::Command::new(&[&fix[..], &with[..]].concat());
    say(&format!(
        "(exit code {})\n\n$ {apply}\n{}\n$ k8sverify --namespace {}\n",
        broken.exit_code,
        fix::stream(&broken),
        fixed.namespace
    ))?;
    output::print(&render(&fixed)?)?;
    say(&format!(
        "(exit code {})\n\n{}Try it on your cluster:\n  \
         k8sverify --namespace NAMESPACE --compose compose.yaml    what is deployed, against what compose says\n  \
         k8sverify graph --compose compose.yaml                    the edges that it would verify; no cluster is needed\n  \
         k8sverify check --manifests k8s/                          the static rules on manifest files; no cluster is needed\n",
        fixed.exit_code,
        if pages.is_empty() {
            "The same as a page: k8sverify demo --html FOLDER\n".to_owned()
        } else {
            format!("The same as pages: {}\n", pages.join(", "))
        }
    ))
}

fn say(text: &str) -> Result<(), CommandError> {
    output::print(text.as_bytes())
}

fn report(text: &str) -> Result<Report, CommandError> {
    serde_json::from_str(text)
        .map_err(|error| CommandError::Output(format!("demo: cannot read the recording: {error}")))
}

fn page(folder: &Path, name: &str, report: &Report) -> Result<String, CommandError> {
    let file = OutputFile::open(&folder.join(name), "--html")?;
    let bytes = outputs::bytes(report, Format::Html, &OutputArgs::default())?;
    file.begin(&bytes)?;
    Ok(file.path().display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_recording_shows_the_fault_its_fix_and_the_pass() {
        let (broken, fixed) = (report(BROKEN).unwrap(), report(FIXED).unwrap());
        assert_eq!((broken.exit_code, fixed.exit_code), (1, 0));
        let proposed = fix::stream(&broken);
        for host in ["db", "kvs"] {
            assert!(proposed.contains(&format!("name: {host}\n")), "{proposed}");
        }
        assert!(
            fixed
                .findings
                .iter()
                .all(|finding| finding.code != crate::finding::Code::ServiceMissing)
        );
    }

    #[test]
    fn the_pages_are_written_where_they_are_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let args = DemoArgs {
            html: Some(folder.path().join("new")),
            color: crate::cli::Color::Never,
        };
        command(&args).unwrap();
        for name in ["broken.html", "fixed.html"] {
            let page = std::fs::read_to_string(folder.path().join("new").join(name)).unwrap();
            assert!(page.starts_with("<!DOCTYPE html>"), "{name}");
        }
    }
}
