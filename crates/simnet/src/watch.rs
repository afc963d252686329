//! Aborts a simulation whose core never returns, and reports its seed: nothing else could.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

/// How often the running seed is checked.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Watches seeds that run one after the other.
pub struct Watch {
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    seed: AtomicU64,
    played: AtomicU64,
    over: AtomicBool,
}

impl Watch {
    /// Aborts the process if a seed takes longer than `limit`: choose it so long that only an endless loop exceeds it.
    pub fn new(limit: Duration) -> Self {
        let state = Arc::new(State::default());
        let watched = state.clone();
        thread::spawn(move || watched.look(limit));
        Self { state }
    }

    /// Notes that a seed starts.
    pub fn plays(&self, seed: u64) {
        self.state.seed.store(seed, Ordering::Relaxed);
        self.state.played.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.state.over.store(true, Ordering::Relaxed);
    }
}

impl State {
    fn look(&self, limit: Duration) {
        let (mut at, mut looks) = (0, 0);
        while !self.over.load(Ordering::Relaxed) {
            thread::sleep(LOOK_EVERY);
            looks += 1;
            let played = self.played.load(Ordering::Relaxed);
            if played != at {
                (at, looks) = (played, 0);
            } else if played > 0 && LOOK_EVERY * looks > limit {
                eprintln!("seed {} does not come to its end", self.seed.load(Ordering::Relaxed));
                std::process::abort();
            }
        }
    }
}
