//! The handling of a message before its transaction is searched.

use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use model::Timestamp;

use super::answer::Answer;
use super::request::Check;
use super::settings::BEGINNING_MAX;
use super::sources::{Rate, RateVerdict};
use super::trunk::sender::{Sender, may_be_trunks};
use super::{Proxy, Side, headers};
use crate::flow::Flow;
use crate::header::{HeaderName, Via};
use crate::message::Message;
use crate::message::ParseError;
use crate::method::Method;
use crate::status::StatusCode;

impl Proxy {
    /// Counts an edge message against its source's rate.
    pub(super) fn admit(&mut self, flow: Flow, source: IpAddr, now: Timestamp) -> RateVerdict {
        let rate = self.rate_of(flow, source, now);
        self.sources.admit(source, rate, now)
    }

    fn rate_of(&self, flow: Flow, source: IpAddr, now: Timestamp) -> Rate {
        if self.is_known_trunk(flow, source, now) { Rate::Trunk } else { Rate::Anybody }
    }

    /// Whether it is certain that a trunk's carrier sends on this flow. In the network of a trunk that needs a certificate or a password, who
    /// has not shown it is anybody.
    pub(super) fn is_known_trunk(&self, flow: Flow, source: IpAddr, now: Timestamp) -> bool {
        may_be_trunks(flow)
            && (self.trunks.knows_by_address(source)
                || self.trunks.has_proved(self.sender(flow, source))
                || self.allowance.is_trunks(flow, now))
    }

    /// The request rate allowed to a source, per second.
    pub(super) fn requests_per_s(&self, flow: Flow, source: IpAddr, now: Timestamp) -> u32 {
        self.per_s(self.rate_of(flow, source, now))
    }

    /// The rate of answers to requests of ours that is allowed to a source, per second. Nobody else guesses their branch, so that in the network
    /// of a trunk they are its carrier's, which shows its certificate with its own requests alone.
    pub(super) fn answers_per_s(&self, flow: Flow, source: IpAddr, now: Timestamp) -> u32 {
        let is_trunks = may_be_trunks(flow) && self.trunks.contains(source);
        self.per_s(if is_trunks { Rate::Trunk } else { self.rate_of(flow, source, now) })
    }

    const fn per_s(&self, rate: Rate) -> u32 {
        match rate {
            Rate::Anybody => self.settings.limits.source_requests_per_s,
            Rate::Trunk => self.settings.limits.trunk_requests_per_s,
        }
    }

    /// What nobody can forge about who sends on this flow from this address.
    pub(super) fn sender(&self, flow: Flow, address: IpAddr) -> Sender<'_> {
        let connection = if let Flow::Stream { connection } = flow { Some(connection) } else { None };
        let certified = connection.and_then(|connection| self.certified.get(&connection));
        let domains = certified.map(|certified| &*certified.domains).unwrap_or_default();
        Sender { address, domains, proved: self.proved_name(flow) }
    }

    /// Handles an edge message; `admission` is the verdict of its source's rate.
    pub(super) fn arrive_within_rate(
        &mut self,
        message: Message,
        flow: Flow,
        remote: SocketAddr,
        admission: RateVerdict,
        now: Timestamp,
    ) {
        let known = admission != RateVerdict::Admitted && self.is_known(&message, flow, remote.ip(), now);
        match admission {
            RateVerdict::Dropped if !known => self.counts.rate_dropped += 1,
            _ if known => self.arrive_from_edge(message, flow, remote, RateVerdict::Admitted, now),
            _ => self.arrive_from_edge(message, flow, remote, admission, now),
        }
    }

    fn arrive_from_edge(
        &mut self,
        mut message: Message,
        mut flow: Flow,
        remote: SocketAddr,
        admission: RateVerdict,
        now: Timestamp,
    ) {
        let behind = message.header(&headers::CLIENT_FLOW).filter(|_| flow.is_of_gateway() && begins(&message));
        let behind = behind.map(str::to_owned);
        // No peer at the edge may use our own headers.
        message.remove_where(headers::is_ours);
        if let Some(name) = behind {
            message.append(&headers::CLIENT_FLOW, name);
        }
        if admission != RateVerdict::Refused && !message.leaves_room() {
            return self.too_large(&message, flow);
        }
        // Media must know which host the session described in the message belongs to.
        if !message.body().is_empty()
            || (message.is_request() && (message.method() == Method::Invite || flow.is_of_gateway()))
        {
            message.append(&headers::PARTY, remote.ip());
        }
        if message.is_request() {
            // A gateway answers for its own way: that of its client ends there.
            let seen = if flow.is_of_gateway() { self.remote_at(flow).unwrap_or(remote) } else { remote };
            flow = way_back(&message, flow);
            note_source(&mut message, seen);
            if admission == RateVerdict::Refused {
                self.counts.rate_refused += 1;
                if message.method() != Method::Ack && message.fault().is_none() {
                    self.answer_statelessly(&message, &Answer::unavailable(), flow);
                }
                return;
            }
        }
        if !self.is_sound(&message, flow) {
            return;
        }
        if self.lacks_way_back(&message) {
            self.counts.responses_stray += 1;
            return;
        }
        if self.is_too_much(&message, (flow, remote), now) {
            self.counts.overload_refused += 1;
            return self.answer_stranger(flow, &message, &Answer::unavailable());
        }
        // A stranger's request gets no transaction: a repeat is answered again, and no answer is repeated to a host
        // that never sent a request.
        if message.is_request()
            && !self.is_draining()
            && (self.is_bare_register(&message, remote, now) || self.is_strangers(&message, (flow, remote), now))
        {
            return self.stranger(message, flow, now);
        }
        if message.is_request() && self.is_of_nodes_transaction(&message) {
            self.counts.transactions_foreign += 1;
            return;
        }
        if self.is_of_nothing(&message, now) {
            return self.refuse_of_nothing(&message, flow);
        }
        self.receive(message, flow, Side::Edge, now);
    }

    /// Whether there is no time or no room for an initial request. Admitted requests and their repeats go on, and so
    /// does every dialog. A phone that has authenticated may call for help all the same.
    fn is_too_much(&mut self, message: &Message, from: (Flow, SocketAddr), now: Timestamp) -> bool {
        let held = self.exchanges.len().max(self.layer.len().1);
        (self.overload.refuses() || held >= BEGINNING_MAX || self.layer.is_short())
            && message.is_request()
            && begins(message)
            && !self.layer.knows(message, now)
            && !(self.may_be_for_help(message) && self.is_let_in_for_help(message, from, now))
    }

    /// Whether a request continues something unknown here: a dialog whose tag is not ours, or a CANCEL without its
    /// INVITE.
    fn is_of_nothing(&mut self, request: &Message, now: Timestamp) -> bool {
        request.is_request()
            && !matches!(request.method(), Method::Ack)
            && !begins(request)
            && self.settings.static_route.is_none()
            && (request.method() == Method::Cancel || !self.is_of_our_dialog(request))
            && !self.layer.knows(request, now)
    }

    fn is_of_our_dialog(&mut self, request: &Message) -> bool {
        if self.owner_tag(request).is_some() {
            return true;
        }
        let mut undone = request.clone();
        self.undo_strict_routing(&mut undone);
        self.owner_tag(&undone).is_some()
    }

    /// Answers a request that continues something unknown here, without keeping state: a table filled by such requests would have
    /// no room for those of existing dialogs.
    fn refuse_of_nothing(&mut self, request: &Message, flow: Flow) {
        let method = request.method();
        let refused = Answer::new(StatusCode::CALL_DOES_NOT_EXIST);
        let answer = match self.check(request, &method, (Side::Edge, flow)) {
            Check::Answer(answer) if method != Method::Cancel => answer,
            _ => refused,
        };
        self.answer_stranger(flow, request, &answer);
    }

    /// Whether an initial request has no credentials and its source is not known as a trunk's: it goes nowhere.
    fn is_strangers(&self, request: &Message, (flow, remote): (Flow, SocketAddr), now: Timestamp) -> bool {
        begins(request)
            && !matches!(
                request.method(),
                Method::Bye | Method::Info | Method::Update | Method::Prack | Method::Register
            )
            && !self.shows_nonce(request, HeaderName::ProxyAuthorization, remote, now)
            && !self.is_known_trunk(flow, remote.ip(), now)
    }

    /// Whether an edge request names a transaction of a node. As a repeat it would divert the node's responses, as a CANCEL it would
    /// end the node's request. Nobody outside sees the node's Via; who was called by an earlier release has.
    fn is_of_nodes_transaction(&mut self, request: &Message) -> bool {
        let Some(Flow::Stream { connection }) = self.layer.answered_by(request) else { return false };
        self.connections.get(&connection).is_none_or(|peer| peer.side == Side::Cluster)
    }

    /// Whether a message is usable; an unusable one is answered if possible.
    pub(super) fn is_sound(&mut self, message: &Message, flow: Flow) -> bool {
        let Some(fault) = message.fault() else { return true };
        match fault.response(message) {
            Some(response) => {
                self.counts.malformed_answered += 1;
                self.layer.transmit(flow, response.to_bytes());
            }
            None => self.counts.malformed_dropped += 1,
        }
        false
    }

    /// A message that we can parse but that would be too large for the next element with what we add.
    fn too_large(&mut self, message: &Message, flow: Flow) {
        if message.is_request() && message.method() != Method::Ack && message.fault().is_none() {
            self.counts.malformed_answered += 1;
            self.answer_statelessly(message, &Answer::new(StatusCode::MESSAGE_TOO_LARGE), flow);
        } else {
            self.counts.malformed_dropped += 1;
        }
    }

    pub(super) fn malformed(&mut self, error: &ParseError, flow: Flow) {
        match error.response() {
            Some(response) => {
                self.counts.malformed_answered += 1;
                self.layer.transmit(flow, response.to_bytes());
            }
            None => self.counts.malformed_dropped += 1,
        }
    }

    /// Input that made this core fail: a request is answered, so that its sender does not wait in vain.
    pub fn refuse_faulty(&mut self, bytes: Bytes, flow: Flow) {
        let Ok(message) = Message::parse(bytes) else { return };
        if message.is_request() && message.method() != Method::Ack {
            self.answer_statelessly(&message, &Answer::new(StatusCode::SERVER_INTERNAL_ERROR), flow);
        }
    }

    pub(super) fn answer_statelessly(&mut self, request: &Message, answer: &Answer, flow: Flow) {
        let response = self.response_to(request, answer).to_bytes();
        self.layer.transmit(flow, response);
    }
}

/// Whether a request is initial: outside any dialog, and not part of another request (ACK, CANCEL).
pub(super) fn begins(request: &Message) -> bool {
    !matches!(request.method(), Method::Ack | Method::Cancel) && request.to().is_ok_and(|to| to.tag().is_none())
}

/// The flow on which a peer is answered, and reached later in the dialog or by its registration.
///
/// A peer that sends datagrams from one port and listens on another declares that in its Via: by RFC 3261 §18.2.2 the
/// answer goes to the port of sent-by, 5060 if none is given. We follow that if sent-by is the address that the packet
/// came from, so that no NAT is in between. We do not if the peer requests rport (RFC 3581 §4), or if sent-by is
/// another address or a name: behind a NAT nothing outside reaches the port of sent-by, and a phone that does not
/// request rport is behind one as often as one that does. Then only the source's port is known to lead back. `maddr` is
/// not followed: no peer can make us send to a third party.
pub(super) fn way_back(request: &Message, flow: Flow) -> Flow {
    let Flow::Udp { listener, remote } = flow else { return flow };
    let Ok(via) = request.top_via() else { return flow };
    if via.rport().is_some() || via.host.ip() != Some(remote.ip()) {
        return flow;
    }
    match via.port.unwrap_or(5060) {
        0 => flow,
        port => Flow::Udp { listener, remote: SocketAddr::new(remote.ip(), port) },
    }
}

/// Writes the source of the request into its top Via (RFC 3261 §18.2.1, RFC 3581 §4).
fn note_source(message: &mut Message, remote: SocketAddr) {
    let Some(via) = message.top_via().ok().and_then(|via| noted(&via, remote)) else { return };
    message.remove_first_value(&HeaderName::Via);
    message.push_front(&HeaderName::Via, via);
}

fn noted(via: &Via<'_>, remote: SocketAddr) -> Option<String> {
    let asks = via.rport().is_some();
    if !asks && via.received().is_none() && via.host.ip() == Some(remote.ip()) {
        return None;
    }
    let port = via.port.map_or_else(String::new, |p| format!(":{p}"));
    let mut text = format!("SIP/2.0/{} {}{port}", via.transport, via.host);
    for param in via.params.iter() {
        if param.name.eq_ignore_ascii_case("rport") || param.name.eq_ignore_ascii_case("received") {
            continue;
        }
        text.push(';');
        text.push_str(param.name);
        if let Some(value) = param.value {
            text.push('=');
            text.push_str(value);
        }
    }
    text.push_str(&format!(";received={}", remote.ip()));
    if asks {
        text.push_str(&format!(";rport={}", remote.port()));
    }
    Some(text)
}
