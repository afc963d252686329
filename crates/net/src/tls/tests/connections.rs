//! Connections by TLS: how they come about, what goes through them, and what ends them.

use bytes::Bytes;

use super::*;
use crate::sip::tcp::SendError;

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
