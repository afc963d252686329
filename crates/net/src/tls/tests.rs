//! TLS on real loopback sockets, with authorities made here.

mod clients;
mod connections;
mod servers;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::ServerName;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use sip::{ConnectionId, Transport, Unreached};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::identity::IdentityFiles;
use super::*;
use crate::sip::{Closed, Counters, Limits, Peers, TcpEvent, TcpTable};

const OPTIONS: &str = "OPTIONS sip:a@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TLS 127.0.0.1;branch=z9hG4bK1\r\n\
    From: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n";
const EDGE: &str = "edge.example";
const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// The authorities made so far.
static MADE: AtomicU32 = AtomicU32::new(0);

/// Who vouches for certificates.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // Of two with one name, a certificate of the other would be one with a wrong signature.
        let name = format!("authority {}", MADE.fetch_add(1, Ordering::Relaxed));
        params.distinguished_name.push(DnType::CommonName, name);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn pem(&self, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> (String, String) {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.0).unwrap().pem(), key.serialize_pem())
    }

    fn identity(&self, names: &[&str]) -> Arc<Identity> {
        identity(&self.pem(names, |_| {}))
    }

    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        roots
    }

    /// A server's side with one certificate, and a client's that believes it.
    fn tls(&self, names: &[&str]) -> Tls {
        Tls::new(vec![self.identity(names)], None, self.roots(), None).unwrap()
    }
}

fn files() -> IdentityFiles {
    IdentityFiles::parse("chain.pem:key.pem")
}

fn identity((chain, key): &(String, String)) -> Arc<Identity> {
    Arc::new(Identity::parse(chain.as_bytes(), key.as_bytes(), &files()).unwrap())
}

/// Fails the test unless `what` completes within 10 s.
async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(10), what).await.expect("nothing happened for 10 s")
}

/// A table with a listener for TLS.
struct Server {
    table: TcpTable,
    counters: Arc<Counters>,
    at: SocketAddr,
}

impl Server {
    fn new(tls: Tls) -> Self {
        Self::with(tls, Limits::default())
    }

    fn with(tls: Tls, limits: Limits) -> Self {
        let counters = Arc::new(Counters::default());
        let mut table = TcpTable::new(limits, counters.clone(), Box::new(|_, _| None));
        table.use_tls(tls);
        let (_, at) = table.listen_for(Transport::Tls, SocketAddr::new(LOOPBACK, 0), Peers::Strangers).unwrap();
        Self { table, counters, at }
    }

    async fn next(&mut self) -> TcpEvent {
        soon(self.table.next()).await
    }

    async fn opened(&mut self) -> ConnectionId {
        match self.next().await {
            TcpEvent::Opened { connection, .. } => connection,
            other => panic!("{other:?}"),
        }
    }

    async fn closed(&mut self) -> Closed {
        match self.next().await {
            TcpEvent::Closed { why, .. } => why,
            other => panic!("{other:?}"),
        }
    }
}

/// What both sides see when a table of ours connects by TLS.
async fn connect(server: &mut Server, tls: Tls, name: &str) -> (TcpEvent, TcpEvent, TcpTable) {
    let mut client = TcpTable::new(Limits::default(), Arc::default(), Box::new(|_, _| None));
    client.use_tls(tls);
    client.open_as(ConnectionId::opened(1, Transport::Tls), server.at, LOOPBACK, name).unwrap();
    let (there, here) = tokio::join!(server.next(), soon(client.next()));
    (there, here, client)
}

/// Whether a connection of ours comes about.
async fn connects(server: &mut Server, tls: Tls, name: &str) -> bool {
    let (there, here, client) = connect(server, tls, name).await;
    drop(client);
    match (there, here) {
        (TcpEvent::Opened { .. }, TcpEvent::Opened { .. }) => {
            assert_eq!(server.closed().await, Closed::ByPeer);
            true
        }
        (TcpEvent::Closed { why: Closed::NotSecured, .. }, TcpEvent::Closed { why: Closed::NotOpened(_), .. }) => false,
        other => panic!("{other:?}"),
    }
}

/// A peer that a test moves byte by byte.
struct Raw {
    stream: TcpStream,
    session: TlsSession,
    plain: Vec<u8>,
    over: bool,
}

impl Raw {
    async fn new(at: SocketAddr, roots: RootCertStore, versions: &[&'static SupportedProtocolVersion]) -> Self {
        let config = ClientConfig::builder_with_provider(provider()).with_protocol_versions(versions).unwrap();
        let config = Arc::new(config.with_root_certificates(roots).with_no_client_auth());
        let session = TlsSession::connect(config, ServerName::try_from(EDGE).unwrap()).unwrap();
        Self { stream: TcpStream::connect(at).await.unwrap(), session, plain: Vec::new(), over: false }
    }

    async fn turn(&mut self) {
        self.stream.write_all(&self.session.take_output()).await.unwrap();
        let mut chunk = [0; 4_096];
        let length = soon(self.stream.read(&mut chunk)).await.unwrap();
        let plain = &mut self.plain;
        self.over |= length == 0;
        self.over |= self.session.receive(&chunk[..length], |bytes| plain.extend_from_slice(bytes)).unwrap();
    }

    async fn shakes_hands(&mut self) {
        while self.session.is_handshaking() {
            self.turn().await;
        }
        self.stream.write_all(&self.session.take_output()).await.unwrap();
    }

    async fn says(&mut self, text: &[u8]) {
        self.session.send(text).unwrap();
        self.stream.write_all(&self.session.take_output()).await.unwrap();
    }

    async fn hears(&mut self, text: &[u8]) {
        while self.plain != text {
            assert!(!self.over, "closed after {:?}", self.plain);
            self.turn().await;
        }
        self.plain.clear();
    }
}

async fn raw(server: &mut Server, authority: &Authority) -> (ConnectionId, Raw) {
    let mut peer = Raw::new(server.at, authority.roots(), &[&TLS13, &TLS12]).await;
    let (connection, ()) = tokio::join!(server.opened(), peer.shakes_hands());
    (connection, peer)
}
