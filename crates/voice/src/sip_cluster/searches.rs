//! Permits for searches for the owner of a call: a bounded number at a time, and of one tenant a share of it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use model::TenantId;

/// Concurrent searches: each may query the ledger for many seconds after its client has gone.
const SEARCHES_MAX: usize = 256;
/// Those of one tenant.
const OF_TENANT_MAX: usize = 64;

/// The searches under way, by tenant.
#[derive(Debug, Default)]
pub struct Searches(Mutex<HashMap<TenantId, usize>>);

/// The permit of a search, until it is dropped.
#[derive(Debug)]
pub struct Permit {
    searches: Arc<Searches>,
    tenant: TenantId,
}

impl Searches {
    /// A permit, unless too many searches are under way, of this tenant or of all.
    pub fn permit(self: &Arc<Self>, tenant: &TenantId) -> Option<Permit> {
        let mut under_way = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of_tenant = under_way.get(tenant).copied().unwrap_or_default();
        if of_tenant >= OF_TENANT_MAX || under_way.values().sum::<usize>() >= SEARCHES_MAX {
            return None;
        }
        under_way.insert(tenant.clone(), of_tenant + 1);
        Some(Permit { searches: Arc::clone(self), tenant: tenant.clone() })
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut under_way = self.searches.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(of_tenant) = under_way.get_mut(&self.tenant) {
            *of_tenant -= 1;
            if *of_tenant == 0 {
                under_way.remove(&self.tenant);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_that_searches_much_leaves_room_for_others() {
        let searches = Arc::<Searches>::default();
        let tenant = |n: usize| TenantId::parse(&format!("t{n}")).expect("a tenant");
        let greedy: Vec<Permit> = std::iter::from_fn(|| searches.permit(&tenant(1))).take(SEARCHES_MAX).collect();
        assert_eq!(greedy.len(), OF_TENANT_MAX);
        assert!(searches.permit(&tenant(2)).is_some());
        drop(greedy);
        assert!(searches.permit(&tenant(1)).is_some());
        let all: Vec<Permit> = (0..=SEARCHES_MAX).filter_map(|n| searches.permit(&tenant(n))).collect();
        assert_eq!(all.len(), SEARCHES_MAX);
        drop(all);
        assert!(searches.0.lock().expect("not poisoned").is_empty());
    }
}
