//! TLS over a connection that is already open. The handshake proves that the peer holds its certificate's key; what the certificate is worth
//! is judged right after it, before a byte is sent, since only the client knows what it trusts. IO: the connection.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rustls::client::ResolvesClientCert;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, IpAddr as PkiAddress, ServerName, UnixTime};
use rustls::sign::CertifiedKey;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::probe::clock::Clock;
use crate::probe::found::Failure;
use crate::probe::peer::Stream;
use crate::probe::trust::{Certificate, Trust, TrustVerdict, server_name};
use crate::probe::wire::StepError;

/// How long a TLS handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(4);

/// Verifies that the peer holds the key of its certificate, always; the certificate itself now, or once the handshake is done.
#[derive(Debug)]
struct Holder {
    provider: Arc<CryptoProvider>,
    /// What to hold a certificate against during the handshake, and for which host.
    now: Option<(Trust, String)>,
}

impl Holder {
    /// A certificate that is too old for the library (X.509 v1, say) has a key all the same.
    fn by_key(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
        error: rustls::Error,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        if error == rustls::Error::InvalidCertificate(CertificateError::BadSignature) {
            return Err(error);
        }
        let Ok((_, parsed)) = X509Certificate::from_der(certificate) else {
            return Err(error);
        };
        let key = &parsed.public_key().subject_public_key.data;
        self.provider
            .signature_verification_algorithms
            .mapping
            .iter()
            .filter(|(scheme, _)| *scheme == signature.scheme)
            .flat_map(|(_, algorithms)| algorithms.iter())
            .any(|algorithm| {
                algorithm
                    .verify_signature(key, message, signature.signature())
                    .is_ok()
            })
            .then(HandshakeSignatureValid::assertion)
            .ok_or(error)
    }
}

impl ServerCertVerifier for Holder {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if let Some((trust, host)) = &self.now
            && !matches!(
                trust.judge(leaf, others, host, now),
                TrustVerdict::Unasked | TrustVerdict::Proven
            )
        {
            return Err(CertificateError::UnknownIssuer.into());
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
            .or_else(|error| self.by_key(message, certificate, signature, error))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
            .or_else(|error| self.by_key(message, certificate, signature, error))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

/// Has no certificate of the client's own, and remembers that a server asked for one.
#[derive(Debug, Default)]
struct NoCertificate(AtomicBool);

impl ResolvesClientCert for NoCertificate {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.0.store(true, Ordering::Relaxed);
        None
    }

    fn has_certs(&self) -> bool {
        false
    }
}

/// A client configuration; with `now` the handshake itself refuses a certificate that this trust does not take for that host.
///
/// # Errors
/// A TLS library that offers no protocol version.
pub(crate) fn config(
    protocols: &[&[u8]],
    now: Option<(Trust, String)>,
) -> Result<ClientConfig, Failure> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| Failure::new(StepError::TlsFailed, error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Holder { provider, now }))
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    Ok(config)
}

/// The first message of a TLS client that names no one, to see whether the peer answers in TLS.
pub(crate) fn hello() -> Option<Vec<u8>> {
    let config = config(&[], None).ok()?;
    let no_name = ServerName::IpAddress(PkiAddress::from(std::net::IpAddr::from([127, 0, 0, 1])));
    let mut client = rustls::ClientConnection::new(Arc::new(config), no_name).ok()?;
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).ok()?;
    Some(bytes)
}

/// A TLS connection, with what its certificate is worth.
pub(crate) struct Secured {
    /// The connection.
    pub(crate) stream: TlsStream<Stream>,
    /// The certificate, if it could be read.
    pub(crate) certificate: Option<Certificate>,
    /// Whether the client takes it.
    pub(crate) verdict: TrustVerdict,
}

/// Makes a TLS connection of an open one; `asked` is set where the server asks for a certificate of the client.
///
/// # Errors
/// No TLS there, or no version in common.
pub(crate) async fn secure(
    stream: Stream,
    host: &str,
    trust: &Trust,
    protocols: &[&[u8]],
    clock: &Clock,
    asked: &OnceLock<()>,
) -> Result<Secured, Failure> {
    let own = Arc::new(NoCertificate::default());
    let mut config = config(protocols, None)?;
    config.client_auth_cert_resolver = Arc::<NoCertificate>::clone(&own);
    let connector = TlsConnector::from(Arc::new(config));
    let connected = clock
        .within(HANDSHAKE, connector.connect(server_name(host), stream))
        .await;
    if own.0.load(Ordering::Relaxed) {
        let _ = asked.set(());
    }
    match connected {
        Ok(Ok(stream)) => {
            let (_, connection) = stream.get_ref();
            let chain = connection.peer_certificates().unwrap_or_default();
            let (certificate, verdict) = match chain.split_first() {
                Some((leaf, others)) => (
                    Certificate::parse(leaf),
                    trust.judge(leaf, others, host, UnixTime::now()),
                ),
                None => (
                    None,
                    TrustVerdict::NotProven("the server shows no certificate".to_owned()),
                ),
            };
            Ok(Secured {
                stream,
                certificate,
                verdict,
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
        Some(rustls::Error::InvalidCertificate(CertificateError::BadSignature)) => Failure::new(
            StepError::CertificateUntrusted,
            "the server shows a certificate whose private key it does not hold: its signature of the handshake is wrong",
        ),
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
