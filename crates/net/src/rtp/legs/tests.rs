use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use media::session::Setup;
use tokio::sync::mpsc;

use super::*;
use crate::rtp::Ports;

struct Nothing;

impl Wire for Nothing {
    fn opened(&mut self, _index: usize, _ports: &mut PortPair) -> io::Result<()> {
        Ok(())
    }

    fn closed(&mut self, _ports: &mut PortPair) {}

    fn send(&mut self, _ports: &PortPair, _out: &Outgoing<'_>) {}
}

fn session(now: Timestamp) -> Box<Session> {
    let quiet_after = Duration::from_secs(60);
    Box::new(Session::new(Setup { ssrc: 1, sequence: 1, timestamp: 1, cname: "t".to_owned(), quiet_after }, now))
}

/// Sockets that cannot be polled.
struct Unpolled;

impl Wire for Unpolled {
    fn opened(&mut self, _index: usize, _ports: &mut PortPair) -> io::Result<()> {
        Err(io::Error::other("no more descriptors"))
    }

    fn closed(&mut self, _ports: &mut PortPair) {}

    fn send(&mut self, _ports: &PortPair, _out: &Outgoing<'_>) {}
}

#[test]
fn a_leg_whose_sockets_cannot_be_polled_ends_and_frees_its_ports() {
    let (mut legs, now) = (Legs::default(), Timestamp::from_millis(1));
    let ports = Arc::new(Ports::without_sockets(IpAddr::V4(Ipv4Addr::LOCALHOST), 20_000..=20_001));
    let order = Order::Open { leg: LegId(1), ports: ports.bind().unwrap(), session: session(now) };
    legs.perform(order, now, &mut Unpolled);
    let (news, mut told) = mpsc::channel(4);
    legs.tell(&news);
    assert!(matches!(told.try_recv(), Ok(LegEvent::Failed(LegId(1), _))));
    assert_eq!(ports.free(), 1);
    let order = Order::Open { leg: LegId(2), ports: ports.bind().unwrap(), session: session(now) };
    legs.perform(order, now, &mut Nothing);
    assert!(legs.figures(LegId(2)).is_some());
}

#[test]
fn a_panic_costs_the_leg_at_work_alone() {
    let (mut legs, now) = (Legs::default(), Timestamp::from_millis(1));
    let ports = Arc::new(Ports::without_sockets(IpAddr::V4(Ipv4Addr::LOCALHOST), 20_000..=20_003));
    for leg in [LegId(1), LegId(2)] {
        let order = Order::Open { leg, ports: ports.bind().unwrap(), session: session(now) };
        legs.perform(order, now, &mut Nothing);
    }
    assert_eq!(ports.free(), 0);
    let done = legs.attempt(&mut Nothing, |legs, _| legs.with(LegId(1), |_| panic!("a fault of a session")));
    assert!(!done);
    assert_eq!(ports.free(), 1);
    let (news, mut told) = mpsc::channel(4);
    legs.tell(&news);
    let cause = Cause::Panic("a fault of a session".to_owned());
    assert_eq!(told.try_recv().unwrap(), LegEvent::Failed(LegId(1), cause));
    assert!(legs.figures(LegId(1)).is_none() && legs.figures(LegId(2)).is_some());
}

#[test]
#[should_panic(expected = "a fault of nobody")]
fn a_panic_that_is_no_legs_is_not_hidden() {
    Legs::default().attempt(&mut Nothing, |_, _| panic!("a fault of nobody"));
}
