//! `k8sverify fix`: the manifests that the findings of a JSON report propose, as one stream for `kubectl apply -f -`. IO: reads the report.

use std::io::Read;
use std::path::Path;

use super::Failure;
use crate::cli::FixArgs;
use crate::report::Report;

/// The manifests, separated by `---`, each behind a comment that names its finding.
///
/// # Errors
/// [`Failure::Usage`] if the report cannot be read or is none.
pub fn manifests(args: &FixArgs) -> Result<String, Failure> {
    let name = args.report.display().to_string();
    let text = read(&args.report)
        .map_err(|error| Failure::Usage(format!("fix {name}: cannot read it: {error}")))?;
    let report: Report = serde_json::from_str(&text).map_err(|error| {
        Failure::Usage(format!(
            "fix {name}: {error}; expected a report that `k8sverify --json PATH` wrote"
        ))
    })?;
    Ok(stream(&report))
}

/// The stream of one report.
pub(super) fn stream(report: &Report) -> String {
    let mut out = String::new();
    let mut without = Vec::new();
    for finding in report
        .findings
        .iter()
        .filter(|finding| finding.caused_by.is_none() && !finding.ignored)
    {
        match finding.fix.as_ref() {
            Some(fix) if fix.manifest.is_some() => {
                let manifest = fix.manifest.as_deref().unwrap_or_default().trim_end();
                out += &format!(
                    "---\n# {}: {}\n{manifest}\n",
                    finding.id,
                    fix.text.replace('\n', " ")
                );
            }
            Some(fix) => without.push(format!(
                "# {}: {}\n",
                finding.id,
                fix.command.as_ref().unwrap_or(&fix.text).replace('\n', " ")
            )),
            None => {}
        }
    }
    if !without.is_empty() {
        out += "# No manifest fits these; by hand:\n";
        out.extend(without);
    }
    out
}

fn read(path: &Path) -> std::io::Result<String> {
    if path.as_os_str() == "-" {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text)?;
        return Ok(text);
    }
    std::fs::read_to_string(path)
}
