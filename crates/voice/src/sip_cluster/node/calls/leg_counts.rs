//! How many legs count for each trunk, and for each phone that calls outside: kept, since a limit is asked about at each call.
//!
//! A thread that may have changed is counted anew when the next limit is asked about; all others are as they were.

use std::collections::{HashMap, HashSet};

use model::plan::Caller;
use model::{ConnId, Dn, TenantId};

use super::call::Entry;
use super::leg::{Leg, LegStage};

/// For what a leg counts.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum LegPurpose {
    /// A trunk, in and out.
    Trunk(TenantId, String),
    /// A phone that calls outside, or forwards calls there.
    Outside(TenantId, Dn),
}

/// The counts.
#[derive(Debug, Default)]
pub struct LegCounts {
    sums: HashMap<LegPurpose, u32>,
    /// For what the legs of each thread count.
    of_threads: HashMap<ConnId, Vec<LegPurpose>>,
    /// Threads that may have changed since they were counted.
    stale: HashSet<ConnId>,
}

impl LegCounts {
    /// A thread may change.
    pub fn touch(&mut self, thread: ConnId) {
        self.stale.insert(thread);
    }

    /// The threads that may have changed; they are to be counted anew.
    pub fn take_stale(&mut self) -> HashSet<ConnId> {
        std::mem::take(&mut self.stale)
    }

    /// Counts a thread anew.
    pub fn count(&mut self, thread: ConnId, entry: &Entry) {
        self.replace(thread, counted_of(entry));
    }

    /// The thread is no longer here.
    pub fn forget(&mut self, thread: ConnId) {
        self.stale.remove(&thread);
        self.replace(thread, Vec::new());
    }

    /// How many legs count for that.
    pub fn of(&self, counted: &LegPurpose) -> u32 {
        self.sums.get(counted).copied().unwrap_or_default()
    }

    fn replace(&mut self, thread: ConnId, counted: Vec<LegPurpose>) {
        for one in &counted {
            let sum = self.sums.entry(one.clone()).or_default();
            *sum = sum.saturating_add(1);
        }
        let former =
            if counted.is_empty() { self.of_threads.remove(&thread) } else { self.of_threads.insert(thread, counted) };
        for one in former.unwrap_or_default() {
            if let Some(sum) = self.sums.get_mut(&one) {
                *sum = sum.saturating_sub(1);
                if *sum == 0 {
                    self.sums.remove(&one);
                }
            }
        }
    }

    /// Whether a thread is to be counted anew.
    #[cfg(test)]
    pub fn is_one_stale(&self) -> bool {
        !self.stale.is_empty()
    }

    /// Whether the counts are what they are if all threads are counted.
    #[cfg(test)]
    pub fn are_those_of<'a>(&self, entries: impl IntoIterator<Item = &'a Entry>) -> bool {
        let mut sums: HashMap<LegPurpose, u32> = HashMap::new();
        for one in entries.into_iter().flat_map(counted_of) {
            *sums.entry(one).or_default() += 1;
        }
        self.sums == sums
    }
}

/// For what the legs of a thread count, once for each leg.
fn counted_of(entry: &Entry) -> Vec<LegPurpose> {
    let legs = entry.legs.iter().filter(|leg| leg.stage != LegStage::Closing);
    legs.flat_map(|leg| by_trunk(entry, leg).into_iter().chain(outside(entry, leg))).collect()
}

/// The trunk by which a leg goes out or has come in.
fn by_trunk(entry: &Entry, leg: &Leg) -> Option<LegPurpose> {
    let trunk = match &leg.target {
        Some(target) => target.trunk.as_ref(),
        None => match &entry.thread.call_with(leg.id)?.party_on(leg.id)?.device {
            Caller::Trunk { trunk, .. } => Some(trunk),
            Caller::Phone(_) => None,
        },
    };
    Some(LegPurpose::Trunk(entry.tenant.clone(), trunk?.clone()))
}

/// The phone at whose limit a leg counts.
fn outside(entry: &Entry, leg: &Leg) -> Option<LegPurpose> {
    let limit = leg.target.as_ref()?.limits.at_once.as_ref()?;
    Some(LegPurpose::Outside(entry.tenant.clone(), limit.phone.clone()))
}
