//! Reads that wait until there is something.

use std::time::Duration;

use infra::Result;
use model::TenantId;

use crate::redis::RedisStores;

/// Longest time between two looks during a wait: a wake-up may be lost with a connection.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

impl RedisStores {
    /// Looks again after each wake-up of the stream until it finds something or the time is up. Returns its last result.
    pub(in crate::redis) async fn wait_for<T, Look>(
        &self,
        tenant: &TenantId,
        stream: &str,
        wait: Duration,
        mut look: impl FnMut() -> Look,
    ) -> Result<T>
    where
        Look: Future<Output = Result<(T, Found)>>,
    {
        let mut wakes = self.connections.wakes(tenant, stream);
        let until = tokio::time::Instant::now() + wait;
        loop {
            let (value, found) = look().await?;
            let left = until.saturating_duration_since(tokio::time::Instant::now());
            if found == Found::Something || left.is_zero() {
                return Ok(value);
            }
            // Woken, or silent for a while: look again either way.
            let _ = tokio::time::timeout(left.min(LOOK_AGAIN), wakes.changed()).await;
        }
    }
}

/// Whether a look found something.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::redis) enum Found {
    Something,
    Nothing,
}

impl From<bool> for Found {
    fn from(found: bool) -> Self {
        if found { Self::Something } else { Self::Nothing }
    }
}
