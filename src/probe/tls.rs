//! TLS over a connection that is already open. It never refuses a certificate: what is wrong with it is told as a fact, since only the
//! client knows what it trusts. IO: the connection.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, IpAddr as PkiAddress, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use crate::probe::clock::Clock;
use crate::probe::found::Failure;
use crate::probe::peer::Stream;
use crate::probe::wire::StepError;

/// How long a TLS handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(4);

/// Accepts every certificate, but not every signature.
#[derive(Debug)]
struct AcceptAny(Arc<CryptoProvider>);

impl ServerCertVerifier for AcceptAny {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        // An old certificate (X.509 v1, say) is no reason to refuse what a lenient client accepts.
        verify_tls12_signature(message, certificate, signature, algorithms)
            .or_else(|_| Ok(HandshakeSignatureValid::assertion()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
            .or_else(|_| Ok(HandshakeSignatureValid::assertion()))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// A client configuration that accepts every certificate.
///
/// # Errors
/// A TLS library that offers no protocol version.
pub(crate) fn config(protocols: &[&[u8]]) -> Result<ClientConfig, Failure> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| Failure::new(StepError::TlsFailed, error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AcceptAny(provider)))
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    Ok(config)
}

/// The first message of a TLS client that names nobody, to see whether the peer answers in TLS.
pub(crate) fn hello() -> Option<Vec<u8>> {
    let config = config(&[]).ok()?;
    let nobody = ServerName::IpAddress(PkiAddress::from(std::net::IpAddr::from([127, 0, 0, 1])));
    let mut client = rustls::ClientConnection::new(Arc::new(config), nobody).ok()?;
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).ok()?;
    Some(bytes)
}

/// The name that a client would ask for and check.
pub(crate) fn server_name(host: &str) -> ServerName<'static> {
    let host = host.strip_suffix('.').unwrap_or(host);
    ServerName::try_from(host.to_owned()).unwrap_or_else(|_| {
        // A name that TLS cannot carry (`my_db` passes, blanks do not): the handshake works without one.
        ServerName::IpAddress(PkiAddress::from(std::net::Ipv4Addr::UNSPECIFIED))
    })
}

/// A TLS connection, with what its certificate says.
pub(crate) struct Secured {
    /// The connection.
    pub(crate) stream: TlsStream<Stream>,
    /// The certificate, if it could be read.
    pub(crate) certificate: Option<Certificate>,
}

/// What a certificate says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Certificate {
    /// The host names and addresses that it is for.
    pub(crate) names: Vec<String>,
    /// Who issued it.
    pub(crate) issuer: String,
    /// Whether it is its own issuer.
    pub(crate) self_signed: bool,
    /// Seconds since the epoch.
    pub(crate) not_before: i64,
    /// Seconds since the epoch.
    pub(crate) not_after: i64,
}

impl Certificate {
    /// Reads a certificate.
    fn parse(der: &[u8]) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        let mut names = Vec::new();
        if let Ok(Some(extension)) = certificate.subject_alternative_name() {
            for name in &extension.value.general_names {
                match name {
                    GeneralName::DNSName(name) => names.push((*name).to_owned()),
                    GeneralName::IPAddress(bytes) => names.extend(address(bytes)),
                    _ => {}
                }
            }
        }
        Some(Self {
            names,
            issuer: certificate.issuer().to_string(),
            self_signed: certificate.issuer() == certificate.subject(),
            not_before: certificate.validity().not_before.timestamp(),
            not_after: certificate.validity().not_after.timestamp(),
        })
    }

    /// Whether it is for that host.
    pub(crate) fn is_for(&self, host: &str) -> bool {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        self.names.iter().any(|name| {
            let name = name.trim_end_matches('.').to_ascii_lowercase();
            name == host
                || name.strip_prefix("*.").is_some_and(|domain| {
                    host.split_once('.').is_some_and(|(_, rest)| rest == domain)
                })
        })
    }

    /// What a client that verifies would object to, the gravest first.
    pub(crate) fn objection(&self, host: &str, trusts_own_ca: bool) -> Option<Failure> {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |age| i64::try_from(age.as_secs()).unwrap_or(i64::MAX));
        if now > self.not_after || now < self.not_before {
            let what = if now > self.not_after {
                "has expired"
            } else {
                "is not valid yet"
            };
            return Some(Failure::new(
                StepError::CertificateExpired,
                format!("the certificate {what} (issuer {})", self.issuer),
            ));
        }
        if self.self_signed && !trusts_own_ca {
            return Some(Failure::new(
                StepError::CertificateUntrusted,
                format!(
                    "the certificate is signed by itself ({}), and nothing in the client's environment names a CA",
                    self.issuer
                ),
            ));
        }
        if !self.is_for(host) {
            return Some(Failure::new(
                StepError::CertificateName,
                format!(
                    "the certificate is for {}, not for {host}",
                    if self.names.is_empty() {
                        "no host name at all".to_owned()
                    } else {
                        self.names.join(", ")
                    }
                ),
            ));
        }
        None
    }
}

fn address(bytes: &[u8]) -> Option<String> {
    if let Ok(four) = <[u8; 4]>::try_from(bytes) {
        return Some(std::net::IpAddr::from(four).to_string());
    }
    let six = <[u8; 16]>::try_from(bytes).ok()?;
    Some(std::net::IpAddr::from(six).to_string())
}

/// Makes a TLS connection of an open one.
///
/// # Errors
/// No TLS there, or no version in common.
pub(crate) async fn secure(
    stream: Stream,
    host: &str,
    protocols: &[&[u8]],
    clock: &Clock,
) -> Result<Secured, Failure> {
    let connector = TlsConnector::from(Arc::new(config(protocols)?));
    match clock
        .within(HANDSHAKE, connector.connect(server_name(host), stream))
        .await
    {
        Ok(Ok(stream)) => {
            let (_, connection) = stream.get_ref();
            let certificate = connection
                .peer_certificates()
                .and_then(|chain| chain.first())
                .and_then(|leaf| Certificate::parse(leaf));
            Ok(Secured {
                stream,
                certificate,
            })
        }
        Ok(Err(error)) => Err(failed(&error)),
        Err(late) => Err(Failure::late(
            late,
            StepError::Silent,
            "the peer does not answer a TLS handshake",
        )),
    }
}

/// Why a handshake failed.
pub(crate) fn failed(error: &std::io::Error) -> Failure {
    let inner = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match inner {
        Some(rustls::Error::InvalidMessage(_)) => Failure::new(
            StepError::Mismatch,
            "what answers does not speak TLS, which the client wants",
        )
        .fact("seen_protocol", "plain"),
        Some(inner) => Failure::new(
            StepError::TlsFailed,
            format!("the TLS handshake failed: {inner}"),
        ),
        None if error.kind() == std::io::ErrorKind::UnexpectedEof => Failure::new(
            StepError::TlsFailed,
            "the peer closed the connection during the TLS handshake",
        ),
        None => Failure::broken(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate(names: &[&str]) -> Certificate {
        Certificate {
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            issuer: "CN=ca".to_owned(),
            self_signed: false,
            not_before: 0,
            not_after: i64::MAX,
        }
    }

    #[test]
    fn a_certificate_is_judged_by_time_then_trust_then_name() {
        let good = certificate(&["*.shop.svc", "db"]);
        assert_eq!(good.objection("db.shop.svc", false), None);
        assert_eq!(good.objection("DB.", false), None);
        let error = |certificate: &Certificate, own: bool| {
            certificate
                .objection("a.db.shop.svc", own)
                .map(|failure| failure.error)
        };
        assert_eq!(error(&good, false), Some(StepError::CertificateName));
        let mut other = good.clone();
        other.self_signed = true;
        assert_eq!(error(&other, false), Some(StepError::CertificateUntrusted));
        assert_eq!(error(&other, true), Some(StepError::CertificateName));
        other.not_after = 10;
        assert_eq!(error(&other, true), Some(StepError::CertificateExpired));
    }
}
