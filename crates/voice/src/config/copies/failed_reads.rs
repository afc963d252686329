//! Tenants that could not be read from the cache: tried again ever more rarely, because each attempt may take a minute in which no other
//! one of them is read, and at once when they are published anew.

use std::collections::BTreeMap;
use std::time::Duration;

use infra::{ConfigVersion, StoreError};
use model::TenantId;
use tokio::time::Instant;

/// The pause after a failure; each further one of the same version doubles it, up to the longest.
const PAUSE: Duration = Duration::from_millis(250);
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// The last attempt to read a tenant.
struct FailedRead {
    /// That of the cache then.
    version: ConfigVersion,
    why: String,
    pause: Duration,
    again_at: Instant,
}

/// The tenants whose last attempt has failed.
#[derive(Default)]
pub(super) struct FailedReads(BTreeMap<TenantId, FailedRead>);

impl FailedReads {
    pub fn has(&self, tenant: &TenantId) -> bool {
        self.0.contains_key(tenant)
    }

    /// Whether it is time to read the tenant that the cache has at that version.
    pub fn is_due(&self, tenant: &TenantId, version: ConfigVersion, now: Instant) -> bool {
        self.0.get(tenant).is_none_or(|failed| failed.version != version || failed.again_at <= now)
    }

    pub fn has_failed(&mut self, tenant: &TenantId, version: ConfigVersion, error: &StoreError, now: Instant) {
        let before = self.0.get(tenant).filter(|failed| failed.version == version);
        let pause = before.map_or(PAUSE, |failed| (failed.pause * 2).min(PAUSE_MAX));
        let why = format!("{tenant}: {error}");
        self.0.insert(tenant.clone(), FailedRead { version, why, pause, again_at: now + pause });
    }

    pub fn has_succeeded(&mut self, tenant: &TenantId) {
        self.0.remove(tenant);
    }

    /// Forgets tenants that the cache does not list.
    pub fn keep_those_of(&mut self, listed: &[(TenantId, ConfigVersion)]) {
        if !self.0.is_empty() {
            self.0.retain(|tenant, _| listed.iter().any(|(id, _)| id == tenant));
        }
    }

    /// Why one of them could not be read.
    pub fn why(&self) -> Option<String> {
        self.0.values().next().map(|failed| failed.why.clone())
    }
}
