//! Running nodes: epochs, leases, and jobs that one node does at a time.

use std::time::Duration;

use model::{Epoch, NodeId, Owner, Timestamp, Token};

use crate::Answer;

/// A node's heartbeat. Key `node:<node>`: outside of any tenant's slot, so it never decides a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The node and its run.
    pub owner: Owner,
    /// Its role.
    pub role: String,
    /// When it expires unless renewed, by the clock of the node that asked.
    pub until: Timestamp,
}

/// Epochs and leases.
///
/// No clock is compared with another. A watcher considers a lease or a job expired when it has not been renewed for its time and
/// [`crate::bounds::LEASE_MARGIN`]. The watcher measures this by its own clock, from its first look at the present lease. So a node
/// that has just begun to watch takes nothing from others for that long.
pub trait Leases: Send + Sync {
    /// The node's next epoch: `max(clock in ms, last one + 1)`.
    fn next_epoch<'a>(&'a self, node: &'a NodeId) -> Answer<'a, Epoch>;

    /// Renews the owner's lease for another `ttl`.
    ///
    /// # Errors
    /// [`crate::StoreError::Fenced`] when the node has a later epoch.
    fn renew<'a>(&'a self, owner: &'a Owner, role: &'a str, ttl: Duration) -> Answer<'a, ()>;

    /// Gives the lease back, at a clean end.
    fn release<'a>(&'a self, owner: &'a Owner) -> Answer<'a, ()>;

    /// The leases of a role that have not expired, each after [`crate::bounds::LEASE`].
    fn live<'a>(&'a self, role: &'a str) -> Answer<'a, Vec<Lease>>;

    /// Takes or renews a job that one node does at a time, as `export:<tenant>`; none while another node has it. The token grows with
    /// each change of the job's owner and fences the job's own writes.
    fn take_job<'a>(&'a self, job: &'a str, owner: &'a Owner, ttl: Duration) -> Answer<'a, Option<Token>>;
}
