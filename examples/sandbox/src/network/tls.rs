//! The server side of TLS, with a certificate that is made for the scenario. IO: the connection.

use std::io;
use std::sync::{Arc, OnceLock};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use tokio_rustls::server::TlsStream;

use super::answer::Certificate;

/// The server's end of a connection.
pub(super) async fn accept(
    stream: TcpStream,
    certificate: &Certificate,
) -> io::Result<TlsStream<TcpStream>> {
    let config = config(certificate).map_err(io::Error::other)?;
    TlsAcceptor::from(Arc::new(config)).accept(stream).await
}

fn config(
    certificate: &Certificate,
) -> Result<ServerConfig, Box<dyn std::error::Error + Send + Sync>> {
    let (chain, key) = make(certificate)?;
    Ok(
        ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![chain], PrivatePkcs8KeyDer::from(key).into())?,
    )
}

fn make(certificate: &Certificate) -> Result<(CertificateDer<'static>, Vec<u8>), rcgen::Error> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(certificate.names.clone())?;
    params
        .distinguished_name
        .push(DnType::CommonName, "sandbox server");
    if certificate.expired {
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2021, 1, 1);
    }
    let made = if certificate.self_signed {
        params.self_signed(&key)?
    } else {
        params.signed_by(&key, &own()?.issuer)?
    };
    Ok((made.der().clone(), key.serialize_der()))
}

/// A CA.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new() -> Result<Self, rcgen::Error> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(Vec::new())?;
        params
            .distinguished_name
            .push(DnType::CommonName, "sandbox CA");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key)?.pem();
        Ok(Self {
            issuer: Issuer::new(params, key),
            pem,
        })
    }
}

/// The one that all servers have their certificates from.
fn own() -> Result<&'static Authority, rcgen::Error> {
    static OWN: OnceLock<Authority> = OnceLock::new();
    if let Some(own) = OWN.get() {
        return Ok(own);
    }
    let made = Authority::new()?;
    Ok(OWN.get_or_init(|| made))
}

/// What a Secret holds: `@authority` is the certificate of the servers' CA, `@other-authority` that of another one.
pub(crate) fn secret(value: &str) -> String {
    let pem = match value {
        "@authority" => own().map(|own| own.pem.clone()),
        "@other-authority" => Authority::new().map(|other| other.pem),
        _ => return value.to_owned(),
    };
    pem.unwrap_or_default()
}
