//! `k8sverify compare`: one table out of several drill reports, without a cluster. IO: reads the reports.

use super::verify::outputs::Outputs;
use super::{CommandError, text};
use crate::cli::CompareArgs;
use crate::drill::limit::LimitSet;
use crate::report::drill::{DrillReport, SCHEMA, compare};

/// Runs `compare`.
///
/// # Errors
/// [`CommandError::Usage`] for a file that is no drill report, [`CommandError::Output`] for a report that cannot be written.
pub fn command(args: &CompareArgs) -> Result<u8, CommandError> {
    let reports = args
        .reports
        .iter()
        .map(|path| read(path))
        .collect::<Result<Vec<_>, CommandError>>()?;
    let outputs = Outputs::open(&args.output, "")?;
    let limits = LimitSet::default().with(&args.limit);
    let report = compare(
        &reports,
        (!args.limit.is_empty()).then_some(&limits),
        env!("CARGO_PKG_VERSION"),
    );
    outputs.write(&report)?;
    Ok(report.exit_code)
}

fn read(path: &std::path::Path) -> Result<DrillReport, CommandError> {
    let report: DrillReport = text::report(path, "compare", "k8sverify drill")?;
    if report.schema != SCHEMA {
        return Err(CommandError::Usage(format!(
            "compare {}: its schema is `{}`; this version reads {SCHEMA}",
            path.display(),
            report.schema
        )));
    }
    Ok(report)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::OutputArgs;

    #[test]
    fn what_is_no_drill_report_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.json");
        let args = CompareArgs {
            reports: vec![path.clone()],
            limit: Vec::new(),
            output: OutputArgs::default(),
        };
        for (text, expected) in [
            ("{\"schema\": \"k8sverify/report/v1\"}", "missing field"),
            ("{", "line 1"),
        ] {
            std::fs::write(&path, text).unwrap();
            let error = command(&args).unwrap_err();
            assert_eq!(error.exit_code(), 2);
            assert!(
                error.to_string().contains("report.json") && error.to_string().contains(expected),
                "{error}"
            );
        }
    }

    #[test]
    fn the_storys_table_is_written_in_every_format_and_decides_the_exit_code() {
        let folder = tempfile::tempdir().unwrap();
        let fixture = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/fixtures/drill/story.json"
        );
        let at = |name: &str| Some(folder.path().join(name));
        let args = CompareArgs {
            reports: vec![fixture.into()],
            limit: Vec::new(),
            output: OutputArgs {
                json: at("table.json"),
                junit: at("table.xml"),
                html: at("table.html"),
                markdown: at("table.md"),
                quiet: true,
                ..OutputArgs::default()
            },
        };
        assert_eq!(command(&args).unwrap(), 1);
        // Written again over what it wrote itself, and only that.
        assert_eq!(command(&args).unwrap(), 1);
        for name in ["table.json", "table.xml", "table.html", "table.md"] {
            let text = std::fs::read_to_string(folder.path().join(name)).unwrap();
            assert!(text.contains("mysql-operator"), "{name}");
        }
    }
}
