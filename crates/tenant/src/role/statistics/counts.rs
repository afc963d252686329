//! The statistics of one tenant: its engine, which of them are held open, and what is told to whom. No I/O: facts, configuration, requests
//! and time come in; messages for each stream come out when they are taken, so that a slow reader gets the last value of each.

mod held_statistic;
mod holding;
mod room;
mod telling;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use contracts::v1;
use infra::ObjectChanges;
use model::{Stamped, Timestamp};
use stats::{Engine, Joined, ObjectId, ObjectType, Output, StatisticId};

use super::catalogue::{Catalogue, ChangedParts};
use super::resolving::{RefusedStatistic, ResolvedStatistic};
use held_statistic::HeldStatistic;
use holding::StandingStatistics;
use room::HeldRoom;
use telling::FollowingStream;

/// The most parts of the statistics whose values are asked for in a message: a statistic of a group has one for each of its agents.
const PEEKED_PARTS_MAX: usize = 50_000;

/// The number of a stream, never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct StreamId(pub(super) u64);

/// The number of a statistic that is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct HeldId(u64);

/// What a role keeps of a tenant's statistics between its runs.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct KeptCounts {
    pub(super) engine: tally::Kept,
    pub(super) held: Vec<v1::HeldStatisticRecord>,
}

/// The statistics of one tenant.
pub(super) struct TenantCounts {
    engine: Engine,
    catalogue: Catalogue,
    is_configured: bool,
    /// The values of restored statistics, until the configuration says what they are of.
    restored: Vec<v1::HeldStatisticRecord>,
    /// Statistics that count whether somebody has asked for them or not.
    standing: BTreeMap<ObjectId, StandingStatistics>,
    /// Agents of whom the restored engine knows, until the configuration says who is one.
    known_agents: Vec<String>,
    held: BTreeMap<HeldId, HeldStatistic>,
    by_request: HashMap<v1::StatisticRequest, HeldId>,
    of_engine: HashMap<StatisticId, Vec<HeldId>>,
    next_held: u64,
    /// What all that is held takes.
    room: HeldRoom,
    streams: BTreeMap<StreamId, FollowingStream>,
    /// When which reference is told a value because time has passed.
    periods: BTreeSet<(Timestamp, StreamId, u64)>,
    forget_at: Option<Timestamp>,
    position: String,
    /// Since when everything counts, if it began without earlier facts.
    counts_since: Option<Timestamp>,
    /// Whether no fact has been folded, nor any state of before.
    is_new: bool,
    /// Whether it has come as far as the present.
    is_present: bool,
    /// Whether there is nothing that is not kept.
    is_kept: bool,
}

impl TenantCounts {
    /// Continues from what was kept, at a position of the stream; what it counts is known with the configuration.
    pub(super) fn restore(kept: KeptCounts, position: String) -> Self {
        let KeptCounts { engine, held } = kept;
        let is_new = engine == tally::Kept::default();
        let known_agents = engine.snapshot.agents.iter().map(|agent| agent.agent.clone()).collect();
        Self {
            engine: Engine::restore(engine.snapshot, stats::Zone::utc()),
            catalogue: Catalogue::default(),
            is_configured: false,
            restored: held,
            standing: BTreeMap::new(),
            known_agents,
            held: BTreeMap::new(),
            by_request: HashMap::new(),
            of_engine: HashMap::new(),
            next_held: 0,
            room: HeldRoom::default(),
            streams: BTreeMap::new(),
            periods: BTreeSet::new(),
            forget_at: None,
            position,
            counts_since: engine.counts_since,
            is_new,
            is_present: false,
            is_kept: true,
        }
    }

    /// What is to be kept, with its position.
    pub(super) fn kept(&self) -> (KeptCounts, String) {
        let mut snapshot = self.engine.snapshot();
        // One that has counted nothing yet begins anew as well as it goes on.
        snapshot.statistics.retain(|statistic| !statistic.buckets.is_empty() || statistic.level > 0);
        let engine = tally::Kept { snapshot, counts_since: self.counts_since, queues: Vec::new() };
        (KeptCounts { engine, held: self.held_records() }, self.position.clone())
    }

    /// What was to be kept is.
    pub(super) const fn has_been_kept(&mut self, is_kept: bool) {
        self.is_kept = is_kept;
    }

    pub(super) const fn is_kept(&self) -> bool {
        self.is_kept || !self.is_configured
    }

    pub(super) const fn is_present(&self) -> bool {
        self.is_present
    }

    /// The point of the tenant's history that it knows.
    pub(super) const fn configured_at(&self) -> Option<infra::HistoryPoint> {
        if self.is_configured { Some(self.catalogue.point) } else { None }
    }

    pub(super) fn position(&self) -> &str {
        &self.position
    }

    /// Statistics that are open or were within the last day.
    pub(super) fn statistics(&self) -> usize {
        self.held.len()
    }

    /// Subjects whose last fact was forgotten, since this was asked last.
    pub(super) fn take_forgotten(&mut self) -> u64 {
        self.engine.take_forgotten()
    }

    // === input ===

    /// Takes over changes of the tenant's objects. Statistics of objects that are gone are refused to who has them open.
    pub(super) fn configure(
        &mut self,
        changes: ObjectChanges,
        zone: impl FnOnce(Option<&str>) -> stats::Zone,
        now: Timestamp,
    ) {
        let before = self.catalogue.time_zone.clone();
        let changed: ChangedParts = self.catalogue.change(changes);
        if self.is_configured && !changed.any {
            return;
        }
        let has_other_clocks = before != self.catalogue.time_zone;
        if !self.is_configured || has_other_clocks {
            self.engine.set_zone(zone(self.catalogue.time_zone.as_deref()));
        }
        if self.is_configured && has_other_clocks {
            // Days begin at another time: what counts over them counts anew.
            self.counts_since = Some(now);
            self.all_intervals_become_stale();
        }
        self.engine.set_services(self.catalogue.services());
        self.hold_standing(now);
        if self.is_configured {
            self.resolve_again(changed, now);
        } else {
            for agent in std::mem::take(&mut self.known_agents) {
                self.stands(&ObjectId::new(ObjectType::Agent, &agent), now);
            }
            self.hold_restored(now);
            self.engine.forget_unopened();
            self.engine.handle_timeout(now);
            self.is_configured = true;
        }
        self.is_kept = false;
        self.take_outputs();
    }

    /// Folds a fact in.
    pub(super) fn fold(&mut self, stamped: &Stamped, now: Timestamp) {
        self.is_new = false;
        if let Some(agent) = &stamped.event.agent {
            // Before the first fact of an agent there is nothing to count.
            self.stands(&ObjectId::new(ObjectType::Agent, agent.as_str()), now);
        }
        self.engine.handle_event(stamped, now);
        self.take_outputs();
    }

    /// Everything up to this position has been folded, or left out.
    pub(super) fn has_reached(&mut self, position: String) {
        self.is_kept &= self.position == position;
        self.position = position;
    }

    /// Everything up to the present has been folded. Returns whether that is news.
    pub(super) const fn is_at_present(&mut self) -> bool {
        !std::mem::replace(&mut self.is_present, true)
    }

    /// Joins the state at that position in place of the facts that led to it.
    pub(super) fn join(&mut self, position: String, joined: Joined, now: Timestamp) {
        self.is_new = false;
        for agent in &joined.agents {
            self.stands(&ObjectId::new(ObjectType::Agent, &agent.agent), now);
        }
        self.engine.join(joined, now);
        self.has_reached(position);
        self.is_kept = false;
        self.take_outputs();
    }

    /// Whether calls wait there at a route point.
    pub(super) fn is_route_point(&self, dn: &str) -> bool {
        self.catalogue.is_route_point(dn)
    }

    /// Begins to count from zero, because facts are missing or the state has a fault: what is open stays open.
    pub(super) fn begin_anew(&mut self, zone: stats::Zone, now: Timestamp) {
        self.engine = Engine::new(zone);
        self.engine.set_services(self.catalogue.services());
        self.of_engine.clear();
        for object in std::mem::take(&mut self.standing).into_keys() {
            self.stands(&object, now);
        }
        self.hold_standing(now);
        self.open_all_again(now);
        self.engine.handle_timeout(now);
        self.counts_since = Some(now);
        self.position = String::new();
        self.is_new = false;
        self.is_kept = false;
        self.is_present = false;
        self.take_outputs();
    }

    /// The name of the tenant's time zone.
    pub(super) fn time_zone(&self) -> Option<&str> {
        self.catalogue.time_zone.as_deref()
    }

    // === time ===

    /// When [`Self::handle_timeout`] is due.
    pub(super) fn next_timeout(&self) -> Option<Timestamp> {
        let period = self.periods.first().map(|(at, ..)| *at);
        [self.engine.next_timeout(), period, self.forget_at].into_iter().flatten().min()
    }

    /// Handles what is due.
    pub(super) fn handle_timeout(&mut self, now: Timestamp) {
        if self.engine.next_timeout().is_some_and(|at| at <= now) {
            // The end of an interval changes nothing that is kept.
            self.is_kept &= self.engine.next_expiry().is_none_or(|at| at > now);
            self.engine.handle_timeout(now);
            self.take_outputs();
        }
        self.tell_periods(now);
        if self.forget_at.is_some_and(|at| at <= now) {
            self.forget_unwanted(now);
        }
    }

    /// Notes whose values the engine has changed.
    fn take_outputs(&mut self) {
        let mut changed = BTreeSet::new();
        while let Some(output) = self.engine.poll_output() {
            match output {
                // What changes by it is told as changed.
                Output::Rolled => {}
                Output::Changed(id) => changed.extend(self.of_engine.get(&id).into_iter().flatten().copied()),
            }
        }
        for id in changed {
            self.becomes_stale(id);
        }
    }

    /// Each value over an interval may be another one.
    fn all_intervals_become_stale(&mut self) {
        let over_intervals = self.held.iter().filter(|(_, held)| !held.resolved.is_current);
        for id in over_intervals.map(|(id, _)| *id).collect::<Vec<HeldId>>() {
            self.becomes_stale(id);
        }
    }

    /// A value as it is now.
    fn value(&self, resolved: &ResolvedStatistic, ids: &[StatisticId], now: Timestamp) -> stats::Value {
        super::readings::together(resolved.together, ids.iter().map(|id| self.engine.value(*id, now)))
    }

    /// Since when a statistic counts.
    fn since(
        &self,
        resolved: &ResolvedStatistic,
        ids: &[StatisticId],
        opened: Timestamp,
        now: Timestamp,
    ) -> Option<Timestamp> {
        if resolved.is_current {
            return None;
        }
        let interval = ids.first().and_then(|id| self.engine.since(*id, now));
        interval.into_iter().chain(self.counts_since).chain([opened]).max().filter(|since| *since > Timestamp::ZERO)
    }

    /// Values without holding the statistics open.
    pub(super) fn peek(&mut self, asked: Vec<v1::OpenStatistic>, now: Timestamp) -> v1::PeekStatisticsResponse {
        let mut answer = v1::PeekStatisticsResponse { position: self.position.clone(), ..Default::default() };
        let mut parts = 0;
        for v1::OpenStatistic { reference, request } in asked {
            match self.peeked(request.unwrap_or_default(), &mut parts, now) {
                Ok(reading) => answer.values.push(v1::StatisticTold { reference, value: Some(reading) }),
                Err(refusal) => answer.refused.push(refusal.told(reference)),
            }
        }
        answer
    }

    /// A value; `parts` are those that the message has read.
    fn peeked(
        &mut self,
        asked: v1::StatisticRequest,
        parts: &mut usize,
        now: Timestamp,
    ) -> Result<v1::StatisticReading, RefusedStatistic> {
        let request = super::resolving::canonical(&self.catalogue, asked)?;
        if let Some(held) = self.by_request.get(&request).and_then(|id| self.held.get(id)) {
            take_parts(parts, held.ids.len())?;
            return Ok(self.reading(held, now));
        }
        let checked = super::resolving::check(&self.catalogue, &request)?;
        take_parts(parts, checked.parts(&self.catalogue))?;
        let resolved = checked.resolve(&self.catalogue);
        self.stands_if_asked(&request, now);
        let ids = self.open_parts(&resolved)?;
        let value = self.value(&resolved, &ids, now);
        // One of those that stand counts the whole day.
        let opened = self.stands_since(&resolved, &ids).unwrap_or(now);
        let since = self.since(&resolved, &ids, opened, now);
        self.close_parts(ids);
        Ok(super::readings::told(value, since, now))
    }

    fn reading(&self, held: &HeldStatistic, now: Timestamp) -> v1::StatisticReading {
        let value = self.value(&held.resolved, &held.ids, now);
        super::readings::told(value, self.since(&held.resolved, &held.ids, held.opened, now), now)
    }
}

/// Counts parts that a message reads.
fn take_parts(taken: &mut usize, more: usize) -> Result<(), RefusedStatistic> {
    if *taken + more > PEEKED_PARTS_MAX {
        let rule = format!(
            "statistics: those of a message have at most {PEEKED_PARTS_MAX} parts, one for each agent of a group"
        );
        return Err(RefusedStatistic::new(v1::StatisticRefusal::Full, rule));
    }
    *taken += more;
    Ok(())
}
