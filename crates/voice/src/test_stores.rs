//! In-memory stores, a clock that is moved by hand, and what encrypts records, for the tests of roles.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::FutureExt as _;
use infra::embedded::Embedded;
use infra::{
    Answer, CallWrite, Change, Clock, LogRecord, ObjectChange, ObjectChanges, ProvisioningStore, Refused, ReportingLog,
    Revision, StoreError, Stores,
};
use model::{ConnId, Owner, TenantId, Timestamp, Token};
use runtime::installation_key::InstallationKey;

use crate::record_cipher::RecordCipher;

/// Encrypts what is confidential in the records of all nodes of a test.
pub fn cipher() -> RecordCipher {
    RecordCipher::of(&InstallationKey::from_bytes([7; 32]))
}

/// A clock that only tests move.
pub struct HandClock(AtomicU64);

impl HandClock {
    pub fn new() -> Arc<Self> {
        Arc::new(Self(AtomicU64::new(Timestamp::from_millis(1_700_000_000_000).as_micros())))
    }

    pub fn pass(&self, time: Duration) {
        self.0.fetch_add(u64::try_from(time.as_micros()).unwrap(), Relaxed);
    }
}

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Relaxed))
    }
}

/// A reporting log that tests can read.
#[derive(Default)]
pub struct MemoryLog(pub Mutex<Vec<LogRecord>>);

impl ReportingLog for MemoryLog {
    fn append(&self, records: Vec<LogRecord>) -> Answer<'_, Vec<Refused>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(records);
        async { Ok(Vec::new()) }.boxed()
    }
}

/// Voice roles have no access to the persistent configuration.
struct NoProvisioning;

fn no_way<T: Send + 'static>() -> Answer<'static, T> {
    async { Err(StoreError::Invalid("voice roles have no provisioning store".to_owned())) }.boxed()
}

impl ProvisioningStore for NoProvisioning {
    fn tenants(&self) -> Answer<'_, Vec<(TenantId, Revision)>> {
        no_way()
    }

    fn load<'a>(&'a self, _: &'a TenantId) -> Answer<'a, Option<(Revision, contracts::provisioning::TenantObjects)>> {
        no_way()
    }

    fn update<'a>(
        &'a self,
        _: &'a TenantId,
        _: Revision,
        _: Vec<ObjectChange>,
        _: &'a infra::ChangeNote,
    ) -> Answer<'a, Revision> {
        no_way()
    }

    fn next_generation<'a>(&'a self, _: &'a TenantId, _: u64) -> Answer<'a, u64> {
        no_way()
    }

    fn changes<'a>(&'a self, _: &'a TenantId, _: Revision) -> Answer<'a, ObjectChanges> {
        no_way()
    }

    fn versioned<'a>(&'a self, _: &'a TenantId) -> Answer<'a, Option<infra::VersionedObjects>> {
        no_way()
    }
    fn find_versioned<'a>(
        &'a self,
        _: &'a TenantId,
        _: &'a contracts::provisioning::ObjectKey,
    ) -> Answer<'a, Option<(Revision, contracts::provisioning::Object)>> {
        no_way()
    }
    fn history<'a>(&'a self, _: &'a TenantId, _: &'a infra::HistoryPage) -> Answer<'a, Vec<infra::HistoryEntry>> {
        no_way()
    }
    fn entry_at<'a>(
        &'a self,
        _: &'a TenantId,
        _: &'a contracts::provisioning::ObjectKey,
        _: Revision,
    ) -> Answer<'a, Option<infra::HistoryEntry>> {
        no_way()
    }
    fn request<'a>(
        &'a self,
        _: &'a TenantId,
        _: &'a str,
        _: &'a str,
        _: model::Timestamp,
    ) -> Answer<'a, Vec<infra::HistoryEntry>> {
        no_way()
    }
}

/// The write with which that owner creates a call.
pub fn beginning(tenant: TenantId, conn_id: ConnId, owner: Owner) -> CallWrite {
    CallWrite {
        tenant,
        conn_id,
        owner,
        token: Token(1),
        change: Change::Create { state: bytes::Bytes::from_static(b"c"), intentions: bytes::Bytes::new() },
        due: None,
        index: Vec::new(),
        events: Vec::new(),
        new_call: None,
        absorbs: None,
    }
}

/// In-memory stores, which end with the test.
pub fn stores(clock: Arc<HandClock>) -> Stores {
    let embedded = Arc::new(Embedded::in_memory(clock.clone()));
    Stores::of(embedded, Arc::new(MemoryLog::default()), Arc::new(NoProvisioning), clock)
}
