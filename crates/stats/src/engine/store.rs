//! The objects, their actions in progress, and the statistics on them.

mod intervals;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use model::Timestamp;

use super::Output;
use super::agents::Agents;
use super::running::Running;
use super::snapshot::StatisticSnapshot;
use super::statistic::{Bin, Occurrence, Statistic, StatisticId};
use crate::action::Action;
use crate::definition::{Category, Notification, ObjectId, ObjectType, Refused, Request, Subject};
use crate::filter::Facts;
use crate::profile::{Profile, Zone};
use crate::value::{StateValue, Value};
pub(super) use intervals::PROFILES_MAX;
use intervals::RollingProfile;

/// The most statistics of a tenant.
const STATISTICS_MAX: usize = 1_000_000;
/// The most objects of a tenant: agents, DNs and queues. An application names queues freely, even one for each call. Actions on objects
/// beyond the limit are not counted.
pub(super) const OBJECTS_MAX: usize = 500_000;
/// The index of the objects beyond the limit.
const NOBODY: u32 = u32::MAX;
/// The most changes that wait for the shell. The shell drains them at each turn, and each statistic waits only once.
const OUTPUTS_MAX: usize = STATISTICS_MAX;

/// The status of an agent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Status {
    pub(super) action: Action,
    pub(super) since: Timestamp,
}

#[derive(Clone, Debug)]
struct Object {
    id: ObjectId,
    running: Running,
    status: Option<Status>,
    listening: BTreeMap<(Subject, Action), Vec<u32>>,
    /// Statistics with the category `CurrentState`.
    states: Vec<u32>,
}

#[derive(Clone, Debug)]
pub(super) struct Store {
    pub(super) zone: Zone,
    pub(super) outputs: VecDeque<Output>,
    objects: Vec<Object>,
    by_id: HashMap<ObjectId, u32>,
    statistics: Vec<Option<Statistic>>,
    free: Vec<u32>,
    by_key: HashMap<String, u32>,
    /// Restored statistics that have not been opened again.
    unopened: HashMap<String, StatisticSnapshot>,
    /// Objects whose status may have changed by the present fact.
    touched: Vec<u32>,
    /// When each agent logged in, for profiles since login.
    logins: HashMap<u32, Timestamp>,
    /// Statistics that have an output waiting.
    waiting: std::collections::HashSet<u32>,
    rolled_at: Option<Timestamp>,
    /// The profiles of the statistics that have intervals.
    rolling: BTreeMap<Profile, RollingProfile>,
}

impl Store {
    pub(super) fn new(zone: Zone) -> Self {
        Self {
            zone,
            outputs: VecDeque::new(),
            objects: Vec::new(),
            by_id: HashMap::new(),
            statistics: Vec::new(),
            free: Vec::new(),
            by_key: HashMap::new(),
            unopened: HashMap::new(),
            touched: Vec::new(),
            logins: HashMap::new(),
            waiting: std::collections::HashSet::new(),
            rolled_at: None,
            rolling: BTreeMap::new(),
        }
    }

    pub(super) fn object(&mut self, of: ObjectType, name: &str) -> u32 {
        let id = ObjectId::new(of, name);
        if let Some(index) = self.by_id.get(&id) {
            return *index;
        }
        if self.objects.len() >= OBJECTS_MAX {
            return NOBODY;
        }
        let index = u32::try_from(self.objects.len()).unwrap_or(NOBODY);
        self.by_id.insert(id.clone(), index);
        self.objects.push(Object {
            id,
            running: Running::default(),
            status: None,
            listening: BTreeMap::new(),
            states: Vec::new(),
        });
        index
    }

    // === statistics ===

    pub(super) fn open(&mut self, request: Request) -> Result<StatisticId, Refused> {
        let key = request.key();
        if let Some(index) = self.by_key.get(&key).copied() {
            if let Some(Some(statistic)) = self.statistics.get_mut(index as usize) {
                statistic.holders += 1;
            }
            return Ok(StatisticId(index));
        }
        if self.open_count() >= STATISTICS_MAX {
            return Err(Refused::Full(STATISTICS_MAX));
        }
        if !self.has_room_for(&request) {
            return Err(Refused::ManyProfiles(PROFILES_MAX));
        }
        let object = self.object(request.object.of, &request.object.name);
        if object == NOBODY {
            return Err(Refused::Full(OBJECTS_MAX));
        }
        let mut statistic = Statistic::new(request, object);
        match self.unopened.remove(&key) {
            Some(snapshot) => {
                statistic.buckets = Statistic::develop(&snapshot.buckets);
                // The tenant's clocks may be others than when it was stored.
                statistic.keep_slots_of(&self.zone);
                statistic.level = snapshot.level;
            }
            None => statistic.level = self.level(&statistic),
        }
        let index = self.free.pop().unwrap_or_else(|| {
            self.statistics.push(None);
            u32::try_from(self.statistics.len() - 1).unwrap_or(u32::MAX)
        });
        self.listen(index, &statistic);
        self.by_key.insert(key, index);
        if let Some(place) = self.statistics.get_mut(index as usize) {
            *place = Some(statistic);
        }
        Ok(StatisticId(index))
    }

    fn listen(&mut self, index: u32, statistic: &Statistic) {
        let d = &statistic.request.definition;
        self.begins_to_roll(index, &statistic.request);
        let Some(object) = self.objects.get_mut(statistic.object as usize) else { return };
        if d.category == Category::CurrentState {
            object.states.push(index);
            return;
        }
        for action in d.main.union(d.relative).iter() {
            object.listening.entry((d.subject, action)).or_default().push(index);
        }
    }

    pub(super) fn close(&mut self, id: StatisticId) {
        let Some(Some(statistic)) = self.statistics.get_mut(id.0 as usize) else { return };
        statistic.holders -= 1;
        if statistic.holders > 0 {
            return;
        }
        let Some(statistic) = self.statistics.get_mut(id.0 as usize).and_then(Option::take) else { return };
        self.by_key.remove(&statistic.request.key());
        if let Some(object) = self.objects.get_mut(statistic.object as usize) {
            for listening in object.listening.values_mut().chain([&mut object.states]) {
                listening.retain(|index| *index != id.0);
            }
            object.listening.retain(|_, listening| !listening.is_empty());
        }
        self.rolls_no_more(id.0, &statistic.request);
        self.free.push(id.0);
    }

    pub(super) fn forget_unopened(&mut self) {
        self.unopened = HashMap::new();
    }

    pub(super) fn open_count(&self) -> usize {
        self.by_key.len()
    }

    fn statistic(&self, id: StatisticId) -> Option<&Statistic> {
        self.statistics.get(id.0 as usize)?.as_ref()
    }

    fn level(&self, statistic: &Statistic) -> u64 {
        let d = &statistic.request.definition;
        if d.category != Category::MaxNumber {
            return 0;
        }
        let Some(object) = self.objects.get(statistic.object as usize) else { return 0 };
        d.main.iter().map(|action| object.running.count(d.subject, action) as u64).sum()
    }

    // === values ===

    pub(super) fn value(&self, id: StatisticId, now: Timestamp, agents: &Agents) -> Value {
        let Some(statistic) = self.statistic(id) else { return Value::None };
        let Some(object) = self.objects.get(statistic.object as usize) else { return Value::None };
        if statistic.request.definition.category == Category::CurrentState {
            return Value::State(state(object, agents));
        }
        let slot = statistic.slot(now, &self.zone, self.logins.get(&statistic.object).copied());
        statistic.value(now, slot, &object.running)
    }

    pub(super) fn bins(&self, id: StatisticId, now: Timestamp) -> Vec<Bin> {
        let slot = self.statistic(id).and_then(|s| Some((s, s.slot(now, &self.zone, None)?)));
        slot.map(|(statistic, slot)| statistic.bins(slot)).unwrap_or_default()
    }

    pub(super) fn since(&self, id: StatisticId, now: Timestamp, _: &Agents) -> Option<Timestamp> {
        let statistic = self.statistic(id)?;
        let object = self.objects.get(statistic.object as usize)?;
        if statistic.request.definition.category.is_current() {
            return statistic.oldest(&object.running);
        }
        let slot = statistic.slot(now, &self.zone, self.logins.get(&statistic.object).copied())?;
        match statistic.request.profile {
            Profile::Sliding { window_s, step_s } => {
                let begin = (slot + 1) * u64::from(step_s);
                Some(Timestamp::from_millis(begin.saturating_sub(u64::from(window_s)) * 1_000))
            }
            _ => Some(Timestamp::from_micros(slot)),
        }
    }

    // === actions ===

    /// Begins a durable action: `since` is its start, `from` the time from which it counts.
    pub(super) fn begin(&mut self, object: u32, action: Action, of: u64, since: Timestamp, from: Timestamp) {
        self.begin_as(object, Subject::DNAction, action, of, since, from);
        self.touch(object);
    }

    /// Ends a durable action. An action that is not in progress changes nothing.
    pub(super) fn end(&mut self, object: u32, action: Action, of: u64, at: Timestamp, facts: &Facts<'_>) {
        self.end_as(object, Subject::DNAction, action, of, at, facts);
        self.touch(object);
    }

    /// Counts an instantaneous or retrospective action; the latter with its duration.
    pub(super) fn fire(&mut self, object: u32, action: Action, duration: Duration, at: Timestamp, facts: &Facts<'_>) {
        let occurrence = Occurrence { action, from: at, at, duration, facts: *facts };
        self.count(object, Subject::DNAction, &occurrence);
    }

    fn begin_as(&mut self, object: u32, subject: Subject, action: Action, of: u64, since: Timestamp, from: Timestamp) {
        let Some(held) = self.objects.get_mut(object as usize) else { return };
        held.running.lasting.entry((subject, action)).or_default().insert((since, of), from);
        self.moved(object, subject, action, from);
    }

    fn end_as(&mut self, object: u32, subject: Subject, action: Action, of: u64, at: Timestamp, facts: &Facts<'_>) {
        let Some(held) = self.objects.get_mut(object as usize) else { return };
        let Some(all) = held.running.lasting.get_mut(&(subject, action)) else { return };
        let Some((since, _)) = all.keys().find(|(_, one)| *one == of).copied() else { return };
        let from = all.remove(&(since, of)).unwrap_or(since);
        if all.is_empty() {
            held.running.lasting.remove(&(subject, action));
        }
        let occurrence = Occurrence { action, from, at, duration: at.since(from), facts: *facts };
        self.count(object, subject, &occurrence);
        self.moved(object, subject, action, at);
    }

    fn count(&mut self, object: u32, subject: Subject, occurrence: &Occurrence<'_>) {
        let Some(held) = self.objects.get(object as usize) else { return };
        let Some(listening) = held.listening.get(&(subject, occurrence.action)) else { return };
        for index in listening.clone() {
            let Some(Some(statistic)) = self.statistics.get_mut(index as usize) else { continue };
            if statistic.request.definition.category == Category::MaxNumber {
                continue;
            }
            let slot = statistic.slot(occurrence.at, &self.zone, self.logins.get(&object).copied());
            if statistic.count(occurrence, slot) {
                self.changed(index, occurrence.at);
            }
        }
    }

    /// The number of actions in progress has changed: updates the statistics of the present moment.
    fn moved(&mut self, object: u32, subject: Subject, action: Action, at: Timestamp) {
        let Some(held) = self.objects.get(object as usize) else { return };
        let Some(listening) = held.listening.get(&(subject, action)) else { return };
        for index in listening.clone() {
            let Some(Some(statistic)) = self.statistics.get(index as usize) else { continue };
            let category = statistic.request.definition.category;
            if category == Category::MaxNumber {
                let level = self.level(statistic);
                let slot = statistic.slot(at, &self.zone, self.logins.get(&object).copied());
                if let Some(Some(statistic)) = self.statistics.get_mut(index as usize) {
                    statistic.level(slot, level);
                }
            } else if !category.is_current() && category != Category::TotalAdjustedTime {
                continue;
            }
            self.changed(index, at);
        }
    }

    fn touch(&mut self, object: u32) {
        let is_agent = self.objects.get(object as usize).is_some_and(|held| held.id.of == ObjectType::Agent);
        if is_agent && !self.touched.contains(&object) {
            self.touched.push(object);
        }
    }

    /// Updates the status of each touched agent, after all actions of a fact.
    pub(super) fn settle(&mut self, at: Timestamp) {
        for object in std::mem::take(&mut self.touched) {
            self.settle_one(object, at);
        }
    }

    fn settle_one(&mut self, object: u32, at: Timestamp) {
        let Some(held) = self.objects.get(object as usize) else { return };
        let (before, now) = (held.status, held.running.status().unwrap_or(Action::LoggedOut));
        if before.is_some_and(|before| before.action == now) {
            return;
        }
        let data = model::UserData::new();
        let facts = Facts { user_data: &data, call_type: None, this_queue: None };
        if let Some(before) = before {
            self.end_as(object, Subject::AgentStatus, before.action, 0, at, &facts);
        }
        self.begin_as(object, Subject::AgentStatus, now, 0, at, at);
        self.set_status(object, Status { action: now, since: at });
        self.state_changed(object, at);
    }

    /// Sets a status without counting: at a join, after a restore, or when its reason changed.
    pub(super) fn set_status(&mut self, object: u32, status: Status) {
        if let Some(held) = self.objects.get_mut(object as usize) {
            held.status = Some(status);
        }
    }

    /// Restores a status from a snapshot.
    pub(super) fn restore_status(&mut self, object: u32, status: Status) {
        self.set_status(object, status);
        self.begin_as(object, Subject::AgentStatus, status.action, 0, status.since, status.since);
    }

    pub(super) fn status(&self, object: u32) -> Option<Status> {
        self.objects.get(object as usize)?.status
    }

    /// The state of an agent, or its reason, has changed.
    pub(super) fn state_changed(&mut self, object: u32, at: Timestamp) {
        let states = self.objects.get(object as usize).map(|held| held.states.clone()).unwrap_or_default();
        for index in states {
            self.changed(index, at);
        }
    }

    /// Restarts a status that has only a new reason.
    pub(super) fn restart_status(&mut self, object: u32, at: Timestamp) {
        let Some(status) = self.status(object).filter(|status| status.since < at) else { return };
        if !matches!(status.action, Action::NotReadyForNextCall | Action::AfterCallWork) {
            return;
        }
        let data = model::UserData::new();
        let facts = Facts { user_data: &data, call_type: None, this_queue: None };
        self.end_as(object, Subject::AgentStatus, status.action, 0, at, &facts);
        self.begin_as(object, Subject::AgentStatus, status.action, 0, at, at);
        self.set_status(object, Status { since: at, ..status });
    }

    /// The durable actions in progress on an object.
    pub(super) fn lasting(&self, object: u32) -> Vec<(Action, u64)> {
        let Some(held) = self.objects.get(object as usize) else { return Vec::new() };
        let own = held.running.lasting.iter().filter(|((subject, _), _)| *subject == Subject::DNAction);
        own.flat_map(|((_, action), all)| all.keys().map(|(_, of)| (*action, *of))).collect()
    }

    /// Every agent with a known status: status and last login.
    pub(super) fn agents(&self) -> Vec<(String, Option<Status>, Option<Timestamp>)> {
        let agents = self.objects.iter().zip(0_u32..).filter(|(held, _)| held.id.of == ObjectType::Agent);
        let told = agents.filter(|(held, _)| held.status.is_some());
        told.map(|(held, index)| (held.id.name.clone(), held.status, self.logins.get(&index).copied())).collect()
    }

    /// Clears the touched objects after a restore: restored statuses are up to date.
    pub(super) fn untouch(&mut self) {
        self.touched.clear();
    }

    pub(super) fn logged_in(&mut self, object: u32, at: Timestamp) {
        self.logins.insert(object, at);
    }

    // === notification ===

    fn changed(&mut self, index: u32, at: Timestamp) {
        let Some(Some(statistic)) = self.statistics.get(index as usize) else { return };
        match statistic.request.notification {
            Notification::None | Notification::Periodic { .. } => return,
            Notification::Immediate => {}
            Notification::Change { insensitivity } => {
                let Some(object) = self.objects.get(statistic.object as usize) else { return };
                let slot = statistic.slot(at, &self.zone, self.logins.get(&statistic.object).copied());
                let now = Statistic::measure(&statistic.value(at, slot, &object.running));
                let (told, is_told) = (statistic.told, statistic.is_told);
                if is_told && now.abs_diff(told) < insensitivity {
                    return;
                }
                if let Some(Some(statistic)) = self.statistics.get_mut(index as usize) {
                    (statistic.told, statistic.is_told) = (now, true);
                }
            }
        }
        if self.outputs.is_empty() {
            self.waiting.clear();
        }
        if self.outputs.len() < OUTPUTS_MAX && self.waiting.insert(index) {
            self.outputs.push_back(Output::Changed(StatisticId(index)));
        }
    }

    // === snapshot ===

    pub(super) fn snapshot(&self) -> Vec<StatisticSnapshot> {
        let open = self.by_key.iter().filter_map(|(key, index)| {
            let statistic = self.statistic(StatisticId(*index))?;
            let is_current = statistic.request.definition.category.is_current();
            (!is_current).then(|| StatisticSnapshot {
                key: key.clone(),
                buckets: statistic.snapshot(),
                level: statistic.level,
            })
        });
        let mut all: Vec<StatisticSnapshot> = open.chain(self.unopened.values().cloned()).collect();
        all.sort_by(|a, b| a.key.cmp(&b.key));
        all
    }

    pub(super) fn develop(&mut self, statistics: Vec<StatisticSnapshot>) {
        self.unopened = statistics.into_iter().map(|snapshot| (snapshot.key.clone(), snapshot)).collect();
    }
}

fn state(object: &Object, agents: &Agents) -> StateValue {
    let session = agents.session(&object.id.name);
    StateValue {
        status: object.status.map_or(Action::LoggedOut, |status| status.action),
        since: object.status.map(|status| status.since),
        reason: session.and_then(|session| session.reason.clone()),
        dn: session.map(|session| session.dn.clone()),
    }
}
