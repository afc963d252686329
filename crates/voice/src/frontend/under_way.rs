//! Requests being processed. Each is a task of its own: if its client hangs up, it is still carried out, remembered and reported.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use model::TenantId;
use net::http::Problem;

/// The most requests in progress. One takes some milliseconds, and up to four seconds while a node is silent.
const REQUESTS_MAX: usize = 2_048;
/// The most requests in progress of one tenant, and never more than there are places left: however many tenants take as many as
/// they can, a further one finds some.
const REQUESTS_OF_TENANT_MAX: usize = 512;

/// Counts the requests in progress. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct UnderWay(Arc<Mutex<HashMap<TenantId, usize>>>);

/// One request in progress; dropping it ends the count.
struct Place {
    of: UnderWay,
    tenant: TenantId,
}

impl UnderWay {
    /// Runs `work` to its end, whether or not a client still waits for it.
    ///
    /// # Errors
    /// 503 when too many requests are in progress, 500 when the work panicked.
    pub async fn to_the_end<T: Send + 'static>(
        &self,
        tenant: &TenantId,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, Problem> {
        let place = self.take(tenant)?;
        let task = tokio::spawn(async move {
            let done = work.await;
            drop(place);
            done
        });
        task.await.map_err(|_| Problem::internal())
    }

    fn take(&self, tenant: &TenantId) -> Result<Place, Problem> {
        let mut counts = self.counts();
        let own = counts.get(tenant).copied().unwrap_or_default();
        let left = REQUESTS_MAX.saturating_sub(counts.values().sum::<usize>());
        if own >= REQUESTS_OF_TENANT_MAX.min(left) {
            return Err(Problem::unavailable("too many requests are under way"));
        }
        counts.insert(tenant.clone(), own + 1);
        Ok(Place { of: self.clone(), tenant: tenant.clone() })
    }

    fn counts(&self) -> std::sync::MutexGuard<'_, HashMap<TenantId, usize>> {
        // The map is consistent after every step.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.of.counts();
        if let Some(own) = counts.get_mut(&self.tenant) {
            *own -= 1;
            if *own == 0 {
                counts.remove(&self.tenant);
            }
        }
    }
}

#[cfg(test)]
mod tests;
