//! What auth has said of API keys, remembered under their digests for as long as it is good: a token until it ends, a refusal for some
//! seconds. No key itself is kept.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use axum::http::HeaderValue;
use identity::secret::Digest;
use model::Timestamp;
use net::http::Problem;
use tokio::sync::{Mutex as TurnMutex, OwnedMutexGuard};

/// The most keys that are remembered.
const KEYS_MAX: usize = 4_096;

/// What came of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum KeyAnswer {
    /// Its token, as the header that shows it.
    Token(HeaderValue),
    /// It is not exchanged.
    Refused(KeyRefusal),
}

/// Why a key is not exchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeyRefusal {
    /// It is not known, is over, or was revoked.
    Unknown,
    /// Too many wrong ones came before.
    Wait,
    /// auth does not answer.
    Away,
}

impl KeyAnswer {
    /// The token, or the refusal as the caller is told it.
    pub fn told(self) -> Result<HeaderValue, Problem> {
        match self {
            Self::Token(token) => Ok(token),
            Self::Refused(refusal) => Err(refusal.problem()),
        }
    }
}

impl KeyRefusal {
    /// As the caller is told it.
    pub fn problem(self) -> Problem {
        match self {
            Self::Unknown => Problem::unauthorized("the API key is not known, is over, or was revoked"),
            Self::Wait => Problem::too_many("too many API keys were wrong: wait before the next"),
            Self::Away => Problem::unavailable("API keys cannot be looked up now"),
        }
    }
}

/// An answer, and until when it counts.
struct KeptAnswer {
    answer: KeyAnswer,
    until: Timestamp,
}

/// What is remembered of one key. Whoever holds it alone asks auth.
#[derive(Default)]
struct KeyPlace {
    kept: Arc<TurnMutex<Option<KeptAnswer>>>,
    /// Whether it was exchanged once: then it is not made up.
    was_good: AtomicBool,
}

/// What is remembered of all keys.
#[derive(Default)]
pub(super) struct KeyPlaces(Mutex<HashMap<Digest, Arc<KeyPlace>>>);

/// The place of a key, for one request.
pub(super) struct TakenKeyPlace(Arc<KeyPlace>);

/// What is remembered of a key, while nobody else looks at it.
pub(super) struct HeldKeyPlace {
    place: Arc<KeyPlace>,
    kept: OwnedMutexGuard<Option<KeptAnswer>>,
}

impl KeyPlace {
    /// Whether it has a token that is good at that time. One that somebody holds counts as such.
    fn has_token(&self, now: Timestamp) -> bool {
        let Ok(kept) = self.kept.try_lock() else { return true };
        kept.as_ref().is_some_and(|kept| now < kept.until && matches!(kept.answer, KeyAnswer::Token(_)))
    }
}

impl KeyPlaces {
    /// The place of a key; none if there is no room, since all are in use. Where it is full, keys that were never good go first, then those
    /// whose tokens are over.
    pub fn of(&self, key: Digest, now: Timestamp) -> Option<TakenKeyPlace> {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = places.get(&key) {
            return Some(TakenKeyPlace(place.clone()));
        }
        // Further ones are made under this lock alone.
        let is_used = |place: &Arc<KeyPlace>| Arc::strong_count(place) > 1;
        if places.len() >= KEYS_MAX {
            places.retain(|_, place| is_used(place) || place.was_good.load(Ordering::Relaxed));
        }
        if places.len() >= KEYS_MAX {
            places.retain(|_, place| is_used(place) || place.has_token(now));
        }
        if places.len() >= KEYS_MAX {
            let unused = places.iter().find(|(_, place)| !is_used(place)).map(|(key, _)| *key)?;
            places.remove(&unused);
        }
        Some(TakenKeyPlace(places.entry(key).or_default().clone()))
    }
}

impl KeyPlaces {
    /// Forgets the token of a key, which a role has refused, unless another one was kept since.
    pub async fn forget(&self, key: Digest, refused: &HeaderValue) {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        let Some(place) = known else { return };
        let mut kept = place.kept.lock().await;
        if kept.as_ref().is_some_and(|kept| matches!(&kept.answer, KeyAnswer::Token(token) if token == refused)) {
            *kept = None;
        }
    }
}

impl TakenKeyPlace {
    /// Waits until nobody else looks at it.
    pub async fn kept(self) -> HeldKeyPlace {
        let kept = self.0.kept.clone().lock_owned().await;
        HeldKeyPlace { place: self.0, kept }
    }
}

impl HeldKeyPlace {
    /// The answer that counts at that time.
    pub fn at(&self, now: Timestamp) -> Option<KeyAnswer> {
        self.kept.as_ref().filter(|kept| now < kept.until).map(|kept| kept.answer.clone())
    }

    /// Whether the key was exchanged once.
    pub fn was_good(&self) -> bool {
        self.place.was_good.load(Ordering::Relaxed)
    }

    /// Remembers an answer until then.
    pub fn keep(&mut self, answer: KeyAnswer, until: Timestamp) {
        // One that is refused has no claim any more to the places of good ones; that auth does not answer says nothing of it.
        match answer {
            KeyAnswer::Token(_) => self.place.was_good.store(true, Ordering::Relaxed),
            KeyAnswer::Refused(KeyRefusal::Unknown) => self.place.was_good.store(false, Ordering::Relaxed),
            KeyAnswer::Refused(KeyRefusal::Wait | KeyRefusal::Away) => {}
        }
        *self.kept = Some(KeptAnswer { answer, until });
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
    const SECOND: Duration = Duration::from_secs(1);

    fn key(n: usize) -> Digest {
        Digest::of(&n.to_string())
    }

    fn token() -> KeyAnswer {
        KeyAnswer::Token(HeaderValue::from_static("Bearer x"))
    }

    async fn put(places: &KeyPlaces, n: usize, answer: KeyAnswer, until: Timestamp) {
        places.of(key(n), NOW).unwrap().kept().await.keep(answer, until);
    }

    async fn answer(places: &KeyPlaces, n: usize, now: Timestamp) -> Option<KeyAnswer> {
        places.of(key(n), now).unwrap().kept().await.at(now)
    }

    #[tokio::test]
    async fn an_answer_counts_until_its_time_and_for_its_key_alone() {
        let places = KeyPlaces::default();
        put(&places, 1, token(), NOW + SECOND).await;
        assert_eq!(answer(&places, 1, NOW).await, Some(token()));
        assert_eq!(answer(&places, 1, NOW + SECOND).await, None);
        assert_eq!(answer(&places, 2, NOW).await, None);
        let held = places.of(key(1), NOW).unwrap().kept().await;
        assert!(held.was_good());
        drop(held);
        put(&places, 1, KeyAnswer::Refused(KeyRefusal::Away), NOW + SECOND).await;
        assert!(places.of(key(1), NOW).unwrap().kept().await.was_good(), "nothing is said of the key");
        put(&places, 1, KeyAnswer::Refused(KeyRefusal::Unknown), NOW + SECOND).await;
        assert!(!places.of(key(1), NOW).unwrap().kept().await.was_good(), "it was revoked");
    }

    #[tokio::test]
    async fn a_token_that_was_refused_is_forgotten_and_no_other() {
        let places = KeyPlaces::default();
        put(&places, 1, token(), NOW + SECOND).await;
        places.forget(key(1), &HeaderValue::from_static("Bearer older")).await;
        assert_eq!(answer(&places, 1, NOW).await, Some(token()));
        places.forget(key(1), &HeaderValue::from_static("Bearer x")).await;
        assert_eq!(answer(&places, 1, NOW).await, None);
        assert!(places.of(key(1), NOW).unwrap().kept().await.was_good(), "the key is what it was");
        put(&places, 1, KeyAnswer::Refused(KeyRefusal::Unknown), NOW + SECOND).await;
        places.forget(key(1), &HeaderValue::from_static("Bearer x")).await;
        assert_eq!(answer(&places, 1, NOW).await, Some(KeyAnswer::Refused(KeyRefusal::Unknown)));
        places.forget(key(2), &HeaderValue::from_static("Bearer x")).await;
    }

    #[tokio::test]
    async fn of_two_requests_with_a_key_one_waits_for_the_other() {
        let places = KeyPlaces::default();
        let mut first = places.of(key(1), NOW).unwrap().kept().await;
        let second = places.of(key(1), NOW).unwrap();
        let waits = tokio::spawn(async move { second.kept().await.at(NOW) });
        tokio::task::yield_now().await;
        assert!(!waits.is_finished());
        first.keep(token(), NOW + SECOND);
        drop(first);
        assert_eq!(waits.await.unwrap(), Some(token()), "it does not ask again");
    }

    #[tokio::test]
    async fn keys_that_are_made_up_take_no_room_of_good_ones() {
        let places = KeyPlaces::default();
        put(&places, 0, token(), NOW + SECOND).await;
        let used = places.of(key(1), NOW).unwrap();
        for n in 2..2 * KEYS_MAX {
            put(&places, n, KeyAnswer::Refused(KeyRefusal::Unknown), NOW + SECOND).await;
        }
        assert_eq!(answer(&places, 0, NOW).await, Some(token()));
        assert!(places.0.lock().unwrap().contains_key(&key(1)), "somebody looks at it");
        assert!(places.0.lock().unwrap().len() <= KEYS_MAX);
        drop(used);
    }

    #[tokio::test]
    async fn of_good_keys_those_that_are_over_go_first_and_there_is_always_room_for_one_more() {
        let places = KeyPlaces::default();
        for n in 0..KEYS_MAX {
            put(&places, n, token(), if n == 7 { NOW } else { NOW + SECOND }).await;
        }
        put(&places, KEYS_MAX, token(), NOW + SECOND).await;
        assert!(!places.0.lock().unwrap().contains_key(&key(7)));
        put(&places, KEYS_MAX + 1, token(), NOW + SECOND).await;
        assert_eq!(answer(&places, KEYS_MAX + 1, NOW).await, Some(token()));
        assert_eq!(places.0.lock().unwrap().len(), KEYS_MAX);
    }
}
