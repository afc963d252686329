use std::path::Path;

use axum::routing::get;
use axum::{Extension, Router};
use runtime::Drain;
use runtime::metrics::OfEveryRole;
use runtime::server::Accepted;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::*;
use crate::tls::alpn_challenges::{AlpnChallenge, AlpnChallenges, DIGEST_BYTES};
use crate::tls::authorities;
use crate::tls::own_identity::OwnIdentity;

/// 2026.
const NOW: i64 = 1_780_000_000;

fn handshakes(certificate: &Path, trusted: &[String]) -> HttpsHandshakes {
    let own = OwnIdentity::new(certificate.to_owned(), vec!["localhost".to_owned()]);
    let config = crate::tls::web_server(vec![own.read_or_make(NOW).unwrap()], None).unwrap();
    HttpsHandshakes::new(watch::channel(config).1, TrustedProxies::parse(trusted).unwrap())
}

#[tokio::test]
async fn peers_that_stay_silent_keep_nobody_from_a_handshake() {
    let folder = tempfile::tempdir().unwrap();
    let certificate = folder.path().join("own.pem");
    let handshakes = Arc::new(handshakes(&certificate, &[]));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let tells = get(async |Extension(accepted): Extension<Accepted>| accepted.is_secure.to_string());
    let (router, drain) = (Router::new().route("/", tells), Drain::new(Duration::ZERO));
    let served = runtime::server::serve_secure(handshakes, listener, router, drain, OfEveryRole::default());
    let server = tokio::spawn(served);
    let mut silent = Vec::new();
    for _ in 0..20 {
        silent.push(TcpStream::connect(at).await.unwrap());
    }
    let client = ClientConfig::builder_with_provider(crate::tls::provider()).with_safe_default_protocol_versions();
    let client = client.unwrap().with_root_certificates(authorities::of_files(&[&certificate]).unwrap());
    let connector = TlsConnector::from(Arc::new(client.with_no_client_auth()));
    let stream = TcpStream::connect(at).await.unwrap();
    let mut stream = connector.connect(ServerName::try_from("localhost").unwrap(), stream).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("true"), "{answer}");
    server.abort();
}

#[tokio::test]
async fn a_source_begins_its_burst_and_takes_nothing_of_others() {
    let folder = tempfile::tempdir().unwrap();
    let handshakes = handshakes(&folder.path().join("own.pem"), &["198.51.100.1".to_owned()]);
    let (now, greedy) = (Instant::now(), IpAddr::from([192, 0, 2, 1]));
    let held: Vec<Place> = (0..2 * BURST).filter_map(|_| handshakes.place(greedy, now).ok()).collect();
    assert_eq!(held.len(), BURST);
    assert!(handshakes.place(IpAddr::from([192, 0, 2, 2]), now).is_ok());
    let of_proxy = (0..2 * BURST).filter_map(|_| handshakes.place(IpAddr::from([198, 51, 100, 1]), now).ok());
    assert_eq!(of_proxy.collect::<Vec<Place>>().len(), 2 * BURST, "its connections are those of many");
}

/// Takes every certificate: an ACME server judges by itself the one that it is shown.
#[derive(Debug)]
struct TakesAll;

impl ServerCertVerifier for TakesAll {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        crate::tls::provider().signature_verification_algorithms.supported_schemes()
    }
}

/// A handshake that offers these protocols to the server at that address.
async fn shake(at: SocketAddr, name: &'static str, offered: &[&[u8]]) -> io::Result<TlsStream<TcpStream>> {
    let client = ClientConfig::builder_with_provider(crate::tls::provider()).with_safe_default_protocol_versions();
    let client = client.unwrap().dangerous().with_custom_certificate_verifier(Arc::new(TakesAll));
    let mut client = client.with_no_client_auth();
    client.alpn_protocols = offered.iter().map(|protocol| protocol.to_vec()).collect();
    let stream = TcpStream::connect(at).await?;
    TlsConnector::from(Arc::new(client)).connect(ServerName::try_from(name).unwrap(), stream).await
}

fn shows_digest(stream: &TlsStream<TcpStream>) -> bool {
    let shown = stream.get_ref().1.peer_certificates().unwrap();
    shown[0].as_ref().windows(DIGEST_BYTES).any(|part| part == [7_u8; DIGEST_BYTES])
}

#[tokio::test]
async fn a_challenge_of_acme_is_answered_by_the_handshake_and_by_nothing_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let own = OwnIdentity::new(folder.path().join("own.pem"), vec!["localhost".to_owned()]);
    let challenges = AlpnChallenges::default();
    challenges.replace(&[AlpnChallenge { domain: "edge.example".to_owned(), digest: [7; DIGEST_BYTES] }]).unwrap();
    let config = crate::tls::web_server(vec![own.read_or_make(NOW).unwrap()], Some(&challenges)).unwrap();
    let handshakes = HttpsHandshakes::new(watch::channel(config).1, TrustedProxies::parse(&[]).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let drain = Drain::new(Duration::ZERO);
    let served =
        runtime::server::serve_secure(Arc::new(handshakes), listener, Router::new(), drain, OfEveryRole::default());
    let server = tokio::spawn(served);
    let mut stream = shake(at, "edge.example", &[ACME_TLS]).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(ACME_TLS));
    assert!(shows_digest(&stream));
    // It may be closed already.
    let _ = stream.write_all(b"GET / HTTP/1.1\r\nHost: edge.example\r\n\r\n").await;
    let mut said = Vec::new();
    let _ = stream.read_to_end(&mut said).await;
    assert!(said.is_empty(), "{}", String::from_utf8_lossy(&said));

    let browser = shake(at, "edge.example", &[&b"http/1.1"[..], ACME_TLS]).await.unwrap();
    assert!(browser.get_ref().1.alpn_protocol() == Some(&b"http/1.1"[..]) && !shows_digest(&browser));
    assert!(shake(at, "localhost", &[ACME_TLS]).await.is_err(), "it is not challenged");
    server.abort();
}
