//! The record of a session: how it is written, and how it is seen that another replica has the session.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use model::Timestamp;

use super::super::metrics::SessionEnd;
use super::super::records::KeptSession;
use super::phase::SessionPhase;
use super::{DeskSession, SessionState};
use crate::sessions::held::HeldSession;
use crate::sessions::record_writer::{RecordLook, RecordWrite, WritePace};

/// After how long a record is written again, so that it says when it was last seen that the sign-in is not revoked: whoever sleeps for nine
/// minutes finds the session again, also if its replica is killed meanwhile.
const CHECKED_EACH: Duration = Duration::from_secs(60);

/// How long the note may take that a session ends.
const NOTED_WITHIN: Duration = Duration::from_millis(500);

/// The state of a record. What stands behind a write waits for it, unless the store is away.
pub(super) struct RecordWrites {
    /// Its value, as this replica has written or read it last.
    seen: Bytes,
    /// Whether it is being written.
    pub is_under_way: bool,
    /// When it is written.
    pub pace: WritePace,
}

impl RecordWrites {
    /// A record of that value.
    pub fn new(seen: Bytes, written_at: Timestamp) -> Self {
        Self { seen, is_under_way: false, pace: WritePace::new(CHECKED_EACH, written_at) }
    }

    /// Whether what stands behind a write waits for it.
    pub fn is_waited_for(&self) -> bool {
        self.is_under_way && !self.pace.is_away()
    }
}

impl DeskSession {
    /// Writes the record where it is time to.
    pub(super) fn write_in_time(&self, state: &mut SessionState, now: Timestamp) {
        if !state.writes.is_under_way && state.writes.pace.is_time(now) {
            self.begin_write(state);
        }
    }

    /// Whether the record says how the session is: it goes on, or its agent is to be logged out still.
    fn is_kept(state: &SessionState) -> bool {
        match state.phase {
            SessionPhase::Open => true,
            SessionPhase::Ending(..) => state.desk.is_ending(),
            SessionPhase::Over => false,
        }
    }

    /// Writes the record.
    pub(super) fn begin_write(&self, state: &mut SessionState) {
        if !Self::is_kept(state) {
            return;
        }
        let Some(session) = self.me.upgrade() else { return };
        let now = self.parts.now();
        state.writes.pace.is_due = state.writes.is_under_way || state.writes.pace.is_put_off(now);
        if state.writes.pace.is_due {
            return;
        }
        state.writes.is_under_way = true;
        state.writes.pace.tries(now);
        let (kept, seen) = (self.kept(state), state.writes.seen.clone());
        tokio::spawn(async move {
            session.note_ending(&kept).await;
            let written = session.writer.write(&seen, &kept).await;
            session.has_written(written);
        });
    }

    fn kept(&self, state: &SessionState) -> KeptSession {
        let desk = state.desk.snapshot();
        // One that ends lasts until it has: nobody uses it any more.
        let now = desk.ending.is_some().then(|| self.parts.now());
        KeptSession {
            sign_in: state.sign_in.clone(),
            holder: self.parts.replica.holder.clone(),
            checked_at: now.unwrap_or(state.checked_at),
            used_at: now.unwrap_or(state.used_at),
            desk,
        }
    }

    /// Notes that a session ends, where replicas look for those that nobody ends any more.
    async fn note_ending(&self, kept: &KeptSession) {
        if kept.desk.ending.is_none() {
            return;
        }
        let until = self.parts.replica.kept_until(kept.used_at);
        let noted = tokio::time::timeout(NOTED_WITHIN, self.parts.replica.store.note_ending(&self.cookie, until)).await;
        if !matches!(noted, Ok(Ok(()))) {
            tracing::debug!(tenant = %self.cookie.tenant, "no other replica finds a session that ends for now");
        }
    }

    fn has_written(&self, written: RecordWrite) {
        let mut state = self.lock();
        state.writes.is_under_way = false;
        if state.phase.is_over() {
            // It has ended meanwhile: only now nothing is written behind that.
            if !state.is_gone {
                self.end_record();
            }
            return;
        }
        match written {
            RecordWrite::Done(value) => {
                state.writes.seen = value;
                state.writes.pace.has_written();
            }
            RecordWrite::Elsewhere => self.finish(&mut state, SessionEnd::Moved),
            RecordWrite::Later => state.writes.pace.has_failed(),
        }
        self.carry(&mut state);
    }

    /// Its value, unless that is being written, or the store is away.
    fn seen(&self) -> Option<Bytes> {
        let state = self.lock();
        let is_known = !state.writes.is_under_way && !state.writes.pace.is_away() && !state.phase.is_over();
        is_known.then(|| state.writes.seen.clone())
    }

    /// Takes over what was found of the record behind the value that was seen.
    fn is_held_by(&self, seen: &Bytes, found: RecordLook) -> bool {
        let mut state = self.lock();
        if state.writes.is_under_way || state.writes.seen != *seen {
            // It was written meanwhile: the writer has found what there was.
            return !state.phase.is_over();
        }
        match found {
            RecordLook::Same => true,
            RecordLook::Own(value) => {
                state.writes.seen = value;
                true
            }
            // It is written again.
            RecordLook::Lost => {
                self.begin_write(&mut state);
                !state.phase.is_over()
            }
            RecordLook::Elsewhere => {
                self.finish(&mut state, SessionEnd::Moved);
                false
            }
            // The next write finds whether the store answers again.
            RecordLook::Unknown => {
                state.writes.pace.has_failed();
                true
            }
        }
    }
}

impl HeldSession for DeskSession {
    type Record = KeptSession;

    fn is_gone(&self) -> bool {
        self.lock().is_gone
    }

    async fn is_still_held(&self) -> bool {
        let Some(seen) = self.seen() else { return true };
        let found = self.writer.look(&seen).await;
        self.is_held_by(&seen, found)
    }

    async fn hand_over(self: Arc<Self>) {
        let next = {
            let mut state = self.lock();
            let is_kept = Self::is_kept(&state);
            state.writes.is_under_way |= is_kept;
            is_kept.then(|| (self.kept(&state), state.writes.seen.clone()))
        };
        if let Some((mut kept, seen)) = next {
            if kept.desk.ending.is_some() {
                // Nobody asks for it: whichever replica finds it goes on with it at once.
                kept.holder.clear();
                self.note_ending(&kept).await;
            }
            if self.writer.write(&seen, &kept).await == RecordWrite::Later {
                tracing::warn!(tenant = %self.cookie.tenant, "a session of a desktop is handed over as it was written before");
            }
        }
        let mut state = self.lock();
        state.writes.is_under_way = false;
        self.finish(&mut state, SessionEnd::Moved);
    }
}
