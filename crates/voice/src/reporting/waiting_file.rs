//! The file of records that wait for the reporting log.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use infra::StoreError;
use infra::spool::Spool;

/// The most bytes in the file while the log is unavailable; further records are dropped and counted. Lasts for hours in a busy role.
pub(super) const FILE_BYTES_MAX: u64 = 256 << 20;

/// The file and its bytes. Reading the number of bytes does not wait for the disk.
pub(super) struct Waiting {
    spool: Mutex<Spool>,
    bytes: AtomicU64,
}

impl Waiting {
    pub fn of(spool: Spool) -> Self {
        let bytes = AtomicU64::new(spool.waiting());
        Self { spool: Mutex::new(spool), bytes }
    }

    pub fn bytes(&self) -> u64 {
        self.bytes.load(Relaxed)
    }

    pub fn is_empty(&self) -> bool {
        self.bytes() == 0
    }

    /// Works on the file outside the role's thread.
    pub async fn with<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&mut Spool) -> infra::Result<T> + Send + 'static,
    ) -> infra::Result<T> {
        let this = self.clone();
        let on_file = move || {
            // A spool is always consistent, even after a panic under the lock: its state is the content of its files.
            let mut spool = this.spool.lock().unwrap_or_else(PoisonError::into_inner);
            let outcome = work(&mut spool);
            this.bytes.store(spool.waiting(), Relaxed);
            outcome
        };
        blocking(on_file).await
    }
}

pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> infra::Result<T> + Send + 'static,
) -> infra::Result<T> {
    let ended = tokio::task::spawn_blocking(work).await;
    ended.map_err(|error| StoreError::Unavailable { reason: format!("the file of waiting records: {error}") })?
}
