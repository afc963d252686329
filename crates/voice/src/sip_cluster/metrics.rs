//! Every metric of this role.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;

/// The metrics of a node.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    /// Calls that it owns.
    pub calls: Gauge,
    offered: Counter,
    refused: Counter,
    overloaded: Counter,
    answered: Counter,
    vanished: Counter,
    turns: Counter,
    commits: Counter,
    fenced: Counter,
    unsent: Counter,
    requests: Counter,
    claimed: Counter,
}

impl Metrics {
    /// Registers them.
    pub fn register(registry: &runtime::Metrics) -> Self {
        Self {
            calls: registry.gauge("sipcluster_calls", "Calls that this node owns"),
            offered: registry.counter("sipcluster_calls_offered", "INVITEs that began a call"),
            refused: registry.counter("sipcluster_calls_refused", "Calls that were refused: unknown number, no phone"),
            overloaded: registry.counter("sipcluster_calls_overloaded", "Calls refused because a limit was reached"),
            answered: registry.counter("sipcluster_legs_answered", "Legs that were answered"),
            vanished: registry.counter("sipcluster_legs_vanished", "Parties that went away without a word"),
            turns: registry.counter("sipcluster_turns", "Turns of the loop that did something"),
            commits: registry.counter("sipcluster_call_writes", "Records of calls written to the ledger"),
            fenced: registry.counter("sipcluster_calls_fenced", "Calls lost to a newer owner"),
            unsent: registry.counter("sipcluster_messages_unsent", "Messages whose proxy was away"),
            requests: registry.counter("sipcluster_requests", "Requests about calls"),
            claimed: registry.counter("sipcluster_calls_claimed", "Calls taken over from an owner that is gone"),
        }
    }

    /// A call came.
    pub fn call_offered(&self) {
        self.offered.inc();
    }

    /// A call was refused before it was stored.
    pub fn call_refused(&self) {
        self.refused.inc();
    }

    /// A call was refused because a limit was reached.
    pub fn call_overloaded(&self) {
        self.overloaded.inc();
    }

    /// A leg was answered.
    pub fn leg_answered(&self) {
        self.answered.inc();
    }

    /// A party vanished.
    pub fn leg_vanished(&self) {
        self.vanished.inc();
    }

    /// A turn wrote that many records.
    pub fn turn(&self, writes: usize) {
        self.turns.inc();
        self.commits.inc_by(writes as u64);
    }

    /// A newer owner has the call.
    pub fn call_fenced(&self) {
        self.fenced.inc();
    }

    /// A message could not be sent.
    pub fn message_unsent(&self) {
        self.unsent.inc();
    }

    /// A request came.
    pub fn request(&self) {
        self.requests.inc();
    }

    /// A call was claimed.
    pub fn call_claimed(&self) {
        self.claimed.inc();
    }
}
