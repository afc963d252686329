//! The bench: an owner, a node, phones.

use std::net::{IpAddr, UdpSocket};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use bytes::Bytes;
use infra::{Change, Clock, MediaSessionId, MediaWrite, Record, SystemClock};
use ivr::msml::{self, Command, Notice, Response, parse_notice};
use media::codec::Codec;
use media::dtls::Identity;
use media::dtmf::{Digit, EventPacket};
use media::g711::Law;
use media::rtp::{Header, Packet};
use media::sdp::{Description, Direction, LocalAudio, LocalEncryption, Preference, negotiation};
use model::entropy::Seeded;
use model::{Epoch, NodeId, Owner, TenantId, Timestamp, Token};
use net::rtp::{LegEvent, RtpDriver};
use sip::agent::{
    AgentConfig, Body, DialogId, DialogTerms, Event, Invite, LocalIdentity, Provisionals, Release, Reply, RequestId,
    Session, UserAgent,
};
use sip::{ConnectionId, Flow, Message, Seal, StatusCode};
use tokio::sync::mpsc;

use super::super::limits::Limits;
use super::super::metrics::Metrics;
use super::super::node::{Node, Parts};
use super::super::prompts::Prompts;
use super::busy_driver::BusyDriver;
use crate::test_stores::cipher;

/// The tenant of the bench's calls.
pub const TENANT: &str = "example";
/// The time limit for operations on loopback, which take much less.
const PATIENCE: Duration = Duration::from_secs(10);
const LINK: ConnectionId = ConnectionId(1);

/// Generous limits.
pub fn limits() -> Limits {
    Limits::default()
}

/// See the module.
pub struct Bench {
    pub node: Node,
    owner: UserAgent,
    news: mpsc::Receiver<LegEvent>,
    clock: Arc<dyn Clock>,
    runtime: tokio::runtime::Runtime,
    events: Vec<Event>,
    tags: u32,
    ports: RangeInclusive<u16>,
}

fn node(
    ports: RangeInclusive<u16>,
    limits: Limits,
    clock: &Arc<dyn Clock>,
    epoch: u64,
) -> (Node, mpsc::Receiver<LegEvent>) {
    let address: IpAddr = "127.0.0.1".parse().unwrap();
    let addresses = vec![address];
    let settings =
        net::rtp::Settings { addresses, ports, threads: 1, clock: clock.clone(), recorded: sync_channel(1).0 };
    let (driver, news) = RtpDriver::start(settings).unwrap();
    let mut node = Node::new(Parts {
        trace: runtime::Recorder::off(),
        owner: Owner { node: NodeId::parse("media-1").unwrap(), epoch: Epoch(epoch) },
        seal: Seal::new(&[7; 32]),
        cipher: cipher(),
        limits,
        metrics: Metrics::default(),
        sent_by: "127.0.13.1".to_owned(),
        addresses: address.into(),
        driver: Box::new(driver),
        prompts: Prompts::new(PathBuf::from("/nonexistent")),
        identity: Arc::new(Identity::generate().unwrap()),
        entropy: Box::new(Seeded::new(epoch)),
        agent_entropy: Box::new(Seeded::new(100 + epoch)),
    });
    node.link_up(LINK, "192.0.2.1:5060", clock.now());
    (node, news)
}

impl Bench {
    pub fn new(ports: RangeInclusive<u16>, limits: Limits) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
        let (node, news) = node(ports.clone(), limits, &clock, 1);
        let owner = UserAgent::new(AgentConfig::default(), Box::new(Seeded::new(3)));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        Self { node, owner, news, clock, runtime, events: Vec::new(), tags: 0, ports }
    }

    /// The RTP threads take no orders while the returned flag is set.
    pub fn make_threads_busy(&mut self) -> Arc<AtomicBool> {
        let is_busy = Arc::new(AtomicBool::new(true));
        let clock = self.clock.clone();
        let spare = node(40_000..=40_001, limits(), &clock, 9).0.driver;
        let driver = std::mem::replace(&mut self.node.driver, spare);
        self.node.driver = Box::new(BusyDriver { driver, is_busy: is_busy.clone() });
        is_busy
    }

    /// The owner has ended all its dialogs without notifying the node.
    pub fn owner_forgets(&mut self) {
        self.owner = UserAgent::new(AgentConfig::default(), Box::new(Seeded::new(4)));
    }

    /// The node fails; its next run has only the records.
    pub fn restart(&mut self) {
        self.restart_with(|_, _| ());
        assert!(self.node.poll_aside().is_none(), "every leg goes on");
    }

    /// As [`Self::restart`], with each leg's record changed by `spoil`; its first argument is the leg's position in the node.
    pub fn restart_with(&mut self, spoil: impl Fn(usize, &mut Record<MediaSessionId>)) {
        self.settle();
        let all: Vec<DialogId> = self.node.legs.keys().copied().collect();
        self.node.changed.extend(all);
        let answers = self.node.request_snapshots();
        let request_snapshots: Vec<_> =
            answers.into_iter().flat_map(|answer| answer.blocking_recv().unwrap()).collect();
        let mut batch = self.node.batch(&request_snapshots, self.clock.now());
        let leg_of = |tag: &MediaSessionId| self.node.legs.values().find(|leg| leg.tag == *tag).map(|leg| leg.id);
        batch.sort_by_key(|write| leg_of(&write.session));
        let (successor, news) = node(self.ports.clone(), limits(), &self.clock, 2);
        // The old node must close its sockets first.
        drop(std::mem::replace(&mut self.node, successor));
        self.news = news;
        for (at, write) in batch.into_iter().enumerate() {
            let MediaWrite { tenant, session: key, owner, due, change, .. } = write;
            let (Change::Create { state, intentions } | Change::Save { state, intentions }) = change else {
                panic!("a leg that is over has no next life")
            };
            let mut record = Record { tenant, key, owner, token: Token(2), state, intentions, due, claims: 1 };
            spoil(at, &mut record);
            self.node.take_over(&record, self.clock.now());
        }
        self.settle();
    }

    /// Invites media for a phone, with its offer; answered and acknowledged.
    pub fn call(&mut self, service: &str, phone: &mut Phone) -> DialogId {
        let dialog = self.invite(service, Some(phone.offer().to_string()));
        match self.answered(dialog) {
            Session::Answer(answer) => {
                let answer = media::sdp::parse(&answer).unwrap();
                phone.to = answer.audio().unwrap().port;
            }
            other => panic!("{other:?}"),
        }
        dialog
    }

    pub fn invite(&mut self, service: &str, offer: Option<String>) -> DialogId {
        self.invite_of(Some(TENANT), service, offer)
    }

    pub fn invite_of(&mut self, tenant: Option<&str>, service: &str, offer: Option<String>) -> DialogId {
        self.tags += 1;
        let (user, params) = service.split_once(';').map_or((service, String::new()), |(u, p)| (u, format!(";{p}")));
        let target = format!("sip:{user}@media.trunkline.invalid{params}");
        let tag = format!("owner-{}", self.tags);
        let invite = Invite {
            flow: Flow::Stream { connection: LINK },
            to: format!("<{target}>"),
            target,
            from: "<sip:node@trunkline.invalid>".to_owned(),
            call_id: format!("call-{}", self.tags),
            local: LocalIdentity { contact: format!("<sip:{tag}@192.0.2.1>"), tag },
            routes: Vec::new(),
            headers: tenant.map(|t| (sip::proxy::headers::TENANT, t.to_owned())).into_iter().collect(),
            offer: offer.map(Bytes::from),
            max_forwards: sip::dialog::MAX_FORWARDS,
            parts: Vec::new(),
            provisionals: Provisionals::Plain,
            account: None,
            terms: DialogTerms::default(),
        };
        let dialog = self.owner.invite(invite, self.clock.now()).unwrap();
        self.settle();
        dialog
    }

    pub fn ack(&mut self, dialog: DialogId, answer: String) {
        self.owner.ack(dialog, answer.into(), self.clock.now()).unwrap();
        self.settle();
    }

    pub fn reinvite(&mut self, dialog: DialogId, offer: String) -> Bytes {
        self.events.clear();
        self.owner.reinvite(dialog, Some(offer.into()), Vec::new(), self.clock.now()).unwrap();
        self.find(|event| match event {
            Event::Renegotiated { dialog: d, answer } if *d == dialog => Some(answer.clone()),
            _ => None,
        })
    }

    pub fn refused_reinvite(&mut self, dialog: DialogId, offer: String) -> StatusCode {
        self.events.clear();
        self.owner.reinvite(dialog, Some(offer.into()), Vec::new(), self.clock.now()).unwrap();
        self.find(|event| match event {
            Event::Refused { dialog: d, status, .. } if *d == dialog => Some(*status),
            _ => None,
        })
    }

    pub fn bye(&mut self, dialog: DialogId) {
        self.owner.bye(dialog, Vec::new(), self.clock.now()).unwrap();
        self.settle();
    }

    /// The connection's name in MSML: the owner's tag.
    pub fn connection(&self, dialog: DialogId) -> String {
        self.owner.leg(dialog).unwrap().dialog.local_tag.to_string()
    }

    pub fn remote_tag(&self, dialog: DialogId) -> String {
        self.owner.leg(dialog).unwrap().dialog.remote_tag.as_ref().to_string()
    }

    pub fn msml(&mut self, dialog: DialogId, commands: &[Command]) -> Response {
        let (status, body) = self.info(dialog, msml::CONTENT_TYPE, &msml::build_request(commands));
        assert_eq!(status, StatusCode::OK);
        match parse_notice(&body).unwrap() {
            Notice::Result(result) => result,
            Notice::Event(event) => panic!("{event:?}"),
        }
    }

    pub fn info(&mut self, dialog: DialogId, kind: &str, body: &str) -> (StatusCode, Vec<u8>) {
        let sent = self.send_info(dialog, kind, body);
        self.responded(sent)
    }

    pub fn send_info(&mut self, dialog: DialogId, kind: &str, body: &str) -> RequestId {
        let body = Body::new(kind.to_owned(), body.to_owned());
        self.owner.info(dialog, body, Vec::new(), self.clock.now()).unwrap()
    }

    pub fn responded(&mut self, sent: RequestId) -> (StatusCode, Vec<u8>) {
        self.find(|event| match event {
            Event::Responded { request, status, response, .. } if *request == sent => {
                Some((*status, response.as_ref().map(|r| r.body().to_vec()).unwrap_or_default()))
            }
            _ => None,
        })
    }

    /// Media's session description in the 2xx.
    pub fn answered(&mut self, dialog: DialogId) -> Session {
        self.find(|event| match event {
            Event::Answered { dialog: d, session, .. } if *d == dialog => Some(session.clone()),
            Event::Failed { dialog: d, status, .. } if *d == dialog => panic!("refused with {status:?}"),
            _ => None,
        })
    }

    pub fn failed(&mut self, dialog: DialogId) -> StatusCode {
        self.find(|event| match event {
            Event::Failed { dialog: d, status, .. } if *d == dialog => Some(*status),
            Event::Answered { dialog: d, .. } if *d == dialog => panic!("answered"),
            _ => None,
        })
    }

    pub fn released(&mut self, dialog: DialogId) -> Release {
        self.find(|event| match event {
            Event::Released { dialog: d, reason } if *d == dialog => Some(reason.clone()),
            _ => None,
        })
    }

    /// The next notification of media on that dialog.
    pub fn notice(&mut self, dialog: DialogId) -> msml::Event {
        let (request, message) = self.find(|event| match event {
            Event::Info { dialog: d, request, message } if *d == dialog => Some((*request, message.clone())),
            _ => None,
        });
        let _ = self.owner.respond(request, Reply::new(StatusCode::OK), self.clock.now());
        self.settle();
        match parse_notice(message.body()).unwrap() {
            Notice::Event(event) => event,
            Notice::Result(result) => panic!("{result:?}"),
        }
    }

    /// The key that media tells the owner for the phone of a leg.
    pub fn told_key(&mut self, dialog: DialogId) -> String {
        let (request, message) = self.find(|event| match event {
            Event::Info { dialog: d, request, message } if *d == dialog => Some((*request, message.clone())),
            _ => None,
        });
        let _ = self.owner.respond(request, Reply::new(StatusCode::OK), self.clock.now());
        self.events.clear();
        self.settle();
        String::from_utf8_lossy(message.body()).into_owned()
    }

    pub fn prompt(&self, uri: &str) -> Vec<i16> {
        let tenant = TenantId::parse(TENANT).unwrap();
        Prompts::new(PathBuf::from("/nonexistent")).find(&tenant, uri).unwrap().samples.to_vec()
    }

    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// The node's dialog of the leg at that position, by time of creation.
    pub fn dialog_of(&self, place: usize) -> DialogId {
        let mut legs: Vec<_> = self.node.legs.iter().map(|(dialog, leg)| (leg.id, *dialog)).collect();
        legs.sort_unstable();
        legs[place].1
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Exchanges messages until none is left.
    pub fn settle(&mut self) {
        loop {
            let now = self.clock.now();
            self.owner.handle_timeout(now);
            self.node.handle_timeout(now);
            let mut moved = false;
            while let Some(transmit) = self.owner.poll_transmit() {
                self.node.receive(Message::parse(transmit.bytes).unwrap(), LINK, now);
                moved = true;
            }
            while let Some(transmit) = self.node.poll_transmit() {
                let flow = Flow::Stream { connection: LINK };
                self.owner.receive(Message::parse(transmit.bytes).unwrap(), flow, now);
                moved = true;
            }
            while let Ok(news) = self.news.try_recv() {
                self.node.news(news, now);
                moved = true;
            }
            while let Some(event) = self.owner.poll_event() {
                self.events.push(event);
                moved = true;
            }
            if !moved {
                return;
            }
        }
    }

    /// Waits for an event, and processes news of the audio while waiting.
    fn find<T>(&mut self, wanted: impl Fn(&Event) -> Option<T>) -> T {
        let end = self.clock.now() + PATIENCE;
        loop {
            self.settle();
            if let Some(found) = self.events.iter().find_map(&wanted) {
                return found;
            }
            let now = self.clock.now();
            assert!(now < end, "it did not happen: {:?}", self.events);
            let due = [self.owner.next_timeout(), self.node.next_timeout()].into_iter().flatten().min();
            let wait = due.map_or(PATIENCE, |due| due.since(now)).min(end.since(now));
            let news = self.runtime.block_on(async { tokio::time::timeout(wait, self.news.recv()).await });
            if let Ok(Some(news)) = news {
                self.node.news(news, self.clock.now());
            }
        }
    }
}

/// A phone with a socket.
pub struct Phone {
    socket: UdpSocket,
    law: Law,
    sequence: u16,
    /// Media's port.
    pub to: u16,
}

impl Phone {
    pub fn new(law: Law) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { socket, law, sequence: 0, to: 0 }
    }

    pub fn local(&self) -> LocalAudio {
        let address = self.socket.local_addr().unwrap();
        LocalAudio {
            address: address.ip(),
            port: address.port(),
            session_id: 1,
            version: 1,
            encryption: LocalEncryption::Off,
        }
    }

    pub fn preference(&self) -> Preference {
        Preference { codec: self.law.into(), direction: Direction::SendRecv }
    }

    /// Its offer: both laws if it prefers µ-law, otherwise A-law alone.
    pub fn offer(&self) -> Description {
        let spoken: &[Codec] = if self.law == Law::A { &[Codec::Pcma] } else { &[Codec::Pcmu, Codec::Pcma] };
        negotiation::offer(&self.local(), self.preference(), spoken)
    }

    pub fn say(&mut self, code: u8) {
        self.send(self.law.payload_type(), &[code; 160], u32::from(self.sequence) * 160);
    }

    pub fn press(&mut self, key: char) {
        let timestamp = u32::from(self.sequence) * 160;
        let code = Digit::from_char(key).unwrap().event();
        for (end, duration) in [(false, 160), (false, 320), (true, 480), (true, 480)] {
            self.send(101, &EventPacket { code, end, volume: 10, duration }.to_bytes(), timestamp);
        }
    }

    pub fn hear(&self) -> (u8, Vec<u8>) {
        let (header, payload) = self.packet();
        (header.payload_type, payload)
    }

    /// The next packet with its header.
    pub fn packet(&self) -> (Header, Vec<u8>) {
        let mut buffer = [0; 2_000];
        // Reports come all the time and are skipped.
        let clock = SystemClock::start();
        let end = clock.now() + PATIENCE;
        loop {
            assert!(clock.now() < end, "nothing is heard");
            let (length, _) = self.socket.recv_from(&mut buffer).unwrap();
            if !media::rtp::is_rtcp(&buffer[..length]) {
                let packet = Packet::parse(&buffer[..length]).unwrap();
                return (packet.header, packet.payload.to_vec());
            }
        }
    }

    fn send(&mut self, payload_type: u8, payload: &[u8], timestamp: u32) {
        self.sequence += 1;
        let header = Header { marker: false, payload_type, sequence: self.sequence, timestamp, ssrc: 9 };
        let mut bytes = header.to_bytes().to_vec();
        bytes.extend(payload);
        self.socket.send_to(&bytes, ("127.0.0.1", self.to)).unwrap();
    }
}
