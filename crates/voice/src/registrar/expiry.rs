//! Ends expired registrations beside the loop, in batches that a turn can bear. A phone whose record is faulty is skipped and
//! delays no other.

use std::collections::HashMap;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use model::{Dn, TenantId, Timestamp};
use tracing::{info, warn};

use super::handler::{Fault, Handler};
use super::metrics::Metrics;

/// Phones that one scan requests from the store.
const SCAN_MAX: usize = 1_000;
/// Phones that are ended at once. A store in this process does its work within the turn: some milliseconds. 50,000 phones of a
/// failed network are ended in 500 turns, and REGISTERs are answered in between.
const BATCH_MAX: usize = 100;
/// Phones that are set aside. Each scan requests as many more as are set aside, so that these hide no other phone. Faults of more
/// phones than this do not come from records; then the phones beyond it are tried at each scan.
const ASIDE_MAX: usize = 10_000;
/// Time after which a phone that was set aside is tried again.
const AGAIN_AFTER: Duration = Duration::from_secs(60);

/// Ends expired registrations, one step after the other.
pub(super) struct Expiry {
    handler: Handler,
    metrics: Metrics,
    /// The operation of the store that is under way.
    step: Option<BoxFuture<'static, Step>>,
    /// Expired phones that the store has named.
    ending: Vec<(TenantId, Dn)>,
    /// Phones that could not be ended, each with the time of its next attempt.
    aside: HashMap<(TenantId, Dn), Timestamp>,
}

/// Result of a step.
enum Step {
    /// The answer to a scan, and the maximum that it asked for.
    Found(infra::Result<Vec<(TenantId, Dn)>>, usize),
    /// The faults of a batch, and the batch.
    Ended(infra::Result<Vec<Fault>>, Vec<(TenantId, Dn)>),
}

impl Expiry {
    pub fn new(handler: Handler, metrics: Metrics) -> Self {
        Self { handler, metrics, step: None, ending: Vec::new(), aside: HashMap::new() }
    }

    /// Starts a scan for expired phones, unless a step is under way.
    pub fn scan(&mut self) {
        if self.step.is_none() {
            let (handler, max) = (self.handler.clone(), SCAN_MAX + self.aside.len());
            self.step = Some(async move { Step::Found(handler.ending(max).await, max) }.boxed());
        }
    }

    /// Waits for one step and prepares the next; forever if there is none. Cancel-safe.
    pub async fn next(&mut self, now: impl Fn() -> Timestamp) {
        let Some(step) = &mut self.step else { return std::future::pending().await };
        let done = step.await;
        self.step = None;
        match done {
            Step::Found(Ok(found), max) => self.take(found, max, now()),
            Step::Ended(Ok(faults), tried) => self.set_aside(faults, &tried, now()),
            Step::Found(Err(error), _) | Step::Ended(Err(error), _) => {
                // The next scan finds them again.
                self.ending.clear();
                self.metrics.store_failed();
                warn!(%error, "registrations that are over cannot be ended yet");
            }
        }
        self.go_on();
    }

    fn take(&mut self, found: Vec<(TenantId, Dn)>, max: usize, now: Timestamp) {
        if found.len() < max {
            // The list is complete: a phone that is not on it has registered again.
            let all: std::collections::HashSet<_> = found.iter().collect();
            self.aside.retain(|phone, _| all.contains(phone));
            self.metrics.phones_set_aside(self.aside.len());
        }
        let waits = |phone: &(TenantId, Dn)| self.aside.get(phone).is_some_and(|again_at| *again_at > now);
        self.ending = found.into_iter().filter(|phone| !waits(phone)).collect();
    }

    fn set_aside(&mut self, faults: Vec<Fault>, tried: &[(TenantId, Dn)], now: Timestamp) {
        let mut before: HashMap<_, _> = tried.iter().filter_map(|phone| self.aside.remove_entry(phone)).collect();
        for (phone, error) in faults {
            let is_known = before.remove(&phone).is_some();
            if !is_known && self.aside.len() >= ASIDE_MAX {
                continue;
            }
            if !is_known {
                let (tenant, dn) = &phone;
                warn!(%tenant, dn = %runtime::Pii(dn.as_str()), %error, "an expired registration cannot be ended: it is skipped");
            }
            self.aside.insert(phone, now + AGAIN_AFTER);
        }
        for (tenant, dn) in before.into_keys() {
            info!(%tenant, dn = %runtime::Pii(dn.as_str()), "a registration that was skipped has ended");
        }
        self.metrics.phones_set_aside(self.aside.len());
    }

    fn go_on(&mut self) {
        let from = self.ending.len().saturating_sub(BATCH_MAX);
        let batch = self.ending.split_off(from);
        if !batch.is_empty() {
            let handler = self.handler.clone();
            self.step = Some(async move { Step::Ended(handler.end(&batch).await, batch) }.boxed());
        }
    }
}

#[cfg(test)]
mod tests;
