//! A node, its ledger's answers, and three peers that speak real SIP to it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use contracts::provisioning::{DiversionForm, DtmfForm};
use infra::{CallWrite, Written};
use ivr::msml;
use media::codec::Codec;
use model::entropy::Seeded;
use model::plan::{Contact, Destination, Outside, Way};
use model::{ConnId, Encryption, Epoch, EventName, LegId, NodeId, Owner, TenantId, Timestamp};
use sip::agent::{
    Accounts, AgentConfig, AgentCredentials, Body, CommandError, DialogId, DialogTerms, Event, IncomingId, Invite,
    LocalIdentity, Provisionals, Reply, UserAgent,
};
use sip::{ConnectionId, Flow, LocalTag, Message, Seal, StatusCode};

use crate::sip_cluster::limits::Limits;
use crate::sip_cluster::metrics::Metrics;
use crate::sip_cluster::node::calls::direct::PhoneRules;
use crate::sip_cluster::node::calls::trunk::settings::TrunkRules;
use crate::sip_cluster::node::order::Order;
use crate::sip_cluster::node::{Node, Parts};

/// Phones whose audio may go directly.
pub const DIRECT_PHONES: [&str; 1] = ["7101"];
pub const EDGE: &str = "192.0.2.1:5060";
pub const PHONE_SDP: &str =
    "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n";
pub const MEDIA_SDP: &str =
    "v=0\r\no=- 2 1 IN IP4 192.0.2.5\r\ns=-\r\nc=IN IP4 192.0.2.5\r\nt=0 0\r\nm=audio 6000 RTP/AVP 0\r\n";
pub const TRUNK_USER: &str = "trunk-user";
pub const TRUNK_PASSWORD: &str = "hush-hush";
pub const LINK: Flow = Flow::Stream { connection: ConnectionId(1) };

/// The peers that the bench plays.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Peer {
    Caller,
    Media,
    Phone,
}

pub struct Bench {
    pub node: Node,
    pub now: Timestamp,
    pub peers: HashMap<Peer, UserAgent>,
    /// Hosts of the parties, as media got them.
    pub parties: Vec<String>,
    /// Events that the caller and the phone have got.
    pub seen: Vec<(Peer, Event)>,
    /// Names of the stored facts.
    pub story: Vec<String>,
    pub writes: Vec<CallWrite>,
    pub orders: Vec<Order>,
    /// Commands that media got, by dialog.
    pub played: Vec<(DialogId, msml::Command)>,
    pub media_dialogs: Vec<DialogId>,
    /// The conference that each of them was for.
    conferences: Vec<String>,
    /// How many keys media has got by INFO.
    pub keys_of_media: usize,
    /// The Request-URIs of the INVITEs that media has got.
    pub media_asked: Vec<String>,
    /// Number of these dialogs before the events that media handles now.
    media_known: usize,
    pub caller_dialog: Option<DialogId>,
    pub phone_dialog: Option<DialogId>,
    /// Peers that neither get nor send messages.
    pub mute: Vec<Peer>,
    /// Messages that the node has got.
    pub heard: Vec<Message>,
    /// Messages that did not reach silent peers.
    pub unheard: Vec<Message>,
    /// The connection to the proxy through which the peers are reached.
    pub link: ConnectionId,
    /// That to another proxy through which they are reached, too.
    pub other_link: Option<ConnectionId>,
    /// By which connections INVITEs have reached the phone.
    pub rung_by: Vec<ConnectionId>,
    /// The status with which media refuses offers within a dialog.
    pub media_refuses: Option<StatusCode>,
    /// The status with which media refuses new legs.
    pub media_rejects: Option<StatusCode>,
    /// Where alone media has room, as a part of a Request-URI.
    pub media_room_at: Option<&'static str>,
    /// Offers that media has not answered, while it is slow.
    pub media_waits: Option<Vec<DialogId>>,
    /// Sessions that media was told within its dialogs.
    pub media_told: Vec<bytes::Bytes>,
    /// Whether media refuses to move legs to other rooms.
    pub media_is_stuck: bool,
    /// What the INVITEs of callers have behind their sessions.
    pub parts: Vec<sip::multipart::BodyPart>,
    /// What callers write behind the host of the Request-URI.
    pub uri_params: String,
    /// Whom callers name in To, if not the number that they call.
    pub to: Option<String>,
    /// How many callers have dialled.
    callers: u64,
    tags: u64,
}

pub fn owner(node: &str, epoch: u64) -> Owner {
    Owner { node: NodeId::parse(node).expect("a node"), epoch: Epoch(epoch) }
}

pub fn tenant() -> TenantId {
    TenantId::parse("t1").expect("a tenant")
}

pub fn seal() -> Seal {
    Seal::new(&[7; 32])
}

pub fn new_node(epoch: u64) -> Node {
    node_with(epoch, Box::new(Seeded::new(epoch + 1)))
}

/// A node whose user agent uses this randomness.
pub fn node_with(epoch: u64, agent_entropy: Box<dyn model::Entropy>) -> Node {
    node_of(epoch, agent_entropy, Limits::default())
}

/// A node with these limits.
pub fn node_with_limits(epoch: u64, limits: Limits) -> Node {
    node_of(epoch, Box::new(Seeded::new(epoch + 1)), limits)
}

/// The trunks `carrier` and `located` have an account.
fn accounts() -> Accounts {
    Accounts::new(|account| {
        let (user, password) = (TRUNK_USER.to_owned(), TRUNK_PASSWORD.to_owned());
        ["t1/carrier", "t1/located"].contains(&account).then_some(AgentCredentials { user, password })
    })
}

fn node_of(epoch: u64, agent_entropy: Box<dyn model::Entropy>, limits: Limits) -> Node {
    Node::new(Parts {
        trace: runtime::Recorder::off(),
        owner: owner("sip-cluster-1", epoch),
        replica: 1,
        seal: seal(),
        cipher: crate::test_stores::cipher(),
        limits,
        metrics: Metrics::default(),
        sent_by: "127.0.2.1".to_owned(),
        entropy: Box::new(Seeded::new(epoch)),
        agent_entropy,
        accounts: accounts(),
        trunks: Box::new(|_, trunk| TrunkRules {
            is_known: true,
            calls_max: (trunk == "narrow").then_some(1),
            early_speech: trunk == "open",
            direct_media: ["straight", "lawful", "info", "tones", "events"].contains(&trunk),
            options: false,
            encryption: if trunk == "secure" { Encryption::Required } else { Encryption::Off },
            codecs: if trunk == "lawful" { vec![Codec::Pcma, Codec::Pcmu] } else { Vec::new() },
            dtmf: DtmfForm::parse(trunk),
            session_expires_s: (trunk == "brief").then_some(120),
            hides_100rel: trunk == "plain",
            calls_per_second: (trunk == "slow").then_some(2),
            drains: trunk == "drained",
            asserts_identity: trunk == "asserting",
            user_to_user: trunk == "trusted",
            location: trunk.starts_with("located"),
            diversion: match trunk {
                "silent" => DiversionForm::None,
                "both" => DiversionForm::Both,
                _ => DiversionForm::default(),
            },
            registers: trunk == "registered",
            domain: (trunk == "asserting").then(|| "carrier.example".to_owned()),
        }),
        received: Box::new(|_, trunk, number| {
            (trunk == "national").then(|| number.strip_prefix('0').map(|rest| format!("+49{rest}"))).flatten()
        }),
        header_rules: Arc::new(|_, trunk| super::header_rules::of(trunk)),
        identities: Box::new(super::identity::Keys),
        locations: Box::new(|_, phone| super::location::of(phone)),
        defaults: Box::new(|_| [("Segment", "Standard")].into_iter().collect()),
        phones: Box::new(|_, dn| PhoneRules { direct_media: DIRECT_PHONES.contains(&dn), ..PhoneRules::default() }),
        prompts: Box::new(|_| crate::sip_cluster::node::calls::prompts::SwitchPrompts {
            hold_music: Some("harp".to_owned()),
            ..Default::default()
        }),
    })
}

impl Bench {
    pub fn new() -> Self {
        let now = Timestamp::from_millis(1_763_622_000_000);
        let mut node = new_node(1);
        node.link_up(ConnectionId(1), EDGE, now);
        let peer = |seed| UserAgent::new(AgentConfig::default(), Box::new(Seeded::new(seed)));
        let peers = [(Peer::Caller, peer(11)), (Peer::Media, peer(12)), (Peer::Phone, peer(13))].into();
        Self {
            node,
            now,
            peers,
            parties: Vec::new(),
            seen: Vec::new(),
            story: Vec::new(),
            writes: Vec::new(),
            orders: Vec::new(),
            played: Vec::new(),
            media_dialogs: Vec::new(),
            conferences: Vec::new(),
            keys_of_media: 0,
            media_asked: Vec::new(),
            media_known: 0,
            caller_dialog: None,
            phone_dialog: None,
            mute: Vec::new(),
            heard: Vec::new(),
            unheard: Vec::new(),
            link: ConnectionId(1),
            other_link: None,
            rung_by: Vec::new(),
            media_refuses: None,
            media_rejects: None,
            media_room_at: None,
            media_waits: None,
            media_told: Vec::new(),
            media_is_stuck: false,
            parts: Vec::new(),
            uri_params: String::new(),
            to: None,
            callers: 0,
            tags: 0,
        }
    }

    /// A caller behind a trunk dials `number`; the dial plan answers with `destination`.
    pub fn call(&mut self, number: &str, destination: Destination) -> ConnId {
        self.dial(number, "trunk;name=carrier");
        self.plan(destination)
    }

    pub fn dial(&mut self, number: &str, source: &str) {
        self.dial_with(number, source, Some(PHONE_SDP.into()), Vec::new());
    }

    /// A further call, by another Call-ID; it begins with `caller-`.
    pub fn dial_as(&mut self, number: &str, source: &str, call_id: &str) {
        self.send_invite(number, source, call_id, Some(PHONE_SDP.into()), Vec::new());
    }

    pub fn dial_with(
        &mut self,
        number: &str,
        source: &str,
        offer: Option<bytes::Bytes>,
        further: Vec<(sip::HeaderName, String)>,
    ) {
        let call_id = format!("caller-{}", self.callers + 1);
        self.send_invite(number, source, &call_id, offer, further);
    }

    fn send_invite(
        &mut self,
        number: &str,
        source: &str,
        call_id: &str,
        offer: Option<bytes::Bytes>,
        further: Vec<(sip::HeaderName, String)>,
    ) {
        let headers = vec![
            (sip::proxy::headers::TENANT, "t1".to_owned()),
            (sip::proxy::headers::SOURCE, source.to_owned()),
            (sip::proxy::headers::PARTY, "203.0.113.9".to_owned()),
        ];
        self.callers += 1;
        let tag = if self.callers == 1 { "caller".to_owned() } else { format!("caller{}", self.callers) };
        let is_uri = number.starts_with("sips:") || number.starts_with("urn:");
        let uri = |number: &str| if is_uri { number.to_owned() } else { format!("sip:{number}@{EDGE}") };
        let invite = Invite {
            flow: LINK,
            target: uri(number) + &self.uri_params,
            from: "\"Ann\" <sip:+4930123456@example.com>".to_owned(),
            to: format!("<{}>", uri(self.to.as_deref().unwrap_or(number))),
            call_id: call_id.to_owned(),
            local: LocalIdentity { tag, contact: "<sip:ann@192.0.2.9>".to_owned() },
            routes: Vec::new(),
            headers: headers.into_iter().chain(further).collect(),
            offer,
            max_forwards: sip::dialog::MAX_FORWARDS,
            parts: self.parts.clone(),
            provisionals: Provisionals::Plain,
            account: None,
            terms: DialogTerms::default(),
        };
        let caller = self.peers.get_mut(&Peer::Caller).expect("a peer");
        self.caller_dialog = Some(caller.invite(invite, self.now).expect("an INVITE"));
        self.run();
    }

    /// The dial plan answers the open query.
    pub fn plan(&mut self, answer: impl Into<model::plan::PlanAnswer>) -> ConnId {
        let at = self.orders.iter().position(|order| matches!(order, Order::AskDialPlan { .. })).expect("a question");
        let Order::AskDialPlan { conn_id, ask, .. } = self.orders.remove(at) else {
            unreachable!("the position is that of a question");
        };
        self.node.dial_plan_answered(conn_id, ask, answer, self.now);
        self.run();
        conn_id
    }

    /// Passes messages until no message is left.
    pub fn run(&mut self) {
        loop {
            self.turn();
            let mut quiet = true;
            while let Some(transmit) = self.node.poll_transmit() {
                quiet = false;
                let message = Message::parse(transmit.bytes).expect("the node speaks SIP");
                let peer = peer_of(message.call_id().expect("a Call-ID"));
                let mut links = [Some(self.link), self.other_link].into_iter().flatten();
                let by = links.find(|link| transmit.flow == Flow::Stream { connection: *link });
                let is_invite = message.is_request() && message.method() == sip::Method::Invite;
                self.rung_by.extend(by.filter(|_| is_invite && peer == Peer::Phone));
                if self.mute.contains(&peer) {
                    self.unheard.push(message);
                } else if by.is_some() {
                    self.peers.get_mut(&peer).expect("a peer").receive(message, LINK, self.now);
                }
            }
            while let Some(order) = self.node.poll_order(self.now) {
                self.orders.push(order);
            }
            for peer in [Peer::Caller, Peer::Media, Peer::Phone] {
                quiet &= !self.play(peer);
            }
            if quiet {
                return;
            }
        }
    }

    /// Stores the turn.
    fn turn(&mut self) {
        assert!(self.node.counts_are_right(), "trunks and phones have other numbers of legs");
        let batch = self.node.batch();
        for write in &batch {
            for fact in &write.events {
                let at = fact.event.this_dn.as_ref().map(|dn| format!("@{dn}")).unwrap_or_default();
                if !matches!(fact.event.name, EventName::CallCreated) {
                    self.story.push(format!("{}{at}", fact.event.name.as_str().trim_start_matches("Event")));
                }
            }
        }
        let answers: Vec<_> = batch.iter().map(|write| (write.conn_id, self.written(write))).collect();
        self.writes.extend(batch);
        self.node.committed(answers);
    }

    /// What the ledger answers: it refuses a write with a key of another call.
    fn written(&self, write: &CallWrite) -> Written {
        let others = self.writes.iter().filter(|other| other.conn_id != write.conn_id);
        match others.into_iter().find(|other| other.index.iter().any(|key| write.index.contains(key))) {
            Some(other) => Written::Exists { owner: other.owner.clone(), token: other.token },
            None => Written::Done { position: None },
        }
    }

    fn play(&mut self, peer: Peer) -> bool {
        let mut busy = false;
        let agent = self.peers.get_mut(&peer).expect("a peer");
        agent.handle_timeout(self.now);
        self.media_known = self.media_dialogs.len();
        let mut events = Vec::new();
        while let Some(event) = agent.poll_event() {
            events.push(event);
        }
        for event in events {
            busy = true;
            if peer == Peer::Media {
                self.media(event);
            } else {
                if let (Peer::Phone, Event::Incoming { dialog, .. }) = (peer, &event) {
                    self.tags += 1;
                    let tag = format!("phone{}", self.tags);
                    let local = LocalIdentity { tag, contact: "<sip:7101@192.0.2.7>".to_owned() };
                    self.agent(peer).identify(*dialog, local).expect("an INVITE");
                    self.phone_dialog = Some(*dialog);
                }
                if let Event::Request { request, .. } = &event {
                    let request: IncomingId = *request;
                    let now = self.now;
                    let _ = self.agent(peer).respond(request, Reply::new(StatusCode::OK), now);
                }
                self.seen.push((peer, event));
            }
        }
        let agent = self.peers.get_mut(&peer).expect("a peer");
        let mut sent = Vec::new();
        while let Some(transmit) = agent.poll_transmit() {
            sent.push(transmit.bytes);
        }
        for bytes in sent {
            busy = true;
            if !self.mute.contains(&peer) {
                let message = Message::parse(bytes).expect("a peer speaks SIP");
                self.heard.push(message.clone());
                self.node.receive(message, self.link, self.now);
            }
        }
        busy
    }

    /// The connection to the proxy breaks; the peers are reached through the other one, if there is one.
    pub fn proxy_goes(&mut self, other: Option<ConnectionId>) {
        self.node.link_down(self.link, self.now);
        self.link = other.unwrap_or(ConnectionId(0));
        self.run();
    }

    /// The proxy is back, on another connection.
    pub fn proxy_returns(&mut self) {
        self.link.0 += 100;
        self.node.link_up(self.link, EDGE, self.now);
        self.run();
    }

    /// Media: answers offers, makes them, and takes MSML.
    fn media(&mut self, event: Event) {
        let now = self.now;
        if let Event::Incoming { request, .. } | Event::Offered { request, .. } = &event {
            self.parties.extend(request.header(&sip::proxy::headers::PARTY).map(str::to_owned));
        }
        if let Event::Offered { offer, .. } = &event {
            self.media_told.push(offer.clone());
        }
        match event {
            Event::Incoming { dialog, request, .. } => {
                self.tags += 1;
                let tag = LocalTag {
                    call: ConnId(1),
                    leg: LegId(self.tags as u16),
                    tenant: tenant(),
                    owner: owner("media-1", 5),
                };
                let local = LocalIdentity { tag: tag.encode(&seal()), contact: "<sip:media@192.0.2.5>".to_owned() };
                let target = request.request_uri().expect("a URI").to_owned();
                self.media_asked.push(target.clone());
                // Legs that are requested before media has answered are not pinned yet.
                let conference = target.split('@').next().unwrap_or_default().to_owned();
                if self.conferences.get(..self.media_known).is_some_and(|known| known.contains(&conference)) {
                    assert!(target.contains("@media-1.5.media.trunkline.invalid"), "pinned: {target}");
                }
                let is_full = self.media_room_at.is_some_and(|at| !target.contains(at));
                let rejects = self.media_rejects.or(is_full.then_some(StatusCode::SERVICE_UNAVAILABLE));
                // One that is refused is nowhere: it leads to no media node.
                self.conferences.extend(rejects.is_none().then_some(conference));
                self.media_dialogs.push(dialog);
                let agent = self.agent(Peer::Media);
                agent.identify(dialog, local).expect("an INVITE");
                match rejects {
                    Some(status) => agent.reject(dialog, Reply::new(status), now).expect("an INVITE"),
                    None => agent.answer(dialog, Reply::session(MEDIA_SDP), now).expect("an INVITE"),
                }
            }
            Event::Info { request, message, .. } if !message.body().starts_with(b"<") => {
                self.keys_of_media += 1;
                self.agent(Peer::Media).respond(request, Reply::new(StatusCode::OK), now).expect("a key");
            }
            Event::Info { dialog, request, message } => {
                let commands = msml::parse_request(message.body()).expect("MSML");
                self.played.extend(commands.into_iter().map(|command| (dialog, command)));
                let code = if self.media_is_stuck { msml::code::NO_SUCH_OBJECT } else { msml::code::OK };
                let ok = msml::Response { code, description: None, dialogs: Vec::new() };
                let body = Body::new(msml::CONTENT_TYPE, msml::build_result(&ok));
                let reply = Reply::new(StatusCode::OK).body(body);
                let answered = self.agent(Peer::Media).respond(request, reply, now);
                // Its dialog may have ended in the same turn.
                assert!(matches!(answered, Ok(()) | Err(CommandError::Gone)), "an INFO: {answered:?}");
            }
            Event::Offered { dialog, .. } if let Some(waits) = &mut self.media_waits => waits.push(dialog),
            Event::Offered { dialog, .. } if let Some(status) = self.media_refuses => {
                self.agent(Peer::Media).refuse_offer(dialog, status, now).expect("an offer");
            }
            Event::Offered { dialog, .. } => {
                self.agent(Peer::Media).accept_offer(dialog, MEDIA_SDP.into(), now).expect("an offer");
            }
            _ => {}
        }
    }

    /// Media reports the end of the dialog that it played last.
    pub fn play_ends(&mut self, values: &[(msml::Variable, &str)]) {
        self.media_reports(msml::DIALOG_EXIT, values);
    }

    /// Media reports that the dialog that it played last records by now.
    pub fn media_records(&mut self) {
        self.media_reports(msml::RECORDING, &[]);
    }

    /// Media reports an event of the dialog that it played last.
    fn media_reports(&mut self, event: &str, values: &[(msml::Variable, &str)]) {
        let started = |(dialog, command): &(DialogId, msml::Command)| match command {
            msml::Command::DialogStart { connection, name, .. } => {
                Some((*dialog, name.clone().expect("a name"), connection.clone()))
            }
            _ => None,
        };
        let (dialog, name, connection) = self.played.iter().rev().find_map(started).expect("something was played");
        let event = msml::Event {
            name: event.to_owned(),
            id: format!("conn:{connection}/dialog:{name}"),
            values: values.iter().map(|(name, value)| (name.as_str().to_owned(), (*value).to_owned())).collect(),
        };
        let body = Body::new(msml::CONTENT_TYPE, msml::build_event(&event));
        let now = self.now;
        self.agent(Peer::Media).info(dialog, body, Vec::new(), now).expect("a dialog");
        self.run();
    }

    /// Media is slow no more.
    pub fn media_answers(&mut self) {
        let now = self.now;
        for dialog in self.media_waits.take().unwrap_or_default() {
            self.agent(Peer::Media).accept_offer(dialog, MEDIA_SDP.into(), now).expect("an offer");
        }
        self.run();
    }

    /// Media reports silence on its last leg, the phone's.
    pub fn phone_is_silent(&mut self) {
        self.media_hears_nothing("false");
    }

    /// The same of a phone on hold.
    pub fn held_phone_is_silent(&mut self) {
        self.media_hears_nothing("true");
    }

    fn media_hears_nothing(&mut self, held: &str) {
        let dialog = *self.media_dialogs.last().expect("a media dialog");
        let event = msml::Event {
            name: "trunkline.no-rtp".to_owned(),
            id: "conn:phone".to_owned(),
            values: vec![("held".to_owned(), held.to_owned())],
        };
        let body = Body::new(msml::CONTENT_TYPE, msml::build_event(&event));
        let now = self.now;
        self.agent(Peer::Media).info(dialog, body, Vec::new(), now).expect("a dialog");
        self.run();
    }

    pub fn agent(&mut self, peer: Peer) -> &mut UserAgent {
        self.peers.get_mut(&peer).expect("a peer")
    }

    pub fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        loop {
            let peers = self.peers.values().filter_map(UserAgent::next_timeout);
            let next = self.node.next_timeout().into_iter().chain(peers).min().filter(|next| *next <= until);
            let Some(next) = next else {
                break;
            };
            self.now = self.now.max(next) + Duration::from_micros(1);
            self.node.handle_timeout(self.now);
            self.run();
        }
        self.now = self.now.max(until);
    }

    pub fn phone_rings(&mut self) {
        let (dialog, now) = (self.phone_dialog.expect("an INVITE"), self.now);
        self.agent(Peer::Phone).provisional(dialog, Reply::new(StatusCode::RINGING), now).expect("a dialog");
        self.run();
    }

    /// The phone sends audio before it answers.
    pub fn phone_plays_early(&mut self, status: u16, sdp: &'static str) {
        let (dialog, now) = (self.phone_dialog.expect("an INVITE"), self.now);
        let progress = Reply { status: StatusCode(status), ..Reply::session(sdp) };
        self.agent(Peer::Phone).provisional(dialog, progress, now).expect("a dialog");
        self.run();
    }

    pub fn phone_answers(&mut self) {
        self.phone_answers_with(PHONE_SDP);
    }

    pub fn phone_answers_with(&mut self, sdp: &'static str) {
        let (dialog, now) = (self.phone_dialog.expect("an INVITE"), self.now);
        self.agent(Peer::Phone).answer(dialog, Reply::session(sdp), now).expect("a dialog");
        self.run();
    }

    pub fn bye(&mut self, peer: Peer) {
        let now = self.now;
        let dialog = if peer == Peer::Caller { self.caller_dialog } else { self.phone_dialog };
        self.agent(peer).bye(dialog.expect("a dialog"), Vec::new(), now).expect("a dialog");
        self.run();
    }

    pub fn saw(&self, peer: Peer, what: impl Fn(&Event) -> bool) -> bool {
        self.seen.iter().any(|(who, event)| *who == peer && what(event))
    }

    /// The status and the Warning of the caller's refusal.
    pub fn refusal(&self) -> Option<(u16, Option<String>)> {
        self.seen.iter().find_map(|(_, event)| match event {
            Event::Failed { status, response: Some(response), .. } => {
                Some((status.0, response.header(&sip::HeaderName::Warning).map(str::to_owned)))
            }
            _ => None,
        })
    }

    /// Whether nothing is left of any call, in the node and its peers.
    pub fn is_clear(&self) -> bool {
        self.node.calls() == 0
            && self.node.table().dialogs_and_timers() == (0, 0)
            && self.peers.values().all(|peer| peer.dialogs() == 0)
    }
}

fn peer_of(call_id: &str) -> Peer {
    match call_id {
        id if id.starts_with("caller-") => Peer::Caller,
        id if id.get(16..17) == Some(".") => Peer::Media,
        _ => Peer::Phone,
    }
}

pub fn phone(no_answer_ms: u64) -> Destination {
    let contact = Contact::new("sip:7101@192.0.2.7".to_owned(), vec![format!("<sip:flow@{EDGE};lr>")]);
    Destination::Extension { dn: model::Dn::parse("7101").expect("a DN"), contacts: vec![contact], no_answer_ms }
}

pub fn point() -> Destination {
    Destination::RoutePoint {
        dn: model::Dn::parse("9000").expect("a DN"),
        application: "sales".to_owned(),
        default_dn: None,
    }
}

/// A number outside to which two trunks lead.
pub fn by_two_trunks(first: &str, second: &str) -> Destination {
    let way = |trunk: &str| Way {
        trunk: trunk.to_owned(),
        contact: Contact::new(format!("sip:+4930123@{trunk}.example:5060"), Vec::new()),
        caller_id: None,
        try_ms: 10_000,
        is_emergency: false,
        limits: model::plan::OutsideLimits::default(),
    };
    let number = model::Dn::parse("+4930123").expect("a DN");
    Destination::Outside(Outside { number, way: way(first), further: vec![way(second)], no_answer_ms: 90_000 })
}
