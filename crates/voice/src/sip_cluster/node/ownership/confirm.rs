//! Calls in doubt: another node may own them, and the ledger must confirm their owner before anything is sent within them.

use std::collections::BTreeSet;
use std::ops::Bound;

use model::ConnId;
use sip::{ConnectionId, Message};

/// The calls in doubt, and what this turn would have to take back or leave to another owner.
pub struct Confirmations {
    /// Calls that another node may own: the ledger must confirm their owner.
    doubted: BTreeSet<ConnId>,
    /// Whether the pending batch contains a call in doubt.
    in_batch: bool,
    /// The last call in doubt that was sent for confirmation. The next turn continues after it, even if all calls are in doubt
    /// again.
    asked_about: ConnId,
    /// The calls of the last batch.
    written: Vec<ConnId>,
    /// Requests within calls that this turn has received. If another node turns out to own a call, they go to that owner.
    received: Vec<(Message, ConnectionId)>,
}

impl Confirmations {
    /// Nothing is in doubt.
    pub const fn new() -> Self {
        Self {
            doubted: BTreeSet::new(),
            in_batch: false,
            asked_about: ConnId(0),
            written: Vec::new(),
            received: Vec::new(),
        }
    }

    /// Puts these calls in doubt, and no others. Returns the calls of the last batch, whose messages may not have left yet.
    pub fn doubt(&mut self, stored: impl Iterator<Item = ConnId>) -> Vec<ConnId> {
        self.doubted = stored.collect();
        std::mem::take(&mut self.written)
    }

    /// Whether this call is in doubt.
    pub fn is_in_doubt(&self, conn_id: ConnId) -> bool {
        self.doubted.contains(&conn_id)
    }

    /// Whether calls are in doubt that no batch contains yet.
    pub fn are_needed(&self) -> bool {
        !self.doubted.is_empty()
    }

    /// Whether the ledger must confirm the batch before anything leaves.
    pub const fn is_in_batch(&self) -> bool {
        self.in_batch
    }

    /// The batch contains this call: if it is in doubt, the ledger confirms it thereby.
    pub fn wrote(&mut self, conn_id: ConnId) {
        self.in_batch |= self.doubted.remove(&conn_id);
    }

    /// Takes at most so many of the calls in doubt, in turn.
    pub fn take_some(&mut self, most: usize) -> Vec<ConnId> {
        let behind = (Bound::Excluded(self.asked_about), Bound::Unbounded);
        let round = self.doubted.range(behind).chain(self.doubted.range(..=self.asked_about));
        let asked: Vec<ConnId> = round.take(most).copied().collect();
        for conn_id in &asked {
            self.asked_about = *conn_id;
            self.doubted.remove(conn_id);
        }
        asked
    }

    /// The batch asks the ledger about a call that it does not change.
    pub const fn asks(&mut self) {
        self.in_batch = true;
    }

    /// The batch is complete: these are its calls. An empty one proves that nothing received belongs to a stored call.
    pub fn batch_has(&mut self, calls: Vec<ConnId>) {
        if calls.is_empty() {
            self.received.clear();
        }
        self.written = calls;
    }

    /// The ledger has answered. Returns the requests received in this turn.
    pub fn answered(&mut self) -> Vec<(Message, ConnectionId)> {
        self.in_batch = false;
        std::mem::take(&mut self.received)
    }

    /// This turn has received a request within a call.
    pub fn received(&mut self, request: Message, link: ConnectionId) {
        self.received.push((request, link));
    }
}
