//! A turn's batch for the ledger, and what its answers mean.

use std::collections::BTreeMap;
use std::ops::Bound;

use call::call::CALLER_LEG;
use infra::{CallWrite, Change, Refusal, Written};
use model::{ConnId, Owner};
use sip::{Flow, LocalTag, Message, Seal, StatusCode};

use super::entry::{Order, Stored};
use super::faults::Doing;
use super::limits::CONFIRMED_PER_TURN;
use super::node::Node;
use super::records;

/// Calls that are not here any more: their owners, and the INVITEs that nobody has answered.
type Lost = BTreeMap<ConnId, (Option<Owner>, Option<(Message, u64)>)>;

impl Node {
    /// What has changed since the last batch. The answers go to [`Node::committed`], in the same order.
    pub fn batch(&mut self) -> Vec<CallWrite> {
        let bounds = self.agent.bounds_reached();
        self.metrics.bounds_reached(bounds.oversized + bounds.overruns);
        let changed = std::mem::take(&mut self.changed);
        let mut batch = Vec::with_capacity(changed.len());
        for conn_id in changed {
            if let Some(write) = self.attempt_write(conn_id) {
                self.in_doubt |= self.doubted.remove(&conn_id);
                batch.push(write);
            }
            self.attempt_for(Some(conn_id), self.attempted_at(), |node| node.drop_closed(conn_id));
        }
        self.confirm_some(&mut batch);
        self.written = batch.iter().map(|write| write.conn_id).collect();
        if batch.is_empty() {
            // What was taken in is of no call that is stored.
            self.taken.clear();
        } else {
            self.metrics.turn(batch.len());
        }
        batch
    }

    /// Calls in doubt of which this turn has nothing to say: some of them are asked about along with it, so that no turn gets long.
    fn confirm_some(&mut self, batch: &mut Vec<CallWrite>) {
        let behind = (Bound::Excluded(self.asked_about), Bound::Unbounded);
        let round = self.doubted.range(behind).chain(self.doubted.range(..=self.asked_about));
        let asked: Vec<ConnId> = round.take(CONFIRMED_PER_TURN).copied().collect();
        for conn_id in asked {
            self.asked_about = conn_id;
            self.doubted.remove(&conn_id);
            let Some(entry) = self.calls.get(&conn_id).filter(|entry| entry.stored == Stored::Live) else { continue };
            self.in_doubt = true;
            batch.push(CallWrite {
                tenant: entry.tenant.clone(),
                conn_id,
                owner: self.owner.clone(),
                token: entry.call.state().token,
                change: Change::Keep,
                due: None,
                dialogs: Vec::new(),
                events: Vec::new(),
                new_call: None,
            });
        }
    }

    /// The store does not take what has become of a call: nothing of this turn is said.
    fn write_refused(&mut self, conn_id: ConnId, refusal: &Refusal) {
        tracing::error!(%conn_id, %refusal, "the store refuses a call's record: the call ends");
        self.metrics.write_refused();
        self.end_unwritten(conn_id, format!("the store refuses its record: {refusal}"));
    }

    /// A call of which nothing can be stored any more ends as it was stored last.
    pub(super) fn end_unwritten(&mut self, conn_id: ConnId, why: String) {
        let stored = self.calls.get(&conn_id).is_some_and(|entry| entry.stored == Stored::Live);
        let invite = self.open_invite(conn_id);
        let tenant = self.calls.get(&conn_id).map(|entry| entry.tenant.clone());
        self.give_up(conn_id);
        if let Some((message, link)) = invite {
            self.turn_away(&message, StatusCode::SERVICE_UNAVAILABLE, Flow::Stream { connection: link });
        }
        if let Some(tenant) = tenant.filter(|_| stored) {
            self.put_aside(tenant, conn_id, why);
        }
    }

    pub(super) fn write(&mut self, conn_id: ConnId) -> Option<CallWrite> {
        let entry = self.calls.get_mut(&conn_id)?;
        entry.dirty = false;
        let over = entry.call.is_over();
        match entry.stored {
            Stored::Ended => return None,
            Stored::No if over => {
                // Refused before anything came of it: it costs nothing and leaves nothing.
                entry.events.clear();
                self.metrics.call_refused();
                return None;
            }
            Stored::No if entry.call.state().stage_is_asking() => return None,
            Stored::No | Stored::Live => {}
        }
        let entry = self.calls.get(&conn_id)?;
        let state = || records::encode(entry, &self.agent, |link| self.edge(link));
        // As long as somebody has not answered our BYE the record stays: should we die now, our next life says it again.
        let ended = over && entry.legs.is_empty();
        let change = match (entry.stored, ended) {
            (_, true) => Change::End,
            (Stored::No, false) => Change::Create { state: state(), intentions: bytes::Bytes::new() },
            (_, false) => Change::Save { state: state(), intentions: bytes::Bytes::new() },
        };
        let token = entry.call.state().token;
        let due = entry.call.next_timeout();
        let entry = self.calls.get_mut(&conn_id)?;
        let dialogs = if entry.stored == Stored::No { vec![entry.invite.clone()] } else { Vec::new() };
        entry.stored = if ended { Stored::Ended } else { Stored::Live };
        Some(CallWrite {
            tenant: entry.tenant.clone(),
            conn_id,
            owner: self.owner.clone(),
            token,
            change,
            due,
            dialogs,
            events: std::mem::take(&mut entry.events),
            new_call: entry.new_call.take(),
        })
    }

    /// The ledger's answers. A call that somebody else has is forgotten: what it wanted to send is not ours to send, and what was
    /// asked of it in this turn is its owner's to answer. Gives the calls that are not here any more.
    pub fn committed(&mut self, answers: impl IntoIterator<Item = (ConnId, Written)>) -> Vec<ConnId> {
        self.in_doubt = false;
        let mut lost = Lost::new();
        let taken = std::mem::take(&mut self.taken);
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
                Written::Refused(refusal) => {
                    self.write_refused(conn_id, &refusal);
                    lost.insert(conn_id, (None, None));
                    continue;
                }
            };
            let invite = self.open_invite(conn_id);
            self.metrics.call_fenced();
            self.give_up(conn_id);
            lost.insert(conn_id, (owner, invite));
        }
        if !lost.is_empty() {
            tracing::warn!(calls = lost.len(), "calls are somebody else's now, or over: this node forgets them");
            self.attempt(Doing::Word("calls of others"), self.attempted_at(), |node| {
                node.leave_to_owners(&lost, taken)
            });
        }
        lost.into_keys().collect()
    }

    /// Takes back what this turn has said within calls that are not ours.
    pub(super) fn take_back(&mut self, calls: &[ConnId]) {
        let seal = self.seal.clone();
        self.agent.disown(|message| {
            let ours = if message.is_request() { message.from() } else { message.to() };
            ours.is_ok_and(|ours| call_of(ours.tag(), &seal).is_some_and(|call| calls.contains(&call)))
        });
    }

    /// Takes back what was said within calls that are not ours, and gives what was asked of them to their owners.
    fn leave_to_owners(&mut self, lost: &Lost, taken: Vec<(Message, u64)>) {
        self.take_back(&lost.keys().copied().collect::<Vec<_>>());
        for (message, link) in taken {
            let call = message.to().ok().and_then(|to| call_of(to.tag(), &self.seal));
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

    /// The INVITE of a call that nobody has stored before and that is not answered: two nodes had it, and one of them stored it.
    fn open_invite(&self, conn_id: ConnId) -> Option<(Message, u64)> {
        let entry = self.calls.get(&conn_id)?;
        let leg = entry.leg(CALLER_LEG)?;
        let answering = self.agent.leg(leg.phone?)?.answering.as_ref()?;
        Some((Message::parse(answering.request.clone()).ok()?, leg.link))
    }

    /// The call is stored as this life has it.
    fn settled(&mut self, conn_id: ConnId) {
        if let Some(entry) = self.calls.get_mut(&conn_id) {
            entry.settled = true;
        }
    }

    pub(super) fn forget(&mut self, conn_id: ConnId) {
        // Whoever has the call tells what becomes of it.
        self.orders.retain(|order| !matches!(order, Order::TellRouting { conn_id: told, .. } if *told == conn_id));
        let Some(entry) = self.calls.remove(&conn_id) else {
            return;
        };
        if let Some(armed) = entry.armed {
            self.due.remove(&(armed, conn_id));
        }
        for dialog in entry.dialogs() {
            self.dialogs.remove(&dialog);
            self.agent.forget(dialog);
        }
        self.treatments.retain(|_, (of, ..)| *of != conn_id);
        self.stops.retain(|_, stop| stop.conn_id != conn_id);
        self.unstopped.retain(|stop| stop.conn_id != conn_id);
        self.probes.retain(|_, probe| probe.place.conn_id != conn_id);
        self.talks.retain(|_, (of, _)| *of != conn_id);
        self.metrics.calls.set(i64::try_from(self.calls.len()).unwrap_or(i64::MAX));
    }
}

/// The call that a tag of ours names.
fn call_of(tag: Option<&str>, seal: &Seal) -> Option<ConnId> {
    LocalTag::open(tag?, seal).map(|tag| tag.call)
}
