//! An INVITE that joins a call which is there: it takes the place of another dialog (Replaces, RFC 3891), picks up a phone that rings,
//! or fetches a call from its park slot. The phone gets a leg of that call's thread, so nothing has to be moved between owners.

use call::call::Replaced;
use model::plan::{Caller, Destination};
use model::{ConnId, Dn, LegId, Owner, TenantId, Timestamp};
use sip::proxy::headers;
use sip::{HeaderName, LocalTag, Message, Replaces, StatusCode};

use super::call::Stored;
use super::incoming::NewCallParts;
use super::leg::Side;
use super::sips::CallerWay;
use crate::sip_cluster::node::Node;

/// A busy call, or one whose place this phone cannot take.
const REFUSED: StatusCode = StatusCode::BUSY_HERE;

/// Where a phone that calls joins.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Joins {
    thread: ConnId,
    at: JoinsAt,
}

/// Where in that thread.
#[derive(Clone, PartialEq, Eq, Debug)]
enum JoinsAt {
    /// In the place of another phone.
    Place(Replaced),
    /// Beside who is parked at this slot.
    Slot(Dn),
}

impl Node {
    /// The tag of ours in the dialog that an INVITE is to replace; it names the call, which may be elsewhere.
    pub(in crate::sip_cluster::node) fn tag_of_replaced(&self, request: &Message) -> Option<LocalTag> {
        let replaces = Replaces::parse(request.header(&HeaderName::Replaces)?)?;
        replaces.tags().into_iter().find_map(|tag| self.ids.open(tag))
    }

    /// Where an INVITE joins, if it is to replace a dialog or was sent here to join a call.
    ///
    /// # Errors
    /// 481 if that dialog is not here (RFC 3891 section 3).
    pub(super) fn joins(&mut self, tenant: &TenantId, request: &Message) -> Result<Option<Joins>, StatusCode> {
        if let Some(found) = self.found.take() {
            return Ok(Some(found));
        }
        let Some(value) = request.header(&HeaderName::Replaces) else { return Ok(None) };
        let replaces = Replaces::parse(value).ok_or(StatusCode::BAD_REQUEST)?;
        let joins = self.replaced(tenant, &replaces).map(|(thread, leg)| Joins {
            thread,
            at: JoinsAt::Place(if replaces.early_only { Replaced::Ringing(leg) } else { Replaced::Leg(leg) }),
        });
        joins.map(Some).ok_or(StatusCode::CALL_DOES_NOT_EXIST)
    }

    /// The leg whose dialog with a phone a Replaces names.
    pub(super) fn replaced(&self, tenant: &TenantId, replaces: &Replaces<'_>) -> Option<(ConnId, LegId)> {
        let ours = |tag: &&str| self.ids.open(tag).is_some_and(|opened| opened.tenant == *tenant);
        let tag = replaces.tags().into_iter().find(ours)?;
        let dialog = self.agent.dialog_by_tag(tag)?;
        let place = self.calls.place_of(dialog).filter(|place| place.side == Side::Phone)?;
        let state = self.agent.leg(dialog)?;
        let has = |tag: &str| replaces.tags().contains(&tag);
        let is_it = &*state.dialog.call_id == replaces.call_id
            && has(&state.dialog.local_tag)
            && (has(&state.dialog.remote_tag) || state.dialog.remote_tag.is_empty());
        is_it.then_some((place.conn_id, place.leg))
    }

    /// A phone joins a call: it gets a leg of that call's thread.
    ///
    /// # Errors
    /// 403 for a trunk; 480 where the call came to `sips:`, or the phone calls so, and it has not come by TLS; 486 if the call has gone on
    /// meanwhile, or this phone is in it.
    pub(super) fn join(&mut self, joins: Joins, call: NewCallParts, now: Timestamp) -> Result<(), StatusCode> {
        let Caller::Phone(dn) = &call.caller else { return Err(StatusCode::FORBIDDEN) };
        let is_in_the_clear = match call.way {
            CallerWay::SipsInTheClear => true,
            CallerWay::InTheClear => self.needs_tls(joins.thread),
            CallerWay::Sips | CallerWay::Tls => false,
        };
        if is_in_the_clear {
            return Err(StatusCode::TEMPORARILY_UNAVAILABLE);
        }
        let entry = self.calls.get_mut(&joins.thread).filter(|entry| entry.tenant == call.tenant).ok_or(REFUSED)?;
        let leg = match &joins.at {
            JoinsAt::Place(of) => entry.thread.replace(*of, dn),
            JoinsAt::Slot(slot) => entry.thread.fetch(slot, dn),
        };
        let leg = leg.ok_or(REFUSED)?;
        self.add_leg(joins.thread, leg, call, now);
        Ok(())
    }

    /// Whether an INVITE seeks a call that is here, so that a node which takes no new calls takes it: it replaces a dialog, or another node
    /// has sent it on.
    pub(super) fn seeks_a_call(request: &Message) -> bool {
        request.header(&HeaderName::Replaces).is_some() || request.header(&headers::OWNER).is_some()
    }

    // ---- pickup and park

    /// The dial plan has answered question `ask` of a call. If that call is nothing yet but its INVITE, and joins another one, its INVITE
    /// is given to that one, or to the next node, which may have it. Returns what the call is to hear, if it goes on.
    pub(in crate::sip_cluster::node) fn join_found(
        &mut self,
        conn_id: ConnId,
        ask: u32,
        destination: Destination,
        now: Timestamp,
    ) -> Option<Destination> {
        let Some(entry) = self.calls.get(&conn_id) else { return Some(destination) };
        let Some(found) = self.find_joined(&entry.tenant, &destination) else { return Some(destination) };
        let Some(leg) = entry.thread.asks_on(ask) else {
            let is_taken = found.is_some() && matches!(destination, Destination::Park { .. });
            let taken = Destination::Reject { status: REFUSED.0, reason: "a call is parked there already".to_owned() };
            return Some(if is_taken { taken } else { destination });
        };
        let Some((message, link)) = self.open_invite_of(conn_id, leg) else { return Some(destination) };
        let next = if found.is_none() { self.next_to_ask(&message) } else { None };
        if found.is_none() && next.is_none() {
            return Some(destination);
        }
        self.withdraw(conn_id, leg, now);
        match next {
            Some(owner) => self.answer_elsewhere(message, link, Some(&owner)),
            None => {
                self.found = found;
                self.take_in(message, link, now);
                self.found = None;
            }
        }
        None
    }

    /// The call that rings or is parked at that destination; the outer `None` if it is no such destination.
    fn find_joined(&self, tenant: &TenantId, destination: &Destination) -> Option<Option<Joins>> {
        match destination {
            Destination::Pickup { dn } => {
                let ringing = self.calls.ringing_at(tenant, dn);
                Some(ringing.map(|(thread, leg)| Joins { thread, at: JoinsAt::Place(Replaced::Ringing(leg)) }))
            }
            Destination::Park { slot } => {
                let parked = self.calls.parked_at(tenant, slot);
                Some(parked.map(|thread| Joins { thread, at: JoinsAt::Slot(slot.clone()) }))
            }
            _ => None,
        }
    }

    /// The node that is asked next for a call that is not here: each one once, in the order of their names.
    fn next_to_ask(&self, invite: &Message) -> Option<Owner> {
        let us = self.ids.owner();
        let was_sent_here = invite.header(&headers::OWNER).is_some();
        let others = self.live().owners().into_iter().filter(|owner| owner != us && (!was_sent_here || owner > us));
        others.min()
    }

    /// Takes an INVITE back from the call that it began, of which nothing is known outside.
    fn withdraw(&mut self, conn_id: ConnId, leg: LegId, now: Timestamp) {
        let Some(entry) = self.calls.get_mut(&conn_id) else { return };
        if entry.stored == Stored::No && entry.legs.len() == 1 {
            return self.drop_call(conn_id);
        }
        let Some(at) = entry.legs.iter().position(|each| each.id == leg) else { return };
        let dialog = entry.legs.remove(at).phone;
        entry.thread.withdraw(leg);
        if let Some(dialog) = dialog {
            self.calls.unbind(dialog);
            self.agent.forget(dialog);
        }
        self.call_changed(conn_id, now);
    }
}
