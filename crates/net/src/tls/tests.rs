//! TLS on real loopback sockets, with authorities made here.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, SanType};
use rustls::pki_types::ServerName;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use sip::{ConnectionId, Transport};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::identity::IdentityFiles;
use super::*;
use crate::sip::tcp::SendError;
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
        (TcpEvent::Closed { why: Closed::NotSecured, .. }, TcpEvent::Closed { why: Closed::NotOpened, .. }) => false,
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

#[tokio::test]
async fn messages_go_both_ways_and_pings_are_answered() {
    let authority = Authority::new();
    for version in [&TLS13, &TLS12] {
        let mut server = Server::new(authority.tls(&[EDGE]));
        let mut peer = Raw::new(server.at, authority.roots(), &[version]).await;
        let (connection, ()) = tokio::join!(server.opened(), peer.shakes_hands());
        assert_eq!((connection.transport(), connection.is_opened_by_us()), (Transport::Tls, false));
        // In pieces that are no records, and more than one message at once.
        peer.says(&OPTIONS.as_bytes()[..100]).await;
        peer.says(&[&OPTIONS.as_bytes()[100..], OPTIONS.as_bytes()].concat()).await;
        for _ in 0..2 {
            assert!(matches!(server.next().await, TcpEvent::Message { connection: by, .. } if by == connection));
        }
        let large = Bytes::from(vec![b'x'; 200_000]);
        server.table.send(connection, large.clone()).unwrap();
        server.table.flush();
        peer.hears(&large).await;
        peer.says(b"\r\n\r\n").await;
        let heard = async {
            tokio::select! { () = peer.hears(b"\r\n") => {}, event = server.next() => panic!("{event:?}") }
        };
        heard.await;
        assert_eq!(server.counters.tls_handshakes.value(), 1);
        server.table.close(connection);
        while !peer.over {
            peer.turn().await;
        }
    }
}

#[tokio::test]
async fn a_connection_of_ours_goes_to_the_name_that_the_certificate_has() {
    let (authority, other) = (Authority::new(), Authority::new());
    let mut server = Server::new(authority.tls(&["*.edge.example", "127.0.0.1"]));
    for (name, comes) in [("a.edge.example", true), ("127.0.0.1", true), ("edge.example", false), ("127.0.0.2", false)]
    {
        assert_eq!(connects(&mut server, authority.tls(&[EDGE]), name).await, comes, "{name}");
    }
    assert!(!connects(&mut server, other.tls(&[EDGE]), "127.0.0.1").await, "nobody vouches for it");
    assert_eq!(server.counters.tls_failed_certificate.value(), 3);
    let mut client = TcpTable::new(Limits::default(), Arc::default(), Box::new(|_, _| None));
    let id = ConnectionId::opened(1, Transport::Tls);
    assert_eq!(client.open_as(id, server.at, LOOPBACK, "127.0.0.1"), Err(SendError::NoName), "there is no TLS");
    client.use_tls(authority.tls(&[EDGE]));
    assert_eq!(client.open_as(id, server.at, LOOPBACK, "no name"), Err(SendError::NoName));
}

#[tokio::test]
async fn what_is_sent_before_the_connection_is_up_arrives() {
    let authority = Authority::new();
    let mut server = Server::new(authority.tls(&[EDGE]));
    let mut client = TcpTable::new(Limits::default(), Arc::default(), Box::new(|_, _| None));
    client.use_tls(authority.tls(&[EDGE]));
    let id = ConnectionId::opened(1, Transport::Tls);
    client.open_as(id, server.at, LOOPBACK, EDGE).unwrap();
    client.send(id, Bytes::from_static(OPTIONS.as_bytes())).unwrap();
    let there = async {
        server.opened().await;
        server.next().await
    };
    let (there, here) = tokio::join!(there, soon(client.next()));
    assert!(matches!(there, TcpEvent::Message { .. }), "{there:?}");
    assert!(matches!(here, TcpEvent::Opened { connection, .. } if connection == id), "{here:?}");
    assert_eq!((client.count_of(Transport::Tls), client.count_of(Transport::Tcp)), (1, 0));
}

#[tokio::test]
async fn the_certificate_is_that_of_the_name_that_is_asked_for() {
    let (edge, tenant) = (Authority::new(), Authority::new());
    let identities = vec![edge.identity(&[EDGE]), tenant.identity(&["acme.example"])];
    let mut server = Server::new(Tls::new(identities, None, RootCertStore::empty(), None).unwrap());
    assert!(connects(&mut server, tenant.tls(&[EDGE]), "acme.example").await);
    assert!(connects(&mut server, edge.tls(&[EDGE]), EDGE).await);
    assert!(!connects(&mut server, tenant.tls(&[EDGE]), EDGE).await, "that one is of another authority");
    assert!(!connects(&mut server, edge.tls(&[EDGE]), "other.example").await, "the usual one, which is not for it");
}

#[tokio::test]
async fn an_expired_certificate_is_refused() {
    let authority = Authority::new();
    let expired = identity(&authority.pem(&[EDGE], |params| {
        params.not_before = rcgen::date_time_ymd(2019, 1, 1);
        params.not_after = rcgen::date_time_ymd(2020, 1, 1);
    }));
    assert_eq!(expired.valid_to(), 1_577_836_800);
    let mut server = Server::new(Tls::new(vec![expired], None, RootCertStore::empty(), None).unwrap());
    assert!(!connects(&mut server, authority.tls(&[EDGE]), EDGE).await);
}

#[tokio::test]
async fn what_is_no_tls_or_too_old_is_refused_and_counted() {
    let authority = Authority::new();
    let mut server = Server::new(authority.tls(&[EDGE]));
    let mut plain = TcpStream::connect(server.at).await.unwrap();
    plain.write_all(OPTIONS.as_bytes()).await.unwrap();
    assert_eq!(server.closed().await, Closed::NotSecured);
    assert_eq!(server.counters.tls_failed_not_tls.value(), 1);
    // A ClientHello of TLS 1.1.
    let random = [7; 32];
    let hello = [&[3, 2][..], &random, &[0, 0, 2, 0xc0, 0x13, 1, 0]].concat();
    let length = u8::try_from(hello.len()).unwrap();
    let record = [&[22, 3, 1, 0, length + 4, 1, 0, 0, length][..], &hello].concat();
    let mut old = TcpStream::connect(server.at).await.unwrap();
    old.write_all(&record).await.unwrap();
    assert_eq!(server.closed().await, Closed::NotSecured);
    assert_eq!(server.counters.tls_failed_incompatible.value(), 1);
    let mut alert = Vec::new();
    soon(old.read_to_end(&mut alert)).await.unwrap();
    assert_eq!(alert.first(), Some(&21), "it is told why");
}

#[tokio::test]
async fn a_handshake_that_is_not_finished_ends() {
    let authority = Authority::new();
    let limits = Limits { handshake_time: Duration::from_millis(100), ..Limits::default() };
    let mut server = Server::with(authority.tls(&[EDGE]), limits);
    let _silent = TcpStream::connect(server.at).await.unwrap();
    assert_eq!(server.closed().await, Closed::NotSecured);
    let mut half = Raw::new(server.at, authority.roots(), &[&TLS13]).await;
    half.stream.write_all(&half.session.take_output()[..50]).await.unwrap();
    assert_eq!(server.closed().await, Closed::NotSecured);
    assert_eq!(server.counters.tls_failed_late.value(), 2);
}

#[tokio::test]
async fn a_handshake_without_end_is_not_kept() {
    let authority = Authority::new();
    let mut server = Server::new(authority.tls(&[EDGE]));
    let mut peer = TcpStream::connect(server.at).await.unwrap();
    // A ClientHello as long as the protocol allows; some of it never comes.
    let record = [&[22, 3, 1, 0x10, 0][..], &[0; 0x1000]].concat();
    peer.write_all(&[22, 3, 1, 0, 4, 1, 0, 0xff, 0xf0]).await.unwrap();
    let flood = async {
        for _ in 0..=session::HANDSHAKE_BYTES_MAX / 0x1000 {
            // It may be closed already.
            let _ = peer.write_all(&record).await;
        }
    };
    let (why, ()) = tokio::join!(server.closed(), soon(flood));
    assert_eq!(why, Closed::NotSecured);
    assert_eq!(server.counters.tls_failed_late.value(), 0);
}

#[tokio::test]
async fn garbage_ends_its_own_connection_alone() {
    let authority = Authority::new();
    let mut server = Server::new(authority.tls(&[EDGE]));
    let (bad, mut garbage) = raw(&mut server, &authority).await;
    let (good, mut other) = raw(&mut server, &authority).await;
    garbage.stream.write_all(&[0x55; 300]).await.unwrap();
    match server.next().await {
        TcpEvent::Closed { connection, why } => assert_eq!((connection, why), (bad, Closed::BadInput)),
        event => panic!("{event:?}"),
    }
    other.says(OPTIONS.as_bytes()).await;
    assert!(matches!(server.next().await, TcpEvent::Message { connection, .. } if connection == good));
}

#[tokio::test]
async fn a_peer_that_does_not_read_loses_its_connection() {
    let authority = Authority::new();
    let limits = Limits { write_queue_bytes: 100_000, ..Limits::default() };
    let mut server = Server::with(authority.tls(&[EDGE]), limits);
    let (connection, _peer) = raw(&mut server, &authority).await;
    let message = Bytes::from(vec![b'x'; 50_000]);
    let sent = (0..1_000).map(|_| server.table.send(connection, message.clone()));
    let ended = sent.into_iter().position(|sent| sent == Err(SendError::Unread));
    assert!(ended.is_some_and(|sent| sent > 2), "{ended:?}");
    assert!(server.table.is_empty());
}

#[tokio::test]
async fn who_shows_a_certificate_that_nobody_vouches_for_is_nobody() {
    let (servers, carriers, other) = (Authority::new(), Authority::new(), Authority::new());
    let tls = Tls::new(vec![servers.identity(&[EDGE])], None, RootCertStore::empty(), Some(carriers.roots())).unwrap();
    let mut server = Server::new(tls);
    let shows = |authority: &Authority| {
        let shown = authority.identity(&["carrier"]);
        Tls::new(vec![shown.clone()], Some(&shown), servers.roots(), None).unwrap()
    };
    assert!(connects(&mut server, shows(&carriers), EDGE).await);
    // Many phones have a certificate of their maker.
    let (there, _, client) = connect(&mut server, shows(&other), EDGE).await;
    assert!(matches!(there, TcpEvent::Opened { shown, .. } if shown.domains.is_empty()));
    drop(client);
    server.closed().await;
    // Who shows none is served.
    assert!(connects(&mut server, servers.tls(&["nobody"]), EDGE).await);
    // Phones have none.
    raw(&mut server, &servers).await;
}

#[test]
fn an_authority_that_is_there_twice_is_one() {
    let (one, other) = (Authority::new(), Authority::new());
    let mut roots = one.roots();
    roots.add(one.0.der().clone()).unwrap();
    assert_eq!(authorities::count(&roots), 1);
    roots.add(other.0.der().clone()).unwrap();
    assert_eq!(authorities::count(&roots), 2);
}

#[tokio::test]
async fn a_certificate_for_servers_is_as_good_as_one_for_clients() {
    use rcgen::ExtendedKeyUsagePurpose::{ClientAuth, CodeSigning, ServerAuth};

    let (servers, carriers, other) = (Authority::new(), Authority::new(), Authority::new());
    let tls = Tls::new(vec![servers.identity(&[EDGE])], None, RootCertStore::empty(), Some(carriers.roots())).unwrap();
    let mut server = Server::new(tls);
    for (authority, usages, is_believed) in [
        (&carriers, vec![ServerAuth], true),
        (&carriers, vec![ClientAuth], true),
        (&carriers, vec![ServerAuth, ClientAuth], true),
        (&carriers, vec![CodeSigning], false),
        (&other, vec![ServerAuth], false),
    ] {
        let told = format!("{usages:?}");
        let shown = identity(&authority.pem(&["sbc.carrier.example"], |params| params.extended_key_usages = usages));
        let client = Tls::new(vec![shown.clone()], Some(&shown), servers.roots(), None).unwrap();
        let (there, _, client) = connect(&mut server, client, EDGE).await;
        drop(client);
        match there {
            TcpEvent::Opened { shown, .. } if is_believed => {
                assert_eq!(shown.domains, [Box::<str>::from("sbc.carrier.example")], "{told}");
                server.closed().await;
            }
            TcpEvent::Opened { shown, .. } => {
                assert!(!is_believed && shown.domains.is_empty(), "{told}");
                server.closed().await;
            }
            event => panic!("{told}: {event:?}"),
        }
    }
}

#[tokio::test]
async fn who_shows_a_certificate_is_known_by_its_domains() {
    let (servers, carriers) = (Authority::new(), Authority::new());
    let tls = Tls::new(vec![servers.identity(&[EDGE])], None, RootCertStore::empty(), Some(carriers.roots())).unwrap();
    let mut server = Server::new(tls);
    let dns = |name: &str| SanType::DnsName(name.try_into().unwrap());
    let uri = |text: &str| SanType::URI(text.try_into().unwrap());
    for (alternative, domains) in [
        (vec![dns("SBC.carrier.example"), dns("two.example")], &["sbc.carrier.example", "two.example"][..]),
        (vec![dns("sbc.carrier.example"), uri("sip:Carrier.example")], &["carrier.example"]),
        (vec![dns("a.example"), uri("sip:ann@carrier.example"), uri("sips:carrier.example")], &["a.example"]),
        (vec![dns("*.carrier.example"), SanType::IpAddress(LOOPBACK)], &[]),
        (vec![], &["common.example"]),
    ] {
        let shown = identity(&carriers.pem(&[], |params| {
            params.subject_alt_names = alternative;
            params.distinguished_name.push(DnType::CommonName, "common.example");
        }));
        let client = Tls::new(vec![shown.clone()], Some(&shown), servers.roots(), None).unwrap();
        let (there, here, client) = connect(&mut server, client, EDGE).await;
        let TcpEvent::Opened { shown: told, .. } = there else { panic!("{there:?}") };
        assert!(told.valid_to > 1_800_000_000, "{told:?}");
        assert_eq!(told.domains.iter().map(|domain| &**domain).collect::<Vec<_>>(), domains);
        let TcpEvent::Opened { shown: of_server, .. } = here else { panic!("{here:?}") };
        assert!(of_server.domains.is_empty(), "we have asked for another name there");
        drop(client);
        server.closed().await;
    }
    let (there, _, _client) = connect(&mut server, servers.tls(&["nobody"]), EDGE).await;
    assert!(matches!(there, TcpEvent::Opened { shown, .. } if shown.domains.is_empty()));
}

#[tokio::test]
async fn a_certificate_of_the_past_names_nobody() {
    let (servers, carriers) = (Authority::new(), Authority::new());
    let tls = Tls::new(vec![servers.identity(&[EDGE])], None, RootCertStore::empty(), Some(carriers.roots())).unwrap();
    let mut server = Server::new(tls);
    let past = carriers.pem(&["sbc.carrier.example"], |params| params.not_after = rcgen::date_time_ymd(2020, 1, 1));
    let shown = identity(&past);
    assert!(ShownCertificate::of(&shown.key().cert[0]).domains.is_empty());
    let client = Tls::new(vec![shown.clone()], Some(&shown), servers.roots(), None).unwrap();
    let (there, _, _client) = connect(&mut server, client, EDGE).await;
    assert!(matches!(there, TcpEvent::Opened { shown, .. } if shown.domains.is_empty()));
}

#[tokio::test]
async fn new_certificates_are_for_new_connections() {
    let (before, after) = (Authority::new(), Authority::new());
    let mut server = Server::new(before.tls(&[EDGE]));
    let (known, mut peer) = raw(&mut server, &before).await;
    server.table.use_tls(after.tls(&[EDGE]));
    let (_, _peer) = raw(&mut server, &after).await;
    peer.says(OPTIONS.as_bytes()).await;
    assert!(matches!(server.next().await, TcpEvent::Message { connection, .. } if connection == known));
}

#[tokio::test]
async fn who_is_known_by_an_authority_that_is_believed_no_more_is_closed() {
    let (servers, carriers, former) = (Authority::new(), Authority::new(), Authority::new());
    let tls = |clients: RootCertStore| {
        Tls::new(vec![servers.identity(&[EDGE])], None, RootCertStore::empty(), Some(clients)).unwrap()
    };
    let shows = |authority: &Authority| {
        let shown = authority.identity(&["sbc.carrier.example"]);
        Tls::new(vec![shown.clone()], Some(&shown), servers.roots(), None).unwrap()
    };
    let mut both = carriers.roots();
    both.add(former.0.der().clone()).unwrap();
    let mut server = Server::new(tls(both));
    let (_, _, _stays) = connect(&mut server, shows(&carriers), EDGE).await;
    let (there, _, _goes) = connect(&mut server, shows(&former), EDGE).await;
    let (_, _, _shows_nothing) = connect(&mut server, servers.tls(&["nobody"]), EDGE).await;
    let TcpEvent::Opened { connection: withdrawn, .. } = there else { panic!("{there:?}") };
    server.table.use_tls(tls(carriers.roots()));
    let event = server.next().await;
    let is_withdrawn = matches!(event, TcpEvent::Closed { connection, why: Closed::ByUs } if connection == withdrawn);
    assert!(is_withdrawn, "{event:?}");
    assert_eq!(server.table.len(), 2);
}

#[test]
fn an_identity_is_a_certificate_with_its_key() {
    let authority = Authority::new();
    let ((chain, key), (_, other)) = (authority.pem(&[EDGE, "::1"], |_| {}), authority.pem(&[EDGE], |_| {}));
    let parse = |chain: &str, key: &str| Identity::parse(chain.as_bytes(), key.as_bytes(), &files());
    let whole = parse(&chain, &key).unwrap();
    assert_eq!(whole.names(), [EDGE, "::1"]);
    assert!(whole.is_for("EDGE.example") && whole.is_for("[::1]") && !whole.is_for("a.edge.example"));
    assert!(!format!("{whole:?}").contains("key"), "a key is not shown");
    let fault = |chain: &str, key: &str| parse(chain, key).unwrap_err();
    assert_eq!(fault("", &key), IdentityFault::NoCertificate("chain.pem".into()));
    assert_eq!(fault(&chain, &chain), IdentityFault::NoKey("key.pem".into()));
    assert_eq!(fault(&chain, &other), IdentityFault::OtherKey("key.pem".into()));
    let nowhere = Identity::read(&IdentityFiles::parse("/nowhere/of/a/test.pem"));
    assert!(matches!(nowhere, Err(IdentityFault::Unreadable { .. })));
}

#[test]
fn a_certificate_of_our_own_making_has_our_names() {
    let now = 1_800_000_000;
    let pem = self_signed::generate(&[EDGE.to_owned(), "192.0.2.1".to_owned()], now).unwrap();
    let own = Identity::parse(pem.as_bytes(), pem.as_bytes(), &files()).unwrap();
    assert!(own.is_for(EDGE) && own.is_for("192.0.2.1") && !own.is_for("192.0.2.2"));
    assert!(own.valid_from() <= now && own.valid_to() > now + 9 * 31_556_952);
}
