//! Two threads meet: a phone that has a call in each of them joins these. The calls of the one move to the other first, with their legs and
//! dialogs, in one commit; what is asked then goes on within one thread. A living node that has the other thread hands it over before.
//!
//! No dialog notices: its tag still names the thread in which it began, which leads here and in the ledger to the thread that has it now.

use call::call::Departure;
use call::{CallSnapshot, Input};
use infra::Absorbed;
use model::{ConnId, Dn, LegId, NodeId, Request, RequestKind, Timestamp};
use runtime::trace::What;
use sip::agent::DialogId;

use super::call::{Entry, Stored};
use super::leg::{Leg, Place, Side};
use crate::sip_cluster::node::Node;
use crate::sip_cluster::node::lookup::Lookup;
use crate::sip_cluster::node::order::Order;

impl Node {
    /// The other call of a request about two, if that one alone is not here. The first one stays here while it is brought.
    pub fn lacks(&mut self, request: &Request, now: Timestamp) -> Option<ConnId> {
        let (conn_id, other) = (request.kind.conn_id()?, request.kind.other_call()?);
        let thread = self.calls.thread_of(conn_id)?;
        let entry = self.calls.get(&thread).filter(|entry| entry.tenant == request.tenant)?;
        if !entry.thread.has_phone_alone(conn_id, &request.this_dn) || self.calls.thread_of(other).is_some() {
            return None;
        }
        self.hand_overs.await_join(&request.tenant, thread, other, now);
        Some(other)
    }

    /// Gives a request to the thread of its call.
    pub(in crate::sip_cluster::node) fn ask_thread(&mut self, request: &Request, now: Timestamp) {
        if let Some(thread) = request.kind.conn_id().and_then(|conn_id| self.calls.thread_of(conn_id)) {
            if self.turns_between(thread, request, now) {
                return;
            }
            let have_met = self.meet_for(thread, request, now);
            self.feed(thread, Input::Request(request.clone()), now);
            if have_met {
                self.sound_again(thread, now);
            }
        }
    }

    /// A phone turns from one of its calls to another, which is in another thread: each thread does its part, and nothing is joined.
    fn turns_between(&mut self, thread: ConnId, request: &Request, now: Timestamp) -> bool {
        let (conn_id, held, departure) = match request.kind {
            RequestKind::AlternateCall(conn_id, held) => (conn_id, held, Departure::Holds),
            RequestKind::ReconnectCall(conn_id, held) => (conn_id, held, Departure::Leaves),
            _ => return false,
        };
        let Some(other) = self.calls.thread_of(held).filter(|other| *other != thread) else { return false };
        let dn = &request.this_dn;
        let is_its = |entry: Option<&Entry>, conn_id| {
            let own = entry.filter(|entry| entry.tenant == request.tenant);
            own.is_some_and(|entry| entry.thread.has_phone_alone(conn_id, dn))
        };
        let (ours, theirs) = (self.calls.get(&thread), self.calls.get(&other));
        // And no phone of that call is being asked already.
        let may_retrieve =
            |call: &CallSnapshot| call.hold_asked.is_none().then(|| call.party_at(dn).map(|party| party.held));
        let is_held = |entry: &Entry| entry.thread.call(held).and_then(may_retrieve).flatten();
        if !is_its(ours, conn_id) || !is_its(theirs, held) || theirs.and_then(is_held) != Some(true) {
            return false;
        }
        let retrieve = Request { kind: RequestKind::RetrieveCall(held), ..request.clone() };
        self.feed(other, Input::Request(retrieve), now);
        // If the held call refuses at once, the phone stays in its other one.
        let is_asked = |call: &CallSnapshot| call.hold_asked.is_some();
        let is_turning = self.calls.get(&other).and_then(|entry| entry.thread.call(held)).is_some_and(is_asked);
        if let Some(entry) = self.calls.get_mut(&thread).filter(|_| is_turning) {
            entry.thread.phone_turns(conn_id, dn, departure, now);
            self.call_changed(thread, now);
        }
        true
    }

    /// Who waits in the calls of a thread that has met another one hears music again, unless what was asked has ended that.
    pub(super) fn sound_again(&mut self, thread: ConnId, now: Timestamp) {
        if let Some(entry) = self.calls.get_mut(&thread) {
            entry.thread.sound_again(now);
            self.call_changed(thread, now);
        }
    }

    /// A request that joins two calls: brings the thread of the other one here, if it is another one.
    fn meet_for(&mut self, thread: ConnId, request: &Request, now: Timestamp) -> bool {
        let (Some(conn_id), Some(other)) = (request.kind.conn_id(), request.kind.joined_call()) else { return false };
        let Some(from) = self.calls.thread_of(other).filter(|from| *from != thread) else { return false };
        let has_both = |entry: &Entry, conn_id| entry.thread.has_phone_alone(conn_id, &request.this_dn);
        let is_its = |thread: ConnId, conn_id| self.calls.get(&thread).is_some_and(|entry| has_both(entry, conn_id));
        is_its(thread, conn_id) && is_its(from, other) && self.absorb(thread, from, now).is_some()
    }

    /// A phone transfers by the dialog of another thread: brings that one here. Returns the leg that it has from then on.
    pub(super) fn meet_at(&mut self, place: Place, other: (ConnId, LegId), now: Timestamp) -> Option<LegId> {
        let dn = |thread: ConnId, leg: LegId| self.calls.get(&thread)?.thread.dn_on(leg).cloned();
        let (ours, theirs): (Dn, Dn) = dn(place.conn_id, place.leg).zip(dn(other.0, other.1))?;
        if ours != theirs {
            return None;
        }
        let by = self.absorb(place.conn_id, other.0, now)?;
        Some(LegId(other.1.0.saturating_add(by)))
    }

    /// Makes the calls of the thread `from` those of `into`. Returns by how much the numbers of their legs have grown; `None` if they cannot
    /// meet now, and nothing has changed.
    fn absorb(&mut self, into: ConnId, from: ConnId, now: Timestamp) -> Option<u16> {
        if !self.can_meet(into, from) {
            tracing::info!(%into, %from, "two threads cannot meet now");
            return None;
        }
        // Media is told while the legs still have their old numbers.
        self.calls.get_mut(&from)?.thread.fall_silent(now);
        self.carry_out_all(from, now);
        let names = self.calls.names_of(from);
        let other = self.calls.take_out(from)?;
        let entry = self.calls.get_mut(&into)?;
        let absorbed = Absorbed { conn_id: from, token: other.thread.token() };
        let by = entry.take_in(other, absorbed);
        self.calls.know_names(into, from, &names);
        self.pending.moved(from, into, by);
        self.unasked.moved(from, into, by);
        for (leg, dialog, side) in self.dialogs_from(into, by) {
            self.calls.bind(dialog, Place { conn_id: into, leg, side });
            self.calls.know_phone(into, leg);
        }
        tracing::info!(%into, %from, "two threads have met");
        self.note_meeting(into, from, now);
        self.metrics.threads_met();
        self.metrics.calls.set(i64::try_from(self.calls.len()).unwrap_or(i64::MAX));
        self.mark(into);
        Some(by)
    }

    /// The trace of each thread names the other one.
    fn note_meeting(&self, into: ConnId, from: ConnId, now: Timestamp) {
        let Some(tenant) = self.calls.get(&into).map(|entry| &entry.tenant) else { return };
        let note = |thread, text: String| self.trace.note_with(tenant, thread, now, || What::Note { text });
        note(into, format!("the call {from} becomes part of this thread"));
        note(from, format!("the call becomes part of the thread {into}, where it goes on"));
    }

    fn can_meet(&self, into: ConnId, from: ConnId) -> bool {
        let is_free = |thread: ConnId, entry: &Entry| {
            entry.stored == Stored::Live && entry.absorbs.is_none() && !self.confirmations.is_in_doubt(thread)
        };
        let (Some(ours), Some(theirs)) = (self.calls.get(&into), self.calls.get(&from)) else { return false };
        into != from
            && ours.tenant == theirs.tenant
            && is_free(into, ours)
            && is_free(from, theirs)
            && are_at_one_media(ours, theirs)
            && theirs.thread.is_settled()
            && ours.thread.has_room_for(&theirs.thread)
    }

    /// The dialogs of the legs whose numbers have grown.
    fn dialogs_from(&self, thread: ConnId, by: u16) -> Vec<(LegId, DialogId, Side)> {
        let legs = self.calls.get(&thread).map(|entry| entry.legs.as_slice()).unwrap_or_default();
        let dialogs = |leg: &Leg| {
            let of = |dialog: Option<_>, side| dialog.map(|dialog| (leg.id, dialog, side));
            [of(leg.phone, Side::Phone), of(leg.media, Side::Media)]
        };
        legs.iter().filter(|leg| leg.id.0 > by).flat_map(dialogs).flatten().collect()
    }

    /// A dialog that began in another thread names that one in our tag: it leads here.
    pub(in crate::sip_cluster::node) fn know_origin(&mut self, thread: ConnId, dialog: DialogId) {
        let tag = self.agent.leg(dialog).map(|state| &*state.dialog.local_tag);
        if let Some(origin) = self.ids.call_of(tag).filter(|origin| *origin != thread) {
            self.calls.lead(origin, thread);
        }
    }

    /// A thread is dropped before its meeting with another one is stored: that one, and itself if it is ours, are as the ledger has them.
    pub(in crate::sip_cluster::node) fn part_again(&mut self, thread: ConnId) {
        let Some(entry) = self.calls.get(&thread) else { return };
        let Some(absorbed) = entry.absorbs else { return };
        let tenant = entry.tenant.clone();
        tracing::warn!(%thread, other = %absorbed.conn_id, "two threads have not met: each is as it was stored last");
        for conn_id in [thread, absorbed.conn_id] {
            self.orders.push_back(Order::Find(Lookup::of_call(tenant.clone(), conn_id, None)));
        }
    }
}

impl Entry {
    /// Takes another thread in. Returns by how much the numbers of its legs have grown.
    fn take_in(&mut self, other: Self, absorbed: Absorbed) -> u16 {
        let Self { thread, legs, events, new_calls, index, told, media_owner, location_unheard, needs_tls, .. } = other;
        let by = self.thread.absorb(thread);
        for leg in legs {
            // Media has it in a room of the other thread: it is told to bring it to one of this thread.
            let id = LegId(leg.id.0.saturating_add(by));
            self.legs.push(Leg { id, seat: None, joining: false, refused_moves: 0, ..leg });
        }
        self.events.extend(events);
        self.new_calls.extend(new_calls);
        self.index.extend(index);
        self.told.extend(told);
        self.location_unheard.extend(location_unheard);
        self.needs_tls |= needs_tls;
        self.media_owner = self.media_owner.take().or(media_owner);
        self.absorbs = Some(absorbed);
        by
    }
}

/// Whether one media node has the legs of both threads; a thread whose audio goes directly has none at any.
fn are_at_one_media(ours: &Entry, theirs: &Entry) -> bool {
    let is_at_none = |entry: &Entry| entry.media_owner.is_none() && entry.legs.iter().all(|leg| leg.media.is_none());
    media_node(ours) == media_node(theirs) || is_at_none(ours) || is_at_none(theirs)
}

/// The media node that has a thread's legs: their rooms are there, in whichever life it is.
fn media_node(entry: &Entry) -> Option<&NodeId> {
    entry.media_owner.as_ref().map(|owner| &owner.node)
}
