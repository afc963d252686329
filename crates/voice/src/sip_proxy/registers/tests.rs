use bytes::Bytes;

use super::*;
use sip::ConnectionId;

fn arrived(text: &'static str, at: u64) -> Arrived {
    let datagram = Datagram { remote: ([192, 0, 2, 1], 5060).into(), bytes: Bytes::from_static(text.as_bytes()) };
    Arrived { what: Arrival::Datagram(datagram), at: ms(at) }
}

fn texts(arrived: Vec<Arrived>) -> Vec<Bytes> {
    let text = |arrived: Arrived| match arrived.what {
        Arrival::Datagram(datagram) => datagram.bytes,
        Arrival::Message(_, message) => message.to_bytes(),
    };
    arrived.into_iter().map(text).collect()
}

fn ms(at: u64) -> Timestamp {
    Timestamp::from_millis(1_000_000 + at)
}

#[test]
fn one_by_itself_does_not_wait_and_those_that_follow_wait_together() {
    let mut registers = Registers::default();
    assert!(registers.keep(arrived("REGISTER a", 0)).is_some());
    assert_eq!(registers.due(), None);
    assert!(registers.keep(arrived("REGISTER b", 5)).is_none());
    assert!(registers.keep(arrived("REGISTER c", 19)).is_none());
    assert_eq!(registers.due(), Some(ms(20)));
    assert_eq!(registers.take(ms(19)).len(), 0);
    assert_eq!(texts(registers.take(ms(21))), ["REGISTER b", "REGISTER c"]);
    assert!(registers.keep(arrived("REGISTER d", 40)).is_none(), "19 ms after the others");
    assert_eq!(registers.take(ms(41)).len(), 1);
    assert!(registers.keep(arrived("REGISTER e", 61)).is_some());
}

#[test]
fn by_a_connection_too_and_nothing_else_waits() {
    let message = |method| {
        let message = Message::request(method, "sip:a").build();
        Arrived { what: Arrival::Message(ConnectionId(1), message), at: ms(1) }
    };
    let mut registers = Registers::default();
    assert!(registers.keep(arrived("REGISTER a", 0)).is_some());
    assert!(registers.keep(message(Method::Register)).is_none());
    assert!(registers.keep(message(Method::Invite)).is_some());
    assert!(registers.keep(arrived("INVITE a", 1)).is_some());
    assert!(registers.keep(arrived("REGISTERED a", 1)).is_some());
}

#[test]
fn one_by_itself_does_not_wait_because_nothing_was_dealt_with() {
    let mut registers = Registers::default();
    assert_eq!(registers.take_all(ms(0)).len(), 0);
    assert!(registers.keep(arrived("REGISTER a", 1)).is_some());
}

#[test]
fn many_do_not_wait() {
    let mut registers = Registers::default();
    assert!(registers.keep(arrived("REGISTER a", 0)).is_some());
    for _ in 0..WAITING_MAX {
        assert_eq!(registers.take(ms(1)).len(), 0);
        assert!(registers.keep(arrived("REGISTER b", 1)).is_none());
    }
    assert_eq!(registers.take(ms(1)).len(), WAITING_MAX);
    assert_eq!(registers.due(), None);
}
