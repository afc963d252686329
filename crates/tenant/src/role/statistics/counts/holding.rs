//! Which statistics are open in the engine: those that stand, those that somebody has open, and for a day those that nobody has open any
//! more, so that a desktop that comes back sees its numbers go on.

use std::collections::BTreeSet;
use std::time::Duration;

use contracts::v1;
use model::Timestamp;
use prost::Message as _;
use stats::{ObjectId, ObjectType, StatisticId};

use super::held_statistic::{HeldStatistic, TakenRoom};
use super::room::PROFILES_OF_CLIENTS_MAX;
use super::{HeldId, TenantCounts};
use crate::role::statistics::built_in;
use crate::role::statistics::catalogue::{ChangedParts, ServiceLevels};
use crate::role::statistics::resolving::{RefusedStatistic, ResolvedStatistic, canonical, check, resolve};

/// How long a statistic that nobody has open goes on counting.
pub(super) const FORGET_AFTER: Duration = Duration::from_secs(86_400);
/// How often it is looked which are to be forgotten.
const LOOK_EVERY: Duration = Duration::from_secs(600);

/// The statistics of an object that stand.
#[derive(Debug)]
pub(super) struct StandingStatistics {
    levels: ServiceLevels,
    /// Since when each counts; zero: the whole day.
    since: Vec<(StatisticId, Timestamp)>,
}

impl StandingStatistics {
    fn ids(&self) -> impl Iterator<Item = StatisticId> {
        self.since.iter().map(|(id, _)| *id)
    }

    fn since(&self, id: StatisticId) -> Option<Timestamp> {
        self.since.iter().find(|(one, _)| *one == id).map(|(_, since)| *since)
    }
}

impl TenantCounts {
    // === standing ===

    /// Opens those of new queues and route points, and closes those of objects that are gone.
    pub(super) fn hold_standing(&mut self, now: Timestamp) {
        let queues: BTreeSet<ObjectId> = self.catalogue.queues().collect();
        let is_there = |object: &ObjectId| match object.of {
            ObjectType::Agent => self.catalogue.is_agent(&object.name),
            _ => queues.contains(object),
        };
        let gone: Vec<ObjectId> = self.standing.keys().filter(|object| !is_there(object)).cloned().collect();
        for object in gone {
            if let Some(standing) = self.standing.remove(&object) {
                self.close_parts(standing.ids());
            }
        }
        for queue in queues {
            self.stands(&queue, now);
        }
    }

    /// Opens those of an agent, a queue or a route point, if they are not open. What other service levels make another one counts anew.
    pub(super) fn stands(&mut self, object: &ObjectId, now: Timestamp) {
        if object.of == ObjectType::Agent && !self.catalogue.is_agent(&object.name) {
            return;
        }
        let levels = self.catalogue.levels(&object.name);
        if self.standing.get(object).is_some_and(|standing| standing.levels == levels) {
            return;
        }
        let names = built_in::of_the_day(object.of).iter();
        let requests = names.filter_map(|name| built_in::request(&self.catalogue, name, object.clone()));
        let requests: Vec<stats::Request> = requests.collect();
        let before = self.standing.remove(object);
        let mut since = Vec::with_capacity(requests.len());
        for request in requests {
            match self.engine.open(request) {
                Ok(id) => {
                    let begins = before.as_ref().map_or(Timestamp::ZERO, |before| before.since(id).unwrap_or(now));
                    since.push((id, begins));
                }
                Err(error) => tracing::error!(%object, %error, "a statistic of the day is not opened"),
            }
        }
        self.standing.insert(object.clone(), StandingStatistics { levels, since });
        if let Some(before) = before {
            self.close_parts(before.ids());
        }
    }

    /// Somebody asks for a number of an agent's day: of one of whom no fact has told yet it stands from now on.
    pub(super) fn stands_if_asked(&mut self, request: &v1::StatisticRequest, now: Timestamp) {
        let is_of_agent = request.definition.is_none() && request.object_type == ObjectType::Agent.as_str();
        if is_of_agent && built_in::of_the_day(ObjectType::Agent).contains(&request.name.as_str()) {
            self.stands(&ObjectId::new(ObjectType::Agent, &request.object_id), now);
        }
    }

    /// Since when every part counts, if each is one of those that stand: zero for the whole day.
    pub(super) fn stands_since(&self, resolved: &ResolvedStatistic, ids: &[StatisticId]) -> Option<Timestamp> {
        if ids.is_empty() {
            return None;
        }
        let parts = resolved.parts.iter().zip(ids);
        let mut since = parts.map(|(part, id)| self.standing.get(&part.object)?.since(*id));
        since.try_fold(Timestamp::ZERO, |latest, since| Some(latest.max(since?)))
    }

    // === parts ===

    /// Opens every part, or none.
    pub(super) fn open_parts(&mut self, resolved: &ResolvedStatistic) -> Result<Vec<StatisticId>, RefusedStatistic> {
        let mut ids = Vec::with_capacity(resolved.parts.len());
        for part in &resolved.parts {
            match self.engine.open(part.clone()) {
                Ok(id) => ids.push(id),
                Err(refused) => {
                    self.close_parts(ids);
                    return Err(refused.into());
                }
            }
        }
        Ok(ids)
    }

    pub(super) fn close_parts(&mut self, ids: impl IntoIterator<Item = StatisticId>) {
        ids.into_iter().for_each(|id| self.engine.close(id));
    }

    fn index(&mut self, id: HeldId, ids: &[StatisticId]) {
        for part in ids {
            self.of_engine.entry(*part).or_default().push(id);
        }
    }

    fn forget_index(&mut self, id: HeldId, ids: &[StatisticId]) {
        for part in ids {
            if let Some(of) = self.of_engine.get_mut(part) {
                of.retain(|held| *held != id);
                if of.is_empty() {
                    self.of_engine.remove(part);
                }
            }
        }
    }

    // === held ===

    /// The statistic that somebody opens, new or not.
    pub(super) fn hold(&mut self, asked: v1::StatisticRequest, now: Timestamp) -> Result<HeldId, RefusedStatistic> {
        let request = canonical(&self.catalogue, asked)?;
        if let Some(id) = self.by_request.get(&request) {
            return Ok(*id);
        }
        let checked = check(&self.catalogue, &request)?;
        let bytes = request.encoded_len();
        // Before it is resolved: a group may have more agents than there is room for.
        let taken = TakenRoom { statistics: 1, parts: checked.parts(&self.catalogue), bytes };
        self.room.expect_room(taken)?;
        self.make_room_for_profile(checked.request(), request.definition.is_some())?;
        self.make_room(taken)?;
        let resolved = checked.resolve(&self.catalogue);
        self.stands_if_asked(&request, now);
        let ids = self.open_parts(&resolved)?;
        let since_first = if self.is_new { Timestamp::ZERO } else { now };
        let opened = self.stands_since(&resolved, &ids).unwrap_or(since_first);
        let closed = Some(now);
        let held = HeldStatistic { request, bytes, resolved, ids, opened, closed, readers: BTreeSet::new() };
        Ok(self.insert(held, now))
    }

    fn insert(&mut self, held: HeldStatistic, now: Timestamp) -> HeldId {
        self.next_held += 1;
        let id = HeldId(self.next_held);
        self.index(id, &held.ids);
        self.room.add(id, &held);
        self.by_request.insert(held.request.clone(), id);
        self.held.insert(id, held);
        self.forget_at.get_or_insert(now + LOOK_EVERY);
        self.is_kept = false;
        id
    }

    /// Lets those go that nobody has wanted for longest, until there is room. Nothing goes for what would have no room then either.
    fn make_room(&mut self, more: TakenRoom) -> Result<(), RefusedStatistic> {
        self.room.expect_room(more)?;
        while !self.room.is_enough_for(more) {
            let Some((_, id)) = self.room.longest_unwanted() else { break };
            self.let_go(id);
        }
        Ok(())
    }

    /// The same for one more time profile. What a client brings takes no more than the clients' half.
    fn make_room_for_profile(&mut self, request: &stats::Request, is_of_client: bool) -> Result<(), RefusedStatistic> {
        let is_in_share = !is_of_client || self.room.has_room_for_profile_of_client();
        if !self.engine.needs_profile(request) || (is_in_share && self.engine.has_room_for(request)) {
            return Ok(());
        }
        let unwanted = self.room.longest_unwanted_profile(is_of_client).ok_or_else(|| {
            let rule = match is_in_share {
                true => "profile: the tenant's statistics have as many different ones as there may be".to_owned(),
                false => {
                    format!("profile: the definitions of clients have {PROFILES_OF_CLIENTS_MAX} different ones already")
                }
            };
            RefusedStatistic::new(v1::StatisticRefusal::Full, rule)
        })?;
        for id in unwanted {
            self.let_go(id);
        }
        Ok(())
    }

    /// Somebody has it open, or nobody since that time.
    pub(super) fn set_closed(&mut self, id: HeldId, closed: Option<Timestamp>) {
        let Some(held) = self.held.get_mut(&id) else { return };
        self.room.remove(id, held);
        held.closed = closed;
        self.room.add(id, held);
    }

    /// Ends a statistic.
    pub(super) fn let_go(&mut self, id: HeldId) -> Option<HeldStatistic> {
        let held = self.held.remove(&id)?;
        self.forget_index(id, &held.ids);
        self.close_parts(held.ids.iter().copied());
        self.room.remove(id, &held);
        self.by_request.remove(&held.request);
        self.is_kept = false;
        Some(held)
    }

    /// Ends those that nobody has had open for long enough.
    pub(super) fn forget_unwanted(&mut self, now: Timestamp) {
        while let Some((closed, id)) = self.room.longest_unwanted()
            && closed + FORGET_AFTER <= now
        {
            self.let_go(id);
        }
        self.forget_at = (!self.held.is_empty()).then(|| now + LOOK_EVERY);
    }

    // === configuration ===

    /// Opens those again that were kept, as far as the tenant still has what they are of.
    pub(super) fn hold_restored(&mut self, now: Timestamp) {
        for v1::HeldStatisticRecord { request, opened_us, closed_us } in std::mem::take(&mut self.restored) {
            let Some(id) = request.and_then(|request| self.hold(request, now).ok()) else { continue };
            if let Some(held) = self.held.get_mut(&id) {
                held.opened = Timestamp::from_micros(opened_us);
            }
            self.set_closed(id, Some(if closed_us == 0 { now } else { Timestamp::from_micros(closed_us) }));
        }
    }

    /// Resolves again what is held: definitions, members of groups and service levels may be others.
    pub(super) fn resolve_again(&mut self, changed: ChangedParts, now: Timestamp) {
        let all: Vec<HeldId> = self.held.keys().copied().collect();
        for id in all {
            let Some(held) = self.held.get(&id) else { continue };
            // Of one agent or DN nothing else can be another one.
            let of = ObjectType::parse(&held.request.object_type);
            let of = of.filter(|of| matches!(of, ObjectType::Agent | ObjectType::RegDN));
            let is_same = of.is_some_and(|of| {
                self.catalogue
                    .find(of, &held.request.object_id)
                    .is_some_and(|object| object.name == held.request.object_id)
            });
            if is_same && !changed.definitions {
                continue;
            }
            let changed = match resolve(&self.catalogue, &held.request) {
                Ok(resolved) if resolved == held.resolved => continue,
                Ok(resolved) => self.change(id, resolved, now),
                Err(refusal) => Err(refusal),
            };
            if let Err(refusal) = changed {
                self.refuse_held(id, &refusal);
            }
        }
    }

    /// Counts something else for a statistic: what stays the same in it goes on.
    fn change(&mut self, id: HeldId, resolved: ResolvedStatistic, now: Timestamp) -> Result<(), RefusedStatistic> {
        let known = self.held.get(&id).map_or(0, |held| held.ids.len());
        let parts = resolved.parts.len().saturating_sub(known);
        self.make_room(TakenRoom { parts, ..TakenRoom::default() })?;
        if !self.held.contains_key(&id) {
            // It has made room itself.
            return Ok(());
        }
        let ids = self.open_parts(&resolved)?;
        let begins = self.stands_since(&resolved, &ids).unwrap_or(now);
        let Some(held) = self.held.get_mut(&id) else { return Ok(()) };
        self.room.remove(id, held);
        // A group that has other members goes on.
        let definition = |of: &ResolvedStatistic| of.parts.first().map(|part| part.definition.clone());
        if definition(&held.resolved) != definition(&resolved) || resolved.parts.len() == 1 {
            held.opened = begins;
        }
        held.resolved = resolved;
        let before = std::mem::replace(&mut held.ids, ids.clone());
        self.room.add(id, held);
        self.forget_index(id, &before);
        self.index(id, &ids);
        self.close_parts(before);
        self.becomes_stale(id);
        Ok(())
    }

    /// Opens everything in an engine that has nothing yet.
    pub(super) fn open_all_again(&mut self, now: Timestamp) {
        let all: Vec<HeldId> = self.held.keys().copied().collect();
        for id in all {
            let Some(resolved) = self.held.get(&id).map(|held| held.resolved.clone()) else { continue };
            let ids = self.open_parts(&resolved).unwrap_or_default();
            self.index(id, &ids);
            if let Some(held) = self.held.get_mut(&id) {
                self.room.remove(id, held);
                held.ids = ids;
                held.opened = now;
                self.room.add(id, held);
            }
            self.becomes_stale(id);
        }
    }

    /// What is held, with what was kept and is not open again yet.
    pub(super) fn held_records(&self) -> Vec<v1::HeldStatisticRecord> {
        let record = |held: &HeldStatistic| v1::HeldStatisticRecord {
            request: Some(held.request.clone()),
            opened_us: held.opened.as_micros(),
            closed_us: held.closed.map(Timestamp::as_micros).unwrap_or_default(),
        };
        self.held.values().map(record).chain(self.restored.iter().cloned()).collect()
    }
}
