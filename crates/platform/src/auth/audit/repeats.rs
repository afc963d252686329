//! What comes again and again is noted when it first comes, and then once a minute with how often it has come: clients that ask for a token
//! all the time, and whoever guesses. An API key is noted so once an hour from each address: programs use theirs all day.

use std::collections::HashMap;
use std::time::Duration;

use contracts::sign_in_audit::{SignInEvent, SignInRecord, SignInWay};
use model::{TenantId, Timestamp};

use super::Noticed;

/// How long what repeats is counted before it is noted again.
const COUNTED_FOR: Duration = Duration::from_secs(60);
/// The same of an API key from an address that is known.
const KEY_USES_COUNTED_FOR: Duration = Duration::from_secs(3_600);
/// The most kinds that are counted at a time. What comes besides is counted together: for each tenant and event as one.
const COUNTED_MAX: usize = 4_096;
/// Those of one tenant.
const COUNTED_OF_TENANT_MAX: usize = COUNTED_MAX / 2;
/// Of these, those of API keys and their addresses.
const KEY_USES_COUNTED_OF_TENANT_MAX: usize = COUNTED_OF_TENANT_MAX / 2;

/// What makes two records the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct RepeatKey {
    event: SignInEvent,
    way: Option<SignInWay>,
    who: Option<String>,
    source: Option<String>,
}

/// What has come within the time for which it is counted.
#[derive(Debug)]
struct RepeatCount {
    until: Timestamp,
    /// The last of those that are not noted yet, with how many they are.
    held: Option<Noticed>,
}

/// That of one tenant.
type TenantRepeats = HashMap<RepeatKey, RepeatCount>;

/// All of it.
#[derive(Debug, Default)]
pub(super) struct Repeats(HashMap<TenantId, TenantRepeats>);

impl RepeatKey {
    /// None for what is always noted.
    fn of(noticed: &Noticed) -> Option<Self> {
        let record = &noticed.record;
        let source = match record.event {
            SignInEvent::ClientToken => None,
            // Who has a key that has leaked is told by the address.
            SignInEvent::Refused | SignInEvent::LockedOut | SignInEvent::ApiKeyUsed => Some(record.source.clone()),
            _ => return None,
        };
        Some(Self { event: record.event, way: record.way, who: record.subject.clone(), source })
    }

    /// How long it is counted before it is noted again. What is too much tells of nobody, and is noted soon.
    const fn counted_for(&self) -> Duration {
        match (self.event, &self.who) {
            (SignInEvent::ApiKeyUsed, Some(_)) => KEY_USES_COUNTED_FOR,
            _ => COUNTED_FOR,
        }
    }

    /// That of all that is too much.
    const fn of_rest(event: SignInEvent) -> Self {
        Self { event, way: None, who: None, source: None }
    }
}

/// Whether another kind of that event is counted beside those of its tenant. API keys, which stay for an hour, leave room for others.
fn has_room(of_tenant: &TenantRepeats, event: SignInEvent) -> bool {
    let of_event = || of_tenant.keys().filter(|key| key.event == event).count();
    of_tenant.len() < COUNTED_OF_TENANT_MAX
        && (event != SignInEvent::ApiKeyUsed || of_event() < KEY_USES_COUNTED_OF_TENANT_MAX)
}

impl RepeatCount {
    fn hold(&mut self, mut noticed: Noticed) {
        let before = self.held.as_ref().map_or(0, |held| held.record.times);
        noticed.record.times = noticed.record.times.saturating_add(before);
        self.held = Some(noticed);
    }
}

impl Repeats {
    /// Takes a record, and gives it back if it is to be noted now.
    pub fn take(&mut self, noticed: Noticed, now: Timestamp) -> Option<Noticed> {
        let Some(key) = RepeatKey::of(&noticed) else { return Some(noticed) };
        let counted: usize = self.0.values().map(HashMap::len).sum();
        let of_tenant = self.0.entry(noticed.tenant.clone()).or_default();
        if let Some(repeat) = of_tenant.get_mut(&key) {
            repeat.hold(noticed);
            return None;
        }
        let fresh = |key: &RepeatKey| RepeatCount { until: now + key.counted_for(), held: None };
        if counted < COUNTED_MAX && has_room(of_tenant, key.event) {
            let count = fresh(&key);
            of_tenant.insert(key, count);
            return Some(noticed);
        }
        let rest = RepeatKey::of_rest(key.event);
        let count = fresh(&rest);
        let rest = of_tenant.entry(rest).or_insert(count);
        let SignInRecord { at, event, times, .. } = noticed.record;
        rest.hold(Noticed { tenant: noticed.tenant, record: SignInRecord { at, times, ..SignInRecord::of(event) } });
        None
    }

    /// What was counted for its time.
    pub fn due(&mut self, now: Timestamp) -> Vec<Noticed> {
        let mut due = Vec::new();
        self.0.retain(|_, of_tenant| {
            of_tenant.retain(|key, repeat| {
                if now < repeat.until {
                    return true;
                }
                // What has not come for that time is new when it comes again.
                let Some(held) = repeat.held.take() else { return false };
                repeat.until = now + key.counted_for();
                due.push(held);
                true
            });
            !of_tenant.is_empty()
        });
        due
    }

    /// All that was counted, whenever it began.
    pub fn all(&mut self) -> Vec<Noticed> {
        self.0.drain().flat_map(|(_, of_tenant)| of_tenant.into_values()).filter_map(|repeat| repeat.held).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000) + Duration::from_secs(seconds)
    }

    fn noticed(event: SignInEvent, who: &str, source: &str, seconds: u64) -> Noticed {
        let record = SignInRecord { at: at(seconds), source: source.to_owned(), ..SignInRecord::of(event).about(who) };
        Noticed { tenant: TenantId::parse("acme").unwrap(), record }
    }

    fn told(noticed: &[Noticed]) -> Vec<(u64, u32)> {
        noticed.iter().map(|one| (one.record.at.since(at(0)).as_secs(), one.record.times)).collect()
    }

    #[test]
    fn what_repeats_is_noted_at_once_and_then_once_a_minute_with_its_count() {
        let mut repeats = Repeats::default();
        let token = |seconds| noticed(SignInEvent::ClientToken, "client/app", "192.0.2.1", seconds);
        assert_eq!(told(&repeats.take(token(0), at(0)).into_iter().collect::<Vec<_>>()), [(0, 1)]);
        for seconds in [1, 2, 30] {
            assert_eq!(repeats.take(token(seconds), at(seconds)), None);
        }
        assert_eq!(repeats.due(at(59)), []);
        assert_eq!(told(&repeats.due(at(60))), [(30, 3)]);
        assert_eq!(repeats.take(token(61), at(61)), None, "it goes on");
        assert_eq!(told(&repeats.due(at(120))), [(61, 1)]);
        assert_eq!(repeats.due(at(180)), []);
        assert!(repeats.take(token(181), at(181)).is_some(), "it had stopped");
    }

    #[test]
    fn who_guesses_is_counted_by_person_and_source_and_the_rest_is_always_noted() {
        let mut repeats = Repeats::default();
        let refused = |who: &str, source: &str| noticed(SignInEvent::Refused, who, source, 0);
        for (who, source) in [("person/ann", "192.0.2.1"), ("person/ann", "192.0.2.2"), ("person/bob", "192.0.2.1")] {
            assert!(repeats.take(refused(who, source), at(0)).is_some(), "{who} {source}");
            assert!(repeats.take(refused(who, source), at(0)).is_none(), "{who} {source}");
        }
        for _ in 0..2 {
            let signed_in = noticed(SignInEvent::SignedIn, "person/ann", "192.0.2.1", 0);
            assert!(repeats.take(signed_in, at(0)).is_some());
        }
        assert_eq!(repeats.all().len(), 3);
        assert_eq!(repeats.all(), []);
    }

    #[test]
    fn an_api_key_is_noted_from_each_address_at_which_it_is_used() {
        let mut repeats = Repeats::default();
        let used = |source: &str| noticed(SignInEvent::ApiKeyUsed, "api-key/x", source, 0);
        for source in ["192.0.2.1", "192.0.2.2"] {
            assert!(repeats.take(used(source), at(0)).is_some(), "{source}");
            assert!(repeats.take(used(source), at(0)).is_none(), "{source}");
        }
        assert_eq!(repeats.all().len(), 2);
    }

    #[test]
    fn an_api_key_is_noted_once_an_hour_from_an_address_and_at_once_from_another_one() {
        let mut repeats = Repeats::default();
        let used = |source: &str, seconds| noticed(SignInEvent::ApiKeyUsed, "api-key/x", source, seconds);
        let mut of_office = 0;
        for minute in 0..=60 {
            let (office, home) = (used("192.0.2.1", 60 * minute), used("192.0.2.2", 60 * minute));
            for one in [office, home] {
                of_office +=
                    u32::from(repeats.take(one, at(60 * minute)).is_some_and(|one| one.record.source == "192.0.2.1"));
            }
            let due = repeats.due(at(60 * minute));
            assert_eq!(due.len(), if minute == 60 { 2 } else { 0 }, "{minute}");
            assert!(due.iter().all(|one| one.record.times == 60));
        }
        assert_eq!(of_office, 1);
        assert!(repeats.take(used("198.51.100.7", 3_601), at(3_601)).is_some());
    }

    #[test]
    fn api_keys_leave_room_for_others() {
        let mut repeats = Repeats::default();
        for n in 0..COUNTED_OF_TENANT_MAX {
            let is_noted =
                repeats.take(noticed(SignInEvent::ApiKeyUsed, "api-key/x", &n.to_string(), 0), at(0)).is_some();
            assert_eq!(is_noted, n < KEY_USES_COUNTED_OF_TENANT_MAX, "{n}");
        }
        assert!(repeats.take(noticed(SignInEvent::Refused, "person/ann", "192.0.2.1", 0), at(0)).is_some());
        assert_eq!(told(&repeats.due(at(60))), [(0, 1_024)], "what is too much is noted each minute still");
    }

    #[test]
    fn what_is_too_much_is_one_record_a_minute_for_each_tenant() {
        let mut repeats = Repeats::default();
        for n in 0..COUNTED_OF_TENANT_MAX {
            assert!(repeats.take(noticed(SignInEvent::Refused, "person/ann", &n.to_string(), 0), at(0)).is_some());
        }
        for n in 0..1_000 {
            let more = noticed(SignInEvent::Refused, "person/ann", &format!("more {n}"), 1);
            assert_eq!(repeats.take(more, at(1)), None);
        }
        let other = noticed(SignInEvent::Refused, "person/ann", "192.0.2.1", 1);
        let other = Noticed { tenant: TenantId::parse("globex").unwrap(), ..other };
        assert!(repeats.take(other, at(1)).is_some(), "another tenant has room");
        assert_eq!(repeats.due(at(60)), []);
        let due = repeats.due(at(61));
        assert_eq!(told(&due), [(1, 1_000)]);
        assert!(due.iter().all(|rest| rest.record.subject.is_none() && rest.record.source.is_empty()));
    }

    #[test]
    fn whatever_name_a_stranger_types_it_is_one_record() {
        let mut repeats = Repeats::default();
        let locked_out = || {
            let record = SignInRecord { source: "192.0.2.1".to_owned(), ..SignInRecord::of(SignInEvent::LockedOut) };
            Noticed { tenant: TenantId::parse("acme").unwrap(), record }
        };
        assert!(repeats.take(locked_out(), at(0)).is_some());
        assert_eq!(repeats.take(locked_out(), at(0)), None);
    }
}
