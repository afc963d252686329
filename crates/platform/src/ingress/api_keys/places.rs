//! What auth has said of API keys, remembered under their digests for as long as it is good: a token until it ends, a refusal for some
//! seconds. No key itself is kept.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::http::HeaderValue;
use identity::secret::Digest;
use model::Timestamp;
use net::http::Problem;
use tokio::sync::{Mutex as TurnMutex, OwnedMutexGuard};

/// The most keys that are remembered of those that auth has called good.
const GOOD_KEYS_MAX: usize = 4_096;
/// The same of all others: those of which auth is asked just now, and those that it has refused.
const NEW_KEYS_MAX: usize = 1_024;

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
pub(super) struct KeyPlaces(Mutex<PlacesByKey>);

#[derive(Default)]
struct PlacesByKey {
    /// Of keys that were exchanged once. No key takes one of these places before auth has called it good.
    good: HashMap<Digest, Arc<KeyPlace>>,
    /// Of all others.
    new: HashMap<Digest, Arc<KeyPlace>>,
    /// The keys of these, the oldest first; some of them are good meanwhile.
    new_in_order: VecDeque<Digest>,
}

/// The place of a key, for one request.
pub(super) struct TakenKeyPlace {
    key: Digest,
    place: Arc<KeyPlace>,
}

/// What is remembered of a key, while nobody else looks at it.
pub(super) struct HeldKeyPlace {
    key: Digest,
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

impl PlacesByKey {
    fn find(&self, key: Digest) -> Option<&Arc<KeyPlace>> {
        self.good.get(&key).or_else(|| self.new.get(&key))
    }

    /// Where there are too many, the oldest one goes. Whoever looks at it goes on: only nobody else waits for what it gets.
    fn add_new(&mut self, key: Digest, place: Arc<KeyPlace>) {
        while self.new_in_order.len() >= NEW_KEYS_MAX {
            let Some(oldest) = self.new_in_order.pop_front() else { break };
            self.new.remove(&oldest);
        }
        self.new_in_order.push_back(key);
        self.new.insert(key, place);
    }

    /// Where there are too many, those go whose tokens are over, or else any one.
    fn add_good(&mut self, key: Digest, place: Arc<KeyPlace>, now: Timestamp) {
        self.new.remove(&key);
        if self.good.len() >= GOOD_KEYS_MAX && !self.good.contains_key(&key) {
            self.good.retain(|_, place| place.has_token(now));
            if self.good.len() >= GOOD_KEYS_MAX
                && let Some(other) = self.good.keys().next().copied()
            {
                self.good.remove(&other);
            }
        }
        self.good.insert(key, place);
    }
}

impl KeyPlaces {
    fn lock(&self) -> MutexGuard<'_, PlacesByKey> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The place of a key, if there is one.
    pub fn known(&self, key: Digest) -> Option<TakenKeyPlace> {
        Some(TakenKeyPlace { key, place: self.lock().find(key)?.clone() })
    }

    /// The place of a key, a new one if there is none. For who has a turn alone.
    pub fn of(&self, key: Digest) -> TakenKeyPlace {
        let mut places = self.lock();
        let known = places.find(key).cloned();
        let place = known.unwrap_or_else(|| {
            let place = Arc::<KeyPlace>::default();
            places.add_new(key, place.clone());
            place
        });
        TakenKeyPlace { key, place }
    }

    /// Remembers what came of a key, for so long.
    pub fn keep(&self, held: &mut HeldKeyPlace, answer: KeyAnswer, now: Timestamp, lasting: Duration) {
        let (key, place) = (held.key, held.place.clone());
        match answer {
            KeyAnswer::Token(_) => {
                place.was_good.store(true, Ordering::Relaxed);
                self.lock().add_good(key, place, now);
            }
            // One that is refused has no claim any more to the places of good ones.
            KeyAnswer::Refused(KeyRefusal::Unknown) => {
                if place.was_good.swap(false, Ordering::Relaxed) {
                    let mut places = self.lock();
                    places.good.remove(&key);
                    places.add_new(key, place);
                }
            }
            // That auth does not answer says nothing of it.
            KeyAnswer::Refused(KeyRefusal::Wait | KeyRefusal::Away) => {}
        }
        *held.kept = Some(KeptAnswer { answer, until: now + lasting });
    }

    /// Forgets the token of a key, which a role has refused, unless another one was kept since.
    pub async fn forget(&self, key: Digest, refused: &HeaderValue) {
        let Some(TakenKeyPlace { place, .. }) = self.known(key) else { return };
        let mut kept = place.kept.lock().await;
        if kept.as_ref().is_some_and(|kept| matches!(&kept.answer, KeyAnswer::Token(token) if token == refused)) {
            *kept = None;
        }
    }
}

impl TakenKeyPlace {
    /// Waits until nobody else looks at it.
    pub async fn kept(self) -> HeldKeyPlace {
        let kept = self.place.kept.clone().lock_owned().await;
        HeldKeyPlace { key: self.key, place: self.place, kept }
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
}

#[cfg(test)]
impl KeyPlaces {
    /// How many there are of good keys, and of others.
    pub fn counted(&self) -> (usize, usize) {
        let places = self.lock();
        (places.good.len(), places.new.len().max(places.new_in_order.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
    const SECOND: Duration = Duration::from_secs(1);
    const UNKNOWN: KeyAnswer = KeyAnswer::Refused(KeyRefusal::Unknown);

    fn key(n: usize) -> Digest {
        Digest::of(&n.to_string())
    }

    fn token() -> KeyAnswer {
        KeyAnswer::Token(HeaderValue::from_static("Bearer x"))
    }

    async fn put(places: &KeyPlaces, n: usize, answer: KeyAnswer, lasting: Duration) {
        let mut held = places.of(key(n)).kept().await;
        places.keep(&mut held, answer, NOW, lasting);
    }

    async fn answer(places: &KeyPlaces, n: usize, now: Timestamp) -> Option<KeyAnswer> {
        places.known(key(n))?.kept().await.at(now)
    }

    async fn was_good(places: &KeyPlaces, n: usize) -> bool {
        places.known(key(n)).unwrap().kept().await.was_good()
    }

    #[tokio::test]
    async fn an_answer_counts_until_its_time_and_for_its_key_alone() {
        let places = KeyPlaces::default();
        put(&places, 1, token(), SECOND).await;
        assert_eq!(answer(&places, 1, NOW).await, Some(token()));
        assert_eq!(answer(&places, 1, NOW + SECOND).await, None);
        assert_eq!(answer(&places, 2, NOW).await, None);
        assert!(was_good(&places, 1).await);
        put(&places, 1, KeyAnswer::Refused(KeyRefusal::Away), SECOND).await;
        assert!(was_good(&places, 1).await, "nothing is said of the key");
        assert_eq!(places.counted(), (1, 1));
        put(&places, 1, UNKNOWN, SECOND).await;
        assert!(!was_good(&places, 1).await, "it was revoked");
        assert_eq!(answer(&places, 1, NOW).await, Some(UNKNOWN), "and that is remembered");
        assert_eq!(places.counted().0, 0);
    }

    #[tokio::test]
    async fn a_token_that_was_refused_is_forgotten_and_no_other() {
        let places = KeyPlaces::default();
        put(&places, 1, token(), SECOND).await;
        places.forget(key(1), &HeaderValue::from_static("Bearer older")).await;
        assert_eq!(answer(&places, 1, NOW).await, Some(token()));
        places.forget(key(1), &HeaderValue::from_static("Bearer x")).await;
        assert_eq!(answer(&places, 1, NOW).await, None);
        assert!(was_good(&places, 1).await, "the key is what it was");
        put(&places, 1, UNKNOWN, SECOND).await;
        places.forget(key(1), &HeaderValue::from_static("Bearer x")).await;
        assert_eq!(answer(&places, 1, NOW).await, Some(UNKNOWN));
        places.forget(key(2), &HeaderValue::from_static("Bearer x")).await;
    }

    #[tokio::test]
    async fn of_two_requests_with_a_key_one_waits_for_the_other() {
        let places = KeyPlaces::default();
        let mut first = places.of(key(1)).kept().await;
        let second = places.known(key(1)).unwrap();
        let waits = tokio::spawn(async move { second.kept().await.at(NOW) });
        tokio::task::yield_now().await;
        assert!(!waits.is_finished());
        places.keep(&mut first, token(), NOW, SECOND);
        drop(first);
        assert_eq!(waits.await.unwrap(), Some(token()), "it does not ask again");
    }

    #[tokio::test]
    async fn keys_that_are_made_up_take_no_room_of_good_ones_however_many_are_looked_at() {
        let places = KeyPlaces::default();
        for n in 0..GOOD_KEYS_MAX {
            put(&places, n, token(), SECOND).await;
        }
        let mut held = Vec::new();
        for n in GOOD_KEYS_MAX..GOOD_KEYS_MAX + 2 * NEW_KEYS_MAX {
            held.push(places.of(key(n)).kept().await);
        }
        for n in 0..GOOD_KEYS_MAX {
            assert_eq!(answer(&places, n, NOW).await, Some(token()), "{n}");
        }
        assert_eq!(places.counted(), (GOOD_KEYS_MAX, NEW_KEYS_MAX));
        // Whose place has gone is not worse off when it is good.
        let mut first = held.swap_remove(0);
        places.keep(&mut first, token(), NOW, SECOND);
        drop(first);
        assert_eq!(answer(&places, GOOD_KEYS_MAX, NOW).await, Some(token()));
    }

    #[tokio::test]
    async fn of_good_keys_those_that_are_over_go_first_and_there_is_always_room_for_one_more() {
        let places = KeyPlaces::default();
        for n in 0..GOOD_KEYS_MAX {
            put(&places, n, token(), if n == 7 { Duration::ZERO } else { SECOND }).await;
        }
        put(&places, GOOD_KEYS_MAX, token(), SECOND).await;
        assert!(places.known(key(7)).is_none());
        put(&places, GOOD_KEYS_MAX + 1, token(), SECOND).await;
        assert_eq!(answer(&places, GOOD_KEYS_MAX + 1, NOW).await, Some(token()));
        assert_eq!(places.counted().0, GOOD_KEYS_MAX);
    }
}
