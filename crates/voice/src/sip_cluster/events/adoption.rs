//! Which facts of the tenant's stream a node delivers: its own, and those of nodes that are gone.
//!
//! The facts of the other nodes are held back for a while. They are delivered when their node is gone, and in any case before the first fact
//! that this node gives of the same call: it has taken the call over, and facts of a call come in their order.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use infra::EventEntry;
use model::{ConnId, NodeId, Subject, Timestamp};
use tokio::sync::watch;

use super::{RunningNodes, delivers};
use crate::node_events::{Metrics, Sieve};

/// The most facts that are held back for one subscription; older ones are no longer: their node has run on since, and has delivered them.
pub(super) const HELD_MAX: usize = 4_096;
/// How long a fact is held back: longer than a node needs to be seen as gone.
pub(super) const HELD_FOR: Duration = Duration::from_secs(60);

/// The choice of one subscription.
pub(super) struct Adoption {
    node: NodeId,
    running: watch::Receiver<RunningNodes>,
    metrics: Metrics,
    /// Facts of other nodes, in order.
    held: VecDeque<(ConnId, EventEntry)>,
    /// How many of them each call has.
    of_call: HashMap<ConnId, usize>,
}

impl Adoption {
    pub fn new(node: NodeId, running: watch::Receiver<RunningNodes>, metrics: Metrics) -> Self {
        Self { node, running, metrics, held: VecDeque::new(), of_call: HashMap::new() }
    }

    fn hold(&mut self, call: ConnId, entry: EventEntry, now: Timestamp) {
        *self.of_call.entry(call).or_default() += 1;
        self.held.push_back((call, entry));
        self.expire(now);
    }

    fn expire(&mut self, now: Timestamp) {
        let is_old = |(_, entry): &(ConnId, EventEntry)| now.since(entry.event.at) > HELD_FOR;
        while self.held.len() > HELD_MAX || self.held.front().is_some_and(is_old) {
            if let Some((call, _)) = self.held.pop_front() {
                self.uncount(call);
            }
        }
    }

    fn uncount(&mut self, call: ConnId) {
        if let Some(count) = self.of_call.get_mut(&call) {
            *count -= 1;
            if *count == 0 {
                self.of_call.remove(&call);
            }
        }
    }

    /// Takes what is held back and wanted, in order.
    fn release(&mut self, wanted: impl Fn(ConnId, &EventEntry) -> bool, out: &mut Vec<EventEntry>) {
        let before = out.len();
        let held = std::mem::take(&mut self.held);
        for (call, entry) in held {
            if wanted(call, &entry) {
                self.uncount(call);
                out.push(entry);
            } else {
                self.held.push_back((call, entry));
            }
        }
        self.metrics.facts_adopted(out.len() - before);
    }
}

impl Sieve for Adoption {
    fn take(&mut self, entry: EventEntry, now: Timestamp, out: &mut Vec<EventEntry>) {
        let Subject::Call(call) = entry.event.id.subject else { return };
        let running = self.running.borrow().clone();
        // A fact of an earlier version does not say who gave it.
        let is_ours = entry.owner.as_ref().is_none_or(|owner| delivers(&self.node, &running, &owner.node));
        if !is_ours {
            return self.hold(call, entry, now);
        }
        if self.of_call.contains_key(&call) {
            self.release(|held, _| held == call, out);
        }
        out.push(entry);
    }

    fn take_earlier(&mut self, entry: EventEntry, now: Timestamp) {
        let Subject::Call(call) = entry.event.id.subject else { return };
        if entry.owner.as_ref().is_some_and(|owner| owner.node != self.node) {
            self.hold(call, entry, now);
        }
    }

    fn look(&mut self, now: Timestamp, out: &mut Vec<EventEntry>) {
        self.expire(now);
        let running = self.running.borrow().clone();
        let givers: HashSet<&NodeId> =
            self.held.iter().filter_map(|(_, entry)| Some(&entry.owner.as_ref()?.node)).collect();
        let gone: HashSet<NodeId> =
            givers.into_iter().filter(|giver| delivers(&self.node, &running, giver)).cloned().collect();
        if !gone.is_empty() {
            self.release(|_, entry| entry.owner.as_ref().is_some_and(|owner| gone.contains(&owner.node)), out);
        }
    }
}
