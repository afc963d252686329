//! The record of a session: how it is written, how it is seen that another replica has the session, and how both end.

use std::sync::Arc;
use std::time::Duration;

use model::Timestamp;

use super::super::metrics::StatisticsSessionEnd;
use super::super::records::KeptSession;
use super::super::subscriptions::OpenStatistic;
use super::{SessionState, StatisticsSession};
use crate::sessions::answers::ApiRefusal;
use crate::sessions::held::HeldSession;
use crate::sessions::record_writer::{RecordLook, RecordWrite};

/// After how long a record is written again, so that it lasts while the session is used.
pub(super) const WRITTEN_EACH: Duration = Duration::from_secs(30);

impl StatisticsSession {
    /// What is kept of it.
    pub(super) fn kept(&self, state: &SessionState) -> KeptSession {
        let of = |open: &[OpenStatistic]| open.iter().map(|statistic| statistic.asked.clone()).collect::<Vec<_>>();
        KeptSession {
            subject: self.subject.clone(),
            holder: self.parts.replica.holder.clone(),
            used_at: state.used_at,
            subscriptions: state.subscriptions.all().map(|(id, open)| (id.to_owned(), of(open))).collect(),
        }
    }

    /// Whether the record is to be written now. Whoever is told so writes it.
    pub(super) fn is_time_to_write(&self, state: &mut SessionState, now: Timestamp) -> bool {
        let is_time = state.pace.is_time(now);
        if is_time {
            state.pace.tries(now);
        }
        is_time
    }

    /// Writes the record. Where the store does not answer, it is written later.
    ///
    /// # Errors
    /// If another replica has the session, or it has ended.
    pub(super) async fn write(&self) -> Result<(), ApiRefusal> {
        let mut seen = self.record.lock().await;
        let kept = {
            let mut state = self.lock();
            if state.is_over {
                return Err(ApiRefusal::elsewhere());
            }
            // Whoever waits for it may give up.
            state.pace.tries(self.parts.now());
            state.pace.is_due = true;
            self.kept(&state)
        };
        match self.writer.write(&seen, &kept).await {
            RecordWrite::Done(value) => {
                *seen = value;
                let mut state = self.lock();
                state.pace.is_due = false;
                state.pace.has_written();
                Ok(())
            }
            RecordWrite::Elsewhere => {
                self.finish(StatisticsSessionEnd::Moved);
                Err(ApiRefusal::elsewhere())
            }
            RecordWrite::Later => {
                self.lock().pace.has_failed();
                Ok(())
            }
        }
    }

    /// It is over here: whoever waits sees that nobody answers any more, and nothing is open for it.
    fn finish(&self, why: StatisticsSessionEnd) {
        let mut state = self.lock();
        if std::mem::replace(&mut state.is_over, true) {
            return;
        }
        state.is_record_ending = why != StatisticsSessionEnd::Moved;
        if why == StatisticsSessionEnd::Moved {
            state.answers.clear();
        } else {
            state.hub.close(self.parts.now());
            self.carry(&mut state);
            state.answers.clear();
        }
        self.followed.forget(&self.reader);
        self.parts.metrics.ended.inc(why);
    }

    /// Ends it, and its record.
    pub fn end(self: &Arc<Self>, why: StatisticsSessionEnd) {
        if self.is_over() {
            return;
        }
        self.finish(why);
        tracing::debug!(tenant = %self.cookie.tenant, subject = self.subject, ?why, "a session of statistics has ended");
        let session = self.clone();
        tokio::spawn(async move {
            // Nothing is written behind the mark: whoever comes to write finds that the session is over.
            drop(session.record.lock().await);
            session.writer.end_in_time().await;
            session.lock().is_record_ending = false;
        });
    }
}

impl HeldSession for StatisticsSession {
    type Record = KeptSession;

    fn is_gone(&self) -> bool {
        let state = self.lock();
        state.is_over && !state.is_record_ending
    }

    async fn is_still_held(&self) -> bool {
        // Who writes it finds whose it is.
        let Ok(mut seen) = self.record.try_lock() else { return !self.is_gone() };
        // Nobody waits for a look until a write finds that the store answers again.
        if self.lock().pace.is_away() {
            return !self.is_gone();
        }
        match self.writer.look(&seen).await {
            RecordLook::Same => {}
            RecordLook::Unknown => {
                let mut state = self.lock();
                state.pace.tries(self.parts.now());
                state.pace.has_failed();
            }
            RecordLook::Own(value) => *seen = value,
            RecordLook::Elsewhere => self.finish(StatisticsSessionEnd::Moved),
            // It is written again.
            RecordLook::Lost => self.lock().pace.is_due = true,
        }
        !self.is_gone()
    }

    async fn hand_over(self: Arc<Self>) {
        // Where that fails, it is handed over as it was written before.
        let _ = self.write().await;
        self.finish(StatisticsSessionEnd::Moved);
    }
}
