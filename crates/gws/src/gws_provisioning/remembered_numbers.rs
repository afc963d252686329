//! Which people have which numbers (`DBID`), as somebody has seen them a moment ago: programs ask for one person after the other by number,
//! and each time all people of the tenant would be read. What is found is looked at anew: the memory says names alone.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use infra::Clock;
use model::{TenantId, Timestamp};

use super::requesting_person::RequestingPerson;

/// For how long numbers are remembered.
const REMEMBERED_FOR: Duration = Duration::from_secs(60);
/// Of how many people who ask: each may see fifty thousand.
const ASKERS_MAX: usize = 16;

/// Who asks sees what others may not.
type AskerKey = (TenantId, String);

/// The numbers.
pub(super) struct RememberedNumbers {
    clock: Arc<dyn Clock>,
    of: Mutex<HashMap<AskerKey, NumbersSeen>>,
}

struct NumbersSeen {
    at: Timestamp,
    names: HashMap<u64, Vec<String>>,
}

fn key(asker: &RequestingPerson) -> AskerKey {
    (asker.tenant.clone(), asker.subject.clone())
}

impl RememberedNumbers {
    /// None yet.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, of: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<AskerKey, NumbersSeen>> {
        let mut of = self.of.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.now();
        of.retain(|_, seen| now.since(seen.at) < REMEMBERED_FOR);
        of
    }

    /// The user names of that number; none where nothing is remembered of it.
    pub fn names(&self, asker: &RequestingPerson, number: u64) -> Option<Vec<String>> {
        self.lock().get(&key(asker))?.names.get(&number).cloned()
    }

    /// Remembers all people whom the asker sees, by their numbers.
    pub fn keep(&self, asker: &RequestingPerson, people: impl Iterator<Item = (u64, String)>) {
        let mut names: HashMap<u64, Vec<String>> = HashMap::new();
        for (number, name) in people {
            names.entry(number).or_default().push(name);
        }
        let mut of = self.lock();
        if of.len() >= ASKERS_MAX
            && let Some(oldest) = of.iter().min_by_key(|(_, seen)| seen.at).map(|(asker, _)| asker.clone())
        {
            of.remove(&oldest);
        }
        of.insert(key(asker), NumbersSeen { at: self.clock.now(), names });
    }

    /// The asker has made somebody, who may have the number of somebody else.
    pub fn add(&self, asker: &RequestingPerson, number: u64, name: &str) {
        if let Some(seen) = self.lock().get_mut(&key(asker)) {
            let names = seen.names.entry(number).or_default();
            if !names.iter().any(|own| own == name) {
                names.push(name.to_owned());
            }
        }
    }

    /// The asker has made some whose names are not known here.
    pub fn forget(&self, asker: &RequestingPerson) {
        self.lock().remove(&key(asker));
    }
}

#[cfg(test)]
mod tests {
    use infra::conformance::SetClock;

    use super::super::test_objects::ada;
    use super::*;

    #[test]
    fn numbers_are_remembered_for_a_minute_by_who_has_seen_them() {
        let clock = SetClock::at(Timestamp::from_millis(1_000));
        let numbers = RememberedNumbers::new(clock.clone());
        let (ada, bob) = (ada(), RequestingPerson { subject: "person/bob".to_owned(), ..ada() });
        let seen = || [(17, "ann".to_owned()), (18, "bob".to_owned())].into_iter();
        numbers.keep(&ada, seen());
        assert_eq!(numbers.names(&ada, 17), Some(vec!["ann".to_owned()]));
        assert_eq!((numbers.names(&ada, 19), numbers.names(&bob, 17)), (None, None));
        numbers.add(&ada, 17, "eve");
        numbers.add(&ada, 17, "eve");
        assert_eq!(numbers.names(&ada, 17), Some(vec!["ann".to_owned(), "eve".to_owned()]));
        clock.advance(REMEMBERED_FOR);
        assert_eq!(numbers.names(&ada, 17), None);
        numbers.keep(&ada, seen());
        numbers.forget(&ada);
        assert_eq!(numbers.names(&ada, 17), None);
    }

    #[test]
    fn those_who_asked_longest_ago_are_forgotten_for_others() {
        let clock = SetClock::at(Timestamp::from_millis(1_000));
        let numbers = RememberedNumbers::new(clock.clone());
        let asker = |n: usize| RequestingPerson { subject: format!("person/{n}"), ..ada() };
        for n in 0..=ASKERS_MAX {
            numbers.keep(&asker(n), [(17, "ann".to_owned())].into_iter());
            clock.advance(Duration::from_millis(1));
        }
        let known = (0..=ASKERS_MAX).filter(|n| numbers.names(&asker(*n), 17).is_some());
        assert_eq!(known.collect::<Vec<_>>(), (1..=ASKERS_MAX).collect::<Vec<_>>());
    }
}
