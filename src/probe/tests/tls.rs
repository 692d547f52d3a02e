//! TLS and logins against servers that the client trusts and against impostors: what leaves, and what is claimed.

use std::sync::{Arc, Mutex};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::{edge, edges, login};
use crate::probe::tests::Outcome;
use crate::probe::wire::{EdgeTask, Step, StepError, StepName, StepStatus};
use crate::protocol::Protocol;

const PASSWORD: &str = "S3CRETPW";

/// What a server was sent after the handshake.
type Received = Arc<Mutex<Vec<u8>>>;

/// A CA of someone's own, as PEM, and a server's certificate from it.
struct Issued {
    ca: String,
    acceptor: TlsAcceptor,
}

fn issue(names: &[&str]) -> Issued {
    issued(names, |_| {}, None)
}

/// With other fields, or with another key than the certificate's.
fn issued(
    names: &[&str],
    change: impl Fn(&mut CertificateParams),
    other_key: Option<KeyPair>,
) -> Issued {
    let mut params = CertificateParams::new(vec![]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    // As its CA is called otherwise, it is no self-signed certificate.
    params
        .distinguished_name
        .push(DnType::CommonName, "a server");
    change(&mut params);
    let key = KeyPair::generate().unwrap();
    let leaf = params.signed_by(&key, &ca).unwrap();
    let key = other_key.unwrap_or(key);
    Issued {
        ca: ca.pem(),
        acceptor: acceptor(leaf.der().clone(), &key),
    }
}

/// A server that takes no client without a certificate of its CA.
fn strict(version: &'static rustls::SupportedProtocolVersion) -> TlsAcceptor {
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let own = params.self_signed(&key).unwrap().der().clone();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(own.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let clients = rustls::server::WebPkiClientVerifier::builder_with_provider(
        Arc::new(roots),
        Arc::clone(&provider),
    );
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .unwrap()
        .with_client_cert_verifier(clients.build().unwrap())
        .with_single_cert(
            vec![own],
            PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
        )
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

#[derive(Debug)]
struct Always(Arc<CertifiedKey>);

impl rustls::server::ResolvesServerCert for Always {
    fn resolve(&self, _: rustls::server::ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

/// Takes any key, as a thief of a certificate has to.
fn acceptor(leaf: CertificateDer<'static>, key: &KeyPair) -> TlsAcceptor {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let key = PrivatePkcs8KeyDer::from(key.serialize_der()).into();
    let key = provider.key_provider.load_private_key(key).unwrap();
    let shown = Always(Arc::new(CertifiedKey::new(vec![leaf], key)));
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(shown));
    TlsAcceptor::from(Arc::new(config))
}

async fn serve(protocol: Protocol, acceptor: Option<TlsAcceptor>) -> (u16, Received) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let received = Received::default();
    let shared = Arc::clone(&received);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (received, acceptor) = (Arc::clone(&shared), acceptor.clone());
            // What the client breaks off is no failure of the server.
            tokio::spawn(async move { answer(stream, protocol, acceptor, &received).await.ok() });
        }
    });
    (port, received)
}

async fn answer(
    mut stream: TcpStream,
    protocol: Protocol,
    acceptor: Option<TlsAcceptor>,
    received: &Received,
) -> std::io::Result<()> {
    match protocol {
        Protocol::Mysql => {
            stream.write_all(&greeting(acceptor.is_some())).await?;
        }
        Protocol::Postgres => {
            let mut request = [0; 8];
            stream.read_exact(&mut request).await?;
            stream
                .write_all(if acceptor.is_some() { b"S" } else { b"N" })
                .await?;
        }
        _ => {}
    }
    match acceptor {
        Some(acceptor) => {
            if protocol == Protocol::Mysql {
                let mut request = [0; 36];
                stream.read_exact(&mut request).await?;
                assert_eq!(request[3], 1);
            }
            let stream = acceptor.accept(stream).await?;
            talk(stream, protocol, 2, received).await
        }
        None => talk(stream, protocol, 1, received).await,
    }
}

/// Takes every login, and remembers it.
async fn talk<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    protocol: Protocol,
    mut number: u8,
    received: &Received,
) -> std::io::Result<()> {
    let receive = async |stream: &mut S| {
        let mut bytes = vec![0; 4096];
        let length = stream.read(&mut bytes).await?;
        if length == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        received.lock().unwrap().extend_from_slice(&bytes[..length]);
        Ok::<_, std::io::Error>(bytes[3])
    };
    match protocol {
        Protocol::Mysql => {
            for answer in [&[1, 4][..], &[0, 0, 0, 2, 0, 0, 0]] {
                assert_eq!(receive(&mut stream).await?, number);
                stream
                    .write_all(&packet(number.wrapping_add(1), answer))
                    .await?;
                number += 2;
            }
            loop {
                receive(&mut stream).await?;
                let error = b"\xff\x10\x04#42000no such thing";
                stream.write_all(&packet(1, error)).await?;
            }
        }
        Protocol::Postgres => {
            receive(&mut stream).await?;
            stream.write_all(b"R\0\0\0\x08\0\0\0\x03").await?;
            receive(&mut stream).await?;
            stream.write_all(b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I").await?;
            receive(&mut stream).await?;
        }
        Protocol::Redis => loop {
            receive(&mut stream).await?;
            stream.write_all(b"+OK\r\n").await?;
        },
        Protocol::Amqp => {
            receive(&mut stream).await?;
            let start = b"\x01\0\0\0\0\0\x04\0\x0a\0\x0a\xce";
            stream.write_all(start).await?;
            receive(&mut stream).await?;
        }
        _ => {
            receive(&mut stream).await?;
            let has_login = received
                .lock()
                .unwrap()
                .windows(6)
                .any(|part| part == b"Basic ");
            let status = if has_login {
                "200 OK"
            } else {
                "401 Unauthorized"
            };
            let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
            stream.write_all(answer.as_bytes()).await?;
        }
    }
    Ok(())
}

fn packet(number: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_le_bytes();
    [&length[..3], &[number], payload].concat()
}

fn greeting(tls: bool) -> Vec<u8> {
    greeting_of(tls, "caching_sha2_password")
}

fn greeting_of(tls: bool, plugin: &str) -> Vec<u8> {
    let mut payload = b"\x0a9.1.0\0\x01\0\0\0aaaaaaaa\0".to_vec();
    payload.extend([0xff, if tls { 0xff } else { 0xf7 }]);
    payload.extend([8, 2, 0, 0x0f, 0x80, 21]);
    payload.extend([0; 10]);
    payload.extend(b"bbbbbbbbbbbb\0");
    payload.extend(plugin.as_bytes());
    payload.push(0);
    packet(0, &payload)
}

/// One edge with a URL of `{scheme}://app:PASSWORD@localhost:PORT/{rest}`; whether the password was received.
async fn dial(
    protocol: Protocol,
    scheme: &str,
    rest: &str,
    acceptor: Option<TlsAcceptor>,
    environment: &[(&str, &str)],
) -> (Outcome, bool) {
    dial_as(protocol, scheme, rest, acceptor, environment, |_| {}).await
}

async fn dial_as(
    protocol: Protocol,
    scheme: &str,
    rest: &str,
    acceptor: Option<TlsAcceptor>,
    environment: &[(&str, &str)],
    change: impl Fn(&mut EdgeTask),
) -> (Outcome, bool) {
    let (outcome, received) = converse(protocol, scheme, rest, acceptor, environment, change).await;
    let has = |text: &[u8]| received.windows(text.len()).any(|part| part == text);
    // `app:S3CRETPW` in base64, for HTTP.
    let leaked = has(PASSWORD.as_bytes()) || has(b"YXBwOlMzQ1JFVFBX");
    (outcome, leaked)
}

/// The same; all that the server received.
async fn converse(
    protocol: Protocol,
    scheme: &str,
    rest: &str,
    acceptor: Option<TlsAcceptor>,
    environment: &[(&str, &str)],
    change: impl Fn(&mut EdgeTask),
) -> (Outcome, Vec<u8>) {
    let (port, received) = serve(protocol, acceptor).await;
    let url = format!("{scheme}://app:{PASSWORD}@localhost:{port}/{rest}");
    let mut task = edge("e", port, protocol);
    task.host = "localhost".to_owned();
    task.login = Some(login("APP_URL"));
    change(&mut task);
    let environment: Vec<(&str, &str)> = environment
        .iter()
        .copied()
        .chain([("APP_URL", url.as_str())])
        .collect();
    let outcome = edges(vec![task], &environment).await;
    let received = received.lock().unwrap().clone();
    (outcome, received)
}

/// Every protocol with the words that make its client verify.
const VERIFIED: [(Protocol, &str, &str); 5] = [
    (Protocol::Postgres, "postgres", "db?sslmode=verify-full"),
    (Protocol::Mysql, "mysql", "db?ssl-mode=VERIFY_IDENTITY"),
    (Protocol::Redis, "rediss", "0?ssl_cert_reqs=required"),
    (Protocol::Https, "https", "?tls=verify"),
    (Protocol::Amqp, "amqps", "v?verify=verify_peer"),
];

#[tokio::test]
async fn an_impostor_gets_no_login_of_a_client_that_verifies_by_its_own_words() {
    for (protocol, scheme, rest) in VERIFIED {
        let issued = issue(&["localhost"]);
        let (outcome, leaked) = dial(protocol, scheme, rest, Some(issued.acceptor), &[]).await;
        assert!(!leaked, "{protocol}");
        // Its CA may be part of the client's image: no pass beyond TLS, and no failure either.
        let step = outcome.step("e", StepName::Tls);
        assert_eq!(step.error, Some(StepError::TrustNotProven), "{protocol}");
        assert!(step.detail.contains("in its image"), "{}", step.detail);
        // With a CA that is named, or a server that vouches for itself, it is one.
        let issued = issue(&["localhost"]);
        let other = issue(&["localhost"]).ca;
        let environment = [("APP_SSL_CA", other.as_str())];
        let (outcome, leaked) =
            dial(protocol, scheme, rest, Some(issued.acceptor), &environment).await;
        assert!(!leaked, "{protocol}");
        let error = outcome.error("e", StepName::Tls);
        assert_eq!(error, Some(StepError::CertificateUntrusted), "{protocol}");
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let own = acceptor(params.self_signed(&key).unwrap().der().clone(), &key);
        let (outcome, leaked) = dial(protocol, scheme, rest, Some(own), &[]).await;
        assert!(!leaked, "{protocol}");
        let error = outcome.error("e", StepName::Tls);
        assert_eq!(error, Some(StepError::CertificateUntrusted), "{protocol}");
        assert_eq!(outcome.step("e", StepName::Tls).status, StepStatus::Fail);
    }
}

#[tokio::test]
async fn a_server_of_the_named_ca_gets_the_login() {
    for (protocol, scheme, rest) in VERIFIED {
        let issued = issue(&["localhost"]);
        let environment = [("APP_SSL_CA", issued.ca.as_str())];
        let (outcome, leaked) =
            dial(protocol, scheme, rest, Some(issued.acceptor), &environment).await;
        let step = outcome.step("e", StepName::Tls);
        assert_eq!(step.status, StepStatus::Pass, "{}", outcome.text);
        assert_eq!(step.facts["trust"], "proven", "{protocol}");
        assert!(leaked, "{protocol}: {}", outcome.text);
        if protocol != Protocol::Amqp {
            let login = outcome.step("e", StepName::Login);
            assert_eq!(login.status, StepStatus::Pass, "{}", outcome.text);
        }
    }
}

/// One that does not receive it counts an aborted client, and a proxy keeps its own connection to the server behind it.
#[tokio::test]
async fn a_mysql_server_hears_the_goodbye() {
    let issued = issue(&["localhost"]);
    let environment = [("APP_SSL_CA", issued.ca.as_str())];
    let rest = "db?ssl-mode=VERIFY_IDENTITY";
    let acceptor = Some(issued.acceptor);
    let (outcome, received) = converse(
        Protocol::Mysql,
        "mysql",
        rest,
        acceptor,
        &environment,
        |_| {},
    )
    .await;
    let login = outcome.step("e", StepName::Login);
    assert_eq!(login.status, StepStatus::Pass, "{}", outcome.text);
    assert!(received.ends_with(b"\x01\0\0\0\x01"), "{received:?}");
}

#[tokio::test]
async fn bare_tls_with_a_ca_that_no_one_names_is_not_claimed_and_gets_no_login() {
    for (protocol, scheme, rest) in [
        (Protocol::Redis, "rediss", "0"),
        (Protocol::Https, "https", ""),
        (Protocol::Amqp, "amqps", "v"),
        (Protocol::Mysql, "mysql", "db?tls=true"),
        (Protocol::Postgres, "postgres", "db?ssl=true"),
    ] {
        let issued = issue(&["localhost"]);
        let (outcome, leaked) = dial(protocol, scheme, rest, Some(issued.acceptor), &[]).await;
        assert!(!leaked, "{protocol}");
        let step = outcome.step("e", StepName::Tls);
        assert_eq!(step.status, StepStatus::Pass, "{}", outcome.text);
        assert_eq!(step.error, Some(StepError::TrustNotProven));
        assert!(step.detail.starts_with("trust not proven"), "{step:?}");
        assert!(!outcome.steps.iter().any(|step| {
            step.name == StepName::Login
                && step.status != StepStatus::Skipped
                && step
                    .facts
                    .get("password")
                    .is_none_or(|value| value != "none")
        }));
    }
}

#[tokio::test]
async fn a_ca_that_cannot_be_read_proves_nothing() {
    for (protocol, scheme, rest) in VERIFIED {
        let issued = issue(&["localhost"]);
        let environment = [("APP_SSL_CA", "/nowhere/ca.crt")];
        let (outcome, leaked) =
            dial(protocol, scheme, rest, Some(issued.acceptor), &environment).await;
        assert!(!leaked, "{protocol}");
        let step = outcome.step("e", StepName::Tls);
        assert_eq!(step.error, Some(StepError::TrustNotProven), "{protocol}");
        assert_eq!(step.status, StepStatus::Pass);
        assert!(step.detail.contains("APP_SSL_CA"), "{}", step.detail);
    }
}

#[tokio::test]
async fn a_wrong_name_and_a_date_that_is_over_are_refused_where_the_client_verifies() {
    let old = |params: &mut CertificateParams| {
        params.not_before = rcgen::date_time_ymd(2001, 1, 1);
        params.not_after = rcgen::date_time_ymd(2002, 1, 1);
    };
    for (query, names, change, expected) in [
        (
            "verify-full",
            "other",
            false,
            Some(StepError::CertificateName),
        ),
        ("verify-ca", "other", false, None),
        (
            "verify-ca",
            "localhost",
            true,
            Some(StepError::CertificateExpired),
        ),
    ] {
        let made = issued(
            &[names],
            |params| {
                if change {
                    old(params);
                }
            },
            None,
        );
        let (outcome, leaked) = dial(
            Protocol::Postgres,
            "postgres",
            &format!("db?sslmode={query}"),
            Some(made.acceptor),
            &[("PGSSLROOTCERT", &made.ca)],
        )
        .await;
        assert_eq!(outcome.error("e", StepName::Tls), expected, "{query}");
        assert_eq!(leaked, expected.is_none(), "{query}");
    }
}

#[tokio::test]
async fn a_certificate_without_its_key_ends_the_handshake_even_where_nothing_is_verified() {
    for (protocol, scheme, rest) in [
        (Protocol::Postgres, "postgres", "db?sslmode=require"),
        (Protocol::Redis, "rediss", "0?ssl_cert_reqs=none"),
        (Protocol::Https, "https", "?ssl_cert_reqs=none"),
        (Protocol::Mysql, "mysql", "db?ssl-mode=REQUIRED"),
    ] {
        let stolen = issued(&["localhost"], |_| {}, Some(KeyPair::generate().unwrap()));
        let (outcome, leaked) = dial(protocol, scheme, rest, Some(stolen.acceptor), &[]).await;
        assert!(!leaked, "{protocol}");
        let step = outcome.step("e", StepName::Tls);
        assert_eq!(step.status, StepStatus::Fail, "{protocol} {step:?}");
        assert_eq!(step.error, Some(StepError::CertificateUntrusted));
    }
}

#[tokio::test]
async fn mysql_takes_no_key_from_the_wire_unless_the_client_says_so() {
    let (outcome, leaked) = dial(Protocol::Mysql, "mysql", "db", None, &[]).await;
    assert!(!leaked);
    let step = outcome.step("e", StepName::Login);
    assert_eq!(step.status, StepStatus::Skipped, "{}", outcome.text);
    assert!(step.detail.contains("allowPublicKeyRetrieval"));
    // Opportunistic TLS verifies nothing, as the real clients do.
    let issued = issue(&["localhost"]);
    let (outcome, leaked) = dial(Protocol::Mysql, "mysql", "db", Some(issued.acceptor), &[]).await;
    assert!(leaked);
    assert_eq!(
        outcome.step("e", StepName::Login).status,
        StepStatus::Pass,
        "{}",
        outcome.text
    );
}

/// A MySQL server that wants the password as it is, at once or once it has the name; over TLS if there is an acceptor.
async fn wants_clear_text(at_once: bool, acceptor: Option<TlsAcceptor>) -> (u16, Received) {
    async fn ask<S: AsyncRead + AsyncWrite + Unpin>(
        mut stream: S,
        mut number: u8,
        at_once: bool,
        received: &Received,
    ) -> std::io::Result<()> {
        for switch in [!at_once, false] {
            let mut bytes = vec![0; 4096];
            let length = stream.read(&mut bytes).await?;
            received.lock().unwrap().extend_from_slice(&bytes[..length]);
            let answer: &[u8] = if switch {
                b"\xfemysql_clear_password\0"
            } else {
                &[0, 0, 0, 2, 0, 0, 0]
            };
            stream.write_all(&packet(number, answer)).await?;
            number += 2;
        }
        Ok(())
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let received = Received::default();
    let shared = Arc::clone(&received);
    let plugin = if at_once {
        "mysql_clear_password"
    } else {
        "caching_sha2_password"
    };
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (received, acceptor) = (Arc::clone(&shared), acceptor.clone());
            tokio::spawn(async move {
                stream
                    .write_all(&greeting_of(acceptor.is_some(), plugin))
                    .await?;
                match acceptor {
                    Some(acceptor) => {
                        stream.read_exact(&mut [0; 36]).await?;
                        ask(acceptor.accept(stream).await?, 3, at_once, &received).await
                    }
                    None => ask(stream, 2, at_once, &received).await,
                }
            });
        }
    });
    (port, received)
}

#[tokio::test]
async fn mysql_sends_no_password_in_clear_text_unless_the_client_says_so() {
    for (rest, secured, allowed) in [
        ("db", true, false),
        ("db", false, false),
        ("db?ssl-mode=REQUIRED", true, false),
        ("db?allowCleartextPasswords=true", false, false),
        ("db?allowCleartextPasswords=true", true, true),
    ] {
        for at_once in [true, false] {
            let acceptor = secured.then(|| issue(&["localhost"]).acceptor);
            let (port, received) = wants_clear_text(at_once, acceptor).await;
            let mut task = edge("e", port, Protocol::Mysql);
            task.host = "localhost".to_owned();
            task.login = Some(login("APP_URL"));
            let url = format!("mysql://app:{PASSWORD}@localhost:{port}/{rest}");
            let outcome = edges(vec![task], &[("APP_URL", url.as_str())]).await;
            let received = received.lock().unwrap().clone();
            let leaked = received
                .windows(PASSWORD.len())
                .any(|part| part == PASSWORD.as_bytes());
            // At once no driver sends it: the server has to ask.
            assert_eq!(
                leaked,
                allowed && !at_once,
                "{rest} {secured} {at_once} {}",
                outcome.text
            );
        }
    }
}

#[tokio::test]
async fn trust_that_is_required_and_not_proven_is_unknown() {
    let issued = issue(&["localhost"]);
    let (port, _) = serve(Protocol::Redis, Some(issued.acceptor)).await;
    let mut task = edge("e", port, Protocol::Redis);
    task.tls = Some(crate::address::TlsMode::Secured);
    let outcome = super::edges_of(vec![task], &[], |spec| spec.require_trust = true).await;
    let step = outcome.step("e", StepName::Tls);
    assert_eq!(step.status, StepStatus::Unknown);
    assert_eq!(step.error, Some(StepError::TrustNotProven));
}

#[tokio::test]
async fn a_server_that_wants_a_certificate_of_its_client_is_no_failure_of_that() {
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        for (protocol, scheme, rest) in [
            (Protocol::Redis, "rediss", "0"),
            (Protocol::Https, "https", ""),
            (Protocol::Amqp, "amqps", "v"),
            (Protocol::Mysql, "mysql", "db?tls=skip-verify"),
            (Protocol::Postgres, "postgres", "db?sslmode=require"),
        ] {
            let (outcome, _) = dial(protocol, scheme, rest, Some(strict(version)), &[]).await;
            let warned = |step: &Step| {
                step.status == StepStatus::Skipped && step.detail.contains("client certificate")
            };
            assert!(
                outcome.steps.iter().any(warned),
                "{protocol}: {}",
                outcome.text
            );
            let failed = |step: &Step| step.status == StepStatus::Fail;
            assert!(
                !outcome.steps.iter().any(failed),
                "{protocol}: {}",
                outcome.text
            );
        }
    }
}
