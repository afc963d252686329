//! Slow hashes: as many at a time as there are processors, few that wait, the others are refused; strangers first, so that those who have
//! signed in from where they are can do so while strangers guess.

use std::sync::Arc;

use identity::password;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::super::answers::Trouble;
use super::super::metrics::Metrics;

/// Hashes that wait for a processor: each takes some 30 ms, so that the last of them is computed after about two seconds on one.
const WAITING_MAX: usize = 64;
/// Those of strangers among them.
const STRANGERS_WAITING_MAX: usize = 32;

/// Computes hashes.
pub(in crate::auth) struct Hashing {
    running: Arc<Semaphore>,
    admitted: Arc<Semaphore>,
    strangers: Arc<Semaphore>,
    metrics: Metrics,
}

impl Hashing {
    pub fn new(metrics: Metrics) -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let places = |waiting: usize| Arc::new(Semaphore::new(processors + waiting));
        let (admitted, strangers) = (places(WAITING_MAX), places(STRANGERS_WAITING_MAX));
        Self { running: places(0), admitted, strangers, metrics }
    }

    /// Whether the password is that of the hash. Without a hash it never is, which takes as long to find out.
    ///
    /// # Errors
    /// [`Trouble::Busy`] if too many wait; of who is not known, sooner.
    pub async fn verify(&self, password: &str, hash: Option<&str>, is_known: bool) -> Result<bool, Trouble> {
        let (password, hash) = (password.to_owned(), hash.map(str::to_owned));
        let verified = move || match &hash {
            Some(hash) => password::verify(&password, hash),
            None => password::verify_nobody(&password),
        };
        self.compute(is_known, verified).await
    }

    /// The hash of a password that somebody has chosen who has shown the one before.
    ///
    /// # Errors
    /// [`Trouble::Busy`] if too many wait, [`Trouble::Away`] if there is no memory for it.
    pub async fn hash(&self, password: &str, salt: [u8; password::SALT_BYTES]) -> Result<String, Trouble> {
        let password = password.to_owned();
        let hash = self.compute(true, move || password::hash(&password, salt)).await?;
        hash.map_err(|error| Trouble::away("hashing", &error))
    }

    async fn compute<T: Send + 'static>(
        &self,
        is_known: bool,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Trouble> {
        let stranger = if is_known { None } else { Some(self.place(&self.strangers)?) };
        let admitted = self.place(&self.admitted)?;
        // Never closed, so that this does not fail.
        let running = self.running.clone().acquire_owned().await.map_err(|_| Trouble::Busy)?;
        let metrics = self.metrics.clone();
        let computed = tokio::task::spawn_blocking(move || {
            // The places are given back when the work is done, also if nobody waits for it any more.
            let _places = (stranger, admitted, running);
            let done = work();
            metrics.hashes.inc();
            done
        });
        computed.await.map_err(|error| Trouble::away("hashing", &error))
    }

    fn place(&self, places: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, Trouble> {
        places.clone().try_acquire_owned().map_err(|_| {
            self.metrics.hashes_refused.inc();
            Trouble::Busy
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_finds_the_queue_full_is_refused_at_once_and_strangers_first() {
        let metrics = Metrics::register(&runtime::Metrics::default());
        let hashing = Hashing::new(metrics.clone());
        assert_eq!(hashing.verify("open sesame", None, false).await.ok(), Some(false));
        assert_eq!(metrics.hashes.get(), 1);
        let of_strangers = u32::try_from(hashing.strangers.available_permits()).unwrap();
        let _strangers = hashing.strangers.clone().acquire_many_owned(of_strangers).await.unwrap();
        let _admitted = hashing.admitted.clone().acquire_many_owned(of_strangers).await.unwrap();
        assert!(matches!(hashing.verify("open sesame", None, false).await, Err(Trouble::Busy)));
        assert_eq!(hashing.verify("open sesame", None, true).await.ok(), Some(false));
        let rest = u32::try_from(hashing.admitted.available_permits()).unwrap();
        let _rest = hashing.admitted.clone().acquire_many_owned(rest).await.unwrap();
        assert!(matches!(hashing.verify("open sesame", None, true).await, Err(Trouble::Busy)));
        assert_eq!(metrics.hashes_refused.get(), 2);
    }
}
