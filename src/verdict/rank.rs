//! How specific a finding is as the explanation of an edge that breaks at some part of the ladder, as `checks/findings.yaml` says. Pure.

use crate::catalog::findings::{FindingTexts, Nature};
use crate::diagnose::walk::Stage;
use crate::finding::Code;

/// The place of `code` among the explanations of an edge that breaks at `stage`, the most specific first; `None` for what
/// cannot explain such a break.
pub(super) fn rank(code: Code, stage: Stage) -> Option<u8> {
    let explains = FindingTexts::shared().get(code).explains;
    match stage {
        Stage::Dns => explains.dns,
        Stage::Connect => explains.connect,
        Stage::Protocol => explains.protocol,
    }
}

/// Codes that only say what the network was seen to do. One that explains no edge which nothing more specific explains is
/// left out of the report.
pub(super) fn is_symptom(code: Code) -> bool {
    is(code, Nature::Symptom)
}

/// Codes that concern the edge itself, not its target: where only weak or optional edges show them, no one is known to need
/// what they say, and they are warnings.
pub(super) fn concerns_the_edge(code: Code) -> bool {
    is(code, Nature::Edge)
}

/// Findings that the network itself showed: a circle of causes is cut at one of them.
pub(super) fn has_network_evidence(code: Code) -> bool {
    is(code, Nature::Observed)
}

fn is(code: Code, nature: Nature) -> bool {
    FindingTexts::shared().get(code).nature.contains(&nature)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Section;

    #[test]
    fn a_symptom_never_outranks_a_cause_of_the_same_break() {
        for stage in [Stage::Dns, Stage::Connect, Stage::Protocol] {
            for code in Code::ALL {
                if let Some(rank) = rank(*code, stage)
                    && rank >= 90
                {
                    assert!(is_symptom(*code), "{code}");
                }
            }
        }
        assert!(
            rank(Code::ServiceSelectorMismatch, Stage::Connect)
                < rank(Code::ConnectionRefused, Stage::Connect)
        );
    }

    #[test]
    fn a_login_explains_no_name_and_what_could_not_be_asked_explains_nothing() {
        assert_eq!(rank(Code::MysqlLoginDenied, Stage::Dns), None);
        assert_eq!(rank(Code::MysqlLoginDenied, Stage::Connect), None);
        assert_eq!(rank(Code::ServiceMissing, Stage::Protocol), None);
        for code in Code::ALL
            .iter()
            .filter(|code| code.section() == Section::NotVerified)
        {
            assert_eq!(rank(*code, Stage::Connect), None);
        }
    }
}
