//! How specific a finding is as the explanation of an edge that breaks at some part of the ladder. A table by code. Pure.

use crate::diagnose::walk::Stage;
use crate::finding::Code;

/// The place of `code` among the explanations of an edge that breaks at `stage`, the most specific first; `None` for what
/// cannot explain such a break.
///
/// The order at one part of the ladder follows the packet: the resolver that the client was given, the record, the Service's
/// own settings, whether anything stands behind it, policies, the node, the process. Symptoms come last.
#[must_use]
pub(super) const fn rank(code: Code, stage: Stage) -> Option<u8> {
    match stage {
        Stage::Dns => dns(code),
        Stage::Connect => connect(code),
        Stage::Protocol => protocol(code),
    }
}

const fn dns(code: Code) -> Option<u8> {
    Some(match code {
        Code::VariableUnresolved => 5,
        Code::VariableMalformed => 6,
        Code::ClientResolverWrong => 7,
        Code::NetworkPolicyDnsDenied => 10,
        Code::PolicyOtherDenied => 11,
        Code::DnsUnavailable => 12,
        Code::DnsPolicyNotCluster => 13,
        Code::NodeNetworkBroken => 14,
        Code::ServiceExternalNameInvalid => 20,
        Code::ServiceExternalNameUnresolvable => 21,
        Code::ServiceNameMismatch => 22,
        Code::ServiceInOtherNamespace => 23,
        Code::ServiceMissing => 24,
        Code::WorkloadMissing => 25,
        Code::ServiceSelectorMismatch => 30,
        Code::ServiceNoEndpoints => 31,
        Code::WorkloadScaledToZero => 32,
        Code::ServiceEndpointsNotReady => 33,
        Code::ServiceIpFamilyMismatch => 34,
        Code::DnsRecordWrong => 35,
        Code::DnsNameNotFound => SYMPTOM,
        _ => return behind_the_service(code),
    })
}

const fn connect(code: Code) -> Option<u8> {
    Some(match code {
        Code::ServiceSelectorMismatch => 10,
        Code::ServiceNoEndpoints => 11,
        Code::WorkloadScaledToZero => 12,
        Code::ServiceTargetPortUnknown => 13,
        Code::ServicePortProtocol => 14,
        Code::ServicePortMissing => 15,
        Code::ServiceHeadlessPort => 16,
        Code::ServiceIpFamilyMismatch => 17,
        Code::ServiceExternalNameInvalid => 18,
        Code::ServiceExternalNameUnresolvable => 19,
        Code::ServiceNameMismatch => 20,
        Code::ServiceInOtherNamespace => 21,
        Code::AddressStale => 8,
        Code::SharedNetworkSplit => 9,
        Code::ServiceMissing => 22,
        Code::WorkloadMissing => 23,
        Code::DnsRecordWrong => 24,
        Code::ServiceEndpointsNotReady => 25,
        Code::ServiceTrafficPolicyLocal => 26,
        Code::NetworkPolicyEgressDenied => 30,
        Code::NetworkPolicyIngressDenied => 31,
        Code::PolicyOtherDenied => 32,
        Code::ServiceEndpointsStale => 34,
        Code::NodeNetworkBroken => 36,
        Code::ListensOnLoopback => 40,
        Code::ServiceSelectorTooBroad => 41,
        Code::ServiceEndpointsPartial => 45,
        Code::ServiceTargetPortClosed => 46,
        Code::ConnectionRefused | Code::ConnectionTimeout | Code::ConnectionReset => SYMPTOM,
        _ => return behind_the_service(code),
    })
}

const fn protocol(code: Code) -> Option<u8> {
    Some(match code {
        Code::VariableUnresolved => 5,
        Code::VariableMalformed => 6,
        Code::ServiceSelectorTooBroad => 10,
        Code::DnsRecordWrong => 11,
        Code::GaleraNotPrimary => 15,
        Code::TlsCertificateInvalid
        | Code::TlsNotOffered
        | Code::MysqlLoginDenied
        | Code::MysqlDatabaseMissing
        | Code::MysqlConnectionsExhausted
        | Code::MysqlReadOnly
        | Code::PostgresLoginDenied
        | Code::PostgresDatabaseMissing
        | Code::PostgresConnectionsExhausted
        | Code::PostgresReadOnly
        | Code::RedisLoginDenied
        | Code::RedisLoading
        | Code::RedisReadOnly
        | Code::RedisUnavailable
        | Code::LoginDenied
        | Code::AdvertisedAddressUnreachable
        | Code::HttpServerError
        | Code::HttpRedirectLoop => 20,
        Code::ProtocolMismatch => 25,
        Code::PolicyOtherDenied => 30,
        Code::NetworkPolicyEgressDenied => 31,
        Code::NetworkPolicyIngressDenied => 32,
        Code::NodeNetworkBroken => 33,
        Code::ServiceEndpointsPartial => 45,
        Code::HttpTimeout => SYMPTOM - 1,
        Code::ConnectionTimeout | Code::ConnectionReset => SYMPTOM,
        _ => return behind_the_service(code),
    })
}

/// Findings about what should answer: they explain any break, below what the Service itself says of them.
const fn behind_the_service(code: Code) -> Option<u8> {
    match (code, code.section()) {
        (Code::NodeNotReady, _) => Some(50),
        (
            Code::WorkloadDegraded
            | Code::VariableUnresolved
            | Code::VariableMalformed
            | Code::ConfigurationStale
            | Code::ServiceEnvCollision
            | Code::ReadinessProbeMissing
            | Code::LivenessProbeMissing
            | Code::ProbeTargetDiffers
            | Code::ProbeTooImpatient,
            _,
        ) => None,
        (_, 2) => Some(51),
        (_, 3) => Some(52),
        _ => None,
    }
}

const SYMPTOM: u8 = 90;

/// Codes that only say what the network was seen to do. One that explains no edge which nothing more specific explains is
/// left out of the report.
#[must_use]
pub(super) const fn is_symptom(code: Code) -> bool {
    match code {
        Code::ServiceTargetPortClosed
        | Code::ServiceEndpointsPartial
        | Code::ServiceEndpointsStale => true,
        Code::HttpNotFound => false,
        _ => matches!(code.section(), 5 | 6),
    }
}

/// Codes that concern the edge itself, not its target: where only weak or optional edges show them, nobody is known to need
/// what they say, and they are warnings.
#[must_use]
pub(super) const fn concerns_the_edge(code: Code) -> bool {
    match code {
        Code::ServiceNameMismatch
        | Code::SharedNetworkSplit
        | Code::AddressStale
        | Code::ConfigurationStale
        | Code::VariableUnresolved
        | Code::VariableMalformed
        | Code::ServiceInOtherNamespace
        | Code::ServicePortMissing
        | Code::ServicePortProtocol
        | Code::ServiceHeadlessPort
        | Code::ServiceTrafficPolicyLocal
        | Code::WorkloadMissing
        | Code::ProtocolMismatch
        | Code::ConnectionRefused
        | Code::ConnectionTimeout
        | Code::ConnectionReset => true,
        Code::DnsUnavailable => false,
        _ => matches!(code.section(), 4 | 5),
    }
}

/// Findings that the network itself showed: a circle of causes is cut at one of them.
#[must_use]
pub(super) const fn has_network_evidence(code: Code) -> bool {
    matches!(code.section(), 4..=6)
        || matches!(
            code,
            Code::ServiceTargetPortClosed | Code::ServiceEndpointsStale
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_symptom_never_outranks_a_cause_of_the_same_break() {
        for stage in [Stage::Dns, Stage::Connect, Stage::Protocol] {
            for code in Code::ALL {
                if let Some(rank) = rank(*code, stage)
                    && rank >= SYMPTOM
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
        for code in Code::ALL.iter().filter(|code| code.section() == 7) {
            assert_eq!(rank(*code, Stage::Connect), None);
        }
    }
}
