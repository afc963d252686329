//! Responses on their way back (RFC 3261 §16.7), and the handling of missing ones.

use std::net::SocketAddr;

use bytes::Bytes;
use model::Timestamp;

use super::answer::Answer;
use super::exchange::{Cancelled, Exchange, Origin, Stage, Target};
use super::hops::NextHop;
use super::members::is_to_us;
use super::record_route::restore;
use super::settings::RESPONSES_MAX;
use super::trunk::registered::registered_by;
use super::{Failure, Proxy, headers};
use crate::agent::COMPLETED_ELSEWHERE;
use crate::flow::Flow;
use crate::header::HeaderName;
use crate::local_tag::LocalTag;
use crate::message::Message;
use crate::method::Method;
use crate::status::StatusCode;
use crate::transaction::{ClientId, ServerId};
use crate::unreached::Unreached;

impl Proxy {
    /// A response to our client transaction. A node's response is accepted on any connection of a node.
    pub(super) fn response(&mut self, client: ClientId, id: u64, message: Message, flow: Flow, now: Timestamp) {
        let Some(status) = message.status() else { return };
        if self.is_question(id) {
            return self.carrier_said(id, Some(status));
        }
        let node = self.node_of(flow);
        let Some(mut message) = self.unless_left_behind(id, client, message, flow, now) else { return };
        // Without an exchange it is the answer to our CANCEL.
        let Some(held) = self.exchanges.get_mut(id) else { return };
        if is_one_too_many(held, status) {
            self.counts.responses_limited += 1;
            return;
        }
        if let Stage::Orphaned { .. } = held.stage
            && let Some(successor) = node
        {
            // The successor has taken over the INVITE.
            held.stage = Stage::Forwarded { client, target: Target::Node(successor), progressed: true };
            self.restart_timer_c(id, now);
        }
        if node.is_none() && (self.is_merged_with_left(id, status, now) || self.goes_on(id, status, now)) {
            return;
        }
        if status != StatusCode::TRYING {
            // It is decided where the call is.
            self.cancel_left(id, now);
        }
        let contact = status.is_final().then(|| self.registered_contact(id)).flatten();
        let Some(held) = self.exchanges.get_mut(id) else { return };
        let (server, origin) = (held.server, held.origin);
        let registered = registered_by(held, &message);
        if status.is_final() {
            held.due = Timestamp::MAX;
            held.stage = Stage::Answered { client_open: true };
            held.request = Bytes::new();
            self.attempt_over(id, status);
        } else if !self.progresses(id, client, status, now) {
            return;
        }
        if !self.restore_vias(id, &mut message) {
            return;
        }
        if node.is_some() && matches!(origin, Origin::Edge(_)) {
            self.note_dialog(message.to().ok().and_then(|to| to.tag()));
        }
        self.clean(&mut message, origin, node.is_some(), contact);
        if let Some(ours) = self.exchanges.get(id).and_then(|held| held.recorded.as_deref()) {
            restore(&mut message, ours);
        }
        if let (Some((by, register)), Origin::Node(node)) = (registered, origin) {
            self.note_registered(&mut message, node, (by, &register), now);
        }
        message.ensure_content_length();
        self.counts.responses_forwarded += 1;
        // An error means that the transaction has ended; the peer needs no response any more.
        let _ = self.layer.respond(server, &message, now);
        if let Origin::Node(connection) = origin
            && self.nodes.by_connection(connection).is_none()
        {
            self.respond_to_successor(message);
        }
    }

    /// Notes a provisional response; whether it goes on to the sender of the request.
    fn progresses(&mut self, id: u64, client: ClientId, status: StatusCode, now: Timestamp) -> bool {
        let Some(held) = self.exchanges.get_mut(id) else { return false };
        let (invite, cancelled) = (held.invite, held.cancelled);
        if let Stage::Forwarded { progressed, .. } = &mut held.stage {
            *progressed |= status != StatusCode::TRYING;
        }
        if cancelled == Cancelled::Wanted {
            self.pass_cancel_to(id, client, now);
        }
        // Our own 100 was sent already (RFC 3261 §16.7 step 5).
        if status == StatusCode::TRYING {
            return false;
        }
        if invite && cancelled == Cancelled::No {
            self.restart_timer_c(id, now);
        }
        true
    }

    /// Whether the request goes on to another address of its place, which has refused it; notes how the place has answered.
    fn goes_on(&mut self, id: u64, status: StatusCode, now: Timestamp) -> bool {
        self.end_trial(id, now);
        if status != StatusCode::SERVICE_UNAVAILABLE {
            self.trust_hop(id);
            return false;
        }
        self.shun_hop(id, now);
        self.try_next_hop(id, NextHop::Refused, now)
    }

    /// Takes out of a response what stays inside, or is for the edge alone. A node is told under which Contact it is registered.
    fn clean(&self, message: &mut Message, origin: Origin, from_node: bool, registered: Option<String>) {
        if let Origin::Edge(to) = origin {
            message.remove_where(headers::is_ours);
            self.contact_in_session(message, to);
            return;
        }
        if !from_node {
            // Of our own headers it keeps the one that we added on arrival.
            message.remove_where(|name| headers::is_ours(name) && !name.eq_ignore_ascii_case(headers::PARTY.as_str()));
            if let Some(contact) = registered {
                message.set(&headers::CONTACT, contact);
            }
        }
    }

    /// A response without a transaction. It is not forwarded (RFC 6026 §7.3), except one whose branch shows that a node of ours waits
    /// for it, and the 2xx to an INVITE whose proxy has failed, or that came in our previous run: without its ACK the call would end.
    pub(super) fn stray_response(&mut self, message: Message, flow: Flow, now: Timestamp) {
        if let Some(path) = self.return_path(&message, flow) {
            return self.answer_along(path, message, flow, now);
        }
        let of_invite = message.cseq().is_ok_and(|cseq| cseq.method == Method::Invite);
        let is_ours = |tag: Option<&str>| tag.is_some_and(|tag| LocalTag::decode(tag, &self.seal).is_some());
        if !of_invite || !message.status().is_some_and(StatusCode::is_success) {
            self.counts.responses_stray += 1;
        } else if message.from().is_ok_and(|from| is_ours(from.tag())) {
            self.answer_of_a_node(message, flow, now);
        } else {
            self.answer_by_a_node(message, flow, now);
        }
    }

    /// The 2xx to an INVITE of a node, as our seal in its tag shows, whose branch has no way back: it is that of an earlier release, or the
    /// way back did not fit. The INVITE is of a previous run, or the place is one from which it went on to the next one, where it then
    /// need not ring any more.
    fn answer_of_a_node(&mut self, mut message: Message, flow: Flow, now: Timestamp) {
        self.counts.responses_stray += 1;
        self.restore_forgotten(&mut message, flow);
        if is_to_us(&message) {
            let mut of_node = message.clone();
            of_node.remove_first_value(&HeaderName::Via);
            if let Some(asked) = self.layer.server_of(&of_node) {
                return self.answered_elsewhere(asked, &of_node, now);
            }
        }
        // The last Via is that of the node that began the request.
        while message.vias().nth(1).is_some() {
            message.remove_first_value(&HeaderName::Via);
        }
        self.respond_to_successor(message);
    }

    /// The 2xx of a node, by a branch without a transaction: the INVITE came in a previous run of this proxy and its ACK is missing,
    /// or the INVITE was repeated to the successor in the moment in which the successor answered it by the first branch.
    fn answer_by_a_node(&mut self, mut message: Message, flow: Flow, now: Timestamp) {
        if self.node_of(flow).is_none() || !is_to_us(&message) {
            self.counts.responses_stray += 1;
            return;
        }
        message.remove_first_value(&HeaderName::Via);
        if let Some((server, id)) = self.layer.server_of(&message) {
            return self.answered_by_first_branch(server, id, message, now);
        }
        let Some(back) = source_in_via(&message).and_then(|source| self.udp_to(source)) else {
            self.counts.responses_stray += 1;
            return;
        };
        message.remove_where(headers::is_ours);
        self.contact_in_session(&mut message, back);
        message.ensure_content_length();
        self.counts.responses_forwarded += 1;
        self.layer.transmit(back, message.to_bytes());
    }

    /// The request has its final response. What its repeat is answered goes no further: after a 2xx nothing else may follow.
    fn answered_by_first_branch(&mut self, server: ServerId, id: u64, mut message: Message, now: Timestamp) {
        self.end_other_branch(id, now);
        self.note_dialog(message.to().ok().and_then(|to| to.tag()));
        message.remove_where(headers::is_ours);
        if let Some(Origin::Edge(to)) = self.exchanges.get(id).map(|held| held.origin) {
            self.contact_in_session(&mut message, to);
        }
        message.ensure_content_length();
        self.counts.responses_forwarded += 1;
        // An error means that the transaction has ended; the peer needs no response any more.
        let _ = self.layer.respond(server, &message, now);
    }

    /// A request was answered by another branch than its last one, which no one waits for any more: it is cancelled (RFC 3261
    /// §16.7 step 10), now or with its first provisional response. Should it be answered with 2xx first, that goes to the
    /// caller too, who ends one of both (§13.2.2.4).
    pub(super) fn end_other_branch(&mut self, id: u64, now: Timestamp) {
        let Some(held) = self.exchanges.get_mut(id) else { return };
        let open = match held.stage {
            Stage::Forwarded { client, .. } => Some(client),
            // Its node has failed: no one is left to be told.
            Stage::Orphaned { client, .. } => {
                self.layer.abandon(client);
                None
            }
            _ => return,
        };
        held.due = Timestamp::MAX;
        held.stage = Stage::Answered { client_open: open.is_some() };
        held.request = Bytes::new();
        if held.cancelled == Cancelled::No {
            held.cancelled = Cancelled::Wanted;
            held.reasons = vec![(HeaderName::Reason, COMPLETED_ELSEWHERE.to_owned())];
        }
        if let Some(client) = open {
            self.pass_cancel_to(id, client, now);
        }
        self.cancel_left(id, now);
        self.attempt_over(id, StatusCode::OK);
    }

    /// The requesting node has failed; the current owner of its call, if any, gets the response. False if there is none.
    pub(super) fn respond_to_successor(&mut self, mut message: Message) -> bool {
        let tag = message.from().ok().and_then(|from| LocalTag::decode(from.tag()?, &self.seal));
        let Some(Ok(successor)) = tag.map(|tag| self.to_owner(&tag)) else { return false };
        if let Some(owner) = successor.unreachable {
            message.set(&headers::UNREACHABLE, owner);
        }
        self.layer.transmit(successor.target.flow(), message.to_bytes());
        true
    }

    /// No final response will come.
    pub(super) fn client_failed(&mut self, id: u64, (client, failure): (ClientId, Failure), now: Timestamp) {
        if self.is_question(id) {
            return self.carrier_said(id, None);
        }
        if self.forget_left(id, client) {
            return;
        }
        self.shun_hop(id, now);
        if self.falls_back_to_left(id, now) {
            return;
        }
        self.note_unreached(id, failure, now);
        if self.try_next_hop(id, NextHop::Unanswered, now) {
            return;
        }
        let Some(held) = self.exchanges.get(id) else { return };
        let status = match (&held.stage, failure) {
            (Stage::Forwarded { target: Target::Edge(flow), .. }, Failure::Flow) => match flow {
                Flow::Stream { connection } if !connection.is_opened_by_us() => StatusCode::FLOW_FAILED,
                _ => StatusCode::SERVICE_UNAVAILABLE,
            },
            (_, Failure::Flow) => StatusCode::SERVICE_UNAVAILABLE,
            (_, Failure::Timeout) => StatusCode::REQUEST_TIMEOUT,
        };
        let went_out = matches!(held.stage, Stage::Forwarded { target: Target::Edge(_), .. });
        let why = match failure {
            Failure::Flow => held.hops.as_ref().and_then(|hops| hops.unreached).unwrap_or(Unreached::Closed),
            Failure::Timeout => Unreached::Silence,
        };
        let answer = match held.origin {
            Origin::Node(_) if went_out => Answer::new(status).with(headers::NOT_REACHED, why.as_str()),
            Origin::Node(_) | Origin::Edge(_) => Answer::new(status),
        };
        self.answer_instead(id, &answer, now);
    }

    /// Answers a request whose client transaction has ended, unless it has had a final response.
    fn answer_instead(&mut self, id: u64, answer: &Answer, now: Timestamp) {
        let Some(held) = self.exchanges.get_mut(id) else { return };
        let (server, request) = (held.server, std::mem::take(&mut held.request));
        held.due = Timestamp::MAX;
        held.stage = Stage::Answered { client_open: false };
        // Empty once a final response was sent.
        if let Ok(request) = Message::parse(request) {
            self.answer(server, &request, answer, now);
            self.attempt_over(id, answer.status);
        }
        self.end_if_over(id);
    }

    pub(super) fn client_ended(&mut self, id: u64, ended: ClientId, now: Timestamp) {
        if self.forget_left(id, ended) {
            return;
        }
        let Some(held) = self.exchanges.get_mut(id) else { return };
        match held.stage {
            // Only a CANCEL could still need it, and that exists only for an INVITE.
            Stage::Answered { .. } if !held.invite => {
                self.exchanges.remove(id);
                return;
            }
            Stage::Answered { .. } => held.stage = Stage::Answered { client_open: false },
            // What it was answered has gone nowhere, and nothing else will come.
            Stage::Forwarded { client, .. } if client == ended => {
                return self.answer_instead(id, &Answer::new(StatusCode::REQUEST_TIMEOUT), now);
            }
            _ => {}
        }
        self.end_if_over(id);
    }

    pub(super) fn server_ended(&mut self, id: u64, _server: ServerId) {
        if let Some(held) = self.exchanges.get_mut(id) {
            held.server_open = false;
        }
        self.end_if_over(id);
    }

    pub(super) fn end_if_over(&mut self, id: u64) {
        let Some(held) = self.exchanges.get(id) else { return };
        if held.server_open {
            return;
        }
        match held.stage {
            // A place that it has left may still ring.
            Stage::Answered { .. } if held.left.is_some() => return,
            Stage::Answered { client_open: false } | Stage::Waiting { .. } => {}
            // The answer is no longer needed.
            Stage::Lookup { by_trunk, .. } => self.end_lookup(by_trunk),
            _ => return,
        }
        self.exchanges.remove(id);
    }
}

/// The UDP address of a request's sender, by the top Via of its response (RFC 3261 §18.2.2, RFC 3581 §4). A sender's TCP
/// connection has ended with the proxy that had it.
fn source_in_via(response: &Message) -> Option<SocketAddr> {
    let via = response.top_via().ok()?;
    let host = via.received().or_else(|| via.host.ip())?;
    let port = via.rport().flatten().or(via.port).unwrap_or(5060);
    (via.transport.eq_ignore_ascii_case("UDP") && port != 0).then(|| SocketAddr::new(host, port))
}

/// Whether a request has had more responses than are forwarded; the deciding one is always forwarded.
fn is_one_too_many(held: &mut Exchange, status: StatusCode) -> bool {
    held.responses = held.responses.saturating_add(1);
    let decides = status.is_final() && !matches!(held.stage, Stage::Answered { .. });
    held.responses > RESPONSES_MAX && !decides
}
