//! How a call is identified: its type, its ids, and the numbers that it shows.

use model::event::CallRef;
use model::plan::Caller;
use model::{CallType, CallUuid};

use super::party::{Party, PartyNo};
use super::state::CallSnapshot;

impl CallSnapshot {
    /// Whether it began inside the tenant or outside, leads outside, or consults about another call.
    pub const fn call_type(&self) -> CallType {
        match (&self.consults_for, &self.caller) {
            (Some(_), _) => CallType::Consult,
            (None, Caller::Phone(_)) if self.outbound => CallType::Outbound,
            (None, Caller::Phone(_)) => CallType::Internal,
            (None, Caller::Trunk { .. }) => CallType::Inbound,
        }
    }

    /// The global id of its thread.
    pub fn thread(&self) -> CallUuid {
        self.consults_for.as_ref().map_or(self.uuid, |of| of.thread)
    }

    /// The attributes of the call's events that name the call.
    pub fn call_ref(&self) -> CallRef {
        CallRef {
            conn_id: self.conn_id,
            uuid: self.uuid,
            thread: self.thread(),
            previous: self.consults_for.as_ref().map(|of| of.conn_id),
            call_type: self.call_type(),
            propagated_type: self.consults_for.as_ref().map(|of| of.call_type),
            ani: Some(self.caller_number().to_owned()),
            dnis: Some(self.dialled.clone()),
        }
    }

    /// Whether a ringing phone shows the one that called, and not somebody who stays after a transfer.
    pub fn presents_caller(&self) -> bool {
        !self.rings_at_origin() && self.parties.first().is_none_or(|party| party.number == PartyNo::CALLER)
    }

    /// The number that a ringing phone shows: that of who waits for it, or the one that it is about to call.
    pub fn presented_number(&self) -> &str {
        if self.rings_at_origin() {
            return &self.dialled;
        }
        self.parties.first().map_or_else(|| self.caller_number(), Party::address)
    }

    /// The caller's number: its DN, or the number that the trunk presents.
    pub fn caller_number(&self) -> &str {
        match &self.caller {
            Caller::Phone(dn) => dn.as_str(),
            Caller::Trunk { number, .. } => number,
        }
    }
}
