//! The open call threads of a tenant.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::Duration;

use infra::Position;
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
    /// The thread of each open call.
    calls: HashMap<ConnId, CallUuid>,
    /// Threads that have closed before an event of their own that came later.
    closed: Vec<CallThread>,
    /// Threads that are not stored as they are now, and closed ones that are still stored.
    changed: BTreeSet<CallUuid>,
}

/// Which of the threads that are due close.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closing {
    /// Those that are stored as they are: a successor would close them alike.
    Stored,
    /// All of them.
    All,
}

impl Threads {
    /// Folds the event at that position.
    pub fn fold(&mut self, stamped: &Stamped, position: Position) -> Folded {
        let Some(call) = &stamped.event.call else { return Folded::Done };
        if !is_of_call(stamped.event.name) {
            return Folded::Done;
        }
        // It was stored with more of its events than the others.
        if self.open.get(&call.thread).is_some_and(|thread| thread.folded >= position) {
            return Folded::Done;
        }
        self.close_before(call.thread, stamped.at);
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
        thread.folded = position;
        let (after, id) = (thread.ended_at(), thread.id);
        if thread.calls.get(&call.conn_id).is_some_and(|call| call.ended_at.is_none()) {
            self.calls.insert(call.conn_id, id);
        } else {
            self.calls.remove(&call.conn_id);
        }
        self.changed.insert(id);
        self.rearm(id, before, after);
        folded
    }

    /// Closes a thread that an event finds over for longer than the grace. Whoever reads the events late closes it where it closes for
    /// those who read them at once.
    fn close_before(&mut self, id: CallUuid, at: Timestamp) {
        let ended_at = self.open.get(&id).and_then(CallThread::ended_at);
        if let Some(closes_at) = ended_at.map(|ended_at| ended_at + GRACE)
            && closes_at <= at
        {
            self.closing.remove(&(closes_at, id.0));
            self.changed.insert(id);
            self.closed.extend(self.open.remove(&id));
        }
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
        let Some(id) = self.calls.remove(&conn_id) else { return };
        let Some(thread) = self.open.get_mut(&id) else { return };
        let before = thread.ended_at();
        thread.call_missing(conn_id, now);
        let after = thread.ended_at();
        self.changed.insert(id);
        self.rearm(id, before, after);
    }

    /// Removes and returns the threads that close by `now`. The stream is folded up to `position`: a thread that was stored with later
    /// events stays, or the earlier ones, which follow, would begin it again.
    pub fn close(&mut self, now: Timestamp, which: Closing, position: Position) -> Vec<CallThread> {
        let mut closed = std::mem::take(&mut self.closed);
        self.changed.extend(closed.iter().map(|thread| thread.id));
        let due = self.closing.iter().take_while(|(at, _)| *at <= now).copied();
        let is_stored = |id: &CallUuid| which == Closing::All || !self.changed.contains(id);
        let is_past = |id: &CallUuid| self.open.get(id).is_none_or(|thread| thread.folded <= position);
        let closes = |id: CallUuid| is_stored(&id) && is_past(&id);
        let due: Vec<(Timestamp, u128)> = due.filter(|(_, id)| closes(CallUuid(*id))).collect();
        for (at, id) in due {
            self.closing.remove(&(at, id));
            self.changed.insert(CallUuid(id));
            closed.extend(self.open.remove(&CallUuid(id)));
        }
        closed
    }

    // === what is stored ===

    /// Continues with a stored thread.
    pub fn restore(&mut self, thread: CallThread) {
        let open = thread.calls.values().filter(|call| call.ended_at.is_none());
        self.calls.extend(open.map(|call| (call.call.conn_id, thread.id)));
        self.rearm(thread.id, None, thread.ended_at());
        self.open.insert(thread.id, thread);
    }

    /// Has a stored thread removed that cannot be read.
    pub fn forget(&mut self, id: CallUuid) {
        self.changed.insert(id);
    }

    /// The threads that are to be stored; `None` for one that is to be removed, which [`Self::close`] has returned.
    pub fn changed(&self) -> impl ExactSizeIterator<Item = (CallUuid, Option<&CallThread>)> {
        let closed = |id: &CallUuid| self.closed.iter().find(|thread| thread.id == *id);
        self.changed.iter().map(move |id| (*id, self.open.get(id).or_else(|| closed(id))))
    }

    /// All threads are stored as they are.
    pub fn stored(&mut self) {
        self.changed.clear();
    }

    /// Nothing is stored any more.
    pub fn store_again(&mut self) {
        self.changed.extend(self.open.keys());
    }

    /// Notes that events of the open threads may be missing.
    pub fn lack_events(&mut self) {
        self.open.values_mut().for_each(CallThread::lacks_events);
        self.store_again();
    }

    /// The number of open threads.
    pub fn len(&self) -> usize {
        self.open.len()
    }

    /// The time of an open call's last event.
    pub fn last_event(&self, conn_id: ConnId) -> Option<Timestamp> {
        let thread = self.open.get(self.calls.get(&conn_id)?)?;
        thread.calls.get(&conn_id).map(|call| call.last_at)
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
