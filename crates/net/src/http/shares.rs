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

/// The number of places.
#[derive(Clone, Copy, Debug)]
pub struct Places {
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
    places: Places,
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
    pub fn new(places: Places) -> Self {
        Self { places, taken: Arc::default() }
    }

    /// Takes one place.
    ///
    /// # Errors
    /// When all are taken, or the taker has used up its share.
    pub fn take(&self, taker: ShareHolder) -> Result<Place, NoCapacity> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.all >= self.places.all {
            return Err(NoCapacity::All);
        }
        if let ShareHolder::Caller { tenant, name } = &taker {
            let left = self.places.all - taken.all;
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
mod tests {
    use super::*;

    const PLACES: Places = Places { all: 100 };

    fn taker(tenant: &str, name: &str) -> ShareHolder {
        ShareHolder::Caller { tenant: Some(TenantId::parse(tenant).unwrap()), name: name.to_owned() }
    }

    /// As many places as it gets, 1,000 at most.
    fn all_for(shares: &Shares, taker: &ShareHolder) -> Vec<Place> {
        (0..1_000).map_while(|_| shares.take(taker.clone()).ok()).collect()
    }

    #[test]
    fn a_caller_alone_has_half_a_tenant_three_quarters_and_who_comes_new_finds_some() {
        let shares = Shares::new(PLACES);
        let greedy = all_for(&shares, &taker("acme", "greedy"));
        assert_eq!(greedy.len(), 50);
        let colleagues: Vec<Vec<Place>> =
            ["one", "two", "three"].iter().map(|name| all_for(&shares, &taker("acme", name))).collect();
        assert_eq!(50 + colleagues.iter().map(Vec::len).sum::<usize>(), 75, "the tenant has its share");
        let mut others = Vec::new();
        for tenant in ["globex", "initech", "umbrella"] {
            let held: Vec<Place> = (0..5).filter_map(|n| shares.take(taker(tenant, &format!("c{n}"))).ok()).collect();
            assert_eq!(held.len(), 5, "{tenant}");
            others.push(held);
        }
        assert_eq!(all_for(&shares, &ShareHolder::Role).len(), 10, "a role has no share");
        drop((greedy, colleagues));
        assert_eq!(shares.take(taker("acme", "one")).map(drop), Ok(()), "what was given back is free again");
    }

    #[test]
    fn what_is_given_back_leaves_nothing() {
        let shares = Shares::new(PLACES);
        drop(all_for(&shares, &taker("acme", "one")));
        let taken = shares.taken.lock().unwrap();
        assert!(taken.all == 0 && taken.of_tenants.is_empty() && taken.of_callers.is_empty());
    }

    #[test]
    fn all_places_may_be_taken() {
        let shares = Shares::new(PLACES);
        let _held = all_for(&shares, &ShareHolder::Role);
        assert_eq!(shares.take(taker("acme", "one")).err(), Some(NoCapacity::All));
    }
}
