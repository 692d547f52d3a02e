//! Whether a client takes a server's certificate: what it verifies by its own words, and against which roots. Pure.

use std::collections::BTreeMap;
use std::fmt;

use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, IpAddr as PkiAddress, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, RootCertStore};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use crate::address::TlsMode;
use crate::address::trust::{self as words, Authority};
use crate::probe::found::Failure;
use crate::probe::wire::{ClientFile, EdgeTask, StepError};
use crate::protocol::Protocol;

/// What the client's container says of trust.
pub(crate) struct ClientTrust<'a> {
    variables: &'a BTreeMap<String, String>,
    /// By the path in the client's container; nothing for one that was not there.
    files: BTreeMap<&'a str, Option<String>>,
}

impl<'a> ClientTrust<'a> {
    /// Takes the files that were handed over.
    pub(crate) fn read(variables: &'a BTreeMap<String, String>, mounted: &'a [ClientFile]) -> Self {
        Self {
            variables,
            files: mounted
                .iter()
                .map(|file| (file, variables.get(&file.variable).cloned()))
                // Of a Secret no one knew whether it has the key.
                .filter(|(file, text)| file.secret.is_none() || text.is_some())
                .map(|(file, text)| (file.path.as_str(), text))
                .collect(),
        }
    }
}

/// What a client verifies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verification {
    /// Nothing.
    Nothing,
    /// As most drivers do where no one says more.
    Usual,
    /// The chain.
    Chain,
    /// Chain and name.
    Full,
}

/// What a client trusts on one edge.
#[derive(Clone)]
pub(crate) struct Trust {
    verification: Verification,
    /// HTTP clients verify the name and the dates everywhere; drivers differ.
    is_http: bool,
    /// Whether the public CAs count.
    public: bool,
    /// The certificates that the client names: CAs, and one may be the server's own.
    own: Vec<CertificateDer<'static>>,
    /// Whether a CA is named for this very server.
    named: bool,
    /// Whether a CA may be known to the client that is not named for this server.
    more: bool,
    /// What names a CA that cannot be read here.
    unread: Option<String>,
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trust")
            .field("verification", &self.verification)
            .field("named", &self.named)
            .field("more", &self.more)
            .field("unread", &self.unread)
            .finish_non_exhaustive()
    }
}

/// What a certificate is worth to the client.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum TrustVerdict {
    /// The client does not verify.
    Unasked,
    /// The client takes it, and so does who looks here.
    Proven,
    /// Nothing speaks for it that could be seen from here.
    NotProven(String),
    /// The client refuses it.
    Refused(Failure),
}

impl Trust {
    /// What the client of an edge trusts: `mode` as its address says, `host_variables` where that stands, `parameters` of its URL.
    pub(crate) fn of(
        task: &EdgeTask,
        mode: Option<TlsMode>,
        host_variables: &[&str],
        parameters: &BTreeMap<String, String>,
        environment: &ClientTrust<'_>,
    ) -> Self {
        let mut named = Sources::default();
        let mut others = Sources::default();
        let ambient = environment.variables.iter();
        for (name, value) in parameters {
            if words::names_authority(name) {
                named.add(name, value, environment);
            }
        }
        for (name, value) in ambient.filter(|(name, _)| words::names_authority(name)) {
            let product = words::is_of_product(name, task.protocol);
            let beside = host_variables
                .iter()
                .any(|variable| words::is_beside(name, variable));
            if !words::is_of_process(name) && (beside || product == Some(true)) {
                named.add(name, value, environment);
            } else if words::is_of_process(name) || product.is_none() {
                others.add(name, value, environment);
            }
        }
        for (path, text) in &environment.files {
            others.text(path, text.as_deref());
        }
        let is_named = named.any;
        let verification = verification(task, mode, is_named, environment);
        let public = !is_named || named.public;
        let chosen = if is_named { named } else { others.clone() };
        Self {
            verification,
            is_http: matches!(task.protocol, Protocol::Http | Protocol::Https),
            public,
            own: chosen.certificates,
            named: is_named,
            more: others.any,
            unread: chosen.unread,
        }
    }

    /// Whether the client takes this certificate of a server that it calls `host`.
    pub(crate) fn judge(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        host: &str,
        now: UnixTime,
    ) -> TrustVerdict {
        if self.verification == Verification::Nothing {
            return TrustVerdict::Unasked;
        }
        let Some(certificate) = Certificate::parse(leaf) else {
            return TrustVerdict::NotProven("its certificate cannot be read".to_owned());
        };
        let seconds = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        let dates = certificate.out_of_date(seconds);
        let name = (self.verification != Verification::Chain)
            .then(|| self.other_name(&certificate, leaf, host))
            .flatten();
        // A certificate that has expired may still come from the right CA.
        let then = if dates.is_some() {
            UnixTime::since_unix_epoch(std::time::Duration::from_secs(
                u64::try_from(certificate.not_after - 1).unwrap_or(0),
            ))
        } else {
            now
        };
        let chain = self.chain(&certificate, leaf, others, then);
        match (self.verification, chain) {
            (_, Chain::Leads) => match dates.or(name) {
                Some(failure) => TrustVerdict::Refused(failure),
                None => TrustVerdict::Proven,
            },
            (Verification::Usual, chain) => {
                let objection = dates.or(name.filter(|_| !certificate.self_signed));
                match objection {
                    Some(failure) if self.is_http && !self.more => TrustVerdict::Refused(failure),
                    _ => TrustVerdict::NotProven(self.words(&chain, &certificate)),
                }
            }
            (_, chain) => {
                if let Some(failure) = dates {
                    return TrustVerdict::Refused(failure);
                }
                let words = self.words(&chain, &certificate);
                // A CA that no one names may be part of the client's image; a self-signed certificate is in no such bundle.
                let may_be_in_image = !self.named && !certificate.self_signed;
                if chain == Chain::Unknown && (self.named || !self.more) && !may_be_in_image {
                    return TrustVerdict::Refused(Failure::new(
                        StepError::CertificateUntrusted,
                        words,
                    ));
                }
                name.map_or(TrustVerdict::NotProven(words), TrustVerdict::Refused)
            }
        }
    }

    fn words(&self, chain: &Chain, certificate: &Certificate) -> String {
        let issuer = &certificate.issuer;
        match (chain, &self.unread) {
            (_, Some(source)) => {
                format!("the CA that {source} names cannot be read here (issuer {issuer})")
            }
            (Chain::Unjudged(why), None) => {
                format!("its chain cannot be verified here: {why} (issuer {issuer})")
            }
            _ if self.named => {
                format!("it does not come from the CA that the client names (issuer {issuer})")
            }
            _ if self.more => format!(
                "it comes neither from the public CAs nor from those that the client's container knows (issuer {issuer})"
            ),
            _ => format!(
                "it does not come from a public CA, and the client's configuration names no other; one in its image cannot be read here (issuer {issuer})"
            ),
        }
    }

    /// The client's roots; most edges never need them.
    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        if self.public {
            roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        }
        roots.add_parsable_certificates(self.own.iter().cloned());
        roots
    }

    /// Whether the certificate leads to a root of the client.
    fn chain(
        &self,
        certificate: &Certificate,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Chain {
        // The library takes no CA for a server, and clients do where they know that very certificate.
        if self.own.iter().any(|own| own.as_ref() == leaf.as_ref()) {
            return Chain::Leads;
        }
        let provider = rustls::crypto::ring::default_provider();
        let algorithms = provider.signature_verification_algorithms.all;
        let verified = ParsedCertificate::try_from(leaf).and_then(|parsed| {
            verify_server_cert_signed_by_trust_anchor(
                &parsed,
                &self.roots(),
                others,
                now,
                algorithms,
            )
        });
        match verified {
            Ok(()) => Chain::Leads,
            Err(_) if self.unread.is_some() => {
                Chain::Unjudged("its CA cannot be read here".to_owned())
            }
            Err(_) if certificate.self_signed => Chain::Unknown,
            Err(rustls::Error::InvalidCertificate(
                CertificateError::UnknownIssuer | CertificateError::BadSignature,
            )) => Chain::Unknown,
            Err(error) => Chain::Unjudged(error.to_string()),
        }
    }

    fn other_name(
        &self,
        certificate: &Certificate,
        leaf: &CertificateDer<'_>,
        host: &str,
    ) -> Option<Failure> {
        let verified = ParsedCertificate::try_from(leaf)
            .and_then(|parsed| verify_server_name(&parsed, &server_name(host)));
        let lenient = !self.is_http && certificate.names.is_empty();
        if verified.is_ok()
            || certificate.is_for(host)
            || (lenient && same(&certificate.common_name, host))
        {
            return None;
        }
        Some(Failure::new(
            StepError::CertificateName,
            format!(
                "the certificate is for {}, not for {host}",
                if certificate.names.is_empty() {
                    "no host name at all".to_owned()
                } else {
                    certificate.names.join(", ")
                }
            ),
        ))
    }
}

/// Where a chain leads.
#[derive(Debug, PartialEq, Eq)]
enum Chain {
    /// To a root of the client.
    Leads,
    /// To none of them.
    Unknown,
    /// It cannot be determined, and why.
    Unjudged(String),
}

/// What the client verifies by its own words.
fn verification(
    task: &EdgeTask,
    mode: Option<TlsMode>,
    is_named: bool,
    environment: &ClientTrust<'_>,
) -> Verification {
    // As libpq does with a root certificate beside `require`, and MySQL's clients with a CA and no mode.
    let by_authority = match (task.protocol, mode) {
        (Protocol::Postgres, Some(TlsMode::Required)) | (Protocol::Mysql, None) => is_named,
        _ => false,
    };
    let usual = match mode {
        Some(TlsMode::Verify) => return Verification::Full,
        Some(TlsMode::VerifyCa) => return Verification::Chain,
        _ if by_authority => return Verification::Chain,
        Some(TlsMode::Secured) => true,
        Some(TlsMode::Disabled | TlsMode::Preferred | TlsMode::Required) => false,
        None => task.protocol == Protocol::Https,
    };
    if !usual || words::verifies_nothing(environment.variables) {
        Verification::Nothing
    } else if is_named {
        Verification::Full
    } else {
        Verification::Usual
    }
}

/// The CAs of a client, or what names them.
#[derive(Clone, Default)]
struct Sources {
    certificates: Vec<CertificateDer<'static>>,
    public: bool,
    any: bool,
    unread: Option<String>,
}

impl Sources {
    /// The CA that a parameter or a variable names.
    fn add(&mut self, name: &str, value: &str, environment: &ClientTrust<'_>) {
        match words::authority(value) {
            None => {}
            Some(Authority::Public) => {
                self.any = true;
                self.public = true;
            }
            Some(Authority::Pem(text)) => self.text(name, Some(&text)),
            Some(Authority::File(path)) => {
                let text = environment.files.get(path.as_str()).cloned().flatten();
                self.text(name, text.as_deref());
            }
            Some(Authority::Elsewhere) => self.text(name, None),
        }
    }

    fn text(&mut self, source: &str, text: Option<&str>) {
        self.any = true;
        let before = self.certificates.len();
        let certificates = CertificateDer::pem_slice_iter(text.unwrap_or_default().as_bytes());
        self.certificates.extend(certificates.map_while(Result::ok));
        if self.certificates.len() == before {
            self.unread = Some(source.to_owned());
        }
    }
}

/// What a certificate says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Certificate {
    /// The host names and addresses that it is for.
    pub(crate) names: Vec<String>,
    /// The name of its subject.
    common_name: String,
    /// Who issued it.
    pub(crate) issuer: String,
    /// Whether it is its own issuer.
    self_signed: bool,
    /// Seconds since the epoch.
    not_before: i64,
    /// Seconds since the epoch.
    not_after: i64,
}

impl Certificate {
    /// Reads a certificate.
    pub(crate) fn parse(der: &[u8]) -> Option<Self> {
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
        let common_name = certificate
            .subject()
            .iter_common_name()
            .find_map(|name| name.as_str().ok())
            .unwrap_or_default();
        Some(Self {
            names,
            common_name: common_name.to_owned(),
            issuer: certificate.issuer().to_string(),
            self_signed: certificate.issuer() == certificate.subject(),
            not_before: certificate.validity().not_before.timestamp(),
            not_after: certificate.validity().not_after.timestamp(),
        })
    }

    /// Whether it is for that host.
    fn is_for(&self, host: &str) -> bool {
        self.names.iter().any(|name| {
            let domain = name.trim_end_matches('.').strip_prefix("*.");
            same(name, host)
                || domain.is_some_and(|domain| {
                    host.split_once('.')
                        .is_some_and(|(_, rest)| same(rest, domain))
                })
        })
    }

    fn out_of_date(&self, now: i64) -> Option<Failure> {
        let what = if now > self.not_after {
            "has expired"
        } else if now < self.not_before {
            "is not valid yet"
        } else {
            return None;
        };
        Some(Failure::new(
            StepError::CertificateExpired,
            format!("the certificate {what} (issuer {})", self.issuer),
        ))
    }
}

fn same(a: &str, b: &str) -> bool {
    a.trim_end_matches('.')
        .eq_ignore_ascii_case(b.trim_end_matches('.'))
}

fn address(bytes: &[u8]) -> Option<String> {
    if let Ok(four) = <[u8; 4]>::try_from(bytes) {
        return Some(std::net::IpAddr::from(four).to_string());
    }
    let six = <[u8; 16]>::try_from(bytes).ok()?;
    Some(std::net::IpAddr::from(six).to_string())
}

/// The name that a client would ask for and check.
pub(crate) fn server_name(host: &str) -> ServerName<'static> {
    let host = host.strip_suffix('.').unwrap_or(host);
    ServerName::try_from(host.to_owned()).unwrap_or_else(|_| {
        // A name that TLS cannot carry (`my_db` passes, blanks do not): the handshake works without one.
        ServerName::IpAddress(PkiAddress::from(std::net::Ipv4Addr::UNSPECIFIED))
    })
}
