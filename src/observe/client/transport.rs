//! Why there is no connection, in words that say what to do. Pure.

use crate::reason;

/// What stands in an error of the libraries below → what it means.
const MEANINGS: [(&[&str], &str); 8] = [
    (
        &["dns error", "failed to lookup address"],
        "its host name does not resolve; correct `server` in the kubeconfig, or connect to the network that knows the name",
    ),
    (
        &["UnknownIssuer", "BadSignature", "CaUsedAsEndEntity"],
        "its certificate is not trusted: it was not issued by the kubeconfig's certificate-authority (or, without one, by a public authority); correct certificate-authority-data",
    ),
    (
        &["not valid for name", "NotValidForName"],
        "its certificate is for another name than the kubeconfig's `server`; correct `server`, or set tls-server-name",
    ),
    (
        &[
            "certificate expired",
            "certificate not valid yet",
            "Expired",
            "NotValidYet",
        ],
        "its certificate is not valid now; renew it, or correct this machine's clock",
    ),
    (
        &["InvalidContentType", "corrupt message"],
        "it does not speak TLS on this port; correct `server` in the kubeconfig",
    ),
    (
        &["Connection refused"],
        "nothing listens at its address; start the cluster, or correct `server` in the kubeconfig",
    ),
    (
        &["Network is unreachable", "No route to host"],
        "there is no way to its address; connect to its network, or correct `server` in the kubeconfig",
    ),
    (
        &["deadline has elapsed", "timed out"],
        "no answer within the time for a connection; is the address right, and does a firewall or VPN stand between?",
    ),
];

/// The libraries' words behind what they mean.
pub(super) fn words(chain: &str) -> String {
    let chain = reason::said(&chain);
    MEANINGS
        .iter()
        .find(|(marks, _)| marks.iter().any(|mark| chain.contains(mark)))
        .map_or_else(
            || chain.clone(),
            |(_, meaning)| format!("{meaning} ({chain})"),
        )
}

#[cfg(test)]
mod tests {
    use rustls::{CertificateError, Error, InvalidMessage};

    use super::*;

    #[test]
    fn what_the_libraries_say_is_put_into_words() {
        let of = |error: Error| words(&error.to_string());
        for (said, begin) in [
            (
                of(Error::InvalidCertificate(CertificateError::UnknownIssuer)),
                "its certificate is not trusted",
            ),
            (
                // Another authority of the same name: a cluster that was made a second time.
                of(Error::InvalidCertificate(CertificateError::BadSignature)),
                "its certificate is not trusted",
            ),
            (
                of(Error::InvalidCertificate(CertificateError::Expired)),
                "its certificate is not valid now",
            ),
            (
                of(Error::InvalidCertificate(CertificateError::NotValidForName)),
                "its certificate is for another name",
            ),
            (
                of(Error::InvalidMessage(InvalidMessage::InvalidContentType)),
                "it does not speak TLS",
            ),
            (
                words(
                    "client error (Connect): dns error: failed to lookup address information: Name or service not known",
                ),
                "its host name does not resolve",
            ),
            (
                words("client error (Connect): deadline has elapsed"),
                "no answer within",
            ),
            (
                words(
                    "client error (Connect): tcp connect error: Connection refused (os error 111)",
                ),
                "nothing listens at its address; start the cluster, or correct `server` in the kubeconfig (client error (Connect): tcp connect error: Connection refused)",
            ),
            (
                words("tcp connect error: No route to host (os error 113)"),
                "there is no way to its address",
            ),
            (words("something else"), "something else"),
        ] {
            assert!(said.starts_with(begin), "{said}");
        }
    }
}
