//! Requests that leave the installation by a name or an address: where they are tried, in which order, and what happens when one
//! place does not take them (RFC 3263 section 4.3).

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use model::Timestamp;

use super::answer::Answer;
use super::exchange::{Cancelled, Origin, Stage, Target};
use super::record_route::recorded;
use super::settings::RESOLVE_TIME;
use super::target::Destination;
use super::{Output, Proxy, headers};
use crate::flow::{Flow, Transport};
use crate::header::HeaderName;
use crate::message::Message;
use crate::method::Method;
use crate::next_hop::{Hop, Lookup, Place};
use crate::status::StatusCode;
use crate::transaction::ServerId;

/// How long a place that has not taken a request is tried after all others.
const SHUNNED: Duration = Duration::from_secs(60);
/// The longest time for which a Retry-After makes it so.
const SHUNNED_MOST: Duration = Duration::from_secs(600);
/// Places that are remembered as such.
const SHUNNED_MAX: usize = 1_024;
/// A larger request goes by a connection where the peer has one (RFC 3261 section 18.1.1).
const DATAGRAM_MAX: usize = 1_300;
/// What our Via and Record-Route add to a request.
const ADDED: usize = 200;

/// The places to which a request can still go.
#[derive(Debug)]
pub(super) struct Hops {
    /// The name that a certificate must have: the host of the URI (RFC 5922 section 4).
    name: Box<str>,
    /// Where it is now.
    current: Option<Hop>,
    /// Where it goes if that does not take it, best first.
    left: VecDeque<Hop>,
}

/// Places that have not taken a request lately.
#[derive(Debug, Default)]
pub(super) struct Shunned {
    until: HashMap<Hop, Timestamp>,
}

impl Hops {
    pub(super) const fn left(&self) -> &VecDeque<Hop> {
        &self.left
    }
}

impl Shunned {
    fn add(&mut self, hop: Hop, until: Timestamp, now: Timestamp) {
        if self.until.len() >= SHUNNED_MAX {
            self.until.retain(|_, until| *until > now);
        }
        if self.until.len() < SHUNNED_MAX {
            self.until.insert(hop, until);
        }
    }

    fn contains(&self, hop: &Hop, now: Timestamp) -> bool {
        self.until.get(hop).is_some_and(|until| *until > now)
    }

    fn remove(&mut self, hop: &Hop) {
        self.until.remove(hop);
    }
}

impl Proxy {
    /// Holds a request of a node to a place outside, and sends it there, once the place's name is resolved.
    pub(super) fn start_out(
        &mut self,
        server: ServerId,
        message: Message,
        origin: Origin,
        place: Place,
        now: Timestamp,
    ) {
        let invite = message.method() == Method::Invite;
        let request = message.to_bytes();
        if let Lookup::None(hop) = place.lookup() {
            let stage = Stage::Answered { client_open: false };
            let Some(id) = self.hold(server, invite, origin, stage, request) else { return };
            return self.go_out(id, message, (&place, vec![hop]), now);
        }
        if self.resolving >= self.settings.limits.lookups {
            self.counts.overloads += 1;
            return self.answer(server, &message, &Answer::unavailable(), now);
        }
        let stage = Stage::Resolving { message: Box::new(message), place: Box::new(place.clone()) };
        let Some(id) = self.hold(server, invite, origin, stage, request) else { return };
        self.wake(id, now + RESOLVE_TIME);
        self.resolving += 1;
        self.outputs.push_back(Output::NeedHops { lookup: id, place });
    }

    /// The name of a request's place is resolved; `None` if it cannot be.
    pub(super) fn resolved(&mut self, id: u64, hops: Option<Vec<Hop>>, now: Timestamp) {
        let Some((message, place)) = self.take_resolving(id) else { return };
        match hops {
            Some(hops) => self.go_out(id, message, (&place, hops), now),
            None => {
                self.counts.names_unresolved += 1;
                self.refuse_held(id, &message, StatusCode::SERVICE_UNAVAILABLE, now);
            }
        }
    }

    /// Takes a request that waits for its place's name.
    fn take_resolving(&mut self, id: u64) -> Option<(Message, Place)> {
        let held = self.exchanges.get_mut(id)?;
        if !matches!(held.stage, Stage::Resolving { .. }) {
            return None;
        }
        held.due = Timestamp::MAX;
        let stage = std::mem::replace(&mut held.stage, Stage::Answered { client_open: false });
        self.resolving = self.resolving.saturating_sub(1);
        match stage {
            Stage::Resolving { message, place } => Some((*message, *place)),
            _ => None,
        }
    }

    /// A request whose place's name is not resolved yet is refused: it was cancelled, or nobody has answered in time.
    pub(super) fn end_resolving(&mut self, id: u64, status: StatusCode, now: Timestamp) {
        if let Some((message, _)) = self.take_resolving(id) {
            self.refuse_held(id, &message, status, now);
        }
    }

    fn refuse_held(&mut self, id: u64, message: &Message, status: StatusCode, now: Timestamp) {
        let Some(held) = self.exchanges.get_mut(id) else { return };
        held.request = bytes::Bytes::new();
        let server = held.server;
        self.answer(server, message, &Answer::new(status), now);
        self.end_if_over(id);
    }

    fn go_out(&mut self, id: u64, message: Message, (place, found): (&Place, Vec<Hop>), now: Timestamp) {
        let Some(held) = self.exchanges.get(id) else { return };
        let left = self.in_order(place, found, held.request.len(), now);
        let hops = Hops { name: place.host.clone(), current: None, left };
        if self.is_everything_down(&hops) && message.header(&headers::INSIST).is_none() {
            return self.refuse_held(id, &message, StatusCode::SERVICE_UNAVAILABLE, now);
        }
        self.go_to_next(id, message, hops, now);
    }

    /// The places in the order in which they are tried: those that have failed lately last, and a connection before a datagram that
    /// would be too large.
    fn in_order(&self, place: &Place, found: Vec<Hop>, request: usize, now: Timestamp) -> VecDeque<Hop> {
        let too_large = request + ADDED > DATAGRAM_MAX && place.transport.is_none();
        let mut hops = Vec::with_capacity(found.len());
        for hop in found {
            if hop.transport == Transport::Udp && too_large {
                hops.push(Hop { transport: Transport::Tcp, ..hop });
            }
            hops.push(hop);
        }
        hops.sort_by_key(|hop| self.carriers.is_down(hop) || self.shunned.contains(hop, now));
        hops.into()
    }

    /// Sends a request to the next place that can be reached from here at all.
    fn go_to_next(&mut self, id: u64, mut message: Message, mut hops: Hops, now: Timestamp) {
        while let Some(hop) = hops.left.pop_front() {
            let Some(flow) = self.flow_to(hop, &hops.name) else { continue };
            hops.current = Some(hop);
            let destination = Destination::edge(flow);
            let Some(held) = self.exchanges.get(id) else { return };
            let origin = held.origin;
            self.prepare(&mut message, origin, &destination);
            if let Some(held) = self.exchanges.get_mut(id) {
                held.recorded = recorded(&message, origin, destination.target);
                held.hops = Some(Box::new(hops));
            }
            return self.forward(id, message, destination, now);
        }
        self.refuse_held(id, &message, StatusCode::SERVICE_UNAVAILABLE, now);
    }

    pub(super) fn flow_to(&mut self, hop: Hop, name: &str) -> Option<Flow> {
        if self.settings.udp_listeners.contains(&hop.remote) {
            return None;
        }
        match hop.transport {
            Transport::Udp => self.udp_to(hop.remote),
            Transport::Tcp | Transport::Tls => Some(self.stream_to(hop.remote, hop.transport, name)),
        }
    }

    /// The place where a request is has not taken it, and nobody there has heard of it or it was refused: it goes to the next one.
    /// False if there is none, or the request must not go anywhere else.
    pub(super) fn try_next_hop(&mut self, id: u64, now: Timestamp) -> bool {
        let Some(held) = self.exchanges.get_mut(id) else { return false };
        let is_untouched = matches!(held.stage, Stage::Forwarded { target: Target::Edge(_), progressed: false, .. })
            && held.cancelled == Cancelled::No;
        let Some(hops) = held.hops.take_if(|hops| is_untouched && !hops.left.is_empty()) else { return false };
        let Ok(message) = Message::parse(held.request.clone()) else { return false };
        held.stage = Stage::Answered { client_open: false };
        self.counts.hops_failed_over += 1;
        self.go_to_next(id, message, *hops, now);
        true
    }

    /// The place where a request is does not take requests now: it is tried last for a while.
    pub(super) fn shun_hop(&mut self, id: u64, refusal: Option<&Message>, now: Timestamp) {
        let Some(hop) = self.exchanges.get(id).and_then(|held| held.hops.as_ref()?.current) else { return };
        let asked = refusal.and_then(|refusal| refusal.header(&HeaderName::RetryAfter));
        let asked = asked.and_then(|text| text.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok());
        let time = asked.map_or(SHUNNED, |seconds| Duration::from_secs(seconds).min(SHUNNED_MOST));
        self.shunned.add(hop, now + time, now);
    }

    /// The place where a request is has answered it.
    pub(super) fn trust_hop(&mut self, id: u64) {
        if let Some(hop) = self.exchanges.get(id).and_then(|held| held.hops.as_ref()?.current) {
            self.shunned.remove(&hop);
        }
    }
}
