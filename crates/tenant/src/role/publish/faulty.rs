//! Tenants that cannot be published though the stores answer: tried again ever more rarely, and at once when somebody has changed them.

use std::collections::BTreeMap;
use std::time::Duration;

use infra::HistoryPoint;
use model::{TenantId, Timestamp};

/// The pause after a failure; each further one of the same point doubles it, up to the longest: a large tenant costs much to read.
const PAUSE: Duration = Duration::from_millis(500);
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// The role is not ready before a tenant that may be readable soon has failed this often.
const WAITED_FOR: u32 = 3;

/// Why a tenant is not published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FaultKind {
    /// Its objects are damaged: only a change mends that.
    Damaged,
    /// It could not be read or written now: it may be too large for the time that a store has.
    Unread,
}

/// The fault of one tenant.
struct TenantFault {
    kind: FaultKind,
    point: HistoryPoint,
    failures: u32,
    pause: Duration,
    again_at: Timestamp,
}

/// The tenants with faults.
#[derive(Default)]
pub(super) struct FaultyTenants(BTreeMap<TenantId, TenantFault>);

impl FaultyTenants {
    /// Whether it is time to publish the tenant at that point.
    pub fn is_due(&self, tenant: &TenantId, point: HistoryPoint, now: Timestamp) -> bool {
        self.0.get(tenant).is_none_or(|fault| fault.point != point || fault.again_at <= now)
    }

    /// Notes a failure; returns whether it is the first one.
    pub fn failed(&mut self, tenant: &TenantId, point: HistoryPoint, kind: FaultKind, now: Timestamp) -> bool {
        let before = self.0.get(tenant);
        let pause = match before {
            Some(fault) if fault.point == point => (fault.pause * 2).min(PAUSE_MAX),
            _ => PAUSE,
        };
        let failures = before.map_or(0, |fault| fault.failures).saturating_add(1);
        let fault = TenantFault { kind, point, failures, pause, again_at: now + pause };
        self.0.insert(tenant.clone(), fault).is_none()
    }

    /// Notes that a tenant is published; returns whether it had a fault.
    pub fn succeeded(&mut self, tenant: &TenantId) -> bool {
        self.0.remove(tenant).is_some()
    }

    /// Forgets tenants that the database no longer has.
    pub fn keep_those_of(&mut self, stored: &[(TenantId, HistoryPoint)]) {
        self.0.retain(|tenant, _| stored.iter().any(|(id, _)| id == tenant));
    }

    /// Whether there is a tenant that may be readable soon, so that what is published is not taken for all there is.
    pub fn are_waited_for(&self) -> bool {
        self.0.values().any(|fault| fault.kind == FaultKind::Unread && fault.failures < WAITED_FOR)
    }

    /// Whether the last attempt to publish the tenant has failed.
    pub fn has(&self, tenant: &TenantId) -> bool {
        self.0.contains_key(tenant)
    }

    pub fn count(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use infra::Revision;

    use super::*;

    fn point(revision: u64) -> HistoryPoint {
        HistoryPoint::unstamped(Revision(revision))
    }

    fn acme() -> TenantId {
        TenantId::parse("acme").unwrap()
    }

    #[test]
    fn a_fault_is_looked_at_ever_more_rarely_and_at_once_after_a_change() {
        let mut faulty = FaultyTenants::default();
        let (acme, mut now) = (acme(), Timestamp::from_millis(1_000));
        let mut pauses_ms = Vec::new();
        for revision in [1, 1, 1, 1, 1, 1, 1, 1, 1, 2] {
            let point = point(revision);
            assert!(faulty.is_due(&acme, point, now), "{revision} at {now}");
            let is_first = faulty.failed(&acme, point, FaultKind::Damaged, now);
            assert_eq!(is_first, pauses_ms.is_empty());
            let pause = (1..=120_000).find(|ms| faulty.is_due(&acme, point, now + Duration::from_millis(*ms)));
            pauses_ms.push(pause.unwrap());
            now = now + Duration::from_millis(pause.unwrap());
        }
        assert_eq!(pauses_ms, [500, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000, 500]);
        assert!(faulty.is_due(&acme, point(3), now - Duration::from_millis(1)), "it was changed");
        assert!(faulty.succeeded(&acme) && !faulty.succeeded(&acme));
    }

    #[test]
    fn the_tenants_that_cannot_be_read_are_waited_for_and_the_damaged_are_not() {
        let mut faulty = FaultyTenants::default();
        let now = Timestamp::from_millis(1_000);
        faulty.failed(&TenantId::parse("broken").unwrap(), point(1), FaultKind::Damaged, now);
        assert!(!faulty.are_waited_for());
        for failures in 1..=WAITED_FOR {
            faulty.failed(&acme(), point(u64::from(failures)), FaultKind::Unread, now);
            assert_eq!(faulty.are_waited_for(), failures < WAITED_FOR, "{failures}");
        }
        assert_eq!(faulty.count(), 2);
        faulty.keep_those_of(&[(acme(), point(4))]);
        assert_eq!(faulty.count(), 1);
    }
}
