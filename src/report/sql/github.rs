//! As GitHub workflow commands: an annotation at the line of the file for each statement that is refused, and the verdict. Pure.

use super::{SqlReport, SqlStatus, class, sentence, words};
use crate::report::VerdictValue;
use crate::report::github::{command, data, property};

/// GitHub shows ten annotations of a level per step; the verdict is one of them.
const MOST: usize = 9;

/// The verdict first, then the refusals.
pub fn render(report: &SqlReport) -> String {
    let level = match report.verdict {
        VerdictValue::Pass => "notice",
        VerdictValue::Fail => "error",
        VerdictValue::Unknown => "warning",
    };
    let title = format!("k8sverify sql {}", report.candidate);
    let mut text = command(level, &title, &sentence(report));
    let refused = report.files.iter().flat_map(|file| {
        file.statements
            .iter()
            .filter(|statement| statement.status == SqlStatus::Refused)
            .map(move |statement| (file, statement))
    });
    for (file, statement) in refused.take(MOST) {
        let advice = statement.said.advice.as_deref().unwrap_or_default();
        text += &format!(
            "::error file={},line={},title={}::{}\n",
            property(&file.name),
            statement.line,
            property(&class(&statement.said)),
            data(&format!("{}\n{advice}", words(&statement.said)))
        );
    }
    text
}
