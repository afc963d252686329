//! The record of a session: how it is written, and how it is seen that another replica has the session.

use std::time::Duration;

use bytes::Bytes;
use model::Timestamp;

use super::super::metrics::SessionEnd;
use super::super::records::KeptProvisioning;
use super::{ProvisioningSession, ProvisioningState};
use crate::sessions::record_writer::{RecordLook, RecordWrite, WritePace};

/// After how long a record is written again, so that it says when it was last seen that the sign-in is not revoked.
const CHECKED_EACH: Duration = Duration::from_secs(60);

/// The state of a record. Answers wait for a write, as long as a store that is away holds nobody up.
pub(super) struct RecordWrites {
    /// Its value, as this replica has written or read it last.
    seen: Bytes,
    /// What stands in it.
    written: KeptProvisioning,
    /// When it is written.
    pub pace: WritePace,
}

impl RecordWrites {
    /// A record of that value.
    pub fn new(seen: Bytes, written: KeptProvisioning, now: Timestamp) -> Self {
        Self { seen, written, pace: WritePace::new(CHECKED_EACH, now) }
    }

    /// Whether something else stands in it than is to, but for when the session was used.
    pub fn is_other(&self, kept: &KeptProvisioning) -> bool {
        let Self { written, .. } = self;
        (&written.sign_in, written.begun_at) != (&kept.sign_in, kept.begun_at)
            || written.hub != kept.hub
            || written.last_number != kept.last_number
            || written.operations != kept.operations
            || written.watch != kept.watch
            || (&written.exports, written.last_export) != (&kept.exports, kept.last_export)
            || written.import != kept.import
    }
}

impl ProvisioningSession {
    /// Writes the record. Where the store does not answer, the session goes on without.
    pub(super) async fn write(&self, state: &mut ProvisioningState) {
        let now = self.parts.now();
        if state.writes.pace.is_put_off(now) {
            return;
        }
        state.writes.pace.tries(now);
        let kept = KeptProvisioning { hub: state.hub.snapshot(), ..state.kept.clone() };
        match self.writer.write(&state.writes.seen, &kept).await {
            RecordWrite::Done(seen) => state.writes = RecordWrites::new(seen, kept, now),
            RecordWrite::Elsewhere => self.finish(state, SessionEnd::Moved),
            RecordWrite::Later => state.writes.pace.has_failed(),
        }
    }

    /// Whether this replica has it still. Where the store does not answer, it has, and nobody waits for a look until a write finds that it
    /// answers again.
    pub(super) async fn holds_record(&self, state: &mut ProvisioningState) -> bool {
        if state.writes.pace.is_away() {
            return true;
        }
        match self.writer.look(&state.writes.seen).await {
            RecordLook::Same => true,
            RecordLook::Unknown => {
                state.writes.pace.tries(self.parts.now());
                state.writes.pace.has_failed();
                true
            }
            RecordLook::Own(value) => {
                state.writes.seen = value;
                true
            }
            // It is written again.
            RecordLook::Lost => {
                self.write(state).await;
                !self.is_over()
            }
            RecordLook::Elsewhere => {
                self.finish(state, SessionEnd::Moved);
                false
            }
        }
    }
}
