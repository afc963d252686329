//! Readings of the cache that are going on. A large tenant takes seconds to read and to parse, and no other one waits for that.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt as _};
use futures::stream::{FuturesUnordered, StreamExt as _};
use infra::{ConfigCache, ConfigVersion, StoreError};
use model::TenantId;

use super::{TenantCopy, is_rolled_back};

/// Tenants that are read at the same time: each may have hundreds of megabytes.
const READS_AT_ONCE: usize = 4;
/// Those among which the last attempt failed are read beside them: each may take a minute to fail again.
const READS_AGAIN_AT_ONCE: usize = 1;
/// Documents that are parsed without a thread of their own.
const DOCUMENTS_AT_ONCE: usize = 256;

/// A tenant that is to be read.
pub(super) struct DueRead {
    pub tenant: TenantId,
    /// That of the cache.
    pub version: ConfigVersion,
    pub held: Option<Arc<TenantCopy>>,
    /// Whether the last attempt has failed.
    pub has_failed: bool,
}

/// A reading that has come to its end.
pub(super) struct EndedRead {
    pub tenant: TenantId,
    /// That of the cache when it began.
    pub version: ConfigVersion,
    /// None if the cache has lost changes that are held.
    pub copy: infra::Result<Option<TenantCopy>>,
}

/// See the module.
pub(super) struct Reads {
    cache: Arc<dyn ConfigCache>,
    waiting: VecDeque<DueRead>,
    waiting_again: VecDeque<DueRead>,
    /// Whose are going on, and whether the attempt before has failed.
    tenants: BTreeMap<TenantId, bool>,
    going_on: FuturesUnordered<BoxFuture<'static, EndedRead>>,
}

impl Reads {
    pub fn new(cache: Arc<dyn ConfigCache>) -> Self {
        Self {
            cache,
            waiting: VecDeque::new(),
            waiting_again: VecDeque::new(),
            tenants: BTreeMap::new(),
            going_on: FuturesUnordered::new(),
        }
    }

    /// Whether a tenant is being read.
    pub fn has(&self, tenant: &TenantId) -> bool {
        self.tenants.contains_key(tenant)
    }

    /// Whether each has been attempted once: none is being read, or waits for that, but those among which an attempt has failed.
    pub fn first_are_over(&self) -> bool {
        self.waiting.is_empty() && self.tenants.values().all(|has_failed| *has_failed)
    }

    /// Reads these in turn, in place of those that wait. None of them is being read.
    pub fn begin(&mut self, due: Vec<DueRead>) {
        let (again, first): (Vec<_>, Vec<_>) = due.into_iter().partition(|due| due.has_failed);
        (self.waiting, self.waiting_again) = (first.into(), again.into());
        self.begin_waiting();
    }

    fn begin_waiting(&mut self) {
        loop {
            let again = self.tenants.values().filter(|has_failed| **has_failed).count();
            let has_place = self.tenants.len() - again < READS_AT_ONCE;
            let next = if has_place { self.waiting.pop_front() } else { None };
            let may_read_again = again < READS_AGAIN_AT_ONCE;
            let next = next.or_else(|| if may_read_again { self.waiting_again.pop_front() } else { None });
            let Some(due) = next else { return };
            self.tenants.insert(due.tenant.clone(), due.has_failed);
            self.going_on.push(read(self.cache.clone(), due).boxed());
        }
    }

    /// The next one that comes to its end; none while none is going on.
    pub async fn next(&mut self) -> Option<EndedRead> {
        let ended = self.going_on.next().await?;
        self.tenants.remove(&ended.tenant);
        self.begin_waiting();
        Some(ended)
    }
}

async fn read(cache: Arc<dyn ConfigCache>, due: DueRead) -> EndedRead {
    let DueRead { tenant, version, held, .. } = due;
    let copy = copy_of(&*cache, &tenant, held).await;
    EndedRead { tenant, version, copy }
}

async fn copy_of(
    cache: &dyn ConfigCache,
    tenant: &TenantId,
    held: Option<Arc<TenantCopy>>,
) -> infra::Result<Option<TenantCopy>> {
    let reading = cache.read(tenant, held.as_ref().map(|copy| copy.version), Duration::ZERO).await?;
    if held.as_ref().is_some_and(|copy| is_rolled_back(reading.version, copy.version)) {
        return Ok(None);
    }
    let is_large = reading.documents.len() > DOCUMENTS_AT_ONCE;
    let after = move || TenantCopy::after(held.as_deref(), reading);
    if !is_large {
        return Ok(Some(after()));
    }
    // It fails when the process ends, or by a fault that costs this tenant alone.
    let parsed = tokio::task::spawn_blocking(after).await;
    parsed.map(Some).map_err(|error| StoreError::Unavailable { reason: error.to_string() })
}
