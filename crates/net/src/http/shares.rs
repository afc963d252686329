//! Limits concurrent use of a listener: the fewer places are left, the fewer one caller or tenant may take.
//!
//! A tenant may have three times the number of places left, a caller that number itself (dynamic thresholds, as for shared
//! packet buffers: Choudhury and Hahne, 1998). So a single caller gets most places, and a newcomer finds some however many
//! others are greedy.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use model::TenantId;
use runtime::Caller;

/// The holder of a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ShareHolder {
    /// One of the installation's own roles: it acts for every tenant, so it has no share.
    Role,
    /// A caller with a token, or one without, known by its address.
    Caller { tenant: Option<TenantId>, name: String },
}

impl ShareHolder {
    /// The taker by its token, else by its address.
    pub fn of(caller: Option<&Caller>, address: Option<std::net::IpAddr>) -> Self {
        match caller {
            Some(caller) if caller.role().is_some() => Self::Role,
            Some(caller) => Self::Caller { tenant: caller.tenant().cloned(), name: caller.subject().to_owned() },
            None => Self::Caller { tenant: None, name: address.map(|ip| ip.to_string()).unwrap_or_default() },
        }
    }
}

/// The number of places of a listener, or of one use of it.
#[derive(Clone, Copy, Debug)]
pub struct Capacity {
    /// All together.
    pub all: usize,
}

/// A tenant's share, as a multiple of the places left.
const TENANTS_SHARE: usize = 3;

/// Why there is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoCapacity {
    /// All places are taken.
    All,
    /// The taker has used up its share.
    Share,
}

/// Counts the taken places. Cheap to clone.
#[derive(Clone)]
pub(super) struct Shares {
    capacity: Capacity,
    taken: Arc<Mutex<Taken>>,
}

#[derive(Default)]
struct Taken {
    all: usize,
    of_tenants: HashMap<TenantId, usize>,
    of_callers: HashMap<(Option<TenantId>, String), usize>,
}

/// A place; dropping it frees it.
pub struct Place {
    taken: Arc<Mutex<Taken>>,
    taker: ShareHolder,
}

impl Shares {
    pub fn new(capacity: Capacity) -> Self {
        Self { capacity, taken: Arc::default() }
    }

    /// Takes one place.
    ///
    /// # Errors
    /// When all are taken, or the taker has used up its share.
    pub fn take(&self, taker: ShareHolder) -> Result<Place, NoCapacity> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.all >= self.capacity.all {
            return Err(NoCapacity::All);
        }
        if let ShareHolder::Caller { tenant, name } = &taker {
            let left = self.capacity.all - taken.all;
            let of_tenant =
                tenant.as_ref().and_then(|tenant| taken.of_tenants.get(tenant)).copied().unwrap_or_default();
            let caller = (tenant.clone(), name.clone());
            let of_caller = taken.of_callers.get(&caller).copied().unwrap_or_default();
            if of_tenant >= TENANTS_SHARE * left || of_caller >= left {
                return Err(NoCapacity::Share);
            }
            if let Some(tenant) = tenant {
                taken.of_tenants.insert(tenant.clone(), of_tenant + 1);
            }
            taken.of_callers.insert(caller, of_caller + 1);
        }
        taken.all += 1;
        drop(taken);
        Ok(Place { taken: self.taken.clone(), taker })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.all -= 1;
        if let ShareHolder::Caller { tenant, name } = &self.taker {
            if let Some(tenant) = tenant {
                one_less(&mut taken.of_tenants, tenant);
            }
            one_less(&mut taken.of_callers, &(tenant.clone(), name.clone()));
        }
    }
}

fn one_less<K: Eq + Hash>(counts: &mut HashMap<K, usize>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}

#[cfg(test)]
mod tests;
