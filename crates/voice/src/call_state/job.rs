//! The right to follow a tenant's calls: one node has it at a time, for as long as it renews it.

use std::time::Duration;

use infra::Stores;
use model::{Owner, TenantId, Timestamp};
use tracing::warn;

/// How long the right is valid without renewal.
pub(super) const JOB: Duration = Duration::from_secs(5);
/// How often it is renewed.
pub(super) const JOB_EVERY: Duration = Duration::from_secs(1);

/// The right to follow a tenant, as one node asks for it.
#[derive(Clone)]
pub(super) struct Job {
    pub stores: Stores,
    pub tenant: TenantId,
    pub owner: Owner,
}

impl Job {
    /// Takes or renews it. Returns whether this node has it; `None` if the store does not answer.
    pub async fn take(&self) -> Option<bool> {
        let Self { stores, tenant, owner } = self;
        match stores.leases.take_job(&format!("call-state:{tenant}"), owner, JOB).await {
            Ok(token) => Some(token.is_some()),
            Err(error) => {
                warn!(%tenant, %error, "the right to follow calls cannot be renewed");
                None
            }
        }
    }

    /// Renews it; returns whether this node still has it.
    pub async fn keep(&self, renewed_at: &mut Timestamp) -> bool {
        let now = self.stores.clock.now();
        match self.take().await {
            Some(true) => *renewed_at = now,
            None if now.since(*renewed_at) < JOB => {}
            Some(false) | None => return false,
        }
        true
    }

    /// Renews it until this node has it no more.
    pub async fn keep_until_lost(&self) {
        let mut renewed_at = self.stores.clock.now();
        loop {
            tokio::time::sleep(JOB_EVERY).await;
            if !self.keep(&mut renewed_at).await {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_stores::{set_clock, stores};

    #[tokio::test(start_paused = true)]
    async fn a_beginning_that_takes_longer_than_the_right_is_valid_keeps_it() {
        let clock = set_clock();
        let job = |number: u8| Job {
            stores: stores(clock.clone()),
            tenant: TenantId::parse("t1").unwrap(),
            owner: format!("call-state-{number}.1").parse().unwrap(),
        };
        let ours = job(1);
        let other = Job { stores: ours.stores.clone(), ..job(2) };
        assert_eq!(ours.take().await, Some(true));
        let beginning = async {
            for _ in 0..4 * JOB.as_secs() {
                tokio::time::sleep(Duration::from_secs(1)).await;
                clock.advance(Duration::from_secs(1));
                assert_eq!(other.take().await, Some(false));
            }
        };
        tokio::select! {
            biased;
            () = ours.keep_until_lost() => panic!("it is lost"),
            () = beginning => {}
        }
        clock.advance(JOB + Duration::from_secs(1));
        assert_eq!(other.take().await, Some(true));
        tokio::time::timeout(2 * JOB, ours.keep_until_lost()).await.expect("it is lost");
    }
}
