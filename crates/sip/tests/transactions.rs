//! The transaction layer against the tables of RFC 3261 §17, RFC 6026 and RFC 4320.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use model::Timestamp;
use sip::header::HeaderName;
use sip::transaction::{
    ClientId, ClientRequest, ClientState, Intervals, NewRequest, Received, ServerId, ServerState, TransactionEvent,
    TransactionLayer,
};
use sip::{ConnectionId, Flow, Message, Method, StatusCode};

const START: Timestamp = Timestamp::from_millis(1_767_225_600_000);
const TCP: Flow = Flow::Stream { connection: ConnectionId(1) };
const MS: Duration = Duration::from_millis(1);

fn udp() -> Flow {
    Flow::Udp { listener: 0, remote: SocketAddr::new(Ipv4Addr::new(192, 0, 2, 1).into(), 5060) }
}

fn layer() -> TransactionLayer {
    TransactionLayer::new(Intervals::default())
}

fn request(method: Method, branch: &str) -> Message {
    let built = Message::request(method.clone(), "sip:bob@example.com")
        .header(&HeaderName::Via, format_args!("SIP/2.0/UDP a.example.com;branch={branch}"))
        .header(&HeaderName::Route, "<sip:edge.example.com;lr>")
        .header(&HeaderName::MaxForwards, 70)
        .header(&HeaderName::From, "<sip:alice@example.com>;tag=a")
        .header(&HeaderName::To, "<sip:bob@example.com>")
        .header(&HeaderName::CallId, "call-1")
        .header(&HeaderName::CSeq, format_args!("1 {method}"))
        .header(&HeaderName::Contact, "<sip:alice@192.0.2.5>")
        .build();
    Message::parse(built.to_bytes()).expect("we read what we build")
}

fn response(request: &Message, status: u16, tag: &str) -> Message {
    let built = Message::response_to(request, StatusCode(status)).to_tag(tag).build();
    Message::parse(built.to_bytes()).expect("we read what we build")
}

fn send(layer: &mut TransactionLayer, method: Method, flow: Flow) -> (ClientId, Message) {
    let message = request(method, "z9hG4bKclient");
    let request = ClientRequest { message: &message, branch: "z9hG4bKclient", flow, owner: 42 };
    let client = layer.send(request, START).expect("an empty layer has room");
    layer.poll_transmit().expect("the first transmission");
    (client, message)
}

fn receive(layer: &mut TransactionLayer, message: Message, flow: Flow) -> ServerId {
    match layer.receive(message, flow, START) {
        Received::Request(NewRequest { server, .. }) => server,
        other => panic!("not a new request: {other:?}"),
    }
}

/// Lets time pass to `until`, in milliseconds; returns the times of all transmissions and events.
fn pass(layer: &mut TransactionLayer, until_ms: u64) -> (Vec<u64>, Vec<(u64, TransactionEvent)>) {
    let (mut sent, mut events) = (Vec::new(), Vec::new());
    while let Some(due) = layer.next_timeout().filter(|due| *due <= START + until_ms as u32 * MS) {
        layer.handle_timeout(due);
        let at = due.since(START).as_millis() as u64;
        sent.extend(std::iter::from_fn(|| layer.poll_transmit()).map(|_| at));
        events.extend(std::iter::from_fn(|| layer.poll_event()).map(|event| (at, event)));
    }
    (sent, events)
}

#[test]
fn timers_a_and_b_of_an_invite() {
    let mut layer = layer();
    let (client, _) = send(&mut layer, Method::Invite, udp());
    let (sent, events) = pass(&mut layer, 60_000);
    assert_eq!(sent, [500, 1_500, 3_500, 7_500, 15_500, 31_500]);
    assert_eq!(events, [(32_000, TransactionEvent::ClientTimeout { client, owner: 42 })]);
    assert!(layer.is_empty());
}

#[test]
fn timers_e_and_f_of_another_request() {
    let mut layer = layer();
    let (client, _) = send(&mut layer, Method::Bye, udp());
    let (sent, events) = pass(&mut layer, 60_000);
    assert_eq!(sent, [500, 1_500, 3_500, 7_500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500]);
    assert_eq!(events, [(32_000, TransactionEvent::ClientTimeout { client, owner: 42 })]);
}

#[test]
fn timer_e_is_t2_at_once_after_a_provisional_response() {
    let mut layer = layer();
    let (_, bye) = send(&mut layer, Method::Bye, udp());
    layer.receive(response(&bye, 100, ""), udp(), START);
    let (sent, _) = pass(&mut layer, 10_000);
    assert_eq!(sent, [500, 4_500, 8_500]);
}

#[test]
fn over_a_stream_nothing_is_repeated_and_nothing_lingers() {
    for method in [Method::Invite, Method::Bye] {
        let mut layer = layer();
        let (_, message) = send(&mut layer, method, TCP);
        assert_eq!(pass(&mut layer, 31_000).0, [0_u64; 0]);
        layer.receive(response(&message, 486, "b"), TCP, START);
        assert!(layer.is_empty());
    }
}

#[test]
fn a_client_lingers_by_timers_d_k_and_m() {
    for (method, status, lingers_ms, state) in [
        (Method::Invite, 486, 32_000, ClientState::Completed),
        (Method::Bye, 200, 5_000, ClientState::Completed),
        (Method::Invite, 200, 32_000, ClientState::Accepted),
    ] {
        let mut layer = layer();
        let (client, message) = send(&mut layer, method, udp());
        layer.receive(response(&message, status, "b"), udp(), START);
        assert_eq!(layer.client_state(client), Some(state));
        let (_, events) = pass(&mut layer, 60_000);
        assert_eq!(events, [(lingers_ms, TransactionEvent::ClientEnded { client, owner: 42 })]);
    }
}

#[test]
fn a_failure_is_acknowledged_by_the_transaction_each_time() {
    let mut layer = layer();
    let (_, invite) = send(&mut layer, Method::Invite, udp());
    assert!(matches!(layer.receive(response(&invite, 486, "b"), udp(), START), Received::Response { owner: 42, .. }));
    assert!(matches!(layer.receive(response(&invite, 486, "b"), udp(), START), Received::Absorbed));
    let acks: Vec<Message> =
        std::iter::from_fn(|| layer.poll_transmit()).map(|t| Message::parse(t.bytes).unwrap()).collect();
    assert_eq!(acks.len(), 2);
    for ack in acks {
        assert_eq!(ack.method(), Method::Ack);
        assert_eq!(ack.top_via().unwrap().branch(), Some("z9hG4bKclient"));
        assert_eq!(ack.to().unwrap().tag(), Some("b"));
        assert_eq!(ack.cseq().unwrap().number, 1);
        assert_eq!(ack.header(&HeaderName::Route), Some("<sip:edge.example.com;lr>"));
        assert_eq!(ack.request_uri(), invite.request_uri());
    }
}

#[test]
fn every_2xx_of_every_fork_is_passed_up() {
    let mut layer = layer();
    let (_, invite) = send(&mut layer, Method::Invite, udp());
    for tag in ["b", "c", "b"] {
        let received = layer.receive(response(&invite, 200, tag), udp(), START);
        assert!(matches!(received, Received::Response { .. }), "{tag}");
    }
}

#[test]
fn a_2xx_that_was_acknowledged_is_acknowledged_again_without_its_user() {
    let mut layer = layer();
    let (client, invite) = send(&mut layer, Method::Invite, udp());
    layer.receive(response(&invite, 200, "b"), udp(), START);
    layer.acknowledge(client, "b", request(Method::Ack, "z9hG4bKack").to_bytes(), udp());
    assert!(matches!(layer.receive(response(&invite, 200, "b"), udp(), START), Received::Absorbed));
    assert_eq!(std::iter::from_fn(|| layer.poll_transmit()).count(), 2);
}

#[test]
fn timers_g_and_h_of_a_failure_that_is_not_acknowledged() {
    let mut layer = layer();
    let invite = request(Method::Invite, "z9hG4bKserver");
    let server = receive(&mut layer, invite.clone(), udp());
    layer.respond(server, &response(&invite, 486, "b"), START).unwrap();
    layer.poll_transmit();
    let (sent, events) = pass(&mut layer, 60_000);
    assert_eq!(sent, [500, 1_500, 3_500, 7_500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500]);
    assert_eq!(events, [(32_000, TransactionEvent::ServerTimeout { server, owner: 0 })]);
}

#[test]
fn timer_i_absorbs_repeated_acks() {
    let mut layer = layer();
    let invite = request(Method::Invite, "z9hG4bKserver");
    let server = receive(&mut layer, invite.clone(), udp());
    layer.respond(server, &response(&invite, 486, "b"), START).unwrap();
    for _ in 0..2 {
        let ack = layer.receive(request(Method::Ack, "z9hG4bKserver"), udp(), START);
        assert!(matches!(ack, Received::Absorbed));
    }
    assert_eq!(layer.server_state(server), Some(ServerState::Confirmed));
    let (_, events) = pass(&mut layer, 60_000);
    assert_eq!(events, [(5_000, TransactionEvent::ServerEnded { server, owner: 0 })]);
}

#[test]
fn an_accepted_invite_absorbs_repeats_for_timer_l_and_lets_2xx_pass() {
    let mut layer = layer();
    let invite = request(Method::Invite, "z9hG4bKserver");
    let server = receive(&mut layer, invite.clone(), udp());
    for _ in 0..2 {
        layer.respond(server, &response(&invite, 200, "b"), START).unwrap();
    }
    assert_eq!(std::iter::from_fn(|| layer.poll_transmit()).count(), 2);
    assert!(matches!(layer.receive(invite, udp(), START), Received::Absorbed));
    assert!(layer.poll_transmit().is_none());
    let (_, events) = pass(&mut layer, 60_000);
    assert_eq!(events, [(32_000, TransactionEvent::ServerEnded { server, owner: 0 })]);
}

#[test]
fn an_invite_that_nobody_answers_for_200_ms_gets_100() {
    let mut layer = layer();
    receive(&mut layer, request(Method::Invite, "z9hG4bKserver"), TCP);
    layer.handle_timeout(START + 199 * MS);
    assert!(layer.poll_transmit().is_none());
    layer.handle_timeout(START + 200 * MS);
    let trying = Message::parse(layer.poll_transmit().unwrap().bytes).unwrap();
    assert_eq!((trying.status(), trying.to().unwrap().tag()), (Some(StatusCode::TRYING), None));
}

/// Repeats a request every 4 s for `seconds`; returns how often it was answered.
fn repeat(layer: &mut TransactionLayer, request: &Message, seconds: u32) -> usize {
    (0..=seconds / 4)
        .filter(|n| {
            let now = START + n * 4_000 * MS;
            layer.handle_timeout(now);
            assert!(matches!(layer.receive(request.clone(), udp(), now), Received::Absorbed));
            layer.poll_transmit().is_some()
        })
        .count()
}

#[test]
fn another_request_is_over_with_its_answer_which_who_asks_again_gets_for_timer_j() {
    let mut layer = layer();
    let bye = request(Method::Bye, "z9hG4bKserver");
    let server = receive(&mut layer, bye.clone(), udp());
    layer.respond(server, &response(&bye, 200, "b"), START).unwrap();
    let answer = layer.poll_transmit().unwrap();
    assert_eq!(layer.poll_event(), Some(TransactionEvent::ServerEnded { server, owner: 0 }));
    assert!(layer.is_empty());
    assert!(layer.respond(server, &response(&bye, 500, "b"), START).is_err(), "there is one answer");
    assert!(matches!(layer.receive(bye.clone(), udp(), START), Received::Absorbed));
    assert_eq!(layer.poll_transmit(), Some(answer));
    assert_eq!(repeat(&mut layer, &bye, 32), 9);
    assert!(matches!(layer.receive(request(Method::Bye, "z9hG4bKother"), udp(), START), Received::Request(_)));
    assert!(matches!(layer.receive(bye, udp(), START + 41_000 * MS), Received::Request(_)), "it is not kept for ever");
}

#[test]
fn where_a_successor_may_go_on_a_request_is_answered_from_its_transaction_for_timer_j() {
    let mut layer = TransactionLayer::restorable(10, Intervals::default());
    let bye = request(Method::Bye, "z9hG4bKserver");
    let server = receive(&mut layer, bye.clone(), udp());
    layer.respond(server, &response(&bye, 200, "b"), START).unwrap();
    let mut successor = TransactionLayer::restorable(10, Intervals::default());
    let inherited = successor.restore_server(layer.snapshot_server(server).unwrap(), 0, START).unwrap();
    for (mut layer, server, sent) in [(layer, server, 1), (successor, inherited, 0)] {
        assert_eq!(std::iter::from_fn(|| layer.poll_transmit()).count(), sent);
        assert_eq!(repeat(&mut layer, &bye, 28), 8);
        let (_, events) = pass(&mut layer, 60_000);
        assert_eq!(events, [(32_000, TransactionEvent::ServerEnded { server, owner: 0 })]);
    }
}

#[test]
fn a_408_to_another_request_is_never_sent_and_silence_ends_it() {
    let mut layer = layer();
    let bye = request(Method::Bye, "z9hG4bKserver");
    let server = receive(&mut layer, bye.clone(), udp());
    layer.respond(server, &response(&bye, 408, "b"), START).unwrap();
    assert!(layer.poll_transmit().is_none());
    let (_, events) = pass(&mut layer, 60_000);
    assert_eq!(events, [(32_000, TransactionEvent::ServerTimeout { server, owner: 0 })]);
}

#[test]
fn a_cancel_names_the_invite_that_it_means_and_its_owner() {
    let mut layer = layer();
    let invite = receive(&mut layer, request(Method::Invite, "z9hG4bKserver"), udp());
    layer.own(invite, 7);
    match layer.receive(request(Method::Cancel, "z9hG4bKserver"), udp(), START) {
        Received::Request(NewRequest { cancels, .. }) => assert_eq!(cancels, Some((invite, 7))),
        other => panic!("not a request: {other:?}"),
    }
}

#[test]
fn two_senders_with_one_branch_have_two_transactions() {
    let mut layer = layer();
    let one = request(Method::Bye, "z9hG4bKserver");
    let mut other = one.clone();
    other.set(&HeaderName::Via, "SIP/2.0/UDP b.example.com;branch=z9hG4bKserver");
    assert_ne!(receive(&mut layer, one, udp()), receive(&mut layer, other, udp()));
}

#[test]
fn a_request_without_the_magic_cookie_is_matched_as_rfc_2543_has_it() {
    let mut layer = layer();
    let invite = request(Method::Invite, "1");
    let server = receive(&mut layer, invite.clone(), udp());
    assert!(matches!(layer.receive(invite.clone(), udp(), START), Received::Absorbed));
    layer.respond(server, &response(&invite, 486, "b"), START).unwrap();
    let mut ack = request(Method::Ack, "1");
    ack.set(&HeaderName::To, "<sip:bob@example.com>;tag=b");
    assert!(matches!(layer.receive(ack, udp(), START), Received::Absorbed));
    assert_eq!(layer.server_state(server), Some(ServerState::Confirmed));
}

#[test]
fn a_transaction_goes_on_in_another_layer() {
    let (mut first, mut second) = (layer(), layer());
    let (client, invite) = send(&mut first, Method::Invite, udp());
    first.handle_timeout(START + 600 * MS);
    let successor = second.restore_client(first.snapshot_client(client).unwrap(), 9, START + 600 * MS).unwrap();
    let (sent, _) = pass(&mut second, 8_000);
    assert_eq!(sent, [1_500, 3_500, 7_500], "timer A keeps its rhythm");
    let received = second.receive(response(&invite, 180, "b"), udp(), START);
    assert!(matches!(received, Received::Response { client, owner: 9, .. } if client == successor));
}

#[test]
fn a_malformed_request_is_refused_without_state() {
    let mut layer = layer();
    let mut broken = request(Method::Options, "z9hG4bKserver");
    broken.remove(&HeaderName::From);
    assert!(matches!(layer.receive(broken, udp(), START), Received::Absorbed));
    let refusal = Message::parse(layer.poll_transmit().unwrap().bytes).unwrap();
    assert_eq!(refusal.status(), Some(StatusCode::BAD_REQUEST));
    assert!(layer.is_empty());
}

#[test]
fn long_requests_are_refused_before_they_have_taken_the_memory() {
    let mut layer = TransactionLayer::restorable(4_096, Intervals::default());
    let long = "x".repeat(8_000);
    let (mut servers, mut refused) = (Vec::new(), false);
    for number in 0..2_000 {
        match layer.receive(request(Method::Invite, &format!("z9hG4bK{number}{long}")), udp(), START) {
            Received::Request(NewRequest { server, .. }) => servers.push(server),
            _ => refused = true,
        }
        if refused {
            break;
        }
    }
    assert!((200..1_000).contains(&servers.len()), "{} of some 32 KB each fit into 11 MB", servers.len());
    // Ended transactions have freed their room.
    servers.into_iter().for_each(|server| layer.drop_server(server));
    receive(&mut layer, request(Method::Invite, &format!("z9hG4bK{long}")), udp());
}
