//! Limits concurrent use of a listener: the fewer places are left, the fewer one caller or tenant may take.
//!
//! A tenant may have three times the number of places left, a caller that number itself (dynamic thresholds, as for shared
//! packet buffers: Choudhury and Hahne, 1998). So a single caller gets most places, and a newcomer finds some however many
//! others are greedy. Callers without a token have together what a tenant has, so that nobody needs a token to keep out those with one; of
//! it a network of IPv6 has a caller's share, and one host's part of that network half of it.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, PoisonError};

use model::TenantId;
use runtime::Caller;

use crate::source_block::{block, network};

/// The holder of a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ShareHolder {
    /// One of the installation's own roles: it acts for every tenant, so it has no share.
    Role,
    /// A caller with a token.
    Caller { tenant: Option<TenantId>, name: String },
    /// One without, known by the block of its address.
    Stranger { block: IpAddr },
}

impl ShareHolder {
    /// The taker by its token, else by its address.
    pub fn of(caller: Option<&Caller>, address: Option<IpAddr>) -> Self {
        match caller {
            Some(caller) if caller.role().is_some() => Self::Role,
            Some(caller) => Self::Caller { tenant: caller.tenant().cloned(), name: caller.subject().to_owned() },
            None => Self::Stranger { block: block(address.unwrap_or(Ipv4Addr::UNSPECIFIED.into())) },
        }
    }
}

/// The number of places of a listener, or of one use of it.
#[derive(Clone, Copy, Debug)]
pub struct Capacity {
    /// All together.
    pub all: usize,
}

/// The share of a tenant, and of all callers without a token, as a multiple of the places left.
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
    strangers: usize,
    of_blocks: HashMap<IpAddr, usize>,
    of_networks: HashMap<IpAddr, usize>,
}

impl Taken {
    /// Counts one more of a caller with a token, if that is within its share.
    fn take_of_caller(&mut self, tenant: Option<&TenantId>, name: &str, left: usize) -> bool {
        let of_tenant = tenant.and_then(|tenant| self.of_tenants.get(tenant)).copied().unwrap_or_default();
        let caller = (tenant.cloned(), name.to_owned());
        let of_caller = self.of_callers.get(&caller).copied().unwrap_or_default();
        if of_tenant >= TENANTS_SHARE * left || of_caller >= left {
            return false;
        }
        if let Some(tenant) = tenant {
            self.of_tenants.insert(tenant.clone(), of_tenant + 1);
        }
        self.of_callers.insert(caller, of_caller + 1);
        true
    }

    /// Counts one more of somebody without a token, if that is within the share.
    fn take_of_stranger(&mut self, block: IpAddr, left: usize) -> bool {
        let network = network_beside(block);
        let of_block = self.of_blocks.get(&block).copied().unwrap_or_default();
        let of_network = network.and_then(|network| self.of_networks.get(&network)).copied().unwrap_or_default();
        let share = if network.is_some() { left.div_ceil(2) } else { left };
        if self.strangers >= TENANTS_SHARE * left || of_network >= left || of_block >= share {
            return false;
        }
        self.strangers += 1;
        self.of_blocks.insert(block, of_block + 1);
        if let Some(network) = network {
            self.of_networks.insert(network, of_network + 1);
        }
        true
    }
}

/// The network of a block, where that is more than the block: of IPv4 both are the same.
fn network_beside(block: IpAddr) -> Option<IpAddr> {
    block.is_ipv6().then(|| network(block))
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
        let left = self.capacity.all - taken.all;
        let is_within = match &taker {
            ShareHolder::Role => true,
            ShareHolder::Caller { tenant, name } => taken.take_of_caller(tenant.as_ref(), name, left),
            ShareHolder::Stranger { block } => taken.take_of_stranger(*block, left),
        };
        if !is_within {
            return Err(NoCapacity::Share);
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
        match &self.taker {
            ShareHolder::Role => {}
            ShareHolder::Caller { tenant, name } => {
                if let Some(tenant) = tenant {
                    one_less(&mut taken.of_tenants, tenant);
                }
                one_less(&mut taken.of_callers, &(tenant.clone(), name.clone()));
            }
            ShareHolder::Stranger { block } => {
                taken.strangers -= 1;
                one_less(&mut taken.of_blocks, block);
                if let Some(network) = network_beside(*block) {
                    one_less(&mut taken.of_networks, &network);
                }
            }
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
