//! Who lives: epochs, leases, and the one who may do a job.

use std::time::Duration;

use model::{Epoch, NodeId, Owner, Timestamp, Token};

use crate::Answer;

/// A node's sign of life. Key `node:<node>`: outside of any tenant's slot, so it never decides a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Who.
    pub owner: Owner,
    /// Its role.
    pub role: String,
    /// Until when it counts if it is not renewed, by the clock of who asked.
    pub until: Timestamp,
}

/// Epochs and leases.
///
/// No clock is compared with another: a lease, or a job, is over for who watches it when it has not been renewed for its time and
/// [`crate::bounds::LEASE_MARGIN`] by the watcher's own clock, counted from the first look at it as it is. So whoever has just begun to look
/// takes nothing from anybody for so long.
pub trait Leases: Send + Sync {
    /// The node's next epoch: `max(clock in ms, last one + 1)`.
    fn next_epoch<'a>(&'a self, node: &'a NodeId) -> Answer<'a, Epoch>;

    /// Says that the owner lives for another `ttl`.
    ///
    /// # Errors
    /// [`crate::StoreError::Fenced`] when the node has a later epoch.
    fn renew<'a>(&'a self, owner: &'a Owner, role: &'a str, ttl: Duration) -> Answer<'a, ()>;

    /// Gives the lease back, at a clean end.
    fn release<'a>(&'a self, owner: &'a Owner) -> Answer<'a, ()>;

    /// The leases of a role that have not run out, each after [`crate::bounds::LEASE`].
    fn live<'a>(&'a self, role: &'a str) -> Answer<'a, Vec<Lease>>;

    /// Takes or keeps a job that one node does at a time, as `export:<tenant>`; none while somebody else has it. The token grows with
    /// each change of hands and fences the job's own writes.
    fn take_job<'a>(&'a self, job: &'a str, owner: &'a Owner, ttl: Duration) -> Answer<'a, Option<Token>>;
}
