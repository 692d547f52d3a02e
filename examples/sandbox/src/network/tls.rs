//! The server side of TLS, with a certificate that is made for the scenario. IO: the connection.

use std::io;
use std::sync::Arc;

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
        let authority_key = KeyPair::generate()?;
        let mut authority = CertificateParams::new(Vec::new())?;
        authority
            .distinguished_name
            .push(DnType::CommonName, "sandbox CA");
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.signed_by(&key, &Issuer::new(authority, authority_key))?
    };
    Ok((made.der().clone(), key.serialize_der()))
}
