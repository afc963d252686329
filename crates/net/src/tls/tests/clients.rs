//! Certificates that are shown by who connects, and the authorities that vouch for them.

use rcgen::SanType;

use super::*;

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
