//! Which key signs, which verify, and when the next one is made: decided by the time alone.

use std::iter::once;
use std::time::Duration;

use model::Timestamp;

/// For how long a key signs.
const SIGNS_FOR: Duration = Duration::from_secs(30 * 24 * 3_600);
/// For how long a key verifies after the next one has begun to sign. No token lives as long.
const VERIFIES_FOR: Duration = Duration::from_secs(60 * 24 * 3_600);
/// How long before it signs a key is made and published: nobody keeps published keys for longer without asking again.
const ANNOUNCED_FOR: Duration = Duration::from_secs(3_600);
/// A key that signs later than this was made by a clock that was wrong, or ours is: it says nothing about when the next one is due. Twice as
/// long as any is announced, for clocks that differ.
const AHEAD_MAX: Duration = Duration::from_secs(2 * 3_600);
/// So many keys are kept although they no longer verify: more than verify at a time, and one of a wrong clock. What such a clock takes for
/// ended is there when it is right again.
const KEPT: usize = 6;

/// A key, and from when it signs.
#[derive(Clone, Debug)]
struct RingKey<K> {
    key: K,
    signs_from: Timestamp,
}

/// The keys of an issuer, the one that signs first before those that sign after it.
#[derive(Clone, Debug)]
pub struct KeyRing<K> {
    keys: Vec<RingKey<K>>,
}

impl<K> KeyRing<K> {
    /// The ring that begins with that key.
    pub fn beginning(key: K, now: Timestamp) -> Self {
        Self { keys: vec![RingKey { key, signs_from: now }] }
    }

    /// The ring of those keys, each with the time from which it signs; `None` if there are none.
    pub(crate) fn restored(keys: Vec<(Timestamp, K)>) -> Option<Self> {
        let mut keys: Vec<_> = keys.into_iter().map(|(signs_from, key)| RingKey { key, signs_from }).collect();
        keys.sort_by_key(|key| key.signs_from);
        (!keys.is_empty()).then_some(Self { keys })
    }

    /// Its keys, each with the time from which it signs.
    pub(crate) fn keys(&self) -> impl Iterator<Item = (Timestamp, &K)> {
        self.keys.iter().map(|key| (key.signs_from, &key.key))
    }

    /// The key that signs now: the last whose time has come. One is always there: the first signs even before its time, for a clock that
    /// was set back, and the last after it, if nobody makes a further one.
    pub fn signing(&self, now: Timestamp) -> Option<&K> {
        let last = self.keys.iter().rev().find(|key| key.signs_from <= now);
        last.or(self.keys.first()).map(|key| &key.key)
    }

    /// The keys that verify now, each until when it does; `None`: no other is to sign after it yet.
    pub fn verifying(&self, now: Timestamp) -> impl Iterator<Item = (&K, Option<Timestamp>)> {
        let ends = self.keys.iter().skip(1).map(|next| Some(next.signs_from + VERIFIES_FOR)).chain(once(None));
        let keys = self.keys.iter().map(|key| &key.key).zip(ends);
        keys.filter(move |(_, until)| until.is_none_or(|until| now < until))
    }

    /// From when a further key has to sign, if it is to be made now: at once, if no key signs yet by our clock.
    pub(crate) fn next(&self, now: Timestamp) -> Option<Timestamp> {
        let Some(last) = self.keys.iter().rev().find(|key| key.signs_from <= now + AHEAD_MAX) else { return Some(now) };
        let due = last.signs_from + SIGNS_FOR;
        (due <= now + ANNOUNCED_FOR).then(|| due.max(now + ANNOUNCED_FOR))
    }

    /// Adds the key that [`Self::next`] has asked for.
    pub(crate) fn add(&mut self, key: K, signs_from: Timestamp) {
        self.keys.push(RingKey { key, signs_from });
        // Not always the last one: a wrong clock may have made a later one.
        self.keys.sort_by_key(|key| key.signs_from);
    }

    /// Drops keys that no longer verify, but for the last few. Returns whether there were any.
    pub(crate) fn drop_ended(&mut self, now: Timestamp) -> bool {
        let ended = self.keys.len() - self.verifying(now).count();
        let dropped = ended.min(self.keys.len().saturating_sub(KEPT));
        // Each ends before those after it.
        self.keys.drain(..dropped);
        dropped > 0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);
    const DAY: Duration = Duration::from_secs(24 * 3_600);
    /// The longest life of a token: of those that the command issues.
    const TOKEN_LIFE: Duration = Duration::from_secs(31 * 24 * 3_600);

    fn start() -> Timestamp {
        Timestamp::from_millis(1_800_000_000_000)
    }

    /// What the issuer does from time to time.
    fn driven(ring: &mut KeyRing<u32>, now: Timestamp) {
        ring.drop_ended(now);
        if let Some(from) = ring.next(now) {
            let next = ring.keys().map(|(_, key)| *key).max().unwrap_or_default() + 1;
            ring.add(next, from);
        }
    }

    fn verifying(ring: &KeyRing<u32>, now: Timestamp) -> Vec<u32> {
        ring.verifying(now).map(|(key, _)| *key).collect()
    }

    #[test]
    fn a_key_is_announced_signs_for_30_days_and_verifies_for_60_more() {
        let (mut ring, start) = (KeyRing::beginning(1, start()), start());
        let mut at = |after: Duration| {
            driven(&mut ring, start + after);
            (ring.signing(start + after).copied(), verifying(&ring, start + after))
        };
        assert_eq!(at(SIGNS_FOR - ANNOUNCED_FOR - MINUTE), (Some(1), vec![1]));
        assert_eq!(at(SIGNS_FOR - ANNOUNCED_FOR), (Some(1), vec![1, 2]));
        assert_eq!(at(SIGNS_FOR - MINUTE), (Some(1), vec![1, 2]));
        assert_eq!(at(SIGNS_FOR), (Some(2), vec![1, 2]));
        assert_eq!(at(SIGNS_FOR * 2), (Some(2), vec![1, 2, 3]), "nobody has looked for a while: it is announced now");
        assert_eq!(at(SIGNS_FOR * 2 + ANNOUNCED_FOR), (Some(3), vec![1, 2, 3]));
        assert_eq!(at(SIGNS_FOR * 3 - MINUTE), (Some(3), vec![1, 2, 3]));
        assert_eq!(at(SIGNS_FOR * 3), (Some(3), vec![2, 3, 4]));
    }

    #[test]
    fn a_clock_that_is_set_leaves_one_key_that_signs() {
        let mut ring = KeyRing::beginning(1, start() + DAY * 400);
        driven(&mut ring, start());
        assert_eq!((ring.signing(start()), verifying(&ring, start())), (Some(&2), vec![2, 1]));
        let late = start() + DAY * 4_000;
        driven(&mut ring, late);
        assert_eq!((ring.signing(late), verifying(&ring, late)), (Some(&1), vec![1, 3]));
        assert!(KeyRing::<u32>::restored(Vec::new()).is_none());
    }

    proptest! {
        /// However seldom the issuer looks: a token verifies for its whole life at everybody whose keys are an hour old at most.
        #[test]
        fn every_token_in_time_verifies(gaps in prop::collection::vec((1_u64..20 * 24 * 60, 0_u64..20 * 24 * 60), 1..40)) {
            let (mut ring, mut now) = (KeyRing::beginning(0, start()), start());
            let mut tokens: Vec<(Timestamp, u32)> = Vec::new();
            let mut published = vec![(now, ring.clone())];
            for (gap, at) in gaps {
                let issued = now + MINUTE * u32::try_from(at.min(gap)).unwrap();
                tokens.push((issued, *ring.signing(issued).unwrap()));
                now = now + MINUTE * u32::try_from(gap).unwrap();
                driven(&mut ring, now);
                published.push((now, ring.clone()));
                prop_assert!(verifying(&ring, now).contains(ring.signing(now).unwrap()));
                prop_assert!(ring.keys().count() <= KEPT + 1, "{:?}", ring);
            }
            for (issued, key) in tokens {
                for (at, (from, ring)) in published.iter().enumerate() {
                    // Shown as late as these keys are believed, in the token's life.
                    let until = published.get(at + 1).map_or(Timestamp::MAX, |(next, _)| *next + ANNOUNCED_FOR);
                    let shown = until.min(issued + TOKEN_LIFE);
                    if shown > issued && shown >= *from {
                        prop_assert!(verifying(ring, shown).contains(&key), "{} {} {:?}", issued, shown, ring);
                    }
                }
            }
        }

        /// However wrong the clock is for a while: when it is right again, rotation goes on, and no token of a right time is lost.
        #[test]
        fn a_clock_that_was_wrong_stops_nothing(
            days_before in 0_u32..200, wrong_by in 1_u32..8_000, is_ahead in any::<bool>(), looks in 1_u32..90,
        ) {
            const HOUR: Duration = Duration::from_secs(3_600);
            let begin = start() + DAY * 10_000;
            let mut ring = KeyRing::beginning(0, begin);
            let mut tokens: Vec<(Timestamp, u32)> = Vec::new();
            let mut at_hour = |ring: &mut KeyRing<u32>, hour: u32| {
                let now = begin + HOUR * hour;
                driven(ring, now);
                let signing = *ring.signing(now).unwrap();
                let since = ring.keys().find(|(_, key)| **key == signing).unwrap().0;
                prop_assert!(now.since(since) <= SIGNS_FOR + AHEAD_MAX + HOUR, "{} {:?}", hour, ring);
                if hour.is_multiple_of(12) {
                    tokens.retain(|(issued, _)| now.since(*issued) <= TOKEN_LIFE);
                    let verifying = verifying(ring, now);
                    prop_assert!(tokens.iter().all(|(_, key)| verifying.contains(key)), "{:?} {} {:?}", tokens, now, ring);
                    tokens.push((now, signing));
                }
                Ok(())
            };
            for before in 0..days_before * 24 {
                at_hour(&mut ring, before)?;
            }
            for look in 0..looks {
                let right = begin + DAY * days_before + MINUTE * look;
                driven(&mut ring, if is_ahead { right + DAY * wrong_by } else { right - DAY * wrong_by });
            }
            for after in days_before * 24 + 2..(days_before + 100) * 24 {
                at_hour(&mut ring, after)?;
            }
        }

        /// While the issuer looks each half hour, no key signs for more than 30 days.
        #[test]
        fn no_key_signs_for_longer(hours in 1_u64..24 * 200) {
            let mut ring = KeyRing::beginning(0, start());
            for half_hour in 0..=hours * 2 {
                let now = start() + MINUTE * 30 * u32::try_from(half_hour).unwrap();
                driven(&mut ring, now);
                let signing = *ring.signing(now).unwrap();
                let since = ring.keys().find(|(_, key)| **key == signing).unwrap().0;
                prop_assert!(now.since(since) <= SIGNS_FOR);
            }
        }
    }
}
