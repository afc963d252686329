use std::path::Path;

use axum::routing::get;
use axum::{Extension, Router};
use runtime::Drain;
use runtime::metrics::OfEveryRole;
use runtime::server::Accepted;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;

use super::*;
use crate::tls::authorities;
use crate::tls::own_identity::OwnIdentity;

/// 2026.
const NOW: i64 = 1_780_000_000;

fn handshakes(certificate: &Path, trusted: &[String]) -> HttpsHandshakes {
    let own = OwnIdentity::new(certificate.to_owned(), vec!["localhost".to_owned()]);
    let config = crate::tls::web_server(vec![own.read_or_make(NOW).unwrap()]).unwrap();
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
