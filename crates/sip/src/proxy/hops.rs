//! Requests that leave the installation by a name or an address: where they are tried, in which order, and what happens when one
//! place does not take them (RFC 3263 section 4.3).

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use model::{AddressFamily, Timestamp};

use super::answer::Answer;
use super::branch::BRANCH_MAX;
use super::exchange::{Cancelled, Origin, Stage, Target};
use super::record_route::recorded;
use super::settings::{RESOLVE_TIME, TRIAL_OPENS_WITHIN};
use super::target::Destination;
use super::tries::Hops;
use super::{Failure, Output, Proxy, headers};
use crate::flow::{Flow, Transport};
use crate::message::Message;
use crate::method::Method;
use crate::next_hop::{Hop, Lookup, UriHop};
use crate::status::StatusCode;
use crate::transaction::{ClientId, ServerId};
use crate::unreached::Unreached;

/// How long a place that has not taken a request is tried after all others. A Retry-After does not make it longer: it is meant for
/// the account that called, and other tenants may call by the same carrier.
const SHUNNED: Duration = Duration::from_secs(60);
/// As [`SHUNNED`], for a connection that was tried because of a request's size: a carrier that has no TCP does not get it soon.
const TRIAL_SHUNNED: Duration = Duration::from_secs(600);
/// How long a place must have been silent before the end of a call counts against it, and before a trial on an open connection is over.
const SILENCE: Duration = Duration::from_secs(3);
/// Places that are remembered as such.
const SHUNNED_MAX: usize = 1_024;
/// A larger request goes by a connection where the peer has one (RFC 3261 section 18.1.1).
const DATAGRAM_MAX: usize = 1_300;
/// What our Via and Record-Route add to a request beside the branch and our address: their names, the token of a flow, and parameters.
const ADDED: usize = 240;

/// Why a request leaves the place where it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum NextHop {
    /// It was refused with 503.
    Refused,
    /// There was no answer, or no connection.
    Unanswered,
}

/// Places that have not taken a request lately.
#[derive(Debug, Default)]
pub(super) struct Shunned {
    until: HashMap<Hop, Timestamp>,
    /// Where nobody was at all. This alone moves emergencies, those of other tenants too: a refusal may be meant for one account, and a call
    /// that was given up says nothing of the place.
    absent: HashMap<Hop, Timestamp>,
}

impl Shunned {
    fn add(&mut self, hop: Hop, until: Timestamp, now: Timestamp) {
        remember(&mut self.until, hop, until, now);
    }

    fn add_absent(&mut self, hop: Hop, now: Timestamp) {
        remember(&mut self.absent, hop, now + SHUNNED, now);
    }

    fn contains(&self, hop: &Hop, now: Timestamp) -> bool {
        self.until.get(hop).is_some_and(|until| *until > now)
    }

    fn is_absent(&self, hop: &Hop, now: Timestamp) -> bool {
        self.absent.get(hop).is_some_and(|until| *until > now)
    }

    fn remove(&mut self, hop: &Hop) {
        self.until.remove(hop);
        self.absent.remove(hop);
    }
}

fn remember(places: &mut HashMap<Hop, Timestamp>, hop: Hop, until: Timestamp, now: Timestamp) {
    if places.len() >= SHUNNED_MAX {
        places.retain(|_, until| *until > now);
    }
    if places.len() < SHUNNED_MAX {
        places.insert(hop, until);
    }
}

impl Proxy {
    /// Holds a request of a node to a place outside, and sends it there, once the place's name is resolved.
    pub(super) fn start_out(
        &mut self,
        server: ServerId,
        message: Message,
        origin: Origin,
        place: UriHop,
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
            return self.answer(server, &message, &Answer::not_reached(Some(Unreached::Busy)), now);
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
                self.refuse_held(id, &message, &Answer::not_reached(Some(Unreached::NoAddress)), now);
            }
        }
    }

    /// Takes a request that waits for its place's name.
    fn take_resolving(&mut self, id: u64) -> Option<(Message, UriHop)> {
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
    pub(super) fn end_resolving(&mut self, id: u64, answer: &Answer, now: Timestamp) {
        if let Some((message, _)) = self.take_resolving(id) {
            self.refuse_held(id, &message, answer, now);
        }
    }

    fn refuse_held(&mut self, id: u64, message: &Message, answer: &Answer, now: Timestamp) {
        let Some(held) = self.exchanges.get_mut(id) else { return };
        held.request = bytes::Bytes::new();
        let server = held.server;
        self.answer(server, message, answer, now);
        self.end_if_over(id);
    }

    fn go_out(&mut self, id: u64, message: Message, (place, found): (&UriHop, Vec<Hop>), now: Timestamp) {
        if self.exchanges.get(id).is_none() {
            return;
        }
        // No socket of ours reaches an address of a family in which we do not listen.
        let is_of_ours = |hop: &Hop| self.settings.has_family(AddressFamily::of(hop.remote.ip()));
        let found: Vec<Hop> = found.into_iter().filter(is_of_ours).collect();
        let may_go_elsewhere = message.header(&headers::ELSEWHERE).is_some();
        let insists = message.header(&headers::INSIST).is_some() && !may_go_elsewhere;
        let are_down = self.are_all_down(&found, &place.host);
        if may_go_elsewhere && (are_down || self.are_all_absent(&found, &place.host, now)) {
            let answer = Answer::new(StatusCode::SERVICE_UNAVAILABLE).with(headers::ELSEWHERE, 1);
            return self.refuse_held(id, &message, &answer, now);
        }
        let left = self.in_order((id, &message), place, found, insists, now);
        let hops = Hops { name: place.host.clone(), current: None, is_trial: false, left, unreached: None };
        if are_down && !insists {
            return self.refuse_held(id, &message, &Answer::not_reached(Some(Unreached::Down)), now);
        }
        self.go_to_next(id, message, hops, now);
    }

    /// Whether nobody was at any of these addresses within the last minute, and none of them has answered OPTIONS since.
    fn are_all_absent(&self, hops: &[Hop], name: &str, now: Timestamp) -> bool {
        let is_absent = |hop: &Hop| self.shunned.is_absent(hop, now) && !self.carriers.has_just_answered(hop, name);
        !hops.is_empty() && hops.iter().all(is_absent)
    }

    /// The places in the order in which they are tried: those that have failed lately last, and a connection before a datagram that
    /// would be too large.
    fn in_order(
        &mut self,
        (id, message): (u64, &Message),
        place: &UriHop,
        found: Vec<Hop>,
        insists: bool,
        now: Timestamp,
    ) -> VecDeque<Hop> {
        let mut hops = Vec::with_capacity(found.len());
        for hop in found {
            let may_be_tcp = hop.transport == Transport::Udp && place.transport.is_none();
            if may_be_tcp && self.is_too_large(id, message, hop) {
                hops.push(Hop { transport: Transport::Tcp, ..hop });
            }
            hops.push(hop);
        }
        let is_down = |hop: &Hop| !insists && self.carriers.is_down(hop, &place.host);
        hops.sort_by_key(|hop| is_down(hop) || self.shunned.contains(hop, now));
        hops.into()
    }

    /// Whether a request of a node would be too large for a datagram to a place. Where it is not clear, it is made as it would be sent: our
    /// branch is as long as the node's name and Vias make it, and headers between nodes and proxies stay inside.
    fn is_too_large(&mut self, id: u64, message: &Message, hop: Hop) -> bool {
        let Some(flow) = self.udp_to(hop.remote) else { return false };
        let Some(held) = self.exchanges.get(id) else { return false };
        let (origin, size) = (held.origin, held.request.len());
        // In Via, Record-Route and Contact.
        let ours = 3 * self.edge_at(flow).len();
        if size + BRANCH_MAX + ADDED + ours <= DATAGRAM_MAX {
            return false;
        }
        let Origin::Node(node) = origin else { return size + ADDED + ours > DATAGRAM_MAX };
        let (mut sent, destination) = (message.clone(), Destination::edge(flow));
        self.prepare(&mut sent, origin, &destination);
        self.put_via_alone(id, node, &mut sent, destination.target);
        sent.to_bytes().len() > DATAGRAM_MAX
    }

    /// Sends a request to the next place that can be reached from here at all.
    fn go_to_next(&mut self, id: u64, mut message: Message, mut hops: Hops, now: Timestamp) {
        while let Some(hop) = hops.left.pop_front() {
            // It was put before the datagram because of its size: many a carrier has no TCP, and need not even say so.
            let is_trial = hops.left.contains(&Hop { transport: Transport::Udp, ..hop });
            let Some(flow) = self.flow_to(hop, (&hops.name, is_trial)) else { continue };
            (hops.current, hops.is_trial) = (Some((hop, now)), is_trial);
            let destination = Destination::edge(flow);
            let Some(held) = self.exchanges.get(id) else { return };
            let (origin, invite) = (held.origin, held.invite);
            self.prepare(&mut message, origin, &destination);
            if let Some(held) = self.exchanges.get_mut(id) {
                held.recorded = recorded(&message, origin, destination.target);
                held.hops = Some(Box::new(hops));
                held.responses = 0;
            }
            self.forward(id, message, destination, now);
            let is_under_way = self.exchanges.get(id).is_some_and(|held| matches!(held.stage, Stage::Forwarded { .. }));
            // Any other request may be executed twice if it leaves a connection that is open: it stays there.
            if is_trial && invite && is_under_way {
                let opens_within = if self.is_open(flow) { Duration::ZERO } else { TRIAL_OPENS_WITHIN };
                self.wake(id, now + opens_within + SILENCE);
            }
            return;
        }
        // Where one of them was reached, that one has refused it.
        let why = hops.unreached.or(hops.current.is_none().then_some(Unreached::NoWay));
        self.refuse_held(id, &message, &Answer::not_reached(why), now);
    }

    fn is_open(&self, flow: Flow) -> bool {
        match flow {
            Flow::Stream { connection } => self.connections.get(&connection).is_some_and(|peer| peer.is_open),
            Flow::Udp { .. } => true,
        }
    }

    pub(super) fn flow_to(&mut self, hop: Hop, (name, is_trial): (&str, bool)) -> Option<Flow> {
        let is_of_ours = self.settings.has_family(AddressFamily::of(hop.remote.ip()));
        if !is_of_ours || self.settings.udp_listeners.contains(&hop.remote) {
            return None;
        }
        match hop.transport {
            Transport::Udp => self.udp_to(hop.remote),
            Transport::Tcp => Some(self.stream_or_trial_to(hop.remote, hop.transport, (name, is_trial))),
            Transport::Tls => Some(self.stream_to(hop.remote, hop.transport, name)),
            Transport::Ws | Transport::Wss => None,
        }
    }

    /// The place where a request is has refused it, or nobody there has said a word: it goes to the next one. False if there is none,
    /// or the request must not go anywhere else. Where somebody has said 100, a phone may be about to ring.
    pub(super) fn try_next_hop(&mut self, id: u64, why: NextHop, now: Timestamp) -> bool {
        let Some(held) = self.exchanges.get_mut(id) else { return false };
        let is_untouched = matches!(held.stage, Stage::Forwarded { target: Target::Edge(_), progressed: false, .. })
            && held.cancelled == Cancelled::No
            && (why == NextHop::Refused || held.responses == 0);
        let Some(hops) = held.hops.take_if(|hops| is_untouched && !hops.left.is_empty()) else { return false };
        let Ok(message) = Message::parse(held.request.clone()) else { return false };
        held.stage = Stage::Answered { client_open: false };
        self.counts.hops_failed_over += 1;
        self.go_to_next(id, message, *hops, now);
        true
    }

    /// The place where a request is has not answered it. Of several reasons the first one is told, since that place is the best one; before
    /// it one with which the request may have arrived, since its sender must reckon with that.
    pub(super) fn note_unreached(&mut self, id: u64, failure: Failure, now: Timestamp) {
        let unopened = self.unopened;
        let Some(held) = self.exchanges.get_mut(id) else { return };
        let Stage::Forwarded { target: Target::Edge(flow), .. } = held.stage else { return };
        let why = match (failure, flow) {
            (Failure::Timeout, _) => Unreached::Silence,
            (Failure::Flow, Flow::Stream { connection }) if connection.is_opened_by_us() => {
                let told = unopened.filter(|(unopened, _)| *unopened == connection);
                told.map_or(Unreached::Closed, |(_, why)| why)
            }
            (Failure::Flow, _) => return,
        };
        let Some(hops) = &mut held.hops else { return };
        if hops.unreached.is_none_or(|before| why.may_have_arrived() && !before.may_have_arrived()) {
            hops.unreached = Some(why);
        }
        let is_nobody_there = match why {
            Unreached::Silence => held.responses == 0,
            // A trial does not wait for long.
            Unreached::Refused | Unreached::Late => !hops.is_trial,
            _ => false,
        };
        if let Some((hop, _)) = hops.current.filter(|_| is_nobody_there) {
            self.shunned.add_absent(hop, now);
        }
    }

    /// The place where a request is does not take requests now: it is tried last for a while.
    pub(super) fn shun_hop(&mut self, id: u64, now: Timestamp) {
        let Some(hops) = self.exchanges.get(id).and_then(|held| held.hops.as_ref()) else { return };
        let shunned = if hops.is_trial { TRIAL_SHUNNED } else { SHUNNED };
        if let Some((hop, _)) = hops.current {
            self.shunned.add(hop, now + shunned, now);
        }
    }

    /// Nobody has said a word at the end of a trial: many a carrier accepts TCP and reads nothing. The request goes by a datagram, unless it
    /// was cancelled meanwhile. What comes late on the connection is noticed: a phone may ring by it.
    pub(super) fn trial_in_vain(&mut self, id: u64, client: ClientId, now: Timestamp) {
        self.shun_hop(id, now);
        let left = self.about_to_leave(id);
        if !self.try_next_hop(id, NextHop::Unanswered, now) {
            return self.end_trial(id, now);
        }
        match left {
            Some(left) => self.leave_behind(id, left, now),
            None => drop(self.layer.abandon(client)),
        }
    }

    /// The place where a request is keeps it, as one that is no trial.
    pub(super) fn end_trial(&mut self, id: u64, now: Timestamp) {
        let Some(held) = self.exchanges.get_mut(id) else { return };
        let was_trial = held.hops.as_mut().is_some_and(|hops| std::mem::take(&mut hops.is_trial));
        if was_trial && held.invite {
            self.restart_timer_c(id, now);
        }
    }

    /// A call ends before anybody at the place where it is has said a word.
    pub(super) fn note_silence(&mut self, id: u64, now: Timestamp) {
        let is_silent = self.exchanges.get(id).is_some_and(|held| held.responses == 0);
        if is_silent && self.current_hop(id).is_some_and(|(_, since)| now.since(since) >= SILENCE) {
            self.shun_hop(id, now);
        }
    }

    fn current_hop(&self, id: u64) -> Option<(Hop, Timestamp)> {
        self.exchanges.get(id)?.hops.as_ref()?.current
    }

    /// The place where a request is has answered it.
    pub(super) fn trust_hop(&mut self, id: u64) {
        if let Some((hop, _)) = self.current_hop(id) {
            self.shunned.remove(&hop);
        }
    }
}
