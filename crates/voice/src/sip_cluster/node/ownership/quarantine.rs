//! Moves records that no process can handle to quarantine, and notifies the parties of their calls.
//!
//! | found | action |
//! |---|---|
//! | the record does not decode, or restoring it is a [`crate::sip_cluster::node::attempt`] fault | quarantined at once |
//! | it was being processed when two processes died | quarantined without being read |
//! | a stored call cannot be ended by its own model | its record is read again and quarantined |
//!
//! The store moves the record in one write, with the facts of its end. Only then the parties are notified.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use call::{Input, Output, Thread};
use infra::Record;
use model::event::CallRef;
use model::{
    CallState, CallType, CallUuid, ConnId, Event, EventId, EventName, Seq, Stamped, Subject, TenantId, Timestamp,
};
use sip::Flow;
use sip::agent::Restore;

use crate::quarantine::CLAIMS_MAX;
use crate::sip_cluster::limits::{ASIDE_MAX, STEPS_MAX};
use crate::sip_cluster::node::Node;
use crate::sip_cluster::node::calls::records;
use crate::sip_cluster::node::order::{Order, Quarantining};
use crate::sip_cluster::node::proxies::NO_EDGE;

/// Calls whose records are being moved to quarantine, each with the record if this node has it.
#[derive(Default)]
pub struct AsideCalls(BTreeMap<ConnId, Option<Record<ConnId>>>);

impl AsideCalls {
    fn are_full(&self) -> bool {
        self.0.len() >= ASIDE_MAX
    }

    fn insert(&mut self, conn_id: ConnId, record: Option<Record<ConnId>>) {
        self.0.insert(conn_id, record);
    }

    fn contains(&self, conn_id: ConnId) -> bool {
        self.0.contains_key(&conn_id)
    }

    /// The store has answered. Returns the record, if this node has it.
    fn take(&mut self, conn_id: ConnId) -> Option<Record<ConnId>> {
        self.0.remove(&conn_id).flatten()
    }
}

impl Node {
    /// Quarantines the record of a call that this node has read.
    pub fn quarantine_record(&mut self, record: &Record<ConnId>, why: String, now: Timestamp) {
        let conn_id = record.key;
        if self.aside.are_full() && !self.aside.contains(conn_id) {
            tracing::error!(%conn_id, why, "too many records are being quarantined: this one stays in the ledger");
            return;
        }
        self.metrics.record_put_aside();
        tracing::error!(%conn_id, why, "the record of a call is quarantined: see `trunkline quarantine`");
        // A record with which processes have died is not read before the store has moved it.
        let events = if record.claims < CLAIMS_MAX { facts_of_end(record, now) } else { Vec::new() };
        let events = with_bare_ends(record, events, now);
        self.aside.insert(conn_id, Some(record.clone()));
        self.orders.push_back(Order::Quarantine(Box::new(Quarantining { record: record.clone(), why, events })));
    }

    /// Quarantines the record of a call that was just forgotten. It is read from the ledger first.
    pub(in crate::sip_cluster::node) fn quarantine_call(&mut self, tenant: TenantId, conn_id: ConnId, why: String) {
        if self.aside.are_full() {
            tracing::error!(%conn_id, why, "too many records are being quarantined: this one stays in the ledger");
            return;
        }
        self.aside.insert(conn_id, None);
        self.orders.push_back(Order::ReadAside { tenant, conn_id, why });
    }

    /// Whether the call's record is being moved to quarantine: the call counts as over.
    pub(in crate::sip_cluster::node) fn is_aside(&self, conn_id: ConnId) -> bool {
        self.aside.contains(conn_id)
    }

    /// Handles the result: the record is in quarantine, or another node has it. Only in the first case the parties are notified
    /// of the end, as far as the record can be read.
    pub fn was_quarantined(&mut self, conn_id: ConnId, done: bool, now: Timestamp) {
        let Some(record) = self.aside.take(conn_id).filter(|_| done) else { return };
        let said = catch_unwind(AssertUnwindSafe(|| self.end_dialogs(&record, now)));
        if said.is_err() {
            tracing::error!(%conn_id, "not every party of a quarantined call can be notified of its end");
        }
    }

    fn end_dialogs(&mut self, record: &Record<ConnId>, now: Timestamp) {
        let name = records::name(&record.tenant, &record.key);
        for (dialog, edge) in records::legible_dialogs(&record.state, &name, &self.cipher) {
            let connection = self.proxies.link_at(edge.as_deref().unwrap_or(NO_EDGE), now);
            let how = Restore { stream: Some(Flow::Stream { connection }), resend: false, cseq_jump: 0 };
            self.agent.end_from_snapshot(dialog, how);
        }
    }
}

/// The facts of a call's end, as far as its record can be read.
fn facts_of_end(record: &Record<ConnId>, now: Timestamp) -> Vec<Stamped> {
    let end = || Some(end_of(&mut records::legible_thread(&record.state)?, record, now));
    catch_unwind(AssertUnwindSafe(end)).ok().flatten().unwrap_or_default()
}

/// Adds the bare fact that a call is over for each call of the thread of which the record tells nothing else: consumers that count the call
/// release it. None if facts may exist under the record's token, because this one must be its first.
fn with_bare_ends(record: &Record<ConnId>, mut events: Vec<Stamped>, now: Timestamp) -> Vec<Stamped> {
    if record.claims == 0 {
        return events;
    }
    for call in std::iter::once(record.key).chain(records::further_calls(&record.state)) {
        let is_told =
            |event: &Stamped| event.id.subject == Subject::Call(call) && event.event.name == EventName::CallDeleted;
        if !events.iter().any(is_told) {
            events.push(bare_end(record, call, now));
        }
    }
    events
}

fn bare_end(record: &Record<ConnId>, call: ConnId, now: Timestamp) -> Stamped {
    let mut event = Event::new(EventName::CallDeleted);
    event.call_state = Some(CallState::Unknown);
    event.call = Some(CallRef {
        conn_id: call,
        uuid: CallUuid(0),
        thread: CallUuid(0),
        previous: None,
        call_type: CallType::Unknown,
        propagated_type: None,
        ani: None,
        dnis: None,
    });
    let id = EventId { subject: Subject::Call(call), token: record.token, seq: Seq(1) };
    Stamped { id, tenant: record.tenant.clone(), at: now, trace: None, event }
}

/// The facts with which the calls of a thread end at once.
fn end_of(thread: &mut Thread, record: &Record<ConnId>, now: Timestamp) -> Vec<Stamped> {
    if thread.token() != record.token {
        thread.claim(record.token);
    }
    thread.handle(Input::Fault, now);
    std::iter::from_fn(|| thread.poll_output())
        .take(STEPS_MAX as usize)
        .filter_map(|(_, output)| match output {
            Output::Fact(fact) => Some(fact),
            _ => None,
        })
        .collect()
}
