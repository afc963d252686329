//! A worker's slot, as seen from outside its thread.
//!
//! A script can block its thread forever: the engine checks no limit within a built-in function. Such a thread is
//! abandoned. Another one takes the slot and continues with the inbox and with the last published state of the
//! sessions. The session that blocked the thread ends, and its document does not start again here.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use infra::{Position, SessionId};
use model::{ConnId, TenantId, Token};
use tokio::sync::mpsc;

use super::fair::Inbox;
use super::{Key, Posted, Restore};
use crate::ors::applications::Application;
use crate::ors::call_session::Caller;
use crate::ors::session_facts::SessionFacts;

/// How often the threads are checked.
pub(in crate::ors) const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A thread that is processing the same session at this number of consecutive checks is blocked. Checks are counted
/// instead of seconds, so that a process that was suspended blames no session.
const LOOKS_MAX: u32 = 30;
/// Checks per second of the configured script time, if it is longer than usual: an input and its snapshot have three evaluations each.
const LOOKS_PER_EVALUATION: u64 = 15;
/// Abandoned threads after which no document starts any more: each may keep a processor busy until the process ends.
const ABANDONED_MAX: usize = 4;
/// Threads that one tenant may block before none of its documents starts any more.
const ABANDONED_OF_TENANT_MAX: usize = 2;

/// Inbox and sessions of one worker, whichever thread serves it.
pub(in crate::ors) struct Slot {
    pub(super) inbox: tokio::sync::Mutex<Inbox>,
    seen: Mutex<Seen>,
    looks_max: u32,
}

#[derive(Default)]
struct Seen {
    /// Number of the thread that serves the slot. A thread that finds another number here is abandoned.
    life: u32,
    /// The work that the thread is processing, and the number of checks that have seen it.
    in_hand: Option<(CurrentWork, u32)>,
    sessions: HashMap<Key, SlotSnapshot>,
}

/// Work in which a script may block a thread.
pub(super) enum CurrentWork {
    /// Starting a call's application.
    Start(Box<Beginning>),
    /// Restoring a session.
    Restore(Box<Restore>),
    /// Processing an input of a session.
    Session(Key),
}

/// An application that is being started.
pub(super) struct Beginning {
    pub tenant: TenantId,
    pub session: SessionId,
    pub caller: Caller,
    pub application: Arc<Application>,
    pub entry: Position,
}

/// A session's state when it last emitted a step.
#[derive(Clone)]
pub(super) struct SlotSnapshot {
    pub session: SessionId,
    pub token: Token,
    pub application: Arc<Application>,
    pub state: Bytes,
    pub facts: SessionFacts,
}

/// What has become of a session since a thread last published its state.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Published {
    Began,
    Ended,
}

/// The state left by an abandoned thread; empty for a new slot.
#[derive(Default)]
pub(in crate::ors) struct Left {
    pub(super) life: u32,
    pub(super) held_by: Option<CurrentWork>,
    pub(super) sessions: HashMap<Key, SlotSnapshot>,
}

impl Slot {
    /// A slot for threads whose scripts have `script_time` for an evaluation.
    pub fn new(inbox: mpsc::Receiver<Posted>, script_time: Duration) -> Self {
        let looks = script_time.as_secs().saturating_mul(LOOKS_PER_EVALUATION);
        let looks_max = u32::try_from(looks).unwrap_or(u32::MAX).max(LOOKS_MAX);
        Self { inbox: tokio::sync::Mutex::new(Inbox::new(inbox)), seen: Mutex::default(), looks_max }
    }

    /// Records the work that the thread is starting.
    pub(super) fn hold(&self, life: u32, what: CurrentWork) {
        let mut seen = self.seen();
        if seen.life == life {
            seen.in_hand = Some((what, 0));
        }
    }

    /// Records that the thread has finished its work, and publishes the changed or ended sessions. Returns which are new
    /// and which have ended; `None` for an abandoned thread.
    pub(super) fn release(
        &self,
        life: u32,
        changed: impl Iterator<Item = (Key, Option<SlotSnapshot>)>,
    ) -> Option<Vec<(TenantId, Published)>> {
        let mut seen = self.seen();
        if seen.life != life {
            return None;
        }
        seen.in_hand = None;
        let mut changes = Vec::new();
        for (key, snapshot) in changed {
            match snapshot {
                Some(snapshot) => match seen.sessions.entry(key) {
                    Entry::Occupied(mut known) => drop(known.insert(snapshot)),
                    Entry::Vacant(new) => {
                        changes.push((new.key().0.clone(), Published::Began));
                        new.insert(snapshot);
                    }
                },
                None => changes.extend(seen.sessions.remove(&key).map(|_| (key.0, Published::Ended))),
            }
        }
        Some(changes)
    }

    /// Checks the thread's current work. If it has taken too long, takes the slot with its sessions from the thread.
    pub(in crate::ors) fn look(&self) -> Option<Left> {
        let mut seen = self.seen();
        let (_, looks) = seen.in_hand.as_mut()?;
        *looks += 1;
        if *looks < self.looks_max {
            return None;
        }
        seen.life += 1;
        let held_by = seen.in_hand.take().map(|(what, _)| what);
        // The sessions stay here until the next thread publishes them: it may be blocked before that.
        Some(Left { life: seen.life, held_by, sessions: seen.sessions.clone() })
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        // The state is consistent after every statement.
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Left ===

impl Left {
    /// Number of sessions to be continued.
    pub(in crate::ors) fn len(&self) -> usize {
        self.sessions.len()
    }

    /// Number of the next thread.
    pub(in crate::ors) const fn life(&self) -> u32 {
        self.life
    }

    /// The call whose session blocked the thread.
    pub(in crate::ors) fn call(&self) -> Option<ConnId> {
        match self.held_by.as_ref()? {
            CurrentWork::Start(beginning) => Some(beginning.caller.call.conn_id),
            CurrentWork::Restore(restore) => Some(ConnId(restore.record.call.as_ref()?.conn_id)),
            CurrentWork::Session(key) => Some(key.1),
        }
    }

    /// The document that blocked the thread.
    pub(in crate::ors) fn document(&self) -> Option<(TenantId, u64)> {
        match self.held_by.as_ref()? {
            CurrentWork::Start(beginning) => Some((beginning.tenant.clone(), beginning.application.digest)),
            CurrentWork::Restore(restore) => Some((restore.tenant.clone(), restore.application.as_ref()?.digest)),
            CurrentWork::Session(key) => Some((key.0.clone(), self.sessions.get(key)?.application.digest)),
        }
    }
}

/// Documents that have blocked a thread. They may not start again until the process restarts.
#[derive(Clone, Default)]
pub(in crate::ors) struct Barred(Arc<Mutex<Vec<(TenantId, u64)>>>);

impl Barred {
    /// Bars a document that has blocked a thread.
    pub fn bar(&self, tenant: TenantId, digest: u64) {
        // One entry per abandoned thread; these are bounded by this list and the number of workers.
        self.documents().push((tenant, digest));
    }

    /// Whether a document may not start.
    pub fn is_barred(&self, tenant: &TenantId, digest: u64) -> bool {
        let documents = self.documents();
        let of_tenant = documents.iter().filter(|(of, _)| of == tenant).count();
        documents.len() >= ABANDONED_MAX
            || of_tenant >= ABANDONED_OF_TENANT_MAX
            || documents.iter().any(|(of, barred)| of == tenant && *barred == digest)
    }

    fn documents(&self) -> MutexGuard<'_, Vec<(TenantId, u64)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
