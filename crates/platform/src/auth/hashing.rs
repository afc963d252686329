//! Slow hashes: as many at a time as there are processors, few that wait, the others are refused.

use std::sync::Arc;

use identity::password;
use tokio::sync::Semaphore;

use super::answers::Trouble;
use super::metrics::Metrics;

/// Hashes that wait for a processor: each takes some 30 ms, so that the last of them is computed after about two seconds on one.
const WAITING_MAX: usize = 64;

/// Computes hashes.
pub(super) struct Hashing {
    running: Arc<Semaphore>,
    admitted: Arc<Semaphore>,
    metrics: Metrics,
}

impl Hashing {
    pub fn new(metrics: Metrics) -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let (running, admitted) = (Semaphore::new(processors), Semaphore::new(processors + WAITING_MAX));
        Self { running: Arc::new(running), admitted: Arc::new(admitted), metrics }
    }

    /// Whether the password is that of the hash. Without a hash it never is, which takes as long to find out.
    ///
    /// # Errors
    /// [`Trouble::Busy`] if too many wait.
    pub async fn verify(&self, password: &str, hash: Option<&str>) -> Result<bool, Trouble> {
        let Ok(admitted) = self.admitted.clone().try_acquire_owned() else {
            self.metrics.hashes_refused.inc();
            return Err(Trouble::Busy);
        };
        // Never closed, so that this does not fail.
        let running = self.running.clone().acquire_owned().await.map_err(|_| Trouble::Busy)?;
        let (password, hash) = (password.to_owned(), hash.map(str::to_owned));
        let metrics = self.metrics.clone();
        let computed = tokio::task::spawn_blocking(move || {
            // The places are given back when the work is done, also if nobody waits for it any more.
            let _places = (admitted, running);
            let is_right = match &hash {
                Some(hash) => password::verify(&password, hash),
                None => password::verify_nobody(&password),
            };
            metrics.hashes.inc();
            is_right
        });
        computed.await.map_err(|error| Trouble::away("hashing", &error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_finds_the_queue_full_is_refused_at_once() {
        let metrics = Metrics::register(&runtime::Metrics::default());
        let hashing = Hashing::new(metrics.clone());
        assert_eq!(hashing.verify("open sesame", None).await.ok(), Some(false));
        assert_eq!(metrics.hashes.get(), 1);
        let all = u32::try_from(hashing.admitted.available_permits()).unwrap();
        let _held = hashing.admitted.clone().acquire_many_owned(all).await.unwrap();
        assert!(matches!(hashing.verify("open sesame", None).await, Err(Trouble::Busy)));
        assert_eq!(metrics.hashes_refused.get(), 1);
    }
}
