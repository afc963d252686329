//! The node without sockets: what a simulation does with it.

use std::sync::Arc;
use std::time::Duration;

use infra::{Change, Clock, MediaWrite, Record};
use media::g711::Law;
use media::rtp::{Header, Packet};
use media::sdp::{self, LocalAudio, Preference, negotiation};
use model::entropy::Seeded;
use model::{Epoch, NodeId, Owner, Token};
use sip::agent::{AgentConfig, Event, Invite, LocalIdentity, Provisionals, Session, UserAgent};
use sip::{Flow, Message, Seal};

use super::super::in_memory::{InMemory, Place};
use super::super::limits::Limits;
use crate::test_stores::HandClock;

const LINK: u64 = 1;

struct World {
    clock: Arc<HandClock>,
    media: InMemory,
    owner: UserAgent,
    events: Vec<Event>,
}

fn media(clock: &Arc<HandClock>, epoch: u64) -> InMemory {
    let clock: Arc<dyn Clock> = clock.clone();
    let place = Place {
        owner: Owner { node: NodeId::parse("media-1").unwrap(), epoch: Epoch(epoch) },
        seal: Seal::new(&[7; 32]),
        address: "192.0.2.50".parse().unwrap(),
        ports: 20_000..=20_099,
        seed: epoch,
        clock: clock.clone(),
    };
    let mut media = InMemory::start(place, Limits::default());
    media.node.link_up(LINK, "192.0.2.1:5060", clock.now());
    media
}

impl World {
    fn new() -> Self {
        let clock = HandClock::new();
        let media = media(&clock, 1);
        let owner = UserAgent::new(AgentConfig::default(), Box::new(Seeded::new(3)));
        Self { clock, media, owner, events: Vec::new() }
    }

    /// Invites media for a phone at that address; media's port.
    fn call(&mut self, n: u16) -> u16 {
        let local =
            LocalAudio { address: "198.51.100.7".parse().unwrap(), port: 4_000 + 2 * n, session_id: 1, version: 1 };
        let target = "sip:conf=9@media.trunkline.invalid".to_owned();
        let invite = Invite {
            flow: Flow::Stream { connection: LINK },
            to: format!("<{target}>"),
            target,
            from: "<sip:node@trunkline.invalid>".to_owned(),
            call_id: format!("call-{n}"),
            local: LocalIdentity { contact: "<sip:o@192.0.2.1>".to_owned(), tag: format!("owner-{n}") },
            routes: Vec::new(),
            headers: vec![(sip::proxy::headers::TENANT, "example".to_owned())],
            offer: Some(negotiation::offer(&local, Preference::default()).to_string().into()),
            provisionals: Provisionals::Plain,
        };
        self.owner.invite(invite, self.clock.now()).unwrap();
        self.settle();
        let answer = self.events.drain(..).find_map(|event| match event {
            Event::Answered { session: Session::Answer(answer), .. } => Some(answer),
            _ => None,
        });
        sdp::parse(&answer.unwrap()).unwrap().audio().unwrap().port
    }

    fn settle(&mut self) {
        loop {
            let now = self.clock.now();
            self.media.handle_timeout(now);
            let mut moved = false;
            while let Some(transmit) = self.owner.poll_transmit() {
                self.media.receive(Message::parse(transmit.bytes).unwrap(), LINK, now);
                moved = true;
            }
            while let Some(transmit) = self.media.poll_transmit() {
                let flow = Flow::Stream { connection: LINK };
                self.owner.receive(Message::parse(transmit.bytes).unwrap(), flow, now);
                moved = true;
            }
            self.events.extend(std::iter::from_fn(|| self.owner.poll_event()));
            if !moved {
                return;
            }
        }
    }

    /// What the phone at that port hears of what the other one says.
    fn heard(&mut self, say_to: u16, n: u16) -> Vec<(u16, Vec<u8>)> {
        self.clock.pass(Duration::from_millis(20));
        let header = Header { sequence: n, timestamp: u32::from(n) * 160, ssrc: 5, ..Header::default() };
        let mut bytes = header.to_bytes().to_vec();
        bytes.extend([Law::Mu.encode(900); 160]);
        assert!(self.media.hear(say_to, &bytes, "198.51.100.7:4000".parse().unwrap(), self.clock.now()));
        let packets = std::iter::from_fn(|| self.media.poll_packet());
        let audio = packets.filter(|packet| !media::rtp::is_rtcp(&packet.bytes));
        audio.map(|p| (p.to.port(), Packet::parse(&p.bytes).unwrap().payload.to_vec())).collect()
    }
}

#[test]
fn two_phones_hear_each_other_without_a_socket_and_still_do_in_the_nodes_next_life() {
    let mut world = World::new();
    let (alice, _bob) = (world.call(0), world.call(1));
    let said = vec![Law::Mu.encode(900); 160];
    for n in 0..5 {
        assert_eq!(world.heard(alice, n), [(4_002, said.clone())]);
    }
    let writes = world.media.stored();
    assert_eq!(writes.len(), 2);
    world.media = media(&world.clock, 2);
    for MediaWrite { tenant, session: key, owner, due, change, .. } in writes {
        let (Change::Create { state, intentions } | Change::Save { state, intentions }) = change else { panic!() };
        let record = Record { tenant, key, owner, token: Token(2), state, intentions, due };
        world.media.node.restore(&record, world.clock.now());
    }
    assert_eq!(world.heard(alice, 6), [(4_002, said)]);
    world.settle();
    assert!(world.media.next_timeout() > world.clock.now());
    assert!(!world.media.hear(20_090, &[0x80; 20], "198.51.100.7:4000".parse().unwrap(), world.clock.now()));
}
