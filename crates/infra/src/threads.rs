//! The ledger of open call threads. Its keys carry the tag of the tenant's stream, as those of [`crate::ledger`].

use bytes::Bytes;
use model::{CallUuid, Owner, TenantId, Token};

use crate::record::{Consumed, Written};
use crate::{Answer, Position, Refusal, Size};

/// Reported as full when a tenant has more open threads than [`crate::bounds::CALLS_MAX`].
pub const THREADS: &str = "the open threads";

/// A turn of call-state for one tenant: done whole or not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThreadBatch {
    /// The tenant.
    pub tenant: TenantId,
    /// The writer.
    pub owner: Owner,
    /// The token that the writer holds.
    pub token: Token,
    /// Threads that changed, by id; `None` removes the thread.
    pub threads: Vec<(CallUuid, Option<Bytes>)>,
    /// How far the tenant's events are folded into all threads.
    pub consumed: Option<Consumed>,
    /// Its number, from [`crate::Numbers`]. A batch that is repeated because the store did not answer keeps its number and so is
    /// applied once. 0 for a batch that is not repeated.
    pub number: u64,
}

impl ThreadBatch {
    /// Checks the sizes that every store refuses, whatever room it has.
    ///
    /// # Errors
    /// [`Refusal::TooLarge`] names the part that is too large.
    pub fn check(&self) -> std::result::Result<(), Refusal> {
        let bodies = || self.threads.iter().filter_map(|(_, body)| body.as_ref()).map(Bytes::len);
        let size = Size { state: bodies().max().unwrap_or_default(), ..Size::default() };
        if let Some(refusal) = size.refusal() {
            return Err(refusal);
        }
        let (bytes, bound) = (bodies().sum(), crate::bounds::WRITE_MAX);
        if bytes > bound {
            return Err(Refusal::TooLarge { what: THREADS, bytes, bound });
        }
        Ok(())
    }
}

/// The right to write a tenant's threads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThreadClaim {
    /// The token that a write must carry.
    pub token: Token,
    /// How far the tenant's events are folded into the threads.
    pub consumed: Position,
}

/// Threads of a tenant, and where the next ones are read; none behind the last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ThreadPage {
    /// The threads. One may stand in two pages.
    pub threads: Vec<(CallUuid, Bytes)>,
    /// What [`ThreadLedger::list`] takes for the next page.
    pub next: Option<u64>,
}

/// The open threads of call-state: a tenant has one owner for all of them. The job of following the tenant decides who may claim them.
pub trait ThreadLedger: Send + Sync {
    /// Writes a turn's batch: [`Written::Done`], [`Written::Fenced`], [`Written::Refused`] or, before the first claim,
    /// [`Written::Unknown`].
    fn commit(&self, batch: ThreadBatch) -> Answer<'_, Written>;

    /// Takes a tenant's threads over from whoever has them. Each claim has a token of its own; older ones are refused from now on.
    /// `view` is the name under which [`Consumed`] is written.
    fn claim<'a>(&'a self, by: &'a Owner, tenant: &'a TenantId, view: &'static str) -> Answer<'a, ThreadClaim>;

    /// Reads a page of a tenant's threads; `from` is [`ThreadPage::next`] of the page before, and 0 for the first. Complete only if
    /// nothing is written meanwhile: its owner reads them after the claim.
    fn list<'a>(&'a self, tenant: &'a TenantId, from: u64) -> Answer<'a, ThreadPage>;
}
