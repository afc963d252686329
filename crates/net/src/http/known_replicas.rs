//! What the tasks of a role know together of the replicas of another one: which fail of late, and which hang.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::watch;
use tokio::time::Instant;

use super::failing_replicas::FailingReplicas;

/// The replicas of a role that fail. Cheap to clone.
#[derive(Clone)]
pub(super) struct ReplicasKnown(Arc<watch::Sender<FailingReplicas>>);

impl Default for ReplicasKnown {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(FailingReplicas::default())))
    }
}

impl ReplicasKnown {
    /// A request has failed there.
    pub fn failed(&self, replica: SocketAddr) {
        self.0.send_if_modified(|failing| {
            failing.failed(replica, Instant::now());
            // Nobody waits for that.
            false
        });
    }

    /// A replica has answered a request.
    pub fn answered(&self, replica: SocketAddr) {
        self.forget(|failing| failing.answered(replica));
    }

    /// A replica has answered a look.
    pub fn answered_look(&self, replica: SocketAddr) {
        self.forget(|failing| failing.answered_look(replica));
    }

    fn forget(&self, forget: impl FnOnce(&mut FailingReplicas)) {
        // With nearly every answer there is nothing to forget.
        if !self.0.borrow().is_empty() {
            self.0.send_if_modified(|failing| {
                forget(failing);
                // Whoever waits does so for one that hangs.
                false
            });
        }
    }

    /// Puts those last that fail.
    pub fn failing_last(&self, replicas: Vec<SocketAddr>) -> Vec<SocketAddr> {
        if replicas.len() < 2 || self.0.borrow().is_empty() {
            return replicas;
        }
        let mut ordered = Vec::new();
        self.0.send_if_modified(|failing| {
            ordered = failing.last(replicas, Instant::now());
            false
        });
        ordered
    }

    /// Whether a replica is taken to hang.
    pub fn hangs(&self, replica: SocketAddr) -> bool {
        self.0.borrow().hangs(replica)
    }

    /// Waits until a replica turns out to hang; for ever where it is known to hang already: whoever asks it then knows no better one.
    pub async fn comes_to_hang(&self, replica: SocketAddr) {
        let mut known = self.0.subscribe();
        let hangs_already = known.borrow_and_update().hangs(replica);
        if !hangs_already {
            let comes_to = known.wait_for(|failing| failing.hangs(replica)).await.is_ok();
            if comes_to {
                return;
            }
        }
        std::future::pending().await
    }

    /// A replica has not answered a look. Returns whether it is taken to hang from now on.
    pub fn missed_look(&self, replica: SocketAddr) -> bool {
        self.0.send_if_modified(|failing| failing.missed_look(replica, Instant::now()))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const HUNG: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 27, 1)), 8080);
    const THERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 27, 2)), 8080);
    const LONG: Duration = Duration::from_secs(600);

    #[tokio::test(start_paused = true)]
    async fn who_waits_at_a_replica_that_comes_to_hang_learns_it_and_nobody_else_does() {
        let known = ReplicasKnown::default();
        let mut at_hung = std::pin::pin!(known.comes_to_hang(HUNG));
        let mut at_there = std::pin::pin!(known.comes_to_hang(THERE));
        assert!(futures::poll!(at_hung.as_mut()).is_pending() && futures::poll!(at_there.as_mut()).is_pending());
        known.failed(HUNG);
        assert!(!known.missed_look(HUNG) && known.missed_look(HUNG));
        assert_eq!(known.failing_last(vec![HUNG, THERE])[1], HUNG);
        assert!(tokio::time::timeout(LONG, at_hung).await.is_ok(), "it is told");
        assert!(tokio::time::timeout(LONG, at_there).await.is_err(), "nothing is wrong there");
        assert!(tokio::time::timeout(LONG, known.comes_to_hang(HUNG)).await.is_err(), "that is known already");
    }
}
