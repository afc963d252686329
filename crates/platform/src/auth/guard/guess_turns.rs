//! Turns of those who show a password or a secret: so many at a time under one key, some more wait, and who comes after them is refused.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::super::answers::Trouble;

/// Turns under any number of keys; a key is remembered while somebody has a turn or waits for one.
pub(super) struct GuessTurns(Arc<TurnsByKey>);

struct TurnsByKey {
    at_once: usize,
    waiting_max: usize,
    open: Mutex<HashMap<String, KeyTurns>>,
}

/// Those of one key.
struct KeyTurns {
    entered: usize,
    places: Arc<Semaphore>,
}

/// Somebody's turn; it ends when this is dropped.
pub(super) struct GuessTurn {
    _place: OwnedSemaphorePermit,
    _entered: Entered,
}

/// Somebody who has a turn or waits for one.
struct Entered {
    all: Arc<TurnsByKey>,
    key: String,
}

impl GuessTurns {
    pub fn new(at_once: usize, waiting_max: usize) -> Self {
        Self(Arc::new(TurnsByKey { at_once, waiting_max, open: Mutex::default() }))
    }

    /// Waits for a turn under that key.
    ///
    /// # Errors
    /// [`Trouble::Busy`] if too many wait already.
    pub async fn wait_for(&self, key: &str) -> Result<GuessTurn, Trouble> {
        let (places, entered) = self.enter(key)?;
        // Never closed, so that this does not fail.
        let place = places.acquire_owned().await.map_err(|_| Trouble::Busy)?;
        Ok(GuessTurn { _place: place, _entered: entered })
    }

    fn enter(&self, key: &str) -> Result<(Arc<Semaphore>, Entered), Trouble> {
        let all = &self.0;
        let mut open = all.lock();
        let of_key = open
            .entry(key.to_owned())
            .or_insert_with(|| KeyTurns { entered: 0, places: Arc::new(Semaphore::new(all.at_once)) });
        if of_key.entered >= all.at_once + all.waiting_max {
            return Err(Trouble::Busy);
        }
        of_key.entered += 1;
        Ok((of_key.places.clone(), Entered { all: all.clone(), key: key.to_owned() }))
    }
}

impl TurnsByKey {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, KeyTurns>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        let mut open = self.all.lock();
        let Some(of_key) = open.get_mut(&self.key) else { return };
        of_key.entered = of_key.entered.saturating_sub(1);
        if of_key.entered == 0 {
            open.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn few_have_a_turn_some_wait_and_the_others_are_refused() {
        let turns = GuessTurns::new(1, 1);
        let first = turns.wait_for("ann").await.ok().unwrap();
        let mut second = Box::pin(turns.wait_for("ann"));
        assert!(second.as_mut().now_or_never().is_none(), "it waits");
        assert!(matches!(turns.wait_for("ann").await, Err(Trouble::Busy)));
        assert!(turns.wait_for("bob").await.is_ok(), "another key");
        drop(first);
        let second = second.await.ok().unwrap();
        assert!(turns.wait_for("ann").now_or_never().is_none());
        drop(second);
        assert!(turns.0.lock().is_empty(), "no key stays, nor one whose owner no longer waits");
    }
}
