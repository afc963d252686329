//! A worker's place, as it is known outside of its thread.
//!
//! A script can hold its thread for good: within a built-in function of the engine nobody looks up. Such a thread is abandoned. Another one
//! takes the place: it goes on with the inbox, and with what the sessions were when they last handed something out. The session that held the
//! thread ends, and its document does not begin again here.

use std::collections::HashMap;
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

/// How often the threads are looked at.
pub(in crate::ors) const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A thread that has the same session in hand at so many looks in a row is held. Looks are counted and not seconds, so that a process that
/// stood still holds nobody to blame.
const LOOKS_MAX: u32 = 30;
/// Where scripts are given more time than usual, it is so many times what one evaluation may take: an input and its photograph have three each.
const LOOKS_PER_EVALUATION: u64 = 15;
/// Threads that are abandoned before no document begins any more: each may keep a processor busy for as long as the process lives.
const ABANDONED_MAX: usize = 4;
/// Threads that one tenant may cost before none of its documents begins any more.
const ABANDONED_OF_TENANT_MAX: usize = 2;

/// Inbox and sessions of one worker, whichever thread serves it.
pub(in crate::ors) struct Slot {
    pub(super) inbox: tokio::sync::Mutex<Inbox>,
    seen: Mutex<Seen>,
    looks_max: u32,
}

#[derive(Default)]
struct Seen {
    /// Which thread serves it. One that finds another number is abandoned.
    life: u32,
    /// What the thread has in hand, and how many looks have seen it there.
    in_hand: Option<(InHand, u32)>,
    sessions: HashMap<Key, Photo>,
}

/// What a script may hold a thread with.
pub(super) enum InHand {
    /// A call's application begins.
    Start(Box<Beginning>),
    /// A session is restored.
    Restore(Box<Restore>),
    /// A session takes an input.
    Session(Key),
}

/// What is known of an application that begins.
pub(super) struct Beginning {
    pub tenant: TenantId,
    pub session: SessionId,
    pub caller: Caller,
    pub application: Arc<Application>,
    pub entry: Position,
}

/// A session as it stood when it last handed something out.
#[derive(Clone)]
pub(super) struct Photo {
    pub session: SessionId,
    pub token: Token,
    pub application: Arc<Application>,
    pub state: Bytes,
    pub facts: SessionFacts,
}

/// What an abandoned thread has left, or nothing where the place is new.
#[derive(Default)]
pub(in crate::ors) struct Left {
    pub(super) life: u32,
    pub(super) held_by: Option<InHand>,
    pub(super) sessions: HashMap<Key, Photo>,
}

impl Slot {
    /// A place for threads whose scripts have that time for an evaluation.
    pub fn new(inbox: mpsc::Receiver<Posted>, script_time: Duration) -> Self {
        let looks = script_time.as_secs().saturating_mul(LOOKS_PER_EVALUATION);
        let looks_max = u32::try_from(looks).unwrap_or(u32::MAX).max(LOOKS_MAX);
        Self { inbox: tokio::sync::Mutex::new(Inbox::new(inbox)), seen: Mutex::default(), looks_max }
    }

    /// Says what may hold the thread from here on.
    pub(super) fn hold(&self, life: u32, what: InHand) {
        let mut seen = self.seen();
        if seen.life == life {
            seen.in_hand = Some((what, 0));
        }
    }

    /// The thread has done its work: these sessions have changed, or are over. How many there are more; none for a thread that is
    /// abandoned.
    pub(super) fn release(&self, life: u32, changed: impl Iterator<Item = (Key, Option<Photo>)>) -> Option<i64> {
        let mut seen = self.seen();
        if seen.life != life {
            return None;
        }
        seen.in_hand = None;
        let before = seen.sessions.len() as i64;
        for (key, photo) in changed {
            match photo {
                Some(photo) => drop(seen.sessions.insert(key, photo)),
                None => drop(seen.sessions.remove(&key)),
            }
        }
        Some(seen.sessions.len() as i64 - before)
    }

    /// Looks at what the thread has in hand. From one that has had it for too long its place is taken, with all that there is.
    pub(in crate::ors) fn look(&self) -> Option<Left> {
        let mut seen = self.seen();
        let (_, looks) = seen.in_hand.as_mut()?;
        *looks += 1;
        if *looks < self.looks_max {
            return None;
        }
        seen.life += 1;
        let held_by = seen.in_hand.take().map(|(what, _)| what);
        // They stay here until the next thread shows what has become of them: it may be held itself before.
        Some(Left { life: seen.life, held_by, sessions: seen.sessions.clone() })
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        // Whole after every statement.
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Left ===

impl Left {
    /// How many sessions are to be gone on with.
    pub(in crate::ors) fn len(&self) -> usize {
        self.sessions.len()
    }

    /// Which thread the next one is.
    pub(in crate::ors) const fn life(&self) -> u32 {
        self.life
    }

    /// The call whose session held the thread.
    pub(in crate::ors) fn call(&self) -> Option<ConnId> {
        match self.held_by.as_ref()? {
            InHand::Start(beginning) => Some(beginning.caller.call.conn_id),
            InHand::Restore(restore) => Some(ConnId(restore.record.call.as_ref()?.conn_id)),
            InHand::Session(key) => Some(key.1),
        }
    }

    /// The document that held the thread.
    pub(in crate::ors) fn document(&self) -> Option<(TenantId, u64)> {
        match self.held_by.as_ref()? {
            InHand::Start(beginning) => Some((beginning.tenant.clone(), beginning.application.digest)),
            InHand::Restore(restore) => Some((restore.tenant.clone(), restore.application.as_ref()?.digest)),
            InHand::Session(key) => Some((key.0.clone(), self.sessions.get(key)?.application.digest)),
        }
    }
}

/// Documents that have held a thread. They do not begin again before the process does.
#[derive(Clone, Default)]
pub(in crate::ors) struct Barred(Arc<Mutex<Vec<(TenantId, u64)>>>);

impl Barred {
    /// A document has held a thread.
    pub fn bar(&self, tenant: TenantId, digest: u64) {
        // As many as threads that are abandoned, and those are bounded by this list and the number of workers.
        self.documents().push((tenant, digest));
    }

    /// Whether a document may not begin.
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
