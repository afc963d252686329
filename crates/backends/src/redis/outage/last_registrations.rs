//! Where phones were last registered.

use bytes::Bytes;
use infra::{Binding, RegistrationWrite, bounds};
use model::{Dn, TenantId};

use super::{OutageState, lock};
use crate::redis::store::Facts;
use crate::redis::store::records::RecordId;

/// Where a phone is registered, as last written.
pub(super) struct LastRegistration {
    bindings: Vec<Binding>,
    /// Number of facts published about it so far.
    events: u64,
    /// When that was, by the clock of Redis.
    written_at: u64,
}

impl OutageState {
    /// Remembers where a phone is registered, and the encoded facts of that; `events` is the number of all that were published about it.
    pub(in crate::redis) fn registered(&self, write: &RegistrationWrite, facts: Facts, events: u64, written_at: u64) {
        let key = (write.tenant.clone(), write.dn.clone());
        lock(&self.recent_facts).add(phone_id(&write.tenant, &write.dn), facts);
        let mut registrations = lock(&self.registrations);
        if registrations.len() >= bounds::RECORDS_MAX {
            registrations.retain(|_, kept| !kept.bindings.is_empty());
        }
        registrations.insert(key, LastRegistration { bindings: write.bindings.clone(), events, written_at });
    }

    /// Number of facts published about a phone, as far as this client knows.
    pub(in crate::redis) fn told_of(&self, tenant: &TenantId, dn: &Dn) -> u64 {
        lock(&self.registrations).get(&(tenant.clone(), dn.clone())).map_or(0, |kept| kept.events)
    }

    /// Every phone as the first write of its record, and when that was written. Also those that have gone: another registrar may restore
    /// what one of them had before.
    pub(super) fn all_registrations(&self) -> Vec<(RegistrationWrite, u64)> {
        let anew = |((tenant, dn), kept): (&(TenantId, Dn), &LastRegistration)| {
            let write = RegistrationWrite {
                tenant: tenant.clone(),
                dn: dn.clone(),
                expected: 0,
                bindings: kept.bindings.clone(),
                events: Vec::new(),
            };
            (write, kept.written_at)
        };
        lock(&self.registrations).iter().map(anew).collect()
    }

    /// Those of a phone.
    pub(in crate::redis) fn latest_of_phone(&self, tenant: &TenantId, dn: &Dn) -> Vec<Bytes> {
        lock(&self.recent_facts).of(&phone_id(tenant, dn))
    }
}

fn phone_id(tenant: &TenantId, dn: &Dn) -> RecordId {
    ("phone", tenant.clone(), dn.to_string())
}
