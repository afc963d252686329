//! Who has sent wrong PINs: each phone and each agent's logins are counted apart, in a table of bounded size for each tenant. Where it is
//! full, one gives way, and what is known of it counts for all that are not in the table: nobody gets rid of own wrong PINs by sending more
//! for others, and one tenant's guessers cost no other tenant anything.

use std::collections::HashMap;
use std::time::Duration;

use model::{TenantId, Timestamp};

/// The most wrong PINs in a row before a phone must wait: as many as one call may try.
pub(super) const WRONG_FREE: u32 = 3;
/// The wait after those; each further wrong PIN doubles it.
pub(super) const WAIT_FIRST: Duration = Duration::from_secs(60);
/// The longest wait.
const WAIT_MAX: Duration = Duration::from_secs(3_600);
/// How long after its last wrong PIN, or the end of its wait, a phone's count restarts.
const FORGET_AFTER: Duration = Duration::from_secs(3_600);
/// The most phones and agents of a tenant with wrong PINs that are told apart: about 1 MiB. Each is one whose PIN the tenant's
/// configuration has, which takes more, so that all tenants together need no other bound.
const OF_TENANT_MAX: usize = 10_000;
/// How often those that count no more are removed.
const SWEPT_EACH: Duration = Duration::from_secs(60);

/// Whose wrong PINs are counted together.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) enum Guesser {
    /// A phone, at which they are typed.
    Phone(String),
    /// The logins of an agent, from wherever.
    LoginsOf(String),
}

/// One of a tenant.
pub(super) type GuesserKey = (TenantId, Guesser);

/// What is known of one that has sent wrong PINs.
#[derive(Clone, Copy)]
struct Wrong {
    in_a_row: u32,
    waits_until: Timestamp,
}

impl Wrong {
    fn counts(self, now: Timestamp) -> bool {
        now < self.waits_until + FORGET_AFTER
    }

    /// What is at least as bad as both.
    fn worst(self, other: Self) -> Self {
        Self { in_a_row: self.in_a_row.max(other.in_a_row), waits_until: self.waits_until.max(other.waits_until) }
    }
}

/// Those of one tenant.
#[derive(Default)]
struct GuessersOfTenant {
    told_apart: HashMap<Guesser, Wrong>,
    /// As what any other one counts: the worst of what has given way.
    others: Option<Wrong>,
}

impl GuessersOfTenant {
    fn wrong(&self, guesser: &Guesser, now: Timestamp) -> Option<Wrong> {
        self.told_apart.get(guesser).copied().or(self.others).filter(|wrong| wrong.counts(now))
    }

    fn sweep(&mut self, now: Timestamp) {
        self.told_apart.retain(|_, wrong| wrong.counts(now));
        self.others = self.others.filter(|wrong| wrong.counts(now));
    }

    /// The one with the fewest wrong PINs, and of several the one whose last was the longest ago, is told apart no more.
    fn give_way(&mut self) {
        let least = self.told_apart.iter().min_by_key(|(_, wrong)| (wrong.in_a_row, wrong.waits_until));
        let Some((guesser, wrong)) = least.map(|(guesser, wrong)| (guesser.clone(), *wrong)) else { return };
        self.told_apart.remove(&guesser);
        self.others = Some(self.others.map_or(wrong, |others| others.worst(wrong)));
    }
}

/// Those of all tenants.
pub(super) struct Guessers {
    of_tenants: HashMap<TenantId, GuessersOfTenant>,
    of_tenant_max: usize,
    swept_at: Timestamp,
}

impl Guessers {
    pub fn new() -> Self {
        Self::of_at_most(OF_TENANT_MAX)
    }

    fn of_at_most(of_tenant_max: usize) -> Self {
        Self { of_tenants: HashMap::new(), of_tenant_max, swept_at: Timestamp::ZERO }
    }

    /// Whether no PIN is looked at now.
    pub fn must_wait(&self, (tenant, guesser): &GuesserKey, now: Timestamp) -> bool {
        let wrong = self.of_tenants.get(tenant).and_then(|of_tenant| of_tenant.wrong(guesser, now));
        wrong.is_some_and(|wrong| now < wrong.waits_until)
    }

    /// Counts a wrong PIN; returns whether another one of the tenant is told apart no more.
    pub fn was_wrong(&mut self, (tenant, guesser): &GuesserKey, now: Timestamp) -> bool {
        if now >= self.swept_at + SWEPT_EACH {
            self.swept_at = now;
            self.sweep(now);
        }
        let most = self.of_tenant_max;
        let of_tenant = self.of_tenants.entry(tenant.clone()).or_default();
        let in_a_row = of_tenant.wrong(guesser, now).map_or(0, |wrong| wrong.in_a_row).saturating_add(1);
        let has_room = |of_tenant: &GuessersOfTenant| {
            of_tenant.told_apart.contains_key(guesser) || of_tenant.told_apart.len() < most
        };
        if !has_room(of_tenant) {
            of_tenant.sweep(now);
        }
        let gives_way = !has_room(of_tenant);
        if gives_way {
            of_tenant.give_way();
        }
        let wrong = Wrong { in_a_row, waits_until: now + wait_after(in_a_row) };
        of_tenant.told_apart.insert(guesser.clone(), wrong);
        gives_way
    }

    /// Begins anew with one that has sent the right PIN.
    pub fn was_right(&mut self, (tenant, guesser): &GuesserKey) {
        if let Some(of_tenant) = self.of_tenants.get_mut(tenant) {
            of_tenant.told_apart.remove(guesser);
        }
    }

    fn sweep(&mut self, now: Timestamp) {
        self.of_tenants.retain(|_, of_tenant| {
            of_tenant.sweep(now);
            !of_tenant.told_apart.is_empty() || of_tenant.others.is_some()
        });
    }
}

fn wait_after(wrong: u32) -> Duration {
    match wrong.checked_sub(WRONG_FREE) {
        None => Duration::ZERO,
        Some(further) => WAIT_FIRST.saturating_mul(2_u32.saturating_pow(further)).min(WAIT_MAX),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn logins_of(tenant: &str, agent: usize) -> GuesserKey {
        (TenantId::parse(tenant).unwrap(), Guesser::LoginsOf(agent.to_string()))
    }

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    #[test]
    fn the_wait_has_a_longest() {
        assert_eq!(wait_after(WRONG_FREE - 1), Duration::ZERO);
        assert_eq!(wait_after(u32::MAX), WAIT_MAX);
    }

    #[test]
    fn a_wrong_login_of_each_of_many_agents_keeps_nobody_out() {
        let mut guessers = Guessers::new();
        for agent in 0..OF_TENANT_MAX {
            assert!(!guessers.was_wrong(&logins_of("acme", agent), NOW));
        }
        assert!(!guessers.must_wait(&logins_of("globex", 0), NOW), "another tenant");
        let further = logins_of("acme", OF_TENANT_MAX);
        assert!(!guessers.must_wait(&further, NOW), "one of the same tenant that is not in the table");
        assert!(guessers.was_wrong(&further, NOW), "another one gives way");
        assert_eq!(guessers.of_tenants[&further.0].told_apart.len(), OF_TENANT_MAX);
        assert!(!guessers.must_wait(&further, NOW), "it has sent one");
    }

    #[test]
    fn nobody_gets_rid_of_own_wrong_pins_by_those_of_others() {
        let mut guessers = Guessers::of_at_most(2);
        let own = logins_of("acme", 0);
        guessers.was_wrong(&own, NOW);
        guessers.was_wrong(&own, NOW);
        let later = NOW + Duration::from_secs(1);
        for agent in 1..3 {
            for _ in 0..2 {
                guessers.was_wrong(&logins_of("acme", agent), later);
            }
        }
        assert!(!guessers.of_tenants[&own.0].told_apart.contains_key(&own.1), "it has given way");
        guessers.was_wrong(&own, later);
        assert!(guessers.must_wait(&own, later), "its third one in a row");
    }

    #[test]
    fn what_counts_no_more_is_removed() {
        let mut guessers = Guessers::new();
        guessers.was_wrong(&logins_of("acme", 0), NOW);
        guessers.was_wrong(&logins_of("globex", 0), NOW + FORGET_AFTER);
        assert_eq!(guessers.of_tenants.len(), 1);
    }

    proptest! {
        /// Beside a table that tells everybody apart.
        #[test]
        fn a_small_table_lets_nobody_try_who_must_wait(
            tries in prop::collection::vec((0_usize..8, any::<bool>(), 0_u64..200), 1..200), most in 1_usize..5,
        ) {
            let (mut small, mut whole, mut elapsed) = (Guessers::of_at_most(most), Guessers::of_at_most(8), 0);
            for (agent, is_right, seconds) in tries {
                elapsed += seconds;
                let now = NOW + Duration::from_secs(elapsed);
                for each in 0..8 {
                    let key = logins_of("acme", each);
                    prop_assert!(small.must_wait(&key, now) || !whole.must_wait(&key, now), "{}", each);
                }
                let key = logins_of("acme", agent);
                if small.must_wait(&key, now) {
                    continue;
                }
                for table in [&mut small, &mut whole] {
                    if is_right {
                        table.was_right(&key);
                    } else {
                        table.was_wrong(&key, now);
                    }
                }
                let of_tenant = small.of_tenants.get(&key.0).map_or(0, |of_tenant| of_tenant.told_apart.len());
                prop_assert!(of_tenant <= most);
            }
        }
    }
}
