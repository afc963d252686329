//! The node: all its legs with their dialogs, processed in turns. Its only I/O is to send orders to the RTP threads.

pub mod call_data;
pub mod commit;
pub mod explain;
pub mod faults;
mod incoming;
mod leg;
mod negotiate;
mod positions;
pub mod recordings;
pub mod records;
pub mod restore;
mod service;
mod treatment;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use media::dtls::Identity;
use model::{ConnId, Entropy, LegId as CallLegId, Owner, TenantId, Timestamp};
use net::rtp::{Driver, LegEvent, LegId, Order};
use sip::agent::{AgentConfig, Body, CommandError, DialogId, Event, LocalIdentity, Release, UserAgent};
use sip::{ConnectionId, Flow, LocalTag, Message, Method, Seal, StatusCode, Transmit};

use super::addresses::AudioAddresses;
use super::limits::Limits;
use super::metrics::Metrics;
use super::prompts::Prompts;
use crate::record_cipher::RecordCipher;
use call_data::Questions;
use commit::Over;
use explain::Ending;
use faults::{Doing, Faults};
use leg::{Leg, Stored};
use positions::Positions;
use recordings::Recordings;

/// A node. See the module. Its collections are ordered where they are iterated, so that equal inputs give equal messages.
pub struct Node {
    pub(super) owner: Owner,
    pub(super) seal: Seal,
    pub(super) cipher: RecordCipher,
    pub(super) limits: Limits,
    pub(super) metrics: Metrics,
    pub(super) addresses: AudioAddresses,
    pub(super) driver: Box<dyn Driver>,
    pub(super) prompts: Prompts,
    pub(super) identity: Arc<Identity>,
    pub(super) entropy: Box<dyn Entropy>,
    pub(super) agent: UserAgent,
    pub(super) legs: BTreeMap<DialogId, Box<Leg>>,
    pub(super) by_id: HashMap<LegId, DialogId>,
    /// Legs to store with the next batch.
    pub(super) changed: BTreeSet<DialogId>,
    /// Legs that ended since the last batch.
    pub(super) over: Vec<Over>,
    /// Legs of a previous run whose owner has not confirmed them yet, and when each owner is queried next.
    pub(super) unowned: BTreeMap<DialogId, Timestamp>,
    /// Legs that their thread has not been told to close: it was behind.
    unclosed: Vec<(usize, LegId)>,
    /// When positions of treatments are stored next.
    pub(super) positions: Positions,
    pub(super) draining: bool,
    pub(super) trace: runtime::Recorder,
    /// Ended legs whose thread has not reported their figures yet.
    pub(super) ending: Vec<Ending>,
    /// Requests that wait for call data.
    pub(super) questions: Questions,
    /// Recordings that are not in the store yet.
    pub(super) recordings: Recordings,
    /// Attributes faults to legs.
    faults: Faults,
    /// Connected proxies: each connection with the edge of its proxy.
    links: BTreeMap<ConnectionId, String>,
    /// Edges whose connection broke: the connection's number, and when its dialogs move to another proxy.
    lost: BTreeMap<String, (ConnectionId, Timestamp)>,
    next_leg: u64,
}

/// The parts of a node.
pub struct Parts {
    /// The node and its epoch.
    pub owner: Owner,
    /// Seals its tags.
    pub seal: Seal,
    /// Seals its records.
    pub cipher: RecordCipher,
    /// Its limits.
    pub limits: Limits,
    /// Its metrics.
    pub metrics: Metrics,
    /// Host of its Via.
    pub sent_by: String,
    /// The addresses in its descriptions.
    pub addresses: AudioAddresses,
    /// The RTP threads.
    pub driver: Box<dyn Driver>,
    /// The prompts.
    pub prompts: Prompts,
    /// The certificate with which phones agree on keys.
    pub identity: Arc<Identity>,
    /// Randomness for SSRCs and the like.
    pub entropy: Box<dyn Entropy>,
    /// Randomness for the user agent.
    pub agent_entropy: Box<dyn Entropy>,
    /// Recorder for the explanations of calls.
    pub trace: runtime::Recorder,
}

impl Node {
    /// A node without legs.
    pub fn new(parts: Parts) -> Self {
        let config = AgentConfig {
            sent_by: parts.sent_by,
            product: Some("Trunkline".to_owned()),
            session_expires_s: Some(parts.limits.session_expires_s),
            dialogs_max: parts.limits.legs_max.saturating_mul(2),
            ..AgentConfig::default()
        };
        Self {
            owner: parts.owner,
            seal: parts.seal,
            cipher: parts.cipher,
            limits: parts.limits,
            metrics: parts.metrics,
            addresses: parts.addresses,
            driver: parts.driver,
            prompts: parts.prompts,
            identity: parts.identity,
            entropy: parts.entropy,
            agent: UserAgent::new(config, parts.agent_entropy),
            legs: BTreeMap::new(),
            by_id: HashMap::new(),
            changed: BTreeSet::new(),
            over: Vec::new(),
            unowned: BTreeMap::new(),
            unclosed: Vec::new(),
            positions: Positions::default(),
            draining: false,
            trace: parts.trace,
            ending: Vec::new(),
            questions: Questions::default(),
            recordings: Recordings::default(),
            faults: Faults::default(),
            links: BTreeMap::new(),
            lost: BTreeMap::new(),
            next_leg: 0,
        }
    }

    /// The number of legs.
    pub fn legs(&self) -> usize {
        self.legs.len()
    }

    /// Whether it has nothing left to do: no leg, and no recording to write.
    pub fn is_idle(&self) -> bool {
        self.legs() == 0 && self.recordings.are_written()
    }

    /// Whether no proxy is connected.
    pub fn is_alone(&self) -> bool {
        self.links.is_empty()
    }

    /// Refuses new legs from now on.
    pub const fn drain(&mut self) {
        self.draining = true;
    }

    // ---- inputs

    /// A proxy is connected, possibly one that was lost.
    pub fn link_up(&mut self, link: ConnectionId, edge: &str, now: Timestamp) {
        self.links.insert(link, edge.to_owned());
        if let Some((old, _)) = self.lost.remove(edge) {
            self.agent.move_flow(stream(old), stream(link));
        }
        self.attempt(Doing::Events, now, |node| node.settle(now));
    }

    /// The connection to a proxy broke. Its dialogs wait until the proxy returns.
    pub fn link_down(&mut self, link: ConnectionId, now: Timestamp) {
        if let Some(edge) = self.links.remove(&link) {
            self.lost.insert(edge, (link, now + self.limits.proxy_return));
        }
    }

    /// A message from a proxy that is no keep-alive.
    pub fn receive(&mut self, message: Message, link: ConnectionId, now: Timestamp) {
        if message.method() == Method::Invite && message.is_request() {
            // A node or its successor repeats the INVITE through another proxy when the first is away: the answer goes to the last sender.
            self.agent.expect_again(&message);
        }
        self.attempt(Doing::Message(message.to_bytes(), link), now, |node| {
            node.agent.receive(message, stream(link), now);
            node.settle(now);
        });
    }

    /// Handles news of a leg's audio.
    pub fn news(&mut self, news: LegEvent, now: Timestamp) {
        match news {
            // Its leg is gone: what it has recorded is kept all the same.
            LegEvent::Event(leg, media::session::Event::Ended(outcome)) if !self.by_id.contains_key(&leg) => {
                self.recording_stopped((leg, outcome.id), outcome.recorded);
            }
            LegEvent::Event(leg, event) => self.attempt(Doing::LegEvent(leg), now, |node| {
                if let Some(dialog) = node.by_id.get(&leg).copied() {
                    node.mark(dialog);
                    node.audio_event(dialog, event, now);
                }
                node.settle(now);
            }),
            LegEvent::Recorded(leg, number, recorded) => self.recording_stopped((leg, number), recorded),
            LegEvent::Failed(leg, cause) => {
                self.recordings.forget(leg);
                self.audio_failed(leg, cause, now);
            }
        }
    }

    /// Whether the node has a leg with that tag.
    pub fn has_leg(&self, tag: &infra::MediaSessionId) -> bool {
        self.legs.values().any(|leg| leg.tag == *tag)
    }

    /// Handles due timers.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        self.attempt(Doing::Time, now, |node| node.agent.handle_timeout(now));
        self.close_audio_again();
        self.mark_positions(now);
        self.ask_owners(now);
        // Every proxy finds us by our tags, so a dialog can continue through any of them.
        if let Some(other) = self.links.keys().next().copied() {
            let over: Vec<String> =
                self.lost.iter().filter(|(_, (_, until))| *until <= now).map(|(edge, _)| edge.clone()).collect();
            for (old, _) in over.iter().filter_map(|edge| self.lost.remove(edge)) {
                self.agent.move_flow(stream(old), stream(other));
            }
        }
        self.attempt(Doing::Events, now, |node| node.settle(now));
    }

    /// When [`Node::handle_timeout`] must be called next.
    pub fn next_timeout(&self) -> Option<Timestamp> {
        let lost = self.lost.values().map(|(_, until)| *until).min().filter(|_| !self.links.is_empty());
        let store = self.positions.next();
        let unowned = self.unowned.values().min().copied();
        [self.agent.next_timeout(), lost, store, unowned].into_iter().flatten().min()
    }

    /// The next message to send.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.agent.poll_transmit()
    }

    /// Updates the metrics from the counters of the RTP threads.
    pub fn count(&self, edge: &runtime::meter::PeerMeter) {
        self.metrics.legs(self.legs.len());
        self.metrics.packets(self.driver.counters(), self.driver.ports().free(), edge);
    }

    // ---- inside

    pub(super) fn settle(&mut self, now: Timestamp) {
        while let Some(event) = self.agent.poll_event() {
            self.set_current_by(&event);
            self.dialog_event(event, now);
        }
    }

    fn dialog_event(&mut self, event: Event, now: Timestamp) {
        if let Event::Acknowledged { dialog, .. }
        | Event::Offered { dialog, .. }
        | Event::OfferWanted { dialog }
        | Event::Info { dialog, .. }
        | Event::Referred { dialog, .. }
        | Event::Refreshed { dialog }
        | Event::Responded { dialog: Some(dialog), .. } = &event
        {
            self.mark(*dialog);
        }
        match event {
            Event::Incoming { dialog, request, flow, .. } => self.incoming(dialog, &request, flow, now),
            Event::Acknowledged { dialog, answer } => self.acknowledged(dialog, answer.as_deref(), now),
            Event::Offered { dialog, request, offer } => self.offered(dialog, &request, &offer, now),
            Event::OfferWanted { dialog } => self.offer_wanted(dialog, now),
            Event::Info { dialog, request, message } => self.info(dialog, request, &message, now),
            Event::Referred { request, .. } => {
                // Media transfers nobody.
                let reply = sip::agent::Reply::new(StatusCode::FORBIDDEN);
                note("the answer to a REFER", self.agent.respond(request, reply, now));
            }
            Event::Request { request, .. } => {
                // OPTIONS: answer that the node is available.
                let reply = sip::agent::Reply::new(StatusCode::OK);
                note("the answer to OPTIONS", self.agent.respond(request, reply, now));
            }
            Event::Released { dialog, reason } => self.released(dialog, &reason),
            Event::Failed { dialog, .. } => self.close(dialog),
            Event::Responded { dialog: Some(dialog), status, .. } if status.is_success() => {
                self.unowned.remove(&dialog);
                self.heard(dialog);
            }
            Event::Responded { dialog: Some(dialog), status, .. } => {
                tracing::debug!(?dialog, status = status.code(), "an owner refused a notice");
            }
            // Cannot occur: the node sends no INVITE of its own and no offer within a dialog.
            Event::Responded { .. }
            | Event::Notified { .. }
            | Event::Refreshed { .. }
            | Event::Progress { .. }
            | Event::Answered { .. }
            | Event::LocationRefused { .. }
            | Event::Renegotiated { .. }
            | Event::GlareOver { .. }
            | Event::Proposed { .. }
            | Event::Refused { .. } => {}
        }
    }

    fn released(&mut self, dialog: DialogId, reason: &Release) {
        if matches!(reason, Release::Expired | Release::Gone(_) | Release::Unacknowledged) {
            tracing::info!(?reason, "a media dialog ended without its owner");
        }
        self.close(dialog);
    }

    /// Removes an ended leg and frees its ports.
    pub(super) fn close(&mut self, dialog: DialogId) {
        if let Some(leg) = self.forget(dialog) {
            // It asks the thread, which must still have the leg.
            self.trace_end(&leg);
            self.close_audio(leg.shard, leg.id);
            if leg.stored != Stored::No {
                self.end_record(leg.tenant, leg.tag, leg.token);
            }
        }
    }

    /// Frees a leg's ports, without a word to anybody and without an end of its record.
    pub(super) fn drop_leg(&mut self, dialog: DialogId) {
        if let Some(leg) = self.forget(dialog) {
            self.close_audio(leg.shard, leg.id);
        }
    }

    /// Has the thread free the leg's ports. A thread that falls behind gets the order again.
    fn close_audio(&mut self, shard: usize, leg: LegId) {
        if !self.order(shard, Order::Close(leg)) {
            self.unclosed.push((shard, leg));
        }
    }

    fn close_audio_again(&mut self) {
        for (shard, leg) in std::mem::take(&mut self.unclosed) {
            self.close_audio(shard, leg);
        }
    }

    fn forget(&mut self, dialog: DialogId) -> Option<Box<Leg>> {
        self.unowned.remove(&dialog);
        self.questions.forget(dialog);
        self.positions.end(dialog);
        let leg = self.legs.remove(&dialog)?;
        self.by_id.remove(&leg.id);
        Some(leg)
    }

    /// The edge of the proxy on that connection.
    pub(super) fn edge_of(&self, flow: Flow) -> &str {
        let edge = match flow {
            Flow::Stream { connection } => self.links.get(&connection),
            Flow::Udp { .. } => None,
        };
        edge.map_or("media.trunkline.invalid", String::as_str)
    }

    /// The connection to the proxy with that edge; any other if it is not connected.
    pub(super) fn link_at(&self, edge: &str) -> Option<ConnectionId> {
        let own = self.links.iter().find(|(_, at)| at.as_str() == edge);
        own.or_else(|| self.links.iter().next()).map(|(link, _)| *link)
    }

    /// A new id of a leg for the driver.
    pub(super) fn new_leg_id(&mut self) -> LegId {
        self.next_leg += 1;
        LegId(self.next_leg)
    }

    /// Our identity in a leg's dialog. The tag names this node, so that in-dialog requests find it.
    pub(super) fn identity(
        &mut self,
        tenant: &TenantId,
        conference: Option<&str>,
        id: LegId,
        flow: Flow,
    ) -> LocalIdentity {
        let call = conference.and_then(service::call_of).unwrap_or_else(|| ConnId(self.entropy.next_u64()));
        // The low bits of the count are unique among the legs of one call.
        let leg = CallLegId(id.0 as u16 | LocalTag::WITH_NODE);
        let tag = LocalTag { call, leg, tenant: tenant.clone(), owner: self.owner.clone() }.encode(&self.seal);
        let contact = format!("<sip:{tag}@{}>", self.edge_of(flow));
        LocalIdentity { tag, contact }
    }

    /// Sends a notification to the owner of a dialog.
    pub(super) fn notify(&mut self, dialog: DialogId, body: String, now: Timestamp) {
        let body = Body::new(ivr::msml::CONTENT_TYPE, body);
        note("a notice", self.agent.info(dialog, body, Vec::new(), now).map(drop));
    }

    /// Sends an order to the RTP threads. A thread that falls behind is an overload; metrics and log show it.
    pub(super) fn order(&self, shard: usize, order: Order) -> bool {
        let given = self.driver.order(shard, order);
        if let Err(error) = &given {
            tracing::error!(%error, "an order to the RTP threads was lost");
        }
        given.is_ok()
    }
}

/// Logs a command that came too late. That is no fault: the peer was faster.
pub(super) fn note(what: &'static str, done: Result<(), CommandError>) {
    if let Err(error) = done {
        tracing::debug!(%error, what, "came too late");
    }
}

fn stream(connection: ConnectionId) -> Flow {
    Flow::Stream { connection }
}
