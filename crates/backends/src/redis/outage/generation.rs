//! The generation of Redis's data: a new one begins when Redis comes back empty.

use std::time::Duration;

use infra::{Result, StoreError};
use tokio::time::Instant;

use super::{OutageState, lock};
use crate::redis::RedisStores;
use crate::redis::connection::reply;

/// Time within which every owner has seen that Redis was emptied and has written everything again.
const WRITTEN_AGAIN_WITHIN: Duration = Duration::from_secs(10);
/// Key with the name of the generation of Redis's data: it is missing if Redis came back empty.
const GENERATION: &str = "trunkline:generation";

/// The generation of Redis's data, as far as it is known.
#[derive(Default)]
pub(super) struct GenerationState {
    generation: Option<String>,
    /// When a new generation was seen: Redis was emptied.
    emptied_at: Option<Instant>,
    /// Whether this client must still write its records again.
    owes: bool,
    /// The generation in which the latest facts were repeated.
    pub(super) repeated_in: Option<String>,
}

impl OutageState {
    /// Whether this client has read the generation of Redis's data.
    pub(in crate::redis) fn knows_generation(&self) -> bool {
        lock(&self.generation_state).generation.is_some()
    }

    /// Notes the generation of Redis's data. Returns whether this client must write its records again.
    pub(super) fn note_generation(&self, generation: &str) -> bool {
        let mut state = lock(&self.generation_state);
        if state.generation.as_deref().is_some_and(|known| known != generation) {
            state.emptied_at = Some(Instant::now());
            state.owes = true;
        }
        state.generation = Some(generation.to_owned());
        state.owes
    }

    /// The records have been written again, unless Redis was emptied once more.
    pub(super) fn note_recovered(&self, generation: &str) {
        let mut state = lock(&self.generation_state);
        state.owes &= state.generation.as_deref() != Some(generation);
    }

    /// Whether Redis was emptied so recently that owners may not have written everything again.
    pub(in crate::redis) fn is_being_written_again(&self) -> bool {
        lock(&self.generation_state).emptied_at.is_some_and(|at| at.elapsed() < WRITTEN_AGAIN_WITHIN)
    }
}

impl RedisStores {
    /// To be called after a read that found nothing: that proves nothing while Redis may have been emptied unnoticed by its owners.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] during that time.
    pub(in crate::redis) async fn nothing_is_lost(&self) -> Result<()> {
        self.outage.note_generation(&self.generation().await?);
        if self.outage.is_being_written_again() {
            let reason = "Redis has come back empty: owners write their records again".to_owned();
            return Err(StoreError::Unavailable { reason });
        }
        Ok(())
    }

    /// The name of the generation of Redis's data; the first client that reads it sets it.
    pub(super) async fn generation(&self) -> Result<String> {
        let held = self.connections.command(redis::cmd("GET").arg(GENERATION)).await?;
        let held = reply::text(Some(&held))?;
        if !held.is_empty() {
            return Ok(held);
        }
        // A new name, by which clients see that Redis was empty.
        let fresh = format!("{}.{}", self.clock.now().as_micros(), std::process::id());
        self.connections.command(redis::cmd("SET").arg(GENERATION).arg(&fresh).arg("NX")).await?;
        reply::text(Some(&self.connections.command(redis::cmd("GET").arg(GENERATION)).await?))
    }
}
