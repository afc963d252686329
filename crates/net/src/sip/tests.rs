//! Tests on real loopback sockets. They wait for events, never for time to pass.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use model::entropy::Seeded;
use model::{Epoch, NodeId, Owner};
use sip::{ConnectionId, Message, Method, StatusCode, Transport, Unreached};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::node::{NODE_PORT, Work};
use super::tcp::SendError;
use super::*;

const OPTIONS: &str = "OPTIONS sip:a@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1;branch=z9hG4bK1\r\n\
    From: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n";

fn loopback() -> IpAddr {
    IpAddr::V4(Ipv4Addr::LOCALHOST)
}

fn any_port() -> SocketAddr {
    SocketAddr::new(loopback(), 0)
}

fn table(limits: Limits) -> (TcpTable, SocketAddr) {
    let mut table = TcpTable::new(limits, Arc::default(), Box::new(|_, _| None));
    let (_, at) = table.listen(any_port(), Peers::Strangers).unwrap();
    (table, at)
}

/// Fails the test unless `what` completes within 10 s.
async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(10), what).await.expect("nothing happened for 10 s")
}

async fn opened(table: &mut TcpTable) -> ConnectionId {
    match soon(table.next()).await {
        TcpEvent::Opened { connection, .. } => connection,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn datagrams_keep_their_order_and_keep_alives_are_skipped() {
    let counters = Arc::new(Counters::default());
    let mut server = UdpEndpoint::bind(any_port(), &Limits::default(), counters.clone()).unwrap();
    let client = UdpEndpoint::bind(any_port(), &Limits::default(), Arc::default()).unwrap();
    client.send(server.local(), b"\r\n\r\n");
    client.send(server.local(), b"");
    for n in 0..100_u8 {
        client.send(server.local(), &[b'm', n, b'.', b'.', b'.']);
    }
    let mut got = Vec::new();
    while got.len() < 100 {
        soon(server.readable()).await.unwrap();
        while let Some(datagram) = server.try_receive() {
            assert_eq!(datagram.remote, client.local());
            got.push(datagram.bytes[1]);
        }
    }
    assert_eq!(got, (0..100).collect::<Vec<u8>>());
    assert_eq!(counters.keep_alives_in.value(), 2);
}

#[tokio::test]
async fn a_phone_that_asks_by_stun_learns_its_address() {
    let mut server = UdpEndpoint::bind(any_port(), &Limits::default(), Arc::default()).unwrap();
    let phone = tokio::net::UdpSocket::bind(any_port()).await.unwrap();
    phone.send_to(b"\x00\x01\x00\x00\x21\x12\xa4\x42transaction.", server.local()).await.unwrap();
    phone.send_to(OPTIONS.as_bytes(), server.local()).await.unwrap();
    let mut datagram = None;
    while datagram.is_none() {
        soon(server.readable()).await.unwrap();
        datagram = server.try_receive();
    }
    assert_eq!(datagram.unwrap().bytes, OPTIONS);
    let mut answer = [0; 100];
    let (length, from) = soon(phone.recv_from(&mut answer)).await.unwrap();
    assert_eq!((length, from), (32, server.local()));
    let port = u16::from_be_bytes([answer[26], answer[27]]) ^ 0x2112;
    assert_eq!((answer[..2].to_vec(), port), (vec![1, 1], phone.local_addr().unwrap().port()));
}

#[tokio::test]
async fn a_flood_of_keep_alives_does_not_keep_the_loop() {
    let counters = Arc::new(Counters::default());
    let mut server = UdpEndpoint::bind(any_port(), &Limits::default(), counters.clone()).unwrap();
    let client = UdpEndpoint::bind(any_port(), &Limits::default(), Arc::default()).unwrap();
    for _ in 0..100 {
        client.send(server.local(), b"\r\n\r\n");
    }
    client.send(server.local(), b"message");
    soon(server.readable()).await.unwrap();
    assert!(server.try_receive().is_none(), "the others have their turn");
    assert!(server.may_have_more());
    assert!(counters.keep_alives_in.value() < 100);
    soon(server.readable()).await.unwrap();
    assert_eq!(server.try_receive().unwrap().bytes, "message");
    assert!(server.try_receive().is_none() && !server.may_have_more());
}

#[tokio::test]
async fn connections_that_we_open_are_bounded_in_all_and_not_by_the_address_of_their_peer() {
    let (_carrier, at) = table(Limits::default());
    let (mut ours, _) = table(Limits { connections: 3, connections_per_source: 1, ..Limits::default() });
    let opened = [(); 3].map(|()| ours.open(at, loopback()).unwrap());
    assert_eq!(ours.open(at, loopback()), Err(SendError::TooMany));
    assert_eq!((ours.count_of(Transport::Tcp), ours.count_of(Transport::Tls)), (3, 0));
    ours.close(opened[0]);
    assert_eq!(ours.count_of(Transport::Tcp), 2);
}

#[tokio::test]
async fn a_table_that_stops_accepting_refuses_connections_and_keeps_those_that_it_has() {
    let (mut server, at) = table(Limits::default());
    let mut client = TcpStream::connect(at).await.unwrap();
    let connection = opened(&mut server).await;
    server.stop_accepting();
    // The listener closes with its task, which the runtime ends when it comes to it.
    soon(async {
        while TcpStream::connect(at).await.is_ok() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    client.write_all(OPTIONS.as_bytes()).await.unwrap();
    let event = loop {
        match soon(server.next()).await {
            TcpEvent::Opened { .. } | TcpEvent::Closed { .. } => {}
            other => break other,
        }
    };
    assert!(matches!(event, TcpEvent::Message { connection: by, .. } if by == connection), "{event:?}");
}

#[tokio::test]
async fn a_flood_of_pings_is_not_answered_by_a_flood_of_pongs() {
    const PINGS: usize = 1_000;
    let counters = Arc::new(Counters::default());
    let mut table = TcpTable::new(Limits::default(), counters.clone(), Box::new(|_, _| None));
    let (_, at) = table.listen(any_port(), Peers::Strangers).unwrap();
    let mut phone = TcpStream::connect(at).await.unwrap();
    opened(&mut table).await;
    phone.write_all(&b"\r\n\r\n".repeat(PINGS)).await.unwrap();
    phone.write_all(OPTIONS.as_bytes()).await.unwrap();
    let TcpEvent::Message { connection, .. } = soon(table.next()).await else { panic!("no message") };
    assert_eq!(counters.keep_alives_in.value(), PINGS as u64);
    table.close(connection);
    let mut pongs = Vec::new();
    soon(phone.read_to_end(&mut pongs)).await.unwrap();
    assert!((2..PINGS / 10).contains(&pongs.len()), "{}", pongs.len());
}

/// A client by WebSocket, of another make; blocking.
fn web_client(at: SocketAddr) -> tungstenite::WebSocket<std::net::TcpStream> {
    web_client_from(at, None)
}

/// The same behind a web server that says from whom it is.
fn web_client_from(at: SocketAddr, forwarded_for: Option<&'static str>) -> tungstenite::WebSocket<std::net::TcpStream> {
    use tungstenite::client::IntoClientRequest as _;
    let mut request = format!("ws://{at}/").into_client_request().unwrap();
    request.headers_mut().insert("Sec-WebSocket-Protocol", http::HeaderValue::from_static("sip"));
    if let Some(forwarded_for) = forwarded_for {
        request.headers_mut().insert("X-Forwarded-For", http::HeaderValue::from_static(forwarded_for));
    }
    let stream = std::net::TcpStream::connect(at).unwrap();
    let (socket, response) = tungstenite::client(request, stream).unwrap();
    assert_eq!(response.headers()["Sec-WebSocket-Protocol"], "sip");
    socket
}

#[tokio::test]
async fn a_web_socket_carries_messages_both_ways() {
    use std::io::Read as _;

    use tungstenite::Message as Web;
    let mut table = TcpTable::new(Limits::default(), Arc::default(), Box::new(|_, _| None));
    let (_, at) = table.listen_for(sip::Transport::Ws, any_port(), Peers::Strangers).unwrap();
    let client = tokio::task::spawn_blocking(move || {
        let mut client = web_client(at);
        // One that knows that the length is compulsory only elsewhere.
        let (message, _) = OPTIONS.split_once("Content-Length").unwrap();
        client.send(Web::text(format!("{message}\r\n"))).unwrap();
        client.send(Web::text("\r\n\r\n")).unwrap();
        client.send(Web::text("nonsense")).unwrap();
        let answers = [client.read().unwrap(), client.read().unwrap()].map(|answer| answer.into_text().unwrap());
        client.close(None).unwrap();
        assert!(client.read().is_ok_and(|answer| answer.is_close()));
        // Nothing follows the answer to a close.
        let mut rest = Vec::new();
        client.get_mut().read_to_end(&mut rest).unwrap();
        assert_eq!(rest, b"");
        answers
    });
    let connection = opened(&mut table).await;
    assert_eq!(connection.transport(), sip::Transport::Ws);
    let TcpEvent::Message { message, .. } = soon(table.next()).await else { panic!("no message") };
    assert_eq!(message.method(), Method::Options);
    assert!(matches!(soon(table.next()).await, TcpEvent::Malformed { .. }), "and the connection goes on");
    let ok = Message::response_to(&message, StatusCode::OK).build().to_bytes();
    table.send(connection, ok).unwrap();
    assert!(matches!(soon(table.next()).await, TcpEvent::Closed { why: Closed::ByPeer, .. }));
    let [pong, ok] = soon(client).await.unwrap();
    assert_eq!(pong.as_str(), "\r\n");
    assert!(ok.starts_with("SIP/2.0 200 OK\r\n"), "{ok}");
}

#[tokio::test]
async fn who_opens_no_web_socket_is_told_so_and_closed() {
    let counters = Arc::new(Counters::default());
    let limits = Limits { handshake_time: Duration::from_millis(100), ..Limits::default() };
    let mut table = TcpTable::new(limits, counters.clone(), Box::new(|_, _| None));
    let (_, at) = table.listen_for(sip::Transport::Ws, any_port(), Peers::Strangers).unwrap();
    let mut browser = TcpStream::connect(at).await.unwrap();
    browser.write_all(b"GET / HTTP/1.1\r\nHost: edge.example\r\n\r\n").await.unwrap();
    assert!(matches!(soon(table.next()).await, TcpEvent::Closed { why: Closed::BadInput, .. }));
    let mut page = String::new();
    soon(browser.read_to_string(&mut page)).await.unwrap();
    assert!(page.starts_with("HTTP/1.1 426 ") && page.ends_with(".\n"), "{page}");
    let _silent = TcpStream::connect(at).await.unwrap();
    assert!(matches!(soon(table.next()).await, TcpEvent::Closed { why: Closed::BadInput, .. }));
    // The web edge looks so whether anybody is here.
    let mut looks = TcpStream::connect(at).await.unwrap();
    looks.write_all(b"GET /live HTTP/1.1\r\nHost: edge.example\r\n\r\n").await.unwrap();
    assert!(matches!(soon(table.next()).await, TcpEvent::Closed { why: Closed::ByPeer, .. }));
    let mut answer = String::new();
    soon(looks.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert_eq!(counters.closed_bad_input.value(), 2);
    assert_eq!(counters.web_sockets_refused.value(), 2);
    assert!(table.is_empty());
}

#[tokio::test]
async fn each_browser_behind_a_web_server_has_places_of_its_own() {
    let counters = Arc::new(Counters::default());
    let limits = Limits { connections_per_source: 2, ..Limits::default() };
    let mut table = TcpTable::new(limits, counters.clone(), Box::new(|_, _| None));
    table.believe_forwarders(Box::new(|_, address| address == loopback()));
    let (_, at) = table.listen_for(sip::Transport::Ws, any_port(), Peers::Strangers).unwrap();
    let mut kept = Vec::new();
    let mut browser = async |table: &mut TcpTable, forwarded_for| {
        kept.push(tokio::task::spawn_blocking(move || web_client_from(at, Some(forwarded_for))));
        match soon(table.next()).await {
            TcpEvent::Opened { connection, remote, .. } => Some((connection, remote.ip().to_string())),
            _ => None,
        }
    };
    // Some that have not said yet whose they are, and more than the web server itself could have.
    let silent: Vec<_> = (0..3).map(|_| std::net::TcpStream::connect(at).unwrap()).collect();
    for address in ["203.0.113.1", "203.0.113.2", "203.0.113.1", "2001:db8::1"] {
        let (connection, source) = browser(&mut table, address).await.unwrap();
        assert_eq!(source, address);
        assert_eq!(table.remote(connection).map(|remote| remote.ip().to_string()).as_deref(), Some(address));
    }
    // What stands before the nearest address of a stranger was written by that one.
    assert_eq!(browser(&mut table, "203.0.113.9, 203.0.113.2").await.unwrap().1, "203.0.113.2");
    assert!(browser(&mut table, "203.0.113.1").await.is_none(), "this browser has two already");
    assert_eq!((table.len(), counters.connections_refused.value()), (5 + silent.len(), 1));
}

#[tokio::test]
async fn what_the_kernel_drops_is_known() {
    let limits = Limits { receive_buffer_bytes: 4_096, ..Limits::default() };
    let server = UdpEndpoint::bind(any_port(), &limits, Arc::default()).unwrap();
    let client = UdpEndpoint::bind(any_port(), &Limits::default(), Arc::default()).unwrap();
    assert_eq!(drops::dropped(server.local()).unwrap(), 0);
    assert!((4_096..=8_192).contains(&server.receive_buffer()), "{}", server.receive_buffer());
    for _ in 0..100 {
        client.send(server.local(), &[b'x'; 1_000]);
    }
    assert!(drops::dropped(server.local()).unwrap() > 50);
}

#[tokio::test]
async fn a_connection_carries_messages_both_ways_and_pings_are_answered() {
    let (mut table, at) = table(Limits::default());
    let mut phone = TcpStream::connect(at).await.unwrap();
    let connection = opened(&mut table).await;
    let (first, second) = OPTIONS.as_bytes().split_at(40);
    phone.write_all(b"\r\n\r\n").await.unwrap();
    phone.write_all(first).await.unwrap();
    phone.write_all(second).await.unwrap();
    match soon(table.next()).await {
        TcpEvent::Message { connection: by, message, .. } => {
            assert_eq!((by, message.method()), (connection, Method::Options));
            let ok = Message::response_to(&message, StatusCode::OK).build().to_bytes();
            table.send(connection, ok).unwrap();
            table.flush();
        }
        other => panic!("{other:?}"),
    }
    let mut read = vec![0; 17];
    soon(phone.read_exact(&mut read)).await.unwrap();
    assert_eq!(read, b"\r\nSIP/2.0 200 OK\r"[..17]);
    drop(phone);
    assert!(matches!(soon(table.next()).await, TcpEvent::Closed { why: Closed::ByPeer, .. }));
    assert_eq!(table.send(connection, Bytes::from_static(b"x")), Err(SendError::Gone));
}

#[tokio::test]
async fn a_message_that_waits_for_the_loop_tells_since_when() {
    let (mut table, at) = table(Limits::default());
    let mut phone = TcpStream::connect(at).await.unwrap();
    opened(&mut table).await;
    phone.write_all(OPTIONS.as_bytes()).await.unwrap();
    soon(async {
        while table.backlog() == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let waits = tokio::time::Instant::now();
    let TcpEvent::Message { came, .. } = soon(table.next()).await else { panic!("no message") };
    assert!(came <= waits);
}

/// An OPTIONS with a number as its Call-ID.
fn numbered(number: usize) -> Bytes {
    OPTIONS.replace("Call-ID: 1", &format!("Call-ID: {number}")).into()
}

async fn call_ids(table: &mut TcpTable, count: usize) -> Vec<usize> {
    let mut ids = Vec::new();
    while ids.len() < count {
        if let TcpEvent::Message { message, .. } = soon(table.next()).await {
            ids.push(message.call_id().unwrap().parse().unwrap());
        }
    }
    ids
}

#[tokio::test]
async fn what_a_turn_sends_keeps_its_order_and_goes_out_before_the_loop_waits() {
    let (mut server, at) = table(Limits::default());
    let mut client = TcpTable::new(Limits::default(), Arc::default(), Box::new(|_, _| None));
    let id = client.open(at, loopback()).unwrap();
    // More than is gathered, some of it before the connection is established.
    let count = 1_000;
    for number in 0..count / 2 {
        client.send(id, numbered(number)).unwrap();
    }
    assert!(matches!(soon(client.next()).await, TcpEvent::Opened { .. }));
    for number in count / 2..count {
        client.send(id, numbered(number)).unwrap();
    }
    let waits = async {
        client.next().await;
    };
    tokio::select! {
        ids = call_ids(&mut server, count) => assert_eq!(ids, (0..count).collect::<Vec<_>>()),
        () = waits => panic!("nothing happens on the client"),
    }
}

#[tokio::test]
async fn an_opened_connection_comes_from_our_address() {
    let (mut server, at) = table(Limits::default());
    let mut client = TcpTable::new(Limits::default(), Arc::default(), Box::new(|_, _| None));
    let local = IpAddr::from([127, 0, 0, 9]);
    let id = ConnectionId(1 << 63);
    client.open_as(id, at, local, "").unwrap();
    client.send(id, Bytes::from_static(OPTIONS.as_bytes())).unwrap();
    client.flush();
    match soon(server.next()).await {
        TcpEvent::Opened { remote, listener, .. } => assert_eq!((remote.ip(), listener), (local, Some(ListenerId(0)))),
        other => panic!("{other:?}"),
    }
    assert!(matches!(soon(server.next()).await, TcpEvent::Message { .. }));
}

#[tokio::test]
async fn a_later_life_numbers_no_connection_as_an_earlier_one_did() {
    let mut client = TcpTable::new(Limits::default(), Arc::default(), Box::new(|_, _| None));
    client.number_from(1 << 40);
    let free = std::net::TcpListener::bind(any_port()).unwrap();
    let id = client.open(free.local_addr().unwrap(), loopback()).unwrap();
    assert!(id.0 > 1 << 40 && id.0 < 1 << 63);
}

#[tokio::test]
async fn a_connection_that_cannot_be_opened_is_reported() {
    let free = std::net::TcpListener::bind(any_port()).unwrap().local_addr().unwrap();
    let mut client = TcpTable::new(Limits::default(), Arc::default(), Box::new(|_, _| None));
    let id = client.open(free, loopback()).unwrap();
    match soon(client.next()).await {
        TcpEvent::Closed { connection, why } => {
            assert_eq!((connection, why), (id, Closed::NotOpened(Unreached::Refused)))
        }
        other => panic!("{other:?}"),
    }
    assert!(client.is_empty());
}

#[tokio::test]
async fn a_trial_that_does_not_open_is_no_failure_of_the_peer() {
    use runtime::meter::{Meters, Side, State};
    let free = std::net::TcpListener::bind(any_port()).unwrap().local_addr().unwrap();
    let meters = Meters::new(Arc::new(infra::SystemClock::start()));
    let peer = meters.meter("voice-59", Side::Opens).peer("carriers");
    let mut client = TcpTable::new(Limits::default(), Arc::default(), Box::new(move |_, _| Some(peer.clone())));
    for (number, is_trial) in [(1, true), (2, false)] {
        let id = ConnectionId::opened(number, Transport::Tcp);
        match is_trial {
            true => client.try_as(id, free, loopback()).unwrap(),
            false => client.open_as(id, free, loopback(), "").unwrap(),
        }
        assert!(matches!(soon(client.next()).await, TcpEvent::Closed { why: Closed::NotOpened(_), .. }));
        let is_failing = meters.report().iter().any(|row| row.state == State::Failing);
        assert_eq!(is_failing, !is_trial);
    }
}

#[tokio::test]
async fn what_is_no_sip_is_reported_and_the_connection_closed() {
    let (mut table, at) = table(Limits::default());
    let mut peer = TcpStream::connect(at).await.unwrap();
    opened(&mut table).await;
    peer.write_all(&OPTIONS.replace("Content-Length: 0", "Content-Length: x").into_bytes()).await.unwrap();
    assert!(matches!(soon(table.next()).await, TcpEvent::Malformed { .. }));
    assert!(matches!(soon(table.next()).await, TcpEvent::Closed { why: Closed::BadInput, .. }));
    assert_eq!(soon(peer.read(&mut [0; 16])).await.unwrap_or(0), 0);
}

#[tokio::test]
async fn a_malformed_message_whose_end_is_known_leaves_its_connection_as_it_is() {
    let (mut table, at) = table(Limits::default());
    let mut peer = TcpStream::connect(at).await.unwrap();
    opened(&mut table).await;
    let malformed = OPTIONS.replace("Content-Length: 0", "X y: 1\r\nContent-Length: 0");
    peer.write_all(&[malformed.as_bytes(), OPTIONS.as_bytes()].concat()).await.unwrap();
    assert!(matches!(soon(table.next()).await, TcpEvent::Malformed { .. }));
    assert!(matches!(soon(table.next()).await, TcpEvent::Message { .. }));
    assert_eq!(table.len(), 1);
}

#[tokio::test]
async fn connections_to_one_listener_keep_nobody_from_another_nor_us_from_opening_one() {
    let (mut table, at) = table(Limits { connections: 1, ..Limits::default() });
    let (_, nodes_at) = table.listen(any_port(), Peers::Ours).unwrap();
    let _phone = TcpStream::connect(at).await.unwrap();
    opened(&mut table).await;
    let _node = TcpStream::connect(nodes_at).await.unwrap();
    opened(&mut table).await;
    table.open(at, loopback()).expect("a carrier is reached");
}

#[tokio::test]
async fn a_stranger_gives_way_when_all_places_are_taken_and_a_phone_does_not() {
    let (mut table, at) = table(Limits { connections: 2, ..Limits::default() });
    let _desk = TcpStream::connect(at).await.unwrap();
    let desk = opened(&mut table).await;
    table.prove(desk, ProvenOwner::Phone(1));
    let mut stranger = TcpStream::connect(at).await.unwrap();
    let strangers = opened(&mut table).await;
    let _phone = TcpStream::connect(at).await.unwrap();
    let phone = loop {
        match soon(table.next()).await {
            TcpEvent::Opened { connection, .. } => break connection,
            TcpEvent::Closed { connection, why } => assert_eq!((connection, why), (strangers, Closed::Displaced)),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(soon(stranger.read(&mut [0; 1])).await.unwrap_or(0), 0);
    table.prove(phone, ProvenOwner::Phone(2));
    let mut late = TcpStream::connect(at).await.unwrap();
    let end = async { late.read(&mut [0; 1]).await.unwrap_or(0) };
    let end = tokio::select! { end = soon(end) => end, event = table.next() => panic!("{event:?}") };
    assert_eq!((end, table.len()), (0, 2));
}

#[tokio::test]
async fn an_endless_message_ends_its_connection() {
    let (mut table, at) = table(Limits::default());
    let mut peer = TcpStream::connect(at).await.unwrap();
    opened(&mut table).await;
    let flood = tokio::spawn(async move {
        let line = format!("X-Long: {}\r\n", "x".repeat(4_000));
        // Fails when the other side has closed.
        while peer.write_all(line.as_bytes()).await.is_ok() {}
    });
    assert!(matches!(soon(table.next()).await, TcpEvent::Malformed { .. }));
    assert!(matches!(soon(table.next()).await, TcpEvent::Closed { why: Closed::BadInput, .. }));
    soon(flood).await.unwrap();
}

#[tokio::test]
async fn one_source_gets_its_share_of_connections_only() {
    let (mut table, at) = table(Limits { connections_per_source: 2, ..Limits::default() });
    let _first = TcpStream::connect(at).await.unwrap();
    let _second = TcpStream::connect(at).await.unwrap();
    opened(&mut table).await;
    opened(&mut table).await;
    let mut third = TcpStream::connect(at).await.unwrap();
    let end = async { third.read(&mut [0; 1]).await.unwrap_or(0) };
    let end = tokio::select! { end = soon(end) => end, event = table.next() => panic!("{event:?}") };
    assert_eq!((end, table.len()), (0, 2));
}

#[tokio::test]
async fn a_peer_that_does_not_read_is_closed_at_its_limit() {
    let (mut table, at) = table(Limits { write_queue_bytes: 100_000, ..Limits::default() });
    let _deaf = TcpStream::connect(at).await.unwrap();
    let connection = opened(&mut table).await;
    let message = Bytes::from(vec![b'x'; 60_000]);
    let mut sent = 0_usize;
    let error = loop {
        match table.send(connection, message.clone()) {
            Ok(()) => sent += 1,
            Err(error) => break error,
        }
        assert!(sent < 10_000, "the kernel's buffers are not that large");
    };
    assert_eq!((error, table.len()), (SendError::Unread, 0));
}

#[tokio::test]
async fn silent_and_dribbling_connections_are_closed() {
    let time = Duration::from_millis(50);
    let limits = Limits { idle: time, message_time: time, ..Limits::default() };
    let (mut table, at) = table(limits);
    let _silent = TcpStream::connect(at).await.unwrap();
    let idle = opened(&mut table).await;
    match soon(table.next()).await {
        TcpEvent::Closed { connection, why } => assert_eq!((connection, why), (idle, Closed::Idle)),
        other => panic!("{other:?}"),
    }
    let mut slow = TcpStream::connect(at).await.unwrap();
    let dribbling = opened(&mut table).await;
    slow.write_all(b"OPTIONS sip:").await.unwrap();
    match soon(table.next()).await {
        TcpEvent::Closed { connection, why } => assert_eq!((connection, why), (dribbling, Closed::BadInput)),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_peer_that_we_ping_may_be_silent_for_longer() {
    let idle = Duration::from_millis(50);
    let (_server, at) = table(Limits::default());
    let mut client = TcpTable::new(Limits { idle, ..Limits::default() }, Arc::default(), Box::new(|_, _| None));
    let began = tokio::time::Instant::now();
    let id = client.open(at, loopback()).unwrap();
    client.send(id, Bytes::from_static(sip::framer::PING)).unwrap();
    assert_eq!(opened(&mut client).await, id);
    assert!(matches!(soon(client.next()).await, TcpEvent::Closed { why: Closed::Idle, .. }));
    assert!(began.elapsed() >= 2 * idle, "the ping counts once");
}

#[tokio::test]
async fn an_answer_to_a_ping_of_ours_is_told_and_is_no_ping() {
    let peer = tokio::net::TcpListener::bind(any_port()).await.unwrap();
    let mut client = TcpTable::new(Limits::default(), Arc::default(), Box::new(|_, _| None));
    let id = client.open(peer.local_addr().unwrap(), loopback()).unwrap();
    let (mut peer, _) = soon(peer.accept()).await.unwrap();
    assert_eq!(opened(&mut client).await, id);
    for _ in 0..2 {
        client.send(id, Bytes::from_static(sip::framer::PING)).unwrap();
        client.flush();
        let mut ping = [0; 4];
        soon(peer.read_exact(&mut ping)).await.unwrap();
        assert_eq!(ping, *sip::framer::PING);
        peer.write_all(b"\r\n").await.unwrap();
        assert!(matches!(soon(client.next()).await, TcpEvent::Pong(connection) if connection == id));
    }
    peer.write_all(OPTIONS.as_bytes()).await.unwrap();
    assert!(matches!(soon(client.next()).await, TcpEvent::Message { .. }));
}

// === nodes ===

fn identity() -> NodeIdentity {
    let owner = Owner { node: NodeId::parse("sip-cluster-1").unwrap(), epoch: Epoch(17) };
    NodeIdentity { role: "sip-cluster", owner, token: Arc::new(|| "a-token".into()) }
}

/// A stand-in for a proxy's cluster listener, on an address of its own.
fn proxy_at(address: IpAddr) -> TcpTable {
    let mut table = TcpTable::new(Limits::default(), Arc::default(), Box::new(|_, _| None));
    table.listen(SocketAddr::new(address, NODE_PORT), Peers::Ours).unwrap();
    table
}

async fn greeted(proxy: &mut TcpTable) -> (ConnectionId, Message) {
    let (connection, announcement) = announced(proxy).await;
    greet(proxy, connection, &announcement);
    (connection, announcement)
}

async fn announced(proxy: &mut TcpTable) -> (ConnectionId, Message) {
    let connection = opened(proxy).await;
    let TcpEvent::Message { message, .. } = soon(proxy.next()).await else { panic!("no announcement") };
    (connection, message)
}

fn greet(proxy: &mut TcpTable, connection: ConnectionId, announcement: &Message) {
    let greeting = Message::response_to(announcement, StatusCode::OK)
        .header(&sip::proxy::headers::EDGE, "127.0.0.1:5060")
        .header(&sip::proxy::headers::SECURE_EDGE, "127.0.0.1:5061")
        .header(&sip::proxy::headers::PLACES, "127.0.0.1:5060, [::1]:5060;transport=tcp")
        .header(&sip::proxy::headers::LIVE, "sip-cluster-1.17, media-1.4")
        .to_tag("p")
        .build();
    proxy.send(connection, greeting.to_bytes()).unwrap();
    proxy.flush();
}

fn links(proxies: &watch::Sender<Vec<IpAddr>>, local: IpAddr) -> NodeLinks {
    let entropy = Box::new(Seeded::new(1));
    NodeLinks::start(identity(), local, proxies.subscribe(), Limits::default(), Arc::default(), entropy)
}

#[tokio::test]
async fn a_node_announces_itself_answers_keep_alives_and_comes_back() {
    let (address, local) = (IpAddr::from([127, 213, 1, 1]), IpAddr::from([127, 213, 2, 1]));
    let mut proxy = proxy_at(address);
    let proxies = watch::Sender::new(vec![address]);
    let mut links = links(&proxies, local);
    let (connection, announcement) = greeted(&mut proxy).await;
    assert_eq!(proxy.remote(connection).unwrap().ip(), local);
    assert_eq!(announcement.header(&sip::proxy::headers::TOKEN), Some("a-token"));
    let node = announcement.header(&sip::proxy::headers::NODE);
    assert_eq!(node, Some("sip-cluster;node=sip-cluster-1;epoch=17"));
    let LinkEvent::Up { link, edge, secure_edge, places, live, .. } = soon(links.next()).await else {
        panic!("not up")
    };
    assert_eq!((edge.as_str(), live.len()), ("127.0.0.1:5060", 2));
    assert_eq!(secure_edge.as_deref(), Some("127.0.0.1:5061"));
    assert_eq!(places, ["127.0.0.1:5060", "[::1]:5060;transport=tcp"]);
    let up: Vec<_> = links.all().map(|(link, _, edge)| (link, edge)).collect();
    assert_eq!(up, [(link, "127.0.0.1:5060")]);

    let keep_alive = OPTIONS.replace("CSeq", "Trunkline-Live: sip-cluster-1.17\r\nCSeq");
    proxy.send(connection, keep_alive.into()).unwrap();
    proxy.flush();
    let LinkEvent::Message { message, .. } = soon(links.next()).await else { panic!("no message") };
    let answer = links.keep_alive_answer(&message).unwrap();
    links.send(link, answer).unwrap();
    links.flush();
    let TcpEvent::Message { message, .. } = soon(proxy.next()).await else { panic!("no answer") };
    assert_eq!(message.status(), Some(StatusCode::OK));

    links.announce(Work::Draining);
    let TcpEvent::Message { message, .. } = soon(proxy.next()).await else { panic!("no announcement") };
    assert!(message.header(&sip::proxy::headers::NODE).unwrap().ends_with(";draining"));

    proxy.close(connection);
    assert!(matches!(soon(links.next()).await, LinkEvent::Down { link: down } if down == link));
    assert_eq!(links.send(link, Bytes::from_static(b"x")), Err(SendError::Gone));
    greeted(&mut proxy).await;
    assert!(matches!(soon(links.next()).await, LinkEvent::Up { link: again, .. } if again != link));
}

#[tokio::test]
async fn a_node_that_begins_to_drain_while_it_is_greeted_says_so() {
    let (address, local) = (IpAddr::from([127, 213, 1, 4]), IpAddr::from([127, 213, 2, 4]));
    let mut proxy = proxy_at(address);
    let proxies = watch::Sender::new(vec![address]);
    let mut links = links(&proxies, local);
    let (connection, announcement) = announced(&mut proxy).await;
    links.announce(Work::Draining);
    greet(&mut proxy, connection, &announcement);
    assert!(matches!(soon(links.next()).await, LinkEvent::Up { drains: false, .. }));
    let TcpEvent::Message { message, .. } = soon(proxy.next()).await else { panic!("no announcement") };
    assert!(message.header(&sip::proxy::headers::NODE).unwrap().ends_with(";draining"));
}

#[tokio::test]
async fn a_node_hears_from_the_greeting_that_the_proxy_drains() {
    let (address, local) = (IpAddr::from([127, 213, 1, 5]), IpAddr::from([127, 213, 2, 5]));
    let mut proxy = proxy_at(address);
    let proxies = watch::Sender::new(vec![address]);
    let mut links = links(&proxies, local);
    let (connection, announcement) = announced(&mut proxy).await;
    let greeting = Message::response_to(&announcement, StatusCode::OK)
        .header(&sip::proxy::headers::EDGE, "127.0.0.1:5060")
        .header(&sip::proxy::headers::DRAINING, 1)
        .to_tag("p")
        .build();
    proxy.send(connection, greeting.to_bytes()).unwrap();
    proxy.flush();
    assert!(matches!(soon(links.next()).await, LinkEvent::Up { drains: true, secure_edge: None, .. }));
}

#[tokio::test]
async fn a_node_follows_the_list_of_proxies() {
    let addresses = [IpAddr::from([127, 213, 1, 2]), IpAddr::from([127, 213, 1, 3])];
    let mut first = proxy_at(addresses[0]);
    let mut second = proxy_at(addresses[1]);
    let proxies = watch::Sender::new(vec![addresses[0]]);
    let mut links = links(&proxies, IpAddr::from([127, 213, 2, 2]));
    greeted(&mut first).await;
    assert!(matches!(soon(links.next()).await, LinkEvent::Up { .. }));
    proxies.send_replace(addresses.to_vec());
    greeted(&mut second).await;
    assert!(matches!(soon(links.next()).await, LinkEvent::Up { proxy, .. } if proxy.ip() == addresses[1]));
    assert_eq!(links.all().count(), 2);
    proxies.send_replace(vec![addresses[1]]);
    assert!(matches!(soon(links.next()).await, LinkEvent::Down { .. }));
    assert_eq!(links.all().count(), 1);
    assert!(matches!(soon(first.next()).await, TcpEvent::Closed { .. }));
}
