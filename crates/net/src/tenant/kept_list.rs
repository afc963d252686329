//! Which tenants count as there, by the lists that a stream tells.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use model::TenantId;
use tokio::time::Instant;

/// For how long the lists of one stream lack a tenant before it counts as gone. A list comes at least every 5 s: no single one ends a
/// tenant, nor do several in a row of a replica that is just reading which tenants there are.
const GONE_AFTER: Duration = Duration::from_secs(4);
/// The most tenants that are kept; further ones are left out with an error in the log.
const TENANTS_MAX: usize = 10_000;

/// The tenants that are there. A new one counts at once, a lost one later.
#[derive(Default)]
pub(super) struct KeptList {
    tenants: BTreeSet<TenantId>,
    /// Since when the lists of this stream have lacked a tenant that is kept.
    lacked_since: HashMap<TenantId, Instant>,
    is_full: bool,
}

impl KeptList {
    pub const fn tenants(&self) -> &BTreeSet<TenantId> {
        &self.tenants
    }

    /// Another stream begins: what the lists of the one before lacked says nothing.
    pub fn stream_begins(&mut self) {
        self.lacked_since.clear();
    }

    /// Takes in a list. Returns whether other tenants are there now.
    pub fn told(&mut self, told: &BTreeSet<TenantId>, now: Instant) -> bool {
        let has_lost = self.lose(told, now);
        let new: Vec<TenantId> = told.difference(&self.tenants).cloned().collect();
        let room = TENANTS_MAX.saturating_sub(self.tenants.len());
        let is_full = new.len() > room;
        if is_full && !std::mem::replace(&mut self.is_full, true) {
            tracing::error!(
                most = TENANTS_MAX,
                "there are more tenants than are followed: the others are left out here"
            );
        }
        self.is_full = is_full;
        let has_gained = room > 0 && !new.is_empty();
        self.tenants.extend(new.into_iter().take(room));
        has_lost || has_gained
    }

    /// Drops the tenants that have been lacked for long enough.
    fn lose(&mut self, told: &BTreeSet<TenantId>, now: Instant) -> bool {
        self.lacked_since.retain(|tenant, _| !told.contains(tenant));
        for tenant in self.tenants.difference(told) {
            self.lacked_since.entry(tenant.clone()).or_insert(now);
        }
        let before = self.tenants.len();
        self.lacked_since.retain(|tenant, since| {
            let is_gone = now.duration_since(*since) >= GONE_AFTER;
            if is_gone {
                self.tenants.remove(tenant);
            }
            !is_gone
        });
        self.tenants.len() < before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenants(names: &[&str]) -> BTreeSet<TenantId> {
        names.iter().map(|name| TenantId::parse(name).unwrap()).collect()
    }

    fn two(now: Instant) -> KeptList {
        let mut kept = KeptList::default();
        assert!(kept.told(&tenants(&["acme", "globex"]), now));
        kept
    }

    #[test]
    fn a_list_that_is_shorter_once_ends_no_tenant() {
        let now = Instant::now();
        let mut kept = two(now);
        assert!(!kept.told(&tenants(&["acme"]), now + Duration::from_secs(60)));
        assert_eq!(kept.tenants(), &tenants(&["acme", "globex"]));
        // The list is whole again: what was lacked before counts no more.
        assert!(!kept.told(&tenants(&["acme", "globex"]), now + Duration::from_secs(63)));
        assert!(!kept.told(&tenants(&["acme"]), now + Duration::from_secs(66)));
        assert_eq!(kept.tenants().len(), 2);
    }

    #[test]
    fn a_tenant_that_is_lacked_for_long_is_gone() {
        let now = Instant::now();
        let mut kept = two(now);
        assert!(!kept.told(&tenants(&["acme"]), now));
        assert!(kept.told(&tenants(&["acme"]), now + Duration::from_secs(5)));
        assert_eq!(kept.tenants(), &tenants(&["acme"]));
        assert!(!kept.told(&tenants(&["acme"]), now + Duration::from_secs(10)));
        assert!(kept.lacked_since.is_empty());
    }

    #[test]
    fn lists_that_grow_while_tenant_begins_end_no_tenant() {
        let now = Instant::now();
        let mut kept = two(now);
        kept.stream_begins();
        for (ms, names) in [(0, ""), (1, "globex"), (2, "globex"), (3, "acme globex")] {
            let names: Vec<&str> = names.split_whitespace().collect();
            assert!(!kept.told(&tenants(&names), now + Duration::from_millis(ms)));
        }
        assert_eq!(kept.tenants(), &tenants(&["acme", "globex"]));
    }

    #[test]
    fn what_a_broken_stream_lacked_counts_no_more() {
        let now = Instant::now();
        let mut kept = two(now);
        assert!(!kept.told(&tenants(&["acme"]), now));
        kept.stream_begins();
        assert!(!kept.told(&tenants(&["acme"]), now + Duration::from_secs(60)));
        assert_eq!(kept.tenants().len(), 2);
        assert!(kept.told(&tenants(&["acme"]), now + Duration::from_secs(65)));
    }

    #[test]
    fn new_tenants_count_at_once_up_to_a_bound() {
        let now = Instant::now();
        let mut kept = two(now);
        let many: BTreeSet<TenantId> = (0..TENANTS_MAX).map(|n| TenantId::parse(&format!("t{n}")).unwrap()).collect();
        let told: BTreeSet<TenantId> = many.union(kept.tenants()).cloned().collect();
        assert!(kept.told(&told, now));
        assert_eq!(kept.tenants().len(), TENANTS_MAX);
        assert!(tenants(&["acme", "globex"]).is_subset(kept.tenants()), "those that are there stay");
        assert!(!kept.told(&told, now), "further ones are still left out");
    }
}
