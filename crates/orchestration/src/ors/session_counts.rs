//! The sessions that this node runs, counted for each tenant: one tenant's applications must leave room for the others'.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use model::TenantId;

/// A tenant may have this many times as many sessions as there are places left beside the next one: alone it gets three quarters
/// of all, and the more the others have, the less. The last places are for tenants that have none.
const TIMES_THE_FREE: usize = 3;

/// Counts sessions against a maximum.
pub(super) struct SessionCounts {
    max: usize,
    counts: Mutex<Counts>,
}

#[derive(Default)]
struct Counts {
    all: usize,
    tenants: HashMap<TenantId, usize>,
}

impl SessionCounts {
    /// For so many sessions.
    pub fn up_to(max: usize) -> Self {
        Self { max, counts: Mutex::default() }
    }

    /// A session runs.
    pub fn began(&self, tenant: &TenantId) {
        let mut counts = self.counts();
        counts.all += 1;
        *counts.tenants.entry(tenant.clone()).or_default() += 1;
    }

    /// A session has ended.
    pub fn ended(&self, tenant: &TenantId) {
        let mut counts = self.counts();
        counts.all = counts.all.saturating_sub(1);
        if let Some(count) = counts.tenants.get_mut(tenant) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                counts.tenants.remove(tenant);
            }
        }
    }

    /// The sessions of all tenants.
    pub fn all(&self) -> usize {
        self.counts().all
    }

    /// Whether the tenant may have another one. Sessions of a failed node are continued in any case.
    pub fn has_room_for(&self, tenant: &TenantId) -> bool {
        let counts = self.counts();
        let free = self.max.saturating_sub(counts.all);
        match counts.tenants.get(tenant) {
            None => free > 0,
            Some(count) => *count < free.saturating_sub(1).saturating_mul(TIMES_THE_FREE),
        }
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn greedy_tenants_leave_a_place_to_one_that_has_none() {
        let counts = SessionCounts::up_to(100);
        let tenant = |number: usize| TenantId::parse(&format!("t{number}")).expect("a tenant");
        let fill = |number| {
            let began = (0..)
                .take_while(|_| counts.has_room_for(&tenant(number)).then(|| counts.began(&tenant(number))).is_some());
            began.count()
        };
        assert_eq!(fill(0), 75, "alone");
        assert_eq!((1..=3).map(fill).collect::<Vec<usize>>(), [18, 5, 1]);
        assert!((0..=3).all(|number| !counts.has_room_for(&tenant(number))));
        assert!(counts.has_room_for(&tenant(4)), "one that has none");
        (0..75).for_each(|_| counts.ended(&tenant(0)));
        assert!(counts.has_room_for(&tenant(0)) && fill(1) > 0);
    }
}
