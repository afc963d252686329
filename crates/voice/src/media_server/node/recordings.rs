//! Recordings of legs: promised when their treatment starts, written outside the loop when they are over, and only then reported.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use ivr::msml;
use media::session::{Outcome, RecordedSpeech};
use model::request::Treatment;
use model::{TenantId, Timestamp};
use net::rtp::LegId;
use sip::agent::DialogId;

use super::Node;
use super::faults::Doing;
use crate::media_server::announcements::{Announcements, Used, bytes_of};
use crate::media_server::limits::{RECORDINGS_MAX, TENANT_RECORDINGS_MAX};
use crate::media_server::prompts::name_of;

/// A recording of a leg: the leg's id for the driver, and the number of the treatment.
pub type RecordingKey = (LegId, u64);

/// A recording in progress, or being written.
#[derive(Debug)]
struct Promise {
    tenant: TenantId,
    /// The id of the announcement.
    id: String,
    /// Its most bytes.
    bytes: u64,
    /// Whom its end is reported to once it is written, unless it was stopped.
    reports: Option<(DialogId, Outcome)>,
}

/// A recording to be written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Writing {
    /// Comes back to [`Node::recording_written`].
    pub key: RecordingKey,
    /// Its tenant.
    pub tenant: TenantId,
    /// The id of the announcement.
    pub id: String,
    /// Its samples.
    pub samples: Arc<[i16]>,
}

/// The recordings that are not in the store yet.
#[derive(Debug, Default)]
pub struct Recordings {
    promised: BTreeMap<RecordingKey, Promise>,
    writing: VecDeque<Writing>,
}

impl Recordings {
    /// Whether a further one of that tenant fits.
    pub fn may_begin(&self, store: &Announcements, tenant: &TenantId, record: &msml::Record) -> bool {
        let of_tenant = self.promised.values().filter(|promise| promise.tenant == *tenant);
        let promised =
            of_tenant.fold(Used::default(), |sum, it| Used { count: sum.count + 1, bytes: sum.bytes + it.bytes });
        name_of(&record.uri).is_some_and(Treatment::is_announcement_id)
            && self.promised.len() < RECORDINGS_MAX
            && promised.count < TENANT_RECORDINGS_MAX
            && store.has_room(tenant, promised, record.longest)
    }

    /// The leg's audio has failed, and its recording with it, unless that is over.
    pub fn forget(&mut self, leg: LegId) {
        let writing = &self.writing;
        self.promised.retain(|key, _| key.0 != leg || writing.iter().any(|writing| writing.key == *key));
    }

    /// Whether all that is over is written.
    pub fn are_written(&self) -> bool {
        self.promised.is_empty()
    }
}

impl Node {
    /// A treatment starts that records.
    pub(super) fn promise_recording(&mut self, key: RecordingKey, tenant: TenantId, record: &msml::Record) {
        let id = name_of(&record.uri).unwrap_or_default().to_owned();
        let promise = Promise { tenant, id, bytes: bytes_of(record.longest), reports: None };
        self.recordings.promised.insert(key, promise);
    }

    /// A treatment that records has ended by itself. Returns whether its end is reported later, when it is written.
    pub(super) fn recording_ended(&mut self, dialog: DialogId, leg: LegId, outcome: &Outcome) -> bool {
        let key = (leg, outcome.id);
        let Some(recorded) = outcome.recorded.clone() else {
            self.recordings.promised.remove(&key);
            return false;
        };
        if let Some(promise) = self.recordings.promised.get_mut(&key) {
            promise.reports = Some((dialog, outcome.clone()));
        }
        self.write_recording(key, recorded)
    }

    /// A treatment that records was stopped, or its leg has ended: what it has is kept, and its owner knows already.
    pub(super) fn recording_stopped(&mut self, key: RecordingKey, recorded: Option<RecordedSpeech>) {
        match recorded {
            Some(recorded) => drop(self.write_recording(key, recorded)),
            None => drop(self.recordings.promised.remove(&key)),
        }
    }

    fn write_recording(&mut self, key: RecordingKey, recorded: RecordedSpeech) -> bool {
        let Some(Promise { tenant, id, .. }) = self.recordings.promised.get(&key) else { return false };
        let writing = Writing { key, tenant: tenant.clone(), id: id.clone(), samples: recorded.samples };
        self.recordings.writing.push_back(writing);
        true
    }

    /// The store of recorded announcements.
    pub fn announcements(&self) -> &Announcements {
        self.prompts.announcements()
    }

    /// The next recording to write.
    pub fn poll_writing(&mut self) -> Option<Writing> {
        self.recordings.writing.pop_front()
    }

    /// A recording is written, or could not be: its end is reported, without what was recorded if that is lost.
    pub fn recording_written(&mut self, key: RecordingKey, written: &std::io::Result<()>, now: Timestamp) {
        let Some(promise) = self.recordings.promised.remove(&key) else { return };
        match written {
            Ok(()) => self.metrics.recording_kept(),
            Err(error) => {
                self.metrics.recording_lost();
                tracing::error!(tenant = %promise.tenant, id = promise.id, %error, "a recorded announcement cannot be written");
            }
        }
        let Some((dialog, mut outcome)) = promise.reports else { return };
        if written.is_err() {
            outcome.recorded = None;
        }
        self.attempt(Doing::LegEvent(key.0), now, |node| {
            node.set_current(dialog);
            node.mark(dialog);
            node.report_end(dialog, &outcome, now);
            node.settle(now);
        });
    }

    /// Deletes an announcement of the leg's tenant.
    pub(super) fn delete_recording(&mut self, dialog: DialogId, uri: &str) {
        let Some((leg, id)) = self.legs.get(&dialog).zip(name_of(uri)) else { return };
        if let Err(error) = self.prompts.announcements().delete(&leg.tenant, id) {
            tracing::error!(tenant = %leg.tenant, id, %error, "a recorded announcement cannot be deleted");
        }
    }

    /// The previous process has taken a recording with it: the treatment has failed, and the call goes on.
    pub(super) fn recording_lost(&mut self, dialog: DialogId, now: Timestamp) {
        let records =
            |leg: &super::leg::Leg| leg.connection.running().is_some_and(|running| running.dialog.record.is_some());
        let Some(leg) = self.legs.get_mut(&dialog).filter(|leg| records(leg)) else { return };
        self.metrics.recording_lost();
        for notice in leg.connection.handle_ended(&msml::Outcome::default()) {
            self.notify(dialog, notice, now);
        }
    }
}
