//! The node without sockets, used as in a simulation.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use contracts::v1;
use infra::conformance::SetClock;
use infra::{Change, Clock, MediaWrite, Record, Written};
use ivr::msml::{self, Command, Dialog};
use media::g711::Law;
use media::rtp::{Header, Packet};
use media::sdp::{self, Fingerprint, LocalAudio, LocalEncryption, Preference, negotiation};
use model::entropy::Seeded;
use model::{AddressFamily, Entropy as _, Epoch, NodeId, Owner, TenantId, Token};
use prost::Message as _;
use sip::agent::{
    AgentConfig, Body, DialogId, DialogTerms, Event, Invite, LocalIdentity, Provisionals, Session, UserAgent,
};
use sip::{ConnectionId, Flow, Message, Seal};

use super::super::addresses::AudioAddresses;
use super::super::in_memory::{InMemory, Place};
use super::super::limits::Limits;
use super::super::node::commit::Undo;
use super::super::node::records::{self, Decoded};
use super::super::node::restore::RestoreError;
use crate::dialog_records::RecordError;
use crate::test_stores::{cipher, set_clock};

mod dual_stack;
mod recording;

const LINK: ConnectionId = ConnectionId(1);
/// Where no prompts are, and nothing can be written: the built-in ones are played.
const NOWHERE: &str = "/dev/null/prompts";

/// Media's addresses, one of each family.
fn ours() -> AudioAddresses {
    AudioAddresses::new("192.0.2.50".parse().unwrap(), Some("2001:db8::50".parse().unwrap()))
}

struct World {
    prompts: PathBuf,
    clock: Arc<SetClock>,
    media: InMemory,
    owner: UserAgent,
    events: Vec<Event>,
    party: Option<String>,
    dialog: Option<DialogId>,
}

fn media(clock: &Arc<SetClock>, epoch: u64) -> InMemory {
    media_with(PathBuf::from(NOWHERE), clock, epoch)
}

fn media_with(prompts: PathBuf, clock: &Arc<SetClock>, epoch: u64) -> InMemory {
    let clock: Arc<dyn Clock> = clock.clone();
    let place = Place {
        owner: Owner { node: NodeId::parse("media-1").unwrap(), epoch: Epoch(epoch) },
        seal: Seal::new(&[7; 32]),
        addresses: ours(),
        ports: 20_000..=20_099,
        seed: epoch,
        prompts,
        clock: clock.clone(),
    };
    let mut media = InMemory::start(place, Limits::default());
    media.node.link_up(LINK, "192.0.2.1:5060", clock.now());
    media
}

impl World {
    fn new() -> Self {
        Self::with(PathBuf::from(NOWHERE))
    }

    /// With that folder of prompts.
    fn with(prompts: PathBuf) -> Self {
        let clock = set_clock();
        let media = media_with(prompts.clone(), &clock, 1);
        let owner = UserAgent::new(AgentConfig::default(), Box::new(Seeded::new(3)));
        Self { prompts, clock, media, owner, events: Vec::new(), party: None, dialog: None }
    }

    /// Invites media for a phone; returns media's port.
    fn call(&mut self, n: u16) -> u16 {
        self.call_of(n, SocketAddr::from(([198, 51, 100, 7], 4_000 + 2 * n)))
    }

    /// The INVITE of such a call.
    fn invite(&mut self, n: u16) -> Message {
        self.ask(n, SocketAddr::from(([198, 51, 100, 7], 4_000 + 2 * n)));
        Message::parse(self.owner.poll_transmit().unwrap().bytes).unwrap()
    }

    /// As [`Self::call`], with that address in the description.
    fn call_of(&mut self, n: u16, described: SocketAddr) -> u16 {
        self.ask(n, described);
        self.settle();
        let answer = self.events.drain(..).find_map(|event| match event {
            Event::Answered { session: Session::Answer(answer), .. } => Some(answer),
            _ => None,
        });
        sdp::parse(&answer.unwrap()).unwrap().audio().unwrap().port
    }

    fn ask(&mut self, n: u16, described: SocketAddr) {
        let local = LocalAudio {
            address: described.ip(),
            port: described.port(),
            session_id: 1,
            version: 1,
            encryption: LocalEncryption::Off,
        };
        let offer = negotiation::offer(&local, Preference::default(), &[]).to_string();
        self.ask_at("sip:conf=9@media.trunkline.invalid", n, Some(offer));
    }

    /// Invites media at a Request-URI, with an offer or for one.
    fn ask_at(&mut self, target: &str, n: u16, offer: Option<String>) {
        let target = target.to_owned();
        let mut headers = vec![(sip::proxy::headers::TENANT, "example".to_owned())];
        headers.extend(self.party.clone().map(|party| (sip::proxy::headers::PARTY, party)));
        let invite = Invite {
            flow: Flow::Stream { connection: LINK },
            to: format!("<{target}>"),
            target,
            from: "<sip:node@trunkline.invalid>".to_owned(),
            call_id: format!("call-{n}"),
            local: LocalIdentity { contact: "<sip:o@192.0.2.1>".to_owned(), tag: format!("owner-{n}") },
            routes: Vec::new(),
            headers,
            offer: offer.map(Into::into),
            max_forwards: sip::dialog::MAX_FORWARDS,
            parts: Vec::new(),
            provisionals: Provisionals::Plain,
            account: None,
            terms: DialogTerms::default(),
        };
        self.dialog = Some(self.owner.invite(invite, self.clock.now()).unwrap());
    }

    /// Plays music to the leg that was called last.
    fn music(&mut self) {
        self.treat(Dialog::looped(["prompt:music"]));
    }

    fn treat(&mut self, treatment: Dialog) {
        let dialog = self.dialog.unwrap();
        let connection = self.owner.leg(dialog).unwrap().dialog.local_tag.to_string();
        let start = Command::DialogStart { connection, name: None, dialog: treatment };
        let body = Body::new(msml::CONTENT_TYPE, msml::build_request(&[start]));
        self.owner.info(dialog, body, Vec::new(), self.clock.now()).unwrap();
        self.settle();
    }

    /// The ledger's records of all legs, by their ports.
    fn records(&mut self) -> Vec<Record<infra::MediaSessionId>> {
        let mut legs: Vec<_> = self.media.node.legs.iter().map(|(dialog, leg)| (leg.local.port, *dialog)).collect();
        legs.sort_unstable();
        let mut records = Vec::new();
        for (_, dialog) in legs {
            self.media.node.changed.clear();
            self.media.node.changed.insert(dialog);
            let MediaWrite { tenant, session: key, owner, due, change, .. } =
                self.media.stored(self.clock.now()).pop().unwrap();
            let (Change::Create { state, intentions } | Change::Save { state, intentions }) = change else { panic!() };
            records.push(Record { tenant, key, owner, token: Token(2), state, intentions, due, claims: 1 });
        }
        records
    }

    /// The node fails and restarts from its stored records; returns the number of legs.
    fn restart(&mut self) -> usize {
        let records = self.records();
        self.media = media_with(self.prompts.clone(), &self.clock, 2);
        for record in &records {
            self.media.node.restore(record, self.clock.now()).unwrap();
        }
        records.len()
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

    /// Sends one packet of speech to media's port `say_to`; returns media's audio packets with their ports.
    fn heard(&mut self, say_to: u16, n: u16) -> Vec<(u16, Vec<u8>)> {
        self.clock.advance(Duration::from_millis(20));
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
fn music_goes_on_for_who_has_done_the_signalling_and_ends_for_whom_only_the_description_names() {
    for (party, heard) in [(Some("198.51.100.7"), 1_500), (Some("203.0.113.9"), 500), (None, 500)] {
        let mut world = World::new();
        world.party = party.map(str::to_owned);
        world.call(0);
        world.music();
        let mut sent = 0;
        for second in 0..30 {
            for _ in 0..50 {
                world.clock.advance(Duration::from_millis(20));
                world.settle();
                let packets = std::iter::from_fn(|| world.media.poll_packet());
                sent += packets.filter(|packet| !media::rtp::is_rtcp(&packet.bytes)).count();
            }
            if second == 15 {
                // The node's next run remembers the packets sent, and its time without a process does not count as silence.
                world.restart();
            }
        }
        assert!((heard - 20..=heard + 1).contains(&sent), "{party:?}: {sent}");
    }
}

/// When a phone that was never heard counts as quiet, which is written.
const QUIET: u32 = 50_000;

/// The times in ms of the writes of a leg's record in its first minute of a treatment, and its last record.
fn writes_of_a_minute(treatment: Dialog) -> (Vec<u32>, World, Record<infra::MediaSessionId>) {
    let mut world = World::new();
    world.party = Some("198.51.100.7".to_owned());
    world.call(0);
    world.treat(treatment);
    let (mut times, mut record) = (Vec::new(), None);
    for step in 0..=3_000 {
        for MediaWrite { tenant, session: key, owner, due, change, .. } in world.media.stored(world.clock.now()) {
            let (Change::Create { state, intentions } | Change::Save { state, intentions }) = change else { panic!() };
            record = Some(Record { tenant, key, owner, token: Token(2), state, intentions, due, claims: 1 });
            times.push(step * 20);
        }
        world.clock.advance(Duration::from_millis(20));
        world.settle();
        while world.media.poll_packet().is_some() {}
    }
    (times, world, record.unwrap())
}

#[test]
fn a_caller_who_waits_with_music_costs_a_write_at_its_beginning_and_none_after_it() {
    let (times, ..) = writes_of_a_minute(Dialog::looped(["prompt:music"]));
    assert_eq!(times, [0, QUIET]);
}

#[test]
fn a_long_announcement_costs_a_write_each_10_s_and_its_beginning_some_more() {
    let prompts = vec!["prompt:announcement"; 20];
    let (times, world, record) = writes_of_a_minute(Dialog::announcement(prompts));
    assert_eq!(times, [0, 1_000, 2_000, 4_000, 8_000, 16_000, 26_000, 36_000, 46_000, QUIET, 56_000]);
    // The next run goes on at the record's position and stores it anew.
    let mut next = media(&world.clock, 2);
    let now = world.clock.now();
    next.node.restore(&record, now).unwrap();
    let [write] = <[_; 1]>::try_from(next.stored(now)).unwrap();
    let Change::Save { state, .. } = write.change else { panic!("it has a record") };
    let state = decoded(&state).unwrap();
    let played = state.audio.unwrap().treatment.unwrap().progress.played;
    assert!((55 * 8_000..=57 * 8_000).contains(&played), "{played} samples");
}

#[test]
fn what_the_ledger_did_not_store_is_part_of_the_next_commit() {
    let mut world = World::new();
    world.call(0);
    let now = world.clock.now();
    let writes = world.media.stored(now);
    assert!(matches!(writes[0].change, Change::Create { .. }));
    world.media.node.not_stored(writes.iter().map(Undo::of).collect());
    let again = world.media.stored(now);
    assert!(matches!(again[0].change, Change::Create { .. }), "nobody has it yet");
    // The ledger has lost the record since.
    world.media.node.committed([(again[0].session.clone(), Written::Unknown)]);
    assert!(matches!(world.media.stored(now)[0].change, Change::Create { .. }));
    world.owner.bye(world.dialog.unwrap(), Vec::new(), now).unwrap();
    world.settle();
    let ends = world.media.stored(now);
    assert_eq!(ends[0].change, Change::End);
    world.media.node.not_stored(ends.iter().map(Undo::of).collect());
    assert_eq!(world.media.stored(now), ends);
}

#[test]
fn a_record_that_may_have_begun_is_ended_with_its_leg() {
    let mut world = World::new();
    world.call(0);
    let now = world.clock.now();
    let writes = world.media.stored(now);
    // The ledger has done it, but its answer is lost; the call ends before the write is repeated.
    world.media.kept(&writes, None);
    world.owner.bye(world.dialog.unwrap(), Vec::new(), now).unwrap();
    world.settle();
    let ends = world.media.stored(now);
    assert_eq!(
        ends.iter().map(|write| (&write.session, &write.change)).collect::<Vec<_>>(),
        [(&writes[0].session, &Change::End)]
    );
    // Possibly the record was never created.
    world.media.kept(&ends, Some(vec![Written::Unknown]));
    assert!(world.media.stored(now).is_empty());
}

#[test]
fn a_record_that_has_begun_without_an_answer_is_gone_on_with() {
    let mut world = World::new();
    world.call(0);
    let now = world.clock.now();
    let writes = world.media.stored(now);
    world.media.kept(&writes, None);
    let again = world.media.stored(now);
    let us = again[0].owner.clone();
    world.media.kept(&again, Some(vec![Written::Exists { owner: us, token: Token(1) }]));
    assert_eq!(world.media.node.legs(), 1, "it is nobody else's");
    assert!(matches!(world.media.stored(now)[0].change, Change::Save { .. }));
}

#[test]
fn an_invite_that_comes_again_by_another_proxy_is_answered_there_as_well() {
    let mut world = World::new();
    world.media.node.link_up(ConnectionId(2), "192.0.2.2:5060", world.clock.now());
    let mut said = world.invite(0);
    let now = world.clock.now();
    world.media.receive(said.clone(), LINK, now);
    said.set(&sip::HeaderName::Via, "SIP/2.0/TCP 127.0.1.2;branch=z9hG4bKother");
    world.media.receive(said, ConnectionId(2), now);
    let sent = std::iter::from_fn(|| world.media.poll_transmit());
    let answers = sent.map(|sent| (sent.flow, Message::parse(sent.bytes).unwrap().status().unwrap().0));
    let (first, second) = (Flow::Stream { connection: LINK }, Flow::Stream { connection: ConnectionId(2) });
    assert_eq!(answers.collect::<Vec<_>>(), [(first, 200), (second, 200)]);
    assert_eq!(world.media.node.legs(), 1);
}

#[test]
fn a_leg_whose_ports_are_lost_leaves_no_record() {
    let mut world = World::new();
    world.call(0);
    let records = world.records();
    // Two records of the same port: the second one cannot have it.
    let again = Record { key: infra::MediaSessionId("other".to_owned()), ..records[0].clone() };
    world.media = media(&world.clock, 2);
    let now = world.clock.now();
    world.media.node.restore(&records[0], now).unwrap();
    let Err(error) = world.media.node.restore(&again, now) else { panic!("its dialog is there already") };
    assert!(matches!(error, RestoreError::Dialog(_)), "{error}");
    let mut taken = media(&world.clock, 3);
    let _held = taken.node.driver.ports().bind_again(AddressFamily::V4, 20_000).unwrap();
    assert!(matches!(taken.node.restore(&records[0], now), Err(RestoreError::Ports(_))));
    let writes = taken.stored(now);
    assert_eq!((writes.len(), &writes[0].change), (1, &Change::End));
    assert!(matches!(
        taken.node.restore(&Record { state: Bytes::from_static(b"nonsense"), ..records[0].clone() }, now),
        Err(RestoreError::Record(_))
    ));
}

fn decoded(state: &[u8]) -> Result<Decoded, RecordError> {
    // It is in clear: whose it is does not matter.
    let (tenant, key) = (TenantId::parse("acme").unwrap(), infra::MediaSessionId(String::new()));
    records::decode(state, &records::name(&tenant, &key), &ours(), &Fingerprint::of(b"ours"), &cipher())
}

/// A record with damaged audio, if it still decodes.
fn damaged(record: &Record<infra::MediaSessionId>, chance: &mut Seeded) -> Option<Record<infra::MediaSessionId>> {
    let mut state = v1::StateRecord::decode(record.state.clone()).unwrap();
    let mut body = v1::MediaRecord::decode(state.body.clone()).unwrap();
    let mut audio = body.audio.take().unwrap().encode_to_vec();
    for _ in 0..=chance.below(2) {
        let at = chance.below(audio.len() as u64) as usize;
        match chance.below(4) {
            0 => audio[at] ^= 1 << chance.below(8),
            1 => audio[at] = chance.below(256) as u8,
            2 => audio.truncate(at.max(1)),
            // The largest possible number.
            _ => drop(audio.splice(at..=at, [[0xFF; 9].as_slice(), &[1]].concat())),
        }
    }
    body.audio = Some(v1::AudioRecord::decode(audio.as_slice()).ok()?);
    state.body = body.encode_to_vec().into();
    Some(Record { state: state.encode_to_vec().into(), ..record.clone() })
}

#[test]
fn a_damaged_record_costs_its_leg_alone_and_no_turn_without_end() {
    let mut world = World::new();
    world.call(0);
    world.music();
    world.call(1);
    world.music();
    world.clock.advance(Duration::from_millis(500));
    world.settle();
    let records = world.records();
    let mut chance = Seeded::new(16);
    let mut gone_on_with = 0;
    for _ in 0..1_500 {
        let Some(bad) = damaged(&records[1], &mut chance) else { continue };
        let mut media = media(&world.clock, 2);
        let now = world.clock.now();
        media.node.restore(&records[0], now).unwrap();
        gone_on_with += usize::from(media.node.restore(&bad, now).is_ok());
        let (end, mut turns, mut heard) = (now + Duration::from_secs(5), 0, 0);
        while media.next_timeout() < end {
            turns += 1;
            assert!(turns < 4_000, "{bad:?}");
            world.clock.advance(media.next_timeout().since(world.clock.now()));
            media.handle_timeout(world.clock.now());
            while media.poll_transmit().is_some() {}
            let packets = std::iter::from_fn(|| media.poll_packet());
            heard += packets.filter(|p| p.to.port() == 4_000 && !media::rtp::is_rtcp(&p.bytes)).count();
        }
        assert!(heard >= 240, "{heard} of the other leg's packets: {bad:?}");
    }
    assert!(gone_on_with > 50, "{gone_on_with}");
    for _ in 0..20_000 {
        let mut bytes = records[0].state.to_vec();
        for _ in 0..=chance.below(3) {
            let at = chance.below(bytes.len() as u64) as usize;
            bytes[at] = chance.below(256) as u8;
        }
        let _ = decoded(&bytes);
    }
}

#[test]
fn two_legs_whose_descriptions_name_each_other_do_not_go_round_without_end() {
    let mut world = World::new();
    let media = |port: u16| SocketAddr::from(([192, 0, 2, 50], port));
    assert_eq!((world.call_of(0, media(20_002)), world.call_of(1, media(20_000))), (20_000, 20_002));
    let mut bytes = Header { ssrc: 5, ..Header::default() }.to_bytes().to_vec();
    bytes.extend([0xFF; 160]);
    assert!(world.media.hear(20_000, &bytes, media(20_002), world.clock.now()));
    // The legs continue with each other's sources.
    let first = world.media.poll_packet().unwrap();
    while world.media.poll_packet().is_some() {}
    world.clock.advance(Duration::from_millis(300));
    let now = world.clock.now();
    assert!(world.media.hear(first.to.port(), &first.bytes, first.from, now));
    let mut rounds = 0;
    while let Some(packet) = world.media.poll_packet() {
        rounds += 1;
        assert!(rounds <= 1_100, "it goes round");
        world.media.hear(packet.to.port(), &packet.bytes, packet.from, now);
    }
    assert!(rounds > 10);
}

#[test]
fn two_phones_hear_each_other_without_a_socket_and_still_do_in_the_nodes_next_life() {
    let mut world = World::new();
    let (alice, _bob) = (world.call(0), world.call(1));
    let said = vec![Law::Mu.encode(900); 160];
    for n in 0..5 {
        assert_eq!(world.heard(alice, n), [(4_002, said.clone())]);
    }
    assert_eq!(world.restart(), 2);
    assert_eq!(world.heard(alice, 6), [(4_002, said)]);
    world.settle();
    assert!(world.media.next_timeout() > world.clock.now());
    assert!(!world.media.hear(20_090, &[0x80; 20], "198.51.100.7:4000".parse().unwrap(), world.clock.now()));
}
