//! How many questions to the dial plan may wait for an answer at once. Those of calls for help have turns of their own: a question about a phone
//! takes seconds while the store of registrations is away, and whoever calls for help does not stand behind such.

use tokio::sync::{Semaphore, SemaphorePermit};

/// Questions to the dial plan at once; further ones wait. A listener takes 512, of all nodes together, and refuses more: a burst of calls
/// was refused although the dial plan answers each in a millisecond.
pub const LOOKUPS_AT_ONCE: usize = 128;
/// Those about emergency numbers beside them.
pub const FOR_HELP_AT_ONCE: usize = 16;

/// The turns of questions to the dial plan.
pub struct LookupTurns {
    all: Semaphore,
    for_help: Semaphore,
}

impl LookupTurns {
    /// All are free.
    pub const fn new() -> Self {
        Self { all: Semaphore::const_new(LOOKUPS_AT_ONCE), for_help: Semaphore::const_new(FOR_HELP_AT_ONCE) }
    }

    /// Waits for a turn, which ends when it is dropped. A call for help takes one of its own, or one of all if that is free sooner.
    pub async fn next(&self, is_for_help: bool) -> Option<SemaphorePermit<'_>> {
        // The semaphores are never closed.
        if !is_for_help {
            return self.all.acquire().await.ok();
        }
        tokio::select! {
            biased;
            turn = self.for_help.acquire() => turn.ok(),
            turn = self.all.acquire() => turn.ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    // Not in a runtime: its tasks give way after so many steps, whether a turn is free or not.
    #[test]
    fn a_call_for_help_does_not_wait_behind_others() {
        let turns = LookupTurns::new();
        let mut taken = Vec::new();
        for _ in 0..LOOKUPS_AT_ONCE {
            taken.push(turns.next(false).now_or_never().flatten().expect("a turn is free"));
        }
        assert!(turns.next(false).now_or_never().is_none(), "it waits");
        for _ in 0..FOR_HELP_AT_ONCE {
            taken.push(turns.next(true).now_or_never().flatten().expect("it has a turn of its own"));
        }
        assert!(turns.next(true).now_or_never().is_none(), "it waits, too");
        drop(taken.remove(0));
        assert!(turns.next(true).now_or_never().flatten().is_some(), "any turn will do");
    }
}
