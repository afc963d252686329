//! Looks API keys up: in what is remembered of them, else at auth. Who shows a key of which nothing is known takes a turn of its source
//! before it takes a place: whoever makes keys up, and has them wait, shuts out nobody but others at the same source.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use identity::secret::Digest;
use infra::Clock;
use model::Timestamp;

use super::exchange::UNANSWERED_FOR;
use super::places::{HeldKeyPlace, KeyAnswer, KeyPlaces, KeyRefusal};
use super::turns::KeyTurns;

/// Looks them up.
pub(super) struct KeyLookups {
    /// What is remembered.
    pub places: KeyPlaces,
    turns: KeyTurns,
    clock: Arc<dyn Clock>,
}

/// What came of a key.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct FoundKey {
    pub answer: KeyAnswer,
    /// Whether auth has just said it.
    pub is_new: bool,
}

impl KeyLookups {
    /// Nothing is remembered yet.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { places: KeyPlaces::default(), turns: KeyTurns::default(), clock }
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// What is said of a key from that address: what is remembered, else what `asked` says of it and for how long that counts. Of many
    /// requests with one key at a time, one asks. None if it gets no turn.
    pub async fn find(
        &self,
        key: Digest,
        source: Option<IpAddr>,
        asked: impl Future<Output = (KeyAnswer, Duration)>,
    ) -> Option<FoundKey> {
        if let Some(place) = self.places.known(key) {
            let mut held = place.kept().await;
            if let Some(answer) = held.at(self.now()) {
                return Some(FoundKey { answer, is_new: false });
            }
            if held.was_good() {
                let Some(_turn) = self.turns.of_good().await else {
                    // Those who wait with this key do not wait for a turn each.
                    let away = KeyAnswer::Refused(KeyRefusal::Away);
                    self.places.keep(&mut held, away, self.now(), UNANSWERED_FOR);
                    return None;
                };
                return Some(self.learn(held, asked).await);
            }
        }
        let _turn = self.turns.of_new(source).await?;
        let held = self.places.of(key).kept().await;
        if let Some(answer) = held.at(self.now()) {
            return Some(FoundKey { answer, is_new: false });
        }
        Some(self.learn(held, asked).await)
    }

    async fn learn(&self, mut held: HeldKeyPlace, asked: impl Future<Output = (KeyAnswer, Duration)>) -> FoundKey {
        let (answer, lasting) = asked.await;
        self.places.keep(&mut held, answer.clone(), self.now(), lasting);
        FoundKey { answer, is_new: true }
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use axum::http::HeaderValue;
    use futures::FutureExt as _;
    use infra::conformance::SetClock;

    use super::*;

    const LASTING: Duration = Duration::from_secs(600);

    fn lookups() -> KeyLookups {
        KeyLookups::new(SetClock::at(Timestamp::from_millis(1_700_000_000_000)))
    }

    fn key(n: usize) -> Digest {
        Digest::of(&n.to_string())
    }

    fn token() -> KeyAnswer {
        KeyAnswer::Token(HeaderValue::from_static("Bearer x"))
    }

    fn source(number: usize) -> Option<IpAddr> {
        format!("192.0.2.{number}").parse().ok()
    }

    #[tokio::test(start_paused = true)]
    async fn keys_that_are_made_up_and_wait_shut_nobody_out_elsewhere() {
        let lookups = lookups();
        let good = lookups.find(key(0), source(9), ready((token(), LASTING))).await;
        assert_eq!(good, Some(FoundKey { answer: token(), is_new: true }));
        let mut waiting = Vec::new();
        for n in 1..=6_000 {
            // auth is asked, and does not answer.
            let mut fake = Box::pin(lookups.find(key(n), source(1), pending()));
            if fake.as_mut().now_or_never().is_none() {
                waiting.push(fake);
            }
        }
        assert!(!waiting.is_empty() && waiting.len() < 6_000, "{}", waiting.len());
        let (of_good, of_new) = lookups.places.counted();
        assert!(of_good == 1 && of_new < 10, "who waits for a turn has no place: {of_new}");
        let known = lookups.find(key(0), source(9), pending()).await;
        assert_eq!(known, Some(FoundKey { answer: token(), is_new: false }));
        // Also from where the others come.
        assert_eq!(lookups.find(key(0), source(1), pending()).await, known);
        let fresh = lookups.find(key(6_001), source(2), ready((token(), LASTING))).await;
        assert_eq!(fresh, Some(FoundKey { answer: token(), is_new: true }));
        assert_eq!(
            lookups.find(key(6_002), source(1), ready((token(), LASTING))).await,
            None,
            "its source has no turn"
        );
        drop(waiting);
        assert!(lookups.find(key(6_002), source(1), ready((token(), LASTING))).await.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn of_many_requests_with_a_key_one_asks() {
        let lookups = lookups();
        let asked = async {
            tokio::time::sleep(Duration::from_secs(5)).await;
            (token(), LASTING)
        };
        let others = futures::future::join_all((0..1_000).map(|_| lookups.find(key(1), source(1), pending())));
        let (first, others) = tokio::join!(biased; lookups.find(key(1), source(1), asked), others);
        assert_eq!(first, Some(FoundKey { answer: token(), is_new: true }));
        assert!(others.iter().all(|other| *other == Some(FoundKey { answer: token(), is_new: false })));
    }
}
