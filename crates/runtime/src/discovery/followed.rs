//! What a process knows of the replicas of one role from a source's answers. No I/O: answers and `now` in, the addresses out.
//!
//! - While the source is away, or answers nonsense, the last answer stays in force.
//! - A new address counts at once. One that is missing counts until it was missing for [`GONE_AFTER`] without a break and a fresh answer
//!   lacks it too: servers of a source that contradict one another do no harm, and who asks a dead replica asks the next one.
//! - An answer without any replica changes nothing: with nobody else to ask, the last ones are as good as none, and a source that has lost
//!   its data says so.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use model::{Entropy, Timestamp};

use super::{RoleAnswer, retry_after};
use crate::address::REPLICAS_MAX;

/// For how long an address must be missing in each answer before it is forgotten.
pub const GONE_AFTER: Duration = Duration::from_secs(20);
/// The least time between two questions: a source that answers at once, whatever it is asked, is not flooded.
pub const PAUSE_MIN: Duration = Duration::from_millis(500);
/// The most replicas of a role: as many as an instance may have.
pub const FOLLOWED_MAX: usize = REPLICAS_MAX as usize;

/// What has come of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TakenAnswer {
    /// Nothing: the addresses are those of before.
    Same,
    /// These are the addresses from now on, in order.
    Changed(Vec<IpAddr>),
}

/// The replicas of one role.
#[derive(Debug)]
pub struct Followed {
    present: BTreeSet<IpAddr>,
    /// Those of them that are missing in the answers, and since when.
    gone: BTreeMap<IpAddr, Timestamp>,
    /// The answer after which the next one is waited for.
    index: Option<u64>,
    failures: u32,
    asked_at: Timestamp,
    ask_at: Timestamp,
}

impl Followed {
    /// Begins with what is known without the source.
    pub fn new(present: impl IntoIterator<Item = IpAddr>, now: Timestamp) -> Self {
        let present = present.into_iter().collect();
        Self { present, gone: BTreeMap::new(), index: None, failures: 0, asked_at: now, ask_at: now }
    }

    /// When the next question is due.
    pub const fn ask_at(&self) -> Timestamp {
        self.ask_at
    }

    /// A question is asked now. Returns the answer after which the source is to wait for another one; none if it is to answer at once.
    pub fn ask(&mut self, now: Timestamp) -> Option<u64> {
        self.asked_at = now;
        self.index
    }

    /// When the question that waits is to be given up for one that is answered at once: an address may be gone by then.
    pub fn next_timeout(&self) -> Option<Timestamp> {
        // A question that is answered at once is under way, or comes.
        self.index?;
        self.gone.values().min().map(|since| *since + GONE_AFTER)
    }

    /// The time of [`Self::next_timeout`] has come, and the question is given up.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        if self.next_timeout().is_some_and(|due| due <= now) {
            self.index = None;
            self.ask_at = now.max(self.asked_at + PAUSE_MIN);
        }
    }

    /// The source has not answered, or nonsense. What is known stays; what was missing has to be missing anew.
    pub fn handle_fault(&mut self, now: Timestamp, entropy: &mut dyn Entropy) {
        self.gone.clear();
        self.failures = self.failures.saturating_add(1);
        self.index = None;
        self.ask_at = now + retry_after(self.failures, entropy);
    }

    /// The source has answered.
    pub fn handle_answer(&mut self, answer: &RoleAnswer, now: Timestamp) -> TakenAnswer {
        self.failures = 0;
        self.ask_at = now.max(self.asked_at + PAUSE_MIN);
        // An index that goes backwards is another server's, or that of one without its data: begin anew (Consul, "Blocking Queries").
        let goes_back = self.index.is_some_and(|seen| answer.index < seen);
        self.index = (answer.index > 0 && !goes_back).then_some(answer.index);
        let told: BTreeSet<IpAddr> =
            answer.replicas.iter().copied().filter(|address| !address.is_unspecified()).collect();
        let told: BTreeSet<IpAddr> = told.into_iter().take(FOLLOWED_MAX).collect();
        if told.is_empty() {
            self.gone.clear();
            return TakenAnswer::Same;
        }
        for missing in self.present.difference(&told) {
            self.gone.entry(*missing).or_insert(now);
        }
        self.gone.retain(|address, since| !told.contains(address) && now.since(*since) < GONE_AFTER);
        let room = FOLLOWED_MAX.saturating_sub(told.len());
        let mut next = told;
        next.extend(self.gone.keys().copied().take(room));
        self.gone.retain(|address, _| next.contains(address));
        if next == self.present {
            return TakenAnswer::Same;
        }
        self.present = next;
        TakenAnswer::Changed(self.present.iter().copied().collect())
    }

    /// Whether an answer names more replicas than are followed.
    pub fn is_cut(answer: &RoleAnswer) -> bool {
        answer.replicas.len() > FOLLOWED_MAX
    }
}

#[cfg(test)]
mod tests;
