//! What a process knows of the replicas of one role from a source's answers. No I/O: answers and `now` in, the addresses out.
//!
//! - While the source is away, or answers nonsense, the last answer stays in force.
//! - A new address counts at once. One that is missing counts until it was missing for [`GONE_AFTER`] without a break and a fresh answer
//!   lacks it too: servers of a source that contradict one another do no harm, and who asks a dead replica asks the next one.
//! - An answer without any replica changes nothing: with nobody else to ask, the last ones are as good as none, and a source that has lost
//!   its data says so. In an answer that is incomplete nobody is missing.
//! - The next question waits for an answer later than the last one. An index that goes backwards, or is 0, is begun anew (Consul's
//!   documentation, "Blocking Queries"). Whatever the source does with that, questions that come to nothing at once grow rare.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use model::{Entropy, Timestamp};

use super::sieve::SiftedAnswer;
use super::{pause_after, retry_after};

/// For how long an address must be missing in each answer before it is forgotten.
pub const GONE_AFTER: Duration = Duration::from_secs(20);
/// The least time between two questions: what changes a few times in a row is heard of soon.
pub const PAUSE_MIN: Duration = Duration::from_millis(500);
/// The most time between two questions where each is answered at once with nothing new, as by agents that contradict one another, or by a
/// source that cannot wait. So late a new replica is heard of there.
pub const PAUSE_MAX: Duration = Duration::from_secs(5);
/// A question that has waited so long has been waited for a change.
const WAITED_MIN: Duration = Duration::from_secs(1);

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
    /// Answers in a row that came at once and changed nothing.
    fruitless: u32,
    asked_at: Timestamp,
    ask_at: Timestamp,
}

impl Followed {
    /// Begins with what is known without the source.
    pub fn new(present: impl IntoIterator<Item = IpAddr>, now: Timestamp) -> Self {
        let present = present.into_iter().collect();
        Self { present, gone: BTreeMap::new(), index: None, failures: 0, fruitless: 0, asked_at: now, ask_at: now }
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
    pub fn handle_answer(&mut self, answer: &SiftedAnswer, now: Timestamp, entropy: &mut dyn Entropy) -> TakenAnswer {
        self.failures = 0;
        let has_waited = self.index.is_some() && now.since(self.asked_at) >= WAITED_MIN;
        // An index that goes backwards is another server's, or that of one without its data.
        let goes_back = self.index.is_some_and(|seen| answer.index < seen);
        self.index = (answer.index > 0 && !goes_back).then_some(answer.index);
        let taken = self.take(answer, now);
        let is_fruitless = taken == TakenAnswer::Same && !has_waited;
        self.fruitless = if is_fruitless { self.fruitless.saturating_add(1) } else { 0 };
        // The first pauses are short; then the questions are a poll.
        let pause = pause_after(self.fruitless, 2 * PAUSE_MIN, PAUSE_MAX, entropy);
        self.ask_at = now.max(self.asked_at + pause);
        taken
    }

    fn take(&mut self, answer: &SiftedAnswer, now: Timestamp) -> TakenAnswer {
        let told = &answer.replicas;
        if told.is_empty() || answer.is_incomplete {
            self.gone.clear();
        } else {
            for missing in self.present.difference(told) {
                self.gone.entry(*missing).or_insert(now);
            }
        }
        let is_forgotten = |since: &Timestamp| now.since(*since) >= GONE_AFTER;
        let stays = |address: &&IpAddr| !self.gone.get(*address).is_some_and(is_forgotten);
        let mut next: BTreeSet<IpAddr> = self.present.iter().filter(stays).copied().collect();
        next.extend(told);
        self.gone.retain(|address, _| next.contains(address) && !told.contains(address));
        if next == self.present {
            return TakenAnswer::Same;
        }
        self.present = next;
        TakenAnswer::Changed(self.present.iter().copied().collect())
    }
}

#[cfg(test)]
mod tests;
