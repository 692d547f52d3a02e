//! `k8sverify fix`: the manifests that the findings of a JSON report propose, as one stream for `kubectl apply -f -`. IO: reads the report.

use std::io::{IsTerminal, Write};
use std::process::{Command, Stdio};

use super::{CommandError, EXIT_UNKNOWN, output, text};
use crate::cli::FixArgs;
use crate::reason;
use crate::report::Report;
use crate::sanitise::{clean, line};

/// Prints the manifests, or gives them to the user's command, which is not run where there are none: `kubectl apply` calls that an error.
///
/// # Errors
/// [`CommandError::Usage`] if the report cannot be read or is none, or the command cannot be started.
pub fn command(args: &FixArgs) -> Result<u8, CommandError> {
    let manifests = manifests(args)?;
    let Some((program, arguments)) = args.command.split_first() else {
        output::print_text(&manifests)?;
        return Ok(0);
    };
    if manifests.is_empty() {
        return Ok(0);
    }
    let failed = |what: String| CommandError::Usage(format!("fix: {}: {what}", program.display()));
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .spawn()
        .map_err(|error| {
            let why = reason::unreadable(&error);
            failed(format!("cannot start it: {why}; name a command that reads manifests from its standard input, such as kubectl apply -f -"))
        })?;
    if let Some(mut input) = child.stdin.take() {
        // A command that has read enough shows by its exit code whether all is well.
        let _ = input.write_all(manifests.as_bytes());
    }
    let ended = child
        .wait()
        .map_err(|error| failed(format!("cannot wait for its end: {error}")))?;
    // Ended by a signal: no code of its own.
    let code = ended.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.unwrap_or(EXIT_UNKNOWN))
}

/// The manifests, separated by `---`, each behind a comment that names its finding.
///
/// # Errors
/// [`CommandError::Usage`] if the report cannot be read or is none.
fn manifests(args: &FixArgs) -> Result<String, CommandError> {
    if args.report.as_os_str() == "-" && std::io::stdin().is_terminal() {
        say("waiting for a JSON report on standard input");
    }
    let report: Report = text::report(&args.report, "fix", "k8sverify")?;
    let (manifests, by_hand) = parts(&report);
    if manifests.is_empty() {
        // Comments alone are no input for kubectl: standard output stays empty, which a script can ask.
        say("nothing to apply: no finding of the report has a manifest");
        say(by_hand.trim_end());
        return Ok(String::new());
    }
    Ok(manifests + &by_hand)
}

/// For the user, while the commands go to the pipe.
fn say(text: &str) {
    if !text.is_empty() {
        output::note(text);
    }
}

/// The stream of one report.
pub(super) fn stream(report: &Report) -> String {
    let (manifests, by_hand) = parts(report);
    manifests + &by_hand
}

/// The manifests, and what no manifest fixes.
fn parts(report: &Report) -> (String, String) {
    let mut out = String::new();
    let mut without = Vec::new();
    for finding in report
        .findings
        .iter()
        .filter(|finding| finding.caused_by.is_none() && !finding.ignored)
    {
        match finding.fix.as_ref() {
            Some(fix) if fix.manifest.is_some() => {
                let manifest = clean(fix.manifest.as_deref().unwrap_or_default());
                let manifest = manifest.trim_end();
                out += &format!(
                    "---\n# {}: {}\n{manifest}\n",
                    line(&finding.id.0),
                    line(&fix.text)
                );
            }
            Some(fix) => without.push(format!(
                "# {}: {}\n",
                line(&finding.id.0),
                line(fix.command.as_deref().unwrap_or(&fix.text))
            )),
            None => {}
        }
    }
    let mut by_hand = String::new();
    if !without.is_empty() {
        by_hand += "# Not fixable by a manifest:\n";
        by_hand.extend(without);
    }
    (out, by_hand)
}
