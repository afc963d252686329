//! Records of sign-ins for tests, with which there can be trouble.

use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures::FutureExt as _;
use infra::conformance::SetClock;
use infra::embedded::Embedded;
use infra::{Answer, SignInKey, SignIns, StoreError};
use model::{TenantId, Timestamp};

/// What is wrong with the store.
#[derive(Clone, Copy, Debug)]
pub(crate) enum StoreTrouble {
    /// It does as it should.
    Nothing,
    /// It refuses.
    Away,
    /// It does not answer.
    Hung,
}

/// Records in memory that a test can have trouble with.
pub(crate) struct TroubledRecords {
    clock: Arc<SetClock>,
    records: Mutex<Arc<dyn SignIns>>,
    trouble: Mutex<StoreTrouble>,
    /// How many replacements somebody else is faster than.
    pub overtaken: AtomicUsize,
    /// How many replacements there were.
    pub replaced: AtomicUsize,
    /// How many values were read.
    pub read: AtomicUsize,
    /// Whether reads of records beside those of sessions are not answered.
    pub beside: AtomicBool,
}

impl TroubledRecords {
    /// Records of that time.
    pub fn new(clock: &Arc<SetClock>) -> Arc<Self> {
        let records: Arc<dyn SignIns> = Arc::new(Embedded::in_memory(clock.clone()));
        Arc::new(Self {
            clock: clock.clone(),
            records: Mutex::new(records),
            trouble: Mutex::new(StoreTrouble::Nothing),
            overtaken: AtomicUsize::new(0),
            replaced: AtomicUsize::new(0),
            read: AtomicUsize::new(0),
            beside: AtomicBool::new(false),
        })
    }

    /// All records are lost.
    pub fn are_lost(&self) {
        *self.records.lock().unwrap() = Arc::new(Embedded::in_memory(self.clock.clone()));
    }

    /// From now on that is wrong.
    pub fn have(&self, trouble: StoreTrouble) {
        *self.trouble.lock().unwrap() = trouble;
    }

    async fn reached(&self) -> infra::Result<Arc<dyn SignIns>> {
        let trouble = *self.trouble.lock().unwrap();
        match trouble {
            StoreTrouble::Nothing => Ok(self.records.lock().unwrap().clone()),
            StoreTrouble::Away => Err(StoreError::Unavailable { reason: "it is away".to_owned() }),
            StoreTrouble::Hung => std::future::pending().await,
        }
    }
}

impl SignIns for TroubledRecords {
    fn put<'a>(
        &'a self,
        tenant: &'a TenantId,
        key: &'a SignInKey,
        owner: Option<&'a str>,
        value: Bytes,
        until: Timestamp,
    ) -> Answer<'a, ()> {
        async move {
            let records = self.reached().await?;
            records.put(tenant, key, owner, value, until).await
        }
        .boxed()
    }

    fn claim<'a>(
        &'a self,
        tenant: &'a TenantId,
        key: &'a SignInKey,
        value: Bytes,
        until: Timestamp,
    ) -> Answer<'a, bool> {
        async move {
            let records = self.reached().await?;
            records.claim(tenant, key, value, until).await
        }
        .boxed()
    }

    fn read<'a>(&'a self, tenant: &'a TenantId, key: &'a SignInKey) -> Answer<'a, Option<Bytes>> {
        async move {
            let records = self.reached().await?;
            self.read.fetch_add(1, SeqCst);
            if key.id.contains('/') && self.beside.load(SeqCst) {
                return std::future::pending().await;
            }
            records.read(tenant, key).await
        }
        .boxed()
    }

    fn is_still<'a>(&'a self, tenant: &'a TenantId, key: &'a SignInKey, seen: &'a Bytes) -> Answer<'a, bool> {
        async move {
            let records = self.reached().await?;
            records.is_still(tenant, key, seen).await
        }
        .boxed()
    }

    fn replace<'a>(
        &'a self,
        tenant: &'a TenantId,
        key: &'a SignInKey,
        seen: &'a Bytes,
        value: Bytes,
        until: Timestamp,
    ) -> Answer<'a, bool> {
        async move {
            let records = self.reached().await?;
            if self.overtaken.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1)).is_ok() {
                return Ok(false);
            }
            self.replaced.fetch_add(1, SeqCst);
            records.replace(tenant, key, seen, value, until).await
        }
        .boxed()
    }

    fn remove<'a>(&'a self, tenant: &'a TenantId, key: &'a SignInKey) -> Answer<'a, ()> {
        async move {
            let records = self.reached().await?;
            records.remove(tenant, key).await
        }
        .boxed()
    }

    fn owned<'a>(&'a self, tenant: &'a TenantId, owner: &'a str) -> Answer<'a, Vec<(SignInKey, Bytes)>> {
        async move {
            let records = self.reached().await?;
            records.owned(tenant, owner).await
        }
        .boxed()
    }
}
