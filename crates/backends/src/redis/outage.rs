//! An owner continues while Redis is unavailable, and writes again what Redis has lost.
//!
//! Each client remembers the last state that it has written of every record that it owns. It writes a record again that Redis no
//! longer knows. A Redis that came back empty thus has the records of all owners again within a lease. An owner loses a record only
//! when it sees a higher token.

mod commit;
mod detector;
mod disk_queue;
mod generation;
mod kept_state;
mod last_queues;
mod last_records;
mod last_registrations;
mod queue;
mod recent_facts;
mod recovery;
mod replay;

pub(super) use disk_queue::DiskQueue;

use std::collections::HashMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, MutexGuard, PoisonError};

use model::{Dn, TenantId};

use super::store::lease_watch::LeaseWatch;
use super::store::records::RecordId;
use detector::Detector;
use disk_queue::PreviousRunCommit;
use generation::GenerationState;
use last_queues::LastQueues;
use last_records::LastRecord;
use last_registrations::LastRegistration;
use queue::OutageQueue;
use recent_facts::RecentFacts;

/// What a client remembers so that Redis may be unavailable or lose data.
#[derive(Default)]
pub(super) struct OutageState {
    records: Mutex<HashMap<RecordId, LastRecord>>,
    pub(super) queue: tokio::sync::Mutex<OutageQueue>,
    /// Whether Redis had no room for the last commit of a kind that continues without it.
    pub(super) full: AtomicBool,
    detector: Mutex<Detector>,
    lease_watch: Mutex<LeaseWatch>,
    generation_state: Mutex<GenerationState>,
    queues: Mutex<HashMap<TenantId, LastQueues>>,
    /// The bindings of phones as they were last written.
    registrations: Mutex<HashMap<(TenantId, Dn), LastRegistration>>,
    recent_facts: Mutex<RecentFacts>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl OutageState {
    /// From now on, waiting rows are also kept in that file.
    pub(super) fn keep_in(&mut self, file: DiskQueue, former: Vec<PreviousRunCommit>) {
        self.queue.get_mut().keep_in(file, former);
    }

    /// What others hold, as watched by this client.
    pub(super) fn lease_watch(&self) -> MutexGuard<'_, LeaseWatch> {
        lock(&self.lease_watch)
    }
}
