//! Messages that wait until the ledger has named the owner of their call.

use std::collections::HashMap;

use sip::{ConnectionId, Message};

use crate::sip_cluster::limits::FINDING_MAX;
use infra::CallIndex;

/// The messages, by their call, in order of arrival, each with the connection that it came by.
#[derive(Default)]
pub struct HeldMessages(HashMap<CallIndex, Vec<(Message, ConnectionId)>>);

impl HeldMessages {
    /// Whether no further message may wait.
    pub fn are_full(&self) -> bool {
        self.0.values().map(Vec::len).sum::<usize>() >= FINDING_MAX
    }

    /// Holds a message; returns whether it is the first of its call, whose owner must be looked up.
    pub fn hold(&mut self, named: &CallIndex, message: Message, link: ConnectionId) -> bool {
        let waiting = self.0.entry(named.clone()).or_default();
        waiting.push((message, link));
        waiting.len() == 1
    }

    /// Whether messages of that call wait.
    pub fn has(&self, named: &CallIndex) -> bool {
        self.0.contains_key(named)
    }

    /// Takes the messages of a call whose lookup is done.
    pub fn take(&mut self, named: &CallIndex) -> Vec<(Message, ConnectionId)> {
        self.0.remove(named).unwrap_or_default()
    }

    /// How many calls are being looked up.
    #[cfg(test)]
    pub fn lookups(&self) -> usize {
        self.0.len()
    }
}
