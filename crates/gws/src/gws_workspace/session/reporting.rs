//! The statistics that a session has open, and their record. It is apart from that of the session, which has 16 KiB.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use infra::StoreError;
use serde_json::Value;

use super::super::reporting::{OpenedStatistic, ReadStatistics, SessionReporting, WantedStatistic};
use super::{DeskSession, SessionState};
use crate::sessions::answers::ApiRefusal;
use crate::sessions::held::HeldSession as _;
use crate::whose_numbers::OF_OTHERS;

/// After how long the record is written again, so that it does not end before the session: less than it outlasts that.
const WRITTEN_EACH: Duration = Duration::from_secs(150);
/// For how long values are read after somebody has asked for them to whom they are not told.
const WANTED_FOR: Duration = Duration::from_secs(30);
/// How long it may take to write it.
const WRITTEN_WITHIN: Duration = Duration::from_millis(500);
/// The pause after a read or a write that failed.
const TRIED_AGAIN_AFTER: Duration = Duration::from_secs(1);
/// How often it is read anew because somebody else has written it meanwhile.
const TRIES_MAX: usize = 3;

/// The record, as this replica has read or written it last.
#[derive(Default)]
pub(super) struct ReportingRecord {
    /// Its value; none if there is no record.
    seen: Option<Bytes>,
    /// Whether it is still to be read: another replica may have written it.
    is_unread: bool,
}

impl DeskSession {
    /// The statistics as they are asked for: of oneself by the employee id.
    ///
    /// # Errors
    /// 403 if the person may not see one of them.
    pub fn visible_statistics(&self, mut statistics: Vec<OpenedStatistic>) -> Result<Vec<OpenedStatistic>, ApiRefusal> {
        let state = self.lock();
        let own = state.desk.own_names();
        let sight = state.sign_in.numbers_sight(own.as_ref());
        for OpenedStatistic { wanted, .. } in &mut statistics {
            let Some(object) = sight.seen_as(&wanted.object_type, &wanted.object_id).map(str::to_owned) else {
                return Err(ApiRefusal::forbidden(format!(
                    "objectId: {:.64} is not the own agent or phone, a queue or a group; this needs one of the scopes {}",
                    wanted.object_id,
                    OF_OTHERS.join(", ")
                )));
            };
            wanted.object_id = object;
        }
        Ok(statistics)
    }

    /// Closes what the person may see no longer, and tells the clients: a later sign-in may open less, and the person be another agent.
    pub(super) fn close_hidden(&self, state: &mut SessionState) {
        let own = state.desk.own_names();
        let Some(message) = state.reporting.close_hidden(&state.sign_in.numbers_sight(own.as_ref())) else { return };
        state.is_reporting_due = true;
        // A client that has no room for it sees that they are not among its values.
        state.desk.report(&message, self.parts.now());
        self.carry(state);
    }

    /// Opens a subscription; the answer has the values that are known.
    ///
    /// # Errors
    /// 409 if that is too much for a session; 503 if it is not here any more.
    pub fn open_statistics(
        &self,
        id: String,
        statistics: Vec<OpenedStatistic>,
        read: &ReadStatistics,
    ) -> Result<Value, ApiRefusal> {
        let mut state = self.lock();
        if state.phase.is_over() {
            return Err(ApiRefusal::elsewhere());
        }
        state.reporting_wanted_at = self.parts.now();
        let opened = state.reporting.open(id, statistics, read);
        // There may be a later sign-in since the values were asked for.
        self.close_hidden(&mut state);
        opened.map_err(|fault| ApiRefusal::conflict(fault.to_string()))
    }

    /// Closes a subscription. Returns whether there was one.
    pub fn close_statistics(&self, id: &str) -> bool {
        self.lock().reporting.close(id)
    }

    /// A subscription with its values, which are wanted then: whoever asks may ask again.
    pub fn shown_statistics(&self, id: &str) -> Option<Value> {
        let mut state = self.lock();
        state.reporting_wanted_at = self.parts.now();
        state.reporting.shown(id)
    }

    /// The ids of all subscriptions.
    pub fn subscriptions(&self) -> Vec<String> {
        self.lock().reporting.ids().map(str::to_owned).collect()
    }

    /// Adds what is to be read, which is nothing of a session that is over; nor, but where `is_for_all`, of one to which nobody listens,
    /// and of which nobody has asked for values lately. Returns whether it has something.
    pub fn add_wanted_statistics(&self, wanted: &mut BTreeSet<WantedStatistic>, is_for_all: bool) -> bool {
        let state = self.lock();
        if state.phase.is_over() || state.reporting.is_empty() {
            return false;
        }
        let is_asked = || self.parts.now().since(state.reporting_wanted_at) < WANTED_FOR;
        if !is_for_all && !state.desk.has_statistics_listener() && !is_asked() {
            return false;
        }
        for statistic in state.reporting.wanted() {
            // Most sessions have the same open.
            if !wanted.contains(statistic) {
                wanted.insert(statistic.clone());
            }
        }
        true
    }

    /// Tells the clients what was read, or that nobody has answered.
    pub fn report(&self, read: Option<&ReadStatistics>) {
        let mut state = self.lock();
        if state.phase.is_over() {
            return;
        }
        let messages = match read {
            Some(read) => {
                let tells_all = state.desk.wants_all_statistics();
                state.reporting.take(read, tells_all)
            }
            None => state.reporting.lose().into_iter().collect(),
        };
        let now = self.parts.now();
        for message in messages {
            if !state.desk.report(&message, now) {
                state.reporting.owe_all();
            }
        }
        self.carry(&mut state);
    }

    // === the record ===

    /// Whether the record is to be read or written again.
    pub fn is_reporting_due(&self) -> bool {
        let state = self.lock();
        let is_old = self.parts.now().since(state.reporting_tried_at) > WRITTEN_EACH;
        !state.phase.is_over() && (state.is_reporting_due || is_old && !state.reporting.is_empty())
    }

    /// Writes the record, one time after the other. Where the store does not answer, another replica does not know what is open until it is
    /// written again.
    pub async fn keep_reporting(&self) {
        let mut record = self.reporting_record.lock().await;
        {
            let mut state = self.lock();
            let now = self.parts.now();
            if state.is_reporting_due && now.since(state.reporting_tried_at) < TRIED_AGAIN_AFTER {
                return;
            }
            (state.is_reporting_due, state.reporting_tried_at) = (true, now);
        }
        let kept = tokio::time::timeout(WRITTEN_WITHIN, self.read_and_written(&mut record)).await;
        match kept {
            Ok(Ok(())) => self.lock().is_reporting_due = false,
            Ok(Err(error)) => tracing::debug!(%error, "what a desktop has open of statistics is written later"),
            Err(_) => tracing::debug!("the store does not take in time what a desktop has open of statistics"),
        }
    }

    /// Goes on with what another replica has kept. Where the store does not answer, it is tried again.
    pub async fn adopt_reporting(&self) {
        let mut record = self.reporting_record.lock().await;
        record.is_unread = true;
        let read = tokio::time::timeout(WRITTEN_WITHIN, self.read_reporting(&mut record)).await;
        if !matches!(read, Ok(Ok(()))) {
            tracing::warn!(tenant = %self.cookie.tenant, "what a desktop had open of statistics cannot be read now");
            let mut state = self.lock();
            (state.is_reporting_due, state.reporting_tried_at) = (true, self.parts.now());
        }
    }

    async fn read_and_written(&self, record: &mut ReportingRecord) -> Result<(), StoreError> {
        if record.is_unread {
            // Written before it was read, it would lack what it has.
            self.read_reporting(record).await?;
        }
        for _ in 0..TRIES_MAX {
            let (kept, until) = {
                let state = self.lock();
                let is_nothing = state.reporting.is_empty() && record.seen.is_none();
                if state.phase.is_over() || is_nothing {
                    return Ok(());
                }
                (state.reporting.kept(), self.parts.replica.kept_until(self.parts.now()))
            };
            let written =
                self.parts.replica.store.keep_reporting(&self.cookie, record.seen.as_ref(), kept, until).await?;
            if written.is_some() {
                record.seen = written;
                return Ok(());
            }
            // Another replica has the session, or a write of our own was not answered, or the store has lost the record.
            if !self.is_still_held().await {
                return Ok(());
            }
            record.seen = self.parts.replica.store.reporting(&self.cookie).await?;
        }
        Err(StoreError::Unavailable { reason: "it changes again and again".to_owned() })
    }

    /// Reads the record, and writes it as it is: whoever had the session before writes it no more.
    async fn read_reporting(&self, record: &mut ReportingRecord) -> Result<(), StoreError> {
        let store = &self.parts.replica.store;
        for _ in 0..TRIES_MAX {
            let Some(seen) = store.reporting(&self.cookie).await? else {
                (record.seen, record.is_unread) = (None, false);
                return Ok(());
            };
            let Some(kept) = store.opened_reporting(&self.cookie, &seen) else {
                (record.seen, record.is_unread) = (Some(seen), false);
                return Ok(());
            };
            let until = self.parts.replica.kept_until(self.parts.now());
            let written = store.keep_reporting(&self.cookie, Some(&seen), kept.clone(), until).await?;
            if written.is_some() {
                (record.seen, record.is_unread) = (written, false);
                if let Some(before) = SessionReporting::of_kept(&kept) {
                    let mut state = self.lock();
                    state.reporting.join(before);
                    self.close_hidden(&mut state);
                }
                return Ok(());
            }
        }
        Err(StoreError::Unavailable { reason: "it changes again and again".to_owned() })
    }
}
