//! The open call threads of a tenant.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::Duration;

use model::{CallUuid, ConnId, EventName, Stamped, Timestamp};

use super::thread::{CallThread, Folded};

/// A thread closes when all its calls have been over for this long: later events of an ended call have arrived by then.
pub const GRACE: Duration = Duration::from_secs(5);
/// The most open threads of one tenant: as many as the ledger has calls.
const THREADS_MAX: usize = infra::bounds::CALLS_MAX;

/// The open threads of a tenant.
#[derive(Debug, Default)]
pub struct Threads {
    open: HashMap<CallUuid, CallThread>,
    /// Threads whose calls have all ended, by the time when they close.
    closing: BTreeSet<(Timestamp, u128)>,
    /// The time of each open call's last event, and its thread.
    calls: HashMap<ConnId, (Timestamp, CallUuid)>,
}

impl Threads {
    /// Folds an event.
    pub fn fold(&mut self, stamped: &Stamped) -> Folded {
        let Some(call) = &stamped.event.call else { return Folded::Done };
        if !is_of_call(stamped.event.name) {
            return Folded::Done;
        }
        if !self.open.contains_key(&call.thread) {
            if !begins(stamped.event.name) {
                return Folded::Done;
            }
            if self.open.len() >= THREADS_MAX {
                return Folded::NoRoom;
            }
            let complete = stamped.event.name == EventName::CallCreated;
            self.open.insert(call.thread, CallThread::new(call, complete, stamped.at));
        }
        let Some(thread) = self.open.get_mut(&call.thread) else { return Folded::Done };
        let before = thread.ended_at();
        let folded = thread.fold(call, stamped);
        let (after, id) = (thread.ended_at(), thread.id);
        if thread.calls.get(&call.conn_id).is_some_and(|call| call.ended_at.is_none()) {
            self.calls.insert(call.conn_id, (stamped.at, id));
        } else {
            self.calls.remove(&call.conn_id);
        }
        self.rearm(id, before, after);
        folded
    }

    fn rearm(&mut self, id: CallUuid, before: Option<Timestamp>, after: Option<Timestamp>) {
        if before == after {
            return;
        }
        if let Some(before) = before {
            self.closing.remove(&(before + GRACE, id.0));
        }
        if let Some(after) = after {
            self.closing.insert((after + GRACE, id.0));
        }
    }

    /// Ends a call whose end was never reported.
    pub fn call_missing(&mut self, conn_id: ConnId, now: Timestamp) {
        let Some((_, id)) = self.calls.remove(&conn_id) else { return };
        let Some(thread) = self.open.get_mut(&id) else { return };
        let before = thread.ended_at();
        thread.call_missing(conn_id, now);
        let after = thread.ended_at();
        self.rearm(id, before, after);
    }

    /// Removes and returns the threads that close by `now`.
    pub fn close(&mut self, now: Timestamp) -> Vec<CallThread> {
        let mut closed = Vec::new();
        while let Some((at, id)) = self.closing.first().copied().filter(|(at, _)| *at <= now) {
            self.closing.remove(&(at, id));
            closed.extend(self.open.remove(&CallUuid(id)));
        }
        closed
    }

    /// The number of open threads.
    pub fn len(&self) -> usize {
        self.open.len()
    }

    /// The time of an open call's last event.
    pub fn last_event(&self, conn_id: ConnId) -> Option<Timestamp> {
        self.calls.get(&conn_id).map(|(at, _)| *at)
    }

    /// The open calls.
    pub fn open_calls(&self) -> HashSet<ConnId> {
        self.calls.keys().copied().collect()
    }
}

/// Whether an event concerns the call itself, and not an agent that wraps it up.
const fn is_of_call(name: EventName) -> bool {
    !matches!(
        name,
        EventName::AgentLogin
            | EventName::AgentLogout
            | EventName::AgentReady
            | EventName::AgentNotReady
            | EventName::AgentReserved
            | EventName::AddressInfo
            | EventName::PartyInfo
            | EventName::Registered
            | EventName::Unregistered
            | EventName::ServerInfo
            | EventName::SessionStarted
            | EventName::TargetSelected
            | EventName::SessionEnded
            | EventName::Error
            | EventName::ACK
    )
}

/// Whether an event of an unknown thread shows that the thread exists; an event that ends something does not.
const fn begins(name: EventName) -> bool {
    matches!(
        name,
        EventName::CallCreated
            | EventName::Dialing
            | EventName::Ringing
            | EventName::Established
            | EventName::Queued
            | EventName::RouteRequest
    )
}

#[cfg(test)]
mod tests;
