//! Phones in browsers, between their WebSockets and sip-proxy. No I/O.
//!
//! Towards sip-proxy it is the phone: each flow has a Contact at our own address, by datagrams, whatever WebSocket the browser has just
//! now. What both ends know a dialog by (Call-ID, tags, CSeq) passes unchanged, and so does the description of the audio, which goes
//! between browser and media. A phone that has come by a ticket has no password: challenges are answered here.
//!
//! Drive loop: `handle_*(input, now)`, then [`Gateway::poll_output`] until it is `None`, then wait until [`Gateway::next_timeout`].

mod cancelling;
mod challenges;
mod draining;
mod exchange;
mod failover;
mod flows;
mod from_browser;
mod from_proxy;
mod grace;
mod proxies;
mod rewriting;
mod rights;
mod silence;
mod sockets;
mod strangers;
#[cfg(test)]
mod tests;
mod unacknowledged;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use model::{Dn, Entropy, TenantId, Timestamp};
use sip::proxy::sources::Sources;
use sip::transaction::{ClientId, ClientRequest, Intervals, Received, ServerId, TransactionEvent, TransactionLayer};
use sip::{ConnectionId, Flow, HeaderName, Message, Method, StatusCode, Transmit};

use draining::LeavingPhones;
use exchange::{ExchangeTable, PhoneExchange, Towards};
pub use flows::{FlowHolder, FlowKey, PhoneCredentials, TicketRights};
use flows::{FlowTable, WAITING_MAX};
use proxies::ProxySet;
use strangers::REQUESTS_OF_SOURCE_PER_S;

/// Transactions of each side: 10,000 phones that all register within half a minute, and their calls.
const TRANSACTIONS_MAX: usize = 32_768;
/// How often flows that are away and exchanges are looked at.
const LOOK_EACH: Duration = Duration::from_secs(1);
/// What browsers see of us: they send by their WebSocket, and nowhere else.
const HOST: &str = "webrtc.trunkline.invalid";
/// The number of our only listener for datagrams.
const LISTENER: u16 = 0;

/// What a gateway is told when it begins.
#[derive(Clone, Debug)]
pub struct GatewaySettings {
    /// Our own address towards sip-proxy.
    pub address: SocketAddr,
    /// How long a phone whose WebSocket has closed, or that answers nothing by it, is waited for.
    pub grace: Duration,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GatewayOutput {
    /// Send this by that WebSocket.
    ToPhone {
        /// Which one.
        connection: ConnectionId,
        /// A whole message.
        bytes: Bytes,
    },
    /// Send this datagram.
    ToProxy {
        /// To whom.
        to: SocketAddr,
        /// A whole message.
        bytes: Bytes,
    },
    /// Close that WebSocket.
    Close(ConnectionId),
    /// A phone has proved itself there, which that number stands for.
    Proved(ConnectionId, u64),
    /// Look up by what challenges to this phone are answered: [`Gateway::handle_credentials`].
    NeedCredentials {
        /// Whose.
        flow: FlowKey,
        /// The tenant.
        tenant: TenantId,
        /// The phone.
        dn: Dn,
    },
}

/// What has happened, since the begin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GatewayCounts {
    /// Flows that have begun.
    pub begun: u64,
    /// Flows that were taken over by another WebSocket of the same phone.
    pub resumed: u64,
    /// Phones that answered nothing, though their WebSockets seemed open.
    pub silent: u64,
    /// Flows that ended because their phone has not come back in time.
    pub given_up: u64,
    /// Flows that ended because their sign-in was revoked, or the password of their phone has changed.
    pub revoked: u64,
    /// Phones whose desktop has their DN no more.
    pub barred: u64,
    /// Requests of phones that were passed on.
    pub from_phones: u64,
    /// Requests to phones that were passed on.
    pub to_phones: u64,
    /// Challenges that were answered for phones with tickets.
    pub answered: u64,
    /// Requests that were refused here.
    pub refused: u64,
    /// Datagrams of strangers, and what is no message.
    pub dropped: u64,
}

/// The gateway.
pub struct Gateway {
    settings: GatewaySettings,
    /// Our address as text.
    us: String,
    layer: TransactionLayer,
    flows: FlowTable,
    exchanges: ExchangeTable,
    /// The rates of those who have proved nothing.
    sources: Sources,
    proxies: ProxySet,
    entropy: Box<dyn Entropy>,
    outputs: VecDeque<GatewayOutput>,
    counts: GatewayCounts,
    looked_at: Option<Timestamp>,
    /// The phones that are let go, once this ends.
    leaving: Option<LeavingPhones>,
}

// === impl Gateway: inputs ===

impl Gateway {
    /// One without phones and without a sip-proxy.
    pub fn new(settings: GatewaySettings, entropy: Box<dyn Entropy>) -> Self {
        Self {
            us: settings.address.to_string(),
            settings,
            layer: TransactionLayer::restorable(TRANSACTIONS_MAX, Intervals::default()),
            flows: FlowTable::default(),
            exchanges: ExchangeTable::default(),
            sources: Sources::new(sip::proxy::Limits {
                source_requests_per_s: REQUESTS_OF_SOURCE_PER_S,
                ..sip::proxy::Limits::default()
            }),
            proxies: ProxySet::default(),
            entropy,
            outputs: VecDeque::new(),
            counts: GatewayCounts::default(),
            looked_at: None,
            leaving: None,
        }
    }

    /// Where the sip-proxies are.
    pub fn set_proxies(&mut self, addresses: &[SocketAddr]) {
        self.proxies.set(addresses);
    }

    /// A message has come by a WebSocket.
    pub fn handle_message(&mut self, connection: ConnectionId, message: Message, now: Timestamp) {
        let Some(key) = self.flows.of_socket(connection) else { return };
        if !self.takes(key, &message, now) {
            return;
        }
        self.wake(key, now);
        let flow = Flow::Stream { connection: key.0 };
        match self.layer.receive(message, flow, now) {
            Received::Absorbed => {}
            Received::Stray(_) => self.counts.dropped += 1,
            Received::Request(new) => self.request_of_phone(new, key, now),
            Received::Ack { message, .. } => self.ack_of_phone(message, key, now),
            Received::Response { client, owner, message, .. } => self.response(client, owner, message, now),
        }
        self.settle(now);
    }

    /// A datagram has come. Only those of sip-proxy count.
    pub fn handle_datagram(&mut self, from: SocketAddr, bytes: Bytes, now: Timestamp) {
        if !self.proxies.contains(from) {
            self.counts.dropped += 1;
            return;
        }
        let Ok(message) = Message::parse(bytes) else {
            self.counts.dropped += 1;
            return;
        };
        if proxies::is_answer(&message) {
            return self.proxies.answered(from, &message, now);
        }
        self.proxies.heard(from, now);
        match self.layer.receive(message, Flow::Udp { listener: LISTENER, remote: from }, now) {
            Received::Absorbed => {}
            Received::Stray(_) => self.counts.dropped += 1,
            Received::Request(new) => self.request_of_proxy(new, now),
            Received::Ack { message, .. } => self.ack_of_proxy(message),
            Received::Response { client, owner, message, .. } => self.response(client, owner, message, now),
        }
        self.settle(now);
    }

    /// Runs what is due.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        self.layer.handle_timeout(now);
        self.settle(now);
        self.let_go(now);
        for (to, bytes) in self.proxies.ask(&self.us, now) {
            self.outputs.push_back(GatewayOutput::ToProxy { to, bytes });
        }
        if self.looked_at.is_none_or(|at| now.since(at) >= LOOK_EACH) {
            self.looked_at = Some(now);
            self.fail_over(now);
            self.find_silent(now);
            self.give_up_away(now);
            self.give_up_exchanges(now);
            self.settle(now);
        }
    }

    /// When to call [`Self::handle_timeout`] next.
    pub fn next_timeout(&self, now: Timestamp) -> Timestamp {
        let look = self.looked_at.map_or(now, |at| at + LOOK_EACH);
        let own = look.min(self.proxies.due(now));
        let own = self.next_leaves().map_or(own, |due| due.min(own));
        self.layer.next_timeout().map_or(own, |due| due.min(own))
    }

    /// Input that made this gateway fail: a request is answered, so that its sender does not wait in vain.
    pub fn refuse_faulty(&mut self, bytes: Bytes, from: Flow) {
        let Ok(request) = Message::parse(bytes) else { return };
        if !request.is_request() || request.method() == Method::Ack || request.fault().is_some() {
            return;
        }
        let bytes = self.refusing(&request, StatusCode::SERVER_INTERNAL_ERROR).to_bytes();
        self.outputs.push_back(match from {
            Flow::Udp { remote: to, .. } => GatewayOutput::ToProxy { to, bytes },
            Flow::Stream { connection } => GatewayOutput::ToPhone { connection, bytes },
        });
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<GatewayOutput> {
        self.outputs.pop_front()
    }
}

// === impl Gateway: queries ===

impl Gateway {
    /// The counts.
    pub const fn counts(&self) -> &GatewayCounts {
        &self.counts
    }

    /// How many flows there are, and how many of them wait for their phones.
    pub fn sizes(&self) -> (usize, usize) {
        self.flows.sizes()
    }

    /// Whether a sip-proxy answers.
    pub fn has_proxy(&self, now: Timestamp) -> bool {
        self.proxies.has_any(now)
    }

    /// The flows with tickets, each with what its one came from.
    pub fn held(&self) -> impl Iterator<Item = (FlowKey, &TicketRights)> {
        self.flows.held()
    }
}

// === impl Gateway: between both sides ===

impl Gateway {
    fn branch(&mut self) -> String {
        format!("z9hG4bKrtc{:016x}{:016x}", self.entropy.next_u64(), self.entropy.next_u64())
    }

    fn add(&mut self, exchange: PhoneExchange) -> u64 {
        let server = exchange.server;
        let id = self.exchanges.add(exchange);
        self.layer.own(server, id);
        id
    }

    /// Sends a request of an exchange, which has everything but its Via.
    fn send(&mut self, id: u64, mut message: Message, flow: Flow, now: Timestamp) {
        let branch = self.branch();
        match flow {
            Flow::Udp { remote, .. } => {
                if let Some(exchange) = self.exchanges.get_mut(id) {
                    exchange.sent_to = Some(remote);
                }
                message.push_front(&HeaderName::Via, format_args!("SIP/2.0/UDP {};branch={branch};rport", self.us));
            }
            Flow::Stream { .. } => {
                message.push_front(&HeaderName::Via, format_args!("SIP/2.0/WS {HOST};branch={branch}"));
            }
        }
        message.ensure_content_length();
        let sent = self.layer.send(ClientRequest { message: &message, branch: &branch, flow, owner: id }, now);
        match sent {
            Ok(client) => {
                if let Some(exchange) = self.exchanges.get_mut(id) {
                    exchange.client = Some(client);
                }
            }
            Err(error) => {
                tracing::warn!(%error, "a request of or to a phone in a browser finds no room");
                self.answer_instead(id, StatusCode::SERVICE_UNAVAILABLE, now);
            }
        }
    }

    fn response(&mut self, client: ClientId, id: u64, message: Message, now: Timestamp) {
        // Without an exchange it answers our CANCEL; of another client, it is late.
        let Some(exchange) = self.exchanges.get(id).filter(|exchange| exchange.client == Some(client)) else { return };
        let Some(status) = message.status() else { return };
        let towards = exchange.towards;
        if status.is_provisional() {
            self.pass_cancel(id, now);
            if status == StatusCode::TRYING {
                return;
            }
        }
        match towards {
            Towards::Proxy => self.answer_of_proxy(id, message, now),
            Towards::Phone => self.answer_of_phone(id, message, now),
        }
    }

    /// Answers the request of an exchange with what has come, or was made of it.
    fn respond(&mut self, id: u64, mut message: Message, now: Timestamp) {
        let Some(exchange) = self.exchanges.get_mut(id) else { return };
        exchange.tag = message.to().ok().and_then(|to| to.tag().map(Box::<str>::from)).or(exchange.tag.take());
        rewriting::put_vias(&mut message, &exchange.vias);
        message.ensure_content_length();
        let server = exchange.server;
        let mut refused = None;
        if message.status().is_some_and(StatusCode::is_final) && !std::mem::replace(&mut exchange.is_answered, true) {
            exchange.request = None;
            let (key, towards) = (exchange.flow, exchange.towards);
            let is_refusal = !message.status().is_some_and(StatusCode::is_success);
            let is_refused = is_refusal && towards == Towards::Proxy && exchange.asked.method() == Method::Invite;
            refused = is_refused.then_some(key);
            self.exchanges.answered(id);
            self.is_over(key, towards);
        }
        // An error means that the transaction has ended; nobody needs it any more.
        let _ = self.layer.respond(server, &message, now);
        if let Some(key) = refused {
            self.await_ack(key, server);
        }
        self.flush();
    }

    /// A request of a phone, or to one, has its answer.
    fn is_over(&mut self, key: FlowKey, towards: Towards) {
        if let (Some(flow), Towards::Proxy) = (self.flows.get_mut(key), towards) {
            flow.under_way = flow.under_way.saturating_sub(1);
        }
    }

    /// Answers a request that goes no further.
    fn refuse(&mut self, server: ServerId, request: &Message, status: StatusCode, now: Timestamp) {
        self.counts.refused += 1;
        let answer = self.refusing(request, status);
        let _ = self.layer.respond(server, &answer, now);
    }

    /// One for To in an answer of ours.
    fn tag(&mut self) -> Box<str> {
        format!("g{:016x}", self.entropy.next_u64()).into()
    }

    /// Our own answer to a request.
    fn refusing(&mut self, request: &Message, status: StatusCode) -> Message {
        let tag = self.tag();
        let mut answer = Message::response_to(request, status).to_tag(&tag);
        if status == StatusCode::SERVICE_UNAVAILABLE {
            answer = answer.header(&HeaderName::RetryAfter, RETRY_AFTER_S);
        }
        answer.build()
    }

    /// Answers a request whose own answer does not come.
    fn answer_instead(&mut self, id: u64, status: StatusCode, now: Timestamp) {
        let Some(exchange) = self.exchanges.remove(id) else { return };
        if let Some(client) = exchange.client {
            self.layer.abandon(client);
        }
        if !exchange.is_answered {
            let PhoneExchange { flow, towards, server, mut asked, tag, .. } = exchange;
            if let Some(tag) = tag {
                asked.add_to_tag(&tag);
            }
            self.is_over(flow, towards);
            match towards {
                Towards::Proxy => self.refuse_phone(flow, server, &asked, status, now),
                Towards::Phone => self.refuse(server, &asked, status, now),
            }
        }
    }

    /// Passes on what the transactions have to say, and what they have come to.
    fn settle(&mut self, now: Timestamp) {
        self.flush();
        while let Some(event) = self.layer.poll_event() {
            match event {
                TransactionEvent::ClientTimeout { client, owner }
                | TransactionEvent::ClientFlowFailed { client, owner } => {
                    self.client_failed(owner, client, now);
                }
                TransactionEvent::ClientEnded { client, owner } => {
                    if self.exchanges.get(owner).is_some_and(|exchange| exchange.client == Some(client)) {
                        self.exchanges.remove(owner);
                    }
                }
                TransactionEvent::ServerTimeout { .. } | TransactionEvent::ServerEnded { .. } => {}
            }
            self.flush();
        }
    }

    fn client_failed(&mut self, id: u64, client: ClientId, now: Timestamp) {
        let Some(exchange) = self.exchanges.get(id).filter(|exchange| exchange.client == Some(client)) else { return };
        let status = match exchange.towards {
            Towards::Proxy => StatusCode::SERVICE_UNAVAILABLE,
            Towards::Phone if rewriting::is_in_dialog(&exchange.asked) => StatusCode::CALL_DOES_NOT_EXIST,
            Towards::Phone => StatusCode::TEMPORARILY_UNAVAILABLE,
        };
        self.answer_instead(id, status, now);
    }

    /// Passes on what the transactions send.
    fn flush(&mut self) {
        while let Some(Transmit { flow, bytes }) = self.layer.poll_transmit() {
            match flow {
                Flow::Udp { remote: to, .. } => self.outputs.push_back(GatewayOutput::ToProxy { to, bytes }),
                Flow::Stream { connection } => self.send_to_phone(FlowKey(connection), bytes),
            }
        }
    }

    /// Sends to a phone. While it is away, answers, acknowledgements and CANCELs wait for it; other requests are sent again once it is back.
    fn send_to_phone(&mut self, key: FlowKey, bytes: Bytes) {
        let Some(flow) = self.flows.get_mut(self.flows.now_of(key)) else { return };
        let is_answer = bytes.starts_with(b"SIP/2.0 ");
        if let Some(connection) = flow.socket
            && (flow.is_settled || is_answer)
        {
            self.outputs.push_back(GatewayOutput::ToPhone { connection, bytes });
        } else if (is_answer || bytes.starts_with(b"ACK ") || bytes.starts_with(b"CANCEL "))
            && flow.waiting.len() < WAITING_MAX
        {
            flow.waiting.push_back(bytes);
        }
    }
}

/// The Retry-After of a 503, in seconds.
const RETRY_AFTER_S: u32 = 5;

impl std::fmt::Debug for Gateway {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gateway").field("sizes", &self.sizes()).finish_non_exhaustive()
    }
}
