//! Looks at the replicas of a role by `/live`. A process that is stopped or hangs still takes connections, so that nothing but its silence
//! tells.

use std::net::SocketAddr;
use std::time::Duration;

use super::client::{CallError, Client};

/// Between two looks at a replica.
const LOOKS_EACH: Duration = Duration::from_secs(1);
/// Time for a replica to answer a look, which it does without asking anybody.
const LOOK_ANSWERED_WITHIN: Duration = Duration::from_secs(2);

impl Client {
    /// Looks at each replica again and again as long as the role runs, while there are several: one that does not answer is asked last,
    /// and requests go to another one that leave it then ([`super::Call::leaves_hung`]).
    pub fn watch_replicas(&self) {
        let (client, drain) = (self.clone(), self.ctx().drain.clone());
        self.ctx().spawn("looks at replicas", async move {
            tokio::select! {
                () = client.look_at_all() => {}
                () = drain.ended() => {}
            }
            Ok(())
        });
    }

    async fn look_at_all(&self) {
        loop {
            let replicas = self.replicas();
            if replicas.len() > 1 {
                futures::future::join_all(replicas.into_iter().map(|replica| self.look_at(replica))).await;
            }
            tokio::time::sleep(LOOKS_EACH).await;
        }
    }

    async fn look_at(&self, replica: SocketAddr) {
        let look = self.look(replica, LOOK_ANSWERED_WITHIN);
        let has_hung = self.known().hangs(replica);
        match look.send_any().await {
            // Whatever is answered: somebody is there.
            Ok(_) => {
                self.known().answered_look(replica);
                if has_hung {
                    tracing::info!(role = self.role(), %replica, "a replica answers again");
                }
            }
            // Silence alone means that it hangs: a request that waits there would be given up for it.
            Err(error @ CallError::Deadline(_)) => {
                if self.known().missed_look(replica) {
                    tracing::info!(role = self.role(), %replica, %error, "a replica does not answer: others are asked before it");
                }
            }
            // Whoever cannot be connected to, requests notice at once.
            Err(_) => {}
        }
    }
}
