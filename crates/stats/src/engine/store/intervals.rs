//! The time profiles of the statistics: when the interval of each ends, and whose values may be others by that.

use std::collections::BTreeSet;
use std::time::Duration;

use model::Timestamp;

use super::Store;
use crate::definition::Request;
use crate::engine::Output;
use crate::profile::{Profile, Zone};

/// The most different time profiles of a tenant's statistics: when each ends its interval is looked at in each turn.
pub(in crate::engine) const PROFILES_MAX: usize = 256;

/// The statistics of a profile.
#[derive(Clone, Debug, Default)]
pub(super) struct RollingProfile {
    statistics: BTreeSet<u32>,
    /// When its present interval ends; none before the first roll, and for a profile whose intervals end by events alone.
    next: Option<Timestamp>,
}

impl Store {
    /// A statistic is opened.
    pub(super) fn begins_to_roll(&mut self, index: u32, request: &Request) {
        if request.definition.category.is_current() {
            return;
        }
        let rolling = self.rolling.entry(request.profile.clone()).or_default();
        if rolling.statistics.is_empty() {
            rolling.next = self.rolled_at.and_then(|from| request.profile.boundary(&self.zone, from));
        }
        rolling.statistics.insert(index);
    }

    /// A statistic is closed.
    pub(super) fn rolls_no_more(&mut self, index: u32, request: &Request) {
        let Some(rolling) = self.rolling.get_mut(&request.profile) else { return };
        rolling.statistics.remove(&index);
        if rolling.statistics.is_empty() {
            self.rolling.remove(&request.profile);
        }
    }

    /// Whether it would be the first with its profile. The day is none of those that are counted: there is always room for what counts it.
    pub(in crate::engine) fn needs_profile(&self, request: &Request) -> bool {
        !request.definition.category.is_current()
            && !self.rolling.contains_key(&request.profile)
            && request.profile != Profile::day()
    }

    /// Whether it needs no further profile, or there may be one more.
    pub(in crate::engine) fn has_room_for(&self, request: &Request) -> bool {
        self.rolling.len() < PROFILES_MAX || !self.needs_profile(request)
    }

    /// Sets the zone. Intervals that are none by its clocks begin anew.
    pub(in crate::engine) fn set_zone(&mut self, zone: Zone) {
        self.zone = zone;
        for statistic in self.statistics.iter_mut().flatten() {
            statistic.keep_slots_of(&self.zone);
        }
        self.find_boundaries();
    }

    /// Finds when the interval of each profile ends.
    fn find_boundaries(&mut self) {
        let Some(from) = self.rolled_at else { return };
        for (profile, rolling) in &mut self.rolling {
            rolling.next = profile.boundary(&self.zone, from);
        }
    }

    pub(in crate::engine) fn next_roll(&self) -> Option<Timestamp> {
        self.rolling.values().filter_map(|rolling| rolling.next).min()
    }

    /// Ends the intervals that are over. Of their statistics those are told whose values may be others by that.
    pub(in crate::engine) fn roll(&mut self, now: Timestamp) {
        let is_first = self.rolled_at.replace(now).is_none();
        if is_first {
            return self.find_boundaries();
        }
        let (mut has_rolled, mut changed) = (false, Vec::new());
        for (profile, rolling) in &mut self.rolling {
            let Some(ended_at) = rolling.next.filter(|next| *next <= now) else { continue };
            has_rolled = true;
            rolling.next = profile.boundary(&self.zone, now);
            let Some(ended) = profile.slot(&self.zone, ended_at - Duration::from_micros(1), None) else { continue };
            let statistics = &self.statistics;
            let rolls = |index: &u32| {
                statistics.get(*index as usize).is_some_and(|s| s.as_ref().is_some_and(|s| s.rolls(ended)))
            };
            changed.extend(rolling.statistics.iter().copied().filter(rolls));
        }
        if self.outputs.is_empty() {
            self.waiting.clear();
        }
        if has_rolled {
            self.outputs.push_back(Output::Rolled);
        }
        for index in changed {
            self.changed(index, now);
        }
    }
}
