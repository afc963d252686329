//! Requests that begin a transaction: validation, then routing by the side that they came from (RFC 3261 §16.3).

use std::net::SocketAddr;

use bytes::Bytes;
use model::Timestamp;

use super::answer::{Answer, is_strangers_ack};
use super::branch::{branch_loop_mark, loop_mark};
use super::exchange::{Cancelled, Exchange, Origin, Stage, Target};
use super::nodes::OWNERS;
use super::record_route::recorded;
use super::settings::{HOPS_MAX, PATHS_MAX, REASON_BYTES_MAX, REASONS_MAX, ROUTES_MAX};
use super::target::{Destination, Onward};
use super::{Attempt, Output, Proxy, Side, headers, rendezvous, sips};
use crate::agent::{ALLOW, SDP, SUPPORTED};
use crate::flow::{ConnectionId, Flow};
use crate::header::HeaderName;
use crate::local_tag::LocalTag;
use crate::message::Message;
use crate::method::Method;
use crate::status::StatusCode;
use crate::transaction::{NewRequest, ServerId};
use crate::uri::{Scheme, Uri, escape};

impl Proxy {
    pub(super) fn request(&mut self, new: NewRequest, side: Side, now: Timestamp) {
        let NewRequest { server, message, flow, cancels } = new;
        let method = message.method();
        if method == Method::Cancel {
            return self.cancel(server, &message, cancels.map(|(_, exchange)| exchange), now);
        }
        if let Flow::Stream { connection } = flow
            && side == Side::Cluster
            && message.header(&headers::NODE).is_some()
        {
            return self.join(server, &message, connection, now);
        }
        if self.exchanges.is_full() {
            self.counts.overloads += 1;
            return self.answer(server, &message, &Answer::unavailable(), now);
        }
        // First of all: a carrier that probes us by OPTIONS must also go to the next proxy.
        if side == Side::Edge && self.is_draining() && message.to().is_ok_and(|to| to.tag().is_none()) {
            return self.answer(server, &message, &Answer::unavailable(), now);
        }
        match self.check(&message, &method, (side, flow)) {
            Check::Forward => match (side, flow) {
                (Side::Cluster, Flow::Stream { connection }) => self.of_node(server, message, connection, now),
                _ => self.of_edge(server, message, flow, now),
            },
            Check::Answer(answer) => self.answer(server, &message, &answer, now),
        }
    }

    /// RFC 3261 §16.3.
    pub(super) fn check(&mut self, message: &Message, method: &Method, (side, flow): (Side, Flow)) -> Check {
        let Some(uri) = message.request_uri().and_then(|u| Uri::parse(u).ok()) else {
            return Check::Answer(Answer::new(StatusCode::BAD_REQUEST));
        };
        // An OPTIONS within a dialog is answered by the dialog's party alone: a party with our address as its Contact would seem alive for ever.
        let asks_us =
            *method == Method::Options && side == Side::Edge && message.to().is_ok_and(|to| to.tag().is_none());
        if asks_us && uri.user().is_none() && self.is_us(&uri) {
            // The capabilities of the nodes behind us (RFC 3261 §11.2): call owners, and the registrar, which supports
            // Path.
            let answer = Answer::new(StatusCode::OK)
                .with(HeaderName::Allow, format_args!("{ALLOW}, REGISTER"))
                .with(HeaderName::Accept, SDP)
                .with(HeaderName::Supported, format_args!("{SUPPORTED}, path"));
            return Check::Answer(answer);
        }
        // Who calls for help need not know a number (RFC 6881): the tenant's plan does.
        let calls_for_help = *method == Method::Invite && side == Side::Edge && uri.is_emergency();
        if matches!(uri.scheme(), Scheme::Other(_)) && !calls_for_help {
            return Check::Answer(Answer::new(StatusCode::UNSUPPORTED_URI_SCHEME));
        }
        if side == Side::Edge
            && let Some(answer) = self.refusal_of_sips(message, flow)
        {
            return Check::Answer(answer);
        }
        if let Some(status) = too_far(message) {
            self.counts.loops += 1;
            return Check::Answer(Answer::new(status));
        }
        if has_too_many_routes(message) || message.elements(&HeaderName::Path).nth(PATHS_MAX).is_some() {
            self.counts.requests_too_long += 1;
            return Check::Answer(Answer::new(StatusCode::BAD_REQUEST));
        }
        let unknown = message.unknown_options(&HeaderName::ProxyRequire, &[]);
        if !unknown.is_empty() {
            let unsupported = unknown.join(", ");
            return Check::Answer(Answer::new(StatusCode::BAD_EXTENSION).with(HeaderName::Unsupported, unsupported));
        }
        if side == Side::Edge && self.has_looped(message) {
            self.counts.loops += 1;
            return Check::Answer(Answer::new(StatusCode::LOOP_DETECTED));
        }
        Check::Forward
    }

    /// Whether the request has passed here before with the same routing (RFC 3261 §16.3 step 4).
    fn has_looped(&self, message: &Message) -> bool {
        let mut marks =
            message.vias().skip(1).filter_map(Result::ok).filter_map(|via| branch_loop_mark(via.branch()?)).peekable();
        if marks.peek().is_none() {
            return false;
        }
        let here = loop_mark(message);
        marks.any(|mark| mark == here)
    }

    // === from the edge ===

    fn of_edge(&mut self, server: ServerId, mut message: Message, flow: Flow, now: Timestamp) {
        self.undo_strict_routing(&mut message);
        let token = self.take_own_routes(&mut message).map(|route| route.token);
        let Ok(to) = message.to() else { return };
        let in_dialog = to.tag().is_some();
        let origin = Origin::Edge(flow);
        if in_dialog {
            return match self.within_dialog(&message, flow, token.as_deref()) {
                Ok(destination) => {
                    self.note_near(&message, flow, &destination);
                    self.start(server, message, origin, destination, now);
                }
                Err(answer) => self.wait_or_answer(server, message, origin, &answer, now),
            };
        }
        if matches!(message.method(), Method::Bye | Method::Info | Method::Update | Method::Prack) {
            // Valid only inside a dialog (§12.2.2), whoever the sender is.
            return self.answer(server, &message, &Answer::new(StatusCode::CALL_DOES_NOT_EXIST), now);
        }
        self.look_up(server, message, origin, now);
    }

    /// The destination of a request within a dialog: the owner named in its tag. With a static route there are no
    /// owners, only the two sides of that route.
    pub(super) fn within_dialog(
        &mut self,
        message: &Message,
        flow: Flow,
        token: Option<&str>,
    ) -> Result<Destination, Answer> {
        if let Some(tag) = self.owner_tag(message) {
            return self.to_owner(&tag);
        }
        let unknown = || Answer::new(StatusCode::CALL_DOES_NOT_EXIST);
        let route = self.settings.static_route.ok_or_else(unknown)?;
        let target = self.udp_to(route).ok_or_else(unknown)?;
        if flow != target {
            return Ok(Destination::edge(target));
        }
        let back = token.and_then(|t| super::flow_token::open(t, &self.seal));
        back.filter(|b| *b != flow).map(Destination::edge).ok_or_else(unknown)
    }

    /// A request without credentials whose source is not known as a trunk's: it is challenged or refused, whoever the user is.
    pub(super) fn stranger(&mut self, mut message: Message, flow: Flow, now: Timestamp) {
        if let Check::Answer(answer) = self.check(&message, &message.method(), (Side::Edge, flow)) {
            return self.answer_stranger(flow, &message, &answer);
        }
        self.undo_strict_routing(&mut message);
        self.take_own_routes(&mut message);
        let origin = Origin::Edge(flow);
        if user_of(&message).0.is_empty() {
            if message.method() == Method::Register {
                return self.answer_stranger(flow, &message, &Answer::new(StatusCode::FORBIDDEN));
            }
            let unknown = super::Credentials::Unknown { realm: None };
            let from = self.source_of(&message, origin);
            return self.admit_new(ServerId::NONE, message, (origin, from), unknown, now);
        }
        if !self.may_look_up(false) || self.exchanges.is_full() {
            self.counts.overloads += 1;
            return self.answer_stranger(flow, &message, &Answer::unavailable());
        }
        let among = self.tenants_of(&message, origin);
        self.wait_for_credentials((ServerId::NONE, false), message, origin, (among, false), now);
    }

    /// Requests the credentials of the user named in the request; [`Self::resume`] goes on.
    fn look_up(&mut self, server: ServerId, message: Message, origin: Origin, now: Timestamp) {
        let remote = self.source_of(&message, origin);
        if user_of(&message).0.is_empty() {
            let unknown = super::Credentials::Unknown { realm: None };
            return self.admit_new(server, message, (origin, remote), unknown, now);
        }
        let is_known = |remote: SocketAddr| self.is_known_trunk(origin.flow(), remote.ip(), now);
        let by_trunk = message.method() != Method::Register && remote.is_some_and(is_known);
        if !self.may_look_up(by_trunk) {
            self.counts.overloads += 1;
            return self.answer(server, &message, &Answer::unavailable(), now);
        }
        let (invite, among) = (message.method() == Method::Invite, self.tenants_of(&message, origin));
        self.wait_for_credentials((server, invite), message, origin, (among, by_trunk), now);
    }

    // === from a node ===

    fn of_node(&mut self, server: ServerId, mut message: Message, connection: ConnectionId, now: Timestamp) {
        if self.nodes.by_connection(connection).is_none() {
            self.counts.nodes_refused += 1;
            self.answer(server, &message, &Answer::new(StatusCode::FORBIDDEN), now);
            self.outputs.push_back(Output::Close { connection });
            return;
        }
        let needs_tls = sips::needs_tls(&message);
        let onward = self.destination_from_node(&mut message, now);
        let onward = onward.and_then(|onward| match sips::refusal_onward(&message, needs_tls, &onward) {
            Some(answer) => Err(answer),
            None => Ok(onward),
        });
        match onward {
            Ok(Onward::To(destination)) => self.start(server, message, Origin::Node(connection), destination, now),
            Ok(Onward::Out(place)) => self.start_out(server, message, Origin::Node(connection), place, now),
            Err(answer) => self.wait_or_answer(server, message, Origin::Node(connection), &answer, now),
        }
    }

    // === from either side ===

    /// Holds a request; `None` if the table is full. Initial requests are refused before that.
    pub(super) fn hold(
        &mut self,
        server: ServerId,
        invite: bool,
        origin: Origin,
        stage: Stage,
        request: Bytes,
    ) -> Option<u64> {
        let exchange = Exchange {
            server,
            server_open: true,
            invite,
            origin,
            stage,
            request,
            cancelled: Cancelled::No,
            reasons: Vec::new(),
            repeats: 0,
            responses: 0,
            key: None,
            due: Timestamp::MAX,
            armed: Timestamp::MAX,
            vias: None,
            recorded: None,
            hops: None,
            left: None,
            attempt: None,
        };
        let id = self.exchanges.insert(exchange)?;
        self.layer.own(server, id);
        Some(id)
    }

    /// Holds a request and forwards it.
    pub(super) fn start(
        &mut self,
        server: ServerId,
        message: Message,
        origin: Origin,
        destination: Destination,
        now: Timestamp,
    ) {
        self.start_attempt(server, message, origin, (destination, None), now);
    }

    /// As [`Self::start`], for a request that begins a call: its outcome is reported.
    pub(super) fn start_attempt(
        &mut self,
        server: ServerId,
        mut message: Message,
        origin: Origin,
        (destination, attempt): (Destination, Option<Box<Attempt>>),
        now: Timestamp,
    ) {
        let invite = message.method() == Method::Invite;
        // The transaction sends 100 by itself after 200 ms (RFC 3261 §17.2.1). Not sooner: a 100 would stop the
        // caller's repeats, and the call would be lost if we failed before a node stored it.
        let request = message.to_bytes();
        self.prepare(&mut message, origin, &destination);
        let stage = Stage::Answered { client_open: false };
        let Some(id) = self.hold(server, invite, origin, stage, request) else { return };
        if let Some(held) = self.exchanges.get_mut(id) {
            held.attempt = attempt;
            held.recorded = recorded(&message, origin, destination.target);
        }
        self.forward(id, message, destination, now);
    }

    /// A CANCEL (RFC 3261 §16.10): answered here, and forwarded once the INVITE has had a provisional response.
    fn cancel(&mut self, server: ServerId, message: &Message, exchange: Option<u64>, now: Timestamp) {
        let status = if exchange.is_some() { StatusCode::OK } else { StatusCode::CALL_DOES_NOT_EXIST };
        self.answer(server, message, &Answer::new(status), now);
        let Some(id) = exchange else { return };
        let Some(held) = self.exchanges.get_mut(id) else { return };
        if held.cancelled != Cancelled::No {
            return;
        }
        held.cancelled = Cancelled::Wanted;
        held.reasons = reasons_of(message);
        match held.stage {
            Stage::Lookup { .. } => {
                let stage = std::mem::replace(&mut held.stage, Stage::Answered { client_open: false });
                let server = held.server;
                if let Stage::Lookup { message: invite, by_trunk, .. } = stage {
                    self.end_lookup(by_trunk);
                    self.answer(server, &invite, &Answer::new(StatusCode::REQUEST_TERMINATED), now);
                }
            }
            Stage::Resolving { .. } => self.end_resolving(id, &Answer::new(StatusCode::REQUEST_TERMINATED), now),
            _ => {
                self.note_silence(id, now);
                self.pass_cancel(id, now);
                self.cancel_left(id, now);
            }
        }
    }

    /// An ACK to a 2xx follows its dialog's route and has no transaction.
    pub(super) fn ack(&mut self, mut message: Message, flow: Flow, side: Side, now: Timestamp) {
        if too_far(&message).is_some() || has_too_many_routes(&message) {
            self.counts.acks_stray += 1;
            return;
        }
        if is_strangers_ack(&message) {
            self.counts.acks_stray += 1;
            return;
        }
        let (origin, destination) = match (side, flow) {
            (Side::Cluster, Flow::Stream { connection }) => {
                if self.nodes.by_connection(connection).is_none() {
                    self.counts.nodes_refused += 1;
                    return;
                }
                (Origin::Node(connection), self.known_destination(&mut message, now))
            }
            _ => {
                self.undo_strict_routing(&mut message);
                let token = self.take_own_routes(&mut message).map(|route| route.token);
                (Origin::Edge(flow), self.within_dialog(&message, flow, token.as_deref()))
            }
        };
        match destination {
            Ok(destination) => {
                self.prepare(&mut message, origin, &destination);
                if let (Origin::Node(_), Target::Edge(_)) = (origin, destination.target) {
                    // Nothing is answered to it.
                    message.remove(&HeaderName::Via);
                }
                self.forward_stateless(message, destination);
            }
            Err(_) => self.counts.acks_stray += 1,
        }
    }

    /// The destination of an initial request from a trunk.
    pub(super) fn for_call_of_trunk(&mut self, message: &Message) -> Result<Destination, Answer> {
        match self.settings.static_route.and_then(|route| self.udp_to(route)) {
            Some(flow) => Ok(Destination::edge(flow)),
            None => self.for_new_call(message),
        }
    }

    /// A phone holds a call, perhaps to make another one and to transfer the first to it: that one goes to the same node, if it can.
    fn note_near(&mut self, message: &Message, flow: Flow, destination: &Destination) {
        let changes = matches!(message.method(), Method::Invite | Method::Update);
        if let (true, Target::Node(node)) = (changes, destination.target) {
            *self.near.entry(phone_key(message, flow)) = Some(node);
        }
    }

    /// The destination of an initial request from a phone, which is named as `tenant/DN`. All calls that a phone makes come to one node, by
    /// whichever proxy and with whichever Call-ID, for that node counts how many it has.
    pub(super) fn for_call_of_phone(
        &mut self,
        message: &Message,
        phone: &str,
        flow: Flow,
    ) -> Result<Destination, Answer> {
        if message.method() != Method::Invite {
            return self.for_new_call(message);
        }
        if let Some(tag) = self.replaced_tag(message) {
            return self.to_owner(&tag);
        }
        let near = self.near.get(phone_key(message, flow)).copied().flatten();
        let near = near.and_then(|node| self.nodes.by_connection(node)).filter(|node| node.takes_new(OWNERS));
        if let Some(node) = near {
            let key = Some(rendezvous::hash(phone.as_bytes()));
            return Ok(Destination { target: Target::Node(node.connection), unreachable: None, key });
        }
        match self.tag_called(message) {
            Some(tag) => self.to_owner(&tag),
            None => self.to_role(OWNERS, phone),
        }
    }

    /// The destination of an initial request from the edge.
    pub(super) fn for_new_call(&mut self, message: &Message) -> Result<Destination, Answer> {
        match self.tag_called(message) {
            Some(tag) => self.to_owner(&tag),
            None => self.to_role(OWNERS, message.call_id().unwrap_or_default()),
        }
    }

    /// The dialog tag of a node in the Request-URI.
    fn tag_called(&self, message: &Message) -> Option<LocalTag> {
        let uri = Uri::parse(message.request_uri()?).ok()?;
        LocalTag::decode(uri.user()?, &self.seal)
    }
}

pub(super) enum Check {
    Forward,
    Answer(Answer),
}

/// Why a request is not forwarded: it has no hop left (RFC 3261 §16.3 step 3), or has had too many that do not count
/// Max-Forwards.
fn too_far(message: &Message) -> Option<StatusCode> {
    let none_left = message.max_forwards().is_ok_and(|max| max == Some(0));
    (none_left || message.vias().nth(usize::from(HOPS_MAX)).is_some()).then_some(StatusCode::TOO_MANY_HOPS)
}

fn has_too_many_routes(message: &Message) -> bool {
    message.elements(&HeaderName::Route).nth(ROUTES_MAX).is_some()
        || message.elements(&HeaderName::RecordRoute).nth(usize::from(HOPS_MAX)).is_some()
}

/// The reasons given in a CANCEL (RFC 3326 §2), for the phone that rings.
fn reasons_of(cancel: &Message) -> Vec<(HeaderName, String)> {
    let short = cancel.headers(&HeaderName::Reason).filter(|reason| reason.len() <= REASON_BYTES_MAX);
    short.take(REASONS_MAX).map(|reason| (HeaderName::Reason, reason.to_owned())).collect()
}

/// A phone, by its flow and the name that it gives itself.
fn phone_key(message: &Message, flow: Flow) -> u64 {
    let from = message.from().ok().and_then(|from| Uri::parse(from.raw_uri()).ok());
    let user = from.and_then(|uri| uri.user()).unwrap_or_default();
    rendezvous::hash(format!("{flow:?} {user}").as_bytes())
}

/// User and host of the claimed sender of an edge request: To of a REGISTER, else From.
pub(super) fn user_of(message: &Message) -> (String, String) {
    let claimed = if message.method() == Method::Register { message.to() } else { message.from() };
    let uri = claimed.ok().and_then(|c| Uri::parse(c.raw_uri()).ok());
    let user = uri.and_then(|u| u.user()).map(|u| escape::unescape(u).into_owned()).unwrap_or_default();
    let host = uri.and_then(|u| u.host()).map(|h| h.as_str().to_owned()).unwrap_or_default();
    (user, host)
}
