//! Turns of those who show a password or a secret: so many at a time under one key, some more wait, and who comes after them is refused.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::answers::Trouble;

/// Turns under any number of keys; a key is remembered while somebody has a turn or waits for one.
pub(super) struct GuessTurns(Arc<Queues>);

struct Queues {
    at_once: usize,
    waiting_max: usize,
    open: Mutex<HashMap<String, Queue>>,
}

/// Those of one key.
struct Queue {
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
    queues: Arc<Queues>,
    key: String,
}

impl GuessTurns {
    pub fn new(at_once: usize, waiting_max: usize) -> Self {
        Self(Arc::new(Queues { at_once, waiting_max, open: Mutex::default() }))
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
        let queues = &self.0;
        let mut open = queues.lock();
        let queue = open
            .entry(key.to_owned())
            .or_insert_with(|| Queue { entered: 0, places: Arc::new(Semaphore::new(queues.at_once)) });
        if queue.entered >= queues.at_once + queues.waiting_max {
            return Err(Trouble::Busy);
        }
        queue.entered += 1;
        Ok((queue.places.clone(), Entered { queues: queues.clone(), key: key.to_owned() }))
    }
}

impl Queues {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Queue>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        let mut open = self.queues.lock();
        let Some(queue) = open.get_mut(&self.key) else { return };
        queue.entered = queue.entered.saturating_sub(1);
        if queue.entered == 0 {
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
