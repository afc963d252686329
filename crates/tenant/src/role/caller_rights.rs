//! The rights of people who call, worked out once for each revision of their tenants. Roles, programs and keys of programs are limited by
//! their scopes alone.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use infra::HistoryPoint;
use model::TenantId;

use crate::objects::{CallerRights, IndexedTenant};

/// The most people whose rights are kept; then all are worked out again.
const KEPT_MAX: usize = 4_096;
type RightsByPerson = HashMap<(TenantId, String), (HistoryPoint, Arc<CallerRights>)>;

/// Rights that were worked out, each with the point of the tenant's history of which they are.
#[derive(Default)]
pub(super) struct KeptRights(Mutex<RightsByPerson>);

impl KeptRights {
    /// Those of a person at the tenant's present point.
    pub fn of(&self, tenant: &TenantId, held: &IndexedTenant, user: &str) -> Arc<CallerRights> {
        let (key, point) = ((tenant.clone(), user.to_owned()), held.point());
        if let Some((_, rights)) = self.lock().get(&key).filter(|(of, _)| *of == point) {
            return rights.clone();
        }
        let rights = Arc::new(CallerRights::of(held, user));
        let mut kept = self.lock();
        if kept.len() >= KEPT_MAX && !kept.contains_key(&key) {
            kept.clear();
        }
        kept.insert(key, (point, rights.clone()));
        rights
    }

    fn lock(&self) -> MutexGuard<'_, RightsByPerson> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use infra::{Revision, VersionedObjects};

    use super::*;

    #[test]
    fn rights_are_worked_out_again_for_another_revision() {
        let text = include_str!("../../../../data/example-tenant.yaml");
        let objects = crate::file::read(text, |_| Ok("<scxml/>".to_owned())).expect("the example");
        let held = |revision| {
            let point = HistoryPoint::unstamped(Revision(revision));
            IndexedTenant::of(VersionedObjects { point, objects: objects.clone(), revisions: HashMap::new() })
        };
        let (kept, tenant, first) = (KeptRights::default(), TenantId::parse("example").unwrap(), held(1));
        let rights = kept.of(&tenant, &first, "ada.adler");
        assert!(Arc::ptr_eq(&rights, &kept.of(&tenant, &first, "ada.adler")));
        let later = kept.of(&tenant, &held(2), "ada.adler");
        assert!(!Arc::ptr_eq(&rights, &later) && rights == later);
    }
}
