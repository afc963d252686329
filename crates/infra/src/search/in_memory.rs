//! What is searched, in the memory of a process: gone through whole for each search. It is no store of its own but what a replica has
//! collected itself, and so it serves with embedded stores and with servers alike.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::FutureExt as _;
use model::TenantId;

use super::{
    Collection, FoundPlace, FoundTarget, FoundTargets, MonitoredState, SearchStore, Swept, TargetDocument,
    TargetSearch, accepted, accepted_states, expect_batch, not_collected, spellings,
};
use crate::{Answer, Result, StoreError, bounds};

/// The targets and states of all tenants.
#[derive(Default)]
pub struct MemorySearch {
    tenants: Mutex<HashMap<TenantId, Arc<Mutex<SearchedTenant>>>>,
}

/// A tenant.
#[derive(Default)]
struct SearchedTenant {
    targets: BTreeMap<String, KeptTarget>,
    states: HashMap<String, (u64, MonitoredState)>,
    collection: Option<Collection>,
}

/// A target with its texts as they are compared.
struct KeptTarget {
    build: u64,
    target_type: String,
    /// Each field in each of its spellings.
    texts: Vec<(String, String)>,
    groups: Vec<String>,
    sorted_by: String,
    shown: String,
}

impl KeptTarget {
    fn of(target: &TargetDocument, build: u64) -> Self {
        let spelt = |(name, text): &(String, String)| {
            let name = name.clone();
            spellings(text).into_iter().map(move |text| (name.clone(), text)).collect::<Vec<_>>()
        };
        Self {
            build,
            target_type: target.target_type.clone(),
            texts: target.fields.iter().flat_map(spelt).collect(),
            groups: target.groups.clone(),
            sorted_by: target.sorted_by.clone(),
            shown: target.shown.clone(),
        }
    }
}

/// In the order in which they are told: the one that fits best first.
fn order(one: &(u8, &str, &str), other: &(u8, &str, &str)) -> std::cmp::Ordering {
    other.0.cmp(&one.0).then_with(|| (one.1, one.2).cmp(&(other.1, other.2)))
}

impl SearchedTenant {
    fn write(&mut self, build: u64, targets: &[TargetDocument]) -> Result<()> {
        for target in targets {
            if self.targets.len() >= bounds::SEARCH_TARGETS_MAX && !self.targets.contains_key(&target.key) {
                return Err(StoreError::Full {
                    what: "the targets of a tenant",
                    bound: bounds::SEARCH_TARGETS_MAX as u64,
                });
            }
            self.targets.insert(target.key.clone(), KeptTarget::of(target, build));
        }
        Ok(())
    }

    fn search(&self, asked: &TargetSearch) -> FoundTargets {
        let searched = asked.searched_fields();
        let is_of_type =
            |target: &KeptTarget| asked.types.as_ref().is_none_or(|types| types.contains(&target.target_type));
        let mut found: Vec<((u8, &str, &str), &KeptTarget)> = Vec::new();
        for (key, target) in &self.targets {
            if !is_of_type(target) || !asked.admits_groups(&target.groups) {
                continue;
            }
            let texts = target.texts.iter().filter(|(name, _)| searched.contains(&name.as_str()));
            let texts: Vec<&str> = texts.map(|(_, text)| text.as_str()).collect();
            if let Some(rank) = asked.rank(&texts) {
                found.push(((rank, target.sorted_by.as_str(), key.as_str()), target));
            }
        }
        let total = found.len() as u64;
        found.sort_by(|(one, _), (other, _)| order(one, other));
        if asked.is_descending {
            found.reverse();
        }
        let is_behind = |place: &(u8, &str, &str)| {
            let Some(after) = &asked.after else { return true };
            let order = order(place, &(after.rank, after.sorted_by.as_str(), after.key.as_str()));
            if asked.is_descending { order.is_lt() } else { order.is_gt() }
        };
        let told = found.into_iter().filter(|(place, _)| is_behind(place)).take(asked.limit);
        let told = told.map(|((rank, sorted_by, key), target)| FoundTarget {
            place: FoundPlace { rank, sorted_by: sorted_by.to_owned(), key: key.to_owned() },
            shown: target.shown.clone(),
        });
        FoundTargets { targets: told.collect(), total, collection: self.collection }
    }
}

impl MemorySearch {
    /// The tenant; with what is in it one by one, so that a search of a large one keeps no other waiting.
    fn tenant(&self, tenant: &TenantId) -> Arc<Mutex<SearchedTenant>> {
        lock(&self.tenants).entry(tenant.clone()).or_default().clone()
    }

    fn known(&self, tenant: &TenantId) -> Option<Arc<Mutex<SearchedTenant>>> {
        lock(&self.tenants).get(tenant).cloned()
    }

    fn answered<'a, T: Send + 'a>(answer: Result<T>) -> Answer<'a, T> {
        futures::future::ready(answer).boxed()
    }
}

/// What is in it is whole after every step.
fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

impl SearchStore for MemorySearch {
    fn is_shared(&self) -> bool {
        false
    }

    fn write<'a>(&'a self, tenant: &'a TenantId, build: u64, targets: &'a [TargetDocument]) -> Answer<'a, ()> {
        Self::answered(accepted(targets).and_then(|()| lock(&self.tenant(tenant)).write(build, targets)))
    }

    fn remove<'a>(&'a self, tenant: &'a TenantId, keys: &'a [String]) -> Answer<'a, ()> {
        let removed = expect_batch(keys.len()).map(|()| {
            let tenant = self.tenant(tenant);
            let mut tenant = lock(&tenant);
            keys.iter().for_each(|key| drop(tenant.targets.remove(key)));
        });
        Self::answered(removed)
    }

    fn sweep<'a>(&'a self, tenant: &'a TenantId, build: u64, swept: Swept) -> Answer<'a, ()> {
        let tenant = self.tenant(tenant);
        let mut tenant = lock(&tenant);
        match swept {
            Swept::Targets => tenant.targets.retain(|_, target| target.build >= build),
            Swept::States => tenant.states.retain(|_, (of, _)| *of >= build),
        }
        Self::answered(Ok(()))
    }

    fn note<'a>(&'a self, tenant: &'a TenantId, collection: Collection, _: bool) -> Answer<'a, ()> {
        lock(&self.tenant(tenant)).collection = Some(collection);
        Self::answered(Ok(()))
    }

    fn collection<'a>(&'a self, tenant: &'a TenantId) -> Answer<'a, Option<Collection>> {
        Self::answered(Ok(self.known(tenant).and_then(|tenant| lock(&tenant).collection)))
    }

    fn search<'a>(&'a self, tenant: &'a TenantId, asked: &'a TargetSearch) -> Answer<'a, FoundTargets> {
        let Some(known) = self.known(tenant) else { return Self::answered(Err(not_collected(tenant))) };
        let known = lock(&known);
        let found = known.collection.map(|_| known.search(asked));
        Self::answered(found.ok_or_else(|| not_collected(tenant)))
    }

    fn keep_states<'a>(&'a self, tenant: &'a TenantId, build: u64, states: &'a [MonitoredState]) -> Answer<'a, ()> {
        let kept = accepted_states(states).map(|()| {
            let tenant = self.tenant(tenant);
            let mut tenant = lock(&tenant);
            tenant.states.extend(states.iter().map(|state| (state.id.clone(), (build, state.clone()))));
        });
        Self::answered(kept)
    }

    fn states<'a>(&'a self, tenant: &'a TenantId, ids: &'a [String]) -> Answer<'a, Vec<MonitoredState>> {
        let told = expect_batch(ids.len()).map(|()| {
            let Some(tenant) = self.known(tenant) else { return Vec::new() };
            let tenant = lock(&tenant);
            ids.iter().filter_map(|id| tenant.states.get(id).map(|(_, state)| state.clone())).collect()
        });
        Self::answered(told)
    }

    fn forget<'a>(&'a self, tenant: &'a TenantId) -> Answer<'a, ()> {
        lock(&self.tenants).remove(tenant);
        Self::answered(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::search::{self, target};

    #[tokio::test]
    async fn it_passes_the_conformance_suite() {
        search::check(&MemorySearch::default(), || futures::future::ready(()).boxed()).await;
    }

    #[tokio::test]
    async fn a_tenant_has_no_more_targets_than_are_gone_through_in_time() {
        let (store, acme) = (MemorySearch::default(), TenantId::parse("acme").unwrap());
        for batch in 0..bounds::SEARCH_TARGETS_MAX / bounds::SEARCH_BATCH_MAX {
            let targets: Vec<TargetDocument> =
                (0..bounds::SEARCH_BATCH_MAX).map(|n| target("agent", &format!("a{batch}x{n}"), "A")).collect();
            store.write(&acme, 1, &targets).await.unwrap();
        }
        let further = target("agent", "further", "A");
        let full = store.write(&acme, 1, std::slice::from_ref(&further)).await.unwrap_err();
        assert!(matches!(full, StoreError::Full { .. }), "{full}");
        store.write(&acme, 2, &[target("agent", "a0x0", "B")]).await.unwrap();
    }
}
