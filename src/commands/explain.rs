//! `k8sverify explain`: what a finding code means, how it was found, how to fix it. Pure.

use super::Failure;
use crate::catalog::findings::FindingTexts;
use crate::cli::ExplainArgs;
use crate::finding::{Code, Section};
use crate::report::console::wrap;
use crate::spelling;

/// The text of one code, or the list of all, in lines of at most `width` columns.
///
/// # Errors
/// [`Failure::Usage`] for a code that does not exist, with the one that is nearest to it.
pub fn text(args: &ExplainArgs, width: usize) -> Result<String, Failure> {
    let texts = FindingTexts::shared();
    let Some(name) = args.code.as_deref().filter(|_| !args.list) else {
        return Ok(list(texts, width));
    };
    // What a report prints, `CODE KIND/NAME`, may be pasted whole.
    let name = name.split_whitespace().next().unwrap_or_default();
    let Some(code) = Code::from_name(name) else {
        let hint = nearest(name).map_or_else(String::new, |near| format!("; perhaps {near}"));
        return Err(Failure::Usage(format!(
            "explain {name}: no such code{hint}; `k8sverify explain --list` names them all"
        )));
    };
    let text = texts.get(code);
    let indented = |text: &str| {
        let words: Vec<&str> = text.split_whitespace().collect();
        wrap(&words.join(" "), width, "  ") + "\n"
    };
    Ok(format!(
        "{code}  ({})\n{}\n\nWhat it means\n{}\nHow it is found\n{}\nHow to fix it\n{}\nSee also\n  {}/blob/v{}/examples/guide/findings.md#{code}\n  {}\n",
        text.severity,
        wrap(&text.title, width, ""),
        indented(&text.means),
        indented(&text.found),
        indented(&text.fix),
        env!("CARGO_PKG_REPOSITORY"),
        env!("CARGO_PKG_VERSION"),
        text.links.join("\n  "),
    ))
}

fn list(texts: &FindingTexts, width: usize) -> String {
    let names = Code::ALL.iter().map(|code| code.name().len());
    let name_columns = names.max().unwrap_or_default();
    let before = name_columns + 12;
    let mut out = String::new();
    for (number, (section, title)) in (1..).zip(Section::ALL) {
        out += &format!("{}{number}. {title}\n", if number == 1 { "" } else { "\n" });
        for code in Code::ALL.iter().filter(|code| code.section() == section) {
            let text = texts.get(*code);
            // Where the column of titles would be narrower than a few words, they go below their code.
            let hanging = if width >= before + 24 { before } else { 4 };
            let title = wrap(&text.title, width, &" ".repeat(hanging));
            let head = format!(
                "  {:<name_columns$} {:<8} ",
                code.name(),
                text.severity.to_string()
            );
            out += &if hanging == before {
                format!("{head}{}\n", title.trim_start())
            } else {
                format!("{}\n{title}\n", head.trim_end())
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

    #[test]
    fn a_code_is_explained_all_are_listed_and_a_wrong_one_is_refused_with_a_hint() {
        let ask = |code: &str| {
            let args = ExplainArgs {
                code: Some(code.to_owned()),
                list: false,
            };
            text(&args, 80)
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
        };
        let all = text(&list, 80).unwrap();
        for width in [60, 80, 120] {
            let listed = text(&list, width).unwrap();
            assert!(listed.lines().all(|line| line.chars().count() <= width));
        }
        assert!(Code::ALL.iter().all(|code| all.contains(code.name())));
    }
}
