//! A turn's batch for the ledger, and the handling of its answers.

use std::collections::BTreeMap;

use call::Input;
use infra::{CallWrite, Change, Refusal, Written};
use model::event::{Event, Stamped};
use model::{ConnId, LegId, Owner, Timestamp};
use sip::{ConnectionId, Flow, Message, StatusCode};

use super::Node;
use super::calls::call::Stored;
use super::calls::records;
use super::faults::Doing;
use super::order::Order;
use crate::sip_cluster::limits::{CONFIRMED_PER_TURN, FACTS_PER_WRITE};

/// Calls that this node no longer has: their owners, and their unanswered INVITEs.
type Lost = BTreeMap<ConnId, (Option<Owner>, Option<(Message, ConnectionId)>)>;

impl Node {
    /// Whether there are changes that the last batch had no place for.
    pub fn has_more_to_write(&self) -> bool {
        self.calls.is_one_changed()
    }

    /// The changes since the last batch. The answers go to [`Node::committed`], in the same order.
    pub fn batch(&mut self) -> Vec<CallWrite> {
        let bounds = self.agent.bounds_reached();
        self.metrics.bounds_reached(bounds.oversized + bounds.overruns);
        let changed = self.calls.take_changed();
        let mut batch = Vec::with_capacity(changed.len());
        for conn_id in changed {
            if let Some(write) = self.attempt_write(conn_id) {
                self.confirmations.wrote(conn_id);
                if bytes_of(&write) > self.limits.record_bytes {
                    self.heavy.push(conn_id);
                }
                batch.push(write);
            }
            self.attempt_for(Some(conn_id), self.attempted_at(), |node| node.drop_closed(conn_id));
        }
        self.confirm_some(&mut batch);
        self.confirmations.batch_has(batch.iter().map(|write| write.conn_id).collect());
        if !batch.is_empty() {
            self.metrics.turn(batch.len());
        }
        batch
    }

    /// Adds calls in doubt that this turn does not change. Only some of them, so that no turn gets long.
    fn confirm_some(&mut self, batch: &mut Vec<CallWrite>) {
        for conn_id in self.confirmations.take_some(CONFIRMED_PER_TURN) {
            let Some(entry) = self.calls.get(&conn_id).filter(|entry| entry.stored == Stored::Live) else { continue };
            self.confirmations.asks();
            batch.push(CallWrite {
                tenant: entry.tenant.clone(),
                conn_id,
                owner: self.ids.owner().clone(),
                token: entry.thread.token(),
                change: Change::Keep,
                due: None,
                index: Vec::new(),
                events: Vec::new(),
                new_call: None,
                absorbs: None,
            });
        }
    }

    /// Ends the leg that takes most of a record that has grown too large: one party must not cost all others their call.
    pub(super) fn end_largest_leg(&mut self, conn_id: ConnId, now: Timestamp) {
        let Some(entry) = self.calls.get(&conn_id) else { return };
        let Some((leg, bytes)) = records::largest_leg(entry, &self.agent) else { return };
        tracing::warn!(%conn_id, %leg, bytes, "a call's record is too large: the leg that takes most of it ends");
        self.metrics.leg_too_large();
        self.hang_up(conn_id, leg, 513, now);
        self.feed(conn_id, Input::LegDead(leg), now);
    }

    /// The store refuses a call's new record: nothing of this turn is sent for it.
    fn write_refused(&mut self, conn_id: ConnId, refusal: &Refusal) {
        tracing::error!(%conn_id, %refusal, "the store refused a call's record: the call ends");
        self.metrics.write_refused();
        self.end_unwritten(conn_id, format!("the store refuses its record: {refusal}"));
    }

    /// Ends a call that cannot be stored any more, as it was stored last.
    pub(super) fn end_unwritten(&mut self, conn_id: ConnId, why: String) {
        let stored = self.calls.get(&conn_id).is_some_and(|entry| entry.stored == Stored::Live);
        let invite = self.open_invite(conn_id);
        let tenant = self.calls.get(&conn_id).map(|entry| entry.tenant.clone());
        self.drop_call(conn_id);
        if let Some((message, link)) = invite {
            self.turn_away(&message, StatusCode::SERVICE_UNAVAILABLE, Flow::Stream { connection: link });
        }
        if let Some(tenant) = tenant.filter(|_| stored) {
            self.quarantine_call(tenant, conn_id, why);
        }
    }

    pub(super) fn write(&mut self, conn_id: ConnId) -> Option<CallWrite> {
        let entry = self.calls.get_mut(&conn_id)?;
        entry.dirty = false;
        let over = entry.thread.is_over();
        match entry.stored {
            Stored::Ended => return None,
            Stored::No if over => {
                // Refused before anything was stored: it costs nothing and leaves nothing.
                entry.events.clear();
                self.metrics.call_refused();
                return None;
            }
            Stored::No if entry.thread.first().stage_is_asking() => return None,
            Stored::No | Stored::Live => {}
        }
        let entry = self.calls.get(&conn_id)?;
        let name = records::name(&entry.tenant, &conn_id);
        let state = || records::encode(&name, entry, &self.agent, |link| self.proxies.edge(link), &self.cipher);
        // The record stays until every party has answered our BYE: if this process fails now, the next run repeats the BYE.
        let ended = over && entry.legs.is_empty();
        let change = match (entry.stored, ended) {
            (_, true) => Change::End,
            (Stored::No, false) => Change::Create { state: state(), intentions: bytes::Bytes::new() },
            (_, false) => Change::Save { state: state(), intentions: bytes::Bytes::new() },
        };
        let token = entry.thread.token();
        let due = entry.thread.next_timeout();
        let entry = self.calls.get_mut(&conn_id)?;
        entry.stored = if ended { Stored::Ended } else { Stored::Live };
        let write = CallWrite {
            tenant: entry.tenant.clone(),
            conn_id,
            owner: self.ids.owner().clone(),
            token,
            change,
            due,
            index: std::mem::take(&mut entry.index),
            events: facts_of_write(&mut entry.events, ended),
            new_call: entry.new_calls.pop_front(),
            absorbs: entry.absorbs,
        };
        // A commit takes one entry; two calls of a thread that begin to wait in one turn need two.
        if !entry.new_calls.is_empty() || !entry.events.is_empty() {
            self.calls.mark(conn_id);
        }
        Some(write)
    }

    /// Handles the ledger's answers. A call that another node owns is forgotten: its queued messages are not sent, and requests
    /// received for it in this turn go to its owner. Returns the calls that this node no longer has.
    pub fn committed(&mut self, answers: impl IntoIterator<Item = (ConnId, Written)>) -> Vec<ConnId> {
        let received = self.confirmations.answered();
        let mut lost = Lost::new();
        for (conn_id, written) in answers {
            let owner = match written {
                Written::Done { .. } => {
                    self.settled(conn_id);
                    continue;
                }
                Written::Fenced { owner, .. } | Written::Exists { owner, .. } => {
                    tracing::debug!(%conn_id, %owner, "a call belongs to somebody else");
                    Some(owner)
                }
                Written::Ended | Written::Unknown => {
                    tracing::debug!(%conn_id, "a call is over elsewhere");
                    None
                }
                Written::NotAbsorbed => Some(self.ids.owner().clone()),
                Written::Refused(refusal) => {
                    self.write_refused(conn_id, &refusal);
                    lost.insert(conn_id, (None, None));
                    continue;
                }
            };
            let invite = self.open_invite(conn_id);
            self.metrics.call_fenced();
            // Dialogs that began in another thread have its name in their tags.
            for name in self.calls.names_of(conn_id) {
                lost.insert(name, (owner.clone(), None));
            }
            self.drop_call(conn_id);
            lost.insert(conn_id, (owner, invite));
        }
        if !lost.is_empty() {
            tracing::warn!(
                calls = lost.len(),
                "calls were taken over by other nodes, or have ended: this node drops them"
            );
            self.attempt(Doing::OtherInput("calls of others"), self.attempted_at(), |node| {
                node.leave_to_owners(&lost, received)
            });
        }
        lost.into_keys().collect()
    }

    /// Removes messages that this turn has queued for calls that are not ours.
    pub(super) fn take_back(&mut self, calls: &[ConnId]) {
        let ids = &self.ids;
        self.agent.disown(|message| {
            let ours = if message.is_request() { message.from() } else { message.to() };
            ours.is_ok_and(|ours| ids.call_of(ours.tag()).is_some_and(|call| calls.contains(&call)))
        });
    }

    /// Removes queued messages of calls that are not ours, and leaves the requests of these calls to their owners.
    fn leave_to_owners(&mut self, lost: &Lost, received: Vec<(Message, ConnectionId)>) {
        self.take_back(&lost.keys().copied().collect::<Vec<_>>());
        for (message, link) in received {
            let call = message.to().ok().and_then(|to| self.ids.call_of(to.tag()));
            if let Some((owner, _)) = call.and_then(|call| lost.get(&call)) {
                self.answer_elsewhere(message, link, owner.as_ref());
            }
        }
        for (owner, invite) in lost.values() {
            if let Some((message, link)) = invite.clone() {
                self.answer_elsewhere(message, link, owner.as_ref());
            }
        }
    }

    /// The INVITE of a call that is not answered yet. If two nodes got the INVITE, one of them has stored the call.
    fn open_invite(&self, conn_id: ConnId) -> Option<(Message, ConnectionId)> {
        let entry = self.calls.get(&conn_id)?;
        entry.legs.iter().filter(|leg| leg.is_callers()).find_map(|leg| self.open_invite_of(conn_id, leg.id))
    }

    /// The INVITE of a leg that is not answered yet.
    pub(super) fn open_invite_of(&self, conn_id: ConnId, leg: LegId) -> Option<(Message, ConnectionId)> {
        let leg = self.leg(conn_id, leg)?;
        let answering = self.agent.leg(leg.phone?)?.answering.as_ref()?;
        Some((Message::parse(answering.request.clone()).ok()?, leg.link))
    }

    /// The call has been stored in this run.
    fn settled(&mut self, conn_id: ConnId) {
        if let Some(entry) = self.calls.get_mut(&conn_id) {
            entry.settled = true;
            entry.absorbs = None;
        }
    }

    pub(super) fn forget(&mut self, conn_id: ConnId) {
        // The call's new owner sends rq its details.
        self.orders.retain(|order| !matches!(order, Order::TellRouting { conn_id: told, .. } if *told == conn_id));
        self.part_again(conn_id);
        let Some(entry) = self.calls.remove(conn_id) else {
            return;
        };
        for dialog in entry.dialogs() {
            self.calls.unbind(dialog);
            self.agent.forget(dialog);
        }
        self.pending.forget(conn_id);
        self.metrics.calls.set(i64::try_from(self.calls.len()).unwrap_or(i64::MAX));
    }
}

/// The facts that go with the next write; others follow with further writes of the same turn. All go with the last write of a call.
fn facts_of_write(events: &mut Vec<Stamped>, ended: bool) -> Vec<Stamped> {
    let mut bytes = 0;
    let fits = events.iter().take_while(|stamped| {
        bytes += bytes_of_fact(&stamped.event);
        ended || bytes <= FACTS_PER_WRITE
    });
    let count = fits.count().max(1).min(events.len());
    let rest = events.split_off(count);
    std::mem::replace(events, rest)
}

/// The most bytes that a fact has as it is stored.
fn bytes_of_fact(event: &Event) -> usize {
    const REST: usize = 1_024;
    // Names of types and lengths beside keys and values.
    REST + 2 * (event.user_data.bytes() + event.extensions.bytes() + event.reasons.bytes())
}

/// The size of the record in a write.
fn bytes_of(write: &CallWrite) -> usize {
    match &write.change {
        Change::Create { state, .. } | Change::Save { state, .. } => state.len(),
        Change::Keep | Change::End => 0,
    }
}
