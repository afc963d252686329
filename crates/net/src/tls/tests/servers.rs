//! Certificates of servers: which is shown, for which names it is good, and until when.

use super::*;
use crate::sip::tcp::SendError;

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
async fn a_server_that_is_not_reached_is_told_with_the_reason() {
    let (authority, other) = (Authority::new(), Authority::new());
    let mut server = Server::new(authority.tls(&["carrier.example"]));
    for (tls, name, reason) in [
        (authority.tls(&[EDGE]), "other.example", Unreached::OtherName),
        (other.tls(&[EDGE]), "carrier.example", Unreached::Untrusted),
    ] {
        let (_, here, _client) = connect(&mut server, tls, name).await;
        assert!(matches!(here, TcpEvent::Closed { why: Closed::NotOpened(why), .. } if why == reason), "{here:?}");
    }
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
async fn new_certificates_are_for_new_connections() {
    let (before, after) = (Authority::new(), Authority::new());
    let mut server = Server::new(before.tls(&[EDGE]));
    let (known, mut peer) = raw(&mut server, &before).await;
    server.table.use_tls(after.tls(&[EDGE]));
    let (_, _peer) = raw(&mut server, &after).await;
    peer.says(OPTIONS.as_bytes()).await;
    assert!(matches!(server.next().await, TcpEvent::Message { connection, .. } if connection == known));
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
