//! `k8sverify explain`: what a finding code means, how it was found, how to fix it. Pure.

use super::CommandError;
use crate::catalog::findings::FindingTexts;
use crate::cli::ExplainArgs;
use crate::finding::{Code, Section, Severity};
use crate::spelling;
use crate::terminal::{Paint, Style, wrap};

/// The text of one code, or the list of all, in lines of at most the style's width.
///
/// # Errors
/// [`CommandError::Usage`] for a code that does not exist, with the one that is nearest to it.
pub fn text(args: &ExplainArgs, style: Style) -> Result<String, CommandError> {
    let texts = FindingTexts::shared();
    let Some(name) = args.code.as_deref().filter(|_| !args.list) else {
        return Ok(list(texts, style));
    };
    // What a report prints, `CODE KIND/NAME`, may be pasted whole.
    let name = name.split_whitespace().next().unwrap_or_default();
    let Some(code) = Code::from_name(name) else {
        let hint = nearest(name).map_or_else(String::new, |near| format!("; perhaps {near}"));
        return Err(CommandError::Usage(format!(
            "explain {name}: no such code{hint}; `k8sverify explain --list` names them all"
        )));
    };
    let text = texts.get(code);
    let indented = |text: &str| {
        let words: Vec<&str> = text.split_whitespace().collect();
        wrap(&words.join(" "), style.width, "  ") + "\n"
    };
    let title = |text: &str| style.paint(Paint::Bold, text);
    Ok(format!(
        "{}  ({})\n{}\n\n{}\n{}\n{}\n{}\n{}\n{}\n{}\n  {}/blob/v{}/examples/guide/findings.md#{code}\n  {}\n",
        title(code.name()),
        style.paint(severity(text.severity), &text.severity.to_string()),
        wrap(&text.title, style.width, ""),
        title("What it means"),
        indented(&text.means),
        title("How it is found"),
        indented(&text.found),
        title("How to fix it"),
        indented(&text.fix),
        title("See also"),
        env!("CARGO_PKG_REPOSITORY"),
        env!("CARGO_PKG_VERSION"),
        text.links.join("\n  "),
    ))
}

const fn severity(severity: Severity) -> Paint {
    match severity {
        Severity::Error => Paint::Red,
        Severity::Warning => Paint::Yellow,
        Severity::Info => Paint::Dim,
    }
}

fn list(texts: &FindingTexts, style: Style) -> String {
    let names = Code::ALL.iter().map(|code| code.name().len());
    let name_columns = names.max().unwrap_or_default();
    let before = name_columns + 12;
    let mut out = String::new();
    for (number, (section, title)) in (1..).zip(Section::ALL) {
        let title = style.paint(Paint::Bold, &format!("{number}. {title}"));
        out += &format!("{}{title}\n", if number == 1 { "" } else { "\n" });
        for code in Code::ALL.iter().filter(|code| code.section() == section) {
            let text = texts.get(*code);
            // Where the column of titles would be narrower than a few words, they go below their code.
            let hanging = if style.width >= before + 24 {
                before
            } else {
                4
            };
            let title = wrap(&text.title, style.width, &" ".repeat(hanging));
            let says = style.paint(severity(text.severity), &text.severity.to_string());
            let name = format!("  {:<name_columns$}", code.name());
            out += &if hanging == before {
                let gap = " ".repeat(9 - text.severity.to_string().len());
                format!("{name} {says}{gap}{}\n", title.trim_start())
            } else {
                format!("{name} {says}\n{title}\n")
            };
        }
    }
    out
}

/// The code that was probably meant: nearly the same letters, else the same words in another order, else most of its words.
fn nearest(asked: &str) -> Option<&'static str> {
    let names = || Code::ALL.iter().map(|code| code.name());
    let words: Vec<&str> = asked.split(['-', '_', ' ']).collect();
    let shared = |name: &str| name.split('-').filter(|word| words.contains(word)).count();
    spelling::meant(asked, names()).or_else(|| {
        names()
            .filter(|name| shared(name) > 0)
            .max_by_key(|name| (shared(name), std::cmp::Reverse(name.len())))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Color;

    fn at(width: usize) -> Style {
        Style {
            width,
            ..Style::default()
        }
    }

    #[test]
    fn a_code_is_explained_all_are_listed_and_a_wrong_one_is_refused_with_a_hint() {
        let ask = |code: &str| {
            let args = ExplainArgs {
                code: Some(code.to_owned()),
                list: false,
                color: Color::Never,
            };
            text(&args, at(80))
        };
        assert!(
            ask("service-missing")
                .unwrap()
                .contains("How to fix it\n  Create a ClusterIP Service")
        );
        assert!(
            ask("service-missing")
                .unwrap()
                .contains("/examples/guide/findings.md#service-missing\n")
        );
        assert_eq!(
            ask("service-missing deployment/db").unwrap(),
            ask("service-missing").unwrap()
        );
        for wrong in ["missing-service", "service-mising", "Service-Missing-x"] {
            let error = ask(wrong).unwrap_err().to_string();
            assert!(error.contains("; perhaps service-missing; "), "{error}");
        }
        let list = ExplainArgs {
            code: None,
            list: true,
            color: Color::Never,
        };
        let all = text(&list, at(80)).unwrap();
        for width in [60, 80, 120] {
            let listed = text(&list, at(width)).unwrap();
            assert!(listed.lines().all(|line| line.chars().count() <= width));
        }
        assert!(Code::ALL.iter().all(|code| all.contains(code.name())));
        let colored = Style {
            color: true,
            ..at(80)
        };
        let painted = text(&list, colored).unwrap();
        assert!(painted.contains("\u{1b}[1m1. "), "{painted}");
        let codes = ["1;31", "33", "2", "1", "0"].map(|code| format!("\u{1b}[{code}m"));
        let plain = codes
            .iter()
            .fold(painted, |text, code| text.replace(code, ""));
        assert_eq!(plain, all);
    }
}
