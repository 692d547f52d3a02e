//! `k8sverify explain`: what a finding code means, how it was found, how to mend it. Pure.

use super::Failure;
use crate::catalog::findings::FindingTexts;
use crate::cli::ExplainArgs;
use crate::finding::Code;

const SECTIONS: [&str; 7] = [
    "Services, selectors, ports, endpoints",
    "Pods and workloads",
    "Probes",
    "Network policy",
    "DNS",
    "Connection and protocol",
    "Could not verify",
];

/// The text of one code, or the list of all.
///
/// # Errors
/// [`Failure::Usage`] for a code that does not exist, with those that resemble it.
pub fn text(args: &ExplainArgs) -> Result<String, Failure> {
    let texts = FindingTexts::embedded();
    let Some(name) = args.code.as_deref().filter(|_| !args.list) else {
        return Ok(list(&texts));
    };
    // What a report prints, `CODE KIND/NAME`, may be pasted whole.
    let name = name.split_whitespace().next().unwrap_or_default();
    let Some(code) = Code::from_name(name) else {
        let near: Vec<&str> = Code::ALL
            .iter()
            .map(|code| code.name())
            .filter(|known| resembles(known, name))
            .collect();
        let hint = if near.is_empty() {
            String::new()
        } else {
            format!("; perhaps {}", near.join(", "))
        };
        return Err(Failure::Usage(format!(
            "explain {name}: no such code{hint}; `k8sverify explain --list` names them all"
        )));
    };
    let text = texts.get(code);
    let links = text.links.join("\n  ");
    Ok(format!(
        "{code}  ({})\n{}\n\nWhat it means\n{}\nHow it is found\n{}\nHow to mend it\n{}\nRead on\n  {links}\n",
        text.severity,
        text.title,
        indented(&text.means),
        indented(&text.found),
        indented(&text.fix),
    ))
}

fn list(texts: &FindingTexts) -> String {
    let mut out = String::new();
    for (section, title) in (1..).zip(SECTIONS) {
        out += &format!(
            "{}{section}. {title}\n",
            if section == 1 { "" } else { "\n" }
        );
        for code in Code::ALL.iter().filter(|code| code.section() == section) {
            let text = texts.get(*code);
            out += &format!(
                "  {:<35} {:<8} {}\n",
                code.name(),
                text.severity.to_string(),
                text.title
            );
        }
    }
    out
}

/// Shares a word of at least four letters.
fn resembles(known: &str, asked: &str) -> bool {
    asked
        .split(['-', '_', ' '])
        .any(|word| word.len() > 3 && known.contains(&word.to_lowercase()))
}

/// Lines of at most 100 columns, indented by two.
fn indented(text: &str) -> String {
    let mut lines = vec![String::from(" ")];
    for word in text.split_whitespace() {
        let last = lines.len() - 1;
        if lines[last].len() + 1 + word.len() > 100 && lines[last].len() > 1 {
            lines.push(format!("  {word}"));
        } else {
            lines[last] = format!("{} {word}", lines[last]);
        }
    }
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_explained_all_are_listed_and_a_wrong_one_is_refused_with_a_hint() {
        let ask = |code: &str| {
            text(&ExplainArgs {
                code: Some(code.to_owned()),
                list: false,
            })
        };
        assert!(
            ask("service-missing")
                .unwrap()
                .contains("How to mend it\n  Create a ClusterIP Service")
        );
        assert_eq!(
            ask("service-missing deployment/db").unwrap(),
            ask("service-missing").unwrap()
        );
        assert!(
            ask("missing-service")
                .unwrap_err()
                .to_string()
                .contains("service-missing")
        );
        let all = text(&ExplainArgs {
            code: None,
            list: true,
        })
        .unwrap();
        assert!(Code::ALL.iter().all(|code| all.contains(code.name())));
    }
}
