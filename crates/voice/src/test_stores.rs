//! In-memory stores, a clock that is moved by hand, and what encrypts records, for the tests of roles.

use std::sync::{Arc, Mutex, PoisonError};

use futures::FutureExt as _;
use infra::conformance::{NoProvisioning, SetClock};
use infra::embedded::Embedded;
use infra::{Answer, CallWrite, Change, LogRecord, Refused, ReportingLog, Stores};
use model::{ConnId, Owner, TenantId, Timestamp, Token};
use runtime::installation_key::InstallationKey;

use crate::record_cipher::RecordCipher;

/// Encrypts what is confidential in the records of all nodes of a test.
pub fn cipher() -> RecordCipher {
    RecordCipher::of(&InstallationKey::from_bytes([7; 32]))
}

/// A clock that only tests move.
pub fn set_clock() -> Arc<SetClock> {
    SetClock::at(Timestamp::from_millis(1_700_000_000_000))
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
pub fn stores(clock: Arc<SetClock>) -> Stores {
    let embedded = Arc::new(Embedded::in_memory(clock.clone()));
    Stores::of(embedded, Arc::new(MemoryLog::default()), Arc::new(NoProvisioning), clock)
}
